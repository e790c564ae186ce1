//! The writes that a read may have returned, looked up in the history. A value may have been written more than once.
//!
//! A proof by cases takes *no possible write* for a contradiction. So this module must not return an empty list where the
//! history only fails to tell, as for a key that is both a list and a register.

use super::list_places::{ListPlaces, ListToDivide};
use histories::{Function, History, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};
use std::collections::{HashMap, HashSet};

/// The writes of a history by key and value.
pub(super) struct ReadSources<'h> {
    pub history: &'h History,
    /// The transactions whose last write to a register was this value, or that appended it to a list.
    written: HashMap<(KeyId, ValueId), Vec<OpId>>,
    /// By key: the longest list that a read returned. The readers' own appends count only if the caller asked for them.
    longest: HashMap<KeyId, &'h [ValueId]>,
    /// By key: where the appends of transactions may stand in the longest list.
    places: HashMap<KeyId, ListPlaces>,
    /// The maximum number of appends of one transaction to one key.
    appends_max: usize,
    /// By key and length without the reader's own appends: who read a list so. By key: who read their own appends, and from where on.
    readers: HashMap<KeyId, HashMap<usize, Vec<OpId>>>,
    own: HashMap<KeyId, HashMap<OpId, Option<usize>>>,
    /// Keys that are both written and appended to. No version order is defined for them.
    mixed_keys: HashSet<KeyId>,
    /// Transactions whose reads say nothing.
    ignored: HashSet<OpId>,
}

fn is_read(micro: Micro) -> bool {
    matches!(micro.kind, MicroKind::Read | MicroKind::ReadList)
}

/// Whether a transaction may have taken effect.
pub(super) fn may_have_happened(history: &History, id: OpId) -> bool {
    history.function(id) == Function::TXN && history.outcome(id) != Outcome::Fail
}

/// The elements that a transaction appended to a list, in order.
fn appended_elements(history: &History, id: OpId, key: KeyId) -> Vec<ValueId> {
    let micros = history.micros_of(id).iter();
    micros.filter(|m| m.kind == MicroKind::Append && m.key == key).map(|m| m.value()).collect()
}

/// The part of a list that other transactions appended. The reader's own earlier appends are at its end and are left out.
pub(super) fn list_without_own_appends<'h>(
    history: &'h History,
    micros: &[Micro],
    place: usize,
) -> &'h [ValueId] {
    let before = micros[..place].iter().filter(|m| m.kind == MicroKind::Append && m.key == micros[place].key);
    let list = history.list(micros[place].list());
    &list[..list.len() - before.count().min(list.len())]
}

/// The keys that some transaction wrote and some transaction appended to.
fn find_mixed_keys(history: &History) -> HashSet<KeyId> {
    let mut kinds: HashMap<KeyId, MicroKind> = HashMap::new();
    let mut mixed = HashSet::new();
    for micro in history.micros() {
        if matches!(micro.kind, MicroKind::Write | MicroKind::Append)
            && *kinds.entry(micro.key).or_insert(micro.kind) != micro.kind
        {
            mixed.insert(micro.key);
        }
    }
    mixed
}

impl<'h> ReadSources<'h> {
    /// Collects the writes and the longest lists. With `with_own`, a reader's own appends count as part of the list that it
    /// returned. O(n) for n micro-operations, plus the lists.
    pub(super) fn from_history(history: &'h History, with_own: bool) -> Self {
        let mut sources = Self::new(history);
        sources.collect(with_own);
        sources
    }

    /// Sources without any writes or lists yet.
    pub(super) fn new(history: &'h History) -> Self {
        Self {
            history,
            written: HashMap::new(),
            longest: HashMap::new(),
            places: HashMap::new(),
            appends_max: 0,
            readers: HashMap::new(),
            own: HashMap::new(),
            mixed_keys: find_mixed_keys(history),
            ignored: HashSet::new(),
        }
    }

    /// Ignores the reads of these transactions.
    pub(super) fn ignore_reads_of(&mut self, is_ignored: impl Fn(OpId) -> bool) {
        self.ignored = self.history.ids().filter(|&id| is_ignored(id)).collect();
    }

    /// Collects the writes and the longest lists.
    pub(super) fn collect(&mut self, with_own: bool) {
        let (history, sources) = (self.history, self);
        for id in history.ids().filter(|&id| may_have_happened(history, id)) {
            let micros = history.micros_of(id);
            for (place, micro) in micros.iter().enumerate() {
                let overwritten = |later: &Micro| later.kind == MicroKind::Write && later.key == micro.key;
                let left = match micro.kind {
                    MicroKind::Write => !micros[place + 1..].iter().any(overwritten),
                    MicroKind::Append => true,
                    MicroKind::Read | MicroKind::ReadList => false,
                };
                if micro.kind == MicroKind::Append {
                    let own = micros[..=place].iter();
                    let own = own.filter(|m| m.kind == MicroKind::Append && m.key == micro.key).count();
                    sources.appends_max = sources.appends_max.max(own);
                }
                if left {
                    sources.written.entry((micro.key, micro.value())).or_default().push(id);
                }
                let counts = history.outcome(id) == Outcome::Ok && !sources.ignored.contains(&id);
                if micro.kind == MicroKind::ReadList && counts {
                    let shown = match with_own {
                        true => history.list(micro.list()),
                        false => list_without_own_appends(history, micros, place),
                    };
                    let longest = sources.longest.entry(micro.key).or_default();
                    if shown.len() > longest.len() {
                        *longest = shown;
                    }
                    sources.note_length(id, place, with_own);
                }
            }
        }
        let lists: Vec<(KeyId, &[ValueId])> =
            sources.longest.iter().map(|(&key, &list)| (key, list)).collect();
        for (key, elements) in lists {
            let list = ListToDivide {
                elements,
                readers: sources.readers.remove(&key).unwrap_or_default(),
                own: sources.own.get(&key).cloned().unwrap_or_default(),
            };
            let appended = |id| appended_elements(history, id, key);
            let writers = |value| sources.written.get(&(key, value)).cloned().unwrap_or_default();
            let places = ListPlaces::divide(list, appended, writers);
            sources.places.insert(key, places);
        }
    }

    /// Notes at which length a list was read, and where the reader's own appends are in it if they count.
    fn note_length(&mut self, id: OpId, place: usize, with_own: bool) {
        let micros = self.history.micros_of(id);
        let (key, len) = (micros[place].key, self.history.list(micros[place].list()).len());
        let length = list_without_own_appends(self.history, micros, place).len();
        self.readers.entry(key).or_default().entry(length).or_default().push(id);
        if with_own && length < len {
            let from = self.own.entry(key).or_default().entry(id).or_insert(Some(length));
            if *from != Some(length) {
                *from = None;
            }
        }
    }

    /// The transactions whose version a read may have returned; `None` among them stands for the initial state. An empty list
    /// means that no execution explains the read. The result is `None` if the micro-operation is no completed read, returned
    /// its own transaction's write, or does not tell where its version comes from.
    pub(super) fn sources_of_read(&self, reader: OpId, place: usize) -> Option<Vec<Option<OpId>>> {
        let history = self.history;
        let micros = history.micros_of(reader);
        let micro = *micros.get(place).filter(|micro| is_read(**micro))?;
        let completed = history.function(reader) == Function::TXN && history.outcome(reader) == Outcome::Ok;
        if !completed || self.mixed_keys.contains(&micro.key) || self.ignored.contains(&reader) {
            return None;
        }
        if micro.kind == MicroKind::ReadList {
            let shown = list_without_own_appends(history, micros, place);
            if shown.is_empty() {
                return Some(vec![None]);
            }
            // Lists that contradict one another do not tell who appended what.
            let whole = *self.longest.get(&micro.key)?;
            if !whole.starts_with(shown) {
                return None;
            }
            let writers = self.places.get(&micro.key)?.writers_at_length(shown.len(), self.appends_max);
            // What the reader itself appends later, it cannot have read.
            return Some(writers.into_iter().filter(|&writer| writer != reader).map(Some).collect());
        }
        let own = |before: &Micro| before.kind == MicroKind::Write && before.key == micro.key;
        if micros[..place].iter().any(own) {
            return None;
        }
        let mut sources: Vec<Option<OpId>> = Vec::new();
        if micro.value() == ValueId::NULL {
            sources.push(None);
        }
        let written = self.written.get(&(micro.key, micro.value())).into_iter().flatten();
        sources.extend(written.filter(|&&writer| writer != reader).map(|&writer| Some(writer)));
        Some(sources)
    }

    /// All reads of other transactions' writes, each with its possible sources.
    pub(super) fn all_reads(&self) -> impl Iterator<Item = (OpId, usize, Vec<Option<OpId>>)> + '_ {
        let reads = self
            .history
            .ids()
            .flat_map(move |id| (0..self.history.micros_of(id).len()).map(move |place| (id, place)));
        reads.filter_map(|(id, place)| Some((id, place, self.sources_of_read(id, place)?)))
    }

    /// The transactions that some read must have read from, so that they committed. Reads that are ignored show nothing.
    pub(super) fn find_read_transactions(&self) -> HashSet<OpId> {
        let by_reads = self.all_reads().filter_map(|(_, _, sources)| match sources.as_slice() {
            [only] => *only,
            _ => None,
        });
        let lists = self.longest.iter().filter(|(key, _)| !self.mixed_keys.contains(key));
        let elements = lists.flat_map(|(&key, list)| list.iter().map(move |&value| (key, value)));
        let by_lists = elements.filter_map(|element| match self.written.get(&element)?.as_slice() {
            [only] => Some(*only),
            _ => None,
        });
        by_reads.chain(by_lists).collect()
    }

    /// Whether a transaction that may have taken effect wrote a key that has a version order.
    pub(super) fn wrote_key(&self, id: OpId, key: KeyId) -> bool {
        may_have_happened(self.history, id)
            && !self.mixed_keys.contains(&key)
            && self.history.micros_of(id).iter().any(|&micro| !is_read(micro) && micro.key == key)
    }

    /// The transactions that read their own appends to a list, by key; for each, where its appends begin, if they can stand there.
    pub(super) fn own_places(&self) -> impl Iterator<Item = (KeyId, OpId, Option<usize>)> + '_ {
        let own = self.own.iter().filter(|(key, _)| !self.mixed_keys.contains(key));
        own.flat_map(move |(&key, own)| {
            own.keys().map(move |&id| {
                (key, id, self.places_in(key).and_then(|places| places.starts_of(id).first().copied()))
            })
        })
    }

    /// Whether a transaction read its own appends where they cannot stand: not where the list has others, and not where another transaction
    /// read its own.
    pub(super) fn is_own_place_contradicted(&self, id: OpId, key: KeyId) -> bool {
        let (Some(own), Some(places)) = (self.own.get(&key), self.places_in(key)) else { return false };
        let range = |id: OpId| {
            let from = (*own.get(&id)?)?;
            Some(from..from + self.count_appended(id, key))
        };
        let Some(mine) = range(id) else { return own.contains_key(&id) };
        let overlaps = |other: OpId| {
            range(other).is_some_and(|its| other != id && its.start < mine.end && mine.start < its.end)
        };
        places.starts_of(id).is_empty() || own.keys().any(|&other| overlaps(other))
    }

    /// Whether a key is both written and appended to.
    pub(super) fn is_mixed(&self, key: KeyId) -> bool {
        self.mixed_keys.contains(&key)
    }

    /// The places of transactions in the longest list of a key.
    pub(super) fn places_in(&self, key: KeyId) -> Option<&ListPlaces> {
        self.places.get(&key).filter(|_| !self.mixed_keys.contains(&key))
    }

    /// The transactions that may have left a list at a length above zero.
    pub(super) fn writers_at_length(&self, key: KeyId, length: usize) -> Vec<OpId> {
        self.places_in(key).map_or_else(Vec::new, |places| places.writers_at_length(length, self.appends_max))
    }

    /// The number of elements that a transaction appended to a list.
    pub(super) fn count_appended(&self, id: OpId, key: KeyId) -> usize {
        appended_elements(self.history, id, key).len()
    }

    /// The number of elements of other transactions in a list that was read; `None` if the micro-operation read no list.
    pub(super) fn length_of_read(&self, reader: OpId, place: usize) -> Option<(KeyId, usize)> {
        let micros = self.history.micros_of(reader);
        let micro = micros.get(place).filter(|micro| micro.kind == MicroKind::ReadList)?;
        Some((micro.key, list_without_own_appends(self.history, micros, place).len()))
    }

    /// The places at which the appends of a transaction may begin, ascending. `None` among them, at the end, stands for all places after
    /// the longest list.
    pub(super) fn possible_starts(&self, key: KeyId, id: OpId) -> Vec<Option<usize>> {
        let Some(places) = self.places_in(key) else { return vec![None] };
        let read_itself = self.own.get(&key).is_some_and(|own| own.contains_key(&id));
        let listed = places.starts_of(id).iter().copied().map(Some);
        let after = (!read_itself && !places.must_stand(id)).then_some(None);
        listed.chain(after).collect()
    }
}
