//! Whether an order of transactions agrees with what the store and the user say about the order of versions.
//!
//! A store may return version numbers, and `--assume` says that the writes of a register follow sessions or real time. The fast engines
//! look for any order that explains the reads. An order that they find proves nothing if it has two writes of a register the other way
//! round; the search through the cases then decides. Lists show their order themselves.

use claims::{Assume, TransactionAction, TransactionPoint, TransactionWitness};
use histories::{History, Id, KeyId, MicroKind, OpId, SessionId};
use rustc_hash::{FxHashMap, FxHashSet};

/// The reason why a level is unknown if only such orders were found.
pub(super) const CONTRADICTED: &str = "the order that was found contradicts the version numbers of the store or --assume, and no other was found";

/// Whether a witness puts two writes of a register in another order than is told. O(micro-operations).
pub(super) fn contradicts_told_order(
    history: &History,
    assume: Assume,
    witness: &TransactionWitness,
) -> bool {
    let assume = assume.applicable_to(history);
    let tells = assume != Assume::default() || history.ids().any(|id| history.version(id).is_some());
    if !tells {
        return false;
    }
    let mut lists: FxHashSet<KeyId> = FxHashSet::default();
    for id in history.ids() {
        let appends = history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::Append);
        lists.extend(appends.map(|micro| micro.key));
    }
    let mut told: FxHashMap<KeyId, ToldSoFar> = FxHashMap::default();
    let mut keys = Vec::new();
    commit_order_of(witness).into_iter().any(|id| {
        let writes = history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::Write);
        keys.clear();
        keys.extend(writes.map(|micro| micro.key).filter(|key| !lists.contains(key)));
        keys.sort_unstable_by_key(|key| key.index());
        keys.dedup();
        keys.iter().any(|&key| !told.entry(key).or_default().add_write(history, assume, id))
    })
}

/// What is told about the writes of one register so far.
#[derive(Default)]
struct ToldSoFar {
    greatest_version: Option<i64>,
    /// The latest invocation of all of them, and by session.
    latest: u32,
    latest_of_session: FxHashMap<SessionId, u32>,
}

impl ToldSoFar {
    /// Adds the next write. Returns false if it must precede one of those before it.
    fn add_write(&mut self, history: &History, assume: Assume, id: OpId) -> bool {
        let op = history.operation(id);
        let version = history.version(id);
        let by_version = version.is_none() || self.greatest_version <= version;
        self.greatest_version = self.greatest_version.max(version);
        let of_session = self.latest_of_session.entry(op.session).or_insert(0);
        let by_session = !assume.sequential_keys || op.completed >= *of_session;
        let by_time = !assume.linearizable_keys || op.completed >= self.latest;
        *of_session = op.invoked.max(*of_session);
        self.latest = self.latest.max(op.invoked);
        by_version && by_session && by_time
    }
}

/// The transactions in the order in which a witness commits them.
fn commit_order_of(witness: &TransactionWitness) -> Vec<OpId> {
    let commits = |points: &[TransactionPoint]| {
        let commit = |point: &TransactionPoint| match point {
            TransactionPoint::Commit(id) => Some(*id),
            TransactionPoint::Begin(_) => None,
        };
        points.iter().filter_map(commit).collect()
    };
    match witness {
        TransactionWitness::Serial(_, order)
        | TransactionWitness::Versions(_, _, order)
        | TransactionWitness::CommitOrder(_, order) => order.to_vec(),
        TransactionWitness::Execution(_, execution) => execution.order.clone(),
        TransactionWitness::Snapshots(_, points) | TransactionWitness::Prefixes(points) => commits(points),
        TransactionWitness::Mixed(execution) => commits(&execution.points),
        TransactionWitness::Actions(actions) => {
            let commit = |action: &TransactionAction| match action {
                TransactionAction::Commit(id) => Some(*id),
                TransactionAction::Act(..) => None,
            };
            actions.iter().filter_map(commit).collect()
        }
    }
}
