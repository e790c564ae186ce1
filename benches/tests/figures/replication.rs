//! What replication looks like from outside, on servers whose replication is known.
//!
//! Clients read at every server; the figure must not call asynchronous replication synchronous, nor the other way round. A
//! second look at the same recording, which shares no code with the figure, counts reads that lack a write of the same
//! key that had been acknowledged before they began. Skipped, with the reason, where the servers are not installed or no
//! network of its own is to be had. STEADFAST_SEEDS says how many seeds; three are usual.
use checker::measurements::{
    ObservedReplication, ReplicationBasis, ReplicationMeasurements, measure_history, measure_register_losses,
    measure_session_losses,
};
use checker::{Limits, continuity};
use histories::format::{Format, from_text};
use histories::{Function, ValueId};
use recorder::journal::MemorySink;
use recorder::stores::express_redis::{self, ExpressCluster};
use recorder::stores::memcached::{self, MemcachedCluster};
use recorder::stores::postgres::{self, PostgresCluster};
use recorder::stores::redis_sentinel::{SentinelCluster, SentinelOptions};
use recorder::stores::switches::Switches;
use recorder::system::{MachineNeeds, NetworkIsolation, find_program, run_isolated};
use recorder::{Clock, Journal, Nemesis, RunCounts, RunSettings, Stop, Store, run};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use workloads::{FaultSchedule, Plan, WorkloadKind, WorkloadSettings};

const LIVES: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(6);
/// Long enough for a thousand reads, where no lag has to build up.
const SHORT: Duration = Duration::from_secs(2);

fn seeds() -> std::ops::RangeInclusive<u64> {
    1..=std::env::var("STEADFAST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3)
}

fn settings(seed: u64, kind: WorkloadKind, strikes: &[&str], nodes: &[String]) -> RunSettings {
    settings_of_length(LONG, seed, kind, strikes, nodes)
}

fn settings_of_length(
    duration: Duration,
    seed: u64,
    kind: WorkloadKind,
    strikes: &[&str],
    nodes: &[String],
) -> RunSettings {
    let schedule = FaultSchedule {
        strikes: strikes.iter().map(|strike| strike.parse().expect("a fault")).collect(),
        timing: "once".parse().expect("a timing"),
        length: Duration::from_secs(1),
    };
    RunSettings {
        plan: Plan::new(&schedule, seed, nodes, duration).expect("a plan"),
        workload: WorkloadSettings { kind, sessions: 9, ..WorkloadSettings::new(seed) },
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

/// The journal of a run.
async fn record<S: Store, N: Nemesis>(store: S, nemesis: &mut N, settings: RunSettings) -> String {
    let (clock, sink) = (Clock::start_real(), MemorySink::default());
    let journal = Journal::new(sink.clone(), clock.clone(), "{\"steadfast\":1}").expect("memory is there");
    let (counts, stop) = (Arc::new(RunCounts::default()), Stop::default());
    run(store, nemesis, &settings, clock, Arc::new(journal), counts, stop).await.expect("a run");
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
        Some(record(store, &mut cluster, settings(seed, WorkloadKind::Register, &[], &[])).await)
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
        // With `local`, the standby lags by chance only. All other settings show what they are in any second.
        let duration = if commit == "local" { LONG } else { SHORT };
        let settings = settings_of_length(duration, seed, WorkloadKind::Register, &[], &[]);
        Some(record(store, &mut cluster, settings).await)
    })
}

/// memcached with three nodes, or with one that is its only copy of everything.
fn memcached(seed: u64, nodes: u8) -> Option<String> {
    if let Err(why) = find_program("memcached", "memcached") {
        eprintln!("skipped: {why}");
        return None;
    }
    let switches = Switches::parse(memcached::SWITCHES, &[format!("nodes={nodes}")]).expect("switches");
    run_isolated(|isolation| async move {
        if !is_alone(&isolation) {
            return None;
        }
        let mut cluster = MemcachedCluster::start(&switches, isolation).await.expect("it starts");
        let store = cluster.open_store(WorkloadKind::Register, LIVES);
        Some(
            record(store, &mut cluster, settings_of_length(SHORT, seed, WorkloadKind::Register, &[], &[]))
                .await,
        )
    })
}

/// Express on Redis that waits for nobody, with or without a fault that cuts the primary off.
fn express(seed: u64, strikes: &[&str]) -> Option<String> {
    let switches = Switches::parse(express_redis::SWITCHES, &[]).expect("the defaults");
    run_isolated(|isolation| async move {
        if !is_alone(&isolation) {
            return None;
        }
        let mut cluster =
            match ExpressCluster::start(switches, LIVES, isolation, MachineNeeds::default()).await {
                Ok(cluster) => cluster,
                Err(why) => {
                    eprintln!("skipped: {why}");
                    return None;
                }
            };
        let store = cluster.open_store(false).expect("its own description");
        let nodes = ExpressCluster::node_names();
        Some(record(store, &mut cluster, settings(seed, WorkloadKind::Session, strikes, &nodes)).await)
    })
}

fn looks(journal: &str) -> ReplicationMeasurements {
    let history = from_text(Format::Native, journal).expect("a history");
    let losses = if history.operations().any(|operation| operation.function == Function::CREATE) {
        let question = continuity::Question {
            time_to_live_ns: Some(LIVES.as_nanos() as i64),
            renewed_by: continuity::RenewedBy::default(),
            tolerance_ns: 100_000_000,
            is_sample: false,
        };
        let judged = continuity::judge_session_findings(&history, &question, &Limits::unbounded());
        measure_session_losses(&history, &judged)
    } else {
        measure_register_losses(&history, ValueId::NULL)
    };
    measure_history(&history, ValueId::NULL, &losses).replication
}

/// How many reads were answered by another node than the one that acknowledged the last write of their key before them; from
/// the lines of the journal alone. Only such reads can tell whether there is a lag between nodes.
fn answered_elsewhere(journal: &str) -> usize {
    let mut written_at: HashMap<String, String> = HashMap::new();
    let mut count = 0;
    for line in journal.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        if event["type"] != "ok" || event["process"].as_u64().is_none() {
            continue;
        }
        let (key, node) = (event["key"].to_string(), event["node"].to_string());
        if event["f"] == "write" {
            written_at.insert(key, node);
        } else {
            count += usize::from(written_at.get(&key).is_some_and(|writer| *writer != node));
        }
    }
    count
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
    let _shared = crate::run_beside_others();
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
    let _shared = crate::run_beside_others();
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
    let _shared = crate::run_beside_others();
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

/// A key of memcached lives on one node, and no other node ever has it.
#[test]
fn memcached_has_no_replication_that_could_be_called_synchronous() {
    let _shared = crate::run_beside_others();
    for (seed, nodes) in seeds().flat_map(|seed| [(seed, 1), (seed, 3)]) {
        let Some(journal) = memcached(seed, nodes) else { return };
        let (found, elsewhere) = (looks(&journal), answered_elsewhere(&journal));
        eprintln!(
            "memcached, {nodes} nodes, seed {seed}: {:?} ({:?}), {elsewhere} reads elsewhere",
            found.looks, found.basis
        );
        assert_eq!(elsewhere, 0, "seed {seed}: a key has one node");
        assert!(
            matches!(found.looks, ObservedReplication::NoLagSeen | ObservedReplication::Unknown),
            "seed {seed}: {found:?}"
        );
        assert_eq!(found.telling_reads, 0, "seed {seed}: {found:?}");
    }
}

/// Every request reads at the primary of Redis, so that no answer can be stale while the primary lives. The two instances of the
/// application answer in turn, and they are no replicas. Redis itself replicates asynchronously, which only its losses show.
#[test]
fn express_on_redis_that_waits_for_nobody_is_never_taken_for_synchronous() {
    let _shared = crate::run_beside_others();
    let struck = seeds().map(|seed| (seed, vec!["partition:n1@2s+3s"]));
    for (seed, strikes) in struck.chain([(1, vec![])]) {
        let Some(journal) = express(seed, &strikes) else { return };
        let found = looks(&journal);
        eprintln!("express, {strikes:?}, seed {seed}: {:?} ({:?})", found.looks, found.basis);
        match found.looks {
            ObservedReplication::Unknown | ObservedReplication::NoLagSeen => {}
            ObservedReplication::Asynchronous => {
                assert_eq!(found.basis, ReplicationBasis::Losses, "seed {seed}: {found:?}");
                assert!(!strikes.is_empty(), "seed {seed}: nothing was lost without a fault: {found:?}");
            }
            ObservedReplication::Synchronous => panic!("{strikes:?}, seed {seed}: {found:?}"),
        }
    }
}
