//! Linearizability of every model, held against a reference written straight from the definitions, on random small
//! histories; every witness and every core is checked again.

mod random;
mod reference;

use checker::check::{Assume, Evidence, FailedCas, Model, Question, check};
use checker::linearizability::recheck::{self, Recheck};
use checker::{Level, Limits, Verdict};
use histories::{History, ValueId};
use std::sync::atomic::AtomicBool;

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
    Question { model, initial: ValueId::NULL, failed_cas, assume: Assume::default() }
}

/// The verdict's name, once its evidence has been checked again.
fn verdict(history: &History, question: &Question, what: &str) -> &'static str {
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: 100_000_000, bytes: 1 << 30, stop: &stop };
    let answer = check(history, Level::Linearizable, question, &limits);
    let checked = recheck::verdict(history, question, &answer.verdict);
    assert_eq!(checked, Ok(Recheck::Confirmed), "{what}: {:?} of {}", answer.verdict, shown(history));
    if let Verdict::Violated(anomalies) = &answer.verdict {
        for anomaly in anomalies {
            let Evidence::Core(core) = &anomaly.evidence else { panic!("{what}: not a core") };
            assert!(core.minimal, "{what}: not minimal");
        }
    }
    answer.verdict.name()
}

fn shown(history: &History) -> String {
    history.operations().map(|op| format!("\n  {} {op:?}", history.function_name(op.function))).collect()
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
            assert_eq!(found, if expected { "holds" } else { "violated" }, "{what}: {}", shown(&history));
            *(if expected { &mut holds } else { &mut violated }) += 1;
        }
        assert!(holds > 600 && violated > 600, "{model:?}: {holds} hold, {violated} do not: too one-sided");
    }
}
