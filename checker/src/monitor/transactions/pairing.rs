//! Takes events: pairs each completion with the open transaction of its process, and notes what each read shows.

use super::kept::{KeptMicro, KeptRead, KeptTransaction, MicroAction};
use super::keys::{KeptKey, KeyState, fingerprint};
use super::{MonitorError, TransactionMonitor};
use crate::monitor::stream::{EventDetails, NOT_YET, StreamEvent};
use crate::monitor::window::keep_actor_event;
use histories::events::Event;
use histories::{Function, History, Micro, MicroKind, OpId, Outcome, ValueId};
use std::sync::Arc;

/// The most transactions that may be open at once.
const OPEN_MAX: usize = 1 << 20;

impl TransactionMonitor {
    /// Takes one event without judging.
    pub(super) fn take_event(&mut self, event: StreamEvent<'_>) -> Result<(), MonitorError> {
        match event.event {
            Event::Invoke(id) => self.take_invocation(event, id)?,
            Event::Complete(id) => self.take_completion(event, id)?,
            Event::Actor(actor) => keep_actor_event(&mut self.actors, (self.position, event.index, actor)),
        }
        self.latest_index = event.index;
        self.position += 1;
        Ok(())
    }

    fn take_invocation(&mut self, event: StreamEvent<'_>, id: OpId) -> Result<(), MonitorError> {
        let (part, process) = (event.part, event.process_name(id));
        if let Some(since) = self.open.get(&process) {
            let reason = format!("its process has an open transaction since position {since}");
            return Err(MonitorError::Pairing { event: event.index, reason });
        }
        if let Some(foreign) = self.describe_foreign(event, id) {
            self.end_judgement(event.index, &foreign);
            return Err(MonitorError::OfflineOnly(foreign));
        }
        if self.open.len() >= OPEN_MAX {
            self.end_judgement(event.index, &format!("{OPEN_MAX} transactions are open at once"));
        }
        self.open.insert(process.clone(), self.position);
        self.times.note(self.position, part.invoked_at(id));
        if self.is_over() {
            return Ok(());
        }
        let micros = part.micros_of(id).iter().map(|&micro| self.add_invoked(part, micro, event.index));
        let transaction = KeptTransaction {
            process,
            session: Arc::from(part.sessions.text(part.session(id))),
            micros: micros.collect(),
            invoked: self.position,
            completed: NOT_YET,
            outcome: None,
            version: None,
            invocation: event.details(part.invoked_at(id)),
            completion: EventDetails::default(),
            last_event: self.position,
        };
        self.units += transaction.units();
        self.transactions.push(transaction);
        Ok(())
    }

    /// Why an operation cannot be judged online, if it cannot.
    fn describe_foreign(&self, event: StreamEvent<'_>, id: OpId) -> Option<String> {
        let (part, index) = (event.part, event.index);
        let name = self.question.model.name();
        if part.function(id) != Function::TXN {
            let function = part.function_name(part.function(id));
            return Some(format!("event {index} is a {function:?}, which is not a transaction of {name}"));
        }
        if !part.has_real_time() {
            return Some("a history without real time".to_owned());
        }
        if self.question.asked.is_none() && event.details(None).note.is_some_and(|note| declares_level(&note))
        {
            return Some(format!(
                "event {index} declares an isolation level, and what it asks for is the level mixed"
            ));
        }
        let foreign = |micro: &Micro| match self.is_about_lists() {
            // A list that is read as one value is none.
            true => {
                micro.kind == MicroKind::Write
                    || (micro.kind == MicroKind::Read && micro.value() != ValueId::NULL)
            }
            false => matches!(micro.kind, MicroKind::Append | MicroKind::ReadList),
        };
        let has_foreign = part.micros_of(id).iter().any(foreign);
        has_foreign.then(|| format!("event {index} has operations that are not those of {name}"))
    }

    /// A micro-operation as it was invoked.
    fn add_invoked(&mut self, part: &History, micro: Micro, event: u64) -> KeptMicro {
        let key = self.use_key(part.keys.text(micro.key), event);
        let action = match micro.kind {
            MicroKind::Read | MicroKind::ReadList => MicroAction::Read(KeptRead::Unknown),
            MicroKind::Write | MicroKind::Append => {
                let value: Arc<str> = Arc::from(part.value_text(micro.value()));
                self.add_written(key, &value, event);
                MicroAction::Write(value)
            }
        };
        KeptMicro { key, action }
    }

    /// Counts a value that is written. A register that takes the value again which it has is lost.
    fn add_written(&mut self, at: u32, value: &Arc<str>, event: u64) {
        let lists = self.is_about_lists();
        let key = &mut self.keys[at as usize];
        if key.is_lost() {
            return;
        }
        if key.forgotten.value.as_ref() == Some(value) {
            let reason = format!("event {event} writes {value} to key {} again", key.name);
            self.lose_key(at, event, &reason);
        } else {
            key.count_written(value);
            // A register that was never written has the value null too.
            if &**value == "null" && !lists {
                key.state = KeyState::Contradictory;
            }
        }
    }

    /// The key with this name, which is added if it is new.
    fn use_key(&mut self, name: &str, event: u64) -> u32 {
        let at = match self.key_of.get(name) {
            Some(&known) => known,
            None => self.add_key(name, event),
        };
        let key = &mut self.keys[at as usize];
        key.users += 1;
        key.last_event = self.position;
        if key.state == KeyState::Retired {
            let reason = format!(
                "event {event} uses key {name} again: nobody had used it for long, and the monitor has forgotten its last \
                 writes, whose order is not known"
            );
            self.lose_key(at, event, &reason);
        }
        at
    }

    fn add_key(&mut self, name: &str, event: u64) -> u32 {
        let shared: Arc<str> = Arc::from(name);
        let key = KeptKey::new(Arc::clone(&shared));
        let at = match self.free_keys.pop() {
            Some(at) => {
                self.keys[at as usize] = key;
                at
            }
            None => {
                self.keys.push(key);
                self.keys.len() as u32 - 1
            }
        };
        self.key_of.insert(shared, at);
        if self.forgotten_keys.contains(&fingerprint(name)) {
            let reason = format!("event {event} uses key {name}, which the monitor has forgotten");
            self.lose_key(at, event, &reason);
        } else if self.forgot_fingerprints && self.limits.staleness_bound_ns.is_none() {
            let reason = format!("event {event} uses key {name}, which is new or was forgotten");
            self.lose_key(at, event, &reason);
        }
        at
    }

    /// Leaves a key out from now on: all levels become unknown.
    pub(super) fn lose_key(&mut self, at: u32, event: u64, reason: &str) {
        self.keys[at as usize].lose();
        self.give_up_levels(event, reason, 1);
    }

    fn take_completion(&mut self, event: StreamEvent<'_>, id: OpId) -> Result<(), MonitorError> {
        let Some(invoked) = self.open.remove(&event.process_name(id)) else {
            let reason = "its process has no open transaction".to_owned();
            return Err(MonitorError::Pairing { event: event.index, reason });
        };
        let (part, outcome, position) = (event.part, event.part.outcome(id), self.position);
        self.times.note(self.position, part.completed_at(id));
        if outcome == Outcome::Ok {
            let reads = |micro: &Micro| matches!(micro.kind, MicroKind::Read | MicroKind::ReadList);
            self.has_falsifiable_answer |= part.version(id).is_some() || part.micros_of(id).iter().any(reads);
        }
        if self.is_over() {
            return Ok(());
        }
        let Ok(at) = self.transactions.binary_search_by_key(&invoked, |kept| kept.invoked) else {
            return Ok(());
        };
        if outcome == Outcome::Ok {
            if let Some(foreign) = self.describe_foreign(event, id) {
                self.end_judgement(event.index, &foreign);
                return Err(MonitorError::OfflineOnly(foreign));
            }
            self.take_results(at, event, id);
        }
        let kept = &mut self.transactions[at];
        kept.outcome = Some(outcome);
        kept.last_event = position;
        kept.completion = event.details(part.completed_at(id));
        if outcome != Outcome::Info {
            kept.completed = position;
        }
        if outcome == Outcome::Ok {
            kept.version = part.version(id);
            self.has_tokens |= kept.version.is_some();
        }
        Ok(())
    }

    /// Notes what the reads of a transaction returned.
    fn take_results(&mut self, at: usize, event: StreamEvent<'_>, id: OpId) {
        let part = event.part;
        let micros = part.micros_of(id);
        let before = std::mem::take(&mut self.transactions[at].micros);
        self.units -= 2 + before.len();
        let same_writes = before.len() == micros.len()
            && before.iter().zip(micros).all(|(kept, micro)| match &kept.action {
                _ if *self.keys[kept.key as usize].name != *part.keys.text(micro.key) => false,
                MicroAction::Read(_) => matches!(micro.kind, MicroKind::Read | MicroKind::ReadList),
                MicroAction::Write(value) => is_write(*micro) && part.value_text(micro.value()) == &**value,
            });
        let mut now: Vec<KeptMicro> = match same_writes {
            true => before,
            false => {
                // The completion counts.
                self.drop_micros(&before);
                micros.iter().map(|&micro| self.add_invoked(part, micro, event.index)).collect()
            }
        };
        for (kept, micro) in now.iter_mut().zip(micros) {
            self.keys[kept.key as usize].last_event = self.position;
            if let MicroAction::Read(read) = &mut kept.action {
                *read = match micro.kind {
                    MicroKind::ReadList => self.take_list(kept.key, part, *micro, event.index),
                    _ if self.is_about_lists() => match self.take_list_of(kept.key, part, &[], event.index) {
                        KeptRead::Unknown => KeptRead::Unknown,
                        _ => KeptRead::Initial,
                    },
                    _ => self.take_value(kept.key, part, micro.value(), event.index),
                };
            }
        }
        self.transactions[at].micros = now;
        self.units += self.transactions[at].units();
    }

    fn take_list(&mut self, at: u32, part: &History, micro: Micro, event: u64) -> KeptRead {
        self.take_list_of(at, part, part.list(micro.list()), event)
    }

    /// What a list shows of the order of its elements.
    fn take_list_of(&mut self, at: u32, part: &History, list: &[ValueId], event: u64) -> KeptRead {
        let key = &mut self.keys[at as usize];
        if key.is_lost() {
            return KeptRead::Unknown;
        }
        let texts = || list.iter().map(|&value| part.value_text(value));
        if !key.forgotten.begins(texts()) {
            let reason = format!(
                "event {event} reads {} elements of key {}, and they do not begin with the {} that the monitor has \
                 forgotten",
                list.len(),
                key.name,
                key.forgotten.length
            );
            self.lose_key(at, event, &reason);
            return KeptRead::Unknown;
        }
        let rest = &list[key.forgotten.length as usize..];
        let shared = rest.len().min(key.trunk.len());
        let agrees =
            rest[..shared].iter().zip(&key.trunk).all(|(&value, known)| part.value_text(value) == &**known);
        let new = if agrees { &rest[shared..] } else { rest };
        let unknown =
            new.iter().map(|&value| part.value_text(value)).find(|text| !key.written.contains_key(*text));
        if let Some(value) = unknown.filter(|_| key.has_forgotten) {
            let reason = describe_gone(event, value, &key.name);
            self.lose_key(at, event, &reason);
            return KeptRead::Unknown;
        }
        let new = new.iter().map(|&value| Arc::from(part.value_text(value)));
        if agrees {
            key.trunk.extend(new);
            return KeptRead::Prefix(list.len() as u64);
        }
        key.state = KeyState::Contradictory;
        KeptRead::Stray(new.collect())
    }

    /// What a read of a register returned.
    fn take_value(&mut self, at: u32, part: &History, value: ValueId, event: u64) -> KeptRead {
        let key = &mut self.keys[at as usize];
        if key.is_lost() {
            return KeptRead::Unknown;
        }
        let text = part.value_text(value);
        let is_known = match &key.forgotten.value {
            Some(forgotten) => **forgotten == *text,
            None => value == ValueId::NULL,
        } || key.written.contains_key(text);
        if !is_known && key.has_forgotten {
            let reason = describe_gone(event, text, &key.name);
            self.lose_key(at, event, &reason);
            return KeptRead::Unknown;
        }
        match value {
            ValueId::NULL if !key.written.contains_key(text) => KeptRead::Initial,
            _ => KeptRead::Value(Arc::from(text)),
        }
    }

    /// Removes what micro-operations of a forgotten transaction say of their keys.
    pub(super) fn drop_micros(&mut self, micros: &[KeptMicro]) {
        for micro in micros {
            let key = &mut self.keys[micro.key as usize];
            key.users -= 1;
            if let MicroAction::Write(value) = &micro.action
                && !key.is_lost()
            {
                key.forget_written(value);
            }
        }
    }
}

fn describe_gone(event: u64, value: &str, key: &str) -> String {
    format!(
        "event {event} reads {value} from key {key}: no transaction wrote that value, or it was replaced before the monitor \
         forgot it. Check the recorded history"
    )
}

fn is_write(micro: Micro) -> bool {
    matches!(micro.kind, MicroKind::Write | MicroKind::Append)
}

/// Whether the further fields of an invocation declare an isolation level.
fn declares_level(fields: &str) -> bool {
    fields.contains("\"isolation\"")
}
