//! What can be wrong with a session store, each as a switch.
//!
//! Every bug is one that real systems had or have, is confined to a few lines that ask for it, and breaks a
//! promise that can be named beforehand. That is what makes the store ground truth: with a bug on, its
//! finding must come up; with all off, none.

/// A known fault of the embedded store.
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
}

impl Bug {
    /// Every bug: its name, what is wrong, and what a checker must find.
    pub const ALL: [(Bug, &'static str, &'static str, &'static str); 9] = [
        (
            Bug::StaleReplicaReads,
            "stale-replica-reads",
            "the client library sends reads to any node, though reads at the primary were asked for",
            "stale-read",
        ),
        (
            Bug::LostOnFailover,
            "lost-on-failover",
            "a write is acknowledged before the promised replicas have it",
            "lost-write",
        ),
        (
            Bug::SplitBrain,
            "split-brain",
            "a primary that lost its lease goes on answering reads until it is told of another",
            "stale-read",
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
            Bug::MixedReplies,
            "mixed-replies",
            "after a time-out the connection is used again, and the late answer is taken for the next one",
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
