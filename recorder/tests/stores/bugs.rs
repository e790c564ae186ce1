//! Each bug of the embedded store breaks its own promise, seen in the history alone; without it, under the
//! same faults and the same seeds, the promise is kept.

use crate::truth;
use crate::truth::sessions::{leaks, old_ids, resurrections, torn};
use crate::truth::{Op, linearizable, operations, run, settings};
use recorder::stores::embedded::{Bug, EmbeddedOptions, ReplicationMode};
use std::collections::HashMap;
use std::time::Duration;
use workloads::{Churn, WorkloadKind, WorkloadSettings};

const SEEDS: u64 = 10;

fn sound() -> EmbeddedOptions {
    EmbeddedOptions { replication: ReplicationMode::Quorum, ..EmbeddedOptions::new() }
}

fn lifecycle(seed: u64) -> WorkloadSettings {
    WorkloadSettings {
        kind: WorkloadKind::Session,
        sessions: 8,
        in_flight_per_session: 2,
        churn: Churn { mean_operations: Some(20.0), lasting_share: 0.0 },
        ..WorkloadSettings::new(seed)
    }
}

/// Runs with and without the bug; `finds` counts findings in a history. With the bug, most seeds must show
/// some; without it, none may.
fn held_against(
    bug: Bug,
    options: &EmbeddedOptions,
    workload: fn(u64) -> WorkloadSettings,
    strikes: &[&str],
    finds: fn(&[Op]) -> usize,
) {
    let mut shown = 0;
    for seed in 0..SEEDS {
        let settings = settings(workload(seed), strikes, options.nodes, 8);
        let (_, journal) = run(options, &settings);
        assert_eq!(finds(&operations(&journal)), 0, "{}: seed {seed} without the bug", bug.name());
        let broken = EmbeddedOptions { bugs: vec![bug], ..options.clone() };
        let (_, journal) = run(&broken, &settings);
        shown += usize::from(finds(&operations(&journal)) > 0);
    }
    assert!(shown as u64 * 10 >= SEEDS * 7, "{}: shown by {shown} of {SEEDS} seeds", bug.name());
}

/// All of the findings at once, none of which a sound store may show under any fault.
#[test]
fn sound_sessions_survive_everything() {
    let strikes = ["kill:random", "pause:random", "partition:random", "one-way:random", "bridge:random"];
    let others = [
        "delay=30ms:random",
        "loss=0.3:random",
        "skew=10s:random",
        "restart:random",
        "replace:random",
        "deploy=2:random",
    ];
    let schedule = workloads::FaultSchedule {
        strikes: strikes.iter().chain(&others).map(|text| text.parse().unwrap()).collect(),
        timing: "random:1s".parse().unwrap(),
        length: Duration::from_secs(2),
    };
    let options = EmbeddedOptions { time_to_live: Duration::from_secs(4), nodes: 5, ..sound() };
    let findings: [fn(&[Op]) -> usize; 5] = [resurrections, early_ends, leaks, torn, old_ids];
    let mut acknowledged = 0;
    for seed in 0..3 * SEEDS {
        let (outcome, journal) = run(&options, &truth::planned(lifecycle(seed), &schedule, 5, 8));
        acknowledged += outcome.tally.ok;
        assert_eq!(findings.map(|finds| finds(&operations(&journal))), [0; 5], "seed {seed}");
    }
    assert!(acknowledged > 30_000, "{acknowledged}");
}

fn early_ends(operations: &[Op]) -> usize {
    truth::sessions::early_ends(operations, 4_000_000_000)
}

fn not_linearizable(operations: &[Op]) -> usize {
    usize::from(linearizable(operations).is_err())
}

#[test]
fn reads_at_replicas_are_stale() {
    held_against(Bug::StaleReplicaReads, &sound(), WorkloadSettings::new, &[], not_linearizable);
}

#[test]
fn acknowledging_early_loses_writes_on_failover() {
    held_against(Bug::LostOnFailover, &sound(), WorkloadSettings::new, &["partition"], not_linearizable);
}

#[test]
fn a_primary_without_lease_serves_stale_reads() {
    let readers = |seed| WorkloadSettings { read_share: 0.8, ..WorkloadSettings::new(seed) };
    held_against(Bug::SplitBrain, &sound(), readers, &["partition@1s+6s"], not_linearizable);
}

#[test]
fn a_late_write_brings_a_destroyed_session_back() {
    // Slow replication, so that a write of one tab is often under way when the other one destroys.
    held_against(Bug::ResurrectAfterDestroy, &sound(), lifecycle, &["delay=50ms@0s+8s"], resurrections);
}

#[test]
fn a_clock_that_is_ahead_ends_sessions_early() {
    let options = EmbeddedOptions { time_to_live: Duration::from_secs(4), ..sound() };
    held_against(Bug::ExpireByLocalClock, &options, lifecycle, &["skew=10s"], early_ends);
}

#[test]
fn answers_to_others_leak_sessions() {
    let pauses: &[&str] = &["pause+700ms", "pause+700ms", "pause+700ms", "pause+700ms"];
    held_against(Bug::MixedReplies, &sound(), lifecycle, pauses, leaks);
}

#[test]
fn a_write_in_two_steps_is_seen_torn() {
    held_against(Bug::TornWrites, &sound(), lifecycle, &[], torn);
}

#[test]
fn an_old_id_that_lives_on() {
    held_against(Bug::OldIdAlive, &sound(), lifecycle, &[], old_ids);
}

/// How much more the counters hold in the end than all increments that may have taken effect.
fn counted_twice(operations: &[Op]) -> usize {
    let mut sums: HashMap<&str, i64> = HashMap::new();
    for op in operations.iter().filter(|op| op.f == "inc" && op.outcome != "fail") {
        *sums.entry(&op.key).or_default() += 1;
    }
    let finals = operations.iter().filter(|op| op.session == "final" && op.ok());
    finals
        .filter(|op| op.result.as_i64().unwrap_or(0) > sums.get(op.key.as_str()).copied().unwrap_or(0))
        .count()
}

#[test]
fn writes_that_are_sent_again_count_twice() {
    // Answers that come after the retry: messages between the nodes take 100 ms on average.
    let counter =
        |seed| WorkloadSettings { kind: WorkloadKind::Counter, keys: 1, ..WorkloadSettings::new(seed) };
    held_against(Bug::RetriedWrites, &sound(), counter, &["delay=100ms"], counted_twice);
}
