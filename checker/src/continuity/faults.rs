//! When faults were active, and fields of the notes of events.

use histories::faults::{FaultEpisode, fault_episodes};
use histories::{History, OpId, Outcome};
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;

/// The position by which an operation ended. For an indeterminate operation, its invocation, the last event that is
/// known.
pub(super) fn end_position(history: &History, id: OpId) -> u32 {
    let op = history.operation(id);
    if op.outcome == Outcome::Info { op.invoked } else { op.completed }
}

/// Finds one field in the notes of an event and returns it as JSON. Fields of objects inside the notes are others.
pub(crate) fn find_note_field(history: &History, position: u32, name: &str) -> Option<String> {
    let fields = history.note(position)?.fields;
    // Most notes do not have it, and are not parsed.
    if !fields.contains(name) {
        return None;
    }
    let mut fields: FxHashMap<String, &RawValue> = serde_json::from_str(&fields).ok()?;
    fields.remove(name).map(|value| value.get().to_owned())
}

/// The intervals in which faults were active, as [`fault_episodes`] reads them. A fault without a known end may be
/// active until the end of the history.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultPeriods {
    /// In the order in which the faults struck.
    episodes: Vec<FaultEpisode>,
}

impl FaultPeriods {
    /// Reads the events of fault injectors.
    pub(super) fn from_history(history: &History) -> Self {
        Self { episodes: fault_episodes(history) }
    }

    /// The positions of the strikes of the faults that may have been active at some moment between two positions.
    pub(super) fn active_between(&self, from: u32, until: u32) -> Vec<u32> {
        let on = self.episodes.iter().filter(|fault| fault.may_be_active(from, until));
        on.map(|fault| fault.strike.first.position).collect()
    }

    /// Whether a fault may have changed a clock by this position.
    pub(super) fn clocks_were_set(&self, until: u32) -> bool {
        self.episodes.iter().any(|fault| fault.changes_clocks() && fault.strike.first.position <= until)
    }
}
