//! The graph of the first anomaly, for Graphviz.
//!
//! For transactions and session guarantees the graph is the first cycle. For operations that no order explains it shows
//! the real-time order and which write each read returned. A call writes one graph, of the first history that has one. If
//! nothing is violated the file holds a graph without nodes, so that tools that read it do not fail.

use super::graph::{self, CauseGraph};
use super::{CheckFindings, ReportWriter};
use checker::TransactionEvidence;
use std::io::{self, Write};

/// Keeps the first graph until the end.
#[derive(Default)]
pub(crate) struct DotReport {
    graph: Option<(String, CauseGraph)>,
}

impl ReportWriter for DotReport {
    fn write_checked(&mut self, findings: &CheckFindings<'_>, _out: &mut dyn Write) -> io::Result<()> {
        if self.graph.is_none() {
            self.graph =
                first_graph(findings).map(|(kind, graph)| (format!("{kind} in {}", findings.name), graph));
        }
        Ok(())
    }

    fn write_end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let nothing = || ("nothing is violated".to_owned(), CauseGraph::default());
        let (title, graph) = self.graph.take().unwrap_or_else(nothing);
        out.write_all(graph_as_dot(&title, &graph).as_bytes())
    }
}

/// Finds the first anomaly that has a graph, with its name.
fn first_graph(findings: &CheckFindings<'_>) -> Option<(&'static str, CauseGraph)> {
    let violations = findings.answers().iter().flat_map(super::violations_of);
    let mut graphs = violations
        .map(|violation| (violation.kind.as_str(), graph::graph_of_violation(findings.history, violation)));
    if let Some(found) = graphs.find(|(_, graph)| !graph.nodes.is_empty()) {
        return Some(found);
    }
    let ruled_out = |name: &str| {
        findings.answers().iter().flat_map(super::violations_of).any(|violation| violation.kind == name)
    };
    // Phenomena that rule out a level in the question come first.
    let mut anomalies: Vec<_> = findings.report.phenomena.iter().collect();
    anomalies.sort_by_key(|anomaly| !ruled_out(anomaly.phenomenon.name()));
    anomalies.into_iter().find_map(|anomaly| {
        let cycle = anomaly.examples.iter().find_map(TransactionEvidence::deciding_cycle)?;
        Some((anomaly.phenomenon.name(), graph::graph_of_transactions(findings.history, cycle)))
    })
}

/// Formats a graph in the DOT language.
fn graph_as_dot(title: &str, graph: &CauseGraph) -> String {
    let mut text = format!(
        "digraph steadfast {{\n  label={};\n  labelloc=t;\n  rankdir=LR;\n  node [shape=box, fontname=monospace];\n  \
         edge [fontname=monospace];\n",
        quote_lines([title])
    );
    for (at, node) in graph.nodes.iter().enumerate() {
        let lines = [node.name.as_str(), node.title.as_str()];
        let lines = lines.into_iter().chain(node.lines.iter().map(String::as_str));
        text += &format!("  n{at} [label={}];\n", quote_lines(lines));
    }
    for edge in &graph.edges {
        let (label, reason) = (quote_lines([edge.label]), quote_lines([edge.reason.as_str()]));
        let style = if edge.label == "realtime" || edge.label == "process" { ", style=dashed" } else { "" };
        text += &format!("  n{} -> n{} [label={label}, tooltip={reason}{style}];\n", edge.from, edge.to);
    }
    text + "}\n"
}

/// Joins lines to a quoted string. Quotes and backslashes are escaped; control characters become spaces.
fn quote_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
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
        assert_eq!(quote_lines(["a\"b\\", "c\nd"]), "\"a\\\"b\\\\\\nc d\"");
    }
}
