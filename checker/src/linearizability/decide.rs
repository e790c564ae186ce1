//! Decides linearizability: each object by the cheapest engine that its operations permit.

use super::core::{self, Conditions, Windows};
use super::monitors::{self, Discipline, MonitorResult};
use super::moved_reads::MovedReads;
use super::register::{self, Access, RegisterStep};
use super::register_engines::{RegisterDecision, decide_register_steps};
use super::search::{self, CallSearchResult, TimedCall};
use super::set_elements::{ABSENT, SetDecision, decide_set_by_element};
use super::set_reads::decide_set_with_reads;
use claims::specification::{self as models, CallValues, Specification};
use claims::{
    AnomalyName, Core, Evidence, Limits, Linearization, Model, ObjectQuestion, Reason, UntilStopped, Verdict,
    Violation, Witness,
};
use histories::{Function, History, Id, KeyId, NEVER, OpId, Outcome, ValueId};
use rayon::prelude::*;
use rustc_hash::FxHashSet;

/// The verdict about one object, and the engine that reached it.
pub(super) struct ObjectVerdict {
    pub(super) method: &'static str,
    pub(super) verdict: Verdict<Linearization, Violation>,
}

impl ObjectVerdict {
    /// Says that the core of a violation may be larger than necessary, unless it is a single operation. The search of any specification
    /// leaves out only what the specification calls a read, while a minimal core needs each of its writes too.
    pub(super) fn without_claim_of_minimality(mut self) -> Self {
        if let Verdict::Violated(violation) = &mut self.verdict
            && let Evidence::Core(core) = &mut violation.evidence
        {
            core.minimal = core.operations.len() == 1;
        }
        self
    }
}

/// A history with fewer operations than this is decided on the calling thread, because starting other threads takes
/// longer.
const PARALLEL_FROM: usize = 20_000;
/// The kind of a violation that has no more specific name.
const NON_LINEARIZABLE: &str = "non-linearizable";

/// Decides whether the history is linearizable.
pub(crate) fn check_linearizability(
    history: &History,
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> (String, Verdict<Witness, Vec<Violation>>) {
    let objects = split_into_objects(history, question.model, limits);
    if limits.stop_requested() {
        return ("none".to_owned(), Verdict::unknown(Limits::STOPPED));
    }
    // Engines that take linear time look at the clock rarely, and there may be a hundred thousand objects.
    let decide = |(key, operations): &(KeyId, Vec<OpId>)| match limits.stop_requested() {
        true => ObjectVerdict { method: "none", verdict: Verdict::unknown(Limits::STOPPED) },
        false => decide_object(history, *key, operations, question, limits),
    };
    let one_by_one = history.len() < PARALLEL_FROM
        || objects.len() < 2
        || !crate::memory::several_objects_fit(history, question.model, limits);
    let parts: Vec<ObjectVerdict> = if one_by_one {
        objects.iter().map(decide).collect()
    } else {
        objects.par_iter().map(decide).collect()
    };
    let mut methods: Vec<&str> = parts.iter().map(|part| part.method).collect();
    methods.sort_unstable();
    methods.dedup();
    let method = if methods.is_empty() { "none needed".to_owned() } else { methods.join(" + ") };
    (method, combine_objects(parts))
}

/// The history is violated if one object is, and holds if all objects do.
pub(super) fn combine_objects(parts: Vec<ObjectVerdict>) -> Verdict<Witness, Vec<Violation>> {
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
/// Incomplete once the stop flag is set.
fn split_into_objects(history: &History, model: Model, limits: &Limits<'_>) -> Vec<(KeyId, Vec<OpId>)> {
    if model == Model::MultiRegister {
        return vec![(KeyId::NONE, history.ids().collect())];
    }
    group_operations_by_key(history, limits)
}

/// The operations of each key in order of invocation. Incomplete once the stop flag is set.
pub(super) fn group_operations_by_key(history: &History, limits: &Limits<'_>) -> Vec<(KeyId, Vec<OpId>)> {
    let mut by_key: Vec<Vec<OpId>> = vec![Vec::new(); history.keys.len()];
    for id in history.ids().until_stopped(limits.stop) {
        by_key[history.key(id).index()].push(id);
    }
    let keyed = by_key.into_iter().enumerate().map(|(key, operations)| (KeyId::new(key), operations));
    keyed.filter(|(_, operations)| !operations.is_empty()).collect()
}

fn decide_object(
    history: &History,
    key: KeyId,
    operations: &[OpId],
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> ObjectVerdict {
    let mut values = CallValues::new(history);
    match question.model {
        Model::Register | Model::CasRegister => decide_register(history, key, operations, question, limits),
        Model::Kv if !operations.iter().any(|&id| history.function(id) == Function::APPEND) => {
            decide_register(history, key, operations, question, limits)
        }
        Model::Kv => {
            let calls = collect_calls(&mut values, history, operations);
            let met = |call: &TimedCall| [call.call.value()].into_iter().chain(call.call.output);
            let known: Vec<ValueId> = calls.iter().flat_map(met).collect();
            decide_specification(&models::Kv::new(&values, known.into_iter()), key, calls, limits)
        }
        Model::MultiRegister => {
            let calls = collect_calls(&mut values, history, operations);
            let initial =
                (0..history.keys.len()).map(|key| question.initial.value_of_key(KeyId::new(key))).collect();
            decide_specification(&models::MultiRegister { initial }, key, calls, limits)
        }
        Model::Counter => {
            let calls = collect_calls(&mut values, history, operations);
            let initial = question.initial.integer_of_key(history, key);
            decide_specification(&models::Counter { values: &values, initial }, key, calls, limits)
        }
        Model::Set => {
            let calls = collect_calls(&mut values, history, operations);
            decide_set(&values, key, calls, limits)
        }
        Model::Queue => {
            let calls = collect_calls(&mut values, history, operations);
            decide_container(&models::Fifo, Discipline::Queue, key, calls, limits)
        }
        Model::Stack => {
            let calls = collect_calls(&mut values, history, operations);
            decide_container(&models::Lifo, Discipline::Stack, key, calls, limits)
        }
        Model::PriorityQueue => {
            let calls = collect_calls(&mut values, history, operations);
            let inserted = calls.iter().filter(|call| call.call.function == Function::INSERT);
            let model = models::PriorityQueue::new(&values, inserted.map(|call| call.call.value()));
            decide_container(&model, Discipline::PriorityQueue(&model), key, calls, limits)
        }
        Model::Mutex => decide_register(history, key, operations, question, limits),
        other => unreachable!("{} has no sequential specification", other.name()),
    }
}

pub(super) fn decide_register(
    history: &History,
    key: KeyId,
    operations: &[OpId],
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> ObjectVerdict {
    let mut steps = match question.model {
        Model::Mutex => register::collect_lock_steps(history, operations),
        _ => register::collect_register_steps(history, operations, question.failed_cas),
    };
    if question.model == Model::Kv {
        register::unify_equal_strings(&mut steps, &CallValues::new(history));
    }
    decide_steps(history, key, operations, question, (steps, Windows::Anywhere), limits)
}

/// Decides a register whose reads may have begun earlier.
pub(super) fn decide_moved_register(
    history: &History,
    key: KeyId,
    operations: &[OpId],
    question: &ObjectQuestion,
    moved: &MovedReads<'_>,
    limits: &Limits<'_>,
) -> ObjectVerdict {
    let mut steps = register::collect_register_steps(history, operations, question.failed_cas);
    let responses = moved.move_steps(&mut steps);
    let steps = (steps, Windows::FromTheBeginning);
    let mut found = decide_steps(history, key, operations, question, steps, limits);
    if let Verdict::Violated(violation) = &mut found.verdict
        && let Evidence::Core(core) = &mut violation.evidence
    {
        core.operations.sort_unstable();
        violation.operations = core.operations.clone();
        if core.until != NEVER {
            core.until = responses[core.until as usize];
        }
        if !["phantom-read", "aborted-read"].contains(&violation.kind.as_str()) {
            violation.kind = AnomalyName::new("too-stale");
        }
    }
    found
}

fn decide_steps(
    history: &History,
    key: KeyId,
    operations: &[OpId],
    question: &ObjectQuestion,
    (mut steps, windows): (Vec<RegisterStep>, Windows),
    limits: &Limits<'_>,
) -> ObjectVerdict {
    register::drop_unwanted_steps(&mut steps);
    let (initial, conditions) = match question.model {
        Model::Mutex => (register::FREE, Conditions::Stay),
        _ => (question.initial.value_of_key(key), Conditions::MayGo),
    };
    let order = |places: Vec<u32>| {
        let operations = places.into_iter().map(|place| steps[place as usize].id).collect();
        Verdict::Holds(Linearization { key, operations })
    };
    if question.model != Model::Mutex
        && let Some((read, kind)) = find_unwritten_read(history, operations, &steps, initial)
    {
        let core = Core {
            key,
            operations: vec![read],
            writes_only: vec![],
            from: None,
            until: NEVER,
            minimal: true,
        };
        return ObjectVerdict {
            method: "unique-writes",
            verdict: Verdict::Violated(violation_from_core(kind, core)),
        };
    }
    let impossible = |values: Option<&[ValueId]>, dead: Option<u32>| {
        let core = core::shrink_register_core(key, conditions, &steps, initial, values, (dead, windows));
        let kind = match question.model {
            Model::Mutex => NON_LINEARIZABLE,
            _ => super::name::name_core(&steps, &core, initial),
        };
        Verdict::Violated(violation_from_core(kind, core))
    };
    let (method, decision) = decide_register_steps(&steps, initial, limits);
    let verdict = match decision {
        RegisterDecision::Order(places) => order(places),
        RegisterDecision::Impossible { values, dead } => impossible(values.as_deref(), dead),
        RegisterDecision::Unknown(why) => Verdict::Unknown(with_key_name(history, key, why)),
    };
    ObjectVerdict { method, verdict }
}

/// Finds the first read of a value that no operation can have written, and the kind of that anomaly.
fn find_unwritten_read(
    history: &History,
    operations: &[OpId],
    steps: &[RegisterStep],
    initial: ValueId,
) -> Option<(OpId, &'static str)> {
    let mut written: FxHashSet<ValueId> = steps.iter().filter_map(RegisterStep::written_value).collect();
    written.insert(initial);
    let read = steps.iter().find(|step| match step.access {
        Access::Read(value) | Access::Cas(value, _) => step.is_certain() && !written.contains(&value),
        Access::Write(_) | Access::Differs(_) => false,
    })?;
    let value = read.wanted_value()?;
    let aborted = operations.iter().any(|&id| {
        history.outcome(id) == Outcome::Fail && register::value_of_failed_write(history, id) == Some(value)
    });
    Some((read.id, if aborted { "aborted-read" } else { "phantom-read" }))
}

/// The calls that the search must order. Failed operations took no effect and are left out.
pub(super) fn collect_calls(
    values: &mut CallValues<'_>,
    history: &History,
    operations: &[OpId],
) -> Vec<TimedCall> {
    let timed = |&id: &OpId| {
        let operation = history.operation(id);
        let returned = match operation.outcome {
            Outcome::Ok => operation.completed,
            Outcome::Info => NEVER,
            Outcome::Fail => return None,
        };
        Some(TimedCall { id, call: values.decode_call(id), invoked: operation.invoked, returned })
    };
    operations.iter().filter_map(timed).collect()
}

pub(super) fn decide_specification<M: Specification>(
    model: &M,
    key: KeyId,
    mut calls: Vec<TimedCall>,
    limits: &Limits<'_>,
) -> ObjectVerdict {
    calls.retain(|call| call.returned != NEVER || !model.is_read(&call.call));
    let verdict = match search::decide_by_search(model, &calls, limits).0 {
        CallSearchResult::Order(places) => {
            let operations = places.into_iter().map(|place| calls[place as usize].id).collect();
            Verdict::Holds(Linearization { key, operations })
        }
        CallSearchResult::Dead(position) => {
            let core = core::shrink_model_core(model, key, &calls, position);
            Verdict::Violated(violation_from_core(NON_LINEARIZABLE, core))
        }
        CallSearchResult::Unknown(why) => Verdict::Unknown(why),
    };
    ObjectVerdict { method: "search", verdict }
}

/// Decides a queue, stack or priority queue: by its monitor if each value is inserted once, and by the search otherwise.
fn decide_container<M: Specification>(
    model: &M,
    discipline: Discipline<'_>,
    key: KeyId,
    calls: Vec<TimedCall>,
    limits: &Limits<'_>,
) -> ObjectVerdict {
    let verdict = match monitors::decide_by_monitor(discipline, &calls, limits) {
        MonitorResult::Undecided => {
            // Only reads were left out of the core, and no operations on a value.
            return decide_specification(model, key, calls, limits).without_claim_of_minimality();
        }
        MonitorResult::Order(places) => {
            let operations = places.into_iter().map(|place| calls[place as usize].id).collect();
            Verdict::Holds(Linearization { key, operations })
        }
        MonitorResult::Conflict(few) => {
            match monitors::shrink_container_core(model, discipline, key, &calls, &few, limits) {
                Some(core) => Verdict::Violated(violation_from_core(NON_LINEARIZABLE, core)),
                None => Verdict::unknown(Limits::STOPPED),
            }
        }
        MonitorResult::Stopped => Verdict::unknown(Limits::STOPPED),
    };
    ObjectVerdict { method: discipline.method(), verdict }
}

/// Decides a set: element by element if no operation reads all elements, and together with these reads otherwise. The search of
/// any specification decides the rest.
fn decide_set(
    values: &CallValues<'_>,
    key: KeyId,
    calls: Vec<TimedCall>,
    limits: &Limits<'_>,
) -> ObjectVerdict {
    let mut method = "set-elements";
    let mut decision = decide_set_by_element(values, &calls, limits);
    if let SetDecision::NotByElement = decision {
        (method, decision) = ("set-reads", decide_set_with_reads(values, &calls, limits));
        // Where too many operations overlap for this, the search of any specification may still be lucky.
        if let SetDecision::Unknown(_) = decision
            && !limits.stop_requested()
        {
            decision = SetDecision::NotByElement;
        }
    }
    let verdict = match decision {
        SetDecision::NotByElement => {
            return decide_specification(&models::Set { values }, key, calls, limits);
        }
        SetDecision::Order(operations) => Verdict::Holds(Linearization { key, operations }),
        SetDecision::Impossible { steps, dead } => {
            let core = core::shrink_register_core(
                key,
                Conditions::Stay,
                &steps,
                ABSENT,
                None,
                (dead, Windows::Anywhere),
            );
            Verdict::Violated(violation_from_core(NON_LINEARIZABLE, core))
        }
        SetDecision::ImpossibleTogether { operations, from, until, minimal } => {
            // Elements were left out before reads were, so that a read may have become superfluous.
            let minimal = minimal && operations.len() == 1;
            let core = Core { key, operations, writes_only: Vec::new(), from, until, minimal };
            Verdict::Violated(violation_from_core(NON_LINEARIZABLE, core))
        }
        SetDecision::Unknown(why) => Verdict::Unknown(why),
    };
    ObjectVerdict { method, verdict }
}

fn violation_from_core(kind: &'static str, core: Core) -> Violation {
    Violation {
        kind: AnomalyName::new(kind),
        key: core.key,
        operations: core.operations.clone(),
        evidence: Evidence::Core(core),
    }
}

fn with_key_name(history: &History, key: KeyId, why: Reason) -> Reason {
    if key == KeyId::NONE {
        return why;
    }
    Reason { reason: format!("key {}: {}", history.key_text(key), why.reason) }
}
