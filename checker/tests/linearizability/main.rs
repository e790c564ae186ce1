//! Linearizability of every model, held against a reference written straight from the definitions, on random small
//! histories; every witness and every core is checked again.

mod containers;
mod counters;
mod own_models;
mod random;
mod reference;
mod sets;

use checker::{
    AnomalyName, Core, Evidence, FailedCas, Level, Limits, Model, Property, Question, Verdict, Violation,
};
use containers::ContainerPlan;
use histories::{Function, History, KeyId, NEVER, OpId, Outcome};
use sets::SetPlan;
use testkit::{TestRandom, check_confirmed, draw_history, test_limits};
use verifier::Standing;

const MODELS: [Model; 9] = [
    Model::Register,
    Model::CasRegister,
    Model::MultiRegister,
    Model::Kv,
    Model::Counter,
    Model::Set,
    Model::Queue,
    Model::Stack,
    Model::Mutex,
];

fn question(model: Model, failed_cas: FailedCas) -> Question {
    Question { failed_cas, ..testkit::question_about(model, &[Property::Level(Level::Linearizable)]) }
}

/// The verdict's name; its evidence is confirmed, and each core is minimal. Those of sets, and those that a search found of containers, need
/// not be.
fn verdict(history: &History, question: &Question, what: &str) -> &'static str {
    let answer = check_confirmed(history, question, &test_limits(100_000_000, 1 << 30)).answers.remove(0);
    if let Verdict::Violated(anomalies) = &answer.verdict {
        for anomaly in anomalies {
            let Evidence::Core(core) = &anomaly.evidence else { panic!("{what}: not a core") };
            // Whether a core with removals that got no answer is minimal is not examined.
            let removes =
                |id| [Function::DEQUEUE, Function::POP, Function::DELETE_MIN].contains(&history.function(id));
            let open = history.ids().any(|id| removes(id) && history.outcome(id) == Outcome::Info);
            let is_of_set = question.model == Model::Set;
            let is_of_container =
                matches!(question.model, Model::Queue | Model::Stack | Model::PriorityQueue);
            let by_search = is_of_container && answer.method == "search";
            assert!(core.minimal || open || is_of_set || by_search, "{what}: not minimal");
        }
    }
    answer.verdict.name()
}

#[test]
fn every_model_agrees_with_the_reference() {
    for model in MODELS {
        compare_model_with_reference(model);
    }
}

/// Equal priorities come out in any order, so that a `delete-min` without an answer leaves several states possible. The
/// specification represents them by one.
#[test]
fn priority_queues_of_repeated_values_agree_with_the_reference() {
    compare_model_with_reference(Model::PriorityQueue);
}

fn compare_model_with_reference(model: Model) {
    let (mut holds, mut violated) = (0, 0);
    for seed in 0..6_000 {
        let failed_cas = if seed % 3 == 0 { FailedCas::Observes } else { FailedCas::SaysNothing };
        let history = random::history(model, seed);
        let expected = reference::is_linearizable(&history, model, failed_cas);
        let what = format!("{model:?}, seed {seed}");
        let found = verdict(&history, &question(model, failed_cas), &what);
        let expected_name = if expected { "holds" } else { "violated" };
        assert_eq!(found, expected_name, "{what}: {}", draw_history(&history));
        *(if expected { &mut holds } else { &mut violated }) += 1;
    }
    assert!(holds > 600 && violated > 600, "{model:?}: {holds} hold, {violated} do not: too one-sided");
}

/// The general search was the only engine for queues and stacks, and gave up at a few hundred operations. The monitors
/// that replace it decide by comparing intervals; monitors of others were published with wrong conditions. So they are
/// held against the definition, with empty removals and with indeterminate and failed operations.
#[test]
fn queues_of_distinct_values_agree_with_the_reference() {
    compare_containers_with_reference(Model::Queue);
}

#[test]
fn stacks_of_distinct_values_agree_with_the_reference() {
    compare_containers_with_reference(Model::Stack);
}

#[test]
fn priority_queues_of_distinct_values_agree_with_the_reference() {
    compare_containers_with_reference(Model::PriorityQueue);
}

fn compare_containers_with_reference(model: Model) {
    let (mut holds, mut violated, mut by_search) = (0, 0, 0);
    for seed in 0..24_000 {
        let plan = ContainerPlan {
            operations: 2 + seed as usize % 7,
            clients: 1 + seed as usize / 7 % 5,
            indeterminate: [0, 10, 30][seed as usize % 3],
            repeated: if seed % 8 == 0 { 10 } else { 0 },
            priorities: [0, 0, 2, 1][seed as usize / 8 % 4],
        };
        let history = containers::container_history(model, plan, seed);
        let expected = reference::is_linearizable(&history, model, FailedCas::SaysNothing);
        let what = format!("{model:?}, seed {seed}");
        let question = question(model, FailedCas::SaysNothing);
        let report = check_confirmed(&history, &question, &test_limits(100_000_000, 1 << 30));
        let answer = &report.answers[0];
        let expected_name = if expected { "holds" } else { "violated" };
        assert_eq!(answer.verdict.name(), expected_name, "{what}: {}", draw_history(&history));
        *(if expected { &mut holds } else { &mut violated }) += 1;
        by_search += usize::from(answer.method == "search");
    }
    assert!(holds > 6_000 && violated > 6_000, "{model:?}: {holds} hold, {violated} do not: too one-sided");
    assert!(by_search < 1_000, "{model:?}: the search decided {by_search}");
}

/// A published monitor for stacks (OOPSLA 2025) calls this history linearizable. Value 1 is pushed before 3 is, and both
/// are inside until 1 is popped, so 3 is above 1 then.
#[test]
fn a_stack_that_a_published_monitor_gets_wrong_is_violated() {
    let (push, pop) = (Function::PUSH, Function::POP);
    let history = containers::history_of_intervals(&[
        (push, "2", 3, 4),
        (pop, "2", 2, 5),
        (push, "1", 1, 6),
        (push, "3", 7, 8),
        (pop, "1", 9, 10),
        (pop, "3", 11, 12),
    ]);
    assert!(!reference::is_linearizable(&history, Model::Stack, FailedCas::SaysNothing));
    let question = question(Model::Stack, FailedCas::SaysNothing);
    let report = check_confirmed(&history, &question, &test_limits(1_000, 1 << 20));
    assert_eq!(report.answers[0].method, "stack-nesting");
    let Verdict::Violated(violations) = &report.answers[0].verdict else { panic!("it is violated") };
    // Both pushes, and the pop of 1 below 3. What happened later does not matter.
    assert_eq!(violations[0].operations.len(), 3, "{:?}", violations[0].operations);
}

/// The search gave up on queues and stacks of 500 operations and five clients.
#[test]
fn long_containers_are_decided() {
    for (model, method) in [
        (Model::Queue, "queue-order"),
        (Model::Stack, "stack-nesting"),
        (Model::PriorityQueue, "priority-order"),
    ] {
        let mut names = Vec::new();
        for seed in 0..8 {
            let indeterminate = if seed % 2 == 0 { 0 } else { 1 };
            let plan =
                ContainerPlan { operations: 3_000, clients: 20, indeterminate, repeated: 0, priorities: 0 };
            let history = containers::container_history(model, plan, seed);
            let question = question(model, FailedCas::SaysNothing);
            let report = check_confirmed(&history, &question, &test_limits(100_000, 1 << 26));
            assert_eq!(report.answers[0].method, method, "seed {seed}");
            names.push(report.answers[0].verdict.name());
        }
        assert!(names.contains(&"holds") && names.contains(&"violated"), "{model:?}: {names:?}");
        assert!(!names.contains(&"unknown"), "{model:?}: {names:?}");
    }
}

/// A set was one object whose states are sets of elements, and the search gave up on violated histories of 1,000
/// operations. Element by element, each is a register of two states; cores leave out all other elements.
#[test]
fn sets_agree_with_the_reference_element_by_element() {
    let (mut holds, mut violated) = (0, 0);
    for seed in 0..24_000 {
        let (operations, clients) = (2 + seed as usize % 8, 1 + seed as usize / 8 % 4);
        let history = sets::set_history(SetPlan { operations, clients, elements: 2, reads: 0 }, seed);
        let expected = reference::is_linearizable(&history, Model::Set, FailedCas::SaysNothing);
        let question = question(Model::Set, FailedCas::SaysNothing);
        let report = check_confirmed(&history, &question, &test_limits(100_000_000, 1 << 30));
        let answer = &report.answers[0];
        let expected_name = if expected { "holds" } else { "violated" };
        assert_eq!(answer.verdict.name(), expected_name, "seed {seed}: {}", draw_history(&history));
        assert_eq!(answer.method, "set-elements", "seed {seed}");
        *(if expected { &mut holds } else { &mut violated }) += 1;
    }
    assert!(holds > 4_000 && violated > 4_000, "{holds} hold, {violated} do not: too one-sided");
}

#[test]
fn long_sets_are_decided() {
    let mut names = Vec::new();
    for seed in 0..8 {
        let plan = SetPlan { operations: 2_000, clients: 20, elements: 2, reads: 0 };
        let history = sets::set_history(plan, seed);
        let question = question(Model::Set, FailedCas::SaysNothing);
        let report = check_confirmed(&history, &question, &test_limits(20_000_000, 1 << 28));
        names.push(report.answers[0].verdict.name());
    }
    assert!(names.contains(&"violated") && !names.contains(&"unknown"), "{names:?}");
}

/// A read of all elements made the set one object, and the search gave up on most histories of 1,000 operations. Now the elements
/// are decided apart, and the reads tie them together.
#[test]
fn sets_with_reads_of_all_elements_agree_with_the_reference() {
    let (mut holds, mut violated, mut together) = (0, 0, 0);
    for seed in 0..sets::seeds() {
        let (operations, clients) = (2 + seed as usize % 8, 1 + seed as usize / 8 % 4);
        let elements = 2 + seed as usize / 32 % 2;
        let history = sets::set_history(SetPlan { operations, clients, elements, reads: 35 }, seed);
        let expected = reference::is_linearizable(&history, Model::Set, FailedCas::SaysNothing);
        let question = question(Model::Set, FailedCas::SaysNothing);
        let report = check_confirmed(&history, &question, &test_limits(100_000_000, 1 << 30));
        let answer = &report.answers[0];
        let expected_name = if expected { "holds" } else { "violated" };
        assert_eq!(answer.verdict.name(), expected_name, "seed {seed}: {}", draw_history(&history));
        together += u32::from(answer.method == "set-reads");
        *(if expected { &mut holds } else { &mut violated }) += 1;
    }
    assert!(holds > 4_000 && violated > 4_000, "{holds} hold, {violated} do not: too one-sided");
    assert!(together > 12_000, "only {together} have reads of all elements");
}

/// A core of a set leaves out elements, in the answers of reads too. If the verifier left out too much, it would confirm a core of a
/// history that holds.
#[test]
fn no_core_of_a_set_that_holds_is_confirmed() {
    let (mut tried, mut random) = (0, TestRandom::new(1));
    for seed in 0..sets::seeds() / 4 {
        let plan = SetPlan { operations: 3 + seed as usize % 7, clients: 3, elements: 3, reads: 35 };
        let history = sets::set_history(plan, seed);
        let question = question(Model::Set, FailedCas::SaysNothing);
        let mut report = check_confirmed(&history, &question, &test_limits(100_000_000, 1 << 30));
        if report.answers[0].verdict.name() != "holds" {
            continue;
        }
        for _ in 0..8 {
            tried += 1;
            let operations: Vec<OpId> = history.ids().filter(|_| random.below(2) == 0).collect();
            let position = random.below(history.event_count() as usize) as u32;
            let until = if random.below(2) == 0 { NEVER } else { position };
            let from = (random.below(3) == 0).then_some(position / 2);
            let core = Core { from, until, ..Core::minimal_core(KeyId::NONE, operations.clone()) };
            report.answers[0].verdict = Verdict::Violated(vec![Violation {
                kind: AnomalyName::new("non-linearizable"),
                key: KeyId::NONE,
                operations,
                evidence: Evidence::Core(core.clone()),
            }]);
            let standings = verifier::verify(&history, &question, &report, &Limits::unbounded());
            let confirmed =
                matches!(standings.answers[0], Standing::Confirmed | Standing::ConfirmedExcept(_));
            assert!(!confirmed, "seed {seed}: {core:?}\n{}", draw_history(&history));
        }
    }
    assert!(tried > 10_000, "only {tried} cores");
}

#[test]
fn long_sets_with_reads_of_all_elements_are_decided() {
    let mut names = Vec::new();
    for (elements, reads) in [(3, 30), (100, 5), (1_000, 1)] {
        for seed in 0..6 {
            let history =
                sets::set_history(SetPlan { operations: 2_000, clients: 20, elements, reads }, seed);
            let question = question(Model::Set, FailedCas::SaysNothing);
            let report = check_confirmed(&history, &question, &test_limits(20_000_000, 1 << 28));
            assert_eq!(report.answers[0].method, "set-reads");
            names.push(report.answers[0].verdict.name());
        }
    }
    assert!(names.contains(&"holds") && names.contains(&"violated"), "{names:?}");
    assert!(!names.contains(&"unknown"), "{names:?}");
}

/// The verdicts of the corpus were written by hand. The reference and the engines must both agree with them.
#[test]
fn containers_of_the_corpus_agree_with_the_reference() {
    let mut models: Vec<Model> = Vec::new();
    for case in testkit::corpus::corpus_cases() {
        let model = case.question.model;
        if ![Model::Queue, Model::Stack, Model::PriorityQueue].contains(&model) {
            continue;
        }
        models.push(model);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../histories/corpus");
        let expect = std::fs::read_to_string(format!("{folder}/{}/expect.toml", case.name)).expect("a file");
        let expected =
            expect.lines().find_map(|line| line.strip_prefix("linearizable = ")).expect("a verdict");
        let expected = expected.trim_matches('"');
        let reference = reference::is_linearizable(&case.history, model, FailedCas::SaysNothing);
        assert_eq!(if reference { "holds" } else { "violated" }, expected, "{}, by the reference", case.name);
        let found = verdict(&case.history, &question(model, FailedCas::SaysNothing), &case.name);
        assert_eq!(found, expected, "{}", case.name);
    }
    let count = |model| models.iter().filter(|&&other| other == model).count();
    assert!(count(Model::PriorityQueue) >= 5 && count(Model::Stack) >= 3, "{models:?}");
}
