//! Times the reader: `reading generate EVENTS FILE` writes native lines, `reading read FILE` reads them and says
//! how fast, and how much memory it took at most.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use histories::format::{self, Input, ReadOptions};
use std::io::Write;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["generate", events, file] => {
            let file = std::fs::File::create(file).expect("a file that can be written");
            generate(events.parse().expect("a number of events"), &mut std::io::BufWriter::new(file));
        }
        ["read", file] => read(file),
        _ => panic!("generate EVENTS FILE, or read FILE"),
    }
}

/// Events of 100 processes in 1,000 sessions on 100 keys: each writes a value of its own, then reads it. What
/// is read is of no interest here; lines are as long as the contract's example.
fn generate(events: u64, to: &mut impl Write) {
    const PROCESSES: u64 = 100;
    for index in 0..events {
        let (round, process) = (index / PROCESSES, index % PROCESSES);
        let (kind, operation) = (if round % 2 == 0 { "invoke" } else { "ok" }, round / 2);
        let function = if operation % 2 == 0 { "write" } else { "read" };
        let written = operation / 2 * PROCESSES + process;
        let value =
            if kind == "invoke" && function == "read" { "null".to_owned() } else { written.to_string() };
        let (session, key, time) = (process + PROCESSES * (operation % 10), process, index * 1_250);
        writeln!(
            to,
            "{{\"index\":{index},\"time\":{time},\"process\":{process},\"session\":\"s-{session}\",\
             \"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"cart-{key}\",\"value\":{value}}}"
        )
        .expect("a file that can be written");
    }
}

fn read(file: &str) {
    let bytes = std::fs::metadata(file).expect("a file").len();
    let start = Instant::now();
    let loaded = match format::read(Input::from_argument(file), &ReadOptions::default(), &|_, _| {}) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{problems}"),
    };
    let seconds = start.elapsed().as_secs_f64();
    let history = loaded.history;
    println!(
        "{} events, {} operations, {:.0} MB in {seconds:.2} s: {:.0} MB/s; columns {:.1} bytes an operation; peak {} MiB",
        history.event_count(),
        history.len(),
        bytes as f64 / 1e6,
        bytes as f64 / 1e6 / seconds,
        history.column_bytes() as f64 / history.len() as f64,
        peak_mib(),
    );
}

/// The most memory that this process ever held, as Linux counts it.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
