//! Checks that the audit trail has every critical operation once, and has nothing else.

use super::faults::FaultPeriods;
use super::index::acknowledged_position;
use super::{Judge, is_ok};
use claims::{Finding, FindingKind, FindingProof};
use histories::{ActorEvent, Function, History, Id, KeyId, OpId, Outcome, SessionId};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

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
    let mut tallies: FxHashMap<AuditEntryName<'_>, EventTally> = FxHashMap::default();
    for id in history.ids() {
        if let Some(name) = name_of_request(history, id) {
            tallies.entry(name).or_default().add_request(history, id);
        }
    }
    for name in trail.iter().filter_map(|entry| name_of_entry(entry)) {
        tallies.entry(name).or_default().entries += 1;
    }
    record_wrong_counts(judge, &trail, &tallies);
    find_out_of_order_entries(judge, &trail, &tallies);
    None
}

/// How often an event was requested, and how often it is in the trail.
#[derive(Clone, Copy, Default)]
struct EventTally {
    acknowledged: usize,
    /// The requests that did not fail.
    possible: usize,
    /// One of the requests that did not fail.
    cause: Option<OpId>,
    entries: usize,
}

impl EventTally {
    fn add_request(&mut self, history: &History, id: OpId) {
        self.acknowledged += usize::from(is_ok(history, id));
        if history.outcome(id) != Outcome::Fail {
            self.possible += 1;
            self.cause = Some(id);
        }
    }

    /// What the number of entries shows, if it is not a possible one.
    fn finding_kind(&self) -> Option<FindingKind> {
        match self.entries {
            count if count < self.acknowledged => Some(FindingKind::AuditMissing),
            count if count <= self.possible => None,
            _ if self.possible == 0 => Some(FindingKind::AuditForged),
            _ => Some(FindingKind::AuditDuplicated),
        }
    }
}

/// Records the events that are in the trail too often or not often enough, in the order of their names. Only of these are the
/// requests and the entries collected.
fn record_wrong_counts(
    judge: &mut Judge<'_>,
    trail: &[&ActorEvent],
    tallies: &FxHashMap<AuditEntryName<'_>, EventTally>,
) {
    let history = judge.facts.history;
    let wrong = tallies.iter().filter_map(|(name, tally)| Some((*name, (tally.finding_kind()?, *tally))));
    let wrong: BTreeMap<AuditEntryName<'_>, (FindingKind, EventTally)> = wrong.collect();
    if wrong.is_empty() {
        return;
    }
    let mut asked: FxHashMap<AuditEntryName<'_>, Vec<OpId>> = FxHashMap::default();
    let mut found: FxHashMap<AuditEntryName<'_>, Vec<u32>> = FxHashMap::default();
    for id in history.ids() {
        if let Some(name) = name_of_request(history, id).filter(|name| wrong.contains_key(name)) {
            asked.entry(name).or_default().push(id);
        }
    }
    for entry in trail {
        if let Some(name) = name_of_entry(entry).filter(|name| wrong.contains_key(name)) {
            found.entry(name).or_default().push(entry.position);
        }
    }
    for (name, (kind, tally)) in wrong {
        let EventTally { acknowledged, possible, entries, .. } = tally;
        let proof = FindingProof::Entries { found: entries, acknowledged, possible };
        let (asked, found) = (asked.remove(&name), found.remove(&name));
        record_audit_finding(
            judge,
            kind,
            name.1,
            asked.unwrap_or_default(),
            found.unwrap_or_default(),
            proof,
        );
    }
}

/// Whether a request was made that belongs in the trail, and acknowledged if that is asked. Without any, none can be missing.
pub(super) fn has_request(history: &History, acknowledged: bool) -> bool {
    let counts = |id: OpId| if acknowledged { is_ok(history, id) } else { true };
    history.ids().any(|id| counts(id) && name_of_request(history, id).is_some())
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

/// Finds entries of one session whose order contradicts the order of their acknowledged requests. Each entry is
/// compared with the earlier entry whose request began last. O(n).
fn find_out_of_order_entries(
    judge: &mut Judge<'_>,
    trail: &[&ActorEvent],
    tallies: &FxHashMap<AuditEntryName<'_>, EventTally>,
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
        let only = tallies.get(&name).filter(|tally| tally.possible == 1);
        let Some(request) = only.and_then(|tally| tally.cause) else { continue };
        let component = judge.facts.index.component_of(history.key(request));
        let began = history.invocation_position(request);
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
    let from = operations.iter().map(|&id| history.invocation_position(id)).min();
    let until = operations.iter().map(|&id| super::faults::end_position(history, id)).max();
    from.zip(until).map(|(from, until)| faults.active_between(from, until)).unwrap_or_default()
}
