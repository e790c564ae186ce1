//! Checks whether all replicas hold the same data in the end.

use super::presence::certainly_renews;
use super::{Judge, is_ok};
use claims::{Finding, FindingKind, FindingProof};
use histories::{ActorEvent, History, KeyId, OpId, Outcome, SessionId};
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;

/// Compares what the replicas held in the end. Returns why it could not, if the replicas were not read one by one.
pub(super) fn judge_replicas(judge: &mut Judge<'_>) -> Option<String> {
    let history = judge.facts.history;
    let reads = history.actor_events().iter().filter(|event| event.actor == "replica");
    let mut keys: Vec<&str> = Vec::new();
    let mut held: FxHashMap<&str, Vec<(&ActorEvent, &str)>> = FxHashMap::default();
    // Whether two replicas answered about one key.
    let (mut several, mut first_node) = (false, FxHashMap::<&str, &str>::default());
    for event in reads {
        // A replica that did not answer shows nothing.
        if super::faults::find_note_field(history, event.position, "error").is_some() {
            continue;
        }
        let Ok([node, key, value]) = serde_json::from_str::<[&RawValue; 3]>(&event.value) else { continue };
        let known = held.entry(key.get()).or_default();
        several |= node.get() != *first_node.entry(key.get()).or_insert(node.get());
        if known.is_empty() {
            keys.push(key.get());
        }
        known.push((event, value.get()));
    }
    if keys.is_empty() {
        return Some("no replica was read by itself".to_owned());
    }
    if !several {
        return Some("no two replicas were asked for the same key".to_owned());
    }
    for key in keys {
        let answers = &held[key];
        let one = answers[0];
        let differs = |other: &&(&ActorEvent, &str)| {
            other.1 != one.1 && !(either_is_null(one.1, other.1) && may_expire_between(judge, key, answers))
        };
        if let Some(other) = answers.iter().find(differs) {
            let id = history.keys.get(key);
            let session = id.and_then(|id| judge.facts.session_owner(judge.facts.index.component_of(id)));
            judge.findings.push(Finding {
                kind: FindingKind::DivergentReplicas,
                key: id.unwrap_or(KeyId::NONE),
                session: session.unwrap_or(SessionId::from_raw(0)),
                operations: Vec::new(),
                events: vec![other.0.position, one.0.position],
                faults: judge.facts.faults.active_between(0, other.0.position),
                proof: FindingProof::Differ { one: one.1.to_owned(), other: other.1.to_owned() },
            });
        }
    }
    None
}

fn either_is_null(one: &str, other: &str) -> bool {
    one == "null" || other == "null"
}

/// Whether the session may have expired while its replicas were read. Then one replica may still hold it.
fn may_expire_between(judge: &Judge<'_>, key: &str, answers: &[(&ActorEvent, &str)]) -> bool {
    let history = judge.facts.history;
    let Some(live_ns) = judge.facts.question.time_to_live_ns else { return false };
    let times: Option<Vec<i64>> = answers.iter().map(|(event, _)| event.time).collect();
    let (Some(times), Some(id)) = (times, history.keys.get(key)) else { return true };
    let members = judge.facts.index.members(judge.facts.index.component_of(id));
    let least = members.iter().filter(|&&id| certainly_renews(history, &judge.facts.question, id));
    let least = least.filter_map(|&id| history.invoked_at(id)).max();
    let most = latest_renewal_ns(judge, history, members);
    let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else { return true };
    let tolerance = judge.facts.question.tolerance_ns;
    let before = least.is_some_and(|ns| *last < ns + live_ns - tolerance);
    let after = most.is_some_and(|ns| *first > ns + live_ns + tolerance);
    !(before || after)
}

/// The time by which the last renewal was over. `None` if an indeterminate renewal may still take effect.
fn latest_renewal_ns(judge: &Judge<'_>, history: &History, members: &[OpId]) -> Option<i64> {
    let may = |id: &&OpId| {
        judge.facts.question.renewed_by.includes_function(history.function(**id))
            && history.outcome(**id) != Outcome::Fail
    };
    if members.iter().filter(may).any(|&id| !is_ok(history, id)) {
        return None;
    }
    members
        .iter()
        .filter(|&&id| certainly_renews(history, &judge.facts.question, id))
        .filter_map(|&id| history.completed_at(id))
        .max()
}
