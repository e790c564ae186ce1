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
        match (row.end, row.ended) {
            (UserOutcome::Error, Some(ended)) => _ = failed.insert(asked, ended),
            // A success makes up for the failures before it. What the user does again after that is no retry.
            (UserOutcome::Success, _) if failed.get(&asked).is_some_and(|&ended| ended <= row.invoked) => {
                failed.remove(&asked);
            }
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use crate::measurements::tests::{is, measured};

    /// An addition fails once, and is repeated with success. Five more additions of the same number are five more additions. They were
    /// counted as retries, because the failure was never forgotten.
    #[test]
    fn what_is_done_again_after_a_success_is_no_retry() {
        let text: String = (0..6)
            .map(|at| {
                let end = if at == 0 { "fail no primary" } else { "ok" };
                format!("{}-{} u write x 1 {end}\n", 10 * at, 10 * at + 5)
            })
            .collect();
        is(&measured(&text).run, "retries", 1.0);
        is(&measured(&text.replacen("ok", "fail no primary", 1)).run, "retries", 2.0);
    }
}
