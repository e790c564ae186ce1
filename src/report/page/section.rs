//! One history on the page: the verdict, the levels, the anomalies, the run, and what all that rests on.

use super::anomaly::{self, Shown};
use super::html::Html;
use super::overview::{self, Mark};
use crate::report::faults::episodes;
use crate::report::layout::{duration, plural};
use crate::report::{Asked, Counts, Findings, Timed};
use crate::subject::Promise;
use checker::transactions::Isolation;
use histories::{History, OpId};

/// What no verdict tells, whatever it is; the whole list is in LIMITS.md.
const HOLDS_IS_SILENT: &str = "It speaks of this history. A store may break the level in another run; more operations, more faults and more \
     contention make it likelier to show.";
const VIOLATED_IS_SILENT: &str = "It does not say which component is at fault: store, driver, cache, proxy and recorder all stand between the \
     user and the data.";

/// The verdict in a sentence.
pub(super) fn sentence(findings: &Findings<'_>) -> String {
    let named = |verdict: &str| -> Vec<&str> {
        findings.answers.iter().filter(|timed| timed.verdict() == verdict).map(Timed::level).collect()
    };
    let (violated, unknown, holds) = (named("violated"), named("unknown"), named("holds"));
    let others = |levels: &[&str], what: &str, all: usize| match levels.len() {
        0 => String::new(),
        _ if levels.len() <= 3 => format!("; {} {what}", listed(levels)),
        count => format!("; {count} of {all} levels {what}"),
    };
    let all = findings.answers.len();
    if !violated.is_empty() {
        let (first, rest) = (listed_or(&violated), others(&holds, verb(&holds), all));
        return format!("This history is not {first}{rest}{}.", others(&unknown, are_unknown(&unknown), all));
    }
    if !unknown.is_empty() {
        let rest = others(&holds, verb(&holds), all);
        return format!("It is not known whether this history is {}{rest}.", listed_or(&unknown));
    }
    match holds.as_slice() {
        [only] => {
            format!("This history is {only}: an order of its operations explains all that was observed.")
        }
        holds => format!(
            "All {} levels that were asked for hold: each permits an execution that explains all that was observed.",
            holds.len()
        ),
    }
}

fn verb(levels: &[&str]) -> &'static str {
    if levels.len() == 1 { "holds" } else { "hold" }
}

fn are_unknown(levels: &[&str]) -> &'static str {
    if levels.len() == 1 { "is unknown" } else { "are unknown" }
}

/// `a, b and c`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `a, b or c`; of many, the first few.
fn listed_or(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() && names.len() <= 5 => {
            format!("{} or {last}", first.join(", "))
        }
        [only] => (*only).to_owned(),
        names => format!(
            "{}, and {} more levels",
            names[..4.min(names.len())].join(", "),
            names.len().saturating_sub(4)
        ),
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
    heading(findings.name, crate::report::verdict(findings.answers), &sentence(findings), number, html);
    notes(findings.remarks.iter().map(String::as_str), html);
    levels(findings.answers, html);
    reasons(findings.answers, html);
    let episodes = episodes(findings.history);
    let (shown, left_out) = anomaly::collect(findings);
    let anchors: Vec<String> =
        (1..=shown.len()).map(|place| format!("history-{number}-anomaly-{place}")).collect();
    for ((one, anchor), place) in shown.iter().zip(&anchors).zip(0..) {
        anomaly::write(findings, one, anchor, (place == 0, &episodes), html);
    }
    if left_out > 0 {
        let more = plural(left_out, "more violation");
        html.leaf("p", &[], format!("And {more} like these: steadfast check --format json lists them."));
    }
    if let Asked::Transactions(analysis) = findings.question {
        isolation(&analysis.not, &analysis.also_not, &analysis.holds, html);
    }
    let marks = shown.iter().zip(anchors).filter_map(|(one, anchor)| mark(findings.history, one, anchor));
    overview::draw(findings.history, &episodes, &marks.collect::<Vec<_>>(), html);
    facts(findings, html);
    silence(crate::report::verdict(findings.answers), html);
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

fn levels(answers: &[Timed], html: &mut Html) {
    html.open("div", &[("class", &"scroll")]);
    html.open("table", &[("class", &"levels")]);
    html.open("tr", &[]);
    for name in ["verdict", "level", "what it promises", "decided by", "in"] {
        html.leaf("th", &[], name);
    }
    html.close("tr");
    for timed in answers {
        html.open("tr", &[]);
        html.leaf("td", &[("class", &timed.verdict())], timed.verdict());
        html.leaf("td", &[("class", &"number")], timed.level());
        html.leaf("td", &[], Promise::by_name(timed.level()).map_or("", Promise::line));
        html.leaf("td", &[("class", &"quiet")], timed.method());
        html.leaf("td", &[("class", &"time quiet")], duration(timed.seconds));
        html.close("tr");
        html.line();
    }
    html.close("table");
    html.close("div");
}

/// Why what is unknown is unknown.
fn reasons(answers: &[Timed], html: &mut Html) {
    let mut told: Vec<(&str, Vec<&str>)> = Vec::new();
    for timed in answers {
        let Some(reason) = timed.reason() else { continue };
        match told.iter_mut().find(|known| known.0 == reason) {
            Some((_, levels)) => levels.push(timed.level()),
            None => told.push((reason, vec![timed.level()])),
        }
    }
    for (reason, levels) in told {
        html.open("p", &[("class", &"unknown")]);
        html.leaf("b", &[], "unknown");
        html.say(format!(" whether it is {}: {}", listed_or(&levels), super::clipped(reason)));
        html.close("p");
    }
}

/// What follows for levels of transactions that were not asked for.
fn isolation(not: &[Isolation], also_not: &[Isolation], holds: &[Isolation], html: &mut Html) {
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
    fact("model", findings.model);
    fact(
        "operations",
        &format!("{} ({ok} ok, {fail} failed, {info} of which nobody knows)", counts.operations),
    );
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
            "{} to read, {} to check",
            duration(findings.read_seconds),
            duration(findings.check_seconds())
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
        "violated" => html.leaf("li", &[], VIOLATED_IS_SILENT),
        "holds" => html.leaf("li", &[], HOLDS_IS_SILENT),
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
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
        assert_eq!(listed_or(&["a"]), "a");
        assert_eq!(listed_or(&["a", "b"]), "a or b");
        assert_eq!(listed_or(&["a", "b", "c", "d", "e", "f"]), "a, b, c, d, and 2 more levels");
    }
}
