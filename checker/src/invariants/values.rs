//! Parses the values that operations returned: elements, balances, numbers.
//!
//! Values are interned as canonical JSON, and a list or map is one value. The text of an element inside is canonical
//! too. So equal elements have equal text, and the checks compare text.

use histories::{Argument, History, MicroKind, OpId, ValueId};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The elements of a list, as JSON. `null` is the empty list. `None` if the value is not a list.
pub(super) fn parse_elements(history: &History, value: ValueId) -> Option<Vec<&str>> {
    if value == ValueId::NULL {
        return Some(Vec::new());
    }
    let list: Vec<&RawValue> = serde_json::from_str(history.value_text(value)).ok()?;
    Some(list.into_iter().map(RawValue::get).collect())
}

/// The integer that a value is. `None` for other values.
pub(super) fn parse_integer(history: &History, value: ValueId) -> Option<i64> {
    history.value_text(value).parse().ok()
}

/// The accounts of a bank and their balances, from a map, or from a list by index. `None` for other values.
pub(super) fn parse_balances(history: &History, value: ValueId) -> Option<Vec<(String, Option<i64>)>> {
    let text = history.value_text(value);
    if text.starts_with('[') {
        let list: Vec<Option<i64>> = serde_json::from_str(text).ok()?;
        return Some(list.into_iter().enumerate().map(|(at, held)| (at.to_string(), held)).collect());
    }
    let map: BTreeMap<String, Option<i64>> = serde_json::from_str(text).ok()?;
    Some(map.into_iter().collect())
}

/// Numbers by register. An integer gives one number without a register name.
pub(super) fn parse_registers(history: &History, value: ValueId) -> Option<Vec<(Option<String>, i64)>> {
    if let Some(number) = parse_integer(history, value) {
        return Some(vec![(None, number)]);
    }
    let map: BTreeMap<String, Option<i64>> = serde_json::from_str(history.value_text(value)).ok()?;
    Some(map.into_iter().filter_map(|(name, number)| Some((Some(name), number?))).collect())
}

/// The keys that an operation read, as JSON, and whether each had been written. Keys that its transaction wrote before
/// are left out. `None` if it did not read micro-operations.
pub(super) fn read_snapshot(history: &History, id: OpId) -> Option<Vec<(String, bool)>> {
    if let Argument::Micros(range) = history.argument(id) {
        let micros = &history.micros()[range];
        let own =
            |at: usize| micros[..at].iter().any(|micro| is_write(micro.kind) && micro.key == micros[at].key);
        let read = |at: usize| match micros[at].kind {
            MicroKind::Read => Some(micros[at].value() != ValueId::NULL),
            MicroKind::ReadList => Some(!history.list(micros[at].list()).is_empty()),
            MicroKind::Write | MicroKind::Append => None,
        };
        let seen = (0..micros.len()).filter(|&at| !own(at));
        let seen = seen.filter_map(|at| Some((history.keys.text(micros[at].key).to_owned(), read(at)?)));
        return Some(seen.collect());
    }
    // Every other list of micro-operations is read as a transaction. The empty list is none.
    (history.value_text(history.operation(id).result) == "[]").then(Vec::new)
}

fn is_write(kind: MicroKind) -> bool {
    matches!(kind, MicroKind::Write | MicroKind::Append)
}
