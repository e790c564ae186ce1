//! What faults did to users, and what became of the objectives: the same figures as in the text.

use super::html::Html;
use crate::report::Measured;
use crate::report::measurements::{COLUMNS, row};

/// Faults that have a line each.
const FAULTS_MAX: usize = 40;

/// Writes the tables, as far as there is anything to tell.
pub(super) fn write(measured: &Measured, html: &mut Html) {
    if !measured.objectives.is_empty() {
        html.leaf("h3", &[], "Objectives");
        html.open("table", &[("class", &"levels")]);
        for one in &measured.objectives {
            html.open("tr", &[]);
            let class = match one.verdict() {
                "met" => "holds",
                "missed" => "violated",
                _ => "unknown",
            };
            html.leaf("td", &[("class", &class)], one.verdict());
            html.leaf("td", &[], one.sentence());
            html.close("tr");
        }
        html.close("table");
    }
    let faults = &measured.found.faults;
    if faults.is_empty() {
        return;
    }
    html.leaf("h3", &[], "What each fault did");
    html.open("div", &[("class", &"scroll")]);
    html.open("table", &[]);
    html.open("tr", &[]);
    COLUMNS.iter().for_each(|name| html.leaf("th", &[], name));
    html.close("tr");
    for one in faults.iter().take(FAULTS_MAX) {
        html.open("tr", &[]);
        row(one).iter().for_each(|cell| html.leaf("td", &[("class", &"time")], cell));
        html.close("tr");
        html.line();
    }
    html.close("table");
    html.close("div");
    if let Some(more) = faults.len().checked_sub(FAULTS_MAX).filter(|&more| more > 0) {
        html.leaf("p", &[("class", &"quiet")], format!("and {more} more: --format json tells of all"));
    }
}
