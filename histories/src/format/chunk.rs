//! What one block of a file says: events with names of their own, to be merged in the file's order.
//!
//! Blocks are parsed in parallel, and a table of names that all threads share would make them wait for each
//! other. So each chunk numbers its names itself, and [`super::merge`] translates: once for each name of a
//! chunk, not once for each event. Pairing is left to the merge too, for an operation may begin in one block
//! and end in another.

use super::datum::Flaw;
use crate::history::NOT_GIVEN;
use crate::{ActorEvent, Id, Interner, MicroKind};
use rustc_hash::FxHashMap;

/// A name within one chunk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct LocalId(pub(super) u32);

impl LocalId {
    /// No name was given.
    pub(super) const ABSENT: LocalId = LocalId(u32::MAX);

    pub(super) fn if_given(self) -> Option<LocalId> {
        (self != Self::ABSENT).then_some(self)
    }
}

impl Id for LocalId {
    fn new(index: usize) -> Self {
        assert!(index < u32::MAX as usize, "more names than fit in 32 bits");
        Self(index as u32)
    }
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// The type of an event, or why it is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EventKind {
    Invoke,
    Ok,
    Fail,
    Info,
    /// An event of an actor; its process is its place in [`Chunk::actors`].
    Actor,
    /// Something with a flaw. It is kept so that its other half is not reported as well.
    Broken,
}

/// The value of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EventValue {
    One(LocalId),
    Pair(LocalId, LocalId),
    /// A range of [`Chunk::micros`].
    Micros {
        start: u32,
        len: u32,
    },
}

/// One event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ChunkEvent {
    /// Where its text starts in the block.
    pub(super) at: u32,
    pub(super) kind: EventKind,
    pub(super) process: LocalId,
    pub(super) function: LocalId,
    /// The name in `f` of a transaction that is not called `txn`.
    pub(super) typed: LocalId,
    /// The same event as one of an actor, if its process is a string: its place in [`Chunk::actors`]. Whether the process
    /// is a client depends on its other events.
    pub(super) actor: LocalId,
    /// Whether it is a compare-and-set written as `[key, old, new]`.
    pub(super) is_flat: bool,
    pub(super) session: LocalId,
    pub(super) key: LocalId,
    pub(super) value: EventValue,
    pub(super) note: LocalId,
    /// `NOT_GIVEN` where absent, as are the two that follow.
    pub(super) time: i64,
    pub(super) index: i64,
    pub(super) version: i64,
}

impl ChunkEvent {
    /// An event of which nothing is known but its place.
    pub(super) fn broken(at: usize, process: LocalId) -> Self {
        ChunkEvent {
            at: at as u32,
            kind: EventKind::Broken,
            process,
            function: LocalId::ABSENT,
            typed: LocalId::ABSENT,
            actor: LocalId::ABSENT,
            is_flat: false,
            session: LocalId::ABSENT,
            key: LocalId::ABSENT,
            value: EventValue::One(LocalId::ABSENT),
            note: LocalId::ABSENT,
            time: NOT_GIVEN,
            index: NOT_GIVEN,
            version: NOT_GIVEN,
        }
    }
}

/// A micro-operation; of a list that was read, the payload is a range of [`Chunk::elements`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LocalMicro {
    pub(super) kind: MicroKind,
    pub(super) key: LocalId,
    pub(super) value: LocalId,
    pub(super) len: u32,
}

/// What one block says.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) events: Vec<ChunkEvent>,
    pub(super) micros: Vec<LocalMicro>,
    pub(super) elements: Vec<LocalId>,
    pub(super) processes: Vec<ProcessName>,
    process_ids: ProcessIds,
    pub(super) functions: Interner<LocalId>,
    pub(super) sessions: Interner<LocalId>,
    pub(super) keys: Interner<LocalId>,
    pub(super) values: Interner<LocalId>,
    pub(super) notes: Interner<LocalId>,
    pub(super) actors: Vec<ActorEvent>,
    pub(super) header: Option<String>,
    /// In order of their places, to [`FLAWS_MAX`].
    pub(super) flaws: Vec<Flaw>,
    pub(super) more_flaws: u64,
    /// Lines of a log that are no events.
    pub(super) left_out: u64,
    /// Opening and closing brackets around events: where, and whether it opens.
    pub(super) brackets: Vec<(u32, bool)>,
    /// Room to put a text together in.
    pub(super) scratch: String,
}

/// How many flaws of one chunk are kept.
pub(super) const FLAWS_MAX: usize = 100;

/// What an event calls its process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum ProcessName {
    Number(i64),
    Name(String),
}

/// Process numbers to ids: an array for the small numbers that most are, a map for the rest.
#[derive(Default)]
struct ProcessIds {
    small: Vec<u32>,
    other: FxHashMap<i64, LocalId>,
    named: FxHashMap<String, LocalId>,
}

const SMALL_PROCESSES: i64 = 4096;

impl Chunk {
    pub(super) fn intern_process(&mut self, name: i64) -> LocalId {
        let next = LocalId::new(self.processes.len());
        let id = if (0..SMALL_PROCESSES).contains(&name) {
            let at = name as usize;
            if at >= self.process_ids.small.len() {
                self.process_ids.small.resize(at + 1, u32::MAX);
            }
            let slot = &mut self.process_ids.small[at];
            if *slot == u32::MAX {
                *slot = next.0;
            }
            LocalId(*slot)
        } else {
            *self.process_ids.other.entry(name).or_insert(next)
        };
        if id == next {
            self.processes.push(ProcessName::Number(name));
        }
        id
    }

    pub(super) fn intern_named_process(&mut self, name: &str) -> LocalId {
        if let Some(&known) = self.process_ids.named.get(name) {
            return known;
        }
        let id = LocalId::new(self.processes.len());
        self.process_ids.named.insert(name.to_owned(), id);
        self.processes.push(ProcessName::Name(name.to_owned()));
        id
    }

    pub(super) fn add_flaw(&mut self, flaw: Flaw) {
        if self.flaws.len() < FLAWS_MAX {
            self.flaws.push(flaw);
        } else {
            self.more_flaws += 1;
        }
    }

    /// Reports what is wrong with the event at `at`.
    pub(super) fn add_broken_event(
        &mut self,
        at: usize,
        process: LocalId,
        flaws: impl IntoIterator<Item = Flaw>,
    ) {
        self.events.push(ChunkEvent::broken(at, process));
        for flaw in flaws {
            self.add_flaw(flaw);
        }
    }

    /// Whether reading on would only count.
    pub(super) fn has_too_many_flaws(&self) -> bool {
        self.more_flaws > 0
    }
}
