//! Registers that only grow: no session may read a value below one that it read before.
//!
//! Jepsen has several checkers of this name. FaunaDB's and TiDB's have registers in common that are incremented and
//! whose values, as each process reads them, must never decrease. This check decides that, for reads of one session
//! that do not overlap. CockroachDB's checker is different: it adds rows with the timestamps of the database. Its rows
//! are elements of a set.
//!
//! A read returns an integer, or a map from register to integer. Overlapping reads of one session have no order. If
//! some `add` is negative, the values may decrease and the answer is unknown. It is also unknown if a read returns nothing after an integer.

use super::found::BreachCollector;
use super::{ObjectOperations, values};
use claims::BreachEvidence;
use histories::{Function, OpId, SessionId};
use rustc_hash::FxHashMap;

/// For the completions up to this position: the greatest value so far, and the read that returned it.
type Greatest = (u32, i64, OpId);

pub(super) fn check_monotonic(object: &ObjectOperations<'_>, found: &mut BreachCollector) {
    let history = object.history;
    for id in object.possible_operations(Function::ADD).chain(object.possible_operations(Function::INC)) {
        if values::parse_integer(history, history.operation(id).value()).is_some_and(|by| by < 0) {
            return found
                .note_unclear(format!("operation {} makes the register less", history.operation_index(id)));
        }
    }
    // The values that each session has read of each register.
    let mut seen: FxHashMap<(SessionId, Option<String>), Vec<Greatest>> = FxHashMap::default();
    let mut reads: Vec<OpId> = object.acknowledged_operations(Function::READ).collect();
    reads.sort_by_key(|&id| history.operation(id).completed);
    for later in reads {
        let op = history.operation(later);
        let Some(registers) = values::parse_registers(history, op.result) else {
            let is_null = history.value_text(op.result) == "null";
            let before = seen.get(&(op.session, None)).and_then(|seen| seen.first());
            match before.filter(|&&(completed, ..)| completed < op.invoked) {
                Some(&(_, value, earlier)) if is_null => found.note_unclear(format!(
                    "operation {} returned nothing, and operation {} had returned {value} in the same session",
                    history.operation_index(later),
                    history.operation_index(earlier)
                )),
                None if is_null => {}
                _ => found.note_unclear(format!(
                    "operation {} returned no integer",
                    history.operation_index(later)
                )),
            }
            continue;
        };
        found.looked += 1;
        for (register, to) in registers {
            let seen = seen.entry((op.session, register.clone())).or_default();
            let before = seen.partition_point(|&(completed, ..)| completed < op.invoked);
            if let Some(&(_, from, earlier)) = before.checked_sub(1).map(|at| &seen[at])
                && from > to
            {
                found.add_breach("non-monotonic", object.key(), || BreachEvidence::Backwards {
                    earlier,
                    later,
                    register,
                    from,
                    to,
                });
            }
            let greatest = seen.last().filter(|&&(_, value, _)| value >= to);
            let (value, by) = greatest.map_or((to, later), |&(_, value, by)| (value, by));
            seen.push((op.completed, value, by));
        }
    }
}
