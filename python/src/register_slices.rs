//! Slices of a history of register transactions: the last step, on workers. `checker::slices::registers` says why it suffices.

use crate::objects::{RowCursor, collect_batches};
use crate::report::refused;
use crate::slices::{SliceRanges, part_of};
use crate::source::run_interruptibly;
use checker::slices::PlacedTransaction;
use checker::slices::registers::RegisterSlice;
use histories::History;
use histories::format::Loaded;
use histories::format::columns::read_batches;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rustc_hash::FxHashMap;
use std::time::Instant;
use steadfast::embedded::{CheckRequest, EmbeddedRefusal, Rendering};

/// What is known of a slice of registers: how many transactions it has; the report on it with what is presumed of the others, unless
/// every level holds then; in that case the report on it alone; or else why it cannot be read. Reports are in JSON.
type RegisterVerdict = (usize, Option<String>, Option<String>, Option<String>);

/// Checks slices of registers: `slices` has the number of each and of its rows in `events`, which are sorted by slice and index. `ranges` says which transactions are members; all others are witnesses.
#[pyfunction]
pub(crate) fn check_register_slices(
    py: Python<'_>,
    events: &Bound<'_, PyAny>,
    slices: Vec<(u32, usize)>,
    ranges: Vec<(u64, u64, u32)>,
    by_place: bool,
    irregular: FxHashMap<String, Option<u32>>,
    options: Vec<String>,
) -> PyResult<Vec<RegisterVerdict>> {
    let request = CheckRequest::from_options(options).map_err(PyValueError::new_err)?;
    let (schema, batches) = collect_batches(events)?;
    let ranges = SliceRanges { ranges, by_place };
    let checked = run_interruptibly(py, |stop| {
        let mut rows = RowCursor::new(&batches);
        let verdicts = slices.iter().map(|&(own, count)| {
            let part = rows.take_rows(count).into_iter().map(Ok);
            let loaded = match read_batches("slice", &schema, part, &request.read_options()) {
                Ok(loaded) => loaded,
                Err(problems) => return Ok((0, None, None, Some(problems.to_string()))),
            };
            let is_member = |of: &PlacedTransaction| ranges.slice_of(of) == Some(own);
            let slice = RegisterSlice::new(&loaded.history, is_member, |key| part_of(&irregular, key, own));
            let check = |history: History| {
                let loaded = Loaded {
                    history,
                    format: loaded.format,
                    dropped: None,
                    remarks: Vec::new(),
                    independent: loaded.independent,
                };
                request.check_loaded(&format!("slice {own}"), loaded, stop, Instant::now())
            };
            let operations = loaded.history.len();
            let presumed = slice.presumed().map(check).transpose()?;
            if presumed.as_ref().is_some_and(|checked| checked.verdict() == "holds") {
                return Ok((operations, None, None, None));
            }
            let told = presumed.map_or_else(|| "{}".to_owned(), |checked| checked.render(Rendering::Json));
            let alone = check(slice.alone())?.render(Rendering::Json);
            Ok((operations, Some(told), Some(alone), None))
        });
        verdicts.collect::<Result<Vec<RegisterVerdict>, EmbeddedRefusal>>()
    })?;
    checked.map_err(refused)
}
