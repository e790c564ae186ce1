//! Room for values: the times of the values of one field lie beside one another, and not across.
//!
//! A value was there from the first answer that shows it, at the latest, to the last request that got it, at the earliest.
//! Of two values one must be first; that neither can be is what *across* means. Values in order of their first answers, with
//! the latest request among all so far, tell it in one pass (Gibbons & Korach 1997, §4.2, where these are called zones).

use super::{Examination, JoinedSessions, took_effect_by};
use ::claims::FindingKind;
use histories::{Function, Id, NEVER, OpId, Operation, Outcome, ValueId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const OLD: &[FindingKind] = &[FindingKind::StaleSession, FindingKind::LostWrite];
const STRANGE: &[FindingKind] = &[FindingKind::TornSession, FindingKind::SessionLeak];

/// The life of one value of one field.
#[derive(Clone, Copy)]
struct ValueZone {
    /// When the first operation that shows it was over.
    shown: u32,
    /// When the last one that shows it began, and which.
    wanted: (u32, OpId),
    /// Whether the creation wrote it.
    first: bool,
}

impl Examination<'_> {
    /// What was read, part by part: each was written to this session, by its user, by then.
    pub(super) fn examine_values(&self, sessions: &JoinedSessions, members: &[Operation]) {
        for read in members.iter().filter(|op| self.returned_contents(op)) {
            let parts = self.parse_parts(read);
            let fits = parts.iter().all(|(_, text, _)| match self.writers_of_text(text)[..] {
                // Of a value that was written twice nobody knows which write is read.
                [_, _, ..] => true,
                [writer] => {
                    let writer = self.history.operation(writer);
                    let own = sessions.of[writer.key.index()] == sessions.of[read.key.index()];
                    let user = writer.session == read.session || !self.creators.contains(&read.session);
                    own && user && writer.invoked < read.completed
                }
                [] => false,
            });
            // One field is not a session.
            let partial = matches!(&parts[..], [(name, _, true)] if name.is_empty());
            if !fits || partial {
                self.report_contradiction(
                    STRANGE,
                    Some(read.id),
                    "returned what cannot have been written to it by then",
                );
            }
        }
    }

    /// Each field by itself, and what was written whole.
    pub(super) fn examine_contents(&self, members: &[Operation], creations: usize) {
        let mut fields: BTreeSet<Option<String>> = BTreeSet::from([None]);
        for patch in members.iter().filter(|op| op.function == Function::PATCH) {
            let payload: Option<Value> = serde_json::from_str(self.history.value_text(patch.value())).ok();
            fields.extend(payload.and_then(|payload| Some(Some(payload.get("field")?.as_str()?.to_owned()))));
        }
        let several = fields.len() > 1;
        for field in fields {
            self.examine_field(members, creations, field.as_deref());
        }
        for read in members.iter().filter(|op| several && self.returned_contents(op)) {
            let parts = self.parse_parts(read);
            let sole = |text: &str| match self.writers_of_text(text)[..] {
                [writer] => Some(self.history.operation(writer)),
                _ => None,
            };
            let whole = parts.iter().find(|(.., is_field)| !is_field).and_then(|(_, text, _)| sole(text));
            let Some(whole) = whole else { continue };
            let kept = parts.iter().filter(|(.., is_field)| *is_field).filter_map(|(_, text, _)| sole(text));
            if kept.into_iter().any(|patch| took_effect_by(&patch) < whole.invoked) {
                self.report_contradiction(
                    OLD,
                    Some(read.id),
                    "returned a field that had been replaced with the whole",
                );
            }
        }
    }

    fn examine_field(&self, members: &[Operation], creations: usize, field: Option<&str>) {
        let mut zones: BTreeMap<ValueId, ValueZone> = BTreeMap::new();
        for op in members.iter().filter(|op| !self.is_wrong(op)) {
            let writes = matches!(op.function, Function::CREATE | Function::WRITE | Function::PATCH);
            let value = if writes && op.outcome != Outcome::Fail {
                self.written_value(op, field)
            } else {
                self.read_value(op, field)
            };
            let Some(value) = value.filter(|value| self.writers.get(value).is_some_and(|all| all.len() == 1))
            else {
                continue;
            };
            let wanted = (op.invoked, op.id);
            let zone = zones.entry(value).or_insert(ValueZone { shown: NEVER, wanted, first: false });
            zone.shown = zone.shown.min(took_effect_by(op));
            zone.wanted = zone.wanted.max(wanted);
            zone.first |= op.function == Function::CREATE && creations == 1;
        }
        let mut zones: Vec<ValueZone> = zones.into_values().collect();
        zones.sort_unstable_by_key(|zone| zone.shown);
        let shown = zones.partition_point(|zone| zone.shown != NEVER);
        let mut latest: Vec<u32> = Vec::with_capacity(zones.len());
        for zone in &zones {
            latest.push(latest.last().copied().unwrap_or(0).max(zone.wanted.0));
        }
        for (at, zone) in zones.iter().enumerate() {
            // Those that were shown before this one was, and before it was last wanted.
            let before = zones[..at.min(shown)].partition_point(|other| other.shown < zone.wanted.0);
            let across = zone.shown != NEVER && before > 0 && latest[before - 1] > zone.shown;
            // A session is created first of all.
            let reads = self.history.function(zone.wanted.1) == Function::READ;
            let behind = reads
                && zone.first
                && (zones[..shown].iter()).any(|other| !other.first && other.shown < zone.wanted.0);
            if across || behind {
                return self.report_contradiction(
                    OLD,
                    Some(zone.wanted.1),
                    "shows a version that had been replaced, or one that replaced it does",
                );
            }
        }
    }

    fn written_value(&self, op: &Operation, field: Option<&str>) -> Option<ValueId> {
        let own = || {
            let payload: Option<Value> = serde_json::from_str(self.history.value_text(op.value())).ok();
            payload.is_some_and(|payload| payload.get("field").and_then(Value::as_str) == field)
        };
        (op.function != Function::PATCH || field.is_some() && own()).then(|| op.value())
    }

    /// What a read returned of a field: as it was patched, or else as the whole left it.
    fn read_value(&self, op: &Operation, field: Option<&str>) -> Option<ValueId> {
        if !self.returned_contents(op) {
            return None;
        }
        let parts = self.parse_parts(op);
        let own = parts.iter().find(|(name, _, is_field)| *is_field && Some(name.as_str()) == field);
        let whole = parts.iter().find(|(.., is_field)| !is_field);
        own.or(whole).and_then(|(_, text, _)| self.history.values.get(text))
    }

    fn returned_contents(&self, op: &Operation) -> bool {
        op.function == Function::READ && super::found_session(op) && !self.is_wrong(op)
    }

    fn writers_of_text(&self, text: &str) -> &[OpId] {
        let known = self.history.values.get(text).and_then(|value| self.writers.get(&value));
        known.map_or(&[], Vec::as_slice)
    }

    /// The parts of what was read: under which name, what as JSON, and whether it says to be one field.
    fn parse_parts(&self, read: &Operation) -> Vec<(String, String, bool)> {
        let text = self.history.value_text(read.result);
        let is_field = |part: &str| part.contains("\"field\":");
        if !text.starts_with("{\"fields\":") {
            return vec![(String::new(), text.to_owned(), is_field(text))];
        }
        let told: Option<Value> = serde_json::from_str(text).ok();
        let Some(fields) = told.and_then(|told| told.get("fields")?.as_object().cloned()) else {
            // What looks like fields and is none is one value, which somebody must have written.
            return vec![(String::new(), text.to_owned(), is_field(text))];
        };
        let set = fields.into_iter().filter(|(_, part)| !part.is_null());
        set.map(|(name, part)| {
            let text = part.to_string();
            let is_field = is_field(&text);
            (name, text, is_field)
        })
        .collect()
    }
}
