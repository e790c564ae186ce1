//! A counter, by its bounds: every read must show at least the acknowledged increments, and at most the requested ones.
//!
//! Jepsen's `counter` keeps a lower bound (increments acknowledged when the read began) and an upper bound (increments
//! attempted when it ended). This check does the same, and covers decrements. The lower bound is the sum of the
//! increments acknowledged before the read began and of every decrement that may have taken effect by its end. The
//! upper bound is the sum of every increment requested by its end and of the decrements acknowledged before it began.
//!
//! The bounds are necessary and not sufficient: a read of 3 lies between 0 and 5, although a single increment of 5 does
//! not explain it. The level `linearizable` of the model `counter` decides such cases, by search.

use super::found::BreachCollector;
use super::{ObjectOperations, values};
use claims::BreachEvidence;
use histories::{Function, OpId, ValueId};

pub(super) fn check_counter(object: &ObjectOperations<'_>, found: &mut BreachCollector) {
    let history = object.history;
    let Some(added) = collect_amounts(object, found) else { return };
    // Acknowledged amounts are summed by position of completion, requested amounts by position of invocation.
    let acknowledged = added.iter().filter(|(id, _)| history.operation(*id).completed < u32::MAX);
    let acknowledged = CounterPrefixSums::from_amounts(
        acknowledged.map(|&(id, by)| (history.operation(id).completed, by)).collect(),
    );
    let asked = CounterPrefixSums::from_amounts(
        added.iter().map(|&(id, by)| (history.operation(id).invoked, by)).collect(),
    );
    for read in object.acknowledged_operations(Function::READ) {
        let op = history.operation(read);
        // Stores answer null before the first addition.
        let shown =
            if op.result == ValueId::NULL { Some(0) } else { values::parse_integer(history, op.result) };
        let Some(value) = shown.map(i128::from) else {
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

/// The amounts that may have been added, each with its operation. `None` if the amount of some operation is not an
/// integer.
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

/// Increments and decrements up to a position, summed apart.
#[derive(Clone, Copy, Default)]
struct CounterSum {
    up: i128,
    down: i128,
}

struct CounterPrefixSums {
    positions: Vec<u32>,
    /// The sums before each position, and the sum of everything; one more than there are positions.
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
