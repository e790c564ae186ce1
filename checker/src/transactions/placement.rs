//! Snapshots of registers: a search for an order of beginnings and commits that explains every read.
//!
//! Snapshot isolation gives each transaction two points (Cerone & Gotsman, JACM 2018, section 3): at its beginning it sees what had
//! committed, and between the two nobody else commits a write to what it writes. Of registers the order of versions is not
//! known, so points are placed one by one, with what the registers hold as the state; where nothing goes on, the last choice
//! is taken back. States that were reached before are not entered again.
//!
//! It finds orders and does not refute: beyond its bounds, and where it has tried everything, it knows nothing. What it finds is
//! replayed by the verifier, so nothing rests on this search alone. A transaction that only reads is placed as soon as it fits,
//! because that changes nothing for the others.
//!
//! Cost: with the usual few transactions that overlap, about one step a transaction; at worst exponential, up to [`STEPS_MIN`] steps, and
//! [`STEPS_EACH`] more for each transaction.

use super::index::TransactionIndex;
use claims::{Limits, OrderExtent, TransactionPoint};
use histories::{History, Id, KeyId, MicroKind, NEVER, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::hash::{BuildHasher, Hasher};

/// Steps of one search, whatever the history.
const STEPS_MIN: u64 = 20_000;
/// Steps of one search for each transaction beside these.
const STEPS_EACH: u64 = 16;
/// Transactions that have not begun and are looked at in one place, those that completed first.
const WINDOW: usize = 32;
/// Places that are remembered.
const SEEN_MAX: usize = 1 << 20;

/// Beginnings and commits of all committed transactions in an order that explains their reads and extends what it must; none
/// if none was found.
pub(super) fn find_register_snapshots(
    index: &TransactionIndex<'_>,
    extent: OrderExtent,
    limits: &Limits<'_>,
) -> Option<Vec<TransactionPoint>> {
    let mut search = PlacementSearch::new(index, extent, false);
    search.place_all(limits).then_some(search.points)
}

/// All committed transactions in a serial order that explains their reads by what they returned, whoever wrote it; none if none
/// was found. For histories in which values were written more than once, so that reads do not tell their writers.
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

/// A transaction as the search sees it.
struct PlaceableTransaction {
    id: OpId,
    /// What it read of others.
    reads: Vec<(KeyId, ValueId)>,
    /// What it wrote last to each key.
    writes: Vec<(KeyId, ValueId)>,
    /// Those that must have committed before it begins, in order of sessions; in real time the clock tells.
    before: Vec<u32>,
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
    /// Both at once.
    Whole(u32),
}

struct PlacementFrame {
    steps: Vec<PlacementStep>,
    next: usize,
    /// What the registers held that the step overwrote.
    overwritten: Vec<(KeyId, ValueId)>,
}

struct PlacementSearch<'a> {
    history: &'a History,
    extent: OrderExtent,
    /// Whether each transaction happens at one moment.
    serial: bool,
    /// In order of completion.
    all: Vec<PlaceableTransaction>,
    status: Vec<PlacementStatus>,
    /// The first that is not committed.
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
        if extent == OrderExtent::Session {
            let mut of_session: FxHashMap<usize, Vec<u32>> = FxHashMap::default();
            for (at, &id) in ids.iter().enumerate() {
                of_session.entry(history.session(id).index()).or_default().push(at as u32);
            }
            for members in of_session.values() {
                for &later in members {
                    let invoked = history.operation(ids[later as usize]).invoked;
                    // Those that were over are a prefix in order of completion; where a session does one at a time, the
                    // last of them stands for all.
                    let over = members
                        .partition_point(|&other| history.operation(ids[other as usize]).completed < invoked);
                    let last = &members[over.saturating_sub(WINDOW)..over];
                    all[later as usize].before = last.to_vec();
                }
            }
        }
        let status = vec![PlacementStatus::Waiting; all.len()];
        Self {
            history,
            extent,
            serial,
            all,
            status,
            first: 0,
            holds: FxHashMap::default(),
            held: 0,
            points: Vec::new(),
            seen: FxHashSet::default(),
        }
    }

    /// Places all; whether that was possible.
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

    /// What can be done here, what is likeliest first.
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

    /// Nothing that was invoked after this moment may begin yet: something completed before that is not committed.
    fn begin_deadline(&self) -> u32 {
        let open = self.all[self.first..].iter().zip(&self.status[self.first..]);
        let open = open.filter(|(_, status)| **status != PlacementStatus::Committed);
        // In order of completion, so the first tells.
        open.map(|(one, _)| self.history.operation(one.id).completed).next().unwrap_or(NEVER)
    }

    fn may_begin(&self, at: usize, deadline: u32) -> bool {
        let one = &self.all[at];
        let in_time = match self.extent {
            OrderExtent::Data => true,
            OrderExtent::Session => {
                one.before.iter().all(|&other| self.status[other as usize] == PlacementStatus::Committed)
            }
            OrderExtent::RealTime => self.history.operation(one.id).invoked < deadline,
        };
        let held = |key: &KeyId| self.holds.get(key).copied().unwrap_or(ValueId::NULL);
        in_time && one.reads.iter().all(|(key, value)| held(key) == *value)
    }

    /// Whether no other transaction that has begun writes what this one writes.
    fn may_commit(&self, at: usize) -> bool {
        let writes = &self.all[at].writes;
        let end = (self.first + 4 * WINDOW).min(self.all.len());
        (self.first..end).all(|other| {
            other == at
                || self.status[other] != PlacementStatus::Begun
                || self.all[other].writes.iter().all(|(key, _)| writes.iter().all(|own| own.0 != *key))
        })
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
        if step != PlacementStep::Begin(at as u32) {
            self.status[at] = PlacementStatus::Committed;
            self.points.push(TransactionPoint::Commit(id));
            for write in 0..self.all[at].writes.len() {
                let (key, value) = self.all[at].writes[write];
                overwritten.push((key, self.put(key, value)));
            }
            while self.status.get(self.first) == Some(&PlacementStatus::Committed) {
                self.first += 1;
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
        self.status[at as usize] = if matches!(step, PlacementStep::Commit(_)) {
            PlacementStatus::Begun
        } else {
            PlacementStatus::Waiting
        };
        self.first = self.first.min(at as usize);
    }

    /// Puts a value into a register, and returns what it held.
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

    /// The place, told by what is committed or begun near the front and what the registers hold that these wrote.
    fn state_fingerprint(&self) -> u64 {
        let mut hash = rustc_hash::FxBuildHasher.build_hasher();
        hash.write_usize(self.first);
        let end = (self.first + 4 * WINDOW).min(self.all.len());
        for at in self.first..end {
            hash.write_u8(self.status[at] as u8);
        }
        // What nobody may read any more differs without a difference; that costs repetition and no answer.
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
    PlaceableTransaction { id, reads, writes, before: Vec::new() }
}
