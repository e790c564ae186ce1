//! The comparison page: the table of levels, and for each history a picture of the levels, stronger ones above.

use super::html::Html;
use super::{begin_page, clip_text, end_page};
use crate::report::compare::Comparison;
use crate::report::lattice::{LatticeColumn, LevelLattice};
use crate::report::layout::count_noun;
use checker::Proviso;
use std::io::{self, Write};

/// The most histories that have a picture.
const PICTURES_MAX: usize = 12;
const CHAR_WIDTH: f64 = 6.7;
const BOX_HEIGHT: f64 = 26.0;
const ROW: f64 = 58.0;
const GAP: f64 = 9.0;
const LEVELS_LEGEND: &str = "In each picture an arrow leads from a level to a level that it implies. A broken arrow holds only if session order, or a \
     transaction's reads of its own appends, are left aside. A level that is neither proved nor refuted is unknown, and implies nothing.";
const FINDINGS_LEGEND: &str = "Violated: the history shows the finding. Holds: it could have shown the finding, and does not. Untested: nothing in it could \
     have shown the finding.";

/// Writes the page.
pub(crate) fn write_compare_page(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let histories = &comparison.columns;
    let mut html = begin_page(&format!("{} compared", count_noun(histories.len(), "history")));
    let finds = comparison.is_about_findings();
    html.add_leaf("h2", &[], if finds { "What was found" } else { "Which levels hold" });
    write_level_table(comparison, &mut html);
    // Findings imply nothing, so a picture of them has no arrows.
    let legend = if finds { FINDINGS_LEGEND } else { LEVELS_LEGEND };
    html.add_leaf("p", &[("class", &"legend")], legend);
    for history in histories.iter().take(PICTURES_MAX) {
        html.add_leaf("h3", &[], clip_text(&history.name));
        if !finds {
            draw_lattice(&comparison.lattice, history, &mut html);
        }
        write_reasons(history, finds, &mut html);
    }
    out.write_all(end_page(html).as_bytes())
}

fn write_level_table(comparison: &Comparison, html: &mut Html) {
    html.open_scroll();
    html.open_tag("table", &[("class", &"levels compare")]);
    html.open_tag("tr", &[]);
    html.add_leaf("th", &[], if comparison.is_about_findings() { "finding" } else { "level" });
    comparison.columns.iter().for_each(|history| html.add_leaf("th", &[], clip_text(&history.name)));
    html.add_leaf("th", &[], if comparison.is_about_findings() { "meaning" } else { "promise" });
    html.close_tag("tr");
    for level in &comparison.lattice.levels {
        html.open_tag("tr", &[]);
        html.add_leaf("td", &[], level.name());
        for history in &comparison.columns {
            let verdict = history.level_result(*level).map_or("-", |found| found.verdict);
            html.add_leaf("td", &[("class", &verdict)], verdict);
        }
        html.add_leaf("td", &[("class", &"quiet")], level.line());
        html.close_tag("tr");
        html.break_line();
    }
    html.close_tag("table");
    html.close_tag("div");
}

/// Writes the anomalies that rule levels out in one history.
fn write_reasons(history: &LatticeColumn, finds: bool, html: &mut Html) {
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
    html.open_tag("ul", &[("class", &"notes")]);
    for (anomalies, levels) in told {
        html.open_tag("li", &[]);
        html.add_leaf("span", &[("class", &"kind")], anomalies.join(", "));
        if !finds {
            html.add_text(format!(" violates {}", levels.join(", ")));
        }
        html.close_tag("li");
    }
    html.close_tag("ul");
}

/// The place of a box: its left side, top and width.
#[derive(Clone, Copy)]
struct LevelFrame {
    x: f64,
    y: f64,
    width: f64,
}

/// Places the levels in rows by their longest descent. Within a row they follow the order of their neighbours above, so
/// that fewer arrows cross.
fn place_levels(lattice: &LevelLattice) -> (Vec<LevelFrame>, f64, f64) {
    let heights = lattice.level_heights();
    let top = heights.iter().copied().max().unwrap_or(0);
    let mut frames = vec![LevelFrame { x: 0.0, y: 0.0, width: 0.0 }; lattice.levels.len()];
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
            frames[at] = LevelFrame { x, y: rows.len() as f64 * ROW + 4.0, width };
            x += width + GAP;
        }
        centre_row(&mut frames, &row, x - GAP);
        rows.push((row, x - GAP));
    }
    let width = rows.iter().map(|row| row.1).fold(0.0, f64::max) + 12.0;
    frames.iter_mut().for_each(|frame| frame.x += width / 2.0);
    (frames, width, rows.len() as f64 * ROW - ROW + BOX_HEIGHT + 8.0)
}

/// Moves a row so that its centre is at zero.
fn centre_row(frames: &mut [LevelFrame], row: &[usize], width: f64) {
    row.iter().for_each(|&at| frames[at].x -= width / 2.0);
}

fn draw_lattice(lattice: &LevelLattice, history: &LatticeColumn, html: &mut Html) {
    let (frames, width, height) = place_levels(lattice);
    html.open_scroll();
    html.open_tag(
        "svg",
        &[
            ("class", &"lattice"),
            ("viewBox", &format!("0 0 {width:.0} {height:.0}")),
            ("width", &format!("{width:.0}")),
            ("height", &format!("{height:.0}")),
            ("role", &"img"),
            ("aria-label", &"The levels, stronger ones above; the table above has the same data"),
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
        let class = if edge.proviso == Proviso::None { "" } else { "aside" };
        html.add_empty("path", &[("class", &class), ("d", &path), ("marker-end", &"url(#arrow-order)")]);
    }
    for (level, frame) in lattice.levels.iter().zip(&frames) {
        let found = history.level_result(*level);
        let verdict = found.map_or("absent", |found| found.verdict);
        html.open_tag("g", &[("class", &format!("level-node {verdict}"))]);
        let anomalies = found.map(|found| found.anomalies.join(", ")).unwrap_or_default();
        let colon = if anomalies.is_empty() { "" } else { ": " };
        html.add_leaf(
            "title",
            &[],
            format!("{} {verdict}{colon}{anomalies}; {}", level.name(), level.line()),
        );
        html.add_empty(
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
        html.add_leaf(
            "text",
            &[("x", &x), ("y", &y), ("text-anchor", &"middle"), ("dominant-baseline", &"central")],
            level.name(),
        );
        html.close_tag("g");
    }
    html.close_tag("svg");
    html.close_tag("div");
}
