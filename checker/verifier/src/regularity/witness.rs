//! Checks the write that each read is said to have returned.

use crate::sessions::{value_read_by, value_written_by};
use crate::watch::{StepCost, Watch};
use claims::{Level, ObjectQuestion, ReturnedWrite};
use histories::{Function, History, KeyId, NEVER, OpId, Operation, Outcome};
use std::collections::{HashMap, HashSet};

/// Checks that each read that the level judges has a source that it may have returned.
pub(super) fn verify_sources(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    sources: &[ReturnedWrite],
    watch: &Watch<'_>,
) -> Result<(), String> {
    let error = |op: OpId, what: &str| Err(format!("operation {} {what}", history.operation_index(op)));
    let mut named: HashMap<OpId, Option<OpId>> = HashMap::new();
    for one in sources {
        if named.insert(one.read, one.write).is_some() {
            return error(one.read, "has two sources");
        }
    }
    let newest = match level {
        // A version may be returned however old it is.
        Level::ConsistentPrefix => HashMap::new(),
        _ => newest_writes_before(history, watch),
    };
    let overlapped = match level {
        Level::Safe => overlapped_reads(history, |write| named.contains_key(&write), watch),
        _ => HashSet::new(),
    };
    for operation in watch.take_while_in_time(StepCost::Follow, history.operations()) {
        let is_read = value_read_by(&operation).is_some();
        if !is_read && value_written_by(&operation).is_none() {
            let is_known = operation.outcome != Outcome::Ok
                || matches!(operation.function, Function::CONTAINS | Function::READ | Function::GET);
            if !is_known {
                return error(operation.id, "is not an operation on a register");
            }
        }
        match named.get(&operation.id) {
            Some(_) if !is_read || operation.outcome == Outcome::Fail => {
                return error(operation.id, "read nothing");
            }
            Some(&source) => {
                let newest = newest.get(&operation.id).copied();
                if !is_source(history, question, &named, &overlapped, &operation, source, newest) {
                    return error(operation.id, "cannot have returned the write that is named");
                }
            }
            None if is_read && operation.outcome == Outcome::Ok && !overlapped.contains(&operation.id) => {
                return error(operation.id, "has no source");
            }
            None => {}
        }
    }
    Ok(())
}

/// Whether a read may have returned this write. `newest` is the latest invocation of a write that was complete when the read began.
fn is_source(
    history: &History,
    question: &ObjectQuestion,
    named: &HashMap<OpId, Option<OpId>>,
    overlapped: &HashSet<OpId>,
    read: &Operation,
    source: Option<OpId>,
    newest: Option<u32>,
) -> bool {
    let Some(source) = source else {
        let initial = question.initial.value_of_key(read.key);
        return newest.is_none() && value_read_by(read) == Some(initial);
    };
    let write = history.operation(source);
    let happened = match write.outcome {
        Outcome::Ok => true,
        Outcome::Fail => false,
        // An indeterminate compare-and-set must be explained as well.
        Outcome::Info => {
            value_read_by(&write).is_none() || named.contains_key(&source) || overlapped.contains(&source)
        }
    };
    let is_current = write.outcome == Outcome::Info || newest.is_none_or(|newest| newest < write.completed);
    let fits =
        write.key == read.key && write.id != read.id && value_written_by(&write) == value_read_by(read);
    fits && happened && is_current && !read.precedes(&write)
}

/// For each operation, the latest invocation among the writes of its object that were complete when it began. Operations without such a
/// write are left out.
fn newest_writes_before(history: &History, watch: &Watch<'_>) -> HashMap<OpId, u32> {
    let mut events: Vec<(u32, bool, OpId)> = Vec::new();
    for operation in watch.take_while_in_time(StepCost::Follow, history.operations()) {
        events.push((operation.invoked, false, operation.id));
        if operation.outcome == Outcome::Ok && value_written_by(&operation).is_some() {
            events.push((operation.completed, true, operation.id));
        }
    }
    events.sort_unstable();
    let mut newest: HashMap<KeyId, u32> = HashMap::new();
    let mut found = HashMap::new();
    for (_, is_completion, op) in watch.take_while_in_time(StepCost::Look, events.into_iter()) {
        let key = history.key(op);
        if is_completion {
            let newest = newest.entry(key).or_default();
            *newest = history.operation(op).invoked.max(*newest);
        } else if let Some(&newest) = newest.get(&key) {
            found.insert(op, newest);
        }
    }
    found
}

/// One object of a safe register: how many of its writes are in progress, and how many have begun.
#[derive(Default)]
struct ObjectWriteCounts {
    in_progress: usize,
    begun: usize,
    doubtful: usize,
    /// The reads in progress, each with the number of writes that had begun when it began.
    reads: HashMap<OpId, usize>,
}

/// The operations that read and overlap a write of their object: of an indeterminate compare-and-set, every write that is not complete
/// when it begins. `has_source` says of an indeterminate compare-and-set whether its own read is explained otherwise.
pub(crate) fn overlapped_reads(
    history: &History,
    has_source: impl Fn(OpId) -> bool,
    watch: &Watch<'_>,
) -> HashSet<OpId> {
    let mut objects: HashMap<KeyId, ObjectWriteCounts> = HashMap::new();
    let mut events: Vec<(u32, bool, OpId)> = Vec::new();
    let is_doubtful = |op: &Operation| op.outcome == Outcome::Info && value_read_by(op).is_some();
    for operation in watch.take_while_in_time(StepCost::Follow, history.operations()) {
        if operation.outcome != Outcome::Fail {
            events.push((operation.invoked, false, operation.id));
            let end = if operation.outcome == Outcome::Ok { operation.completed } else { NEVER };
            events.push((end, true, operation.id));
            objects.entry(operation.key).or_default().doubtful += usize::from(is_doubtful(&operation));
        }
    }
    events.sort_unstable();
    // Among two or more, each overlaps another. A single one counts if it is explained, or overlaps another kind of write.
    let mut found = HashSet::new();
    let mut single: Vec<OpId> = Vec::new();
    let counts_as_write = |operation: &Operation, object: &ObjectWriteCounts| {
        let may_happen = !is_doubtful(operation) || object.doubtful > 1 || has_source(operation.id);
        value_written_by(operation).is_some() && may_happen
    };
    for (_, is_end, op) in watch.take_while_in_time(StepCost::Look, events.into_iter()) {
        let operation = history.operation(op);
        let object = objects.get_mut(&operation.key).expect("it was counted");
        let is_write = counts_as_write(&operation, object);
        if !is_end {
            object.begun += usize::from(is_write);
            object.in_progress += usize::from(is_write);
            if value_read_by(&operation).is_some() {
                let others = object.in_progress - usize::from(is_write);
                if others > 0 {
                    found.insert(op);
                }
                object.reads.insert(op, object.begun);
            }
            continue;
        }
        if object.reads.remove(&op).is_some_and(|begun| object.begun > begun) {
            found.insert(op);
        }
        object.in_progress -= usize::from(is_write);
        if is_doubtful(&operation) && !is_write && found.contains(&op) {
            single.push(op);
        }
    }
    add_reads_beside(history, &single, &mut found, watch);
    found
}

/// Adds the reads that overlap one of these writes, which have no end.
fn add_reads_beside(history: &History, writes: &[OpId], found: &mut HashSet<OpId>, watch: &Watch<'_>) {
    if writes.is_empty() {
        return;
    }
    let began: HashMap<KeyId, (u32, OpId)> =
        writes.iter().map(|&op| (history.key(op), (history.operation(op).invoked, op))).collect();
    for operation in watch.take_while_in_time(StepCost::Follow, history.operations()) {
        // Nobody asks whether anything else than a read is free.
        if let Some(&(began, write)) = began.get(&operation.key)
            && operation.outcome == Outcome::Ok
            && write != operation.id
            && operation.completed > began
        {
            found.insert(operation.id);
        }
    }
}
