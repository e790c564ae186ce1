//! Certificates: what `check --certificate` writes and `verify` reads.
//!
//! The problem: a verdict that is passed on ("the store lost a write on Tuesday") should not have to be believed. A
//! certificate holds what each verdict rests on, so that anybody who has the history can check it, with this program or
//! another. One JSON object a history, one a line. Its claims are the checker's own types as serde writes them, within
//! [`histories::with_names`]: operations by the index of their invocation, keys, values and sessions by their JSON text.
//!
//! It is bound to the history by a digest of what the history says, so it does not matter whether the history is compressed
//! or in which format it is kept; and to the question, which it holds whole.

use crate::args::CheckPlan;
use crate::output_file::{OutputFile, create_output};
use crate::report::Findings;
use checker::{Limits, Question, Report};
use histories::format::write_native;
use histories::{History, with_names};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Write};

/// The version of this format.
const VERSION: u32 = 2;

/// What is claimed of one history.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificate {
    certificate: u32,
    /// The history as it was named.
    history: String,
    /// Of the history as JSON Lines, as `steadfast convert` writes it: SHA-256 in hexadecimal digits.
    digest: String,
    pub(crate) question: Question,
    /// What the search could spend. Nothing that is claimed depends on it but what is unknown.
    pub(crate) limits: LimitsTold,
    pub(crate) report: Report,
}

/// The limits of a search.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct LimitsTold {
    pub(crate) steps: u64,
    pub(crate) bytes: u64,
    pub(crate) milliseconds: Option<u64>,
}

/// The file of certificates, if one was asked for.
pub(crate) struct Certificates {
    file: Option<OutputFile>,
    limits: LimitsTold,
}

impl Certificates {
    /// Opens the file. The error is for the user.
    pub(crate) fn create(plan: &CheckPlan) -> Result<Self, String> {
        let file = plan.certificate.as_deref().map(|path| create_output(path, plan.force, &plan.inputs()));
        let milliseconds = plan.timeout.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        let limits = LimitsTold { steps: crate::checking::STEPS_MAX, bytes: plan.bytes as u64, milliseconds };
        Ok(Self { file: file.transpose()?, limits })
    }

    /// Writes what is claimed of one history as a line.
    pub(crate) fn write(&mut self, findings: &Findings<'_>) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let certificate = Certificate {
            certificate: VERSION,
            history: findings.name.to_owned(),
            digest: digest(findings.history)?,
            question: findings.question.clone(),
            limits: self.limits,
            report: findings.report.clone(),
        };
        with_names(findings.history, || serde_json::to_writer(&mut *file, &certificate))?;
        writeln!(file)
    }

    /// Puts the file in its place.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.file.take().map_or(Ok(()), OutputFile::finish).map_err(io::Error::other)
    }
}

/// What is looked at to find out what the rest of a line is.
#[derive(Deserialize)]
struct Head {
    certificate: Option<u32>,
    steadfast_certificate: Option<u32>,
    history: String,
    #[serde(default)]
    digest: String,
}

impl Certificate {
    /// Reads the line of a certificate that is about a history: by its digest, whatever it is called.
    ///
    /// The error says what is wrong with the certificate, or that it is about another history.
    pub(crate) fn read(text: &str, name: &str, history: &History) -> Result<Certificate, String> {
        let digest = digest(history).map_err(|why| why.to_string())?;
        let mut others = Vec::new();
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
            let wrong = |why: serde_json::Error| format!("line {number}: {why}");
            let head: Head = serde_json::from_str(line).map_err(wrong)?;
            match head.certificate.or(head.steadfast_certificate) {
                Some(VERSION) => {}
                version => {
                    let version =
                        version.map_or("no version".to_owned(), |version| format!("version {version}"));
                    return Err(format!(
                        "line {number} is of {version}, and this program reads version {VERSION}. Check the history again \
                         with --certificate to get one"
                    ));
                }
            }
            if head.digest == digest {
                return with_names(history, || serde_json::from_str(line)).map_err(wrong);
            }
            others.push(head.history);
        }
        Err(match others.as_slice() {
            [] => "it certifies nothing".to_owned(),
            others => format!(
                "it is about {}, and about another history than {name}: the digests differ",
                others.join(", ")
            ),
        })
    }

    /// The question in a line or two: what the claims are claims about.
    pub(crate) fn told(&self) -> String {
        let Question { model, initial, failed_cas, assume, accept_untested, .. } = &self.question;
        let mut parts =
            vec![format!("model {}", model.name()), format!("initial value {}", initial.default_json())];
        parts.extend(initial.values_by_key().map(|(key, value)| format!("initial value of {key} {value}")));
        parts.push(format!("a failed compare-and-set {}", failed_cas.name()));
        let assumed: Vec<&str> = assume.assumption_names().collect();
        parts.push(format!(
            "assumed: {}",
            if assumed.is_empty() { "nothing".to_owned() } else { assumed.join(", ") }
        ));
        if *accept_untested {
            parts.push("what was not tested counts as holding".to_owned());
        }
        parts.join("; ")
    }

    /// Limits for checking it: none but what a caller sets.
    pub(crate) fn unbounded() -> Limits<'static> {
        Limits::unbounded()
    }
}

/// SHA-256 of a history as JSON Lines.
fn digest(history: &History) -> io::Result<String> {
    let mut hash = Hasher(Sha256::new());
    write_native(history, &mut hash)?;
    Ok(hash.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
