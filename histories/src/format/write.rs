//! Writes histories as native JSON Lines and as EDN, event by event.
//!
//! A history that was written and read again is the same: header, indexes, times, sessions, versions, notes and events
//! of actors. Two things are normalised. The invocation of a transaction that completed as `ok` has `null` for each of
//! its reads. A completion without a value of its own repeats the value of its invocation.

use super::datum::{Datum, DatumKind, write_quoted};
use super::edn::is_plain_keyword;
use super::json;
use crate::events::Event;
use crate::{Argument, Function, History, KeyId, Micro, MicroInput, MicroKind, OpId, Outcome, ValueId};
use rayon::prelude::*;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes a history as native JSON Lines.
///
/// # Errors
/// The error of the writer.
pub fn write_native(history: &History, mut to: impl Write) -> io::Result<()> {
    let mut text = String::new();
    let clients = history.unrecognised_clients();
    if history.header().is_some() || !clients.is_empty() {
        text.push_str(&versioned_header(history.header().unwrap_or("{}"), &clients));
        text.push('\n');
    }
    write_events(history, &mut to, text, print_native)
}

/// Appends one event as a native line, under this index.
pub fn push_event_line(history: &History, event: Event<'_>, position: u32, index: u64, text: &mut String) {
    with_fields(history, event, position, &mut |fields| {
        text.push_str("{\"index\":");
        write!(text, "{index}").expect("text grows");
        push_fields(fields.list.iter().filter(|field| field.0 != "index"), ',', text);
    });
}

fn print_native(fields: &WrittenFields<'_>, text: &mut String) {
    push_fields(fields.list.iter(), '{', text);
}

/// Appends the fields and the end of the line.
fn push_fields<'a>(
    fields: impl Iterator<Item = &'a (&'a str, EventField<'a>)>,
    mut separator: char,
    text: &mut String,
) {
    for (name, value) in fields {
        text.push(separator);
        separator = ',';
        write_quoted(name, text);
        text.push(':');
        match value {
            EventField::Name(name) => write_quoted(name, text),
            EventField::Json(json) => text.push_str(json),
            EventField::Int(int) => write!(text, "{int}").expect("text grows"),
        }
    }
    text.push_str("}\n");
}

/// Writes a history as EDN, one map per line, like Jepsen's `history.edn`. The header becomes a comment.
///
/// # Errors
/// The error of the writer.
pub fn write_edn(history: &History, mut to: impl Write) -> io::Result<()> {
    let mut text = String::new();
    if let Some(header) = history.header() {
        writeln!(text, "; {header}").expect("text grows");
    }
    write_events(history, &mut to, text, |fields, text| {
        let mut separator = "{";
        for (name, value) in fields.list {
            text.push_str(separator);
            separator = ", ";
            write_edn_name(name, text);
            text.push(' ');
            match value {
                EventField::Name(name) => write_edn_name(name, text),
                EventField::Json(json) if *name == "value" && fields.is_transaction => {
                    write_edn_value(&json::parse_json(json, 0).expect("a value is JSON"), true, text);
                }
                EventField::Json(json) => {
                    write_edn_value(&json::parse_json(json, 0).expect("a value is JSON"), false, text)
                }
                EventField::Int(int) => write!(text, "{int}").expect("text grows"),
            }
        }
        text.push_str("}\n");
    })
}

/// The value of a field of an event.
pub(super) enum EventField<'a> {
    /// The name of a type, a function or an actor.
    Name(&'a str),
    Json(&'a str),
    Int(i64),
}

struct WrittenFields<'a> {
    list: &'a [(&'a str, EventField<'a>)],
    /// Whether the value is a list of micro-operations.
    is_transaction: bool,
}

/// The number of events that one thread formats at a time.
const EVENTS_OF_PART: usize = 1 << 10;
/// The number of events that are formatted before they are written.
const EVENTS_OF_BLOCK: usize = 1 << 14;

/// Writes a text, and then the events, each formatted with `print`. Several threads format, unless the history is small.
fn write_events(
    history: &History,
    to: &mut impl Write,
    text: String,
    print: impl Fn(&WrittenFields<'_>, &mut String) + Sync,
) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    let format_part = |part: &[(Event<'_>, u32)]| {
        let mut text = String::new();
        for &(event, position) in part {
            with_fields(history, event, position, &mut |fields| print(fields, &mut text));
        }
        text
    };
    let mut events = history.events().zip(0..);
    loop {
        let block: Vec<(Event<'_>, u32)> = events.by_ref().take(EVENTS_OF_BLOCK).collect();
        if block.len() <= EVENTS_OF_PART {
            to.write_all(format_part(&block).as_bytes())?;
            return to.flush();
        }
        let parts: Vec<String> = block.par_chunks(EVENTS_OF_PART).map(format_part).collect();
        parts.iter().try_for_each(|part| to.write_all(part.as_bytes()))?;
    }
}

/// Calls `tell` with the fields of one event, by name, in the order in which they are written.
#[cfg(feature = "arrow")]
pub(super) fn each_event_fields(
    history: &History,
    event: Event<'_>,
    position: u32,
    tell: &mut impl FnMut(&[(&str, EventField<'_>)]),
) {
    with_fields(history, event, position, &mut |fields| tell(fields.list));
}

/// The header of a history with its version, and with the clients that no event shows to be clients. `None` if neither is
/// needed.
#[cfg(feature = "arrow")]
pub(super) fn header_if_needed(history: &History) -> Option<String> {
    let clients = history.unrecognised_clients();
    let needed = history.header().is_some() || !clients.is_empty();
    needed.then(|| versioned_header(history.header().unwrap_or("{}"), &clients))
}

fn with_fields(
    history: &History,
    event: Event<'_>,
    position: u32,
    tell: &mut impl FnMut(&WrittenFields<'_>),
) {
    let note = history.note(position);
    let notes: BTreeMap<String, &RawValue> = match &note {
        None => BTreeMap::new(),
        Some(note) => serde_json::from_str(&note.fields).expect("a note is a JSON object"),
    };
    let mut list = vec![("index", EventField::Int(history.event_index(position) as i64))];
    let is_transaction;
    let (value, session);
    match event {
        Event::Actor(actor) => {
            is_transaction = false;
            list.extend(actor.time.map(|time| ("time", EventField::Int(time))));
            list.push(("process", EventField::Name(&actor.actor)));
            list.push(("type", EventField::Name(&actor.kind)));
            if !actor.function.is_empty() {
                list.push(("f", EventField::Name(&actor.function)));
            }
            if actor.value != "null" {
                list.push(("value", EventField::Json(&actor.value)));
            }
        }
        Event::Invoke(id) | Event::Complete(id) => {
            let completes = matches!(event, Event::Complete(_));
            is_transaction = history.function(id) == Function::TXN && !notes.contains_key("value");
            session = session_name(history, id);
            value = if completes { result_json(history, id) } else { argument_json(history, id) };
            list.extend(operation_fields(history, id, completes));
            if let Some(session) = &session {
                list.push(("session", EventField::Json(session)));
            }
            if history.key(id) != KeyId::NONE {
                list.push(("key", EventField::Json(history.keys.text(history.key(id)))));
            }
            if !notes.contains_key("value") {
                list.push(("value", EventField::Json(&value)));
            }
            let version = history.version(id).filter(|_| completes);
            list.extend(version.map(|version| ("version", EventField::Int(version))));
        }
    }
    list.extend(notes.iter().map(|(name, value)| (name.as_str(), EventField::Json(value.get()))));
    tell(&WrittenFields { list: &list, is_transaction });
}

fn operation_fields(
    history: &History,
    id: OpId,
    completes: bool,
) -> impl Iterator<Item = (&str, EventField<'_>)> {
    let time = if completes { history.completed_at(id) } else { history.invoked_at(id) };
    let kind = match history.outcome(id) {
        _ if !completes => "invoke",
        Outcome::Ok => "ok",
        Outcome::Fail => "fail",
        Outcome::Info => "info",
    };
    let process = match history.process_label(history.process(id)) {
        Some(name) => EventField::Name(name),
        None => EventField::Int(history.process_number(history.process(id))),
    };
    (time.map(|time| ("time", EventField::Int(time))).into_iter()).chain([
        ("process", process),
        ("type", EventField::Name(kind)),
        ("f", EventField::Name(history.written_function_name(id))),
    ])
}

/// The name of an operation's session as JSON; none if the process is its own session.
pub(super) fn session_name(history: &History, id: OpId) -> Option<&str> {
    let name = history.sessions.text(history.session(id));
    let is_own = |process: &str| process == history.process_text(history.process(id)).as_ref();
    (!name.strip_prefix("process ").is_some_and(is_own)).then_some(name)
}

pub(super) fn argument_json(history: &History, id: OpId) -> Cow<'_, str> {
    match history.argument(id) {
        Argument::Value(value) => Cow::Borrowed(history.value_text(value)),
        Argument::Pair(old, new) => {
            Cow::Owned(format!("[{},{}]", history.value_text(old), history.value_text(new)))
        }
        Argument::Micros(range) => {
            let unread = history.outcome(id) == Outcome::Ok;
            let micros = history.micros()[range].iter().map(|&micro| micro_input(history, micro, unread));
            Cow::Owned(micros_json(history, micros))
        }
    }
}

pub(super) fn result_json(history: &History, id: OpId) -> Cow<'_, str> {
    let function = history.function(id);
    if history.outcome(id) == Outcome::Ok && function == Function::TXN {
        let micros = history.micros_of(id).iter().map(|&micro| micro_input(history, micro, false));
        return Cow::Owned(micros_json(history, micros));
    }
    if history.outcome(id) == Outcome::Ok && function != Function::CAS {
        return Cow::Borrowed(history.value_text(history.operation(id).result));
    }
    argument_json(history, id)
}

pub(super) fn micro_input(history: &History, micro: Micro, unread: bool) -> MicroInput<'_> {
    match micro.kind {
        MicroKind::Read | MicroKind::ReadList if unread => MicroInput::Read(micro.key, ValueId::NULL),
        MicroKind::Read => MicroInput::Read(micro.key, micro.value()),
        MicroKind::ReadList => MicroInput::ReadList(micro.key, history.list(micro.list())),
        MicroKind::Write => MicroInput::Write(micro.key, micro.value()),
        MicroKind::Append => MicroInput::Append(micro.key, micro.value()),
    }
}

/// Formats micro-operations: `[["r","x",null],["append","x",1]]`.
pub(super) fn micros_json<'a>(history: &History, micros: impl IntoIterator<Item = MicroInput<'a>>) -> String {
    let mut text = String::from("[");
    for (at, micro) in micros.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        let (name, key) = match micro {
            MicroInput::Read(key, _) | MicroInput::ReadList(key, _) => ("r", key),
            MicroInput::Write(key, _) => ("w", key),
            MicroInput::Append(key, _) => ("append", key),
        };
        for part in ["[\"", name, "\",", history.keys.text(key), ","] {
            text.push_str(part);
        }
        match micro {
            MicroInput::Read(_, value) | MicroInput::Write(_, value) | MicroInput::Append(_, value) => {
                text.push_str(history.value_text(value));
            }
            MicroInput::ReadList(_, list) => {
                text.push('[');
                for (at, &element) in list.iter().enumerate() {
                    text.push_str(if at > 0 { "," } else { "" });
                    text.push_str(history.value_text(element));
                }
                text.push(']');
            }
        }
        text.push(']');
    }
    text.push(']');
    text
}

/// Completes a header with the version of the format, and with the names of clients that a reader would not recognise
/// as clients by what they do.
fn versioned_header(header: &str, clients: &[&str]) -> String {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(header).unwrap_or_default();
    if !clients.is_empty() {
        let json = |value: &[&str]| serde_json::value::to_raw_value(value).expect("texts are JSON");
        let (version, clients) = (RawValue::from_string("1".to_owned()).expect("a number"), json(clients));
        fields.entry("steadfast".to_owned()).or_insert(&version);
        fields.insert("clients".to_owned(), &clients);
        return serde_json::to_string(&fields).expect("what was JSON is JSON");
    }
    if fields.contains_key("steadfast") {
        return header.to_owned();
    }
    let rest = header.trim_start().trim_start_matches('{');
    let comma = if fields.is_empty() { "" } else { "," };
    format!("{{\"steadfast\":1{comma}{rest}")
}

/// Writes a name: as a keyword if Clojure can read it as one, else as a string.
fn write_edn_name(name: &str, text: &mut String) {
    let keyword = format!(":{name}");
    if is_plain_keyword(&keyword) {
        text.push_str(&keyword);
    } else {
        write_edn_string(name, text);
    }
}

/// Writes a value as EDN. The recursion is bounded, because the JSON reader limits the depth.
fn write_edn_value(datum: &Datum<'_>, micros: bool, text: &mut String) {
    match &datum.kind {
        DatumKind::Null => text.push_str("nil"),
        DatumKind::Bool(bool) => write!(text, "{bool}").expect("text grows"),
        DatumKind::Int(int) => write!(text, "{int}").expect("text grows"),
        DatumKind::Float(float) => {
            text.push_str(&serde_json::to_string(float).expect("a finite float"));
        }
        DatumKind::Text(name) if is_plain_keyword(name) => text.push_str(name),
        DatumKind::Text(name) => write_edn_string(name, text),
        DatumKind::Keyword(keyword) => text.push_str(keyword),
        DatumKind::Odd { text: number, .. } => write!(text, "{number}N").expect("text grows"),
        DatumKind::List(items) | DatumKind::Set(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { " " } else { "" });
                match (&item.kind, micros) {
                    (DatumKind::List(parts), true) => write_edn_micro(parts, text),
                    _ => write_edn_value(item, false, text),
                }
            }
            text.push(']');
        }
        DatumKind::Map(entries) => {
            text.push('{');
            for (at, (name, value)) in entries.iter().enumerate() {
                text.push_str(if at > 0 { ", " } else { "" });
                write_edn_value(name, false, text);
                text.push(' ');
                write_edn_value(value, false, text);
            }
            text.push('}');
        }
    }
}

/// Writes a micro-operation: `[:append "x" 1]`.
fn write_edn_micro(parts: &[Datum<'_>], text: &mut String) {
    text.push('[');
    for (at, part) in parts.iter().enumerate() {
        text.push_str(if at > 0 { " " } else { "" });
        match part.as_name() {
            Some(name) if at == 0 => write_edn_name(name, text),
            _ => write_edn_value(part, false, text),
        }
    }
    text.push(']');
}

fn write_edn_string(string: &str, text: &mut String) {
    // Clojure reads the escapes of JSON.
    write_quoted(string, text);
}
