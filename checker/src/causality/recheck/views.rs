//! Orders: do they extend what they must, and does each read return what was written last?

use super::records::{Records, Source, read, written};
use crate::Level;
use crate::causality::View;
use crate::linearizability::recheck::Recheck;
use histories::{History, Id, KeyId, OpId, Outcome, ProcessId, SessionId};
use rustc_hash::{FxHashMap, FxHashSet};

/// Entries of clocks that a second check may hold: 4 bytes each.
const ENTRIES_MAX: usize = 1 << 30;

/// Checks the orders of causal memory and PRAM: one for each session that read something.
pub(super) fn of_sessions(records: &Records<'_>, level: Level, views: &[View]) -> Result<(), String> {
    let mut missing: FxHashSet<SessionId> = records
        .took_effect
        .iter()
        .map(|&op| records.history.operation(op))
        .filter(|operation| read(operation).is_some())
        .map(|operation| operation.session)
        .collect();
    let mut tables = Tables::new(records.history);
    for view in views {
        let session = view.session.ok_or("an order of nobody")?;
        missing.remove(&session);
        whole(records, view)?;
        tables.place(&view.operations);
        session_order(records, view)?;
        if level == Level::CausalMemory {
            tables.reads_after_writes(records, view)?;
        }
        tables.replay(records, session, view)?;
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err("a session that read has no order".to_owned()),
    }
}

/// Each operation that took effect, once.
fn whole(records: &Records<'_>, view: &View) -> Result<(), String> {
    let mut here = vec![false; records.history.len()];
    for &op in &view.operations {
        if std::mem::replace(&mut here[op.index()], true) {
            return Err(format!("operation {} is there twice", records.history.index(op)));
        }
    }
    let all = view.operations.len() == records.took_effect.len()
        && records.took_effect.iter().all(|op| here[op.index()]);
    all.then_some(()).ok_or_else(|| "not the operations that took effect".to_owned())
}

/// Nothing comes after what was invoked when it had completed, within a session.
fn session_order(records: &Records<'_>, view: &View) -> Result<(), String> {
    let mut soonest: Vec<u32> = vec![u32::MAX; records.history.sessions.len()];
    for &op in view.operations.iter().rev() {
        let operation = records.history.operation(op);
        let soonest = &mut soonest[operation.session.index()];
        if *soonest < operation.invoked {
            return Err(format!("operation {} is out of session order", records.history.index(op)));
        }
        if operation.outcome == Outcome::Ok {
            *soonest = (*soonest).min(operation.completed);
        }
    }
    Ok(())
}

/// Tables that are filled anew for each order.
struct Tables {
    place: Vec<u32>,
    last: Vec<Option<OpId>>,
}

impl Tables {
    fn new(history: &History) -> Self {
        Self { place: vec![0; history.len()], last: vec![None; history.keys.len()] }
    }

    fn place(&mut self, operations: &[OpId]) {
        for (at, op) in operations.iter().enumerate() {
            self.place[op.index()] = at as u32;
        }
    }

    /// What is read comes after its write.
    fn reads_after_writes(&self, records: &Records<'_>, view: &View) -> Result<(), String> {
        for &op in &view.operations {
            if let Some(Source::Write(write)) = records.source(op)
                && self.place[write.index()] > self.place[op.index()]
            {
                return Err(format!("operation {} comes before what it read", records.history.index(op)));
            }
        }
        Ok(())
    }

    /// Each of the session's reads returns what was written last.
    fn replay(&mut self, records: &Records<'_>, session: SessionId, view: &View) -> Result<(), String> {
        self.last.fill(None);
        for &op in &view.operations {
            let operation = records.history.operation(op);
            let last = &mut self.last[operation.key.index()];
            if operation.session == session && read(&operation).is_some() {
                let returned = match records.source(op) {
                    Some(Source::Write(write)) => Some(write),
                    _ => None,
                };
                if returned != *last {
                    return Err(format!(
                        "operation {} did not read what was written last",
                        records.history.index(op)
                    ));
                }
            }
            if written(&operation).is_some() {
                *last = Some(op);
            }
        }
        Ok(())
    }
}

/// Checks the order of all operations of CC (any that extends causal order) and of CCv (the one that all agree on).
pub(super) fn of_all(records: &Records<'_>, level: Level, views: &[View]) -> Result<Recheck, String> {
    let [view] = views else { return Err("one order of all operations is needed".to_owned()) };
    whole(records, view)?;
    session_order(records, view)?;
    let mut tables = Tables::new(records.history);
    tables.place(&view.operations);
    tables.reads_after_writes(records, view)?;
    let width = records.history.process_count();
    if width.saturating_mul(records.history.len()) > ENTRIES_MAX {
        return Ok(Recheck::TooLarge);
    }
    let past = Past::new(records, view, width);
    // By object, by process: the writes in order.
    let mut writes: FxHashMap<KeyId, FxHashMap<ProcessId, Vec<OpId>>> = FxHashMap::default();
    for &op in records.took_effect.iter().filter(|&&op| written(&records.history.operation(op)).is_some()) {
        let operation = records.history.operation(op);
        writes.entry(operation.key).or_default().entry(operation.process).or_default().push(op);
    }
    for &op in &records.took_effect {
        let Some(source) = records.source(op) else { continue };
        for writes in writes.get(&records.history.key(op)).into_iter().flat_map(FxHashMap::values) {
            let seen = writes.partition_point(|&write| past.has(records.history, op, write));
            let Some(&newest) = writes[..seen].iter().rfind(|&&write| write != op) else { continue };
            let fine = match source {
                Source::Initial => false,
                Source::Write(write) if write == newest => true,
                Source::Write(write) if level == Level::Causal => !past.has(records.history, newest, write),
                Source::Write(write) => tables.place[newest.index()] < tables.place[write.index()],
            };
            if !fine {
                return Err(format!("operation {} had seen something newer", records.history.index(op)));
            }
        }
    }
    Ok(Recheck::Confirmed)
}

/// Of each operation and process the last operation in its causal past, itself included: a process does one thing at a
/// time, so that the others of the process are in it too.
struct Past {
    width: usize,
    last: Vec<u32>,
}

impl Past {
    fn new(records: &Records<'_>, view: &View, width: usize) -> Self {
        let history = records.history;
        let mut past = Self { width, last: vec![0; history.len() * width] };
        // By session: its processes, each with the operations so far.
        let mut sessions: FxHashMap<SessionId, Vec<(ProcessId, Vec<OpId>)>> = FxHashMap::default();
        for &op in &view.operations {
            let operation = history.operation(op);
            let processes = sessions.entry(operation.session).or_default();
            for (_, done) in processes.iter() {
                if let Some(&last) = done.iter().rfind(|&&other| records.in_session(other, op)) {
                    past.include(op, last);
                }
            }
            match processes.iter_mut().find(|(process, _)| *process == operation.process) {
                Some((_, done)) => done.push(op),
                None => processes.push((operation.process, vec![op])),
            }
            if let Some(Source::Write(write)) = records.source(op) {
                past.include(op, write);
            }
            past.last[op.index() * width + operation.process.index()] = op.index() as u32 + 1;
        }
        past
    }

    fn include(&mut self, op: OpId, seen: OpId) {
        let (op, seen) = (op.index() * self.width, seen.index() * self.width);
        for at in 0..self.width {
            self.last[op + at] = self.last[op + at].max(self.last[seen + at]);
        }
    }

    /// Whether `other` is in the causal past of `op`, or is it.
    fn has(&self, history: &History, op: OpId, other: OpId) -> bool {
        self.last[op.index() * self.width + history.process(other).index()] > other.index() as u32
    }
}
