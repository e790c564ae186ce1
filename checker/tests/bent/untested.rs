//! Claims that nothing in a history could have contradicted a property. `check` makes such a claim itself; every other one is false.

use crate::near::{EventList, without_times};
use crate::{containers, objects, stores};
use checker::{
    FailedCas, FindingKind, IsolationLevel, Level, Limits, Model, Property, Question, Report, SessionRules,
    Verdict, Witness,
};
use histories::{Function, History, Operation, Outcome};
use std::collections::BTreeMap;
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::transactions::{KeyType, random_history};
use testkit::{
    TestRandom, draw_history, isolation_properties, level_properties, model_of_transactions, question_about,
    test_limits,
};
use verifier::Standing;

/// A history with few operations left, so that often none of them says anything.
fn thinned(history: &History, random: &mut TestRandom) -> Option<History> {
    let mut list = EventList::from_history(history);
    let left = random.below(7);
    while list.events.len() > left {
        // Reads say most, so most of them go.
        let mut at = random.below(list.events.len());
        for _ in 0..2 {
            let function = list.events[at]["f"].as_str().unwrap_or_default();
            if !["write", "cas", "enqueue", "push", "add", "put", "acquire", "create"].contains(&function) {
                break;
            }
            at = random.below(list.events.len());
        }
        match list.events[at]["process"].is_string() {
            true => _ = list.events.remove(at),
            false => list.drop_operation(at),
        }
    }
    list.read()
}

fn draw(seed: u64) -> (History, Question) {
    let mut random = TestRandom::new(seed);
    let levels = |model| question_about(model, &level_properties(&[Level::Linearizable]));
    let models = [
        Model::Queue,
        Model::Stack,
        Model::PriorityQueue,
        Model::Set,
        Model::Kv,
        Model::Counter,
        Model::Mutex,
        Model::MultiRegister,
    ];
    let (history, question) = match seed % 4 {
        0 => {
            let shape = RegisterShape::new(&mut random);
            let history = RegisterRun::new(random.fork(1), shape, "null").into_history();
            (history, question_about(Model::CasRegister, &level_properties(Level::ALL)))
        }
        1 => {
            let model = random.one_of(&models);
            let plan = containers::ContainerPlan {
                operations: 5,
                clients: 2,
                indeterminate: 20,
                repeated: 10,
                priorities: 1,
            };
            let is_container = [Model::Queue, Model::Stack, Model::PriorityQueue].contains(&model);
            let history = match is_container && random.chance(50) {
                true => containers::container_history(model, plan, seed),
                false => objects::history(model, seed),
            };
            (history, levels(model))
        }
        2 => {
            let history = random_history(&mut random, KeyType::List);
            let model = model_of_transactions(&history);
            (history, question_about(model, &isolation_properties(IsolationLevel::ALL)))
        }
        _ => {
            let mut history = stores::store_history(&mut random);
            if random.chance(15) {
                history = without_times(&history).expect("times may be missing");
            }
            let sessions = SessionRules::from_header(&history).expect("the header is right");
            let kinds: Vec<Property> = FindingKind::ALL.iter().copied().map(Property::Finding).collect();
            (history, Question { sessions, ..question_about(Model::Session, &kinds) })
        }
    };
    let failed_cas = if random.chance(50) { FailedCas::SaysNothing } else { FailedCas::Observes };
    (history, Question { failed_cas, accept_untested: false, ..question })
}

#[test]
fn untested_is_what_check_calls_untested() {
    let mut counts: BTreeMap<(&'static str, bool), u64> = BTreeMap::new();
    for seed in 0..6_000 * crate::times() {
        let (history, question) = draw(seed);
        let mut random = TestRandom::new(seed ^ 0x7e57);
        let Some(history) = (if seed % 5 < 4 { thinned(&history, &mut random) } else { Some(history) })
        else {
            continue;
        };
        // A changed history may be one of another model.
        if question.check(&history).is_err() {
            continue;
        }
        let report = checker::check(&history, &question, &test_limits(300_000, 1 << 28))
            .expect("it has no internal error");
        // An indeterminate compare-and-set beside another one may have happened in a safe register, and then frees all reads beside it. The
        // check overlooks that, and calls `safe` satisfied.
        let is_open = |op: Operation| op.function == Function::CAS && op.outcome == Outcome::Info;
        let is_freed = history.operations().any(is_open);
        // `check` has verified its own claims. Here everything is claimed to be untested.
        let mut claim = report.clone();
        for answer in claim.answers.iter_mut().chain(&mut claim.beside) {
            answer.verdict = Verdict::untested("somebody says so");
        }
        let found = verifier::verify(&history, &question, &claim, &Limits::unbounded());
        assert_wrong_witness_refuted(&history, &question, &claim);
        let answers = report.answers.iter().chain(&report.beside);
        for (answer, standing) in answers.zip(found.answers.iter().chain(&found.beside)) {
            let is_untested = match answer.verdict {
                Verdict::Untested(_) => true,
                Verdict::Holds(_) | Verdict::Violated(_) => false,
                Verdict::Unknown(_) => continue,
            };
            if is_freed && answer.property == Property::Level(Level::Safe) {
                continue;
            }
            let kind = match answer.property {
                Property::Finding(kind) => kind.name(),
                Property::Isolation(_) => "isolation",
                _ => question.model.name(),
            };
            *counts.entry((kind, is_untested)).or_default() += 1;
            let told = || format!("seed {seed}: {answer:?}\n{standing:?}\n{}", draw_history(&history));
            assert!(is_untested || *standing != Standing::Confirmed, "{}", told());
            assert!(
                !is_untested || report.verdict() == "violated" || *standing == Standing::Confirmed,
                "{}",
                told()
            );
        }
    }
    println!("{counts:?}");
    assert!(counts.values().all(|&count| count >= 3), "{counts:?}");
    let untested: u64 = counts.iter().filter(|((_, untested), _)| *untested).map(|(_, count)| count).sum();
    assert!(untested > 3_000, "{counts:?}");
}

/// That nothing was tested is no excuse for a witness of another kind.
fn assert_wrong_witness_refuted(history: &History, question: &Question, claim: &Report) {
    let mut claim = claim.clone();
    claim.answers.retain(|answer| !matches!(answer.property, Property::Finding(_)));
    for answer in &mut claim.answers {
        answer.verdict = Verdict::Holds(Witness::NothingFound);
    }
    let found = verifier::verify(history, question, &claim, &Limits::unbounded());
    for (answer, standing) in claim.answers.iter().zip(found.answers) {
        let told = || format!("{standing:?}: {answer:?}\n{}", draw_history(history));
        assert!(matches!(standing, Standing::Refuted(_)), "{}", told());
    }
}
