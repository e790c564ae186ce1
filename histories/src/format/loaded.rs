//! The options for reading a history, and the result.

use super::Format;
use super::event::is_always_actor;
use super::merge::ChunkMerger;
use super::merge_settings::MergedHistory;
use crate::{History, Problem, Problems};
use rustc_hash::FxHashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Options for reading a history.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// The format; if none, it is recognised by the name and the first bytes.
    pub from: Option<Format>,
    /// Whether `value` is `[key, value]`, as in Jepsen's independent workloads.
    pub independent: bool,
    /// Whether to drop a last event that is incomplete. What was dropped is in [`Loaded::dropped`].
    pub lenient: bool,
    /// Whether an `ok`, `fail` or `info` event without its `invoke` is an operation that was invoked just before it, as
    /// in some of Elle's own tests. The events of such a history are numbered from zero.
    pub lone_completions: bool,
    /// For a table of operations, the columns that are not recognised by name: `call=started,f=verb`.
    pub columns: Option<String>,
    /// For events as columns: read only the events of objects with these keys (as JSON). If none, all events are read.
    pub keys: Option<Vec<String>>,
    /// If given, reading fails soon after this is set.
    pub stop: Option<Arc<AtomicBool>>,
    /// The number of problems to keep; further ones are only counted.
    pub problems_max: usize,
    /// The number of bytes to parse at a time.
    pub block_bytes: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            from: None,
            independent: false,
            lenient: false,
            lone_completions: false,
            columns: None,
            keys: None,
            stop: None,
            problems_max: 100,
            block_bytes: 1 << 18,
        }
    }
}

/// A history that was read, and how it was read.
#[derive(Debug)]
pub struct Loaded {
    /// The history.
    pub history: History,
    /// The format of the file.
    pub format: Format,
    /// What `lenient` dropped. Must be reported with any verdict.
    pub dropped: Option<Problem>,
    /// Remarks about how the file was understood, where that is not obvious. Must be reported too.
    pub remarks: Vec<String>,
    /// Whether the value of each event was read as `[key, value]`: because [`ReadOptions::independent`] said so, or
    /// because it was recognised ([`History::is_independent`]).
    pub independent: bool,
}

/// A remark on a process with a name that invokes and completes what no model knows. Its operations are those of an actor, so nothing checks
/// them; a slip of the pen in the name of an operation looks the same.
fn describe_unknown_client(history: &History) -> Option<String> {
    let mut invoked: FxHashSet<(&str, &str)> = FxHashSet::default();
    for event in history.actor_events().iter().filter(|event| !is_always_actor(&event.actor)) {
        let what = (event.actor.as_str(), event.function.as_str());
        match event.kind.as_str() {
            "invoke" => {
                invoked.insert(what);
            }
            "ok" if invoked.contains(&what) => {
                let (name, function) = what;
                return Some(format!(
                    "{name} invoked {function}, which no model knows, so its events were not checked. If {name} is a client, correct the name of \
                     the operation, or name the client in the header: \"clients\":[{name:?}]"
                ));
            }
            _ => {}
        }
    }
    None
}

/// Finishes a merge, and splits a history that is recognised as independent.
pub(super) fn load_merged(
    merge: ChunkMerger,
    format: Format,
    options: &ReadOptions,
) -> Result<Loaded, Problems> {
    let MergedHistory { mut history, dropped, mut remarks, flat, .. } = merge.finish()?;
    remarks.extend(describe_unknown_client(&history));
    let independent = !options.independent && history.is_independent();
    if independent {
        history.split_by_object();
        remarks.push(
            "every value is a pair of a key and its value, as in Jepsen's independent workloads: each key was read as an \
             object of its own"
                .to_owned(),
        );
    } else if let Some(flat) = flat {
        return Err(flat);
    }
    let independent = independent || options.independent;
    Ok(Loaded { history, format, dropped, remarks, independent })
}
