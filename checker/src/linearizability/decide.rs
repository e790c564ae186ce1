//! Decides linearizability: each object by the cheapest engine that its operations permit.

use super::core::{self, Conditions};
use super::frontier;
use super::frontier::{Frontier, Width};
use super::register::{self, Access, Step};
use super::search::{self, Search, Timed};
use super::zones::{self, Zones};
use claims::specification::{self as models, Specification, Values};
use claims::{
    AnomalyName, Core, Evidence, Limits, Linearization, Model, ObjectQuestion, Reason, Verdict, Violation,
    Witness,
};
use histories::{Function, History, Id, KeyId, NEVER, OpId, Outcome, ValueId};
use rayon::prelude::*;
use rustc_hash::FxHashSet;

/// The verdict about one object, and the engine that reached it.
pub(super) struct Part {
    method: &'static str,
    verdict: Verdict<Linearization, Violation>,
}

/// A history with fewer operations than this is decided on the calling thread, because starting other threads takes
/// longer.
const PARALLEL_FROM: usize = 20_000;
/// How many configurations the two beam passes of the frontier search keep: a quick pass, and a thorough one.
const BEAM: usize = 64;
const WIDE_BEAM: usize = 2048;
/// The kind of a violation that has no more specific name.
const NON_LINEARIZABLE: &str = "non-linearizable";

/// Decides whether the history is linearizable.
pub(crate) fn check(
    history: &History,
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> (String, Verdict<Witness, Vec<Violation>>) {
    let objects = objects(history, question.model);
    let decide = |(key, operations): &(KeyId, Vec<OpId>)| object(history, *key, operations, question, limits);
    let parts: Vec<Part> = if history.len() < PARALLEL_FROM || objects.len() < 2 {
        objects.iter().map(decide).collect()
    } else {
        objects.par_iter().map(decide).collect()
    };
    let mut methods: Vec<&str> = parts.iter().map(|part| part.method).collect();
    methods.sort_unstable();
    methods.dedup();
    let method = if methods.is_empty() { "none needed".to_owned() } else { methods.join(" + ") };
    (method, combine(parts))
}

/// The history is violated if one object is, and holds if all objects do.
pub(super) fn combine(parts: Vec<Part>) -> Verdict<Witness, Vec<Violation>> {
    let (mut orders, mut anomalies, mut unknown) = (Vec::new(), Vec::new(), None);
    for part in parts {
        match part.verdict {
            Verdict::Holds(order) => orders.push(order),
            Verdict::Violated(anomaly) => anomalies.push(anomaly),
            Verdict::Unknown(why) | Verdict::Untested(why) => unknown = unknown.or(Some(why)),
        }
    }
    match unknown {
        _ if !anomalies.is_empty() => Verdict::Violated(anomalies),
        Some(why) => Verdict::Unknown(why),
        None => Verdict::Holds(Witness::Orders(orders)),
    }
}

/// The operations of each object in order of invocation. An object is a key, or the whole history if the model is not
/// local to keys.
fn objects(history: &History, model: Model) -> Vec<(KeyId, Vec<OpId>)> {
    if model == Model::MultiRegister {
        return vec![(KeyId::NONE, history.ids().collect())];
    }
    objects_by_key(history)
}

/// The operations of each key in order of invocation.
pub(super) fn objects_by_key(history: &History) -> Vec<(KeyId, Vec<OpId>)> {
    let mut by_key: Vec<Vec<OpId>> = vec![Vec::new(); history.keys.len()];
    for id in history.ids() {
        by_key[history.key(id).index()].push(id);
    }
    let keyed = by_key.into_iter().enumerate().map(|(key, operations)| (KeyId::new(key), operations));
    keyed.filter(|(_, operations)| !operations.is_empty()).collect()
}

fn object(
    history: &History,
    key: KeyId,
    operations: &[OpId],
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> Part {
    let mut values = Values::new(history);
    match question.model {
        Model::Register | Model::CasRegister => of_register(history, key, operations, question, limits),
        Model::Kv if !operations.iter().any(|&id| history.function(id) == Function::APPEND) => {
            of_register(history, key, operations, question, limits)
        }
        Model::Kv => {
            let calls = calls(&mut values, history, operations);
            let met = |call: &Timed| [call.call.value()].into_iter().chain(call.call.output);
            let known: Vec<ValueId> = calls.iter().flat_map(met).collect();
            of_model(&models::Kv::new(&values, known.into_iter()), key, calls, limits)
        }
        Model::MultiRegister => {
            let calls = calls(&mut values, history, operations);
            let initial = (0..history.keys.len()).map(|key| question.initial.of(KeyId::new(key))).collect();
            of_model(&models::MultiRegister { initial }, key, calls, limits)
        }
        Model::Counter => {
            let calls = calls(&mut values, history, operations);
            let initial = question.initial.integer(history, key);
            of_model(&models::Counter { values: &values, initial }, key, calls, limits)
        }
        Model::Set => {
            let calls = calls(&mut values, history, operations);
            of_model(&models::Set { values: &values }, key, calls, limits)
        }
        Model::Queue => of_model(&models::Fifo, key, calls(&mut values, history, operations), limits),
        Model::Stack => of_model(&models::Lifo, key, calls(&mut values, history, operations), limits),
        Model::Mutex => of_register(history, key, operations, question, limits),
        other => unreachable!("{} has no sequential specification", other.name()),
    }
}

fn of_register(
    history: &History,
    key: KeyId,
    operations: &[OpId],
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> Part {
    let steps = {
        let mut steps = match question.model {
            Model::Mutex => register::lock_steps(history, operations),
            _ => register::steps(history, operations, question.failed_cas),
        };
        if question.model == Model::Kv {
            register::as_strings(&mut steps, &Values::new(history));
        }
        register::drop_unwanted(&mut steps);
        steps
    };
    let (initial, conditions) = match question.model {
        Model::Mutex => (register::FREE, Conditions::Stay),
        _ => (question.initial.of(key), Conditions::MayGo),
    };
    let order = |places: Vec<u32>| {
        let operations = places.into_iter().map(|place| steps[place as usize].id).collect();
        Verdict::Holds(Linearization { key, operations })
    };
    if question.model != Model::Mutex
        && let Some((read, kind)) = unwritten(history, operations, &steps, initial)
    {
        let core = Core {
            key,
            operations: vec![read],
            writes_only: vec![],
            from: None,
            until: NEVER,
            minimal: true,
        };
        return Part { method: "unique-writes", verdict: Verdict::Violated(anomaly(kind, core)) };
    }
    let impossible = |values: Option<&[ValueId]>, dead: Option<u32>| {
        let core = core::of_register(key, conditions, &steps, initial, values, dead);
        let kind = match question.model {
            Model::Mutex => NON_LINEARIZABLE,
            _ => super::name::of(history, &core, initial),
        };
        Verdict::Violated(anomaly(kind, core))
    };
    match zones::decide(&steps, initial) {
        Zones::Order(places) => return Part { method: "unique-writes", verdict: order(places) },
        Zones::Conflict(values) => {
            return Part { method: "unique-writes", verdict: impossible(Some(&values), None) };
        }
        Zones::Ambiguous => {}
    }
    let passes = passes(&steps);
    let mut verdict = Verdict::Unknown(Reason { reason: "no pass decided".to_owned() });
    for width in passes {
        verdict = match (frontier::decide(&steps, &[initial], width, limits).0, width) {
            (Frontier::Order(places), Width::Beam(_) | Width::Whole) => order(places),
            (Frontier::Dead(position), Width::Relaxed | Width::Loose | Width::Whole) => {
                impossible(None, Some(position))
            }
            (Frontier::Unknown(why), Width::Whole) => Verdict::Unknown(named(history, key, why)),
            _ => continue,
        };
        break;
    }
    Part { method: "frontier", verdict }
}

/// The passes of the frontier search that can decide these steps, cheapest first.
fn passes(steps: &[Step]) -> Vec<Width> {
    let relaxes = steps.iter().any(|step| !step.is_certain());
    let loosens = steps.iter().any(|step| step.is_certain() && matches!(step.access, Access::Cas(..)));
    let mut passes = vec![Width::Beam(BEAM)];
    passes.extend(loosens.then_some(Width::Loose));
    passes.extend(relaxes.then_some(Width::Relaxed));
    passes.extend((relaxes || loosens).then_some(Width::Beam(WIDE_BEAM)));
    passes.push(Width::Whole);
    passes
}

/// Finds the first read of a value that no operation can have written, and the kind of that anomaly.
fn unwritten(
    history: &History,
    operations: &[OpId],
    steps: &[Step],
    initial: ValueId,
) -> Option<(OpId, &'static str)> {
    let mut written: FxHashSet<ValueId> = steps.iter().filter_map(Step::written).collect();
    written.insert(initial);
    let read = steps.iter().find(|step| match step.access {
        Access::Read(value) | Access::Cas(value, _) => step.is_certain() && !written.contains(&value),
        Access::Write(_) | Access::Differs(_) => false,
    })?;
    let value = read.wanted()?;
    let aborted = operations
        .iter()
        .any(|&id| history.outcome(id) == Outcome::Fail && register::would_write(history, id) == Some(value));
    Some((read.id, if aborted { "aborted-read" } else { "phantom-read" }))
}

/// The calls that the search must order. Failed operations took no effect and are left out.
pub(super) fn calls(values: &mut Values<'_>, history: &History, operations: &[OpId]) -> Vec<Timed> {
    let timed = |&id: &OpId| {
        let operation = history.operation(id);
        let returned = match operation.outcome {
            Outcome::Ok => operation.completed,
            Outcome::Info => NEVER,
            Outcome::Fail => return None,
        };
        Some(Timed { id, call: values.call(id), invoked: operation.invoked, returned })
    };
    operations.iter().filter_map(timed).collect()
}

pub(super) fn of_model<M: Specification>(
    model: &M,
    key: KeyId,
    mut calls: Vec<Timed>,
    limits: &Limits<'_>,
) -> Part {
    calls.retain(|call| call.returned != NEVER || !model.is_read(&call.call));
    let verdict = match search::decide(model, &calls, limits).0 {
        Search::Order(places) => {
            let operations = places.into_iter().map(|place| calls[place as usize].id).collect();
            Verdict::Holds(Linearization { key, operations })
        }
        Search::Dead(position) => {
            let core = core::of_model(model, key, &calls, position);
            Verdict::Violated(anomaly(NON_LINEARIZABLE, core))
        }
        Search::Unknown(why) => Verdict::Unknown(why),
    };
    Part { method: "search", verdict }
}

fn anomaly(kind: &'static str, core: Core) -> Violation {
    Violation {
        kind: AnomalyName::new(kind),
        key: core.key,
        operations: core.operations.clone(),
        evidence: Evidence::Core(core),
    }
}

fn named(history: &History, key: KeyId, why: Reason) -> Reason {
    if key == KeyId::NONE {
        return why;
    }
    Reason { reason: format!("key {}: {}", history.key_text(key), why.reason) }
}
