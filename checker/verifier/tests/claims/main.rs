//! Claims that are false, or that say more than the history shows: the verifier must refute each of them.
//!
//! One program, because each is linked by itself.

mod cases;
mod causal_proofs;
mod commit_orders;
mod dead_ends;
mod fault_classes;
mod list_places;
mod mixed_levels;
mod names_and_minimality;
mod objects;
mod orders_of_lists;
mod own_specification;
mod reports;
mod session_requests;
mod session_stores;
mod transactions;
