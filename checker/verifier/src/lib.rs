//! Checks claims about a history from the definitions alone.
//!
//! # The crate in examples
#![doc = include_str!("../README.md")]

mod answers_to_compare;
mod causality;
mod findings;
mod invariants;
mod linearizability;
mod recorded_facts;
mod regularity;
mod sessions;
mod transactions;
mod untested;
mod watch;

pub use linearizability::verify_specification;
pub use linearizability::why::{DeadEnd, dead_ends};

use claims::{Answer, Level, Limits, ObjectQuestion, Property, Question, Report, Verdict};
use histories::History;
use rayon::prelude::*;
use recorded_facts::RecordedFacts;
use watch::Watch;

/// The standing of a claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// All evidence for the claim was checked and is right.
    Confirmed,
    /// The verdict follows from the evidence, but something that is told beside it was not checked: that a set of operations is minimal, or
    /// the name of an anomaly. The text says what and why.
    ConfirmedExcept(String),
    /// Nothing contradicts the claim, but part of the evidence was not checked. The text says why.
    Partly(String),
    /// The time limit was reached before the claim had been checked.
    Unchecked,
    /// The claim does not follow from the history. The text says why.
    Refuted(String),
}

/// The standings of all claims of a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verification {
    /// One standing for each answer.
    pub answers: Vec<Standing>,
    /// One standing for each answer that was not asked for.
    pub beside: Vec<Standing>,
    /// One standing for each phenomenon of transactions.
    pub phenomena: Vec<Standing>,
}

/// The reason for *unknown* if evidence was found but not verified in time.
pub const UNCHECKED: &str = "the time limit was reached before the evidence had been checked again";

/// The part of a claim that does not follow from the history.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Mismatch(String);

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// How much of the evidence was checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Confirmation {
    /// All of it was checked and is right.
    Confirmed,
    /// The verdict was checked. Something that is told beside it was not.
    DetailUnchecked(&'static str),
    /// The part that was checked is right. The rest takes too much work or memory: a core with too many orders, or the
    /// causal pasts of a large history.
    TooLarge,
}

impl Confirmation {
    /// How much was checked of two pieces of evidence together: as much as of the one of which less was.
    fn and(self, other: Confirmation) -> Confirmation {
        match (self, other) {
            (Confirmation::TooLarge, _) | (_, Confirmation::TooLarge) => Confirmation::TooLarge,
            (Confirmation::DetailUnchecked(why), _) | (_, Confirmation::DetailUnchecked(why)) => {
                Confirmation::DetailUnchecked(why)
            }
            (Confirmation::Confirmed, Confirmation::Confirmed) => Confirmation::Confirmed,
        }
    }
}

/// Verifies every claim of a report.
///
/// Claims that contradict one another are refuted, whatever their evidence. Verification observes the stop flag of
/// `limits` but continues for a fraction of a second after it was set. A violation that was found at the last moment
/// can thus still be reported.
///
/// ```
/// use claims::{Answer, Limits, Property, Question, Report, Level, Verdict, Witness};
/// use histories::OpId;
/// let history = histories::notation::parse("a: [w1] [r1]").unwrap();
/// let question = Question::recognised(&history).unwrap();
/// // Somebody claims that the read came first.
/// let order = claims::Linearization { key: histories::KeyId::NONE, operations: vec![OpId::from_raw(1), OpId::from_raw(0)] };
/// let verdict = Verdict::Holds(Witness::Orders(vec![order]));
/// let answer = Answer { property: Property::Level(Level::Linearizable), method: "guess".into(), verdict, counts: vec![] };
/// let report = Report { model: question.model, answers: vec![answer], ..Report::default() };
/// let standing = &verifier::verify(&history, &question, &report, &Limits::unbounded()).answers[0];
/// assert!(matches!(standing, verifier::Standing::Refuted(_)));
/// ```
pub fn verify(history: &History, question: &Question, report: &Report, limits: &Limits<'_>) -> Verification {
    let watch = Watch::from_limits(limits);
    // Evidence about transactions is checked against a history in which all registers are null at first.
    let rebased = (question.model.has_transactions() && !question.initial.are_all_absent())
        .then(|| (question.initial.rebase_on_null(history), exchange_initial(history, question, report)));
    let (judged, claimed) = rebased.as_ref().map_or((history, report), |(history, report)| (history, report));
    let mut cases = ClaimChecker::new(judged, question, claimed, &watch);
    cases.check_levels_at_once(limits);
    Verification {
        answers: (0..report.answers.len()).map(|at| cases.standing_of_answer_at(at)).collect(),
        beside: report.beside.iter().map(|answer| cases.standing_of_answer(answer)).collect(),
        phenomena: cases.standings_of_phenomena(),
    }
}

/// The claims about the history in which all registers are null at first.
fn exchange_initial(history: &History, question: &Question, report: &Report) -> Report {
    let initial = question.initial.resolve_ids(history);
    let phenomena = report.phenomena.iter().map(|anomaly| anomaly.with_initial_exchanged(&initial));
    Report { phenomena: phenomena.collect(), ..report.clone() }
}

/// The data that several claims share, computed on first use.
struct ClaimChecker<'a> {
    history: &'a History,
    question: &'a Question,
    report: &'a Report,
    watch: &'a Watch<'a>,
    transactions: Option<transactions::TransactionClaims<'a>>,
    findings: Option<findings::FindingClaims>,
    facts: RecordedFacts<'a>,
    sessions: Option<sessions::SessionClaims>,
    /// The verdicts on levels that were verified at once, by their places among the answers.
    levels: Vec<Option<Standing>>,
}

/// The most that the verification of a level takes for each operation, in bytes.
const LEVEL_BYTES_MAX: usize = 270;
/// The levels of a history with fewer operations than this are verified one after the other, because starting other threads takes
/// longer.
const LEVELS_AT_ONCE_FROM: usize = 20_000;

impl<'a> ClaimChecker<'a> {
    fn new(history: &'a History, question: &'a Question, report: &'a Report, watch: &'a Watch<'a>) -> Self {
        Self {
            history,
            question,
            report,
            watch,
            transactions: None,
            findings: None,
            facts: RecordedFacts::new(history),
            sessions: None,
            levels: Vec::new(),
        }
    }

    /// Verifies the verdicts on levels, as many at a time as there are threads. Leaves them for later if there is no memory for that.
    fn check_levels_at_once(&mut self, limits: &Limits<'_>) {
        let (history, question, report, watch) = (self.history, self.question, self.report, self.watch);
        // The session guarantees share their evidence.
        let (mut units, mut sessions): (Vec<Vec<usize>>, Vec<usize>) = (Vec::new(), Vec::new());
        for (at, answer) in report.answers.iter().enumerate() {
            match answer.property {
                Property::Level(level) if level.is_session_guarantee() => sessions.push(at),
                Property::Level(_) => units.push(vec![at]),
                _ => {}
            }
        }
        units.extend((!sessions.is_empty()).then_some(sessions));
        let threads = rayon::current_num_threads();
        let bytes = history.len().saturating_mul(LEVEL_BYTES_MAX).saturating_mul(threads);
        if units.len() < 2 || history.len() < LEVELS_AT_ONCE_FROM || bytes > limits.bytes {
            return;
        }
        // Each thread has units of its own, so that none begins a second unit while it waits.
        let threads = threads.min(units.len());
        let verify_units = |thread| {
            let mut checker = ClaimChecker::new(history, question, report, watch);
            let answers = units.iter().skip(thread).step_by(threads).flatten();
            answers.map(|&at| (at, checker.standing_of_answer(&report.answers[at]))).collect::<Vec<_>>()
        };
        let standings: Vec<(usize, Standing)> =
            (0..threads).into_par_iter().flat_map_iter(verify_units).collect();
        self.levels = vec![None; report.answers.len()];
        standings.into_iter().for_each(|(at, standing)| self.levels[at] = Some(standing));
    }

    fn standing_of_answer_at(&mut self, at: usize) -> Standing {
        match self.levels.get_mut(at).and_then(Option::take) {
            Some(standing) => standing,
            None => self.standing_of_answer(&self.report.answers[at]),
        }
    }

    fn standing_of_answer(&mut self, answer: &'a Answer) -> Standing {
        if let Some(why) = self.explain_contradiction(answer) {
            return Standing::Refuted(why);
        }
        match &answer.verdict {
            // An unknown verdict claims nothing.
            Verdict::Unknown(_) => return Standing::Confirmed,
            Verdict::Untested(_) => return self.standing_of_untested(answer.property),
            Verdict::Holds(_) | Verdict::Violated(_) => {}
        }
        let standing = match answer.property {
            Property::Level(level) => self.standing_of_level(level, &answer.verdict),
            Property::Isolation(level) => {
                let (history, question, report, watch) =
                    (self.history, self.question, self.report, self.watch);
                let evidence = self.transactions.get_or_insert_with(|| {
                    transactions::TransactionClaims::new(history, question.assume, &report.phenomena, watch)
                });
                standing_of_result(
                    evidence.check_verdict(level, &answer.verdict).map(|()| Confirmation::Confirmed),
                )
            }
            Property::Finding(kind) => self.finding_claims().standing_of_kind(kind, &answer.verdict),
            Property::Invariant(invariant) => {
                let rules = &self.question.bank;
                standing_of_result(invariants::verify_invariant(
                    self.history,
                    rules,
                    invariant,
                    &answer.verdict,
                    self.watch,
                ))
            }
        };
        // What nothing could have shown counts as holding, if the question says so.
        let is_accepted = self.question.accept_untested
            && matches!((&standing, answer.property), (Standing::Partly(_), Property::Finding(_)))
            && matches!(answer.verdict, Verdict::Holds(_))
            && self.standing_of_untested(answer.property) == Standing::Confirmed;
        let standing = if is_accepted { Standing::Confirmed } else { standing };
        let green = standing == Standing::Confirmed && matches!(answer.verdict, Verdict::Holds(_));
        if self.watch.is_over() {
            Standing::Unchecked
        } else if green
            && !self.question.accept_untested
            && untested::verify_untested(
                self.history,
                self.question,
                answer.property,
                &self.facts,
                self.watch,
            ) == Standing::Confirmed
        {
            Standing::Partly("nothing in the history could have contradicted it: it is untested".to_owned())
        } else {
            standing
        }
    }

    /// The claim is false if an answer could have contradicted the property. Acknowledged writes of sessions say little, and two of them
    /// may still contradict each other, so that the second look for findings must see nothing either.
    fn standing_of_untested(&mut self, property: Property) -> Standing {
        let standing =
            untested::verify_untested(self.history, self.question, property, &self.facts, self.watch);
        let (Property::Finding(kind), Standing::Confirmed) = (property, &standing) else { return standing };
        let against = self.finding_claims().standing_of_absence(kind);
        match against {
            _ if self.watch.is_over() => Standing::Unchecked,
            Standing::Refuted(_) => against,
            _ => standing,
        }
    }

    fn finding_claims(&mut self) -> &findings::FindingClaims {
        let (history, question, report, watch) = (self.history, self.question, self.report, self.watch);
        self.findings.get_or_insert_with(|| {
            findings::FindingClaims::new(history, &question.sessions, report, &self.facts, watch)
        })
    }

    fn standing_of_level(&mut self, level: Level, verdict: &Verdict) -> Standing {
        let question = &self.question.about_objects(self.history);
        if level.needs_real_time() && !self.history.has_real_time() {
            return self.standing_without_real_time(level, question, verdict);
        }
        standing_of_result(match level {
            Level::Linearizable => {
                linearizability::verify_linearizability(self.history, question, verdict, self.watch)
            }
            Level::TwoAtomic => {
                linearizability::verify_two_atomicity(self.history, question, verdict, self.watch)
            }
            Level::BoundedStaleness => {
                linearizability::verify_bounded_staleness(self.history, question, verdict, self.watch)
            }
            Level::ReadYourWrites
            | Level::MonotonicReads
            | Level::MonotonicWrites
            | Level::WritesFollowReads
            | Level::Session => {
                let sessions = self.sessions.get_or_insert_with(|| {
                    let answers = self.report.answers.iter().chain(&self.report.beside);
                    sessions::SessionClaims::new(self.history, question, answers, self.watch)
                });
                sessions.result_of_level(level).map(|()| Confirmation::Confirmed)
            }
            Level::RegularWriteOrder | Level::Regular | Level::Safe | Level::ConsistentPrefix => {
                regularity::verify_single_reads(self.history, level, question, verdict, self.watch)
            }
            Level::OrderedSequential
            | Level::Sequential
            | Level::CausalConvergence
            | Level::CausalMemory
            | Level::RealTimeCausal
            | Level::Causal
            | Level::DatabaseWritesFollowReads
            | Level::Pram
            | Level::PerObjectSequential
            | Level::SlowMemory => {
                causality::verify_causal_level(self.history, level, question, verdict, self.watch)
            }
        })
    }

    /// A level that needs real time is violated in any case if session order alone shows it. Nothing else can be claimed.
    fn standing_without_real_time(
        &self,
        level: Level,
        question: &ObjectQuestion,
        verdict: &Verdict,
    ) -> Standing {
        let is_decided = self.question.model.has_registers()
            && !matches!(level, Level::TwoAtomic | Level::BoundedStaleness);
        if !matches!(verdict, Verdict::Violated(_)) || !is_decided {
            return Standing::Refuted("the history does not tell real time".to_owned());
        }
        standing_of_result(match level {
            Level::RegularWriteOrder | Level::Regular | Level::Safe | Level::ConsistentPrefix => {
                regularity::verify_single_reads(self.history, level, question, verdict, self.watch)
            }
            _ => {
                let known = if level == Level::RealTimeCausal { Level::Causal } else { Level::Sequential };
                causality::verify_causal_level(self.history, known, question, verdict, self.watch)
            }
        })
    }

    /// Explains why a claim is refuted by other claims or by the question, if it is.
    fn explain_contradiction(&self, answer: &Answer) -> Option<String> {
        let name = answer.property.name();
        if !self.question.model.properties().contains(&answer.property) {
            return Some(format!("{name} is not a property of {}", self.question.model.name()));
        }
        let all = self.report.answers.iter().chain(&self.report.beside);
        let same = all.filter(|other| other.property == answer.property);
        let verdicts: Vec<&str> = same.map(|other| other.verdict.name()).collect();
        (verdicts.len() > 1)
            .then(|| format!("it is claimed {} times: {}", verdicts.len(), verdicts.join(", ")))
    }

    /// The standing of each phenomenon, whether or not a verdict depends on it.
    fn standings_of_phenomena(mut self) -> Vec<Standing> {
        let (history, question, report, watch) = (self.history, self.question, self.report, self.watch);
        if report.phenomena.is_empty() {
            return Vec::new();
        }
        let mut evidence = self.transactions.take().unwrap_or_else(|| {
            transactions::TransactionClaims::new(history, question.assume, &report.phenomena, watch)
        });
        let one = |at| match evidence.check_anomaly(at) {
            Ok(()) => Standing::Confirmed,
            Err(_) if watch.is_over() => Standing::Unchecked,
            Err(why) => Standing::Refuted(why.0),
        };
        (0..report.phenomena.len()).map(one).collect()
    }
}

fn standing_of_result(result: Result<Confirmation, Mismatch>) -> Standing {
    match result {
        Ok(Confirmation::Confirmed) => Standing::Confirmed,
        Ok(Confirmation::DetailUnchecked(why)) => Standing::ConfirmedExcept(why.to_owned()),
        Ok(Confirmation::TooLarge) => Standing::Partly(
            "the second check found nothing against it, but stopped before it had tried everything"
                .to_owned(),
        ),
        Err(why) => Standing::Refuted(why.0),
    }
}

impl From<String> for Mismatch {
    fn from(why: String) -> Self {
        Mismatch(why)
    }
}
