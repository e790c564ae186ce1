//! The ten hot paths whose instructions are counted: `hot_paths prepare SHAPE FILE` writes a history, `hot_paths read FILE` reads it,
//! and `hot_paths check LEVELS FILE` reads it and checks the levels.
//!
//! Everything is done by one thread, so that two runs take the same instructions. `benches/tests/instructions.rs` counts them.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::event_lines::{generate_keys, generate_lists, generate_registers, generate_session_store};
use benches::registers::Registers;
use benches::replicas::Replicas;
use checker::{Limits, Property, Question};
use histories::History;
use histories::format::write_native;
use std::fs::File;
use std::io::BufWriter;
use workloads::databases::{Isolation, Shape, SimulationPlan, simulate_history};

fn main() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
    pool.build_global().expect("no pool was made before");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["prepare", shape, file] => prepare(shape, BufWriter::new(File::create(file).expect("a file"))),
        ["read", file] => println!("{} operations", read(file).len()),
        ["check", levels, file] => check(&read(file), levels),
        _ => panic!("prepare SHAPE FILE, read FILE, or check LEVELS FILE"),
    }
}

fn prepare(shape: &str, mut to: BufWriter<File>) {
    match shape {
        "lines" => generate_registers(20_000, &mut to),
        "keys" => generate_keys(20_000, &mut to),
        "sessions" => generate_session_store(20_000, &mut to),
        "lists" => generate_lists(4_000, &mut to),
        "registers" => write(&registers(), to),
        "replicas" => {
            let replicas = Replicas { operations: 10_000, sessions: 10, keys: 50, lag: 50, seed: 1 };
            write(&replicas.history(), to);
        }
        "transactions" => write(&transactions(), to),
        _ => panic!("a shape: lines, keys, sessions, lists, registers, replicas or transactions"),
    }
}

fn write(history: &History, to: BufWriter<File>) {
    write_native(history, to).expect("a file that can be written");
}

fn registers() -> History {
    let (operations, processes, keys, values) = (10_000, 20, 50, 0);
    let (cas, indeterminate, stale, seed) = (false, 0, false, 1);
    Registers { operations, processes, keys, values, cas, indeterminate, stale, seed }.history()
}

fn transactions() -> History {
    simulate_history(&SimulationPlan {
        seed: 1,
        transactions: 3_000,
        clients: 20,
        keys: 10,
        writes_per_key: 256,
        length_max: 5,
        indeterminate_percent: 0,
        shape: Shape::Registers,
        isolation: Isolation::Serializable,
        defect: None,
    })
}

fn read(file: &str) -> History {
    histories::read(file).unwrap_or_else(|problems| panic!("{problems}"))
}

fn check(history: &History, levels: &str) {
    let mut question = Question::recognised(history).unwrap_or_else(|why| panic!("{why}"));
    let property = |name: &str| Property::by_name(name).unwrap_or_else(|| panic!("{name} is no level"));
    if levels != "default" {
        question.asked = Some(levels.split(',').map(property).collect());
    }
    let report = checker::check(history, &question, &Limits::unbounded());
    println!("{}", report.unwrap_or_else(|why| panic!("{why}")).verdict());
}
