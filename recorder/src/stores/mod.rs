//! The stores that can be driven.

pub mod embedded;
pub mod express_redis;
pub mod http;
pub mod redis;
pub mod redis_sentinel;
pub mod switches;
