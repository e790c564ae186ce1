//! Replays transactions, point by point or one micro-operation after another.

use super::ensure;
use crate::Mismatch;
use claims::{TransactionAction, TransactionPoint};
use histories::{History, Id, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};

pub(super) fn commits_of(points: &[TransactionPoint]) -> Vec<OpId> {
    let commits = points.iter().filter_map(|point| match point {
        TransactionPoint::Commit(id) => Some(*id),
        TransactionPoint::Begin(_) => None,
    });
    commits.collect()
}

/// The state of the store while the transactions are replayed point by point.
pub(super) struct TransactionReplay<'h> {
    history: &'h History,
    lists: Vec<Vec<ValueId>>,
    /// By list: the number of its first elements that agree with the longest list that was read of this key.
    shared: Vec<usize>,
    registers: Vec<ValueId>,
    /// By key: the number of the point at which it was last written.
    written: Vec<u32>,
    /// By transaction: the number of the point at which it began; the maximum if it has not begun.
    began: Vec<u32>,
    /// Whether a transaction may not commit a write to an object that a concurrent transaction writes.
    pub(super) conflicts: bool,
}

impl<'h> TransactionReplay<'h> {
    pub(super) fn new(history: &'h History) -> Self {
        let keys = history.keys.len();
        Self {
            history,
            lists: vec![Vec::new(); keys],
            shared: vec![0; keys],
            registers: vec![ValueId::NULL; keys],
            written: vec![0; keys],
            began: vec![u32::MAX; history.len()],
            conflicts: true,
        }
    }

    pub(super) fn begin(&mut self, id: OpId, now: u32) {
        self.began[id.index()] = now;
    }

    pub(super) fn register(&self, key: KeyId) -> ValueId {
        self.registers[key.index()]
    }

    pub(super) fn list(&self, key: KeyId) -> &[ValueId] {
        &self.lists[key.index()]
    }

    pub(super) fn replay_points(
        &mut self,
        points: impl Iterator<Item = TransactionPoint>,
    ) -> Result<(), Mismatch> {
        for (now, point) in (0..).zip(points) {
            match point {
                TransactionPoint::Begin(id) => {
                    self.began[id.index()] = now;
                    self.check_reads(id)?;
                }
                TransactionPoint::Commit(id) => self.commit_writes(id, now)?,
            }
        }
        Ok(())
    }

    /// Replays transactions one micro-operation at a time.
    pub(super) fn replay_actions(
        &mut self,
        actions: impl Iterator<Item = TransactionAction>,
    ) -> Result<(), Mismatch> {
        // By transaction: the number of executed micro-operations. By key: the transaction with an uncommitted write.
        let mut done = vec![0; self.history.len()];
        let mut writing: Vec<Option<OpId>> = vec![None; self.history.keys.len()];
        for (now, action) in (0..).zip(actions) {
            match action {
                TransactionAction::Act(id, place) => {
                    let micros = self.history.micros_of(id);
                    ensure(done[id.index()] == place && place < micros.len(), || {
                        format!("in a witness, {id:?} executes micro-operation {place} out of turn")
                    })?;
                    done[id.index()] += 1;
                    let micro = micros[place];
                    match micro.kind {
                        MicroKind::Write | MicroKind::Append => {
                            let other = writing[micro.key.index()].replace(id);
                            ensure(other.is_none_or(|other| other == id), || {
                                format!("in a witness, {other:?} and {id:?} write one key at the same time")
                            })?;
                        }
                        _ if self.history.outcome(id) == Outcome::Ok => self.check_read(id, place)?,
                        _ => {}
                    }
                }
                TransactionAction::Commit(id) => {
                    let micros = self.history.micros_of(id);
                    ensure(done[id.index()] == micros.len(), || {
                        format!("in a witness, {id:?} commits before its last micro-operation")
                    })?;
                    micros
                        .iter()
                        .filter(|m| matches!(m.kind, MicroKind::Write | MicroKind::Append))
                        .for_each(|micro| writing[micro.key.index()] = None);
                    self.began[id.index()] = now;
                    self.commit_writes(id, now)?;
                }
            }
        }
        Ok(())
    }

    /// Checks all reads of a transaction against the current state.
    pub(super) fn check_reads(&self, id: OpId) -> Result<(), Mismatch> {
        if self.history.outcome(id) != Outcome::Ok {
            return Ok(());
        }
        let mut places = 0..self.history.micros_of(id).len();
        places.try_for_each(|place| self.check_read(id, place))
    }

    /// Checks that a read returns the current state together with its transaction's own earlier writes.
    fn check_read(&self, id: OpId, place: usize) -> Result<(), Mismatch> {
        let micros = self.history.micros_of(id);
        let micro = &micros[place];
        {
            let own = || micros[..place].iter().filter(|other| other.key == micro.key);
            let appended = || own().filter(|other| other.kind == MicroKind::Append);
            let list = &self.lists[micro.key.index()];
            let right = match micro.kind {
                MicroKind::Append | MicroKind::Write => true,
                MicroKind::ReadList if self.shows_whole_list(*micro) => appended().next().is_none(),
                MicroKind::ReadList => {
                    let seen = self.history.list(micro.list());
                    let tail = seen.get(list.len()..);
                    seen.starts_with(list)
                        && tail.is_some_and(|tail| tail.iter().copied().eq(appended().map(|m| m.value())))
                }
                MicroKind::Read => {
                    let last = own().rfind(|other| other.kind == MicroKind::Write);
                    let state = last.map_or(self.registers[micro.key.index()], |write| write.value());
                    micro.value() == state && list.is_empty() && appended().next().is_none()
                }
            };
            ensure(right, || format!("at its place in a witness, {id:?} does not read {micro:?}"))?;
        }
        Ok(())
    }

    /// Whether a list that was read equals the state, without comparing elements: both are prefixes of the longest list
    /// that was read, and have the same length.
    fn shows_whole_list(&self, micro: Micro) -> bool {
        let (key, lists) = (micro.key.index(), self.history.lists());
        let len = self.lists[key].len();
        lists.is_prefix(micro.list()) && self.shared[key] == len && lists.get(micro.list()).len() == len
    }

    pub(super) fn commit_writes(&mut self, id: OpId, now: u32) -> Result<(), Mismatch> {
        let began = self.began[id.index()];
        ensure(began != u32::MAX, || format!("in a witness, {id:?} commits before it begins"))?;
        let micros = self.history.micros_of(id);
        for micro in micros.iter().filter(|m| matches!(m.kind, MicroKind::Append | MicroKind::Write)) {
            let key = micro.key.index();
            let undisturbed = !self.conflicts || self.written[key] <= began || self.written[key] == now;
            ensure(undisturbed, || {
                format!(
                    "in a witness, a concurrent transaction commits a write to an object that {id:?} writes"
                )
            })?;
            self.written[key] = now;
            match micro.kind {
                MicroKind::Append => {
                    let len = self.lists[key].len();
                    let next = self.history.lists().trunk(micro.key).get(len);
                    if self.shared[key] == len && next == Some(&micro.value()) {
                        self.shared[key] += 1;
                    }
                    self.lists[key].push(micro.value());
                }
                _ => self.registers[key] = micro.value(),
            }
        }
        Ok(())
    }
}
