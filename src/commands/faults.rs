//! `steadfast faults`: lists the faults, the stores that each can strike, and what this machine permits.

use crate::args::read_description;
use crate::exit::Exit;
use crate::output;
use recorder::stores::backend::ALL;
use recorder::system::{Capabilities, enter_user_namespace};
use std::fmt::Write as _;
use std::path::Path;
use workloads::{Fault, Strike};

pub(crate) fn list_faults(stack: Option<&Path>) -> Exit {
    if let Some(file) = stack {
        return match read_description(file) {
            Ok(description) => super::print_result(&description.faults_listing()),
            Err(why) => {
                output::print_error(&why);
                Exit::BadInput
            }
        };
    }
    // A run does the same. If it is not permitted, the capabilities below name the reason.
    let _ = enter_user_namespace();
    let capabilities = Capabilities::probe();
    let names: Vec<String> =
        Fault::ALL.iter().map(|(name, parameter, _)| format!("{name}{parameter}")).collect();
    let lines = Fault::ALL.iter().map(|(.., line)| *line);
    let mut text = super::format_listing(names.iter().map(String::as_str).zip(lines));
    text += "\nStores that each fault can strike, and the means on this machine:\n";
    let width = Fault::ALL.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    for (name, ..) in Fault::ALL {
        let strike = name.parse::<Strike>().expect("each listed fault can be typed");
        let _ = writeln!(text, "  {name:width$}  {}", describe_places(&strike, &capabilities));
    }
    text += "\nPacket faults drop, delay or answer packets in a network namespace of the run (iptables, NFQUEUE). \
             Proxy faults hold back connections; they need no privileges and lose no data.\n";
    for (what, found) in [
        ("network namespace", &capabilities.namespace),
        ("rules that lose packets", &capabilities.drops),
        ("rules that break connections", &capabilities.resets),
        ("packets handed to user space", &capabilities.queue),
    ] {
        let found = match found {
            Ok(()) => "available",
            Err(why) => &format!("not available: {why}"),
        };
        let _ = writeln!(text, "  {what}: {found}");
    }
    super::print_result(&text)
}

/// Describes on which stores a fault can be injected, and by which means.
fn describe_places(strike: &Strike, capabilities: &Capabilities) -> String {
    let places: Vec<String> =
        ALL.iter().filter_map(|store| store.describe_means(strike, capabilities)).collect();
    places.join(", ")
}
