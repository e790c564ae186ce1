//! `steadfast run` and `steadfast record`: what may be typed, and what it means.

use super::check::{CheckPlan, Color, Source};
use super::given::GivenArgs;
use super::links::LinkArgs;
use super::lives::LivesArgs;
use super::looks::LookArgs;
use super::measuring::MeasuringArgs;
use super::names::{self, ReadingArgs};
use super::pictures::PictureArgs;
use super::quantity;
use super::repeat::{RepeatArgs, numbered};
use super::sessions::{SessionArgs, ToleranceArgs};
use super::spans::{SpanArgs, SpanTarget};
use super::stores::{self, StackArgs, StoreChoice};
use super::workload::{WorkloadArgs, random_run_name};
use crate::report::Format;
use checker::{Assume, BankRules, FailedCas, InitialValues, Property};
use recorder::RunSettings;
use recorder::stores::backend::Choices;
use recorder::stores::embedded::{Bug, EmbeddedOptions, ReadRouting, ReplicationMode};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use workloads::{
    Distribution, FaultSchedule, Load, Plan, Scenario, Strike, Timing, WorkloadKind, WorkloadSettings,
};

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// What is driven (`steadfast stores` lists them)
    #[arg(value_name = "STORE", value_parser = stores::store(), default_value = stores::usual())]
    store: StoreChoice,

    #[command(flatten)]
    pub(super) scenario: super::scenario::ScenarioArgs,

    /// What is done [default: register; session where a stack keeps nothing else]
    #[arg(long, value_name = "NAME", value_parser = Kind::from_str, help_heading = "Workload")]
    workload: Option<WorkloadKind>,
    /// What everything random follows from; under simulation the same seed gives the same history
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Workload")]
    pub(super) seed: u64,
    /// How long faults may strike
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, default_value = "10s", help_heading = "Workload")]
    duration: Duration,
    /// How long the load stays on after that [default: 2s; 16s where Sentinels watch, which lose writes only then]
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, help_heading = "Workload")]
    after_heal: Option<Duration>,
    /// How long the store may settle before everything is read back
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, default_value = "2s", help_heading = "Workload")]
    settle: Duration,
    #[command(flatten)]
    looks: LookArgs,
    /// closed, 500/s, ramp:FROM..TO:OVER, burst:BASE..PEAK:EVERY:LENGTH or peak:LOW..HIGH:PERIOD
    #[arg(long, value_name = "LOAD", value_parser = Load::from_str, default_value = "500/s", help_heading = "Workload")]
    load: Load,
    /// How many clients there are: the most operations in flight
    #[arg(long, value_name = "N", default_value = "9", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Workload")]
    clients: u16,
    /// How long an operation may take before nobody knows
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, default_value = "500ms", help_heading = "Workload")]
    operation_timeout: Duration,
    /// How many objects there are
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Workload")]
    keys: u32,
    /// How popular they are: `uniform`, `zipf[:EXPONENT]` or `exponential[:MEAN SHARE]`
    #[arg(long, value_name = "NAME", value_parser = Distribution::from_str, default_value = "uniform", help_heading = "Workload")]
    key_distribution: Distribution,
    /// How many sessions are present at a time [default: as many as clients]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Workload")]
    sessions: Option<u32>,
    /// How many requests one session may have in flight
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Workload")]
    tabs: u16,
    /// How many operations a session does on average before another takes its place [default: it never ends; 30 for session on embedded]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Workload")]
    churn: Option<u32>,
    #[command(flatten)]
    lives: LivesArgs,
    /// The share of operations that read
    #[arg(long, value_name = "SHARE", default_value = "0.5", value_parser = share, help_heading = "Workload")]
    read_share: f64,
    /// Write only so many distinct values [default: each write another one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Workload")]
    values: Option<u64>,
    #[command(flatten)]
    finer: WorkloadArgs,

    /// `FAULT[=PARAMETER][:TARGET][@START][+LENGTH]`, or none; see `steadfast faults` [default: partition; none
    /// where the servers are not ours]
    #[arg(long, value_name = "FAULT,..", value_delimiter = ',', help_heading = "Faults")]
    faults: Vec<String>,
    /// When faults come that do not say: once, every:SPAN, random:SPAN, rapid:SPAN or rolling:SPAN
    #[arg(long, value_name = "TIMING", value_parser = Timing::from_str, default_value = "once", help_heading = "Faults")]
    timing: Timing,
    /// How long faults last that do not say
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, default_value = "4s", help_heading = "Faults")]
    fault_length: Duration,
    /// A TOML file with strikes, timing and length instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["faults", "timing", "fault_length"], help_heading = "Faults")]
    schedule: Option<PathBuf>,
    #[command(flatten)]
    links: LinkArgs,
    /// Print what would be done as a timeline to talk through, and do nothing
    #[arg(long, help_heading = "Faults")]
    plan: bool,

    /// embedded: when a write is acknowledged: async, semi-sync or quorum
    #[arg(long, value_name = "NAME", value_parser = Replication::from_str, default_value = "async", help_heading = "Store")]
    replication: ReplicationMode,
    /// embedded: who answers reads: primary, any, or sticky (any, but one for a session)
    #[arg(long, value_name = "NAME", value_parser = Reads::from_str, default_value = "primary", help_heading = "Store")]
    reads: ReadRouting,
    /// embedded: how many nodes there are
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u16).range(2..=15), help_heading = "Store")]
    nodes: u16,
    /// embedded: what is wrong with it on purpose (`steadfast stores` lists them)
    #[arg(long, value_name = "BUG,..", value_delimiter = ',', value_parser = Bug::from_str, help_heading = "Store")]
    bug: Vec<Bug>,
    /// redis: the servers, the primary first
    #[arg(
        long,
        value_name = "HOST:PORT,..",
        value_delimiter = ',',
        default_value = "127.0.0.1:6379",
        help_heading = "Store"
    )]
    address: Vec<String>,
    /// redis: Sentinels that know the primary as "steadfast"; then it need not be the first
    #[arg(long, value_name = "HOST:PORT,..", value_delimiter = ',', help_heading = "Store")]
    sentinel: Vec<String>,
    #[command(flatten)]
    given: GivenArgs,
    #[command(flatten)]
    stack: StackArgs,
    /// redis, redis-sentinel, express-redis: how many replicas must confirm a write (WAIT) before it counts
    #[arg(long, value_name = "N", help_heading = "Store")]
    wait: Option<u32>,
    /// redis, redis-sentinel, express-redis: read at the server beside the client, replica or not
    #[arg(long, help_heading = "Store")]
    replica_reads: bool,
    /// redis-sentinel: min-replicas-to-write, with a lag of two seconds
    #[arg(long, value_name = "N", help_heading = "Store")]
    min_replicas: Option<u32>,
    /// How long sessions live without a write or a touch
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, default_value = "30min", help_heading = "Store")]
    time_to_live: Duration,

    /// Where the history goes [default: steadfast-STORE-SEED.jsonl, or with a number where that exists]
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Write session ids and tokens into the history as they are, and not as digests
    #[arg(long, help_heading = "Output")]
    keep_secrets: bool,
    #[command(flatten)]
    spans: SpanArgs,
    /// No progress
    #[arg(long, help_heading = "Output")]
    quiet: bool,
    /// No colours, also on a terminal
    #[arg(long, help_heading = "Output")]
    no_color: bool,
    /// Whether this is one of several runs, so that its seed is not the one that was typed
    #[arg(skip)]
    pub(super) repeated: bool,
}

/// What `run` asks of the history beside recording it.
#[derive(clap::Args, Debug)]
pub(crate) struct JudgeArgs {
    /// The levels to check [default: as for `steadfast check`]
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_parser = names::property(), help_heading = "Question", hide_possible_values = true)]
    consistency: Vec<Property>,
    #[command(flatten)]
    tolerance: ToleranceArgs,
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    #[command(flatten)]
    measuring: MeasuringArgs,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text", help_heading = "Output")]
    format: Format,
    #[command(flatten)]
    pictures: PictureArgs,
}

/// Where a history goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum HistoryFile {
    /// This file.
    Typed(PathBuf),
    /// This one, or another whose name is made from it.
    Usual(PathBuf),
}

impl HistoryFile {
    /// The file, as far as it is known before it is made.
    pub(crate) fn path(&self) -> &Path {
        match self {
            HistoryFile::Typed(path) | HistoryFile::Usual(path) => path,
        }
    }
}

/// What `steadfast record` is to do.
#[derive(Clone, Debug)]
pub(crate) struct RunPlan {
    pub(crate) store: StoreChoice,
    pub(crate) settings: RunSettings,
    /// What is particular to stores.
    pub(crate) choices: Choices,
    /// The scenario that the options come from.
    pub(crate) scenario: Option<Scenario>,
    pub(crate) only_plan: bool,
    /// Whether only the commands of its faults are asked for.
    pub(crate) is_dry: bool,
    /// Whether this is one of several runs.
    pub(crate) repeated: bool,
    /// Where the history goes; what was typed, or a name that may be changed if there is such a file.
    pub(crate) output: HistoryFile,
    /// Whether files that exist may be replaced.
    pub(crate) force: bool,
    /// Faults that were asked to last longer than faults may strike, each as a sentence.
    pub(crate) cut_faults: Vec<String>,
    /// The files that are read.
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) spans: Option<SpanTarget>,
    pub(crate) quiet: bool,
    pub(crate) color: Color,
}

impl RunArgs {
    /// The same run so many times, with the seeds from its own on, each with a history of its own name.
    pub(crate) fn runs(&self, count: u16) -> Vec<RunArgs> {
        if count == 1 {
            return vec![self.clone()];
        }
        let one = |number: u64| {
            let mut run = self.clone();
            run.seed = run.seed.saturating_add(number);
            run.output = run.output.map(|path| numbered(&path, run.seed));
            run.repeated = true;
            run
        };
        (0..u64::from(count)).map(one).collect()
    }

    /// What is meant, or what is wrong with what was typed.
    pub(crate) fn plan(self) -> Result<RunPlan, String> {
        let choices = self.choices()?;
        let schedule = self.schedule(&choices)?;
        self.stack.suffices(self.store)?;
        let kind = stores::kind(self.store, self.workload)?;
        if let (true, Some(SpanTarget::File(file))) = (self.repeated, &self.spans.otlp) {
            return Err(format!("each of several runs would write its spans to {}", file.display()));
        }
        let (nodes, others) = (self.store.node_names(&choices)?, self.store.other_names(&choices));
        let plan = Plan::with_names(&schedule, self.seed, (&nodes, &others), self.duration);
        let name = format!("steadfast-{}-{}.jsonl", self.store.name(), self.seed);
        let inputs = self.inputs();
        Ok(RunPlan {
            store: self.store,
            settings: RunSettings {
                workload: self.settings(kind, &choices)?,
                load: self.load,
                workers: usize::from(self.clients),
                timeout: self.operation_timeout,
                patience: Duration::from_secs(1),
                warm_start: self.lives.warm_start(kind)?,
                plan: plan.map_err(|why| why.to_string())?,
                duration: self.duration,
                after_heal: self.after_heal.unwrap_or(self.store.after_heal()),
                settle: self.settle,
                look_every: self.looks.every(),
            },
            choices,
            scenario: self.scenario.chosen().map(super::scenario::find).transpose()?,
            only_plan: self.plan,
            is_dry: self.stack.is_dry(),
            repeated: self.repeated,
            output: self.output.map_or_else(|| HistoryFile::Usual(PathBuf::from(name)), HistoryFile::Typed),
            force: self.force,
            cut_faults: cut_faults(&schedule, self.duration),
            inputs,
            spans: self.spans.otlp,
            quiet: self.quiet,
            color: if self.no_color { Color::Never } else { Color::Auto },
        })
    }

    /// What was chosen of what is particular to stores.
    fn choices(&self) -> Result<Choices, String> {
        Ok(Choices {
            embedded: EmbeddedOptions {
                nodes: usize::from(self.nodes),
                replication: self.replication,
                reads: self.reads,
                writes: self.lives.writes,
                time_to_live: self.time_to_live,
                bugs: self.bug.clone(),
            },
            addresses: self.address.clone(),
            sentinels: self.sentinel.clone(),
            processes: self.given.processes(),
            restart_command: self.given.restart_command.clone(),
            switches: self.stack.switches(self.store, self.replica_reads, self.wait)?,
            description: self.stack.description(self.store)?,
            // The operation must end before the client gives up, or each short confirmation is a time-out.
            wait: self.wait.map(|count| (count, self.operation_timeout * 3 / 5)),
            replica_reads: self.replica_reads,
            confirms_reads: self.stack.confirms_reads(self.store)?,
            min_replicas: self.min_replicas.map(|count| (count, 2)),
            means: self.links.means(),
            time_to_live: self.time_to_live,
            keep_secrets: self.keep_secrets,
            skip_probe: self.stack.skips_probe(),
        })
    }

    /// The files that say what is to be done.
    fn inputs(&self) -> Vec<PathBuf> {
        let scenario = self.scenario.chosen().map(Path::new).filter(|file| file.is_file());
        let files = [self.schedule.as_deref(), self.stack.file(), scenario];
        files.into_iter().flatten().map(Path::to_owned).collect()
    }

    fn settings(&self, kind: WorkloadKind, choices: &Choices) -> Result<WorkloadSettings, String> {
        let lists = kind == WorkloadKind::ListAppend;
        let lives = kind == WorkloadKind::Session && self.store.has_session_lifecycles();
        let mut settings = WorkloadSettings {
            kind,
            keys: self.keys as usize,
            key_distribution: self.key_distribution,
            sessions: self.sessions.map_or(usize::from(self.clients), |count| count as usize),
            in_flight_per_session: usize::from(self.tabs),
            churn: self.lives.churn(self.churn, lives),
            lives: self.lives.plan(lives),
            read_share: self.read_share,
            values: self.values,
            writes_per_key: lists.then_some(32),
            ..WorkloadSettings::new(self.seed)
        };
        self.finer.apply(&mut settings)?;
        settings.run = match (settings.run.take(), self.store.is_simulated()) {
            // Of several runs, each has a name of its own.
            (Some(name), _) if self.repeated => Some(format!("{name}{}", self.seed).into()),
            (None, false) => Some(random_run_name()),
            (name, _) => name,
        };
        settings.lacks = self.store.unsupported_functions(choices);
        Ok(settings)
    }

    fn schedule(&self, choices: &Choices) -> Result<FaultSchedule, String> {
        let schedule = match &self.schedule {
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|why| format!("failed to read {}: {why}", file.display()))?;
                FaultSchedule::from_toml(&text).map_err(|why| format!("{}: {why}", file.display()))?
            }
            None => {
                let mut asked: Vec<&str> = self.faults.iter().map(String::as_str).collect();
                if asked.is_empty() {
                    asked.extend(self.store.usual_fault());
                }
                asked.retain(|fault| *fault != "none");
                let parse = |fault: &str| fault.parse::<Strike>().map_err(|why| why.to_string());
                let strikes = asked.into_iter().map(parse).collect::<Result<_, _>>()?;
                FaultSchedule { strikes, timing: self.timing, length: self.fault_length }
            }
        };
        schedule.strikes.iter().try_for_each(|strike| self.store.check_strike(strike, choices))?;
        Ok(schedule)
    }
}

impl JudgeArgs {
    /// The check of a history that was just written.
    pub(crate) fn plan(self, recorded: &RunPlan) -> Result<CheckPlan, String> {
        Ok(CheckPlan {
            sources: vec![Source::of(recorded.output.path().to_owned())],
            reading: ReadingArgs::default(),
            model: None,
            properties: (!self.consistency.is_empty()).then_some(self.consistency),
            all_properties: false,
            assume: Assume::default(),
            initial: InitialValues::default(),
            failed_cas: FailedCas::default(),
            sessions: SessionArgs { tolerance: self.tolerance, ..SessionArgs::default() },
            bank: BankRules::default(),
            accept_untested: false,
            timeout: Some(Duration::from_secs(60)),
            bytes: 2 << 30,
            threads: None,
            measuring: self.measuring.plan()?.possible_in(&recorded.settings, recorded.store)?,
            format: self.format,
            certificate: None,
            pictures: self.pictures,
            quiet: recorded.quiet,
            color: recorded.color,
            force: recorded.force,
        })
    }
}

/// Strikes whose own start and length lead beyond the end of the faults: the plan ends them there.
fn cut_faults(schedule: &FaultSchedule, duration: Duration) -> Vec<String> {
    let lasting = schedule.strikes.iter().filter(|strike| !strike.fault.is_momentary());
    let end = |strike: &Strike| Some((strike.at?.checked_add(strike.length?)?, strike.fault));
    let late = lasting.filter_map(end).filter(|(end, _)| *end > duration);
    late.map(|(end, fault)| {
        let (end, duration) = (workloads::format_duration(end), workloads::format_duration(duration));
        format!(
            "the fault {fault} was asked to last until {end}, and was ended at {duration}, where faults end. Make \
             --duration longer or the fault shorter"
        )
    })
    .collect()
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number between 0 and 1".to_owned()),
    }
}
