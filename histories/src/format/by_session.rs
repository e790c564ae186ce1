//! Histories that are told session by session: Plume's and PolySI's text, AWDIT's, dbcop's.
//!
//! These formats say what each session did, one transaction after another, and nothing of when: two
//! transactions of different sessions are in no order. A [`History`] is a sequence of events, so events have to
//! be put in *some* order, and any order would claim what nobody saw: with two sessions of two transactions each,
//! no sequence of events keeps each session's order and lets everything else overlap (such an order, "2 + 2",
//! is what orders of intervals cannot be; Fishburn 1970). So the history is marked as one without real time
//! ([`History::has_real_time`]), and what needs real time is not judged from it. Session order is real.
//!
//! The order that is made up all the same lets the first transactions of all sessions overlap, then the second,
//! and so on: of the orders that cost nothing it is the likeliest to resemble what happened, which is a fair first
//! guess for searches. Indexes lead back to the file: operation 2n is the file's n-th transaction, from zero.
//!
//! What the formats share beyond that: keys and values are integers, objects are registers, and a transaction was
//! committed or aborted; that a client does not know which, they cannot say.

use super::datum::Flaw;
use crate::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, MicroInput, Outcome, Payload, Problem,
    Problems, ValueId,
};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What one step of a transaction did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub(super) writes: bool,
    pub(super) key: i64,
    /// None: the initial value.
    pub(super) value: Option<i64>,
}

/// One transaction: which steps are its own, and what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Transaction {
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) committed: bool,
    /// Its place in the file, from zero.
    pub(super) number: u32,
}

/// What a file tells.
#[derive(Default)]
pub(super) struct BySession {
    pub(super) steps: Vec<Step>,
    /// The name of each session and what it did, in order.
    pub(super) sessions: Vec<(i64, Vec<Transaction>)>,
    /// Further fields of the header, as JSON after a comma: `,"info":"…"`.
    pub(super) about: String,
}

impl BySession {
    /// Adds a transaction to the last session.
    pub(super) fn push(&mut self, steps: impl IntoIterator<Item = Step>, committed: bool, number: u32) {
        let start = self.steps.len() as u32;
        self.steps.extend(steps);
        let len = self.steps.len() as u32 - start;
        let (_, transactions) = self.sessions.last_mut().expect("a session was begun");
        transactions.push(Transaction { start, len, committed, number });
    }

    /// What the user must know of how it was read.
    pub(super) fn remarks(&self, format: &str) -> Vec<String> {
        let mut remarks = vec![format!(
            "{format} has no real-time order: what needs one is unknown where sessions alone do not decide it"
        )];
        let zeros = self.steps.iter().filter(|step| step.writes && step.value.is_none()).count();
        if zeros > 0 {
            remarks.push(format!(
                "{zeros} writes of 0, which in {format} is the initial value: a read of it does not tell whether it saw one"
            ));
        }
        remarks
    }

    /// The history, of a file in `format`. O(steps).
    pub(super) fn history(&self, format: &str) -> History {
        let mut names = Names { builder: HistoryBuilder::new(), keys: by_number(), values: by_number() };
        names.builder.set_header(&format!(
            "{{\"from\":\"{format}\",\"real_time\":false,\"steadfast\":1{}}}",
            self.about
        ));
        let mut going: Vec<&(i64, Vec<Transaction>)> =
            self.sessions.iter().filter(|(_, transactions)| !transactions.is_empty()).collect();
        let mut micros = Vec::new();
        for round in 0.. {
            going.retain(|(_, transactions)| transactions.len() > round);
            if going.is_empty() {
                break;
            }
            for (session, transactions) in &going {
                self.invoke(&mut names, *session, transactions[round], &mut micros);
            }
            for (session, transactions) in &going {
                self.complete(&mut names, *session, transactions[round], &mut micros);
            }
        }
        names.builder.finish()
    }

    fn invoke(&self, names: &mut Names, session: i64, told: Transaction, micros: &mut Vec<MicroInput<'_>>) {
        micros.clear();
        if !told.committed {
            // What it read is not known to mean anything; what it would have written must be known.
            let steps = self.steps_of(told).iter();
            micros.extend(steps.map(|&step| {
                names.micro(Step { value: if step.writes { step.value } else { None }, ..step })
            }));
        }
        let invocation = Invocation {
            process: session,
            session: None,
            function: Function::TXN,
            key: KeyId::NONE,
            payload: Payload::Micros(micros),
        };
        names.builder.invoke(invocation).expect("a session's last transaction was completed");
        names.builder.set_event_index(2 * u64::from(told.number));
    }

    fn complete(&self, names: &mut Names, session: i64, told: Transaction, micros: &mut Vec<MicroInput<'_>>) {
        micros.clear();
        if told.committed {
            micros.extend(self.steps_of(told).iter().map(|&step| names.micro(step)));
        }
        let completion = Completion {
            process: session,
            outcome: if told.committed { Outcome::Ok } else { Outcome::Fail },
            function: None,
            key: None,
            payload: if told.committed { Payload::Micros(micros) } else { Payload::Value(ValueId::NULL) },
        };
        names.builder.complete(completion).expect("it was invoked in this round");
        names.builder.set_event_index(2 * u64::from(told.number) + 1);
    }

    pub(super) fn steps_of(&self, told: Transaction) -> &[Step] {
        &self.steps[told.start as usize..(told.start + told.len) as usize]
    }
}

/// Integers to the names that a history has for them: one hash of a number each, and no text but for the first.
struct Names {
    builder: HistoryBuilder,
    keys: FxHashMap<i64, KeyId>,
    values: FxHashMap<i64, ValueId>,
}

fn by_number<I>() -> FxHashMap<i64, I> {
    FxHashMap::default()
}

impl Names {
    fn micro(&mut self, step: Step) -> MicroInput<'static> {
        let history = self.builder.history();
        let key = *self.keys.entry(step.key).or_insert_with(|| history.keys.intern(&step.key.to_string()));
        let value = match step.value {
            None => ValueId::NULL,
            Some(value) => {
                *self.values.entry(value).or_insert_with(|| history.values.intern(&value.to_string()))
            }
        };
        if step.writes { MicroInput::Write(key, value) } else { MicroInput::Read(key, value) }
    }
}

/// What is wrong with a whole file that was read at once, each with its place in the text; a file that is no text has
/// none.
pub(super) fn problems(file: &Arc<str>, text: Option<&[u8]>, mut flaws: Vec<Flaw>, max: usize) -> Problems {
    let bytes = text.unwrap_or_default();
    flaws.sort_by_key(|flaw| flaw.at);
    let more = flaws.len().saturating_sub(max.max(1));
    flaws.truncate(max.max(1));
    let (mut line, mut line_start, mut seen) = (1, 0, 0);
    let place = |flaw: Flaw| {
        let at = flaw.at.min(bytes.len());
        line += memchr::memchr_iter(b'\n', &bytes[seen..at]).count() as u64;
        line_start = memchr::memrchr(b'\n', &bytes[..at]).map_or(line_start, |newline| newline + 1);
        seen = at;
        let column = bytes[line_start..at].iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u64 + 1;
        let (line, column) = if text.is_some() { (line, column) } else { (0, 0) };
        Problem { file: Arc::clone(file), line, column, found: flaw.found, expected: flaw.expected }
    };
    Problems { list: flaws.into_iter().map(place).collect(), more: more as u64 }
}
