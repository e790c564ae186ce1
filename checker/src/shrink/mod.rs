//! The smallest part of a history that still shows a violation.
//!
//! # The problem
//!
//! Evidence names a few operations, but those alone are seldom a history that shows the same: a read of a value whose
//! write was left out is a `phantom-read`, whatever it was before. Who explains a violation, or reports it to the
//! makers of a store, wants a history of its own that anybody can check again.
//!
//! # The naive way, and this one
//!
//! Leave out one operation after the other as long as the check still fails (Zeller & Hildebrandt, *Simplifying and
//! isolating failure-inducing input*, 2002). That drifts: leave out the write of 2 in `w1 w2 w1 r1`, then the second
//! write of 1, and so on, and sooner or later something is violated that never was. So an operation may go only
//! together with all that rests on it (`needs`), which makes every step *sound*: if the whole could be explained, so
//! could the part. What is left and violated is part of the violation, and nothing else.
//!
//! One starts from the evidence with all that it needs; where that does not show the same anomaly (because the evidence
//! weakens what it names), from all operations on the same objects; at last from the whole. Then halves of the rest
//! are left out, quarters, … single operations, until no single one can go.
//!
//! Cost: a check of the part for each step, and O(n log n) steps at worst for a part of n operations; `effort` bounds
//! the sum of the parts' sizes over all checks.

mod needs;

use crate::check::{Model, Question, check};
use crate::continuity::{self, Kind};
use crate::transactions::{self, Isolation, Options};
use crate::{Level, Limits, Verdict};
use histories::{History, Id, NEVER, OpId, Outcome};
use needs::Needs;
use std::collections::BTreeSet;

/// Findings about all that was recorded: a request that was left out would make its entry in an audit trail a forged
/// one, and what replicas hold is the work of everybody.
const WHOLE: &[Kind] =
    &[Kind::AuditMissing, Kind::AuditDuplicated, Kind::AuditForged, Kind::DivergentReplicas];

/// The violation that is to stay: a level, and the name of an anomaly.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What was asked.
    pub asked: Asked,
    /// The anomaly's name: `stale-read`.
    pub kind: &'static str,
    /// The operations that show it in the whole.
    pub operations: Vec<OpId>,
}

/// The question of a violation.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    /// A level of objects.
    Objects(Level, Question),
    /// A level of transactions.
    Transactions(Isolation, crate::check::Assume),
    /// A finding of session stores.
    Sessions(Kind, continuity::Question),
}

/// A part of a history.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its operations, by their ids in the whole, in order of invocation.
    pub operations: Vec<OpId>,
    /// Whether it is known that nothing more can be left out: no operation together with those that rest on it.
    pub minimal: bool,
    /// How often a part was checked.
    pub checks: u64,
}

/// A small part that shows the violation. None if not even the whole shows it within the limits: a bug, or limits
/// that are smaller than those it was found with.
///
/// `limits` hold for each check by itself; `effort` is for all, in operations checked.
///
/// ```
/// # use checker::{check::*, shrink::*, Level, Limits};
/// let history = histories::notation::parse("
///     a: [w1]  [w2]        [w3]
///     b:  [r1]       [r1]        [r3]
/// ").unwrap();
/// # let question = Question { model: Model::Register, initial: histories::ValueId::NULL,
/// #     failed_cas: FailedCas::SaysNothing, assume: Assume::default() };
/// # let stop = std::sync::atomic::AtomicBool::new(false);
/// # let limits = Limits { steps: 1_000, bytes: 1 << 20, stop: &stop };
/// let asked = Asked::Objects(Level::Linearizable, question);
/// let violation = Violation { asked, kind: "stale-read", operations: history.ids().collect() };
/// let part = shrink(&history, &violation, &limits, 1_000).unwrap();
/// assert!(part.minimal);
/// assert_eq!(part.operations.len(), 3); // w1, w2 and the read of 1 after them
/// ```
pub fn shrink(history: &History, violation: &Violation, limits: &Limits<'_>, effort: u64) -> Option<Part> {
    if let Asked::Sessions(kind, _) = violation.asked
        && WHOLE.contains(&kind)
    {
        return Some(Part { operations: history.ids().collect(), minimal: false, checks: 0 });
    }
    let initial = match violation.asked {
        Asked::Objects(_, question) => history.value_text(question.initial),
        Asked::Transactions(..) | Asked::Sessions(..) => "null",
    };
    let mut shrinker = Shrinker { violation, initial, limits, effort, checks: 0, sure: true };
    let needs = Needs::of(history, &violation.asked);
    let evidence: BTreeSet<OpId> = violation.operations.iter().copied().collect();
    let bases = [
        needs.with_needed(evidence.clone()),
        needs.with_needed(same_objects(history, &evidence, true)),
        needs.with_needed(same_objects(history, &evidence, false)),
        history.ids().collect(),
    ];
    let base = bases.into_iter().map(|base| base.into_iter().collect::<Vec<OpId>>()).find(|base| {
        // However large it is: without a base there is nothing to show.
        shrinker.effort = shrinker.effort.max(base.len() as u64 + 1);
        shrinker.shows(history.part(base))
    })?;
    shrinker.sure = true;
    let kept = shrinker.reduce(&history.part(&base));
    let operations = kept.into_iter().map(|id| base[id.index()]).collect();
    Some(Part { operations, minimal: shrinker.sure, checks: shrinker.checks })
}

/// The operations on the objects of some; if asked, only those invoked before the last of them had ended.
fn same_objects(history: &History, some: &BTreeSet<OpId>, until_last: bool) -> BTreeSet<OpId> {
    let mut keys = BTreeSet::new();
    let mut last = 0;
    for &id in some {
        let op = history.operation(id);
        last = last.max(if op.completed == NEVER { op.invoked } else { op.completed });
        keys.insert(op.key);
        keys.extend(history.micros_of(id).iter().map(|micro| micro.key));
    }
    let touches = |id: OpId| match history.micros_of(id) {
        [] => keys.contains(&history.key(id)),
        micros => micros.iter().any(|micro| keys.contains(&micro.key)),
    };
    let early = |id: OpId| !until_last || history.operation(id).invoked <= last;
    history.ids().filter(|&id| early(id) && touches(id)).collect()
}

struct Shrinker<'a> {
    violation: &'a Violation,
    /// What every register holds at first: values have other ids in each part.
    initial: &'a str,
    limits: &'a Limits<'a>,
    effort: u64,
    checks: u64,
    /// Whether every check so far had an answer.
    sure: bool,
}

impl Shrinker<'_> {
    /// Whether a part shows the violation.
    fn shows(&mut self, mut part: History) -> bool {
        let cost = part.len() as u64 + 1;
        if self.effort < cost || self.limits.stopped() {
            self.sure = false;
            return false;
        }
        self.effort -= cost;
        self.checks += 1;
        let kind = self.violation.kind;
        match self.violation.asked {
            Asked::Objects(level, question) => {
                let question = Question { initial: part.values.intern(self.initial), ..question };
                match check(&part, level, &question, self.limits).verdict {
                    Verdict::Violated(anomalies) => anomalies.iter().any(|anomaly| anomaly.kind == kind),
                    Verdict::Holds(_) => false,
                    Verdict::Unknown(_) => {
                        self.sure = false;
                        false
                    }
                }
            }
            Asked::Sessions(kind, question) => {
                let judged = continuity::judge(&part, &question, self.limits);
                judged.iter().any(|one| one.kind == kind && matches!(one.verdict, Verdict::Violated(_)))
            }
            Asked::Transactions(level, assume) => {
                let options = Options { levels: vec![level], assume };
                let analysis = transactions::analyze(&part, &options, self.limits);
                analysis.judgements.iter().any(|judgement| match &judgement.verdict {
                    Verdict::Violated(phenomena) => phenomena.iter().any(|found| found.name() == kind),
                    Verdict::Holds(_) | Verdict::Unknown(_) => false,
                })
            }
        }
    }

    /// Leaves out what can be left out. The ids are those of `part`.
    fn reduce(&mut self, part: &History) -> BTreeSet<OpId> {
        let needs = Needs::of(part, &self.violation.asked);
        let mut kept: BTreeSet<OpId> = part.ids().collect();
        if self.adds_up() {
            self.cut_end(part, &mut kept);
        }
        let mut piece = kept.len().div_ceil(2).max(1);
        loop {
            let before = kept.len();
            self.without_pieces(part, &needs, &mut kept, piece);
            if piece > 1 {
                piece = piece.div_ceil(2);
            } else if kept.len() == before {
                return kept;
            }
        }
    }

    /// Tries to leave out each piece of so many operations, those apart that the rest needs.
    fn without_pieces(&mut self, part: &History, needs: &Needs, kept: &mut BTreeSet<OpId>, piece: usize) {
        let all: Vec<OpId> = kept.iter().copied().collect();
        for out in all.chunks(piece) {
            let out: BTreeSet<OpId> = out.iter().copied().filter(|id| kept.contains(id)).collect();
            // What rests on a single one goes with it; of a larger piece that would be nearly everything.
            let fewer = match piece {
                1 => needs.without(kept, &out),
                _ => {
                    let rest = needs.with_needed(kept.difference(&out).copied().collect());
                    rest.intersection(kept).copied().collect()
                }
            };
            if fewer.len() < kept.len() && self.shows(part.part(&fewer.iter().copied().collect::<Vec<_>>())) {
                *kept = fewer;
            }
        }
    }

    /// Whether the objects are such that hardly anything may be left out from the middle.
    fn adds_up(&self) -> bool {
        let values = [Model::Register, Model::CasRegister, Model::MultiRegister];
        matches!(self.violation.asked, Asked::Objects(Level::Linearizable, question) if !values.contains(&question.model))
    }

    /// Leaves out what was invoked after a moment at which nothing was in flight: the earliest such moment that still
    /// shows it. What a store does later changes nothing of what it has done, whatever the object.
    fn cut_end(&mut self, part: &History, kept: &mut BTreeSet<OpId>) {
        let mut quiet = Vec::new();
        let mut busy = 0;
        for id in part.ids() {
            let op = part.operation(id);
            if op.invoked > busy {
                quiet.push(id);
            }
            if op.outcome == Outcome::Ok {
                busy = busy.max(op.completed);
            }
        }
        // Parts up to a later moment show it too, so the earliest is found by halving.
        let (mut fails, mut works) = (0, quiet.len());
        while fails + 1 < works {
            let middle = fails.midpoint(works);
            let early: Vec<OpId> = kept.iter().copied().filter(|&id| id < quiet[middle]).collect();
            match self.shows(part.part(&early)) {
                true => works = middle,
                false => fails = middle,
            }
        }
        if let Some(&end) = quiet.get(works) {
            kept.retain(|&id| id < end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Assume, FailedCas};
    use histories::ValueId;
    use histories::notation::parse;
    use std::sync::atomic::AtomicBool;

    fn shrunk(model: Model, level: Level, kind: &'static str, drawing: &str) -> (Vec<u64>, bool) {
        let history = parse(drawing).expect("a drawing");
        let (initial, failed_cas) = (ValueId::NULL, FailedCas::Observes);
        let question = Question { model, initial, failed_cas, assume: Assume::default() };
        let stop = AtomicBool::new(false);
        let limits = Limits { steps: 100_000, bytes: 1 << 24, stop: &stop };
        let operations = history.ids().collect();
        let violation = Violation { asked: Asked::Objects(level, question), kind, operations };
        let part = shrink(&history, &violation, &limits, 10_000).expect("a part that shows it");
        (part.operations.iter().map(|&id| history.index(id)).collect(), part.minimal)
    }

    /// Without the second write of 1 the last read would be stale, and is not.
    #[test]
    fn what_is_left_out_does_not_make_the_rest_worse() {
        let drawing = "a: [w1] [w2] [w1]           [w3] [w4]\nb:               [r1]                [r3]";
        let (left, minimal) = shrunk(Model::Register, Level::Linearizable, "stale-read", drawing);
        assert_eq!(left, [8, 10, 12], "w3, w4 and the read of 3");
        assert!(minimal);
    }

    #[test]
    fn an_aborted_read_keeps_the_write_that_failed() {
        let drawing = "a: [w5] [w1 !       [w2]\nb:           [r1]        [r2]";
        let (left, _) = shrunk(Model::Register, Level::Linearizable, "aborted-read", drawing);
        assert_eq!(left, [2, 4]);
    }

    #[test]
    fn elements_of_a_queue_go_with_both_their_ends() {
        let drawing = "a: [enqueue:9] [enqueue:1] [enqueue:2]\nb:                                      [dequeue:9] [dequeue:2]";
        let (left, minimal) = shrunk(Model::Queue, Level::Linearizable, "non-linearizable", drawing);
        assert_eq!(left, [2, 4, 8], "1 was first, and still 2 came out");
        assert!(minimal);
    }

    #[test]
    fn what_came_later_is_cut_off_even_where_nothing_else_may_go() {
        let drawing = "a: [acquire]           [release] [acquire] [release]\nb:           [acquire]";
        let (left, _) = shrunk(Model::Mutex, Level::Linearizable, "non-linearizable", drawing);
        assert_eq!(left, [0, 2]);
    }

    #[test]
    fn where_the_effort_ends_it_is_not_said_to_be_minimal() {
        let history = parse("a: [w1] [w2] [w3] [w4] [r1]").expect("a drawing");
        let question = Question {
            model: Model::Register,
            initial: ValueId::NULL,
            failed_cas: FailedCas::SaysNothing,
            assume: Assume::default(),
        };
        let stop = AtomicBool::new(false);
        let limits = Limits { steps: 100_000, bytes: 1 << 24, stop: &stop };
        let asked = Asked::Objects(Level::Linearizable, question);
        let violation = Violation { asked, kind: "stale-read", operations: history.ids().collect() };
        assert!(!shrink(&history, &violation, &limits, 0).expect("a part").minimal);
        assert!(shrink(&history, &violation, &limits, 1_000).expect("a part").minimal);
    }
}
