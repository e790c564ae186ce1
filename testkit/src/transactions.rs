//! Generates small random histories of transactions: mostly ones that some store could have produced, sometimes with
//! one read changed.

use crate::TestRandom;
use histories::{
    Completion, DeclaredIsolation, Function, History, HistoryBuilder, Invocation, KeyId, MicroInput, Outcome,
    Payload, ValueId,
};

/// The type of the objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyType {
    /// Lists that grow.
    List,
    /// Registers that are overwritten.
    Register,
}

struct TransactionPlan {
    session: usize,
    outcome: Outcome,
    /// The key and the written value; none for a read.
    micros: Vec<(usize, Option<u32>)>,
    /// What each read returned, by micro-operation.
    reads: Vec<Vec<u32>>,
    isolation: Option<DeclaredIsolation>,
}

/// Generates a history of two to six transactions on one to three keys, by one to three sessions.
pub fn random_history(random: &mut TestRandom, kind: KeyType) -> History {
    history_of(random, kind, u32::MAX)
}

/// The same over registers, with few values, so that several transactions write the same one.
pub fn history_of_repeated_values(random: &mut TestRandom) -> History {
    let values = 1 + random.below(3) as u32;
    history_of(random, KeyType::Register, values)
}

/// The same over lists, with few elements, so that several transactions append equal ones.
pub fn history_of_repeated_elements(random: &mut TestRandom) -> History {
    let values = 1 + random.below(4) as u32;
    history_of(random, KeyType::List, values)
}

/// Generates a history of `count` transactions on lists. Most of them read what was committed last.
pub fn long_history_of_lists(random: &mut TestRandom, count: usize) -> History {
    long_history(random, KeyType::List, count)
}

/// The same over registers. Each value is written once.
pub fn long_history_of_registers(random: &mut TestRandom, count: usize) -> History {
    long_history(random, KeyType::Register, count)
}

fn long_history(random: &mut TestRandom, kind: KeyType, count: usize) -> History {
    let (keys, sessions) = (1 + random.below(3), 1 + random.below(4));
    let mut value = 0;
    let mut plans: Vec<TransactionPlan> =
        (0..count).map(|_| plan_transaction(random, keys, sessions, &mut value)).collect();
    let current_percent = 80 + random.below(20);
    answer_reads(random, kind, (keys, current_percent), &mut plans);
    spoil_one_read(random, kind, &mut plans, value);
    build_history(random, kind, &plans)
}

/// A short history with up to `values` values of registers. Each transaction declares an isolation level, or none (one in eight).
pub fn history_of_mixed_levels(random: &mut TestRandom, kind: KeyType, values: u32) -> History {
    let mut plans = plan_transactions(random, kind, values);
    for plan in &mut plans {
        plan.isolation = (!random.one_in(8)).then(|| random.one_of(&DeclaredIsolation::ALL));
    }
    build_history(random, kind, &plans)
}

/// The same, with distinct values. All transactions declare one level.
pub fn history_of_one_level(random: &mut TestRandom, kind: KeyType, level: DeclaredIsolation) -> History {
    let mut plans = plan_transactions(random, kind, u32::MAX);
    plans.iter_mut().for_each(|plan| plan.isolation = Some(level));
    build_history(random, kind, &plans)
}

fn history_of(random: &mut TestRandom, kind: KeyType, values: u32) -> History {
    let plans = plan_transactions(random, kind, values);
    build_history(random, kind, &plans)
}

fn plan_transactions(random: &mut TestRandom, kind: KeyType, values: u32) -> Vec<TransactionPlan> {
    let keys = 1 + random.below(3);
    let sessions = 1 + random.below(3);
    let mut value = 0;
    let mut plans: Vec<TransactionPlan> =
        (0..2 + random.below(5)).map(|_| plan_transaction(random, keys, sessions, &mut value)).collect();
    for write in plans.iter_mut().flat_map(|plan| &mut plan.micros).filter_map(|micro| micro.1.as_mut()) {
        *write = (*write - 1) % values + 1;
    }
    answer_reads(random, kind, (keys, 0), &mut plans);
    spoil_one_read(random, kind, &mut plans, value.min(values));
    plans
}

fn plan_transaction(
    random: &mut TestRandom,
    keys: usize,
    sessions: usize,
    value: &mut u32,
) -> TransactionPlan {
    let micros = (0..1 + random.below(3)).map(|_| {
        let write = random.chance(45).then(|| {
            *value += 1;
            *value
        });
        (random.below(keys), write)
    });
    let micros = micros.collect();
    let outcome = match random.below(100) {
        0..85 => Outcome::Ok,
        85..95 => Outcome::Info,
        _ => Outcome::Fail,
    };
    TransactionPlan { session: random.below(sessions), outcome, micros, reads: Vec::new(), isolation: None }
}

/// Runs the transactions in order, each on a snapshot that may be a few commits old. At least `current_percent` of them see the newest.
fn answer_reads(
    random: &mut TestRandom,
    kind: KeyType,
    (keys, current_percent): (usize, usize),
    plans: &mut [TransactionPlan],
) {
    let staleness = random.below(3);
    let mut states = vec![vec![Vec::new(); keys]];
    for plan in plans {
        let is_current = current_percent > 0 && random.chance(current_percent);
        let age = if is_current { 0 } else { random.below(staleness + 1).min(states.len() - 1) };
        let mut state: Vec<Vec<u32>> = states[states.len() - 1 - age].clone();
        let mut newest: Vec<Vec<u32>> = states[states.len() - 1].clone();
        for &(key, write) in &plan.micros {
            match (write, kind) {
                (Some(value), KeyType::List) => {
                    state[key].push(value);
                    newest[key].push(value);
                }
                (Some(value), KeyType::Register) => {
                    state[key] = vec![value];
                    newest[key] = vec![value];
                }
                (None, _) => {}
            }
            plan.reads.push(state[key].clone());
        }
        let happens = match plan.outcome {
            Outcome::Ok => true,
            Outcome::Info => random.chance(60),
            Outcome::Fail => random.chance(4),
        };
        if happens {
            states.push(newest);
        }
    }
}

fn spoil_one_read(random: &mut TestRandom, kind: KeyType, plans: &mut [TransactionPlan], values: u32) {
    if !random.chance(35) {
        return;
    }
    let plan = random.below(plans.len());
    let TransactionPlan { reads, .. } = &mut plans[plan];
    let read = random.below(reads.len());
    let read = &mut reads[read];
    match (kind, random.below(6)) {
        (KeyType::List, 0) if read.len() > 1 => read.swap(0, 1),
        (KeyType::List, 1) => read.push(1 + random.below(values as usize + 2) as u32),
        (KeyType::List, _) => drop(read.pop()),
        (KeyType::Register, 0) => read.clear(),
        (KeyType::Register, _) => *read = vec![1 + random.below(values as usize + 1) as u32],
    }
}

fn build_history(random: &mut TestRandom, kind: KeyType, plans: &[TransactionPlan]) -> History {
    let mut builder = HistoryBuilder::new();
    let mut open: Vec<usize> = Vec::new();
    let mut next = 0;
    let concurrency = 1 + random.below(3);
    while next < plans.len() || !open.is_empty() {
        if next < plans.len() && (open.is_empty() || (open.len() < concurrency && random.chance(60))) {
            add_event(&mut builder, kind, next, &plans[next], false);
            open.push(next);
            next += 1;
        } else {
            let at = open.remove(random.below(open.len()));
            add_event(&mut builder, kind, at, &plans[at], true);
        }
    }
    builder.finish()
}

fn add_event(
    builder: &mut HistoryBuilder,
    kind: KeyType,
    at: usize,
    plan: &TransactionPlan,
    completion: bool,
) {
    let process = at as i64;
    let intern =
        |builder: &mut HistoryBuilder, value: u32| builder.history().values.intern(&value.to_string());
    let lists: Vec<Vec<ValueId>> =
        (plan.reads.iter()).map(|read| read.iter().map(|&value| intern(builder, value)).collect()).collect();
    let mut micros = Vec::new();
    for (&(key, write), list) in plan.micros.iter().zip(&lists) {
        let key = builder.history().keys.intern(&format!("\"{}\"", ["x", "y", "z"][key]));
        micros.push(match (write, kind) {
            (Some(value), KeyType::List) => MicroInput::Append(key, intern(builder, value)),
            (Some(value), KeyType::Register) => MicroInput::Write(key, intern(builder, value)),
            (None, _) if !completion => MicroInput::Read(key, ValueId::NULL),
            (None, KeyType::List) => MicroInput::ReadList(key, list),
            (None, KeyType::Register) => MicroInput::Read(key, list.last().copied().unwrap_or(ValueId::NULL)),
        });
    }
    let payload = Payload::Micros(&micros);
    if completion {
        let outcome = plan.outcome;
        builder.complete(Completion { process, outcome, function: None, key: None, payload }).unwrap();
    } else {
        let session = Some(builder.history().sessions.intern(&format!("\"{}\"", plan.session)));
        let (function, key) = (Function::TXN, KeyId::NONE);
        builder.invoke(Invocation { process, session, function, key, payload }).unwrap();
        if let Some(level) = plan.isolation {
            builder.add_note(&format!("{{\"isolation\":\"{}\"}}", level.name()));
        }
    }
}
