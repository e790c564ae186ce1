//! `steadfast diff`: two systems held against each other by what was measured of their runs.

use crate::args::{DiffPlan, ReadingArgs, SessionArgs, Source};
use crate::exit::Exit;
use crate::measuring::measured;
use crate::progress::Progress;
use crate::report::difference::{self, Difference};
use crate::{input, output};
use checker::measurements::{MetricChange, MetricValues, compare_runs};
use histories::ValueId;
use std::io::Write;

pub(crate) fn run(plan: &DiffPlan) -> Exit {
    let progress = Progress::start(plan.quiet);
    let both = measured_all(&plan.a, &plan.reading, &progress)
        .and_then(|a| Ok((a, measured_all(&plan.b, &plan.reading, &progress)?)));
    let (a, b) = match both {
        Ok(both) => both,
        Err(why) => {
            output::complain(&why);
            return Exit::BadInput;
        }
    };
    drop(progress);
    let names = |sources: &[Source]| sources.iter().map(Source::name).collect();
    let difference = Difference {
        a: names(&plan.a),
        b: names(&plan.b),
        noise: plan.noise,
        compared: compare_runs(&a.iter().collect::<Vec<_>>(), &b.iter().collect::<Vec<_>>(), plan.noise),
    };
    let mut out = output::results(plan.color);
    let exit = match difference.has(MetricChange::Worse) {
        true => Exit::Violated,
        false => Exit::Holds,
    };
    match difference::write(&difference, plan.form, plan.quiet, &mut out).and_then(|()| out.flush()) {
        Ok(()) => exit,
        Err(error) => output::unwritten(&error, exit),
    }
}

/// The figures of each history over its whole run. The error says which could not be measured, and why.
pub(super) fn measured_all(
    sources: &[Source],
    reading: &ReadingArgs,
    progress: &Progress,
) -> Result<Vec<MetricValues>, String> {
    let one = |source: &Source| {
        let loaded = input::load(source, reading, progress)?;
        loaded.remarks.iter().for_each(|remark| output::remark(&format!("{}: {remark}", source.name())));
        progress.stage(&format!("measuring {}", source.name()));
        let found = measured(&loaded.history, ValueId::NULL, &SessionArgs::default());
        found.map(|found| found.run).map_err(|why| format!("{}: {why}", source.name()))
    };
    sources.iter().map(one).collect()
}
