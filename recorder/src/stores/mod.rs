//! The stores that can be driven.
