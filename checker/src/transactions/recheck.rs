//! All evidence again, by code that shares nothing with the search.
//!
//! What is checked is only what is claimed: that the reads named show what they are said to show, that each
//! edge of a cycle has its reason in the history, that a witness replays. Everything is looked up in the
//! history itself, the slow and obvious way; a cycle is a handful of transactions, and a witness is replayed
//! in one pass. A mismatch is a bug of this program, never a verdict.

mod anomalies;
mod commit_order;
mod cycle;
mod lemmas;
mod watch;
mod witness;
mod writers;

use super::analysis::{Analysis, Judgement, Options, Witness, summarize};
use super::anomaly::{Anomaly, Evidence};
use super::lattice::{Isolation, ruled_out_by};
use crate::check::Assume;
use crate::{Limits, Unknown, Verdict};
use histories::History;
use watch::Watch;

/// Why a piece of evidence does not hold: a bug in this program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mismatch(pub String);

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the evidence does not bear out the verdict: {}", self.0)
    }
}

impl std::error::Error for Mismatch {}

/// Checks every example of every anomaly, every witness, and whether each verdict follows from these.
pub fn analysis(history: &History, options: &Options, analysis: &Analysis) -> Result<(), Mismatch> {
    let mut evidence = Evidences::new(history, options.assume, &analysis.anomalies);
    for at in 0..analysis.anomalies.len() {
        evidence.anomaly(at)?;
    }
    analysis.judgements.iter().try_for_each(|judgement| evidence.judgement(judgement))
}

/// Why a verdict is *unknown* whose evidence was found, but not checked again in time.
pub const UNCHECKED: &str = "the time limit was reached before the evidence had been checked again";

/// [`analysis`] for as long as there is time: until the caller asks to stop, and then for a fraction of a second. What
/// stays in the analysis was checked; an anomaly that was not is left out, and a verdict that rests on nothing else is
/// *unknown*.
pub fn within(
    history: &History,
    options: &Options,
    analysis: Analysis,
    limits: &Limits<'_>,
) -> Result<Analysis, Mismatch> {
    let mut evidence = Evidences::new(history, options.assume, &analysis.anomalies);
    evidence.watch = Watch::of(limits);
    let mut stand = Vec::new();
    for (at, anomaly) in analysis.anomalies.iter().enumerate() {
        match evidence.anomaly(at) {
            Ok(()) => stand.push(anomaly.phenomenon),
            Err(_) if evidence.watch.is_over() => {}
            Err(mismatch) => return Err(mismatch),
        }
    }
    let mut judgements = Vec::new();
    for judgement in &analysis.judgements {
        let verdict = match evidence.judgement(judgement) {
            Ok(()) => judgement.verdict.clone().map(
                |witness| witness,
                |phenomena| phenomena.into_iter().filter(|each| stand.contains(each)).collect(),
            ),
            Err(_) if evidence.watch.is_over() => Verdict::Unknown(Unknown { reason: UNCHECKED.to_owned() }),
            Err(mismatch) => return Err(mismatch),
        };
        judgements.push(Judgement { level: judgement.level, verdict });
    }
    if !evidence.watch.is_over() {
        return Ok(analysis);
    }
    let mut anomalies = analysis.anomalies;
    anomalies.retain(|anomaly| stand.contains(&anomaly.phenomenon));
    Ok(summarize(analysis.assume, anomalies, judgements))
}

/// Evidence held against a history: each piece once, however many verdicts rest on it.
pub struct Evidences<'a> {
    history: &'a History,
    assume: Assume,
    anomalies: &'a [Anomaly],
    /// Of each anomaly, what came of checking it.
    checked: Vec<Option<Result<(), Mismatch>>>,
    witnesses: Vec<(&'a Witness, Result<(), Mismatch>)>,
    watch: Watch<'a>,
}

impl<'a> Evidences<'a> {
    /// Nothing is checked yet.
    pub fn new(history: &'a History, assume: Assume, anomalies: &'a [Anomaly]) -> Self {
        let checked = vec![None; anomalies.len()];
        Self {
            history,
            assume: assume.of(history),
            anomalies,
            checked,
            witnesses: Vec::new(),
            watch: Watch::endless(),
        }
    }

    /// Whether a verdict follows from its evidence; of *unknown*, nothing.
    pub fn judgement(&mut self, judgement: &'a Judgement) -> Result<(), Mismatch> {
        match &judgement.verdict {
            Verdict::Unknown(_) => Ok(()),
            Verdict::Holds(found) => {
                witness::proves(self.history, found, judgement.level)?;
                if let Some((_, result)) = self.witnesses.iter().find(|(known, _)| known.same(found)) {
                    return result.clone();
                }
                let result = witness::check(self.history, found, &self.watch);
                self.in_time()?;
                self.witnesses.push((found, result.clone()));
                result
            }
            Verdict::Violated(phenomena) => {
                let named = |at: &usize| phenomena.contains(&self.anomalies[*at].phenomenon);
                let telling = |at: &usize| named(at) && self.refutes(&self.anomalies[*at], judgement.level);
                let telling: Vec<usize> = (0..self.anomalies.len()).filter(telling).collect();
                ensure(!telling.is_empty(), || format!("{} violated by nothing", judgement.level.name()))?;
                // One that stands is enough.
                let mut results = telling.into_iter().map(|at| self.anomaly(at));
                results.find(Result::is_ok).unwrap_or_else(|| {
                    Err(Mismatch(format!("nothing stands that rules {} out", judgement.level.name())))
                })
            }
        }
    }

    /// Whether what is said to show an anomaly shows it.
    fn anomaly(&mut self, at: usize) -> Result<(), Mismatch> {
        if let Some(result) = &self.checked[at] {
            return result.clone();
        }
        let Anomaly { phenomenon, examples, .. } = &self.anomalies[at];
        let mut result = ensure(!examples.is_empty(), || format!("{} without an example", phenomenon.name()));
        for example in examples {
            let (history, assume) = (self.history, self.assume);
            result =
                result.and_then(|()| anomalies::check(history, &self.watch, assume, *phenomenon, example));
        }
        self.in_time()?;
        self.checked[at] = Some(result.clone());
        result
    }

    /// Whether what was just concluded is to be believed.
    fn in_time(&self) -> Result<(), Mismatch> {
        ensure(!self.watch.is_over(), || UNCHECKED.to_owned())
    }

    /// Whether an anomaly rules a level out: by the lattice, or because a transaction missed a write of its own, which
    /// all levels by execution forbid.
    fn refutes(&self, anomaly: &Anomaly, level: Isolation) -> bool {
        let own = |example: &Evidence| match example {
            Evidence::Internal { read, .. } => anomalies::misses_own(self.history, *read),
            _ => false,
        };
        let own_missed = level == Isolation::MonotonicAtomicView && anomaly.examples.iter().any(own);
        ruled_out_by(anomaly.phenomenon).contains(level) || own_missed
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Mismatch> {
    if holds { Ok(()) } else { Err(Mismatch(what())) }
}
