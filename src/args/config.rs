//! Options from a TOML file, as if they had been typed.
//!
//! The naive way is a second struct with the same fields, and a merge; it drifts from the first. Here the file
//! is turned into the words that a person would have typed, for each option that was not typed, and the
//! whole line is parsed again. So every option of every command can stand in the file, unchanged, and is
//! judged by the same rules.

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};
use std::ffi::OsString;
use std::path::Path;

/// The words for the options in `file`, those that were typed left out.
pub(super) fn options(file: &Path, command: &Command, typed: &ArgMatches) -> Result<Vec<OsString>, String> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|why| format!("failed to read {shown}: {why}"))?;
    let table: toml::Table = text.parse().map_err(|why| format!("{shown} is not TOML: {why}"))?;
    words(&table, &shown, command, typed)
}

/// The words for the options in a table that `shown` names, those that were typed left out.
pub(super) fn words(
    table: &toml::Table,
    shown: &str,
    command: &Command,
    typed: &ArgMatches,
) -> Result<Vec<OsString>, String> {
    let (name, typed) = typed.subcommand().expect("clap asks for a command");
    let command = command.find_subcommand(name).expect("clap found it");
    let mut words = Vec::new();
    for (key, value) in table {
        let known = command.get_arguments().find(|arg| arg.get_long() == Some(key) && key != "config");
        let Some(arg) = known else {
            return Err(format!(
                "{shown}: `steadfast {name}` has no option {key:?}; there are: {}",
                longs(command)
            ));
        };
        if typed.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        let flag = !matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
        match (flag, value) {
            (true, toml::Value::Boolean(true)) => words.push(format!("--{key}").into()),
            (true, toml::Value::Boolean(false)) => {}
            (true, _) => return Err(format!("{shown}: {key} is true or false, not {value}")),
            // Nothing of what could be several: as if it had not been typed.
            (false, toml::Value::Array(values)) if values.is_empty() => {}
            (false, value) => words.push(format!("--{key}={}", typed_as(value)).into()),
        }
    }
    Ok(words)
}

/// A value as it would be typed: a string bare, a list with commas, anything else as TOML writes it.
fn typed_as(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => values.iter().map(typed_as).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn longs(command: &Command) -> String {
    let longs: Vec<&str> = command
        .get_arguments()
        .filter_map(|arg| arg.get_long())
        .filter(|long| !["config", "help", "version"].contains(long))
        .collect();
    longs.join(", ")
}
