//! Databases of known isolation against the checker: what they promise is never called broken, and what each
//! defect breaks is found.

use checker::{
    Answer, IsolationLevel as Level, IsolationSet, Limits, OrderExtent, Phenomenon, Property, Proviso,
    Report, TransactionAnomaly, TransactionEvidence, Verdict,
};
use std::sync::atomic::AtomicBool;
use testkit::{
    assert_confirmed, check_confirmed, isolation_properties, model_of_transactions, question_about,
    test_limits, verdict_of,
};
use workloads::databases::{Defect, Isolation, Shape, SimulationPlan, simulate_history};

const SEEDS: u64 = 1_000;

fn plan(seed: u64, shape: Shape, isolation: Isolation, defect: Option<Defect>) -> SimulationPlan {
    SimulationPlan {
        seed,
        transactions: 60,
        clients: 5,
        keys: 3,
        writes_per_key: 12,
        length_max: 4,
        indeterminate_percent: 5,
        shape,
        isolation,
        defect,
    }
}

fn run(plan: &SimulationPlan) -> Report {
    let history = simulate_history(plan);
    let question = question_about(model_of_transactions(&history), &isolation_properties(Level::ALL));
    check_confirmed(&history, &question, &test_limits(200_000_000, 1 << 28))
}

/// The strongest of the checker's levels that a database keeps.
fn promised(isolation: Isolation) -> &'static [Level] {
    match isolation {
        Isolation::StrictSerializable => &[Level::StrictSerializable],
        Isolation::Serializable => &[Level::Serializable],
        // A snapshot of the moment when it began has all that completed before that.
        Isolation::SnapshotIsolation => &[Level::StrongSnapshotIsolation],
        // A session stays at its site, which forgets nothing.
        Isolation::ParallelSnapshotIsolation => &[Level::ParallelSnapshotIsolation, Level::Causal],
        Isolation::ReadCommitted => &[Level::ReadCommitted],
    }
}

fn verdict(report: &Report, level: Level) -> &'static str {
    verdict_of(report, Property::Isolation(level)).name()
}

/// Neither the level nor any that it implies is violated. How often the first of them is known to hold.
fn no_false_alarm(shape: Shape, isolation: Isolation) -> u32 {
    let mut holds = 0;
    for seed in 0..SEEDS {
        let plan = plan(seed, shape, isolation, None);
        let report = run(&plan);
        let kept: IsolationSet = promised(isolation).iter().copied().collect();
        let kept = kept.and_weaker(Proviso::None);
        let is_kept = |answer: &Answer| match answer.property {
            Property::Isolation(level) => kept.contains(level),
            _ => false,
        };
        for answer in report.answers.iter().filter(|answer| is_kept(answer)) {
            let wrong = matches!(answer.verdict, Verdict::Violated(_));
            assert!(!wrong, "false alarm: {plan:?} {answer:?} {:#?}", report.phenomena);
        }
        holds += u32::from(verdict(&report, promised(isolation)[0]) == "holds");
    }
    holds
}

#[test]
fn strict_serializable_lists_are_always_known_to_hold() {
    assert_eq!(no_false_alarm(Shape::Lists, Isolation::StrictSerializable), SEEDS as u32);
}

#[test]
fn serializable_lists_are_always_known_to_hold() {
    assert_eq!(no_false_alarm(Shape::Lists, Isolation::Serializable), SEEDS as u32);
}

#[test]
fn no_false_alarm_on_snapshots_of_lists() {
    assert!(no_false_alarm(Shape::Lists, Isolation::SnapshotIsolation) > 900);
    no_false_alarm(Shape::Lists, Isolation::ParallelSnapshotIsolation);
}

#[test]
fn no_false_alarm_on_read_committed_lists() {
    assert!(no_false_alarm(Shape::Lists, Isolation::ReadCommitted) > 0);
}

#[test]
fn no_false_alarm_on_registers() {
    for isolation in Isolation::ALL {
        let holds = no_false_alarm(Shape::Registers, isolation);
        // The order of versions is known in part, but the search for a serial order is exact.
        let serial = matches!(isolation, Isolation::StrictSerializable | Isolation::Serializable);
        assert!(!serial || holds == SEEDS as u32, "only {holds}");
    }
}

/// In how many of the seeds the level that a defect breaks is found broken.
fn caught(defect: Defect, level: Level, telling: impl Fn(Phenomenon) -> bool) -> u32 {
    let mut caught = 0;
    for seed in 0..SEEDS {
        let report = run(&plan(seed, Shape::Lists, defect.broken_level(), Some(defect)));
        let named = report.phenomena.iter().any(|anomaly| telling(anomaly.phenomenon));
        caught += u32::from(verdict(&report, level) == "violated" && named);
    }
    caught
}

#[test]
fn each_defect_is_found() {
    let cycle = |each: Phenomenon| matches!(each, Phenomenon::Cycle(_));
    let in_data =
        |each: Phenomenon| matches!(each, Phenomenon::Cycle(kind) if kind.extent == OrderExtent::Data);
    let found = [
        (Defect::StaleRead, caught(Defect::StaleRead, Level::StrictSerializable, cycle)),
        (Defect::WriteSkew, caught(Defect::WriteSkew, Level::Serializable, in_data)),
        (
            Defect::LostUpdate,
            caught(Defect::LostUpdate, Level::SnapshotIsolation, |each| {
                each == Phenomenon::LostUpdate || in_data(each)
            }),
        ),
        (Defect::FracturedRead, caught(Defect::FracturedRead, Level::SnapshotIsolation, in_data)),
        (Defect::DirtyRead, caught(Defect::DirtyRead, Level::ReadCommitted, |each| each == Phenomenon::G1a)),
        (
            Defect::IntermediateRead,
            caught(Defect::IntermediateRead, Level::ReadCommitted, |each| each == Phenomenon::G1b),
        ),
    ];
    for (defect, count) in found {
        assert!(count > SEEDS as u32 / 20, "{defect:?} found in {count} of {SEEDS} runs: {found:?}");
    }
}

/// Whatever the database, a history of registers has a serial order or a proof that it has none.
#[test]
fn serial_orders_of_registers_are_never_left_open() {
    let levels = [Level::StrictSerializable, Level::StrongSessionSerializable, Level::Serializable];
    let mut proofs = 0;
    for isolation in Isolation::ALL {
        for seed in 0..SEEDS / 4 {
            // Few keys, rewritten often, and long: there is much to choose.
            let plan = SimulationPlan {
                transactions: 300,
                keys: 2,
                ..plan(seed, Shape::Registers, isolation, None)
            };
            let report = run(&plan);
            for level in levels {
                assert_ne!(verdict(&report, level), "unknown", "{plan:?} {level:?}");
            }
            let by_cases =
                |anomaly: &TransactionAnomaly| matches!(anomaly.examples[0], TransactionEvidence::Lemmas(_));
            proofs += u32::from(report.phenomena.iter().any(by_cases));
        }
    }
    assert!(proofs > 0, "no proof went through cases");
}

/// The same where many clients are at it at once, so that one transaction has to come after one or another of several. Each seed takes
/// many seconds: STEADFAST_SEEDS says how many there are.
#[test]
fn serial_orders_of_many_clients_are_never_left_open() {
    let seeds = std::env::var("STEADFAST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(4);
    for seed in 0..seeds {
        for isolation in
            [Isolation::StrictSerializable, Isolation::Serializable, Isolation::SnapshotIsolation]
        {
            let few = plan(seed, Shape::Registers, isolation, None);
            let report = run(&SimulationPlan {
                transactions: 4_000,
                clients: 1_000,
                keys: 10,
                writes_per_key: 256,
                ..few
            });
            for level in [Level::StrictSerializable, Level::StrongSessionSerializable] {
                assert_ne!(verdict(&report, level), "unknown", "{seed} {isolation:?} {level:?}");
            }
        }
    }
}

/// Stopped at whatever moment, an analysis says *unknown* or what it says when it is left alone.
#[test]
fn a_stop_at_any_moment_makes_no_verdict_wrong() {
    let mut unknown = 0;
    let shapes = [Shape::Lists, Shape::Registers].into_iter();
    let isolations = [Isolation::StrictSerializable, Isolation::SnapshotIsolation];
    for (shape, isolation) in shapes.flat_map(|shape| isolations.map(|isolation| (shape, isolation))) {
        let plan = SimulationPlan { transactions: 3_000, ..plan(7, shape, isolation, None) };
        let history = simulate_history(&plan);
        for levels in [Level::ALL, &[Level::Causal, Level::ReadAtomic, Level::MonotonicAtomicView]] {
            let levels = testkit::isolation_properties(levels);
            let alone = run_until(&history, &levels, None);
            for moment in 0..40 {
                let after = std::time::Duration::from_micros(moment * 250);
                let stopped = run_until(&history, &levels, Some(after));
                for (stopped, alone) in stopped.answers.iter().zip(&alone.answers) {
                    let (said, right) = (stopped.verdict.name(), alone.verdict.name());
                    assert!(said == "unknown" || said == right, "{plan:?} {moment}: {stopped:?} {right}");
                    unknown += u32::from(said == "unknown" && right != "unknown");
                }
            }
        }
    }
    assert!(unknown > 0, "no stop came in time");
}

fn run_until(
    history: &histories::History,
    levels: &[Property],
    after: Option<std::time::Duration>,
) -> Report {
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: 200_000_000, bytes: 1 << 28, stop: &stop };
    std::thread::scope(|scope| {
        if let Some(after) = after {
            let stop = &stop;
            scope.spawn(move || {
                std::thread::sleep(after);
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            });
        }
        let question = question_about(model_of_transactions(history), levels);
        let report = checker::check(history, &question, &limits);
        let report = report.unwrap_or_else(|why| panic!("{after:?}: {why}"));
        assert_confirmed(history, &question, &report);
        report
    })
}

/// A stale read over registers breaks nothing but real time, and what real time says of versions shows it.
#[test]
fn stale_reads_of_registers_are_found() {
    let found = (0..SEEDS).filter(|&seed| {
        let plan = plan(seed, Shape::Registers, Isolation::StrictSerializable, Some(Defect::StaleRead));
        verdict(&run(&plan), Level::StrictSerializable) == "violated"
    });
    let found = found.count();
    assert!(found > SEEDS as usize / 20, "found in {found} runs");
}
