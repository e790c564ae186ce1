//! Explains why each order of a core fails: how far an order gets, and what prevents the next step.
//!
//! A user wants to see the argument for "no order of these explains what they returned". The orders are tried as with
//! pencil and paper. A step takes any operation that may come next (it began before any remaining operation had
//! returned) and that the object would have answered like this. A dead end is a point where no operation can be taken
//! but some must still come. Every order of the core runs into a dead end.
//!
//! Orders that lead to the same state with the same operations done continue in the same way, so each such point is
//! reported once. A core has few operations. If there are more dead ends than a user would read, or if finding them
//! takes too long, the result is empty and only the evidence is shown.

use super::{ConfirmationResult, WithSpecification, returned_position, run_with_specification};
use crate::Confirmation;
use claims::specification::{Call, CallInput, Specification};
use claims::{Core, Model as ModelName, ObjectQuestion};
use histories::{Function, History, NEVER, OpId, ValueId};
use std::collections::HashSet;

/// The maximum number of points that are examined before the explanation is given up.
const PLACES_MAX: usize = 20_000;

/// A point from which no order continues.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadEnd {
    /// The operations that have taken effect, in a possible order.
    pub order: Vec<OpId>,
    /// The value that a register holds at this point; `None` for other models.
    pub holds: Option<ValueId>,
    /// Every operation that may come next, with the reason why the object would not have answered like this.
    pub refused: Vec<(OpId, &'static str)>,
}

/// The dead ends of a core, at most `max` of them. `None` if there are more, or if the core does not begin with the
/// history, so that the object may hold any value at first.
///
/// ```
/// # use claims::{Evidence, Limits, Question, Verdict};
/// let history = histories::notation::parse("
///     a: [w1]  [w2]
///     b:             [r1]
/// ").unwrap();
/// let question = Question::recognised(&history).unwrap();
/// let report = checker::check(&history, &question, &Limits::unbounded()).unwrap();
/// # let Verdict::Violated(violations) = &report.answers[0].verdict else { panic!() };
/// # let Evidence::Core(core) = &violations[0].evidence else { panic!() };
/// let found = verifier::dead_ends(&history, &question.about_objects(&history), core, 8).unwrap();
/// assert_eq!(found.len(), 1);
/// assert_eq!(found[0].order.len(), 2);
/// assert_eq!(history.value_text(found[0].holds.unwrap()), "2");
/// assert_eq!(found[0].refused[0].1, "the register holds another value");
/// ```
pub fn dead_ends(
    history: &History,
    question: &ObjectQuestion,
    core: &Core,
    max: usize,
) -> Option<Vec<DeadEnd>> {
    if core.from.is_some() {
        return None;
    }
    let mut found = Some(Vec::new());
    let register = matches!(question.model, ModelName::Register | ModelName::CasRegister);
    let search = DeadEndSearch { history, core, max, register, found: &mut found };
    // An error is impossible here, because nothing is claimed.
    let kept = super::kept_set_elements(&super::OperationsByObject::new(history, question), core);
    run_with_specification(history, question, core.key, &core.operations, kept.as_ref(), search).ok()?;
    found
}

struct DeadEndSearch<'a> {
    history: &'a History,
    core: &'a Core,
    max: usize,
    register: bool,
    found: &'a mut Option<Vec<DeadEnd>>,
}

struct NextOperation {
    id: OpId,
    call: Call,
    invoked: u32,
    returned: u32,
}

impl WithSpecification for DeadEndSearch<'_> {
    fn run_with<S: Specification>(
        self,
        model: &S,
        call: &mut dyn FnMut(OpId) -> Call,
        _: &dyn Fn() -> Vec<S::State>,
    ) -> ConfirmationResult {
        let pieces: Vec<NextOperation> =
            self.core.operations.iter().map(|&id| self.operation_of_core(id, call(id))).collect();
        if pieces.len() > 64 {
            *self.found = None;
            return Ok(Confirmation::TooLarge);
        }
        let mut todo: Vec<(u64, S::State, Vec<usize>)> = vec![(0, model.initial(), Vec::new())];
        let mut seen: HashSet<(u64, S::State)> = HashSet::new();
        let mut ends = Vec::new();
        while let Some((happened, state, order)) = todo.pop() {
            let left = |at: &usize| happened >> at & 1 == 0;
            let first = (0..pieces.len()).filter(left).map(|at| pieces[at].returned).min().unwrap_or(NEVER);
            let mut refused = Vec::new();
            let mut goes_on = false;
            for at in (0..pieces.len()).rev().filter(left).filter(|&at| pieces[at].invoked < first) {
                match model.step(&state, &pieces[at].call) {
                    Ok(next) => {
                        goes_on = true;
                        let then = happened | 1 << at;
                        if seen.insert((then, next.clone())) {
                            todo.push((then, next, [&order[..], &[at]].concat()));
                        }
                    }
                    Err(why) => refused.push((pieces[at].id, why.0)),
                }
            }
            if !goes_on {
                refused.reverse();
                ends.push(self.describe_dead_end(&pieces, &order, refused));
            }
            if ends.len() > self.max || seen.len() > PLACES_MAX {
                *self.found = None;
                return Ok(Confirmation::TooLarge);
            }
        }
        *self.found = Some(ends);
        Ok(Confirmation::Confirmed)
    }
}

impl DeadEndSearch<'_> {
    /// An operation of the core, with its call and its interval as the core defines them.
    fn operation_of_core(&self, id: OpId, mut call: Call) -> NextOperation {
        if self.core.writes_only.contains(&id)
            && let CallInput::Pair(_, new) = call.input
        {
            call.function = Function::WRITE;
            call.input = CallInput::Value(new);
        }
        let returned = returned_position(self.history, id);
        let returned = if returned > self.core.until { NEVER } else { returned };
        NextOperation { id, call, invoked: self.history.operation(id).invoked, returned }
    }

    fn describe_dead_end(
        &self,
        pieces: &[NextOperation],
        order: &[usize],
        refused: Vec<(OpId, &'static str)>,
    ) -> DeadEnd {
        let written = |&at: &usize| match pieces[at].call.input {
            CallInput::Pair(_, new) if !pieces[at].call.refused => Some(new),
            CallInput::Value(value) => match pieces[at].call.function {
                Function::WRITE | Function::PUT => Some(value),
                Function::DELETE => Some(ValueId::NULL),
                _ => None,
            },
            _ => None,
        };
        let holds = order.iter().rev().find_map(written).filter(|_| self.register);
        DeadEnd { order: order.iter().map(|&at| pieces[at].id).collect(), holds, refused }
    }
}
