//! Answers, said: text, JSON, JUnit, SARIF and annotations are renderings of the same values.
//!
//! A check is done once and knows nothing of how it will be told. What it found about one history is a
//! [`Findings`]; every format is a consumer of those, none is made from another, and nothing is decided here.

pub(crate) mod compare;
pub(crate) mod continuity;
pub(crate) mod describe;
pub(crate) mod difference;
pub(crate) mod dot;
mod faults;
mod github;
mod graph;
pub(crate) mod isolation;
mod json;
mod junit;
pub(crate) mod lattice;
pub(crate) mod layout;
mod measurements;
pub(crate) mod page;
pub(crate) mod rehearsal;
mod sarif;
pub(crate) mod sentence;
mod text;
mod timeline;

use crate::objectives::Held;
use crate::times::Times;
use checker::measurements::Measurements;
use checker::{
    Answer, Basis, Breach, Evidence, Model, Question, TransactionEvidence, Verdict, Violation,
    invariants as breaches,
};
use histories::{History, KeyId, OpId, Outcome};
use std::io::{self, Write};

/// What was found about one history.
#[derive(Clone, Copy)]
pub(crate) struct Findings<'a> {
    /// The history as the user named it.
    pub(crate) name: &'a str,
    pub(crate) history: &'a History,
    pub(crate) question: &'a Question,
    /// The answers, in the order in which they were asked for, and what was found beside them.
    pub(crate) report: &'a checker::Report,
    /// What a verdict could rest on at all.
    pub(crate) basis: Basis,
    /// What was measured beside, if anything was.
    pub(crate) measured: Option<&'a Measured>,
    pub(crate) times: &'a Times,
    /// Of what it is a part, if it was made small to explain a violation.
    pub(crate) explains: Option<&'a Explains>,
}

/// What a part of a history explains.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub(crate) struct Explains {
    /// The level that the whole violates.
    pub(crate) level: &'static str,
    /// The anomaly that the part still shows.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// How many operations the whole has.
    pub(crate) operations: usize,
    /// Whether it is known that no operation can be left out.
    pub(crate) minimal: bool,
    /// How often a part was checked to find it.
    pub(crate) checks: u64,
}

/// What was measured, and what became of the objectives.
pub(crate) struct Measured {
    pub(crate) found: Measurements,
    pub(crate) objectives: Vec<Held>,
    /// Whether people want to see everything.
    pub(crate) everything: bool,
}

/// One anomaly, ready to be said.
pub(crate) struct Told<'a> {
    pub(crate) kind: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) key: KeyId,
    pub(crate) operations: Vec<OpId>,
    pub(crate) text: String,
    /// How many there are of this kind, where only some are told.
    pub(crate) count: Option<u64>,
    /// Of session stores: around it.
    pub(crate) circumstances: Option<Circumstances>,
    /// What it is told of.
    pub(crate) violation: &'a Violation,
}

/// Whom something happened to, where, and under which faults.
pub(crate) struct Circumstances {
    /// The user.
    pub(crate) session: String,
    /// Who gave the telling answer.
    pub(crate) node: Option<String>,
    /// Under which name those who trace requests know the telling operation.
    pub(crate) trace: Option<String>,
    /// The faults that were on meanwhile, each with when.
    pub(crate) faults: Vec<String>,
}

impl<'a> Findings<'a> {
    /// One answer a property.
    pub(crate) fn answers(&self) -> &'a [Answer] {
        &self.report.answers
    }

    /// The model by which answers are told.
    pub(crate) fn model(&self) -> Model {
        self.report.model
    }

    /// The objectives that were asked for, judged.
    pub(crate) fn objectives(&self) -> &'a [Held] {
        self.measured.map_or(&[], |measured| &measured.objectives)
    }

    /// What became of levels and objectives together: `violated`, `missed`, `unknown`, `untested` or `holds`.
    pub(crate) fn verdict(&self) -> &'static str {
        let some = |verdict| self.objectives().iter().any(|judged| judged.verdict() == verdict);
        match self.report.verdict() {
            "violated" => "violated",
            _ if some("missed") => "missed",
            "holds" | "untested" if some("unknown") => "unknown",
            verdict => verdict,
        }
    }

    /// What was found to violate a property.
    pub(crate) fn told(&self, answer: &'a Answer) -> Vec<Told<'a>> {
        let teller = continuity::Teller::new(self.history);
        violations(answer).iter().flat_map(|violation| self.tell(answer, violation, &teller)).collect()
    }

    /// One violation, as one anomaly; of transactions each of its examples.
    fn tell(
        &self,
        answer: &Answer,
        violation: &'a Violation,
        teller: &continuity::Teller<'_>,
    ) -> Vec<Told<'a>> {
        let (history, kind) = (self.history, violation.kind.as_str());
        let one = |meaning, text| Told {
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
                vec![one(sentence::meaning(kind), sentence::sentence(history, violation))]
            }
            Evidence::Phenomenon(phenomenon) => {
                let found = self.report.find_anomaly(*phenomenon);
                let example = |example: &'a TransactionEvidence| Told {
                    key: isolation::key(example),
                    operations: isolation::operations(example),
                    count: found.map(|found| found.count),
                    ..one(
                        isolation::meaning(*phenomenon),
                        checker::transactions::explain::describe_evidence(history, example),
                    )
                };
                found.map_or_else(Vec::new, |found| found.examples.iter().map(example).collect())
            }
            Evidence::Finding(finding) => {
                let circumstances = Some(teller.circumstances(finding));
                vec![Told { circumstances, ..one(finding.kind.line(), teller.sentence(finding)) }]
            }
            Evidence::Breach(evidence) => {
                let breach = Breach { kind: violation.kind, key: violation.key, evidence: evidence.clone() };
                let text = breaches::explain::describe_breach(history, &breach);
                vec![one(breaches::explain::describe_kind(kind), text)]
            }
        }
    }
}

/// What violates a property; nothing of any other verdict.
pub(crate) fn violations(answer: &Answer) -> &[Violation] {
    match &answer.verdict {
        Verdict::Violated(violations) => violations,
        _ => &[],
    }
}

/// Why there is no verdict on a property.
pub(crate) fn reason(answer: &Answer) -> Option<&str> {
    match &answer.verdict {
        Verdict::Unknown(why) | Verdict::Untested(why) => Some(&why.reason),
        _ => None,
    }
}

/// What verdicts are based on: how much could have been wrong, and was not.
pub(crate) fn basis(findings: &Findings<'_>) -> String {
    let Basis { answers, reads_of_something, overlapping, moved_sessions, .. } = findings.basis;
    let count = |count: u64, what: &str| layout::plural(usize::try_from(count).unwrap_or(usize::MAX), what);
    format!(
        "{} ({reads_of_something} with a value), {}, and {} that changed nodes",
        count(answers, "answer"),
        count(overlapping, "overlapping operation"),
        count(moved_sessions, "session")
    )
}

/// A warning, where most operations did not succeed.
pub(crate) fn thin(findings: &Findings<'_>) -> Option<String> {
    let Basis { succeeded, failed, indeterminate, .. } = findings.basis;
    findings.basis.is_thin().then(|| {
        format!(
            "WARNING: only {succeeded} of {} operations succeeded ({failed} failed, {indeterminate} indeterminate): this history \
             hardly tested the store",
            succeeded + failed + indeterminate
        )
    })
}

/// Each reason why there is no verdict once, with its verdict and the properties that it leaves open.
pub(crate) fn reasons(answers: &[Answer]) -> Vec<(&'static str, &str, Vec<&'static str>)> {
    let mut told: Vec<(&'static str, &str, Vec<&'static str>)> = Vec::new();
    for answer in answers {
        let Some(reason) = reason(answer) else { continue };
        let (verdict, name) = (answer.verdict.name(), answer.property.name());
        match told.iter_mut().find(|known| (known.0, known.1) == (verdict, reason)) {
            Some((.., names)) => names.push(name),
            None => told.push((verdict, reason, vec![name])),
        }
    }
    told
}

/// How results go to standard output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Format {
    /// for people: the verdict, a line a level, each anomaly with its operations and a drawing
    Text,
    /// for programs: one JSON object a history, one a line
    Json,
    /// for CI servers: one JUnit test suite a history, one test case a level
    Junit,
    /// for code scanning: SARIF 2.1.0
    Sarif,
    /// for GitHub Actions: an annotation for each anomaly
    Github,
}

/// A consumer of findings.
pub(crate) trait Report {
    /// One history was checked.
    fn checked(&mut self, findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()>;

    /// One history could not be; the problems go to standard error anyway.
    fn refused(&mut self, _name: &str, _problems: &str, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    /// That was all.
    fn finish(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// The consumer of a format.
pub(crate) fn report(format: Format, quiet: bool, width: usize) -> Box<dyn Report> {
    match format {
        Format::Text => Box::new(text::Text::new(quiet, width)),
        Format::Json => Box::new(json::Json),
        Format::Junit => Box::new(junit::Junit::default()),
        Format::Sarif => Box::new(sarif::Sarif::default()),
        Format::Github => Box::new(github::Github),
    }
}

/// How much there is in a history.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub(crate) struct Counts {
    pub(crate) events: u32,
    pub(crate) operations: usize,
    pub(crate) ok: usize,
    pub(crate) fail: usize,
    pub(crate) info: usize,
    pub(crate) processes: usize,
    pub(crate) sessions: usize,
    pub(crate) keys: usize,
}

impl Counts {
    /// Counts one history. O(n).
    pub(crate) fn of(history: &History) -> Counts {
        let mut by_outcome = [0; 3];
        let (mut sessions, mut keys) = (Seen::default(), Seen::default());
        for id in history.ids() {
            by_outcome[history.outcome(id) as usize] += 1;
            sessions.add(history.session(id).raw());
            let micros = history.micros_of(id);
            if history.key(id) != KeyId::NONE || micros.is_empty() {
                keys.add(history.key(id).raw());
            }
            micros.iter().for_each(|micro| keys.add(micro.key.raw()));
        }
        Counts {
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

/// Which ids were seen: one bit each.
#[derive(Default)]
struct Seen {
    bits: Vec<u64>,
    count: usize,
}

impl Seen {
    fn add(&mut self, raw: u32) {
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
        let counts = Counts::of(&history);
        assert_eq!((counts.events, counts.operations, counts.ok, counts.fail, counts.info), (8, 4, 2, 1, 1));
        assert_eq!((counts.processes, counts.sessions, counts.keys), (4, 2, 2));
    }
}
