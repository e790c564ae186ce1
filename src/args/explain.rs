//! `steadfast explain`: what may be typed, and what it means.

use super::check::{AskArgs, CheckPlan, Color};
use super::pictures::PictureArgs;
use crate::report::Format;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    ask: AskArgs,

    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text", help_heading = "Output")]
    format: Format,
    #[command(flatten)]
    pictures: PictureArgs,
    /// Write the part as a history of its own, which shows the same violation: JSON Lines, with .gz or .zst behind the
    /// name to compress
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// No progress bar; as text, one line a history
    #[arg(long, help_heading = "Output")]
    quiet: bool,
    /// No colours, also on a terminal
    #[arg(long, help_heading = "Output")]
    no_color: bool,
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
        let (format, pictures, quiet) = (self.format, self.pictures, self.quiet);
        let color = if self.no_color { Color::Never } else { Color::Auto };
        let check = CheckPlan { format, pictures, quiet, color, ..self.ask.plan() };
        if self.output.is_some() && check.sources.len() > 1 {
            return Err("--output: one file holds the part of one history; explain one at a time".to_owned());
        }
        Ok(ExplainPlan { check, output: self.output })
    }
}
