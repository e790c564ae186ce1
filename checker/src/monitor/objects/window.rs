//! Builds a history from operations that are kept, for the offline engines.

use super::kept::KeptOperation;
use crate::monitor::window::{WindowDetail, WindowEvent, WindowWriter, end_in_window, order_window_events};
use histories::{Completion, Function, History, Invocation, KeyId, Outcome, Payload, ValueId};

/// An operation of a window, with the name of its object.
#[derive(Clone, Copy)]
pub(in crate::monitor) struct WindowOperation<'a> {
    pub(in crate::monitor) key: &'a str,
    pub(in crate::monitor) operation: &'a KeptOperation,
}

/// Builds the history of these operations, which must be in order of invocation: the n-th operation of the history is
/// the n-th of the window. O(n log n).
pub(in crate::monitor) fn build_window(
    operations: &[WindowOperation<'_>],
    detail: WindowDetail<'_>,
) -> History {
    let spans = operations.iter().enumerate().map(|(at, WindowOperation { operation, .. })| {
        (at, operation.invoked, end_in_window(operation.outcome, operation.completed, operation.last_event))
    });
    let mut writer = WindowWriter::new(detail);
    for event in order_window_events(spans, detail) {
        match event {
            WindowEvent::Invocation(at) => add_invocation(&mut writer, operations[at]),
            WindowEvent::Completion(at) => add_completion(&mut writer, operations[at].operation),
            WindowEvent::Actor(at) => writer.add_actor_event(at),
        }
    }
    writer.builder.finish()
}

fn add_invocation<'a>(writer: &mut WindowWriter<'a>, told: WindowOperation<'a>) {
    let WindowOperation { key, operation } = told;
    let process = writer.process_number(&operation.process);
    let names = writer.builder.history();
    let session = Some(names.sessions.intern(&operation.session));
    let key: KeyId = names.keys.intern(key);
    let (function, value) = match (operation.writes, &operation.value) {
        (true, Some(value)) => (Function::WRITE, names.values.intern(value)),
        _ => (Function::READ, ValueId::NULL),
    };
    let invocation = Invocation { process, session, function, key, payload: Payload::Value(value) };
    let id = writer.builder.invoke(invocation).expect("the monitor paired the events of each process");
    writer.add_details(id, false, &operation.invocation);
}

fn add_completion<'a>(writer: &mut WindowWriter<'a>, operation: &'a KeptOperation) {
    let process = writer.process_number(&operation.process);
    let outcome = operation.outcome.expect("a completion has an outcome");
    let value = match (outcome, &operation.value) {
        (Outcome::Ok, Some(value)) => writer.builder.history().values.intern(value),
        _ => ValueId::NULL,
    };
    let payload = Payload::Value(value);
    let completion = Completion { process, outcome, function: None, key: None, payload };
    let id = writer.builder.complete(completion).expect("the monitor paired the events of each process");
    if let Some(version) = operation.version {
        writer.builder.set_version(id, version);
    }
    writer.add_details(id, true, &operation.completion);
}
