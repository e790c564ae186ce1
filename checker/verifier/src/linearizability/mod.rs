//! Verifies claims about linearizability from the definition and the specifications alone.
//!
//! This code uses neither zones nor frontiers nor memoization. A [`Linearization`] is replayed: it must contain every
//! required operation once, no operation may come after one that was invoked when it had already returned, and the
//! specification must accept each operation. For a [`Core`], the verifier checks that the omitted operations may be
//! omitted, and tries every order of the others.
//!
//! Objects are checked in parallel, each with its own operations: linear in the history, whatever the number of
//! objects.

mod anomaly_names;
mod bounded;
mod core;
mod elements;
mod every_order;
mod minimal;
mod order;
mod register_effects;
mod two_versions;
pub(crate) mod why;

pub(crate) use bounded::verify_bounded_staleness;
pub(crate) use two_versions::verify_two_atomicity;

use crate::watch::{StepCost, Watch};
use crate::{Confirmation, Mismatch, Standing};
use claims::specification::{self, Call, CallValues, Refused, Specification};
use claims::{
    Assume, Core, Evidence, FailedCas, InitialValueIds, Limits, Linearization, Model, ObjectQuestion,
    Verdict, Violation, Witness,
};
use histories::{Function, History, Id, KeyId, NEVER, OpId, Operation, Outcome, ValueId};
use rayon::prelude::*;
use std::cell::OnceCell;
use std::collections::HashSet;

/// Verifies a verdict on linearizability. The error names the part that does not follow.
///
/// Orders take O(n) steps of the specification. A core takes a bounded effort; if that is not enough, the result is
/// [`Confirmation::TooLarge`].
pub(crate) fn verify_linearizability(
    history: &History,
    question: &ObjectQuestion,
    verdict: &Verdict,
    watch: &Watch<'_>,
) -> Result<Confirmation, Mismatch> {
    match verdict {
        Verdict::Holds(Witness::Orders(orders)) => check_all_orders(history, question, orders, watch)?,
        Verdict::Holds(_) => {
            return Err(Mismatch("a witness of linearizability is an order of each object".into()));
        }
        Verdict::Violated(violations) if violations.is_empty() => {
            return Err(Mismatch("violated, but by nothing".into()));
        }
        Verdict::Violated(violations) => return check_all_cores(history, question, violations, watch),
        Verdict::Untested(_) | Verdict::Unknown(_) => {}
    }
    Ok(Confirmation::Confirmed)
}

/// Verifies a verdict about objects with a user-defined specification, one object for each key.
///
/// Orders are replayed. A core may leave out only reads, and every order of the others is tried.
pub fn verify_specification<S: Specification>(
    history: &History,
    specification: &S,
    verdict: &Verdict,
    limits: &Limits<'_>,
) -> Standing {
    let watch = Watch::from_limits(limits);
    let question = &ObjectQuestion {
        model: Model::Register,
        initial: InitialValueIds::same_for_all(ValueId::NULL),
        failed_cas: FailedCas::SaysNothing,
        assume: Assume::default(),
        staleness: None,
    };
    let mut values = CallValues::new(history);
    // The lists that reads returned must be decoded before the first step.
    let calls: Vec<Call> = history.ids().map(|id| values.decode_call(id)).collect();
    let mut call = |id: OpId| calls[id.index()].clone();
    let result = match verdict {
        Verdict::Holds(Witness::Orders(orders)) => check_all_are_ordered(history, question, orders, &watch)
            .and_then(|()| {
                orders.iter().try_for_each(|found| {
                    let operations =
                        watch.take_while_in_time(StepCost::Follow, found.operations.iter().copied());
                    order::replay_order(history, specification, &mut call, &invocation_moment, operations)
                })?;
                Ok(Confirmation::Confirmed)
            }),
        Verdict::Violated(violations) if !violations.is_empty() => {
            violations.iter().try_fold(Confirmation::Confirmed, |worst, violation| {
                let core = core_of_violation(violation)?;
                if violation.kind.as_str() != "non-linearizable" {
                    return Err(format!("the core shows no {}", violation.kind));
                }
                core::check_omits_only_reads(history, specification, &calls, core)?;
                let moments: (BeginningOf<'_>, _) = (&invocation_moment, &watch);
                let checked = core::try_every_order(history, specification, &mut call, core, &[], moments)?;
                Ok(worst.and(checked))
            })
        }
        Verdict::Holds(_) | Verdict::Violated(_) => Err("it rests on nothing that can be checked".to_owned()),
        Verdict::Untested(_) => match history.operations().find(|op| op.outcome == Outcome::Ok) {
            Some(op) => {
                Err(format!("operation {} could have contradicted it", history.operation_index(op.id)))
            }
            None => Ok(Confirmation::Confirmed),
        },
        Verdict::Unknown(_) => Ok(Confirmation::Confirmed),
    };
    if watch.is_over() { Standing::Unchecked } else { crate::standing_of_result(result.map_err(Mismatch)) }
}

/// Checks that every required operation is in the order of its object, and that each order is legal.
fn check_all_orders(
    history: &History,
    question: &ObjectQuestion,
    orders: &[Linearization],
    watch: &Watch<'_>,
) -> Result<(), String> {
    check_all_are_ordered(history, question, orders, watch)?;
    orders.par_iter().try_for_each(|found| {
        if watch.is_over() {
            return Ok(());
        }
        run_with_specification(
            history,
            question,
            found.key,
            &found.operations,
            None,
            OrderReplay { found, history, began: &invocation_moment, watch },
        )
        .map(|_| ())
    })
}

/// Checks that each object has one order, with every required operation exactly once, and no operation that took no effect.
fn check_all_are_ordered(
    history: &History,
    question: &ObjectQuestion,
    orders: &[Linearization],
    watch: &Watch<'_>,
) -> Result<(), String> {
    let mut ordered = vec![false; history.len()];
    // Each order is replayed from the beginning, so two orders of one object would explain more than one.
    let mut objects: HashSet<KeyId> = HashSet::new();
    for found in orders {
        let object = if has_object_per_key(question.model) { found.key } else { KeyId::NONE };
        if !objects.insert(object) {
            return Err("an object has two orders".to_owned());
        }
        for &id in watch.take_while_in_time(StepCost::Look, found.operations.iter()) {
            if has_object_per_key(question.model) && history.key(id) != found.key {
                return Err(format!("operation {} is of another key", history.operation_index(id)));
            }
            if history.outcome(id) == Outcome::Fail && !is_failed_observation(history, question, id) {
                let index = history.operation_index(id);
                return Err(format!("operation {index} failed, so it cannot be in an order"));
            }
            if std::mem::replace(&mut ordered[id.index()], true) {
                return Err(format!("operation {} is ordered twice", history.operation_index(id)));
            }
        }
    }
    let missing = |id: &OpId| !ordered[id.index()] && must_take_effect(history, question, *id);
    if let Some(id) = watch.take_while_in_time(StepCost::Look, history.ids()).find(missing) {
        return Err(format!("operation {} is in no order", history.operation_index(id)));
    }
    Ok(())
}

fn check_all_cores(
    history: &History,
    question: &ObjectQuestion,
    violations: &[Violation],
    watch: &Watch<'_>,
) -> Result<Confirmation, Mismatch> {
    let objects = OperationsByObject::new(history, question);
    confirm_each(violations, |violation| {
        let core = core_of_violation(violation)?;
        core::check_omitted_operations(&objects, core, watch)?;
        let kept = kept_set_elements(&objects, core);
        let refute = |core: &Core| {
            let refutation = CoreRefutation { core, history, began: &invocation_moment, watch };
            run_with_specification(history, question, core.key, &core.operations, kept.as_ref(), refutation)
        };
        let refuted = refute(core)?;
        let has_no_order = |core: &Core| match refute(core) {
            Ok(Confirmation::TooLarge) => None,
            refuted => Some(refuted.is_ok()),
        };
        let named = anomaly_names::check_name(&objects, violation.kind.as_str(), core, &has_no_order)?;
        Ok(refuted.and(named))
    })
}

/// Checks the evidence of each violation, in parallel. The result is that of the violation of which least was checked.
fn confirm_each(
    violations: &[Violation],
    confirm: impl Fn(&Violation) -> ConfirmationResult + Send + Sync,
) -> Result<Confirmation, Mismatch> {
    let all: Result<Vec<Confirmation>, String> = violations.par_iter().map(confirm).collect();
    Ok(all?.into_iter().fold(Confirmation::Confirmed, Confirmation::and))
}

/// The core that shows a violation, which must be about the same operations.
fn core_of_violation(violation: &Violation) -> Result<&Core, String> {
    let Evidence::Core(core) = &violation.evidence else {
        return Err("the evidence of this level is a core".to_owned());
    };
    match violation.key == core.key && violation.operations == core.operations {
        true => Ok(core),
        false => Err("it is told of other operations than its core".to_owned()),
    }
}

/// The elements that a core is about, if it is one of a set.
fn kept_set_elements(objects: &OperationsByObject<'_>, core: &Core) -> Option<elements::KeptSetElements> {
    let here = objects.operations_of(core.key);
    (objects.question.model == Model::Set)
        .then(|| elements::KeptSetElements::from_core(objects.history, here, core))
}

/// The operations of each object.
struct OperationsByObject<'a> {
    history: &'a History,
    question: &'a ObjectQuestion,
    /// By key, in the order of invocation. If the specification is one object for all keys, all operations are under
    /// the first key.
    by_key: Vec<Vec<OpId>>,
}

impl<'a> OperationsByObject<'a> {
    fn new(history: &'a History, question: &'a ObjectQuestion) -> Self {
        let mut by_key = vec![Vec::new(); history.keys.len()];
        for id in history.ids() {
            let key = if has_object_per_key(question.model) { history.key(id) } else { KeyId::NONE };
            by_key[key.index()].push(id);
        }
        Self { history, question, by_key }
    }

    fn operations_of(&self, key: KeyId) -> &[OpId] {
        let key = if has_object_per_key(self.question.model) { key } else { KeyId::NONE };
        &self.by_key[key.index()]
    }
}

/// Whether each key is an object of its own.
fn has_object_per_key(model: Model) -> bool {
    model != Model::MultiRegister
}

/// Whether the operation is part of every execution.
fn must_take_effect(history: &History, question: &ObjectQuestion, id: OpId) -> bool {
    match history.outcome(id) {
        Outcome::Ok => true,
        Outcome::Info => false,
        Outcome::Fail => is_failed_observation(history, question, id),
    }
}

/// Whether the operation failed and its failure counts as an observation of the state.
fn is_failed_observation(history: &History, question: &ObjectQuestion, id: OpId) -> bool {
    history.outcome(id) == Outcome::Fail
        && history.function(id) == Function::CAS
        && question.failed_cas == FailedCas::Observes
        && question.model != Model::Kv
}

/// A moment of the history. Events happen at even moments: the event at position p at 2p.
type Moment = u64;

/// When an operation was invoked.
fn invocation_moment(operation: &Operation) -> Moment {
    2 * Moment::from(operation.invoked)
}

/// When an operation had taken effect, if it did.
fn completion_moment(history: &History, id: OpId) -> Moment {
    match returned_position(history, id) {
        NEVER => Moment::MAX,
        position => 2 * Moment::from(position),
    }
}

/// The position after which the operation has taken effect, if it did.
fn returned_position(history: &History, id: OpId) -> u32 {
    if history.outcome(id) == Outcome::Info { NEVER } else { history.completed(id) }
}

/// A computation that is generic over the specification. `any` are all states in which the object may be at some
/// moment.
trait WithSpecification {
    fn run_with<S: Specification>(
        self,
        specification: &S,
        call: &mut dyn FnMut(OpId) -> Call,
        any: &dyn Fn() -> Vec<S::State>,
    ) -> ConfirmationResult;
}

type ConfirmationResult = Result<Confirmation, String>;

/// When each operation begins: where it was invoked, or earlier.
type BeginningOf<'a> = &'a (dyn Fn(&Operation) -> Moment + Sync);

struct OrderReplay<'a> {
    found: &'a Linearization,
    history: &'a History,
    began: BeginningOf<'a>,
    watch: &'a Watch<'a>,
}

impl WithSpecification for OrderReplay<'_> {
    fn run_with<S: Specification>(
        self,
        specification: &S,
        call: &mut dyn FnMut(OpId) -> Call,
        _: &dyn Fn() -> Vec<S::State>,
    ) -> ConfirmationResult {
        let operations = self.found.operations.iter().copied();
        let operations = self.watch.take_while_in_time(StepCost::Follow, operations);
        order::replay_order(self.history, specification, call, self.began, operations)
            .map(|()| Confirmation::Confirmed)
    }
}

struct CoreRefutation<'a> {
    core: &'a Core,
    history: &'a History,
    began: BeginningOf<'a>,
    watch: &'a Watch<'a>,
}

impl WithSpecification for CoreRefutation<'_> {
    fn run_with<S: Specification>(
        self,
        specification: &S,
        call: &mut dyn FnMut(OpId) -> Call,
        any: &dyn Fn() -> Vec<S::State>,
    ) -> ConfirmationResult {
        // Only a core that begins later begins in any state.
        let any = if self.core.from.is_some() { any() } else { Vec::new() };
        if self.core.from.is_some() && any.is_empty() {
            return Err("a core of this model has to begin at the beginning".to_owned());
        }
        let (began, watch) = (self.began, self.watch);
        core::try_every_order(self.history, specification, call, self.core, &any, (began, watch))
    }
}

/// Represents any value that no operation mentions.
const OTHER: ValueId = ValueId::from_raw(u32::MAX - 1);

/// Runs a computation with the specification that the question names, for some operations on one object. `kept` restricts a set to
/// some of its elements. A register may begin with any value that the operations mention, or with one other value. Other values
/// that the operations do not mention need not be distinguished.
fn run_with_specification(
    history: &History,
    question: &ObjectQuestion,
    key: KeyId,
    operations: &[OpId],
    kept: Option<&elements::KeptSetElements>,
    what: impl WithSpecification,
) -> ConfirmationResult {
    let mut lists = CallValues::new(history);
    let values = CallValues::new(history);
    let initial = question.initial.value_of_key(key);
    let mentioned = || operations.iter().flat_map(|&id| values_of_operation(history, id));
    match question.model {
        Model::Kv => {
            let any = || {
                let mut any: Vec<std::sync::Arc<str>> =
                    mentioned().map(|id| lists.decode_string(id).into()).collect();
                any.push("no operation wrote this".into());
                any.sort_unstable();
                any.dedup();
                any
            };
            what.run_with(
                &specification::Kv::new(&lists, mentioned()),
                &mut |id| values.call_of_operation(id),
                &any,
            )
        }
        Model::Register | Model::CasRegister => {
            let any = || {
                let mut any: Vec<ValueId> = mentioned().chain([initial, OTHER]).collect();
                any.sort_unstable();
                any.dedup();
                any
            };
            what.run_with(&specification::Register { initial }, &mut |id| values.call_of_operation(id), &any)
        }
        Model::MultiRegister => {
            let of = |key| question.initial.value_of_key(KeyId::new(key));
            let model = specification::MultiRegister { initial: (0..history.keys.len()).map(of).collect() };
            what.run_with(&model, &mut |id| values.call_of_operation(id), &Vec::new)
        }
        Model::Counter => {
            let initial = question.initial.integer_of_key(history, key);
            what.run_with(
                &specification::Counter { values: &lists, initial },
                &mut |id| values.call_of_operation(id),
                &Vec::new,
            )
        }
        Model::Set => {
            // The lists that reads returned must be decoded before the first step.
            let calls: Vec<(OpId, Call)> = operations.iter().map(|&id| (id, lists.decode_call(id))).collect();
            let mut calls = CallsInTurn::new(&calls);
            let set = specification::Set { values: &lists };
            match kept {
                Some(kept) => {
                    let projected = elements::ProjectedSet { set, kept };
                    what.run_with(&projected, &mut |id| calls.call_of(id), &|| kept.all_states())
                }
                None => what.run_with(&set, &mut |id| calls.call_of(id), &Vec::new),
            }
        }
        Model::Queue => {
            what.run_with(&specification::Fifo, &mut |id| values.call_of_operation(id), &Vec::new)
        }
        Model::Stack => {
            what.run_with(&specification::Lifo, &mut |id| values.call_of_operation(id), &Vec::new)
        }
        Model::PriorityQueue => {
            let model = specification::PriorityQueue::new(&lists, mentioned());
            what.run_with(&model, &mut |id| values.call_of_operation(id), &Vec::new)
        }
        Model::Mutex => {
            what.run_with(&specification::MutexSpecification, &mut |id| values.call_of_operation(id), &|| {
                vec![false, true]
            })
        }
        other => Err(format!("{} has no sequential specification", other.name())),
    }
}

/// Calls that are mostly asked for in turn, so that a table of them is rarely needed.
struct CallsInTurn<'a> {
    calls: &'a [(OpId, Call)],
    next: usize,
    places: OnceCell<rustc_hash::FxHashMap<OpId, usize>>,
}

impl<'a> CallsInTurn<'a> {
    fn new(calls: &'a [(OpId, Call)]) -> Self {
        Self { calls, next: 0, places: OnceCell::new() }
    }

    fn call_of(&mut self, id: OpId) -> Call {
        if self.calls.get(self.next).is_none_or(|call| call.0 != id) {
            let places = || self.calls.iter().enumerate().map(|(place, call)| (call.0, place)).collect();
            self.next = self.places.get_or_init(places)[&id];
        }
        self.next += 1;
        self.calls[self.next - 1].1.clone()
    }
}

/// The values that an operation is given and returns.
fn values_of_operation(history: &History, id: OpId) -> impl Iterator<Item = ValueId> {
    let operation = history.operation(id);
    let given = match operation.argument {
        histories::Argument::Value(value) => [Some(value), None],
        histories::Argument::Pair(old, new) => [Some(old), Some(new)],
        histories::Argument::Micros(_) => [None, None],
    };
    given.into_iter().flatten().chain([operation.result])
}

/// Describes why the specification refuses an operation.
fn describe_refusal(history: &History, id: OpId, why: Refused) -> String {
    format!("operation {} cannot come here, because {}", history.operation_index(id), why.0)
}
