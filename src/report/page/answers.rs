//! The first screen of a history: the ten questions that a reader asks first, each with a short answer.
//!
//! What happened, to how many users, when, during which fault, why it is a violation, which node was primary, what to do next,
//! how sure the verdict is, how to replay the run, and what was not checked.

use super::clip_text;
use super::html::Html;
use crate::report::layout::{as_sentence, count_noun};
use crate::report::summary::{FindingSummary, describe_extent};
use crate::report::terms::full_name;
use crate::report::{CheckFindings, HistoryCounts, describe_basis, group_open_reasons};

/// The most kinds of anomalies that the first answer names.
const KINDS_MAX: usize = 6;

/// Writes the questions with their answers. Questions about anomalies are left out if there are none.
pub(super) fn write_answers(findings: &CheckFindings<'_>, summary: &FindingSummary, html: &mut Html) {
    let counts = HistoryCounts::count_history(findings.history);
    html.open_tag("dl", &[("class", &"answers")]);
    write_answer("What happened", &describe_event(findings, summary), html);
    let users = match summary.total() {
        0 => count_noun(counts.sessions, "session"),
        total => {
            let total = count_noun(usize::try_from(total).unwrap_or(usize::MAX), "anomaly");
            format!("{total} in {}", summary.describe_sessions(&counts))
        }
    };
    write_answer("How many users", &format!("{users}; {}", describe_extent(findings.history, &counts)), html);
    if summary.total() > 0 {
        let when = summary.describe_interval();
        write_answer("When", &when.unwrap_or_else(|| "the history records no times".to_owned()), html);
        write_answer("During which fault", &summary.describe_faults(), html);
        if let Some(text) = &summary.first_text {
            write_answer("Why it is a violation", text, html);
        }
    }
    let writers = summary.describe_writers(findings.history);
    let unnamed = || "the history does not say which node answered".to_owned();
    write_answer("Which node was primary", &writers.unwrap_or_else(unnamed), html);
    if let Some(next) = crate::report::summary::next_step(findings, summary) {
        write_answer("What to do next", &next, html);
    }
    write_answer("How sure is this", &describe_certainty(findings), html);
    write_replay(findings, html);
    write_answer("What was not checked", &describe_unchecked(findings), html);
    html.close_tag("dl");
    html.break_line();
}

fn write_answer(question: &str, answer: &str, html: &mut Html) {
    html.open_tag("div", &[]);
    html.add_leaf("dt", &[], question);
    html.add_leaf("dd", &[], clip_text(&as_sentence(answer)));
    html.close_tag("div");
}

/// The kinds of anomalies, or that none was found.
fn describe_event(findings: &CheckFindings<'_>, summary: &FindingSummary) -> String {
    let kinds = summary.kinds.iter().take(KINDS_MAX);
    let named: Vec<String> = kinds.map(|kind| format!("{} {}", kind.count, full_name(kind.kind))).collect();
    let mut text = match (named.is_empty(), findings.verdict()) {
        (false, _) => named.join("; "),
        (true, "holds") => "no violation was found".to_owned(),
        (true, "missed") => "no level is violated, but an objective was missed".to_owned(),
        (true, _) => "no violation was found, but the check is not complete".to_owned(),
    };
    if let Some(more) = summary.kinds.len().checked_sub(KINDS_MAX).filter(|&more| more > 0) {
        text += &format!("; and {}", count_noun(more, "more kind"));
    }
    text
}

/// How much the verdict can be relied on.
fn describe_certainty(findings: &CheckFindings<'_>) -> String {
    match findings.verdict() {
        "violated" => "certain for this history: independent code has checked the evidence. A wrong recording would be the \
                       only other explanation"
            .to_owned(),
        "holds" => format!("certain for this history, and only for it; based on {}", describe_basis(findings)),
        "missed" => "the figures are exact, or the limit lies outside their bounds".to_owned(),
        "untested" => "nothing in the history could have contradicted these levels".to_owned(),
        _ => "the verdict is open; the reasons are below".to_owned(),
    }
}

/// The command that repeats the run.
fn write_replay(findings: &CheckFindings<'_>, html: &mut Html) {
    html.open_tag("div", &[]);
    html.add_leaf("dt", &[], "How to replay the run");
    html.open_tag("dd", &[]);
    match recorded_command(findings) {
        Some(command) => html.add_leaf("code", &[], clip_text(&command)),
        None => html.add_text("The history does not contain the command of its recording."),
    }
    html.close_tag("dd");
    html.close_tag("div");
}

/// The command in the header of the history.
pub(super) fn recorded_command(findings: &CheckFindings<'_>) -> Option<String> {
    let header: serde_json::Value = serde_json::from_str(findings.history.header()?).ok()?;
    Some(header.get("command")?.as_str()?.to_owned())
}

/// The levels without a verdict, and the limits of every check.
fn describe_unchecked(findings: &CheckFindings<'_>) -> String {
    let open = group_open_reasons(findings.answers());
    let names = |wanted: &str| -> Vec<&str> {
        open.iter()
            .filter(|(verdict, ..)| *verdict == wanted)
            .flat_map(|(_, _, names)| names.clone())
            .collect()
    };
    let mut parts = Vec::new();
    for (verdict, what) in [("unknown", "undecided"), ("untested", "untested")] {
        let names = names(verdict);
        if !names.is_empty() {
            parts.push(format!("{what}: {}", names.join(", ")));
        }
    }
    let asked = findings.answers().len();
    parts.push(format!("other levels than the {asked} below, and operations that were not recorded"));
    parts.join("; ")
}
