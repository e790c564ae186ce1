//! What can be found wrong with a session store: a name, the operations that show it, and why they do.

use crate::names::named;
use histories::{History, KeyId, OpId, Outcome, SessionId};
use serde::{Deserialize, Serialize};

named! {
    /// What can be found wrong with a session store, by the names of the definitions.
    FindingKind, "finding";
    LostSession "lost-session"
        "a session no longer exists, although no operation ended it and it had not expired",
    LostWrite "lost-write"
        "an acknowledged write is missing after the store settled, although no known write replaced it",
    LostUpdate "lost-update"
        "two requests each saved the whole session without the change of the other",
    StaleSession "stale-session"
        "an answer shows an older state of a session than one that was already acknowledged or seen",
    ResurrectedSession "resurrected-session"
        "a session exists after an acknowledged destroy, or after it was seen to be absent",
    ExpiredEarly "expired-early"
        "a session expired before its time to live was over",
    ExpiredLate "expired-late"
        "a session exists although its time to live is over",
    OldIdAlive "old-id-alive"
        "an id still works after an acknowledged renewal",
    SessionLeak "session-leak"
        "an answer shows data that another session wrote",
    TornSession "torn-session"
        "a session holds data that no single write wrote",
    DuplicatedAction "duplicated-action"
        "an action took effect more than once",
    LostAction "lost-action"
        "an acknowledged action took no effect",
    ClockWentBack "clock-went-back"
        "a session got an earlier time than it had already got",
    AuditMissing "audit-missing"
        "an acknowledged event is not in the audit trail",
    AuditDuplicated "audit-duplicated"
        "the audit trail has an event more often than it can have happened",
    AuditForged "audit-forged"
        "the audit trail has an event that no request caused, or events in the wrong order",
    DivergentReplicas "divergent-replicas"
        "replicas differ after the faults ended and the store settled",
    Unexplained "unexplained"
        "no execution explains an answer, and no other finding covers it",
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The id of the session, as the telling operation has it; of actions, the user.
    pub key: KeyId,
    /// Whose session it is: the user that created it, or else the one that the telling operation belongs to.
    pub session: SessionId,
    /// The operations that show it, the telling one first. Empty where it is shown by events of actors alone.
    pub operations: Vec<OpId>,
    /// The events of actors that show it, by position: entries of an audit trail, reads of replicas.
    pub events: Vec<u32>,
    /// The faults that were on while it happened, by the positions at which they struck, in order: from the beginning
    /// of what was lost or contradicted to the end of the telling operation.
    pub faults: Vec<u32>,
    /// Why no legal execution explains it.
    pub proof: FindingProof,
}

/// Why no legal execution explains a finding. What each asks for is told in `docs/definitions.md`, "Session stores";
/// the re-check holds it against the history alone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum FindingProof {
    /// The session was there when `alive` took effect and is gone for `gone`, which began later; nothing that could
    /// end it lies between, and since `renewed` its time cannot have run out.
    Gone {
        /// What found nothing.
        gone: OpId,
        /// What showed that it was there.
        alive: OpId,
        /// What renewed its time to live last; none where sessions live for ever.
        renewed: Option<OpId>,
        /// How long the session had been left alone at most when `gone` was answered, in ns.
        idle_ns: Option<i64>,
    },
    /// The session is there for `back` although it had ended before: by `ended`, or `ended` had found nothing after it
    /// had been there; and nobody can have created it between the two.
    Back {
        /// What found it.
        back: OpId,
        /// A destroy, a renewal, or what found nothing.
        ended: OpId,
        /// What shows that `ended` took effect before `back`, or that the session had been there before: an operation
        /// on the new id of an unacknowledged renewal; one that found the session before `ended` found nothing.
        shown: Option<OpId>,
    },
    /// Both ended the session, which was created only once.
    EndedTwice {
        /// One.
        one: OpId,
        /// And the other.
        other: OpId,
    },
    /// The session is there for `seen`, though nobody had begun to create it.
    Unborn {
        /// What found it.
        seen: OpId,
    },
    /// The session is there for `seen`, though its time had run out before that began.
    Overdue {
        /// What found it.
        seen: OpId,
        /// What renewed it last, of what is known.
        renewed: Option<OpId>,
        /// By how much it is late at least, in ns, beyond the tolerance.
        late_ns: i64,
    },
    /// `read` returned a version although it had been replaced: `older` (which wrote or returned that version) completed
    /// before `newer` began, which wrote or returned another one, and that one had been written before `read` began,
    /// as `shown` proves.
    Replaced {
        /// What returned the old version.
        read: OpId,
        /// The field that is old; none for what was written whole.
        field: Option<String>,
        /// What wrote or returned the old version first.
        older: OpId,
        /// What wrote or returned the newer one, after that.
        newer: OpId,
        /// What wrote or returned the newer one, before `read` began.
        shown: OpId,
    },
    /// `read` returned what the creation wrote, after something else had been written to the session.
    BackToBirth {
        /// What returned the old version.
        read: OpId,
        /// The field that is old; none for what was written whole.
        field: Option<String>,
        /// The creation.
        birth: OpId,
        /// What wrote or returned another version before `read` began.
        shown: OpId,
    },
    /// `read` returned `field` as `patch` left it, beside a whole that was written after it and cleared it.
    Uncleared {
        /// What returned both.
        read: OpId,
        /// The field.
        field: String,
        /// What wrote the field.
        patch: OpId,
        /// What replaced the whole session after that.
        write: OpId,
    },
    /// `read` returned bytes, or a payload, that no write wrote that could have taken effect by then. `writer`: whose
    /// failed or later write would have.
    Unwritten {
        /// What returned it.
        read: OpId,
        /// The write that failed, or that had not begun.
        writer: Option<OpId>,
    },
    /// `read` returned what `writer` wrote to another session, or what belongs to the user `owner`.
    Foreign {
        /// What returned it.
        read: OpId,
        /// Who wrote it, if that was recorded.
        writer: Option<OpId>,
        /// Whose payload it says to be.
        owner: String,
    },
    /// The list of actions that `read` returned has this action of `act` so many times.
    Repeated {
        /// What returned the list.
        read: OpId,
        /// The action; none where nobody asked for it.
        act: Option<OpId>,
        /// The action, as JSON.
        action: String,
        /// How many times it is there.
        times: usize,
    },
    /// The list of actions that `read` returned lacks what `act` did before it began. `later`: a list that has it.
    Undone {
        /// What returned the list.
        read: OpId,
        /// The action.
        act: OpId,
        /// A list that began later and has it.
        later: Option<OpId>,
    },
    /// The list of actions that `read` returned has one that failed, that had not begun, or that nobody asked for.
    Unasked {
        /// What returned the list.
        read: OpId,
        /// The action as JSON.
        action: String,
        /// Who asked for it, and was told that it failed, or asked later.
        act: Option<OpId>,
    },
    /// What `read` returned is no list of actions.
    NoList {
        /// What returned it.
        read: OpId,
    },
    /// `later` began after `earlier` had been answered, in the same session, and was told an earlier time.
    ToldEarlier {
        /// The answer with the later time.
        earlier: OpId,
        /// The answer with the earlier time.
        later: OpId,
        /// By how much, in ns.
        back_ns: i64,
    },
    /// Of the acknowledged events of this name, id and value, the audit trail has fewer or more entries than there can be.
    Entries {
        /// Entries.
        found: usize,
        /// Requests that were acknowledged.
        acknowledged: usize,
        /// Requests that may have taken effect, the acknowledged ones among them.
        possible: usize,
    },
    /// The audit trail has the entry at `second` after the one at `first`, although its request was acknowledged before the
    /// other one's began.
    OutOfOrder {
        /// The position of the entry that comes first.
        first: u32,
        /// The position of the entry that comes second.
        second: u32,
    },
    /// Both operations replaced the whole session, each made from a version that lacks the other: one undid the other.
    Overwritten {
        /// The save that was asked for later.
        save: OpId,
        /// What returned the version that it was made from; none where the history tells that itself.
        read: Option<OpId>,
        /// The other save.
        other: OpId,
        /// What returned the version that the other one was made from.
        other_read: Option<OpId>,
    },
    /// Two replicas hold different things under one key.
    Differ {
        /// What one of them held, as JSON.
        one: String,
        /// What the other held, as JSON.
        other: String,
    },
}

impl FindingProof {
    /// The operations that it names, beside those of a trail, which the finding itself lists.
    pub fn involved_operations(&self) -> Vec<OpId> {
        let with = |certain: &[OpId], more: &[Option<OpId>]| {
            certain.iter().copied().chain(more.iter().copied().flatten()).collect()
        };
        match self {
            FindingProof::Gone { gone, alive, renewed, .. } => with(&[*gone, *alive], &[*renewed]),
            FindingProof::Back { back, ended, shown } => with(&[*back, *ended], &[*shown]),
            FindingProof::EndedTwice { one, other } => with(&[*one, *other], &[]),
            FindingProof::Unborn { seen } => with(&[*seen], &[]),
            FindingProof::Overdue { seen, renewed, .. } => with(&[*seen], &[*renewed]),
            FindingProof::Replaced { read, older, newer, shown, .. } => {
                with(&[*read, *older, *newer, *shown], &[])
            }
            FindingProof::BackToBirth { read, birth, shown, .. } => with(&[*read, *birth, *shown], &[]),
            FindingProof::Uncleared { read, patch, write, .. } => with(&[*read, *patch, *write], &[]),
            FindingProof::Unwritten { read, writer } | FindingProof::Foreign { read, writer, .. } => {
                with(&[*read], &[*writer])
            }
            FindingProof::Repeated { read, act, .. } | FindingProof::Unasked { read, act, .. } => {
                with(&[*read], &[*act])
            }
            FindingProof::Undone { read, act, later } => with(&[*read, *act], &[*later]),
            FindingProof::NoList { read } => with(&[*read], &[]),
            FindingProof::ToldEarlier { earlier, later, .. } => with(&[*earlier, *later], &[]),
            FindingProof::Overwritten { save, read, other, other_read } => {
                with(&[*save, *other], &[*read, *other_read])
            }
            FindingProof::Entries { .. } | FindingProof::OutOfOrder { .. } | FindingProof::Differ { .. } => {
                Vec::new()
            }
        }
    }
}

impl Finding {
    /// The operation that was wrong: what it says is no evidence for anything else. None where the answers were right, and
    /// only a clock, a trail or a replica was not.
    pub fn wrong_operation(&self) -> Option<OpId> {
        match &self.proof {
            FindingProof::Gone { gone, .. } => Some(*gone),
            FindingProof::Back { back, .. } => Some(*back),
            FindingProof::EndedTwice { other, .. } => Some(*other),
            FindingProof::Unborn { seen } | FindingProof::Overdue { seen, .. } => Some(*seen),
            FindingProof::Replaced { read, .. }
            | FindingProof::BackToBirth { read, .. }
            | FindingProof::Uncleared { read, .. }
            | FindingProof::Unwritten { read, .. }
            | FindingProof::Foreign { read, .. }
            | FindingProof::Repeated { read, .. }
            | FindingProof::Undone { read, .. }
            | FindingProof::Unasked { read, .. }
            | FindingProof::NoList { read } => Some(*read),
            FindingProof::ToldEarlier { .. }
            | FindingProof::Overwritten { .. }
            | FindingProof::Entries { .. }
            | FindingProof::OutOfOrder { .. }
            | FindingProof::Differ { .. } => None,
        }
    }

    /// Where it was seen: the position of the telling operation's completion, or of the telling event.
    pub fn observed_position(&self, history: &History) -> u32 {
        match (self.operations.first(), self.events.first()) {
            (Some(&id), _) => last_known_position(history, id),
            (None, Some(&position)) => position,
            (None, None) => 0,
        }
    }
}

/// The end of an operation, or of what is known of it.
fn last_known_position(history: &History, id: OpId) -> u32 {
    let op = history.operation(id);
    if op.outcome == Outcome::Info { op.invoked } else { op.completed }
}
