//! Times the levels of causality on a simulated store that lags: `causality OPS SESSIONS KEYS LAG SEED [LEVEL…]`.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::replicas::Replicas;
use checker::check::{Assume, FailedCas, Model, Question, check};
use checker::{Level, Limits, Verdict, causality};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

const LEVELS: [Level; 5] =
    [Level::Causal, Level::CausalConvergence, Level::CausalMemory, Level::Pram, Level::Sequential];

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let n: Vec<usize> = given.iter().map_while(|arg| arg.parse().ok()).collect();
    let [operations, sessions, keys, lag, seed] = n[..] else {
        panic!("five numbers: operations sessions keys lag seed");
    };
    let asked: Vec<Level> = given[5..].iter().map(|name| name.parse().expect("a level")).collect();
    let replicas = Replicas { operations, sessions, keys, lag, seed: seed as u64 };
    let history = replicas.history();
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: u64::MAX, bytes: 4 << 30, stop: &stop };
    let question = Question {
        model: Model::Register,
        initial: histories::ValueId::NULL,
        failed_cas: FailedCas::SaysNothing,
        assume: Assume::default(),
    };
    println!("{replicas:?}");
    for level in if asked.is_empty() { LEVELS.to_vec() } else { asked } {
        let start = Instant::now();
        let answer = check(&history, level, &question, &limits);
        let seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        causality::recheck::verdict(&history, level, &question, &answer.verdict).expect("the evidence holds");
        let again = start.elapsed().as_secs_f64();
        let reason = match &answer.verdict {
            Verdict::Unknown(unknown) => unknown.reason.as_str(),
            _ => "",
        };
        let (name, verdict) = (level.name(), answer.verdict.name());
        println!("  {name} {verdict} by {} in {seconds:.2} s, again {again:.2} s  {reason}", answer.method);
    }
}
