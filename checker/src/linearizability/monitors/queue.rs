//! Queues into which each value is inserted once.
//!
//! **Order of values.** A queue returns its values in the order in which it received them. So value a must come before
//! value b if a's insertion returned before b's was invoked, or if a's removal returned before b's was invoked. Here the
//! insertion also ends with the removal, and the removal also begins with the insertion ([`super::lives`]). An order of
//! the values that satisfies this is a linearization: let each operation take effect as early as the order permits. An
//! insertion then takes effect at the invocation of some insertion that is not later in the order, which is before its own
//! return. A removal takes effect at such an invocation of a removal or insertion, and that is before its own return for
//! the same reason.
//!
//! The order is built from the front. Let x be the remaining value whose insertion ends first, and y the one whose
//! removal ends first. If x's removal may begin before y's ends, then x can be next: nothing must come before it. If y's
//! insertion may begin before x's ends, y can be next. If neither, x's insertion precedes y's and y's removal precedes
//! x's: these two values have no order.
//!
//! **Empty removals.** A removal that found the queue empty needs a moment that no presence covers ([`super::presence`]).
//! At such a moment t, each value is before t altogether or after t altogether: before, if its insertion ends before t.
//! Its removal then may begin before t, because no presence covers t. A value that must precede a value before t is
//! before t as well, so the values between two such moments are ordered by themselves.
//!
//! Cost: O(n log n).

use super::MonitorResult;
use super::lives::{CollectedLives, ElementLife, ElementLives, Moment, collect_lives, moment_at};
use super::presence::{EmptyMoment, find_covering_chain, place_empty_removals, unite_presences};
use super::{Discipline, NoOrder, unanswered};
use crate::linearizability::search::TimedCall;
use claims::Limits;

/// Decides whether the calls of a queue have a legal order.
pub(super) fn decide_queue(calls: &[TimedCall], limits: &Limits<'_>) -> MonitorResult {
    let mut found = match collect_lives(Discipline::Queue, calls) {
        CollectedLives::Distinct(found) => found,
        CollectedLives::Conflict(few) => return MonitorResult::Conflict(few),
        CollectedLives::Undecided => return MonitorResult::Undecided,
    };
    let stay = found.lives.iter().any(|life| life.removal.is_none());
    if !stay || found.unanswered.is_empty() {
        return match place_empty_dequeues(calls, &found)
            .map_err(NoOrder::from)
            .and_then(|moments| order_queue(calls, &found, moments, limits))
        {
            Ok(order) => MonitorResult::Order(order),
            Err(why) => why.into(),
        };
    }
    let mut assigned = found.clone();
    let moments = unanswered::assign_unanswered_removals(calls, &mut assigned);
    match moments.map(|moments| order_queue(calls, &assigned, moments, limits)) {
        Some(Ok(order)) => return MonitorResult::Order(order),
        Some(Err(why)) => return why.into(),
        None => {}
    }
    let earliest = found.remove_all_by_earliest(calls);
    let order = place_empty_dequeues(calls, &found)
        .map_err(NoOrder::from)
        .and_then(|moments| order_queue(calls, &found, moments, limits));
    match order {
        Err(why) => why.without_call(earliest).into(),
        // There are too few removals without an answer. The caller shrinks the conflict.
        Ok(_) => MonitorResult::Conflict((0..calls.len() as u32).collect()),
    }
}

/// A moment for each empty removal. An error has the calls of such a removal and of the elements that are inside during all
/// of it.
fn place_empty_dequeues(calls: &[TimedCall], found: &ElementLives) -> Result<Vec<EmptyMoment>, Vec<u32>> {
    let united = unite_presences(found.lives.iter());
    place_empty_removals(calls, &found.empty_removals, &united).map_err(|removal| {
        let call = &calls[removal as usize];
        let (from, until) = (moment_at(call.invoked), moment_at(call.returned));
        let chain = find_covering_chain(found.lives.iter(), from, until);
        chain.into_iter().flat_map(ElementLife::calls).chain([removal]).collect()
    })
}

/// An order of the calls. An error has the calls on two elements that must each precede the other.
fn order_queue(
    calls: &[TimedCall],
    found: &ElementLives,
    moments: Vec<EmptyMoment>,
    limits: &Limits<'_>,
) -> Result<Vec<u32>, NoOrder> {
    NoOrder::if_stopped(limits)?;
    let order = order_elements(found, &moments, limits)?;
    NoOrder::if_stopped(limits)?;
    Ok(order_calls(calls, &order, moments))
}

/// The elements in the order in which they pass through the queue, each with the moment before which it does not take
/// effect. An error has the calls on two elements that must each precede the other.
fn order_elements<'a>(
    found: &'a ElementLives,
    moments: &[EmptyMoment],
    limits: &Limits<'_>,
) -> Result<Vec<(Moment, &'a ElementLife)>, NoOrder> {
    let mut breaks: Vec<Moment> = moments.iter().map(|&(moment, _)| moment).collect();
    breaks.sort_unstable();
    let lives = &found.lives;
    // The number of breaks before each element.
    let segments: Vec<usize> =
        lives.iter().map(|life| breaks.partition_point(|&moment| moment < life.inserted.until)).collect();
    let mut by_insertion: Vec<usize> = (0..lives.len()).collect();
    by_insertion.sort_unstable_by_key(|&at| lives[at].inserted.until);
    NoOrder::if_stopped(limits)?;
    let mut by_removal: Vec<usize> = (0..lives.len()).collect();
    by_removal.sort_unstable_by_key(|&at| (segments[at], lives[at].removed.until));
    NoOrder::if_stopped(limits)?;
    let mut taken = vec![false; lives.len()];
    let (mut first, mut second) = (by_insertion.iter().peekable(), by_removal.iter().peekable());
    let mut order = Vec::with_capacity(lives.len());
    loop {
        while first.next_if(|&&at| taken[at]).is_some() {}
        while second.next_if(|&&at| taken[at]).is_some() {}
        let (Some(&&x), Some(&&y)) = (first.peek(), second.peek()) else { return Ok(order) };
        let next = if lives[x].removed.from < lives[y].removed.until {
            x
        } else if lives[y].inserted.from < lives[x].inserted.until {
            y
        } else {
            return Err(NoOrder::Conflict(lives[x].calls().chain(lives[y].calls()).collect()));
        };
        taken[next] = true;
        let earliest = segments[next].checked_sub(1).map_or(0, |last| breaks[last]);
        order.push((earliest, &lives[next]));
    }
}

/// The calls in the order in which they take effect, each as early as possible.
fn order_calls(
    calls: &[TimedCall],
    order: &[(Moment, &ElementLife)],
    empty_removals: Vec<EmptyMoment>,
) -> Vec<u32> {
    let mut timed = empty_removals;
    let (mut insertions, mut removals) = (Vec::with_capacity(order.len()), Vec::with_capacity(order.len()));
    let (mut inserted, mut removed) = (0, 0);
    for &(earliest, life) in order {
        inserted = life.inserted.from.max(inserted).max(earliest);
        insertions.push((inserted, life.insertion));
        if let Some(removal) = life.removal {
            removed = life.removed.from.max(removed).max(inserted);
            removals.push((removed, removal));
        }
    }
    timed.append(&mut insertions);
    timed.append(&mut removals);
    // Stable: at one moment, the empty removals come first, and each insertion before its removal.
    timed.sort_by_key(|&(moment, _)| moment);
    debug_assert!(timed.iter().all(|&(moment, call)| moment < moment_at(calls[call as usize].returned)));
    timed.into_iter().map(|(_, call)| call).collect()
}
