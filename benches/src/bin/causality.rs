//! Times the levels of causality on a simulated store that lags: `causality OPS SESSIONS KEYS LAG SEED [LEVEL…]`.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::phases::check_timed;
use benches::replicas::Replicas;
use checker::{Level, Limits, Model, Property, Question, Verdict};
use std::sync::atomic::AtomicBool;

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
    println!("{replicas:?}");
    for level in if asked.is_empty() { LEVELS.to_vec() } else { asked } {
        let property = Property::Level(level);
        let question = Question { asked: Some(vec![property]), ..Question::about(Model::Register) };
        let timed = check_timed(&history, &question, &limits);
        let (answer, check, verify) = (&timed.report.answers[0], timed.check, timed.verify);
        let reason = match &answer.verdict {
            Verdict::Unknown(unknown) => unknown.reason.as_str(),
            _ => "",
        };
        let (name, verdict) = (level.name(), answer.verdict.name());
        println!("  {name} {verdict} by {} in {check:.2} s, again {verify:.2} s  {reason}", answer.method);
    }
}
