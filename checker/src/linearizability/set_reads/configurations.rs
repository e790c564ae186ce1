//! The configurations of one element: whether it is present, and which of its open steps are done.
//!
//! A step is done just in time: before a response, or to let a read of all elements find what it returned (Lowe, CCPE 2017,
//! section 5). So the configurations are few, unless many clients use one element at a time.

use super::problem::ElementAccess;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// One way in which the steps on an element can have happened so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct ElementConfiguration {
    pub present: bool,
    /// The open steps that are done, by slot.
    pub done: u64,
    /// How many of the indeterminate steps are done that make the element absent, and present.
    pub used: [u32; 2],
    /// The last step that was done, in the [`StepTrace`]s.
    pub trace: u32,
}

impl ElementConfiguration {
    /// Whether all that is possible after the other configuration is possible after this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        (self.present, self.done) == (other.present, other.done)
            && self.used[0] <= other.used[0]
            && self.used[1] <= other.used[1]
    }
}

/// A step that was done, and the one on its element that was done before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepTrace {
    pub before: u32,
    pub step: u32,
    /// The tick at which it was done.
    pub tick: u32,
}

/// No step was done before.
pub(super) const NO_TRACE: u32 = u32::MAX;

/// A step that has begun and will return.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenStep {
    pub slot: u32,
    pub step: u32,
    pub access: ElementAccess,
}

/// The steps on one element that have begun and not returned.
#[derive(Clone, Default)]
pub(super) struct OpenSteps {
    pub certain: Vec<OpenStep>,
    /// Those that never return: the steps that make the element absent, and those that make it present. Of the steps of one kind, the
    /// earliest are done first, so their number tells which are done.
    pub indeterminate: [Vec<u32>; 2],
}

impl OpenSteps {
    pub(super) fn is_empty(&self) -> bool {
        self.certain.is_empty() && self.indeterminate.iter().all(Vec::is_empty)
    }

    /// Whether some step other than `ended` can make the element present, or absent, in a configuration.
    pub(super) fn can_make(&self, found: &ElementConfiguration, present: bool, ended: u32) -> bool {
        let kind = usize::from(present);
        let mut left = self.certain.iter().filter(|step| found.done >> step.slot & 1 == 0);
        (found.used[kind] as usize) < self.indeterminate[kind].len()
            || left.any(|step| step.step != ended && step.access.changes_to(present))
    }
}

/// What must hold of the configurations that are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ElementGoal {
    /// The step in this slot is done.
    Done(u32),
    /// The element is present, or absent.
    Is(bool),
}

impl ElementGoal {
    pub(super) fn is_met_by(self, found: &ElementConfiguration) -> bool {
        match self {
            ElementGoal::Done(slot) => found.done >> slot & 1 == 1,
            ElementGoal::Is(present) => found.present == present,
        }
    }
}

/// The maximum number of configurations of one element at a time.
const CONFIGURATIONS_MAX: usize = 1 << 14;

/// Does open steps until the goal is met, in every way that makes a difference later. `None` if there are too many ways.
///
/// Steps that only find something are done as soon as they can be. A configuration that used more indeterminate steps than
/// another one, and is otherwise the same, is left out.
pub(super) fn reach_goal(
    from: &[ElementConfiguration],
    open: &OpenSteps,
    goal: ElementGoal,
    tick: u32,
    traces: &mut Vec<StepTrace>,
) -> Option<Vec<ElementConfiguration>> {
    let mut seen: FxHashMap<(bool, u64), Vec<[u32; 2]>> = FxHashMap::default();
    let mut met: Vec<ElementConfiguration> = Vec::new();
    let (mut todo, mut count): (VecDeque<ElementConfiguration>, usize) = (from.iter().copied().collect(), 0);
    while let Some(next) = todo.pop_front() {
        let found = do_finding_steps(next, &open.certain, tick, traces);
        let known = seen.entry((found.present, found.done)).or_default();
        if known.iter().any(|used| used[0] <= found.used[0] && used[1] <= found.used[1]) {
            continue;
        }
        known.push(found.used);
        count += 1;
        if count > CONFIGURATIONS_MAX {
            return None;
        }
        if goal.is_met_by(&found) {
            met.push(found);
            continue;
        }
        for step in open.certain.iter().filter(|step| found.done >> step.slot & 1 == 0) {
            let present = match step.access {
                ElementAccess::Made(present) => present,
                ElementAccess::Changed(present) if present != found.present => present,
                ElementAccess::Changed(_) | ElementAccess::Found(_) => continue,
            };
            todo.push_back(do_step(ElementConfiguration { present, ..found }, step, tick, traces));
        }
        let present = !found.present;
        let kind = usize::from(present);
        if let Some(&step) = open.indeterminate[kind].get(found.used[kind] as usize) {
            let mut next = ElementConfiguration { present, ..found };
            next.used[kind] += 1;
            next.trace = push_trace(found.trace, step, tick, traces);
            todo.push_back(next);
        }
    }
    // A later configuration may cover an earlier one.
    let all = met.clone();
    let mut at = 0;
    met.retain(|found| {
        at += 1;
        !all[at..].iter().any(|later| later.covers(found))
    });
    Some(met)
}

fn push_trace(before: u32, step: u32, tick: u32, traces: &mut Vec<StepTrace>) -> u32 {
    traces.push(StepTrace { before, step, tick });
    traces.len() as u32 - 1
}

fn do_step(
    found: ElementConfiguration,
    step: &OpenStep,
    tick: u32,
    traces: &mut Vec<StepTrace>,
) -> ElementConfiguration {
    let trace = push_trace(found.trace, step.step, tick, traces);
    ElementConfiguration { done: found.done | 1 << step.slot, trace, ..found }
}

fn do_finding_steps(
    mut found: ElementConfiguration,
    open: &[OpenStep],
    tick: u32,
    traces: &mut Vec<StepTrace>,
) -> ElementConfiguration {
    let present = found.present;
    for step in open.iter().filter(|step| step.access == ElementAccess::Found(present)) {
        if found.done >> step.slot & 1 == 0 {
            found = do_step(found, step, tick, traces);
        }
    }
    found
}
