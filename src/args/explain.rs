//! `steadfast explain`: its options, and the plan that they describe.

use super::check::{AskArgs, CheckPlan};
use super::color::ColorArgs;
use super::pictures::PictureArgs;
use crate::report::ReportFormat;
use std::path::{Path, PathBuf};

#[derive(clap::Args, Debug)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    ask: AskArgs,

    /// Format of the results on standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text", help_heading = "Output")]
    format: ReportFormat,
    #[command(flatten)]
    pictures: PictureArgs,
    /// Write the part as a history that shows the same violation
    ///
    /// The format is JSON Lines. Append .gz or .zst to the name to compress.
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Print one line per history and no progress bar
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
    #[command(flatten)]
    color: ColorArgs,
}

/// What `steadfast explain` does.
#[derive(Clone, Debug)]
pub(crate) struct ExplainPlan {
    pub(crate) check: CheckPlan,
    pub(crate) output: Option<PathBuf>,
}

impl ExplainArgs {
    /// Builds the plan. The error says what is wrong with the options.
    pub(crate) fn into_plan(self) -> Result<ExplainPlan, String> {
        let (format, pictures, quiet) = (self.format, self.pictures, self.quiet);
        let color = self.color.color_mode();
        let check = CheckPlan { format, pictures, quiet, color, ..self.ask.into_plan()? };
        if self.output.is_some() && check.sources.len() > 1 {
            return Err("--output writes the part of one history. Explain one history at a time.".to_owned());
        }
        if let Some(output) = &self.output {
            refuse_other_formats(output)?;
        }
        Ok(ExplainPlan { check, output: self.output })
    }
}

/// Refuses a name that promises another format than JSON Lines.
fn refuse_other_formats(output: &Path) -> Result<(), String> {
    let name = output.to_string_lossy().to_ascii_lowercase();
    match [".edn", ".parquet", ".bincode", ".otlp.json"].iter().any(|end| name.ends_with(end)) {
        true => Err(format!(
            "--output writes JSON Lines, and the name {} promises another format. Write a .jsonl file, and rewrite it with \
             `steadfast convert`.",
            output.display()
        )),
        false => Ok(()),
    }
}
