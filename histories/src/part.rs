//! A part of a history: some of its operations, as if the others had not been recorded.
//!
//! An explanation of a violation should show the few operations that matter, not the million others, in a history that
//! can be checked, drawn and sent like any other. So the part is a history of its own. It holds only the names that it
//! uses, and its events keep their indexes, so that "operation 412" is the same operation in both.

use crate::events::Event;
use crate::{
    ActorEvent, Argument, Completion, Function, History, HistoryBuilder, Id, Invocation, KeyId, Lists, Micro,
    MicroInput, MicroKind, OpId, Outcome, Payload, ProcessId, ValueId,
};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

impl History {
    /// Returns a copy in which `map` was applied to each value that transactions write to or read from registers, key
    /// by key. Lists stay unchanged. O(micro-operations), plus the copy.
    #[must_use]
    pub fn map_registers(&self, map: impl Fn(KeyId, ValueId) -> ValueId) -> History {
        let mut mapped = self.clone();
        for micro in &mut mapped.micros {
            if matches!(micro.kind, MicroKind::Read | MicroKind::Write) {
                micro.payload = map(micro.key, micro.value()).raw();
            }
        }
        mapped
    }

    /// Returns a copy without the elements of lists for which `keep` is false, key by key. O(elements), plus the copy.
    #[must_use]
    pub fn filter_lists(&self, keep: impl Fn(KeyId, ValueId) -> bool) -> History {
        let mut filtered = self.clone();
        filtered.lists = Lists::default();
        for micro in &mut filtered.micros {
            if micro.kind == MicroKind::ReadList {
                let elements = self.list(micro.list()).iter().copied();
                let kept: Vec<ValueId> = elements.filter(|&element| keep(micro.key, element)).collect();
                micro.payload = filtered.lists.push(micro.key, &kept).raw();
            }
        }
        filtered
    }

    /// Returns a copy in which transactions do not have the micro-operations for which `keep` is false. O(micro-operations), plus the
    /// copy.
    #[must_use]
    pub fn filter_transactions(&self, keep: impl Fn(OpId, &Micro) -> bool) -> History {
        let mut filtered = self.clone();
        filtered.micros.clear();
        for id in self.ids().filter(|&id| self.function(id) == Function::TXN) {
            let start = filtered.micros.len();
            filtered.micros.extend(self.micros_of(id).iter().copied().filter(|micro| keep(id, micro)));
            filtered.argument[id.index()] = [start as u32, (filtered.micros.len() - start) as u32];
        }
        filtered
    }

    /// Returns the history of only these operations, with the header and the events of actors. What a replica held of an
    /// object that no operation here names is left out, and what the live connection of such a session brought. So are the counts of
    /// all objects on which replicas differed.
    /// The ids of operations are new, in the order of `operations`, which must be in invocation order. O(events of the
    /// whole history).
    pub fn restrict_to(&self, operations: &[OpId]) -> History {
        debug_assert!(operations.is_sorted(), "operations are in order of invocation");
        let mut part = PartBuilder { whole: self, builder: HistoryBuilder::new(), ids: FxHashMap::default() };
        let is_whole = operations.len() == self.len();
        if let Some(header) = self.header() {
            part.builder.set_header(&if is_whole {
                header.to_owned()
            } else {
                remove_gapless_promise(header)
            });
        }
        let keys: FxHashSet<KeyId> = operations.iter().map(|&id| self.operation(id).key).collect();
        for (event, position) in self.events().zip(0..) {
            match event {
                Event::Invoke(id) if operations.binary_search(&id).is_ok() => part.add_invocation(id),
                Event::Complete(id) if operations.binary_search(&id).is_ok() => part.add_completion(id),
                Event::Actor(event) if is_whole || !self.is_look_at_others(event, &keys) => {
                    part.builder.add_actor_event(event.clone());
                }
                Event::Invoke(_) | Event::Complete(_) | Event::Actor(_) => continue,
            }
            part.builder.set_event_index(self.event_index(position));
            if let Some(note) = self.note(position) {
                part.builder.add_note(&note.fields);
            }
        }
        part.builder.finish()
    }

    /// Whether the event tells what a replica held of an object that is none of `keys`, or what the live connection of such a session
    /// brought, or compares replicas over all objects: with some objects left out, replicas that differed would seem to agree.
    fn is_look_at_others(&self, event: &ActorEvent, keys: &FxHashSet<KeyId>) -> bool {
        match (event.actor.as_str(), event.function.as_str()) {
            ("recorder", "look" | "apart") => true,
            ("replica", "read") => match serde_json::from_str::<[&RawValue; 3]>(&event.value) {
                Ok([_, key, _]) => self.keys.get(key.get()).is_none_or(|key| !keys.contains(&key)),
                Err(_) => false,
            },
            ("live", _) => {
                // The session, or the session and the number of a message.
                let list = serde_json::from_str::<Vec<&RawValue>>(&event.value);
                let session =
                    list.as_ref().map_or(event.value.as_str(), |list| list.first().map_or("", |it| it.get()));
                self.keys.get(session).is_none_or(|key| !keys.contains(&key))
            }
            _ => false,
        }
    }
}

/// Removes the promise that no event is missing (`gapless`) from the header of a recording.
fn remove_gapless_promise(header: &str) -> String {
    match serde_json::from_str::<BTreeMap<String, &RawValue>>(header) {
        Ok(mut fields) if fields.contains_key("gapless") => {
            fields.remove("gapless");
            serde_json::to_string(&fields).expect("what was JSON is JSON")
        }
        _ => header.to_owned(),
    }
}

struct PartBuilder<'a> {
    whole: &'a History,
    builder: HistoryBuilder,
    ids: FxHashMap<OpId, OpId>,
}

/// The micro-operations of a transaction, with their lists beside them.
struct PartMicros {
    kinds: Vec<(MicroKind, KeyId, ValueId)>,
    lists: Vec<Vec<ValueId>>,
}

impl PartBuilder<'_> {
    fn add_invocation(&mut self, id: OpId) {
        let op = self.whole.operation(id);
        let function = self.builder.intern_function(self.whole.function_name(op.function));
        let key = self.translate_key(op.key);
        let process = self.translate_process(op.process);
        let session = self.whole.sessions.text(op.session);
        let session = (session != format!("process {}", self.whole.process_text(op.process)))
            .then(|| self.builder.history().sessions.intern(session));
        let micros = self.translate_micros(id);
        let inputs = micros.as_inputs();
        let payload = match op.argument {
            Argument::Value(value) => Payload::Value(self.translate_value(value)),
            Argument::Pair(old, new) => Payload::Pair(self.translate_value(old), self.translate_value(new)),
            // The micro-operations of an `ok` transaction are added at its completion.
            Argument::Micros(_) if op.outcome == Outcome::Ok => Payload::Micros(&[]),
            Argument::Micros(_) => Payload::Micros(&inputs),
        };
        let invocation = Invocation { process: 0, session, function, key, payload };
        let own =
            self.builder.invoke_as(process, invocation).expect("what was paired once can be paired again");
        if let Some(&typed) = self.whole.typed.get(id.index()).filter(|&&typed| typed != op.function) {
            let typed = self.builder.intern_function(self.whole.function_name(typed));
            self.builder.set_written_function(own, typed);
        }
        self.ids.insert(id, own);
        if let Some(time) = self.whole.invoked_at(id) {
            self.builder.set_time(own, false, time);
        }
    }

    fn add_completion(&mut self, id: OpId) {
        let op = self.whole.operation(id);
        let micros = self.translate_micros(id);
        let inputs = micros.as_inputs();
        let payload = match op.argument {
            Argument::Value(_) => Payload::Value(self.translate_value(op.result)),
            Argument::Pair(old, new) => Payload::Pair(self.translate_value(old), self.translate_value(new)),
            Argument::Micros(_) => Payload::Micros(&inputs),
        };
        let process = self.translate_process(op.process);
        let completion = Completion { process: 0, outcome: op.outcome, function: None, key: None, payload };
        self.builder.complete_as(process, completion).expect("what was paired once can be paired again");
        let own = self.ids[&id];
        if let Some(time) = self.whole.completed_at(id) {
            self.builder.set_time(own, true, time);
        }
        if let Some(version) = self.whole.version(id) {
            self.builder.set_version(own, version);
        }
    }

    fn translate_process(&mut self, process: ProcessId) -> ProcessId {
        match self.whole.process_label(process) {
            Some(name) => self.builder.intern_named_process(name),
            None => self.builder.intern_process(self.whole.process_number(process)),
        }
    }

    fn translate_key(&mut self, key: KeyId) -> KeyId {
        self.builder.history().keys.intern(self.whole.keys.text(key))
    }

    fn translate_value(&mut self, value: ValueId) -> ValueId {
        self.builder.history().values.intern(self.whole.values.text(value))
    }

    fn translate_micros(&mut self, id: OpId) -> PartMicros {
        let whole = self.whole;
        if whole.function(id) != Function::TXN {
            return PartMicros { kinds: Vec::new(), lists: Vec::new() };
        }
        let (mut kinds, mut lists) = (Vec::new(), Vec::new());
        for &micro in whole.micros_of(id) {
            let Micro { kind, key, .. } = micro;
            let key = self.translate_key(key);
            let value = match kind {
                MicroKind::ReadList => {
                    lists.push(
                        whole.list(micro.list()).iter().map(|&value| self.translate_value(value)).collect(),
                    );
                    ValueId::NULL
                }
                _ => self.translate_value(micro.value()),
            };
            kinds.push((kind, key, value));
        }
        PartMicros { kinds, lists }
    }
}

impl PartMicros {
    fn as_inputs(&self) -> Vec<MicroInput<'_>> {
        let mut lists = self.lists.iter();
        let input = |&(kind, key, value)| match kind {
            MicroKind::Read => MicroInput::Read(key, value),
            MicroKind::Write => MicroInput::Write(key, value),
            MicroKind::Append => MicroInput::Append(key, value),
            MicroKind::ReadList => MicroInput::ReadList(key, lists.next().expect("a list for each read")),
        };
        self.kinds.iter().map(input).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::format::{Format, from_text, write_native};
    use crate::{History, OpId};

    fn written(history: &History) -> String {
        let mut text = Vec::new();
        write_native(history, &mut text).expect("memory");
        String::from_utf8(text).expect("text")
    }

    const LINES: &str = r#"{"steadfast":1,"seed":7}
{"index":10,"time":5,"process":3,"session":"a","type":"invoke","f":"write","key":"x","value":5,"intended":4}
{"index":11,"time":6,"process":4,"type":"invoke","f":"cas","key":"y","value":[1,2]}
{"index":12,"process":"nemesis","type":"info","f":"kill","value":"n1"}
{"index":13,"time":7,"process":3,"session":"a","type":"ok","f":"write","key":"x","value":5,"version":9,"node":"n1"}
{"index":14,"time":8,"process":5,"type":"invoke","f":"txn","value":[["r","x",null],["append","z",1],["r","z",null]]}
{"index":15,"time":9,"process":4,"type":"fail","f":"cas","key":"y","value":[1,2],"error":"no"}
{"index":16,"time":10,"process":5,"type":"ok","f":"txn","value":[["r","x",5],["append","z",1],["r","z",[3,1]]]}
{"index":17,"time":11,"process":6,"type":"invoke","f":"txn","value":[["w","x",null],["r","q",null]]}
{"index":18,"time":12,"process":6,"type":"info","f":"txn","value":[["w","x",null],["r","q",null]]}
{"index":19,"time":12,"process":7,"type":"invoke","f":"frobnicate","key":"x","value":{"a":[1]}}
"#;

    #[test]
    fn the_part_that_is_all_is_the_same_history() {
        let whole = from_text(Format::Native, LINES).expect("a history");
        let all: Vec<OpId> = whole.ids().collect();
        assert_eq!(written(&whole.restrict_to(&all)), written(&whole));
    }

    #[test]
    fn a_part_keeps_the_lines_of_its_operations_and_of_actors() {
        let whole = from_text(Format::Native, LINES).expect("a history");
        let text = written(&whole);
        for kept in [vec![0], vec![1, 3], vec![2, 4], vec![]] {
            let ids: Vec<OpId> = kept.iter().map(|&at| whole.ids().nth(at).expect("an operation")).collect();
            let processes: Vec<String> = ids
                .iter()
                .map(|&id| format!("\"process\":{},", whole.process_number(whole.process(id))))
                .collect();
            let expected: String = text
                .lines()
                .filter(|line| {
                    line.contains("steadfast")
                        || line.contains("nemesis")
                        || processes.iter().any(|p| line.contains(p))
                })
                .map(|line| format!("{line}\n"))
                .collect();
            assert_eq!(written(&whole.restrict_to(&ids)), expected, "{kept:?}");
        }
    }

    /// The header of a recording promises that no event is missing, and readers refuse a recording with gaps.
    #[test]
    fn a_part_of_a_recording_promises_nothing() {
        let recorded = r#"{"steadfast":1,"seed":7,"gapless":true}
{"index":0,"process":3,"type":"invoke","f":"write","value":5}
{"index":1,"process":4,"type":"invoke","f":"read"}
{"index":2,"process":3,"type":"ok","f":"write","value":5}
"#;
        let whole = from_text(Format::Native, recorded).expect("a history");
        let first: Vec<OpId> = whole.ids().take(1).collect();
        let part = written(&whole.restrict_to(&first));
        let again = from_text(Format::Native, &part).expect("a history");
        assert_eq!((again.header(), again.len()), (Some(r#"{"seed":7,"steadfast":1}"#), 1));
        let all: Vec<OpId> = whole.ids().collect();
        assert_eq!(whole.restrict_to(&all).header(), whole.header());
    }

    /// A recording of minutes looks at every object of every replica, a thousand lines that have nothing to do with the
    /// few operations of an explanation.
    #[test]
    fn a_part_keeps_what_replicas_held_of_its_own_objects() {
        let recorded = r#"{"index":0,"process":3,"type":"invoke","f":"write","key":"x","value":5}
{"index":1,"process":3,"type":"ok","f":"write","key":"x","value":5}
{"index":2,"process":4,"type":"invoke","f":"write","key":"y","value":6}
{"index":3,"process":4,"type":"ok","f":"write","key":"y","value":6}
{"index":4,"process":"recorder","type":"info","f":"apart","value":["y",["n1",6],["n2",null]]}
{"index":5,"process":"recorder","type":"info","f":"look","value":[2,1,0,0]}
{"index":6,"process":"replica","type":"info","f":"read","value":["n1","x",5]}
{"index":7,"process":"replica","type":"info","f":"read","value":["n1","y",6]}
{"index":8,"process":"replica","type":"info","f":"read","value":["n1","z",null]}
"#;
        let whole = from_text(Format::Native, recorded).expect("a history");
        let first: Vec<OpId> = whole.ids().take(1).collect();
        let text = written(&whole);
        let about_x: String =
            text.lines().filter(|line| line.contains("\"x\"")).map(|line| format!("{line}\n")).collect();
        assert_eq!(written(&whole.restrict_to(&first)), about_x);
        let all: Vec<OpId> = whole.ids().collect();
        assert_eq!(written(&whole.restrict_to(&all)), text);
    }

    #[test]
    fn a_part_holds_only_the_names_that_it_uses() {
        let whole = from_text(Format::Native, LINES).expect("a history");
        let first: Vec<OpId> = whole.ids().take(1).collect();
        let part = whole.restrict_to(&first);
        assert_eq!((part.len(), part.values.len(), part.keys.len(), part.sessions.len()), (1, 2, 2, 1));
        assert_eq!(part.operation_index(part.ids().next().expect("one")), 10);
    }

    /// What the live connection of one session brought says nothing about another.
    #[test]
    fn what_a_live_connection_of_others_brought_is_left_out() {
        let text = [
            r#"{"index":0,"process":0,"type":"invoke","f":"create","session":"u","key":"s1","value":1}"#,
            r#"{"index":1,"process":1,"type":"invoke","f":"create","session":"v","key":"s2","value":1}"#,
            r#"{"index":2,"process":"live","type":"info","f":"open","value":"s1"}"#,
            r#"{"index":3,"process":"live","type":"info","f":"open","value":"s2"}"#,
            r#"{"index":4,"process":"live","type":"info","f":"message","value":["s1",1]}"#,
            r#"{"index":5,"process":"live","type":"info","f":"message","value":["s2",1]}"#,
            r#"{"index":6,"process":"live","type":"info","f":"message","value":["never seen",1]}"#,
        ];
        let whole = from_text(Format::Native, &text.join("\n")).expect("a history");
        let first: Vec<OpId> = whole.ids().take(1).collect();
        let part = written(&whole.restrict_to(&first));
        let left: Vec<&str> = part.lines().filter(|line| line.contains("live")).collect();
        assert_eq!(left, [text[2], text[4]], "{part}");
        let all: Vec<OpId> = whole.ids().collect();
        assert_eq!(written(&whole.restrict_to(&all)).lines().filter(|line| line.contains("live")).count(), 5);
    }
}
