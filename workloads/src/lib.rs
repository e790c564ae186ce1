//! What sessions do and when faults strike: pure and seeded.
//!
//! # The crate in examples
#![doc = include_str!("../README.md")]

pub mod databases;
mod distribution;
pub mod enumeration;
mod faults;
mod generator;
mod lifecycle;
mod load;
mod operation;
mod plan;
mod random;
mod scenarios;
mod sessions;
mod target;
mod units;
mod value;

pub use distribution::{Distribution, Sampler};
pub use faults::{Fault, FaultParseError, FaultSchedule, Strike, Timing};
pub use generator::{Generator, Task, WorkloadKind, WorkloadSettings};
pub use lifecycle::LifecycleSettings;
pub use load::{Arrivals, Load, Profile};
pub use operation::{ClientOperation, MicroOperation, function_name, micro_operation, micro_operations};
pub use plan::{Episode, Plan, PlanError};
pub use random::Stream;
pub use scenarios::Scenario;
pub use sessions::Churn;
pub use target::Target;
pub use units::{UnitError, format_bytes, format_duration, parse_bytes, parse_duration, parse_rate};
pub use value::{SessionPayload, Value};
