//! Rules on packets between two addresses, in the namespace of the calling thread.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

/// What is done to packets from one address to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rule {
    /// They are lost.
    Drop(Ipv4Addr, Ipv4Addr),
    /// Connections are broken: each packet but a RST is answered by one.
    Reset(Ipv4Addr, Ipv4Addr),
    /// Connections that are opened are refused.
    Refuse(Ipv4Addr, Ipv4Addr),
    /// User space decides; if nobody is there to, they go on.
    Hand(Ipv4Addr, Ipv4Addr),
}

/// The firewall of a namespace that is all ours.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Firewall;

impl Firewall {
    /// Has these rules be all there are, from one moment to the next.
    pub(super) fn set(rules: &[Rule]) -> Result<(), String> {
        let mut text = String::from("*filter\n:INPUT ACCEPT [0:0]\n");
        for rule in rules {
            let (what, (from, to)) = match rule {
                Rule::Drop(from, to) => ("-j DROP", (from, to)),
                // What answers must not be answered in turn.
                Rule::Reset(from, to) => {
                    ("-p tcp ! --tcp-flags RST RST -j REJECT --reject-with tcp-reset", (from, to))
                }
                Rule::Refuse(from, to) => ("-p tcp --syn -j REJECT --reject-with tcp-reset", (from, to)),
                Rule::Hand(from, to) => ("-j NFQUEUE --queue-num 0 --queue-bypass", (from, to)),
            };
            let _ = writeln!(text, "-A INPUT -s {from} -d {to} {what}");
        }
        text += "COMMIT\n";
        restore(&text)
    }

    /// Whether rules can be set here at all.
    pub(in super::super) fn probe() -> Result<(), String> {
        Self::set(&[])
    }
}

/// Always with `-w`: without it a rule is silently left out while another program holds the lock. The lock is one
/// file for the whole machine, which only its root may open; in a namespace that is ours alone any other will do.
fn restore(text: &str) -> Result<(), String> {
    const PROGRAM: &str = "iptables-legacy-restore";
    let mut command = Command::new(PROGRAM);
    command
        .arg("-w")
        .env("XTABLES_LOCKFILE", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let missing = |why: std::io::Error| format!("the program {PROGRAM}: {why} (package iptables)");
    let mut child = command.spawn().map_err(missing)?;
    if let Some(mut input) = child.stdin.take() {
        // A program that ends early says why itself.
        let _ = input.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().map_err(missing)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    Err(format!("{PROGRAM}: {} ({})", lines.join("; "), output.status))
}
