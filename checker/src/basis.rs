//! What a verdict rests on: how many operations of a history could have contradicted a property.

use claims::{Assume, FailedCas, IsolationLevel};
use histories::{Function, History, Id, KeyId, MicroKind, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;

/// How much of a history could have contradicted a property. A *holds* that rests on a handful of answers says little.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Basis {
    /// Operations that succeeded.
    pub succeeded: u64,
    /// Operations that failed.
    pub failed: u64,
    /// Indeterminate operations: they may have taken effect or not.
    pub indeterminate: u64,
    /// Successful operations whose answer could have been wrong.
    pub answers: u64,
    /// Of these answers, the reads that returned something.
    pub reads_of_something: u64,
    /// Operations that overlapped an earlier one on the same object.
    pub overlapping: u64,
    /// Sessions that were answered by more than one node.
    pub moved_sessions: u64,
}

impl Basis {
    /// Counts the operations of a history. O(n), and another O(n) where answers name the node that gave them.
    pub fn from_history(history: &History, failed_cas: FailedCas) -> Self {
        let mut basis = Basis::default();
        let mut without_key = 0;
        let mut open_until = vec![0_u32; history.keys.len()];
        for op in history.operations() {
            match op.outcome {
                Outcome::Ok => basis.succeeded += 1,
                Outcome::Fail => basis.failed += 1,
                Outcome::Info => basis.indeterminate += 1,
            }
            if has_falsifiable_answer(history, op.id, failed_cas) {
                basis.answers += 1;
                let returned = match op.function {
                    Function::TXN => history.micros_of(op.id).iter().any(|micro| match micro.kind {
                        MicroKind::Read => micro.value() != ValueId::NULL,
                        MicroKind::ReadList => !history.list(micro.list()).is_empty(),
                        MicroKind::Write | MicroKind::Append => false,
                    }),
                    _ => op.result != ValueId::NULL,
                };
                basis.reads_of_something += u64::from(returned);
            }
            if op.outcome == Outcome::Ok {
                // Operations without a key have one object in common.
                let latest = open_until.get_mut(op.key.index()).unwrap_or(&mut without_key);
                basis.overlapping += u64::from(*latest > op.invoked);
                *latest = (*latest).max(op.completed);
            }
        }
        basis.moved_sessions = count_moved_sessions(history);
        basis
    }

    /// Whether more operations failed or were indeterminate than succeeded. A *holds* on such a history was hardly put
    /// to the test.
    pub fn is_thin(&self) -> bool {
        self.failed + self.indeterminate > self.succeeded
    }
}

/// Whether an operation was answered in a way that could have been wrong.
pub(crate) fn has_falsifiable_answer(history: &History, id: OpId, failed_cas: FailedCas) -> bool {
    let observes = failed_cas == FailedCas::Observes && history.function(id) == Function::CAS;
    match history.outcome(id) {
        Outcome::Fail => return observes,
        Outcome::Info => return false,
        Outcome::Ok => {}
    }
    // A version that the store reports may contradict other versions.
    if history.version(id).is_some() {
        return true;
    }
    let op = history.operation(id);
    match op.function {
        Function::TXN => {
            let micros = history.micros_of(id);
            micros.iter().any(|micro| matches!(micro.kind, MicroKind::Read | MicroKind::ReadList))
        }
        Function::WRITE
        | Function::PUT
        | Function::APPEND
        | Function::DELETE
        | Function::ENQUEUE
        | Function::PUSH
        | Function::INSERT
        | Function::INC
        | Function::CREATE
        | Function::TRANSFER => false,
        Function::ADD | Function::REMOVE | Function::CONTAINS => {
            matches!(history.value_text(op.result), "true" | "false")
        }
        Function::ACT => op.result != ValueId::NULL,
        _ => true,
    }
}

/// Whether an id of a session was created again, so that the first session must have ended: the acknowledgement says so.
pub(crate) fn creates_an_id_again(history: &History) -> bool {
    let mut created: FxHashSet<KeyId> = FxHashSet::default();
    let mut creations = history.operations().filter(|op| op.function == Function::CREATE);
    creations.any(|op| op.outcome != Outcome::Fail && !created.insert(op.key) && op.outcome == Outcome::Ok)
}

/// Counts the sessions that were answered by more than one node. O(n); each pattern of notes is parsed once.
fn count_moved_sessions(history: &History) -> u64 {
    let node = |pattern: &str| {
        let fields: FxHashMap<String, &RawValue> =
            pattern.contains("\"node\"").then(|| serde_json::from_str(pattern).ok())??;
        fields.get("node").map(|node| node.get().to_owned())
    };
    let mut numbers: FxHashMap<String, u32> = FxHashMap::default();
    let mut number = |node: String| {
        let next = numbers.len() as u32;
        *numbers.entry(node).or_insert(next)
    };
    let nodes: Vec<Option<u32>> =
        history.note_patterns().map(|pattern| node(&pattern).map(&mut number)).collect();
    if nodes.iter().all(Option::is_none) {
        return 0;
    }
    let mut first: Vec<Option<u32>> = vec![None; history.sessions.len()];
    let mut moved = vec![false; history.sessions.len()];
    for op in history.operations().filter(|op| op.outcome == Outcome::Ok) {
        let pattern = history.note_pattern_of(op.completed);
        let Some(node) = pattern.and_then(|pattern| nodes[pattern as usize]) else { continue };
        let session = op.session.index();
        moved[session] |= *first[session].get_or_insert(node) != node;
    }
    moved.into_iter().filter(|&moved| moved).count() as u64
}

/// Whether each transaction that read something declares `read-uncommitted`.
pub(crate) fn declares_nothing_of_reads(history: &History) -> bool {
    let levels = claims::declared_levels(history);
    let reads = |id: OpId| {
        let mut micros = history.micros_of(id).iter();
        history.outcome(id) == Outcome::Ok
            && micros.any(|micro| matches!(micro.kind, MicroKind::Read | MicroKind::ReadList))
    };
    history.ids().filter(|&id| reads(id)).all(|id| levels[id.index()] == IsolationLevel::ReadUncommitted)
}

/// Whether lists, or what is told of versions, show an order in which transactions wrote.
pub(crate) fn shows_version_orders(history: &History, assume: Assume) -> bool {
    let has_element = |id: OpId| {
        let lists = history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::ReadList);
        let mut lists = lists.map(|micro| history.list(micro.list()));
        history.outcome(id) == Outcome::Ok && lists.any(|list| !list.is_empty())
    };
    restricts_version_orders(history, assume) || history.ids().any(has_element)
}

/// Whether anything but session order orders two versions of an object: a compare-and-set, a version number of the store, or an
/// assumption.
pub(crate) fn restricts_version_orders(history: &History, assume: Assume) -> bool {
    let is_exchange =
        |id: OpId| history.function(id) == Function::CAS && history.outcome(id) != Outcome::Fail;
    assume != Assume::default() || history.ids().any(|id| is_exchange(id) || history.version(id).is_some())
}
