//! Decides what a history means. Pure: no input or output, no clock.
//!
//! # The crate in examples
#![doc = include_str!("../README.md")]

mod basis;
pub mod causality;
pub mod continuity;
mod door;
pub mod graph;
pub mod invariants;
pub mod linearizability;
pub mod measurements;
mod memory;
mod monitor;
mod mutual_swaps;
mod regularity;
pub mod sessions;
pub mod shrink;
pub mod slices;
pub mod transactions;

pub use basis::Basis;
pub use claims::*;
pub use door::{ACCEPTED_UNTESTED, CheckError, CheckPhase, Observer, check, check_observed};
pub use monitor::{
    BYTES_PER_OPERATION, Monitor, MonitorAnswer, MonitorError, MonitorLimits, MonitorVerdict,
    OnlineViolation, SESSION_ASSUMPTION, StreamEvent, UnknownFrom,
};
