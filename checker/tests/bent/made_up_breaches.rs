//! Breaches of invariants that are made up, of histories in which the invariant holds.

use crate::simulated::*;
use checker::{
    AnomalyName, Answer, BreachEvidence, Evidence, Invariant, Limits, Model, Property, Question, Report,
    Verdict, Violation,
};
use histories::{Function, History, OpId, Operation, Outcome};
use serde_json::Value;
use std::collections::BTreeMap;
use testkit::{TestRandom, draw_history, question_about, test_limits};
use verifier::Standing;

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

    /// The sums that a counter may have had while a read was in progress.
    fn bounds(&self, read: &Operation) -> (i128, i128) {
        let (mut least, mut most) = (0, 0);
        for op in self.all.iter().filter(|op| op.function == Function::ADD && op.outcome != Outcome::Fail) {
            let by: i128 = self.history.value_text(op.value()).parse().unwrap_or(0);
            if op.precedes(read) {
                (least, most) = (least + by, most + by);
            } else if op.invoked < read.completed {
                (least, most) = (least + by.min(0), most + by.max(0));
            }
        }
        (least, most)
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
                let (least, most) = self.bounds(&self.history.operation(read));
                let value = i128::from(self.result(read).as_i64().unwrap_or(0));
                (
                    "out-of-bounds",
                    E::Bounds { read, value, least, most: most + i128::from(random.chance(10)) },
                )
            }
            6 => {
                let enqueued = vec![self.of(&[F::ENQUEUE], random)];
                ("lost", E::Undelivered { enqueued, empty: read, swallowed: random.below(2) })
            }
            7 => {
                let put_in = random.below(3);
                ("duplicated", E::Repeated { element, returned: vec![read, other], put_in })
            }
            8 => (
                "duplicated",
                E::SameId { id: self.result(known).to_string(), one: known, other: self.any(random) },
            ),
            9 => {
                let key = |random: &mut TestRandom| random.below(12).to_string();
                let (x, y) = (key(random), key(random));
                ("long-fork", E::Fork { one: known, other: self.any(random), x, y })
            }
            10 => {
                let number = |id: OpId| self.result(id).as_i64().unwrap_or(0);
                let (from, to) = (number(read), number(other));
                ("non-monotonic", E::Backwards { earlier: read, later: other, register: None, from, to })
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
    type Simulation = (&'static [Invariant], fn(bool) -> Object, Next, Option<&'static str>);
    let all: [Simulation; 8] = [
        (&[Invariant::Bank], bank, transfers, Some("read")),
        (&[Invariant::SetFullLinearizable, Invariant::SetFull, Invariant::Set], set, adds, Some("read")),
        (&[Invariant::Counter], counter, increments, Some("read")),
        (&[Invariant::TotalQueue, Invariant::AtMostOnce], queue, enqueues, Some("drain")),
        (&[Invariant::UniqueIds], ids, generates, None),
        (&[Invariant::LongFork], keys, groups, None),
        (&[Invariant::Monotonic], register, grows, None),
        (&[Invariant::CausalReverse], rows, inserts, Some("read")),
    ];
    let (mut tried, mut confirmed) = (BTreeMap::<Invariant, u64>::new(), BTreeMap::new());
    for seed in 0..320 * crate::times() {
        let mut random = TestRandom::new(seed);
        let (invariants, object, next, last) = all[seed as usize % all.len()];
        let history = simulate(seed, 12 + random.below(20) as u64, next, last, object(random.chance(30)));
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
                let claim = report_of(&history, &question, answer, kind, evidence);
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
    history: &History,
    question: &Question,
    answer: &Answer,
    kind: &'static str,
    evidence: BreachEvidence,
) -> Report {
    let operations = evidence.involved_operations();
    let key = history.key(operations[0]);
    let violation =
        Violation { kind: AnomalyName::new(kind), key, operations, evidence: Evidence::Breach(evidence) };
    let mut answer = answer.clone();
    answer.verdict = Verdict::Violated(vec![violation]);
    Report { model: question.model, answers: vec![answer], ..Report::default() }
}
