//! Claims about cores that are violated as claimed, but told under a wrong name or called minimal without being so.
//!
//! The drawings are small enough to see which anomaly they show by docs/definitions.md.

use claims::{
    AnomalyName, Core, Evidence, FailedCas, Level, Model, Property, Question, StalenessBound, Verdict,
    Violation,
};
use histories::{Function, History, OpId, Outcome, notation};
use std::collections::BTreeMap;
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{TestRandom, claim_standing, draw_history, question_about, test_limits};
use verifier::Standing;

const OF_REGISTERS: [&str; 6] =
    ["aborted-read", "future-read", "lost-update", "non-linearizable", "phantom-read", "stale-read"];

fn drawn(drawing: &str) -> History {
    notation::parse(drawing).expect("a drawing")
}

/// The standing of a core of these operations under a name.
fn standing_of_core(
    history: &History,
    question: &Question,
    name: &'static str,
    operations: &[OpId],
    minimal: bool,
) -> Standing {
    let key = history.key(operations[0]);
    let core = Core { minimal, ..Core::minimal_core(key, operations.to_vec()) };
    let evidence = Evidence::Core(core);
    let violation =
        Violation { kind: AnomalyName::new(name), key, operations: operations.to_vec(), evidence };
    let property = question.asked_properties()[0];
    claim_standing(history, question, property, Verdict::Violated(vec![violation]))
}

fn linearizable(model: Model) -> Question {
    question_about(model, &[Property::Level(Level::Linearizable)])
}

/// Each core has every operation that did not fail, and is minimal. Each other name of the list is wrong for it.
#[test]
fn a_core_is_told_as_what_it_shows() {
    let cases: [(&str, &[&str]); 7] = [
        ("a: [w1] [w2]\nb:            [r1]", &["stale-read"]),
        // The newer version is known from a read, and its write is not over.
        ("a: [w1] [w2            ]\nb:          [r2] [r1]", &["stale-read"]),
        ("a: [w0] [c0>1  ]\nb:       [c0>2]", &["lost-update"]),
        // The second update also found a version that had been overwritten before it began.
        ("a: [w0] [c0>1]\nb:              [c0>2]", &["lost-update", "stale-read"]),
        ("a: [r1]\nb:      [w1]", &["future-read"]),
        ("a: [r7]", &["phantom-read"]),
        ("a: [w1 !\nb:        [r1]", &["aborted-read"]),
    ];
    for (drawing, names) in cases {
        let history = drawn(drawing);
        let question = linearizable(Model::CasRegister);
        let all: Vec<OpId> = history.ids().filter(|&id| history.outcome(id) != Outcome::Fail).collect();
        for name in OF_REGISTERS {
            let found = standing_of_core(&history, &question, name, &all, true);
            match names.contains(&name) {
                true => assert_eq!(found, Standing::Confirmed, "{name}:\n{drawing}"),
                false => assert!(matches!(found, Standing::Refuted(_)), "{name}: {found:?}\n{drawing}"),
            }
        }
    }
}

/// Two writes of one value leave open whether the two updates found one version.
#[test]
fn a_name_that_the_history_leaves_open_is_not_confirmed() {
    let history = drawn("a: [w0] [w0] [c0>1  ]\nb:            [c0>2]");
    let all: Vec<OpId> = history.ids().collect();
    for name in ["lost-update", "stale-read"] {
        let found = standing_of_core(&history, &linearizable(Model::CasRegister), name, &all, false);
        let Standing::ConfirmedExcept(why) = found else { panic!("{name}: {found:?}") };
        assert!(why.contains("name") && why.contains("values repeat"), "{why}");
    }
    // Of three updates and two versions, two updates found one.
    let history = drawn("a: [w0] [w0] [c0>1  ]\nb:            [c0>2]\nc:             [c0>3]");
    let all: Vec<OpId> = history.ids().collect();
    let found = standing_of_core(&history, &linearizable(Model::CasRegister), "lost-update", &all, false);
    assert_eq!(found, Standing::Confirmed);
    // The value was there at first and was written once more: two versions.
    let history = drawn("a: [c_>1  ] [r_]\nb:  [c_>2]\nc:   [w_]");
    let all: Vec<OpId> = history.ids().collect();
    let found = standing_of_core(&history, &linearizable(Model::CasRegister), "lost-update", &all, false);
    assert!(matches!(found, Standing::ConfirmedExcept(_)), "{found:?}");
}

/// What a failed write would have written is no phantom, and what nothing wrote is not aborted, at every level that tells the two apart.
#[test]
fn other_levels_tell_reads_of_nothing_by_their_names_too() {
    let levels = [Level::TwoAtomic, Level::BoundedStaleness, Level::Regular, Level::ConsistentPrefix];
    let levels = levels.into_iter().chain([Level::MonotonicReads, Level::Causal, Level::Sequential]);
    for level in levels {
        let staleness = (level == Level::BoundedStaleness).then_some(StalenessBound::Versions(3));
        let question = question_about(Model::CasRegister, &[Property::Level(level)]);
        let question = Question { staleness, ..question };
        for (drawing, right, wrong) in [
            ("a: [w1 !\nb:       [r1]", "aborted-read", "phantom-read"),
            ("a: [w2 !\nb:       [r1]", "phantom-read", "aborted-read"),
        ] {
            let history = drawn(drawing);
            let read = history.ids().find(|&id| history.function(id) == Function::READ).expect("a read");
            let told = |name| standing_of_core(&history, &question, name, &[read], true);
            assert_eq!(told(right), Standing::Confirmed, "{}: {drawing}", level.name());
            let wrong = told(wrong);
            assert!(matches!(wrong, Standing::Refuted(_)), "{}: {wrong:?} {drawing}", level.name());
        }
    }
}

/// A write of another value was told as if it had led to the read, and a failed one made an aborted read of a phantom.
#[test]
fn a_read_of_nothing_is_told_of_the_writes_of_its_value_alone() {
    let history = drawn("a: [w2 !\nb:       [r1]");
    let question = question_about(Model::Register, &[Property::Level(Level::MonotonicReads)]);
    let mut all: Vec<OpId> = history.ids().collect();
    all.reverse();
    for name in ["aborted-read", "phantom-read"] {
        let core = Core::minimal_core(history.key(all[0]), history.ids().collect());
        let evidence = Evidence::Core(core);
        let violation = Violation {
            kind: AnomalyName::new(name),
            key: history.key(all[0]),
            operations: all.clone(),
            evidence,
        };
        let property = question.asked_properties()[0];
        let found = claim_standing(&history, &question, property, Verdict::Violated(vec![violation]));
        assert!(matches!(found, Standing::Refuted(_)), "{name}: {found:?}");
    }
}

/// At levels of single reads, the writes of the value say whether the read is stale or of the future.
#[test]
fn a_single_read_is_stale_or_of_the_future() {
    for level in [Level::Regular, Level::RegularWriteOrder, Level::Safe] {
        let question = question_about(Model::Register, &[Property::Level(level)]);
        let stale = drawn("a: [w1] [w2]\nb:            [r1]");
        let future = drawn("a: [r1]\nb:      [w1]");
        for (history, right, wrong) in
            [(&stale, "stale-read", "future-read"), (&future, "future-read", "stale-read")]
        {
            let all: Vec<OpId> = history.ids().collect();
            let told = |name| standing_of_core(history, &question, name, &all, true);
            assert_eq!(told(right), Standing::Confirmed, "{}", level.name());
            assert!(matches!(told(wrong), Standing::Refuted(_)), "{}: {wrong}", level.name());
        }
        // A second newer write is not needed.
        let history = drawn("a: [w1] [w2] [w3]\nb:                 [r1]");
        let all: Vec<OpId> = history.ids().collect();
        let told = |minimal| standing_of_core(&history, &question, "stale-read", &all, minimal);
        assert_eq!(told(false), Standing::Confirmed, "{}", level.name());
        let found = told(true);
        assert!(matches!(&found, Standing::Refuted(why) if why.contains("not minimal")), "{found:?}");
    }
}

/// Each core shows the violation, and one of its operations is not needed for that.
#[test]
fn a_core_with_an_operation_too_many_is_not_minimal() {
    let cases = [
        (Model::Register, "a: [w1] [w2] [r2]\nb:                 [r1]", "stale-read"),
        (Model::CasRegister, "a: [w0] [c0>1  ]\nb:       [c0>2]\nc:                  [r2]", "lost-update"),
        (Model::Counter, "a: [read:7]\nb:             [inc:1]", "non-linearizable"),
        (Model::Counter, "a: [inc:1]\nb:           [read:7] [read:7]", "non-linearizable"),
        (Model::Mutex, "a: [acquire]\nb:             [acquire]", "non-linearizable"),
        (
            Model::Queue,
            "a: [enqueue:1] [enqueue:2]\nb:                           [dequeue:2]",
            "non-linearizable",
        ),
        (
            Model::Queue,
            "a: [enqueue:1] [enqueue:2] [enqueue:3]\nb:                                       [dequeue:2]",
            "non-linearizable",
        ),
        (Model::Stack, "a: [push:1] [push:2]\nb:                     [pop:1] [pop:2]", "non-linearizable"),
    ];
    for (model, drawing, name) in cases {
        let history = drawn(drawing);
        let question = linearizable(model);
        let all: Vec<OpId> = history.ids().collect();
        let told = |minimal| standing_of_core(&history, &question, name, &all, minimal);
        let (plain, minimal) = (told(false), told(true));
        assert_eq!(plain, Standing::Confirmed, "{drawing}");
        match model {
            // Each of three operations on the queue is needed, and so is each on the mutex.
            Model::Queue | Model::Mutex if all.len() <= 3 => {
                assert_eq!(minimal, Standing::Confirmed, "{drawing}")
            }
            _ => assert!(
                matches!(&minimal, Standing::Refuted(why) if why.contains("not minimal")),
                "{minimal:?} {drawing}"
            ),
        }
    }
}

/// Thirteen additions in any order, each of another amount, reach 8,192 sums. That is too much to look at once for each read.
#[test]
fn where_it_takes_too_long_minimal_is_not_confirmed() {
    let mut lines: Vec<String> =
        (0..13).map(|number| format!("s{number}: [add:{}                 ]", 1 << number)).collect();
    lines.push("r:                                 [read:9999] [read:9999]".to_owned());
    let history = drawn(&lines.join("\n"));
    let all: Vec<OpId> = history.ids().collect();
    let told = |minimal| {
        standing_of_core(&history, &linearizable(Model::Counter), "non-linearizable", &all, minimal)
    };
    assert_eq!(told(false), Standing::Confirmed);
    let found = told(true);
    assert!(matches!(&found, Standing::ConfirmedExcept(why) if why.contains("minimal")), "{found:?}");
}

/// Whether a name can be right for these operations, from the definitions and without any order.
fn name_may_be_right(history: &History, initial: &str, operations: &[OpId], name: &str) -> bool {
    let text = |value| history.value_text(value).to_owned();
    let effect = |id: OpId| history.effect(id);
    let found = |id: OpId| effect(id).and_then(|effect| effect.reads).map(text);
    // A compare-and-set of a value to itself writes nothing.
    let written = |id: OpId| {
        let value = effect(id).and_then(|effect| effect.writes).map(text);
        value.filter(|value| history.outcome(id) == Outcome::Fail || found(id).as_ref() != Some(value))
    };
    let completed = |id: &&OpId| history.outcome(**id) == Outcome::Ok;
    let others = |id: OpId, value: String| {
        let key = history.key(id);
        let same = move |other: &OpId| *other != id && history.key(*other) == key;
        history.ids().filter(same).filter(move |&other| written(other).as_deref() == Some(&value))
    };
    let mut reads = operations.iter().filter(completed).filter_map(|&id| {
        let value = found(id).filter(|value| value != initial)?;
        let (failed, other): (Vec<OpId>, Vec<OpId>) =
            others(id, value).partition(|&other| history.outcome(other) == Outcome::Fail);
        Some((history.operation(id), !failed.is_empty(), other))
    });
    match name {
        "phantom-read" => reads.any(|(_, failed, writes)| !failed && writes.is_empty()),
        "aborted-read" => reads.any(|(_, failed, writes)| failed && writes.is_empty()),
        "future-read" => reads.any(|(read, _, writes)| {
            !writes.is_empty() && writes.iter().all(|&write| read.precedes(&history.operation(write)))
        }),
        "lost-update" => {
            let updates: Vec<OpId> = operations
                .iter()
                .copied()
                .filter(|&id| history.function(id) == Function::CAS && found(id) != written(id))
                .collect();
            updates
                .iter()
                .enumerate()
                .any(|(at, &one)| updates[..at].iter().any(|&other| found(one) == found(other)))
        }
        _ => name == "stale-read",
    }
}

/// The names of what `check` found in random histories are right, and the others are confirmed only where they are right as well.
#[test]
fn random_cores_under_other_names() {
    let mut counts: BTreeMap<(&str, bool), u64> = BTreeMap::new();
    for seed in 0..1_500 {
        let mut random = TestRandom::new(seed);
        let shape = RegisterShape { operations: 3 + random.below(8), ..RegisterShape::new(&mut random) };
        let history = RegisterRun::new(random.fork(1), shape, "null").into_history();
        let failed_cas = random.one_of(&[FailedCas::SaysNothing, FailedCas::Observes]);
        let question = Question { failed_cas, ..linearizable(Model::CasRegister) };
        if history.is_empty() || question.check(&history).is_err() {
            continue;
        }
        let report = checker::check(&history, &question, &test_limits(300_000, 1 << 28)).expect("it fits");
        let Verdict::Violated(violations) = &report.answers[0].verdict else { continue };
        for violation in violations {
            for name in OF_REGISTERS {
                let mut renamed = violation.clone();
                renamed.kind = AnomalyName::new(name);
                let property = report.answers[0].property;
                let found = claim_standing(&history, &question, property, Verdict::Violated(vec![renamed]));
                let told =
                    || format!("seed {seed}: {violation:?} as {name}: {found:?}\n{}", draw_history(&history));
                let may_be = name_may_be_right(&history, "null", &violation.operations, name);
                let own = violation.kind == *name;
                assert!(!own || may_be, "{}", told());
                assert!(!own || !matches!(found, Standing::Refuted(_)), "{}", told());
                assert!(may_be || matches!(found, Standing::Refuted(_)), "{}", told());
                *counts.entry((name, found == Standing::Confirmed)).or_default() += 1;
            }
        }
    }
    for name in ["future-read", "lost-update", "phantom-read", "stale-read"] {
        for confirmed in [true, false] {
            assert!(
                counts.get(&(name, confirmed)).copied().unwrap_or(0) > 3,
                "{name} {confirmed}: {counts:?}"
            );
        }
    }
}

/// A minimal core with one more operation that is a read, or a write of what nothing found, is not minimal.
#[test]
fn random_cores_with_one_more_read() {
    let mut counts: BTreeMap<Model, [u64; 2]> = BTreeMap::new();
    for seed in 0..1_200 {
        let mut random = TestRandom::new(seed);
        let shape = RegisterShape { operations: 4 + random.below(8), ..RegisterShape::new(&mut random) };
        let history = RegisterRun::new(random.fork(1), shape, "null").into_history();
        let question = linearizable(Model::CasRegister);
        if history.is_empty() || question.check(&history).is_err() {
            continue;
        }
        let report = checker::check(&history, &question, &test_limits(300_000, 1 << 28)).expect("it fits");
        let Verdict::Violated(violations) = &report.answers[0].verdict else { continue };
        for violation in violations {
            let Evidence::Core(core) = &violation.evidence else { panic!("not a core") };
            let is_read = |id: &OpId| {
                history.function(*id) == Function::READ
                    && history.outcome(*id) == Outcome::Ok
                    && history.key(*id) == core.key
                    && history.operation(*id).completed <= core.until
                    && core.from.is_none_or(|from| history.operation(*id).invoked >= from)
            };
            let more = history.ids().filter(|id| is_read(id) && !core.operations.contains(id));
            for read in more {
                let mut larger = core.clone();
                larger.operations.push(read);
                larger.operations.sort_unstable();
                for minimal in [false, true] {
                    let core = Core { minimal, ..larger.clone() };
                    let forged = Violation {
                        operations: core.operations.clone(),
                        evidence: Evidence::Core(core),
                        ..violation.clone()
                    };
                    let property = report.answers[0].property;
                    let found =
                        claim_standing(&history, &question, property, Verdict::Violated(vec![forged]));
                    let told =
                        || format!("seed {seed}: {larger:?} {minimal} {found:?}\n{}", draw_history(&history));
                    // The value of the read may have been written by an operation that the larger core lacks.
                    let refuted_for = match &found {
                        Standing::Refuted(why) if why.contains("must not be left out") => continue,
                        Standing::Refuted(why) => Some(why.contains("not minimal")),
                        _ => None,
                    };
                    assert_eq!(refuted_for, minimal.then_some(true), "{}", told());
                    counts.entry(question.model).or_default()[usize::from(minimal)] += 1;
                }
            }
        }
    }
    assert!(counts.values().flatten().all(|&count| count > 100), "{counts:?}");
}
