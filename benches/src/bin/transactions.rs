//! Times the analysis of simulated transactions:
//! `transactions TRANSACTIONS CLIENTS KEYS WRITES_PER_KEY LENGTH SHAPE ISOLATION DEFECT LEVELS SEED [FILE…]`.
//!
//! SHAPE is `lists`, `registers` or `uniform`; ISOLATION and DEFECT are named as in `workloads::databases`, `none`
//! for no defect; LEVELS are separated by commas; `+linearizable-keys` among them is the assumption. `uniform` are
//! registers with all KEYS as likely and exactly LENGTH operations, strictly serializable whatever ISOLATION says.
//! With a FILE the history is written instead of checked: as JSON Lines, or for `.txt` as the text of Plume.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::uniform::{Uniform, write_plume};
use checker::check::Assume;
use checker::transactions::{Options, analyze, recheck};
use checker::{Limits, Verdict};
use histories::History;
use std::fs::File;
use std::io::BufWriter;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use workloads::databases::{Defect, Isolation, Plan, Shape, simulate};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    assert!(
        args.len() >= 10,
        "ten arguments: transactions clients keys writes-per-key length shape isolation defect levels seed"
    );
    let history = history(&args);
    for file in &args[10..] {
        let out = BufWriter::new(File::create(file).expect("a file"));
        let written = match file.ends_with(".txt") {
            true => write_plume(&history, out),
            false => histories::format::write_native(&history, out),
        };
        written.expect("it can be written");
    }
    if args.len() == 10 {
        check(&history, &args[8]);
    }
}

fn history(args: &[String]) -> History {
    let number = |at: usize| args[at].parse::<usize>().expect("a number");
    let seed = args[9].parse().expect("a number");
    if args[5] == "uniform" {
        let (transactions, sessions, keys, length) = (number(0), number(1), number(2), number(4));
        return Uniform { transactions, sessions, keys, length, seed }.history();
    }
    let isolation = Isolation::ALL.iter().find(|each| format!("{each:?}") == args[6]);
    simulate(&Plan {
        seed,
        transactions: number(0),
        clients: number(1),
        keys: number(2),
        writes_per_key: number(3),
        length_max: number(4),
        indeterminate_percent: 0,
        shape: if args[5] == "lists" { Shape::Lists } else { Shape::Registers },
        isolation: *isolation.expect("an isolation"),
        defect: Defect::ALL.iter().find(|each| format!("{each:?}") == args[7]).copied(),
    })
}

fn check(history: &History, levels: &str) {
    let (assumed, asked): (Vec<&str>, Vec<&str>) = levels.split(',').partition(|name| name.starts_with('+'));
    let assume = Assume {
        linearizable_keys: assumed.contains(&"+linearizable-keys"),
        sequential_keys: assumed.contains(&"+sequential-keys"),
    };
    let levels = asked.iter().map(|name| name.parse().expect("a level")).collect();
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: 1_000_000_000, bytes: 2 << 30, stop: &stop };
    let options = Options { levels, assume };
    let resident = resident_mebibytes();
    let (start, busy) = (Instant::now(), busy_seconds());
    let analysis = analyze(history, &options, &limits);
    let (seconds, busy) = (start.elapsed().as_secs_f64(), busy_seconds() - busy);
    let start = Instant::now();
    recheck::analysis(history, &options, &analysis).expect("the evidence holds");
    println!("{} transactions, {} micro-operations", history.len(), history.micros().len());
    println!(
        "checked in {seconds:.3} s ({busy:.2} s of CPU), evidence again in {:.3} s; {resident} MiB before",
        start.elapsed().as_secs_f64()
    );
    for judgement in &analysis.judgements {
        let why = match &judgement.verdict {
            Verdict::Unknown(unknown) => unknown.reason.as_str(),
            Verdict::Holds(_) | Verdict::Violated(_) => "",
        };
        println!("{} {} {why}", judgement.level.name(), judgement.verdict.name());
    }
    for anomaly in &analysis.anomalies {
        println!("{} × {}", anomaly.count, anomaly.phenomenon.name());
    }
}

/// Seconds of CPU that this process has used, in steps of a hundredth; zero where that cannot be told. On a machine
/// that others use too it says more than the time that passed.
fn busy_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// Memory that the process holds; zero where that cannot be told.
fn resident_mebibytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) / 256
}
