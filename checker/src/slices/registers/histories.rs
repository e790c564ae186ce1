//! The two histories of a slice.

use crate::slices::history::place_transactions;
use crate::slices::{KeyPart, PlacedTransaction};
use histories::{
    Completion, Function, History, HistoryBuilder, Id, Invocation, KeyId, Micro, MicroInput, MicroKind, OpId,
    Outcome, Payload, ValueId,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet};

/// The value that only what is added to a slice has.
const MARK: &str = r#"{"steadfast":"after the slice"}"#;

/// The transactions of a slice, with its witnesses.
pub struct RegisterSlice<'a> {
    history: &'a History,
    is_member: Vec<bool>,
    parts: FxHashMap<KeyId, KeyPart>,
    /// The writer of each value of a regular key.
    writers: FxHashMap<(KeyId, ValueId), OpId>,
}

impl<'a> RegisterSlice<'a> {
    /// A slice. `history` has its transactions and the witnesses. O(steps).
    pub fn new(
        history: &'a History,
        is_member: impl Fn(&PlacedTransaction) -> bool,
        part_of: impl Fn(&str) -> KeyPart,
    ) -> Self {
        let mut members = vec![false; history.len()];
        for (id, of) in place_transactions(history) {
            members[id.index()] = is_member(&of);
        }
        let parts: FxHashMap<KeyId, KeyPart> =
            history.keys.iter().map(|(key, text)| (key, part_of(text))).collect();
        let mut writers = FxHashMap::default();
        for id in transactions(history) {
            let writes = history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::Write);
            writers.extend(writes.map(|micro| ((micro.key, micro.value()), id)));
        }
        Self { history, is_member: members, parts, writers }
    }

    /// The slice without the reads of values that nobody in it wrote. What is violated here is violated in the whole.
    pub fn alone(&self) -> History {
        self.history.filter_transactions(|_, micro| match self.parts[&micro.key] {
            KeyPart::None => false,
            KeyPart::Whole => true,
            KeyPart::Own => match micro.kind {
                MicroKind::Write => true,
                MicroKind::Read => micro.value() == ValueId::NULL || self.writer(micro).is_some(),
                MicroKind::Append | MicroKind::ReadList => false,
            },
        })
    }

    /// The slice after what is presumed to come before it, and before what is presumed to come after it. If all slices hold like this, so
    /// does the whole. `None` if the slice has only a part of what is needed to say so.
    pub fn presumed(&self) -> Option<History> {
        let members: Vec<OpId> = self.history.ids().filter(|id| self.is_member[id.index()]).collect();
        let mut uses = members.iter().flat_map(|&id| self.history.micros_of(id));
        let is_taken = self.history.values.get(MARK).is_some();
        let is_list = |micro: &Micro| matches!(micro.kind, MicroKind::Append | MicroKind::ReadList);
        if is_taken || uses.any(|micro| self.parts[&micro.key] == KeyPart::None || is_list(micro)) {
            return None;
        }
        let last = self.last_versions(&members)?;
        let mut build =
            PresumedBuilder { slice: self, builder: HistoryBuilder::new(), last, marked: BTreeMap::new() };
        if let Some(header) = self.history.header() {
            build.builder.set_header(header);
        }
        build.add_members(&members)?;
        build.add_last_reader();
        Some(build.builder.finish())
    }

    fn writer(&self, micro: &Micro) -> Option<OpId> {
        self.writers.get(&(micro.key, micro.value())).copied()
    }

    /// The keys with several writers in the slice, with the version of it that a witness read. `None` if two witnesses disagree.
    fn last_versions(&self, members: &[OpId]) -> Option<BTreeMap<KeyId, ValueId>> {
        let mut writers: FxHashMap<KeyId, FxHashSet<OpId>> = FxHashMap::default();
        for &id in members {
            for key in self.written_keys(id) {
                writers.entry(key).or_default().insert(id);
            }
        }
        let mut last = BTreeMap::new();
        let witnesses = transactions(self.history).filter(|id| !self.is_member[id.index()]);
        for id in witnesses.filter(|&id| self.history.outcome(id) == Outcome::Ok) {
            for micro in self.history.micros_of(id) {
                let is_regular = self.parts[&micro.key] == KeyPart::Own && micro.kind == MicroKind::Read;
                let Some(writer) = self.writer(micro).filter(|_| is_regular) else { continue };
                let is_contended = writers.get(&micro.key).is_some_and(|of| of.len() > 1);
                if self.is_member[writer.index()]
                    && is_contended
                    && last.insert(micro.key, micro.value()).is_some_and(|known| known != micro.value())
                {
                    return None;
                }
            }
        }
        Some(last)
    }

    /// The keys that a transaction wrote, if it took effect.
    fn written_keys(&self, id: OpId) -> impl Iterator<Item = KeyId> {
        let takes_effect = self.history.outcome(id) != Outcome::Fail;
        let micros = self.history.micros_of(id).iter().filter(move |_| takes_effect);
        micros.filter(|micro| micro.kind == MicroKind::Write).map(|micro| micro.key)
    }
}

fn transactions(history: &History) -> impl Iterator<Item = OpId> {
    history.ids().filter(|&id| history.function(id) == Function::TXN)
}

struct PresumedBuilder<'s, 'a> {
    slice: &'s RegisterSlice<'a>,
    builder: HistoryBuilder,
    /// The version of each key that is presumed to be the last of the slice, where that matters.
    last: BTreeMap<KeyId, ValueId>,
    /// The writers that have to come before the last reader, each with the name of a key of its own.
    marked: BTreeMap<OpId, String>,
}

impl PresumedBuilder<'_, '_> {
    fn add_members(&mut self, members: &[OpId]) -> Option<()> {
        let history = self.slice.history;
        for &id in members {
            if self.slice.written_keys(id).any(|key| self.last.contains_key(&key)) {
                let key = format!(r#"{{"steadfast":{}}}"#, history.operation_index(id));
                if history.keys.get(&key).is_some() {
                    return None;
                }
                self.marked.insert(id, key);
            }
        }
        let mut events: Vec<(u32, bool, OpId)> = Vec::with_capacity(2 * members.len());
        for &id in members {
            events.push((history.invocation_position(id), false, id));
            if history.outcome(id) != Outcome::Info {
                events.push((history.completed(id), true, id));
            }
        }
        events.sort_unstable();
        for (position, is_end, id) in events {
            self.add_event(id, is_end);
            self.builder.set_event_index(history.event_index(position));
        }
        Some(())
    }

    fn add_event(&mut self, id: OpId, is_end: bool) {
        let history = self.slice.history;
        let outcome = history.outcome(id);
        let micros = match (outcome, is_end) {
            // What an `ok` transaction did is known when it completes.
            (Outcome::Ok, false) => Vec::new(),
            _ => self.micros(id),
        };
        let payload = Payload::Micros(&micros);
        // Each transaction has a process of its own. Sessions say which ones follow each other.
        let process = id.index() as i64;
        let added = if is_end {
            self.builder.complete(Completion { process, outcome, function: None, key: None, payload })
        } else {
            let session = history.sessions.text(history.session(id));
            let session = Some(self.builder.history().sessions.intern(session));
            self.builder.invoke(Invocation {
                process,
                session,
                function: Function::TXN,
                key: KeyId::NONE,
                payload,
            })
        };
        added.expect("each process has one transaction");
    }

    /// What a transaction did, after what was before the slice.
    fn micros(&mut self, id: OpId) -> Vec<MicroInput<'static>> {
        let history = self.slice.history;
        let mut micros = Vec::new();
        for micro in history.micros_of(id) {
            let names = self.builder.history();
            let key = names.keys.intern(history.keys.text(micro.key));
            let value = names.values.intern(history.value_text(micro.value()));
            let is_own = self.slice.parts[&micro.key] == KeyPart::Whole
                || self.slice.writer(micro).is_some_and(|writer| self.slice.is_member[writer.index()]);
            micros.push(match micro.kind {
                MicroKind::Write => MicroInput::Write(key, value),
                _ if is_own => MicroInput::Read(key, value),
                _ => MicroInput::Read(key, ValueId::NULL),
            });
        }
        if let Some(key) = self.marked.get(&id) {
            let names = self.builder.history();
            micros.push(MicroInput::Write(names.keys.intern(key), names.values.intern(MARK)));
        }
        micros
    }

    /// Adds the transaction that comes after all that wrote a key whose last version matters.
    fn add_last_reader(&mut self) {
        if self.last.is_empty() {
            return;
        }
        let history = self.slice.history;
        let names = self.builder.history();
        let mark = names.values.intern(MARK);
        let mut micros = Vec::new();
        let marked: BTreeSet<&String> = self.marked.values().collect();
        micros.extend(marked.into_iter().map(|key| MicroInput::Read(names.keys.intern(key), mark)));
        for (&key, &value) in &self.last {
            let key = names.keys.intern(history.keys.text(key));
            let value = names.values.intern(history.value_text(value));
            micros.extend([MicroInput::Read(key, value), MicroInput::Write(key, mark)]);
        }
        let session = Some(names.sessions.intern(MARK));
        let end = history.event_count().checked_sub(1).map_or(0, |last| history.event_index(last));
        let (process, function, key) = (history.len() as i64, Function::TXN, KeyId::NONE);
        let invocation = Invocation { process, session, function, key, payload: Payload::Micros(&[]) };
        self.builder.invoke(invocation).expect("the process is new");
        self.builder.set_event_index(end + 1);
        let payload = Payload::Micros(&micros);
        let completion = Completion { process, outcome: Outcome::Ok, function: None, key: None, payload };
        self.builder.complete(completion).expect("the process has one transaction");
        self.builder.set_event_index(end + 2);
    }
}
