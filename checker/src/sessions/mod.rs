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
//! *Holds* carries a [`VersionOrder`] for each object; *violated*, for each, a [`Cycle`] whose edges each say
//! which operations they follow from. [`recheck`] verifies both from the definitions, without a graph;
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
pub mod recheck;
mod search;
mod unwritten;
mod version_graph;

use crate::check::{Anomaly, Evidence, Question, Witness};
use crate::linearizability::Core;
use crate::{Level, Limits, Unknown, Verdict};
use decide::Decision;
use guarantees::Guarantees;
use histories::{History, KeyId, OpId};
use objects::Objects;
pub(crate) use objects::value_read;
use unwritten::DidNotHappen;

/// How many anomalies are reported of one level. Beyond them the verdict is the same.
pub const ANOMALIES_MAX: usize = 1_000;

/// The writes of one object in an order that meets the guarantees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionOrder {
    /// The object.
    pub key: KeyId,
    /// The writes, oldest first: all completed ones, and the indeterminate ones that took effect. The initial
    /// value comes before them.
    pub writes: Vec<OpId>,
    /// For reads (and compare-and-sets) whose value was written more than once: which write they returned.
    pub returned: Vec<Returned>,
}

/// Which write a read returned, or a compare-and-set found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Returned {
    /// The read or compare-and-set.
    pub read: OpId,
    /// The write; none for the initial value.
    pub write: Option<OpId>,
}

/// Why the versions of one object have no order: a cycle in what must be that order.
///
/// Where a value was written more than once there may be a cycle for each way to tell which write its readers
/// returned: then the proof splits into those cases.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cycle {
    /// The object.
    pub key: KeyId,
    /// The proof in preorder. Most have one step: the cycle.
    pub proof: Vec<Step>,
    /// Whether no cycle with fewer edges exists (a search for shorter ones is bounded in huge components).
    pub shortest: bool,
}

/// A step of a proof that there is no version order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A read returned one of these writes (none: the initial value); as many proofs follow, one for each.
    Split {
        /// The read or compare-and-set.
        read: OpId,
        /// All that it may have returned.
        writes: Vec<Option<OpId>>,
    },
    /// Versions that would each have to be older than the next, and the last older than the first. The constraint
    /// that a user notices first comes first.
    Cycle(Vec<Constraint>),
}

/// One version must not come after another (or, if [`Constraint::is_strict`], must come before it).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Constraint {
    /// The write of the older version; none for the initial value.
    pub from: Option<OpId>,
    /// The write of the newer version; none for the initial value.
    pub to: Option<OpId>,
    /// What demands it.
    pub reason: Reason,
}

/// What demands that one version comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A guarantee, for two operations of one session of which `a` completed before `b` was invoked.
    SessionOrder {
        /// Which of the four.
        guarantee: Level,
        /// The earlier operation: it wrote or read `from`.
        a: OpId,
        /// The later operation: it wrote or read `to`.
        b: OpId,
    },
    /// A compare-and-set found `from` and wrote `to`.
    CompareAndSet {
        /// The compare-and-set.
        op: OpId,
    },
    /// The store numbered the version of `a` no higher than that of `b`.
    Token {
        /// An operation that wrote or read `from`.
        a: OpId,
        /// An operation that wrote or read `to`.
        b: OpId,
    },
    /// The initial value comes before every write.
    Initial,
    /// `--assume sequential-keys`: the writes of a session keep their order.
    SessionWrites {
        /// The write of `from`.
        a: OpId,
        /// The write of `to`.
        b: OpId,
    },
    /// `--assume linearizable-keys`: writes keep real-time order.
    RealTimeWrites {
        /// The write of `from`.
        a: OpId,
        /// The write of `to`.
        b: OpId,
    },
}

impl Constraint {
    /// Whether the two versions must differ: else they may also be one and the same.
    pub fn is_strict(&self, history: &History) -> bool {
        match self.reason {
            Reason::SessionOrder { guarantee, .. } => {
                matches!(guarantee, Level::MonotonicWrites | Level::WritesFollowReads)
            }
            Reason::Token { a, b } => history.version(a) < history.version(b),
            Reason::CompareAndSet { .. }
            | Reason::Initial
            | Reason::SessionWrites { .. }
            | Reason::RealTimeWrites { .. } => true,
        }
    }
}

/// The verdict of one level, and the method that found it.
pub type Found = (String, Verdict<Witness, Vec<Anomaly>>);

pub(crate) fn check(history: &History, level: Level, question: &Question, limits: &Limits<'_>) -> Found {
    check_levels(history, &[level], question, limits).pop().expect("one level was asked for")
}

/// Decides several of the session levels, reading the history only once. Panics for any other level.
///
/// `limits` hold for each level by itself. The answers are in the order of `levels`.
pub fn check_levels(
    history: &History,
    levels: &[Level],
    question: &Question,
    limits: &Limits<'_>,
) -> Vec<Found> {
    let objects = match Objects::new(history, question, limits) {
        Ok(objects) => objects,
        Err(unknown) => {
            let answer = ("version-graph".to_owned(), Verdict::Unknown(unknown));
            return vec![answer; levels.len()];
        }
    };
    let unwritten = unwritten_anomalies(history, &objects);
    let one = |&level: &Level| check_level(history, level, question, limits, &objects, &unwritten);
    levels.iter().map(one).collect()
}

fn check_level(
    history: &History,
    level: Level,
    question: &Question,
    limits: &Limits<'_>,
    objects: &Objects,
    unwritten: &[Anomaly],
) -> Found {
    let guarantees = Guarantees::new(level, question.assume);
    let mut decider = decide::Decider::new(history, guarantees, limits);
    let mut orders = Vec::new();
    let mut anomalies = unwritten.to_vec();
    let mut unknown: Option<Unknown> = objects.foreign.map(|op| foreign(history, op));
    for object in objects.iter() {
        if anomalies.len() >= ANOMALIES_MAX {
            break;
        }
        match decider.decide(&object) {
            Decision::Holds(order) => orders.push(order),
            Decision::Violated(cycles) => anomalies.extend(cycles.into_iter().map(cycle_anomaly)),
            Decision::Unknown(reason) => unknown = unknown.or(Some(Unknown { reason })),
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

fn foreign(history: &History, op: OpId) -> Unknown {
    let (index, name) = (history.index(op), history.function_name(history.function(op)));
    Unknown {
        reason: format!(
            "operation {index} is a {name:?}: the session guarantees are decided for objects that are only read, \
             written and compared-and-set"
        ),
    }
}

/// Reads of values that nobody wrote: they violate every level.
fn unwritten_anomalies(history: &History, objects: &Objects) -> Vec<Anomaly> {
    unwritten_by_anybody(history, &objects.unwritten)
}

/// Reads that are known to have returned what nobody wrote, as anomalies.
pub(crate) fn unwritten_by_anybody(history: &History, reads: &[OpId]) -> Vec<Anomaly> {
    if reads.is_empty() {
        return Vec::new();
    }
    let did_not_happen = DidNotHappen::new(history);
    let reads = reads.iter().take(ANOMALIES_MAX);
    reads.map(|&read| unwritten_anomaly(history, &did_not_happen, read)).collect()
}

fn unwritten_anomaly(history: &History, did_not_happen: &DidNotHappen, read: OpId) -> Anomaly {
    let writes = did_not_happen.before(history, read);
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
    Anomaly { kind, key, operations, evidence: Evidence::Core(Core::of_operations(key, core)) }
}

fn cycle_anomaly(cycle: Cycle) -> Anomaly {
    let operations = cycle.operations();
    Anomaly { kind: cycle.kind(), key: cycle.key, operations, evidence: Evidence::Cycle(cycle) }
}

impl Cycle {
    /// The cycles of its cases, the first one first.
    pub fn cycles(&self) -> impl Iterator<Item = &[Constraint]> {
        self.proof.iter().filter_map(|step| match step {
            Step::Cycle(constraints) => Some(constraints.as_slice()),
            Step::Split { .. } => None,
        })
    }

    /// The anomaly's name: that of the first constraint, which is the one that a user notices first.
    pub fn kind(&self) -> &'static str {
        let first = self.cycles().next().and_then(<[Constraint]>::first);
        match first.map(|constraint| constraint.reason) {
            Some(Reason::SessionOrder { guarantee: Level::ReadYourWrites, .. }) => "own-write-missing",
            Some(Reason::SessionOrder { guarantee: Level::MonotonicReads, .. }) => "non-monotonic-read",
            Some(Reason::SessionOrder { guarantee: Level::WritesFollowReads, .. }) => {
                "write-before-read-cause"
            }
            Some(Reason::SessionOrder { .. }) => "write-order-inverted",
            _ => "cyclic-versions",
        }
    }

    /// The operations that show it: of the first case those that the reasons name, then the writes between them;
    /// then those of the other cases.
    pub fn operations(&self) -> Vec<OpId> {
        let mut operations = Vec::new();
        let mut seen = rustc_hash::FxHashSet::default();
        let mut add = |op: OpId| {
            if seen.insert(op) {
                operations.push(op);
            }
        };
        for constraints in self.cycles() {
            constraints.iter().flat_map(|constraint| constraint.reason.operations()).for_each(&mut add);
            constraints.iter().filter_map(|constraint| constraint.to).for_each(&mut add);
        }
        for step in &self.proof {
            if let Step::Split { read, .. } = step {
                add(*read);
            }
        }
        operations
    }
}

impl Reason {
    /// How soon a user notices: a read that went back before a write that did, and what no session did last.
    fn rank(&self) -> u8 {
        match self {
            Reason::SessionOrder { guarantee: Level::ReadYourWrites, .. } => 0,
            Reason::SessionOrder { guarantee: Level::MonotonicReads, .. } => 1,
            Reason::SessionOrder { guarantee: Level::WritesFollowReads, .. } => 2,
            Reason::SessionOrder { .. } => 3,
            _ => 4,
        }
    }

    /// The operations that it names.
    pub fn operations(&self) -> impl Iterator<Item = OpId> + use<> {
        let (first, second) = match *self {
            Reason::SessionOrder { a, b, .. }
            | Reason::Token { a, b }
            | Reason::SessionWrites { a, b }
            | Reason::RealTimeWrites { a, b } => (Some(a), Some(b)),
            Reason::CompareAndSet { op } => (Some(op), None),
            Reason::Initial => (None, None),
        };
        first.into_iter().chain(second)
    }
}
