//! The content of one block of a file: events whose names are numbered within the block, to be merged in the order of
//! the file.
//!
//! Blocks are parsed in parallel. If all threads shared one table of names, they would wait for each other. So each
//! chunk numbers its names itself, and [`super::merge`] translates each name of a chunk once, not once per event.
//! Pairing is also left to the merge, because an operation may begin in one block and end in another.

use super::datum::Flaw;
use crate::history::NOT_GIVEN;
use crate::intern::HashedNames;
use crate::note::{NO_NUMBER, SplitNote};
use crate::{ActorEvent, Id, Interner, MicroKind};
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex};

/// The number of a name within one chunk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct LocalId(pub(super) u32);

impl LocalId {
    /// No name was given.
    pub(super) const ABSENT: LocalId = LocalId(u32::MAX);

    pub(super) fn if_given(self) -> Option<LocalId> {
        (self != Self::ABSENT).then_some(self)
    }

    /// The name with this number among [`Chunk::shared_keys`].
    pub(super) fn of_shared(number: usize) -> LocalId {
        debug_assert!(number < Self::SHARED as usize, "names that are shared are few");
        LocalId(number as u32 | Self::SHARED)
    }

    /// The number of the name among [`Chunk::shared_keys`], if it is one of them.
    pub(super) fn shared_number(self) -> Option<usize> {
        (self.0 & Self::SHARED != 0).then_some((self.0 & !Self::SHARED) as usize)
    }

    /// Marks names of [`Chunk::shared_keys`].
    const SHARED: u32 = 1 << 31;
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

/// The further fields of an event: their pattern, and the number that is kept apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LocalNote {
    pub(super) pattern: LocalId,
    pub(super) number: i64,
}

impl LocalNote {
    /// No further fields.
    pub(super) const ABSENT: LocalNote = LocalNote { pattern: LocalId::ABSENT, number: NO_NUMBER };
}

/// The type of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EventKind {
    Invoke,
    Ok,
    Fail,
    Info,
    /// An event of an actor; its `process` is an index into [`Chunk::actors`].
    Actor,
    /// An event with a flaw. It is kept so that the other event of the operation is not reported as well.
    Broken,
}

impl EventKind {
    /// The type of an event as it stands in files.
    pub(super) fn event_type(self) -> Option<&'static str> {
        match self {
            EventKind::Invoke => Some("invoke"),
            EventKind::Ok => Some("ok"),
            EventKind::Fail => Some("fail"),
            EventKind::Info => Some("info"),
            EventKind::Actor | EventKind::Broken => None,
        }
    }
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
    /// The place of its text in the block.
    pub(super) at: u32,
    pub(super) kind: EventKind,
    pub(super) process: LocalId,
    pub(super) function: LocalId,
    /// The name in `f` if this is a transaction under another name than `txn`.
    pub(super) typed: LocalId,
    /// The index in [`Chunk::actors`] of the same event as an actor's event, if its process is a string. Whether such a
    /// process is a client depends on its other events.
    pub(super) actor: LocalId,
    /// Whether the event is a compare-and-set written as `[key, old, new]`.
    pub(super) is_flat: bool,
    pub(super) session: LocalId,
    pub(super) key: LocalId,
    pub(super) value: EventValue,
    pub(super) note: LocalNote,
    /// `NOT_GIVEN` if absent; so are the next two.
    pub(super) time: i64,
    pub(super) index: i64,
    pub(super) version: i64,
}

impl ChunkEvent {
    /// A broken event, of which only the place and possibly the process are known.
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
            note: LocalNote::ABSENT,
            time: NOT_GIVEN,
            index: NOT_GIVEN,
            version: NOT_GIVEN,
        }
    }
}

/// A micro-operation. For a read of a list, `value` is a list of the chunk and `len` the number of its first elements
/// that were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LocalMicro {
    pub(super) kind: MicroKind,
    pub(super) key: LocalId,
    pub(super) value: LocalId,
    pub(super) len: u32,
}

/// A list that was read: a range of [`ChunkLists::elements`].
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalList {
    pub(super) start: u32,
    pub(super) len: u32,
}

/// The lists that transactions of a chunk read. A store of append-only lists shows most readers of a key a prefix of
/// what the next reader sees, so many reads share one list, each with its own length.
#[derive(Default)]
pub(super) struct ChunkLists {
    pub(super) elements: Vec<LocalId>,
    lists: Vec<LocalList>,
}

impl ChunkLists {
    /// Adds an empty list.
    pub(super) fn start_list(&mut self) -> LocalId {
        self.lists.push(LocalList { start: self.elements.len() as u32, len: 0 });
        LocalId::new(self.lists.len() - 1)
    }

    /// Appends an element to a list. O(1) if no element was appended to another list since the last one, else O(length):
    /// the list is moved to the end of the elements. The reads that share it keep their elements.
    pub(super) fn push_element(&mut self, list: LocalId, element: LocalId) {
        let LocalList { start, len } = &mut self.lists[list.index()];
        let range = *start as usize..(*start + *len) as usize;
        if range.end != self.elements.len() {
            *start = self.elements.len() as u32;
            self.elements.extend_from_within(range);
        }
        self.elements.push(element);
        *len += 1;
    }

    /// The place of a list.
    pub(super) fn list(&self, list: LocalId) -> LocalList {
        self.lists[list.index()]
    }

    /// The number of lists.
    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }
}

/// The content of one block.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) events: Vec<ChunkEvent>,
    pub(super) micros: Vec<LocalMicro>,
    pub(super) lists: ChunkLists,
    pub(super) processes: Vec<ProcessName>,
    process_ids: ProcessIds,
    pub(super) functions: Interner<LocalId>,
    pub(super) sessions: HashedNames<LocalId>,
    pub(super) keys: HashedNames<LocalId>,
    /// Further keys, which several chunks share: those of one dictionary. Few events of a chunk may use them.
    pub(super) shared_keys: Option<Arc<HashedNames<LocalId>>>,
    pub(super) values: HashedNames<LocalId>,
    /// The patterns of further fields.
    pub(super) notes: HashedNames<LocalId>,
    pub(super) actors: Vec<ActorEvent>,
    pub(super) header: Option<String>,
    /// The flaws, in order of their places; at most [`FLAWS_MAX`].
    pub(super) flaws: Vec<Flaw>,
    pub(super) more_flaws: u64,
    /// The number of lines of a log that are no events.
    pub(super) left_out: u64,
    /// The number of newlines in the block, if it was counted.
    pub(super) newlines: Option<u64>,
    /// The brackets around events: the place of each, and whether it opens.
    pub(super) brackets: Vec<(u32, bool)>,
}

/// Chunks that were merged. Their tables of names are used again, so that each block does not grow its own.
#[derive(Default)]
pub(super) struct SpareChunks(Mutex<Vec<Chunk>>);

/// The number of events, or of names of a kind, above which the memory of a chunk is given back.
const SPARE_LEN_MAX: usize = 1 << 16;

impl SpareChunks {
    /// An empty chunk.
    pub(super) fn take_chunk(&self) -> Chunk {
        self.0.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }

    /// Keeps the memory of a chunk whose content is no longer used.
    pub(super) fn keep_chunk(&self, used: Chunk) {
        let Chunk { mut events, mut sessions, mut keys, mut values, mut notes, .. } = used;
        events.clear();
        let names = [&mut sessions, &mut keys, &mut values, &mut notes];
        if events.capacity().max(names.iter().map(|names| names.len()).max().unwrap_or(0)) > SPARE_LEN_MAX {
            return;
        }
        names.into_iter().for_each(HashedNames::clear);
        if let Ok(mut spare) = self.0.lock() {
            spare.push(Chunk { events, sessions, keys, values, notes, ..Chunk::default() });
        }
    }
}

/// The number of flaws of one chunk that are kept.
pub(super) const FLAWS_MAX: usize = 100;

/// The name of a process in its events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum ProcessName {
    Number(i64),
    Name(String),
}

/// Interns the pattern of further fields.
pub(super) fn intern_note(notes: &mut HashedNames<LocalId>, split: SplitNote<'_>) -> LocalNote {
    LocalNote { pattern: notes.intern(split.pattern), number: split.number }
}

/// Maps processes to ids: an array for small numbers, which most are, and maps for the rest.
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

    /// The text of a key and its hash.
    pub(super) fn key_name(&self, key: LocalId) -> (&str, u32) {
        let (names, id) = match (key.shared_number(), &self.shared_keys) {
            (Some(number), Some(shared)) => (&**shared, LocalId::new(number)),
            _ => (&self.keys, key),
        };
        (names.text(id), names.hash(id))
    }

    /// The text of the further fields of an event that has some.
    pub(super) fn note_text(&self, note: LocalNote) -> String {
        SplitNote { pattern: self.notes.text(note.pattern), number: note.number }.join()
    }

    pub(super) fn add_flaw(&mut self, flaw: Flaw) {
        if self.flaws.len() < FLAWS_MAX {
            self.flaws.push(flaw);
        } else {
            self.more_flaws += 1;
        }
    }

    /// Adds a broken event with its place, its process and its flaws.
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

    /// Whether there are more flaws than are kept, so that parsing further would only count them.
    pub(super) fn has_too_many_flaws(&self) -> bool {
        self.more_flaws > 0
    }
}
