//! Ids that are generated once each: Jepsen's `unique-ids`.
//!
//! Any two `generate` operations that ended `ok` must have returned different ids, whoever asked and when. One that is
//! indeterminate may have used up an id that nobody saw, and says nothing.

use super::ObjectOperations;
use super::found::BreachCollector;
use claims::BreachEvidence;
use histories::{Function, ValueId};
use rustc_hash::FxHashMap;

pub(super) fn check_unique_ids(object: &ObjectOperations<'_>, found: &mut BreachCollector) {
    let history = object.history;
    let mut seen = FxHashMap::default();
    for other in object.acknowledged_operations(Function::GENERATE) {
        let id = history.operation(other).result;
        if id == ValueId::NULL {
            found.note_unclear(format!("operation {} returned no id", history.operation_index(other)));
            continue;
        }
        found.looked += 1;
        let one = *seen.entry(id).or_insert(other);
        if one != other {
            let id = history.value_text(id).to_owned();
            found.add_breach("duplicated", object.key(), || BreachEvidence::SameId { id, one, other });
        }
    }
}
