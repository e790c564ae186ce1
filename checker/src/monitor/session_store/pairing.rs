//! Takes events: pairs each completion with the open invocation of its process, and files both under their session.

use super::kept::{KeptRequest, KeptSession, StoreAction};
use super::{MonitorError, OpenRequest, RequestPlace, StoreMonitor};
use crate::basis::has_falsifiable_answer;
use crate::monitor::limits::BYTES_PER_OPERATION;
use crate::monitor::stream::StreamEvent;
use histories::events::Event;
use histories::faults::OBSERVERS;
use histories::format::push_event_line;
use histories::{ActorEvent, Argument, Function, OpId, Outcome, ValueId};
use std::sync::Arc;

/// The most events of actors that are kept, to be shown with a finding. Changes of clocks, and the event that says that the store has
/// settled, are kept in addition.
const ACTOR_LINES_MAX: usize = 256;
/// The most of those that are kept in addition.
const DECIDING_LINES_MAX: usize = 64;

impl StoreMonitor {
    /// Takes one event without judging.
    pub(super) fn take_event(&mut self, event: StreamEvent<'_>) -> Result<(), MonitorError> {
        if !self.has_header {
            self.has_header = true;
            // What promises that no event is missing is not true of a window.
            self.header =
                event.part.header().map(|text| text.replace("\"gapless\":true", "\"gapless\":false"));
        }
        match event.event {
            Event::Invoke(id) => self.take_invocation(event, id)?,
            Event::Complete(id) => self.take_completion(event, id)?,
            Event::Actor(actor) => self.take_actor_event(event, actor),
        }
        self.latest_index = event.index;
        self.position += 1;
        Ok(())
    }

    fn take_invocation(&mut self, event: StreamEvent<'_>, id: OpId) -> Result<(), MonitorError> {
        let (part, process) = (event.part, event.process_name(id));
        if let Some(open) = self.open.get(&process) {
            let reason = format!("its process has an open operation since position {}", open.invoked);
            return Err(MonitorError::Pairing { event: event.index, reason });
        }
        let Some(action) = action_of(part.function(id)) else {
            let name = part.function_name(part.function(id));
            let reason =
                format!("event {} is a {name:?}, which is not an operation of a session store", event.index);
            self.end_judgement(event.index, &reason);
            return Err(MonitorError::OfflineOnly(reason));
        };
        if !part.has_real_time() {
            let reason = "a history without real time".to_owned();
            self.end_judgement(event.index, &reason);
            return Err(MonitorError::OfflineOnly(reason));
        }
        if self.open.len() >= self.limits.bytes / BYTES_PER_OPERATION {
            let reason = format!("memory: {} operations are open at once", self.open.len());
            self.end_judgement(event.index, &reason);
        }
        let (invoked, invoked_at) = (self.position, part.invoked_at(id));
        self.now_ns = self.now_ns.max(invoked_at);
        let key: Arc<str> = Arc::from(part.keys.text(part.key(id)));
        let place = match action {
            None => self.place_of_actions(),
            Some(_) => self.place_of_id(&key, event.index),
        };
        self.recorded.renewal |= action == Some(StoreAction::Renew);
        self.recorded.destroy |= action == Some(StoreAction::Destroy);
        self.recorded.time |= invoked_at.is_some();
        let user: Arc<str> = Arc::from(part.sessions.text(part.session(id)));
        if action == Some(StoreAction::Create) {
            self.look_for_suspected_reader(&user, event.index, place == RequestPlace::Session);
        }
        self.open.insert(process, OpenRequest { place, key: Arc::clone(&key), invoked });
        let new_id: Option<Arc<str>> = match part.argument(id) {
            Argument::Value(value) if part.function(id) == Function::RENEW && value != ValueId::NULL => {
                Some(Arc::from(part.value_text(value)))
            }
            _ => None,
        };
        if !matches!(place, RequestPlace::Session | RequestPlace::Actions) {
            if let Some(new_id) = new_id {
                self.lose_renewed_id(&key, &new_id, event.index);
            }
            return Ok(());
        }
        let request = KeptRequest {
            action: action.unwrap_or(StoreAction::Write),
            key: Arc::clone(&key),
            session: user,
            new_id: new_id.clone(),
            invoked,
            invoked_at,
            ended: None,
            ended_at: None,
            outcome: None,
            invocation: line_of(event),
            completion: None,
        };
        self.bytes += request.bytes();
        self.kept += 1;
        let session = self.session_at(place, &key).expect("it was found or made");
        session.add_request(request);
        if let Some(new_id) = new_id {
            self.join_ids(&key, &new_id, event.index);
        }
        Ok(())
    }

    fn take_completion(&mut self, event: StreamEvent<'_>, id: OpId) -> Result<(), MonitorError> {
        let Some(OpenRequest { place, key, invoked }) = self.open.remove(&event.process_name(id)) else {
            let reason = "its process has no open operation".to_owned();
            return Err(MonitorError::Pairing { event: event.index, reason });
        };
        let (part, position) = (event.part, self.position);
        let (outcome, ended_at) = (part.outcome(id), part.completed_at(id));
        self.now_ns = self.now_ns.max(ended_at);
        let reads = part.function(id) == Function::READ;
        self.recorded.session_read |= reads && outcome == Outcome::Ok;
        self.recorded.answer |= has_falsifiable_answer(part, id, self.question.failed_cas);
        if place == RequestPlace::Forgotten {
            if reads && outcome == Outcome::Ok {
                let is_final = self.recorded.settled.is_some_and(|settled| invoked > settled);
                self.recorded.forgotten_read = true;
                self.recorded.forgotten_read_after_settling |=
                    is_final && self.forgotten_unended.contains(&super::fingerprint(&key));
            }
            let finds_nothing = outcome == Outcome::Ok && reads && part.operation(id).result == ValueId::NULL;
            if !(finds_nothing || outcome == Outcome::Fail || (reads && outcome == Outcome::Info)) {
                self.lose_forgotten_id(&key, event.index);
            }
            return Ok(());
        }
        let Some(session) = self.session_at(place, &key) else { return Ok(()) };
        let Some(operation) = session.find_operation(invoked) else { return Ok(()) };
        let before = operation.bytes();
        (operation.ended, operation.ended_at) = (Some(position), ended_at);
        operation.outcome = Some(outcome);
        operation.completion = Some(line_of(event));
        let added = operation.bytes() - before;
        let reader = (reads && outcome == Outcome::Ok).then(|| Arc::clone(&operation.session));
        session.last_event = position;
        self.bytes += added;
        if let Some(reader) = reader {
            self.look_for_forgotten_user(&key, &reader, event.index);
        }
        Ok(())
    }

    /// Where an operation on an id is filed. A new id begins a session.
    fn place_of_id(&mut self, key: &Arc<str>, event: u64) -> RequestPlace {
        if self.is_over() {
            return RequestPlace::Nowhere;
        }
        if self.session_of.contains_key(key) {
            return RequestPlace::Session;
        }
        let fingerprint = super::fingerprint(key);
        if self.lost_ids.contains(&fingerprint) {
            return RequestPlace::Nowhere;
        }
        if self.forgotten_ids.contains(&fingerprint) {
            return RequestPlace::Forgotten;
        }
        if self.forgot_fingerprints {
            let reason = format!("event {event} is on the session {key}, which is new or was forgotten");
            self.give_up_findings(event, &reason, 1, |_| true);
            return RequestPlace::Nowhere;
        }
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.sessions.push(None);
                self.sessions.len() as u32 - 1
            }
        };
        let session = KeptSession { ids: vec![Arc::clone(key)], ..KeptSession::default() };
        self.sessions[at as usize] = Some(session);
        self.session_of.insert(Arc::clone(key), at);
        RequestPlace::Session
    }

    fn place_of_actions(&self) -> RequestPlace {
        if self.is_over() || self.actions_lost { RequestPlace::Nowhere } else { RequestPlace::Actions }
    }

    /// The session under an id, or what is kept of actions.
    fn session_at(&mut self, place: RequestPlace, key: &str) -> Option<&mut KeptSession> {
        match place {
            RequestPlace::Actions if !self.actions_lost => Some(&mut self.actions),
            RequestPlace::Session => {
                let at = *self.session_of.get(key)?;
                self.sessions[at as usize].as_mut()
            }
            _ => None,
        }
    }

    /// A renewal gives a session a second id: joins what is kept under the two ids.
    fn join_ids(&mut self, key: &Arc<str>, new_id: &Arc<str>, event: u64) {
        let Some(&at) = self.session_of.get(key) else { return };
        if let Some(&other) = self.session_of.get(new_id) {
            if other == at {
                return;
            }
            let joined = self.sessions[other as usize].take().expect("a session under a known id");
            self.free.push(other);
            joined.ids.iter().for_each(|id| _ = self.session_of.insert(Arc::clone(id), at));
            self.sessions[at as usize].as_mut().expect("a session under a known id").join(joined);
            return;
        }
        let fingerprint = super::fingerprint(new_id);
        if self.forgotten_ids.contains(&fingerprint) || self.lost_ids.contains(&fingerprint) {
            let reason = format!("event {event} renews {key} to {new_id}, which was forgotten");
            self.lose_session(at, event, &reason);
            return;
        }
        self.sessions[at as usize].as_mut().expect("a session under a known id").ids.push(Arc::clone(new_id));
        self.session_of.insert(Arc::clone(new_id), at);
    }

    /// Keeps an event of a fault injector, and those of the recorder that decide something.
    fn take_actor_event(&mut self, event: StreamEvent<'_>, actor: &ActorEvent) {
        self.now_ns = self.now_ns.max(actor.time);
        let settles = actor.actor == "recorder" && actor.function == "settled";
        let observes = OBSERVERS.contains(&actor.actor.as_str());
        if observes && !settles {
            return;
        }
        if settles {
            self.recorded.settled.get_or_insert(self.position);
        }
        let line = line_of(event);
        let decides = settles || may_change_clocks(&actor.function);
        if decides && self.deciding_actors.len() < DECIDING_LINES_MAX {
            self.deciding_actors.push((self.position, line));
            return;
        }
        if self.actors.len() == ACTOR_LINES_MAX {
            self.actors.pop_front();
        }
        self.actors.push_back((self.position, line));
    }
}

/// Whether a fault with this name may change a clock. A name too many costs a line.
fn may_change_clocks(name: &str) -> bool {
    ["skew", "clock", "bump", "strobe"].iter().any(|part| name.contains(part))
}

/// What an operation can do to a session: `Some(None)` for operations on actions, `None` for operations of other models.
fn action_of(function: Function) -> Option<Option<StoreAction>> {
    Some(match function {
        Function::CREATE => Some(StoreAction::Create),
        Function::RENEW => Some(StoreAction::Renew),
        Function::DESTROY => Some(StoreAction::Destroy),
        Function::READ => Some(StoreAction::Read),
        Function::WRITE | Function::PATCH | Function::TOUCH => Some(StoreAction::Write),
        Function::ACT | Function::ACTIONS => None,
        _ => return None,
    })
}

/// The event as a line of a file, with its index in the stream.
fn line_of(event: StreamEvent<'_>) -> Box<str> {
    let mut line = String::new();
    push_event_line(event.part, event.event, event.position, event.index, &mut line);
    line.into_boxed_str()
}
