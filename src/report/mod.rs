//! Reports: text, page, JSON, JUnit, SARIF and annotations are renderings of the same values.
//!
//! A check does not depend on its report. The result of checking one history is a [`CheckFindings`]; every format consumes
//! that value, no format is made from another, and nothing is decided here.

pub(crate) mod compare;
pub(crate) mod continuity;
pub(crate) mod describe;
pub(crate) mod difference;
pub(crate) mod dot;
mod event_lines;
mod faults;
mod github;
mod graph;
pub(crate) mod isolation;
pub(crate) mod json;
mod junit;
pub(crate) mod lattice;
pub(crate) mod layout;
mod measurements;
mod operation_table;
pub(crate) mod page;
#[cfg(feature = "command-line")]
pub(crate) mod rehearsal;
mod sarif;
pub(crate) mod sentence;
pub(crate) mod summary;
pub(crate) mod terms;
mod text;
mod timeline;

use crate::objectives::JudgedObjective;
use crate::times::PhaseTimes;
use checker::measurements::Measurements;
use checker::{
    Answer, Basis, Breach, Evidence, Model, Question, TransactionEvidence, Verdict, Violation,
    invariants as breaches,
};
use histories::{History, KeyId, OpId, Outcome};
use std::io::{self, Write};

/// The result of checking one history.
#[derive(Clone, Copy)]
pub(crate) struct CheckFindings<'a> {
    /// The name that the user gave for the history.
    pub(crate) name: &'a str,
    pub(crate) history: &'a History,
    pub(crate) question: &'a Question,
    /// The answers in the order of the question, and what was found in addition.
    pub(crate) report: &'a checker::Report,
    /// How much in the history could have contradicted a verdict.
    pub(crate) basis: Basis,
    /// The measured figures, if any.
    pub(crate) measured: Option<&'a MeasuredRun>,
    pub(crate) times: &'a PhaseTimes,
    /// How the history was reduced, if it is a part that explains a violation.
    pub(crate) explains: Option<&'a ReductionInfo>,
}

/// How a part of a history was obtained to explain a violation.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub(crate) struct ReductionInfo {
    /// The level that the whole history violates.
    pub(crate) level: &'static str,
    /// The anomaly that the part still shows.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The number of operations of the whole history.
    pub(crate) operations: usize,
    /// Whether no operation can be left out, as far as is known.
    pub(crate) minimal: bool,
    /// The number of checks that the search for the part took.
    pub(crate) checks: u64,
}

/// The measured figures and the results of the objectives.
pub(crate) struct MeasuredRun {
    pub(crate) found: Measurements,
    pub(crate) objectives: Vec<JudgedObjective>,
    /// Whether the user wants to see all figures.
    pub(crate) everything: bool,
}

/// One anomaly with its description.
pub(crate) struct DescribedAnomaly<'a> {
    pub(crate) kind: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) key: KeyId,
    pub(crate) operations: Vec<OpId>,
    pub(crate) text: String,
    /// The number of anomalies of this kind, if only some are described.
    pub(crate) count: Option<u64>,
    /// For session stores: the circumstances.
    pub(crate) circumstances: Option<Circumstances>,
    /// The violation that is described.
    pub(crate) violation: &'a Violation,
}

/// The session, the node and the faults of a finding.
pub(crate) struct Circumstances {
    /// The session of the user.
    pub(crate) session: String,
    /// The node that gave the answer that shows the finding.
    pub(crate) node: Option<String>,
    /// The trace id of the operation that shows the finding.
    pub(crate) trace: Option<String>,
    /// The faults that were active meanwhile, each with its interval.
    pub(crate) faults: Vec<String>,
}

impl<'a> CheckFindings<'a> {
    /// One answer per property.
    pub(crate) fn answers(&self) -> &'a [Answer] {
        &self.report.answers
    }

    /// The model of the answers.
    pub(crate) fn model(&self) -> Model {
        self.report.model
    }

    /// The results of the objectives.
    pub(crate) fn judged_objectives(&self) -> &'a [JudgedObjective] {
        self.measured.map_or(&[], |measured| &measured.objectives)
    }

    /// The combined result of levels and objectives: `violated`, `missed`, `unknown`, `untested` or `holds`.
    pub(crate) fn verdict(&self) -> &'static str {
        let some = |verdict| self.judged_objectives().iter().any(|judged| judged.verdict() == verdict);
        match self.report.verdict() {
            "violated" => "violated",
            _ if some("missed") => "missed",
            "holds" | "untested" if some("unknown") => "unknown",
            verdict => verdict,
        }
    }

    /// Describes the violations of a property.
    pub(crate) fn describe_anomalies(&self, answer: &'a Answer) -> Vec<DescribedAnomaly<'a>> {
        let teller = continuity::FindingDescriber::new(self.history);
        violations_of(answer)
            .iter()
            .flat_map(|violation| self.describe_violation(answer, violation, &teller))
            .collect()
    }

    /// Describes one violation as one anomaly, or for transactions as one anomaly per example.
    fn describe_violation(
        &self,
        answer: &Answer,
        violation: &'a Violation,
        teller: &continuity::FindingDescriber<'_>,
    ) -> Vec<DescribedAnomaly<'a>> {
        let (history, kind) = (self.history, violation.kind.as_str());
        let one = |meaning, text| DescribedAnomaly {
            kind,
            meaning,
            key: violation.key,
            operations: violation.operations.clone(),
            text,
            count: answer.counts.iter().find(|(known, _)| *known == violation.kind).map(|known| known.1),
            circumstances: None,
            violation,
        };
        match &violation.evidence {
            Evidence::Core(_) | Evidence::Cycle(_) | Evidence::Causal(_) => {
                vec![one(
                    sentence::anomaly_meaning(kind),
                    sentence::describe_object_violation(history, violation),
                )]
            }
            Evidence::Phenomenon(phenomenon) => {
                let found = self.report.find_anomaly(*phenomenon);
                let example = |example: &'a TransactionEvidence| DescribedAnomaly {
                    key: isolation::evidence_key(example),
                    operations: isolation::evidence_transactions(example),
                    count: found.map(|found| found.count),
                    ..one(
                        isolation::phenomenon_meaning(*phenomenon),
                        checker::transactions::explain::describe_evidence(history, example),
                    )
                };
                found.map_or_else(Vec::new, |found| found.examples.iter().map(example).collect())
            }
            Evidence::Finding(finding) => {
                let circumstances = Some(teller.circumstances(finding));
                vec![DescribedAnomaly {
                    circumstances,
                    ..one(finding.kind.line(), teller.describe_finding(finding))
                }]
            }
            Evidence::Breach(evidence) => {
                let breach = Breach { kind: violation.kind, key: violation.key, evidence: evidence.clone() };
                let text = breaches::explain::describe_breach(history, &breach);
                vec![one(breaches::explain::describe_kind(kind), text)]
            }
        }
    }
}

/// The violations of a property; empty for any other verdict.
pub(crate) fn violations_of(answer: &Answer) -> &[Violation] {
    match &answer.verdict {
        Verdict::Violated(violations) => violations,
        _ => &[],
    }
}

/// The reason of an *unknown* or *untested* verdict.
pub(crate) fn open_reason(answer: &Answer) -> Option<&str> {
    match &answer.verdict {
        Verdict::Unknown(why) | Verdict::Untested(why) => Some(&why.reason),
        _ => None,
    }
}

/// Describes the basis of the verdicts: how much in the history could have contradicted them.
pub(crate) fn describe_basis(findings: &CheckFindings<'_>) -> String {
    let Basis { answers, reads_of_something, overlapping, moved_sessions, .. } = findings.basis;
    let count =
        |count: u64, what: &str| layout::count_noun(usize::try_from(count).unwrap_or(usize::MAX), what);
    format!(
        "{} ({reads_of_something} with a value), {}, and {} that changed nodes",
        count(answers, "answer"),
        count(overlapping, "overlapping operation"),
        count(moved_sessions, "session")
    )
}

/// A warning if most operations did not succeed.
pub(crate) fn thin_history_warning(findings: &CheckFindings<'_>) -> Option<String> {
    let Basis { succeeded, failed, indeterminate, .. } = findings.basis;
    findings.basis.is_thin().then(|| {
        format!(
            "WARNING: only {succeeded} of {} operations succeeded ({failed} failed, {indeterminate} indeterminate). This history \
             hardly tested the store",
            succeeded + failed + indeterminate
        )
    })
}

/// The reasons of *unknown* and *untested* verdicts, each once, with its verdict and its properties.
pub(crate) fn group_open_reasons(answers: &[Answer]) -> Vec<(&'static str, &str, Vec<&'static str>)> {
    let mut told: Vec<(&'static str, &str, Vec<&'static str>)> = Vec::new();
    for answer in answers {
        let Some(reason) = open_reason(answer) else { continue };
        let (verdict, name) = (answer.verdict.name(), answer.property.name());
        match told.iter_mut().find(|known| (known.0, known.1) == (verdict, reason)) {
            Some((.., names)) => names.push(name),
            None => told.push((verdict, reason, vec![name])),
        }
    }
    told
}

/// The output format of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum ReportFormat {
    /// Report for people, with each kind of anomaly explained
    Text,
    /// One JSON object per history, one per line
    Json,
    /// JUnit XML: one test suite per history, one test case per level
    Junit,
    /// SARIF 2.1.0 for code scanning
    Sarif,
    /// Annotations for GitHub Actions
    Github,
}

/// A consumer of findings.
pub(crate) trait ReportWriter {
    /// Writes the result of one history.
    fn write_checked(&mut self, findings: &CheckFindings<'_>, out: &mut dyn Write) -> io::Result<()>;

    /// Writes that one history could not be checked. The problems also go to standard error.
    fn write_refused(&mut self, _name: &str, _problems: &str, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    /// Writes the end of the report.
    fn write_end(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Creates the report of a format.
pub(crate) fn report_writer(format: ReportFormat, quiet: bool, width: usize) -> Box<dyn ReportWriter> {
    match format {
        ReportFormat::Text => Box::new(text::TextReport::new(quiet, width)),
        ReportFormat::Json => Box::new(json::JsonReport),
        ReportFormat::Junit => Box::new(junit::JunitReport::default()),
        ReportFormat::Sarif => Box::new(sarif::SarifReport::default()),
        ReportFormat::Github => Box::new(github::GithubReport::default()),
    }
}

/// The size of a history.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub(crate) struct HistoryCounts {
    pub(crate) events: u32,
    pub(crate) operations: usize,
    pub(crate) ok: usize,
    pub(crate) fail: usize,
    pub(crate) info: usize,
    pub(crate) processes: usize,
    pub(crate) sessions: usize,
    pub(crate) keys: usize,
}

impl HistoryCounts {
    /// Counts the events, outcomes, processes, sessions and keys of a history. O(n).
    pub(crate) fn count_history(history: &History) -> HistoryCounts {
        let mut by_outcome = [0; 3];
        let (mut sessions, mut keys) = (IdSet::default(), IdSet::default());
        for id in history.ids() {
            by_outcome[history.outcome(id) as usize] += 1;
            sessions.insert_id(history.session(id).raw());
            let micros = history.micros_of(id);
            if history.key(id) != KeyId::NONE || micros.is_empty() {
                keys.insert_id(history.key(id).raw());
            }
            micros.iter().for_each(|micro| keys.insert_id(micro.key.raw()));
        }
        HistoryCounts {
            events: history.event_count(),
            operations: history.len(),
            ok: by_outcome[Outcome::Ok as usize],
            fail: by_outcome[Outcome::Fail as usize],
            info: by_outcome[Outcome::Info as usize],
            processes: history.process_count(),
            sessions: sessions.count,
            keys: keys.count,
        }
    }
}

/// A set of ids, one bit each.
#[derive(Default)]
struct IdSet {
    bits: Vec<u64>,
    count: usize,
}

impl IdSet {
    fn insert_id(&mut self, raw: u32) {
        let (word, bit) = (raw as usize / 64, 1u64 << (raw % 64));
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        self.count += usize::from(self.bits[word] & bit == 0);
        self.bits[word] |= bit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_in_a_history() {
        let history = histories::notation::parse("a: [x.w1] [y.w2 ! [x.r1]\nb:  [x.w3 ?").expect("a drawing");
        let counts = HistoryCounts::count_history(&history);
        assert_eq!((counts.events, counts.operations, counts.ok, counts.fail, counts.info), (8, 4, 2, 1, 1));
        assert_eq!((counts.processes, counts.sessions, counts.keys), (4, 2, 2));
    }
}
