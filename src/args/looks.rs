//! How often replicas are looked at one by one, as users say it.

use super::quantity;
use std::time::Duration;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct LookArgs {
    /// How often replicas are asked one by one whether they agree, once a fault has struck; 0s: only in the end
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = quantity::duration,
        default_value = "100ms",
        help_heading = "Faults"
    )]
    look_every: Duration,
}

impl LookArgs {
    /// What is meant.
    pub(super) fn every(&self) -> Option<Duration> {
        Some(self.look_every).filter(|every| !every.is_zero())
    }
}
