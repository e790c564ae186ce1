//! Registers that only grow: no session may see a value below one that it saw before.
//!
//! Jepsen has several checkers of this name. What they have in common (FaunaDB's, TiDB's) is registers that are
//! incremented and whose values, as each process reads them, must never decrease; that is what is decided here, for the
//! reads of one session that came one after the other. CockroachDB's, which adds rows with the database's own timestamps,
//! is not this: its rows are elements of a set.
//!
//! A read returns an integer, or a map from register to integer. Reads of one session that overlap are in no order.
//! A negative `add` makes the question senseless, and the answer unknown.

use super::found::BreachCollector;
use super::{ObjectOperations, values};
use claims::BreachEvidence;
use histories::{Function, OpId, SessionId};
use rustc_hash::FxHashMap;

/// Up to the completion at this position: the greatest value so far, and who returned it.
type Greatest = (u32, i64, OpId);

pub(super) fn check_monotonic(object: &ObjectOperations<'_>, found: &mut BreachCollector) {
    let history = object.history;
    for id in object.possible_operations(Function::ADD).chain(object.possible_operations(Function::INC)) {
        if values::parse_integer(history, history.operation(id).value()).is_some_and(|by| by < 0) {
            return found
                .note_unclear(format!("operation {} makes the register less", history.operation_index(id)));
        }
    }
    // What each session has seen of each register.
    let mut seen: FxHashMap<(SessionId, Option<String>), Vec<Greatest>> = FxHashMap::default();
    let mut reads: Vec<OpId> = object.acknowledged_operations(Function::READ).collect();
    reads.sort_by_key(|&id| history.operation(id).completed);
    for later in reads {
        let op = history.operation(later);
        let Some(registers) = values::parse_registers(history, op.result) else {
            if history.value_text(op.result) != "null" {
                found.note_unclear(format!(
                    "operation {} returned no integer",
                    history.operation_index(later)
                ));
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
