//! Times the linearizability engines on simulated registers: `linearizability OPS PROCESSES KEYS VALUES CAS INFO STALE SEED`.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::phases::check_timed;
use benches::registers::Registers;
use checker::{Evidence, Level, Limits, Model, Property, Question, Verdict};
use std::sync::atomic::AtomicBool;

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
    let asked = Some(vec![Property::Level(Level::Linearizable)]);
    let question = Question { asked, ..Question::about(Model::CasRegister) };
    let timed = check_timed(&history, &question, &limits);
    let (answer, seconds) = (&timed.report.answers[0], timed.check);
    let detail = match &answer.verdict {
        Verdict::Unknown(why) | Verdict::Untested(why) => why.reason.clone(),
        Verdict::Violated(anomalies) => match &anomalies[0].evidence {
            Evidence::Core(core) => {
                format!("{}, core of {} minimal {}", anomalies[0].kind, core.operations.len(), core.minimal)
            }
            _ => String::new(),
        },
        Verdict::Holds(_) => String::new(),
    };
    println!("{registers:?}\n  {} by {} in {seconds:.3} s  {detail}", answer.verdict.name(), answer.method);
}
