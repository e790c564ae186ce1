//! Finds the few elements and reads that no order explains.

use super::placement::{SetSearch, SetSearchResult};
use super::problem::{SetProblem, SetStep};
use crate::linearizability::set_elements::SetDecision;
use claims::{Limits, Reason};
use histories::{NEVER, OpId};
use rustc_hash::FxHashSet;

/// How many operations the attempts to leave something out may look at: seconds at most.
const EFFORT: u64 = 30_000_000;
/// Up to so many elements, a core may begin with any set of them. The verifier tries each set.
const ELEMENTS_ANYHOW_MAX: usize = 4;

/// What a core keeps.
#[derive(Clone)]
struct SetPart {
    elements: Vec<u32>,
    reads: Vec<u32>,
    /// Steps on these elements that are left out.
    without: FxHashSet<OpId>,
    from: Option<u32>,
}

struct SetShrinking<'a> {
    problem: &'a SetProblem,
    until: u32,
    effort: u64,
    limits: &'a Limits<'a>,
}

/// The conflict of a problem that is impossible up to the response at a position.
pub(super) fn find_conflict(problem: &SetProblem, until: u32, limits: &Limits<'_>) -> SetDecision {
    let mut shrinking = SetShrinking { problem, until, effort: EFFORT, limits };
    let reads: Vec<u32> = (0..problem.reads.len() as u32).collect();
    let without = FxHashSet::default();
    if let Some(&impossible) = reads.iter().find(|&&read| !problem.reads[read as usize].possible) {
        let operations = vec![problem.reads[impossible as usize].id];
        return SetDecision::ImpossibleTogether { operations, from: None, until: NEVER, minimal: true };
    }
    let elements = shrinking.elements_that_did_not_fit();
    let mut part = SetPart { elements, reads, without, from: None };
    if !shrinking.is_impossible(&part) {
        part.elements = (0..problem.element_count as u32).collect();
    }
    shrinking.leave_out(&mut part, |part| &mut part.elements);
    if part.elements.len() <= ELEMENTS_ANYHOW_MAX {
        shrinking.begin_late(&mut part);
    }
    loop {
        let before = (part.reads.len(), part.without.len());
        shrinking.leave_out(&mut part, |part| &mut part.reads);
        shrinking.leave_out_steps(&mut part);
        if before == (part.reads.len(), part.without.len()) {
            break;
        }
    }
    if limits.stop_requested() {
        return SetDecision::Unknown(Reason { reason: Limits::STOPPED.to_owned() });
    }
    let few = shrinking.select(&part);
    let mut operations: Vec<(u32, OpId)> = few.steps.iter().map(|step| (step.invoked, step.id)).collect();
    operations.extend(few.reads.iter().map(|read| (read.invoked, read.id)));
    operations.sort_unstable();
    let operations = operations.into_iter().map(|(_, id)| id).collect();
    SetDecision::ImpossibleTogether { operations, from: part.from, until, minimal: shrinking.effort > 0 }
}

impl SetShrinking<'_> {
    /// The elements for which something did not fit while the reads were open that are open at the end.
    fn elements_that_did_not_fit(&mut self) -> Vec<u32> {
        let mut search = SetSearch::new(self.problem, self.limits, true);
        match search.decide(self.limits) {
            SetSearchResult::Dead(_) => search.misfits_from(search.open_since()),
            SetSearchResult::Order(_) | SetSearchResult::Unknown(_) => Vec::new(),
        }
    }

    /// Whether no order explains a part. Also false if the effort runs out before that is known.
    fn is_impossible(&mut self, part: &SetPart) -> bool {
        if part.elements.is_empty() || self.effort == 0 || self.limits.stop_requested() {
            return false;
        }
        let few = self.select(part);
        let cost = few.steps.len() + few.reads.len() * (1 + part.elements.len());
        self.effort = self.effort.saturating_sub(cost as u64);
        let limits = Limits { steps: self.effort, ..*self.limits };
        matches!(SetSearch::new(&few, &limits, false).decide(&limits), SetSearchResult::Dead(_))
    }

    fn select(&self, part: &SetPart) -> SetProblem {
        let mut few = self.problem.part_on_elements(&part.elements, &part.reads, self.until, part.from);
        few.leave_out_steps(&part.without);
        few
    }

    /// Whether the core of a part tells which elements it is about: by its steps, or because no step can have added the element.
    fn tells_elements(&self, part: &SetPart) -> bool {
        let few = self.select(part);
        (0..).zip(&part.elements).all(|(number, &element)| {
            let all = self.problem.steps_of[element as usize].iter();
            let mut begun = all.map(|&step| self.problem.steps[step as usize]);
            let adds = |step: SetStep| step.invoked <= self.until && step.access.changes_to(true);
            !few.steps_of[number as usize].is_empty() || (part.from.is_none() && !begun.any(adds))
        })
    }

    /// Leaves out members of one list, large pieces first, as long as no order explains the rest.
    fn leave_out(&mut self, part: &mut SetPart, list: impl Fn(&mut SetPart) -> &mut Vec<u32>) {
        let mut piece = list(part).len().div_ceil(2);
        while piece > 0 {
            let mut at = 0;
            while at < list(part).len() {
                let mut fewer = part.clone();
                let end = (at + piece).min(list(part).len());
                list(&mut fewer).drain(at..end);
                if self.is_impossible(&fewer) {
                    *part = fewer;
                } else {
                    at = end;
                }
            }
            piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
        }
    }

    /// Leaves out steps that change nothing, and steps that made an element present (or absent) if nothing found it so.
    fn leave_out_steps(&mut self, part: &mut SetPart) {
        let mut piece = self.select(part).steps.len().div_ceil(2);
        while piece > 0 {
            let mut at = 0;
            loop {
                let few = self.select(part);
                self.effort = self.effort.saturating_sub(few.steps.len() as u64);
                let end = (at + piece).min(few.steps.len());
                if at == end {
                    break;
                }
                let range = few.steps[at..end].iter().filter(|step| few.may_go_without(step));
                let gone: Vec<OpId> = range.map(|step| step.id).collect();
                let mut fewer = part.clone();
                fewer.without.extend(&gone);
                let is_smaller =
                    !gone.is_empty() && self.tells_elements(&fewer) && self.is_impossible(&fewer);
                if is_smaller {
                    *part = fewer;
                }
                at = if is_smaller { end - gone.len() } else { end };
            }
            piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
        }
    }

    /// Begins the part as late as possible, with any of its elements present.
    fn begin_late(&mut self, part: &mut SetPart) {
        let few = self.problem.part_on_elements(&part.elements, &part.reads, self.until, None);
        let mut begins: Vec<u32> = few.steps.iter().map(|step| step.invoked).collect();
        begins.extend(few.reads.iter().map(|read| read.invoked));
        begins.sort_unstable();
        let mut back = 4;
        while back < begins.len() {
            let late = SetPart { from: Some(begins[begins.len() - back]), ..part.clone() };
            if self.tells_elements(&late) && self.is_impossible(&late) {
                *part = late;
                return;
            }
            back *= 2;
        }
    }
}
