//! Writes histories of a simulated queue, stack, priority queue or set, and times the check of such a file:
//! `containers generate queue|stack|priority-queue|set|set-with-reads OPERATIONS CLIENTS INDETERMINATE BAD SEED FILE`,
//! `containers check FILE`. In `set-with-reads`, one operation of a hundred reads all elements.
//!
//! All clients are busy all the time. Each operation takes effect at a random moment while it is open. Each value is
//! inserted once, but for sets. `INDETERMINATE` operations get no answer, and half of these take effect. If `BAD` is 1,
//! one answer near the end is wrong: a queue returns its newest element, a stack its oldest, a priority queue the one of
//! greatest priority, a set the opposite, and a read of all elements lacks the first.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::containers::Containers;
use benches::phases::{busy_seconds, check_timed};
use checker::{Level, Limits, Property, Question, Verdict};
use histories::format::{self, Input, ReadOptions};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["generate", model, ref numbers @ .., file] => generate_history(model, numbers, file),
        ["check", file] => time_check(file),
        _ => panic!("generate MODEL OPERATIONS CLIENTS INDETERMINATE BAD SEED FILE, or check FILE"),
    }
}

fn generate_history(model: &str, numbers: &[&str], file: &str) {
    let numbers: Vec<usize> = numbers.iter().map(|text| text.parse().expect("a number")).collect();
    let [operations, clients, indeterminate, bad, seed] = numbers[..] else {
        panic!("five numbers: OPERATIONS CLIENTS INDETERMINATE BAD SEED");
    };
    let file = std::fs::File::create(file).expect("a file that can be written");
    let bad = bad == 1;
    let plan = Containers { object: model, operations, clients, indeterminate, bad, seed: seed as u64 };
    plan.write(std::io::BufWriter::new(file));
}

/// Reads the file, decides whether its history is linearizable, checks the evidence, and prints how long each took.
fn time_check(file: &str) {
    let start = Instant::now();
    let loaded = match format::read(Input::from_argument(file), &ReadOptions::default(), &|_, _| {}) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{problems}"),
    };
    let (read, read_cpu) = (start.elapsed().as_secs_f64(), busy_seconds());
    let question = Question::recognised(&loaded.history).expect("a known model");
    let question = Question { asked: Some(vec![Property::Level(Level::Linearizable)]), ..question };
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: 200_000_000, bytes: 512 << 20, stop: &stop };
    let timed = check_timed(&loaded.history, &question, &limits);
    let answer = &timed.report.answers[0];
    let detail = match &answer.verdict {
        Verdict::Violated(violations) => format!(" by {} operations", violations[0].operations.len()),
        Verdict::Unknown(why) | Verdict::Untested(why) => format!(": {}", why.reason),
        Verdict::Holds(_) => String::new(),
    };
    println!(
        "{file}: {}{detail}, {}; read {read:.3} s, check {:.3} s, evidence {:.3} s; {:.2} s of CPU, {:.2} s of it reading",
        answer.verdict.name(),
        answer.method,
        timed.check,
        timed.verify,
        busy_seconds(),
        read_cpu
    );
}
