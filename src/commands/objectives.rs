//! `steadfast objectives`: lists the figures that are measured and can therefore be limited by an objective.

use crate::exit::Exit;
use checker::measurements::{Better, METRICS, Metric, Unit};

pub(crate) fn list_objectives() -> Exit {
    let lines: Vec<(&str, String)> =
        METRICS.iter().map(|metric| (metric.objective, describe_metric(metric))).collect();
    super::print_result(&super::format_listing(lines.iter().map(|(name, line)| (*name, line.as_str()))))
}

fn describe_metric(metric: &Metric) -> String {
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
