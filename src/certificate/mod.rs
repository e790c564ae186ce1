//! Evidence on disk: what `check --certificate` writes and `verify` reads.
//!
//! The problem: a verdict that is passed on ("the store lost a write on Tuesday") should not have to be believed.
//! A certificate holds what each verdict rests on, by the numbers that the history itself gives to its operations,
//! so that anybody who has the history can check it, with this program or another.
//!
//! One JSON object a history, one a line. These types are the file's own: names and fields here are an interface,
//! and the checker's types may change without them. [`write`](self::write()) and [`read`](self::read()) translate.

mod causality;
mod invariants;
mod mirror;
mod read;
mod read_transactions;
mod sessions;
mod transactions;
mod write;

pub(crate) use read::{Certificate, read};
pub(crate) use read_transactions::Claims;
pub(crate) use write::write;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of this format.
const VERSION: u32 = 1;

/// The evidence of all levels of one history.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileHistory {
    steadfast_certificate: u32,
    /// The history as it was named.
    history: String,
    /// How many operations it has: a first sign that it is another one.
    operations: usize,
    model: String,
    init: Value,
    failed_cas: String,
    assume: Vec<String>,
    levels: Vec<FileLevel>,
}

/// What one verdict rests on.
#[derive(Serialize, Deserialize)]
struct FileLevel {
    level: String,
    method: String,
    #[serde(flatten)]
    verdict: FileVerdict,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
enum FileVerdict {
    Holds(FileWitness),
    Violated { anomalies: Vec<FileAnomaly> },
    Unknown { reason: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FileWitness {
    /// For each object, the operations in an order that explains what was observed.
    Orders(Vec<FileOrder>),
    /// For each object, its writes in an order that meets the guarantees.
    Versions(Vec<FileVersions>),
    /// One order of all operations, or an order a session.
    Causal(causality::FileOrders),
}

#[derive(Serialize, Deserialize)]
struct FileOrder {
    key: Value,
    operations: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct FileVersions {
    key: Value,
    writes: Vec<u64>,
    /// For reads of values that were written more than once: which write they returned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    returned: Vec<FileReturned>,
}

#[derive(Serialize, Deserialize)]
struct FileReturned {
    read: u64,
    /// None: the initial value.
    write: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct FileAnomaly {
    r#type: String,
    key: Value,
    operations: Vec<u64>,
    #[serde(flatten)]
    evidence: FileEvidence,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FileEvidence {
    /// Operations that no order explains.
    Core(FileCore),
    /// Constraints on the version order that no order meets.
    Cycle(FileCycle),
    /// Cycles in what must come before what.
    Causal(causality::FileRefutation),
}

#[derive(Serialize, Deserialize)]
struct FileCore {
    operations: Vec<u64>,
    /// Compare-and-sets of which only the write counts.
    writes_only: Vec<u64>,
    /// Positions among the events, from zero: only what happened between them is told.
    from: Option<u32>,
    until: Option<u32>,
    minimal: bool,
}

#[derive(Serialize, Deserialize)]
struct FileCycle {
    /// A proof in preorder.
    proof: Vec<FileStep>,
    shortest: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FileStep {
    /// A read returned one of these writes; a proof for each of them follows.
    Split { read: u64, writes: Vec<Option<u64>> },
    /// Each version would have to be older than the next, and the last older than the first.
    Cycle(Vec<FileConstraint>),
}

#[derive(Serialize, Deserialize)]
struct FileConstraint {
    /// Writes; none for the initial value.
    from: Option<u64>,
    to: Option<u64>,
    #[serde(flatten)]
    because: FileReason,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "kebab-case")]
enum FileReason {
    SessionOrder { guarantee: String, a: u64, b: u64 },
    CompareAndSet { op: u64 },
    Token { a: u64, b: u64 },
    Initial,
    SessionWrites { a: u64, b: u64 },
    RealTimeWrites { a: u64, b: u64 },
}
