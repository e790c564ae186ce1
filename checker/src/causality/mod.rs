//! Levels of registers that say what a session may observe of other sessions: weak causal consistency, causal
//! convergence, causal memory, PRAM, sequential and ordered sequential consistency; and sequential consistency and PRAM of each
//! object by itself.
//!
//! # The problem
//!
//! A user posts a question, a second user reads it and answers, and a third user must not see the answer without the
//! question. The *causal order* says what must be seen. It contains session order, and puts each write before every
//! read that returned it. The levels differ in their demands on this order.
//!
//! | level | there is … |
//! | --- | --- |
//! | `causal` | no write in the causal past of a read that overwrote what the read returned |
//! | `causal-convergence` | one order of all operations extending causal order; by it each read returns the last write in its causal past |
//! | `causal-memory` | for each session, an order of all writes and its own reads that extends causal order and is legal |
//! | `real-time-causal` | what `causal` demands, and no operation that is causally before one that completed before it began |
//! | `database-writes-follow-reads` | one order of all writes in which each write comes after the writes that its session had read (`causes.rs`) |
//! | `pram` | for each session, an order of all writes and its own reads that extends session order and is legal |
//! | `sequential` | one order of all operations that extends session order and is legal |
//! | `ordered-sequential` | the same, in which no write comes before an operation that completed before it was invoked |
//! | `per-object-sequential` | for each object, what `sequential` demands of the operations on it (`objects.rs`) |
//! | `slow-memory` | for each object, what `pram` demands of the operations on it (`objects.rs`) |
//!
//! # How
//!
//! If each value is written once, a read identifies its write, and the first four levels are decided by bad patterns
//! (Bouajjani et al.). Each pattern is a cycle of session order, reads-from, and edges that follow from a read.
//! `weak.rs` decides the first two levels, `serial.rs` the others. There is one inference rule: if `r` reads the
//! value of `w`, and another write `w'` of that object comes before `r`, then `w'` comes before `w`. For `causal` and
//! `causal-convergence`, *comes before* means causal order. For the others it also includes the inferred edges, so
//! the rule is applied until nothing new follows.
//!
//! For sessions without overlap this is enough. `sequential`, and sessions with several operations in flight, also
//! need the other half of the rule: if `w` comes before `w'`, then `r` comes before `w'`. They also need a search,
//! because the question is NP-complete. The search begins with an order that is usually right (`guess.rs`): blocks of
//! operations sorted by time. It explains every linearizable history, and an order that explains all reads at once
//! proves all levels; for `ordered-sequential`, if the order keeps real time.
//!
//! # Choices
//!
//! - **Compare-and-set** is a read and a write at one moment. In the order of another session it is only a write,
//!   because that order has no reads of other sessions.
//! - **Indeterminate operations** took effect if an operation that took effect read their write. To leave out the
//!   others only removes demands. An indeterminate operation that took effect precedes no other in session order.
//! - **Version tokens and `--assume`** constrain one version order. Only two of these levels speak of one order of
//!   the writes, and they need not agree with the tokens: the definitions do not demand it.
//! - **`--failed-cas observes`**: a failed compare-and-set then says what it did not find. This is not decided here:
//!   a level that is not violated without it is *unknown*.
//!
//! Bouajjani, Enea, Guerraoui & Hamza, *On verifying causal consistency*, POPL 2017, sections 3 and 5; Ahamad,
//! Neiger, Burns, Kohli & Hutto, *Causal memory*, Distributed Computing 9, 1995; Lipton & Sandberg, *PRAM*, 1988;
//! Lamport, *How to make a multiprocessor computer*, 1979; Gibbons & Korach, *Testing shared memories*, SICOMP 26(4),
//! 1997.

mod cases;
mod causes;
mod clocks;
pub mod explain;
mod facts;
mod greedy;
mod guess;
mod objects;
mod outcome;
mod paths;
mod problem;
mod real_time;
mod retained;
mod serial;
mod weak;

use crate::mutual_swaps::doubt_mutual_swaps;
use claims::{
    AnomalyName, CausalRefutation, Evidence, FailedCas, Level, Limits, ObjectQuestion, Reason, Verdict,
    Violation, Witness,
};
use facts::RegisterFacts;
use histories::{Function, History, KeyId, OpId, Outcome};
pub(crate) use retained::{WindowOrder, with_window_order};

/// The method that decided one level, and the verdict.
pub(crate) type CausalLevelVerdict = (String, Verdict<Witness, Vec<Violation>>);

/// Decides one of these levels. Panics for any other level.
pub(crate) fn check_causal_level(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> CausalLevelVerdict {
    let (method, verdict) = decide_level(history, level, question, limits);
    (method, doubt_mutual_swaps(verdict, history, level, question, limits))
}

fn decide_level(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> CausalLevelVerdict {
    let unknown = |reason: String| ("none".to_owned(), Verdict::Unknown(Reason { reason }));
    let derived = if level == Level::CausalConvergence { BYTES_PER_DERIVED_ORDER } else { 0 };
    let bytes = history.len().saturating_mul(BYTES_PER_OPERATION + derived);
    if bytes > limits.bytes {
        return unknown(memory_limit_reason(bytes, limits));
    }
    let facts = RegisterFacts::new(history, question, limits);
    if limits.stop_requested() {
        return unknown(Limits::STOPPED.to_owned());
    }
    if !facts.unwritten.is_empty() {
        let anomalies = crate::sessions::unwritten_read_violations(history, &facts.unwritten);
        return ("reads-from".to_owned(), Verdict::Violated(anomalies));
    }
    let (method, found) = if level.is_sequential_per_object() {
        objects::decide_each_object(&facts, level, limits)
    } else {
        let mut effort = outcome::Effort::within(limits);
        let (method, found) = cases::decide_causal_level(&facts, level, limits, &mut effort);
        (method.to_owned(), found)
    };
    let verdict = match (found, facts.foreign) {
        (outcome::CausalOutcome::Refuted(refutations), _) => Verdict::Violated(
            refutations.into_iter().map(|found| causal_violation(history, level, found)).collect(),
        ),
        (_, Some(op)) => return unknown(foreign_operation_reason(history, op)),
        (outcome::CausalOutcome::Explained(_), _)
            if level == Level::OrderedSequential && facts.unknown_declaration.is_some() =>
        {
            return unknown(unknown_declaration_reason(history, facts.unknown_declaration));
        }
        (outcome::CausalOutcome::Unknown(reason), _) => Verdict::Unknown(Reason { reason }),
        (outcome::CausalOutcome::Explained(_), _) if has_observing_failed_cas(history, question) => {
            return unknown(
                "with --failed-cas observes a failed compare-and-set says what it did not find, which is not decided for \
                 this level"
                    .to_owned(),
            );
        }
        (outcome::CausalOutcome::Explained(orders), _) => Verdict::Holds(Witness::Causal(orders)),
    };
    (method, verdict)
}

/// The approximate memory for an operation, without the clocks. A third of it is taken only if the level is violated.
const BYTES_PER_OPERATION: usize = 229;
/// What the orders that follow from reads take in addition, for each operation.
const BYTES_PER_DERIVED_ORDER: usize = 40;

fn memory_limit_reason(bytes: usize, limits: &Limits<'_>) -> String {
    format!("about {bytes} bytes are needed, beyond the limit of {}", limits.bytes)
}

fn foreign_operation_reason(history: &History, op: OpId) -> String {
    let (index, name) = (history.operation_index(op), history.function_name(history.function(op)));
    format!(
        "operation {index} is a {name:?}: this level is decided for objects that are only read, written and \
         compared-and-set"
    )
}

fn unknown_declaration_reason(history: &History, op: Option<OpId>) -> String {
    let index = op.map_or(0, |op| history.operation_index(op));
    format!(
        "operation {index} declares a consistency that this level does not know. It knows linearizable and sequential"
    )
}

/// Whether a failed compare-and-set must be taken to say what it did not find.
fn has_observing_failed_cas(history: &History, question: &ObjectQuestion) -> bool {
    question.failed_cas == FailedCas::Observes
        && history
            .ids()
            .any(|op| history.function(op) == Function::CAS && history.outcome(op) == Outcome::Fail)
}

fn causal_violation(history: &History, level: Level, found: CausalRefutation) -> Violation {
    let operations = found.involved_operations();
    let key = operations.first().map_or(KeyId::NONE, |&op| history.key(op));
    Violation {
        kind: AnomalyName::new(found.anomaly_name(level)),
        key,
        operations,
        evidence: Evidence::Causal(found),
    }
}
