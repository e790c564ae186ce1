//! The moments at which an object cannot be empty.
//!
//! An element must be inside from the return of its insertion to the invocation of its removal. A removal that found
//! the object empty took effect at some moment that no such presence covers. The monitors show that the condition also
//! suffices: for any set of uncovered moments, if any order explains the calls, then one does in which the object is empty
//! at all of these moments.

use super::lives::{ElementLife, Moment, moment_at};
use crate::linearizability::search::TimedCall;

/// An empty removal and the moment at which it takes effect.
pub(super) type EmptyMoment = (Moment, u32);

/// The union of the presences of all elements, as disjoint intervals in ascending order. O(n log n).
pub(super) fn unite_presences<'a>(lives: impl Iterator<Item = &'a ElementLife>) -> Vec<(Moment, Moment)> {
    let present = lives.filter(|life| life.must_be_present());
    let mut intervals: Vec<(Moment, Moment)> =
        present.map(|life| (life.inserted.until, life.removed.from)).collect();
    intervals.sort_unstable();
    let mut united: Vec<(Moment, Moment)> = Vec::new();
    for (from, until) in intervals {
        match united.last_mut() {
            Some(last) if from < last.1 => last.1 = last.1.max(until),
            _ => united.push((from, until)),
        }
    }
    united
}

/// The first moment between two events, `start` or later, that no interval covers.
pub(super) fn find_uncovered_moment(united: &[(Moment, Moment)], start: Moment) -> Moment {
    let next = united.partition_point(|&(_, until)| until < start);
    match united.get(next) {
        Some(&(from, until)) if from < start => until + 1,
        _ => start,
    }
}

/// The first uncovered moment of each empty removal. An error is an empty removal that has none.
pub(super) fn place_empty_removals(
    calls: &[TimedCall],
    empty_removals: &[u32],
    united: &[(Moment, Moment)],
) -> Result<Vec<EmptyMoment>, u32> {
    let place = |&removal: &u32| {
        let call = &calls[removal as usize];
        let moment = find_uncovered_moment(united, moment_at(call.invoked) + 1);
        if moment < moment_at(call.returned) { Ok((moment, removal)) } else { Err(removal) }
    };
    empty_removals.iter().map(place).collect()
}

/// A smallest sequence of elements whose presences cover every moment between two moments. They must do so.
pub(super) fn find_covering_chain<'a>(
    lives: impl Iterator<Item = &'a ElementLife>,
    from: Moment,
    until: Moment,
) -> Vec<&'a ElementLife> {
    let mut present: Vec<&ElementLife> = lives.filter(|life| life.must_be_present()).collect();
    present.sort_unstable_by_key(|life| life.inserted.until);
    let (mut chain, mut covered, mut next): (Vec<&ElementLife>, _, _) = (Vec::new(), from, 0);
    while covered < until {
        let mut longest: Option<&ElementLife> = None;
        while let Some(life) = present.get(next).filter(|life| life.inserted.until <= covered) {
            if longest.is_none_or(|other| other.removed.from < life.removed.from) {
                longest = Some(life);
            }
            next += 1;
        }
        // An earlier element that was not chosen does not reach further than the one that was.
        let Some(life) = longest.filter(|life| life.removed.from > covered) else { return chain };
        covered = life.removed.from;
        chain.push(life);
    }
    chain
}
