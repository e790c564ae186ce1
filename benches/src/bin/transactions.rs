//! Times the analysis of simulated transactions:
//! `transactions TRANSACTIONS CLIENTS KEYS WRITES_PER_KEY LENGTH SHAPE ISOLATION DEFECT LEVELS SEED`.
//!
//! SHAPE is `lists` or `registers`; ISOLATION and DEFECT are named as in `workloads::databases`, `none` for no
//! defect; LEVELS are separated by commas; `+linearizable-keys` among them is the assumption.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use checker::check::Assume;
use checker::transactions::{Options, analyze, recheck};
use checker::{Limits, Verdict};
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use workloads::databases::{Defect, Isolation, Plan, Shape, simulate};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [transactions, clients, keys, writes, length, shape, isolation, defect, levels, seed] = &args[..]
    else {
        panic!(
            "ten arguments: transactions clients keys writes-per-key length shape isolation defect levels seed"
        );
    };
    let number = |text: &String| text.parse::<usize>().expect("a number");
    let plan = Plan {
        seed: seed.parse().expect("a number"),
        transactions: number(transactions),
        clients: number(clients),
        keys: number(keys),
        writes_per_key: number(writes),
        length_max: number(length),
        indeterminate_percent: 0,
        shape: if shape == "lists" { Shape::Lists } else { Shape::Registers },
        isolation: *Isolation::ALL
            .iter()
            .find(|each| format!("{each:?}") == *isolation)
            .expect("an isolation"),
        defect: Defect::ALL.iter().find(|each| format!("{each:?}") == *defect).copied(),
    };
    let history = simulate(&plan);
    let (assumed, asked): (Vec<&str>, Vec<&str>) = levels.split(',').partition(|name| name.starts_with('+'));
    let assume = Assume {
        linearizable_keys: assumed.contains(&"+linearizable-keys"),
        sequential_keys: assumed.contains(&"+sequential-keys"),
    };
    let levels = asked.iter().map(|name| name.parse().expect("a level")).collect();
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: 1_000_000_000, bytes: 2 << 30, stop: &stop };
    let options = Options { levels, assume };
    let (start, busy) = (Instant::now(), busy_seconds());
    let analysis = analyze(&history, &options, &limits);
    let (seconds, busy) = (start.elapsed().as_secs_f64(), busy_seconds() - busy);
    let start = Instant::now();
    recheck::analysis(&history, &options, &analysis).expect("the evidence holds");
    println!("{} transactions, {} micro-operations", history.len(), history.micros().len());
    println!(
        "checked in {seconds:.3} s ({busy:.2} s of CPU), evidence again in {:.3} s",
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
