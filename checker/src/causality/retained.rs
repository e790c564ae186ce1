//! Which operations a monitor has to keep, so that the order of the others does not get lost with them.
//!
//! # The problem
//!
//! A monitor of causal levels forgets most operations of a stream. Causal order between those that it keeps may lead through
//! those that it forgets: `a` was read, then `b` was written to another object, and the reader of `b` has seen `a`.
//!
//! # How
//!
//! Some writes are *important*: a later read may return them. Some operations are *exact*: the important writes before them must
//! remain the same. In each session, a read is kept if it brings an important write into the past of its session for the first
//! time, together with the write that it read. For convergence, the demands on the order of writes count like reads-from, and
//! a demand is kept with its read and with one causal path to that read. Operations are visited from the last to the first,
//! because only those before an exact operation of their session matter.
//!
//! Every kept read is kept with its write, so the rest is a history of its own whose order is a part of that of the whole.
//!
//! Cost: O(lanes · n) time, 8 · lanes · n bytes.

use super::clocks::{LaneClocks, order_topologically};
use super::facts::RegisterFacts;
use super::paths::DerivedEdge;
use super::problem::{CausalProblem, ReadSource};
use super::weak::collect_demands;
use claims::{Limits, ObjectQuestion};
use histories::History;

/// The order of the operations of a history in which each operation took effect and each value was written once. The n-th vertex is the
/// n-th operation.
pub(crate) struct WindowOrder<'a> {
    problem: CausalProblem<'a>,
    /// The past of each operation in causal order.
    causal: LaneClocks,
    /// The past of each operation in causal order and, for convergence, in the order of writes that reads demand.
    demanded: LaneClocks,
    demands: Vec<DerivedEdge>,
    /// The operations in an order that extends both.
    sorted: Vec<u32>,
}

/// Computes the order of a history and passes it on. `None` if a value has several writes or none, if the order has a
/// cycle, or if the memory does not suffice.
pub(crate) fn with_window_order<R>(
    history: &History,
    question: &ObjectQuestion,
    with_demands: bool,
    limits: &Limits<'_>,
    use_order: impl FnOnce(&WindowOrder<'_>) -> R,
) -> Option<R> {
    let facts = RegisterFacts::new(history, question, limits);
    let is_plain = facts.unwritten.is_empty()
        && facts.candidates.is_empty()
        && facts.foreign.is_none()
        && facts.rows.len() == history.len()
        && facts.rows.iter().all(|row| row.is_ok());
    if !is_plain {
        return None;
    }
    let problem = CausalProblem::new(&facts, &[], limits)?;
    let clock_bytes = LaneClocks::bytes_needed(&problem);
    if clock_bytes.saturating_mul(2) > limits.bytes {
        return None;
    }
    let mut edges = problem.session_edges.clone();
    edges.extend(problem.read_edges(|_| true));
    let ordered = order_topologically(problem.vertex_count(), &edges).ok()?;
    let causal = LaneClocks::new(&problem, &ordered);
    let mut demands = Vec::new();
    if with_demands {
        let room = (limits.bytes - clock_bytes * 2) / DerivedEdge::bytes_needed(1);
        let (overwritten, found) = collect_demands(&problem, &causal, room, limits);
        if !overwritten.is_empty() || found.len() == room {
            return None;
        }
        demands = found;
        edges.extend((0..).zip(&demands).map(|(number, derived)| derived.derived_edge(&problem, number)));
    }
    let ordered = order_topologically(problem.vertex_count(), &edges).ok()?;
    let demanded = LaneClocks::new(&problem, &ordered);
    Some(use_order(&WindowOrder { problem, causal, demanded, demands, sorted: ordered.order }))
}

impl WindowOrder<'_> {
    /// Whether `a` comes before `b` in causal order, or is `b`.
    pub(crate) fn precedes_causally(&self, a: usize, b: usize) -> bool {
        self.causal.precedes(&self.problem, a as u32, b as u32)
    }

    /// Whether `a` comes before `b` in causal order and the demanded order of writes, or is `b`.
    pub(crate) fn precedes(&self, a: usize, b: usize) -> bool {
        self.demanded.precedes(&self.problem, a as u32, b as u32)
    }

    /// The place of each operation in an order that extends the others.
    pub(crate) fn places(&self) -> Vec<u32> {
        let mut places = vec![0; self.sorted.len()];
        (0u32..).zip(&self.sorted).for_each(|(place, &vertex)| places[vertex as usize] = place);
        places
    }

    /// The write that an operation returned, if it read one.
    pub(crate) fn source_of(&self, read: usize) -> Option<usize> {
        match self.problem.source[read] {
            ReadSource::Write(write) => Some(write as usize),
            ReadSource::None | ReadSource::Initial => None,
        }
    }

    /// The operations that have to be kept: the exact ones, and those through which important writes come before them.
    /// Important operations must be exact.
    pub(crate) fn operations_to_keep(&self, important: &[bool], exact: &[bool]) -> Vec<bool> {
        let mut keeper = Keeper::new(self, important, exact);
        for &vertex in self.sorted.iter().rev() {
            keeper.visit(vertex);
        }
        keeper.kept
    }
}

/// Visits the operations from the last to the first, and marks those that have to be kept.
struct Keeper<'a> {
    order: &'a WindowOrder<'a>,
    kept: Vec<bool>,
    /// Whether an operation of the session that has to be kept was visited.
    session_is_needed: Vec<bool>,
    /// For each lane, how many of its first operations are important, by the number of operations.
    important_before: Vec<Vec<u32>>,
    /// Session edges, by the operation that they lead to.
    session_before: Vec<Vec<u32>>,
    /// Demands, by the write that they lead to.
    demands_on: Vec<Vec<u32>>,
    /// The important writes before the sessions' operations that come before the visited one: in causal order and in demanded order.
    known: (Vec<u32>, Vec<u32>),
}

impl<'a> Keeper<'a> {
    fn new(order: &'a WindowOrder<'a>, important: &[bool], exact: &[bool]) -> Self {
        let problem = &order.problem;
        let count = problem.vertex_count();
        let important_before = problem.lanes.iter().map(|lane| {
            let mut seen = 0;
            let counts = lane.iter().map(|&vertex| {
                seen += u32::from(important[vertex as usize]);
                seen
            });
            std::iter::once(0).chain(counts).collect()
        });
        let mut session_before = vec![Vec::new(); count];
        problem.session_edges.iter().for_each(|edge| session_before[edge.to as usize].push(edge.from));
        let mut demands_on = vec![Vec::new(); count];
        for (number, derived) in (0u32..).zip(&order.demands) {
            if let ReadSource::Write(write) = problem.source[derived.read as usize] {
                demands_on[write as usize].push(number);
            }
        }
        Self {
            order,
            kept: exact.to_vec(),
            session_is_needed: vec![false; problem.facts.session_count],
            important_before: important_before.collect(),
            session_before,
            demands_on,
            known: (vec![0; problem.lanes.len()], vec![0; problem.lanes.len()]),
        }
    }

    fn visit(&mut self, vertex: u32) {
        let problem = &self.order.problem;
        let session = problem.facts.rows[vertex as usize].session_number as usize;
        self.session_is_needed[session] |= self.kept[vertex as usize];
        if !self.session_is_needed[session] {
            return;
        }
        self.collect_known(vertex);
        if let ReadSource::Write(write) = problem.source[vertex as usize]
            && (self.kept[vertex as usize] || self.brings_important(write))
        {
            self.kept[vertex as usize] = true;
            self.kept[write as usize] = true;
        }
        for number in std::mem::take(&mut self.demands_on[vertex as usize]) {
            let derived = self.order.demands[number as usize];
            if self.demand_brings_important(derived.other) {
                self.kept[vertex as usize] = true;
                self.learn(derived.other);
                self.keep_path(derived.other, derived.read);
            }
        }
    }

    /// Collects what the operations of the session before this one have in their past.
    fn collect_known(&mut self, vertex: u32) {
        self.known.0.fill(0);
        self.known.1.fill(0);
        for at in 0..self.session_before[vertex as usize].len() {
            self.learn(self.session_before[vertex as usize][at]);
        }
    }

    fn learn(&mut self, vertex: u32) {
        let order = self.order;
        let clocks = [(&order.causal, &mut self.known.0), (&order.demanded, &mut self.known.1)];
        for (clock, known) in clocks {
            let counts = clock.prefix_lengths(vertex).iter().zip(&self.important_before);
            for ((&length, important), known) in counts.zip(known.iter_mut()) {
                *known = important[length as usize].max(*known);
            }
        }
    }

    fn brings(&self, clocks: &LaneClocks, known: &[u32], vertex: u32) -> bool {
        let counts = clocks.prefix_lengths(vertex).iter().zip(&self.important_before);
        counts.zip(known).any(|((&length, important), &known)| important[length as usize] > known)
    }

    /// Whether a read of this write brings an important write into the past of its session.
    fn brings_important(&self, write: u32) -> bool {
        self.brings(&self.order.causal, &self.known.0, write) || self.demand_brings_important(write)
    }

    /// Whether a demand that this write comes first puts an important write before the other one.
    fn demand_brings_important(&self, first: u32) -> bool {
        self.brings(&self.order.demanded, &self.known.1, first)
    }

    /// Keeps a write, a read that has it in its causal past, and operations that lead from one to the other.
    fn keep_path(&mut self, from: u32, to: u32) {
        let problem = &self.order.problem;
        let is_after = |vertex: u32| self.order.causal.precedes(problem, from, vertex);
        self.kept[from as usize] = true;
        self.kept[to as usize] = true;
        if let ReadSource::Write(write) = problem.source[to as usize] {
            self.kept[write as usize] = true;
        }
        let mut at = to;
        while at != from {
            // The first operation of the lane that has the write in its past.
            let lane = &problem.lanes[problem.lane[at as usize] as usize];
            let first = lane[lane.partition_point(|&vertex| !is_after(vertex))];
            if first == from {
                break;
            }
            let in_session = self.session_before[first as usize].iter().find(|&&before| is_after(before));
            at = match (in_session, problem.source[first as usize]) {
                (Some(&before), _) => before,
                (None, ReadSource::Write(write)) => {
                    self.kept[first as usize] = true;
                    self.kept[write as usize] = true;
                    write
                }
                (None, _) => unreachable!("causal order comes from sessions and reads"),
            };
        }
    }
}
