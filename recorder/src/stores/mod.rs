//! The stores that can be driven.

pub mod embedded;
pub mod redis;
pub mod redis_sentinel;
