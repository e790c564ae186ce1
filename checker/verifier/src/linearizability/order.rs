//! Replays an order.

use super::{describe_refusal, returned_position};
use claims::specification::{Call, Specification};
use histories::{History, OpId, Outcome};

/// Whether the operations, in this order, extend real time and are accepted by the model. O(n) steps.
pub(super) fn replay_order<S: Specification>(
    history: &History,
    model: &S,
    call: &mut dyn FnMut(OpId) -> Call,
    operations: impl Iterator<Item = OpId>,
) -> Result<(), String> {
    let mut state = model.initial();
    let mut latest = None;
    for id in operations {
        let operation = history.operation(id);
        // Whatever stands before this operation must not have been invoked after it had returned.
        if let Some((before, invoked)) = latest
            && returned_position(history, id) < invoked
        {
            let (before, id) = (history.operation_index(before), history.operation_index(id));
            return Err(format!(
                "operation {id} stands after {before}, which was invoked after {id} had returned"
            ));
        }
        if latest.is_none_or(|(_, invoked)| invoked < operation.invoked) {
            latest = Some((id, operation.invoked));
        }
        let call = call(id);
        if operation.outcome == Outcome::Fail && !call.refused {
            return Err(format!(
                "operation {} failed, so it cannot be in an order",
                history.operation_index(id)
            ));
        }
        model.step_in_place(&mut state, &call).map_err(|why| describe_refusal(history, id, why))?;
    }
    Ok(())
}
