//! `steadfast compare`: every level that applies to some histories, as a table and as a lattice.

use super::check::size_pool;
use crate::args::{CheckPlan, CompareFormat, ComparePlan, Source};
use crate::checking::{self, Refusal, guarded};
use crate::exit::Exit;
use crate::output;
use crate::output_file::create_output;
use crate::report::compare::{self, Comparison};
use crate::report::lattice::{Column, Found, Lattice};
use crate::report::{Counts, Findings, page, reason};
use checker::Answer;

pub(crate) fn run(plan: &ComparePlan) -> Exit {
    match compared(plan) {
        Ok(exit) => exit,
        Err(why) => {
            output::complain(&why);
            Exit::BadInput
        }
    }
}

fn compared(plan: &ComparePlan) -> Result<Exit, String> {
    size_pool(&plan.check)?;
    // Opened first: that it cannot be written is better known before hours of checking.
    let create = |path| create_output(path, plan.check.force, &plan.check.inputs());
    let file = plan.report.as_deref().map(create).transpose()?;
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
    if let Some(mut file) = file {
        let written = page::compare(&comparison, &mut file).map_err(|why| why.to_string());
        written.and_then(|()| file.finish()).map_err(|why| format!("the page cannot be written: {why}"))?;
    }
    let mut out = output::Results::new(plan.check.color);
    let told = match plan.format {
        CompareFormat::Text => compare::text(&comparison, output::width(), &mut out),
        CompareFormat::Json => compare::json(&comparison, &mut out),
    };
    told.map_err(|why| why.to_string())?;
    Ok(out.finish(worst))
}

/// Checks one history against all levels that its model has.
fn column(plan: &CheckPlan, source: &Source) -> Result<Column, Refusal> {
    let checked = checking::check(plan, source)?;
    let name = source.name();
    let findings = checked.findings(&name);
    Ok(Column {
        verdicts: findings.answers().iter().map(|answer| found(&findings, answer)).collect(),
        counts: Counts::of(findings.history),
        model: findings.model().name(),
        name: name.clone(),
    })
}

fn found<'a>(findings: &Findings<'a>, answer: &'a Answer) -> Found {
    let mut anomalies: Vec<&'static str> = findings.told(answer).iter().map(|told| told.kind).collect();
    anomalies.sort_unstable();
    anomalies.dedup();
    Found {
        level: answer.property,
        verdict: answer.verdict.name(),
        anomalies,
        reason: reason(answer).map(str::to_owned),
    }
}
