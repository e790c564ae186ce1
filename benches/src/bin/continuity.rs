//! Times the findings of session stores on a recorded history: `continuity FILE`. The check and its re-check apart.
//!
//! A million operations: `steadfast record --workload session --load 40000/s --duration 24s --clients 100 --sessions 400
//! --tabs 2 --fields 3 --churn 200 --replication quorum --faults none`.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::phases::check_timed;
use checker::{Limits, Model, Question, SessionRules, Verdict};
use histories::format::{self, Input, ReadOptions};
use std::sync::atomic::AtomicBool;

fn main() {
    let file = std::env::args().nth(1).expect("a file");
    let read = format::read(Input::Path(file.into()), &ReadOptions::default(), &|_, _| {});
    let history = read.unwrap_or_else(|problems| panic!("{problems}")).history;
    let sessions = SessionRules::from_header(&history).expect("a header");
    let question = Question { sessions, ..Question::about(Model::Session) };
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: u64::MAX, bytes: 1 << 30, stop: &stop };
    let timed = check_timed(&history, &question, &limits);
    let count = |verdict: &Verdict| match verdict {
        Verdict::Violated(findings) => findings.len(),
        Verdict::Holds(_) | Verdict::Untested(_) | Verdict::Unknown(_) => 0,
    };
    let findings: usize = timed.report.answers.iter().map(|answer| count(&answer.verdict)).sum();
    println!(
        "{} operations: {findings} findings in {:.3} s, checked again in {:.3} s",
        history.len(),
        timed.check,
        timed.verify
    );
}
