//! One run from beginning to end.
//!
//! ```text
//!               |<------ duration ------>|<-- after_heal -->|<- settle ->|
//! (warm start)  |  load, faults by plan  |  load, no faults | silence    | final reads
//! ```
//!
//! Before a warm start, every object is created and read once by every client (`warm_up.rs`).
//!
//! The load continues for a while after the last fault has ended. Many stores lose acknowledged writes only seconds
//! later, when a former primary comes back and learns that it was replaced. The final reads come after the store had
//! time to settle, and use processes and a session of their own: they show what survived. The time that this end may
//! take is bounded (`ending.rs`).

use crate::client::{RunState, Worker, lock_unpoisoned, record_turned_away};
use crate::ending::{self, Unread};
use crate::journal::JournalLost;
use crate::nemesis::{self, NemesisError};
use crate::pace::Pace;
use crate::stack_watch::watch_stack;
use crate::store::RESUME_WITHIN_MAX;
use crate::warm_up;
use crate::watch;
use crate::{CarriedFault, Clock, Journal, LiveEnds, Nemesis, RunCounts, Stop, Store, Tally};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use workloads::{Generator, Load, Plan, Value, WorkloadSettings};

/// How long the run waits for the last observation of replicas to finish.
const LAST_LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// Everything that a run consists of, except for the store and its nemesis.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// The operations to do.
    pub workload: WorkloadSettings,
    /// The times at which operations begin.
    pub load: Load,
    /// Number of clients: the highest number of operations in flight.
    pub workers: usize,
    /// Timeout of an operation.
    pub timeout: Duration,
    /// How late an operation of an open load may begin before it is dropped.
    pub patience: Duration,
    /// Whether every object is created and read once by every client before the load begins.
    pub warm_start: bool,
    /// The faults to cause, within the duration.
    pub plan: Plan,
    /// Length of the phase with faults.
    pub duration: Duration,
    /// How long the load continues after that phase.
    pub after_heal: Duration,
    /// How long no operation is done before the final reads.
    pub settle: Duration,
    /// How often replicas are compared once a fault has struck. `None` compares them only at the end.
    pub look_every: Option<Duration>,
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// Operations by outcome, final reads included.
    pub tally: Tally,
    /// Operations of the load by outcome, without the warm-up and without the final reads.
    pub load: Tally,
    /// The error of the first operation that did not succeed.
    pub first_error: Option<String>,
    /// The first error that shows that the recorder, and not the store, lacked a resource.
    pub shortage: Option<String>,
    /// The faults that were caused.
    pub faults: Vec<CarriedFault>,
    /// How long the load lasted.
    pub load_lasted: Duration,
    /// Requests of an open load that were dropped because no client was free in time.
    pub dropped: u64,
    /// Number of operations before the load of a warm start, and how long they took.
    pub warm_up: Option<(u64, Duration)>,
    /// The highest number of operations that were in flight at once.
    pub most_in_flight: u64,
    /// Number of events in the journal.
    pub events: u64,
    /// What could not be read at the end.
    pub unread: Unread,
    /// Whether a request to stop cut the run short.
    pub stopped: bool,
    /// How long the run took, on its own clock.
    pub took: Duration,
}

/// Why a run was not carried out as requested. What was recorded until then is in the journal and is valid.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RunError {
    /// The history could not be written.
    #[error(transparent)]
    Lost(#[from] JournalLost),
    /// A fault could not be caused or undone.
    #[error("{0}")]
    Nemesis(NemesisError),
    /// A client ended although it was not asked to. This is a bug in the store's client.
    #[error("{0} of the clients ended in the middle of the run (a panic in the store's client?)")]
    ClientsGone(usize),
    /// No task of the simulation can make progress any more.
    #[error("the simulation came to a halt: all tasks wait, and no event is due that could wake one")]
    Stuck,
}

/// Carries out a run. A request to `stop` cuts it short: active faults are undone, the load ends, and the final reads
/// get half a second.
///
/// # Errors
/// [`RunError`] says what went wrong. The journal keeps what was recorded until then.
pub async fn run<S: Store, N: Nemesis>(
    store: S,
    nemesis: &mut N,
    settings: &RunSettings,
    clock: Clock,
    journal: Arc<Journal>,
    counts: Arc<RunCounts>,
    stop: Stop,
) -> Result<RunOutcome, RunError> {
    let shared = build_run_state(store, settings, (&clock, &journal, &counts), &stop);
    let mut workers: Vec<_> = (0..settings.workers).map(|seat| Worker::new(shared.clone(), seat)).collect();
    let mut warm_up = None;
    if settings.warm_start {
        let (began_ns, done) = (clock.now_ns(), &mut 0);
        workers = warm_up::warm_up(&shared, workers, &stop, done).await?;
        warm_up = Some((*done, Duration::from_nanos(clock.now_ns() - began_ns)));
    }
    record_traffic(&shared).await?;
    let zero_ns = clock.now_ns();
    lock_unpoisoned(&shared.pace).begin_load_at(zero_ns);
    let before = counts.current_tally();
    let mut ends = start_workers(&shared, workers, &stop);
    let watched = WatchTask::start_replica_watch(&shared, settings.look_every);
    let of_stack = WatchTask::start_stack_watch(&shared);
    let of_live = shared.store.has_live_connections().then(|| WatchTask::start_live_watch(&shared));
    let faults =
        nemesis::carry_out_plan(nemesis, &settings.plan, zero_ns, &clock, (&journal, &counts), &stop).await;
    if faults.is_ok() {
        let end_ns = zero_ns + (settings.duration + settings.after_heal).as_nanos() as u64;
        clock.await_until_ns(end_ns, stop.wait_until_requested()).await;
    }
    let end_ns = clock.now_ns();
    shared.enough.request_stop();
    let mut ended = 0;
    while let Some(result) = ends.recv().await {
        result?;
        ended += 1;
    }
    let faults = faults.map_err(|error| match error {
        NemesisError::Lost(lost) => RunError::Lost(lost),
        error => RunError::Nemesis(error),
    })?;
    if ended < settings.workers {
        return Err(RunError::ClientsGone(settings.workers - ended));
    }
    let load = counts.current_tally().since(before);
    let left = lock_unpoisoned(&shared.pace).take_overdue(end_ns);
    record_turned_away(&journal, &left)?;
    record_traffic(&shared).await?;
    let_store_settle(&shared, settings.settle, watched, &stop).await?;
    of_stack.finish_watching(&clock).await?;
    if let Some(of_live) = of_live {
        of_live.finish_within(&clock, RESUME_WITHIN_MAX + LAST_LOOK_PATIENCE).await?;
    }
    let load_lasted = Duration::from_nanos(end_ns - zero_ns);
    let unread = ending::read_back(&shared, load_lasted).await?;
    journal.record_actor_event("recorder", "end", &Value::Int(journal.event_count() as i64), None)?;
    let dropped = lock_unpoisoned(&shared.pace).dropped_count();
    let took = Duration::from_nanos(clock.now_ns() - zero_ns);
    let (tally, events, stopped) = (counts.current_tally(), journal.event_count(), stop.is_requested());
    let (most_in_flight, first_error) = (counts.most_in_flight(), counts.first_error());
    Ok(RunOutcome {
        tally,
        load,
        first_error,
        shortage: counts.first_shortage(),
        faults,
        load_lasted,
        dropped,
        warm_up,
        most_in_flight,
        events,
        unread,
        stopped,
        took,
    })
}

/// Waits until the store has settled, and records that it has. A request to stop ends the wait, and then nothing is
/// recorded.
async fn let_store_settle<S: Store>(
    shared: &Arc<RunState<S>>,
    length: Duration,
    watched: WatchTask,
    stop: &Stop,
) -> Result<(), JournalLost> {
    let (clock, journal) = (&shared.clock, &shared.journal);
    let settled_ns = clock.now_ns() + length.as_nanos() as u64;
    clock.await_until_ns(settled_ns, stop.wait_until_requested()).await;
    watched.finish_watching(clock).await?;
    if clock.now_ns() >= settled_ns {
        journal.record_actor_event("recorder", "settled", &Value::Null, None)?;
    }
    Ok(())
}

/// Builds the state that all clients of a run share.
fn build_run_state<S: Store>(
    store: S,
    settings: &RunSettings,
    (clock, journal, counts): (&Clock, &Arc<Journal>, &Arc<RunCounts>),
    stop: &Stop,
) -> Arc<RunState<S>> {
    let patience_ns = settings.patience.as_nanos() as u64;
    Arc::new(RunState {
        store,
        clock: clock.clone(),
        journal: journal.clone(),
        generator: Mutex::new(Generator::new(&settings.workload)),
        pace: Mutex::new(Pace::new(settings.load, settings.workload.seed, patience_ns)),
        counts: counts.clone(),
        enough: Stop::default(),
        stop: stop.clone(),
        timeout_ns: settings.timeout.as_nanos() as u64,
        processes: AtomicU64::new(0),
        attempts: AtomicU64::new(0),
        run: trace_run_number(&settings.workload),
    })
}

/// The part of the trace ids that identifies the run: derived from its name, otherwise from its seed. It is never
/// zero, because a trace id must not be zero.
fn trace_run_number(settings: &WorkloadSettings) -> u64 {
    let number = match &settings.run {
        // FNV-1a suffices because the names are random.
        Some(name) => name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }),
        None => settings.seed.wrapping_add(1),
    };
    number.max(1)
}

/// Starts the clients. The channel yields the result of each client and closes after the last.
fn start_workers<S: Store>(
    shared: &Arc<RunState<S>>,
    workers: Vec<Worker<S>>,
    stop: &Stop,
) -> mpsc::UnboundedReceiver<Result<(), JournalLost>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    for worker in workers {
        let (sender, stop) = (sender.clone(), stop.clone());
        shared.clock.spawn(async move {
            let result = worker.run_until_enough().await;
            if result.is_err() {
                // Without a journal no client may continue.
                stop.request_stop();
            }
            let _ = sender.send(result);
        });
    }
    receiver
}

/// A task that polls the replicas or the parts of the stack. It ends when this is dropped.
struct WatchTask {
    enough: Stop,
    end: mpsc::UnboundedReceiver<Result<(), JournalLost>>,
}

impl WatchTask {
    fn start_replica_watch<S: Store>(shared: &Arc<RunState<S>>, every: Option<Duration>) -> Self {
        let (sender, end) = mpsc::unbounded_channel();
        let enough = Stop::default();
        if let Some(every) = every {
            let (shared, enough) = (shared.clone(), enough.clone());
            shared.clock.clone().spawn(async move {
                let _ = sender.send(watch::watch_replicas(shared, every, enough).await);
            });
        }
        Self { enough, end }
    }

    fn start_stack_watch<S: Store>(shared: &Arc<RunState<S>>) -> Self {
        let (sender, end) = mpsc::unbounded_channel();
        let enough = Stop::default();
        let (looked, asked) = (shared.clone(), enough.clone());
        shared.clock.spawn(async move {
            let _ = sender.send(watch_stack(looked, asked).await);
        });
        Self { enough, end }
    }

    fn start_live_watch<S: Store>(shared: &Arc<RunState<S>>) -> Self {
        let (sender, end) = mpsc::unbounded_channel();
        let enough = Stop::default();
        let held = shared.clone();
        let ends = LiveEnds { enough: enough.clone(), stop: shared.stop.clone() };
        shared.clock.spawn(async move {
            let (journal, clock) = (held.journal.clone(), held.clock.clone());
            let _ = sender.send(held.store.hold_live_connections(journal, clock, ends).await);
        });
        Self { enough, end }
    }

    /// Waits until the last poll has ended, for [`LAST_LOOK_PATIENCE`] at most. A poll records nothing before it has ended.
    async fn finish_watching(self, clock: &Clock) -> Result<(), JournalLost> {
        self.finish_within(clock, LAST_LOOK_PATIENCE).await
    }

    async fn finish_within(mut self, clock: &Clock, patience: Duration) -> Result<(), JournalLost> {
        self.enough.request_stop();
        let limit_ns = clock.now_ns() + patience.as_nanos() as u64;
        clock.await_until_ns(limit_ns, self.end.recv()).await.flatten().unwrap_or(Ok(()))
    }
}

impl Drop for WatchTask {
    fn drop(&mut self) {
        self.enough.request_stop();
    }
}

/// Records how much traffic has reached the store so far, if the store or a proxy counts it.
async fn record_traffic<S: Store>(shared: &RunState<S>) -> Result<(), JournalLost> {
    // After a request to stop, the run does not wait long for a store that does not answer.
    let counted = shared.stop.finish_within_grace(
        &shared.clock,
        Duration::from_millis(50),
        shared.store.count_traffic(),
    );
    let Some(traffic) = counted.await.flatten() else { return Ok(()) };
    let numbers = [traffic.commands, traffic.bytes_in, traffic.bytes_out];
    let value = Value::List(numbers.map(|number| Value::Int(number as i64)).to_vec());
    shared.journal.record_actor_event("recorder", "traffic", &value, None).map(drop)
}
