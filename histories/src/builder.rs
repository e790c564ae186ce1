//! Builds a history from events: pairs each completion with the open invocation of its process.

use crate::history::NOT_GIVEN;
use crate::note::split_note;
use crate::{
    ActorEvent, Function, History, Id, KeyId, Micro, MicroKind, NEVER, OpId, Outcome, ProcessId, SessionId,
    ValueId,
};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Builds a [`History`] event by event, in the order in which they happened.
///
/// The caller interns names in [`HistoryBuilder::history`]. O(1) per event.
pub struct HistoryBuilder {
    history: History,
    processes: FxHashMap<i64, ProcessId>,
    named: FxHashMap<String, ProcessId>,
    functions: FxHashMap<String, Function>,
    /// The open operation of each process.
    open: Vec<Option<OpId>>,
    own_sessions: Vec<Option<SessionId>>,
    /// The number of micro-operations that no operation refers to any more.
    forgotten: usize,
    /// The names under which transactions are written, other than `txn`.
    taken: FxHashSet<Function>,
}

/// An `invoke` event.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// The client's number.
    pub process: i64,
    /// The user's session; if none, the process is its own session.
    pub session: Option<SessionId>,
    /// Its function.
    pub function: Function,
    /// Its object; [`KeyId::NONE`] if the history has only one.
    pub key: KeyId,
    /// Its argument.
    pub payload: Payload<'a>,
}

/// An `ok`, `fail` or `info` event.
#[derive(Clone, Copy, Debug)]
pub struct Completion<'a> {
    /// The client's number.
    pub process: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// The function, if the event names it. It must be the one that was invoked.
    pub function: Option<Function>,
    /// The object, if the event names it. It must be the one of the invocation.
    pub key: Option<KeyId>,
    /// The result.
    pub payload: Payload<'a>,
}

/// The `value` of an event, in the shape that its function requires.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// One value.
    Value(ValueId),
    /// `[old, new]` of a compare-and-set.
    Pair(ValueId, ValueId),
    /// The micro-operations of a transaction.
    Micros(&'a [MicroInput<'a>]),
}

/// A micro-operation as a reader passes it to the builder.
#[derive(Clone, Copy, Debug)]
pub enum MicroInput<'a> {
    /// A read that returned one value, or that has no result yet.
    Read(KeyId, ValueId),
    /// A read of a list.
    ReadList(KeyId, &'a [ValueId]),
    /// A write.
    Write(KeyId, ValueId),
    /// An append.
    Append(KeyId, ValueId),
}

/// Why an event does not fit the events before it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PairingError {
    /// A completion without an open invocation.
    #[error(
        "process {process} completes an operation, but it has none open: expected an invoke event before it"
    )]
    NotInvoked {
        /// The client's number.
        process: i64,
    },
    /// A second invocation while one is open.
    #[error(
        "process {process} invokes an operation while its operation {open} is still open: expected its ok, \
         fail or info first (a client that goes on after a time-out does so under a new process number)"
    )]
    AlreadyOpen {
        /// The client's number.
        process: i64,
        /// The index of the open invocation.
        open: u64,
    },
    /// A completion whose function, key or other content differs from the invocation.
    #[error("process {process} completes {found}, but its operation {open} invoked {expected}")]
    Differs {
        /// The client's number.
        process: i64,
        /// The index of the open invocation.
        open: u64,
        /// What the completion has.
        found: String,
        /// What the invocation had.
        expected: String,
    },
    /// A payload in another shape than the function requires.
    #[error("{function} takes {expected}")]
    Shape {
        /// The function.
        function: String,
        /// The required shape of its value.
        expected: &'static str,
    },
}

impl Default for HistoryBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl HistoryBuilder {
    /// A builder without events.
    pub fn new() -> Self {
        let mut history = History::default();
        assert_eq!(history.keys.intern("null"), KeyId::NONE);
        assert_eq!(history.values.intern("null"), ValueId::NULL);
        let functions =
            Function::WELL_KNOWN.iter().zip(0u16..).map(|(&name, n)| (name.to_owned(), Function(n)));
        Self {
            history,
            processes: FxHashMap::default(),
            named: FxHashMap::default(),
            functions: functions.collect(),
            open: Vec::new(),
            own_sessions: Vec::new(),
            forgotten: 0,
            taken: FxHashSet::default(),
        }
    }

    /// The history so far, to intern names in and to look them up.
    pub fn history(&mut self) -> &mut History {
        &mut self.history
    }

    /// Returns the id of a function's name, and adds it if it is new. Panics beyond 65,535 distinct names.
    pub fn intern_function(&mut self, name: &str) -> Function {
        if let Some(&known) = self.functions.get(name) {
            return known;
        }
        let n = u16::try_from(self.functions.len()).expect("at most 65,535 distinct functions");
        self.functions.insert(name.to_owned(), Function(n));
        self.history.other_functions.push(name.to_owned());
        Function(n)
    }

    /// Adds an `invoke` event. After an error the event is not added and its position is not used.
    ///
    /// # Errors
    /// The process has an open operation, or the payload is not of the shape that the function requires.
    pub fn invoke(&mut self, invocation: Invocation<'_>) -> Result<OpId, PairingError> {
        let process = self.intern_process(invocation.process);
        self.invoke_as(process, invocation)
    }

    /// Like [`HistoryBuilder::invoke`], for a process whose id is known. The process number in the event is ignored.
    pub(crate) fn invoke_as(
        &mut self,
        process: ProcessId,
        invocation: Invocation<'_>,
    ) -> Result<OpId, PairingError> {
        if let Some(open) = self.open[process.index()] {
            let open = self.history.operation_index(open);
            return Err(PairingError::AlreadyOpen { process: self.history.process_number(process), open });
        }
        let argument = self.pack_payload(invocation.function, invocation.payload)?;
        let session = invocation.session.unwrap_or_else(|| self.intern_own_session(process));
        let history = &mut self.history;
        let id = OpId::new(history.process.len());
        history.process.push(process);
        history.session.push(session);
        history.function.push(invocation.function);
        history.key.push(invocation.key);
        history.argument.push(argument);
        history.result.push(ValueId::NULL);
        history.invoked.push(history.event_count);
        history.completed.push(NEVER);
        history.outcome.push(Outcome::Info);
        if let Some(times) = &mut history.times {
            times.push([NOT_GIVEN; 2]);
        }
        if let Some(versions) = &mut history.versions {
            versions.push(NOT_GIVEN);
        }
        if !history.typed.is_empty() {
            history.typed.push(invocation.function);
        }
        self.open[process.index()] = Some(id);
        self.advance_position();
        Ok(id)
    }

    /// Adds an `ok`, `fail` or `info` event. After an error the event is not added and its position is not used.
    ///
    /// # Errors
    /// The process has no open operation, the event names another function or key, or the payload is not of the shape
    /// that the function requires.
    pub fn complete(&mut self, completion: Completion<'_>) -> Result<OpId, PairingError> {
        let process = self.intern_process(completion.process);
        self.complete_as(process, completion)
    }

    /// Like [`HistoryBuilder::complete`], for a process whose id is known. The process number in the event is ignored.
    pub(crate) fn complete_as(
        &mut self,
        process: ProcessId,
        completion: Completion<'_>,
    ) -> Result<OpId, PairingError> {
        let Some(id) = self.open[process.index()] else {
            return Err(PairingError::NotInvoked { process: self.history.process_number(process) });
        };
        self.check_same_operation(id, &completion)?;
        if completion.outcome == Outcome::Ok && matches!(completion.payload, Payload::Micros(_)) {
            self.convert_to_transaction(id);
        }
        let (i, function) = (id.index(), self.history.function[id.index()]);
        if completion.outcome == Outcome::Ok {
            match completion.payload {
                Payload::Value(value) if function != Function::TXN => self.history.result[i] = value,
                Payload::Micros(_) => {
                    // The completed transaction repeats everything that was invoked and adds the results of reads.
                    self.release_micros(i);
                    self.history.argument[i] = self.pack_payload(function, completion.payload)?;
                }
                Payload::Value(_) | Payload::Pair(..) => {}
            }
        }
        match completion.outcome {
            Outcome::Info => self.history.info_events.push((self.history.event_count, id)),
            Outcome::Ok | Outcome::Fail => self.history.completed[i] = self.history.event_count,
        }
        self.history.outcome[i] = completion.outcome;
        self.open[process.index()] = None;
        self.advance_position();
        Ok(id)
    }

    /// Adds an event of an actor that is not a client. The position of the event is set here.
    pub fn add_actor_event(&mut self, mut event: ActorEvent) {
        event.position = self.history.event_count;
        self.history.actor_events.push(event);
        self.advance_position();
    }

    /// Sets the time of an operation's invocation or, if `completion`, of its completion, in nanoseconds.
    pub fn set_time(&mut self, id: OpId, completion: bool, time: i64) {
        let len = self.history.process.len();
        let times = self.history.times.get_or_insert_with(|| vec![[NOT_GIVEN; 2]; len]);
        times[id.index()][usize::from(completion)] = time;
    }

    /// Sets the index of an operation's invocation, if it is not its position.
    pub fn set_index(&mut self, id: OpId, index: u64) {
        let (position, count) = (self.history.invoked[id.index()], self.history.event_count);
        self.history.numbering.set_index(position, index, count);
    }

    /// Sets the index of the event that was added last, if it is not its position.
    pub fn set_event_index(&mut self, index: u64) {
        let position = self.history.event_count.checked_sub(1).expect("an event was added");
        self.history.numbering.set_index(position, index, position + 1);
    }

    /// Sets the version of the object that the store returned with an operation.
    pub fn set_version(&mut self, id: OpId, version: i64) {
        let len = self.history.process.len();
        self.history.versions.get_or_insert_with(|| vec![NOT_GIVEN; len])[id.index()] = version;
    }

    /// Adds further fields to the event that was added last, as a JSON object.
    pub fn add_note(&mut self, fields: &str) {
        let mut pattern = String::new();
        let split = split_note(fields, &mut pattern);
        let id = self.history.notes.patterns.intern(split.pattern);
        self.add_split_note(id.index() as u32, split.number);
    }

    /// Sets the header: what was run, as a JSON object. `"real_time":false` in it takes effect: see
    /// [`History::has_real_time`].
    pub fn set_header(&mut self, header: &str) {
        #[derive(serde::Deserialize, Default)]
        struct Heeded {
            real_time: Option<bool>,
        }
        let heeded: Heeded = serde_json::from_str(header).unwrap_or_default();
        self.history.without_real_time = heeded.real_time == Some(false);
        self.history.header = Some(header.to_owned());
    }

    /// Sets the function name that the events of a transaction use, if it is not `txn`.
    pub(crate) fn set_written_function(&mut self, id: OpId, function: Function) {
        let history = &mut self.history;
        if history.typed.is_empty() {
            history.typed.clone_from(&history.function);
        }
        history.typed[id.index()] = function;
        self.taken.insert(function);
    }

    /// Converts an operation that was invoked without a value, and completed with micro-operations, into a transaction.
    fn convert_to_transaction(&mut self, id: OpId) {
        let history = &mut self.history;
        let function = history.function[id.index()];
        if function == Function::TXN || function == Function::CAS {
            return;
        }
        let argument = ValueId::from_raw(history.argument[id.index()][0]);
        if argument == ValueId::NULL || history.value_text(argument) == "[]" {
            self.make_empty_transaction(id);
            self.set_written_function(id, function);
        }
    }

    fn make_empty_transaction(&mut self, id: OpId) {
        let history = &mut self.history;
        history.function[id.index()] = Function::TXN;
        history.argument[id.index()] = [history.micros.len() as u32, 0];
    }

    /// Converts the remaining operations with a name of transactions: those that were invoked without a value and did
    /// not complete as `ok`.
    fn convert_remaining_transactions(&mut self) {
        let ids = self.history.ids().filter(|&id| {
            self.taken.contains(&self.history.function(id)) && self.history.outcome(id) != Outcome::Ok
        });
        let infos: FxHashMap<OpId, u32> =
            self.history.info_events.iter().map(|&(position, id)| (id, position)).collect();
        let mut without_note: FxHashSet<u32> = FxHashSet::default();
        for id in ids.collect::<Vec<_>>() {
            self.convert_to_transaction(id);
            let completed = infos.get(&id).copied().unwrap_or(self.history.completed[id.index()]);
            without_note.extend(self.take_value_of_no_steps(id, completed));
        }
        if !without_note.is_empty() {
            self.history.notes.retain(|position| !without_note.contains(&position));
        }
    }

    /// Takes the value from the note of a completion without a result, if it is the empty list: the transaction has no steps, and says so
    /// already. `completed` is the position of the completion. Returns it if nothing is left of the note.
    fn take_value_of_no_steps(&mut self, id: OpId, completed: u32) -> Option<u32> {
        let history = &mut self.history;
        let fields = history.note(completed)?.fields;
        let mut fields: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(&fields).expect("a note is a JSON object");
        let is_empty_list = fields.get("value").is_some_and(|value| value.get() == "[]");
        if history.function[id.index()] != Function::TXN || !is_empty_list {
            return None;
        }
        fields.remove("value");
        let text = serde_json::to_string(&fields).expect("texts can be written as JSON");
        history.notes.replace(completed, &text);
        fields.is_empty().then_some(completed)
    }

    /// Assigns numbers to named processes: the smallest unused ones, in order of appearance.
    fn number_named_processes(&mut self) {
        let mut named: Vec<ProcessId> = self.named.values().copied().collect();
        named.sort_unstable();
        let mut free = (0..).filter(|number| !self.processes.contains_key(number));
        for process in named {
            self.history.process_names[process.index()] = free.next().expect("numbers do not end");
        }
    }

    /// Marks the history as one without real-time order between processes.
    pub(crate) fn set_without_real_time(&mut self) {
        let header = self.history.header.take();
        let mut fields: std::collections::BTreeMap<String, serde_json::Value> =
            header.and_then(|header| serde_json::from_str(&header).ok()).unwrap_or_default();
        fields.entry("steadfast".to_owned()).or_insert_with(|| 1.into());
        fields.insert("real_time".to_owned(), false.into());
        self.set_header(&serde_json::to_string(&fields).expect("what was JSON is JSON"));
    }

    /// Returns the history. Operations that are still open become indeterminate.
    pub fn finish(mut self) -> History {
        if !self.taken.is_empty() {
            self.convert_remaining_transactions();
        }
        self.number_named_processes();
        if self.forgotten > 0 {
            self.compact_micros();
        }
        self.history
    }

    /// Removes unused micro-operations, so that the others are contiguous in the order of their operations.
    fn compact_micros(&mut self) {
        let history = &mut self.history;
        let mut micros = Vec::with_capacity(history.micros.len() - self.forgotten);
        for (function, argument) in history.function.iter().zip(&mut history.argument) {
            if *function == Function::TXN {
                let [start, len] = *argument;
                argument[0] = micros.len() as u32;
                micros.extend_from_slice(&history.micros[start as usize..(start + len) as usize]);
            }
        }
        history.micros = micros;
    }

    /// The operation that a process has open.
    pub(crate) fn open_operation(&self, process: ProcessId) -> Option<OpId> {
        self.open[process.index()]
    }

    /// Checks that the session of a completion is that of its operation.
    pub(crate) fn check_same_session(&self, id: OpId, found: SessionId) -> Result<(), PairingError> {
        let expected = self.history.session(id);
        if found == expected {
            return Ok(());
        }
        let name = |session| format!("session {}", self.history.sessions.text(session));
        Err(PairingError::Differs {
            process: self.history.process_number(self.history.process[id.index()]),
            open: self.history.operation_index(id),
            found: name(found),
            expected: name(expected),
        })
    }

    /// Interns a pattern of further fields whose hash is known, for [`HistoryBuilder::add_split_note`].
    pub(crate) fn intern_hashed_note(&mut self, pattern: &str, hash: u32) -> u32 {
        self.history.notes.patterns.intern_hashed(pattern, hash).index() as u32
    }

    /// Like [`HistoryBuilder::add_note`], with a pattern that was interned before.
    pub(crate) fn add_split_note(&mut self, pattern: u32, number: i64) {
        let position = self.history.event_count.checked_sub(1).expect("an event was added");
        self.history.notes.push(position, pattern, number);
    }

    /// Returns the id of a process by its number, and adds the process if it is new.
    pub(crate) fn intern_process(&mut self, name: i64) -> ProcessId {
        let next = ProcessId::new(self.open.len());
        let id = *self.processes.entry(name).or_insert(next);
        if id == next {
            self.add_process(name);
        }
        id
    }

    /// Returns the id of a process that has a name instead of a number, and adds the process if it is new.
    pub(crate) fn intern_named_process(&mut self, name: &str) -> ProcessId {
        if let Some(known) = self.find_named_process(name) {
            return known;
        }
        let id = ProcessId::new(self.open.len());
        self.named.insert(name.to_owned(), id);
        self.history.process_labels.insert(id, name.to_owned());
        // A placeholder; its number is assigned when all other numbers are known.
        self.add_process(i64::MIN + id.index() as i64);
        id
    }

    /// The id of the process with this name, if it was added.
    pub(crate) fn find_named_process(&self, name: &str) -> Option<ProcessId> {
        self.named.get(name).copied()
    }

    fn add_process(&mut self, number: i64) {
        self.history.process_names.push(number);
        self.open.push(None);
        self.own_sessions.push(None);
    }

    fn intern_own_session(&mut self, process: ProcessId) -> SessionId {
        if let Some(session) = self.own_sessions[process.index()] {
            return session;
        }
        let name = format!("process {}", self.history.process_text(process));
        let session = self.history.sessions.intern(&name);
        self.own_sessions[process.index()] = Some(session);
        session
    }

    fn check_same_operation(&self, id: OpId, completion: &Completion<'_>) -> Result<(), PairingError> {
        let history = &self.history;
        let (function, key) = (history.function[id.index()], history.key[id.index()]);
        let differs = |found: String, expected: String| PairingError::Differs {
            process: history.process_number(history.process[id.index()]),
            open: history.operation_index(id),
            found,
            expected,
        };
        let typed = history.typed.get(id.index()).copied().unwrap_or(function);
        if let Some(found) = completion.function.filter(|&found| found != typed) {
            let name = |f| format!("f {:?}", history.function_name(f));
            return Err(differs(name(found), name(typed)));
        }
        if let Some(found) = completion.key.filter(|&found| found != key) {
            let name = |k| format!("key {}", history.keys.text(k));
            return Err(differs(name(found), name(key)));
        }
        if function == Function::TXN
            && completion.outcome == Outcome::Ok
            && !matches!(completion.payload, Payload::Micros(_))
        {
            return Err(self.shape_error(function));
        }
        Ok(())
    }

    /// Stores a payload as two argument words: a value, two values, or the start and length of micro-operations.
    fn pack_payload(&mut self, function: Function, payload: Payload<'_>) -> Result<[u32; 2], PairingError> {
        match (function, payload) {
            (Function::TXN, Payload::Micros(micros)) => {
                let start =
                    u32::try_from(self.history.micros.len()).expect("fewer than 2^32 micro-operations");
                for micro in micros {
                    let packed = self.pack_micro(*micro);
                    self.history.micros.push(packed);
                }
                Ok([start, micros.len() as u32])
            }
            (Function::CAS, Payload::Pair(old, new)) => Ok([old.raw(), new.raw()]),
            (Function::TXN | Function::CAS, _) | (_, Payload::Micros(_) | Payload::Pair(..)) => {
                Err(self.shape_error(function))
            }
            (_, Payload::Value(value)) => Ok([value.raw(), 0]),
        }
    }

    fn pack_micro(&mut self, micro: MicroInput<'_>) -> Micro {
        let (kind, key, payload) = match micro {
            MicroInput::Read(key, value) => (MicroKind::Read, key, value.raw()),
            MicroInput::Write(key, value) => (MicroKind::Write, key, value.raw()),
            MicroInput::Append(key, value) => (MicroKind::Append, key, value.raw()),
            MicroInput::ReadList(key, list) => {
                (MicroKind::ReadList, key, self.history.lists.push(key, list).index() as u32)
            }
        };
        Micro { kind, key, payload }
    }

    /// Releases the micro-operations of an invocation: at once if they are the last ones stored, else in
    /// [`HistoryBuilder::finish`].
    fn release_micros(&mut self, op: usize) {
        let [start, len] = self.history.argument[op];
        if (start + len) as usize == self.history.micros.len() {
            self.history.micros.truncate(start as usize);
        } else {
            self.forgotten += len as usize;
        }
    }

    fn shape_error(&self, function: Function) -> PairingError {
        let expected = match function {
            Function::CAS => "[old, new]",
            Function::TXN => {
                "a list of micro-operations such as [[\"r\", \"x\", null], [\"append\", \"x\", 1]]"
            }
            _ => "one value",
        };
        PairingError::Shape { function: self.history.function_name(function).to_owned(), expected }
    }

    fn advance_position(&mut self) {
        self.history.event_count += 1;
        assert!(self.history.event_count < NEVER, "fewer than 2^32 - 1 events");
    }
}
