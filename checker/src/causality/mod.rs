//! Levels of registers that say what a session may have seen of the others: weak causal consistency, causal convergence,
//! causal memory, PRAM, and sequential consistency.
//!
//! # The problem
//!
//! Somebody posts a question, somebody who read it answers, and a third must not see the answer without the question.
//! What must be seen is told by the *causal order*: session order, and whoever reads comes after the write that they
//! read. The levels differ in what is asked of it.
//!
//! | level | there is … |
//! | --- | --- |
//! | `causal` | nothing that overwrote, in the causal past of a read, what that read returned |
//! | `causal-convergence` | one order of all operations that extends causal order, and each read returns what is last by it of the writes in its causal past |
//! | `causal-memory` | for each session, an order of all writes and its own reads that extends causal order and is legal |
//! | `pram` | for each session, an order of all writes and its own reads that extends session order and is legal |
//! | `sequential` | one order of all operations that extends session order and is legal |
//!
//! # How
//!
//! Where each value is written once, a read tells its write, and the first four are decided by bad patterns (Bouajjani et
//! al.): all are cycles of session order, reads-from, and what follows from a read. `weak.rs` has the first two,
//! `serial.rs` the others. One rule infers: if `r` reads what `w` wrote, and another write `w'` of that object comes
//! before `r`, then `w'` comes before `w`. For `causal` and `causal-convergence` *comes before* is causal order; for the
//! others it is what was inferred as well, again and again until nothing is new.
//!
//! For a session that does one thing at a time that is all; `sequential` and sessions with several operations in flight
//! also need the rule's other half (`w` before `w'` makes `r` come before `w'`) and then a search, as the question is
//! NP-complete. It begins with an order that is mostly right (`guess.rs`): that of the clusters by time, which explains
//! every linearizable history, and whatever explains all reads at once proves all five levels.
//!
//! # Choices
//!
//! - **Compare-and-set** is a read and a write at one moment. In the order of another session it is a write only, as
//!   other sessions' reads are no part of it.
//! - **Indeterminate operations** took effect if something that did read what they wrote; else leaving them out only
//!   takes demands away. One that did precedes nothing in session order.
//! - **Version tokens and `--assume`** say what one version order is. Of these levels only two speak of one order of the
//!   writes, and neither is asked to agree with them: the definitions do not.
//! - **`--failed-cas observes`**: what a failed compare-and-set saw is a demand that is not decided here: what is not
//!   violated without it is *unknown*.
//!
//! Bouajjani, Enea, Guerraoui & Hamza, *On verifying causal consistency*, POPL 2017, sections 3 and 5; Ahamad, Neiger,
//! Burns, Kohli & Hutto, *Causal memory*, Distributed Computing 9, 1995; Lipton & Sandberg, *PRAM*, 1988; Lamport, *How
//! to make a multiprocessor computer*, 1979; Gibbons & Korach, *Testing shared memories*, SICOMP 26(4), 1997.

mod cases;
mod clocks;
pub mod explain;
mod facts;
mod greedy;
mod guess;
mod paths;
mod problem;
mod serial;
mod weak;

use claims::{
    AnomalyName, CausalRefutation, Evidence, FailedCas, Level, Limits, ObjectQuestion, Reason, Verdict,
    Violation, Witness,
};
use facts::RegisterFacts;
use histories::{Function, History, KeyId, OpId, Outcome};

/// The verdict of one level, and the method that found it.
pub(crate) type CausalLevelVerdict = (String, Verdict<Witness, Vec<Violation>>);

/// Decides one of the five levels. Panics for any other.
pub(crate) fn check_causal_level(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> CausalLevelVerdict {
    let unknown = |reason: String| ("none".to_owned(), Verdict::Unknown(Reason { reason }));
    let bytes = history.len().saturating_mul(BYTES_PER_OPERATION);
    if bytes > limits.bytes {
        return unknown(memory_limit_reason(bytes, limits));
    }
    let facts = RegisterFacts::new(history, question);
    if !facts.unwritten.is_empty() {
        let anomalies = crate::sessions::unwritten_read_violations(history, &facts.unwritten);
        return ("reads-from".to_owned(), Verdict::Violated(anomalies));
    }
    let (method, found) = cases::decide_causal_level(&facts, level, limits);
    let verdict = match (found, facts.foreign) {
        (cases::CausalOutcome::Refuted(refutations), _) => Verdict::Violated(
            refutations.into_iter().map(|found| causal_violation(history, level, found)).collect(),
        ),
        (_, Some(op)) => return unknown(foreign_operation_reason(history, op)),
        (cases::CausalOutcome::Unknown(reason), _) => Verdict::Unknown(Reason { reason }),
        (cases::CausalOutcome::Explained(_), _) if has_observing_failed_cas(history, question) => {
            return unknown(
                "with --failed-cas observes a failed compare-and-set says what it did not find, which is not decided for \
                 this level"
                    .to_owned(),
            );
        }
        (cases::CausalOutcome::Explained(orders), _) => Verdict::Holds(Witness::Causal(orders)),
    };
    (method.to_owned(), verdict)
}

/// About what all but the clocks take, an operation.
const BYTES_PER_OPERATION: usize = 160;

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

/// Whether a compare-and-set failed that says what it did not find.
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
