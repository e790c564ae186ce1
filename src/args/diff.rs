//! `steadfast diff`: its options, and the plan that they describe.

use super::check::HistorySource;
use super::color::{ColorArgs, ColorMode};
use super::names::ReadingArgs;
use crate::report::difference::DiffFormat;
use checker::measurements::Noise;
use std::path::{Path, PathBuf};

#[derive(clap::Args, Debug)]
pub(crate) struct DiffArgs {
    /// History before the change, or several, separated by commas
    #[arg(value_name = "A", conflicts_with_all = ["a", "b"])]
    before: Option<String>,
    /// History after the change, or several, separated by commas
    #[arg(value_name = "B")]
    after: Option<String>,
    /// Histories before the change, as a shell lists them: --before old-*.jsonl --after new-*.jsonl
    #[arg(long = "before", alias = "a", value_name = "FILE", num_args = 1.., requires = "b")]
    a: Vec<PathBuf>,
    /// Histories after the change
    #[arg(long = "after", alias = "b", value_name = "FILE", num_args = 1.., requires = "a")]
    b: Vec<PathBuf>,

    /// Significance level of the rank test
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = parse_percentage, help_heading = "Comparison")]
    significance: f64,
    /// Relative difference of medians that is ignored
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = parse_percentage, help_heading = "Comparison")]
    tolerance: f64,

    #[command(flatten)]
    reading: ReadingArgs,

    /// Format of the results on standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text", help_heading = "Output")]
    format: DiffFormat,
    /// Write the comparison to a self-contained HTML page
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,
    /// Replace existing output files
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Print only figures that differ, and no progress bar
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
    #[command(flatten)]
    color: ColorArgs,
}

/// What `steadfast diff` does.
#[derive(Clone, Debug)]
pub(crate) struct DiffPlan {
    pub(crate) a: Vec<HistorySource>,
    pub(crate) b: Vec<HistorySource>,
    pub(crate) noise: Noise,
    pub(crate) reading: ReadingArgs,
    pub(crate) form: DiffFormat,
    pub(crate) report: Option<PathBuf>,
    /// Whether existing files may be replaced.
    pub(crate) force: bool,
    pub(crate) quiet: bool,
    pub(crate) color: ColorMode,
}

impl DiffPlan {
    /// The files that the command reads.
    pub(crate) fn input_files(&self) -> Vec<&Path> {
        let files = self.a.iter().chain(&self.b).map(|source| match source {
            HistorySource::StandardInput => None,
            HistorySource::File(path) => Some(path.as_path()),
        });
        files.flatten().collect()
    }
}

impl DiffArgs {
    /// Builds the plan. The error says what is missing.
    pub(crate) fn into_plan(self) -> Result<DiffPlan, String> {
        let listed = |names: Option<String>| -> Vec<PathBuf> {
            names.iter().flat_map(|names| names.split(',')).map(PathBuf::from).collect()
        };
        let (a, b) = match self.a.is_empty() {
            true => (listed(self.before), listed(self.after)),
            false => (self.a, self.b),
        };
        if a.is_empty() || b.is_empty() {
            return Err(
                "name two runs, as in A B, or several on each side, as in A1,A2 B1,B2 or --before FILE.. --after FILE..".to_owned()
            );
        }
        let sources = |paths: Vec<PathBuf>| paths.into_iter().map(HistorySource::from_argument).collect();
        Ok(DiffPlan {
            a: sources(a),
            b: sources(b),
            noise: Noise { significance: self.significance, tolerance: self.tolerance },
            reading: self.reading,
            form: self.format,
            report: self.report,
            force: self.force,
            quiet: self.quiet,
            color: self.color.color_mode(),
        })
    }
}

fn parse_percentage(text: &str) -> Result<f64, String> {
    let (digits, scale) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    match digits.trim().parse::<f64>() {
        Ok(number) if (0.0..=scale).contains(&number) => Ok(number / scale),
        _ => Err("pass a share, such as 1% or 0.01".to_owned()),
    }
}
