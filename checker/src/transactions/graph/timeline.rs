//! Real-time order in O(n): a chain of moments.
//!
//! Walk through the events in order and let a new moment begin at each completion that follows an
//! invocation. A transaction completed *into* the moment that its completion belongs to; it was invoked *at*
//! the last moment before its invocation. Then a completed before b was invoked exactly if a's moment is b's
//! or an earlier one. Operations are numbered by invocation, so those invoked at a moment are a range, and
//! the chain takes no edges: two arrays say it all.

use histories::{History, Id, NEVER, Outcome};
use std::ops::Range;

const NONE: u32 = u32::MAX;

pub(crate) struct RealTimeChain {
    /// The moment that each operation completed into.
    after: Vec<u32>,
    /// The first operation invoked at each moment, and one more at the end.
    invoked: Vec<u32>,
}

impl RealTimeChain {
    /// O(events). Only operations that completed (`ok`) come before others.
    pub(crate) fn new(history: &History) -> Self {
        let mut completions = vec![NONE; history.event_count() as usize];
        for operation in history.operations() {
            if operation.outcome == Outcome::Ok && operation.completed != NEVER {
                completions[operation.completed as usize] = operation.id.raw();
            }
        }
        let mut after = vec![NONE; history.len()];
        let mut invoked: Vec<u32> = Vec::new();
        let mut next = 0u32;
        let mut open = false; // whether the current moment still takes completions
        for (position, &completed) in completions.iter().enumerate() {
            if completed == NONE {
                let id = histories::OpId::from_raw(next);
                if id.index() < history.len() && history.operation(id).invoked as usize == position {
                    next += 1;
                    open = false;
                }
                continue;
            }
            if !open {
                invoked.push(next);
                open = true;
            }
            after[completed as usize] = invoked.len() as u32 - 1;
        }
        invoked.push(history.len() as u32);
        Self { after, invoked }
    }

    pub(crate) fn moment_count(&self) -> usize {
        self.invoked.len() - 1
    }

    pub(crate) fn moment_after(&self, op: u32) -> Option<u32> {
        Some(self.after[op as usize]).filter(|&moment| moment != NONE)
    }

    /// The last moment before an operation was invoked. O(log moments).
    pub(crate) fn moment_before(&self, op: u32) -> Option<u32> {
        let moments = &self.invoked[..self.moment_count()];
        (moments.partition_point(|&first| first <= op) as u32).checked_sub(1)
    }

    /// The operations invoked at a moment, before the next one.
    pub(crate) fn invoked_at(&self, moment: u32) -> Range<u32> {
        self.invoked[moment as usize]..self.invoked[moment as usize + 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::notation::parse;

    /// The moments must say of every two operations what their events say.
    #[test]
    fn moments_are_real_time_order() {
        let history = parse(super::super::OVERLAPPING).unwrap();
        let timeline = RealTimeChain::new(&history);
        let moment_of_invocation = |op: u32| {
            (0..timeline.moment_count() as u32).find(|&moment| timeline.invoked_at(moment).contains(&op))
        };
        for a in history.operations() {
            for b in history.operations() {
                let chained = match (timeline.moment_after(a.id.raw()), moment_of_invocation(b.id.raw())) {
                    (Some(a), Some(b)) => a <= b,
                    _ => false,
                };
                assert_eq!(chained, a.precedes(&b), "{a:?} {b:?}");
            }
        }
    }
}
