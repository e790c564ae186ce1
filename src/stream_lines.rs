//! From the bytes of a stream to events: cuts lines, and reads each block of lines as a small history of its own.
//!
//! The reader of histories wants whole histories. A block of lines of a stream is one, except for operations that were
//! invoked in an earlier block. So the invocations of all open operations are put before each block. Everything else (the
//! forms of events, mistakes, their places) is left to the reader.
//!
//! Where blocks end depends on how fast the writer is, and must not change how an event is read. So the reader is told
//! that it sees a part, and decides nothing that only all events can tell. What depends on earlier events is kept here:
//! the header, the numbers of events, the names of clients, and whether the history may be an independent one. The lines up
//! to the first invocation are read one by one, because they decide what the stream is.

use crate::stream_invocations::{invocation_line, process_json};
use checker::StreamEvent;
use histories::events::Event;
use histories::format::{StreamPart, read_stream_part};
use histories::{ActorEvent, Function, History, OpId, Outcome, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The longest line. A longer one is refused, so that a stream without newlines does not fill the memory.
const LINE_BYTES_MAX: usize = 64 << 20;
/// The most names of clients that are remembered.
const CLIENT_NAMES_MAX: usize = 100_000;
/// What stands before each block of a stream without a header, so that no later line is taken for one.
const NO_HEADER: &str = "{\"steadfast\":1}";

/// Why the stream cannot be read on.
#[derive(Debug)]
pub(crate) enum StreamFlaw {
    /// A line is wrong. The number is that of the line in the stream.
    Line(u64, String),
    /// The caller refused an event.
    Refused(String),
}

/// How many operations ended, by outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct OutcomeCounts {
    pub(crate) ok: u64,
    pub(crate) fail: u64,
    pub(crate) info: u64,
}

impl OutcomeCounts {
    /// The number of operations that ended.
    pub(crate) fn total(self) -> u64 {
        self.ok + self.fail + self.info
    }

    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Fail => self.fail += 1,
            Outcome::Info => self.info += 1,
        }
    }
}

/// Cuts a stream into events.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct StreamLines {
    /// The bytes of a line that is not complete yet. They are read again.
    #[serde(skip)]
    rest: Vec<u8>,
    /// The header, without the promise that no event is missing: that is checked here, across blocks.
    header: Option<String>,
    is_gapless: bool,
    /// The number of complete lines of the file so far.
    lines: u64,
    /// The number of events so far, and the index that an event after them must exceed if it has one.
    events: u64,
    latest_index: Option<u64>,
    /// The number of the latest event: its index, or a greater number if events without indexes came before.
    #[serde(default)]
    latest_number: Option<u64>,
    latest_time: Option<i64>,
    /// The invocations of open operations as lines, by process.
    open: BTreeMap<String, String>,
    #[serde(default)]
    has_invoked: bool,
    /// Whether some operation cannot be one of an independent history.
    #[serde(default)]
    has_plain_operation: bool,
    /// The names of processes that did operations, for as many as are remembered.
    #[serde(default)]
    client_names: BTreeSet<String>,
    /// Whether the next line is the first of a file that replaced another.
    #[serde(default)]
    begins_file: bool,
    /// How many operations ended, by outcome.
    #[serde(default)]
    outcomes: OutcomeCounts,
    /// Whether the recorder said that the recording has ended.
    pub(crate) has_ended: bool,
    /// The first event whose time lies before that of an earlier one, and by how many nanoseconds.
    pub(crate) clock_went_back: Option<(u64, i64)>,
}

impl StreamLines {
    /// The number of events so far.
    pub(crate) fn event_count(&self) -> u64 {
        self.events
    }

    /// How many operations ended, by outcome.
    pub(crate) fn outcomes(&self) -> OutcomeCounts {
        self.outcomes
    }

    /// The number of operations that are open.
    pub(crate) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The header of the stream, without the promise that no event is missing.
    pub(crate) fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// The bytes of the line that is not complete.
    pub(crate) fn unfinished(&self) -> &[u8] {
        &self.rest
    }

    /// The number of the line that is not complete.
    pub(crate) fn unfinished_line(&self) -> u64 {
        self.lines + 1
    }

    /// What follows is a file that replaced the one before, and may have the same header.
    pub(crate) fn begin_file(&mut self) {
        (self.lines, self.begins_file) = (0, true);
    }

    /// Adds bytes, and passes the events of all complete lines on.
    pub(crate) fn add_bytes(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(StreamEvent<'_>) -> Result<(), String>,
    ) -> Result<(), StreamFlaw> {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else {
            if self.rest.len() > LINE_BYTES_MAX {
                let why = format!("the line has more than {} MiB. Is this a history?", LINE_BYTES_MAX >> 20);
                return Err(StreamFlaw::Line(self.lines + 1, why));
            }
            return Ok(());
        };
        let rest = self.rest.split_off(end + 1);
        let block = std::mem::replace(&mut self.rest, rest);
        self.read_block(&block, take)
    }

    /// Reads whole lines. If one is wrong, the lines before it are passed on first.
    fn read_block(
        &mut self,
        block: &[u8],
        take: &mut dyn FnMut(StreamEvent<'_>) -> Result<(), String>,
    ) -> Result<(), StreamFlaw> {
        let text = match std::str::from_utf8(block) {
            Ok(text) => text,
            Err(error) => {
                let valid = &block[..error.valid_up_to()];
                let lines = valid.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
                self.read_text(std::str::from_utf8(&valid[..lines]).expect("it is valid up to there"), take)?;
                return Err(StreamFlaw::Line(self.lines + 1, "the line is not UTF-8".to_owned()));
            }
        };
        self.read_text(text, take)
    }

    /// Reads lines one by one up to the first invocation, and the rest at once.
    fn read_text(
        &mut self,
        text: &str,
        take: &mut dyn FnMut(StreamEvent<'_>) -> Result<(), String>,
    ) -> Result<(), StreamFlaw> {
        let mut rest = text;
        while !rest.is_empty() && (!self.has_invoked || self.begins_file) {
            let (line, later) = rest.split_at(rest.find('\n').map_or(rest.len(), |at| at + 1));
            if !self.take_header(line)? {
                self.read_lines(line, take)?;
            }
            rest = later;
        }
        self.read_lines(rest, take)
    }

    /// Takes a line if it is the header of the stream, or the same header in a file that replaced another.
    fn take_header(&mut self, line: &str) -> Result<bool, StreamFlaw> {
        let is_first = self.header.is_none() && self.events == 0;
        let begins_file = self.begins_file;
        if line.trim().is_empty() || !(is_first || begins_file) {
            return Ok(false);
        }
        self.begins_file = false;
        let line = line.trim_start_matches('\u{feff}');
        let fields = serde_json::from_str::<serde_json::Map<String, Value>>(line).ok();
        let Some(mut fields) =
            fields.filter(|fields| fields.contains_key("steadfast") && !fields.contains_key("type"))
        else {
            if is_first {
                self.header = Some(NO_HEADER.to_owned());
            }
            return Ok(false);
        };
        let is_gapless = fields.get("gapless") == Some(&Value::Bool(true));
        if is_gapless {
            fields.insert("gapless".to_owned(), Value::Bool(false));
        }
        let header = Value::Object(fields).to_string();
        if !is_first {
            if self.header.as_ref() != Some(&header) || self.is_gapless != is_gapless {
                let why =
                    "the new file begins with the header of another recording. Follow that file by itself";
                return Err(StreamFlaw::Line(self.lines + 1, why.to_owned()));
            }
        } else {
            read_stream_part(&header, false)
                .map_err(|problems| StreamFlaw::Line(self.lines + 1, describe_problem(&problems.list[0])))?;
            (self.header, self.is_gapless) = (Some(header), is_gapless);
        }
        self.lines += 1;
        Ok(true)
    }

    fn read_lines(
        &mut self,
        text: &str,
        take: &mut dyn FnMut(StreamEvent<'_>) -> Result<(), String>,
    ) -> Result<(), StreamFlaw> {
        if text.trim().is_empty() {
            self.lines += text.lines().count() as u64;
            return Ok(());
        }
        let text = if self.events == 0 { text.trim_start_matches('\u{feff}') } else { text };
        let (before, added) = self.lines_before_block();
        match read_stream_part(&format!("{before}{text}"), !self.has_invoked) {
            Ok(part) => {
                self.pass_on(&part, text, take)?;
                self.lines += text.lines().count() as u64;
                Ok(())
            }
            Err(problems) => {
                let first = &problems.list[0];
                let line = first.line.saturating_sub(added).max(1);
                let good: usize = text.split_inclusive('\n').take(line as usize - 1).map(str::len).sum();
                let number = self.lines + line;
                let why = describe_problem(first);
                // A problem that is in no line of the block must not be looked for without end.
                if good > 0 && good < text.len() {
                    self.read_lines(&text[..good], take)?;
                }
                Err(StreamFlaw::Line(number, why))
            }
        }
    }

    /// The header and the invocations of open operations, and the number of their lines.
    fn lines_before_block(&self) -> (String, u64) {
        let mut before = String::new();
        let header = self.header.as_deref().unwrap_or(NO_HEADER);
        for line in std::iter::once(header).chain(self.open.values().map(String::as_str)) {
            before.push_str(line);
            before.push('\n');
        }
        (before, 1 + self.open.len() as u64)
    }

    /// Passes the new events of a block on.
    fn pass_on(
        &mut self,
        part: &StreamPart,
        text: &str,
        take: &mut dyn FnMut(StreamEvent<'_>) -> Result<(), String>,
    ) -> Result<(), StreamFlaw> {
        let (history, old) = (&part.history, self.open.len());
        let given = GivenIndexes::find(part, old, text);
        for ((event, position), at) in history.events().zip(0u32..).skip(old).zip(0..) {
            let index = self
                .number_event(given.has_index(at).then(|| history.event_index(position)))
                .map_err(|why| self.flaw_of_event(text, at, why))?;
            self.check_time(history, event, index);
            match event {
                Event::Invoke(id) => {
                    self.begin_operation(history, id, index)
                        .map_err(|why| self.flaw_of_event(text, at, why))?;
                }
                Event::Complete(id) => {
                    self.open.remove(&process_json(history, id));
                    self.outcomes.count(history.outcome(id));
                }
                Event::Actor(actor) => {
                    self.check_actor(actor, index).map_err(|why| self.flaw_of_event(text, at, why))?;
                    self.has_ended |= actor.actor == "recorder" && actor.function == "end";
                }
            }
            self.events += 1;
            take(StreamEvent { part: history, event, position, index }).map_err(StreamFlaw::Refused)?;
        }
        Ok(())
    }

    /// A flaw in the line of the n-th event of a block.
    fn flaw_of_event(&self, text: &str, at: usize, why: String) -> StreamFlaw {
        let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
        StreamFlaw::Line(self.lines + lines.nth(at).map_or(1, |(_, number)| number), why)
    }

    fn begin_operation(&mut self, history: &History, id: OpId, index: u64) -> Result<(), String> {
        self.has_invoked = true;
        self.has_plain_operation |= !history.is_invoked_as_independent(id);
        // Writes alone show nothing. The first other operation decides whether values are pairs.
        if !self.has_plain_operation && history.function(id) != Function::WRITE {
            return Err(format!(
                "event {index} has a pair of a key and its value, as in Jepsen's independent workloads. Only the whole file \
                 tells whether each key is an object of its own. Give each event a \"key\", or check the finished file \
                 without --follow"
            ));
        }
        if let Some(name) = history.process_label(history.process(id))
            && self.client_names.len() < CLIENT_NAMES_MAX
            && !self.client_names.contains(name)
        {
            self.client_names.insert(name.to_owned());
        }
        self.open.insert(process_json(history, id), invocation_line(history, id));
        Ok(())
    }

    /// An event with an unknown function is an actor's, unless its process is a client. In a block without an operation of
    /// the process, the reader does not know that.
    fn check_actor(&self, actor: &ActorEvent, index: u64) -> Result<(), String> {
        if actor.kind == "info" || !self.client_names.contains(&actor.actor) {
            return Ok(());
        }
        Err(format!(
            "event {index}: process {} did operations before, and its function {:?} is not known",
            actor.actor, actor.function
        ))
    }

    /// The number of an event. Indexes must grow, and must have no gap where the header promises none. An event without an
    /// index has the number after the one before it.
    fn number_event(&mut self, given: Option<u64>) -> Result<u64, String> {
        let next = self.latest_number.or(self.latest_index).map_or(0, |latest| latest + 1);
        let number = match given {
            None if self.is_gapless => {
                return Err(format!(
                    "an event without \"index\" follows event {}: this recording has every event, as its header says \
                     (\"gapless\")",
                    next.saturating_sub(1)
                ));
            }
            None => next,
            Some(index) => {
                self.check_index(index)?;
                index.max(next)
            }
        };
        self.latest_number = Some(number);
        Ok(number)
    }

    fn check_index(&mut self, index: u64) -> Result<(), String> {
        let first = if self.is_gapless { 0 } else { index };
        let expected = self.latest_index.map_or(first, |latest| latest + 1);
        if index < expected || (self.is_gapless && index != expected) {
            let before =
                expected.checked_sub(1).map_or("the header".to_owned(), |before| format!("event {before}"));
            return Err(format!(
                "event {index} follows {before}: expected event {expected}. Are there two writers, or did the writer begin \
                 again? If it did, follow the new recording by itself"
            ));
        }
        self.latest_index = Some(index);
        Ok(())
    }

    fn check_time(&mut self, history: &History, event: Event<'_>, index: u64) {
        let time = match event {
            Event::Invoke(id) => history.invoked_at(id),
            Event::Complete(id) => history.completed_at(id),
            Event::Actor(actor) => actor.time,
        };
        let Some(time) = time else { return };
        if let Some(latest) = self.latest_time.filter(|&latest| time < latest) {
            self.clock_went_back.get_or_insert((index, latest.saturating_sub(time)));
        }
        self.latest_time = self.latest_time.max(Some(time));
    }
}

/// Whether a line is whole although it has no newline.
pub(crate) fn is_whole_line(line: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, Value>>(line).is_ok()
}

/// Which events of a block have an index in the file.
enum GivenIndexes {
    All,
    None,
    /// For each event in turn.
    Some(Vec<bool>),
}

impl GivenIndexes {
    /// The first `old` events of the part are invocations of earlier blocks, which have none.
    fn find(part: &StreamPart, old: usize, text: &str) -> Self {
        let new = (part.history.event_count() as u64).saturating_sub(old as u64);
        match part.unnumbered.saturating_sub(old as u64) {
            0 => Self::All,
            unnumbered if unnumbered == new => Self::None,
            _ => {
                let lines = text.lines().filter(|line| !line.trim().is_empty());
                let has_index = |line: &str| {
                    let event: Value = serde_json::from_str(line).unwrap_or_default();
                    ["index", ":index"]
                        .iter()
                        .any(|field| event.get(field).is_some_and(|index| !index.is_null()))
                };
                Self::Some(lines.map(has_index).collect())
            }
        }
    }

    fn has_index(&self, at: usize) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Some(given) => given.get(at).copied().unwrap_or(false),
        }
    }
}

/// A problem without the name and the line of the block.
fn describe_problem(problem: &Problem) -> String {
    match problem.expected.is_empty() {
        true => problem.found.clone(),
        false => format!("column {}: found {}, expected {}", problem.column, problem.found, problem.expected),
    }
}

#[cfg(test)]
mod tests;
