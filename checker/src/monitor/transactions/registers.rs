//! Which version of a register the forgotten transactions leave, and which transactions must stay because of it.
//!
//! A register does not show what it held before. So the order of two versions has to follow from real time: if an
//! operation on one of them had completed before an operation on the other was invoked, the first version is the earlier
//! one (Gibbons & Korach 1997; see `zones.rs`). A version is the last write of a transaction to the key. For levels that
//! do not know real time, only writers count, and the staleness bound lies between the two moments.

use super::closure::{Closure, Effect};
use super::kept::KeptRead;
use super::keys::KeyState;
use super::times::StreamTimes;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A version of a register.
#[derive(Clone, Debug)]
struct RegisterVersion {
    writer: u32,
    value: Arc<str>,
    /// It certainly existed by then.
    first: u64,
    /// It was certainly the latest at some moment after this.
    last: u64,
}

/// One register.
#[derive(Default)]
struct RegisterRow {
    versions: Vec<RegisterVersion>,
    /// The versions that each reader read; none for the state that was forgotten, or the initial one.
    reads: Vec<(u32, Option<usize>)>,
    /// Transactions that may still take effect, and write the key.
    undecided: Vec<u32>,
}

/// All registers.
pub(super) struct Registers {
    rows: Vec<RegisterRow>,
    /// Levels without real time are judged.
    weak: bool,
}

impl Registers {
    /// Collects the versions of all registers, and tells the closure who reads from whom. With `weak`, levels without real
    /// time are judged.
    pub(super) fn collect(closure: &mut Closure<'_>, weak: bool) -> Self {
        let mut writer_of: FxHashMap<(u32, &str), u32> = FxHashMap::default();
        for (at, kept) in closure.transactions.iter().enumerate() {
            for (key, value) in kept.writes() {
                writer_of.insert((key, value), at as u32);
            }
        }
        closure.readers = vec![Vec::new(); closure.transactions.len()];
        let mut sources: Vec<(u32, u32, Option<u32>)> = Vec::new();
        for (at, kept) in closure.transactions.iter().enumerate().filter(|(_, kept)| kept.is_ok()) {
            for (key, read) in kept.reads().filter(|(key, _)| !closure.keys[*key as usize].is_lost()) {
                let source = match read {
                    KeptRead::Value(value) => writer_of.get(&(key, &**value)).copied(),
                    _ => None,
                };
                let is_forgotten =
                    |value: &Arc<str>| closure.keys[key as usize].forgotten.value.as_ref() == Some(value);
                let is_garbage =
                    matches!(read, KeptRead::Value(value) if source.is_none() && !is_forgotten(value));
                let at_row = closure.row_of(key);
                closure.rows[at_row].stays |= is_garbage;
                if source == Some(at as u32) {
                    continue;
                }
                if let Some(writer) = source {
                    closure.readers[writer as usize].push(at as u32);
                    if closure.effects[writer as usize] == Effect::Never {
                        closure.rows[at_row].stays = true;
                    }
                }
                sources.push((key, at as u32, source));
            }
        }
        for at in 0..closure.transactions.len() {
            if closure.effects[at] == Effect::Open {
                let completed =
                    closure.readers[at].iter().map(|&reader| closure.transactions[reader as usize].completed);
                if let Some(first) = completed.min() {
                    closure.effects[at] = Effect::By(first);
                }
            }
        }
        for at_row in 0..closure.rows.len() {
            closure.rows[at_row].stays |= closure.key_of(at_row).state == KeyState::Contradictory;
        }
        Self::with_sources(closure, &sources, weak)
    }

    fn with_sources(closure: &Closure<'_>, sources: &[(u32, u32, Option<u32>)], weak: bool) -> Self {
        let mut rows: Vec<RegisterRow> = closure.used.iter().map(|_| RegisterRow::default()).collect();
        let mut version_of: FxHashMap<(u32, u32), usize> = FxHashMap::default();
        for (at, kept) in closure.transactions.iter().enumerate() {
            for (key, value) in kept.writes() {
                let row = &mut rows[closure.row_of(key)];
                match closure.effects[at] {
                    _ if closure.keys[key as usize].is_lost() => {}
                    Effect::Never => {}
                    Effect::Open => row.undecided.push(at as u32),
                    Effect::By(first) => {
                        let version = RegisterVersion {
                            writer: at as u32,
                            value: Arc::clone(value),
                            first,
                            last: kept.invoked,
                        };
                        // The last write of a transaction is the version.
                        match version_of.entry((key, at as u32)) {
                            std::collections::hash_map::Entry::Occupied(known) => {
                                row.versions[*known.get()] = version
                            }
                            std::collections::hash_map::Entry::Vacant(new) => {
                                new.insert(row.versions.len());
                                row.versions.push(version);
                            }
                        }
                    }
                }
            }
        }
        for &(key, reader, source) in sources {
            let row = &mut rows[closure.row_of(key)];
            let version = source.and_then(|writer| version_of.get(&(key, writer)).copied());
            if let Some(version) = version
                && !weak
            {
                let (version, kept) = (&mut row.versions[version], &closure.transactions[reader as usize]);
                version.first = version.first.min(kept.completed);
                version.last = version.last.max(kept.invoked);
            }
            row.reads.push((reader, version));
        }
        Self { rows, weak }
    }

    /// Keeps the transactions without which the state that the forgotten ones leave is not certain. Returns whether there
    /// were any.
    pub(super) fn keep_uncertain_versions(&self, closure: &mut Closure<'_>, times: &StreamTimes) -> bool {
        let mut found = false;
        for row in 0..self.rows.len() {
            while let Some(latest) = self.rows[row].latest_forgotten(closure) {
                if self.is_certain(row, latest, closure, times) || self.may_retire(row, closure) {
                    break;
                }
                closure.keep(self.rows[row].versions[latest].writer);
                found = true;
            }
        }
        found
    }

    /// Whether a version is certainly the one that all forgotten transactions leave.
    fn is_certain(&self, at_row: usize, latest: usize, closure: &Closure<'_>, times: &StreamTimes) -> bool {
        let row = &self.rows[at_row];
        let chosen = &row.versions[latest];
        let from = times.certain_after(chosen.first);
        let orders = row.versions.iter().enumerate().filter(|(at, _)| *at != latest).all(|(_, other)| {
            match closure.stays[other.writer as usize] {
                true => from < other.last,
                false => times.certain_after(other.first) < chosen.last,
            }
        });
        // What stays reads this version, or one that stays.
        let reads =
            row.reads.iter().filter(|(reader, _)| closure.stays[*reader as usize]).all(|(_, version)| {
                version.is_some_and(|version| {
                    version == latest || closure.stays[row.versions[version].writer as usize]
                })
            });
        let undecided = row.undecided.iter().filter(|&&at| closure.stays[at as usize]).all(|&at| {
            from < closure.transactions[at as usize].invoked
                || (!self.weak && self.is_read_only_after(at, at_row, closure, from))
        });
        orders && reads && undecided
    }

    /// Whether a transaction that may still take effect can only be read after a moment: every other key that it writes was
    /// read after that moment, and did not have its value.
    fn is_read_only_after(&self, at: u32, at_row: usize, closure: &Closure<'_>, from: u64) -> bool {
        let others = closure.transactions[at as usize].writes().map(|(key, _)| closure.row_of(key));
        others.filter(|&other| other != at_row).all(|other| {
            let row = &self.rows[other];
            row.latest_forgotten(closure).is_some_and(|latest| from < row.versions[latest].last)
        })
    }

    /// Whether the order of the last writes of a key can be given up: nobody used it for long, and nothing that stays does.
    fn may_retire(&self, at_row: usize, closure: &Closure<'_>) -> bool {
        let row = &self.rows[at_row];
        let stays = |at: u32| closure.stays[at as usize];
        closure.key_of(at_row).last_event < closure.rules.idle_before
            && !row.versions.iter().any(|version| stays(version.writer))
            && !row.reads.iter().any(|(reader, _)| stays(*reader))
            && !row.undecided.iter().any(|&at| stays(at))
    }

    /// The values that the forgotten transactions leave, by key; none where the order of the last writes is given up.
    pub(super) fn forgotten_values(
        &self,
        closure: &Closure<'_>,
        times: &StreamTimes,
    ) -> Vec<(u32, Option<Arc<str>>)> {
        let rows = self.rows.iter().zip(&closure.used).enumerate();
        rows.filter_map(|(at_row, (row, &key))| {
            let latest = row.latest_forgotten(closure)?;
            let is_certain = self.is_certain(at_row, latest, closure, times);
            Some((key, is_certain.then(|| Arc::clone(&row.versions[latest].value))))
        })
        .collect()
    }
}

impl RegisterRow {
    /// The latest version whose writer does not stay.
    fn latest_forgotten(&self, closure: &Closure<'_>) -> Option<usize> {
        let gone =
            self.versions.iter().enumerate().filter(|(_, known)| !closure.stays[known.writer as usize]);
        gone.max_by_key(|(_, known)| known.last).map(|(at, _)| at)
    }
}
