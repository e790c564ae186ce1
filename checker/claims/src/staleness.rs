//! The bound of [`crate::Level::BoundedStaleness`].

use serde::{Deserialize, Serialize};

/// How far a read may be behind at `bounded-staleness`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StalenessBound {
    /// A read returns one of this many last versions. 1 is linearizability, and 2 is `two-atomic`.
    Versions(u32),
    /// A read returns what was current at some time from this many ns before it began until it ended.
    Nanoseconds(u64),
}

impl std::fmt::Display for StalenessBound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StalenessBound::Versions(1) => write!(f, "each read returns the last version"),
            StalenessBound::Versions(count) => {
                write!(f, "each read returns one of the last {count} versions")
            }
            StalenessBound::Nanoseconds(ns) => {
                let seconds = *ns as f64 / 1e9;
                write!(f, "each read returns what was current at most {seconds} s before it began")
            }
        }
    }
}
