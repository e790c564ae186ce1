//! The writes that a read may have returned, looked up in the history. A value may have been written more than once.
//!
//! A proof by cases takes *no possible write* for a contradiction. So this module must not return an empty list where the
//! history only fails to tell: an element that several transactions appended, or a key that is both a list and a register.

use histories::{Function, History, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};
use std::collections::{HashMap, HashSet};

/// The writes of a history by key and value.
pub(super) struct ReadSources<'h> {
    pub history: &'h History,
    /// The transactions whose last write to a register was this value, or that appended it to a list.
    written: HashMap<(KeyId, ValueId), Vec<OpId>>,
    /// By key: the longest list that a read returned. The readers' own appends count only if the caller asked for them.
    longest: HashMap<KeyId, &'h [ValueId]>,
    /// By key: the transactions whose appends make up the longest list, each with the length of the list after it.
    parts: HashMap<KeyId, Vec<(usize, OpId)>>,
    /// Lists with an element that several appends may have added. What comes after it has no known writer.
    unclear_lists: HashSet<KeyId>,
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
            parts: HashMap::new(),
            unclear_lists: HashSet::new(),
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
                }
            }
        }
        let lists: Vec<(KeyId, &[ValueId])> =
            sources.longest.iter().map(|(&key, &list)| (key, list)).collect();
        for (key, list) in lists {
            sources.split_list(key, list);
        }
    }

    /// Splits the longest list of a key into the appends of one transaction after another, as far as they are known.
    fn split_list(&mut self, key: KeyId, list: &[ValueId]) {
        let mut parts = Vec::new();
        let mut rest = list;
        let mut seen = HashSet::new();
        while let Some(first) = rest.first() {
            let writers = self.written.get(&(key, *first)).map_or(&[][..], Vec::as_slice);
            let [writer] = writers else {
                if !writers.is_empty() {
                    self.unclear_lists.insert(key);
                }
                break;
            };
            let all = appended_elements(self.history, *writer, key);
            // The last transaction's own read may show some of its appends only.
            let in_part = all.starts_with(rest);
            let after = rest.strip_prefix(all.as_slice()).or(in_part.then_some(&[][..]));
            let (Some(after), true) = (after, seen.insert(*writer)) else { break };
            parts.push((list.len() - rest.len() + all.len(), *writer));
            rest = after;
        }
        self.parts.insert(key, parts);
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
            let at = self.parts.get(&micro.key)?.iter().find(|part| part.0 == shown.len());
            if at.is_none() && self.unclear_lists.contains(&micro.key) {
                return None;
            }
            // What the reader itself appends later, it cannot have read.
            let source = at.filter(|part| part.1 != reader);
            return Some(source.map(|part| Some(part.1)).into_iter().collect());
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

    /// Whether a transaction that may have taken effect wrote a key that has a version order.
    pub(super) fn wrote_key(&self, id: OpId, key: KeyId) -> bool {
        may_have_happened(self.history, id)
            && !self.mixed_keys.contains(&key)
            && self.history.micros_of(id).iter().any(|&micro| !is_read(micro) && micro.key == key)
    }

    /// Whether the longest list shows that one transaction appended before another.
    pub(super) fn is_listed_before(&self, key: KeyId, one: OpId, other: OpId) -> bool {
        let Some(parts) = self.parts.get(&key) else { return false };
        let place = |id: OpId| parts.iter().position(|part| part.1 == id);
        match (place(one), place(other)) {
            (Some(one), Some(other)) => one < other,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}
