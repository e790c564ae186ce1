//! The commands, one per file.

pub(crate) mod check;
pub(crate) mod check_in_parts;
pub(crate) mod clean;
pub(crate) mod collect;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod convert;
pub(crate) mod diff;
pub(crate) mod enumerate;
pub(crate) mod explain;
pub(crate) mod faults;
pub(crate) mod follow;
mod followed;
mod follower;
pub(crate) mod generate;
pub(crate) mod levels;
mod levels_matrix;
pub(crate) mod man;
pub(crate) mod models;
pub(crate) mod objectives;
pub(crate) mod record;
pub(crate) mod run;
pub(crate) mod scenarios;
pub(crate) mod stack_init;
pub(crate) mod stack_test;
pub(crate) mod stores;
pub(crate) mod tap;
pub(crate) mod verify;

use crate::args::ColorMode;
use crate::exit::Exit;
use crate::output;
use std::io::Write;

/// Prints a text that is the whole result of a command.
fn print_result(text: &str) -> Exit {
    let mut out = output::open_stdout(ColorMode::Auto);
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Holds,
        Err(error) => output::exit_after_write_error(&error, Exit::Holds),
    }
}

/// Formats names and descriptions in two columns.
fn format_listing<'a>(rows: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> String {
    let width = rows.clone().map(|row| row.0.len()).max().unwrap_or(0);
    rows.map(|(name, line)| format!("{name:<width$}  {line}\n")).collect()
}
