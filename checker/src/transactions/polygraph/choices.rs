//! The theory that the solver consults: choices activate edges, undone choices remove them, and a cycle of active edges becomes a
//! conflict clause.

use super::case_facts::INITIAL;
use super::clauses::{ChoiceLiteral, Clause, NextChoice, RefutedChoices, Theory};
use super::cursor::CompletionCursor;
use super::encode::{CaseEncoding, CaseLink, CaseLinkReason, CaseVariable, ConditionalEdge};
use claims::Limits;

/// The maximum number of forbidden misses that one complete assignment reports.
const MISSES_MAX: usize = 256;

impl Theory for CaseEncoding<'_, '_> {
    type Edge = CaseLink;

    fn apply_choice(&mut self, literal: ChoiceLiteral, steps: &mut u64) -> Result<(), Clause<CaseLink>> {
        self.frames.push((literal, self.active.len(), self.closing.len()));
        self.chosen[literal.0 as usize] = true;
        self.cursor.iter_mut().for_each(CompletionCursor::restart);
        self.suspect_choice(literal);
        self.connect_misses_of_choice(literal);
        let mut spent = 0;
        let mut result = Ok(());
        for at in 0..self.resting[literal.0 as usize].len() {
            let number = self.resting[literal.0 as usize][at];
            spent += 1;
            let [one, other] = self.edges[number as usize].premises;
            if self.chosen[one.0 as usize] && self.chosen[other.0 as usize] {
                result = self.activate_edge(number, &mut spent);
                if result.is_err() {
                    break;
                }
            }
        }
        *steps = steps.saturating_sub(spent);
        result
    }

    fn undo_choice(&mut self) {
        let (literal, active, closing) = self.frames.pop().expect("something was chosen");
        self.chosen[literal.0 as usize] = false;
        self.cursor.iter_mut().for_each(CompletionCursor::restart);
        self.suspect_choice(literal);
        while self.active.len() > active {
            let number = self.active.pop().expect("there are more");
            let ConditionalEdge { from, to, .. } = self.edges[number as usize];
            self.order.remove_last_edge(from, to);
        }
        self.closing.truncate(closing);
    }

    fn is_full(&self) -> bool {
        self.edges_exceed_memory()
    }

    fn refute_choices(
        &mut self,
        values: &[Option<bool>],
        steps: &mut u64,
        limits: &Limits<'_>,
    ) -> RefutedChoices<CaseLink> {
        self.find_refuted_choices(values, steps, limits)
    }

    fn explain_refuted_choice(&mut self, edge: u32, active: usize) -> Clause<CaseLink> {
        self.explain_closed_cycle(edge, active)
    }

    /// Versions follow the order of moments, which extends all active edges.
    fn likely_value(&self, variable: u32) -> Option<bool> {
        let CaseVariable::Before { key, one, other } = self.variables[variable as usize] else { return None };
        Some(self.commits_before(key, one, other))
    }

    fn next_choice(&mut self, values: &[Option<bool>], steps: &mut u64) -> NextChoice {
        self.next_contradicted_choice(values, steps)
    }

    fn complete_choices(&self, values: &[Option<bool>]) -> Vec<bool> {
        self.complete_by_order(values)
    }

    fn find_violated_clauses(&mut self, steps: &mut u64) -> Vec<Clause<CaseLink>> {
        let mut found = Vec::new();
        let mut spent = 0;
        let allowed: Vec<bool> =
            (0..self.edges.len() as u32).map(|number| self.counts_as_seen(number)).collect();
        for at in 0..self.closing.len() {
            let number = self.closing[at];
            let ConditionalEdge { from, to, .. } = self.edges[number as usize];
            if let Some(way) =
                self.order.find_shortest_path(to, from, |edge| allowed[edge as usize], &mut spent)
            {
                found.push(self.cycle_clause(&[way.as_slice(), &[number]].concat()));
            }
            if found.len() == MISSES_MAX || spent > *steps {
                break;
            }
        }
        *steps = steps.saturating_sub(spent);
        found
    }
}

/// Translates a cycle of moments to a cycle of transactions. Steps within a transaction are left out. A path through moments of real time
/// becomes one edge, and so does a path of session order and real time: the first transaction completed before the last one began.
pub(super) fn join_by_transaction(cycle: &[CaseLink]) -> Vec<CaseLink> {
    // The cycle is rotated so that its first edge begins at a transaction and not at a moment of real time.
    let counts = |link: &CaseLink| link.link != CaseLinkReason::Within;
    let mut links: Vec<CaseLink> = cycle.iter().copied().filter(counts).collect();
    let Some(start) = links.iter().position(|link| link.from != INITIAL) else { return Vec::new() };
    links.rotate_left(start);
    let is_of_time = |link: &CaseLink| matches!(link.link, CaseLinkReason::Session | CaseLinkReason::Time);
    let mut joined: Vec<CaseLink> = Vec::new();
    for link in links {
        match joined.last_mut() {
            Some(last) if last.to == INITIAL || (is_of_time(last) && is_of_time(&link)) => {
                last.to = link.to;
                if link.link != CaseLinkReason::Session {
                    last.link = CaseLinkReason::Time;
                }
            }
            _ => joined.push(link),
        }
    }
    joined
}
