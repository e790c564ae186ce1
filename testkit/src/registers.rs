//! Small random histories of registers: clients ask a store that is sometimes behind and sometimes answers anything.

use crate::TestRandom;
use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, Outcome, Payload, SessionId, ValueId,
};

/// How a history is made: all drawn from its seed.
pub struct RegisterShape {
    /// How many operations are invoked.
    pub operations: usize,
    /// How many sessions invoke them.
    pub sessions: usize,
    /// How many objects there are.
    pub keys: usize,
    /// Operations of one session that may be in flight at once.
    pub tabs: usize,
    /// Of a hundred writes, those that repeat a value.
    pub repeats: usize,
    /// Of a hundred writes, those that are compare-and-sets.
    pub cas: usize,
    /// Of a hundred operations, those that end as `info`.
    pub info: usize,
    /// Of a hundred operations, those that fail.
    pub fail: usize,
    /// Of a hundred reads, those that return any value at all.
    pub mad: usize,
    /// Of a hundred reads, those that return an old version.
    pub stale: usize,
    /// Whether the store tells the versions that it wrote and read.
    pub tokens: bool,
    /// Of a hundred operations at the end, those that stay open.
    pub hangs: usize,
    /// The most writes of one object.
    pub writes: usize,
}

impl RegisterShape {
    /// Any shape.
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

    /// One object, every value written once, and all that is invoked completes.
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

    /// One object, few values, and compare-and-sets that mostly time out: who wrote what is open, and what
    /// took effect at all.
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
    /// The version that it wrote or read, if the store has done it.
    done: Option<usize>,
}

/// One object: its versions, in the order in which the store took them.
struct StoredObject {
    key: KeyId,
    versions: Vec<ValueId>,
    writes: usize,
}

/// Runs clients against the store, and writes down what they saw.
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
    /// `initial` is what the objects hold at first: 0 or null.
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

    /// The history, once all operations were invoked and have completed or stay open.
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

    /// Invokes an operation, unless its session is busy.
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

    /// A value to write: mostly one that nobody wrote to the object.
    fn choose_written_value(&mut self, key: usize) -> ValueId {
        if self.random.chance(self.shape.repeats) {
            return self.values[self.random.below(4)];
        }
        // Values 1 to 9 in turn: the first writes of an object write different ones, now and then the initial one.
        let next = self.objects[key].writes * 2 + usize::from(self.random.chance(10));
        self.values[next % self.values.len()]
    }

    /// A value to read or to expect.
    fn choose_read_value(&mut self, key: usize) -> ValueId {
        if self.random.chance(self.shape.mad) {
            return self.values[self.random.below(8)];
        }
        let versions = &self.objects[key].versions;
        versions[self.choose_version(versions.len())]
    }

    fn choose_version(&self, count: usize) -> usize {
        // The store that is behind: drawn from the process numbers, so that it needs no second generator.
        let mut random = self.random.fork(self.next_process as u64);
        if random.chance(self.shape.stale) { random.below(count) } else { count - 1 }
    }

    /// The store does what was asked.
    fn apply_to_store(&mut self, at: usize) {
        let OpenOperation { key, function, values: (_, new), done, .. } = self.open[at];
        if done.is_some() {
            return;
        }
        let versions = &mut self.objects[key].versions;
        let version = if function == Function::READ {
            self.choose_version(self.objects[key].versions.len())
        } else {
            // Now and then a write lands before others that are there.
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
