//! Cuts between addresses, by firewall rules in the namespace of the calling thread.

use std::collections::BTreeSet;
use std::process::Command;

/// Rules that drop packets from one address to another. Must be used on the thread whose namespace it is in.
#[derive(Debug, Default)]
pub struct Firewall {
    cuts: BTreeSet<(String, String)>,
}

impl Firewall {
    /// Drops everything from one address to another.
    pub fn cut(&mut self, from: &str, to: &str) -> Result<(), String> {
        let cut = (from.to_owned(), to.to_owned());
        if self.cuts.contains(&cut) {
            return Ok(());
        }
        rule("-A", from, to)?;
        self.cuts.insert(cut);
        Ok(())
    }

    /// Lets everything through again.
    pub fn mend_all(&mut self) -> Result<(), String> {
        while let Some((from, to)) = self.cuts.first().cloned() {
            rule("-D", &from, &to)?;
            self.cuts.remove(&(from, to));
        }
        Ok(())
    }

    /// Whether rules can be set here at all.
    pub fn probe() -> Result<(), String> {
        iptables(&["-S", "INPUT"])
    }
}

fn rule(what: &str, from: &str, to: &str) -> Result<(), String> {
    iptables(&[what, "INPUT", "-s", from, "-d", to, "-j", "DROP"])
}

/// Always with `-w`: without it a rule is silently left out while another program holds the lock.
fn iptables(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("iptables-legacy").arg("-w").args(arguments).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("iptables-legacy: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(why) => Err(format!("the program iptables-legacy: {why} (package iptables)")),
    }
}
