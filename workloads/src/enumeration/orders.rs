//! All real-time orders of the operations of a shape.
//!
//! Real-time order is an interval order. Each interval order has exactly one representation by numbered points in which
//! every point is the first point of some operation and the last point of some operation (Greenough 1976). An operation
//! precedes another one if its last point is before the other's first point.

use super::shape::{HistoryShape, ShapeError};

/// The largest number of real-time orders that are listed.
const ORDERS_MAX: usize = 200_000;

/// A part of a real-time order: the operations of the first points.
struct PartialOrder {
    /// For each session: the operations that were invoked, and whether the last of them is open.
    sessions: Vec<(usize, bool)>,
    /// First and last point of each operation, by session. The last point of an open operation is not known yet.
    spans: Vec<(u8, u8)>,
    points: u8,
}

/// The real-time orders of a shape: first and last point of each operation, session by session. Without real time
/// there is one: the n-th operations of all sessions overlap.
pub(super) fn list_real_time_orders(shape: &HistoryShape) -> Result<Vec<Vec<(u8, u8)>>, ShapeError> {
    if !shape.real_time {
        let numbered = shape.sessions.iter().flat_map(|&count| (0..count as u8).map(|at| (at, at)));
        return Ok(vec![numbered.collect()]);
    }
    let firsts: Vec<usize> = shape
        .sessions
        .iter()
        .scan(0, |sum, &count| {
            *sum += count;
            Some(*sum - count)
        })
        .collect();
    let start = PartialOrder {
        sessions: vec![(0, false); shape.sessions.len()],
        spans: vec![(0, 0); shape.operation_count()],
        points: 0,
    };
    let mut todo = vec![start];
    let mut found = Vec::new();
    while let Some(part) = todo.pop() {
        let is_done =
            |(at, &(invoked, open)): (usize, &(usize, bool))| invoked == shape.sessions[at] && !open;
        if part.sessions.iter().enumerate().all(is_done) {
            if found.len() == ORDERS_MAX {
                let count = format!("more than {ORDERS_MAX} real-time orders of its");
                return Err(ShapeError::TooLarge { shape: shape.to_string(), count });
            }
            found.push(part.spans);
            continue;
        }
        add_next_point(shape, &firsts, &part, &mut todo);
    }
    found.sort_unstable();
    Ok(found)
}

/// All ways to add one point: some operations are invoked there, and some complete there.
fn add_next_point(shape: &HistoryShape, firsts: &[usize], part: &PartialOrder, todo: &mut Vec<PartialOrder>) {
    let may_begin = list_bits(part, |at, (invoked, open)| !open && invoked < shape.sessions[at]);
    for begun in list_nonempty_subsets(&may_begin) {
        let mut sessions = part.sessions.clone();
        let mut spans = part.spans.clone();
        for &at in &begun {
            spans[firsts[at] + sessions[at].0].0 = part.points;
            sessions[at] = (sessions[at].0 + 1, true);
        }
        let open: Vec<usize> = (0..sessions.len()).filter(|&at| sessions[at].1).collect();
        for ended in list_nonempty_subsets(&open) {
            let (mut sessions, mut spans) = (sessions.clone(), spans.clone());
            for &at in &ended {
                spans[firsts[at] + sessions[at].0 - 1].1 = part.points;
                sessions[at].1 = false;
            }
            todo.push(PartialOrder { sessions, spans, points: part.points + 1 });
        }
    }
}

fn list_bits(part: &PartialOrder, is_in: impl Fn(usize, (usize, bool)) -> bool) -> Vec<usize> {
    (0..part.sessions.len()).filter(|&at| is_in(at, part.sessions[at])).collect()
}

fn list_nonempty_subsets(all: &[usize]) -> Vec<Vec<usize>> {
    let subset =
        |bits: usize| all.iter().enumerate().filter(move |(at, _)| bits >> at & 1 == 1).map(|(_, &one)| one);
    (1..1usize << all.len()).map(|bits| subset(bits).collect()).collect()
}
