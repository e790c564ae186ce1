//! A stream of transactions on a strictly serializable store, generated on the fly in blocks.
//!
//! A few keys are in use at a time. Each takes a limited number of writes and is then replaced by a new one, as in Elle's
//! generator. Every client is a session. All transactions end at the end of each block.

use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, MicroInput, Outcome, Payload, ValueId,
};
use std::collections::HashMap;
use workloads::databases::{Random, Shape};

/// The shape of the stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamPlan {
    /// Lists or registers.
    pub shape: Shape,
    /// The number of clients. Each has one transaction in flight.
    pub clients: usize,
    /// The number of keys in use at a time.
    pub keys: usize,
    /// The number of writes after which a key is replaced.
    pub writes_per_key: u64,
    /// The maximum number of operations in a transaction.
    pub length_max: usize,
    /// How many transactions of a million end as `info`.
    pub indeterminate_per_million: usize,
}

/// A transaction in flight: for each operation its key and what it writes; and once it took effect, what its reads returned.
struct InFlight {
    process: i64,
    steps: Vec<(u64, Option<u64>)>,
    reads: Option<Vec<Vec<u64>>>,
}

/// The store and its clients.
pub struct TransactionStream {
    plan: StreamPlan,
    random: Random,
    /// The keys in use, and how often each was written.
    active: Vec<(u64, u64)>,
    lists: HashMap<u64, Vec<u64>>,
    /// Keys that were replaced in this block.
    replaced: Vec<u64>,
    next_key: u64,
    next_value: u64,
    next_process: i64,
}

impl TransactionStream {
    /// The stream of a seed.
    pub fn new(plan: StreamPlan, seed: u64) -> Self {
        Self {
            plan,
            random: Random::new(seed),
            active: (0..plan.keys as u64).map(|key| (key, 0)).collect(),
            lists: HashMap::new(),
            replaced: Vec::new(),
            next_key: plan.keys as u64,
            next_value: 0,
            next_process: 0,
        }
    }

    /// Generates the next transactions. All of them have ended. Names continue from block to block.
    pub fn next_block(&mut self, transactions: usize) -> History {
        let mut builder = HistoryBuilder::new();
        let mut open: Vec<Option<InFlight>> = (0..self.plan.clients).map(|_| None).collect();
        let mut left = transactions;
        while left > 0 || open.iter().any(Option::is_some) {
            let client = self.random.draw_below(self.plan.clients);
            open[client] = match open[client].take() {
                None if left == 0 => None,
                None => {
                    left -= 1;
                    Some(self.invoke(client, &mut builder))
                }
                Some(running) if running.reads.is_none() => Some(self.take_effect(running)),
                Some(running) => {
                    self.complete(&running, &mut builder);
                    None
                }
            };
        }
        for key in self.replaced.drain(..) {
            self.lists.remove(&key);
        }
        builder.finish()
    }

    fn draw_step(&mut self) -> (u64, Option<u64>) {
        let place = self.random.draw_below(self.active.len());
        if self.random.draw_chance(50) {
            return (self.active[place].0, None);
        }
        if self.active[place].1 >= self.plan.writes_per_key {
            self.replaced.push(self.active[place].0);
            self.active[place] = (self.next_key, 0);
            self.next_key += 1;
        }
        self.active[place].1 += 1;
        self.next_value += 1;
        (self.active[place].0, Some(self.next_value))
    }

    fn invoke(&mut self, client: usize, builder: &mut HistoryBuilder) -> InFlight {
        let length = 1 + self.random.draw_below(self.plan.length_max);
        let steps: Vec<(u64, Option<u64>)> = (0..length).map(|_| self.draw_step()).collect();
        let process = self.next_process;
        self.next_process += 1;
        let session = Some(builder.history().sessions.intern(&client.to_string()));
        self.with_micros(&steps, None, builder, |builder, payload| {
            let (function, key) = (Function::TXN, KeyId::NONE);
            builder.invoke(Invocation { process, session, function, key, payload }).expect("a new process");
        });
        InFlight { process, steps, reads: None }
    }

    fn take_effect(&mut self, mut running: InFlight) -> InFlight {
        let mut reads = Vec::with_capacity(running.steps.len());
        for &(key, write) in &running.steps {
            let held = self.lists.entry(key).or_default();
            match (write, self.plan.shape) {
                (Some(value), Shape::Lists) => held.push(value),
                (Some(value), Shape::Registers) => *held = vec![value],
                (None, _) => {}
            }
            reads.push(if write.is_none() { held.clone() } else { Vec::new() });
        }
        running.reads = Some(reads);
        running
    }

    fn complete(&mut self, running: &InFlight, builder: &mut HistoryBuilder) {
        let is_lost = self.random.draw_below(1_000_000) < self.plan.indeterminate_per_million;
        let outcome = if is_lost { Outcome::Info } else { Outcome::Ok };
        let process = running.process;
        self.with_micros(&running.steps, running.reads.as_deref(), builder, |builder, payload| {
            let completion = Completion { process, outcome, function: None, key: None, payload };
            builder.complete(completion).expect("it was invoked");
        });
    }

    fn with_micros(
        &self,
        steps: &[(u64, Option<u64>)],
        reads: Option<&[Vec<u64>]>,
        builder: &mut HistoryBuilder,
        run: impl FnOnce(&mut HistoryBuilder, Payload<'_>),
    ) {
        let names = builder.history();
        let value = |names: &mut History, value: u64| names.values.intern(&value.to_string());
        let lists: Vec<Vec<ValueId>> = reads
            .unwrap_or_default()
            .iter()
            .map(|read| read.iter().map(|&element| value(names, element)).collect())
            .collect();
        let mut micros = Vec::with_capacity(steps.len());
        for (at, &(key, write)) in steps.iter().enumerate() {
            let written = write.map(|write| value(names, write));
            let key = names.keys.intern(&format!("\"k{key}\""));
            micros.push(match (written, self.plan.shape, lists.get(at)) {
                (Some(value), Shape::Lists, _) => MicroInput::Append(key, value),
                (Some(value), Shape::Registers, _) => MicroInput::Write(key, value),
                (None, Shape::Lists, Some(list)) => MicroInput::ReadList(key, list),
                (None, _, read) => {
                    let last = read.and_then(|read| read.last().copied());
                    MicroInput::Read(key, last.unwrap_or(ValueId::NULL))
                }
            });
        }
        run(builder, Payload::Micros(&micros));
    }
}
