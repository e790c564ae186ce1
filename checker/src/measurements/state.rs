//! Whether a session that a fault affected was found again, with what it held.
//!
//! An answer is not a recovery: a store that lost a session answers at once that there is none. This module determines
//! when the user's *own* session was there again. The sessions are those that the history creates (`create`); registers
//! have no such state.
//!
//! A session **had a state** if its creation was acknowledged before the first operation that the fault hit, or if
//! operations on its id had been. It **has it again** with the first later answer that shows the session under an id
//! that is not a new session's. Such an answer is an acknowledged write, patch, touch, renewal or destroy, or a read
//! that found the session and is not stale (its version had not been replaced before the read began). A session that
//! its user creates after the fault is another one, and so is its renewal. Nothing can be concluded about a session
//! that was not asked for again, that its own user ended, or that may have expired.

use super::in_time::{TimeOver, UntilStopped, in_time};
use super::samples::{Sample, UserOutcome};
use super::staleness::Staleness;
use histories::{Function, History, Id, KeyId, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::atomic::AtomicBool;

/// What became of the state of one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StateAfter {
    /// It was found again at this time.
    Back(i64),
    /// It was asked for again, and never found.
    Missing,
    /// It was not asked for again, or the answers do not tell.
    Unasked,
}

/// What the history shows of the presence of sessions.
pub(super) struct SessionStateTracker<'a> {
    history: &'a History,
    stale: FxHashSet<OpId>,
    time_to_live: Option<i64>,
    /// For each key, the position at which an operation first showed it.
    shown: Vec<u32>,
}

impl<'a> SessionStateTracker<'a> {
    /// Nothing if the objects are no sessions. O(n).
    ///
    /// # Errors
    /// The time limit was reached.
    pub(super) fn from_history(
        history: &'a History,
        staleness: &Staleness,
        stop: &AtomicBool,
    ) -> Result<Option<Self>, TimeOver> {
        let sessions = history.ids().any(|id| history.function(id) == Function::CREATE);
        let mut shown = vec![u32::MAX; history.keys.len()];
        let operations = history.operations().until_stopped(stop);
        for op in operations.filter(|op| op.outcome == Outcome::Ok && sessions) {
            if shows_session(history, op.id) || op.function == Function::CREATE {
                // An acknowledged renewal shows the session under its new id too.
                for key in renewed_id(history, op.id).into_iter().chain([op.key]) {
                    let known = &mut shown[key.index()];
                    *known = (*known).min(op.completed);
                }
            }
        }
        in_time(stop)?;
        let stale = staleness.stale.iter().map(|read| read.id).collect();
        Ok(sessions.then(|| Self { history, stale, time_to_live: read_time_to_live(history), shown }))
    }

    /// What became of the state of a session since `first`, the first operation that a fault hit. `rows` are all
    /// operations of the session, which waits from `began` on: what another tab was answered before says nothing. `None` if it had no state.
    pub(super) fn state_after<'b>(
        &self,
        rows: impl Iterator<Item = &'b Sample>,
        first: &Sample,
        began: i64,
    ) -> Option<StateAfter> {
        let history = self.history;
        let key = history.key(first.id);
        let had = self.shown[key.index()] < history.operation(first.id).invoked;
        if history.function(first.id) == Function::CREATE || !had {
            return None;
        }
        // The ids under which the session may be, each with whether it must be there.
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
            let is_early = row.ended.is_some_and(|ended| ended < began);
            if !is_early && shows_session(history, id) && !self.stale.contains(&id) {
                return row.ended.map(StateAfter::Back);
            }
            if self.time_to_live.is_some_and(|live| until.saturating_sub(renewed_at) >= live) {
                break;
            }
            let told = row.end == UserOutcome::Refusal
                || (function == Function::READ && row.end == UserOutcome::Success);
            missing |= told && certain && !is_early;
            if let Some(new) = renewed_id(history, id) {
                ids.extend([(history.key(id), false), (new, false)]);
            }
            // Its user ended the session, so its absence from here on is correct.
            if function == Function::DESTROY && history.outcome(id) != Outcome::Fail {
                break;
            }
        }
        Some(if missing { StateAfter::Missing } else { StateAfter::Unasked })
    }
}

/// Whether an operation shows that the session was present.
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

/// The time to live of sessions, in ns, as the header states it.
pub(super) fn read_time_to_live(history: &History) -> Option<i64> {
    let header: serde_json::Value = serde_json::from_str(history.header()?).ok()?;
    header["time_to_live_ms"].as_i64()?.checked_mul(1_000_000)
}
