//! Stacks onto which each value is pushed once.
//!
//! **Free elements.** If the push and the pop of an element can take effect at one moment, they can do so at any such
//! moment without touching anything else, and the element decides nothing. What is left are elements with a presence: the
//! push ends before the pop begins.
//!
//! **Parts.** If no presence covers a moment t, the stack may be empty at t: take any order, pop each element that is
//! inside at t and whose pop has begun just before t, and push each other one just after t. Its push has not ended, since
//! t is not covered. The elements that stay where they were keep their nesting. So the presences, united, fall apart into
//! independent parts, and each element is in one of them.
//!
//! **The lowest element.** Within a part, some presence covers each moment, so the stack is never empty, and one element
//! is below all others from the first to the last moment. Its push begins before any presence of the part does, and
//! its pop ends after all of them. Conversely, an element like this can always be pushed first and popped last. So a part
//! has an order if and only if it has such an element and the rest of the part, which may fall apart again, has an order.
//! Any such element may be taken.
//!
//! **Cost.** As parts shrink, an element that can be lowest stays so. So each element is found once, by a segment tree over
//! the pushes that begin early enough and one over the pops that end late enough. A third counts the presences over each
//! moment and finds where a part falls apart. O(n log n), or O(n log² n) at worst.
//!
//! Lee & Mathur (OOPSLA 2025) and Abdulla et al. (PLDI 2025) decide the same; the argument above is our own.

use super::lives::{CollectedLives, ElementLife, ElementLives, FOREVER, Moment, collect_lives, moment_at};
use super::presence::{find_covering_chain, place_empty_removals, unite_presences};
use super::range_min::RangeMinimum;
use super::unanswered_pops::assign_unanswered_pops;
use super::{Discipline, MonitorResult, NoOrder};
use crate::linearizability::search::TimedCall;
use claims::Limits;

/// Decides whether the calls of a stack have a legal order.
pub(super) fn decide_stack(calls: &[TimedCall], limits: &Limits<'_>) -> MonitorResult {
    let mut found = match collect_lives(Discipline::Stack, calls) {
        CollectedLives::Distinct(found) => found,
        CollectedLives::Conflict(few) => return MonitorResult::Conflict(few),
        CollectedLives::Undecided => return MonitorResult::Undecided,
    };
    if found.unanswered.is_empty() {
        return match order_stack(calls, &found, limits) {
            Ok(order) => MonitorResult::Order(order),
            Err(why) => why.into(),
        };
    }
    let mut assigned = found.clone();
    let is_possible = assign_unanswered_pops(calls, &mut assigned);
    if let (true, Ok(order)) = (is_possible, order_stack(calls, &assigned, limits)) {
        return MonitorResult::Order(order);
    }
    let earliest = found.remove_all_by_earliest(calls);
    match order_stack(calls, &found, limits) {
        Err(why) => why.without_call(earliest).into(),
        // Another assignment may do.
        Ok(_) if is_possible => MonitorResult::Undecided,
        // The conflict is somewhere. The caller shrinks it.
        Ok(_) => MonitorResult::Conflict((0..calls.len() as u32).collect()),
    }
}

/// An order of the calls on the elements, and of the pops that found the stack empty. An error has the calls of a part
/// without a lowest element, or of an empty pop and the elements that are inside during all of it.
fn order_stack(calls: &[TimedCall], found: &ElementLives, limits: &Limits<'_>) -> Result<Vec<u32>, NoOrder> {
    NoOrder::if_stopped(limits)?;
    let united = unite_presences(found.lives.iter());
    let mut timed = place_empty_removals(calls, &found.empty_removals, &united).map_err(|removal| {
        let call = &calls[removal as usize];
        let (from, until) = (moment_at(call.invoked), moment_at(call.returned));
        let chain = find_covering_chain(found.lives.iter(), from, until);
        chain.into_iter().flat_map(ElementLife::calls).chain([removal]).collect::<Vec<u32>>()
    })?;
    NoOrder::if_stopped(limits)?;
    timed.extend(Nesting::from_lives(&found.lives).order_calls(limits)?);
    for life in found.lives.iter().filter(|life| !life.must_be_present()) {
        let moment = life.inserted.from.max(life.removed.from);
        timed.extend(life.calls().map(|call| (moment, call)));
    }
    // Stable: at one moment, empty pops come before the part that follows.
    timed.sort_by_key(|&(moment, _)| moment);
    Ok(timed.into_iter().map(|(_, call)| call).collect())
}

/// What is to be done next: everything further down the list comes later in the order.
enum NestingTask {
    /// Order the elements whose presences begin and end between two ranks.
    Range(usize, usize),
    /// The same, where the presences cover everything between the two ranks.
    Part(usize, usize),
    /// Pop the element.
    Pop(usize),
}

/// The elements with a presence, and the structures that find the lowest element of a part.
///
/// The *rank* of a beginning or end of a presence is its place among all of them.
struct Nesting<'a> {
    lives: &'a [ElementLife],
    /// The moment at each rank, and the element.
    ends: Vec<(Moment, u32)>,
    /// The ranks at which the presence of each element begins and ends.
    ranks: Vec<(usize, usize)>,
    /// The number of presences that cover the moments after each rank, before the next.
    covered: RangeMinimum,
    /// At the rank where a presence begins: the moment at which the push begins.
    pushes: RangeMinimum,
    /// At the same rank: the moment at which the pop ends, negated.
    pops: RangeMinimum,
    /// How many of the two conditions each element satisfies.
    satisfied: Vec<u8>,
    /// For each rank, a rank that is not after the next remaining beginning of a presence.
    next_begin: Vec<usize>,
}

/// Represents a number that no search finds.
const NOTHING: i64 = i64::MAX / 4;

impl<'a> Nesting<'a> {
    fn from_lives(lives: &'a [ElementLife]) -> Self {
        let mut ends = Vec::with_capacity(2 * lives.len());
        for (place, life) in (0u32..).zip(lives).filter(|(_, life)| life.must_be_present()) {
            ends.push((life.inserted.until, place));
            ends.push((life.removed.from, place));
        }
        ends.sort_unstable();
        let mut ranks = vec![(usize::MAX, usize::MAX); lives.len()];
        let (mut pushes, mut pops) = (vec![NOTHING; ends.len()], vec![NOTHING; ends.len()]);
        let (mut covered, mut open) = (Vec::with_capacity(ends.len()), 0);
        let mut next_begin: Vec<usize> = (0..=ends.len()).collect();
        for (rank, &(_, place)) in ends.iter().enumerate() {
            let (life, (begin, end)) = (&lives[place as usize], &mut ranks[place as usize]);
            if *begin == usize::MAX {
                *begin = rank;
                pushes[rank] = life.inserted.from as i64;
                pops[rank] =
                    if life.removed.until == FOREVER { -NOTHING } else { -(life.removed.until as i64) };
                open += 1;
            } else {
                *end = rank;
                next_begin[rank] = rank + 1;
                open -= 1;
            }
            covered.push(open);
        }
        Self {
            lives,
            covered: RangeMinimum::from_numbers(&covered),
            pushes: RangeMinimum::from_numbers(&pushes),
            pops: RangeMinimum::from_numbers(&pops),
            satisfied: vec![0; lives.len()],
            ends,
            ranks,
            next_begin,
        }
    }

    /// The pushes and pops in a legal order, each with the moment at which it takes effect. An error has the calls of
    /// elements that have no order.
    fn order_calls(mut self, limits: &Limits<'_>) -> Result<Vec<(Moment, u32)>, NoOrder> {
        let mut order = Vec::with_capacity(self.ends.len());
        let mut now = 0;
        let mut tasks = vec![NestingTask::Range(0, self.ends.len())];
        let mut looked_at = 0u32;
        while let Some(task) = tasks.pop() {
            looked_at = looked_at.wrapping_add(1);
            if looked_at.is_multiple_of(1 << 14) {
                NoOrder::if_stopped(limits)?;
            }
            match task {
                NestingTask::Range(from, until) => self.split_range(from, until, &mut tasks),
                NestingTask::Part(first, last) => {
                    // The part begins after the moment before its first presence, at which the stack may be empty.
                    now = now.max(self.ends[first].0 - 1);
                    let lowest = self.take_lowest_elements(first, last);
                    if lowest.is_empty() {
                        return Err(NoOrder::Conflict(self.find_conflict(first, last)));
                    }
                    for &place in &lowest {
                        now = now.max(self.lives[place].inserted.from);
                        order.push((now, self.lives[place].insertion));
                        tasks.push(NestingTask::Pop(place));
                    }
                    tasks.push(NestingTask::Range(first, last + 1));
                }
                NestingTask::Pop(place) => {
                    if let Some(removal) = self.lives[place].removal {
                        now = now.max(self.lives[place].removed.from);
                        order.push((now, removal));
                    }
                }
            }
        }
        Ok(order)
    }

    /// Adds a task for each part between two ranks, the first part on top.
    fn split_range(&mut self, from: usize, until: usize, tasks: &mut Vec<NestingTask>) {
        let (mut from, before) = (from, tasks.len());
        loop {
            let first = self.find_begin(from);
            if first >= until {
                break;
            }
            let last = self.covered.find_at_most(first, 0).expect("nothing is covered after the last rank");
            tasks.push(NestingTask::Part(first, last));
            from = last + 1;
        }
        tasks[before..].reverse();
    }

    /// The first rank, `rank` or later, at which the presence of a remaining element begins.
    fn find_begin(&mut self, rank: usize) -> usize {
        let mut found = rank;
        while self.next_begin[found] != found {
            found = self.next_begin[found];
        }
        let mut at = rank;
        while self.next_begin[at] != at {
            at = std::mem::replace(&mut self.next_begin[at], found);
        }
        found
    }

    /// Removes all elements that can be lowest in a part, and returns them.
    fn take_lowest_elements(&mut self, first: usize, last: usize) -> Vec<usize> {
        let begin = self.ends[first].0 as i64;
        let end = self.ends[last].0 as i64;
        let mut lowest = Vec::new();
        while let Some(rank) = self.pushes.find_at_most(first, begin - 1).filter(|&rank| rank <= last) {
            self.pushes.add(rank..rank + 1, NOTHING);
            self.satisfy_condition(rank, &mut lowest);
        }
        while let Some(rank) = self.pops.find_at_most(first, -(end + 1)).filter(|&rank| rank <= last) {
            self.pops.add(rank..rank + 1, 2 * NOTHING);
            self.satisfy_condition(rank, &mut lowest);
        }
        for &place in &lowest {
            let (begin, end) = self.ranks[place];
            self.covered.add(begin..end, -1);
            self.next_begin[begin] = begin + 1;
        }
        lowest
    }

    /// Notes that the element whose presence begins at a rank satisfies one more condition.
    fn satisfy_condition(&mut self, rank: usize, lowest: &mut Vec<usize>) {
        let place = self.ends[rank].1 as usize;
        self.satisfied[place] += 1;
        if self.satisfied[place] == 2 {
            lowest.push(place);
        }
    }

    /// The calls of a chain of elements that covers a part without a lowest element. The chain has none either, because it
    /// begins and ends with the part.
    fn find_conflict(&mut self, first: usize, last: usize) -> Vec<u32> {
        let mut remaining = Vec::new();
        let mut rank = self.find_begin(first);
        while rank <= last {
            remaining.push(&self.lives[self.ends[rank].1 as usize]);
            rank = self.find_begin(rank + 1);
        }
        let (from, until) = (self.ends[first].0, self.ends[last].0);
        find_covering_chain(remaining.into_iter(), from, until)
            .into_iter()
            .flat_map(ElementLife::calls)
            .collect()
    }
}
