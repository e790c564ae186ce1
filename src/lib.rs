//! `steadfast` verifies that stores keep their promises to sessions.
//!
//! The face: arguments in, verdicts and an exit code out. What a history means is decided in `checker`, what
//! it says in `histories`; nothing in here judges.

mod args;
mod certificate;
mod checking;
mod commands;
pub mod embedded;
mod exit;
mod input;
mod live;
mod measuring;
mod objectives;
mod oddities;
mod output;
mod output_file;
mod pictures;
mod progress;
mod report;
mod spans;
mod timer;
mod times;

use args::{Cli, Command};
use exit::Exit;
use std::process::ExitCode;

/// Does what the arguments of this process ask for.
pub fn run_command_line() -> ExitCode {
    let cli = match Cli::from_typed(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results and go to standard output; the rest is bad usage.
            let exit = if error.use_stderr() { Exit::BadInput } else { Exit::Holds };
            let _ = error.print();
            return exit.into();
        }
    };
    let exit = match cli.command {
        Command::Run { run, judge } => commands::run::run(&run, judge),
        Command::Record(args) => match args.plan() {
            Ok(plan) => commands::record::run(&plan),
            Err(why) => unusable(&why),
        },
        Command::Check(args) => match args.plan() {
            Ok(plan) => commands::check::run(&plan),
            Err(why) => unusable(&why),
        },
        Command::Diff(args) => match args.plan() {
            Ok(plan) => commands::diff::run(&plan),
            Err(why) => unusable(&why),
        },
        Command::Explain(args) => match args.plan() {
            Ok(plan) => commands::explain::run(&plan),
            Err(why) => unusable(&why),
        },
        Command::Compare(args) => commands::compare::run(&args.plan()),
        Command::Verify(args) => commands::verify::run(&args),
        Command::Convert(args) => commands::convert::run(&args),
        Command::Levels => commands::levels::run(),
        Command::Models => commands::models::run(),
        Command::Objectives => commands::objectives::run(),
        Command::Stores => commands::stores::run(),
        Command::Faults => commands::faults::run(),
        Command::Scenarios { name } => commands::scenarios::run(name.as_deref()),
        Command::Clean => commands::clean::run(),
        Command::Completions { shell } => commands::completions::run(shell),
        Command::Man => commands::man::run(),
    };
    exit.into()
}

fn unusable(why: &str) -> Exit {
    output::complain(why);
    Exit::BadInput
}
