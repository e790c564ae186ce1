//! A growing serial order: transactions are placed one after another, and the last one can be taken back.
//!
//! Three rules that hold in every serial order decide which transaction may be placed. All its predecessors in the
//! graph are placed. Each of its reads finds the version that it returned. It overwrites no version that another
//! transaction has yet to read, because values are written once and the version would not come back. A fourth rule
//! comes from [lemmas](super::lemmas::LearnedLemma). In an order of snapshots there is a fifth: no transaction begins while
//! another one that writes one of its keys has begun and not committed.

use super::lemmas::{Lemmas, Literal};
use super::problem::SerialProblem;
use crate::transactions::index::NONE;
use claims::Limits;
use histories::{Id, KeyId};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Bound;

/// The obstacle to placing a transaction whose predecessors in the graph are all placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Obstacle {
    /// It would overwrite a version that another transaction has yet to read.
    Unread(KeyId),
    /// It writes a key of another transaction that has begun and not committed.
    Taken(KeyId),
    /// A lemma. Given what is placed, the transaction must not come before the later transaction of this assumption.
    Lemma(Literal),
    /// The register does not hold the version that it reads. This cannot happen if every read is explained.
    Misread(KeyId),
}

/// The queue that a transaction is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum QueueState {
    /// In no queue: it is placed, or a predecessor in the graph is not placed.
    Out,
    Ready,
    /// Waits until the version that the key holds may be overwritten.
    Waiting(KeyId),
    /// Waits until another transaction is placed, because of a lemma.
    Held,
}

pub(super) struct SerialSchedule<'p, 'a, 'h> {
    problem: &'p SerialProblem<'a, 'h>,
    /// The order in which ready transactions are placed.
    priority: &'p [u32],
    /// For each vertex, the number of incoming edges whose source is not placed yet.
    entering: Vec<u32>,
    /// The version that each key holds now.
    current: Vec<u32>,
    /// For each key, the transaction that has begun and will write it.
    taken: Vec<u32>,
    /// For each version of all keys, the number of its readers that are not placed yet.
    unread: Vec<u32>,
    /// Ready transactions as (whether it writes, priority, transaction, the key that it waited for).
    ready: BinaryHeap<Reverse<(bool, u32, u32, KeyId)>>,
    /// For each key, the transactions that wait for it, by priority.
    waiting: Vec<BTreeSet<(u32, u32)>>,
    /// For each transaction, the transactions that a lemma blocks until it is placed.
    held: FxHashMap<u32, Vec<u32>>,
    /// All transactions that wait or are held, by priority.
    blocked: BTreeSet<(u32, u32)>,
    standing: Vec<QueueState>,
    position: Vec<u32>,
    pub placed: Vec<u32>,
    /// The versions that placed transactions overwrote, so that they can be restored.
    overwritten: Vec<u32>,
    /// Scratch: vertices whose incoming edges are all satisfied and that are to be processed.
    passing: Vec<u32>,
}

impl<'p, 'a, 'h> SerialSchedule<'p, 'a, 'h> {
    /// O(edges). Returns `None` if the check was stopped.
    pub(super) fn new(
        problem: &'p SerialProblem<'a, 'h>,
        priority: &'p [u32],
        limits: &Limits<'_>,
    ) -> Option<Self> {
        let graph = problem.graph;
        let mut schedule = Self {
            problem,
            priority,
            entering: vec![0; graph.vertex_count()],
            current: vec![0; problem.index.keys.len()],
            taken: vec![NONE; problem.index.keys.len()],
            unread: (0..problem.version_count() as u32)
                .map(|version| problem.readers_of_version(version).len() as u32)
                .collect(),
            ready: BinaryHeap::new(),
            waiting: vec![BTreeSet::new(); problem.index.keys.len()],
            held: FxHashMap::default(),
            blocked: BTreeSet::new(),
            standing: vec![QueueState::Out; graph.operation_count() as usize],
            position: vec![NONE; graph.operation_count() as usize],
            placed: Vec::new(),
            overwritten: Vec::new(),
            passing: Vec::new(),
        };
        for vertex in 0..graph.vertex_count() as u32 {
            if vertex & 0xfff == 0 && limits.stop_requested() {
                return None;
            }
            let mut cursor = 0;
            while let Some((arc, next)) = graph.next_arc(vertex, cursor, problem.kinds) {
                cursor = next;
                schedule.entering[arc.to as usize] += 1;
            }
        }
        let free: Vec<u32> = (0..graph.vertex_count() as u32)
            .filter(|&vertex| schedule.entering[vertex as usize] == 0)
            .collect();
        for vertex in free {
            schedule.passing.push(vertex);
            schedule.process_freed_vertices();
        }
        Some(schedule)
    }

    /// Places the next transaction that can be placed. Returns `None` if there is none, if the steps ran out, or if
    /// the check was stopped. Examining one transaction is one step.
    pub(super) fn place_next(
        &mut self,
        lemmas: &Lemmas,
        steps: &mut u64,
        limits: &Limits<'_>,
    ) -> Option<u32> {
        while *steps > 0 && (*steps & 0xfff != 0 || !limits.stop_requested()) {
            let Reverse((_, _, op, key)) = self.ready.pop()?;
            *steps -= 1;
            if self.standing[op as usize] != QueueState::Ready {
                continue;
            }
            self.standing[op as usize] = QueueState::Out;
            let obstacle = if self.is_free(op) { self.find_obstacle(op, lemmas) } else { None };
            if obstacle.is_none() && self.is_free(op) {
                self.place_transaction(op);
                return Some(op);
            }
            if let Some(obstacle) = obstacle {
                self.enqueue_waiting(op, obstacle);
            }
            if key != KeyId::NONE {
                // The transaction did not overwrite the version that it waited for, so the next one gets its turn.
                self.wake_waiting_after(key, Bound::Excluded((self.priority[op as usize], op)));
            }
        }
        None
    }

    /// Whether a transaction is not placed and all its predecessors in the graph are.
    pub(super) fn is_free(&self, op: u32) -> bool {
        self.entering[op as usize] == 0 && !self.is_placed(op)
    }

    pub(super) fn is_placed(&self, op: u32) -> bool {
        self.position[op as usize] != NONE
    }

    /// Whether a vertex no longer blocks its successors.
    pub(super) fn is_past(&self, vertex: u32) -> bool {
        match self.problem.is_placeable(vertex) {
            true => self.is_placed(vertex),
            false => self.entering[vertex as usize] == 0,
        }
    }

    pub(super) fn position(&self, op: u32) -> u32 {
        self.position[op as usize]
    }

    /// The position of each vertex in the order, [`NONE`] if it is not placed.
    pub(super) fn positions(&self) -> &[u32] {
        &self.position
    }

    /// Whether the order agrees with an assumption.
    pub(super) fn affirms_literal(&self, literal: Literal) -> bool {
        literal.is_affirmed_by(&self.position)
    }

    pub(super) fn current_version(&self, key: KeyId) -> u32 {
        self.current[key.index()]
    }

    /// The transaction that has begun and will write the key, in an order of snapshots.
    pub(super) fn taken_by(&self, key: KeyId) -> Option<u32> {
        Some(self.taken[key.index()]).filter(|&op| op != NONE)
    }

    /// The blocked transactions, the one with the earliest priority first.
    pub(super) fn blocked_transactions(&self) -> impl Iterator<Item = u32> + '_ {
        self.blocked.iter().map(|&(_, op)| op)
    }

    pub(super) fn find_obstacle(&self, op: u32, lemmas: &Lemmas) -> Option<Obstacle> {
        let (begins, commits) = (self.problem.begins(op), self.problem.commits(op));
        for each in self.problem.uses_of_transaction(op) {
            let current = self.current[each.key.index()];
            if begins && each.reads != NONE && each.reads != current {
                return Some(Obstacle::Misread(each.key));
            }
            if each.leaves == NONE {
                continue;
            }
            if begins && self.taken_by(each.key).is_some() {
                return Some(Obstacle::Taken(each.key));
            }
            let own = u32::from(begins && each.reads == current);
            if commits && self.unread[self.problem.version_number(each.key, current) as usize] > own {
                return Some(Obstacle::Unread(each.key));
            }
        }
        lemmas
            .blocking_lemmas(op, &self.position)
            .find_map(|(_, own)| own.first().copied())
            .map(Obstacle::Lemma)
    }

    fn enqueue_waiting(&mut self, op: u32, obstacle: Obstacle) {
        let place = (self.priority[op as usize], op);
        self.blocked.insert(place);
        self.standing[op as usize] = match obstacle {
            Obstacle::Unread(key) | Obstacle::Taken(key) | Obstacle::Misread(key) => {
                self.waiting[key.index()].insert(place);
                QueueState::Waiting(key)
            }
            Obstacle::Lemma(literal) => {
                self.held.entry(literal.later).or_default().push(op);
                QueueState::Held
            }
        };
    }

    /// Called when the version that a key holds, the number of its unplaced readers, or the transaction that has taken the
    /// key has changed. Only transactions that may use the key now are woken; all others would have to wait again.
    fn wake_waiting(&mut self, key: KeyId) {
        if self.waiting[key.index()].is_empty() {
            return;
        }
        if self.problem.in_points() {
            match self.taken_by(key) {
                Some(op) => self.wake_commit(self.problem.commit_of(op), key),
                None => self.wake_waiting_after(key, Bound::Unbounded),
            }
            return;
        }
        // With one unplaced reader, only that reader may overwrite the version. Without any, one of the waiting may.
        let version = self.problem.version_number(key, self.current[key.index()]);
        if self.unread[version as usize] == 1 {
            let readers = self.problem.readers_of_version(version).iter();
            let last = readers.copied().find(|&reader| !self.is_placed(reader));
            if let Some(last) = last.filter(|&last| self.standing[last as usize] == QueueState::Waiting(key))
            {
                self.requeue_transaction(last, KeyId::NONE);
            }
        } else {
            self.wake_waiting_after(key, Bound::Unbounded);
        }
    }

    /// Makes a commit ready that waits until a key's version may be overwritten, if it may be.
    fn wake_commit(&mut self, commit: u32, key: KeyId) {
        let waits = self.standing[commit as usize] == QueueState::Waiting(key);
        if waits && !self.has_unread_version(key) {
            self.requeue_transaction(commit, KeyId::NONE);
        }
    }

    /// Makes the first transaction ready that waits for a key behind the given place, if it may use the key.
    fn wake_waiting_after(&mut self, key: KeyId, mut place: Bound<(u32, u32)>) {
        let may_use = match self.problem.in_points() {
            true => self.taken_by(key).is_none(),
            false => !self.has_unread_version(key),
        };
        if !may_use {
            return;
        }
        while let Some(&next) = self.waiting[key.index()].range((place, Bound::Unbounded)).next() {
            if self.requeue_transaction(next.1, key) {
                return;
            }
            place = Bound::Excluded(next);
        }
    }

    /// Whether a transaction that is not placed reads the version that a key holds.
    fn has_unread_version(&self, key: KeyId) -> bool {
        let version = self.problem.version_number(key, self.current[key.index()]);
        self.unread[version as usize] > 0
    }

    /// Removes a transaction from the waiting or held ones, and makes it ready if all its predecessors are placed.
    /// Returns whether it is ready.
    fn requeue_transaction(&mut self, op: u32, key: KeyId) -> bool {
        let place = (self.priority[op as usize], op);
        if let QueueState::Waiting(key) = self.standing[op as usize] {
            self.waiting[key.index()].remove(&place);
        }
        self.blocked.remove(&place);
        self.standing[op as usize] = QueueState::Out;
        let free = self.is_free(op);
        if free {
            self.make_ready(op, key);
        }
        free
    }

    /// Requeues the transactions that a lemma blocked until this one was placed.
    fn release_held_by(&mut self, by: u32) {
        for op in self.held.remove(&by).into_iter().flatten() {
            self.requeue_transaction(op, KeyId::NONE);
        }
    }

    /// Requeues all held transactions. Once transactions were taken back, a lemma may no longer block them.
    pub(super) fn release_all_held(&mut self) {
        for op in std::mem::take(&mut self.held).into_values().flatten() {
            self.requeue_transaction(op, KeyId::NONE);
        }
    }

    fn make_ready(&mut self, op: u32, key: KeyId) {
        // Transactions that only read are placed as early as possible, because they block nothing. Those that have begun commit
        // soon, because others wait for them.
        let writes = self.problem.begins(op)
            && self.problem.uses_of_transaction(op).iter().any(|each| each.leaves != NONE);
        self.standing[op as usize] = QueueState::Ready;
        self.ready.push(Reverse((writes, self.priority[op as usize], op, key)));
    }

    fn place_transaction(&mut self, op: u32) {
        self.position[op as usize] = self.placed.len() as u32;
        self.placed.push(op);
        let problem = self.problem;
        let (begins, commits) = (problem.begins(op), problem.commits(op));
        for each in problem.uses_of_transaction(op) {
            let key = each.key.index();
            if begins && each.reads != NONE {
                self.unread[problem.version_number(each.key, each.reads) as usize] -= 1;
            }
            if begins && !commits && each.leaves != NONE {
                self.taken[key] = op;
            }
            if commits && each.leaves != NONE {
                self.overwritten.push(self.current[key]);
                self.current[key] = each.leaves;
                self.taken[key] = NONE;
            }
        }
        for each in problem.uses_of_transaction(op) {
            self.wake_waiting(each.key);
        }
        self.release_held_by(op);
        self.satisfy_edges_from(op);
        self.process_freed_vertices();
    }

    /// Takes back the transaction that was placed last.
    pub(super) fn take_back_last(&mut self) {
        let Some(op) = self.placed.pop() else { return };
        let problem = self.problem;
        self.unsatisfy_edges_from(op);
        self.position[op as usize] = NONE;
        let (begins, commits) = (problem.begins(op), problem.commits(op));
        for each in problem.uses_of_transaction(op).iter().rev() {
            let key = each.key.index();
            if commits && each.leaves != NONE {
                self.current[key] = self.overwritten.pop().expect("it was put there with the write");
                self.taken[key] = if begins { NONE } else { problem.op(op) };
            }
            if begins && !commits && each.leaves != NONE {
                self.taken[key] = NONE;
            }
            if begins && each.reads != NONE {
                self.unread[problem.version_number(each.key, each.reads) as usize] += 1;
            }
        }
        for each in problem.uses_of_transaction(op) {
            self.wake_waiting(each.key);
        }
        if self.standing[op as usize] == QueueState::Out {
            self.make_ready(op, KeyId::NONE);
        }
    }

    /// Marks the edges that leave a vertex as satisfied. Vertices without unsatisfied incoming edges are added to
    /// `passing`.
    fn satisfy_edges_from(&mut self, vertex: u32) {
        let mut cursor = 0;
        while let Some((arc, next)) = self.problem.graph.next_arc(vertex, cursor, self.problem.kinds) {
            cursor = next;
            let entering = &mut self.entering[arc.to as usize];
            *entering -= 1;
            if *entering == 0 {
                self.passing.push(arc.to);
            }
        }
    }

    /// Processes the vertices in `passing`. A transaction becomes ready. Helpers and operations that did not take
    /// effect are passed through.
    fn process_freed_vertices(&mut self) {
        while let Some(vertex) = self.passing.pop() {
            if !self.problem.is_placeable(vertex) {
                self.satisfy_edges_from(vertex);
            } else if self.standing[vertex as usize] == QueueState::Out {
                self.make_ready(vertex, KeyId::NONE);
            }
        }
    }

    /// Undoes [`Self::satisfy`] and [`Self::pass`] for a transaction.
    fn unsatisfy_edges_from(&mut self, op: u32) {
        debug_assert!(self.passing.is_empty(), "nothing is passed while something is taken back");
        self.passing.push(op);
        while let Some(vertex) = self.passing.pop() {
            let mut cursor = 0;
            while let Some((arc, next)) = self.problem.graph.next_arc(vertex, cursor, self.problem.kinds) {
                cursor = next;
                let entering = &mut self.entering[arc.to as usize];
                *entering += 1;
                if *entering == 1 && !self.problem.is_placeable(arc.to) {
                    self.passing.push(arc.to);
                }
            }
        }
    }
}
