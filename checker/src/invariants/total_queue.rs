//! A queue, by the elements that went in and came out, in any order.
//!
//! Jepsen's `total-queue` assumes that the history drained the queue at its end. There, an acknowledged element that
//! never came out is lost, and an element that nothing put in is unexpected. Duplicates are counted and allowed, as by
//! `total-queue` here; `at-most-once` forbids them. This check does not assume that the queue was drained. An element
//! is `lost` if it did not come out, although some operation that began after its enqueue was acknowledged showed the
//! queue to be empty (a `drain`, or a `dequeue` that returned `null`): then it is no longer inside.
//!
//! A dequeue whose answer never came may have taken one element, and an indeterminate drain any number. So elements are
//! lost only if, by some moment at which the queue was empty, more elements are gone than such dequeues can have taken.
//! With the elements in order of their deadlines and the dequeues in order of their invocations, that is Hall's
//! condition, which one sweep decides.
//!
//! Elements of equal value are counted. Those that came out are taken to be the ones acknowledged first.

use super::found::BreachCollector;
use super::{ObjectOperations, values};
use claims::BreachEvidence;
use histories::{Function, History, Id, OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;

const NO_ELEMENT: u32 = u32::MAX;

/// The elements that the operations of a queue mention, numbered in the order in which they are first mentioned.
struct ElementNames<'a> {
    history: &'a History,
    texts: Vec<&'a str>,
    /// The element of each value of the history.
    of_value: Vec<u32>,
    /// The elements inside drained lists that are no values of the history: nobody enqueued them.
    of_text: FxHashMap<&'a str, u32>,
}

impl<'a> ElementNames<'a> {
    fn new(history: &'a History) -> Self {
        let of_value = vec![NO_ELEMENT; history.values.len()];
        Self { history, texts: Vec::new(), of_value, of_text: FxHashMap::default() }
    }

    fn number_of_value(&mut self, value: ValueId) -> u32 {
        let known = &mut self.of_value[value.index()];
        if *known == NO_ELEMENT {
            *known = self.texts.len() as u32;
            self.texts.push(self.history.value_text(value));
        }
        *known
    }

    fn number_of_text(&mut self, text: &'a str) -> u32 {
        match self.history.values.get(text) {
            Some(value) => self.number_of_value(value),
            None => *self.of_text.entry(text).or_insert_with(|| {
                self.texts.push(text);
                self.texts.len() as u32 - 1
            }),
        }
    }
}

/// Operations of each element, in the order in which they were added.
struct ElementOperations {
    starts: Vec<u32>,
    operations: Vec<OpId>,
}

impl ElementOperations {
    /// Sorts pairs of an element and an operation by element. O(pairs + elements).
    fn from_pairs(pairs: &[(u32, OpId)], element_count: usize) -> Self {
        let mut starts = vec![0_u32; element_count + 1];
        pairs.iter().for_each(|pair| starts[pair.0 as usize + 1] += 1);
        (0..element_count).for_each(|at| starts[at + 1] += starts[at]);
        let mut next = starts.clone();
        let mut operations = vec![OpId::from_raw(0); pairs.len()];
        for &(element, id) in pairs {
            let place = &mut next[element as usize];
            operations[*place as usize] = id;
            *place += 1;
        }
        Self { starts, operations }
    }

    fn of(&self, element: u32) -> &[OpId] {
        let at = element as usize;
        &self.operations[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

/// The operations on one value.
#[derive(Clone, Copy)]
struct QueueElement<'a> {
    name: &'a str,
    /// Its enqueues that may have taken effect.
    possible: &'a [OpId],
    /// Its first failed enqueue.
    failed: Option<OpId>,
    /// The operations that returned it.
    returned: &'a [OpId],
}

impl QueueElement<'_> {
    fn acknowledged(&self, history: &History) -> impl Iterator<Item = OpId> {
        self.possible.iter().copied().filter(|&id| history.outcome(id) == Outcome::Ok)
    }
}

/// Checks one queue. O(n log n). Meaningless once the stop flag is set.
pub(super) fn check_total_queue(object: &ObjectOperations<'_>, once: bool, found: &mut BreachCollector) {
    let history = object.history;
    let mut names = ElementNames::new(history);
    let (mut possible, mut returned) = (Vec::new(), Vec::new());
    let mut failed: FxHashMap<u32, OpId> = FxHashMap::default();
    // The operations that showed the queue empty, and the dequeues and drains whose answers never came.
    let (mut empty, mut swallowed, mut drained) = (Vec::new(), Vec::new(), Vec::new());
    for &id in object.until_stopped(object.operations.iter()) {
        let op = history.operation(id);
        match (op.function, op.outcome) {
            (Function::ENQUEUE, Outcome::Fail) => {
                failed.entry(names.number_of_value(op.value())).or_insert(id);
            }
            (Function::ENQUEUE, Outcome::Ok | Outcome::Info) => {
                possible.push((names.number_of_value(op.value()), id));
            }
            (Function::DEQUEUE, Outcome::Ok) if op.result == ValueId::NULL => empty.push(id),
            (Function::DEQUEUE, Outcome::Ok) => returned.push((names.number_of_value(op.result), id)),
            (Function::DRAIN, Outcome::Ok) => match values::parse_elements(history, op.result) {
                Some(list) => {
                    returned.extend(list.into_iter().map(|text| (names.number_of_text(text), id)));
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
    let count = names.texts.len();
    let group = |pairs: &[(u32, OpId)]| {
        (!object.limits.stop_requested()).then(|| ElementOperations::from_pairs(pairs, count))
    };
    let (Some(possible), Some(returned)) = (group(&possible), group(&returned)) else { return };
    let element = |at: &u32| QueueElement {
        name: names.texts[*at as usize],
        possible: possible.of(*at),
        failed: failed.get(at).copied(),
        returned: returned.of(*at),
    };
    let mut order: Vec<u32> = (0..count as u32).collect();
    if object.limits.stop_requested() {
        return;
    }
    order.sort_by_key(|at| {
        let element = element(at);
        element.possible.first().or(element.returned.first()).copied()
    });
    let mut twice = 0;
    for element in object.until_stopped(order.iter().map(element)) {
        twice += report_unexplained_elements(object, element, once, found);
    }
    if twice > 0 && !once {
        found.remarks.push(format!("{twice} times an element came out more often than it was put in"));
    }
    let is_recovered = |element: &QueueElement<'_>| {
        !element.possible.is_empty()
            && !element.returned.is_empty()
            && element.acknowledged(history).next().is_none()
    };
    let recovered = object.until_stopped(order.iter().map(element)).filter(is_recovered).count();
    if recovered > 0 {
        found
            .remarks
            .push(format!("{recovered} elements came out although their enqueues were not acknowledged"));
    }
    let elements = object.until_stopped(order.iter().map(element));
    let left = elements.flat_map(|element| undelivered_enqueues(object, element)).collect();
    report_lost_elements(object, left, &empty, &swallowed, drained.first().copied(), found);
}

/// Reports returns that no enqueue explains. Returns how many times the value came out more often than it was put in.
fn report_unexplained_elements(
    object: &ObjectOperations<'_>,
    element: QueueElement<'_>,
    once: bool,
    found: &mut BreachCollector,
) -> u64 {
    let history = object.history;
    let key = object.key();
    let name = element.name;
    // Nearly every element comes out once.
    let mut sorted = Vec::new();
    let returned = match element.returned {
        [] | [_] => element.returned,
        several => {
            sorted.extend_from_slice(several);
            sorted.sort_by_key(|&id| history.operation(id).completed);
            &sorted
        }
    };
    let mut twice = 0;
    for (at, &read) in returned.iter().enumerate() {
        let completed = history.operation(read).completed;
        // Enqueues are in order of invocation.
        let put_in = element.possible.partition_point(|&id| history.operation(id).invoked < completed);
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
                let returned = returned[..=at].to_vec();
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

/// The acknowledged enqueues of a value that did not come out. Those acknowledged last are taken, because they had the
/// least time to come out.
fn undelivered_enqueues(object: &ObjectOperations<'_>, element: QueueElement<'_>) -> Vec<OpId> {
    let delivered = element.returned.len();
    if delivered >= element.possible.len() {
        return Vec::new();
    }
    let mut acknowledged: Vec<OpId> = element.acknowledged(object.history).collect();
    acknowledged.sort_by_key(|&id| object.history.operation(id).completed);
    acknowledged.split_off(delivered.min(acknowledged.len()))
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
    // In order of invocation, each with the operation that completes first among this one and all later ones.
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
    for id in object.until_stopped(left.into_iter()) {
        let acknowledged = history.operation(id).completed;
        match first_done.get(first_done.partition_point(|&(began, _)| began < acknowledged)) {
            Some(&(_, empty)) => due.push((history.operation(empty).completed, id, empty)),
            None => inside += 1,
        }
    }
    if inside > 0 {
        let elements = if inside == 1 { "element" } else { "elements" };
        found.remarks.push(format!("{inside} {elements} did not come out, and may be inside still"));
    }
    due.sort_unstable();
    for at in object.until_stopped(0..due.len()) {
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
