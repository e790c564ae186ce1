//! Anomalies that single reads show without any graph: values that were aborted, written by no operation, overwritten
//! within their own transaction, out of order, or repeated.
//!
//! A read returns a whole list, and any element of it may be wrong. To check every element takes n²/2 steps for n
//! reads of a growing list. But nearly every read is a prefix of the longest one. An error in a prefix is also an
//! error in the longest list, at the same place, and a read shows it if it is long enough. So each *place* is judged
//! once a key, and each read is compared with the first bad place.

use super::findings::Findings;
use super::index::{Index, KeyShape, NONE, State, Touch, UNKNOWN, is_read};
use claims::{Limits, Phenomenon, ReadAt, TransactionEvidence};
use histories::{Id, KeyId, MicroKind, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// Finds the anomalies that reads and updates of single keys show.
pub(crate) fn find(index: &Index<'_>, findings: &mut Findings, limits: &Limits<'_>) {
    // Nothing can be concluded about a key that is both a list and a register.
    let plain = index.key_ids().filter(|key| index.mixed.binary_search(key).is_err());
    for key in plain.take_while(|_| !limits.stopped()) {
        match index.key(key).shape {
            KeyShape::List => list_key(index, key, findings),
            KeyShape::Register => register_key(index, key, findings),
        }
        intermediate_reads(index, key, findings);
        lost_updates(index, key, findings);
    }
}

pub(crate) fn read_at(index: &Index<'_>, touch: Touch, key: KeyId) -> ReadAt {
    let transaction = index.op(touch.op);
    let histories::Argument::Micros(range) = index.history.argument(transaction) else {
        unreachable!("only transactions have micro-operations")
    };
    ReadAt { transaction, place: touch.micro as usize - range.start, key }
}

fn known_reads<'a>(index: &'a Index<'_>, key: KeyId) -> impl Iterator<Item = Touch> + 'a {
    index.touches(key).iter().copied().filter(|&touch| index.is_known_read(touch))
}

fn register_key(index: &Index<'_>, key: KeyId, findings: &mut Findings) {
    for touch in known_reads(index, key) {
        let version = index.version_of[touch.micro as usize];
        let micro = index.micro(touch.micro);
        let garbage = match micro.kind {
            MicroKind::ReadList => index.history.list(micro.list()).first().copied(),
            _ if version == 0 || version >= UNKNOWN => None,
            _ => {
                let written = index.versions(key)[version as usize - 1];
                aborted_read(index, touch, key, written.op, written.value, findings);
                written.garbage().then_some(written.value)
            }
        };
        if let Some(value) = garbage {
            let read = read_at(index, touch, key);
            findings.add(Phenomenon::GarbageRead, || TransactionEvidence::GarbageRead { read, value });
        }
    }
}

fn aborted_read(
    index: &Index<'_>,
    touch: Touch,
    key: KeyId,
    writer: u32,
    value: ValueId,
    findings: &mut Findings,
) {
    if writer != NONE && index.states[writer as usize] == State::Aborted {
        findings.add(Phenomenon::G1a, || TransactionEvidence::AbortedRead {
            read: read_at(index, touch, key),
            value,
            writer: index.op(writer),
        });
    }
}

/// The first places of a key's order that show an anomaly. A read shows the anomaly if it is longer than the place.
struct Places {
    aborted: Option<usize>,
    garbage: Option<usize>,
    /// A committed element after an aborted one, as (aborted, committed).
    dirty: Option<(usize, usize)>,
}

fn list_key(index: &Index<'_>, key: KeyId, findings: &mut Findings) {
    let places = places(index, key);
    let longest = longest_read(index, key);
    for touch in known_reads(index, key) {
        let micro = index.micro(touch.micro);
        if micro.kind == MicroKind::Read {
            // A read of null or of one value. It is unclear what such a value says about a list, and the key is in
            // `mixed`.
            continue;
        }
        let list = index.history.list(micro.list());
        let lists = index.history.lists();
        let on_trunk = index.key(key).on_trunk && lists.is_prefix(micro.list());
        if on_trunk {
            prefix_read(index, touch, key, list.len(), &places, findings);
        } else {
            stray_read(index, touch, key, findings);
        }
        let Some(longest) = longest else { continue };
        let whole = index.history.list(index.micro(longest.micro).list());
        if !on_trunk && !whole.starts_with(list) {
            findings.add(Phenomenon::IncompatibleOrder, || TransactionEvidence::IncompatibleOrder {
                one: read_at(index, touch, key),
                other: read_at(index, longest, key),
            });
        }
    }
    dirty_update(index, key, &places, longest, findings);
    if let Some(longest) = longest {
        own_order(index, key, longest, findings);
    }
}

/// Finds transactions whose own appends to the key appear out of order: the longest list shows a later append, and
/// the earlier one is not before it.
fn own_order(index: &Index<'_>, key: KeyId, longest: Touch, findings: &mut Findings) {
    let ordered = index.key(key).ordered;
    for group in index.touches(key).chunk_by(|a, b| a.op == b.op) {
        let version = |touch: &Touch| index.version_of[touch.micro as usize];
        let appends = group.iter().filter(|touch| index.micro(touch.micro).kind == MicroKind::Append);
        let mut greatest: Option<Touch> = None;
        for &append in appends {
            let shown = version(&append) <= ordered;
            if let Some(before) = greatest.filter(|before| shown && version(before) > version(&append)) {
                findings.add(Phenomenon::IncompatibleOrder, || TransactionEvidence::AppendsOutOfOrder {
                    read: read_at(index, longest, key),
                    writer: index.op(append.op),
                    earlier: index.micro(before.micro).value(),
                    later: index.micro(append.micro).value(),
                });
                break;
            }
            if greatest.is_none_or(|before| version(&append) > version(&before)) {
                greatest = Some(append);
            }
        }
    }
}

fn longest_read(index: &Index<'_>, key: KeyId) -> Option<Touch> {
    let lists = known_reads(index, key).filter(|touch| index.micro(touch.micro).kind == MicroKind::ReadList);
    let len = |touch: &Touch| index.history.list(index.micro(touch.micro).list()).len();
    lists.reduce(|best, touch| if len(&touch) > len(&best) { touch } else { best })
}

fn places(index: &Index<'_>, key: KeyId) -> Places {
    let mut places = Places { aborted: None, garbage: None, dirty: None };
    let mut last_aborted = None;
    for (at, version) in index.versions(key)[..index.key(key).ordered as usize].iter().enumerate() {
        if version.op == NONE {
            // Several transactions wrote the value: it is not garbage, but no single writer can be named.
            places.garbage = places.garbage.or(version.garbage().then_some(at));
            continue;
        }
        match index.states[version.op as usize] {
            State::Aborted => {
                places.aborted = places.aborted.or(Some(at));
                last_aborted = Some(at);
            }
            State::Committed if index.history.outcome(index.op(version.op)) == histories::Outcome::Ok => {
                places.dirty = places.dirty.or(last_aborted.map(|aborted| (aborted, at)));
            }
            State::Committed | State::Absent => {}
        }
    }
    places
}

fn prefix_read(
    index: &Index<'_>,
    touch: Touch,
    key: KeyId,
    len: usize,
    places: &Places,
    findings: &mut Findings,
) {
    let versions = index.versions(key);
    if let Some(at) = places.aborted.filter(|&at| at < len) {
        aborted_read(index, touch, key, versions[at].op, versions[at].value, findings);
    }
    if let Some(at) = places.garbage.filter(|&at| at < len) {
        let read = read_at(index, touch, key);
        findings.add(Phenomenon::GarbageRead, || TransactionEvidence::GarbageRead {
            read,
            value: versions[at].value,
        });
    }
}

/// Checks a read that is not a prefix of the key's order, element by element.
fn stray_read(index: &Index<'_>, touch: Touch, key: KeyId, findings: &mut Findings) {
    let list = index.history.list(index.micro(touch.micro).list());
    let versions: FxHashMap<ValueId, usize> =
        index.versions(key).iter().enumerate().rev().map(|(at, version)| (version.value, at)).collect();
    let mut seen = FxHashSet::default();
    let (mut duplicate, mut garbage, mut aborted) = (false, false, false);
    for &value in list {
        let read = || read_at(index, touch, key);
        if !seen.insert(value) && !duplicate {
            duplicate = true;
            findings.add(Phenomenon::DuplicateElements, || TransactionEvidence::DuplicateElement {
                read: read(),
                value,
            });
        }
        let written = versions.get(&value).map(|&at| index.versions(key)[at]);
        let Some(written) = written.filter(|written| !written.garbage()) else {
            if !garbage {
                garbage = true;
                findings.add(Phenomenon::GarbageRead, || TransactionEvidence::GarbageRead {
                    read: read(),
                    value,
                });
            }
            continue;
        };
        if written.op != NONE && index.states[written.op as usize] == State::Aborted && !aborted {
            aborted = true;
            aborted_read(index, touch, key, written.op, value, findings);
        }
    }
}

fn dirty_update(
    index: &Index<'_>,
    key: KeyId,
    places: &Places,
    longest: Option<Touch>,
    findings: &mut Findings,
) {
    let (Some((aborted, committed)), Some(longest)) = (places.dirty, longest) else { return };
    let versions = index.versions(key);
    let who = |at: usize| (index.op(versions[at].op), versions[at].value);
    findings.add(Phenomenon::DirtyUpdate, || TransactionEvidence::DirtyUpdate {
        read: read_at(index, longest, key),
        aborted: who(aborted),
        committed: who(committed),
    });
}

fn intermediate_reads(index: &Index<'_>, key: KeyId, findings: &mut Findings) {
    for touch in known_reads(index, key) {
        let version = index.version_of[touch.micro as usize];
        if version == 0 || version >= UNKNOWN {
            continue;
        }
        let written = index.versions(key)[version as usize - 1];
        if written.intermediate && written.op != touch.op && written.op != NONE {
            findings.add(Phenomenon::G1b, || TransactionEvidence::IntermediateRead {
                read: read_at(index, touch, key),
                value: written.value,
                writer: index.op(written.op),
            });
        }
    }
}

/// Finds groups of transactions that read the same version of the key and then wrote it.
fn lost_updates(index: &Index<'_>, key: KeyId, findings: &mut Findings) {
    let mut updates: Vec<(u32, u32)> = Vec::new();
    for group in index.touches(key).chunk_by(|a, b| a.op == b.op) {
        let first = group[0];
        let writes = group.iter().any(|&touch| !is_read(index.micro(touch.micro)));
        let version = index.version_of[first.micro as usize];
        if writes && index.is_known_read(first) && version < UNKNOWN {
            updates.push((version, first.op));
        }
    }
    updates.sort_unstable();
    for same in updates.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
        findings.add(Phenomenon::LostUpdate, || TransactionEvidence::LostUpdate {
            key,
            version: index.value(key, same[0].0),
            transactions: same.iter().map(|&(_, op)| index.op(op)).collect(),
        });
    }
    debug_assert!(key.index() < index.history.keys.len());
}
