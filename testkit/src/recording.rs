//! One operation at a time into a history.

use histories::{Completion, HistoryBuilder, Invocation, OpId, Outcome, Payload};

/// Adds an operation that is invoked and ends `ok` before anything else happens. Returns its id. Panics if its process is busy.
pub fn record_operation(
    builder: &mut HistoryBuilder,
    invocation: Invocation<'_>,
    result: Payload<'_>,
) -> OpId {
    let process = invocation.process;
    builder.invoke(invocation).expect("the process has no open operation");
    let completion = Completion { process, outcome: Outcome::Ok, function: None, key: None, payload: result };
    builder.complete(completion).expect("the operation was just invoked")
}
