//! A set, element by element and read by read: lost elements, elements that were missed and came back, and duplicates.
//!
//! An element is *known* from the completion of its acknowledged add, or of a read that has it, whichever is first. A
//! read that began later and lacks it *missed* it. If a read that has the element completed after such a miss began,
//! the element was only late, `stale`; if none did, it is `lost`. Jepsen's `set-full` compares the invocation of the
//! last read with the element and that of the last read without it, so a read with the element that overlaps a read
//! without it can still count as lost. Here, a loss means that every read that ends after the miss began lacks the
//! element.
//!
//! An eventually consistent store may serve stale sets, and `set-full` allows that, as Jepsen does by default. How long
//! elements were missed is a remark if the history has times. `set-full-linearizable` does not allow stale sets.
//! Nothing is ever removed.
//!
//! Missing elements are searched for only in reads that have too few of the known ones: O(n log n + what was read +
//! misses · elements).

use super::found::BreachCollector;
use super::set::Adds;
use super::{ObjectOperations, values};
use claims::BreachEvidence;
use histories::{Function, History, OpId};
use rustc_hash::FxHashMap;

pub(super) fn check_full_set(object: &ObjectOperations<'_>, linearizable: bool, found: &mut BreachCollector) {
    let history = object.history;
    let adds = Adds::from_object(object, &[Function::ADD]);
    let mut reads = Vec::new();
    for read in object.acknowledged_operations(Function::READ) {
        match values::parse_elements(history, history.operation(read).result) {
            Some(elements) => reads.push((read, elements)),
            None => found.note_unclear(format!(
                "operation {} returned no list of elements",
                history.operation_index(read)
            )),
        }
    }
    if reads.is_empty() && !adds.by_element.is_empty() {
        found.note_unclear("the set was never read".to_owned());
    }
    found.looked += reads.len() as u64;
    for (read, elements) in &mut reads {
        adds.report_unwritten(object, *read, elements, found);
        report_duplicates(object, *read, elements, found);
    }
    let tracks = build_tracks(history, &adds, &reads);
    report_missing_elements(object, tracks, linearizable, found);
}

/// Reports elements that a read has more than once. Leaves the elements sorted, each once.
fn report_duplicates(
    object: &ObjectOperations<'_>,
    read: OpId,
    elements: &mut Vec<&str>,
    found: &mut BreachCollector,
) {
    elements.sort_unstable();
    for group in elements.chunk_by(|a, b| a == b).filter(|group| group.len() > 1) {
        let (element, times) = (group[0].to_owned(), group.len());
        found.add_breach("duplicated", object.key(), || BreachEvidence::Doubled { element, read, times });
    }
    elements.dedup();
}

/// What the history shows of one element.
struct Track<'a> {
    element: &'a str,
    /// The first operation that showed the element: its add, or a read.
    known: OpId,
    /// Among the reads that have it, the one that completed last.
    seen: Option<OpId>,
    /// Among the reads that missed it, the one that was invoked last.
    missed: Option<OpId>,
}

/// The track of every element that was ever known, in the order in which the elements became known.
fn build_tracks<'a>(history: &History, adds: &Adds<'a>, reads: &[(OpId, Vec<&'a str>)]) -> Vec<Track<'a>> {
    let completed = |id: OpId| history.operation(id).completed;
    let mut known: FxHashMap<&str, (OpId, Option<OpId>)> = FxHashMap::default();
    for (element, add) in &adds.by_element {
        known.extend(add.acknowledged.map(|id| (*element, (id, None))));
    }
    for (read, elements) in reads {
        for element in elements {
            let (first, last) = known.entry(element).or_insert((*read, None));
            if completed(*read) < completed(*first) {
                *first = *read;
            }
            if last.is_none_or(|last| completed(last) < completed(*read)) {
                *last = Some(*read);
            }
        }
    }
    let mut tracks: Vec<Track<'a>> = known
        .into_iter()
        .map(|(element, (known, seen))| Track { element, known, seen, missed: None })
        .collect();
    tracks.sort_unstable_by_key(|track| (completed(track.known), track.element));
    let places: FxHashMap<&str, usize> =
        tracks.iter().enumerate().map(|(at, track)| (track.element, at)).collect();
    let mut stamps = vec![usize::MAX; tracks.len()];
    for (number, (read, elements)) in reads.iter().enumerate() {
        let began = history.operation(*read).invoked;
        let expected = tracks.partition_point(|track| completed(track.known) < began);
        let mut there = 0;
        for element in elements {
            let place = places[element];
            stamps[place] = number;
            there += usize::from(place < expected);
        }
        if there < expected {
            let missing = (0..expected).filter(|&place| stamps[place] != number);
            // Reads are visited in order of invocation, so the last miss is the latest.
            missing.for_each(|place| tracks[place].missed = Some(*read));
        }
    }
    tracks
}

fn report_missing_elements(
    object: &ObjectOperations<'_>,
    tracks: Vec<Track<'_>>,
    linearizable: bool,
    found: &mut BreachCollector,
) {
    let history = object.history;
    let (mut stale, mut longest, mut never_read) = (0_u64, None, 0_u64);
    for track in tracks {
        never_read += u64::from(track.seen.is_none() && track.missed.is_none());
        let Track { element, known, seen, missed: Some(read) } = track else { continue };
        let began = history.operation(read).invoked;
        let again = seen.filter(|&seen| history.operation(seen).completed > began);
        let evidence = || BreachEvidence::Missing { element: element.to_owned(), known, read, again };
        match again {
            None => found.add_breach("lost", object.key(), evidence),
            Some(_) => {
                stale += 1;
                longest = longest.max(late_ns(history, known, read));
                if linearizable {
                    found.add_breach("stale", object.key(), evidence);
                }
            }
        }
    }
    if stale > 0 {
        let late =
            longest.map(|ns| format!(", the longest for {:.6} s", ns as f64 / 1e9)).unwrap_or_default();
        found.remarks.push(format!(
            "{stale} elements were missed by reads after they were there, and came back{late}"
        ));
    }
    if never_read > 0 {
        found
            .remarks
            .push(format!("{never_read} elements were added after the last read had begun, or just before"));
    }
}

/// How long after an element was known the read that missed it began, in ns. `None` if the history has no times.
fn late_ns(history: &History, known: OpId, read: OpId) -> Option<i64> {
    Some(history.invoked_at(read)? - history.completed_at(known)?)
}
