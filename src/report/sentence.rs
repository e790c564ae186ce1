//! Describes a violation about objects in a sentence, and suggests the next step.
//!
//! A sentence claims only what the operations themselves show. If they do not show the pattern of the anomaly, the
//! sentence makes the weaker claim that the evidence always supports: no order explains the operations.

use super::describe::{self, key_phrase, operation_words};
use checker::{Core, Evidence, Violation};
use histories::{Argument, Function, History, OpId, Operation, Outcome, ValueId};

/// Describes a violation about objects in a sentence.
pub(crate) fn describe_object_violation(history: &History, anomaly: &Violation) -> String {
    let core = match &anomaly.evidence {
        Evidence::Core(core) => core,
        Evidence::Cycle(cycle) => {
            return checker::sessions::explain::describe_version_refutation(history, cycle);
        }
        Evidence::Causal(found) => {
            return checker::causality::explain::describe_causal_refutation(history, found);
        }
        Evidence::Phenomenon(_) | Evidence::Finding(_) | Evidence::Breach(_) => return String::new(),
    };
    let told = match anomaly.kind.as_str() {
        "stale-read" => describe_stale_read(history, core),
        "phantom-read" => describe_phantom_read(history, anomaly),
        "aborted-read" => describe_aborted_read(history, anomaly),
        "future-read" => describe_future_read(history, anomaly),
        "lost-update" => describe_lost_update(history, &core.operations),
        "conflicting-order" => Some(describe_order_conflict(history, core)),
        "too-stale" => {
            Some(format!("even if each read may be behind by the bound, {}", describe_core(history, core)))
        }
        _ => None,
    };
    told.unwrap_or_else(|| describe_core(history, core))
}

/// The operations to show with an anomaly, in order of invocation: those that show it, its whole core, and the failed write
/// that explains an aborted read.
pub(crate) fn operations_to_show(history: &History, anomaly: &Violation) -> Vec<OpId> {
    let mut operations = anomaly.operations.clone();
    if let Evidence::Core(core) = &anomaly.evidence {
        operations.extend(&core.operations);
    }
    if anomaly.kind == "aborted-read" {
        operations.extend(find_failed_write(history, anomaly).map(|op| op.id));
    }
    operations.sort_unstable();
    operations.dedup();
    operations
}

/// The meaning of an anomaly, as a fragment that fits after "a history with one:".
pub(crate) fn anomaly_meaning(kind: &str) -> &'static str {
    match kind {
        "stale-read" => {
            "a read returned an older version although a newer one was complete before the read began"
        }
        "lost-write" => "no later read returns an acknowledged write, although no other write replaced it",
        "lost-update" => "two read-modify-writes took effect on the same version",
        "aborted-read" => "a read returned the value of a write that failed",
        "phantom-read" => "a read returned a value that no operation wrote",
        "future-read" => "a read returned a value before its write was invoked",
        "non-monotonic-read" => "a session read a version older than one that it had already read",
        "own-write-missing" => "a session read a version older than its own write",
        "write-order-inverted" => "two writes of one session took effect in the wrong order",
        "write-before-read-cause" => {
            "a write of a session is ordered before a version that the session had read earlier"
        }
        "cyclic-versions" => "the constraints on the order of versions contradict one another",
        "cyclic-causality" => "operations form a cycle in which each must have seen the next",
        "overwritten-read" => "a read returned a value that a write in its causal past had replaced",
        "initial-value-overwritten" => {
            "a read returned the initial value although a write is in its causal past"
        }
        "conflicting-order" => "the reads saw the writes in different orders",
        "conflicting-reads" => "the reads of one session fit no order of the writes that it must respect",
        "non-ordered-sequential" => {
            "no order of the operations that keeps session order, and real time before writes, explains the results"
        }
        "too-stale" => {
            "no order explains the results, even if each read may be behind by as much as the bound"
        }
        "non-two-atomic" => {
            "no order of the operations explains their results, even if each read may be one version behind"
        }
        "non-sequential" => "no order of the operations that keeps session order explains the results",
        _ => "no order of the operations explains their results",
    }
}

/// The next step for a person who investigates an anomaly of this name.
pub(crate) fn suggest_next_step(kind: &str) -> &'static str {
    match kind {
        "stale-read" | "non-monotonic-read" | "own-write-missing" | "too-stale" => {
            "find out which server answered the read: a lagging replica, a deposed primary, or a cache"
        }
        "lost-write" => {
            "find the node that acknowledged the write. Check whether it was not synced, not replicated, or rolled back at a \
             failover"
        }
        "lost-update" => "check whether the store compares and sets in one atomic step on one node",
        "aborted-read" => {
            "find out why the client recorded the write as failed. An error that leaves the outcome open must be recorded as info"
        }
        "phantom-read" => {
            "find the origin of the value: data of an earlier run, a missing --init, an unrecorded write, or corruption"
        }
        "future-read" => {
            "check that one clock stamped all events of the history, and that they were written in its order"
        }
        "overwritten-read" | "initial-value-overwritten" => {
            "compare the nodes that answered this session before and now, and what each returned"
        }
        "conflicting-order" | "conflicting-reads" | "non-sequential" | "non-ordered-sequential" => {
            "find out in which order the nodes that answered these reads applied the writes"
        }
        "write-order-inverted" | "write-before-read-cause" => {
            "find out how the store orders concurrent writers: by wall clocks, or by arrival at different nodes"
        }
        _ => "start with the operation that began last in the drawing, and compare it with what came before",
    }
}

/// Reads that agree with no order of the writes.
fn describe_order_conflict(history: &History, core: &Core) -> String {
    let key = key_phrase(history, core.key).replacen(" of ", " on ", 1);
    let is_read = |op: &&OpId| history.effect(**op).is_some_and(|effect| effect.reads.is_some());
    let reads: Vec<String> =
        core.operations.iter().filter(is_read).map(|&op| history.operation_index(op).to_string()).collect();
    format!(
        "each of these reads{key} agrees with some order of the writes, and no order agrees with all of them: operations {}",
        reads.join(", ")
    )
}

fn describe_core(history: &History, core: &Core) -> String {
    let key = key_phrase(history, core.key).replacen(" of ", " on ", 1);
    let (these, they) = match core.operations.len() {
        1 => ("this operation".to_owned(), "its result"),
        count => (format!("these {count} operations"), "their results"),
    };
    let fewer = match (core.minimal, core.operations.len()) {
        (_, 1) => "",
        (true, _) => ". Any smaller set of them can be explained",
        (false, _) => ". A smaller set may be enough",
    };
    format!("no order of {these}{key} explains {they}{fewer}")
}

/// Conditions that a reader must know to understand the operations of an anomaly, each as a sentence.
pub(crate) fn reading_conditions(history: &History, anomaly: &Violation) -> Vec<String> {
    let Evidence::Core(core) = &anomaly.evidence else { return Vec::new() };
    let mut conditions = Vec::new();
    if !core.writes_only.is_empty() {
        let numbers: Vec<String> =
            core.writes_only.iter().map(|&id| history.operation_index(id).to_string()).collect();
        conditions.push(format!(
            "of {}, only the written value matters, and not the value found",
            numbers.join(", ")
        ));
    }
    if core.from.is_some() {
        conditions.push(
            "these operations cannot be explained whatever the object held before. Those that began first may not have taken \
             effect"
                .to_owned(),
        );
    }
    conditions
}

/// Describes a stale read: all writes of its value completed before an operation that wrote or returned another value, and
/// that operation completed before the read began.
///
/// A core keeps every write of a value that one of its reads returned. If the core shows no such write, there was none
/// since the core begins.
fn describe_stale_read(history: &History, core: &Core) -> Option<String> {
    let ops: Vec<Operation> = core.operations.iter().map(|&id| history.operation(id)).collect();
    let stale = |read: &Operation| {
        let writers: Vec<&Operation> =
            ops.iter().filter(|op| value_written(op) == Some(read.result)).collect();
        let happened = |op: &Operation| core.from.is_none_or(|from| op.invoked >= from);
        let other = |op: &&Operation| {
            let shows =
                if is_ok_read(op) { Some(op.result) } else { value_written(op).filter(|_| happened(op)) };
            shows.is_some_and(|value| value != read.result)
                && op.precedes(read)
                && writers.iter().all(|writer| writer.precedes(op))
        };
        let newer = ops.iter().rfind(other)?;
        let returned = match writers.iter().max_by_key(|writer| writer.completed) {
            Some(last) if writers.len() == 1 => format!("the value of {}", operation_phrase(history, last)),
            Some(last) => {
                format!("a value that no operation wrote after {}", operation_phrase(history, last))
            }
            None if core.from.is_none() => "the initial value".to_owned(),
            None => "a value that no recent operation wrote".to_owned(),
        };
        let gone = match is_ok_read(newer) {
            true => format!("but {} had already returned a newer one", operation_phrase(history, newer)),
            false => {
                format!("but {} had replaced it before the read began", operation_phrase(history, newer))
            }
        };
        Some(format!("{} returned {returned}, {gone}", operation_phrase(history, read)))
    };
    ops.iter().filter(|op| is_ok_read(op)).find_map(stale)
}

fn describe_phantom_read(history: &History, anomaly: &Violation) -> Option<String> {
    let read = anomaly.operations.iter().map(|&id| history.operation(id)).find(is_ok_read)?;
    let key = key_phrase(history, read.key);
    Some(format!("{} returned a value{key} that no operation wrote", operation_phrase(history, &read)))
}

fn describe_aborted_read(history: &History, anomaly: &Violation) -> Option<String> {
    let read = &anomaly.operations.iter().map(|&id| history.operation(id)).find(is_ok_read)?;
    let failed = &find_failed_write(history, anomaly)?;
    Some(format!(
        "{} returned the value of {}, which failed",
        operation_phrase(history, read),
        operation_phrase(history, failed)
    ))
}

/// Finds the failed write whose value a read returned. O(n): a failed write is part of no execution, so no evidence names
/// it.
fn find_failed_write(history: &History, anomaly: &Violation) -> Option<Operation> {
    let read = anomaly.operations.iter().map(|&id| history.operation(id)).find(is_ok_read)?;
    let failed = |op: &Operation| op.outcome == Outcome::Fail && op.key == read.key;
    history.operations().find(|op| failed(op) && value_written(op) == Some(read.result))
}

fn describe_future_read(history: &History, anomaly: &Violation) -> Option<String> {
    let ops: Vec<Operation> = anomaly.operations.iter().map(|&id| history.operation(id)).collect();
    let read = ops.iter().find(|op| is_ok_read(op))?;
    let write = ops.iter().find(|op| value_written(op) == Some(read.result) && read.precedes(op))?;
    Some(format!(
        "{} had completed before {}, whose value it returned, was invoked",
        operation_phrase(history, read),
        operation_phrase(history, write)
    ))
}

fn describe_lost_update(history: &History, core: &[OpId]) -> Option<String> {
    let ops: Vec<Operation> = core.iter().map(|&id| history.operation(id)).collect();
    let pair = |op: &Operation| match op.argument {
        Argument::Pair(old, _) if op.outcome == Outcome::Ok => Some(old),
        _ => None,
    };
    let (first, second) = ops.iter().enumerate().find_map(|(at, one)| {
        let old = pair(one)?;
        let other = ops[at + 1..].iter().find(|other| pair(other) == Some(old))?;
        Some((one, other))
    })?;
    let old = history.value_text(pair(first)?);
    Some(format!(
        "{} and {} both replaced the same version, {}. One of the two updates is lost",
        operation_phrase(history, first),
        operation_phrase(history, second),
        describe::shorten_text(old)
    ))
}

/// Names an operation as the subject of a sentence: `read 1 (operation 8, session b)`.
fn operation_phrase(history: &History, op: &Operation) -> String {
    let session = describe::shorten_text(history.session_text(op.session));
    let session = if session.starts_with("process ") { session } else { format!("session {session}") };
    format!("{} (operation {}, {session})", operation_words(history, op.id), history.operation_index(op.id))
}

fn is_ok_read(op: &Operation) -> bool {
    matches!(op.function, Function::READ | Function::GET) && op.outcome == Outcome::Ok
}

/// The value that an operation writes to a register.
pub(super) fn value_written(op: &Operation) -> Option<ValueId> {
    match (op.function, &op.argument) {
        (Function::WRITE | Function::PUT, &Argument::Value(value)) => Some(value),
        (Function::CAS, &Argument::Pair(_, new)) => Some(new),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::KeyId;
    use histories::notation::parse;

    fn said(kind: &'static str, drawing: &str) -> String {
        let history = parse(drawing).expect("a drawing");
        let operations: Vec<OpId> = history.ids().collect();
        let evidence = Evidence::Core(Core {
            key: KeyId::NONE,
            operations: operations.clone(),
            writes_only: vec![],
            from: None,
            until: histories::NEVER,
            minimal: true,
        });
        {
            let kind = checker::AnomalyName::new(kind);
            describe_object_violation(&history, &Violation { kind, key: KeyId::NONE, operations, evidence })
        }
    }

    #[test]
    fn a_sentence_names_the_operations() {
        assert_eq!(
            said("stale-read", "a: [w1] [w2]\nb:           [r1]"),
            "read 1 (operation 4, session b) returned the value of write 1 (operation 0, session a), but write 2 (operation 2, session a) \
             had replaced it before the read began"
        );
        assert_eq!(
            said("phantom-read", "a: [r9]"),
            "read 9 (operation 0, session a) returned a value that no operation wrote"
        );
        assert!(
            said("aborted-read", "a: [w1 ! [r1]").ends_with("write 1 (operation 0, session a), which failed")
        );
        assert!(
            said("future-read", "a: [r1] [w1]")
                .starts_with("read 1 (operation 0, session a) had completed before")
        );
        assert_eq!(
            said("stale-read", "a: [w1]\nb:      [r_]"),
            "read null (operation 2, session b) returned the initial value, but write 1 (operation 0, session a) had \
             replaced it before the read began"
        );
        assert!(
            said("stale-read", "a: [w1] [w1] [w2]\nb:                [r1]")
                .contains("no operation wrote after write 1 (operation 2")
        );
        assert!(said("lost-update", "a: [w1] [c1>2]\nb:      [c1>3   ]").contains("same version, 1"));
    }

    /// A claim that the operations do not bear out would send somebody the wrong way at night.
    #[test]
    fn a_sentence_claims_nothing_that_it_does_not_see() {
        let overlapping = said("stale-read", "a: [w1] [w2   ]\nb:         [r1]");
        assert!(overlapping.starts_with("no order of these 3 operations"), "{overlapping}");
        let unread = said("stale-read", "a: [w1] [w2 ?\nb:            [r1]");
        assert!(unread.starts_with("no order of these 3 operations"), "{unread}");
        let rewritten = said("stale-read", "a: [w1] [w2]      [w1 ]\nb:                [r1]");
        assert!(rewritten.starts_with("no order of these 4 operations"), "{rewritten}");
        assert!(said("aborted-read", "a: [w1] [r1]").starts_with("no order"));
    }
}
