//! One order of the events of many spans.

use std::collections::HashMap;

/// When an event was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::format) struct EventMoment {
    /// Its number in the history that it comes from.
    pub(in crate::format) index: Option<i64>,
    /// By its span, in ns since 1970.
    pub(in crate::format) time: i64,
    /// Whether it is the end of its span.
    pub(in crate::format) completes: bool,
    /// Which span.
    pub(in crate::format) span: u32,
    /// Whose it is.
    pub(in crate::format) process: u32,
}

/// The places of events, in order: by their indexes if all have one, else by their times. O(n log n).
pub(in crate::format) fn order_events(moments: &[EventMoment]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..moments.len()).collect();
    if moments.iter().all(|moment| moment.index.is_some()) {
        places.sort_by_key(|&at| moments[at].index);
        return places;
    }
    places.sort_by_key(|&at| (moments[at].time, moments[at].span, moments[at].completes));
    let mut arranged = Vec::with_capacity(places.len());
    let mut open = HashMap::new();
    for group in places.chunk_by(|&a, &b| moments[a].time == moments[b].time) {
        overlap_simultaneous(moments, group, &mut open, &mut arranged);
    }
    arranged
}

/// Events of one time: as many as possible begin before any ends, and none begins while its process has one open.
fn overlap_simultaneous(
    moments: &[EventMoment],
    group: &[usize],
    open: &mut HashMap<u32, u32>,
    arranged: &mut Vec<usize>,
) {
    let mut left = group.to_vec();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|&at| {
            let EventMoment { completes, span, process, .. } = moments[at];
            let begins = !completes && !open.contains_key(&process);
            if begins {
                open.insert(process, span);
                arranged.push(at);
            }
            !begins
        });
        left.retain(|&at| {
            let EventMoment { completes, span, process, .. } = moments[at];
            let ends = completes && open.get(&process) == Some(&span);
            if ends {
                open.remove(&process);
                arranged.push(at);
            }
            !ends
        });
        if left.len() == before {
            // A process with two spans at once, say. Whoever pairs events says what is wrong.
            arranged.append(&mut left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(process: u32, span: u32, time: i64, completes: bool) -> EventMoment {
        EventMoment { index: None, time, completes, span, process }
    }

    #[test]
    fn indexes_count_more_than_times() {
        let at = |index, time| EventMoment { index: Some(index), time, ..EventMoment::default() };
        assert_eq!(order_events(&[at(2, 1), at(0, 9), at(1, 5)]), [1, 2, 0]);
        assert_eq!(
            order_events(&[
                at(2, 1),
                EventMoment { index: None, time: 9, ..EventMoment::default() },
                at(1, 5)
            ]),
            [0, 2, 1]
        );
    }

    /// One operation ends as another one begins: of another process it overlaps, of its own it follows.
    #[test]
    fn what_happens_at_once_overlaps_where_it_can() {
        let moments =
            [moment(0, 0, 1, false), moment(0, 0, 5, true), moment(1, 1, 5, false), moment(1, 1, 9, true)];
        assert_eq!(order_events(&moments), [0, 2, 1, 3]);
        let moments =
            [moment(0, 0, 1, false), moment(0, 0, 5, true), moment(0, 1, 5, false), moment(0, 1, 5, true)];
        assert_eq!(order_events(&moments), [0, 1, 2, 3]);
    }
}
