//! `steadfast explain`: the options of `check`, and where the part goes.

use super::check::{CheckArgs, CheckPlan};
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    check: CheckArgs,
    /// Write the part as a history of its own, which shows the same violation: .jsonl, with .gz or .zst behind it to
    /// compress
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
}

/// What `steadfast explain` is to do.
#[derive(Clone, Debug)]
pub(crate) struct ExplainPlan {
    pub(crate) check: CheckPlan,
    pub(crate) output: Option<PathBuf>,
}

impl ExplainArgs {
    /// What is meant, or what is wrong with what was typed.
    pub(crate) fn plan(self) -> Result<ExplainPlan, String> {
        let check = self.check.plan()?;
        if self.output.is_some() && check.sources.len() > 1 {
            return Err("--output: one file holds the part of one history; explain one at a time".to_owned());
        }
        Ok(ExplainPlan { check, output: self.output })
    }
}
