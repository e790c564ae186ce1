//! Checks that a core leaves out only what it may, and tries every order of what is left.

use super::elements::KeptPart;
use super::{Moment, OperationsByObject, completion_moment, is_failed_observation, returned_position};
use crate::Confirmation;
use crate::watch::{StepCost, Watch};
use claims::specification::{Call, CallInput, CallValues, Specification};
use claims::{Core, Model as ModelName};
use histories::{Argument, Function, History, Id, OpId, Operation, Outcome, ValueId};
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

/// A lock is treated as a register with one of these values.
const FREE: ValueId = ValueId::NULL;
const HELD: ValueId = ValueId::from_raw(u32::MAX - 2);

/// The value that an operation on a register must find.
fn required_value(history: &History, id: OpId) -> Option<ValueId> {
    match (history.function(id), history.argument(id), history.outcome(id)) {
        (Function::READ | Function::GET, _, Outcome::Ok) => Some(history.operation(id).result),
        (Function::CAS, Argument::Pair(old, _), Outcome::Ok | Outcome::Info) => Some(old),
        (Function::ACQUIRE, ..) => Some(FREE),
        (Function::RELEASE, ..) => Some(HELD),
        _ => None,
    }
}

/// The value that an operation on a register writes. For other functions that change something: their argument.
fn written_value(history: &History, id: OpId) -> Option<ValueId> {
    match (history.function(id), history.argument(id)) {
        (Function::CAS, Argument::Pair(old, new)) => (old != new).then_some(new),
        (Function::DELETE, _) => Some(ValueId::NULL),
        (Function::ACQUIRE, _) => Some(HELD),
        (Function::RELEASE, _) => Some(FREE),
        (_, Argument::Value(value)) => (!is_read(history, id)).then_some(value),
        (_, Argument::Pair(..) | Argument::Micros(_)) => None,
    }
}

fn is_read(history: &History, id: OpId) -> bool {
    match (history.function(id), history.argument(id)) {
        (Function::READ | Function::GET | Function::CONTAINS, _) => true,
        (Function::CAS, Argument::Pair(old, new)) => old == new,
        (Function::TXN, _) => {
            let reads = |micro: &histories::Micro| micro.kind == histories::MicroKind::Read;
            history.micros_of(id).iter().all(reads)
        }
        _ => false,
    }
}

/// An operation of the core.
struct CoreOperation {
    call: Call,
    invoked: Moment,
    /// The last moment of all if the operation may or may not have taken effect.
    returned: Moment,
}

/// Fails if some order of the core is legal from a state in which it may begin. `invoked` says when an operation counts as invoked.
///
/// A search over pairs of (operations done, state) that visits each pair once: at most 2^k times the number of states
/// for k concurrent operations. It gives up after [`EFFORT`].
pub(super) fn try_every_order<S: Specification>(
    history: &History,
    model: &S,
    call: &mut dyn FnMut(OpId) -> Call,
    core: &Core,
    any: &[S::State],
    (invoked, watch): (&dyn Fn(&Operation) -> Moment, &Watch<'_>),
) -> Result<Confirmation, String> {
    let piece = |&id: &OpId| {
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
    let pieces: Vec<CoreOperation> = core.operations.iter().map(piece).collect();
    let words = pieces.len().div_ceil(64).max(1);
    let states: Vec<S::State> = if core.from.is_some() { any.to_vec() } else { vec![model.initial()] };
    let mut todo: Vec<(Vec<u64>, S::State)> =
        states.into_iter().map(|state| (vec![0; words], state)).collect();
    let mut tried: HashSet<(Vec<u64>, S::State)> = HashSet::new();
    let mut effort = 0;
    while let Some((happened, state)) = todo.pop() {
        if !watch.has_time_after(pieces.len() as u64) {
            return Ok(Confirmation::TooLarge);
        }
        effort += pieces.len() as u64;
        if effort > EFFORT {
            return Ok(Confirmation::TooLarge);
        }
        let left = |at: &usize| happened[at / 64] >> (at % 64) & 1 == 0;
        let first_return =
            (0..pieces.len()).filter(left).map(|at| pieces[at].returned).min().unwrap_or(Moment::MAX);
        if first_return == Moment::MAX {
            return Err("the core has a legal order, so it shows nothing".to_owned());
        }
        for at in (0..pieces.len()).filter(left).filter(|&at| pieces[at].invoked < first_return) {
            let Ok(next) = model.step(&state, &pieces[at].call) else { continue };
            effort += model.state_bytes(&next) as u64 * 10;
            let mut then = happened.clone();
            then[at / 64] |= 1 << (at % 64);
            if tried.insert((then.clone(), next.clone())) {
                todo.push((then, next));
            }
        }
    }
    Ok(Confirmation::Confirmed)
}
