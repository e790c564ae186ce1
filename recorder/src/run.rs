//! One run from beginning to end.
//!
//! ```text
//!               |<------ duration ------>|<-- after_heal -->|<- settle ->|
//! (warm start)  |  load, faults by plan  |  load, no faults | silence    | final reads
//! ```
//!
//! Before a warm start everything is brought about and read once by every client (`warm_up.rs`).
//!
//! The load stays on for a while after the last fault has ended: many stores lose acknowledged writes only
//! when a former primary comes back and is told so, seconds later. The final reads come after the store had
//! time to settle, by processes and a session of their own: what they show is what survived. How long the end may
//! take is bounded (`ending.rs`).

use crate::client::{RunState, Worker, lock_unpoisoned, record_turned_away};
use crate::ending::{self, Unread};
use crate::journal::JournalLost;
use crate::nemesis::{self, NemesisError};
use crate::pace::Pace;
use crate::stack_watch::watch_stack;
use crate::warm_up;
use crate::watch;
use crate::{CarriedFault, Clock, Journal, Nemesis, RunCounts, Stop, Store, Tally};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use workloads::{Generator, Load, Plan, Value, WorkloadSettings};

/// How long the last look at replicas is waited for, once there are to be no more.
const LAST_LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// All that a run is made of, beside the store and whom it is broken by.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// What is done.
    pub workload: WorkloadSettings,
    /// How it is paced.
    pub load: Load,
    /// How many clients there are: the most operations in flight.
    pub workers: usize,
    /// How long an operation may take.
    pub timeout: Duration,
    /// How late an operation of an open load may begin before it is dropped.
    pub patience: Duration,
    /// Whether everything is there, and was read once by every client, before the load begins.
    pub warm_start: bool,
    /// Which faults strike, within the duration.
    pub plan: Plan,
    /// How long the part with faults is.
    pub duration: Duration,
    /// How long the load stays on after it.
    pub after_heal: Duration,
    /// How long nothing is done before the final reads.
    pub settle: Duration,
    /// How often replicas are asked whether they agree, once a fault has struck; none: only in the end.
    pub look_every: Option<Duration>,
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// Operations by how they ended, final reads included.
    pub tally: Tally,
    /// Operations of the load by how they ended: without a warm-up, and without final reads.
    pub load: Tally,
    /// What the first operation that did not succeed was told, if any.
    pub first_error: Option<String>,
    /// The first error by which the system said that the recorder, and not the store, was short of something.
    pub shortage: Option<String>,
    /// The faults that were caused.
    pub faults: Vec<CarriedFault>,
    /// How long the load lasted.
    pub load_lasted: Duration,
    /// Requests of an open load that were never made because no client was free in time.
    pub dropped: u64,
    /// Operations before the load of a warm start, and how long they took.
    pub warm_up: Option<(u64, Duration)>,
    /// The most operations that were in flight at once.
    pub most_in_flight: u64,
    /// Events in the journal.
    pub events: u64,
    /// What could not be read in the end.
    pub unread: Unread,
    /// Whether it was cut short by a request to stop.
    pub stopped: bool,
    /// How long it took, on its own clock.
    pub took: Duration,
}

/// Why a run is not what was asked for. What was recorded until then is in the journal and is valid.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RunError {
    /// The history could not be written.
    #[error(transparent)]
    Lost(#[from] JournalLost),
    /// A fault could not be caused or undone.
    #[error("{0}")]
    Nemesis(NemesisError),
    /// A client ended without having been told to: a bug in a store's client.
    #[error("{0} of the clients ended in the middle of the run (a panic in the store's client?)")]
    ClientsGone(usize),
    /// The simulation came to a halt.
    #[error("the simulation came to a halt: everybody waits and nothing is under way")]
    Stuck,
}

/// Runs. `stop` cuts it short: faults are healed, the load ends, what can be read within half a second still is.
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
    let watched = ReplicaWatch::start(&shared, settings.look_every);
    let of_stack = ReplicaWatch::of_stack(&shared);
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

/// Lets the store settle, and says that it has. Who was asked to stop does not wait for that, and does not say so.
async fn let_store_settle<S: Store>(
    shared: &Arc<RunState<S>>,
    length: Duration,
    watched: ReplicaWatch,
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

/// What all clients of a run share.
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

/// The part of the trace ids that is the run's own: from its name, else from its seed. Never zero, which a trace id must
/// not be.
fn trace_run_number(settings: &WorkloadSettings) -> u64 {
    let number = match &settings.run {
        // FNV-1a: the names are random, so that nothing better is needed.
        Some(name) => name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }),
        None => settings.seed.wrapping_add(1),
    };
    number.max(1)
}

/// Starts the clients. The channel yields how each of them ended and closes after the last.
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
                // Without a journal nobody may go on.
                stop.request_stop();
            }
            let _ = sender.send(result);
        });
    }
    receiver
}

/// Whoever looks at the replicas, or at what the stack does, until this is dropped.
struct ReplicaWatch {
    enough: Stop,
    end: mpsc::UnboundedReceiver<Result<(), JournalLost>>,
}

impl ReplicaWatch {
    fn start<S: Store>(shared: &Arc<RunState<S>>, every: Option<Duration>) -> Self {
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

    fn of_stack<S: Store>(shared: &Arc<RunState<S>>) -> Self {
        let (sender, end) = mpsc::unbounded_channel();
        let enough = Stop::default();
        let (looked, asked) = (shared.clone(), enough.clone());
        shared.clock.spawn(async move {
            let _ = sender.send(watch_stack(looked, asked).await);
        });
        Self { enough, end }
    }

    /// Waits for the last look to be over, but not for long: a look writes only when it is over.
    async fn finish_watching(mut self, clock: &Clock) -> Result<(), JournalLost> {
        self.enough.request_stop();
        let limit_ns = clock.now_ns() + LAST_LOOK_PATIENCE.as_nanos() as u64;
        clock.await_until_ns(limit_ns, self.end.recv()).await.flatten().unwrap_or(Ok(()))
    }
}

impl Drop for ReplicaWatch {
    fn drop(&mut self) {
        self.enough.request_stop();
    }
}

/// Writes down what has reached the store by now, where somebody counts.
async fn record_traffic<S: Store>(shared: &RunState<S>) -> Result<(), JournalLost> {
    // Whoever was asked to stop has no time for a store that does not answer.
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
