//! Checks that every action that was acknowledged or seen stays done, and that none was done more than once.
//!
//! An action has an id that is unique in the history, and the list of actions done for a user only grows. So an id that
//! is in a list twice, or in the lists of two users, was done repeatedly. An action that was acknowledged or in a list, and is absent
//! from a list read afterwards, was lost; if a later list contains it, the answer was merely stale.

use super::index::acknowledged_position;
use super::{Judge, is_ok};
use claims::{FindingKind, FindingProof};
use histories::{Function, History, KeyId, OpId, Outcome};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;

/// Judges the actions. Returns why it could not, if the record is missing.
pub(super) fn judge_actions(judge: &mut Judge<'_>) -> Option<String> {
    let history = judge.facts.history;
    let reads: Vec<OpId> =
        history.ids().filter(|&id| history.function(id) == Function::ACTIONS && is_ok(history, id)).collect();
    let acts: Vec<OpId> = history.ids().filter(|&id| history.function(id) == Function::ACT).collect();
    if reads.is_empty() {
        let missing =
            if acts.is_empty() { "no actions were recorded" } else { "no list of actions was read" };
        return Some(missing.to_owned());
    }
    let mut asked: FxHashMap<&str, OpId> = FxHashMap::default();
    let mut by_user: FxHashMap<KeyId, Vec<OpId>> = FxHashMap::default();
    let mut own: FxHashSet<(KeyId, &str)> = FxHashSet::default();
    for &act in &acts {
        let action = history.value_text(history.argument_value(act));
        let known = asked.entry(action).or_insert(act);
        if history.outcome(*known) == Outcome::Fail {
            // The action was requested again after its first request had failed.
            *known = act;
        }
        if let Some(user) = history.keys.get(history.sessions.text(history.session(act))) {
            by_user.entry(user).or_default().push(act);
            if history.outcome(act) != Outcome::Fail {
                own.insert((user, action));
            }
        }
    }
    let requested = RequestedActions { first: asked, own };
    let mut lists: Vec<(OpId, Vec<&str>)> = Vec::new();
    for read in reads {
        match parse_action_list(history, read) {
            Some(list) => lists.push((read, list)),
            None => judge.record_finding(FindingKind::Unexplained, vec![read], FindingProof::NoList { read }),
        }
    }
    let mut shown: FxHashMap<(KeyId, &str), ShownAction> = FxHashMap::default();
    for (read, list) in &lists {
        let completed = |id: OpId| history.completion_position(id);
        for &action in list {
            let of_action = shown.entry((history.key(*read), action));
            let known = of_action.or_insert(ShownAction { first: *read, last: *read });
            if completed(*read) < completed(known.first) {
                known.first = *read;
            }
            if completed(known.last) < completed(*read) {
                known.last = *read;
            }
        }
    }
    for (read, list) in &lists {
        judge_listed_actions(judge, *read, list, &requested);
        judge_missing_actions(judge, *read, list, by_user.get(&history.key(*read)), &shown);
    }
    None
}

/// The reads that have an action of a user in their lists: those that completed first and last.
struct ShownAction {
    first: OpId,
    last: OpId,
}

/// Whether a list was read of a user who had requested an action by then.
pub(super) fn is_acting_user_read(history: &History) -> bool {
    let mut acted: FxHashMap<&str, u32> = FxHashMap::default();
    for op in history.operations().filter(|op| op.function == Function::ACT) {
        acted.entry(history.sessions.text(op.session)).or_insert(op.invoked);
    }
    let mut lists = history.operations().filter(|op| op.function == Function::ACTIONS);
    lists.any(|op| {
        op.outcome == Outcome::Ok
            && acted.get(history.keys.text(op.key)).is_some_and(|&invoked| invoked < op.completed)
    })
}

/// Whether the read of a list could have lacked an action: an action of the same user had been acknowledged before, or an earlier list could
/// have shown one. Later events never make this false.
pub(super) fn could_lack_an_action(history: &History) -> bool {
    let mut requested: FxHashMap<&str, u32> = FxHashMap::default();
    let mut known: FxHashMap<&str, u32> = FxHashMap::default();
    let mut note = |user, at: u32| {
        let first = known.entry(user).or_insert(at);
        *first = at.min(*first);
    };
    for op in history.operations().filter(|op| op.function == Function::ACT) {
        let user = history.sessions.text(op.session);
        requested.entry(user).or_insert(op.invoked);
        if op.outcome == Outcome::Ok {
            note(user, op.completed);
        }
    }
    let lists =
        || history.operations().filter(|op| op.function == Function::ACTIONS && op.outcome == Outcome::Ok);
    for op in lists() {
        let user = history.keys.text(op.key);
        if requested.get(user).is_some_and(|&invoked| invoked < op.completed) {
            note(user, op.completed);
        }
    }
    lists().any(|op| known.get(history.keys.text(op.key)).is_some_and(|&at| at < op.invoked))
}

/// The actions in a list, as JSON. `null` is the empty list.
fn parse_action_list(history: &History, read: OpId) -> Option<Vec<&str>> {
    let text = history.value_text(history.result(read));
    let parsed: Option<Vec<&RawValue>> = serde_json::from_str(text).ok()?;
    Some(parsed.unwrap_or_default().into_iter().map(RawValue::get).collect())
}

/// The actions that users requested.
struct RequestedActions<'h> {
    /// By action: the first request that did not fail, or else one that did.
    first: FxHashMap<&'h str, OpId>,
    /// The users with the actions that they requested themselves. An action that two users requested belongs to both.
    own: FxHashSet<(KeyId, &'h str)>,
}

/// Finds actions in a list that should not be there, or that are there too often.
fn judge_listed_actions(judge: &mut Judge<'_>, read: OpId, list: &[&str], requested: &RequestedActions<'_>) {
    let history = judge.facts.history;
    let mut times: FxHashMap<&str, usize> = FxHashMap::default();
    list.iter().for_each(|action| *times.entry(action).or_default() += 1);
    let mut told: Vec<(&str, usize)> = times.into_iter().collect();
    told.sort_unstable();
    for (action, times) in told {
        let act = requested.first.get(action).copied();
        let owner = act.map(|act| history.session(act));
        if let (Some(act), Some(owner)) = (act, owner)
            && history.keys.get(history.sessions.text(owner)) != Some(history.key(read))
            && !requested.own.contains(&(history.key(read), action))
        {
            let owner = history.session_text(owner).to_owned();
            let proof = FindingProof::Foreign { read, writer: Some(act), owner };
            judge.record_finding(FindingKind::SessionLeak, vec![read, act], proof);
        }
        let operations: Vec<OpId> = [Some(read), act].into_iter().flatten().collect();
        if times > 1 {
            let proof = FindingProof::Repeated { read, act, action: action.to_owned(), times };
            judge.record_finding(FindingKind::DuplicatedAction, operations.clone(), proof);
        }
        let possible = act.is_some_and(|act| {
            history.outcome(act) != Outcome::Fail
                && history.invocation_position(act) < history.completion_position(read)
        });
        if !possible {
            let proof = FindingProof::Unasked { read, action: action.to_owned(), act };
            judge.record_finding(FindingKind::Unexplained, operations, proof);
        }
    }
}

/// Finds actions that are missing from a list although they were acknowledged or seen before.
fn judge_missing_actions(
    judge: &mut Judge<'_>,
    read: OpId,
    list: &[&str],
    acts: Option<&Vec<OpId>>,
    shown: &FxHashMap<(KeyId, &str), ShownAction>,
) {
    let history = judge.facts.history;
    let (key, began) = (history.key(read), history.invocation_position(read));
    let mut known: FxHashSet<&str> = list.iter().copied().collect();
    let action = |act: OpId| history.value_text(history.argument_value(act));
    let is_acknowledged = |act: OpId| acknowledged_position(history, act) < began;
    let seen_before = |act: OpId| {
        let first = shown.get(&(key, action(act)))?.first;
        (history.outcome(act) != Outcome::Fail && history.completion_position(first) < began).then_some(first)
    };
    let acts = || acts.into_iter().flatten().copied();
    let acknowledged = acts().filter(|&act| is_acknowledged(act) && !known.contains(action(act)));
    let mut missing: Vec<(OpId, Option<OpId>)> = acknowledged.map(|act| (act, None)).collect();
    known.extend(missing.iter().map(|&(act, _)| action(act)));
    for act in acts() {
        if let Some(seen) = seen_before(act)
            && known.insert(action(act))
        {
            missing.push((act, Some(seen)));
        }
    }
    for (act, seen) in missing {
        let last = shown.get(&(key, action(act))).map(|shown| shown.last);
        let later = last.filter(|&later| history.completion_position(later) > began);
        let (kind, operations) = match later {
            Some(later) => (FindingKind::StaleSession, [Some(read), Some(act), seen, Some(later)]),
            None => (FindingKind::LostAction, [Some(act), seen, Some(read), None]),
        };
        let proof = FindingProof::Undone { read, act, seen, later };
        judge.record_finding_against(kind, operations.into_iter().flatten().collect(), proof, read);
    }
}
