//! Checks execution witnesses: orders of transactions that are also their version orders. Each read must return the version of an
//! earlier transaction, and no read may miss a write of a transaction that it has seen.
//!
//! The set of transactions that a read has seen is computed in one pass along the order: each transaction joins the sets of its
//! predecessors. A set holds one bit for each transaction of a block of fixed size, and there is one pass for each block, so that
//! memory is linear.

use super::cases::extent_of;
use super::ensure;
use super::list_ranks::{ElementClaims, check_longest_lists};
use super::list_states::ListStates;
use super::micros::misses_own_write;
use super::sources::ReadSources;
use super::whole_order::{check_all_transactions_placed, check_extends_order};
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use claims::{IsolationLevel, OrderExtent, ReadAt, TransactionExecution, TransactionPoint};
use histories::{History, Id, KeyId, MicroKind, OpId, Outcome};
use std::collections::HashMap;

pub(super) fn check_execution(
    history: &History,
    level: IsolationLevel,
    execution: &TransactionExecution,
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    use IsolationLevel as L;
    let order = &execution.order;
    check_all_transactions_placed(history, order, watch)?;
    let extent = extent_of(level);
    ensure(extent != OrderExtent::RealTime || history.has_real_time(), || {
        "the history has no real time, but the level requires it".into()
    })?;
    let points = order.iter().flat_map(|&id| [TransactionPoint::Begin(id), TransactionPoint::Commit(id)]);
    check_extends_order(history, extent, points, watch)?;
    if matches!(level, L::ReadUncommitted | L::StrongSessionReadUncommitted | L::StrongReadUncommitted) {
        return check_longest_lists(history, order, ElementClaims::All(&execution.elements), watch);
    }
    let view = ExecutionView::from_execution(history, execution, !level.is_defined_by_visibility(), watch)?;
    match level {
        L::ReadCommitted | L::StrongSessionReadCommitted | L::StrongReadCommitted => Ok(()),
        L::CursorStability => view.check_cursors(),
        L::MonotonicAtomicView => {
            view.check_direct_visibility(DirectVisibility { before: true, sessions: false, writes: false })
        }
        L::ReadAtomic => {
            view.check_direct_visibility(DirectVisibility { before: false, sessions: true, writes: false })
        }
        L::UpdateAtomic => {
            view.check_direct_visibility(DirectVisibility { before: false, sessions: false, writes: true })
        }
        L::Causal => {
            view.check_path_visibility(PathVisibility { sessions: true, ..PathVisibility::READS }, watch)
        }
        L::CausalCerone => view.check_path_visibility(PathVisibility::READS, watch),
        L::ConsistentView | L::ForwardConsistentView | L::ParallelSnapshotIsolation => {
            view.check_path_visibility(PathVisibility { writes: true, ..PathVisibility::READS }, watch)
        }
        L::MonotonicView => view.check_path_visibility(
            PathVisibility { writes: true, in_parts: true, ..PathVisibility::READS },
            watch,
        ),
        L::UpdateSerializable => {
            view.check_updates_in_order()?;
            view.check_path_visibility(
                PathVisibility { writes: true, missed: true, ..PathVisibility::READS },
                watch,
            )
        }
        other => Err(Mismatch(format!("an execution is not a form of witness for {}", other.name()))),
    }
}

/// A read with its source. Transactions are given by their places in the order.
struct SourcedRead {
    reader: u32,
    /// The index of the read among the reader's micro-operations.
    place: usize,
    key: KeyId,
    /// The transaction whose version the read returned; `None` for the initial state.
    from: Option<u32>,
}

/// The kinds of single edges by which a read has seen a transaction. Reading from the transaction always counts.
struct DirectVisibility {
    /// Whether only the earlier reads of the same transaction count.
    before: bool,
    /// Whether session order counts.
    sessions: bool,
    /// Whether the version order counts: the transaction wrote an object before the reader wrote it.
    writes: bool,
}

/// The kinds of edges whose paths lead from a transaction to a read that has seen it. Reading from a transaction always counts.
struct PathVisibility {
    /// Whether session order counts.
    sessions: bool,
    /// Whether the version order counts.
    writes: bool,
    /// Whether the anti-dependencies of writing transactions count.
    missed: bool,
    /// Whether only edges to the read itself, or to earlier micro-operations of its transaction, count.
    in_parts: bool,
}

impl PathVisibility {
    const READS: PathVisibility =
        PathVisibility { sessions: false, writes: false, missed: false, in_parts: false };
}

/// An execution: its transactions by their places in the order, with the sources of their reads.
struct ExecutionView<'a> {
    history: &'a History,
    order: &'a [OpId],
    reads: Vec<SourcedRead>,
    /// For each key, the places of its writers, in order.
    writers: HashMap<KeyId, Vec<u32>>,
    /// For each place in the order, the beginning of its reads in `reads`.
    starts: Vec<usize>,
}

impl<'a> ExecutionView<'a> {
    /// Determines the source of each read.
    ///
    /// # Errors
    /// A mismatch if a read does not return the version of an earlier transaction.
    fn from_execution(
        history: &'a History,
        execution: &'a TransactionExecution,
        with_own: bool,
        watch: &Watch<'_>,
    ) -> Result<Self, Mismatch> {
        let order = &execution.order;
        let mut place = vec![u32::MAX; history.len()];
        for (at, id) in (0u32..).zip(order) {
            place[id.index()] = at;
        }
        let mut writers: HashMap<KeyId, Vec<u32>> = HashMap::new();
        let mut lists = ListStates::new(history);
        for (at, &id) in (0u32..).zip(order) {
            for micro in history.micros_of(id) {
                if matches!(micro.kind, MicroKind::Write | MicroKind::Append) {
                    let of_key = writers.entry(micro.key).or_default();
                    if of_key.last() != Some(&at) {
                        of_key.push(at);
                    }
                }
                if micro.kind == MicroKind::Append {
                    lists.append(at, micro.key, micro.value());
                }
            }
        }
        let mut view = ExecutionView { history, order, reads: Vec::new(), writers, starts: Vec::new() };
        let sources = ReadSources::from_history(history, with_own);
        let chosen: HashMap<(OpId, usize), Option<OpId>> =
            execution.reads.iter().map(|read| ((read.reader, read.place), read.writer)).collect();
        for (at, &id) in (0u32..).zip(watch.take_while_in_time(StepCost::Follow, order.iter())) {
            view.starts.push(view.reads.len());
            if history.outcome(id) == Outcome::Ok {
                view.add_reads((at, id), &sources, &chosen, &place, (&lists, with_own))?;
            }
        }
        view.starts.push(view.reads.len());
        Ok(view)
    }

    fn add_reads(
        &mut self,
        (at, id): (u32, OpId),
        sources: &ReadSources<'_>,
        chosen: &HashMap<(OpId, usize), Option<OpId>>,
        place: &[u32],
        (lists, with_own): (&ListStates<'_>, bool),
    ) -> Result<(), Mismatch> {
        let micros = self.history.micros_of(id);
        for (read, micro) in micros.iter().enumerate() {
            if !matches!(micro.kind, MicroKind::Read | MicroKind::ReadList) {
                continue;
            }
            let own =
                !misses_own_write(self.history, ReadAt { transaction: id, place: read, key: micro.key });
            ensure(own, || format!("{id:?} does not see its own write in micro-operation {read}"))?;
            let written =
                |before: &histories::Micro| before.kind == MicroKind::Write && before.key == micro.key;
            if micros[..read].iter().any(written) {
                continue;
            }
            if micro.kind == MicroKind::ReadList {
                ensure(!sources.is_mixed(micro.key), || {
                    format!("{id:?} reads a key that is both a list and a register")
                })?;
                let from = lists.find_source((at, id), read, with_own)?;
                self.reads.push(SourcedRead { reader: at, place: read, key: micro.key, from });
                continue;
            }
            let possible = sources.sources_of_read(id, read).ok_or_else(|| {
                Mismatch(format!("micro-operation {read} of {id:?} has no known set of possible sources"))
            })?;
            // Two reads of one transaction with the same candidate sources may have the same source.
            let alike = |&other: &usize| {
                micros[other].key == micro.key
                    && sources.sources_of_read(id, other).as_ref() == Some(&possible)
            };
            let choice = (0..=read).rev().filter(alike).find_map(|other| chosen.get(&(id, other)));
            let from = match (choice, possible.as_slice()) {
                (Some(choice), _) => *choice,
                (None, [only]) => *only,
                _ => {
                    let reason = format!("a witness has no source for micro-operation {read} of {id:?}");
                    return Err(Mismatch(reason));
                }
            };
            ensure(possible.contains(&from), || {
                format!("micro-operation {read} of {id:?} cannot have read from {from:?}")
            })?;
            let from = from.map(|from| place[from.index()]);
            ensure(from.is_none_or(|from| from < at), || {
                format!("in a witness, micro-operation {read} of {id:?} reads from a later transaction")
            })?;
            self.reads.push(SourcedRead { reader: at, place: read, key: micro.key, from });
        }
        Ok(())
    }

    fn reads_of(&self, at: u32) -> &[SourcedRead] {
        &self.reads[self.starts[at as usize]..self.starts[at as usize + 1]]
    }

    /// The transactions, other than the reader, that overwrote the version that a read returned.
    fn missed_writers(&self, read: &SourcedRead) -> impl Iterator<Item = u32> + '_ {
        let writers = self.writers_of(read.key);
        let after = writers.partition_point(|&writer| Some(writer) <= read.from);
        let reader = read.reader;
        writers[after..].iter().copied().filter(move |&writer| writer != reader)
    }

    fn writers_of(&self, key: KeyId) -> &[u32] {
        self.writers.get(&key).map_or(&[][..], Vec::as_slice)
    }

    fn writes_key(&self, at: u32, key: KeyId) -> bool {
        self.writers_of(key).binary_search(&at).is_ok()
    }

    /// Checks that a transaction which reads a key and writes it overwrites exactly the version that it read.
    fn check_cursors(&self) -> Result<(), Mismatch> {
        for read in self.reads.iter().filter(|read| self.writes_key(read.reader, read.key)) {
            let between = self.missed_writers(read).find(|&other| other < read.reader);
            ensure(between.is_none(), || self.describe_miss(read, between))?;
        }
        Ok(())
    }

    fn describe_miss(&self, read: &SourcedRead, missed: Option<u32>) -> String {
        let missed = missed.map(|missed| self.order[missed as usize]);
        let reader = self.order[read.reader as usize];
        format!(
            "in a witness, {reader:?} has seen {missed:?}, but micro-operation {} reads an older version",
            read.place
        )
    }

    fn check_direct_visibility(&self, direct: DirectVisibility) -> Result<(), Mismatch> {
        for read in &self.reads {
            let reader = self.history.operation(self.order[read.reader as usize]);
            let seen = |other: u32| {
                let by_reading = self.reads_of(read.reader).iter().any(|earlier| {
                    earlier.from == Some(other) && (!direct.before || earlier.place < read.place)
                });
                let operation = self.history.operation(self.order[other as usize]);
                let by_session = operation.session == reader.session && operation.precedes(&reader);
                let micros = self.history.micros_of(operation.id).iter();
                let by_writing = other < read.reader
                    && micros
                        .filter(|micro| matches!(micro.kind, MicroKind::Write | MicroKind::Append))
                        .any(|micro| self.writes_key(read.reader, micro.key));
                by_reading || (direct.sessions && by_session) || (direct.writes && by_writing)
            };
            let missed = self.missed_writers(read).find(|&other| seen(other));
            ensure(missed.is_none(), || self.describe_miss(read, missed))?;
        }
        Ok(())
    }

    /// Checks that each writing transaction comes before all transactions whose writes it missed.
    fn check_updates_in_order(&self) -> Result<(), Mismatch> {
        let updates = |at: u32| self.is_update(at);
        for read in self.reads.iter().filter(|read| updates(read.reader)) {
            let missed = self.missed_writers(read).find(|&other| other < read.reader);
            ensure(missed.is_none(), || self.describe_miss(read, missed))?;
        }
        Ok(())
    }

    fn is_update(&self, at: u32) -> bool {
        let writes = |kind| matches!(kind, MicroKind::Write | MicroKind::Append);
        self.history.micros_of(self.order[at as usize]).iter().any(|micro| writes(micro.kind))
    }

    /// For each transaction, the edges that lead to it: their origin, and the micro-operation at which they arrive.
    fn find_arrivals(&self, along: &PathVisibility) -> Vec<Vec<(u32, usize)>> {
        let mut arrivals: Vec<Vec<(u32, usize)>> = vec![Vec::new(); self.order.len()];
        for read in &self.reads {
            if let Some(from) = read.from {
                arrivals[read.reader as usize].push((from, read.place));
            }
            // An edge to the next overwriting transaction suffices. Edges of the version order lead on from there.
            let next = self.missed_writers(read).next();
            if let (true, Some(next)) = (along.missed && self.is_update(read.reader), next) {
                arrivals[next as usize].push((read.reader, 0));
            }
        }
        if along.writes {
            for (&key, writers) in &self.writers {
                for pair in writers.windows(2) {
                    let micros = self.history.micros_of(self.order[pair[1] as usize]).iter();
                    let writes = |kind| matches!(kind, MicroKind::Write | MicroKind::Append);
                    let mut writes = micros.enumerate().filter(|(_, m)| m.key == key && writes(m.kind));
                    let first = writes.next().map_or(0, |(place, _)| place);
                    arrivals[pair[1] as usize].push((pair[0], first));
                }
            }
        }
        if along.sessions {
            self.add_session_arrivals(&mut arrivals);
        }
        arrivals
    }

    fn add_session_arrivals(&self, arrivals: &mut [Vec<(u32, usize)>]) {
        let mut sessions: HashMap<u32, Vec<u32>> = HashMap::new();
        for (at, &id) in (0u32..).zip(self.order) {
            sessions.entry(self.history.session(id).raw()).or_default().push(at);
        }
        for mut session in sessions.into_values() {
            let operation = |at: u32| self.history.operation(self.order[at as usize]);
            session.sort_unstable_by_key(|&at| operation(at).completed);
            let mut latest = 0;
            let invoked: Vec<u32> = session
                .iter()
                .map(|&at| {
                    latest = latest.max(operation(at).invoked);
                    latest
                })
                .collect();
            for &at in &session {
                let begins = operation(at).invoked;
                let over = session.partition_point(|&other| operation(other).completed < begins);
                // A transaction that completed before the latest of these began is reached through that one.
                let last = over.checked_sub(1).map_or(0, |last| invoked[last]);
                let immediate =
                    session[..over].iter().rev().take_while(|&&other| operation(other).completed > last);
                arrivals[at as usize].extend(immediate.map(|&other| (other, 0)));
            }
        }
    }

    /// Checks that no read missed a write of a transaction from which a path of edges leads to it.
    fn check_path_visibility(&self, along: PathVisibility, watch: &Watch<'_>) -> Result<(), Mismatch> {
        const WORDS: usize = 16;
        let arrivals = self.find_arrivals(&along);
        for from in (0..self.order.len()).step_by(64 * WORDS) {
            let mut seen = vec![[0u64; WORDS]; self.order.len()];
            let bit = |at: u32| (at as usize).checked_sub(from).filter(|&bit| bit < 64 * WORDS);
            let join = |into: &mut [u64; WORDS], from: u32, seen: &[[u64; WORDS]]| {
                into.iter_mut().zip(&seen[from as usize]).for_each(|(into, word)| *into |= word);
                if let Some(bit) = bit(from) {
                    into[bit / 64] |= 1 << (bit % 64);
                }
            };
            for at in watch.take_while_in_time(StepCost::Follow, 0..self.order.len() as u32) {
                let mut whole = [0u64; WORDS];
                for &(from, _) in &arrivals[at as usize] {
                    join(&mut whole, from, &seen);
                }
                let only_reads = along.missed && !self.is_update(at);
                for read in self.reads_of(at).iter().filter(|_| !along.missed || only_reads) {
                    let mut part = whole;
                    if along.in_parts {
                        part = [0; WORDS];
                        let before = arrivals[at as usize].iter().filter(|arrival| arrival.1 <= read.place);
                        before.for_each(|arrival| join(&mut part, arrival.0, &seen));
                    }
                    let has =
                        |other: u32| bit(other).is_some_and(|bit| part[bit / 64] >> (bit % 64) & 1 == 1);
                    let missed = self.missed_writers(read).find(|&other| has(other));
                    ensure(missed.is_none(), || self.describe_miss(read, missed))?;
                }
                seen[at as usize] = whole;
            }
        }
        Ok(())
    }
}
