//! What the monitor keeps of a session store: events as lines, by session.
//!
//! The findings depend on almost everything that an event says: values, times, clocks, nodes. So an event is kept as the line that it has
//! in a file. A window of these lines is read like any history.

use histories::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// The memory of an operation beside its lines, while it is kept and while it is judged.
const OPERATION_BYTES: usize = 1_000;
/// The memory that a byte of a line takes, including the history that it is read into.
const LINE_FACTOR: usize = 3;

/// What an operation can do to a session, as far as forgetting depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum StoreAction {
    /// A creation.
    Create,
    /// A renewal: the session gets another id.
    Renew,
    /// A destroy.
    Destroy,
    /// A read.
    Read,
    /// A write of the whole, of a field, or of nothing (touch).
    Write,
}

/// An operation that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptRequest {
    pub(super) action: StoreAction,
    pub(super) key: Arc<str>,
    /// The user.
    pub(super) session: Arc<str>,
    /// The id that a renewal gives.
    pub(super) new_id: Option<Arc<str>>,
    /// The position of the invocation in the stream.
    pub(super) invoked: u64,
    pub(super) invoked_at: Option<i64>,
    /// The position of the completion, whatever the outcome. None while the operation is open.
    pub(super) ended: Option<u64>,
    pub(super) ended_at: Option<i64>,
    #[serde(with = "crate::monitor::snapshot::outcome")]
    pub(super) outcome: Option<Outcome>,
    pub(super) invocation: Box<str>,
    pub(super) completion: Option<Box<str>>,
}

impl KeptRequest {
    pub(super) fn is_ok(&self) -> bool {
        self.outcome == Some(Outcome::Ok)
    }

    /// Whether the operation gives this id to a session, unless it failed.
    pub(super) fn gives_id(&self, id: &str) -> bool {
        match self.action {
            StoreAction::Create => &*self.key == id,
            StoreAction::Renew => self.new_id.as_deref() == Some(id),
            _ => false,
        }
    }

    /// Whether the operation certainly ended the session under this id.
    pub(super) fn ends_id(&self, id: &str) -> bool {
        matches!(self.action, StoreAction::Destroy | StoreAction::Renew) && self.is_ok() && &*self.key == id
    }

    /// Whether the answer has a value.
    pub(super) fn found_session(&self) -> bool {
        let event: Option<Value> =
            self.completion.as_deref().and_then(|line| serde_json::from_str(line).ok());
        event.is_some_and(|event| event.get("value").is_some_and(|value| !value.is_null()))
    }

    /// Whether the operation writes the whole, or a field.
    pub(super) fn writes_content(&self) -> bool {
        let writes = || {
            let event: Option<Value> = serde_json::from_str(&self.invocation).ok();
            event.is_some_and(|event| event.get("f").is_some_and(|function| function != "touch"))
        };
        self.action == StoreAction::Create || self.action == StoreAction::Write && writes()
    }

    /// The memory that the operation takes.
    pub(super) fn bytes(&self) -> usize {
        let lines = self.invocation.len() + self.completion.as_ref().map_or(0, |line| line.len());
        OPERATION_BYTES + LINE_FACTOR * lines
    }
}

/// The operations on one session: on all ids that renewals join.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct KeptSession {
    pub(super) ids: Vec<Arc<str>>,
    /// In order of invocation.
    pub(super) operations: Vec<KeptRequest>,
    /// The position of the last event.
    pub(super) last_event: u64,
    /// Whether several users have operations on the session.
    pub(super) is_shared: bool,
}

impl KeptSession {
    /// Adds an invoked operation.
    pub(super) fn add_request(&mut self, request: KeptRequest) {
        self.last_event = request.invoked;
        self.is_shared |= self.operations.first().is_some_and(|first| first.session != request.session);
        self.operations.push(request);
    }

    /// The users who created the session, or tried to.
    pub(super) fn creators(&self) -> impl Iterator<Item = &Arc<str>> {
        let creations = self.operations.iter().filter(|operation| operation.action == StoreAction::Create);
        creations.map(|operation| &operation.session)
    }

    /// The users who read the session although somebody else wrote it.
    pub(super) fn foreign_readers(&self) -> impl Iterator<Item = &Arc<str>> {
        let operations = if self.is_shared { &self.operations[..] } else { &[] };
        let reads = operations.iter().filter(|read| read.action == StoreAction::Read && read.is_ok());
        let foreign = reads.filter(|read| self.has_write_by_others(&read.session));
        foreign.map(|read| &read.session)
    }

    /// The kept operation that was invoked at a position. O(log n).
    pub(super) fn find_operation(&mut self, invoked: u64) -> Option<&mut KeptRequest> {
        let at = self.operations.binary_search_by_key(&invoked, |operation| operation.invoked).ok()?;
        Some(&mut self.operations[at])
    }

    /// The memory that the session takes.
    pub(super) fn bytes(&self) -> usize {
        self.operations.iter().map(KeptRequest::bytes).sum()
    }

    /// The latest time of an event, in ns. None if some event has no time.
    pub(super) fn last_time(&self) -> Option<i64> {
        let mut last = i64::MIN;
        for operation in &self.operations {
            last = last.max(operation.invoked_at?);
            if operation.ended.is_some() {
                last = last.max(operation.ended_at?);
            }
        }
        Some(last)
    }

    /// Whether somebody else than this user wrote the session.
    pub(super) fn has_write_by_others(&self, user: &str) -> bool {
        let writes = |action| matches!(action, StoreAction::Create | StoreAction::Write);
        self.operations.iter().any(|operation| {
            writes(operation.action)
                && &*operation.session != user
                && operation.outcome != Some(Outcome::Fail)
        })
    }

    /// Takes the operations of another session, which a renewal joins with this one.
    pub(super) fn join(&mut self, other: Self) {
        self.ids.extend(other.ids);
        self.operations.extend(other.operations);
        self.operations.sort_by_key(|operation| operation.invoked);
        self.is_shared |= other.is_shared;
        self.is_shared |= self.operations.windows(2).any(|pair| pair[0].session != pair[1].session);
        self.last_event = self.last_event.max(other.last_event);
    }
}
