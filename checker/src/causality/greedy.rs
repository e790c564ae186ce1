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

use super::clocks::{LaneClocks, OrderedGraph};
use super::problem::{CausalProblem, ReadSource};
use crate::graph::Graph;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The writes and reads of a scope in order, if its reads form one chain.
pub(super) fn order_by_layers(
    problem: &CausalProblem<'_>,
    ordered: &OrderedGraph,
    clocks: &LaneClocks,
    in_scope: &[bool],
) -> Option<Vec<u32>> {
    let own = || ordered.order.iter().copied().filter(|&vertex| in_scope[vertex as usize]);
    if own().zip(own().skip(1)).any(|(a, b)| !clocks.precedes(problem, a, b)) {
        return None;
    }
    let mut place = vec![0u32; problem.vertex_count()];
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
        for ((lane, taken), &until) in problem.lanes.iter().zip(&mut taken).zip(clocks.prefix_lengths(read)) {
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
pub(super) fn order_greedily(
    problem: &CausalProblem<'_>,
    ordered: &OrderedGraph,
    in_scope: &[bool],
) -> OrderOrPair {
    let mut greedy = GreedyOrder::new(problem, ordered, in_scope);
    for &vertex in ordered.order.iter().filter(|&&vertex| problem.took_effect(vertex)) {
        if greedy.missing[vertex as usize] == 0 && !greedy.seen[vertex as usize] {
            greedy.make_ready(vertex);
        }
    }
    while let Some(Reverse((_, write))) = greedy.ready.pop() {
        if greedy.may_overwrite(write) {
            greedy.take_write(write);
        } else {
            greedy.parked[problem.key(write) as usize].push(write);
        }
    }
    let waiting = greedy.parked.iter().flatten().copied().min();
    match waiting {
        None => Ok(greedy.taken),
        Some(write) => match greedy.holds[problem.key(write) as usize] {
            ReadSource::Write(before) => Err((before, write)),
            _ => unreachable!("whatever reads the initial value precedes every write"),
        },
    }
}

struct GreedyOrder<'a> {
    problem: &'a CausalProblem<'a>,
    ordered: &'a OrderedGraph,
    in_scope: &'a [bool],
    /// For each operation, the number of its predecessors that are not taken yet.
    missing: Vec<u32>,
    seen: Vec<bool>,
    /// For each write, the number of its readers in scope that are not taken yet.
    readers: Vec<u32>,
    initial_readers: Vec<u32>,
    /// What each key holds.
    holds: Vec<ReadSource>,
    /// For each key, the writes that would overwrite a value that a read still waits for.
    parked: Vec<Vec<u32>>,
    ready: BinaryHeap<Reverse<(u32, u32)>>,
    /// For each write, the first completion among the write and its reads.
    first_completed: Vec<u32>,
    taken: Vec<u32>,
}

impl<'a> GreedyOrder<'a> {
    fn new(problem: &'a CausalProblem<'a>, ordered: &'a OrderedGraph, in_scope: &'a [bool]) -> Self {
        let keys = problem.facts.key_count;
        let count = problem.vertex_count();
        let mut greedy = Self {
            problem,
            ordered,
            in_scope,
            missing: vec![0; count],
            seen: vec![false; count],
            readers: vec![0; count],
            initial_readers: vec![0; keys],
            holds: vec![ReadSource::Initial; keys],
            parked: vec![Vec::new(); keys],
            ready: BinaryHeap::new(),
            first_completed: problem.facts.rows.iter().map(|row| row.completed).collect(),
            taken: Vec::with_capacity(count),
        };
        for vertex in 0..count as u32 {
            ordered.graph.edges(vertex).for_each(|edge| greedy.missing[edge.to as usize] += 1);
            match problem.source[vertex as usize] {
                ReadSource::Write(write) => {
                    greedy.readers[write as usize] += u32::from(in_scope[vertex as usize]);
                    let first = &mut greedy.first_completed[write as usize];
                    *first = problem.facts.rows[vertex as usize].completed.min(*first);
                }
                ReadSource::Initial if in_scope[vertex as usize] => {
                    greedy.initial_readers[problem.key(vertex) as usize] += 1;
                }
                _ => {}
            }
        }
        greedy
    }

    /// Called when all predecessors are taken. Takes a read at once, and then the operations that only waited for it.
    fn make_ready(&mut self, vertex: u32) {
        let mut todo = vec![vertex];
        while let Some(vertex) = todo.pop() {
            self.seen[vertex as usize] = true;
            if self.problem.facts.rows[vertex as usize].writes {
                self.ready.push(Reverse((self.first_completed[vertex as usize], vertex)));
            } else {
                self.finish_vertex(vertex, &mut todo);
            }
        }
    }

    fn may_overwrite(&self, write: u32) -> bool {
        let key = self.problem.key(write) as usize;
        let waiting = match self.holds[key] {
            ReadSource::Write(before) => self.readers[before as usize],
            _ => self.initial_readers[key],
        };
        let own = self.in_scope[write as usize] && self.problem.source[write as usize] == self.holds[key];
        waiting == u32::from(own)
    }

    fn take_write(&mut self, write: u32) {
        let mut todo = Vec::new();
        self.finish_vertex(write, &mut todo);
        let key = self.problem.key(write) as usize;
        self.holds[key] = ReadSource::Write(write);
        for parked in std::mem::take(&mut self.parked[key]) {
            self.ready.push(Reverse((self.first_completed[parked as usize], parked)));
        }
        todo.into_iter().for_each(|vertex| self.make_ready(vertex));
    }

    fn finish_vertex(&mut self, vertex: u32, todo: &mut Vec<u32>) {
        let problem = self.problem;
        let key = problem.key(vertex) as usize;
        if problem.facts.rows[vertex as usize].writes || self.in_scope[vertex as usize] {
            self.taken.push(vertex);
        }
        if self.in_scope[vertex as usize] {
            match problem.source[vertex as usize] {
                ReadSource::Write(write) => self.readers[write as usize] -= 1,
                ReadSource::Initial => self.initial_readers[key] -= 1,
                ReadSource::None => {}
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
