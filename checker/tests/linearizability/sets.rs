//! Random small histories of sets whose operations are on one element each.
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
    answer: Option<bool>,
}

/// A history of `operations` operations on two elements by `clients` clients.
pub(crate) fn set_history(operations: usize, clients: usize, seed: u64) -> History {
    let mut random = TestRandom::new(seed);
    let mut builder = HistoryBuilder::new();
    let mut inside: BTreeSet<usize> = BTreeSet::new();
    let (mut open, mut started): (Vec<OpenOperation>, _) = (Vec::new(), 0);
    let wrong = if random.below(3) == 0 { 0 } else { 30 };
    while started < operations || !open.is_empty() {
        if started < operations && open.len() < clients && (open.is_empty() || random.below(3) == 0) {
            let function = random.one_of(&[Function::ADD, Function::REMOVE, Function::CONTAINS]);
            let (process, element) = (started as i64, 1 + random.below(2));
            let payload = Payload::Value(builder.history().values.intern(&element.to_string()));
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
                Function::ADD => inside.insert(element),
                Function::REMOVE => inside.remove(&element),
                _ => inside.contains(&element),
            });
            if random.below(3) > 0 {
                continue;
            }
        }
        let OpenOperation { process, answer, .. } = open.swap_remove(at);
        let outcome = match (answer, random.below(10)) {
            (None, _) => Outcome::Fail,
            (Some(_), 0) => Outcome::Info,
            // Never answered.
            (Some(_), 1) => continue,
            _ => Outcome::Ok,
        };
        let answer = answer.unwrap_or(false) != (random.below(100) < wrong);
        let text = if random.below(8) == 0 { "null" } else { ["false", "true"][usize::from(answer)] };
        let payload = Payload::Value(builder.history().values.intern(text));
        builder
            .complete(Completion { process, outcome, function: None, key: None, payload })
            .expect("it is open");
    }
    builder.finish()
}
