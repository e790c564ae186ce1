//! `steadfast run` and `steadfast record`: their options, and the plan that they describe.

use super::check::{CheckPlan, HistorySource};
use super::color::{ColorArgs, ColorMode};
use super::given::GivenArgs;
use super::links::LinkArgs;
use super::live::{LiveArgs, LivePlan};
use super::lives::LivesArgs;
use super::looks::LookArgs;
use super::measuring::MeasuringArgs;
use super::names::{self, ReadingArgs};
use super::pictures::PictureArgs;
use super::quantity;
use super::repeat::{RepeatArgs, path_with_seed};
use super::run_names;
use super::sessions::{SessionArgs, ToleranceArgs};
use super::spans::{SpanArgs, SpanTarget};
use super::stores::{self, StackArgs, StoreChoice};
use super::suggest::fold_name;
use super::workload::{WorkloadArgs, random_run_name};
use crate::report::ReportFormat;
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
    /// Store to drive; `steadfast stores` lists them
    #[arg(value_name = "STORE", value_parser = stores::store_parser(), default_value = stores::default_store_name())]
    store: StoreChoice,

    #[command(flatten)]
    pub(super) scenario: super::scenario::ScenarioArgs,

    /// Kind of operations [default: register; session if the stack stores only sessions]
    #[arg(long, value_name = "NAME", value_parser = run_names::workload_parser(), help_heading = "Workload")]
    workload: Option<WorkloadKind>,
    /// Seed of all random choices; in simulated time the same seed gives the same history
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Workload")]
    pub(super) seed: u64,
    /// Period in which faults strike
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration, default_value = "10s", help_heading = "Workload")]
    duration: Duration,
    /// Time for which the load continues after the last fault [default: 2s; 16s with Redis Sentinels]
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration, help_heading = "Workload")]
    after_heal: Option<Duration>,
    /// Time between the end of the load and the final reads
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration, default_value = "2s", help_heading = "Workload")]
    settle: Duration,
    #[command(flatten)]
    looks: LookArgs,
    /// Arrival of operations: closed, 500/s, ramp:FROM..TO:OVER, burst:BASE..PEAK:EVERY:LENGTH or peak:LOW..HIGH:PERIOD
    #[arg(long, value_name = "LOAD", value_parser = Load::from_str, default_value = "500/s", help_heading = "Workload")]
    load: Load,
    /// Number of clients, which is also the most operations in flight
    #[arg(long, value_name = "N", default_value = "9", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Workload")]
    clients: u16,
    /// Timeout of an operation; an operation that exceeds it is recorded as info
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration, default_value = "500ms", help_heading = "Workload")]
    operation_timeout: Duration,
    /// Number of objects
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Workload")]
    keys: u32,
    /// Popularity of objects: `uniform`, `zipf[:EXPONENT]` or `exponential[:MEAN_SHARE]`
    #[arg(long, value_name = "NAME", value_parser = Distribution::from_str, default_value = "uniform", help_heading = "Workload")]
    key_distribution: Distribution,
    /// Number of concurrent sessions [default: the number of clients]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Workload")]
    sessions: Option<u32>,
    /// Number of requests that one session may have in flight, like several browser tabs
    #[arg(long = "session-concurrency", alias = "tabs", value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Workload")]
    tabs: u16,
    /// Mean number of operations of a session before a new one replaces it [default: no end; 30 for session on embedded]
    #[arg(long = "session-length", alias = "churn", value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Workload")]
    churn: Option<u32>,
    #[command(flatten)]
    lives: LivesArgs,
    /// Share of operations that are reads
    #[arg(long, value_name = "SHARE", default_value = "0.5", value_parser = parse_share, help_heading = "Workload")]
    read_share: f64,
    /// Number of distinct values [default: each write has its own value]
    #[arg(long = "distinct-values", alias = "values", value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Workload")]
    values: Option<u64>,
    #[command(flatten)]
    finer: WorkloadArgs,

    /// Faults to inject, or none; `steadfast faults` lists them [default: partition; none on servers that run already]
    ///
    /// Each fault is written `FAULT[=PARAMETER][:TARGET][@START][+LENGTH]`, such as `partition:primary@3s+4s`.
    #[arg(long, value_name = "FAULT,..", value_delimiter = ',', value_parser = run_names::fault_parser(), hide_possible_values = true, help_heading = "Faults")]
    faults: Vec<String>,
    /// Timing of faults without a start: once, every:SPAN, random:SPAN, rapid:SPAN or rolling:SPAN
    #[arg(long, value_name = "TIMING", value_parser = Timing::from_str, default_value = "once", help_heading = "Faults")]
    timing: Timing,
    /// Duration of faults without a length
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration, default_value = "4s", help_heading = "Faults")]
    fault_length: Duration,
    /// TOML file with strikes, timing and length
    #[arg(long, value_name = "FILE", conflicts_with_all = ["faults", "timing", "fault_length"], help_heading = "Faults")]
    schedule: Option<PathBuf>,
    #[command(flatten)]
    links: LinkArgs,
    /// Print the plan of the run as a timeline, and run nothing
    #[arg(long = "dry-run", alias = "plan", help_heading = "Faults")]
    plan: bool,

    /// embedded: replication before a write is acknowledged: async, semi-sync or quorum
    #[arg(long, value_name = "NAME", value_parser = |text: &str| ReplicationMode::from_str(&fold_name(text)), default_value = "async", help_heading = "Store")]
    replication: ReplicationMode,
    /// embedded: node that answers reads: primary, any, or sticky (one node per session)
    #[arg(long = "read-from", alias = "reads", value_name = "NAME", value_parser = |text: &str| ReadRouting::from_str(&fold_name(text)), default_value = "primary", help_heading = "Store")]
    reads: ReadRouting,
    /// embedded: number of nodes
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u16).range(2..=15), help_heading = "Store")]
    nodes: u16,
    /// embedded: bugs to activate; `steadfast stores` lists them
    #[arg(long, value_name = "BUG,..", value_delimiter = ',', value_parser = run_names::bug_parser(), hide_possible_values = true, help_heading = "Store")]
    bug: Vec<Bug>,
    /// redis: addresses of the servers, the primary first
    #[arg(
        long,
        value_name = "HOST:PORT,..",
        value_delimiter = ',',
        default_value = "127.0.0.1:6379",
        help_heading = "Store"
    )]
    address: Vec<String>,
    /// redis: addresses of Sentinels that name the primary "steadfast"; then the order of --address does not matter
    #[arg(long, value_name = "HOST:PORT,..", value_delimiter = ',', help_heading = "Store")]
    sentinel: Vec<String>,
    #[command(flatten)]
    given: GivenArgs,
    #[command(flatten)]
    stack: StackArgs,
    /// redis, redis-sentinel, express-redis: number of replicas that must confirm a write (WAIT)
    #[arg(long, value_name = "N", help_heading = "Store")]
    wait: Option<u32>,
    /// redis, redis-sentinel, express-redis: read from the server next to the client, even if it is a replica
    #[arg(long, help_heading = "Store")]
    replica_reads: bool,
    /// redis-sentinel: value of min-replicas-to-write, with a maximum lag of two seconds
    #[arg(long, value_name = "N", help_heading = "Store")]
    min_replicas: Option<u32>,
    /// Time after which a session expires without a write or a touch
    #[arg(long, value_name = "DURATION", value_parser = quantity::parse_duration, default_value = "30min", help_heading = "Store")]
    time_to_live: Duration,

    /// File for the history [default: steadfast-STORE-SEED.jsonl, with a number added if that exists]
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,
    /// Replace existing files
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Write session ids and tokens to the history in the clear, and not as digests
    #[arg(long, help_heading = "Output")]
    keep_secrets: bool,
    #[command(flatten)]
    spans: SpanArgs,
    /// Print no progress
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
    #[command(flatten)]
    color: ColorArgs,
    /// Whether this is one of several runs, so that its seed differs from the typed one.
    #[arg(skip)]
    pub(super) repeated: bool,
}

/// The options for checking the recorded history.
#[derive(clap::Args, Debug)]
pub(crate) struct JudgeArgs {
    /// Levels to check, separated by commas [default: as for `steadfast check`]
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_parser = names::property_parser(), help_heading = "Question", hide_possible_values = true)]
    consistency: Vec<Property>,
    #[command(flatten)]
    live: LiveArgs,
    #[command(flatten)]
    tolerance: ToleranceArgs,
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    #[command(flatten)]
    measuring: MeasuringArgs,
    /// Format of the results on standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text", help_heading = "Output")]
    format: ReportFormat,
    #[command(flatten)]
    pictures: PictureArgs,
}

/// The file for a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum HistoryFile {
    /// The file that the user named.
    Typed(PathBuf),
    /// The default file. If it exists, a number is added to its name.
    Usual(PathBuf),
}

impl HistoryFile {
    /// The file, as far as its name is known before it is created.
    pub(crate) fn path(&self) -> &Path {
        match self {
            HistoryFile::Typed(path) | HistoryFile::Usual(path) => path,
        }
    }
}

/// What `steadfast record` does.
#[derive(Clone, Debug)]
pub(crate) struct RunPlan {
    pub(crate) store: StoreChoice,
    pub(crate) settings: RunSettings,
    /// The options that are specific to stores.
    pub(crate) choices: Choices,
    /// The scenario from which options were taken.
    pub(crate) scenario: Option<Scenario>,
    pub(crate) only_plan: bool,
    /// Whether this is one of several runs.
    pub(crate) repeated: bool,
    /// The file for the history.
    pub(crate) output: HistoryFile,
    /// Whether existing files may be replaced.
    pub(crate) force: bool,
    /// Faults that were planned to last beyond the period of faults, each as a sentence.
    pub(crate) cut_faults: Vec<String>,
    /// The files that the command reads.
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) spans: Option<SpanTarget>,
    pub(crate) quiet: bool,
    pub(crate) color: ColorMode,
}

impl RunPlan {
    /// The files that the command writes, each with its option.
    pub(crate) fn output_files(&self) -> Vec<(&'static str, &Path)> {
        let mut files = vec![("--output", self.output.path())];
        if let Some(SpanTarget::File(path)) = &self.spans {
            files.push(("--otlp", path));
        }
        files
    }
}

impl RunArgs {
    /// The same run `count` times, with consecutive seeds and separate history files.
    pub(crate) fn repeated_runs(&self, count: u16) -> Vec<RunArgs> {
        if count == 1 {
            return vec![self.clone()];
        }
        let one = |number: u64| {
            let mut run = self.clone();
            run.seed = run.seed.saturating_add(number);
            run.output = run.output.map(|path| path_with_seed(&path, run.seed));
            run.repeated = true;
            run
        };
        (0..u64::from(count)).map(one).collect()
    }

    /// Builds the plan. The error says what is wrong with the options.
    pub(crate) fn into_plan(self) -> Result<RunPlan, String> {
        let choices = self.store_choices()?;
        let schedule = self.fault_schedule(&choices)?;
        self.stack.require_description(self.store)?;
        let kind = stores::choose_workload(self.store, self.workload)?;
        if let (true, Some(SpanTarget::File(file))) = (self.repeated, &self.spans.otlp) {
            return Err(format!(
                "--otlp {} would be written by each of the runs. Pass --repeat 1, or the address of a collector.",
                file.display()
            ));
        }
        let (nodes, others) = (self.store.node_names(&choices)?, self.store.other_names(&choices));
        let plan = Plan::with_names(&schedule, self.seed, (&nodes, &others), self.duration);
        let name = format!("steadfast-{}-{}.jsonl", self.store.name(), self.seed);
        let inputs = self.input_files();
        Ok(RunPlan {
            store: self.store,
            settings: RunSettings {
                workload: self.workload_settings(kind, &choices)?,
                load: self.load,
                workers: usize::from(self.clients),
                timeout: self.operation_timeout,
                patience: Duration::from_secs(1),
                warm_start: self.lives.is_warm_start(kind)?,
                plan: plan.map_err(|why| why.to_string())?,
                duration: self.duration,
                after_heal: self.after_heal.unwrap_or(self.store.after_heal()),
                settle: self.settle,
                look_every: self.looks.poll_interval(),
            },
            choices,
            scenario: self.scenario.chosen_name().map(super::scenario::find_scenario).transpose()?,
            only_plan: self.plan,
            repeated: self.repeated,
            output: self.output.map_or_else(|| HistoryFile::Usual(PathBuf::from(name)), HistoryFile::Typed),
            force: self.force,
            cut_faults: describe_cut_faults(&schedule, self.duration),
            inputs,
            spans: self.spans.otlp,
            quiet: self.quiet,
            color: self.color.color_mode(),
        })
    }

    /// The options that are specific to stores.
    fn store_choices(&self) -> Result<Choices, String> {
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
            processes: self.given.node_processes(),
            restart_command: self.given.restart_command.clone(),
            switches: self.stack.parse_switches(self.store, self.replica_reads, self.wait)?,
            description: self.stack.read_description(self.store)?,
            // The command must end before the client gives up; otherwise each missing confirmation is a timeout.
            wait: self.wait.map(|count| (count, self.operation_timeout * 3 / 5)),
            replica_reads: self.replica_reads,
            confirms_reads: self.stack.confirm_reads_on(self.store)?,
            min_replicas: self.min_replicas.map(|count| (count, 2)),
            means: self.links.chosen_means(),
            time_to_live: self.time_to_live,
            keep_secrets: self.keep_secrets,
            skip_probe: self.stack.skips_probe(),
        })
    }

    /// The files that describe the run.
    fn input_files(&self) -> Vec<PathBuf> {
        let scenario = self.scenario.chosen_name().map(Path::new).filter(|file| file.is_file());
        let files = [self.schedule.as_deref(), self.stack.description_file(), scenario];
        files.into_iter().flatten().map(Path::to_owned).collect()
    }

    fn workload_settings(&self, kind: WorkloadKind, choices: &Choices) -> Result<WorkloadSettings, String> {
        let lists = kind == WorkloadKind::ListAppend;
        let lives = kind == WorkloadKind::Session && self.store.has_session_lifecycles();
        let mut settings = WorkloadSettings {
            kind,
            keys: self.keys as usize,
            key_distribution: self.key_distribution,
            sessions: self.sessions.map_or(usize::from(self.clients), |count| count as usize),
            in_flight_per_session: usize::from(self.tabs),
            churn: self.lives.session_churn(self.churn, lives),
            lives: self.lives.session_lives(lives),
            read_share: self.read_share,
            values: self.values,
            writes_per_key: lists.then_some(32),
            ..WorkloadSettings::new(self.seed)
        };
        self.finer.apply_to(&mut settings)?;
        settings.run = match (settings.run.take(), self.store.is_simulated()) {
            // Each of several runs has its own name.
            (Some(name), _) if self.repeated => Some(format!("{name}{}", self.seed).into()),
            (None, false) => Some(random_run_name()),
            (name, _) => name,
        };
        settings.lacks = self.store.unsupported_functions(choices);
        Ok(settings)
    }

    fn fault_schedule(&self, choices: &Choices) -> Result<FaultSchedule, String> {
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
    /// How to judge the history while it is written, if the user asked for that.
    pub(crate) fn live_plan(&self, recorded: &RunPlan) -> Result<Option<LivePlan>, String> {
        let sessions = SessionArgs { tolerance: self.tolerance.clone(), ..SessionArgs::default() };
        let objectives = self.measuring.clone().into_plan()?.or_of_scenario(recorded.scenario.as_ref())?;
        self.live.live_plan(recorded.settings.workload.kind, &self.consistency, sessions, objectives)
    }

    /// The plan to check a recorded history.
    pub(crate) fn into_check_plan(self, recorded: &RunPlan) -> Result<CheckPlan, String> {
        Ok(CheckPlan {
            sources: vec![HistorySource::from_argument(recorded.output.path().to_owned())],
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
            staleness: None,
            timeout: Some(Duration::from_secs(60)),
            bytes: super::check::BYTES_USUAL,
            threads: None,
            measuring: self
                .measuring
                .into_plan()?
                .refuse_impossible_objectives(&recorded.settings, recorded.store)?
                .with_objectives_of_scenario(
                    recorded.scenario.as_ref(),
                    &recorded.settings,
                    recorded.store,
                )?,
            format: self.format,
            certificate: None,
            spill: None,
            pictures: self.pictures,
            quiet: recorded.quiet,
            color: recorded.color,
            force: recorded.force,
            follow: None,
        })
    }
}

/// Describes the strikes whose start and length lead beyond the period of faults. The plan cuts them there.
fn describe_cut_faults(schedule: &FaultSchedule, duration: Duration) -> Vec<String> {
    let lasting = schedule.strikes.iter().filter(|strike| !strike.fault.is_momentary());
    let end = |strike: &Strike| Some((strike.at?.checked_add(strike.length?)?, strike.fault));
    let late = lasting.filter_map(end).filter(|(end, _)| *end > duration);
    late.map(|(end, fault)| {
        let (end, duration) = (workloads::format_duration(end), workloads::format_duration(duration));
        format!(
            "the fault {fault} was planned until {end} but ended at {duration}, the end of --duration. Pass a longer \
             --duration or a shorter fault."
        )
    })
    .collect()
}

pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("pass a number between 0 and 1".to_owned()),
    }
}
