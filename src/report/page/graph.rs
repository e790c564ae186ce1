//! A small graph as a picture: boxes on a circle, arrows between them, each with what kind of reason it has.
//!
//! A cycle *is* a circle, so the layout that a person would draw needs no algorithm: the first box on top, the others
//! clockwise. Two boxes stand side by side. The reasons stand in a numbered list below, and each arrow has its number.

use super::super::graph::{Edge, Graph, Node};
use super::html::Html;
use std::f64::consts::TAU;

/// More boxes than this are not drawn: nobody can follow them, and the text tells them one by one.
pub(super) const NODES_MAX: usize = 14;

const CHAR_WIDTH: f64 = 7.3;
const LINE_HEIGHT: f64 = 17.0;
const PADDING: f64 = 10.0;
const MARGIN: f64 = 16.0;
/// Between two boxes, for the arrows, beside their labels.
const GAP: f64 = 76.0;

/// A box with its middle and its half sizes.
#[derive(Clone, Copy)]
struct Frame {
    x: f64,
    y: f64,
    half_width: f64,
    half_height: f64,
}

/// The picture, and the reasons below it.
pub(super) fn draw(graph: &Graph, html: &mut Html) {
    if graph.nodes.len() < 2 || graph.nodes.len() > NODES_MAX {
        return reasons(graph, html);
    }
    let longest = graph.edges.iter().map(|edge| edge.label.len() + 3).max().unwrap_or(0);
    let (frames, width, height) = place(&graph.nodes, GAP + longest as f64 * CHAR_WIDTH);
    html.open("div", &[("class", &"scroll")]);
    let sides = format!("0 0 {width:.0} {height:.0}");
    html.open(
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
        arrow(at, edge, graph, &frames, html);
    }
    for (node, frame) in graph.nodes.iter().zip(&frames) {
        boxed(node, *frame, html);
    }
    html.close("svg");
    html.close("div");
    reasons(graph, html);
}

fn reasons(graph: &Graph, html: &mut Html) {
    html.open("ol", &[("class", &"reasons")]);
    for edge in &graph.edges {
        html.open("li", &[]);
        let (from, to) = (&graph.nodes[edge.from].name, &graph.nodes[edge.to].name);
        html.leaf("b", &[], format!("{from} before {to}"));
        html.say(" ");
        html.leaf("span", &[("class", &format!("tag {}", class(edge.label)))], edge.label);
        html.say(format!(" {}", edge.reason));
        html.close("li");
    }
    html.close("ol");
}

/// Boxes on a circle with a gap between neighbours, and how much room they take.
fn place(nodes: &[Node], gap: f64) -> (Vec<Frame>, f64, f64) {
    let sizes: Vec<(f64, f64)> = nodes.iter().map(size).collect();
    let (wide, high) =
        sizes.iter().fold((0.0_f64, 0.0_f64), |most, size| (most.0.max(size.0), most.1.max(size.1)));
    let count = nodes.len() as f64;
    // Far enough apart that neighbours on the circle leave a gap between them.
    let chord = 2.0 * (TAU / count / 2.0).sin();
    let radius_x = (wide + gap) / chord.max(0.4);
    // How far the second box stands below the first, in radii; of many the width keeps them apart.
    let down = (1.0 - (TAU / count).cos()).max(0.6);
    let radius_y = if nodes.len() == 2 { 0.0 } else { (high + GAP) / down };
    let turn = if nodes.len() == 2 { TAU / 2.0 } else { -TAU / 4.0 };
    let middle = |at: usize| {
        let angle = turn + TAU * at as f64 / count;
        (radius_x * angle.cos(), radius_y * angle.sin())
    };
    let mut frames: Vec<Frame> = (0..nodes.len())
        .map(|at| {
            let ((x, y), (width, height)) = (middle(at), sizes[at]);
            Frame { x, y, half_width: width / 2.0, half_height: height / 2.0 }
        })
        .collect();
    let left = frames.iter().map(|f| f.x - f.half_width).fold(f64::MAX, f64::min) - MARGIN;
    let top = frames.iter().map(|f| f.y - f.half_height).fold(f64::MAX, f64::min) - MARGIN;
    // Two arrows between two boxes bulge up and down.
    let bulge = if nodes.len() == 2 { 30.0 } else { 0.0 };
    frames.iter_mut().for_each(|f| (f.x, f.y) = (f.x - left, f.y - top + bulge));
    let right = frames.iter().map(|f| f.x + f.half_width).fold(0.0, f64::max) + MARGIN;
    let bottom = frames.iter().map(|f| f.y + f.half_height).fold(0.0, f64::max) + MARGIN + bulge;
    (frames, right, bottom)
}

fn size(node: &Node) -> (f64, f64) {
    let texts = node.lines.iter().chain([&node.title]).map(|text| text.chars().count());
    let longest = texts.chain([node.name.chars().count() + 1]).max().unwrap_or(1) as f64;
    let lines = node.lines.len() as f64 + 2.0;
    (longest * CHAR_WIDTH + 2.0 * PADDING, lines * LINE_HEIGHT + 2.0 * PADDING - 4.0)
}

fn boxed(node: &Node, frame: Frame, html: &mut Html) {
    let (x, y) = (frame.x - frame.half_width, frame.y - frame.half_height);
    html.open("g", &[("class", &"node")]);
    html.empty(
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
        html.leaf(
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
    html.close("g");
}

/// A curve from the edge of one box to the edge of the other, bent to the left of its direction so that arrows there
/// and back do not lie on one another.
fn arrow(at: usize, edge: &Edge, graph: &Graph, frames: &[Frame], html: &mut Html) {
    let (from, to) = (frames[edge.from], frames[edge.to]);
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let length = dx.hypot(dy).max(1.0);
    // The same pair may have several edges: each further one bends more.
    let twins = graph.edges[..at].iter().filter(|other| (other.from, other.to) == (edge.from, edge.to));
    let bend = 0.16 * length.min(400.0) * (1.0 + twins.count() as f64 * 1.6);
    let control = ((from.x + to.x) / 2.0 + dy / length * bend, (from.y + to.y) / 2.0 - dx / length * bend);
    if edge.from == edge.to {
        return;
    }
    let (start, end) = (border(from, control), border(to, control));
    let path = format!(
        "M{:.1} {:.1} Q{:.1} {:.1} {:.1} {:.1}",
        start.0, start.1, control.0, control.1, end.0, end.1
    );
    let class = class(edge.label);
    html.open("g", &[("class", &format!("edge {class}"))]);
    html.leaf("title", &[], &edge.reason);
    html.empty("path", &[("d", &path), ("marker-end", &format!("url(#arrow-{class})"))]);
    let middle = ((start.0 + 2.0 * control.0 + end.0) / 4.0, (start.1 + 2.0 * control.1 + end.1) / 4.0);
    let label = format!("{} {}", at + 1, edge.label);
    let half = label.chars().count() as f64 * CHAR_WIDTH / 2.0 + 5.0;
    html.empty(
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
    html.leaf("text", &[("x", &x), ("y", &y), ("text-anchor", &"middle")], label);
    html.close("g");
}

/// Where the line from the middle of a box to a point leaves the box.
fn border(frame: Frame, to: (f64, f64)) -> (f64, f64) {
    let (dx, dy) = (to.0 - frame.x, to.1 - frame.y);
    let across = if dx.abs() < 0.01 { f64::MAX } else { (frame.half_width + 3.0) / dx.abs() };
    let down = if dy.abs() < 0.01 { f64::MAX } else { (frame.half_height + 3.0) / dy.abs() };
    let part = across.min(down).min(1.0);
    (frame.x + dx * part, frame.y + dy * part)
}

/// The class of a kind of edge: what was written and read, what was missed, and what somebody's order demands.
pub(super) fn class(label: &str) -> &'static str {
    match label {
        "ww" | "cas" | "initial" => "ww",
        "wr" => "wr",
        "rw" => "rw",
        _ => "order",
    }
}

/// The heads of the arrows, once a page.
pub(super) fn heads(html: &mut Html) {
    for class in ["ww", "wr", "rw", "order"] {
        html.open(
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
        html.empty("path", &[("d", &"M0 0 L10 5 L0 10 z")]);
        html.close("marker");
    }
}
