//! Rules on packets between two addresses, in the namespace of the calling thread.

use super::queue::BREAK_MARK;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

/// What happens to packets from one address to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rule {
    /// Packets are dropped.
    Drop(Ipv4Addr, Ipv4Addr),
    /// Connections are broken: each packet except a RST is answered by a RST.
    Reset(Ipv4Addr, Ipv4Addr),
    /// New connections are refused.
    Refuse(Ipv4Addr, Ipv4Addr),
    /// User space decides. If no program listens to the queue, packets pass.
    Hand(Ipv4Addr, Ipv4Addr),
    /// Packets that user space has marked are answered with RST, which breaks their connection. This rule must precede
    /// [`Rule::Hand`].
    BreakMarked(Ipv4Addr, Ipv4Addr),
}

/// The firewall of a namespace that only this program uses.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Firewall;

impl Firewall {
    /// Replaces all rules by these, atomically.
    pub(super) fn replace_rules(rules: &[Rule]) -> Result<(), String> {
        let mut text = String::from("*filter\n:INPUT ACCEPT [0:0]\n");
        let marked = format!("-p tcp -m mark --mark {BREAK_MARK} -j REJECT --reject-with tcp-reset");
        for rule in rules {
            let (what, (from, to)) = match rule {
                Rule::BreakMarked(from, to) => (marked.as_str(), (from, to)),
                Rule::Drop(from, to) => ("-j DROP", (from, to)),
                // A RST must not be answered by another RST.
                Rule::Reset(from, to) => {
                    ("-p tcp ! --tcp-flags RST RST -j REJECT --reject-with tcp-reset", (from, to))
                }
                Rule::Refuse(from, to) => ("-p tcp --syn -j REJECT --reject-with tcp-reset", (from, to)),
                Rule::Hand(from, to) => ("-j NFQUEUE --queue-num 0 --queue-bypass", (from, to)),
            };
            let _ = writeln!(text, "-A INPUT -s {from} -d {to} {what}");
        }
        text += "COMMIT\n";
        restore_rules(&text)
    }

    /// Counts the packets that have matched the rules on these ways since the rules were last set; `None` if the
    /// count cannot be read.
    pub(super) fn count_matched_packets(ways: &[(Ipv4Addr, Ipv4Addr)]) -> Option<u64> {
        let mut command = Command::new("iptables-legacy-save");
        let output = command.args(["-c", "-t", "filter"]).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| parse_packet_count(&String::from_utf8_lossy(&output.stdout), ways))
    }

    /// Checks that rules can be set here at all.
    pub(in super::super) fn probe() -> Result<(), String> {
        Self::replace_rules(&[])
    }
}

/// Sums the packets of the rules for these ways, from the output of `iptables-save -c`: `[7:588] -A INPUT -s A/32 -d
/// B/32 -j DROP`.
fn parse_packet_count(text: &str, ways: &[(Ipv4Addr, Ipv4Addr)]) -> u64 {
    let of_line = |line: &str| -> Option<u64> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |sign: &str| {
            let at = words.iter().position(|word| *word == sign)?;
            words.get(at + 1)?.trim_end_matches("/32").parse::<Ipv4Addr>().ok()
        };
        let way = (after("-s")?, after("-d")?);
        let (packets, _) = line.strip_prefix('[')?.split_once(':')?;
        ways.contains(&way).then(|| packets.parse().ok()).flatten()
    };
    text.lines().filter_map(of_line).sum()
}

/// Runs the program always with `-w`: without it, a rule is silently left out while another program holds the lock.
/// The lock is one file for the whole machine, which only its root may open. In a namespace that only this program
/// uses, any other file will do.
fn restore_rules(text: &str) -> Result<(), String> {
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
        // A program that ends early reports the reason itself.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_counted_by_way() {
        let text = "*filter\n:INPUT ACCEPT [900:1]\n[7:588] -A INPUT -s 127.0.0.11/32 -d 127.0.0.12/32 -j DROP\n\
                    [5:300] -A INPUT -s 127.0.0.12/32 -d 127.0.0.11/32 -p tcp -j REJECT\n\
                    [9:1] -A INPUT -s 127.0.0.1/32 -d 127.0.0.11/32 -j DROP\nCOMMIT\n";
        let address = |last| Ipv4Addr::new(127, 0, 0, last);
        let both = [(address(11), address(12)), (address(12), address(11))];
        assert_eq!(
            (
                parse_packet_count(text, &both),
                parse_packet_count(text, &both[..1]),
                parse_packet_count(text, &[])
            ),
            (12, 7, 0)
        );
    }
}
