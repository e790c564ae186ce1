//! Options of `check` that judge a history while it is being written.

use super::quantity;
use super::watch::{WatchArgs, WatchPlan, parse_own_address};
use std::path::PathBuf;
use std::time::Duration;

/// The beginning of an address at which spans are received.
const SPANS_SCHEME: &str = "otlp://";
/// Where OpenTelemetry's exporters send to by default.
const SPANS_ADDRESS_USUAL: &str = "127.0.0.1:4318";
/// How late spans may come if the user does not say it: exporters send every 5 s by default, and 10 s remain for the longest request
/// and the way.
const SPANS_LATENESS_USUAL: Duration = Duration::from_secs(15);

#[derive(clap::Args, Debug)]
pub(super) struct FollowArgs {
    /// Judge the history while it is being written
    ///
    /// Each violation is printed as soon as it is certain. The command ends at the end of standard input, at the event with
    /// which a recording ends, or on Ctrl-C. Registers with reads and writes are judged in this way. So are transactions
    /// over lists or registers (with --model list-append or rw-register), and session stores (with --model session). With
    /// otlp://[HOST:]PORT for the history, spans are received over OTLP as by `steadfast collect`, and read by --map.
    #[arg(long, help_heading = "Reading")]
    follow: bool,
    /// With --follow: age of the oldest version that a transaction can still read [default: no bound]
    ///
    /// A serializable store may show an old version at any time. Versions that were replaced for longer are forgotten, and
    /// the verdicts assume that no transaction takes effect before one that had completed this long before it began.
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration, help_heading = "Question")]
    staleness_bound: Option<Duration>,
    /// With --follow: longest pause between two uses of a session [default: no bound]
    ///
    /// For --model session and for the causal levels of registers. A session that was not used for longer is forgotten. Every
    /// verdict then assumes that no request uses it later. A request that does so all the same makes the verdicts unknown.
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration, help_heading = "Question")]
    session_idle: Option<Duration>,
    /// With --follow: how late an event can come, after events with later times [default: the stream is in order; 15s for spans]
    ///
    /// Events are judged in the order of their times. One that comes later still is counted, and what it is about becomes unknown. For
    /// spans, it is the time from the beginning of a request until its span comes: exporters usually wait 5 s.
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration, help_heading = "Question")]
    lateness: Option<Duration>,
    /// With --follow: write the state of the monitor to a file, and go on from it if it exists
    ///
    /// A monitor that was killed goes on where it was, without losing or repeating a verdict. The history must be a file. Events that
    /// wait because of --lateness are part of the state.
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    checkpoint: Option<PathBuf>,
    /// With --follow: show the state of the judgement on the terminal, and print the violations when the command ends
    ///
    /// Without a terminal on standard error, a line is printed every five seconds as without this option.
    #[arg(long, help_heading = "While it is written")]
    view: bool,
    #[command(flatten)]
    watch: WatchArgs,
}

/// How a history is followed.
#[derive(Clone, Debug)]
pub(crate) struct FollowPlan {
    pub(crate) staleness_bound: Option<Duration>,
    pub(crate) session_idle: Option<Duration>,
    /// How much later than others an event can come whose time is earlier.
    pub(crate) lateness: Option<Duration>,
    /// Where the state of the monitor is written to, and read from at the beginning.
    pub(crate) checkpoint: Option<PathBuf>,
    /// Whether the state is shown on the terminal.
    pub(crate) view: bool,
    /// The address at which spans are received and judged, if the history is no file and no pipe.
    pub(crate) listen: Option<String>,
    pub(crate) watch: WatchPlan,
}

impl FollowArgs {
    /// The plan, if the history is followed.
    pub(super) fn into_plan(self) -> Result<Option<FollowPlan>, String> {
        if !self.follow {
            let given = [
                (self.staleness_bound.is_some(), "--staleness-bound"),
                (self.session_idle.is_some(), "--session-idle"),
                (self.lateness.is_some(), "--lateness"),
                (self.checkpoint.is_some(), "--checkpoint"),
                (self.view, "--view"),
            ];
            let given = given.into_iter().find(|(given, _)| *given).map(|(_, name)| name);
            return match given.or(self.watch.given_option()) {
                Some(name) => Err(format!("{name} is about a stream. Pass --follow as well")),
                None => Ok(None),
            };
        }
        let Self { staleness_bound, session_idle, lateness, checkpoint, view, watch, .. } = self;
        let watch = watch.into_plan();
        Ok(Some(FollowPlan {
            staleness_bound,
            session_idle,
            lateness,
            checkpoint,
            view,
            listen: None,
            watch,
        }))
    }
}

/// The address of exporters that a history stands for, if it is none that can be read.
pub(super) fn find_spans_address(history: &str) -> Result<Option<String>, String> {
    let Some(typed) = history.strip_prefix(SPANS_SCHEME) else { return Ok(None) };
    let typed = typed.trim_end_matches('/').trim_end_matches("/v1/traces");
    if typed.is_empty() {
        return Ok(Some(SPANS_ADDRESS_USUAL.to_owned()));
    }
    match parse_own_address(typed) {
        Ok(address) => Ok(Some(address)),
        Err(_) => Err(format!(
            "{history} has no port. Pass otlp://PORT, which is one of 127.0.0.1, or otlp://HOST:PORT, such as otlp://0.0.0.0:4318"
        )),
    }
}

impl FollowPlan {
    /// Receives spans at an address instead of reading a history.
    pub(super) fn receive_spans(&mut self, address: String) -> Result<(), String> {
        if self.checkpoint.is_some() {
            return Err(
                "--checkpoint needs a file, because spans cannot be received again. To keep them, let a Collector also send to \
                 `steadfast collect --output FILE`, and check that file"
                    .to_owned(),
            );
        }
        self.lateness.get_or_insert(SPANS_LATENESS_USUAL);
        self.listen = Some(address);
        Ok(())
    }

    /// The staleness bound in nanoseconds.
    pub(crate) fn staleness_bound_ns(&self) -> Option<i64> {
        self.staleness_bound.map(nanoseconds)
    }

    /// The bound on late events in nanoseconds.
    pub(crate) fn lateness_ns(&self) -> Option<i64> {
        self.lateness.map(nanoseconds)
    }

    /// The bound on unused sessions in nanoseconds.
    pub(crate) fn session_idle_ns(&self) -> Option<i64> {
        self.session_idle.map(nanoseconds)
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
