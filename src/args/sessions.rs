//! The options for judging a session store. What they leave open is taken from the header of the history.

use super::quantity;
use checker::{RenewingOperations, SessionRules};
use histories::History;
use std::time::Duration;

/// The time to live of sessions, and the tolerance for clocks.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct SessionArgs {
    #[command(flatten)]
    pub(crate) tolerance: ToleranceArgs,
    /// session: time to live of a session after its last renewal [default: from the header of the history]
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration, help_heading = "Question")]
    pub(crate) time_to_live: Option<Duration>,
    /// session: operations that renew a session [default: from the header, or all but read]
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', help_heading = "Question")]
    pub(crate) renewed_by: Vec<String>,
}

/// The tolerance for clocks.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct ToleranceArgs {
    /// session: tolerance for early or late expiry and for clocks that go back [default: 100ms]
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration, help_heading = "Question")]
    pub(crate) tolerance: Option<Duration>,
}

impl SessionArgs {
    /// The rules for a history: by the options, and for the rest by its header.
    pub(crate) fn session_rules(&self, history: &History) -> Result<SessionRules, String> {
        let ns = |duration: Duration| {
            i64::try_from(duration.as_nanos()).map_err(|_| "pass a duration below 292 years")
        };
        let told = SessionRules::from_header(history)?;
        let names = self.renewed_by.iter().map(String::as_str);
        Ok(SessionRules {
            time_to_live_ns: self.time_to_live.map(ns).transpose()?.or(told.time_to_live_ns),
            renewed_by: match self.renewed_by.as_slice() {
                [] => told.renewed_by,
                _ => RenewingOperations::from_names(names).map_err(|why| format!("--renewed-by: {why}"))?,
            },
            tolerance_ns: self.tolerance.tolerance.map(ns).transpose()?.unwrap_or(told.tolerance_ns),
            is_sample: told.is_sample,
        })
    }
}
