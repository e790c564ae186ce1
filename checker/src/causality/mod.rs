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
pub mod recheck;
mod serial;
mod weak;

use crate::check::{Anomaly, Evidence, FailedCas, Question, Witness};
use crate::sessions::Returned;
use crate::{Level, Limits, Unknown, Verdict};
use facts::Facts;
use histories::{Function, History, KeyId, OpId, Outcome, SessionId};

/// Orders that explain what was observed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Orders {
    /// One order of all operations that took effect; or, of the levels that have them, an order a session.
    pub orders: Vec<SessionOrder>,
    /// For reads (and compare-and-sets) whose value was written more than once: which write they returned.
    pub returned: Vec<Returned>,
}

/// An order of operations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionOrder {
    /// Whose reads it explains; none for everybody's.
    pub session: Option<SessionId>,
    /// All writes, and the reads that it explains.
    pub operations: Vec<OpId>,
}

/// Why no execution of a level explains a history.
///
/// Where a value was written more than once there may be a contradiction for each way to tell which write its readers
/// returned: then the proof splits into those cases.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refutation {
    /// The proof in preorder. Most have one step: the contradiction.
    pub proof: Vec<Step>,
}

/// A step of a proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A read returned one of these writes (none: the initial value); as many proofs follow, one for each.
    Split {
        /// The read or compare-and-set.
        read: OpId,
        /// All that it may have returned.
        writes: Vec<Option<OpId>>,
    },
    /// Of two writes of one object one comes first: a proof for this one first, then one for the other.
    Order {
        /// The write that comes first in the first case.
        a: OpId,
        /// The write that comes first in the second.
        b: OpId,
    },
    /// Operations that would each have to come before the next, and the last before the first.
    Contradiction(Contradiction),
}

/// A cycle of what must come before what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contradiction {
    /// In whose order, for the levels that have an order a session.
    pub session: Option<SessionId>,
    /// What the cycle rests on beside the history: each follows from those before it.
    pub inferred: Vec<Inferred>,
    /// The cycle.
    pub cycle: Vec<Link>,
}

/// One operation comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// The earlier operation; none for the initial value.
    pub from: Option<OpId>,
    /// The later one; none for the initial value.
    pub to: Option<OpId>,
    /// Why.
    pub why: Why,
}

/// Why one operation comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// Both are of one session, and the first completed before the second was invoked.
    SessionOrder,
    /// The second read what the first wrote.
    ReadsFrom,
    /// The initial value was there before every write.
    Initial,
    /// The case assumes it.
    Assumed,
    /// It follows from a read: which of [`Contradiction::inferred`].
    Inferred(usize),
}

/// What follows from a read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inferred {
    /// The read or compare-and-set.
    pub read: OpId,
    /// What it returned; none for the initial value.
    pub source: Option<OpId>,
    /// Another write of its object.
    pub other: OpId,
    /// Which of the two rules.
    pub rule: Rule,
    /// The path that the rule asks for.
    pub path: Vec<Link>,
}

/// What follows from a read `r` of what `w` wrote, of another write `w'` of the object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// `w'` comes before `r` by the path: so it comes before `w`.
    NotBetween,
    /// `w'` comes after `w` by the path: so it comes after `r`.
    NotYet,
}

/// The verdict of one level, and the method that found it.
pub(crate) type Found = (String, Verdict<Witness, Vec<Anomaly>>);

/// Decides one of the five levels. Panics for any other.
pub(crate) fn check(history: &History, level: Level, question: &Question, limits: &Limits<'_>) -> Found {
    let unknown = |reason: String| ("none".to_owned(), Verdict::Unknown(Unknown { reason }));
    let bytes = history.len().saturating_mul(BYTES_PER_OPERATION);
    if bytes > limits.bytes {
        return unknown(beyond(bytes, limits));
    }
    let facts = Facts::new(history, question);
    if !facts.unwritten.is_empty() {
        let anomalies = crate::sessions::unwritten_by_anybody(history, &facts.unwritten);
        return ("reads-from".to_owned(), Verdict::Violated(anomalies));
    }
    let (method, found) = cases::decide(&facts, level, limits);
    let verdict = match (found, facts.foreign) {
        (cases::Found::Refuted(refutations), _) => {
            Verdict::Violated(refutations.into_iter().map(|found| anomaly(history, level, found)).collect())
        }
        (_, Some(op)) => return unknown(foreign(history, op)),
        (cases::Found::Unknown(reason), _) => Verdict::Unknown(Unknown { reason }),
        (cases::Found::Explained(_), _) if observes(history, question) => {
            return unknown(
                "with --failed-cas observes a failed compare-and-set says what it did not find, which is not decided for \
                 this level"
                    .to_owned(),
            );
        }
        (cases::Found::Explained(orders), _) => Verdict::Holds(Witness::Causal(orders)),
    };
    (method.to_owned(), verdict)
}

/// About what all but the clocks take, an operation.
const BYTES_PER_OPERATION: usize = 160;

fn beyond(bytes: usize, limits: &Limits<'_>) -> String {
    format!("about {bytes} bytes are needed, beyond the limit of {}", limits.bytes)
}

fn foreign(history: &History, op: OpId) -> String {
    let (index, name) = (history.index(op), history.function_name(history.function(op)));
    format!(
        "operation {index} is a {name:?}: this level is decided for objects that are only read, written and \
         compared-and-set"
    )
}

/// Whether a compare-and-set failed that says what it did not find.
fn observes(history: &History, question: &Question) -> bool {
    question.failed_cas == FailedCas::Observes
        && history
            .ids()
            .any(|op| history.function(op) == Function::CAS && history.outcome(op) == Outcome::Fail)
}

fn anomaly(history: &History, level: Level, found: Refutation) -> Anomaly {
    let operations = found.operations();
    let key = operations.first().map_or(KeyId::NONE, |&op| history.key(op));
    Anomaly { kind: found.kind(level), key, operations, evidence: Evidence::Causal(found) }
}

impl Refutation {
    /// The contradictions of its cases, the first one first.
    pub fn contradictions(&self) -> impl Iterator<Item = &Contradiction> {
        self.proof.iter().filter_map(|step| match step {
            Step::Contradiction(found) => Some(found),
            Step::Split { .. } | Step::Order { .. } => None,
        })
    }

    /// The anomaly's name.
    pub fn kind(&self, level: Level) -> &'static str {
        let Some(first) = self.contradictions().next() else { return "cyclic-order" };
        let inferred = first.cycle.iter().filter(|link| matches!(link.why, Why::Inferred(_))).count();
        let plain = first.inferred.iter().flat_map(|inferred| &inferred.path);
        let plain = plain.clone().all(|link| !matches!(link.why, Why::Inferred(_)));
        let initial = first.cycle.iter().any(|link| link.from.is_none());
        match level {
            _ if inferred == 0 => "cyclic-causality",
            _ if inferred == 1 && plain && initial => "initial-value-overwritten",
            _ if inferred == 1 && plain => "overwritten-read",
            Level::CausalConvergence => "conflicting-order",
            Level::Sequential => "non-sequential",
            _ => "conflicting-reads",
        }
    }

    /// The operations that show it: of the first case those of the cycle and the reads behind it, then the rest.
    pub fn operations(&self) -> Vec<OpId> {
        let mut operations = Vec::new();
        let mut seen = rustc_hash::FxHashSet::default();
        let mut add = |op: OpId| {
            if seen.insert(op) {
                operations.push(op);
            }
        };
        for found in self.contradictions() {
            found.inferred.iter().map(|inferred| inferred.read).for_each(&mut add);
            found.cycle.iter().filter_map(|link| link.from).for_each(&mut add);
            for link in found.inferred.iter().flat_map(|inferred| &inferred.path) {
                link.from.into_iter().chain(link.to).for_each(&mut add);
            }
        }
        for step in &self.proof {
            if let Step::Split { read, .. } = step {
                add(*read);
            }
        }
        operations
    }
}
