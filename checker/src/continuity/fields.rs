//! Judges each field of a session by itself: no read may return a value that was replaced before it began.
//!
//! Each write writes a different value, so a read identifies its write. The operations on one field form *clusters*: a
//! write and the reads of its value. A field holds each of its values once, during one interval. So two clusters a and b
//! contradict one another if some operation of a was over before some operation of b began, and the other way round. A
//! single register is impossible only if two clusters contradict one another (Gibbons & Korach, *Testing shared
//! memories*, 1997, §4.2).
//!
//! Comparing all pairs of clusters would be quadratic. This sweep visits the events in order. Among the clusters that
//! have a finished operation, it remembers the two whose latest operation began last. When a read begins, it is
//! contradicted by any cluster only if the latest *other* cluster contradicts it. So the sweep reports the read that
//! was wrong *when it was made*, and does not use that read as evidence against later reads.
//!
//! A write of the whole session is a write of every field. A field that is absent beside a whole value has the content
//! that the whole write gave it. Values are numbered once for all fields, so that a sweep looks nothing up by a hash.

use super::Judge;
use super::events::{OrderedEvent, OrderedEvents};
use super::index::{ValueWriter, acknowledged_position};
use super::payload::{FieldContent, SessionContent};
use super::read_contents::{PatchedFields, ReadContents};
use claims::{FindingKind, FindingProof};
use histories::{Function, History, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;

/// A write and the reads of its value that were visited so far.
#[derive(Clone, Copy)]
struct FieldCluster {
    write: OpId,
    /// The operation that was over first; `None` if none is over yet.
    first: Option<OpId>,
    /// The operation that began last.
    last: OpId,
    /// The last completion of a read of the value that began after the store had settled.
    settled_until: Option<u32>,
}

/// A read that returned an outdated value.
struct OldRead {
    read: OpId,
    cluster: usize,
    newer: usize,
    proof: FindingProof,
}

/// Judges each field by itself, and the value that was written as a whole.
pub(super) fn judge_fields(
    judge: &mut Judge<'_>,
    component: u32,
    members: &[OpId],
    contents: &ReadContents<'_>,
    patches: &PatchedFields<'_>,
) {
    let operations = ContentOperations::collect(judge, members, contents, patches);
    let names = patches.names.iter().map(|name| Some(&**name));
    for (field, name) in std::iter::once(None).chain(names).enumerate() {
        judge_field(judge, component, &operations, field, name);
    }
}

/// Stands for no value, or no cluster.
const NONE: u32 = u32::MAX;

/// What an operation wrote or returned, by the number of the value. Fields are numbered from 1; 0 is the value of the whole session.
#[derive(Clone, Copy)]
enum ShownValue {
    /// The value of every field, and of the whole.
    Whole(u32),
    /// The value of one field.
    Field(u32, u32),
    /// The values of a content: the row of `parts`.
    Parts(u32),
}

/// The operations of a session that write or return contents.
struct ContentOperations {
    operations: Vec<(OpId, ShownValue)>,
    /// The places are those of the operations.
    events: OrderedEvents,
    /// For each content, the number of the value of the whole and of each field.
    parts: Vec<u32>,
    /// The number of entries of a content in `parts`.
    width: usize,
    /// The write of each value that was written once.
    writes: Vec<OpId>,
}

impl ContentOperations {
    fn collect(
        judge: &Judge<'_>,
        members: &[OpId],
        contents: &ReadContents<'_>,
        patches: &PatchedFields<'_>,
    ) -> Self {
        let history = judge.facts.history;
        let mut numbers = ValueNumbers { judge, numbers: FxHashMap::default(), writes: Vec::new() };
        let width = patches.names.len() + 1;
        let parts = contents.list.iter().flat_map(|content| numbers.parts_of(content, &patches.names));
        let parts: Vec<u32> = parts.collect();
        let mut operations = Vec::with_capacity(members.len());
        for &id in members.iter().filter(|&&id| !judge.is_excluded(id)) {
            let written = || history.argument_value(id);
            let shown = match history.function(id) {
                Function::CREATE | Function::WRITE | Function::PATCH
                    if history.outcome(id) == Outcome::Fail =>
                {
                    continue;
                }
                Function::CREATE | Function::WRITE => ShownValue::Whole(numbers.number(written())),
                Function::PATCH => match patches.field_of(id) {
                    Some(field) => ShownValue::Field(field + 1, numbers.number(written())),
                    None => continue,
                },
                _ => match contents.place_of(history, id) {
                    Some(place) => ShownValue::Parts(place),
                    None => continue,
                },
            };
            operations.push((id, shown));
        }
        let events = OrderedEvents::of_operations(history, operations.iter().map(|&(id, _)| id));
        Self { operations, events, parts, width, writes: numbers.writes }
    }

    /// The number of the value of a field that an operation wrote or returned, or [`NONE`].
    fn value_of(&self, place: u32, field: usize) -> u32 {
        match self.operations[place as usize].1 {
            ShownValue::Whole(value) => value,
            ShownValue::Field(own, value) => {
                if own as usize == field {
                    value
                } else {
                    NONE
                }
            }
            ShownValue::Parts(row) => self.parts[row as usize * self.width + field],
        }
    }
}

/// Numbers the values of a session that were written once.
struct ValueNumbers<'a> {
    judge: &'a Judge<'a>,
    numbers: FxHashMap<ValueId, u32>,
    writes: Vec<OpId>,
}

impl ValueNumbers<'_> {
    /// The number of a value; [`NONE`] if it was not written once.
    fn number(&mut self, value: ValueId) -> u32 {
        let ValueWriter::One(write) = self.judge.facts.index.writer_of(value) else { return NONE };
        let writes = &mut self.writes;
        *self.numbers.entry(value).or_insert_with(|| {
            writes.push(write);
            writes.len() as u32 - 1
        })
    }

    /// The numbers of the value of the whole and of each field. A field that is absent has the content of the whole.
    fn parts_of(&mut self, content: &SessionContent<'_>, names: &[Cow<'_, str>]) -> Vec<u32> {
        let whole = content.whole.map_or(NONE, |whole| self.number(whole));
        let mut parts = vec![whole; names.len() + 1];
        for (part, name) in parts[1..].iter_mut().zip(names) {
            match content.fields.iter().find(|field| field.0 == *name) {
                Some((_, FieldContent::Known(value))) => *part = self.number(*value),
                Some((_, FieldContent::Unknown(_))) => *part = NONE,
                None => {}
            }
        }
        parts
    }
}

fn judge_field(
    judge: &mut Judge<'_>,
    component: u32,
    all: &ContentOperations,
    field: usize,
    name: Option<&str>,
) {
    let history = judge.facts.history;
    let mut sweep = FieldSweep {
        clusters: Vec::new(),
        latest: [None, None],
        births: judge.facts.index.count_creations(component),
    };
    let mut cluster_of_value = vec![NONE; all.writes.len()];
    // The cluster of each operation that counts.
    let mut cluster_of = vec![NONE; all.operations.len()];
    let mut old: Vec<OldRead> = Vec::new();
    for OrderedEvent { position, place, completes } in all.events.iter() {
        let id = all.operations[place as usize].0;
        if completes {
            let number = cluster_of[place as usize];
            if number != NONE {
                sweep.record_completion(number as usize, id);
            }
            continue;
        }
        let value = all.value_of(place, field);
        if value == NONE {
            continue;
        }
        let known = &mut cluster_of_value[value as usize];
        if *known == NONE {
            *known = sweep.clusters.len() as u32;
            let write = all.writes[value as usize];
            sweep.clusters.push(FieldCluster { write, first: None, last: write, settled_until: None });
        }
        let number = *known as usize;
        let reads = history.function(id) == Function::READ;
        if let Some((newer, proof)) = sweep.find_contradiction(history, number, id, name).filter(|_| reads) {
            old.push(OldRead { read: id, cluster: number, newer, proof });
            continue;
        }
        cluster_of[place as usize] = number as u32;
        sweep.record_invocation(number, id);
        if reads && judge.facts.settled.is_some_and(|settled| position > settled) {
            let until = &mut sweep.clusters[number].settled_until;
            *until = (*until).max(Some(history.operation(id).completed));
        }
    }
    for old in old {
        report_old_read(judge, &sweep.clusters, old);
    }
}

/// Reports a read of an outdated value. The newer write was lost if the store had settled on the older one.
fn report_old_read(judge: &mut Judge<'_>, clusters: &[FieldCluster], old: OldRead) {
    let history = judge.facts.history;
    let settled = judge.facts.settled.is_some_and(|settled| history.invocation_position(old.read) > settled);
    let newer = &clusters[old.newer];
    let acknowledged = history.outcome(newer.write) == Outcome::Ok;
    let older = clusters[old.cluster].write;
    // Of two overlapping writes, either may survive.
    let in_turn = acknowledged_position(history, older) < history.invocation_position(newer.write);
    // A read that was over when this one began may have come from a replica that had the write until then.
    let began = history.invocation_position(old.read);
    let is_read_later = newer.settled_until.is_some_and(|until| until > began);
    let lost = settled && acknowledged && in_turn && !is_read_later;
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

/// The state of the sweep over the events of one register.
struct FieldSweep {
    clusters: Vec<FieldCluster>,
    /// Among the clusters that have a finished operation, the two whose latest operation began last.
    latest: [Option<usize>; 2],
    births: u32,
}

impl FieldSweep {
    /// What contradicts a read that begins now: some operation of another cluster is over, and some operation of that
    /// cluster began after some operation of the read's own cluster was over.
    fn find_contradiction(
        &self,
        history: &History,
        number: usize,
        read: OpId,
        field: Option<&str>,
    ) -> Option<(usize, FindingProof)> {
        let own = self.clusters[number];
        let other = self.latest.iter().flatten().copied().find(|&other| other != number)?;
        let cluster = self.clusters[other];
        let shown = cluster.first.expect("an operation of the cluster has ended");
        let began = history.invocation_position(cluster.last);
        if let Some(older) = own.first.filter(|&older| acknowledged_position(history, older) < began) {
            let (newer, field) = (cluster.last, field.map(str::to_owned));
            return Some((other, FindingProof::Replaced { read, field, older, newer, shown }));
        }
        // A session is created once, before any other write to it.
        let first = history.function(own.write) == Function::CREATE && self.births == 1;
        first.then(|| {
            let field = field.map(str::to_owned);
            (other, FindingProof::BackToBirth { read, field, birth: own.write, shown })
        })
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

    /// Inserts a cluster among the latest two. Operation ids are in order of invocation, so they are compared.
    fn promote_cluster(&mut self, number: usize) {
        let last = |cluster: Option<usize>| cluster.map(|cluster| self.clusters[cluster].last);
        let [first, second] = self.latest;
        if Some(number) == first || last(Some(number)) > last(first) {
            self.latest = [Some(number), if Some(number) == first { second } else { first }];
        } else if Some(number) == second || last(Some(number)) > last(second) {
            self.latest = [first, Some(number)];
        }
    }
}
