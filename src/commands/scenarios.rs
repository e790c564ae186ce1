//! `steadfast scenarios`: lists the scenarios, or describes one of them in full.

use crate::args::find_scenario;
use crate::exit::Exit;
use crate::output;
use crate::report::layout;
use workloads::Scenario;

pub(crate) fn run_scenarios(name: Option<&str>) -> Exit {
    match name.map(find_scenario) {
        None => super::print_result(&list_scenarios()),
        Some(Ok(scenario)) => super::print_result(&describe_scenario(&scenario)),
        Some(Err(why)) => {
            output::print_error(&why);
            Exit::BadInput
        }
    }
}

fn list_scenarios() -> String {
    let all = Scenario::all();
    let rows = all.iter().map(|scenario| (scenario.name.as_str(), scenario.promise.as_str()));
    format!(
        "{}\n`steadfast scenarios NAME` describes a scenario. `steadfast run --scenario NAME [STORE]` runs it.\nAdd --fixed to \
         run the configuration that prevents the finding, or --dry-run to print the plan.\n",
        super::format_listing(rows)
    )
}

fn describe_scenario(scenario: &Scenario) -> String {
    let mut text = format!("{}: {}\n\n", scenario.name, scenario.title);
    text += &format!("promise: {}\n\n", scenario.promise);
    for paragraph in scenario.story.lines() {
        text += &(layout::wrap_text(paragraph, output::terminal_width()).join("\n") + "\n");
    }
    if !scenario.objectives.is_empty() {
        text += &format!("\nobjectives: {}\n", scenario.objectives.join(", "));
    }
    for store in scenario.stores() {
        let finds = scenario.expected_findings(store);
        let finds = if finds.is_empty() {
            "nothing; the scenario is for measurements".to_owned()
        } else {
            finds.join(", ")
        };
        text += &format!("\non {store}, the scenario finds: {finds}\n");
        for sound in [false, true] {
            if sound && !scenario.has_sound_options(store) {
                let why = scenario.reason_incurable(store).map_or(String::new(), |why| format!(": {why}"));
                text += &format!("  no option prevents this{why}\n");
                continue;
            }
            let flag = if sound { " --fixed" } else { "" };
            text += &format!("  steadfast run {store} --scenario {}{flag}\n", scenario.name);
            let options = scenario.options_on_store(store, sound).unwrap_or_default();
            for (name, value) in &options {
                text += &format!("      {name} = {value}\n");
            }
        }
    }
    text
}
