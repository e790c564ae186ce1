//! The command line: what may be typed, and the plans that it describes.
//!
//! There are two layers. The clap structs (`…Args`) define the options and their help. The plan beside each (`…Plan`)
//! holds the meaning in the terms of the checker, and commands see only plans. An option is listed only if it has an
//! effect.

mod check;
mod color;
mod config;
mod follow;
pub(crate) mod help;
mod invariants;
mod measuring;
mod names;
mod pictures;
pub(crate) mod quantity;
mod sessions;
mod spans;
pub(crate) mod suggest;
mod watch;

// The options of the commands that the library does not need.
#[cfg(feature = "command-line")]
mod collect;
#[cfg(feature = "command-line")]
mod compare;
#[cfg(feature = "command-line")]
mod convert;
#[cfg(feature = "command-line")]
mod diff;
#[cfg(feature = "command-line")]
mod enumerate;
#[cfg(feature = "command-line")]
mod explain;
#[cfg(feature = "command-line")]
mod generate;
#[cfg(feature = "command-line")]
mod given;
#[cfg(feature = "command-line")]
mod levels;
#[cfg(feature = "command-line")]
mod links;
#[cfg(feature = "command-line")]
mod live;
#[cfg(feature = "command-line")]
mod lives;
#[cfg(feature = "command-line")]
mod looks;
#[cfg(feature = "command-line")]
mod repeat;
#[cfg(feature = "command-line")]
mod run;
#[cfg(feature = "command-line")]
mod run_names;
#[cfg(feature = "command-line")]
mod run_objectives;
#[cfg(feature = "command-line")]
mod scenario;
#[cfg(feature = "command-line")]
mod stack;
#[cfg(feature = "command-line")]
mod stores;
#[cfg(feature = "command-line")]
mod tap;
#[cfg(feature = "command-line")]
mod workload;

pub(crate) use check::{CheckArgs, CheckPlan, HistorySource};
pub(crate) use color::ColorMode;
pub(crate) use follow::FollowPlan;
pub(crate) use names::ReadingArgs;
pub(crate) use sessions::SessionArgs;
#[cfg(feature = "command-line")]
pub(crate) use {
    collect::{BODY_BYTES_USUAL, CONNECTIONS_USUAL, CollectArgs},
    compare::{CompareArgs, CompareFormat, ComparePlan},
    convert::ConvertArgs,
    diff::{DiffArgs, DiffPlan},
    enumerate::{EnumerateArgs, EnumeratePlan, mentions_real_time},
    explain::{ExplainArgs, ExplainPlan},
    generate::{GenerateArgs, GeneratePlan},
    levels::LevelsFormat,
    live::LivePlan,
    run::{HistoryFile, JudgeArgs, RunArgs, RunPlan},
    scenario::find_scenario,
    spans::SpanTarget,
    stack::{StackCommand, StackInitArgs, StackTestArgs},
    stores::read_description,
    tap::{TapArgs, TapPlan},
    watch::{CollectorAddress, WatchPlan},
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Verifies that stores keep their promises to sessions
#[derive(Parser, Debug)]
#[command(
    name = "steadfast",
    version,
    about,
    long_about = help::ABOUT,
    after_long_help = help::AFTER,
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// TOML file with options; options on the command line take precedence
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: CliCommand,
}

/// The one command whose options the library takes.
#[cfg(not(feature = "command-line"))]
#[derive(Subcommand, Debug)]
pub(crate) enum CliCommand {
    /// Check recorded histories against consistency levels
    #[command(long_about = help::CHECK, after_long_help = help::CHECK_AFTER)]
    Check(Box<CheckArgs>),
}

#[cfg(feature = "command-line")]
#[derive(Subcommand, Debug)]
pub(crate) enum CliCommand {
    /// Drive a store under faults, record the history, and check it
    #[command(long_about = help::RUN, after_long_help = help::RUN_AFTER)]
    Run {
        #[command(flatten)]
        run: Box<RunArgs>,
        #[command(flatten)]
        judge: JudgeArgs,
    },
    /// Drive a store under faults and record the history, without the check
    #[command(long_about = help::RECORD)]
    Record(Box<RunArgs>),
    /// Check recorded histories against consistency levels
    #[command(long_about = help::CHECK, after_long_help = help::CHECK_AFTER)]
    Check(Box<CheckArgs>),
    /// Compare two runs, or two groups of runs, and report significant differences
    #[command(long_about = help::DIFF)]
    Diff(DiffArgs),
    /// Show the smallest part of a history that still shows the violation
    #[command(long_about = help::EXPLAIN, after_long_help = help::EXPLAIN_AFTER)]
    Explain(Box<ExplainArgs>),
    /// Check every level that applies, and show which levels hold in which history
    #[command(long_about = help::COMPARE)]
    Compare(Box<CompareArgs>),
    /// Check the evidence of an earlier verdict, independently of the search that found it
    #[command(long_about = help::VERIFY)]
    Verify(VerifyArgs),
    /// Rewrite a history in another format
    #[command(long_about = help::CONVERT)]
    Convert(ConvertArgs),
    /// List the consistency levels and findings
    Levels {
        /// Format of the list
        #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
        format: LevelsFormat,
    },
    /// List all small histories by level, or find a smallest one that separates levels
    #[command(long_about = help::ENUMERATE, after_long_help = help::ENUMERATE_AFTER)]
    Enumerate(EnumerateArgs),
    /// Write the history of a simulated database of known isolation
    #[command(long_about = help::GENERATE, after_long_help = help::GENERATE_AFTER)]
    Generate(GenerateArgs),
    /// List the models of objects
    Models,
    /// List the figures that are measured and that objectives can limit
    Objectives,
    /// List the stores that can be driven, and their options
    Stores,
    /// List the faults that can be injected, and what this machine permits
    Faults {
        /// List the faults of the nodes and links of this stack file instead
        #[arg(long, value_name = "FILE")]
        stack: Option<PathBuf>,
    },
    /// Describe a web application of your own, and try the description
    #[command(subcommand, long_about = help::STACK)]
    Stack(StackCommand),
    /// Record what other clients do to a web application, as a proxy in front of it
    #[command(long_about = help::TAP, after_long_help = help::TAP_AFTER)]
    Tap(Box<TapArgs>),
    /// Receive the spans of a traced application over OTLP, and write them to a file
    #[command(long_about = help::COLLECT, after_long_help = help::COLLECT_AFTER)]
    Collect(CollectArgs),
    /// List the scenarios, or describe one of them
    Scenarios {
        /// Scenario to describe
        #[arg(value_name = "NAME", value_parser = scenario::scenario_parser(), hide_possible_values = true)]
        name: Option<String>,
    },
    /// Remove what a killed run left behind
    Clean {
        /// Undo the faults on the nodes of this stack file, with its commands
        #[arg(long, value_name = "FILE")]
        stack: Option<PathBuf>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page of the program or of a command
    Man {
        /// Command whose page is printed [default: the program and all commands]
        #[arg(value_name = "COMMAND")]
        command: Option<String>,
        /// Write one page per command to this directory, such as steadfast-check.1
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        directory: Option<PathBuf>,
    },
}

#[derive(clap::Args, Debug)]
pub(crate) struct VerifyArgs {
    /// File that `steadfast check --certificate FILE` wrote
    pub(crate) certificate: PathBuf,
    /// History that the certificate is about
    pub(crate) history: PathBuf,
    #[command(flatten)]
    pub(crate) reading: names::ReadingArgs,
}

/// The whole command line, in which the short help (`-h`) of each command shows its usual options only.
pub(crate) fn full_command() -> clap::Command {
    help::USUAL_OPTIONS.iter().fold(Cli::command(), |command, (name, usual)| {
        if command.find_subcommand(name).is_none() {
            return command;
        }
        command.mut_subcommand(name, |sub| {
            let sub = sub.mut_args(|arg| {
                let is_usual = usual.contains(&arg.get_id().as_str());
                let takes_values = arg.get_action().takes_values();
                arg.hide_short_help(!is_usual).ignore_case(takes_values)
            });
            sub.after_help(help::MORE_OPTIONS)
        })
    })
}

impl Cli {
    /// Parses the words of the command line, and adds the options of `--config` and of a scenario.
    pub(crate) fn parse_arguments(typed: Vec<OsString>) -> Result<Cli, clap::Error> {
        let mut command = full_command();
        let matches = command.try_get_matches_from_mut(&typed)?;
        let cli = Cli::from_arg_matches(&matches)?;
        let (typed, cli, matches) = match &cli.config {
            None => (typed, cli, matches),
            Some(file) => {
                let words = config::read_config_options(file, &command, &matches);
                parse_with_words(&mut command, typed, words, &file.display().to_string())?
            }
        };
        cli.with_scenario_options(typed, &mut command, &matches)
    }

    /// Adds the options of the scenario, if the user chose one.
    #[cfg(feature = "command-line")]
    fn with_scenario_options(
        self,
        typed: Vec<OsString>,
        command: &mut clap::Command,
        matches: &clap::ArgMatches,
    ) -> Result<Cli, clap::Error> {
        let scenario = match &self.command {
            CliCommand::Run { run, .. } | CliCommand::Record(run) => &run.scenario,
            _ => return Ok(self),
        };
        let Some(name) = scenario.chosen_name() else { return Ok(self) };
        let (words, shown) = (scenario.option_words(command, matches), format!("the scenario {name}"));
        parse_with_words(command, typed, words, &shown).map(|(_, cli, _)| cli)
    }

    /// No command of the library has scenarios.
    #[cfg(not(feature = "command-line"))]
    fn with_scenario_options(
        self,
        _: Vec<OsString>,
        _: &mut clap::Command,
        _: &clap::ArgMatches,
    ) -> Result<Cli, clap::Error> {
        Ok(self)
    }
}

/// Parses the typed words together with further words. `shown` names the origin of these in errors.
fn parse_with_words(
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
        full_command().debug_assert();
    }
}
