//! Histories of a simulated atomic register: right by construction, unless one read is made stale.
//!
//! Each process in turn invokes, takes effect, and completes, at moments drawn from the seed, so that all
//! `processes` operations are open most of the time: the hardest shape for a checker.

use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, Outcome, Payload, ValueId,
};
use workloads::databases::Random;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    /// How many operations in all.
    pub operations: usize,
    /// How many are open at once, in all.
    pub processes: usize,
    /// Spread over how many keys.
    pub keys: usize,
    /// How many values there are; 0: every write has one of its own.
    pub values: u64,
    /// Whether a third of the operations are compare-and-sets.
    pub cas: bool,
    /// How many operations never complete; half of them take effect.
    pub indeterminate: usize,
    /// Whether a read near the end returns -1, which is written once, at the beginning.
    pub stale: bool,
    /// What everything is drawn from.
    pub seed: u64,
}

#[derive(Clone, Copy)]
enum Doing {
    Nothing,
    Invoked,
    Done(ValueId, bool),
}

struct Client {
    name: i64,
    key: usize,
    function: Function,
    argument: (ValueId, ValueId),
    doing: Doing,
    /// What the register held since the invocation.
    seen: Vec<ValueId>,
}

impl Registers {
    /// The history. Deterministic in its fields.
    pub fn history(&self) -> History {
        let mut random = Random::new(self.seed);
        let mut builder = HistoryBuilder::new();
        let keys: Vec<KeyId> =
            (0..self.keys)
                .map(|key| {
                    if self.keys == 1 { KeyId::NONE } else { builder.history().keys.intern(&key.to_string()) }
                })
                .collect();
        let mut held = vec![ValueId::NULL; self.keys];
        let mut clients: Vec<Client> = (0..self.processes as i64).map(Client::new).collect();
        let (mut started, mut fresh, mut lost) = (0, 0u64, 0);
        let (mut next_name, mut stale_left) = (self.processes as i64, self.stale);
        while started < self.operations || clients.iter().any(|c| !matches!(c.doing, Doing::Nothing)) {
            let at = random.draw_below(clients.len());
            let client = &mut clients[at];
            match client.doing {
                Doing::Nothing if started == self.operations => {
                    clients.swap_remove(at);
                }
                Doing::Nothing => {
                    self.choose(client, &mut builder, &mut random, &mut fresh, started);
                    client.seen = vec![held[client.key]];
                    client.invoke(&mut builder, keys[client.key]);
                    started += 1;
                }
                Doing::Invoked => {
                    let loses = lost * self.operations < self.indeterminate * started;
                    let skips = loses && random.draw_below(2) == 0;
                    let key = client.key;
                    let (result, ok) =
                        if skips { (ValueId::NULL, true) } else { client.apply(&mut held[key]) };
                    let now = held[key];
                    clients.iter_mut().filter(|c| c.key == key).for_each(|c| c.see(now));
                    let client = &mut clients[at];
                    client.doing = Doing::Done(result, ok);
                    if loses && ok {
                        lost += 1;
                        client.complete(&mut builder, Outcome::Info, result);
                        client.name = next_name;
                        next_name += 1;
                    }
                }
                Doing::Done(result, ok) => {
                    let mut result = result;
                    if stale_left && started * 50 > self.operations * 49 && client.function == Function::READ
                    {
                        // Long overwritten, and nobody writes it again.
                        (result, stale_left) = (builder.history().values.intern("-1"), false);
                    }
                    client.complete(&mut builder, if ok { Outcome::Ok } else { Outcome::Fail }, result);
                }
            }
        }
        builder.finish()
    }

    fn choose(
        &self,
        client: &mut Client,
        builder: &mut HistoryBuilder,
        random: &mut Random,
        fresh: &mut u64,
        started: usize,
    ) {
        let mut value = |random: &mut Random| {
            *fresh += 1;
            match *fresh {
                1 => builder.history().values.intern("-1"),
                _ if self.values == 0 => builder.history().values.intern(&fresh.to_string()),
                _ => builder.history().values.intern(&random.draw_below(self.values as usize).to_string()),
            }
        };
        let new = value(random);
        let kind = if started == 0 { 1 } else { random.draw_below(if self.cas { 3 } else { 2 }) };
        client.key = random.draw_below(self.keys);
        (client.function, client.argument) = match kind {
            0 => (Function::READ, (ValueId::NULL, ValueId::NULL)),
            1 => (Function::WRITE, (new, new)),
            _ => (Function::CAS, (value(random), new)),
        };
    }
}

impl Client {
    fn new(name: i64) -> Self {
        let argument = (ValueId::NULL, ValueId::NULL);
        Client { name, key: 0, function: Function::READ, argument, doing: Doing::Nothing, seen: Vec::new() }
    }

    fn payload(&self) -> Payload<'static> {
        match self.function {
            Function::CAS => Payload::Pair(self.argument.0, self.argument.1),
            _ => Payload::Value(self.argument.0),
        }
    }

    fn invoke(&mut self, builder: &mut HistoryBuilder, key: KeyId) {
        let invocation = Invocation {
            process: self.name,
            session: None,
            function: self.function,
            key,
            payload: self.payload(),
        };
        builder.invoke(invocation).expect("a client does one thing at a time");
        self.doing = Doing::Invoked;
    }

    fn apply(&mut self, held: &mut ValueId) -> (ValueId, bool) {
        match self.function {
            Function::READ => (*held, true),
            Function::WRITE => {
                *held = self.argument.0;
                (*held, true)
            }
            _ if *held == self.argument.0 => {
                *held = self.argument.1;
                (ValueId::NULL, true)
            }
            _ => (ValueId::NULL, false),
        }
    }

    fn see(&mut self, now: ValueId) {
        if self.seen.last() != Some(&now) {
            self.seen.push(now);
        }
    }

    fn complete(&mut self, builder: &mut HistoryBuilder, outcome: Outcome, result: ValueId) {
        let payload = if self.function == Function::READ { Payload::Value(result) } else { self.payload() };
        let completion = Completion { process: self.name, outcome, function: None, key: None, payload };
        builder.complete(completion).expect("it was invoked");
        self.doing = Doing::Nothing;
    }
}
