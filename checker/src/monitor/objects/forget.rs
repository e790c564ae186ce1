//! What may be forgotten of an object, and why.
//!
//! All operations on one value form a *cluster*. Let m be the first response in a cluster, M its last invocation, and t
//! the invocation of the oldest open read (or now). The initial value is a cluster with m = M = 0. A set F of clusters
//! is forgotten if
//!
//! 1. the write of each cluster in F has ended, and some operation on its value has completed;
//! 2. each cluster A in F is *closed*: another cluster C has m(A) < M(C) and m(C) < t. A must then precede C, and a read
//!    of A's value that ends later began after C, so no legal order has it;
//! 3. M(A) ≤ m(B) for each A in F and each cluster B that is kept;
//! 4. no operation on a kept version precedes, in a session and by a guarantee that is judged, an operation on a version
//!    in F; and version tokens of F are below those that are kept.
//!
//! 3 makes the part that is kept equivalent to the whole for linearizability: F has an order, and all of F can be put
//! before all of the rest. 4 makes it equivalent for the session guarantees: no constraint leads from a kept version into
//! F, so no cycle contains a version of F. Both fail only if a later operation joins F, which shows in a read of a
//! value that is not kept. `docs/live.md` has the proofs in full.
//!
//! Of a cluster that is kept, the reads that others dominate are dropped: linearizability needs the first response and
//! the last invocation; the guarantees need, for each session, the read that completed first and the one that was
//! invoked last.
//!
//! Cost: O(n log n), times the number of rounds (at most [`ROUNDS_MAX`]).

use super::kept::{KeptObject, KeptOperation};
use crate::monitor::stream::NOT_YET;
use claims::Level;
use histories::Outcome;
use rustc_hash::FxHashMap;

/// How often conditions 3 and 4 are applied in turn. Beyond that, nothing is forgotten.
const ROUNDS_MAX: usize = 64;
/// The cluster of the initial value.
const INITIAL: usize = 0;
const NO_CLUSTER: usize = usize::MAX;

/// The session guarantees that are still judged.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct JudgedGuarantees {
    read_your_writes: bool,
    monotonic_reads: bool,
    monotonic_writes: bool,
    writes_follow_reads: bool,
}

impl JudgedGuarantees {
    pub(super) fn of_levels(levels: impl Iterator<Item = Level>) -> Self {
        let mut judged = Self::default();
        for level in levels {
            let all = level == Level::Session;
            judged.read_your_writes |= all || level == Level::ReadYourWrites;
            judged.monotonic_reads |= all || level == Level::MonotonicReads;
            judged.monotonic_writes |= all || level == Level::MonotonicWrites;
            judged.writes_follow_reads |= all || level == Level::WritesFollowReads;
        }
        judged
    }

    fn are_none(self) -> bool {
        self == Self::default()
    }
}

/// The moments that decide what may be forgotten.
#[derive(Clone, Copy)]
pub(super) struct ForgetMoments {
    /// The number of events so far.
    pub(super) now: u64,
    /// Clusters with an event from here on are kept in any case, because a stale read of them can then be shown.
    pub(super) recent_from: u64,
}

/// The operations on one value.
struct ValueSpan {
    /// Positions count from one, so that the initial value precedes all.
    first_response: u64,
    last_invocation: u64,
    last_event: u64,
    write_ended: bool,
    is_kept: bool,
    first_response_of: usize,
    last_invocation_of: usize,
}

/// Removes from an object the operations that cannot matter any more. Its kept operations must have been judged. Returns
/// the number of removed operations.
pub(super) fn forget_operations(
    object: &mut KeptObject,
    initial: &str,
    guarantees: JudgedGuarantees,
    moments: ForgetMoments,
) -> usize {
    let guarantees = if object.judges_sessions { guarantees } else { JudgedGuarantees::default() };
    let before = object.operations.len();
    object.operations.retain(|operation| !operation.is_void());
    let Some((mut spans, cluster_of)) = collect_spans(&object.operations, initial) else {
        return before - object.operations.len();
    };
    choose_candidates(&mut spans, &object.operations, moments);
    if !settle_forgotten(&mut spans, &cluster_of, &object.operations, guarantees) {
        spans.iter_mut().for_each(|span| span.is_kept = true);
    }
    let needed = needed_reads(&spans, &cluster_of, &object.operations, guarantees, moments);
    remove_operations(object, &spans, &cluster_of, &needed, moments);
    before - object.operations.len()
}

/// The clusters, and the cluster of each operation. `None` if a value has several writes, or if a read returned a value
/// that was not written: nothing can then be forgotten.
fn collect_spans(operations: &[KeptOperation], initial: &str) -> Option<(Vec<ValueSpan>, Vec<usize>)> {
    let span = |first_response| ValueSpan {
        first_response,
        last_invocation: 0,
        last_event: 0,
        write_ended: true,
        is_kept: true,
        first_response_of: usize::MAX,
        last_invocation_of: usize::MAX,
    };
    let mut spans = vec![span(0)];
    let mut of_value: FxHashMap<&str, usize> = FxHashMap::default();
    of_value.insert(initial, INITIAL);
    let is_version =
        |operation: &&KeptOperation| operation.writes && operation.outcome != Some(Outcome::Fail);
    for operation in operations.iter().filter(is_version) {
        let value = operation.value.as_deref()?;
        if of_value.insert(value, spans.len()).is_some() {
            return None;
        }
        spans.push(span(NOT_YET));
    }
    let mut cluster_of = vec![NO_CLUSTER; operations.len()];
    for (at, operation) in operations.iter().enumerate() {
        let counts =
            if operation.writes { operation.outcome != Some(Outcome::Fail) } else { operation.is_ok() };
        if !counts {
            continue;
        }
        let cluster = *of_value.get(operation.value.as_deref()?)?;
        cluster_of[at] = cluster;
        let span = &mut spans[cluster];
        if operation.is_ok() && operation.completed + 1 < span.first_response {
            (span.first_response, span.first_response_of) = (operation.completed + 1, at);
        }
        if operation.invoked + 1 > span.last_invocation {
            (span.last_invocation, span.last_invocation_of) = (operation.invoked + 1, at);
        }
        span.last_event = span.last_event.max(operation.last_event);
        span.write_ended &= !operation.writes || operation.outcome.is_some();
    }
    Some((spans, cluster_of))
}

/// Marks the clusters that conditions 1 and 2 allow to be forgotten.
fn choose_candidates(spans: &mut [ValueSpan], operations: &[KeptOperation], moments: ForgetMoments) {
    let open_reads = operations.iter().filter(|operation| !operation.writes && operation.outcome.is_none());
    let oldest = open_reads.map(|operation| operation.invoked + 1).min().unwrap_or(moments.now + 1);
    // The two highest M among clusters with m < t: the second serves the cluster that has the first.
    let (mut highest, mut second) = ((0, usize::MAX), 0);
    for (at, span) in spans.iter().enumerate().filter(|(_, span)| span.first_response < oldest) {
        if span.last_invocation > highest.0 {
            second = highest.0;
            highest = (span.last_invocation, at);
        } else {
            second = second.max(span.last_invocation);
        }
    }
    for (at, span) in spans.iter_mut().enumerate() {
        let closes = if highest.1 == at { second } else { highest.0 };
        let is_closed = span.first_response < closes;
        let is_recent = span.last_event >= moments.recent_from && span.last_invocation > 0;
        span.is_kept = !(is_closed && span.write_ended && !is_recent);
    }
}

/// Applies conditions 3 and 4 until both are met. Returns false if that takes too many rounds.
fn settle_forgotten(
    spans: &mut [ValueSpan],
    cluster_of: &[usize],
    operations: &[KeptOperation],
    guarantees: JudgedGuarantees,
) -> bool {
    for _ in 0..ROUNDS_MAX {
        keep_what_is_not_before(spans);
        if !keep_what_sessions_reach(spans, cluster_of, operations, guarantees) {
            return true;
        }
    }
    false
}

/// Condition 3: keeps clusters until each forgotten one lies before all kept ones.
fn keep_what_is_not_before(spans: &mut [ValueSpan]) {
    let kept = spans.iter().filter(|span| span.is_kept).map(|span| span.first_response);
    let mut earliest = kept.min().unwrap_or(NOT_YET);
    let mut forgotten: Vec<usize> = (0..spans.len()).filter(|&at| !spans[at].is_kept).collect();
    forgotten.sort_unstable_by_key(|&at| std::cmp::Reverse(spans[at].last_invocation));
    for at in forgotten {
        if spans[at].last_invocation <= earliest {
            break;
        }
        spans[at].is_kept = true;
        earliest = earliest.min(spans[at].first_response);
    }
}

/// The earliest completions of one session on kept versions.
#[derive(Clone, Copy)]
struct SessionFloor {
    wrote: u64,
    read: u64,
}

/// Condition 4: keeps clusters that an operation on a kept version precedes. Returns whether there was one.
fn keep_what_sessions_reach(
    spans: &mut [ValueSpan],
    cluster_of: &[usize],
    operations: &[KeptOperation],
    guarantees: JudgedGuarantees,
) -> bool {
    if guarantees.are_none() {
        return false;
    }
    let mut floors: FxHashMap<&str, SessionFloor> = FxHashMap::default();
    let mut lowest_version = i64::MAX;
    let counted = || operations.iter().zip(cluster_of).filter(|(_, cluster)| **cluster != NO_CLUSTER);
    for (operation, _) in counted().filter(|(a, cluster)| a.is_ok() && spans[**cluster].is_kept) {
        let floor =
            floors.entry(&operation.session).or_insert(SessionFloor { wrote: NOT_YET, read: NOT_YET });
        let earliest = if operation.writes { &mut floor.wrote } else { &mut floor.read };
        *earliest = (*earliest).min(operation.completed);
        lowest_version = lowest_version.min(operation.version.unwrap_or(i64::MAX));
    }
    let mut reached = false;
    for (operation, &cluster) in counted() {
        if spans[cluster].is_kept {
            continue;
        }
        let floor = floors.get(&*operation.session);
        let floor = floor.copied().unwrap_or(SessionFloor { wrote: NOT_YET, read: NOT_YET });
        let (after_write, after_read) = match operation.writes {
            true => (guarantees.monotonic_writes, guarantees.writes_follow_reads),
            false => (guarantees.read_your_writes, guarantees.monotonic_reads),
        };
        let is_reached = after_write && operation.invoked > floor.wrote
            || after_read && operation.invoked > floor.read
            || operation.version.is_some_and(|version| version >= lowest_version);
        spans[cluster].is_kept |= is_reached;
        reached |= is_reached;
    }
    reached
}

/// Marks the reads of kept clusters that no other read dominates.
fn needed_reads(
    spans: &[ValueSpan],
    cluster_of: &[usize],
    operations: &[KeptOperation],
    guarantees: JudgedGuarantees,
    moments: ForgetMoments,
) -> Vec<bool> {
    let mut needed = vec![false; operations.len()];
    for span in spans.iter().filter(|span| span.is_kept) {
        for at in [span.first_response_of, span.last_invocation_of] {
            if at != usize::MAX {
                needed[at] = true;
            }
        }
    }
    let mut ends: FxHashMap<(&str, usize, Option<i64>), (usize, usize)> = FxHashMap::default();
    for (at, operation) in operations.iter().enumerate() {
        let cluster = cluster_of[at];
        if operation.writes || !operation.is_ok() || operation.last_event >= moments.recent_from {
            needed[at] = true;
        } else if !guarantees.are_none() && cluster != NO_CLUSTER {
            let entry = ends.entry((&operation.session, cluster, operation.version)).or_insert((at, at));
            if operation.completed < operations[entry.0].completed {
                entry.0 = at;
            }
            // Operations are in order of invocation.
            entry.1 = at;
        }
    }
    ends.into_values().flat_map(|(first, last)| [first, last]).for_each(|at| needed[at] = true);
    needed
}

/// Removes forgotten clusters, dominated reads, and failed writes that are not recent.
fn remove_operations(
    object: &mut KeptObject,
    spans: &[ValueSpan],
    cluster_of: &[usize],
    needed: &[bool],
    moments: ForgetMoments,
) {
    let mut at = 0;
    let (mut forgotten, mut highest) = (false, object.highest_forgotten_version);
    object.operations.retain(|operation| {
        let (cluster, is_needed) = (cluster_of[at], needed[at]);
        at += 1;
        if cluster == NO_CLUSTER {
            let stays = operation.outcome.is_none() || operation.last_event >= moments.recent_from;
            forgotten |= !stays;
            return stays;
        }
        if !spans[cluster].is_kept {
            // Reads of the initial value leave nothing behind that a later read could miss.
            forgotten |= cluster != INITIAL;
            highest = highest.max(operation.version);
            return false;
        }
        is_needed
    });
    object.has_forgotten |= forgotten;
    object.highest_forgotten_version = highest;
    object.recount_values();
}
