//! The history: operations in flat columns, and the names behind their ids.

use crate::note::NoteTable;
use crate::numbering::Numbering;
use crate::{
    Argument, Function, Id, Interner, KeyId, ListId, Lists, Micro, OpId, Operation, Outcome, ProcessId,
    SessionId, ValueId,
};
use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// What clients did and observed, in the order of events.
///
/// Operations are numbered by invocation, so their ids are in invocation order. An operation takes about 35 bytes, and
/// 16 more if events carry times. Distinct names and values take memory of their own.
#[derive(Clone, Default)]
pub struct History {
    pub(crate) event_count: u32,
    pub(crate) process_names: Vec<i64>,
    pub(crate) other_functions: Vec<String>,
    /// The names of processes that the history names by strings.
    pub(crate) process_labels: FxHashMap<ProcessId, String>,
    /// For each operation, the function as its events name it. Empty if that is [`History::function`] for all
    /// operations.
    pub(crate) typed: Vec<Function>,
    /// The sessions: as JSON where the history names them, `process N` where it does not.
    pub sessions: Interner<SessionId>,
    /// The objects, as canonical JSON. Id 0, `null`, is the object of operations that name none.
    pub keys: Interner<KeyId>,
    /// The values, as canonical JSON. Id 0 is `null`.
    pub values: Interner<ValueId>,
    pub(crate) process: Vec<ProcessId>,
    pub(crate) session: Vec<SessionId>,
    pub(crate) function: Vec<Function>,
    pub(crate) key: Vec<KeyId>,
    pub(crate) argument: Vec<[u32; 2]>,
    pub(crate) result: Vec<ValueId>,
    pub(crate) invoked: Vec<u32>,
    pub(crate) completed: Vec<u32>,
    pub(crate) outcome: Vec<Outcome>,
    pub(crate) micros: Vec<Micro>,
    pub(crate) lists: Lists,
    pub(crate) times: Option<Vec<[i64; 2]>>,
    pub(crate) numbering: Numbering,
    /// The `info` events: the position of each and its operation, in order. They are not in `completed`, which has only
    /// `ok` and `fail`.
    pub(crate) info_events: Vec<(u32, OpId)>,
    pub(crate) versions: Option<Vec<i64>>,
    pub(crate) notes: NoteTable,
    pub(crate) actor_events: Vec<ActorEvent>,
    pub(crate) header: Option<String>,
    pub(crate) without_real_time: bool,
}

/// Marks a time or a version that was not given.
pub(crate) const NOT_GIVEN: i64 = i64::MIN;

/// An event of an actor that is not a client, such as a fault injector.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ActorEvent {
    /// Its position among all events.
    pub position: u32,
    /// Its time in nanoseconds, if it was given.
    pub time: Option<i64>,
    /// The name of the actor: `nemesis`.
    pub actor: String,
    /// `invoke`, `ok`, `fail` or `info`.
    pub kind: String,
    /// What it did: `kill`.
    pub function: String,
    /// The value of the event as JSON: for a fault, usually its targets.
    pub value: String,
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "History({} operations, {} keys)", self.len(), self.keys.len())
    }
}

impl History {
    /// The number of operations.
    #[inline]
    pub fn len(&self) -> usize {
        self.process.len()
    }

    /// Whether the history has no operation.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.process.is_empty()
    }

    /// The number of events, including those of actors. Positions run from zero to this number.
    pub fn event_count(&self) -> u32 {
        self.event_count
    }

    /// The ids of all operations, in order of invocation.
    #[inline]
    pub fn ids(&self) -> impl ExactSizeIterator<Item = OpId> + use<> {
        (0..self.len()).map(OpId::new)
    }

    /// All operations, in order of invocation.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = Operation> + '_ {
        self.ids().map(|id| self.operation(id))
    }

    /// One operation as a row. O(1).
    #[inline(always)] // The caller then reads only the columns that it uses.
    pub fn operation(&self, id: OpId) -> Operation {
        let i = id.index();
        Operation {
            id,
            process: self.process[i],
            session: self.session[i],
            function: self.function[i],
            key: self.key[i],
            argument: self.argument(id),
            result: self.result[i],
            invoked: self.invoked[i],
            completed: self.completed[i],
            outcome: self.outcome[i],
        }
    }

    /// The argument of an operation.
    #[inline]
    pub fn argument(&self, id: OpId) -> Argument {
        let [a, b] = self.argument[id.index()];
        match self.function[id.index()] {
            Function::TXN => Argument::Micros(a as usize..(a + b) as usize),
            Function::CAS => Argument::Pair(ValueId::from_raw(a), ValueId::from_raw(b)),
            _ => Argument::Value(ValueId::from_raw(a)),
        }
    }

    /// The argument of an operation if it is a single value; `null` for a pair or a transaction. As [`Operation::value`], without
    /// the rest of the row.
    #[inline]
    pub fn argument_value(&self, id: OpId) -> ValueId {
        match self.function[id.index()] {
            Function::TXN | Function::CAS => ValueId::NULL,
            _ => ValueId::from_raw(self.argument[id.index()][0]),
        }
    }

    /// The result of an `ok` operation; else `null`.
    #[inline]
    pub fn result(&self, id: OpId) -> ValueId {
        self.result[id.index()]
    }

    /// The position of the invocation of an operation among all events.
    #[inline]
    pub fn invocation_position(&self, id: OpId) -> u32 {
        self.invoked[id.index()]
    }

    /// The position of the `ok` or `fail` event of an operation; [`crate::NEVER`] for `info` and for no completion.
    #[inline]
    pub fn completion_position(&self, id: OpId) -> u32 {
        self.completed[id.index()]
    }

    /// The key of the object of an operation.
    #[inline]
    pub fn key(&self, id: OpId) -> KeyId {
        self.key[id.index()]
    }

    /// The session that an operation belongs to.
    #[inline]
    pub fn session(&self, id: OpId) -> SessionId {
        self.session[id.index()]
    }

    /// The client that did an operation.
    #[inline]
    pub fn process(&self, id: OpId) -> ProcessId {
        self.process[id.index()]
    }

    /// The function of an operation.
    #[inline]
    pub fn function(&self, id: OpId) -> Function {
        self.function[id.index()]
    }

    /// The position of the `ok` or `fail` event of an operation; [`NEVER`](crate::NEVER) if it has none.
    #[inline]
    pub fn completed(&self, id: OpId) -> u32 {
        self.completed[id.index()]
    }

    /// How an operation ended.
    #[inline]
    pub fn outcome(&self, id: OpId) -> Outcome {
        self.outcome[id.index()]
    }

    /// All micro-operations; the argument of a transaction is a range into them.
    #[inline]
    pub fn micros(&self) -> &[Micro] {
        &self.micros
    }

    /// The micro-operations of a transaction; empty for any other operation.
    pub fn micros_of(&self, id: OpId) -> &[Micro] {
        match self.argument(id) {
            Argument::Micros(range) => &self.micros[range],
            Argument::Value(_) | Argument::Pair(..) => &[],
        }
    }

    /// The lists that transactions read.
    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// The elements of one list that a transaction read.
    pub fn list(&self, id: ListId) -> &[ValueId] {
        self.lists.get(id)
    }

    /// The name of a function: `read`.
    pub fn function_name(&self, function: Function) -> &str {
        match Function::WELL_KNOWN.get(function.index()) {
            Some(name) => name,
            None => &self.other_functions[function.index() - Function::WELL_KNOWN.len()],
        }
    }

    /// The name of an operation's function as its events have it: `read`. A transaction may be written under any name,
    /// because its micro-operations show that it is one. This is then that name, while [`History::function`] is
    /// [`Function::TXN`].
    pub fn written_function_name(&self, id: OpId) -> &str {
        let typed = self.typed.get(id.index()).copied();
        self.function_name(typed.unwrap_or_else(|| self.function(id)))
    }

    /// The name of a process for display: its number, or its name if the history names it by a string. A name that
    /// looks like a number is in quotes.
    pub fn process_text(&self, process: ProcessId) -> Cow<'_, str> {
        match self.process_labels.get(&process) {
            Some(name) if name.parse::<i64>().is_ok() => Cow::Owned(format!("{name:?}")),
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(self.process_number(process).to_string()),
        }
    }

    /// The name of a process that the history names by a string: `client-0`.
    pub fn process_label(&self, process: ProcessId) -> Option<&str> {
        self.process_labels.get(&process).map(String::as_str)
    }

    /// The named processes that a reader would not recognise as clients by what they do: the first operation of each
    /// has a function that no model knows.
    pub(crate) fn unrecognised_clients(&self) -> Vec<&str> {
        let mut seen = rustc_hash::FxHashSet::default();
        let mut names = Vec::new();
        if self.process_labels.is_empty() {
            return names;
        }
        for id in self.ids() {
            let process = self.process(id);
            let Some(name) = self.process_label(process).filter(|_| seen.insert(process)) else { continue };
            let known = Function::WELL_KNOWN.contains(&self.written_function_name(id));
            if !known && self.micros_of(id).is_empty() {
                names.push(name);
            }
        }
        names
    }

    /// The number of a process in the history. A process that is named by a string has a number that no other process
    /// has.
    pub fn process_number(&self, process: ProcessId) -> i64 {
        self.process_names[process.index()]
    }

    /// The number of processes.
    pub fn process_count(&self) -> usize {
        self.process_names.len()
    }

    /// The number by which users refer to an operation: the index of its invocation as the history numbers it, or else
    /// its position.
    #[inline]
    pub fn operation_index(&self, id: OpId) -> u64 {
        self.numbering.index_at(self.invoked[id.index()])
    }

    /// The index of the event at a position, as the history numbers it.
    pub fn event_index(&self, position: u32) -> u64 {
        self.numbering.index_at(position)
    }

    /// The operation whose invocation has this index. O(log n) where events are numbered in order, else O(n).
    pub fn find_operation(&self, index: u64) -> Option<OpId> {
        let position = self.numbering.position_of(index).filter(|&position| position < self.event_count)?;
        self.invoked.binary_search(&position).ok().map(OpId::new)
    }

    /// When an operation was invoked, in nanoseconds, if that was recorded.
    #[inline]
    pub fn invoked_at(&self, id: OpId) -> Option<i64> {
        self.times.as_ref().map(|times| times[id.index()][0]).filter(|&time| time != NOT_GIVEN)
    }

    /// When an operation's completion (`ok`, `fail` or `info`) was recorded, in nanoseconds, if that was recorded.
    #[inline]
    pub fn completed_at(&self, id: OpId) -> Option<i64> {
        self.times.as_ref().map(|times| times[id.index()][1]).filter(|&time| time != NOT_GIVEN)
    }

    /// The version of the object that the store returned with an operation: a number that grows with each write to the
    /// object.
    #[inline]
    pub fn version(&self, id: OpId) -> Option<i64> {
        self.versions.as_ref().map(|versions| versions[id.index()]).filter(|&version| version != NOT_GIVEN)
    }

    /// The `info` events: the position of each and its operation, in order.
    pub fn info_events(&self) -> &[(u32, OpId)] {
        &self.info_events
    }

    /// The events of actors that are not clients, in order.
    pub fn actor_events(&self) -> &[ActorEvent] {
        &self.actor_events
    }

    /// The header as a JSON object: what was run, against which store, with which seed.
    pub fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// Whether the order of events is real-time order. Some formats record only what each session did in sequence; the
    /// order between operations of different sessions is then unknown, whatever their positions. A header with
    /// `"real_time":false` says so.
    pub fn has_real_time(&self) -> bool {
        !self.without_real_time
    }

    /// A value for display: its JSON.
    pub fn value_text(&self, value: ValueId) -> &str {
        self.values.text(value)
    }

    /// A key for display: a string without its quotes, any other key as JSON. Empty for the object of a history that
    /// names none.
    pub fn key_text(&self, key: KeyId) -> &str {
        if key == KeyId::NONE {
            return "";
        }
        let text = self.keys.text(key);
        text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
    }

    /// A session for display: a string without its quotes.
    pub fn session_text(&self, session: SessionId) -> &str {
        let text = self.sessions.text(session);
        text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
    }

    /// Numbers the events from zero if two of them have the same index. Returns whether that was necessary. O(n)
    /// memory.
    pub(crate) fn renumber_duplicates(&mut self) -> bool {
        let mut seen = rustc_hash::FxHashSet::default();
        let twice = (0..self.event_count).any(|position| !seen.insert(self.numbering.index_at(position)));
        if twice {
            self.numbering = Numbering::default();
        }
        twice
    }

    /// The memory of the columns in bytes, without names and values.
    pub fn column_bytes(&self) -> usize {
        self.len() * 35
            + self.micros.len() * size_of::<Micro>()
            + self.times.as_ref().map_or(0, |times| times.len() * 16)
            + self.numbering.memory_bytes()
            + self.info_events.len() * 8
            + self.versions.as_ref().map_or(0, |versions| versions.len() * 8)
            + self.notes.column_bytes()
            + self.typed.len() * 2
    }
}
