//! Describes breaches in words: what each name means, and each breach in one sentence.

use claims::{Breach, BreachEvidence};
use histories::{Function, History, OpId};

/// How many operations or elements of one breach a sentence lists.
const TOLD_MAX: usize = 8;

/// Describes breaches of this name, as a fragment that fits after "a history with one:".
pub fn describe_kind(kind: &str) -> &'static str {
    match kind {
        "wrong-total" => "a read of all accounts shows another total than the rest",
        "nil-balance" => "an account has no balance",
        "negative-balance" => "an account is overdrawn",
        "lost" => "an acknowledged or observed element is lost",
        "stale" => "a read misses an element that existed before it began",
        "unexpected" => "a read shows an element that no operation added",
        "aborted-read" => "a read shows an element that only a failed operation added",
        "duplicated" => "an element occurs more often than it was added",
        "out-of-bounds" => "a counter shows less than it must or more than it may",
        "long-fork" => "two readers saw two writes in opposite orders",
        "non-monotonic" => "a session saw a value below one that it had already seen",
        "causal-reverse" => "a read sees a write but not an earlier acknowledged one",
        _ => "the answers contradict the invariant",
    }
}

/// The names of all kinds of breaches.
pub const KINDS: &[&str] = &[
    "wrong-total",
    "nil-balance",
    "negative-balance",
    "lost",
    "stale",
    "unexpected",
    "aborted-read",
    "duplicated",
    "out-of-bounds",
    "long-fork",
    "non-monotonic",
    "causal-reverse",
];

/// Describes one breach in one sentence, without a full stop.
pub fn describe_breach(history: &History, breach: &Breach) -> String {
    let op = |id: &OpId| name_operation(history, *id);
    let told = match &breach.evidence {
        BreachEvidence::Total { read, total, expected, first } => {
            let by = match first {
                Some(first) => format!("{} showed", op(first)),
                None => "was told".to_owned(),
            };
            format!("{} shows a total of {total}, and not {expected}, as {by}", op(read))
        }
        BreachEvidence::Balance { read, account, balance: Some(balance) } => {
            format!("{} shows account {account} at {balance}", op(read))
        }
        BreachEvidence::Balance { read, account, balance: None } => {
            format!("{} shows account {account} without a balance", op(read))
        }
        BreachEvidence::Doubled { element, read, times } => {
            format!("{} shows {element} {times} times", op(read))
        }
        BreachEvidence::Unwritten { element, read, writer: None } => {
            format!("{} returned {element}, which no operation had added", op(read))
        }
        BreachEvidence::Unwritten { element, read, writer: Some(writer) } => {
            let why = if breach.kind == "aborted-read" { "failed" } else { "began only later" };
            format!("{} returned {element}, but {}, which adds it, {why}", op(read), op(writer))
        }
        BreachEvidence::Bounds { read, value, least, most } => format!(
            "{} returned {value}, but what was acknowledged and what was asked for make it at least {least} and at most {most}",
            op(read)
        ),
        BreachEvidence::Missing { element, known, read, again } => {
            describe_missing(history, element, [*known, *read], *again)
        }
        BreachEvidence::Undelivered { enqueued, empty, swallowed } => {
            describe_undelivered(history, enqueued, *empty, *swallowed)
        }
        BreachEvidence::Repeated { element, returned, put_in } => {
            describe_repeated(history, element, returned, *put_in)
        }
        BreachEvidence::SameId { id, one, other } => {
            format!("{} and {} both returned {id}", op(one), op(other))
        }
        BreachEvidence::Fork { one, other, x, y } => {
            format!(
                "{} saw {x} written and {y} not yet, {} saw {y} written and {x} not yet",
                op(one),
                op(other)
            )
        }
        BreachEvidence::Backwards { earlier, later, register, from, to } => {
            let register = register.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
            format!(
                "{} returned {from}{register}, and {} after it in the same session {to}",
                op(earlier),
                op(later)
            )
        }
        BreachEvidence::Reversed { first, second, read } => {
            let value = |id: &OpId| history.value_text(history.operation(*id).value());
            format!(
                "{} shows {}, which {} wrote, but not {}, which {} wrote and which was acknowledged before that began",
                op(read),
                value(second),
                op(second),
                value(first),
                op(first)
            )
        }
    };
    match history.key_text(breach.key) {
        "" => told,
        key => format!("{key}: {told}"),
    }
}

fn name_operation(history: &History, id: OpId) -> String {
    format!("operation {}", history.operation_index(id))
}

fn describe_missing(
    history: &History,
    element: &str,
    [known, read]: [OpId; 2],
    again: Option<OpId>,
) -> String {
    let showed = if history.function(known) == Function::READ { "showed" } else { "added" };
    let end = match again {
        Some(again) => format!("{} shows it again", name_operation(history, again)),
        None => "no read shows it from then on".to_owned(),
    };
    format!(
        "{} {showed} {element} and had completed before {} began, which lacks it; {end}",
        name_operation(history, known),
        name_operation(history, read)
    )
}

fn describe_undelivered(history: &History, enqueued: &[OpId], empty: OpId, swallowed: usize) -> String {
    let swallowed = match swallowed {
        0 => String::new(),
        1 => ", and the one dequeue whose answer never came can have taken only one".to_owned(),
        count => {
            format!(", and the {count} dequeues whose answers never came can have taken only as many")
        }
    };
    let elements: Vec<&str> =
        enqueued.iter().take(TOLD_MAX).map(|&id| history.value_text(history.operation(id).value())).collect();
    format!(
        "{} had been acknowledged when {} began and found the queue empty in the end; {} never came out{swallowed}",
        join_first(&elements, enqueued.len()),
        name_operation(history, empty),
        if enqueued.len() == 1 { "it" } else { "they" }
    )
}

fn describe_repeated(history: &History, element: &str, returned: &[OpId], put_in: usize) -> String {
    let indexes: Vec<String> =
        returned.iter().take(TOLD_MAX).map(|&id| history.operation_index(id).to_string()).collect();
    let times = if put_in == 1 { "once".to_owned() } else { format!("{put_in} times") };
    let indexes: Vec<&str> = indexes.iter().map(String::as_str).collect();
    format!(
        "operations {} returned {element}, which was put in {times}",
        join_first(&indexes, returned.len())
    )
}

/// Joins the first few items, and adds how many more there are.
fn join_first(told: &[&str], count: usize) -> String {
    match count.saturating_sub(told.len()) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}
