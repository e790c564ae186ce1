//! Refutes open choices one by one. A choice is refuted if an edge that it implies closes a cycle with certain edges.
//!
//! Adding an edge to the order answers this for one choice, and visits the graph between its ends each time. A history of thousands of
//! transactions with repeated values leaves 100,000 choices open, and most of them are refuted in this way. So the transitive closure of
//! the certain edges is computed once for all, as rows of bits, and each edge takes one look at one bit (the *pruning* of Tan et al.,
//! *Cobra*, OSDI 2020, §4.2, and Huang et al., *PolySI*, VLDB 2023, §4.2). The closure also tells which further edges add nothing, so that
//! the order need not carry them. Its memory is quadratic in the number of moments; beyond a limit, nothing is refuted here.

use super::clauses::{ChoiceLiteral, Clause, ClauseOrigin, RefutedChoices};
use super::closure::CertainReachability;
use super::cursor::CompletionCursor;
use super::encode::{CaseEncoding, CaseLink, CaseVariable, ConditionalEdge};
use super::suspect_keys::SuspectKeys;
use claims::Limits;

/// How often the stop flag is looked at, in open choices.
const CHOICES_BETWEEN_LOOKS: usize = 1 << 11;

impl CaseEncoding<'_, '_> {
    /// Computes which moments the active edges lead to. Precondition: none of them will be removed.
    pub(super) fn look_at_certain_edges(&mut self, spent: &mut u64, limits: &Limits<'_>) {
        self.certain_active = self.active.len();
        self.certain = CertainReachability::compute(&self.order, self.bytes / 4, spent, limits);
    }

    /// Puts the moments where the certain edges make them likely, if the history has no times to go by. Such a history stands in its file
    /// session by session, and an order like that contradicts most choices.
    fn guess_order(&mut self) {
        if let (false, Some(certain)) = (self.facts.history.has_real_time(), &self.certain) {
            let order = certain.order_by_share(self.order.sequence());
            self.order.rearrange(order);
        }
    }

    /// Whether certain edges lead from one moment to another. If that is not known, no.
    pub(super) fn is_certain_path(&self, from: u32, to: u32) -> bool {
        self.certain.as_ref().is_some_and(|certain| certain.reaches(from, to))
    }

    /// The open choices that close a cycle with the active edges by one edge alone: for each, the literal that holds instead. Precondition:
    /// none of the choices so far will be undone. Finds nothing if the closure of the active edges is too large.
    pub(super) fn find_refuted_choices(
        &mut self,
        values: &[Option<bool>],
        steps: &mut u64,
        limits: &Limits<'_>,
    ) -> RefutedChoices<CaseLink> {
        let is_open = |literal: ChoiceLiteral| values[literal.variable() as usize].is_none();
        let mut spent = 0;
        self.look_at_certain_edges(&mut spent, limits);
        self.cursor = Some(CompletionCursor::new(self.open_variables(values)));
        let mut refuted = Vec::new();
        let open =
            (2..2 * self.variables.len() as u32).map(ChoiceLiteral).filter(|&literal| is_open(literal));
        for (place, literal) in open.enumerate() {
            let resting = &self.resting[literal.0 as usize];
            spent += resting.len() as u64;
            let closing = resting.iter().copied().find(|&edge| self.closes_cycle(literal, edge));
            if let Some(edge) = closing.or_else(|| self.edge_that_rules_out(literal, &mut spent)) {
                refuted.push((literal.negated(), ClauseOrigin::Deferred { edge, active: self.active.len() }));
            }
            if spent > *steps || (place.is_multiple_of(CHOICES_BETWEEN_LOOKS) && limits.stop_requested()) {
                break;
            }
        }
        *steps = steps.saturating_sub(spent);
        if refuted.is_empty() {
            self.guess_order();
            self.suspects =
                self.shape.orders_make_choices().then(|| SuspectKeys::new(self.facts, &self.moments));
        }
        refuted
    }

    /// The open variables. A read that has any is represented by its first one, whether that is open or not.
    fn open_variables(&self, values: &[Option<bool>]) -> Vec<u32> {
        let is_open = |variable: u32| values[variable as usize].is_none();
        let counts = |variable: u32| match self.variables[variable as usize] {
            CaseVariable::True => false,
            CaseVariable::Before { .. } | CaseVariable::Placed { .. } | CaseVariable::Shown { .. } => {
                is_open(variable)
            }
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
