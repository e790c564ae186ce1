//! Histories of a simulated store that replicates behind: causally convergent by construction, and seldom sequential.
//!
//! All writes are in one log. A session sees a prefix of it that lags behind and never goes back, and its own writes
//! at once; a read returns, of what it sees of an object, what is last in the log.

use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, Outcome, Payload, ValueId,
};
use workloads::databases::Random;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Replicas {
    /// How many operations in all; half of them write, each a value of its own.
    pub operations: usize,
    /// How many sessions, each doing one thing at a time.
    pub sessions: usize,
    /// Spread over how many keys.
    pub keys: usize,
    /// How many writes a session may be behind.
    pub lag: usize,
    /// What everything is drawn from.
    pub seed: u64,
}

/// What one session sees: how much of the log, and of each key the last write, by its place in the log from 1.
struct Replica {
    seen: usize,
    held: Vec<usize>,
}

impl Replicas {
    /// The history. Deterministic in its fields.
    pub fn history(&self) -> History {
        let mut random = Random::new(self.seed);
        let mut builder = HistoryBuilder::new();
        let keys: Vec<KeyId> =
            (0..self.keys).map(|key| builder.history().keys.intern(&key.to_string())).collect();
        let mut log: Vec<usize> = Vec::new();
        let mut replicas: Vec<Replica> =
            (0..self.sessions).map(|_| Replica { seen: 0, held: vec![0; self.keys] }).collect();
        for _ in 0..self.operations {
            let session = random.draw_below(self.sessions);
            let key = random.draw_below(self.keys);
            let replica = &mut replicas[session];
            let behind = log.len().saturating_sub(random.draw_below(self.lag + 1));
            while replica.seen < behind {
                let written = log[replica.seen];
                replica.seen += 1;
                replica.held[written] = replica.held[written].max(replica.seen);
            }
            let function = if random.draw_below(2) == 0 { Function::READ } else { Function::WRITE };
            if function == Function::WRITE {
                log.push(key);
                replica.held[key] = log.len();
            }
            let value = match replica.held[key] {
                0 => ValueId::NULL,
                place => builder.history().values.intern(&place.to_string()),
            };
            let argument = if function == Function::READ { ValueId::NULL } else { value };
            let process = session as i64;
            let (session, key, payload) = (None, keys[key], Payload::Value(argument));
            builder.invoke(Invocation { process, session, function, key, payload }).expect("nothing is open");
            let (outcome, payload) = (Outcome::Ok, Payload::Value(value));
            let completion = Completion { process, outcome, function: None, key: None, payload };
            builder.complete(completion).expect("it is open");
        }
        builder.finish()
    }
}
