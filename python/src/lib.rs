//! The checker of steadfast for Python: the thin layer below the package `steadfast_checker`.
//!
//! What a history is, what is asked of it and how the answer is told are the business of the crates that the program is
//! made of; this translates. The interpreter is let go while a history is read and checked, and looked at ten times a
//! second, so that an interrupt ends the check.

mod model;
mod objects;
mod register_slices;
mod report;
mod rows;
mod slices;
mod source;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<report::NativeReport>()?;
    module.add_class::<source::NativeHistory>()?;
    module.add_class::<source::NativeTable>()?;
    module.add_function(wrap_pyfunction!(report::check, module)?)?;
    module.add_function(wrap_pyfunction!(objects::check_objects, module)?)?;
    module.add_function(wrap_pyfunction!(slices::transaction_uses, module)?)?;
    module.add_function(wrap_pyfunction!(slices::transaction_edges, module)?)?;
    module.add_function(wrap_pyfunction!(slices::merge_places, module)?)?;
    module.add_function(wrap_pyfunction!(slices::slice_members, module)?)?;
    module.add_function(wrap_pyfunction!(slices::transaction_knots, module)?)?;
    module.add_function(wrap_pyfunction!(slices::check_list_slices, module)?)?;
    module.add_function(wrap_pyfunction!(register_slices::check_register_slices, module)?)?;
    module.add_function(wrap_pyfunction!(model::check_model, module)?)?;
    module.add_function(wrap_pyfunction!(source::read, module)?)?;
    module.add_function(wrap_pyfunction!(names, module)?)
}

/// The names of all models, of all isolation levels, or of all properties, each with a line about it.
#[pyfunction]
fn names(of: &str) -> Vec<(&'static str, &'static str)> {
    match of {
        "models" => checker::Model::ALL.iter().map(|model| (model.name(), model.line())).collect(),
        "isolation" => {
            checker::IsolationLevel::ALL.iter().map(|level| (level.name(), level.line())).collect()
        }
        _ => checker::Property::all().map(|property| (property.name(), property.line())).collect(),
    }
}
