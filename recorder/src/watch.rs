//! Whether replicas hold the same again once what kept them apart is over: each is asked by itself, again and again.
//!
//! A look asks all replicas for the same keys, one after the other, and writes down of which they differ; what that means
//! is for whoever reads the history to say. Looks begin when the first fault has struck, rest while one is on, and end
//! when the store has settled. They ask beside the clients, on connections of their own, so that what they cost is
//! bounded: a few keys, and one look at a time.

use crate::client::{RunState, lock_unpoisoned};
use crate::journal::JournalLost;
use crate::{Failure, Stop, Store};
use histories::Function;
use std::sync::Arc;
use std::time::Duration;
use workloads::Value;

/// How many keys a look asks for: those that came last, and others spread over the rest.
const KEYS_MAX: usize = 32;

/// How long one replica may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Looks every so often until it is asked to stop.
pub(crate) async fn watch_replicas<S: Store>(
    shared: Arc<RunState<S>>,
    every: Duration,
    enough: Stop,
) -> Result<(), JournalLost> {
    let replicas = shared.store.replica_names();
    let every_ns = every.as_nanos().max(1) as u64;
    let mut next_ns = shared.clock.now_ns() + every_ns;
    let (mut keys, mut left_out) = (Vec::new(), 0);
    while replicas.len() > 1 && !enough.is_requested() {
        shared.clock.await_until_ns(next_ns, enough.wait_until_requested()).await;
        next_ns = (next_ns + every_ns).max(shared.clock.now_ns());
        if !shared.counts.any_fault_struck() || enough.is_requested() {
            continue;
        }
        if !shared.counts.active_faults().is_empty() {
            // What there is to look at is chosen anew when it is over.
            keys.clear();
            continue;
        }
        if keys.is_empty() {
            (keys, left_out) = choose_keys(&shared);
        }
        compare_replicas(&shared, &replicas, &keys, left_out).await?;
    }
    Ok(())
}

/// Keys to look at, and how many there were beside them that nobody could ask for: ids that the store gave out and that
/// nobody was told.
fn choose_keys<S: Store>(shared: &RunState<S>) -> (Vec<Arc<str>>, usize) {
    let reads = lock_unpoisoned(&shared.generator).final_read_operations();
    let reads = reads.into_iter().filter(|read| read.function == Function::READ);
    let all = reads.filter_map(|read| read.key);
    let (mut keys, out_of_reach): (Vec<Arc<str>>, Vec<Arc<str>>) =
        all.partition(|key| shared.store.is_reachable(key));
    if keys.len() > KEYS_MAX {
        let last = keys.split_off(keys.len() - KEYS_MAX / 2);
        let step = keys.len().div_ceil(KEYS_MAX / 2);
        keys = keys.into_iter().step_by(step).chain(last).collect();
    }
    (keys, out_of_reach.len())
}

/// One look: a line for each key of which the replicas differ, and then one that says what was asked.
async fn compare_replicas<S: Store>(
    shared: &RunState<S>,
    replicas: &[Arc<str>],
    keys: &[Arc<str>],
    left_out: usize,
) -> Result<(), JournalLost> {
    let mut apart = 0;
    let mut silent: Option<(Arc<str>, Failure)> = None;
    for key in keys {
        let mut held: Vec<(&Arc<str>, Value)> = Vec::new();
        for replica in replicas {
            if silent.as_ref().is_some_and(|(known, _)| known == replica) {
                continue;
            }
            let deadline_ns = shared.clock.now_ns() + PATIENCE.as_nanos() as u64;
            let told =
                shared.clock.await_until_ns(deadline_ns, shared.store.read_replica(replica, key)).await;
            match told.unwrap_or_else(|| Err(Failure::indefinite("no answer in time"))) {
                Ok(value) => held.push((replica, value)),
                Err(failure) => silent = Some((replica.clone(), failure)),
            }
        }
        if held.windows(2).any(|pair| pair[0].1 != pair[1].1) {
            apart += 1;
            let told =
                held.into_iter().map(|(name, value)| Value::List(vec![Value::Text(name.clone()), value]));
            let value = Value::List([Value::Text(key.clone())].into_iter().chain(told).collect());
            shared.journal.record_actor_event("recorder", "apart", &value, None)?;
        }
    }
    let counts = [keys.len(), replicas.len(), apart, left_out].map(|count| Value::Int(count as i64));
    let error = silent.map(|(name, failure)| format!("{name}: {}", failure.error));
    shared
        .journal
        .record_actor_event("recorder", "look", &Value::List(counts.to_vec()), error.as_deref())
        .map(drop)
}
