//! Linearizability (Herlihy & Wing, ACM TOPLAS 12(3), 1990), decided per object.
//!
//! The property is local (their theorem 1): a history is linearizable if and only if its part on each object is.
//! So each object is decided by itself, in parallel, by the cheapest engine that its part permits:
//!
//! | engine | permits | cost |
//! | --- | --- | --- |
//! | `unique-writes` (`zones`) | registers in which each value has one writer | O(n log n) |
//! | `frontier` (`frontier`) | registers with repeated values | n times the ways in which the open operations can stand |
//! | `search` (`search`) | any sequential specification | exponential in the open operations at worst |

mod bits;
mod core;
mod decide;
mod frontier;
mod name;
mod own_model;
mod register;
mod search;
#[cfg(test)]
mod tests;
mod zones;

pub use claims::Core;
pub(crate) use decide::check_linearizability;
pub use own_model::check_model;
