//! Replays a linearization.

use super::{Moment, completion_moment, describe_refusal};
use claims::specification::{Call, Specification};
use histories::{History, OpId, Operation};

/// Checks that the order of operations extends real time and that the specification accepts each operation. `invoked` says when an
/// operation counts as invoked. O(n) steps.
pub(super) fn replay_order<S: Specification>(
    history: &History,
    model: &S,
    call: &mut dyn FnMut(OpId) -> Call,
    invoked: &dyn Fn(&Operation) -> Moment,
    operations: impl Iterator<Item = OpId>,
) -> Result<(), String> {
    let mut state = model.initial();
    let mut latest = None;
    for id in operations {
        let began = invoked(&history.operation(id));
        // No operation before this one may have been invoked after this one had returned.
        if let Some((before, invoked)) = latest
            && completion_moment(history, id) < invoked
        {
            let (before, id) = (history.operation_index(before), history.operation_index(id));
            return Err(format!(
                "operation {id} stands after {before}, which was invoked after {id} had returned"
            ));
        }
        if latest.is_none_or(|(_, invoked)| invoked < began) {
            latest = Some((id, began));
        }
        model.step_in_place(&mut state, &call(id)).map_err(|why| describe_refusal(history, id, why))?;
    }
    Ok(())
}
