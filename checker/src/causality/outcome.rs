//! The result of deciding a causal level, and the limit on its work.

use claims::{CausalOrders, CausalProofStep, Limits};

/// How many anomalies of one level are reported. More would not change the verdict.
pub(super) const LIMIT: usize = 1_000;
/// The limit on work for cases. One operation in one lane in one round is one unit. The limit is about a minute.
const EFFORT_MAX: u64 = 20_000_000_000;

/// The result of deciding one level or one case.
pub(super) enum CausalOutcome<R> {
    /// These orders explain what was observed.
    Explained(CausalOrders),
    /// No orders explain what was observed; this is the proof.
    Refuted(R),
    /// A limit was reached: this one.
    Unknown(String),
}

/// The result for one assignment of sources.
pub(super) type AssignmentOutcome = CausalOutcome<Vec<Vec<CausalProofStep>>>;

/// The work that is left.
pub(super) struct Effort {
    left: u64,
}

impl Effort {
    /// The work that a check with these limits may do.
    pub(super) fn within(limits: &Limits<'_>) -> Self {
        Self { left: limits.steps.min(EFFORT_MAX) }
    }

    /// Subtracts work. Fails with a reason if less than that is left, or if the check was stopped.
    pub(super) fn spend(&mut self, work: usize, limits: &Limits<'_>) -> Result<(), String> {
        if limits.stop_requested() {
            return Err(Limits::STOPPED.to_owned());
        }
        match self.left.checked_sub(work as u64) {
            Some(left) => self.left = left,
            None => return Err("no answer within the limit of steps".to_owned()),
        }
        Ok(())
    }
}
