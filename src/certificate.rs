//! Certificates: `check --certificate` writes them and `verify` reads them.
//!
//! The problem: a verdict that is passed on ("the store lost a write on Tuesday") should not have to be believed. A
//! certificate holds the evidence of each verdict, so that anybody who has the history can check it with this program or
//! another. It has one JSON object per history, one per line. Claims are the checker's own types, serialized within
//! [`histories::with_names`]: operations by the index of their invocation; keys, values and sessions by their JSON text.
//!
//! A digest of the history's content binds the certificate to the history, whatever its format and compression. The
//! certificate contains the whole question.

use crate::args::CheckPlan;
use crate::exit::Exit;
#[cfg(feature = "command-line")]
use crate::output_file::{OutputFile, create_output};
use crate::report::CheckFindings;
use checker::{Answer, Limits, Model, Property, Question, Report, Verdict};
use histories::format::write_native;
use histories::{History, with_names};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, Write};
use verifier::Standing;

/// The version of this format.
const VERSION: u32 = 2;

/// The claims about one history.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificate {
    certificate: u32,
    /// The name that the user gave for the history.
    history: String,
    /// SHA-256, in hexadecimal, of the history as JSON Lines in the form that `steadfast convert` writes.
    digest: String,
    pub(crate) question: Question,
    /// The limits of the search. Only *unknown* verdicts depend on them.
    pub(crate) limits: CertifiedLimits,
    pub(crate) report: Report,
}

/// The limits of a search.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct CertifiedLimits {
    pub(crate) steps: u64,
    pub(crate) bytes: u64,
    pub(crate) milliseconds: Option<u64>,
}

/// The certificate file, if the user asked for one.
#[cfg(feature = "command-line")]
pub(crate) struct Certificates {
    file: Option<OutputFile>,
    limits: CertifiedLimits,
}

#[cfg(feature = "command-line")]
impl Certificates {
    /// Opens the file. The error is worded for the user.
    pub(crate) fn create(plan: &CheckPlan) -> Result<Self, String> {
        let file =
            plan.certificate.as_deref().map(|path| create_output(path, plan.force, &plan.input_files()));
        Ok(Self { file: file.transpose()?, limits: CertifiedLimits::of_plan(plan) })
    }

    /// Writes the certificate of one history as a line.
    pub(crate) fn write(&mut self, findings: &CheckFindings<'_>) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        write_certificate(findings, self.limits, file)
    }

    /// Gives the file its final name.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.file.take().map_or(Ok(()), OutputFile::publish_file).map_err(io::Error::other)
    }
}

impl CertifiedLimits {
    /// The limits of a plan.
    pub(crate) fn of_plan(plan: &CheckPlan) -> Self {
        let milliseconds = plan.timeout.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        Self { steps: crate::checking::STEPS_MAX, bytes: plan.bytes as u64, milliseconds }
    }
}

/// Writes the certificate of one history as a line.
pub(crate) fn write_certificate(
    findings: &CheckFindings<'_>,
    limits: CertifiedLimits,
    mut out: &mut impl Write,
) -> io::Result<()> {
    let certificate = Certificate {
        certificate: VERSION,
        history: findings.name.to_owned(),
        digest: hash_history(findings.history)?,
        question: findings.question.clone(),
        limits,
        report: findings.report.clone(),
    };
    with_names(findings.history, || serde_json::to_writer(&mut out, &certificate))?;
    writeln!(out)
}

/// The fields that identify a line, read before the rest of it.
#[derive(Deserialize)]
struct CertificateHead {
    certificate: Option<u32>,
    steadfast_certificate: Option<u32>,
    history: String,
    #[serde(default)]
    digest: String,
}

impl Certificate {
    /// Reads the line that certifies this history. The digest identifies it; the name does not matter.
    ///
    /// # Errors
    /// The certificate is malformed, or it is about another history.
    pub(crate) fn find_for_history(text: &str, name: &str, history: &History) -> Result<Certificate, String> {
        let digest = hash_history(history).map_err(|why| why.to_string())?;
        let mut others = Vec::new();
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
            let wrong = |why: serde_json::Error| format!("line {number}: {why}");
            let head: CertificateHead = serde_json::from_str(line).map_err(wrong)?;
            match head.certificate.or(head.steadfast_certificate) {
                Some(VERSION) => {}
                version => {
                    let version =
                        version.map_or("no version".to_owned(), |version| format!("version {version}"));
                    return Err(format!(
                        "line {number} has {version}, but this program reads version {VERSION}. Run `steadfast check \
                         --certificate` on the history to create a new one"
                    ));
                }
            }
            if head.digest == digest {
                return with_names(history, || serde_json::from_str(line)).map_err(wrong);
            }
            others.push(head.history);
        }
        Err(match others.as_slice() {
            [] => "the file certifies nothing".to_owned(),
            others => format!(
                "the certificate is about {}. The digest of {name} differs, so its content is another one",
                others.join(", ")
            ),
        })
    }

    /// The question in a line or two.
    pub(crate) fn describe_question(&self) -> String {
        let Question { model, initial, failed_cas, assume, accept_untested, staleness, .. } = &self.question;
        let mut parts =
            vec![format!("model {}", model.name()), format!("initial value {}", initial.default_json())];
        parts.extend(initial.values_by_key().map(|(key, value)| format!("initial value of {key} {value}")));
        parts.push(format!("a failed compare-and-set {}", failed_cas.name()));
        let assumed: Vec<&str> = assume.assumption_names().collect();
        parts.push(format!(
            "assumptions: {}",
            if assumed.is_empty() { "none".to_owned() } else { assumed.join(", ") }
        ));
        parts.extend(staleness.map(|bound| format!("bounded-staleness: {bound}")));
        if *accept_untested {
            parts.push("untested levels count as holding".to_owned());
        }
        parts.join("; ")
    }

    /// The limits for checking a certificate: none.
    pub(crate) fn verification_limits() -> Limits<'static> {
        Limits::unbounded()
    }
}

/// Verifies the claims that the text of a certificate makes about a history. Returns a line for each, and the exit code.
pub(crate) fn verify_text(text: &str, name: &str, history: &History) -> Result<(String, Exit), String> {
    let claimed = Certificate::find_for_history(text, name, history)?;
    if claimed.report.answers.is_empty() {
        return Err("it makes no claim about a level, so there is nothing to verify".to_owned());
    }
    claimed.question.check(history).map_err(|why| why.to_string())?;
    let mut lines = format!("given      {}\n", claimed.describe_question());
    if claimed.question.model == Model::Session {
        writeln!(lines, "given      {}", crate::checking::describe_session_rules(&claimed.question))
            .expect("a string takes everything");
    }
    let (report, limits) = (&claimed.report, Certificate::verification_limits());
    let standings = verifier::verify(history, &claimed.question, report, &limits);
    let mut worst = Exit::Holds;
    for (answer, standing) in report.answers.iter().zip(standings.answers) {
        let (line, exit) = describe_standing(answer, standing);
        writeln!(lines, "{line}").expect("a string takes everything");
        worst = worst.max(exit);
    }
    // What was asked and is not answered was left out by somebody.
    let is_answered = |asked: &Property| {
        report.answers.iter().chain(&report.beside).any(|answer| answer.property == *asked)
    };
    for property in claimed.question.asked_properties().iter().filter(|asked| !is_answered(asked)) {
        writeln!(lines, "unknown    {}: the certificate makes no claim about it", property.name())
            .expect("a string takes everything");
        worst = worst.max(Exit::Unknown);
    }
    // The certificate also claims what was found in addition to the question.
    let beside = report.beside.iter().zip(standings.beside);
    let phenomena = report.phenomena.iter().map(|anomaly| anomaly.phenomenon.name()).zip(standings.phenomena);
    let others = beside.map(|(answer, standing)| (answer.property.name(), standing)).chain(phenomena);
    for (name, standing) in others {
        if let Standing::Refuted(why) = standing {
            writeln!(lines, "refuted    {name}: {why}").expect("a string takes everything");
            worst = worst.max(Exit::Violated);
        }
    }
    Ok((lines, worst))
}

/// The result for one claim: its line and its exit code.
fn describe_standing(answer: &Answer, standing: Standing) -> (String, Exit) {
    let (name, verdict) = (answer.property.name(), answer.verdict.name());
    match (standing, &answer.verdict) {
        (Standing::Refuted(why), _) => (format!("refuted    {name} {verdict}: {why}"), Exit::Violated),
        (Standing::Partly(why), _) => (format!("unknown    {name} {verdict}: {why}"), Exit::Unknown),
        (Standing::Unchecked, _) => {
            (format!("unknown    {name} {verdict}: {}", verifier::UNCHECKED), Exit::Unknown)
        }
        (Standing::Confirmed, Verdict::Unknown(why)) => {
            (format!("unknown    {name}: {}", why.reason), Exit::Unknown)
        }
        (Standing::Confirmed, Verdict::Untested(why)) => {
            (format!("untested   {name}: {}", why.reason), Exit::Unknown)
        }
        (Standing::Confirmed, _) => (format!("confirmed  {name} {verdict}"), Exit::Holds),
        (Standing::ConfirmedExcept(why), _) => {
            (format!("confirmed  {name} {verdict}, but {why}"), Exit::Holds)
        }
    }
}

/// SHA-256 of a history in the form of JSON Lines.
fn hash_history(history: &History) -> io::Result<String> {
    let mut hash = DigestWriter(Sha256::new());
    write_native(history, &mut hash)?;
    Ok(hash.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct DigestWriter(Sha256);

impl Write for DigestWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
