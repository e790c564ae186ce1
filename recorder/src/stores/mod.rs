//! The stores that can be driven.

pub mod backend;
mod document;
pub mod embedded;
pub mod etcd;
pub mod express_redis;
mod hosts;
pub mod http;
pub mod memcached;
pub mod postgres;
mod reading;
pub mod redis;
pub mod redis_sentinel;
pub mod switches;
pub(crate) mod yours;
