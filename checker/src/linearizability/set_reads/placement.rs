//! The search: events in order, with all branches side by side.

use super::branches::{
    Configurations, ReadBranch, ReadTrace, add_branch, is_certainly_present, is_uncertain,
};
use super::configurations::{
    ElementConfiguration, ElementGoal, NO_TRACE, OpenStep, OpenSteps, StepTrace, reach_goal,
};
use super::problem::SetProblem;
use claims::Limits;
use histories::{NEVER, OpId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;

/// The maximum number of branches at a time.
const BRANCHES_MAX: usize = 1 << 10;
/// A bound on the memory of traces and answers, where the caller allows more: entries.
const TRACES_MAX: usize = 1 << 28;
const TOO_MANY: &str = "too many operations on the set overlap to try all their orders";

/// The result of the search.
pub(super) enum SetSearchResult {
    Order(Vec<OpId>),
    /// No order explains the operations up to the response at this position.
    Dead(u32),
    Unknown(&'static str),
}

#[derive(Clone, Copy)]
enum SetEvent {
    StepBegins(u32),
    StepReturns(u32),
    ReadBegins(u32),
    ReadReturns(u32),
    Silent(OpId),
}

/// Why the search ended early.
enum SearchEnd {
    Dead,
    Unknown(&'static str),
}

pub(super) struct SetSearch<'p> {
    problem: &'p SetProblem,
    /// The configurations of each element, where a branch has none of its own.
    base: Vec<Configurations>,
    open_steps: Vec<OpenSteps>,
    open_elements: BTreeSet<u32>,
    /// Elements with more than one possible state. May contain others.
    uncertain: BTreeSet<u32>,
    /// The open reads by slot, and a number for each distinct answer.
    open_reads: Vec<(u32, u32)>,
    answers: Vec<u32>,
    slot_of_step: FxHashMap<u32, u32>,
    branches: Vec<ReadBranch>,
    step_traces: Vec<StepTrace>,
    read_traces: Vec<ReadTrace>,
    silent: Vec<(u32, OpId)>,
    tick: u32,
    steps_left: u64,
    traces_max: usize,
    /// Where nothing fits: the position, and the element that does not. Only kept if asked for.
    misfits: Option<Vec<(u32, u32)>>,
    now: u32,
    /// The last response of a read for which a branch was given up before that response.
    hopeless_until: u32,
}

impl<'p> SetSearch<'p> {
    pub(super) fn new(problem: &'p SetProblem, limits: &Limits<'_>, keeps_misfits: bool) -> Self {
        let first = |present| ElementConfiguration { present, done: 0, used: [0; 2], trace: NO_TRACE };
        let start: Configurations = match problem.starts_anyhow {
            true => [first(false), first(true)].into(),
            false => [first(false)].into(),
        };
        let uncertain =
            if problem.starts_anyhow { (0..problem.element_count as u32).collect() } else { BTreeSet::new() };
        Self {
            problem,
            base: vec![start; problem.element_count],
            open_steps: vec![OpenSteps::default(); problem.element_count],
            open_elements: BTreeSet::new(),
            uncertain,
            open_reads: Vec::new(),
            answers: number_answers(problem),
            slot_of_step: FxHashMap::default(),
            branches: vec![ReadBranch {
                placed: 0,
                changed: FxHashMap::default(),
                certain: 0,
                trace: NO_TRACE,
            }],
            step_traces: Vec::new(),
            read_traces: Vec::new(),
            silent: Vec::new(),
            tick: 0,
            steps_left: limits.steps,
            traces_max: (limits.bytes / (2 * size_of::<StepTrace>())).min(TRACES_MAX),
            misfits: keeps_misfits.then(Vec::new),
            now: 0,
            hopeless_until: 0,
        }
    }

    /// Decides the problem. One step of the limits is one answer of an element that is looked at.
    pub(super) fn decide(&mut self, limits: &Limits<'_>) -> SetSearchResult {
        for (count, (position, event)) in self.sort_events().into_iter().enumerate() {
            if count & 0xff == 0 && limits.stop_requested() {
                return SetSearchResult::Unknown(Limits::STOPPED);
            }
            self.now = position;
            match self.process_event(event) {
                Ok(()) => {}
                Err(SearchEnd::Dead) => return SetSearchResult::Dead(position.max(self.hopeless_until)),
                Err(SearchEnd::Unknown(why)) => return SetSearchResult::Unknown(why),
            }
            if self.steps_left == 0 || self.step_traces.len() > self.traces_max {
                return SetSearchResult::Unknown(TOO_MANY);
            }
        }
        SetSearchResult::Order(self.write_order())
    }

    /// The elements that did not fit, from a position on.
    pub(super) fn misfits_from(&self, position: u32) -> Vec<u32> {
        let late = self.misfits.iter().flatten().filter(|(at, _)| *at >= position);
        let found: FxHashSet<u32> = late.map(|&(_, element)| element).collect();
        let mut found: Vec<u32> = found.into_iter().collect();
        found.sort_unstable();
        found
    }

    /// The earliest invocation among the reads that are open now.
    pub(super) fn open_since(&self) -> u32 {
        let begun = self.open_reads.iter().map(|&(_, read)| self.problem.reads[read as usize].invoked);
        begun.min().unwrap_or(self.now)
    }

    fn sort_events(&self) -> Vec<(u32, SetEvent)> {
        let mut events: Vec<(u32, SetEvent)> = Vec::new();
        for (number, step) in (0u32..).zip(&self.problem.steps) {
            events.push((step.invoked, SetEvent::StepBegins(number)));
            if step.returned != NEVER {
                events.push((step.returned, SetEvent::StepReturns(number)));
            }
        }
        for (number, read) in (0u32..).zip(&self.problem.reads) {
            events.push((read.invoked, SetEvent::ReadBegins(number)));
            events.push((read.returned, SetEvent::ReadReturns(number)));
        }
        events.extend(self.problem.silent.iter().map(|&(invoked, id)| (invoked, SetEvent::Silent(id))));
        events.sort_unstable_by_key(|&(position, _)| position);
        events
    }

    fn process_event(&mut self, event: SetEvent) -> Result<(), SearchEnd> {
        match event {
            SetEvent::StepBegins(step) => self.begin_step(step),
            SetEvent::ReadBegins(read) => self.begin_read(read),
            SetEvent::StepReturns(step) => self.return_step(step),
            SetEvent::ReadReturns(read) => self.return_read(read),
            SetEvent::Silent(id) => {
                let tick = self.next_tick();
                self.silent.push((tick, id));
                Ok(())
            }
        }
    }

    fn next_tick(&mut self) -> u32 {
        self.tick += 1;
        self.tick
    }

    fn begin_step(&mut self, number: u32) -> Result<(), SearchEnd> {
        let step = self.problem.steps[number as usize];
        let open = &mut self.open_steps[step.element as usize];
        self.open_elements.insert(step.element);
        if step.returned == NEVER {
            open.indeterminate[usize::from(step.access.present_after())].push(number);
            return Ok(());
        }
        let slot = (0..64).find(|slot| open.certain.iter().all(|other| other.slot != *slot));
        let slot = slot.ok_or(SearchEnd::Unknown(TOO_MANY))?;
        open.certain.push(OpenStep { slot, step: number, access: step.access });
        self.slot_of_step.insert(number, slot);
        Ok(())
    }

    fn begin_read(&mut self, number: u32) -> Result<(), SearchEnd> {
        let slot = (0..128).find(|slot| self.open_reads.iter().all(|(other, _)| other != slot));
        self.open_reads.push((slot.ok_or(SearchEnd::Unknown(TOO_MANY))?, number));
        Ok(())
    }

    /// Reads may have been placed before the step. Only those must be tried that cannot as well come right after it: a read
    /// that returned the element as the step left it can always wait.
    fn return_step(&mut self, number: u32) -> Result<(), SearchEnd> {
        let step = self.problem.steps[number as usize];
        let slot = self.slot_of_step.remove(&number).expect("it has begun");
        let after = step.access.present_after();
        let cannot_wait = self.mask_of_reads(|read| read.returned_element(step.element) != after);
        let mut next: Vec<ReadBranch> = Vec::new();
        for branch in std::mem::take(&mut self.branches) {
            for placed in self.place_reads(branch, cannot_wait, false)? {
                if let Some(done) = self.finish_step(placed, step.element, slot)?
                    && !self.is_hopeless(&done, step.element, number)
                {
                    add_branch(&mut next, done, &self.base);
                }
            }
        }
        self.branches = next;
        let open = &mut self.open_steps[step.element as usize];
        open.certain.retain(|other| other.step != number);
        if open.is_empty() {
            self.open_elements.remove(&step.element);
        }
        self.settle_branches()
    }

    fn return_read(&mut self, number: u32) -> Result<(), SearchEnd> {
        let own = self.open_reads.iter().find(|(_, read)| *read == number).expect("it has begun").0;
        let mut next: Vec<ReadBranch> = Vec::new();
        for branch in std::mem::take(&mut self.branches) {
            for mut placed in self.place_reads(branch, 1 << own, true)? {
                placed.placed &= !(1 << own);
                add_branch(&mut next, placed, &self.base);
            }
        }
        if !next.is_empty() {
            self.open_reads.retain(|(_, read)| *read != number);
        }
        self.branches = next;
        self.settle_branches()
    }

    /// A single branch becomes what all later ones begin with.
    fn settle_branches(&mut self) -> Result<(), SearchEnd> {
        if self.branches.len() > BRANCHES_MAX {
            return Err(SearchEnd::Unknown(TOO_MANY));
        }
        if let [only] = &mut self.branches[..] {
            for (element, new) in only.changed.drain() {
                if is_uncertain(&new) {
                    self.uncertain.insert(element);
                } else {
                    self.uncertain.remove(&element);
                }
                self.base[element as usize] = new;
            }
        }
        if self.branches.is_empty() { Err(SearchEnd::Dead) } else { Ok(()) }
    }

    fn mask_of_reads(&self, wanted: impl Fn(&super::problem::WholeRead) -> bool) -> u128 {
        let chosen = self.open_reads.iter().filter(|(_, read)| wanted(&self.problem.reads[*read as usize]));
        chosen.fold(0, |mask, (slot, _)| mask | 1 << slot)
    }

    /// Places open reads in every order that ends with one of `last`. If `must`, one of these must be placed; otherwise the
    /// branch itself is among the results.
    fn place_reads(
        &mut self,
        branch: ReadBranch,
        last: u128,
        must: bool,
    ) -> Result<Vec<ReadBranch>, SearchEnd> {
        if last & !branch.placed == 0 {
            return Ok(vec![branch]);
        }
        let mut results = if must { Vec::new() } else { vec![branch.clone()] };
        let (mut tried, mut next) = (vec![branch], 0);
        while next < tried.len() {
            let from = tried[next].clone();
            next += 1;
            for (slot, read) in self.open_reads.clone() {
                if from.placed >> slot & 1 == 1 {
                    continue;
                }
                let Some(placed) = self.place_read(&from, read)? else { continue };
                let left = last & !placed.placed;
                if last & placed.placed & !from.placed != 0 {
                    add_branch(&mut results, placed.clone(), &self.base);
                    if must {
                        continue;
                    }
                }
                if left != 0 {
                    let count = tried.len();
                    add_tried(&mut tried, placed, &self.base);
                    if tried.len() > BRANCHES_MAX && tried.len() > count {
                        return Err(SearchEnd::Unknown(TOO_MANY));
                    }
                }
            }
        }
        Ok(results)
    }

    /// Places a read, and with it all open reads that returned the same. `None` if an element does not fit.
    fn place_read(&mut self, branch: &ReadBranch, number: u32) -> Result<Option<ReadBranch>, SearchEnd> {
        let read = &self.problem.reads[number as usize];
        self.steps_left = self.steps_left.saturating_sub(1 + read.elements.len() as u64);
        // A cheap test that most reads fail that come too early or too late.
        let most = read.elements.len() + self.open_elements.len();
        if !read.possible || (branch.certain > most && self.misfits.is_none()) {
            return Ok(None);
        }
        let tick = self.next_tick();
        let mut changes: Vec<(u32, Configurations)> = Vec::new();
        let mut expected = 0;
        for element in self.open_elements.clone() {
            let present = read.returned_element(element);
            let found = branch.configurations(&self.base, element);
            expected += usize::from(!present && is_certainly_present(found));
            match self.limit_element(branch, element, ElementGoal::Is(present), tick)? {
                Some(new) if new.is_empty() => return Ok(self.note_misfit(element)),
                Some(new) => changes.push((element, new)),
                None => {}
            }
        }
        for &element in &read.elements {
            let found = branch.configurations(&self.base, element);
            expected += usize::from(is_certainly_present(found));
            if !self.open_elements.contains(&element) {
                match keep_if_present(found, true) {
                    Some(new) if new.is_empty() => return Ok(self.note_misfit(element)),
                    Some(new) => changes.push((element, new)),
                    None => {}
                }
            }
        }
        // Elements that are certainly present must be among those that the read returned, or be made absent by an open step.
        if branch.certain != expected {
            return Ok(self.note_missing(branch, number));
        }
        for &element in &self.uncertain {
            let found = branch.configurations(&self.base, element);
            if !read.returned_element(element) && !self.open_elements.contains(&element) {
                changes.extend(keep_if_present(found, false).map(|new| (element, new)));
            }
        }
        let mut placed = branch.clone();
        for (element, new) in changes {
            placed.set_configurations(&self.base, element, new);
        }
        let answer = self.answers[number as usize];
        for &(slot, other) in &self.open_reads {
            if self.answers[other as usize] == answer && placed.placed >> slot & 1 == 0 {
                placed.placed |= 1 << slot;
                self.read_traces.push(ReadTrace { before: placed.trace, read: other, tick });
                placed.trace = self.read_traces.len() as u32 - 1;
            }
        }
        Ok(Some(placed))
    }

    /// The configurations of an element in which the goal is met. `None` if it is met in all.
    fn limit_element(
        &mut self,
        branch: &ReadBranch,
        element: u32,
        goal: ElementGoal,
        tick: u32,
    ) -> Result<Option<Configurations>, SearchEnd> {
        let found = branch.configurations(&self.base, element);
        if found.iter().all(|each| goal.is_met_by(each)) {
            return Ok(None);
        }
        let open = &self.open_steps[element as usize];
        self.steps_left = self.steps_left.saturating_sub(found.len() as u64);
        let met = reach_goal(found, open, goal, tick, &mut self.step_traces);
        met.map(|met| Some(met.into())).ok_or(SearchEnd::Unknown(TOO_MANY))
    }

    /// Ends a step in a branch. `None` if the step cannot be done.
    fn finish_step(
        &mut self,
        mut branch: ReadBranch,
        element: u32,
        slot: u32,
    ) -> Result<Option<ReadBranch>, SearchEnd> {
        let tick = self.next_tick();
        let limited = self.limit_element(&branch, element, ElementGoal::Done(slot), tick)?;
        let found = limited.unwrap_or_else(|| branch.configurations(&self.base, element).clone());
        if found.is_empty() {
            return Ok(self.note_misfit(element));
        }
        let freed = found.iter().map(|each| ElementConfiguration { done: each.done & !(1 << slot), ..*each });
        let new: Configurations = freed.collect();
        if is_uncertain(&new) {
            self.uncertain.insert(element);
        }
        branch.set_configurations(&self.base, element, new);
        Ok(Some(branch))
    }

    /// Whether an open read can no longer be placed, because no step can make the element what it returned before it ends.
    fn is_hopeless(&mut self, branch: &ReadBranch, element: u32, ended: u32) -> bool {
        let found = branch.configurations(&self.base, element);
        let open = &self.open_steps[element as usize];
        let can_become = |present: bool| {
            found.iter().any(|each| each.present == present || open.can_make(each, present, ended))
        };
        let can_be = [can_become(false), can_become(true)];
        let open = self.open_reads.iter().filter(|(slot, _)| branch.placed >> slot & 1 == 0);
        let hopeless = open.map(|&(_, read)| &self.problem.reads[read as usize]).filter(|read| {
            let wanted = read.returned_element(element);
            !can_be[usize::from(wanted)] && !self.is_made_between(element, wanted, self.now, read.returned)
        });
        let Some(until) = hopeless.map(|read| read.returned).min() else { return false };
        self.hopeless_until = self.hopeless_until.max(until);
        self.note_misfit(element);
        true
    }

    /// Whether some step that begins between two positions can make an element present, or absent.
    fn is_made_between(&self, element: u32, present: bool, from: u32, until: u32) -> bool {
        let steps = &self.problem.steps_of[element as usize];
        let step_at = |&step: &u32| &self.problem.steps[step as usize];
        let later = &steps[steps.partition_point(|step| step_at(step).invoked <= from)..];
        let mut begun = later.iter().map(step_at).take_while(|step| step.invoked < until);
        begun.any(|step| step.access.changes_to(present))
    }

    fn note_misfit(&mut self, element: u32) -> Option<ReadBranch> {
        let now = self.now;
        self.misfits.iter_mut().for_each(|misfits| misfits.push((now, element)));
        None
    }

    /// Notes the elements that are certainly present and that a read did not return.
    fn note_missing(&mut self, branch: &ReadBranch, read: u32) -> Option<ReadBranch> {
        if self.misfits.is_some() {
            let read = &self.problem.reads[read as usize];
            let missing = (0..self.base.len() as u32).filter(|&element| {
                is_certainly_present(branch.configurations(&self.base, element))
                    && !read.returned_element(element)
                    && !self.open_elements.contains(&element)
            });
            let missing: Vec<u32> = missing.collect();
            for element in missing {
                self.note_misfit(element);
            }
        }
        None
    }

    /// The order of a branch that explains everything.
    fn write_order(&self) -> Vec<OpId> {
        let branch = &self.branches[0];
        // Steps come before the reads for which they were done.
        let mut order: Vec<(u32, bool, OpId)> =
            self.silent.iter().map(|&(tick, id)| (tick, true, id)).collect();
        for element in 0..self.base.len() as u32 {
            let begin = order.len();
            let mut at = branch.configurations(&self.base, element)[0].trace;
            while at != NO_TRACE {
                let trace = self.step_traces[at as usize];
                order.push((trace.tick, false, self.problem.steps[trace.step as usize].id));
                at = trace.before;
            }
            order[begin..].reverse();
        }
        let mut at = branch.trace;
        while at != NO_TRACE {
            let trace = self.read_traces[at as usize];
            order.push((trace.tick, true, self.problem.reads[trace.read as usize].id));
            at = trace.before;
        }
        // Stable: steps on one element at one tick keep their order.
        order.sort_by_key(|&(tick, is_read, _)| (tick, is_read));
        order.into_iter().map(|(_, _, id)| id).collect()
    }
}

/// Adds a branch to those to continue from, unless the same future is there.
fn add_tried(tried: &mut Vec<ReadBranch>, new: ReadBranch, base: &[Configurations]) {
    if !tried.iter().any(|other| other.placed == new.placed && other.covers(&new, base)) {
        tried.push(new);
    }
}

/// The configurations in which an element is present, or absent. `None` if it is so in all.
fn keep_if_present(found: &Configurations, present: bool) -> Option<Configurations> {
    let is_so = |each: &&ElementConfiguration| each.present == present;
    (!found.iter().all(|each| is_so(&each))).then(|| found.iter().filter(is_so).copied().collect())
}

/// A number for the answer of each read, the same for the same answer.
fn number_answers(problem: &SetProblem) -> Vec<u32> {
    let mut numbers: FxHashMap<&[u32], u32> = FxHashMap::default();
    let mut answers = Vec::with_capacity(problem.reads.len());
    for read in &problem.reads {
        let next = numbers.len() as u32;
        answers.push(*numbers.entry(&read.elements).or_insert(next));
    }
    answers
}
