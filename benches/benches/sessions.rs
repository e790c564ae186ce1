//! How long the session guarantees take: `cargo bench -p benches --bench sessions [OPERATIONS]`.
//!
//! Histories are those of clients that ask one linearizable store; half of the operations are writes. Each row
//! is one history, all five levels; the re-check of their evidence is timed by itself.

#![allow(clippy::print_stdout, reason = "a bench reports")]

use benches::phases::check_timed;
use checker::{Level, Limits, Model, Property, Question};
use histories::{
    Completion, Function, History, HistoryBuilder, Id, Invocation, KeyId, Outcome, Payload, SessionId,
    ValueId,
};
use std::sync::atomic::AtomicBool;
use testkit::TestRandom;

const LEVELS: [Level; 5] = [
    Level::ReadYourWrites,
    Level::MonotonicReads,
    Level::MonotonicWrites,
    Level::WritesFollowReads,
    Level::Session,
];

/// What kind of history.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    /// As a part of the bench's size.
    share: f64,
    keys: usize,
    clients: usize,
    /// Distinct values an object; none for all different.
    values: Option<usize>,
    /// One read in the last tenth returns the initial value.
    stale: bool,
}

const PLAIN: Shape = Shape { name: "", share: 1.0, keys: 1, clients: 100, values: None, stale: false };

const SHAPES: &[Shape] = &[
    Shape { name: "one key, 100 sessions", ..PLAIN },
    Shape { name: "one key, one session", clients: 1, ..PLAIN },
    Shape { name: "1,000 keys, 100 sessions", keys: 1_000, ..PLAIN },
    Shape { name: "100,000 keys, 100 sessions", keys: 100_000, ..PLAIN },
    Shape { name: "one key, one stale read", stale: true, ..PLAIN },
    Shape { name: "5 values, one key, 20 sessions", clients: 20, values: Some(5), ..PLAIN },
    Shape {
        name: "5 values, one stale read, a hundredth of the size",
        share: 0.01,
        clients: 20,
        values: Some(5),
        stale: true,
        ..PLAIN
    },
];

fn main() {
    let size: usize = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    println!(
        "{:<52} {:>10}  {:<28} {:>9} {:>9}",
        "history", "operations", "verdicts", "check s", "recheck s"
    );
    for shape in SHAPES {
        let operations = (size as f64 * shape.share) as usize;
        run(shape, &history(shape, operations));
    }
}

fn run(shape: &Shape, history: &History) {
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: 1_000_000_000, bytes: 8 << 30, stop: &stop };
    let asked = Some(LEVELS.map(Property::Level).to_vec());
    let question = Question { asked, ..Question::about(Model::Register) };
    let timed = check_timed(history, &question, &limits);
    let names = timed.report.answers.iter().map(|answer| &answer.verdict.name()[..1]);
    let verdicts = names.collect::<Vec<_>>().join(" ");
    let (name, operations) = (shape.name, history.len());
    println!("{name:<52} {operations:>10}  {verdicts:<28} {:>9.3} {:>9.3}", timed.check, timed.verify);
}

/// Clients, each with at most one operation in flight, against registers that take effect at once at the
/// completion.
fn history(shape: &Shape, operations: usize) -> History {
    let mut random = TestRandom::new(42);
    let mut builder = HistoryBuilder::new();
    let keys: Vec<KeyId> =
        (0..shape.keys).map(|n| builder.history().keys.intern(&format!("\"k{n}\""))).collect();
    let sessions: Vec<SessionId> =
        (0..shape.clients).map(|n| builder.history().sessions.intern(&format!("\"s{n}\""))).collect();
    let mut held = vec![ValueId::NULL; shape.keys];
    let mut open: Vec<Option<(usize, Option<ValueId>)>> = vec![None; shape.clients];
    let (mut invoked, mut completed, mut stale) = (0, 0, shape.stale);
    while completed < operations {
        let client = random.below(shape.clients);
        let process = client as i64;
        if let Some((key, written)) = open[client].take() {
            held[key] = written.unwrap_or(held[key]);
            let late = written.is_none() && completed > operations / 10 * 9;
            let seen = if late && std::mem::take(&mut stale) { ValueId::NULL } else { held[key] };
            let payload = Payload::Value(written.unwrap_or(seen));
            let completion = Completion { process, outcome: Outcome::Ok, function: None, key: None, payload };
            builder.complete(completion).expect("it is open");
            completed += 1;
        } else if invoked < operations {
            let key = random.below(shape.keys);
            let written = (random.below(2) == 0).then(|| {
                let value = shape.values.map_or(invoked, |values| random.below(values));
                builder.history().values.intern(&value.to_string())
            });
            let (function, value) =
                written.map_or((Function::READ, ValueId::NULL), |value| (Function::WRITE, value));
            let (session, payload) = (Some(sessions[client]), Payload::Value(value));
            builder
                .invoke(Invocation { process, session, function, key: keys[key], payload })
                .expect("it is idle");
            open[client] = Some((key, written));
            invoked += 1;
        }
    }
    debug_assert!(keys.iter().all(|key| key.index() > 0));
    builder.finish()
}
