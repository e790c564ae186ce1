//! The parsers of names that only runs have.

use super::names::NameParser;
use super::suggest::{describe_unknown, find_name};
use clap::builder::PossibleValue;
use recorder::stores::embedded::Bug;
use workloads::{Fault, WorkloadKind};

/// Parses the name of a workload.
pub(crate) fn workload_parser() -> NameParser<WorkloadKind> {
    let parse = |typed: &str| {
        let names = WorkloadKind::ALL.map(|(_, name, _)| name);
        let found = find_name(typed, names).and_then(|name| name.parse().ok());
        found.ok_or_else(|| describe_unknown("workload", typed, &names, None))
    };
    NameParser::new(parse, || {
        WorkloadKind::ALL.iter().map(|(_, name, line)| PossibleValue::new(*name).help(*line)).collect()
    })
}

/// Parses the name of a bug of the embedded store.
pub(crate) fn bug_parser() -> NameParser<Bug> {
    let parse = |typed: &str| {
        let names: Vec<&str> = Bug::ALL.iter().map(|(_, name, ..)| *name).collect();
        let found = find_name(typed, names.iter().copied()).and_then(|name| name.parse().ok());
        found.ok_or_else(|| describe_unknown("bug", typed, &names, Some("steadfast stores")))
    };
    NameParser::new(parse, || {
        Bug::ALL.iter().map(|(_, name, line, _)| PossibleValue::new(*name).help(*line)).collect()
    })
}

/// Accepts a fault whose name is known, with the name in lower case. The schedule parses the rest of it.
pub(crate) fn fault_parser() -> NameParser<String> {
    let parse = |typed: &str| {
        let end = typed.find(['=', ':', '@', '+']).unwrap_or(typed.len());
        let (name, rest) = typed.split_at(end);
        let names: Vec<&str> = Fault::ALL.iter().map(|(name, ..)| *name).chain(["none"]).collect();
        match find_name(name, names.iter().copied()) {
            Some(name) => Ok(format!("{name}{rest}")),
            None => Err(describe_unknown("fault", name, &names, Some("steadfast faults"))),
        }
    };
    NameParser::new(parse, || {
        Fault::ALL.iter().map(|(name, _, line)| PossibleValue::new(*name).help(*line)).collect()
    })
}
