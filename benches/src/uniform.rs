//! Transactions over registers in the shape of the isolation checkers' own experiments: uniform keys, half reads.
//!
//! A store that does each transaction at one moment between its two events, so every level holds. Written down as
//! a history, and as the text that AWDIT, Plume and PolySI read, so that all can be given the same.

use histories::{
    Completion, Function, History, HistoryBuilder, Id, Invocation, KeyId, MicroInput, MicroKind, Outcome,
    Payload, ValueId,
};
use std::io::{self, Write};
use workloads::databases::Random;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Uniform {
    /// How many transactions in all.
    pub transactions: usize,
    /// How many sessions, each with one transaction at a time.
    pub sessions: usize,
    /// How many keys, all as likely.
    pub keys: usize,
    /// How many operations a transaction has.
    pub length: usize,
    /// What everything is drawn from.
    pub seed: u64,
}

/// A step of a transaction: the key, and what is written or, once it is done, was read; 0 is nothing.
#[derive(Clone, Copy)]
struct Step {
    key: u32,
    write: bool,
    value: u64,
}

enum Doing {
    Nothing,
    Invoked(Vec<Step>),
    Done(Vec<Step>),
}

impl Uniform {
    /// The history. Deterministic in the fields.
    pub fn history(&self) -> History {
        let mut random = Random::new(self.seed);
        let mut builder = HistoryBuilder::new();
        let mut held = vec![0u64; self.keys];
        let mut fresh = 0;
        let mut clients: Vec<Doing> = (0..self.sessions).map(|_| Doing::Nothing).collect();
        let mut started = 0;
        while started < self.transactions || clients.iter().any(|client| !matches!(client, Doing::Nothing)) {
            let at = random.draw_below(self.sessions);
            clients[at] = match std::mem::replace(&mut clients[at], Doing::Nothing) {
                Doing::Nothing if started == self.transactions => Doing::Nothing,
                Doing::Nothing => {
                    started += 1;
                    let step = |_| {
                        let (key, write) = (random.draw_below(self.keys) as u32, random.draw_below(2) == 0);
                        fresh += u64::from(write);
                        Step { key, write, value: if write { fresh } else { 0 } }
                    };
                    let steps: Vec<Step> = (0..self.length).map(step).collect();
                    invoke(&mut builder, at, &steps);
                    Doing::Invoked(steps)
                }
                Doing::Invoked(mut steps) => {
                    for step in &mut steps {
                        if step.write {
                            held[step.key as usize] = step.value;
                        }
                        step.value = held[step.key as usize];
                    }
                    Doing::Done(steps)
                }
                Doing::Done(steps) => {
                    complete(&mut builder, at, &steps);
                    Doing::Nothing
                }
            };
        }
        builder.finish()
    }
}

fn micros(builder: &mut HistoryBuilder, steps: &[Step]) -> Vec<MicroInput<'static>> {
    let history = builder.history();
    let micro = |step: &Step| {
        let key = history.keys.intern(&step.key.to_string());
        let value = match step.value {
            0 => ValueId::NULL,
            value => history.values.intern(&value.to_string()),
        };
        match step.write {
            true => MicroInput::Write(key, value),
            false => MicroInput::Read(key, value),
        }
    };
    steps.iter().map(micro).collect()
}

fn invoke(builder: &mut HistoryBuilder, client: usize, steps: &[Step]) {
    let micros = micros(builder, steps);
    let session = Some(builder.history().sessions.intern(&client.to_string()));
    let (process, function, key, payload) =
        (client as i64, Function::TXN, KeyId::NONE, Payload::Micros(&micros));
    builder.invoke(Invocation { process, session, function, key, payload }).expect("one at a time");
}

fn complete(builder: &mut HistoryBuilder, client: usize, steps: &[Step]) {
    let micros = micros(builder, steps);
    let (process, outcome, payload) = (client as i64, Outcome::Ok, Payload::Micros(&micros));
    let completion = Completion { process, outcome, function: None, key: None, payload };
    builder.complete(completion).expect("it was invoked");
}

/// The history as text of Plume: one operation a line, 0 the initial value.
pub fn write_plume(history: &History, mut to: impl Write) -> io::Result<()> {
    for id in history.ids() {
        for micro in history.micros_of(id) {
            let name = if micro.kind == MicroKind::Write { 'w' } else { 'r' };
            let value = if micro.value() == ValueId::NULL { "0" } else { history.value_text(micro.value()) };
            let (key, session) = (history.key_text(micro.key), history.session_text(history.session(id)));
            writeln!(to, "{name}({key},{value},{session},{})", id.index())?;
        }
    }
    to.flush()
}
