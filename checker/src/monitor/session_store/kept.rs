//! What the monitor keeps of a session store: events as lines, by session.
//!
//! The findings depend on almost everything that an event says: values, times, clocks, nodes. So an event is kept as the line that it has
//! in a file. A window of these lines is read like any history.

use histories::Outcome;
use serde::{Deserialize, Serialize};
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
}

impl KeptSession {
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

    /// Takes the operations of another session, which a renewal joins with this one.
    pub(super) fn join(&mut self, other: Self) {
        self.ids.extend(other.ids);
        self.operations.extend(other.operations);
        self.operations.sort_by_key(|operation| operation.invoked);
        self.last_event = self.last_event.max(other.last_event);
    }
}
