//! What operations returned, taken apart: elements, balances, numbers.
//!
//! Values are interned as canonical JSON, lists and maps as a whole. The text of an element inside is canonical too, so
//! that equal elements have equal text, and text is compared.

use histories::{Argument, History, MicroKind, OpId, ValueId};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The elements of a list that was read, as JSON; none of anything else. `null` is the empty list.
pub(super) fn parse_elements(history: &History, value: ValueId) -> Option<Vec<&str>> {
    if value == ValueId::NULL {
        return Some(Vec::new());
    }
    let list: Vec<&RawValue> = serde_json::from_str(history.value_text(value)).ok()?;
    Some(list.into_iter().map(RawValue::get).collect())
}

/// An integer.
pub(super) fn parse_integer(history: &History, value: ValueId) -> Option<i64> {
    history.value_text(value).parse().ok()
}

/// The accounts of a bank with what each holds, from a map or a list by number; none of anything else.
pub(super) fn parse_balances(history: &History, value: ValueId) -> Option<Vec<(String, Option<i64>)>> {
    let text = history.value_text(value);
    if text.starts_with('[') {
        let list: Vec<Option<i64>> = serde_json::from_str(text).ok()?;
        return Some(list.into_iter().enumerate().map(|(at, held)| (at.to_string(), held)).collect());
    }
    let map: BTreeMap<String, Option<i64>> = serde_json::from_str(text).ok()?;
    Some(map.into_iter().collect())
}

/// Numbers by register: of an integer, one without a name.
pub(super) fn parse_registers(history: &History, value: ValueId) -> Option<Vec<(Option<String>, i64)>> {
    if let Some(number) = parse_integer(history, value) {
        return Some(vec![(None, number)]);
    }
    let map: BTreeMap<String, Option<i64>> = serde_json::from_str(history.value_text(value)).ok()?;
    Some(map.into_iter().filter_map(|(name, number)| Some((Some(name), number?))).collect())
}

/// What a transaction read from others: keys as JSON, and whether each had been written. From micro-operations, of a
/// `txn` or as the value of a `read`; none of anything else.
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
    let micros: Vec<(&str, &RawValue, Option<&RawValue>)> =
        serde_json::from_str(history.value_text(history.operation(id).result)).ok()?;
    let read = |&(name, ..): &(&str, &RawValue, Option<&RawValue>)| {
        matches!(name.trim_start_matches(':'), "r" | "read")
    };
    if !micros.iter().all(read) {
        return None;
    }
    let written = |value: Option<&RawValue>| value.is_some_and(|value| value.get() != "null");
    Some(micros.into_iter().map(|(_, key, value)| (key.get().to_owned(), written(value))).collect())
}

fn is_write(kind: MicroKind) -> bool {
    matches!(kind, MicroKind::Write | MicroKind::Append)
}
