//! From a history to objects: which operation wrote each version, and which operations read it.
//!
//! Operations are sorted by object with a counting sort, and those of each object by session. The objects are collected in as many
//! parts as there are threads. In each part, written values are looked up in one table over all values. Each entry says which object
//! it belongs to, so the table is never cleared.
//!
//! An indeterminate write took effect if an operation that took effect returned it. An indeterminate compare-and-set
//! did not take effect, and is no version, if its expected value can never have been there. Whether a value can have
//! been there is a least fixed point, so that two indeterminate compare-and-sets cannot justify each other.
//!
//! Cost: O(n log n). Besides the rows, 4 bytes for each operation, and 8 for each distinct value and part.

use super::objects::{
    CHOICE, Choice, INITIAL, NOTHING, ObjectPart, ObjectRow, ObjectStarts, SessionObjects, VersionClass,
    VersionRead, VersionToken, is_read_function, is_write_function, value_expected, value_read,
    value_written,
};
use claims::{Limits, Model, ObjectQuestion, Reason, VersionOrder};
use histories::{Function, History, Id, NEVER, OpId, Operation, Outcome, ValueId};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

impl SessionObjects {
    /// Sorts a history by object. O(n log n).
    pub(super) fn new(
        history: &History,
        question: &ObjectQuestion,
        limits: &Limits<'_>,
        level_count: usize,
    ) -> Result<Self, Reason> {
        let unknown = |reason: String| Err(Reason { reason });
        if !matches!(question.model, Model::Register | Model::CasRegister | Model::Kv) {
            return unknown(format!(
                "the session guarantees are not decided for the model {:?}",
                question.model
            ));
        }
        let needed = SessionMemory::estimate(history, level_count);
        if needed.one_by_one() > limits.bytes {
            return unknown(format!(
                "{} operations on {} objects need about {} bytes, beyond the limit",
                history.len(),
                history.keys.len(),
                needed.one_by_one()
            ));
        }
        let transaction =
            |id: &OpId| history.function(*id) == Function::TXN && history.outcome(*id) != Outcome::Fail;
        if let Some(op) = history.ids().find(transaction) {
            return Err(super::foreign_operation_reason(history, op));
        }
        let several_at_once = needed.several_at_once() <= limits.bytes;
        let part_count = if several_at_once { rayon::current_num_threads() } else { 1 };
        collect_parts(history, question, part_count, limits)
            .map(|parts| Self { parts, several_at_once })
            .ok_or_else(|| Reason { reason: Limits::STOPPED.to_owned() })
    }
}

/// The memory that the session levels take.
struct SessionMemory {
    /// Rows, the table of one part, and witnesses.
    shared: usize,
    /// The graph of the largest object, or what its second check takes.
    largest: usize,
    /// The graphs and the tables of as many objects as there are threads.
    several: usize,
}

impl SessionMemory {
    /// For each operation: its row, its place in the order by key, and its place in each witness.
    const PER_OPERATION: usize = size_of::<ObjectRow>() + 8;
    const PER_OPERATION_AND_LEVEL: usize = size_of::<OpId>();
    const PER_OBJECT_AND_LEVEL: usize = size_of::<VersionOrder>();
    /// For each operation of an object whose graph is in memory: two helper vertices and four edges, in a list and in rows.
    const PER_OPERATION_OF_GRAPH: usize = 90;

    fn estimate(history: &History, level_count: usize) -> Self {
        let mut sizes = vec![0u32; history.keys.len()];
        history.ids().for_each(|op| sizes[history.key(op).index()] += 1);
        let largest = sizes.iter().copied().max().unwrap_or(0) as usize;
        // The common order of each object is kept beside that of each level.
        let orders = level_count + 1;
        let per_operation = Self::PER_OPERATION + orders * Self::PER_OPERATION_AND_LEVEL;
        let table = history.values.len() * size_of::<ValueHead>();
        let threads = rayon::current_num_threads();
        // At most one object for each thread, or all objects for each level.
        let operations = (largest * threads).min(history.len() * level_count);
        Self {
            shared: history.len() * per_operation
                + table
                + history.keys.len() * orders * Self::PER_OBJECT_AND_LEVEL,
            largest: largest * Self::PER_OPERATION_OF_GRAPH,
            several: operations * Self::PER_OPERATION_OF_GRAPH + table * (threads - 1),
        }
    }

    fn one_by_one(&self) -> usize {
        self.shared + self.largest
    }

    fn several_at_once(&self) -> usize {
        self.shared + self.several
    }
}

/// The objects of a history in at most `part_count` parts; none if the caller asks to stop.
fn collect_parts(
    history: &History,
    question: &ObjectQuestion,
    part_count: usize,
    limits: &Limits<'_>,
) -> Option<Vec<ObjectPart>> {
    let ids: Vec<OpId> = history.ids().collect();
    let by_key = match history.keys.len() {
        1 => ids,
        count => counting_sort(&ids, count, |op| history.key(op).index()),
    };
    let parts = split_between_keys(history, &by_key, part_count);
    parts.into_par_iter().map(|operations| collect_part(history, question, operations, limits)).collect()
}

/// Splits operations that are sorted by key into parts of about equal size. Each key is in one part.
fn split_between_keys<'o>(history: &History, by_key: &'o [OpId], part_count: usize) -> Vec<&'o [OpId]> {
    let mut parts = Vec::new();
    let mut rest = by_key;
    for left in (1..=part_count).rev() {
        let mut end = rest.len() / left;
        if let Some(&last) = rest.get(end.saturating_sub(1)) {
            let same = |&op: &OpId| history.key(op) == history.key(last);
            end += rest[end..].partition_point(same);
        }
        let (part, after) = rest.split_at(end);
        parts.extend((!part.is_empty()).then_some(part));
        rest = after;
    }
    parts
}

/// The objects of operations that are sorted by key.
fn collect_part(
    history: &History,
    question: &ObjectQuestion,
    by_key: &[OpId],
    limits: &Limits<'_>,
) -> Option<ObjectPart> {
    let mut collector = ObjectCollector::new(history, question, by_key.len());
    for operations in by_key.chunk_by(|&a, &b| history.key(a) == history.key(b)) {
        if limits.stop_requested() {
            return None;
        }
        collector.add_object(&sort_by_session(history, operations));
    }
    Some(collector.objects)
}

/// Sorts the operations of one object by session, then by invocation. O(n) if the object has more operations than the history has
/// sessions, otherwise O(n log n).
fn sort_by_session(history: &History, operations: &[OpId]) -> Vec<OpId> {
    if operations.len() > history.sessions.len() {
        return counting_sort(operations, history.sessions.len(), |op| history.session(op).index());
    }
    let mut sorted: Vec<(usize, OpId)> =
        operations.iter().map(|&op| (history.session(op).index(), op)).collect();
    sorted.sort_unstable();
    sorted.into_iter().map(|(_, op)| op).collect()
}

fn counting_sort(ids: &[OpId], class_count: usize, class: impl Fn(OpId) -> usize) -> Vec<OpId> {
    let mut next = vec![0u32; class_count + 1];
    ids.iter().for_each(|&id| next[class(id) + 1] += 1);
    (0..class_count).for_each(|at| next[at + 1] += next[at]);
    let mut sorted = vec![OpId::from_raw(0); ids.len()];
    for &id in ids {
        let at = &mut next[class(id)];
        sorted[*at as usize] = id;
        *at += 1;
    }
    sorted
}

/// The versions of one object that have one value, as a list linked through [`Collector::same`].
#[derive(Clone, Copy)]
struct ValueHead {
    /// The object that the entry belongs to, counted from 1.
    object: u32,
    first: u32,
}

/// The objects so far, and the tables for the present object.
struct ObjectCollector<'a> {
    history: &'a History,
    question: &'a ObjectQuestion,
    /// Indexed by value.
    heads: Vec<ValueHead>,
    /// For each version of the present object, the next version with the same value.
    same: Vec<u32>,
    object: u32,
    objects: ObjectPart,
}

impl<'a> ObjectCollector<'a> {
    fn new(history: &'a History, question: &'a ObjectQuestion, operation_count: usize) -> Self {
        let value_count = history.values.len().max(question.initial.highest_value_id().index() + 1);
        Self {
            history,
            question,
            heads: vec![ValueHead { object: 0, first: NOTHING }; value_count],
            same: Vec::new(),
            object: 0,
            objects: ObjectPart {
                starts: vec![ObjectStarts::default()],
                rows: Vec::with_capacity(operation_count),
                ..ObjectPart::default()
            },
        }
    }

    /// Adds the object of these operations. Skips it if it has an operation other than a read, a write or a
    /// compare-and-set.
    fn add_object(&mut self, operations: &[OpId]) {
        let may_have_happened = |&op: &OpId| self.history.outcome(op) != Outcome::Fail;
        let foreign = operations.iter().copied().filter(may_have_happened).find(|&op| {
            let function = self.history.function(op);
            function != Function::CONTAINS && !is_read_function(function) && !is_write_function(function)
        });
        if let Some(op) = foreign {
            self.objects.foreign.get_or_insert(op);
            return;
        }
        self.object += 1;
        self.same.clear();
        self.same.push(NOTHING);
        self.set_version_value(self.question.initial.value_of_key(self.history.key(operations[0])), INITIAL);
        self.add_versions(operations);
        self.assign_reads();
        self.mark_took_effect();
        let objects = &mut self.objects;
        objects.keys.push(self.history.key(operations[0]));
        objects.starts.push(ObjectStarts {
            rows: objects.rows.len(),
            writers: objects.writers.len(),
            choices: objects.choices.len(),
            classes: objects.classes.len(),
            tokens: objects.tokens.len(),
        });
    }

    fn current_starts(&self) -> ObjectStarts {
        *self.objects.starts.last().expect("the first is there from the start")
    }

    /// Adds a row for each operation that may have happened, and versions for the writes.
    fn add_versions(&mut self, operations: &[OpId]) {
        let mut doubtful = Vec::new();
        for &op in operations {
            let operation = self.history.operation(op);
            if !is_read_function(operation.function) && !is_write_function(operation.function) {
                continue;
            }
            match (operation.outcome, operation.function) {
                (Outcome::Fail, _) => continue,
                (Outcome::Info, function) if !is_write_function(function) => continue,
                (Outcome::Info, Function::CAS) => doubtful.push(self.objects.rows.len() as u32),
                (Outcome::Ok | Outcome::Info, _) => {}
            }
            self.add_row(&operation);
            if is_write_function(operation.function)
                && !(operation.function == Function::CAS && operation.outcome == Outcome::Info)
            {
                self.add_version(self.objects.rows.len() - 1, value_written(&operation));
            }
        }
        if !doubtful.is_empty() {
            self.resolve_doubtful(doubtful);
        }
    }

    fn add_row(&mut self, operation: &Operation) {
        let completed = if operation.outcome == Outcome::Ok { operation.completed } else { NEVER };
        if completed != NEVER
            && let Some(token) = self.history.version(operation.id)
        {
            let row = (self.objects.rows.len() - self.current_starts().rows) as u32;
            self.objects.tokens.push(VersionToken { token, row });
        }
        self.objects.rows.push(ObjectRow {
            op: operation.id,
            session: operation.session,
            invoked: operation.invoked,
            completed,
            read: NOTHING,
            wrote: INITIAL,
        });
    }

    fn add_version(&mut self, row: usize, value: ValueId) {
        let version = self.same.len() as u32;
        self.same.push(NOTHING);
        self.set_version_value(value, version);
        self.objects.rows[row].wrote = version;
        self.objects.writers.push(self.objects.rows[row].op);
        self.objects.took_effect.push(self.objects.rows[row].is_ok());
    }

    fn set_version_value(&mut self, value: ValueId, version: u32) {
        let before = self.first_version(value);
        self.same[version as usize] = before;
        self.heads[value.index()] = ValueHead { object: self.object, first: version };
    }

    /// The first version in the list of a value, which is the one added last.
    fn first_version(&self, value: ValueId) -> u32 {
        let head = self.heads[value.index()];
        if head.object == self.object { head.first } else { NOTHING }
    }

    /// Decides which indeterminate compare-and-sets may have happened. Each of them becomes a version if its expected
    /// value can have been there.
    fn resolve_doubtful(&mut self, doubtful: Vec<u32>) {
        let mut waiting: FxHashMap<ValueId, Vec<u32>> = FxHashMap::default();
        let mut possible = Vec::new();
        for row in doubtful {
            let old = value_expected(&self.history.operation(self.objects.rows[row as usize].op));
            if self.first_version(old) == NOTHING {
                waiting.entry(old).or_default().push(row);
            } else {
                possible.push(row);
            }
        }
        while let Some(row) = possible.pop() {
            let new = value_written(&self.history.operation(self.objects.rows[row as usize].op));
            self.add_version(row as usize, new);
            possible.extend(waiting.remove(&new).unwrap_or_default());
        }
        if !waiting.is_empty() {
            self.drop_rows(waiting.into_values().flatten().collect());
        }
    }

    /// Removes the rows of operations that cannot have taken effect. They would be writes without a version.
    fn drop_rows(&mut self, mut impossible: Vec<u32>) {
        impossible.sort_unstable();
        let (start, mut at) = (self.current_starts().rows, 0u32);
        let tail = self.objects.rows.split_off(start);
        let mut kept = vec![NOTHING; tail.len()];
        for (index, row) in tail.into_iter().enumerate() {
            if impossible.binary_search(&((start + index) as u32)).is_err() {
                kept[index] = at;
                at += 1;
                self.objects.rows.push(row);
            }
        }
        let tokens = self.current_starts().tokens;
        self.objects.tokens[tokens..].iter_mut().for_each(|token| token.row = kept[token.row as usize]);
    }

    /// Sets the version that each row read.
    fn assign_reads(&mut self) {
        let start = self.current_starts().rows;
        let mut unwritten = Vec::new();
        let mut classes: FxHashMap<ValueId, u32> = FxHashMap::default();
        for at in start..self.objects.rows.len() {
            let ObjectRow { op, wrote, .. } = self.objects.rows[at];
            let function = self.history.function(op);
            if !is_read_function(function) && function != Function::CAS {
                continue;
            }
            let value = value_read(self.history, op);
            // An operation never reads the version that it writes itself.
            let own = if wrote == INITIAL { NOTHING } else { wrote };
            let read = match self.two_versions_with(value, own) {
                [NOTHING, ..] => NOTHING,
                [only, NOTHING] => only,
                [..] => self.add_choice((at - start) as u32, value, &mut classes),
            };
            self.objects.rows[at].read = read;
            if read == NOTHING {
                unwritten.push((value, op));
            }
        }
        unwritten.sort_unstable();
        unwritten.dedup_by_key(|&mut (value, _)| value);
        self.objects.unwritten.extend(unwritten.into_iter().map(|(_, op)| op));
    }

    /// Two of the versions with a value, other than `own`. [`NOTHING`] stands for a missing one.
    fn two_versions_with(&self, value: ValueId, own: u32) -> [u32; 2] {
        let mut found = [NOTHING; 2];
        let mut others = self.versions_with_value(value).filter(|&version| version != own);
        found.fill_with(|| others.next().unwrap_or(NOTHING));
        found
    }

    /// All versions with a value, the last one first.
    fn versions_with_value(&self, value: ValueId) -> impl Iterator<Item = u32> {
        let first = Some(self.first_version(value)).filter(|&first| first != NOTHING);
        std::iter::successors(first, |&version| {
            Some(self.same[version as usize]).filter(|&next| next != NOTHING)
        })
    }

    fn add_choice(&mut self, row: u32, value: ValueId, classes: &mut FxHashMap<ValueId, u32>) -> u32 {
        let start = self.current_starts();
        let next = (self.objects.classes.len() - start.classes) as u32;
        let class = *classes.entry(value).or_insert(next);
        if class == next {
            let mut versions: VersionClass = self.versions_with_value(value).collect();
            versions.sort_unstable();
            self.objects.classes.push(versions);
        }
        self.objects.choices.push(Choice { row, class });
        CHOICE | (self.objects.choices.len() - 1 - start.choices) as u32
    }

    /// Marks indeterminate writes that were returned by an operation that took effect, whatever the choices.
    fn mark_took_effect(&mut self) {
        let ObjectStarts { rows, writers, .. } = self.current_starts();
        let objects = &mut self.objects;
        if objects.took_effect[writers..].iter().all(|&effect| effect) {
            return;
        }
        // For each version that an indeterminate compare-and-set wrote, the version that it expected.
        let mut found: FxHashMap<u32, u32> = FxHashMap::default();
        for row in objects.rows[rows..].iter().filter(|row| !row.is_ok()) {
            if let VersionRead::Version(version) = row.read() {
                found.insert(row.wrote, version);
            }
        }
        for row in objects.rows[rows..].iter().filter(|row| row.is_ok()) {
            let VersionRead::Version(mut version) = row.read() else { continue };
            while version != INITIAL && !objects.took_effect[writers + version as usize - 1] {
                objects.took_effect[writers + version as usize - 1] = true;
                version = found.get(&version).copied().unwrap_or(INITIAL);
            }
        }
    }
}
