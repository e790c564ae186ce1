//! The appends of a history that lists show to reads at read-uncommitted.

use super::element_candidates::{ElementWriter, SharedElement, ShownElements};
use super::shown_lists::ShownLists;
use claims::Limits;
use histories::{Function, History, KeyId, MicroKind, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// The appends of a history, as far as these levels look at them.
pub(super) struct ShownAppends<'h> {
    /// By key and element: the transactions that appended it, once for each append.
    writers: FxHashMap<(KeyId, ValueId), Vec<OpId>>,
    /// By key and element: how often the list shows it that shows it most often.
    pub(super) shown_most: FxHashMap<(KeyId, ValueId), usize>,
    longest: FxHashMap<KeyId, &'h [ValueId]>,
    /// By key and element: how often the longest list shows it.
    shown_by_longest: FxHashMap<(KeyId, ValueId), usize>,
    pub(super) repeated: FxHashSet<KeyId>,
    /// By key: the elements that were appended to it.
    elements: FxHashMap<KeyId, Vec<ValueId>>,
    pub(super) lists: ShownLists<'h>,
}

/// The maximum number of pairs of a position and a transaction that may stand there, in one list. The rules of a list grow with the square
/// of it at worst.
const PAIRS_MAX: usize = 1 << 18;
/// How many bytes of memory the caller must permit for each pair, over all lists.
const PAIR_BYTES: usize = 64;

impl<'h> ShownAppends<'h> {
    /// `None` if the check was stopped.
    pub(super) fn collect(history: &'h History, limits: &Limits<'_>) -> Option<Self> {
        let mut appends = Self {
            writers: FxHashMap::default(),
            shown_most: FxHashMap::default(),
            longest: FxHashMap::default(),
            shown_by_longest: FxHashMap::default(),
            repeated: FxHashSet::default(),
            elements: FxHashMap::default(),
            lists: ShownLists::default(),
        };
        let transactions = || history.ids().filter(|&id| history.function(id) == Function::TXN);
        for id in transactions() {
            if id.raw() & 0xfff == 0 && limits.stop_requested() {
                return None;
            }
            for micro in history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::Append) {
                let same = appends.writers.entry((micro.key, micro.value())).or_default();
                same.push(id);
                if same.len() > 1 {
                    appends.repeated.insert(micro.key);
                } else {
                    appends.elements.entry(micro.key).or_default().push(micro.value());
                }
            }
        }
        for id in transactions().filter(|&id| history.outcome(id) == Outcome::Ok) {
            if id.raw() & 0xff == 0 && limits.stop_requested() {
                return None;
            }
            appends.lists.add_lists(history, id, |key| !appends.repeated.contains(&key));
            for micro in history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::ReadList) {
                if appends.repeated.contains(&micro.key) {
                    appends.add_list(micro.key, history.list(micro.list()));
                }
            }
        }
        Some(appends)
    }

    /// Linear in the elements that the list has beyond the longest one so far, if it only continues that one.
    fn add_list(&mut self, key: KeyId, list: &'h [ValueId]) {
        let longest = self.longest.entry(key).or_default();
        // A list shows nothing new if it is a prefix of the longest one.
        if longest.starts_with(list) {
            return;
        }
        if list.starts_with(longest) {
            for &value in &list[longest.len()..] {
                let count = self.shown_by_longest.entry((key, value)).or_default();
                *count += 1;
                let most = self.shown_most.entry((key, value)).or_default();
                *most = (*count).max(*most);
            }
            *longest = list;
            return;
        }
        let mut counts: FxHashMap<ValueId, usize> = FxHashMap::default();
        list.iter().for_each(|&value| *counts.entry(value).or_default() += 1);
        for (&value, &count) in &counts {
            let most = self.shown_most.entry((key, value)).or_default();
            *most = count.max(*most);
        }
        if list.len() > longest.len() {
            for value in longest.iter() {
                self.shown_by_longest.remove(&(key, *value));
            }
            *longest = list;
            self.shown_by_longest.extend(counts.into_iter().map(|(value, count)| ((key, value), count)));
        }
    }

    /// Whether the pairs of a list are within the limits. `all` counts those of all lists.
    pub(super) fn may_take_pairs(&self, key: KeyId, all: &mut usize, limits: &Limits<'_>) -> bool {
        let pairs = self.count_pairs(key);
        *all += pairs;
        pairs <= PAIRS_MAX && *all <= limits.bytes / PAIR_BYTES
    }

    /// The pairs of a position of the longest list and one of several transactions that may stand there.
    fn count_pairs(&self, key: KeyId) -> usize {
        let list = self.longest.get(&key).copied().unwrap_or_default();
        let writers = |value| self.writers.get(&(key, value)).map_or(0, Vec::len);
        list.iter().map(|&value| writers(value)).filter(|&count| count > 1).sum()
    }

    pub(super) fn find_elements(
        &self,
        number: u32,
        key: KeyId,
        numbers: &FxHashMap<OpId, u32>,
    ) -> ShownElements {
        let list = self.longest.get(&key).copied().unwrap_or_default();
        let mut of_value: FxHashMap<ValueId, Vec<u32>> = FxHashMap::default();
        for (at, &value) in (0u32..).zip(list) {
            of_value.entry(value).or_default().push(at);
        }
        let mut found =
            ShownElements { key: number, writers: Vec::new(), positions: Vec::new(), shared: Vec::new() };
        let mut of_list: Vec<(OpId, ValueId, usize)> = Vec::new();
        for &value in &self.elements[&key] {
            let same = self.writers[&(key, value)].chunk_by(|one, other| one == other);
            of_list.extend(same.map(|same| (same[0], value, same.len())));
        }
        of_list.sort_unstable();
        found.positions = vec![Vec::new(); list.len()];
        for own in of_list.chunk_by(|one, other| one.0 == other.0) {
            let (id, writer) = (own[0].0, found.writers.len() as u32);
            let mut comes_after = Some(false);
            for &(_, value, count) in own {
                let positions = of_value.get(&value).cloned().unwrap_or_default();
                positions.iter().for_each(|&at| found.positions[at as usize].push(writer));
                let all = self.writers[&(key, value)].len();
                let most = self.shown_most.get(&(key, value)).copied().unwrap_or(0);
                let may_come_after = most <= positions.len() && all > positions.len();
                if may_come_after {
                    let must = count > positions.len();
                    comes_after = if must || comes_after == Some(true) { Some(true) } else { None };
                }
                found.shared.push(SharedElement { writer, count, positions, may_come_after });
            }
            let number = numbers.get(&id).copied();
            let comes_after = if number.is_none() { Some(false) } else { comes_after };
            found.writers.push(ElementWriter { id, number, comes_after });
        }
        found
    }
}
