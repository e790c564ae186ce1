//! Builds a history from operations that are kept, for the offline engines.

use super::kept::KeptOperation;
use crate::monitor::stream::{NOT_YET, ProcessName};
use histories::{
    ActorEvent, Completion, Function, History, HistoryBuilder, Invocation, KeyId, Outcome, Payload, ValueId,
};
use rustc_hash::FxHashMap;

/// An operation of a window, with the name of its object.
#[derive(Clone, Copy)]
pub(super) struct WindowOperation<'a> {
    pub(super) key: &'a str,
    pub(super) operation: &'a KeptOperation,
}

/// How much of each event a window has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowDetail<'a> {
    /// What a verdict depends on.
    Bare,
    /// Also indexes, times, further fields, and these events of actors.
    Full(&'a [(u64, u64, ActorEvent)]),
}

/// An event of a window: an index into its operations, or into the events of actors.
#[derive(Clone, Copy)]
enum WindowEvent {
    Invocation(usize),
    Completion(usize),
    Actor(usize),
}

/// Builds the history of these operations, which must be in order of invocation: the n-th operation of the history is
/// the n-th of the window. O(n log n).
pub(super) fn build_window(operations: &[WindowOperation<'_>], detail: WindowDetail<'_>) -> History {
    let mut events: Vec<(u64, WindowEvent)> = Vec::with_capacity(operations.len() * 2);
    for (at, WindowOperation { operation, .. }) in operations.iter().enumerate() {
        events.push((operation.invoked, WindowEvent::Invocation(at)));
        // An `info` event decides nothing that an open operation would not.
        let completed = match operation.outcome {
            Some(Outcome::Info) => operation.last_event,
            _ => operation.completed,
        };
        if completed != NOT_YET {
            events.push((completed, WindowEvent::Completion(at)));
        }
    }
    if let WindowDetail::Full(actors) = detail {
        events.extend(actors.iter().enumerate().map(|(at, actor)| (actor.0, WindowEvent::Actor(at))));
    }
    events.sort_unstable_by_key(|event| event.0);
    let mut window = WindowBuilder {
        builder: HistoryBuilder::new(),
        processes: FxHashMap::default(),
        numbers: operations.iter().map(|_| 0).collect(),
    };
    for (_, event) in events {
        match event {
            WindowEvent::Invocation(at) => window.add_invocation(at, operations[at], detail),
            WindowEvent::Completion(at) => window.add_completion(at, operations[at], detail),
            WindowEvent::Actor(at) => window.add_actor_event(at, detail),
        }
    }
    window.builder.finish()
}

struct WindowBuilder<'a> {
    builder: HistoryBuilder,
    /// The numbers of processes that have a name: negative, in order of appearance.
    processes: FxHashMap<&'a ProcessName, i64>,
    /// The number of the process of each operation.
    numbers: Vec<i64>,
}

impl<'a> WindowBuilder<'a> {
    fn add_invocation(&mut self, at: usize, told: WindowOperation<'a>, detail: WindowDetail<'_>) {
        let WindowOperation { key, operation } = told;
        let process = match &operation.process {
            ProcessName::Number(number) => *number,
            name => {
                let next = -1 - self.processes.len() as i64;
                *self.processes.entry(name).or_insert(next)
            }
        };
        self.numbers[at] = process;
        let names = self.builder.history();
        let session = Some(names.sessions.intern(&operation.session));
        let key: KeyId = names.keys.intern(key);
        let (function, value) = match (operation.writes, &operation.value) {
            (true, Some(value)) => (Function::WRITE, names.values.intern(value)),
            _ => (Function::READ, ValueId::NULL),
        };
        let invocation = Invocation { process, session, function, key, payload: Payload::Value(value) };
        let id = self.builder.invoke(invocation).expect("the monitor paired the events of each process");
        if detail != WindowDetail::Bare {
            if let Some(time) = operation.invocation.time {
                self.builder.set_time(id, false, time);
            }
            self.builder.set_event_index(operation.invocation.index);
            if let Some(note) = &operation.invocation.note {
                self.builder.add_note(note);
            }
        }
    }

    fn add_completion(&mut self, at: usize, told: WindowOperation<'a>, detail: WindowDetail<'_>) {
        let operation = told.operation;
        let outcome = operation.outcome.expect("a completion has an outcome");
        let value = match (outcome, &operation.value) {
            (Outcome::Ok, Some(value)) => self.builder.history().values.intern(value),
            _ => ValueId::NULL,
        };
        let completion = Completion {
            process: self.numbers[at],
            outcome,
            function: None,
            key: None,
            payload: Payload::Value(value),
        };
        let id = self.builder.complete(completion).expect("the monitor paired the events of each process");
        if let Some(version) = operation.version {
            self.builder.set_version(id, version);
        }
        if detail != WindowDetail::Bare {
            if let Some(time) = operation.completion.time {
                self.builder.set_time(id, true, time);
            }
            self.builder.set_event_index(operation.completion.index);
            if let Some(note) = &operation.completion.note {
                self.builder.add_note(note);
            }
        }
    }

    fn add_actor_event(&mut self, at: usize, detail: WindowDetail<'_>) {
        let WindowDetail::Full(actors) = detail else { return };
        let (_, index, event) = &actors[at];
        self.builder.add_actor_event(event.clone());
        self.builder.set_event_index(*index);
    }
}
