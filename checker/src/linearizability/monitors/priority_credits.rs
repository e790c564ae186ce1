//! Removals without an answer: which elements of a priority queue they took.
//!
//! An element that no answer returned stays, or one of these removals took it: a *credit*. A credit can take effect in any
//! gap after its invocation. While the other removals are placed in ascending order of priority
//! ([`super::priority_queue`]), such an element covers all gaps from the return of its insertion on. If that leaves some
//! removal no gap, a gap is chosen that only such elements cover, and each of them gets that gap as its *deadline*: a
//! credit takes it there, before the other removal. It can, because in that gap all elements of lesser priority are absent
//! or have a deadline not later.
//!
//! Deadlines can be met if and only if, for each gap, at most as many elements have a deadline up to it as credits were
//! invoked before its end (Hall's condition for nested sets). A gap is chosen only if this stays true. Of several such gaps
//! the first one forces the fewest elements, but the earliest. Which gap is best depends on the removals that follow, so
//! this finds most orders, but not all.
//!
//! Cost: O(n log n), and for each forced removal the number of elements that no answer returned.

use super::NoOrder;
use super::lives::ElementLife;
use super::priority_ranks::{Placement, RankedElements};
use super::range_min::RangeMinimum;
use super::timeline::Gap;
use claims::Limits;

/// How many elements without an answer may be looked at.
const EFFORT: u64 = 50_000_000;
/// What an element adds to the gaps that it covers, if its removal was answered.
const ANSWERED: i64 = 1 << 40;

/// Which gap a removal gets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Preference {
    /// One that nothing covers, if there is one.
    Uncovered,
    /// The first one that is possible.
    Earliest,
}

/// Places all removals, those without an answer included. `None` if no order is found; there may be one.
pub(super) fn place_with_credits(
    ranked: &RankedElements<'_>,
    limits: &Limits<'_>,
) -> Result<Option<Placement>, NoOrder> {
    for preference in [Preference::Uncovered, Preference::Earliest] {
        let mut placing = CreditPlacing::new(ranked, preference);
        if placing.place_all(limits)?.is_some() {
            return Ok(Some(placing.assign_credits()));
        }
    }
    Ok(None)
}

/// An element that no answer returned.
struct OpenElement {
    /// Its place in the list of lives.
    life: u32,
    /// The first gap that it covers.
    from: Gap,
    /// The gap in which a credit takes it. The number of gaps if it stays.
    deadline: Gap,
}

struct CreditPlacing<'a> {
    ranked: &'a RankedElements<'a>,
    preference: Preference,
    /// For each gap, how many open elements cover it, and [`ANSWERED`] times how many others.
    covered: RangeMinimum,
    /// The first gap of each credit, in ascending order.
    credits: Vec<Gap>,
    /// For each number k, how many of the first k credits are left if all elements get theirs whose deadline allows them
    /// one of these only.
    spare: RangeMinimum,
    /// The elements that were passed so far.
    open: Vec<OpenElement>,
    placement: Placement,
    effort: u64,
}

impl<'a> CreditPlacing<'a> {
    fn new(ranked: &'a RankedElements<'a>, preference: Preference) -> Self {
        let gap = |&removal: &u32| ranked.empty_window(removal).0;
        let mut credits: Vec<Gap> = ranked.found.unanswered.iter().map(gap).collect();
        credits.sort_unstable();
        let lives = &ranked.found.lives;
        Self {
            ranked,
            preference,
            covered: RangeMinimum::from_numbers(&vec![0; ranked.timeline.gap_count() as usize]),
            spare: RangeMinimum::from_numbers(&(0..=credits.len() as i64).collect::<Vec<i64>>()),
            credits,
            open: Vec::new(),
            placement: Placement {
                removed_in: vec![None; lives.len()],
                removals: lives.iter().map(|life| life.removal).collect(),
                empty_in: Vec::new(),
            },
            effort: EFFORT,
        }
    }

    /// Places all answered removals. `None` if that fails.
    fn place_all(&mut self, limits: &Limits<'_>) -> Result<Option<()>, NoOrder> {
        let (ranked, count) = (self.ranked, self.ranked.timeline.gap_count());
        let lives: &[ElementLife] = &ranked.found.lives;
        for (number, class) in ranked.classes().enumerate() {
            if number.is_multiple_of(1 << 12) {
                NoOrder::if_stopped(limits)?;
            }
            for &(_, place) in class {
                let life = &lives[place as usize];
                if life.removal.is_some() {
                    let Some(gap) = self.choose_gap(ranked.removal_window(life)) else { return Ok(None) };
                    self.placement.removed_in[place as usize] = Some(gap);
                }
            }
            for &(_, place) in class {
                let from = ranked.first_covered(&lives[place as usize]);
                match self.placement.removed_in[place as usize] {
                    Some(until) if from < until => self.add(from, until, ANSWERED),
                    Some(_) => {}
                    None => {
                        self.add(from, count, 1);
                        self.open.push(OpenElement { life: place, from, deadline: count });
                    }
                }
            }
        }
        for &removal in &ranked.found.empty_removals {
            let Some(gap) = self.choose_gap(ranked.empty_window(removal)) else { return Ok(None) };
            self.placement.empty_in.push(gap);
        }
        Ok(Some(()))
    }

    fn add(&mut self, from: Gap, until: Gap, by: i64) {
        self.covered.add(from as usize..until as usize, by);
    }

    fn find_at_most(&self, from: Gap, limit: i64) -> Option<Gap> {
        self.covered.find_at_most(from as usize, limit).map(|gap| gap as Gap)
    }

    /// A gap of the window, with deadlines for the elements that cover it.
    fn choose_gap(&mut self, (from, until): (Gap, Gap)) -> Option<Gap> {
        if self.preference == Preference::Uncovered
            && let Some(gap) = self.find_at_most(from, 0).filter(|&gap| gap < until)
        {
            return Some(gap);
        }
        let mut start = from;
        loop {
            let gap = self.find_at_most(start, ANSWERED - 1).filter(|&gap| gap < until)?;
            if self.force_deadlines(gap) {
                return Some(gap);
            }
            // In a later gap no fewer elements have to be taken, so only another credit helps.
            let next = self.credits.partition_point(|&credit| credit <= gap);
            start = *self.credits.get(next)?;
        }
    }

    /// Gives the elements that cover a gap this gap as their deadline. Returns false, and changes nothing, if there are too
    /// few credits.
    fn force_deadlines(&mut self, gap: Gap) -> bool {
        if self.effort < self.open.len() as u64 {
            return false;
        }
        self.effort -= self.open.len() as u64;
        let covers = |element: &&mut OpenElement| element.from <= gap && gap < element.deadline;
        let mut changed: Vec<(usize, usize)> = Vec::new();
        let usable = |deadline: Gap| self.credits.partition_point(|&credit| credit <= deadline);
        let (count, now) = (self.ranked.timeline.gap_count(), usable(gap));
        for element in self.open.iter_mut().filter(covers) {
            let before =
                if element.deadline == count { self.credits.len() + 1 } else { usable(element.deadline) };
            changed.push((now, before));
        }
        for &(now, before) in &changed {
            self.spare.add(now..before, -1);
        }
        if self.spare.find_at_most(0, -1).is_some() {
            for &(now, before) in &changed {
                self.spare.add(now..before, 1);
            }
            return false;
        }
        for element in self.open.iter_mut().filter(covers) {
            self.covered.add(gap as usize..element.deadline as usize, -1);
            element.deadline = gap;
        }
        true
    }

    /// The earliest credit goes to the earliest deadline.
    fn assign_credits(mut self) -> Placement {
        let count = self.ranked.timeline.gap_count();
        self.open.retain(|element| element.deadline < count);
        self.open.sort_unstable_by_key(|element| element.deadline);
        for (element, &credit) in self.open.iter().zip(&self.ranked.found.unanswered) {
            self.placement.removed_in[element.life as usize] = Some(element.deadline);
            self.placement.removals[element.life as usize] = Some(credit);
        }
        self.placement
    }
}
