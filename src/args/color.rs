//! The options for colours.

/// Whether output is coloured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum ColorMode {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Also in files and pipes
    Always,
    /// Never
    Never,
}

/// The options for colours, the same for every command with results.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct ColorArgs {
    /// When to colour the results
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto", help_heading = "Output")]
    color: ColorMode,
    /// The former form of `--color never`.
    #[arg(long, hide = true)]
    no_color: bool,
}

impl ColorArgs {
    /// The mode that both options describe.
    pub(crate) fn color_mode(self) -> ColorMode {
        if self.no_color { ColorMode::Never } else { self.color }
    }
}
