//! Evidence for faults of links, from the traffic on the struck links since the strike.
//!
//! User space counts the packets that it decides on, proxies count the bytes that they carry, and the firewall counts the
//! packets that it handles alone. A fault is in force if the counts show it: packets were late by the requested time,
//! requests wait, connections broke. If nothing was sent over the links, the fault had no effect, and counts as not in force.

use super::super::packets::WayCounts;
use super::super::proxy::{Carried, LinkCounts};
use crate::FaultEvidence;
use std::time::{Duration, Instant};
use workloads::{Fault, format_bytes, format_duration};

/// The share of the requested delay that must be measured. Timers are never early, but a clock may be read late.
const MEASURED_SHARE: f64 = 0.9;
/// How many bytes more than the limit may pass: those that were in flight when the limit was set.
const BURST_BYTES: u64 = 64 << 10;

/// The counts of a fault's links at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkRecord {
    at: Instant,
    /// Packets, or pieces of streams, that passed, and the sum of their delays.
    pieces: u64,
    late_ns: u64,
    requests: u64,
    requests_late_ns: u64,
    lost: u64,
    overtaken: u64,
    /// The connections that were broken, those that were opened, and those that are open.
    broken: u64,
    connections: u64,
    open: u64,
    bytes: u64,
    /// Packets or bytes that wait at that moment, before they may pass.
    waiting: u64,
    largest: u64,
    /// The number of ways. Each has a limit of its own.
    ways: u64,
    /// What `pieces` counts, for messages.
    unit: &'static str,
}

impl LinkRecord {
    fn without_traffic(unit: &'static str) -> Self {
        Self {
            at: Instant::now(),
            pieces: 0,
            late_ns: 0,
            requests: 0,
            requests_late_ns: 0,
            lost: 0,
            overtaken: 0,
            broken: 0,
            connections: 0,
            open: 0,
            bytes: 0,
            waiting: 0,
            largest: 0,
            ways: 0,
            unit,
        }
    }

    /// Sums the counts of packets on these ways.
    pub(super) fn sum_packets(ways: &[WayCounts]) -> Self {
        let mut record = Self::without_traffic("packets");
        for way in ways {
            record.ways += 1;
            record.pieces += way.gone;
            record.late_ns += way.late_ns;
            record.requests += way.requests;
            record.requests_late_ns += way.requests_late_ns;
            record.lost += way.lost;
            record.overtaken += way.overtaken;
            record.broken += way.broken;
            record.bytes += way.bytes;
            record.waiting += way.waiting;
        }
        record
    }

    /// Sums the counts of proxies on these links, in the struck directions only.
    pub(super) fn sum_proxies<'a>(
        links: impl IntoIterator<Item = (LinkCounts, &'a [fn(&LinkCounts) -> Carried])>,
    ) -> Self {
        let mut record = Self::without_traffic("pieces");
        for (link, directions) in links {
            record.connections += link.connections;
            record.open += link.open;
            record.broken += link.broken;
            for direction in directions {
                let carried = direction(&link);
                record.ways += 1;
                record.pieces += carried.pieces;
                record.late_ns += carried.late_ns;
                record.bytes += carried.bytes;
                record.waiting += carried.waiting;
                record.largest = record.largest.max(carried.largest);
            }
        }
        (record.requests, record.requests_late_ns) = (record.pieces, record.late_ns);
        record
    }

    /// The number of open connections.
    pub(super) fn open_connections(&self) -> u64 {
        self.open
    }

    /// Evidence for a fault, from the difference to `before`, the counts when it struck. `None` for faults that leave no
    /// trace in these counts.
    pub(super) fn evidence_of(&self, fault: Fault, before: &LinkRecord) -> Option<FaultEvidence> {
        let since = |now: u64, before: u64| now.saturating_sub(before);
        let pieces = since(self.pieces, before.pieces);
        let broken = since(self.broken, before.broken);
        let unit = self.unit;
        let (in_force, how) = match fault {
            Fault::Delay { least_ns, .. } => {
                judge_delay(pieces, since(self.late_ns, before.late_ns), least_ns, unit)
            }
            Fault::Slow { by_ns } => {
                let late_ns = since(self.requests_late_ns, before.requests_late_ns);
                judge_delay(since(self.requests, before.requests), late_ns, by_ns, "requests")
            }
            Fault::Loss { .. } => {
                let lost = since(self.lost, before.lost);
                (lost > 0, format!("{lost} of {} packets were lost", pieces + lost))
            }
            Fault::Reorder { .. } => {
                let overtaken = since(self.overtaken, before.overtaken);
                (overtaken > 0, format!("{overtaken} of {pieces} packets were overtaken"))
            }
            Fault::Throttle { rate } => {
                let bytes = since(self.bytes, before.bytes);
                judge_rate(bytes, self.at.saturating_duration_since(before.at), rate * self.ways)
            }
            Fault::Slice { bytes } => {
                let largest = self.largest;
                let fits = pieces > 0 && largest <= bytes;
                (fits, format!("{pieces} pieces passed, the largest of {}", format_bytes(largest)))
            }
            Fault::FailFirst { .. } => {
                (broken > 0, format!("the connections of {broken} requests were broken"))
            }
            Fault::Reset => (broken > 0, format!("{broken} connections were broken")),
            fault if fault == Fault::Hold || fault == Fault::Hang || fault.divides_nodes() => {
                let opened = since(self.connections, before.connections);
                let waiting = self.waiting;
                let connections = match unit {
                    "packets" => String::new(),
                    _ => format!(", and {opened} connections were opened"),
                };
                let what = if unit == "packets" { "packets" } else { "bytes" };
                (waiting + opened > 0, format!("{waiting} {what} wait{connections}"))
            }
            _ => return None,
        };
        Some(FaultEvidence { in_force, how })
    }
}

/// Whether packets, pieces or requests were late by the requested time on average, and a sentence about it.
fn judge_delay(count: u64, late_ns: u64, asked_ns: u64, unit: &str) -> (bool, String) {
    if count == 0 {
        return (false, format!("no {unit} passed"));
    }
    let mean_ns = late_ns / count;
    let enough = mean_ns as f64 >= asked_ns as f64 * MEASURED_SHARE;
    // Shown to a hundredth of a millisecond, because timers are not more precise.
    let shown = Duration::from_micros(mean_ns / 10_000 * 10);
    (enough, format!("{count} {unit} were late by {} on average", format_duration(shown)))
}

/// Whether the measured rate is within the permitted one, and a sentence about it.
fn judge_rate(bytes: u64, time: Duration, rate: u64) -> (bool, String) {
    let permitted = (rate as f64 * time.as_secs_f64()) as u64 + BURST_BYTES;
    let measured = (bytes as f64 / time.as_secs_f64().max(0.001)) as u64;
    (bytes > 0 && bytes <= permitted, format!("{}/s passed", format_bytes(measured)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(fault: &str, now: LinkRecord) -> FaultEvidence {
        let fault = fault.parse::<workloads::Strike>().expect("a fault").fault;
        now.evidence_of(fault, &LinkRecord::without_traffic(now.unit)).expect("these links can show it")
    }

    #[test]
    fn a_delay_is_in_force_if_packets_were_as_late_as_asked() {
        let packets =
            |pieces, late_ns| LinkRecord { pieces, late_ns, ..LinkRecord::without_traffic("packets") };
        let seen = shown("delay=50ms", packets(10, 510_000_000));
        assert_eq!((seen.in_force, seen.how.as_str()), (true, "10 packets were late by 51ms on average"));
        assert!(!shown("delay=50ms", packets(10, 100_000_000)).in_force);
        let unfelt = shown("delay=50ms", packets(0, 0));
        assert_eq!((unfelt.in_force, unfelt.how.as_str()), (false, "no packets passed"));
    }

    #[test]
    fn what_waits_broke_or_was_cut_short_is_told() {
        let nothing = LinkRecord::without_traffic("pieces");
        assert!(!shown("hang", nothing).in_force);
        assert!(shown("hang", LinkRecord { waiting: 1, ..nothing }).in_force);
        assert!(shown("hold", LinkRecord { connections: 1, ..nothing }).in_force);
        assert!(!shown("fail-first=3", nothing).in_force);
        assert!(shown("fail-first=3", LinkRecord { broken: 3, ..nothing }).how.contains("of 3 requests"));
        let sliced = LinkRecord { pieces: 9, largest: 5, ..nothing };
        assert_eq!([shown("slice=5", sliced).in_force, shown("slice=4", sliced).in_force], [true, false]);
    }
}
