//! Slices of a history of transactions: what workers of a cluster do with the events of some clients, the uses of some keys, and
//! the transactions of some slices. `checker::slices` says what they compute.

use crate::objects::{ObjectVerdict, check_rows, collect_batches};
use crate::report::refused;
use crate::source::{NativeTable, run_interruptibly};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int8Array, Int64Array, RecordBatch, StringArray};
use checker::slices::registers::{register_edges, register_witnesses};
use checker::slices::{
    KeyPart, KeyStep, KeyUse, KnotEdges, PlacedTransaction, Vertex, find_knots, key_edges, list_uses,
    merge_spans, reading_witnesses, register_uses, slice_history,
};
use histories::format::ReadOptions;
use histories::format::columns::read_batches;
use histories::{Outcome, ValueId};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use serde_json::value::RawValue;
use std::hash::Hasher;
use std::sync::Arc;
use steadfast::embedded::CheckRequest;

/// The columns of uses: a row for each transaction and each key that it uses. Keys and sessions are JSON, so that the text `"7"` is not the
/// number 7.
const USES: [&str; 6] = ["transaction", "completed", "outcome", "session", "key", "steps"];

/// The uses of keys by the transactions of some clients, whose events are all here, in order. The keys are lists, or `registers`.
#[pyfunction]
pub(crate) fn transaction_uses(
    py: Python<'_>,
    events: &Bound<'_, PyAny>,
    registers: bool,
) -> PyResult<NativeTable> {
    let (schema, batches) = collect_batches(events)?;
    let read =
        py.detach(|| read_batches("events", &schema, batches.into_iter().map(Ok), &ReadOptions::default()));
    let history = read.map_err(|problems| PyValueError::new_err(problems.to_string()))?.history;
    let uses = if registers { register_uses(&history) } else { list_uses(&history) };
    let value = |raw: u32| history.value_text(ValueId::from_raw(raw));
    let session = |of: &PlacedTransaction| {
        history.find_operation(of.invoked).map_or("", |id| history.sessions.text(history.session(id)))
    };
    let columns: [ArrayRef; 6] = [
        Arc::new(uses.iter().map(|(_, of)| of.transaction.invoked as i64).collect::<Int64Array>()),
        Arc::new(
            uses.iter().map(|(_, of)| of.transaction.completed.map(|it| it as i64)).collect::<Int64Array>(),
        ),
        Arc::new(uses.iter().map(|(_, of)| outcome_number(of.transaction.outcome)).collect::<Int8Array>()),
        Arc::new(StringArray::from_iter_values(uses.iter().map(|(_, of)| session(&of.transaction)))),
        Arc::new(StringArray::from_iter_values(uses.iter().map(|(key, _)| history.keys.text(*key)))),
        Arc::new(StringArray::from_iter_values(uses.iter().map(|(_, of)| write_steps(&of.steps, value)))),
    ];
    Ok(NativeTable::new(USES, columns))
}

fn outcome_number(outcome: Outcome) -> i8 {
    match outcome {
        Outcome::Ok => 0,
        Outcome::Fail => 1,
        Outcome::Info => 2,
    }
}

/// Steps as a JSON list: `[value]` is an append or a write, a list in a list is a read, and `null` is anything else.
fn write_steps<'a>(steps: &[KeyStep], value: impl Fn(u32) -> &'a str) -> String {
    let step = |step: &KeyStep| match step {
        KeyStep::Write(element) => format!("[{}]", value(*element)),
        KeyStep::Read(list) => {
            let elements: Vec<&str> = list.iter().map(|element| value(*element)).collect();
            format!("[[{}],0]", elements.join(","))
        }
        KeyStep::Foreign => "null".to_owned(),
    };
    format!("[{}]", steps.iter().map(step).collect::<Vec<_>>().join(","))
}

/// Rows of uses, sorted by key, as they came from other workers.
struct UseRows {
    batches: Vec<RecordBatch>,
}

/// The uses of one key.
struct UsesOfKey {
    key: String,
    uses: Vec<KeyUse>,
}

impl UseRows {
    fn of(table: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { batches: collect_batches(table)?.1 })
    }

    /// The uses of each key, one key after the other.
    fn by_key(&self) -> PyResult<Vec<UsesOfKey>> {
        let wrong = |what: String| PyValueError::new_err(format!("the uses of keys cannot be read: {what}"));
        let mut keys: Vec<UsesOfKey> = Vec::new();
        let mut elements: FxHashMap<String, u32> = FxHashMap::default();
        for batch in &self.batches {
            let column =
                |name: &str| batch.column_by_name(name).ok_or_else(|| wrong(format!("no column {name}")));
            let (transaction, completed) = (column("transaction")?, column("completed")?);
            let (transaction, completed) =
                (transaction.as_primitive::<Int64Type>(), completed.as_primitive::<Int64Type>());
            let outcome = column("outcome")?.as_primitive::<Int8Type>();
            let (key, steps) = (column("key")?.as_string::<i32>(), column("steps")?.as_string::<i32>());
            for row in 0..batch.num_rows() {
                if keys.last().is_none_or(|last| last.key != key.value(row)) {
                    keys.push(UsesOfKey { key: key.value(row).to_owned(), uses: Vec::new() });
                    elements.clear();
                }
                let transaction = PlacedTransaction {
                    invoked: transaction.value(row) as u64,
                    completed: completed.is_valid(row).then(|| completed.value(row) as u64),
                    outcome: [Outcome::Ok, Outcome::Fail, Outcome::Info]
                        [outcome.value(row).clamp(0, 2) as usize],
                };
                let steps =
                    read_steps(steps.value(row), &mut elements).map_err(|error| wrong(error.to_string()))?;
                keys.last_mut().expect("one was added").uses.push(KeyUse { transaction, steps });
            }
        }
        Ok(keys)
    }
}

fn read_steps(text: &str, elements: &mut FxHashMap<String, u32>) -> serde_json::Result<Vec<KeyStep>> {
    let mut number = |element: &RawValue| match elements.get(element.get()) {
        Some(&known) => known,
        None => {
            let next = elements.len() as u32;
            elements.insert(element.get().to_owned(), next);
            next
        }
    };
    let steps: Vec<Option<Vec<&RawValue>>> = serde_json::from_str(text)?;
    let step = |step: &Option<Vec<&RawValue>>| match step.as_deref() {
        None => Ok(KeyStep::Foreign),
        Some([element]) => Ok(KeyStep::Write(number(element))),
        Some([list, ..]) => {
            let list: Vec<&RawValue> = serde_json::from_str(list.get())?;
            Ok(KeyStep::Read(list.iter().map(|element| number(element)).collect()))
        }
        Some([]) => Ok(KeyStep::Foreign),
    };
    steps.iter().map(step).collect()
}

/// The number by which a key is known among vertices.
fn key_number(key: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(key.as_bytes());
    hasher.finish() >> 2
}

fn vertex_number(vertex: Vertex) -> i64 {
    match vertex {
        Vertex::Transaction(of) => of as i64,
        Vertex::Hub(key) => -1 - key as i64,
    }
}

/// What some keys contribute: rows of a kind, two numbers, a transaction that must have taken effect, and a key.
///
/// `span`: two places. `observed`: an indeterminate transaction that took effect. `irregular`: one of the transactions that use the key,
/// and its place. `large`: the key has so many uses, more than `uses_max`. `reads`: some transaction read something. `edge`: two
/// vertices, where the places of the transactions among them are in one of the ranges `edges_within`, which are sorted and disjoint.
#[pyfunction]
pub(crate) fn transaction_edges(
    uses: &Bound<'_, PyAny>,
    registers: bool,
    uses_max: usize,
    edges_within: Vec<(u64, u64)>,
) -> PyResult<NativeTable> {
    let edges_of = if registers { register_edges } else { key_edges };
    let mut rows = FactRows::default();
    let (mut plain, mut has_reads) = (Vec::new(), false);
    for UsesOfKey { key, uses } in UseRows::of(uses)?.by_key()? {
        if uses.len() > uses_max {
            rows.push("large", uses.len() as i64, 0, None, Some(&key));
            continue;
        }
        let found = edges_of(key_number(&key), &uses);
        has_reads |= found.has_reads;
        for span in found.spans {
            match span.only_if {
                None => plain.push((span.low, span.high)),
                Some(of) => rows.push("span", span.low as i64, span.high as i64, Some(of as i64), None),
            }
        }
        found.observed.iter().for_each(|&of| rows.push("observed", of as i64, 0, None, None));
        if found.is_irregular {
            let of = uses[0].transaction;
            rows.push("irregular", of.invoked as i64, of.place() as i64, None, Some(&key));
        }
        if !edges_within.is_empty() {
            let within: FxHashSet<u64> = uses
                .iter()
                .filter(|of| is_within(&edges_within, of.transaction.place()))
                .map(|of| of.transaction.invoked)
                .collect();
            let is_kept = |vertex: Vertex| match vertex {
                Vertex::Transaction(of) => within.contains(&of),
                Vertex::Hub(_) => true,
            };
            for (from, to) in found.edges.into_iter().filter(|&(from, to)| is_kept(from) && is_kept(to)) {
                rows.push("edge", vertex_number(from), vertex_number(to), None, None);
            }
        }
    }
    for (low, high) in merge_spans(plain) {
        rows.push("span", low as i64, high as i64, None, None);
    }
    if has_reads {
        rows.push("reads", 0, 0, None, None);
    }
    Ok(rows.finish())
}

fn is_within(ranges: &[(u64, u64)], place: u64) -> bool {
    ranges[..ranges.partition_point(|range| range.0 <= place)].last().is_some_and(|range| place <= range.1)
}

#[derive(Default)]
struct FactRows {
    kinds: Vec<&'static str>,
    one: Vec<i64>,
    other: Vec<i64>,
    only_if: Vec<Option<i64>>,
    keys: Vec<Option<String>>,
}

impl FactRows {
    fn push(&mut self, kind: &'static str, one: i64, other: i64, only_if: Option<i64>, key: Option<&str>) {
        self.kinds.push(kind);
        self.one.push(one);
        self.other.push(other);
        self.only_if.push(only_if);
        self.keys.push(key.map(str::to_owned));
    }

    fn finish(self) -> NativeTable {
        let columns: [ArrayRef; 5] = [
            Arc::new(StringArray::from_iter_values(self.kinds)),
            Arc::new(Int64Array::from(self.one)),
            Arc::new(Int64Array::from(self.other)),
            Arc::new(Int64Array::from(self.only_if)),
            Arc::new(StringArray::from_iter(self.keys)),
        ];
        NativeTable::new(["kind", "one", "other", "only_if", "key"], columns)
    }
}

/// Merges spans: `[(low, high)]`.
#[pyfunction]
pub(crate) fn merge_places(py: Python<'_>, spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    py.detach(|| merge_spans(spans))
}

/// Where each slice is: ranges of places, or of invocations if not `by_place`, with the number of the slice. They are sorted and disjoint.
pub(crate) struct SliceRanges {
    pub(crate) ranges: Vec<(u64, u64, u32)>,
    pub(crate) by_place: bool,
}

impl SliceRanges {
    pub(crate) fn slice_of(&self, of: &PlacedTransaction) -> Option<u32> {
        let at = if self.by_place { of.place() } else { of.invoked };
        let range = self.ranges[..self.ranges.partition_point(|range| range.0 <= at)].last()?;
        (at <= range.1).then_some(range.2)
    }
}

/// The transactions of slices that use some keys, and the witnesses that these keys add: rows of the slice, the invocation and the
/// completion. [`SliceRanges`] says what `ranges` are.
#[pyfunction]
pub(crate) fn slice_members(
    uses: &Bound<'_, PyAny>,
    registers: bool,
    ranges: Vec<(u64, u64, u32)>,
    by_place: bool,
    observed: FxHashSet<u64>,
) -> PyResult<NativeTable> {
    let ranges = SliceRanges { ranges, by_place };
    let slice_of = |of: &PlacedTransaction| {
        let takes_effect = of.outcome != Outcome::Info || observed.contains(&of.invoked);
        ranges.slice_of(of).filter(|_| takes_effect)
    };
    let mut members: FxHashSet<(u32, u64, Option<u64>)> = FxHashSet::default();
    for UsesOfKey { uses, .. } in UseRows::of(uses)?.by_key()? {
        let own = uses.iter().filter_map(|of| Some((slice_of(&of.transaction)?, of.transaction)));
        members.extend(own.map(|(slice, of)| (slice, of.invoked, of.completed)));
        let witnesses = match registers {
            true => register_witnesses(&uses, slice_of),
            false => reading_witnesses(&uses, slice_of),
        };
        members.extend(witnesses.iter().map(|(slice, of)| (*slice, of.invoked, of.completed)));
    }
    let mut members: Vec<(u32, u64, Option<u64>)> = members.into_iter().collect();
    members.sort_unstable();
    let columns: [ArrayRef; 3] = [
        Arc::new(members.iter().map(|row| i64::from(row.0)).collect::<Int64Array>()),
        Arc::new(members.iter().map(|row| row.1 as i64).collect::<Int64Array>()),
        Arc::new(members.iter().map(|row| row.2.map(|it| it as i64)).collect::<Int64Array>()),
    ];
    Ok(NativeTable::new(["slice", "transaction", "completed"], columns))
}

/// A transaction: its invocation, its completion, its outcome, and its session.
type TransactionRow = (u64, Option<u64>, i8, String);

/// The transactions of each knot, and those on a short cycle in it.
#[pyfunction]
pub(crate) fn transaction_knots(
    py: Python<'_>,
    transactions: Vec<TransactionRow>,
    edges: Vec<(i64, i64)>,
    real_time: bool,
) -> Vec<(Vec<u64>, Vec<u64>)> {
    py.detach(|| {
        let mut sessions: FxHashMap<&str, u32> = FxHashMap::default();
        let transactions: Vec<(PlacedTransaction, u32)> = transactions
            .iter()
            .map(|(invoked, completed, outcome, session)| {
                let next = sessions.len() as u32;
                let session = *sessions.entry(session).or_insert(next);
                let outcome = [Outcome::Ok, Outcome::Fail, Outcome::Info][(*outcome).clamp(0, 2) as usize];
                (PlacedTransaction { invoked: *invoked, completed: *completed, outcome }, session)
            })
            .collect();
        let vertex = |number: i64| match u64::try_from(number) {
            Ok(of) => Vertex::Transaction(of),
            Err(_) => Vertex::Hub((-1 - number) as u64),
        };
        let dependencies: Vec<(Vertex, Vertex)> =
            edges.iter().map(|&(from, to)| (vertex(from), vertex(to))).collect();
        let edges = KnotEdges { transactions: &transactions, dependencies: &dependencies, real_time };
        find_knots(edges).into_iter().map(|knot| (knot.transactions, knot.cycle)).collect()
    })
}

/// How a slice has a key: `irregular` has the slice in which each irregular key is whole, or none.
pub(crate) fn part_of(irregular: &FxHashMap<String, Option<u32>>, key: &str, own: u32) -> KeyPart {
    match irregular.get(key) {
        None => KeyPart::Own,
        Some(slice) if *slice == Some(own) => KeyPart::Whole,
        Some(_) => KeyPart::None,
    }
}

/// Checks slices of lists: `slices` has the number of each and of its rows in `events`, which are sorted by slice and index.
#[pyfunction]
pub(crate) fn check_list_slices(
    py: Python<'_>,
    events: &Bound<'_, PyAny>,
    slices: Vec<(u32, usize)>,
    irregular: FxHashMap<String, Option<u32>>,
    options: Vec<String>,
) -> PyResult<Vec<ObjectVerdict>> {
    let request = CheckRequest::from_options(options).map_err(PyValueError::new_err)?;
    let (schema, batches) = collect_batches(events)?;
    let named = slices.iter().map(|(slice, rows)| (format!("slice {slice}"), *rows)).collect::<Vec<_>>();
    let checked = run_interruptibly(py, |stop| {
        check_rows(&request, (&schema, &batches), &named, stop, |at, mut loaded| {
            let own = slices[at].0;
            loaded.history = slice_history(&loaded.history, |key| part_of(&irregular, key, own));
            loaded
        })
    })?;
    checked.map_err(refused)
}
