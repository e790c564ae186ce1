//! Measurements as text and as JSON. The checker computes the figures; this module only formats them.

mod json;
mod text;

pub(super) use json::{measurements_as_json, objectives_as_json};
pub(super) use text::{COLUMNS, fault_row, write_measurements};
