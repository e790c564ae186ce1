//! From the bytes of a stream to events: cuts lines, and reads each block of lines as a small history of its own.
//!
//! The reader of histories wants whole histories. A block of lines of a stream is one, except for operations that were
//! invoked in an earlier block. So the invocations of all open operations are put before each block. Everything else (the
//! forms of events, mistakes, their places) is left to the reader.

use checker::StreamEvent;
use histories::events::Event;
use histories::format::{Format, from_text};
use histories::{Argument, History, KeyId, MicroKind, OpId, Outcome, Problem, ValueId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The longest line. A longer one is refused, so that a stream without newlines does not fill the memory.
const LINE_BYTES_MAX: usize = 64 << 20;

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
    /// The number of complete lines so far.
    lines: u64,
    /// The number of events so far, and the index that an event after them must exceed.
    events: u64,
    latest_index: Option<u64>,
    latest_time: Option<i64>,
    /// The invocations of open operations as lines, by process.
    open: BTreeMap<String, String>,
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

    /// The length of the line that is not complete.
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.rest.len()
    }

    /// The number of the line that is not complete.
    pub(crate) fn unfinished_line(&self) -> u64 {
        self.lines + 1
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

    fn read_text(
        &mut self,
        text: &str,
        take: &mut dyn FnMut(StreamEvent<'_>) -> Result<(), String>,
    ) -> Result<(), StreamFlaw> {
        if text.trim().is_empty() {
            self.lines += text.lines().count() as u64;
            return Ok(());
        }
        let (before, added) = self.lines_before_block();
        match from_text(Format::Native, &format!("{before}{text}")) {
            Ok(history) => {
                self.pass_on(&history, has_index(text), take)?;
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
                    self.read_text(&text[..good], take)?;
                }
                Err(StreamFlaw::Line(number, why))
            }
        }
    }

    /// The header and the invocations of open operations, and the number of their lines.
    fn lines_before_block(&self) -> (String, u64) {
        let mut before = String::new();
        for line in self.header.iter().chain(self.open.values()) {
            before.push_str(line);
            before.push('\n');
        }
        (before, self.header.iter().len() as u64 + self.open.len() as u64)
    }

    /// Passes the new events of a block on.
    fn pass_on(
        &mut self,
        history: &History,
        is_numbered: bool,
        take: &mut dyn FnMut(StreamEvent<'_>) -> Result<(), String>,
    ) -> Result<(), StreamFlaw> {
        let old = self.open.len() as u32;
        if self.header.is_none()
            && let Some(header) = history.header()
        {
            self.is_gapless = header.contains("\"gapless\":true");
            self.header = Some(header.replace("\"gapless\":true", "\"gapless\":false"));
        }
        for (event, position) in history.events().zip(0u32..).skip(old as usize) {
            // Events without indexes are counted over the whole stream.
            let index = if is_numbered { history.event_index(position) } else { self.events };
            self.check_index(index)?;
            self.check_time(history, event, index);
            match event {
                Event::Invoke(id) => {
                    _ = self.open.insert(process_json(history, id), invocation_line(history, id))
                }
                Event::Complete(id) => {
                    self.open.remove(&process_json(history, id));
                    self.outcomes.count(history.outcome(id));
                }
                Event::Actor(actor) => self.has_ended |= actor.actor == "recorder" && actor.function == "end",
            }
            self.events += 1;
            take(StreamEvent { part: history, event, position, index }).map_err(StreamFlaw::Refused)?;
        }
        Ok(())
    }

    /// Indexes must grow over blocks, and must have no gap where the header promises none.
    fn check_index(&mut self, index: u64) -> Result<(), StreamFlaw> {
        let expected = self.latest_index.map_or(index, |latest| latest + 1);
        if index < expected || (self.is_gapless && index != expected) {
            return Err(StreamFlaw::Refused(format!(
                "event {index} follows event {}: expected event {expected}. Are there two writers, or did the writer begin \
                 again?",
                expected - 1
            )));
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

/// Whether the first event of a block has an index. The others then have one, or count on from it.
fn has_index(text: &str) -> bool {
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut events = events.filter(|event| event.get("steadfast").is_none());
    events.next().is_some_and(|event| event.get("index").or(event.get(":index")).is_some())
}

/// A problem without the name and the line of the block.
fn describe_problem(problem: &Problem) -> String {
    match problem.expected.is_empty() {
        true => problem.found.clone(),
        false => format!("column {}: found {}, expected {}", problem.column, problem.found, problem.expected),
    }
}

/// The process of an operation, as an event names it.
fn process_json(history: &History, id: OpId) -> String {
    let process = history.process(id);
    match history.process_label(process) {
        Some(label) => Value::from(label).to_string(),
        None => history.process_number(process).to_string(),
    }
}

/// The invocation of an operation as a line, without index, time and further fields: it only serves to pair the
/// completion.
fn invocation_line(history: &History, id: OpId) -> String {
    let process = process_json(history, id);
    let function = Value::from(history.written_function_name(id)).to_string();
    let mut line = format!("{{\"process\":{process},\"type\":\"invoke\",\"f\":{function}");
    // A session that the history does not name is called after its process, which is no JSON.
    let session = history.sessions.text(history.session(id));
    if serde_json::from_str::<Value>(session).is_ok() {
        line.push_str(&format!(",\"session\":{session}"));
    }
    if history.key(id) != KeyId::NONE {
        line.push_str(&format!(",\"key\":{}", history.keys.text(history.key(id))));
    }
    match history.argument(id) {
        Argument::Value(value) if value != ValueId::NULL => {
            line.push_str(&format!(",\"value\":{}", history.value_text(value)));
        }
        Argument::Pair(old, new) => {
            line.push_str(&format!(",\"value\":[{},{}]", history.value_text(old), history.value_text(new)));
        }
        Argument::Micros(_) => line.push_str(&format!(",\"value\":{}", micros_as_invoked(history, id))),
        Argument::Value(_) => {}
    }
    line.push('}');
    debug_assert!(!line.contains('\n'), "a line is one line");
    line
}

/// The micro-operations of a transaction without the results of its reads.
fn micros_as_invoked(history: &History, id: OpId) -> String {
    let micros = history.micros_of(id).iter().map(|micro| {
        let (name, value) = match micro.kind {
            MicroKind::Read | MicroKind::ReadList => ("r", "null"),
            MicroKind::Write => ("w", history.value_text(micro.value())),
            MicroKind::Append => ("append", history.value_text(micro.value())),
        };
        format!("[\"{name}\",{},{value}]", history.keys.text(micro.key))
    });
    format!("[{}]", micros.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"steadfast":1,"seed":7}
{"process":0,"session":"a","type":"invoke","f":"write","key":"x","value":{"b":1,"a":"é\n"}}
{"process":"client-1","type":"invoke","f":"read","key":"x"}
{"process":0,"session":"a","type":"ok","f":"write","key":"x","value":{"b":1,"a":"é\n"}}

{"process":2,"type":"invoke","f":"write","value":null}
{"process":"client-1","type":"ok","f":"read","key":"x","value":{"a":"é\n","b":1}}
{"process":"nemesis","type":"info","f":"kill","value":"n1"}
{"process":2,"type":"info","f":"write","value":null}
"#;

    /// What matters of each event.
    fn events_of(text: &[u8], chunk: usize) -> Vec<String> {
        let mut lines = StreamLines::default();
        let mut told = Vec::new();
        for bytes in text.chunks(chunk) {
            let mut take = |event: StreamEvent<'_>| {
                let part = event.part;
                told.push(match event.event {
                    Event::Invoke(id) => format!("{} {}", event.index, invocation_line(part, id)),
                    Event::Complete(id) => {
                        let op = part.operation(id);
                        let result = part.value_text(op.result);
                        format!("{} {} {:?} {result}", event.index, process_json(part, id), op.outcome)
                    }
                    Event::Actor(actor) => format!("{} {actor:?}", event.index)
                        .replace(&format!("position: {}", actor.position), "position"),
                });
                Ok(())
            };
            lines.add_bytes(bytes, &mut take).expect("a history");
        }
        assert_eq!((lines.unfinished_bytes(), lines.event_count()), (0, 7));
        told
    }

    /// A block that ended between invocation and completion lost the session, or paired with another process.
    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let whole = events_of(TEXT.as_bytes(), TEXT.len());
        assert!(whole[0].contains("\"session\":\"a\"") && whole[4].contains("é"), "{whole:?}");
        for chunk in 1..TEXT.len() {
            assert_eq!(events_of(TEXT.as_bytes(), chunk), whole, "{chunk} bytes at once");
        }
    }

    #[test]
    fn a_wrong_line_is_named_and_the_lines_before_it_are_kept() {
        for chunk in [1, 40, 4096] {
            let text = TEXT.replace("\"type\":\"info\",\"f\":\"kill\"", "\"type\":\"inf\",\"f\":\"kill\"");
            let (mut lines, mut count) = (StreamLines::default(), 0);
            let mut take = |_: StreamEvent<'_>| {
                count += 1;
                Ok(())
            };
            let flaw =
                text.as_bytes().chunks(chunk).find_map(|bytes| lines.add_bytes(bytes, &mut take).err());
            match flaw {
                Some(StreamFlaw::Line(8, why)) => assert!(why.contains("expected a type"), "{why}"),
                other => panic!("{chunk} bytes at once: {other:?}"),
            }
            assert_eq!(count, 5, "{chunk} bytes at once");
        }
    }
}
