//! What verdicts on invariants rest on, as it stands in a file: of a breach the few numbers that show it; of *holds*
//! nothing, because it is found again by looking at everything a second time.

use super::VERSION;
use super::mirror::{Json, Many, Op, Plain, Some, Sum, Told, mirrored};
use super::read::Reader;
use super::write::key;
use crate::report::{Findings, Found};
use checker::invariants::explain::KINDS;
use checker::invariants::{Answer, Breach, Check, Evidence, Options};
use checker::{Unknown, Verdict};
use histories::History;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{self, Write};

/// The evidence of all checks of one history.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileInvariants {
    steadfast_certificate: u32,
    history: String,
    operations: usize,
    model: String,
    /// What all accounts hold together; null: what the first read shows.
    total: Option<i64>,
    negative_balances: bool,
    levels: Vec<FileCheck>,
}

#[derive(Serialize, Deserialize)]
struct FileCheck {
    level: String,
    #[serde(flatten)]
    verdict: FileAnswer,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
enum FileAnswer {
    /// So many answers were looked at.
    Holds {
        looked_at: u64,
    },
    Violated {
        breaches: Vec<FileBreach>,
    },
    Unknown {
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct FileBreach {
    r#type: String,
    key: Value,
    #[serde(flatten)]
    evidence: FileEvidence,
}

mirrored! {
    /// What shows a breach.
    FileEvidence of Evidence;
    Total { read: Op, total: Sum, expected: Sum, first: Some<Op> }
    Balance { read: Op, account: Plain<String>, balance: Some<Plain<i64>> }
    Missing { element: Json, known: Op, read: Op, again: Some<Op> }
    Doubled { element: Json, read: Op, times: Plain<usize> }
    Unwritten { element: Json, read: Op, writer: Some<Op> }
    Bounds { read: Op, value: Sum, least: Sum, most: Sum }
    Undelivered { enqueued: Many<Op>, empty: Op, swallowed: Plain<usize> }
    Repeated { element: Json, returned: Many<Op>, put_in: Plain<usize> }
    SameId { id: Json, one: Op, other: Op }
    Fork { one: Op, other: Op, x: Json, y: Json }
    Backwards { earlier: Op, later: Op, register: Some<Plain<String>>, from: Plain<i64>, to: Plain<i64> }
    Reversed { first: Op, second: Op, read: Op }
}

/// Writes the evidence about one history as a line.
pub(super) fn write(findings: &Findings<'_>, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let answers = findings.answers.iter().filter_map(|timed| match &timed.found {
        Found::Invariant(answer) => Option::Some(answer),
        Found::Object(_) | Found::Isolation(_) | Found::Finding(_) => None,
    });
    let file = FileInvariants {
        steadfast_certificate: VERSION,
        history: findings.name.to_owned(),
        operations: findings.history.len(),
        model: findings.model.to_owned(),
        total: options.total,
        negative_balances: options.negative_balances,
        levels: answers.map(|answer| level(findings.history, answer)).collect(),
    };
    serde_json::to_writer(&mut *out, &file)?;
    writeln!(out)
}

fn level(history: &History, answer: &Answer) -> FileCheck {
    let breach = |breach: &Breach| FileBreach {
        r#type: breach.kind.to_owned(),
        key: key(history, breach.key),
        evidence: FileEvidence::of(&breach.evidence, history),
    };
    let verdict = match &answer.verdict {
        Verdict::Holds(looked) => FileAnswer::Holds { looked_at: *looked },
        Verdict::Violated(breaches) => {
            FileAnswer::Violated { breaches: breaches.iter().map(breach).collect() }
        }
        Verdict::Unknown(unknown) => FileAnswer::Unknown { reason: unknown.reason.clone() },
    };
    FileCheck { level: answer.check.name().to_owned(), verdict }
}

/// What the file claims of a history.
pub(super) fn claims(file: FileInvariants, reader: &Reader<'_>) -> Result<(Options, Vec<Answer>), String> {
    let options = Options { total: file.total, negative_balances: file.negative_balances };
    let answers = file.levels.into_iter().map(|level| claim(level, reader)).collect::<Result<_, _>>()?;
    Ok((options, answers))
}

fn claim(file: FileCheck, reader: &Reader<'_>) -> Result<Answer, String> {
    let check = Check::ALL.iter().find(|check| check.name() == file.level);
    let check = *check.ok_or_else(|| format!("there is no invariant {:?}", file.level))?;
    if let Option::Some(why) = check.mistaken(reader.history) {
        return Err(why);
    }
    let verdict = match file.verdict {
        FileAnswer::Holds { looked_at } => Verdict::Holds(looked_at),
        FileAnswer::Violated { breaches } => {
            let read = breaches.into_iter().map(|found| breach(found, reader));
            Verdict::Violated(read.collect::<Result<_, _>>()?)
        }
        FileAnswer::Unknown { reason } => Verdict::Unknown(Unknown { reason }),
    };
    Ok(Answer { check, verdict, counts: Vec::new(), remarks: Vec::new() })
}

fn breach(file: FileBreach, reader: &Reader<'_>) -> Result<Breach, String> {
    let kind = KINDS.iter().find(|kind| **kind == file.r#type);
    Ok(Breach {
        kind: kind.ok_or_else(|| format!("there is no breach {:?}", file.r#type))?,
        key: reader.key(&file.key)?,
        evidence: file.evidence.read(reader)?,
    })
}
