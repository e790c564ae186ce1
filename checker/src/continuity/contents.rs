//! Does a session hold what was written to it?
//!
//! First each read by itself: every part of what it returned must have been written to this session, by an operation
//! that had begun and did not fail. Then all reads of a session together. Since each write writes another value, a
//! read names its write, and the operations on one field fall into *clusters*: a write and the reads of its value. A
//! field holds each of its values once, for one stretch of time; so if something of cluster `a` was over before
//! something of cluster `b` began, and something of `b` before something of `a`, no order explains them, and nothing
//! else makes a single register impossible (Gibbons & Korach, *Testing shared memories*, 1997, §4.2).
//!
//! Tried on every pair of clusters that is quadratic. Here the events are gone through in their order, and only the
//! two clusters are remembered of which something began last, among those of which something is over: when a read
//! begins, the latest other cluster contradicts it if any does. So the read that is reported is the one that was
//! wrong *when it was made*, and what it says is not held against later ones.
//!
//! A whole write is a write of every field: a field that is not there beside a whole is as that whole left it.

use super::Judge;
use super::index::{
    FieldContent, SessionContent, ValueWriter, acknowledged_position, is_torn_payload, parse_content,
    payload_field, payload_owner,
};
use claims::{FindingKind, FindingProof};
use histories::{Function, History, NEVER, OpId, Outcome, SessionId, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// Users who have a session of their own.
pub(super) fn users_with_sessions(history: &History) -> FxHashSet<SessionId> {
    let creations = history.ids().filter(|&id| history.function(id) == Function::CREATE);
    creations.map(|id| history.session(id)).collect()
}

/// Looks at what the operations of one component returned.
pub(super) fn judge_contents(
    judge: &mut Judge<'_>,
    component: u32,
    members: &[OpId],
    users: &FxHashSet<SessionId>,
) {
    let history = judge.history;
    let mut contents: FxHashMap<OpId, SessionContent> = FxHashMap::default();
    for &read in members.iter().filter(|&&id| returned_value(history, id).is_some()) {
        let content = parse_content(&history.values, history.operation(read).result);
        if let Some((kind, operations, proof)) =
            find_foreign_or_torn_part(judge, component, read, &content, users)
        {
            judge.record_finding(kind, operations, proof);
        }
        if content.whole != Some(history.operation(read).result) {
            contents.insert(read, content);
        }
    }
    let one_id = members.windows(2).all(|pair| history.key(pair[0]) == history.key(pair[1]));
    if !judge.index.is_single_session(component) && !one_id {
        return;
    }
    let fields = PatchedFields::from_members(judge, members);
    let mut reads: Vec<OpId> = contents.keys().copied().filter(|_| !fields.names.is_empty()).collect();
    reads.sort_unstable();
    for read in reads {
        let content = &contents[&read];
        find_uncleared_field(judge, read, content);
    }
    judge_fields(judge, component, members, &contents, &fields);
}

/// What a read returned, if it found something.
fn returned_value(history: &History, id: OpId) -> Option<ValueId> {
    let reads = history.function(id) == Function::READ && history.outcome(id) == Outcome::Ok;
    Some(history.operation(id).result).filter(|&value| reads && value != ValueId::NULL)
}

type ReadProblem = (FindingKind, Vec<OpId>, FindingProof);

/// What is wrong with what a read returned, whatever else happened.
fn find_foreign_or_torn_part(
    judge: &Judge<'_>,
    component: u32,
    read: OpId,
    content: &SessionContent,
    users: &FxHashSet<SessionId>,
) -> Option<ReadProblem> {
    let history = judge.history;
    let whole = content.whole.map(FieldContent::Known);
    let parts = whole.iter().chain(content.fields.iter().map(|(_, part)| part));
    for part in parts {
        let text = match part {
            FieldContent::Known(value) => history.value_text(*value),
            FieldContent::Unknown(text) => text,
        };
        let writer = match part {
            FieldContent::Known(value) => judge.index.writer_of(*value),
            FieldContent::Unknown(_) => ValueWriter::Nobody,
        };
        let unwritten = |writer: Option<OpId>| {
            let operations = [Some(read), writer].into_iter().flatten().collect();
            Some((FindingKind::TornSession, operations, FindingProof::Unwritten { read, writer }))
        };
        match writer {
            ValueWriter::Several => {}
            ValueWriter::One(writer) => {
                let elsewhere = judge.index.component_of(history.key(writer)) != component;
                let (reader, owner) = (history.session(read), history.session(writer));
                if elsewhere || (reader != owner && users.contains(&reader)) {
                    let owner = payload_owner(text).unwrap_or_else(|| history.session_text(owner).to_owned());
                    let proof = FindingProof::Foreign { read, writer: Some(writer), owner };
                    return Some((FindingKind::SessionLeak, vec![read, writer], proof));
                }
                if history.operation(writer).invoked > history.operation(read).completed {
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
                    known(owner)
                        .is_some_and(|owner| judge.session_owner(component).is_none_or(|mine| mine == owner))
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

/// The fields that were written by themselves in a component, and which of them each operation wrote: told once,
/// because telling takes a parser.
struct PatchedFields {
    names: Vec<String>,
    patched: FxHashMap<OpId, usize>,
}

impl PatchedFields {
    fn from_members(judge: &Judge<'_>, members: &[OpId]) -> Self {
        let history = judge.history;
        let (mut names, mut patched): (Vec<String>, _) = (Vec::new(), FxHashMap::default());
        for &id in members.iter().filter(|&&id| history.function(id) == Function::PATCH) {
            let Some(field) = payload_field(history.value_text(history.operation(id).value())) else {
                continue;
            };
            let number = names.iter().position(|name| *name == field).unwrap_or_else(|| {
                names.push(field);
                names.len() - 1
            });
            patched.insert(id, number);
        }
        Self { names, patched }
    }
}

/// A field as it was before the whole session was replaced, beside what replaced it.
fn find_uncleared_field(judge: &mut Judge<'_>, read: OpId, content: &SessionContent) {
    let history = judge.history;
    let one = |value: Option<ValueId>| match value.map(|value| judge.index.writer_of(value)) {
        Some(ValueWriter::One(writer)) => Some(writer),
        _ => None,
    };
    let Some(write) = one(content.whole).filter(|_| !judge.is_excluded(read)) else { return };
    for (field, part) in &content.fields {
        let FieldContent::Known(value) = part else { continue };
        let Some(patch) = one(Some(*value)) else { continue };
        if acknowledged_position(history, patch) < history.operation(write).invoked {
            let proof = FindingProof::Uncleared { read, field: field.clone(), patch, write };
            judge.record_finding(FindingKind::StaleSession, vec![read, patch, write], proof);
            return;
        }
    }
}

/// A write and the reads of its value, as far as they are known.
#[derive(Clone, Copy)]
struct FieldCluster {
    write: OpId,
    /// What was over first; nothing yet.
    first: Option<OpId>,
    /// What began last.
    last: OpId,
    /// Whether a read of it began after the store had settled.
    settled: bool,
}

/// A read that returned something old.
struct OldRead {
    read: OpId,
    cluster: usize,
    newer: usize,
    proof: FindingProof,
}

/// Each field by itself, and what was written whole.
fn judge_fields(
    judge: &mut Judge<'_>,
    component: u32,
    members: &[OpId],
    contents: &FxHashMap<OpId, SessionContent>,
    fields: &PatchedFields,
) {
    let history = judge.history;
    let mut events: Vec<(u32, bool, OpId)> = Vec::with_capacity(2 * members.len());
    for &id in members {
        let writes = matches!(history.function(id), Function::CREATE | Function::WRITE | Function::PATCH)
            && history.outcome(id) != Outcome::Fail;
        if (writes || returned_value(history, id).is_some()) && !judge.is_excluded(id) {
            let op = history.operation(id);
            events.push((op.invoked, false, id));
            if op.outcome == Outcome::Ok && op.completed != NEVER {
                events.push((op.completed, true, id));
            }
        }
    }
    events.sort_unstable();
    for field in std::iter::once(None).chain((0..fields.names.len()).map(Some)) {
        judge_field(judge, component, &events, contents, (fields, field));
    }
}

/// The value of a field that an operation wrote or returned; of no field: the whole.
fn value_of_field(
    history: &History,
    id: OpId,
    (fields, field): (&PatchedFields, Option<usize>),
    contents: &FxHashMap<OpId, SessionContent>,
) -> Option<ValueId> {
    let op = history.operation(id);
    match (op.function, field) {
        (Function::CREATE | Function::WRITE, _) => Some(op.value()),
        (Function::PATCH, None) => None,
        (Function::PATCH, Some(_)) => (fields.patched.get(&id).copied() == field).then(|| op.value()),
        _ => match (contents.get(&id), field) {
            (None, _) => Some(op.result),
            (Some(content), None) => content.whole,
            (Some(content), Some(field)) => {
                match content.fields.iter().find(|part| part.0 == fields.names[field]) {
                    Some((_, FieldContent::Known(value))) => Some(*value),
                    Some((_, FieldContent::Unknown(_))) => None,
                    None => content.whole,
                }
            }
        },
    }
}

fn judge_field(
    judge: &mut Judge<'_>,
    component: u32,
    events: &[(u32, bool, OpId)],
    contents: &FxHashMap<OpId, SessionContent>,
    (fields, field): (&PatchedFields, Option<usize>),
) {
    let history = judge.history;
    let name = field.map(|field| &fields.names[field]);
    let mut sweep = FieldSweep {
        clusters: Vec::new(),
        latest: [None, None],
        births: judge.index.count_creations(component),
    };
    let mut numbers: FxHashMap<ValueId, usize> = FxHashMap::default();
    let mut old: Vec<OldRead> = Vec::new();
    let mut passed: FxHashSet<OpId> = FxHashSet::default();
    for &(position, completes, id) in events {
        let Some(value) = value_of_field(history, id, (fields, field), contents) else { continue };
        let ValueWriter::One(write) = judge.index.writer_of(value) else { continue };
        if passed.contains(&id) {
            continue;
        }
        let clusters = &mut sweep.clusters;
        let number = *numbers.entry(value).or_insert_with(|| {
            clusters.push(FieldCluster { write, first: None, last: write, settled: false });
            clusters.len() - 1
        });
        if completes {
            sweep.record_completion(number, id);
            continue;
        }
        let reads = history.function(id) == Function::READ;
        if let Some((newer, proof)) = sweep.find_contradiction(history, number, id, name).filter(|_| reads) {
            passed.insert(id);
            old.push(OldRead { read: id, cluster: number, newer, proof });
            continue;
        }
        sweep.record_invocation(number, id);
        sweep.clusters[number].settled |= reads && judge.settled.is_some_and(|settled| position > settled);
    }
    for old in old {
        report_old_read(judge, &sweep.clusters, old);
    }
}

/// A read of something old: lost, if that is how the store settled.
fn report_old_read(judge: &mut Judge<'_>, clusters: &[FieldCluster], old: OldRead) {
    let history = judge.history;
    let settled = judge.settled.is_some_and(|settled| history.operation(old.read).invoked > settled);
    let newer = &clusters[old.newer];
    let acknowledged = history.outcome(newer.write) == Outcome::Ok;
    let older = clusters[old.cluster].write;
    // Of writes that overlapped nobody knows which was to survive.
    let in_turn = acknowledged_position(history, older) < history.operation(newer.write).invoked;
    let lost = settled && acknowledged && in_turn && !newer.settled;
    let mut operations = match lost {
        true => vec![newer.write, old.read],
        false => vec![old.read, newer.write],
    };
    if let FindingProof::Replaced { older, newer, shown, .. } = &old.proof {
        operations.extend([*older, *newer, *shown]);
    }
    if let FindingProof::BackToBirth { shown, .. } = &old.proof {
        operations.push(*shown);
    }
    operations.push(older);
    let mut seen = FxHashSet::default();
    operations.retain(|id| seen.insert(*id));
    let kind = if lost { FindingKind::LostWrite } else { FindingKind::StaleSession };
    if !judge.is_excluded(old.read) || lost {
        judge.record_finding_against(kind, operations, old.proof, old.read);
    }
}

/// Goes through the events of one register.
struct FieldSweep {
    clusters: Vec<FieldCluster>,
    /// The two clusters of which something began last, among those of which something is over.
    latest: [Option<usize>; 2],
    births: u32,
}

impl FieldSweep {
    /// What contradicts a read that begins now: something of another cluster is over, and something of it began
    /// after something of the read's own was over.
    fn find_contradiction(
        &self,
        history: &History,
        number: usize,
        read: OpId,
        field: Option<&String>,
    ) -> Option<(usize, FindingProof)> {
        let own = self.clusters[number];
        let other = self.latest.iter().flatten().copied().find(|&other| other != number)?;
        let cluster = self.clusters[other];
        let shown = cluster.first.expect("it is among those of which something is over");
        let began = history.operation(cluster.last).invoked;
        if let Some(older) = own.first.filter(|&older| acknowledged_position(history, older) < began) {
            let (newer, field) = (cluster.last, field.cloned());
            return Some((other, FindingProof::Replaced { read, field, older, newer, shown }));
        }
        // A session is created once and first of all.
        let first = history.function(own.write) == Function::CREATE && self.births == 1;
        let field = field.cloned();
        first.then_some((other, FindingProof::BackToBirth { read, field, birth: own.write, shown }))
    }

    fn record_invocation(&mut self, number: usize, id: OpId) {
        self.clusters[number].last = id;
        if self.clusters[number].first.is_some() {
            self.promote_cluster(number);
        }
    }

    fn record_completion(&mut self, number: usize, id: OpId) {
        if self.clusters[number].first.is_none() {
            self.clusters[number].first = Some(id);
            self.promote_cluster(number);
        }
    }

    /// Puts a cluster where it belongs among the latest two: operations are numbered as they began.
    fn promote_cluster(&mut self, number: usize) {
        let mut all: Vec<usize> = self.latest.iter().flatten().copied().chain([number]).collect();
        all.sort_by_key(|&cluster| std::cmp::Reverse(self.clusters[cluster].last));
        all.dedup();
        self.latest = [all.first().copied(), all.get(1).copied()];
    }
}
