//! Small random histories of one or two ids: what a session store could have answered, then mostly spoilt a little.

use crate::reference::{Does, Op, Rules, State, apply};
use histories::{Completion, Function, History, HistoryBuilder, Id, Invocation, Outcome, Payload, ValueId};
use testkit::TestRandom;

/// Whether ids are given out once, as stores promise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ids {
    Once,
    Again,
}

pub(crate) fn rules(random: &mut TestRandom) -> Rules {
    let live = random.chance(50).then(|| 4 + random.below(5) as i64);
    Rules { live, tolerance: random.below(2) as i64, reads_renew: random.chance(15) }
}

/// Two to seven operations.
pub(crate) fn operations(random: &mut TestRandom, ids: Ids, rules: Rules, fields: bool) -> Vec<Op> {
    let mut ops = plan(random, ids, fields);
    happen(random, &mut ops, rules);
    for _ in 0..random.below(3) {
        spoil(random, &mut ops);
    }
    ops
}

fn plan(random: &mut TestRandom, ids: Ids, fields: bool) -> Vec<Op> {
    let count = 2 + random.below(6);
    let mut renewed = false;
    let mut ops: Vec<Op> = (0..count)
        .map(|at| {
            let version = at as u32 + 1;
            let second = usize::from(random.chance(if renewed { 60 } else { 10 }));
            let id = if at == 0 { 0 } else { second };
            let does = match random.below(100) {
                _ if at == 0 && !random.chance(5) => Does::Create(version),
                0..40 => Does::Read,
                40..55 => Does::Write(version),
                55..68 if fields => Does::Patch(version),
                68..76 => Does::Touch,
                76..86 if ids == Ids::Again || (!renewed && id == 0) => {
                    renewed = true;
                    Does::Renew(1 - id)
                }
                86..94 => Does::Destroy,
                94..100 if ids == Ids::Again => Does::Create(version),
                _ => Does::Read,
            };
            let outcome = if random.chance(12) { Outcome::Info } else { Outcome::Ok };
            Op { does, id, outcome, result: None, invoked: 0, completed: 0, from: 0, until: 0 }
        })
        .collect();
    events(random, &mut ops);
    ops
}

/// Gives the events positions and times.
fn events(random: &mut TestRandom, ops: &mut [Op]) {
    let (mut position, mut time, mut next) = (0, 0, 0);
    let mut open: Vec<usize> = Vec::new();
    let concurrency = 1 + random.below(3);
    while next < ops.len() || !open.is_empty() {
        time += [0, 0, 1, 1, 2, 5][random.below(6)];
        if next < ops.len() && (open.is_empty() || (open.len() < concurrency && random.chance(50))) {
            (ops[next].invoked, ops[next].from) = (position, time);
            open.push(next);
            next += 1;
        } else {
            let at = open.remove(random.below(open.len()));
            (ops[at].completed, ops[at].until) = (position, time);
        }
        position += 1;
    }
}

/// Executes the operations, each at some moment between its events.
fn happen(random: &mut TestRandom, ops: &mut [Op], rules: Rules) {
    let mut moments: Vec<(usize, usize)> = (0..ops.len())
        .map(|at| (ops[at].invoked + random.below(ops[at].completed - ops[at].invoked), at))
        .collect();
    moments.sort_unstable();
    let mut state: State = [None, None];
    let mut times: Vec<(usize, i64)> =
        ops.iter().flat_map(|op| [(op.invoked, op.from), (op.completed, op.until)]).collect();
    times.sort_unstable();
    for (position, at) in moments {
        let moment = times[position].1;
        for held in &mut state {
            let end = |renewed: i64| rules.live.is_some_and(|live| moment > renewed + live);
            if held.is_some_and(|held| end(held.renewed)) {
                *held = None;
            }
        }
        let (does, id) = (ops[at].does, ops[at].id);
        if does == Does::Read {
            ops[at].result = state[id].map(|held| (held.whole, held.field));
        }
        if ops[at].outcome == Outcome::Info && random.chance(40) {
            continue;
        }
        match apply(&ops[at], state, moment, rules) {
            Some(next) => state = next,
            None if ops[at].outcome == Outcome::Ok => ops[at].outcome = Outcome::Fail,
            None => {}
        }
    }
}

/// What a store with a bug would have answered.
fn spoil(random: &mut TestRandom, ops: &mut [Op]) {
    let at = random.below(ops.len());
    let version = random.below(ops.len() + 1) as u32;
    let other = ops[random.below(ops.len())].result;
    let op = &mut ops[at];
    match (op.does, random.below(6)) {
        (Does::Read, 0 | 1) => op.result = None,
        (Does::Read, 2 | 3) => op.result = other,
        (Does::Read, _) => op.result = Some((version.max(1), op.result.map_or(0, |result| result.1))),
        (_, 0) => op.outcome = Outcome::Fail,
        (_, 1) => op.outcome = Outcome::Info,
        _ => op.outcome = Outcome::Ok,
    }
}

/// The history as a recorder would have written it.
pub(crate) fn history(ops: &[Op], rules: Rules) -> History {
    let mut builder = HistoryBuilder::new();
    let mut events: Vec<(usize, usize, bool)> = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        events.push((op.invoked, at, false));
        events.push((op.completed, at, true));
    }
    events.sort_unstable();
    let _ = rules;
    for (_, at, completes) in events {
        let (op, process) = (&ops[at], at as i64);
        let (function, argument) = match op.does {
            Does::Create(version) => (Function::CREATE, payload(version)),
            Does::Read => (Function::READ, "null".to_owned()),
            Does::Write(version) => (Function::WRITE, payload(version)),
            Does::Patch(version) => (Function::PATCH, field(version)),
            Does::Touch => (Function::TOUCH, "null".to_owned()),
            Does::Renew(new) => (Function::RENEW, id(new)),
            Does::Destroy => (Function::DESTROY, "null".to_owned()),
        };
        let key = builder.history().keys.intern(&id(op.id));
        let session = Some(builder.history().sessions.intern("\"u\""));
        if !completes {
            let payload = Payload::Value(builder.history().values.intern(&argument));
            let invoked =
                builder.invoke(Invocation { process, session, function, key, payload }).expect("it is free");
            builder.set_time(invoked, false, op.from);
            continue;
        }
        let result = match (op.does, op.result) {
            (Does::Read, None) => "null".to_owned(),
            (Does::Read, Some((whole, 0))) => payload(whole),
            (Does::Read, Some((whole, part))) => {
                format!("{{\"fields\":{{\"all\":{},\"cart\":{}}}}}", payload(whole), field(part))
            }
            _ => argument,
        };
        let payload = Payload::Value(builder.history().values.intern(&result));
        let completion = Completion { process, outcome: op.outcome, function: None, key: None, payload };
        let completed = builder.complete(completion).expect("it is open");
        builder.set_time(completed, true, op.until);
    }
    let history = builder.finish();
    assert_eq!(ValueId::NULL.index(), 0);
    history
}

fn id(number: usize) -> String {
    format!("\"id-{number}\"")
}

fn payload(version: u32) -> String {
    format!("{{\"bytes\":64,\"session\":\"u\",\"version\":{version}}}")
}

fn field(version: u32) -> String {
    format!("{{\"bytes\":64,\"field\":\"cart\",\"session\":\"u\",\"version\":{version}}}")
}
