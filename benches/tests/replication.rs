//! What replication looks like from outside, on servers whose replication is known.
//!
//! Clients read at every server; the figure must not call asynchronous replication synchronous, nor the other way round. A
//! second look at the same recording, which shares no code with the figure, counts reads that lack a write of the same
//! key that had been acknowledged before they began. Skipped, with the reason, where the servers are not installed or no
//! network of its own is to be had. STEADFAST_SEEDS says how many seeds; three are usual.
#![allow(clippy::print_stderr, reason = "says what was measured and what was skipped")]

use checker::measurements::{
    ObservedReplication, ReplicationMeasurements, measure_history, measure_register_losses,
};
use histories::ValueId;
use histories::format::{Format, from_text};
use recorder::journal::MemorySink;
use recorder::stores::postgres::{self, PostgresCluster};
use recorder::stores::redis_sentinel::{SentinelCluster, SentinelOptions};
use recorder::stores::switches::Switches;
use recorder::system::{NetworkIsolation, find_program, run_isolated};
use recorder::{Clock, Journal, Nemesis, RunCounts, RunSettings, Stop, Store, run};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use workloads::{FaultSchedule, Plan, WorkloadKind, WorkloadSettings};

const LIVES: Duration = Duration::from_secs(60);

fn seeds() -> std::ops::RangeInclusive<u64> {
    1..=std::env::var("STEADFAST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3)
}

fn settings(seed: u64) -> RunSettings {
    let schedule = FaultSchedule {
        strikes: Vec::new(),
        timing: "once".parse().expect("a timing"),
        length: Duration::from_secs(1),
    };
    let duration = Duration::from_secs(6);
    RunSettings {
        plan: Plan::new(&schedule, seed, &[], duration).expect("a plan"),
        workload: WorkloadSettings {
            kind: WorkloadKind::Register,
            sessions: 9,
            ..WorkloadSettings::new(seed)
        },
        load: "800/s".parse().expect("a load"),
        workers: 9,
        timeout: Duration::from_millis(500),
        patience: Duration::from_secs(1),
        warm_start: false,
        duration,
        after_heal: Duration::ZERO,
        settle: Duration::from_secs(1),
        look_every: None,
    }
}

/// The journal of a run without faults.
async fn record<S: Store, N: Nemesis>(store: S, nemesis: &mut N, seed: u64) -> String {
    let (clock, sink) = (Clock::start_real(), MemorySink::default());
    let journal = Journal::new(sink.clone(), clock.clone(), "{\"steadfast\":1}").expect("memory is there");
    let (counts, stop) = (Arc::new(RunCounts::default()), Stop::default());
    run(store, nemesis, &settings(seed), clock, Arc::new(journal), counts, stop).await.expect("a run");
    String::from_utf8(sink.bytes()).expect("text")
}

fn is_alone(isolation: &NetworkIsolation) -> bool {
    if let NetworkIsolation::Shared(why) = isolation {
        eprintln!("skipped: {why}");
    }
    !matches!(isolation, NetworkIsolation::Shared(_))
}

fn redis(seed: u64, wait: Option<u32>) -> Option<String> {
    if let Err(why) = find_program("redis-sentinel", "redis-sentinel") {
        eprintln!("skipped: {why}");
        return None;
    }
    run_isolated(|isolation| async move {
        if !is_alone(&isolation) {
            return None;
        }
        let mut cluster =
            SentinelCluster::start(SentinelOptions::default(), isolation).await.expect("it starts");
        let wait = wait.map(|count| (count, Duration::from_millis(300)));
        let store = cluster.open_store(WorkloadKind::Register, true, wait, LIVES);
        Some(record(store, &mut cluster, seed).await)
    })
}

fn on_postgres(seed: u64, commit: &str) -> Option<String> {
    if let Err(why) = postgres::check_programs() {
        eprintln!("skipped: {why}");
        return None;
    }
    let switches = Switches::parse(postgres::SWITCHES, &[format!("commit={commit}")]).expect("switches");
    run_isolated(|isolation| async move {
        if !is_alone(&isolation) {
            return None;
        }
        let mut cluster = PostgresCluster::start(&switches, isolation).await.expect("it starts");
        let store = cluster.open_store(WorkloadKind::Register, true, LIVES);
        Some(record(store, &mut cluster, seed).await)
    })
}

fn looks(journal: &str) -> ReplicationMeasurements {
    let history = from_text(Format::Native, journal).expect("a history");
    measure_history(&history, ValueId::NULL, &measure_register_losses(&history, ValueId::NULL)).replication
}

/// How many reads returned a value although a write of the same key had been acknowledged before they began that was
/// asked for after the write of that value had been acknowledged; from the lines of the journal alone. It knows of no
/// initial value, and of no version before its acknowledgement, so that the figure may count more and never less.
fn lacking(journal: &str) -> usize {
    let mut began: HashMap<u64, usize> = HashMap::new();
    // For each key the acknowledged writes: value, when asked for, when acknowledged.
    let mut writes: HashMap<String, Vec<(serde_json::Value, usize, usize)>> = HashMap::new();
    let mut count = 0;
    for (at, line) in journal.lines().enumerate() {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let Some(process) = event["process"].as_u64() else { continue };
        if event["type"] == "invoke" {
            began.insert(process, at);
        } else if event["type"] == "ok" {
            let (from, key) = (began[&process], event["key"].to_string());
            let known = writes.entry(key).or_default();
            if event["f"] == "write" {
                known.push((event["value"].clone(), from, at));
            } else if let Some(own) =
                known.iter().find(|write| write.0 == event["value"]).map(|write| write.2)
            {
                count += usize::from(known.iter().any(|&(_, asked, done)| asked > own && done < from));
            }
        }
    }
    count
}

#[test]
fn redis_that_waits_for_nobody_is_never_taken_for_synchronous() {
    for seed in seeds() {
        let Some(journal) = redis(seed, None) else { return };
        let (found, lacking) = (looks(&journal), lacking(&journal));
        eprintln!(
            "redis, seed {seed}: {:?} ({:?}), {lacking} reads lack something",
            found.looks, found.basis
        );
        assert_ne!(found.looks, ObservedReplication::Synchronous, "seed {seed}: {found:?}");
        assert!(lacking == 0 || found.looks == ObservedReplication::Asynchronous, "seed {seed}: {found:?}");
    }
}

#[test]
fn redis_that_waits_for_both_replicas_never_looks_asynchronous() {
    for seed in seeds() {
        let Some(journal) = redis(seed, Some(2)) else { return };
        let (found, lacking) = (looks(&journal), lacking(&journal));
        eprintln!("redis, WAIT 2, seed {seed}: {:?}, {} telling reads", found.looks, found.telling_reads);
        assert_ne!(found.looks, ObservedReplication::Asynchronous, "seed {seed}: {found:?}");
        assert_eq!(lacking, 0, "seed {seed}");
    }
}

/// With `on` a commit waits until the standby has stored it, but not until the standby shows it: a read there may be stale.
#[test]
fn postgres_looks_as_it_was_told_to_commit() {
    for seed in seeds() {
        for commit in ["off", "local", "on", "remote_apply"] {
            let Some(journal) = on_postgres(seed, commit) else { return };
            let (found, lacking) = (looks(&journal), lacking(&journal));
            eprintln!("postgres, {commit}, seed {seed}: {:?}, {lacking} reads lack something", found.looks);
            assert!(
                lacking == 0 || found.looks == ObservedReplication::Asynchronous,
                "{commit}, seed {seed}: {found:?}"
            );
            match commit {
                "remote_apply" => {
                    assert_ne!(found.looks, ObservedReplication::Asynchronous, "seed {seed}: {found:?}")
                }
                "on" => {}
                _ => assert_eq!(
                    found.looks,
                    ObservedReplication::Asynchronous,
                    "{commit}, seed {seed}: {found:?}"
                ),
            }
        }
    }
}
