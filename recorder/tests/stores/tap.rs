//! A tap records what the driver of a load records itself.
//!
//! What can go wrong with a recorder that has to guess what requests mean: it takes one operation for another, or one session for
//! another; it says that something was done that was not. The truth here comes from the driver, which knows what it asked for:
//! its recording and that of the tap must be the same, operation by operation, on an application with and without bugs.

use crate::app;
use crate::app::Bugs;
use crate::compare;
use crate::running::{RunningTap, settings};
use recorder::journal::MemorySink;
use recorder::stores::http::{Description, HttpStore};
use recorder::{Clock, IdleNemesis, Journal, RunCounts, RunSettings, Stop, run};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use workloads::{Churn, LifecycleSettings, Plan, WorkloadKind, WorkloadSettings};

/// Sends a load with every operation to an address. Returns the driver's history.
fn drive(address: &str, seed: u64) -> String {
    let description =
        Description::from_toml(&app::DESCRIPTION.replace("ADDRESS", address)).expect("a description");
    let lives = LifecycleSettings {
        fields: 2,
        edit_share: 0.2,
        act_share: 0.2,
        login_share: 0.5,
        ..LifecycleSettings::default()
    };
    let workload = WorkloadSettings {
        kind: WorkloadKind::Session,
        sessions: 8,
        churn: Churn { mean_operations: Some(12.0), lasting_share: 0.0 },
        lives,
        run: Some("x".into()),
        ..WorkloadSettings::new(seed)
    };
    let settings = RunSettings {
        workload,
        load: "250/s".parse().expect("a load"),
        workers: 8,
        timeout: Duration::from_secs(20),
        patience: Duration::from_secs(1),
        warm_start: false,
        plan: Plan::default(),
        duration: Duration::from_secs(3),
        after_heal: Duration::ZERO,
        settle: Duration::from_millis(100),
        look_every: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    runtime.block_on(async {
        let (clock, sink) = (Clock::start_real(), MemorySink::default());
        let journal = Journal::new(sink.clone(), clock.clone(), "{\"steadfast\":1}").expect("a journal");
        let (counts, stop, store) = (Arc::default(), Stop::default(), HttpStore::new(description));
        let counts: Arc<RunCounts> = counts;
        run(store, &mut IdleNemesis, &settings, clock, Arc::new(journal), counts, stop).await.expect("a run");
        String::from_utf8(sink.bytes()).expect("text")
    })
}

#[test]
fn a_tap_records_what_the_driver_records() {
    let (none, mut all) = (Bugs::default(), BTreeMap::<String, usize>::new());
    for (seed, bugs) in (1..).zip([
        none,
        Bugs { logout_ends_nothing: true, ..none },
        Bugs { old_id_stays: true, ..none },
        Bugs { forgets_at: Some(300), ..none },
    ]) {
        let tap = RunningTap::start(
            &app::DESCRIPTION.replace("ADDRESS", "127.0.0.1:1"),
            settings(&app::serve(bugs)),
        );
        let driven = drive(&tap.address, seed);
        let (outcome, tapped) = tap.stop();
        let counts = compare::compare_recordings(&driven, &tapped);
        assert!(counts.values().sum::<usize>() >= 20, "{bugs:?}: {counts:?}");
        for (f, count) in counts {
            *all.entry(f).or_default() += count;
        }
        assert_eq!((outcome.passed.len(), outcome.unrecorded.len(), outcome.left_sessions), (0, 0, 0));
        assert!(!tapped.contains("secret-"), "an id stands in the history");
        assert!(tapped.trim_end().ends_with('}') && tapped.contains("\"f\":\"end\""));
    } // A busy machine does few operations in a run, and never none of a kind in all of them.
    for f in ["create", "read", "write", "patch", "touch", "renew", "destroy", "act", "actions"] {
        assert!(all.get(f).is_some_and(|count| *count >= 3), "{all:?}");
    }
}
