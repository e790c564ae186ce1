//! The options for report files.

use std::path::PathBuf;

/// The report files.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct PictureArgs {
    /// Write a self-contained HTML page that explains the verdicts
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) report: Option<PathBuf>,
    /// Write the graph of the first anomaly for Graphviz
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) dot: Option<PathBuf>,
}
