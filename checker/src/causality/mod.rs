//! Causal consistency of registers in its three forms, and PRAM.
//!
//! # The problem
//!
//! Replicas that answer at once and tell each other later cannot keep one order of everything. What they can keep is
//! that nobody sees an effect without its cause: who has read my answer finds my question too. *Causal order* is
//! session order and reads-from, taken together. Weak causal consistency (CC, `causal`): it is acyclic, and no read
//! returns what is overwritten in its own causal past. Causal convergence (CCv): moreover all agree on one order of
//! the writes. Causal memory (CM): moreover each session could have seen everything in one order of its own. PRAM: as
//! causal memory, with session order alone instead of causal order: others' writes arrive in the order in which their
//! sessions made them, and what those had read means nothing.
//!
//! # The naive way, and this one
//!
//! Try all partial orders, and in each all orders of each past. Or: where every value is written once to an object, a
//! read says which write it read, and each level is the absence of a few *bad patterns* (Bouajjani et al.), all of
//! which say that some order that is forced has a cycle:
//!
//! | pattern | what | forbidden by |
//! | --- | --- | --- |
//! | `cyclic-co` | session order and reads-from have a cycle | CC, CCv, CM |
//! | `write-co-init-read` | a read returned the initial value, and a write is in its causal past | CC, CCv, CM |
//! | `write-co-read` | a read returned a value that is overwritten in its causal past | CC, CCv, CM |
//! | `cyclic-cf` | writes that a read's past shows in one order, another's in the other | CCv |
//! | `write-hb-init-read`, `cyclic-hb` | what one session read puts its own view in a circle | CM, PRAM |
//!
//! The fourth pattern of CC, a read of a value that nobody wrote, is named `phantom-read` or `aborted-read` here as
//! everywhere. [`clocks`] decides CC and CCv, [`views`] CM and PRAM: how, and at what price, is said there.
//!
//! # Choices
//!
//! - **Compare-and-set** is a read of the old value and a write of the new one at one moment. In CM and PRAM a session's
//!   order holds *its own* to what they found; of others' it sees the write only, as of every operation.
//! - **Indeterminate operations** took effect if something that did returned what they wrote; else they are left out:
//!   nothing can be worse for that. An indeterminate compare-and-set that took effect found what it expected.
//! - **Overlapping operations of one session** (two tabs) are not in session order. A session's order in CM and PRAM
//!   must still be one for all of its reads. Then the patterns are no longer enough: such a session in itself is what
//!   sequential consistency asks, which is NP-complete. Patterns that are found are real; where none is, a few orders
//!   of the session's reads are tried; where none fits, the verdict is *unknown*. A session that does one thing at a
//!   time is decided exactly.
//! - **Values written more than once** to an object, and read: *unknown*. (Which write was read is then open, and the
//!   question NP-complete.)
//!
//! Bouajjani, Enea, Guerraoui & Hamza, *On verifying causal consistency*, POPL 2017 (sections 3 and 5). Ahamad, Neiger,
//! Burns, Kohli & Hutto, *Causal memory: definitions, implementation, and programming*, Distributed Computing 1995.
//! Lipton & Sandberg, *PRAM: a scalable shared memory*, Princeton CS-TR-180-88, 1988.

mod clocks;
pub mod explain;
mod order;
pub mod recheck;
mod trace;
mod views;

use crate::check::{Anomaly, Evidence, Question, Witness};
use crate::sessions::objects::{Objects, Read, value_read};
use crate::sessions::{ANOMALIES_MAX, foreign, unwritten_anomalies};
use crate::{Level, Limits, Unknown, Verdict};
use histories::{History, KeyId, OpId, SessionId};
use trace::Trace;

/// The operations that took effect in an order that explains something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// Whose order it is: that of one session, or of all.
    pub session: Option<SessionId>,
    /// The operations. Under PRAM, for one session, only the writes and its own reads count.
    pub operations: Vec<OpId>,
}

/// Operations each of which must come before the next, in a circle; or before a read that saw nothing of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contradiction {
    /// Whose view it is about, where each session may have its own.
    pub session: Option<SessionId>,
    /// What follows of the order of writes from what was read, each only from those before it.
    pub inferred: Vec<Inferred>,
    /// A circle, or a path from a write to a read of the initial value of the same object.
    pub links: Vec<Link>,
}

/// One operation must come before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// The earlier.
    pub from: OpId,
    /// The later.
    pub to: OpId,
    /// What demands it.
    pub why: Why,
}

/// What demands that one operation comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// It completed before the other was invoked, in one session.
    Session,
    /// The other read what it wrote.
    ReadFrom,
    /// It follows from what was read: the place in [`Contradiction::inferred`].
    Inferred(u32),
}

/// A read returned the value of `later` although `earlier`, a write to the same object, comes before the read. So
/// `earlier` comes before `later`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inferred {
    /// The write that came before the read and was not returned.
    pub earlier: OpId,
    /// The write that the read returned.
    pub later: OpId,
    /// The read.
    pub read: OpId,
    /// From `earlier` to the read.
    pub path: Vec<Link>,
}

/// The verdict of one level, and the method that found it.
pub type Found = (String, Verdict<Witness, Vec<Anomaly>>);

/// Decides one of the levels of this room. Panics for any other.
pub fn check(history: &History, level: Level, question: &Question, limits: &Limits<'_>) -> Found {
    let method = match level {
        Level::Causal | Level::CausalConvergence => "causal-clocks",
        Level::CausalMemory | Level::Pram => "session-views",
        _ => unreachable!("{} is no level of this room", level.name()),
    };
    (method.to_owned(), decide(history, level, question, limits))
}

fn decide(
    history: &History,
    level: Level,
    question: &Question,
    limits: &Limits<'_>,
) -> Verdict<Witness, Vec<Anomaly>> {
    let objects = match Objects::new(history, question, limits) {
        Ok(objects) => objects,
        Err(unknown) => return Verdict::Unknown(unknown),
    };
    let unwritten = unwritten_anomalies(history, &objects);
    if !unwritten.is_empty() {
        return Verdict::Violated(unwritten);
    }
    if let Some(op) = objects.foreign {
        return Verdict::Unknown(foreign(history, op));
    }
    if let Some(reason) = ambiguous(history, &objects) {
        return Verdict::Unknown(Unknown { reason });
    }
    let trace = Trace::new(history, question, &objects);
    drop(objects);
    let found = match level {
        Level::Causal | Level::CausalConvergence => clocks::decide(&trace, level, limits),
        _ => views::decide(&trace, level, limits),
    };
    match found {
        Err(reason) => Verdict::Unknown(Unknown { reason }),
        Ok(Verdict::Violated(found)) => {
            let anomalies = found.into_iter().take(ANOMALIES_MAX);
            Verdict::Violated(anomalies.map(|found| anomaly(history, level, found)).collect())
        }
        Ok(Verdict::Holds(views)) => Verdict::Holds(Witness::Views(views)),
        Ok(Verdict::Unknown(unknown)) => Verdict::Unknown(unknown),
    }
}

/// Why it is open who read what.
fn ambiguous(history: &History, objects: &Objects) -> Option<String> {
    objects.iter().find_map(|object| {
        let rows = object.rows.iter();
        let row = rows.filter(|row| row.is_ok()).find(|row| matches!(row.read(), Read::Choice(_)))?;
        let value = history.value_text(value_read(history, row.op));
        let key = match history.key_text(object.key) {
            "" => String::new(),
            key => format!(" to {key}"),
        };
        Some(format!("{value} was written more than once{key}, which leaves open which write was read"))
    })
}

fn anomaly(history: &History, level: Level, found: Contradiction) -> Anomaly {
    let kind = found.kind(level);
    let operations = found.operations();
    let of = |op: OpId| history.key(op);
    // One key where all is about one object.
    let first = operations.first().map_or(KeyId::NONE, |&op| of(op));
    let key = if operations.iter().all(|&op| of(op) == first) { first } else { KeyId::NONE };
    Anomaly { kind, key, operations, evidence: Evidence::Causality(found) }
}

impl Contradiction {
    /// Whether it is a circle: else it ends at a read of the initial value.
    pub fn is_circle(&self) -> bool {
        let ends = self.links.first().zip(self.links.last());
        ends.is_some_and(|(first, last)| first.from == last.to)
    }

    /// The name of the pattern, as a level has it.
    pub fn kind(&self, level: Level) -> &'static str {
        let by_session = matches!(level, Level::CausalMemory | Level::Pram);
        match (self.is_circle(), by_session) {
            (false, false) => "write-co-init-read",
            (false, true) => "write-hb-init-read",
            (true, _) if self.inferred.is_empty() => "cyclic-co",
            (true, true) => "cyclic-hb",
            // The one link that is inferred leads back from a write that the read had seen to the one that it returned:
            // all the others are causal order.
            (true, false) if self.inferred.len() == 1 => "write-co-read",
            (true, false) => "cyclic-cf",
        }
    }

    /// The operations that show it: of the links first, then of what they rest on.
    pub fn operations(&self) -> Vec<OpId> {
        let mut seen = rustc_hash::FxHashSet::default();
        let links = self.links.iter().chain(self.inferred.iter().flat_map(|inferred| &inferred.path));
        links.flat_map(|link| [link.from, link.to]).filter(|&op| seen.insert(op)).collect()
    }
}
