//! When packets go on: a function of when they came and of what is done to their way.
//!
//! Each way is a line in which packets keep their order, but for those that are drawn to be overtaken. Times are
//! passed in, so that all of it can be tested without a network.

use super::super::network::Condition;
use super::queue::Packet;
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use workloads::Stream;

/// How late packets are that are overtaken: behind what follows within this time, in ns.
const OVERTAKEN_NS: u64 = 10_000_000;

/// Two addresses: from, to.
pub(super) type Way = (Ipv4Addr, Ipv4Addr);

/// All ways, and the packets that wait on them.
#[derive(Debug)]
pub(super) struct Shaper {
    lines: BTreeMap<Way, PacketLine>,
    stream: Stream,
}

#[derive(Debug, Default)]
struct PacketLine {
    condition: Condition,
    waiting: VecDeque<WaitingPacket>,
    /// Those that let others pass.
    passed: VecDeque<WaitingPacket>,
    /// When the next byte may go at the present rate.
    free_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct WaitingPacket {
    packet: Packet,
    came_ns: u64,
    /// Its time of jitter, as a multiple of the mean.
    luck: f64,
}

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PacketDecision {
    pub(super) id: u32,
    pub(super) goes_on: bool,
}

impl Shaper {
    pub(super) fn new(seed: u64) -> Self {
        Self { lines: BTreeMap::new(), stream: Stream::new(seed, "packets") }
    }

    /// Sets what is done to each way; nothing to those that are not named. What waits goes as the new condition
    /// has it.
    pub(super) fn set_conditions(&mut self, conditions: &[(Way, Condition)]) {
        for line in self.lines.values_mut() {
            line.condition = Condition::default();
            line.free_ns = 0;
        }
        for (way, condition) in conditions {
            self.lines.entry(*way).or_default().condition = *condition;
        }
    }

    /// A packet has come.
    pub(super) fn accept_packet(&mut self, now_ns: u64, packet: Packet, decisions: &mut Vec<PacketDecision>) {
        let line = self.lines.entry((packet.from, packet.to)).or_default();
        if self.stream.draw_chance(line.condition.loss) {
            decisions.push(PacketDecision { id: packet.id, goes_on: false });
            return;
        }
        let waiting = WaitingPacket { packet, came_ns: now_ns, luck: self.stream.draw_exponential(1.0) };
        match self.stream.draw_chance(line.condition.reorder) {
            true => line.passed.push_back(waiting),
            false => line.waiting.push_back(waiting),
        }
    }

    /// Decides on all that is due by now. Returns when the next is due, if any waits for a time.
    pub(super) fn release_due(&mut self, now_ns: u64, decisions: &mut Vec<PacketDecision>) -> Option<u64> {
        self.lines.values_mut().filter_map(|line| line.release_due(now_ns, decisions)).min()
    }
}

impl PacketLine {
    fn release_due(&mut self, now_ns: u64, decisions: &mut Vec<PacketDecision>) -> Option<u64> {
        let condition = self.condition;
        if condition.held {
            return None;
        }
        let due_ns = |waiting: &WaitingPacket| {
            let jitter_ns = (condition.jitter_ns as f64 * waiting.luck).round() as u64;
            waiting.came_ns.saturating_add(condition.delay_ns).saturating_add(jitter_ns)
        };
        loop {
            let first = self.waiting.front().map(|waiting| (due_ns(waiting), false));
            let passed = self.passed.front().map(|waiting| (due_ns(waiting) + OVERTAKEN_NS, true));
            let (at_ns, is_passed) = first.into_iter().chain(passed).min()?;
            let at_ns = if condition.rate.is_some() { at_ns.max(self.free_ns) } else { at_ns };
            if at_ns > now_ns {
                return Some(at_ns);
            }
            let line = if is_passed { &mut self.passed } else { &mut self.waiting };
            let packet = line.pop_front()?.packet;
            if let Some(rate) = condition.rate {
                let takes_ns = u64::from(packet.bytes) * 1_000_000_000 / rate.max(1);
                self.free_ns = self.free_ns.max(now_ns).saturating_add(takes_ns);
            }
            decisions.push(PacketDecision { id: packet.id, goes_on: true });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
    const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    fn packet(id: u32) -> Packet {
        Packet { id, from: HERE, to: THERE, bytes: 1000 }
    }

    fn shaper(condition: Condition) -> Shaper {
        let mut shaper = Shaper::new(1);
        shaper.set_conditions(&[((HERE, THERE), condition)]);
        shaper
    }

    /// Has packets come one a millisecond, and says when which went on, and how many were dropped.
    fn gone(shaper: &mut Shaper, count: u32) -> (Vec<(u64, u32)>, usize) {
        let (mut gone, mut dropped, mut decisions) = (Vec::new(), 0, Vec::new());
        for now in 0..u64::from(count) + 2000 {
            if now < u64::from(count) {
                shaper.accept_packet(now * MS, packet(now as u32), &mut decisions);
            }
            shaper.release_due(now * MS, &mut decisions);
            for decision in decisions.drain(..) {
                match decision.goes_on {
                    true => gone.push((now, decision.id)),
                    false => dropped += 1,
                }
            }
        }
        (gone, dropped)
    }

    #[test]
    fn delays_are_at_least_what_was_asked_and_keep_the_order() {
        let condition = Condition { delay_ns: 50 * MS, jitter_ns: 20 * MS, ..Condition::default() };
        let (gone, dropped) = gone(&mut shaper(condition), 200);
        assert_eq!((gone.len(), dropped), (200, 0));
        assert!(gone.iter().enumerate().all(|(n, (at, id))| n == *id as usize && *at >= n as u64 + 50));
    }

    #[test]
    fn losses_come_at_their_share_and_the_rest_goes_on_at_once() {
        let (gone, dropped) = gone(&mut shaper(Condition { loss: 0.3, ..Condition::default() }), 2000);
        assert!((dropped as f64 - 600.0).abs() < 4.0 * f64::sqrt(2000.0 * 0.3 * 0.7), "{dropped}");
        assert!(gone.iter().all(|(at, id)| *at == u64::from(*id)));
    }

    #[test]
    fn overtaken_packets_come_later_and_none_is_lost() {
        let (gone, dropped) = gone(&mut shaper(Condition { reorder: 0.2, ..Condition::default() }), 1000);
        let late = gone.iter().filter(|(at, id)| *at == u64::from(*id) + 10).count();
        assert_eq!((gone.len(), dropped), (1000, 0));
        assert!((120..280).contains(&late), "{late}");
    }

    #[test]
    fn what_is_held_goes_in_order_when_it_is_let_go() {
        let mut shaper = shaper(Condition { held: true, ..Condition::default() });
        let mut decisions = Vec::new();
        (0..3).for_each(|id| shaper.accept_packet(0, packet(id), &mut decisions));
        assert_eq!(shaper.release_due(1000 * MS, &mut decisions), None);
        assert!(decisions.is_empty());
        shaper.set_conditions(&[]);
        assert_eq!(shaper.release_due(1000 * MS, &mut decisions), None);
        let ids: Vec<u32> = decisions.iter().map(|decision| decision.id).collect();
        assert_eq!(ids, [0, 1, 2]);
    }

    #[test]
    fn a_rate_spaces_packets_by_their_size() {
        let (gone, _) = gone(&mut shaper(Condition { rate: Some(100_000), ..Condition::default() }), 20);
        let times: Vec<u64> = gone.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, (0..20).map(|n| n * 10).collect::<Vec<_>>());
    }
}
