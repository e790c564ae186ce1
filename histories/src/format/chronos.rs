//! Histories of Chronos and Aion: transactions in JSON, with the timestamps that the database gave them.
//!
//! ```json
//! [{"tid": 1, "sid": 0, "sts": {"p": 5, "l": 0}, "cts": {"p": 7, "l": 0}, "ops": [{"t": "w", "k": 1, "v": 2}]}]
//! ```
//!
//! Timestamps are the database's own, physical and logical; they say in which order it claims to have run things, not
//! when clients asked. So the history has no real time, and the timestamps are kept as notes. Transactions of a session
//! are in the order of their commit timestamps.

use super::chunk::Chunk;
use super::datum::{Datum, DatumKind, Flaw};
use super::event::{self, EventRules};

const TRANSACTION: &str = "a transaction: {\"tid\": 1, \"sid\": 0, \"sts\": {\"p\": 5, \"l\": 0}, \"cts\": {…}, \"ops\": [{\"t\": \"w\", \"k\": 1, \"v\": 2}]}";

/// Adds the transactions of a whole file, each as a completion.
pub(super) fn add_transactions(whole: &Datum<'_>, chunk: &mut Chunk, rules: EventRules) {
    let DatumKind::List(items) = &whole.kind else {
        return chunk.add_flaw(Flaw::new(whole.at, whole.describe(), "a list of transactions"));
    };
    let mut events = Vec::with_capacity(items.len());
    for item in items {
        match convert_transaction(item) {
            Ok(told) => events.push(told),
            Err(flaw) => chunk.add_flaw(flaw),
        }
    }
    events.sort_by_key(|(committed, _)| *committed);
    for (_, event) in events {
        event::add_event(chunk, &event, rules);
    }
}

fn convert_transaction<'a>(item: &Datum<'a>) -> Result<((i64, i64), Datum<'a>), Flaw> {
    let strange = |what: &str| Flaw::new(item.at, what, TRANSACTION);
    let session = find_field(item, "sid").ok_or_else(|| strange("an object without \"sid\""))?;
    let committed = find_field(item, "cts")
        .and_then(parse_timestamp)
        .ok_or_else(|| strange("an object without \"cts\""))?;
    let Some(DatumKind::List(ops)) = find_field(item, "ops").map(|ops| &ops.kind) else {
        return Err(strange("an object without a list of \"ops\""));
    };
    let micros = ops.iter().map(convert_micro).collect::<Result<Vec<_>, _>>()?;
    let named =
        |name: &'static str, value: Datum<'a>| (Datum::new(value.at, DatumKind::Text(name.into())), value);
    let text = |text: &'static str| Datum::new(item.at, DatumKind::Text(text.into()));
    let mut fields = vec![
        named("process", session.clone()),
        named("type", text("ok")),
        named("f", text("txn")),
        named("value", Datum::new(item.at, DatumKind::List(micros))),
    ];
    for name in ["tid", "sts", "cts"] {
        fields.extend(find_field(item, name).map(|value| named(name, value.clone())));
    }
    Ok((committed, Datum::new(item.at, DatumKind::Map(fields))))
}

fn convert_micro<'a>(op: &Datum<'a>) -> Result<Datum<'a>, Flaw> {
    let expected = "an operation: {\"t\": \"r\", \"k\": 1, \"v\": null}, of type r, w or a";
    let strange = |at: usize, found: String| Flaw::new(at, found, expected);
    let kind = find_field(op, "t").and_then(Datum::as_name).ok_or_else(|| strange(op.at, op.describe()))?;
    let name = match kind.to_ascii_lowercase().as_str() {
        "r" => "r",
        "w" => "w",
        "a" => "append",
        _ => return Err(strange(op.at, format!("an operation of type {kind:?}"))),
    };
    let key = find_field(op, "k").ok_or_else(|| strange(op.at, "an operation without \"k\"".to_owned()))?;
    let value = find_field(op, "v").cloned().unwrap_or(Datum::new(op.at, DatumKind::Null));
    let parts = vec![Datum::new(op.at, DatumKind::Text(name.into())), key.clone(), value];
    Ok(Datum::new(op.at, DatumKind::List(parts)))
}

fn parse_timestamp(datum: &Datum<'_>) -> Option<(i64, i64)> {
    let part = |name: &str| match find_field(datum, name)?.kind {
        DatumKind::Int(int) => Some(int),
        _ => None,
    };
    Some((part("p")?, part("l").unwrap_or(0)))
}

fn find_field<'d, 'a>(of: &'d Datum<'a>, name: &str) -> Option<&'d Datum<'a>> {
    let DatumKind::Map(entries) = &of.kind else { return None };
    entries.iter().find(|(known, _)| known.as_name() == Some(name)).map(|(_, value)| value)
}

/// Whether JSON that begins like this is such a history.
pub(super) fn is_chronos_json(head: &[u8]) -> bool {
    let has = |name: &[u8]| memchr::memmem::find(head, name).is_some();
    has(b"\"sid\"") && has(b"\"cts\"") && has(b"\"ops\"")
}
