//! One history on the page: the verdict with its first answers, the levels, the anomalies, the run, and the basis of the
//! verdict.

use super::anomaly::{self, ShownAnomaly};
use super::explorer::{self, ExplorerMarks};
use super::html::Html;
use super::measured;
use super::overview::{self, AnomalyMark};
use super::{answers, recovery, staleness, terms};
use crate::report::faults::shown_faults;
use crate::report::layout::{as_sentence, count_noun, format_elapsed};
use crate::report::summary::FindingSummary;
use crate::report::{CheckFindings, HistoryCounts, group_open_reasons};
use checker::{Answer, IsolationLevel, Model};
use histories::{History, OpId};

/// The limits of a verdict; the whole list is in LIMITS.md.
const LIMIT_OF_HOLDS: &str = "The verdict is about this history only. The store may break the level in another run. More operations, more \
                              faults and more contention make a violation likelier to show.";
const LIMIT_OF_VIOLATED: &str = "The verdict does not name the faulty component. The store, the driver, a cache, a proxy and the recorder all \
                                 lie between the user and the data.";

/// The verdict in a sentence.
pub(super) fn verdict_sentence(findings: &CheckFindings<'_>) -> String {
    let named = |verdict: &str| -> Vec<&str> {
        let some = findings.answers().iter().filter(|answer| answer.verdict.name() == verdict);
        some.map(|answer| answer.property.name()).collect()
    };
    let (violated, unknown, holds) = (named("violated"), named("unknown"), named("holds"));
    let untested = named("untested");
    let mut parts = Vec::new();
    let sessions = findings.question.model == Model::Session;
    if !violated.is_empty() {
        parts.push(match (sessions, violated.iter().all(|level| level.ends_with("able"))) {
            (true, _) => format!("This history shows {}", join_names(&violated, "and")),
            (false, true) => format!("This history is not {}", join_names(&violated, "or")),
            (false, false) => format!("This history violates {}", join_names(&violated, "and")),
        });
    }
    if !unknown.is_empty() {
        parts.push(match parts.is_empty() {
            true => format!("There is no verdict on {}", join_names(&unknown, "and")),
            false => format!("{} unknown", counted_phrase(&unknown)),
        });
    }
    if !holds.is_empty() {
        parts.push(match (parts.is_empty(), sessions) {
            (true, true) => "None of the findings was seen".to_owned(),
            (true, false) => {
                format!(
                    "{}: an execution that the level permits explains the history",
                    holding_phrase(&holds, findings.answers().len())
                )
            }
            (false, true) => match holds.len() {
                1 => "one other finding was not seen".to_owned(),
                others => format!("{others} other findings were not seen"),
            },
            (false, false) => holding_phrase(&holds, findings.answers().len()),
        });
    }
    if !untested.is_empty() {
        parts.push(match parts.is_empty() {
            true => {
                format!("Nothing in this history could have contradicted {}", join_names(&untested, "or"))
            }
            false => format!("{} untested", counted_phrase(&untested)),
        });
    }
    let missed = findings.judged_objectives().iter().filter(|one| one.verdict() == "missed").count();
    if missed > 0 {
        parts.push(format!("{} missed", count_noun(missed, "objective")));
    }
    as_sentence(&parts.join("; "))
}

fn holding_phrase(levels: &[&str], all: usize) -> String {
    match levels {
        [only] => format!("{only} holds"),
        levels if levels.len() == all => format!("all {all} levels hold"),
        levels => format!("{} of {all} levels hold", levels.len()),
    }
}

fn counted_phrase(names: &[&str]) -> String {
    match names {
        [only] => format!("{only} is"),
        names => format!("{} are", names.len()),
    }
}

/// `a, b and c`; of many, the first few.
fn join_names(names: &[&str], word: &str) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] if names.len() <= 5 => format!("{} {word} {last}", first.join(", ")),
        names => format!("{} {word} {} more", names[..4].join(", "), names.len() - 4),
    }
}

/// Writes the name of the history and the verdict.
pub(super) fn write_heading(
    name: &str,
    verdict: &'static str,
    sentence: &str,
    number: usize,
    html: &mut Html,
) {
    html.add_leaf("h2", &[("id", &format!("history-{number}"))], super::clip_text(name));
    html.open_tag("p", &[("class", &format!("verdict {verdict}"))]);
    let word = if verdict == "refused" { "NO VERDICT".to_owned() } else { verdict.to_uppercase() };
    html.add_leaf("b", &[], word);
    html.open_tag("br", &[]);
    html.add_text(sentence);
    html.close_tag("p");
    html.break_line();
}

/// Writes the whole section.
pub(super) fn write_section(findings: &CheckFindings<'_>, number: usize, html: &mut Html) {
    let (shown, left_out) = anomaly::collect_anomalies(findings);
    write_heading(findings.name, findings.verdict(), &verdict_sentence(findings), number, html);
    if let Some(warning) = crate::report::thin_history_warning(findings) {
        html.open_tag("p", &[("class", &"unknown")]);
        html.add_leaf("b", &[], warning);
        html.close_tag("p");
    }
    let summary = FindingSummary::from_findings(findings);
    let first = (!shown.is_empty()).then(|| format!("history-{number}-anomaly-1"));
    answers::write_answers(findings, &summary, first.as_deref(), html);
    write_anomaly_links(&shown, number, html);
    write_notes(findings.report.remarks.iter().map(String::as_str), html);
    write_levels(findings, html);
    write_undecided(findings.answers(), html);
    let episodes = shown_faults(findings.history);
    let anchors: Vec<String> =
        (1..=shown.len()).map(|place| format!("history-{number}-anomaly-{place}")).collect();
    for ((one, anchor), place) in shown.iter().zip(&anchors).zip(0..) {
        let again = shown[..place].iter().any(|other| other.kind == one.kind);
        anomaly::write_anomaly(findings, one, anchor, (place == 0, again, &episodes), html);
    }
    if left_out > 0 {
        let more = count_noun(left_out, "more violation");
        html.open_tag("p", &[]);
        html.add_text(format!("And {more}. All are listed by "));
        html.add_leaf("code", &[], "steadfast check --format json");
        html.add_text(".");
        html.close_tag("p");
    }
    if findings.question.model.has_transactions() {
        let (not, also_not) = findings.report.ruled_out_levels();
        write_isolation(&not, &also_not, &findings.report.strongest_holding_levels(), html);
    }
    let marks =
        shown.iter().zip(anchors).filter_map(|(one, anchor)| anomaly_mark(findings.history, one, anchor));
    if let Some(measured) = findings.measured {
        measured::write_measurements(measured, html);
    }
    let marks: Vec<AnomalyMark> = marks.collect();
    overview::draw_overview(findings.history, &episodes, &marks, html);
    if let Some(measured) = findings.measured {
        staleness::draw_staleness(findings.history, &measured.found.stale_reads, &episodes, html);
    }
    recovery::draw_recovery(findings.history, &episodes, html);
    let places: Vec<(i64, &str)> = marks.iter().map(|mark| (mark.time, mark.label.as_str())).collect();
    let marks = ExplorerMarks { anomalies: &places, faults: &episodes };
    explorer::write_explorer(findings.history, &marks, number == 1, html);
    write_facts(findings, html);
    write_silence(findings.verdict(), html);
}

/// Writes links to the anomalies.
fn write_anomaly_links(shown: &[ShownAnomaly<'_>], number: usize, html: &mut Html) {
    if shown.len() < 2 {
        return;
    }
    html.open_tag("p", &[]);
    html.add_text("Below: ");
    for (one, place) in shown.iter().zip(1..) {
        let comma = if place == 1 { "" } else { ", " };
        html.add_text(comma);
        html.add_leaf("a", &[("href", &format!("#history-{number}-anomaly-{place}"))], one.title());
    }
    html.close_tag("p");
}

fn write_notes<'a>(notes: impl Iterator<Item = &'a str>, html: &mut Html) {
    let mut notes = notes.peekable();
    if notes.peek().is_none() {
        return;
    }
    html.open_tag("ul", &[("class", &"notes")]);
    notes.for_each(|note| html.add_leaf("li", &[], super::clip_text(note)));
    html.close_tag("ul");
}

fn write_levels(findings: &CheckFindings<'_>, html: &mut Html) {
    let (name, meaning) = match findings.question.model {
        Model::Session => ("finding", "meaning"),
        _ => ("level", "promise"),
    };
    html.open_scroll();
    html.open_tag("table", &[("class", &"levels promises")]);
    html.open_tag("tr", &[]);
    for term in ["verdict", name] {
        html.open_tag("th", &[]);
        terms::link_term(term, term, html);
        html.close_tag("th");
    }
    [meaning, "decided by", "time"].iter().for_each(|name| html.add_leaf("th", &[], name));
    html.close_tag("tr");
    for answer in findings.answers() {
        html.open_tag("tr", &[]);
        let verdict = answer.verdict.name();
        html.open_tag("td", &[("class", &verdict)]);
        html.add_text(verdict);
        // "holds" beside "lost-session" could be read as "sessions were lost".
        let seen = match (findings.question.model, verdict) {
            (Model::Session, "violated") => " (seen)",
            (Model::Session, "holds") => " (not seen)",
            _ => "",
        };
        html.add_leaf("span", &[("class", &"quiet")], seen);
        html.close_tag("td");
        html.add_leaf("td", &[("class", &"number")], answer.property.name());
        html.add_leaf("td", &[], answer.property.line());
        html.add_leaf("td", &[("class", &"quiet")], &answer.method);
        html.add_leaf(
            "td",
            &[("class", &"time quiet")],
            format_elapsed(findings.times.seconds_for(answer.property)),
        );
        html.close_tag("tr");
        html.break_line();
    }
    html.close_tag("table");
    html.close_tag("div");
}

/// Writes the reasons of open verdicts.
fn write_undecided(answers: &[Answer], html: &mut Html) {
    for (verdict, reason, names) in group_open_reasons(answers) {
        html.open_tag("p", &[("class", &verdict)]);
        html.add_leaf("b", &[], verdict);
        html.add_text(format!(" {}: {}", join_names(&names, "and"), super::clip_text(reason)));
        html.close_tag("p");
    }
}

/// Writes what follows for isolation levels that were not asked for.
fn write_isolation(
    not: &[IsolationLevel],
    also_not: &[IsolationLevel],
    holds: &[IsolationLevel],
    html: &mut Html,
) {
    let lines = [("Ruled out", not), ("Also ruled out", also_not), ("Strongest that hold", holds)];
    if lines.iter().all(|(_, levels)| levels.is_empty()) {
        return;
    }
    html.add_leaf("h3", &[], "Consequences for other levels");
    html.open_tag("dl", &[("class", &"facts")]);
    for (what, levels) in lines.iter().filter(|(_, levels)| !levels.is_empty()) {
        let names: Vec<&str> = levels.iter().map(|level| level.name()).collect();
        html.add_leaf("dt", &[], what);
        html.add_leaf("dd", &[], names.join(", "));
    }
    html.close_tag("dl");
}

/// The mark of an anomaly in the charts, at its last operation.
fn anomaly_mark(history: &History, shown: &ShownAnomaly<'_>, anchor: String) -> Option<AnomalyMark> {
    let time = |&id: &OpId| history.completed_at(id).or(history.invoked_at(id));
    let time = shown.operations.iter().filter_map(time).max()?;
    Some(AnomalyMark { time, anchor, label: shown.title() })
}

/// Writes what was checked, its origin, and the times of the phases.
fn write_facts(findings: &CheckFindings<'_>, html: &mut Html) {
    html.add_leaf("h3", &[], "What was checked");
    html.open_tag("dl", &[("class", &"facts")]);
    let mut fact = |what: &str, text: &str| {
        html.add_leaf("dt", &[], what);
        html.add_leaf("dd", &[], super::clip_text(text));
    };
    let counts = HistoryCounts::count_history(findings.history);
    let HistoryCounts { ok, fail, info, .. } = counts;
    fact("model", findings.model().name());
    fact("operations", &format!("{}: {ok} ok, {fail} failed, {info} indeterminate", counts.operations));
    fact("based on", &crate::report::describe_basis(findings));
    let processes = if counts.processes == 1 { "process" } else { "processes" };
    fact(
        "by",
        &format!(
            "{} {processes} in {}, on {}",
            counts.processes,
            count_noun(counts.sessions, "session"),
            count_noun(counts.keys, "key")
        ),
    );
    let header = findings.history.header().unwrap_or("{}");
    let header: serde_json::Map<String, serde_json::Value> = serde_json::from_str(header).unwrap_or_default();
    for (name, value) in header.iter().filter(|(name, _)| *name != "steadfast" && *name != "command") {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        fact(if name == "version" { "recorded by steadfast" } else { name }, &value);
    }
    fact(
        "took",
        &format!(
            "{} to read, {} to check, {} to check the evidence",
            format_elapsed(findings.times.read),
            format_elapsed(findings.times.check),
            format_elapsed(findings.times.verify)
        ),
    );
    html.close_tag("dl");
}

/// Writes the limits of the verdict.
fn write_silence(verdict: &str, html: &mut Html) {
    html.add_leaf("h3", &[], "What this verdict does not say");
    html.open_tag("ul", &[("class", &"notes")]);
    match verdict {
        "violated" | "missed" => html.add_leaf("li", &[], LIMIT_OF_VIOLATED),
        "holds" => html.add_leaf("li", &[], LIMIT_OF_HOLDS),
        "untested" => html.add_leaf(
            "li",
            &[],
            "Untested says nothing about the store: no answer in the history could have been wrong.",
        ),
        _ => html.add_leaf("li", &[], "Unknown implies nothing about the level in either direction."),
    }
    html.add_leaf(
        "li",
        &[],
        "The verdict rests on the recording: the events must be in the order in which they happened, and every operation \
         that could write must be recorded.",
    );
    html.close_tag("ul");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_verdict_does_not_tell_is_said_as_in_the_limits() {
        let limits = include_str!("../../../LIMITS.md");
        let words = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ");
        let limits = words(limits);
        for (line, known) in [
            (
                LIMIT_OF_HOLDS,
                "the store may break the level in another run. more operations, more faults and more contention make a violation likelier to show.",
            ),
            (
                LIMIT_OF_VIOLATED,
                "the verdict does not name the faulty component. the store, the driver, a cache, a proxy and the recorder all lie between the user and the data.",
            ),
        ] {
            assert!(words(line).ends_with(known) && limits.contains(known), "{line}");
        }
    }

    #[test]
    fn names_are_listed_as_people_do() {
        assert_eq!(join_names(&["a", "b", "c"], "and"), "a, b and c");
        assert_eq!(join_names(&["a"], "or"), "a");
        assert_eq!(join_names(&["a", "b", "c", "d", "e", "f"], "or"), "a, b, c, d or 2 more");
    }
}
