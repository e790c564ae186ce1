//! Takes events: pairs each completion with the open invocation of its process, and notices what refers to something that was
//! forgotten.

use super::kept::{KeptSession, KeyMemory, WindowEntry};
use super::memory::fingerprint;
use super::{CausalMonitor, MonitorError};
use crate::monitor::objects::kept::KeptOperation;
use crate::monitor::stream::{EventDetails, NOT_YET, StreamEvent};
use crate::monitor::window::keep_actor_event;
use histories::events::Event;
use histories::{Argument, Function, OpId, Outcome};
use std::sync::Arc;

impl CausalMonitor {
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
        if let Some((_, since)) = self.open.get(&process) {
            let reason = format!("its process has an open operation since position {since}");
            return Err(MonitorError::Pairing { event: event.index, reason });
        }
        let function = part.function(id);
        let foreign = match function {
            Function::READ | Function::WRITE if part.has_real_time() => None,
            Function::READ | Function::WRITE => Some("a history without real time".to_owned()),
            other => {
                let what = format!("event {} is a {:?}, which", event.index, part.function_name(other));
                Some(format!("{what} is not a read or a write of a register"))
            }
        };
        if let Some(reason) = foreign {
            self.end_judgement(event.index, &reason);
            return Err(MonitorError::OfflineOnly(reason));
        }
        if self.open.len() >= self.operations_max() {
            let reason = format!("memory: {} operations are open at once", self.open.len());
            self.end_judgement(event.index, &reason);
        }
        let is_kept = self.ended.is_none() && self.levels.iter().any(|told| told.violation.is_none());
        self.open.insert(process.clone(), (is_kept, self.position));
        if !is_kept {
            return Ok(());
        }
        let time = part.invoked_at(id);
        let session = self.note_session(part.sessions.text(part.session(id)), time, event.index);
        let writes = function == Function::WRITE;
        if !writes && let Some(known) = self.sessions.get_mut(&session) {
            known.first_read.get_or_insert(self.position);
        }
        let value = match part.argument(id) {
            Argument::Value(value) if writes => Some(Arc::from(part.value_text(value))),
            _ => None,
        };
        let operation = KeptOperation {
            process,
            session,
            writes,
            value,
            invoked: self.position,
            completed: NOT_YET,
            outcome: None,
            version: None,
            invocation: event.details(time),
            completion: EventDetails::default(),
            last_event: self.position,
        };
        let key = self.find_key(part.keys.text(part.key(id)));
        if let Some(value) = &operation.value {
            self.keys[key as usize].written.entry(Arc::clone(value)).or_insert(false);
        }
        self.window.push(WindowEntry { key, operation, is_relay: false, is_placed: false });
        Ok(())
    }

    /// Notes that a session invokes an operation. One that was forgotten makes the levels *unknown*.
    fn note_session(&mut self, name: &str, time: Option<i64>, event: u64) -> Arc<str> {
        self.now_ns = self.now_ns.max(time);
        let position = self.position;
        if let Some((known, session)) = self.sessions.get_key_value(name) {
            let (name, first_event) = (Arc::clone(known), session.first_event);
            debug_assert!(first_event <= position);
            let session = self.sessions.get_mut(&name).expect("it was found above");
            session.last_event = position;
            session.last_ns = session.last_ns.max(time);
            session.open += 1;
            return name;
        }
        if self.lost_fingerprints || self.gone_sessions.contains(&fingerprint(name)) {
            let reason = format!("event {event} is of session {name}, which is new or was forgotten");
            self.give_up_levels(event, &reason, |_| true);
        }
        let session = KeptSession {
            first_event: position,
            last_event: position,
            last_ns: time,
            open: 1,
            has_read: false,
            first_read: None,
            is_caught_up: false,
        };
        let name: Arc<str> = Arc::from(name);
        self.sessions.insert(Arc::clone(&name), session);
        name
    }

    /// The key with this name, which is added if it is new.
    fn find_key(&mut self, name: &str) -> u32 {
        if let Some(&known) = self.key_of.get(name) {
            return known;
        }
        let (name, at): (Arc<str>, u32) = (Arc::from(name), self.keys.len() as u32);
        self.key_of.insert(Arc::clone(&name), at);
        self.keys.push(KeyMemory::new(name, self.forgot_keys));
        at
    }

    fn take_completion(&mut self, event: StreamEvent<'_>, id: OpId) -> Result<(), MonitorError> {
        let Some((is_kept, invoked)) = self.open.remove(&event.process_name(id)) else {
            let reason = "its process has no open operation".to_owned();
            return Err(MonitorError::Pairing { event: event.index, reason });
        };
        let (part, outcome, position) = (event.part, event.part.outcome(id), self.position);
        let reads = part.function(id) == Function::READ;
        if outcome == Outcome::Ok {
            self.has_falsifiable_answer |= reads || part.version(id).is_some();
        }
        let at = self.window.binary_search_by_key(&invoked, |entry| entry.operation.invoked);
        let (true, Ok(at)) = (is_kept, at) else { return Ok(()) };
        let operation = &mut self.window[at].operation;
        let time = part.completed_at(id);
        operation.outcome = Some(outcome);
        operation.last_event = position;
        operation.completion = event.details(time);
        if outcome != Outcome::Info {
            operation.completed = position;
        }
        self.now_ns = self.now_ns.max(time);
        if let Some(session) = self.sessions.get_mut(&operation.session) {
            session.last_event = position;
            session.last_ns = session.last_ns.max(time);
            session.open -= 1;
            session.has_read |= reads && outcome == Outcome::Ok;
        }
        if outcome == Outcome::Ok && reads {
            operation.value = Some(Arc::from(part.value_text(part.operation(id).result)));
            self.look_for_forgotten(at, event.index);
        }
        Ok(())
    }

    /// Notices a read that refers to something that was forgotten, and one of a value that nobody wrote.
    fn look_for_forgotten(&mut self, at: usize, event: u64) {
        let entry = &self.window[at];
        let key = &self.keys[entry.key as usize];
        let value = entry.operation.value.as_deref().expect("a completed read has a value");
        let name = &key.name;
        match key.written.get(value) {
            Some(false) => {}
            Some(true) => {
                let why = format!(
                    "event {event} reads {value} from key {name}, an old value whose successors were forgotten. Check the recorded \
                     history"
                );
                self.late_read.get_or_insert((event, why));
            }
            None if value == self.initial_value_of(entry.key) => {
                if key.forgot_versions {
                    let why = format!(
                        "event {event} reads the initial value of key {name}, after the monitor has forgotten other values of that key"
                    );
                    self.late_read.get_or_insert((event, why));
                }
            }
            None if key.forgot_values => {
                let reason = format!(
                    "event {event} reads {value} from key {name}: no operation wrote that value, or the monitor has forgotten it. Check \
                     the recorded history"
                );
                self.window.remove(at);
                self.give_up_levels(event, &reason, |_| true);
            }
            None => self.has_phantom_read = true,
        }
    }

    /// The initial value of a key, as JSON.
    pub(super) fn initial_value_of(&self, key: u32) -> &str {
        let name = &*self.keys[key as usize].name;
        let own = self.question.initial.values_by_key().find(|(key, _)| *key == name);
        own.map_or(self.question.initial.default_json(), |(_, value)| value)
    }
}
