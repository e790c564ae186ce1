//! Breaches of invariants that are made up, of histories in which the invariant holds.

use crate::near::side_by_side;
use crate::simulated::*;
use checker::{
    AnomalyName, Answer, BreachEvidence, Evidence, Invariant, Limits, Model, Property, Question, Report,
    Verdict, Violation,
};
use histories::{Function, History, KeyId, OpId, Operation, Outcome};
use serde_json::Value;
use std::collections::BTreeMap;
use testkit::{TestRandom, draw_history, question_about, test_limits};
use verifier::Standing;

type Simulation = (&'static [Invariant], fn(bool) -> Object, Next, Option<&'static str>);

const SIMULATIONS: &[Simulation] = &[
    (&[Invariant::Bank], bank, transfers, Some("read")),
    (&[Invariant::SetFullLinearizable, Invariant::SetFull, Invariant::Set], set, adds, Some("read")),
    (&[Invariant::Counter], counter, increments, Some("read")),
    (&[Invariant::TotalQueue, Invariant::AtMostOnce], queue, enqueues, Some("drain")),
    (&[Invariant::UniqueIds], ids, generates, None),
    (&[Invariant::LongFork], keys, groups, None),
    (&[Invariant::Monotonic], register, grows, None),
    (&[Invariant::Monotonic], registers, grows, None),
    (&[Invariant::CausalReverse], rows, inserts, Some("read")),
];

/// A history of an object, or of two objects of one kind, and the invariants that it may break. It has at least so many steps, and in so
/// many of a hundred cases the object has a defect.
pub(crate) fn simulated_history(
    seed: u64,
    steps: u64,
    defects: usize,
    random: &mut TestRandom,
) -> (History, &'static [Invariant]) {
    let (invariants, object, next, last) = SIMULATIONS[seed as usize % SIMULATIONS.len()];
    let mut draw = |seed: u64, steps: u64| {
        simulate(seed, steps + random.below(20) as u64, next, last, object(random.chance(defects)))
    };
    if seed % 5 < 3 {
        return (draw(seed, steps), invariants);
    }
    let (one, other) = (draw(seed, steps / 2), draw(seed ^ 0x0b, steps / 2));
    let both = side_by_side(&one, &other, random).expect("two histories beside each other are one");
    (both, invariants)
}

struct BreachForger<'h> {
    history: &'h History,
    all: Vec<Operation>,
}

impl BreachForger<'_> {
    fn any(&self, random: &mut TestRandom) -> OpId {
        self.all[random.below(self.all.len())].id
    }

    fn of(&self, functions: &[Function], random: &mut TestRandom) -> OpId {
        let fits: Vec<OpId> =
            self.all.iter().filter(|op| functions.contains(&op.function)).map(|op| op.id).collect();
        if fits.is_empty() || random.chance(4) { self.any(random) } else { random.one_of(&fits) }
    }

    fn result(&self, id: OpId) -> Value {
        let text = self.history.value_text(self.history.operation(id).result);
        serde_json::from_str(text).unwrap_or_default()
    }

    /// An element that was put in or came out somewhere, or none of these.
    fn element(&self, random: &mut TestRandom) -> String {
        let op = self.history.operation(self.any(random));
        match self.result(op.id) {
            Value::Array(list) if !list.is_empty() => list[random.below(list.len())].to_string(),
            _ if random.chance(5) => "999".to_owned(),
            _ => self.history.value_text(op.value()).to_owned(),
        }
    }

    /// The sums that a counter may have had while a read was in progress: of its own object, or of all objects together.
    fn bounds(&self, read: &Operation, random: &mut TestRandom) -> (i128, i128) {
        let (mut least, mut most) = (0, 0);
        let all_objects = random.chance(50);
        let counts = |op: &&Operation| {
            op.function == Function::ADD && op.outcome != Outcome::Fail && (all_objects || op.key == read.key)
        };
        for op in self.all.iter().filter(counts) {
            let by: i128 = self.history.value_text(op.value()).parse().unwrap_or(0);
            if op.precedes(read) {
                (least, most) = (least + by, most + by);
            } else if op.invoked < read.completed {
                (least, most) = (least + by.min(0), most + by.max(0));
            }
        }
        (least, most)
    }

    /// Elements that were enqueued and never came out. Mostly the number of unanswered dequeues is right.
    fn forge_undelivered(&self, random: &mut TestRandom) -> BreachEvidence {
        let empty = self.of(&[Function::DEQUEUE, Function::DRAIN], random);
        let last = self.history.operation(empty);
        let elsewhere = random.chance(30);
        let unanswered = |op: &&Operation| {
            op.function == Function::DEQUEUE
                && op.outcome == Outcome::Info
                && op.invoked < last.completed
                && (elsewhere || op.key == last.key)
        };
        let swallowed = self.all.iter().filter(unanswered).count();
        let swallowed = if random.chance(70) { swallowed } else { random.below(3) };
        let count = swallowed + random.below(3);
        let mut enqueued: Vec<OpId> = (0..=count).map(|_| self.of(&[Function::ENQUEUE], random)).collect();
        if random.chance(70) {
            enqueued.sort_unstable();
            enqueued.dedup();
        }
        BreachEvidence::Undelivered { enqueued, empty, swallowed }
    }

    /// An element that came out more often than it was put in. Mostly the number of enqueues is right.
    fn forge_repeated(&self, random: &mut TestRandom) -> BreachEvidence {
        let element = self.element(random);
        let told: Value = serde_json::from_str(&element).unwrap_or_default();
        let shows = |op: &&Operation| match self.result(op.id) {
            Value::Array(list) => list.contains(&told),
            value => op.function == Function::DEQUEUE && value == told,
        };
        let mut fits: Vec<OpId> = self.all.iter().filter(shows).map(|op| op.id).collect();
        if fits.is_empty() || random.chance(10) {
            fits.push(self.any(random));
        }
        let returned: Vec<OpId> = (0..=1 + random.below(2)).map(|_| random.one_of(&fits)).collect();
        let elsewhere = random.chance(30);
        let key = self.history.key(returned[0]);
        let puts = |op: &&Operation| {
            op.function == Function::ENQUEUE
                && op.outcome != Outcome::Fail
                && self.history.value_text(op.value()) == element
                && (elsewhere || op.key == key)
        };
        let put_in = self.all.iter().filter(puts).count();
        let put_in = if random.chance(70) { put_in } else { random.below(3) };
        BreachEvidence::Repeated { element, returned, put_in }
    }

    fn forge(&self, random: &mut TestRandom) -> (&'static str, BreachEvidence) {
        use BreachEvidence as E;
        use Function as F;
        let read = self.of(&[F::READ, F::DEQUEUE, F::DRAIN], random);
        let other = self.of(&[F::READ, F::DEQUEUE, F::DRAIN], random);
        let (known, element) = (self.any(random), self.element(random));
        match random.below(12) {
            0 => {
                let sum = |id: OpId| -> i128 {
                    let told = self.result(id);
                    let held = told.as_object().into_iter().flatten();
                    held.filter_map(|(_, held)| held.as_i64()).map(i128::from).sum()
                };
                let (total, expected) = (sum(read), sum(other) + i128::from(random.chance(20)));
                ("wrong-total", E::Total { read, total, expected, first: Some(other) })
            }
            1 => {
                let account = random.below(4).to_string();
                let balance = if random.chance(30) { None } else { self.result(read)[&account].as_i64() };
                (
                    if balance.is_none() { "nil-balance" } else { "negative-balance" },
                    E::Balance { read, account, balance },
                )
            }
            2 => {
                let again = random.chance(40).then_some(other);
                (if again.is_none() { "lost" } else { "stale" }, E::Missing { element, known, read, again })
            }
            3 => {
                let times = 1 + random.below(2);
                ("duplicated", E::Doubled { element, read, times })
            }
            4 => {
                let writer = random.chance(50).then_some(known);
                (random.one_of(&["unexpected", "aborted-read"]), E::Unwritten { element, read, writer })
            }
            5 => {
                let (least, most) = self.bounds(&self.history.operation(read), random);
                let value = i128::from(self.result(read).as_i64().unwrap_or(0));
                (
                    "out-of-bounds",
                    E::Bounds { read, value, least, most: most + i128::from(random.chance(10)) },
                )
            }
            6 => ("lost", self.forge_undelivered(random)),
            7 => ("duplicated", self.forge_repeated(random)),
            8 => (
                "duplicated",
                E::SameId { id: self.result(known).to_string(), one: known, other: self.any(random) },
            ),
            9 => {
                let group = 4 * random.below(3);
                let key = |random: &mut TestRandom| (group + random.below(4)).to_string();
                let (x, y) = (key(random), key(random));
                ("long-fork", E::Fork { one: known, other: self.any(random), x, y })
            }
            10 => {
                let register = random.one_of(&[None, Some("x"), Some("y")]);
                let number = |id: OpId| {
                    let result = self.result(id);
                    register.map_or(&result, |name| &result[name]).as_i64().unwrap_or(0)
                };
                let (from, to) = (number(read), number(other));
                let register = register.map(str::to_owned);
                ("non-monotonic", E::Backwards { earlier: read, later: other, register, from, to })
            }
            _ => {
                let (first, second) = (known, self.any(random));
                ("causal-reverse", E::Reversed { first, second, read })
            }
        }
    }
}

#[test]
fn breaches_that_are_made_up_are_refuted() {
    let (mut tried, mut confirmed) = (BTreeMap::<Invariant, u64>::new(), BTreeMap::new());
    for seed in 0..320 * crate::times() {
        let mut random = TestRandom::new(seed);
        let (history, invariants) = simulated_history(seed, 12, 30, &mut random);
        let asked: Vec<Property> = invariants.iter().copied().map(Property::Invariant).collect();
        let mut models = Model::ALL.iter().copied();
        let model = models.find(|model| asked.iter().all(|one| model.properties().contains(one)));
        let question = question_about(model.expect("a model has it"), &asked);
        if question.check(&history).is_err() {
            continue;
        }
        let report = checker::check(&history, &question, &test_limits(300_000, 1 << 28)).expect("it fits");
        let forger = BreachForger { history: &history, all: history.operations().collect() };
        for answer in report.answers.iter().filter(|answer| answer.verdict.name() == "holds") {
            let Property::Invariant(invariant) = answer.property else { continue };
            for _ in 0..150 {
                let (mut kind, evidence) = forger.forge(&mut random);
                if random.chance(8) {
                    kind = random.one_of(&["lost", "stale", "duplicated", "unexpected", "long-fork"]);
                }
                let named = evidence.involved_operations();
                let key = history.key(if random.chance(80) { named[0] } else { random.one_of(&named) });
                let claim = report_of(key, &question, answer, kind, evidence);
                let standing =
                    &verifier::verify(&history, &question, &claim, &Limits::unbounded()).answers[0];
                *tried.entry(invariant).or_default() += 1;
                if !matches!(standing, Standing::Refuted(_)) {
                    let told = || format!("seed {seed}: {:?}\n{}", claim.answers[0], draw_history(&history));
                    confirmed.entry(invariant).or_insert_with(told);
                }
            }
        }
    }
    let confirmed: Vec<String> = confirmed.into_values().collect();
    assert!(confirmed.is_empty(), "confirmed, but false:\n{}", confirmed.join("\n"));
    println!("{tried:?}");
    assert!(tried.len() >= 10 && tried.values().all(|&count| count >= 1_000), "{tried:?}");
}

fn report_of(
    key: KeyId,
    question: &Question,
    answer: &Answer,
    kind: &'static str,
    evidence: BreachEvidence,
) -> Report {
    let operations = evidence.involved_operations();
    let violation =
        Violation { kind: AnomalyName::new(kind), key, operations, evidence: Evidence::Breach(evidence) };
    let mut answer = answer.clone();
    answer.verdict = Verdict::Violated(vec![violation]);
    Report { model: question.model, answers: vec![answer], ..Report::default() }
}
