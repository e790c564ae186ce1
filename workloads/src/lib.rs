//! Decides what sessions do and when faults strike. Pure and seeded.
//!
//! This crate reads no clock and uses no network. A [`Generator`] decides what the next client does, [`Arrivals`]
//! decide when, and a [`Plan`] decides which fault strikes which target and for how long. The recorder carries it out.
//! Each of them draws from its own [`Stream`] of one seed. A longer run, another load or another fault therefore does
//! not change what the others draw, and a seed is reproducible on any machine and in any version.
//!
//! ```
//! use workloads::{Generator, WorkloadKind, WorkloadSettings};
//! let settings = WorkloadSettings { kind: WorkloadKind::Register, keys: 3, sessions: 2, ..WorkloadSettings::new(7) };
//! let mut generator = Generator::new(&settings);
//! let first = generator.next_task().expect("a session is free");
//! assert_eq!(first.session.as_ref(), "s-1");
//! ```

pub mod databases;
mod distribution;
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
