//! What comes before a warm start: everything that the load begins with is there, and was read by every client.
//!
//! A stack that has just been started has empty caches, no connections, and code that no compiler has looked at yet;
//! its first users wait for all of that. Whoever wants to know what a fault does, and not what a start does,
//! begins with a stack that is warm: a session for every seat is created, and then each client reads each of them
//! once, over the connection that it keeps for the load. Clients are spread over the nodes of a store, so each node
//! is read through.
//!
//! These are ordinary operations, with events of their own in the history, and judged like all others; the event
//! `warmed-up` of the recorder says that they are over. Whoever measures leaves out what came before it: nobody
//! waited for that.
//!
//! In each round the clients read blocks of their own, so that no session has two requests in flight that was not
//! given two tabs: with c clients and n sessions, c rounds of n / c reads each, c · n in all.

use crate::client::{RunState, Worker, lock_unpoisoned};
use crate::journal::JournalLost;
use crate::{Stop, Store};
use std::sync::Arc;
use tokio::sync::mpsc;
use workloads::{Task, Value};

/// Warms the stack up, and counts the operations; the workers, with the connections that they have now.
pub(crate) async fn warm_up<S: Store>(
    shared: &Arc<RunState<S>>,
    mut workers: Vec<Worker<S>>,
    stop: &Stop,
    done: &mut u64,
) -> Result<Vec<Worker<S>>, JournalLost> {
    let count = workers.len();
    let births = lock_unpoisoned(&shared.generator).creation_tasks();
    *done += births.len() as u64;
    workers = run_round(shared, workers, deal_tasks(&births, count, 0), stop).await?;
    let reads = lock_unpoisoned(&shared.generator).first_read_tasks();
    for number in 0..count {
        if stop.is_requested() {
            break;
        }
        *done += reads.len() as u64;
        workers = run_round(shared, workers, deal_tasks(&reads, count, number), stop).await?;
    }
    shared.journal.record_actor_event("recorder", "warmed-up", &Value::Int(*done as i64), None)?;
    Ok(workers)
}

/// The tasks of each worker in one round: in as many rounds as there are workers, each has had all of them.
fn deal_tasks(tasks: &[Task], count: usize, round: usize) -> Vec<Vec<Task>> {
    let mut dealt = vec![Vec::new(); count];
    for (number, task) in tasks.iter().enumerate() {
        dealt[(number + round) % count].push(task.clone());
    }
    dealt
}

/// Every worker does its tasks, and all wait for the last.
async fn run_round<S: Store>(
    shared: &Arc<RunState<S>>,
    workers: Vec<Worker<S>>,
    tasks: Vec<Vec<Task>>,
    stop: &Stop,
) -> Result<Vec<Worker<S>>, JournalLost> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for (mut worker, tasks) in workers.into_iter().zip(tasks) {
        let (sender, stop) = (sender.clone(), stop.clone());
        shared.clock.spawn(async move {
            let mut result = Ok(());
            for task in tasks.iter().take_while(|_| !stop.is_requested()) {
                result = result.and(worker.carry_out_task(task, None).await);
            }
            // Nobody listens any more only when the run is over.
            let _ = sender.send(result.map(|()| worker));
        });
    }
    drop(sender);
    let mut back = Vec::new();
    while let Some(worker) = receiver.recv().await {
        back.push(worker?);
    }
    // In the order of their seats, whoever was the first to be done.
    back.sort_by_key(Worker::seat);
    Ok(back)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use workloads::{Generator, WorkloadSettings};

    #[test]
    fn every_worker_gets_every_task_once_and_no_two_the_same_at_a_time() {
        let reads =
            Generator::new(&WorkloadSettings { keys: 7, ..WorkloadSettings::new(1) }).first_read_tasks();
        let key = |task: &Task| task.operation.key.clone().expect("a key");
        let mut had = vec![BTreeSet::new(); 3];
        for number in 0..3 {
            let round = deal_tasks(&reads, 3, number);
            let all: BTreeSet<_> = round.iter().flatten().map(key).collect();
            assert_eq!((all.len(), round.iter().flatten().count()), (7, 7));
            for (worker, tasks) in round.iter().enumerate() {
                had[worker].extend(tasks.iter().map(key));
            }
        }
        assert!(had.iter().all(|keys| keys.len() == 7));
    }
}
