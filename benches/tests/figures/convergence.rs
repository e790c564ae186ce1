//! The time until replicas agree, against somebody who looks all the time.
//!
//! What is measured comes from the looks in the recorded history, which are as far apart as they were asked for. Beside the
//! run somebody looks at every session of every replica each millisecond, and keeps their own list. The two must agree
//! within the period of the looks; and the embedded store sends a replica what it lacks with the next heartbeat, 50 ms
//! after the last at most, so that it is known how long it should take.

use checker::measurements::{FaultMeasurements, find_metric, measure_history, measure_session_losses};
use histories::ValueId;
use histories::format::{Format, from_text};
use recorder::journal::MemorySink;
use recorder::stores::embedded::{EmbeddedOptions, EmbeddedStore, ReplicationMode, simulate_beside};
use recorder::{Clock, RunCounts, RunSettings, Stop, Store};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use workloads::{Churn, FaultSchedule, Plan, WorkloadKind, WorkloadSettings};

const HEALED: Duration = Duration::from_secs(4);
/// The next heartbeat, and the way there and back under the links' ordinary delays.
const EXPECTED_MS: u64 = 50 + 10;

/// When somebody looked and replicas differed.
type Apart = Arc<Mutex<Vec<u64>>>;

async fn look(store: EmbeddedStore, clock: Clock, apart: Apart) {
    let keys: Vec<Arc<str>> = (1..200).map(|number| format!("s-{number}").into()).collect();
    clock.sleep_until_ns(HEALED.as_nanos() as u64).await;
    loop {
        let mut differ = false;
        for key in &keys {
            let mut held = Vec::new();
            for replica in store.replica_names() {
                held.push(store.read_replica(&replica, key).await.expect("it is there"));
            }
            differ |= held.windows(2).any(|pair| pair[0] != pair[1]);
        }
        if differ {
            apart.lock().expect("nobody panicked").push(clock.now_ns());
        }
        clock.sleep(Duration::from_millis(1)).await;
    }
}

/// A partition that heals as the load ends, so that nothing else sets replicas apart.
fn settings(seed: u64, every: Duration) -> RunSettings {
    let schedule = FaultSchedule {
        strikes: vec!["partition:n3".parse().expect("a fault")],
        timing: "once".parse().expect("a timing"),
        length: Duration::from_secs(2),
    };
    let nodes: Vec<String> = (1..=3).map(|number| format!("n{number}")).collect();
    let mut plan = Plan::new(&schedule, seed, &nodes, HEALED).expect("a plan");
    for episode in &mut plan.episodes {
        (episode.from_ns, episode.to_ns) = (2_000_000_000, HEALED.as_nanos() as u64);
    }
    RunSettings {
        plan,
        workload: WorkloadSettings {
            kind: WorkloadKind::Session,
            sessions: 8,
            churn: Churn { mean_operations: Some(20.0), lasting_share: 0.1 },
            ..WorkloadSettings::new(seed)
        },
        load: "200/s".parse().expect("a load"),
        workers: 5,
        timeout: Duration::from_millis(200),
        patience: Duration::from_secs(1),
        warm_start: false,
        duration: HEALED,
        after_heal: Duration::ZERO,
        settle: Duration::from_secs(1),
        look_every: Some(every),
    }
}

/// What the history of a run says of its fault, and when somebody beside it last saw replicas apart, in ns after the heal.
fn run(seed: u64, every: Duration) -> (FaultMeasurements, u64) {
    let options = EmbeddedOptions { replication: ReplicationMode::Async, ..EmbeddedOptions::new() };
    let (sink, apart) = (MemorySink::default(), Apart::default());
    let seen = apart.clone();
    let beside = move |store, clock| look(store, clock, seen);
    let (counts, stop, header) = (Arc::new(RunCounts::default()), Stop::default(), "{\"steadfast\":1}");
    simulate_beside(&options, &settings(seed, every), sink.clone(), header, counts, stop, beside)
        .expect("a run");
    let journal = String::from_utf8(sink.bytes()).expect("text");
    let history = from_text(Format::Native, &journal).expect("a history");
    let mut faults = measure_history(&history, ValueId::NULL, &measure_session_losses(&history, &[])).faults;
    assert_eq!(faults.len(), 1);
    let last = apart.lock().expect("nobody panicked").last().copied();
    (faults.remove(0), last.map_or(0, |last| last - HEALED.as_nanos() as u64))
}

#[test]
fn the_time_until_replicas_agree_is_that_of_somebody_who_looks_all_the_time() {
    let _alone = crate::run_alone();
    let mut late = 0;
    for seed in 0..4 {
        for period_ms in [15, 40, 70] {
            let (measured, last_apart_ns) = run(seed, Duration::from_millis(period_ms));
            let figure = |name: &str| {
                let value =
                    measured.values.get(find_metric(name).expect("a metric")).expect("measured of a fault");
                (value.expect("a figure").exact_value().expect("known exactly") * 1e9).round() as u64
            };
            let (seen, within) = (figure("convergence"), figure("convergence.uncertainty"));
            let (ms, told) =
                (1_000_000, format!("seed {seed}, every {period_ms} ms: {seen} ns, {last_apart_ns} ns"));
            assert!(within <= period_ms * ms, "{told}");
            // They came together between the last time that they were seen apart and a millisecond later.
            assert!(last_apart_ns < seen && last_apart_ns + ms >= seen - within, "{told}");
            assert!(last_apart_ns <= EXPECTED_MS * ms, "{told}");
            late += u64::from(last_apart_ns > 10 * ms);
        }
    }
    assert!(late > 6, "the partition left something behind in {late} runs of twelve");
}
