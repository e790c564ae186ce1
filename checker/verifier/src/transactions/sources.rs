//! From whom a read may have its answer, straight from the history: values may have been written more than once.

use histories::{Function, History, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};
use std::collections::{HashMap, HashSet};

/// The writes of a history by what they left.
pub(super) struct Sources<'h> {
    pub history: &'h History,
    /// Who left a value in a register, or appended it to a list.
    written: HashMap<(KeyId, ValueId), Vec<OpId>>,
    /// Of each list, the longest that was read (of what others appended, if only that counts).
    longest: HashMap<KeyId, &'h [ValueId]>,
    /// Of each such list, the transactions that it is made of, with the number of elements at the end of each.
    parts: HashMap<KeyId, Vec<(usize, OpId)>>,
}

fn is_read(micro: Micro) -> bool {
    matches!(micro.kind, MicroKind::Read | MicroKind::ReadList)
}

/// Whether a transaction may have taken effect.
pub(super) fn may_have_happened(history: &History, id: OpId) -> bool {
    history.function(id) == Function::TXN && history.outcome(id) != Outcome::Fail
}

/// What a transaction appended to a list.
fn appended(history: &History, id: OpId, key: KeyId) -> Vec<ValueId> {
    let micros = history.micros_of(id).iter();
    micros.filter(|m| m.kind == MicroKind::Append && m.key == key).map(|m| m.value()).collect()
}

/// What a read of a list shows of others: all but as many as its transaction had appended before.
pub(super) fn of_others<'h>(history: &'h History, micros: &[Micro], place: usize) -> &'h [ValueId] {
    let before = micros[..place].iter().filter(|m| m.kind == MicroKind::Append && m.key == micros[place].key);
    let list = history.list(micros[place].list());
    &list[..list.len() - before.count().min(list.len())]
}

impl<'h> Sources<'h> {
    /// If asked, what transactions show of their own appends tells the order of a list too.
    pub(super) fn of(history: &'h History, with_own: bool) -> Self {
        let mut sources =
            Self { history, written: HashMap::new(), longest: HashMap::new(), parts: HashMap::new() };
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
                if micro.kind == MicroKind::ReadList && history.outcome(id) == Outcome::Ok {
                    let shown = match with_own {
                        true => history.list(micro.list()),
                        false => of_others(history, micros, place),
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
            let parts = sources.parts_of(key, list);
            sources.parts.insert(key, parts);
        }
        sources
    }

    fn parts_of(&self, key: KeyId, list: &[ValueId]) -> Vec<(usize, OpId)> {
        let mut parts = Vec::new();
        let mut rest = list;
        let mut seen = HashSet::new();
        while let Some(first) = rest.first() {
            let Some([writer]) = self.written.get(&(key, *first)).map(Vec::as_slice) else { break };
            let all = appended(self.history, *writer, key);
            // The last one may be shown in part, by itself.
            let in_part = all.starts_with(rest);
            let after = rest.strip_prefix(all.as_slice()).or(in_part.then_some(&[][..]));
            let (Some(after), true) = (after, seen.insert(*writer)) else { break };
            parts.push((list.len() - rest.len() + all.len(), *writer));
            rest = after;
        }
        parts
    }

    /// Whose version a read may have returned, none standing for the initial state; nothing if the micro-operation is no
    /// read, or tells of its own transaction only.
    pub(super) fn of_read(&self, reader: OpId, place: usize) -> Option<Vec<Option<OpId>>> {
        let history = self.history;
        let micros = history.micros_of(reader);
        let micro = *micros.get(place).filter(|micro| is_read(**micro))?;
        if history.function(reader) != Function::TXN || history.outcome(reader) != Outcome::Ok {
            return None;
        }
        if micro.kind == MicroKind::ReadList {
            let shown = of_others(history, micros, place);
            if shown.is_empty() {
                return Some(vec![None]);
            }
            // Where lists contradict one another nothing is known of who left what.
            let whole = *self.longest.get(&micro.key)?;
            if !whole.starts_with(shown) {
                return None;
            }
            let at = self.parts.get(&micro.key)?.iter().find(|part| part.0 == shown.len());
            return Some(at.map(|part| Some(part.1)).into_iter().collect());
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

    /// Every read of what others left, with its sources.
    pub(super) fn all(&self) -> impl Iterator<Item = (OpId, usize, Vec<Option<OpId>>)> + '_ {
        let reads = self
            .history
            .ids()
            .flat_map(move |id| (0..self.history.micros_of(id).len()).map(move |place| (id, place)));
        reads.filter_map(|(id, place)| Some((id, place, self.of_read(id, place)?)))
    }

    pub(super) fn wrote(&self, id: OpId, key: KeyId) -> bool {
        may_have_happened(self.history, id)
            && self.history.micros_of(id).iter().any(|&micro| !is_read(micro) && micro.key == key)
    }

    /// Whether a list shows that one appended before the other.
    pub(super) fn listed_before(&self, key: KeyId, one: OpId, other: OpId) -> bool {
        let Some(parts) = self.parts.get(&key) else { return false };
        let place = |id: OpId| parts.iter().position(|part| part.1 == id);
        match (place(one), place(other)) {
            (Some(one), Some(other)) => one < other,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}
