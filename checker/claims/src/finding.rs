//! Findings about a session store: a name, the operations that show it, and a proof.

use crate::names::named;
use histories::{History, KeyId, OpId, Outcome, SessionId};
use serde::{Deserialize, Serialize};

named! {
    /// The kinds of findings about a session store, by their names in the definitions.
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
        "an action that was acknowledged or seen is gone",
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
    ConnectionNotResumed "connection-not-resumed"
        "a live connection was lost and could not be opened again, although its session still existed",
    LostMessage "lost-message"
        "a live connection skipped a message",
    DuplicatedMessage "duplicated-message"
        "a live connection brought a message again",
    Unexplained "unexplained"
        "no execution explains an answer, and no other finding covers it",
}

impl FindingKind {
    /// Whether the finding stands even if requests are missing from the history, as in sampled traces, provided that each
    /// write has a value of its own, that no new session gets an id that was ended or replaced, and that answers without a
    /// session are left out.
    pub fn is_certain_in_sample(self) -> bool {
        matches!(
            self,
            Self::StaleSession
                | Self::ResurrectedSession
                | Self::OldIdAlive
                | Self::SessionLeak
                | Self::TornSession
        )
    }

    /// Whether events of actors show the finding, so that the history has to record what the actors saw.
    pub fn is_shown_by_actors(self) -> bool {
        matches!(
            self,
            Self::AuditMissing
                | Self::AuditDuplicated
                | Self::AuditForged
                | Self::DivergentReplicas
                | Self::ConnectionNotResumed
                | Self::LostMessage
                | Self::DuplicatedMessage
        )
    }

    /// Whether the finding is about what the live connection of one session brought.
    pub fn is_about_live_connection(self) -> bool {
        matches!(self, Self::ConnectionNotResumed | Self::LostMessage | Self::DuplicatedMessage)
    }

    /// The findings that stand even if requests are missing.
    pub fn certain_in_sample() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kind| kind.is_certain_in_sample())
    }
}

/// One finding.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The kind.
    pub kind: FindingKind,
    /// The id of the session, as in the most important operation. For actions: the user.
    pub key: KeyId,
    /// The user who owns the session: the one who created it, or else the one who performed the most important
    /// operation.
    pub session: SessionId,
    /// The operations that show the finding, the most important one first. Empty if only events of other actors show
    /// it.
    pub operations: Vec<OpId>,
    /// The positions of events of other actors that show the finding: entries of an audit trail, reads of replicas, events
    /// of live connections.
    pub events: Vec<u32>,
    /// The faults that were active during the finding, by the positions of their strikes, in order. The finding lasts
    /// from the beginning of what was lost or contradicted to the end of the most important operation.
    pub faults: Vec<u32>,
    /// The proof that no legal execution explains it.
    pub proof: FindingProof,
}

/// Why no legal execution explains a finding. `docs/definitions.md`, section "Session stores", states the conditions of
/// each proof. The verifier checks them against the history alone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum FindingProof {
    /// The session existed when `alive` took effect and was gone for `gone`, which began later. No operation that could
    /// end the session lies between them, and its time to live, counted from `renewed`, cannot have expired.
    Gone {
        /// The operation that found no session.
        gone: OpId,
        /// The operation that showed that the session existed.
        alive: OpId,
        /// The last operation that renewed the time to live; `None` if sessions do not expire.
        renewed: Option<OpId>,
        /// An upper bound on the idle time of the session when `gone` was answered, in ns.
        idle_ns: Option<i64>,
    },
    /// The session existed for `back` although it had ended before: `ended` ended it, or `ended` found nothing after
    /// the session had existed. No operation can have created it again in between.
    Back {
        /// The operation that found the session.
        back: OpId,
        /// A destroy, a renewal, or an operation that found nothing.
        ended: OpId,
        /// The operation that shows that `ended` took effect before `back`, or that the session had existed. For an
        /// unacknowledged renewal it is an operation on the new id. If `ended` found nothing, it is an operation that
        /// found the session before.
        shown: Option<OpId>,
    },
    /// Both operations ended the session, which was created only once.
    EndedTwice {
        /// The first operation.
        one: OpId,
        /// The second operation.
        other: OpId,
    },
    /// The session existed for `seen`, although no operation had begun to create it.
    Unborn {
        /// The operation that found it.
        seen: OpId,
    },
    /// The session existed for `seen`, although its time to live had expired before `seen` began.
    Overdue {
        /// The operation that found it.
        seen: OpId,
        /// The last known operation that renewed it.
        renewed: Option<OpId>,
        /// A lower bound on how late it was, in ns, beyond the tolerance.
        late_ns: i64,
    },
    /// `read` returned a version that had already been replaced. `older` wrote or returned that version and completed
    /// before `newer` began. `newer` wrote or returned another version. `shown` proves that this other version had been
    /// written before `read` began.
    Replaced {
        /// The operation that returned the old version.
        read: OpId,
        /// The outdated field; `None` if the session was written as a whole.
        field: Option<String>,
        /// The operation that first wrote or returned the old version.
        older: OpId,
        /// The later operation that wrote or returned the newer version.
        newer: OpId,
        /// The operation that wrote or returned the newer version before `read` began.
        shown: OpId,
    },
    /// `read` returned the version that the creation wrote, although another version had been written since.
    BackToBirth {
        /// The operation that returned the old version.
        read: OpId,
        /// The outdated field; `None` if the session was written as a whole.
        field: Option<String>,
        /// The operation that created the session.
        birth: OpId,
        /// The operation that wrote or returned another version before `read` began.
        shown: OpId,
    },
    /// `read` returned `field` as `patch` wrote it, together with a write of the whole session that came later and
    /// cleared the field.
    Uncleared {
        /// The operation that returned both.
        read: OpId,
        /// The field.
        field: String,
        /// The operation that wrote the field.
        patch: OpId,
        /// The operation that later replaced the whole session.
        write: OpId,
    },
    /// `read` returned bytes or a payload that no write can have produced by then. `writer` is a write of them that
    /// failed or had not begun.
    Unwritten {
        /// The operation that returned them.
        read: OpId,
        /// The write that failed or had not begun.
        writer: Option<OpId>,
    },
    /// `read` returned data that `writer` wrote to another session, or data that belongs to the user `owner`.
    Foreign {
        /// The operation that returned the data.
        read: OpId,
        /// The operation that wrote the data, if it was recorded.
        writer: Option<OpId>,
        /// The user that the payload names as its owner.
        owner: String,
    },
    /// The list of actions that `read` returned contains this action of `act` `times` times.
    Repeated {
        /// The operation that returned the list.
        read: OpId,
        /// The operation that requested the action; `None` if no operation did.
        act: Option<OpId>,
        /// The action, as JSON.
        action: String,
        /// The number of occurrences.
        times: usize,
    },
    /// The list of actions that `read` returned lacks the action of `act`. Before `read` began, `act` had completed, or `seen` had.
    Undone {
        /// The operation that returned the list.
        read: OpId,
        /// The operation that performed the action.
        act: OpId,
        /// An earlier read that returned a list with the action. `None` if `act` itself says that the action was done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<OpId>,
        /// A read that began later and returned a list with the action.
        later: Option<OpId>,
    },
    /// The list of actions that `read` returned contains an action that failed, had not begun, or was never requested.
    Unasked {
        /// The operation that returned the list.
        read: OpId,
        /// The action, as JSON.
        action: String,
        /// The operation that requested the action and failed, or that began later.
        act: Option<OpId>,
    },
    /// `read` should have returned a list of actions and returned something else.
    NoList {
        /// The operation that returned it.
        read: OpId,
    },
    /// `later` began after `earlier` had been answered, in the same session, and returned an earlier time.
    ToldEarlier {
        /// The operation that returned the later time.
        earlier: OpId,
        /// The operation that returned the earlier time.
        later: OpId,
        /// The difference, in ns.
        back_ns: i64,
    },
    /// The audit trail has fewer or more entries with this name, id and value than the requests allow.
    Entries {
        /// The number of entries.
        found: usize,
        /// The number of acknowledged requests.
        acknowledged: usize,
        /// The number of requests that may have taken effect, including the acknowledged ones.
        possible: usize,
    },
    /// In the audit trail, the entry at `second` follows the entry at `first`, although its request was acknowledged
    /// before the other request began.
    OutOfOrder {
        /// The position of the entry that comes first in the trail.
        first: u32,
        /// The position of the entry that comes second in the trail.
        second: u32,
    },
    /// Both operations replaced the whole session, and each was based on a version without the other's change. One
    /// update was lost.
    Overwritten {
        /// The save that was invoked later.
        save: OpId,
        /// The operation that returned the version that `save` was based on; `None` if the history states the version
        /// itself.
        read: Option<OpId>,
        /// The other save.
        other: OpId,
        /// The operation that returned the version that `other` was based on.
        other_read: Option<OpId>,
    },
    /// Two replicas hold different data under one key.
    Differ {
        /// The data of the first replica, as JSON.
        one: String,
        /// The data of the second replica, as JSON.
        other: String,
    },
    /// The live connection of the session was lost, and what the actor says of it next is that it was not open again by
    /// the end. `alive` began later and found the session, which was created once and not ended. The finding's events
    /// are the end and the loss.
    NotResumed {
        /// The operation that found the session.
        alive: OpId,
    },
    /// The live connection of the session brought no message with a number from `first` to `last`, although it brought a
    /// lower number before and a higher one after. The finding's events are the higher and the lower one.
    Skipped {
        /// The first number that is missing.
        first: i64,
        /// The last number that is missing.
        last: i64,
    },
    /// The live connection of the session brought each message from `first` to `last` again. The finding's events are
    /// the repetition and the first occurrence of `first`.
    BroughtAgain {
        /// The first number that came again.
        first: i64,
        /// The last number that came again.
        last: i64,
    },
}

impl FindingProof {
    /// The operations that the proof names. For audit trails and messages the list is empty, because the finding itself
    /// lists the events.
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
            FindingProof::Undone { read, act, seen, later } => with(&[*read, *act], &[*seen, *later]),
            FindingProof::NoList { read } => with(&[*read], &[]),
            FindingProof::ToldEarlier { earlier, later, .. } => with(&[*earlier, *later], &[]),
            FindingProof::Overwritten { save, read, other, other_read } => {
                with(&[*save, *other], &[*read, *other_read])
            }
            FindingProof::NotResumed { alive } => with(&[*alive], &[]),
            FindingProof::Entries { .. }
            | FindingProof::OutOfOrder { .. }
            | FindingProof::Differ { .. }
            | FindingProof::Skipped { .. }
            | FindingProof::BroughtAgain { .. } => Vec::new(),
        }
    }
}

impl Finding {
    /// The operation whose answer was wrong. Its answer must not serve as evidence for another finding. `None` if all
    /// answers were right and only a clock, an audit trail, a replica or a live connection was wrong.
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
            | FindingProof::Differ { .. }
            | FindingProof::NotResumed { .. }
            | FindingProof::Skipped { .. }
            | FindingProof::BroughtAgain { .. } => None,
        }
    }

    /// The position at which the finding was observed: the completion of the most important operation, or the most
    /// important event.
    pub fn observed_position(&self, history: &History) -> u32 {
        match (self.operations.first(), self.events.first()) {
            (Some(&id), _) => last_known_position(history, id),
            (None, Some(&position)) => position,
            (None, None) => 0,
        }
    }
}

/// The position of an operation's completion, or of its invocation if the operation is indeterminate.
fn last_known_position(history: &History, id: OpId) -> u32 {
    let op = history.operation(id);
    if op.outcome == Outcome::Info { op.invoked } else { op.completed }
}
