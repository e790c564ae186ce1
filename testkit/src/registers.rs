//! Generates small random histories of registers: clients use a store that is sometimes stale and sometimes returns
//! arbitrary values.

use crate::TestRandom;
use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, Outcome, Payload, SessionId, ValueId,
};

/// The parameters of a random history.
pub struct RegisterShape {
    /// The number of operations.
    pub operations: usize,
    /// The number of sessions that invoke them.
    pub sessions: usize,
    /// The number of objects.
    pub keys: usize,
    /// The number of operations of one session that may be in flight at once.
    pub tabs: usize,
    /// The percentage of writes that repeat a value.
    pub repeats: usize,
    /// The percentage of writes that are compare-and-sets.
    pub cas: usize,
    /// The percentage of operations that end as `info`.
    pub info: usize,
    /// The percentage of operations that fail.
    pub fail: usize,
    /// The percentage of reads that return an arbitrary value.
    pub mad: usize,
    /// The percentage of reads that return an old version.
    pub stale: usize,
    /// Whether the store returns the versions that it wrote and read.
    pub tokens: bool,
    /// The percentage of operations at the end that stay open.
    pub hangs: usize,
    /// The maximum number of writes to one object.
    pub writes: usize,
}

impl RegisterShape {
    /// A random shape without restrictions.
    pub fn new(random: &mut TestRandom) -> Self {
        let often = |random: &mut TestRandom, percent| if random.chance(50) { 0 } else { percent };
        Self {
            operations: 3 + random.below(7),
            sessions: 1 + random.below(3),
            keys: if random.chance(80) { 1 } else { 2 },
            tabs: if random.chance(60) { 1 } else { 2 },
            repeats: often(random, 35),
            cas: often(random, 35),
            info: often(random, 30),
            fail: often(random, 15),
            mad: often(random, 40),
            stale: 10 + random.below(50),
            tokens: random.chance(15),
            hangs: 5,
            writes: 5,
        }
    }

    /// One object, every value is written once, and every operation completes.
    pub fn plain(random: &mut TestRandom) -> Self {
        Self {
            operations: 8 + random.below(8),
            sessions: 5,
            keys: 1,
            repeats: 0,
            info: 0,
            fail: 0,
            mad: if random.chance(50) { 20 } else { 0 },
            stale: 90,
            tokens: false,
            hangs: 0,
            ..Self::new(random)
        }
    }

    /// One object, few values, and compare-and-sets that mostly time out. It is then ambiguous which operation wrote a
    /// value, and which operations took effect.
    pub fn tangled(random: &mut TestRandom) -> Self {
        Self {
            operations: 5 + random.below(5),
            keys: 1,
            repeats: 70,
            cas: 80,
            info: 60,
            fail: 0,
            mad: 30,
            tokens: false,
            writes: 6,
            ..Self::new(random)
        }
    }
}

/// An operation in flight.
struct OpenOperation {
    process: i64,
    session: SessionId,
    key: usize,
    function: Function,
    values: (ValueId, ValueId),
    /// The version that it wrote or read, once the store has executed it.
    done: Option<usize>,
}

/// One object: its versions, in the order of the store.
struct StoredObject {
    key: KeyId,
    versions: Vec<ValueId>,
    writes: usize,
}

/// Runs clients against the store, and records the history.
pub struct RegisterRun {
    random: TestRandom,
    shape: RegisterShape,
    builder: HistoryBuilder,
    values: Vec<ValueId>,
    objects: Vec<StoredObject>,
    open: Vec<OpenOperation>,
    next_process: i64,
}

impl RegisterRun {
    /// Prepares a run. `initial` is the first value of all objects: 0 or null.
    pub fn new(mut random: TestRandom, shape: RegisterShape, initial: &str) -> Self {
        let mut builder = HistoryBuilder::new();
        let initial = builder.history().values.intern(initial);
        let mut values = vec![initial];
        values.extend((1..=9).map(|n| builder.history().values.intern(&n.to_string())));
        let objects = (0..shape.keys)
            .map(|n| StoredObject {
                key: builder.history().keys.intern(&format!("\"k{n}\"")),
                versions: vec![initial],
                writes: 0,
            })
            .collect();
        let _ = random.next_u64();
        Self { random, shape, builder, values, objects, open: Vec::new(), next_process: 0 }
    }

    /// Runs until all operations were invoked, and have completed or stay open. Returns the history.
    pub fn into_history(mut self) -> History {
        let mut left = self.shape.operations;
        while left > 0 || !self.open.is_empty() {
            if left > 0 && (self.open.is_empty() || self.random.chance(50)) {
                left -= usize::from(self.invoke_operation());
                continue;
            }
            let at = self.random.below(self.open.len());
            if left == 0 && self.random.chance(self.shape.hangs) {
                self.open.swap_remove(at);
                continue;
            }
            self.complete_operation(at);
        }
        self.builder.finish()
    }

    /// Invokes an operation of a random session. If that session is busy, completes one of its operations instead.
    /// Returns whether an operation was invoked.
    fn invoke_operation(&mut self) -> bool {
        let name = format!("\"s{}\"", self.random.below(self.shape.sessions));
        let session = self.builder.history().sessions.intern(&name);
        if self.open.iter().filter(|open| open.session == session).count() >= self.shape.tabs {
            let at = self.open.iter().position(|open| open.session == session).expect("it is busy");
            self.complete_operation(at);
            return false;
        }
        let key = self.random.below(self.objects.len());
        let writes = self.objects[key].writes < self.shape.writes && self.random.chance(55);
        let function = match writes {
            false => Function::READ,
            true if self.random.chance(self.shape.cas) => Function::CAS,
            true => Function::WRITE,
        };
        self.objects[key].writes += usize::from(writes);
        let new = self.choose_written_value(key);
        let old = self.choose_read_value(key);
        let (process, key_id) = (self.next_process, self.objects[key].key);
        self.next_process += 1;
        let payload = match function {
            Function::CAS => Payload::Pair(old, new),
            Function::WRITE => Payload::Value(new),
            _ => Payload::Value(ValueId::NULL),
        };
        let invocation = Invocation { process, session: Some(session), function, key: key_id, payload };
        self.builder.invoke(invocation).expect("a process does one thing");
        self.open.push(OpenOperation { process, session, key, function, values: (old, new), done: None });
        if self.random.chance(50) {
            let at = self.open.len() - 1;
            self.apply_to_store(at);
        }
        true
    }

    /// A value to write: mostly one that was not written to the object before.
    fn choose_written_value(&mut self, key: usize) -> ValueId {
        if self.random.chance(self.shape.repeats) {
            return self.values[self.random.below(4)];
        }
        // Values 1 to 9 in turn: the first writes of an object write different values, and sometimes the initial one.
        let next = self.objects[key].writes * 2 + usize::from(self.random.chance(10));
        self.values[next % self.values.len()]
    }

    /// A value that a read returns or that a compare-and-set expects.
    fn choose_read_value(&mut self, key: usize) -> ValueId {
        if self.random.chance(self.shape.mad) {
            return self.values[self.random.below(8)];
        }
        let versions = &self.objects[key].versions;
        versions[self.choose_version(versions.len())]
    }

    fn choose_version(&self, count: usize) -> usize {
        // Whether the store is stale is derived from the process number, so that it needs no second generator.
        let mut random = self.random.fork(self.next_process as u64);
        if random.chance(self.shape.stale) { random.below(count) } else { count - 1 }
    }

    /// The store executes an operation.
    fn apply_to_store(&mut self, at: usize) {
        let OpenOperation { key, function, values: (_, new), done, .. } = self.open[at];
        if done.is_some() {
            return;
        }
        let versions = &mut self.objects[key].versions;
        let version = if function == Function::READ {
            self.choose_version(self.objects[key].versions.len())
        } else {
            // Sometimes a write is ordered before other versions that exist already.
            let behind = self.random.chance(self.shape.stale / 4) && versions.len() > 1;
            let place = if behind { 1 + self.random.below(versions.len()) } else { versions.len() };
            versions.insert(place, new);
            place
        };
        self.open[at].done = Some(version);
    }

    fn complete_operation(&mut self, at: usize) {
        let outcome = match self.random.below(100) {
            n if n < self.shape.info => Outcome::Info,
            n if n < self.shape.info + self.shape.fail => Outcome::Fail,
            _ => Outcome::Ok,
        };
        if outcome == Outcome::Ok {
            self.apply_to_store(at);
        }
        let open = self.open.swap_remove(at);
        let versions = &self.objects[open.key].versions;
        let version = open.done.unwrap_or(0).min(versions.len() - 1);
        let mut result = versions[version];
        if self.random.chance(self.shape.mad) {
            result = self.values[self.random.below(8)];
        }
        let payload = match open.function {
            Function::CAS => Payload::Pair(open.values.0, open.values.1),
            Function::READ => Payload::Value(result),
            _ => Payload::Value(open.values.1),
        };
        let completion = Completion {
            process: open.process,
            outcome,
            function: Some(open.function),
            key: Some(self.objects[open.key].key),
            payload,
        };
        let id = self.builder.complete(completion).expect("it was invoked");
        if self.shape.tokens && self.random.chance(70) {
            let off = usize::from(self.random.chance(10));
            self.builder.set_version(id, (version + off) as i64 * 10);
        }
    }
}
