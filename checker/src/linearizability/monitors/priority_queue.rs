//! Priority queues into which each value is inserted once.
//!
//! **Gaps.** A *gap* is the time between two successive events. Only the order within a gap is free, so a moment is a gap
//! and a place in its order. A removal in a gap is legal if no element of lesser priority is inside then.
//!
//! **Presences.** An element is inside at least from the return of its insertion to its removal. If its removal takes
//! effect in gap g, it *covers* the gaps from that return to g, without g: in g itself, removals take effect in ascending
//! order of priority, each after the insertion of its element if that has not returned, and the other insertions that are
//! about to return take effect at the end of the gap. Where removals take effect does not matter to elements of lesser or
//! equal priority.
//!
//! **Greedy choice.** So the elements are placed in ascending order of priority. The removal of each takes effect in the
//! first gap in which it may, and which no element of lesser priority covers. A later gap would only cover more: if the
//! first gap is before the return of the insertion, the element covers nothing, and otherwise it covers the gaps from that
//! return to the chosen one. If there is no such gap, there is no order. A removal that found the object empty takes effect
//! in a gap that no element covers.
//!
//! **Conflict.** The window of some removal is covered. A few elements cover it, and the removal of each of these begins
//! late enough, or is late because other elements cover the gaps before it, and so on.
//!
//! Cost: O(n log n) to sort the priorities. The rest takes almost linear time: covered gaps are united.
//!
//! Lee & Mathur (OOPSLA 2025) and Abdulla et al. (PLDI 2025) decide histories of answered operations; the argument above is
//! our own.

use super::lives::{CollectedLives, collect_lives};
use super::priority_credits::place_with_credits;
use super::priority_ranks::{Placement, RankedElements};
use super::timeline::Gap;
use super::{Discipline, MonitorResult, NoOrder};
use crate::linearizability::search::TimedCall;
use claims::Limits;
use claims::specification::PriorityQueue;

/// Decides whether the calls of a priority queue have a legal order.
pub(super) fn decide_priority_queue(
    model: &PriorityQueue,
    calls: &[TimedCall],
    limits: &Limits<'_>,
) -> MonitorResult {
    let found = match collect_lives(Discipline::PriorityQueue(model), calls) {
        CollectedLives::Distinct(found) => found,
        CollectedLives::Conflict(few) => return MonitorResult::Conflict(few),
        CollectedLives::Undecided => return MonitorResult::Undecided,
    };
    let Some(mut ranked) = RankedElements::from_lives(model, calls, found) else {
        return MonitorResult::Undecided;
    };
    let stays = ranked.found.lives.iter().any(|life| life.removal.is_none());
    if stays && !ranked.found.unanswered.is_empty() {
        match place_with_credits(&ranked, limits) {
            Err(why) => return why.into(),
            Ok(Some(placement)) => return MonitorResult::Order(ranked.order_calls(&placement)),
            Ok(None) => {}
        }
        let earliest = ranked.found.remove_all_by_earliest(calls);
        return match place_greedily(&ranked, limits) {
            Err(why) => why.without_call(earliest).into(),
            // Another assignment of the removals without an answer may do.
            Ok(_) => MonitorResult::Undecided,
        };
    }
    match place_greedily(&ranked, limits) {
        Ok(placement) => MonitorResult::Order(ranked.order_calls(&placement)),
        Err(why) => why.into(),
    }
}

/// Places all removals. An error has calls that no order explains.
fn place_greedily(ranked: &RankedElements<'_>, limits: &Limits<'_>) -> Result<Placement, NoOrder> {
    let lives = &ranked.found.lives;
    let mut covered = CoveredGaps::new(ranked.timeline.gap_count());
    let mut removed_in = vec![None; lives.len()];
    for (number, class) in ranked.classes().enumerate() {
        if number.is_multiple_of(1 << 14) {
            NoOrder::if_stopped(limits)?;
        }
        for &(_, place) in class {
            let life = &lives[place as usize];
            if life.removal.is_none() {
                continue;
            }
            let (from, until) = ranked.removal_window(life);
            let gap = covered.find_uncovered(from);
            if gap >= until {
                let removed = Conflict { ranked, removed_in: &removed_in };
                return Err(removed.collect_calls(Some(place), life.removal, (from, until)).into());
            }
            removed_in[place as usize] = Some(gap);
        }
        for &(_, place) in class {
            let until = removed_in[place as usize].unwrap_or(ranked.timeline.gap_count());
            covered.cover(ranked.first_covered(&lives[place as usize]), until);
        }
    }
    let place_empty = |&removal: &u32| {
        let (from, until) = ranked.empty_window(removal);
        let gap = covered.find_uncovered(from);
        if gap < until {
            return Ok(gap);
        }
        let removed = Conflict { ranked, removed_in: &removed_in };
        Err(NoOrder::from(removed.collect_calls(None, Some(removal), (from, until))))
    };
    let empty_in = ranked.found.empty_removals.iter().map(place_empty).collect::<Result<_, _>>()?;
    let removals = lives.iter().map(|life| life.removal).collect();
    Ok(Placement { removed_in, removals, empty_in })
}

/// The gaps that are covered: each points to a later one that may be uncovered.
struct CoveredGaps(Vec<Gap>);

impl CoveredGaps {
    fn new(count: Gap) -> Self {
        Self((0..=count).collect())
    }

    /// The first uncovered gap, `gap` or later. The one after the last is never covered.
    fn find_uncovered(&mut self, gap: Gap) -> Gap {
        let mut found = gap;
        while self.0[found as usize] != found {
            found = self.0[found as usize];
        }
        let mut at = gap;
        while self.0[at as usize] != at {
            at = std::mem::replace(&mut self.0[at as usize], found);
        }
        found
    }

    fn cover(&mut self, from: Gap, until: Gap) {
        let mut gap = self.find_uncovered(from.min(until));
        while gap < until {
            self.0[gap as usize] = gap + 1;
            gap = self.find_uncovered(gap + 1);
        }
    }
}

/// The removals that were placed before one could not be.
struct Conflict<'a> {
    ranked: &'a RankedElements<'a>,
    removed_in: &'a [Option<Gap>],
}

/// How many elements a conflict explains one by one. If it has more, it consists of all elements that may belong to it.
const EXPLAINED: usize = 200;

impl Conflict<'_> {
    /// The calls on a few elements that leave a removal no gap in its window.
    fn collect_calls(&self, place: Option<u32>, removal: Option<u32>, window: (Gap, Gap)) -> Vec<u32> {
        let RankedElements { found, ranked, .. } = self.ranked;
        let position = |place: u32| ranked.iter().position(|&(_, other)| other == place);
        let priority_of = |place: u32| position(place).map_or(i128::MAX, |at| ranked[at].0);
        // Of lesser priority, with the gaps that they cover, by the first of these.
        let highest = place.map(priority_of);
        let lesser = ranked.iter().filter(|(priority, _)| highest.is_none_or(|highest| *priority < highest));
        let mut covers: Vec<(Gap, Gap, i128, u32)> = lesser
            .map(|&(priority, place)| {
                let until = self.removed_in[place as usize].unwrap_or(self.ranked.timeline.gap_count());
                (self.ranked.first_covered(&found.lives[place as usize]), until, priority, place)
            })
            .filter(|&(from, until, ..)| from < until)
            .collect();
        covers.sort_unstable();
        let mut chosen: Vec<u32> = place.into_iter().collect();
        let mut todo = vec![(highest, window)];
        while let Some((highest, (from, until))) = todo.pop() {
            if chosen.len() > EXPLAINED {
                chosen = covers.iter().map(|&(.., place)| place).chain(place).collect();
                break;
            }
            let (mut covered, mut next) = (from, 0);
            while covered < until {
                let mut longest: Option<(Gap, i128, u32)> = None;
                while let Some(&(_, end, priority, place)) =
                    covers.get(next).filter(|cover| cover.0 <= covered)
                {
                    let is_lesser = highest.is_none_or(|highest| priority < highest);
                    if is_lesser && longest.is_none_or(|(other, ..)| other < end) {
                        longest = Some((end, priority, place));
                    }
                    next += 1;
                }
                let Some((end, priority, place)) = longest.filter(|&(end, ..)| end > covered) else { break };
                covered = end;
                if !chosen.contains(&place) {
                    chosen.push(place);
                    let (begin, _) = self.ranked.removal_window(&found.lives[place as usize]);
                    todo.push((Some(priority), (begin, end.min(self.ranked.timeline.gap_count()))));
                }
            }
        }
        chosen.sort_unstable();
        chosen.dedup();
        let calls = chosen.iter().flat_map(|&place| found.lives[place as usize].calls());
        calls.chain(removal.filter(|_| place.is_none())).collect()
    }
}
