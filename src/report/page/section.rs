//! One history on the page: the verdict, the levels, the anomalies, the run, and what all that rests on.

use super::anomaly::{self, Shown};
use super::html::Html;
use super::measured;
use super::overview::{self, Mark};
use crate::report::faults::episodes;
use crate::report::layout::{duration, plural};
use crate::report::{Counts, Findings, reasons};
use checker::{Answer, IsolationLevel, Model};
use histories::{History, OpId};

/// What no verdict tells, whatever it is; the whole list is in LIMITS.md.
const HOLDS_IS_SILENT: &str = "It speaks of this history. A store may break the level in another run; more operations, more faults and more \
     contention make it likelier to show.";
const VIOLATED_IS_SILENT: &str = "It does not say which component is at fault: store, driver, cache, proxy and recorder all stand between the \
     user and the data.";

/// The verdict in a sentence or two.
pub(super) fn sentence(findings: &Findings<'_>) -> String {
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
            (true, _) => format!("This history shows {}", listed(&violated, "and")),
            (false, true) => format!("This history is not {}", listed(&violated, "or")),
            (false, false) => format!("This history violates {}", listed(&violated, "and")),
        });
    }
    if !unknown.is_empty() {
        parts.push(match parts.is_empty() {
            true => format!("It is not known about {}", listed(&unknown, "and")),
            false => format!("{} unknown", counted(&unknown)),
        });
    }
    if !holds.is_empty() {
        parts.push(match (parts.is_empty(), sessions) {
            (true, true) => "Nothing of what was looked for was found".to_owned(),
            (true, false) => {
                format!("{}: what was observed can be explained", holding(&holds, findings.answers().len()))
            }
            (false, true) => match holds.len() {
                1 => "one other was looked for and not found".to_owned(),
                others => format!("{others} others were looked for and not found"),
            },
            (false, false) => holding(&holds, findings.answers().len()),
        });
    }
    if !untested.is_empty() {
        parts.push(match parts.is_empty() {
            true => format!("Nothing in this history could have contradicted {}", listed(&untested, "or")),
            false => format!("{} untested", counted(&untested)),
        });
    }
    let missed = findings.objectives().iter().filter(|one| one.verdict() == "missed").count();
    if missed > 0 {
        parts.push(format!("{} missed", plural(missed, "objective")));
    }
    format!("{}.", parts.join("; "))
}

fn holding(levels: &[&str], all: usize) -> String {
    match levels {
        [only] => format!("{only} holds"),
        levels if levels.len() == all => format!("all {all} levels that were asked for hold"),
        levels => format!("{} of {all} levels hold", levels.len()),
    }
}

fn counted(names: &[&str]) -> String {
    match names {
        [only] => format!("{only} is"),
        names => format!("{} are", names.len()),
    }
}

/// `a, b and c`; of many, the first few.
fn listed(names: &[&str], word: &str) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] if names.len() <= 5 => format!("{} {word} {last}", first.join(", ")),
        names => format!("{} {word} {} more", names[..4].join(", "), names.len() - 4),
    }
}

/// The name and the verdict.
pub(super) fn heading(name: &str, verdict: &'static str, sentence: &str, number: usize, html: &mut Html) {
    html.leaf("h2", &[("id", &format!("history-{number}"))], super::clipped(name));
    html.open("p", &[("class", &format!("verdict {verdict}"))]);
    let word = if verdict == "refused" { "NO VERDICT".to_owned() } else { verdict.to_uppercase() };
    html.leaf("b", &[], word);
    html.open("br", &[]);
    html.say(sentence);
    html.close("p");
    html.line();
}

/// The whole section.
pub(super) fn write(findings: &Findings<'_>, number: usize, html: &mut Html) {
    let (shown, left_out) = anomaly::collect(findings);
    heading(findings.name, findings.verdict(), &sentence(findings), number, html);
    if let Some(warning) = crate::report::thin(findings) {
        html.open("p", &[("class", &"unknown")]);
        html.leaf("b", &[], warning);
        html.close("p");
    }
    seen(&shown, number, html);
    notes(findings.report.remarks.iter().map(String::as_str), html);
    levels(findings, html);
    undecided(findings.answers(), html);
    let episodes = episodes(findings.history);
    let anchors: Vec<String> =
        (1..=shown.len()).map(|place| format!("history-{number}-anomaly-{place}")).collect();
    for ((one, anchor), place) in shown.iter().zip(&anchors).zip(0..) {
        let again = shown[..place].iter().any(|other| other.kind == one.kind);
        anomaly::write(findings, one, anchor, (place == 0, again, &episodes), html);
    }
    if left_out > 0 {
        let more = plural(left_out, "more violation");
        html.leaf("p", &[], format!("And {more} like these: steadfast check --format json lists them."));
    }
    if findings.question.model.has_transactions() {
        let (not, also_not) = findings.report.ruled_out_levels();
        isolation(&not, &also_not, &findings.report.strongest_holding_levels(), html);
    }
    let marks = shown.iter().zip(anchors).filter_map(|(one, anchor)| mark(findings.history, one, anchor));
    if let Some(measured) = findings.measured {
        measured::write(measured, html);
    }
    overview::draw(findings.history, &episodes, &marks.collect::<Vec<_>>(), html);
    facts(findings, html);
    silence(findings.verdict(), html);
}

/// What was seen, each leading to where it is told.
fn seen(shown: &[Shown<'_>], number: usize, html: &mut Html) {
    if shown.len() < 2 {
        return;
    }
    html.open("p", &[]);
    html.say("Below: ");
    for (one, place) in shown.iter().zip(1..) {
        let comma = if place == 1 { "" } else { ", " };
        html.say(comma);
        html.leaf("a", &[("href", &format!("#history-{number}-anomaly-{place}"))], one.title());
    }
    html.close("p");
}

fn notes<'a>(notes: impl Iterator<Item = &'a str>, html: &mut Html) {
    let mut notes = notes.peekable();
    if notes.peek().is_none() {
        return;
    }
    html.open("ul", &[("class", &"notes")]);
    notes.for_each(|note| html.leaf("li", &[], super::clipped(note)));
    html.close("ul");
}

fn levels(findings: &Findings<'_>, html: &mut Html) {
    let (name, meaning) = match findings.question.model {
        Model::Session => ("finding", "what was looked for"),
        _ => ("level", "what it promises"),
    };
    html.open("div", &[("class", &"scroll")]);
    html.open("table", &[("class", &"levels promises")]);
    html.open("tr", &[]);
    for name in ["verdict", name, meaning, "decided by", "in"] {
        html.leaf("th", &[], name);
    }
    html.close("tr");
    for answer in findings.answers() {
        html.open("tr", &[]);
        html.leaf("td", &[("class", &answer.verdict.name())], answer.verdict.name());
        html.leaf("td", &[("class", &"number")], answer.property.name());
        html.leaf("td", &[], answer.property.line());
        html.leaf("td", &[("class", &"quiet")], &answer.method);
        html.leaf("td", &[("class", &"time quiet")], duration(findings.times.of(answer.property)));
        html.close("tr");
        html.line();
    }
    html.close("table");
    html.close("div");
}

/// Why there is no verdict where there is none.
fn undecided(answers: &[Answer], html: &mut Html) {
    for (verdict, reason, names) in reasons(answers) {
        html.open("p", &[("class", &verdict)]);
        html.leaf("b", &[], verdict);
        html.say(format!(" {}: {}", listed(&names, "and"), super::clipped(reason)));
        html.close("p");
    }
}

/// What follows for levels of transactions that were not asked for.
fn isolation(not: &[IsolationLevel], also_not: &[IsolationLevel], holds: &[IsolationLevel], html: &mut Html) {
    let lines = [("Not", not), ("And so not", also_not), ("Strongest that hold", holds)];
    if lines.iter().all(|(_, levels)| levels.is_empty()) {
        return;
    }
    html.leaf("h3", &[], "What follows for other levels");
    html.open("dl", &[("class", &"facts")]);
    for (what, levels) in lines.iter().filter(|(_, levels)| !levels.is_empty()) {
        let names: Vec<&str> = levels.iter().map(|level| level.name()).collect();
        html.leaf("dt", &[], what);
        html.leaf("dd", &[], names.join(", "));
    }
    html.close("dl");
}

/// Where in the run an anomaly showed: at its last telling operation.
fn mark(history: &History, shown: &Shown<'_>, anchor: String) -> Option<Mark> {
    let time = |&id: &OpId| history.completed_at(id).or(history.invoked_at(id));
    let time = shown.operations.iter().filter_map(time).max()?;
    Some(Mark { time, anchor, label: shown.kind.to_owned() })
}

/// What was checked, where it is from, how it is made again, how long it took.
fn facts(findings: &Findings<'_>, html: &mut Html) {
    html.leaf("h3", &[], "What was checked");
    html.open("dl", &[("class", &"facts")]);
    let mut fact = |what: &str, text: &str| {
        html.leaf("dt", &[], what);
        html.leaf("dd", &[], super::clipped(text));
    };
    let counts = Counts::of(findings.history);
    let Counts { ok, fail, info, .. } = counts;
    fact("model", findings.model().name());
    fact("operations", &format!("{}: {ok} ok, {fail} failed, {info} indeterminate", counts.operations));
    fact("based on", &crate::report::basis(findings));
    let processes = if counts.processes == 1 { "process" } else { "processes" };
    fact(
        "by",
        &format!(
            "{} {processes} in {}, on {}",
            counts.processes,
            plural(counts.sessions, "session"),
            plural(counts.keys, "key")
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
            "{} to read, {} to check, {} to check the evidence again",
            duration(findings.times.read),
            duration(findings.times.check),
            duration(findings.times.verify)
        ),
    );
    if let Some(command) = header.get("command").and_then(serde_json::Value::as_str) {
        html.leaf("dt", &[], "once more");
        html.open("dd", &[]);
        html.leaf("code", &[], super::clipped(command));
        html.close("dd");
    }
    html.close("dl");
}

/// What the verdict does not tell.
fn silence(verdict: &str, html: &mut Html) {
    html.leaf("h3", &[], "What this does not tell");
    html.open("ul", &[("class", &"notes")]);
    match verdict {
        "violated" | "missed" => html.leaf("li", &[], VIOLATED_IS_SILENT),
        "holds" => html.leaf("li", &[], HOLDS_IS_SILENT),
        "untested" => html.leaf(
            "li",
            &[],
            "Untested says nothing of the store: no answer in the history could have been wrong.",
        ),
        _ => html.leaf("li", &[], "Unknown implies nothing about the level, in either direction."),
    }
    html.leaf(
        "li",
        &[],
        "It rests on the recording: that the events are in the order in which they happened, and that every operation \
         that could write is among them.",
    );
    html.close("ul");
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
                HOLDS_IS_SILENT,
                "a store may break the level in another run; more operations, more faults and more contention make it likelier to show.",
            ),
            (
                VIOLATED_IS_SILENT,
                "it does not say which component is at fault: store, driver, cache, proxy and recorder all stand between the user and the data.",
            ),
        ] {
            assert!(words(line).ends_with(known) && limits.contains(known), "{line}");
        }
    }

    #[test]
    fn names_are_listed_as_people_do() {
        assert_eq!(listed(&["a", "b", "c"], "and"), "a, b and c");
        assert_eq!(listed(&["a"], "or"), "a");
        assert_eq!(listed(&["a", "b", "c", "d", "e", "f"], "or"), "a, b, c, d or 2 more");
    }
}
