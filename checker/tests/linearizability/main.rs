//! Linearizability of every model, held against a reference written straight from the definitions, on random small
//! histories; every witness and every core is checked again.

mod random;
mod reference;

use checker::{Evidence, FailedCas, Level, Model, Property, Question, Verdict};
use histories::History;
use testkit::{check_confirmed, draw_history, test_limits};

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

/// The verdict's name; its evidence is confirmed, and each core is minimal.
fn verdict(history: &History, question: &Question, what: &str) -> &'static str {
    let answer = check_confirmed(history, question, &test_limits(100_000_000, 1 << 30)).answers.remove(0);
    if let Verdict::Violated(anomalies) = &answer.verdict {
        for anomaly in anomalies {
            let Evidence::Core(core) = &anomaly.evidence else { panic!("{what}: not a core") };
            assert!(core.minimal, "{what}: not minimal");
        }
    }
    answer.verdict.name()
}

#[test]
fn every_model_agrees_with_the_reference() {
    for model in MODELS {
        let (mut holds, mut violated) = (0, 0);
        for seed in 0..6_000 {
            let failed_cas = if seed % 3 == 0 { FailedCas::Observes } else { FailedCas::SaysNothing };
            let history = random::history(model, seed);
            let expected = reference::is_linearizable(&history, model, failed_cas);
            let what = format!("{model:?}, seed {seed}");
            let found = verdict(&history, &question(model, failed_cas), &what);
            assert_eq!(
                found,
                if expected { "holds" } else { "violated" },
                "{what}: {}",
                draw_history(&history)
            );
            *(if expected { &mut holds } else { &mut violated }) += 1;
        }
        assert!(holds > 600 && violated > 600, "{model:?}: {holds} hold, {violated} do not: too one-sided");
    }
}
