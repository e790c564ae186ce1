//! What a recorded life of sessions shows, found out by hand: each promise by itself, from the journal alone.

use super::Op;
use std::collections::{HashMap, HashSet};

fn ok_of<'a>(operations: &'a [Op], f: &'a str) -> impl Iterator<Item = &'a Op> {
    operations.iter().filter(move |op| op.f == f && op.ok())
}

/// Reads that find something after an acknowledged destroy that was complete before they began.
pub(crate) fn resurrections(operations: &[Op]) -> usize {
    let ends: HashMap<&str, usize> =
        ok_of(operations, "destroy").map(|op| (op.key.as_str(), op.completed)).collect();
    let dead = |op: &&Op| ends.get(op.key.as_str()).is_some_and(|&end| end < op.invoked);
    ok_of(operations, "read").filter(dead).filter(|op| !op.result.is_null()).count()
}

/// Reads that find nothing though the id was born less than its time to live ago, and nobody had begun to end
/// or to rename it.
pub(crate) fn early_ends(operations: &[Op], live_ns: u64) -> usize {
    let mut ended: HashMap<&str, usize> = HashMap::new();
    for op in operations.iter().filter(|op| op.f == "destroy" || op.f == "renew") {
        let first = ended.entry(&op.key).or_insert(op.invoked);
        *first = op.invoked.min(*first);
    }
    let births: HashMap<&str, &Op> = ok_of(operations, "create")
        .map(|op| (op.key.as_str(), op))
        .chain(ok_of(operations, "renew").map(|op| (op.argument.as_str().unwrap(), op)))
        .collect();
    let early = |read: &&Op| {
        births.get(read.key.as_str()).is_some_and(|birth| {
            birth.completed < read.invoked
                && read.completed_ns < birth.invoked_ns + live_ns
                && ended.get(read.key.as_str()).is_none_or(|&end| read.completed < end)
        })
    };
    ok_of(operations, "read").filter(early).filter(|read| read.result.is_null()).count()
}

/// Payloads of other sessions than the one that was read.
pub(crate) fn leaks(operations: &[Op]) -> usize {
    ok_of(operations, "read")
        .filter(|op| op.session != "final" && op.result["session"].is_string())
        .filter(|op| op.result["session"].as_str() != Some(op.session.as_str()))
        .count()
}

/// Reads of bytes that no write wrote.
pub(crate) fn torn(operations: &[Op]) -> usize {
    ok_of(operations, "read").filter(|op| op.result.get("torn").is_some()).count()
}

/// Reads of an id that find something after an acknowledged renewal that was complete before.
pub(crate) fn old_ids(operations: &[Op]) -> usize {
    let renewed: HashMap<&str, usize> =
        ok_of(operations, "renew").map(|op| (op.key.as_str(), op.completed)).collect();
    let old = |op: &&Op| renewed.get(op.key.as_str()).is_some_and(|&at| at < op.invoked);
    ok_of(operations, "read").filter(old).filter(|op| !op.result.is_null()).count()
}

/// Actions that are in a list more than once.
pub(crate) fn repeated_actions(operations: &[Op]) -> usize {
    let repeated = |op: &&Op| {
        let list = op.result.as_array().cloned().unwrap_or_default();
        list.iter().map(serde_json::Value::to_string).collect::<HashSet<_>>().len() < list.len()
    };
    ok_of(operations, "actions").filter(repeated).count()
}

/// Acknowledged actions that the final list of their user lacks.
pub(crate) fn lost_actions(operations: &[Op]) -> usize {
    let finals: HashMap<&str, String> = ok_of(operations, "actions")
        .filter(|op| op.session == "final" && op.result.is_array())
        .map(|op| (op.key.as_str(), op.result.to_string()))
        .collect();
    let lost = |op: &&Op| {
        finals.get(op.session.as_str()).is_some_and(|list| !list.contains(&op.argument.to_string()))
    };
    ok_of(operations, "act").filter(lost).count()
}
