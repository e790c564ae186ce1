//! What the levels that are defined by a commit order need to know: who read from whom, who wrote what, and session
//! order. The data is sorted by transaction and not by key, because the axioms examine one reader at a time.
//!
//! There are two ways to collect it. [`Facts::new`] takes it from the index, which works for every history.
//! [`Facts::plain`] takes it from the history in two passes, without sorting. That works if every value was written
//! once, to one register, and no read shows an anomaly by itself. Most histories are like this. They do not need the
//! index, which takes several times as long.

use crate::transactions::dependencies::transactions_by_session;
use crate::transactions::index::{
    KeyShape, NONE, TransactionIndex, TransactionState, initial_transaction_state, is_read,
};
use crate::transactions::key_facts::{immediate_successors, outside_reads, unlisted_appenders};
use claims::Limits;
use histories::{Function, History, Id, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};
use rayon::prelude::*;

/// What the algorithms need to know about each transaction.
pub(crate) struct TransactionFacts<'h> {
    pub history: &'h History,
    /// The limits, with the stop flag that every pass over these facts checks.
    pub limits: Limits<'h>,
    pub states: Vec<TransactionState>,
    /// Reads from other transactions, by reader and in program order: (key, writer or [`NONE`] for the initial
    /// state).
    pub reads: FlatRows<(KeyId, u32)>,
    /// The keys that each transaction wrote, in ascending order.
    pub writes: FlatRows<KeyId>,
    /// The transactions of each session, in order of invocation.
    pub sessions: Vec<Vec<u32>>,
    /// For each transaction the one directly before it in its session; [`NONE`] if there is none or if the session's
    /// transactions overlap.
    pub previous: Vec<u32>,
    /// Further pairs that every commit order must keep: the order of sessions whose transactions overlap, and the
    /// version order of lists.
    pub required: Vec<(u32, u32)>,
}

/// Rows of different lengths in one flat vector.
pub(crate) struct FlatRows<T> {
    starts: Vec<u32>,
    items: Vec<T>,
}

impl<T: Copy> FlatRows<T> {
    /// Builds rows from pairs that are sorted by row.
    pub(crate) fn new<S: Copy>(count: usize, pairs: &[(u32, S)], item: impl Fn(S) -> T) -> Self {
        let mut starts = vec![0u32; count + 1];
        for &(row, _) in pairs {
            starts[row as usize + 1] += 1;
        }
        for row in 1..starts.len() {
            starts[row] += starts[row - 1];
        }
        Self { starts, items: pairs.iter().map(|&(_, found)| item(found)).collect() }
    }

    pub(crate) fn row(&self, row: u32) -> &[T] {
        &self.items[self.starts[row as usize] as usize..self.starts[row as usize + 1] as usize]
    }
}

impl<'h> TransactionFacts<'h> {
    pub(crate) fn new(index: &TransactionIndex<'h>, limits: Limits<'h>) -> Self {
        let count = index.history.len();
        let mut reads: Vec<(u32, (u32, KeyId, u32))> = Vec::new();
        let mut writes: Vec<(u32, KeyId)> = Vec::new();
        for key in index.key_ids() {
            for (touch, version) in outside_reads(index, key) {
                let writer = index.committed_writer(key, version).unwrap_or(NONE);
                reads.push((touch.op, (touch.micro, key, writer)));
            }
            for touch in index.touches(key) {
                let wrote = !is_read(index.micro_at(touch.micro)) && index.is_committed(touch.op);
                if wrote && writes.last() != Some(&(touch.op, key)) {
                    writes.push((touch.op, key));
                }
            }
        }
        reads.par_sort_unstable();
        writes.par_sort_unstable();
        let reads = FlatRows::new(count, &reads, |(_, key, writer)| (key, writer));
        let writes = FlatRows::new(count, &writes, |key| key);
        let mut facts = Self::with_sessions((index.history, limits), index.states.clone(), reads, writes);
        for key in index.key_ids().filter(|&key| index.key(key).shape == KeyShape::List) {
            for_each_list_order_pair(index, key, |earlier, later| facts.required.push((earlier, later)));
        }
        facts
    }

    /// The facts of a history of registers in which every read identifies its writer and shows no anomaly. Returns
    /// `None` for any other history, or if the check was stopped. Cost: O(micro-operations), and quadratic in the
    /// length of a transaction up to [`LENGTH_MAX`].
    pub(crate) fn from_plain_history(history: &'h History, limits: Limits<'h>) -> Option<Self> {
        let mut states: Vec<TransactionState> =
            history.ids().map(|id| initial_transaction_state(history, id)).collect();
        let written = ValueWriters::from_history(history, &limits)?;
        let count = history.len();
        let chunk = (count / 64).max(1 << 10);
        let starts: Vec<usize> = (0..count).step_by(chunk).collect();
        let parts: Option<Vec<ReadChunk>> = starts
            .into_par_iter()
            .map(|from| ReadChunk::collect_reads(history, &written, from..(from + chunk).min(count), &limits))
            .collect();
        let parts = parts?;
        for &writer in parts.iter().flat_map(|part| &part.observed) {
            match states[writer as usize] {
                TransactionState::Absent => states[writer as usize] = TransactionState::Committed,
                TransactionState::Aborted => return None,
                TransactionState::Committed => {}
            }
        }
        drop(written);
        let reads = join_chunks(count, parts);
        let writes = collect_written_keys(history, &states, &limits)?;
        let facts = Self::with_sessions((history, limits), states, reads, writes);
        (!limits.stop_requested()).then_some(facts)
    }

    fn with_sessions(
        (history, limits): (&'h History, Limits<'h>),
        states: Vec<TransactionState>,
        reads: FlatRows<(KeyId, u32)>,
        writes: FlatRows<KeyId>,
    ) -> Self {
        let sessions = transactions_by_session(history, &states);
        let (mut previous, mut required) = (vec![NONE; history.len()], Vec::new());
        for session in sessions.iter().take_while(|_| !limits.stop_requested()) {
            let ends = |&op: &u32| {
                let operation = history.operation(OpId::from_raw(op));
                (operation.invoked, operation.completed)
            };
            if session.windows(2).all(|pair| ends(&pair[0]).1 < ends(&pair[1]).0) {
                session.windows(2).for_each(|pair| previous[pair[1] as usize] = pair[0]);
                continue;
            }
            let intervals: Vec<(u32, u32)> = session.iter().map(ends).collect();
            for (at, range) in immediate_successors(&intervals).into_iter().enumerate() {
                required.extend(range.map(|later| (session[at], session[later])));
            }
        }
        Self { history, limits, states, reads, writes, sessions, previous, required }
    }

    pub(crate) fn is_committed(&self, op: u32) -> bool {
        self.states[op as usize] == TransactionState::Committed
    }

    /// The number of operations, including those that are not transactions.
    pub(crate) fn operation_count(&self) -> u32 {
        self.history.len() as u32
    }
}

/// Calls `follow` for successive writers of a list, and for the last one that a read shows with each that no read
/// shows.
pub(super) fn for_each_list_order_pair(
    index: &TransactionIndex<'_>,
    key: KeyId,
    mut follow: impl FnMut(u32, u32),
) {
    let mut last = None;
    for writer in (1..=index.key(key).ordered).filter_map(|version| index.committed_writer(key, version)) {
        if let Some(last) = last.filter(|&last| last != writer) {
            follow(last, writer);
        }
        last = Some(writer);
    }
    let Some(last) = last else { return };
    for later in unlisted_appenders(index, key).into_iter().filter(|&later| later != last) {
        follow(last, later);
    }
}

/// The longest transaction for which the fast way is used.
const LENGTH_MAX: usize = 256;

/// The writer of each value and the key that it wrote; [`NONE`] if no transaction wrote it.
struct ValueWriters {
    by_value: Vec<(u32, KeyId)>,
}

impl ValueWriters {
    /// Returns `None` if a value was written twice, if the initial value was written, if there are lists or version
    /// tokens, if a transaction is too long, or if the check was stopped. Values that their own transaction overwrote
    /// are left out: a read of such a value returned uncommitted data.
    fn from_history(history: &History, limits: &Limits<'_>) -> Option<Self> {
        let mut by_value = vec![(NONE, KeyId::NONE); history.values.len()];
        let mut seen = vec![false; history.values.len()];
        for id in history.ids().filter(|&id| history.function(id) == Function::TXN) {
            if id.raw() & 0xfff == 0 && limits.stop_requested() {
                return None;
            }
            let micros = history.micros_of(id);
            if micros.len() > LENGTH_MAX || history.version(id).is_some() {
                return None;
            }
            for (at, micro) in micros.iter().enumerate() {
                match micro.kind {
                    MicroKind::Read => continue,
                    MicroKind::Append | MicroKind::ReadList => return None,
                    MicroKind::Write => {}
                }
                let value = micro.value();
                if value == ValueId::NULL || std::mem::replace(&mut seen[value.index()], true) {
                    return None;
                }
                if !micros[at + 1..].iter().any(|later| later.key == micro.key && !is_read(*later)) {
                    by_value[value.index()] = (id.raw(), micro.key);
                }
            }
        }
        Some(Self { by_value })
    }
}

/// The reads of a range of transactions.
struct ReadChunk {
    lengths: Vec<u32>,
    reads: Vec<(KeyId, u32)>,
    /// Writers whose outcome is indeterminate or a failure, and whose writes were read.
    observed: Vec<u32>,
}

impl ReadChunk {
    /// Returns `None` if a read shows an anomaly by itself, or if the check was stopped.
    fn collect_reads(
        history: &History,
        written: &ValueWriters,
        range: std::ops::Range<usize>,
        limits: &Limits<'_>,
    ) -> Option<Self> {
        let mut part =
            ReadChunk { lengths: Vec::with_capacity(range.len()), reads: Vec::new(), observed: Vec::new() };
        for id in range.map(OpId::new) {
            if id.raw() & 0xfff == 0 && limits.stop_requested() {
                return None;
            }
            let before = part.reads.len();
            if history.function(id) == Function::TXN && history.outcome(id) == Outcome::Ok {
                let micros = history.micros_of(id);
                for (at, &micro) in micros.iter().enumerate().filter(|(_, micro)| is_read(**micro)) {
                    part.add_read(history, written, id, (&micros[..at], micro))?;
                }
            }
            part.lengths.push((part.reads.len() - before) as u32);
        }
        Some(part)
    }

    fn add_read(
        &mut self,
        history: &History,
        written: &ValueWriters,
        reader: OpId,
        (before, micro): (&[Micro], Micro),
    ) -> Option<()> {
        let value = micro.value();
        if let Some(known) = before.iter().rfind(|known| known.key == micro.key) {
            if known.value() != value {
                return None;
            }
            if before.iter().any(|own| own.key == micro.key && !is_read(*own)) {
                return Some(());
            }
        }
        let (writer, key) = written.by_value[value.index()];
        if value != ValueId::NULL && (writer == NONE || key != micro.key || writer == reader.raw()) {
            return None;
        }
        if writer != NONE && history.outcome(OpId::from_raw(writer)) != Outcome::Ok {
            self.observed.push(writer);
        }
        self.reads.push((micro.key, writer));
        Some(())
    }
}

fn join_chunks(count: usize, parts: Vec<ReadChunk>) -> FlatRows<(KeyId, u32)> {
    let mut starts = Vec::with_capacity(count + 1);
    let mut items = Vec::with_capacity(parts.iter().map(|part| part.reads.len()).sum());
    let mut end = 0;
    starts.push(0);
    for part in parts {
        starts.extend(part.lengths.iter().map(|&length| {
            end += length;
            end
        }));
        items.extend_from_slice(&part.reads);
    }
    FlatRows { starts, items }
}

fn collect_written_keys(
    history: &History,
    states: &[TransactionState],
    limits: &Limits<'_>,
) -> Option<FlatRows<KeyId>> {
    let mut starts = Vec::with_capacity(history.len() + 1);
    let mut items: Vec<KeyId> = Vec::with_capacity(history.micros().len() / 2);
    starts.push(0);
    let mut row: Vec<KeyId> = Vec::new();
    for id in history.ids() {
        if id.raw() & 0xfff == 0 && limits.stop_requested() {
            return None;
        }
        if states[id.index()] == TransactionState::Committed {
            row.clear();
            row.extend(history.micros_of(id).iter().filter(|micro| !is_read(**micro)).map(|micro| micro.key));
            row.sort_unstable();
            row.dedup();
            items.extend_from_slice(&row);
        }
        starts.push(items.len() as u32);
    }
    Some(FlatRows { starts, items })
}
