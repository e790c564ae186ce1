//! Shows how each engine grows: `growth MAX [NAME…]` simulates histories of 10,000, 100,000, … up to MAX operations (or transactions), checks
//! them, and prints a table in Markdown.
//!
//! A cell has the CPU seconds, on all cores, of the check and the second check. Generating the history is not part of it. A cell begins
//! with the verdict if that is not *holds*. A check is stopped after a minute of wall time, and a larger history of the same row is not
//! tried then. With names, only the rows that contain one of them are run.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::containers::Containers;
use benches::equal_elements::EqualElements;
use benches::phases::{busy_seconds, check_timed};
use benches::registers::Registers;
use benches::replicas::Replicas;
use benches::uniform::Uniform;
use checker::{IsolationLevel, Level, Limits, Model, Property, Question};
use histories::History;
use histories::format::{Format, from_text};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use workloads::databases::{Isolation, Shape, SimulationPlan, simulate_history};

/// How long a check may take.
const WALL_MAX: Duration = Duration::from_secs(60);

/// A row of the table.
struct Growth {
    name: &'static str,
    model: Model,
    property: Property,
    history: fn(usize) -> History,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let most: usize = arguments.first().and_then(|most| most.parse().ok()).expect("growth MAX [NAME…]");
    let names = &arguments[1..];
    let sizes: Vec<usize> = std::iter::successors(Some(10_000), |size| Some(size * 10))
        .take_while(|size| *size <= most)
        .collect();
    let columns: Vec<String> = sizes.iter().map(ToString::to_string).collect();
    println!("| history | level | {} |", columns.join(" | "));
    println!("| --- | --- | {} |", vec!["---"; sizes.len()].join(" | "));
    for row in
        rows().iter().filter(|row| names.is_empty() || names.iter().any(|name| row.name.contains(name)))
    {
        print!("| {} | `{}` |", row.name, row.property.name());
        let mut goes_on = true;
        for &size in &sizes {
            let cell =
                if goes_on { measure(row, size) } else { Cell { text: "–".to_owned(), decided: false } };
            goes_on = cell.decided;
            print!(" {} |", cell.text);
            std::io::stdout().flush().expect("an output that takes the table");
        }
        println!();
    }
}

struct Cell {
    text: String,
    decided: bool,
}

fn measure(row: &Growth, size: usize) -> Cell {
    let history = (row.history)(size);
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: u64::MAX, bytes: 4 << 30, stop: &stop };
    let question = Question { asked: Some(vec![row.property]), ..Question::about(row.model) };
    let (done, is_done) = channel::<()>();
    std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            if is_done.recv_timeout(WALL_MAX) == Err(RecvTimeoutError::Timeout) {
                stop.store(true, Ordering::Relaxed);
            }
        });
        let before = busy_seconds();
        let timed = check_timed(&history, &question, &limits);
        let seconds = busy_seconds() - before;
        drop(done);
        let verdict = timed.report.answers[0].verdict.name();
        let decided = verdict != "unknown";
        let text = match verdict {
            "holds" => format!("{seconds:.2}"),
            "unknown" => format!("*unknown* after {seconds:.0}"),
            other => format!("{other}, {seconds:.2}"),
        };
        Cell { text, decided }
    })
}

const fn level(level: Level) -> Property {
    Property::Level(level)
}

const fn isolation(level: IsolationLevel) -> Property {
    Property::Isolation(level)
}

fn rows() -> Vec<Growth> {
    let mut rows = plain_rows();
    rows.extend(rows_of_equal_elements());
    rows
}

fn rows_of_equal_elements() -> Vec<Growth> {
    use IsolationLevel as I;
    let levels = [
        I::StrictSerializable,
        I::Serializable,
        I::SnapshotIsolation,
        I::ReadAtomic,
        I::ReadCommitted,
        I::ReadUncommitted,
    ];
    type Kind = (&'static str, fn(usize) -> History);
    let kinds: [Kind; 3] = [
        ("lists, 1 % equal elements", |transactions| equal_elements(transactions, 100, false)),
        ("lists, 10 % equal elements", |transactions| equal_elements(transactions, 10, false)),
        ("lists, 1 % equal elements, a long fork", |transactions| equal_elements(transactions, 100, true)),
    ];
    let row = |(name, history), level| Growth {
        name,
        model: Model::ListAppend,
        property: isolation(level),
        history,
    };
    kinds.into_iter().flat_map(|kind| levels.map(|level| row(kind, level))).collect()
}

fn plain_rows() -> Vec<Growth> {
    use IsolationLevel as I;
    let linearizable = level(Level::Linearizable);
    let row = |name, model, property, history| Growth { name, model, property, history };
    vec![
        row("register, 100 processes, unique values", Model::CasRegister, linearizable, |operations| {
            Registers { operations, ..REGISTERS }.history()
        }),
        row("… 1 % indeterminate", Model::CasRegister, linearizable, |operations| {
            Registers { operations, indeterminate: operations / 100, ..REGISTERS }.history()
        }),
        row("… a stale read", Model::CasRegister, linearizable, |operations| {
            Registers { operations, stale: true, ..REGISTERS }.history()
        }),
        row("1,000 registers, unique values", Model::CasRegister, linearizable, |operations| {
            Registers { operations, keys: 1_000, ..REGISTERS }.history()
        }),
        row("register, 20 processes, 5 values", Model::CasRegister, linearizable, |operations| {
            Registers { operations, processes: 20, values: 5, ..REGISTERS }.history()
        }),
        row("… compare-and-sets", Model::CasRegister, linearizable, |operations| {
            Registers { operations, processes: 20, values: 5, cas: true, ..REGISTERS }.history()
        }),
        row("1,000 registers, unique values", Model::Register, level(Level::Session), |operations| {
            Registers { operations, keys: 1_000, ..REGISTERS }.history()
        }),
        row("1,000 registers that lag", Model::Register, level(Level::Causal), replicas),
        row("1,000 registers that lag", Model::Register, level(Level::CausalConvergence), replicas),
        row("1,000 registers that lag", Model::Register, level(Level::Sequential), replicas),
        row("queue", Model::Queue, linearizable, |operations| container("queue", operations)),
        row("stack", Model::Stack, linearizable, |operations| container("stack", operations)),
        row("priority queue", Model::PriorityQueue, linearizable, |operations| {
            container("priority-queue", operations)
        }),
        row("set", Model::Set, linearizable, |operations| container("set", operations)),
        row("set, 1 % read all", Model::Set, linearizable, |operations| {
            container("set-with-reads", operations)
        }),
        row(
            "lists, strictly serializable",
            Model::ListAppend,
            isolation(I::StrictSerializable),
            |transactions| database(transactions, Shape::Lists, Isolation::StrictSerializable),
        ),
        row(
            "lists, of a snapshot-isolated store",
            Model::ListAppend,
            isolation(I::SnapshotIsolation),
            |transactions| database(transactions, Shape::Lists, Isolation::SnapshotIsolation),
        ),
        row(
            "registers, strictly serializable",
            Model::RwRegister,
            isolation(I::StrictSerializable),
            |transactions| database(transactions, Shape::Registers, Isolation::StrictSerializable),
        ),
        row("registers, serializable", Model::RwRegister, isolation(I::Serializable), |transactions| {
            database(transactions, Shape::Registers, Isolation::Serializable)
        }),
        row(
            "registers, of a snapshot-isolated store",
            Model::RwRegister,
            isolation(I::SnapshotIsolation),
            |transactions| database(transactions, Shape::Registers, Isolation::SnapshotIsolation),
        ),
        row("1,000 registers, uniform", Model::RwRegister, isolation(I::MonotonicAtomicView), uniform),
        row("1,000 registers, uniform", Model::RwRegister, isolation(I::ReadAtomic), uniform),
        row("1,000 registers, uniform", Model::RwRegister, isolation(I::Causal), uniform),
    ]
}

const REGISTERS: Registers = Registers {
    operations: 0,
    processes: 100,
    keys: 1,
    values: 0,
    cas: false,
    indeterminate: 0,
    stale: false,
    seed: 1,
};

fn replicas(operations: usize) -> History {
    Replicas { operations, sessions: 20, keys: 1_000, lag: 500, seed: 1 }.history()
}

fn container(object: &str, operations: usize) -> History {
    let mut text = Vec::new();
    Containers { object, operations, clients: 20, indeterminate: 0, bad: false, seed: 1 }.write(&mut text);
    let text = String::from_utf8(text).expect("JSON is UTF-8");
    from_text(Format::Native, &text).expect("a history")
}

fn database(transactions: usize, shape: Shape, isolation: Isolation) -> History {
    simulate_history(&SimulationPlan {
        seed: 1,
        transactions,
        clients: 20,
        keys: 10,
        writes_per_key: 256,
        length_max: 4,
        indeterminate_percent: 0,
        shape,
        isolation,
        defect: None,
    })
}

fn equal_elements(transactions: usize, one_in: usize, forked: bool) -> History {
    let plan = EqualElements {
        transactions,
        sessions: 20,
        keys: 10,
        appends_per_key: 256,
        length_max: 4,
        one_in,
        forked,
        seed: 1,
    };
    plan.history()
}

fn uniform(transactions: usize) -> History {
    Uniform { transactions, sessions: 20, keys: 1_000, length: 5, seed: 1 }.history()
}
