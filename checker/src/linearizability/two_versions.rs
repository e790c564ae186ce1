//! k-atomicity of registers: a read may return one of the last k versions. For k = 2 it is `two-atomic`.
//!
//! k-atomicity (Aiyer, Alvisi & Bazzi, DISC 2005) bounds how many versions a read may be behind. For k = 1 it is linearizability. For
//! larger k it is linearizability of another object, which gives reads a choice (`TwoVersionRegister`, `RecentVersionsRegister`). An order that shows
//! linearizability shows k-atomicity as well, so the engines of registers are asked first. If they find none, the search of any
//! specification decides, exactly and at a cost that is exponential in the open operations at worst. Golab, Hurwitz & Li (ICDCS 2013)
//! decide k = 2 in quasilinear time if each value is written once; no polynomial algorithm for k > 2 is known.
//!
//! A core leaves out reads, and writes whose values no read of the core wants: without such a write, every read is less behind.

use super::decide::{
    ObjectVerdict, collect_calls, combine_objects, decide_register, decide_specification,
    group_operations_by_key,
};
use super::search::{self, CallSearchResult, TimedCall};
use claims::specification::{CallInput, CallValues, Specification, TwoVersionRegister};
use claims::{AnomalyName, Core, Evidence, FailedCas, Limits, ObjectQuestion, Verdict, Violation, Witness};
use histories::{Function, History, KeyId, NEVER, OpId, Outcome, ValueId};
use std::collections::BTreeSet;

/// How many operations a core may have for writes to be left out of it.
const SHRUNK_MAX: usize = 64;
/// How many steps of search leaving out one write may take.
const SHRINK_STEPS: u64 = 20_000;

/// Decides whether the registers of a history are 2-atomic. Returns the methods with the verdict.
pub(crate) fn check_two_atomicity(
    history: &History,
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> (String, Verdict<Witness, Vec<Violation>>) {
    let register = |initial| TwoVersionRegister { initial };
    check_recent_versions(history, question, "non-two-atomic", &register, limits)
}

/// Decides whether each read returned one of the last versions. `register` has those versions, for an initial value.
pub(super) fn check_recent_versions<M: Specification>(
    history: &History,
    question: &ObjectQuestion,
    kind: &'static str,
    register: &dyn Fn(ValueId) -> M,
    limits: &Limits<'_>,
) -> (String, Verdict<Witness, Vec<Violation>>) {
    let plain = ObjectQuestion { failed_cas: FailedCas::SaysNothing, ..question.clone() };
    let objects = group_operations_by_key(history, limits);
    let mut parts: Vec<ObjectVerdict> = Vec::new();
    for (key, operations) in objects {
        if limits.stop_requested() {
            return ("none".to_owned(), Verdict::unknown(Limits::STOPPED));
        }
        parts.push(decide_object(history, key, &operations, &plain, (kind, register), limits));
    }
    let mut methods: Vec<&str> = parts.iter().map(|part| part.method).collect();
    methods.sort_unstable();
    methods.dedup();
    let method = if methods.is_empty() { "none needed".to_owned() } else { methods.join(" + ") };
    with_failed_cas_unknown(history, question, (method, combine_objects(parts)))
}

/// Turns *holds* into *unknown* if a failed compare-and-set says what it did not find.
pub(super) fn with_failed_cas_unknown(
    history: &History,
    question: &ObjectQuestion,
    (method, verdict): (String, Verdict<Witness, Vec<Violation>>),
) -> (String, Verdict<Witness, Vec<Violation>>) {
    let observes = |op: OpId| history.function(op) == Function::CAS && history.outcome(op) == Outcome::Fail;
    if matches!(verdict, Verdict::Holds(_))
        && question.failed_cas == FailedCas::Observes
        && history.ids().any(observes)
    {
        let why = "with --failed-cas observes a failed compare-and-set says what it did not find, which is not decided for this level";
        return ("none".to_owned(), Verdict::unknown(why));
    }
    (method, verdict)
}

fn decide_object<M: Specification>(
    history: &History,
    key: KeyId,
    operations: &[OpId],
    question: &ObjectQuestion,
    (kind, register): (&'static str, &dyn Fn(ValueId) -> M),
    limits: &Limits<'_>,
) -> ObjectVerdict {
    let found = decide_register(history, key, operations, question, limits);
    match &found.verdict {
        Verdict::Holds(_) => return found,
        Verdict::Violated(violation)
            if ["phantom-read", "aborted-read"].contains(&violation.kind.as_str()) =>
        {
            return found;
        }
        _ => {}
    }
    let model = register(question.initial.value_of_key(key));
    let calls = collect_calls(&mut CallValues::new(history), history, operations);
    let mut found = decide_specification(&model, key, calls.clone(), limits);
    if let Verdict::Violated(violation) = &mut found.verdict
        && let Evidence::Core(core) = &mut violation.evidence
    {
        leave_out_writes(&model, calls, core);
        violation.kind = AnomalyName::new(kind);
        violation.operations = core.operations.clone();
    }
    found
}

/// Leaves out of a small core the writes that it does not need.
fn leave_out_writes(model: &impl Specification, calls: Vec<TimedCall>, core: &mut Core) {
    core.minimal = false;
    if core.operations.len() > SHRUNK_MAX {
        return;
    }
    let members: BTreeSet<OpId> = core.operations.iter().copied().collect();
    let mut kept: Vec<TimedCall> = calls.into_iter().filter(|call| members.contains(&call.id)).collect();
    for call in kept.iter_mut().filter(|call| call.returned > core.until) {
        call.returned = NEVER;
    }
    let stop = std::sync::atomic::AtomicBool::new(false);
    let limits = Limits { steps: SHRINK_STEPS, bytes: 64 << 20, stop: &stop };
    let mut at = 0;
    while at < kept.len() {
        let mut fewer = kept.clone();
        let out = fewer.remove(at);
        let is_unwanted = |value: ValueId| !fewer.iter().any(|call| wanted_value(call) == Some(value));
        let may_go = written_value(&out).is_some_and(is_unwanted);
        match may_go
            && matches!(search::decide_by_search(model, &fewer, &limits).0, CallSearchResult::Dead(_))
        {
            true => kept = fewer,
            false => at += 1,
        }
    }
    core.operations = kept.iter().map(|call| call.id).collect();
}

fn written_value(call: &TimedCall) -> Option<ValueId> {
    match call.call.input {
        CallInput::Pair(_, new) => Some(new),
        CallInput::Value(value) => (call.call.function == Function::WRITE).then_some(value),
        CallInput::Micros(_) => None,
    }
}

fn wanted_value(call: &TimedCall) -> Option<ValueId> {
    match call.call.input {
        CallInput::Pair(old, _) => Some(old),
        _ => call.call.output.filter(|_| call.call.function == Function::READ),
    }
}
