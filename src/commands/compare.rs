//! `steadfast compare`: every level that applies to some histories, as a table and as a lattice.

use super::check::{Refusal, answer, guarded, size_pool};
use crate::args::{CheckPlan, CompareFormat, ComparePlan, Source};
use crate::exit::Exit;
use crate::output;
use crate::report::compare::{self, Comparison};
use crate::report::lattice::{Column, Found, Lattice};
use crate::report::{Counts, Findings};
use std::fs::File;
use std::io::{BufWriter, Write};

pub(crate) fn run(plan: &ComparePlan) -> Exit {
    let failed = |what: &std::path::Path, error: &std::io::Error| {
        output::complain(&format!("failed to write {}: {error}", what.display()));
        Exit::BadInput
    };
    if let Err(why) = size_pool(&plan.check) {
        output::complain(&why);
        return Exit::BadInput;
    }
    // Opened first: that it cannot be written is better known before hours of checking.
    let page = match plan.report.as_ref().map(|path| (path, File::create(path))) {
        Some((path, Err(error))) => return failed(path, &error),
        Some((path, Ok(file))) => Some((path, BufWriter::new(file))),
        None => None,
    };
    let mut columns = Vec::new();
    let mut worst = Exit::Holds;
    for source in &plan.check.sources {
        match guarded(|| column(&plan.check, source)) {
            Ok(column) => columns.push(column),
            Err(refusal) => {
                let (problem, exit) = refusal.told(&source.name());
                output::complain(&problem);
                worst = worst.max(exit);
            }
        }
    }
    let comparison = Comparison { lattice: Lattice::of(&columns), columns };
    if let Some((path, mut file)) = page {
        let written = crate::report::page::compare(&comparison, &mut file).and_then(|()| file.flush());
        if let Err(error) = written {
            return failed(path, &error);
        }
    }
    let mut out = output::results(plan.check.color);
    let told = match plan.format {
        CompareFormat::Text => compare::text(&comparison, output::width(), &mut out),
        CompareFormat::Json => compare::json(&comparison, &mut out),
    };
    match told.and_then(|()| out.flush()) {
        Ok(()) => worst,
        Err(error) => output::unwritten(&error, worst),
    }
}

/// Checks one history against all levels that its model has.
fn column(plan: &CheckPlan, source: &Source) -> Result<Column, Refusal> {
    let checked = answer(plan, source)?;
    let name = source.name();
    let findings = checked.findings(&name);
    Ok(Column {
        verdicts: findings.answers.iter().map(|timed| found(&findings, timed)).collect(),
        counts: Counts::of(findings.history),
        model: findings.model,
        name: name.clone(),
    })
}

fn found(findings: &Findings<'_>, timed: &crate::report::Timed) -> Found {
    let mut anomalies: Vec<&'static str> = findings.told(timed).iter().map(|told| told.kind).collect();
    anomalies.sort_unstable();
    anomalies.dedup();
    Found {
        level: timed.promise(),
        verdict: timed.verdict(),
        anomalies,
        reason: timed.reason().map(str::to_owned),
    }
}
