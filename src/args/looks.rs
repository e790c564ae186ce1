//! How often each replica is read to measure convergence.

use super::quantity;
use std::time::Duration;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct LookArgs {
    /// Interval at which each replica is read after a fault, to see when all agree; 0s reads them only at the end
    #[arg(
        long = "replica-poll-interval",
        alias = "look-every",
        value_name = "DURATION",
        value_parser = quantity::parse_duration,
        default_value = "100ms",
        help_heading = "Faults"
    )]
    look_every: Duration,
}

impl LookArgs {
    /// The interval; none if replicas are read only at the end.
    pub(super) fn poll_interval(&self) -> Option<Duration> {
        Some(self.look_every).filter(|every| !every.is_zero())
    }
}
