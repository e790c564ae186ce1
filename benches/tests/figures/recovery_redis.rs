//! Recovery times against somebody who only polls, on a real Redis Sentinel.
//!
//! The primary is killed under load. Beside the run a thread with sockets of its own asks a Sentinel for the primary and
//! writes a key there, twice a second: what an operator would do in a terminal. Skipped, with the reason, where Redis is
//! not installed or no network of its own is to be had.

use crate::sentinel_questions::{ask, find_primary, find_sentinels};
use checker::measurements::{find_metric, measure_history, measure_register_losses};
use histories::ValueId;
use histories::format::{Format, from_text};
use recorder::journal::MemorySink;
use recorder::stores::redis_sentinel::{SentinelCluster, SentinelOptions};
use recorder::system::{NetworkIsolation, find_program, run_isolated};
use recorder::{Clock, Journal, RunCounts, RunSettings, Stop, run};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use workloads::{FaultSchedule, Plan, WorkloadSettings};

/// How often it polls, and for how long it waits for each answer.
const INTERVAL: Duration = Duration::from_millis(500);

/// Whether a write succeeds at whom the first Sentinel that answers takes for the primary.
fn poll(sentinels: &[SocketAddr]) -> bool {
    let Some(primary) = find_primary(sentinels) else { return false };
    ask(primary, &["SET", "polled", "1"], 1).is_ok_and(|lines| lines == ["+OK"])
}

fn settings() -> RunSettings {
    let schedule = FaultSchedule {
        strikes: vec!["kill@2s+5s".parse().expect("a fault")],
        timing: "once".parse().expect("a timing"),
        length: Duration::from_secs(5),
    };
    let duration = Duration::from_secs(8);
    let nodes: Vec<String> = (1..=3).map(|number| format!("n{number}")).collect();
    RunSettings {
        plan: Plan::new(&schedule, 1, &nodes, duration).expect("a plan"),
        workload: WorkloadSettings { sessions: 9, ..WorkloadSettings::new(1) },
        load: "300/s".parse().expect("a load"),
        workers: 9,
        timeout: Duration::from_millis(500),
        patience: Duration::from_secs(1),
        warm_start: false,
        duration,
        after_heal: Duration::from_secs(1),
        settle: Duration::from_secs(1),
        look_every: None,
    }
}

/// The history of a run, and when each poll was sent, on its clock, and whether it succeeded.
fn record() -> Option<(String, Vec<(Duration, bool)>)> {
    run_isolated(|isolation| async move {
        if let NetworkIsolation::Shared(why) = &isolation {
            eprintln!("skipped: {why}");
            return None;
        }
        let settings = settings();
        let mut cluster =
            SentinelCluster::start(SentinelOptions::default(), isolation).await.expect("it starts");
        let store = cluster.open_store(settings.workload.kind, false, None, Duration::from_secs(60));
        let sentinels = find_sentinels(cluster.folder());
        let (clock, zero) = (Clock::start_real(), Instant::now());
        let enough = Arc::new(AtomicBool::new(false));
        let stop_polling = enough.clone();
        let poller = std::thread::spawn(move || {
            let mut polls = Vec::new();
            while !stop_polling.load(Ordering::Relaxed) {
                let sent = zero.elapsed();
                polls.push((sent, poll(&sentinels)));
                std::thread::sleep((sent + INTERVAL).saturating_sub(zero.elapsed()));
            }
            polls
        });
        let sink = MemorySink::default();
        let journal =
            Journal::new(sink.clone(), clock.clone(), "{\"steadfast\":1}").expect("memory is there");
        let (counts, stop) = (Arc::new(RunCounts::default()), Stop::default());
        run(store, &mut cluster, &settings, clock, Arc::new(journal), counts, stop).await.expect("a run");
        enough.store(true, Ordering::Relaxed);
        let polls = poller.join().expect("the poller does not panic");
        Some((String::from_utf8(sink.bytes()).expect("text"), polls))
    })
}

#[test]
fn a_failover_takes_as_long_as_somebody_who_polls_says() {
    let _alone = crate::run_alone();
    if let Err(why) = find_program("redis-sentinel", "redis-sentinel") {
        eprintln!("skipped: {why}");
        return;
    }
    let Some((journal, polls)) = record() else { return };
    let history = from_text(Format::Native, &journal).expect("a history");
    let losses = measure_register_losses(&history, ValueId::NULL);
    let fault = measure_history(&history, ValueId::NULL, &losses).faults.remove(0);
    let figure = |name: &str| {
        let value = fault.values.get(find_metric(name).expect("a metric")).expect("measured of a fault");
        value.expect("a figure").exact_value().expect("known exactly")
    };
    let struck = Duration::from_nanos(fault.fault.struck as u64);
    let mut after = polls.iter().filter(|poll| poll.0 >= struck);
    after.find(|poll| !poll.1).expect("the failover is noticed");
    let answered = after.find(|poll| poll.1).expect("the servers come back");
    let polled = (answered.0 - struck).as_secs_f64();
    let found = ["recovery.first", "recovery.p50", "recovery.max", "unavailable"].map(figure);
    eprintln!("polled {polled:.2} s; first, median, last session and without service {found:.2?} s");
    // The first session was served no later than the poll that was, and after the poll before it that was not.
    assert!((found[0] - polled).abs() <= INTERVAL.as_secs_f64(), "{found:?}, polled {polled}");
    assert!((found[1] - polled).abs() <= INTERVAL.as_secs_f64() * 2.0, "{found:?}, polled {polled}");
    assert_eq!(figure("unrecovered-sessions"), 0.0);
}
