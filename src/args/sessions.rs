//! What must be known to judge a session store, and may be typed: the rest is in the header of the history.

use super::quantity;
use checker::{RenewingOperations, SessionRules};
use histories::History;
use std::time::Duration;

/// How long sessions live, and how far clocks may be off.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct SessionArgs {
    #[command(flatten)]
    pub(crate) tolerance: ToleranceArgs,
    /// session: how long sessions live after they were last renewed [default: as the header of the history says]
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, help_heading = "Question")]
    pub(crate) time_to_live: Option<Duration>,
    /// session: the operations that renew one [default: as the header says, or else all but read]
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', help_heading = "Question")]
    pub(crate) renewed_by: Vec<String>,
}

/// How far clocks may be off.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct ToleranceArgs {
    /// session: how much earlier or later a session may end than its time to live says, and a clock go back [default: 100ms]
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, help_heading = "Question")]
    pub(crate) tolerance: Option<Duration>,
}

impl SessionArgs {
    /// What is asked of a history: what was typed, and what its header says of the rest.
    pub(crate) fn rules(&self, history: &History) -> Result<SessionRules, String> {
        let ns =
            |duration: Duration| i64::try_from(duration.as_nanos()).map_err(|_| "a duration of centuries");
        let told = SessionRules::from_header(history)?;
        let names = self.renewed_by.iter().map(String::as_str);
        Ok(SessionRules {
            time_to_live_ns: self.time_to_live.map(ns).transpose()?.or(told.time_to_live_ns),
            renewed_by: match self.renewed_by.as_slice() {
                [] => told.renewed_by,
                _ => RenewingOperations::from_names(names).map_err(|why| format!("--renewed-by: {why}"))?,
            },
            tolerance_ns: self.tolerance.tolerance.map(ns).transpose()?.unwrap_or(told.tolerance_ns),
        })
    }
}
