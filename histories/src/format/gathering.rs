//! What sessions did, gathered as a file tells it, one transaction after another, and made a [`History`].
//!
//! Steps are packed as they come: twelve bytes each, their keys and values numbered without a hash ([`Integers`]). At the
//! end they are moved once, into the order of the history, and names are numbered in that order: whoever checks the
//! history goes through both side by side, and takes twice as long if they are far apart.
//!
//! Why there is no real time, and what that means, is told in [`super::by_session`]. Some order is made up all the same;
//! it costs nothing in truth, and one that resembles what happened is a good first guess for searches. Where a file goes
//! from session to session, that may be the order in which things were done: transactions are taken in it, and as many
//! overlap as are of different sessions. Where it tells one session after the other, the first transactions of all
//! sessions overlap, then the second, and so on. Indexes lead back to the file: operation 2n is the file's n-th
//! transaction, from zero.

use super::by_session::{TransactionStep, TransactionsBySession};
use super::integers::IntegerTable;
use crate::{
    Function, History, HistoryBuilder, Id, Interner, KeyId, Micro, MicroKind, NEVER, Outcome, ProcessId,
    SessionId, ValueId,
};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Transactions in the order of the file.
#[derive(Default)]
pub(super) struct Gathering {
    keys: IntegerTable,
    values: IntegerTable,
    micros: Vec<Micro>,
    transactions: Vec<GatheredTransaction>,
    sessions: Vec<i64>,
    /// Once a transaction went on after another had begun: whose the steps are, in order, and how many in a row.
    mixed: Vec<(u32, u32)>,
    /// How many steps write the initial value.
    zeros: usize,
    /// How many transactions at the beginning write the initial state and are no part of the history: one or none.
    skipped: usize,
}

/// One transaction; `start` is where its steps are if nothing is mixed.
#[derive(Clone, Copy)]
struct GatheredTransaction {
    session: u32,
    start: u32,
    len: u32,
    committed: bool,
}

impl Gathering {
    /// A session, by its name in the file.
    pub(super) fn add_session(&mut self, name: i64) -> u32 {
        self.sessions.push(name);
        self.sessions.len() as u32 - 1
    }

    /// The name of a session.
    pub(super) fn session_name(&self, session: u32) -> i64 {
        self.sessions[session as usize]
    }

    /// A transaction of a session.
    pub(super) fn begin_transaction(&mut self, session: u32, committed: bool) -> u32 {
        assert!(self.transactions.len() < NEVER as usize / 2 - 1, "fewer than 2^32 - 1 events");
        let start = self.micros.len() as u32;
        self.transactions.push(GatheredTransaction { session, start, len: 0, committed });
        self.transactions.len() as u32 - 1
    }

    /// The session of a transaction.
    pub(super) fn session_of(&self, transaction: u32) -> u32 {
        self.transactions[transaction as usize].session
    }

    /// Adds steps to a transaction. What an aborted one read is not known to mean anything; what it would have written
    /// must be known.
    pub(super) fn add_steps(
        &mut self,
        transaction: u32,
        steps: impl ExactSizeIterator<Item = TransactionStep>,
    ) {
        let before = self.micros.len();
        u32::try_from(before + steps.len()).expect("fewer than 2^32 micro-operations");
        let len = steps.len() as u32;
        let GatheredTransaction { start, len: known, committed, .. } =
            self.transactions[transaction as usize];
        if !self.mixed.is_empty() {
            self.mixed.push((transaction, len));
        } else if (start + known) as usize != before {
            self.mixed.extend(self.transactions.iter().zip(0..).map(|(told, number)| (number, told.len)));
            self.mixed.push((transaction, len));
        }
        self.transactions[transaction as usize].len += len;
        for step in steps {
            let key = KeyId::new(self.keys.intern_number(step.key) as usize + 1);
            let value = match step.value {
                Some(value) if committed || step.writes => {
                    ValueId::new(self.values.intern_number(value) as usize + 1)
                }
                _ => ValueId::NULL,
            };
            self.zeros += usize::from(step.writes && value == ValueId::NULL);
            let kind = if step.writes { MicroKind::Write } else { MicroKind::Read };
            self.micros.push(Micro { kind, key, payload: value.raw() });
        }
    }

    /// What was told whole.
    pub(super) fn from_sessions(told: &TransactionsBySession) -> Self {
        let mut gathering = Self::default();
        for (name, transactions) in &told.sessions {
            let session = gathering.add_session(*name);
            for &transaction in transactions {
                let number = gathering.begin_transaction(session, transaction.committed);
                debug_assert_eq!(number, transaction.number, "a file of sessions is in their order");
                gathering.add_steps(number, told.steps_of(transaction).iter().copied());
            }
        }
        gathering.detect_initial_state();
        gathering
    }

    /// Takes a first transaction that writes the initial value to every key for the initial state. Plume, PolySI and
    /// IsoVista begin their histories with one; as a write it would make each read of 0 one of which nobody can tell
    /// whether it saw the write or the beginning. Called once, when everything was added.
    pub(super) fn detect_initial_state(&mut self) {
        self.sort_by_transaction();
        let Some(&GatheredTransaction { start, len, committed, .. }) = self.transactions.first() else {
            return;
        };
        let steps = &self.micros[start as usize..(start + len) as usize];
        let mut written = vec![false; self.keys.numbers().len() + 1];
        let mut writes_once = |micro: &Micro| {
            let is_write = micro.kind == MicroKind::Write && micro.value() == ValueId::NULL;
            is_write && !std::mem::replace(&mut written[micro.key.index()], true)
        };
        let all = committed && steps.len() == self.keys.numbers().len() && steps.iter().all(&mut writes_once);
        if all && self.transactions.len() > 1 && self.zeros == steps.len() {
            (self.skipped, self.zeros) = (1, 0);
        }
    }

    /// What the user must know of how it was read.
    pub(super) fn remarks(&self, format: &str) -> Vec<String> {
        let mut remarks = vec![format!(
            "{format} has no real-time order: what needs one is unknown where sessions alone do not decide it"
        )];
        if self.skipped > 0 {
            let remark = "the first transaction writes 0 to every key: it was taken for the initial state, and is no \
                          operation";
            remarks.push(remark.to_owned());
        }
        let zeros = self.zeros;
        if zeros > 0 {
            remarks.push(format!(
                "{zeros} writes of 0, which in {format} is the initial value: a read of it does not tell whether it saw one"
            ));
        }
        remarks
    }

    /// The history, of a file in `format`; `about` are further fields of its header, as JSON after a comma. O(steps).
    pub(super) fn into_history(self, format: &str, about: &str) -> History {
        let mut builder = HistoryBuilder::new();
        let header = format!("{{\"from\":\"{format}\",\"real_time\":false,\"steadfast\":1{about}}}");
        // Its fields in the order in which a header is read, so that a native copy has the same.
        let fields: BTreeMap<String, &RawValue> =
            serde_json::from_str(&header).expect("JSON put together here");
        builder.set_header(&serde_json::to_string(&fields).expect("what was JSON is JSON"));
        let mut history = builder.finish();
        let rounds = self.choose_rounds();
        let arranged = || self.arrange_steps(&rounds.sequence);
        // A small file need not wake other threads.
        let ((micros, keys, values), ()) = match self.micros.len() < 1 << 14 {
            true => (arranged(), self.fill_columns(&rounds, &mut history)),
            false => rayon::join(arranged, || self.fill_columns(&rounds, &mut history)),
        };
        (history.micros, history.keys, history.values) = (micros, keys, values);
        history
    }

    /// The steps in the order of their transactions, and names in the order in which steps name them.
    fn arrange_steps(&self, sequence: &[u32]) -> (Vec<Micro>, Interner<KeyId>, Interner<ValueId>) {
        let (mut keys, mut values) = (NameRenumbering::new(&self.keys), NameRenumbering::new(&self.values));
        let mut micros = Vec::with_capacity(self.micros.len());
        for &number in sequence {
            let GatheredTransaction { start, len, .. } = self.transactions[number as usize];
            micros.extend(self.micros[start as usize..(start + len) as usize].iter().map(|micro| Micro {
                kind: micro.kind,
                key: KeyId::from_raw(keys.renumber_name(micro.key.raw())),
                payload: values.renumber_name(micro.payload),
            }));
        }
        (micros, Interner::from_integers(&keys.numbers), Interner::from_integers(&values.numbers))
    }

    /// By transaction: a counting sort, which keeps the order of steps within each.
    fn sort_by_transaction(&mut self) {
        if self.mixed.is_empty() {
            return;
        }
        let mut start = 0;
        for told in &mut self.transactions {
            told.start = start;
            start += told.len;
        }
        let mut ends: Vec<usize> = self.transactions.iter().map(|told| told.start as usize).collect();
        let mut sorted = self.micros.clone();
        let mut rest = self.micros.as_slice();
        for (transaction, len) in std::mem::take(&mut self.mixed) {
            let (steps, others) = rest.split_at(len as usize);
            let end = &mut ends[transaction as usize];
            sorted[*end..*end + steps.len()].copy_from_slice(steps);
            *end += steps.len();
            rest = others;
        }
        self.micros = sorted;
    }

    /// The made-up order.
    fn choose_rounds(&self) -> TransactionRounds {
        let told = &self.transactions[self.skipped..];
        let changes = told.windows(2).filter(|pair| pair[0].session != pair[1].session).count();
        match changes > told.len() / 2 {
            true => self.rounds_in_file_order(),
            false => self.rounds_across_sessions(),
        }
    }

    /// In the order of the file; a round ends where the next transaction is of a session that has one in it.
    fn rounds_in_file_order(&self) -> TransactionRounds {
        let count = self.transactions.len() as u32;
        let first = self.skipped as u32;
        let mut rounds = TransactionRounds {
            sequence: (first..count).collect(),
            lengths: Vec::new(),
            sessions: Vec::new(),
        };
        let mut last_round = vec![0; self.sessions.len()];
        for told in &self.transactions[self.skipped..] {
            let last = &mut last_round[told.session as usize];
            if *last == 0 {
                rounds.sessions.push(told.session);
            }
            if rounds.lengths.is_empty() || *last == rounds.lengths.len() {
                rounds.lengths.push(0);
            }
            *last = rounds.lengths.len();
            *rounds.lengths.last_mut().expect("one has begun") += 1;
        }
        rounds
    }

    /// In each round the next transaction of every session that has one.
    fn rounds_across_sessions(&self) -> TransactionRounds {
        let (starts, by_session) = self.transactions_by_session();
        let len = |session: u32| (starts[session as usize + 1] - starts[session as usize]) as usize;
        let sessions: Vec<u32> =
            (0..self.sessions.len() as u32).filter(|&session| len(session) > 0).collect();
        let mut rounds = TransactionRounds {
            sequence: Vec::with_capacity(by_session.len()),
            lengths: Vec::new(),
            sessions,
        };
        let mut going = rounds.sessions.clone();
        for at in 0.. {
            going.retain(|&session| len(session) > at);
            if going.is_empty() {
                break;
            }
            rounds.lengths.push(going.len() as u32);
            let next = going.iter().map(|&session| by_session[starts[session as usize] as usize + at]);
            rounds.sequence.extend(next);
        }
        rounds
    }

    /// The operations: in each round all transactions are invoked before the first of them is completed.
    fn fill_columns(&self, rounds: &TransactionRounds, history: &mut History) {
        let mut processes = vec![ProcessId::from_raw(0); self.sessions.len()];
        for (&session, process) in rounds.sessions.iter().zip(0..) {
            let name = self.sessions[session as usize];
            history.process_names.push(name);
            history.sessions.intern(&format!("process {name}"));
            processes[session as usize] = ProcessId::from_raw(process);
        }
        let count = self.transactions.len() - self.skipped;
        history.function = vec![Function::TXN; count];
        history.key = vec![KeyId::NONE; count];
        history.result = vec![ValueId::NULL; count];
        history.process.reserve_exact(count);
        history.session.reserve_exact(count);
        history.argument.reserve_exact(count);
        history.outcome.reserve_exact(count);
        history.invoked.reserve_exact(count);
        history.completed.reserve_exact(count);
        let (mut start, mut rest) = (0, rounds.sequence.as_slice());
        for &length in &rounds.lengths {
            let (round, others) = rest.split_at(length as usize);
            rest = others;
            for &number in round {
                let told = self.transactions[number as usize];
                let process = processes[told.session as usize];
                history.process.push(process);
                history.session.push(SessionId::from_raw(process.raw()));
                history.argument.push([start, told.len]);
                start += told.len;
                history.outcome.push(if told.committed { Outcome::Ok } else { Outcome::Fail });
                history.invoked.push(history.event_count);
                history.completed.push(history.event_count + length);
                history.event_count += 1;
                history.numbering.set_index(
                    history.event_count - 1,
                    2 * u64::from(number),
                    history.event_count,
                );
            }
            for &number in round {
                history.event_count += 1;
                let index = 2 * u64::from(number) + 1;
                history.numbering.set_index(history.event_count - 1, index, history.event_count);
            }
        }
    }

    /// The transactions of each session, one session after the other, and where each begins.
    fn transactions_by_session(&self) -> (Vec<u32>, Vec<u32>) {
        let mut starts = vec![0; self.sessions.len() + 1];
        for told in &self.transactions[self.skipped..] {
            starts[told.session as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut ends = starts.clone();
        let mut by_session = vec![0; self.transactions.len() - self.skipped];
        for (told, number) in self.transactions.iter().zip(0..).skip(self.skipped) {
            let end = &mut ends[told.session as usize];
            by_session[*end as usize] = number;
            *end += 1;
        }
        (starts, by_session)
    }
}

/// The made-up order of transactions.
struct TransactionRounds {
    sequence: Vec<u32>,
    /// How many each round has.
    lengths: Vec<u32>,
    /// Those who do anything, in order of their first transactions in it.
    sessions: Vec<u32>,
}

/// Names, numbered anew in the order in which they are asked for; 0 stays what it is, `null`.
struct NameRenumbering<'a> {
    known: &'a [i64],
    /// The new number of each, from one; 0 where there is none yet.
    new: Vec<u32>,
    numbers: Vec<i64>,
}

impl<'a> NameRenumbering<'a> {
    fn new(names: &'a IntegerTable) -> Self {
        let known = names.numbers();
        Self { known, new: vec![0; known.len() + 1], numbers: Vec::with_capacity(known.len()) }
    }

    fn renumber_name(&mut self, old: u32) -> u32 {
        if old == 0 {
            return 0;
        }
        let new = &mut self.new[old as usize];
        if *new == 0 {
            self.numbers.push(self.known[old as usize - 1]);
            *new = self.numbers.len() as u32;
        }
        *new
    }
}
