//! `steadfast diff`: compares the measured figures of two groups of runs.

use crate::args::{DiffPlan, HistorySource, ReadingArgs, SessionArgs};
use crate::exit::Exit;
use crate::measuring::measure_with_losses;
use crate::output_file::create_output;
use crate::progress::ProgressDisplay;
use crate::report::difference::{self, DiffReport};
use crate::report::page::write_diff_page;
use crate::{input, output};
use checker::Limits;
use checker::measurements::{MetricChange, MetricValues, compare_runs};
use histories::ValueId;
use std::io::Write;

pub(crate) fn run_diff(plan: &DiffPlan) -> Exit {
    // Opened first, so that a file that cannot be written is reported before the runs are measured.
    let page = plan.report.as_deref().map(|path| create_output(path, plan.force, &plan.input_files()));
    let page = match page.transpose() {
        Ok(page) => page,
        Err(why) => {
            output::print_error(&why);
            return Exit::BadInput;
        }
    };
    let progress = ProgressDisplay::start(plan.quiet);
    let both = measure_sources(&plan.a, &plan.reading, &progress)
        .and_then(|a| Ok((a, measure_sources(&plan.b, &plan.reading, &progress)?)));
    let (a, b) = match both {
        Ok(both) => both,
        Err(why) => {
            output::print_error(&why);
            return Exit::BadInput;
        }
    };
    drop(progress);
    let names = |sources: &[HistorySource]| sources.iter().map(HistorySource::name).collect();
    let difference = DiffReport {
        a: names(&plan.a),
        b: names(&plan.b),
        noise: plan.noise,
        compared: compare_runs(&a.iter().collect::<Vec<_>>(), &b.iter().collect::<Vec<_>>(), plan.noise),
    };
    if let Some(mut page) = page {
        let written = write_diff_page(&difference, &mut page).map_err(|why| why.to_string());
        if let Err(why) = written.and_then(|()| page.publish_file()) {
            output::print_error(&format!("failed to write the page: {why}"));
            return Exit::BadInput;
        }
    }
    let mut out = output::open_stdout(plan.color);
    let exit = match difference.has_change(MetricChange::Worse) {
        true => Exit::Violated,
        false => Exit::Holds,
    };
    match difference::write_difference(
        &difference,
        plan.form,
        (plan.quiet, output::terminal_width()),
        &mut out,
    )
    .and_then(|()| out.flush())
    {
        Ok(()) => exit,
        Err(error) => output::exit_after_write_error(&error, exit),
    }
}

/// Measures each history over its whole run. The error names the history that could not be measured, with the reason.
pub(super) fn measure_sources(
    sources: &[HistorySource],
    reading: &ReadingArgs,
    progress: &ProgressDisplay,
) -> Result<Vec<MetricValues>, String> {
    let one = |source: &HistorySource| {
        let loaded = input::load_history(source, reading, progress, None)?;
        loaded.remarks.iter().for_each(|remark| output::print_note(&format!("{}: {remark}", source.name())));
        progress.set_stage(&format!("measuring {}", source.name()));
        let found = measure_with_losses(
            &loaded.history,
            ValueId::NULL,
            &SessionArgs::default(),
            None,
            &Limits::unbounded(),
        );
        found.map(|found| found.run).map_err(|why| format!("{}: {why}", source.name()))
    };
    sources.iter().map(one).collect()
}
