//! The embedded store: a small replicated session store under a simulated network and clock.
//!
//! It is what `steadfast run` drives when nothing else is named, and the ground truth for the checker: a store
//! whose promises are known because its code is here. In its sound configuration (`--replication quorum`,
//! reads at the primary) it is linearizable under every fault that the simulation knows; each other
//! configuration, and each [`Bug`], breaks a promise that can be named beforehand.
//!
//! **The protocol** is Raft's (Ongaro & Ousterhout 2014) with a leader lease: terms, elections by majority
//! among logs that are up to date, a log that followers copy. What differs is when a write is acknowledged:
//!
//! | replication | acknowledged | what a failover can lose |
//! | --- | --- | --- |
//! | `async` | when the primary has it | what the next primary had not got: acknowledged writes |
//! | `semi-sync` | when one replica has it, but readable at once | nothing acknowledged; what was *read* may vanish |
//! | `quorum` | when a majority has it, and readable only then | nothing |
//!
//! **The lease.** A primary serves nobody unless a majority has answered something that it sent within the
//! lease; a node that heard from a primary within the lease votes for no other. So two primaries never serve
//! at the same time, as long as clocks run at the same speed (Gray & Cheriton 1989).
//!
//! **Places.** Each node has clients at its side: a partition cuts clients off together with their node. So
//! an old primary has users who go on writing to it, as in life.
//!
//! Nodes are state machines without threads: messages in, messages out, time as an argument (`node`). The
//! `cluster` carries the messages. The client (`client`) is driven by the recorder's ordinary loop.

mod backend;
mod bugs;
mod client;
mod cluster;
mod data;
mod election;
mod message;
mod nemesis;
mod newcomer;
mod node;
mod replication;
mod sessions;
mod simulate;

pub use backend::Embedded;
pub use bugs::Bug;
pub use client::{EmbeddedClient, EmbeddedStore};
pub use nemesis::EmbeddedNemesis;
pub use simulate::{simulate, simulate_beside};

use std::time::Duration;
use workloads::Fault;

/// Whether a fault can be caused in the simulation; if not, why.
pub fn can_cause(fault: Fault) -> Result<(), String> {
    match fault {
        Fault::Reset | Fault::Refuse | Fault::HalfClose | Fault::Throttle { .. } | Fault::Slice { .. } => {
            Err("its network carries messages and has no connections".to_owned())
        }
        Fault::Reorder { .. } => {
            Err("its network is of streams, which deliver in order or not at all".to_owned())
        }
        Fault::SlowDisk { .. } | Fault::FullDisk => {
            Err("its nodes keep everything in memory and have no disk".to_owned())
        }
        _ => Ok(()),
    }
}

/// When a write is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplicationMode {
    /// When the primary has it.
    Async,
    /// When one replica has it too.
    SemiSync,
    /// When a majority has it.
    Quorum,
}

impl std::str::FromStr for ReplicationMode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "async" => Ok(ReplicationMode::Async),
            "semi-sync" => Ok(ReplicationMode::SemiSync),
            "quorum" => Ok(ReplicationMode::Quorum),
            _ => Err(format!("there is no replication {name:?}; there are async, semi-sync and quorum")),
        }
    }
}

impl ReplicationMode {
    /// The name that users type.
    pub fn name(self) -> &'static str {
        match self {
            ReplicationMode::Async => "async",
            ReplicationMode::SemiSync => "semi-sync",
            ReplicationMode::Quorum => "quorum",
        }
    }
}

/// Who answers reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadRouting {
    /// The primary.
    Primary,
    /// Any node, another one for each read.
    Any,
    /// Any node, but always the same one for a session.
    Sticky,
}

impl std::str::FromStr for ReadRouting {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "primary" => Ok(ReadRouting::Primary),
            "any" => Ok(ReadRouting::Any),
            "sticky" => Ok(ReadRouting::Sticky),
            _ => Err(format!("there is no read {name:?}; there are primary, any and sticky")),
        }
    }
}

impl ReadRouting {
    /// The name that users type.
    pub fn name(self) -> &'static str {
        match self {
            ReadRouting::Primary => "primary",
            ReadRouting::Any => "any",
            ReadRouting::Sticky => "sticky",
        }
    }
}

/// How one field of a session is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldWriteMode {
    /// By itself.
    PerField,
    /// As web frameworks do: the whole session is read, changed, and written back. Of two requests at once, one undoes
    /// the other.
    WholeBlob,
    /// Whole, and only over the version that the user had read, if they had read one.
    Compared,
}

impl std::str::FromStr for FieldWriteMode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "per-field" => Ok(FieldWriteMode::PerField),
            "whole-blob" => Ok(FieldWriteMode::WholeBlob),
            "compared" => Ok(FieldWriteMode::Compared),
            _ => Err(format!("there are no writes {name:?}; there are per-field, whole-blob and compared")),
        }
    }
}

/// How the store is set up.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// How many nodes there are.
    pub nodes: usize,
    /// When a write is acknowledged.
    pub replication: ReplicationMode,
    /// Who answers reads.
    pub reads: ReadRouting,
    /// How a field of a session is written.
    pub writes: FieldWriteMode,
    /// How long a session lives after it was last written or touched.
    pub time_to_live: Duration,
    /// What is wrong with it on purpose.
    pub bugs: Vec<Bug>,
}

impl EmbeddedOptions {
    /// Three nodes, asynchronous replication, reads at the primary, sessions of half an hour, no bug.
    pub fn new() -> Self {
        Self {
            nodes: 3,
            replication: ReplicationMode::Async,
            reads: ReadRouting::Primary,
            writes: FieldWriteMode::PerField,
            time_to_live: Duration::from_secs(1800),
            bugs: Vec::new(),
        }
    }

    /// The names of the nodes.
    pub fn node_names(&self) -> Vec<String> {
        (1..=self.nodes).map(|number| format!("n{number}")).collect()
    }

    pub(crate) fn has_bug(&self, bug: Bug) -> bool {
        self.bugs.contains(&bug)
    }

    /// How many nodes make a majority.
    pub(crate) fn majority(&self) -> usize {
        self.nodes / 2 + 1
    }
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How long a primary may serve without a sign from the majority, in ns.
pub(crate) const LEASE_NS: u64 = 1_000_000_000;
/// How often a primary gives a sign.
pub(crate) const HEARTBEAT_NS: u64 = 50_000_000;
/// How long a replica waits for a sign before it stands for election: at least this, longer than the lease.
pub(crate) const ELECTION_LEAST_NS: u64 = 1_200_000_000;
/// … and at most this.
pub(crate) const ELECTION_MOST_NS: u64 = 1_800_000_000;
/// How often a primary looks for sessions whose time has come.
pub(crate) const EXPIRY_NS: u64 = 50_000_000;
