//! Chunks in, a history out: names translated, events paired, what does not fit reported.
//!
//! Chunks come in the order of the file. A name of a chunk becomes a name of the history when its first event
//! does, so ids follow the order of the file and do not depend on where it was cut.
//!
//! A broken event leaves its other half alone: its completion finds nothing open, or the next invocation finds
//! it still open. Those would be reported as well, and the person would mend what is not wrong. So each broken
//! event excuses one such complaint of its process, or of any, where its process could not be read.

use super::chunk::{Chunk, Event, EventKind, Local, Value};
use super::datum::{Flaw, clip};
use super::indexes::Indexes;
use super::names::Names;
use super::places::Places;
use super::write::{input, micros_json};
use crate::history::NOT_GIVEN;
use crate::{
    Completion, Function, History, HistoryBuilder, Id, Invocation, KeyId, MicroInput, MicroKind, OpId,
    Outcome, PairingError, Payload, Problem, Problems, ProcessId, SessionId, ValueId,
};
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the merge is told.
pub(super) struct Settings {
    pub(super) file: Arc<str>,
    pub(super) lenient: bool,
    pub(super) lone_completions: bool,
    pub(super) problems_max: usize,
}

/// A history in the making.
pub(super) struct Merge {
    settings: Settings,
    builder: HistoryBuilder,
    problems: Vec<Problem>,
    more: u64,
    dropped: Option<Problem>,
    remarks: Vec<String>,
    places: Places,
    indexes: Indexes,
    /// The index that the next event must have, if the header promises that none is missing.
    due: Option<i64>,
    naming: Naming,
    /// Brackets around events that are open, and the last one.
    brackets: u32,
    bracket: (u64, u64),
    doubts: Doubts,
    /// A value that a completion gave and that nobody judges.
    value_note: Option<String>,
}

/// Whether events name their processes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    Unknown,
    Named,
    Unnamed,
    Mixed,
}

/// Broken events whose other halves are still to come.
#[derive(Default)]
struct Doubts {
    of_process: FxHashMap<i64, u32>,
    of_nobody: u32,
}

/// Whether a header says that indexes count from zero without a gap.
fn is_gapless(header: &str) -> bool {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(header).unwrap_or_default();
    fields.get("gapless").is_some_and(|gapless| gapless.get() == "true")
}

/// What was read, besides the history.
pub(super) struct Merged {
    pub(super) history: History,
    pub(super) dropped: Option<Problem>,
    pub(super) remarks: Vec<String>,
}

impl Merge {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            places: Places::new(Arc::clone(&settings.file)),
            settings,
            builder: HistoryBuilder::new(),
            problems: Vec::new(),
            more: 0,
            dropped: None,
            remarks: Vec::new(),
            indexes: Indexes::default(),
            due: None,
            naming: Naming::Unknown,
            brackets: 0,
            bracket: (0, 0),
            doubts: Doubts::default(),
            value_note: None,
        }
    }

    /// Adds what one block says.
    pub(super) fn add(&mut self, bytes: &[u8], mut chunk: Chunk) {
        let mut flaws = std::mem::take(&mut chunk.flaws);
        self.more += chunk.more_flaws;
        if let Some(header) = chunk.header.take() {
            self.due = is_gapless(&header).then_some(0);
            self.builder.set_header(&header);
        }
        self.brackets(bytes, &chunk, &mut flaws);
        let mut names = Names::of(&chunk);
        for event in &chunk.events {
            self.event(&chunk, &mut names, event, &mut flaws);
        }
        flaws.sort_by_key(|flaw| flaw.at);
        for flaw in flaws {
            let truncated = flaw.truncated;
            let problem = self.places.problem(bytes, flaw);
            if truncated && self.settings.lenient {
                self.dropped = Some(problem);
            } else {
                self.problem(problem);
            }
        }
        self.places.pass(bytes);
    }

    /// Adds a problem of the file as a whole.
    pub(super) fn whole_file(&mut self, found: String, expected: &str) {
        self.problem(self.places.at(0, 0, found, expected.to_owned()));
    }

    /// Adds something that the user should know of how the file was understood.
    pub(super) fn remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    /// The history, or everything that is wrong.
    pub(super) fn finish(mut self) -> Result<Merged, Problems> {
        if self.brackets > 0 {
            let (line, column) = self.bracket;
            let (found, expected) =
                ("a bracket that is never closed", "its other half at the end of the file");
            let problem = self.places.at(line, column, found.to_owned(), expected.to_owned());
            if self.settings.lenient {
                self.dropped.get_or_insert(problem);
            } else if self.problems.is_empty() {
                self.problem(problem);
            }
        }
        if !self.problems.is_empty() {
            return Err(Problems { list: self.problems, more: self.more });
        }
        if self.naming == Naming::Unnamed {
            self.remarks.push("no event names its process: all were taken as one process".to_owned());
        }
        Ok(Merged { history: self.builder.finish(), dropped: self.dropped, remarks: self.remarks })
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < self.settings.problems_max.max(1) {
            self.problems.push(problem);
        } else {
            self.more += 1;
        }
    }

    fn brackets(&mut self, bytes: &[u8], chunk: &Chunk, flaws: &mut Vec<Flaw>) {
        for &(at, open) in &chunk.brackets {
            match (open, self.brackets) {
                (true, 0) => {
                    self.brackets = 1;
                    self.bracket = self.places.place(bytes, at as usize);
                }
                (false, 1) => self.brackets = 0,
                (true, _) => {
                    flaws.push(Flaw::new(at as usize, "a bracket inside the list of events", "an event"))
                }
                (false, _) => flaws.push(Flaw::new(at as usize, "a closing bracket", "an event or the end")),
            }
        }
    }

    fn event(&mut self, chunk: &Chunk, names: &mut Names, event: &Event, flaws: &mut Vec<Flaw>) {
        self.is_due(event, flaws);
        match event.kind {
            EventKind::Broken => {
                match event.process.given() {
                    Some(process) => {
                        *self.doubts.of_process.entry(chunk.processes[process.index()]).or_default() += 1;
                    }
                    None => self.doubts.of_nobody += 1,
                }
                return;
            }
            EventKind::Actor => self.builder.actor(chunk.actors[event.process.index()].clone()),
            EventKind::Invoke | EventKind::Ok | EventKind::Fail | EventKind::Info => {
                let process = match event.process.given() {
                    Some(local) => {
                        self.naming(true, event, flaws);
                        names.process(local, chunk, &mut self.builder)
                    }
                    None => {
                        self.naming(false, event, flaws);
                        self.builder.process(0)
                    }
                };
                if !self.client(chunk, names, event, process, flaws) {
                    return;
                }
            }
        }
        self.note(chunk, names, event);
        if event.index != NOT_GIVEN && !self.settings.lone_completions {
            if self.indexes.is_new(event.index) {
                self.builder.set_event_index(event.index as u64);
            } else {
                let found = format!("the index {} for the second time", event.index);
                flaws.push(Flaw::new(event.at as usize, found, "an index that no other event has"));
            }
        }
    }

    /// Whether an event is the one that must come next, where the header promises one after another: a line that
    /// was lost could be the one that shows a violation.
    fn is_due(&mut self, event: &Event, flaws: &mut Vec<Flaw>) {
        let Some(due) = self.due else { return };
        self.due = Some(due + 1);
        if event.kind == EventKind::Broken || event.index == due {
            return;
        }
        let expected =
            format!("the index {due}: this recording has every event, as its header says (\"gapless\")");
        if event.index == NOT_GIVEN {
            flaws.push(Flaw::new(event.at as usize, "an event without \"index\"", expected));
            return;
        }
        self.due = Some(event.index.max(due) + 1);
        flaws.push(Flaw::new(event.at as usize, format!("the index {}", event.index), expected));
    }

    /// Keeps the fields of an event that nobody judges.
    fn note(&mut self, chunk: &Chunk, names: &mut Names, event: &Event) {
        let note = event.note.given();
        match (self.value_note.take(), note) {
            (None, None) => {}
            (None, Some(note)) => {
                let id = names.note(note, chunk, &mut self.builder);
                self.builder.note_id(id);
            }
            (Some(value), note) => {
                let mut fields: BTreeMap<String, Box<RawValue>> = note.map_or(BTreeMap::new(), |note| {
                    serde_json::from_str(chunk.notes.text(note)).expect("a note is a JSON object")
                });
                fields.insert("value".to_owned(), RawValue::from_string(value).expect("a value is JSON"));
                self.builder.note(&serde_json::to_string(&fields).expect("text is JSON"));
            }
        }
    }

    /// Whether events name their processes; all do or none does.
    fn naming(&mut self, named: bool, event: &Event, flaws: &mut Vec<Flaw>) {
        self.naming = match (self.naming, named) {
            (Naming::Unknown | Naming::Named, true) => Naming::Named,
            (Naming::Unknown | Naming::Unnamed, false) => Naming::Unnamed,
            (Naming::Mixed, true) => Naming::Mixed,
            (Naming::Unnamed, true) => {
                let expected = "no process, as in the events before it, or one in each event";
                flaws.push(Flaw::new(event.at as usize, "an event with a process", expected));
                Naming::Mixed
            }
            (Naming::Named | Naming::Mixed, false) => {
                let expected = "a process, as in other events";
                flaws.push(Flaw::new(event.at as usize, "an event without \"process\"", expected));
                Naming::Mixed
            }
        };
    }

    /// Adds an event of a client; whether it fits.
    fn client(
        &mut self,
        chunk: &Chunk,
        names: &mut Names,
        event: &Event,
        process: ProcessId,
        flaws: &mut Vec<Flaw>,
    ) -> bool {
        let invoke = event.kind == EventKind::Invoke;
        let session = event.session.given().map(|local| names.session(local, chunk, &mut self.builder));
        let key = event.key.given().map(|local| names.key(local, chunk, &mut self.builder));
        let function = event.function.given().map(|local| names.function(local, chunk, &mut self.builder));
        if !invoke && self.settings.lone_completions && self.builder.open(process).is_none() {
            let function = function.unwrap_or(Function::TXN);
            let done = self.with_payload(chunk, names, event.value, |merge, payload| {
                merge.invoke(process, session, function, key, payload)
            });
            if let Err(error) = done {
                flaws.push(self.pairing_flaw(event, chunk, error));
                return false;
            }
        }
        let done = if invoke {
            let function = function.expect("an invocation has a function");
            self.with_payload(chunk, names, event.value, |merge, payload| {
                merge.invoke(process, session, function, key, payload)
            })
        } else {
            self.complete(chunk, names, event, process, session, function, key)
        };
        match done {
            Ok(id) => {
                if event.time != NOT_GIVEN {
                    self.builder.set_time(id, !invoke, event.time);
                }
                if event.version != NOT_GIVEN {
                    self.builder.set_version(id, event.version);
                }
                true
            }
            Err(error) => {
                if !self.is_excused(&error) {
                    flaws.push(self.pairing_flaw(event, chunk, error));
                }
                false
            }
        }
    }

    fn invoke(
        &mut self,
        process: ProcessId,
        session: Option<SessionId>,
        function: Function,
        key: Option<KeyId>,
        payload: Payload<'_>,
    ) -> Result<OpId, PairingError> {
        let key = key.unwrap_or(KeyId::NONE);
        self.builder.invoke_as(process, Invocation { process: 0, session, function, key, payload })
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one event")]
    fn complete(
        &mut self,
        chunk: &Chunk,
        names: &mut Names,
        event: &Event,
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
        if let (Some(open), Some(session)) = (self.builder.open(process), session) {
            self.builder.same_session(open, session)?;
        }
        self.with_payload(chunk, names, event.value, |merge, payload| {
            let before = merge.builder.open(process);
            if let (Some(id), Outcome::Ok, Payload::Micros(micros), false) =
                (before, outcome, payload, merge.settings.lone_completions)
            {
                merge.same_steps(id, micros)?;
            }
            let kept = before.and_then(|id| merge.worth_a_note(id, outcome, payload));
            let done = merge
                .builder
                .complete_as(process, Completion { process: 0, outcome, function, key, payload });
            merge.value_note = kept.filter(|_| done.is_ok());
            done
        })
    }

    /// Whether a transaction completed with the steps that it was invoked with, what its reads returned aside: else nobody
    /// knows what it wrote. An invocation without steps does not say which will follow.
    fn same_steps(&mut self, id: OpId, micros: &[MicroInput<'_>]) -> Result<(), PairingError> {
        let history = self.builder.history();
        let invoked = history.micros_of(id);
        let same = |(a, b): (&crate::Micro, &MicroInput<'_>)| match *b {
            MicroInput::Read(key, _) | MicroInput::ReadList(key, _) => {
                matches!(a.kind, MicroKind::Read | MicroKind::ReadList) && a.key == key
            }
            MicroInput::Write(key, value) => a.kind == MicroKind::Write && a.key == key && a.value() == value,
            MicroInput::Append(key, value) => {
                a.kind == MicroKind::Append && a.key == key && a.value() == value
            }
        };
        if invoked.is_empty() || (invoked.len() == micros.len() && invoked.iter().zip(micros).all(same)) {
            return Ok(());
        }
        let at = invoked
            .iter()
            .zip(micros)
            .position(|pair| !same(pair))
            .unwrap_or(invoked.len().min(micros.len()));
        let step = |micro: Option<String>| micro.unwrap_or_else(|| "the end".to_owned());
        let found = micros.get(at).map(|&micro| clip(&micros_json(history, &[micro])));
        let expected =
            invoked.get(at).map(|&micro| clip(&micros_json(history, &[input(history, micro, false)])));
        Err(PairingError::Differs {
            process: history.process_name(history.process(id)),
            open: history.index(id),
            found: format!("{} as step {at}", step(found)),
            expected: step(expected),
        })
    }

    /// The value of a completion that returns nothing, if it says anything that its invocation did not: an
    /// error, a time-out. It is kept as a note.
    fn worth_a_note(&mut self, id: OpId, outcome: Outcome, payload: Payload<'_>) -> Option<String> {
        let function = self.builder.history().function(id);
        match payload {
            Payload::Value(value) => {
                if value == ValueId::NULL || (outcome == Outcome::Ok && function != Function::CAS) {
                    return None;
                }
                let history = self.builder.history();
                let same = history.argument(id) == crate::Argument::Value(value);
                (!same).then(|| history.value_text(value).to_owned())
            }
            Payload::Pair(old, new) => {
                let history = self.builder.history();
                let same = history.argument(id) == crate::Argument::Pair(old, new);
                let texts = (history.value_text(old), history.value_text(new));
                (!same).then(|| format!("[{},{}]", texts.0, texts.1))
            }
            Payload::Micros(_) if outcome == Outcome::Ok => None,
            Payload::Micros(micros) => {
                let history = self.builder.history();
                let invoked = history.micros_of(id);
                let same = |(a, b): (&crate::Micro, &MicroInput<'_>)| match *b {
                    MicroInput::Read(key, value) => {
                        a.kind == MicroKind::Read && a.key == key && a.value() == value
                    }
                    MicroInput::Write(key, value) => {
                        a.kind == MicroKind::Write && a.key == key && a.value() == value
                    }
                    MicroInput::Append(key, value) => {
                        a.kind == MicroKind::Append && a.key == key && a.value() == value
                    }
                    MicroInput::ReadList(key, list) => {
                        a.kind == MicroKind::ReadList && a.key == key && history.list(a.list()) == list
                    }
                };
                let all = invoked.len() == micros.len() && invoked.iter().zip(micros).all(same);
                (!all).then(|| micros_json(history, micros))
            }
        }
    }

    /// Calls `with` with an event's value in the history's names.
    fn with_payload<T>(
        &mut self,
        chunk: &Chunk,
        names: &mut Names,
        value: Value,
        with: impl FnOnce(&mut Self, Payload<'_>) -> T,
    ) -> T {
        match value {
            Value::One(value) => {
                let value = names.value(value, chunk, &mut self.builder);
                with(self, Payload::Value(value))
            }
            Value::Pair(old, new) => {
                let old = names.value(old, chunk, &mut self.builder);
                let new = names.value(new, chunk, &mut self.builder);
                with(self, Payload::Pair(old, new))
            }
            Value::Micros { start, len } => {
                let micros = &chunk.micros[start as usize..(start + len) as usize];
                let mut elements: Vec<ValueId> = Vec::new();
                for micro in micros.iter().filter(|micro| micro.kind == MicroKind::ReadList) {
                    let range = micro.value.index()..micro.value.index() + micro.len as usize;
                    let list = chunk.elements[range].iter();
                    elements.extend(list.map(|&element| names.value(element, chunk, &mut self.builder)));
                }
                let mut rest = elements.as_slice();
                let inputs: Vec<MicroInput<'_>> = (micros.iter())
                    .map(|micro| {
                        let key = names.key(micro.key, chunk, &mut self.builder);
                        if micro.kind == MicroKind::ReadList {
                            let (list, others) = rest.split_at(micro.len as usize);
                            rest = others;
                            return MicroInput::ReadList(key, list);
                        }
                        let value = names.value(micro.value, chunk, &mut self.builder);
                        match micro.kind {
                            MicroKind::Write => MicroInput::Write(key, value),
                            MicroKind::Append => MicroInput::Append(key, value),
                            MicroKind::Read | MicroKind::ReadList => MicroInput::Read(key, value),
                        }
                    })
                    .collect();
                with(self, Payload::Micros(&inputs))
            }
        }
    }

    /// Whether a broken event before it explains why an event does not fit.
    fn is_excused(&mut self, error: &PairingError) -> bool {
        let (PairingError::NotInvoked { process } | PairingError::AlreadyOpen { process, .. }) = error else {
            return false;
        };
        let doubts = match self.doubts.of_process.get_mut(process).filter(|doubts| **doubts > 0) {
            Some(doubts) => doubts,
            None => &mut self.doubts.of_nobody,
        };
        let excused = *doubts > 0;
        *doubts -= u32::from(excused);
        excused
    }

    fn pairing_flaw(&self, event: &Event, chunk: &Chunk, error: PairingError) -> Flaw {
        let at = event.at as usize;
        let kind = match event.kind {
            EventKind::Ok => "ok",
            EventKind::Fail => "fail",
            EventKind::Info => "info",
            _ => "invoke",
        };
        match error {
            PairingError::NotInvoked { process } => {
                let found = format!("{kind} by process {process}, which has no operation open");
                Flaw::new(at, found, "its invoke event before it")
            }
            PairingError::AlreadyOpen { process, open } => {
                let found = format!("invoke by process {process}, whose operation {open} is still open");
                let expected = "its ok, fail or info first (a client that goes on after a time-out does so under \
                                a new process number)";
                Flaw::new(at, found, expected)
            }
            PairingError::Differs { process, open, found, expected } => Flaw::new(
                at,
                format!("{kind} by process {process} with {found}"),
                format!("{expected}, as its operation {open} was invoked"),
            ),
            PairingError::Shape { function, expected } => {
                let value = match event.value {
                    Value::One(value) if value != Local::ABSENT => chunk.values.text(value),
                    _ => "another value",
                };
                Flaw::new(at, format!("{function} with {}", clip(value)), expected)
            }
        }
    }
}
