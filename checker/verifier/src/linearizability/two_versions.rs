//! Verifies claims about k-atomicity, at which a read may return one of the last k versions: orders and cores. For k = 2 it is
//! `two-atomic`.
//!
//! A core may leave out what a core of a register may leave out: a write whose value no operation of the core returned or compared with.
//! Without such a write, no read is further behind than before. So the core has an order if the whole history has one.

use super::anomaly_names::check_name_of_level;
use super::{
    OperationsByObject, check_all_are_ordered, confirm_each, core, core_of_violation, invocation_moment,
    order,
};
use crate::watch::{StepCost, Watch};
use crate::{Confirmation, Mismatch};
use claims::specification::{CallValues, Specification, TwoVersionRegister};
use claims::{FailedCas, Linearization, ObjectQuestion, Verdict, Violation, Witness};
use histories::{History, OpId, ValueId};

/// Verifies a verdict on 2-atomicity. The error names the part that does not follow.
pub(crate) fn verify_two_atomicity(
    history: &History,
    question: &ObjectQuestion,
    verdict: &Verdict,
    watch: &Watch<'_>,
) -> Result<Confirmation, Mismatch> {
    let register = |initial| TwoVersionRegister { initial };
    verify_recent_versions(history, question, verdict, ("non-two-atomic", &register), watch)
}

/// Verifies a verdict on reads of one of the last versions. `register` has those versions, for an initial value. Its violations have a name.
pub(super) fn verify_recent_versions<S: Specification>(
    history: &History,
    question: &ObjectQuestion,
    verdict: &Verdict,
    (name, register): (&str, &(dyn Fn(ValueId) -> S + Sync)),
    watch: &Watch<'_>,
) -> Result<Confirmation, Mismatch> {
    let question = &ObjectQuestion { failed_cas: FailedCas::SaysNothing, ..question.clone() };
    match verdict {
        Verdict::Untested(_) | Verdict::Unknown(_) => Ok(Confirmation::Confirmed),
        Verdict::Holds(Witness::Orders(orders)) => {
            check_all_are_ordered(history, question, orders, watch)?;
            orders.iter().try_for_each(|found| {
                let register = register(question.initial.value_of_key(found.key));
                replay(history, &register, found, watch)
            })?;
            Ok(Confirmation::Confirmed)
        }
        Verdict::Holds(_) => Err(Mismatch("a witness of k-atomicity is an order of each object".into())),
        Verdict::Violated(violations) if violations.is_empty() => {
            Err(Mismatch("violated, but by nothing".into()))
        }
        Verdict::Violated(violations) => {
            let objects = OperationsByObject::new(history, question);
            confirm_each(violations, |violation| refute(&objects, violation, (name, register), watch))
        }
    }
}

fn replay<S: Specification>(
    history: &History,
    register: &S,
    found: &Linearization,
    watch: &Watch<'_>,
) -> Result<(), String> {
    let values = CallValues::new(history);
    let operations = watch.take_while_in_time(StepCost::Follow, found.operations.iter().copied());
    let mut call = |id: OpId| values.call_of_operation(id);
    order::replay_order(history, register, &mut call, &invocation_moment, operations)
}

fn refute<S: Specification>(
    objects: &OperationsByObject<'_>,
    violation: &Violation,
    (name, register): (&str, &(dyn Fn(ValueId) -> S + Sync)),
    watch: &Watch<'_>,
) -> Result<Confirmation, String> {
    let found = core_of_violation(violation)?;
    if found.from.is_some() || !found.writes_only.is_empty() {
        return Err("a core of k-atomicity begins at the beginning and has whole operations".to_owned());
    }
    core::check_omitted_operations(objects, found, watch)?;
    let register = register(objects.question.initial.value_of_key(found.key));
    let values = CallValues::new(objects.history);
    let mut call = |id: OpId| values.call_of_operation(id);
    let refuted = core::try_every_order(
        objects.history,
        &register,
        &mut call,
        found,
        &[],
        (&invocation_moment, watch),
    )?;
    check_name_of_level(objects, violation.kind.as_str(), name, found)?;
    Ok(refuted)
}
