//! `steadfast stores`: lists the stores that can be driven, what is missing on this machine, and their configurations.

use crate::exit::Exit;
use recorder::stores::backend::ALL;
use recorder::stores::embedded::Bug;

pub(crate) fn list_stores() -> Exit {
    let lines: Vec<(&str, String)> = ALL
        .iter()
        .map(|store| {
            let line = match store.check_requirements() {
                Ok(()) => store.summary().to_owned(),
                Err(why) => format!("{}; not available on this machine: {why}", store.summary()),
            };
            (store.name(), line)
        })
        .collect();
    let mut text = super::format_listing(lines.iter().map(|(name, line)| (*name, line.as_str())));
    for store in ALL.iter().filter(|store| !store.switches().is_empty()) {
        let switches = store.switches().iter();
        let rows: Vec<(String, &str)> =
            switches.map(|(name, usual, line)| (format!("{name}={usual}"), *line)).collect();
        let rows = rows.iter().map(|(name, line)| (name.as_str(), *line));
        text += &format!("\nOptions of {} (--stack-option):\n{}", store.name(), super::format_listing(rows));
    }
    let bugs: Vec<_> =
        (Bug::ALL.iter()).map(|(_, name, line, finding)| (*name, format!("{line} ({finding})"))).collect();
    let bugs = bugs.iter().map(|(name, line)| (*name, line.as_str()));
    super::print_result(&format!(
        "{text}\nBugs of the embedded store (--bug):\n{}",
        super::format_listing(bugs)
    ))
}
