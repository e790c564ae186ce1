//! Tries every order of a few operations of one object.

use super::Moment;
use crate::watch::Watch;
use claims::specification::{Call, Specification};
use std::collections::HashSet;

/// An operation of a core.
#[derive(Clone)]
pub(super) struct CoreOperation {
    pub(super) call: Call,
    pub(super) invoked: Moment,
    /// The last moment of all if the operation may or may not have taken effect.
    pub(super) returned: Moment,
}

/// Whether some order of operations is legal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LegalOrder {
    Exists,
    None,
    /// The effort ended before all orders had been tried.
    NotKnown,
}

/// A search for a legal order from one of several states.
pub(super) struct OrderSearch<'a, S: Specification> {
    pub(super) model: &'a S,
    pub(super) states: &'a [S::State],
    pub(super) watch: &'a Watch<'a>,
}

impl<S: Specification> OrderSearch<'_, S> {
    /// Whether some order of the operations is legal.
    ///
    /// Visits each pair of (operations done, state) once: at most 2^k times the number of states for k concurrent operations. The effort
    /// is counted in operations scanned, plus a multiple of the bytes of states. What is spent is taken off `effort`.
    pub(super) fn find_legal_order(&self, operations: &[CoreOperation], effort: &mut u64) -> LegalOrder {
        let words = operations.len().div_ceil(64).max(1);
        let mut todo: Vec<(Vec<u64>, S::State)> =
            self.states.iter().map(|state| (vec![0; words], state.clone())).collect();
        let mut tried: HashSet<(Vec<u64>, S::State)> = HashSet::new();
        while let Some((happened, state)) = todo.pop() {
            if !self.watch.has_time_after(operations.len() as u64) {
                return LegalOrder::NotKnown;
            }
            let Some(left) = effort.checked_sub(operations.len() as u64) else {
                return LegalOrder::NotKnown;
            };
            *effort = left;
            let is_left = |at: &usize| happened[at / 64] >> (at % 64) & 1 == 0;
            let returns = (0..operations.len()).filter(is_left).map(|at| operations[at].returned);
            let first_return = returns.min().unwrap_or(Moment::MAX);
            if first_return == Moment::MAX {
                return LegalOrder::Exists;
            }
            let may_be_next = |at: &usize| operations[*at].invoked < first_return;
            for at in (0..operations.len()).filter(is_left).filter(may_be_next) {
                let Ok(next) = self.model.step(&state, &operations[at].call) else { continue };
                *effort = effort.saturating_sub(self.model.state_bytes(&next) as u64 * 10);
                let mut then = happened.clone();
                then[at / 64] |= 1 << (at % 64);
                if tried.insert((then.clone(), next.clone())) {
                    todo.push((then, next));
                }
            }
        }
        LegalOrder::None
    }
}
