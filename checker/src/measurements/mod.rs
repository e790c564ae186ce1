//! Measures what a history shows of how long users waited and what they lost: figures, not verdicts.
//!
//! Every figure is a function of the history: of when operations were invoked and ended, and of when faults struck and
//! were healed. `docs/measurements.md` defines each figure, and [`METRICS`] lists them. A figure that the history does
//! not show is missing with a reason; it is never zero.
//!
//! Everything costs O(n log n) for n operations. All times are those of the history, and nothing recurses.

mod amplification;
mod availability;
mod catalogue;
mod comparison;
mod convergence;
mod faults;
mod figure;
mod in_time;
mod latency;
mod losses;
mod nodes;
mod notes;
mod recorder_events;
mod recovery;
mod replication;
mod retries;
mod samples;
mod staleness;
mod state;
mod stream;
mod survival;
mod timeline;
mod turned_away;

pub use catalogue::{Better, METRICS, MeasuredFigure, Metric, MetricValues, Unit, find_metric};
pub use comparison::{MetricChange, MetricComparison, Noise, Summary, compare_runs};
pub use convergence::NEVER as NEVER_TOGETHER;
pub use faults::MeasuredFault;
pub use figure::Figure;
pub use in_time::TimeOver;
pub use latency::{Latency, LatencyPhases, Quantiles};
pub use losses::{
    LostOperations, MeasuredLosses, measure_register_losses, measure_register_losses_within,
    measure_session_losses, measure_session_losses_within,
};
pub use replication::{
    FinalReplicas, NodeReads, ObservedReplication, RESOLUTION_NS, ReplicationBasis, ReplicationMeasurements,
};
pub use staleness::StaleRead;
pub use stream::{
    BurnRateAlert, BurnRateRule, ObjectiveStanding, OperationCounts, StreamFigures, StreamObjective,
    StreamPulse, USUAL_RULES,
};
pub use timeline::{RunTimeline, TimelineBucket};

use claims::Limits;
use convergence::ConvergenceTime;
use histories::{History, OpId, Outcome, ValueId};
use in_time::in_time;
use recovery::Recovery;
use samples::{Sample, Samples, UserOutcome};
use staleness::Staleness;
use state::SessionStateTracker;
use survival::SessionWait;

const NO_TIMES: &str = "the history has no times";
const NO_FAULT: &str = "no fault struck";
const NOTHING_ASKED: &str = "no operation ran while the fault was responsible";
const NO_SESSIONS: &str = "this history has no sessions";

/// All measurements of one history.
#[derive(Clone, PartialEq, Debug)]
pub struct Measurements {
    /// The figures of the whole run: every metric of [`METRICS`], in that order.
    pub run: MetricValues,
    /// The figures of each fault, in the order in which the faults struck.
    pub faults: Vec<FaultMeasurements>,
    /// The errors of the run by kind, the most frequent first.
    pub errors: Vec<ErrorKind>,
    /// Latency over the run.
    pub latency: Latency,
    /// What the history shows of replication.
    pub replication: ReplicationMeasurements,
    /// The run in buckets of time; `None` if the history has no times.
    pub timeline: Option<RunTimeline>,
    /// The stale reads, in order of invocation.
    pub stale_reads: Vec<StaleRead>,
    /// The number of reads whose version is not known, so that their staleness is not known either.
    pub untraced_reads: usize,
    /// The number of ids that no client was told, so that no replica could be asked for them. Convergence is measured
    /// without them.
    pub ids_out_of_reach: usize,
}

/// The measurements of one fault.
#[derive(Clone, PartialEq, Debug)]
pub struct FaultMeasurements {
    /// The fault.
    pub fault: MeasuredFault,
    /// The metrics that are measured for a single fault.
    pub values: MetricValues,
    /// Latency before, during and after the fault.
    pub phases: LatencyPhases,
    /// The errors attributed to the fault, by kind, the most frequent first.
    pub errors: Vec<ErrorKind>,
    /// The times, in ns, at which the first and the last of the acknowledged writes that it lost were acknowledged.
    pub lost_window: Option<(i64, i64)>,
    /// The number of affected sessions that stopped asking, so that it is unknown when they would have been answered.
    pub silent_sessions: usize,
}

impl Measurements {
    /// What is left when the time limit was reached first: every figure is missing for that reason.
    pub fn not_in_time() -> Self {
        let mut run = MetricValues::default();
        METRICS.iter().for_each(|metric| run.set_figure(metric.name, Err::<Figure, _>(TimeOver::WHY)));
        Self {
            run,
            faults: Vec::new(),
            errors: Vec::new(),
            latency: Latency::default(),
            replication: ReplicationMeasurements::unknown(),
            timeline: None,
            stale_reads: Vec::new(),
            untraced_reads: 0,
            ids_out_of_reach: 0,
        }
    }
}

impl FaultMeasurements {
    /// Whether the fault affected any session or lost any acknowledged write.
    pub fn hurt_anyone(&self) -> bool {
        let some = |name| {
            let figure = find_metric(name).and_then(|metric| self.values.get(metric));
            figure.is_some_and(|figure| figure.is_ok_and(|count| count.most > 0.0))
        };
        some("affected_sessions") || some("lost_writes")
    }
}

/// The number of errors of one kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErrorKind {
    /// The text of the error, with numbers replaced and quoted parts left out.
    pub kind: String,
    /// Operations that failed, so that they took no effect.
    pub failed: usize,
    /// Indeterminate operations.
    pub unknown: usize,
}

/// Measures a history without a limit. `initial` is what every object holds at first; `losses` is what was lost.
pub fn measure_history(history: &History, initial: ValueId, losses: &MeasuredLosses) -> Measurements {
    measure_history_within(history, initial, losses, &Limits::unbounded()).expect("there is no limit")
}

/// Measures a history. `initial` is what every object holds at first; `losses` is what was lost. O(n log n).
///
/// # Errors
/// The time limit was reached before everything had been measured. There are no figures then, not even some.
pub fn measure_history_within(
    history: &History,
    initial: ValueId,
    losses: &MeasuredLosses,
    limits: &Limits<'_>,
) -> Result<Measurements, TimeOver> {
    let stop = limits.stop;
    let (samples, staleness) = rayon::join(
        || Samples::from_history(history, stop),
        || staleness::measure_staleness(history, initial, stop),
    );
    let (samples, staleness) = (samples?, staleness?);
    let end = samples.span().map_or(0, |(_, end)| end);
    let faults = faults::read_faults(history, end);
    let latency = Latency::from_samples(&samples.rows);
    let median = latency.service_time.map_or(0, |quantiles| quantiles.p50);
    let spans = availability::find_unserved_spans(&samples, median);
    let state = SessionStateTracker::from_history(history, &staleness, stop)?;
    let recovery = |fault| recovery::measure_recovery(&samples, state.as_ref(), fault, stop);
    let recoveries: Vec<Recovery> = faults.iter().map(recovery).collect();
    let looks = convergence::ReplicaLooks::from_history(history, stop)?;
    let sessions = MeasuredSessions {
        recorded: state.is_some(),
        some_lost: losses.sessions.is_ok_and(|lost| lost.least > 0.0),
    };
    let mut told: Vec<FaultMeasurements> = Vec::new();
    for (at, recovery) in recoveries.iter().enumerate() {
        in_time(stop)?;
        let mut one = measure_fault(&samples, &faults, at, recovery, sessions, &spans);
        set_convergence(
            &mut one.values,
            looks.convergence_after(&faults[at], faults.get(at + 1).map(|next| next.positions.0)),
        );
        attribute_losses(&mut one, history, &faults, at, losses);
        if faults[at].in_force == Some(false) {
            one.values.withhold_all(faults::NOT_IN_FORCE);
        }
        told.push(one);
    }
    let mut run = MetricValues::default();
    set_availability(&mut run, &samples, &spans);
    set_run_recovery(&mut run, &faults, &recoveries, sessions);
    set_worst_fault(&mut run, &told);
    set_worst_convergence(&mut run, &told);
    set_losses(&mut run, losses);
    let asked = if samples.rows.is_empty() { Err(NO_TIMES) } else { Ok(()) };
    run.set_figure("retries", asked.map(|()| retries::count_retries(history, &samples, stop) as f64));
    set_latency(&mut run, &latency);
    run.set_figure(
        "start_warm_up_seconds",
        latency::measure_start_warm_up(&samples, &faults).map(to_seconds),
    );
    set_staleness(&mut run, &staleness, samples.rows.is_empty());
    let (commands, bytes) = amplification::measure_amplification(history, stop);
    run.set_figure("write_amplification_commands", commands);
    run.set_figure("write_amplification_bytes", bytes);
    let replication = replication::measure_replication(history, &samples, &faults, &staleness, losses, stop)?;
    let divergent = replication.replicas.as_ref().filter(|replicas| replicas.keys > 0);
    let unread = "no key was read at two replicas in the end";
    run.set_figure("divergent_keys", divergent.map(|replicas| replicas.divergent.len() as f64).ok_or(unread));
    run.sort_by_table();
    let timeline = timeline::build_timeline(&samples);
    in_time(stop)?;
    Ok(Measurements {
        run,
        faults: told,
        errors: count_errors(&samples, &samples.rows, samples.turned_away.len()),
        latency,
        replication,
        timeline,
        untraced_reads: staleness.untraced,
        stale_reads: staleness.stale,
        ids_out_of_reach: looks.out_of_reach,
    })
}

fn to_seconds(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// Sets the figures of availability, errors and throughput.
fn set_availability(values: &mut MetricValues, samples: &Samples, spans: &[(i64, i64)]) {
    let answered = samples.rows.iter().filter(|row| row.end != UserOutcome::Error).count();
    let (count, span) = (samples.rows.len() + samples.turned_away.len(), samples.span());
    let share = |part: usize| if count == 0 { Err(NO_TIMES) } else { Ok(part as f64 / count as f64) };
    values.set_figure("availability_share", share(answered));
    values.set_figure("error_share", share(count - answered));
    let unavailable: i64 = spans.iter().map(|(from, to)| to - from).sum();
    let longest = spans.iter().map(|(from, to)| to - from).max().unwrap_or(0);
    let long = span.map(|(from, to)| to - from).filter(|&long| long > 0).ok_or(NO_TIMES);
    values.set_figure("available_time_share", long.map(|long| 1.0 - unavailable as f64 / long as f64));
    values.set_figure("unavailable_seconds", long.map(|_| to_seconds(unavailable)));
    values.set_figure("unavailable_longest_seconds", long.map(|_| to_seconds(longest)));
    let waits = Quantiles::from_sorted(&availability::unserved_by_session(samples)).ok_or(NO_TIMES);
    values.set_figure("session_unavailable_p50_seconds", waits.map(|waits| to_seconds(waits.p50)));
    values.set_figure("session_unavailable_p99_seconds", waits.map(|waits| to_seconds(waits.p99)));
    values.set_figure("session_unavailable_max_seconds", waits.map(|waits| to_seconds(waits.max)));
    let ok = samples.rows.iter().filter(|row| row.end == UserOutcome::Success).count();
    values.set_figure("throughput_per_second", long.map(|long| ok as f64 / to_seconds(long)));
}

/// What is known of the sessions of a history before its faults are measured.
#[derive(Clone, Copy)]
struct MeasuredSessions {
    /// Whether the operations are about sessions.
    recorded: bool,
    /// Whether some session is certainly lost.
    some_lost: bool,
}

/// Sets the figures of recovery over all faults that were in force.
fn set_run_recovery(
    values: &mut MetricValues,
    faults: &[MeasuredFault],
    recoveries: &[Recovery],
    sessions: MeasuredSessions,
) {
    let mut all = Recovery::default();
    for (_, one) in faults.iter().zip(recoveries).filter(|(fault, _)| fault.in_force != Some(false)) {
        all.add_fault(one);
    }
    all.waits.sort_unstable();
    all.state_waits.sort_unstable();
    let struck = match faults.iter().any(|fault| fault.in_force != Some(false)) {
        true => Ok(()),
        false if faults.is_empty() => Err(NO_FAULT),
        false => Err(faults::NOT_IN_FORCE),
    };
    set_recovery(values, struck, &all, sessions);
}

/// Sets the percentiles of recovery. They are zero if requests were made and no session was affected, because then no
/// user waited.
fn set_recovery(
    values: &mut MetricValues,
    struck: Result<(), &'static str>,
    found: &Recovery,
    sessions: MeasuredSessions,
) {
    let asked = struck.and(if found.asked { Ok(()) } else { Err(NOTHING_ASKED) });
    let of = |waits: &[SessionWait], share| match waits {
        [] => Figure::exactly(0.0),
        waits => survival::wait_quantile(waits, share),
    };
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        values.set_figure(&format!("recovery_{name}_seconds"), asked.map(|()| of(&found.waits, share)));
        let state = asked.and(if sessions.recorded { Ok(()) } else { Err(NO_SESSIONS) });
        let state = state.map(|()| of(&found.state_waits, share));
        values.set_figure(&format!("recovery_with_state_{name}_seconds"), state);
    }
    let share = match (asked, sessions.recorded, found.with_state) {
        (Err(why), ..) => Err(why),
        (_, false, _) => Err(NO_SESSIONS),
        (_, _, 0) if found.state_waits.is_empty() && sessions.some_lost => {
            Err("sessions were lost, and no request failed that would show which of them the fault affected")
        }
        (_, _, 0) if found.state_waits.is_empty() => Ok(1.0),
        (_, _, 0) => Err("no affected session was asked for again"),
        (_, _, all) => Ok(found.recovered_with_state as f64 / all as f64),
    };
    values.set_figure("recovered_with_state_share", share);
    values.set_figure("affected_sessions", asked.map(|()| found.affected_sessions() as f64));
    values.set_figure("unrecovered_sessions", asked.map(|()| found.unrecovered as f64));
    values.set_figure("silent_sessions", asked.map(|()| found.silent as f64));
}

/// Measures one fault.
fn measure_fault(
    samples: &Samples,
    faults: &[MeasuredFault],
    at: usize,
    recovery: &Recovery,
    sessions: MeasuredSessions,
    spans: &[(i64, i64)],
) -> FaultMeasurements {
    let fault = &faults[at];
    let events = faults.iter().flat_map(|other| [Some(other.struck), other.healed]).flatten();
    let quiet_since = events.filter(|&time| time < fault.struck).max().unwrap_or(i64::MIN);
    let phases = latency::measure_phases(samples, fault, quiet_since);
    let until = fault.until.saturating_add(1);
    let rows = samples.invoked_between(fault.struck, until);
    let away = turned_away::count_due_between(&samples.turned_away, fault.struck, until);
    let asked = rows.len() + away;
    let failed = rows.iter().filter(|row| row.end == UserOutcome::Error).count() + away;
    let share = |part: usize| match asked {
        0 => Err(NOTHING_ASKED),
        all => Ok(part as f64 / all as f64),
    };
    let mut values = MetricValues::default();
    set_recovery(&mut values, Ok(()), recovery, sessions);
    let first = survival::first_wait(&recovery.waits).unwrap_or(Figure::exactly(0.0));
    values.set_figure("recovery_first_seconds", if recovery.asked { Ok(first) } else { Err(NOTHING_ASKED) });
    values.set_figure("availability_share", share(asked - failed));
    values.set_figure("error_share", share(failed));
    let unavailable = availability::unserved_within_ns(spans, fault.struck, fault.until);
    values.set_figure("unavailable_seconds", Ok(to_seconds(unavailable)));
    values.set_figure("warm_up_seconds", latency::measure_warm_up(samples, fault, &phases.before));
    let silent_sessions = recovery.silent;
    let errors = count_errors(samples, rows, away);
    FaultMeasurements { fault: fault.clone(), values, phases, errors, lost_window: None, silent_sessions }
}

/// Attributes lost writes to a fault: those acknowledged after it struck and before the next fault did. The first fault
/// also gets those acknowledged before it.
fn attribute_losses(
    told: &mut FaultMeasurements,
    history: &History,
    faults: &[MeasuredFault],
    at: usize,
    losses: &MeasuredLosses,
) {
    let from = if at == 0 { i64::MIN } else { faults[at].struck };
    let next = faults.get(at + 1).map_or(i64::MAX, |next| next.struck);
    let own = |id: &&OpId| history.completed_at(**id).is_some_and(|time| (from..next).contains(&time));
    let part = |lost: &Result<LostOperations, &'static str>| {
        let of = |ids: &[OpId]| ids.iter().filter(own).copied().collect();
        lost.as_ref()
            .map(|lost| LostOperations { certain: of(&lost.certain), open: of(&lost.open) })
            .map_err(|why| *why)
    };
    let window = |ids: &mut dyn Iterator<Item = &OpId>| {
        let times = ids.filter_map(|&id| history.completed_at(id));
        times.fold(None, |window: Option<(i64, i64)>, time| match window {
            Some((first, last)) => Some((first.min(time), last.max(time))),
            None => Some((time, time)),
        })
    };
    let (writes, renewals) = (part(&losses.writes), part(&losses.renewals));
    told.lost_window = writes.as_ref().ok().and_then(|lost| window(&mut lost.certain.iter()));
    let long = |window: Option<(i64, i64)>| to_seconds(window.map_or(0, |(first, last)| last - first));
    let point = writes.as_ref().map(|lost| {
        let all = window(&mut lost.certain.iter().chain(&lost.open));
        Figure::between(long(told.lost_window), long(all))
    });
    told.values.set_figure("recovery_point_seconds", point.map_err(|why| *why));
    told.values.set_figure("lost_writes", writes.as_ref().map(LostOperations::count).map_err(|why| *why));
    told.values.set_figure("lost_renewals", renewals.as_ref().map(LostOperations::count).map_err(|why| *why));
    told.values.sort_by_table();
}

/// Sets figures of the run to those of the worst fault. If the figure of some fault is unknown, that fault may have
/// been the worst.
fn set_worst_fault(values: &mut MetricValues, faults: &[FaultMeasurements]) {
    let in_force = || faults.iter().filter(|fault| fault.fault.in_force != Some(false));
    for name in ["recovery_first_seconds", "recovery_point_seconds", "warm_up_seconds"] {
        let metric = find_metric(name).expect("it is in the table");
        let figures = || in_force().filter_map(|fault| fault.values.get(metric));
        let reason = figures().find_map(Result::err);
        let known = figures()
            .filter_map(Result::ok)
            .reduce(|one, other| Figure::between(one.least.max(other.least), one.most.max(other.most)));
        let figure = match (known, reason) {
            (Some(known), None) => Ok(known),
            (Some(known), Some(_)) => Ok(Figure::at_least(known.least)),
            (None, Some(why)) => Err(why),
            (None, None) if faults.is_empty() => Err(NO_FAULT),
            (None, None) => Err(faults::NOT_IN_FORCE),
        };
        values.set_figure(name, figure);
    }
}

/// Sets the time after which replicas held the same data again, and its uncertainty.
fn set_convergence(values: &mut MetricValues, together: Result<ConvergenceTime, &'static str>) {
    values.set_figure("convergence_seconds", together.map(|together| to_seconds(together.seen)));
    values
        .set_figure("convergence_uncertainty_seconds", together.map(|together| to_seconds(together.within)));
}

/// Sets the convergence of the run to that of the fault with the longest. Never counts as longer than any time.
fn set_worst_convergence(values: &mut MetricValues, faults: &[FaultMeasurements]) {
    let [time, within] = ["convergence_seconds", "convergence_uncertainty_seconds"]
        .map(|name| find_metric(name).expect("it is in the table"));
    let of = |fault: &FaultMeasurements| {
        let figure = |metric| fault.values.get(metric).unwrap_or(Err(NO_FAULT));
        (figure(time), figure(within))
    };
    let never = faults.iter().map(of).find(|figures| figures.0 == Err(convergence::NEVER));
    let known = || {
        let times = faults.iter().map(of).filter_map(|figures| Some((figures.0.ok()?.least, figures)));
        times.max_by(|a, b| a.0.total_cmp(&b.0)).map(|found| found.1)
    };
    let figures = never.or_else(known).or_else(|| faults.first().map(of));
    let (seen, uncertain) = figures.unwrap_or((Err(NO_FAULT), Err(NO_FAULT)));
    values.set_figure(time.name, seen);
    values.set_figure(within.name, uncertain);
}

fn set_losses(values: &mut MetricValues, losses: &MeasuredLosses) {
    let count = |of: &Result<usize, &'static str>| of.map(|count| count as f64);
    let lost = |of: &Result<LostOperations, &'static str>| {
        of.as_ref().map(LostOperations::count).map_err(|why| *why)
    };
    values.set_figure("lost_sessions", losses.sessions);
    values.set_figure("lost_writes", lost(&losses.writes));
    values.set_figure("lost_renewals", lost(&losses.renewals));
    values.set_figure("lost_actions", count(&losses.actions));
    values.set_figure("duplicated_actions", count(&losses.duplicates));
}

fn set_latency(values: &mut MetricValues, latency: &Latency) {
    for (kind, quantiles) in [("latency", latency.latency), ("service_time", latency.service_time)] {
        let quantiles = quantiles.ok_or("nothing succeeded at a known time");
        let mut set = |rank: &str, pick: fn(Quantiles) -> i64| {
            values.set_figure(
                &format!("{kind}_{rank}_seconds"),
                quantiles.map(|quantiles| to_seconds(pick(quantiles))),
            );
        };
        set("p50", |quantiles| quantiles.p50);
        set("p90", |quantiles| quantiles.p90);
        set("p99", |quantiles| quantiles.p99);
        set("p999", |quantiles| quantiles.p999);
        set("max", |quantiles| quantiles.max);
    }
}

fn set_staleness(values: &mut MetricValues, staleness: &Staleness, no_times: bool) {
    let traced = match (no_times, staleness.traced) {
        (true, _) => Err(NO_TIMES),
        (false, 0) => Err("no read could be traced to one write"),
        (false, traced) => Ok(traced),
    };
    let mut ages: Vec<i64> = staleness.stale.iter().map(|read| read.age).collect();
    ages.sort_unstable();
    let versions = staleness.stale.iter().map(|read| read.versions).max().unwrap_or(0);
    values.set_figure("stale_read_share", traced.map(|traced| ages.len() as f64 / traced as f64));
    values.set_figure("staleness_versions", traced.map(|_| f64::from(versions)));
    // Fresh reads have an age of zero. They are by far the most, and are not in the list.
    let p99 = |traced: usize| {
        let rank = (traced * 99).div_ceil(100);
        (rank + ages.len()).checked_sub(traced + 1).map_or(0, |at| ages[at])
    };
    values.set_figure("staleness_p99_seconds", traced.map(|traced| to_seconds(p99(traced))));
    let atomic = |ns| match staleness.has_swaps {
        true => Figure::at_least(to_seconds(ns)),
        false => Figure::exactly(to_seconds(ns)),
    };
    values.set_figure("staleness_delta_seconds", traced.map(|_| atomic(staleness.delta)));
    values.set_figure("staleness_gamma_seconds", traced.map(|_| atomic(staleness.gamma)));
}

/// Counts errors by kind, the most frequent first, including users who were turned away.
fn count_errors(samples: &Samples, rows: &[Sample], turned_away: usize) -> Vec<ErrorKind> {
    let mut counts = vec![(0, 0); samples.errors.len()];
    for row in rows.iter().filter(|row| row.end == UserOutcome::Error) {
        let (failed, unknown) = &mut counts[row.error as usize];
        match row.outcome {
            Outcome::Fail => *failed += 1,
            Outcome::Ok | Outcome::Info => *unknown += 1,
        }
    }
    let kinds = samples.errors.iter().zip(counts).filter(|(_, (failed, unknown))| failed + unknown > 0);
    let mut kinds: Vec<ErrorKind> =
        kinds.map(|(kind, (failed, unknown))| ErrorKind { kind: kind.clone(), failed, unknown }).collect();
    if turned_away > 0 {
        kinds.push(ErrorKind { kind: turned_away::KIND.to_owned(), failed: turned_away, unknown: 0 });
    }
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.failed + kind.unknown));
    kinds
}

#[cfg(test)]
mod tests;
