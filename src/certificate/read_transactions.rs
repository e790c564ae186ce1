//! Certificate to judgements on transactions, about a history that may be another one than it was written about.

use super::read::Reader;
use super::transactions::{
    DEPENDENCIES, EXTENTS, FileAssumption, FileDependency, FileExample, FileLemma, FilePhenomenon, FileProof,
    FileRead, FileRests, FileSeen, FileTransactions, FileVersionStep, FileWhy, FileWrite, ORDERS,
    phenomenon_named,
};
use checker::check::Assume;
use checker::transactions::{
    Anomaly, Assumption, Axiom, Cycle, Dependency, Evidence, Isolation, Judgement, Lemma, Phenomenon, Point,
    ReadAt, Seen, VersionStep, Why, Witness, shape,
};
use checker::{Unknown, Verdict};
use histories::{OpId, ValueId};
use serde_json::Value;
use std::sync::Arc;

/// What a certificate claims of a history of transactions.
pub(crate) struct Claims {
    pub(crate) assume: Assume,
    pub(crate) anomalies: Vec<Anomaly>,
    pub(crate) judgements: Vec<Judgement>,
}

pub(super) fn claims(file: FileTransactions, assume: Assume, reader: &Reader<'_>) -> Result<Claims, String> {
    let anomalies = file.anomalies.into_iter().map(|found| reader.phenomenon(found));
    let anomalies = anomalies.collect::<Result<_, _>>()?;
    let witnesses = file.witnesses.into_iter().map(|found| reader.proof(found));
    let witnesses = witnesses.collect::<Result<Vec<Witness>, _>>()?;
    let judgement = |file: super::transactions::FileIsolation| {
        let level: Isolation = file.level.parse()?;
        let verdict = match file.verdict {
            FileRests::Holds { witness } => {
                let found = witnesses.get(witness);
                Verdict::Holds(found.ok_or_else(|| format!("there is no witness {witness}"))?.clone())
            }
            FileRests::Violated { by } => {
                let by = by.iter().map(|name| phenomenon(name)).collect::<Result<_, _>>()?;
                Verdict::Violated(by)
            }
            FileRests::Unknown { reason } => Verdict::Unknown(Unknown { reason }),
        };
        Ok::<_, String>(Judgement { level, verdict })
    };
    let judgements = file.levels.into_iter().map(judgement).collect::<Result<_, _>>()?;
    Ok(Claims { assume, anomalies, judgements })
}

fn phenomenon(name: &str) -> Result<Phenomenon, String> {
    phenomenon_named(name).ok_or_else(|| format!("there is no anomaly {name:?}"))
}

fn named<T: Copy>(names: &[(T, &str)], name: &str) -> Result<T, String> {
    let known = names.iter().find(|known| known.1 == name);
    known.map(|known| known.0).ok_or_else(|| format!("{name:?} is none of what can stand there"))
}

fn axiom(name: &str) -> Result<Axiom, String> {
    let all = [Axiom::MonotonicAtomicView, Axiom::ReadAtomic, Axiom::Causal];
    all.into_iter().find(|axiom| axiom.name() == name).ok_or_else(|| format!("there is no axiom {name:?}"))
}

impl Reader<'_> {
    fn value(&self, value: &Value) -> Result<ValueId, String> {
        let found = self.history.values.get(&value.to_string());
        found.ok_or_else(|| format!("the history has no value {value}"))
    }

    /// None for null, which nobody writes.
    fn some_value(&self, value: &Value) -> Result<Option<ValueId>, String> {
        if value.is_null() { Ok(None) } else { self.value(value).map(Some) }
    }

    fn read_at(&self, file: &FileRead) -> Result<ReadAt, String> {
        let (transaction, key) = (self.op(file.transaction)?, self.key(&file.key)?);
        Ok(ReadAt { transaction, place: file.place, key })
    }

    fn write(&self, file: &FileWrite) -> Result<(OpId, ValueId), String> {
        Ok((self.op(file.transaction)?, self.value(&file.value)?))
    }

    fn proof(&self, file: FileProof) -> Result<Witness, String> {
        Ok(match file {
            FileProof::Serial { extends, transactions } => {
                Witness::Serial(named(EXTENTS, &extends)?, Arc::new(self.ops(&transactions)?))
            }
            FileProof::Snapshots { extends, points } => {
                let mut begun = vec![false; self.history.len()];
                let mut point = |id: OpId| match std::mem::replace(&mut begun[histories::Id::index(id)], true)
                {
                    false => Point::Begin(id),
                    true => Point::Commit(id),
                };
                let points = self.ops(&points)?.into_iter().map(&mut point).collect();
                Witness::Snapshots(named(EXTENTS, &extends)?, Arc::new(points))
            }
            FileProof::Versions { extends, dependencies, transactions } => Witness::Versions(
                named(EXTENTS, &extends)?,
                named(DEPENDENCIES, &dependencies)?,
                Arc::new(self.ops(&transactions)?),
            ),
            FileProof::Commits { axiom: name, transactions } => {
                Witness::CommitOrder(axiom(&name)?, Arc::new(self.ops(&transactions)?))
            }
        })
    }

    fn phenomenon(&self, file: FilePhenomenon) -> Result<Anomaly, String> {
        let examples = file.examples.iter().map(|found| self.example(found)).collect::<Result<_, _>>()?;
        Ok(Anomaly { phenomenon: phenomenon(&file.r#type)?, count: file.count, examples })
    }

    fn example(&self, file: &FileExample) -> Result<Evidence, String> {
        Ok(match file {
            FileExample::Cycle { edges, shortest } => {
                let edges = edges.iter().map(|edge| self.dependency(edge)).collect::<Result<Vec<_>, _>>()?;
                Evidence::Cycle(Cycle { shape: shape(&edges), edges, shortest: *shortest })
            }
            FileExample::Lemmas(lemmas) => {
                Evidence::Lemmas(lemmas.iter().map(|lemma| self.lemma(lemma)).collect::<Result<_, _>>()?)
            }
            FileExample::AbortedRead { read, value, writer } => Evidence::AbortedRead {
                read: self.read_at(read)?,
                value: self.value(value)?,
                writer: self.op(*writer)?,
            },
            FileExample::IntermediateRead { read, value, writer } => Evidence::IntermediateRead {
                read: self.read_at(read)?,
                value: self.value(value)?,
                writer: self.op(*writer)?,
            },
            FileExample::GarbageRead { read, value } => {
                Evidence::GarbageRead { read: self.read_at(read)?, value: self.value(value)? }
            }
            FileExample::Internal { read, because } => {
                Evidence::Internal { read: self.read_at(read)?, because: because.clone() }
            }
            FileExample::FutureRead { read, value, write } => {
                Evidence::FutureRead { read: self.read_at(read)?, value: self.value(value)?, write: *write }
            }
            FileExample::LostUpdate { key, version, transactions } => Evidence::LostUpdate {
                key: self.key(key)?,
                version: self.some_value(version)?,
                transactions: self.ops(transactions)?,
            },
            FileExample::DirtyUpdate { read, aborted, committed } => Evidence::DirtyUpdate {
                read: self.read_at(read)?,
                aborted: self.write(aborted)?,
                committed: self.write(committed)?,
            },
            FileExample::DuplicateElement { read, value } => {
                Evidence::DuplicateElement { read: self.read_at(read)?, value: self.value(value)? }
            }
            FileExample::IncompatibleOrder { one, other } => {
                Evidence::IncompatibleOrder { one: self.read_at(one)?, other: self.read_at(other)? }
            }
            FileExample::AppendsOutOfOrder { read, writer, earlier, later } => Evidence::AppendsOutOfOrder {
                read: self.read_at(read)?,
                writer: self.op(*writer)?,
                earlier: self.value(earlier)?,
                later: self.value(later)?,
            },
            FileExample::CyclicVersions { key, steps } => {
                let step = |step: &FileVersionStep| {
                    Ok::<_, String>(VersionStep {
                        earlier: self.some_value(&step.earlier)?,
                        later: self.some_value(&step.later)?,
                        order: named(ORDERS, &step.order)?,
                    })
                };
                let steps = steps.iter().map(step).collect::<Result<_, _>>()?;
                Evidence::CyclicVersions { key: self.key(key)?, steps }
            }
        })
    }

    fn lemma(&self, file: &FileLemma) -> Result<Lemma, String> {
        let assumption = |each: &FileAssumption| {
            Ok::<_, String>(Assumption {
                key: self.key(&each.key)?,
                earlier: self.value(&each.earlier)?,
                later: self.value(&each.later)?,
            })
        };
        Ok(Lemma {
            assumed: file.assumed.iter().map(assumption).collect::<Result<_, _>>()?,
            cycle: file.edges.iter().map(|edge| self.dependency(edge)).collect::<Result<_, _>>()?,
        })
    }

    fn dependency(&self, file: &FileDependency) -> Result<Dependency, String> {
        let why = match &file.why {
            FileWhy::Overwritten { key, earlier, later, order } => Why::Overwritten {
                key: self.key(key)?,
                earlier: self.value(earlier)?,
                later: self.value(later)?,
                order: named(ORDERS, order)?,
            },
            FileWhy::Concluded { key, earlier, later, lemma } => Why::Concluded {
                key: self.key(key)?,
                earlier: self.value(earlier)?,
                later: self.value(later)?,
                lemma: *lemma,
            },
            FileWhy::ReadBy { key, value } => Why::ReadBy { key: self.key(key)?, value: self.value(value)? },
            FileWhy::Missed { key, read, later, order } => Why::Missed {
                key: self.key(key)?,
                read: self.some_value(read)?,
                later: self.value(later)?,
                order: named(ORDERS, order)?,
            },
            FileWhy::Session => Why::Session,
            FileWhy::RealTime => Why::RealTime,
            FileWhy::Arbitrated { axiom: name, key, reader, value, seen } => Why::Arbitrated {
                axiom: axiom(name)?,
                key: self.key(key)?,
                reader: self.op(*reader)?,
                value: self.value(value)?,
                seen: match seen {
                    FileSeen::Read(other) => Seen::Read(self.key(other)?),
                    FileSeen::Session => Seen::Session,
                    FileSeen::Causally(between) => Seen::Causally(self.ops(between)?),
                },
            },
        };
        Ok(Dependency { from: self.op(file.from)?, to: self.op(file.to)?, why })
    }
}
