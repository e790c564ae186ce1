//! The bugs that a session store can have, each as a switch.
//!
//! Real systems had or have each of these bugs. Each bug is confined to the few lines that check its switch, and
//! breaks a promise that is known beforehand. This makes the embedded store ground truth: with a bug switched on its
//! finding must be reported, and with all bugs off no finding may be.

/// A bug of the embedded store that can be switched on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is told in Bug::ALL")]
pub enum Bug {
    StaleReplicaReads,
    LostOnFailover,
    SplitBrain,
    ResurrectAfterDestroy,
    ExpireByLocalClock,
    MixedReplies,
    TornWrites,
    OldIdAlive,
    RetriedWrites,
    LazyExpiry,
    Eviction,
    ActionsDropped,
    WallClock,
    AuditForgotten,
    AuditTwice,
    AuditBeforeDone,
    ReplicasKeep,
    HastyNewcomer,
    MixedVersions,
    NoWayBack,
}

impl Bug {
    /// Every bug: its name, its description, and the finding that a checker must report.
    pub const ALL: &'static [(Bug, &'static str, &'static str, &'static str)] = &[
        (
            Bug::StaleReplicaReads,
            "stale-replica-reads",
            "the client library sends reads to any node instead of the primary",
            "stale-session",
        ),
        (
            Bug::LostOnFailover,
            "lost-on-failover",
            "a write is acknowledged before the promised replicas have it",
            "lost-session",
        ),
        (
            Bug::SplitBrain,
            "split-brain",
            "a primary that lost its lease answers reads until it learns of another primary",
            "stale-session",
        ),
        (
            Bug::ResurrectAfterDestroy,
            "resurrect-after-destroy",
            "a write to a session that was destroyed creates it again",
            "resurrected-session",
        ),
        (
            Bug::ExpireByLocalClock,
            "expire-by-local-clock",
            "each node decides by its own wall clock whether a session has expired",
            "expired-early",
        ),
        (
            Bug::LazyExpiry,
            "lazy-expiry",
            "an expired session exists until the next sweep, every five seconds",
            "expired-late",
        ),
        (
            Bug::Eviction,
            "eviction",
            "a full store evicts the session that would expire first",
            "lost-session",
        ),
        (
            Bug::MixedReplies,
            "mixed-replies",
            "after a timeout the connection is reused, and a reader takes a late answer to another request for its own",
            "session-leak",
        ),
        (
            Bug::TornWrites,
            "torn-writes",
            "a payload is stored in two steps, and a reader can come between them",
            "torn-session",
        ),
        (
            Bug::OldIdAlive,
            "old-id-alive",
            "a renewal copies the session instead of moving it",
            "old-id-alive",
        ),
        (
            Bug::RetriedWrites,
            "retried-writes",
            "the client library repeats a write without an answer, and without an idempotency key",
            "duplicated-action",
        ),
        (
            Bug::ActionsDropped,
            "actions-dropped",
            "an action for a session that is gone is acknowledged and dropped",
            "lost-action",
        ),
        (Bug::WallClock, "wall-clock", "answers carry the time of any node's wall clock", "clock-went-back"),
        (
            Bug::AuditForgotten,
            "audit-forgotten",
            "each primary keeps its own audit trail, and only the last one is read",
            "audit-missing",
        ),
        (
            Bug::AuditTwice,
            "audit-twice",
            "every node writes its operations to the one audit trail",
            "audit-duplicated",
        ),
        (
            Bug::AuditBeforeDone,
            "audit-before-done",
            "the audit trail is written before the session is looked up",
            "audit-forged",
        ),
        (Bug::ReplicasKeep, "replicas-keep", "replicas ignore a destroy", "divergent-replicas"),
        (
            Bug::HastyNewcomer,
            "hasty-newcomer",
            "a node with an empty disk votes as if it had all data",
            "lost-session",
        ),
        (
            Bug::MixedVersions,
            "mixed-versions",
            "every second node runs a later version, whose data the earlier one cannot read",
            "lost-session",
        ),
        (
            Bug::NoWayBack,
            "no-way-back",
            "a deployed later version writes data that the first one cannot read",
            "lost-session",
        ),
    ];

    /// The name that users type.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(bug, ..)| *bug == self).expect("every bug is listed").1
    }
}

impl std::str::FromStr for Bug {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, known, ..)| *known == name);
        found.map(|(bug, ..)| *bug).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(_, name, ..)| *name).collect();
            format!("there is no bug {name:?}; there are {}", names.join(", "))
        })
    }
}
