//! Replays a linearization.

use super::{describe_refusal, returned_position};
use claims::specification::{Call, Specification};
use histories::{History, OpId};

/// Checks that the order of operations extends real time and that the specification accepts each operation. O(n) steps.
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
        // No operation before this one may have been invoked after this one had returned.
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
        model.step_in_place(&mut state, &call(id)).map_err(|why| describe_refusal(history, id, why))?;
    }
    Ok(())
}
