//! Sets with reads of all elements.
//!
//! A read of all elements ties the elements together: it takes effect at one moment for all of them. As states of one object,
//! sets are hopeless for a search: twenty clients with an operation on one element each can leave a million different sets
//! behind, and a search tries them all before it finds that a read fits none.
//!
//! But elements depend on each other through these reads alone. Once it is settled *when* each read takes effect, every element
//! is a register of its own. So the search ([`placement`]) keeps the possible [configurations](configurations) of each element
//! apart. Its [branches] differ only in which of the open reads are placed. A read that is placed limits each element to the
//! configurations in which it is present or absent, as the read returned it.
//!
//! A read is placed no earlier than it must be. It can wait past the response of a step if it returned the element as the step left
//! it: if some order has the read before the step, then one has it right after. So nearly always there is one branch.
//!
//! Cost: O(n + size of the answers), if few operations on one element overlap and few reads overlap. Both are exponential at
//! worst, like the problem, and bounded.
//!
//! *Refutation.* If all branches die at some response, the part on a few elements is impossible too, usually on one or two.
//! [`conflict`] finds these. Leaving out an element, in all answers of reads too, leaves a legal order legal.

mod branches;
mod configurations;
mod conflict;
mod placement;
mod problem;

use super::search::TimedCall;
use super::set_elements::SetDecision;
use claims::specification::CallValues;
use claims::{Limits, Reason};
use placement::{SetSearch, SetSearchResult};
use problem::SetProblem;

/// Decides a set, whether operations read all elements or not.
pub(super) fn decide_set_with_reads(
    values: &CallValues<'_>,
    calls: &[TimedCall],
    limits: &Limits<'_>,
) -> SetDecision {
    let Some(problem) = SetProblem::from_calls(values, calls) else { return SetDecision::NotByElement };
    let found = SetSearch::new(&problem, limits, false).decide(limits);
    match found {
        SetSearchResult::Order(order) => SetDecision::Order(order),
        SetSearchResult::Unknown(reason) => SetDecision::Unknown(Reason { reason: reason.to_owned() }),
        SetSearchResult::Dead(position) => conflict::find_conflict(&problem, position, limits),
    }
}
