//! Checks commit orders: no transaction may read a version that it should have known to be outdated.
//!
//! The check follows the axiom: for each read, no transaction that the reader has seen may have written the key after
//! the version that was read. The order has already been shown to extend sessions and reads, so a seen transaction is
//! earlier in it. It has also been shown that each transaction sees its own writes. Two reads of one object that return different versions
//! need no rule of their own: the transaction has seen the writer of the newer one. A transaction has seen few others by reading. Among the earlier transactions of its session, the
//! latest writer of the key suffices. For the causal past, clocks along the order tell what it contains.

use super::ensure;
use super::micros::{is_read, values_of_micro};
use super::writers::KeyWriters;
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use claims::Axiom;
use histories::{History, Id, KeyId, MicroKind, OpId, Outcome, SessionId};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

/// The maximum number of entries of all clocks: two gigabytes. A search with more entries would not fit into memory
/// either. If one did, only what was read from, and the sessions, would be checked.
const ENTRIES_MAX: usize = 1 << 29;

pub(super) fn check_commit_order(
    history: &History,
    axiom: Axiom,
    order: &[OpId],
    writers: &KeyWriters,
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    let mut place = vec![u32::MAX; history.len()];
    for (at, id) in order.iter().enumerate() {
        place[id.index()] = at as u32;
    }
    let view = CommitOrderView { history, writers, place, watch };
    match axiom {
        Axiom::MonotonicAtomicView => view.check_seen_directly(order, true),
        Axiom::ReadAtomic => {
            view.check_seen_directly(order, false).and_then(|()| view.check_seen_in_sessions(order))
        }
        Axiom::Causal => view.check_seen_causally(order),
    }
}

struct CommitOrderView<'a> {
    history: &'a History,
    writers: &'a KeyWriters,
    place: Vec<u32>,
    watch: &'a Watch<'a>,
}

/// A read of another transaction's write: the place of the read, the key, and the writer (`None` for the initial
/// state).
type ForeignRead = (usize, KeyId, Option<OpId>);

impl CommitOrderView<'_> {
    /// Collects the source of each read of a transaction, except for reads of its own writes.
    fn collect_reads(&self, id: OpId, reads: &mut Vec<ForeignRead>) {
        reads.clear();
        if self.history.outcome(id) != Outcome::Ok {
            return;
        }
        let micros = self.history.micros_of(id);
        for (at, &micro) in micros.iter().enumerate().filter(|(_, micro)| is_read(**micro)) {
            // A read of a register that the transaction wrote itself says nothing about others.
            if micros[..at].iter().any(|own| own.kind == MicroKind::Write && own.key == micro.key) {
                continue;
            }
            let from = match micro.kind {
                MicroKind::Read => self.writers.find_write(micro.key, micro.value()).map(|found| found.by),
                _ => {
                    let list = values_of_micro(self.history, micro);
                    let by = list.iter().rev().map(|&value| self.writers.find_write(micro.key, value));
                    by.map(|found| found.map(|found| found.by)).find(|by| *by != Some(id)).flatten()
                }
            };
            reads.push((at, micro.key, from));
        }
    }

    /// Whether a transaction is later in the order than the writer that was read from.
    fn is_later_than_source(&self, one: OpId, from: Option<OpId>) -> bool {
        Some(one) != from && from.is_none_or(|from| self.place[one.index()] > self.place[from.index()])
    }

    fn wrote_key(&self, id: OpId, key: KeyId) -> bool {
        self.history.micros_of(id).iter().any(|&micro| !is_read(micro) && micro.key == key)
    }

    fn precedes_in_session(&self, a: OpId, b: OpId) -> bool {
        self.history.session(a) == self.history.session(b)
            && self.history.operation(a).precedes(&self.history.operation(b))
    }

    /// Checks the transactions that a reader has seen by reading from them. If `before`, only earlier reads count.
    fn check_seen_directly(&self, order: &[OpId], before: bool) -> Result<(), Mismatch> {
        order.par_chunks(1 << 14).try_for_each(|readers| {
            let mut reads = Vec::new();
            for &reader in self.watch.take_while_in_time(StepCost::Follow, readers.iter()) {
                self.collect_reads(reader, &mut reads);
                for &(at, key, from) in &reads {
                    let others = reads.iter().filter(|other| !before || other.0 < at);
                    let mut seen = others.filter_map(|other| other.2);
                    let missed =
                        seen.find(|&seen| self.is_later_than_source(seen, from) && self.wrote_key(seen, key));
                    ensure(missed.is_none(), || describe_outdated_read(reader, missed))?;
                }
            }
            Ok(())
        })
    }

    /// Checks the transactions that precede a reader in its session.
    fn check_seen_in_sessions(&self, order: &[OpId]) -> Result<(), Mismatch> {
        let mut sessions: FxHashMap<SessionId, Vec<OpId>> = FxHashMap::default();
        for &id in self.watch.take_while_in_time(StepCost::Look, order.iter()) {
            sessions.entry(self.history.session(id)).or_default().push(id);
        }
        sessions.into_par_iter().try_for_each(|(_, session)| {
            let mut wrote: FxHashMap<KeyId, Vec<OpId>> = FxHashMap::default();
            let mut reads = Vec::new();
            for reader in self.watch.take_while_in_time(StepCost::Follow, session.into_iter()) {
                self.collect_reads(reader, &mut reads);
                for &(_, key, from) in &reads {
                    let so_far = wrote.get(&key).into_iter().flatten().rev().copied();
                    let mut newer = so_far.take_while(|&writer| self.is_later_than_source(writer, from));
                    let missed = newer.find(|&writer| self.precedes_in_session(writer, reader));
                    ensure(missed.is_none(), || describe_outdated_read(reader, missed))?;
                }
                for micro in self.history.micros_of(reader).iter().filter(|micro| !is_read(**micro)) {
                    wrote.entry(micro.key).or_default().push(reader);
                }
            }
            Ok(())
        })
    }

    /// Checks the transactions that causally precede a reader.
    fn check_seen_causally(&self, order: &[OpId]) -> Result<(), Mismatch> {
        let Some(pasts) = TransactionPasts::new(self, order) else {
            return self.check_seen_directly(order, false).and_then(|()| self.check_seen_in_sessions(order));
        };
        let mut wrote: Vec<Vec<OpId>> = vec![Vec::new(); self.history.keys.len()];
        let mut by_line = None;
        let mut reads = Vec::new();
        for &reader in self.watch.take_while_in_time(StepCost::Follow, order.iter()) {
            self.collect_reads(reader, &mut reads);
            for &(_, key, from) in &reads {
                let so_far = wrote[key.index()].iter().rev().copied();
                let mut newer = so_far.take_while(|&writer| self.is_later_than_source(writer, from));
                let mut missed = newer.by_ref().take(256).find(|&writer| pasts.is_in_past(reader, writer));
                if missed.is_none() && newer.next().is_some() {
                    let by_line = by_line.get_or_insert_with(|| self.writers_by_line(order, &pasts));
                    let lines = by_line[key.index()].iter();
                    let mut latest =
                        lines.filter_map(|(_, writers)| pasts.latest_writer_in_past(reader, writers));
                    missed = latest.find(|&writer| self.is_later_than_source(writer, from));
                }
                ensure(missed.is_none(), || describe_outdated_read(reader, missed))?;
            }
            for micro in self.history.micros_of(reader).iter().filter(|micro| !is_read(**micro)) {
                if wrote[micro.key.index()].last() != Some(&reader) {
                    wrote[micro.key.index()].push(reader);
                }
            }
        }
        Ok(())
    }

    /// By key and line: the transactions that wrote the key, in order.
    fn writers_by_line(&self, order: &[OpId], pasts: &TransactionPasts) -> Vec<FxHashMap<u32, Vec<OpId>>> {
        let mut writers: Vec<FxHashMap<u32, Vec<OpId>>> = vec![FxHashMap::default(); self.history.keys.len()];
        for &id in self.watch.take_while_in_time(StepCost::Follow, order.iter()) {
            for micro in self.history.micros_of(id).iter().filter(|micro| !is_read(**micro)) {
                let line = writers[micro.key.index()].entry(pasts.at[id.index()].0).or_default();
                if line.last() != Some(&id) {
                    line.push(id);
                }
            }
        }
        writers
    }
}

fn describe_outdated_read(reader: OpId, missed: Option<OpId>) -> String {
    format!("in a commit order, {reader:?} has seen {missed:?} and reads something older of it")
}

/// Causal pasts. A line is a chain of transactions of one session that follow one another. A past is the number of its
/// transactions in each line.
struct TransactionPasts {
    width: usize,
    /// By operation: its line and its number in the line, counted from 1.
    at: Vec<(u32, u32)>,
    counts: Vec<u32>,
}

impl TransactionPasts {
    fn new(view: &CommitOrderView<'_>, order: &[OpId]) -> Option<Self> {
        let mut at = vec![(0, 0); view.history.len()];
        // Greedy assignment: each transaction joins the first line of its session whose last transaction precedes it.
        let mut sessions: FxHashMap<SessionId, Vec<u32>> = FxHashMap::default();
        let mut lines: Vec<Vec<OpId>> = Vec::new();
        for &id in view.watch.take_while_in_time(StepCost::Follow, order.iter()) {
            let of_session = sessions.entry(view.history.session(id)).or_default();
            let ends_before =
                |line: &u32| lines[*line as usize].last().is_some_and(|&l| view.precedes_in_session(l, id));
            let line = of_session.iter().copied().find(ends_before).unwrap_or_else(|| {
                of_session.push(lines.len() as u32);
                lines.push(Vec::new());
                lines.len() as u32 - 1
            });
            lines[line as usize].push(id);
            at[id.index()] = (line, lines[line as usize].len() as u32);
        }
        let width = lines.len();
        if view.history.len().saturating_mul(width) > ENTRIES_MAX {
            return None;
        }
        let mut pasts = Self { width, at, counts: vec![0; view.history.len() * width] };
        let mut reads = Vec::new();
        lines.iter_mut().for_each(Vec::clear);
        for &id in view.watch.take_while_in_time(StepCost::Follow, order.iter()) {
            view.collect_reads(id, &mut reads);
            for line in &sessions[&view.history.session(id)] {
                let before =
                    lines[*line as usize].iter().rev().find(|&&other| view.precedes_in_session(other, id));
                before.into_iter().for_each(|&other| pasts.include_past_of(id, other));
            }
            reads.iter().filter_map(|read| read.2).for_each(|other| pasts.include_past_of(id, other));
            let (line, number) = pasts.at[id.index()];
            pasts.counts[id.index() * width + line as usize] = number;
            lines[line as usize].push(id);
        }
        Some(pasts)
    }

    fn is_in_past(&self, id: OpId, other: OpId) -> bool {
        let (line, number) = self.at[other.index()];
        self.counts[id.index() * self.width + line as usize] >= number
    }

    /// The latest of a line's writers that is in the past of a transaction.
    fn latest_writer_in_past(&self, id: OpId, writers: &[OpId]) -> Option<OpId> {
        let before = writers.partition_point(|&writer| self.is_in_past(id, writer));
        writers[..before].iter().rfind(|&&writer| writer != id).copied()
    }

    fn include_past_of(&mut self, id: OpId, other: OpId) {
        if self.is_in_past(id, other) {
            return;
        }
        for line in 0..self.width {
            let known = self.counts[other.index() * self.width + line];
            let mine = &mut self.counts[id.index() * self.width + line];
            *mine = (*mine).max(known);
        }
    }
}
