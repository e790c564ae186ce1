//! Makes events of operations, in the order of time.
//!
//! An operation can be written once all operations that began before its end are known: a read shows a value if a request wrote it that
//! began before the answer. So operations are added in the order in which they began, and the caller says up to which moment it has added
//! all. A file is added whole, and a stream piece by piece; the events are the same, unless something is seen too late
//! ([`EventWriter::take_contradiction`]).
//!
//! O(log n) an operation. What is remembered grows with the number of sessions and of values, and is counted in bytes.

use super::TraceMap;
use super::census::SpanCensus;
use super::operation::{TraceFunction, TracedOperation};
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};

/// The memory of a name or a value that is remembered, beside its text.
const ENTRY_BYTES: usize = 96;

/// Writes operations as events.
pub(super) struct EventWriter {
    /// Whether no two sessions write the same value.
    unique_values: bool,
    /// Operations whose values are not settled, and those that are, in the order in which they began.
    unsettled: VecDeque<TracedOperation>,
    settled: VecDeque<TracedOperation>,
    /// Pairs of an id and the one before it whose renewal was told.
    renewed: HashSet<(String, String)>,
    /// The first id of each session that was renewed, by its later ids.
    roots: HashMap<String, String>,
    /// The ids under which values were settled.
    valued: HashSet<String>,
    /// The values that were written, and those that were read although no request had written them.
    written: HashSet<String>,
    missed: HashSet<String>,
    /// The ids that were created, or whose creation was added.
    created: HashSet<String>,
    created_before: usize,
    unwritten: usize,
    names: SessionNames,
    processes: FreeProcesses,
    /// The time of the first event.
    zero: Option<i64>,
    number: usize,
    /// Events that others can still come before: time, whether it completes, number, text. At equal times, operations begin before
    /// others end.
    events: BTreeMap<(i64, bool, usize), String>,
    contradiction: Option<String>,
    bytes: usize,
}

impl EventWriter {
    pub(super) fn new(map: &TraceMap) -> Self {
        Self {
            unique_values: map.unique_values,
            unsettled: VecDeque::new(),
            settled: VecDeque::new(),
            renewed: HashSet::new(),
            roots: HashMap::new(),
            valued: HashSet::new(),
            written: HashSet::new(),
            missed: HashSet::new(),
            created: HashSet::new(),
            created_before: 0,
            unwritten: 0,
            names: SessionNames { known: HashMap::new(), keep: map.session.keep, bytes: 0 },
            processes: FreeProcesses::default(),
            zero: None,
            number: 0,
            events: BTreeMap::new(),
            contradiction: None,
            bytes: 0,
        }
    }

    /// Adds operations in the order in which they began. None of them began before one that was added earlier.
    pub(super) fn add_operations(&mut self, operations: Vec<TracedOperation>) {
        let mut operations = self.tell_renewals(operations);
        for operation in &operations {
            self.note_root(operation);
        }
        let is_write = |function| matches!(function, TraceFunction::Create | TraceFunction::Write);
        for operation in operations.iter_mut().filter(|operation| is_write(operation.function)) {
            operation.asked = self.settle_value(&operation.key, &operation.asked);
            operation.answered = operation.asked.clone();
            if operation.outcome != "fail" {
                let value = operation.asked.to_string();
                if self.missed.contains(&value) {
                    self.contradict("a request read a value before the request began that wrote it");
                }
                self.bytes += value.len() + ENTRY_BYTES;
                self.written.insert(value);
            }
        }
        self.unsettled.extend(operations);
    }

    /// Appends the events that no other can come before any more: all operations that began until `known_until` were added.
    pub(super) fn write_until(&mut self, known_until: i64, text: &mut String) {
        while let Some(mut operation) = self.unsettled.pop_front() {
            if !self.settle_read(&mut operation, known_until) {
                self.unsettled.push_front(operation);
                break;
            }
            self.settled.push_back(operation);
        }
        let after = known_until.saturating_add(1);
        let next = self.unsettled.front().map_or(after, |operation| after.min(operation.from_ns));
        let is_last = known_until == i64::MAX && self.unsettled.is_empty();
        let ready = match is_last {
            true => self.settled.len(),
            // No operation that comes later began before this moment.
            false => self.settled.partition_point(|operation| operation.from_ns < next),
        };
        let mut operations: Vec<TracedOperation> = self.settled.drain(..ready).collect();
        self.add_creations(&mut operations);
        operations.sort_by_key(|operation| operation.from_ns);
        for operation in operations {
            self.add_events(&operation);
        }
        // A creation can come one nanosecond before its operation.
        let later = match is_last {
            true => BTreeMap::new(),
            false => self.events.split_off(&(next.saturating_sub(1), false, 0)),
        };
        for event in std::mem::replace(&mut self.events, later).into_values() {
            text.push_str(&event);
            text.push('\n');
        }
    }

    /// What was seen too late to change events that were written: the events of the whole would be others. The first one is told once.
    pub(super) fn take_contradiction(&mut self) -> Option<String> {
        self.contradiction.take()
    }

    /// The memory for what is remembered of all sessions.
    pub(super) fn remembered_bytes(&self) -> usize {
        self.bytes + self.names.bytes
    }

    /// Whether something waits to be written.
    pub(super) fn is_waiting(&self) -> bool {
        !(self.unsettled.is_empty() && self.settled.is_empty() && self.events.is_empty())
    }

    /// Adds what was counted on the way.
    pub(super) fn count_into(&self, census: &mut SpanCensus) {
        (census.created_before, census.unwritten) = (self.created_before, self.unwritten);
    }

    fn contradict(&mut self, what: &str) {
        self.contradiction.get_or_insert_with(|| what.to_owned());
    }

    /// Adds a renewal for the first span of each pair of an id and the one before it. The attribute tells of a session, and each of its
    /// spans may have it: the later ones are what their entry says. The operations are in order of time, and stay so.
    fn tell_renewals(&mut self, operations: Vec<TracedOperation>) -> Vec<TracedOperation> {
        let mut told = Vec::with_capacity(operations.len());
        for mut operation in operations {
            let is_renewal = operation.function == TraceFunction::Renew;
            if let Some((previous, outcome)) = operation.previous.take() {
                let pair = (previous.clone(), operation.key.clone());
                let is_first = !self.renewed.contains(&pair);
                if is_first && outcome != "fail" {
                    self.bytes += pair.0.len() + pair.1.len() + ENTRY_BYTES;
                    self.renewed.insert(pair);
                }
                if is_first {
                    told.push(renewal_of(&operation, previous, outcome));
                }
                // A login that gave a session another id creates none.
                if is_first && (is_renewal || operation.function == TraceFunction::Create) {
                    continue;
                }
            }
            if is_renewal {
                // A later request for a new id. Its answer is in the first span with that id; this one shows that the session exists.
                operation.function = TraceFunction::Touch;
                (operation.asked, operation.answered) = (Value::Null, Value::Null);
            }
            told.push(operation);
        }
        told
    }

    /// Notes the first id of a session that is renewed.
    fn note_root(&mut self, operation: &TracedOperation) {
        let (TraceFunction::Renew, Some(id)) = (operation.function, operation.asked.as_str()) else { return };
        let root = self.roots.get(&operation.key).unwrap_or(&operation.key).clone();
        let before = self.roots.get(id).map_or(id, String::as_str);
        if self.valued.contains(id) && before != root {
            self.contradict("a request with a new id began before the request that gave a session this id");
        }
        self.bytes += id.len() + root.len() + ENTRY_BYTES;
        self.roots.insert(id.to_owned(), root);
    }

    /// Makes a value one of its session, unless no two sessions write the same.
    fn settle_value(&mut self, key: &String, value: &Value) -> Value {
        match value.as_str() {
            Some(text) if !self.unique_values => {
                if self.valued.insert(key.clone()) {
                    self.bytes += key.len() + ENTRY_BYTES;
                }
                json!([self.roots.get(key).unwrap_or(key), text])
            }
            _ => value.clone(),
        }
    }

    /// Settles the value of a read. If no request wrote it, the read is a touch. Returns false, and leaves the operation as it is, if such
    /// a request may still come.
    fn settle_read(&mut self, operation: &mut TracedOperation, known_until: i64) -> bool {
        if operation.function != TraceFunction::Read || operation.answered == Value::Null {
            return true;
        }
        let answered = self.settle_value(&operation.key, &operation.answered);
        let value = answered.to_string();
        if self.written.contains(&value) {
            operation.answered = answered;
            return true;
        }
        if operation.to_ns.unwrap_or(operation.from_ns) > known_until {
            return false;
        }
        operation.function = TraceFunction::Touch;
        operation.answered = Value::Null;
        self.unwritten += 1;
        if self.missed.insert(value) {
            self.bytes += ENTRY_BYTES;
        }
        true
    }

    /// Adds the creation of each session that existed when it was first seen, and whose creation no span shows: the session is older
    /// than the traces, or the request was not sampled. The operations are in order of time.
    fn add_creations(&mut self, operations: &mut Vec<TracedOperation>) {
        let mut added = Vec::new();
        for operation in operations.iter() {
            let exists = operation.outcome == "ok"
                && (operation.function != TraceFunction::Read || operation.answered != Value::Null);
            let is_create = operation.function == TraceFunction::Create;
            if (is_create || exists) && self.created.insert(operation.key.clone()) {
                self.bytes += operation.key.len() + ENTRY_BYTES;
                if !is_create {
                    added.push(creation_of(operation, self.created_before));
                    self.created_before += 1;
                }
            }
            if let (TraceFunction::Renew, Some(id)) = (operation.function, operation.asked.as_str()) {
                self.bytes += id.len() + ENTRY_BYTES;
                self.created.insert(id.to_owned());
            }
        }
        operations.extend(added);
    }

    /// Adds the events of an operation. It gets the lowest process that is free.
    fn add_events(&mut self, operation: &TracedOperation) {
        let zero = *self.zero.get_or_insert(operation.from_ns);
        let process = self.processes.take(operation);
        let (key, user) = (self.names.name_session(&operation.key), self.names.name_session(&operation.user));
        let asked = self.names.rename_value(operation.function, &operation.asked);
        let answered = self.names.rename_value(operation.function, &operation.answered);
        let event = |kind: &str, value: Value, time: i64| {
            let mut event = operation.fields.clone();
            event.insert("time".to_owned(), json!(time - zero));
            event.insert("process".to_owned(), json!(process));
            event.insert("session".to_owned(), json!(user));
            event.insert("type".to_owned(), json!(kind));
            event.insert("f".to_owned(), json!(operation.function.name()));
            event.insert("key".to_owned(), json!(key));
            event.insert("value".to_owned(), value);
            Value::Object(event).to_string()
        };
        let from = operation.from_ns;
        self.events.insert((from, false, self.number), event("invoke", asked, from));
        if let Some(to) = operation.to_ns {
            self.events.insert((to, true, self.number), event(operation.outcome, answered, to));
        }
        self.number += 1;
    }
}

/// The renewal that a span tells of.
fn renewal_of(operation: &TracedOperation, previous: String, outcome: &'static str) -> TracedOperation {
    let id = json!(operation.key);
    // Without an attribute for the user, the user is the session.
    let user = if operation.user == operation.key { previous.clone() } else { operation.user.clone() };
    TracedOperation {
        from_ns: operation.from_ns,
        to_ns: operation.to_ns,
        function: TraceFunction::Renew,
        key: previous,
        user,
        asked: id.clone(),
        outcome,
        answered: id,
        previous: None,
        fields: operation.fields.clone(),
    }
}

/// The creation of the session of an operation, just before it.
fn creation_of(operation: &TracedOperation, number: usize) -> TracedOperation {
    let before = operation.from_ns.saturating_sub(1);
    let value = json!(format!("not traced: {number}"));
    TracedOperation {
        from_ns: before,
        to_ns: Some(before),
        function: TraceFunction::Create,
        key: operation.key.clone(),
        user: operation.user.clone(),
        asked: value.clone(),
        outcome: "ok",
        answered: value,
        previous: None,
        fields: serde_json::Map::new(),
    }
}

/// The processes that have no operation open.
#[derive(Default)]
struct FreeProcesses {
    /// The processes that have one, by its end.
    busy: BinaryHeap<Reverse<(i64, u32)>>,
    free: BinaryHeap<Reverse<u32>>,
    count: u32,
}

impl FreeProcesses {
    /// A process for an operation. Operations come in the order in which they began.
    fn take(&mut self, operation: &TracedOperation) -> u32 {
        while let Some(&Reverse((end, process))) = self.busy.peek()
            && end < operation.from_ns
        {
            self.busy.pop();
            self.free.push(Reverse(process));
        }
        let process = self.free.pop().map_or(self.count, |Reverse(process)| process);
        self.count = self.count.max(process + 1);
        if let (Some(end), true) = (operation.to_ns, operation.outcome != "info") {
            self.busy.push(Reverse((end, process)));
        }
        process
    }
}

/// The names of sessions in the history.
struct SessionNames {
    known: HashMap<String, String>,
    keep: bool,
    bytes: usize,
}

impl SessionNames {
    fn name_session(&mut self, id: &str) -> String {
        if self.keep {
            return id.to_owned();
        }
        if let Some(name) = self.known.get(id) {
            return name.clone();
        }
        let name = format!("s-{}", self.known.len() + 1);
        self.bytes += id.len() + name.len() + ENTRY_BYTES;
        self.known.insert(id.to_owned(), name.clone());
        name
    }

    /// A value with the names of the sessions in it.
    fn rename_value(&mut self, function: TraceFunction, value: &Value) -> Value {
        match value {
            Value::String(id) if function == TraceFunction::Renew => json!(self.name_session(id)),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(id), Value::String(text)] => {
                    json!(format!("{text} of {}", self.name_session(id)))
                }
                _ => value.clone(),
            },
            _ => value.clone(),
        }
    }
}
