//! `steadfast check`: histories in, verdicts out.

use crate::args::{CheckPlan, Source};
use crate::certificate;
use crate::exit::Exit;
use crate::input::{self, Loaded};
use crate::judge;
use crate::measuring;
use crate::models;
use crate::oddities;
use crate::output;
use crate::pictures::Pictures;
use crate::progress::Progress;
use crate::report::{self, Asked, Explains, Findings, Measured, Report, Timed, lattice};
use crate::subject::Subject;
use crate::timer::Timer;
use checker::Limits;
use checker::check::Question;
use checker::measurements::FaultMeasurements;
use histories::{History, ValueId};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

/// Configurations that a search may expand. Far beyond what the memory limit lets it keep apart; it is there so
/// that no search without a memo runs for ever.
pub(crate) const STEPS_MAX: u64 = 10_000_000_000;

/// What is made of a history that was checked, before it is reported.
pub(crate) type Then<'a> = dyn FnMut(Checked) -> Result<Checked, Refusal> + 'a;

/// Why there is no verdict about one history.
pub(crate) enum Refusal {
    /// It could not be read, or is not what was asked about.
    Input(String),
    /// A bug of this program.
    Internal(String),
}

pub(crate) fn run(plan: &CheckPlan) -> Exit {
    run_then(plan, &mut Ok)
}

/// Starts as many threads as `--threads` says. Without it the pool starts when it is first needed, which small
/// histories never do.
pub(crate) fn size_pool(plan: &CheckPlan) -> Result<(), String> {
    let Some(threads) = plan.threads else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global();
    pool.map_err(|error| format!("failed to start {threads} threads: {error}"))
}

/// Checks each history, and reports what is made of that.
pub(crate) fn run_then(plan: &CheckPlan, then: &mut Then<'_>) -> Exit {
    if let Err(why) = size_pool(plan) {
        output::complain(&why);
        return Exit::BadInput;
    }
    // Opened first: that it cannot be written is better known before hours of checking.
    let mut certificates = match plan.certificate.as_ref().map(File::create).transpose() {
        Ok(file) => file.map(BufWriter::new),
        Err(error) => {
            let file = plan.certificate.as_deref().unwrap_or(Path::new("-")).display();
            output::complain(&format!("failed to write {file}: {error}"));
            return Exit::BadInput;
        }
    };
    let said = report::report(plan.format, plan.quiet, output::width());
    let mut report = match Pictures::beside(said, &plan.pictures) {
        Ok(report) => report,
        Err(why) => {
            output::complain(&why);
            return Exit::BadInput;
        }
    };
    let mut out = output::results(plan.color);
    let mut worst = Exit::Holds;
    for source in &plan.sources {
        match one(plan, source, then, &mut report, &mut out, certificates.as_mut()) {
            Ok(exit) => worst = worst.max(exit),
            Err(error) => {
                // Whoever read the results has gone; what goes to files is still wanted.
                let _ = report.finish(&mut io::sink());
                return output::unwritten(&error, worst);
            }
        }
    }
    let certified = certificates.map_or(Ok(()), |mut file| file.flush());
    match report.finish(&mut out).and_then(|()| out.flush()).and(certified) {
        Ok(()) => worst,
        Err(error) => output::unwritten(&error, worst),
    }
}

/// Checks one history and reports it. The error is that of the report.
fn one(
    plan: &CheckPlan,
    source: &Source,
    then: &mut Then<'_>,
    report: &mut dyn Report,
    out: &mut dyn Write,
    certificates: Option<&mut BufWriter<File>>,
) -> io::Result<Exit> {
    let name = source.name();
    match guarded(|| answer(plan, source).and_then(&mut *then)) {
        Ok(checked) => {
            let findings = checked.findings(&name);
            report.checked(&findings, out)?;
            out.flush()?;
            if let Some(file) = certificates {
                certificate::write(&findings, file)?;
            }
            Ok(match findings.verdict() {
                "holds" => Exit::Holds,
                "violated" | "missed" => Exit::Violated,
                _ => Exit::Unknown,
            })
        }
        Err(refusal) => {
            let (problem, exit) = refusal.told(&name);
            output::complain(&problem);
            report.refused(&name, &problem, out)?;
            Ok(exit)
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

/// One history with its answers.
pub(crate) struct Checked {
    pub(crate) history: History,
    pub(crate) subject: Subject,
    pub(crate) question: Asked,
    pub(crate) answers: Vec<Timed>,
    pub(crate) measured: Option<Measured>,
    pub(crate) remarks: Vec<String>,
    pub(crate) read_seconds: f64,
    /// Of which history it is a part, if it is one.
    pub(crate) explains: Option<Explains>,
}

impl Checked {
    pub(crate) fn findings<'a>(&'a self, name: &'a str) -> Findings<'a> {
        Findings {
            name,
            history: &self.history,
            model: self.subject.name(),
            question: &self.question,
            answers: &self.answers,
            measured: self.measured.as_ref(),
            remarks: &self.remarks,
            read_seconds: self.read_seconds,
            explains: self.explains.as_ref(),
        }
    }
}

/// Reads and checks one history.
pub(crate) fn answer(plan: &CheckPlan, source: &Source) -> Result<Checked, Refusal> {
    let progress = Progress::start(plan.quiet);
    let began = Instant::now();
    let Loaded { mut history, mut remarks } =
        input::load(source, &plan.reading, &progress).map_err(Refusal::Input)?;
    let read_seconds = began.elapsed().as_secs_f64();
    let refused = |why: String| Refusal::Input(format!("{}: {why}", source.name()));
    let subject = plan.model.map_or_else(|| models::recognise(&history), Ok).map_err(refused)?;
    let subject = subject.asked(plan.levels.as_deref());
    if let Some(why) = subject.mistaken(&history) {
        return Err(refused(why));
    }
    if plan.assume.linearizable_keys && !history.has_real_time() {
        let why = "--assume linearizable-keys: this history has no real-time order that writes could keep";
        return Err(refused(why.to_owned()));
    }
    let timer = Timer::start(plan.timeout);
    let limits = Limits { steps: STEPS_MAX, bytes: plan.bytes, stop: timer.flag() };
    let all = || plan.all_levels.then(|| lattice::levels_of(subject));
    let (name, asked) = (source.name(), plan.levels.clone().or_else(all));
    let asked = asked.as_deref();
    let (answers, question) = match subject {
        Subject::Objects(model) => {
            let initial = history.values.intern(&plan.init);
            let question = Question { model, initial, failed_cas: plan.failed_cas, assume: plan.assume };
            let levels = judge::object_levels(&question, asked).map_err(refused)?;
            let answers =
                judge::objects(&history, &name, &question, &levels, &limits, (&progress, &mut remarks));
            (answers.map_err(Refusal::Internal)?, Asked::Objects(question))
        }
        Subject::Sessions => {
            let kinds = judge::kinds(asked).map_err(refused)?;
            impossible_with_sessions(plan).map_err(refused)?;
            let question = plan.sessions.question(&history).map_err(refused)?;
            let kinds = kinds.as_deref();
            let answers =
                judge::sessions(&history, &name, &question, kinds, &limits, (&progress, &mut remarks));
            (answers.map_err(Refusal::Internal)?, Asked::Sessions(question))
        }
        Subject::Invariant(_) => {
            let checks = judge::checks(subject, asked).map_err(refused)?;
            impossible_with_invariants(plan).map_err(refused)?;
            let options = plan.invariants.options();
            let answers = judge::invariants(&history, &name, &options, &checks, (&progress, &mut remarks));
            (answers.map_err(Refusal::Internal)?, Asked::Invariants(options))
        }
        Subject::Transactions(_) => {
            let levels = judge::isolation_levels(subject, asked).map_err(refused)?;
            impossible_with_transactions(plan).map_err(refused)?;
            let found = judge::transactions(&history, &name, plan.assume, levels, &limits, &progress);
            let (answers, analysis) = found.map_err(Refusal::Internal)?;
            let open = answers.iter().any(|timed| timed.verdict() == "unknown");
            remarks.extend(oddities::of_transactions(&history, open));
            (answers, Asked::Transactions(analysis))
        }
    };
    let measured = measured(plan, &history, &name, &progress).map_err(refused)?;
    Ok(Checked { history, subject, question, answers, measured, remarks, read_seconds, explains: None })
}

/// Measures, if that was asked for or if there is something to tell: what faults did.
fn measured(
    plan: &CheckPlan,
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
    let initial = history.values.get(&plan.init).unwrap_or(ValueId::NULL);
    let found = measuring::measured(history, initial, &plan.sessions)?;
    if !asked && !found.faults.iter().any(FaultMeasurements::hurt) {
        return Ok(None);
    }
    let objectives = plan.measuring.objectives.iter().map(|objective| objective.judge(&found)).collect();
    Ok(Some(Measured { found, objectives, everything: plan.measuring.everything }))
}

/// Options that would be passed over in silence.
fn impossible_with_invariants(plan: &CheckPlan) -> Result<(), String> {
    if plan.init != "null" {
        return Err("--init: invariants know no initial value (a bank's total is --total)".to_owned());
    }
    Ok(())
}

/// Options that would be passed over in silence.
fn impossible_with_sessions(plan: &CheckPlan) -> Result<(), String> {
    if plan.init != "null" {
        return Err("--init: a session is absent before it is created".to_owned());
    }
    Ok(())
}

/// Options that would be passed over in silence. An initial value other than nothing would make reads of it
/// look like reads of what nobody wrote.
fn impossible_with_transactions(plan: &CheckPlan) -> Result<(), String> {
    if plan.init != "null" {
        return Err(
            "--init: transactions are checked from empty lists and registers that are null".to_owned()
        );
    }
    Ok(())
}
