//! Faults of packets between addresses of one network namespace: by firewall rules, or by a thread of this program to
//! which the kernel hands the packets.
//!
//! `tc netem` could delay and lose packets, but many kernels are built without it. A rule with the target NFQUEUE
//! hands each packet of a way to user space, which says later whether the packet passes. This suffices for delay,
//! jitter, hold, loss, reordering and a limited rate. Rules and queue live in the namespace and disappear with it.
//!
//! The rules of all ways are set at once (`iptables-restore`), so that no packet sees half of a change.

mod desk;
mod firewall;
mod queue;
mod shaper;

pub(super) use firewall::Firewall;
pub(super) use shaper::WayCounts;

use super::network::Condition;
use desk::PacketDecider;
use firewall::Rule;
use std::net::Ipv4Addr;

/// The packets between these addresses. It must be used on the thread that their namespace belongs to.
#[derive(Debug)]
pub(super) struct Packets {
    addresses: Vec<Ipv4Addr>,
    desk: Option<PacketDecider>,
}

impl Packets {
    /// Takes the packets between these ends, without any fault.
    pub(super) fn new(addresses: Vec<Ipv4Addr>) -> Self {
        Self { addresses, desk: None }
    }

    /// Counts the packets that have matched the rules on these ways since the rules last changed.
    pub(super) fn count_matched_packets(&self, ways: impl Fn(usize, usize) -> bool) -> Option<u64> {
        let ends = || 0..self.addresses.len();
        let all = ends().flat_map(|from| ends().map(move |to| (from, to)));
        let hit = all.filter(|&(from, to)| from != to && ways(from, to));
        let ways: Vec<_> = hit.map(|(from, to)| (self.addresses[from], self.addresses[to])).collect();
        Firewall::count_matched_packets(&ways)
    }

    /// The present counts of the packets on these ways that were handed to user space.
    pub(super) fn counts(&self, ways: impl Fn(usize, usize) -> bool) -> Vec<WayCounts> {
        let ends = || 0..self.addresses.len();
        let all = ends().flat_map(|from| ends().map(move |to| (from, to)));
        let hit = all.filter(|&(from, to)| from != to && ways(from, to));
        let counts = |(from, to): (usize, usize)| {
            let way = (self.addresses[from], self.addresses[to]);
            self.desk.as_ref().map(|desk| desk.counts(way)).unwrap_or_default()
        };
        hit.map(counts).collect()
    }

    /// Sets the condition of every way, an ordered pair of ends.
    pub(super) fn set_conditions(
        &mut self,
        condition: impl Fn(usize, usize) -> Condition,
    ) -> Result<(), String> {
        let (mut rules, mut handed) = (Vec::new(), Vec::new());
        let ends = 0..self.addresses.len();
        for (from, to) in ends.clone().flat_map(|from| ends.clone().map(move |to| (from, to))) {
            let (source, target, condition) = (self.addresses[from], self.addresses[to], condition(from, to));
            if from == to {
                continue;
            }
            if condition.cut {
                rules.push(Rule::Drop(source, target));
            }
            if condition.resets {
                rules.push(Rule::Reset(source, target));
            }
            if condition.refuses {
                rules.push(Rule::Refuse(source, target));
            }
            if condition.fail_first > 0 {
                rules.push(Rule::BreakMarked(source, target));
            }
            if needs_user_space(&condition) {
                rules.push(Rule::Hand(source, target));
                handed.push(((source, target), condition));
            }
        }
        // The deciding thread must run before the first packet is handed over.
        if !handed.is_empty() && self.desk.is_none() {
            self.desk = Some(PacketDecider::start_thread().map_err(|why| format!("NFQUEUE: {why}"))?);
        }
        if let Some(desk) = &self.desk {
            desk.set_conditions(handed)?;
        }
        Firewall::replace_rules(&rules)
    }
}

/// Whether user space must decide on packets in this condition.
fn needs_user_space(condition: &Condition) -> bool {
    let peace = Condition::default();
    let of_firewall = Condition {
        cut: condition.cut,
        resets: condition.resets,
        refuses: condition.refuses,
        slice: condition.slice,
        ..peace
    };
    *condition != of_firewall
}

/// Checks that this kernel hands packets to user space here.
pub(super) fn probe_queue() -> Result<(), String> {
    queue::PacketQueue::open(desk::NUMBER).map(drop).map_err(|why| format!("NFQUEUE: {why}"))?;
    let nobody = Ipv4Addr::new(127, 255, 255, 254);
    Firewall::replace_rules(&[Rule::Hand(nobody, nobody)]).and_then(|()| Firewall::replace_rules(&[]))
}

/// Checks that this firewall can break connections here.
pub(super) fn probe_reset() -> Result<(), String> {
    let nobody = Ipv4Addr::new(127, 255, 255, 254);
    Firewall::replace_rules(&[Rule::Reset(nobody, nobody)]).and_then(|()| Firewall::replace_rules(&[]))
}
