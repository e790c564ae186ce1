//! Checks that the audit trail has every critical operation once, and has nothing else.

use super::faults::FaultPeriods;
use super::index::acknowledged_position;
use super::{Judge, is_ok};
use claims::{Finding, FindingKind, FindingProof};
use histories::{ActorEvent, Function, History, Id, KeyId, OpId, Outcome, SessionId};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;

/// Identifies an event of the audit trail: the function, the id of the session, and the value.
type AuditEntryName<'a> = (&'a str, &'a str, &'a str);

/// Compares the audit trail with the requests. Returns why it could not, if the trail is missing or incomplete.
pub(super) fn judge_audit_trail(judge: &mut Judge<'_>) -> Option<String> {
    let history = judge.facts.history;
    let events = history.actor_events();
    let Some(told) = events.iter().find(|event| event.actor == "recorder" && event.function == "audit")
    else {
        return Some("no audit trail was recorded".to_owned());
    };
    let trail: Vec<&ActorEvent> = events.iter().filter(|event| event.actor == "audit").collect();
    if told.value.parse() != Ok(trail.len()) {
        return Some(format!(
            "the audit trail should have {} entries, and {} were recorded",
            told.value,
            trail.len()
        ));
    }
    let mut requests: FxHashMap<AuditEntryName<'_>, Vec<OpId>> = FxHashMap::default();
    for id in history.ids() {
        if let Some(name) = name_of_request(history, id) {
            requests.entry(name).or_default().push(id);
        }
    }
    let mut entries: FxHashMap<AuditEntryName<'_>, Vec<u32>> = FxHashMap::default();
    for entry in &trail {
        if let Some(name) = name_of_entry(entry) {
            entries.entry(name).or_default().push(entry.position);
        }
    }
    let mut names: Vec<AuditEntryName<'_>> = requests.keys().chain(entries.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let asked = requests.get(&name).map_or(&[][..], Vec::as_slice);
        let found = entries.get(&name).map_or(&[][..], Vec::as_slice);
        judge_entry_count(judge, name, asked, found);
    }
    find_out_of_order_entries(judge, &trail, &requests);
    None
}

/// The name under which the audit trail has a critical request.
fn name_of_request(history: &History, id: OpId) -> Option<AuditEntryName<'_>> {
    let op = history.operation(id);
    let value = match op.function {
        Function::CREATE | Function::DESTROY => "null",
        Function::RENEW | Function::ACT => history.value_text(op.value()),
        _ => return None,
    };
    Some((history.function_name(op.function), history.keys.text(op.key), value))
}

fn name_of_entry(entry: &ActorEvent) -> Option<AuditEntryName<'_>> {
    let [key, value]: [&RawValue; 2] = serde_json::from_str(&entry.value).ok()?;
    Some((&entry.function, key.get(), value.get()))
}

fn judge_entry_count(judge: &mut Judge<'_>, name: AuditEntryName<'_>, asked: &[OpId], found: &[u32]) {
    let history = judge.facts.history;
    let acknowledged = asked.iter().filter(|&&id| is_ok(history, id)).count();
    let possible = asked.iter().filter(|&&id| history.outcome(id) != Outcome::Fail).count();
    let kind = match found.len() {
        count if count < acknowledged => FindingKind::AuditMissing,
        count if count <= possible => return,
        _ if possible == 0 => FindingKind::AuditForged,
        _ => FindingKind::AuditDuplicated,
    };
    let proof = FindingProof::Entries { found: found.len(), acknowledged, possible };
    record_audit_finding(judge, kind, name.1, asked.to_vec(), found.to_vec(), proof);
}

/// Finds entries of one session whose order contradicts the order of their acknowledged requests. Each entry is
/// compared with the earlier entry whose request began last. O(n).
fn find_out_of_order_entries(
    judge: &mut Judge<'_>,
    trail: &[&ActorEvent],
    requests: &FxHashMap<AuditEntryName<'_>, Vec<OpId>>,
) {
    let history = judge.facts.history;
    // For each session, the entry so far whose request began last.
    let mut latest: FxHashMap<u32, (u32, OpId, u32)> = FxHashMap::default();
    let mut found = Vec::new();
    // An entry that appears again is duplicated, and was reported as such.
    let mut seen: FxHashSet<AuditEntryName<'_>> = FxHashSet::default();
    for entry in trail {
        let Some(name) = name_of_entry(entry).filter(|name| seen.insert(*name)) else { continue };
        // A failed request for the same event caused no entry.
        let causes = requests.get(&name).into_iter().flatten().copied();
        let mut causes = causes.filter(|&id| history.outcome(id) != Outcome::Fail);
        let (Some(request), None) = (causes.next(), causes.next()) else { continue };
        let component = judge.facts.index.component_of(history.key(request));
        let began = history.operation(request).invoked;
        if let Some(&(first_began, other, first)) = latest.get(&component)
            && acknowledged_position(history, request) < first_began
        {
            found.push((name.1, vec![request, other], first, entry.position));
        }
        let known = latest.entry(component).or_insert((began, request, entry.position));
        if began > known.0 {
            *known = (began, request, entry.position);
        }
    }
    for (key, operations, first, second) in found {
        let proof = FindingProof::OutOfOrder { first, second };
        record_audit_finding(judge, FindingKind::AuditForged, key, operations, vec![second, first], proof);
    }
}

fn record_audit_finding(
    judge: &mut Judge<'_>,
    kind: FindingKind,
    key: &str,
    operations: Vec<OpId>,
    events: Vec<u32>,
    proof: FindingProof,
) {
    let history = judge.facts.history;
    let key = history.keys.get(key).unwrap_or(KeyId::NONE);
    let session = operations.first().map(|&id| history.session(id));
    let session = session.unwrap_or_else(|| SessionId::new(0));
    let faults = faults_during(history, &judge.facts.faults, &operations);
    judge.findings.push(Finding { kind, key, session, operations, events, faults, proof });
}

fn faults_during(history: &History, faults: &FaultPeriods, operations: &[OpId]) -> Vec<u32> {
    let from = operations.iter().map(|&id| history.operation(id).invoked).min();
    let until = operations.iter().map(|&id| super::faults::end_position(history, id)).max();
    from.zip(until).map(|(from, until)| faults.active_between(from, until)).unwrap_or_default()
}
