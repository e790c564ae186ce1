//! Options that a check of a history had no use for.
//!
//! A user who gives a time to live believes that expiry was judged. If the history is one of registers, nothing was, and the remark says so.
//! It is no error, because one command may check histories of several models.

use crate::args::CheckPlan;
use checker::{Assume, FailedCas, Model, Question};
use histories::{Function, History};

/// A remark for the options that belong to another model than that of the question. O(operations) if `--failed-cas` was given.
pub(crate) fn describe_unused_options(
    plan: &CheckPlan,
    question: &Question,
    history: &History,
) -> Option<String> {
    let model = question.model;
    let has_cas = || history.ids().any(|id| history.function(id) == Function::CAS);
    let unused = [
        (
            plan.sessions.time_to_live.is_some() && model != Model::Session,
            "--time-to-live",
            "the model session",
        ),
        (
            !plan.sessions.renewed_by.is_empty() && model != Model::Session,
            "--renewed-by",
            "the model session",
        ),
        (
            plan.sessions.tolerance.tolerance.is_some() && model != Model::Session,
            "--tolerance",
            "the model session",
        ),
        (plan.bank.total.is_some() && model != Model::Bank, "--total", "the model bank"),
        (plan.bank.negative_balances && model != Model::Bank, "--allow-negative-balances", "the model bank"),
        (plan.assume != Assume::default() && !model.has_transactions(), "--assume", "models of transactions"),
        (
            plan.failed_cas != FailedCas::SaysNothing && !has_cas(),
            "--failed-cas",
            "histories with compare-and-set",
        ),
    ];
    let given: Vec<_> = unused.iter().filter(|(is_unused, ..)| *is_unused).collect();
    if given.is_empty() {
        return None;
    }
    let told: Vec<String> =
        given.iter().map(|(_, option, needs)| format!("{option} is for {needs}")).collect();
    let (had, it) = if given.len() == 1 { ("an option", "It") } else { ("options", "They") };
    let what = format!(
        "this check had no use for {had}: {}. {it} changed nothing: the model is {}",
        told.join(", "),
        model.name()
    );
    Some(what)
}
