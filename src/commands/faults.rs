//! `steadfast faults`: what there is, on which stores, and what this machine permits.

use crate::args::StoreName;
use crate::exit::Exit;
use recorder::system::{Capabilities, Disk, Machine, Means, Preload, own_users};
use std::fmt::Write as _;
use workloads::{Fault, Strike};

pub(crate) fn run() -> Exit {
    // As a run would; if it may not, what needs it is not possible, and says why.
    let _ = own_users();
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

/// Whether a fault of the machine that a server runs on can be caused here.
fn machine(fault: Fault) -> Result<(), String> {
    match fault {
        Fault::FullDisk => Disk::probe(),
        _ => Preload::probe(),
    }
}

/// On which stores a fault can be caused, and how.
fn places(strike: &Strike, capabilities: &Capabilities) -> String {
    let fault = strike.fault;
    let of_processes = matches!(fault, Fault::Kill | Fault::Pause | Fault::Restart);
    let by = |means, name| capabilities.can(means, fault).is_ok().then_some(name);
    let means: Vec<&str> =
        [by(Means::Packets, "packets"), by(Means::Proxies, "proxies")].into_iter().flatten().collect();
    let mut places = Vec::new();
    if StoreName::Embedded.lets(strike).is_ok() {
        places.push("embedded".to_owned());
    }
    if fault.is_of_links() {
        let how = if means.is_empty() { "not possible here".to_owned() } else { means.join(" or ") };
        places.push(format!("redis-sentinel ({how})"));
    } else if of_processes || fault == Fault::Replace {
        places.push("redis-sentinel".to_owned());
    } else if Machine::has(fault) {
        places.push(match machine(fault) {
            Ok(()) => "redis-sentinel".to_owned(),
            Err(why) => format!("redis-sentinel (not possible here: {why})"),
        });
    }
    // Of the machines of its Redis servers, the clocks.
    let clock = matches!(fault, Fault::Skew { .. }) && machine(fault).is_ok();
    if of_processes || means.contains(&"packets") || clock || matches!(fault, Fault::Deploy { .. }) {
        places.push("express-redis".to_owned());
    }
    if of_processes {
        places.push("redis (with --pid)".to_owned());
    } else if StoreName::Redis.lets(strike).is_ok() {
        places.push("redis (its clients)".to_owned());
    }
    if StoreName::Http.lets(strike).is_ok() {
        places.push("http (its users)".to_owned());
    }
    places.join(", ")
}
