//! `steadfast compare`: what may be typed, and what it means.

use super::check::{AskArgs, CheckPlan, Color};
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    ask: AskArgs,

    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text", help_heading = "Output")]
    format: Format,
    /// Write the table and a picture of the levels as a page: one HTML file that needs nothing else
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,
    /// No progress bar
    #[arg(long, help_heading = "Output")]
    quiet: bool,
    /// No colours, also on a terminal
    #[arg(long, help_heading = "Output")]
    no_color: bool,
}

/// How a comparison goes to standard output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Format {
    /// for people: a table
    Text,
    /// for programs: one JSON object
    Json,
}

/// What `steadfast compare` is to do.
#[derive(Clone, Debug)]
pub(crate) struct ComparePlan {
    pub(crate) check: CheckPlan,
    pub(crate) format: Format,
    pub(crate) report: Option<PathBuf>,
}

impl CompareArgs {
    /// What is meant.
    pub(crate) fn plan(self) -> ComparePlan {
        let color = if self.no_color { Color::Never } else { Color::Auto };
        let check = CheckPlan { all_properties: true, quiet: self.quiet, color, ..self.ask.plan() };
        ComparePlan { check, format: self.format, report: self.report }
    }
}
