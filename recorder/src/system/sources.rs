//! Which address a server connects from.
//!
//! Whoever connects to an address of the loopback network comes from 127.0.0.1 unless it binds to another, and
//! many servers cannot be told to; then a firewall cannot tell who speaks to whom. So each server runs as a user
//! of its own, and the kernel is told, in a namespace that is only ours, which source address that user has.

use std::net::Ipv4Addr;
use std::process::Command;

/// Gives users the addresses that they connect from. Must be used on the thread whose namespace it is.
pub(crate) fn set_source_addresses(users: &[(u32, Ipv4Addr)]) -> Result<(), String> {
    for (number, (user, address)) in users.iter().enumerate() {
        let (priority, table) = ((10 + number).to_string(), (100 + number).to_string());
        let (range, address) = (format!("{user}-{user}"), address.to_string());
        run_ip(&["rule", "add", "pref", &priority, "uidrange", &range, "lookup", &table])?;
        run_ip(&["route", "add", "local", "127.0.0.0/8", "dev", "lo", "src", &address, "table", &table])?;
    }
    // The rule for local addresses is the first that the kernel looks at: ours must come before it.
    run_ip(&["rule", "add", "pref", "1000", "lookup", "local"])?;
    run_ip(&["rule", "del", "pref", "0"])
}

fn run_ip(arguments: &[&str]) -> Result<(), String> {
    match Command::new("ip").args(arguments).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(format!("ip {}: {said}", arguments.join(" ")))
        }
        Err(why) => Err(format!("the program ip: {why} (package iproute2)")),
    }
}
