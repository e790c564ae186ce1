//! A counter, by its bounds: at every read it must show what has been acknowledged, and can show what was asked for.
//!
//! Jepsen's `counter` keeps a lower bound (acknowledged increments when the read began) and an upper one (attempted
//! increments when it ended). So does this, for decrements too: at least the sum of what was acknowledged before the
//! read began and of every decrement that may have taken effect by its end; at most the same with increments.
//!
//! The bounds are necessary and not sufficient: a read of 3 lies between 0 and 5, and no single increment of 5 explains
//! it. The level `linearizable` of the model `counter` decides the rest, by search.

use super::found::BreachCollector;
use super::{ObjectOperations, values};
use claims::BreachEvidence;
use histories::{Function, OpId, ValueId};

pub(super) fn check_counter(object: &ObjectOperations<'_>, found: &mut BreachCollector) {
    let history = object.history;
    let Some(added) = collect_amounts(object, found) else { return };
    // Sums of what was acknowledged by position of completion, and of what was asked for by that of invocation.
    let acknowledged = added.iter().filter(|(id, _)| history.operation(*id).completed < u32::MAX);
    let acknowledged = CounterPrefixSums::from_amounts(
        acknowledged.map(|&(id, by)| (history.operation(id).completed, by)).collect(),
    );
    let asked = CounterPrefixSums::from_amounts(
        added.iter().map(|&(id, by)| (history.operation(id).invoked, by)).collect(),
    );
    for read in object.acknowledged_operations(Function::READ) {
        let op = history.operation(read);
        let Some(value) = values::parse_integer(history, op.result).map(i128::from) else {
            found.note_unclear(format!("operation {} returned no integer", history.operation_index(read)));
            continue;
        };
        found.looked += 1;
        let (sure, may) = (acknowledged.sum_before(op.invoked), asked.sum_before(op.completed));
        let (least, most) = (sure.up + may.down, may.up + sure.down);
        if value < least || value > most {
            found.add_breach("out-of-bounds", object.key(), || BreachEvidence::Bounds {
                read,
                value,
                least,
                most,
            });
        }
    }
}

/// What may have been added, each with its operation; none where one says no amount.
fn collect_amounts(object: &ObjectOperations<'_>, found: &mut BreachCollector) -> Option<Vec<(OpId, i64)>> {
    let history = object.history;
    let mut added = Vec::new();
    for id in object.possible_operations(Function::ADD).chain(object.possible_operations(Function::INC)) {
        let value = history.operation(id).value();
        match if value == ValueId::NULL { Some(1) } else { values::parse_integer(history, value) } {
            Some(by) => added.push((id, by)),
            None => {
                found.note_unclear(format!(
                    "operation {} adds something else than an integer",
                    history.operation_index(id)
                ));
                return None;
            }
        }
    }
    Some(added)
}

/// What was added up to a position, increments and decrements apart.
#[derive(Clone, Copy, Default)]
struct CounterSum {
    up: i128,
    down: i128,
}

struct CounterPrefixSums {
    positions: Vec<u32>,
    /// Up to the position before, one more than there are positions.
    sums: Vec<CounterSum>,
}

impl CounterPrefixSums {
    fn from_amounts(mut added: Vec<(u32, i64)>) -> Self {
        added.sort_unstable();
        let mut sums = vec![CounterSum::default()];
        for &(_, by) in &added {
            let mut sum = sums[sums.len() - 1];
            if by > 0 {
                sum.up += i128::from(by);
            } else {
                sum.down += i128::from(by);
            }
            sums.push(sum);
        }
        Self { positions: added.into_iter().map(|(position, _)| position).collect(), sums }
    }

    fn sum_before(&self, position: u32) -> CounterSum {
        self.sums[self.positions.partition_point(|&known| known < position)]
    }
}
