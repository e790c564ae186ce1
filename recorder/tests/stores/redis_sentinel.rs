//! Redis Sentinel, for real: what a partition does to acknowledged writes, and what `WAIT` does about it.
//!
//! Each test has servers and a network namespace of its own, so they run side by side. Skipped, with the
//! reason, where Redis is not installed or no namespace is to be had.

use crate::truth;
use crate::truth::{Op, linearizable, operations, settings};
use recorder::journal::MemorySink;
use recorder::stores::redis_sentinel::{SentinelCluster, SentinelOptions};
use recorder::system::{NetworkIsolation, find_program, run_isolated};
use recorder::{Clock, Journal, RunCounts, RunOutcome, RunSettings, Stop, run};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use workloads::{WorkloadKind, WorkloadSettings};

fn can_run(test: &str) -> bool {
    if let Err(why) = find_program("redis-sentinel", "redis-sentinel") {
        eprintln!("skipped {test}: {why}");
        return false;
    }
    true
}

fn record(settings: &RunSettings, wait: Option<(u32, Duration)>) -> Option<(RunOutcome, Vec<Op>)> {
    record_as(settings, wait, false)
}

fn record_as(
    settings: &RunSettings,
    wait: Option<(u32, Duration)>,
    confirms_reads: bool,
) -> Option<(RunOutcome, Vec<Op>)> {
    run_isolated(|isolation| async move {
        if let (NetworkIsolation::Shared(why), false) = (&isolation, settings.plan.episodes.is_empty()) {
            eprintln!("skipped: {why}");
            return None;
        }
        let mut cluster = SentinelCluster::start(SentinelOptions::default(), isolation).await.unwrap();
        cluster.check_plan(&settings.plan).unwrap();
        let store = cluster.open_store(settings.workload.kind, false, wait, Duration::from_secs(60));
        let store = if confirms_reads { store.confirming_reads() } else { store };
        let (clock, sink) = (Clock::start_real(), MemorySink::default());
        let journal = Arc::new(Journal::new(sink.clone(), clock.clone(), "{\"steadfast\":1}").unwrap());
        let (counts, stop) = (Arc::new(RunCounts::default()), Stop::default());
        let outcome = run(store, &mut cluster, settings, clock, journal, counts, stop).await.unwrap();
        Some((outcome, operations(&sink.bytes())))
    })
}

/// A partition of the primary, with the load on until well after the heal: see `stores::redis_sentinel`.
fn partition(seed: u64, kind: WorkloadKind) -> RunSettings {
    let read_share = if kind == WorkloadKind::Set { 0.01 } else { 0.5 };
    let workload =
        WorkloadSettings { kind, keys: 20, sessions: 9, read_share, ..WorkloadSettings::new(seed) };
    let mut settings = settings(workload, &["partition@2s+6s"], 3, 8);
    settings.load = "600/s".parse().unwrap();
    settings.workers = 9;
    settings.after_heal = Duration::from_secs(16);
    settings
}

/// Elements whose addition was acknowledged and that are in no final read. Nothing is ever removed: each is
/// a lost write.
fn lost_elements(operations: &[Op]) -> (usize, usize) {
    let finals = operations.iter().filter(|op| op.session == "final" && op.ok());
    let left: HashSet<String> = finals
        .flat_map(|op| op.result.as_array().cloned().unwrap_or_default())
        .map(|v| v.to_string())
        .collect();
    let added: Vec<&Op> = operations.iter().filter(|op| op.f == "add" && op.ok()).collect();
    (added.iter().filter(|op| !left.contains(&op.argument.to_string())).count(), added.len())
}

/// Elements that are there though their addition was said to have failed: a wrong classification.
fn failed_but_present(operations: &[Op]) -> usize {
    let finals = operations.iter().filter(|op| op.session == "final" && op.ok());
    let left: HashSet<String> = finals
        .flat_map(|op| op.result.as_array().cloned().unwrap_or_default())
        .map(|v| v.to_string())
        .collect();
    let failed = operations.iter().filter(|op| op.f == "add" && op.outcome == "fail");
    failed.filter(|op| left.contains(&op.argument.to_string())).count()
}

#[test]
fn a_partition_loses_acknowledged_writes() {
    if !can_run("a_partition_loses_acknowledged_writes") {
        return;
    }
    let Some((outcome, operations)) = record(&partition(1, WorkloadKind::Set), None) else { return };
    let (lost, added) = lost_elements(&operations);
    eprintln!("partition: {:?}, {lost} of {added} acknowledged elements lost", outcome.tally);
    assert_eq!((outcome.unread.objects.len(), failed_but_present(&operations)), (0, 0));
    assert!(lost > 500);
}

/// With `WAIT 1` the other replica may become the primary, and on a busy machine it lacks what the first one has. It once lacked 161
/// acknowledged elements. If both replicas acknowledged a write, it survives the promotion of either.
#[test]
fn with_wait_for_both_replicas_a_partition_loses_nothing() {
    if !can_run("with_wait_for_both_replicas_a_partition_loses_nothing") {
        return;
    }
    let wait = Some((2, Duration::from_millis(300)));
    let Some((outcome, operations)) = record(&partition(2, WorkloadKind::Set), wait) else { return };
    let (lost, added) = lost_elements(&operations);
    eprintln!("partition, WAIT 2: {:?}, {lost} of {added} acknowledged elements lost", outcome.tally);
    assert_eq!((outcome.unread.objects.len(), failed_but_present(&operations), lost), (0, 0, 0));
    assert!(outcome.tally.info > 0 && added > 1000);
}

#[test]
fn in_a_partition_both_sides_read_and_one_of_them_is_stale() {
    if !can_run("in_a_partition_both_sides_read_and_one_of_them_is_stale") {
        return;
    }
    let Some((outcome, operations)) = record(&partition(3, WorkloadKind::Register), None) else { return };
    let stale = truth::stale_reads(&operations);
    eprintln!("partition, registers: {:?}, {stale} stale reads", outcome.tally);
    assert!(linearizable(&operations).is_err() && stale > 100);
}

/// What the primary that is cut off shows, no replica has: such reads do not count.
#[test]
fn with_confirmed_reads_no_side_of_a_partition_is_stale() {
    if !can_run("with_confirmed_reads_no_side_of_a_partition_is_stale") {
        return;
    }
    let wait = Some((1, Duration::from_millis(300)));
    let Some((outcome, operations)) = record_as(&partition(4, WorkloadKind::Register), wait, true) else {
        return;
    };
    let unconfirmed = operations.iter().filter(|op| op.f == "read" && op.outcome == "fail").count();
    eprintln!("partition, WAIT 1 after reads too: {:?}, {unconfirmed} reads did not count", outcome.tally);
    linearizable(&operations).unwrap();
    assert!(unconfirmed > 0 && outcome.tally.ok > 1000 && outcome.unread.objects.is_empty());
}

#[test]
fn without_faults_the_primary_is_linearizable() {
    if !can_run("without_faults_the_primary_is_linearizable") {
        return;
    }
    let mut settings = settings(WorkloadSettings::new(3), &[], 3, 4);
    settings.load = "600/s".parse().unwrap();
    let Some((outcome, operations)) = record(&settings, None) else { return };
    linearizable(&operations).unwrap();
    assert_eq!((outcome.tally.fail, outcome.tally.info, outcome.unread.objects.len()), (0, 0, 0));
}

#[test]
fn kill_pause_and_restart_are_survived_and_leave_nothing_behind() {
    if !can_run("kill_pause_and_restart_are_survived_and_leave_nothing_behind") {
        return;
    }
    let workload = WorkloadSettings { keys: 20, sessions: 9, ..WorkloadSettings::new(4) };
    let mut settings =
        settings(workload, &["kill@1s+5s", "pause:replica@7s+1s", "restart:replica@9s"], 3, 10);
    settings.after_heal = Duration::from_secs(5);
    let Some((outcome, operations)) = record(&settings, None) else { return };
    eprintln!("kill, pause, restart: {:?}", outcome.tally);
    assert_eq!(outcome.unread.objects.len(), 0);
    // A new primary served: what was acknowledged long after the kill came from another node.
    assert!(operations.iter().filter(|op| op.ok() && op.invoked_ns > 6_000_000_000).count() > 100);
}

/// Processes whose command line or working folder belongs to this process's runs.
fn left_running() -> Vec<String> {
    let ours = format!("steadfast-run-{}-", std::process::id());
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .filter(|line| line.contains(&ours))
        .collect()
}

/// The servers of a run that panics die with it, one that stands still among them.
#[test]
fn a_panic_leaves_nothing_running() {
    if !can_run("a_panic_leaves_nothing_running") {
        return;
    }
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        run_isolated(|isolation| async move {
            let mut cluster = SentinelCluster::start(SentinelOptions::default(), isolation).await.unwrap();
            let strike: workloads::Strike = "pause:n2".parse().unwrap();
            let target = strike.target.unwrap();
            let episode = workloads::Episode { fault: strike.fault, target, from_ns: 0, to_ns: 1 };
            recorder::Nemesis::strike(&mut cluster, 0, &episode).await.unwrap();
            tell.send(cluster.folder().to_owned()).unwrap();
            panic!("on purpose");
        })
    });
    let folder = told.recv().unwrap();
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    assert!(thread.join().is_err());
    assert!(!folder.exists());
    let left: Vec<_> = left_running().into_iter().filter(|line| line.contains(&name)).collect();
    assert!(left.is_empty(), "{left:?}");
}
