//! Reads options from a TOML file as if they had been typed.
//!
//! The naive way is a second struct with the same fields, and a merge; it drifts from the first. Instead, this module turns
//! the file into the words that a person would have typed, leaves out options that were typed, and parses the whole
//! command line again. Every option of every command can therefore stand in the file, and the same rules apply to it.

use super::suggest::describe_unknown;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};
use std::ffi::OsString;
use std::path::Path;

/// The words for the options in `file`, without options that were typed.
pub(super) fn read_config_options(
    file: &Path,
    command: &Command,
    typed: &ArgMatches,
) -> Result<Vec<OsString>, String> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|why| format!("failed to read {shown}: {why}"))?;
    let table: toml::Table = text.parse().map_err(|why| format!("{shown} is not TOML: {why}"))?;
    option_words(&table, &shown, command, typed)
}

/// The words for the options in a table, without options that were typed. `shown` names the table in errors.
pub(super) fn option_words(
    table: &toml::Table,
    shown: &str,
    command: &Command,
    typed: &ArgMatches,
) -> Result<Vec<OsString>, String> {
    let (name, mut typed) = typed.subcommand().expect("clap asks for a command");
    let (mut name, mut command) = (name.to_owned(), command.find_subcommand(name).expect("clap found it"));
    // `stack test` is a command of a command, and the options are those of the last one.
    while let Some((inner, matches)) = typed.subcommand() {
        command = command.find_subcommand(inner).expect("clap found it");
        (name, typed) = (format!("{name} {inner}"), matches);
    }
    let mut words = Vec::new();
    for (key, value) in table {
        let is_named = |arg: &&clap::Arg| {
            arg.get_long() == Some(key)
                || arg.get_all_aliases().is_some_and(|names| names.contains(&key.as_str()))
        };
        let Some(arg) = command.get_arguments().find(is_named).filter(|_| key != "config") else {
            let longs = list_long_options(command);
            let help = format!("steadfast {name} --help");
            return Err(format!("{shown}: {}", describe_unknown("option", key, &longs, Some(&help))));
        };
        if typed.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        let flag = !matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
        match (flag, value) {
            (true, toml::Value::Boolean(true)) => words.push(format!("--{key}").into()),
            (true, toml::Value::Boolean(false)) => {}
            (true, _) => return Err(format!("{shown}: {key} is {value}. Set it to true or false.")),
            // An empty list is the same as an option that was not typed.
            (false, toml::Value::Array(values)) if values.is_empty() => {}
            // Where commas do not separate values, each value is an option of its own.
            (false, toml::Value::Array(values)) if arg.get_value_delimiter().is_none() => {
                words.extend(
                    values.iter().map(|value| format!("--{key}={}", format_toml_value(value)).into()),
                );
            }
            (false, value) => words.push(format!("--{key}={}", format_toml_value(value)).into()),
        }
    }
    Ok(words)
}

/// Formats a value as it would be typed: a string without quotes, a list with commas, anything else as in TOML.
fn format_toml_value(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => values.iter().map(format_toml_value).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The long names of the options of a command that may stand in a file.
fn list_long_options(command: &Command) -> Vec<&str> {
    let visible = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let longs = visible.filter_map(|arg| arg.get_long());
    longs.filter(|long| !["config", "help", "version"].contains(long)).collect()
}
