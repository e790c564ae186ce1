//! The session guarantees by brute force, written from the page of definitions and from nothing else.
//!
//! An execution of an object is: which indeterminate writes took effect; one order of all writes that did, the
//! initial value before them; and for each read that took effect the version with its value that it returned.
//! A level holds if for each object some execution meets its constraints. All of them are tried.

use checker::{Level, ObjectQuestion};
use histories::{Argument, Function, History, Id, KeyId, OpId, Operation, Outcome, ValueId};

/// The levels, in the order of the answers of [`holds`].
pub(crate) const LEVELS: [Level; 5] = [
    Level::ReadYourWrites,
    Level::MonotonicReads,
    Level::MonotonicWrites,
    Level::WritesFollowReads,
    Level::Session,
];

/// A constraint between two versions: their numbers, and whether they must differ.
type Pair = (usize, usize, bool);

fn written(op: &Operation) -> Option<ValueId> {
    match &op.argument {
        Argument::Value(value) if op.function == Function::WRITE => Some(*value),
        Argument::Pair(_, new) => Some(*new),
        _ => None,
    }
}

/// What an operation says that the object held.
fn seen(op: &Operation) -> Option<ValueId> {
    match &op.argument {
        Argument::Pair(old, _) => Some(*old),
        _ if op.function == Function::READ && op.outcome == Outcome::Ok => Some(op.result),
        _ => None,
    }
}

/// Whether each of the five levels holds.
pub(crate) fn holds(history: &History, question: &ObjectQuestion) -> [bool; 5] {
    let mut all = [true; 5];
    for key in (0..history.keys.len()).map(KeyId::new) {
        let operations: Vec<Operation> =
            history.operations().filter(|op| op.key == key && op.outcome != Outcome::Fail).collect();
        let one = object(history, question, &operations);
        (0..5).for_each(|level| all[level] &= one[level]);
    }
    all
}

fn object(history: &History, question: &ObjectQuestion, operations: &[Operation]) -> [bool; 5] {
    let is_write = |op: &&Operation| written(op).is_some();
    let sure = operations.iter().filter(is_write).filter(|op| op.outcome == Outcome::Ok);
    let doubtful: Vec<&Operation> =
        operations.iter().filter(is_write).filter(|op| op.outcome == Outcome::Info).collect();
    let sure: Vec<&Operation> = sure.collect();
    let mut found = [false; 5];
    for chosen in 0u32..1 << doubtful.len() {
        let took_effect = (0..doubtful.len()).filter(|bit| chosen >> bit & 1 == 1).map(|bit| doubtful[bit]);
        let writes: Vec<&Operation> = sure.iter().copied().chain(took_effect).collect();
        with_writes(history, question, operations, &writes, &mut found);
    }
    found
}

/// Tries all ways in which reads returned these writes. Version 0 is the initial value, version i the i-th write.
fn with_writes(
    history: &History,
    question: &ObjectQuestion,
    operations: &[Operation],
    writes: &[&Operation],
    found: &mut [bool; 5],
) {
    let number = |id: OpId| writes.iter().position(|write| write.id == id).map(|at| at + 1);
    let happened: Vec<&Operation> =
        operations.iter().filter(|op| op.outcome == Outcome::Ok || number(op.id).is_some()).collect();
    let reads: Vec<&Operation> = happened.iter().copied().filter(|op| seen(op).is_some()).collect();
    let candidates: Vec<Vec<usize>> = (reads.iter())
        .map(|read| {
            let has_value = |version: &usize| match version {
                0 => Some(question.initial.value_of_key(read.key)) == seen(read),
                version => written(writes[version - 1]) == seen(read),
            };
            (0..=writes.len()).filter(has_value).collect()
        })
        .collect();
    let ways: usize = candidates.iter().map(Vec::len).product();
    for mut way in 0..ways {
        if found.iter().all(|&found| found) {
            return;
        }
        let mut returned = Vec::new();
        for candidates in &candidates {
            returned.push(candidates[way % candidates.len()]);
            way /= candidates.len();
        }
        let read = |id: OpId| reads.iter().position(|read| read.id == id).map(|at| returned[at]);
        with_reads(history, question, &happened, &number, &read, found);
    }
}

/// Collects the constraints of every level, and tries all orders of the versions.
fn with_reads(
    history: &History,
    question: &ObjectQuestion,
    happened: &[&Operation],
    number: &dyn Fn(OpId) -> Option<usize>,
    read: &dyn Fn(OpId) -> Option<usize>,
    found: &mut [bool; 5],
) {
    let mut known: Vec<Pair> = Vec::new();
    let mut of_level: [Vec<Pair>; 4] = Default::default();
    let mut same_or_not: Vec<(usize, usize, bool)> = Vec::new();
    for a in happened {
        if let (Some(old), Some(new)) = (read(a.id), number(a.id)) {
            known.push((old, new, true));
        }
        for b in happened {
            constraints(question, a, b, number, read, &mut known, &mut of_level);
            let version = |op: &Operation| number(op.id).or(read(op.id));
            let both_ok = a.outcome == Outcome::Ok && b.outcome == Outcome::Ok;
            if let (true, Some(x), Some(y)) = (both_ok, history.version(a.id), history.version(b.id)) {
                let (Some(u), Some(v)) = (version(a), version(b)) else { continue };
                if x < y {
                    known.push((u, v, true));
                }
                same_or_not.push((u, v, x == y));
            }
        }
    }
    if same_or_not.iter().any(|&(u, v, same)| same != (u == v)) {
        return;
    }
    let count = happened.iter().filter(|op| number(op.id).is_some()).count();
    let mut place: Vec<usize> = (0..=count).collect();
    permute(&mut place, 1, &mut |place| {
        let meets = |pairs: &[Pair]| {
            pairs
                .iter()
                .all(|&(u, v, strict)| if strict { place[u] < place[v] } else { place[u] <= place[v] })
        };
        if meets(&known) {
            let each: Vec<bool> = of_level.iter().map(|pairs| meets(pairs)).collect();
            (0..4).for_each(|level| found[level] |= each[level]);
            found[4] |= each.iter().all(|&meets| meets);
        }
    });
}

/// The table of the definitions, for one pair of operations.
fn constraints(
    question: &ObjectQuestion,
    a: &Operation,
    b: &Operation,
    number: &dyn Fn(OpId) -> Option<usize>,
    read: &dyn Fn(OpId) -> Option<usize>,
    known: &mut Vec<Pair>,
    of_level: &mut [Vec<Pair>; 4],
) {
    // Only completed operations can be a.
    if a.outcome != Outcome::Ok || a.completed >= b.invoked {
        return;
    }
    // b may also be an indeterminate write, as a write.
    let b_read = read(b.id).filter(|_| b.outcome == Outcome::Ok);
    let (a_wrote, a_read, b_wrote) = (number(a.id), read(a.id), number(b.id));
    if let (Some(u), Some(v)) = (a_wrote, b_wrote)
        && (question.assume.linearizable_keys || question.assume.sequential_keys && a.session == b.session)
    {
        known.push((u, v, true));
    }
    if a.session != b.session {
        return;
    }
    let table = [
        (a_wrote, b_read, false),
        (a_read, b_read, false),
        (a_wrote, b_wrote, true),
        (a_read, b_wrote, true),
    ];
    for (pairs, (u, v, strict)) in of_level.iter_mut().zip(table) {
        if let (Some(u), Some(v)) = (u, v) {
            pairs.push((u, v, strict));
        }
    }
}

/// All orders of what is from `at` on; the initial value keeps place 0.
fn permute(place: &mut Vec<usize>, at: usize, each: &mut dyn FnMut(&[usize])) {
    if at >= place.len() {
        return each(place);
    }
    for other in at..place.len() {
        place.swap(at, other);
        permute(place, at + 1, each);
        place.swap(at, other);
    }
}

/// The fewest constraints that contradict each other, of a history of one object in which every value was
/// written once and every operation completed: all pairs of operations, then all shortest paths.
pub(crate) fn fewest(history: &History, question: &ObjectQuestion, level: usize) -> Option<usize> {
    let operations: Vec<Operation> = history.operations().collect();
    let happened: Vec<&Operation> = operations.iter().collect();
    let writes: Vec<&Operation> = happened.iter().copied().filter(|op| written(op).is_some()).collect();
    let number = |id: OpId| writes.iter().position(|write| write.id == id).map(|at| at + 1);
    let read = |id: OpId| {
        let seen = happened.iter().find(|op| op.id == id).and_then(|op| seen(op))?;
        let write =
            writes.iter().position(|write| written(write) == Some(seen) && write.id != id).map(|at| at + 1);
        write.or((seen == question.initial.value_of_key(KeyId::NONE)).then_some(0))
    };
    let (mut pairs, mut of_level) = (Vec::new(), Default::default());
    for a in &happened {
        if let (Some(old), Some(new)) = (read(a.id), number(a.id)) {
            pairs.push((old, new, true));
        }
        for b in &happened {
            constraints(question, a, b, &number, &read, &mut pairs, &mut of_level);
        }
    }
    pairs.extend((1..=writes.len()).map(|version| (0, version, true)));
    let asked = of_level.iter().enumerate().filter(|(at, _)| *at == level || level == 4);
    asked.for_each(|(_, of_level)| pairs.extend(of_level));
    let n = writes.len() + 1;
    let mut distance = vec![vec![usize::MAX / 2; n]; n];
    pairs.iter().filter(|(u, v, _)| u != v).for_each(|&(u, v, _)| distance[u][v] = 1);
    for middle in 0..n {
        for (u, v) in (0..n * n).map(|pair| (pair / n, pair % n)) {
            distance[u][v] = distance[u][v].min(distance[u][middle] + distance[middle][v]);
        }
    }
    let itself = pairs.iter().any(|&(u, v, strict)| strict && u == v).then_some(1);
    let around = (0..n * n).map(|pair| distance[pair / n][pair % n] + distance[pair % n][pair / n]);
    let around = (0..n * n).zip(around).filter(|(pair, _)| pair / n != pair % n).map(|(_, length)| length);
    itself.or_else(|| around.min().filter(|&length| length < usize::MAX / 2))
}
