//! Verifies claims that a history of a session store contains no findings.
//!
//! A few operations suffice to show a finding, but only the whole history shows that there is none. The verifier
//! therefore examines the whole history from the opposite direction: it does not look for contradictory operations but
//! for an explanation. For each id it *chooses* a birth and a death, the birth as late and the death as early as the
//! positive answers allow. All answers that found nothing must then lie outside this interval (`presence`). For each
//! field, the zones of its values must not conflict; a zone extends from the first answer that shows a value to the
//! last request that still returned it (`contents`). This code shares nothing with the search. Counter-evidence does
//! not name a single kind: a contradiction about presence may be a lost session or a resurrected one.
//!
//! Operations that findings have shown to be wrong are left out ([`Finding::wrong`](super::Finding::wrong)), as in the
//! search. Nothing is said about ids that are assigned several times, nor about kinds for which the history records
//! nothing (`recorded`). O(n log n), plus as many passes over the renewals as ids are joined out of order.

mod contents;
mod live;
mod presence;
mod recorded;
mod trails;
mod updates;

use super::groups::OperationGroups;
use crate::recorded_facts::RecordedFacts;
use crate::watch::{StepCost, Watch};
use ::claims::{FindingKind, SessionRules};
use histories::{Function, History, Id, KeyId, NEVER, OpId, Operation, Outcome, SessionId, ValueId};
use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::HashSet;

/// Counter-evidence to the claim that there are no findings of some kinds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CounterEvidence {
    /// The kinds that it may be, restricted to those that this history can show.
    pub kinds: Vec<FindingKind>,
    /// The observation, or the reason why nothing can be said.
    pub why: String,
    /// Whether one of the kinds certainly occurred. Otherwise this examination cannot decide it.
    pub certain: bool,
}

/// Examines a history except for the operations that were shown to be wrong. Returns the first counter-evidence for
/// each combination of kinds. When the time is over, the result is meaningless.
pub(super) fn collect_counter_evidence(
    history: &History,
    question: &SessionRules,
    wrong: &HashSet<OpId>,
    facts: &RecordedFacts<'_>,
    watch: &Watch<'_>,
) -> Vec<CounterEvidence> {
    let Some(survey) = Survey::from_history(history, question, wrong, facts, watch) else {
        return Vec::new();
    };
    let examine_sessions = || {
        let sessions = JoinedSessions::from_history(history);
        examine_all_sessions(&survey, &sessions, watch)
    };
    let (sessions, records) = match history.len() < TASK_OPERATIONS {
        // A small history is not worth waking other threads.
        true => {
            (examine_sessions(), RECORDS.iter().flat_map(|examine| survey.examine(*examine, watch)).collect())
        }
        false => rayon::join(examine_sessions, || survey.examine_all_records(watch)),
    };
    let mut against = Vec::new();
    sessions.into_iter().chain(records).for_each(|evidence| add_evidence(&mut against, evidence));
    against
}

/// Examines one kind of record of a history.
type RecordExamination = fn(&Examination<'_>);

/// The examinations of what no single session has.
const RECORDS: [RecordExamination; 7] = [
    |look| look.examine_action_lists(),
    |look| look.examine_clocks(),
    |look| look.examine_audit_trail(),
    |look| look.examine_replicas(),
    |look| look.examine_updates(),
    |look| look.examine_live_connections(),
    |look| look.report_unrecorded_kinds(),
];

/// The number of passes over the history that the examinations of records take together, as far as the time limit is concerned.
const RECORD_PASSES: u64 = 4;

impl Survey<'_> {
    /// Returns the counter-evidence in the order of [`RECORDS`].
    fn examine_all_records(&self, watch: &Watch<'_>) -> Vec<CounterEvidence> {
        let of_each = RECORDS.par_iter().map(|examine| self.examine(*examine, watch));
        of_each.collect::<Vec<_>>().concat()
    }

    fn examine(&self, examine: RecordExamination, watch: &Watch<'_>) -> Vec<CounterEvidence> {
        let look = Examination::new(self);
        if watch.has_time_for(self.history.len() as u64 * RECORD_PASSES / RECORDS.len() as u64) {
            examine(&look);
        }
        look.against.into_inner()
    }
}

/// The number of operations that one task examines, or more if one session has more.
const TASK_OPERATIONS: usize = 1 << 14;

/// Examines each session by itself. Returns the counter-evidence in the order of the sessions.
fn examine_all_sessions(
    survey: &Survey<'_>,
    sessions: &JoinedSessions,
    watch: &Watch<'_>,
) -> Vec<CounterEvidence> {
    let mut tasks: Vec<std::ops::Range<usize>> = Vec::new();
    let (mut start, mut operations) = (0, 0);
    for session in 0..sessions.members.len() {
        operations += sessions.members.of(session).len();
        if operations >= TASK_OPERATIONS || session + 1 == sessions.members.len() {
            tasks.push(start..session + 1);
            (start, operations) = (session + 1, 0);
        }
    }
    let examine_task = |task: std::ops::Range<usize>| {
        let look = Examination::new(survey);
        for session in task {
            let ids = sessions.members.of(session);
            if !watch.has_time_after(ids.len() as u64 * StepCost::Parse as u64) {
                break;
            }
            let members: Vec<Operation> = ids.iter().map(|&id| survey.history.operation(id)).collect();
            look.examine_session(sessions, &members);
            look.contents.borrow_mut().clear();
        }
        look.against.into_inner()
    };
    match tasks.len() {
        0 | 1 => tasks.into_iter().flat_map(examine_task).collect(),
        _ => tasks.into_par_iter().map(examine_task).collect::<Vec<_>>().concat(),
    }
}

/// Adds counter-evidence, unless there is some of the same kinds and certainty.
fn add_evidence(against: &mut Vec<CounterEvidence>, evidence: CounterEvidence) {
    let is_same =
        |known: &CounterEvidence| known.kinds == evidence.kinds && known.certain == evidence.certain;
    if !against.iter().any(is_same) {
        against.push(evidence);
    }
}

/// The kinds that a history can show at all. Kinds that differ only by other operations of the history are excluded if
/// there are none.
fn possible_kinds(history: &History, question: &SessionRules) -> Vec<FindingKind> {
    let does = |function| history.ids().any(|id| history.function(id) == function);
    let expires = question.time_to_live_ns.is_some();
    let (renews, destroys) = (does(Function::RENEW), does(Function::DESTROY));
    let mut events = history.actor_events().iter();
    let settled = events.any(|event| event.actor == "recorder" && event.function == "settled");
    let possible = |kind: &FindingKind| match kind {
        FindingKind::OldIdAlive => renews,
        FindingKind::ResurrectedSession => destroys || expires,
        FindingKind::ExpiredEarly => expires,
        FindingKind::LostWrite => settled,
        _ => true,
    };
    FindingKind::ALL.iter().copied().filter(possible).collect()
}

/// Whether some operation began a time to live, or more, after another one had been answered. Otherwise no answer can be too late.
fn can_expire(history: &History, question: &SessionRules) -> bool {
    let Some(live_ns) = question.time_to_live_ns else { return false };
    let span_ns = live_ns.saturating_add(question.tolerance_ns);
    let first = history.ids().filter_map(|id| history.completed_at(id)).min();
    let last = history.ids().filter_map(|id| history.invoked_at(id)).max();
    span_ns < 0 || first.zip(last).is_some_and(|(first, last)| last.saturating_sub(first) > span_ns)
}

/// What an examination needs to know of a history. Threads share it.
struct Survey<'a> {
    history: &'a History,
    question: SessionRules,
    wrong: &'a HashSet<OpId>,
    facts: &'a RecordedFacts<'a>,
    /// By value: the operations that wrote it and did not fail.
    writers: OperationGroups,
    /// The users that requested a session of their own.
    creators: HashSet<SessionId>,
    /// The kinds that this history can show at all.
    can_show: Vec<FindingKind>,
    /// Whether some time to live can have run out between two operations.
    can_expire: bool,
}

impl<'a> Survey<'a> {
    /// Collects it; `None` if there is no time for more.
    fn from_history(
        history: &'a History,
        question: &SessionRules,
        wrong: &'a HashSet<OpId>,
        facts: &'a RecordedFacts<'a>,
        watch: &Watch<'_>,
    ) -> Option<Self> {
        let (mut writes, mut creators) = (Vec::new(), HashSet::new());
        for op in watch.take_while_in_time(StepCost::Look, history.operations()) {
            if op.function == Function::CREATE {
                creators.insert(op.session);
            }
            if matches!(op.function, Function::CREATE | Function::WRITE | Function::PATCH)
                && op.outcome != Outcome::Fail
            {
                writes.push((op.value().index(), op.id));
            }
        }
        watch.has_time_for(history.len() as u64).then(|| Self {
            history,
            question: *question,
            wrong,
            facts,
            writers: OperationGroups::from_pairs(&writes),
            creators,
            can_show: possible_kinds(history, question),
            can_expire: can_expire(history, question),
        })
    }
}

/// The state of an examination.
struct Examination<'a> {
    survey: &'a Survey<'a>,
    against: RefCell<Vec<CounterEvidence>>,
    contents: RefCell<contents::SessionContents<'a>>,
}

impl<'a> Examination<'a> {
    fn new(survey: &'a Survey<'a>) -> Self {
        Self { survey, against: RefCell::default(), contents: RefCell::default() }
    }
}

impl Examination<'_> {
    fn report_contradiction(&self, kinds: &[FindingKind], id: Option<OpId>, why: &str) {
        let can_show = &self.survey.can_show;
        let kinds: Vec<FindingKind> = kinds.iter().copied().filter(|kind| can_show.contains(kind)).collect();
        let index = |id: OpId| format!("operation {} ", self.survey.history.operation_index(id));
        let why = format!("{}{why}", id.map(index).unwrap_or_default());
        add_evidence(&mut self.against.borrow_mut(), CounterEvidence { kinds, why, certain: true });
    }

    fn report_undecided(&self, kinds: &[FindingKind], why: &str) {
        let evidence = CounterEvidence { kinds: kinds.to_vec(), why: why.to_owned(), certain: false };
        add_evidence(&mut self.against.borrow_mut(), evidence);
    }

    fn is_wrong(&self, op: &Operation) -> bool {
        !self.survey.wrong.is_empty() && self.survey.wrong.contains(&op.id)
    }

    /// Examines one session with all its ids.
    fn examine_session(&self, sessions: &JoinedSessions, members: &[Operation]) {
        let once = members.iter().all(|op| sessions.births[op.key.index()].len() <= 1);
        let creations = members.iter().filter(|op| op.function == Function::CREATE).count();
        self.remember_writes(members);
        self.examine_values(sessions, members);
        if !once || creations > 1 {
            return self.report_undecided(
                presence::KINDS_OF_SESSIONS,
                "ids were given out several times, and this look says nothing of those",
            );
        }
        self.examine_presence(sessions, members);
        self.examine_expiry(members, creations);
        self.examine_contents(members, creations);
    }
}

/// The operations on sessions that did not fail, grouped by session. Renewals join the ids of one session.
struct JoinedSessions {
    /// By session: its operations, in the order of invocation.
    members: OperationGroups,
    /// By id: the index of its component.
    of: Vec<u32>,
    /// By id: the operations that created it or produced it by a renewal.
    births: Vec<Vec<Operation>>,
    /// By id that a renewal produced: the position by which the id, or one that was produced from it, had certainly
    /// been found.
    found_by: Vec<u32>,
}

impl JoinedSessions {
    fn from_history(history: &History) -> Self {
        let keys = history.keys.len();
        let (mut births, mut found_by) = (vec![Vec::new(); keys], vec![NEVER; keys]);
        let mut joined: Vec<(KeyId, KeyId, Operation)> = Vec::new();
        let about = |op: &Operation| {
            op.outcome != Outcome::Fail
                && (op.function == Function::CREATE
                    || op.function == Function::READ
                    || implies_presence(op.function))
        };
        for op in history.operations().filter(about) {
            if op.function == Function::CREATE {
                births[op.key.index()].push(op.clone());
            }
            if let Some(new) = renewed_id(history, &op) {
                births[new.index()].push(op.clone());
                joined.push((op.key, new, op.clone()));
            }
            if found_session(&op) {
                found_by[op.key.index()] = found_by[op.key.index()].min(op.completed);
            }
        }
        // An operation that found an id shows that the renewal which produced it had taken effect. Processed from the
        // last renewal to the first.
        for (old, new, op) in
            joined.iter().rev().filter(|(old, new, _)| old != new && births[new.index()].len() == 1)
        {
            if found_by[new.index()] > op.invoked {
                found_by[old.index()] = found_by[old.index()].min(found_by[new.index()]);
            }
        }
        // A component is named by its smallest id. Repeated passes over the renewals propagate it; there are few
        // renewals.
        let mut of: Vec<u32> = (0..keys as u32).collect();
        let mut changes = true;
        while changes {
            changes = false;
            for (old, new, _) in joined.iter().chain(joined.iter().rev()) {
                let least = of[old.index()].min(of[new.index()]);
                changes |= of[old.index()] != least || of[new.index()] != least;
                (of[old.index()], of[new.index()]) = (least, least);
            }
        }
        let mut places = vec![u32::MAX; keys];
        let (mut members, mut count) = (Vec::new(), 0);
        for op in history.operations().filter(about) {
            let place = &mut places[of[op.key.index()] as usize];
            if *place == u32::MAX {
                *place = count;
                count += 1;
            }
            members.push((*place as usize, op.id));
        }
        Self { members: OperationGroups::from_pairs(&members), of, births, found_by }
    }
}

/// The new id of a renewal, if any operation uses it.
fn renewed_id(history: &History, op: &Operation) -> Option<KeyId> {
    (op.function == Function::RENEW).then(|| history.keys.get(history.value_text(op.value())))?
}

/// Whether an acknowledged operation of this function shows that the session existed.
fn implies_presence(function: Function) -> bool {
    use Function as F;
    [F::WRITE, F::PATCH, F::TOUCH, F::RENEW, F::DESTROY].contains(&function)
}

/// Whether the answer shows that the session existed.
fn found_session(op: &Operation) -> bool {
    op.outcome == Outcome::Ok
        && (implies_presence(op.function) || op.function == Function::READ && op.result != ValueId::NULL)
}

/// Whether the answer shows that no session existed.
fn found_no_session(op: &Operation) -> bool {
    op.outcome == Outcome::Ok && op.function == Function::READ && op.result == ValueId::NULL
}

/// The position by which an operation had certainly taken effect.
fn took_effect_by(op: &Operation) -> u32 {
    if op.outcome == Outcome::Ok { op.completed } else { NEVER }
}
