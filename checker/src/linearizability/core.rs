//! Shrinks a violation to a core: operations on one object of which none can be left out.
//!
//! The following may be left out without making the rest look worse than the whole. If the whole has an order, so has
//! the rest without:
//!
//! * a read, because it changes nothing;
//! * a blind write of a value that no remaining operation wants, because no remaining operation observes it;
//! * the *condition* of a compare-and-set, which then counts as a blind write;
//! * everything after some response, where operations that are still open then count as indeterminate;
//! * everything that returned before some moment. The register may then hold any value at that moment. Reads that were
//!   open at that moment are left out, and open writes count as indeterminate.
//!
//! So if the rest is impossible, the whole is. The crate `verifier` checks each of these rules again on the finished
//! core, and tries every order of it.

use super::frontier::{self, FrontierResult, FrontierWidth, Refinement};
use super::register::{Access, RegisterStep};
use super::search::{self, CallSearchResult, TimedCall};
use super::zones::{self, ZonesResult};
use claims::specification::Specification;
use claims::{Core, Limits};
use histories::{KeyId, NEVER, OpId, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::atomic::AtomicBool;

/// How many steps of search one core may take: enough for windows of hundreds of operations, and seconds at most.
const EFFORT: u64 = 20_000_000;
/// The same for other models, whose states can be long.
const MODEL_EFFORT: u64 = 50_000;

/// How many sets of values are tried.
const SETS_MAX: usize = 16;

/// Stands for any value that no operation mentions.
const OTHER: ValueId = ValueId::from_raw(u32::MAX - 1);

/// Shrinks the steps, which are known to be impossible for a register with this initial value, to a smallest core.
///
/// `values` is a set of values that suffices to show it, perhaps together with one more, if given; `dead` is a response up to which it
/// shows, if known.
pub(super) fn shrink_register_core(
    key: KeyId,
    conditions: Conditions,
    steps: &[RegisterStep],
    initial: ValueId,
    values: Option<&[ValueId]>,
    (dead, windows): (Option<u32>, Windows),
) -> Core {
    let mut part = RegisterPart {
        steps: steps.to_vec(),
        conditions,
        from: None,
        initials: vec![initial],
        effort: EFFORT,
    };
    let mut until = dead;
    if let (Some(values), Conditions::MayGo) = (values, conditions) {
        part.restrict_to_few_values(values);
    }
    match (dead, values) {
        (Some(dead), None) => {
            part.cut_after(dead);
            if windows == Windows::Anywhere {
                part = part.into_latest_window();
            }
        }
        // Operations on few values may take longer to show it. They go back to where the values were written, so no window is tried.
        (Some(dead), Some(_)) => {
            let mut shorter = part.clone();
            shorter.cut_after(dead);
            until = part.replace_if_impossible(shorter).then_some(dead);
        }
        (None, _) => {}
    }
    part.reduce_all();
    let (place, left): (FxHashMap<OpId, Access>, _) =
        (steps.iter().map(|step| (step.id, step.access)).collect(), part.steps.iter());
    Core {
        key,
        operations: left.clone().map(|step| step.id).collect(),
        writes_only: left.filter(|step| place[&step.id] != step.access).map(|step| step.id).collect(),
        from: part.from,
        until: until.unwrap_or(NEVER),
        minimal: part.effort > 0,
    }
}

/// Where a core may begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Windows {
    /// At any moment: the register may then hold any value at that moment.
    Anywhere,
    /// At the beginning of the history.
    FromTheBeginning,
}

/// Whether a compare-and-set may count as a blind write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Conditions {
    /// It may.
    MayGo,
    /// It may not: it is an operation of a lock, and those are not writes to the user.
    Stay,
}

/// A part of the steps of a register, under weaker conditions.
#[derive(Clone)]
struct RegisterPart {
    steps: Vec<RegisterStep>,
    conditions: Conditions,
    from: Option<u32>,
    initials: Vec<ValueId>,
    /// The steps of search that are left.
    effort: u64,
}

impl RegisterPart {
    /// Whether no order explains the part. Also false if the effort runs out before that is known.
    fn is_impossible(&mut self) -> bool {
        self.effort = self.effort.saturating_sub(self.steps.len() as u64);
        if self.effort == 0 {
            return false;
        }
        if let [initial] = self.initials[..] {
            match zones::decide_by_zones(&self.wanted_steps(), initial) {
                ZonesResult::Conflict(_) => return true,
                ZonesResult::Order(_) => return false,
                ZonesResult::Ambiguous => {}
            }
        }
        let stop = AtomicBool::new(false);
        let limits = Limits { steps: self.effort.min(EFFORT / 10), bytes: 256 << 20, stop: &stop };
        let steps = self.wanted_steps();
        let (found, spent) = frontier::decide_by_refinement(&steps, &self.initials, &limits);
        self.effort = self.effort.saturating_sub(spent);
        match found {
            Refinement::Dead(..) => return true,
            Refinement::Order(_) => return false,
            Refinement::Undecided => {}
        }
        let (found, spent) =
            frontier::decide_by_frontier(&steps, &self.initials, FrontierWidth::Whole, &limits);
        self.effort = self.effort.saturating_sub(spent);
        matches!(found, FrontierResult::Dead(_))
    }

    /// Replaces this part by the other part if that is impossible too. The effort of the attempt is spent either way.
    fn replace_if_impossible(&mut self, mut other: RegisterPart) -> bool {
        let smaller = other.is_impossible();
        self.effort = other.effort;
        if smaller {
            *self = other;
        }
        smaller
    }

    fn wanted_steps(&self) -> Vec<RegisterStep> {
        let mut steps = self.steps.clone();
        super::register::drop_unwanted_steps(&mut steps);
        steps
    }

    /// Leaves out all operations on other values than these, or than these and one more, if what is left is impossible.
    fn restrict_to_few_values(&mut self, values: &[ValueId]) {
        if self.steps.iter().any(|step| matches!(step.access, Access::Differs(_))) {
            return;
        }
        let few: FxHashSet<ValueId> = values.iter().copied().collect();
        let written: FxHashSet<ValueId> = self.steps.iter().filter_map(RegisterStep::written_value).collect();
        let mut others: Vec<ValueId> = written.difference(&few).copied().collect();
        others.sort_unstable();
        let sets = others.iter().map(|&other| few.iter().copied().chain([other]).collect());
        for values in [few.clone()].into_iter().chain(sets).take(SETS_MAX) {
            if self.replace_if_impossible(self.restricted_to_values(&values)) {
                return;
            }
        }
    }

    /// The part without the operations on other values.
    fn restricted_to_values(&self, values: &FxHashSet<ValueId>) -> RegisterPart {
        let about = |step: &RegisterStep| match step.access {
            Access::Read(value) | Access::Write(value) if !values.contains(&value) => None,
            Access::Cas(old, new) if !values.contains(&old) => {
                values.contains(&new).then_some(RegisterStep { access: Access::Write(new), ..*step })
            }
            _ => Some(*step),
        };
        RegisterPart { steps: self.steps.iter().filter_map(about).collect(), ..self.clone() }
    }

    /// Ends the part with the response at a position.
    fn cut_after(&mut self, position: u32) {
        self.steps.retain_mut(|step| {
            let is_open = step.returned > position;
            if is_open {
                step.returned = NEVER;
            }
            step.invoked < position && (!is_open || step.written_value().is_some())
        });
    }

    /// Begins the part at the latest moment from which it is impossible whatever the register held then.
    fn into_latest_window(mut self) -> RegisterPart {
        if self.steps.iter().any(|step| matches!(step.access, Access::Differs(_))) {
            return self;
        }
        let whole = self.clone();
        let mut invocations: Vec<u32> = self.steps.iter().map(|step| step.invoked).collect();
        invocations.sort_unstable();
        // The window doubles each time, so the windows that are tried are hardly longer than the one that is found.
        let mut back = 8;
        let found = loop {
            let Some(at) = invocations.len().checked_sub(back) else {
                return RegisterPart { effort: self.effort, ..whole };
            };
            if self.replace_if_impossible(whole.window_from(invocations[at], self.effort)) {
                break at;
            }
            back *= 2;
        };
        let (mut works, mut fails) = (found, (found + back / 2).min(invocations.len()));
        while works + 1 < fails {
            let middle = works.midpoint(fails);
            if self.replace_if_impossible(whole.window_from(invocations[middle], self.effort)) {
                works = middle;
            } else {
                fails = middle;
            }
        }
        self
    }

    fn window_from(&self, from: u32, effort: u64) -> RegisterPart {
        let mut steps: Vec<RegisterStep> =
            self.steps.iter().filter(|step| step.returned >= from).copied().collect();
        steps.retain_mut(|step| {
            let is_open = step.invoked < from;
            if is_open {
                step.returned = NEVER;
            }
            !is_open || step.written_value().is_some()
        });
        let wanted: FxHashSet<ValueId> = steps.iter().filter_map(RegisterStep::wanted_value).collect();
        let mut initials: Vec<ValueId> = wanted.into_iter().collect();
        initials.sort_unstable();
        initials.push(OTHER);
        RegisterPart { steps, from: Some(from), initials, effort, conditions: self.conditions }
    }

    /// Leaves out all that can be left out, large pieces first, until nothing more can.
    fn reduce_all(&mut self) {
        loop {
            let before = self.steps.len();
            self.reduce_values();
            self.reduce_steps();
            if !self.weaken_conditions() && self.steps.len() == before {
                return;
            }
        }
    }

    /// Leaves out all operations on some values: half of the values, a quarter, …, one.
    fn reduce_values(&mut self) {
        if self.conditions == Conditions::Stay
            || self.steps.iter().any(|step| matches!(step.access, Access::Differs(_)))
        {
            return;
        }
        let mut values: Vec<ValueId> = {
            let all: FxHashSet<ValueId> = self
                .steps
                .iter()
                .flat_map(|s| s.wanted_value().into_iter().chain(s.written_value()))
                .collect();
            all.into_iter().collect()
        };
        values.sort_unstable();
        let mut piece = values.len().div_ceil(2);
        while piece > 0 {
            let mut at = 0;
            while at < values.len() {
                let end = (at + piece).min(values.len());
                let kept: Vec<ValueId> = [&values[..at], &values[end..]].concat();
                if self.replace_if_impossible(self.restricted_to_values(&kept.iter().copied().collect())) {
                    values = kept;
                } else {
                    at = end;
                }
            }
            piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
        }
    }

    /// Leaves out reads, and writes of values that no other step wants.
    fn reduce_steps(&mut self) {
        let mut piece = self.steps.len().div_ceil(2);
        while piece > 0 {
            let mut at = 0;
            while at < self.steps.len() {
                let end = (at + piece).min(self.steps.len());
                let (few, before) = (self.without_steps(at..end), self.steps.len());
                if few.steps.len() < before && self.replace_if_impossible(few) {
                    at = end - (before - self.steps.len());
                } else {
                    at = end;
                }
            }
            piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
        }
    }

    fn without_steps(&self, range: std::ops::Range<usize>) -> RegisterPart {
        // Compare-and-sets stay even inside the range, so the values that they want stay wanted.
        let stays = |at: &usize| !range.contains(at) || matches!(self.steps[*at].access, Access::Cas(..));
        let rest = (0..self.steps.len()).filter(stays).map(|at| self.steps[at]);
        let wanted: FxHashSet<ValueId> = rest.filter_map(|step| step.wanted_value()).collect();
        let differs = self.steps.iter().any(|step| matches!(step.access, Access::Differs(_)));
        let may_go = |step: &RegisterStep| match step.access {
            Access::Read(_) | Access::Differs(_) => true,
            Access::Write(value) => !differs && !wanted.contains(&value),
            Access::Cas(..) => false,
        };
        let kept = |&at: &usize| !range.contains(&at) || !may_go(&self.steps[at]);
        let steps = (0..self.steps.len()).filter(kept).map(|at| self.steps[at]).collect();
        RegisterPart { steps, ..self.clone() }
    }

    /// Removes the condition of each compare-and-set where possible. Returns whether it was possible for any.
    fn weaken_conditions(&mut self) -> bool {
        let mut any = false;
        if self.conditions == Conditions::Stay {
            return false;
        }
        for at in 0..self.steps.len() {
            if let Access::Cas(_, new) = self.steps[at].access {
                let mut weaker = self.clone();
                weaker.steps[at].access = Access::Write(new);
                any |= self.replace_if_impossible(weaker);
            }
        }
        any
    }
}

/// Shrinks calls that are known to be impossible up to a response to a small core, by leaving out reads.
pub(super) fn shrink_model_core<M: Specification>(
    model: &M,
    key: KeyId,
    calls: &[TimedCall],
    dead: u32,
) -> Core {
    let mut kept: Vec<TimedCall> = calls.iter().filter(|call| call.invoked < dead).cloned().collect();
    for call in kept.iter_mut().filter(|call| call.returned > dead) {
        call.returned = NEVER;
    }
    kept.retain(|call| call.returned != NEVER || !model.is_read(&call.call));
    let stop = AtomicBool::new(false);
    let mut effort = MODEL_EFFORT;
    let mut piece = kept.len().div_ceil(2);
    while piece > 0 && effort > 0 {
        let mut at = 0;
        while at < kept.len() && effort > 0 {
            let end = (at + piece).min(kept.len());
            let goes =
                |place: usize, call: &TimedCall| (at..end).contains(&place) && model.is_read(&call.call);
            let fewer: Vec<TimedCall> = kept
                .iter()
                .enumerate()
                .filter(|(place, call)| !goes(*place, call))
                .map(|(_, call)| call.clone())
                .collect();
            let gone = kept.len() - fewer.len();
            let limits = Limits { steps: effort, bytes: 256 << 20, stop: &stop };
            let (found, spent) = if gone == 0 {
                (CallSearchResult::Order(vec![]), 0)
            } else {
                search::decide_by_search(model, &fewer, &limits)
            };
            effort = effort.saturating_sub(spent + kept.len() as u64);
            if let CallSearchResult::Dead(_) = found {
                kept = fewer;
                at = end - gone;
            } else {
                at = end;
            }
        }
        piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
    }
    Core {
        key,
        operations: kept.iter().map(|call| call.id).collect(),
        writes_only: Vec::new(),
        from: None,
        until: dead,
        minimal: effort > 0,
    }
}
