//! Times the linearizability engines on simulated registers: `linearizability OPS PROCESSES KEYS VALUES CAS INFO STALE SEED`.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::registers::Registers;
use checker::check::{Assume, Evidence, FailedCas, Model, Question, check};
use checker::{Level, Limits, Verdict};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

fn main() {
    let n: Vec<u64> = std::env::args().skip(1).map(|arg| arg.parse().expect("a number")).collect();
    let [operations, processes, keys, values, cas, indeterminate, stale, seed] = n[..] else {
        panic!("eight numbers: operations processes keys values cas indeterminate stale seed");
    };
    let registers = Registers {
        operations: operations as usize,
        processes: processes as usize,
        keys: keys as usize,
        values,
        cas: cas == 1,
        indeterminate: indeterminate as usize,
        stale: stale == 1,
        seed,
    };
    let history = registers.history();
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: 200_000_000, bytes: 512 << 20, stop: &stop };
    let question = Question {
        model: Model::CasRegister,
        initial: histories::ValueId::NULL,
        failed_cas: FailedCas::SaysNothing,
        assume: Assume::default(),
    };
    let start = Instant::now();
    let answer = check(&history, Level::Linearizable, &question, &limits);
    let seconds = start.elapsed().as_secs_f64();
    let detail = match &answer.verdict {
        Verdict::Unknown(why) => why.reason.clone(),
        Verdict::Violated(anomalies) => match &anomalies[0].evidence {
            Evidence::Core(core) => {
                format!("{}, core of {} minimal {}", anomalies[0].kind, core.operations.len(), core.minimal)
            }
            Evidence::Cycle(_) | Evidence::Causal(_) => String::new(),
        },
        Verdict::Holds(_) => String::new(),
    };
    println!("{registers:?}\n  {} by {} in {seconds:.3} s  {detail}", answer.verdict.name(), answer.method);
}
