//! The stores that can be driven.

pub mod embedded;
