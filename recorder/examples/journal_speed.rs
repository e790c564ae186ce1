//! How fast the journal is, and what it adds to an operation.
//!
//! `cargo run --release -p recorder --example journal_speed -- FILE`
//!
//! Two measurements, on one thread and on two. First the journal alone: how many operations a second it takes, and
//! what both events of one cost. Then an operation of the kind that is recorded, a request to a server on the
//! loopback network and its answer, with the journal and without it in turn: the difference of the medians is what
//! the journal adds. In turn, because a machine is not as busy from one second to the next.
#![allow(clippy::print_stdout, reason = "it prints figures")]

use recorder::journal::{Completed, FileSink, Invoked};
use recorder::{Clock, Journal};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Instant;
use workloads::{ClientOperation, Value};

const OPERATIONS: u64 = 500_000;
/// Requests of each thread in one turn, and turns.
const REQUESTS: u64 = 2_000;
const TURNS: u64 = 20;

fn main() {
    let path = std::env::args().nth(1).expect("a file to write to");
    for threads in [1, 2] {
        measure_journal_alone(path.as_ref(), threads);
        measure_added_latency(path.as_ref(), threads);
    }
}

fn create_journal(path: &Path) -> Journal {
    let sink = FileSink::replace(path).expect("a file that can be written");
    Journal::new(sink, Clock::start_real(), "{\"steadfast\":1}").expect("a header")
}

fn measure_journal_alone(path: &Path, threads: u64) {
    let journal = &create_journal(path);
    let began = Instant::now();
    let mut durations = measure_on_threads(threads, |thread| {
        (0..OPERATIONS / threads).map(|_| time_ns(|| record_operation(journal, thread, || {}))).collect()
    });
    let rate = OPERATIONS as f64 / began.elapsed().as_secs_f64();
    let (median, p99) = (quantile(&mut durations, 0.5), quantile(&mut durations, 0.99));
    println!(
        "{threads} threads, journal alone: {rate:.0} operations/s; both events: median {median} ns, p99 {p99} ns"
    );
}

fn measure_added_latency(path: &Path, threads: u64) {
    let journal = &create_journal(path);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || echo_until_closed(stream));
        }
    });
    // Those with the journal first, those without it after them.
    let mut durations = measure_on_threads(threads, |thread| {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            with.extend(
                (0..REQUESTS)
                    .map(|_| time_ns(|| record_operation(journal, thread, || exchange_request(&mut stream)))),
            );
            without.extend((0..REQUESTS).map(|_| time_ns(|| exchange_request(&mut stream))));
        }
        with.append(&mut without);
        with
    });
    let half = (REQUESTS * TURNS) as usize;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for of_thread in durations.chunks_mut(2 * half) {
        with.extend_from_slice(&of_thread[..half]);
        without.extend_from_slice(&of_thread[half..]);
    }
    let (with, without) = (quantile(&mut with, 0.5), quantile(&mut without, 0.5));
    let added = with as i64 - without as i64;
    println!(
        "{threads} threads, requests to a server: median {without} ns, recorded {with} ns: {added} ns added"
    );
}

fn echo_until_closed(mut stream: TcpStream) {
    let mut bytes = [0; 64];
    while let Ok(read @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..read]).is_err() {
            return;
        }
    }
}

fn exchange_request(stream: &mut TcpStream) {
    let mut answer = [0; 24];
    stream.write_all(b"SET k17 123456 and so on").expect("it is read");
    stream.read_exact(&mut answer).expect("an answer");
}

/// What all threads measured, one after another.
fn measure_on_threads(threads: u64, measure: impl Fn(u64) -> Vec<u64> + Sync) -> Vec<u64> {
    let measure = &measure;
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|thread| scope.spawn(move || measure(thread))).collect();
        all.into_iter().flat_map(|thread| thread.join().expect("a thread that measures")).collect()
    })
}

fn time_ns(work: impl FnOnce()) -> u64 {
    let began = Instant::now();
    work();
    began.elapsed().as_nanos() as u64
}

fn quantile(durations: &mut [u64], share: f64) -> u64 {
    durations.sort_unstable();
    durations[(durations.len() as f64 * share) as usize]
}

/// An operation with both of its events.
fn record_operation(journal: &Journal, process: u64, operate: impl FnOnce()) {
    let operation = &ClientOperation::on_key(&"k17".into(), histories::Function::WRITE, Value::Int(123_456));
    let session = "s-17";
    journal
        .record_invocation(&Invoked { process, session, operation, intended_ns: None, trace: None })
        .expect("written");
    operate();
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
    journal.record_completion(&completed).expect("written");
}
