//! The graph of an anomaly: a cycle of transactions, a cycle of versions, or the operations of a core.
//!
//! The page (`page`) and Graphviz output (`dot`) are both made from this value. An edge says that its source must come
//! before its target, and why.

use super::describe::{self, shorten_text};
use checker::transactions::explain;
use checker::{
    ConstraintReason as Reason, Contradiction, Core, Dependency, DependencyReason as Why, Evidence,
    InferenceRule, Level, LinkReason, VersionConstraint as Constraint, Violation, causality, sessions,
};
use histories::{Argument, Function, History, OpId, Operation, Outcome, ValueId};

/// The number of micro-operations of one transaction that are shown.
const LINES_MAX: usize = 8;
/// The number of characters of a micro-operation that are shown.
const LINE_CHARS_MAX: usize = 44;

/// A small directed graph.
#[derive(Default)]
pub(crate) struct CauseGraph {
    pub(crate) nodes: Vec<CauseNode>,
    pub(crate) edges: Vec<CauseEdge>,
}

/// A transaction, a version or an operation.
pub(crate) struct CauseNode {
    /// A name of a few characters: `T1`.
    pub(crate) name: String,
    /// Its place in the history.
    pub(crate) title: String,
    /// What it did.
    pub(crate) lines: Vec<String>,
}

/// A requirement that one node comes before another.
pub(crate) struct CauseEdge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The kind of reason: `ww`.
    pub(crate) label: &'static str,
    /// The reason in words.
    pub(crate) reason: String,
}

/// Builds the graph of a violation about objects.
pub(crate) fn graph_of_violation(history: &History, violation: &Violation) -> CauseGraph {
    match &violation.evidence {
        Evidence::Cycle(cycle) => graph_of_versions(history, cycle.cycles().next().unwrap_or_default()),
        Evidence::Core(core) => graph_of_core(history, core),
        Evidence::Causal(found) => found
            .contradictions()
            .next()
            .map_or_else(CauseGraph::default, |first| graph_of_causes(history, first)),
        Evidence::Phenomenon(_) | Evidence::Finding(_) | Evidence::Breach(_) => CauseGraph::default(),
    }
}

/// Builds the graph of a causal cycle.
fn graph_of_causes(history: &History, found: &Contradiction) -> CauseGraph {
    let mut graph = CauseGraph::default();
    let mut ids: Vec<Option<OpId>> = Vec::new();
    for link in &found.cycle {
        let mut at = |op: Option<OpId>| {
            ids.iter().position(|&known| known == op).unwrap_or_else(|| {
                ids.push(op);
                graph.nodes.push(match op {
                    Some(id) => CauseNode {
                        name: history.operation_index(id).to_string(),
                        title: operation_place(history, id),
                        lines: vec![describe::operation_words(history, id)],
                    },
                    None => version_node(history, None),
                });
                ids.len() - 1
            })
        };
        let (from, to) = (at(link.from), at(link.to));
        let label = match link.why {
            LinkReason::SessionOrder => "process",
            LinkReason::RealTime => "realtime",
            LinkReason::ReadsFrom => "wr",
            LinkReason::Initial => "initial",
            LinkReason::Assumed => "case",
            LinkReason::Inferred(number) => match found.inferred[number].rule {
                InferenceRule::NotBetween => "ww",
                InferenceRule::NotYet => "rw",
            },
        };
        graph.edges.push(CauseEdge {
            from,
            to,
            label,
            reason: causality::explain::describe_causal_link(history, found, link),
        });
    }
    graph
}

/// Builds the graph of a cycle of transactions.
pub(crate) fn graph_of_transactions(history: &History, cycle: &[Dependency]) -> CauseGraph {
    let count = cycle.len();
    let name = |at: usize| format!("T{}", at % count + 1);
    let node = |(at, edge): (usize, &Dependency)| CauseNode {
        name: name(at),
        title: operation_place(history, edge.from),
        lines: transaction_lines(history, edge.from),
    };
    let edge = |(at, edge): (usize, &Dependency)| CauseEdge {
        from: at,
        to: (at + 1) % count,
        label: dependency_label(&edge.why),
        reason: explain::describe_dependency(history, edge, &name(at), &name(at + 1)),
    };
    CauseGraph {
        nodes: cycle.iter().enumerate().map(node).collect(),
        edges: cycle.iter().enumerate().map(edge).collect(),
    }
}

fn dependency_label(why: &Why) -> &'static str {
    match why {
        Why::Overwritten { .. } | Why::Concluded { .. } => "ww",
        Why::ReadBy { .. } => "wr",
        Why::Missed { .. } => "rw",
        Why::Session => "process",
        Why::RealTime => "realtime",
        Why::Arbitrated { axiom, .. } => axiom.name(),
    }
}

/// The place of an operation: `operation 412, session a`.
fn operation_place(history: &History, id: OpId) -> String {
    let session = history.session_text(history.session(id));
    let session = shorten_text(session);
    let session = if session.starts_with("process ") { session } else { format!("session {session}") };
    format!("operation {}, {session}", history.operation_index(id))
}

/// The micro-operations of a transaction, one per line.
fn transaction_lines(history: &History, id: OpId) -> Vec<String> {
    let text = explain::describe_transaction(history, id);
    let all: Vec<&str> = text.split_inclusive(']').map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut lines: Vec<String> = all.iter().take(LINES_MAX).map(|line| shorten_line(line)).collect();
    if let Some(more) = all.len().checked_sub(LINES_MAX).filter(|&more| more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Shortens a line to fit a box. The end of a list says more than its beginning, so more of the end is kept.
fn shorten_line(line: &str) -> String {
    let count = line.chars().count();
    if count <= LINE_CHARS_MAX {
        return line.to_owned();
    }
    let (start, end) = (LINE_CHARS_MAX / 3, LINE_CHARS_MAX - LINE_CHARS_MAX / 3 - 2);
    let head: String = line.chars().take(start).collect();
    let tail: String = line.chars().skip(count - end).collect();
    format!("{head}..{tail}")
}

/// Builds the graph of a cycle of versions, each with the write that created it.
fn graph_of_versions(history: &History, constraints: &[Constraint]) -> CauseGraph {
    let mut graph = CauseGraph::default();
    let mut ids: Vec<Option<OpId>> = Vec::new();
    for constraint in constraints {
        let mut at = |write: Option<OpId>| {
            ids.iter().position(|&known| known == write).unwrap_or_else(|| {
                ids.push(write);
                graph.nodes.push(version_node(history, write));
                ids.len() - 1
            })
        };
        let (from, to) = (at(constraint.from), at(constraint.to));
        let (label, reason) =
            (constraint_label(constraint), sessions::explain::describe_constraint(history, constraint));
        graph.edges.push(CauseEdge { from, to, label, reason });
    }
    graph
}

fn version_node(history: &History, write: Option<OpId>) -> CauseNode {
    let Some(id) = write else {
        let name = "initial".to_owned();
        return CauseNode { name, title: "the initial value".to_owned(), lines: Vec::new() };
    };
    let value = match history.argument(id) {
        Argument::Pair(_, new) => new,
        Argument::Value(value) => value,
        Argument::Micros(_) => ValueId::NULL,
    };
    CauseNode {
        name: format!("version {}", shorten_text(history.value_text(value))),
        title: operation_place(history, id),
        lines: vec![describe::operation_words(history, id)],
    }
}

fn constraint_label(constraint: &Constraint) -> &'static str {
    match constraint.reason {
        Reason::SessionOrder { guarantee: Level::ReadYourWrites, .. } => "read-your-writes",
        Reason::SessionOrder { guarantee: Level::MonotonicReads, .. } => "monotonic-reads",
        Reason::SessionOrder { guarantee: Level::MonotonicWrites, .. } => "monotonic-writes",
        Reason::SessionOrder { .. } => "writes-follow-reads",
        Reason::CompareAndSet { .. } => "cas",
        Reason::Token { .. } => "version token",
        Reason::Initial => "initial",
        Reason::SessionWrites { .. } => "sequential-keys",
        Reason::RealTimeWrites { .. } => "linearizable-keys",
    }
}

/// Builds the graph of a core: the real-time order without transitive edges, and for each read of a register the write
/// that it must follow.
fn graph_of_core(history: &History, core: &Core) -> CauseGraph {
    let mut graph = CauseGraph::default();
    let ops: Vec<Operation> = core.operations.iter().map(|&id| history.operation(id)).collect();
    for op in &ops {
        graph.nodes.push(CauseNode {
            name: history.operation_index(op.id).to_string(),
            title: operation_place(history, op.id),
            lines: vec![describe::operation_words(history, op.id)],
        });
    }
    for (to, later) in ops.iter().enumerate() {
        let before: Vec<usize> = (0..ops.len()).filter(|&at| ops[at].precedes(later)).collect();
        let follows = |from: usize| before.iter().any(|&between| ops[from].precedes(&ops[between]));
        for &from in before.iter().filter(|&&from| !follows(from)) {
            let reason =
                format!("{} completed before {} began", node_phrase(&graph, from), node_phrase(&graph, to));
            graph.edges.push(CauseEdge { from, to, label: "realtime", reason });
        }
        let Some(value) = value_found(later).filter(|_| !core.writes_only.contains(&later.id)) else {
            continue;
        };
        let writers: Vec<usize> =
            (0..ops.len()).filter(|&at| value_written(&ops[at]) == Some(value)).collect();
        // With several writers of the value, the history does not say which one the read observed.
        if let [from] = writers[..]
            && from != to
        {
            let reason =
                format!("{} returned what {} wrote", node_phrase(&graph, to), node_phrase(&graph, from));
            graph.edges.push(CauseEdge { from, to, label: "wr", reason });
        }
    }
    graph
}

fn node_phrase(graph: &CauseGraph, at: usize) -> String {
    format!("operation {}", graph.nodes[at].name)
}

/// The value that an operation on a register is known to have found.
fn value_found(op: &Operation) -> Option<ValueId> {
    match (op.function, &op.argument, op.outcome) {
        (Function::READ | Function::GET, _, Outcome::Ok) => Some(op.result),
        (Function::CAS, &Argument::Pair(old, _), Outcome::Ok) => Some(old),
        _ => None,
    }
}

fn value_written(op: &Operation) -> Option<ValueId> {
    match (op.function, &op.argument) {
        (Function::WRITE | Function::PUT, &Argument::Value(value)) => Some(value),
        (Function::CAS, &Argument::Pair(_, new)) => Some(new),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::KeyId;
    use histories::notation::parse;

    fn drawn(drawing: &str) -> Vec<(usize, usize, &'static str)> {
        let history = parse(drawing).expect("a drawing");
        let core = Core::minimal_core(KeyId::NONE, history.ids().collect());
        let graph = graph_of_core(&history, &core);
        graph.edges.iter().map(|edge| (edge.from, edge.to, edge.label)).collect()
    }

    #[test]
    fn real_time_is_drawn_without_what_follows_from_it() {
        assert_eq!(
            drawn("a: [w1] [w2]\nb:           [r1]"),
            [(0, 1, "realtime"), (1, 2, "realtime"), (0, 2, "wr")]
        );
    }

    #[test]
    fn a_read_is_not_said_to_follow_a_write_if_it_may_be_another() {
        assert_eq!(drawn("a: [w1  ] \nb: [w1  ]\nc:  [r1 ]"), []);
    }
}
