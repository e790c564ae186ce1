//! Checks again what the engines say, from the definition and the models alone.
//!
//! Nothing in here knows of zones, frontiers or memos. An [`Order`] is replayed: every operation that must be in it is
//! there once, no operation stands after one that was invoked when it had already returned, and the model accepts each.
//! A [`Core`] is held against the rules of what may be left out, and then every order of what is left is tried.

mod core;
mod order;
pub mod why;

use super::{Core, Order};
use crate::Verdict;
use crate::check::{Anomaly, Evidence, Model, Question, Witness};
use crate::models::{self, Call, Refused, Values};
use histories::{Function, History, Id, NEVER, OpId, Outcome, ValueId};

/// How far evidence could be checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recheck {
    /// All of it is right.
    Confirmed,
    /// What was checked is right, but there are too many orders of a core to try them all; or, of a causal order, what
    /// precedes each operation takes too much memory to look at.
    TooLarge,
}

/// Checks a verdict on linearizability again. The error says what is wrong with it: a bug in this program.
///
/// O(n) steps of the model for orders; for a core, at most a bounded effort, after which the answer is
/// [`Recheck::TooLarge`].
pub fn verdict(
    history: &History,
    question: &Question,
    verdict: &Verdict<Witness, Vec<Anomaly>>,
) -> Result<Recheck, String> {
    match verdict {
        Verdict::Holds(Witness::Orders(orders)) => orders_of(history, question, orders),
        Verdict::Holds(_) => Err("a witness of linearizability is an order of each object".to_owned()),
        Verdict::Violated(anomalies) if anomalies.is_empty() => Err("violated, but by nothing".to_owned()),
        Verdict::Violated(anomalies) => {
            let mut worst = Recheck::Confirmed;
            for anomaly in anomalies {
                let Evidence::Core(core) = &anomaly.evidence else {
                    return Err("evidence against linearizability is a core".to_owned());
                };
                if core_of(history, question, core)? == Recheck::TooLarge {
                    worst = Recheck::TooLarge;
                }
            }
            Ok(worst)
        }
        Verdict::Unknown(_) => Ok(Recheck::Confirmed),
    }
}

/// Every operation that must be in some order is in the order of its object.
fn orders_of(history: &History, question: &Question, orders: &[Order]) -> Result<Recheck, String> {
    let mut ordered = vec![false; history.len()];
    for found in orders {
        for &id in &found.operations {
            if !is_local(question.model) && history.key(id) != found.key {
                return Err(format!("operation {} is of another key", history.index(id)));
            }
            if std::mem::replace(&mut ordered[id.index()], true) {
                return Err(format!("operation {} is ordered twice", history.index(id)));
            }
        }
    }
    let missing = |id: &OpId| !ordered[id.index()] && must_happen(history, question, *id);
    if let Some(id) = history.ids().find(missing) {
        return Err(format!("operation {} is in no order", history.index(id)));
    }
    for found in orders {
        with_model(history, question, Replay(found, history))?;
    }
    Ok(Recheck::Confirmed)
}

fn core_of(history: &History, question: &Question, found: &Core) -> Result<Recheck, String> {
    core::is_sound(history, question, found)?;
    with_model(history, question, Refute(found, history))
}

/// Whether the model is one object, whatever the keys.
fn is_local(model: Model) -> bool {
    model == Model::MultiRegister
}

/// Whether an operation is part of every execution.
fn must_happen(history: &History, question: &Question, id: OpId) -> bool {
    match history.outcome(id) {
        Outcome::Ok => true,
        Outcome::Info => false,
        Outcome::Fail => observes(history, question, id),
    }
}

/// Whether an operation failed and yet says something.
fn observes(history: &History, question: &Question, id: OpId) -> bool {
    history.outcome(id) == Outcome::Fail
        && history.function(id) == Function::CAS
        && question.failed_cas == crate::check::FailedCas::Observes
        && question.model != Model::Kv
}

/// The position after which an operation has happened, if it happened.
fn returned(history: &History, id: OpId) -> u32 {
    if history.outcome(id) == Outcome::Info { NEVER } else { history.operation(id).completed }
}

/// Something that can be done with any model.
trait WithModel {
    fn run<M: models::Model>(
        self,
        model: &M,
        values: &mut dyn FnMut(OpId) -> Call,
        any: &[M::State],
    ) -> Answer;
}

type Answer = Result<Recheck, String>;

struct Replay<'a>(&'a Order, &'a History);

impl WithModel for Replay<'_> {
    fn run<M: models::Model>(self, model: &M, call: &mut dyn FnMut(OpId) -> Call, _: &[M::State]) -> Answer {
        order::replay(self.1, model, call, &self.0.operations).map(|()| Recheck::Confirmed)
    }
}

struct Refute<'a>(&'a Core, &'a History);

impl WithModel for Refute<'_> {
    fn run<M: models::Model>(
        self,
        model: &M,
        call: &mut dyn FnMut(OpId) -> Call,
        any: &[M::State],
    ) -> Answer {
        if self.0.from.is_some() && any.is_empty() {
            return Err("a core of this model has to begin at the beginning".to_owned());
        }
        core::try_every_order(self.1, model, call, self.0, any)
    }
}

/// Runs with the model that a question names. A register can begin with any value that the history mentions, or with
/// one that it does not.
fn with_model(history: &History, question: &Question, what: impl WithModel) -> Answer {
    let lists = Values::new(history);
    let mut values = Values::new(history);
    let register = models::Register { initial: question.initial };
    match question.model {
        Model::Kv => {
            let texts = history.values.iter().map(|(id, _)| lists.string(id));
            let mut any: Vec<std::sync::Arc<str>> = texts.map(Into::into).collect();
            any.push("no operation wrote this".into());
            what.run(
                &models::Kv::new(&lists, history.values.iter().map(|(id, _)| id)),
                &mut |id| values.call(id),
                &any,
            )
        }
        Model::Register | Model::CasRegister => {
            let mut any: Vec<ValueId> = (0..history.values.len()).map(ValueId::new).collect();
            any.push(ValueId::from_raw(u32::MAX - 1));
            what.run(&register, &mut |id| values.call(id), &any)
        }
        Model::MultiRegister => {
            let model = models::MultiRegister { initial: vec![question.initial; history.keys.len()] };
            what.run(&model, &mut |id| values.call(id), &[])
        }
        Model::Counter => {
            let initial = lists.integer(question.initial).unwrap_or(0);
            what.run(&models::Counter { values: &lists, initial }, &mut |id| values.call(id), &[])
        }
        Model::Set => {
            // The lists that reads returned have to be known before the first step.
            let mut lists = lists;
            let calls: Vec<Call> = history.ids().map(|id| lists.call(id)).collect();
            what.run(&models::Set { values: &lists }, &mut |id| calls[id.index()].clone(), &[])
        }
        Model::Queue => what.run(&models::Fifo, &mut |id| values.call(id), &[]),
        Model::Stack => what.run(&models::Lifo, &mut |id| values.call(id), &[]),
        Model::Mutex => what.run(&models::Mutex, &mut |id| values.call(id), &[false, true]),
    }
}

/// A model's refusal of an operation, for people.
fn refusal(history: &History, id: OpId, why: Refused) -> String {
    format!("operation {} cannot come here, because {}", history.index(id), why.0)
}
