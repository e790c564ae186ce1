//! One anomaly on the page: its sentence, the argument as a graph or as failed orders, its operations, a picture of what
//! happened around them, and the next step.

use super::argument::LaneArgument;
use super::html::Html;
use super::{clip_text, graph, runbook, timeline};
use crate::report::faults::ShownFault;
use crate::report::graph as graphs;
use crate::report::layout::{as_sentence, count_noun, without_empty_columns};
use crate::report::{
    CheckFindings, Circumstances, DescribedAnomaly, describe, operation_table, sentence, violations_of,
};
use checker::{Core, Evidence, TransactionEvidence, Violation, transactions};
use histories::{Function, History, OpId};

/// The most anomalies of one level, or examples of one phenomenon, that are shown.
const EACH_MAX: usize = 3;
/// The most anomalies of one history that are shown.
const ALL_MAX: usize = 12;
/// The most operations of one anomaly that are shown.
const OPERATIONS_MAX: usize = 40;
/// The most failed orders of a core that are shown.
const DEAD_ENDS_MAX: usize = 8;

/// An anomaly that is shown.
pub(super) struct ShownAnomaly<'a> {
    pub(super) kind: &'static str,
    meaning: &'static str,
    /// The object as part of a sentence: ` on cart`.
    object: String,
    levels: Vec<&'static str>,
    text: String,
    pub(super) operations: Vec<OpId>,
    evidence: AnomalyEvidence<'a>,
    /// For session stores: the session, the node and the faults.
    circumstances: Option<Circumstances>,
    /// The number of further anomalies of its kind.
    more: u64,
}

impl ShownAnomaly<'_> {
    /// The name and the object.
    pub(super) fn title(&self) -> String {
        format!("{}{}", self.kind, self.object)
    }
}

enum AnomalyEvidence<'a> {
    Object(&'a Violation),
    Transactions(&'a TransactionEvidence),
    /// Only operations.
    Operations,
}

/// Collects the anomalies that are shown, each once, and the number of the others.
pub(super) fn collect_anomalies<'a>(findings: &CheckFindings<'a>) -> (Vec<ShownAnomaly<'a>>, usize) {
    let mut shown = collect_phenomena(findings);
    let mut left_out = 0;
    for answer in findings.answers() {
        let (level, all) = (answer.property.name(), violations_of(answer));
        match all.first().map(|violation| &violation.evidence) {
            None | Some(Evidence::Phenomenon(_)) => {}
            Some(Evidence::Core(_) | Evidence::Cycle(_) | Evidence::Causal(_)) => {
                left_out += all.len().saturating_sub(EACH_MAX);
                all.iter()
                    .take(EACH_MAX)
                    .for_each(|violation| add_object_anomaly(findings, level, violation, &mut shown));
            }
            Some(Evidence::Finding(_) | Evidence::Breach(_)) => {
                let told = findings.describe_anomalies(answer);
                let (mut keys, all) = (Vec::new(), told.len());
                // Only the first anomaly of an object is shown; later ones repeat it.
                let first = |one: &DescribedAnomaly<'_>| {
                    let new = !keys.contains(&one.key);
                    keys.push(one.key);
                    new
                };
                let told: Vec<DescribedAnomaly<'_>> = told.into_iter().filter(first).take(EACH_MAX).collect();
                left_out += all - told.len();
                shown.extend(told.into_iter().map(|one| anomaly_of_operations(findings, level, one)));
            }
        }
    }
    left_out += shown.len().saturating_sub(ALL_MAX);
    shown.truncate(ALL_MAX);
    (shown, left_out)
}

/// An anomaly that is shown by its operations alone.
fn anomaly_of_operations<'a>(
    findings: &CheckFindings<'a>,
    level: &'static str,
    one: DescribedAnomaly<'a>,
) -> ShownAnomaly<'a> {
    ShownAnomaly {
        kind: one.kind,
        meaning: one.meaning,
        object: object_phrase(findings.history, one.key),
        levels: vec![level],
        text: one.text,
        operations: one.operations,
        evidence: AnomalyEvidence::Operations,
        circumstances: one.circumstances,
        more: 0,
    }
}

fn add_object_anomaly<'a>(
    findings: &CheckFindings<'a>,
    level: &'static str,
    anomaly: &'a Violation,
    shown: &mut Vec<ShownAnomaly<'a>>,
) {
    let same = |known: &&mut ShownAnomaly<'_>| match known.evidence {
        AnomalyEvidence::Object(other) => {
            (other.kind, other.key, &other.operations) == (anomaly.kind, anomaly.key, &anomaly.operations)
        }
        _ => false,
    };
    if let Some(known) = shown.iter_mut().find(same) {
        known.levels.push(level);
        return;
    }
    let history = findings.history;
    let told = sentence::describe_object_violation(history, anomaly);
    let told = told.strip_prefix(&format!("{}: ", history.key_text(anomaly.key))).unwrap_or(&told);
    shown.push(ShownAnomaly {
        kind: anomaly.kind.as_str(),
        meaning: sentence::anomaly_meaning(anomaly.kind.as_str()),
        object: object_phrase(history, anomaly.key),
        levels: vec![level],
        text: as_sentence(told),
        operations: sentence::operations_to_show(history, anomaly),
        evidence: AnomalyEvidence::Object(anomaly),
        circumstances: None,
        more: 0,
    });
}

/// Collects the phenomena that rule out a level of the question, each with its first examples.
fn collect_phenomena<'a>(findings: &CheckFindings<'a>) -> Vec<ShownAnomaly<'a>> {
    if findings.report.phenomena.is_empty() {
        return Vec::new();
    }
    let told: Vec<_> = findings
        .answers()
        .iter()
        .flat_map(|answer| {
            findings.describe_anomalies(answer).into_iter().map(|one| (answer.property.name(), one))
        })
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
            shown.push(ShownAnomaly {
                kind: one.kind,
                meaning: one.meaning,
                object: object_phrase(findings.history, one.key),
                levels: levels.clone(),
                text: one.text.clone(),
                operations: one.operations.clone(),
                evidence: AnomalyEvidence::Transactions(evidence),
                circumstances: None,
                more: if last { anomaly.count.saturating_sub(place) } else { 0 },
            });
        }
    }
    shown
}

fn object_phrase(history: &History, key: histories::KeyId) -> String {
    describe::key_phrase(history, key).replacen(" of ", " on ", 1)
}

/// Writes one anomaly. The first one of a history has the legend of the drawings; each kind has its next step once.
pub(super) fn write_anomaly(
    findings: &CheckFindings<'_>,
    shown: &ShownAnomaly<'_>,
    anchor: &str,
    (first, again, episodes): (bool, bool, &[ShownFault]),
    html: &mut Html,
) {
    let history = findings.history;
    html.open_tag("article", &[("class", &"anomaly"), ("id", &anchor)]);
    html.open_tag("h3", &[]);
    html.add_leaf("span", &[("class", &"kind")], shown.kind);
    html.add_text(&shown.object);
    // A finding is its own property.
    if shown.levels != [shown.kind] {
        html.add_leaf("span", &[("class", &"quiet")], format!(" violates {}", shown.levels.join(", ")));
    }
    html.close_tag("h3");
    write_argument(findings, shown, html);
    let operations: Vec<OpId> = shown.operations.iter().copied().take(OPERATIONS_MAX).collect();
    if !operations.is_empty() {
        html.add_leaf("h4", &[], "The operations");
        write_operation_table(history, &in_order(&operations), html);
        if let Some(more) = shown.operations.len().checked_sub(OPERATIONS_MAX).filter(|&more| more > 0) {
            html.add_leaf("p", &[("class", &"quiet")], format!("and {}", count_noun(more, "more operation")));
        }
        html.add_leaf("h4", &[], "What happened around these operations");
        if first {
            write_legend(html);
        }
        timeline::draw_timeline(history, &operations, episodes, &lane_argument(findings, shown), html);
    }
    if let AnomalyEvidence::Object(anomaly) = shown.evidence {
        for condition in sentence::reading_conditions(history, anomaly) {
            html.add_leaf("p", &[], format!("Note: {condition}."));
        }
    }
    write_next_step(shown, again, html);
    if shown.more > 0 {
        html.add_leaf(
            "p",
            &[("class", &"quiet")],
            format!("The history has {} more of this kind.", shown.more),
        );
    }
    html.close_tag("article");
    html.break_line();
}

/// The argument that is drawn in the lanes.
fn lane_argument(findings: &CheckFindings<'_>, shown: &ShownAnomaly<'_>) -> LaneArgument {
    match &shown.evidence {
        AnomalyEvidence::Object(violation) => match &violation.evidence {
            Evidence::Core(core) => LaneArgument::from_core(findings, core),
            _ => LaneArgument::default(),
        },
        AnomalyEvidence::Operations => LaneArgument::from_finding(&shown.operations, &shown.text),
        AnomalyEvidence::Transactions(_) => LaneArgument::default(),
    }
}

/// Writes the next step. For a finding that is the runbook's entry, once per kind.
fn write_next_step(shown: &ShownAnomaly<'_>, again: bool, html: &mut Html) {
    if !matches!(shown.evidence, AnomalyEvidence::Object(_)) {
        if !again && runbook::has_entry(shown.kind) {
            html.add_leaf("h4", &[], "What this usually means, and what to do");
            runbook::write_entry(shown.kind, html);
        }
        return;
    }
    html.open_tag("p", &[("class", &"next")]);
    html.add_leaf("b", &[], "Next: ");
    html.add_text(sentence::suggest_next_step(shown.kind));
    html.add_text(".");
    html.close_tag("p");
}

/// Writes why no permitted execution explains the operations.
fn write_argument(findings: &CheckFindings<'_>, shown: &ShownAnomaly<'_>, html: &mut Html) {
    let history = findings.history;
    let said = |html: &mut Html, text: &str| html.add_leaf("p", &[("class", &"sentence")], clip_text(text));
    match &shown.evidence {
        AnomalyEvidence::Object(anomaly) => {
            said(html, &shown.text);
            match &anomaly.evidence {
                Evidence::Core(core) => write_failed_orders(findings, core, html),
                Evidence::Causal(_) => {
                    html.add_leaf("h4", &[], "The cycle: each of these operations must come before the next");
                    graph::draw_graph(&graphs::graph_of_violation(history, anomaly), html);
                }
                Evidence::Cycle(cycle) => {
                    let graph = graphs::graph_of_violation(history, anomaly);
                    let title = match cycle.cycles().count() {
                        0 | 1 => "The cycle: each of these versions must come before the next",
                        _ => "The cycle of the first case: each of these versions must come before the next",
                    };
                    html.add_leaf("h4", &[], title);
                    graph::draw_graph(&graph, html);
                }
                Evidence::Phenomenon(_) | Evidence::Finding(_) | Evidence::Breach(_) => {}
            }
        }
        AnomalyEvidence::Transactions(TransactionEvidence::Cycle(cycle)) => {
            said(html, &as_sentence(shown.meaning));
            html.add_leaf("h4", &[], "The cycle: each of these transactions must come before the next");
            graph::draw_graph(&graphs::graph_of_transactions(history, &cycle.edges), html);
        }
        AnomalyEvidence::Transactions(TransactionEvidence::Lemmas(_)) => {
            said(html, "Every order of the versions leads to a cycle of transactions.");
            html.add_leaf("pre", &[], &shown.text);
        }
        AnomalyEvidence::Transactions(TransactionEvidence::Cases(_)) => {
            said(html, &as_sentence(shown.meaning));
            html.add_leaf("pre", &[], &shown.text);
        }
        AnomalyEvidence::Transactions(_) => {
            said(html, &as_sentence(shown.meaning));
            html.add_leaf("p", &[], clip_text(&as_sentence(&shown.text)));
        }
        AnomalyEvidence::Operations => {
            said(html, &as_sentence(&shown.text));
            html.add_leaf("p", &[("class", &"quiet")], format!("{}: {}.", shown.kind, shown.meaning));
            write_circumstances(shown, html);
        }
    }
}

/// Writes the session, the node, the trace and the faults.
fn write_circumstances(shown: &ShownAnomaly<'_>, html: &mut Html) {
    let Some(told) = &shown.circumstances else { return };
    html.open_tag("dl", &[("class", &"facts")]);
    let faults = (!told.faults.is_empty()).then(|| told.faults.join("; "));
    let facts = [
        ("session", Some(&told.session)),
        ("answered by", told.node.as_ref()),
        ("trace", told.trace.as_ref()),
        ("faults meanwhile", faults.as_ref()),
    ];
    for (what, text) in facts {
        if let Some(text) = text {
            html.add_leaf("dt", &[], what);
            html.add_leaf("dd", &[], clip_text(text));
        }
    }
    html.close_tag("dl");
}

/// Writes how far each order of a core gets.
fn write_failed_orders(findings: &CheckFindings<'_>, core: &Core, html: &mut Html) {
    let history = findings.history;
    let question = findings.question.about_objects(history);
    let Some(ends) = verifier::dead_ends(history, &question, core, DEAD_ENDS_MAX) else { return };
    let name =
        |id: &OpId| format!("{} ({})", describe::operation_words(history, *id), history.operation_index(*id));
    // A single operation that is refused at once adds nothing to the sentence.
    let ends: Vec<_> =
        ends.into_iter().filter(|end| !end.refused.is_empty() && !end.order.is_empty()).collect();
    if ends.is_empty() {
        return;
    }
    html.add_leaf("h4", &[], if ends.len() == 1 { "Why every order fails" } else { "Why each order fails" });
    html.open_tag("ol", &[("class", &"reasons")]);
    for end in &ends {
        html.open_tag("li", &[]);
        let order: Vec<String> = end.order.iter().map(name).collect();
        html.add_leaf("b", &[], order.join(", then "));
        let holds = end
            .holds
            .map(|value| format!(": it holds {}", describe::shorten_text(history.value_text(value))));
        html.add_text(holds.unwrap_or_default());
        let refused: Vec<String> =
            end.refused.iter().map(|(id, why)| format!("{} cannot come next, as {why}", name(id))).collect();
        html.add_text(format!("; {}.", refused.join("; ")));
        html.close_tag("li");
    }
    html.close_tag("ol");
}

fn write_legend(html: &mut Html) {
    html.add_leaf(
        "p",
        &[("class", &"legend")],
        "Rows above the lanes, if any: the nodes that said they were the primary. Each lane is a session; each bar leads from an invocation to its completion, in the order of events. Blue: the \
         operations above. Grey: others on the same object. Fading: indeterminate. Struck through: failed. Orange: a fault. In a \
         bar, w is a write and r a read with its result: _ is nothing, ? is unknown. @ names the node that answered.",
    );
}

/// The operations in the order of the history, as a reader follows them.
fn in_order(operations: &[OpId]) -> Vec<OpId> {
    let mut operations = operations.to_vec();
    operations.sort_unstable();
    operations
}

/// Writes a table of operations.
fn write_operation_table(history: &History, operations: &[OpId], html: &mut Html) {
    let mut rows = vec![operation_table::COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(operations.iter().map(|&id| {
        let mut row = operation_table::operation_row(history, id);
        if history.function(id) == Function::TXN {
            row[operation_table::DID] = transactions::explain::describe_transaction(history, id);
        }
        row
    }));
    let rows = without_empty_columns(rows);
    html.open_scroll();
    html.open_tag("table", &[]);
    html.open_tag("tr", &[]);
    rows[0].iter().for_each(|name| html.add_leaf("th", &[], name));
    html.close_tag("tr");
    for (row, &id) in rows[1..].iter().zip(operations) {
        html.open_tag("tr", &[("data-op", &history.operation_index(id))]);
        for (cell, name) in row.iter().zip(&rows[0]) {
            let class = match name.as_str() {
                "op" => "number",
                "did" => "did",
                "from" | "to" => "time",
                _ => "",
            };
            html.add_leaf("td", &[("class", &class)], clip_text(cell));
        }
        html.close_tag("tr");
        html.break_line();
    }
    html.close_tag("table");
    html.close_tag("div");
}
