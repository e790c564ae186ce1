//! The levels of transactions: against executions tried one by one, against other checkers, and case by case.
//!
//! One program, because each is linked by itself.

#![allow(clippy::print_stdout, reason = "how much is unknown is said")]

mod all_shapes;
mod brute;
mod case_evidence;
mod cases;
mod corpus;
mod cut_history;
mod elle;
mod equal_elements;
mod public;
mod reference;
mod register_slices;
mod slices;
mod told_order;
