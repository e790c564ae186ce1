//! The whole run in charts: operations per second by outcome, the sessions, and latencies, with the faults behind them.
//!
//! The charts use buckets of time, so that a run of a million operations takes no more room than one of a hundred. An
//! operation counts at its completion, or at its invocation if it never completed. O(n log n).

use super::html::Html;
use super::stack::{StackChange, find_changes, write_changes_table};
use crate::report::describe;
use crate::report::faults::ShownFault;
use crate::report::layout::format_elapsed;
use histories::{History, Outcome};

const BUCKETS_MAX: usize = 120;
/// A history with fewer operations has no charts: the drawings of the anomalies show all of them.
const OPERATIONS_MIN: usize = 40;
pub(super) const LEFT: f64 = 64.0;
pub(super) const WIDTH: f64 = 900.0;
pub(super) const HEIGHT: f64 = 150.0;
/// Room for the labels of faults, and the marks of anomalies below them.
pub(super) const TOP: f64 = 34.0;
/// The most anomalies that are marked.
const MARKS_MAX: usize = 12;

/// The mark of an anomaly.
pub(super) struct AnomalyMark {
    pub(super) time: i64,
    /// The anchor of its section.
    pub(super) anchor: String,
    pub(super) label: String,
}

/// The operations of one bucket of time.
#[derive(Default, Clone)]
struct TimeBucket {
    counts: [usize; 3],
    /// Latencies of ok operations in nanoseconds, sorted.
    latencies: Vec<i64>,
}

/// The buckets of time of the charts.
pub(super) struct TimeAxis {
    pub(super) from: i64,
    /// The length of a bucket in nanoseconds.
    pub(super) step: i64,
    pub(super) count: usize,
}

/// Draws both charts if the history has times and enough operations.
pub(super) fn draw_overview(
    history: &History,
    episodes: &[ShownFault],
    marks: &[AnomalyMark],
    html: &mut Html,
) {
    let Some(axis) = TimeAxis::from_history(history) else { return };
    let buckets = fill_buckets(history, &axis);
    html.add_leaf("h3", &[], "The whole run");
    html.open_tag("p", &[("class", &"legend")]);
    for (class, text) in [("ok", "ok"), ("fail", "failed"), ("info", "indeterminate")] {
        html.add_leaf("i", &[("class", &format!("key {class}"))], "");
        html.add_text(format!(" {text} "));
    }
    html.add_text(format!(" operations per second, in steps of {}", format_elapsed(axis.step as f64 / 1e9)));
    html.close_tag("p");
    let changes = find_changes(history);
    draw_rates(&buckets, &axis, (episodes, &changes), marks, html);
    write_changes_table(&changes, html);
    if buckets.iter().all(|bucket| bucket.latencies.is_empty()) {
        return;
    }
    html.open_tag("p", &[("class", &"legend")]);
    for (class, text) in [("p50", "median"), ("p95", "95 %"), ("p99", "99 %"), ("most", "slowest")] {
        html.add_leaf("i", &[("class", &format!("key {class}"))], "");
        html.add_text(format!(" {text} "));
    }
    html.add_text(" latency of ok operations (logarithmic)");
    html.close_tag("p");
    draw_latencies(&buckets, &axis, episodes, html);
}

impl TimeAxis {
    /// The axis of a history that has times and enough operations for charts.
    pub(super) fn from_history(history: &History) -> Option<TimeAxis> {
        if history.len() < OPERATIONS_MIN {
            return None;
        }
        let mut range: Option<(i64, i64)> = None;
        for id in history.ids() {
            for time in [history.invoked_at(id), history.completed_at(id)].into_iter().flatten() {
                let (from, to) = range.unwrap_or((time, time));
                range = Some((from.min(time), to.max(time)));
            }
        }
        let (from, to) = range.filter(|(from, to)| to > from)?;
        let span = to.checked_sub(from)?;
        Some(TimeAxis { from, step: round_up_step(span / BUCKETS_MAX as i64 + 1), count: 0 }.with_count(span))
    }

    fn with_count(self, span: i64) -> TimeAxis {
        TimeAxis { count: usize::try_from(span / self.step).map_or(1, |count| count + 1), ..self }
    }

    pub(super) fn bucket_index(&self, time: i64) -> usize {
        usize::try_from((time - self.from) / self.step).unwrap_or(0).min(self.count - 1)
    }

    pub(super) fn x_of(&self, time: i64) -> f64 {
        let span = self.step as f64 * self.count as f64;
        LEFT + (WIDTH * (time as f64 - self.from as f64) / span).clamp(0.0, WIDTH)
    }
}

/// The next of 1, 2, 5, 10, … nanoseconds.
fn round_up_step(least: i64) -> i64 {
    let mut unit = 1_i64;
    loop {
        for factor in [1, 2, 5] {
            if unit * factor >= least {
                return unit * factor;
            }
        }
        match unit.checked_mul(10) {
            Some(next) if next < i64::MAX / 10 => unit = next,
            _ => return least,
        }
    }
}

fn fill_buckets(history: &History, axis: &TimeAxis) -> Vec<TimeBucket> {
    let mut buckets = vec![TimeBucket::default(); axis.count];
    for id in history.ids() {
        let (from, to) = (history.invoked_at(id), history.completed_at(id));
        let Some(at) = to.or(from) else { continue };
        let bucket = &mut buckets[axis.bucket_index(at)];
        let outcome = history.outcome(id);
        bucket.counts[outcome as usize] += 1;
        if let (Outcome::Ok, Some(from), Some(to)) = (outcome, from, to) {
            bucket.latencies.push(to.saturating_sub(from).max(0));
        }
    }
    buckets.iter_mut().for_each(|bucket| bucket.latencies.sort_unstable());
    buckets
}

/// Opens a chart with room for `height` between its top and its times.
pub(super) fn open_chart(html: &mut Html, axis: &TimeAxis, label: &'static str, height: f64) {
    let (width, height) = (LEFT + WIDTH + 16.0, TOP + height + 24.0);
    html.open_scroll();
    html.open_tag(
        "svg",
        &[
            ("class", &"chart"),
            ("viewBox", &format!("0 0 {width:.0} {height:.0}")),
            ("width", &format!("{width:.0}")),
            ("height", &format!("{height:.0}")),
            ("role", &"group"),
            ("aria-label", &label),
            // For the script: which time in microseconds lies where.
            ("data-from", &(axis.from / 1_000)),
            ("data-span", &(axis.step.saturating_mul(axis.count as i64) / 1_000)),
            ("data-left", &LEFT),
            ("data-wide", &WIDTH),
        ],
    );
}

fn draw_rates(
    buckets: &[TimeBucket],
    axis: &TimeAxis,
    (episodes, changes): (&[ShownFault], &[StackChange]),
    marks: &[AnomalyMark],
    html: &mut Html,
) {
    open_chart(html, axis, "Operations per second by outcome over the run", HEIGHT);
    draw_faults(axis, episodes, HEIGHT, html);
    let most = buckets.iter().map(|bucket| bucket.counts.iter().sum::<usize>()).max().unwrap_or(1).max(1);
    let a_second = |count: usize| count as f64 / (axis.step as f64 / 1e9);
    let wide = WIDTH / axis.count as f64;
    for (at, bucket) in buckets.iter().enumerate() {
        let x = LEFT + at as f64 * wide;
        let begins = axis.from + axis.step * at as i64;
        html.open_tag("g", &[("class", &"bucket")]);
        let [ok, fail, info] = bucket.counts;
        html.add_leaf(
            "title",
            &[],
            format!(
                "from {}: {ok} ok, {fail} failed, {info} indeterminate",
                describe::format_seconds(begins)
            ),
        );
        // A transparent bar, so that the tooltip also works where nothing happened.
        let (x_text, wide_text) = (format!("{x:.2}"), format!("{:.2}", (wide - 0.6).max(0.4)));
        html.add_empty(
            "rect",
            &[
                ("class", &"ground"),
                ("x", &x_text),
                ("y", &format!("{TOP:.0}")),
                ("width", &wide_text),
                ("height", &format!("{HEIGHT:.0}")),
            ],
        );
        let mut y = TOP + HEIGHT;
        for (class, count) in [("ok", ok), ("fail", fail), ("info", info)] {
            if count > 0 {
                let high = (count as f64 / most as f64 * HEIGHT).max(1.5);
                y -= high;
                let (y, high) = (format!("{y:.2}"), format!("{high:.2}"));
                html.add_empty(
                    "rect",
                    &[("class", &class), ("x", &x_text), ("y", &y), ("width", &wide_text), ("height", &high)],
                );
            }
        }
        html.close_tag("g");
    }
    draw_grid_line(TOP, format!("{:.0}/s", a_second(most)), html);
    draw_grid_line(TOP + HEIGHT, "0".to_owned(), html);
    for mark in marks.iter().take(MARKS_MAX) {
        let x = axis.x_of(mark.time);
        html.open_tag("a", &[("href", &format!("#{}", mark.anchor))]);
        html.add_leaf("title", &[], &mark.label);
        let points = format!("M{x:.1} {:.1} l-6 -11 h12 z", TOP + 4.0);
        html.add_empty("path", &[("class", &"mark"), ("d", &points)]);
        html.close_tag("a");
    }
    draw_stack_changes(axis, changes, html);
    draw_time_axis(axis, HEIGHT, html);
    html.close_tag("svg");
    html.close_tag("div");
}

fn draw_latencies(buckets: &[TimeBucket], axis: &TimeAxis, episodes: &[ShownFault], html: &mut Html) {
    open_chart(html, axis, "Latency percentiles over the run", HEIGHT);
    draw_faults(axis, episodes, HEIGHT, html);
    let all = buckets.iter().flat_map(|bucket| [bucket.latencies.first(), bucket.latencies.last()]);
    let scale = LogarithmicScale::of_durations(all.flatten().copied());
    scale.draw_grid(html);
    let wide = WIDTH / axis.count as f64;
    for (class, share) in [("most", 1.0), ("p99", 0.99), ("p95", 0.95), ("p50", 0.5)] {
        let mut path = String::new();
        let mut before = false;
        for (at, bucket) in buckets.iter().enumerate() {
            // A bucket without ok operations has no latency, so the line is broken.
            let Some(ns) = latency_percentile(&bucket.latencies, share) else {
                before = false;
                continue;
            };
            let (x, y) = (LEFT + (at as f64 + 0.5) * wide, scale.y_of(ns));
            // A bucket between two empty ones still gets a short line.
            path += &match before {
                true => format!("L{x:.1} {y:.1}"),
                false => format!("M{:.1} {y:.1}L{x:.1} {y:.1}", x - wide * 0.4),
            };
            before = true;
        }
        html.add_empty("path", &[("class", &format!("line {class}")), ("d", &path)]);
    }
    draw_time_axis(axis, HEIGHT, html);
    html.close_tag("svg");
    html.close_tag("div");
}

/// A vertical axis for durations from microseconds to hours.
pub(super) struct LogarithmicScale {
    /// The powers of ten, in ns, at the bottom and at the top.
    low: f64,
    high: f64,
}

impl LogarithmicScale {
    /// The scale on which all of these durations, in ns, have a place.
    pub(super) fn of_durations(all: impl Iterator<Item = i64>) -> LogarithmicScale {
        let (least, most) = all.fold((i64::MAX, 1), |(least, most), ns| (least.min(ns), most.max(ns)));
        let low = (least.max(1000) as f64).log10().floor();
        LogarithmicScale { low, high: (most.max(10_000) as f64).log10().ceil().max(low + 1.0) }
    }

    /// The place of a duration in ns.
    pub(super) fn y_of(&self, ns: i64) -> f64 {
        let part = ((ns.max(1) as f64).log10() - self.low) / (self.high - self.low);
        TOP + HEIGHT * (1.0 - part.clamp(0.0, 1.0))
    }

    /// Draws a line for each power of ten.
    pub(super) fn draw_grid(&self, html: &mut Html) {
        for power in self.low as i32..=self.high as i32 {
            let ns = 10_i64.pow(power.clamp(0, 18) as u32);
            draw_grid_line(self.y_of(ns), format_axis_time(ns), html);
        }
    }
}

/// The smallest latency that this share of the operations did not exceed.
fn latency_percentile(sorted: &[i64], share: f64) -> Option<i64> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

pub(super) fn draw_faults(axis: &TimeAxis, episodes: &[ShownFault], height: f64, html: &mut Html) {
    let mut labelled = f64::MIN;
    for episode in episodes {
        let Some(from) = episode.from_ns else { continue };
        let to = match (episode.to, episode.to_ns) {
            (None, _) => from,
            (Some(_), to) => to.unwrap_or(i64::MAX),
        };
        let (x, end) = (axis.x_of(from), axis.x_of(to));
        html.open_tag("g", &[("class", &"fault")]);
        html.add_leaf("title", &[], episode.label());
        html.add_empty(
            "rect",
            &[
                ("x", &format!("{x:.1}")),
                ("y", &"4"),
                ("width", &format!("{:.1}", (end - x).max(1.5))),
                ("height", &format!("{:.0}", TOP + height - 4.0)),
            ],
        );
        if x > labelled {
            labelled = x + episode.label().chars().count() as f64 * 7.0 + 10.0;
            html.add_leaf("text", &[("x", &format!("{:.1}", x + 4.0)), ("y", &"16")], episode.label());
        }
        html.close_tag("g");
    }
}

/// Draws a mark below the chart for each change of the stack. Changes too close to tell apart share one mark.
fn draw_stack_changes(axis: &TimeAxis, changes: &[StackChange], html: &mut Html) {
    let mut drawn: Vec<(f64, String)> = Vec::new();
    for change in changes {
        let Some(time_ns) = change.time_ns else { continue };
        let x = axis.x_of(time_ns);
        match drawn.last_mut().filter(|(last, _)| x - *last < 3.0) {
            Some((_, label)) => *label = format!("{label}\n{}", change.label()),
            None => drawn.push((x, change.label())),
        }
    }
    for (x, label) in drawn {
        html.open_tag("g", &[("class", &"did")]);
        html.add_leaf("title", &[], label);
        let points = format!("M{x:.1} {:.1} l-4 8 h8 z", TOP + HEIGHT);
        html.add_empty("path", &[("d", &points)]);
        html.close_tag("g");
    }
}

/// Draws a horizontal line with its value at the left.
fn draw_grid_line(y: f64, text: String, html: &mut Html) {
    let (y_text, from, to) = (format!("{y:.1}"), format!("{LEFT:.0}"), format!("{:.0}", LEFT + WIDTH));
    html.add_empty(
        "line",
        &[("class", &"grid"), ("x1", &from), ("x2", &to), ("y1", &y_text), ("y2", &y_text)],
    );
    let x = format!("{:.0}", LEFT - 6.0);
    html.add_leaf("text", &[("x", &x), ("y", &format!("{:.1}", y + 4.0)), ("text-anchor", &"end")], text);
}

/// Draws the times below the chart.
pub(super) fn draw_time_axis(axis: &TimeAxis, height: f64, html: &mut Html) {
    let span = axis.step * axis.count as i64;
    let step = round_up_step(span / 10 + 1);
    let digits = if step < 1_000_000 { 6 } else { usize::from(step < 1_000_000_000) * 3 };
    let mut at = axis.from.div_euclid(step) * step;
    while at <= axis.from + span {
        if at >= axis.from {
            let text = format!("{:.digits$} s", at as f64 / 1e9);
            let (x, y) = (format!("{:.1}", axis.x_of(at)), format!("{:.0}", TOP + height + 18.0));
            html.add_leaf("text", &[("x", &x), ("y", &y), ("text-anchor", &"middle")], text);
        }
        at += step;
    }
}

fn format_axis_time(ns: i64) -> String {
    match ns {
        ns if ns < 1_000 => format!("{ns} ns"),
        ns if ns < 1_000_000 => format!("{} µs", ns / 1_000),
        ns if ns < 1_000_000_000 => format!("{} ms", ns / 1_000_000),
        ns => format!("{} s", ns / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_never_too_small() {
        assert_eq!([1, 3, 7, 1_000_001, 49_999_999].map(round_up_step), [1, 5, 10, 2_000_000, 50_000_000]);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        assert_eq!(latency_percentile(&[], 0.5), None);
        assert_eq!(latency_percentile(&[7], 0.99), Some(7));
        assert_eq!(
            [0.5, 0.95, 1.0].map(|share| latency_percentile(&[1, 2, 3, 4], share)),
            [Some(2), Some(4), Some(4)]
        );
    }
}
