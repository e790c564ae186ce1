//! Builds an event from its fields: what each field must look like, equal for all formats.
//!
//! Each format passes the fields as [`Datum`]s. This module implements the table of fields in the documentation of the
//! format. It finds every flaw of an event, not only the first.

use super::chunk::{self, Chunk, ChunkEvent, EventKind, EventValue, LocalId, LocalNote};
use super::datum::{Datum, DatumKind, Flaw, I64_RANGE, Strictness, write_canonical, write_quoted};
use super::micros::{has_micros, intern_value, looks_like_micros, parse_micros};
use crate::declared::ISOLATION_FIELD;
use crate::faults::OBSERVERS;
use crate::history::NOT_GIVEN;
use crate::note::split_note;
use crate::{ActorEvent, DeclaredIsolation, Function};

/// The rules that differ between formats.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventRules {
    /// Whether `value` is `[key, value]`.
    pub(super) independent: bool,
    /// Whether every event must name its process. If not, a file in which no event names one is read as a single
    /// process.
    pub(super) process_required: bool,
    /// How events are read whose process is a string.
    pub(super) strings: StringProcesses,
}

/// What a process is whose name is a string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StringProcesses {
    /// A client if it invokes functions that a model knows; else an actor, such as a fault injector.
    Recognised,
    /// An actor.
    Actors,
    /// A client.
    Clients,
}

/// The actor of lines that name no process.
const LOG: &str = "log";

/// Whether a process of this name is never a client. `stack` and `live` need no rule: all events of these observers are `info`.
pub(super) fn is_always_actor(name: &str) -> bool {
    ["nemesis", "recorder", "replica", "audit", LOG].contains(&name)
}

/// The fields with a meaning; all others are notes.
#[derive(Default)]
struct EventFields<'d, 'a> {
    kind: Option<&'d Datum<'a>>,
    process: Option<&'d Datum<'a>>,
    function: Option<&'d Datum<'a>>,
    value: Option<&'d Datum<'a>>,
    key: Option<&'d Datum<'a>>,
    session: Option<&'d Datum<'a>>,
    time: Option<&'d Datum<'a>>,
    index: Option<&'d Datum<'a>>,
    version: Option<&'d Datum<'a>>,
    notes: Vec<(&'d str, &'d Datum<'a>)>,
}

/// Adds the event of `datum` to the chunk, or a broken event with its flaws.
pub(super) fn add_event(chunk: &mut Chunk, datum: &Datum<'_>, rules: EventRules) {
    let mut flaws = Vec::new();
    let mut process = LocalId::ABSENT;
    match parse_event(chunk, datum, rules, &mut process, &mut flaws) {
        Some(event) if flaws.is_empty() => chunk.events.push(event),
        _ => {
            flaws.sort_by_key(|flaw| flaw.at);
            chunk.add_broken_event(datum.at, process, flaws);
        }
    }
}

fn parse_event(
    chunk: &mut Chunk,
    datum: &Datum<'_>,
    rules: EventRules,
    process: &mut LocalId,
    flaws: &mut Vec<Flaw>,
) -> Option<ChunkEvent> {
    let fields = sort_fields(datum, flaws)?;
    let kind = parse_kind(datum, &fields, flaws);
    let who = parse_owner(chunk, datum, &fields, rules, flaws);
    *process = match who {
        Some(EventOwner::Client(id)) => id,
        Some(EventOwner::Either(name)) if name != LOG => chunk.intern_named_process(name),
        _ => LocalId::ABSENT,
    };
    let time = parse_integer(fields.time, "time", "nanoseconds", flaws);
    let index = parse_integer(fields.index, "index", "a number that no other event has", flaws);
    if let Some(at) = fields.index.filter(|_| index != NOT_GIVEN && index < 0) {
        flaws.push(Flaw::new(at.at, format!("the index {index}"), "an index from 0 up"));
    }
    let (kind, who) = (kind?, who?);
    let shared = ChunkEvent { kind, time, index, ..ChunkEvent::broken(datum.at, *process) };
    match who {
        EventOwner::Client(_) => parse_client_event(chunk, datum, &fields, shared, rules, flaws),
        EventOwner::Actor(actor) => {
            flaws.extend(refuse_reserved_name(datum, &fields, kind, actor, rules));
            parse_actor_event(chunk, &fields, shared, actor, flaws)
        }
        EventOwner::Either(actor) => {
            parse_ambiguous_event(chunk, datum, &fields, (shared, actor), rules, flaws)
        }
    }
}

/// A client has the name of an observer: its operations would be dropped.
fn refuse_reserved_name(
    datum: &Datum<'_>,
    fields: &EventFields<'_, '_>,
    kind: EventKind,
    actor: &str,
    rules: EventRules,
) -> Option<Flaw> {
    let function = fields.function.and_then(Datum::as_name)?;
    let invokes = kind == EventKind::Invoke && Function::WELL_KNOWN.contains(&function);
    let is_reserved = OBSERVERS.contains(&actor) && rules.strings != StringProcesses::Actors;
    (invokes && is_reserved).then(|| {
        let found = format!("{function} invoked by {actor}, whose events tell what a recorder saw");
        Flaw::new(fields.process.map_or(datum.at, |process| process.at), found, "another name of a client")
    })
}

/// Builds the event of a process that is a string, both as a client's and as an actor's event. The merge decides which
/// it is. Flaws in the client's event count only if it cannot be an actor's: if it is an `invoke`, `ok` or `fail` of a
/// function that a model knows.
fn parse_ambiguous_event(
    chunk: &mut Chunk,
    datum: &Datum<'_>,
    fields: &EventFields<'_, '_>,
    (shared, actor): (ChunkEvent, &str),
    rules: EventRules,
    flaws: &mut Vec<Flaw>,
) -> Option<ChunkEvent> {
    let mut own = Vec::new();
    let client = parse_client_event(chunk, datum, fields, shared, rules, &mut own);
    let function = fields.function.and_then(Datum::as_name);
    let known = function.is_some_and(|name| Function::WELL_KNOWN.contains(&name));
    if !own.is_empty() && known && shared.kind != EventKind::Info {
        flaws.append(&mut own);
        return None;
    }
    let as_actor = parse_actor_event(chunk, fields, shared, actor, flaws)?;
    Some(match client.filter(|_| own.is_empty()) {
        Some(client) => ChunkEvent { actor: as_actor.process, ..client },
        None => as_actor,
    })
}

fn sort_fields<'d, 'a>(datum: &'d Datum<'a>, flaws: &mut Vec<Flaw>) -> Option<EventFields<'d, 'a>> {
    let DatumKind::Map(entries) = &datum.kind else {
        flaws.push(Flaw::new(
            datum.at,
            datum.describe(),
            "an event such as {\"process\": 0, \"type\": \"invoke\", \"f\": \"read\", \"value\": null}",
        ));
        return None;
    };
    let mut fields = EventFields::default();
    for (name, value) in entries {
        let Some(text) = name.as_name() else {
            flaws.push(Flaw::new(name.at, format!("the field {}", name.describe()), "a name of a field"));
            continue;
        };
        let slot = match text {
            "type" => &mut fields.kind,
            "process" => &mut fields.process,
            "f" => &mut fields.function,
            "value" => &mut fields.value,
            "key" => &mut fields.key,
            "session" => &mut fields.session,
            "time" => &mut fields.time,
            "index" => &mut fields.index,
            "version" => &mut fields.version,
            _ => {
                if fields.notes.iter().any(|&(other, _)| other == text) {
                    flaws.push(duplicate_field(name, text));
                }
                fields.notes.push((text, value));
                continue;
            }
        };
        if slot.replace(value).is_some() {
            flaws.push(duplicate_field(name, text));
        }
    }
    Some(fields)
}

fn duplicate_field(name: &Datum<'_>, text: &str) -> Flaw {
    Flaw::new(name.at, format!("the field {text:?} for the second time"), "each field once")
}

fn parse_kind(datum: &Datum<'_>, fields: &EventFields<'_, '_>, flaws: &mut Vec<Flaw>) -> Option<EventKind> {
    const TYPES: &str = "a type: invoke, ok, fail or info";
    let Some(kind) = fields.kind else {
        flaws.push(Flaw::new(datum.at, "an event without \"type\"", TYPES));
        return None;
    };
    match kind.as_name() {
        Some("invoke") => Some(EventKind::Invoke),
        Some("ok") => Some(EventKind::Ok),
        Some("fail") => Some(EventKind::Fail),
        Some("info") => Some(EventKind::Info),
        _ => {
            flaws.push(Flaw::new(kind.at, kind.describe(), TYPES));
            None
        }
    }
}

/// The owner of an event.
enum EventOwner<'d> {
    /// `Local::ABSENT` if the event names no process and the format does not require one.
    Client(LocalId),
    Actor(&'d str),
    /// A process whose name is a string: a client or an actor.
    Either(&'d str),
}

fn parse_owner<'d>(
    chunk: &mut Chunk,
    datum: &Datum<'_>,
    fields: &EventFields<'d, '_>,
    rules: EventRules,
    flaws: &mut Vec<Flaw>,
) -> Option<EventOwner<'d>> {
    const PROCESS: &str = "a process: an integer or a string";
    let Some(process) = fields.process else {
        if fields.kind.and_then(Datum::as_name) == Some("info") {
            // The event names no process, so it completes no operation: it is a line of a log. In a file without any
            // process names, it may complete the operation that is open.
            return Some(if rules.process_required {
                EventOwner::Actor(LOG)
            } else {
                EventOwner::Either(LOG)
            });
        }
        if rules.process_required {
            flaws.push(Flaw::new(datum.at, "an event without \"process\"", PROCESS));
            return None;
        }
        return Some(EventOwner::Client(LocalId::ABSENT));
    };
    match &process.kind {
        DatumKind::Int(name) => Some(EventOwner::Client(chunk.intern_process(*name))),
        DatumKind::Odd { text, expected } if *expected == I64_RANGE => {
            flaws.push(Flaw::new(process.at, format!("the process {text}"), I64_RANGE));
            None
        }
        _ => match process.as_name() {
            Some(actor) if rules.strings == StringProcesses::Actors || is_always_actor(actor) => {
                Some(EventOwner::Actor(actor))
            }
            Some(name) if rules.strings == StringProcesses::Clients && !OBSERVERS.contains(&name) => {
                Some(EventOwner::Client(chunk.intern_named_process(name)))
            }
            Some(name) => Some(EventOwner::Either(name)),
            None => {
                flaws.push(Flaw::new(process.at, format!("the process {}", process.describe()), PROCESS));
                None
            }
        },
    }
}

/// Parses an integer field; `NOT_GIVEN` if the field is absent or null.
fn parse_integer(field: Option<&Datum<'_>>, name: &str, meaning: &str, flaws: &mut Vec<Flaw>) -> i64 {
    let Some(field) = field.filter(|field| !field.is_null()) else { return NOT_GIVEN };
    match &field.kind {
        DatumKind::Int(int) if *int != NOT_GIVEN => *int,
        DatumKind::Int(_) => {
            flaws.push(Flaw::new(field.at, format!("the {name} -2^63"), "an integer above -2^63"));
            NOT_GIVEN
        }
        DatumKind::Odd { text, expected } => {
            flaws.push(Flaw::new(field.at, format!("the {name} {text}"), *expected));
            NOT_GIVEN
        }
        _ => {
            flaws.push(Flaw::new(
                field.at,
                format!("the {name} {}", field.describe()),
                format!("an integer: {meaning}"),
            ));
            NOT_GIVEN
        }
    }
}

fn parse_client_event(
    chunk: &mut Chunk,
    datum: &Datum<'_>,
    fields: &EventFields<'_, '_>,
    mut event: ChunkEvent,
    rules: EventRules,
    flaws: &mut Vec<Flaw>,
) -> Option<ChunkEvent> {
    let mut text = String::new();
    if let Some(session) = fields.session.filter(|session| !session.is_null()) {
        if matches!(session.kind, DatumKind::List(_) | DatumKind::Set(_) | DatumKind::Map(_)) {
            flaws.push(Flaw::new(session.at, session.describe(), "a session: a string or a number"));
        } else if let Err(flaw) = write_canonical(session, Strictness::Judged, &mut text) {
            flaws.push(flaw);
        } else {
            event.session = chunk.sessions.intern(&text);
        }
    }
    let (key, value) = split_key_and_value(datum, fields, event.kind, rules, flaws);
    if let Some(key) = key.filter(|key| !key.is_null()) {
        text.clear();
        match write_canonical(key, Strictness::Judged, &mut text) {
            Ok(()) => event.key = chunk.keys.intern(&text),
            Err(flaw) => flaws.push(flaw),
        }
    }
    let mut function = parse_function(datum, fields, event.kind, value, flaws)?;
    if let Some(name) = function.filter(|&name| name != "txn")
        && value.is_some_and(has_micros)
    {
        // A list of micro-operations is a transaction, whatever its function is called.
        event.typed = chunk.functions.intern(name);
        function = Some("txn");
    }
    if let Some(name) = function {
        event.function = chunk.functions.intern(name);
    }
    let flat =
        value.and_then(|value| split_flat_cas(function, value)).filter(|_| event.key == LocalId::ABSENT);
    event.value = match flat {
        Some([key, old, new]) => {
            text.clear();
            write_canonical(key, Strictness::Judged, &mut text).map_err(|flaw| flaws.push(flaw)).ok()?;
            event.key = chunk.keys.intern(&text);
            event.is_flat = !rules.independent;
            let (old, new) = (intern_value(chunk, old, flaws), intern_value(chunk, new, flaws));
            EventValue::Pair(old?, new?)
        }
        None => self::parse_value(chunk, datum, function, event.kind, value, flaws)?,
    };
    let mut notes = fields.notes.clone();
    if matches!(function, None | Some("txn")) {
        check_declared_isolation(&notes, flaws);
    }
    match fields.version.and_then(whole_number).filter(|_| event.kind == EventKind::Ok) {
        Some(version) => event.version = version,
        None => notes.extend(fields.version.map(|version| ("version", version))),
    }
    event.note = intern_note(chunk, notes, flaws);
    Some(event)
}

/// A version as an integer. Some clients give 64-bit integers as texts, and a table whose column has nulls may have them as floats.
fn whole_number(version: &Datum<'_>) -> Option<i64> {
    /// Up to here, each integer is a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = match &version.kind {
        DatumKind::Int(number) => *number,
        DatumKind::Float(float) if float.fract() == 0.0 && float.abs() <= EXACT => *float as i64,
        DatumKind::Text(text) => text.parse().ok().filter(|number: &i64| number.to_string() == **text)?,
        _ => return None,
    };
    (number != NOT_GIVEN).then_some(number)
}

/// Checks the isolation level that a transaction declares. An unknown name is a flaw: the transaction would be judged at a level that
/// nobody asked for.
fn check_declared_isolation(notes: &[(&str, &Datum<'_>)], flaws: &mut Vec<Flaw>) {
    for (_, level) in notes.iter().filter(|(name, level)| *name == ISOLATION_FIELD && !level.is_null()) {
        if level.as_name().and_then(DeclaredIsolation::by_name).is_none() {
            let expected = format!("one of {}", DeclaredIsolation::all_names());
            flaws.push(Flaw::new(level.at, format!("the isolation level {}", level.describe()), expected));
        }
    }
}

/// Returns the key and the value. With `--independent`, both are in `value`.
fn split_key_and_value<'d, 'a>(
    datum: &Datum<'_>,
    fields: &EventFields<'d, 'a>,
    kind: EventKind,
    rules: EventRules,
    flaws: &mut Vec<Flaw>,
) -> (Option<&'d Datum<'a>>, Option<&'d Datum<'a>>) {
    if !rules.independent {
        return (fields.key, fields.value);
    }
    if let Some(key) = fields.key {
        flaws.push(Flaw::new(key.at, "the field \"key\"", "the key in \"value\", as --independent says"));
    }
    let name = fields.function.and_then(Datum::as_name);
    match fields.value.map(|value| &value.kind) {
        Some(DatumKind::List(pair)) if pair.len() == 2 => (Some(&pair[0]), Some(&pair[1])),
        // `[key]` of a read without a value.
        Some(DatumKind::List(key)) if key.len() == 1 && name == Some("read") => (Some(&key[0]), None),
        // A flat compare-and-set: `[key, old, new]`.
        Some(DatumKind::List(flat)) if flat.len() == 3 && name == Some("cas") => (None, fields.value),
        _ if matches!(kind, EventKind::Fail | EventKind::Info) => (None, fields.value),
        _ => {
            let found = fields.value.map_or("an event without \"value\"".to_owned(), Datum::describe);
            let at = fields.value.map_or(datum.at, |value| value.at);
            flaws.push(Flaw::new(at, found, "[key, value], as --independent says"));
            (None, None)
        }
    }
}

/// Returns the name of the function. An event without `f` is a transaction if its value is a list of micro-operations.
/// A completion may leave the function to its invocation.
fn parse_function<'d>(
    datum: &Datum<'_>,
    fields: &EventFields<'d, '_>,
    kind: EventKind,
    value: Option<&Datum<'_>>,
    flaws: &mut Vec<Flaw>,
) -> Option<Option<&'d str>> {
    const FUNCTION: &str = "a function such as \"f\": \"read\"";
    match fields.function.filter(|function| !function.is_null()) {
        Some(function) => match function.as_name().filter(|name| !name.is_empty()) {
            Some(name) => Some(Some(name)),
            None => {
                flaws.push(Flaw::new(function.at, function.describe(), FUNCTION));
                None
            }
        },
        None if value.is_some_and(looks_like_micros) => Some(Some("txn")),
        None if kind != EventKind::Invoke => Some(None),
        None => {
            flaws.push(Flaw::new(datum.at, "an event without \"f\"", FUNCTION));
            None
        }
    }
}

/// Splits a flat compare-and-set, `[key, old, new]`; its key is not a list.
fn split_flat_cas<'d, 'a>(function: Option<&str>, value: &'d Datum<'a>) -> Option<[&'d Datum<'a>; 3]> {
    match &value.kind {
        DatumKind::List(parts) if function == Some("cas") && parts.len() == 3 => {
            let scalar = !matches!(
                parts[0].kind,
                DatumKind::Null | DatumKind::List(_) | DatumKind::Set(_) | DatumKind::Map(_)
            );
            scalar.then(|| [&parts[0], &parts[1], &parts[2]])
        }
        _ => None,
    }
}

/// Parses the value in the shape that its function requires. Completions without a result (`fail`, `info`) may have any
/// value, such as an error or a timeout.
fn parse_value(
    chunk: &mut Chunk,
    datum: &Datum<'_>,
    function: Option<&str>,
    kind: EventKind,
    value: Option<&Datum<'_>>,
    flaws: &mut Vec<Flaw>,
) -> Option<EventValue> {
    const NULL: &Datum<'static> = &Datum { at: 0, kind: DatumKind::Null };
    let here = value.map_or(datum.at, |value| value.at);
    let value = value.unwrap_or(NULL);
    let returns = matches!(kind, EventKind::Invoke | EventKind::Ok);
    match (function, &value.kind) {
        (Some("txn"), DatumKind::List(items)) if returns || looks_like_micros(value) => {
            parse_micros(chunk, items, flaws)
        }
        (Some("txn"), _) if returns => {
            let expected =
                "a list of micro-operations such as [[\"r\", \"x\", null], [\"append\", \"x\", 1]]";
            flaws.push(Flaw::new(here, value.describe(), expected));
            None
        }
        (Some("cas"), DatumKind::List(pair)) if pair.len() == 2 => {
            let old = intern_value(chunk, &pair[0], flaws);
            let new = intern_value(chunk, &pair[1], flaws);
            Some(EventValue::Pair(old?, new?))
        }
        (Some("cas"), _) if kind == EventKind::Invoke => {
            flaws.push(Flaw::new(here, value.describe(), "[old, new], the value of a compare-and-set"));
            None
        }
        _ => intern_value(chunk, value, flaws).map(EventValue::One),
    }
}

fn parse_actor_event(
    chunk: &mut Chunk,
    fields: &EventFields<'_, '_>,
    mut event: ChunkEvent,
    actor: &str,
    flaws: &mut Vec<Flaw>,
) -> Option<ChunkEvent> {
    let kind = event.kind.event_type().expect("no event has another type");
    let mut notes = fields.notes.clone();
    for (name, field) in [("key", fields.key), ("session", fields.session), ("version", fields.version)] {
        notes.extend(field.map(|field| (name, field)));
    }
    let function = match fields.function {
        Some(function) => match function.as_name().filter(|name| !name.is_empty()) {
            Some(name) => name,
            None => {
                flaws.push(Flaw::new(function.at, function.describe(), "a name of what the actor did"));
                return None;
            }
        },
        None => "",
    };
    let mut value = String::new();
    match fields.value.map(|datum| write_canonical(datum, Strictness::Lax, &mut value)) {
        Some(Err(flaw)) => flaws.push(flaw),
        Some(Ok(())) => {}
        None => value.push_str("null"),
    }
    event.note = intern_note(chunk, notes, flaws);
    event.kind = EventKind::Actor;
    event.process = LocalId(chunk.actors.len() as u32);
    chunk.actors.push(ActorEvent {
        position: 0,
        time: (event.time != NOT_GIVEN).then_some(event.time),
        actor: actor.to_owned(),
        kind: kind.to_owned(),
        function: function.to_owned(),
        value,
    });
    Some(event)
}

/// Interns the further fields of an event as one JSON object.
fn intern_note(chunk: &mut Chunk, mut notes: Vec<(&str, &Datum<'_>)>, flaws: &mut Vec<Flaw>) -> LocalNote {
    if notes.is_empty() {
        return LocalNote::ABSENT;
    }
    notes.sort_by_key(|&(name, _)| name);
    let mut text = String::from("{");
    for (at, (name, value)) in notes.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_quoted(name, &mut text);
        text.push(':');
        if let Err(flaw) = write_canonical(value, Strictness::Lax, &mut text) {
            flaws.push(flaw);
        }
    }
    text.push('}');
    chunk::intern_note(&mut chunk.notes, split_note(&text, &mut String::new()))
}
