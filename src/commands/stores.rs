//! `steadfast stores`: what can be driven, what is missing here, and how each can be configured.

use crate::exit::Exit;
use recorder::stores::backend::ALL;
use recorder::stores::embedded::Bug;

pub(crate) fn run() -> Exit {
    let lines: Vec<(&str, String)> = ALL
        .iter()
        .map(|store| {
            let line = match store.check_requirements() {
                Ok(()) => store.summary().to_owned(),
                Err(why) => format!("{}; not possible here: {why}", store.summary()),
            };
            (store.name(), line)
        })
        .collect();
    let mut text = super::listing(lines.iter().map(|(name, line)| (*name, line.as_str())));
    for store in ALL.iter().filter(|store| !store.switches().is_empty()) {
        let switches = store.switches().iter();
        let rows: Vec<(String, &str)> =
            switches.map(|(name, usual, line)| (format!("{name}={usual}"), *line)).collect();
        let rows = rows.iter().map(|(name, line)| (name.as_str(), *line));
        text += &format!("\nSwitches of {} (--stack-option):\n{}", store.name(), super::listing(rows));
    }
    let bugs: Vec<_> =
        (Bug::ALL.iter()).map(|(_, name, line, finding)| (*name, format!("{line} ({finding})"))).collect();
    let bugs = bugs.iter().map(|(name, line)| (*name, line.as_str()));
    super::print(&format!("{text}\nBugs of the embedded store (--bug):\n{}", super::listing(bugs)))
}
