//! Evidence about transactions that is wrong in one place.
//!
//! Each test takes evidence that the checker found and the verifier confirms, changes one part of it so that it says something
//! false, and expects the verifier to refute it. Mutation testing showed why: most of the verifier's conditions on transactions
//! could be dropped, and no test failed, because nobody had ever shown it such evidence.

use claims::{
    CycleFamily, CycleKind, DependencyReason, IsolationLevel, OrderExtent, Phenomenon, Property, ReadAt,
    Report, TransactionAnomaly, TransactionEvidence, TransactionPoint, TransactionWitness, Verdict,
    VersionEvidence, Witness,
};
use histories::{History, KeyId, OpId, ValueId, notation};
use std::sync::Arc;
use testkit::{
    assert_refuted, check_confirmed, isolation_properties, model_of_transactions, question_about,
    test_limits, verdict_of,
};
use verifier::{Standing, verify};

fn drawn(drawing: &str) -> History {
    notation::parse(drawing).unwrap_or_else(|why| panic!("{why}\n{drawing}"))
}

/// The first example that the checker found of a phenomenon.
fn found_example(history: &History, name: &str) -> (Phenomenon, TransactionEvidence) {
    let levels = isolation_properties(IsolationLevel::ALL);
    let question = question_about(model_of_transactions(history), &levels);
    let report = check_confirmed(history, &question, &test_limits(100_000, 1 << 28));
    let names: Vec<&str> = report.phenomena.iter().map(|anomaly| anomaly.phenomenon.name()).collect();
    let found = report.phenomena.iter().find(|anomaly| anomaly.phenomenon.name() == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {names:?}"));
    (found.phenomenon, found.examples[0].clone())
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

fn op(number: u32) -> OpId {
    OpId::from_raw(number)
}

/// The id of a value, by its text.
fn value(history: &History, text: &str) -> ValueId {
    let mut ids = (0..history.values.len()).map(|at| ValueId::from_raw(at as u32));
    ids.find(|&id| history.value_text(id) == text).unwrap_or_else(|| panic!("no value {text}"))
}

/// The read itself with something else: another transaction, another place, another key.
fn other_reads(read: ReadAt, transaction: OpId) -> [ReadAt; 4] {
    let other_key = KeyId::from_raw(1 - read.key.raw().min(1));
    [
        ReadAt { transaction, ..read },
        ReadAt { place: read.place + 1, ..read },
        ReadAt { place: 99, ..read },
        ReadAt { key: other_key, ..read },
    ]
}

#[test]
fn a_read_of_a_failed_write_names_the_read_and_the_writer() {
    let history = drawn("a: [t ax1 ay1 !\nc: [t ax2 ]\nb:               [t ry() rx(2,1)]");
    let (phenomenon, example) = found_example(&history, "G1a");
    let TransactionEvidence::AbortedRead { read, value: aborted, writer } = example else {
        panic!("{example:?}")
    };
    let with = |read, value, writer| TransactionEvidence::AbortedRead { read, value, writer };
    for read in other_reads(read, writer) {
        assert_shows_nothing(&history, phenomenon, with(read, aborted, writer));
    }
    // 2 was read too, but its writer committed. 1 was written by the transaction that failed.
    let committed = value(&history, "2");
    let other = history.ids().find(|&id| id != writer && id != read.transaction).expect("three transactions");
    assert_shows_nothing(&history, phenomenon, with(read, committed, other));
    assert_shows_nothing(&history, phenomenon, with(read, committed, writer));
    assert_shows_nothing(&history, phenomenon, with(read, aborted, other));
}

#[test]
fn an_intermediate_read_ends_with_what_its_writer_overwrote() {
    let history = drawn("a: [t ax1 ax2 ay3]\nb:                 [t ry(3) rx(1)]");
    let (phenomenon, example) = found_example(&history, "G1b");
    let TransactionEvidence::IntermediateRead { read, value: seen, writer } = example else {
        panic!("{example:?}")
    };
    let with = |read, value, writer| TransactionEvidence::IntermediateRead { read, value, writer };
    for read in other_reads(read, writer) {
        assert_shows_nothing(&history, phenomenon, with(read, seen, writer));
    }
    // The read of y shows the last write of its writer to y, and 2 was not read at all.
    let y = ReadAt { place: 0, key: history.micros_of(read.transaction)[0].key, ..read };
    assert_shows_nothing(&history, phenomenon, with(y, value(&history, "3"), writer));
    assert_shows_nothing(&history, phenomenon, with(read, value(&history, "2"), writer));
    assert_shows_nothing(&history, phenomenon, with(read, seen, read.transaction));
    // What a transaction reads of its own unfinished writes is no intermediate read.
    let own = drawn("a: [t ax1 rx(1) ax2]");
    let read = ReadAt { transaction: op(0), place: 1, key: own.micros_of(op(0))[1].key };
    let value = value(&own, "1");
    assert_shows_nothing(&own, phenomenon, with(read, value, op(0)));
}

#[test]
fn a_garbage_read_returned_what_no_transaction_wrote() {
    let history = drawn("a: [t ax1]\nb:         [t rx(1,7) ry()]");
    let (phenomenon, example) = found_example(&history, "garbage-read");
    let TransactionEvidence::GarbageRead { read, value: garbage } = example else { panic!("{example:?}") };
    let with = |read, value| TransactionEvidence::GarbageRead { read, value };
    for read in other_reads(read, op(0)) {
        assert_shows_nothing(&history, phenomenon, with(read, garbage));
    }
    assert_shows_nothing(&history, phenomenon, with(read, value(&history, "1")));
    // Nobody wrote null, and nobody read it as a value.
    assert_shows_nothing(&history, phenomenon, with(read, ValueId::NULL));
}

#[test]
fn an_internal_contradiction_names_the_operations_before_the_read() {
    let history = drawn("a: [t wy1 wx1 wx2 rx1 ry1]\nb:                         [t ry1]");
    let (phenomenon, example) = found_example(&history, "internal");
    let TransactionEvidence::Internal { read, because } = example else { panic!("{example:?}") };
    let with = |read, because: &[usize]| TransactionEvidence::Internal { read, because: because.to_vec() };
    for read in other_reads(read, op(1)) {
        assert_shows_nothing(&history, phenomenon, with(read, &because));
    }
    // No operation, one on another key, one before the last write, one after the read.
    for because in [&[][..], &[0], &[1], &[0, 2], &[4], &[2, 1]] {
        assert_shows_nothing(&history, phenomenon, with(read, because));
    }
    // The read of y agrees with the write of y.
    let y = ReadAt { place: 4, key: history.micros_of(read.transaction)[4].key, ..read };
    assert_shows_nothing(&history, phenomenon, with(y, &[0]));
}

#[test]
fn a_future_read_returned_what_only_its_own_later_write_wrote() {
    let history = drawn("a: [t rx(1) ax1 ay2]\nb:                    [t ay3]");
    let (phenomenon, example) = found_example(&history, "future-read");
    let TransactionEvidence::FutureRead { read, value: seen, write } = example else { panic!("{example:?}") };
    let with = |read, value, write| TransactionEvidence::FutureRead { read, value, write };
    for read in other_reads(read, op(1)) {
        assert_shows_nothing(&history, phenomenon, with(read, seen, write));
    }
    assert_shows_nothing(&history, phenomenon, with(read, value(&history, "2"), 2));
    for write in [0, 2, 99] {
        assert_shows_nothing(&history, phenomenon, with(read, seen, write));
    }
    // Read after it was written, or written by somebody else as well.
    let after = drawn("a: [t ax1 rx(1)]");
    let read_at = |history: &History, place| ReadAt {
        transaction: op(0),
        place,
        key: history.micros_of(op(0))[place].key,
    };
    assert_shows_nothing(&after, phenomenon, with(read_at(&after, 1), value(&after, "1"), 0));
    let others = drawn("a: [t rx1 wx1]\nb: [t wx1]");
    let reader = others.ids().find(|&id| others.micros_of(id).len() == 2).expect("the reader");
    let read = ReadAt { transaction: reader, place: 0, key: others.micros_of(reader)[0].key };
    assert_shows_nothing(&others, phenomenon, with(read, value(&others, "1"), 1));
}

#[test]
fn a_lost_update_is_two_transactions_that_read_one_version_and_wrote() {
    let drawing = "
        i: [t ax9]
        a:         [t rx(9) ax1]
        b:         [t rx(9) ax2]
        c:                       [t rx(9) ay3]
        d:                       [t ax4 rx(9,4)]
    ";
    let history = drawn(drawing);
    let (phenomenon, example) = found_example(&history, "lost-update");
    let TransactionEvidence::LostUpdate { key, version, transactions } = example else {
        panic!("{example:?}")
    };
    let with = |key, version, transactions: &[OpId]| TransactionEvidence::LostUpdate {
        key,
        version,
        transactions: transactions.to_vec(),
    };
    let (one, other) = (transactions[0], transactions[1]);
    for wrong in [&[][..], &[one], &[one, one], &[one, other, one]] {
        assert_shows_nothing(&history, phenomenon, with(key, version, wrong));
    }
    // One that read and did not write the key, one that wrote first, and the writer of the version itself.
    for third in history.ids().filter(|id| !transactions.contains(id)) {
        assert_shows_nothing(&history, phenomenon, with(key, version, &[one, third]));
    }
    assert_shows_nothing(&history, phenomenon, with(key, None, &transactions));
    assert_shows_nothing(&history, phenomenon, with(key, Some(value(&history, "1")), &transactions));
    assert_shows_nothing(&history, phenomenon, with(KeyId::from_raw(1 - key.raw()), version, &transactions));
    // One of them failed: it updated nothing.
    let failed = drawn("i: [t ax9]\na:         [t rx(9) ax1]\nb:         [t rx(9) ax2 !");
    let key = failed.micros_of(op(0))[0].key;
    let updates: Vec<OpId> = failed.ids().filter(|&id| failed.micros_of(id).len() == 2).collect();
    assert_shows_nothing(&failed, phenomenon, with(key, Some(value(&failed, "9")), &updates));
}

#[test]
fn a_dirty_update_has_the_failed_append_first() {
    let history = drawn("a: [t ax1 !\nc: [t ax2 ]\nb:         [t rx(1,2)]");
    let (phenomenon, example) = found_example(&history, "dirty-update");
    let TransactionEvidence::DirtyUpdate { read, aborted, committed } = example else {
        panic!("{example:?}")
    };
    let with = |read, aborted, committed| TransactionEvidence::DirtyUpdate { read, aborted, committed };
    for wrong in [(committed, aborted), (committed, committed), (aborted, aborted)] {
        assert_shows_nothing(&history, phenomenon, with(read, wrong.0, wrong.1));
    }
    for wrong in [((aborted.0, committed.1), committed), (aborted, (committed.0, aborted.1))] {
        assert_shows_nothing(&history, phenomenon, with(read, wrong.0, wrong.1));
    }
    for read in other_reads(read, aborted.0) {
        assert_shows_nothing(&history, phenomenon, with(read, aborted, committed));
    }
    // The other way round nothing committed rests on what failed. In the third, nothing failed.
    for drawing in [
        "a: [t ax1 !\nc: [t ax2 ]\nb:         [t rx(2,1)]",
        "a: [t ax1 !\nc: [t ax2 ]\nb:         [t rx(2)]",
        "a: [t ax1 ]\nc: [t ax2 ]\nb:         [t rx(1,2)]",
        "a: [t ax1 !\nc: [t ax2 ?\nb:         [t rx(1,2)]",
    ] {
        let history = drawn(drawing);
        let by = |text: &str| {
            let written = value(&history, text);
            let wrote = |id: &OpId| {
                history.micros_of(*id)[0].kind == histories::MicroKind::Append
                    && history.micros_of(*id)[0].value() == written
            };
            (history.ids().find(wrote).expect("a writer"), written)
        };
        let (one, two) = (by("1"), by("2"));
        assert_shows_nothing(&history, phenomenon, with(read, one, two));
    }
}

#[test]
fn an_element_is_duplicated_only_in_the_list_that_shows_it_twice() {
    let history = drawn("a: [t ax1 ax2]\nb:             [t rx(1,2,1) ry()]\nc:             [t rx(1,2)]");
    let (phenomenon, example) = found_example(&history, "duplicate-elements");
    let TransactionEvidence::DuplicateElement { read, value: twice } = example else { panic!("{example:?}") };
    let with = |read, value| TransactionEvidence::DuplicateElement { read, value };
    let sound = history.ids().find(|&id| id != read.transaction && id != op(0)).expect("the other reader");
    for read in other_reads(read, sound) {
        assert_shows_nothing(&history, phenomenon, with(read, twice));
    }
    assert_shows_nothing(&history, phenomenon, with(read, value(&history, "2")));
}

#[test]
fn lists_are_incompatible_only_with_lists_of_the_same_key() {
    let drawing = "
        a: [t ax1 ax2 ay1 ay2]
        b:                    [t rx(1,2)] [t rx(2,1)] [t ry(1,2)] [t rx(1)]
    ";
    let history = drawn(drawing);
    let (phenomenon, example) = found_example(&history, "incompatible-order");
    let read =
        |number| ReadAt { transaction: op(number), place: 0, key: history.micros_of(op(number))[0].key };
    let (TransactionEvidence::IncompatibleOrder { .. } | TransactionEvidence::AppendsOutOfOrder { .. }) =
        example
    else {
        panic!("{example:?}")
    };
    let with = |one, other| TransactionEvidence::IncompatibleOrder { one, other };
    // A list and itself, a prefix of it on either side, and lists of two keys.
    for (one, other) in [(1, 1), (1, 4), (4, 1), (2, 3), (3, 2), (3, 4)] {
        assert_shows_nothing(&history, phenomenon, with(read(one), read(other)));
    }
    let out_of_order = |read, writer, earlier: &str, later: &str| TransactionEvidence::AppendsOutOfOrder {
        read,
        writer,
        earlier: value(&history, earlier),
        later: value(&history, later),
    };
    // In the right order, of another writer, told the wrong way round, and of a list without the later one.
    assert_shows_nothing(&history, phenomenon, out_of_order(read(1), op(0), "1", "2"));
    assert_shows_nothing(&history, phenomenon, out_of_order(read(2), op(1), "1", "2"));
    assert_shows_nothing(&history, phenomenon, out_of_order(read(2), op(0), "2", "1"));
    assert_shows_nothing(&history, phenomenon, out_of_order(read(4), op(0), "1", "2"));
    assert_shows_nothing(&history, phenomenon, out_of_order(read(1), op(0), "2", "1"));
}

/// Histories with a cycle of each family, and the name of the cycle.
const CYCLES: &[(&str, &str)] = &[
    ("a: [t ax1 ay1]\nb: [t ax2 ay2]\nc:               [t rx(1,2)] [t ry(2,1)]", "G0"),
    ("a: [t ax1 ry(1)]\nb: [t ay1 rx(1)]", "G1c"),
    ("a: [t ax1 ay1    ]\nb: [t rx(1) ry()]", "G-single-item"),
    ("a: [t ax1]\nb: [t ay1]\nc: [t rx(1) ry()]\nd: [t ry(1) rx()]", "G-nonadjacent-item"),
    ("a: [t rx() ay1]\nb: [t ry() ax1]\nc:                [t rx(1) ry(1)]", "G2-item"),
    ("a: [t wx1] [t rx_]", "G-single-item-process"),
    ("a: [t ax1]\nb:         [t rx()]\nc:                  [t rx(1)]", "G-single-item-realtime"),
    ("a: [t wx1 wy1]\nb: [t rx1 wx2]\nc:               [t rx2 ry_]", "G-single-item"),
];

/// A cycle without one of its edges, with an edge turned around, doubled, or between other transactions is none; and a cycle of
/// one kind is none of another.
#[test]
fn a_cycle_is_closed_and_each_of_its_edges_is_in_the_history() {
    let kinds: Vec<Phenomenon> =
        CYCLES.iter().map(|(drawing, name)| found_example(&drawn(drawing), name).0).collect();
    for (drawing, name) in CYCLES {
        let history = drawn(drawing);
        let (phenomenon, example) = found_example(&history, name);
        let TransactionEvidence::Cycle(cycle) = &example else { panic!("{name}: {example:?}") };
        for &other in kinds.iter().filter(|&&other| other != phenomenon) {
            assert_shows_nothing(&history, other, example.clone());
        }
        let changed = |change: &dyn Fn(&mut claims::DependencyCycle)| {
            let mut cycle = cycle.clone();
            change(&mut cycle);
            assert_shows_nothing(&history, phenomenon, TransactionEvidence::Cycle(cycle));
        };
        changed(&|cycle| cycle.edges.clear());
        // Two edges have no other order.
        if cycle.edges.len() > 2 {
            changed(&|cycle| cycle.edges.reverse());
        }
        for at in 0..cycle.edges.len() {
            changed(&|cycle| _ = cycle.edges.remove(at));
            changed(&|cycle| cycle.edges.insert(at, cycle.edges[at].clone()));
            changed(&|cycle| {
                let edge = &mut cycle.edges[at];
                (edge.from, edge.to) = (edge.to, edge.from);
            });
            changed(&|cycle| cycle.edges[at].to = cycle.edges[at].from);
            for why in wrong_reasons(&history, &cycle.edges[at].why) {
                changed(&|cycle| cycle.edges[at].why = why.clone());
            }
        }
    }
}

/// The reason of an edge with one part that is not so: another value, another key, or an order of versions that has another ground.
fn wrong_reasons(history: &History, why: &DependencyReason) -> Vec<DependencyReason> {
    let other_key = |key: KeyId| KeyId::from_raw(history.keys.len() as u32 - 1 - key.raw());
    // No transaction of these histories has a token, and none was told that writes keep their order.
    let no_ground = [
        VersionEvidence::Token,
        VersionEvidence::SequentialKeys,
        VersionEvidence::LinearizableKeys,
        VersionEvidence::Assumed,
    ];
    let mut wrong = Vec::new();
    match *why {
        DependencyReason::ReadBy { key, value } => {
            wrong.push(DependencyReason::ReadBy { key, value: ValueId::NULL });
            if other_key(key) != key {
                wrong.push(DependencyReason::ReadBy { key: other_key(key), value });
            }
        }
        DependencyReason::Overwritten { key, earlier, later, order } => {
            wrong.push(DependencyReason::Overwritten { key, earlier: later, later: earlier, order });
            wrong.push(DependencyReason::Overwritten { key, earlier, later: earlier, order });
            let by = |order| DependencyReason::Overwritten { key, earlier, later, order };
            wrong.extend(no_ground.map(by));
            wrong.extend(
                [VersionEvidence::Initial, VersionEvidence::Session, VersionEvidence::RealTime].map(by),
            );
        }
        DependencyReason::Missed { key, read, later, order } => {
            wrong.push(DependencyReason::Missed { key, read: Some(later), later, order });
            wrong.push(DependencyReason::Missed { key, read, later: ValueId::NULL, order });
            wrong.extend(no_ground.map(|order| DependencyReason::Missed { key, read, later, order }));
        }
        _ => {}
    }
    wrong
}

/// The witness of a level that holds.
fn found_witness(history: &History, level: IsolationLevel) -> TransactionWitness {
    let property = Property::Isolation(level);
    let question = question_about(model_of_transactions(history), &[property]);
    let report = check_confirmed(history, &question, &test_limits(100_000, 1 << 28));
    match verdict_of(&report, property) {
        Verdict::Holds(Witness::Transactions(witness)) => witness.clone(),
        other => panic!("{level:?}: {other:?}"),
    }
}

/// Each transaction reads from the one before, in one session after another. The only order is theirs.
const CHAIN: &str = "
    a: [t ax1]
    b:         [t rx(1) ax2]
    c:                       [t rx(1,2) ay1]
    d:                                       [t ry(1) rx(1,2)]
    e: [t az9 !
";

/// An order with a transaction that is missing, that is there twice, that failed, or that comes too early.
#[test]
fn an_order_has_each_committed_transaction_once_and_in_its_place() {
    let history = drawn(CHAIN);
    let mut order: Vec<OpId> =
        history.ids().filter(|&id| history.outcome(id) == histories::Outcome::Ok).collect();
    order.sort_by_key(|&id| history.operation(id).completed);
    let failed = history.ids().find(|id| !order.contains(id)).expect("one failed");
    let both = |order: &[OpId]| -> Vec<TransactionPoint> {
        order.iter().flat_map(|&id| [TransactionPoint::Begin(id), TransactionPoint::Commit(id)]).collect()
    };
    type Form = fn(Vec<OpId>, Vec<TransactionPoint>) -> TransactionWitness;
    let forms: [(IsolationLevel, Form); 5] = [
        (IsolationLevel::StrictSerializable, |order, _| {
            TransactionWitness::Serial(OrderExtent::RealTime, Arc::new(order))
        }),
        (IsolationLevel::SnapshotIsolation, |_, points| {
            TransactionWitness::Snapshots(OrderExtent::Data, Arc::new(points))
        }),
        (IsolationLevel::ReadCommitted, |order, _| {
            TransactionWitness::Versions(OrderExtent::Data, claims::CycleFamily::G1c, Arc::new(order))
        }),
        (IsolationLevel::Causal, |order, _| {
            TransactionWitness::CommitOrder(claims::Axiom::Causal, Arc::new(order))
        }),
        (IsolationLevel::Prefix, |_, points| TransactionWitness::Prefixes(Arc::new(points))),
    ];
    for (level, form) in forms {
        let property = Property::Isolation(level);
        let question = question_about(model_of_transactions(&history), &[property]);
        let claim = |order: &[OpId], points: Vec<TransactionPoint>| {
            Verdict::Holds(Witness::Transactions(form(order.to_vec(), points)))
        };
        let right = testkit::claim_standing(&history, &question, property, claim(&order, both(&order)));
        assert_eq!(right, Standing::Confirmed, "{level:?}");
        let refuted =
            |order: &[OpId]| assert_refuted(&history, &question, property, claim(order, both(order)));
        for at in 0..order.len() {
            let mut wrong = order.clone();
            wrong.remove(at);
            refuted(&wrong);
            wrong = order.clone();
            wrong.push(order[at]);
            refuted(&wrong);
            if at > 0 {
                wrong = order.clone();
                wrong.swap(at - 1, at);
                refuted(&wrong);
            }
        }
        refuted(&[order.clone(), vec![failed]].concat());
        refuted(&[]);
        // A commit before its begin point.
        let mut points = both(&order);
        points.swap(0, 1);
        if matches!(level, IsolationLevel::SnapshotIsolation | IsolationLevel::Prefix) {
            assert_refuted(&history, &question, property, claim(&order, points));
        }
    }
}

/// Two transactions that each read what was before the other's write to the same key: both snapshots may be taken first, and then
/// the second commit is a lost update. Snapshot isolation forbids what prefix consistency permits.
#[test]
fn snapshots_with_concurrent_writes_to_one_key_are_refuted() {
    let history = drawn("a: [t rx_ wx1]\nb: [t rx_ wx2]");
    use TransactionPoint::{Begin, Commit};
    let points = vec![Begin(op(0)), Begin(op(1)), Commit(op(0)), Commit(op(1))];
    let claim = |witness| Verdict::Holds(Witness::Transactions(witness));
    for (level, witness) in [
        (
            IsolationLevel::SnapshotIsolation,
            TransactionWitness::Snapshots(OrderExtent::Data, Arc::new(points.clone())),
        ),
        // One after the other, the second must read the first's write.
        (
            IsolationLevel::Serializable,
            TransactionWitness::Serial(OrderExtent::Data, Arc::new(vec![op(0), op(1)])),
        ),
    ] {
        let property = Property::Isolation(level);
        let question = question_about(model_of_transactions(&history), &[property]);
        assert_refuted(&history, &question, property, claim(witness));
    }
    let property = Property::Isolation(IsolationLevel::Prefix);
    let question = question_about(model_of_transactions(&history), &[property]);
    let prefixes = claim(TransactionWitness::Prefixes(Arc::new(points)));
    assert_eq!(testkit::claim_standing(&history, &question, property, prefixes), Standing::Confirmed);
}

/// An order that goes against a session is none of levels with sessions, and one against real time none of strict levels.
#[test]
fn an_order_against_sessions_or_real_time_proves_only_levels_without_them() {
    // The reads are stale, and in different sessions: only real time says so. In one session, the session says so.
    for (drawing, against) in [
        ("a: [t wx1]\nb:          [t rx_]", OrderExtent::RealTime),
        ("a: [t wx1] [t rx_]", OrderExtent::Session),
    ] {
        let history = drawn(drawing);
        let order = Arc::new(vec![op(1), op(0)]);
        let levels = [
            IsolationLevel::Serializable,
            IsolationLevel::SessionSerializable,
            IsolationLevel::StrictSerializable,
        ];
        for (extent, level) in OrderExtent::ALL.into_iter().zip(levels) {
            let property = Property::Isolation(level);
            let question = question_about(model_of_transactions(&history), &[property]);
            let witness = TransactionWitness::Serial(extent, Arc::clone(&order));
            let verdict = Verdict::Holds(Witness::Transactions(witness));
            if extent < against {
                let standing = testkit::claim_standing(&history, &question, property, verdict);
                assert_eq!(standing, Standing::Confirmed, "{extent:?}: {drawing}");
            } else {
                assert_refuted(&history, &question, property, verdict);
            }
        }
    }
}

/// The witness of one level, held up for a stronger one.
#[test]
fn a_witness_proves_no_stronger_level() {
    let history = drawn(CHAIN);
    let stronger = |level: IsolationLevel| {
        IsolationLevel::ALL.iter().copied().filter(move |&other| {
            // A level that implies this one, and is not implied by it.
            let weaker = |level: IsolationLevel| {
                claims::IsolationSet::default().with(level).and_weaker(claims::Proviso::None)
            };
            weaker(other).contains(level) && !weaker(level).contains(other)
        })
    };
    for &level in IsolationLevel::ALL {
        let witness = found_witness(&history, level);
        // The witness may be that of a stronger level: only those are asked that no order of this extent proves.
        let TransactionWitness::Serial(OrderExtent::RealTime, order) = &witness else { continue };
        for weaker_extent in [OrderExtent::Data, OrderExtent::Session] {
            let witness = TransactionWitness::Serial(weaker_extent, Arc::clone(order));
            let proved =
                [IsolationLevel::Serializable, IsolationLevel::SessionSerializable][weaker_extent as usize];
            for above in stronger(proved) {
                let property = Property::Isolation(above);
                let question = question_about(model_of_transactions(&history), &[property]);
                let verdict = Verdict::Holds(Witness::Transactions(witness.clone()));
                assert_refuted(&history, &question, property, verdict);
            }
        }
        return;
    }
    panic!("no level of a serial history is witnessed by a serial order");
}

/// Two transactions overwrote each other, and one of them has no completion. At read-uncommitted it may have failed, and the lists show
/// what it left for a moment. So this is no G0, which read-uncommitted forbids.
#[test]
fn a_cycle_through_a_transaction_that_may_have_failed_is_no_dirty_write() {
    let history = drawn(
        "a: [t ax1 ay1]
         b: [t ax2 ay2 ?
         c:                 [t rx(1,2) ry(2,1)]",
    );
    let (found, example) = found_example(&history, "G1c");
    let levels = isolation_properties(IsolationLevel::ALL);
    let question = question_about(model_of_transactions(&history), &levels);
    let report = check_confirmed(&history, &question, &test_limits(100_000, 1 << 28));
    for level in IsolationLevel::ALL {
        let asks_nothing = level.name().ends_with("read-uncommitted");
        let verdict = verdict_of(&report, Property::Isolation(*level)).name();
        assert_eq!(verdict == "holds", asks_nothing, "{} is {verdict}", level.name());
    }
    let Phenomenon::Cycle(kind) = found else { panic!("{found:?}") };
    let dirty_write = Phenomenon::Cycle(CycleKind { family: CycleFamily::G0, ..kind });
    assert_shows_nothing(&history, dirty_write, example);
    // Once it has completed, it is one.
    let history = drawn(
        "a: [t ax1 ay1]
         b: [t ax2 ay2]
         c:                 [t rx(1,2) ry(2,1)]",
    );
    assert_eq!(found_example(&history, "G0").0, dirty_write);
}
