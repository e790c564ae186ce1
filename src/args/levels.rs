//! `steadfast levels`: its options.

/// The output format of the table of levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum LevelsFormat {
    /// One line for each level, finding and invariant
    Text,
    /// One JSON object with definitions, sources, implications and separating histories
    Json,
    /// The page docs/levels.md
    Markdown,
}
