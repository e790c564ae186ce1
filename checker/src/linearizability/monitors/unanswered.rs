//! Removals without an answer: which elements of a queue they took.
//!
//! An element that no answer returned stays, or one of these removals took it. Such a removal can take effect at any
//! moment after its invocation. So an element a has a *deadline*: the removal that takes it must be invoked before
//!
//! * the return of the removal of any element b, if a's insertion returned before b's was invoked, and
//! * the moment of any empty removal after a's insertion has returned.
//!
//! An element without a deadline stays. By the argument of [`super::queue`], nothing else relates the element to others:
//! its removal has no end, so nothing has to come after it. So the removals can be assigned if and only if, for each
//! moment t, at most as many elements have a deadline up to t as removals were invoked before t (Hall's condition for
//! nested sets). Then the earliest removal goes to the earliest deadline.
//!
//! The moments of the empty removals are not given. For a moment t at which the queue is to be empty, the condition at
//! each later moment u counts the elements with a deadline up to u and those inserted before t. Of several empty
//! moments, only the last before u counts. So each empty removal can be placed by itself: at its first moment that no
//! presence covers and that satisfies the condition for all later moments. One sweep with a segment tree finds these
//! moments.
//!
//! Cost: O(n log n).

use super::lives::{ElementLife, ElementLives, FOREVER, Moment, moment_at};
use super::presence::{EmptyMoment, find_uncovered_moment, unite_presences};
use super::range_min::RangeMinimum;
use crate::linearizability::search::TimedCall;

/// An element that no answer returned.
struct RemainingElement {
    /// Its place in the list of lives.
    life: usize,
    /// The moment at which its insertion has returned.
    inserted_until: Moment,
    /// The removal that takes it must be invoked before this moment.
    deadline: Moment,
}

/// Assigns removals without an answer to the elements that must be removed, and finds a moment for each empty removal.
/// `None` if that is impossible, or if two answered elements have no order.
pub(super) fn assign_unanswered_removals(
    calls: &[TimedCall],
    found: &mut ElementLives,
) -> Option<Vec<EmptyMoment>> {
    let mut remaining = find_remaining_elements(&found.lives);
    let starts: Vec<Moment> =
        found.unanswered.iter().map(|&removal| moment_at(calls[removal as usize].invoked)).collect();
    let moments = EmptyMoments::find(calls, found, &remaining, &starts)?;
    let placed = moments.place_empty_removals(calls, &found.empty_removals)?;
    let mut chosen: Vec<Moment> = placed.iter().map(|&(moment, _)| moment).collect();
    chosen.sort_unstable();
    for element in &mut remaining {
        let next = chosen.partition_point(|&moment| moment < element.inserted_until);
        element.deadline = element.deadline.min(chosen.get(next).copied().unwrap_or(FOREVER));
    }
    let deadlines = remaining.iter().map(|element| (element.deadline, element.life)).collect();
    assign_by_deadline(calls, found, deadlines).then_some(placed)
}

/// Assigns the removals without an answer to elements, each with the moment before which its removal must be invoked:
/// the earliest removal to the earliest deadline. Returns false if some deadline cannot be met; then no other assignment
/// meets all of them. Elements without a deadline get the removals that are left.
pub(super) fn assign_by_deadline(
    calls: &[TimedCall],
    found: &mut ElementLives,
    mut deadlines: Vec<(Moment, usize)>,
) -> bool {
    deadlines.sort_unstable();
    for (&removal, &(deadline, life)) in found.unanswered.iter().zip(&deadlines) {
        let invoked = moment_at(calls[removal as usize].invoked);
        if invoked >= deadline {
            return false;
        }
        found.lives[life].remove_by(removal, invoked);
    }
    deadlines.get(found.unanswered.len()).is_none_or(|&(deadline, _)| deadline == FOREVER)
}

/// The elements that no answer returned, with the deadlines that other elements set, by the return of the insertion.
fn find_remaining_elements(lives: &[ElementLife]) -> Vec<RemainingElement> {
    let mut answered: Vec<&ElementLife> = lives.iter().filter(|life| life.removal.is_some()).collect();
    answered.sort_unstable_by_key(|life| life.inserted.from);
    let mut earliest_return = vec![FOREVER; answered.len() + 1];
    for at in (0..answered.len()).rev() {
        earliest_return[at] = earliest_return[at + 1].min(answered[at].removed.until);
    }
    let remains = |(life, element): (usize, &ElementLife)| {
        let inserted_until = element.inserted.until;
        let later = answered.partition_point(|other| other.inserted.from < inserted_until);
        RemainingElement { life, inserted_until, deadline: earliest_return[later] }
    };
    let unanswered = lives.iter().enumerate().filter(|(_, life)| life.removal.is_none());
    let mut remaining: Vec<RemainingElement> = unanswered.map(remains).collect();
    remaining.sort_unstable_by_key(|element| element.inserted_until);
    remaining
}

/// The moments at which the queue can be empty: enough of them to place each empty removal, if that is possible.
struct EmptyMoments(Vec<Moment>);

impl EmptyMoments {
    /// `None` if the deadlines cannot be met even without empty removals.
    fn find(
        calls: &[TimedCall],
        found: &ElementLives,
        remaining: &[RemainingElement],
        starts: &[Moment],
    ) -> Option<Self> {
        let united = unite_presences(found.lives.iter().filter(|life| life.removal.is_some()));
        // A moment becomes possible only where a presence ends or a removal is invoked.
        let begins = found.empty_removals.iter().map(|&removal| moment_at(calls[removal as usize].invoked));
        let mut candidates: Vec<Moment> = begins
            .chain(united.iter().map(|&(_, until)| until))
            .chain(starts.iter().copied())
            .map(|event| event + 1)
            .filter(|&moment| find_uncovered_moment(&united, moment) == moment)
            .collect();
        candidates.sort_unstable();
        candidates.dedup();
        let mut times: Vec<Moment> = candidates.clone();
        times.extend(remaining.iter().flat_map(|element| [element.inserted_until, element.deadline]));
        times.sort_unstable();
        times.dedup();
        let place_of = |moment: Moment| times.partition_point(|&time| time < moment);
        let mut deadlines: Vec<Moment> = remaining.iter().map(|element| element.deadline).collect();
        deadlines.sort_unstable();
        let spare = |&time: &Moment| {
            let removals = starts.partition_point(|&start| start < time);
            let needed = deadlines.partition_point(|&deadline| deadline <= time.min(FOREVER - 1));
            removals as i64 - needed as i64
        };
        let spare: Vec<i64> = times.iter().map(spare).collect();
        let mut spare = RangeMinimum::from_numbers(&spare);
        if spare.find_at_most(0, -1).is_some() {
            return None;
        }
        let (mut possible, mut inserted) = (Vec::new(), remaining.iter().peekable());
        for moment in candidates {
            while let Some(element) = inserted.next_if(|element| element.inserted_until < moment) {
                let until =
                    if element.deadline == FOREVER { times.len() } else { place_of(element.deadline) };
                spare.add(place_of(element.inserted_until)..until, -1);
            }
            if spare.find_at_most(place_of(moment), -1).is_none() {
                possible.push(moment);
            }
        }
        Some(Self(possible))
    }

    fn place_empty_removals(&self, calls: &[TimedCall], empty_removals: &[u32]) -> Option<Vec<EmptyMoment>> {
        let place = |&removal: &u32| {
            let call = &calls[removal as usize];
            let next = self.0.partition_point(|&moment| moment < moment_at(call.invoked));
            let moment = *self.0.get(next)?;
            (moment < moment_at(call.returned)).then_some((moment, removal))
        };
        empty_removals.iter().map(place).collect()
    }
}
