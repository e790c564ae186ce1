//! Decides what the next client does.
//!
//! The runner asks the generator for a task whenever a client is free, and reports how each task ended. The generator
//! is pure: the same calls in the same order return the same tasks. With a real store, the order of completions differs
//! from run to run, and so do the tasks. In a simulation, both are reproducible.
//!
//! **Values.** A history is easiest to check if every write to an object writes a different value, because a value then
//! identifies its write. That is the default. `values` selects a small domain instead, which makes reads ambiguous and
//! checking hard.
//!
//! **Lists** grow with each append, and each read returns the whole list, so the history grows with the square of the
//! appends. Keys of lists are therefore retired after `writes_per_key` writes and replaced by new ones, as in Elle.

use crate::lifecycle::{Lifecycle, LifecycleSettings};
use crate::operation::micro_operation;
use crate::sessions::Seats;
use crate::{Churn, ClientOperation, Distribution, Sampler, Stream, Value};
use histories::{Function, Outcome};
use std::sync::Arc;
use std::time::Duration;

/// The kind of objects that a workload uses, and how it uses them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is told in Kind::line")]
pub enum WorkloadKind {
    Register,
    CasRegister,
    ListAppend,
    RwRegister,
    Set,
    Counter,
    Queue,
    Session,
}

impl WorkloadKind {
    /// Every kind: the name that users type, and one line of explanation.
    pub const ALL: [(WorkloadKind, &'static str, &'static str); 8] = [
        (WorkloadKind::Register, "register", "reads and writes of single values"),
        (WorkloadKind::CasRegister, "cas-register", "reads, writes and compare-and-sets"),
        (WorkloadKind::ListAppend, "list-append", "transactions that append to lists and read them"),
        (WorkloadKind::RwRegister, "rw-register", "transactions that read and write single values"),
        (WorkloadKind::Set, "set", "adds of distinct elements, and reads of the whole set"),
        (WorkloadKind::Counter, "counter", "increments, and reads of the sum"),
        (WorkloadKind::Queue, "queue", "enqueues and dequeues of distinct elements"),
        (
            WorkloadKind::Session,
            "session",
            "the life of sessions: create, read, write, patch, touch, renew, destroy; actions",
        ),
    ];

    /// The name that users type.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).expect("every kind is listed").1
    }
}

impl std::str::FromStr for WorkloadKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, known, _)| *known == name);
        found.map(|(kind, ..)| *kind).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(_, name, _)| *name).collect();
            format!("there is no workload {name:?}; there are {}", names.join(", "))
        })
    }
}

/// The settings of a [`Generator`].
#[derive(Clone, Debug)]
pub struct WorkloadSettings {
    /// The seed of all random choices.
    pub seed: u64,
    /// The kind of workload.
    pub kind: WorkloadKind,
    /// The number of objects in use at a time.
    pub keys: usize,
    /// The popularity of the objects.
    pub key_distribution: Distribution,
    /// The number of sessions present at a time.
    pub sessions: usize,
    /// The activity of the sessions.
    pub session_distribution: Distribution,
    /// The maximum number of requests that one session may have in flight.
    pub in_flight_per_session: usize,
    /// How long sessions live.
    pub churn: Churn,
    /// The share of reads among operations, or among steps of transactions.
    pub read_share: f64,
    /// The number of distinct values that are written; `None`: each write has a different value.
    pub values: Option<u64>,
    /// The number of writes after which an object is replaced by a new one; `None`: never.
    pub writes_per_key: Option<u64>,
    /// The maximum number of steps in a transaction.
    pub steps: usize,
    /// The minimum and maximum size of payloads.
    pub payload_bytes: (u64, u64),
    /// What sessions do during their life.
    pub lives: LifecycleSettings,
    /// A name of the run that becomes part of session names, so that two runs on one store share no session. `None`:
    /// only this run uses the store.
    pub run: Option<Arc<str>>,
    /// The functions that the store does not support on sessions. The generator does not use them.
    pub lacks: Vec<Function>,
}

impl WorkloadSettings {
    /// Registers: 5 keys, 5 sessions, half of the operations are reads, every write has a different value.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            kind: WorkloadKind::Register,
            keys: 5,
            key_distribution: Distribution::Uniform,
            sessions: 5,
            session_distribution: Distribution::Uniform,
            in_flight_per_session: 1,
            churn: Churn { mean_operations: None, lasting_share: 0.0 },
            read_share: 0.5,
            values: None,
            writes_per_key: None,
            steps: 4,
            payload_bytes: (64, 64),
            lives: LifecycleSettings::default(),
            run: None,
            lacks: Vec::new(),
        }
    }
}

/// An operation to perform, and the session that performs it.
#[derive(Clone, Debug)]
pub struct Task {
    /// The session of the user.
    pub session: Arc<str>,
    /// The operation.
    pub operation: ClientOperation,
    /// The seat of the session, which another session may have taken since; `None` if the task belongs to no seat.
    seat: Option<usize>,
}

/// Generates the next task.
#[derive(Clone, Debug)]
pub struct Generator {
    settings: WorkloadSettings,
    seats: Seats,
    keys: KeySlots,
    stream: Stream,
    written: u64,
    lifecycle: Lifecycle,
}

impl Generator {
    /// Creates a generator. Panics if a setting is zero that must not be.
    pub fn new(settings: &WorkloadSettings) -> Self {
        assert!(settings.steps > 0 && settings.values != Some(0), "something to do, with something");
        let churn = settings.churn;
        let distribution = settings.session_distribution;
        let seats =
            Seats::new(settings.sessions, settings.in_flight_per_session, distribution, churn, settings.seed);
        let seats = seats.with_run_name(settings.run.clone());
        Self {
            seats,
            keys: KeySlots::new(settings),
            stream: Stream::new(settings.seed, "operations"),
            written: 0,
            lifecycle: Lifecycle::new(
                settings.sessions,
                settings.payload_bytes,
                settings.read_share,
                settings.lives,
            )
            .without_functions(&settings.lacks),
            settings: settings.clone(),
        }
    }

    /// The next task; `None` if every session has as many requests in flight as it may have.
    pub fn next_task(&mut self) -> Option<Task> {
        if self.settings.kind == WorkloadKind::Session
            && let Some((session, operation)) = self.lifecycle.next_abandoned_read()
        {
            return Some(Task { session, operation, seat: None });
        }
        let lifecycle = (self.settings.kind == WorkloadKind::Session).then_some(&self.lifecycle);
        let seat = self.seats.take_seat(|seat| lifecycle.is_none_or(|lifecycle| lifecycle.is_ready(seat)))?;
        let session = self.seats.session_in_seat(seat).clone();
        let operation = self.next_operation(seat, &session);
        Some(Task { session, operation, seat: Some(seat) })
    }

    /// Records how a task ended. `answer` is the result of a task that ended `ok`.
    pub fn record_outcome(&mut self, task: &Task, outcome: Outcome, answer: &Value) {
        self.record_outcome_at(task, outcome, answer, false, Duration::ZERO);
    }

    /// Like [`Generator::record_outcome`]. `gone` says that the store did not know the session. `at` is the time of the
    /// completion since the beginning of the run.
    pub fn record_outcome_at(
        &mut self,
        task: &Task,
        outcome: Outcome,
        answer: &Value,
        gone: bool,
        at: Duration,
    ) {
        let Some(seat) = task.seat else { return };
        if !self.seats.holds_session(seat, &task.session) {
            return;
        }
        self.seats.end_request(seat, &task.session);
        let over = if self.settings.kind == WorkloadKind::Session {
            let absent =
                task.operation.function == Function::READ && outcome == Outcome::Ok && *answer == Value::Null;
            let gone_at = (gone || absent).then_some(at);
            if outcome == Outcome::Ok {
                self.lifecycle.note_read_answer(seat, &task.operation, answer, &mut self.stream);
            }
            self.lifecycle.record_outcome(seat, &task.operation, outcome, gone_at)
        } else {
            if let (Some(key), Function::READ, Outcome::Ok) =
                (&task.operation.key, task.operation.function, outcome)
            {
                self.keys.record_seen_value(key, answer);
            }
            self.seats.has_no_operations_left(seat)
        };
        if over && self.seats.requests_in_flight(seat) == 0 {
            self.seats.replace_session(seat);
            self.lifecycle.reset_seat(seat);
        }
    }

    /// The tasks that must be done before a warm start: the creation of a session for every seat. Other kinds of
    /// objects need none. Must be called once, before the first task.
    pub fn creation_tasks(&mut self) -> Vec<Task> {
        if self.settings.kind != WorkloadKind::Session {
            return Vec::new();
        }
        let count = self.seats.count();
        let born = |seat| {
            self.seats.begin_request(seat);
            let session = self.seats.session_in_seat(seat).clone();
            let operation = self.next_operation(seat, &session);
            Task { session, operation, seat: Some(seat) }
        };
        (0..count).map(born).collect()
    }

    /// For a warm start, a read of each existing object: of the sessions that [`Generator::creation_tasks`] created, or of the
    /// objects in use. These tasks occupy no seat, so their outcomes need not be recorded.
    pub fn first_read_tasks(&self) -> Vec<Task> {
        if self.settings.kind != WorkloadKind::Session {
            let (session, reads) = (Arc::from("warm-up"), self.final_read_operations());
            let read = |operation| Task { session: Arc::clone(&session), operation, seat: None };
            return reads.into_iter().map(read).collect();
        }
        let read = |seat| {
            let operation =
                ClientOperation::on_key(self.lifecycle.alive_id(seat)?, Function::READ, Value::Null);
            Some(Task { session: self.seats.session_in_seat(seat).clone(), operation, seat: None })
        };
        (0..self.seats.count()).filter_map(read).collect()
    }

    /// Reads of everything that was ever written, for the end of a run. What they return,
    /// and no later observation, is what survived.
    pub fn final_read_operations(&self) -> Vec<ClientOperation> {
        let read = |key: &Arc<str>| ClientOperation::on_key(key, Function::READ, Value::Null);
        let step = |key: &Arc<str>| Value::List(vec![micro_operation("r", key, Value::Null)]);
        match self.settings.kind {
            WorkloadKind::Register
            | WorkloadKind::CasRegister
            | WorkloadKind::Set
            | WorkloadKind::Counter => self.keys.all_keys().map(|key| read(&key)).collect(),
            WorkloadKind::ListAppend | WorkloadKind::RwRegister => self
                .keys
                .all_keys()
                .map(|key| ClientOperation::without_key(Function::TXN, step(&key)))
                .collect(),
            WorkloadKind::Queue => Vec::new(),
            WorkloadKind::Session => {
                let list = |user: &Arc<str>| ClientOperation::on_key(user, Function::ACTIONS, Value::Null);
                self.lifecycle.all_ids().map(read).chain(self.lifecycle.acting_users().map(list)).collect()
            }
        }
    }

    fn next_operation(&mut self, seat: usize, session: &Arc<str>) -> ClientOperation {
        match self.settings.kind {
            WorkloadKind::Session => {
                let over = self.seats.has_no_operations_left(seat);
                self.lifecycle.next_operation(seat, session, over, &mut self.stream)
            }
            WorkloadKind::ListAppend => self.next_transaction("append"),
            WorkloadKind::RwRegister => self.next_transaction("w"),
            kind => self.next_single_operation(kind),
        }
    }

    fn next_single_operation(&mut self, kind: WorkloadKind) -> ClientOperation {
        let reads = self.stream.draw_chance(self.settings.read_share);
        let slot = self.keys.draw_slot(&mut self.stream);
        let key = self.keys.key_name(slot);
        let on = |function, value| ClientOperation::on_key(&key, function, value);
        match kind {
            WorkloadKind::Queue if reads => return on(Function::DEQUEUE, Value::Null),
            _ if reads => return on(Function::READ, Value::Null),
            WorkloadKind::Counter => {
                self.keys.count_write(slot);
                return on(Function::INC, Value::Int(1));
            }
            _ => {}
        }
        let compares = kind == WorkloadKind::CasRegister && self.stream.draw_chance(0.5);
        let value = self.next_value();
        self.keys.count_write(slot);
        match kind {
            WorkloadKind::Set => on(Function::ADD, value),
            WorkloadKind::Queue => on(Function::ENQUEUE, value),
            _ if compares => {
                let old = self.draw_expected_value(slot);
                on(Function::CAS, Value::List(vec![old, value]))
            }
            _ => on(Function::WRITE, value),
        }
    }

    /// A value that a compare-and-set may expect: any value of a small domain, or else the value last seen of the
    /// object.
    fn draw_expected_value(&mut self, slot: usize) -> Value {
        match self.settings.values {
            Some(count) => Value::Int(self.stream.draw_below(count) as i64),
            None => self.keys.last_seen(slot),
        }
    }

    fn next_transaction(&mut self, write: &str) -> ClientOperation {
        let steps = self.stream.draw_between(1, self.settings.steps as u64);
        let mut value = Vec::with_capacity(steps as usize);
        for _ in 0..steps {
            let reads = self.stream.draw_chance(self.settings.read_share);
            let slot = self.keys.draw_slot(&mut self.stream);
            let key = self.keys.key_name(slot);
            value.push(if reads {
                micro_operation("r", &key, Value::Null)
            } else {
                self.keys.count_write(slot);
                let value = self.next_value();
                micro_operation(write, &key, value)
            });
        }
        ClientOperation::without_key(Function::TXN, Value::List(value))
    }

    fn next_value(&mut self) -> Value {
        self.written += 1;
        match self.settings.values {
            Some(count) => Value::Int(self.stream.draw_below(count) as i64),
            None => Value::Int(self.written as i64),
        }
    }
}

/// The objects in use, and the number of objects so far.
#[derive(Clone, Debug)]
struct KeySlots {
    sampler: Sampler,
    /// By slot: the number of its key, the writes that the key may still take, and the value last seen.
    slots: Vec<(u64, u64, Value)>,
    begun: u64,
    writes_per_key: u64,
}

impl KeySlots {
    fn new(settings: &WorkloadSettings) -> Self {
        let writes_per_key = settings.writes_per_key.unwrap_or(u64::MAX);
        Self {
            sampler: Sampler::new(settings.key_distribution, settings.keys),
            slots: (1..=settings.keys as u64).map(|number| (number, writes_per_key, Value::Null)).collect(),
            begun: settings.keys as u64,
            writes_per_key,
        }
    }

    fn draw_slot(&self, stream: &mut Stream) -> usize {
        self.sampler.draw(stream)
    }

    fn key_name(&self, slot: usize) -> Arc<str> {
        format!("k{}", self.slots[slot].0).into()
    }

    fn last_seen(&self, slot: usize) -> Value {
        self.slots[slot].2.clone()
    }

    fn record_seen_value(&mut self, key: &str, value: &Value) {
        let number = key.strip_prefix('k').and_then(|number| number.parse::<u64>().ok());
        if let Some(slot) = self.slots.iter_mut().find(|slot| Some(slot.0) == number) {
            slot.2 = value.clone();
        }
    }

    /// Counts a write, and replaces the key in the slot if this was its last one.
    fn count_write(&mut self, slot: usize) {
        self.slots[slot].1 -= 1;
        if self.slots[slot].1 == 0 {
            self.begun += 1;
            self.slots[slot] = (self.begun, self.writes_per_key, Value::Null);
        }
    }

    fn all_keys(&self) -> impl Iterator<Item = Arc<str>> + use<> {
        (1..=self.begun).map(|number| format!("k{number}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn run(settings: &WorkloadSettings, count: usize) -> Vec<Task> {
        let mut generator = Generator::new(settings);
        (0..count)
            .map(|_| {
                let task = generator.next_task().unwrap();
                generator.record_outcome(&task, Outcome::Ok, &Value::Int(7));
                task
            })
            .collect()
    }

    #[test]
    fn every_kind_replays_from_its_seed() {
        for (kind, ..) in WorkloadKind::ALL {
            let tasks = |seed| {
                let tasks = run(&WorkloadSettings { kind, ..WorkloadSettings::new(seed) }, 300);
                tasks.iter().map(|task| format!("{} {:?}", task.session, task.operation)).collect::<Vec<_>>()
            };
            assert_eq!(tasks(1), tasks(1), "{}", kind.name());
            assert_ne!(tasks(1), tasks(2), "{}", kind.name());
            assert_eq!(kind.name().parse::<WorkloadKind>(), Ok(kind));
        }
    }

    #[test]
    fn written_values_are_distinct_unless_a_domain_is_asked() {
        let writes = |values| {
            let tasks = run(&WorkloadSettings { values, ..WorkloadSettings::new(1) }, 500);
            let writes = tasks.into_iter().filter(|task| task.operation.function == Function::WRITE);
            writes.map(|task| task.operation.value.to_json()).collect::<Vec<_>>()
        };
        let unique = writes(None);
        assert_eq!(unique.iter().collect::<HashSet<_>>().len(), unique.len());
        assert_eq!(writes(Some(5)).iter().collect::<HashSet<_>>().len(), 5);
    }

    #[test]
    fn a_list_is_retired_after_its_writes() {
        let settings = WorkloadSettings {
            kind: WorkloadKind::ListAppend,
            writes_per_key: Some(3),
            keys: 2,
            ..WorkloadSettings::new(1)
        };
        let tasks = run(&settings, 200);
        let mut appends = std::collections::HashMap::<String, u32>::new();
        for task in &tasks {
            for micro in crate::operation::micro_operations(&task.operation.value).unwrap() {
                *appends.entry(micro.key.to_string()).or_default() += u32::from(micro.kind == "append");
            }
        }
        assert!(appends.len() > 20);
        assert!(appends.values().all(|&count| count <= 3));
    }

    /// With distinct values, a compare-and-set can succeed only if it expects a value that was read.
    #[test]
    fn compare_and_set_expects_what_was_seen() {
        let settings =
            WorkloadSettings { kind: WorkloadKind::CasRegister, keys: 1, ..WorkloadSettings::new(1) };
        let mut seen = false;
        for task in run(&settings, 100) {
            match task.operation.function {
                Function::READ => seen = true,
                Function::CAS if seen => {
                    let Value::List(pair) = &task.operation.value else { panic!("a pair") };
                    assert_eq!(pair[0], Value::Int(7));
                }
                _ => {}
            }
        }
        assert!(seen);
    }

    /// After a warm start, every seat has a session, each of them can be read, and further tasks use them.
    #[test]
    fn a_warm_start_brings_about_a_session_for_every_seat() {
        let mut generator =
            Generator::new(&WorkloadSettings { kind: WorkloadKind::Session, ..WorkloadSettings::new(1) });
        assert!(generator.first_read_tasks().is_empty(), "nothing is there yet");
        let births = generator.creation_tasks();
        assert!(births.iter().all(|birth| birth.operation.function == Function::CREATE));
        let outcome = |number| if number == 0 { Outcome::Info } else { Outcome::Ok };
        for (number, birth) in births.iter().enumerate() {
            generator.record_outcome(birth, outcome(number), &Value::Null);
        }
        let read: Vec<String> =
            generator.first_read_tasks().iter().map(|read| read.session.to_string()).collect();
        assert_eq!((births.len(), read), (5, ["s-2", "s-3", "s-4", "s-5"].map(str::to_owned).to_vec()));
        let first = generator.next_task().unwrap();
        let fresh = first.session.as_ref() == "s-6";
        assert_eq!(first.operation.function == Function::CREATE, fresh, "whose creation is unknown is left");
    }

    #[test]
    fn final_reads_cover_every_key() {
        let settings = WorkloadSettings {
            kind: WorkloadKind::RwRegister,
            writes_per_key: Some(5),
            ..WorkloadSettings::new(1)
        };
        let mut generator = Generator::new(&settings);
        let mut keys = HashSet::new();
        for _ in 0..200 {
            let task = generator.next_task().unwrap();
            for micro in crate::operation::micro_operations(&task.operation.value).unwrap() {
                keys.insert(micro.key.to_string());
            }
            generator.record_outcome(&task, Outcome::Fail, &Value::Null);
        }
        let read: HashSet<String> = (generator.final_read_operations().iter())
            .map(|read| crate::operation::micro_operations(&read.value).unwrap()[0].key.to_string())
            .collect();
        assert!(keys.len() > 20 && keys.is_subset(&read));
    }
}
