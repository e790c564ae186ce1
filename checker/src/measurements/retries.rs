//! Counts retries: the same operation on the same object by the same session, after an earlier one had failed or timed
//! out.

use super::in_time::UntilStopped;
use super::samples::{Samples, UserOutcome};
use histories::{Argument, Function, History, KeyId, SessionId, ValueId};
use rustc_hash::FxHashMap;
use std::sync::atomic::AtomicBool;

/// How many there are. Reads are asked again all the time, so only operations with an argument count. Too few once the
/// flag is set.
pub(super) fn count_retries(history: &History, samples: &Samples, stop: &AtomicBool) -> usize {
    let mut failed: FxHashMap<(SessionId, Function, KeyId, ValueId, ValueId), i64> = FxHashMap::default();
    let mut count = 0;
    for row in samples.rows.iter().until_stopped(stop) {
        if failed.is_empty() && row.end != UserOutcome::Error {
            continue;
        }
        let (one, two) = match history.argument(row.id) {
            Argument::Value(ValueId::NULL) | Argument::Micros(_) => continue,
            Argument::Value(value) => (value, ValueId::NULL),
            Argument::Pair(old, new) => (old, new),
        };
        let asked = (row.session, history.function(row.id), history.key(row.id), one, two);
        count += usize::from(failed.get(&asked).is_some_and(|&ended| ended <= row.invoked));
        if let (UserOutcome::Error, Some(ended)) = (row.end, row.ended) {
            failed.insert(asked, ended);
        }
    }
    count
}
