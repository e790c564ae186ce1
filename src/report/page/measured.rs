//! The effect of each fault and the results of the objectives, with the same figures as in the text.

use super::html::Html;
use crate::report::MeasuredRun;
use crate::report::measurements::{COLUMNS, fault_row};
use checker::measurements::FaultMeasurements;

/// The most faults that have their own line.
const FAULTS_MAX: usize = 40;
/// Up to this many faults have a column each.
const COLUMN_FAULTS_MAX: usize = 3;

/// Writes the tables that have content.
pub(super) fn write_measurements(measured: &MeasuredRun, html: &mut Html) {
    if !measured.objectives.is_empty() {
        html.add_leaf("h3", &[], "Objectives");
        html.open_tag("table", &[("class", &"levels")]);
        for one in &measured.objectives {
            html.open_tag("tr", &[]);
            let class = match one.verdict() {
                "met" => "holds",
                "missed" => "violated",
                _ => "unknown",
            };
            html.add_leaf("td", &[("class", &class)], one.verdict());
            html.add_leaf("td", &[], one.describe_result());
            html.close_tag("tr");
        }
        html.close_tag("table");
    }
    let faults = &measured.found.faults;
    if faults.is_empty() {
        return;
    }
    html.add_leaf("h3", &[], "The effect of each fault");
    html.open_scroll();
    html.open_tag("table", &[]);
    match faults.len() <= COLUMN_FAULTS_MAX {
        true => write_fault_columns(faults, html),
        false => write_fault_lines(faults, html),
    }
    html.close_tag("table");
    html.close_tag("div");
    if let Some(more) = faults.len().checked_sub(FAULTS_MAX).filter(|&more| more > 0) {
        html.add_leaf("p", &[("class", &"quiet")], format!("and {more} more; --format json lists all"));
    }
}

/// A column per fault and a line per figure: of a few faults, this also fits a phone.
fn write_fault_columns(faults: &[FaultMeasurements], html: &mut Html) {
    let rows: Vec<Vec<String>> = faults.iter().map(|one| fault_row(one).into_iter().collect()).collect();
    for (at, name) in COLUMNS.iter().enumerate() {
        html.open_tag("tr", &[]);
        html.add_leaf("th", &[("scope", &"row")], name);
        let tag = if at == 0 { "th" } else { "td" };
        rows.iter().for_each(|row| html.add_leaf(tag, &[("class", &"time")], spell_cell(&row[at])));
        html.close_tag("tr");
        html.break_line();
    }
}

/// A figure that could not be measured is a question mark where columns are narrow; here is room for the word.
fn spell_cell(cell: &str) -> &str {
    if cell == "?" { "unknown" } else { cell }
}

/// A line per fault.
fn write_fault_lines(faults: &[FaultMeasurements], html: &mut Html) {
    html.open_tag("tr", &[]);
    COLUMNS.iter().for_each(|name| html.add_leaf("th", &[], name));
    html.close_tag("tr");
    for one in faults.iter().take(FAULTS_MAX) {
        html.open_tag("tr", &[]);
        fault_row(one).iter().for_each(|cell| html.add_leaf("td", &[("class", &"time")], cell));
        html.close_tag("tr");
        html.break_line();
    }
}
