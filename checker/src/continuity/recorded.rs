//! What a history must have recorded before it can show findings of a kind.
//!
//! A finding that nothing in the history could have shown is *untested*. A history whose reads all ask for ids that nobody
//! gave out, as a recorder with the wrong key writes it, shows neither lost nor stale sessions.

use super::index::find_root;
use super::{FindingKind, JudgeFacts, actions, audit, settled_position};
use crate::basis::creates_an_id_again;
use histories::events::Event;
use histories::{Function, History, Id, KeyId, NEVER, OpId, Outcome, ValueId};

const NO_KNOWN_ID_READ: &str = "no session was read under an id that an operation had given out";

/// Why the history cannot show a kind. The modules of the kinds report further reasons themselves.
pub(super) fn reason_not_recorded(facts: &JudgeFacts<'_>, kind: FindingKind) -> Option<String> {
    let (history, question) = (facts.history, &facts.question);
    let does = |function| history.ids().any(|id| history.function(id) == function);
    let timed = || history.ids().any(|id| history.invoked_at(id).is_some());
    let shows_sessions = || is_known_session_read(history) || creates_an_id_again(history);
    let missing = match kind {
        FindingKind::ExpiredEarly | FindingKind::ExpiredLate if question.time_to_live_ns.is_none() => {
            "no time to live is known (time_to_live_ms in the header, or --time-to-live)"
        }
        FindingKind::ExpiredEarly | FindingKind::ExpiredLate if !timed() => "the history has no times",
        FindingKind::LostWrite if facts.settled.is_none() => {
            "no event says that the store had settled (recorder, settled), so a write that is not seen may be late rather \
             than lost: see stale-session"
        }
        FindingKind::LostWrite if !is_read_after_settling(history) => {
            "nothing was read after the store had settled"
        }
        FindingKind::LostWrite if !could_lack_a_write(facts) => {
            "no read after the store had settled was of a session whose version an acknowledged write had replaced"
        }
        FindingKind::LostSession if !shows_sessions() => NO_KNOWN_ID_READ,
        FindingKind::StaleSession if !shows_sessions() && !actions::is_acting_user_read(history) => {
            NO_KNOWN_ID_READ
        }
        FindingKind::OldIdAlive if !does(Function::RENEW) => "the history has no renewal",
        FindingKind::LostAction | FindingKind::DuplicatedAction if !actions::is_acting_user_read(history) => {
            "no list was read of a user who had acted: the key of actions is the session of act"
        }
        FindingKind::LostAction if !actions::could_lack_an_action(history) => {
            "no list of actions was read after an action of the same user had been acknowledged, or after an earlier list of that user"
        }
        FindingKind::TornSession if !is_any_session_read(history) => "no session was read",
        FindingKind::AuditMissing if !audit::has_request(history, true) => {
            "no request that belongs in the audit trail was acknowledged"
        }
        FindingKind::AuditDuplicated if !audit::has_request(history, false) => {
            "no request that belongs in the audit trail was made"
        }
        FindingKind::ResurrectedSession if !does(Function::DESTROY) && question.time_to_live_ns.is_none() => {
            "no operation ended a session"
        }
        _ => return None,
    };
    Some(missing.to_owned())
}

/// Whether a read of a session that succeeded began after the store had settled.
pub(crate) fn is_read_after_settling(history: &History) -> bool {
    let Some(settled) = settled_position(history) else { return false };
    let mut reads = history.operations().filter(|op| op.function == Function::READ);
    reads.any(|op| op.outcome == Outcome::Ok && op.invoked > settled)
}

/// Whether a read of a session succeeded, whatever it returned.
fn is_any_session_read(history: &History) -> bool {
    history.operations().any(|op| op.function == Function::READ && op.outcome == Outcome::Ok)
}

/// The id that a renewal gives to a session. A renewal that failed counts as well: while it was open, it might have succeeded, and what was
/// tested by then stays tested.
fn given_id(history: &History, id: OpId) -> Option<KeyId> {
    let gives = history.function(id) == Function::RENEW;
    history.keys.get(history.value_text(history.operation(id).value())).filter(|_| gives)
}

/// Whether a session was read under an id that is known by the end of the read: an operation had begun to give it out, or one had used it
/// and did not fail. A read makes an id known if it finds a session. One sweep over the events.
fn is_known_session_read(history: &History) -> bool {
    let mut known = vec![false; history.keys.len()];
    history.events().any(|event| match event {
        Event::Invoke(id) => {
            known[history.key(id).index()] |= history.function(id) == Function::CREATE;
            given_id(history, id).into_iter().for_each(|key| known[key.index()] = true);
            false
        }
        Event::Complete(id) => {
            let (key, outcome) = (history.key(id).index(), history.outcome(id));
            let is_read = history.function(id) == Function::READ && outcome == Outcome::Ok;
            known[key] |= match history.function(id) {
                Function::READ => is_read && history.result(id) != ValueId::NULL,
                Function::ACT | Function::ACTIONS => false,
                _ => outcome != Outcome::Fail,
            };
            is_read && known[key]
        }
        Event::Actor(_) => false,
    })
}

/// By id: one id that stands for all that renewals join.
fn join_ids(history: &History) -> Vec<u32> {
    let mut parents: Vec<u32> = (0..history.keys.len() as u32).collect();
    for id in history.ids() {
        if let Some(new) = given_id(history, id) {
            let (old, new) =
                (find_root(&mut parents, history.key(id).raw()), find_root(&mut parents, new.raw()));
            parents[new as usize] = old;
        }
    }
    for key in 0..parents.len() as u32 {
        parents[key as usize] = find_root(&mut parents, key);
    }
    parents
}

/// What is known of one id while events are followed.
#[derive(Clone, Copy, Default)]
struct IdLife {
    /// When the last of the operations that give it out is over. Zero if none has begun.
    born: u32,
    /// Whether an acknowledged operation ended it after that.
    is_over: bool,
}

/// Whether some read that began after the store had settled could have lacked an acknowledged write, which began after another version of
/// that session had been acknowledged. A session under an id that is over has no content. One sweep over the events.
fn could_lack_a_write(facts: &JudgeFacts<'_>) -> bool {
    let history = facts.history;
    let sessions = join_ids(history);
    let mut lives = vec![IdLife::default(); history.keys.len()];
    // By session: when its first version was acknowledged, and whether a later write was.
    let mut first = vec![NEVER; history.keys.len()];
    let mut replaced = vec![false; history.keys.len()];
    for (event, position) in history.events().zip(0u32..) {
        let (id, is_invocation) = match event {
            Event::Invoke(id) => (id, true),
            Event::Complete(id) => (id, false),
            Event::Actor(_) => continue,
        };
        let (function, key) = (history.function(id), history.key(id));
        let (outcome, session) = (history.outcome(id), sessions[key.index()] as usize);
        if is_invocation {
            let created = Some(key).filter(|_| function == Function::CREATE);
            for given in created.into_iter().chain(given_id(history, id)) {
                let life = &mut lives[given.index()];
                let over = history.completion_position(id);
                *life = IdLife { born: life.born.max(over), is_over: false };
            }
            let is_read = function == Function::READ && outcome == Outcome::Ok;
            let is_final = facts.settled.is_some_and(|settled| position > settled);
            if is_read && is_final && replaced[session] && !lives[key.index()].is_over {
                return true;
            }
        } else if outcome == Outcome::Ok {
            let invoked = history.invocation_position(id);
            // An id that is created again has another version, too.
            if matches!(function, Function::WRITE | Function::PATCH | Function::CREATE) {
                replaced[session] |= first[session] < invoked;
                first[session] = first[session].min(position);
            }
            let life = &mut lives[key.index()];
            life.is_over |= matches!(function, Function::DESTROY | Function::RENEW)
                && (life.born == 0 || life.born < invoked);
        }
    }
    false
}
