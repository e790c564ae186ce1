//! For Graphviz: what came before what in the first anomaly.
//!
//! Of transactions and session guarantees the first cycle; of operations that no order explains, what real time orders
//! and which write each read returned. One graph a call: of the first history that has one. Where nothing is
//! violated the file holds a graph without nodes, so that whatever reads it next does not fail.

use super::graph::{self, Graph};
use super::{Findings, Report};
use checker::TransactionEvidence;
use std::io::{self, Write};

/// Waits for the first graph.
#[derive(Default)]
pub(crate) struct Dot {
    graph: Option<(String, Graph)>,
}

impl Report for Dot {
    fn checked(&mut self, findings: &Findings<'_>, _out: &mut dyn Write) -> io::Result<()> {
        if self.graph.is_none() {
            self.graph = first(findings).map(|(kind, graph)| (format!("{kind} in {}", findings.name), graph));
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let nothing = || ("nothing is violated".to_owned(), Graph::default());
        let (title, graph) = self.graph.take().unwrap_or_else(nothing);
        out.write_all(text(&title, &graph).as_bytes())
    }
}

/// The graph of the first anomaly that has one, and the anomaly's name.
fn first(findings: &Findings<'_>) -> Option<(&'static str, Graph)> {
    let violations = findings.answers().iter().flat_map(super::violations);
    let mut graphs = violations
        .map(|violation| (violation.kind.as_str(), graph::of_violation(findings.history, violation)));
    if let Some(found) = graphs.find(|(_, graph)| !graph.nodes.is_empty()) {
        return Some(found);
    }
    let ruled_out = |name: &str| {
        findings.answers().iter().flat_map(super::violations).any(|violation| violation.kind == name)
    };
    // One that rules out what was asked for; failing that, any.
    let mut anomalies: Vec<_> = findings.report.phenomena.iter().collect();
    anomalies.sort_by_key(|anomaly| !ruled_out(anomaly.phenomenon.name()));
    anomalies.into_iter().find_map(|anomaly| {
        let cycle = anomaly.examples.iter().find_map(TransactionEvidence::deciding_cycle)?;
        Some((anomaly.phenomenon.name(), graph::of_transactions(findings.history, cycle)))
    })
}

/// A graph in the DOT language.
fn text(title: &str, graph: &Graph) -> String {
    let mut text = format!(
        "digraph steadfast {{\n  label={};\n  labelloc=t;\n  rankdir=LR;\n  node [shape=box, fontname=monospace];\n  \
         edge [fontname=monospace];\n",
        quoted([title])
    );
    for (at, node) in graph.nodes.iter().enumerate() {
        let lines = [node.name.as_str(), node.title.as_str()];
        let lines = lines.into_iter().chain(node.lines.iter().map(String::as_str));
        text += &format!("  n{at} [label={}];\n", quoted(lines));
    }
    for edge in &graph.edges {
        let (label, reason) = (quoted([edge.label]), quoted([edge.reason.as_str()]));
        let style = if edge.label == "realtime" || edge.label == "process" { ", style=dashed" } else { "" };
        text += &format!("  n{} -> n{} [label={label}, tooltip={reason}{style}];\n", edge.from, edge.to);
    }
    text + "}\n"
}

/// Lines as a quoted string: quotes and backslashes are escaped, control characters become spaces.
fn quoted<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let escaped = |line: &str| {
        let mut text = String::new();
        for sign in line.chars() {
            match sign {
                '"' | '\\' => text.extend(['\\', sign]),
                sign if sign.is_control() => text.push(' '),
                sign => text.push(sign),
            }
        }
        text
    };
    let lines: Vec<String> = lines.into_iter().map(escaped).collect();
    format!("\"{}\"", lines.join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_where_they_should() {
        assert_eq!(quoted(["a\"b\\", "c\nd"]), "\"a\\\"b\\\\\\nc d\"");
    }
}
