//! A set, element by element and read by read: what is gone for good, what was missed and came back, what is twice.
//!
//! An element is *known* from the moment when its add was acknowledged or a read that has it completed. A read that
//! began later and lacks it *missed* it. If a read that has it completed after such a miss began, the element was only
//! late, `stale`; if none did, it is `lost`. Jepsen's `set-full` compares the invocations of the last read with and of the
//! last without the element, so that a read with it that overlaps one without can be called lost; here a loss means
//! that whoever reads on from the miss never sees the element.
//!
//! A store that is eventually consistent may serve stale sets, and `set-full` lets it, as Jepsen does by default; how
//! long elements were missed is a remark where the history has times. `set-full-linearizable` does not. Nothing is ever
//! removed.
//!
//! Missing elements are looked for only in reads that have too few of the known ones: O(n log n + what was read +
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

/// Reports what is in a read more than once, and leaves each element once, sorted.
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

/// The life of an element.
struct Track<'a> {
    element: &'a str,
    /// What first showed that it is there.
    known: OpId,
    /// Of the reads that have it, the one that completed last.
    seen: Option<OpId>,
    /// Of the reads that missed it, the one that was invoked last.
    missed: Option<OpId>,
}

/// Every element that was known at some time, in order of that time.
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
            // Reads come in order of invocation.
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

/// How long after an element was known a read that missed it began, in ns, where times were recorded.
fn late_ns(history: &History, known: OpId, read: OpId) -> Option<i64> {
    Some(history.invoked_at(read)? - history.completed_at(known)?)
}
