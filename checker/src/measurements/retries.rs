//! Operations that were asked again: the same of the same object by the same session, after it had failed or hung.

use super::samples::{Samples, UserOutcome};
use histories::{Argument, Function, History, KeyId, SessionId, ValueId};
use rustc_hash::FxHashMap;

/// How many there are. Reads are asked again all the time, so only operations with an argument count.
pub(super) fn count_retries(history: &History, samples: &Samples) -> usize {
    let mut failed: FxHashMap<(SessionId, Function, KeyId, ValueId, ValueId), i64> = FxHashMap::default();
    let mut count = 0;
    for row in &samples.rows {
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
