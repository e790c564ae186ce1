//! What took effect, who read from whom, and what came before what in each session.
//!
//! Session order is an interval order: `a` before `b` if `a` completed before `b` was invoked. It is cut into *chains*,
//! sequences of operations of one session each of which completed before the next was invoked: one chain for a session
//! that does one thing at a time, one for each tab otherwise. Whoever has seen an operation has seen all of its chain
//! before it, so that "the last of this chain" says everything about the chain.

use crate::check::Question;
use crate::sessions::objects::{INITIAL, Objects, Read, Row};
use histories::{History, Id, NEVER, OpId, SessionId};

/// No operation.
pub(super) const NONE: u32 = u32::MAX;
/// What a read returned that returned the initial value.
pub(super) const START: u32 = u32::MAX - 1;

/// One operation that took effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) op: OpId,
    /// Its object, by number.
    pub(super) object: u32,
    /// The event whose value it read, [`START`], or [`NONE`] if it reads nothing.
    pub(super) source: u32,
    pub(super) writes: bool,
    pub(super) chain: u32,
    /// In its chain, from one.
    pub(super) place: u32,
}

/// The events of one chain, in order, that write one object.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) chain: u32,
    pub(super) events: Vec<u32>,
}

/// The chains of one session: a range.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) chains: std::ops::Range<u32>,
}

/// A history as the levels of this room see it. Events are in order of invocation.
pub(super) struct Trace<'h> {
    pub(super) history: &'h History,
    pub(super) events: Vec<Event>,
    /// By object, by chain.
    pub(super) written: Vec<Vec<Written>>,
    pub(super) sessions: Vec<Session>,
    /// The events of each chain, in order.
    pub(super) chains: Vec<Vec<u32>>,
    /// For each event where its predecessors in [`Trace::previous`] begin, and one more.
    starts: Vec<u32>,
    previous: Vec<u32>,
}

impl<'h> Trace<'h> {
    /// O(n), times the number of operations that a session has in flight at once. Every read has one candidate.
    pub(super) fn new(history: &'h History, _question: &Question, objects: &Objects) -> Self {
        let events = events(history, objects);
        let mut trace = Self {
            history,
            events,
            written: vec![Vec::new(); objects.keys.len()],
            sessions: Vec::new(),
            chains: Vec::new(),
            starts: vec![0],
            previous: Vec::new(),
        };
        trace.order();
        trace.writers();
        trace
    }

    /// The events that come right before one in session order; with the rest of their chains, all that do.
    pub(super) fn previous(&self, event: u32) -> &[u32] {
        let at = event as usize;
        &self.previous[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    pub(super) fn event(&self, event: u32) -> &Event {
        &self.events[event as usize]
    }

    pub(super) fn op(&self, event: u32) -> OpId {
        self.events[event as usize].op
    }

    pub(super) fn count(&self) -> u32 {
        self.events.len() as u32
    }

    /// The last writes of each chain that could matter to `reader`: of each chain of writers the last that `before`
    /// holds of, the reader itself left out. `before` holds of a beginning of each chain.
    pub(super) fn last_writes<'a>(
        &'a self,
        reader: u32,
        before: impl Fn(u32) -> bool + 'a,
    ) -> impl Iterator<Item = u32> + 'a {
        let written = &self.written[self.event(reader).object as usize];
        written.iter().filter_map(move |written| {
            let end = written.events.partition_point(|&write| before(write));
            written.events[..end].iter().rev().copied().find(|&write| write != reader)
        })
    }

    /// Cuts sessions into chains, and says what comes right before what.
    fn order(&mut self) {
        let history = self.history;
        let ops: Vec<OpId> = self.events.iter().map(|event| event.op).collect();
        let session = |event: u32| history.session(ops[event as usize]);
        let mut by_session: Vec<u32> = (0..self.count()).collect();
        by_session.sort_by_key(|&event| (session(event), event));
        let mut previous: Vec<(u32, u32)> = Vec::new();
        for same in by_session.chunk_by(|&a, &b| session(a) == session(b)) {
            let first = self.chains.len() as u32;
            // Of each chain that can go on: the event that it ends with, or the last that had completed.
            let mut open: Vec<u32> = Vec::new();
            for &event in same {
                let invoked = history.operation(ops[event as usize]).invoked;
                let completed = |other: u32| ends(history, ops[other as usize]) < invoked;
                for &chain in &open {
                    let chain = &self.chains[chain as usize];
                    previous.extend(
                        chain.iter().rev().copied().find(|&other| completed(other)).map(|it| (event, it)),
                    );
                }
                let free = open
                    .iter()
                    .copied()
                    .find(|&chain| self.chains[chain as usize].last().is_some_and(|&last| completed(last)));
                let chain = free.unwrap_or_else(|| {
                    self.chains.push(Vec::new());
                    self.chains.len() as u32 - 1
                });
                if free.is_none() {
                    open.push(chain);
                }
                self.chains[chain as usize].push(event);
                self.events[event as usize].chain = chain;
                self.events[event as usize].place = self.chains[chain as usize].len() as u32;
                if ends(history, ops[event as usize]) == NEVER && self.chains[chain as usize].len() == 1 {
                    // Nothing comes after it: no need to look at it again.
                    open.retain(|&open| open != chain);
                }
            }
            let id = session(same[0]);
            self.sessions.push(Session { id, chains: first..self.chains.len() as u32 });
        }
        previous.sort_unstable();
        self.starts.resize(self.events.len() + 1, 0);
        for &(event, _) in &previous {
            self.starts[event as usize + 1] += 1;
        }
        for event in 0..self.events.len() {
            self.starts[event + 1] += self.starts[event];
        }
        self.previous = previous.into_iter().map(|pair| pair.1).collect();
    }

    fn writers(&mut self) {
        for (at, chain) in (0u32..).zip(&self.chains) {
            for &event in chain {
                let Event { object, writes: true, .. } = self.events[event as usize] else { continue };
                let written = &mut self.written[object as usize];
                match written.last_mut() {
                    Some(last) if last.chain == at => last.events.push(event),
                    _ => written.push(Written { chain: at, events: vec![event] }),
                }
            }
        }
    }
}

/// When an operation was over, for whoever did it.
pub(super) fn ends(history: &History, op: OpId) -> u32 {
    let operation = history.operation(op);
    if operation.outcome == histories::Outcome::Ok { operation.completed } else { NEVER }
}

/// The operations that took effect, in order of invocation, chains left open.
fn events(history: &History, objects: &Objects) -> Vec<Event> {
    let mut number = vec![NONE; history.len()];
    let mut found: Vec<(Event, Option<OpId>)> = Vec::new();
    for (object, here) in (0u32..).zip(objects.iter()) {
        let took_effect =
            |row: &&Row| row.is_ok() || (row.wrote != INITIAL && here.took_effect[row.wrote as usize - 1]);
        for row in here.rows.iter().filter(took_effect) {
            let (source, writer) = match row.read() {
                Read::Version(INITIAL) => (START, None),
                Read::Version(version) => (NONE, here.writer(version)),
                Read::Nothing | Read::Choice(_) => (NONE, None),
            };
            let writes = row.wrote != INITIAL;
            found.push((Event { op: row.op, object, source, writes, chain: 0, place: 0 }, writer));
        }
    }
    found.sort_unstable_by_key(|event| event.0.op);
    for (at, event) in found.iter().enumerate() {
        number[event.0.op.index()] = at as u32;
    }
    let numbered = |(mut event, writer): (Event, Option<OpId>)| {
        if let Some(writer) = writer {
            event.source = number[writer.index()];
        }
        event
    };
    found.into_iter().map(numbered).collect()
}
