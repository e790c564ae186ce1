//! Weak causal consistency and causal convergence, by vector clocks.
//!
//! Each event gets a clock: of each chain, how many events are in its causal past. Of the writes of one chain to one
//! object, the last that a read had seen tells all: if any of them overwrote what the read returned, then so did the
//! last. So a read asks each chain that writes its object for one write, and that write's clock whether it came after.
//!
//! For convergence each of these pairs, the write that was seen and the one that was returned, is an edge; the writes
//! have one order if and only if those edges and causal order have no cycle.
//!
//! Cost: O(n · chains) time and 4 bytes of memory each, and a search in a sorted list for each read and chain.

use super::order;
use super::trace::{NONE, START, Trace};
use super::{Contradiction, Inferred, Link, View, Why};
use crate::graph::{Csr, Edge};
use crate::{Level, Limits, Verdict};

/// An edge of session order.
const SESSION: u32 = u32::MAX;
/// An edge from a write to who read it. All other labels are the read that an edge follows from.
const READ_FROM: u32 = u32::MAX - 1;

/// Patterns that are reported.
const MOST: usize = super::ANOMALIES_MAX;

pub(super) type Decided = Result<Verdict<Vec<View>, Vec<Contradiction>>, String>;

/// Decides CC or CCv; the error says why it is unknown.
pub(super) fn decide(trace: &Trace<'_>, level: Level, limits: &Limits<'_>) -> Decided {
    let mut edges = causal(trace);
    let csr = Csr::new(trace.events.len(), &edges);
    let sorted = order::sorted(trace.count(), &csr);
    if sorted.len() < trace.events.len() {
        let circles = order::cycles(&csr, MOST);
        let told = |cycle: &Vec<Edge>| contradiction(trace, None, cycle);
        return Ok(Verdict::Violated(circles.iter().map(told).collect()));
    }
    let clocks = Clocks::new(trace, &sorted, limits)?;
    let conflicts = conflicts(trace, &clocks, limits)?;
    let clocks = Some(&clocks);
    let wrong = conflicts.wrong.iter().map(|wrong| match wrong {
        // From the write that was read through causal order to the one that overwrote it, and back.
        &Wrong::Overwritten(edge) => {
            let mut circle = path(trace, clocks, edge.to, edge.from);
            circle.push(edge);
            contradiction(trace, clocks, &circle)
        }
        &Wrong::Initial { write, read } => contradiction(trace, clocks, &path(trace, clocks, write, read)),
    });
    let wrong: Vec<Contradiction> = wrong.collect();
    if !wrong.is_empty() {
        return Ok(Verdict::Violated(wrong));
    }
    let all = |events: &[u32]| {
        vec![View { session: None, operations: events.iter().map(|&event| trace.op(event)).collect() }]
    };
    if level == Level::Causal {
        return Ok(Verdict::Holds(all(&sorted)));
    }
    edges.extend(conflicts.edges);
    let csr = Csr::new(trace.events.len(), &edges);
    let agreed = order::sorted(trace.count(), &csr);
    if agreed.len() < trace.events.len() {
        let circles = order::cycles(&csr, MOST);
        let told = |cycle: &Vec<Edge>| contradiction(trace, clocks, cycle);
        return Ok(Verdict::Violated(circles.iter().map(told).collect()));
    }
    Ok(Verdict::Holds(all(&agreed)))
}

/// Session order, as far as it does not follow, and reads-from.
fn causal(trace: &Trace<'_>) -> Vec<Edge> {
    let mut edges = Vec::with_capacity(trace.events.len() * 2);
    for to in 0..trace.count() {
        edges.extend(trace.previous(to).iter().map(|&from| Edge { from, to, label: SESSION }));
        let source = trace.event(to).source;
        if source < START {
            edges.push(Edge { from: source, to, label: READ_FROM });
        }
    }
    edges
}

/// How much of each chain each event has seen, itself included.
struct Clocks {
    width: usize,
    entries: Vec<u32>,
}

impl Clocks {
    fn new(trace: &Trace<'_>, sorted: &[u32], limits: &Limits<'_>) -> Result<Self, String> {
        let width = trace.chains.len();
        let bytes = trace.events.len().saturating_mul(width).saturating_mul(size_of::<u32>());
        if bytes > limits.bytes {
            let count = trace.events.len();
            return Err(format!(
                "clocks of {width} sessions for {count} operations take {bytes} bytes, beyond the limit"
            ));
        }
        let mut clocks = Self { width, entries: vec![0; trace.events.len() * width] };
        for (at, &event) in sorted.iter().enumerate() {
            if at & 0xfff == 0 && limits.stopped() {
                return Err(Limits::STOPPED.to_owned());
            }
            let found = trace.event(event);
            let source = Some(found.source).filter(|&source| source < START);
            for before in trace.previous(event).iter().copied().chain(source) {
                let it = trace.event(before);
                if clocks.of(event)[it.chain as usize] < it.place {
                    clocks.include(event, before);
                }
            }
            clocks.entries[event as usize * width + found.chain as usize] = found.place;
        }
        Ok(clocks)
    }

    fn of(&self, event: u32) -> &[u32] {
        &self.entries[event as usize * self.width..(event as usize + 1) * self.width]
    }

    fn include(&mut self, event: u32, seen: u32) {
        let (event, seen) = (event as usize * self.width, seen as usize * self.width);
        for at in 0..self.width {
            self.entries[event + at] = self.entries[event + at].max(self.entries[seen + at]);
        }
    }

    /// Whether `event` has seen `other`, or is it.
    fn seen(&self, trace: &Trace<'_>, event: u32, other: u32) -> bool {
        let other = trace.event(other);
        self.of(event)[other.chain as usize] >= other.place
    }
}

/// What rules out CC.
enum Wrong {
    /// The edge from the write that was seen to the one that was returned, which it had overwritten.
    Overwritten(Edge),
    /// The initial value was read after this write had been seen.
    Initial { write: u32, read: u32 },
}

#[derive(Default)]
struct Conflicts {
    wrong: Vec<Wrong>,
    /// From writes that a read had seen to the one that it returned, where causal order does not say so already.
    edges: Vec<Edge>,
}

fn conflicts(trace: &Trace<'_>, clocks: &Clocks, limits: &Limits<'_>) -> Result<Conflicts, String> {
    let mut found = Conflicts::default();
    for read in 0..trace.count() {
        if read & 0xfff == 0 && limits.stopped() {
            return Err(Limits::STOPPED.to_owned());
        }
        let source = trace.event(read).source;
        if source == NONE {
            continue;
        }
        for write in trace.last_writes(read, |write| clocks.seen(trace, read, write)) {
            let edge = Edge { from: write, to: source, label: read };
            if source == START {
                found.wrong.push(Wrong::Initial { write, read });
            } else if write == source || clocks.seen(trace, source, write) {
                continue;
            } else if clocks.seen(trace, write, source) {
                found.wrong.push(Wrong::Overwritten(edge));
            } else {
                found.edges.push(edge);
                if found.edges.len().saturating_mul(size_of::<Edge>()) > limits.bytes {
                    return Err(
                        "what reads say of the order of writes is beyond the limit of memory".to_owned()
                    );
                }
                continue;
            }
            if found.wrong.len() >= MOST {
                return Ok(found);
            }
            // One way in which a read is wrong is enough.
            break;
        }
    }
    Ok(found)
}

/// A shortest path of causal order: breadth first, backwards from the end.
fn path(trace: &Trace<'_>, clocks: Option<&Clocks>, from: u32, to: u32) -> Vec<Edge> {
    let mut after = rustc_hash::FxHashMap::default();
    let mut layer = vec![to];
    while !after.contains_key(&from) {
        let mut next = Vec::new();
        for &event in &layer {
            let source = Some(trace.event(event).source).filter(|&source| source < START);
            let session = trace.previous(event).iter().map(|&before| (before, SESSION));
            for (before, label) in session.chain(source.map(|source| (source, READ_FROM))) {
                let may = clocks.is_none_or(|clocks| clocks.seen(trace, before, from));
                if may && before != to && !after.contains_key(&before) {
                    after.insert(before, Edge { from: before, to: event, label });
                    next.push(before);
                }
            }
        }
        assert!(!next.is_empty(), "what is in the causal past has a path");
        layer = next;
    }
    let mut edges = Vec::new();
    let mut at = from;
    while at != to {
        let edge = after[&at];
        edges.push(edge);
        at = edge.to;
    }
    edges
}

/// A circle or path of edges in the words of the report. Labels of edges are reads: these edges are inferred.
fn contradiction(trace: &Trace<'_>, clocks: Option<&Clocks>, edges: &[Edge]) -> Contradiction {
    let mut inferred = Vec::new();
    let mut links = Vec::new();
    for edge in edges {
        let why = match edge.label {
            SESSION => Why::Session,
            READ_FROM => Why::ReadFrom,
            read => {
                let path = path(trace, clocks, edge.from, read);
                inferred.push(Inferred {
                    earlier: trace.op(edge.from),
                    later: trace.op(edge.to),
                    read: trace.op(read),
                    path: joined(trace, path.iter().map(|edge| basic(trace, edge)).collect()),
                });
                Why::Inferred(inferred.len() as u32 - 1)
            }
        };
        links.push(Link { from: trace.op(edge.from), to: trace.op(edge.to), why });
    }
    Contradiction { session: None, inferred, links: joined(trace, links) }
}

fn basic(trace: &Trace<'_>, edge: &Edge) -> Link {
    let why = if edge.label == SESSION { Why::Session } else { Why::ReadFrom };
    Link { from: trace.op(edge.from), to: trace.op(edge.to), why }
}

/// Links with each run of session order as one.
pub(super) fn joined(trace: &Trace<'_>, links: Vec<Link>) -> Vec<Link> {
    let session = |link: &Link| trace.history.session(link.from);
    let mut found: Vec<Link> = Vec::new();
    for link in links {
        match found.last_mut() {
            Some(last)
                if (last.why, link.why) == (Why::Session, Why::Session)
                    && session(last) == session(&link) =>
            {
                last.to = link.to;
            }
            _ => found.push(link),
        }
    }
    found
}
