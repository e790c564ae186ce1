//! Reads of values that nobody wrote: what would have explained them, had it happened.

use super::objects::{is_write_function, value_expected, value_read, value_written};
use histories::{Function, History, KeyId, OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;

/// Writes that did not happen, by object and value: failed ones, and indeterminate compare-and-sets (some of
/// which did; nobody asks for those).
pub(super) struct DidNotHappen(FxHashMap<(KeyId, ValueId), Vec<OpId>>);

impl DidNotHappen {
    /// O(n).
    pub(super) fn new(history: &History) -> Self {
        let mut writes_of: FxHashMap<(KeyId, ValueId), Vec<OpId>> = FxHashMap::default();
        for operation in history.operations().filter(|operation| is_write_function(operation.function)) {
            let doubtful = operation.outcome == Outcome::Info && operation.function == Function::CAS;
            if doubtful || operation.outcome == Outcome::Fail {
                writes_of.entry((operation.key, value_written(&operation))).or_default().push(operation.id);
            }
        }
        Self(writes_of)
    }

    /// The operations that would have led to what a read returned, or a compare-and-set expected.
    pub(super) fn operations_leading_to(&self, history: &History, read: OpId) -> Vec<OpId> {
        let operation = history.operation(read);
        let (mut wanted, mut found) = (vec![value_read(history, read)], Vec::new());
        let mut at = 0;
        while at < wanted.len() {
            let writes = self.0.get(&(operation.key, wanted[at])).map_or(&[][..], Vec::as_slice);
            for other in writes.iter().map(|&op| history.operation(op)).filter(|other| other.id != read) {
                found.push(other.id);
                if other.outcome == Outcome::Info && !wanted.contains(&value_expected(&other)) {
                    wanted.push(value_expected(&other));
                }
            }
            at += 1;
        }
        found
    }
}
