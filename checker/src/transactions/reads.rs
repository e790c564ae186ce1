//! Anomalies that single reads show without any graph: values that were aborted, written by no operation, overwritten
//! within their own transaction, out of order, or repeated.
//!
//! A read returns a whole list, and any element of it may be wrong. To check every element takes n²/2 steps for n
//! reads of a growing list. But nearly every read is a prefix of the longest one. An error in a prefix is also an
//! error in the longest list, at the same place, and a read shows it if it is long enough. So each *place* is judged
//! once a key, and each read is compared with the first bad place.

use super::findings::AnomalyCollector;
use super::index::{KeyShape, NONE, Touch, TransactionIndex, TransactionState, UNKNOWN, is_read};
use claims::{Limits, Phenomenon, ReadAt, TransactionEvidence};
use histories::{Id, KeyId, MicroKind, ValueId};
use rustc_hash::FxHashMap;
use std::cell::OnceCell;

/// Finds the anomalies that reads and updates of single keys show.
pub(crate) fn find_read_anomalies(
    index: &TransactionIndex<'_>,
    findings: &mut AnomalyCollector,
    limits: &Limits<'_>,
) {
    // Nothing can be concluded about a key that is both a list and a register.
    let plain = index.key_ids().filter(|key| index.mixed.binary_search(key).is_err());
    for key in plain.take_while(|_| !limits.stop_requested()) {
        match index.key(key).shape {
            KeyShape::List => check_list_key(index, key, findings),
            KeyShape::Register => check_register_key(index, key, findings),
        }
        find_intermediate_reads(index, key, findings);
        find_lost_updates(index, key, findings);
    }
}

pub(crate) fn locate_read(index: &TransactionIndex<'_>, touch: Touch, key: KeyId) -> ReadAt {
    let transaction = index.op_id(touch.op);
    let histories::Argument::Micros(range) = index.history.argument(transaction) else {
        unreachable!("only transactions have micro-operations")
    };
    ReadAt { transaction, place: touch.micro as usize - range.start, key }
}

fn known_reads<'a>(index: &'a TransactionIndex<'_>, key: KeyId) -> impl Iterator<Item = Touch> + 'a {
    index.touches(key).iter().copied().filter(|&touch| index.is_known_read(touch))
}

fn check_register_key(index: &TransactionIndex<'_>, key: KeyId, findings: &mut AnomalyCollector) {
    for touch in known_reads(index, key) {
        let version = index.version_of[touch.micro as usize];
        let micro = index.micro_at(touch.micro);
        let garbage = match micro.kind {
            MicroKind::ReadList => index.history.list(micro.list()).first().copied(),
            _ if version == 0 || version >= UNKNOWN => None,
            _ => {
                let written = index.versions(key)[version as usize - 1];
                record_aborted_read(index, touch, key, written.op, written.value, findings);
                written.is_garbage().then_some(written.value)
            }
        };
        if let Some(value) = garbage {
            let read = locate_read(index, touch, key);
            findings
                .record_finding(Phenomenon::GarbageRead, || TransactionEvidence::GarbageRead { read, value });
        }
    }
}

fn record_aborted_read(
    index: &TransactionIndex<'_>,
    touch: Touch,
    key: KeyId,
    writer: u32,
    value: ValueId,
    findings: &mut AnomalyCollector,
) {
    if writer != NONE && index.states[writer as usize] == TransactionState::Aborted {
        findings.record_finding(Phenomenon::G1a, || TransactionEvidence::AbortedRead {
            read: locate_read(index, touch, key),
            value,
            writer: index.op_id(writer),
        });
    }
}

/// The first places of a key's order that show an anomaly. A read shows the anomaly if it is longer than the place.
struct SuspectPlaces {
    aborted: Option<usize>,
    garbage: Option<usize>,
    /// A committed element after an aborted one, as (aborted, committed).
    dirty: Option<(usize, usize)>,
}

fn check_list_key(index: &TransactionIndex<'_>, key: KeyId, findings: &mut AnomalyCollector) {
    let places = find_suspect_places(index, key);
    let longest = longest_known_read(index, key);
    // Where equal elements were appended, no read is on the trunk. What the longest list does not show, none of its prefixes does.
    let mut longest_is_clean = None;
    for touch in known_reads(index, key) {
        let micro = index.micro_at(touch.micro);
        if micro.kind == MicroKind::Read {
            // A read of null or of one value. It is unclear what such a value says about a list, and the key is in
            // `mixed`.
            continue;
        }
        let list = index.history.list(micro.list());
        let lists = index.history.lists();
        let on_trunk = index.key(key).on_trunk && lists.is_prefix(micro.list());
        let Some(longest) = longest else { continue };
        let whole = index.history.list(index.micro_at(longest.micro).list());
        if on_trunk {
            check_prefix_read(index, touch, key, list.len(), &places, findings);
        } else {
            let mut is_clean =
                || *longest_is_clean.get_or_insert_with(|| !shows_something_wrong(index, longest, key));
            if !(whole.starts_with(list) && is_clean()) {
                check_stray_read(index, touch, key, findings);
            }
        }
        if !on_trunk && !whole.starts_with(list) {
            let (one, other) = (locate_read(index, touch, key), locate_read(index, longest, key));
            let (shown, most) = (elements_of_others(index, one), elements_of_others(index, other));
            let own = shown.starts_with(most) || most.starts_with(shown);
            findings.record_finding(Phenomenon::IncompatibleOrder, || match own {
                true => TransactionEvidence::IncompatibleOwnAppends { one, other },
                false => TransactionEvidence::IncompatibleOrder { one, other },
            });
        }
    }
    record_dirty_update(index, key, &places, longest, findings);
    if let Some(longest) = longest {
        check_append_order(index, key, longest, findings);
    }
}

/// The elements of other transactions in a list that was read: all but the last k, if the reader had appended k elements before.
fn elements_of_others<'h>(index: &TransactionIndex<'h>, read: ReadAt) -> &'h [ValueId] {
    let micros = index.history.micros_of(read.transaction);
    let own = |before: &&histories::Micro| before.key == read.key && before.kind == MicroKind::Append;
    let count = micros[..read.place].iter().filter(own).count();
    let list = index.history.list(micros[read.place].list());
    &list[..list.len().saturating_sub(count)]
}

/// Finds transactions with two appends to the key whose later element is in the list, without the earlier element before it.
fn check_append_order(
    index: &TransactionIndex<'_>,
    key: KeyId,
    longest: Touch,
    findings: &mut AnomalyCollector,
) {
    let ordered = index.key(key).ordered;
    for group in index.touches(key).chunk_by(|a, b| a.op == b.op) {
        let version = |touch: &Touch| index.version_of[touch.micro as usize];
        // Of equal elements that several transactions appended, a list does not tell whose is where.
        let is_clear = |version: u32| index.versions(key)[version as usize - 1].op != NONE;
        let appends = group.iter().filter(|touch| {
            index.micro_at(touch.micro).kind == MicroKind::Append && is_clear(version(touch))
        });
        let mut greatest: Option<Touch> = None;
        for &append in appends {
            let shown = version(&append) <= ordered;
            if let Some(before) = greatest.filter(|before| shown && version(before) > version(&append)) {
                findings.record_finding(Phenomenon::IncompatibleOrder, || {
                    TransactionEvidence::AppendsOutOfOrder {
                        read: locate_read(index, longest, key),
                        writer: index.op_id(append.op),
                        earlier: index.micro_at(before.micro).value(),
                        later: index.micro_at(append.micro).value(),
                    }
                });
                break;
            }
            if greatest.is_none_or(|before| version(&append) > version(&before)) {
                greatest = Some(append);
            }
        }
    }
}

fn longest_known_read(index: &TransactionIndex<'_>, key: KeyId) -> Option<Touch> {
    let lists =
        known_reads(index, key).filter(|touch| index.micro_at(touch.micro).kind == MicroKind::ReadList);
    let len = |touch: &Touch| index.history.list(index.micro_at(touch.micro).list()).len();
    lists.reduce(|best, touch| if len(&touch) > len(&best) { touch } else { best })
}

fn find_suspect_places(index: &TransactionIndex<'_>, key: KeyId) -> SuspectPlaces {
    let mut places = SuspectPlaces { aborted: None, garbage: None, dirty: None };
    let mut last_aborted = None;
    for (at, version) in index.versions(key)[..index.key(key).ordered as usize].iter().enumerate() {
        if version.op == NONE {
            // Several transactions wrote the value: it is not garbage, but no single writer can be named.
            places.garbage = places.garbage.or(version.is_garbage().then_some(at));
            continue;
        }
        match index.states[version.op as usize] {
            TransactionState::Aborted => {
                places.aborted = places.aborted.or(Some(at));
                last_aborted = Some(at);
            }
            TransactionState::Committed
                if index.history.outcome(index.op_id(version.op)) == histories::Outcome::Ok =>
            {
                places.dirty = places.dirty.or(last_aborted.map(|aborted| (aborted, at)));
            }
            TransactionState::Committed | TransactionState::Absent => {}
        }
    }
    places
}

fn check_prefix_read(
    index: &TransactionIndex<'_>,
    touch: Touch,
    key: KeyId,
    len: usize,
    places: &SuspectPlaces,
    findings: &mut AnomalyCollector,
) {
    let versions = index.versions(key);
    if let Some(at) = places.aborted.filter(|&at| at < len) {
        record_aborted_read(index, touch, key, versions[at].op, versions[at].value, findings);
    }
    if let Some(at) = places.garbage.filter(|&at| at < len) {
        let read = locate_read(index, touch, key);
        findings.record_finding(Phenomenon::GarbageRead, || TransactionEvidence::GarbageRead {
            read,
            value: versions[at].value,
        });
    }
}

/// Whether a read that is not a prefix of the key's order has an anomaly.
fn shows_something_wrong(index: &TransactionIndex<'_>, touch: Touch, key: KeyId) -> bool {
    let mut findings = AnomalyCollector::default();
    check_stray_read(index, touch, key, &mut findings);
    !findings.into_anomalies().is_empty()
}

/// Checks a read that is not a prefix of the key's order, element by element.
fn check_stray_read(index: &TransactionIndex<'_>, touch: Touch, key: KeyId, findings: &mut AnomalyCollector) {
    let list = index.history.list(index.micro_at(touch.micro).list());
    let versions: FxHashMap<ValueId, usize> =
        index.versions(key).iter().enumerate().rev().map(|(at, version)| (version.value, at)).collect();
    let mut seen: FxHashMap<ValueId, usize> = FxHashMap::default();
    // Several transactions may have appended equal elements. They are counted when the first element is there again.
    let more: OnceCell<FxHashMap<ValueId, usize>> = OnceCell::new();
    let count_more = || {
        let mut counts = FxHashMap::default();
        let own = index.ambiguities.iter().filter(|more| more.key == key);
        own.for_each(|more| *counts.entry(more.value).or_default() += 1);
        counts
    };
    let (mut duplicate, mut garbage, mut aborted) = (false, false, false);
    for &value in list {
        let read = || locate_read(index, touch, key);
        let times = seen.entry(value).or_default();
        *times += 1;
        let appended = || 1 + more.get_or_init(count_more).get(&value).copied().unwrap_or(0);
        if *times > 1 && !duplicate && *times > appended() {
            duplicate = true;
            findings.record_finding(Phenomenon::DuplicateElements, || {
                TransactionEvidence::DuplicateElement { read: read(), value }
            });
        }
        let written = versions.get(&value).map(|&at| index.versions(key)[at]);
        let Some(written) = written.filter(|written| !written.is_garbage()) else {
            if !garbage {
                garbage = true;
                findings.record_finding(Phenomenon::GarbageRead, || TransactionEvidence::GarbageRead {
                    read: read(),
                    value,
                });
            }
            continue;
        };
        if written.op != NONE && index.states[written.op as usize] == TransactionState::Aborted && !aborted {
            aborted = true;
            record_aborted_read(index, touch, key, written.op, value, findings);
        }
    }
}

fn record_dirty_update(
    index: &TransactionIndex<'_>,
    key: KeyId,
    places: &SuspectPlaces,
    longest: Option<Touch>,
    findings: &mut AnomalyCollector,
) {
    let (Some((aborted, committed)), Some(longest)) = (places.dirty, longest) else { return };
    let versions = index.versions(key);
    let who = |at: usize| (index.op_id(versions[at].op), versions[at].value);
    findings.record_finding(Phenomenon::DirtyUpdate, || TransactionEvidence::DirtyUpdate {
        read: locate_read(index, longest, key),
        aborted: who(aborted),
        committed: who(committed),
    });
}

fn find_intermediate_reads(index: &TransactionIndex<'_>, key: KeyId, findings: &mut AnomalyCollector) {
    for touch in known_reads(index, key) {
        let version = index.version_of[touch.micro as usize];
        if version == 0 || version >= UNKNOWN {
            continue;
        }
        let written = index.versions(key)[version as usize - 1];
        if written.intermediate && written.op != touch.op && written.op != NONE {
            findings.record_finding(Phenomenon::G1b, || TransactionEvidence::IntermediateRead {
                read: locate_read(index, touch, key),
                value: written.value,
                writer: index.op_id(written.op),
            });
        }
    }
}

/// Finds groups of transactions that read the same version of the key and then wrote it.
fn find_lost_updates(index: &TransactionIndex<'_>, key: KeyId, findings: &mut AnomalyCollector) {
    let mut updates: Vec<(u32, u32)> = Vec::new();
    for group in index.touches(key).chunk_by(|a, b| a.op == b.op) {
        let first = group[0];
        let writes = group.iter().any(|&touch| !is_read(index.micro_at(touch.micro)));
        let version = index.version_of[first.micro as usize];
        if writes && index.is_known_read(first) && version < UNKNOWN {
            updates.push((version, first.op));
        }
    }
    updates.sort_unstable();
    for same in updates.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
        findings.record_finding(Phenomenon::LostUpdate, || TransactionEvidence::LostUpdate {
            key,
            version: index.value_of_version(key, same[0].0),
            transactions: same.iter().map(|&(_, op)| index.op_id(op)).collect(),
        });
    }
    debug_assert!(key.index() < index.history.keys.len());
}
