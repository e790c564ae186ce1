//! Which transaction wrote each value, and which version each read returned: found once and looked up by all later
//! steps.
//!
//! The naive way is a hash map from (key, value) to writer, queried for every element of every list. A million
//! transactions that read lists of a hundred elements query it a hundred million times. But a growing list shows
//! every reader a prefix of the longest read. So only the elements of the longest read are looked up, and a read of n
//! elements returns *version n*. Micro-operations are sorted by key (counting sort, O(n)). Within one key, values are
//! looked up in a dense table that is cleared after use. So the total cost is O(micro-operations + elements of the
//! longest lists + elements of reads that are no prefix of the longest).
//!
//! A **version** of a key is a small number. Version 0 is the initial state. For a list, version i is the state after
//! its i-th element was appended. The reads show the places of [`Key::ordered`] versions; after these come the
//! appends whose place no read shows. For a register, versions are its writes in order of invocation, and `ordered`
//! is 0: the version order has to come from elsewhere.

use claims::Limits;
use histories::{Argument, Function, History, Id, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};

/// No operation, no version.
pub(crate) const NONE: u32 = u32::MAX;
/// The version of a read whose value several transactions may have written, or whose version has no known place.
pub(crate) const UNKNOWN: u32 = u32::MAX - 1;

/// The outcome of a transaction, as far as clients and reads show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TransactionState {
    /// Either not a transaction, or one that may never have taken effect: no read returned any of its writes.
    Absent,
    /// It took effect: its client was told so, or a read returned one of its writes.
    Committed,
    /// It did not take effect.
    Aborted,
}

/// A micro-operation and its transaction, found by its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touch {
    pub op: u32,
    pub micro: u32,
}

/// One version of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyVersion {
    pub value: ValueId,
    /// The operation that wrote it; [`NONE`] if no operation did, or if several may have.
    pub op: u32,
    /// The micro-operation that wrote it.
    pub micro: u32,
    /// Whether its writer wrote the key again.
    pub intermediate: bool,
}

impl KeyVersion {
    /// Whether no operation wrote it.
    pub(crate) fn is_garbage(&self) -> bool {
        self.micro == NONE
    }

    /// Whether several operations may have written it.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.op == NONE && self.micro != NONE
    }
}

/// The kind of data that a key holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeyShape {
    List,
    Register,
}

/// One key: where its touches and versions are stored, and how many versions have a known place in the order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexedKey {
    pub shape: KeyShape,
    touches: (u32, u32),
    versions: (u32, u32),
    /// Versions 1 to `ordered` are in version order.
    pub ordered: u32,
    /// Whether the order is the key's trunk. If so, lists that are stored as prefixes of the trunk are prefixes of
    /// the order.
    pub on_trunk: bool,
    /// Versions `ordered + 1` to `strays` were read, but only in lists that contradict the longest.
    pub strays: u32,
}

/// A value that was written to a key more than once, so that a read of it does not identify its writer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ambiguity {
    pub key: KeyId,
    pub value: ValueId,
    /// The later of the writers.
    pub writer: OpId,
}

pub(crate) struct TransactionIndex<'h> {
    pub history: &'h History,
    pub states: Vec<TransactionState>,
    pub keys: Vec<IndexedKey>,
    touches: Vec<Touch>,
    versions: Vec<KeyVersion>,
    /// For each micro-operation: the version that it read or wrote.
    pub version_of: Vec<u32>,
    pub ambiguities: Vec<Ambiguity>,
    /// Keys that were used both as a register and as a list, in ascending order: they were written and also appended
    /// to or read as a list, or they are lists that were also read as a single value.
    pub mixed: Vec<KeyId>,
}

impl<'h> TransactionIndex<'h> {
    /// Builds the index. If the check was stopped, keys are missing, and the index must not be used.
    pub(crate) fn new(history: &'h History, limits: &Limits<'_>) -> Self {
        let states = history.ids().map(|id| initial_transaction_state(history, id)).collect();
        let (touches, starts) = sort_touches_by_key(history);
        let mut index = TransactionIndex {
            history,
            states,
            keys: Vec::with_capacity(history.keys.len()),
            touches,
            versions: Vec::new(),
            version_of: vec![UNKNOWN; history.micros().len()],
            ambiguities: Vec::new(),
            mixed: Vec::new(),
        };
        let mut scratch = ValueScratch { of_value: vec![0; history.values.len()] };
        for key in 0..history.keys.len() {
            if limits.stop_requested() {
                break;
            }
            index.add_key(KeyId::new(key), (starts[key], starts[key + 1]), &mut scratch);
        }
        index
    }

    pub(crate) fn micro_at(&self, at: u32) -> Micro {
        self.history.micros()[at as usize]
    }

    pub(crate) fn op_id(&self, op: u32) -> OpId {
        OpId::from_raw(op)
    }

    pub(crate) fn key(&self, key: KeyId) -> &IndexedKey {
        &self.keys[key.index()]
    }

    pub(crate) fn key_ids(&self) -> impl Iterator<Item = KeyId> + use<> {
        (0..self.keys.len()).map(KeyId::new)
    }

    /// The micro-operations on a key, in order of invocation and, within a transaction, in program order.
    pub(crate) fn touches(&self, key: KeyId) -> &[Touch] {
        let (from, to) = self.keys[key.index()].touches;
        &self.touches[from as usize..to as usize]
    }

    /// The versions of a key without the initial one: version i is at index i - 1.
    pub(crate) fn versions(&self, key: KeyId) -> &[KeyVersion] {
        let (from, to) = self.keys[key.index()].versions;
        &self.versions[from as usize..to as usize]
    }

    /// The writer of a version, if it is known and took effect.
    pub(crate) fn committed_writer(&self, key: KeyId, version: u32) -> Option<u32> {
        if version == 0 || version >= UNKNOWN {
            return None;
        }
        let op = self.versions(key)[version as usize - 1].op;
        (op != NONE && self.states[op as usize] == TransactionState::Committed).then_some(op)
    }

    /// The value of a version; `None` for the initial version and for unknown ones.
    pub(crate) fn value_of_version(&self, key: KeyId, version: u32) -> Option<ValueId> {
        (version != 0 && version < UNKNOWN).then(|| self.versions(key)[version as usize - 1].value)
    }

    /// Whether any register was written, or returned a value to a read.
    pub(crate) fn has_registers(&self) -> bool {
        let register = |key| self.key(key).shape == KeyShape::Register && !self.versions(key).is_empty();
        self.key_ids().any(register)
    }

    /// Whether a transaction committed, whatever reads show.
    pub(crate) fn has_completed(&self, op: u32) -> bool {
        self.history.outcome(self.op_id(op)) == Outcome::Ok
    }

    pub(crate) fn is_committed(&self, op: u32) -> bool {
        self.states[op as usize] == TransactionState::Committed
    }

    /// The version that other transactions had left for a read. For a list, the reader's own appends at the end are
    /// removed. `None` if the reader wrote the register itself, or if the version is unknown.
    pub(crate) fn outside_version(&self, key: KeyId, touch: Touch) -> Option<u32> {
        let mut version = self.version_of[touch.micro as usize];
        if version >= UNKNOWN || !self.is_known_read(touch) {
            return None;
        }
        let IndexedKey { shape, ordered, .. } = *self.key(key);
        while self.committed_writer(key, version) == Some(touch.op) {
            if shape == KeyShape::Register || version > ordered {
                return None;
            }
            version -= 1;
        }
        Some(version)
    }

    /// Whether a micro-operation is a read with a known result.
    pub(crate) fn is_known_read(&self, touch: Touch) -> bool {
        is_read(self.micro_at(touch.micro)) && self.history.outcome(self.op_id(touch.op)) == Outcome::Ok
    }

    fn add_key(&mut self, key: KeyId, touches: (u32, u32), scratch: &mut ValueScratch) {
        let start = self.versions.len() as u32;
        let slice = touches.0 as usize..touches.1 as usize;
        let has = |kind: MicroKind| {
            self.touches[slice.clone()].iter().any(|touch| self.micro_at(touch.micro).kind == kind)
        };
        let (appends, writes) = (has(MicroKind::Append), has(MicroKind::Write));
        let list = appends || (!writes && has(MicroKind::ReadList));
        let mixed = writes && (appends || has(MicroKind::ReadList))
            || (list && self.is_read_as_one_value(slice.clone()));
        if mixed {
            self.mixed.push(key);
        }
        let shape = if list { KeyShape::List } else { KeyShape::Register };
        self.keys.push(IndexedKey {
            shape,
            touches,
            versions: (start, start),
            ordered: 0,
            on_trunk: false,
            strays: 0,
        });
        match shape {
            KeyShape::List => self.add_list(key, scratch),
            KeyShape::Register => self.add_register(key, scratch),
        }
        let versions = (start, self.versions.len() as u32);
        self.keys[key.index()].versions = versions;
    }

    fn is_read_as_one_value(&self, touches: std::ops::Range<usize>) -> bool {
        self.touches[touches].iter().any(|&touch| {
            let micro = self.micro_at(touch.micro);
            micro.kind == MicroKind::Read && micro.value() != ValueId::NULL && self.is_known_read(touch)
        })
    }

    fn add_register(&mut self, key: KeyId, scratch: &mut ValueScratch) {
        let (from, to) = self.keys[key.index()].touches;
        let start = self.versions.len();
        self.add_writes(key, MicroKind::Write, scratch);
        for at in from..to {
            let touch = self.touches[at as usize];
            let micro = self.micro_at(touch.micro);
            if !self.is_known_read(touch) || micro.kind != MicroKind::Read {
                continue;
            }
            let version = scratch.of_value[micro.value().index()];
            // A written null cannot be told apart from the initial state. A value that no operation wrote gets a
            // version of its own.
            self.version_of[touch.micro as usize] = match (micro.value(), version) {
                (ValueId::NULL, 0) => 0,
                (value, 0) => self.add_garbage_version(start, value, scratch),
                (_, version) if self.versions[start + version as usize - 1].is_ambiguous() => UNKNOWN,
                (_, version) => version,
            };
            self.mark_observed(start, version);
        }
        self.clear_values(start, scratch);
    }

    fn add_garbage_version(&mut self, start: usize, value: ValueId, scratch: &mut ValueScratch) -> u32 {
        self.versions.push(KeyVersion { value, op: NONE, micro: NONE, intermediate: false });
        let version = (self.versions.len() - start) as u32;
        scratch.of_value[value.index()] = version;
        version
    }

    /// Adds a version for every write of a key. Afterwards `scratch` maps each value to its version.
    fn add_writes(&mut self, key: KeyId, kind: MicroKind, scratch: &mut ValueScratch) {
        let (from, to) = self.keys[key.index()].touches;
        let start = self.versions.len();
        for at in from..to {
            let Touch { op, micro } = self.touches[at as usize];
            if self.micro_at(micro).kind != kind || self.history.function(self.op_id(op)) != Function::TXN {
                continue;
            }
            let value = self.micro_at(micro).value();
            if let Some(last) = self.versions[start..].last_mut().filter(|last| last.op == op) {
                last.intermediate = true;
            }
            let known = scratch.of_value[value.index()];
            let version = (self.versions.len() - start + 1) as u32;
            // The value is written a second time, or it is the initial value.
            let ambiguous = known != 0 || (value == ValueId::NULL && kind == MicroKind::Write);
            if known == 0 {
                scratch.of_value[value.index()] = version;
            } else {
                self.versions[start + known as usize - 1].op = NONE;
            }
            if ambiguous {
                self.ambiguities.push(Ambiguity { key, value, writer: self.op_id(op) });
            }
            self.version_of[micro as usize] = version;
            let op = if ambiguous { NONE } else { op };
            self.versions.push(KeyVersion { value, op, micro, intermediate: false });
        }
    }

    /// Marks the writer of a version as committed: a write that was read took effect, whatever its client was told.
    fn mark_observed(&mut self, start: usize, version: u32) {
        if version == 0 || version >= UNKNOWN {
            return;
        }
        let op = self.versions[start + version as usize - 1].op;
        if op != NONE && self.states[op as usize] == TransactionState::Absent {
            self.states[op as usize] = TransactionState::Committed;
        }
    }

    fn clear_values(&mut self, start: usize, scratch: &mut ValueScratch) {
        for version in &self.versions[start..] {
            scratch.of_value[version.value.index()] = 0;
        }
    }

    fn add_list(&mut self, key: KeyId, scratch: &mut ValueScratch) {
        let start = self.versions.len();
        self.add_writes(key, MicroKind::Append, scratch);
        let order = self.longest_list_read(key);
        self.order_versions(key, start, &order, scratch);
        let (from, to) = self.keys[key.index()].touches;
        let lists = self.history.lists();
        let plain = order == lists.trunk(key);
        self.keys[key.index()].on_trunk = plain;
        for at in from..to {
            let touch = self.touches[at as usize];
            let micro = self.micro_at(touch.micro);
            if !self.is_known_read(touch) {
                continue;
            }
            self.version_of[touch.micro as usize] = match micro.kind {
                MicroKind::Read if micro.value() == ValueId::NULL => 0,
                MicroKind::ReadList if plain && lists.is_prefix(micro.list()) => {
                    self.clear_version(start, lists.get(micro.list()).len() as u32)
                }
                MicroKind::ReadList => self.version_of_stray(key, start, micro, scratch),
                _ => UNKNOWN,
            };
        }
        self.clear_values(start, scratch);
    }

    /// The longest list that was read of a key, without repeated elements. The first one if there are several.
    fn longest_list_read(&self, key: KeyId) -> Vec<ValueId> {
        let lists = self.history.lists();
        let mut longest: &[ValueId] = &[];
        for &touch in self.touches(key) {
            let micro = self.micro_at(touch.micro);
            if micro.kind == MicroKind::ReadList && self.is_known_read(touch) {
                let list = lists.get(micro.list());
                if list.len() > longest.len() {
                    longest = list;
                }
            }
        }
        let mut seen = rustc_hash::FxHashSet::default();
        longest.iter().copied().filter(|&value| seen.insert(value)).collect()
    }

    /// Moves the versions of a key into the order of a list. Versions that the list lacks come after it.
    fn order_versions(&mut self, key: KeyId, start: usize, order: &[ValueId], scratch: &mut ValueScratch) {
        let written = self.versions.split_off(start);
        for &value in order {
            let version = match scratch.of_value[value.index()] {
                0 => KeyVersion { value, op: NONE, micro: NONE, intermediate: false },
                version => written[version as usize - 1],
            };
            self.versions.push(version);
        }
        // Values that no operation wrote enter the table too, so that their versions can be found.
        for version in &written {
            scratch.of_value[version.value.index()] = 0;
        }
        for (i, &value) in order.iter().enumerate() {
            scratch.of_value[value.index()] = i as u32 + 1;
        }
        self.keys[key.index()].ordered = order.len() as u32;
        let mut rest: Vec<KeyVersion> = Vec::new();
        for version in written {
            match scratch.of_value[version.value.index()] {
                0 => rest.push(version),
                place => self.version_of[version.micro as usize] = place,
            }
        }
        for version in rest {
            self.versions.push(version);
            let place = (self.versions.len() - start) as u32;
            self.version_of[version.micro as usize] = place;
            scratch.of_value[version.value.index()] = place;
        }
        for place in 1..=order.len() {
            self.mark_observed(start, place as u32);
        }
        self.keys[key.index()].strays = order.len() as u32;
    }

    /// The version of a list that is not a prefix of the longest one: the version of its last element.
    fn version_of_stray(
        &mut self,
        key: KeyId,
        start: usize,
        micro: Micro,
        scratch: &mut ValueScratch,
    ) -> u32 {
        let history = self.history;
        let list = history.list(micro.list());
        let mut last = 0;
        for value in list {
            let version = scratch.of_value[value.index()];
            last = if version == 0 { UNKNOWN } else { version };
            if version > self.keys[key.index()].strays {
                last = self.make_stray(key, start, version, scratch);
            }
            self.mark_observed(start, last);
        }
        self.clear_version(start, last)
    }

    /// The version of a list with this last element, if one transaction appended the element. Of equal elements that several
    /// appended, the list does not tell whose is the last one.
    fn clear_version(&self, start: usize, last: u32) -> u32 {
        let is_unclear =
            (1..UNKNOWN).contains(&last) && self.versions[start + last as usize - 1].is_ambiguous();
        if is_unclear { UNKNOWN } else { last }
    }

    /// Records that a version without a place in the order was read after all: moves it to the front of those
    /// versions.
    fn make_stray(&mut self, key: KeyId, start: usize, version: u32, scratch: &mut ValueScratch) -> u32 {
        self.keys[key.index()].strays += 1;
        let place = self.keys[key.index()].strays;
        self.versions.swap(start + place as usize - 1, start + version as usize - 1);
        for at in [place, version] {
            let moved = self.versions[start + at as usize - 1];
            scratch.of_value[moved.value.index()] = at;
            self.version_of[moved.micro as usize] = at;
        }
        place
    }
}

/// A dense table from values to versions. All entries are zero while it is not in use.
struct ValueScratch {
    of_value: Vec<u32>,
}

pub(crate) fn is_read(micro: Micro) -> bool {
    matches!(micro.kind, MicroKind::Read | MicroKind::ReadList)
}

pub(crate) fn initial_transaction_state(history: &History, id: OpId) -> TransactionState {
    match (history.function(id), history.outcome(id)) {
        (Function::TXN, Outcome::Ok) => TransactionState::Committed,
        (Function::TXN, Outcome::Fail) => TransactionState::Aborted,
        _ => TransactionState::Absent,
    }
}

/// All micro-operations of transactions, sorted by key, and where those of each key begin.
fn sort_touches_by_key(history: &History) -> (Vec<Touch>, Vec<u32>) {
    let mut starts = vec![0u32; history.keys.len() + 1];
    for id in history.ids() {
        for micro in history.micros_of(id) {
            starts[micro.key.index() + 1] += 1;
        }
    }
    for key in 1..starts.len() {
        starts[key] += starts[key - 1];
    }
    let mut next = starts.clone();
    let mut touches = vec![Touch { op: NONE, micro: NONE }; *starts.last().expect("never empty") as usize];
    for id in history.ids() {
        let Argument::Micros(range) = history.argument(id) else { continue };
        for at in range {
            let place = &mut next[history.micros()[at].key.index()];
            touches[*place as usize] = Touch { op: id.raw(), micro: at as u32 };
            *place += 1;
        }
    }
    (touches, starts)
}
