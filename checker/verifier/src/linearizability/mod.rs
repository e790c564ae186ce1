//! Verifies claims about linearizability from the definition and the specifications alone.
//!
//! This code uses neither zones nor frontiers nor memoization. A [`Linearization`] is replayed: it must contain every
//! required operation once, no operation may come after one that was invoked when it had already returned, and the
//! specification must accept each operation. For a [`Core`], the verifier checks that the omitted operations may be
//! omitted, and tries every order of the others.
//!
//! Objects are checked in parallel, each with its own operations: linear in the history, whatever the number of
//! objects.

mod core;
mod order;
pub(crate) mod why;

use crate::watch::{Cost, Watch};
use crate::{Confirmation, Mismatch, Standing};
use claims::specification::{self, Call, Refused, Specification, Values};
use claims::{
    Assume, Core, Evidence, FailedCas, Initial, Limits, Linearization, Model, ObjectQuestion, Verdict,
    Violation, Witness,
};
use histories::{Function, History, Id, KeyId, NEVER, OpId, Outcome, ValueId};
use rayon::prelude::*;

/// Verifies a verdict on linearizability. The error names the part that does not follow.
///
/// Orders take O(n) steps of the specification. A core takes a bounded effort; if that is not enough, the result is
/// [`Confirmation::TooLarge`].
pub(crate) fn verdict(
    history: &History,
    question: &ObjectQuestion,
    verdict: &Verdict,
    watch: &Watch<'_>,
) -> Result<Confirmation, Mismatch> {
    match verdict {
        Verdict::Holds(Witness::Orders(orders)) => all_orders(history, question, orders, watch)?,
        Verdict::Holds(_) => {
            return Err(Mismatch("a witness of linearizability is an order of each object".into()));
        }
        Verdict::Violated(violations) if violations.is_empty() => {
            return Err(Mismatch("violated, but by nothing".into()));
        }
        Verdict::Violated(violations) => return all_cores(history, question, violations, watch),
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
    let watch = Watch::of(limits);
    let question = &ObjectQuestion {
        model: Model::Register,
        initial: Initial::all(ValueId::NULL),
        failed_cas: FailedCas::SaysNothing,
        assume: Assume::default(),
    };
    let mut values = Values::new(history);
    // The lists that reads returned must be decoded before the first step.
    let calls: Vec<Call> = history.ids().map(|id| values.call(id)).collect();
    let mut call = |id: OpId| calls[id.index()].clone();
    let result = match verdict {
        Verdict::Holds(Witness::Orders(orders)) => all_are_ordered(history, question, orders, &watch)
            .and_then(|()| {
                orders.iter().try_for_each(|found| {
                    let operations = watch.watched(Cost::Follow, found.operations.iter().copied());
                    order::replay(history, specification, &mut call, operations)
                })?;
                Ok(Confirmation::Confirmed)
            }),
        Verdict::Violated(violations) if !violations.is_empty() => {
            let mut worst = Ok(Confirmation::Confirmed);
            for violation in violations {
                let Evidence::Core(core) = &violation.evidence else {
                    worst = Err("evidence against linearizability is a core".to_owned());
                    break;
                };
                let checked = core::leaves_out_reads(history, specification, &calls, core).and_then(|()| {
                    core::try_every_order(history, specification, &mut call, core, &[], &watch)
                });
                match checked {
                    Ok(Confirmation::Confirmed) => {}
                    other => worst = other,
                }
                if worst.is_err() {
                    break;
                }
            }
            worst
        }
        Verdict::Holds(_) | Verdict::Violated(_) => Err("it rests on nothing that can be checked".to_owned()),
        Verdict::Untested(_) | Verdict::Unknown(_) => Ok(Confirmation::Confirmed),
    };
    if watch.is_over() { Standing::Unchecked } else { crate::told(result.map_err(Mismatch)) }
}

/// Checks that every required operation is in the order of its object, and that each order is legal.
fn all_orders(
    history: &History,
    question: &ObjectQuestion,
    orders: &[Linearization],
    watch: &Watch<'_>,
) -> Result<(), String> {
    all_are_ordered(history, question, orders, watch)?;
    orders.par_iter().try_for_each(|found| {
        with_specification(history, question, found.key, &found.operations, Replay(found, history, watch))
            .map(|_| ())
    })
}

/// Checks that every required operation is in the order of its object, exactly once.
fn all_are_ordered(
    history: &History,
    question: &ObjectQuestion,
    orders: &[Linearization],
    watch: &Watch<'_>,
) -> Result<(), String> {
    let mut ordered = vec![false; history.len()];
    for found in orders {
        for &id in watch.watched(Cost::Look, found.operations.iter()) {
            if is_local(question.model) && history.key(id) != found.key {
                return Err(format!("operation {} is of another key", history.index(id)));
            }
            if std::mem::replace(&mut ordered[id.index()], true) {
                return Err(format!("operation {} is ordered twice", history.index(id)));
            }
        }
    }
    let missing = |id: &OpId| !ordered[id.index()] && must_happen(history, question, *id);
    if let Some(id) = watch.watched(Cost::Look, history.ids()).find(missing) {
        return Err(format!("operation {} is in no order", history.index(id)));
    }
    Ok(())
}

fn all_cores(
    history: &History,
    question: &ObjectQuestion,
    violations: &[Violation],
    watch: &Watch<'_>,
) -> Result<Confirmation, Mismatch> {
    let objects = Objects::new(history, question);
    let one = |violation: &Violation| {
        let Evidence::Core(core) = &violation.evidence else {
            return Err("evidence against linearizability is a core".to_owned());
        };
        if violation.key != core.key || violation.operations != core.operations {
            return Err("it is told of other operations than its core".to_owned());
        }
        core::is_sound(&objects, core, watch)?;
        with_specification(history, question, core.key, &core.operations, Refute(core, history, watch))
    };
    let all: Result<Vec<Confirmation>, String> = violations.par_iter().map(one).collect();
    let too_large = all?.contains(&Confirmation::TooLarge);
    Ok(if too_large { Confirmation::TooLarge } else { Confirmation::Confirmed })
}

/// The operations of each object.
struct Objects<'a> {
    history: &'a History,
    question: &'a ObjectQuestion,
    /// By key, in the order of invocation. If the specification is one object for all keys, all operations are under
    /// the first key.
    by_key: Vec<Vec<OpId>>,
}

impl<'a> Objects<'a> {
    fn new(history: &'a History, question: &'a ObjectQuestion) -> Self {
        let mut by_key = vec![Vec::new(); history.keys.len()];
        for id in history.ids() {
            let key = if is_local(question.model) { history.key(id) } else { KeyId::NONE };
            by_key[key.index()].push(id);
        }
        Self { history, question, by_key }
    }

    fn of(&self, key: KeyId) -> &[OpId] {
        let key = if is_local(self.question.model) { key } else { KeyId::NONE };
        &self.by_key[key.index()]
    }
}

/// Whether each key is an object of its own.
fn is_local(model: Model) -> bool {
    model != Model::MultiRegister
}

/// Whether the operation is part of every execution.
fn must_happen(history: &History, question: &ObjectQuestion, id: OpId) -> bool {
    match history.outcome(id) {
        Outcome::Ok => true,
        Outcome::Info => false,
        Outcome::Fail => observes(history, question, id),
    }
}

/// Whether the operation failed and its failure counts as an observation of the state.
fn observes(history: &History, question: &ObjectQuestion, id: OpId) -> bool {
    history.outcome(id) == Outcome::Fail
        && history.function(id) == Function::CAS
        && question.failed_cas == FailedCas::Observes
        && question.model != Model::Kv
}

/// The position after which the operation has taken effect, if it did.
fn returned(history: &History, id: OpId) -> u32 {
    if history.outcome(id) == Outcome::Info { NEVER } else { history.operation(id).completed }
}

/// A computation that is generic over the specification. `any` are all states in which the object may be at some
/// moment.
trait WithSpecification {
    fn run<S: Specification>(
        self,
        specification: &S,
        call: &mut dyn FnMut(OpId) -> Call,
        any: &[S::State],
    ) -> Checked;
}

type Checked = Result<Confirmation, String>;

struct Replay<'a>(&'a Linearization, &'a History, &'a Watch<'a>);

impl WithSpecification for Replay<'_> {
    fn run<S: Specification>(
        self,
        specification: &S,
        call: &mut dyn FnMut(OpId) -> Call,
        _: &[S::State],
    ) -> Checked {
        let operations = self.2.watched(Cost::Follow, self.0.operations.iter().copied());
        order::replay(self.1, specification, call, operations).map(|()| Confirmation::Confirmed)
    }
}

struct Refute<'a>(&'a Core, &'a History, &'a Watch<'a>);

impl WithSpecification for Refute<'_> {
    fn run<S: Specification>(
        self,
        specification: &S,
        call: &mut dyn FnMut(OpId) -> Call,
        any: &[S::State],
    ) -> Checked {
        if self.0.from.is_some() && any.is_empty() {
            return Err("a core of this model has to begin at the beginning".to_owned());
        }
        core::try_every_order(self.1, specification, call, self.0, any, self.2)
    }
}

/// Represents any value that no operation mentions.
const OTHER: ValueId = ValueId::from_raw(u32::MAX - 1);

/// Runs a computation with the specification that the question names, for some operations on one object. For these
/// operations, a register may begin with any value that they mention, or with one that they do not mention. Such other
/// values need not be distinguished.
fn with_specification(
    history: &History,
    question: &ObjectQuestion,
    key: KeyId,
    operations: &[OpId],
    what: impl WithSpecification,
) -> Checked {
    let mut lists = Values::new(history);
    let mut values = Values::new(history);
    let initial = question.initial.of(key);
    let mentioned = || operations.iter().flat_map(|&id| values_of(history, id));
    match question.model {
        Model::Kv => {
            let mut any: Vec<std::sync::Arc<str>> = mentioned().map(|id| lists.string(id).into()).collect();
            any.push("no operation wrote this".into());
            any.sort_unstable();
            any.dedup();
            what.run(&specification::Kv::new(&lists, mentioned()), &mut |id| values.call(id), &any)
        }
        Model::Register | Model::CasRegister => {
            let mut any: Vec<ValueId> = mentioned().chain([initial, OTHER]).collect();
            any.sort_unstable();
            any.dedup();
            what.run(&specification::Register { initial }, &mut |id| values.call(id), &any)
        }
        Model::MultiRegister => {
            let of = |key| question.initial.of(KeyId::new(key));
            let model = specification::MultiRegister { initial: (0..history.keys.len()).map(of).collect() };
            what.run(&model, &mut |id| values.call(id), &[])
        }
        Model::Counter => {
            let initial = question.initial.integer(history, key);
            what.run(&specification::Counter { values: &lists, initial }, &mut |id| values.call(id), &[])
        }
        Model::Set => {
            // The lists that reads returned must be decoded before the first step.
            let calls: Vec<(OpId, Call)> = operations.iter().map(|&id| (id, lists.call(id))).collect();
            let calls: rustc_hash::FxHashMap<OpId, Call> = calls.into_iter().collect();
            what.run(&specification::Set { values: &lists }, &mut |id| calls[&id].clone(), &[])
        }
        Model::Queue => what.run(&specification::Fifo, &mut |id| values.call(id), &[]),
        Model::Stack => what.run(&specification::Lifo, &mut |id| values.call(id), &[]),
        Model::Mutex => what.run(&specification::Mutex, &mut |id| values.call(id), &[false, true]),
        other => Err(format!("{} has no sequential specification", other.name())),
    }
}

/// The values that an operation is given and returns.
fn values_of(history: &History, id: OpId) -> impl Iterator<Item = ValueId> {
    let operation = history.operation(id);
    let given = match operation.argument {
        histories::Argument::Value(value) => [Some(value), None],
        histories::Argument::Pair(old, new) => [Some(old), Some(new)],
        histories::Argument::Micros(_) => [None, None],
    };
    given.into_iter().flatten().chain([operation.result])
}

/// Describes why the specification refuses an operation.
fn refusal(history: &History, id: OpId, why: Refused) -> String {
    format!("operation {} cannot come here, because {}", history.index(id), why.0)
}
