//! What the next client does.
//!
//! A generator is asked for a task whenever a client is free and is told how each task ended. It is pure: the
//! same questions in the same order give the same tasks. Against a real store the order of completions
//! differs from run to run and so do the tasks; under simulation both replay.
//!
//! **Values.** A checker reads a history best if every write to an object writes another value: then a read
//! names its write. That is the default; `values` asks for a small domain instead, where reads are ambiguous
//! and checkers are put to the test.
//!
//! **Lists** grow with each append, and each read returns all of it: the history grows with the square of the
//! appends. So keys of lists are retired after `writes_per_key` and replaced by new ones, as Elle does.

use crate::lifecycle::{Lifecycle, LifecycleSettings};
use crate::operation::micro_operation;
use crate::sessions::Seats;
use crate::{Churn, ClientOperation, Distribution, Sampler, Stream, Value};
use histories::{Function, Outcome};
use std::sync::Arc;
use std::time::Duration;

/// What kind of object is used, and how.
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
    /// Every kind, with the name that users type and one line about it.
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

/// What a [`Generator`] is made of.
#[derive(Clone, Debug)]
pub struct WorkloadSettings {
    /// From which everything random follows.
    pub seed: u64,
    /// What is done.
    pub kind: WorkloadKind,
    /// How many objects are in use at a time.
    pub keys: usize,
    /// How popular each of them is.
    pub key_distribution: Distribution,
    /// How many sessions are present at a time.
    pub sessions: usize,
    /// How busy each of them is.
    pub session_distribution: Distribution,
    /// How many requests one session may have in flight.
    pub in_flight_per_session: usize,
    /// How long sessions live.
    pub churn: Churn,
    /// The share of operations, or of steps in transactions, that read.
    pub read_share: f64,
    /// How many distinct values are written; none: each write another one.
    pub values: Option<u64>,
    /// After how many writes an object is replaced by a new one; none: never.
    pub writes_per_key: Option<u64>,
    /// The most steps in a transaction.
    pub steps: usize,
    /// The sizes of payloads, least and most.
    pub payload_bytes: (u64, u64),
    /// How sessions live.
    pub lives: LifecycleSettings,
    /// What the run is called in the names of its sessions, so that two runs on one store have none in common; none: the
    /// store is nobody else's.
    pub run: Option<Arc<str>>,
    /// What cannot be done to sessions of this store, and is therefore not asked for.
    pub lacks: Vec<Function>,
}

impl WorkloadSettings {
    /// Registers: 5 keys, 5 sessions, half reads, every write another value.
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

/// An operation to do, and for whom.
#[derive(Clone, Debug)]
pub struct Task {
    /// The user's session.
    pub session: Arc<str>,
    /// What to do.
    pub operation: ClientOperation,
    /// Where its session sits, if it still does.
    seat: Option<usize>,
}

/// Says what to do next.
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
    /// A generator. Panics where a setting is zero that must not be.
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

    /// The next task, or none if every session has as many requests in flight as it may.
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

    /// How a task ended: `answer` is what came back of an `ok` one.
    pub fn record_outcome(&mut self, task: &Task, outcome: Outcome, answer: &Value) {
        self.record_outcome_at(task, outcome, answer, false, Duration::ZERO);
    }

    /// The same; `gone` says that the store knew no such session, `at` when it ended, from the beginning of the run.
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
                self.lifecycle.was_read(seat, &task.operation, answer, &mut self.stream);
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

    /// For a warm start, what must be there before anybody can look at it: the creation of a session for every
    /// seat. Objects of other kinds need none. To be asked for once, before the first task.
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

    /// For a warm start, a read of each object that is there: the sessions that [`Generator::births`] brought about,
    /// or the objects in use. They are nobody's turn: how they end need not be told.
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

    /// Reads of everything that was ever written, for the end of a run: what they return, and nothing later,
    /// is what survived.
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

    /// What a compare-and-set may find: any value of a small domain, else what was last seen of the object.
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

/// The objects in use, and how many there ever were.
#[derive(Clone, Debug)]
struct KeySlots {
    sampler: Sampler,
    /// For each slot: the number of the key in it, the writes it may still take, the value last seen.
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

    /// Counts a write, and puts a new key into the slot if that was the last one.
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

    /// A compare-and-set on distinct values can only succeed if it expects what was read.
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

    /// A warm start: every seat has a session, each of them can be read, and then life goes on with them.
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
