//! Looks for old values: the zones of the values of one field must not conflict.
//!
//! The zone of a value extends from the completion of the first operation that shows it to the invocation of the last
//! operation that shows it. Of two values, one must precede the other; two zones *conflict* if neither order is
//! possible. If the values are sorted by the start of their zones, a running maximum of the ends finds a conflict in
//! one pass (Gibbons & Korach 1997, §4.2, which introduces zones).

use super::{Examination, JoinedSessions, took_effect_by};
use ::claims::FindingKind;
use histories::{Function, Id, NEVER, OpId, Operation, Outcome, ValueId};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

const OLD: &[FindingKind] = &[FindingKind::StaleSession, FindingKind::LostWrite];
const STRANGE: &[FindingKind] = &[FindingKind::TornSession, FindingKind::SessionLeak];

/// A part of what a read returned.
pub(super) struct ReadPart {
    name: String,
    /// The value of the part, if any operation mentions it.
    value: Option<ValueId>,
    /// Whether the part claims to be a single field.
    is_field: bool,
}

/// The parts of what an operation returned, if it returned contents.
type ReturnedParts = Option<Rc<[ReadPart]>>;

/// A value that several writes left, field by field.
#[derive(Deserialize)]
struct FieldMap<'a> {
    #[serde(borrow)]
    fields: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

/// What a write of a single field tells of itself.
#[derive(Deserialize)]
struct FieldPayload<'a> {
    #[serde(borrow)]
    field: Cow<'a, str>,
}

/// The zone of one value of one field.
#[derive(Clone, Copy)]
struct ValueZone {
    /// The completion of the first operation that shows the value.
    shown: u32,
    /// The invocation of the last operation that shows the value, and that operation.
    wanted: (u32, OpId),
    /// Whether the creation wrote the value.
    first: bool,
}

impl<'a> Examination<'a> {
    /// Checks each part of each read: it must have been written to this session, by its user, and in time.
    pub(super) fn examine_values(&self, sessions: &JoinedSessions, members: &[Operation]) {
        for read in members.iter().filter(|op| self.returned_contents(op)) {
            let parts = self.parse_parts(read);
            let fits = parts.iter().all(|part| match self.writers_of_part(part)[..] {
                // If a value was written twice, it is unknown which of the writes was read.
                [_, _, ..] => true,
                [writer] => {
                    let writer = self.survey.history.operation(writer);
                    let own = sessions.of[writer.key.index()] == sessions.of[read.key.index()];
                    let user =
                        writer.session == read.session || !self.survey.creators.contains(&read.session);
                    own && user && writer.invoked < read.completed
                }
                [] => false,
            });
            // A single field is not a session.
            let partial = matches!(&parts[..], [part] if part.is_field && part.name.is_empty());
            if !fits || partial {
                self.report_contradiction(
                    STRANGE,
                    Some(read.id),
                    "returned what cannot have been written to it by then",
                );
            }
        }
    }

    /// Checks each field by itself, and the session as a whole.
    pub(super) fn examine_contents(&self, members: &[Operation], creations: usize) {
        let mut patched: FxHashMap<OpId, Cow<'_, str>> = FxHashMap::default();
        for patch in members.iter().filter(|op| op.function == Function::PATCH) {
            let text = self.survey.history.value_text(patch.value());
            // A list would be taken for its first element.
            let payload: Option<FieldPayload<'_>> =
                text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten();
            patched.extend(payload.map(|payload| (patch.id, payload.field)));
        }
        let mut fields: BTreeSet<Option<&str>> = BTreeSet::from([None]);
        fields.extend(patched.values().map(|field| Some(&**field)));
        let several = fields.len() > 1;
        let contents: Vec<ReturnedParts> =
            members.iter().map(|op| self.returned_contents(op).then(|| self.parse_parts(op))).collect();
        for field in fields {
            self.examine_field((members, &contents), creations, field, &patched);
        }
        for read in members.iter().filter(|op| several && self.returned_contents(op)) {
            let parts = self.parse_parts(read);
            let sole = |part: &ReadPart| match self.writers_of_part(part)[..] {
                [writer] => Some(self.survey.history.operation(writer)),
                _ => None,
            };
            let Some(whole) = parts.iter().find(|part| !part.is_field).and_then(sole) else { continue };
            let mut kept = parts.iter().filter(|part| part.is_field).filter_map(sole);
            if kept.any(|patch| took_effect_by(&patch) < whole.invoked) {
                self.report_contradiction(
                    OLD,
                    Some(read.id),
                    "returned a field that had been replaced with the whole",
                );
            }
        }
    }

    /// Checks one field, or the whole. `contents` has the parts of what each member returned.
    fn examine_field(
        &self,
        (members, contents): (&[Operation], &[ReturnedParts]),
        creations: usize,
        field: Option<&str>,
        patched: &FxHashMap<OpId, Cow<'_, str>>,
    ) {
        let mut zones: FxHashMap<ValueId, ValueZone> = FxHashMap::default();
        for (op, contents) in members.iter().zip(contents).filter(|(op, _)| !self.is_wrong(op)) {
            let writes = matches!(op.function, Function::CREATE | Function::WRITE | Function::PATCH);
            let value = if writes && op.outcome != Outcome::Fail {
                let own = patched.get(&op.id).map(|field| &**field);
                (op.function != Function::PATCH || field.is_some() && own == field).then(|| op.value())
            } else {
                contents.as_ref().and_then(|parts| shown_value(parts, field))
            };
            let Some(value) = value else { continue };
            let wanted = (op.invoked, op.id);
            let zone = match zones.entry(value) {
                Entry::Occupied(zone) => zone.into_mut(),
                Entry::Vacant(place) if self.survey.writers.of(value.index()).len() == 1 => {
                    place.insert(ValueZone { shown: NEVER, wanted, first: false })
                }
                Entry::Vacant(_) => continue,
            };
            zone.shown = zone.shown.min(took_effect_by(op));
            zone.wanted = zone.wanted.max(wanted);
            zone.first |= op.function == Function::CREATE && creations == 1;
        }
        let mut zones: Vec<ValueZone> = zones.into_values().collect();
        zones.sort_unstable_by_key(|zone| (zone.shown, zone.wanted));
        let shown = zones.partition_point(|zone| zone.shown != NEVER);
        let mut latest: Vec<u32> = Vec::with_capacity(zones.len());
        for zone in &zones {
            latest.push(latest.last().copied().unwrap_or(0).max(zone.wanted.0));
        }
        for (at, zone) in zones.iter().enumerate() {
            // The values that were shown before this one was, and before its last read began.
            let before = zones[..at.min(shown)].partition_point(|other| other.shown < zone.wanted.0);
            let across = zone.shown != NEVER && before > 0 && latest[before - 1] > zone.shown;
            // The value of the creation precedes all other values.
            let reads = self.survey.history.function(zone.wanted.1) == Function::READ;
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

    fn returned_contents(&self, op: &Operation) -> bool {
        op.function == Function::READ && super::found_session(op) && !self.is_wrong(op)
    }

    fn writers_of_part(&self, part: &ReadPart) -> &[OpId] {
        part.value.map_or(&[], |value| self.survey.writers.of(value.index()))
    }

    /// The parts that a read returned. They are parsed once while a session is examined.
    fn parse_parts(&self, read: &Operation) -> Rc<[ReadPart]> {
        let mut known = self.parts.borrow_mut();
        Rc::clone(known.entry(read.result).or_insert_with(|| self.parse_value(read.result)))
    }

    fn parse_value(&self, value: ValueId) -> Rc<[ReadPart]> {
        let text = self.survey.history.value_text(value);
        let whole = || {
            let is_field = claims_to_be_field(text);
            Rc::from([ReadPart { name: String::new(), value: Some(value), is_field }])
        };
        if !text.starts_with("{\"fields\":") {
            return whole();
        }
        let told: Option<FieldMap<'_>> = serde_json::from_str(text).ok();
        let Some(FieldMap { fields }) = told else {
            // The text resembles a map of fields but is not one. It is treated as one value, which an operation must
            // have written.
            return whole();
        };
        // Values are canonical JSON, and so are their parts as they stand.
        let set =
            fields.into_iter().map(|(name, part)| (name, part.get())).filter(|(_, part)| *part != "null");
        set.map(|(name, text)| ReadPart { name: name.into_owned(), ..self.find_part(text) }).collect()
    }

    /// A part without its name. Most parts are in many answers of a session, so their texts are looked up once.
    fn find_part(&self, text: &'a str) -> ReadPart {
        let mut texts = self.part_texts.borrow_mut();
        let (value, is_field) = *texts
            .entry(text)
            .or_insert_with(|| (self.survey.history.values.get(text), claims_to_be_field(text)));
        ReadPart { name: String::new(), value, is_field }
    }
}

/// The value of a field in what a read returned: the field's own value, or else the whole session.
fn shown_value(parts: &[ReadPart], field: Option<&str>) -> Option<ValueId> {
    let own = parts.iter().find(|part| part.is_field && Some(part.name.as_str()) == field);
    let whole = parts.iter().find(|part| !part.is_field);
    own.or(whole).and_then(|part| part.value)
}

/// Whether a payload names the field that it is the content of.
fn claims_to_be_field(payload: &str) -> bool {
    payload.contains("\"field\":")
}
