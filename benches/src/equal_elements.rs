//! Transactions over lists to which equal elements are appended now and then, so that a read does not tell whose element it shows.
//!
//! A store that does each transaction at one moment between its two events, so every level holds, unless the last four transactions are
//! forked.

use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, MicroInput, Outcome, Payload, ValueId,
};
use workloads::databases::Random;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct EqualElements {
    /// How many transactions in all.
    pub transactions: usize,
    /// How many sessions, each with one transaction at a time.
    pub sessions: usize,
    /// How many lists are in use at a time.
    pub keys: usize,
    /// A list is replaced by a new one after this many appends.
    pub appends_per_key: usize,
    /// How many operations a transaction has, at most.
    pub length_max: usize,
    /// Of how many appends one has an element that the list already has.
    pub one_in: usize,
    /// Whether two transactions at the end append elements that lists have already, and two others see one of these appends each. No
    /// serial order and no snapshots have that.
    pub forked: bool,
    /// What everything is drawn from.
    pub seed: u64,
}

/// A step of a transaction: the list, and the element that is appended, or the number of elements that were read.
#[derive(Clone, Copy)]
enum Step {
    Append(usize, u64),
    Read(usize, usize),
}

enum Doing {
    Nothing,
    Invoked(Vec<Step>),
    Done(Vec<Step>),
}

struct Store {
    builder: HistoryBuilder,
    random: Random,
    /// By list: its elements.
    lists: Vec<Vec<u64>>,
    /// The lists in use.
    used: Vec<usize>,
    fresh: u64,
}

impl EqualElements {
    /// The history. Deterministic in the fields.
    pub fn history(&self) -> History {
        let mut store = Store {
            builder: HistoryBuilder::new(),
            random: Random::new(self.seed),
            lists: vec![Vec::new(); self.keys],
            used: (0..self.keys).collect(),
            fresh: 0,
        };
        let mut clients: Vec<Doing> = (0..self.sessions).map(|_| Doing::Nothing).collect();
        let mut started = 0;
        while started < self.transactions || clients.iter().any(|client| !matches!(client, Doing::Nothing)) {
            let at = store.random.draw_below(self.sessions);
            clients[at] = match std::mem::replace(&mut clients[at], Doing::Nothing) {
                Doing::Nothing if started == self.transactions => Doing::Nothing,
                Doing::Nothing => {
                    started += 1;
                    let steps = store.draw_steps(self);
                    store.invoke(at, &steps);
                    Doing::Invoked(steps)
                }
                Doing::Invoked(mut steps) => {
                    store.take_effect(&mut steps, self.appends_per_key);
                    Doing::Done(steps)
                }
                Doing::Done(steps) => {
                    store.complete(at, &steps);
                    Doing::Nothing
                }
            };
        }
        if self.forked {
            store.fork();
        }
        store.builder.finish()
    }
}

impl Store {
    fn draw_steps(&mut self, plan: &EqualElements) -> Vec<Step> {
        let length = 1 + self.random.draw_below(plan.length_max);
        (0..length)
            .map(|_| {
                let list = self.used[self.random.draw_below(plan.keys)];
                let held = self.lists[list].len();
                match self.random.draw_below(2) {
                    0 => Step::Read(list, 0),
                    _ if held > 0 && self.random.draw_below(plan.one_in) == 0 => {
                        Step::Append(list, self.lists[list][self.random.draw_below(held)])
                    }
                    _ => {
                        self.fresh += 1;
                        Step::Append(list, self.fresh)
                    }
                }
            })
            .collect()
    }

    fn take_effect(&mut self, steps: &mut [Step], appends_per_key: usize) {
        for step in steps {
            match step {
                Step::Append(list, element) => {
                    self.lists[*list].push(*element);
                    let place = self.used.iter().position(|used| used == list);
                    if let (true, Some(place)) = (self.lists[*list].len() >= appends_per_key, place) {
                        self.used[place] = self.lists.len();
                        self.lists.push(Vec::new());
                    }
                }
                Step::Read(list, length) => *length = self.lists[*list].len(),
            }
        }
    }

    /// Two lists get an element each that they have already, and two readers disagree on which came first.
    fn fork(&mut self) {
        let mut lists = self.used.iter().copied().filter(|&list| !self.lists[list].is_empty());
        let (Some(one), Some(other)) = (lists.next(), lists.next()) else { return };
        let [a, b] = [one, other].map(|list| (list, self.lists[list].len(), self.lists[list][0]));
        [a, b].iter().for_each(|&(list, _, element)| self.lists[list].push(element));
        let transactions = [
            vec![Step::Append(a.0, a.2)],
            vec![Step::Append(b.0, b.2)],
            vec![Step::Read(a.0, a.1 + 1), Step::Read(b.0, b.1)],
            vec![Step::Read(a.0, a.1), Step::Read(b.0, b.1 + 1)],
        ];
        (0..).zip(&transactions).for_each(|(client, steps)| self.invoke(client, steps));
        (0..).zip(&transactions).for_each(|(client, steps)| self.complete(client, steps));
    }

    /// Calls a function with the micro-operations of these steps.
    fn with_micros(
        &mut self,
        steps: &[Step],
        is_done: bool,
        then: impl FnOnce(&mut HistoryBuilder, &[MicroInput<'_>]),
    ) {
        let history = self.builder.history();
        let mut shown: Vec<(KeyId, Vec<ValueId>)> = Vec::new();
        for step in steps {
            let (list, elements) = match *step {
                Step::Append(list, element) => (list, vec![element]),
                Step::Read(list, length) => (list, self.lists[list][..length].to_vec()),
            };
            let key = history.keys.intern(&list.to_string());
            shown.push((
                key,
                elements.iter().map(|element| history.values.intern(&element.to_string())).collect(),
            ));
        }
        let micros: Vec<MicroInput<'_>> = steps
            .iter()
            .zip(&shown)
            .map(|(step, (key, values))| match step {
                Step::Append(..) => MicroInput::Append(*key, values[0]),
                Step::Read(..) if is_done => MicroInput::ReadList(*key, values),
                Step::Read(..) => MicroInput::Read(*key, ValueId::NULL),
            })
            .collect();
        then(&mut self.builder, &micros);
    }

    fn invoke(&mut self, client: usize, steps: &[Step]) {
        let session = Some(self.builder.history().sessions.intern(&client.to_string()));
        self.with_micros(steps, false, |builder, micros| {
            let (process, function, key) = (client as i64, Function::TXN, KeyId::NONE);
            let invocation = Invocation { process, session, function, key, payload: Payload::Micros(micros) };
            builder.invoke(invocation).expect("one at a time");
        });
    }

    fn complete(&mut self, client: usize, steps: &[Step]) {
        self.with_micros(steps, true, |builder, micros| {
            let (process, outcome, payload) = (client as i64, Outcome::Ok, Payload::Micros(micros));
            let completion = Completion { process, outcome, function: None, key: None, payload };
            builder.complete(completion).expect("it was invoked");
        });
    }
}
