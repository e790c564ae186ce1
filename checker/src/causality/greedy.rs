//! Builds orders from the inferred edges: layer by layer for a session without overlap, greedily for others.
//!
//! **Layers.** Let the reads of a scope form one chain. The order begins with everything that precedes the first
//! read, then that read, then everything new that precedes the second read, and so on. This answers a read `r` of
//! `w`'s value correctly: every other write of the object that is placed before `r` precedes `r`, and the inference
//! has shown that it then precedes `w`.
//!
//! **Greedily.** An operation is taken once all its predecessors are taken. Reads are taken at once, because they
//! change nothing. A write is taken only if no read still waits for the value that it overwrites. If only writes are
//! left that would overwrite such a value, the order of two of them is open, and the caller tries both.

use super::clocks::{Clocks, Ordered};
use super::problem::{Problem, Source};
use crate::graph::Graph;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The writes and reads of a scope in order, if its reads form one chain.
pub(super) fn layers(
    problem: &Problem<'_>,
    ordered: &Ordered,
    clocks: &Clocks,
    in_scope: &[bool],
) -> Option<Vec<u32>> {
    let own = || ordered.order.iter().copied().filter(|&vertex| in_scope[vertex as usize]);
    if own().zip(own().skip(1)).any(|(a, b)| !clocks.precedes(problem, a, b)) {
        return None;
    }
    let mut place = vec![0u32; problem.count()];
    (0u32..).zip(&ordered.order).for_each(|(at, &vertex)| place[vertex as usize] = at);
    let belongs = |&vertex: &u32| problem.facts.rows[vertex as usize].writes || in_scope[vertex as usize];
    let mut taken = vec![0usize; problem.lanes.len()];
    let mut all = Vec::new();
    let mut add = |layer: &mut Vec<u32>| {
        layer.sort_unstable_by_key(|&vertex| place[vertex as usize]);
        all.append(layer);
    };
    let mut layer: Vec<u32> = Vec::new();
    for read in own() {
        for ((lane, taken), &until) in problem.lanes.iter().zip(&mut taken).zip(clocks.of(read)) {
            layer.extend(lane[*taken..(until as usize).max(*taken)].iter().copied().filter(belongs));
            *taken = (until as usize).max(*taken);
        }
        add(&mut layer);
    }
    for (lane, &taken) in problem.lanes.iter().zip(&taken) {
        layer.extend(lane[taken..].iter().copied().filter(belongs));
    }
    add(&mut layer);
    Some(all)
}

/// An order, or two writes of one object whose order is open.
pub(super) type OrderOrPair = Result<Vec<u32>, (u32, u32)>;

/// An order of a scope whose reads need not form one chain, or two writes whose order is open.
pub(super) fn greedy(problem: &Problem<'_>, ordered: &Ordered, in_scope: &[bool]) -> OrderOrPair {
    let mut greedy = Greedy::new(problem, ordered, in_scope);
    for &vertex in ordered.order.iter().filter(|&&vertex| problem.took_effect(vertex)) {
        if greedy.missing[vertex as usize] == 0 && !greedy.seen[vertex as usize] {
            greedy.is_ready(vertex);
        }
    }
    while let Some(Reverse((_, write))) = greedy.ready.pop() {
        if greedy.may_overwrite(write) {
            greedy.take(write);
        } else {
            greedy.parked[problem.key(write) as usize].push(write);
        }
    }
    let waiting = greedy.parked.iter().flatten().copied().min();
    match waiting {
        None => Ok(greedy.taken),
        Some(write) => match greedy.holds[problem.key(write) as usize] {
            Source::Write(before) => Err((before, write)),
            _ => unreachable!("whatever reads the initial value precedes every write"),
        },
    }
}

struct Greedy<'a> {
    problem: &'a Problem<'a>,
    ordered: &'a Ordered,
    in_scope: &'a [bool],
    /// For each operation, the number of its predecessors that are not taken yet.
    missing: Vec<u32>,
    seen: Vec<bool>,
    /// For each write, the number of its readers in scope that are not taken yet.
    readers: Vec<u32>,
    initial_readers: Vec<u32>,
    /// What each key holds.
    holds: Vec<Source>,
    /// For each key, the writes that would overwrite a value that a read still waits for.
    parked: Vec<Vec<u32>>,
    ready: BinaryHeap<Reverse<(u32, u32)>>,
    /// For each write, the first completion among the write and its reads.
    first_completed: Vec<u32>,
    taken: Vec<u32>,
}

impl<'a> Greedy<'a> {
    fn new(problem: &'a Problem<'a>, ordered: &'a Ordered, in_scope: &'a [bool]) -> Self {
        let keys = problem.facts.history.keys.len();
        let count = problem.count();
        let mut greedy = Self {
            problem,
            ordered,
            in_scope,
            missing: vec![0; count],
            seen: vec![false; count],
            readers: vec![0; count],
            initial_readers: vec![0; keys],
            holds: vec![Source::Initial; keys],
            parked: vec![Vec::new(); keys],
            ready: BinaryHeap::new(),
            first_completed: problem.facts.rows.iter().map(|row| row.completed).collect(),
            taken: Vec::with_capacity(count),
        };
        for vertex in 0..count as u32 {
            ordered.graph.edges(vertex).for_each(|edge| greedy.missing[edge.to as usize] += 1);
            match problem.source[vertex as usize] {
                Source::Write(write) => {
                    greedy.readers[write as usize] += u32::from(in_scope[vertex as usize]);
                    let first = &mut greedy.first_completed[write as usize];
                    *first = problem.facts.rows[vertex as usize].completed.min(*first);
                }
                Source::Initial if in_scope[vertex as usize] => {
                    greedy.initial_readers[problem.key(vertex) as usize] += 1;
                }
                _ => {}
            }
        }
        greedy
    }

    /// Called when all predecessors are taken. Takes a read at once, and then the operations that only waited for it.
    fn is_ready(&mut self, vertex: u32) {
        let mut todo = vec![vertex];
        while let Some(vertex) = todo.pop() {
            self.seen[vertex as usize] = true;
            if self.problem.facts.rows[vertex as usize].writes {
                self.ready.push(Reverse((self.first_completed[vertex as usize], vertex)));
            } else {
                self.done(vertex, &mut todo);
            }
        }
    }

    fn may_overwrite(&self, write: u32) -> bool {
        let key = self.problem.key(write) as usize;
        let waiting = match self.holds[key] {
            Source::Write(before) => self.readers[before as usize],
            _ => self.initial_readers[key],
        };
        let own = self.in_scope[write as usize] && self.problem.source[write as usize] == self.holds[key];
        waiting == u32::from(own)
    }

    fn take(&mut self, write: u32) {
        let mut todo = Vec::new();
        self.done(write, &mut todo);
        let key = self.problem.key(write) as usize;
        self.holds[key] = Source::Write(write);
        for parked in std::mem::take(&mut self.parked[key]) {
            self.ready.push(Reverse((self.first_completed[parked as usize], parked)));
        }
        todo.into_iter().for_each(|vertex| self.is_ready(vertex));
    }

    fn done(&mut self, vertex: u32, todo: &mut Vec<u32>) {
        let problem = self.problem;
        let key = problem.key(vertex) as usize;
        if problem.facts.rows[vertex as usize].writes || self.in_scope[vertex as usize] {
            self.taken.push(vertex);
        }
        if self.in_scope[vertex as usize] {
            match problem.source[vertex as usize] {
                Source::Write(write) => self.readers[write as usize] -= 1,
                Source::Initial => self.initial_readers[key] -= 1,
                Source::None => {}
            }
            // A parked write may now be possible.
            for parked in std::mem::take(&mut self.parked[key]) {
                self.ready.push(Reverse((self.first_completed[parked as usize], parked)));
            }
        }
        for edge in self.ordered.graph.edges(vertex) {
            self.missing[edge.to as usize] -= 1;
            if self.missing[edge.to as usize] == 0 {
                todo.push(edge.to);
            }
        }
    }
}
