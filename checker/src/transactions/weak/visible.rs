//! Monotonic atomic view and read atomic: what a transaction has seen directly.
//!
//! Both are asked for the pairs that they demand *and* that are wrong by the caller's lights: in an order that was
//! guessed few are, and then most transactions are done without looking at what those that they read from wrote.

use super::Arbitration;
use super::facts::TransactionFacts;
use crate::transactions::index::NONE;
use histories::{Id, KeyId, OpId, Outcome};
use rayon::prelude::*;

/// Who wrote a key in one session, in order of invocation, with the greatest completion so far.
type SessionWriters = Vec<(u32, u32)>;

/// Whether a pair (earlier, later) is one that is asked for.
pub(super) trait PairFilter: Fn(u32, u32) -> bool + Sync {}
impl<F: Fn(u32, u32) -> bool + Sync> PairFilter for F {}

/// Readers that one task goes through.
const READERS: u32 = 1 << 14;

/// What `each` finds for every transaction, in order; if it was stopped, for some.
fn collect_for_readers(
    facts: &TransactionFacts<'_>,
    each: impl Fn(std::ops::Range<u32>, &mut Vec<Arbitration>) + Sync,
) -> Vec<Arbitration> {
    let count = facts.operation_count();
    let starts: Vec<u32> = (0..count).step_by(READERS as usize).collect();
    let parts: Vec<Vec<Arbitration>> = starts
        .into_par_iter()
        .map(|from| {
            let mut found = Vec::new();
            if facts.limits.stop_requested() {
                return found;
            }
            each(from..count.min(from.saturating_add(READERS)), &mut found);
            found
        })
        .collect();
    parts.concat()
}

/// For every transaction: having read from t2, every later read of what t2 wrote is from t2 or newer.
///
/// Reads are walked backwards, keeping for each key the two nearest later reads' distinct writers: at the first
/// read from t2, the nearest that is not t2 has to be newer. What is read still later is newer than that by the
/// same rule.
pub(super) fn monotonic_atomic_view_arbitrations(
    facts: &TransactionFacts<'_>,
    wrong: &impl PairFilter,
) -> Vec<Arbitration> {
    collect_for_readers(facts, |readers, found| {
        // Of each key: the nearest later writer, and the nearest that differs from it.
        let mut nearest: Vec<(KeyId, u32, Option<u32>)> = Vec::new();
        for reader in readers {
            let reads = facts.reads.row(reader);
            if !may_go_back(reads, wrong) {
                continue;
            }
            nearest.clear();
            for (at, &(key, writer)) in reads.iter().enumerate().rev() {
                let first = writer != NONE && !reads[..at].iter().any(|&(_, earlier)| earlier == writer);
                if first {
                    demand_newer_reads((facts, wrong), reader, writer, &nearest, found);
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
    })
}

/// Whether any read is from something older than what an earlier one is from. Long transactions are not asked.
fn may_go_back(reads: &[(KeyId, u32)], wrong: &impl PairFilter) -> bool {
    let pair = |at: usize| reads[..at].iter().any(|read| read.1 != NONE && wrong(read.1, reads[at].1));
    reads.len() > 16 || (1..reads.len()).any(pair)
}

/// What is read of the keys that a transaction wrote must be newer, unless it is that itself.
fn demand_newer_reads(
    (facts, wrong): (&TransactionFacts<'_>, &impl PairFilter),
    reader: u32,
    earlier: u32,
    reads: &[(KeyId, u32, Option<u32>)],
    found: &mut Vec<Arbitration>,
) {
    let later = |&(_, nearest, next): &(KeyId, u32, Option<u32>)| {
        let later = if nearest == earlier { next } else { Some(nearest) };
        later.filter(|&later| wrong(earlier, later))
    };
    if !reads.iter().any(|entry| later(entry).is_some()) {
        return;
    }
    let mut demand = |entry: &(KeyId, u32, Option<u32>)| {
        if let Some(later) = later(entry) {
            found.push(Arbitration { earlier, later, key: entry.0, reader });
        }
    };
    let writes = facts.writes.row(earlier);
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
pub(super) fn read_atomic_arbitrations(
    facts: &TransactionFacts<'_>,
    wrong: &impl PairFilter,
) -> Vec<Arbitration> {
    let mut found = collect_for_readers(facts, |readers, found| {
        let mut reads: Vec<(KeyId, u32)> = Vec::new();
        let mut writers: Vec<u32> = Vec::new();
        for reader in readers {
            reads.clear();
            reads.extend_from_slice(facts.reads.row(reader));
            reads.sort_unstable();
            reads.dedup();
            writers.clear();
            writers.extend(reads.iter().map(|&(_, writer)| writer).filter(|&writer| writer != NONE));
            writers.sort_unstable();
            writers.dedup();
            for &earlier in &writers {
                demand_all_writes_of((facts, wrong), reader, earlier, &reads, found);
            }
        }
    });
    let in_sessions: Vec<Vec<Arbitration>> = facts
        .sessions
        .par_iter()
        .map_init(
            || vec![NONE; facts.history.keys.len()],
            |last, session| {
                let mut found = Vec::new();
                if facts.limits.stop_requested() {
                    return found;
                }
                match session[1..].iter().all(|&op| facts.previous[op as usize] != NONE) {
                    true => demand_last_in_session((facts, wrong), session, last, &mut found),
                    false => demand_earlier_in_session((facts, wrong), session, &mut found),
                }
                found
            },
        )
        .collect();
    found.extend(in_sessions.into_iter().flatten());
    found
}

fn demand_all_writes_of(
    (facts, wrong): (&TransactionFacts<'_>, &impl PairFilter),
    reader: u32,
    earlier: u32,
    reads: &[(KeyId, u32)],
    found: &mut Vec<Arbitration>,
) {
    let asked = |read: &(KeyId, u32)| read.1 != earlier && wrong(earlier, read.1);
    if !reads.iter().any(asked) {
        return;
    }
    let writes = facts.writes.row(earlier);
    let mut demand = |read: &(KeyId, u32)| {
        if asked(read) {
            found.push(Arbitration { earlier, later: read.1, key: read.0, reader });
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

/// The last transaction of the session that wrote the key, where each comes after all before it. `last` is by key, and
/// may hold what other sessions left there.
fn demand_last_in_session(
    (facts, wrong): (&TransactionFacts<'_>, &impl PairFilter),
    session: &[u32],
    last: &mut [u32],
    found: &mut Vec<Arbitration>,
) {
    let of = |op: u32| facts.history.session(OpId::from_raw(op));
    let here = of(session[0]);
    for (at, &reader) in session.iter().enumerate() {
        if at & 0xfff == 0 && facts.limits.stop_requested() {
            return;
        }
        for &(key, later) in facts.reads.row(reader) {
            let earlier = last[key.index()];
            if earlier != NONE && earlier != later && wrong(earlier, later) && of(earlier) == here {
                found.push(Arbitration { earlier, later, key, reader });
            }
        }
        for &key in facts.writes.row(reader) {
            last[key.index()] = reader;
        }
    }
}

/// The last transactions of the session that wrote a key and had completed: of those that overlap, all.
fn demand_earlier_in_session(
    (facts, wrong): (&TransactionFacts<'_>, &impl PairFilter),
    session: &[u32],
    found: &mut Vec<Arbitration>,
) {
    let operation = |op: u32| facts.history.operation(OpId::from_raw(op));
    let mut by_key: rustc_hash::FxHashMap<KeyId, SessionWriters> = rustc_hash::FxHashMap::default();
    for (at, &reader) in session.iter().enumerate() {
        if at & 0xfff == 0 && facts.limits.stop_requested() {
            return;
        }
        let invoked = operation(reader).invoked;
        for &(key, later) in facts.reads.row(reader) {
            let Some(writers) = by_key.get(&key) else { continue };
            // From the newest backwards; done once all the older had completed before a found one began.
            let mut newest_start = 0;
            for &(earlier, greatest_end) in writers.iter().rev() {
                if newest_start > greatest_end {
                    break;
                }
                let operation = operation(earlier);
                let precedes = operation.completed < invoked && operation.outcome == Outcome::Ok;
                if precedes && operation.completed >= newest_start {
                    newest_start = newest_start.max(operation.invoked);
                    if earlier != later && wrong(earlier, later) {
                        found.push(Arbitration { earlier, later, key, reader });
                    }
                }
            }
        }
        let completed = operation(reader).completed;
        for &key in facts.writes.row(reader) {
            let writers = by_key.entry(key).or_default();
            let so_far = writers.last().map_or(0, |last| last.1);
            let end = if completed == histories::NEVER { so_far } else { completed.max(so_far) };
            writers.push((reader, end));
        }
    }
    debug_assert!(session.windows(2).all(|pair| pair[0] < pair[1]));
}
