//! The embedded store: a small replicated session store under a simulated network and clock.
//!
//! `steadfast run` drives it when no other store is named. It is also the ground truth for the checker, because its
//! code, and therefore its promises, are known. In its sound configuration (`--replication quorum`, reads at the
//! primary) it is linearizable under every fault that the simulation knows. Every other configuration, and each
//! [`Bug`], breaks a promise that is known beforehand.
//!
//! **The protocol** is Raft's (Ongaro & Ousterhout 2014) with a leader lease: terms, elections by majority among logs
//! that are up to date, a log that followers copy. It differs in when a write is acknowledged:
//!
//! | replication | acknowledged | what a failover can lose |
//! | --- | --- | --- |
//! | `async` | when the primary has it | acknowledged writes that the next primary had not received |
//! | `semi-sync` | when one replica has it, but readable at once | nothing acknowledged; what was *read* may vanish |
//! | `quorum` | when a majority has it, and readable only then | nothing |
//!
//! **The lease.** A primary serves clients only while a majority has answered a message that it sent within the
//! lease. A node that heard from a primary within the lease votes for no other. Two primaries therefore never serve
//! at the same time, as long as clocks run at the same speed (Gray & Cheriton 1989).
//!
//! **Places.** Each node has clients next to it, and a partition cuts them off together with their node. A deposed
//! primary therefore has users who continue to write to it, as in real systems.
//!
//! Nodes are state machines without threads: messages come in, messages go out, and time is an argument (`node`). The
//! `cluster` carries the messages. The recorder's ordinary loop drives the client (`client`).

mod backend;
mod bugs;
mod client;
mod cluster;
mod data;
mod election;
mod message;
mod nemesis;
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

/// Whether a fault can be caused in the simulation.
///
/// # Errors
/// The reason why it cannot.
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

/// Which nodes answer reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadRouting {
    /// The primary.
    Primary,
    /// Any node, drawn anew for each read.
    Any,
    /// Any node, but the same one for all reads of a session.
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
    /// The field is written alone.
    PerField,
    /// As web frameworks do: the whole session is read, changed, and written back. One of two concurrent requests
    /// undoes the other.
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
    /// Which nodes answer reads.
    pub reads: ReadRouting,
    /// How a field of a session is written.
    pub writes: FieldWriteMode,
    /// How long a session lives after it was last written or touched.
    pub time_to_live: Duration,
    /// The bugs that are switched on.
    pub bugs: Vec<Bug>,
}

impl EmbeddedOptions {
    /// Three nodes, asynchronous replication, reads at the primary, sessions of half an hour, no bugs.
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

    /// The number of nodes in a majority.
    pub(crate) fn majority(&self) -> usize {
        self.nodes / 2 + 1
    }
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How long a primary may serve without hearing from a majority, in ns.
pub(crate) const LEASE_NS: u64 = 1_000_000_000;
/// The interval between heartbeats of a primary.
pub(crate) const HEARTBEAT_NS: u64 = 50_000_000;
/// The shortest time that a replica waits for a heartbeat before it stands for election. It is longer than the lease.
pub(crate) const ELECTION_LEAST_NS: u64 = 1_200_000_000;
/// The longest such time.
pub(crate) const ELECTION_MOST_NS: u64 = 1_800_000_000;
/// The interval at which a primary looks for expired sessions.
pub(crate) const EXPIRY_NS: u64 = 50_000_000;
