//! Times the findings of session stores on a recorded history: `continuity FILE`. The check and its re-check apart.
//!
//! A million operations: `steadfast record --workload session --load 40000/s --duration 24s --clients 100 --sessions 400
//! --tabs 2 --fields 3 --churn 200 --replication quorum --faults none`.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use checker::continuity::{Question, judge, recheck};
use checker::{Limits, Verdict};
use histories::format::{self, Input, ReadOptions};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

fn main() {
    let file = std::env::args().nth(1).expect("a file");
    let read = format::read(Input::Path(file.into()), &ReadOptions::default(), &|_, _| {});
    let history = read.unwrap_or_else(|problems| panic!("{problems}")).history;
    let question = Question::of_header(&history).expect("a header");
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: u64::MAX, bytes: 1 << 30, stop: &stop };
    let began = Instant::now();
    let judged = judge(&history, &question, &limits);
    let check = began.elapsed().as_secs_f64();
    let began = Instant::now();
    recheck::judged(&history, &question, &judged).unwrap_or_else(|why| panic!("{why}"));
    let again = began.elapsed().as_secs_f64();
    let count = |judged: &checker::continuity::Judged| match &judged.verdict {
        Verdict::Violated(findings) => findings.len(),
        Verdict::Holds(()) | Verdict::Unknown(_) => 0,
    };
    let findings: usize = judged.iter().map(count).sum();
    println!(
        "{} operations: {findings} findings in {check:.3} s, checked again in {again:.3} s",
        history.len()
    );
}
