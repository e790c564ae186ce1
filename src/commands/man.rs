//! `steadfast man`: renders the manual page of the program and of each command.

use crate::args::full_command;
use crate::exit::Exit;
use crate::output;
use std::path::Path;

/// Prints the page of one command, or of the program and all commands. With a directory, writes one page per file.
pub(crate) fn print_manual(command: Option<&str>, directory: Option<&Path>) -> Exit {
    let pages = manual_pages();
    if let Some(directory) = directory {
        return write_pages(&pages, directory);
    }
    let wanted = command.map(|name| format!("steadfast-{}", name.to_ascii_lowercase()));
    let chosen: Vec<&(String, clap::Command)> =
        pages.iter().filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted == name)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = pages.iter().filter_map(|(name, _)| name.strip_prefix("steadfast-")).collect();
        let unknown = crate::args::suggest::describe_unknown("command", command.unwrap_or(""), &names, None);
        output::print_error(&unknown);
        return Exit::BadInput;
    }
    let mut text = Vec::new();
    for (name, page) in chosen {
        if let Err(error) = clap_mangen::Man::new(page.clone()).render(&mut text) {
            output::print_error(&format!("failed to render the manual page {name}: {error}"));
            return Exit::Internal;
        }
    }
    super::print_result(&String::from_utf8_lossy(&text))
}

/// The pages by name: that of the program first, then those of the commands.
fn manual_pages() -> Vec<(String, clap::Command)> {
    let mut program = full_command();
    program.build();
    let mut pages = vec![("steadfast".to_owned(), program.clone())];
    for command in list_commands(&program) {
        let name = format!("steadfast-{}", command.get_name());
        pages.push((name.clone(), command.clone().display_name(name.clone())));
        // `steadfast stack test` has a page of its own.
        pages.extend(list_commands(command).map(|inner| {
            let name = format!("{name}-{}", inner.get_name());
            (name.clone(), inner.clone().display_name(name))
        }));
    }
    pages
}

/// The commands of a command, without that for help.
fn list_commands(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|sub| sub.get_name() != "help")
}

/// Writes each page to a file such as `steadfast-check.1`.
fn write_pages(pages: &[(String, clap::Command)], directory: &Path) -> Exit {
    for (name, page) in pages {
        let path = directory.join(format!("{name}.1"));
        let mut text = Vec::new();
        let rendered = clap_mangen::Man::new(page.clone()).render(&mut text);
        if let Err(error) = rendered.and_then(|()| std::fs::write(&path, &text)) {
            output::print_error(&format!("failed to write {}: {error}", path.display()));
            return Exit::BadInput;
        }
    }
    output::print_status(&format!("wrote {} manual pages to {}", pages.len(), directory.display()));
    Exit::Holds
}
