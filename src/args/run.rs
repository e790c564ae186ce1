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
use super::repeat::RepeatArgs;
use super::sessions::{SessionArgs, ToleranceArgs};
use super::spans::{SpanArgs, SpanTarget};
use super::stores::{self, StackArgs, StackPlan, StoreName};
use super::workload::WorkloadArgs;
use crate::report::Format;
use crate::subject::Promise;
use checker::check::{Assume, FailedCas};
use recorder::RunSettings;
use recorder::stores::embedded::{Bug, Options, Reads, Replication};
use recorder::system::Means;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use workloads::{Distribution, Kind, Load, Plan, Scenario, Schedule, Settings, Strike, Timing};

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// What is driven (`steadfast stores` lists them)
    #[arg(value_name = "STORE", value_enum, default_value = "embedded")]
    store: StoreName,

    #[command(flatten)]
    pub(super) scenario: super::scenario::ScenarioArgs,

    /// What is done [default: register; session where a stack keeps nothing else]
    #[arg(long, value_name = "NAME", value_parser = Kind::from_str, help_heading = "Workload")]
    workload: Option<Kind>,
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
    replication: Replication,
    /// embedded: who answers reads: primary, any, or sticky (any, but one for a session)
    #[arg(long, value_name = "NAME", value_parser = Reads::from_str, default_value = "primary", help_heading = "Store")]
    reads: Reads,
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

    /// Where the history goes [default: steadfast-STORE-SEED.jsonl]
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,
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
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_parser = names::level(), help_heading = "Question", hide_possible_values = true)]
    consistency: Vec<Promise>,
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

/// What `steadfast record` is to do.
#[derive(Clone, Debug)]
pub(crate) struct RunPlan {
    pub(crate) store: StoreName,
    pub(crate) settings: RunSettings,
    pub(crate) embedded: Options,
    pub(crate) stack: StackPlan,
    /// How many replicas must confirm, and for how long to wait for them.
    pub(crate) wait: Option<(u32, Duration)>,
    pub(crate) replica_reads: bool,
    pub(crate) confirms_reads: bool,
    pub(crate) addresses: Vec<String>,
    pub(crate) sentinels: Vec<String>,
    pub(crate) given: GivenArgs,
    pub(crate) min_replicas: Option<(u32, u32)>,
    /// What the links are to be made of, if the user said.
    pub(crate) means: Option<Means>,
    pub(crate) time_to_live: Duration,
    /// The scenario that the options come from.
    pub(crate) scenario: Option<Scenario>,
    pub(crate) only_plan: bool,
    /// Whether this is one of several runs.
    pub(crate) repeated: bool,
    pub(crate) output: PathBuf,
    pub(crate) spans: Option<SpanTarget>,
    pub(crate) quiet: bool,
    pub(crate) color: Color,
}

impl RunPlan {
    /// The operations that give a session its whole time to live anew.
    pub(crate) fn renewed_by(&self) -> Vec<String> {
        match &self.stack.description {
            Some((_, description)) => description.renewed_by().to_vec(),
            None if self.store == StoreName::ExpressRedis => {
                ["create", "read", "write", "patch", "touch", "renew"].map(str::to_owned).to_vec()
            }
            None => ["create", "write", "patch", "touch", "renew"].map(str::to_owned).to_vec(),
        }
    }
}

impl RunArgs {
    /// What is meant, or what is wrong with what was typed.
    pub(crate) fn plan(self) -> Result<RunPlan, String> {
        let schedule = self.schedule()?;
        let stack = self.stack.plan(self.store, self.replica_reads, self.wait)?;
        let kind = stores::kind(self.store, self.workload)?;
        let embedded = Options {
            nodes: usize::from(self.nodes),
            replication: self.replication,
            reads: self.reads,
            writes: self.lives.writes,
            time_to_live: self.time_to_live,
            bugs: self.bug.clone(),
        };
        if let (true, Some(SpanTarget::File(file))) = (self.repeated, &self.spans.otlp) {
            return Err(format!("each of several runs would write its spans to {}", file.display()));
        }
        let nodes = match self.store {
            StoreName::Embedded => embedded.node_names(),
            StoreName::Redis => (1..=self.address.len()).map(|number| format!("n{number}")).collect(),
            StoreName::Http => stack.entry_names(),
            store => stores::node_names(store, &stack.switches)?,
        };
        let plan = Plan::new(&schedule, self.seed, &nodes, self.duration);
        let name = format!("steadfast-{}-{}.jsonl", self.store.name(), self.seed);
        Ok(RunPlan {
            store: self.store,
            settings: RunSettings {
                workload: self.settings(kind)?,
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
            embedded,
            stack,
            // The operation must end before the client gives up, or each short confirmation is a time-out.
            wait: self.wait.map(|count| (count, self.operation_timeout * 3 / 5)),
            replica_reads: self.replica_reads,
            confirms_reads: self.stack.confirms_reads(self.store)?,
            addresses: self.address,
            sentinels: self.sentinel,
            given: self.given,
            min_replicas: self.min_replicas.map(|count| (count, 2)),
            means: self.links.means(),
            time_to_live: self.time_to_live,
            scenario: self.scenario.chosen().map(super::scenario::find).transpose()?,
            only_plan: self.plan,
            repeated: self.repeated,
            output: self.output.unwrap_or_else(|| PathBuf::from(name)),
            spans: self.spans.otlp,
            quiet: self.quiet,
            color: if self.no_color { Color::Never } else { Color::Auto },
        })
    }

    fn settings(&self, kind: Kind) -> Result<Settings, String> {
        let lists = kind == Kind::ListAppend;
        let embedded = kind == Kind::Session && self.store == StoreName::Embedded;
        let mut settings = Settings {
            kind,
            keys: self.keys as usize,
            key_distribution: self.key_distribution,
            sessions: self.sessions.map_or(usize::from(self.clients), |count| count as usize),
            in_flight_per_session: usize::from(self.tabs),
            churn: self.lives.churn(self.churn, embedded),
            lives: self.lives.plan(embedded),
            read_share: self.read_share,
            values: self.values,
            writes_per_key: lists.then_some(32),
            ..Settings::new(self.seed)
        };
        self.finer.apply(&mut settings)?;
        Ok(settings)
    }

    fn schedule(&self) -> Result<Schedule, String> {
        if let Some(file) = &self.schedule {
            let text = std::fs::read_to_string(file)
                .map_err(|why| format!("failed to read {}: {why}", file.display()))?;
            let schedule = Schedule::from_toml(&text).map_err(|why| format!("{}: {why}", file.display()))?;
            schedule.strikes.iter().try_for_each(|strike| self.store.lets(strike))?;
            self.given.let_all(self.store, &schedule.strikes)?;
            return Ok(schedule);
        }
        let mut asked: Vec<&str> = self.faults.iter().map(String::as_str).collect();
        if asked.is_empty() && self.store.is_ours() {
            asked.push(self.store.usual_fault());
        }
        asked.retain(|fault| *fault != "none");
        let strikes = asked.into_iter().map(|fault| fault.parse::<Strike>().map_err(|why| why.to_string()));
        let strikes = strikes.collect::<Result<Vec<Strike>, _>>()?;
        strikes.iter().try_for_each(|strike| self.store.lets(strike))?;
        self.given.let_all(self.store, &strikes)?;
        Ok(Schedule { strikes, timing: self.timing, length: self.fault_length })
    }
}

impl JudgeArgs {
    /// The check of a history that was just written.
    pub(crate) fn plan(self, recorded: &RunPlan) -> Result<CheckPlan, String> {
        Ok(CheckPlan {
            sources: vec![Source::of(recorded.output.clone())],
            reading: ReadingArgs::default(),
            model: None,
            levels: (!self.consistency.is_empty()).then_some(self.consistency),
            all_levels: false,
            assume: Assume::default(),
            init: "null".to_owned(),
            failed_cas: FailedCas::default(),
            sessions: SessionArgs { tolerance: self.tolerance, ..SessionArgs::default() },
            invariants: super::invariants::InvariantArgs::default(),
            timeout: Some(Duration::from_secs(60)),
            bytes: 2 << 30,
            threads: None,
            measuring: self.measuring.plan()?.possible_in(recorded)?,
            format: self.format,
            certificate: None,
            pictures: self.pictures,
            quiet: recorded.quiet,
            color: recorded.color,
        })
    }
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number between 0 and 1".to_owned()),
    }
}
