//! Checks that a core leaves out only what it may, and tries every order of what is left.

use super::elements::KeptPart;
use super::every_order::{CoreOperation, LegalOrder, OrderSearch};
use super::minimal::check_each_is_needed;
use super::register_effects::{is_read, required_value, written_value};
use super::{
    BeginningOf, Moment, OperationsByObject, completion_moment, is_failed_observation, returned_position,
};
use crate::Confirmation;
use crate::watch::{StepCost, Watch};
use claims::specification::{Call, CallInput, CallValues, Specification};
use claims::{Core, Model as ModelName};
use histories::{Argument, Function, History, Id, OpId, Outcome, ValueId};
use std::collections::HashSet;

/// The effort that trying every order may take, in operations scanned plus a multiple of the bytes of states: a
/// fraction of a second.
const EFFORT: u64 = 20_000_000;

/// Checks that the operations that the core leaves out may be left out.
///
/// Reads may be left out. A write may be left out if no operation of the core requires its value; but if a failed
/// compare-and-set of the core requires any *other* value, no write may be left out. Of a queue, stack, priority queue or
/// set, all operations on a value may be left out ([`KeptPart`]). Operations that were invoked after the end of the core, or that returned
/// before its beginning, may be left out.
pub(super) fn check_omitted_operations(
    objects: &OperationsByObject<'_>,
    core: &Core,
    watch: &Watch<'_>,
) -> Result<(), String> {
    let (history, question, here) = (objects.history, objects.question, objects.operations_of(core.key));
    let kept: HashSet<OpId> = core.operations.iter().copied().collect();
    let only: HashSet<OpId> = core.writes_only.iter().copied().collect();
    if kept.len() != core.operations.len() || !only.is_subset(&kept) {
        return Err("a core names its operations once".to_owned());
    }
    let is_exchange = |id: &OpId| {
        matches!((history.function(*id), history.argument(*id)), (Function::CAS, Argument::Pair(..)))
    };
    if let Some(id) = core.writes_only.iter().find(|id| !is_exchange(id)) {
        return Err(format!("operation {} is no compare-and-set", history.operation_index(*id)));
    }
    let wanted: HashSet<ValueId> =
        kept.iter().filter(|id| !only.contains(id)).filter_map(|&id| required_value(history, id)).collect();
    let kv = (question.model == ModelName::Kv).then(|| CallValues::new(history));
    // A string store does not distinguish values that are the same string.
    let same = |a: ValueId, b: ValueId| {
        a == b || kv.as_ref().is_some_and(|kv| kv.decode_string(a) == kv.decode_string(b))
    };
    let wants_others = kept.iter().any(|&id| is_failed_observation(history, question, id));
    let is_register = matches!(
        question.model,
        ModelName::Register | ModelName::CasRegister | ModelName::Kv | ModelName::Mutex
    ) && !here.iter().any(|&id| history.function(id) == Function::APPEND);
    let strange = |id: &&OpId| {
        (question.model != ModelName::MultiRegister && history.key(**id) != core.key)
            || (history.outcome(**id) == Outcome::Fail && !is_failed_observation(history, question, **id))
    };
    if let Some(&id) = core.operations.iter().find(strange) {
        return Err(format!("operation {} does not belong into the core", history.operation_index(id)));
    }
    let part = KeptPart::from_core(history, question.model, here, core);
    for &id in watch.take_while_in_time(StepCost::Look, here.iter()).filter(|id| !kept.contains(id)) {
        let operation = history.operation(id);
        let outside = operation.invoked > core.until
            || core.from.is_some_and(|from| returned_position(history, id) < from);
        if outside || operation.outcome == Outcome::Fail {
            continue;
        }
        let may_go = match (&part, written_value(history, id)) {
            (Some(part), _) => part.permit_omission(history, id),
            (None, None) => is_read(history, id),
            (None, Some(value)) => {
                is_register && !wants_others && !wanted.iter().any(|&want| same(want, value))
            }
        };
        if !may_go {
            return Err(format!(
                "operation {} must not be left out of the core",
                history.operation_index(id)
            ));
        }
    }
    Ok(())
}

/// Checks a core of a user-defined specification: it leaves out only reads, and operations that were invoked after its
/// end.
pub(super) fn check_omits_only_reads<S: Specification>(
    history: &History,
    specification: &S,
    calls: &[Call],
    core: &Core,
) -> Result<(), String> {
    let kept: HashSet<OpId> = core.operations.iter().copied().collect();
    if kept.len() != core.operations.len() || !core.writes_only.is_empty() || core.from.is_some() {
        return Err("a core names its operations once, whole, and from the beginning".to_owned());
    }
    for operation in history.operations() {
        let (here, failed) = (operation.key == core.key, operation.outcome == Outcome::Fail);
        let index = history.operation_index(operation.id);
        if kept.contains(&operation.id) {
            if !here || failed {
                return Err(format!("operation {index} does not belong into the core"));
            }
            continue;
        }
        let may_go = !here || failed || operation.invoked > core.until;
        if !may_go && !specification.is_read(&calls[operation.id.index()]) {
            return Err(format!("operation {index} must not be left out of the core"));
        }
    }
    Ok(())
}

/// Fails if some order of the core is legal from a state in which it may begin, or if it is called minimal and is not. `invoked` says when
/// an operation counts as invoked. Gives up after [`EFFORT`].
pub(super) fn try_every_order<S: Specification>(
    history: &History,
    model: &S,
    call: &mut dyn FnMut(OpId) -> Call,
    core: &Core,
    any: &[S::State],
    (invoked, watch): (BeginningOf<'_>, &Watch<'_>),
) -> Result<Confirmation, String> {
    let operation_of_core = |&id: &OpId| {
        let mut call = call(id);
        if core.writes_only.contains(&id)
            && let CallInput::Pair(_, new) = call.input
        {
            call.function = Function::WRITE;
            call.input = CallInput::Value(new);
        }
        let operation = history.operation(id);
        let open = returned_position(history, id) > core.until
            || core.from.is_some_and(|from| operation.invoked < from);
        let returned = if open { Moment::MAX } else { completion_moment(history, id) };
        CoreOperation { call, invoked: invoked(&operation), returned }
    };
    let operations: Vec<CoreOperation> = core.operations.iter().map(operation_of_core).collect();
    let states: Vec<S::State> = if core.from.is_some() { any.to_vec() } else { vec![model.initial()] };
    let search = OrderSearch { model, states: &states, watch };
    let mut effort = EFFORT;
    match search.find_legal_order(&operations, &mut effort) {
        LegalOrder::Exists => Err("the core has a legal order, so it shows nothing".to_owned()),
        LegalOrder::NotKnown => Ok(Confirmation::TooLarge),
        LegalOrder::None if core.minimal => {
            check_each_is_needed(history, &core.operations, &search, &operations)
        }
        LegalOrder::None => Ok(Confirmation::Confirmed),
    }
}
