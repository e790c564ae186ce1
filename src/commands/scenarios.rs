//! `steadfast scenarios`: what there is to rehearse, and one of them told whole.

use crate::args::find_scenario;
use crate::exit::Exit;
use crate::output;
use crate::report::layout;
use workloads::Scenario;

pub(crate) fn run(name: Option<&str>) -> Exit {
    match name.map(find_scenario) {
        None => super::print(&list()),
        Some(Ok(scenario)) => super::print(&whole(&scenario)),
        Some(Err(why)) => {
            output::complain(&why);
            Exit::BadInput
        }
    }
}

fn list() -> String {
    let all = Scenario::all();
    let rows = all.iter().map(|scenario| (scenario.name.as_str(), scenario.promise.as_str()));
    format!(
        "{}\nsteadfast scenarios NAME tells one; steadfast run --scenario NAME [STORE] runs it; with --sound, as it \
         should be set up; with --plan, as a timeline to talk through.\n",
        super::listing(rows)
    )
}

fn whole(scenario: &Scenario) -> String {
    let mut text = format!("{}: {}\n\n", scenario.name, scenario.title);
    text += &format!("put to the test: {}\n\n", scenario.promise);
    for paragraph in scenario.story.lines() {
        text += &(layout::wrapped(paragraph, output::width()).join("\n") + "\n");
    }
    for store in scenario.stores() {
        let finds = scenario.expected_findings(store);
        let finds = if finds.is_empty() {
            "nothing: it is there to be measured".to_owned()
        } else {
            finds.join(", ")
        };
        text += &format!("\non {store}: finds {finds}\n");
        for sound in [false, true] {
            if sound && !scenario.has_sound_options(store) {
                let why = scenario.reason_incurable(store).map_or(String::new(), |why| format!(": {why}"));
                text += &format!("  no option prevents it{why}\n");
                continue;
            }
            let flag = if sound { " --sound" } else { "" };
            text += &format!("  steadfast run {store} --scenario {}{flag}\n", scenario.name);
            let options = scenario.options_on_store(store, sound).unwrap_or_default();
            for (name, value) in &options {
                text += &format!("      {name} = {value}\n");
            }
        }
    }
    text
}
