//! The monitor of transactions on simulated stores of known isolation.
//!
//! Each store and each defect is followed by a monitor with a small window, so that it really forgets, and is compared with
//! the check of the prefixes.

use checker::{IsolationLevel, Model, Monitor, MonitorLimits, StreamEvent};
use histories::format::{Format, from_text, write_native};
use histories::{History, Outcome};
use testkit::TestRandom;
use testkit::monitoring::{
    FollowTally, ONLINE_LEVELS, answers, ask_online, compare_while_forgetting, forgets_at_once, keeps_all,
};
use workloads::databases::{Defect, Isolation, Shape, SimulationPlan, simulate_history};

fn plan(seed: u64, shape: Shape, isolation: Isolation, defect: Option<Defect>) -> SimulationPlan {
    let mut random = TestRandom::new(seed);
    SimulationPlan {
        seed,
        transactions: 20 + random.below(30),
        clients: 2 + random.below(4),
        keys: 1 + random.below(4),
        writes_per_key: 2 + random.below(12),
        length_max: 1 + random.below(4),
        indeterminate_percent: [0, 5, 15][random.below(3)],
        shape,
        isolation,
        defect,
    }
}

/// Each isolation without a defect, and each defect on the level that it breaks.
fn stores() -> Vec<(Isolation, Option<Defect>)> {
    let sound = Isolation::ALL.map(|isolation| (isolation, None));
    let broken = Defect::ALL.map(|defect| (defect.broken_level(), Some(defect)));
    sound.into_iter().chain(broken).collect()
}

/// Forgets whatever it may after each event: everything that is old, or also what is pinned by idle keys.
fn small_limits(seed: u64) -> MonitorLimits {
    let horizon = [0, 0, 8, 30][seed as usize % 4];
    let bytes = if seed.is_multiple_of(3) { MonitorLimits::BYTES_MIN } else { 1 << 30 };
    MonitorLimits { bytes, horizon, ..keeps_all() }
}

#[test]
fn a_monitor_of_lists_that_forgets_is_not_wrong() {
    let mut tally = FollowTally::default();
    for seed in 0..120 {
        for (isolation, defect) in stores() {
            let plan = plan(seed, Shape::Lists, isolation, defect);
            let history = simulate_history(&plan);
            let what = format!("{plan:?}");
            compare_while_forgetting(
                &history,
                Model::ListAppend,
                &ONLINE_LEVELS,
                small_limits(seed),
                &what,
                &mut tally,
            );
        }
    }
    assert!(tally.violated > 1_000 && tally.holds > 1_000 && tally.forgotten > 10_000, "{tally:?}");
}

#[test]
fn a_monitor_of_registers_that_forgets_is_not_wrong() {
    let mut tally = FollowTally::default();
    let levels = [IsolationLevel::StrictSerializable];
    for seed in 0..200 {
        for (isolation, defect) in stores() {
            let plan = plan(seed, Shape::Registers, isolation, defect);
            let history = simulate_history(&plan);
            compare_while_forgetting(
                &history,
                Model::RwRegister,
                &levels,
                small_limits(seed),
                &format!("{plan:?}"),
                &mut tally,
            );
        }
    }
    assert!(tally.violated > 300 && tally.holds > 300 && tally.forgotten > 10_000, "{tally:?}");
}

/// The same history with an event each second.
fn with_times(history: &History) -> History {
    let mut text = Vec::new();
    write_native(history, &mut text).expect("memory");
    let text = String::from_utf8(text).expect("text");
    let timed = text.lines().enumerate().map(|(at, line)| match line.contains("\"type\"") {
        true => line.replacen('{', &format!("{{\"time\":{},", at as u64 * 1_000_000_000), 1) + "\n",
        false => format!("{line}\n"),
    });
    from_text(Format::Native, &timed.collect::<String>()).expect("a history")
}

/// Levels without real time, on registers of stores that keep the assumption of the staleness bound: no transaction takes
/// effect before one that had completed.
#[test]
fn a_monitor_of_registers_with_a_staleness_bound_is_not_wrong() {
    let mut tally = FollowTally::default();
    let kept = [Isolation::StrictSerializable, Isolation::SnapshotIsolation, Isolation::ReadCommitted];
    let mut stores = stores();
    stores.retain(|(isolation, defect)| kept.contains(isolation) && *defect != Some(Defect::StaleRead));
    for seed in 0..100 {
        for &(isolation, defect) in &stores {
            let plan = plan(seed, Shape::Registers, isolation, defect);
            let history = with_times(&simulate_history(&plan));
            let bound = [5, 20][seed as usize % 2] * 1_000_000_000;
            let limits = MonitorLimits { staleness_bound_ns: Some(bound), ..forgets_at_once() };
            let what = format!("{plan:?}");
            compare_while_forgetting(&history, Model::RwRegister, &ONLINE_LEVELS, limits, &what, &mut tally);
        }
    }
    assert!(tally.violated > 300 && tally.holds > 300 && tally.forgotten > 2_000, "{tally:?}");
}

/// Of a strictly serializable store nothing is unknown as long as the memory suffices, and little is kept.
#[test]
fn a_strictly_serializable_store_holds_to_the_end_and_little_is_kept() {
    let shapes = [
        (Shape::Lists, Model::ListAppend, &ONLINE_LEVELS[..]),
        (Shape::Registers, Model::RwRegister, &ONLINE_LEVELS[..1]),
    ];
    for (shape, model, levels) in shapes {
        let (mut kept, mut most) = (0, 0);
        for seed in 0..150 {
            let plan = SimulationPlan {
                transactions: 300,
                keys: 3,
                writes_per_key: 100_000,
                ..plan(seed, shape, Isolation::StrictSerializable, None)
            };
            let history = simulate_history(&plan);
            let limits = forgets_at_once();
            let question = ask_online(model, levels);
            let mut monitor = Monitor::new(question, limits).expect("a question about transactions");
            for event in StreamEvent::all(&history) {
                monitor.push(event).expect("a history");
                monitor.judge().expect("no internal error");
            }
            let names = answers(&monitor);
            assert!(names.iter().all(|(name, _)| *name == "holds"), "{plan:?}: {names:?}");
            let indeterminate = history.ids().filter(|&id| history.outcome(id) == Outcome::Info).count();
            kept += monitor.kept_operations().saturating_sub(indeterminate);
            most = most.max(monitor.kept_operations().saturating_sub(indeterminate));
        }
        assert!(
            kept < 150 * 60,
            "{shape:?}: {kept} of {} transactions are kept, {most} of one run",
            150 * 300
        );
    }
}
