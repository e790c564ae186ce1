//! What was typed, and what is meant.
//!
//! Two layers: clap's structs say what may be typed and carry the help; the `…Plan` beside each says what is
//! meant, in the words of the checker, and is all that the commands ever see. An option is listed only if it
//! does something.

mod check;
mod compare;
mod config;
mod convert;
mod diff;
mod explain;
mod given;
pub(crate) mod help;
mod invariants;
mod links;
mod lives;
mod looks;
mod measuring;
mod names;
mod pictures;
pub(crate) mod quantity;
mod repeat;
mod run;
mod scenario;
mod sessions;
mod spans;
mod stores;
mod workload;

pub(crate) use check::{CheckArgs, CheckPlan, Color, Source};
pub(crate) use compare::{CompareArgs, ComparePlan, Format as CompareFormat};
pub(crate) use convert::ConvertArgs;
pub(crate) use diff::{DiffArgs, DiffPlan};
pub(crate) use explain::{ExplainArgs, ExplainPlan};
pub(crate) use names::ReadingArgs;
pub(crate) use run::{HistoryFile, JudgeArgs, RunArgs, RunPlan};
pub(crate) use scenario::find as find_scenario;
pub(crate) use sessions::SessionArgs;
pub(crate) use spans::SpanTarget;
pub(crate) use stores::read_description;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Verifies that stores keep their promises to sessions.
#[derive(Parser, Debug)]
#[command(
    name = "steadfast",
    version,
    about,
    long_about = help::ABOUT,
    after_long_help = help::AFTER,
    disable_help_subcommand = true,
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// A TOML file of options, by the names they have here; what is typed wins
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Drive a store under faults, record what happens, and check it
    #[command(long_about = help::RUN, after_long_help = help::RUN_AFTER)]
    Run {
        #[command(flatten)]
        run: Box<RunArgs>,
        #[command(flatten)]
        judge: JudgeArgs,
    },
    /// The same without the check
    #[command(long_about = help::RECORD)]
    Record(Box<RunArgs>),
    /// Check recorded histories against consistency levels
    #[command(long_about = help::CHECK, after_long_help = help::CHECK_AFTER)]
    Check(Box<CheckArgs>),
    /// Hold two runs against each other, or several of each: what got better, what worse, beyond noise
    #[command(long_about = help::DIFF)]
    Diff(DiffArgs),
    /// Show the smallest part of a history that still shows the violation
    #[command(long_about = help::EXPLAIN, after_long_help = help::EXPLAIN_AFTER)]
    Explain(Box<ExplainArgs>),
    /// Check every level that applies, and show which hold and how they imply one another
    #[command(long_about = help::COMPARE)]
    Compare(Box<CompareArgs>),
    /// Check the evidence of an earlier verdict, sharing no code with the search that found it
    #[command(long_about = help::VERIFY)]
    Verify(VerifyArgs),
    /// Rewrite a history in another format
    #[command(long_about = help::CONVERT)]
    Convert(ConvertArgs),
    /// List the consistency levels, with a line each
    Levels,
    /// List the models (sequential specifications), with a line each
    Models,
    /// List what is measured and can be made an objective, with a line each
    Objectives,
    /// List the stores that can be driven, with a line each
    Stores,
    /// List the faults that can be caused, and what is possible here
    Faults {
        /// List what can be done to the nodes and links of this stack file instead
        #[arg(long, value_name = "FILE")]
        stack: Option<PathBuf>,
    },
    /// List the scenarios that can be run, with the promise that each puts to the test
    Scenarios {
        /// Tell this one whole
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Remove what a run left behind that was killed
    Clean {
        /// Undo what it had struck on the nodes of this stack file, by its commands
        #[arg(long, value_name = "FILE")]
        stack: Option<PathBuf>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(clap::Args, Debug)]
pub(crate) struct VerifyArgs {
    /// What `steadfast check --certificate FILE` wrote
    pub(crate) certificate: PathBuf,
    /// The history that it is about
    pub(crate) history: PathBuf,
    #[command(flatten)]
    pub(crate) reading: names::ReadingArgs,
}

impl Cli {
    /// What was typed, with the options of `--config` filled in.
    pub(crate) fn from_typed(typed: Vec<OsString>) -> Result<Cli, clap::Error> {
        let mut command = Cli::command();
        let matches = command.try_get_matches_from_mut(&typed)?;
        let cli = Cli::from_arg_matches(&matches)?;
        let (typed, cli, matches) = match &cli.config {
            None => (typed, cli, matches),
            Some(file) => {
                let words = config::options(file, &command, &matches);
                with_words(&mut command, typed, words, &file.display().to_string())?
            }
        };
        let scenario = match &cli.command {
            Command::Run { run, .. } | Command::Record(run) => &run.scenario,
            _ => return Ok(cli),
        };
        let Some(name) = scenario.chosen() else { return Ok(cli) };
        let (words, shown) = (scenario.words(&command, &matches), format!("the scenario {name}"));
        with_words(&mut command, typed, words, &shown).map(|(_, cli, _)| cli)
    }
}

/// What is meant by what was typed and by further words that come from what `shown` names.
fn with_words(
    command: &mut clap::Command,
    mut typed: Vec<OsString>,
    words: Result<Vec<OsString>, String>,
    shown: &str,
) -> Result<(Vec<OsString>, Cli, clap::ArgMatches), clap::Error> {
    typed.extend(words.map_err(|why| command.error(clap::error::ErrorKind::InvalidValue, why))?);
    let matches = command.try_get_matches_from_mut(&typed).map_err(|error| {
        let why = format!("in {shown}: {}", error.render());
        command.error(error.kind(), why.replace("error: ", "").trim_end())
    })?;
    let cli = Cli::from_arg_matches(&matches)?;
    Ok((typed, cli, matches))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_contradiction_in_the_options() {
        Cli::command().debug_assert();
    }
}
