//! Causal memory and PRAM: each session by itself.
//!
//! # The problem
//!
//! Is there one order of all writes and of a session's own reads in which each of these reads returns what was written
//! last? The order must extend causal order (PRAM: session order and what the session's reads need). What is forced is a
//! least relation (HB): where a read `r` returned `w2` and another write `w1` to the object comes before `r`, `w1` comes
//! before `w2`. If it has no cycle, and the session's reads are in one line, there is an order. Take the reads in turn;
//! before each, put what must come before it and is not there yet, sorted. A write to its object that had been put
//! before an earlier read comes before that read's past and so before `w2`, or is `w2`.
//!
//! # The naive way, and this one
//!
//! A closure of a relation on n operations has n² pairs. But only what comes before the session's own reads matters, and
//! these are in a line: so all of HB that matters is a number for each event, its *rank*, the first of the reads that it
//! must come before. Ranks spread backwards along edges; of each chain the last write to the object of a read whose rank
//! is not above that read's place must take on the rank of the write that was returned, the others of the chain follow.
//! Ranks only fall, so that ends. A session whose operations overlap has several lines of reads, and an event a rank in
//! each: that proves violations; *holds* needs all reads in one line, so some orders of the reads are tried.
//!
//! Each fall is logged with what it follows from. A cycle is told from that log: entries rest on earlier ones only.
//!
//! Cost: a session costs O(n + reads · chains), as long as ranks fall but a few times (each that does is a step
//! against [`Limits`]); 24 bytes an operation, and 4 for each session that reads: its order is the witness.

use super::clocks::{Decided, joined};
use super::order;
use super::trace::{NONE, START, Session, Trace};
use super::{Contradiction, Inferred, Link, View, Why};
use crate::graph::{Csr, Edge};
use crate::{Level, Limits, Verdict};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// An edge of session order, of reads-from, of an order of reads that is only tried. All other labels are the read that
/// an edge follows from.
const SESSION: u32 = u32::MAX;
const READ_FROM: u32 = u32::MAX - 1;
const TRIED: u32 = u32::MAX - 2;

/// What one session showed.
enum Shown {
    /// An order that explains it.
    View(View),
    Contradiction(Contradiction),
    /// HB has no cycle, but there are several lines of reads; a sorted order of HB.
    Open(Vec<u32>),
}

/// Decides CM or PRAM; the error says why it is unknown.
pub(super) fn decide(trace: &Trace<'_>, level: Level, limits: &Limits<'_>) -> Decided {
    let reading: Vec<&Session> =
        trace.sessions.iter().filter(|session| !lines(trace, session).is_empty()).collect();
    let bytes = trace.events.len().saturating_mul(24 + 4 * reading.len());
    if bytes > limits.bytes {
        let (count, sessions) = (trace.events.len(), reading.len());
        return Err(format!(
            "orders of {count} operations for each of {sessions} sessions take {bytes} bytes, beyond the limit"
        ));
    }
    let (mut views, mut contradictions, mut open) = (Vec::new(), Vec::new(), None);
    let mut steps = limits.steps;
    for session in reading {
        let lines = lines(trace, session);
        let mut ask = |lines: Vec<Vec<u32>>, tried: bool| {
            let mut ranks = Ranks::new(trace, level, session, lines, tried);
            ranks.settle(limits, &mut steps)?;
            Ok::<_, String>(ranks.shown())
        };
        let overlapping = lines.len() > 1;
        let mut shown = ask(lines.clone(), false)?;
        if let Shown::Open(sorted) = &shown {
            for order in guesses(trace, &lines, sorted) {
                if let found @ Shown::View(_) = ask(vec![order], overlapping)? {
                    shown = found;
                    break;
                }
            }
        }
        match shown {
            Shown::View(view) => views.push(view),
            Shown::Contradiction(found) => contradictions.push(found),
            Shown::Open(_) => {
                open.get_or_insert(session.id);
            }
        }
        // What is found of one session rules out the level; a few are enough to tell.
        if contradictions.len() >= super::ANOMALIES_MAX {
            break;
        }
    }
    match open {
        _ if !contradictions.is_empty() => Ok(Verdict::Violated(contradictions)),
        Some(session) => Err(format!(
            "session {} had several operations in flight at once; nothing rules out an order of its reads, and those that \
             were tried do not fit",
            trace.history.session_text(session)
        )),
        None => Ok(Verdict::Holds(views)),
    }
}

/// The reads of a session, chain by chain.
fn lines(trace: &Trace<'_>, session: &Session) -> Vec<Vec<u32>> {
    let reads = |chain: u32| {
        let chain = trace.chains[chain as usize].iter().copied();
        chain.filter(|&event| trace.event(event).source != NONE).collect::<Vec<u32>>()
    };
    session.chains.clone().map(reads).filter(|line| !line.is_empty()).collect()
}

/// Orders of a session's reads that may fit: a sorted one of what is forced, that of completions, that of invocations.
fn guesses(trace: &Trace<'_>, lines: &[Vec<u32>], sorted: &[u32]) -> Vec<Vec<u32>> {
    let invoked: Vec<u32> = {
        let mut all: Vec<u32> = lines.concat();
        all.sort_unstable();
        all
    };
    let own: FxHashSet<u32> = invoked.iter().copied().collect();
    let forced = sorted.iter().copied().filter(|event| own.contains(event)).collect();
    let mut completed = invoked.clone();
    completed.sort_by_key(|&event| super::trace::ends(trace.history, trace.op(event)));
    vec![forced, completed, invoked]
}

/// A fall of a rank.
#[derive(Clone, Copy)]
struct Entry {
    event: u32,
    /// The entry of the event that it must come before and has its rank from; [`NONE`] for a read of the line itself.
    parent: u32,
    /// The read that this follows from; [`NONE`] where it is an edge of the history.
    read: u32,
    /// What put `event` before that read.
    because: u32,
}

/// The ranks of all events, for one session.
struct Ranks<'a> {
    trace: &'a Trace<'a>,
    level: Level,
    session: &'a Session,
    lines: Vec<Vec<u32>>,
    /// Whether the one line is an order that is only tried.
    tried: bool,
    /// Of each own read its line and its place there.
    place: FxHashMap<u32, (u32, u32)>,
    /// Of each object and line the reads, by place.
    reads: FxHashMap<(u32, u32), Vec<(u32, u32)>>,
    /// Of each write that the session read and each line the last read that returned it.
    last_reads: FxHashMap<u32, Vec<(u32, u32)>>,
    /// By line, by event: a place in the line, or [`NONE`].
    ranks: Vec<Vec<u32>>,
    /// By line, by event: the entry that set the rank.
    entries: Vec<Vec<u32>>,
    log: Vec<Entry>,
    /// What fell and was not followed up: the event, the line, the rank before.
    fallen: VecDeque<(u32, u32, u32)>,
}

impl<'a> Ranks<'a> {
    fn new(
        trace: &'a Trace<'a>,
        level: Level,
        session: &'a Session,
        lines: Vec<Vec<u32>>,
        tried: bool,
    ) -> Self {
        let count = trace.events.len();
        let mut ranks = Self {
            trace,
            level,
            session,
            tried,
            place: FxHashMap::default(),
            reads: FxHashMap::default(),
            last_reads: FxHashMap::default(),
            ranks: vec![vec![NONE; count]; lines.len()],
            entries: vec![vec![NONE; count]; lines.len()],
            log: Vec::new(),
            fallen: VecDeque::new(),
            lines,
        };
        for (line, reads) in (0u32..).zip(&ranks.lines) {
            for (place, &read) in (0u32..).zip(reads) {
                let event = trace.event(read);
                ranks.place.insert(read, (line, place));
                ranks.reads.entry((event.object, line)).or_default().push((place, read));
                if event.source < START {
                    let last = ranks.last_reads.entry(event.source).or_default();
                    match last.last_mut() {
                        Some(known) if known.0 == line => known.1 = read,
                        _ => last.push((line, read)),
                    }
                }
            }
        }
        ranks
    }

    /// What must come right before an event, with the label of the edge.
    fn before(&self, event: u32) -> impl Iterator<Item = (u32, u32)> + use<'a> {
        let own = self.place.get(&event).copied();
        let source = self.trace.event(event).source;
        let source = (source < START && (own.is_some() || self.level == Level::CausalMemory))
            .then_some((source, READ_FROM));
        let tried = own
            .filter(|_| self.tried)
            .and_then(|(line, place)| {
                place.checked_sub(1).map(|place| self.lines[line as usize][place as usize])
            })
            .map(|read| (read, TRIED));
        let session = self.trace.previous(event).iter().map(|&before| (before, SESSION));
        session.chain(source).chain(tried)
    }

    fn rank(&self, line: u32, event: u32) -> u32 {
        self.ranks[line as usize][event as usize]
    }

    fn fall(&mut self, line: u32, rank: u32, entry: Entry) {
        let known = &mut self.ranks[line as usize][entry.event as usize];
        if rank < *known {
            self.fallen.push_back((entry.event, line, *known));
            *known = rank;
            self.entries[line as usize][entry.event as usize] = self.log.len() as u32;
            self.log.push(entry);
        }
    }

    /// Lets ranks fall until nothing is left to follow.
    fn settle(&mut self, limits: &Limits<'_>, steps: &mut u64) -> Result<(), String> {
        for line in 0..self.lines.len() as u32 {
            for place in 0..self.lines[line as usize].len() as u32 {
                let event = self.lines[line as usize][place as usize];
                self.fall(line, place, Entry { event, parent: NONE, read: NONE, because: NONE });
                while let Some((event, line, _)) = self.next(limits, steps)? {
                    self.spread(event, line);
                }
            }
        }
        let mut sources: Vec<u32> = self.last_reads.keys().copied().collect();
        sources.sort_unstable();
        // While ranks fall along a chain, the last of its writes cannot be told for sure: the last round looks again.
        loop {
            let before = self.log.len();
            for &source in &sources {
                for line in 0..self.lines.len() as u32 {
                    self.overwritten(source, line);
                }
            }
            if self.log.len() == before {
                return Ok(());
            }
            while let Some((event, line, before)) = self.next(limits, steps)? {
                self.spread(event, line);
                self.overwritten(event, line);
                self.overwriting(event, line, before);
            }
        }
    }

    fn next(&mut self, limits: &Limits<'_>, steps: &mut u64) -> Result<Option<(u32, u32, u32)>, String> {
        if self.fallen.len() & 0xff == 1 && limits.stopped() {
            return Err(Limits::STOPPED.to_owned());
        }
        let next = self.fallen.pop_front();
        if next.is_some() {
            *steps = steps.checked_sub(1).ok_or("the limit of steps was reached")?;
            if self.log.len() >= NONE as usize {
                return Err("the order of a session took more than 2^32 steps".to_owned());
            }
        }
        Ok(next)
    }

    /// What comes right before an event comes before whatever that does.
    fn spread(&mut self, event: u32, line: u32) {
        let (rank, parent) = (self.rank(line, event), self.entries[line as usize][event as usize]);
        let before: Vec<u32> = self.before(event).map(|before| before.0).collect();
        for event in before {
            self.fall(line, rank, Entry { event, parent, read: NONE, because: NONE });
        }
    }

    /// What the session had seen when it read `source` comes before whatever that does.
    fn overwritten(&mut self, source: u32, line: u32) {
        let Some(reads) = self.last_reads.get(&source) else { return };
        let (rank, parent) = (self.rank(line, source), self.entries[line as usize][source as usize]);
        if rank == NONE {
            return;
        }
        let mut entries = Vec::new();
        for &(of, read) in reads {
            for event in self.seen(of, read).filter(|&event| event != source) {
                entries.push(Entry {
                    event,
                    parent,
                    read,
                    because: self.entries[of as usize][event as usize],
                });
            }
        }
        entries.into_iter().for_each(|entry| self.fall(line, rank, entry));
    }

    /// The last write of each chain to the object of a read that comes before the read.
    fn seen(&self, line: u32, read: u32) -> impl Iterator<Item = u32> {
        let (_, place) = self.place[&read];
        let ranks = &self.ranks[line as usize];
        self.trace.last_writes(read, move |write| ranks[write as usize] <= place)
    }

    /// A write that comes before further reads of its object comes before what those returned.
    fn overwriting(&mut self, event: u32, line: u32, before: u32) {
        let found = *self.trace.event(event);
        if !found.writes {
            return;
        }
        let (rank, because) = (self.rank(line, event), self.entries[line as usize][event as usize]);
        // Of later reads the next write of its chain says the same and more.
        let written = &self.trace.written[found.object as usize];
        let at = written.binary_search_by_key(&found.chain, |written| written.chain);
        let chain = &written[at.expect("it is written by its chain")].events;
        let next = chain.binary_search(&event).expect("it is one of them") + 1;
        let until = chain.get(next).map_or(before, |&next| before.min(self.rank(line, next)));
        let Some(reads) = self.reads.get(&(found.object, line)) else { return };
        let from = reads.partition_point(|read| read.0 < rank);
        let reads: Vec<u32> =
            reads[from..].iter().take_while(|read| read.0 < until).map(|read| read.1).collect();
        for read in reads {
            let source = self.trace.event(read).source;
            if source >= START || source == event || read == event {
                continue;
            }
            for line in 0..self.lines.len() as u32 {
                let rank = self.rank(line, source);
                if rank != NONE {
                    let parent = self.entries[line as usize][source as usize];
                    self.fall(line, rank, Entry { event, parent, read, because });
                }
            }
        }
    }

    /// What settled ranks show.
    fn shown(&self) -> Shown {
        let reads =
            (0u32..).zip(&self.lines).flat_map(|(line, reads)| reads.iter().map(move |&read| (line, read)));
        for (line, read) in reads {
            if self.trace.event(read).source == START
                && let Some(write) = self.seen(line, read).next()
            {
                if self.tried {
                    return Shown::Open(Vec::new());
                }
                let entry = self.entries[line as usize][write as usize];
                return Shown::Contradiction(self.contradiction(None, Some((entry, read))));
            }
        }
        let mut edges: Vec<Edge> = Vec::with_capacity(2 * self.trace.events.len());
        for to in 0..self.trace.count() {
            edges.extend(self.before(to).map(|(from, label)| Edge { from, to, label }));
        }
        for (&to, reads) in &self.last_reads {
            for &(line, read) in reads {
                let seen = self.seen(line, read).filter(|&from| from != to);
                edges.extend(seen.map(|from| Edge { from, to, label: read }));
            }
        }
        let csr = Csr::new(self.trace.events.len(), &edges);
        drop(edges);
        let sorted = order::sorted(self.trace.count(), &csr);
        if sorted.len() < self.trace.events.len() {
            if self.tried {
                // It says only that this order of the reads does not fit.
                return Shown::Open(Vec::new());
            }
            let cycle = order::cycles(&csr, 1).pop().expect("what cannot be sorted has a cycle");
            return Shown::Contradiction(self.contradiction(Some(&cycle), None));
        }
        match self.ranks.as_slice() {
            [only] => Shown::View(self.view(&sorted, only)),
            _ => Shown::Open(sorted),
        }
    }

    /// What each read needs right before it, read by read.
    fn view(&self, sorted: &[u32], ranks: &[u32]) -> View {
        let last = self.lines[0].len() as u32;
        let mut starts = vec![0u32; last as usize + 2];
        for &event in sorted {
            starts[ranks[event as usize].min(last) as usize + 1] += 1;
        }
        for at in 0..=last as usize {
            starts[at + 1] += starts[at];
        }
        let mut operations = vec![histories::OpId::from_raw(0); sorted.len()];
        for &event in sorted {
            let at = &mut starts[ranks[event as usize].min(last) as usize];
            operations[*at as usize] = self.trace.op(event);
            *at += 1;
        }
        View { session: Some(self.session.id), operations }
    }
}

/// From the log to words.
impl Ranks<'_> {
    /// A cycle, or a path from a write (by its entry) to a read of the initial value.
    fn contradiction(&self, cycle: Option<&[Edge]>, initial: Option<(u32, u32)>) -> Contradiction {
        let mut wanted: FxHashSet<u32> = FxHashSet::default();
        let mut paths: Vec<u32> = initial.iter().map(|found| found.0).collect();
        let because = |edge: &Edge| {
            let (line, _) = self.place[&edge.label];
            self.entries[line as usize][edge.from as usize]
        };
        let inferred_edges = cycle.unwrap_or_default().iter().filter(|edge| edge.label < TRIED);
        paths.extend(inferred_edges.map(because));
        while let Some(mut at) = paths.pop() {
            while at != NONE {
                let entry = self.log[at as usize];
                if entry.read != NONE && wanted.insert(at) {
                    paths.push(entry.because);
                }
                at = entry.parent;
            }
        }
        let mut wanted: Vec<u32> = wanted.into_iter().collect();
        wanted.sort_unstable();
        let mut inferred = Vec::new();
        for &at in &wanted {
            let entry = self.log[at as usize];
            let later = self.log[entry.parent as usize].event;
            inferred.push(self.inferred(entry.event, later, entry.read, entry.because, &wanted));
        }
        let links = match (cycle, initial) {
            (Some(cycle), _) => {
                let mut links = Vec::new();
                for edge in cycle {
                    let why = match edge.label {
                        SESSION | TRIED => Why::Session,
                        READ_FROM => Why::ReadFrom,
                        read => {
                            inferred.push(self.inferred(edge.from, edge.to, read, because(edge), &wanted));
                            Why::Inferred(inferred.len() as u32 - 1)
                        }
                    };
                    links.push(self.link(edge.from, edge.to, why));
                }
                joined(self.trace, links)
            }
            (None, Some((entry, read))) => self.path(entry, read, &wanted),
            (None, None) => Vec::new(),
        };
        Contradiction { session: Some(self.session.id), inferred, links }
    }

    fn inferred(&self, earlier: u32, later: u32, read: u32, because: u32, wanted: &[u32]) -> Inferred {
        let op = |event| self.trace.op(event);
        let path = self.path(because, read, wanted);
        Inferred { earlier: op(earlier), later: op(later), read: op(read), path }
    }

    /// How an entry leads to a read: along its parents to a read of that line, and on in the line.
    fn path(&self, mut at: u32, read: u32, wanted: &[u32]) -> Vec<Link> {
        let mut links = Vec::new();
        loop {
            let entry = self.log[at as usize];
            if entry.parent == NONE {
                if entry.event != read {
                    links.push(self.link(entry.event, read, Why::Session));
                }
                return joined(self.trace, links);
            }
            let to = self.log[entry.parent as usize].event;
            let why = match entry.read {
                NONE if self.before(to).any(|before| before == (entry.event, READ_FROM)) => Why::ReadFrom,
                NONE => Why::Session,
                _ => Why::Inferred(wanted.binary_search(&at).expect("all on the way are wanted") as u32),
            };
            links.push(self.link(entry.event, to, why));
            at = entry.parent;
        }
    }

    fn link(&self, from: u32, to: u32, why: Why) -> Link {
        Link { from: self.trace.op(from), to: self.trace.op(to), why }
    }
}
