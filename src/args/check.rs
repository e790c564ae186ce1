//! `steadfast check`: its options, and the plan that they describe.

use super::color::{ColorArgs, ColorMode};
use super::follow::{FollowArgs, FollowPlan, find_spans_address};
use super::invariants::InvariantArgs;
use super::measuring::{MeasuringArgs, MeasuringPlan};
use super::names::{self, ReadingArgs};
use super::pictures::PictureArgs;
use super::quantity;
use super::sessions::SessionArgs;
use crate::report::ReportFormat;
use checker::{Assume, BankRules, FailedCas, InitialValues, Model, Property, StalenessBound};
use histories::format::Input;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The default of `--memory`.
#[cfg(target_pointer_width = "64")]
const BYTES_DEFAULT: &str = "4GiB";
/// The same as a number.
#[cfg(feature = "command-line")]
pub(super) const BYTES_USUAL: usize = 4 << 30;
/// The default of `--memory` where the history and everything else share 4 GiB.
#[cfg(target_pointer_width = "32")]
const BYTES_DEFAULT: &str = "1GiB";

/// The histories, the question and the limits; shared by `check`, `explain` and `compare`.
#[derive(clap::Args, Debug)]
pub(crate) struct AskArgs {
    /// History files to check; - reads standard input
    #[arg(value_name = "HISTORY", required = true)]
    histories: Vec<PathBuf>,

    /// Model of the objects; `steadfast models` lists them [default: recognised from the operations]
    #[arg(long, value_name = "NAME", value_parser = names::model_parser(), help_heading = "Question", hide_possible_values = true)]
    model: Option<Model>,
    /// Levels to check, separated by commas; `steadfast levels` lists them [default: those that fit the model]
    ///
    /// The default depends on the model. Registers: linearizable, the four session guarantees, and session, which joins them.
    /// Transactions: strict-serializable. Sessions: all findings. Invariants: the invariant with the name of the model. All other models:
    /// linearizable.
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_parser = names::property_parser(), help_heading = "Question", hide_possible_values = true)]
    consistency: Vec<Property>,
    /// How far a read may be behind at bounded-staleness: a time such as 5s, or k=3 for one of the last 3 versions
    #[arg(long, value_name = "BOUND", value_parser = quantity::parse_staleness_bound, help_heading = "Question")]
    staleness: Option<StalenessBound>,
    /// Facts about version orders that the check may assume
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_enum, help_heading = "Question")]
    assume: Vec<AssumptionName>,
    /// Initial value: JSON for all objects, or KEY=JSON for one; may be repeated [default: null]
    #[arg(long, value_name = "[KEY=]JSON", value_parser = InitialValueArg::parse_initial_value, help_heading = "Question")]
    init: Vec<InitialValueArg>,
    /// Meaning of a failed compare-and-set
    #[arg(long, value_name = "WHAT", value_enum, default_value = "says-nothing", help_heading = "Question")]
    failed_cas: FailedCasName,

    /// Report untested levels as holding
    ///
    /// A level is untested if nothing in the history could have contradicted it.
    #[arg(long, help_heading = "Question")]
    accept_untested: bool,

    #[command(flatten)]
    sessions: SessionArgs,

    #[command(flatten)]
    invariants: InvariantArgs,

    /// Time limit per history; levels that are not decided by then are unknown [default: none]
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration, help_heading = "Limits")]
    timeout: Option<Duration>,
    /// Memory limit of a search; if it is reached, the verdict is unknown
    #[arg(long, value_name = "BYTES", value_parser = quantity::parse_size, default_value = BYTES_DEFAULT, help_heading = "Limits")]
    memory: usize,

    /// Number of threads, at most 1024 [default: one per core]
    ///
    /// On a machine with up to 16 cores, at most 64 threads are started; on a larger one, four per core.
    #[arg(long, value_name = "N", value_parser = quantity::parse_threads, help_heading = "Limits")]
    threads: Option<NonZeroUsize>,

    #[command(flatten)]
    reading: ReadingArgs,

    /// Replace existing output files; the histories themselves are never replaced
    #[arg(long, help_heading = "Output")]
    force: bool,
}

#[derive(clap::Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    ask: AskArgs,

    #[command(flatten)]
    measuring: MeasuringArgs,

    #[command(flatten)]
    follow: FollowArgs,

    /// Format of the results on standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text", help_heading = "Output")]
    format: ReportFormat,
    /// Write the evidence for every verdict to a file, for `steadfast verify`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    certificate: Option<PathBuf>,
    /// Check a history that is larger than the memory, in parts that wait in temporary files in this folder
    ///
    /// Each part has the operations on some of the objects. Levels that relate objects to one another are unknown. The
    /// verdicts are those of the whole history. --memory also bounds each part.
    #[arg(long, value_name = "FOLDER", help_heading = "Limits")]
    spill: Option<PathBuf>,
    #[command(flatten)]
    pictures: PictureArgs,
    /// Print one line per history and no progress bar
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
    #[command(flatten)]
    color: ColorArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum AssumptionName {
    /// Writes of one session to one object keep their order
    SequentialKeys,
    /// Writes to one object keep their real-time order
    LinearizableKeys,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum FailedCasName {
    /// It says nothing about the state, as in Jepsen and Knossos
    SaysNothing,
    /// The state differed from the expected value, as in Porcupine's model of etcd
    Observes,
}

/// The initial value of one object, or of every object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct InitialValueArg {
    /// The key as JSON. None stands for every object without its own initial value.
    key: Option<String>,
    /// The value as JSON.
    value: String,
}

impl InitialValueArg {
    /// Parses `0`, `cart=0` or `"a=b"=0`.
    fn parse_initial_value(text: &str) -> Result<Self, String> {
        let json = crate::input::canonical_json;
        if let Ok(value) = json(text) {
            return Ok(Self { key: None, value });
        }
        // The value is the longest suffix that is JSON, so a key may contain an equals sign.
        let split =
            text.match_indices('=').find_map(|(at, _)| Some((&text[..at], json(&text[at + 1..]).ok()?)));
        let (key, value) = split.ok_or_else(|| {
            "pass JSON, such as 0 or '\"a\"' (quoted for the shell), or KEY=JSON, such as cart=0".to_owned()
        })?;
        let key = json(key).unwrap_or_else(|_| serde_json::Value::from(key).to_string());
        Ok(Self { key: Some(key), value })
    }
}

/// The place from which a history is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum HistorySource {
    StandardInput,
    File(PathBuf),
}

impl HistorySource {
    pub(crate) fn from_argument(path: PathBuf) -> HistorySource {
        if path.as_os_str() == "-" { HistorySource::StandardInput } else { HistorySource::File(path) }
    }

    /// The input to read from.
    pub(crate) fn input(&self) -> Input {
        match self {
            HistorySource::StandardInput => Input::Stdin,
            HistorySource::File(path) => Input::Path(path.clone()),
        }
    }

    /// The name that the user gave.
    pub(crate) fn name(&self) -> String {
        match self {
            HistorySource::StandardInput => "-".to_owned(),
            HistorySource::File(path) => path.display().to_string(),
        }
    }
}

/// What `steadfast check` does.
#[derive(Clone, Debug)]
pub(crate) struct CheckPlan {
    pub(crate) sources: Vec<HistorySource>,
    pub(crate) reading: ReadingArgs,
    /// None: the model is recognised from the operations.
    pub(crate) model: Option<Model>,
    /// None: the default properties of the model.
    pub(crate) properties: Option<Vec<Property>>,
    /// Whether all properties of the model are checked if `properties` is none.
    pub(crate) all_properties: bool,
    pub(crate) assume: Assume,
    pub(crate) initial: InitialValues,
    pub(crate) failed_cas: FailedCas,
    pub(crate) sessions: SessionArgs,
    pub(crate) bank: BankRules,
    pub(crate) accept_untested: bool,
    pub(crate) staleness: Option<StalenessBound>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) bytes: usize,
    /// None: one thread per core.
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) measuring: MeasuringPlan,
    pub(crate) format: ReportFormat,
    pub(crate) certificate: Option<PathBuf>,
    /// Where parts of the history wait, if it is checked in parts.
    pub(crate) spill: Option<PathBuf>,
    pub(crate) pictures: PictureArgs,
    pub(crate) quiet: bool,
    pub(crate) color: ColorMode,
    /// Whether existing files may be replaced.
    pub(crate) force: bool,
    /// How the history is judged while it grows, if it is.
    pub(crate) follow: Option<FollowPlan>,
}

impl CheckPlan {
    /// The files that the command reads.
    pub(crate) fn input_files(&self) -> Vec<&Path> {
        let paths = self.sources.iter().map(|source| match source {
            HistorySource::StandardInput => None,
            HistorySource::File(path) => Some(path.as_path()),
        });
        paths.flatten().collect()
    }

    /// The files that the command writes, each with its option.
    pub(crate) fn output_files(&self) -> Vec<(&'static str, &Path)> {
        let PictureArgs { report, dot } = &self.pictures;
        let files = [("--report", report), ("--dot", dot), ("--certificate", &self.certificate)];
        files.into_iter().filter_map(|(option, file)| Some((option, file.as_deref()?))).collect()
    }
}

impl CheckArgs {
    /// Builds the plan. The error says what is wrong with the options.
    pub(crate) fn into_plan(self) -> Result<CheckPlan, String> {
        let follow = self.follow.into_plan()?;
        let follows = follow.is_some();
        let mut plan = CheckPlan {
            follow,
            measuring: self.measuring.into_plan()?,
            format: self.format,
            certificate: self.certificate,
            spill: self.spill,
            pictures: self.pictures,
            quiet: self.quiet,
            color: self.color.color_mode(),
            ..self.ask.into_plan()?
        };
        plan.find_spans()?;
        if follows {
            plan.reject_what_cannot_follow()?;
        }
        if plan.spill.is_some() {
            plan.reject_what_parts_lack()?;
        }
        Ok(plan)
    }
}

impl CheckPlan {
    /// Rejects options that cannot be used with parts of a history.
    fn reject_what_parts_lack(&self) -> Result<(), String> {
        let further = [(self.follow.is_some(), "--follow"), (self.reading.lenient, "--lenient")];
        self.reject_what_needs_the_whole("--spill", &further, "")
    }

    /// Has spans received if the history is an address for them.
    fn find_spans(&mut self) -> Result<(), String> {
        let names = self.sources.iter().map(HistorySource::name);
        let found: Result<Vec<_>, String> = names.map(|name| find_spans_address(&name)).collect();
        let Some(address) = found?.into_iter().flatten().next() else { return Ok(()) };
        let Some(follow) = &mut self.follow else {
            return Err(
                "otlp:// receives spans while they are judged. Pass --follow, or write them with `steadfast collect` and check the file"
                    .to_owned(),
            );
        };
        follow.receive_spans(address)?;
        if self.reading.map.is_none() {
            return Err("otlp:// needs --map MAP.toml, a file that says what the spans mean".to_owned());
        }
        if let Some(model) = self.model.filter(|model| *model != Model::Session) {
            return Err(format!("spans are read as a history of sessions, and --model is {}", model.name()));
        }
        self.model = Some(Model::Session);
        Ok(())
    }

    /// Rejects options that cannot be used while the history grows.
    fn reject_what_cannot_follow(&self) -> Result<(), String> {
        if let Some(follow) = self.follow.as_ref().filter(|_| self.measuring.objectives.is_empty()) {
            follow.watch.reject_alerts_without_objectives()?;
        }
        self.reject_what_needs_the_whole("--follow", &[], ". Check the recorded history instead")
    }

    /// Rejects options that a reader of a stream does not know. `further` are those that `option` does not know either, and `hint` says
    /// what to do.
    fn reject_what_needs_the_whole(
        &self,
        option: &str,
        further: &[(bool, &str)],
        hint: &str,
    ) -> Result<(), String> {
        let refuse = |what: &str| Err(format!("{option} cannot be used with {what}{hint}"));
        if self.sources.len() != 1 {
            return Err(format!("{option} takes one history. Pass one file, or - for standard input"));
        }
        if !matches!(self.format, ReportFormat::Text | ReportFormat::Json) {
            return refuse("this --format, only with text and json");
        }
        if !matches!(self.reading.from, None | Some(histories::format::Format::Native)) {
            return Err(format!("{option} reads JSON Lines only. `steadfast convert` writes them"));
        }
        let receives_spans = self.follow.as_ref().is_some_and(|follow| follow.listen.is_some());
        let measures = self.measuring.everything;
        let has_objectives = self.follow.is_none() && !self.measuring.objectives.is_empty();
        let given = [
            (self.reading.map.is_some() && !receives_spans, "--map"),
            (self.certificate.is_some(), "--certificate"),
            (self.pictures.report.is_some(), "--report"),
            (self.pictures.dot.is_some(), "--dot"),
            (measures, "--measure"),
            (has_objectives, "objectives"),
            (self.timeout.is_some(), "--timeout"),
            (self.reading.independent, "--independent"),
            (!self.reading.key.is_empty(), "--key"),
            (self.reading.columns.is_some(), "--columns"),
        ];
        let mut given = given.iter().chain(further);
        given.find(|(given, _)| *given).map_or(Ok(()), |(_, name)| refuse(name))
    }
}

impl AskArgs {
    /// Builds a plan that reports as text and measures nothing.
    pub(crate) fn into_plan(self) -> Result<CheckPlan, String> {
        let mut levels = self.consistency;
        let mut seen = Vec::new();
        levels.retain(|level| {
            !seen.contains(level) && {
                seen.push(*level);
                true
            }
        });
        let initial = join_initial_values(self.init)?;
        Ok(CheckPlan {
            sources: self.histories.into_iter().map(HistorySource::from_argument).collect(),
            reading: self.reading,
            model: self.model,
            properties: (!levels.is_empty()).then_some(levels),
            all_properties: false,
            assume: Assume {
                sequential_keys: self.assume.contains(&AssumptionName::SequentialKeys),
                linearizable_keys: self.assume.contains(&AssumptionName::LinearizableKeys),
            },
            initial,
            failed_cas: match self.failed_cas {
                FailedCasName::SaysNothing => FailedCas::SaysNothing,
                FailedCasName::Observes => FailedCas::Observes,
            },
            sessions: self.sessions,
            bank: self.invariants.bank_rules(),
            accept_untested: self.accept_untested,
            staleness: self.staleness,
            timeout: self.timeout,
            bytes: self.memory,
            threads: self.threads,
            measuring: MeasuringPlan::default(),
            format: ReportFormat::Text,
            certificate: None,
            spill: None,
            pictures: PictureArgs::default(),
            quiet: false,
            color: ColorMode::Auto,
            force: self.force,
            follow: None,
        })
    }
}

/// Joins the values of all `--init`. Refuses two different values of one object, because nothing says which of them is right.
fn join_initial_values(given: Vec<InitialValueArg>) -> Result<InitialValues, String> {
    let mut initial = InitialValues::default();
    let mut known: Vec<InitialValueArg> = Vec::new();
    for one in given {
        if let Some(other) = known.iter().find(|other| other.key == one.key && other.value != one.value) {
            let whose = one.key.as_ref().map_or("all objects".to_owned(), |key| format!("the key {key}"));
            return Err(format!(
                "--init gives {whose} two initial values, {} and {}. Pass one of them",
                other.value, one.value
            ));
        }
        let set = match &one.key {
            Some(key) => initial.set_for_key(key, &one.value),
            None => initial.set_default(&one.value),
        };
        set.expect("it was parsed as JSON");
        known.push(one);
    }
    Ok(initial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_has_one_initial_value() {
        let join = |typed: &[&str]| {
            let parsed =
                typed.iter().map(|text| InitialValueArg::parse_initial_value(text).expect("a value"));
            join_initial_values(parsed.collect())
        };
        for right in [&["cart=5", "shop=6", "0"][..], &["cart=5", "\"cart\"=5"], &["1=5", "\"1\"=6"]] {
            assert!(join(right).is_ok(), "{right:?}");
        }
        for wrong in [&["cart=5", "cart=6"][..], &["cart=5", "shop=1", "\"cart\"=6"], &["0", "1"]] {
            assert!(join(wrong).expect_err("two values").contains("two initial values"), "{wrong:?}");
        }
    }
}
