//! `steadfast objectives`: what is measured, and so can be asked for.

use crate::exit::Exit;
use checker::measurements::{Better, METRICS, Metric, Unit};

pub(crate) fn run() -> Exit {
    let lines: Vec<(&str, String)> = METRICS.iter().map(|metric| (metric.objective, line(metric))).collect();
    super::print(&super::listing(lines.iter().map(|(name, line)| (*name, line.as_str()))))
}

fn line(metric: &Metric) -> String {
    let bound = if metric.better == Better::Less { "at most" } else { "at least" };
    let unit = match metric.unit {
        Unit::Seconds => "3s",
        Unit::Count => "0",
        Unit::Share => "1%",
        Unit::Ratio => "3x",
        Unit::PerSecond => "500/s",
    };
    format!("{} ({bound}, such as {unit})", metric.line)
}
