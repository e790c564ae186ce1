//! Linearizability (Herlihy & Wing, ACM TOPLAS 12(3), 1990), decided for each object.
//!
//! The property is local (their theorem 1): a history is linearizable if and only if its part on each object is. So
//! each object is decided by itself, in parallel, by the cheapest engine that its operations permit:
//!
//! | engine | permits | cost |
//! | --- | --- | --- |
//! | `unique-writes` (`zones`) | registers in which each value has one writer | O(n log n) |
//! | `frontier` (`frontier`) | registers with repeated values | n times the configurations of the open operations |
//! | `queue-order`, `stack-nesting`, `priority-order` (`monitors`) | queues, stacks and priority queues into which each value is inserted once | O(n log n) |
//! | `set-elements` (`set_elements`) | sets that no operation reads as a whole, each element as a register | as registers |
//! | `set-reads` (`set_reads`) | sets with reads of all elements | n and the size of the answers, times the orders of overlapping reads |
//! | `search` (`search`) | any sequential specification | exponential in the open operations at worst |

mod bits;
mod bounded;
mod core;
mod decide;
mod frontier;
mod monitors;
mod moved_reads;
mod name;
mod own_model;
mod register;
mod register_engines;
mod search;
mod set_elements;
mod set_reads;
#[cfg(test)]
mod tests;
mod two_versions;
mod zones;

pub(crate) use bounded::check_bounded_staleness;
pub use claims::Core;
pub(crate) use decide::check_linearizability;
pub use own_model::check_model;
pub(crate) use two_versions::check_two_atomicity;
