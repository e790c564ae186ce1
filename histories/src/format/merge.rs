//! Merges chunks into a history: translates names, pairs events, and reports what does not fit.
//!
//! Chunks arrive in the order of the file. A name of a chunk becomes a name of the history at its first event. So ids
//! follow the order of the file, and do not depend on how the file was cut into blocks.
//!
//! A broken event causes a second mistake: its completion has no open operation, or the next invocation of the process
//! finds one still open. If these were reported too, the user would correct what is not wrong. So each broken event
//! suppresses one such message of its process, or of any process if its own could not be read.

use super::census::FieldCensus;
use super::chunk::{Chunk, ChunkEvent, EventKind, EventValue, FLAWS_MAX, LocalId, ProcessName};
use super::datum::Flaw;
use super::indexes::SeenIndexes;
use super::merge_settings::{HistoryExtent, MergeSettings, MergedHistory};
use super::names::{NameTranslation, SharedTranslation};
use super::places::FilePosition;
use crate::history::NOT_GIVEN;
use crate::{
    ActorEvent, Completion, Function, HistoryBuilder, Id, Invocation, KeyId, OpId, Outcome, PairingError,
    Payload, Problem, Problems, ProcessId, SessionId,
};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The state of a merge.
pub(super) struct ChunkMerger {
    pub(super) settings: MergeSettings,
    pub(super) builder: HistoryBuilder,
    problems: Vec<Problem>,
    more: u64,
    dropped: Option<Problem>,
    remarks: Vec<String>,
    places: FilePosition,
    indexes: SeenIndexes,
    /// The index that the next event must have, if the header promises that no event is missing.
    due: Option<i64>,
    naming: ProcessNaming,
    /// The number of open brackets around events, and the place of the last opening one.
    brackets: u32,
    bracket: (u64, u64),
    pub(super) doubts: BrokenEventCounts,
    census: FieldCensus,
    /// The names of processes that the header lists as clients.
    clients: FxHashSet<String>,
    /// The number of lines of a log that are no events.
    left_out: u64,
    /// Whether any event is an invocation.
    has_invocations: bool,
    /// Problems with completions without an invocation, before the first invocation. If the file has no invocations at
    /// all, such completions are whole operations.
    lone: ConditionalProblems,
    /// Problems with compare-and-sets written as `[key, old, new]`, which are valid in an independent history.
    flat: ConditionalProblems,
    /// The value of a completion that no check uses; it becomes part of the note.
    value_note: Option<String>,
    /// The events of actors of the current chunk. Each is taken once.
    actors: Vec<ActorEvent>,
    shared: SharedTranslation,
}

/// Whether events name their processes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ProcessNaming {
    Unknown,
    Named,
    Unnamed,
    Mixed,
}

/// The number of broken events whose follow-up mistakes are still to be suppressed.
#[derive(Default)]
pub(super) struct BrokenEventCounts {
    pub(super) of_process: FxHashMap<ProcessId, u32>,
    pub(super) of_nobody: u32,
}

/// Whether a header promises that indexes count from zero without gaps.
fn is_gapless(header: &str) -> bool {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(header).unwrap_or_default();
    fields.get("gapless").is_some_and(|gapless| gapless.get() == "true")
}

/// Problems that count only if the rest of the file confirms them.
#[derive(Default)]
struct ConditionalProblems {
    list: Vec<Problem>,
    more: u64,
}

/// The flaws of a block: the first few, and the number of the others. The limit matters: a block can hold a quarter of
/// a million wrong brackets, and each flaw takes a pass over the block to find its line.
struct BlockFlaws {
    list: Vec<Flaw>,
    more: u64,
    lone: Vec<Flaw>,
    flat: Vec<Flaw>,
}

impl BlockFlaws {
    fn push_flaw(&mut self, flaw: Flaw) {
        // A flaw that `lenient` can drop is always kept. It is the last one of a file.
        if self.list.len() < 2 * FLAWS_MAX || flaw.truncated {
            self.list.push(flaw);
        } else {
            self.more += 1;
        }
    }
}

/// Takes the list of clients out of a header. Returns the names, or the text that is there instead of a list of names;
/// and the rest of the header, or none if nothing else is left. The history itself knows its clients, and a writer puts
/// the list back.
fn split_clients(header: String) -> (Result<Vec<String>, String>, Option<String>) {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(&header).unwrap_or_default();
    let Some(clients) = fields.remove("clients") else { return (Ok(Vec::new()), Some(header)) };
    let clients = serde_json::from_str(clients.get()).map_err(|_| clients.get().to_owned());
    let left = fields.keys().any(|name| name != "steadfast");
    (clients, left.then(|| serde_json::to_string(&fields).expect("what was JSON is JSON")))
}

impl From<ConditionalProblems> for Option<Problems> {
    fn from(later: ConditionalProblems) -> Self {
        (!later.list.is_empty()).then_some(Problems { list: later.list, more: later.more })
    }
}

impl ChunkMerger {
    pub(super) fn new(settings: MergeSettings) -> Self {
        // An invocation may come later, or have come before.
        let has_invocations = settings.extent != HistoryExtent::Whole;
        Self {
            places: FilePosition::new(Arc::clone(&settings.file)),
            settings,
            builder: HistoryBuilder::new(),
            problems: Vec::new(),
            more: 0,
            dropped: None,
            remarks: Vec::new(),
            indexes: SeenIndexes::default(),
            due: None,
            naming: ProcessNaming::Unknown,
            brackets: 0,
            bracket: (0, 0),
            doubts: BrokenEventCounts::default(),
            census: FieldCensus::default(),
            clients: FxHashSet::default(),
            left_out: 0,
            has_invocations,
            lone: ConditionalProblems::default(),
            flat: ConditionalProblems::default(),
            value_note: None,
            actors: Vec::new(),
            shared: SharedTranslation::default(),
        }
    }

    /// Adds the chunk of the next block. `bytes` are those of the block.
    pub(super) fn add_chunk(&mut self, bytes: &[u8], chunk: &mut Chunk) {
        let mut flaws = BlockFlaws {
            list: std::mem::take(&mut chunk.flaws),
            more: chunk.more_flaws,
            lone: Vec::new(),
            flat: Vec::new(),
        };
        if let Some(header) = chunk.header.take() {
            self.due = is_gapless(&header).then_some(0);
            let (clients, header) = split_clients(header);
            match clients {
                Ok(clients) => self.clients.extend(clients),
                Err(found) => flaws.list.push(Flaw::new(0, found, "a list of names in the header's clients")),
            }
            if let Some(header) = header {
                self.builder.set_header(&header);
            }
        }
        self.actors = std::mem::take(&mut chunk.actors);
        let chunk = &*chunk;
        self.match_brackets(bytes, chunk, &mut flaws);
        let shared = std::mem::take(&mut self.shared);
        let mut names = NameTranslation::for_chunk(chunk, self.builder.history(), shared);
        self.census.begin_chunk(chunk);
        self.left_out += chunk.left_out;
        for event in &chunk.events {
            self.add_event(chunk, &mut names, event, &mut flaws);
        }
        self.shared = names.into_shared();
        self.more += flaws.more;
        let max = self.settings.problems_max.max(1);
        for (later, found) in [(&mut self.lone, flaws.lone), (&mut self.flat, flaws.flat)] {
            for flaw in found {
                match later.list.len() < max {
                    true => later.list.push(self.places.problem_in_block(bytes, flaw)),
                    false => later.more += 1,
                }
            }
        }
        flaws.list.sort_by_key(|flaw| flaw.at);
        for flaw in flaws.list {
            if flaw.truncated && self.settings.lenient {
                self.dropped = Some(self.places.problem_in_block(bytes, flaw));
            } else if self.has_room() {
                let problem = self.places.problem_in_block(bytes, flaw);
                self.problems.push(problem);
            } else {
                // Finding its line takes a pass over the block, so problems beyond the limit are only counted.
                self.more += 1;
            }
        }
        if let Some(at) = self.census.map_read.take() {
            let expected = "a list or a set of elements, for the history adds elements (\"f\": \"add\")";
            let flaw = Flaw::new(at as usize, "a read that returned a map of collections", expected);
            self.census.map_read_problem.get_or_insert(self.places.problem_in_block(bytes, flaw));
        }
        self.places.advance_past(bytes, chunk.newlines);
    }

    /// Adds a problem that concerns the file as a whole.
    pub(super) fn add_file_problem(&mut self, found: String, expected: &str) {
        self.add_problem(self.places.problem_at(0, 0, found, expected.to_owned()));
    }

    /// Adds a remark about how the file was understood.
    pub(super) fn add_remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    /// Returns the history, or all problems.
    pub(super) fn finish(mut self) -> Result<MergedHistory, Problems> {
        if self.brackets > 0 {
            let (line, column) = self.bracket;
            let (found, expected) =
                ("a bracket that is never closed", "its other half at the end of the file");
            let problem = self.places.problem_at(line, column, found.to_owned(), expected.to_owned());
            if self.settings.lenient {
                self.dropped.get_or_insert(problem);
            } else if self.problems.is_empty() {
                self.add_problem(problem);
            }
        }
        if self.has_invocations {
            let ConditionalProblems { list, more } = std::mem::take(&mut self.lone);
            self.more += more;
            list.into_iter().for_each(|problem| self.add_problem(problem));
        }
        if self.settings.extent != HistoryExtent::Later {
            for found in self.census.describe_misspelt_fields() {
                self.add_problem(self.places.problem_at(0, 0, found, String::new()));
            }
        }
        if let Some(problem) = self.census.map_read_problem.take().filter(|_| self.census.adds_elements()) {
            self.add_problem(problem);
        }
        if !self.problems.is_empty() {
            self.problems.sort_by_key(|problem| (problem.line, problem.column));
            return Err(Problems { list: self.problems, more: self.more });
        }
        if self.left_out > 0 {
            let count = self.left_out;
            self.remarks.push(format!("{count} other lines of the log were left out"));
        }
        if self.naming == ProcessNaming::Unnamed {
            self.remarks.push("no event names its process: all were taken as one process".to_owned());
        }
        let completions_only = !self.has_invocations && !self.builder.history().is_empty();
        if completions_only && !self.settings.lone_completions {
            self.builder.set_without_real_time();
            let remark = "no event is an invocation: the history was read without real time, each completion as an \
                          operation; it is decided only from the order of each process";
            self.remarks.push(remark.to_owned());
        }
        let mixed = self.settings.extent == HistoryExtent::Whole && self.census.is_partly_indexed();
        let unnumbered = self.census.unnumbered_events();
        let mut history = self.builder.finish();
        // A completion that became a whole operation has two positions, and its index belongs to neither.
        let collide = (mixed || completions_only) && history.renumber_duplicates();
        if collide && mixed {
            let remark = "some events have no index, and the others use theirs: events are numbered from 0";
            self.remarks.push(remark.to_owned());
        }
        Ok(MergedHistory {
            history,
            dropped: self.dropped,
            remarks: self.remarks,
            flat: self.flat.into(),
            unnumbered,
        })
    }

    /// Adds a problem.
    pub(super) fn add_problem(&mut self, problem: Problem) {
        if self.has_room() {
            self.problems.push(problem);
        } else {
            self.more += 1;
        }
    }

    fn has_room(&self) -> bool {
        self.problems.len() < self.settings.problems_max.max(1)
    }

    fn match_brackets(&mut self, bytes: &[u8], chunk: &Chunk, flaws: &mut BlockFlaws) {
        // Only the last bracket can stay open. Its line is looked up once, because that takes a pass over the block.
        let mut opened = None;
        for &(at, open) in &chunk.brackets {
            match (open, self.brackets) {
                (true, 0) => (self.brackets, opened) = (1, Some(at)),
                (false, 1) => (self.brackets, opened) = (0, None),
                (true, _) => {
                    flaws.push_flaw(Flaw::new(at as usize, "a bracket inside the list of events", "an event"))
                }
                (false, _) => {
                    flaws.push_flaw(Flaw::new(at as usize, "a closing bracket", "an event or the end"))
                }
            }
        }
        if let Some(at) = opened {
            self.bracket = self.places.line_and_column(bytes, at as usize);
        }
    }

    fn add_event(
        &mut self,
        chunk: &Chunk,
        names: &mut NameTranslation,
        event: &ChunkEvent,
        flaws: &mut BlockFlaws,
    ) {
        self.check_due_index(event, flaws);
        match event.kind {
            EventKind::Broken => {
                match event.process.if_given() {
                    Some(process) => {
                        let process = names.translate_process(process, chunk, &mut self.builder);
                        *self.doubts.of_process.entry(process).or_default() += 1;
                    }
                    None => self.doubts.of_nobody += 1,
                }
                return;
            }
            EventKind::Actor => self.add_actor_event(event.process),
            _ if self.belongs_to_actor(chunk, event) => self.add_actor_event(event.actor),
            EventKind::Invoke | EventKind::Ok | EventKind::Fail | EventKind::Info => {
                let process = match event.process.if_given() {
                    Some(local) => {
                        self.check_naming(true, event, flaws);
                        names.translate_process(local, chunk, &mut self.builder)
                    }
                    None => {
                        self.check_naming(false, event, flaws);
                        self.builder.intern_process(0)
                    }
                };
                if !self.add_client_event(chunk, names, event, process, flaws) {
                    return;
                }
            }
        }
        self.add_note(chunk, names, event);
        self.census.count_index(event.index);
        let is_operation =
            self.takes_lone_completions() && event.kind != EventKind::Actor && event.actor == LocalId::ABSENT;
        if event.index != NOT_GIVEN && !self.settings.lone_completions && !is_operation {
            if self.indexes.insert_index(event.index) {
                self.builder.set_event_index(event.index as u64);
            } else {
                let found = format!("the index {} for the second time", event.index);
                flaws.push_flaw(Flaw::new(event.at as usize, found, "an index that no other event has"));
            }
        }
    }

    fn add_actor_event(&mut self, actor: LocalId) {
        self.builder.add_actor_event(std::mem::take(&mut self.actors[actor.index()]));
    }

    /// Whether an event that may be a client's or an actor's belongs to an actor. A process that never invoked an
    /// operation that a model knows is not a client. An `info` event of a client completes the operation that is open.
    fn belongs_to_actor(&mut self, chunk: &Chunk, event: &ChunkEvent) -> bool {
        if event.actor == LocalId::ABSENT {
            return false;
        }
        let Some(process) = event.process.if_given() else {
            return self.naming != ProcessNaming::Unnamed || {
                let process = self.builder.intern_process(0);
                self.builder.open_operation(process).is_none()
            };
        };
        let ProcessName::Name(name) = &chunk.processes[process.index()] else { return false };
        let known = self.builder.find_named_process(name);
        let function = event.function.if_given().map(|function| chunk.functions.text(function));
        match event.kind {
            EventKind::Info => known.is_none_or(|process| self.builder.open_operation(process).is_none()),
            _ if self.clients.contains(name) => false,
            _ => known.is_none() && function.is_none_or(|name| !Function::WELL_KNOWN.contains(&name)),
        }
    }

    /// Whether completions count as whole operations, because no event so far is an invocation.
    fn takes_lone_completions(&self) -> bool {
        !self.has_invocations && self.due.is_none()
    }

    /// Checks that an event has the next index, if the header promises that no event is missing. A line that was lost
    /// could be the one that shows a violation.
    fn check_due_index(&mut self, event: &ChunkEvent, flaws: &mut BlockFlaws) {
        let Some(due) = self.due else { return };
        self.due = Some(due + 1);
        if event.kind == EventKind::Broken || event.index == due {
            return;
        }
        let expected =
            format!("the index {due}: this recording has every event, as its header says (\"gapless\")");
        if event.index == NOT_GIVEN {
            flaws.push_flaw(Flaw::new(event.at as usize, "an event without \"index\"", expected));
            return;
        }
        self.due = Some(event.index.max(due) + 1);
        flaws.push_flaw(Flaw::new(event.at as usize, format!("the index {}", event.index), expected));
    }

    /// Stores the further fields of an event.
    fn add_note(&mut self, chunk: &Chunk, names: &mut NameTranslation, event: &ChunkEvent) {
        let pattern = event.note.pattern.if_given();
        match (self.value_note.take(), pattern) {
            (None, None) => {}
            (None, Some(pattern)) => {
                let id = names.translate_note(pattern, chunk, &mut self.builder);
                self.builder.add_split_note(id, event.note.number);
            }
            (Some(value), pattern) => {
                let mut fields: BTreeMap<String, Box<RawValue>> = pattern.map_or(BTreeMap::new(), |_| {
                    serde_json::from_str(&chunk.note_text(event.note)).expect("a note is a JSON object")
                });
                fields.insert("value".to_owned(), RawValue::from_string(value).expect("a value is JSON"));
                self.builder.add_note(&serde_json::to_string(&fields).expect("text is JSON"));
            }
        }
    }

    /// Checks that either all events name their processes or none does.
    fn check_naming(&mut self, named: bool, event: &ChunkEvent, flaws: &mut BlockFlaws) {
        self.naming = match (self.naming, named) {
            (ProcessNaming::Unknown | ProcessNaming::Named, true) => ProcessNaming::Named,
            (ProcessNaming::Unknown | ProcessNaming::Unnamed, false) => ProcessNaming::Unnamed,
            (ProcessNaming::Mixed, true) => ProcessNaming::Mixed,
            (ProcessNaming::Unnamed, true) => {
                let expected = "no process, as in the events before it, or one in each event";
                flaws.push_flaw(Flaw::new(event.at as usize, "an event with a process", expected));
                ProcessNaming::Mixed
            }
            (ProcessNaming::Named | ProcessNaming::Mixed, false) => {
                let expected = "a process, as in other events";
                flaws.push_flaw(Flaw::new(event.at as usize, "an event without \"process\"", expected));
                ProcessNaming::Mixed
            }
        };
    }

    /// Adds an event of a client. Returns whether the event fits.
    fn add_client_event(
        &mut self,
        chunk: &Chunk,
        names: &mut NameTranslation,
        event: &ChunkEvent,
        process: ProcessId,
        flaws: &mut BlockFlaws,
    ) -> bool {
        let invoke = event.kind == EventKind::Invoke;
        self.has_invocations |= invoke;
        self.census.count_event(chunk, event);
        let session =
            event.session.if_given().map(|local| names.translate_session(local, chunk, &mut self.builder));
        let key = event.key.if_given().map(|local| names.translate_key(local, chunk, &mut self.builder));
        let function =
            event.function.if_given().map(|local| names.translate_function(local, chunk, &mut self.builder));
        let typed =
            event.typed.if_given().map(|local| names.translate_function(local, chunk, &mut self.builder));
        if event.is_flat {
            let expected = "[old, new], the value of a compare-and-set";
            flaws.flat.push(Flaw::new(event.at as usize, "a list of three", expected));
        }
        let is_alone = !invoke && self.builder.open_operation(process).is_none();
        if is_alone && (self.settings.lone_completions || self.takes_lone_completions()) {
            let number = self.builder.history().process_number(process);
            let error = PairingError::NotInvoked { process: number };
            if self.consume_excuse(&error, process) {
                return false;
            }
            if !self.settings.lone_completions {
                let flaw = self.pairing_flaw(event, chunk, (process, error));
                flaws.lone.push(flaw);
            }
            // The value of a read is its result, not its argument.
            let is_read = matches!(function, Some(Function::READ | Function::GET));
            let value = if is_read { EventValue::One(LocalId::ABSENT) } else { event.value };
            let function = function.unwrap_or(Function::TXN);
            let done = self.with_payload(chunk, names, value, |merge, payload| {
                merge.add_invocation(process, session, (function, typed), key, payload)
            });
            if let Err(error) = done {
                let flaw = self.pairing_flaw(event, chunk, (process, error));
                flaws.push_flaw(flaw);
                return false;
            }
        }
        let done = if invoke {
            let function = function.expect("an invocation has a function");
            self.with_payload(chunk, names, event.value, |merge, payload| {
                merge.add_invocation(process, session, (function, typed), key, payload)
            })
        } else {
            self.add_completion(chunk, names, event, process, session, typed.or(function), key)
        };
        match done {
            Ok(id) => {
                if event.time != NOT_GIVEN {
                    self.builder.set_time(id, !invoke, event.time);
                }
                if event.version != NOT_GIVEN {
                    self.builder.set_version(id, event.version);
                }
                if self.census.returns_map_of_collections(chunk, event)
                    && self.builder.history().function(id) == Function::READ
                {
                    self.census.map_read.get_or_insert(event.at);
                }
                true
            }
            Err(error) => {
                if !self.consume_excuse(&error, process) {
                    let flaw = self.pairing_flaw(event, chunk, (process, error));
                    flaws.push_flaw(flaw);
                }
                false
            }
        }
    }

    fn add_invocation(
        &mut self,
        process: ProcessId,
        session: Option<SessionId>,
        (function, typed): (Function, Option<Function>),
        key: Option<KeyId>,
        payload: Payload<'_>,
    ) -> Result<OpId, PairingError> {
        let key = key.unwrap_or(KeyId::NONE);
        let invocation = Invocation { process: 0, session, function, key, payload };
        let id = self.builder.invoke_as(process, invocation)?;
        if let Some(typed) = typed {
            self.builder.set_written_function(id, typed);
        }
        Ok(id)
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one event")]
    fn add_completion(
        &mut self,
        chunk: &Chunk,
        names: &mut NameTranslation,
        event: &ChunkEvent,
        process: ProcessId,
        session: Option<SessionId>,
        function: Option<Function>,
        key: Option<KeyId>,
    ) -> Result<OpId, PairingError> {
        let outcome = match event.kind {
            EventKind::Ok => Outcome::Ok,
            EventKind::Fail => Outcome::Fail,
            _ => Outcome::Info,
        };
        if let (Some(open), Some(session)) = (self.builder.open_operation(process), session) {
            self.builder.check_same_session(open, session)?;
        }
        self.with_payload(chunk, names, event.value, |merge, payload| {
            let payload = merge.shape_as_invoked(process, function, payload);
            let before = merge.builder.open_operation(process);
            if let (Some(id), Outcome::Ok, Payload::Micros(micros), false) =
                (before, outcome, payload, merge.settings.lone_completions)
            {
                merge.check_same_steps(id, micros)?;
            }
            let kept = before.and_then(|id| merge.unjudged_value(id, outcome, payload));
            let done = merge
                .builder
                .complete_as(process, Completion { process: 0, outcome, function, key, payload });
            merge.value_note = kept.filter(|_| done.is_ok());
            done
        })
    }
}
