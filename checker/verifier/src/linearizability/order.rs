//! Replays a linearization.

use super::{refusal, returned};
use claims::specification::{Call, Specification};
use histories::{History, OpId, Outcome};

/// Checks that the order of operations extends real time and that the specification accepts each operation. O(n) steps.
pub(super) fn replay<S: Specification>(
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
            && returned(history, id) < invoked
        {
            let (before, id) = (history.index(before), history.index(id));
            return Err(format!(
                "operation {id} stands after {before}, which was invoked after {id} had returned"
            ));
        }
        if latest.is_none_or(|(_, invoked)| invoked < operation.invoked) {
            latest = Some((id, operation.invoked));
        }
        let call = call(id);
        if operation.outcome == Outcome::Fail && !call.refused {
            return Err(format!("operation {} failed, so it cannot be in an order", history.index(id)));
        }
        model.apply(&mut state, &call).map_err(|why| refusal(history, id, why))?;
    }
    Ok(())
}
