//! Measures a history, with losses taken from the findings.

use crate::args::SessionArgs;
use checker::measurements::{
    MeasuredLosses, Measurements, measure_history, measure_register_losses, measure_session_losses,
};
use checker::{Limits, continuity};
use histories::{Function, History, ValueId};
use std::sync::atomic::AtomicBool;

/// Measures a history whose objects hold `initial` at first. The error says what is wrong with the header.
pub(crate) fn measure_history(
    history: &History,
    initial: ValueId,
    sessions: &SessionArgs,
) -> Result<Measurements, String> {
    Ok(measure_history(history, initial, &find_losses(history, initial, sessions)?))
}

/// Finds losses: of sessions by the findings, of registers by the final reads.
fn find_losses(
    history: &History,
    initial: ValueId,
    sessions: &SessionArgs,
) -> Result<MeasuredLosses, String> {
    let is_of_sessions =
        |id| matches!(history.function(id), Function::CREATE | Function::ACT | Function::PATCH);
    if !history.ids().any(is_of_sessions) {
        return Ok(measure_register_losses(history, initial));
    }
    let question = sessions.session_rules(history)?;
    let never = AtomicBool::new(false);
    let limits = Limits { steps: u64::MAX, bytes: usize::MAX, stop: &never };
    Ok(measure_session_losses(history, &continuity::judge_session_findings(history, &question, &limits)))
}
