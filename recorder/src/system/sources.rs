//! Sets the address that a server connects from.
//!
//! Connections to an address of the loopback network come from 127.0.0.1 unless the program binds to another address,
//! and many servers cannot be configured to do that. A firewall then cannot tell which server connects to which.
//! Therefore each server runs as a separate user, and the kernel is told which source address that user has, in a
//! namespace that only this program uses.

use std::net::Ipv4Addr;
use std::process::Command;

/// Assigns source addresses to users. It must be called on the thread that the namespace belongs to.
pub(crate) fn set_source_addresses(users: &[(u32, Ipv4Addr)]) -> Result<(), String> {
    for (number, (user, address)) in users.iter().enumerate() {
        let (priority, table) = ((10 + number).to_string(), (100 + number).to_string());
        let (range, address) = (format!("{user}-{user}"), address.to_string());
        run_ip(&["rule", "add", "pref", &priority, "uidrange", &range, "lookup", &table])?;
        run_ip(&["route", "add", "local", "127.0.0.0/8", "dev", "lo", "src", &address, "table", &table])?;
    }
    // The rule for local addresses is the first that the kernel evaluates. The new rules must come before it.
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
