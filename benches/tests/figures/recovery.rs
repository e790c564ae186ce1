//! Recovery times against somebody who only polls.
//!
//! What is measured comes from the recorded history. Beside the run a client that is not recorded asks for one and the
//! same key again and again, and keeps its own list of when it was answered: an operator with a stopwatch. After a
//! fault that strikes everybody alike, the two must agree within the polling interval.

use checker::measurements::{FaultMeasurements, find_metric, measure_history, measure_register_losses};
use histories::ValueId;
use histories::format::{Format, from_text};
use recorder::journal::MemorySink;
use recorder::stores::embedded::{EmbeddedOptions, EmbeddedStore, ReplicationMode, simulate_beside};
use recorder::{Client, Clock, RunCounts, RunSettings, Stop, Store, StoreRequest, Trace};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use workloads::{ClientOperation, FaultSchedule, Plan, Value, WorkloadSettings};

/// How often it polls, and for how long it waits for an answer.
const INTERVAL: Duration = Duration::from_millis(50);

/// When each poll was over, and whether it was answered in time.
type Polls = Arc<Mutex<Vec<(u64, bool)>>>;

async fn poll(store: EmbeddedStore, clock: Clock, polls: Polls) {
    let operation = ClientOperation::on_key(&"k1".into(), histories::Function::READ, Value::Null);
    let mut client = None;
    for number in 1.. {
        let sent_ns = clock.now_ns();
        let deadline_ns = sent_ns + INTERVAL.as_nanos() as u64;
        let session: Arc<str> = "poller".into();
        let trace = Trace { run: 1, number };
        let request = StoreRequest { session: &session, operation: &operation, deadline_ns, trace };
        let mut connected = match client.take() {
            Some(connected) => connected,
            None => store.connect(0).await.expect("an embedded store is there to connect to"),
        };
        let answered =
            matches!(clock.await_until_ns(deadline_ns, connected.execute(&request)).await, Some(Ok(_)));
        polls.lock().expect("nobody panicked").push((clock.now_ns(), answered));
        client = answered.then_some(connected);
        clock.sleep_until_ns(deadline_ns).await;
    }
}

fn settings(seed: u64, fault: &str) -> RunSettings {
    let schedule = FaultSchedule {
        strikes: vec![fault.parse().expect("a fault")],
        timing: "once".parse().expect("a timing"),
        length: Duration::from_secs(4),
    };
    let duration = Duration::from_secs(8);
    let nodes: Vec<String> = (1..=3).map(|number| format!("n{number}")).collect();
    RunSettings {
        plan: Plan::new(&schedule, seed, &nodes, duration).expect("a plan"),
        workload: WorkloadSettings { sessions: 5, ..WorkloadSettings::new(seed) },
        load: "500/s".parse().expect("a load"),
        workers: 9,
        // Users give up as soon as the poller does, and ask again.
        timeout: INTERVAL,
        patience: Duration::from_secs(1),
        warm_start: false,
        duration,
        after_heal: Duration::from_secs(2),
        settle: Duration::from_secs(1),
        look_every: None,
    }
}

/// What the history of a run says of its fault, and what was polled beside it.
fn run(seed: u64, fault: &str) -> (FaultMeasurements, Vec<(u64, bool)>) {
    let options = EmbeddedOptions { replication: ReplicationMode::Quorum, ..EmbeddedOptions::new() };
    let (sink, polls) = (MemorySink::default(), Polls::default());
    let polled = polls.clone();
    let beside = move |store, clock| poll(store, clock, polled);
    let (counts, stop, header) = (Arc::new(RunCounts::default()), Stop::default(), "{\"steadfast\":1}");
    simulate_beside(&options, &settings(seed, fault), sink.clone(), header, counts, stop, beside)
        .expect("a run");
    let journal = String::from_utf8(sink.bytes()).expect("text");
    let history = from_text(Format::Native, &journal).expect("a history");
    let losses = measure_register_losses(&history, ValueId::NULL);
    let mut faults = measure_history(&history, ValueId::NULL, &losses).faults;
    assert_eq!(faults.len(), 1);
    let polls = polls.lock().expect("nobody panicked").clone();
    (faults.remove(0), polls)
}

#[test]
fn recovery_times_agree_with_a_client_that_only_polls() {
    let _alone = crate::run_alone();
    for seed in 0..10 {
        for fault in ["kill", "pause"] {
            let (measured, polls) = run(seed, fault);
            let struck_ns = measured.fault.struck as u64;
            let mut since = polls.iter().filter(|poll| poll.0 > struck_ns);
            since.find(|poll| !poll.1).expect("the fault is noticed");
            let (answered_ns, _) = since.find(|poll| poll.1).expect("the store comes back");
            let polled = (answered_ns - struck_ns) as f64 / 1e9;
            let figure = |name: &str| {
                let value =
                    measured.values.get(find_metric(name).expect("a metric")).expect("measured of a fault");
                value.expect("a figure").exact_value().expect("known exactly")
            };
            // Everybody asks the same primary, and each session several times in an interval.
            for name in ["recovery.first", "recovery.p50", "recovery.max"] {
                let off = (figure(name) - polled).abs();
                let shown = format!("seed {seed}, {fault}: {name} {} s, polled {polled} s", figure(name));
                assert!(off <= INTERVAL.as_secs_f64(), "{shown}");
            }
            assert_eq!((figure("affected-sessions"), figure("unrecovered-sessions")), (5.0, 0.0));
            let off = (figure("unavailable") - figure("recovery.first")).abs();
            assert!(off < 0.05, "seed {seed}, {fault}: unavailable {} s", figure("unavailable"));
        }
    }
}
