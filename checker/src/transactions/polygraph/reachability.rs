//! Refutes single choices: finds the choices of which one edge alone closes a cycle with the edges that are certain.
//!
//! Adding an edge to the order answers this for one choice, and visits the graph between its ends each time. A history of thousands of
//! transactions with repeated values leaves 100,000 choices open, and most of them are refuted in this way. So the transitive closure of
//! the certain edges is computed once for all, as rows of bits, and each edge takes one look at one bit (the *pruning* of Tan et al.,
//! *Cobra*, OSDI 2020, §4.2, and Huang et al., *PolySI*, VLDB 2023, §4.2). The closure also tells which further edges add nothing, so that
//! the order need not carry them. Its memory is quadratic in the number of moments; beyond a limit, nothing is refuted here.

use super::clauses::{ChoiceLiteral, Clause, ClauseOrigin};
use super::encode::{CaseEncoding, CaseLink, CaseVariable, ConditionalEdge};
use super::order::IncrementalOrder;
use claims::Limits;

/// The maximum size of a closure in bytes: 46,000 moments.
const BYTES_MAX: usize = 256 << 20;

/// Which vertices reach which, along edges that will not be removed.
pub(super) struct CertainReachability {
    words: usize,
    /// By vertex: one bit for each vertex that it reaches.
    rows: Vec<u64>,
}

impl CertainReachability {
    /// The closure of the edges of an order. `None` if it takes more than `bytes`.
    ///
    /// `steps` counts the rows that were visited. The time is at most the number of edges times the length of a row. An edge to a vertex
    /// that is already reached takes constant time.
    fn compute(order: &IncrementalOrder, bytes: usize, steps: &mut u64) -> Option<Self> {
        let count = order.sequence().len();
        let words = count.div_ceil(64);
        if (count * words).saturating_mul(8) > bytes.min(BYTES_MAX) {
            return None;
        }
        let mut closure = Self { words, rows: vec![0; count * words] };
        let mut row = vec![0_u64; words];
        let mut successors = Vec::new();
        for &vertex in order.sequence().iter().rev() {
            successors.clear();
            successors.extend(order.successors(vertex));
            // The nearest first: they reach most of the others.
            successors.sort_unstable_by_key(|&to| order.position(to));
            row.fill(0);
            for &to in &successors {
                if row[to as usize / 64] >> (to % 64) & 1 == 1 {
                    continue;
                }
                *steps += 1;
                let of_other = &closure.rows[to as usize * words..][..words];
                row.iter_mut().zip(of_other).for_each(|(word, other)| *word |= other);
                row[to as usize / 64] |= 1 << (to % 64);
            }
            closure.rows[vertex as usize * words..][..words].copy_from_slice(&row);
        }
        Some(closure)
    }

    /// Whether a path leads from one vertex to another.
    pub(super) fn reaches(&self, from: u32, to: u32) -> bool {
        self.rows[from as usize * self.words + to as usize / 64] >> (to % 64) & 1 == 1
    }
}

impl CaseEncoding<'_, '_> {
    /// Computes which moments the active edges lead to. Precondition: none of them will be removed.
    pub(super) fn look_at_certain_edges(&mut self, limits: &Limits<'_>, spent: &mut u64) {
        self.certain = CertainReachability::compute(&self.order, limits.bytes, spent);
    }

    /// Whether certain edges lead from one moment to another. If that is not known, no.
    pub(super) fn is_certain_path(&self, from: u32, to: u32) -> bool {
        self.certain.as_ref().is_some_and(|certain| certain.reaches(from, to))
    }

    /// The open choices that close a cycle with the active edges by one edge alone: for each, the literal that holds instead. Precondition:
    /// none of the choices so far will be undone. Finds nothing if the closure of the active edges is too large.
    pub(super) fn find_refuted_choices(
        &mut self,
        is_open: &dyn Fn(ChoiceLiteral) -> bool,
        steps: &mut u64,
        limits: &Limits<'_>,
    ) -> Vec<(ChoiceLiteral, ClauseOrigin<CaseLink>)> {
        let mut spent = 0;
        self.look_at_certain_edges(limits, &mut spent);
        self.cursor.set_open_variables(self.open_variables(is_open));
        let mut refuted = Vec::new();
        for literal in
            (2..2 * self.variables.len() as u32).map(ChoiceLiteral).filter(|&literal| is_open(literal))
        {
            let resting = &self.resting[literal.0 as usize];
            spent += resting.len() as u64;
            let closing = resting.iter().copied().find(|&edge| self.closes_cycle(literal, edge));
            if let Some(edge) = closing.or_else(|| self.edge_that_rules_out(literal)) {
                refuted.push((literal.negated(), ClauseOrigin::Deferred { edge, active: self.active.len() }));
            }
            if literal.0 & 0xffff == 2 && (spent > *steps || limits.stop_requested()) {
                break;
            }
        }
        *steps = steps.saturating_sub(spent);
        refuted
    }

    /// The open variables. A read that has any is represented by its first one, whether that is open or not.
    fn open_variables(&self, is_open: &dyn Fn(ChoiceLiteral) -> bool) -> Vec<u32> {
        let is_open = |variable: u32| is_open(ChoiceLiteral::from_value(variable, true));
        let counts = |variable: u32| match self.variables[variable as usize] {
            CaseVariable::True => false,
            CaseVariable::Before { .. } => is_open(variable),
            CaseVariable::From { read, .. } => {
                let count = self.facts.reads[read as usize].sources.len() as u32;
                variable == self.sources[read as usize] && (variable..variable + count).any(is_open)
            }
        };
        (1..self.variables.len() as u32).filter(|&variable| counts(variable)).collect()
    }

    /// The clause that an edge closes a cycle with the edges that were activated first.
    pub(super) fn explain_closed_cycle(&mut self, edge: u32, active: usize) -> Clause<CaseLink> {
        let ConditionalEdge { from, to, .. } = self.edges[edge as usize];
        let activated = &self.activated;
        let was_active = |number: u32| (activated[number as usize] as usize) < active;
        let back = self.order.find_shortest_path(to, from, was_active, &mut 0);
        let back = back.expect("a cycle is closed by edges that were active before");
        self.cycle_clause(&[back.as_slice(), &[edge]].concat())
    }

    /// Whether an edge of an open choice closes a cycle with the certain edges.
    fn closes_cycle(&self, literal: ChoiceLiteral, number: u32) -> bool {
        let edge = &self.edges[number as usize];
        let is_chosen = |premise: ChoiceLiteral| premise == literal || self.chosen[premise.0 as usize];
        !edge.closes && self.is_certain_path(edge.to, edge.from) && edge.premises.into_iter().all(is_chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closure_has_what_a_search_reaches() {
        let count = 300;
        let mut order = IncrementalOrder::new((0..count).collect());
        let mut state = 1_u32;
        let mut draw = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        // Some edges lead back in the first order, so that positions are no longer numbers.
        for number in 0..count {
            let _closes_a_cycle = order.add_edge(number, draw(count), draw(count), &mut 0);
        }
        let closure = CertainReachability::compute(&order, usize::MAX, &mut 0).expect("it is small");
        let mut reached_any = 0;
        for start in 0..count {
            let (mut reached, mut todo) = (vec![false; count as usize], vec![start]);
            while let Some(vertex) = todo.pop() {
                for to in order.successors(vertex) {
                    if !std::mem::replace(&mut reached[to as usize], true) {
                        todo.push(to);
                    }
                }
            }
            for (to, reached) in (0..count).zip(reached) {
                assert_eq!(closure.reaches(start, to), reached, "from {start} to {to}");
                reached_any += u32::from(reached);
            }
        }
        assert!(reached_any > 1_000, "{reached_any}");
        assert!(CertainReachability::compute(&order, 1_000, &mut 0).is_none());
    }
}
