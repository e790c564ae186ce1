//! Checks that every acknowledged action was done, and that none was done more than once.
//!
//! An action has an id that is unique in the history, and the list of actions done for a user only grows. So an id that
//! is in a list twice, or in the lists of two users, was done repeatedly. An acknowledged action that is absent from a
//! list read afterwards was lost; if a later list contains it, the answer was merely stale.

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
    // For each user and action, the read that has it in its list and completed last.
    let mut last: FxHashMap<(KeyId, &str), OpId> = FxHashMap::default();
    for (read, list) in &lists {
        let completed = |id: OpId| history.completion_position(id);
        for &action in list {
            let known = last.entry((history.key(*read), action)).or_insert(*read);
            if completed(*known) < completed(*read) {
                *known = *read;
            }
        }
    }
    for (read, list) in &lists {
        judge_listed_actions(judge, *read, list, &requested);
        judge_missing_actions(judge, *read, list, by_user.get(&history.key(*read)), &last);
    }
    None
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

/// Finds acknowledged actions that are missing from a list.
fn judge_missing_actions(
    judge: &mut Judge<'_>,
    read: OpId,
    list: &[&str],
    acts: Option<&Vec<OpId>>,
    last: &FxHashMap<(KeyId, &str), OpId>,
) {
    let history = judge.facts.history;
    let began = history.invocation_position(read);
    let known: std::collections::BTreeSet<&str> = list.iter().copied().collect();
    for &act in acts.into_iter().flatten().filter(|&&act| acknowledged_position(history, act) < began) {
        let action = history.value_text(history.argument_value(act));
        if known.contains(action) {
            continue;
        }
        let later = last.get(&(history.key(read), action)).copied();
        let later = later.filter(|&later| history.completion_position(later) > began);
        let (kind, operations) = match later {
            Some(later) => (FindingKind::StaleSession, vec![read, act, later]),
            None => (FindingKind::LostAction, vec![act, read]),
        };
        judge.record_finding_against(kind, operations, FindingProof::Undone { read, act, later }, read);
    }
}
