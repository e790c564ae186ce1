//! `steadfast diff`: what may be typed, and what it means.

use super::check::{Color, Source};
use super::names::ReadingArgs;
use crate::report::difference::Form;
use checker::measurements::Noise;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(crate) struct DiffArgs {
    /// The history before the change; several runs of it with commas between
    #[arg(value_name = "A", conflicts_with_all = ["a", "b"])]
    before: Option<String>,
    /// The history after it, or several
    #[arg(value_name = "B")]
    after: Option<String>,
    /// The same, for files that a shell lists: --a before-*.jsonl --b after-*.jsonl
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "b")]
    a: Vec<PathBuf>,
    /// … and after it
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "a")]
    b: Vec<PathBuf>,

    /// What comes by chance no more rarely than this is noise
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = share)]
    significance: f64,
    /// Differences of medians up to this share do not count
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = share)]
    tolerance: f64,

    #[command(flatten)]
    reading: ReadingArgs,

    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    format: Form,
    /// No progress; only what got better or worse
    #[arg(long)]
    quiet: bool,
    /// No colours, also on a terminal
    #[arg(long)]
    no_color: bool,
}

/// What `steadfast diff` is to do.
#[derive(Clone, Debug)]
pub(crate) struct DiffPlan {
    pub(crate) a: Vec<Source>,
    pub(crate) b: Vec<Source>,
    pub(crate) noise: Noise,
    pub(crate) reading: ReadingArgs,
    pub(crate) form: Form,
    pub(crate) quiet: bool,
    pub(crate) color: Color,
}

impl DiffArgs {
    /// What is meant, or what is missing.
    pub(crate) fn plan(self) -> Result<DiffPlan, String> {
        let listed = |names: Option<String>| -> Vec<PathBuf> {
            names.iter().flat_map(|names| names.split(',')).map(PathBuf::from).collect()
        };
        let (a, b) = match self.a.is_empty() {
            true => (listed(self.before), listed(self.after)),
            false => (self.a, self.b),
        };
        if a.is_empty() || b.is_empty() {
            return Err(
                "expected two runs, A B, or several of each: A1,A2 B1,B2 or --a FILE.. --b FILE..".to_owned()
            );
        }
        let sources = |paths: Vec<PathBuf>| paths.into_iter().map(Source::of).collect();
        Ok(DiffPlan {
            a: sources(a),
            b: sources(b),
            noise: Noise { significance: self.significance, tolerance: self.tolerance },
            reading: self.reading,
            form: self.format,
            quiet: self.quiet,
            color: if self.no_color { Color::Never } else { Color::Auto },
        })
    }
}

fn share(text: &str) -> Result<f64, String> {
    let (digits, scale) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    match digits.trim().parse::<f64>() {
        Ok(number) if (0.0..=scale).contains(&number) => Ok(number / scale),
        _ => Err("expected a share, such as 1% or 0.01".to_owned()),
    }
}
