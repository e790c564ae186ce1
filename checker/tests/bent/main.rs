//! Evidence that is wrong, for claims that are false, of every kind of claim.
//!
//! The verifier looks at all evidence a second time, and nothing looked at the verifier as hard. Of 150 small mistakes in it that
//! were drawn at random, its own tests noticed 45. Forged certificates of the corpus bend the evidence of a violated history, which
//! mostly stays violated, so that evidence with a hole could not be told from right evidence. Here the history is bent as well, until
//! the opposite is true: then whatever is said for the claim must be refuted.

#![allow(clippy::print_stdout, reason = "what was tried is said")]

mod absence;
mod challenge;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../linearizability/containers.rs"]
mod containers;
mod evidence;
mod made_up_anomalies;
mod made_up_breaches;
mod made_up_cases;
mod made_up_causal;
mod made_up_cores;
mod made_up_findings;
mod made_up_lemmas;
mod made_up_orders;
mod made_up_steps;
mod near;
#[path = "../linearizability/random.rs"]
mod objects;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../linearizability/sets.rs"]
mod sets;
#[path = "../invariants/simulated.rs"]
mod simulated;
mod stores;
mod untested;

use challenge::{Effort, Tally, challenge};
use checker::{
    Assume, FailedCas, FindingKind, Level, Model, Property, Question, SessionRules, StalenessBound,
};
use containers::ContainerPlan;
use sets::SetPlan;
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{OTHER_MODELS, TestRandom, level_properties, question_about};

/// How many times as many histories as usual are tried: `STEADFAST_TIMES`.
fn times() -> u64 {
    std::env::var("STEADFAST_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

#[test]
fn levels_of_registers() {
    let mut tally = Tally::default();
    for seed in 0..150 * times() {
        let mut random = TestRandom::new(seed);
        let shape = match seed % 4 {
            0 => RegisterShape::plain(&mut random),
            1 => RegisterShape::tangled(&mut random),
            2 => {
                RegisterShape { keys: 2, sessions: 2, tabs: 3, writes: 3, ..RegisterShape::new(&mut random) }
            }
            _ => RegisterShape::new(&mut random),
        };
        let initial = if random.chance(80) { "null" } else { "0" };
        let assume = Assume { sequential_keys: random.chance(15), linearizable_keys: random.chance(15) };
        let failed_cas = if random.chance(50) { FailedCas::SaysNothing } else { FailedCas::Observes };
        let history = RegisterRun::new(random.fork(1), shape, initial).into_history();
        let history = near::seldom_strange(history, &mut random);
        let levels = level_properties(Level::ALL);
        let staleness = Some(StalenessBound::Versions(1 + random.below(4) as u32));
        let question = question_about(Model::CasRegister, &levels);
        let mut question = Question { assume, failed_cas, staleness, ..question };
        question.initial.set_default(initial).expect("it is JSON");
        challenge(history, question, Effort { near: 4, bends: 12 }, &mut random, &mut tally);
    }
    println!("{tally:#?}");
    tally.assert_not_tame(2_000, 80, &["causal", "core", "cycle", "orders", "versions"]);
}

#[test]
fn linearizability_of_every_model() {
    let mut tally = Tally::default();
    for seed in 0..400 * times() {
        let mut random = TestRandom::new(seed);
        let model = OTHER_MODELS[seed as usize % OTHER_MODELS.len()];
        let plan = ContainerPlan {
            operations: 4 + random.below(6),
            clients: 1 + random.below(4),
            indeterminate: random.one_of(&[0, 10, 30]),
            repeated: random.one_of(&[0, 10]),
            priorities: random.below(3),
        };
        let history = match model {
            Model::Queue | Model::Stack | Model::PriorityQueue if random.chance(60) => {
                containers::container_history(model, plan, seed)
            }
            Model::Set if random.chance(60) => {
                let plan = SetPlan { operations: 6 + random.below(6), clients: 3, elements: 3, reads: 30 };
                sets::set_history(plan, seed)
            }
            // From this seed on they are longer.
            _ => objects::history(model, seed + 3_000),
        };
        let failed_cas = if random.chance(50) { FailedCas::SaysNothing } else { FailedCas::Observes };
        let question = question_about(model, &level_properties(&[Level::Linearizable]));
        let question = Question { failed_cas, ..question };
        challenge(history, question, Effort { near: 5, bends: 10 }, &mut random, &mut tally);
    }
    println!("{tally:#?}");
    tally.assert_not_tame(400, 200, &["core", "orders"]);
}

#[test]
fn levels_of_transactions() {
    let mut tally = Tally::default();
    for seed in 0..120 * times() {
        let (history, question, mut random) = near::draw_transactions(seed);
        challenge(history, question, Effort { near: 4, bends: 12 }, &mut random, &mut tally);
    }
    println!("{tally:#?}");
    let orders = ["CommitOrder", "Execution", "Serial", "Snapshots", "Versions"];
    let orders = orders.map(|order| format!("transactions {order}"));
    let kinds: Vec<&str> = orders.iter().map(String::as_str).chain(["phenomenon"]).collect();
    tally.assert_not_tame(1_000, 5, &kinds);
}

#[test]
fn findings_of_session_stores() {
    let mut tally = Tally::default();
    for seed in 0..250 * times() {
        let mut random = TestRandom::new(seed);
        let history = stores::store_history(&mut random);
        let mut sessions = SessionRules::from_header(&history).expect("the header is right");
        sessions.tolerance_ns = random.one_of(&[sessions.tolerance_ns, 0, 20_000_000]);
        let kinds: Vec<Property> = FindingKind::ALL.iter().copied().map(Property::Finding).collect();
        let question = Question { sessions, ..question_about(Model::Session, &kinds) };
        challenge(history, question, Effort { near: 6, bends: 8 }, &mut random, &mut tally);
    }
    println!("{tally:#?}");
    let kinds =
        ["finding Gone", "finding Back", "finding Replaced", "finding Skipped", "finding BroughtAgain"];
    tally.assert_not_tame(200, 1, &kinds);
}

#[test]
fn invariants() {
    let mut tally = Tally::default();
    for seed in 0..160 * times() {
        let mut random = TestRandom::new(seed);
        let (history, invariants) = made_up_breaches::simulated_history(seed, 20, 50, &mut random);
        let asked: Vec<Property> = invariants.iter().copied().map(Property::Invariant).collect();
        let models = || Model::ALL.iter().copied();
        let fits = |model: &Model| asked.iter().all(|property| model.properties().contains(property));
        let model = models().find(fits).expect("a model has it");
        let question = question_about(model, &asked);
        challenge(history, question, Effort { near: 6, bends: 10 }, &mut random, &mut tally);
    }
    println!("{tally:#?}");
    tally.assert_not_tame(100, 50, &["looked"]);
}

/// Cases of the corpus have what no generator makes, such as answers of real stores.
#[test]
fn histories_of_the_corpus() {
    let mut tally = Tally::default();
    for case in testkit::corpus::corpus_cases() {
        if case.history.len() > 40 {
            continue;
        }
        let mut random = TestRandom::new(case.history.len() as u64);
        let effort = Effort { near: 4 * times() as usize, bends: 6 };
        challenge(case.history, case.question, effort, &mut random, &mut tally);
    }
    println!("{tally:#?}");
    tally.assert_not_tame(1_000, 50, &["causal", "core", "cycle", "orders", "versions"]);
}
