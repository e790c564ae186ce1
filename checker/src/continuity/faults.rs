//! When faults were on, and what notes of events say.

use histories::faults::{FaultEpisode, fault_episodes};
use histories::{History, OpId, Outcome};

/// The end of an operation, or of what is known of it.
pub(super) fn end_position(history: &History, id: OpId) -> u32 {
    let op = history.operation(id);
    if op.outcome == Outcome::Info { op.invoked } else { op.completed }
}

/// A field of the notes of an event, as JSON, found without parsing all of them.
pub(crate) fn find_note_field<'a>(history: &'a History, position: u32, name: &str) -> Option<&'a str> {
    let fields = history.note(position)?.fields;
    // The name in its quotes, with a colon after it.
    let named = |at: &usize| fields[..*at].ends_with('"') && fields[at + name.len()..].starts_with("\":");
    let at = fields.match_indices(name).map(|(at, _)| at).find(named)?;
    let rest = &fields[at + name.len() + 2..];
    let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<&serde_json::value::RawValue>();
    stream.next()?.ok().map(serde_json::value::RawValue::get)
}

/// When and how long faults were on, as [`fault_episodes`] reads them: one without a known end may be on until the end of the
/// history.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultPeriods {
    /// In order of the strikes.
    episodes: Vec<FaultEpisode>,
}

impl FaultPeriods {
    /// Reads the events of fault injectors.
    pub(super) fn from_history(history: &History) -> Self {
        Self { episodes: fault_episodes(history) }
    }

    /// The strikes of those that may have been on at some moment between two positions.
    pub(super) fn active_between(&self, from: u32, until: u32) -> Vec<u32> {
        let on = self.episodes.iter().filter(|fault| fault.may_be_active(from, until));
        on.map(|fault| fault.strike.first.position).collect()
    }

    /// Whether somebody may have set a clock by then.
    pub(super) fn clocks_were_set(&self, until: u32) -> bool {
        self.episodes.iter().any(|fault| fault.changes_clocks() && fault.strike.first.position <= until)
    }
}
