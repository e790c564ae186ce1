//! Draws a small graph: boxes on a circle, with labelled arrows between them.
//!
//! A cycle fits a circle, so the layout that a person would draw needs no algorithm: the first box is on top and the
//! others follow clockwise. Two boxes stand side by side. A numbered list below gives the reasons, and each arrow has its
//! number.

use super::super::graph::{CauseEdge, CauseGraph, CauseNode};
use super::html::Html;
use std::f64::consts::TAU;

/// A graph with more boxes is folded, or not drawn, because nobody can follow it; the list of reasons remains.
pub(super) const NODES_MAX: usize = 14;

const CHAR_WIDTH: f64 = 7.3;
const LINE_HEIGHT: f64 = 17.0;
const PADDING: f64 = 10.0;
const MARGIN: f64 = 16.0;
/// Room between two boxes for an arrow, in addition to its label.
const GAP: f64 = 76.0;

/// A box with its centre and its half sizes.
#[derive(Clone, Copy)]
struct NodeFrame {
    x: f64,
    y: f64,
    half_width: f64,
    half_height: f64,
}

/// Draws the picture with the reasons below it.
pub(super) fn draw_graph(graph: &CauseGraph, html: &mut Html) {
    if graph.nodes.len() < 2 {
        return write_edge_reasons(graph, html);
    }
    let folded = fold_cycle(graph);
    let graph = folded.as_ref().unwrap_or(graph);
    if graph.nodes.len() > NODES_MAX {
        return write_edge_reasons(graph, html);
    }
    let longest = graph.edges.iter().map(|edge| edge.label.len() + 3).max().unwrap_or(0);
    let (frames, width, height) = place_nodes(&graph.nodes, GAP + longest as f64 * CHAR_WIDTH);
    html.open_scroll();
    let sides = format!("0 0 {width:.0} {height:.0}");
    html.open_tag(
        "svg",
        &[
            ("class", &"graph"),
            ("viewBox", &sides),
            ("width", &format!("{width:.0}")),
            ("height", &format!("{height:.0}")),
            ("role", &"img"),
            ("aria-label", &"What must come before what; the reasons are listed below"),
        ],
    );
    for (at, edge) in graph.edges.iter().enumerate() {
        draw_edge(at, edge, graph, &frames, html);
    }
    for (node, frame) in graph.nodes.iter().zip(&frames) {
        draw_node(node, *frame, html);
    }
    html.close_tag("svg");
    html.close_tag("div");
    write_edge_reasons(graph, html);
}

fn write_edge_reasons(graph: &CauseGraph, html: &mut Html) {
    html.open_tag("ol", &[("class", &"reasons")]);
    for edge in &graph.edges {
        html.open_tag("li", &[]);
        let (from, to) = (&graph.nodes[edge.from].name, &graph.nodes[edge.to].name);
        html.add_leaf("b", &[], format!("{from} before {to}"));
        html.add_text(" ");
        html.add_leaf("span", &[("class", &format!("tag {}", edge_class(edge.label)))], edge.label);
        html.add_text(format!(" {}", edge.reason));
        html.close_tag("li");
    }
    html.close_tag("ol");
}

/// Folds a large cycle: the nodes of the deciding edges remain, and each run of others becomes one node. None for a small graph
/// or one that is not a single cycle. O(nodes).
///
/// Edges that follow from session order, real time or a read are not what makes a cycle forbidden; overwrites and missed writes
/// are. If more of these than fit remain, the first ones are kept.
fn fold_cycle(graph: &CauseGraph) -> Option<CauseGraph> {
    let count = graph.nodes.len();
    let is_cycle = graph.edges.len() == count
        && graph.edges.iter().enumerate().all(|(at, edge)| (edge.from, edge.to) == (at, (at + 1) % count));
    if count <= NODES_MAX || !is_cycle {
        return None;
    }
    let mut kept = vec![false; count];
    kept[0] = true;
    let mut room = NODES_MAX / 2 - 1;
    for edge in graph.edges.iter().filter(|edge| matches!(edge_class(edge.label), "ww" | "rw")) {
        let needed = [edge.from, edge.to].into_iter().filter(|&at| !kept[at]).count();
        if needed > room {
            break;
        }
        (kept[edge.from], kept[edge.to]) = (true, true);
        room -= needed;
    }
    let mut folded = CauseGraph::default();
    let mut omitted = 0;
    for (at, edge) in graph.edges.iter().enumerate() {
        let node = &graph.nodes[at];
        if kept[at] {
            folded.nodes.push(CauseNode {
                name: node.name.clone(),
                title: node.title.clone(),
                lines: node.lines.clone(),
            });
        } else {
            omitted += 1;
        }
        let next = (at + 1) % count;
        if kept[at] && kept[next] {
            push_edge(&mut folded, edge.label, edge.reason.clone());
        } else if kept[next] {
            push_edge(&mut folded, "order", "a path of the cycle leads here".to_owned());
            let title = format!("{omitted} more on the path");
            folded.nodes.push(CauseNode { name: "…".to_owned(), title, lines: Vec::new() });
            push_edge(&mut folded, "order", format!("the path has {} edges", omitted + 1));
            omitted = 0;
        }
    }
    let last = folded.nodes.len();
    folded.edges.iter_mut().for_each(|edge| edge.to %= last);
    Some(folded)
}

/// Adds an edge from the last node to the next one.
fn push_edge(graph: &mut CauseGraph, label: &'static str, reason: String) {
    let from = graph.nodes.len() - 1;
    graph.edges.push(CauseEdge { from, to: from + 1, label, reason });
}

/// Places boxes on a circle with a gap between neighbours. Returns the boxes and the size of the picture.
fn place_nodes(nodes: &[CauseNode], gap: f64) -> (Vec<NodeFrame>, f64, f64) {
    let sizes: Vec<(f64, f64)> = nodes.iter().map(node_size).collect();
    let (wide, high) =
        sizes.iter().fold((0.0_f64, 0.0_f64), |most, size| (most.0.max(size.0), most.1.max(size.1)));
    let count = nodes.len() as f64;
    // The radius leaves a gap between neighbours on the circle.
    let chord = 2.0 * (TAU / count / 2.0).sin();
    let radius_x = (wide + gap) / chord.max(0.4);
    // The vertical distance of the first two boxes in radii. With many boxes the width keeps them apart.
    let down = (1.0 - (TAU / count).cos()).max(0.6);
    let radius_y = if nodes.len() == 2 { 0.0 } else { (high + GAP) / down };
    let turn = if nodes.len() == 2 { TAU / 2.0 } else { -TAU / 4.0 };
    let middle = |at: usize| {
        let angle = turn + TAU * at as f64 / count;
        (radius_x * angle.cos(), radius_y * angle.sin())
    };
    let mut frames: Vec<NodeFrame> = (0..nodes.len())
        .map(|at| {
            let ((x, y), (width, height)) = (middle(at), sizes[at]);
            NodeFrame { x, y, half_width: width / 2.0, half_height: height / 2.0 }
        })
        .collect();
    let left = frames.iter().map(|f| f.x - f.half_width).fold(f64::MAX, f64::min) - MARGIN;
    let top = frames.iter().map(|f| f.y - f.half_height).fold(f64::MAX, f64::min) - MARGIN;
    // Between two boxes, one arrow bends up and the other down.
    let bulge = if nodes.len() == 2 { 30.0 } else { 0.0 };
    frames.iter_mut().for_each(|f| (f.x, f.y) = (f.x - left, f.y - top + bulge));
    let right = frames.iter().map(|f| f.x + f.half_width).fold(0.0, f64::max) + MARGIN;
    let bottom = frames.iter().map(|f| f.y + f.half_height).fold(0.0, f64::max) + MARGIN + bulge;
    (frames, right, bottom)
}

fn node_size(node: &CauseNode) -> (f64, f64) {
    let texts = node.lines.iter().chain([&node.title]).map(|text| text.chars().count());
    let longest = texts.chain([node.name.chars().count() + 1]).max().unwrap_or(1) as f64;
    let lines = node.lines.len() as f64 + 2.0;
    (longest * CHAR_WIDTH + 2.0 * PADDING, lines * LINE_HEIGHT + 2.0 * PADDING - 4.0)
}

fn draw_node(node: &CauseNode, frame: NodeFrame, html: &mut Html) {
    let (x, y) = (frame.x - frame.half_width, frame.y - frame.half_height);
    html.open_tag("g", &[("class", &"node")]);
    html.add_empty(
        "rect",
        &[
            ("x", &format!("{x:.1}")),
            ("y", &format!("{y:.1}")),
            ("width", &format!("{:.1}", frame.half_width * 2.0)),
            ("height", &format!("{:.1}", frame.half_height * 2.0)),
            ("rx", &"6"),
        ],
    );
    let mut line = |row: usize, class: &str, text: &str| {
        let y = y + PADDING + LINE_HEIGHT * (row as f64 + 0.75);
        html.add_leaf(
            "text",
            &[("x", &format!("{:.1}", x + PADDING)), ("y", &format!("{y:.1}")), ("class", &class)],
            text,
        );
    };
    line(0, "name", &node.name);
    line(1, "place", &node.title);
    for (at, text) in node.lines.iter().enumerate() {
        line(at + 2, "did", text);
    }
    html.close_tag("g");
}

/// Draws a curve between the borders of two boxes. It bends to the left of its direction, so that arrows in opposite
/// directions do not overlap.
fn draw_edge(at: usize, edge: &CauseEdge, graph: &CauseGraph, frames: &[NodeFrame], html: &mut Html) {
    let (from, to) = (frames[edge.from], frames[edge.to]);
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let length = dx.hypot(dy).max(1.0);
    // Further edges between the same two boxes bend more.
    let twins = graph.edges[..at].iter().filter(|other| (other.from, other.to) == (edge.from, edge.to));
    let bend = 0.16 * length.min(400.0) * (1.0 + twins.count() as f64 * 1.6);
    let control = ((from.x + to.x) / 2.0 + dy / length * bend, (from.y + to.y) / 2.0 - dx / length * bend);
    if edge.from == edge.to {
        return;
    }
    let (start, end) = (border_point(from, control), border_point(to, control));
    let path = format!(
        "M{:.1} {:.1} Q{:.1} {:.1} {:.1} {:.1}",
        start.0, start.1, control.0, control.1, end.0, end.1
    );
    let class = edge_class(edge.label);
    html.open_tag("g", &[("class", &format!("edge {class}"))]);
    html.add_leaf("title", &[], &edge.reason);
    html.add_empty("path", &[("d", &path), ("marker-end", &format!("url(#arrow-{class})"))]);
    let middle = ((start.0 + 2.0 * control.0 + end.0) / 4.0, (start.1 + 2.0 * control.1 + end.1) / 4.0);
    let label = format!("{} {}", at + 1, edge.label);
    let half = label.chars().count() as f64 * CHAR_WIDTH / 2.0 + 5.0;
    html.add_empty(
        "rect",
        &[
            ("x", &format!("{:.1}", middle.0 - half)),
            ("y", &format!("{:.1}", middle.1 - 10.0)),
            ("width", &format!("{:.1}", half * 2.0)),
            ("height", &"20"),
            ("rx", &"10"),
        ],
    );
    let (x, y) = (format!("{:.1}", middle.0), format!("{:.1}", middle.1 + 4.5));
    html.add_leaf("text", &[("x", &x), ("y", &y), ("text-anchor", &"middle")], label);
    html.close_tag("g");
}

/// The point at which the line from the centre of a box to `to` leaves the box.
fn border_point(frame: NodeFrame, to: (f64, f64)) -> (f64, f64) {
    let (dx, dy) = (to.0 - frame.x, to.1 - frame.y);
    let across = if dx.abs() < 0.01 { f64::MAX } else { (frame.half_width + 3.0) / dx.abs() };
    let down = if dy.abs() < 0.01 { f64::MAX } else { (frame.half_height + 3.0) / dy.abs() };
    let part = across.min(down).min(1.0);
    (frame.x + dx * part, frame.y + dy * part)
}

/// The style class of a kind of edge: overwritten, read, missed, or required by an order.
pub(super) fn edge_class(label: &str) -> &'static str {
    match label {
        "ww" | "cas" | "initial" => "ww",
        "wr" => "wr",
        "rw" => "rw",
        _ => "order",
    }
}

/// Defines the arrow heads, once per page.
pub(super) fn draw_arrow_heads(html: &mut Html) {
    for class in ["ww", "wr", "rw", "order"] {
        html.open_tag(
            "marker",
            &[
                ("id", &format!("arrow-{class}")),
                ("class", &format!("head {class}")),
                ("viewBox", &"0 0 10 10"),
                ("refX", &"9"),
                ("refY", &"5"),
                ("markerWidth", &"8"),
                ("markerHeight", &"8"),
                ("orient", &"auto"),
            ],
        );
        html.add_empty("path", &[("d", &"M0 0 L10 5 L0 10 z")]);
        html.close_tag("marker");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycle(labels: &[&'static str]) -> CauseGraph {
        let node = |at: usize| CauseNode { name: format!("T{at}"), title: String::new(), lines: Vec::new() };
        let edge = |(at, label): (usize, &&'static str)| CauseEdge {
            from: at,
            to: (at + 1) % labels.len(),
            label,
            reason: String::new(),
        };
        CauseGraph {
            nodes: (0..labels.len()).map(node).collect(),
            edges: labels.iter().enumerate().map(edge).collect(),
        }
    }

    /// A cycle of 30 transactions was a list of 30 lines and no picture, whose two deciding edges nobody found.
    #[test]
    fn a_large_cycle_is_folded_to_its_deciding_edges() {
        let mut labels = vec!["wr"; 30];
        (labels[3], labels[20]) = ("rw", "rw");
        let folded = fold_cycle(&cycle(&labels)).expect("it is large");
        let names: Vec<&str> = folded.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["T0", "…", "T3", "T4", "…", "T20", "T21", "…"]);
        let deciding: Vec<_> = folded.edges.iter().filter(|edge| edge.label == "rw").collect();
        assert_eq!(deciding.len(), 2);
        // It is still a cycle.
        for (at, edge) in folded.edges.iter().enumerate() {
            assert_eq!((edge.from, edge.to), (at, (at + 1) % folded.nodes.len()));
        }
        let omitted: usize =
            folded.nodes.iter().filter_map(|node| node.title.split(' ').next()?.parse::<usize>().ok()).sum();
        assert_eq!(omitted + 5, 30);
    }

    #[test]
    fn a_small_cycle_is_drawn_whole_and_one_of_deciding_edges_alone_stays_bounded() {
        assert!(fold_cycle(&cycle(&["rw"; NODES_MAX])).is_none());
        let folded = fold_cycle(&cycle(&["rw"; 100])).expect("it is large");
        assert!(folded.nodes.len() <= NODES_MAX, "{} nodes", folded.nodes.len());
    }
}
