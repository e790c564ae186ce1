//! When a session can be forgotten, and why.
//!
//! A session is a component: the operations on all ids that renewals join. It is forgotten as a whole, or not at all, if
//!
//! 1. none of its operations is open;
//! 2. no creation of one of its ids, and no renewal to one of them, is indeterminate;
//! 3. it is certainly over. Either an acknowledged operation ended each of its ids: a destroy of that id, or a renewal to another, which
//!    began after every operation that gives out the id had ended. Or its time to live has passed since the last event, once more for each
//!    indeterminate operation, which may have renewed it later.
//!
//! **Nothing depends on it any more, unless that is noticed.** Findings about presence and contents concern one component each. By 2 and
//! 3, the session is absent now, and stays absent until an operation creates it or renews another session to one of its ids. Such an
//! operation is noticed, because it names the id. An operation that finds no session under the id says nothing new. One that finds it
//! is noticed as well. A read of another session that returns a value of this one is noticed, because no kept operation wrote the value.
//! In each case the findings are *unknown* from that event on. An indeterminate write of a session that is absent has no effect.
//!
//! A leak also depends on the users who ever create a session. Those who did are remembered by fingerprint, and so are those who read a
//! session of somebody else.
//!
//! With `--session-idle`, a session without any event for that long is forgotten as well. That no request uses it later is an
//! assumption, which is printed with every verdict. An id that is used again all the same is noticed as above.

use super::kept::{KeptRequest, KeptSession, StoreAction};
use claims::SessionRules;
use histories::Outcome;

/// The moments and rules that decide what may be forgotten.
#[derive(Clone, Copy)]
pub(super) struct ForgetRules<'a> {
    pub(super) rules: &'a SessionRules,
    /// The latest time of the stream.
    pub(super) now_ns: Option<i64>,
    /// After how long without an event a session is forgotten.
    pub(super) idle_ns: Option<i64>,
}

/// Whether a session may be forgotten. O(n) in its operations times its ids.
pub(super) fn may_forget(session: &KeptSession, with: ForgetRules<'_>) -> bool {
    let operations = &session.operations;
    if operations.iter().any(|operation| operation.outcome.is_none()) {
        return false;
    }
    if let (Some(idle), Some(now), Some(last)) = (with.idle_ns, with.now_ns, session.last_time())
        && now.saturating_sub(last) > idle
    {
        return true;
    }
    let is_indeterminate_birth = |action| matches!(action, StoreAction::Create | StoreAction::Renew);
    let pins = operations.iter().any(|operation| {
        operation.outcome == Some(Outcome::Info) && is_indeterminate_birth(operation.action)
    });
    !pins && (has_expired(session, with) || session.ids.iter().all(|id| is_id_over(session, id)))
}

/// Whether an acknowledged operation ended the session under an id after everything that gives out the id.
fn is_id_over(session: &KeptSession, id: &str) -> bool {
    let births = session.operations.iter().filter(|operation| operation.gives_id(id));
    let births = births.filter(|operation| operation.outcome != Some(Outcome::Fail));
    let born = births.filter_map(|operation| operation.ended).max();
    let mut ends = session.operations.iter().filter(|operation| operation.ends_id(id));
    ends.any(|end| born.is_none_or(|born| born < end.invoked))
}

/// Whether an operation began to give out an id, or used it without failing. A read that found nothing does not count.
pub(super) fn is_id_known(session: &KeptSession, id: &str) -> bool {
    session.operations.iter().any(|operation| {
        let is_used = || match operation.action {
            StoreAction::Read => operation.is_ok() && operation.found_session(),
            _ => operation.outcome != Some(Outcome::Fail),
        };
        operation.gives_id(id) || &*operation.key == id && is_used()
    })
}

/// Whether an acknowledged operation ended an id after everything that might have given it out, also if that failed in the end.
pub(super) fn is_ended_for_good(session: &KeptSession, id: &str) -> bool {
    let births = session.operations.iter().filter(|operation| operation.gives_id(id));
    let born = births.filter_map(|operation| operation.ended).max();
    let mut ends = session.operations.iter().filter(|operation| operation.ends_id(id));
    ends.any(|end| born.is_none_or(|born| born < end.invoked))
}

/// Whether an acknowledged write, or another creation, began after another version of the session had been acknowledged.
pub(super) fn has_replaced_version(session: &KeptSession) -> bool {
    let versions =
        session.operations.iter().filter(|operation| operation.is_ok() && operation.writes_content());
    let Some(first) = versions.clone().filter_map(|operation| operation.ended).min() else { return false };
    versions.clone().any(|operation| operation.invoked > first)
}

/// Whether the time to live has passed, whatever indeterminate operations did.
fn has_expired(session: &KeptSession, with: ForgetRules<'_>) -> bool {
    let Some(live) = with.rules.time_to_live_ns else { return false };
    let (Some(now), Some(last)) = (with.now_ns, session.last_time()) else { return false };
    let indeterminate = |operation: &&KeptRequest| operation.outcome == Some(Outcome::Info);
    let spares = session.operations.iter().filter(indeterminate).count() as i64;
    let span = live.saturating_add(with.rules.tolerance_ns);
    now > last.saturating_add(span.saturating_mul(1 + spares))
}
