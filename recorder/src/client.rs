//! The client loop: it takes a task, records the invocation, sends the request, and records the completion.
//!
//! A worker is a client that does one operation at a time under a process number. After an indeterminate completion
//! (no answer by the deadline, or a broken connection) the operation may still take effect later. The worker
//! therefore never uses that process number again: it continues under a new number and with a new connection. The
//! user's session continues across this change.
//!
//! The loop enforces deadlines itself. A store's client library may retry and wait for any length of time within one
//! operation. When the deadline passes, the loop drops the operation and its connection, and records the operation as
//! indeterminate.

use crate::journal::{Completed, Invoked, JournalLost};
use crate::pace::{Pace, RequestStart};
use crate::{Client, Clock, Failure, Journal, Stop, Store, StoreAnswer, StoreRequest, Trace};
use histories::Outcome;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use workloads::{ClientOperation, Generator, Task, Value};

/// How long a worker waits after a refusal, so that it does not flood a store that is down with requests.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(10);

/// How long a worker waits when no session may send another request at present.
const PAUSE_WITHOUT_SESSION: Duration = Duration::from_millis(1);

/// How much longer an open operation may take after the run was asked to stop.
const GRACE_STOPPED: Duration = Duration::from_millis(300);

/// Signs of operating system errors that come from this process or machine, not from the store: too many open files
/// (of this process, of the machine), out of memory, no free local port.
const SHORTAGES: [&str; 4] = ["(os error 24)", "(os error 23)", "(os error 12)", "(os error 99)"];

/// The state that all workers of a run share.
pub(crate) struct RunState<S> {
    pub(crate) store: S,
    pub(crate) clock: Clock,
    pub(crate) journal: Arc<Journal>,
    pub(crate) generator: Mutex<Generator>,
    pub(crate) pace: Mutex<Pace>,
    pub(crate) counts: Arc<RunCounts>,
    /// Requested when no more tasks are to begin.
    pub(crate) enough: Stop,
    /// Requested when the run is to end at once.
    pub(crate) stop: Stop,
    pub(crate) timeout_ns: u64,
    pub(crate) processes: AtomicU64,
    /// Number of operations begun so far, and the number of this run. Trace ids contain both.
    pub(crate) attempts: AtomicU64,
    pub(crate) run: u64,
}

/// Counts of what has happened so far, for progress displays. They can be read at any time.
#[derive(Debug, Default)]
pub struct RunCounts {
    ok: AtomicU64,
    fail: AtomicU64,
    info: AtomicU64,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
    struck: AtomicBool,
    faults: Mutex<Vec<String>>,
    first_error: OnceLock<String>,
    shortage: OnceLock<String>,
}

/// The counts at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Operations that took effect.
    pub ok: u64,
    /// Operations that did not take effect.
    pub fail: u64,
    /// Operations whose outcome is indeterminate.
    pub info: u64,
    /// Operations that have not completed yet.
    pub in_flight: u64,
}

impl Tally {
    /// Returns what was counted since an earlier moment.
    #[must_use]
    pub fn since(self, earlier: Tally) -> Tally {
        Tally {
            ok: self.ok - earlier.ok,
            fail: self.fail - earlier.fail,
            info: self.info - earlier.info,
            in_flight: self.in_flight,
        }
    }

    /// Number of operations that have completed.
    pub fn ended_count(self) -> u64 {
        self.ok + self.fail + self.info
    }
}

impl RunCounts {
    /// Returns the counts at this moment.
    pub fn current_tally(&self) -> Tally {
        Tally {
            ok: self.ok.load(Ordering::Relaxed),
            fail: self.fail.load(Ordering::Relaxed),
            info: self.info.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
        }
    }

    /// The error of the first operation that did not succeed.
    pub fn first_error(&self) -> Option<String> {
        self.first_error.get().cloned()
    }

    /// The first error that shows that this process, and not the store, lacked a resource.
    pub fn first_shortage(&self) -> Option<String> {
        self.shortage.get().cloned()
    }

    pub(crate) fn note_error(&self, error: &str) {
        self.first_error.get_or_init(|| error.to_owned());
        if SHORTAGES.iter().any(|sign| error.contains(sign)) {
            self.shortage.get_or_init(|| error.to_owned());
        }
    }

    /// The highest number of operations that were in flight at once.
    pub fn most_in_flight(&self) -> u64 {
        self.most_in_flight.load(Ordering::Relaxed)
    }

    /// The active faults, each with the nodes that it struck.
    pub fn active_faults(&self) -> Vec<String> {
        lock_unpoisoned(&self.faults).clone()
    }

    /// Whether any fault has struck.
    pub(crate) fn any_fault_struck(&self) -> bool {
        self.struck.load(Ordering::Relaxed)
    }

    pub(crate) fn note_fault_struck(&self) {
        self.struck.store(true, Ordering::Relaxed);
    }

    pub(crate) fn add_active_fault(&self, fault: String) {
        lock_unpoisoned(&self.faults).push(fault);
    }

    pub(crate) fn remove_active_fault(&self, fault: &str) {
        let mut faults = lock_unpoisoned(&self.faults);
        if let Some(at) = faults.iter().position(|on| on == fault) {
            faults.remove(at);
        }
    }

    pub(crate) fn note_invocation(&self) {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(now, Ordering::Relaxed);
    }

    pub(crate) fn note_completion(&self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Ok => &self.ok,
            Outcome::Fail => &self.fail,
            Outcome::Info => &self.info,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How one operation ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// The operation took effect.
    Ok(StoreAnswer),
    /// The operation did not take effect.
    Fail(Failure),
    /// The outcome is indeterminate.
    Info(Failure),
}

impl Attempt {
    /// The outcome in the terms of histories.
    pub fn outcome(&self) -> Outcome {
        match self {
            Attempt::Ok(_) => Outcome::Ok,
            Attempt::Fail(_) => Outcome::Fail,
            Attempt::Info(_) => Outcome::Info,
        }
    }
}

/// A client with its current process number.
pub(crate) struct Worker<S: Store> {
    shared: Arc<RunState<S>>,
    seat: usize,
    process: u64,
    client: Option<S::Client>,
}

impl<S: Store> Worker<S> {
    pub(crate) fn new(shared: Arc<RunState<S>>, seat: usize) -> Self {
        let process = shared.processes.fetch_add(1, Ordering::Relaxed);
        Self { shared, seat, process, client: None }
    }

    /// Carries out tasks until there is enough, or until the journal is lost.
    pub(crate) async fn run_until_enough(mut self) -> Result<(), JournalLost> {
        let shared = self.shared.clone();
        while !shared.enough.is_requested() {
            let (start, overdue) = lock_unpoisoned(&shared.pace).next_start(shared.clock.now_ns());
            record_turned_away(&shared.journal, &overdue)?;
            if let RequestStart::At(at_ns) = start {
                shared.clock.await_until_ns(at_ns, shared.enough.wait_until_requested()).await;
            }
            if shared.enough.is_requested() {
                break;
            }
            let task = lock_unpoisoned(&shared.generator).next_task();
            let Some(task) = task else {
                shared.clock.sleep(PAUSE_WITHOUT_SESSION).await;
                continue;
            };
            let intended_ns = if let RequestStart::At(at_ns) = start { Some(at_ns) } else { None };
            self.carry_out_task(&task, intended_ns).await?;
        }
        Ok(())
    }

    /// Carries out a task of the generator and reports the outcome to the generator.
    pub(crate) async fn carry_out_task(
        &mut self,
        task: &Task,
        intended_ns: Option<u64>,
    ) -> Result<(), JournalLost> {
        let shared = self.shared.clone();
        let attempt = self.attempt_operation(&task.session, &task.operation, intended_ns).await?;
        let nothing = workloads::Value::Null;
        let answer = if let Attempt::Ok(answer) = &attempt { &answer.value } else { &nothing };
        let gone = matches!(&attempt, Attempt::Fail(failure) if failure.says_no_such_session());
        let at = Duration::from_nanos(shared.clock.now_ns());
        lock_unpoisoned(&shared.generator).record_outcome_at(task, attempt.outcome(), answer, gone, at);
        if matches!(attempt, Attempt::Fail(_)) {
            shared.clock.sleep(PAUSE_AFTER_REFUSAL).await;
        }
        Ok(())
    }

    /// The number of this client among the clients of the run.
    pub(crate) fn seat(&self) -> usize {
        self.seat
    }

    /// Does one operation and records its invocation and its completion.
    pub(crate) async fn attempt_operation(
        &mut self,
        session: &Arc<str>,
        operation: &ClientOperation,
        intended_ns: Option<u64>,
    ) -> Result<Attempt, JournalLost> {
        let shared = self.shared.clone();
        let process = self.process;
        let number = shared.attempts.fetch_add(1, Ordering::Relaxed) + 1;
        let trace = Trace { run: shared.run, number };
        let traced = S::TRACED.then_some(trace);
        let invoked = Invoked { process, session, operation, intended_ns, trace: traced };
        let began_ns = shared.journal.record_invocation(&invoked)?;
        shared.counts.note_invocation();
        let deadline_ns = began_ns.saturating_add(shared.timeout_ns);
        let request = StoreRequest { session, operation, deadline_ns, trace };
        let (store, seat) = (&shared.store, self.seat);
        let executed = connect_and_execute(store, seat, &mut self.client, &request);
        let executed = shared.stop.finish_within_grace(&shared.clock, GRACE_STOPPED, executed);
        let attempt = match shared.clock.await_until_ns(deadline_ns, executed).await {
            Some(Some(Ok(answer))) => Attempt::Ok(answer),
            Some(Some(Err(failure))) if failure.definite => Attempt::Fail(failure),
            Some(Some(Err(failure))) => Attempt::Info(failure),
            Some(None) => Attempt::Info(Failure::indefinite("the run was stopped before an answer came")),
            None => Attempt::Info(Failure::indefinite("timeout")),
        };
        self.record_attempt(session, operation, &attempt)?;
        shared.counts.note_completion(attempt.outcome());
        if let Attempt::Fail(failure) | Attempt::Info(failure) = &attempt {
            shared.counts.note_error(&failure.error);
        }
        match &attempt {
            Attempt::Ok(_) => {}
            Attempt::Fail(failure) => {
                if !failure.connected {
                    self.client = None;
                }
            }
            Attempt::Info(_) => {
                self.client = None;
                self.process = shared.processes.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(attempt)
    }

    fn record_attempt(
        &self,
        session: &str,
        operation: &ClientOperation,
        attempt: &Attempt,
    ) -> Result<(), JournalLost> {
        let (process, outcome) = (self.process, attempt.outcome());
        let event = match attempt {
            Attempt::Ok(answer) => Completed {
                process,
                session,
                operation,
                outcome,
                value: Some(&answer.value),
                node: answer.node.as_deref(),
                version: answer.version,
                clock_ns: answer.clock_ns,
                error: None,
                notes: &answer.notes,
            },
            Attempt::Fail(failure) | Attempt::Info(failure) => Completed {
                process,
                session,
                operation,
                outcome,
                value: None,
                node: failure.node.as_deref(),
                version: None,
                clock_ns: None,
                error: Some(failure.error.as_str()),
                notes: &failure.notes,
            },
        };
        self.shared.journal.record_completion(&event).map(drop)
    }
}

/// Highest number of times in one event. It keeps the line short enough that it cannot be torn.
const TURNED_AWAY_MAX: usize = 20;

/// Records the due times of requests that no client was free to make. They stand for users who were turned away.
pub(crate) fn record_turned_away(journal: &Journal, due_ns: &[u64]) -> Result<(), JournalLost> {
    for due_ns in due_ns.chunks(TURNED_AWAY_MAX) {
        let times = due_ns.iter().map(|&at_ns| Value::Int(at_ns as i64)).collect();
        journal.record_actor_event("recorder", "turned-away", &Value::List(times), None)?;
    }
    Ok(())
}

/// Connects if the client has no connection, and executes the request.
async fn connect_and_execute<S: Store>(
    store: &S,
    seat: usize,
    client: &mut Option<S::Client>,
    request: &StoreRequest<'_>,
) -> Result<StoreAnswer, Failure> {
    let connected = match client {
        Some(connected) => connected,
        None => {
            let fresh = store.connect(seat).await.map_err(|failure| Failure {
                definite: true,
                connected: false,
                ..failure
            })?;
            client.insert(fresh)
        }
    };
    connected.execute(request).await
}

/// Locks a mutex even if another holder panicked. This is sound here because every use leaves the content consistent.
pub(crate) fn lock_unpoisoned<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
