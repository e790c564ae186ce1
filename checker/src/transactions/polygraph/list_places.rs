//! Where the appends of each transaction may stand in the longest list that was read of a key.
//!
//! A list is the appends of one transaction after another. If every element was appended once, there is one way to split the list.
//! Equal elements leave several: each of these transactions may stand wherever the list has its elements, or come after the list. A
//! split covers the whole list and has a boundary wherever a read ends. So a dynamic program over the positions of the list, forward and
//! backward, leaves only the places that occur in some split. It ignores that a transaction stands at one place only; the search
//! ([`super::list_rules`]) takes care of that.
//!
//! Cost: O(n + p · m) for n elements, p places and at most m appends of one transaction to a key.

use histories::{OpId, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// The place of a transaction that no read shows: after the longest list.
pub(super) const UNLISTED: u32 = u32::MAX;
/// The maximum number of places of all transactions in one list.
const PLACES_MAX: usize = 1 << 20;

/// One way for the appends of a transaction to stand in a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListPlacement {
    pub start: u32,
    pub writer: OpId,
    /// The number of its appends to the key. The last of them may lie beyond the end of the list.
    pub length: u32,
}

/// The places at which the appends of each transaction may stand, sorted by start.
pub(super) struct ListPlacements {
    pub all: Vec<ListPlacement>,
    /// By position: whether every split of the list has a boundary there.
    pub boundaries: Vec<bool>,
    /// The transactions with one place in every split, at which no other can stand.
    certain: FxHashSet<OpId>,
    /// Other transactions that have a place in every split.
    counted: FxHashSet<OpId>,
    /// The maximum number of appends of one transaction.
    longest: u32,
}

/// By transaction: where its appends to a list begin, because it read them itself; `None` if its own reads contradict each other.
pub(super) type ListPins = FxHashMap<OpId, Option<u32>>;

/// What is known of one list before its elements are looked at.
pub(super) struct ShownList<'a> {
    pub elements: &'a [ValueId],
    pub pins: &'a ListPins,
    /// By position: whether a read ends there.
    pub read_ends: &'a [bool],
}

impl ListPlacements {
    /// Finds the places. `writers_of` gives the transactions that appended an element, in ascending order, and `appends_of` what a
    /// transaction appended to the key. `None` if there are too many places.
    pub(super) fn find<'w>(
        list: &ShownList<'_>,
        writers_of: impl Fn(ValueId) -> &'w [OpId],
        appends_of: impl Fn(OpId) -> Vec<ValueId>,
    ) -> Option<Self> {
        let count = list.elements.len();
        // By position: the next position at which a read ends.
        let mut next_end = vec![u32::MAX; count + 1];
        for at in (0..count).rev() {
            next_end[at] = if list.read_ends[at + 1] { at as u32 + 1 } else { next_end[at + 1] };
        }
        let owners = find_owners(list.pins, count, &appends_of);
        let mut reached = vec![false; count + 1];
        reached[0] = true;
        let mut all: Vec<ListPlacement> = Vec::new();
        for (at, &element) in list.elements.iter().enumerate() {
            if !reached[at] {
                continue;
            }
            let mut last = None;
            for &writer in writers_of(element) {
                let pin = list.pins.get(&writer);
                if last.replace(writer) == Some(writer) || pin.is_some_and(|pin| *pin != Some(at as u32)) {
                    continue;
                }
                let (own, rest) = (appends_of(writer), &list.elements[at..]);
                // The last transaction's own read may show some of its appends only.
                let fits = rest.starts_with(&own) || (pin.is_some() && own.starts_with(rest));
                let end = at + own.len();
                let is_free = |owner: &Option<OpId>| owner.is_none_or(|owner| owner == writer);
                if fits && end as u32 <= next_end[at] && owners[at..end.min(count)].iter().all(is_free) {
                    reached[end.min(count)] = true;
                    all.push(ListPlacement { start: at as u32, writer, length: own.len() as u32 });
                }
            }
            if all.len() > PLACES_MAX {
                return None;
            }
        }
        if reached[count] {
            keep_what_leads_to_the_end(&mut all, count);
        }
        let boundaries = find_boundaries(&all, count);
        let certain = find_certain_writers(&all, &boundaries);
        let counted = find_counted_writers(list.elements, writers_of);
        let longest = all.iter().map(|place| place.length).max().unwrap_or(0);
        Some(Self { all, boundaries, certain, counted, longest })
    }

    /// The transactions that may have left the list at this length.
    pub(super) fn writers_that_end_at(&self, length: usize) -> Vec<OpId> {
        let end = length as u32;
        let from = self.all.partition_point(|place| place.start + self.longest < end);
        let to = self.all.partition_point(|place| place.start < end);
        let ends = self.all[from..to].iter().filter(|place| place.start + place.length == end);
        ends.map(|place| place.writer).collect()
    }

    /// Whether a transaction has one place in every split, at which no other can stand.
    pub(super) fn is_certain(&self, writer: OpId) -> bool {
        self.certain.contains(&writer)
    }

    /// Whether a transaction has a place in every split.
    pub(super) fn must_stand(&self, writer: OpId) -> bool {
        self.certain.contains(&writer) || self.counted.contains(&writer)
    }
}

/// By position: the transaction whose append certainly is there, because it read its own appends.
fn find_owners(
    pins: &ListPins,
    count: usize,
    appends_of: impl Fn(OpId) -> Vec<ValueId>,
) -> Vec<Option<OpId>> {
    let mut owners = vec![None; count];
    for (&id, start) in pins {
        let Some(start) = start.map(|start| start as usize).filter(|&start| start < count) else { continue };
        let end = (start + appends_of(id).len()).min(count);
        owners[start..end].fill(Some(id));
    }
    owners
}

fn keep_what_leads_to_the_end(all: &mut Vec<ListPlacement>, count: usize) {
    let end = |place: &ListPlacement| ((place.start + place.length) as usize).min(count);
    let mut leads = vec![false; count + 1];
    leads[count] = true;
    for place in all.iter().rev() {
        leads[place.start as usize] |= leads[end(place)];
    }
    all.retain(|place| leads[end(place)]);
}

fn find_boundaries(all: &[ListPlacement], count: usize) -> Vec<bool> {
    // By position: how many places begin to cover it, less those that cease to.
    let mut change = vec![0_i64; count + 2];
    for place in all {
        let end = ((place.start + place.length) as usize).min(count + 1);
        if place.start as usize + 1 < end {
            change[place.start as usize + 1] += 1;
            change[end] -= 1;
        }
    }
    let mut covering = 0;
    let covered = change[..=count].iter().map(|change| {
        covering += change;
        covering > 0
    });
    covered.map(|covered| !covered).collect()
}

/// The transactions that appended an element which the list has as often as it was appended in all. Each of these appends is in the list, so
/// none of the transactions comes after it.
fn find_counted_writers<'w>(
    elements: &[ValueId],
    writers_of: impl Fn(ValueId) -> &'w [OpId],
) -> FxHashSet<OpId> {
    let mut counts: FxHashMap<ValueId, usize> = FxHashMap::default();
    for &element in elements {
        *counts.entry(element).or_default() += 1;
    }
    let all_listed = counts.into_iter().filter(|&(element, count)| count >= writers_of(element).len());
    all_listed.flat_map(|(element, _)| writers_of(element).iter().copied()).collect()
}

/// The transactions with one place each, where no other transaction can stand although some must.
fn find_certain_writers(all: &[ListPlacement], boundaries: &[bool]) -> FxHashSet<OpId> {
    let mut places: FxHashMap<OpId, u32> = FxHashMap::default();
    all.iter().for_each(|place| *places.entry(place.writer).or_default() += 1);
    let alone = all.chunk_by(|one, other| one.start == other.start).filter(|same| same.len() == 1);
    let alone = alone.map(|same| same[0]).filter(|place| boundaries[place.start as usize]);
    alone.map(|place| place.writer).filter(|writer| places[writer] == 1).collect()
}
