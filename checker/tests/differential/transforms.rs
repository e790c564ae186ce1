//! Changes of a history whose effect on every verdict is known.

use crate::near::EventList;
use crate::subjects::Subject;
use serde_json::{Value, json};
use testkit::TestRandom;

/// A value and a number of a process that no history of these families has.
const FRESH_VALUE: i64 = 777;
const FRESH_PROCESS: i64 = 90_000;

/// The events as they are, without their indexes, so that others can be put between them.
pub(crate) fn unnumbered(list: &EventList) -> EventList {
    let mut events = list.events.clone();
    for event in &mut events {
        event.as_object_mut().expect("events are objects").remove("index");
    }
    EventList { header: list.header.clone(), events }
}

/// Other names for all processes, sessions, keys and values. Zero and null stay: they may be initial values.
pub(crate) fn renamed(subject: &Subject) -> EventList {
    let mut list = unnumbered(&subject.events);
    let model = subject.question.model.name();
    // These calculate with values, put them together or compare them.
    let keeps_values = ["counter", "kv", "priority-queue"].contains(&model);
    for event in &mut list.events {
        rename_place(event, "process", &|value| value.as_i64().map(|number| json!(number * 3 + 5)));
        rename_place(event, "session", &|value| Some(json!(format!("other {value}"))));
        rename_place(event, "key", &|value| Some(json!(format!("other {value}"))));
        if !keeps_values {
            rename_numbers(&mut event["value"]);
        }
        for micro in event["value"].as_array_mut().into_iter().flatten().filter(|_| is_transaction(subject)) {
            rename_micro_key(micro, "other ");
        }
        if event["value"].is_null() {
            event.as_object_mut().expect("events are objects").remove("value");
        }
    }
    list
}

fn is_transaction(subject: &Subject) -> bool {
    subject.family.is_of_transactions() || subject.question.model.name() == "multi-register"
}

fn rename_place(event: &mut Value, field: &str, new: &dyn Fn(&Value) -> Option<Value>) {
    if let Some(place) = event.get_mut(field).filter(|value| !value.is_null())
        && let Some(new) = new(place)
    {
        *place = new;
    }
}

fn rename_numbers(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(rename_numbers),
        Value::Number(number) if number.as_i64() != Some(0) => {
            *value = json!(number.as_i64().expect("an integer") * 10 + 7);
        }
        _ => {}
    }
}

fn rename_micro_key(micro: &mut Value, prefix: &str) {
    if let Some(key) = micro.get_mut(1) {
        *key = json!(format!("{prefix}{key}"));
    }
}

/// The names of the functions of one object that has no transactions: the function of a write, and its values.
fn writes_at_end(subject: &Subject) -> Option<&'static str> {
    Some(match subject.question.model.name() {
        "cas-register" => "write",
        "queue" => "enqueue",
        "stack" => "push",
        "priority-queue" => "insert",
        _ => return None,
    })
}

/// Two equal writes of a fresh value at the end, by a session of their own. Nobody sees them, and values are no longer written once:
/// engines that need this cannot decide it any more.
pub(crate) fn with_equal_writes_at_end(subject: &Subject, random: &mut TestRandom) -> Option<EventList> {
    let mut list = unnumbered(&subject.events);
    if list.events.is_empty() || list.events.iter().any(|event| event.get("version").is_some()) {
        return None;
    }
    // Equal elements of a list leave levels open.
    if subject.question.model.name() == "list-append" && !subject.family.may_be_unknown() {
        return None;
    }
    let (function, value, key) = if subject.family.is_of_transactions() {
        let micros: Vec<&Value> =
            list.events.iter().flat_map(|event| event["value"].as_array().into_iter().flatten()).collect();
        let micro = micros[random.below(micros.len())];
        let writes = match subject.question.model.name() {
            "list-append" => "append",
            _ => "w",
        };
        ("txn", json!([[writes, micro[1], FRESH_VALUE]]), None)
    } else {
        let function = writes_at_end(subject)?;
        let key = list.events[random.below(list.events.len())].get("key").cloned();
        (function, json!(FRESH_VALUE), key)
    };
    if function == "insert" && list.events.iter().any(|event| event["value"].is_array()) {
        return None;
    }
    for number in 0..2 {
        for kind in ["invoke", "ok"] {
            let mut event = json!({"process": FRESH_PROCESS + number, "session": "at the end", "type": kind,
                "f": function, "value": value});
            if let Some(key) = &key {
                event["key"] = key.clone();
            }
            list.events.push(event);
        }
    }
    Some(list)
}

/// A session of its own that reads, and whose reads fail or are never answered.
pub(crate) fn with_silent_session(subject: &Subject, random: &mut TestRandom) -> Option<EventList> {
    let mut list = unnumbered(&subject.events);
    let key = list.events.get(random.below(list.events.len().max(1)))?.get("key").cloned();
    let value = if subject.family.is_of_transactions() {
        let micros = list.events.iter().flat_map(|event| event["value"].as_array().into_iter().flatten());
        json!([["r", micros.map(|micro| micro[1].clone()).next()?, null]])
    } else {
        Value::Null
    };
    let function = match subject.question.model.name() {
        "cas-register" | "counter" | "set" => "read",
        "kv" => "get",
        "multi-register" => return None,
        _ if subject.family.is_of_transactions() => "txn",
        _ => return None,
    };
    for (number, ends) in [Some("fail"), Some("info"), None].into_iter().enumerate() {
        let mut at = random.below(list.events.len() + 1);
        for kind in [Some("invoke"), ends].into_iter().flatten() {
            let mut event = json!({"process": FRESH_PROCESS + number as i64, "session": "silent", "type": kind,
                "f": function, "value": value});
            if let Some(key) = &key {
                event["key"] = key.clone();
            }
            list.events.insert(at, event);
            at += 1 + random.below(list.events.len() - at);
        }
    }
    Some(list)
}

/// The history without an indeterminate operation whose value occurs nowhere else.
pub(crate) fn without_unseen(subject: &Subject, random: &mut TestRandom) -> Option<EventList> {
    let list = &subject.events;
    let invocations = (0..list.events.len()).filter(|&at| list.is_invocation(at));
    let unseen: Vec<usize> = invocations.filter(|&at| is_unseen(subject, at)).collect();
    let &at = unseen.get(random.below(unseen.len().max(1)))?;
    let mut rest = EventList { header: list.header.clone(), events: list.events.clone() };
    rest.drop_operation(at);
    (!rest.events.is_empty()).then_some(rest)
}

fn is_unseen(subject: &Subject, at: usize) -> bool {
    let list = &subject.events;
    let (_, completed) = list.places_of_operation(at);
    if completed.is_some_and(|at| list.events[at]["type"] != "info") {
        return false;
    }
    let event = &list.events[at];
    let written: Vec<Value> = match event["f"].as_str() {
        Some("write" | "enqueue" | "push") => vec![event["value"].clone()],
        Some("cas") => vec![event["value"][1].clone()],
        Some("txn") => {
            let micros = event["value"].as_array().into_iter().flatten();
            micros.filter(|micro| micro[0] != "r").map(|micro| micro[2].clone()).collect()
        }
        _ => return false,
    };
    // A queue gives out what was put into it, unless nothing comes after it; so only registers and lists forget.
    let forgets = subject.family.is_of_registers() || subject.family.is_of_transactions();
    let own = |place: usize| place == at || Some(place) == completed;
    let others = (0..list.events.len()).filter(|&place| !own(place));
    let seen = |value: &Value| others.clone().any(|place| mentions(&list.events[place]["value"], value));
    forgets && written.iter().all(|value| !value.is_null() && *value != json!(0) && !seen(value))
}

fn mentions(place: &Value, value: &Value) -> bool {
    place == value || place.as_array().is_some_and(|list| list.iter().any(|one| mentions(one, value)))
}

/// The history, and after its end another one with keys, sessions and processes of its own.
pub(crate) fn beside(one: &EventList, other: &EventList, is_of_transactions: bool) -> EventList {
    let (mut both, other) = (unnumbered(one), unnumbered(other));
    both.events.extend(other.events.into_iter().map(|mut event| {
        rename_place(&mut event, "process", &|value| value.as_i64().map(|number| json!(number + 1_000)));
        rename_place(&mut event, "session", &|value| Some(json!(format!("second {value}"))));
        rename_place(&mut event, "key", &|value| Some(json!(format!("second {value}"))));
        for micro in event["value"].as_array_mut().into_iter().flatten().filter(|_| is_of_transactions) {
            rename_micro_key(micro, "second ");
        }
        event
    }));
    both
}

/// The first events.
pub(crate) fn prefix(list: &EventList, events: usize) -> EventList {
    EventList { header: list.header.clone(), events: list.events[..events].to_vec() }
}

/// A place at which every operation has ended, with all that were indeterminate reads, if there is one inside the history.
pub(crate) fn quiet_place(list: &EventList, random: &mut TestRandom) -> Option<usize> {
    let is_quiet = |place: &usize| {
        (0..*place).filter(|&at| list.is_invocation(at)).all(|at| {
            let (_, completed) = list.places_of_operation(at);
            let ended = completed.is_some_and(|at| at < *place && list.events[at]["type"] != "info");
            ended || list.events[at]["f"] == "read" && completed.is_none_or(|at| at < *place)
        })
    };
    let places: Vec<usize> = (1..list.events.len()).filter(is_quiet).collect();
    places.get(random.below(places.len().max(1))).copied()
}

/// The first part of a register's history with a read of a value at its end.
pub(crate) fn ending_with(list: &EventList, place: usize, value: &Value) -> EventList {
    let mut part = unnumbered(&prefix(list, place));
    let key = part.events[0].get("key").cloned();
    for kind in ["invoke", "ok"] {
        let seen = if kind == "ok" { value.clone() } else { Value::Null };
        let mut event = json!({"process": FRESH_PROCESS, "session": "at the end", "type": kind, "f": "read",
            "value": seen});
        if let Some(key) = &key {
            event["key"] = key.clone();
        }
        part.events.push(event);
    }
    part
}

/// The events from a place on.
pub(crate) fn suffix(list: &EventList, place: usize) -> EventList {
    unnumbered(&EventList { header: list.header.clone(), events: list.events[place..].to_vec() })
}
