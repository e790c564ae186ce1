//! `steadfast compare`: checks every level that applies, and shows the verdicts as a table and as a lattice.

use super::check::size_pool;
use crate::args::{CheckPlan, CompareFormat, ComparePlan, HistorySource};
use crate::checking::{self, CheckRefusal, catch_panic};
use crate::exit::Exit;
use crate::output;
use crate::output_file::create_output;
use crate::report::compare::{self, Comparison};
use crate::report::lattice::{LatticeColumn, LevelLattice, LevelResult};
use crate::report::{CheckFindings, HistoryCounts, open_reason, page};
use checker::Answer;

pub(crate) fn run_compare(plan: &ComparePlan) -> Exit {
    match compare_histories(plan) {
        Ok(exit) => exit,
        Err(why) => {
            output::print_error(&why);
            Exit::BadInput
        }
    }
}

fn compare_histories(plan: &ComparePlan) -> Result<Exit, String> {
    size_pool(&plan.check)?;
    // Opened first, so that a file that cannot be written is reported before hours of checking.
    let create = |path| create_output(path, plan.check.force, &plan.check.input_files());
    let file = plan.report.as_deref().map(create).transpose()?;
    let mut columns = Vec::new();
    let mut worst = Exit::Holds;
    for source in &plan.check.sources {
        match catch_panic(|| check_column(&plan.check, source)) {
            Ok(column) => columns.push(column),
            Err(refusal) => {
                let (problem, exit) = refusal.into_message(&source.name());
                output::print_error(&problem);
                worst = worst.max(exit);
            }
        }
    }
    let comparison = Comparison { lattice: LevelLattice::from_columns(&columns), columns };
    if let Some(mut file) = file {
        let written = page::write_compare_page(&comparison, &mut file).map_err(|why| why.to_string());
        written
            .and_then(|()| file.publish_file())
            .map_err(|why| format!("failed to write the page: {why}"))?;
    }
    let mut out = output::ResultWriter::new(plan.check.color);
    let told = match plan.format {
        CompareFormat::Text => {
            compare::write_comparison_text(&comparison, output::terminal_width(), &mut out)
        }
        CompareFormat::Json => compare::write_comparison_json(&comparison, &mut out),
    };
    told.map_err(|why| why.to_string())?;
    Ok(out.finish(worst))
}

/// Checks one history against all levels of its model.
fn check_column(plan: &CheckPlan, source: &HistorySource) -> Result<LatticeColumn, CheckRefusal> {
    let checked = checking::check_source(plan, source)?;
    let name = source.name();
    let findings = checked.as_findings(&name);
    Ok(LatticeColumn {
        verdicts: findings.answers().iter().map(|answer| level_result(&findings, answer)).collect(),
        counts: HistoryCounts::count_history(findings.history),
        model: findings.model().name(),
        name: name.clone(),
    })
}

fn level_result<'a>(findings: &CheckFindings<'a>, answer: &'a Answer) -> LevelResult {
    let mut anomalies: Vec<&'static str> =
        findings.describe_anomalies(answer).iter().map(|told| told.kind).collect();
    anomalies.sort_unstable();
    anomalies.dedup();
    LevelResult {
        level: answer.property,
        verdict: answer.verdict.name(),
        anomalies,
        reason: open_reason(answer).map(str::to_owned),
    }
}
