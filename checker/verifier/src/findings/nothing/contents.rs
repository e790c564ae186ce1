//! Looks for old values: the zones of the values of one field must not conflict.
//!
//! The zone of a value extends from the completion of the first operation that shows it to the invocation of the last
//! operation that shows it. Of two values, one must precede the other; two zones *conflict* if neither order is
//! possible. If the values are sorted by the start of their zones, a running maximum of the ends finds a conflict in
//! one pass (Gibbons & Korach 1997, §4.2, which introduces zones).

use super::{Examination, JoinedSessions, took_effect_by};
use ::claims::FindingKind;
use histories::{Function, Id, KeyId, NEVER, OpId, Operation, Outcome, SessionId, ValueId};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

const OLD: &[FindingKind] = &[FindingKind::StaleSession, FindingKind::LostWrite];
const STRANGE: &[FindingKind] = &[FindingKind::TornSession, FindingKind::SessionLeak];

/// A part of what a read returned.
struct ReadPart {
    /// The number of the field's name in this session; that of the empty name if the read returned one value.
    field: FieldNumber,
    told: PartFacts,
}

/// The number of a field's name among those of one session.
type FieldNumber = u32;

/// What is known of a part, whichever field it is the content of.
#[derive(Clone, Copy)]
struct PartFacts {
    /// The value of the part, if any operation mentions it.
    value: Option<ValueId>,
    /// Whether the part claims to be a single field.
    is_field: bool,
    writers: PartWriters,
}

/// The operations that wrote a part and did not fail.
#[derive(Clone, Copy)]
enum PartWriters {
    Nobody,
    One(PartWrite),
    /// It is unknown which of them was read.
    Several,
}

/// What the examination needs of the only operation that wrote a part.
#[derive(Clone, Copy)]
struct PartWrite {
    key: KeyId,
    user: SessionId,
    invoked: u32,
    /// The position by which it had certainly taken effect.
    done_by: u32,
}

/// What the reads of one session returned. Most parts are in many answers, and are looked up once.
#[derive(Default)]
pub(super) struct SessionContents<'a> {
    by_value: FxHashMap<ValueId, Rc<[ReadPart]>>,
    by_text: FxHashMap<&'a str, PartFacts>,
    names: FxHashMap<Cow<'a, str>, FieldNumber>,
}

impl<'a> SessionContents<'a> {
    /// Forgets them before the next session.
    pub(super) fn clear(&mut self) {
        self.by_value.clear();
        self.by_text.clear();
        self.names.clear();
    }

    fn number_of_field(&mut self, name: Cow<'a, str>) -> FieldNumber {
        let next = self.names.len() as FieldNumber;
        *self.names.entry(name).or_insert(next)
    }
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
    /// Remembers what the operations of a session wrote. Nearly all parts of its reads are among that, and are then found without the
    /// table of all values.
    pub(super) fn remember_writes(&self, members: &[Operation]) {
        let mut contents = self.contents.borrow_mut();
        let writes =
            |op: &&Operation| matches!(op.function, Function::CREATE | Function::WRITE | Function::PATCH);
        for write in members.iter().filter(writes) {
            let text = self.survey.history.value_text(write.value());
            let find = || self.facts_of_part(text, Some(write.value()));
            contents.by_text.entry(text).or_insert_with(find);
        }
    }

    /// Checks each part of each read: it must have been written to this session, by its user, and in time.
    pub(super) fn examine_values(&self, sessions: &JoinedSessions, members: &[Operation]) {
        for read in members.iter().filter(|op| self.returned_contents(op)) {
            let parts = self.parse_parts(read);
            let fits = parts.iter().all(|part| match part.told.writers {
                PartWriters::Several => true,
                PartWriters::One(write) => {
                    let own = sessions.of[write.key.index()] == sessions.of[read.key.index()];
                    let user = write.user == read.session || !self.survey.creators.contains(&read.session);
                    own && user && write.invoked < read.completed
                }
                PartWriters::Nobody => false,
            });
            // A single field is not a session.
            let partial =
                matches!(&parts[..], [part] if part.told.is_field && part.field == self.unnamed_field());
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
        let mut patched: FxHashMap<OpId, FieldNumber> = FxHashMap::default();
        let mut fields: BTreeMap<Cow<'_, str>, FieldNumber> = BTreeMap::new();
        for patch in members.iter().filter(|op| op.function == Function::PATCH) {
            let text = self.survey.history.value_text(patch.value());
            // A list would be taken for its first element.
            let payload: Option<FieldPayload<'_>> =
                text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten();
            let Some(FieldPayload { field }) = payload else { continue };
            let number = self.contents.borrow_mut().number_of_field(field.clone());
            patched.insert(patch.id, number);
            fields.insert(field, number);
        }
        let contents: Vec<ReturnedParts> =
            members.iter().map(|op| self.returned_contents(op).then(|| self.parse_parts(op))).collect();
        for field in std::iter::once(None).chain(fields.values().map(|&field| Some(field))) {
            self.examine_field((members, &contents), creations, field, &patched);
        }
        if fields.is_empty() {
            return;
        }
        for (read, parts) in members.iter().zip(&contents) {
            let Some(parts) = parts else { continue };
            let sole = |part: &ReadPart| match part.told.writers {
                PartWriters::One(write) => Some(write),
                _ => None,
            };
            let Some(whole) = parts.iter().find(|part| !part.told.is_field).and_then(sole) else { continue };
            let mut kept = parts.iter().filter(|part| part.told.is_field).filter_map(sole);
            if kept.any(|patch| patch.done_by < whole.invoked) {
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
        field: Option<FieldNumber>,
        patched: &FxHashMap<OpId, FieldNumber>,
    ) {
        let mut zones: FxHashMap<ValueId, ValueZone> = FxHashMap::default();
        for (op, contents) in members.iter().zip(contents).filter(|(op, _)| !self.is_wrong(op)) {
            let writes = matches!(op.function, Function::CREATE | Function::WRITE | Function::PATCH);
            let value = if writes && op.outcome != Outcome::Fail {
                let own = patched.get(&op.id).copied();
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

    /// The number of the field of a value that is not a part of something.
    fn unnamed_field(&self) -> FieldNumber {
        self.contents.borrow_mut().number_of_field(Cow::Borrowed(""))
    }

    /// The parts that a read returned. They are parsed once while a session is examined.
    fn parse_parts(&self, read: &Operation) -> Rc<[ReadPart]> {
        let mut contents = self.contents.borrow_mut();
        if let Some(known) = contents.by_value.get(&read.result) {
            return Rc::clone(known);
        }
        let parts = self.parse_value(read.result, &mut contents);
        contents.by_value.insert(read.result, Rc::clone(&parts));
        parts
    }

    fn parse_value(&self, value: ValueId, contents: &mut SessionContents<'a>) -> Rc<[ReadPart]> {
        let text = self.survey.history.value_text(value);
        let told: Option<FieldMap<'a>> =
            text.starts_with("{\"fields\":").then(|| serde_json::from_str(text).ok()).flatten();
        let Some(FieldMap { fields }) = told else {
            // A text that resembles a map of fields but is not one is treated as one value, which an operation must
            // have written.
            let field = contents.number_of_field(Cow::Borrowed(""));
            return Rc::from([ReadPart { field, told: self.facts_of_part(text, Some(value)) }]);
        };
        // Values are canonical JSON, and so are their parts as they stand.
        let set =
            fields.into_iter().map(|(name, part)| (name, part.get())).filter(|(_, part)| *part != "null");
        let parts = set.map(|(name, text)| {
            let find = || self.facts_of_part(text, self.survey.history.values.get(text));
            let told = *contents.by_text.entry(text).or_insert_with(find);
            ReadPart { field: contents.number_of_field(name), told }
        });
        parts.collect()
    }

    fn facts_of_part(&self, text: &str, value: Option<ValueId>) -> PartFacts {
        let writers = match value.map_or(&[][..], |value| self.survey.writers.of(value.index())) {
            [] => PartWriters::Nobody,
            &[writer] => {
                let write = self.survey.history.operation(writer);
                let (key, user, invoked) = (write.key, write.session, write.invoked);
                PartWriters::One(PartWrite { key, user, invoked, done_by: took_effect_by(&write) })
            }
            _ => PartWriters::Several,
        };
        PartFacts { value, is_field: claims_to_be_field(text), writers }
    }
}

/// The value of a field in what a read returned: the field's own value, or else the whole session.
fn shown_value(parts: &[ReadPart], field: Option<FieldNumber>) -> Option<ValueId> {
    let own = parts.iter().find(|part| part.told.is_field && Some(part.field) == field);
    let whole = parts.iter().find(|part| !part.told.is_field);
    own.or(whole).and_then(|part| part.told.value)
}

/// Whether a payload names the field that it is the content of.
fn claims_to_be_field(payload: &str) -> bool {
    payload.contains("\"field\":")
}
