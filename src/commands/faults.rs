//! `steadfast faults`: what there is, on which stores, and what this machine permits.

use crate::args::read_description;
use crate::exit::Exit;
use crate::output;
use recorder::stores::backend::ALL;
use recorder::system::{Capabilities, enter_user_namespace};
use std::fmt::Write as _;
use std::path::Path;
use workloads::{Fault, Strike};

pub(crate) fn run(stack: Option<&Path>) -> Exit {
    if let Some(file) = stack {
        return match read_description(file) {
            Ok(description) => super::print(&description.faults_listing()),
            Err(why) => {
                output::complain(&why);
                Exit::BadInput
            }
        };
    }
    // As a run would; if it may not, what needs it is not possible, and says why.
    let _ = enter_user_namespace();
    let capabilities = Capabilities::probe();
    let names: Vec<String> =
        Fault::ALL.iter().map(|(name, parameter, _)| format!("{name}{parameter}")).collect();
    let lines = Fault::ALL.iter().map(|(.., line)| *line);
    let mut text = super::listing(names.iter().map(String::as_str).zip(lines));
    text += "\nWhere, and by which means here:\n";
    let width = Fault::ALL.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    for (name, ..) in Fault::ALL {
        let strike = name.parse::<Strike>().expect("each listed fault can be typed");
        let _ = writeln!(text, "  {name:width$}  {}", places(&strike, &capabilities));
    }
    text += "\nPackets are dropped, delayed or answered in a network namespace of the run (iptables, NFQUEUE); \
             proxies carry connections and need no privileges, and lose nothing.\n";
    for (what, found) in [
        ("network namespace", &capabilities.namespace),
        ("rules that lose packets", &capabilities.drops),
        ("rules that break connections", &capabilities.resets),
        ("packets handed to user space", &capabilities.queue),
    ] {
        let found = match found {
            Ok(()) => "possible here",
            Err(why) => &format!("not possible here: {why}"),
        };
        let _ = writeln!(text, "  {what}: {found}");
    }
    super::print(&text)
}

/// On which stores a fault can be caused, and how.
fn places(strike: &Strike, capabilities: &Capabilities) -> String {
    let places: Vec<String> =
        ALL.iter().filter_map(|store| store.describe_means(strike, capabilities)).collect();
    places.join(", ")
}
