//! Snapshots of registers: a search for an order of begin and commit points that explains every read.
//!
//! Snapshot isolation gives each transaction two points (Cerone & Gotsman, JACM 2018, section 3). At its begin point
//! it sees what had committed. Between the two points, no other transaction commits a write to a key that it writes.
//! The version order of registers is not known. So the search places points one by one and keeps the contents of the
//! registers as its state. Where no point can be placed, it takes back the last choice. It does not enter a state
//! twice.
//!
//! The search finds orders and never refutes: when it reaches a bound or has tried everything, the result is
//! *unknown*. The verifier replays every order that it finds, so no verdict rests on this search alone. A transaction
//! that only reads is placed as soon as it fits, because that changes nothing for the others.
//!
//! Cost: about one step a transaction if few transactions overlap. The worst case is exponential; the search ends
//! after [`STEPS_MIN`] steps and [`STEPS_EACH`] more for each transaction.

use super::index::TransactionIndex;
use claims::{Limits, OrderExtent, TransactionPoint};
use histories::{History, Id, KeyId, MicroKind, NEVER, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::hash::{BuildHasher, Hasher};

/// Steps that every search may take.
const STEPS_MIN: u64 = 20_000;
/// Additional steps that a search may take for each transaction.
const STEPS_EACH: u64 = 16;
/// The maximum number of waiting transactions that are considered in one state. Those that completed first come first.
const WINDOW: usize = 32;
/// The maximum number of states that are remembered.
const SEEN_MAX: usize = 1 << 20;

/// Begin and commit points of all committed transactions, in an order that explains their reads and extends the given
/// extent. `None` if the search found none.
pub(super) fn find_register_snapshots(
    index: &TransactionIndex<'_>,
    extent: OrderExtent,
    limits: &Limits<'_>,
) -> Option<Vec<TransactionPoint>> {
    let mut search = PlacementSearch::new(index, extent, false);
    search.place_all(limits).then_some(search.points)
}

/// All committed transactions in a serial order that explains the returned values without asking which transaction
/// wrote them. `None` if the search found none. This is for histories in which values were written more than once, so
/// that reads do not identify their writers.
pub(super) fn find_serial_order_by_values(
    index: &TransactionIndex<'_>,
    extent: OrderExtent,
    limits: &Limits<'_>,
) -> Option<Vec<OpId>> {
    let mut search = PlacementSearch::new(index, extent, true);
    let commits = |point: &TransactionPoint| match point {
        TransactionPoint::Commit(id) => Some(*id),
        TransactionPoint::Begin(_) => None,
    };
    search.place_all(limits).then(|| search.points.iter().filter_map(commits).collect())
}

/// A transaction as the search sees it: its reads, its writes and its predecessors.
struct PlaceableTransaction {
    id: OpId,
    /// What it read from other transactions.
    reads: Vec<(KeyId, ValueId)>,
    /// Its last write to each key.
    writes: Vec<(KeyId, ValueId)>,
    /// Its session, its place among the transactions of the session in order of completion, and how many of those must
    /// commit before it begins. Unused unless the extent is session order.
    session: u32,
    place: u32,
    before: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PlacementStatus {
    Waiting,
    Begun,
    Committed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PlacementStep {
    Begin(u32),
    Commit(u32),
    /// Begin and commit at once.
    Whole(u32),
}

struct PlacementFrame {
    steps: Vec<PlacementStep>,
    next: usize,
    /// The contents of the registers that the step overwrote.
    overwritten: Vec<(KeyId, ValueId)>,
}

/// How far the order has come in a session.
#[derive(Clone, Default)]
struct SessionProgress {
    /// The transactions of the session, in order of completion.
    members: Vec<u32>,
    /// The number of members that are committed, up to the first that is not.
    committed: u32,
}

struct PlacementSearch<'a> {
    history: &'a History,
    extent: OrderExtent,
    /// Whether each transaction begins and commits at one moment.
    serial: bool,
    /// In order of completion.
    all: Vec<PlaceableTransaction>,
    status: Vec<PlacementStatus>,
    /// The transactions that have begun and are not committed.
    begun: Vec<u32>,
    /// For each session. Empty unless the extent is session order.
    sessions: Vec<SessionProgress>,
    /// The first transaction that is not committed.
    first: usize,
    holds: FxHashMap<KeyId, ValueId>,
    /// A digest of what the registers hold, kept as they change.
    held: u64,
    points: Vec<TransactionPoint>,
    seen: FxHashSet<u64>,
}

impl<'a> PlacementSearch<'a> {
    fn new(index: &TransactionIndex<'a>, extent: OrderExtent, serial: bool) -> Self {
        let history = index.history;
        let mut ids: Vec<OpId> = history.ids().filter(|id| index.is_committed(id.raw())).collect();
        ids.sort_by_key(|&id| (history.operation(id).completed, id));
        let mut all: Vec<PlaceableTransaction> =
            ids.iter().map(|&id| placeable_transaction(history, id)).collect();
        let mut sessions = vec![SessionProgress::default(); history.sessions.len()];
        if extent == OrderExtent::Session {
            for (at, &id) in ids.iter().enumerate() {
                let session = history.session(id).index();
                (all[at].session, all[at].place) = (session as u32, sessions[session].members.len() as u32);
                sessions[session].members.push(at as u32);
            }
            for (at, &id) in ids.iter().enumerate() {
                let invoked = history.operation(id).invoked;
                // The transactions that completed before this one was invoked are a prefix in order of completion.
                let members = &sessions[all[at].session as usize].members;
                let completed = |&other: &u32| history.operation(ids[other as usize]).completed < invoked;
                all[at].before = members.partition_point(completed) as u32;
            }
        }
        let status = vec![PlacementStatus::Waiting; all.len()];
        Self {
            history,
            extent,
            serial,
            all,
            status,
            begun: Vec::new(),
            sessions,
            first: 0,
            holds: FxHashMap::default(),
            held: 0,
            points: Vec::new(),
            seen: FxHashSet::default(),
        }
    }

    /// Places all transactions. Returns whether that was possible.
    fn place_all(&mut self, limits: &Limits<'_>) -> bool {
        let mut frames =
            vec![PlacementFrame { steps: self.possible_steps(), next: 0, overwritten: Vec::new() }];
        let mut left = (STEPS_MIN + STEPS_EACH * self.all.len() as u64).min(limits.steps);
        while let Some(frame) = frames.last_mut() {
            if self.first == self.all.len() {
                return true;
            }
            let Some(&step) = frame.steps.get(frame.next) else {
                frames.pop();
                if let Some(before) = frames.last_mut() {
                    let (step, overwritten) =
                        (before.steps[before.next - 1], std::mem::take(&mut before.overwritten));
                    self.undo_step(step, overwritten);
                }
                continue;
            };
            frame.next += 1;
            if left == 0 || (left & 0xff == 0 && limits.stop_requested()) {
                return false;
            }
            left -= 1;
            frame.overwritten = self.apply_step(step);
            let new = self.seen.len() >= SEEN_MAX || self.seen.insert(self.state_fingerprint());
            if new {
                let steps = self.possible_steps();
                frames.push(PlacementFrame { steps, next: 0, overwritten: Vec::new() });
            } else {
                let overwritten = std::mem::take(&mut frame.overwritten);
                self.undo_step(step, overwritten);
            }
        }
        false
    }

    /// The steps that are possible in this state, most likely first.
    fn possible_steps(&self) -> Vec<PlacementStep> {
        let (mut whole, mut commits, mut begins) = (Vec::new(), Vec::new(), Vec::new());
        let mut waiting = 0;
        let deadline = self.begin_deadline();
        for at in self.first..self.all.len() {
            match self.status[at] {
                PlacementStatus::Committed => {}
                PlacementStatus::Begun if self.may_commit(at) => {
                    commits.push(PlacementStep::Commit(at as u32))
                }
                PlacementStatus::Begun => {}
                PlacementStatus::Waiting => {
                    waiting += 1;
                    if waiting > WINDOW {
                        break;
                    }
                    if !self.may_begin(at, deadline) {
                        continue;
                    }
                    if self.all[at].writes.is_empty() {
                        return vec![PlacementStep::Whole(at as u32)];
                    }
                    if self.may_commit(at) {
                        whole.push(PlacementStep::Whole(at as u32));
                    }
                    if !self.serial {
                        begins.push(PlacementStep::Begin(at as u32));
                    }
                }
            }
        }
        [commits, whole, begins].concat()
    }

    /// No transaction that was invoked after this moment may begin yet, because an earlier completed transaction is
    /// not committed.
    fn begin_deadline(&self) -> u32 {
        let open = self.all[self.first..].iter().zip(&self.status[self.first..]);
        let open = open.filter(|(_, status)| **status != PlacementStatus::Committed);
        // The transactions are in order of completion, so the first open one has the earliest completion.
        open.map(|(one, _)| self.history.operation(one.id).completed).next().unwrap_or(NEVER)
    }

    fn may_begin(&self, at: usize, deadline: u32) -> bool {
        let one = &self.all[at];
        let in_time = match self.extent {
            OrderExtent::Data => true,
            OrderExtent::Session => self.sessions[one.session as usize].committed >= one.before,
            OrderExtent::RealTime => self.history.operation(one.id).invoked < deadline,
        };
        let held = |key: &KeyId| self.holds.get(key).copied().unwrap_or(ValueId::NULL);
        in_time && one.reads.iter().all(|(key, value)| held(key) == *value)
    }

    /// Whether no other transaction that has begun writes a key that this one writes.
    fn may_commit(&self, at: usize) -> bool {
        let writes = &self.all[at].writes;
        self.begun
            .iter()
            .map(|&other| other as usize)
            .filter(|&other| other != at)
            .all(|other| self.all[other].writes.iter().all(|(key, _)| writes.iter().all(|own| own.0 != *key)))
    }

    fn apply_step(&mut self, step: PlacementStep) -> Vec<(KeyId, ValueId)> {
        let (PlacementStep::Begin(at) | PlacementStep::Commit(at) | PlacementStep::Whole(at)) = step;
        let at = at as usize;
        let id = self.all[at].id;
        if step != PlacementStep::Commit(at as u32) {
            self.status[at] = PlacementStatus::Begun;
            self.points.push(TransactionPoint::Begin(id));
        }
        let mut overwritten = Vec::new();
        if step == PlacementStep::Begin(at as u32) {
            self.begun.push(at as u32);
        } else {
            self.begun.retain(|&other| other as usize != at);
            self.status[at] = PlacementStatus::Committed;
            self.points.push(TransactionPoint::Commit(id));
            for write in 0..self.all[at].writes.len() {
                let (key, value) = self.all[at].writes[write];
                overwritten.push((key, self.put(key, value)));
            }
            while self.status.get(self.first) == Some(&PlacementStatus::Committed) {
                self.first += 1;
            }
            if let Some(progress) = self.sessions.get_mut(self.all[at].session as usize) {
                let committed = |&member: &u32| self.status[member as usize] == PlacementStatus::Committed;
                while progress.members.get(progress.committed as usize).is_some_and(committed) {
                    progress.committed += 1;
                }
            }
        }
        overwritten
    }

    fn undo_step(&mut self, step: PlacementStep, overwritten: Vec<(KeyId, ValueId)>) {
        let (PlacementStep::Begin(at) | PlacementStep::Commit(at) | PlacementStep::Whole(at)) = step;
        for (key, value) in overwritten.into_iter().rev() {
            self.put(key, value);
        }
        self.points.pop();
        if matches!(step, PlacementStep::Whole(_)) {
            self.points.pop();
        }
        self.begun.retain(|&other| other != at);
        self.status[at as usize] = PlacementStatus::Waiting;
        if matches!(step, PlacementStep::Commit(_)) {
            self.begun.push(at);
            self.status[at as usize] = PlacementStatus::Begun;
        }
        self.first = self.first.min(at as usize);
        if let Some(progress) = self.sessions.get_mut(self.all[at as usize].session as usize) {
            progress.committed = progress.committed.min(self.all[at as usize].place);
        }
    }

    /// Writes a value to a register and returns the value that it held.
    fn put(&mut self, key: KeyId, value: ValueId) -> ValueId {
        let before = self.holds.insert(key, value).unwrap_or(ValueId::NULL);
        let digest = |value: ValueId| {
            let mut one = rustc_hash::FxBuildHasher.build_hasher();
            one.write_u32(key.raw());
            one.write_u32(value.raw());
            if value == ValueId::NULL { 0 } else { one.finish() }
        };
        self.held = self.held.wrapping_sub(digest(before)).wrapping_add(digest(value));
        before
    }

    /// A hash of the state: the status of the transactions near the front, and the contents of the registers.
    fn state_fingerprint(&self) -> u64 {
        let mut hash = rustc_hash::FxBuildHasher.build_hasher();
        hash.write_usize(self.first);
        let end = (self.first + 4 * WINDOW).min(self.all.len());
        for at in self.first..end {
            hash.write_u8(self.status[at] as u8);
        }
        // Contents that no later transaction reads make equivalent states look different. That costs repeated work
        // but changes no answer.
        hash.write_u64(self.held);
        hash.finish()
    }
}

fn placeable_transaction(history: &History, id: OpId) -> PlaceableTransaction {
    let known = history.outcome(id) == Outcome::Ok;
    let mut reads: Vec<(KeyId, ValueId)> = Vec::new();
    let mut writes: Vec<(KeyId, ValueId)> = Vec::new();
    for micro in history.micros_of(id) {
        let own = writes.iter().position(|write| write.0 == micro.key);
        match (micro.kind, own) {
            (MicroKind::Read, None) if known => reads.push((micro.key, micro.value())),
            (MicroKind::Write, Some(at)) => writes[at].1 = micro.value(),
            (MicroKind::Write, None) => writes.push((micro.key, micro.value())),
            _ => {}
        }
    }
    PlaceableTransaction { id, reads, writes, session: 0, place: 0, before: 0 }
}
