//! The embedded store keeps the promises of its configuration, and breaks those that it was told to break.

use crate::truth;
use crate::truth::{linearizable, lost_writes, operations, planned, run, settings};
use recorder::stores::embedded::{EmbeddedOptions, ReadRouting, ReplicationMode};
use std::time::Instant;
use workloads::{FaultSchedule, WorkloadSettings};

fn quorum() -> EmbeddedOptions {
    EmbeddedOptions { replication: ReplicationMode::Quorum, ..EmbeddedOptions::new() }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let settings = settings(WorkloadSettings::new(7), &["partition", "kill"], 3, 10);
    let (_, first) = run(&EmbeddedOptions::new(), &settings);
    let (_, second) = run(&EmbeddedOptions::new(), &settings);
    assert!(first == second && first.len() > 500_000);
    let other = truth::settings(WorkloadSettings::new(8), &["partition", "kill"], 3, 10);
    assert!(run(&EmbeddedOptions::new(), &other).1 != first);
}

/// How many seeds: STEADFAST_SEEDS, or a hundred.
fn seeds() -> u64 {
    std::env::var("STEADFAST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(100)
}

/// Every fault there is, at random times, many seeds: quorum replication with reads at the primary stays
/// linearizable, loses nothing, and serves again in the end.
#[test]
fn quorum_survives_everything() {
    let faults = [
        "kill:random",
        "pause:random",
        "restart:random",
        "replace:random",
        "partition:random",
        "one-way:random",
    ];
    let others = [
        "bridge:random",
        "majorities-ring",
        "delay=30ms:random",
        "loss=0.3:random",
        "skew=5s:random",
        "hold:random",
        "isolate:random",
        "hang:random",
        "slow=60ms:random",
        "drain:random",
        "fail-first=5:random",
        "delay=40ms~80ms:all-all",
    ];
    let schedule = FaultSchedule {
        strikes: faults.iter().chain(&others).map(|text| text.parse().unwrap()).collect(),
        timing: "random:1s".parse().unwrap(),
        length: std::time::Duration::from_secs(2),
    };
    for seed in 0..seeds() {
        let options = EmbeddedOptions { nodes: 5, ..quorum() };
        let settings = planned(WorkloadSettings { keys: 3, ..WorkloadSettings::new(seed) }, &schedule, 5, 10);
        let (outcome, journal) = run(&options, &settings);
        let operations = operations(&journal);
        assert_eq!(outcome.unread.objects.len(), 0, "seed {seed}: the store came back");
        assert!(outcome.tally.ok > 200, "seed {seed}: {:?}", outcome.tally);
        linearizable(&operations).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert_eq!(lost_writes(&operations), 0, "seed {seed}");
    }
}

/// Primary and its clients cut off: it goes on acknowledging until its lease ends, and all of that is lost.
#[test]
fn async_replication_loses_acknowledged_writes_in_a_partition() {
    for seed in 0..10 {
        let (_, journal) =
            run(&EmbeddedOptions::new(), &settings(WorkloadSettings::new(seed), &["partition"], 3, 10));
        let operations = operations(&journal);
        assert!(linearizable(&operations).is_err(), "seed {seed}");
    }
}

/// Overlapping with nothing, asynchronous replication is as good as any.
#[test]
fn without_faults_all_replications_are_linearizable_at_the_primary() {
    for replication in [ReplicationMode::Async, ReplicationMode::SemiSync, ReplicationMode::Quorum] {
        let options = EmbeddedOptions { replication, ..EmbeddedOptions::new() };
        let (outcome, journal) = run(&options, &settings(WorkloadSettings::new(1), &[], 3, 5));
        linearizable(&operations(&journal)).unwrap();
        assert_eq!(outcome.tally.info, 0, "{}", replication.name());
    }
}

#[test]
fn replicas_are_stale_even_without_faults() {
    for reads in [ReadRouting::Any, ReadRouting::Sticky] {
        let options = EmbeddedOptions { reads, ..quorum() };
        let (_, journal) = run(&options, &settings(WorkloadSettings::new(1), &[], 3, 5));
        assert!(linearizable(&operations(&journal)).is_err(), "{}", reads.name());
    }
}

#[test]
fn ten_simulated_seconds_are_quick() {
    let began = Instant::now();
    let (outcome, _) =
        run(&EmbeddedOptions::new(), &settings(WorkloadSettings::new(7), &["partition"], 3, 10));
    let took = began.elapsed();
    assert!(outcome.tally.ok > 3_000, "{:?}", outcome.tally);
    assert!(took.as_secs_f64() < 2.0, "{took:?} for {:?}", outcome.took);
}
