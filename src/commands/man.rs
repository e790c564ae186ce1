//! `steadfast man`: the program's page, and after it the page of each command.

use crate::args::Cli;
use crate::exit::Exit;
use crate::output;
use clap::CommandFactory;

pub(crate) fn run() -> Exit {
    let mut command = Cli::command();
    command.build();
    let mut pages = vec![command.clone()];
    pages.extend(command.get_subcommands().map(|sub| {
        let name = format!("steadfast-{}", sub.get_name());
        sub.clone().display_name(name)
    }));
    let mut text = Vec::new();
    for page in pages {
        if let Err(error) = clap_mangen::Man::new(page).render(&mut text) {
            output::complain(&format!("failed to render the manual page: {error}"));
            return Exit::Internal;
        }
    }
    super::print(&String::from_utf8_lossy(&text))
}
