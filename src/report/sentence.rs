//! What an anomaly means, in a sentence; and what to look at next.
//!
//! A sentence claims only what it has just seen in the operations themselves. Where the telling pattern is not
//! among them it says the weaker thing, which the evidence always supports: that no order explains them.

use super::describe::{self, of_key, words};
use checker::{Core, Evidence, Violation};
use histories::{Argument, Function, History, OpId, Operation, Outcome, ValueId};

/// One anomaly in one sentence.
pub(crate) fn sentence(history: &History, anomaly: &Violation) -> String {
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
        "stale-read" => stale_read(history, core),
        "phantom-read" => phantom_read(history, anomaly),
        "aborted-read" => aborted_read(history, anomaly),
        "future-read" => future_read(history, anomaly),
        "lost-update" => lost_update(history, &core.operations),
        _ => None,
    };
    told.unwrap_or_else(|| unexplained(history, core))
}

/// The operations that an anomaly is told with, in order of invocation: those that show it, all of its core, and the
/// failed write where one is to blame.
pub(crate) fn told_with(history: &History, anomaly: &Violation) -> Vec<OpId> {
    let mut operations = anomaly.operations.clone();
    if let Evidence::Core(core) = &anomaly.evidence {
        operations.extend(&core.operations);
    }
    if anomaly.kind == "aborted-read" {
        operations.extend(failed_write(history, anomaly).map(|op| op.id));
    }
    operations.sort_unstable();
    operations.dedup();
    operations
}

/// What an anomaly of this name is, as a fragment that fits after "a history with one:".
pub(crate) fn meaning(kind: &str) -> &'static str {
    match kind {
        "stale-read" => "a read returned a version older than one that had been completed before it began",
        "lost-write" => {
            "an acknowledged write that no later read returns, though nothing is known to have overwritten it"
        }
        "lost-update" => "two read-modify-writes took effect on the same version",
        "aborted-read" => "a read returned the value of a write that failed",
        "phantom-read" => "a read returned a value that nobody wrote",
        "future-read" => "a read returned a value whose write had not been invoked yet",
        "non-monotonic-read" => "a session read a version older than one that it had read before",
        "own-write-missing" => "a session read a version older than one that it had written itself",
        "write-order-inverted" => "two writes of one session took effect in the other order",
        "write-before-read-cause" => {
            "a session's write was ordered before a version that the session had read first"
        }
        "cyclic-versions" => "what is known of the order of the versions contradicts itself",
        "cyclic-causality" => "operations of which each would have had to see the next, in a circle",
        "overwritten-read" => "a read returned what had been overwritten in its own past",
        "initial-value-overwritten" => "a read returned the initial value though a write was in its own past",
        "conflicting-order" => "no one order of the writes is what all reads saw of it",
        "conflicting-reads" => "what one session read fits no order of the writes that it had to respect",
        "non-sequential" => {
            "no one order of the operations that keeps each session's own explains what they returned"
        }
        _ => "no order of the operations explains what they returned",
    }
}

/// What a person does next about an anomaly of this name.
pub(crate) fn next_step(kind: &str) -> &'static str {
    match kind {
        "stale-read" | "non-monotonic-read" | "own-write-missing" => {
            "find out what answered the read: a replica that lagged, a primary that had been deposed, or a cache"
        }
        "lost-write" => {
            "find the node that acknowledged the write, and what it did with it: not synced, not replicated, or rolled \
             back at a failover"
        }
        "lost-update" => "see whether compare-and-set is checked and applied in one step on one node",
        "aborted-read" => {
            "see why the client was told that the write failed: an error that left the outcome open must be recorded as info"
        }
        "phantom-read" => {
            "see where the value is from: an earlier run's data, --init, a write that was not recorded, or corruption"
        }
        "future-read" => {
            "see whether all events of the history are stamped by one clock, and written in its order"
        }
        "overwritten-read" | "initial-value-overwritten" => {
            "see what the session had been shown before, and which node answered it then and which one now"
        }
        "conflicting-order" | "conflicting-reads" | "non-sequential" => {
            "see in which order the nodes that answered these reads applied the writes"
        }
        "write-order-inverted" | "write-before-read-cause" => {
            "see how the store orders concurrent writers: by wall clocks that differ, or by arrival at different nodes"
        }
        _ => {
            "start from the operation that began last in the drawing: without it the others can be explained"
        }
    }
}

fn unexplained(history: &History, core: &Core) -> String {
    let key = of_key(history, core.key).replacen(" of ", " on ", 1);
    let (these, they) = match core.operations.len() {
        1 => ("this operation".to_owned(), "it returned"),
        count => (format!("these {count} operations"), "they returned"),
    };
    let fewer = match (core.minimal, core.operations.len()) {
        (_, 1) => "",
        (true, _) => ", and any fewer of them can be explained",
        (false, _) => "; perhaps fewer would do, the effort to find out ran out",
    };
    format!("no order of {these}{key} explains what {they}{fewer}")
}

/// What must be known to read the operations of an anomaly rightly: a sentence each.
pub(crate) fn conditions(history: &History, anomaly: &Violation) -> Vec<String> {
    let Evidence::Core(core) = &anomaly.evidence else { return Vec::new() };
    let mut conditions = Vec::new();
    if !core.writes_only.is_empty() {
        let numbers: Vec<String> =
            core.writes_only.iter().map(|&id| history.operation_index(id).to_string()).collect();
        conditions
            .push(format!("of {} it only matters what was written, not what was found", numbers.join(", ")));
    }
    if core.from.is_some() {
        conditions.push(
            "whatever the object held before these, they cannot be explained; those that began first may also not have \
             happened"
                .to_owned(),
        );
    }
    conditions
}

/// What the read returned was gone when it began: all its writes were over before an operation began that wrote or
/// returned something else, and that one was over too.
///
/// A core keeps every write of a value that one of its reads returned, so where it shows none, there was none since it
/// begins.
fn stale_read(history: &History, core: &Core) -> Option<String> {
    let ops: Vec<Operation> = core.operations.iter().map(|&id| history.operation(id)).collect();
    let stale = |read: &Operation| {
        let writers: Vec<&Operation> = ops.iter().filter(|op| writes(op) == Some(read.result)).collect();
        let happened = |op: &Operation| core.from.is_none_or(|from| op.invoked >= from);
        let other = |op: &&Operation| {
            let shows = if is_read(op) { Some(op.result) } else { writes(op).filter(|_| happened(op)) };
            shows.is_some_and(|value| value != read.result)
                && op.precedes(read)
                && writers.iter().all(|writer| writer.precedes(op))
        };
        let newer = ops.iter().rfind(other)?;
        let returned = match writers.iter().max_by_key(|writer| writer.completed) {
            Some(last) if writers.len() == 1 => format!("the value of {}", who(history, last)),
            Some(last) => format!("a value that nobody wrote after {}", who(history, last)),
            None if core.from.is_none() => "the initial value".to_owned(),
            None => "a value that nobody had written for some time".to_owned(),
        };
        let gone = match is_read(newer) {
            true => format!("but {} had already returned a newer one", who(history, newer)),
            false => format!("but {} had replaced it before the read began", who(history, newer)),
        };
        Some(format!("{} returned {returned}, {gone}", who(history, read)))
    };
    ops.iter().filter(|op| is_read(op)).find_map(stale)
}

fn phantom_read(history: &History, anomaly: &Violation) -> Option<String> {
    let read = anomaly.operations.iter().map(|&id| history.operation(id)).find(is_read)?;
    let key = of_key(history, read.key);
    Some(format!("{} returned a value{key} that nobody wrote", who(history, &read)))
}

fn aborted_read(history: &History, anomaly: &Violation) -> Option<String> {
    let read = &anomaly.operations.iter().map(|&id| history.operation(id)).find(is_read)?;
    let failed = &failed_write(history, anomaly)?;
    Some(format!("{} returned the value of {}, which failed", who(history, read), who(history, failed)))
}

/// The failed write whose value a read returned. O(n): it is no part of any execution, so no evidence names it.
fn failed_write(history: &History, anomaly: &Violation) -> Option<Operation> {
    let read = anomaly.operations.iter().map(|&id| history.operation(id)).find(is_read)?;
    let failed = |op: &Operation| op.outcome == Outcome::Fail && op.key == read.key;
    history.operations().find(|op| failed(op) && writes(op) == Some(read.result))
}

fn future_read(history: &History, anomaly: &Violation) -> Option<String> {
    let ops: Vec<Operation> = anomaly.operations.iter().map(|&id| history.operation(id)).collect();
    let read = ops.iter().find(|op| is_read(op))?;
    let write = ops.iter().find(|op| writes(op) == Some(read.result) && read.precedes(op))?;
    Some(format!(
        "{} had completed before {}, whose value it returned, was invoked",
        who(history, read),
        who(history, write)
    ))
}

fn lost_update(history: &History, core: &[OpId]) -> Option<String> {
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
        "{} and {} both replaced the same version, {}: one of the two updates is lost",
        who(history, first),
        who(history, second),
        describe::short(old)
    ))
}

/// An operation as the subject of a sentence: `read 1 (operation 8, session b)`.
fn who(history: &History, op: &Operation) -> String {
    let session = describe::short(history.session_text(op.session));
    let session = if session.starts_with("process ") { session } else { format!("session {session}") };
    format!("{} (operation {}, {session})", words(history, op.id), history.operation_index(op.id))
}

fn is_read(op: &Operation) -> bool {
    matches!(op.function, Function::READ | Function::GET) && op.outcome == Outcome::Ok
}

/// The value that an operation puts into a register.
fn writes(op: &Operation) -> Option<ValueId> {
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
            sentence(&history, &Violation { kind, key: KeyId::NONE, operations, evidence })
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
            "read 9 (operation 0, session a) returned a value that nobody wrote"
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
                .contains("nobody wrote after write 1 (operation 2")
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
