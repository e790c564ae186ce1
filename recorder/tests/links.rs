//! Faults of links on a real Redis Sentinel, by packets and by proxies: each does what it says, and nothing is left.
//!
//! All runs go on side by side, in namespaces of their own or on ports of their own. Each is skipped, with the
//! reason, where what it needs is not to be had.

#![allow(clippy::print_stderr, reason = "says what was measured and what was skipped")]

#[path = "stores/truth/mod.rs"]
mod truth;

use recorder::journal::MemorySink;
use recorder::stores::redis_sentinel::{SentinelCluster, SentinelOptions};
use recorder::system::{Means, find_program, run_isolated};
use recorder::{Clock, Journal, RunCounts, RunOutcome, RunSettings, Stop, run};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use truth::{Op, operations, settings, stale_reads};
use workloads::WorkloadSettings;

/// Tests that count the network namespaces of this process must not run beside one that has its own.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What a run showed.
struct Shown {
    outcome: RunOutcome,
    operations: Vec<Op>,
    folder: PathBuf,
}

impl Shown {
    /// How many operations of clients were acknowledged that began between two times, in seconds.
    fn ok_between(&self, from: u64, to: u64) -> usize {
        let within = |op: &&Op| (from * 1_000_000_000..to * 1_000_000_000).contains(&op.invoked_ns);
        self.operations.iter().filter(|op| op.ok()).filter(within).count()
    }

    fn ended(&self, outcome: &str) -> usize {
        self.operations.iter().filter(|op| op.outcome == outcome).count()
    }

    /// The nodes that acknowledged writes which began after a time, in seconds.
    fn writers_after(&self, from: u64) -> BTreeSet<&str> {
        let writes = self.operations.iter().filter(|op| op.f == "write" && op.ok());
        writes.filter(|op| op.invoked_ns > from * 1_000_000_000).map(|op| op.node.as_str()).collect()
    }
}

/// A short run on servers of its own; nothing, where it cannot be had.
fn record(name: &str, means: Means, replica_reads: bool, strikes: &[&str], seconds: u64) -> Option<Shown> {
    let mut settings: RunSettings =
        settings(WorkloadSettings { keys: 5, sessions: 9, ..WorkloadSettings::new(1) }, strikes, 3, seconds);
    settings.load = "400/s".parse().unwrap();
    settings.workers = 9;
    settings.after_heal = Duration::from_secs(2);
    settings.settle = Duration::from_secs(1);
    let shown = run_isolated(|isolation| async move {
        SentinelCluster::choose_means(Some(means), &isolation, &settings.plan)?;
        let options = SentinelOptions { means: Some(means), ..SentinelOptions::default() };
        let mut cluster = SentinelCluster::start(options, isolation).await.map_err(|why| why.to_string())?;
        cluster.check_plan(&settings.plan)?;
        let folder = cluster.folder().to_owned();
        let store = cluster.open_store(settings.workload.kind, replica_reads, None, Duration::from_secs(60));
        let (clock, sink) = (Clock::start_real(), MemorySink::default());
        let journal = Arc::new(Journal::new(sink.clone(), clock.clone(), "{\"steadfast\":1}").unwrap());
        let (counts, stop) = (Arc::new(RunCounts::default()), Stop::default());
        let outcome = run(store, &mut cluster, &settings, clock, journal, counts, stop).await.unwrap();
        Ok::<Shown, String>(Shown { outcome, operations: operations(&sink.bytes()), folder })
    });
    match shown {
        Ok(shown) => {
            eprintln!("{name}: {:?}, {} stale reads", shown.outcome.tally, stale_reads(&shown.operations));
            assert_eq!(shown.outcome.unread.objects.len(), 0, "{name}: everything can be read in the end");
            assert!(!shown.folder.exists(), "{name}: its folder is gone");
            Some(shown)
        }
        Err(why) => {
            eprintln!("skipped {name}: {why}");
            None
        }
    }
}

/// What the primary sends arrives late, and replicas answer with what they have.
fn a_late_replica_is_stale(means: Means) {
    let name = format!("delay by {means:?}");
    let Some(shown) = record(&name, means, true, &["delay=200ms:primary>all@1s+4s"], 5) else { return };
    assert!(stale_reads(&shown.operations) > 20, "{name}");
}

fn losses_are_survived() {
    let Some(shown) = record("loss", Means::Packets, false, &["loss=0.3:all@1s+4s"], 5) else { return };
    assert!(shown.ok_between(1, 5) > 1000 && shown.writers_after(0).len() == 1);
}

/// A primary whose links to the others are held is, for them, gone; and nothing that it had sent is lost to it.
fn what_is_held_both_ways_is_a_partition(means: Means) {
    let name = format!("hold by {means:?}");
    let Some(shown) = record(&name, means, false, &["hold:primary@1s+6s"], 7) else { return };
    let writers = shown.writers_after(5);
    assert!(writers.iter().any(|node| *node != "n1"), "{name}: another primary was made: {writers:?}");
}

/// Clients of the primary are cut off by RST, and come back when it is over.
fn a_reset_is_not_known_or_refused_and_over_when_it_is_over(means: Means) {
    let name = format!("reset by {means:?}");
    let Some(shown) = record(&name, means, false, &["reset:client-primary@1s+2s"], 4) else { return };
    assert!(shown.ended("info") > 0, "{name}: some operations were under way");
    assert!(shown.ok_between(4, 6) > 500, "{name}: it serves again");
    // Servers did not lose one another.
    assert_eq!(shown.writers_after(0).len(), 1, "{name}");
}

fn half_open_connections_are_replaced() {
    let strikes = ["half-close:client>primary@1s", "slice=5:client-primary@2s+1s"];
    let Some(shown) = record("half-close", Means::Proxies, false, &strikes, 3) else { return };
    assert!(shown.ok_between(2, 5) > 800);
}

#[test]
fn each_fault_of_links_does_what_it_says_and_leaves_nothing() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(why) = find_program("redis-sentinel", "redis-sentinel") {
        eprintln!("skipped faults of links: {why}");
        return;
    }
    let before = namespaces();
    let runs: [(&str, fn()); 8] = [
        ("delay by packets", || a_late_replica_is_stale(Means::Packets)),
        ("delay by proxies", || a_late_replica_is_stale(Means::Proxies)),
        ("loss", losses_are_survived),
        ("hold by packets", || what_is_held_both_ways_is_a_partition(Means::Packets)),
        ("hold by proxies", || what_is_held_both_ways_is_a_partition(Means::Proxies)),
        ("reset by packets", || a_reset_is_not_known_or_refused_and_over_when_it_is_over(Means::Packets)),
        ("reset by proxies", || a_reset_is_not_known_or_refused_and_over_when_it_is_over(Means::Proxies)),
        ("half-close", half_open_connections_are_replaced),
    ];
    let threads = runs.map(|(name, run)| (name, std::thread::spawn(run)));
    let failed: Vec<&str> =
        threads.into_iter().filter_map(|(name, thread)| thread.join().is_err().then_some(name)).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let ours = format!("steadfast-run-{}-", std::process::id());
    let left: Vec<String> = command_lines().into_iter().filter(|line| line.contains(&ours)).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(namespaces(), before, "network namespaces of this process's threads");
}

fn command_lines() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).collect()
}

/// The network namespaces that threads of this process are in.
fn namespaces() -> BTreeSet<PathBuf> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
    threads.filter_map(|thread| std::fs::read_link(thread.path().join("ns/net")).ok()).collect()
}

/// What cannot be had is said before anything is started.
#[test]
fn what_cannot_be_had_is_an_error_that_says_why() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let plan = |strikes: &[&str]| settings(WorkloadSettings::new(1), strikes, 3, 10).plan;
    run_isolated(|isolation| async move {
        let means =
            |asked, strikes: &[&str]| SentinelCluster::choose_means(asked, &isolation, &plan(strikes));
        let why = means(Some(Means::Proxies), &["loss=0.3"]).unwrap_err();
        assert!(why.contains("a proxy carries connections"), "{why}");
        let why = means(None, &["loss=0.3", "half-close"]).unwrap_err();
        assert!(why.contains("by packets") && why.contains("by proxies"), "{why}");
    });
}
