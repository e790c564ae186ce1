//! Which transaction appended the element at each position of a list that is read at read-uncommitted.
//!
//! There, a list may have elements of transactions that failed, and those of two transactions may be interleaved. The elements of the
//! longest list of a key are in the order of their transactions. An append that no list shows comes after them. An append that only
//! other lists show, or may show, has no place.

use super::ensure;
use super::micros::is_read;
use super::sources::may_have_happened;
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use claims::{CaseChoice, ListPlace};
use histories::{Function, History, KeyId, MicroKind, OpId, Outcome, ValueId};
use std::collections::{HashMap, HashSet};

/// A position after all elements of a list.
const AFTER_THE_LIST: usize = usize::MAX;

/// The lists to which equal elements were appended, even by transactions that failed.
pub(super) fn find_repeated_lists(history: &History, watch: &Watch<'_>) -> HashSet<KeyId> {
    let mut seen = HashSet::new();
    let mut repeated = HashSet::new();
    let transactions = history.ids().filter(|&id| history.function(id) == Function::TXN);
    for id in watch.take_while_in_time(StepCost::Look, transactions) {
        for micro in history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::Append) {
            if !seen.insert((micro.key, micro.value())) {
                repeated.insert(micro.key);
            }
        }
    }
    repeated
}

/// The elements of some lists, with the transactions that appended them.
pub(super) struct ElementPlaces<'h> {
    history: &'h History,
    lists: HashMap<KeyId, ElementsOfList<'h>>,
    /// Transactions without a completion that committed nevertheless.
    committed: HashSet<OpId>,
}

#[derive(Default)]
struct ElementsOfList<'h> {
    longest: &'h [ValueId],
    /// By element: how often each transaction appended it.
    appends: HashMap<ValueId, HashMap<OpId, usize>>,
    /// By element: how often the list shows it that shows it most often.
    shown_most: HashMap<ValueId, usize>,
    /// By element: how often the longest list has it.
    in_longest: HashMap<ValueId, usize>,
    /// By element: its positions in the longest list.
    positions: HashMap<ValueId, Vec<usize>>,
    /// By transaction: the elements that it appended.
    own: HashMap<OpId, Vec<ValueId>>,
}

impl<'h> ElementPlaces<'h> {
    /// Collects the elements of some lists. Keys that are written as registers have none.
    pub(super) fn from_history(history: &'h History, keys: &HashSet<KeyId>, watch: &Watch<'_>) -> Self {
        let mut lists: HashMap<KeyId, ElementsOfList<'h>> = HashMap::new();
        let mut written = HashSet::new();
        let transactions = history.ids().filter(|&id| history.function(id) == Function::TXN);
        for id in watch.take_while_in_time(StepCost::Follow, transactions) {
            let micros = history.micros_of(id).iter().filter(|micro| keys.contains(&micro.key));
            for micro in micros {
                let list = lists.entry(micro.key).or_default();
                match micro.kind {
                    MicroKind::Append => {
                        *list.appends.entry(micro.value()).or_default().entry(id).or_default() += 1;
                    }
                    MicroKind::ReadList if history.outcome(id) == Outcome::Ok => {
                        list.add_read(history.list(micro.list()));
                    }
                    MicroKind::Write => {
                        written.insert(micro.key);
                    }
                    MicroKind::Read | MicroKind::ReadList => {}
                }
            }
        }
        lists.retain(|key, _| !written.contains(key));
        lists.values_mut().for_each(ElementsOfList::index);
        Self { history, lists, committed: HashSet::new() }
    }

    /// Adds transactions that committed without a completion: a read that may return only committed elements shows them.
    pub(super) fn note_committed(&mut self, committed: HashSet<OpId>) {
        self.committed = committed;
    }

    /// Whether a transaction certainly committed. That a dirty read shows an append of it does not say so.
    pub(super) fn has_committed(&self, id: OpId) -> bool {
        let is_transaction = self.history.function(id) == Function::TXN;
        is_transaction && (self.history.outcome(id) == Outcome::Ok || self.committed.contains(&id))
    }

    /// The transactions that may have appended the element at a position.
    fn writers_at(&self, key: KeyId, at: usize) -> Option<&HashMap<OpId, usize>> {
        let list = self.lists.get(&key)?;
        list.appends.get(list.longest.get(at)?)
    }

    /// Whether a transaction may stand at a place.
    pub(super) fn can_be_placed(&self, place: &ListPlace) -> bool {
        match place.start {
            Some(at) => {
                self.writers_at(place.key, at).is_some_and(|writers| writers.contains_key(&place.writer))
            }
            None => {
                may_have_happened(self.history, place.writer)
                    && self.lists.get(&place.key).is_some_and(|list| {
                        list.own(place.writer).iter().any(|&value| list.may_come_after(value))
                    })
            }
        }
    }

    /// The positions at which a transaction stands if the choices hold, as far as they say so.
    fn positions_of(&self, assumed: &[CaseChoice], key: KeyId, writer: OpId) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        for choice in assumed {
            if let CaseChoice::Shown(place) = choice
                && (place.key, place.writer) == (key, writer)
            {
                found.push(place.start.unwrap_or(AFTER_THE_LIST));
            }
        }
        let Some(list) = self.lists.get(&key) else { return found };
        for &value in list.own(writer) {
            let (writers, positions) = (&list.appends[&value], list.positions_of(value));
            let count = writers[&writer];
            if list.may_come_after(value) && count > positions.len() {
                found.push(AFTER_THE_LIST);
            }
            if writers.len() == 1 {
                found.extend_from_slice(positions);
            }
        }
        found
    }

    /// Whether an element of one transaction stands before one of another if the choices hold.
    pub(super) fn is_before(&self, assumed: &[CaseChoice], key: KeyId, earlier: OpId, later: OpId) -> bool {
        let [one, other] = [earlier, later].map(|writer| self.positions_of(assumed, key, writer));
        [earlier, later].iter().all(|&writer| self.has_committed(writer))
            && matches!((one.iter().min(), other.iter().max()), (Some(first), Some(last)) if first < last)
    }

    /// Whether choices contradict each other: two transactions at one position, none at one, or a transaction at more or fewer positions
    /// than it made appends.
    pub(super) fn is_evident(&self, assumed: &[CaseChoice]) -> bool {
        let placed: Vec<&ListPlace> = assumed
            .iter()
            .filter_map(|choice| if let CaseChoice::Shown(place) = choice { Some(place) } else { None })
            .collect();
        let elsewhere: Vec<&ListPlace> = assumed
            .iter()
            .filter_map(|choice| if let CaseChoice::NotShown(place) = choice { Some(place) } else { None })
            .collect();
        let shares = |one: &&&ListPlace| {
            placed.iter().any(|other| {
                (one.key, one.start) == (other.key, other.start)
                    && one.start.is_some()
                    && one.writer != other.writer
            })
        };
        placed.iter().any(|one| shares(&one) || self.is_too_often(one, &placed))
            || elsewhere.iter().any(|place| match place.start {
                Some(at) => self.writers_at(place.key, at).is_some_and(|writers| {
                    let denied = |&writer: &OpId| elsewhere.contains(&&ListPlace { writer, ..**place });
                    writers.keys().all(denied)
                }),
                None => self.has_too_few_positions(place, &elsewhere),
            })
    }

    fn is_too_often(&self, one: &ListPlace, placed: &[&ListPlace]) -> bool {
        let Some((list, at)) = self.lists.get(&one.key).zip(one.start) else { return false };
        let value = list.longest.get(at);
        let same = placed.iter().filter(|other| {
            let element = other.start.and_then(|at| list.longest.get(at));
            (other.key, other.writer) == (one.key, one.writer) && element == value
        });
        let positions: HashSet<Option<usize>> = same.map(|place| place.start).collect();
        let writers = self.writers_at(one.key, at);
        writers.and_then(|writers| writers.get(&one.writer)).is_some_and(|&count| positions.len() > count)
    }

    /// Whether a transaction that has nothing after the list has fewer positions in it than it made appends.
    fn has_too_few_positions(&self, place: &ListPlace, elsewhere: &[&ListPlace]) -> bool {
        let Some(list) = self.lists.get(&place.key) else { return false };
        self.has_committed(place.writer)
            && list.own(place.writer).iter().any(|&value| {
                let count = list.appends[&value][&place.writer];
                let is_left = |at: &usize| !elsewhere.contains(&&ListPlace { start: Some(*at), ..*place });
                list.may_come_after(value)
                    && list.positions_of(value).iter().filter(|at| is_left(at)).count() < count
            })
    }

    /// Checks that an order of transactions is the order of the elements in the longest lists. `places` says whose element stands at
    /// each position that several transactions may have, and the last of two counts; of those that it leaves out, the element must have one writer, or none.
    pub(super) fn check_order(
        &self,
        order: &[OpId],
        places: &[ListPlace],
        watch: &Watch<'_>,
    ) -> Result<(), Mismatch> {
        let mut said: HashMap<(KeyId, usize), OpId> = HashMap::new();
        for place in watch.take_while_in_time(StepCost::Look, places.iter()) {
            let Some(at) = place.start else { continue };
            said.insert((place.key, at), place.writer);
        }
        let in_order: HashMap<OpId, usize> = order.iter().copied().zip(0..).collect();
        watch.take_while_in_time(StepCost::Parse, self.lists.iter()).try_for_each(|(&key, list)| {
            list.check_order(self.history, &in_order, |at| said.get(&(key, at)).copied())
        })
    }
}

impl<'h> ElementsOfList<'h> {
    fn add_read(&mut self, list: &'h [ValueId]) {
        if self.longest.starts_with(list) {
            return;
        }
        if let Some(new) = list.strip_prefix(self.longest) {
            for &value in new {
                let count = self.in_longest.entry(value).or_default();
                *count += 1;
                let most = self.shown_most.entry(value).or_default();
                *most = (*most).max(*count);
            }
            self.longest = list;
            return;
        }
        let mut counts: HashMap<ValueId, usize> = HashMap::new();
        list.iter().for_each(|&value| *counts.entry(value).or_default() += 1);
        for (&value, &count) in &counts {
            let most = self.shown_most.entry(value).or_default();
            *most = count.max(*most);
        }
        if list.len() > self.longest.len() {
            self.longest = list;
            self.in_longest = counts;
        }
    }

    /// Prepares the maps that are looked up by element and by transaction. O(elements + appends).
    fn index(&mut self) {
        for (at, &value) in self.longest.iter().enumerate() {
            self.positions.entry(value).or_default().push(at);
        }
        for (&value, writers) in &self.appends {
            for &writer in writers.keys() {
                self.own.entry(writer).or_default().push(value);
            }
        }
    }

    fn own(&self, writer: OpId) -> &[ValueId] {
        self.own.get(&writer).map_or(&[], Vec::as_slice)
    }

    fn positions_of(&self, value: ValueId) -> &[usize] {
        self.positions.get(&value).map_or(&[], Vec::as_slice)
    }

    /// Whether an append of this element that is not in the longest list comes after it: no other list may show it.
    fn may_come_after(&self, value: ValueId) -> bool {
        let here = self.positions_of(value).len();
        let appended: usize = self.appends.get(&value).map_or(0, |writers| writers.values().sum());
        self.shown_most.get(&value).copied().unwrap_or(0) <= here && appended > here
    }

    fn check_order(
        &self,
        history: &History,
        in_order: &HashMap<OpId, usize>,
        said: impl Fn(usize) -> Option<OpId>,
    ) -> Result<(), Mismatch> {
        let mut positions: HashMap<OpId, Vec<usize>> = HashMap::new();
        let mut used: HashMap<(OpId, ValueId), usize> = HashMap::new();
        for (at, value) in self.longest.iter().enumerate() {
            let Some(writers) = self.appends.get(value) else { continue };
            if !writers.keys().any(|writer| in_order.contains_key(writer)) {
                // Transactions appended it that failed or may have failed. A dirty read may show it, and no order has a place for it.
                continue;
            }
            let only = writers.keys().next().filter(|_| writers.len() == 1).copied();
            let Some(writer) = said(at).or(only) else {
                return Err(Mismatch(format!(
                    "a witness does not say whose element stands at position {at}"
                )));
            };
            let times = used.entry((writer, *value)).or_default();
            *times += 1;
            ensure(writers.get(&writer).is_some_and(|count| *times <= *count), || {
                format!("in a witness, {writer:?} has more elements in a list than it appended")
            })?;
            positions.entry(writer).or_default().push(at);
        }
        for (value, writers) in &self.appends {
            for (writer, count) in writers {
                if used.get(&(*writer, *value)).copied().unwrap_or(0) < *count && self.may_come_after(*value)
                {
                    positions.entry(*writer).or_default().push(AFTER_THE_LIST);
                }
            }
        }
        let mut spans: Vec<(usize, usize, usize)> = Vec::new();
        for (writer, positions) in positions {
            let (first, last) = (positions.iter().min(), positions.iter().max());
            let (Some(&first), Some(&last)) = (first, last) else { continue };
            match in_order.get(&writer) {
                Some(&place) => spans.push((place, first, last)),
                None => {
                    let must = first != AFTER_THE_LIST && history.outcome(writer) == Outcome::Ok;
                    ensure(!must, || {
                        format!("a list has an element of {writer:?}, which is not in a witness")
                    })?;
                }
            }
        }
        spans.sort_unstable();
        let mut before = 0;
        for (_, first, last) in spans {
            ensure(before <= first, || {
                "in a witness, a transaction comes too late for the place of its element in a list".to_owned()
            })?;
            before = last;
        }
        Ok(())
    }
}

/// Whose elements the lists of an order of transactions have at each position.
pub(super) fn places_by_order(history: &History, order: &[OpId], keys: &HashSet<KeyId>) -> Vec<ListPlace> {
    let mut lengths: HashMap<KeyId, usize> = HashMap::new();
    let mut places = Vec::new();
    for &writer in order {
        let micros = history.micros_of(writer).iter();
        for micro in micros.filter(|micro| !is_read(**micro) && keys.contains(&micro.key)) {
            let length = lengths.entry(micro.key).or_default();
            places.push(ListPlace { key: micro.key, writer, start: Some(*length) });
            *length += 1;
        }
    }
    places
}
