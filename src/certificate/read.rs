//! Certificate to answers, about a history that may be another one than it was written about.

use super::read_transactions::{Claims, claims};
use super::transactions::FileTransactions;
use super::{
    FileAnomaly, FileConstraint, FileCore, FileCycle, FileEvidence, FileHistory, FileLevel, FileReason,
    FileStep, FileVerdict, FileWitness, VERSION, write,
};
use crate::models;
use crate::report::sentence::KINDS;
use crate::subject::Subject;
use checker::check::{Anomaly, Answer, Assume, Evidence, FailedCas, Question, Witness};
use checker::linearizability::{Core, Order};
use checker::sessions::{Constraint, Cycle, Reason, Returned, Step, VersionOrder};
use checker::{Level, Unknown, Verdict, continuity, invariants};
use histories::{History, KeyId, NEVER, OpId};
use serde::Deserialize;
use serde_json::Value;

/// What a certificate claims of a history.
pub(crate) enum Certificate {
    /// Of objects.
    Objects(Question, Vec<Answer>),
    /// Of transactions.
    Transactions(Claims),
    /// Of session stores.
    Sessions(continuity::Question, Vec<continuity::Judged>),
    /// Of invariants.
    Invariants(invariants::Options, Vec<invariants::Answer>),
}

/// What is looked at to find out what the rest of a line is.
#[derive(Deserialize)]
struct Head {
    steadfast_certificate: u32,
    history: String,
    operations: usize,
    model: String,
    /// Told of invariants only, whose subjects (counters, sets) may be models of objects as well.
    #[serde(default)]
    negative_balances: Option<bool>,
}

/// Reads the part of a certificate that is about the history of this name, or its only part.
///
/// The error says what is wrong with the certificate, or that it is about another history.
pub(crate) fn read(text: &str, name: &str, history: &mut History) -> Result<Certificate, String> {
    let mut parts = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let part: Head = parsed(line, number)?;
        if part.steadfast_certificate != VERSION {
            return Err(format!(
                "it is of version {}; this program reads {VERSION}",
                part.steadfast_certificate
            ));
        }
        parts.push((part, line, number));
    }
    let named = parts.iter().position(|part| part.0.history == name).or((parts.len() == 1).then_some(0));
    let (part, line, number) = named.map(|at| parts.swap_remove(at)).ok_or_else(|| {
        let names: Vec<&str> = parts.iter().map(|part| part.0.history.as_str()).collect();
        format!(
            "it is about {}, not about {name}",
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        )
    })?;
    if part.operations != history.len() {
        return Err(format!(
            "it is about a history of {} operations, and {name} has {}",
            part.operations,
            history.len()
        ));
    }
    let subject = Subject::all().find(|known| known.1 == part.model).map(|known| known.0);
    match subject {
        Some(Subject::Transactions(_)) => {
            let file: FileTransactions = parsed(line, number)?;
            let assume = assumed(&file.assume)?;
            return Ok(Certificate::Transactions(claims(file, assume, &Reader::new(history))?));
        }
        Some(Subject::Sessions) => {
            let (question, judged) = super::sessions::claims(parsed(line, number)?, &Reader::new(history))?;
            return Ok(Certificate::Sessions(question, judged));
        }
        Some(_) if part.negative_balances.is_some() => {
            let (options, answers) = super::invariants::claims(parsed(line, number)?, &Reader::new(history))?;
            return Ok(Certificate::Invariants(options, answers));
        }
        _ => {}
    }
    let part: FileHistory = parsed(line, number)?;
    let question = question(&part, history)?;
    let reader = Reader::new(history);
    let answers = part.levels.into_iter().map(|level| reader.answer(level)).collect::<Result<_, _>>()?;
    Ok(Certificate::Objects(question, answers))
}

fn parsed<'a, T: Deserialize<'a>>(line: &'a str, number: usize) -> Result<T, String> {
    serde_json::from_str(line).map_err(|why| format!("line {}: {why}", number + 1))
}

fn assumed(names: &[String]) -> Result<Assume, String> {
    let known = ["sequential-keys", "linearizable-keys"];
    if let Some(other) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("there is no assumption {other:?}"));
    }
    let is = |assumption: &str| names.iter().any(|name| name == assumption);
    Ok(Assume { sequential_keys: is("sequential-keys"), linearizable_keys: is("linearizable-keys") })
}

fn question(part: &FileHistory, history: &mut History) -> Result<Question, String> {
    let model = models::by_name(&part.model).ok_or_else(|| format!("there is no model {:?}", part.model))?;
    let failed_cas = [FailedCas::SaysNothing, FailedCas::Observes]
        .into_iter()
        .find(|&what| write::failed_cas(what) == part.failed_cas)
        .ok_or_else(|| format!("a failed compare-and-set does not {:?}", part.failed_cas))?;
    let assume = assumed(&part.assume)?;
    Ok(Question { model, initial: history.values.intern(&part.init.to_string()), failed_cas, assume })
}

/// Numbers to operations of one history.
pub(super) struct Reader<'a> {
    pub(super) history: &'a History,
    /// Ascending by number.
    by_number: Vec<(u64, OpId)>,
}

impl<'a> Reader<'a> {
    fn new(history: &'a History) -> Self {
        let mut by_number: Vec<(u64, OpId)> = history.ids().map(|id| (history.index(id), id)).collect();
        by_number.sort_unstable();
        Self { history, by_number }
    }

    pub(super) fn op(&self, number: u64) -> Result<OpId, String> {
        let found = self.by_number.binary_search_by_key(&number, |known| known.0);
        found.map(|at| self.by_number[at].1).map_err(|_| format!("the history has no operation {number}"))
    }

    pub(super) fn some_op(&self, number: Option<u64>) -> Result<Option<OpId>, String> {
        number.map(|number| self.op(number)).transpose()
    }

    pub(super) fn ops(&self, numbers: &[u64]) -> Result<Vec<OpId>, String> {
        numbers.iter().map(|&number| self.op(number)).collect()
    }

    pub(super) fn key(&self, key: &Value) -> Result<KeyId, String> {
        self.history.keys.get(&key.to_string()).ok_or_else(|| format!("the history has no object {key}"))
    }

    fn answer(&self, file: FileLevel) -> Result<Answer, String> {
        let level: Level = file.level.parse()?;
        let verdict = match file.verdict {
            FileVerdict::Holds(found) => Verdict::Holds(self.witness(found)?),
            FileVerdict::Violated { anomalies } => Verdict::Violated(
                anomalies.into_iter().map(|found| self.anomaly(found)).collect::<Result<_, _>>()?,
            ),
            FileVerdict::Unknown { reason } => Verdict::Unknown(Unknown { reason }),
        };
        Ok(Answer { level, method: file.method, verdict })
    }

    fn witness(&self, file: FileWitness) -> Result<Witness, String> {
        match file {
            FileWitness::Orders(orders) => {
                let one = |order: super::FileOrder| {
                    Ok(Order { key: self.key(&order.key)?, operations: self.ops(&order.operations)? })
                };
                Ok(Witness::Orders(orders.into_iter().map(one).collect::<Result<_, String>>()?))
            }
            FileWitness::Causal(found) => Ok(Witness::Causal(self.causal_orders(found)?)),
            FileWitness::Versions(orders) => {
                let one = |order: super::FileVersions| {
                    let returned = order.returned.iter().map(|one| {
                        Ok(Returned { read: self.op(one.read)?, write: self.some_op(one.write)? })
                    });
                    Ok(VersionOrder {
                        key: self.key(&order.key)?,
                        writes: self.ops(&order.writes)?,
                        returned: returned.collect::<Result<_, String>>()?,
                    })
                };
                Ok(Witness::Versions(orders.into_iter().map(one).collect::<Result<_, String>>()?))
            }
        }
    }

    fn anomaly(&self, file: FileAnomaly) -> Result<Anomaly, String> {
        let kind = KINDS.iter().find(|kind| **kind == file.r#type);
        let key = self.key(&file.key)?;
        let evidence = match file.evidence {
            FileEvidence::Core(core) => Evidence::Core(self.core(key, core)?),
            FileEvidence::Cycle(cycle) => Evidence::Cycle(self.cycle(key, cycle)?),
            FileEvidence::Causal(found) => Evidence::Causal(self.refutation(found)?),
        };
        Ok(Anomaly {
            kind: kind.ok_or_else(|| format!("there is no anomaly {:?}", file.r#type))?,
            key,
            operations: self.ops(&file.operations)?,
            evidence,
        })
    }

    fn core(&self, key: KeyId, file: FileCore) -> Result<Core, String> {
        Ok(Core {
            key,
            operations: self.ops(&file.operations)?,
            writes_only: self.ops(&file.writes_only)?,
            from: file.from,
            until: file.until.unwrap_or(NEVER),
            minimal: file.minimal,
        })
    }

    fn cycle(&self, key: KeyId, file: FileCycle) -> Result<Cycle, String> {
        let step = |step: FileStep| match step {
            FileStep::Split { read, writes } => Ok(Step::Split {
                read: self.op(read)?,
                writes: writes.into_iter().map(|write| self.some_op(write)).collect::<Result<_, _>>()?,
            }),
            FileStep::Cycle(constraints) => {
                let found = constraints.into_iter().map(|one| self.constraint(one));
                Ok(Step::Cycle(found.collect::<Result<_, String>>()?))
            }
        };
        let proof = file.proof.into_iter().map(step).collect::<Result<_, String>>()?;
        Ok(Cycle { key, proof, shortest: file.shortest })
    }

    fn constraint(&self, file: FileConstraint) -> Result<Constraint, String> {
        let reason = match file.because {
            FileReason::SessionOrder { guarantee, a, b } => {
                Reason::SessionOrder { guarantee: guarantee.parse()?, a: self.op(a)?, b: self.op(b)? }
            }
            FileReason::CompareAndSet { op } => Reason::CompareAndSet { op: self.op(op)? },
            FileReason::Token { a, b } => Reason::Token { a: self.op(a)?, b: self.op(b)? },
            FileReason::Initial => Reason::Initial,
            FileReason::SessionWrites { a, b } => Reason::SessionWrites { a: self.op(a)?, b: self.op(b)? },
            FileReason::RealTimeWrites { a, b } => Reason::RealTimeWrites { a: self.op(a)?, b: self.op(b)? },
        };
        Ok(Constraint { from: self.some_op(file.from)?, to: self.some_op(file.to)?, reason })
    }
}
