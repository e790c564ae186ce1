//! Who wrote what, and which version each read returned: everything later steps look up, found once.
//!
//! The naive way is a hash map from (key, value) to writer, asked for every element of every list: a
//! million transactions that read lists of a hundred elements ask it a hundred million times. But a list
//! that grows shows every reader a prefix of the longest read, so only the elements of *that* are looked
//! up, and a read of n elements is *version n*. Micro-operations are sorted by key (counting sort, O(n)), and
//! within one key values are looked up in a dense table that is cleared after use. So everything here is
//! O(micro-operations + elements of the longest lists + elements of reads that fit no other).
//!
//! A **version** of a key is a small number. 0 is what it held before anyone wrote. Of a list, version i is
//! the state after its i-th element was appended, as far as reads show: [`Key::ordered`] of them; after those
//! come appends whose place no read shows. Of a register, versions are its writes in order of invocation, and
//! `ordered` is 0: their order has to come from elsewhere.

use claims::Limits;
use histories::{Argument, Function, History, Id, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};

/// No operation, no version.
pub(crate) const NONE: u32 = u32::MAX;
/// The version of a read that returned what one of several may have written, or what has no place.
pub(crate) const UNKNOWN: u32 = u32::MAX - 1;

/// What became of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TransactionState {
    /// It is no transaction, or it is one that may never have happened: nothing it wrote was read.
    Absent,
    /// It took effect: it said so, or what it wrote was read.
    Committed,
    /// It did not.
    Aborted,
}

/// A micro-operation, found by its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touch {
    pub op: u32,
    pub micro: u32,
}

/// One version of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyVersion {
    pub value: ValueId,
    /// The operation that wrote it; [`NONE`] if nobody did, or more than one may have.
    pub op: u32,
    /// The micro-operation that wrote it.
    pub micro: u32,
    /// Whether its writer wrote the key again.
    pub intermediate: bool,
}

impl KeyVersion {
    /// Whether nobody wrote it.
    pub(crate) fn is_garbage(&self) -> bool {
        self.micro == NONE
    }

    /// Whether more than one may have written it.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.op == NONE && self.micro != NONE
    }
}

/// What a key holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeyShape {
    List,
    Register,
}

/// One key: where its touches and versions are, and how many versions are in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexedKey {
    pub shape: KeyShape,
    touches: (u32, u32),
    versions: (u32, u32),
    /// Versions 1 to here are in order.
    pub ordered: u32,
    /// Whether the order is the key's trunk, so that lists stored as its prefixes are prefixes of the order.
    pub on_trunk: bool,
    /// Versions from `ordered + 1` to here were read, in lists that contradict the longest.
    pub strays: u32,
}

/// A place where values do not tell who wrote them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ambiguity {
    pub key: KeyId,
    pub value: ValueId,
    /// The later of its writers.
    pub writer: OpId,
}

pub(crate) struct TransactionIndex<'h> {
    pub history: &'h History,
    pub states: Vec<TransactionState>,
    pub keys: Vec<IndexedKey>,
    touches: Vec<Touch>,
    versions: Vec<KeyVersion>,
    /// Of each micro-operation that read: the version. Of each that wrote: its own.
    pub version_of: Vec<u32>,
    pub ambiguities: Vec<Ambiguity>,
    /// Keys that were written, and appended to or read as lists, or lists that were read as one value, in ascending order.
    pub mixed: Vec<KeyId>,
}

impl<'h> TransactionIndex<'h> {
    /// If it was stopped there are no keys after some: then nothing in here is to be used.
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

    /// The micro-operations on a key, in order of invocation and, within a transaction, in its order.
    pub(crate) fn touches(&self, key: KeyId) -> &[Touch] {
        let (from, to) = self.keys[key.index()].touches;
        &self.touches[from as usize..to as usize]
    }

    /// The versions of a key after the initial one: version i is at i - 1.
    pub(crate) fn versions(&self, key: KeyId) -> &[KeyVersion] {
        let (from, to) = self.keys[key.index()].versions;
        &self.versions[from as usize..to as usize]
    }

    /// The writer of a version, if it took effect and is known.
    pub(crate) fn committed_writer(&self, key: KeyId, version: u32) -> Option<u32> {
        if version == 0 || version >= UNKNOWN {
            return None;
        }
        let op = self.versions(key)[version as usize - 1].op;
        (op != NONE && self.states[op as usize] == TransactionState::Committed).then_some(op)
    }

    /// The value of a version; none of the initial one.
    pub(crate) fn value_of_version(&self, key: KeyId, version: u32) -> Option<ValueId> {
        (version != 0 && version < UNKNOWN).then(|| self.versions(key)[version as usize - 1].value)
    }

    /// Whether any register was written, or read as holding something.
    pub(crate) fn has_registers(&self) -> bool {
        let register = |key| self.key(key).shape == KeyShape::Register && !self.versions(key).is_empty();
        self.key_ids().any(register)
    }

    pub(crate) fn is_committed(&self, op: u32) -> bool {
        self.states[op as usize] == TransactionState::Committed
    }

    /// The version that a read returned, as others left it: of a list, without what the reader itself appended at
    /// the end; none if the reader wrote the register itself, or if it is unknown.
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

    /// Whether a micro-operation is a read whose result is known.
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
            // A written null cannot be told from the initial one; what nobody wrote is a version all the same.
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

    /// Adds a version for every write of a key, and leaves in `scratch` which value is which version.
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
            // A second write of the value, or a write of what the key holds from the start.
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

    /// A write that was read took effect, whatever its client was told.
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
                    lists.get(micro.list()).len() as u32
                }
                MicroKind::ReadList => self.version_of_stray(key, start, micro, scratch),
                _ => UNKNOWN,
            };
        }
        self.clear_values(start, scratch);
    }

    /// The longest list that was read of a key, the first one where several are, each element once.
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

    /// Moves the versions of a key into the order of a list: those of the list, then the others.
    fn order_versions(&mut self, key: KeyId, start: usize, order: &[ValueId], scratch: &mut ValueScratch) {
        let written = self.versions.split_off(start);
        for &value in order {
            let version = match scratch.of_value[value.index()] {
                0 => KeyVersion { value, op: NONE, micro: NONE, intermediate: false },
                version => written[version as usize - 1],
            };
            self.versions.push(version);
        }
        // Values of garbage enter the table too: versions must be found by them.
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

    /// The version that a list shows which is no prefix of the longest: that of its last element.
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
        last
    }

    /// Notes that a version without a place in the order was read after all: swaps it to the front of those.
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

/// Dense tables over values, zero outside of use.
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

/// All micro-operations of transactions sorted by key, and where each key's begin.
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
