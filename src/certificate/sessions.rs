//! What verdicts on session stores rest on, as it stands in a file.
//!
//! A finding is a handful of operations and a claim about what lies between them. That there is none of a kind has no
//! short witness, so *holds* stands there without one, and whoever verifies looks a second time.

use super::VERSION;
use super::mirror::{Json, Op, Plain, Some, Told, mirrored};
use super::read::Reader;
use super::write::key;
use crate::report::{Findings, Found};
use checker::continuity::{Finding, Judged, Kind, Proof, Question, RenewedBy};
use checker::{Unknown, Verdict};
use histories::{Function, History, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{self, Write};

/// The evidence of all findings about one history.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileSessions {
    steadfast_certificate: u32,
    history: String,
    operations: usize,
    model: String,
    /// How long sessions live; null: for ever.
    time_to_live_ns: Option<i64>,
    renewed_by: Vec<String>,
    tolerance_ns: i64,
    levels: Vec<FileKind>,
}

#[derive(Serialize, Deserialize)]
struct FileKind {
    level: String,
    #[serde(flatten)]
    verdict: FileJudged,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
enum FileJudged {
    Holds {},
    Violated { findings: Vec<FileFinding> },
    Unknown { reason: String },
}

#[derive(Serialize, Deserialize)]
struct FileFinding {
    key: Value,
    operations: Vec<u64>,
    /// Positions among the events, from zero: entries of an audit trail, reads of replicas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<u32>,
    #[serde(flatten)]
    proof: FileProof,
}

mirrored! {
    /// Why no legal execution explains a finding.
    FileProof of Proof;
    Gone { gone: Op, alive: Op, renewed: Some<Op>, idle_ns: Some<Plain<i64>> }
    Back { back: Op, ended: Op, shown: Some<Op> }
    EndedTwice { one: Op, other: Op }
    Unborn { seen: Op }
    Overdue { seen: Op, renewed: Some<Op>, late_ns: Plain<i64> }
    Replaced { read: Op, field: Some<Plain<String>>, older: Op, newer: Op, shown: Op }
    BackToBirth { read: Op, field: Some<Plain<String>>, birth: Op, shown: Op }
    Uncleared { read: Op, field: Plain<String>, patch: Op, write: Op }
    Unwritten { read: Op, writer: Some<Op> }
    Foreign { read: Op, writer: Some<Op>, owner: Plain<String> }
    Repeated { read: Op, act: Some<Op>, action: Json, times: Plain<usize> }
    Undone { read: Op, act: Op, later: Some<Op> }
    Unasked { read: Op, action: Json, act: Some<Op> }
    NoList { read: Op }
    ToldEarlier { earlier: Op, later: Op, back_ns: Plain<i64> }
    Overwritten { save: Op, read: Some<Op>, other: Op, other_read: Some<Op> }
    Entries { found: Plain<usize>, acknowledged: Plain<usize>, possible: Plain<usize> }
    OutOfOrder { first: Plain<u32>, second: Plain<u32> }
    Differ { one: Json, other: Json }
}

/// The operations that can renew a session, with their names. A creation always does.
const RENEWALS: &[(Function, &str)] = &[
    (Function::WRITE, "write"),
    (Function::PATCH, "patch"),
    (Function::TOUCH, "touch"),
    (Function::RENEW, "renew"),
    (Function::READ, "read"),
];

/// Writes the evidence about one history as a line.
pub(super) fn write(findings: &Findings<'_>, question: &Question, out: &mut dyn Write) -> io::Result<()> {
    let history = findings.history;
    let judged = findings.answers.iter().filter_map(|timed| match &timed.found {
        Found::Finding(judged) => Option::Some(judged),
        Found::Object(_) | Found::Isolation(_) | Found::Invariant(_) => None,
    });
    let renewals = RENEWALS.iter().filter(|(function, _)| question.renewed_by.has(*function));
    let file = FileSessions {
        steadfast_certificate: VERSION,
        history: findings.name.to_owned(),
        operations: history.len(),
        model: findings.model.to_owned(),
        time_to_live_ns: question.time_to_live_ns,
        renewed_by: renewals.map(|(_, name)| (*name).to_owned()).collect(),
        tolerance_ns: question.tolerance_ns,
        levels: judged.map(|judged| level(history, judged)).collect(),
    };
    serde_json::to_writer(&mut *out, &file)?;
    writeln!(out)
}

fn level(history: &History, judged: &Judged) -> FileKind {
    let finding = |finding: &Finding| FileFinding {
        key: key(history, finding.key),
        operations: finding.operations.iter().map(|&id| history.index(id)).collect(),
        events: finding.events.clone(),
        proof: FileProof::of(&finding.proof, history),
    };
    let verdict = match &judged.verdict {
        Verdict::Holds(()) => FileJudged::Holds {},
        Verdict::Violated(findings) => {
            FileJudged::Violated { findings: findings.iter().map(finding).collect() }
        }
        Verdict::Unknown(unknown) => FileJudged::Unknown { reason: unknown.reason.clone() },
    };
    FileKind { level: judged.kind.name().to_owned(), verdict }
}

/// What the file claims of a history.
pub(super) fn claims(file: FileSessions, reader: &Reader<'_>) -> Result<(Question, Vec<Judged>), String> {
    let question = Question {
        time_to_live_ns: file.time_to_live_ns,
        renewed_by: RenewedBy::of_names(file.renewed_by.iter().map(String::as_str))?,
        tolerance_ns: file.tolerance_ns,
    };
    // Beyond centuries sums of times would not fit.
    let bound = i64::MAX / 8;
    if !(0..bound).contains(&question.tolerance_ns)
        || question.time_to_live_ns.is_some_and(|ns| !(1..bound).contains(&ns))
    {
        return Err("its time to live or its tolerance is no span of time".to_owned());
    }
    let judged = file.levels.into_iter().map(|level| claim(level, reader)).collect::<Result<_, _>>()?;
    Ok((question, judged))
}

fn claim(file: FileKind, reader: &Reader<'_>) -> Result<Judged, String> {
    let kind: Kind = file.level.parse()?;
    let verdict = match file.verdict {
        FileJudged::Holds {} => Verdict::Holds(()),
        FileJudged::Violated { findings } => {
            let read = findings.into_iter().map(|found| finding(kind, found, reader));
            Verdict::Violated(read.collect::<Result<_, _>>()?)
        }
        FileJudged::Unknown { reason } => Verdict::Unknown(Unknown { reason }),
    };
    Ok(Judged { kind, verdict, recorded: true })
}

fn finding(kind: Kind, file: FileFinding, reader: &Reader<'_>) -> Result<Finding, String> {
    Ok(Finding {
        kind,
        key: reader.key(&file.key)?,
        // Whose it is, and what was on meanwhile, is told to people and is no part of the evidence.
        session: SessionId::from_raw(0),
        operations: reader.ops(&file.operations)?,
        events: file.events,
        faults: Vec::new(),
        proof: file.proof.read(reader)?,
    })
}
