//! The state of a judgement at one moment, as data. The page, the figures and the view are renderings of this value.

use crate::stream_judge::StreamJudge;
use crate::stream_levels::{FollowedLevel, describe_answers};
use crate::stream_lines::OutcomeCounts;
use crate::stream_objectives::{FollowedObjective, describe_objectives};
use checker::measurements::StreamPulse;
use serde::Serialize;
use std::time::{Duration, Instant};

/// The time over which a rate is measured.
const RATE_SPAN: Duration = Duration::from_secs(1);
/// The number of past rates that are kept, one for each [`RATE_SPAN`].
const RATES_MAX: usize = 120;

/// The state of a judgement.
#[derive(Clone, Default, Serialize)]
pub(crate) struct StreamStatus {
    /// The name of the stream.
    pub(crate) history: String,
    pub(crate) model: &'static str,
    pub(crate) elapsed_seconds: f64,
    /// The number of events.
    pub(crate) events: u64,
    /// The number of operations that ended, by outcome.
    pub(crate) operations: OutcomeCounts,
    pub(crate) open_operations: usize,
    /// The number of events that came later than --lateness allows.
    pub(crate) late_events: u64,
    /// Operations that ended per second, over the last second.
    pub(crate) operations_per_second: f64,
    /// The same for the last two minutes, the oldest first.
    pub(crate) rates: Vec<f64>,
    /// The watermark: the number of events that are judged and whose meaning no later event can change.
    pub(crate) judged: u64,
    /// The operations that the monitor keeps.
    pub(crate) kept_operations: usize,
    /// The memory of this process in bytes, if the system tells it.
    pub(crate) memory_bytes: Option<u64>,
    /// The memory that the monitor may use.
    pub(crate) memory_bytes_max: usize,
    /// The bytes of a file that were not read yet.
    pub(crate) unread_bytes: Option<u64>,
    /// The time since the last event.
    pub(crate) quiet_seconds: f64,
    /// The time that the last judgement took.
    pub(crate) judgement_seconds: f64,
    pub(crate) levels: Vec<FollowedLevel>,
    pub(crate) objectives: Vec<FollowedObjective>,
    pub(crate) users: UserStatus,
    pub(crate) violations: Vec<ViolationStatus>,
    /// Whether the stream has ended.
    pub(crate) ended: bool,
}

/// What users experience just now.
#[derive(Clone, PartialEq, Default, Serialize)]
pub(crate) struct UserStatus {
    /// The latency of the latest successes in seconds: median, 99th percentile and maximum. None without successes with times.
    pub(crate) latency_seconds: Option<[f64; 3]>,
    /// The faults that are in force.
    pub(crate) faults: Vec<String>,
    /// The sessions with an operation that ended in an error since the latest fault struck, and those of them without an answer since.
    pub(crate) affected_sessions: usize,
    pub(crate) waiting_sessions: usize,
    /// Whether there are more such sessions than were told apart.
    pub(crate) is_lower_bound: bool,
}

/// A violation in a few words.
#[derive(Clone, Serialize)]
pub(crate) struct ViolationStatus {
    /// The number of the violation, from one.
    pub(crate) number: usize,
    /// The event that made it certain.
    pub(crate) event: u64,
    pub(crate) level: &'static str,
    /// The kind of the anomaly.
    pub(crate) anomaly: String,
    /// The object as JSON, if it has a name.
    pub(crate) key: Option<String>,
    pub(crate) text: String,
}

impl StreamStatus {
    /// The worst verdict so far: `violated`, `unknown`, `untested` or `holds`. Without any level, nothing was tested.
    pub(crate) fn verdict(&self) -> &'static str {
        if self.levels.is_empty() {
            return "untested";
        }
        let has = |verdict: &&str| self.levels.iter().any(|level| level.verdict == *verdict);
        ["violated", "unknown", "untested"].into_iter().find(has).unwrap_or("holds")
    }

    /// The number of events that the judgement is behind.
    pub(crate) fn lag_events(&self) -> u64 {
        self.events.saturating_sub(self.judged)
    }
}

/// Takes the state of a judgement, and remembers what rates need.
pub(crate) struct StatusKeeper {
    began: Instant,
    rate_since: Instant,
    rate_from: u64,
    event_at: Instant,
    pub(crate) status: StreamStatus,
}

impl StatusKeeper {
    pub(crate) fn new(name: &str) -> Self {
        let now = Instant::now();
        let status = StreamStatus { history: name.to_owned(), ..StreamStatus::default() };
        Self { began: now, rate_since: now, rate_from: 0, event_at: now, status }
    }

    /// Takes the present state. `unread_bytes` are those of a file.
    pub(crate) fn take_state(&mut self, judge: &StreamJudge, unread_bytes: Option<u64>) {
        let (monitor, now) = (&judge.monitor, Instant::now());
        let status = &mut self.status;
        if judge.lines.event_count() != status.events {
            self.event_at = now;
        }
        status.model = monitor.question().model.name();
        status.elapsed_seconds = (now - self.began).as_secs_f64();
        status.events = judge.lines.event_count();
        status.operations = judge.lines.outcomes();
        status.open_operations = judge.lines.open_count();
        status.late_events = judge.late_events;
        status.judged = monitor.watermark();
        status.kept_operations = monitor.kept_operations();
        status.memory_bytes = read_resident_bytes();
        status.memory_bytes_max = monitor.limits().bytes;
        status.unread_bytes = unread_bytes;
        status.quiet_seconds = (now - self.event_at).as_secs_f64();
        status.judgement_seconds = judge.judgement_took().as_secs_f64();
        status.levels = describe_answers(monitor);
        status.objectives = describe_objectives(&judge.figures, status.ended);
        status.users = describe_users(judge.figures.pulse());
        let span = now - self.rate_since;
        if span >= RATE_SPAN {
            let ended = status.operations.total();
            status.operations_per_second = (ended - self.rate_from) as f64 / span.as_secs_f64();
            status.rates.push(status.operations_per_second);
            let excess = status.rates.len().saturating_sub(RATES_MAX);
            status.rates.drain(..excess);
            (self.rate_since, self.rate_from) = (now, ended);
        }
    }

    /// Begins to measure the rate, so that what an earlier process counted is in no rate.
    pub(crate) fn begin_rate(&mut self, ended: u64) {
        self.rate_from = ended;
    }
}

fn describe_users(pulse: StreamPulse) -> UserStatus {
    let StreamPulse { latency, faults, affected_sessions, waiting_sessions, is_lower_bound } = pulse;
    let latency_seconds = latency.map(|of| [of.p50, of.p99, of.max].map(|ns| ns as f64 / 1e9));
    UserStatus { latency_seconds, faults, affected_sessions, waiting_sessions, is_lower_bound }
}

/// The memory of this process that is resident.
fn read_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
