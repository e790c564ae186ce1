//! The order of elements by the longest list that any transaction read, committed or not.

use super::element_places::{ElementPlaces, find_repeated_lists, places_by_order};
use super::ensure;
use super::micros::is_read;
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use claims::ListPlace;
use histories::{History, KeyId, MicroKind, OpId, Outcome, ValueId};
use std::collections::{HashMap, HashSet};

/// The places of elements in the longest list of each key. If several reads are longest, the first one counts.
pub(super) struct ListRanks<'h> {
    history: &'h History,
    ranks: HashMap<(KeyId, ValueId), usize>,
    /// All elements that some read shows.
    read: HashSet<(KeyId, ValueId)>,
    /// Lists to which equal elements were appended. Their elements have no ranks.
    repeated: HashSet<KeyId>,
}

impl<'h> ListRanks<'h> {
    pub(super) fn from_history(history: &'h History, watch: &Watch<'_>) -> Self {
        let mut longest: HashMap<KeyId, &[ValueId]> = HashMap::new();
        let mut read: HashSet<(KeyId, ValueId)> = HashSet::new();
        let completed = history.ids().filter(|&id| history.outcome(id) == Outcome::Ok);
        for id in watch.take_while_in_time(StepCost::Follow, completed) {
            for micro in history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::ReadList) {
                let list = history.list(micro.list());
                let known = longest.entry(micro.key).or_default();
                // Most lists extend one that was read before.
                let new =
                    list.strip_prefix(*known).unwrap_or(if known.starts_with(list) { &[] } else { list });
                read.extend(new.iter().map(|&value| (micro.key, value)));
                if list.len() > known.len() {
                    *known = list;
                }
            }
        }
        let ranks = longest
            .iter()
            .flat_map(|(&key, list)| list.iter().enumerate().map(move |(at, &value)| ((key, value), at)))
            .collect();
        Self { history, ranks, read, repeated: find_repeated_lists(history, watch) }
    }

    /// By key, the first and the last rank of the elements that a transaction appended. An element that no read shows comes after
    /// the longest list. An element that only other reads show has no rank.
    pub(super) fn spans_of(&self, id: OpId) -> HashMap<KeyId, (usize, usize)> {
        let mut spans: HashMap<KeyId, (usize, usize)> = HashMap::new();
        let appends = self.history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::Append);
        for micro in appends.filter(|micro| !self.repeated.contains(&micro.key)) {
            let element = (micro.key, micro.value());
            let unread = (!self.read.contains(&element)).then_some(usize::MAX);
            if let Some(rank) = self.ranks.get(&element).copied().or(unread) {
                let span = spans.entry(micro.key).or_insert((rank, rank));
                *span = (span.0.min(rank), span.1.max(rank));
            }
        }
        spans
    }
}

/// Checks that no read shows an element more often than transactions appended it. Two transactions may have appended equal elements.
/// Most lists extend one that was read before, so only what is new in them is counted.
fn check_no_element_in_excess(history: &History, watch: &Watch<'_>) -> Result<(), Mismatch> {
    let mut longest: HashMap<KeyId, &[ValueId]> = HashMap::new();
    // How often each element is in the longest list, and in that of all others which has it most often.
    let mut in_longest: HashMap<(KeyId, ValueId), usize> = HashMap::new();
    let mut most: HashMap<(KeyId, ValueId), usize> = HashMap::new();
    let completed = history.ids().filter(|&id| history.outcome(id) == Outcome::Ok);
    for id in watch.take_while_in_time(StepCost::Follow, completed) {
        for micro in history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::ReadList) {
            let list = history.list(micro.list());
            let known = longest.entry(micro.key).or_default();
            if known.starts_with(list) {
                continue;
            }
            if let Some(new) = list.strip_prefix(*known) {
                new.iter().for_each(|&value| *in_longest.entry((micro.key, value)).or_default() += 1);
                *known = list;
                continue;
            }
            let mut counts: HashMap<ValueId, usize> = HashMap::new();
            list.iter().for_each(|&value| *counts.entry(value).or_default() += 1);
            for (value, count) in counts {
                let most = most.entry((micro.key, value)).or_default();
                *most = count.max(*most);
            }
        }
    }
    for (element, count) in in_longest {
        let most = most.entry(element).or_default();
        *most = count.max(*most);
    }
    most.retain(|_, count| *count > 1);
    if most.is_empty() {
        return Ok(());
    }
    for id in watch.take_while_in_time(StepCost::Look, history.ids()) {
        for micro in history.micros_of(id).iter().filter(|micro| !is_read(**micro)) {
            if let Some(left) = most.get_mut(&(micro.key, micro.value())) {
                *left = left.saturating_sub(1);
            }
        }
    }
    ensure(most.values().all(|&left| left == 0), || {
        "a list has an element more often than it was appended".to_owned()
    })
}

/// Whose element stands at each position of a list, where several transactions appended equal elements.
#[derive(Clone, Copy)]
pub(super) enum ElementClaims<'w> {
    /// A witness says so of all lists.
    All(&'w [ListPlace]),
    /// A witness says so of these lists. The others must be those of its order.
    Unasked(&'w HashSet<KeyId>, &'w [ListPlace]),
}

impl ElementClaims<'_> {
    fn of_order(self, history: &History, order: &[OpId], repeated: &HashSet<KeyId>) -> Vec<ListPlace> {
        match self {
            ElementClaims::All(places) => places.to_vec(),
            ElementClaims::Unasked(unasked, places) => {
                let others = repeated.difference(unasked).copied().collect();
                let said = places.iter().filter(|place| unasked.contains(&place.key)).copied();
                said.chain(places_by_order(history, order, &others)).collect()
            }
        }
    }
}

/// Checks that the transactions wrote the elements of each list in the order of its longest read.
pub(super) fn check_longest_lists(
    history: &History,
    order: &[OpId],
    claims: ElementClaims<'_>,
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    check_no_element_in_excess(history, watch)?;
    let ranks = ListRanks::from_history(history, watch);
    if !ranks.repeated.is_empty() {
        let elements = ElementPlaces::from_history(history, &ranks.repeated, watch);
        elements.check_order(order, &claims.of_order(history, order, &ranks.repeated), watch)?;
    }
    let mut last: HashMap<KeyId, usize> = HashMap::new();
    for &id in watch.take_while_in_time(StepCost::Follow, order.iter()) {
        for (key, (first, end)) in ranks.spans_of(id) {
            let before = last.entry(key).or_default();
            ensure(*before <= first, || {
                format!("in a witness, {id:?} comes too late for the place of its element in a list")
            })?;
            *before = end;
        }
    }
    Ok(())
}
