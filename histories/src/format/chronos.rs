//! Histories of Chronos and Aion: transactions in JSON, with timestamps from the database.
//!
//! ```json
//! [{"tid": 1, "sid": 0, "sts": {"p": 5, "l": 0}, "cts": {"p": 7, "l": 0}, "ops": [{"t": "w", "k": 1, "v": 2}]}]
//! ```
//!
//! The timestamps come from the database and have a physical and a logical part. They state the order in which the
//! database claims to have run the transactions, not when clients sent them. So the history has no real time, and
//! timestamps are kept as notes. The transactions of a session are in the order of their commit timestamps.

use super::chunk::Chunk;
use super::datum::{Datum, Flaw, Kind};
use super::event::{self, Rules};

const TRANSACTION: &str = "a transaction: {\"tid\": 1, \"sid\": 0, \"sts\": {\"p\": 5, \"l\": 0}, \"cts\": {…}, \"ops\": [{\"t\": \"w\", \"k\": 1, \"v\": 2}]}";

/// Adds the transactions of a file to a chunk, each as a completion.
pub(super) fn add(whole: &Datum<'_>, chunk: &mut Chunk, rules: Rules) {
    let Kind::List(items) = &whole.kind else {
        return chunk.flaw(Flaw::new(whole.at, whole.describe(), "a list of transactions"));
    };
    let mut events = Vec::with_capacity(items.len());
    for item in items {
        match transaction(item) {
            Ok(told) => events.push(told),
            Err(flaw) => chunk.flaw(flaw),
        }
    }
    events.sort_by_key(|(committed, _)| *committed);
    for (_, event) in events {
        event::add(chunk, &event, rules);
    }
}

fn transaction<'a>(item: &Datum<'a>) -> Result<((i64, i64), Datum<'a>), Flaw> {
    let strange = |what: &str| Flaw::new(item.at, what, TRANSACTION);
    let session = field(item, "sid").ok_or_else(|| strange("an object without \"sid\""))?;
    let committed =
        field(item, "cts").and_then(timestamp).ok_or_else(|| strange("an object without \"cts\""))?;
    let Some(Kind::List(ops)) = field(item, "ops").map(|ops| &ops.kind) else {
        return Err(strange("an object without a list of \"ops\""));
    };
    let micros = ops.iter().map(micro).collect::<Result<Vec<_>, _>>()?;
    let named = |name: &'static str, value: Datum<'a>| (Datum::new(value.at, Kind::Text(name.into())), value);
    let text = |text: &'static str| Datum::new(item.at, Kind::Text(text.into()));
    let mut fields = vec![
        named("process", session.clone()),
        named("type", text("ok")),
        named("f", text("txn")),
        named("value", Datum::new(item.at, Kind::List(micros))),
    ];
    for name in ["tid", "sts", "cts"] {
        fields.extend(field(item, name).map(|value| named(name, value.clone())));
    }
    Ok((committed, Datum::new(item.at, Kind::Map(fields))))
}

fn micro<'a>(op: &Datum<'a>) -> Result<Datum<'a>, Flaw> {
    let expected = "an operation: {\"t\": \"r\", \"k\": 1, \"v\": null}, of type r, w or a";
    let strange = |at: usize, found: String| Flaw::new(at, found, expected);
    let kind = field(op, "t").and_then(Datum::name).ok_or_else(|| strange(op.at, op.describe()))?;
    let name = match kind.to_ascii_lowercase().as_str() {
        "r" => "r",
        "w" => "w",
        "a" => "append",
        _ => return Err(strange(op.at, format!("an operation of type {kind:?}"))),
    };
    let key = field(op, "k").ok_or_else(|| strange(op.at, "an operation without \"k\"".to_owned()))?;
    let value = field(op, "v").cloned().unwrap_or(Datum::new(op.at, Kind::Null));
    let parts = vec![Datum::new(op.at, Kind::Text(name.into())), key.clone(), value];
    Ok(Datum::new(op.at, Kind::List(parts)))
}

fn timestamp(datum: &Datum<'_>) -> Option<(i64, i64)> {
    let part = |name: &str| match field(datum, name)?.kind {
        Kind::Int(int) => Some(int),
        _ => None,
    };
    Some((part("p")?, part("l").unwrap_or(0)))
}

fn field<'d, 'a>(of: &'d Datum<'a>, name: &str) -> Option<&'d Datum<'a>> {
    let Kind::Map(entries) = &of.kind else { return None };
    entries.iter().find(|(known, _)| known.name() == Some(name)).map(|(_, value)| value)
}

/// Whether JSON that begins with `head` is such a history.
pub(super) fn is_json(head: &[u8]) -> bool {
    let has = |name: &[u8]| memchr::memmem::find(head, name).is_some();
    has(b"\"sid\"") && has(b"\"cts\"") && has(b"\"ops\"")
}
