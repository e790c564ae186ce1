//! `--scenario`: the options of a run from a scenario, as if they had been typed.

use super::config;
use clap::ArgMatches;
use std::ffi::OsString;
use std::path::Path;
use workloads::Scenario;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ScenarioArgs {
    /// A scenario by name (`steadfast scenarios` lists them), or a TOML file with one; what is typed wins
    #[arg(long, value_name = "NAME|FILE", help_heading = "Scenario")]
    scenario: Option<String>,
    /// With the options under which the scenario does not find what it usually finds
    #[arg(long, requires = "scenario", help_heading = "Scenario")]
    sound: bool,
}

impl ScenarioArgs {
    /// The scenario, if one was chosen; nothing of it has been read yet.
    pub(crate) fn chosen(&self) -> Option<&str> {
        self.scenario.as_deref()
    }

    /// The words for its options on a store, those that were typed left out.
    pub(super) fn words(&self, command: &clap::Command, typed: &ArgMatches) -> Result<Vec<OsString>, String> {
        let Some(name) = self.chosen() else { return Ok(Vec::new()) };
        let scenario = find(name)?;
        let (_, run) = typed.subcommand().expect("only commands have scenarios");
        let store =
            run.get_raw("store").and_then(|mut words| words.next()).map(|word| word.to_string_lossy());
        let options =
            scenario.options_on_store(store.as_deref().unwrap_or(super::stores::usual()), self.sound)?;
        config::words(&options, &format!("the scenario {name}"), command, typed)
    }
}

/// A scenario by its name or its file.
pub(crate) fn find(name: &str) -> Result<Scenario, String> {
    if let Some(scenario) = Scenario::by_name(name) {
        return Ok(scenario);
    }
    if Path::new(name).extension().is_none_or(|extension| extension != "toml") {
        let names: Vec<String> = Scenario::all().into_iter().map(|scenario| scenario.name).collect();
        return Err(format!(
            "there is no scenario {name:?}; there are {} (or name a file that ends in .toml)",
            names.join(", ")
        ));
    }
    let text = std::fs::read_to_string(name).map_err(|why| format!("failed to read {name}: {why}"))?;
    Scenario::from_toml(name, &text).map_err(|why| format!("{name}: {why}"))
}
