//! How sessions live in the session workload.

use recorder::stores::embedded::FieldWriteMode;
use std::str::FromStr;
use workloads::{Churn, LifecycleSettings, WorkloadKind};

/// How many operations a session of the embedded store does on average, unless told otherwise.
const CHURN_DEFAULT: f64 = 30.0;

/// How warm a stack is when the load begins.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    /// As it was started: nothing is there, and the first requests are part of what is measured
    Cold,
    /// Before it is measured, every session is created (or object read) and read once through every client
    Warm,
}

/// What sessions do beside being read and written.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct LivesArgs {
    /// session: how many fields are written one by one [default: none, sessions are written whole]
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Workload")]
    fields: u16,
    /// session: the share of reads after which the user changes what was read and saves all of it, as a form does
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = super::run::share, help_heading = "Workload")]
    edits: f64,
    /// session: the share of requests that ask for something to be done once, an order [default: 0.05 for embedded, else none]
    #[arg(long, value_name = "SHARE", value_parser = super::run::share, help_heading = "Workload")]
    actions: Option<f64>,
    /// session: the share of sessions that get a new id first of all, as at a login
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = super::run::share, help_heading = "Workload")]
    logins: f64,
    /// session: the share of sessions that are left alone instead of being destroyed [default: 0.2 for embedded, else none]
    #[arg(long, value_name = "SHARE", value_parser = super::run::share, help_heading = "Workload")]
    left_alone: Option<f64>,
    /// session: how many requests later a session that was left alone is looked for
    #[arg(long, value_name = "N", default_value = "1000", help_heading = "Workload")]
    look_after: u32,
    /// session: the share of seats whose sessions never end, whatever --churn says
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = super::run::share, help_heading = "Workload")]
    lasting: f64,
    /// How warm the stack is when the load begins
    #[arg(long, value_name = "HOW", value_enum, default_value = "cold", help_heading = "Workload")]
    start: Start,
    /// embedded: how sessions are written: per-field, whole-blob as web frameworks do, or compared (only over what was read)
    #[arg(long, value_name = "NAME", value_parser = Writes::from_str, default_value = "per-field", help_heading = "Store")]
    pub(crate) writes: FieldWriteMode,
}

impl LivesArgs {
    /// What is meant, for a store of ours that knows actions and forgets sessions, or for another.
    pub(crate) fn plan(&self, embedded: bool) -> LifecycleSettings {
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

    /// Whether everything is to be there before the load begins.
    pub(crate) fn warm_start(&self, kind: WorkloadKind) -> Result<bool, String> {
        match (self.start, kind) {
            (Start::Warm, WorkloadKind::Queue) => {
                Err("--start warm reads everything once, and a queue has no reads".to_owned())
            }
            (start, _) => Ok(start == Start::Warm),
        }
    }

    /// How sessions come and go; `typed` is how many operations they do.
    pub(crate) fn churn(&self, typed: Option<u32>, embedded: bool) -> Churn {
        let usual = embedded.then_some(CHURN_DEFAULT);
        Churn { mean_operations: typed.map(f64::from).or(usual), lasting_share: self.lasting }
    }
}
