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
mod invariants;
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
use crate::subject::Promise;
use checker::check::{Anomaly, Answer, Question};
use checker::continuity::Judged;
use checker::measurements::Measurements;
use checker::transactions::{Analysis, Isolation, Judgement};
use checker::{Unknown, Verdict};
use histories::{History, KeyId, OpId, Outcome};
use std::io::{self, Write};

/// What was found about one history.
pub(crate) struct Findings<'a> {
    /// The history as the user named it.
    pub(crate) name: &'a str,
    pub(crate) history: &'a History,
    pub(crate) model: &'static str,
    pub(crate) question: &'a Asked,
    /// One answer a level, in the order in which they were asked for.
    pub(crate) answers: &'a [Timed],
    /// What was measured beside, if anything was.
    pub(crate) measured: Option<&'a Measured>,
    /// What the user must know beside the verdict: a last line that was dropped.
    pub(crate) remarks: &'a [String],
    pub(crate) read_seconds: f64,
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

/// What was asked beside the levels, and what was found beside the answers.
pub(crate) enum Asked {
    /// Of objects.
    Objects(Question),
    /// Of transactions.
    Transactions(Analysis),
    /// Of session stores.
    Sessions(checker::continuity::Question),
    /// Of the answers themselves.
    Invariants(checker::invariants::Options),
}

/// An answer and how long it took.
pub(crate) struct Timed {
    pub(crate) found: Found,
    pub(crate) seconds: f64,
}

/// The answer for one level.
pub(crate) enum Found {
    Object(Answer),
    Isolation(Judgement),
    Finding(Judged),
    Invariant(checker::invariants::Answer),
}

/// One anomaly, ready to be said.
pub(crate) struct Told {
    pub(crate) kind: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) key: KeyId,
    pub(crate) operations: Vec<OpId>,
    pub(crate) text: String,
    /// How many there are of this kind, where only some are told.
    pub(crate) count: Option<u64>,
    /// Of session stores: around it.
    pub(crate) circumstances: Option<Circumstances>,
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

impl Findings<'_> {
    /// The objectives that were asked for, judged.
    pub(crate) fn objectives(&self) -> &[Held] {
        self.measured.map_or(&[], |measured| &measured.objectives)
    }

    /// What became of levels and objectives together: `violated`, `missed`, `unknown` or `holds`.
    pub(crate) fn verdict(&self) -> &'static str {
        let some = |verdict| self.objectives().iter().any(|judged| judged.verdict() == verdict);
        match verdict(self.answers) {
            "violated" => "violated",
            _ if some("missed") => "missed",
            "holds" if some("unknown") => "unknown",
            verdict => verdict,
        }
    }

    /// What was found to violate a level.
    pub(crate) fn told(&self, timed: &Timed) -> Vec<Told> {
        if let (Asked::Transactions(analysis), Found::Isolation(judgement)) = (self.question, &timed.found) {
            let Verdict::Violated(phenomena) = &judgement.verdict else { return Vec::new() };
            return isolation::told(self.history, analysis, phenomena).collect();
        }
        if let Found::Finding(judged) = &timed.found {
            let Verdict::Violated(findings) = &judged.verdict else { return Vec::new() };
            let teller = continuity::Teller::new(self.history);
            return findings.iter().map(|finding| teller.tell(finding)).collect();
        }
        if let Found::Invariant(answer) = &timed.found {
            return invariants::told(self.history, answer);
        }
        let one = |anomaly: &Anomaly| Told {
            kind: anomaly.kind,
            meaning: sentence::meaning(anomaly.kind),
            key: anomaly.key,
            operations: anomaly.operations.clone(),
            text: sentence::sentence(self.history, anomaly),
            count: None,
            circumstances: None,
        };
        timed.anomalies().iter().map(one).collect()
    }

    /// How long all levels took together. One analysis decides all levels of transactions.
    pub(crate) fn check_seconds(&self) -> f64 {
        match self.question {
            Asked::Objects(_) | Asked::Invariants(_) => self.answers.iter().map(|timed| timed.seconds).sum(),
            Asked::Transactions(_) | Asked::Sessions(_) => {
                self.answers.first().map_or(0.0, |timed| timed.seconds)
            }
        }
    }
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

/// The verdict of all levels together: the worst, as in the exit codes.
pub(crate) fn verdict(answers: &[Timed]) -> &'static str {
    let some = |name| answers.iter().any(|timed| timed.verdict() == name);
    ["violated", "unknown"].into_iter().find(|&name| some(name)).unwrap_or("holds")
}

impl Timed {
    /// The level's name.
    pub(crate) fn level(&self) -> &'static str {
        match &self.found {
            Found::Object(answer) => answer.level.name(),
            Found::Isolation(judgement) => judgement.level.name(),
            Found::Finding(judged) => judged.kind.name(),
            Found::Invariant(answer) => answer.check.name(),
        }
    }

    /// The level itself.
    pub(crate) fn promise(&self) -> Promise {
        match &self.found {
            Found::Object(answer) => Promise::Object(answer.level),
            Found::Isolation(judgement) => Promise::Isolation(judgement.level),
            Found::Finding(judged) => Promise::Finding(judged.kind),
            Found::Invariant(answer) => Promise::Invariant(answer.check),
        }
    }

    /// `holds`, `violated` or `unknown`.
    pub(crate) fn verdict(&self) -> &'static str {
        match &self.found {
            Found::Object(answer) => answer.verdict.name(),
            Found::Isolation(judgement) => judgement.verdict.name(),
            Found::Finding(judged) => judged.verdict.name(),
            Found::Invariant(answer) => answer.verdict.name(),
        }
    }

    /// The engine that decided.
    pub(crate) fn method(&self) -> &str {
        match &self.found {
            Found::Object(answer) => &answer.method,
            Found::Isolation(judgement) => match judgement.level {
                Isolation::MonotonicAtomicView | Isolation::ReadAtomic | Isolation::Causal => "commit-order",
                _ => "dependency-graph",
            },
            Found::Finding(_) => "patterns",
            Found::Invariant(_) => "invariant",
        }
    }

    /// What was found to violate a level of objects.
    pub(crate) fn anomalies(&self) -> &[Anomaly] {
        match &self.found {
            Found::Object(Answer { verdict: Verdict::Violated(anomalies), .. }) => anomalies,
            Found::Object(_) | Found::Isolation(_) | Found::Finding(_) | Found::Invariant(_) => &[],
        }
    }

    /// Why it is not known whether the level holds.
    pub(crate) fn reason(&self) -> Option<&str> {
        match &self.found {
            Found::Object(Answer { verdict: Verdict::Unknown(Unknown { reason, .. }), .. })
            | Found::Isolation(Judgement { verdict: Verdict::Unknown(Unknown { reason, .. }), .. })
            | Found::Finding(Judged { verdict: Verdict::Unknown(Unknown { reason, .. }), .. })
            | Found::Invariant(checker::invariants::Answer {
                verdict: Verdict::Unknown(Unknown { reason, .. }),
                ..
            }) => Some(reason),
            Found::Object(_) | Found::Isolation(_) | Found::Finding(_) | Found::Invariant(_) => None,
        }
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
