//! Answers to certificate.

use super::{
    FileAnomaly, FileConstraint, FileCore, FileCycle, FileEvidence, FileHistory, FileLevel, FileOrder,
    FileReason, FileReturned, FileStep, FileVerdict, FileVersions, FileWitness, VERSION, invariants,
    sessions, transactions,
};
use crate::models;
use crate::report::{Asked, Findings, Found};
use checker::Verdict;
use checker::check::{Anomaly, Answer, Assume, Evidence, FailedCas, Witness};
use checker::linearizability::Core;
use checker::sessions::{Constraint, Cycle, Reason, Step};
use histories::{History, KeyId, NEVER, OpId};
use serde_json::Value;
use std::io::{self, Write};

/// Writes the evidence of one history as a line.
pub(crate) fn write(findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()> {
    let history = findings.history;
    let question = match findings.question {
        Asked::Objects(question) => question,
        Asked::Transactions(analysis) => return transactions::write(findings, analysis, out),
        Asked::Sessions(question) => return sessions::write(findings, question, out),
        Asked::Invariants(options) => return invariants::write(findings, options, out),
    };
    let answers = findings.answers.iter().filter_map(|timed| match &timed.found {
        Found::Object(answer) => Some(answer),
        Found::Isolation(_) | Found::Finding(_) | Found::Invariant(_) => None,
    });
    let file = FileHistory {
        steadfast_certificate: VERSION,
        history: findings.name.to_owned(),
        operations: history.len(),
        model: models::name(question.model).to_owned(),
        init: json(history.value_text(question.initial)),
        failed_cas: failed_cas(question.failed_cas).to_owned(),
        assume: assumptions(question.assume),
        levels: answers.map(|answer| level(history, answer)).collect(),
    };
    serde_json::to_writer(&mut *out, &file)?;
    writeln!(out)
}

/// The name that is typed.
pub(super) fn failed_cas(what: FailedCas) -> &'static str {
    match what {
        FailedCas::SaysNothing => "says-nothing",
        FailedCas::Observes => "observes",
    }
}

pub(super) fn assumptions(assume: Assume) -> Vec<String> {
    let known =
        [(assume.sequential_keys, "sequential-keys"), (assume.linearizable_keys, "linearizable-keys")];
    known.iter().filter(|(assumed, _)| *assumed).map(|(_, name)| (*name).to_owned()).collect()
}

fn level(history: &History, answer: &Answer) -> FileLevel {
    let verdict = match &answer.verdict {
        Verdict::Holds(found) => FileVerdict::Holds(witness(history, found)),
        Verdict::Violated(anomalies) => FileVerdict::Violated {
            anomalies: anomalies.iter().map(|found| anomaly(history, found)).collect(),
        },
        Verdict::Unknown(unknown) => FileVerdict::Unknown { reason: unknown.reason.clone() },
    };
    FileLevel { level: answer.level.name().to_owned(), method: answer.method.clone(), verdict }
}

fn witness(history: &History, found: &Witness) -> FileWitness {
    match found {
        Witness::Orders(orders) => FileWitness::Orders(
            orders
                .iter()
                .map(|order| FileOrder {
                    key: key(history, order.key),
                    operations: numbers(history, &order.operations),
                })
                .collect(),
        ),
        Witness::Causal(found) => FileWitness::Causal(super::causality::orders(history, found)),
        Witness::Versions(orders) => FileWitness::Versions(
            orders
                .iter()
                .map(|order| FileVersions {
                    key: key(history, order.key),
                    writes: numbers(history, &order.writes),
                    returned: (order.returned.iter())
                        .map(|one| FileReturned {
                            read: history.index(one.read),
                            write: one.write.map(|write| history.index(write)),
                        })
                        .collect(),
                })
                .collect(),
        ),
    }
}

fn anomaly(history: &History, found: &Anomaly) -> FileAnomaly {
    let evidence = match &found.evidence {
        Evidence::Core(found) => FileEvidence::Core(core(history, found)),
        Evidence::Cycle(found) => FileEvidence::Cycle(cycle(history, found)),
        Evidence::Causal(found) => FileEvidence::Causal(super::causality::refutation(history, found)),
    };
    FileAnomaly {
        r#type: found.kind.to_owned(),
        key: key(history, found.key),
        operations: numbers(history, &found.operations),
        evidence,
    }
}

fn core(history: &History, found: &Core) -> FileCore {
    FileCore {
        operations: numbers(history, &found.operations),
        writes_only: numbers(history, &found.writes_only),
        from: found.from,
        until: Some(found.until).filter(|&until| until != NEVER),
        minimal: found.minimal,
    }
}

fn cycle(history: &History, found: &Cycle) -> FileCycle {
    let step = |step: &Step| match step {
        Step::Split { read, writes } => FileStep::Split {
            read: history.index(*read),
            writes: writes.iter().map(|write| write.map(|write| history.index(write))).collect(),
        },
        Step::Cycle(constraints) => {
            FileStep::Cycle(constraints.iter().map(|found| constraint(history, found)).collect())
        }
    };
    FileCycle { proof: found.proof.iter().map(step).collect(), shortest: found.shortest }
}

fn constraint(history: &History, found: &Constraint) -> FileConstraint {
    let number = |op: OpId| history.index(op);
    let because = match found.reason {
        Reason::SessionOrder { guarantee, a, b } => {
            FileReason::SessionOrder { guarantee: guarantee.name().to_owned(), a: number(a), b: number(b) }
        }
        Reason::CompareAndSet { op } => FileReason::CompareAndSet { op: number(op) },
        Reason::Token { a, b } => FileReason::Token { a: number(a), b: number(b) },
        Reason::Initial => FileReason::Initial,
        Reason::SessionWrites { a, b } => FileReason::SessionWrites { a: number(a), b: number(b) },
        Reason::RealTimeWrites { a, b } => FileReason::RealTimeWrites { a: number(a), b: number(b) },
    };
    FileConstraint { from: found.from.map(number), to: found.to.map(number), because }
}

fn numbers(history: &History, operations: &[OpId]) -> Vec<u64> {
    operations.iter().map(|&id| history.index(id)).collect()
}

/// The key as JSON; `null` is the one object of a history that names none.
pub(super) fn key(history: &History, key: KeyId) -> Value {
    json(history.keys.text(key))
}

pub(super) fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("names are interned as JSON")
}
