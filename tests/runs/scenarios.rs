//! Every scenario that comes with the program, on the embedded store: as stacks are usually set up it finds what it
//! says, and as they should be set up, nothing.

use assert_cmd::Command;
use serde_json::Value;
use std::path::Path;
use workloads::Scenario;

/// The findings of a run, by name.
fn findings(folder: &Path, scenario: &str, sound: bool) -> Result<Vec<String>, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    let history = folder.join(format!("{scenario}-{sound}.jsonl"));
    command
        .args(["run", "embedded", "--format=json", "--quiet", "--scenario", scenario, "--output"])
        .arg(&history);
    if sound {
        command.arg("--sound");
    }
    let output = command.output().map_err(|why| why.to_string())?;
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let line = text.lines().next().ok_or_else(|| format!("{scenario}: no answer: {errors}"))?;
    let object: Value = serde_json::from_str(line).map_err(|why| format!("{scenario}: {why}: {line}"))?;
    let levels = object["levels"].as_array().ok_or_else(|| format!("{scenario}: no levels: {line}"))?;
    let violated = levels.iter().filter(|level| level["verdict"] == "violated");
    Ok(violated.map(|level| level["level"].as_str().unwrap_or_default().to_owned()).collect())
}

#[test]
fn every_scenario_finds_what_it_says_and_nothing_where_it_is_sound() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut wrong = Vec::new();
    let scenarios = Scenario::all();
    for scenario in &scenarios {
        let name = scenario.name.as_str();
        assert!(
            scenario.has_sound_options("embedded"),
            "{name}: the embedded store can always be set up right"
        );
        match findings(folder.path(), name, false) {
            Ok(found)
                if scenario.expected_findings("embedded").iter().all(|wanted| found.contains(wanted)) => {}
            other => wrong.push(format!(
                "{name}: expected {:?}, found {other:?}",
                scenario.expected_findings("embedded")
            )),
        }
        match findings(folder.path(), name, true) {
            Ok(found) if found.is_empty() => {}
            other => wrong.push(format!("{name} --sound: found {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(scenarios.len() >= 20, "{} scenarios", scenarios.len());
}

/// The promise to learn something from each: those that find nothing say so on purpose.
#[test]
fn few_scenarios_are_only_there_to_be_measured() {
    let measured: Vec<String> = (Scenario::all().into_iter())
        .filter(|scenario| scenario.expected_findings("embedded").is_empty())
        .map(|scenario| scenario.name)
        .collect();
    assert_eq!(measured, ["peak-load"]);
}
