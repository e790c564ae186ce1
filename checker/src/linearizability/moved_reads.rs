//! Reads whose beginnings are moved into the past, for a bound of staleness in time.

use super::register::RegisterStep;
use histories::{Function, History, NEVER, OpId, Outcome};

/// How far each read of a history can be moved.
pub(super) struct MovedReads<'a> {
    history: &'a History,
    bound_ns: i128,
    /// Completions in their order: the position, and the latest time so far.
    completions: Vec<(u32, i64)>,
}

impl<'a> MovedReads<'a> {
    /// Fails with an operation that has no time. O(n log n).
    pub(super) fn new(history: &'a History, bound_ns: u64) -> Result<Self, OpId> {
        let mut completions = Vec::new();
        for operation in history.operations().filter(|operation| operation.outcome == Outcome::Ok) {
            let completed = history.completed_at(operation.id).ok_or(operation.id)?;
            history.invoked_at(operation.id).ok_or(operation.id)?;
            completions.push((operation.completed, completed));
        }
        completions.sort_unstable();
        let mut latest = i64::MIN;
        for (_, time) in &mut completions {
            latest = latest.max(*time);
            *time = latest;
        }
        Ok(Self { history, bound_ns: i128::from(bound_ns), completions })
    }

    /// The position of the completion before which a read may have begun: the first one within the bound.
    fn first_completion_within_bound(&self, read: OpId) -> Option<u32> {
        let is_read = matches!(self.history.function(read), Function::READ | Function::GET);
        let invoked = self.history.invoked_at(read).filter(|_| is_read)?;
        let earliest = i128::from(invoked) - self.bound_ns;
        let at = self.completions.partition_point(|&(_, latest)| i128::from(latest) < earliest);
        self.completions.get(at).map(|&(position, _)| position)
    }

    /// Moves the beginnings of the reads among some steps, and numbers the positions of all steps anew. Returns the response of each
    /// new position. O(n log n).
    pub(super) fn move_steps(&self, steps: &mut [RegisterStep]) -> Vec<u32> {
        // Twice the position of each event, and an odd number for a moved beginning. Then the step, and whether the event is a response.
        let mut events: Vec<(u64, usize, bool)> = Vec::with_capacity(steps.len() * 2);
        for (at, step) in steps.iter().enumerate() {
            let invoked = 2 * u64::from(step.invoked);
            let first = self.first_completion_within_bound(step.id).filter(|_| step.is_certain());
            let moved = first.map_or(invoked, |first| (2 * u64::from(first)).saturating_sub(1));
            events.push((invoked.min(moved), at, false));
            if step.returned != NEVER {
                events.push((2 * u64::from(step.returned), at, true));
            }
        }
        events.sort_unstable();
        let mut responses = Vec::with_capacity(events.len());
        for (position, &(moment, at, is_response)) in (0u32..).zip(&events) {
            responses.push((moment / 2) as u32);
            match is_response {
                true => steps[at].returned = position,
                false => steps[at].invoked = position,
            }
        }
        steps.sort_unstable_by_key(|step| step.invoked);
        responses
    }
}
