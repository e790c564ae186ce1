//! Enumerates all small histories of a shape, each once up to renaming.
//!
//! # The problem
//!
//! Two definitions of levels differ if some history satisfies one and violates the other. The shortest such history
//! explains the difference, and if there is none up to some size, that is a fact worth knowing too. Both need *all*
//! histories of a size.
//!
//! # How
//!
//! A shape says how many operations each session has. A skeleton chooses a key and *read* or *write* for each operation.
//! Writes are numbered, so that every write of a key has a value of its own. A read then returns any value that is
//! written to its key somewhere in the history, or the initial value. Reads of other values violate every level and are
//! left out. Every operation ends `ok`.
//!
//! Histories that differ only in the names of sessions, keys or values satisfy the same levels. Of each such class, the
//! one with the least encoding is visited. The symmetries are the permutations of keys, and of sessions with equally
//! many operations; a history is compared with its image under each of them.
//!
//! # Cost
//!
//! Exponential, so [`HistoryShape::check_size`] counts the histories before renaming and refuses more than
//! [`HISTORIES_MAX`]. Each of them costs one encoding for each symmetry.

mod orders;
mod shape;
mod size;
mod small_history;

pub use shape::{HISTORIES_MAX, HistoryShape, KEYS_MAX, LENGTH_MAX, STEPS_MAX, ShapeError, SmallObjects};
pub use small_history::SmallHistory;

use orders::list_real_time_orders;
use shape::SmallStep;
use small_history::{Symmetry, list_symmetries};
use std::ops::ControlFlow;

/// Receives the histories of an enumeration.
pub trait HistoryVisitor {
    /// Whether histories with this many reads and writes are of interest. Others are skipped.
    fn wants_size(&self, steps: usize) -> bool {
        let _ = steps;
        true
    }

    /// Receives one history. `Break` ends the enumeration.
    fn visit(&mut self, history: &SmallHistory) -> ControlFlow<()>;
}

/// Visits every history of a shape once up to renaming, in a fixed order.
///
/// # Errors
/// The shape is too large; the error has the count.
pub fn visit_histories(shape: &HistoryShape, visitor: &mut dyn HistoryVisitor) -> Result<(), ShapeError> {
    shape.check_size()?;
    let orders = list_real_time_orders(shape)?;
    let symmetries = list_symmetries(shape);
    let skeletons = shape.list_operation_skeletons();
    let mut choice = vec![0; shape.operation_count()];
    loop {
        let chosen: Vec<&[SmallStep]> = choice.iter().map(|&at| skeletons[at].as_slice()).collect();
        let steps: usize = chosen.iter().map(|steps| steps.len()).sum();
        if steps <= STEPS_MAX && visitor.wants_size(steps) {
            let mut history = SmallHistory::from_skeleton(shape, &chosen);
            if visit_results(&mut history, &orders, &symmetries, visitor).is_break() {
                return Ok(());
            }
        }
        if !advance_counters(&mut choice, |_| skeletons.len()) {
            return Ok(());
        }
    }
}

/// Visits the histories of one skeleton: all results of its reads, in all real-time orders.
fn visit_results(
    history: &mut SmallHistory,
    orders: &[Vec<(u8, u8)>],
    symmetries: &[Symmetry],
    visitor: &mut dyn HistoryVisitor,
) -> ControlFlow<()> {
    let options = history.list_read_options();
    let mut results = vec![0; options.len()];
    loop {
        history.set_read_results(&options, &results);
        for order in orders {
            history.set_spans(order);
            if history.is_least_of_class(symmetries) {
                visitor.visit(history)?;
            }
        }
        if !advance_counters(&mut results, |at| options[at].len()) {
            return ControlFlow::Continue(());
        }
    }
}

/// Counts up: the last counter first. Returns `false` after the last combination.
fn advance_counters(counters: &mut [usize], end_of: impl Fn(usize) -> usize) -> bool {
    for at in (0..counters.len()).rev() {
        counters[at] += 1;
        if counters[at] < end_of(at) {
            return true;
        }
        counters[at] = 0;
    }
    false
}

#[cfg(test)]
mod tests;
