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

use crate::lifecycle::{Lifecycle, Lives};
use crate::operation::micro_operation;
use crate::sessions::Seats;
use crate::{Churn, Distribution, Operation, Sampler, Stream, Value};
use histories::{Function, Outcome};
use std::sync::Arc;
use std::time::Duration;

/// The kind of objects that a workload uses, and how it uses them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is told in Kind::line")]
pub enum Kind {
    Register,
    CasRegister,
    ListAppend,
    RwRegister,
    Set,
    Counter,
    Queue,
    Session,
}

impl Kind {
    /// Every kind: the name that users type, and one line of explanation.
    pub const ALL: [(Kind, &'static str, &'static str); 8] = [
        (Kind::Register, "register", "reads and writes of single values"),
        (Kind::CasRegister, "cas-register", "reads, writes and compare-and-sets"),
        (Kind::ListAppend, "list-append", "transactions that append to lists and read them"),
        (Kind::RwRegister, "rw-register", "transactions that read and write single values"),
        (Kind::Set, "set", "adds of distinct elements, and reads of the whole set"),
        (Kind::Counter, "counter", "increments, and reads of the sum"),
        (Kind::Queue, "queue", "enqueues and dequeues of distinct elements"),
        (
            Kind::Session,
            "session",
            "the life of sessions: create, read, write, patch, touch, renew, destroy; actions",
        ),
    ];

    /// The name that users type.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).expect("every kind is listed").1
    }
}

impl std::str::FromStr for Kind {
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
pub struct Settings {
    /// The seed of all random choices.
    pub seed: u64,
    /// The kind of workload.
    pub kind: Kind,
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
    pub lives: Lives,
    /// A name of the run that becomes part of session names, so that two runs on one store share no session. `None`:
    /// only this run uses the store.
    pub run: Option<Arc<str>>,
    /// The functions that the store does not support on sessions. The generator does not use them.
    pub lacks: Vec<Function>,
}

impl Settings {
    /// Registers: 5 keys, 5 sessions, half of the operations are reads, every write has a different value.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            kind: Kind::Register,
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
            lives: Lives::default(),
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
    pub operation: Operation,
    /// The seat of the session, which another session may have taken since; `None` if the task belongs to no seat.
    seat: Option<usize>,
}

/// Generates the next task.
#[derive(Clone, Debug)]
pub struct Generator {
    settings: Settings,
    seats: Seats,
    keys: Keys,
    stream: Stream,
    written: u64,
    lifecycle: Lifecycle,
}

impl Generator {
    /// Creates a generator. Panics if a setting is zero that must not be.
    pub fn new(settings: &Settings) -> Self {
        assert!(settings.steps > 0 && settings.values != Some(0), "something to do, with something");
        let churn = settings.churn;
        let distribution = settings.session_distribution;
        let seats =
            Seats::new(settings.sessions, settings.in_flight_per_session, distribution, churn, settings.seed);
        let seats = seats.named(settings.run.clone());
        Self {
            seats,
            keys: Keys::new(settings),
            stream: Stream::new(settings.seed, "operations"),
            written: 0,
            lifecycle: Lifecycle::new(
                settings.sessions,
                settings.payload_bytes,
                settings.read_share,
                settings.lives,
            )
            .without(&settings.lacks),
            settings: settings.clone(),
        }
    }

    /// The next task; `None` if every session has as many requests in flight as it may have.
    pub fn task(&mut self) -> Option<Task> {
        if self.settings.kind == Kind::Session
            && let Some((session, operation)) = self.lifecycle.left_alone()
        {
            return Some(Task { session, operation, seat: None });
        }
        let lifecycle = (self.settings.kind == Kind::Session).then_some(&self.lifecycle);
        let seat = self.seats.take(|seat| lifecycle.is_none_or(|lifecycle| lifecycle.is_ready(seat)))?;
        let session = self.seats.session(seat).clone();
        let operation = self.operation(seat, &session);
        Some(Task { session, operation, seat: Some(seat) })
    }

    /// Records how a task ended. `answer` is the result of a task that ended `ok`.
    pub fn finished(&mut self, task: &Task, outcome: Outcome, answer: &Value) {
        self.finished_with(task, outcome, answer, false, Duration::ZERO);
    }

    /// Like [`Generator::finished`]. `gone` says that the store did not know the session. `at` is the time of the
    /// completion since the beginning of the run.
    pub fn finished_with(&mut self, task: &Task, outcome: Outcome, answer: &Value, gone: bool, at: Duration) {
        let Some(seat) = task.seat else { return };
        if !self.seats.is(seat, &task.session) {
            return;
        }
        self.seats.give_back(seat, &task.session);
        let over = if self.settings.kind == Kind::Session {
            let absent =
                task.operation.function == Function::READ && outcome == Outcome::Ok && *answer == Value::Null;
            let gone_at = (gone || absent).then_some(at);
            self.lifecycle.finished(seat, &task.operation, outcome, gone_at)
        } else {
            if let (Some(key), Function::READ, Outcome::Ok) =
                (&task.operation.key, task.operation.function, outcome)
            {
                self.keys.saw(key, answer);
            }
            self.seats.is_over(seat)
        };
        if over && self.seats.in_flight(seat) == 0 {
            self.seats.replace(seat);
            self.lifecycle.reset(seat);
        }
    }

    /// The tasks that must be done before a warm start: the creation of a session for every seat. Other kinds of
    /// objects need none. Must be called once, before the first task.
    pub fn births(&mut self) -> Vec<Task> {
        if self.settings.kind != Kind::Session {
            return Vec::new();
        }
        let count = self.seats.count();
        let born = |seat| {
            self.seats.occupy(seat);
            let session = self.seats.session(seat).clone();
            let operation = self.operation(seat, &session);
            Task { session, operation, seat: Some(seat) }
        };
        (0..count).map(born).collect()
    }

    /// For a warm start, a read of each existing object: of the sessions that [`Generator::births`] created, or of the
    /// objects in use. These tasks occupy no seat, so their outcomes need not be recorded.
    pub fn first_reads(&self) -> Vec<Task> {
        if self.settings.kind != Kind::Session {
            let (session, reads) = (Arc::from("warm-up"), self.final_reads());
            let read = |operation| Task { session: Arc::clone(&session), operation, seat: None };
            return reads.into_iter().map(read).collect();
        }
        let read = |seat| {
            let operation = Operation::on(self.lifecycle.alive(seat)?, Function::READ, Value::Null);
            Some(Task { session: self.seats.session(seat).clone(), operation, seat: None })
        };
        (0..self.seats.count()).filter_map(read).collect()
    }

    /// Reads of everything that was ever written, for the end of a run. What they return,
    /// and no later observation, is what survived.
    pub fn final_reads(&self) -> Vec<Operation> {
        let read = |key: &Arc<str>| Operation::on(key, Function::READ, Value::Null);
        let step = |key: &Arc<str>| Value::List(vec![micro_operation("r", key, Value::Null)]);
        match self.settings.kind {
            Kind::Register | Kind::CasRegister | Kind::Set | Kind::Counter => {
                self.keys.every().map(|key| read(&key)).collect()
            }
            Kind::ListAppend | Kind::RwRegister => {
                self.keys.every().map(|key| Operation::global(Function::TXN, step(&key))).collect()
            }
            Kind::Queue => Vec::new(),
            Kind::Session => {
                let list = |user: &Arc<str>| Operation::on(user, Function::ACTIONS, Value::Null);
                self.lifecycle.every().map(read).chain(self.lifecycle.actors().map(list)).collect()
            }
        }
    }

    fn operation(&mut self, seat: usize, session: &Arc<str>) -> Operation {
        match self.settings.kind {
            Kind::Session => {
                let over = self.seats.is_over(seat);
                self.lifecycle.next(seat, session, over, &mut self.stream)
            }
            Kind::ListAppend => self.transaction("append"),
            Kind::RwRegister => self.transaction("w"),
            kind => self.single(kind),
        }
    }

    fn single(&mut self, kind: Kind) -> Operation {
        let reads = self.stream.chance(self.settings.read_share);
        let slot = self.keys.draw(&mut self.stream);
        let key = self.keys.name(slot);
        let on = |function, value| Operation::on(&key, function, value);
        match kind {
            Kind::Queue if reads => return on(Function::DEQUEUE, Value::Null),
            _ if reads => return on(Function::READ, Value::Null),
            Kind::Counter => {
                self.keys.wrote(slot);
                return on(Function::INC, Value::Int(1));
            }
            _ => {}
        }
        let compares = kind == Kind::CasRegister && self.stream.chance(0.5);
        let value = self.value();
        self.keys.wrote(slot);
        match kind {
            Kind::Set => on(Function::ADD, value),
            Kind::Queue => on(Function::ENQUEUE, value),
            _ if compares => {
                let old = self.expected(slot);
                on(Function::CAS, Value::List(vec![old, value]))
            }
            _ => on(Function::WRITE, value),
        }
    }

    /// A value that a compare-and-set may expect: any value of a small domain, or else the value last seen of the
    /// object.
    fn expected(&mut self, slot: usize) -> Value {
        match self.settings.values {
            Some(count) => Value::Int(self.stream.below(count) as i64),
            None => self.keys.last_seen(slot),
        }
    }

    fn transaction(&mut self, write: &str) -> Operation {
        let steps = self.stream.between(1, self.settings.steps as u64);
        let mut value = Vec::with_capacity(steps as usize);
        for _ in 0..steps {
            let reads = self.stream.chance(self.settings.read_share);
            let slot = self.keys.draw(&mut self.stream);
            let key = self.keys.name(slot);
            value.push(if reads {
                micro_operation("r", &key, Value::Null)
            } else {
                self.keys.wrote(slot);
                let value = self.value();
                micro_operation(write, &key, value)
            });
        }
        Operation::global(Function::TXN, Value::List(value))
    }

    fn value(&mut self) -> Value {
        self.written += 1;
        match self.settings.values {
            Some(count) => Value::Int(self.stream.below(count) as i64),
            None => Value::Int(self.written as i64),
        }
    }
}

/// The objects in use, and the number of objects so far.
#[derive(Clone, Debug)]
struct Keys {
    sampler: Sampler,
    /// By slot: the number of its key, the writes that the key may still take, and the value last seen.
    slots: Vec<(u64, u64, Value)>,
    begun: u64,
    writes_per_key: u64,
}

impl Keys {
    fn new(settings: &Settings) -> Self {
        let writes_per_key = settings.writes_per_key.unwrap_or(u64::MAX);
        Self {
            sampler: Sampler::new(settings.key_distribution, settings.keys),
            slots: (1..=settings.keys as u64).map(|number| (number, writes_per_key, Value::Null)).collect(),
            begun: settings.keys as u64,
            writes_per_key,
        }
    }

    fn draw(&self, stream: &mut Stream) -> usize {
        self.sampler.draw(stream)
    }

    fn name(&self, slot: usize) -> Arc<str> {
        format!("k{}", self.slots[slot].0).into()
    }

    fn last_seen(&self, slot: usize) -> Value {
        self.slots[slot].2.clone()
    }

    fn saw(&mut self, key: &str, value: &Value) {
        let number = key.strip_prefix('k').and_then(|number| number.parse::<u64>().ok());
        if let Some(slot) = self.slots.iter_mut().find(|slot| Some(slot.0) == number) {
            slot.2 = value.clone();
        }
    }

    /// Counts a write, and replaces the key in the slot if this was its last one.
    fn wrote(&mut self, slot: usize) {
        self.slots[slot].1 -= 1;
        if self.slots[slot].1 == 0 {
            self.begun += 1;
            self.slots[slot] = (self.begun, self.writes_per_key, Value::Null);
        }
    }

    fn every(&self) -> impl Iterator<Item = Arc<str>> + use<> {
        (1..=self.begun).map(|number| format!("k{number}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn run(settings: &Settings, count: usize) -> Vec<Task> {
        let mut generator = Generator::new(settings);
        (0..count)
            .map(|_| {
                let task = generator.task().unwrap();
                generator.finished(&task, Outcome::Ok, &Value::Int(7));
                task
            })
            .collect()
    }

    #[test]
    fn every_kind_replays_from_its_seed() {
        for (kind, ..) in Kind::ALL {
            let tasks = |seed| {
                let tasks = run(&Settings { kind, ..Settings::new(seed) }, 300);
                tasks.iter().map(|task| format!("{} {:?}", task.session, task.operation)).collect::<Vec<_>>()
            };
            assert_eq!(tasks(1), tasks(1), "{}", kind.name());
            assert_ne!(tasks(1), tasks(2), "{}", kind.name());
            assert_eq!(kind.name().parse::<Kind>(), Ok(kind));
        }
    }

    #[test]
    fn written_values_are_distinct_unless_a_domain_is_asked() {
        let writes = |values| {
            let tasks = run(&Settings { values, ..Settings::new(1) }, 500);
            let writes = tasks.into_iter().filter(|task| task.operation.function == Function::WRITE);
            writes.map(|task| task.operation.value.json()).collect::<Vec<_>>()
        };
        let unique = writes(None);
        assert_eq!(unique.iter().collect::<HashSet<_>>().len(), unique.len());
        assert_eq!(writes(Some(5)).iter().collect::<HashSet<_>>().len(), 5);
    }

    #[test]
    fn a_list_is_retired_after_its_writes() {
        let settings =
            Settings { kind: Kind::ListAppend, writes_per_key: Some(3), keys: 2, ..Settings::new(1) };
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
        let settings = Settings { kind: Kind::CasRegister, keys: 1, ..Settings::new(1) };
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
        let mut generator = Generator::new(&Settings { kind: Kind::Session, ..Settings::new(1) });
        assert!(generator.first_reads().is_empty(), "nothing is there yet");
        let births = generator.births();
        assert!(births.iter().all(|birth| birth.operation.function == Function::CREATE));
        let outcome = |number| if number == 0 { Outcome::Info } else { Outcome::Ok };
        for (number, birth) in births.iter().enumerate() {
            generator.finished(birth, outcome(number), &Value::Null);
        }
        let read: Vec<String> = generator.first_reads().iter().map(|read| read.session.to_string()).collect();
        assert_eq!((births.len(), read), (5, ["s-2", "s-3", "s-4", "s-5"].map(str::to_owned).to_vec()));
        let first = generator.task().unwrap();
        let fresh = first.session.as_ref() == "s-6";
        assert_eq!(first.operation.function == Function::CREATE, fresh, "whose creation is unknown is left");
    }

    #[test]
    fn final_reads_cover_every_key() {
        let settings = Settings { kind: Kind::RwRegister, writes_per_key: Some(5), ..Settings::new(1) };
        let mut generator = Generator::new(&settings);
        let mut keys = HashSet::new();
        for _ in 0..200 {
            let task = generator.task().unwrap();
            for micro in crate::operation::micro_operations(&task.operation.value).unwrap() {
                keys.insert(micro.key.to_string());
            }
            generator.finished(&task, Outcome::Fail, &Value::Null);
        }
        let read: HashSet<String> = (generator.final_reads().iter())
            .map(|read| crate::operation::micro_operations(&read.value).unwrap()[0].key.to_string())
            .collect();
        assert!(keys.len() > 20 && keys.is_subset(&read));
    }
}
