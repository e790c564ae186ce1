//! `--scenario`: takes the options of a run from a scenario, as if they had been typed.

use super::config;
use super::names::NameParser;
use super::suggest::{describe_unknown, find_name};
use clap::ArgMatches;
use clap::builder::PossibleValue;
use std::ffi::OsString;
use std::path::Path;
use std::sync::LazyLock;
use workloads::Scenario;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ScenarioArgs {
    /// Scenario to run, by name or as a TOML file; `steadfast scenarios` lists them
    #[arg(long, value_name = "NAME|FILE", value_parser = scenario_parser(), hide_possible_values = true, help_heading = "Scenario")]
    scenario: Option<String>,
    /// Run the scenario with the configuration that prevents its usual finding
    #[arg(long = "fixed", alias = "sound", requires = "scenario", help_heading = "Scenario")]
    sound: bool,
}

impl ScenarioArgs {
    /// The name of the chosen scenario, which has not been read yet.
    pub(crate) fn chosen_name(&self) -> Option<&str> {
        self.scenario.as_deref()
    }

    /// The words for the options of the scenario on a store, without options that were typed.
    pub(super) fn option_words(
        &self,
        command: &clap::Command,
        typed: &ArgMatches,
    ) -> Result<Vec<OsString>, String> {
        let Some(name) = self.chosen_name() else { return Ok(Vec::new()) };
        let scenario = find_scenario(name)?;
        let (_, run) = typed.subcommand().expect("only commands have scenarios");
        let store =
            run.get_raw("store").and_then(|mut words| words.next()).map(|word| word.to_string_lossy());
        let options = scenario
            .options_on_store(store.as_deref().unwrap_or(super::stores::default_store_name()), self.sound)?;
        config::option_words(&options, &format!("the scenario {name}"), command, typed)
    }
}

/// Finds a scenario by name, or reads it from a file.
pub(crate) fn find_scenario(name: &str) -> Result<Scenario, String> {
    let names: Vec<String> = Scenario::all().into_iter().map(|scenario| scenario.name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if let Some(scenario) = find_name(name, names.iter().copied()).and_then(Scenario::by_name) {
        return Ok(scenario);
    }
    if Path::new(name).extension().is_none_or(|extension| extension != "toml") {
        let unknown = describe_unknown("scenario", name, &names, Some("steadfast scenarios"));
        return Err(format!("{unknown} The name of a file ends in .toml."));
    }
    let text = std::fs::read_to_string(name).map_err(|why| format!("failed to read {name}: {why}"))?;
    Scenario::from_toml(name, &text).map_err(|why| format!("{name}: {why}"))
}

/// The scenarios of the program. Clap wants names that live as long as the program.
static SCENARIOS: LazyLock<Vec<Scenario>> = LazyLock::new(Scenario::all);

/// Accepts the name of a scenario or of a file that holds one.
pub(crate) fn scenario_parser() -> NameParser<String> {
    let parse = |typed: &str| {
        find_scenario(typed).map(|scenario| match typed.ends_with(".toml") {
            true => typed.to_owned(),
            false => scenario.name,
        })
    };
    NameParser::new(parse, || {
        let all = SCENARIOS.iter();
        all.map(|scenario| PossibleValue::new(scenario.name.as_str()).help(scenario.promise.as_str()))
            .collect()
    })
}
