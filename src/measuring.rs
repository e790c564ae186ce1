//! A history measured, with what the findings say of losses.

use crate::args::SessionArgs;
use checker::measurements::{
    MeasuredLosses, Measurements, measure_history, measure_register_losses, measure_session_losses,
};
use checker::{Limits, continuity};
use histories::{Function, History, ValueId};
use std::sync::atomic::AtomicBool;

/// Measures a history whose objects hold `initial` at first. The error says what is wrong with its header.
pub(crate) fn measured(
    history: &History,
    initial: ValueId,
    sessions: &SessionArgs,
) -> Result<Measurements, String> {
    Ok(measure_history(history, initial, &losses(history, initial, sessions)?))
}

/// What was lost: of sessions by the findings, of registers by the final reads.
fn losses(history: &History, initial: ValueId, sessions: &SessionArgs) -> Result<MeasuredLosses, String> {
    let is_of_sessions =
        |id| matches!(history.function(id), Function::CREATE | Function::ACT | Function::PATCH);
    if !history.ids().any(is_of_sessions) {
        return Ok(measure_register_losses(history, initial));
    }
    let question = sessions.rules(history)?;
    let never = AtomicBool::new(false);
    let limits = Limits { steps: u64::MAX, bytes: usize::MAX, stop: &never };
    Ok(measure_session_losses(history, &continuity::judge_session_findings(history, &question, &limits)))
}
