//! Decides when packets pass, from their arrival times and the condition of their way.
//!
//! Each way is a queue that keeps the order of its packets, except for packets that are drawn to be overtaken. While a
//! fault of requests is active, packets with a payload wait in a queue of their own, and packets that open, acknowledge or
//! end connections pass them. Times are passed in, so that all of it can be tested without a network.

use super::super::network::Condition;
use super::queue::{Fate, Packet};
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use workloads::Stream;

/// How long packets that are to be overtaken wait: the packets that follow within this time, in ns, pass first.
const OVERTAKEN_NS: u64 = 10_000_000;

/// How many broken connections are remembered. Further packets of such a connection are answered with RST again, and do
/// not count as requests.
const BROKEN_MAX: usize = 256;

/// Two addresses: from, to.
pub(super) type Way = (Ipv4Addr, Ipv4Addr);

/// Counts of the packets of a way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in super::super) struct WayCounts {
    /// Packets that passed, and the sum of their delays.
    pub(in super::super) gone: u64,
    pub(in super::super) late_ns: u64,
    /// Packets with a payload that passed, and the sum of their delays.
    pub(in super::super) requests: u64,
    pub(in super::super) requests_late_ns: u64,
    pub(in super::super) lost: u64,
    /// Packets that were overtaken by later ones.
    pub(in super::super) overtaken: u64,
    /// Connections that were broken.
    pub(in super::super) broken: u64,
    pub(in super::super) bytes: u64,
    /// Packets that wait at the moment.
    pub(in super::super) waiting: u64,
}

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
    /// Packets that let others overtake them.
    passed: VecDeque<WaitingPacket>,
    /// Packets with a payload, while a fault of requests is active.
    requests: VecDeque<WaitingPacket>,
    /// How many requests were broken since the first fault of that kind began.
    failed: u64,
    /// The ports of the connections that were broken last.
    broken: VecDeque<(u16, u16)>,
    counts: WayCounts,
    /// When the next byte may go at the present rate.
    free_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct WaitingPacket {
    packet: Packet,
    came_ns: u64,
    /// The packet's jitter, as a multiple of the mean.
    luck: f64,
}

/// Whether a packet passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PacketDecision {
    pub(super) id: u32,
    pub(super) fate: Fate,
}

impl Shaper {
    pub(super) fn new(seed: u64) -> Self {
        Self { lines: BTreeMap::new(), stream: Stream::new(seed, "packets") }
    }

    /// Sets the conditions of ways. A way that is not named has no faults. Waiting packets follow the new condition.
    pub(super) fn set_conditions(&mut self, conditions: &[(Way, Condition)]) {
        for line in self.lines.values_mut() {
            line.condition = Condition::default();
            line.free_ns = 0;
        }
        for (way, condition) in conditions {
            self.lines.entry(*way).or_default().condition = *condition;
        }
        for line in self.lines.values_mut().filter(|line| line.condition.fail_first == 0) {
            line.failed = 0;
            line.broken.clear();
        }
    }

    /// Accepts a packet that has arrived.
    pub(super) fn accept_packet(&mut self, now_ns: u64, packet: Packet, decisions: &mut Vec<PacketDecision>) {
        let line = self.lines.entry((packet.from, packet.to)).or_default();
        if self.stream.draw_chance(line.condition.loss) {
            line.counts.lost += 1;
            decisions.push(PacketDecision { id: packet.id, fate: Fate::IsLost });
            return;
        }
        if packet.has_payload && line.breaks_request(packet.ports) {
            decisions.push(PacketDecision { id: packet.id, fate: Fate::BreaksConnection });
            return;
        }
        let waiting = WaitingPacket { packet, came_ns: now_ns, luck: self.stream.draw_exponential(1.0) };
        let of_requests = line.condition.hangs || line.condition.slow_ns > 0;
        if packet.has_payload && of_requests {
            line.requests.push_back(waiting);
            return;
        }
        match self.stream.draw_chance(line.condition.reorder) {
            true => line.passed.push_back(waiting),
            false => line.waiting.push_back(waiting),
        }
    }

    /// Copies the present counts.
    pub(super) fn write_counts(&self, counts: &mut BTreeMap<Way, WayCounts>) {
        for (way, line) in &self.lines {
            let waiting = line.waiting.len() + line.passed.len() + line.requests.len();
            counts.insert(*way, WayCounts { waiting: waiting as u64, ..line.counts });
        }
    }

    /// Decides on all that is due by now. Returns when the next is due, if any waits for a time.
    pub(super) fn release_due(&mut self, now_ns: u64, decisions: &mut Vec<PacketDecision>) -> Option<u64> {
        self.lines.values_mut().filter_map(|line| line.release_due(now_ns, decisions)).min()
    }
}

impl PacketLine {
    /// Whether the connection of a request with these ports is to be broken, because the request is among the first ones.
    fn breaks_request(&mut self, ports: (u16, u16)) -> bool {
        if self.broken.contains(&ports) {
            return true;
        }
        if self.failed >= self.condition.fail_first {
            return false;
        }
        self.failed += 1;
        self.counts.broken += 1;
        if self.broken.len() == BROKEN_MAX {
            self.broken.pop_front();
        }
        self.broken.push_back(ports);
        true
    }

    fn release_due(&mut self, now_ns: u64, decisions: &mut Vec<PacketDecision>) -> Option<u64> {
        if self.condition.held {
            return None;
        }
        let packets_ns = self.let_packets_go(now_ns, decisions);
        let requests_ns = self.let_requests_go(now_ns, decisions);
        packets_ns.into_iter().chain(requests_ns).min()
    }

    /// Lets due requests pass. Returns when the next one is due, if any waits for a time.
    fn let_requests_go(&mut self, now_ns: u64, decisions: &mut Vec<PacketDecision>) -> Option<u64> {
        if self.condition.hangs {
            return None;
        }
        let least_ns = self.condition.slow_ns.saturating_add(self.condition.delay_ns);
        while let Some(first) = self.requests.front() {
            let jitter_ns = (self.condition.jitter_ns as f64 * first.luck).round() as u64;
            let due_ns = first.came_ns.saturating_add(least_ns).saturating_add(jitter_ns);
            if due_ns > now_ns {
                return Some(due_ns);
            }
            let gone = self.requests.pop_front()?;
            self.release_packet(&gone, now_ns, decisions);
        }
        None
    }

    fn release_packet(&mut self, gone: &WaitingPacket, now_ns: u64, decisions: &mut Vec<PacketDecision>) {
        let late_ns = now_ns.saturating_sub(gone.came_ns);
        self.counts.gone += 1;
        self.counts.late_ns += late_ns;
        self.counts.bytes += u64::from(gone.packet.bytes);
        if gone.packet.has_payload {
            self.counts.requests += 1;
            self.counts.requests_late_ns += late_ns;
        }
        decisions.push(PacketDecision { id: gone.packet.id, fate: Fate::GoesOn });
    }

    fn let_packets_go(&mut self, now_ns: u64, decisions: &mut Vec<PacketDecision>) -> Option<u64> {
        let condition = self.condition;
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
            let gone = line.pop_front()?;
            if let Some(rate) = condition.rate {
                let takes_ns = u64::from(gone.packet.bytes) * 1_000_000_000 / rate.max(1);
                self.free_ns = self.free_ns.max(now_ns).saturating_add(takes_ns);
            }
            self.counts.overtaken += u64::from(is_passed);
            self.release_packet(&gone, now_ns, decisions);
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
        Packet { id, from: HERE, to: THERE, bytes: 1000, ports: (id as u16, 80), has_payload: true }
    }

    fn shaper(condition: Condition) -> Shaper {
        let mut shaper = Shaper::new(1);
        shaper.set_conditions(&[((HERE, THERE), condition)]);
        shaper
    }

    /// Lets one packet arrive each millisecond. Returns when each packet passed, and how many were dropped.
    fn gone(shaper: &mut Shaper, count: u32) -> (Vec<(u64, u32)>, usize) {
        let (mut gone, mut dropped, mut decisions) = (Vec::new(), 0, Vec::new());
        for now in 0..u64::from(count) + 2000 {
            if now < u64::from(count) {
                shaper.accept_packet(now * MS, packet(now as u32), &mut decisions);
            }
            shaper.release_due(now * MS, &mut decisions);
            for decision in decisions.drain(..) {
                match decision.fate {
                    Fate::GoesOn => gone.push((now, decision.id)),
                    Fate::IsLost | Fate::BreaksConnection => dropped += 1,
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

    /// A server that hangs still accepts: what opens a connection passes the requests that wait.
    #[test]
    fn requests_wait_and_connections_open() {
        let mut shaper = shaper(Condition { hangs: true, ..Condition::default() });
        let mut decisions = Vec::new();
        shaper.accept_packet(0, packet(1), &mut decisions);
        shaper.accept_packet(1, Packet { has_payload: false, ..packet(2) }, &mut decisions);
        assert_eq!(shaper.release_due(1000 * MS, &mut decisions), None);
        assert_eq!(decisions, [PacketDecision { id: 2, fate: Fate::GoesOn }]);
        shaper.set_conditions(&[((HERE, THERE), Condition { slow_ns: 20 * MS, ..Condition::default() })]);
        shaper.release_due(1000 * MS, &mut decisions);
        assert_eq!(decisions[1..], [PacketDecision { id: 1, fate: Fate::GoesOn }]);
        shaper.accept_packet(1000 * MS, packet(3), &mut decisions);
        assert_eq!(shaper.release_due(1010 * MS, &mut decisions), Some(1020 * MS));
        shaper.release_due(1020 * MS, &mut decisions);
        let mut counts = BTreeMap::new();
        shaper.write_counts(&mut counts);
        let of_way = counts[&(HERE, THERE)];
        assert_eq!((of_way.gone, of_way.requests, of_way.requests_late_ns), (3, 2, 1020 * MS));
    }

    /// Later packets of a connection that is broken already are no further requests.
    #[test]
    fn the_first_requests_break_their_connections() {
        let mut shaper = shaper(Condition { fail_first: 2, ..Condition::default() });
        let mut decisions = Vec::new();
        for id in [1, 1, 2, 1, 3] {
            shaper.accept_packet(0, packet(id), &mut decisions);
        }
        shaper.release_due(0, &mut decisions);
        let broken: Vec<u32> = (decisions.iter())
            .filter(|decision| decision.fate == Fate::BreaksConnection)
            .map(|decision| decision.id)
            .collect();
        assert_eq!((broken, decisions.last().map(|last| last.id)), (vec![1, 1, 2, 1], Some(3)));
    }

    #[test]
    fn a_rate_spaces_packets_by_their_size() {
        let (gone, _) = gone(&mut shaper(Condition { rate: Some(100_000), ..Condition::default() }), 20);
        let times: Vec<u64> = gone.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, (0..20).map(|n| n * 10).collect::<Vec<_>>());
    }
}
