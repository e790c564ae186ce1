//! The age of stale reads over the run.
//!
//! How old an answer was is what users of a lagging replica feel, and neither rates nor latencies show it: a stale answer is fast and
//! successful. Each step of time has a bar from the youngest to the oldest of its stale reads and a line at their median. A step
//! without a stale read is empty. O(n log n) in the stale reads.

use super::html::Html;
use super::overview::{self, HEIGHT, LEFT, LogarithmicScale, TimeAxis, WIDTH};
use crate::report::describe;
use crate::report::faults::ShownFault;
use crate::report::layout::{count_noun, format_elapsed};
use checker::measurements::StaleRead;
use histories::History;

/// Draws the chart, if a read was stale and the history has times.
pub(super) fn draw_staleness(
    history: &History,
    stale: &[StaleRead],
    episodes: &[ShownFault],
    html: &mut Html,
) {
    let Some(axis) = TimeAxis::from_history(history).filter(|_| !stale.is_empty()) else { return };
    let buckets = sort_into_buckets(history, stale, &axis);
    let all = buckets.iter().flat_map(|ages| [ages.first(), ages.last()]).flatten();
    let scale = LogarithmicScale::of_durations(all.copied());
    html.open_tag("p", &[("class", &"legend")]);
    html.add_leaf("i", &[("class", &"key stale")], "");
    html.add_text(format!(
        " The age of the {}, from the youngest to the oldest in each step, with the median (logarithmic). The age of a read is how \
         long a newer value had been there",
        count_noun(stale.len(), "stale read")
    ));
    html.close_tag("p");
    overview::open_chart(html, &axis, "The age of stale reads over the run", HEIGHT);
    overview::draw_faults(&axis, episodes, HEIGHT, html);
    scale.draw_grid(html);
    let wide = WIDTH / axis.count as f64;
    for (ages, place) in buckets.iter().zip(0..) {
        let ([youngest, ..], Some(oldest)) = (ages.as_slice(), ages.last()) else { continue };
        draw_bucket(&axis, place, wide, (*youngest, ages[ages.len() / 2], *oldest, ages.len()), &scale, html);
    }
    overview::draw_time_axis(&axis, HEIGHT, html);
    html.close_tag("svg");
    html.close_tag("div");
}

/// The ages of the stale reads in each step, in ns, sorted. A read counts where it was invoked.
fn sort_into_buckets(history: &History, stale: &[StaleRead], axis: &TimeAxis) -> Vec<Vec<i64>> {
    let mut buckets = vec![Vec::new(); axis.count];
    for read in stale {
        if let Some(at) = history.invoked_at(read.id) {
            buckets[axis.bucket_index(at)].push(read.age);
        }
    }
    buckets.iter_mut().for_each(|ages| ages.sort_unstable());
    buckets
}

/// Draws the bar of a step, from its youngest, median and oldest stale read and their number.
fn draw_bucket(
    axis: &TimeAxis,
    place: usize,
    wide: f64,
    (youngest, median, oldest, count): (i64, i64, i64, usize),
    scale: &LogarithmicScale,
    html: &mut Html,
) {
    let shown = |ns: i64| format_elapsed(ns as f64 / 1e9);
    let begins = axis.from + axis.step * place as i64;
    html.open_tag("g", &[("class", &"bucket")]);
    html.add_leaf(
        "title",
        &[],
        format!(
            "from {}: {}, {} to {} old, median {}",
            describe::format_seconds(begins),
            count_noun(count, "stale read"),
            shown(youngest),
            shown(oldest),
            shown(median)
        ),
    );
    let (x, wide) = (LEFT + place as f64 * wide, (wide - 0.6).max(0.4));
    let (top, bottom) = (scale.y_of(oldest), scale.y_of(youngest));
    html.add_empty(
        "rect",
        &[
            ("class", &"stale"),
            ("x", &format!("{x:.2}")),
            ("y", &format!("{:.2}", top - 1.0)),
            ("width", &format!("{wide:.2}")),
            ("height", &format!("{:.2}", (bottom - top).max(0.0) + 2.0)),
        ],
    );
    let y = format!("{:.2}", scale.y_of(median));
    let (from, to) = (format!("{x:.2}"), format!("{:.2}", x + wide));
    html.add_empty("line", &[("class", &"median"), ("x1", &from), ("x2", &to), ("y1", &y), ("y2", &y)]);
    html.close_tag("g");
}
