//! Models that are written in Python. Each step calls the interpreter, so they are much slower than the built-in models.

use crate::report::{NativeReport, refused};
use crate::source::{Source, run_interruptibly};
use checker::specification::{Call, CallInput, Refused, Specification};
use checker::{CheckError, Verdict, Witness};
use histories::{History, ValueId};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::hash::{Hash, Hasher};
use std::sync::Mutex;
use std::time::Instant;
use steadfast::embedded::CheckRequest;

/// Checks whether each object of a history is linearizable with respect to a model that is written in Python.
#[pyfunction]
#[pyo3(signature = (history, initial, step, name, options, accept_untested))]
pub(crate) fn check_model(
    py: Python<'_>,
    history: &Bound<'_, PyAny>,
    initial: Py<PyAny>,
    step: Py<PyAny>,
    name: Option<String>,
    options: Vec<String>,
    accept_untested: bool,
) -> PyResult<NativeReport> {
    let request = CheckRequest::from_options(options).map_err(PyValueError::new_err)?;
    let began = Instant::now();
    let source = Source::of(history)?;
    let name = name.unwrap_or_else(|| source.name());
    let loaded = py.detach(|| source.read(&name, &request));
    let loaded = loaded.map_err(|problems| PyValueError::new_err(problems.to_string()))?;
    let initial = PythonState::new(py, initial)?;
    let values = python_values(py, &loaded.history)?;
    let raised = Mutex::new(None);
    let checked = run_interruptibly(py, |stop| {
        request.check_with(&name, loaded, stop, began, |history, limits| {
            let model =
                PythonModel { history, initial: &initial, step: &step, values: &values, raised: &raised };
            let verdict = checker::linearizability::check_model(history, &model, limits);
            match raised.lock().expect("nobody panics while holding it").is_some() {
                // What was raised is told instead.
                true => Ok(Verdict::unknown("the model raised an exception")),
                // Nothing has to be ordered where no operation succeeded.
                false if accept_untested && matches!(verdict, Ok(Verdict::Untested(_))) => {
                    Ok(Verdict::Holds(Witness::Orders(Vec::new())))
                }
                false => verdict.map_err(|why| {
                    CheckError::Internal(format!(
                        "{why}; or the model's answers depend on more than its state and the call"
                    ))
                }),
            }
        })
    })?;
    if let Some(raised) = raised.into_inner().expect("nobody panics while holding it") {
        return Err(raised);
    }
    checked.map(|checked| NativeReport { checked }).map_err(refused)
}

/// A state of a model: any Python object that can be compared and hashed.
#[derive(Debug)]
struct PythonState {
    object: Py<PyAny>,
    hash: isize,
}

impl PythonState {
    fn new(py: Python<'_>, object: Py<PyAny>) -> PyResult<Self> {
        let hash = object.bind(py).hash()?;
        Ok(Self { object, hash })
    }
}

impl Clone for PythonState {
    fn clone(&self) -> Self {
        Python::attach(|py| Self { object: self.object.clone_ref(py), hash: self.hash })
    }
}

impl PartialEq for PythonState {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && Python::attach(|py| self.object.bind(py).eq(other.object.bind(py)).unwrap_or(false))
    }
}

impl Eq for PythonState {}

impl Hash for PythonState {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

/// Of each value of a history the Python object.
fn python_values(py: Python<'_>, history: &History) -> PyResult<Vec<Py<PyAny>>> {
    let loads = py.import("json")?.getattr("loads")?;
    history.values.iter().map(|(_, text)| Ok(loads.call1((text,))?.unbind())).collect()
}

struct PythonModel<'a> {
    history: &'a History,
    initial: &'a PythonState,
    step: &'a Py<PyAny>,
    values: &'a [Py<PyAny>],
    /// The first exception: it ends the check.
    raised: &'a Mutex<Option<PyErr>>,
}

impl PythonModel<'_> {
    fn value<'py>(&self, py: Python<'py>, value: ValueId) -> Bound<'py, PyAny> {
        use histories::Id;
        self.values[value.index()].bind(py).clone()
    }

    fn call<'py>(&self, py: Python<'py>, state: &PythonState, call: &Call) -> PyResult<Option<PythonState>> {
        let input = match &call.input {
            CallInput::Value(value) => self.value(py, *value),
            CallInput::Pair(old, new) => {
                (self.value(py, *old), self.value(py, *new)).into_pyobject(py)?.into_any()
            }
            CallInput::Micros(_) => {
                return Err(PyValueError::new_err("transactions have no model: ask for an isolation level"));
            }
        };
        let output = call.output.map(|output| self.value(py, output));
        let name = self.history.function_name(call.function);
        let next =
            self.step.bind(py).call1((state.object.bind(py), name, input, call.output.is_some(), output))?;
        if next.is_none() { Ok(None) } else { PythonState::new(py, next.get_item(0)?.unbind()).map(Some) }
    }
}

impl Specification for PythonModel<'_> {
    type State = PythonState;

    fn initial(&self) -> PythonState {
        self.initial.clone()
    }

    fn step(&self, state: &PythonState, call: &Call) -> Result<PythonState, Refused> {
        const REFUSED: Refused = Refused("the model refuses it");
        // Nothing is refused because of the time: the search looks at the clock itself, and a refusal would be a violation.
        if self.raised.lock().expect("nobody panics while holding it").is_some() {
            return Err(REFUSED);
        }
        match Python::attach(|py| self.call(py, state, call)) {
            Ok(Some(next)) => Ok(next),
            Ok(None) => Err(REFUSED),
            Err(error) => {
                self.raised.lock().expect("nobody panics while holding it").get_or_insert(error);
                Err(REFUSED)
            }
        }
    }
}
