//! `steadfast completions SHELL`.

use crate::args::full_command;
use crate::exit::Exit;

pub(crate) fn print_completions(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut full_command(), "steadfast", &mut script);
    super::print_result(&String::from_utf8_lossy(&script))
}
