//! Verdicts for Python.

use crate::source::{Source, Task, run_interruptibly};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use std::time::Instant;
use steadfast::embedded::{EmbeddedRefusal, CheckRequest, EmbeddedCheck, Rendering};

/// One history with its verdict.
#[pyclass(module = "steadfast_checker._native", frozen)]
pub struct NativeReport {
    pub(crate) checked: EmbeddedCheck,
}

/// Checks one history.
#[pyfunction]
#[pyo3(signature = (history, name, options))]
pub(crate) fn check(
    py: Python<'_>,
    history: &Bound<'_, PyAny>,
    name: Option<String>,
    options: Vec<String>,
) -> PyResult<NativeReport> {
    let request = CheckRequest::from_options(options).map_err(PyValueError::new_err)?;
    let began = Instant::now();
    let source = Source::of(history)?;
    let name = name.unwrap_or_else(|| source.name());
    let task = Task { source, name, request, began };
    let checked = run_interruptibly(py, |stop| {
        let read = task.source.read(&task.name, &task.request);
        let read = read.map_err(|problems| EmbeddedRefusal::BadInput(problems.to_string()))?;
        task.request.check_loaded(&task.name, read, stop, task.began)
    })?;
    checked.map(|checked| NativeReport { checked }).map_err(refused)
}

/// The exception that tells why there is no verdict.
pub(crate) fn refused(refusal: EmbeddedRefusal) -> PyErr {
    match refusal {
        EmbeddedRefusal::BadInput(problems) => PyValueError::new_err(problems),
        EmbeddedRefusal::Internal(why) => PyRuntimeError::new_err(format!(
            "internal error: {why}. This is a bug of steadfast, not of the store: there is no verdict. Please report it \
             with the history."
        )),
    }
}

#[pymethods]
impl NativeReport {
    /// `holds`, `violated`, `untested` or `unknown`.
    #[getter]
    fn verdict(&self) -> &'static str {
        self.checked.verdict()
    }

    /// The verdict in a form: what the command line writes.
    fn render(&self, py: Python<'_>, form: &str) -> PyResult<String> {
        let rendering = match form {
            "text" => Rendering::Text,
            "json" => Rendering::Json,
            "junit" => Rendering::Junit,
            "sarif" => Rendering::Sarif,
            "github" => Rendering::Github,
            "html" => Rendering::Page,
            _ => return Err(PyValueError::new_err(format!("there is no form {form:?}"))),
        };
        Ok(py.detach(|| self.checked.render(rendering)))
    }
}
