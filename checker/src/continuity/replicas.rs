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
    // By key: the last answer of each node. What a node held before, it no longer held in the end.
    let mut held: FxHashMap<&str, Vec<ReplicaAnswer<'_>>> = FxHashMap::default();
    // Whether two replicas answered about one key.
    let mut several = false;
    for event in reads {
        // A replica that did not answer shows nothing.
        if super::faults::find_note_field(history, event.position, "error").is_some() {
            continue;
        }
        let Ok([node, key, value]) = serde_json::from_str::<[&RawValue; 3]>(&event.value) else { continue };
        let known = held.entry(key.get()).or_default();
        if known.is_empty() {
            keys.push(key.get());
        }
        let answer = ReplicaAnswer { node: node.get(), event, value: value.get() };
        match known.iter_mut().find(|before| before.node == answer.node) {
            Some(before) => *before = answer,
            None => known.push(answer),
        }
        several |= known.len() > 1;
    }
    if keys.is_empty() {
        return Some("no replica was read by itself".to_owned());
    }
    if !several {
        return Some("no two replicas were asked for the same key".to_owned());
    }
    for key in keys {
        let answers = &held[key];
        let one = &answers[0];
        let differs = |other: &&ReplicaAnswer<'_>| {
            other.value != one.value
                && !(either_is_null(one.value, other.value) && may_expire_between(judge, key, answers))
        };
        if let Some(other) = answers.iter().find(differs) {
            let id = history.keys.get(key);
            let session = id.and_then(|id| judge.facts.session_owner(judge.facts.index.component_of(id)));
            judge.findings.push(Finding {
                kind: FindingKind::DivergentReplicas,
                key: id.unwrap_or(KeyId::NONE),
                session: session.unwrap_or(SessionId::from_raw(0)),
                operations: Vec::new(),
                events: vec![other.event.position, one.event.position],
                faults: judge.facts.faults.active_between(0, other.event.position),
                proof: FindingProof::Differ { one: one.value.to_owned(), other: other.value.to_owned() },
            });
        }
    }
    None
}

/// What one node held under a key.
struct ReplicaAnswer<'a> {
    node: &'a str,
    event: &'a ActorEvent,
    /// As JSON.
    value: &'a str,
}

fn either_is_null(one: &str, other: &str) -> bool {
    one == "null" || other == "null"
}

/// Whether the session may have expired while its replicas were read. Then one replica may still hold it.
fn may_expire_between(judge: &Judge<'_>, key: &str, answers: &[ReplicaAnswer<'_>]) -> bool {
    let history = judge.facts.history;
    let Some(live_ns) = judge.facts.question.time_to_live_ns else { return false };
    let times: Option<Vec<i64>> = answers.iter().map(|answer| answer.event.time).collect();
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
