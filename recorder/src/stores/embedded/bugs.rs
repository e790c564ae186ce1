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
            "the client library sends reads to any node, though reads at the primary were asked for",
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
            "a primary that lost its lease goes on answering reads until it is told of another",
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
            "a session whose time has come lives on until the sweeper comes, every five seconds",
            "expired-late",
        ),
        (
            Bug::Eviction,
            "eviction",
            "a store that is full forgets the session that would end first",
            "lost-session",
        ),
        (
            Bug::MixedReplies,
            "mixed-replies",
            "after a time-out the connection is read from again, and a reader takes the late answer to another for its own",
            "session-leak",
        ),
        (
            Bug::TornWrites,
            "torn-writes",
            "a payload is stored in two steps, and a reader can come between them",
            "torn-session",
        ),
        (Bug::OldIdAlive, "old-id-alive", "renewing an id copies the session", "old-id-alive"),
        (
            Bug::RetriedWrites,
            "retried-writes",
            "the client library sends a write again when no answer comes, without a mark to tell it by",
            "duplicated-action",
        ),
        (
            Bug::ActionsDropped,
            "actions-dropped",
            "an action for a session that is gone is acknowledged and dropped",
            "lost-action",
        ),
        (
            Bug::WallClock,
            "wall-clock",
            "answers tell the time of whatever wall clock is at hand",
            "clock-went-back",
        ),
        (
            Bug::AuditForgotten,
            "audit-forgotten",
            "each primary keeps an audit trail of its own, and only the last one's is found",
            "audit-missing",
        ),
        (
            Bug::AuditTwice,
            "audit-twice",
            "every node writes what it does into the one audit trail",
            "audit-duplicated",
        ),
        (
            Bug::AuditBeforeDone,
            "audit-before-done",
            "the audit trail is written before it is known whether there is such a session",
            "audit-forged",
        ),
        (Bug::ReplicasKeep, "replicas-keep", "replicas do not carry out a destroy", "divergent-replicas"),
        (
            Bug::HastyNewcomer,
            "hasty-newcomer",
            "a node that comes back with an empty disk votes as if it knew everything",
            "lost-session",
        ),
        (
            Bug::MixedVersions,
            "mixed-versions",
            "every other node runs a later version, and the earlier one cannot read what that wrote",
            "lost-session",
        ),
        (
            Bug::NoWayBack,
            "no-way-back",
            "a later version, where it is deployed, writes what the first one cannot read",
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
