//! Good histories, spoilt in one place: whatever was changed must be found, by the name that it has.
//!
//! A second way to the truth: nothing here knows how findings are found. Each mutation picks a place where the
//! history as it was recorded leaves no excuse for what it puts there.

#![allow(clippy::ptr_arg, reason = "all mutations are of one type, and some add or remove events")]

use super::{Kind, lifecycle, sound, truth};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

type Event = Value;

/// Changes a history in one place; nothing, if there is no place for it.
type Mutation = fn(&mut Vec<Event>) -> Option<()>;

const MUTATIONS: &[(&str, Mutation, &[Kind])] = &[
    ("a session that nobody ended is not found", forget_session, &[Kind::LostSession]),
    ("the last write is gone in the end", forget_write, &[Kind::LostWrite]),
    ("a session is found after its destroy", bring_back, &[Kind::ResurrectedSession]),
    ("an old id is found after its renewal", keep_old_id, &[Kind::OldIdAlive]),
    ("a read shows another session", leak, &[Kind::SessionLeak]),
    ("a read shows bytes that nobody wrote", tear, &[Kind::TornSession]),
    ("an action is in a list twice", repeat_action, &[Kind::DuplicatedAction]),
    ("an action is in no list", forget_action, &[Kind::LostAction]),
    ("an answer tells an earlier time", turn_back, &[Kind::ClockWentBack]),
    ("an entry is not in the trail", drop_entry, &[Kind::AuditMissing]),
    ("an entry is in the trail twice", double_entry, &[Kind::AuditDuplicated]),
    ("an entry tells of what nobody asked for", forge_entry, &[Kind::AuditForged]),
    ("a replica holds something else", diverge, &[Kind::DivergentReplicas]),
];

#[test]
fn whatever_is_spoilt_is_found() {
    let mut done: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..super::seeds(3) {
        let options = sound(super::HOUR);
        let (_, journal) = truth::run(&options, &truth::settings(lifecycle(seed), &["kill"], 3, 5));
        let text = String::from_utf8(journal).expect("text");
        let events: Vec<Event> =
            text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
        for (name, mutation, expected) in MUTATIONS {
            let mut spoilt = events.clone();
            if mutation(&mut spoilt).is_none() {
                continue;
            }
            *done.entry(name).or_default() += 1;
            let lines: Vec<String> = spoilt.iter().map(Value::to_string).collect();
            let found = super::judged(&lines.join("\n"), super::HOUR);
            let kinds: Vec<Kind> = found.into_keys().collect();
            assert_eq!(kinds, *expected, "seed {seed}: {name}");
        }
    }
    for (name, ..) in MUTATIONS {
        assert!(done.contains_key(name), "no history had a place for it: {name}");
    }
}

fn is(event: &Event, kind: &str, f: &str) -> bool {
    event["type"] == kind && event["f"] == f && event["process"].is_number()
}

/// Acknowledged reads in the end, by id.
fn finals(events: &[Event]) -> impl Iterator<Item = usize> + '_ {
    (0..events.len()).filter(|&at| is(&events[at], "ok", "read") && events[at]["session"] == "final")
}

/// What was asked under each id, whatever became of it.
fn asked<'a>(events: &'a [Event], key: &'a Value) -> impl Iterator<Item = &'a Event> {
    events.iter().filter(move |event| event["type"] == "invoke" && event["key"] == *key)
}

fn was_asked(events: &[Event], key: &Value, functions: &[&str]) -> bool {
    asked(events, key).any(|event| functions.iter().any(|f| event["f"] == *f))
}

fn forget_session(events: &mut Vec<Event>) -> Option<()> {
    let ends = ["destroy", "renew"];
    let at = finals(events)
        .find(|&at| !events[at]["value"].is_null() && !was_asked(events, &events[at]["key"], &ends))?;
    events[at]["value"] = Value::Null;
    Some(())
}

/// A final read that shows a whole write returns the creation instead; nothing was patched under that id.
fn forget_write(events: &mut Vec<Event>) -> Option<()> {
    let mut created: HashMap<String, Value> = HashMap::new();
    for event in events.iter().filter(|event| is(event, "ok", "create")) {
        created.insert(event["key"].to_string(), event["value"].clone());
    }
    let acknowledged =
        |value: &Value| events.iter().any(|event| is(event, "ok", "write") && event["value"] == *value);
    let at = finals(events).find(|&at| {
        let event = &events[at];
        let key = &event["key"];
        created.contains_key(&key.to_string())
            && !was_asked(events, key, &["patch", "renew", "destroy"])
            && acknowledged(&event["value"])
    })?;
    events[at]["value"] = created.remove(&events[at]["key"].to_string())?;
    Some(())
}

/// A final read of an id that was given up like this shows what was created.
fn revive(events: &mut [Event], end: &str) -> Option<()> {
    let at = finals(events).find(|&at| {
        let key = &events[at]["key"];
        let ends = events.iter().any(|event| is(event, "ok", end) && event["key"] == *key);
        let created = events.iter().any(|event| is(event, "ok", "create") && event["key"] == *key);
        ends && created && !was_asked(events, key, &["write", "patch"])
    })?;
    let key = events[at]["key"].clone();
    let created = events.iter().find(|event| is(event, "ok", "create") && event["key"] == key)?;
    events[at]["value"] = created["value"].clone();
    Some(())
}

fn bring_back(events: &mut Vec<Event>) -> Option<()> {
    revive(events, "destroy")
}

fn keep_old_id(events: &mut Vec<Event>) -> Option<()> {
    revive(events, "renew")
}

/// The last read that shows a whole session shows the first one that was created; not its own, or it would be an earlier
/// state of it.
fn leak(events: &mut Vec<Event>) -> Option<()> {
    let other = events.iter().find(|event| is(event, "ok", "create"))?.clone();
    let at = (0..events.len()).rfind(|&at| {
        let (event, shown) = (&events[at], &events[at]["value"]["session"]);
        is(event, "ok", "read") && shown.is_string() && *shown != other["session"]
    })?;
    events[at]["value"] = other["value"].clone();
    Some(())
}

fn tear(events: &mut Vec<Event>) -> Option<()> {
    let at = finals(events).find(|&at| events[at]["value"].is_object())?;
    events[at]["value"] = json!({"torn": "00000000000000ff", "bytes": 64, "begins": "1 64"});
    Some(())
}

fn last_list(events: &[Event]) -> Option<usize> {
    (0..events.len()).rfind(|&at| {
        is(&events[at], "ok", "actions")
            && events[at]["value"].as_array().is_some_and(|list| !list.is_empty())
    })
}

fn repeat_action(events: &mut Vec<Event>) -> Option<()> {
    let at = last_list(events)?;
    let list = events[at]["value"].as_array_mut()?;
    let first = list.first()?.clone();
    list.push(first);
    Some(())
}

fn forget_action(events: &mut Vec<Event>) -> Option<()> {
    let acknowledged: Vec<Value> =
        events.iter().filter(|event| is(event, "ok", "act")).map(|event| event["value"].clone()).collect();
    let at = last_list(events)?;
    let action = events[at]["value"].as_array()?.iter().find(|action| acknowledged.contains(action))?.clone();
    for event in events.iter_mut().filter(|event| is(event, "ok", "actions")) {
        event["value"].as_array_mut()?.retain(|other| *other != action);
    }
    Some(())
}

fn turn_back(events: &mut Vec<Event>) -> Option<()> {
    // The last answer of the reader of everything: it has been told many times before.
    let at = finals(events).last()?;
    events[at]["clock"] = json!(events[at]["clock"].as_i64()? - 1_000_000_000);
    Some(())
}

fn entry(events: &[Event]) -> Option<usize> {
    let acknowledged = |entry: &Event| {
        events.iter().any(|event| is(event, "ok", "create") && event["key"] == entry["value"][0])
    };
    (0..events.len()).find(|&at| {
        events[at]["process"] == "audit" && events[at]["f"] == "create" && acknowledged(&events[at])
    })
}

fn count(events: &mut [Event], by: i64) -> Option<()> {
    let told = events.iter_mut().find(|event| event["process"] == "recorder" && event["f"] == "audit")?;
    told["value"] = json!(told["value"].as_i64()? + by);
    Some(())
}

/// Takes the number off what comes after: lines are numbered.
fn renumber(events: &mut [Event]) {
    for (index, event) in events.iter_mut().skip(1).enumerate() {
        event["index"] = json!(index);
    }
}

fn drop_entry(events: &mut Vec<Event>) -> Option<()> {
    let at = entry(events)?;
    events.remove(at);
    renumber(events);
    count(events, -1)
}

fn double_entry(events: &mut Vec<Event>) -> Option<()> {
    let at = entry(events)?;
    events.insert(at, events[at].clone());
    renumber(events);
    count(events, 1)
}

fn forge_entry(events: &mut Vec<Event>) -> Option<()> {
    let at = entry(events)?;
    let mut forged = events[at].clone();
    forged["value"] = json!(["nobody's", null]);
    events.insert(at, forged);
    renumber(events);
    count(events, 1)
}

fn diverge(events: &mut Vec<Event>) -> Option<()> {
    let at = (0..events.len())
        .find(|&at| events[at]["process"] == "replica" && events[at]["value"][2].is_object())?;
    events[at]["value"][2] = json!({"session": "another", "version": 1, "bytes": 64});
    Some(())
}
