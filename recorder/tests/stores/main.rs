//! Stores, faults and the tap, driven for real: what is recorded is held against what somebody else saw. A server that is not on the
//! machine is named, and its tests are skipped.

#![allow(clippy::print_stderr, reason = "says what was skipped")]

#[path = "tap/app.rs"]
mod app;
#[path = "tap/client.rs"]
#[allow(dead_code, reason = "shared with the tests of `steadfast tap`")]
mod client;
#[path = "tap/compare.rs"]
mod compare;
#[path = "tap/running.rs"]
mod running;
mod truth;
#[path = "../../../testkit/src/web.rs"]
#[allow(unreachable_pub, reason = "a file of the test kit, whose crate this one cannot depend on")]
mod web;

mod bugs;
mod embedded;
mod failing_alive;
mod hostile_caches;
mod hostile_http;
mod hostile_redis;
mod http;
mod http_links;
mod http_login;
mod journal_survives_sigkill;
mod machines;
mod packets;
mod panics;
mod proxy;
mod redis_sentinel;
mod stack_events;
mod stacks;
mod tap;
mod tap_hostile;
