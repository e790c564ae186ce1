//! The smallest sets of transactions that contain every cycle.

use super::{PlacedTransaction, Vertex};
use crate::graph::{Components, Csr, Edge, Graph};
use histories::Outcome;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// The edges among which cycles are looked for.
#[derive(Clone, Copy, Debug)]
pub struct KnotEdges<'a> {
    /// The transactions, with the number of their session.
    pub transactions: &'a [(PlacedTransaction, u32)],
    /// Their dependencies. Edges of other transactions are ignored.
    pub dependencies: &'a [(Vertex, Vertex)],
    /// Whether a transaction that completed before another one was invoked comes before it.
    pub real_time: bool,
}

/// A set of transactions in which each one depends on every other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Knot {
    /// Their invocations, in order.
    pub transactions: Vec<u64>,
    /// The invocations of those on a short cycle, in order. If the knot is too large to be checked, a violation may show in them.
    pub cycle: Vec<u64>,
}

/// Finds the strongly connected components with more than one transaction, and the transactions that depend on themselves. O(n log n + edges), and one breadth-first search for each.
pub fn find_knots(edges: KnotEdges<'_>) -> Vec<Knot> {
    let graph = KnotGraph::new(edges);
    let components = Components::new(&graph.csr);
    let (starts, vertices) = components.members();
    let mut knots = Vec::new();
    for range in starts.windows(2) {
        let members = &vertices[range[0] as usize..range[1] as usize];
        let mut transactions: Vec<u64> =
            members.iter().filter_map(|&vertex| graph.invocation(vertex)).collect();
        let contradicts_itself = transactions.iter().any(|of| graph.loops.contains(of));
        if transactions.len() > 1 || contradicts_itself {
            transactions.sort_unstable();
            let cycle = graph.short_cycle(members, &components);
            knots.push(Knot { transactions, cycle });
        }
    }
    knots.sort_unstable_by(|one, other| one.transactions.cmp(&other.transactions));
    knots
}

/// The transactions come first, in the order given, then hubs and moments.
struct KnotGraph<'a> {
    transactions: &'a [(PlacedTransaction, u32)],
    csr: Csr,
    /// The transactions that depend on themselves.
    loops: FxHashSet<u64>,
}

impl<'a> KnotGraph<'a> {
    fn new(edges: KnotEdges<'a>) -> Self {
        let KnotEdges { transactions, dependencies, real_time } = edges;
        let count = u32::try_from(transactions.len()).expect("fewer than 2^32 transactions");
        let vertices = transactions.iter().map(|(of, _)| Vertex::Transaction(of.invoked)).zip(0..count);
        let mut build = GraphBuilder { vertices: vertices.collect(), next: count, edges: Vec::new() };
        for &(from, to) in dependencies {
            if let (Some(from), Some(to)) = (build.vertex(from), build.vertex(to)) {
                build.add(from, to);
            }
        }
        let mut by_session: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (at, (_, session)) in (0..count).zip(transactions) {
            by_session.entry(*session).or_default().push(at);
        }
        for members in by_session.values() {
            build.add_timeline(transactions, members, true);
        }
        if real_time {
            let all: Vec<u32> = (0..count).collect();
            build.add_timeline(transactions, &all, false);
        }
        let loops = dependencies.iter().filter_map(|pair| match pair {
            (Vertex::Transaction(from), Vertex::Transaction(to)) if from == to => Some(*from),
            _ => None,
        });
        Self { transactions, csr: Csr::new(build.next as usize, &build.edges), loops: loops.collect() }
    }

    fn invocation(&self, vertex: u32) -> Option<u64> {
        self.transactions.get(vertex as usize).map(|(of, _)| of.invoked)
    }

    /// A shortest cycle through one of the transactions.
    fn short_cycle(&self, members: &[u32], components: &Components) -> Vec<u64> {
        let is_transaction = |vertex: &&u32| (**vertex as usize) < self.transactions.len();
        // No edge of real time leaves the one that is invoked last, so its cycle is short.
        let last =
            members.iter().filter(is_transaction).max_by_key(|&&at| self.transactions[at as usize].0.invoked);
        let Some(&start) = last else { return Vec::new() };
        let mut came_from: FxHashMap<u32, u32> = FxHashMap::default();
        let mut queue = VecDeque::from([start]);
        while let Some(vertex) = queue.pop_front() {
            for edge in self.csr.edges(vertex) {
                if components.of[edge.to as usize] != components.of[start as usize]
                    || came_from.contains_key(&edge.to)
                {
                    continue;
                }
                came_from.insert(edge.to, vertex);
                if edge.to == start {
                    return self.walk_back(start, &came_from);
                }
                queue.push_back(edge.to);
            }
        }
        self.invocation(start).into_iter().collect()
    }

    fn walk_back(&self, start: u32, came_from: &FxHashMap<u32, u32>) -> Vec<u64> {
        let mut cycle: Vec<u64> = self.invocation(start).into_iter().collect();
        let mut at = came_from[&start];
        while at != start {
            cycle.extend(self.invocation(at));
            at = came_from[&at];
        }
        cycle.sort_unstable();
        cycle
    }
}

struct GraphBuilder {
    vertices: FxHashMap<Vertex, u32>,
    next: u32,
    edges: Vec<Edge>,
}

impl GraphBuilder {
    /// `None` for a transaction that is not among those of the graph.
    fn vertex(&mut self, vertex: Vertex) -> Option<u32> {
        match (self.vertices.get(&vertex), vertex) {
            (Some(&known), _) => Some(known),
            (None, Vertex::Transaction(_)) => None,
            (None, Vertex::Hub(_)) => {
                let fresh = self.fresh();
                self.vertices.insert(vertex, fresh);
                Some(fresh)
            }
        }
    }

    fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    fn add(&mut self, from: u32, to: u32) {
        if from != to {
            self.edges.push(Edge { from, to, label: 0 });
        }
    }

    /// Puts each transaction before those that are invoked after it completed, by way of moments that follow one another. In a session,
    /// an indeterminate transaction comes before those that are invoked after it.
    fn add_timeline(&mut self, transactions: &[(PlacedTransaction, u32)], members: &[u32], in_session: bool) {
        let mut events: Vec<(u64, bool, u32)> = Vec::with_capacity(2 * members.len());
        for &at in members {
            let of = transactions[at as usize].0;
            let ended = match (of.outcome, of.completed) {
                (Outcome::Info, _) => in_session.then_some(of.invoked),
                (Outcome::Ok | Outcome::Fail, completed) => completed,
            };
            events.push((of.invoked, false, at));
            events.extend(ended.map(|ended| (ended, true, at)));
        }
        events.sort_unstable();
        let mut moment = None;
        for (_, is_end, at) in events {
            match (is_end, moment) {
                (true, before) => {
                    let now = self.fresh();
                    self.add(at, now);
                    if let Some(before) = before {
                        self.add(before, now);
                    }
                    moment = Some(now);
                }
                (false, Some(before)) => self.add(before, at),
                (false, None) => {}
            }
        }
    }
}
