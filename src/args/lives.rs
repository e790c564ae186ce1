//! The life of sessions in the session workload.

use super::suggest::fold_name;
use recorder::stores::embedded::FieldWriteMode;
use std::str::FromStr;
use workloads::{Churn, LifecycleSettings, WorkloadKind};

/// The default mean number of operations of a session on the embedded store.
const CHURN_DEFAULT: f64 = 30.0;

/// Whether a stack is warm when the load begins.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StartChoice {
    /// The store is empty, and the measurement includes the first requests
    Cold,
    /// Every session is created and read once through every client before the load
    Warm,
}

/// The options for the life of sessions.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct LivesArgs {
    /// session: number of fields that are written separately [default: 0, sessions are written as a whole]
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Workload")]
    fields: u16,
    /// session: share of reads after which the user changes the content and saves all of it, as a form does
    #[arg(long = "edit-share", alias = "edits", value_name = "SHARE", default_value = "0", value_parser = super::run::parse_share, help_heading = "Workload")]
    edits: f64,
    /// session: share of requests that ask for an action, such as an order [default: 0.05 for embedded, else 0]
    #[arg(long = "action-share", alias = "actions", value_name = "SHARE", value_parser = super::run::parse_share, help_heading = "Workload")]
    actions: Option<f64>,
    /// session: share of sessions that get a new id at the start, as at a login
    #[arg(long = "login-share", alias = "logins", value_name = "SHARE", default_value = "0", value_parser = super::run::parse_share, help_heading = "Workload")]
    logins: f64,
    /// session: share of sessions that are abandoned and not destroyed [default: 0.2 for embedded, else 0]
    #[arg(long = "abandoned-share", alias = "left-alone", value_name = "SHARE", value_parser = super::run::parse_share, help_heading = "Workload")]
    left_alone: Option<f64>,
    /// session: number of requests after which an abandoned session is read again
    #[arg(
        long = "abandoned-read-after",
        alias = "look-after",
        value_name = "N",
        default_value = "1000",
        help_heading = "Workload"
    )]
    look_after: u32,
    /// session: share of concurrent sessions that never end, whatever --session-length says
    #[arg(long = "permanent-share", alias = "lasting", value_name = "SHARE", default_value = "0", value_parser = super::run::parse_share, help_heading = "Workload")]
    lasting: f64,
    /// State of the store when the load begins
    #[arg(long, value_name = "HOW", value_enum, default_value = "cold", help_heading = "Workload")]
    start: StartChoice,
    /// embedded: write each field (per-field), the whole session as web frameworks do (whole-blob), or the whole session only over the version that was read (compared)
    #[arg(long = "write-mode", alias = "writes", value_name = "NAME", value_parser = |text: &str| FieldWriteMode::from_str(&fold_name(text)), default_value = "per-field", help_heading = "Store")]
    pub(crate) writes: FieldWriteMode,
}

impl LivesArgs {
    /// The life of sessions. The defaults differ for the embedded store, which has actions and expires sessions.
    pub(crate) fn session_lives(&self, embedded: bool) -> LifecycleSettings {
        let usual = |share: f64| if embedded { share } else { 0.0 };
        LifecycleSettings {
            fields: usize::from(self.fields),
            edit_share: self.edits,
            act_share: self.actions.unwrap_or(usual(0.05)),
            login_share: self.logins,
            left_share: self.left_alone.unwrap_or(usual(0.2)),
            look_after: u64::from(self.look_after),
        }
    }

    /// Whether sessions are created and read before the load begins.
    pub(crate) fn is_warm_start(&self, kind: WorkloadKind) -> Result<bool, String> {
        match (self.start, kind) {
            (StartChoice::Warm, WorkloadKind::Queue) => {
                Err("--start warm reads every object once, and a queue has no reads. Pass --start cold."
                    .to_owned())
            }
            (start, _) => Ok(start == StartChoice::Warm),
        }
    }

    /// How sessions come and go. `typed` is the mean number of operations of a session, if the user passed it.
    pub(crate) fn session_churn(&self, typed: Option<u32>, embedded: bool) -> Churn {
        let usual = embedded.then_some(CHURN_DEFAULT);
        Churn { mean_operations: typed.map(f64::from).or(usual), lasting_share: self.lasting }
    }
}
