//! That nothing is to be found in a history of a session store, looked at a second time.
//!
//! A finding is shown by a few operations; that there is none is shown by nothing shorter than the history. So everything
//! is looked at once more, the other way round: not which operations contradict one another, but whether there is room
//! for an explanation. For each id a moment of birth and one of death are *chosen*, the birth as late and the death as
//! early as what was found allows, and whatever was not found must lie outside of them (`presence`). For each field the
//! times of its values, from the first answer that shows one to the last request that still got it, must not lie across
//! one another (`contents`). No code is shared with the search, and what speaks against a kind bears no name: a
//! contradiction about presence may be a lost session or one that was resurrected.
//!
//! What findings have shown to be wrong is left out ([`Finding::wrong`](super::Finding::wrong)), as the search leaves it out.
//! Of ids that are given out several times nothing is said here, nor of a kind that the history records nothing of
//! (`recorded`). O(n log n), and as many passes over the renewals as ids are joined out of order.

mod contents;
mod presence;
mod recorded;
mod trails;
mod updates;

use ::claims::{FindingKind, SessionRules};
use histories::{Function, History, Id, KeyId, NEVER, OpId, Operation, Outcome, SessionId, ValueId};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// What speaks against it that nothing of some kinds is to be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CounterEvidence {
    /// Which of them it would be, one of these: those that this history can show.
    pub kinds: Vec<FindingKind>,
    /// What was seen; or why nothing can be said.
    pub why: String,
    /// Whether it is certain that it is one of them; else this look cannot tell.
    pub certain: bool,
}

/// Looks at all of a history but what was shown to be wrong. The first of each sort that speaks against something.
pub(super) fn collect_counter_evidence(
    history: &History,
    question: &SessionRules,
    wrong: &HashSet<OpId>,
) -> Vec<CounterEvidence> {
    let mut look = Examination {
        history,
        question: *question,
        wrong,
        against: RefCell::default(),
        writers: HashMap::new(),
        creators: HashSet::new(),
        can_show: possible_kinds(history, question),
    };
    for op in history.operations() {
        if op.function == Function::CREATE {
            look.creators.insert(op.session);
        }
        if matches!(op.function, Function::CREATE | Function::WRITE | Function::PATCH)
            && op.outcome != Outcome::Fail
        {
            look.writers.entry(op.value()).or_default().push(op.id);
        }
    }
    let sessions = JoinedSessions::from_history(history);
    for members in &sessions.components {
        look.examine_session(&sessions, members);
    }
    look.examine_trails();
    look.examine_updates();
    look.report_unrecorded_kinds();
    look.against.into_inner()
}

/// What a history can show at all, of the kinds that are told apart by what else there is.
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

/// A look under way.
struct Examination<'a> {
    history: &'a History,
    question: SessionRules,
    wrong: &'a HashSet<OpId>,
    against: RefCell<Vec<CounterEvidence>>,
    /// Who wrote each value and did not fail.
    writers: HashMap<ValueId, Vec<OpId>>,
    /// Users who asked for a session of their own.
    creators: HashSet<SessionId>,
    /// What a history like this can show at all.
    can_show: Vec<FindingKind>,
}

impl Examination<'_> {
    fn report_contradiction(&self, kinds: &[FindingKind], id: Option<OpId>, why: &str) {
        let kinds: Vec<FindingKind> =
            kinds.iter().copied().filter(|kind| self.can_show.contains(kind)).collect();
        if self.against.borrow().iter().all(|known| known.kinds != kinds || !known.certain) {
            let at =
                id.map(|id| format!("operation {} ", self.history.operation_index(id))).unwrap_or_default();
            self.against.borrow_mut().push(CounterEvidence {
                kinds,
                why: format!("{at}{why}"),
                certain: true,
            });
        }
    }

    fn report_undecided(&self, kinds: &[FindingKind], why: &str) {
        if self.against.borrow().iter().all(|known| known.kinds != kinds || known.certain) {
            self.against.borrow_mut().push(CounterEvidence {
                kinds: kinds.to_vec(),
                why: why.to_owned(),
                certain: false,
            });
        }
    }

    fn is_wrong(&self, op: &Operation) -> bool {
        self.wrong.contains(&op.id)
    }

    /// One session under all its ids.
    fn examine_session(&self, sessions: &JoinedSessions, members: &[Operation]) {
        let once = members.iter().all(|op| sessions.births[op.key.index()].len() <= 1);
        let creations = members.iter().filter(|op| op.function == Function::CREATE).count();
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

/// The operations on sessions that did not fail, by session: ids that renewals join.
struct JoinedSessions {
    components: Vec<Vec<Operation>>,
    /// Which of them an id is in.
    of: Vec<u32>,
    /// What created each id, or renewed to it.
    births: Vec<Vec<Operation>>,
    /// By when each id had been found for certain, it or one that came from it; for ids that came from a renewal.
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
        // Whoever found an id found that the one before it had been renewed: from the last renewal to the first.
        for (old, new, op) in
            joined.iter().rev().filter(|(old, new, _)| old != new && births[new.index()].len() == 1)
        {
            if found_by[new.index()] > op.invoked {
                found_by[old.index()] = found_by[old.index()].min(found_by[new.index()]);
            }
        }
        // Names of components: the least id that can be reached, by repeated passes over the few renewals.
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
        let mut components: Vec<Vec<Operation>> = Vec::new();
        for op in history.operations().filter(about) {
            let place = &mut places[of[op.key.index()] as usize];
            if *place == u32::MAX {
                *place = components.len() as u32;
                components.push(Vec::new());
            }
            components[*place as usize].push(op);
        }
        Self { components, of, births, found_by }
    }
}

/// The id that a renewal gives, if any operation is about it.
fn renewed_id(history: &History, op: &Operation) -> Option<KeyId> {
    (op.function == Function::RENEW).then(|| history.keys.get(history.value_text(op.value())))?
}

/// Whether an operation, acknowledged, found the session there.
fn implies_presence(function: Function) -> bool {
    use Function as F;
    [F::WRITE, F::PATCH, F::TOUCH, F::RENEW, F::DESTROY].contains(&function)
}

/// Whether an answer says that the session was there.
fn found_session(op: &Operation) -> bool {
    op.outcome == Outcome::Ok
        && (implies_presence(op.function) || op.function == Function::READ && op.result != ValueId::NULL)
}

/// Whether an answer says that it was not.
fn found_no_session(op: &Operation) -> bool {
    op.outcome == Outcome::Ok && op.function == Function::READ && op.result == ValueId::NULL
}

/// By when an operation had taken effect for certain.
fn took_effect_by(op: &Operation) -> u32 {
    if op.outcome == Outcome::Ok { op.completed } else { NEVER }
}
