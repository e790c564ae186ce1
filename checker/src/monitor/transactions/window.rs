//! Builds a history from transactions that are kept, for the offline engines.

use super::kept::{KeptRead, KeptTransaction, MicroAction};
use super::keys::KeptKey;
use crate::monitor::window::{WindowDetail, WindowEvent, WindowWriter, end_in_window, order_window_events};
use histories::{Completion, Function, History, Invocation, KeyId, MicroInput, Outcome, Payload, ValueId};
use rustc_hash::FxHashMap;

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
    let shown = transactions.iter().enumerate().filter(|(_, kept)| is_shown(kept));
    let spans = shown
        .map(|(at, kept)| (at, kept.invoked, end_in_window(kept.outcome, kept.completed, kept.last_event)));
    let mut window = WindowBuilder {
        keys,
        lists,
        names: vec![KeyId::NONE; keys.len()],
        trunks: FxHashMap::default(),
        writer: WindowWriter::new(detail),
    };
    for event in order_window_events(spans, detail) {
        match event {
            WindowEvent::Invocation(at) => window.add_invocation(&transactions[at]),
            WindowEvent::Completion(at) => window.add_completion(&transactions[at]),
            WindowEvent::Actor(at) => window.writer.add_actor_event(at),
        }
    }
    window.writer.builder.finish()
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
    writer: WindowWriter<'a>,
}

impl<'a> WindowBuilder<'a> {
    fn add_invocation(&mut self, kept: &'a KeptTransaction) {
        let process = self.writer.process_number(&kept.process);
        let session = Some(self.writer.builder.history().sessions.intern(&kept.session));
        let (function, key) = (Function::TXN, KeyId::NONE);
        let micros = self.own_micros(kept, false);
        let micros: Vec<MicroInput<'_>> =
            micros.iter().map(|micro| borrow_micro(micro, &self.trunks, self.lists)).collect();
        let payload = Payload::Micros(&micros);
        let invocation = Invocation { process, session, function, key, payload };
        let id =
            self.writer.builder.invoke(invocation).expect("the monitor paired the events of each process");
        self.writer.add_details(id, false, &kept.invocation);
    }

    fn add_completion(&mut self, kept: &'a KeptTransaction) {
        let process = self.writer.process_number(&kept.process);
        let outcome = kept.outcome.expect("a completion has an outcome");
        let micros = self.own_micros(kept, outcome == Outcome::Ok);
        let micros: Vec<MicroInput<'_>> =
            micros.iter().map(|micro| borrow_micro(micro, &self.trunks, self.lists)).collect();
        let payload = Payload::Micros(&micros);
        let completion = Completion { process, outcome, function: None, key: None, payload };
        let id =
            self.writer.builder.complete(completion).expect("the monitor paired the events of each process");
        if let Some(version) = kept.version {
            self.writer.builder.set_version(id, version);
        }
        self.writer.add_details(id, true, &kept.completion);
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
        self.writer.builder.history().values.intern(value)
    }

    fn name_of(&mut self, key: u32) -> KeyId {
        let name = &mut self.names[key as usize];
        if *name == KeyId::NONE {
            *name = self.writer.builder.history().keys.intern(&self.keys[key as usize].name);
        }
        *name
    }

    fn intern_trunk(&mut self, key: u32) {
        let values = &mut self.writer.builder.history().values;
        self.trunks.entry(key).or_insert_with(|| {
            self.keys[key as usize].trunk.iter().map(|element| values.intern(element)).collect()
        });
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
