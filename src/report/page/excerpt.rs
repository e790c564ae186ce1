//! Chooses the operations of a long history that the page holds: what a reader would look at first.
//!
//! A page that travels by mail has room for some ten thousand operations. Those around the anomalies decide, so they get most
//! of the room. The beginnings and ends of faults get some, because a system changes there. The rest is spread evenly, so
//! that every part of the run can be compared with an ordinary one. One pass over the history, O(n + places · log places).

use histories::History;
use std::ops::Range;

/// The room of a window around an anomaly, around the edge of a fault, and of an even one, as shares of one another.
const ANOMALY_SHARE: usize = 8;
const FAULT_SHARE: usize = 2;
const EVEN_SHARE: usize = 1;
/// The windows that are spread evenly.
const EVEN_WINDOWS: usize = 8;
/// The most edges of faults with a window of their own.
const FAULT_EDGES_MAX: usize = 16;

/// The places of the operations that are held, as ranges in order that do not touch.
pub(super) fn choose_excerpt(
    history: &History,
    anomalies: &[i64],
    fault_edges: &[i64],
    limit: usize,
) -> Vec<Range<usize>> {
    let all = history.len();
    if all <= limit {
        return std::iter::once(0..all).collect();
    }
    let fault_edges = &fault_edges[..fault_edges.len().min(FAULT_EDGES_MAX)];
    let times = anomalies.iter().map(|&time| (time, ANOMALY_SHARE));
    let times: Vec<(i64, usize)> = times.chain(fault_edges.iter().map(|&time| (time, FAULT_SHARE))).collect();
    let mut centres = find_places(history, times);
    centres.extend((0..EVEN_WINDOWS).map(|at| ((2 * at + 1) * all / (2 * EVEN_WINDOWS), EVEN_SHARE)));
    let shares: usize = centres.iter().map(|(_, share)| share).sum();
    let window = |(centre, share): (usize, usize)| {
        let room = limit * share / shares;
        let from = centre.saturating_sub(room / 2).min(all.saturating_sub(room));
        from..(from + room).min(all)
    };
    merge_ranges(centres.into_iter().map(window).collect())
}

/// The place of the first operation that was invoked at each time or later.
fn find_places(history: &History, mut times: Vec<(i64, usize)>) -> Vec<(usize, usize)> {
    times.sort_unstable();
    let mut found = Vec::with_capacity(times.len());
    for (place, id) in history.ids().enumerate() {
        let Some(at) = history.invoked_at(id) else { continue };
        while let Some(&(_, share)) = times.get(found.len()).filter(|(time, _)| at >= *time) {
            found.push((place, share));
        }
        if found.len() == times.len() {
            return found;
        }
    }
    let last = history.len() - 1;
    found.extend(times[found.len()..].iter().map(|&(_, share)| (last, share)));
    found
}

fn merge_ranges(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut().filter(|last| range.start <= last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::format::{Format, from_text};

    /// Writes of one process, one each second.
    fn long_history(count: usize) -> History {
        let mut text = String::new();
        for n in 0..count {
            for kind in ["invoke", "ok"] {
                let time = n * 1_000_000_000;
                text += &format!(
                    "{{\"time\":{time},\"process\":0,\"type\":\"{kind}\",\"f\":\"write\",\"key\":\"k\",\"value\":{n}}}\n"
                );
            }
        }
        from_text(Format::Native, &text).expect("a history")
    }

    #[test]
    fn the_excerpt_is_bounded_and_holds_what_lies_around_an_anomaly() {
        let history = long_history(2000);
        let found = choose_excerpt(&history, &[700_000_000_000], &[], 160);
        assert!(found.iter().map(Range::len).sum::<usize>() <= 160, "{found:?}");
        assert!(found.iter().any(|range| range.contains(&690) && range.contains(&710)), "{found:?}");
        assert!(
            found.iter().any(|range| range.start > 1800),
            "the end of the run is there as well: {found:?}"
        );
    }

    #[test]
    fn a_short_history_is_held_whole_and_a_late_anomaly_has_its_window() {
        let history = long_history(300);
        let whole = choose_excerpt(&history, &[5], &[], 300);
        assert!(whole.len() == 1 && whole[0] == (0..300), "{whole:?}");
        let found = choose_excerpt(&history, &[i64::MAX], &[i64::MIN], 120);
        assert!(found.first().is_some_and(|range| range.start == 0), "{found:?}");
        assert!(found.last().is_some_and(|range| range.end == 300 && range.len() > 40), "{found:?}");
    }
}
