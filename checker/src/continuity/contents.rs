//! Checks whether sessions hold what was written to them.
//!
//! First, each read is judged by itself. Every part of what it returned must have been written to this session, by an
//! operation that had begun and did not fail. Then all reads of a session are judged together, field by field
//! ([`super::fields`]).

use super::index::{ValueWriter, acknowledged_position};
use super::payload::{FieldContent, SessionContent, is_torn_payload, payload_owner};
use super::read_contents::{PatchedFields, ReadContents};
use super::{Judge, fields};
use claims::{FindingKind, FindingProof};
use histories::{Function, History, OpId, SessionId, ValueId};
use rustc_hash::FxHashSet;

/// The users who created a session.
pub(super) fn users_with_sessions(history: &History) -> FxHashSet<SessionId> {
    let creations = history.ids().filter(|&id| history.function(id) == Function::CREATE);
    creations.map(|id| history.session(id)).collect()
}

/// Judges what the reads of one component returned.
pub(super) fn judge_contents(
    judge: &mut Judge<'_>,
    component: u32,
    members: &[OpId],
    users: &FxHashSet<SessionId>,
) {
    let history = judge.facts.history;
    let contents = ReadContents::of_members(history, members);
    for &read in members {
        let Some(content) = contents.returned_by(history, read) else { continue };
        if let Some((kind, operations, proof)) =
            find_foreign_or_torn_part(judge, component, read, content, users)
        {
            judge.record_finding(kind, operations, proof);
        }
    }
    let one_id = members.windows(2).all(|pair| history.key(pair[0]) == history.key(pair[1]));
    if !judge.facts.index.is_single_session(component) && !one_id {
        return;
    }
    let patches = PatchedFields::from_members(history, members);
    for &read in members.iter().filter(|_| !patches.names.is_empty()) {
        if let Some(content) = contents.returned_by(history, read) {
            find_uncleared_field(judge, read, content);
        }
    }
    fields::judge_fields(judge, component, members, &contents, &patches);
}

type ReadProblem = (FindingKind, Vec<OpId>, FindingProof);

/// What is wrong with the value of a read, judged by itself.
fn find_foreign_or_torn_part(
    judge: &Judge<'_>,
    component: u32,
    read: OpId,
    content: &SessionContent<'_>,
    users: &FxHashSet<SessionId>,
) -> Option<ReadProblem> {
    let history = judge.facts.history;
    let whole = content.whole.map(FieldContent::Known);
    let parts = whole.iter().chain(content.fields.iter().map(|(_, part)| part));
    for part in parts {
        let text = match *part {
            FieldContent::Known(value) => history.value_text(value),
            FieldContent::Unknown(text) => text,
        };
        let writer = match part {
            FieldContent::Known(value) => judge.facts.index.writer_of(*value),
            FieldContent::Unknown(_) => ValueWriter::Nobody,
        };
        let unwritten = |writer: Option<OpId>| {
            let operations = [Some(read), writer].into_iter().flatten().collect();
            Some((FindingKind::TornSession, operations, FindingProof::Unwritten { read, writer }))
        };
        match writer {
            ValueWriter::Several => {}
            ValueWriter::One(writer) => {
                let elsewhere = judge.facts.index.component_of(history.key(writer)) != component;
                let (reader, owner) = (history.session(read), history.session(writer));
                if elsewhere || (reader != owner && users.contains(&reader)) {
                    let owner = payload_owner(text).unwrap_or_else(|| history.session_text(owner).to_owned());
                    let proof = FindingProof::Foreign { read, writer: Some(writer), owner };
                    return Some((FindingKind::SessionLeak, vec![read, writer], proof));
                }
                if history.invocation_position(writer) > history.completion_position(read) {
                    return unwritten(Some(writer));
                }
            }
            ValueWriter::Failed(writer) => return unwritten(Some(writer)),
            ValueWriter::Nobody => {
                let owner = payload_owner(text).filter(|_| !is_torn_payload(text));
                let known = |owner: &String| {
                    let mut quoted = String::new();
                    quoted.push_str(&serde_json::Value::from(owner.as_str()).to_string());
                    history.sessions.get(&quoted)
                };
                let mine = |owner: &String| {
                    known(owner).is_some_and(|owner| {
                        judge.facts.session_owner(component).is_none_or(|mine| mine == owner)
                    })
                };
                return match owner.filter(|owner| !mine(owner)) {
                    Some(owner) => {
                        let proof = FindingProof::Foreign { read, writer: None, owner };
                        Some((FindingKind::SessionLeak, vec![read], proof))
                    }
                    None => unwritten(None),
                };
            }
        }
    }
    content
        .torn
        .then(|| (FindingKind::TornSession, vec![read], FindingProof::Unwritten { read, writer: None }))
}

/// Finds a field with content from before the whole session was replaced, returned beside the replacement.
fn find_uncleared_field(judge: &mut Judge<'_>, read: OpId, content: &SessionContent<'_>) {
    let history = judge.facts.history;
    let one = |value: Option<ValueId>| match value.map(|value| judge.facts.index.writer_of(value)) {
        Some(ValueWriter::One(writer)) => Some(writer),
        _ => None,
    };
    let Some(write) = one(content.whole).filter(|_| !judge.is_excluded(read)) else { return };
    for (field, part) in &content.fields {
        let FieldContent::Known(value) = part else { continue };
        let Some(patch) = one(Some(*value)) else { continue };
        if acknowledged_position(history, patch) < history.invocation_position(write) {
            let field = field.clone().into_owned();
            let proof = FindingProof::Uncleared { read, field, patch, write };
            judge.record_finding(FindingKind::StaleSession, vec![read, patch, write], proof);
            return;
        }
    }
}
