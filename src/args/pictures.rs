//! Options for what is written to files beside the results.

use std::path::PathBuf;

/// Pictures of what was found.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct PictureArgs {
    /// Write a page that explains the verdicts, with pictures: one HTML file that needs nothing else
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) report: Option<PathBuf>,
    /// Write the first cycle (or what real time orders of the first anomaly) as a graph for Graphviz
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) dot: Option<PathBuf>,
}
