//! Draws a stretch of a history: a lane per session, a bar per operation, and faults as bands behind them.

use super::argument::LaneArgument;
use super::html::Html;
use super::primaries::{PrimaryClaim, find_claims, primaries_at};
use super::stretch::{self, OperationBar, StretchLayout};
use crate::report::describe;
use crate::report::faults::ShownFault;
use histories::{History, OpId, Outcome};

const ROW: f64 = 44.0;
const BAR: f64 = 22.0;
/// Room for the labels of faults and for what was omitted.
const MARGIN: f64 = 46.0;
/// The height of a row that names a primary.
const PRIMARY_ROW: f64 = 20.0;
const BOTTOM: f64 = 26.0;
/// The width of a time below the lanes.
const TICK_WIDTH: f64 = 82.0;

/// Draws the operations of an anomaly and those near them.
pub(super) fn draw_timeline(
    history: &History,
    telling: &[OpId],
    episodes: &[ShownFault],
    argument: &LaneArgument,
    html: &mut Html,
) {
    let claims = find_claims(history);
    let stretch = stretch::layout_around(history, telling, episodes, &claims);
    let top = first_lane(&stretch);
    let (width, height) = (stretch.width, top + stretch.rows as f64 * ROW + BOTTOM);
    html.open_tag("figure", &[("class", &"timeline")]);
    html.open_scroll();
    html.open_tag(
        "svg",
        &[
            ("viewBox", &format!("0 0 {width:.0} {height:.0}")),
            ("width", &format!("{width:.0}")),
            ("height", &format!("{height:.0}")),
            ("role", &"group"),
            ("aria-label", &"The operations in time, one lane per session"),
        ],
    );
    draw_bands(&stretch, height, html);
    draw_primaries(&stretch, html);
    for lane in &stretch.lanes {
        let y = top + lane.row as f64 * ROW;
        let (from, to) = (format!("{:.1}", stretch::LEFT), format!("{width:.1}"));
        let line = format!("{y:.1}");
        html.add_empty(
            "line",
            &[("class", &"lane"), ("x1", &from), ("x2", &to), ("y1", &line), ("y2", &line)],
        );
    }
    draw_breaks(&stretch, height, html);
    // The operations of the anomaly come last, so that they lie on top.
    for tells in [false, true] {
        stretch
            .bars
            .iter()
            .filter(|bar| bar.tells == tells)
            .for_each(|bar| draw_bar(history, bar, top, &claims, html));
    }
    let middle = |bar: &OperationBar| top + bar.row as f64 * ROW + ROW / 2.0;
    argument.draw_steps(history, &stretch, middle, html);
    draw_ticks(&stretch, height, html);
    draw_lane_names(&stretch, height, html);
    html.close_tag("svg");
    html.close_tag("div");
    argument.write_controls(history, html);
    html.add_leaf(
        "p",
        &[("class", &"detail"), ("aria-live", &"polite")],
        "Point at an operation, tap it, or move to it with Tab to see its details here.",
    );
    html.close_tag("figure");
}

/// Where the first lane begins.
fn first_lane(stretch: &StretchLayout) -> f64 {
    let rows = stretch.primaries.iter().map(|band| band.row + 1).max().unwrap_or(0);
    MARGIN + rows as f64 * PRIMARY_ROW
}

/// Draws above the lanes which node said that it was the primary.
fn draw_primaries(stretch: &StretchLayout, html: &mut Html) {
    for band in &stretch.primaries {
        let y = 24.0 + band.row as f64 * PRIMARY_ROW;
        html.open_tag("g", &[("class", &"primary")]);
        html.add_leaf("title", &[], format!("{} said that it was the primary", band.node));
        html.add_empty(
            "rect",
            &[
                ("x", &format!("{:.1}", band.from)),
                ("y", &format!("{y:.1}")),
                ("width", &format!("{:.1}", (band.to - band.from).max(2.0))),
                ("height", &format!("{:.1}", PRIMARY_ROW - 4.0)),
                ("rx", &"3"),
            ],
        );
        let label: String = describe::shorten_text(&band.node);
        if band.to - band.from > label.chars().count() as f64 * 7.2 + 8.0 {
            let (x, y) = (format!("{:.1}", band.from + 5.0), format!("{:.1}", y + 8.0));
            html.add_leaf("text", &[("x", &x), ("y", &y), ("dominant-baseline", &"central")], label);
        }
        html.close_tag("g");
    }
}

fn draw_bands(stretch: &StretchLayout, height: f64, html: &mut Html) {
    for (at, band) in stretch.bands.iter().enumerate() {
        html.open_tag("g", &[("class", &"fault")]);
        html.add_leaf("title", &[], &band.label);
        let (x, wide) = (format!("{:.1}", band.from), format!("{:.1}", (band.to - band.from).max(2.0)));
        let high = format!("{:.1}", height - BOTTOM - 4.0);
        html.add_empty("rect", &[("x", &x), ("y", &"4"), ("width", &wide), ("height", &high)]);
        // Labels of faults that begin close to one another would overlap.
        let beside = stretch.bands[..at].iter().any(|other| (other.from - band.from).abs() < 90.0);
        if !beside {
            html.add_leaf("text", &[("x", &format!("{:.1}", band.from + 5.0)), ("y", &"18")], &band.label);
        }
        html.close_tag("g");
    }
}

fn draw_breaks(stretch: &StretchLayout, height: f64, html: &mut Html) {
    let lanes = first_lane(stretch);
    for gap in &stretch.breaks {
        let (x, middle) = (format!("{:.1}", gap.at), format!("{:.1}", lanes - 12.0));
        html.open_tag("g", &[("class", &"break")]);
        let more = crate::report::layout::count_noun(gap.count, "operation");
        html.add_leaf("title", &[], format!("{more} on the same object omitted"));
        let (top, bottom) = (format!("{:.1}", lanes - 2.0), format!("{:.1}", height - BOTTOM));
        html.add_empty("line", &[("x1", &x), ("x2", &x), ("y1", &top), ("y2", &bottom)]);
        let text = format!("+{}", gap.count);
        let half = text.len() as f64 * 3.6 + 4.0;
        html.add_empty(
            "rect",
            &[
                ("x", &format!("{:.1}", gap.at - half)),
                ("y", &format!("{:.1}", lanes - 21.0)),
                ("width", &format!("{:.1}", half * 2.0)),
                ("height", &"18"),
            ],
        );
        html.add_leaf(
            "text",
            &[("x", &x), ("y", &middle), ("text-anchor", &"middle"), ("dominant-baseline", &"central")],
            text,
        );
        html.close_tag("g");
    }
}

fn draw_bar(history: &History, bar: &OperationBar, top: f64, claims: &[PrimaryClaim], html: &mut Html) {
    let outcome = match bar.outcome {
        Outcome::Ok => "ok",
        Outcome::Fail => "fail",
        Outcome::Info => "info",
    };
    let role = if bar.tells { "tells" } else { "context" };
    let y = top + bar.row as f64 * ROW + (ROW - BAR) / 2.0;
    let index = history.operation_index(bar.id);
    html.open_tag(
        "g",
        &[
            ("class", &format!("op {role} {outcome}")),
            ("data-op", &index),
            ("tabindex", &if bar.tells { "0" } else { "-1" }),
            ("role", &"img"),
        ],
    );
    html.add_leaf("title", &[], operation_details(history, bar.id, claims));
    let width = format!("{:.1}", bar.to - bar.from);
    let (x, y_text) = (format!("{:.1}", bar.from), format!("{y:.1}"));
    let high = format!("{BAR:.0}");
    html.add_empty("rect", &[("x", &x), ("y", &y_text), ("width", &width), ("height", &high), ("rx", &"4")]);
    let (x, y) = (format!("{:.1}", bar.from + 6.0), format!("{:.1}", y + BAR / 2.0));
    html.add_leaf("text", &[("x", &x), ("y", &y), ("dominant-baseline", &"central")], &bar.text);
    html.close_tag("g");
}

/// Describes an operation in a line.
fn operation_details(history: &History, id: OpId, claims: &[PrimaryClaim]) -> String {
    let op = history.operation(id);
    let mut parts = vec![format!(
        "operation {}: {}",
        history.operation_index(id),
        super::clip_text(&describe::operation_words(history, id))
    )];
    let process = format!("process {}", history.process_number(op.process));
    let session = describe::shorten_text(history.session_text(op.session));
    parts.push(if session == process { process } else { format!("session {session} ({process})") });
    parts.extend(describe::note_field(history, id, "node").map(|node| {
        format!("node {}{}", describe::shorten_text(&node), node_role(&node, op.completed, claims))
    }));
    parts.push(
        match op.outcome {
            Outcome::Ok => "ok",
            Outcome::Fail => "failed: took no effect",
            Outcome::Info => "indeterminate: may have taken effect at any time, or never",
        }
        .to_owned(),
    );
    let (from, to) = (history.invoked_at(id), history.completed_at(id));
    if let Some(from) = from {
        let to = to.map(|to| {
            let took = crate::report::layout::format_elapsed(to.saturating_sub(from) as f64 / 1e9);
            format!(" to {} ({took})", describe::format_seconds(to))
        });
        parts.push(format!("{}{}", describe::format_seconds(from), to.unwrap_or_default()));
    }
    parts.extend(
        describe::note_field(history, id, "error")
            .map(|error| format!("error: {}", super::clip_text(&error))),
    );
    parts.join("; ")
}

/// Whether a node was the primary when it answered, as far as the nodes said so.
fn node_role(node: &str, answered: u32, claims: &[PrimaryClaim]) -> String {
    let primaries = primaries_at(claims, answered);
    match (primaries.as_slice(), primaries.contains(&node)) {
        ([], _) => String::new(),
        ([_], true) => " (the primary)".to_owned(),
        (_, true) => " (one of two or more that said they were the primary)".to_owned(),
        (others, false) => format!(" (not the primary; {} was)", describe::shorten_text(others[0])),
    }
}

fn draw_ticks(stretch: &StretchLayout, height: f64, html: &mut Html) {
    let span = match (stretch.ticks.first(), stretch.ticks.last()) {
        (Some(first), Some(last)) => last.1.saturating_sub(first.1),
        _ => return,
    };
    // Enough digits to tell the ticks apart.
    let digits = if span < 100_000_000 { 6 } else { 3 };
    html.open_tag("g", &[("class", &"ticks")]);
    for &(x, time) in &stretch.ticks {
        let text = format!("{:.digits$} s", time as f64 / 1e9);
        // The last one would be cut off at the right edge.
        let anchor = if x + TICK_WIDTH > stretch.width { "end" } else { "start" };
        let x = if anchor == "end" { stretch.width - 2.0 } else { x };
        let (x, y) = (format!("{x:.1}"), format!("{:.1}", height - 8.0));
        html.add_leaf("text", &[("x", &x), ("y", &y), ("text-anchor", &anchor)], text);
    }
    html.close_tag("g");
}

/// Draws the names of the lanes on their own background, so that they stay in place when the picture is scrolled.
fn draw_lane_names(stretch: &StretchLayout, height: f64, html: &mut Html) {
    html.open_tag("g", &[("class", &"names")]);
    let (wide, high) = (format!("{:.1}", stretch::LEFT - 4.0), format!("{height:.0}"));
    html.add_empty("rect", &[("x", &"0"), ("y", &"0"), ("width", &wide), ("height", &high)]);
    let lanes = first_lane(stretch);
    if !stretch.primaries.is_empty() {
        let y = format!("{:.1}", 24.0 + PRIMARY_ROW / 2.0 - 2.0);
        html.add_leaf("text", &[("x", &"4"), ("y", &y), ("dominant-baseline", &"central")], "primary");
    }
    for lane in &stretch.lanes {
        let y = lanes + (lane.row as f64 + lane.rows as f64 / 2.0) * ROW;
        let y = format!("{y:.1}");
        let name: String = match lane.name.chars().count() > 15 {
            true => lane.name.chars().take(13).chain("..".chars()).collect(),
            false => lane.name.clone(),
        };
        html.open_tag("g", &[]);
        html.add_leaf("title", &[], &lane.name);
        html.add_leaf("text", &[("x", &"4"), ("y", &y), ("dominant-baseline", &"central")], name);
        html.close_tag("g");
    }
    html.close_tag("g");
}
