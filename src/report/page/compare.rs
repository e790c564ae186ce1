//! Several histories beside one another: the table of levels, and for each history the levels as a picture, the
//! stronger above the weaker.

use super::html::Html;
use super::{begin, clipped, end};
use crate::report::compare::Comparison;
use crate::report::lattice::{Column, Lattice};
use crate::report::layout::plural;
use std::io::{self, Write};

/// Histories with a picture.
const PICTURES_MAX: usize = 12;
const CHAR_WIDTH: f64 = 6.7;
const BOX_HEIGHT: f64 = 26.0;
const ROW: f64 = 58.0;
const GAP: f64 = 9.0;

/// Writes the page.
pub(crate) fn compare(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let histories = &comparison.columns;
    let mut html =
        begin(&format!("{} compared", plural(histories.len(), "history").replace("historys", "histories")));
    html.leaf("h2", &[], "Which levels hold");
    table(comparison, &mut html);
    html.leaf(
        "p",
        &[("class", &"legend")],
        "Each picture: an arrow leads from a level to one that it implies; where it is broken, only as far as the order of \
         sessions is left aside. What nothing refutes and nothing proves is unknown, and implies nothing.",
    );
    for history in histories.iter().take(PICTURES_MAX) {
        html.leaf("h3", &[], clipped(&history.name));
        picture(&comparison.lattice, history, &mut html);
        why(history, &mut html);
    }
    out.write_all(end(html).as_bytes())
}

fn table(comparison: &Comparison, html: &mut Html) {
    html.open("div", &[("class", &"scroll")]);
    html.open("table", &[("class", &"levels compare")]);
    html.open("tr", &[]);
    html.leaf("th", &[], "level");
    comparison.columns.iter().for_each(|history| html.leaf("th", &[], clipped(&history.name)));
    html.leaf("th", &[], "what it promises");
    html.close("tr");
    for level in &comparison.lattice.levels {
        html.open("tr", &[]);
        html.leaf("td", &[], level.name());
        for history in &comparison.columns {
            let verdict = history.found(*level).map_or("-", |found| found.verdict);
            html.leaf("td", &[("class", &verdict)], verdict);
        }
        html.leaf("td", &[("class", &"quiet")], level.line());
        html.close("tr");
        html.line();
    }
    html.close("table");
    html.close("div");
}

/// What rules levels out in one history.
fn why(history: &Column, html: &mut Html) {
    let mut told: Vec<(Vec<&'static str>, Vec<&'static str>)> = Vec::new();
    for found in history.verdicts.iter().filter(|found| !found.anomalies.is_empty()) {
        match told.iter_mut().find(|known| known.0 == found.anomalies) {
            Some((_, levels)) => levels.push(found.level.name()),
            None => told.push((found.anomalies.clone(), vec![found.level.name()])),
        }
    }
    if told.is_empty() {
        return;
    }
    html.open("ul", &[("class", &"notes")]);
    for (anomalies, levels) in told {
        html.open("li", &[]);
        html.leaf("span", &[("class", &"kind")], anomalies.join(", "));
        html.say(format!(" rules out {}", levels.join(", ")));
        html.close("li");
    }
    html.close("ul");
}

/// Where a box stands: its left side, top and width.
#[derive(Clone, Copy)]
struct Frame {
    x: f64,
    y: f64,
    width: f64,
}

/// The levels in rows by how many lie below them; within a row in the order of their neighbours above, so that fewer
/// arrows cross.
fn place(lattice: &Lattice) -> (Vec<Frame>, f64, f64) {
    let heights = lattice.heights();
    let top = heights.iter().copied().max().unwrap_or(0);
    let mut frames = vec![Frame { x: 0.0, y: 0.0, width: 0.0 }; lattice.levels.len()];
    let mut rows: Vec<(Vec<usize>, f64)> = Vec::new();
    for height in (0..=top).rev() {
        let mut row: Vec<usize> = (0..heights.len()).filter(|&at| heights[at] == height).collect();
        let wanted = |at: usize| {
            let above: Vec<f64> = lattice
                .edges
                .iter()
                .filter(|edge| edge.weaker == at)
                .map(|edge| frames[edge.stronger].x + frames[edge.stronger].width / 2.0)
                .collect();
            if above.is_empty() { 0.0 } else { above.iter().sum::<f64>() / above.len() as f64 }
        };
        let mut keyed: Vec<(f64, usize)> = row.iter().map(|&at| (wanted(at), at)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        row = keyed.into_iter().map(|(_, at)| at).collect();
        let mut x = 0.0;
        for &at in &row {
            let width = lattice.levels[at].name().len() as f64 * CHAR_WIDTH + 14.0;
            frames[at] = Frame { x, y: rows.len() as f64 * ROW + 4.0, width };
            x += width + GAP;
        }
        centre(&mut frames, &row, x - GAP);
        rows.push((row, x - GAP));
    }
    let width = rows.iter().map(|row| row.1).fold(0.0, f64::max) + 12.0;
    frames.iter_mut().for_each(|frame| frame.x += width / 2.0);
    (frames, width, rows.len() as f64 * ROW - ROW + BOX_HEIGHT + 8.0)
}

/// Moves a row so that its middle is at zero.
fn centre(frames: &mut [Frame], row: &[usize], width: f64) {
    row.iter().for_each(|&at| frames[at].x -= width / 2.0);
}

fn picture(lattice: &Lattice, history: &Column, html: &mut Html) {
    let (frames, width, height) = place(lattice);
    html.open("div", &[("class", &"scroll")]);
    html.open(
        "svg",
        &[
            ("class", &"lattice"),
            ("viewBox", &format!("0 0 {width:.0} {height:.0}")),
            ("width", &format!("{width:.0}")),
            ("height", &format!("{height:.0}")),
            ("role", &"img"),
            ("aria-label", &"The levels, the stronger above the weaker; the table above tells the same"),
        ],
    );
    for edge in &lattice.edges {
        let (from, to) = (frames[edge.stronger], frames[edge.weaker]);
        let (x1, x2) = (from.x + from.width / 2.0, to.x + to.width / 2.0);
        let (y1, y2) = (from.y + BOX_HEIGHT, to.y - 2.0);
        let bend = (y2 - y1) * 0.5;
        let path = format!(
            "M{x1:.1} {y1:.1} C{x1:.1} {:.1} {x2:.1} {:.1} {x2:.1} {y2:.1}",
            y1 + bend.min(34.0),
            y2 - bend.min(34.0)
        );
        let class = if edge.sessions_aside { "aside" } else { "" };
        html.empty("path", &[("class", &class), ("d", &path), ("marker-end", &"url(#arrow-order)")]);
    }
    for (level, frame) in lattice.levels.iter().zip(&frames) {
        let found = history.found(*level);
        let verdict = found.map_or("absent", |found| found.verdict);
        html.open("g", &[("class", &format!("level-node {verdict}"))]);
        let anomalies = found.map(|found| found.anomalies.join(", ")).unwrap_or_default();
        let colon = if anomalies.is_empty() { "" } else { ": " };
        html.leaf("title", &[], format!("{} {verdict}{colon}{anomalies}; {}", level.name(), level.line()));
        html.empty(
            "rect",
            &[
                ("x", &format!("{:.1}", frame.x)),
                ("y", &format!("{:.1}", frame.y)),
                ("width", &format!("{:.1}", frame.width)),
                ("height", &format!("{BOX_HEIGHT:.0}")),
                ("rx", &"5"),
            ],
        );
        let (x, y) =
            (format!("{:.1}", frame.x + frame.width / 2.0), format!("{:.1}", frame.y + BOX_HEIGHT / 2.0));
        html.leaf(
            "text",
            &[("x", &x), ("y", &y), ("text-anchor", &"middle"), ("dominant-baseline", &"central")],
            level.name(),
        );
        html.close("g");
    }
    html.close("svg");
    html.close("div");
}
