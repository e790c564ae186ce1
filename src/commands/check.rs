//! `steadfast check`: histories in, verdicts out.

use crate::args::{CheckPlan, Source};
use crate::exit::Exit;
use crate::input::{self, Loaded};
use crate::models;
use crate::output;
use crate::progress::Progress;
use crate::report::{self, Findings, Report, Timed};
use crate::timer::Timer;
use checker::check::Question;
use checker::{Level, Limits};
use histories::History;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Configurations that a search may expand. Far beyond what the memory limit lets it keep apart; it is there so
/// that no search without a memo runs for ever.
const STEPS_MAX: u64 = 10_000_000_000;

/// Why there is no verdict about one history.
enum Refusal {
    /// It could not be read, or is not what was asked about.
    Input(String),
}

pub(crate) fn run(plan: &CheckPlan) -> Exit {
    let mut out = output::results(plan.color);
    let mut report = report::report(plan.format, plan.quiet, output::width());
    let mut worst = Exit::Holds;
    for source in &plan.sources {
        match one(plan, source, report.as_mut(), &mut out) {
            Ok(exit) => worst = worst.max(exit),
            Err(error) => return output::unwritten(&error, worst),
        }
    }
    if let Err(error) = report.finish(&mut out).and_then(|()| out.flush()) {
        return output::unwritten(&error, worst);
    }
    worst
}

/// Checks one history and reports it. The error is that of the report.
fn one(plan: &CheckPlan, source: &Source, report: &mut dyn Report, out: &mut dyn Write) -> io::Result<Exit> {
    let name = source.name();
    match catch_unwind(AssertUnwindSafe(|| answer(plan, source))) {
        Ok(Ok(checked)) => {
            let findings = checked.findings(&name);
            report.checked(&findings, out)?;
            out.flush()?;
            Ok(match report::verdict(findings.answers) {
                "holds" => Exit::Holds,
                "violated" => Exit::Violated,
                _ => Exit::Unknown,
            })
        }
        Ok(Err(Refusal::Input(problems))) => {
            output::complain(&problems);
            report.refused(&name, &problems, out)?;
            Ok(Exit::BadInput)
        }
        Err(panic) => {
            let why = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let why = why.or_else(|| panic.downcast_ref::<String>().cloned());
            internal(&name, &why.unwrap_or_else(|| "a panic".to_owned()), report, out)
        }
    }
}

fn internal(name: &str, why: &str, report: &mut dyn Report, out: &mut dyn Write) -> io::Result<Exit> {
    let problem = format!(
        "{name}: internal error: {why}\nThis is a bug of steadfast, not of the store: there is no verdict. \
         Please report it with the history."
    );
    output::complain(&problem);
    report.refused(name, &problem, out)?;
    Ok(Exit::Internal)
}

/// One history with its answers.
struct Checked {
    history: History,
    question: Question,
    answers: Vec<Timed>,
    remarks: Vec<String>,
    read_seconds: f64,
}

impl Checked {
    fn findings<'a>(&'a self, name: &'a str) -> Findings<'a> {
        Findings {
            name,
            history: &self.history,
            question: &self.question,
            answers: &self.answers,
            remarks: &self.remarks,
            read_seconds: self.read_seconds,
        }
    }
}

fn answer(plan: &CheckPlan, source: &Source) -> Result<Checked, Refusal> {
    let progress = Progress::start(plan.quiet);
    let began = Instant::now();
    let Loaded { mut history, remarks } =
        input::load(source, &plan.reading, &progress).map_err(Refusal::Input)?;
    let read_seconds = began.elapsed().as_secs_f64();
    let model = match plan.model {
        Some(model) => model,
        None => {
            models::recognise(&history).map_err(|why| Refusal::Input(format!("{}: {why}", source.name())))?
        }
    };
    let question = Question {
        model,
        initial: history.values.intern(&plan.init),
        failed_cas: plan.failed_cas,
        assume: plan.assume,
    };
    let levels = plan.levels.as_deref().unwrap_or(models::default_levels(model));
    let timer = Timer::start(plan.timeout);
    let limits = Limits { steps: STEPS_MAX, bytes: plan.bytes, stop: timer.flag() };
    let ask = |&level: &Level| {
        progress.stage(&format!("checking {}: {}", source.name(), level.name()));
        let began = Instant::now();
        let answer = checker::check::check(&history, level, &question, &limits);
        Timed { answer, seconds: began.elapsed().as_secs_f64() }
    };
    let answers = levels.iter().map(ask).collect();
    Ok(Checked { history, question, answers, remarks, read_seconds })
}
