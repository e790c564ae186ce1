//! One anomaly on the page: its sentence, the argument as a graph or as orders that fail, its operations, what
//! happened around them, and what to do next.

use super::html::Html;
use super::{clipped, graph, runbook, timeline};
use crate::report::faults::Episode;
use crate::report::graph as graphs;
use crate::report::layout::{as_sentence, plural, without_empty_columns};
use crate::report::{Circumstances, Findings, Told, describe, sentence, text, violations};
use checker::{Core, Evidence, TransactionEvidence, Violation, transactions};
use histories::{Function, History, OpId};

/// Anomalies of one level, or examples of one phenomenon, that are told.
const EACH_MAX: usize = 3;
/// Anomalies of one history that are told.
const ALL_MAX: usize = 12;
/// Operations of one anomaly that are shown.
const OPERATIONS_MAX: usize = 40;
/// Dead ends of a core that are told.
const DEAD_ENDS_MAX: usize = 8;

/// An anomaly that is told.
pub(super) struct Shown<'a> {
    pub(super) kind: &'static str,
    meaning: &'static str,
    /// ` on cart`.
    object: String,
    levels: Vec<&'static str>,
    text: String,
    pub(super) operations: Vec<OpId>,
    evidence: Shows<'a>,
    /// Of session stores: whom it happened to and where.
    circumstances: Option<Circumstances>,
    /// How many more of its kind there are.
    more: u64,
}

impl Shown<'_> {
    /// Its name and its object.
    pub(super) fn title(&self) -> String {
        format!("{}{}", self.kind, self.object)
    }
}

enum Shows<'a> {
    Object(&'a Violation),
    Transactions(&'a TransactionEvidence),
    /// Nothing but operations.
    Operations,
}

/// The anomalies that are told, each once, and how many are not.
pub(super) fn collect<'a>(findings: &Findings<'a>) -> (Vec<Shown<'a>>, usize) {
    let mut shown = phenomena(findings);
    let mut left_out = 0;
    for answer in findings.answers() {
        let (level, all) = (answer.property.name(), violations(answer));
        match all.first().map(|violation| &violation.evidence) {
            None | Some(Evidence::Phenomenon(_)) => {}
            Some(Evidence::Core(_) | Evidence::Cycle(_) | Evidence::Causal(_)) => {
                left_out += all.len().saturating_sub(EACH_MAX);
                all.iter()
                    .take(EACH_MAX)
                    .for_each(|violation| object(findings, level, violation, &mut shown));
            }
            Some(Evidence::Finding(_) | Evidence::Breach(_)) => {
                let told = findings.told(answer);
                let (mut keys, all) = (Vec::new(), told.len());
                // Of one object the first is told: what follows it is the same again.
                let first = |one: &Told<'_>| {
                    let new = !keys.contains(&one.key);
                    keys.push(one.key);
                    new
                };
                let told: Vec<Told<'_>> = told.into_iter().filter(first).take(EACH_MAX).collect();
                left_out += all - told.len();
                shown.extend(told.into_iter().map(|one| operations(findings, level, one)));
            }
        }
    }
    left_out += shown.len().saturating_sub(ALL_MAX);
    shown.truncate(ALL_MAX);
    (shown, left_out)
}

/// What is shown by operations alone.
fn operations<'a>(findings: &Findings<'a>, level: &'static str, one: Told<'a>) -> Shown<'a> {
    Shown {
        kind: one.kind,
        meaning: one.meaning,
        object: on(findings.history, one.key),
        levels: vec![level],
        text: one.text,
        operations: one.operations,
        evidence: Shows::Operations,
        circumstances: one.circumstances,
        more: 0,
    }
}

fn object<'a>(
    findings: &Findings<'a>,
    level: &'static str,
    anomaly: &'a Violation,
    shown: &mut Vec<Shown<'a>>,
) {
    let same = |known: &&mut Shown<'_>| match known.evidence {
        Shows::Object(other) => {
            (other.kind, other.key, &other.operations) == (anomaly.kind, anomaly.key, &anomaly.operations)
        }
        _ => false,
    };
    if let Some(known) = shown.iter_mut().find(same) {
        known.levels.push(level);
        return;
    }
    let history = findings.history;
    let told = sentence::sentence(history, anomaly);
    let told = told.strip_prefix(&format!("{}: ", history.key_text(anomaly.key))).unwrap_or(&told);
    shown.push(Shown {
        kind: anomaly.kind.as_str(),
        meaning: sentence::meaning(anomaly.kind.as_str()),
        object: on(history, anomaly.key),
        levels: vec![level],
        text: as_sentence(told),
        operations: sentence::told_with(history, anomaly),
        evidence: Shows::Object(anomaly),
        circumstances: None,
        more: 0,
    });
}

/// The phenomena that rule out a level that was asked for, each with its first examples.
fn phenomena<'a>(findings: &Findings<'a>) -> Vec<Shown<'a>> {
    if findings.report.phenomena.is_empty() {
        return Vec::new();
    }
    let told: Vec<_> = findings
        .answers()
        .iter()
        .flat_map(|answer| findings.told(answer).into_iter().map(|one| (answer.property.name(), one)))
        .collect();
    let mut shown = Vec::new();
    for anomaly in &findings.report.phenomena {
        let kind = anomaly.phenomenon.name();
        let mut levels: Vec<&'static str> =
            told.iter().filter(|(_, one)| one.kind == kind).map(|(level, _)| *level).collect();
        levels.dedup();
        let Some((first, _)) = told.iter().find(|(_, one)| one.kind == kind) else { continue };
        let of_first = told.iter().filter(|(level, one)| level == first && one.kind == kind);
        for ((_, one), (evidence, place)) in of_first.zip(anomaly.examples.iter().zip(1_u64..)).take(EACH_MAX)
        {
            let last = place == anomaly.examples.len().min(EACH_MAX) as u64;
            shown.push(Shown {
                kind: one.kind,
                meaning: one.meaning,
                object: on(findings.history, one.key),
                levels: levels.clone(),
                text: one.text.clone(),
                operations: one.operations.clone(),
                evidence: Shows::Transactions(evidence),
                circumstances: None,
                more: if last { anomaly.count.saturating_sub(place) } else { 0 },
            });
        }
    }
    shown
}

fn on(history: &History, key: histories::KeyId) -> String {
    describe::of_key(history, key).replacen(" of ", " on ", 1)
}

/// One anomaly. The first of a history says how drawings are read; what is to do is told once a kind.
pub(super) fn write(
    findings: &Findings<'_>,
    shown: &Shown<'_>,
    anchor: &str,
    (first, again, episodes): (bool, bool, &[Episode]),
    html: &mut Html,
) {
    let history = findings.history;
    html.open("article", &[("class", &"anomaly"), ("id", &anchor)]);
    html.open("h3", &[]);
    html.leaf("span", &[("class", &"kind")], shown.kind);
    html.say(&shown.object);
    // A finding is its own level.
    if shown.levels != [shown.kind] {
        html.leaf("span", &[("class", &"quiet")], format!(" rules out {}", shown.levels.join(", ")));
    }
    html.close("h3");
    argument(findings, shown, html);
    let operations: Vec<OpId> = shown.operations.iter().copied().take(OPERATIONS_MAX).collect();
    if !operations.is_empty() {
        html.leaf("h4", &[], "The operations");
        table(history, &operations, html);
        if let Some(more) = shown.operations.len().checked_sub(OPERATIONS_MAX).filter(|&more| more > 0) {
            html.leaf("p", &[("class", &"quiet")], format!("and {}", plural(more, "more operation")));
        }
        html.leaf("h4", &[], "What happened around them");
        if first {
            legend(html);
        }
        timeline::draw(history, &operations, episodes, html);
    }
    if let Shows::Object(anomaly) = shown.evidence {
        for condition in sentence::conditions(history, anomaly) {
            html.leaf("p", &[], format!("Note: {condition}."));
        }
    }
    next(shown, again, html);
    if shown.more > 0 {
        html.leaf("p", &[("class", &"quiet")], format!("There are {} more of this kind.", shown.more));
    }
    html.close("article");
    html.line();
}

/// What to do next: of a finding what the runbook says, the first time that it is told.
fn next(shown: &Shown<'_>, again: bool, html: &mut Html) {
    if !matches!(shown.evidence, Shows::Object(_)) {
        if !again && runbook::has(shown.kind) {
            html.leaf("h4", &[], "What this usually means, and what to do");
            runbook::write(shown.kind, html);
        }
        return;
    }
    html.open("p", &[("class", &"next")]);
    html.leaf("b", &[], "Next: ");
    html.say(sentence::next_step(shown.kind));
    html.say(".");
    html.close("p");
}

/// Why no permitted execution explains it.
fn argument(findings: &Findings<'_>, shown: &Shown<'_>, html: &mut Html) {
    let history = findings.history;
    let said = |html: &mut Html, text: &str| html.leaf("p", &[("class", &"sentence")], clipped(text));
    match &shown.evidence {
        Shows::Object(anomaly) => {
            said(html, &shown.text);
            match &anomaly.evidence {
                Evidence::Core(core) => orders(findings, core, html),
                Evidence::Causal(_) => {
                    html.leaf("h4", &[], "Each of these operations must come before the next, in a circle");
                    graph::draw(&graphs::of_violation(history, anomaly), html);
                }
                Evidence::Cycle(cycle) => {
                    let graph = graphs::of_violation(history, anomaly);
                    let title = match cycle.cycles().count() {
                        0 | 1 => "Each of these versions must come before the next, in a circle",
                        _ => {
                            "The first of the cases: each of these versions must come before the next, in a circle"
                        }
                    };
                    html.leaf("h4", &[], title);
                    graph::draw(&graph, html);
                }
                Evidence::Phenomenon(_) | Evidence::Finding(_) | Evidence::Breach(_) => {}
            }
        }
        Shows::Transactions(TransactionEvidence::Cycle(cycle)) => {
            said(html, &as_sentence(shown.meaning));
            html.leaf("h4", &[], "Each of these transactions must come before the next, in a circle");
            graph::draw(&graphs::of_transactions(history, &cycle.edges), html);
        }
        Shows::Transactions(TransactionEvidence::Lemmas(_)) => {
            said(
                html,
                "whichever way the versions are ordered, transactions must come before one another in a circle",
            );
            html.leaf("pre", &[], &shown.text);
        }
        Shows::Transactions(TransactionEvidence::Cases(_)) => {
            said(html, &as_sentence(shown.meaning));
            html.leaf("pre", &[], &shown.text);
        }
        Shows::Transactions(_) => {
            said(html, &as_sentence(shown.meaning));
            html.leaf("p", &[], clipped(&as_sentence(&shown.text)));
        }
        Shows::Operations => {
            said(html, &as_sentence(&shown.text));
            html.leaf("p", &[("class", &"quiet")], format!("{}: {}.", shown.kind, shown.meaning));
            circumstances(shown, html);
        }
    }
}

/// Whom it happened to, where, and under which faults.
fn circumstances(shown: &Shown<'_>, html: &mut Html) {
    let Some(told) = &shown.circumstances else { return };
    html.open("dl", &[("class", &"facts")]);
    let faults = (!told.faults.is_empty()).then(|| told.faults.join("; "));
    let facts = [
        ("user", Some(&told.session)),
        ("answered by", told.node.as_ref()),
        ("trace", told.trace.as_ref()),
        ("faults meanwhile", faults.as_ref()),
    ];
    for (what, text) in facts {
        if let Some(text) = text {
            html.leaf("dt", &[], what);
            html.leaf("dd", &[], clipped(text));
        }
    }
    html.close("dl");
}

/// How far each order of a core gets.
fn orders(findings: &Findings<'_>, core: &Core, html: &mut Html) {
    let history = findings.history;
    let question = findings.question.about_objects(history);
    let Some(ends) = verifier::dead_ends(history, &question, core, DEAD_ENDS_MAX) else { return };
    let name = |id: &OpId| format!("{} ({})", describe::words(history, *id), history.operation_index(*id));
    // A single operation that is refused at once says nothing that the sentence does not.
    let ends: Vec<_> =
        ends.into_iter().filter(|end| !end.refused.is_empty() && !end.order.is_empty()).collect();
    if ends.is_empty() {
        return;
    }
    html.leaf("h4", &[], if ends.len() == 1 { "Why every order fails" } else { "Why each order fails" });
    html.open("ol", &[("class", &"reasons")]);
    for end in &ends {
        html.open("li", &[]);
        let order: Vec<String> = end.order.iter().map(name).collect();
        html.leaf("b", &[], order.join(", then "));
        let holds =
            end.holds.map(|value| format!(": it holds {}", describe::short(history.value_text(value))));
        html.say(holds.unwrap_or_default());
        let refused: Vec<String> =
            end.refused.iter().map(|(id, why)| format!("{} cannot come next, as {why}", name(id))).collect();
        html.say(format!("; {}.", refused.join("; ")));
        html.close("li");
    }
    html.close("ol");
}

fn legend(html: &mut Html) {
    html.leaf(
        "p",
        &[("class", &"legend")],
        "One lane a session, in the order of events; from invocation to completion. Blue: these operations. Grey: others on \
         the same object. Fading: nobody knows whether or when it took effect. Struck through: failed. Orange: a fault.",
    );
}

/// The operations, one a line, with all that is known of each.
fn table(history: &History, operations: &[OpId], html: &mut Html) {
    let mut rows = vec![text::COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(operations.iter().map(|&id| {
        let mut row = text::row(history, id);
        if history.function(id) == Function::TXN {
            row[text::DID] = transactions::explain::describe_transaction(history, id);
        }
        row
    }));
    let rows = without_empty_columns(rows);
    html.open("div", &[("class", &"scroll")]);
    html.open("table", &[]);
    html.open("tr", &[]);
    rows[0].iter().for_each(|name| html.leaf("th", &[], name));
    html.close("tr");
    for (row, &id) in rows[1..].iter().zip(operations) {
        html.open("tr", &[("data-op", &history.operation_index(id))]);
        for (cell, name) in row.iter().zip(&rows[0]) {
            let class = match name.as_str() {
                "op" => "number",
                "did" => "did",
                "from" | "to" => "time",
                _ => "",
            };
            html.leaf("td", &[("class", &class)], clipped(cell));
        }
        html.close("tr");
        html.line();
    }
    html.close("table");
    html.close("div");
}
