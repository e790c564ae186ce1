//! The comparison of two groups of runs on a page: a line per figure, with the values of both sides drawn on one scale.

use super::html::Html;
use super::{begin_page, clip_text, end_page};
use crate::objectives::{format_amount, format_figure};
use crate::report::difference::DiffReport;
use crate::report::layout::count_noun;
use checker::measurements::{MetricChange, MetricComparison, Summary, Unit};
use std::io::{self, Write};

/// The most runs of a side that are named.
const NAMES_MAX: usize = 20;
const WIDTH: f64 = 220.0;
const HEIGHT: f64 = 30.0;

/// Writes the page.
pub(crate) fn write_diff_page(found: &DiffReport, out: &mut dyn Write) -> io::Result<()> {
    let mut html = begin_page("two groups of runs compared");
    let (verdict, sentence) = describe_outcome(found);
    html.add_leaf("h2", &[], "Two groups of runs compared");
    html.open_tag("p", &[("class", &format!("verdict {verdict}"))]);
    html.add_text(sentence);
    html.close_tag("p");
    html.open_tag("dl", &[("class", &"facts")]);
    write_side("A", &found.a, &mut html);
    write_side("B", &found.b, &mut html);
    html.add_leaf("dt", &[], "significance");
    let text = format!(
        "a figure counts as changed if chance alone explains the difference in at most {} of cases, and the medians differ by \
         more than {}",
        format_amount(Unit::Share, found.noise.significance),
        format_amount(Unit::Share, found.noise.tolerance)
    );
    html.add_leaf("dd", &[], text);
    html.close_tag("dl");
    for (change, title) in [
        (MetricChange::Worse, "Worse"),
        (MetricChange::Better, "Better"),
        (MetricChange::NoiseUnknown, "Unknown: too few runs"),
        (MetricChange::BoundsOverlap, "Unknown: only bounds are known"),
        (MetricChange::Same, "The same"),
    ] {
        let figures: Vec<&MetricComparison> =
            found.compared.iter().filter(|one| one.change == change).collect();
        if !figures.is_empty() {
            html.add_leaf("h3", &[], title);
            write_figures(&figures, &mut html);
        }
    }
    let missing = found.compared.iter().filter(|one| one.change == MetricChange::Missing).count();
    if missing > 0 {
        let text = format!("{} not measured on both sides.", count_noun(missing, "figure"));
        html.add_leaf("p", &[("class", &"quiet")], text);
    }
    out.write_all(end_page(html).as_bytes())
}

/// The style and the sentence of the outcome.
fn describe_outcome(found: &DiffReport) -> (&'static str, String) {
    let count = |change| found.compared.iter().filter(|one| one.change == change).count();
    let (worse, better) = (count(MetricChange::Worse), count(MetricChange::Better));
    let verdict = match (worse, count(MetricChange::NoiseUnknown) + count(MetricChange::BoundsOverlap)) {
        (0, 0) => "holds",
        (0, _) => "unknown",
        _ => "violated",
    };
    let open = count(MetricChange::NoiseUnknown);
    // "Worse in 0 figures" would read as good news where nothing could be told.
    let sentence = match (worse + better, open) {
        (0, 1..) => format!(
            "No conclusion: {} of A and {} of B are too few to tell a change from chance. {} between them. Record five runs on \
             each side.",
            count_noun(found.a.len(), "run"),
            count_noun(found.b.len(), "run"),
            if open == 1 { "1 figure differs".to_owned() } else { format!("{open} figures differ") },
        ),
        (_, 0) => format!("B is worse than A in {}, and better in {better}.", count_noun(worse, "figure")),
        (_, _) => format!(
            "B is worse than A in {}, and better in {better}; {open} more differ, but the runs are too few to decide.",
            count_noun(worse, "figure")
        ),
    };
    (verdict, sentence)
}

fn write_side(side: &'static str, names: &[String], html: &mut Html) {
    let shown: Vec<String> = names.iter().take(NAMES_MAX).map(|name| clip_text(name)).collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    let more = if more > 0 { format!(" and {}", count_noun(more, "more run")) } else { String::new() };
    html.add_leaf("dt", &[], format!("{side}: {}", count_noun(names.len(), "run")));
    html.add_leaf("dd", &[], format!("{}{more}", shown.join(", ")));
}

fn write_figures(figures: &[&MetricComparison], html: &mut Html) {
    html.open_scroll();
    html.open_tag("table", &[("class", &"figures")]);
    html.open_tag("tr", &[]);
    let header = ["figure", "A", "B", "change", "p", "A above B, on one scale"];
    header.iter().for_each(|name| html.add_leaf("th", &[], name));
    html.close_tag("tr");
    for one in figures {
        html.open_tag("tr", &[]);
        html.open_tag("td", &[]);
        html.add_leaf("b", &[], one.metric.objective);
        html.add_leaf("span", &[("class", &"quiet")], format!(" {}", one.metric.line));
        html.close_tag("td");
        for side in [one.a, one.b] {
            let text = side.map_or_else(String::new, |side| format_figure(one.metric.unit, side.median));
            html.add_leaf("td", &[("class", &"time")], text);
        }
        let exact = |side: Option<Summary>| side.and_then(|side| side.median.exact_value());
        let change = match (exact(one.a), exact(one.b)) {
            (Some(a), Some(b)) if a != 0.0 => format!("{:+.0} %", (b - a) / a * 100.0),
            _ => String::new(),
        };
        html.add_leaf("td", &[("class", &"time")], change);
        let chance = one.probability.map_or_else(String::new, |chance| format!("{chance:.3}"));
        html.add_leaf("td", &[("class", &"time")], chance);
        html.open_tag("td", &[]);
        draw_ranges(one, html);
        html.close_tag("td");
        html.close_tag("tr");
        html.break_line();
    }
    html.close_tag("table");
    html.close_tag("div");
}

/// Draws the range of each side as a bar with its median, on one scale from the least to the largest value.
fn draw_ranges(one: &MetricComparison, html: &mut Html) {
    let (Some(a), Some(b)) = (one.a, one.b) else { return };
    let known = [a.min, a.max, b.min, b.max].into_iter().filter(|value| value.is_finite());
    let (least, most) =
        known.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)));
    let span = if most > least { most - least } else { 1.0 };
    let x = |value: f64| 4.0 + (WIDTH - 8.0) * ((value.min(most) - least) / span).clamp(0.0, 1.0);
    html.open_tag(
        "svg",
        &[
            ("class", &"ranges"),
            ("viewBox", &format!("0 0 {WIDTH:.0} {HEIGHT:.0}")),
            ("width", &format!("{WIDTH:.0}")),
            ("height", &format!("{HEIGHT:.0}")),
            ("role", &"img"),
            ("aria-label", &"The ranges of A and B on one scale"),
        ],
    );
    for (side, y, class) in [(a, 4.0, "ok"), (b, 17.0, "fail")] {
        let (from, to) = (x(side.min), x(side.max));
        let (left, wide) = (format!("{from:.1}"), format!("{:.1}", (to - from).max(2.0)));
        html.add_empty(
            "rect",
            &[("class", &class), ("x", &left), ("y", &format!("{y:.0}")), ("width", &wide), ("height", &"9")],
        );
        if let Some(median) = side.median.exact_value() {
            let at = format!("{:.1}", x(median) - 1.0);
            let top = format!("{:.0}", y - 2.0);
            html.add_empty(
                "rect",
                &[("class", &"median"), ("x", &at), ("y", &top), ("width", &"2"), ("height", &"13")],
            );
        }
    }
    html.close_tag("svg");
}
