//! Random histories of sets, with or without reads of all elements.
//!
//! A sequential set answers, each operation at a random moment while it is open, so that the history is linearizable. Then
//! some answers are inverted or say nothing.

use histories::{Completion, Function, History, HistoryBuilder, Invocation, KeyId, Outcome, Payload};
use std::collections::BTreeSet;
use testkit::TestRandom;

struct OpenOperation {
    process: i64,
    function: Function,
    element: usize,
    /// What a sequential set answered, once the operation has taken effect.
    answer: Option<SetAnswer>,
}

#[derive(Clone)]
enum SetAnswer {
    Bool(bool),
    Elements(BTreeSet<usize>),
}

impl SetAnswer {
    /// The answer as JSON. A wrong one is the opposite, or lacks an element, or has one too many.
    fn text(self, is_wrong: bool, random: &mut TestRandom) -> String {
        match self {
            SetAnswer::Bool(answer) => (answer != is_wrong).to_string(),
            SetAnswer::Elements(mut found) => {
                let element = 1 + random.below(3);
                if is_wrong && !found.remove(&element) {
                    found.insert(element);
                }
                format!("{:?}", Vec::from_iter(found))
            }
        }
    }
}

/// What a history of a set is made of.
#[derive(Clone, Copy)]
pub(crate) struct SetPlan {
    pub operations: usize,
    pub clients: usize,
    pub elements: usize,
    /// How many of a hundred operations read all elements.
    pub reads: usize,
}

/// A history of a set. In one of three, all answers are right. In the others, some may be wrong.
pub(crate) fn set_history(plan: SetPlan, seed: u64) -> History {
    let SetPlan { operations, clients, .. } = plan;
    let mut random = TestRandom::new(seed);
    let mut builder = HistoryBuilder::new();
    let mut inside: BTreeSet<usize> = BTreeSet::new();
    let (mut open, mut started): (Vec<OpenOperation>, _) = (Vec::new(), 0);
    let wrong = if random.below(3) == 0 { 0 } else { (60 / operations).clamp(1, 30) };
    while started < operations || !open.is_empty() {
        if started < operations && open.len() < clients && (open.is_empty() || random.below(3) == 0) {
            let function = match random.below(100) < plan.reads {
                true => Function::READ,
                false => random.one_of(&[Function::ADD, Function::REMOVE, Function::CONTAINS]),
            };
            let (process, element) = (started as i64, 1 + random.below(plan.elements));
            let argument = if function == Function::READ { "null".to_owned() } else { element.to_string() };
            let payload = Payload::Value(builder.history().values.intern(&argument));
            builder
                .invoke(Invocation { process, session: None, function, key: KeyId::NONE, payload })
                .expect("a new process");
            open.push(OpenOperation { process, function, element, answer: None });
            started += 1;
            continue;
        }
        let at = random.below(open.len());
        let fails = random.below(25) == 0;
        if open[at].answer.is_none() && !fails {
            let OpenOperation { function, element, .. } = open[at];
            open[at].answer = Some(match function {
                Function::ADD => SetAnswer::Bool(inside.insert(element)),
                Function::REMOVE => SetAnswer::Bool(inside.remove(&element)),
                Function::READ => SetAnswer::Elements(inside.clone()),
                _ => SetAnswer::Bool(inside.contains(&element)),
            });
            if random.below(3) > 0 {
                continue;
            }
        }
        let OpenOperation { process, answer, function, .. } = open.swap_remove(at);
        let outcome = match (&answer, random.below(10)) {
            (None, _) => Outcome::Fail,
            (Some(_), 0) => Outcome::Info,
            // Never answered.
            (Some(_), 1) => continue,
            _ => Outcome::Ok,
        };
        let is_wrong = random.below(100) < wrong;
        let silent = function != Function::READ && random.below(8) == 0;
        let text = match answer {
            Some(answer) if !silent => answer.text(is_wrong, &mut random),
            _ => "null".to_owned(),
        };
        let payload = Payload::Value(builder.history().values.intern(&text));
        builder
            .complete(Completion { process, outcome, function: None, key: None, payload })
            .expect("it is open");
    }
    builder.finish()
}

/// How many small histories with reads of all elements; `STEADFAST_SEEDS` for more.
pub(crate) fn seeds() -> u64 {
    std::env::var("STEADFAST_SEEDS").map_or(24_000, |count| count.parse().expect("a number"))
}
