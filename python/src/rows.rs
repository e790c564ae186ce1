//! A list of dicts as native lines, one a row: the reader then says of a row what it says of a line.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

/// How deep values may nest, as in files.
const DEPTH_MAX: usize = 64;

/// A line of JSON for each dict.
pub(crate) fn lines(rows: &Bound<'_, PyList>) -> PyResult<Vec<u8>> {
    let mut out = String::with_capacity(rows.len() * 96);
    for (row, number) in rows.iter().zip(0..) {
        let wrong = |what: String| PyValueError::new_err(format!("rows: row {number}: {what}"));
        let Ok(dict) = row.cast::<PyDict>() else {
            return Err(wrong(format!(
                "found {}, expected a dict such as {{\"process\": 0, \"type\": \"invoke\", \"f\": \"read\"}}",
                row.get_type().name()?
            )));
        };
        write_dict(dict, 0, &mut out).map_err(|what| wrong(what))?;
        out.push('\n');
    }
    Ok(out.into_bytes())
}

/// The error is a fragment for the row that it is in.
fn write(value: &Bound<'_, PyAny>, depth: usize, out: &mut String) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err("found a value, expected values that are nested at most 64 deep".to_owned());
    }
    if value.is_none() {
        out.push_str("null");
    } else if let Ok(text) = value.cast::<PyString>() {
        quote(&text.to_cow().map_err(|_| "found a string that is not Unicode".to_owned())?, out);
    } else if let Ok(truth) = value.cast::<PyBool>() {
        out.push_str(if truth.is_true() { "true" } else { "false" });
    } else if let Ok(integer) = value.cast::<PyInt>() {
        write_integer(integer, out)?;
    } else if let Ok(float) = value.cast::<PyFloat>() {
        let float = float.value();
        if !float.is_finite() {
            return Err(format!("found {float}, expected a finite number, or None for nothing"));
        }
        out.push_str(&serde_json::to_string(&float).expect("a finite float"));
    } else if let Ok(list) = value.cast::<PyList>() {
        write_items(list.iter(), depth, out)?;
    } else if let Ok(tuple) = value.cast::<PyTuple>() {
        write_items(tuple.iter(), depth, out)?;
    } else if let Ok(dict) = value.cast::<PyDict>() {
        write_dict(dict, depth, out)?;
    } else if let Ok(integer) = value.call_method0("__index__") {
        // Integers of NumPy.
        write_integer(&integer, out)?;
    } else {
        let kind = value.get_type().name().map_or_else(|_| "a value".to_owned(), |name| name.to_string());
        return Err(format!(
            "found a value of type {kind}, expected None, a bool, an int, a float, a str, a list or a dict"
        ));
    }
    Ok(())
}

fn write_integer(integer: &Bound<'_, PyAny>, out: &mut String) -> Result<(), String> {
    match integer.extract::<i64>() {
        Ok(small) => out.push_str(&small.to_string()),
        // The reader says which integers are too large.
        Err(_) => match integer.extract::<u64>() {
            Ok(unsigned) => out.push_str(&unsigned.to_string()),
            Err(_) => return Err("found an integer beyond 64 bits".to_owned()),
        },
    }
    Ok(())
}

fn write_items<'py>(
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    depth: usize,
    out: &mut String,
) -> Result<(), String> {
    out.push('[');
    for (item, at) in items.zip(0..) {
        if at > 0 {
            out.push(',');
        }
        write(&item, depth + 1, out)?;
    }
    out.push(']');
    Ok(())
}

fn write_dict(dict: &Bound<'_, PyDict>, depth: usize, out: &mut String) -> Result<(), String> {
    out.push('{');
    for ((name, value), at) in dict.iter().zip(0..) {
        if at > 0 {
            out.push(',');
        }
        let Ok(name) = name.cast::<PyString>() else {
            return Err("found a key that is no string, expected the name of a field".to_owned());
        };
        quote(&name.to_cow().map_err(|_| "found a string that is not Unicode".to_owned())?, out);
        out.push(':');
        write(&value, depth + 1, out)?;
    }
    out.push('}');
    Ok(())
}

fn quote(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("text is JSON"));
}
