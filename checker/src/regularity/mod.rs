//! Regular and safe registers with many writers: levels that judge each read by itself, in real time; and the level at which all
//! reads agree on one order of the writes (`write_order.rs`).
//!
//! # The problem
//!
//! A quorum store without a second round of its reads promises less than linearizability. Each read returns the last completed write
//! or one that overlaps the read; but of two reads, the later one may return the older value (*regular*). A *safe* register promises
//! this only for reads that overlap no write. Lamport defined both for one writer. For many writers we follow Shao, Welch, Pierce and
//! Lee (MWRegWeak): for each read there is a legal order of all writes and of this read that extends real time.
//!
//! # How
//!
//! The orders of different reads need not agree, so each read is decided alone. Let `r` return the value of `w`. In an order for `r`,
//! the writes that must precede `w` or `r` come first, then `w`, then `r`, then the rest. This order extends real time unless
//!
//! - `r` completed before `w` was invoked, or
//! - some write was invoked after `w` had completed and completed before `r` was invoked.
//!
//! Among the writes that completed before `r` was invoked, only the one that was invoked last matters for the second condition. Among
//! the writes of the value that were invoked before `r` completed, only the one that completed last matters. One sweep finds both.
//!
//! # Choices
//!
//! - **Compare-and-set.** One that ended `ok` is judged as a read, and is a write in the orders of other reads.
//! - **Indeterminate operations** have no end. To let a write take effect removes no order, so every one did that could. An
//!   indeterminate compare-and-set could if its own read can be explained. For `regular`, its expected value must have been written by
//!   an operation that can have happened, so that two such operations cannot justify each other.
//! - **Without real time**, session order takes its place: it is part of real time, so what it rules out is ruled out. What it does
//!   not rule out is *unknown*.
//!
//! Cost: O(n log n).
//!
//! Shao, Welch, Pierce & Lee, *Multiwriter consistency conditions for shared memory registers*, SIAM J. Comput. 40(1), 2011; Lamport,
//! *On interprocess communication*, Distributed Computing 1, 1986.

mod judge;
mod overlap;
mod write_order;
mod writes;

use crate::mutual_swaps::doubt_mutual_swaps;
use claims::{
    AnomalyName, Core, Evidence, FailedCas, Level, Limits, Linearization, ObjectQuestion, ReturnedWrite,
    UntilStopped, Verdict, Violation, Witness,
};
use histories::{Function, History, KeyId, NEVER, OpId, Outcome, SessionId, ValueId};
use judge::ObjectJudge;
pub(crate) use overlap::has_read_without_overlap;
use write_order::{WriteOrder, WriteOrderConflict};

/// An operation that took effect, or may have.
#[derive(Clone, Copy, Debug)]
struct RegisterRow {
    op: OpId,
    key: KeyId,
    session: SessionId,
    invoked: u32,
    /// [`NEVER`] for an indeterminate operation.
    completed: u32,
    reads: Option<ValueId>,
    writes: Option<ValueId>,
}

impl RegisterRow {
    fn is_ok(&self) -> bool {
        self.completed != NEVER
    }
}

/// How many violations are reported. More would not change the verdict.
const VIOLATIONS_MAX: usize = 1_000;
/// How many violations times operations on their objects are reported, so that they can be checked again in a second.
const VIOLATION_WORK_MAX: usize = 100_000_000;
/// The approximate memory for an operation.
const BYTES_PER_OPERATION: usize = 110;
/// What the order of the writes takes in addition, for each operation.
const BYTES_PER_ORDERED_OPERATION: usize = 300;

/// Decides `regular-write-order`, `regular`, `safe` or `consistent-prefix`. Returns the method with the verdict. Panics for any other level.
pub(crate) fn check_single_reads(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> (String, Verdict) {
    assert!(level.judges_single_reads(), "{} does not judge single reads", level.name());
    let ordered = if level == Level::RegularWriteOrder { BYTES_PER_ORDERED_OPERATION } else { 0 };
    let bytes = history.len().saturating_mul(BYTES_PER_OPERATION + ordered);
    let method = if history.has_real_time() { "real-time" } else { "session-order" };
    let verdict = match bytes > limits.bytes {
        true => {
            Verdict::unknown(format!("about {bytes} bytes are needed, beyond the limit of {}", limits.bytes))
        }
        false => {
            let verdict = decide_single_reads(history, level, question, limits);
            doubt_mutual_swaps(verdict, history, level, question, limits)
        }
    };
    (if matches!(verdict, Verdict::Unknown(_)) { "none" } else { method }.to_owned(), verdict)
}

fn decide_single_reads(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    limits: &Limits<'_>,
) -> Verdict {
    let rows = match collect_rows(history, limits) {
        Ok(rows) => rows,
        Err(foreign) => {
            let (index, name) =
                (history.operation_index(foreign), history.function_name(history.function(foreign)));
            return Verdict::unknown(format!(
                "operation {index} is a {name:?}: this level is decided for objects that are only read, written and \
                 compared-and-set"
            ));
        }
    };
    let mut found = Findings::default();
    for rows in rows.chunk_by(|a, b| a.key == b.key) {
        if limits.stop_requested() {
            return Verdict::unknown(Limits::STOPPED);
        }
        let initial = question.initial.value_of_key(rows[0].key);
        let judge = ObjectJudge::new(rows, initial, level, history.has_real_time(), limits);
        found.judge_object(history, rows, level, &judge, limits);
    }
    if limits.stop_requested() {
        return Verdict::unknown(Limits::STOPPED);
    }
    found.into_verdict(history, level, question)
}

/// What the objects of a history show so far.
#[derive(Default)]
struct Findings {
    /// Reads of values that no operation can have written.
    unwritten: Vec<OpId>,
    violations: Vec<Violation>,
    /// The reported violations times the operations on their objects.
    work: usize,
    sources: Vec<ReturnedWrite>,
    /// The order of the writes of each object.
    orders: Vec<Linearization>,
    /// An object whose order of writes was not decided.
    open: Option<KeyId>,
}

impl Findings {
    fn judge_object(
        &mut self,
        history: &History,
        rows: &[RegisterRow],
        level: Level,
        judge: &ObjectJudge<'_>,
        limits: &Limits<'_>,
    ) {
        let mut is_explained = true;
        for place in (0..rows.len() as u32).until_stopped(limits.stop) {
            let Some(unexplained) = judge.judge_read(place, &mut self.sources) else { continue };
            is_explained = false;
            if unexplained.has_no_writer {
                self.unwritten.push(rows[place as usize].op);
            } else if self.has_room_for_violation() {
                self.work += rows.len();
                let at = (place, judge.initial);
                self.violations.push(violation_of_read(history, rows, &unexplained.operations, at));
            }
        }
        if !is_explained || level != Level::RegularWriteOrder || limits.stop_requested() {
            return;
        }
        let key = rows[0].key;
        match judge.find_write_order(limits) {
            WriteOrder::Order(places) => {
                let operations = places.into_iter().map(|place| rows[place as usize].op).collect();
                self.orders.push(Linearization { key, operations });
            }
            WriteOrder::Conflict(conflict) if self.has_room_for_violation() => {
                self.work += rows.len();
                self.violations.push(violation_of_order(rows, judge, &conflict));
            }
            WriteOrder::Open => self.open = self.open.or(Some(key)),
            WriteOrder::Conflict(_) | WriteOrder::Stopped => {}
        }
    }

    fn has_room_for_violation(&self) -> bool {
        self.violations.len() < VIOLATIONS_MAX && self.work < VIOLATION_WORK_MAX
    }

    fn into_verdict(mut self, history: &History, level: Level, question: &ObjectQuestion) -> Verdict {
        if !self.unwritten.is_empty() {
            keep_one_read_of_each_value(history, &mut self.unwritten);
            self.unwritten.truncate(VIOLATIONS_MAX);
            return Verdict::Violated(crate::sessions::unwritten_read_violations(history, &self.unwritten));
        }
        if !self.violations.is_empty() {
            return Verdict::Violated(self.violations);
        }
        if !history.has_real_time() {
            return Verdict::unknown(claims::NO_REAL_TIME);
        }
        if let Some(key) = self.open {
            let key = history.key_text(key);
            let of_key = if key.is_empty() { String::new() } else { format!("key {key}: ") };
            return Verdict::unknown(format!(
                "{of_key}which indeterminate compare-and-sets took effect is open, and the order of the writes depends on it"
            ));
        }
        let observes =
            |op: OpId| history.function(op) == Function::CAS && history.outcome(op) == Outcome::Fail;
        if question.failed_cas == FailedCas::Observes && history.ids().any(observes) {
            return Verdict::unknown(
                "with --failed-cas observes a failed compare-and-set says what it did not find, which is not decided for this level",
            );
        }
        Verdict::Holds(match level {
            Level::RegularWriteOrder => Witness::Orders(self.orders),
            _ => Witness::Sources(self.sources),
        })
    }
}

/// The operations that read or write and did not fail, by object and then by invocation. Fails with an operation that is not one on
/// a register.
fn collect_rows(history: &History, limits: &Limits<'_>) -> Result<Vec<RegisterRow>, OpId> {
    let mut rows = Vec::new();
    for operation in history.operations().until_stopped(limits.stop) {
        if operation.outcome == Outcome::Fail || operation.function == Function::CONTAINS {
            continue;
        }
        let effect = operation.effect().ok_or(operation.id)?;
        if effect.reads.is_none() && effect.writes.is_none() {
            continue;
        }
        rows.push(RegisterRow {
            op: operation.id,
            key: operation.key,
            session: operation.session,
            invoked: operation.invoked,
            completed: if operation.outcome == Outcome::Ok { operation.completed } else { NEVER },
            reads: effect.reads,
            writes: effect.writes,
        });
    }
    rows.sort_by_key(|row| row.key);
    Ok(rows)
}

/// Keeps the first read of each object and value.
fn keep_one_read_of_each_value(history: &History, reads: &mut Vec<OpId>) {
    let mut seen = rustc_hash::FxHashSet::default();
    reads.sort_unstable();
    reads.retain(|&read| seen.insert((history.key(read), crate::sessions::value_read(history, read))));
}

/// A violation by the read at `place`: the read with the operations that show it, in order of invocation.
fn violation_of_read(
    history: &History,
    rows: &[RegisterRow],
    operations: &[u32],
    (place, initial): (u32, ValueId),
) -> Violation {
    let read = &rows[place as usize];
    let of_value = |row: &RegisterRow| row.writes == read.reads && row.op != read.op;
    let members: Vec<&RegisterRow> = operations.iter().map(|&at| &rows[at as usize]).collect();
    let mut writers = members.iter().copied().filter(|row| of_value(row)).peekable();
    let came_later = |write: &RegisterRow| {
        let is_ordered = history.has_real_time() || write.session == read.session;
        is_ordered && read.completed < write.invoked
    };
    let is_future = read.reads != Some(initial) && writers.peek().is_some() && writers.all(came_later);
    let kind = if is_future { "future-read" } else { "stale-read" };
    let ids: Vec<OpId> = members.iter().map(|row| row.op).collect();
    let is_write_only = |row: &&&RegisterRow| row.reads.is_some() && row.is_ok() && row.op != read.op;
    let writes_only = members.iter().filter(|row| row.writes.is_some()).filter(is_write_only);
    let core = Core {
        key: history.key(read.op),
        operations: ids.clone(),
        writes_only: writes_only.map(|row| row.op).collect(),
        from: None,
        until: NEVER,
        // An indeterminate operation may be there only to show that another one did not happen.
        minimal: ids.len() <= 3 && members.iter().all(|row| row.is_ok()),
    };
    Violation { kind: AnomalyName::new(kind), key: core.key, operations: ids, evidence: Evidence::Core(core) }
}

/// A violation by the writes of an object, which have no order that the reads agree with.
fn violation_of_order(
    rows: &[RegisterRow],
    judge: &ObjectJudge<'_>,
    conflict: &WriteOrderConflict,
) -> Violation {
    let members: Vec<u32> = judge.rows_of_conflict(conflict);
    let operation = |&place: &u32| rows[place as usize].op;
    let is_write_only = |place: &&u32| {
        let row = &rows[**place as usize];
        row.is_ok() && row.reads.is_some() && row.writes.is_some() && !conflict.reads.contains(place)
    };
    let core = Core {
        key: rows[0].key,
        operations: members.iter().map(operation).collect(),
        writes_only: members.iter().filter(is_write_only).map(operation).collect(),
        from: None,
        until: NEVER,
        // Without one of the two writes or of their reads, the other write may be the last.
        minimal: conflict.writes.len() == 2 && members.len() == 2 + conflict.reads.len(),
    };
    let operations = core.operations.clone();
    Violation {
        kind: AnomalyName::new("conflicting-order"),
        key: core.key,
        operations,
        evidence: Evidence::Core(core),
    }
}
