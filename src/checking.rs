//! One history read, checked and measured, with the time that each phase took.

use crate::args::{CheckPlan, Source};
use crate::exit::Exit;
use crate::input::{self, Loaded};
use crate::measuring;
use crate::oddities;
use crate::progress::Progress;
use crate::report::{Explains, Findings, Measured};
use crate::timer::Timer;
use crate::times::{Times, Watch};
use checker::measurements::FaultMeasurements;
use checker::{Basis, CheckError, Limits, Model, Property, Question, QuestionError, Report};
use histories::{History, ValueId};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Configurations that a search may expand. Far beyond what the memory limit lets it keep apart; it is there so
/// that no search without a memo runs for ever.
pub(crate) const STEPS_MAX: u64 = 10_000_000_000;

/// Why there is no verdict about one history.
pub(crate) enum Refusal {
    /// It could not be read, or is not what was asked about.
    Input(String),
    /// A bug of this program.
    Internal(String),
}

impl Refusal {
    /// What the user is told, and the exit code.
    pub(crate) fn told(self, name: &str) -> (String, Exit) {
        match self {
            Refusal::Input(problems) => (problems, Exit::BadInput),
            Refusal::Internal(why) => (
                format!(
                    "{name}: internal error: {why}\nThis is a bug of steadfast, not of the store: there is no verdict. \
                     Please report it with the history."
                ),
                Exit::Internal,
            ),
        }
    }
}

/// A panic is a bug of this program in one history, and no reason to leave the others unchecked.
pub(crate) fn guarded<T>(what: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(what)).unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let why = why.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Refusal::Internal(why.unwrap_or_else(|| "a panic".to_owned())))
    })
}

/// One history with its answers.
pub(crate) struct Checked {
    pub(crate) history: History,
    pub(crate) question: Question,
    pub(crate) report: Report,
    pub(crate) basis: Basis,
    pub(crate) measured: Option<Measured>,
    pub(crate) times: Times,
    /// Of which history it is a part, if it is one.
    pub(crate) explains: Option<Explains>,
}

impl Checked {
    pub(crate) fn findings<'a>(&'a self, name: &'a str) -> Findings<'a> {
        Findings {
            name,
            history: &self.history,
            question: &self.question,
            report: &self.report,
            basis: self.basis,
            measured: self.measured.as_ref(),
            times: &self.times,
            explains: self.explains.as_ref(),
        }
    }
}

/// Reads and checks one history, and measures it if that was asked for.
pub(crate) fn check(plan: &CheckPlan, source: &Source) -> Result<Checked, Refusal> {
    let (name, progress) = (source.name(), Progress::start(plan.quiet));
    // The limit on time is on all that is done with a history.
    let timer = Timer::start(plan.timeout);
    let began = Instant::now();
    let loaded = input::load(source, &plan.reading, &progress).map_err(Refusal::Input)?;
    check_loaded(plan, &name, loaded, (&progress, timer.flag()), began)
}

/// Checks one history that was read since `began`, and measures it if that was asked for.
pub(crate) fn check_loaded(
    plan: &CheckPlan,
    name: &str,
    loaded: Loaded,
    (progress, stop): (&Progress, &AtomicBool),
    began: Instant,
) -> Result<Checked, Refusal> {
    let Loaded { mut history, remarks } = loaded;
    let mut times = Times { read: began.elapsed().as_secs_f64(), ..Times::default() };
    let question = question(plan, &mut history).map_err(|why| Refusal::Input(format!("{name}: {why}")))?;
    let limits = Limits { steps: STEPS_MAX, bytes: plan.bytes, stop };
    let mut report = ask(&history, name, &question, &limits, (progress, &mut times))?;
    report.remarks.splice(0..0, remarks);
    if report.verdict() == "violated" {
        // First what explains more than a broken store would.
        let begins_with_a_value = question.model.has_initial_values() && question.model != Model::Counter;
        if begins_with_a_value && question.initial.are_all_absent() {
            report.remarks.splice(0..0, oddities::of_beginnings(&history));
        }
        report.remarks.extend(oddities::of_values(&history));
    }
    if question.model.has_transactions() {
        let open = report.answers.iter().any(|answer| !matches!(answer.verdict.name(), "holds" | "violated"));
        report.remarks.extend(oddities::of_transactions(&history, open));
    }
    if question.model == Model::Session {
        report.remarks.push(in_force(&question));
    }
    let began = Instant::now();
    let measured = measured(plan, &question, &history, name, progress);
    let measured = measured.map_err(|why| Refusal::Input(format!("{name}: {why}")))?;
    times.measure = began.elapsed().as_secs_f64();
    let basis = Basis::from_history(&history, question.failed_cas);
    Ok(Checked { history, question, report, basis, measured, times, explains: None })
}

/// Asks the checker, taking the time.
pub(crate) fn ask(
    history: &History,
    name: &str,
    question: &Question,
    limits: &Limits<'_>,
    (progress, times): (&Progress, &mut Times),
) -> Result<Report, Refusal> {
    let mut watch = Watch::new(name, progress, times);
    checker::check_observed(history, question, limits, &mut watch).map_err(|why| match why {
        CheckError::Question(why) => Refusal::Input(format!("{name}: {why}")),
        CheckError::Internal(why) => Refusal::Internal(why),
    })
}

/// What is asked of a history: what was typed, and what it suggests itself of the rest.
fn question(plan: &CheckPlan, history: &mut History) -> Result<Question, QuestionError> {
    let mut question = match plan.model {
        Some(model) => Question::about(model),
        None => Question::recognised(history)?,
    };
    let model = question.model;
    let typed = plan.properties.as_ref().map(|typed| {
        let meant = |&property: &Property| {
            property.resolve_for_model(model).ok_or(QuestionError::property_not_in_model(property, model))
        };
        typed.iter().map(meant).collect::<Result<Vec<_>, _>>()
    });
    let all = || plan.all_properties.then(|| model.comparable_properties());
    question.asked = typed.transpose()?.or_else(all);
    question.initial = plan.initial.clone();
    question.failed_cas = plan.failed_cas;
    question.assume = plan.assume;
    question.bank = plan.bank;
    question.accept_untested = plan.accept_untested;
    if model == Model::Session {
        question.sessions = plan.sessions.rules(history).map_err(QuestionError::Header)?;
    }
    // So that they have a text where they are shown.
    history.values.intern(question.initial.default_json());
    for (_, value) in question.initial.values_by_key() {
        history.values.intern(value);
    }
    Ok(question)
}

/// Measures, if that was asked for or if there is something to tell: what faults did.
fn measured(
    plan: &CheckPlan,
    question: &Question,
    history: &History,
    name: &str,
    progress: &Progress,
) -> Result<Option<Measured>, String> {
    let asked = plan.measuring.everything || !plan.measuring.objectives.is_empty();
    let struck =
        || history.actor_events().iter().any(|event| event.actor == "nemesis" && event.time.is_some());
    if !asked && !struck() {
        return Ok(None);
    }
    progress.stage(&format!("measuring {name}"));
    let initial = history.values.get(question.initial.default_json()).unwrap_or(ValueId::NULL);
    let found = measuring::measured(history, initial, &plan.sessions)?;
    if !asked && !found.faults.iter().any(FaultMeasurements::hurt_anyone) {
        return Ok(None);
    }
    let objectives = plan.measuring.objectives.iter().map(|objective| objective.judge(&found)).collect();
    Ok(Some(Measured { found, objectives, everything: plan.measuring.everything }))
}

/// What the verdicts of a session store rest on.
pub(crate) fn in_force(question: &Question) -> String {
    let span = |ns: i64| crate::report::layout::duration(ns as f64 / 1e9);
    let lives = match question.sessions.time_to_live_ns {
        Some(ns) => format!("sessions live for {}", span(ns)),
        None => "sessions live for ever, as far as is known".to_owned(),
    };
    format!("{lives}; clocks may be off by {}", span(question.sessions.tolerance_ns))
}
