//! A queue, by what went in and what came out, in whatever order.
//!
//! Jepsen's `total-queue` takes the history for one that drained the queue at its end: an acknowledged element that never
//! came out is lost, one that nobody put in is unexpected; duplicates it counts and does not mind (so here
//! `total-queue`; `at-most-once` minds them). Whether the queue was drained is not assumed here. An element is `lost` if
//! something showed the queue to be empty (a `drain`, or a `dequeue` that returned `null`) that began after the element
//! had been acknowledged, and it has not come out: then it is not inside any more.
//!
//! A dequeue whose answer never came may have taken one element, an indeterminate drain any number. So elements are lost
//! only if, by some such moment, more are gone than dequeues can have swallowed: with the elements in order of their
//! deadlines and the dequeues in order of their invocations that is Hall's condition, and one sweep.
//!
//! Elements with one value are counted, and those that came out are taken for those that had the least time.

use super::found::BreachCollector;
use super::{ObjectOperations, values};
use claims::BreachEvidence;
use histories::{Function, OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;

/// One value: who put it in and what returned it.
#[derive(Default)]
struct QueueElement {
    acknowledged: Vec<OpId>,
    possible: Vec<OpId>,
    failed: Option<OpId>,
    returned: Vec<OpId>,
}

pub(super) fn check_total_queue(object: &ObjectOperations<'_>, once: bool, found: &mut BreachCollector) {
    let history = object.history;
    let mut elements: FxHashMap<&str, QueueElement> = FxHashMap::default();
    // What showed the queue empty, and the dequeues and drains whose answers never came.
    let (mut empty, mut swallowed, mut drained) = (Vec::new(), Vec::new(), Vec::new());
    for &id in object.operations {
        let op = history.operation(id);
        match (op.function, op.outcome) {
            (Function::ENQUEUE, outcome) => {
                let element = elements.entry(history.value_text(op.value())).or_default();
                match outcome {
                    Outcome::Fail => _ = element.failed.get_or_insert(id),
                    Outcome::Info => element.possible.push(id),
                    Outcome::Ok => {
                        element.possible.push(id);
                        element.acknowledged.push(id);
                    }
                }
            }
            (Function::DEQUEUE, Outcome::Ok) if op.result == ValueId::NULL => empty.push(id),
            (Function::DEQUEUE, Outcome::Ok) => {
                elements.entry(history.value_text(op.result)).or_default().returned.push(id);
            }
            (Function::DRAIN, Outcome::Ok) => match values::parse_elements(history, op.result) {
                Some(list) => {
                    list.iter().for_each(|text| elements.entry(text).or_default().returned.push(id));
                    empty.push(id);
                }
                None => {
                    found.note_unclear(format!("operation {} returned no list", history.operation_index(id)))
                }
            },
            (Function::DEQUEUE, Outcome::Info) => swallowed.push(op.invoked),
            (Function::DRAIN, Outcome::Info) => drained.push(op.invoked),
            _ => {}
        }
        found.looked += u64::from(op.outcome == Outcome::Ok);
    }
    let mut names: Vec<&str> = elements.keys().copied().collect();
    names.sort_unstable_by_key(|name| {
        let element = &elements[name];
        element.possible.first().or(element.returned.first()).copied()
    });
    let mut twice = 0;
    for name in &names {
        twice += report_unexplained_elements(
            object,
            name,
            elements.get_mut(name).expect("its own key"),
            once,
            found,
        );
    }
    if twice > 0 && !once {
        found.remarks.push(format!("{twice} times an element came out more often than it was put in"));
    }
    let unacknowledged =
        |element: &&QueueElement| element.acknowledged.is_empty() && !element.returned.is_empty();
    let recovered =
        elements.values().filter(|element| !element.possible.is_empty()).filter(unacknowledged).count();
    if recovered > 0 {
        found
            .remarks
            .push(format!("{recovered} elements came out although their enqueues were not acknowledged"));
    }
    let left = names.iter().flat_map(|name| undelivered_enqueues(object, &elements[name])).collect();
    report_lost_elements(object, left, &empty, &swallowed, drained.first().copied(), found);
}

/// Reports what came out and cannot have been put in; how many times something came out too often.
fn report_unexplained_elements(
    object: &ObjectOperations<'_>,
    name: &str,
    element: &mut QueueElement,
    once: bool,
    found: &mut BreachCollector,
) -> u64 {
    let history = object.history;
    let key = object.key();
    element.returned.sort_by_key(|&id| history.operation(id).completed);
    let mut twice = 0;
    for (at, &read) in element.returned.iter().enumerate() {
        let completed = history.operation(read).completed;
        let put_in = element.possible.iter().filter(|&&id| history.operation(id).invoked < completed).count();
        if put_in == 0 {
            let writer = element.possible.first().copied().or(element.failed);
            let aborted = element.possible.is_empty() && element.failed.is_some();
            let kind = if aborted { "aborted-read" } else { "unexpected" };
            found.add_breach(kind, key, || BreachEvidence::Unwritten {
                element: name.to_owned(),
                read,
                writer,
            });
        } else if put_in <= at {
            twice += 1;
            if once {
                let returned = element.returned[..=at].to_vec();
                found.add_breach("duplicated", key, || BreachEvidence::Repeated {
                    element: name.to_owned(),
                    returned,
                    put_in,
                });
            }
        }
    }
    twice
}

/// The acknowledged enqueues of a value that did not come out: those acknowledged last, which had the least time to.
fn undelivered_enqueues(object: &ObjectOperations<'_>, element: &QueueElement) -> Vec<OpId> {
    let mut acknowledged = element.acknowledged.clone();
    acknowledged.sort_by_key(|&id| object.history.operation(id).completed);
    acknowledged.split_off(element.returned.len().min(acknowledged.len()))
}

fn report_lost_elements(
    object: &ObjectOperations<'_>,
    left: Vec<OpId>,
    empty: &[OpId],
    swallowed: &[u32],
    drained: Option<u32>,
    found: &mut BreachCollector,
) {
    let history = object.history;
    // By invocation, with the one that completes first of it and all after it.
    let mut first_done: Vec<(u32, OpId)> = Vec::with_capacity(empty.len());
    for &id in empty.iter().rev() {
        let op = history.operation(id);
        let best = first_done.last().map(|&(_, best)| best);
        let best = best.filter(|&best| history.operation(best).completed < op.completed).unwrap_or(id);
        first_done.push((op.invoked, best));
    }
    first_done.reverse();
    let mut due: Vec<(u32, OpId, OpId)> = Vec::new();
    let mut inside = 0_u64;
    for id in left {
        let acknowledged = history.operation(id).completed;
        match first_done.get(first_done.partition_point(|&(began, _)| began < acknowledged)) {
            Some(&(_, empty)) => due.push((history.operation(empty).completed, id, empty)),
            None => inside += 1,
        }
    }
    if inside > 0 {
        found.remarks.push(format!("{inside} elements did not come out, and may be inside still"));
    }
    due.sort_unstable();
    for at in 0..due.len() {
        let (deadline, _, empty) = due[at];
        let last = due.get(at + 1).is_none_or(|next| next.0 > deadline);
        let swallowed = swallowed.partition_point(|&began| began < deadline);
        if last && at + 1 > swallowed && drained.is_none_or(|began| began >= deadline) {
            let enqueued = due[..=at].iter().map(|&(_, id, _)| id).collect();
            let evidence = || BreachEvidence::Undelivered { enqueued, empty, swallowed };
            return found.add_breach("lost", object.key(), evidence);
        }
    }
    let explained = due.len();
    if explained > 0 {
        found
            .remarks
            .push(format!("{explained} elements may have been taken by dequeues whose answers never came"));
    }
}
