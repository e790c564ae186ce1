//! What sessions do and when faults strike: pure and seeded.
//!
//! Nothing in here reads a clock or touches a network. A [`Generator`] says what the next client does, an
//! [`Arrivals`] says when, a [`Plan`] says which fault strikes whom and for how long; the recorder does it.
//! Each draws from its own [`Stream`] of one seed, so that a longer run, another load or another fault does
//! not change what the others draw, and a seed replays on any machine and under any version.
//!
//! ```
//! use workloads::{Generator, Kind, Settings};
//! let settings = Settings { kind: Kind::Register, keys: 3, sessions: 2, ..Settings::new(7) };
//! let mut generator = Generator::new(&settings);
//! let first = generator.task().expect("a session is free");
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
