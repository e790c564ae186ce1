//! A serial order as it grows, and shrinks again: transactions are placed one after another, and the last can be taken
//! back.
//!
//! Who may be placed is told by three rules, which any serial order follows: what comes before in the graph is placed;
//! a read finds the version that it returned; nobody overwrites a version that is yet to be read, for values are written
//! once and it would not come back. A fourth comes from [lemmas](super::lemmas::Lemma). Where beginnings and commits are placed,
//! a fifth: nobody begins that writes what another writes that has begun and not committed.

use super::lemmas::{Lemmas, Literal};
use super::problem::SerialProblem;
use crate::transactions::index::NONE;
use claims::Limits;
use histories::{Id, KeyId};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Bound;

/// What keeps a transaction from being placed although all before it in the graph are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Obstacle {
    /// It would overwrite what somebody is yet to read.
    Unread(KeyId),
    /// It writes what another writes that has begun and not committed.
    Taken(KeyId),
    /// A lemma: it must not come before this one, given what else is placed.
    Lemma(Literal),
    /// It reads what is not there. Where reads are as they should be this does not occur.
    Misread(KeyId),
}

/// Where a transaction stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum QueueState {
    /// In no queue: placed, or not all before it are.
    Out,
    Ready,
    /// Until what a key holds may be overwritten.
    Waiting(KeyId),
    /// Until another is placed: a lemma says so.
    Held,
}

pub(super) struct SerialSchedule<'p, 'a, 'h> {
    problem: &'p SerialProblem<'a, 'h>,
    /// Who is ready is placed in this order.
    priority: &'p [u32],
    /// How many edges into each vertex are not yet satisfied.
    entering: Vec<u32>,
    /// Each key's version now.
    current: Vec<u32>,
    /// Of each key, the transaction that has begun and will write it, or nobody.
    taken: Vec<u32>,
    /// Of each version of all keys: how many are yet to read it.
    unread: Vec<u32>,
    /// Whether it writes, its priority, itself, and the key that it had waited for.
    ready: BinaryHeap<Reverse<(bool, u32, u32, KeyId)>>,
    /// Of each key, those that wait for it, by priority.
    waiting: Vec<BTreeSet<(u32, u32)>>,
    /// Of each transaction, those that it holds back.
    held: FxHashMap<u32, Vec<u32>>,
    /// All that wait or are held, by priority.
    blocked: BTreeSet<(u32, u32)>,
    standing: Vec<QueueState>,
    position: Vec<u32>,
    pub placed: Vec<u32>,
    /// What was overwritten, for when it is taken back.
    overwritten: Vec<u32>,
    /// Scratch: vertices to pass through.
    passing: Vec<u32>,
}

impl<'p, 'a, 'h> SerialSchedule<'p, 'a, 'h> {
    /// O(edges). None if it was stopped.
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

    /// Places the next that can be; none if there is none, or if the steps ran out or it was stopped first. A step is a
    /// transaction looked at.
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
                // It did not take what it had waited for: the next one's turn.
                self.wake_waiting_after(key, Bound::Excluded((self.priority[op as usize], op)));
            }
        }
        None
    }

    /// Whether all before it in the graph are placed, and it is not.
    pub(super) fn is_free(&self, op: u32) -> bool {
        self.entering[op as usize] == 0 && !self.is_placed(op)
    }

    pub(super) fn is_placed(&self, op: u32) -> bool {
        self.position[op as usize] != NONE
    }

    /// Whether a vertex keeps nobody back any more.
    pub(super) fn is_past(&self, vertex: u32) -> bool {
        match self.problem.is_placeable(vertex) {
            true => self.is_placed(vertex),
            false => self.entering[vertex as usize] == 0,
        }
    }

    pub(super) fn position(&self, op: u32) -> u32 {
        self.position[op as usize]
    }

    /// Whether the first of the two is placed, and before the second.
    pub(super) fn affirms_literal(&self, Literal { earlier, later, .. }: Literal) -> bool {
        self.is_placed(earlier)
            && (!self.is_placed(later) || self.position[earlier as usize] < self.position[later as usize])
    }

    pub(super) fn current_version(&self, key: KeyId) -> u32 {
        self.current[key.index()]
    }

    /// Who has begun and will write a key, if beginnings are placed.
    pub(super) fn taken_by(&self, key: KeyId) -> Option<u32> {
        Some(self.taken[key.index()]).filter(|&op| op != NONE)
    }

    /// Those that wait, the most urgent first.
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
        lemmas.blocking_lemmas(op, self).find_map(|(_, own)| own.first().copied()).map(Obstacle::Lemma)
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

    /// Something changed about what a key holds. If nobody is to read it any more, one of those that wait may overwrite
    /// it; if one is, only that one may. All others would wait again.
    fn wake_waiting(&mut self, key: KeyId) {
        if self.waiting[key.index()].is_empty() {
            return;
        }
        if self.problem.in_points() {
            // The one that has begun waits to commit, the others to begin.
            let waiting: Vec<(u32, u32)> = self.waiting[key.index()].iter().copied().collect();
            let taken = self.taken_by(key);
            let may = |&(_, point): &(u32, u32)| taken.is_none_or(|op| self.problem.op(point) == op);
            let may: Vec<(u32, u32)> = waiting.into_iter().filter(may).collect();
            for (_, point) in may {
                self.requeue_transaction(point, KeyId::NONE);
            }
            return;
        }
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

    /// Lets the first look again that waits behind a place for a key that may be overwritten.
    fn wake_waiting_after(&mut self, key: KeyId, mut place: Bound<(u32, u32)>) {
        let version = self.problem.version_number(key, self.current[key.index()]);
        while self.unread[version as usize] == 0 {
            let next = self.waiting[key.index()].range((place, Bound::Unbounded)).next();
            let Some(&next) = next else { return };
            if self.requeue_transaction(next.1, key) {
                return;
            }
            place = Bound::Excluded(next);
        }
    }

    /// Takes a transaction out of those that wait or are held; it is ready if all before it are placed. Whether it is.
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

    /// Lets those look again that a transaction held back.
    fn release_held_by(&mut self, by: u32) {
        for op in self.held.remove(&by).into_iter().flatten() {
            self.requeue_transaction(op, KeyId::NONE);
        }
    }

    /// Lets all that are held look again: a lemma no longer stands in the way once others were taken back.
    pub(super) fn release_all_held(&mut self) {
        for op in std::mem::take(&mut self.held).into_values().flatten() {
            self.requeue_transaction(op, KeyId::NONE);
        }
    }

    fn make_ready(&mut self, op: u32, key: KeyId) {
        // Who only reads is placed as soon as can be, which cannot hurt; who has begun commits soon, for others wait for it.
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

    /// Takes back whoever was placed last.
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

    /// Counts the edges out of a vertex as satisfied; whom nothing holds any more is to be passed.
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

    /// Those that nothing holds any more: a transaction is ready, a helper is passed through, and so is a
    /// transaction that never happened.
    fn process_freed_vertices(&mut self) {
        while let Some(vertex) = self.passing.pop() {
            if !self.problem.is_placeable(vertex) {
                self.satisfy_edges_from(vertex);
            } else if self.standing[vertex as usize] == QueueState::Out {
                self.make_ready(vertex, KeyId::NONE);
            }
        }
    }

    /// The reverse: [`Self::satisfy`] and [`Self::pass`] of a transaction undone.
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
