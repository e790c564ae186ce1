//! Times the reader: `reading generate SHAPE EVENTS FILE` writes native lines, `reading read FILE` reads them and says
//! how fast, and how much memory it took at most.
//!
//! Shapes: `registers` (100 keys), `keys` (100,000 keys at random), `sessions` (payloads of a session store) and `lists`
//! (transactions on append-only lists of up to 256 elements).
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::event_lines::{generate_keys, generate_lists, generate_registers, generate_sessions};
use histories::format::{self, Input, ReadOptions};
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["generate", shape, events, file] => {
            let file = std::fs::File::create(file).expect("a file that can be written");
            let to = &mut std::io::BufWriter::new(file);
            let events = events.parse().expect("a number of events");
            match shape {
                "registers" => generate_registers(events, to),
                "keys" => generate_keys(events, to),
                "sessions" => generate_sessions(events, to),
                "lists" => generate_lists(events, to),
                _ => panic!("a shape: registers, keys, sessions or lists"),
            }
        }
        ["read", file] => read(file),
        _ => panic!("generate SHAPE EVENTS FILE, or read FILE"),
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
