//! What was measured, as text and as JSON. Figures come from the checker; here they are only put into words.

mod json;
mod text;

pub(super) use json::{measurements, objectives};
pub(super) use text::{COLUMNS, row, write};
