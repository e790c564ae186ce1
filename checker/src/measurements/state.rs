//! Whether a session that a fault affected was found again, with what it held.
//!
//! An answer is not a recovery: a store that lost a session answers at once that there is none. What is asked here is
//! when the user's *own* session was there again. The sessions are those of the history (`create`); of registers there
//! is nothing to ask.
//!
//! A session **had a state** if its user's creation was acknowledged before the first operation that the fault hit, or
//! if operations on its id had been. It **has it again** with the first later answer that shows the session under an id
//! that is not a new session's: an acknowledged write, patch, touch, renewal or destroy, or a read that found it and
//! that is not stale (the version it shows had not been replaced before the read began). A session that its user
//! creates anew after the fault is another one, and so is what that is renewed to. What nobody asked for again cannot
//! be told, and neither can what its own user ended, or what may have run out of time.

use super::samples::{Sample, UserOutcome};
use super::staleness::Staleness;
use histories::{Function, History, Id, KeyId, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// What became of the state of one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StateAfter {
    /// It was found again at that time.
    Back(i64),
    /// It was asked for again, and never found.
    Missing,
    /// Nobody asked for it again, or what was asked cannot tell.
    Unasked,
}

/// What is asked about the sessions of a history.
pub(super) struct SessionStateTracker<'a> {
    history: &'a History,
    stale: FxHashSet<OpId>,
    time_to_live: Option<i64>,
    /// For each key, when an operation first showed it, by position.
    shown: Vec<u32>,
}

impl<'a> SessionStateTracker<'a> {
    /// Nothing if the objects are no sessions. O(n).
    pub(super) fn from_history(history: &'a History, staleness: &Staleness) -> Option<Self> {
        let sessions = history.ids().any(|id| history.function(id) == Function::CREATE);
        let mut shown = vec![u32::MAX; history.keys.len()];
        for op in history.operations().filter(|op| op.outcome == Outcome::Ok && sessions) {
            if shows_session(history, op.id) || op.function == Function::CREATE {
                let known = &mut shown[op.key.index()];
                *known = (*known).min(op.completed);
            }
        }
        let stale = staleness.stale.iter().map(|read| read.id).collect();
        sessions.then(|| Self { history, stale, time_to_live: read_time_to_live(history), shown })
    }

    /// What became of a session's state since the first operation that a fault hit, of all that the session did;
    /// nothing if it had none.
    pub(super) fn state_after<'b>(
        &self,
        rows: impl Iterator<Item = &'b Sample>,
        first: &Sample,
    ) -> Option<StateAfter> {
        let history = self.history;
        let key = history.key(first.id);
        let had = self.shown[key.index()] < history.operation(first.id).invoked;
        if history.function(first.id) == Function::CREATE || !had {
            return None;
        }
        // The ids under which it may be, and whether it must be there.
        let mut ids: FxHashMap<KeyId, bool> = FxHashMap::from_iter([(key, true)]);
        let (mut missing, mut renewed_at) = (false, i64::MIN);
        for row in rows {
            let (id, until) = (row.id, row.ended.unwrap_or(row.invoked));
            let function = history.function(id);
            let before = (row.invoked, id.index()) < (first.invoked, first.id.index());
            if before {
                let own = history.key(id) == key || renewed_id(history, id) == Some(key);
                let renews = own && function != Function::READ && row.end == UserOutcome::Success;
                renewed_at = if renews { row.invoked } else { renewed_at };
                continue;
            }
            let Some(&certain) = ids.get(&history.key(id)) else { continue };
            if shows_session(history, id) && !self.stale.contains(&id) {
                return row.ended.map(StateAfter::Back);
            }
            if self.time_to_live.is_some_and(|live| until.saturating_sub(renewed_at) >= live) {
                break;
            }
            let told = row.end == UserOutcome::Refusal
                || (function == Function::READ && row.end == UserOutcome::Success);
            missing |= told && certain;
            if let Some(new) = renewed_id(history, id) {
                ids.extend([(history.key(id), false), (new, false)]);
            }
            // Its user ended it: that it is gone from here on is as it should be.
            if function == Function::DESTROY && history.outcome(id) != Outcome::Fail {
                break;
            }
        }
        Some(if missing { StateAfter::Missing } else { StateAfter::Unasked })
    }
}

/// Whether an operation shows that the session was there.
fn shows_session(history: &History, id: OpId) -> bool {
    let found = match history.function(id) {
        Function::READ => history.operation(id).result != ValueId::NULL,
        function => is_session_operation(function) && function != Function::CREATE,
    };
    found && history.outcome(id) == Outcome::Ok
}

fn is_session_operation(function: Function) -> bool {
    matches!(
        function,
        Function::CREATE
            | Function::READ
            | Function::WRITE
            | Function::PATCH
            | Function::TOUCH
            | Function::RENEW
            | Function::DESTROY
    )
}

fn renewed_id(history: &History, id: OpId) -> Option<KeyId> {
    let renews = history.function(id) == Function::RENEW && history.outcome(id) != Outcome::Fail;
    history.keys.get(history.value_text(history.operation(id).value())).filter(|_| renews)
}

/// How long a session lives, in ns, as the header tells.
fn read_time_to_live(history: &History) -> Option<i64> {
    let header: serde_json::Value = serde_json::from_str(history.header()?).ok()?;
    header["time_to_live_ms"].as_i64()?.checked_mul(1_000_000)
}
