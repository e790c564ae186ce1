//! Pops without an answer: which elements of a stack they took.
//!
//! An element v that no answer returned stays, or one of these pops took it. In some cases it must have been taken:
//!
//! * an element w was pushed before v's push was invoked, and w's pop was invoked after v's push had returned. Then v is
//!   above w in every order, so v was popped before w. The pop of v was invoked before the pop of w returned.
//! * a pop that began after v's push had returned found the stack empty. The pop of v was invoked before that one returned.
//!
//! These deadlines are necessary. If they cannot be met, no order explains the calls. If they are met, as early as possible,
//! the order of the stack usually follows; where it does not, another assignment may still do, and the search decides.
//!
//! Cost: O(n log n).

use super::lives::{ElementLife, ElementLives, FOREVER, Moment, moment_at};
use super::unanswered::assign_by_deadline;
use crate::linearizability::search::TimedCall;

/// Assigns pops without an answer to elements that no answer returned. Returns false if no order explains the calls.
pub(super) fn assign_unanswered_pops(calls: &[TimedCall], found: &mut ElementLives) -> bool {
    let empty = |&removal: &u32| {
        let call = &calls[removal as usize];
        (moment_at(call.invoked), moment_at(call.returned))
    };
    let mut empty_pops: Vec<(Moment, Moment)> = found.empty_removals.iter().map(empty).collect();
    empty_pops.sort_unstable();
    let mut first_return = vec![FOREVER; empty_pops.len() + 1];
    for at in (0..empty_pops.len()).rev() {
        first_return[at] = first_return[at + 1].min(empty_pops[at].1);
    }
    let mut deadlines = find_pop_deadlines(&found.lives);
    for (deadline, life) in &mut deadlines {
        let pushed = found.lives[*life].inserted.until;
        let next = empty_pops.partition_point(|&(invoked, _)| invoked < pushed);
        *deadline = first_return[next].min(*deadline);
    }
    assign_by_deadline(calls, found, deadlines)
}

/// The elements that no answer returned, each with the earliest return of a pop of an element that must be below it.
fn find_pop_deadlines(lives: &[ElementLife]) -> Vec<(Moment, usize)> {
    let mut below: Vec<&ElementLife> = lives.iter().filter(|life| life.removal.is_some()).collect();
    let mut pop_begins: Vec<Moment> = below.iter().map(|life| life.removed.from).collect();
    pop_begins.sort_unstable();
    below.sort_unstable_by_key(|life| life.inserted.until);
    let mut above: Vec<usize> = (0..lives.len()).filter(|&at| lives[at].removal.is_none()).collect();
    above.sort_unstable_by_key(|&at| lives[at].inserted.from);
    let mut earliest = SuffixMinimum(vec![FOREVER; pop_begins.len() + 1]);
    let mut pushed = below.into_iter().peekable();
    let deadline = |life: usize| {
        let element = &lives[life];
        while let Some(other) = pushed.next_if(|other| other.inserted.until < element.inserted.from) {
            let place = pop_begins.partition_point(|&begin| begin < other.removed.from);
            earliest.lower(place, other.removed.until);
        }
        let place = pop_begins.partition_point(|&begin| begin < element.inserted.until);
        (earliest.minimum_from(place), life)
    };
    above.into_iter().map(deadline).collect()
}

/// Minima of the ends of a row whose numbers become smaller: a Fenwick tree.
struct SuffixMinimum(Vec<Moment>);

impl SuffixMinimum {
    fn lower(&mut self, place: usize, to: Moment) {
        let mut at = place + 1;
        while at > 0 {
            if let Some(least) = self.0.get_mut(at) {
                *least = (*least).min(to);
            }
            at &= at - 1;
        }
    }

    fn minimum_from(&self, place: usize) -> Moment {
        let (mut at, mut least) = (place + 1, FOREVER);
        while at < self.0.len() {
            least = least.min(self.0[at]);
            at += at & at.wrapping_neg();
        }
        least
    }
}
