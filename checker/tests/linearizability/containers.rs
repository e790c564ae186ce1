//! Random small histories of queues, stacks and priority queues into which each value is inserted once.
//!
//! A sequential object answers, each operation at a random moment while it is open, so that the history is
//! linearizable. Then up to four answers are changed.

use checker::Model;
use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, Outcome, Payload, ValueId,
};
use testkit::TestRandom;

/// How a random history is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ContainerPlan {
    pub(crate) operations: usize,
    /// The greatest number of operations that are open at once and will be answered.
    pub(crate) clients: usize,
    /// Of 100 operations, how many are indeterminate.
    pub(crate) indeterminate: usize,
    /// Of 100 insertions, how many insert an earlier value again.
    pub(crate) repeated: usize,
    /// How many priorities the elements of a priority queue have; 0 if each has one of its own.
    pub(crate) priorities: usize,
}

impl ContainerPlan {
    /// The text of the element with a number.
    fn element(&self, model: Model, number: usize, seed: u64) -> String {
        if model != Model::PriorityQueue {
            return (number + 1).to_string();
        }
        let scattered = (number * 7_919 + seed as usize * 31) % 101;
        match self.priorities {
            0 => (scattered * 10_000 + number).to_string(),
            priorities => format!("[{},\"{number}\"]", scattered % priorities),
        }
    }
}

struct PlannedOperation {
    inserts: bool,
    value: ValueId,
    /// The answer of a removal, once it has taken effect.
    answer: Option<ValueId>,
    happened: bool,
    outcome: Outcome,
    /// Whether an indeterminate operation has a completion.
    is_reported: bool,
}

/// An event of a history: an invocation or a completion of an operation.
type PlannedEvent = (usize, bool);

pub(crate) fn container_history(model: Model, plan: ContainerPlan, seed: u64) -> History {
    let mut random = TestRandom::new(seed);
    let mut builder = HistoryBuilder::new();
    let (mut planned, events) = plan_operations(model, &mut builder, plan, seed, &mut random);
    for _ in 0..random.below(5) {
        change_answer(&mut planned, &mut random);
    }
    let [insertion, removal] = match model {
        Model::Queue => [Function::ENQUEUE, Function::DEQUEUE],
        Model::PriorityQueue => [Function::INSERT, Function::DELETE_MIN],
        _ => [Function::PUSH, Function::POP],
    };
    for (at, completes) in events {
        let operation = &planned[at];
        let function = if operation.inserts { insertion } else { removal };
        let process = at as i64;
        let value = if operation.inserts { operation.value } else { ValueId::NULL };
        if !completes {
            let payload = Payload::Value(value);
            builder
                .invoke(Invocation { process, session: None, function, key: KeyId::NONE, payload })
                .expect("a new process");
        } else if operation.outcome != Outcome::Info || operation.is_reported {
            let payload = Payload::Value(operation.answer.unwrap_or(value));
            let outcome = operation.outcome;
            builder
                .complete(Completion { process, outcome, function: None, key: None, payload })
                .expect("it is open");
        }
    }
    builder.finish()
}

/// A history of operations with a value each, invoked and answered at these times.
pub(crate) fn history_of_intervals(operations: &[(Function, &str, u32, u32)]) -> History {
    let mut builder = HistoryBuilder::new();
    let both = |(process, operation): (usize, &(Function, &str, u32, u32))| {
        let &(function, value, invoked, returned) = operation;
        [
            (invoked, false, process, function, value.to_owned()),
            (returned, true, process, function, value.to_owned()),
        ]
    };
    let mut events: Vec<_> = operations.iter().enumerate().flat_map(both).collect();
    events.sort_by_key(|event| event.0);
    for (_, completes, process, function, value) in events {
        let process = process as i64;
        let removes = matches!(function, Function::POP | Function::DEQUEUE);
        let value =
            if removes && !completes { ValueId::NULL } else { builder.history().values.intern(&value) };
        let payload = Payload::Value(value);
        if completes {
            let outcome = Outcome::Ok;
            builder
                .complete(Completion { process, outcome, function: None, key: None, payload })
                .expect("it is open");
        } else {
            builder
                .invoke(Invocation { process, session: None, function, key: KeyId::NONE, payload })
                .expect("a new process");
        }
    }
    builder.finish()
}

/// The operations of a history that a sequential object explains, and its events.
fn plan_operations(
    model: Model,
    builder: &mut HistoryBuilder,
    plan: ContainerPlan,
    seed: u64,
    random: &mut TestRandom,
) -> (Vec<PlannedOperation>, Vec<PlannedEvent>) {
    let (mut planned, mut events): (Vec<PlannedOperation>, Vec<PlannedEvent>) = Default::default();
    let (mut open, mut inside): (Vec<usize>, Vec<ValueId>) = Default::default();
    let mut endless: Vec<usize> = Vec::new();
    let inserting = 35 + random.below(30);
    while planned.len() < plan.operations || !open.is_empty() {
        let may_begin = planned.len() < plan.operations && open.len() < plan.clients;
        if may_begin && (open.is_empty() || random.below(3) == 0) {
            let fresh = planned.len();
            let number = if random.below(100) < plan.repeated { random.below(fresh + 1) } else { fresh };
            let outcome = match random.below(100) {
                share if share < plan.indeterminate => Outcome::Info,
                share if share < plan.indeterminate + 4 => Outcome::Fail,
                _ => Outcome::Ok,
            };
            planned.push(PlannedOperation {
                inserts: random.below(100) < inserting,
                value: builder.history().values.intern(&plan.element(model, number, seed)),
                answer: None,
                happened: false,
                outcome,
                is_reported: random.below(2) == 0,
            });
            events.push((fresh, false));
            if outcome == Outcome::Info { &mut endless } else { &mut open }.push(fresh);
            continue;
        }
        // Indeterminate operations may take effect at any later moment, or never.
        let late = !endless.is_empty() && random.below(4) == 0;
        let among = if late { &endless } else { &open };
        let Some(&at) = among.get(random.below(among.len().max(1))) else { continue };
        let operation = &mut planned[at];
        if !operation.happened && operation.outcome != Outcome::Fail {
            operation.happened = true;
            if operation.inserts {
                inside.push(operation.value);
            } else if inside.is_empty() {
                operation.answer = Some(ValueId::NULL);
            } else {
                let next = match model {
                    Model::Queue => 0,
                    Model::PriorityQueue => find_least(builder.history(), &inside),
                    _ => inside.len() - 1,
                };
                planned[at].answer = Some(inside.remove(next));
            }
        } else if !late {
            open.retain(|&other| other != at);
            events.push((at, true));
        }
    }
    let mut reported: Vec<usize> = endless.into_iter().filter(|&at| planned[at].is_reported).collect();
    while !reported.is_empty() {
        let at = reported.swap_remove(random.below(reported.len()));
        let begun = events.iter().position(|&event| event == (at, false)).expect("it was invoked");
        let place = begun + 1 + random.below(events.len() - begun);
        events.insert(place, (at, true));
    }
    (planned, events)
}

/// The place of an element of least priority.
fn find_least(history: &History, inside: &[ValueId]) -> usize {
    let priority = |&at: &usize| -> i64 {
        let text = history.value_text(inside[at]);
        let priority = text.trim_start_matches('[').split(',').next();
        priority.and_then(|text| text.parse().ok()).expect("an integer")
    };
    (0..inside.len()).min_by_key(priority).expect("an element")
}

/// Swaps the answers of two removals, or makes one return another value or find the object empty.
fn change_answer(planned: &mut [PlannedOperation], random: &mut TestRandom) {
    let removals: Vec<usize> =
        (0..planned.len()).filter(|&at| !planned[at].inserts && planned[at].outcome == Outcome::Ok).collect();
    if removals.is_empty() {
        return;
    }
    let (one, other) = (random.one_of(&removals), random.one_of(&removals));
    match random.below(6) {
        0 => planned[one].answer = Some(ValueId::NULL),
        1 => planned[one].answer = Some(planned[random.below(planned.len())].value),
        2 => planned[one].outcome = Outcome::Info,
        _ => {
            let answer = planned[one].answer;
            planned[one].answer = planned[other].answer;
            planned[other].answer = answer;
        }
    }
}
