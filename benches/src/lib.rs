//! Measurements against peers, and the rules of the house.

pub mod phases;
pub mod registers;
pub mod replicas;
pub mod uniform;
