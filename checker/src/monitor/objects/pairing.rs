//! Takes events: pairs each completion with the open invocation of its process, and keeps what can matter.

use super::kept::{KeptObject, KeptOperation};
use super::{MonitorError, ObjectMonitor};
use crate::monitor::stream::{EventDetails, NOT_YET, StreamEvent};
use crate::monitor::window::keep_actor_event;
use histories::events::Event;
use histories::{Argument, Function, OpId, Outcome};
use std::sync::Arc;

impl ObjectMonitor {
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
        let writes = match part.function(id) {
            Function::READ => false,
            Function::WRITE => true,
            other => {
                let what = format!("event {} is a {:?}, which", event.index, part.function_name(other));
                let reason = format!("{what} is not a read or a write of a register");
                self.end_judgement(event.index, &reason);
                return Err(MonitorError::OfflineOnly(reason));
            }
        };
        if !part.has_real_time() {
            let reason = "a history without real time".to_owned();
            self.end_judgement(event.index, &reason);
            return Err(MonitorError::OfflineOnly(reason));
        }
        if self.open.len() >= self.operations_max() {
            let reason = format!("memory: {} operations are open at once", self.open.len());
            self.end_judgement(event.index, &reason);
        }
        let object = self.find_object(part.keys.text(part.key(id)), event.index);
        self.open.insert(process.clone(), (object, self.position));
        let Some(object) = object else { return Ok(()) };
        let value = match part.argument(id) {
            Argument::Value(value) if writes => Some(Arc::from(part.value_text(value))),
            _ => None,
        };
        self.objects[object as usize].add_operation(KeptOperation {
            process,
            session: Arc::from(part.sessions.text(part.session(id))),
            writes,
            value,
            invoked: self.position,
            completed: NOT_YET,
            outcome: None,
            version: None,
            invocation: event.details(part.invoked_at(id)),
            completion: EventDetails::default(),
            last_event: self.position,
        });
        self.kept += 1;
        Ok(())
    }

    /// The object with this key, which is added if it is new. None if it is not judged.
    pub(super) fn find_object(&mut self, key: &str, event: u64) -> Option<u32> {
        if self.ended.is_some() || self.levels.iter().all(|told| told.violation.is_some()) {
            return None;
        }
        if let Some(&known) = self.object_of.get(key) {
            return Some(known).filter(|&known| self.objects[known as usize].is_judged());
        }
        if self.forgot_objects {
            let reason = format!("event {event} is on key {key}, which is new or was forgotten");
            self.give_up_levels(event, &reason, 1, |_| true);
            return None;
        }
        let (name, at): (Arc<str>, u32) = (Arc::from(key), self.objects.len() as u32);
        self.object_of.insert(Arc::clone(&name), at);
        self.objects.push(KeptObject::new(name));
        self.kept += 1;
        Some(at)
    }

    fn take_completion(&mut self, event: StreamEvent<'_>, id: OpId) -> Result<(), MonitorError> {
        let Some((object, invoked)) = self.open.remove(&event.process_name(id)) else {
            let reason = "its process has no open operation".to_owned();
            return Err(MonitorError::Pairing { event: event.index, reason });
        };
        let (part, outcome, position) = (event.part, event.part.outcome(id), self.position);
        if outcome == Outcome::Ok {
            self.has_falsifiable_answer |= part.function(id) == Function::READ || part.version(id).is_some();
        }
        let Some(at) = object else { return Ok(()) };
        let object = &mut self.objects[at as usize];
        if !object.is_judged() {
            return Ok(());
        }
        (object.is_dirty, object.last_event) = (true, position);
        let operation = object.find_operation(invoked).expect("an open operation of a judged object is kept");
        operation.outcome = Some(outcome);
        operation.last_event = position;
        operation.completion = event.details(part.completed_at(id));
        if outcome != Outcome::Info {
            operation.completed = position;
        }
        if outcome == Outcome::Ok {
            operation.version = part.version(id);
            if !operation.writes {
                operation.value = Some(Arc::from(part.value_text(part.operation(id).result)));
            }
            self.look_for_forgotten(at, invoked, event.index);
        }
        Ok(())
    }

    /// Gives up what cannot be judged because a successful operation refers to something that was forgotten.
    fn look_for_forgotten(&mut self, at: u32, invoked: u64, event: u64) {
        let initial = self.initial_value_of(at).to_owned();
        let object = &mut self.objects[at as usize];
        if !object.has_forgotten {
            return;
        }
        let highest = object.highest_forgotten_version;
        let operation = object.find_operation(invoked).expect("it is kept");
        let (version, read) =
            (operation.version, if operation.writes { None } else { operation.value.clone() });
        let reads_initial = read.as_deref() == Some(&*initial);
        let gone = read.filter(|value| !object.written.contains_key(value) && !reads_initial);
        let name = Arc::clone(&object.name);
        if let Some(value) = gone {
            let reason = format!(
                "event {event} reads {value} from key {name}: no operation wrote that value, or it was replaced before \
                 the read began; the monitor has forgotten which. Check the recorded history"
            );
            self.give_up_object(at, event, &reason);
            return;
        }
        if reads_initial && object.late_initial_read.is_none() {
            object.late_initial_read = Some(event);
        }
        if version.is_some() && version <= highest && object.judges_sessions {
            let reason =
                format!("event {event} has a version of key {name} not above one that was forgotten");
            self.give_up_sessions(at, event, &reason);
        }
    }

    /// The initial value of an object, as JSON.
    fn initial_value_of(&self, at: u32) -> &str {
        let name = &*self.objects[at as usize].name;
        let own = self.question.initial.values_by_key().find(|(key, _)| *key == name);
        own.map_or(self.question.initial.default_json(), |(_, value)| value)
    }
}
