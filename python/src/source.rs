//! Histories from whatever Python has: files, lists of dicts, and everything that speaks Arrow's C stream interface
//! (tables of pyarrow, data frames of pandas and polars, relations of DuckDB).

use crate::rows;
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow_schema::{ArrowError, Field, Schema};
use histories::format::columns::{EventBatches, read_batches};
use histories::format::{self, Input, Loaded};
use histories::{History, Problem, Problems};
use pyo3::exceptions::{PyFileNotFoundError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyList};
use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use steadfast::embedded::CheckRequest;

/// The name that Arrow's interface gives to a capsule with a stream.
const STREAM: &CStr = c"arrow_array_stream";

/// A history in memory.
#[pyclass(module = "steadfast_checker._native", frozen)]
pub struct NativeHistory {
    pub(crate) name: String,
    pub(crate) history: Arc<History>,
    pub(crate) remarks: Vec<String>,
}

/// A table in memory, for whatever reads Arrow's C stream interface.
#[pyclass(module = "steadfast_checker._native", frozen)]
pub struct NativeTable {
    batch: RecordBatch,
}

impl NativeTable {
    /// A table with these columns, of equal length. Any of them may have nulls.
    pub(crate) fn new<const N: usize>(names: [&str; N], columns: [ArrayRef; N]) -> Self {
        let fields = names.iter().zip(&columns);
        let fields = fields.map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { batch: RecordBatch::try_new(schema, columns.into()).expect("the columns have one length") }
    }
}

#[pymethods]
impl NativeTable {
    /// The table as a stream of one Arrow record batch.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema);
        export(py, vec![Ok(self.batch.clone())], self.batch.schema())
    }
}

/// A capsule with a stream of these batches.
fn export(
    py: Python<'_>,
    batches: Vec<Result<RecordBatch, ArrowError>>,
    schema: Arc<Schema>,
) -> PyResult<Bound<'_, PyCapsule>> {
    let reader: Box<dyn RecordBatchReader + Send> = Box::new(RecordBatchIterator::new(batches, schema));
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), STREAM)
}

/// What a history is made of, taken from Python and ready to be read without it.
pub(crate) enum Source {
    File(PathBuf),
    Lines(Vec<u8>),
    Stream(RecordBatchStreamReader),
    InMemory(Arc<History>, Vec<String>),
}

impl Source {
    /// Takes what Python calls a history.
    pub(crate) fn of(history: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(known) = history.cast::<NativeHistory>() {
            let known = known.get();
            return Ok(Self::InMemory(Arc::clone(&known.history), known.remarks.clone()));
        }
        if let Ok(list) = history.cast::<PyList>() {
            return rows::lines(list).map(Self::Lines);
        }
        if let Ok(bytes) = history.cast::<PyBytes>() {
            return Ok(Self::Lines(bytes.as_bytes().to_vec()));
        }
        if history.hasattr("__arrow_c_stream__")? {
            return stream(history).map(Self::Stream);
        }
        if let Ok(path) = history.extract::<PathBuf>() {
            if !path.exists() {
                return Err(PyFileNotFoundError::new_err(format!("{} does not exist", path.display())));
            }
            return Ok(Self::File(path));
        }
        Err(PyTypeError::new_err(format!(
            "a history is a path, a list of dicts, a data frame, an Arrow table or a History, not {}",
            history.get_type().name()?
        )))
    }

    /// What it is called in reports, unless the caller says so.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Lines(_) => "rows".to_owned(),
            Self::Stream(_) => "table".to_owned(),
            Self::InMemory(..) => "history".to_owned(),
        }
    }

    /// Reads it. The problems of tables and lists are told by row.
    pub(crate) fn read(self, name: &str, request: &CheckRequest) -> Result<Loaded, Problems> {
        let options = request.read_options();
        match self {
            Self::File(path) => format::read(Input::Path(path), &options, &|_, _| {}),
            Self::Lines(bytes) => {
                let options = format::ReadOptions { from: Some(format::Format::Native), ..options };
                let read = format::read(Input::Bytes(name.to_owned(), bytes), &options, &|_, _| {});
                read.map_err(|mut problems| {
                    problems.list.iter_mut().for_each(Problem::count_rows);
                    problems
                })
            }
            Self::Stream(reader) => {
                let schema = reader.schema();
                read_batches(name, &schema, reader, &options)
            }
            Self::InMemory(..) if options.keys.is_some() => {
                let found = "was read already. Select keys when it is read.".to_owned();
                let problem =
                    Problem { file: Arc::from(name), line: 0, column: 0, found, expected: String::new() };
                Err(Problems { list: vec![problem], more: 0 })
            }
            Self::InMemory(history, remarks) => Ok(Loaded {
                history: History::clone(&history),
                format: format::Format::Native,
                dropped: None,
                remarks,
                independent: false,
            }),
        }
    }
}

/// The stream of record batches of a table.
pub(crate) fn stream(table: &Bound<'_, PyAny>) -> PyResult<RecordBatchStreamReader> {
    let capsule = table.call_method0("__arrow_c_stream__")?;
    let capsule = capsule.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(STREAM))?;
    // SAFETY: a capsule of this name points to a stream, by the definition of the interface. The stream is moved out of it,
    // which leaves one there that is marked as released, so that the capsule's destructor does nothing.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr().cast()) };
    RecordBatchStreamReader::try_new(stream).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Reads a history without checking it.
#[pyfunction]
#[pyo3(signature = (history, name, options))]
pub(crate) fn read(
    py: Python<'_>,
    history: &Bound<'_, PyAny>,
    name: Option<String>,
    options: Vec<String>,
) -> PyResult<NativeHistory> {
    let request = CheckRequest::from_options(options).map_err(PyValueError::new_err)?;
    let source = Source::of(history)?;
    let name = name.unwrap_or_else(|| source.name());
    let loaded = py.detach(|| source.read(&name, &request));
    let Loaded { history, remarks, .. } =
        loaded.map_err(|problems| PyValueError::new_err(problems.to_string()))?;
    Ok(NativeHistory { name, history: Arc::new(history), remarks })
}

#[pymethods]
impl NativeHistory {
    /// What it is called in reports.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// How the input was understood, where that is not plain.
    #[getter]
    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    /// How many events there are.
    #[getter]
    fn events(&self) -> u32 {
        self.history.event_count()
    }

    /// The header: what was run, as JSON.
    #[getter]
    fn header(&self) -> Option<&str> {
        self.history.header()
    }

    fn __len__(&self) -> usize {
        self.history.len()
    }

    /// The events as a stream of Arrow record batches, a row an event.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A schema that is wished for may be ignored, says the interface.
        drop(requested_schema);
        let schema = EventBatches::new(&self.history).schema();
        let batches: Vec<Result<RecordBatch, ArrowError>> =
            py.detach(|| EventBatches::new(&self.history).map(Ok).collect());
        export(py, batches, schema)
    }
}

/// What is checked and how: everything that a check needs of Python.
pub(crate) struct Task {
    pub(crate) source: Source,
    pub(crate) name: String,
    pub(crate) request: CheckRequest,
    pub(crate) began: Instant,
}

/// Runs a task on a thread of its own while this one waits for signals. A signal whose handler raises ends the task soon.
pub(crate) fn run_interruptibly<T: Send>(
    py: Python<'_>,
    task: impl FnOnce(&Arc<AtomicBool>) -> T + Send,
) -> PyResult<T> {
    use std::sync::atomic::Ordering;
    use std::sync::mpsc::{self, RecvTimeoutError};
    use std::time::Duration;
    const LOOK: Duration = Duration::from_millis(100);
    let stop = Arc::new(AtomicBool::new(false));
    py.detach(|| {
        std::thread::scope(|scope| {
            let (done, finished) = mpsc::channel();
            let of_task = Arc::clone(&stop);
            scope.spawn(move || {
                // Nobody waits any more if there was an interrupt.
                let _ = done.send(task(&of_task));
            });
            loop {
                match finished.recv_timeout(LOOK) {
                    Ok(result) => return Ok(result),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(pyo3::exceptions::PyRuntimeError::new_err(
                            "the check ended without an answer",
                        ));
                    }
                }
                if let Err(interrupt) = Python::attach(|py| py.check_signals()) {
                    stop.store(true, Ordering::Relaxed);
                    return Err(interrupt);
                }
            }
        })
    })
}
