//! Finds a smallest part of a history that still shows a violation.
//!
//! # The problem
//!
//! Evidence names a few operations, but these alone are seldom a history that shows the same violation. A read of a
//! value whose write was left out is a `phantom-read`, whatever it was before. To explain a violation, or to report it
//! to the makers of a store, one needs a history of its own that anybody can check again.
//!
//! # The naive way, and this one
//!
//! The naive way leaves out one operation after another as long as the check still fails (Zeller & Hildebrandt,
//! *Simplifying and isolating failure-inducing input*, 2002). That drifts: leave out the write of 2 in `w1 w2 w1 r1`,
//! then the second write of 1, and so on. Sooner or later the part violates the level in a way that the whole never
//! did. So an operation may be left out only together with all operations that depend on it (`needs`). This makes every
//! step *sound*: if the whole could be explained, so could the part. So a violation of the part is a part of the
//! violation of the whole.
//!
//! Findings about sessions are about one operation: the answer that should have been another. A part has to show the
//! same finding of the same operation, keeps all operations of its evidence, and shows no finding that the whole does not
//! show. With that, other operations need not stay together, except a read and the writes of its value. Only
//! `unexplained`, which is about everything at once, depends on all operations on the session. Findings about a live connection keep
//! the operations of its session. Other findings that no single operation shows, and invariants, keep everything.
//!
//! The search starts from the evidence and all that it needs. If that does not show the same anomaly (because the
//! evidence weakens what it names), it starts from all operations on the same objects, and at last from the whole. Then
//! it leaves out halves of the rest, quarters, … single operations, until no single one can be left out.
//!
//! Cost: a check of the part for each step, and O(n log n) steps at worst for a part of n operations; `effort` bounds
//! the sum of the sizes of all parts that are checked.

mod needs;

use crate::continuity;
use claims::{AnomalyName, FindingKind, Level, Limits, Model, Property, Question, Verdict};
use histories::{History, Id, KeyId, NEVER, OpId, Outcome};
use needs::{OperationNeeds, concerns_whole_sessions};
use std::collections::BTreeSet;

/// Whether no single operation shows a property. If a request is left out, its entry in an audit trail looks forged. What
/// replicas hold is the work of all clients. What a live connection brought is no operation. An invariant is about the sum of all
/// operations.
fn is_shown_by_all(property: Property) -> bool {
    match property {
        Property::Finding(kind) => kind.is_shown_by_actors(),
        Property::Invariant(_) => true,
        Property::Level(_) | Property::Isolation(_) => false,
    }
}

/// The violation that the part must still show.
#[derive(Clone, Debug)]
pub struct ShrinkTarget {
    /// The property that is violated.
    pub property: Property,
    /// The anomaly's name: `stale-read`.
    pub kind: AnomalyName,
    /// The object.
    pub key: KeyId,
    /// The operations that show it in the whole history.
    pub operations: Vec<OpId>,
}

/// How far a history was reduced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reduction {
    /// No further operation can be left out, even together with those that depend on it. The evidence of a finding stays in any
    /// case.
    Minimal,
    /// Fewer operations may be enough: the effort, or the limits of a check, ended the search.
    EffortEnded,
    /// The violation is about a live connection. All operations of its session stay, and no others.
    Session,
    /// The property is about everything that was recorded, so nothing was left out.
    Everything,
}

/// A part of a history that shows the violation.
#[derive(Clone, Debug)]
pub struct ShrunkPart {
    /// The operations of the part, by their ids in the whole, in order of invocation.
    pub operations: Vec<OpId>,
    /// How far the history was reduced.
    pub reduction: Reduction,
    /// How many parts were checked.
    pub checks: u64,
}

/// Shrinks a history to a small part that shows the violation. `None` if not even the whole history shows it within the
/// limits. That is a bug, or the limits are smaller than those with which the violation was found.
///
/// `limits` apply to each check by itself; `effort` applies to all checks together, in operations checked.
///
/// ```
/// use checker::{AnomalyName, Level, Limits, Property, Question, shrink};
/// let history = histories::notation::parse("
///     a: [w1]  [w2]        [w3]
///     b:  [r1]       [r1]        [r3]
/// ").unwrap();
/// let question = Question::recognised(&history).unwrap();
/// let target = shrink::ShrinkTarget {
///     property: Property::Level(Level::Linearizable),
///     kind: AnomalyName::new("stale-read"),
///     key: history.operations().next().unwrap().key,
///     operations: history.ids().collect(),
/// };
/// let part = shrink::shrink_violation(&history, &question, &target, &Limits::unbounded(), 1_000).unwrap();
/// assert_eq!(part.reduction, shrink::Reduction::Minimal);
/// assert_eq!(part.operations.len(), 3); // w1, w2 and the read of 1 after them
/// ```
pub fn shrink_violation(
    history: &History,
    question: &Question,
    target: &ShrinkTarget,
    limits: &Limits<'_>,
    effort: u64,
) -> Option<ShrunkPart> {
    if is_shown_by_all(target.property) {
        return Some(keep_session(history, question, target, limits));
    }
    let is_finding = matches!(target.property, Property::Finding(_));
    let telling = target.operations.iter().filter(|_| is_finding).map(|&id| history.operation_index(id));
    let telling = telling.collect();
    let shown = if is_finding { shown_findings(history, question, limits) } else { BTreeSet::new() };
    let mut shrinker = Shrinker { question, target, telling, shown, limits, effort, checks: 0, sure: true };
    let needs = OperationNeeds::from_history(history, question, true, limits.stop);
    let evidence: BTreeSet<OpId> = target.operations.iter().copied().collect();
    let close = |some| needs.close_over_needs(some, limits.stop);
    // One after another, because the first is nearly always enough.
    let bases: [&dyn Fn() -> BTreeSet<OpId>; 4] = [
        &|| close(evidence.clone()),
        &|| close(operations_on_same_objects(history, &evidence, true)),
        &|| close(operations_on_same_objects(history, &evidence, false)),
        &|| history.ids().collect(),
    ];
    let base = bases.iter().map(|base| base().into_iter().collect::<Vec<OpId>>()).find(|base| {
        // The effort must allow a check of the base, however large it is: without a base there is no part to return.
        shrinker.effort = shrinker.effort.max(base.len() as u64 + 1);
        shrinker.shows_violation(history, base)
    })?;
    shrinker.sure = true;
    let kept = shrinker.reduce_part(&history.restrict_to(&base));
    let operations = kept.into_iter().map(|id| base[id.index()]).collect();
    let reduction = if shrinker.sure { Reduction::Minimal } else { Reduction::EffortEnded };
    Some(ShrunkPart { operations, reduction, checks: shrinker.checks })
}

/// The operations of the session whose live connection a finding is about, or all operations for everything else that no single
/// operation shows.
fn keep_session(
    history: &History,
    question: &Question,
    target: &ShrinkTarget,
    limits: &Limits<'_>,
) -> ShrunkPart {
    let of_session: Vec<OpId> = history.ids().filter(|&id| history.key(id) == target.key).collect();
    let is_live = matches!(target.property, Property::Finding(kind) if kind.is_about_live_connection());
    if is_live && of_session.len() == history.len() {
        return ShrunkPart { operations: of_session, reduction: Reduction::Session, checks: 0 };
    }
    if is_live {
        let part = history.restrict_to(&of_session);
        let verdict = crate::door::decide_property(&part, question, target.property, limits);
        if matches!(verdict, Verdict::Violated(found) if found.iter().any(|one| one.kind == target.kind)) {
            return ShrunkPart { operations: of_session, reduction: Reduction::Session, checks: 1 };
        }
    }
    ShrunkPart {
        operations: history.ids().collect(),
        reduction: Reduction::Everything,
        checks: is_live.into(),
    }
}

/// The operations on the objects of some operations. With `until_last`, only those invoked before the last of them had
/// ended.
fn operations_on_same_objects(history: &History, some: &BTreeSet<OpId>, until_last: bool) -> BTreeSet<OpId> {
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

/// A finding by its kind and the operation that shows it, by its number in the whole.
type ShownFinding = (FindingKind, u64);

/// The findings of a history that a part of it can be compared by.
fn shown_findings(history: &History, question: &Question, limits: &Limits<'_>) -> BTreeSet<ShownFinding> {
    let judged = continuity::judge_session_findings(history, &question.sessions, limits);
    let mut shown = BTreeSet::new();
    for one in judged {
        if let (Verdict::Violated(findings), false) =
            (one.verdict, is_shown_by_all(Property::Finding(one.kind)))
        {
            let telling = findings.iter().filter_map(|finding| finding.operations.first());
            shown.extend(telling.map(|&id| (one.kind, history.operation_index(id))));
        }
    }
    shown
}

struct Shrinker<'a> {
    question: &'a Question,
    target: &'a ShrinkTarget,
    /// The operations that show a finding, by their numbers in the whole; empty for other properties. They all stay, and the
    /// part has to show the finding of the last one.
    telling: BTreeSet<u64>,
    /// The findings of the whole. A part must show no other.
    shown: BTreeSet<ShownFinding>,
    limits: &'a Limits<'a>,
    effort: u64,
    checks: u64,
    /// Whether every check so far was decided.
    sure: bool,
}

impl Shrinker<'_> {
    /// Checks whether some operations of a history show the violation.
    fn shows_violation(&mut self, history: &History, operations: &[OpId]) -> bool {
        let cost = operations.len() as u64 + 1;
        if self.effort < cost || self.limits.stop_requested() {
            self.sure = false;
            return false;
        }
        self.effort -= cost;
        self.checks += 1;
        let part = history.restrict_to(operations);
        if matches!(self.target.property, Property::Finding(kind) if kind != FindingKind::Unexplained)
            && !shown_findings(&part, self.question, self.limits).is_subset(&self.shown)
        {
            return false;
        }
        match crate::door::decide_property(&part, self.question, self.target.property, self.limits) {
            Verdict::Violated(found) => found.iter().any(|violation| {
                violation.kind == self.target.kind
                    && self.telling.last().is_none_or(|&last| {
                        violation.operations.iter().any(|&id| part.operation_index(id) == last)
                    })
            }),
            Verdict::Holds(_) | Verdict::Untested(_) => false,
            Verdict::Unknown(_) => {
                self.sure = self.sure
                    && matches!(self.target.property, Property::Finding(_) | Property::Isolation(_));
                false
            }
        }
    }

    /// Leaves out all that can be left out. The returned ids are those of `part`.
    fn reduce_part(&mut self, part: &History) -> BTreeSet<OpId> {
        let whole_sessions = concerns_whole_sessions(self.target.property);
        let needs = OperationNeeds::from_history(part, self.question, whole_sessions, self.limits.stop);
        let mut kept: BTreeSet<OpId> = part.ids().collect();
        if self.is_cumulative() {
            self.cut_quiet_end(part, &mut kept);
        }
        let mut piece = kept.len().div_ceil(2).max(1);
        loop {
            let before = kept.len();
            match piece {
                1 => self.try_removing_operations(part, &needs, &mut kept),
                _ => self.try_removing_pieces(part, &needs, &mut kept, piece),
            }
            if self.has_ended() {
                return kept;
            }
            if piece > 1 {
                piece = piece.div_ceil(2);
            } else if kept.len() == before {
                return kept;
            }
        }
    }

    /// Tries to leave out each piece of `piece` operations, except those that the rest needs.
    fn try_removing_pieces(
        &mut self,
        part: &History,
        needs: &OperationNeeds,
        kept: &mut BTreeSet<OpId>,
        piece: usize,
    ) {
        let all: Vec<OpId> = kept.iter().copied().collect();
        let mut counts = needs.count_needs(kept);
        for out in all.chunks(piece) {
            if self.has_ended() {
                return;
            }
            self.spend_on_looking(out.len());
            let gone = needs.take_unneeded(out, &mut counts);
            if !self.try_removing(part, kept, &gone) {
                needs.put_back(gone, &mut counts);
            }
        }
    }

    /// Tries to leave out each single operation with all that depends on it. For a larger piece, that would be nearly everything.
    fn try_removing_operations(&mut self, part: &History, needs: &OperationNeeds, kept: &mut BTreeSet<OpId>) {
        let all: Vec<OpId> = kept.iter().copied().collect();
        for out in all {
            if self.has_ended() {
                return;
            }
            if kept.contains(&out) {
                self.spend_on_looking(kept.len());
                let gone = needs.find_dependents(kept, out, self.limits.stop);
                self.try_removing(part, kept, &gone);
            }
        }
    }

    /// Leaves out some operations if the others still show the violation. Returns whether it did.
    fn try_removing(&mut self, part: &History, kept: &mut BTreeSet<OpId>, gone: &BTreeSet<OpId>) -> bool {
        if gone.is_empty() || self.has_ended() {
            return false;
        }
        let fewer: BTreeSet<OpId> = kept.difference(gone).copied().collect();
        let shows = self.keeps_telling(part, &fewer)
            && self.shows_violation(part, &fewer.iter().copied().collect::<Vec<_>>());
        if shows {
            *kept = fewer;
        }
        shows
    }

    /// Whether the search is over. Then the part may not be minimal.
    fn has_ended(&mut self) -> bool {
        let ended = self.effort == 0 || self.limits.stop_requested();
        self.sure &= !ended;
        ended
    }

    /// Spends effort on finding what may be left out. To look at an operation takes about an eighth of the time of its check.
    fn spend_on_looking(&mut self, operations: usize) {
        self.effort = self.effort.saturating_sub(operations as u64 / 8);
    }

    fn keeps_telling(&self, part: &History, kept: &BTreeSet<OpId>) -> bool {
        let numbers = kept.iter().map(|&id| part.operation_index(id));
        numbers.filter(|number| self.telling.contains(number)).count() == self.telling.len()
    }

    /// Whether the objects accumulate all operations, so that hardly any can be left out from the middle.
    fn is_cumulative(&self) -> bool {
        let values = [Model::Register, Model::CasRegister, Model::MultiRegister];
        self.target.property == Property::Level(Level::Linearizable) && !values.contains(&self.question.model)
    }

    /// Leaves out the operations invoked after a moment at which no operation was in progress: the earliest such moment
    /// that still shows the violation. Later operations do not change what the store had done before, whatever the
    /// object.
    fn cut_quiet_end(&mut self, part: &History, kept: &mut BTreeSet<OpId>) {
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
        // Every longer beginning shows the violation too, so a binary search finds the shortest.
        let (mut fails, mut works) = (0, quiet.len());
        while fails + 1 < works {
            let middle = fails.midpoint(works);
            let early: Vec<OpId> = kept.iter().copied().filter(|&id| id < quiet[middle]).collect();
            match self.shows_violation(part, &early) {
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
    use claims::FailedCas;
    use histories::notation::parse;
    use std::sync::atomic::AtomicBool;

    fn shrunk(model: Model, level: Level, kind: &'static str, drawing: &str) -> (Vec<u64>, bool) {
        let history = parse(drawing).expect("a drawing");
        let question = Question { failed_cas: FailedCas::Observes, ..Question::about(model) };
        let stop = AtomicBool::new(false);
        let limits = Limits { steps: 100_000, bytes: 1 << 24, stop: &stop };
        let operations = history.ids().collect();
        let target = ShrinkTarget {
            property: Property::Level(level),
            kind: AnomalyName::new(kind),
            key: KeyId::NONE,
            operations,
        };
        let part =
            shrink_violation(&history, &question, &target, &limits, 10_000).expect("a part that shows it");
        (
            part.operations.iter().map(|&id| history.operation_index(id)).collect(),
            part.reduction == Reduction::Minimal,
        )
    }

    /// Without the second write of 1, the last read would be stale, and it is not.
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
        let question = Question::about(Model::Register);
        let stop = AtomicBool::new(false);
        let limits = Limits { steps: 100_000, bytes: 1 << 24, stop: &stop };
        let target = ShrinkTarget {
            key: KeyId::NONE,
            property: Property::Level(Level::Linearizable),
            kind: AnomalyName::new("stale-read"),
            operations: history.ids().collect(),
        };
        let shrink =
            |effort| shrink_violation(&history, &question, &target, &limits, effort).expect("a part");
        assert_eq!(shrink(0).reduction, Reduction::EffortEnded);
        assert_eq!(shrink(1_000).reduction, Reduction::Minimal);
    }
}
