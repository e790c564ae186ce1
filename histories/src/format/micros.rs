//! Parses micro-operations, the steps of transactions: `["r", key, value]`, `["w", key, value]` and `["append", key,
//! value]`.
//!
//! A list of micro-operations is a transaction whatever `f` says. Jepsen's `append` workload has `:f :append` and its
//! long-fork workload `:f :read`. Elle ignores both and looks at the micro-operations. If `[["append", 9, 1]]` were the
//! value of a register, the check would give a false alarm.

use super::chunk::{Chunk, EventValue, LocalId, LocalMicro};
use super::datum::{Datum, DatumKind, Flaw, Strictness, write_canonical};
use crate::MicroKind;

/// Whether a value is a list of at least one micro-operation.
pub(super) fn has_micros(value: &Datum<'_>) -> bool {
    looks_like_micros(value) && !matches!(&value.kind, DatumKind::List(items) if items.is_empty())
}

pub(super) fn looks_like_micros(value: &Datum<'_>) -> bool {
    let micro = |item: &Datum<'_>| match &item.kind {
        DatumKind::List(parts) => {
            (2..=3).contains(&parts.len())
                && parts[0].as_name().is_some_and(|name| parse_micro_kind(name).is_some())
        }
        _ => false,
    };
    matches!(&value.kind, DatumKind::List(items) if items.iter().all(micro))
}

fn parse_micro_kind(name: &str) -> Option<MicroKind> {
    match name {
        "r" | "read" => Some(MicroKind::Read),
        "w" | "write" => Some(MicroKind::Write),
        "append" => Some(MicroKind::Append),
        _ => None,
    }
}

pub(super) fn parse_micros(
    chunk: &mut Chunk,
    items: &[Datum<'_>],
    flaws: &mut Vec<Flaw>,
) -> Option<EventValue> {
    let start = chunk.micros.len() as u32;
    let whole = flaws.len();
    for item in items {
        if let Some(micro) = parse_micro(chunk, item, flaws) {
            chunk.micros.push(micro);
        }
    }
    (flaws.len() == whole).then_some(EventValue::Micros { start, len: items.len() as u32 })
}

fn parse_micro(chunk: &mut Chunk, item: &Datum<'_>, flaws: &mut Vec<Flaw>) -> Option<LocalMicro> {
    const MICRO: &str =
        "a micro-operation: [\"r\", key, value], [\"w\", key, value] or [\"append\", key, value]";
    let parts = match &item.kind {
        DatumKind::List(parts) if !parts.is_empty() => parts.as_slice(),
        _ => {
            flaws.push(Flaw::new(item.at, item.describe(), MICRO));
            return None;
        }
    };
    let Some(kind) = parts[0].as_name().and_then(parse_micro_kind) else {
        flaws.push(Flaw::new(parts[0].at, parts[0].describe(), "a micro-operation's name: r, w or append"));
        return None;
    };
    // Elle's own histories write a read without a result as [:r x].
    if parts.len() != 3 && !(parts.len() == 2 && kind == MicroKind::Read) {
        flaws.push(Flaw::new(item.at, format!("a micro-operation of {} parts", parts.len()), MICRO));
        return None;
    }
    let mut text = String::new();
    if let Err(flaw) = write_canonical(&parts[1], Strictness::Judged, &mut text) {
        flaws.push(flaw);
        return None;
    }
    let key = chunk.keys.intern(&text);
    if let (MicroKind::Read, Some(DatumKind::List(elements))) = (kind, parts.get(2).map(|part| &part.kind)) {
        let list = chunk.lists.start_list();
        for element in elements {
            let element = intern_value(chunk, element, flaws)?;
            chunk.lists.push_element(list, element);
        }
        return Some(LocalMicro { kind: MicroKind::ReadList, key, value: list, len: elements.len() as u32 });
    }
    if let (MicroKind::Read, Some(set @ Datum { kind: DatumKind::Set(_), .. })) = (kind, parts.get(2)) {
        // Read as a list, a set would claim an order of elements that nobody observed.
        flaws.push(Flaw::new(set.at, "a set that was read", "a list or one value"));
        return None;
    }
    let value = match parts.get(2) {
        Some(value) => intern_value(chunk, value, flaws)?,
        None => chunk.values.intern("null"),
    };
    Some(LocalMicro { kind, key, value, len: 0 })
}

/// Interns a value in its canonical form.
pub(super) fn intern_value(chunk: &mut Chunk, value: &Datum<'_>, flaws: &mut Vec<Flaw>) -> Option<LocalId> {
    let mut text = String::new();
    match write_canonical(value, Strictness::Judged, &mut text) {
        Ok(()) => Some(chunk.values.intern(&text)),
        Err(flaw) => {
            flaws.push(flaw);
            None
        }
    }
}
