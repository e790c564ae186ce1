//! Shrinks a conflict of a queue, stack or priority queue to a core. The core has the operations on a few values. Without any one of these
//! values, the other operations can be explained.

use super::{Discipline, MonitorResult, decide_by_monitor};
use crate::linearizability::search::{CallSearchResult, TimedCall, decide_by_search};
use claims::specification::Specification;
use claims::{Core, Limits};
use histories::{KeyId, NEVER, ValueId};
use rustc_hash::FxHashMap;

/// How many calls the attempts to leave something out may look at: about a second.
const EFFORT: u64 = 3_000_000;
/// How many steps of search one attempt may take, where the monitor does not decide.
const SEARCH_EFFORT: u64 = 20_000;

/// Shrinks calls that no order explains, together with the removals without an answer, to a core. None if the caller asks
/// to stop before it is known that no order explains them.
pub(in crate::linearizability) fn shrink_container_core<M: Specification>(
    model: &M,
    discipline: Discipline<'_>,
    key: KeyId,
    calls: &[TimedCall],
    conflict: &[u32],
    limits: &Limits<'_>,
) -> Option<Core> {
    let mut shrinking = ContainerShrinking {
        model,
        discipline,
        calls,
        unanswered: (0..calls.len() as u32)
            .filter(|&call| discipline.is_unanswered_removal(&calls[call as usize]))
            .collect(),
        effort: EFFORT,
        limits,
    };
    let mut groups = shrinking.group_by_value(conflict);
    if !shrinking.is_impossible(&groups) {
        if limits.stop_requested() {
            return None;
        }
        debug_assert!(false, "a monitor reported a conflict that can be explained");
        let all: Vec<u32> = (0..calls.len() as u32).collect();
        groups = shrinking.group_by_value(&all);
    }
    shrinking.leave_out_groups(&mut groups);
    let (mut core, mut until) = shrinking.select_calls(&groups);
    let can_be_cut = shrinking.unanswered.is_empty();
    if can_be_cut {
        (core, until) = shrinking.cut_end(core, until);
    }
    Some(Core {
        key,
        operations: core.iter().map(|call| call.id).collect(),
        writes_only: Vec::new(),
        from: None,
        until,
        minimal: can_be_cut && shrinking.effort > 0 && !limits.stop_requested(),
    })
}

impl Discipline<'_> {
    fn is_unanswered_removal(self, call: &TimedCall) -> bool {
        call.call.function == self.removal() && call.call.output.is_none()
    }
}

struct ContainerShrinking<'a, M> {
    limits: &'a Limits<'a>,
    model: &'a M,
    discipline: Discipline<'a>,
    calls: &'a [TimedCall],
    /// The removals without an answer.
    unanswered: Vec<u32>,
    /// How many calls may still be looked at.
    effort: u64,
}

impl<M: Specification> ContainerShrinking<'_, M> {
    /// The calls of the conflict by value, and each empty removal by itself, in order of time.
    fn group_by_value(&self, conflict: &[u32]) -> Vec<Vec<u32>> {
        let mut groups: Vec<Vec<u32>> = Vec::new();
        let mut group_of: FxHashMap<ValueId, usize> = FxHashMap::default();
        let mut sorted = conflict.to_vec();
        sorted.sort_unstable_by_key(|&call| self.calls[call as usize].invoked);
        for place in sorted {
            let call = &self.calls[place as usize].call;
            let value =
                if call.function == self.discipline.removal() { call.output } else { Some(call.value()) };
            match value {
                None => {}
                Some(ValueId::NULL) => groups.push(vec![place]),
                Some(value) => {
                    let group = *group_of.entry(value).or_insert(groups.len());
                    if group == groups.len() {
                        groups.push(Vec::new());
                    }
                    groups[group].push(place);
                }
            }
        }
        groups
    }

    /// Leaves out groups, large pieces first, as long as no order explains the rest.
    fn leave_out_groups(&mut self, groups: &mut Vec<Vec<u32>>) {
        let mut piece = groups.len().div_ceil(2);
        while piece > 0 {
            let mut at = 0;
            while at < groups.len() && self.effort > 0 {
                let end = (at + piece).min(groups.len());
                let fewer = [&groups[..at], &groups[end..]].concat();
                if self.is_impossible(&fewer) {
                    *groups = fewer;
                } else {
                    at = end;
                }
            }
            piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
        }
    }

    /// Whether no order explains the calls of these groups. Also false if the effort runs out before that is known.
    fn is_impossible(&mut self, groups: &[Vec<u32>]) -> bool {
        let (calls, _) = self.select_calls(groups);
        self.are_impossible(&calls)
    }

    /// The earliest end of the core: the calls that began by then, with those that returned later left open. Beginnings of a
    /// history that has an order have one too, so the end can be found by bisection.
    fn cut_end(&mut self, calls: Vec<TimedCall>, until: u32) -> (Vec<TimedCall>, u32) {
        let mut ends: Vec<u32> = calls.iter().map(|call| call.returned).filter(|&end| end < until).collect();
        ends.sort_unstable();
        let cut = |end: u32| -> Vec<TimedCall> {
            let begun = calls.iter().filter(|call| call.invoked <= end).cloned();
            begun
                .map(|mut call| {
                    if call.returned > end {
                        (call.returned, call.call.output) = (NEVER, None);
                    }
                    call
                })
                .collect()
        };
        let (mut possible, mut impossible) = (0, ends.len());
        while possible < impossible && self.effort > 0 {
            let middle = possible.midpoint(impossible);
            match self.are_impossible(&cut(ends[middle])) {
                true => impossible = middle,
                false => possible = middle + 1,
            }
        }
        match ends.get(impossible) {
            Some(&end) => (cut(end), end),
            None => (calls, until),
        }
    }

    /// Whether no order explains these calls. Also false if the effort runs out before that is known.
    fn are_impossible(&mut self, calls: &[TimedCall]) -> bool {
        if self.effort == 0 || self.limits.stop_requested() {
            self.effort = 0;
            return false;
        }
        self.effort = self.effort.saturating_sub(1 + calls.len() as u64);
        match decide_by_monitor(self.discipline, calls, self.limits) {
            MonitorResult::Conflict(_) => true,
            MonitorResult::Order(_) | MonitorResult::Stopped => false,
            MonitorResult::Undecided => {
                let limits = Limits { steps: SEARCH_EFFORT, bytes: 64 << 20, stop: self.limits.stop };
                let (found, spent) = decide_by_search(self.model, calls, &limits);
                self.effort = self.effort.saturating_sub(spent * 10);
                matches!(found, CallSearchResult::Dead(_))
            }
        }
    }

    /// The calls of some groups and the removals without an answer that can take one of their elements, and the position
    /// at which the last certain call returned.
    fn select_calls(&self, groups: &[Vec<u32>]) -> (Vec<TimedCall>, u32) {
        let mut places: Vec<u32> = groups.iter().flatten().copied().collect();
        let returns = places.iter().map(|&place| self.calls[place as usize].returned);
        let until = returns.filter(|&returned| returned != NEVER).max().unwrap_or(NEVER);
        // A value remains if nothing but its insertion is there.
        let remains = |group: &Vec<u32>| matches!(group[..], [one] if self.calls[one as usize].call.function == self.discipline.insertion());
        if groups.iter().any(remains) {
            let started = |&&place: &&u32| self.calls[place as usize].invoked < until;
            places.extend(self.unanswered.iter().filter(started));
        }
        places.sort_unstable_by_key(|&place| self.calls[place as usize].invoked);
        (places.into_iter().map(|place| self.calls[place as usize].clone()).collect(), until)
    }
}
