//! `steadfast completions SHELL`.

use crate::args::Cli;
use crate::exit::Exit;
use clap::CommandFactory;

pub(crate) fn run(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "steadfast", &mut script);
    super::print(&String::from_utf8_lossy(&script))
}
