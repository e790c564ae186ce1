//! Measurements against peers, and the rules of the house.

pub mod containers;
pub mod equal_elements;
pub mod event_lines;
pub mod phases;
pub mod registers;
pub mod replicas;
pub mod transaction_stream;
pub mod uniform;
