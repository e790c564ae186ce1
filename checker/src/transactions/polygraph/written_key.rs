//! A key with its writers, and what its longest list says of their order.
//!
//! Each writer has a *span*: the first and the last place at which its appends may stand in the longest list. If the spans of two
//! writers do not overlap, their order is certain. Registers show no order: all their writers have the span of what no list shows.

use super::super::key_facts::immediate_successors;
use super::list_places::{ListPlacements, UNLISTED};
use histories::{KeyId, OpId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Range;

/// A key and its writers.
#[derive(Clone, Debug)]
pub(super) struct WrittenKey {
    pub key: KeyId,
    /// The transactions that write the key, sorted by span.
    pub writers: Vec<u32>,
    /// By writer: the first and the last place at which its appends may stand.
    spans: Vec<(u32, u32)>,
    /// By writer: the largest end of all spans up to its own.
    ends: Vec<u32>,
    /// By writer: the next writers that certainly come later. All other later ones follow these.
    next: Vec<Range<usize>>,
    /// The writers with several places, or with one at which another may stand instead.
    pub open: Vec<OpenWriter>,
    /// The positions at which some of them must stand.
    pub occupied: Vec<OccupiedPosition>,
}

/// A writer whose appends may stand at several places, or at one that another writer may have.
#[derive(Clone, Debug)]
pub(super) struct OpenWriter {
    /// Its place among the writers of the key.
    pub writer: u32,
    /// The number of its appends.
    pub length: u32,
    /// Where its appends may begin, ascending. [`UNLISTED`] comes last if the list need not have them.
    pub starts: Vec<u32>,
}

/// A position of a list at which the appends of one of these writers must begin.
#[derive(Clone, Debug)]
pub(super) struct OccupiedPosition {
    pub at: u32,
    /// Places among the writers of the key.
    pub by: Vec<u32>,
    /// If the list need not have a boundary there: the writers, with their starts, whose appends end there. For each of them, the position
    /// must be occupied if it stands there.
    pub after: Vec<(u32, u32)>,
}

/// A key whose writers are still being collected.
pub(super) struct WrittenKeyBuilder {
    pub key: KeyId,
    pub writers: Vec<u32>,
}

impl WrittenKeyBuilder {
    /// Sorts the writers by where they may stand, and then by `when` they took effect at the latest. `numbers` has the number of each
    /// transaction.
    pub(super) fn build(
        mut self,
        places: Option<&ListPlacements>,
        numbers: &FxHashMap<OpId, u32>,
        when: impl Fn(u32) -> (u32, u32),
    ) -> WrittenKey {
        let mut starts: FxHashMap<u32, (Vec<u32>, u32)> = FxHashMap::default();
        let mut certain: FxHashSet<u32> = FxHashSet::default();
        let mut must_stand: FxHashSet<u32> = FxHashSet::default();
        for place in places.map_or(&[][..], |places| &places.all) {
            let Some(&number) = numbers.get(&place.writer) else { continue };
            let of_one = starts.entry(number).or_insert((Vec::new(), place.length));
            of_one.0.push(place.start);
            if places.is_some_and(|places| places.is_certain(place.writer)) {
                certain.insert(number);
            }
            if places.is_some_and(|places| places.must_stand(place.writer)) {
                must_stand.insert(number);
            }
        }
        for (number, (starts, _)) in &mut starts {
            if !must_stand.contains(number) {
                starts.push(UNLISTED);
            }
        }
        let span = |number: u32| match starts.get(&number) {
            Some((starts, _)) => (starts[0], *starts.last().expect("it has a place")),
            None => (UNLISTED, UNLISTED),
        };
        self.writers.sort_by_cached_key(|&number| (span(number), when(number)));
        let spans: Vec<(u32, u32)> = self.writers.iter().map(|&number| span(number)).collect();
        let mut last = 0;
        let ends = spans.iter().map(|span| {
            last = last.max(span.1);
            last
        });
        let ends: Vec<u32> = ends.collect();
        let open = (0..).zip(&self.writers).filter_map(|(writer, number)| {
            let (starts, length) = starts.get(number).filter(|_| !certain.contains(number))?;
            Some(OpenWriter { writer, length: *length, starts: starts.clone() })
        });
        let open: Vec<OpenWriter> = open.collect();
        let occupied = places.map_or_else(Vec::new, |places| find_occupied(&open, &places.boundaries));
        let next = immediate_successors(&spans);
        WrittenKey { key: self.key, writers: self.writers, spans, ends, next, open, occupied }
    }
}

/// The positions at which appends with several places must begin: the boundaries of every split, and the ends of such appends.
fn find_occupied(open: &[OpenWriter], boundaries: &[bool]) -> Vec<OccupiedPosition> {
    let count = boundaries.len() as u32 - 1;
    let mut by: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
    let mut after: FxHashMap<u32, Vec<(u32, u32)>> = FxHashMap::default();
    for each in open {
        for &start in each.starts.iter().filter(|start| **start != UNLISTED) {
            by.entry(start).or_default().push(each.writer);
            let end = start + each.length;
            if end < count && !boundaries[end as usize] {
                after.entry(end).or_default().push((each.writer, start));
            }
        }
    }
    let mut positions: Vec<u32> = by.keys().chain(after.keys()).copied().collect();
    positions.sort_unstable();
    positions.dedup();
    let occupied = positions.into_iter().filter_map(|at| {
        let after = after.remove(&at).unwrap_or_default();
        let must = boundaries[at as usize] || !after.is_empty();
        must.then(|| OccupiedPosition { at, by: by.remove(&at).unwrap_or_default(), after })
    });
    occupied.collect()
}

impl WrittenKey {
    /// Whether the list shows that one writer precedes another; `None` if it leaves their order open.
    pub(super) fn order_by_list(&self, one: u32, other: u32) -> Option<bool> {
        let (a, b) = (self.spans[one as usize], self.spans[other as usize]);
        match (a.1 < b.0, b.1 < a.0) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    /// The first and the last place at which the appends of a writer may stand.
    pub(super) fn span(&self, writer: u32) -> (u32, u32) {
        self.spans[writer as usize]
    }

    /// The later entries of `writers` whose order relative to this one the list leaves open.
    pub(super) fn open_after(&self, writer: u32) -> Range<u32> {
        let end = self.spans[writer as usize].1;
        writer + 1..(self.spans.partition_point(|span| span.0 <= end) as u32).max(writer + 1)
    }

    /// The earlier entries of `writers` whose order relative to this one the list leaves open.
    pub(super) fn open_before(&self, writer: u32) -> impl Iterator<Item = u32> + '_ {
        let start = self.spans[writer as usize].0;
        let from = self.ends.partition_point(|&end| end < start) as u32;
        (from..writer).filter(move |&other| self.spans[other as usize].1 >= start)
    }

    /// The next writers that certainly come later than this one, or than the initial state. All others that do follow one of these.
    pub(super) fn next_after(&self, writer: Option<u32>) -> Range<u32> {
        match writer {
            Some(writer) => {
                let next = &self.next[writer as usize];
                next.start as u32..next.end as u32
            }
            None => {
                let first = self.spans.iter().map(|span| span.1).min().unwrap_or(0);
                0..self.spans.partition_point(|span| span.0 <= first) as u32
            }
        }
    }
}
