//! The end of a run: the store settles, everything is read back, replicas are compared, the audit trail is read.
//!
//! A store that stopped answering must not keep a run from ending. The naive way, each object again and again until
//! it is read, takes seconds an object on a store that hangs. So everything is read once, what failed is read again in
//! rounds, and three limits hold over all of it:
//!
//! | limit | |
//! | --- | --- |
//! | [`SILENCE`] without any answer | the store is taken to be gone |
//! | as long as the load lasted, at least [`PATIENCE_MIN`] | for reading back, replicas and audit trail together |
//! | [`GRACE_STOPPED`] after a request to stop | for the same, and nothing is waited for to settle |
//!
//! What was not read by then is in the history (`recorder`, `unread`) and in the [`Outcome`](crate::Outcome).

use crate::client::{RunState, Worker, lock_unpoisoned};
use crate::journal::JournalLost;
use crate::{Attempt, Failure, Store};
use histories::Function;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use workloads::{ClientOperation, Value};

/// How often what could not be read is read again, [`PAUSE`] apart.
const ROUNDS: usize = 30;
/// How long to wait between two rounds.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a store may answer nothing at all before reading back is given up.
const SILENCE: Duration = Duration::from_secs(5);
/// The least that reading back may take in all.
const PATIENCE_MIN: Duration = Duration::from_secs(60);
/// How much longer a run may take once it was asked to stop.
const GRACE_STOPPED: Duration = Duration::from_millis(500);
/// How often in a row a replica may not answer before it is not asked any more.
const REPLICA_TRIES: usize = 3;
/// Keys in one event, so that no line is long enough to be torn.
const KEYS_IN_A_LINE: usize = 8;

/// What could not be read at the end of a run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unread {
    /// Objects whose final read never succeeded.
    pub objects: Vec<Arc<str>>,
    /// Which limit ended the reading before objects, replicas and audit trail were read; none: none did.
    pub limit: Option<String>,
}

/// Reads everything back, within the limits.
pub(crate) async fn read_back<S: Store>(
    shared: &Arc<RunState<S>>,
    load_lasted: Duration,
) -> Result<Unread, JournalLost> {
    let patience = load_lasted.max(PATIENCE_MIN);
    let limit_ns = shared.clock.now_ns().saturating_add(patience.as_nanos() as u64);
    let mut progress =
        ReadBackProgress { left: list_reachable_reads(shared).into(), again: Vec::new(), limit: None };
    let steps =
        shared.stop.finish_within_grace(&shared.clock, GRACE_STOPPED, read_everything(shared, &mut progress));
    let ended = shared.clock.await_until_ns(limit_ns, steps).await;
    match ended {
        Some(Some(result)) => result?,
        Some(None) => progress.limit = Some("the run was asked to stop".to_owned()),
        None => {
            progress.limit = Some(format!("it took longer than {}", workloads::format_duration(patience)))
        }
    }
    let name = |read: &ClientOperation| read.key.clone().unwrap_or_else(|| read.value.to_json().into());
    let left = progress.again.iter().chain(&progress.left);
    let unread = Unread { objects: left.map(name).collect(), limit: progress.limit };
    record_unread(shared, &unread)?;
    Ok(unread)
}

/// How far reading back has come. What is in here survives the future that changes it.
struct ReadBackProgress {
    /// What is still to be read in this round.
    left: VecDeque<ClientOperation>,
    /// What is to be read again in the next.
    again: Vec<ClientOperation>,
    limit: Option<String>,
}

/// The reads of all objects that somebody can ask for.
fn list_reachable_reads<S: Store>(shared: &RunState<S>) -> Vec<ClientOperation> {
    let reads = lock_unpoisoned(&shared.generator).final_read_operations();
    reads
        .into_iter()
        .filter(|read| read.key.as_ref().is_none_or(|key| shared.store.is_reachable(key)))
        .collect()
}

async fn read_everything<S: Store>(
    shared: &Arc<RunState<S>>,
    progress: &mut ReadBackProgress,
) -> Result<(), JournalLost> {
    perform_final_reads(shared, progress).await?;
    record_replica_contents(shared).await?;
    record_audit_trail(shared).await
}

/// Reads every object that is left until each was read once, or one of the limits is reached.
async fn perform_final_reads<S: Store>(
    shared: &Arc<RunState<S>>,
    progress: &mut ReadBackProgress,
) -> Result<(), JournalLost> {
    let session: Arc<str> = "final".into();
    let mut worker = Worker::new(shared.clone(), 0);
    let mut answered_ns = shared.clock.now_ns();
    for _ in 0..ROUNDS {
        while let Some(read) = progress.left.front().cloned() {
            let attempt = worker.attempt_operation(&session, &read, None).await?;
            progress.left.pop_front();
            if !matches!(attempt, Attempt::Ok(_)) {
                progress.again.push(read);
            }
            if !matches!(attempt, Attempt::Info(_)) {
                answered_ns = shared.clock.now_ns();
            }
            if shared.clock.now_ns() - answered_ns > SILENCE.as_nanos() as u64 {
                let silence = workloads::format_duration(SILENCE);
                progress.limit = Some(format!("the store answered nothing for {silence}"));
                return Ok(());
            }
        }
        if progress.again.is_empty() {
            break;
        }
        shared.clock.sleep(PAUSE).await;
        progress.left.extend(progress.again.drain(..));
    }
    Ok(())
}

/// Writes down what each replica holds under each key, where they can be asked one by one.
async fn record_replica_contents<S: Store>(shared: &RunState<S>) -> Result<(), JournalLost> {
    let mut names: Vec<(Arc<str>, usize)> =
        shared.store.replica_names().into_iter().map(|name| (name, 0)).collect();
    let reads = if names.is_empty() {
        Vec::new()
    } else {
        lock_unpoisoned(&shared.generator).final_read_operations()
    };
    let keys =
        reads.iter().filter(|read| read.function == Function::READ).filter_map(|read| read.key.as_ref());
    for key in keys {
        for (name, silent) in names.iter_mut().filter(|(_, silent)| *silent < REPLICA_TRIES) {
            let looked = shared.store.read_replica(name, key).await;
            *silent = if matches!(&looked, Err(Failure { definite: false, .. })) { *silent + 1 } else { 0 };
            let (held, error) = match looked {
                Ok(held) => (held, None),
                Err(failure) => (Value::Null, Some(failure.error)),
            };
            let value = Value::List(vec![Value::Text(name.clone()), Value::Text(key.clone()), held]);
            shared.journal.record_actor_event("replica", "read", &value, error.as_deref())?;
        }
    }
    for (name, _) in names.iter().filter(|(_, silent)| *silent == REPLICA_TRIES) {
        let why = format!("{name} did not answer {REPLICA_TRIES} times in a row and was not asked any more");
        shared.journal.record_actor_event("recorder", "unread", &Value::Text(name.clone()), Some(&why))?;
    }
    Ok(())
}

/// Writes down the stack's audit trail, where it has one.
async fn record_audit_trail<S: Store>(shared: &RunState<S>) -> Result<(), JournalLost> {
    match shared.store.read_audit_trail().await {
        Ok(None) => {}
        Ok(Some(entries)) => {
            shared.journal.record_actor_event(
                "recorder",
                "audit",
                &Value::Int(entries.len() as i64),
                None,
            )?;
            for entry in entries {
                let value = Value::List(vec![Value::Text(entry.key), entry.value]);
                shared.journal.record_actor_event("audit", &entry.function, &value, None)?;
            }
        }
        Err(failure) => {
            shared.journal.record_actor_event("recorder", "audit", &Value::Null, Some(&failure.error))?;
        }
    }
    Ok(())
}

/// Writes down which objects were not read, and why.
fn record_unread<S: Store>(shared: &RunState<S>, unread: &Unread) -> Result<(), JournalLost> {
    let why = unread.limit.as_deref().unwrap_or("each try failed");
    for keys in unread.objects.chunks(KEYS_IN_A_LINE) {
        let keys = Value::List(keys.iter().map(|key| Value::Text(key.clone())).collect());
        shared.journal.record_actor_event("recorder", "unread", &keys, Some(why))?;
    }
    Ok(())
}
