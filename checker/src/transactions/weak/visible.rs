//! Monotonic atomic view and read atomic: what a transaction has seen directly.

use super::{Arbitration, Facts};
use crate::transactions::index::NONE;
use histories::{Id, KeyId};

/// Who wrote a key in one session, in order of invocation, with the greatest completion so far.
type Writers = Vec<(u32, u32)>;

/// For every transaction: having read from t2, every later read of what t2 wrote is from t2 or newer.
///
/// Reads are walked backwards, keeping for each key the two nearest later reads' distinct writers: at the first
/// read from t2, the nearest that is not t2 has to be newer. What is read still later is newer than that by the
/// same rule.
pub(super) fn monotonic_atomic_view(facts: &Facts<'_, '_>) -> Vec<Arbitration> {
    let mut found = Vec::new();
    // Of each key: the nearest later writer, and the nearest that differs from it.
    let mut nearest: Vec<(KeyId, u32, Option<u32>)> = Vec::new();
    for reader in 0..facts.index.history.len() as u32 {
        let reads = facts.reads.of(reader);
        if reads.len() < 2 {
            continue;
        }
        nearest.clear();
        for (at, &(key, writer)) in reads.iter().enumerate().rev() {
            let first = writer != NONE && !reads[..at].iter().any(|&(_, earlier)| earlier == writer);
            if first {
                newer_than(facts, reader, writer, &nearest, &mut found);
            }
            match nearest.binary_search_by_key(&key, |entry| entry.0) {
                Err(place) => nearest.insert(place, (key, writer, None)),
                Ok(place) if nearest[place].1 != writer => {
                    nearest[place] = (key, writer, Some(nearest[place].1));
                }
                Ok(_) => {}
            }
        }
    }
    found
}

/// What is read of the keys that a transaction wrote must be newer, unless it is that itself.
fn newer_than(
    facts: &Facts<'_, '_>,
    reader: u32,
    earlier: u32,
    reads: &[(KeyId, u32, Option<u32>)],
    found: &mut Vec<Arbitration>,
) {
    let mut demand = |&(key, nearest, next): &(KeyId, u32, Option<u32>)| {
        let later = if nearest == earlier { next } else { Some(nearest) };
        if let Some(later) = later {
            found.push(Arbitration { earlier, later, key, reader });
        }
    };
    let writes = facts.writes.of(earlier);
    if writes.len() < reads.len() {
        for key in writes {
            if let Ok(place) = reads.binary_search_by_key(key, |entry| entry.0) {
                demand(&reads[place]);
            }
        }
    } else {
        reads.iter().filter(|entry| writes.binary_search(&entry.0).is_ok()).for_each(&mut demand);
    }
}

/// For every transaction: all of t2's writes are seen if anything of t2 is, or if t2 is earlier in the session.
pub(super) fn read_atomic(facts: &Facts<'_, '_>) -> Vec<Arbitration> {
    let mut found = Vec::new();
    let mut reads: Vec<(KeyId, u32)> = Vec::new();
    let mut writers: Vec<u32> = Vec::new();
    for reader in 0..facts.index.history.len() as u32 {
        reads.clear();
        reads.extend_from_slice(facts.reads.of(reader));
        reads.sort_unstable();
        reads.dedup();
        writers.clear();
        writers.extend(reads.iter().map(|&(_, writer)| writer).filter(|&writer| writer != NONE));
        writers.sort_unstable();
        writers.dedup();
        for &earlier in &writers {
            all_of(facts, reader, earlier, &reads, &mut found);
        }
    }
    for session in &facts.sessions {
        earlier_in_session(facts, session, &mut found);
    }
    found
}

fn all_of(
    facts: &Facts<'_, '_>,
    reader: u32,
    earlier: u32,
    reads: &[(KeyId, u32)],
    found: &mut Vec<Arbitration>,
) {
    let writes = facts.writes.of(earlier);
    let mut demand = |&(key, later): &(KeyId, u32)| {
        if later != earlier {
            found.push(Arbitration { earlier, later, key, reader });
        }
    };
    if writes.len() < reads.len() {
        for key in writes {
            let start = reads.partition_point(|read| read.0 < *key);
            reads[start..].iter().take_while(|read| read.0 == *key).for_each(&mut demand);
        }
    } else {
        reads.iter().filter(|read| writes.binary_search(&read.0).is_ok()).for_each(&mut demand);
    }
}

/// The last transactions of the session that wrote a key and had completed; in a session that does one thing
/// at a time there is at most one.
fn earlier_in_session(facts: &Facts<'_, '_>, session: &[u32], found: &mut Vec<Arbitration>) {
    let history = facts.index.history;
    let mut by_key: rustc_hash::FxHashMap<KeyId, Writers> = rustc_hash::FxHashMap::default();
    for &reader in session {
        let invoked = history.operation(facts.index.op(reader)).invoked;
        for &(key, later) in facts.reads.of(reader) {
            let Some(writers) = by_key.get(&key) else { continue };
            // From the newest backwards; done once all the older had completed before a found one began.
            let mut newest_start = 0;
            for &(earlier, greatest_end) in writers.iter().rev() {
                if newest_start > greatest_end {
                    break;
                }
                let operation = history.operation(facts.index.op(earlier));
                let precedes = operation.completed < invoked && operation.outcome == histories::Outcome::Ok;
                if precedes && operation.completed >= newest_start {
                    newest_start = newest_start.max(operation.invoked);
                    if earlier != later {
                        found.push(Arbitration { earlier, later, key, reader });
                    }
                }
            }
        }
        let completed = history.operation(facts.index.op(reader)).completed;
        for &key in facts.writes.of(reader) {
            let writers = by_key.entry(key).or_default();
            let so_far = writers.last().map_or(0, |last| last.1);
            let end = if completed == histories::NEVER { so_far } else { completed.max(so_far) };
            writers.push((reader, end));
        }
    }
    debug_assert!(session.windows(2).all(|pair| pair[0] < pair[1]));
    debug_assert!(by_key.keys().all(|key| key.index() < history.keys.len()));
}
