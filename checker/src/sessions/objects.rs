//! What the history says of each object: its versions, and which one each operation read or wrote.
//!
//! This is the same for all five levels, so it is worked out once: operations sorted by object and session
//! (two passes of counting sort), written values looked up in a table over all values, and left as rows of 24
//! bytes that the levels then pass over in order.
//!
//! A version is a write that did not fail, or the initial value (version 0). A read returns a version; where
//! several have its value, it is a [`Choice`]. A compare-and-set is a read of what it expected and a write.
//!
//! An indeterminate write took effect if something that took effect returned it. An indeterminate
//! compare-and-set whose expected value can never have been there did not take effect, and is no version:
//! whether a value can have been there is a least fixed point, so that two indeterminate compare-and-sets
//! cannot vouch for each other.

use crate::check::{Model, Question};
use crate::{Limits, Unknown};
use histories::{
    Argument, Function, History, Id, KeyId, NEVER, OpId, Operation, Outcome, SessionId, ValueId,
};
use rustc_hash::FxHashMap;

/// About what a level takes an operation, rows included: 24 for the row, and 2 vertices and 4 edges.
pub(super) const BYTES_PER_OPERATION: usize = 200;

/// The initial value.
pub(super) const INITIAL: u32 = 0;
const NOTHING: u32 = u32::MAX;
const CHOICE: u32 = 1 << 31;

/// What an operation read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Read {
    /// It reads nothing, or nobody wrote what it read.
    Nothing,
    /// The only version with its value.
    Version(u32),
    /// One of several versions: the index of its [`Choice`].
    Choice(u32),
}

/// One operation on an object that took effect, or may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) op: OpId,
    pub(super) session: SessionId,
    pub(super) invoked: u32,
    /// [`NEVER`] for an indeterminate operation, which is no `a`, and a `b` as a write only.
    pub(super) completed: u32,
    read: u32,
    /// The version that it wrote; [`INITIAL`] for none.
    pub(super) wrote: u32,
}

impl Row {
    /// What it read.
    pub(super) fn read(&self) -> Read {
        match self.read {
            NOTHING => Read::Nothing,
            choice if choice & CHOICE != 0 => Read::Choice(choice & !CHOICE),
            version => Read::Version(version),
        }
    }

    /// Whether it completed.
    pub(super) fn is_ok(&self) -> bool {
        self.completed != NEVER
    }
}

/// A read, or a compare-and-set's, whose value several versions have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) row: u32,
    /// The versions with its value: an index into [`Object::classes`].
    pub(super) class: u32,
}

/// The versions with one value, sorted.
pub(super) type Class = Vec<u32>;

/// A version token that the store returned with a completed operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) token: i64,
    pub(super) row: u32,
}

/// Where the parts of one object lie.
#[derive(Clone, Copy, Default, Debug)]
struct Starts {
    rows: usize,
    writers: usize,
    choices: usize,
    classes: usize,
    tokens: usize,
}

/// All objects of a history.
pub(super) struct Objects {
    keys: Vec<KeyId>,
    /// One more than there are keys.
    starts: Vec<Starts>,
    rows: Vec<Row>,
    writers: Vec<OpId>,
    took_effect: Vec<bool>,
    choices: Vec<Choice>,
    classes: Vec<Class>,
    tokens: Vec<Token>,
    /// Completed reads of values that nobody wrote, one a value and key.
    pub(super) unwritten: Vec<OpId>,
    /// An operation that is none of read, write and compare-and-set; its key is left out.
    pub(super) foreign: Option<OpId>,
}

/// One object.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) key: KeyId,
    /// By session, then by invocation.
    pub(super) rows: &'a [Row],
    /// The write of each version from 1 on.
    pub(super) writers: &'a [OpId],
    /// Of each version from 1 on: it completed, or something returned it whatever the choices.
    pub(super) took_effect: &'a [bool],
    /// Reads with several candidates.
    pub(super) choices: &'a [Choice],
    /// The values that are written more than once, as far as something reads them.
    pub(super) classes: &'a [Class],
    pub(super) tokens: &'a [Token],
}

impl<'a> Object<'a> {
    /// What a choice may be: at least two versions. Nothing returns what it writes itself.
    pub(super) fn candidates(&self, choice: &Choice) -> impl DoubleEndedIterator<Item = u32> + use<'a> {
        let wrote = self.rows[choice.row as usize].wrote;
        let own = move |version: &u32| wrote != INITIAL && *version == wrote;
        self.classes[choice.class as usize].iter().copied().filter(move |version| !own(version))
    }

    /// How many versions there are, the initial value included.
    pub(super) fn version_count(&self) -> u32 {
        self.writers.len() as u32 + 1
    }

    /// The write of a version; none for the initial value.
    pub(super) fn writer(&self, version: u32) -> Option<OpId> {
        version.checked_sub(1).map(|at| self.writers[at as usize])
    }
}

impl Objects {
    /// Sorts a history by object. O(n).
    pub(super) fn new(history: &History, question: &Question, limits: &Limits<'_>) -> Result<Self, Unknown> {
        let unknown = |reason: String| Err(Unknown { reason });
        if !matches!(question.model, Model::Register | Model::CasRegister | Model::Kv) {
            return unknown(format!(
                "the session guarantees are not decided for the model {:?}",
                question.model
            ));
        }
        let bytes = history.len().saturating_mul(BYTES_PER_OPERATION);
        if bytes > limits.bytes {
            return unknown(format!(
                "{} operations need about {bytes} bytes, beyond the limit",
                history.len()
            ));
        }
        let transaction =
            |id: &OpId| history.function(*id) == Function::TXN && history.outcome(*id) != Outcome::Fail;
        if let Some(op) = history.ids().find(transaction) {
            return Err(super::foreign(history, op));
        }
        let order = by_key_and_session(history);
        let mut collector = Collector::new(history, question);
        for operations in order.chunk_by(|&a, &b| history.key(a) == history.key(b)) {
            collector.object(operations);
        }
        Ok(collector.objects)
    }

    /// Every object that something was read from or written to.
    pub(super) fn iter(&self) -> impl Iterator<Item = Object<'_>> {
        self.keys.iter().zip(self.starts.windows(2)).map(|(&key, pair)| {
            let (from, to) = (pair[0], pair[1]);
            Object {
                key,
                rows: &self.rows[from.rows..to.rows],
                writers: &self.writers[from.writers..to.writers],
                took_effect: &self.took_effect[from.writers..to.writers],
                choices: &self.choices[from.choices..to.choices],
                classes: &self.classes[from.classes..to.classes],
                tokens: &self.tokens[from.tokens..to.tokens],
            }
        })
    }
}

/// All operations by key, within it by session, within that by invocation. O(n).
fn by_key_and_session(history: &History) -> Vec<OpId> {
    let ids: Vec<OpId> = history.ids().collect();
    let by_session = counting_sort(&ids, history.sessions.len(), |op| history.session(op).index());
    if history.keys.len() == 1 {
        return by_session;
    }
    counting_sort(&by_session, history.keys.len(), |op| history.key(op).index())
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

/// The versions of one object that have one value: a list through [`Collector::same`].
#[derive(Clone, Copy)]
struct Head {
    /// The object that it is of, counted from 1.
    object: u32,
    first: u32,
}

struct Collector<'a> {
    history: &'a History,
    question: &'a Question,
    /// By value.
    heads: Vec<Head>,
    /// Of each version of the present object, the next with the same value.
    same: Vec<u32>,
    object: u32,
    objects: Objects,
}

impl<'a> Collector<'a> {
    fn new(history: &'a History, question: &'a Question) -> Self {
        let value_count = history.values.len().max(question.initial.index() + 1);
        Self {
            history,
            question,
            heads: vec![Head { object: 0, first: NOTHING }; value_count],
            same: Vec::new(),
            object: 0,
            objects: Objects {
                keys: Vec::new(),
                starts: vec![Starts::default()],
                rows: Vec::new(),
                writers: Vec::new(),
                took_effect: Vec::new(),
                choices: Vec::new(),
                classes: Vec::new(),
                tokens: Vec::new(),
                unwritten: Vec::new(),
                foreign: None,
            },
        }
    }

    /// Adds the object that these operations are on, unless it is one that is not decided.
    fn object(&mut self, operations: &[OpId]) {
        let may_have_happened = |&op: &OpId| self.history.outcome(op) != Outcome::Fail;
        let foreign = operations.iter().copied().filter(may_have_happened).find(|&op| {
            let function = self.history.function(op);
            function != Function::CONTAINS && !reads(function) && !writes(function)
        });
        if let Some(op) = foreign {
            self.objects.foreign.get_or_insert(op);
            return;
        }
        self.object += 1;
        self.same.clear();
        self.same.push(NOTHING);
        self.version_has(self.question.initial, INITIAL);
        self.versions(operations);
        self.reads();
        self.took_effect();
        let objects = &mut self.objects;
        objects.keys.push(self.history.key(operations[0]));
        objects.starts.push(Starts {
            rows: objects.rows.len(),
            writers: objects.writers.len(),
            choices: objects.choices.len(),
            classes: objects.classes.len(),
            tokens: objects.tokens.len(),
        });
    }

    fn here(&self) -> Starts {
        *self.objects.starts.last().expect("the first is there from the start")
    }

    /// A row for each operation that may have happened; versions for what they wrote.
    fn versions(&mut self, operations: &[OpId]) {
        let mut doubtful = Vec::new();
        for &op in operations {
            let operation = self.history.operation(op);
            if !reads(operation.function) && !writes(operation.function) {
                continue;
            }
            match (operation.outcome, operation.function) {
                (Outcome::Fail, _) => continue,
                (Outcome::Info, function) if !writes(function) => continue,
                (Outcome::Info, Function::CAS) => doubtful.push(self.objects.rows.len() as u32),
                (Outcome::Ok | Outcome::Info, _) => {}
            }
            self.row(&operation);
            if writes(operation.function)
                && !(operation.function == Function::CAS && operation.outcome == Outcome::Info)
            {
                self.version(self.objects.rows.len() - 1, written(&operation));
            }
        }
        if !doubtful.is_empty() {
            self.doubtful(doubtful);
        }
    }

    fn row(&mut self, operation: &Operation) {
        let completed = if operation.outcome == Outcome::Ok { operation.completed } else { NEVER };
        if completed != NEVER
            && let Some(token) = self.history.version(operation.id)
        {
            let row = (self.objects.rows.len() - self.here().rows) as u32;
            self.objects.tokens.push(Token { token, row });
        }
        self.objects.rows.push(Row {
            op: operation.id,
            session: operation.session,
            invoked: operation.invoked,
            completed,
            read: NOTHING,
            wrote: INITIAL,
        });
    }

    fn version(&mut self, row: usize, value: ValueId) {
        let version = self.same.len() as u32;
        self.same.push(NOTHING);
        self.version_has(value, version);
        self.objects.rows[row].wrote = version;
        self.objects.writers.push(self.objects.rows[row].op);
        self.objects.took_effect.push(self.objects.rows[row].is_ok());
    }

    fn version_has(&mut self, value: ValueId, version: u32) {
        let before = self.first(value);
        self.same[version as usize] = before;
        self.heads[value.index()] = Head { object: self.object, first: version };
    }

    /// The first version in the list of a value.
    fn first(&self, value: ValueId) -> u32 {
        let head = self.heads[value.index()];
        if head.object == self.object { head.first } else { NOTHING }
    }

    /// Indeterminate compare-and-sets: those become versions whose expected value can have been there.
    fn doubtful(&mut self, doubtful: Vec<u32>) {
        let mut waiting: FxHashMap<ValueId, Vec<u32>> = FxHashMap::default();
        let mut possible = Vec::new();
        for row in doubtful {
            let old = expected(&self.history.operation(self.objects.rows[row as usize].op));
            if self.first(old) == NOTHING {
                waiting.entry(old).or_default().push(row);
            } else {
                possible.push(row);
            }
        }
        while let Some(row) = possible.pop() {
            let new = written(&self.history.operation(self.objects.rows[row as usize].op));
            self.version(row as usize, new);
            possible.extend(waiting.remove(&new).unwrap_or_default());
        }
        if !waiting.is_empty() {
            // What cannot have taken effect has no row: it would be a write of no version.
            let mut impossible: Vec<u32> = waiting.into_values().flatten().collect();
            impossible.sort_unstable();
            let (start, mut at) = (self.here().rows, 0u32);
            let tail = self.objects.rows.split_off(start);
            let mut kept = vec![NOTHING; tail.len()];
            for (index, row) in tail.into_iter().enumerate() {
                if impossible.binary_search(&((start + index) as u32)).is_err() {
                    kept[index] = at;
                    at += 1;
                    self.objects.rows.push(row);
                }
            }
            let tokens = self.here().tokens;
            self.objects.tokens[tokens..].iter_mut().for_each(|token| token.row = kept[token.row as usize]);
        }
    }

    /// What each row read.
    fn reads(&mut self) {
        let start = self.here().rows;
        let mut unwritten = Vec::new();
        let mut classes: FxHashMap<ValueId, u32> = FxHashMap::default();
        for at in start..self.objects.rows.len() {
            let Row { op, wrote, .. } = self.objects.rows[at];
            let function = self.history.function(op);
            if !reads(function) && function != Function::CAS {
                continue;
            }
            let value = value_read(self.history, op);
            // Nothing reads the version that it writes itself.
            let own = if wrote == INITIAL { NOTHING } else { wrote };
            let read = match self.versions_of(value, own) {
                [NOTHING, ..] => NOTHING,
                [only, NOTHING] => only,
                [..] => self.choice((at - start) as u32, value, &mut classes),
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

    /// Two of the versions with a value, other than `own`; [`NOTHING`] where there are fewer.
    fn versions_of(&self, value: ValueId, own: u32) -> [u32; 2] {
        let mut found = [NOTHING; 2];
        let mut others = self.class(value).filter(|&version| version != own);
        found.fill_with(|| others.next().unwrap_or(NOTHING));
        found
    }

    /// All versions with a value, the last first.
    fn class(&self, value: ValueId) -> impl Iterator<Item = u32> {
        let first = Some(self.first(value)).filter(|&first| first != NOTHING);
        std::iter::successors(first, |&version| {
            Some(self.same[version as usize]).filter(|&next| next != NOTHING)
        })
    }

    fn choice(&mut self, row: u32, value: ValueId, classes: &mut FxHashMap<ValueId, u32>) -> u32 {
        let start = self.here();
        let next = (self.objects.classes.len() - start.classes) as u32;
        let class = *classes.entry(value).or_insert(next);
        if class == next {
            let mut versions: Class = self.class(value).collect();
            versions.sort_unstable();
            self.objects.classes.push(versions);
        }
        self.objects.choices.push(Choice { row, class });
        CHOICE | (self.objects.choices.len() - 1 - start.choices) as u32
    }

    /// Marks indeterminate writes that something returned, whatever the choices.
    fn took_effect(&mut self) {
        let Starts { rows, writers, .. } = self.here();
        let objects = &mut self.objects;
        if objects.took_effect[writers..].iter().all(|&effect| effect) {
            return;
        }
        // What an indeterminate compare-and-set expected, by the version that it wrote.
        let mut found: FxHashMap<u32, u32> = FxHashMap::default();
        for row in objects.rows[rows..].iter().filter(|row| !row.is_ok()) {
            if let Read::Version(version) = row.read() {
                found.insert(row.wrote, version);
            }
        }
        for row in objects.rows[rows..].iter().filter(|row| row.is_ok()) {
            let Read::Version(mut version) = row.read() else { continue };
            while version != INITIAL && !objects.took_effect[writers + version as usize - 1] {
                objects.took_effect[writers + version as usize - 1] = true;
                version = found.get(&version).copied().unwrap_or(INITIAL);
            }
        }
    }
}

fn reads(function: Function) -> bool {
    matches!(function, Function::READ | Function::GET)
}

fn writes(function: Function) -> bool {
    matches!(function, Function::WRITE | Function::PUT | Function::CAS)
}

fn written(operation: &Operation) -> ValueId {
    match operation.argument {
        Argument::Pair(_, new) => new,
        _ => operation.value(),
    }
}

/// The value that a read returned, or that a compare-and-set expected.
pub(super) fn value_read(history: &History, op: OpId) -> ValueId {
    let operation = history.operation(op);
    if operation.function == Function::CAS { expected(&operation) } else { operation.result }
}

fn expected(operation: &Operation) -> ValueId {
    match operation.argument {
        Argument::Pair(old, _) => old,
        _ => unreachable!("only a compare-and-set expects a value"),
    }
}

/// Writes that did not happen, by object and value: failed ones, and indeterminate compare-and-sets (some of
/// which did; nobody asks for those).
pub(super) struct DidNotHappen(FxHashMap<(KeyId, ValueId), Vec<OpId>>);

impl DidNotHappen {
    /// O(n).
    pub(super) fn new(history: &History) -> Self {
        let mut writes_of: FxHashMap<(KeyId, ValueId), Vec<OpId>> = FxHashMap::default();
        for operation in history.operations().filter(|operation| writes(operation.function)) {
            let doubtful = operation.outcome == Outcome::Info && operation.function == Function::CAS;
            if doubtful || operation.outcome == Outcome::Fail {
                writes_of.entry((operation.key, written(&operation))).or_default().push(operation.id);
            }
        }
        Self(writes_of)
    }

    /// The operations that would have led to what a read returned, or a compare-and-set expected.
    pub(super) fn before(&self, history: &History, read: OpId) -> Vec<OpId> {
        let operation = history.operation(read);
        let (mut wanted, mut found) = (vec![value_read(history, read)], Vec::new());
        let mut at = 0;
        while at < wanted.len() {
            let writes = self.0.get(&(operation.key, wanted[at])).map_or(&[][..], Vec::as_slice);
            for other in writes.iter().map(|&op| history.operation(op)).filter(|other| other.id != read) {
                found.push(other.id);
                if other.outcome == Outcome::Info && !wanted.contains(&expected(&other)) {
                    wanted.push(expected(&other));
                }
            }
            at += 1;
        }
        found
    }
}
