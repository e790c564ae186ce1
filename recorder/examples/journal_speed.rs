//! How fast the journal is: operations a second from two threads, and what an event costs one of them.
//!
//! `cargo run --release -p recorder --example journal_speed -- FILE`
#![allow(clippy::print_stdout, reason = "it prints figures")]

use recorder::journal::{Completed, FileSink, Invoked};
use recorder::{Clock, Journal};
use std::time::Instant;
use workloads::{Operation, Value};

const OPERATIONS: u64 = 500_000;

fn main() {
    let path = std::env::args().nth(1).expect("a file to write to");
    for threads in [1, 2] {
        let sink = FileSink::create(path.as_ref()).expect("a file that can be written");
        let journal = Journal::new(sink, Clock::real(), "{\"steadfast\":1}").expect("a header");
        let (journal, began) = (&journal, Instant::now());
        let mut durations: Vec<u64> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..threads)
                .map(|thread| scope.spawn(move || write(journal, thread, OPERATIONS / threads)))
                .collect();
            writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect()
        });
        let rate = OPERATIONS as f64 / began.elapsed().as_secs_f64();
        durations.sort_unstable();
        let (median, p99) = (durations[durations.len() / 2], durations[durations.len() * 99 / 100]);
        println!("{threads} threads: {rate:.0} operations/s; both events: median {median} ns, p99 {p99} ns");
    }
}

/// Writes operations and returns what each took.
fn write(journal: &Journal, process: u64, count: u64) -> Vec<u64> {
    let operation = Operation::on(&"k17".into(), histories::Function::WRITE, Value::Int(123_456));
    let session = "s-17";
    let one = |_| {
        let began = Instant::now();
        let operation = &operation;
        journal
            .invoke(&Invoked { process, session, operation, intended_ns: None, trace: None })
            .expect("written");
        let outcome = histories::Outcome::Ok;
        let completed = Completed {
            process,
            session,
            operation,
            outcome,
            value: None,
            node: Some("n1"),
            version: None,
            clock_ns: None,
            error: None,
            notes: &[],
        };
        journal.complete(&completed).expect("written");
        began.elapsed().as_nanos() as u64
    };
    (0..count).map(one).collect()
}
