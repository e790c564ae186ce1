//! Many small histories at a time: the objects of one table, each checked by itself.
//!
//! A worker of a cluster that is called once for each object spends its time on the calls: a millisecond each, where the check
//! of ten operations takes twenty microseconds.

use crate::report::refused;
use crate::source::{run_interruptibly, stream};
use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Schema};
use histories::format::Loaded;
use histories::format::columns::read_batches;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use steadfast::embedded::{CheckRequest, EmbeddedRefusal, Rendering};

/// The verdict on an object, the number of its operations, and the report in JSON unless everything holds. The verdict is
/// `refused` where the events are no history, with the problems instead of a report.
pub(crate) type ObjectVerdict = (&'static str, usize, Option<String>);

/// Checks the objects of a table whose rows are sorted by object: `objects` has the name of each, and the number of its rows.
#[pyfunction]
pub(crate) fn check_objects(
    py: Python<'_>,
    events: &Bound<'_, PyAny>,
    objects: Vec<(String, usize)>,
    options: Vec<String>,
) -> PyResult<Vec<ObjectVerdict>> {
    let request = CheckRequest::from_options(options).map_err(PyValueError::new_err)?;
    let (schema, batches) = collect_batches(events)?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if objects.iter().map(|(_, rows)| rows).sum::<usize>() != rows {
        return Err(PyValueError::new_err(format!(
            "the objects have other rows than the table, which has {rows}"
        )));
    }
    let checked = run_interruptibly(py, |stop| {
        check_rows(&request, (&schema, &batches), &objects, stop, |_, loaded| loaded)
    })?;
    checked.map_err(refused)
}

/// The schema and the batches of a table.
pub(crate) fn collect_batches(table: &Bound<'_, PyAny>) -> PyResult<(Arc<Schema>, Vec<RecordBatch>)> {
    let reader = stream(table)?;
    let schema = arrow_array::RecordBatchReader::schema(&reader);
    let batches: Result<Vec<RecordBatch>, ArrowError> = reader.collect();
    Ok((schema, batches.map_err(|error| PyValueError::new_err(error.to_string()))?))
}

/// Checks some parts of a table, each with its name and the number of its rows. `prepare` gets the number and the history of each.
pub(crate) fn check_rows(
    request: &CheckRequest,
    (schema, batches): (&Arc<Schema>, &[RecordBatch]),
    parts: &[(String, usize)],
    stop: &Arc<AtomicBool>,
    prepare: impl Fn(usize, Loaded) -> Loaded,
) -> Result<Vec<ObjectVerdict>, EmbeddedRefusal> {
    let mut next = RowCursor::new(batches);
    let verdicts = parts.iter().enumerate().map(|(at, (name, rows))| {
        let part = next.take_rows(*rows);
        check_object(request, name, (schema, part), stop, |loaded| prepare(at, loaded))
    });
    verdicts.collect()
}

/// The rows of a table that were not taken yet.
pub(crate) struct RowCursor<'a> {
    batches: &'a [RecordBatch],
    /// The next row of the first batch.
    row: usize,
}

impl<'a> RowCursor<'a> {
    pub(crate) fn new(batches: &'a [RecordBatch]) -> Self {
        Self { batches, row: 0 }
    }

    /// Takes the next rows, without a copy.
    pub(crate) fn take_rows(&mut self, mut rows: usize) -> Vec<RecordBatch> {
        let mut taken = Vec::new();
        while let (Some((first, rest)), true) = (self.batches.split_first(), rows > 0) {
            let length = rows.min(first.num_rows() - self.row);
            taken.push(first.slice(self.row, length));
            rows -= length;
            self.row += length;
            if self.row == first.num_rows() {
                (self.batches, self.row) = (rest, 0);
            }
        }
        taken
    }
}

fn check_object(
    request: &CheckRequest,
    name: &str,
    (schema, part): (&Arc<Schema>, Vec<RecordBatch>),
    stop: &Arc<AtomicBool>,
    prepare: impl FnOnce(Loaded) -> Loaded,
) -> Result<ObjectVerdict, EmbeddedRefusal> {
    let began = Instant::now();
    let loaded = match read_batches(name, schema, part.into_iter().map(Ok), &request.read_options()) {
        Ok(loaded) => prepare(loaded),
        Err(problems) => return Ok(("refused", 0, Some(problems.to_string()))),
    };
    let operations = loaded.history.len();
    match request.check_loaded(name, loaded, stop, began) {
        Ok(checked) => {
            let report = (checked.verdict() != "holds").then(|| checked.render(Rendering::Json));
            Ok((checked.verdict(), operations, report))
        }
        Err(EmbeddedRefusal::BadInput(problems)) => Ok(("refused", operations, Some(problems))),
        Err(other) => Err(other),
    }
}
