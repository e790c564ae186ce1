//! What was lost, against what is known of the store.
//!
//! A partition cuts the primary of an asynchronous store off, with users at its side. Nothing that it acknowledges from then
//! on can have reached the others, which elect another one; so what is lost is known without the checker, write by
//! write: all that the first primary acknowledged after the strike, and perhaps some that were on their way, a heartbeat
//! before it. Nearly all of it is overwritten long before the end. With a quorum the same faults lose nothing.

use checker::measurements::{MeasuredLosses, measure_register_losses, measure_session_losses};
use checker::{Limits, continuity};
use histories::format::{Format, from_text};
use histories::{Function, History, OpId, Outcome, ValueId};
use recorder::journal::MemorySink;
use recorder::stores::embedded::{EmbeddedOptions, ReplicationMode, simulate};
use recorder::{RunCounts, RunSettings, Stop};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use workloads::{FaultSchedule, Plan, WorkloadKind, WorkloadSettings};

const STRUCK: Duration = Duration::from_secs(2);
/// Writes that may stay open: those between the last that the next primary showed and the first that it was seen to lack,
/// at 250 writes a second. Nine sessions write about every 36 ms each, and what one of them shows of itself lies up to
/// four of its writes apart.
const OPEN_MAX: usize = 36;
/// What was acknowledged so shortly before the strike may have been on its way: a heartbeat and the way there.
const ON_ITS_WAY: Duration = Duration::from_millis(60);

fn settings(seed: u64, kind: WorkloadKind) -> RunSettings {
    let schedule = FaultSchedule {
        strikes: vec!["partition:n1@2s+4s".parse().expect("a fault")],
        timing: "once".parse().expect("a timing"),
        length: Duration::from_secs(4),
    };
    let duration = Duration::from_secs(8);
    let nodes: Vec<String> = (1..=3).map(|number| format!("n{number}")).collect();
    RunSettings {
        plan: Plan::new(&schedule, seed, &nodes, duration).expect("a plan"),
        workload: WorkloadSettings { kind, sessions: 9, ..WorkloadSettings::new(seed) },
        load: "500/s".parse().expect("a load"),
        workers: 9,
        timeout: Duration::from_millis(500),
        patience: Duration::from_secs(1),
        warm_start: false,
        duration,
        after_heal: Duration::from_secs(2),
        settle: Duration::from_secs(2),
        look_every: None,
    }
}

fn record(seed: u64, kind: WorkloadKind, replication: ReplicationMode) -> History {
    let options = EmbeddedOptions { replication, ..EmbeddedOptions::new() };
    let sink = MemorySink::default();
    let (counts, stop, header) = (Arc::new(RunCounts::default()), Stop::default(), "{\"steadfast\":1}");
    simulate(&options, &settings(seed, kind), sink.clone(), header, counts, stop).expect("a run");
    let journal = String::from_utf8(sink.bytes()).expect("text");
    from_text(Format::Native, &journal).expect("a history")
}

fn losses(history: &History, kind: WorkloadKind) -> MeasuredLosses {
    if kind != WorkloadKind::Session {
        return measure_register_losses(history, ValueId::NULL);
    }
    let question = continuity::Question {
        time_to_live_ns: None,
        renewed_by: continuity::RenewedBy::default(),
        tolerance_ns: 100_000_000,
        is_sample: false,
    };
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: u64::MAX, bytes: usize::MAX, stop: &stop };
    measure_session_losses(history, &continuity::judge_session_findings(history, &question, &limits))
}

/// The writes that the first primary acknowledged after a time, by the nodes in the answers.
fn acknowledged_by_n1(history: &History, after: Duration) -> BTreeSet<OpId> {
    let writes = history.operations().filter(|op| {
        matches!(op.function, Function::WRITE | Function::PATCH | Function::CAS) && op.outcome == Outcome::Ok
    });
    let by_n1 = writes.filter(|op| {
        let note = history.note(op.completed).map_or_else(String::new, |note| note.fields.into_owned());
        let at = history.completed_at(op.id).expect("recorded with times");
        note.contains("\"node\":\"n1\"") && at > after.as_nanos() as i64
    });
    by_n1.map(|op| op.id).collect()
}

#[test]
fn what_a_primary_that_is_cut_off_acknowledges_is_lost_write_by_write() {
    let _shared = crate::run_beside_others();
    let mut lost_in_all = 0;
    for kind in [WorkloadKind::Register, WorkloadKind::Session] {
        for seed in 1..=3 {
            let told = format!("{kind:?}, seed {seed}");
            let history = record(seed, kind, ReplicationMode::Async);
            let found = losses(&history, kind).writes.expect("it was read back");
            let certain: BTreeSet<OpId> = found.certain.iter().copied().collect();
            let open: BTreeSet<OpId> = found.open.iter().copied().collect();
            let lost = acknowledged_by_n1(&history, STRUCK);
            let may_be = acknowledged_by_n1(&history, STRUCK - ON_ITS_WAY);
            // n1 is not the primary of every seed; then it loses nothing, and nothing must be found.
            let wrong: Vec<_> = certain.difference(&may_be).collect();
            assert!(wrong.is_empty(), "{told}: not lost: {wrong:?}");
            let missed: Vec<_> =
                lost.iter().filter(|id| !certain.contains(id) && !open.contains(id)).collect();
            assert!(missed.is_empty(), "{told}: lost, and not counted: {missed:?}");
            assert!(open.len() <= OPEN_MAX, "{told}: nothing is known of {} of them", open.len());
            lost_in_all += certain.len();
        }
    }
    assert!(lost_in_all > 300, "{lost_in_all} lost in all");
}

#[test]
fn a_quorum_loses_nothing_and_that_is_known() {
    let _shared = crate::run_beside_others();
    for kind in [WorkloadKind::Register, WorkloadKind::Session] {
        for seed in 1..=3 {
            let history = record(seed, kind, ReplicationMode::Quorum);
            let found = losses(&history, kind).writes.expect("it was read back");
            assert_eq!(found.count().exact_value(), Some(0.0), "{kind:?}, seed {seed}: {found:?}");
        }
    }
}
