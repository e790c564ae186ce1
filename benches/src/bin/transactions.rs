//! Times the analysis of simulated transactions:
//! `transactions TRANSACTIONS CLIENTS KEYS WRITES_PER_KEY LENGTH SHAPE ISOLATION DEFECT LEVELS SEED [FILE…]`.
//!
//! SHAPE is `lists`, `registers`, `uniform` or `equal-elements`; ISOLATION and DEFECT are named as in `workloads::databases`, `none`
//! for no defect; LEVELS are separated by commas; `+linearizable-keys` among them is the assumption. `uniform` are
//! registers with all KEYS as likely and exactly LENGTH operations, strictly serializable whatever ISOLATION says. `equal-elements` are
//! lists, strictly serializable too unless DEFECT is `forked`; one append in a hundred has an element that the list has already.
//! With a FILE the history is written instead of checked: as JSON Lines, or for `.txt` as the text of Plume.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::equal_elements::EqualElements;
use benches::phases::check_timed;
use benches::uniform::{Uniform, write_plume};
use checker::{Assume, IsolationLevel, Limits, Model, Property, Question, Verdict};
use histories::History;
use std::fs::File;
use std::io::BufWriter;
use std::sync::atomic::AtomicBool;
use workloads::databases::{Defect, Isolation, Shape, SimulationPlan, simulate_history};

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
    if args[5] == "equal-elements" {
        let (transactions, sessions, keys) = (number(0), number(1), number(2));
        let (appends_per_key, length_max) = (number(3), number(4));
        let plan = EqualElements {
            transactions,
            sessions,
            keys,
            appends_per_key,
            length_max,
            one_in: 100,
            forked: args[7] == "forked",
            seed,
        };
        return plan.history();
    }
    let isolation = Isolation::ALL.iter().find(|each| format!("{each:?}") == args[6]);
    simulate_history(&SimulationPlan {
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
    let level = |name: &&str| Property::Isolation(name.parse::<IsolationLevel>().expect("a level"));
    let asked = Some(asked.iter().map(level).collect());
    let lists = Model::ListAppend;
    let model = if lists.explain_mismatch(history).is_none() { lists } else { Model::RwRegister };
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: 1_000_000_000, bytes: 2 << 30, stop: &stop };
    let question = Question { asked, assume, ..Question::about(model) };
    let resident = resident_mebibytes();
    let timed = check_timed(history, &question, &limits);
    println!("{} transactions, {} micro-operations", history.len(), history.micros().len());
    println!(
        "checked in {:.3} s ({:.2} s of CPU), evidence again in {:.3} s; {resident} MiB before",
        timed.check, timed.check_cpu, timed.verify
    );
    for answer in &timed.report.answers {
        let why = match &answer.verdict {
            Verdict::Unknown(why) | Verdict::Untested(why) => why.reason.as_str(),
            Verdict::Holds(_) | Verdict::Violated(_) => "",
        };
        println!("{} {} {why}", answer.property.name(), answer.verdict.name());
    }
    for anomaly in &timed.report.phenomena {
        println!("{} × {}", anomaly.count, anomaly.phenomenon.name());
    }
}

/// Memory that the process holds; zero where that cannot be told.
fn resident_mebibytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) / 256
}
