//! Checks histories from inside another program. Bindings to other languages call this module.
//!
//! A request takes the options of `steadfast check` as the command line has them, so that a binding has every option and
//! every message of the program. The caller provides the history. Nothing here prints, ends the process or installs a
//! signal handler.
//!
//! ```
//! use steadfast::embedded::{CheckRequest, Rendering};
//! use std::sync::{Arc, atomic::AtomicBool};
//!
//! let request = CheckRequest::from_options(["--consistency", "linearizable"]).unwrap();
//! let text = concat!(
//!     r#"{"process":0,"type":"invoke","f":"write","value":1}"#, "\n",
//!     r#"{"process":0,"type":"ok","f":"write","value":1}"#, "\n",
//!     r#"{"process":0,"type":"invoke","f":"read","value":null}"#, "\n",
//!     r#"{"process":0,"type":"ok","f":"read","value":2}"#, "\n",
//! );
//! let input = histories::format::Input::Bytes("run.jsonl".to_owned(), text.into());
//! let checked = request.check_input(input, &Arc::new(AtomicBool::new(false))).unwrap();
//! assert_eq!(checked.verdict(), "violated");
//! assert!(checked.render(Rendering::Text).contains("phantom-read"));
//! ```

use crate::args::{CheckPlan, Cli, CliCommand, ReadingArgs};
use crate::certificate::{CertifiedLimits, write_certificate};
use crate::checking::{self, catch_panic};
use crate::exit::Exit;
use crate::initial_keys::refuse_unknown_keys;
use crate::input;
use crate::progress::ProgressDisplay;
use crate::report::{self, CheckFindings, ReportFormat, ReportWriter, page::PageReport};
use crate::timer::StopTimer;
use crate::times::PhaseTimes;
use checker::{Answer, Basis, CheckError, Level, Limits, Model, Property, Question, Verdict};
use histories::History;
use histories::format::{self, Input, Loaded, ReadOptions};
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use crate::clock::Instant;
#[cfg(target_family = "wasm")]
pub use crate::clock::set_host_clock;
pub use crate::progress::ProgressListener;

/// Columns of [`Rendering::Text`].
const TEXT_WIDTH: usize = 100;

/// The parsed options of `steadfast check`.
#[derive(Clone, Debug)]
pub struct CheckRequest {
    plan: CheckPlan,
}

/// Why there is no verdict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EmbeddedRefusal {
    /// The options or the history are wrong. One line per problem.
    BadInput(String),
    /// The time limit, or the caller's flag, ended the work before there was anything to check.
    OutOfTime(String),
    /// A bug of this program.
    Internal(String),
}

/// An output format of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rendering {
    /// Text for people, without colours.
    Text,
    /// One JSON object and a newline.
    Json,
    /// JUnit's XML.
    Junit,
    /// SARIF 2.1.0.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
    /// One HTML page that needs nothing else.
    Page,
}

/// One history with its verdict.
pub struct EmbeddedCheck {
    name: String,
    checked: checking::CheckedHistory,
    limits: CertifiedLimits,
}

impl CheckRequest {
    /// Parses the options of `steadfast check`: `["--consistency", "linearizable", "--timeout", "10s"]`. Options about files
    /// that are read or written do nothing here.
    ///
    /// # Errors
    /// A message about the wrong options, as the command line prints it.
    pub fn from_options<T: Into<OsString>>(options: impl IntoIterator<Item = T>) -> Result<Self, String> {
        let words = ["steadfast".into(), "check".into()].into_iter();
        let words = words.chain(options.into_iter().map(Into::into)).chain(["--".into(), "-".into()]);
        let cli = Cli::parse_arguments(words.collect()).map_err(|error| plain_message(&error))?;
        #[cfg(feature = "command-line")]
        let CliCommand::Check(args) = cli.command else { unreachable!("the first word is check") };
        #[cfg(not(feature = "command-line"))]
        let CliCommand::Check(args) = cli.command;
        let plan = CheckPlan { quiet: true, ..args.into_plan()? };
        if plan.reading.map.is_some() {
            return Err("--map is an option of the program. Write the history with `steadfast convert --map`, and check that"
                .to_owned());
        }
        Ok(Self { plan })
    }

    /// The options for reading histories.
    pub fn read_options(&self) -> ReadOptions {
        let ReadingArgs { from, independent, lenient, ref columns, .. } = self.plan.reading;
        let keys = self.plan.reading.selected_keys();
        ReadOptions { from, independent, lenient, columns: columns.clone(), keys, ..ReadOptions::default() }
    }

    /// Reads and checks one history. The check ends soon after `stop` is set, which also happens when the time is over.
    ///
    /// # Errors
    /// The history cannot be read, the question does not fit it, or there is a bug.
    pub fn check_input(
        &self,
        input: Input,
        stop: &Arc<AtomicBool>,
    ) -> Result<EmbeddedCheck, EmbeddedRefusal> {
        self.check_input_and_tell(input, stop, None)
    }

    /// Like [`Self::check_input`], and tells a listener how far it is.
    ///
    /// # Errors
    /// The history cannot be read, the question does not fit it, or there is a bug.
    pub fn check_input_and_tell(
        &self,
        input: Input,
        stop: &Arc<AtomicBool>,
        listener: Option<ProgressListener>,
    ) -> Result<EmbeddedCheck, EmbeddedRefusal> {
        let timer = StopTimer::start_with(self.plan.timeout, Arc::clone(stop));
        let (name, began) = (input.name(), Instant::now());
        let progress = ProgressDisplay::tell(listener);
        self.refusing(|| {
            let options = ReadOptions { stop: Some(Arc::clone(stop)), ..self.read_options() };
            progress.set_stage(&format!("reading {name}"));
            let read = format::read(input, &options, &|done, total| {
                timer.look_at_clock();
                progress.set_position(done, total);
            });
            let read = read
                .map_err(|problems| checking::CheckRefusal::of_reading(&name, problems.to_string(), stop))?;
            self.check(name, read, (&progress, stop), began)
        })
    }

    /// Checks a history that the caller has read since `began`. The check ends soon after `stop` is set, which also happens
    /// when the time is over.
    ///
    /// # Errors
    /// The question does not fit the history, or there is a bug.
    pub fn check_loaded(
        &self,
        name: &str,
        loaded: Loaded,
        stop: &Arc<AtomicBool>,
        began: Instant,
    ) -> Result<EmbeddedCheck, EmbeddedRefusal> {
        let left = self.plan.timeout.map(|limit| limit.saturating_sub(began.elapsed()));
        let _timer = StopTimer::start_with(left, Arc::clone(stop));
        self.refusing(|| self.check(name.to_owned(), loaded, (&ProgressDisplay::tell(None), stop), began))
    }

    /// Checks a history that was read since `began` for linearizability with the caller's own `decide`, for a specification
    /// that this program does not have. Otherwise like [`Self::check_loaded`].
    ///
    /// # Errors
    /// The error of `decide`, or a panic.
    pub fn check_with(
        &self,
        name: &str,
        loaded: Loaded,
        stop: &Arc<AtomicBool>,
        began: Instant,
        decide: impl FnOnce(&History, &Limits<'_>) -> Result<Verdict, CheckError>,
    ) -> Result<EmbeddedCheck, EmbeddedRefusal> {
        let left = self.plan.timeout.map(|limit| limit.saturating_sub(began.elapsed()));
        let _timer = StopTimer::start_with(left, Arc::clone(stop));
        self.refusing(|| {
            let input::LoadedHistory { history, remarks } = input::with_reading_remarks(loaded);
            let mut times = PhaseTimes::after_reading(began);
            let limits = Limits { steps: checking::STEPS_MAX, bytes: self.plan.bytes, stop };
            let verdict = decide(&history, &limits).map_err(|why| match why {
                CheckError::Question(why) => checking::CheckRefusal::Input(format!("{name}: {why}")),
                CheckError::Internal(why) => checking::CheckRefusal::Internal(why),
            })?;
            let property = Property::Level(Level::Linearizable);
            let answer = Answer { property, method: "own-model".to_owned(), verdict, counts: Vec::new() };
            let question = Question::about(Model::Register);
            let report = checker::Report { answers: vec![answer], remarks, ..checker::Report::default() };
            let basis = Basis::from_history(&history, question.failed_cas);
            times.begin_report();
            let checked = checking::CheckedHistory {
                history,
                question,
                report,
                basis,
                measured: None,
                times,
                explains: None,
            };
            Ok(EmbeddedCheck { name: name.to_owned(), checked, limits: CertifiedLimits::of_plan(&self.plan) })
        })
    }

    fn check(
        &self,
        name: String,
        loaded: Loaded,
        (progress, stop): (&ProgressDisplay, &AtomicBool),
        began: Instant,
    ) -> Result<EmbeddedCheck, checking::CheckRefusal> {
        let loaded = input::with_reading_remarks(loaded);
        let refused = refuse_unknown_keys(&self.plan, &loaded.history);
        refused.map_err(|why| checking::CheckRefusal::Input(format!("{name}: {why}")))?;
        let checked = checking::check_loaded(&self.plan, &name, loaded, (progress, stop), began)?;
        Ok(EmbeddedCheck { name, checked, limits: CertifiedLimits::of_plan(&self.plan) })
    }

    fn refusing(
        &self,
        check: impl FnOnce() -> Result<EmbeddedCheck, checking::CheckRefusal>,
    ) -> Result<EmbeddedCheck, EmbeddedRefusal> {
        catch_panic(check).map_err(|refusal| match refusal {
            checking::CheckRefusal::Input(problems) => EmbeddedRefusal::BadInput(problems),
            checking::CheckRefusal::OutOfTime(why) => EmbeddedRefusal::OutOfTime(why),
            checking::CheckRefusal::Internal(why) => EmbeddedRefusal::Internal(why),
        })
    }
}

impl EmbeddedCheck {
    /// `holds`, `violated`, `untested` or `unknown`; `missed` if an objective was missed.
    pub fn verdict(&self) -> &'static str {
        self.checked.as_findings(&self.name).verdict()
    }

    /// The evidence for every verdict as one line of JSON, as `--certificate` writes it, for [`verify_certificate`].
    pub fn certificate(&self) -> String {
        let mut bytes = Vec::new();
        let written = write_certificate(&self.checked.as_findings(&self.name), self.limits, &mut bytes);
        written.expect("memory can be written");
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }

    /// The report in this format, as the command line writes it.
    pub fn render(&self, rendering: Rendering) -> String {
        let mut report: Box<dyn ReportWriter> = match rendering {
            Rendering::Text => report::report_writer(ReportFormat::Text, false, TEXT_WIDTH),
            Rendering::Json => report::report_writer(ReportFormat::Json, false, TEXT_WIDTH),
            Rendering::Junit => report::report_writer(ReportFormat::Junit, false, TEXT_WIDTH),
            Rendering::Sarif => report::report_writer(ReportFormat::Sarif, false, TEXT_WIDTH),
            Rendering::Github => report::report_writer(ReportFormat::Github, false, TEXT_WIDTH),
            Rendering::Page => Box::new(PageReport::default()),
        };
        let mut bytes = Vec::new();
        let times = self.checked.times.reported_from_now();
        let findings = CheckFindings { times: &times, ..self.checked.as_findings(&self.name) };
        let told = report.write_checked(&findings, &mut bytes).and_then(|()| report.write_end(&mut bytes));
        told.expect("memory can be written");
        let text = String::from_utf8(bytes).expect("reports are UTF-8");
        // The text's colours are for terminals.
        if rendering == Rendering::Text { anstream::adapter::strip_str(&text).to_string() } else { text }
    }
}

/// Verifies the claims of a certificate, which `steadfast check --certificate` wrote about this history. Returns the lines that
/// `steadfast verify` prints, and whether every claim is confirmed.
///
/// # Errors
/// The certificate cannot be read, belongs to another history, or claims nothing.
pub fn verify_certificate(
    history: &History,
    name: &str,
    certificate: &str,
) -> Result<(String, bool), EmbeddedRefusal> {
    let verified = catch_panic(|| {
        crate::certificate::verify_text(certificate, name, history).map_err(checking::CheckRefusal::Input)
    });
    match verified {
        Ok((lines, exit)) => Ok((lines, exit == Exit::Holds)),
        Err(checking::CheckRefusal::Input(problems)) => Err(EmbeddedRefusal::BadInput(problems)),
        Err(checking::CheckRefusal::OutOfTime(why)) => Err(EmbeddedRefusal::OutOfTime(why)),
        Err(checking::CheckRefusal::Internal(why)) => Err(EmbeddedRefusal::Internal(why)),
    }
}

/// The message of clap, without `error:` and the usage.
fn plain_message(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.split("\n\nUsage:").next().unwrap_or(&text);
    let text = text.split("\n\nFor more information").next().unwrap_or(text);
    text.trim_start_matches("error: ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_is_wrong_is_said_without_the_usage() {
        let said = CheckRequest::from_options(["--consistency", "perfect"]).unwrap_err();
        assert!(said.contains("'perfect'"), "{said}");
        assert!(!said.contains("Usage") && !said.starts_with("error"), "{said}");
    }

    /// The program reads the map. The library would ignore it, and check the spans as something else.
    #[test]
    fn a_map_of_traces_is_refused() {
        let said = CheckRequest::from_options(["--map", "traces.toml"]).unwrap_err();
        assert!(said.contains("convert --map"), "{said}");
    }

    #[test]
    fn a_history_that_is_none_is_refused_with_its_problems() {
        let request = CheckRequest::from_options(Vec::<String>::new()).unwrap();
        let input = Input::Bytes("a.jsonl".to_owned(), b"{\"process\":0}".to_vec());
        let Err(refusal) = request.check_input(input, &Arc::default()) else { panic!("it has no type") };
        assert!(matches!(refusal, EmbeddedRefusal::BadInput(why) if why.starts_with("a.jsonl:1:1: ")));
    }
}
