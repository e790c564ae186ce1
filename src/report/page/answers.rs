//! The first screen of a history: the ten questions that a reader asks first, each with a short answer.
//!
//! What happened, to how many users, when, during which fault, why the verdict is what it is, which node was primary, what to
//! do next, how sure the verdict is, how to replay the run, and what was not checked. All ten are answered for every verdict:
//! a reader of *holds* also asks which faults the store survived.

use super::html::Html;
use super::{TEXT_CHARS_MAX, clip_text, runbook};
use crate::report::faults::shown_faults;
use crate::report::graph::{CauseEdge, CauseGraph, graph_of_transactions};
use crate::report::layout::{as_sentence, count_noun};
use crate::report::summary::{AnomalyKind, FindingSummary, describe_extent, describe_time_range};
use crate::report::terms::full_name;
use crate::report::{CheckFindings, HistoryCounts, describe_basis, group_open_reasons, violations_of};
use checker::{Evidence, Model, TransactionEvidence};

/// The most kinds of anomalies that the first answer names.
const KINDS_MAX: usize = 6;
/// The most faults that the page of a history without anomalies names here.
const FAULTS_MAX: usize = 3;
/// The most edges of a cycle of transactions that are told here.
const EDGES_MAX: usize = 3;

/// Writes the questions with their answers. `anchor` is that of the first anomaly.
pub(super) fn write_answers(
    findings: &CheckFindings<'_>,
    summary: &FindingSummary,
    anchor: Option<&str>,
    html: &mut Html,
) {
    let counts = HistoryCounts::count_history(findings.history);
    html.open_tag("dl", &[("class", &"answers")]);
    write_event(findings, summary, html);
    let users = match summary.total() {
        0 => count_noun(counts.sessions, "session"),
        total => {
            let total = count_noun(usize::try_from(total).unwrap_or(usize::MAX), "anomaly");
            format!("{total} in {}", summary.describe_sessions(&counts))
        }
    };
    write_answer("How many users", &format!("{users}; {}", describe_extent(findings.history, &counts)), html);
    write_answer("When", &describe_moment(findings, summary), html);
    let faults = match summary.total() {
        0 => describe_survived_faults(findings),
        _ => summary.describe_faults(),
    };
    write_answer("During which fault", &faults, html);
    let (question, why) = explain_verdict(findings, summary);
    write_answer(question, &why, html);
    let writers = summary.describe_writers(findings.history);
    let unnamed = || "the history does not say which node answered".to_owned();
    write_answer("Which node was primary", &writers.unwrap_or_else(unnamed), html);
    write_next(findings, summary, anchor, html);
    write_answer("How sure is this", &describe_certainty(findings), html);
    write_replay(findings, html);
    write_answer("What was not checked", &describe_unchecked(findings), html);
    html.close_tag("dl");
    html.break_line();
}

fn write_answer(question: &str, answer: &str, html: &mut Html) {
    html.open_tag("div", &[]);
    html.add_leaf("dt", &[], question);
    html.open_tag("dd", &[]);
    write_words(&clip_text(&as_sentence(answer)), html);
    html.close_tag("dd");
    html.close_tag("div");
}

/// Writes a text; options of the command line are code, so that no line ends within one.
fn write_words(text: &str, html: &mut Html) {
    for (place, word) in text.split(' ').enumerate() {
        if place > 0 {
            html.add_text(" ");
        }
        let name = word.trim_end_matches(['.', ',', ';']);
        match name.strip_prefix("--").is_some_and(|rest| rest.starts_with(char::is_alphabetic)) {
            true => {
                html.add_leaf("code", &[("class", &"option")], name);
                html.add_text(&word[name.len()..]);
            }
            false => html.add_text(word),
        }
    }
}

/// Writes the kinds of anomalies with their meanings, or that none was found.
fn write_event(findings: &CheckFindings<'_>, summary: &FindingSummary, html: &mut Html) {
    html.open_tag("div", &[("class", &"wide")]);
    html.add_leaf("dt", &[], "What happened");
    if summary.kinds.is_empty() {
        let text = match findings.verdict() {
            "holds" => "no violation was found",
            "missed" => "no level is violated, but an objective was missed",
            "untested" => "no violation was found, because none could have been seen",
            _ => "no violation was found, but the check is not complete",
        };
        html.add_leaf("dd", &[], as_sentence(text));
    }
    for kind in summary.kinds.iter().take(KINDS_MAX) {
        write_kind(kind, html);
    }
    if let Some(more) = summary.kinds.len().checked_sub(KINDS_MAX).filter(|&more| more > 0) {
        html.add_leaf("dd", &[], format!("And {}.", count_noun(more, "more kind")));
    }
    html.close_tag("div");
}

/// Writes a kind of anomaly: how many, its name, and what it means for somebody who reads it for the first time.
fn write_kind(kind: &AnomalyKind, html: &mut Html) {
    html.open_tag("dd", &[]);
    html.add_leaf("b", &[], format!("{} {}", kind.count, full_name(kind.kind)));
    html.add_text(format!(". {}", clip_text(&as_sentence(kind.meaning))));
    html.close_tag("dd");
}

/// When the anomalies showed, or which time the history covers.
fn describe_moment(findings: &CheckFindings<'_>, summary: &FindingSummary) -> String {
    let found = match summary.total() {
        0 => describe_time_range(findings.history).map(|range| format!("the history covers {range}")),
        _ => summary.describe_interval(),
    };
    found.unwrap_or_else(|| "the history records no times".to_owned())
}

/// The faults of a history without anomalies.
fn describe_survived_faults(findings: &CheckFindings<'_>) -> String {
    let faults = shown_faults(findings.history);
    if faults.is_empty() {
        return "the history records no faults".to_owned();
    }
    let shown = faults.iter().take(FAULTS_MAX).map(|fault| fault.describe_with_interval());
    let mut text = shown.collect::<Vec<_>>().join("; ");
    if let Some(more) = faults.len().checked_sub(FAULTS_MAX).filter(|&more| more > 0) {
        text += &format!("; and {}", count_noun(more, "more fault"));
    }
    let during = if faults.len() == 1 { "it" } else { "any of them" };
    format!("{text}. No violation was seen during {during}")
}

/// The reason of the verdict, with the question that it answers.
fn explain_verdict(findings: &CheckFindings<'_>, summary: &FindingSummary) -> (&'static str, String) {
    let open = group_open_reasons(findings.answers());
    let reason =
        |verdict: &str| open.iter().find(|(known, ..)| *known == verdict).map(|(_, reason, _)| *reason);
    match findings.verdict() {
        "violated" => {
            let text = describe_first_cycle(findings).or_else(|| summary.first_text.clone());
            (
                "Why it is a violation",
                text.unwrap_or_else(|| "the anomalies below contradict the level".to_owned()),
            )
        }
        "missed" => (
            "Why it is a failure",
            "a measured figure is beyond its limit; see the objectives below".to_owned(),
        ),
        "holds" if findings.question.model == Model::Session => (
            "Why it holds",
            "for each session, an execution without any of the findings explains the answers".to_owned(),
        ),
        "holds" => (
            "Why it holds",
            "an execution that each level permits explains every answer in the history".to_owned(),
        ),
        "untested" => {
            ("Why it is untested", reason("untested").unwrap_or("no answer could have been wrong").to_owned())
        }
        _ => ("Why it is unknown", reason("unknown").unwrap_or("the check is not complete").to_owned()),
    }
}

/// The reasons along the first cycle of transactions, if the first violation is one.
fn describe_first_cycle(findings: &CheckFindings<'_>) -> Option<String> {
    let violation = findings.answers().iter().find_map(|answer| violations_of(answer).first())?;
    let Evidence::Phenomenon(phenomenon) = &violation.evidence else { return None };
    let TransactionEvidence::Cycle(cycle) = findings.report.find_anomaly(*phenomenon)?.examples.first()?
    else {
        return None;
    };
    let graph = graph_of_transactions(findings.history, &cycle.edges);
    // As many reasons as fit; the picture below has all of them.
    let texts = (1..=EDGES_MAX.min(graph.edges.len())).map(|shown| describe_edges(&graph, shown));
    let fits = |text: &String| text.chars().count() <= TEXT_CHARS_MAX;
    let texts: Vec<String> = texts.collect();
    texts.iter().rfind(|text| fits(text)).or(texts.first()).cloned()
}

/// The reasons of the first edges of a cycle.
fn describe_edges(graph: &CauseGraph, shown: usize) -> String {
    let name = |at: usize| format!("{} ({})", graph.nodes[at].name, graph.nodes[at].title);
    let reason = |edge: &CauseEdge| {
        let (from, to) = (name(edge.from), &graph.nodes[edge.to].name);
        format!("{from} must come before {to}, because {}", edge.reason)
    };
    let mut parts: Vec<String> = graph.edges.iter().take(shown).map(reason).collect();
    if let Some(more) = graph.edges.len().checked_sub(shown).filter(|&more| more > 0) {
        parts.push(format!("{} below lead back to T1", count_noun(more, "more step")));
    }
    parts.push("no order of the transactions meets all of this".to_owned());
    parts.iter().map(|part| as_sentence(part)).collect::<Vec<_>>().join(" ")
}

/// Writes what the reader can do about the verdict.
fn write_next(findings: &CheckFindings<'_>, summary: &FindingSummary, anchor: Option<&str>, html: &mut Html) {
    let finding = summary.kinds.first().filter(|kind| kind.is_finding && runbook::has_entry(kind.kind));
    let (Some(kind), Some(anchor)) = (finding, anchor) else {
        let keep = || {
            "nothing for this history. To search further, record runs with other seeds, more load and other faults".to_owned()
        };
        let next = crate::report::summary::next_step(findings, summary).unwrap_or_else(keep);
        write_answer("What to do next", &next, html);
        return;
    };
    html.open_tag("div", &[]);
    html.add_leaf("dt", &[], "What to do next");
    html.open_tag("dd", &[]);
    runbook::write_look_at(kind.kind, html);
    html.add_text(" ");
    html.add_leaf("a", &[("href", &format!("#{anchor}"))], "What it usually means, and what to change");
    html.close_tag("dd");
    html.close_tag("div");
}

/// How much the verdict can be relied on.
fn describe_certainty(findings: &CheckFindings<'_>) -> String {
    match findings.verdict() {
        "violated" => "certain for this history: independent code has checked the evidence. A wrong recording would be the \
                       only other explanation"
            .to_owned(),
        "holds" => format!("certain for this history, and only for it; based on {}", describe_basis(findings)),
        "missed" => "the figures are exact, or the limit lies outside their bounds".to_owned(),
        "untested" => "this says nothing about the store: no answer in the history could have contradicted these levels".to_owned(),
        _ => "nothing follows for these levels, in either direction".to_owned(),
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
    let what = if findings.question.model == Model::Session { "finding" } else { "level" };
    let others = match findings.answers().len() {
        1 => format!("other {what}s than the one below"),
        asked => format!("other {what}s than the {asked} below"),
    };
    parts.push(format!("{others}, and operations that were not recorded"));
    parts.join("; ")
}
