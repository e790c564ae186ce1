//! Builds a history from transactions that are kept, for the offline engines.

use super::kept::{KeptRead, KeptTransaction, MicroAction};
use super::keys::KeptKey;
use crate::monitor::stream::{EventDetails, NOT_YET, ProcessName};
use histories::{
    ActorEvent, Completion, Function, History, HistoryBuilder, Invocation, KeyId, MicroInput, OpId, Outcome,
    Payload, ValueId,
};
use rustc_hash::FxHashMap;

/// How much of each event a window has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowDetail<'a> {
    /// What a verdict depends on.
    Bare,
    /// Also indexes, times, further fields, and these events of actors.
    Full(&'a [(u64, u64, ActorEvent)]),
}

#[derive(Clone, Copy)]
enum WindowEvent {
    Invocation(usize),
    Completion(usize),
    Actor(usize),
}

/// Builds the history of these transactions, which are in order of invocation. Transactions that only use lost keys are
/// left out. O(n log n).
pub(super) fn build_window(
    transactions: &[KeptTransaction],
    keys: &[KeptKey],
    lists: bool,
    detail: WindowDetail<'_>,
) -> History {
    let is_shown = |kept: &KeptTransaction| {
        !kept.is_void() && kept.micros.iter().any(|micro| !keys[micro.key as usize].is_lost())
    };
    let mut events: Vec<(u64, WindowEvent)> = Vec::with_capacity(transactions.len() * 2);
    for (at, kept) in transactions.iter().enumerate().filter(|(_, kept)| is_shown(kept)) {
        events.push((kept.invoked, WindowEvent::Invocation(at)));
        let completed = if kept.outcome == Some(Outcome::Info) { kept.last_event } else { kept.completed };
        if completed != NOT_YET {
            events.push((completed, WindowEvent::Completion(at)));
        }
    }
    if let WindowDetail::Full(actors) = detail {
        events.extend(actors.iter().enumerate().map(|(at, actor)| (actor.0, WindowEvent::Actor(at))));
    }
    events.sort_unstable_by_key(|event| event.0);
    let mut window = WindowBuilder {
        keys,
        lists,
        names: vec![KeyId::NONE; keys.len()],
        trunks: FxHashMap::default(),
        processes: FxHashMap::default(),
        builder: HistoryBuilder::new(),
    };
    for (_, event) in events {
        match event {
            WindowEvent::Invocation(at) => window.add_invocation(&transactions[at], detail),
            WindowEvent::Completion(at) => window.add_completion(&transactions[at], detail),
            WindowEvent::Actor(at) => window.add_actor_event(at, detail),
        }
    }
    window.builder.finish()
}

/// A micro-operation with the elements of its list beside it.
enum OwnedMicro {
    Read(KeyId, ValueId),
    /// So many elements of the trunk of a key.
    Prefix(KeyId, u32, usize),
    List(KeyId, Vec<ValueId>),
    Write(KeyId, ValueId),
}

struct WindowBuilder<'a> {
    keys: &'a [KeptKey],
    lists: bool,
    /// The ids of the keys that occurred.
    names: Vec<KeyId>,
    /// The elements of each list that is read.
    trunks: FxHashMap<u32, Vec<ValueId>>,
    /// The numbers of processes that have a name: negative, in order of appearance.
    processes: FxHashMap<&'a ProcessName, i64>,
    builder: HistoryBuilder,
}

impl<'a> WindowBuilder<'a> {
    fn add_invocation(&mut self, kept: &'a KeptTransaction, detail: WindowDetail<'_>) {
        let process = self.process_number(&kept.process);
        let session = Some(self.builder.history().sessions.intern(&kept.session));
        let (function, key) = (Function::TXN, KeyId::NONE);
        let micros = self.own_micros(kept, false);
        let micros: Vec<MicroInput<'_>> =
            micros.iter().map(|micro| borrow_micro(micro, &self.trunks, self.lists)).collect();
        let payload = Payload::Micros(&micros);
        let invocation = Invocation { process, session, function, key, payload };
        let id = self.builder.invoke(invocation).expect("the monitor paired the events of each process");
        if detail != WindowDetail::Bare {
            self.add_details(id, false, &kept.invocation);
        }
    }

    fn add_completion(&mut self, kept: &'a KeptTransaction, detail: WindowDetail<'_>) {
        let process = self.process_number(&kept.process);
        let outcome = kept.outcome.expect("a completion has an outcome");
        let micros = self.own_micros(kept, outcome == Outcome::Ok);
        let micros: Vec<MicroInput<'_>> =
            micros.iter().map(|micro| borrow_micro(micro, &self.trunks, self.lists)).collect();
        let payload = Payload::Micros(&micros);
        let completion = Completion { process, outcome, function: None, key: None, payload };
        let id = self.builder.complete(completion).expect("the monitor paired the events of each process");
        if let Some(version) = kept.version {
            self.builder.set_version(id, version);
        }
        if detail != WindowDetail::Bare {
            self.add_details(id, true, &kept.completion);
        }
    }

    fn process_number(&mut self, name: &'a ProcessName) -> i64 {
        match name {
            ProcessName::Number(number) => *number,
            name => {
                let next = -1 - self.processes.len() as i64;
                *self.processes.entry(name).or_insert(next)
            }
        }
    }

    /// The micro-operations on keys that are not lost, with or without the results of reads.
    fn own_micros(&mut self, kept: &KeptTransaction, with_results: bool) -> Vec<OwnedMicro> {
        let mut micros = Vec::with_capacity(kept.micros.len());
        for micro in &kept.micros {
            let key = &self.keys[micro.key as usize];
            if key.is_lost() {
                continue;
            }
            let name = self.name_of(micro.key);
            micros.push(match &micro.action {
                MicroAction::Write(value) => OwnedMicro::Write(name, self.intern(value)),
                MicroAction::Read(_) if !with_results => OwnedMicro::Read(name, ValueId::NULL),
                MicroAction::Read(KeptRead::Unknown | KeptRead::Initial) => {
                    OwnedMicro::Read(name, ValueId::NULL)
                }
                // The state that the forgotten transactions left is the initial one of the window.
                MicroAction::Read(KeptRead::Value(value)) if key.forgotten.value.as_ref() == Some(value) => {
                    OwnedMicro::Read(name, ValueId::NULL)
                }
                MicroAction::Read(KeptRead::Value(value)) => OwnedMicro::Read(name, self.intern(value)),
                MicroAction::Read(KeptRead::Prefix(length)) => {
                    self.intern_trunk(micro.key);
                    OwnedMicro::Prefix(name, micro.key, (length - key.forgotten.length) as usize)
                }
                MicroAction::Read(KeptRead::Stray(elements)) => {
                    OwnedMicro::List(name, elements.iter().map(|element| self.intern(element)).collect())
                }
            });
        }
        micros
    }

    fn intern(&mut self, value: &str) -> ValueId {
        self.builder.history().values.intern(value)
    }

    fn name_of(&mut self, key: u32) -> KeyId {
        let name = &mut self.names[key as usize];
        if *name == KeyId::NONE {
            *name = self.builder.history().keys.intern(&self.keys[key as usize].name);
        }
        *name
    }

    fn intern_trunk(&mut self, key: u32) {
        let values = &mut self.builder.history().values;
        self.trunks.entry(key).or_insert_with(|| {
            self.keys[key as usize].trunk.iter().map(|element| values.intern(element)).collect()
        });
    }

    fn add_details(&mut self, id: OpId, completion: bool, details: &EventDetails) {
        if let Some(time) = details.time {
            self.builder.set_time(id, completion, time);
        }
        self.builder.set_event_index(details.index);
        if let Some(note) = &details.note {
            self.builder.add_note(note);
        }
    }

    fn add_actor_event(&mut self, at: usize, detail: WindowDetail<'_>) {
        let WindowDetail::Full(actors) = detail else { return };
        let (_, index, event) = &actors[at];
        self.builder.add_actor_event(event.clone());
        self.builder.set_event_index(*index);
    }
}

fn borrow_micro<'a>(
    micro: &'a OwnedMicro,
    trunks: &'a FxHashMap<u32, Vec<ValueId>>,
    lists: bool,
) -> MicroInput<'a> {
    match micro {
        OwnedMicro::Read(key, value) => MicroInput::Read(*key, *value),
        OwnedMicro::Prefix(key, at, length) => MicroInput::ReadList(*key, &trunks[at][..*length]),
        OwnedMicro::List(key, elements) => MicroInput::ReadList(*key, elements),
        OwnedMicro::Write(key, value) if lists => MicroInput::Append(*key, *value),
        OwnedMicro::Write(key, value) => MicroInput::Write(*key, *value),
    }
}
