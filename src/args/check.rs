//! `steadfast check`: what may be typed, and what it means.

use super::invariants::InvariantArgs;
use super::measuring::{Measuring, MeasuringArgs};
use super::names::{self, ReadingArgs};
use super::pictures::PictureArgs;
use super::quantity;
use super::sessions::SessionArgs;
use crate::report::Format;
use checker::{Assume, BankRules, FailedCas, InitialValues, Model, Property};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes that a search may hold, unless `--memory` says otherwise.
const BYTES_DEFAULT: &str = "2GiB";

/// What is asked of which histories, and what that may take.
#[derive(clap::Args, Debug)]
pub(crate) struct AskArgs {
    /// Recorded histories; - is standard input
    #[arg(value_name = "HISTORY", required = true)]
    histories: Vec<PathBuf>,

    /// What the objects are [default: recognised from the operations]
    #[arg(long, value_name = "NAME", value_parser = names::model(), help_heading = "Question", hide_possible_values = true)]
    model: Option<Model>,
    /// The levels to check [default: for registers linearizable and the four session guarantees, for transactions strict-serializable, for sessions all findings, for invariants the one that the model is named for, else linearizable]
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_parser = names::property(), help_heading = "Question", hide_possible_values = true)]
    consistency: Vec<Property>,
    /// What else is known of the order of versions
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_enum, help_heading = "Question")]
    assume: Vec<Assumption>,
    /// What objects hold at first: JSON for all of them, KEY=JSON for one; may be repeated [default: null]
    #[arg(long, value_name = "[KEY=]JSON", value_parser = Beginning::parse, help_heading = "Question")]
    init: Vec<Beginning>,
    /// What a failed compare-and-set tells of the state
    #[arg(long, value_name = "WHAT", value_enum, default_value = "says-nothing", help_heading = "Question")]
    failed_cas: FailedCasName,

    /// Report levels that nothing in the history could have contradicted as holding, not as untested
    #[arg(long, help_heading = "Question")]
    accept_untested: bool,

    #[command(flatten)]
    sessions: SessionArgs,

    #[command(flatten)]
    invariants: InvariantArgs,

    /// Stop checking a history after this long: what is not decided by then is unknown [default: never]
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, help_heading = "Limits")]
    timeout: Option<Duration>,
    /// Memory that a search may hold; beyond it the verdict is unknown
    #[arg(long, value_name = "BYTES", value_parser = quantity::size, default_value = BYTES_DEFAULT, help_heading = "Limits")]
    memory: usize,

    /// Threads to read and check with [default: one a core]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    threads: Option<NonZeroUsize>,

    #[command(flatten)]
    reading: ReadingArgs,

    /// Replace files that exist already; never the histories that are read
    #[arg(long, help_heading = "Output")]
    force: bool,
}

#[derive(clap::Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    ask: AskArgs,

    #[command(flatten)]
    measuring: MeasuringArgs,

    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text", help_heading = "Output")]
    format: Format,
    /// Write the evidence of every verdict to a file, for `steadfast verify`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    certificate: Option<PathBuf>,
    #[command(flatten)]
    pictures: PictureArgs,
    /// No progress bar; as text, one line a history
    #[arg(long, help_heading = "Output")]
    quiet: bool,
    /// No colours, also on a terminal
    #[arg(long, help_heading = "Output")]
    no_color: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Assumption {
    /// writes of one session to one object keep their order
    SequentialKeys,
    /// writes to one object keep real-time order
    LinearizableKeys,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum FailedCasName {
    /// nothing, as in Jepsen and Knossos
    SaysNothing,
    /// that the state differed from what was expected, as in Porcupine's model of etcd
    Observes,
}

/// What one object, or every object, holds at first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Beginning {
    /// As JSON; none: every object that is not named.
    key: Option<String>,
    /// As JSON.
    value: String,
}

impl Beginning {
    /// `0`, `cart=0` or `"a=b"=0`.
    fn parse(text: &str) -> Result<Self, String> {
        let json = crate::input::canonical;
        if let Ok(value) = json(text) {
            return Ok(Self { key: None, value });
        }
        // The value is the longest end that is JSON, so a key may have a sign of equality in it.
        let split =
            text.match_indices('=').find_map(|(at, _)| Some((&text[..at], json(&text[at + 1..]).ok()?)));
        let (key, value) = split.ok_or_else(|| {
            "it is neither JSON, such as 0 or '\"a\"' (quoted for the shell), nor KEY=JSON, such as cart=0".to_owned()
        })?;
        let key = json(key).unwrap_or_else(|_| serde_json::Value::from(key).to_string());
        Ok(Self { key: Some(key), value })
    }
}

/// Where a history comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    StandardInput,
    File(PathBuf),
}

impl Source {
    pub(crate) fn of(path: PathBuf) -> Source {
        if path.as_os_str() == "-" { Source::StandardInput } else { Source::File(path) }
    }

    /// As the user named it.
    pub(crate) fn name(&self) -> String {
        match self {
            Source::StandardInput => "-".to_owned(),
            Source::File(path) => path.display().to_string(),
        }
    }
}

/// Whether output is coloured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Color {
    /// On a terminal, unless the environment says no.
    Auto,
    Never,
}

/// What `steadfast check` is to do.
#[derive(Clone, Debug)]
pub(crate) struct CheckPlan {
    pub(crate) sources: Vec<Source>,
    pub(crate) reading: ReadingArgs,
    /// None: recognised from the operations.
    pub(crate) model: Option<Model>,
    /// None: those that its model is checked against by default.
    pub(crate) properties: Option<Vec<Property>>,
    /// All that its model has, where none is asked for.
    pub(crate) all_properties: bool,
    pub(crate) assume: Assume,
    pub(crate) initial: InitialValues,
    pub(crate) failed_cas: FailedCas,
    pub(crate) sessions: SessionArgs,
    pub(crate) bank: BankRules,
    pub(crate) accept_untested: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) bytes: usize,
    /// None: one a core.
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) measuring: Measuring,
    pub(crate) format: Format,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) pictures: PictureArgs,
    pub(crate) quiet: bool,
    pub(crate) color: Color,
    /// Whether files that exist may be replaced.
    pub(crate) force: bool,
}

impl CheckPlan {
    /// The files that are read.
    pub(crate) fn inputs(&self) -> Vec<&Path> {
        let paths = self.sources.iter().map(|source| match source {
            Source::StandardInput => None,
            Source::File(path) => Some(path.as_path()),
        });
        paths.flatten().collect()
    }
}

impl CheckArgs {
    /// What is meant, or what is wrong with what was typed.
    pub(crate) fn plan(self) -> Result<CheckPlan, String> {
        Ok(CheckPlan {
            measuring: self.measuring.plan()?,
            format: self.format,
            certificate: self.certificate,
            pictures: self.pictures,
            quiet: self.quiet,
            color: if self.no_color { Color::Never } else { Color::Auto },
            ..self.ask.plan()
        })
    }
}

impl AskArgs {
    /// What is meant, told as text and not measured.
    pub(crate) fn plan(self) -> CheckPlan {
        let mut levels = self.consistency;
        let mut seen = Vec::new();
        levels.retain(|level| {
            !seen.contains(level) && {
                seen.push(*level);
                true
            }
        });
        let mut initial = InitialValues::default();
        for Beginning { key, value } in self.init {
            let set = match key {
                Some(key) => initial.set_for_key(&key, &value),
                None => initial.set_default(&value),
            };
            set.expect("it was parsed as JSON");
        }
        CheckPlan {
            sources: self.histories.into_iter().map(Source::of).collect(),
            reading: self.reading,
            model: self.model,
            properties: (!levels.is_empty()).then_some(levels),
            all_properties: false,
            assume: Assume {
                sequential_keys: self.assume.contains(&Assumption::SequentialKeys),
                linearizable_keys: self.assume.contains(&Assumption::LinearizableKeys),
            },
            initial,
            failed_cas: match self.failed_cas {
                FailedCasName::SaysNothing => FailedCas::SaysNothing,
                FailedCasName::Observes => FailedCas::Observes,
            },
            sessions: self.sessions,
            bank: self.invariants.rules(),
            accept_untested: self.accept_untested,
            timeout: self.timeout,
            bytes: self.memory,
            threads: self.threads,
            measuring: Measuring::default(),
            format: Format::Text,
            certificate: None,
            pictures: PictureArgs::default(),
            quiet: false,
            color: Color::Auto,
            force: self.force,
        }
    }
}
