//! Reads, checks and measures one history, and records the time of each phase.

use crate::args::{CheckPlan, HistorySource};
use crate::clock::Instant;
use crate::exit::Exit;
use crate::initial_keys::refuse_unknown_keys;
use crate::input::{self, LoadedHistory};
use crate::measuring;
use crate::oddities;
use crate::progress::ProgressDisplay;
use crate::report::{CheckFindings, MeasuredRun, ReductionInfo};
use crate::timer::StopTimer;
use crate::times::{PhaseTimes, PhaseWatch};
use crate::unused_options::describe_unused_options;
use checker::measurements::FaultMeasurements;
use checker::{Basis, CheckError, Level, Limits, Model, Property, Question, QuestionError, Report};
use histories::{History, ValueId};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// The most configurations that a search may expand. The memory limit stops a search with a memo far earlier; this bound
/// ends a search without one.
pub(crate) const STEPS_MAX: u64 = 10_000_000_000;

/// The reason why there is no verdict on a history.
pub(crate) enum CheckRefusal {
    /// The history could not be read, or the question does not fit it.
    Input(String),
    /// The time limit ended before there was anything to check.
    OutOfTime(String),
    /// A bug of this program.
    Internal(String),
}

impl CheckRefusal {
    /// The refusal of a history that could not be read, or not in time.
    pub(crate) fn of_reading(name: &str, problems: String, stop: &AtomicBool) -> Self {
        match stop.load(Ordering::Relaxed) {
            true => CheckRefusal::OutOfTime(format!(
                "{name}: unknown: the time limit ended while the history was being read. Pass a longer --timeout."
            )),
            false => CheckRefusal::Input(problems),
        }
    }

    /// The message for the user, and the exit code.
    pub(crate) fn into_message(self, name: &str) -> (String, Exit) {
        match self {
            CheckRefusal::Input(problems) => (problems, Exit::BadInput),
            CheckRefusal::OutOfTime(why) => (why, Exit::Unknown),
            CheckRefusal::Internal(why) => (
                format!(
                    "{name}: internal error: {why}\nThis is a bug in steadfast and not in the store. There is no verdict. \
                     Please report the bug with the history."
                ),
                Exit::Internal,
            ),
        }
    }
}

/// Runs `what` and turns a panic into a refusal: a bug that one history triggers must not leave the others unchecked.
pub(crate) fn catch_panic<T>(what: impl FnOnce() -> Result<T, CheckRefusal>) -> Result<T, CheckRefusal> {
    catch_unwind(AssertUnwindSafe(what)).unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let why = why.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(CheckRefusal::Internal(why.unwrap_or_else(|| "a panic".to_owned())))
    })
}

/// One history with its answers.
pub(crate) struct CheckedHistory {
    pub(crate) history: History,
    pub(crate) question: Question,
    pub(crate) report: Report,
    pub(crate) basis: Basis,
    pub(crate) measured: Option<MeasuredRun>,
    pub(crate) times: PhaseTimes,
    /// How this part was obtained from a whole history; none if this is the whole.
    pub(crate) explains: Option<ReductionInfo>,
}

impl CheckedHistory {
    pub(crate) fn as_findings<'a>(&'a self, name: &'a str) -> CheckFindings<'a> {
        CheckFindings {
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

/// Reads and checks one history, and measures it if asked or if a fault struck.
#[cfg(feature = "command-line")]
pub(crate) fn check_source(plan: &CheckPlan, source: &HistorySource) -> Result<CheckedHistory, CheckRefusal> {
    let (name, progress) = (source.name(), ProgressDisplay::start(plan.quiet));
    // The time limit covers everything that is done with a history.
    let timer = StopTimer::start(plan.timeout);
    let began = Instant::now();
    let loaded = input::load_history(source, &plan.reading, &progress, Some(timer.shared_flag()));
    let loaded = loaded.map_err(|problems| CheckRefusal::of_reading(&name, problems, timer.stop_flag()))?;
    refuse_unknown_keys(plan, &loaded.history)
        .map_err(|why| CheckRefusal::Input(format!("{name}: {why}")))?;
    check_loaded(plan, &name, loaded, (&progress, timer.stop_flag()), began)
}

/// Checks a history that was read since `began`, and measures it if asked or if a fault struck.
pub(crate) fn check_loaded(
    plan: &CheckPlan,
    name: &str,
    loaded: LoadedHistory,
    (progress, stop): (&ProgressDisplay, &AtomicBool),
    began: Instant,
) -> Result<CheckedHistory, CheckRefusal> {
    let LoadedHistory { mut history, remarks } = loaded;
    let mut times = PhaseTimes::after_reading(began);
    let question =
        build_question(plan, &mut history).map_err(|why| CheckRefusal::Input(format!("{name}: {why}")))?;
    let limits = Limits { steps: STEPS_MAX, bytes: plan.bytes, stop };
    let mut report = run_checker(&history, name, &question, &limits, (progress, &mut times))?;
    report.remarks.splice(0..0, remarks);
    report.remarks.extend(describe_unused_options(plan, &question, &history));
    // Oddities explain a verdict. Once the time limit was reached, nobody waits for them.
    let has_time = !limits.stop_requested();
    if report.verdict() == "violated" && has_time {
        // First the remarks that explain more than a broken store would.
        let begins_with_a_value = question.model.has_initial_values() && question.model != Model::Counter;
        if begins_with_a_value && question.initial.are_all_absent() {
            report.remarks.splice(0..0, oddities::find_unwritten_initial_values(&history));
        }
        report.remarks.extend(oddities::find_lookalike_values(&history));
    }
    if question.model.has_transactions() && has_time {
        let open = report.answers.iter().any(|answer| !matches!(answer.verdict.name(), "holds" | "violated"));
        report.remarks.extend(oddities::find_transaction_oddities(&history, open));
    }
    if has_time {
        report.remarks.extend(oddities::find_lookalike_names(&history));
        report.remarks.extend(oddities::find_unread_versions(&history));
    }
    if question.model == Model::Set {
        report.remarks.extend(oddities::find_odd_membership_answers(&history));
    }
    if question.model == Model::Mutex {
        report.remarks.extend(oddities::find_values_of_locks(&history));
    }
    if question.model == Model::Session {
        report.remarks.push(describe_session_rules(&question));
    }
    let began = Instant::now();
    let measured = measure_if_needed(plan, &question, &history, (&report, &limits), (name, progress));
    let measured = measured.map_err(|why| CheckRefusal::Input(format!("{name}: {why}")))?;
    times.measure = began.elapsed().as_secs_f64();
    let basis = Basis::from_history(&history, question.failed_cas);
    times.begin_report();
    Ok(CheckedHistory { history, question, report, basis, measured, times, explains: None })
}

/// Runs the checker and measures its phases.
pub(crate) fn run_checker(
    history: &History,
    name: &str,
    question: &Question,
    limits: &Limits<'_>,
    (progress, times): (&ProgressDisplay, &mut PhaseTimes),
) -> Result<Report, CheckRefusal> {
    let mut watch = PhaseWatch::new(name, progress, times);
    checker::check_observed(history, question, limits, &mut watch).map_err(|why| match why {
        CheckError::Question(why) => CheckRefusal::Input(format!("{name}: {why}")),
        CheckError::Internal(why) => CheckRefusal::Internal(why),
    })
}

/// Builds the question from the options; what they leave open is recognised from the history.
pub(crate) fn build_question(plan: &CheckPlan, history: &mut History) -> Result<Question, QuestionError> {
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
    let declared = || Question::declared_properties(model, history);
    question.asked = typed.transpose()?.or_else(all).or_else(declared);
    question.initial = plan.initial.clone();
    question.failed_cas = plan.failed_cas;
    question.assume = plan.assume;
    question.bank = plan.bank;
    question.accept_untested = plan.accept_untested;
    question.staleness = plan.staleness;
    let is_bounded = |asked: &Vec<Property>| asked.contains(&Property::Level(Level::BoundedStaleness));
    match (question.asked.as_ref().is_some_and(is_bounded), plan.staleness) {
        (true, None) => return Err(QuestionError::NoBound),
        (false, Some(_)) => return Err(QuestionError::UnusedBound),
        _ => {}
    }
    if model == Model::Session {
        question.sessions = plan.sessions.session_rules(history).map_err(QuestionError::Header)?;
    }
    // Interned so that reports can show their texts.
    history.values.intern(question.initial.default_json());
    for (_, value) in question.initial.values_by_key() {
        history.values.intern(value);
    }
    Ok(question)
}

/// Measures a history if the user asked for figures or objectives, or if a fault in it hurt somebody.
fn measure_if_needed(
    plan: &CheckPlan,
    question: &Question,
    history: &History,
    (report, limits): (&Report, &Limits<'_>),
    (name, progress): (&str, &ProgressDisplay),
) -> Result<Option<MeasuredRun>, String> {
    let asked = plan.measuring.everything || !plan.measuring.objectives.is_empty();
    let struck =
        || history.actor_events().iter().any(|event| event.actor == "nemesis" && event.time.is_some());
    if !asked && !struck() {
        return Ok(None);
    }
    progress.set_stage(&format!("measuring {name}"));
    let initial = history.values.get(question.initial.default_json()).unwrap_or(ValueId::NULL);
    let found = measuring::measure_with_losses(history, initial, &plan.sessions, Some(report), limits)?;
    if !asked && !found.faults.iter().any(FaultMeasurements::hurt_anyone) {
        return Ok(None);
    }
    let objectives = plan.measuring.objectives.iter().map(|objective| objective.judge(&found)).collect();
    Ok(Some(MeasuredRun { found, objectives, everything: plan.measuring.everything }))
}

/// States the assumptions about time on which the verdicts on a session store rest.
pub(crate) fn describe_session_rules(question: &Question) -> String {
    let span = |ns: i64| crate::report::layout::format_elapsed(ns as f64 / 1e9);
    let lives = match question.sessions.time_to_live_ns {
        Some(ns) => format!("sessions expire {} after their last renewal", span(ns)),
        None => "no time to live is known, so no session expires".to_owned(),
    };
    format!("{lives}; the tolerance for clocks is {}", span(question.sessions.tolerance_ns))
}
