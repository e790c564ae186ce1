//! The index of a page with several histories: a line per history, and how the main figures change from run to run.

use super::html::Html;
use super::{SECTIONS_MAX, clip_text};
use crate::objectives::format_amount;
use crate::report::CheckFindings;
use crate::report::summary::FindingSummary;
use checker::measurements::{Unit, find_metric};

/// The figures whose trend is drawn, if they were measured; the anomalies come first.
const TREND_FIGURES: &[&str] =
    &["availability_share", "recovery_p99_seconds", "latency_p99_seconds", "lost_writes", "lost_sessions"];
/// The most lines of the table. Each further history is only counted.
const LINES_MAX: usize = 1000;
const WIDTH: f64 = 250.0;
const HEIGHT: f64 = 56.0;
const MARGIN: f64 = 8.0;

/// One history in the index.
pub(super) struct SummaryLine {
    name: String,
    pub(super) verdict: &'static str,
    sentence: String,
    anomalies: Option<u64>,
    /// The figures of [`TREND_FIGURES`].
    figures: Vec<Option<TrendPoint>>,
}

/// The figure of one history: the value, or the bound that is drawn in its place.
#[derive(Clone, Copy, PartialEq, Debug)]
enum TrendPoint {
    Exact(f64),
    /// A range, drawn at its lower end.
    Between(f64, f64),
    AtLeast(f64),
}

impl TrendPoint {
    fn drawn_value(self) -> f64 {
        match self {
            Self::Exact(value) | Self::Between(value, _) | Self::AtLeast(value) => value,
        }
    }

    fn describe(self, unit: Unit) -> String {
        match self {
            Self::Exact(value) => format_amount(unit, value),
            Self::Between(low, high) => {
                format!("{} to {}", format_amount(unit, low), format_amount(unit, high))
            }
            Self::AtLeast(low) => format!("≥ {}", format_amount(unit, low)),
        }
    }

    fn is_bound(self) -> bool {
        !matches!(self, Self::Exact(_))
    }
}

impl SummaryLine {
    /// The line of a checked history.
    pub(super) fn from_findings(findings: &CheckFindings<'_>, sentence: String) -> Self {
        let figure = |name: &&str| {
            let run = &findings.measured?.found.run;
            let figure = run.get(find_metric(name)?)?.ok()?;
            Some(match (figure.exact_value(), figure.upper_bound()) {
                (Some(value), _) => TrendPoint::Exact(value),
                (None, Some(high)) => TrendPoint::Between(figure.least, high),
                (None, None) => TrendPoint::AtLeast(figure.least),
            })
        };
        Self {
            name: findings.name.to_owned(),
            verdict: findings.verdict(),
            sentence,
            anomalies: Some(FindingSummary::from_findings(findings).total()),
            figures: TREND_FIGURES.iter().map(figure).collect(),
        }
    }

    /// The line of a history that could not be checked.
    pub(super) fn from_refusal(name: &str, sentence: String) -> Self {
        let figures = vec![None; TREND_FIGURES.len()];
        Self { name: name.to_owned(), verdict: "refused", sentence, anomalies: None, figures }
    }

    /// The title of a page with only this history.
    pub(super) fn title(&self) -> String {
        format!("{}: {}", self.verdict, self.name)
    }
}

/// Writes the table of histories and the trends.
pub(super) fn write_index(lines: &[SummaryLine], html: &mut Html) {
    write_counts(lines, html);
    write_trends(lines, html);
    html.open_scroll();
    html.open_tag("table", &[("class", &"levels index")]);
    html.open_tag("tr", &[]);
    ["verdict", "history", "anomalies", "summary"].iter().for_each(|name| html.add_leaf("th", &[], name));
    html.close_tag("tr");
    for (line, number) in lines.iter().zip(1..).take(LINES_MAX) {
        html.open_tag("tr", &[]);
        html.add_leaf("td", &[("class", &line.verdict)], line.verdict);
        html.open_tag("td", &[]);
        if number <= SECTIONS_MAX {
            html.add_leaf("a", &[("href", &format!("#history-{number}"))], clip_text(&line.name));
        } else {
            html.add_text(clip_text(&line.name));
        }
        html.close_tag("td");
        let anomalies = line.anomalies.map_or_else(String::new, |count| count.to_string());
        html.add_leaf("td", &[("class", &"time")], anomalies);
        html.add_leaf("td", &[], &line.sentence);
        html.close_tag("tr");
        html.break_line();
    }
    html.close_tag("table");
    html.close_tag("div");
    if lines.len() > SECTIONS_MAX {
        let more = lines.len().saturating_sub(LINES_MAX);
        let more = if more > 0 { format!(" {more} histories are not listed.") } else { String::new() };
        html.add_leaf(
            "p",
            &[("class", &"quiet")],
            format!("The first {SECTIONS_MAX} have a section below.{more}"),
        );
    }
}

/// Writes how many histories have which verdict.
fn write_counts(lines: &[SummaryLine], html: &mut Html) {
    let verdicts = ["violated", "missed", "refused", "unknown", "untested", "holds"];
    let counted = verdicts
        .iter()
        .map(|verdict| (verdict, lines.iter().filter(|line| line.verdict == *verdict).count()));
    let text: Vec<String> = counted
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| format!("{count} {verdict}"))
        .collect();
    html.add_leaf("p", &[("class", &"sentence")], format!("{} histories: {}.", lines.len(), text.join(", ")));
}

/// Draws the trend of each figure that at least two histories have.
fn write_trends(lines: &[SummaryLine], html: &mut Html) {
    let names: Vec<String> = lines.iter().map(|line| clip_text(&line.name)).collect();
    let anomalies: Vec<Option<TrendPoint>> =
        lines.iter().map(|line| line.anomalies.map(|count| TrendPoint::Exact(count as f64))).collect();
    html.open_tag("div", &[("class", &"trends")]);
    draw_trend("anomalies", Unit::Count, &names, &anomalies, html);
    for (at, name) in TREND_FIGURES.iter().enumerate() {
        let Some(metric) = find_metric(name) else { continue };
        let values: Vec<Option<TrendPoint>> = lines.iter().map(|line| line.figures[at]).collect();
        draw_trend(metric.objective, metric.unit, &names, &values, html);
    }
    html.close_tag("div");
    html.break_line();
}

/// The caption of a trend: its least and its greatest value, and how many points are bounds.
fn describe_trend(title: &str, unit: Unit, values: &[Option<TrendPoint>]) -> String {
    let points = || values.iter().copied().flatten();
    let by_value = |one: &TrendPoint, other: &TrendPoint| one.drawn_value().total_cmp(&other.drawn_value());
    let least = points().min_by(by_value).map_or(0.0, TrendPoint::drawn_value);
    let most = points().max_by(|one, other| by_value(one, other).then(one.is_bound().cmp(&other.is_bound())));
    let most = most.unwrap_or(TrendPoint::Exact(least));
    let above = if most.is_bound() { "at least " } else { "" };
    let mut text = format!(
        "{title}: {} to {above}{}",
        format_amount(unit, least),
        format_amount(unit, most.drawn_value())
    );
    let bounds = points().filter(|point| point.is_bound()).count();
    if bounds > 0 {
        text += &format!(" ({bounds} of {} are lower bounds)", points().count());
    }
    text
}

fn draw_trend(title: &str, unit: Unit, names: &[String], values: &[Option<TrendPoint>], html: &mut Html) {
    let points = || values.iter().copied().flatten();
    let known: Vec<f64> = points().map(TrendPoint::drawn_value).collect();
    if known.len() < 2 {
        return;
    }
    let (least, most) =
        known.iter().fold((f64::MAX, f64::MIN), |(least, most), &v| (least.min(v), most.max(v)));
    let span = if most > least { most - least } else { 1.0 };
    let x = |at: usize| MARGIN + (WIDTH - 2.0 * MARGIN) * at as f64 / (values.len() - 1).max(1) as f64;
    let y = |value: f64| HEIGHT - MARGIN - (HEIGHT - 2.0 * MARGIN) * (value - least) / span;
    html.open_tag("figure", &[("class", &"trend")]);
    html.add_leaf("figcaption", &[], describe_trend(title, unit, values));
    html.open_tag(
        "svg",
        &[
            ("viewBox", &format!("0 0 {WIDTH:.0} {HEIGHT:.0}")),
            ("width", &format!("{WIDTH:.0}")),
            ("height", &format!("{HEIGHT:.0}")),
            ("role", &"img"),
            ("aria-label", &format!("{title} over the histories")),
        ],
    );
    let mut path = String::new();
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        // A history without the figure breaks the line.
        let begins = at == 0 || values[at - 1].is_none();
        path += &format!("{}{:.1} {:.1}", if begins { "M" } else { "L" }, x(at), y(value.drawn_value()));
    }
    html.add_empty("path", &[("class", &"line p50"), ("d", &path)]);
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        html.open_tag("g", &[]);
        html.add_leaf("title", &[], format!("{}: {}", names[at], value.describe(unit)));
        let (cx, cy) = (format!("{:.1}", x(at)), format!("{:.1}", y(value.drawn_value())));
        html.add_empty("circle", &[("class", &"point"), ("cx", &cx), ("cy", &cy), ("r", &"3")]);
        html.close_tag("g");
    }
    html.close_tag("svg");
    html.close_tag("figure");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run whose figure is only bounded was in no trend, so the worst run was missing.
    #[test]
    fn a_trend_has_figures_that_are_only_bounded() {
        let values = [
            Some(TrendPoint::Exact(1.54)),
            None,
            Some(TrendPoint::AtLeast(4.05)),
            Some(TrendPoint::Between(2.0, 2.5)),
        ];
        let told = describe_trend("recovery.p99", Unit::Seconds, &values);
        assert_eq!(told, "recovery.p99: 1.54 s to at least 4.05 s (2 of 3 are lower bounds)");
        let exact = describe_trend("recovery.p99", Unit::Seconds, &values[..2]);
        assert_eq!(exact, "recovery.p99: 1.54 s to 1.54 s");
    }
}
