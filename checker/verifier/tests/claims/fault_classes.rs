//! Forged evidence and limits for classes of faults that no other test reached.
//!
//! Each of these could break unnoticed. Random histories are too small for sixty writes that a session did not see, and no test
//! had changed the evidence of these levels in these ways.

use checker::{
    AnomalyName, CausalRefutation, Evidence, IsolationLevel, Level, Limits, Model, OrderExtent, Property,
    TransactionWitness, Verdict, VersionOrder, Violation, Witness,
};
use claims::looks::stopping_after;
use histories::{Function, History, KeyId, OpId, notation};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use testkit::{assert_refuted, check_confirmed, question_about, test_limits, verdict_of};

fn drawn(drawing: &str) -> History {
    notation::parse(drawing).unwrap_or_else(|why| panic!("{why}\n{drawing}"))
}

fn usual_limits() -> Limits<'static> {
    test_limits(10_000_000, 1 << 28)
}

/// The verdict on one property, whose evidence the verifier confirmed.
fn verdict(history: &History, model: Model, property: Property, limits: &Limits<'_>) -> Verdict {
    let report = check_confirmed(history, &question_about(model, &[property]), limits);
    verdict_of(&report, property).clone()
}

/// Each transaction read what the other appended, so no serial order explains them, whichever comes first.
#[test]
fn a_serial_order_of_transactions_that_read_from_each_other_is_refuted() {
    let history = drawn("a: [t rx(1) ay1]\nb: [t ry(1) ax1]");
    let ids: Vec<OpId> = history.ids().collect();
    for level in [IsolationLevel::Serializable, IsolationLevel::StrictSerializable] {
        let property = Property::Isolation(level);
        assert_eq!(verdict(&history, Model::ListAppend, property, &usual_limits()).name(), "violated");
        let question = question_about(Model::ListAppend, &[property]);
        for order in [vec![ids[0], ids[1]], vec![ids[1], ids[0]], vec![ids[0]], Vec::new()] {
            for extent in OrderExtent::ALL {
                let witness = TransactionWitness::Serial(extent, Arc::new(order.clone()));
                let verdict = Verdict::Holds(Witness::Transactions(witness));
                assert_refuted(&history, &question, property, verdict);
            }
        }
    }
}

/// Whether the last read of x is too old depends on what orders the two writes of x: a session, a read, or real time alone.
#[test]
fn a_session_that_reads_behind_its_past_violates_what_orders_its_past() {
    use IsolationLevel::*;
    let strong_session = [StrongSessionSnapshotIsolation, StrongSessionSerializable, Causal];
    let real_time = [StrongSnapshotIsolation, StrictSerializable];
    let weak = [SnapshotIsolation, Serializable];
    let cases = [
        // One session wrote 1 and then 2. The reader saw what was written with 2, and read 1 in its next transaction.
        ("a: [t wx1] [t wx2 wy1]\nb:                       [t ry1] [t rx1]", "violated"),
        // The writer of 2 had read 1, so 1 is older whatever the sessions are.
        ("a: [t wx1]\nb:          [t rx1 wx2 wy1]\nc:                           [t ry1] [t rx1]", "violated"),
        // Neither writer saw the other. Without real time, 2 may be the older one.
        ("a: [t wx1]\nb:          [t wx2 wy1]\nc:                       [t ry1] [t rx1]", "holds"),
    ];
    for (drawing, in_sessions) in cases {
        let history = drawn(drawing);
        let expected = [(&strong_session[..], in_sessions), (&real_time, "violated"), (&weak, "holds")];
        for (levels, expected) in expected {
            for &level in levels {
                let property = Property::Isolation(level);
                let found = verdict(&history, Model::RwRegister, property, &usual_limits());
                assert_eq!(found.name(), expected, "{level:?}: {drawing}");
            }
        }
    }
}

/// A commit order that is right for one history, shown for another in which the last read missed half of a transaction.
#[test]
fn the_commit_order_of_a_sound_history_is_refuted_for_a_stale_one() {
    let drawing =
        |read: &str| drawn(&format!("a: [t wx1 wy1]\nb: [t wz1]\nc:            [t rx1 rz1 {read}]"));
    let (sound, stale) = (drawing("ry1"), drawing("ry_"));
    for level in [IsolationLevel::ReadAtomic, IsolationLevel::Causal] {
        let property = Property::Isolation(level);
        let holds = verdict(&sound, Model::RwRegister, property, &usual_limits());
        assert_eq!(holds.name(), "holds");
        assert_eq!(verdict(&stale, Model::RwRegister, property, &usual_limits()).name(), "violated");
        assert_refuted(&stale, &question_about(Model::RwRegister, &[property]), property, holds);
    }
}

/// Violated, and nothing shown for it; or a violation whose proof has no steps.
#[test]
fn a_level_of_several_objects_violated_without_evidence_is_refuted() {
    let history = drawn("a: [x.w1]\nb:        [x.r1] [y.w1]\nc:                      [y.r1] [x.r_]");
    for level in [
        Level::Causal,
        Level::CausalConvergence,
        Level::CausalMemory,
        Level::Sequential,
        Level::Pram,
        Level::Session,
    ] {
        let property = Property::Level(level);
        let question = question_about(Model::Register, &[property]);
        assert_refuted(&history, &question, property, Verdict::Violated(Vec::new()));
        let violation = Violation {
            kind: AnomalyName::new("cyclic-causality"),
            key: KeyId::NONE,
            operations: Vec::new(),
            evidence: Evidence::Causal(CausalRefutation { proof: Vec::new() }),
        };
        assert_refuted(&history, &question, property, Verdict::Violated(vec![violation]));
    }
}

/// A failed write did not take effect, so no version of the object is its own.
#[test]
fn a_version_order_with_a_failed_write_is_refuted() {
    let history = drawn("a: [w1] [w2 ! [w3]\nb:                   [r1] [r3]");
    let writes: Vec<OpId> = history.ids().filter(|&id| history.function(id) == Function::WRITE).collect();
    assert_eq!(writes.len(), 3);
    let key = history.key(writes[0]);
    let property = Property::Level(Level::MonotonicReads);
    let question = question_about(Model::Register, &[property]);
    let order = |writes: Vec<OpId>| {
        Verdict::Holds(Witness::Versions(vec![VersionOrder { key, writes, returned: Vec::new() }]))
    };
    let right = order(vec![writes[0], writes[2]]);
    assert_eq!(testkit::claim_standing(&history, &question, property, right), verifier::Standing::Confirmed);
    for wrong in [
        writes.clone(),
        vec![writes[1], writes[0], writes[2]],
        vec![writes[0], writes[2], writes[1]],
        // One is missing, is there twice, or comes too early.
        vec![writes[2]],
        vec![writes[0], writes[0], writes[2]],
        vec![writes[2], writes[0]],
    ] {
        assert_refuted(&history, &question, property, order(wrong));
    }
}

/// One session writes 1, and another writes many newer values. A third session that saw none of those may read 1: its causal past
/// does not have them. Once it has read the newest one, and that session had read 1 before, it may not.
#[test]
fn many_newer_writes_matter_only_to_sessions_that_saw_them() {
    for newest in [61, 301] {
        let mut writes = String::new();
        (2..=newest).for_each(|value| write!(writes, " [w{value}]").expect("a string"));
        // As many operations as in the other history, so that evidence about one names operations of the other.
        let unseen = drawn(&format!("a: [w1]\nb: {writes}\nc: [r1] [r1] [r1]"));
        let gap = " ".repeat(writes.len() + 16);
        let seen = drawn(&format!("a: [w1]\nb:      [r1]{writes}\nc: {gap}[r{newest}] [r1]"));
        for (level, expected) in [
            (Level::Causal, "violated"),
            (Level::CausalConvergence, "violated"),
            (Level::CausalMemory, "violated"),
            (Level::Sequential, "violated"),
            // What the second session had read before it wrote is not carried over.
            (Level::Pram, "holds"),
        ] {
            let property = Property::Level(level);
            assert_eq!(verdict(&unseen, Model::Register, property, &usual_limits()).name(), "holds");
            let found = verdict(&seen, Model::Register, property, &usual_limits());
            assert_eq!(found.name(), expected, "{level:?}, {newest}");
            // Neither history's evidence is worth anything for the other.
            if expected == "violated" {
                assert_refuted(&unseen, &question_about(Model::Register, &[property]), property, found);
            }
        }
    }
}

/// Twenty-four enqueues at once leave 24! orders, and an element that was dequeued twice has none. Each limit must end the search
/// with *unknown*, and a search without evidence may not say *violated*.
#[test]
fn each_limit_ends_the_search_of_a_queue() {
    let mut drawing = String::new();
    (0..24).for_each(|value| writeln!(drawing, "s{value:02}: [enqueue:{value}]").expect("a string"));
    // A value that is inserted twice leaves the queue to the search.
    writeln!(drawing, "x00: [enqueue:22]").expect("a string");
    // The same element twice is in no order. The one before leaves the search all orders of the others.
    let gap = " ".repeat(24);
    writeln!(drawing, "d00: {gap}[dequeue:23] [dequeue:0] [dequeue:1] [dequeue:0]").expect("a string");
    let history = drawn(&drawing);
    let property = Property::Level(Level::Linearizable);
    let reason = |limits: &Limits<'_>| match verdict(&history, Model::Queue, property, limits) {
        Verdict::Unknown(unknown) => unknown.reason,
        other => panic!("expected unknown, found {}", other.name()),
    };
    let steps = reason(&Limits { steps: 100, ..usual_limits() });
    assert!(steps.contains("100 steps"), "{steps}");
    let bytes = reason(&Limits { bytes: 100, ..usual_limits() });
    assert!(bytes.contains("bytes"), "{bytes}");
    // Set from the beginning, the flag is seen before the search. Set later, it is seen by the search.
    let stop = AtomicBool::new(true);
    assert_eq!(reason(&Limits { stop: &stop, ..usual_limits() }), Limits::STOPPED);
    let reasons: Vec<String> = (1..6)
        .map(|looks| stopping_after(looks, |stop| reason(&Limits { stop, ..usual_limits() })).0)
        .collect();
    assert!(reasons.iter().all(|why| *why == Limits::STOPPED || why.contains("stopped")), "{reasons:?}");
    assert!(reasons.iter().any(|why| why.contains("stopped")), "{reasons:?}");
}
