//! Verifies claims about 2-atomicity, at which a read may be one version behind: orders and cores.
//!
//! A core may leave out what a core of a register may leave out: a write whose value no operation of the core returned or compared with.
//! Without such a write, no read is further behind than before. So the core has an order if the whole history has one.

use super::{OperationsByObject, check_all_are_ordered, core, order};
use crate::watch::{StepCost, Watch};
use crate::{Confirmation, Mismatch};
use claims::specification::{CallValues, TwoVersionRegister};
use claims::{Evidence, FailedCas, Linearization, ObjectQuestion, Verdict, Violation, Witness};
use histories::{History, OpId};

/// Verifies a verdict on 2-atomicity. The error names the part that does not follow.
pub(crate) fn verify_two_atomicity(
    history: &History,
    question: &ObjectQuestion,
    verdict: &Verdict,
    watch: &Watch<'_>,
) -> Result<Confirmation, Mismatch> {
    let question = &ObjectQuestion { failed_cas: FailedCas::SaysNothing, ..question.clone() };
    match verdict {
        Verdict::Untested(_) | Verdict::Unknown(_) => Ok(Confirmation::Confirmed),
        Verdict::Holds(Witness::Orders(orders)) => {
            check_all_are_ordered(history, question, orders, watch)?;
            orders.iter().try_for_each(|found| replay(history, question, found, watch))?;
            Ok(Confirmation::Confirmed)
        }
        Verdict::Holds(_) => Err(Mismatch("a witness of 2-atomicity is an order of each object".into())),
        Verdict::Violated(violations) if violations.is_empty() => {
            Err(Mismatch("violated, but by nothing".into()))
        }
        Verdict::Violated(violations) => {
            let objects = OperationsByObject::new(history, question);
            let mut all = Confirmation::Confirmed;
            for violation in violations {
                if refute(&objects, violation, watch)? == Confirmation::TooLarge {
                    all = Confirmation::TooLarge;
                }
            }
            Ok(all)
        }
    }
}

fn replay(
    history: &History,
    question: &ObjectQuestion,
    found: &Linearization,
    watch: &Watch<'_>,
) -> Result<(), String> {
    let register = TwoVersionRegister { initial: question.initial.value_of_key(found.key) };
    let mut values = CallValues::new(history);
    let operations = watch.take_while_in_time(StepCost::Follow, found.operations.iter().copied());
    order::replay_order(history, &register, &mut |id: OpId| values.call_of_operation(id), operations)
}

fn refute(
    objects: &OperationsByObject<'_>,
    violation: &Violation,
    watch: &Watch<'_>,
) -> Result<Confirmation, String> {
    let Evidence::Core(found) = &violation.evidence else {
        return Err("evidence against 2-atomicity is a core".to_owned());
    };
    if violation.key != found.key || violation.operations != found.operations {
        return Err("it is told of other operations than its core".to_owned());
    }
    if found.from.is_some() || !found.writes_only.is_empty() {
        return Err("a core of 2-atomicity begins at the beginning and has whole operations".to_owned());
    }
    core::check_omitted_operations(objects, found, watch)?;
    let register = TwoVersionRegister { initial: objects.question.initial.value_of_key(found.key) };
    let mut values = CallValues::new(objects.history);
    let mut call = |id: OpId| values.call_of_operation(id);
    core::try_every_order(objects.history, &register, &mut call, found, &[], watch)
}
