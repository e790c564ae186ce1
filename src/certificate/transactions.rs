//! What verdicts on transactions rest on, as it stands in a file.
//!
//! Several levels often rest on one order of a million transactions, or on one cycle. So orders and anomalies stand by
//! themselves, and each level says which of them it rests on.

use super::VERSION;
use super::write::{assumptions, json, key};
use crate::report::{Findings, Found};
use checker::Verdict;
use checker::transactions::{
    Analysis, Anomaly, Assumption, Cycle, Dependency, Evidence, Extent, Family, Judgement, Lemma, Phenomenon,
    Point, ReadAt, Seen, VersionEvidence, VersionStep, Why, Witness,
};
use histories::{History, OpId, ValueId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{self, Write};

/// The evidence of all levels of one history of transactions.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileTransactions {
    pub(super) steadfast_certificate: u32,
    pub(super) history: String,
    pub(super) operations: usize,
    pub(super) model: String,
    pub(super) assume: Vec<String>,
    pub(super) witnesses: Vec<FileProof>,
    pub(super) anomalies: Vec<FilePhenomenon>,
    pub(super) levels: Vec<FileIsolation>,
}

/// An order that proves levels.
#[derive(Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub(super) enum FileProof {
    /// Done one after another, each transaction sees what it saw.
    Serial { extends: String, transactions: Vec<u64> },
    /// Each transaction twice: where it takes its snapshot, and where it commits.
    Snapshots { extends: String, points: Vec<u64> },
    /// An order without cycles of `ww`, or of `ww` and `wr` dependencies.
    Versions { extends: String, dependencies: String, transactions: Vec<u64> },
    /// An order of commits that meets an axiom.
    Commits { axiom: String, transactions: Vec<u64> },
}

#[derive(Serialize, Deserialize)]
pub(super) struct FileIsolation {
    pub(super) level: String,
    #[serde(flatten)]
    pub(super) verdict: FileRests,
}

/// What a verdict rests on.
#[derive(Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub(super) enum FileRests {
    /// On one of the witnesses, counted from zero.
    Holds {
        witness: usize,
    },
    /// On anomalies of these types.
    Violated {
        by: Vec<String>,
    },
    Unknown {
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct FilePhenomenon {
    pub(super) r#type: String,
    pub(super) count: u64,
    pub(super) examples: Vec<FileExample>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FileExample {
    /// Each transaction must come before the next, and the last before the first.
    Cycle {
        edges: Vec<FileDependency>,
        shortest: bool,
    },
    /// A proof by cases; the last step assumes nothing.
    Lemmas(Vec<FileLemma>),
    AbortedRead {
        read: FileRead,
        value: Value,
        writer: u64,
    },
    IntermediateRead {
        read: FileRead,
        value: Value,
        writer: u64,
    },
    GarbageRead {
        read: FileRead,
        value: Value,
    },
    /// `because`: the operations of the transaction that say what it should have read.
    Internal {
        read: FileRead,
        because: Vec<usize>,
    },
    FutureRead {
        read: FileRead,
        value: Value,
        write: usize,
    },
    /// `version`: what all read; null if nothing.
    LostUpdate {
        key: Value,
        version: Value,
        transactions: Vec<u64>,
    },
    DirtyUpdate {
        read: FileRead,
        aborted: FileWrite,
        committed: FileWrite,
    },
    DuplicateElement {
        read: FileRead,
        value: Value,
    },
    IncompatibleOrder {
        one: FileRead,
        other: FileRead,
    },
    AppendsOutOfOrder {
        read: FileRead,
        writer: u64,
        earlier: Value,
        later: Value,
    },
    CyclicVersions {
        key: Value,
        steps: Vec<FileVersionStep>,
    },
}

/// Not all that is assumed holds, for then there is the cycle.
#[derive(Serialize, Deserialize)]
pub(super) struct FileLemma {
    pub(super) assumed: Vec<FileAssumption>,
    pub(super) edges: Vec<FileDependency>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FileAssumption {
    pub(super) key: Value,
    pub(super) earlier: Value,
    pub(super) later: Value,
}

/// A read: the transaction, which of its operations from zero, and the key.
#[derive(Serialize, Deserialize)]
pub(super) struct FileRead {
    pub(super) transaction: u64,
    pub(super) place: usize,
    pub(super) key: Value,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FileWrite {
    pub(super) transaction: u64,
    pub(super) value: Value,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FileVersionStep {
    pub(super) earlier: Value,
    pub(super) later: Value,
    pub(super) order: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FileDependency {
    pub(super) from: u64,
    pub(super) to: u64,
    #[serde(flatten)]
    pub(super) why: FileWhy,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "kebab-case")]
pub(super) enum FileWhy {
    /// `ww`
    Overwritten {
        key: Value,
        earlier: Value,
        later: Value,
        order: String,
    },
    /// `ww`, by an earlier lemma, counted from zero.
    Concluded {
        key: Value,
        earlier: Value,
        later: Value,
        lemma: usize,
    },
    /// `wr`
    ReadBy {
        key: Value,
        value: Value,
    },
    /// `rw`; `read` is null if nothing was read.
    Missed {
        key: Value,
        read: Value,
        later: Value,
        order: String,
    },
    Session,
    RealTime,
    Arbitrated {
        axiom: String,
        key: Value,
        reader: u64,
        value: Value,
        seen: FileSeen,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FileSeen {
    Read(Value),
    Session,
    Causally(Vec<u64>),
}

/// The names of extents.
pub(super) const EXTENTS: &[(Extent, &str)] =
    &[(Extent::Data, "nothing"), (Extent::Session, "sessions"), (Extent::RealTime, "real-time")];

/// The names of the dependencies that an order of versions extends.
pub(super) const DEPENDENCIES: &[(Family, &str)] = &[(Family::G0, "ww"), (Family::G1c, "ww, wr")];

/// The names of how an order of versions is known.
pub(super) const ORDERS: &[(VersionEvidence, &str)] = &[
    (VersionEvidence::Listed, "listed"),
    (VersionEvidence::Unlisted, "unlisted"),
    (VersionEvidence::Initial, "initial"),
    (VersionEvidence::ReadModifyWrite, "read-modify-write"),
    (VersionEvidence::SequentialKeys, "sequential-keys"),
    (VersionEvidence::LinearizableKeys, "linearizable-keys"),
    (VersionEvidence::Token, "token"),
    (VersionEvidence::Session, "session"),
    (VersionEvidence::RealTime, "real-time"),
    (VersionEvidence::Assumed, "assumed"),
];

fn name<T: PartialEq>(names: &[(T, &'static str)], of: &T) -> String {
    names.iter().find(|(known, _)| known == of).map_or("?", |(_, name)| name).to_owned()
}

/// Writes the evidence of one history as a line.
pub(super) fn write(findings: &Findings<'_>, analysis: &Analysis, out: &mut dyn Write) -> io::Result<()> {
    let history = findings.history;
    let judgements = findings.answers.iter().filter_map(|timed| match &timed.found {
        Found::Isolation(judgement) => Some(judgement),
        Found::Object(_) | Found::Finding(_) | Found::Invariant(_) => None,
    });
    let mut witnesses: Vec<&Witness> = Vec::new();
    let levels = judgements.map(|judgement| rests(judgement, &mut witnesses)).collect();
    let file = FileTransactions {
        steadfast_certificate: VERSION,
        history: findings.name.to_owned(),
        operations: history.len(),
        model: findings.model.to_owned(),
        assume: assumptions(analysis.assume),
        levels,
        witnesses: witnesses.into_iter().map(|found| proof(history, found)).collect(),
        anomalies: analysis.anomalies.iter().map(|found| phenomenon(history, found)).collect(),
    };
    serde_json::to_writer(&mut *out, &file)?;
    writeln!(out)
}

fn rests<'a>(judgement: &'a Judgement, witnesses: &mut Vec<&'a Witness>) -> FileIsolation {
    let verdict = match &judgement.verdict {
        Verdict::Holds(found) => {
            let known = witnesses.iter().position(|known| known.same(found));
            let witness = known.unwrap_or_else(|| {
                witnesses.push(found);
                witnesses.len() - 1
            });
            FileRests::Holds { witness }
        }
        Verdict::Violated(phenomena) => {
            FileRests::Violated { by: phenomena.iter().map(|found| found.name().to_owned()).collect() }
        }
        Verdict::Unknown(unknown) => FileRests::Unknown { reason: unknown.reason.clone() },
    };
    FileIsolation { level: judgement.level.name().to_owned(), verdict }
}

fn proof(history: &History, found: &Witness) -> FileProof {
    let numbers = |order: &[OpId]| order.iter().map(|&id| history.index(id)).collect();
    match found {
        Witness::Serial(extent, order) => {
            FileProof::Serial { extends: name(EXTENTS, extent), transactions: numbers(order) }
        }
        Witness::Snapshots(extent, points) => {
            let number = |point: &Point| {
                let (Point::Begin(id) | Point::Commit(id)) = point;
                history.index(*id)
            };
            FileProof::Snapshots {
                extends: name(EXTENTS, extent),
                points: points.iter().map(number).collect(),
            }
        }
        Witness::Versions(extent, family, order) => FileProof::Versions {
            extends: name(EXTENTS, extent),
            dependencies: name(DEPENDENCIES, family),
            transactions: numbers(order),
        },
        Witness::CommitOrder(axiom, order) => {
            FileProof::Commits { axiom: axiom.name().to_owned(), transactions: numbers(order) }
        }
    }
}

fn phenomenon(history: &History, found: &Anomaly) -> FilePhenomenon {
    let Anomaly { phenomenon, count, examples } = found;
    let examples = examples.iter().map(|evidence| example(history, evidence)).collect();
    FilePhenomenon { r#type: Phenomenon::name(*phenomenon).to_owned(), count: *count, examples }
}

fn example(history: &History, evidence: &Evidence) -> FileExample {
    let value = |value: ValueId| json(history.value_text(value));
    let some = |found: Option<ValueId>| found.map_or(Value::Null, value);
    let number = |id: OpId| history.index(id);
    let read = |read: ReadAt| FileRead {
        transaction: number(read.transaction),
        place: read.place,
        key: key(history, read.key),
    };
    let write = |(id, wrote): (OpId, ValueId)| FileWrite { transaction: number(id), value: value(wrote) };
    let step = |step: &VersionStep| FileVersionStep {
        earlier: some(step.earlier),
        later: some(step.later),
        order: name(ORDERS, &step.order),
    };
    match evidence {
        Evidence::Cycle(Cycle { edges, shortest, .. }) => FileExample::Cycle {
            edges: edges.iter().map(|edge| dependency(history, edge)).collect(),
            shortest: *shortest,
        },
        Evidence::Lemmas(lemmas) => {
            FileExample::Lemmas(lemmas.iter().map(|each| lemma(history, each)).collect())
        }
        Evidence::AbortedRead { read: at, value: what, writer } => {
            FileExample::AbortedRead { read: read(*at), value: value(*what), writer: number(*writer) }
        }
        Evidence::IntermediateRead { read: at, value: what, writer } => {
            FileExample::IntermediateRead { read: read(*at), value: value(*what), writer: number(*writer) }
        }
        Evidence::GarbageRead { read: at, value: what } => {
            FileExample::GarbageRead { read: read(*at), value: value(*what) }
        }
        Evidence::Internal { read: at, because } => {
            FileExample::Internal { read: read(*at), because: because.clone() }
        }
        Evidence::FutureRead { read: at, value: what, write } => {
            FileExample::FutureRead { read: read(*at), value: value(*what), write: *write }
        }
        Evidence::LostUpdate { key: at, version, transactions } => FileExample::LostUpdate {
            key: key(history, *at),
            version: some(*version),
            transactions: transactions.iter().map(|&id| number(id)).collect(),
        },
        Evidence::DirtyUpdate { read: at, aborted, committed } => FileExample::DirtyUpdate {
            read: read(*at),
            aborted: write(*aborted),
            committed: write(*committed),
        },
        Evidence::DuplicateElement { read: at, value: what } => {
            FileExample::DuplicateElement { read: read(*at), value: value(*what) }
        }
        Evidence::IncompatibleOrder { one, other } => {
            FileExample::IncompatibleOrder { one: read(*one), other: read(*other) }
        }
        Evidence::AppendsOutOfOrder { read: at, writer, earlier, later } => FileExample::AppendsOutOfOrder {
            read: read(*at),
            writer: number(*writer),
            earlier: value(*earlier),
            later: value(*later),
        },
        Evidence::CyclicVersions { key: at, steps } => {
            FileExample::CyclicVersions { key: key(history, *at), steps: steps.iter().map(step).collect() }
        }
    }
}

fn lemma(history: &History, lemma: &Lemma) -> FileLemma {
    let value = |value: ValueId| json(history.value_text(value));
    let assumed = |each: &Assumption| FileAssumption {
        key: key(history, each.key),
        earlier: value(each.earlier),
        later: value(each.later),
    };
    FileLemma {
        assumed: lemma.assumed.iter().map(assumed).collect(),
        edges: lemma.cycle.iter().map(|edge| dependency(history, edge)).collect(),
    }
}

fn dependency(history: &History, edge: &Dependency) -> FileDependency {
    let value = |value: ValueId| json(history.value_text(value));
    let number = |id: OpId| history.index(id);
    let why = match &edge.why {
        Why::Overwritten { key: at, earlier, later, order } => FileWhy::Overwritten {
            key: key(history, *at),
            earlier: value(*earlier),
            later: value(*later),
            order: name(ORDERS, order),
        },
        Why::Concluded { key: at, earlier, later, lemma } => FileWhy::Concluded {
            key: key(history, *at),
            earlier: value(*earlier),
            later: value(*later),
            lemma: *lemma,
        },
        Why::ReadBy { key: at, value: what } => {
            FileWhy::ReadBy { key: key(history, *at), value: value(*what) }
        }
        Why::Missed { key: at, read, later, order } => FileWhy::Missed {
            key: key(history, *at),
            read: read.map_or(Value::Null, value),
            later: value(*later),
            order: name(ORDERS, order),
        },
        Why::Session => FileWhy::Session,
        Why::RealTime => FileWhy::RealTime,
        Why::Arbitrated { axiom, key: at, reader, value: what, seen } => FileWhy::Arbitrated {
            axiom: axiom.name().to_owned(),
            key: key(history, *at),
            reader: number(*reader),
            value: value(*what),
            seen: match seen {
                Seen::Read(other) => FileSeen::Read(key(history, *other)),
                Seen::Session => FileSeen::Session,
                Seen::Causally(between) => FileSeen::Causally(between.iter().map(|&id| number(id)).collect()),
            },
        },
    };
    FileDependency { from: number(edge.from), to: number(edge.to), why }
}

/// The phenomenon of a name.
pub(super) fn phenomenon_named(name: &str) -> Option<Phenomenon> {
    Phenomenon::all().find(|known| known.name() == name)
}
