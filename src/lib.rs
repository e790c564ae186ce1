//! `steadfast` verifies that stores keep their promises to sessions.
//!
//! This crate is the command line: it takes arguments and returns verdicts and an exit code. `histories` reads a history,
//! `checker` decides what it means; nothing in this crate judges.
//!
//! Without the feature `command-line` only [`embedded`] is left: it needs no recorder, and can be WebAssembly.

// What only commands use is not listed item by item.
#![cfg_attr(not(feature = "command-line"), allow(dead_code, unused_imports))]

mod args;
mod certificate;
mod checking;
mod clock;
#[cfg(feature = "command-line")]
mod commands;
pub mod embedded;
mod exit;
#[cfg(feature = "command-line")]
mod history_parts;
mod initial_keys;
mod input;
#[cfg(feature = "command-line")]
mod live;
mod measuring;
mod objectives;
mod oddities;
mod output;
#[cfg(feature = "command-line")]
mod output_file;
#[cfg(feature = "command-line")]
mod pictures;
mod progress;
mod report;
#[cfg(feature = "command-line")]
mod separations;
#[cfg(feature = "command-line")]
mod spans;
#[cfg(feature = "command-line")]
mod stream_checkpoint;
#[cfg(feature = "command-line")]
mod stream_input;
#[cfg(feature = "command-line")]
mod stream_invocations;
#[cfg(feature = "command-line")]
mod stream_judge;
#[cfg(feature = "command-line")]
mod stream_levels;
#[cfg(feature = "command-line")]
mod stream_lines;
#[cfg(feature = "command-line")]
mod stream_objectives;
#[cfg(feature = "command-line")]
mod stream_sorter;
#[cfg(feature = "command-line")]
mod stream_spans;
#[cfg(feature = "command-line")]
mod stream_violation;
#[cfg(feature = "command-line")]
mod stream_watch;
mod timer;
mod times;
mod traces;
mod unused_options;

#[cfg(feature = "command-line")]
use args::{Cli, CliCommand, StackCommand};
#[cfg(feature = "command-line")]
use exit::Exit;
#[cfg(feature = "command-line")]
use std::process::ExitCode;

/// Runs the command that the arguments of this process ask for.
#[cfg(feature = "command-line")]
pub fn run_command_line() -> ExitCode {
    let cli = match Cli::parse_arguments(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results and go to standard output; the rest is bad usage.
            let exit = if error.use_stderr() { Exit::BadInput } else { Exit::Holds };
            let _ = error.print();
            return exit.into();
        }
    };
    let exit = match cli.command {
        CliCommand::Run { run, judge } => commands::run::run_and_check(&run, judge),
        CliCommand::Record(args) => match args.into_plan() {
            Ok(plan) => commands::record::run_record(&plan),
            Err(why) => reject_arguments(&why),
        },
        CliCommand::Check(args) => match args.into_plan() {
            Ok(plan) if plan.follow.is_some() => commands::follow::run_follow(&plan),
            Ok(plan) if plan.spill.is_some() => commands::check_in_parts::run_check_in_parts(&plan),
            Ok(plan) => commands::check::run_check(&plan),
            Err(why) => reject_arguments(&why),
        },
        CliCommand::Diff(args) => match args.into_plan() {
            Ok(plan) => commands::diff::run_diff(&plan),
            Err(why) => reject_arguments(&why),
        },
        CliCommand::Explain(args) => match args.into_plan() {
            Ok(plan) => commands::explain::run_explain(&plan),
            Err(why) => reject_arguments(&why),
        },
        CliCommand::Compare(args) => match args.into_plan() {
            Ok(plan) => commands::compare::run_compare(&plan),
            Err(why) => reject_arguments(&why),
        },
        CliCommand::Verify(args) => commands::verify::run_verify(&args),
        CliCommand::Convert(args) => commands::convert::run_convert(&args),
        CliCommand::Levels { format } => commands::levels::list_levels(format),
        CliCommand::Enumerate(args) => match args.into_plan() {
            Ok(plan) => commands::enumerate::run_enumerate(&plan),
            Err(why) => reject_arguments(&why),
        },
        CliCommand::Generate(args) => match args.into_plan() {
            Ok(plan) => commands::generate::run_generate(&plan),
            Err(why) => reject_arguments(&why),
        },
        CliCommand::Models => commands::models::list_models(),
        CliCommand::Objectives => commands::objectives::list_objectives(),
        CliCommand::Stores => commands::stores::list_stores(),
        CliCommand::Faults { stack } => commands::faults::list_faults(stack.as_deref()),
        CliCommand::Stack(StackCommand::Test(args)) => commands::stack_test::test_stack(&args),
        CliCommand::Stack(StackCommand::Init(args)) => commands::stack_init::init_stack(&args),
        CliCommand::Tap(args) => match args.into_plan() {
            Ok(plan) => commands::tap::run_tap(&plan),
            Err(why) => reject_arguments(&why),
        },
        CliCommand::Collect(args) => commands::collect::run_collect(&args),
        CliCommand::Scenarios { name } => commands::scenarios::run_scenarios(name.as_deref()),
        CliCommand::Clean { stack } => commands::clean::run_clean(stack.as_deref()),
        CliCommand::Completions { shell } => commands::completions::print_completions(shell),
        CliCommand::Man { command, directory } => {
            commands::man::print_manual(command.as_deref(), directory.as_deref())
        }
    };
    exit.into()
}

#[cfg(feature = "command-line")]
fn reject_arguments(why: &str) -> Exit {
    output::print_error(why);
    Exit::BadInput
}
