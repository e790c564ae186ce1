//! Δ and Γ against their definitions: histories are shifted, or stretched, until they are linearizable.
//!
//! What is tested comes from one sweep over clusters; what it is held against tries every length in turn and asks the
//! linearizability checker, whose engines know nothing of time.

use checker::measurements::{MeasuredLosses, find_metric, measure_history};
use checker::{Level, Model, Property, Verdict};
use histories::format::{Format, from_text};
use histories::{History, ValueId};
use testkit::{TestRandom, check_all};

/// One operation on the one register; times are whole numbers, in units of two so that halves are whole as well.
#[derive(Clone, Copy, Debug)]
struct Op {
    write: bool,
    value: usize,
    from: i64,
    to: i64,
    known: bool,
}

/// A few writes of different values and reads of any of them or of the initial one, at different times.
fn operations(seed: u64) -> Vec<Op> {
    let mut random = TestRandom::new(seed);
    let (writes, reads) = (2 + random.below(3), 2 + random.below(4));
    let mut times: Vec<i64> = (0..2 * (writes + reads) as i64).map(|at| at * 4).collect();
    for at in (1..times.len()).rev() {
        times.swap(at, random.below(at + 1));
    }
    let mut times = times.chunks(2);
    let mut op = |write, value, known| {
        let pair = times.next().expect("as many as operations");
        Op { write, value, known, from: pair[0].min(pair[1]), to: pair[0].max(pair[1]) }
    };
    let mut all = Vec::new();
    (1..=writes).for_each(|value| all.push(op(true, value, random.below(6) > 0)));
    (0..reads).for_each(|_| all.push(op(false, random.below(writes + 1), true)));
    all
}

/// Where two events share a moment, the invocation comes first: the operations touch, and so overlap.
fn history(ops: &[Op]) -> History {
    let mut events = Vec::new();
    for (process, op) in ops.iter().enumerate() {
        let value = if op.value == 0 { "null".to_owned() } else { op.value.to_string() };
        let function = if op.write { "write" } else { "read" };
        let line = |time: i64, kind| {
            format!(
                r#"{{"time":{time},"process":{process},"type":"{kind}","f":"{function}","value":{value}}}"#
            )
        };
        events.push((op.from, 0, line(op.from, "invoke").replace(r#""read","value":"#, r#""read","old":"#)));
        events.push((op.to, 1, line(op.to, if op.known { "ok" } else { "info" })));
    }
    events.sort();
    let lines: Vec<String> = events.into_iter().map(|event| event.2).collect();
    from_text(Format::Native, &lines.join("\n")).expect("a history")
}

fn is_linearizable(ops: &[Op]) -> bool {
    let report = check_all(&history(ops), Model::Register, &[Property::Level(Level::Linearizable)]);
    match &report.answers[0].verdict {
        Verdict::Holds(_) => true,
        Verdict::Violated(_) => false,
        other => panic!("{other:?}"),
    }
}

/// The least length for which the operations, changed by it, are linearizable.
fn least(ops: &[Op], change: impl Fn(Op, i64) -> Op) -> i64 {
    (0..1000)
        .step_by(2)
        .find(|&length| is_linearizable(&ops.iter().map(|&op| change(op, length)).collect::<Vec<_>>()))
        .expect("some length does")
}

#[test]
fn delta_and_gamma_are_the_least_that_mend_a_history() {
    let (mut tried, mut stale, mut flickering) = (0, 0, 0);
    for seed in 0..1500 {
        let ops = operations(seed);
        let writes: Vec<&Op> = ops.iter().filter(|op| op.write).collect();
        // What was read before it was written is no matter of staleness.
        let future = |read: &Op| writes.iter().any(|write| write.value == read.value && read.to < write.from);
        if ops.iter().any(|op| !op.write && future(op)) {
            continue;
        }
        let found = measure_history(&history(&ops), ValueId::NULL, &MeasuredLosses::default());
        assert_eq!(found.untraced_reads, 0, "seed {seed}");
        let figure = |name| found.run.get(find_metric(name).expect("a metric")).expect("measured");
        let figure = |name| figure(name).map(|figure| figure.exact_value().expect("known exactly"));
        let ns = |name| (figure(name).expect("a figure") * 1e9).round() as i64;
        let delta = least(&ops, |op, by| if op.write { op } else { Op { from: op.from - by, ..op } });
        let gamma = least(&ops, |op, by| Op { from: op.from - by / 2, to: op.to + by / 2, ..op });
        assert_eq!(ns("staleness.delta"), delta, "Δ of seed {seed}: {ops:?}");
        assert_eq!(ns("staleness.gamma"), gamma, "Γ of seed {seed}: {ops:?}");
        let versions = figure("staleness.versions").expect("a figure");
        assert!(versions == 0.0 || delta > 0, "seed {seed}");
        tried += 1;
        stale += usize::from(versions > 0.0);
        flickering += usize::from(versions == 0.0 && delta > 0);
    }
    assert!(tried > 500 && stale > 100 && flickering > 10, "{tried} {stale} {flickering}");
}
