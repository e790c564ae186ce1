//! Times the measurements of a recorded history: `measurements FILE`.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::phases::busy_seconds;
use checker::measurements::{find_metric, measure_history, measure_register_losses};
use histories::ValueId;
use histories::format::{Input, ReadOptions, read};
use std::time::Instant;

fn main() {
    let file = std::env::args().nth(1).expect("a history");
    let input = Input::Path(file.into());
    let history =
        read(input, &ReadOptions::default(), &|_, _| ()).expect("a history that can be read").history;
    let (start, cpu) = (Instant::now(), busy_seconds());
    let losses = measure_register_losses(&history, ValueId::NULL);
    let found = measure_history(&history, ValueId::NULL, &losses);
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), busy_seconds() - cpu);
    let figure = |name: &str| found.run.get(find_metric(name).expect("a metric")).expect("measured");
    println!(
        "{} operations, {} faults: {seconds:.3} s, {cpu:.2} s of CPU; stale reads {:?}, Δ {:?} s, recovery p99 {:?} s",
        history.len(),
        found.faults.len(),
        figure("stale-reads"),
        figure("staleness.delta"),
        figure("recovery.p99"),
    );
}
