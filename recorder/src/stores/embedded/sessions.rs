//! The effect of operations on sessions, on the list of actions of a user, and on the audit trail.
//!
//! A session exists until it expires, whether or not it has been removed by then. Each command carries the time at
//! which the primary took it, and each read carries the time at which it is answered.

use super::Bug;
use super::data::{OperationMoment, ReplicatedData, ReplicatedObject, Result, not_understood, operation_key};
use crate::{AuditEntry, Failure};
use histories::Function;
use std::sync::Arc;
use workloads::{ClientOperation, Value};

/// With [`Bug::Eviction`]: the number of sessions that the store can hold.
const SESSIONS_MAX: usize = 6;

impl ReplicatedData {
    /// Runs an operation on a session. Audit entries are part of the replicated data.
    pub(super) fn run_session_operation(
        &mut self,
        operation: &ClientOperation,
        moment: OperationMoment,
        term: u64,
        bugs: &[Bug],
    ) -> Result<Value> {
        let key = operation_key(operation)?;
        if !bugs.contains(&Bug::LazyExpiry) {
            self.objects.retain(|id, object| id != key || object.is_alive_at(moment.now_ns));
        }
        let unreadable = self.objects.get(key).is_some_and(|object| object.later && !moment.later);
        let result = match unreadable {
            true => Err(Failure::no_such_session()),
            false => self.change_session(key, operation, moment, bugs),
        };
        let wrote = matches!(operation.function, Function::CREATE | Function::WRITE | Function::PATCH);
        if let (true, Some(object)) = (wrote && result.is_ok(), self.objects.get_mut(key)) {
            object.later |= moment.later;
        }
        let critical = matches!(
            operation.function,
            Function::CREATE | Function::RENEW | Function::DESTROY | Function::ACT
        );
        if critical && (result.is_ok() || bugs.contains(&Bug::AuditBeforeDone)) {
            let function = workloads::function_name(operation.function).into();
            let value = match operation.function {
                Function::RENEW | Function::ACT => operation.value.clone(),
                _ => Value::Null,
            };
            self.trail.push((term, AuditEntry { function, key: key.clone(), value }));
        }
        result
    }

    fn change_session(
        &mut self,
        key: &Arc<str>,
        operation: &ClientOperation,
        moment: OperationMoment,
        bugs: &[Bug],
    ) -> Result<Value> {
        let value = &operation.value;
        let ends = Some(moment.expires_ns);
        match (operation.function, value) {
            (Function::CREATE, _) if self.objects.contains_key(key) => Err(Failure::definite("exists")),
            (Function::CREATE, _) => {
                if bugs.contains(&Bug::Eviction) {
                    self.evict_until_room();
                }
                self.objects.insert(key.clone(), ReplicatedObject::with_expiry(value.clone(), ends));
                Ok(value.clone())
            }
            (Function::WRITE, _) if self.has_changed_since(key, operation) => {
                Err(Failure::definite("changed since it was read"))
            }
            (Function::WRITE, _) => self.write_session(key, value, moment, bugs),
            (Function::PATCH, Value::Payload(payload)) => {
                let Some(field) = payload.field.clone() else { return Err(not_understood()) };
                let session = self.session_mut(key)?;
                session.fields.insert(field, value.clone());
                session.expires_ns = ends;
                Ok(value.clone())
            }
            (Function::PATCH, Value::Fields(parts)) => {
                let session = self.session_mut(key)?;
                session.fields.extend(parts.iter().cloned());
                Ok(value.clone())
            }
            (Function::TOUCH, _) => {
                self.session_mut(key)?.expires_ns = ends;
                Ok(Value::Null)
            }
            (Function::RENEW, Value::Text(id)) => {
                let object = self.session_mut(key)?.clone();
                if self.objects.contains_key(id) {
                    return Err(Failure::definite("the new id exists"));
                }
                self.objects.insert(id.clone(), ReplicatedObject { expires_ns: ends, ..object });
                if !bugs.contains(&Bug::OldIdAlive) {
                    self.objects.remove(key);
                }
                Ok(value.clone())
            }
            (Function::DESTROY, _) => {
                self.session_mut(key)?;
                self.objects.remove(key);
                Ok(Value::Null)
            }
            (Function::ACT, action) => self.perform_action(key, action, bugs),
            _ => Err(not_understood()),
        }
    }

    /// Whether a session is there, and holds something else than what the write says that it was made from.
    fn has_changed_since(&self, key: &str, write: &ClientOperation) -> bool {
        let held = self.objects.get(key).map(ReplicatedObject::visible_value);
        held.zip(write.based_on.as_ref()).is_some_and(|(held, read)| held != *read)
    }

    fn write_session(
        &mut self,
        key: &Arc<str>,
        value: &Value,
        moment: OperationMoment,
        bugs: &[Bug],
    ) -> Result<Value> {
        if bugs.contains(&Bug::ResurrectAfterDestroy) && !self.objects.contains_key(key) {
            self.objects.insert(key.clone(), ReplicatedObject::with_expiry(Value::Null, None));
        }
        let session = self.session_mut(key)?;
        session.fields.clear();
        match value {
            // The value is a whole session that a web framework writes back: the payload and the fields on top of it.
            Value::Fields(parts) => {
                for (name, part) in parts {
                    match part {
                        Value::Payload(payload) if payload.field.is_none() => session.value = part.clone(),
                        _ => drop(session.fields.insert(name.clone(), part.clone())),
                    }
                }
            }
            _ => session.value = value.clone(),
        }
        session.expires_ns = Some(moment.expires_ns);
        Ok(value.clone())
    }

    /// Does an action once for the session's user. The session itself names the user.
    fn perform_action(&mut self, key: &Arc<str>, action: &Value, bugs: &[Bug]) -> Result<Value> {
        let user = match self.session_mut(key).map(|session| session.value.clone()) {
            Ok(Value::Payload(payload)) => payload.session,
            Ok(_) => return Err(Failure::definite("nobody is logged in")),
            Err(_) if bugs.contains(&Bug::ActionsDropped) => return Ok(action.clone()),
            Err(why) => return Err(why),
        };
        let done = self.done.entry(user).or_default();
        if bugs.contains(&Bug::RetriedWrites) || !done.contains(action) {
            done.push(action.clone());
        }
        Ok(action.clone())
    }

    /// Forgets the sessions that would expire first, until there is room for one more.
    fn evict_until_room(&mut self) {
        while self.objects.len() >= SESSIONS_MAX {
            let first = self.objects.iter().min_by_key(|(_, object)| object.expires_ns);
            let Some(id) = first.map(|(id, _)| id.clone()) else { return };
            self.objects.remove(&id);
        }
    }

    fn session_mut(&mut self, key: &str) -> Result<&mut ReplicatedObject> {
        self.objects.get_mut(key).ok_or_else(Failure::no_such_session)
    }
}
