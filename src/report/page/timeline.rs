//! A stretch of a history as a picture: a lane a session, a bar an operation, faults as bands behind them.

use super::html::Html;
use super::stretch::{self, Bar, Stretch};
use crate::report::describe;
use crate::report::faults::Episode;
use histories::{History, OpId, Outcome};

const ROW: f64 = 30.0;
const BAR: f64 = 22.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 26.0;

/// Draws the telling operations and what was near them.
pub(super) fn draw(history: &History, telling: &[OpId], episodes: &[Episode], html: &mut Html) {
    let stretch = stretch::around(history, telling, episodes);
    let (width, height) = (stretch.width, TOP + stretch.rows as f64 * ROW + BOTTOM);
    html.open("figure", &[("class", &"timeline")]);
    html.open("div", &[("class", &"scroll")]);
    html.open(
        "svg",
        &[
            ("viewBox", &format!("0 0 {width:.0} {height:.0}")),
            ("width", &format!("{width:.0}")),
            ("height", &format!("{height:.0}")),
            ("role", &"group"),
            ("aria-label", &"The operations in time, one lane a session"),
        ],
    );
    bands(&stretch, height, html);
    for lane in &stretch.lanes {
        let y = TOP + lane.row as f64 * ROW;
        let (from, to) = (format!("{:.1}", stretch::LEFT), format!("{width:.1}"));
        let line = format!("{y:.1}");
        html.empty("line", &[("class", &"lane"), ("x1", &from), ("x2", &to), ("y1", &line), ("y2", &line)]);
    }
    breaks(&stretch, height, html);
    // The telling ones last, so that they lie on top.
    for tells in [false, true] {
        stretch.bars.iter().filter(|bar| bar.tells == tells).for_each(|bar| drawn(history, bar, html));
    }
    ticks(&stretch, height, html);
    names(&stretch, height, html);
    html.close("svg");
    html.close("div");
    html.leaf(
        "p",
        &[("class", &"detail"), ("aria-live", &"polite")],
        "Point at an operation, tap it, or move to it with Tab: its details appear here.",
    );
    html.close("figure");
}

fn bands(stretch: &Stretch, height: f64, html: &mut Html) {
    for (at, band) in stretch.bands.iter().enumerate() {
        html.open("g", &[("class", &"fault")]);
        html.leaf("title", &[], &band.label);
        let (x, wide) = (format!("{:.1}", band.from), format!("{:.1}", (band.to - band.from).max(2.0)));
        let high = format!("{:.1}", height - BOTTOM - 4.0);
        html.empty("rect", &[("x", &x), ("y", &"4"), ("width", &wide), ("height", &high)]);
        // Labels of faults that begin close to one another would lie on one another.
        let beside = stretch.bands[..at].iter().any(|other| (other.from - band.from).abs() < 90.0);
        if !beside {
            html.leaf("text", &[("x", &format!("{:.1}", band.from + 5.0)), ("y", &"18")], &band.label);
        }
        html.close("g");
    }
}

fn breaks(stretch: &Stretch, height: f64, html: &mut Html) {
    for gap in &stretch.breaks {
        let (x, middle) = (format!("{:.1}", gap.at), format!("{:.1}", TOP - 12.0));
        html.open("g", &[("class", &"break")]);
        let more = crate::report::layout::plural(gap.count, "operation");
        html.leaf("title", &[], format!("{more} on the same object not drawn"));
        let (top, bottom) = (format!("{:.1}", TOP - 2.0), format!("{:.1}", height - BOTTOM));
        html.empty("line", &[("x1", &x), ("x2", &x), ("y1", &top), ("y2", &bottom)]);
        let text = format!("+{}", gap.count);
        let half = text.len() as f64 * 3.6 + 4.0;
        html.empty(
            "rect",
            &[
                ("x", &format!("{:.1}", gap.at - half)),
                ("y", &format!("{:.1}", TOP - 21.0)),
                ("width", &format!("{:.1}", half * 2.0)),
                ("height", &"18"),
            ],
        );
        html.leaf(
            "text",
            &[("x", &x), ("y", &middle), ("text-anchor", &"middle"), ("dominant-baseline", &"central")],
            text,
        );
        html.close("g");
    }
}

fn drawn(history: &History, bar: &Bar, html: &mut Html) {
    let outcome = match bar.outcome {
        Outcome::Ok => "ok",
        Outcome::Fail => "fail",
        Outcome::Info => "info",
    };
    let role = if bar.tells { "tells" } else { "context" };
    let y = TOP + bar.row as f64 * ROW + (ROW - BAR) / 2.0;
    let index = history.operation_index(bar.id);
    html.open(
        "g",
        &[
            ("class", &format!("op {role} {outcome}")),
            ("data-op", &index),
            ("tabindex", &if bar.tells { "0" } else { "-1" }),
            ("role", &"img"),
        ],
    );
    html.leaf("title", &[], details(history, bar.id));
    let width = format!("{:.1}", bar.to - bar.from);
    let (x, y_text) = (format!("{:.1}", bar.from), format!("{y:.1}"));
    let high = format!("{BAR:.0}");
    html.empty("rect", &[("x", &x), ("y", &y_text), ("width", &width), ("height", &high), ("rx", &"4")]);
    let (x, y) = (format!("{:.1}", bar.from + 6.0), format!("{:.1}", y + BAR / 2.0));
    html.leaf("text", &[("x", &x), ("y", &y), ("dominant-baseline", &"central")], &bar.text);
    html.close("g");
}

/// All that is known of an operation, in a line.
fn details(history: &History, id: OpId) -> String {
    let op = history.operation(id);
    let mut parts = vec![format!(
        "operation {}: {}",
        history.operation_index(id),
        super::clipped(&describe::words(history, id))
    )];
    let process = format!("process {}", history.process_number(op.process));
    let session = describe::short(history.session_text(op.session));
    parts.push(if session == process { process } else { format!("session {session} ({process})") });
    parts.extend(describe::field(history, id, "node").map(|node| format!("node {}", describe::short(&node))));
    parts.push(
        match op.outcome {
            Outcome::Ok => "ok",
            Outcome::Fail => "failed: it took no effect",
            Outcome::Info => "nobody knows whether or when it took effect",
        }
        .to_owned(),
    );
    let (from, to) = (history.invoked_at(id), history.completed_at(id));
    if let Some(from) = from {
        let to = to.map(|to| {
            let took = crate::report::layout::duration(to.saturating_sub(from) as f64 / 1e9);
            format!(" to {} ({took})", describe::seconds(to))
        });
        parts.push(format!("{}{}", describe::seconds(from), to.unwrap_or_default()));
    }
    parts.extend(
        describe::field(history, id, "error").map(|error| format!("error: {}", super::clipped(&error))),
    );
    parts.join("; ")
}

fn ticks(stretch: &Stretch, height: f64, html: &mut Html) {
    let span = match (stretch.ticks.first(), stretch.ticks.last()) {
        (Some(first), Some(last)) => last.1.saturating_sub(first.1),
        _ => return,
    };
    // As many digits as tell the ticks apart.
    let digits = if span < 100_000_000 { 6 } else { 3 };
    html.open("g", &[("class", &"ticks")]);
    for &(x, time) in &stretch.ticks {
        let text = format!("{:.digits$} s", time as f64 / 1e9);
        let (x, y) = (format!("{x:.1}"), format!("{:.1}", height - 8.0));
        html.leaf("text", &[("x", &x), ("y", &y)], text);
    }
    html.close("g");
}

/// The names of the lanes, on a ground of their own: where the picture is scrolled they stay.
fn names(stretch: &Stretch, height: f64, html: &mut Html) {
    html.open("g", &[("class", &"names")]);
    let (wide, high) = (format!("{:.1}", stretch::LEFT - 4.0), format!("{height:.0}"));
    html.empty("rect", &[("x", &"0"), ("y", &"0"), ("width", &wide), ("height", &high)]);
    for lane in &stretch.lanes {
        let y = TOP + (lane.row as f64 + lane.rows as f64 / 2.0) * ROW;
        let y = format!("{y:.1}");
        let name: String = match lane.name.chars().count() > 15 {
            true => lane.name.chars().take(13).chain("..".chars()).collect(),
            false => lane.name.clone(),
        };
        html.open("g", &[]);
        html.leaf("title", &[], &lane.name);
        html.leaf("text", &[("x", &"4"), ("y", &y), ("dominant-baseline", &"central")], name);
        html.close("g");
    }
    html.close("g");
}
