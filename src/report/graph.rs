//! What came before what, as a graph: of a cycle of transactions, of a cycle of versions, of the operations of a core.
//!
//! Pictures (`page`) and Graphviz (`dot`) are both made from this value. An edge says that its beginning must come
//! before its end, and why.

use super::describe::{self, short};
use checker::transactions::explain;
use checker::{
    ConstraintReason as Reason, Contradiction, Core, Dependency, DependencyReason as Why, Evidence,
    InferenceRule, Level, LinkReason, VersionConstraint as Constraint, Violation, causality, sessions,
};
use histories::{Argument, Function, History, OpId, Operation, Outcome, ValueId};

/// Micro-operations that are shown of one transaction.
const LINES_MAX: usize = 8;
/// Characters of one of them.
const LINE_CHARS_MAX: usize = 44;

/// A small directed graph.
#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
}

/// A transaction, a version or an operation.
pub(crate) struct Node {
    /// A name of a few characters: `T1`.
    pub(crate) name: String,
    /// Where it is in the history.
    pub(crate) title: String,
    /// What it did.
    pub(crate) lines: Vec<String>,
}

/// One must come before the other.
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// What kind of reason: `ww`.
    pub(crate) label: &'static str,
    /// The reason in words.
    pub(crate) reason: String,
}

/// The graph that shows an anomaly of objects.
pub(crate) fn of_violation(history: &History, violation: &Violation) -> Graph {
    match &violation.evidence {
        Evidence::Cycle(cycle) => versions(history, cycle.cycles().next().unwrap_or_default()),
        Evidence::Core(core) => precedence(history, core),
        Evidence::Causal(found) => {
            found.contradictions().next().map_or_else(Graph::default, |first| causes(history, first))
        }
        Evidence::Phenomenon(_) | Evidence::Finding(_) | Evidence::Breach(_) => Graph::default(),
    }
}

/// Operations that would each have to come before the next.
fn causes(history: &History, found: &Contradiction) -> Graph {
    let mut graph = Graph::default();
    let mut ids: Vec<Option<OpId>> = Vec::new();
    for link in &found.cycle {
        let mut at = |op: Option<OpId>| {
            ids.iter().position(|&known| known == op).unwrap_or_else(|| {
                ids.push(op);
                graph.nodes.push(match op {
                    Some(id) => Node {
                        name: history.operation_index(id).to_string(),
                        title: place(history, id),
                        lines: vec![describe::words(history, id)],
                    },
                    None => version(history, None),
                });
                ids.len() - 1
            })
        };
        let (from, to) = (at(link.from), at(link.to));
        let label = match link.why {
            LinkReason::SessionOrder => "process",
            LinkReason::ReadsFrom => "wr",
            LinkReason::Initial => "initial",
            LinkReason::Assumed => "case",
            LinkReason::Inferred(number) => match found.inferred[number].rule {
                InferenceRule::NotBetween => "ww",
                InferenceRule::NotYet => "rw",
            },
        };
        graph.edges.push(Edge {
            from,
            to,
            label,
            reason: causality::explain::describe_causal_link(history, found, link),
        });
    }
    graph
}

/// The graph of a cycle of transactions.
pub(crate) fn of_transactions(history: &History, cycle: &[Dependency]) -> Graph {
    let count = cycle.len();
    let name = |at: usize| format!("T{}", at % count + 1);
    let node = |(at, edge): (usize, &Dependency)| Node {
        name: name(at),
        title: place(history, edge.from),
        lines: micros(history, edge.from),
    };
    let edge = |(at, edge): (usize, &Dependency)| Edge {
        from: at,
        to: (at + 1) % count,
        label: label(&edge.why),
        reason: explain::describe_dependency(history, edge, &name(at), &name(at + 1)),
    };
    Graph {
        nodes: cycle.iter().enumerate().map(node).collect(),
        edges: cycle.iter().enumerate().map(edge).collect(),
    }
}

fn label(why: &Why) -> &'static str {
    match why {
        Why::Overwritten { .. } | Why::Concluded { .. } => "ww",
        Why::ReadBy { .. } => "wr",
        Why::Missed { .. } => "rw",
        Why::Session => "process",
        Why::RealTime => "realtime",
        Why::Arbitrated { axiom, .. } => axiom.name(),
    }
}

/// `operation 412, session a`.
fn place(history: &History, id: OpId) -> String {
    let session = history.session_text(history.session(id));
    let session = short(session);
    let session = if session.starts_with("process ") { session } else { format!("session {session}") };
    format!("operation {}, {session}", history.operation_index(id))
}

/// The micro-operations of a transaction, a line each.
fn micros(history: &History, id: OpId) -> Vec<String> {
    let text = explain::describe_transaction(history, id);
    let all: Vec<&str> = text.split_inclusive(']').map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut lines: Vec<String> = all.iter().take(LINES_MAX).map(|line| cut(line)).collect();
    if let Some(more) = all.len().checked_sub(LINES_MAX).filter(|&more| more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// A line that fits a box: the end of a list tells more than its beginning.
fn cut(line: &str) -> String {
    let count = line.chars().count();
    if count <= LINE_CHARS_MAX {
        return line.to_owned();
    }
    let (start, end) = (LINE_CHARS_MAX / 3, LINE_CHARS_MAX - LINE_CHARS_MAX / 3 - 2);
    let head: String = line.chars().take(start).collect();
    let tail: String = line.chars().skip(count - end).collect();
    format!("{head}..{tail}")
}

/// Versions of one object, each with the write that made it.
fn versions(history: &History, constraints: &[Constraint]) -> Graph {
    let mut graph = Graph::default();
    let mut ids: Vec<Option<OpId>> = Vec::new();
    for constraint in constraints {
        let mut at = |write: Option<OpId>| {
            ids.iter().position(|&known| known == write).unwrap_or_else(|| {
                ids.push(write);
                graph.nodes.push(version(history, write));
                ids.len() - 1
            })
        };
        let (from, to) = (at(constraint.from), at(constraint.to));
        let (label, reason) =
            (demand(constraint), sessions::explain::describe_constraint(history, constraint));
        graph.edges.push(Edge { from, to, label, reason });
    }
    graph
}

fn version(history: &History, write: Option<OpId>) -> Node {
    let Some(id) = write else {
        let name = "initial".to_owned();
        return Node { name, title: "the initial value".to_owned(), lines: Vec::new() };
    };
    let value = match history.argument(id) {
        Argument::Pair(_, new) => new,
        Argument::Value(value) => value,
        Argument::Micros(_) => ValueId::NULL,
    };
    Node {
        name: format!("version {}", short(history.value_text(value))),
        title: place(history, id),
        lines: vec![describe::words(history, id)],
    }
}

fn demand(constraint: &Constraint) -> &'static str {
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

/// The operations of a core: what real time orders (without what follows from the rest), and for each read of a
/// register the write that it must come after.
fn precedence(history: &History, core: &Core) -> Graph {
    let mut graph = Graph::default();
    let ops: Vec<Operation> = core.operations.iter().map(|&id| history.operation(id)).collect();
    for op in &ops {
        graph.nodes.push(Node {
            name: history.operation_index(op.id).to_string(),
            title: place(history, op.id),
            lines: vec![describe::words(history, op.id)],
        });
    }
    for (to, later) in ops.iter().enumerate() {
        let before: Vec<usize> = (0..ops.len()).filter(|&at| ops[at].precedes(later)).collect();
        let follows = |from: usize| before.iter().any(|&between| ops[from].precedes(&ops[between]));
        for &from in before.iter().filter(|&&from| !follows(from)) {
            let reason = format!("{} completed before {} began", name(&graph, from), name(&graph, to));
            graph.edges.push(Edge { from, to, label: "realtime", reason });
        }
        let Some(value) = found(later).filter(|_| !core.writes_only.contains(&later.id)) else { continue };
        let writers: Vec<usize> = (0..ops.len()).filter(|&at| put(&ops[at]) == Some(value)).collect();
        // Where several wrote it, nobody knows which of them.
        if let [from] = writers[..]
            && from != to
        {
            let reason = format!("{} returned what {} wrote", name(&graph, to), name(&graph, from));
            graph.edges.push(Edge { from, to, label: "wr", reason });
        }
    }
    graph
}

fn name(graph: &Graph, at: usize) -> String {
    format!("operation {}", graph.nodes[at].name)
}

/// What an operation of a register is known to have found.
fn found(op: &Operation) -> Option<ValueId> {
    match (op.function, &op.argument, op.outcome) {
        (Function::READ | Function::GET, _, Outcome::Ok) => Some(op.result),
        (Function::CAS, &Argument::Pair(old, _), Outcome::Ok) => Some(old),
        _ => None,
    }
}

fn put(op: &Operation) -> Option<ValueId> {
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
        let graph = precedence(&history, &core);
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
