//! The four session guarantees (Terry et al. 1994), decided on version orders.
//!
//! # The problem
//!
//! A user who has changed their address must not see the old one (*read your writes*). They must not see the new one
//! and then the old one again (*monotonic reads*). Their changes must take effect in the order in which they made
//! them (*monotonic writes*), and after whatever they had seen before (*writes follow reads*). Each guarantee is a
//! demand on the version order ≪ of an object, which nobody recorded. So the question is: does *any* order of the
//! versions meet the demands?
//!
//! # The naive way, and this one
//!
//! The naive way tries every order: n! of them. But every demand has the form "u not after v" or "u before v". So
//! draw an edge from u to v for each demand. An order exists if and only if no two versions lie on one cycle and no
//! strict edge lies on any cycle. But there is a demand for each *pair* of operations of a session: n² edges. Session
//! order is an interval order: `a` precedes `b` if `a` completed before `b` was invoked. So one chain of helper
//! vertices for each session and object carries all demands in O(n) edges. A completed operation points into the
//! chain, and the chain's last vertex points at an invoked operation. See `version_graph.rs`.
//!
//! If a value was written twice, a read of it may have returned either write. `guess.rs` proposes which, in O(n log
//! n). If no proposal fits, `search.rs` decides by backtracking, within the limits.
//!
//! Cost: O(n) for each level if every value is written once to an object, 8 bytes an edge and about three edges an
//! operation. Otherwise as many steps as [`Limits`] allow.
//!
//! # What comes out
//!
//! *Holds* carries a [`claims::VersionOrder`] for each object. *Violated* carries a [`VersionRefutation`] for each
//! violation; each of its edges names the operations that it follows from. The crate `verifier` checks both from the
//! definitions, without a graph. [`explain`] puts a cycle into words.
//!
//! # Choices
//!
//! - **Compare-and-set.** The definition says old ≪ new, and only that is used. Atomicity would give more: nothing
//!   lies between old and new, and no two successes expect the same version. A history that breaks only atomicity
//!   keeps its session guarantees here, and is not linearizable.
//! - **An indeterminate compare-and-set** whose new value was seen took effect, so old ≪ new. Its client never
//!   learned whether its expectation was true, so it is a `b` only as a write, not as a read.
//! - **A failed compare-and-set** is neither `a` nor `b`, even if it is said to observe that the state differed. That
//!   names no version, and the definition speaks of completed operations.
//! - **Version tokens** number versions: different tokens order them, and one token is one version. If two versions
//!   have one token, or one version has two, no order agrees with what is known. By the letter of the definition this
//!   is *violated*, as `cyclic-versions`. It says that the store's numbering and its values contradict each other. (A
//!   counter that also grows with writes to other objects is no version token.)
//! - **A cycle without any guarantee** (of compare-and-sets, of tokens) violates every level, because no version
//!   order exists at all. It is named `cyclic-versions` too.
//! - **A read before its write.** `r(1)` completed, then `w(1)` of one session: only writes-follow-reads forbids it
//!   (1 ≪ 1); the other three say nothing about it.
//! - **The written value.** Versions are writes, not values: a value that was written twice is two versions.
//!
//! Terry, Demers, Petersen, Spreitzer, Theimer & Welch, *Session guarantees for weakly consistent replicated data*,
//! PDIS 1994, sections 2 and 3.

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
    AnomalyName, Core, Evidence, Level, Limits, ObjectQuestion, Reason, Verdict, VersionOrder,
    VersionRefutation, Violation, Witness,
};
use decide::ObjectDecision;
use guarantees::Guarantees;
use histories::{History, OpId};
use objects::SessionObjects;
pub(crate) use objects::value_read;
use rayon::prelude::*;
use unwritten::DidNotHappen;

/// How many anomalies of one level are reported. More would not change the verdict.
pub const ANOMALIES_MAX: usize = 1_000;

/// The method that decided one level, and the verdict.
pub type SessionLevelVerdict = (String, Verdict<Witness, Vec<Violation>>);

/// Decides several session levels, reading the history only once. Panics for any other level.
///
/// `limits` apply to each level separately. The answers are in the order of `levels`.
pub fn check_session_levels(
    history: &History,
    levels: &[Level],
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> Vec<SessionLevelVerdict> {
    let objects = match SessionObjects::new(history, question, limits, levels.len()) {
        Ok(objects) => objects,
        Err(unknown) => {
            let answer = ("version-graph".to_owned(), Verdict::Unknown(unknown));
            return vec![answer; levels.len()];
        }
    };
    let unwritten = unwritten_violations_of_objects(history, &objects);
    let common = find_common_orders(history, levels, question, limits, &objects);
    let one = |&level: &Level| {
        check_session_level(history, level, question, limits, (&objects, &common), &unwritten)
    };
    match objects.several_at_once {
        true => levels.par_iter().map(one).collect(),
        false => levels.iter().map(one).collect(),
    }
}

/// For each object, an order that meets the constraints of all these levels at once, where the graph alone gives one.
/// Most objects of most histories have one, and then each level needs no graph of its own. Objects are tried in
/// parallel.
fn find_common_orders(
    history: &History,
    levels: &[Level],
    question: &ObjectQuestion,
    limits: &Limits<'_>,
    objects: &SessionObjects,
) -> Vec<Option<VersionOrder>> {
    if levels.len() == 1 && objects.count() == 1 {
        return vec![None];
    }
    let guarantees = Guarantees::union_of(levels, question.assume);
    let one = |object| decide::find_order_without_search(history, guarantees, limits, &object);
    match objects.several_at_once {
        true => objects.par_iter().map(one).collect(),
        false => objects.iter().map(one).collect(),
    }
}

fn check_session_level(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    limits: &Limits<'_>,
    (objects, common): (&SessionObjects, &[Option<VersionOrder>]),
    unwritten: &[Violation],
) -> SessionLevelVerdict {
    let guarantees = Guarantees::new(level, question.assume);
    let mut decider = decide::ObjectDecider::new(history, guarantees, limits);
    let mut orders = Vec::new();
    let mut anomalies = unwritten.to_vec();
    let mut unknown: Option<Reason> = objects.foreign().map(|op| foreign_operation_reason(history, op));
    for (object, common) in objects.iter().zip(common) {
        if anomalies.len() >= ANOMALIES_MAX {
            break;
        }
        if let Some(order) = common {
            orders.push(order.clone());
            continue;
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

/// Reads of values that no operation wrote. They violate every level.
fn unwritten_violations_of_objects(history: &History, objects: &SessionObjects) -> Vec<Violation> {
    let reads: Vec<OpId> = objects.parts.iter().flat_map(|part| &part.unwritten).copied().collect();
    unwritten_read_violations(history, &reads)
}

/// Violations for reads that returned a value which no operation wrote.
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
