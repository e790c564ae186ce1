//! Cycles in commit order that are made of right edges, and say more than the history shows.

use claims::{
    Axiom, Dependency, DependencyCycle, DependencyReason, IsolationLevel, Phenomenon, Report, SeenThrough,
    TransactionAnomaly, TransactionEvidence, VersionEvidence,
};
use histories::{History, KeyId, OpId, ValueId, notation};
use testkit::{check_confirmed, isolation_properties, model_of_transactions, question_about, test_limits};
use verifier::{Standing, verify};

fn drawn(drawing: &str) -> History {
    notation::parse(drawing).unwrap_or_else(|why| panic!("{why}\n{drawing}"))
}

fn op(number: u32) -> OpId {
    OpId::from_raw(number)
}

/// The id of a value, by its text.
fn value(history: &History, text: &str) -> ValueId {
    let mut ids = (0..history.values.len()).map(|at| ValueId::from_raw(at as u32));
    ids.find(|&id| history.value_text(id) == text).unwrap_or_else(|| panic!("no value {text}"))
}

/// Panics unless the verifier refutes that this example shows the phenomenon.
#[track_caller]
fn assert_shows_nothing(history: &History, phenomenon: Phenomenon, example: TransactionEvidence) {
    let question = question_about(model_of_transactions(history), &[]);
    let told = format!("{} by {example:?}", phenomenon.name());
    let anomaly = TransactionAnomaly { phenomenon, count: 1, examples: vec![example] };
    let report = Report { model: question.model, phenomena: vec![anomaly], ..Report::default() };
    let found = verify(history, &question, &report, &claims::Limits::unbounded());
    assert!(matches!(found.phenomena[0], Standing::Refuted(_)), "{:?}: {told}", found.phenomena[0]);
}

/// A cycle of two in commit order, whose first edge is a write that the first transaction missed.
fn missed_cycle(
    axiom: Axiom,
    history: &History,
    key: KeyId,
    second: Dependency,
) -> (Phenomenon, TransactionEvidence) {
    let (from, to) = (second.to, second.from);
    let later = history.micros_of(to).iter().find(|micro| micro.key == key).expect("a write of it").value();
    let why = DependencyReason::Missed { key, read: None, later, order: VersionEvidence::Initial };
    let edges = vec![Dependency { from, to, why }, second];
    let cycle = DependencyCycle { edges, shape: None, shortest: true };
    (Phenomenon::CommitOrder(axiom), TransactionEvidence::Cycle(cycle))
}

/// A transaction read x before it read y of the transaction that wrote both. That is monotonic, and was confirmed to be no atomic view.
#[test]
fn what_is_seen_later_was_not_missed_before() {
    for (drawing, is_shown) in [
        ("a: [t wx1 wy1]\nb:              [t ry1 rx_]", true),
        ("a: [t wx1 wy1]\nb:              [t rx_ ry1]", false),
        ("a: [t wx1 wy1]\nb:              [t rx_ ry1 rx1]", false),
    ] {
        let history = drawn(drawing);
        let (x, y) = (history.micros_of(op(0))[0].key, history.micros_of(op(0))[1].key);
        let why = DependencyReason::ReadBy { key: y, value: value(&history, "1") };
        let read = Dependency { from: op(0), to: op(1), why };
        let (phenomenon, example) = missed_cycle(Axiom::MonotonicAtomicView, &history, x, read);
        let question = question_about(model_of_transactions(&history), &[]);
        let anomaly = TransactionAnomaly { phenomenon, count: 1, examples: vec![example] };
        let report = Report { model: question.model, phenomena: vec![anomaly], ..Report::default() };
        let found = verify(&history, &question, &report, &claims::Limits::unbounded());
        assert_eq!(
            found.phenomena[0] == Standing::Confirmed,
            is_shown,
            "{:?}\n{drawing}",
            found.phenomena[0]
        );
        let levels = isolation_properties(&[IsolationLevel::MonotonicAtomicView]);
        let question = question_about(model_of_transactions(&history), &levels);
        let report = check_confirmed(&history, &question, &test_limits(100_000, 1 << 28));
        assert_eq!(report.answers[0].verdict.name() == "violated", is_shown, "{drawing}");
    }
}

/// A third transaction puts one commit before another. Nobody saw the first by that, so that a read of the initial state missed nothing.
#[test]
fn what_commits_earlier_has_not_been_seen() {
    let history = drawn("a: [t wx1] [t rx2]\nb:  [t rx_ wx2]");
    let levels = isolation_properties(&[IsolationLevel::ReadAtomic]);
    let question = question_about(model_of_transactions(&history), &levels);
    let report = check_confirmed(&history, &question, &test_limits(100_000, 1 << 28));
    assert_eq!(report.answers[0].verdict.name(), "holds");
    let key = history.micros_of(op(0))[0].key;
    let by_reader = |reader: OpId| DependencyReason::Arbitrated {
        axiom: Axiom::ReadAtomic,
        key,
        reader,
        value: value(&history, "2"),
        seen: SeenThrough::Session,
    };
    for reader in [op(1), op(2)] {
        let edge = Dependency { from: op(0), to: op(3 - reader.raw()), why: by_reader(reader) };
        if edge.to != op(0) {
            let (phenomenon, example) = missed_cycle(Axiom::ReadAtomic, &history, key, edge);
            assert_shows_nothing(&history, phenomenon, example);
        }
    }
}
