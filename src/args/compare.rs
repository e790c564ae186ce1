//! `steadfast compare`: its options, and the plan that they describe.

use super::check::{AskArgs, CheckPlan};
use super::color::ColorArgs;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    ask: AskArgs,

    /// Format of the results on standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text", help_heading = "Output")]
    format: CompareFormat,
    /// Write the table and a picture of the levels to a self-contained HTML page
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,
    /// Print no progress bar
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
    #[command(flatten)]
    color: ColorArgs,
}

/// The output format of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum CompareFormat {
    /// A table for people
    Text,
    /// One JSON object for programs
    Json,
}

/// What `steadfast compare` does.
#[derive(Clone, Debug)]
pub(crate) struct ComparePlan {
    pub(crate) check: CheckPlan,
    pub(crate) format: CompareFormat,
    pub(crate) report: Option<PathBuf>,
}

impl CompareArgs {
    /// Builds the plan. The error says what is wrong with the options.
    pub(crate) fn into_plan(self) -> Result<ComparePlan, String> {
        let color = self.color.color_mode();
        let check = CheckPlan { all_properties: true, quiet: self.quiet, color, ..self.ask.into_plan()? };
        Ok(ComparePlan { check, format: self.format, report: self.report })
    }
}
