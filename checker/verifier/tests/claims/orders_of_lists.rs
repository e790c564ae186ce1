//! Orders of transactions, and cycles of them, that one condition alone refutes.

use claims::{
    Assume, Axiom, CycleFamily, CycleKind, Dependency, DependencyCycle, DependencyReason, IsolationLevel,
    ListPlace, OrderExtent, Phenomenon, Property, Question, Report, TransactionAction, TransactionAnomaly,
    TransactionEvidence, TransactionExecution, TransactionWitness, Verdict, VersionEvidence, Witness,
};
use histories::format::{Format, from_text};
use histories::{History, OpId, notation};
use std::sync::Arc;
use testkit::{claim_standing, isolation_properties, model_of_transactions, question_about, verdict_of};
use verifier::{Standing, verify};

fn drawn(drawing: &str) -> History {
    notation::parse(drawing).expect("a drawing")
}

fn op(number: u32) -> OpId {
    OpId::from_raw(number)
}

fn standing_of(history: &History, level: IsolationLevel, witness: TransactionWitness) -> Standing {
    let property = Property::Isolation(level);
    let question = question_about(model_of_transactions(history), &[property]);
    claim_standing(history, &question, property, Verdict::Holds(Witness::Transactions(witness)))
}

fn verdict_on(history: &History, level: IsolationLevel) -> &'static str {
    let property = isolation_properties(&[level])[0];
    let report = testkit::check_all(history, model_of_transactions(history), &[property]);
    verdict_of(&report, property).name()
}

/// Panics unless the level is violated, and the witness refuted.
#[track_caller]
fn assert_proves_nothing(history: &History, level: IsolationLevel, witness: TransactionWitness) {
    assert_eq!(verdict_on(history, level), "violated", "{}", testkit::draw_history(history));
    let found = standing_of(history, level, witness);
    assert!(matches!(found, Standing::Refuted(_)), "{found:?}\n{}", testkit::draw_history(history));
}

/// A read of a failed write is G1a, which read-committed forbids. An order of versions says nothing of reads if it is only one that
/// excludes G0. It was taken for one that excludes more under every name but G1c's.
#[test]
fn an_order_of_versions_under_any_name_explains_the_reads() {
    let history = drawn("a: [t wx1 !\nb:           [t rx1]");
    let order = Arc::new(vec![op(1)]);
    for family in
        [CycleFamily::G1c, CycleFamily::GSingle, CycleFamily::GNonadjacent, CycleFamily::G2, CycleFamily::G0]
    {
        let witness = TransactionWitness::Versions(OrderExtent::Data, family, order.clone());
        assert_proves_nothing(&history, IsolationLevel::ReadCommitted, witness);
    }
}

/// 2 was appended between 1 and 3, and the list lacks it: no state of the list is what was read. Its last element is right.
#[test]
fn a_list_that_lacks_an_element_is_no_state_of_an_order() {
    let history = drawn("a: [t ax1]\nb:         [t ax2 ay1]\nc:                      [t ry(1) ax3 rx(1,3)]");
    let order = Arc::new(vec![op(0), op(1), op(2)]);
    let witness = TransactionWitness::CommitOrder(Axiom::MonotonicAtomicView, order.clone());
    assert_proves_nothing(&history, IsolationLevel::MonotonicAtomicView, witness);
    let witness = TransactionWitness::Versions(OrderExtent::Data, CycleFamily::G1c, order);
    assert_proves_nothing(&history, IsolationLevel::ReadCommitted, witness);
}

/// Elements that nobody appended, lists of which none is the beginning of the other, and an element that is there twice: each ends with
/// what it should.
#[test]
fn a_list_is_a_state_from_its_first_element_on() {
    for (shown, other) in [("9,2", "1"), ("1,1,2", "1"), ("2,1,3", "1,2")] {
        let history = drawn(&format!(
            "a: [t ax1]\nb:         [t ax2]\nc:                 [t ax3]\nd:                         [t rx({other})] [t rx({shown})]"
        ));
        let order: Arc<Vec<OpId>> = Arc::new(history.ids().collect());
        for (axiom, level) in [
            (Axiom::MonotonicAtomicView, IsolationLevel::MonotonicAtomicView),
            (Axiom::ReadAtomic, IsolationLevel::ReadAtomic),
            (Axiom::Causal, IsolationLevel::Causal),
        ] {
            let witness = TransactionWitness::CommitOrder(axiom, order.clone());
            assert_proves_nothing(&history, level, witness);
        }
        let witness = TransactionWitness::Versions(OrderExtent::Data, CycleFamily::G1c, order);
        assert_proves_nothing(&history, IsolationLevel::ReadCommitted, witness);
    }
}

/// The list has 2 before 1, and one transaction appended 1 first.
#[test]
fn what_one_transaction_appended_keeps_its_order() {
    let history = drawn("a: [t ax1 ax2]\nb:              [t rx(2,1)]");
    let order = Arc::new(vec![op(0), op(1)]);
    for family in [CycleFamily::G0, CycleFamily::G1c] {
        let witness = TransactionWitness::Versions(OrderExtent::Data, family, order.clone());
        let level = match family {
            CycleFamily::G0 => IsolationLevel::ReadUncommitted,
            _ => IsolationLevel::ReadCommitted,
        };
        let found = standing_of(&history, level, witness);
        assert!(matches!(found, Standing::Refuted(_)), "{level:?}: {found:?}");
    }
}

/// Transaction 1 appended 2 to x before transaction 0 appended 1, so that it had committed by then. Transaction 0 then read y without
/// its append. The witness lets both write x at one time.
#[test]
fn two_transactions_do_not_write_one_object_at_one_time() {
    let history = drawn("a: [t ax1 ry()]\nb: [t ax2 ay3]\nc:                 [t rx(2,1)]");
    use TransactionAction::{Act, Commit};
    let actions = vec![
        Act(op(0), 0),
        Act(op(0), 1),
        Act(op(1), 0),
        Act(op(1), 1),
        Commit(op(1)),
        Commit(op(0)),
        Act(op(2), 0),
        Commit(op(2)),
    ];
    let witness = TransactionWitness::Actions(Arc::new(actions));
    assert_proves_nothing(&history, IsolationLevel::MonotonicSnapshotRead, witness);
}

fn standing_of_cycle(history: &History, kind: CycleKind, edges: Vec<Dependency>) -> Standing {
    standing_with(history, Assume::default(), kind, edges)
}

fn standing_with(history: &History, assume: Assume, kind: CycleKind, edges: Vec<Dependency>) -> Standing {
    let question = Question { assume, ..question_about(model_of_transactions(history), &[]) };
    let cycle = DependencyCycle { edges, shape: None, shortest: true };
    let (phenomenon, examples) = (Phenomenon::Cycle(kind), vec![TransactionEvidence::Cycle(cycle)]);
    let anomaly = TransactionAnomaly { phenomenon, count: 1, examples };
    let report = Report { model: question.model, phenomena: vec![anomaly], ..Report::default() };
    verify(history, &question, &report, &claims::Limits::unbounded()).phenomena[0].clone()
}

/// A transaction that appends twice overwrites its own version. It need not come before itself: this history is serial.
#[test]
fn one_transaction_is_no_cycle() {
    let history = drawn("a: [t ax1 ax2]\nb:              [t rx(1,2)]");
    let micros = history.micros_of(op(0));
    let why = DependencyReason::Overwritten {
        key: micros[0].key,
        earlier: micros[0].value(),
        later: micros[1].value(),
        order: VersionEvidence::Listed,
    };
    let kind = CycleKind { family: CycleFamily::G0, extent: OrderExtent::Data };
    let found = standing_of_cycle(&history, kind, vec![Dependency { from: op(0), to: op(0), why }]);
    assert!(matches!(found, Standing::Refuted(_)), "{found:?}");
}

/// The user asserts that writes keep real-time order, so that 2 replaced 1. A write of 2 that failed changes nothing of that. Each of two
/// transactions missed the other's write: write skew.
#[test]
fn a_failed_write_of_the_same_value_leaves_the_order_known() {
    let history = drawn(
        "a: [t wx1]\nb:          [t wx2 !\nc:                    [t rx1 wy5  ]\nd:                    [t ry_ wx2  ]",
    );
    let ids: Vec<OpId> = history.ids().collect();
    let (x, y) = (history.micros_of(ids[2])[0], history.micros_of(ids[2])[1]);
    let later = history.micros_of(ids[3])[1].value();
    let missed = |key, read, later, order| DependencyReason::Missed { key, read, later, order };
    let why = missed(x.key, Some(x.value()), later, VersionEvidence::LinearizableKeys);
    let back = missed(y.key, None, y.value(), VersionEvidence::Initial);
    let edges = vec![
        Dependency { from: ids[2], to: ids[3], why },
        Dependency { from: ids[3], to: ids[2], why: back },
    ];
    let kind = CycleKind { family: CycleFamily::G2, extent: OrderExtent::Data };
    let refuted = standing_of_cycle(&history, kind, edges.clone());
    assert!(matches!(refuted, Standing::Refuted(_)), "nobody asserts anything: {refuted:?}");
    let assume = Assume { linearizable_keys: true, ..Assume::default() };
    assert_eq!(standing_with(&history, assume, kind, edges), Standing::Confirmed);
}

/// 0 and 2 appended 1, and the list has one 1, before 3. If it is that of 0, then 0, 1, 2 is an order of versions that extends the
/// session of 1 and 2. It was confirmed that 2 comes before 1.
#[test]
fn of_equal_elements_a_list_does_not_tell_whose_it_shows() {
    let history =
        drawn("a: [t ay1]\nb:             [t ay3] [t ay1]\nc:                                  [t ry(1,3)]");
    for level in [IsolationLevel::StrongSessionReadUncommitted, IsolationLevel::StrictSerializable] {
        let expected = if level == IsolationLevel::StrictSerializable { "violated" } else { "holds" };
        assert_eq!(verdict_on(&history, level), expected);
    }
    let appended = |id: u32| history.micros_of(op(id))[0];
    let (key, one, three) = (appended(0).key, appended(0).value(), appended(1).value());
    let order = VersionEvidence::Listed;
    let session = Dependency { from: op(1), to: op(2), why: DependencyReason::Session };
    let listed = DependencyReason::Overwritten { key, earlier: one, later: three, order };
    let edges = vec![session, Dependency { from: op(2), to: op(1), why: listed }];
    let kind = CycleKind { family: CycleFamily::G0, extent: OrderExtent::Session };
    let found = standing_of_cycle(&history, kind, edges);
    assert!(matches!(found, Standing::Refuted(_)), "{found:?}");
}

/// The list was read up to its second 1, and so with 3.
#[test]
fn a_read_up_to_the_second_of_equal_elements_missed_nothing_between_them() {
    let history = drawn(
        "a: [t ay1]\nb:             [t ay3] [t ay1]\nc:                                  [t ry(1,3,1)]",
    );
    assert_eq!(verdict_on(&history, IsolationLevel::StrictSerializable), "holds");
    let appended = |id: u32| history.micros_of(op(id))[0];
    let (key, one, three) = (appended(0).key, appended(0).value(), appended(1).value());
    for order in [VersionEvidence::Listed, VersionEvidence::Unlisted] {
        let missed = DependencyReason::Missed { key, read: Some(one), later: three, order };
        let edges = vec![
            Dependency { from: op(1), to: op(3), why: DependencyReason::RealTime },
            Dependency { from: op(3), to: op(1), why: missed },
        ];
        let kind = CycleKind { family: CycleFamily::GSingle, extent: OrderExtent::RealTime };
        let found = standing_of_cycle(&history, kind, edges);
        assert!(matches!(found, Standing::Refuted(_)), "{found:?}");
    }
}

/// 2 overwrote 1, and another transaction read both. That one wrote neither.
#[test]
fn only_the_writers_of_two_versions_overwrite_each_other() {
    let history = drawn("a: [t ax1] [t ax2]\nb:                    [t rx(1,2)]");
    let value = |id: u32| history.micros_of(op(id))[0].value();
    let key = history.micros_of(op(0))[0].key;
    let (earlier, later) = (value(0), value(1));
    let overwritten = DependencyReason::Overwritten { key, earlier, later, order: VersionEvidence::Listed };
    let kind = CycleKind { family: CycleFamily::G1c, extent: OrderExtent::Data };
    let read = |value| DependencyReason::ReadBy { key, value };
    let edge = |from, to, why: &DependencyReason| Dependency { from: op(from), to: op(to), why: why.clone() };
    for edges in [
        vec![edge(2, 1, &overwritten), edge(1, 2, &read(later))],
        vec![edge(0, 2, &overwritten), edge(2, 0, &read(earlier))],
    ] {
        let found = standing_of_cycle(&history, kind, edges);
        assert!(matches!(found, Standing::Refuted(_)), "{found:?}");
    }
    // Transaction 0 came first and wrote neither of them.
    let history = drawn("a: [t ay1] [t ax1] [t ax2]\nb:                            [t rx(1,2)]");
    let [first, one, two] = [0, 1, 2].map(|id| history.micros_of(op(id))[0]);
    let (earlier, later) = (one.value(), two.value());
    let order = VersionEvidence::Listed;
    let overwritten = DependencyReason::Overwritten { key: one.key, earlier, later, order };
    let edges = vec![edge(0, 1, &DependencyReason::Session), edge(1, 0, &overwritten)];
    let kind = CycleKind { family: CycleFamily::G0, extent: OrderExtent::Session };
    let found = standing_of_cycle(&history, kind, edges);
    assert!(first.key != one.key && matches!(found, Standing::Refuted(_)), "{found:?}");
}

/// Somebody wrote null, so that a read of null need not have returned the initial value: 0, 1, 2 is a serial order.
#[test]
fn a_read_of_null_may_have_returned_what_somebody_wrote() {
    let missed = |drawing: &str| {
        let history = drawn(drawing);
        let last = history.ids().last().expect("it was drawn");
        let later = history.micros_of(op(0))[0];
        let (key, order) = (later.key, VersionEvidence::Initial);
        let why = DependencyReason::Missed { key, read: None, later: later.value(), order };
        let edges = vec![
            Dependency { from: op(0), to: last, why: DependencyReason::RealTime },
            Dependency { from: last, to: op(0), why },
        ];
        let kind = CycleKind { family: CycleFamily::GSingle, extent: OrderExtent::RealTime };
        standing_of_cycle(&history, kind, edges)
    };
    let found = missed("a: [t wx1] [t wx_] [t rx_]");
    assert!(matches!(found, Standing::Refuted(_)), "{found:?}");
    assert_eq!(missed("a: [t wx1] [t rx_]"), Standing::Confirmed);
}

/// Nobody appended 9. A level that asks nothing of reads does not mind, and one that does minds.
#[test]
fn an_element_that_nobody_appended_is_none_too_often() {
    let history = drawn("a: [t ax1]\nb:         [t rx(9,1)]");
    let witness =
        |family| TransactionWitness::Versions(OrderExtent::Data, family, Arc::new(vec![op(0), op(1)]));
    let found = standing_of(&history, IsolationLevel::ReadUncommitted, witness(CycleFamily::G0));
    assert_eq!(found, Standing::Confirmed);
    assert_proves_nothing(&history, IsolationLevel::ReadCommitted, witness(CycleFamily::G1c));
}

/// An element is in a list as often as it was appended, or once if nobody did. A failed append counts.
#[test]
fn an_element_that_is_there_too_often_is_in_no_order() {
    for drawing in ["a: [t ax1]\nb:         [t rx(9,9)]", "a: [t ax1]\nb: [t ax9 !\nc:          [t rx(9,9)]"]
    {
        let history = drawn(drawing);
        let completed = history.ids().filter(|&id| history.outcome(id) == histories::Outcome::Ok).collect();
        let witness = TransactionWitness::Versions(OrderExtent::Data, CycleFamily::G0, Arc::new(completed));
        assert_proves_nothing(&history, IsolationLevel::ReadUncommitted, witness);
    }
    let history = drawn("a: [t ax1]\nb:         [t rx(1,1)]");
    let witness =
        TransactionWitness::Versions(OrderExtent::Data, CycleFamily::G0, Arc::new(vec![op(0), op(1)]));
    assert_proves_nothing(&history, IsolationLevel::ReadUncommitted, witness);
}

/// 1 was appended twice, so that a witness says whose elements stand where. Both 1 stand after 2, and 0 came before 1 in its session.
#[test]
fn transactions_commit_in_the_order_of_equal_elements_too() {
    let history = drawn("a: [t ax1] [t ax2]\nb: [t ax1]\nc:                    [t rx(2,1,1)]");
    let with = |text: &str| {
        let fits = |id: &OpId| {
            let micros = history.micros_of(*id);
            micros[0].kind == histories::MicroKind::Append && history.value_text(micros[0].value()) == text
        };
        history.ids().filter(fits).collect::<Vec<OpId>>()
    };
    let (ones, two) = (with("1"), with("2")[0]);
    let key = history.micros_of(two)[0].key;
    let reader = history.ids().last().expect("it was drawn");
    let at = |writer, start| ListPlace { key, writer, start: Some(start) };
    for ones in [[ones[0], ones[1]], [ones[1], ones[0]]] {
        let elements = vec![at(two, 0), at(ones[0], 1), at(ones[1], 2)];
        for order in [vec![ones[0], two, ones[1], reader], vec![ones[0], ones[1], two, reader]] {
            let witness = |level| {
                let execution = TransactionExecution {
                    order: order.clone(),
                    reads: Vec::new(),
                    elements: elements.clone(),
                };
                TransactionWitness::Execution(level, Arc::new(execution))
            };
            let level = IsolationLevel::StrongSessionReadUncommitted;
            assert_proves_nothing(&history, level, witness(level));
        }
        let order = vec![two, ones[0], ones[1], reader];
        let execution = TransactionExecution { order, reads: Vec::new(), elements };
        let level = IsolationLevel::ReadUncommitted;
        let right = TransactionWitness::Execution(level, Arc::new(execution));
        assert_eq!(standing_of(&history, level, right), Standing::Confirmed);
    }
}

fn read_lines(lines: &[String]) -> History {
    from_text(Format::Native, &lines.join("\n")).expect("a history")
}

/// The lines of a transaction that ended well, with the version that the store gave it.
fn transaction(process: u32, session: &str, micros: &str, version: Option<u32>) -> String {
    let event = |kind: &str, more: &str| {
        format!(
            "{{\"process\":{process},\"session\":\"{session}\",\"type\":\"{kind}\",\"f\":\"txn\",\"value\":{micros}{more}}}"
        )
    };
    let version = version.map(|version| format!(",\"version\":{version}")).unwrap_or_default();
    event("invoke", "") + "\n" + &event("ok", &version)
}

/// The store numbered its versions, so that it says which write came last.
#[test]
fn a_serial_order_has_writes_in_the_order_that_the_store_tells() {
    let history = read_lines(&[
        transaction(0, "a", "[[\"w\",\"x\",1]]", Some(8)),
        transaction(1, "b", "[[\"w\",\"x\",2]]", Some(7)),
    ]);
    for (order, is_right) in [(vec![op(0), op(1)], false), (vec![op(1), op(0)], true)] {
        let witness = TransactionWitness::Serial(OrderExtent::Data, Arc::new(order));
        let found = standing_of(&history, IsolationLevel::Serializable, witness);
        assert_eq!(found == Standing::Confirmed, is_right, "{found:?}");
    }
}

/// 1 was read after 2 had been written. If the history has no real time, that says nothing.
#[test]
fn versions_are_ordered_by_real_time_only_if_there_is_any() {
    for real_time in [true, false] {
        let history = read_lines(&[
            format!("{{\"steadfast\":1,\"real_time\":{real_time}}}"),
            transaction(0, "a", "[[\"w\",\"x\",1]]", None),
            transaction(1, "b", "[[\"w\",\"x\",2]]", None),
            transaction(2, "b", "[[\"r\",\"x\",1]]", None),
        ]);
        let value = |id: u32| history.micros_of(op(id))[0].value();
        let (key, order) = (history.micros_of(op(0))[0].key, VersionEvidence::RealTime);
        let why = DependencyReason::Missed { key, read: Some(value(0)), later: value(1), order };
        let edges = vec![
            Dependency { from: op(1), to: op(2), why: DependencyReason::Session },
            Dependency { from: op(2), to: op(1), why },
        ];
        let kind = CycleKind { family: CycleFamily::GSingle, extent: OrderExtent::RealTime };
        let found = standing_of_cycle(&history, kind, edges);
        assert_eq!(found == Standing::Confirmed, real_time, "{found:?}");
    }
}

/// 2 was written after 1. The user may assert that writes keep that order, and then nobody can have read 1 last.
#[test]
fn a_serial_order_has_writes_in_the_order_that_is_asserted() {
    let history = drawn("a: [t wx1] [t wx2]\nb:                   [t rx1]");
    let property = Property::Isolation(IsolationLevel::Serializable);
    let witness = TransactionWitness::Serial(OrderExtent::Data, Arc::new(vec![op(1), op(0), op(2)]));
    let verdict = Verdict::Holds(Witness::Transactions(witness));
    for (sequential_keys, linearizable_keys) in [(false, false), (true, false), (false, true)] {
        let assume = Assume { sequential_keys, linearizable_keys };
        let question = Question { assume, ..question_about(model_of_transactions(&history), &[property]) };
        let found = claim_standing(&history, &question, property, verdict.clone());
        assert_eq!(found == Standing::Confirmed, assume == Assume::default(), "{assume:?}: {found:?}");
    }
}
