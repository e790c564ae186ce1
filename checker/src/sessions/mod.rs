//! The four session guarantees (Terry et al. 1994), decided on version orders.
//!
//! # The problem
//!
//! A user who has changed their address must not see the old one (*read your writes*), nor see the new one
//! and then the old one again (*monotonic reads*); their changes must take effect in the order in which they
//! made them (*monotonic writes*), and after whatever they had seen before (*writes follow reads*). Each is a
//! demand on the order ≪ in which the versions of an object came to be, which nobody recorded. So the
//! question is: does *any* order of the versions meet the demands?
//!
//! # The naive way, and this one
//!
//! Try every order: n! of them. Or: the demands are all of the form "u not after v" or "u before v", so draw
//! an edge from u to v for each; an order exists if and only if no two versions lie on one cycle and no strict
//! edge lies on any. But there is a demand for each *pair* of operations of a session: n² edges. As session
//! order is an interval order (`a` completed before `b` was invoked), one chain of helper vertices a session
//! and object carries them all in O(n) edges: what completes points into the chain, what is invoked is pointed
//! at by the chain's last vertex. See `version_graph.rs`.
//!
//! Where one value was written twice, a read of it may have returned either write. `guess.rs` proposes, in
//! O(n log n), which; `search.rs` decides by backtracking, within the limits, if no proposal fits.
//!
//! Cost: O(n) a level where every value is written once to an object, 8 bytes an edge and about three edges
//! an operation; beyond that as many steps as [`Limits`] allow.
//!
//! # What comes out
//!
//! *Holds* carries a [`claims::VersionOrder`] for each object; *violated*, for each, a [`VersionRefutation`] whose edges each say
//! which operations they follow from. The crate `verifier` checks both from the definitions, without a graph;
//! [`explain`] puts a cycle into words.
//!
//! # Choices
//!
//! - **Compare-and-set.** The definition says old ≪ new and no more, and that is all that is used. Atomicity
//!   would give more: nothing lies between old and new, and no two successes expect the same version. A
//!   history that only breaks those keeps its session guarantees here, and is not linearizable.
//! - **An indeterminate compare-and-set** whose new value was seen took effect, so old ≪ new. Its client never
//!   learned what it expected to be true: it is a `b` as a write only, not as a read.
//! - **A failed compare-and-set** is neither `a` nor `b`, even where it is said to observe that the state
//!   differed: that names no version, and the definition speaks of completed operations.
//! - **Version tokens** number versions: different tokens order them, one token is one version. Two versions
//!   with one token, or one version with two, leave no order that agrees with what is known: *violated*, by
//!   the letter of the definition, as `cyclic-versions`. It says that the store's numbering and its values
//!   contradict each other. (A counter that also grows with writes to other objects is no version token.)
//! - **What no guarantee takes part in** (a cycle of compare-and-sets, of tokens) violates each level alike,
//!   as no version order exists at all. It is named `cyclic-versions` too.
//! - **A read before its write.** `r(1)` completed, then `w(1)` of one session: only writes-follow-reads
//!   forbids it (1 ≪ 1); the other three say nothing of it.
//! - **The written value.** Versions are writes, not values: a value that was written twice is two versions.
//!
//! Terry, Demers, Petersen, Spreitzer, Theimer & Welch, *Session guarantees for weakly consistent replicated
//! data*, PDIS 1994, sections 2 and 3.

mod collect;
mod decide;
pub mod explain;
mod guarantees;
mod guess;
mod objects;
mod proof;
mod search;
mod unwritten;
mod version_graph;

use claims::{
    AnomalyName, Core, Evidence, Level, Limits, ObjectQuestion, Reason, Verdict, VersionRefutation,
    Violation, Witness,
};
use decide::ObjectDecision;
use guarantees::Guarantees;
use histories::{History, OpId};
use objects::SessionObjects;
pub(crate) use objects::value_read;
use unwritten::DidNotHappen;

/// How many anomalies are reported of one level. Beyond them the verdict is the same.
pub const ANOMALIES_MAX: usize = 1_000;

/// The verdict of one level, and the method that found it.
pub type SessionLevelVerdict = (String, Verdict<Witness, Vec<Violation>>);

/// Decides several of the session levels, reading the history only once. Panics for any other level.
///
/// `limits` hold for each level by itself. The answers are in the order of `levels`.
pub fn check_session_levels(
    history: &History,
    levels: &[Level],
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> Vec<SessionLevelVerdict> {
    let objects = match SessionObjects::new(history, question, limits) {
        Ok(objects) => objects,
        Err(unknown) => {
            let answer = ("version-graph".to_owned(), Verdict::Unknown(unknown));
            return vec![answer; levels.len()];
        }
    };
    let unwritten = unwritten_violations_of_objects(history, &objects);
    let one = |&level: &Level| check_session_level(history, level, question, limits, &objects, &unwritten);
    levels.iter().map(one).collect()
}

fn check_session_level(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    limits: &Limits<'_>,
    objects: &SessionObjects,
    unwritten: &[Violation],
) -> SessionLevelVerdict {
    let guarantees = Guarantees::new(level, question.assume);
    let mut decider = decide::ObjectDecider::new(history, guarantees, limits);
    let mut orders = Vec::new();
    let mut anomalies = unwritten.to_vec();
    let mut unknown: Option<Reason> = objects.foreign.map(|op| foreign_operation_reason(history, op));
    for object in objects.iter() {
        if anomalies.len() >= ANOMALIES_MAX {
            break;
        }
        match decider.decide_object(&object) {
            ObjectDecision::Holds(order) => orders.push(order),
            ObjectDecision::Violated(cycles) => anomalies.extend(cycles.into_iter().map(cycle_violation)),
            ObjectDecision::Unknown(reason) => unknown = unknown.or(Some(Reason { reason })),
        }
    }
    anomalies.truncate(ANOMALIES_MAX);
    let method = if decider.searched { "version-search" } else { "version-graph" };
    let verdict = match unknown {
        _ if !anomalies.is_empty() => Verdict::Violated(anomalies),
        Some(unknown) => Verdict::Unknown(unknown),
        None => Verdict::Holds(Witness::Versions(orders)),
    };
    (method.to_owned(), verdict)
}

fn foreign_operation_reason(history: &History, op: OpId) -> Reason {
    let (index, name) = (history.operation_index(op), history.function_name(history.function(op)));
    Reason {
        reason: format!(
            "operation {index} is a {name:?}: the session guarantees are decided for objects that are only read, \
             written and compared-and-set"
        ),
    }
}

/// Reads of values that nobody wrote: they violate every level.
fn unwritten_violations_of_objects(history: &History, objects: &SessionObjects) -> Vec<Violation> {
    unwritten_read_violations(history, &objects.unwritten)
}

/// Reads that are known to have returned what nobody wrote, as anomalies.
pub(crate) fn unwritten_read_violations(history: &History, reads: &[OpId]) -> Vec<Violation> {
    if reads.is_empty() {
        return Vec::new();
    }
    let did_not_happen = DidNotHappen::new(history);
    let reads = reads.iter().take(ANOMALIES_MAX);
    reads.map(|&read| unwritten_read_violation(history, &did_not_happen, read)).collect()
}

fn unwritten_read_violation(history: &History, did_not_happen: &DidNotHappen, read: OpId) -> Violation {
    let writes = did_not_happen.operations_leading_to(history, read);
    let kind = if writes.iter().any(|&op| history.outcome(op) == histories::Outcome::Fail) {
        "aborted-read"
    } else {
        "phantom-read"
    };
    let key = history.key(read);
    let mut operations = vec![read];
    operations.extend(&writes);
    let mut core = operations.clone();
    core.sort_unstable();
    Violation {
        kind: AnomalyName::new(kind),
        key,
        operations,
        evidence: Evidence::Core(Core::minimal_core(key, core)),
    }
}

fn cycle_violation(cycle: VersionRefutation) -> Violation {
    let operations = cycle.involved_operations();
    Violation {
        kind: AnomalyName::new(cycle.anomaly_name()),
        key: cycle.key,
        operations,
        evidence: Evidence::Cycle(cycle),
    }
}
