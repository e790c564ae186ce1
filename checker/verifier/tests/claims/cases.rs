//! Evidence that says more than the history shows, and was once confirmed.
//!
//! A proof by cases leans on two things that the verifier looks up by itself: which writes a read may have returned, and who wrote
//! first. Where the history does not tell them, an empty list of candidates is no contradiction.

use claims::{
    AnomalyName, Answer, Axiom, CaseEdge, CaseReason, CaseStep, Core, CycleFamily, CycleKind, Dependency,
    DependencyCycle, DependencyReason, Evidence, Finding, FindingKind, FindingProof, IsolationLevel, Level,
    Linearization, Model, OrderExtent, Phenomenon, Property, ReadAt, Report, TransactionAnomaly,
    TransactionEvidence, TransactionExecution, TransactionWitness, Verdict, VersionEvidence, Violation,
    Witness,
};
use histories::format::{Format, from_text};
use histories::{Function, History, KeyId, MicroKind, OpId, notation};
use std::sync::Arc;
use testkit::{assert_refuted, claim_standing, model_of_transactions, question_about};
use verifier::{Standing, verify};

/// What the verifier says of the claim that a level is violated because nothing explains the history.
fn standing(history: &History, level: IsolationLevel, example: TransactionEvidence) -> Standing {
    let property = Property::Isolation(level);
    let question = question_about(model_of_transactions(history), &[property]);
    let phenomenon = Phenomenon::Impossible(level);
    let violation = Violation {
        kind: AnomalyName::new(phenomenon.name()),
        key: KeyId::NONE,
        operations: Vec::new(),
        evidence: Evidence::Phenomenon(phenomenon),
    };
    let answer = Answer {
        property,
        method: String::new(),
        verdict: Verdict::Violated(vec![violation]),
        counts: Vec::new(),
    };
    let report = Report {
        model: question.model,
        answers: vec![answer],
        phenomena: vec![TransactionAnomaly { phenomenon, count: 1, examples: vec![example] }],
        ..Report::default()
    };
    verify(history, &question, &report, &claims::Limits::unbounded()).answers[0].clone()
}

/// The claim that nothing needs to be assumed for a contradiction.
fn bare_contradiction() -> TransactionEvidence {
    TransactionEvidence::Cases(vec![CaseStep::new(Vec::new(), Vec::new())])
}

fn drawn(drawing: &str) -> History {
    notation::parse(drawing).expect("a drawing")
}

fn is_refuted(history: &History, level: IsolationLevel, example: TransactionEvidence) -> bool {
    matches!(standing(history, level, example), Standing::Refuted(_))
}

/// Two transactions append 1, and a third reads the list between them. It was confirmed that no execution explains this,
/// because the element does not tell its writer, and no writer was taken for no possible writer.
#[test]
fn an_element_that_two_transactions_appended_contradicts_nothing() {
    let history = drawn("a: [t ax1]\nb:         [t ax1]\nc:    [t rx(1)  ]");
    assert!(is_refuted(&history, IsolationLevel::Serializable, bare_contradiction()));
}

/// A key that is both written and appended to has no order that anybody defined.
#[test]
fn a_key_that_is_a_list_and_a_register_contradicts_nothing() {
    for drawing in [
        "a: [t ax1]\nb:        [t wx1]\nc:                  [t rx(1)]",
        "a: [t wx1]\nb:        [t ax2]\nc:                  [t rx(1,2)]",
        "a: [t wx1]\nb:        [t ax2]\nc:                  [t rx2]",
    ] {
        let history = drawn(drawing);
        assert!(is_refuted(&history, IsolationLevel::Serializable, bare_contradiction()), "{drawing}");
        let [one, other]: [OpId; 2] = [0, 1].map(OpId::from_raw);
        let key = history.micros_of(one)[0].key;
        let before = claims::CaseChoice::Before { key, earlier: one, later: other };
        let steps = vec![CaseStep { assumed: vec![before], cycle: Vec::new(), unexplained: Vec::new() }];
        let phenomenon = Phenomenon::Impossible(IsolationLevel::Serializable);
        let found = standings_of_phenomenon(&history, phenomenon, TransactionEvidence::Cases(steps));
        let [Standing::Refuted(why)] = &found[..] else { panic!("{found:?}") };
        assert!(why.contains("is no choice"), "{why}");
    }
}

/// Levels that ask nothing of reads are contradicted by no read.
#[test]
fn a_read_of_nothing_known_does_not_contradict_read_uncommitted() {
    let history = drawn("a: [t ax1 ax2]\nb:              [t rx(1)]");
    assert!(is_refuted(&history, IsolationLevel::ReadUncommitted, bare_contradiction()));
    // From read-committed up it does: the list stops in the middle of a transaction.
    let found = standing(&history, IsolationLevel::ReadCommitted, bare_contradiction());
    assert_eq!(found, Standing::Confirmed);
}

/// Evidence about lists, told of registers: it is refused, and nothing is looked up that is not there.
#[test]
fn two_reads_of_a_register_are_no_incompatible_lists() {
    let history = drawn("a: [t wx1]\nb:        [t wx2]\nc:   [t rx1    ]\nd:            [t rx2]");
    let key = history.micros_of(OpId::from_raw(0))[0].key;
    let read = |number| ReadAt { transaction: OpId::from_raw(number), place: 0, key };
    let readers: Vec<u32> = (0..4)
        .filter(|&number| {
            matches!(
                history.micros_of(OpId::from_raw(number))[0].kind,
                histories::MicroKind::Read | histories::MicroKind::ReadList
            )
        })
        .collect();
    let example = TransactionEvidence::IncompatibleOrder { one: read(readers[0]), other: read(readers[1]) };
    assert!(is_refuted(&history, IsolationLevel::Serializable, example));
}

/// The write of 1 failed, so the read of 1 is wrong. An order in which the failed write took effect was confirmed, because every failed
/// operation counted as one that the object had refused.
#[test]
fn an_order_with_a_failed_write_is_refuted() {
    let history = drawn("a: [w1 !\nb:        [r1]");
    let property = Property::Level(Level::Linearizable);
    let question = question_about(Model::Register, &[property]);
    let operations: Vec<OpId> = history.ids().collect();
    let order = Linearization { key: history.key(operations[0]), operations };
    let why = assert_refuted(&history, &question, property, Verdict::Holds(Witness::Orders(vec![order])));
    assert!(why.contains("operation 0 failed"), "{why}");
}

/// The read of 1 stood in the core as if it wrote. Then nobody asked for the 1, the compare-and-set could be left out, and no order of the rest
/// was legal.
#[test]
fn a_core_takes_only_a_compare_and_set_for_a_write() {
    let history = drawn("a: [w0] [c0>1 ?\nb:                [r0] [r1]");
    let property = Property::Level(Level::Linearizable);
    let question = question_about(Model::CasRegister, &[property]);
    let kept: Vec<OpId> = history.ids().filter(|&id| history.function(id) != Function::CAS).collect();
    let key = history.key(kept[0]);
    let core = Core { writes_only: vec![kept[2]], ..Core::minimal_core(key, kept.clone()) };
    let violation = Violation {
        kind: AnomalyName::new("stale-read"),
        key,
        operations: kept,
        evidence: Evidence::Core(core),
    };
    let why = assert_refuted(&history, &question, property, Verdict::Violated(vec![violation]));
    assert!(why.contains("is no compare-and-set"), "{why}");
}

/// Two transactions wrote 1, and only one of them went on to write 2 or failed. The read of 1 does not tell whose write it returned. It was
/// confirmed that it returned the other's.
#[test]
fn a_value_that_two_transactions_wrote_is_no_evidence_against_one_of_them() {
    for (drawing, aborted) in [
        ("a: [t wx1]\nb:        [t wx1 wx2]\nc:    [t rx1           ]", false),
        ("a: [t wx1]\nb:        [t wx1 !\nc:    [t rx1           ]", true),
    ] {
        let history = drawn(drawing);
        let with = |count, kind| {
            let fits =
                |id: &OpId| history.micros_of(*id).len() == count && history.micros_of(*id)[0].kind == kind;
            history.ids().filter(fits).last().expect("it was drawn")
        };
        let reader = with(1, MicroKind::Read);
        let writer = with(if aborted { 1 } else { 2 }, MicroKind::Write);
        let micro = history.micros_of(reader)[0];
        let (read, value) = (ReadAt { transaction: reader, place: 0, key: micro.key }, micro.value());
        let (phenomenon, example) = match aborted {
            true => (Phenomenon::G1a, TransactionEvidence::AbortedRead { read, value, writer }),
            false => (Phenomenon::G1b, TransactionEvidence::IntermediateRead { read, value, writer }),
        };
        let standings = standings_of_phenomenon(&history, phenomenon, example);
        assert!(matches!(standings[0], Standing::Refuted(_)), "{standings:?}: {drawing}");
    }
}

/// Two transactions read x = 1 and wrote x, but two others had written 1. That both read the same version was confirmed.
#[test]
fn updates_of_equal_versions_lose_nothing() {
    let history =
        drawn("a: [t wx1]         [t wx1]\nb:          [t rx1 wx2]\nc:                       [t rx1 wx3]");
    let updates = |id: &OpId| history.micros_of(*id).len() == 2;
    let transactions: Vec<OpId> = history.ids().filter(updates).collect();
    let micro = history.micros_of(transactions[0])[0];
    let example =
        TransactionEvidence::LostUpdate { key: micro.key, version: Some(micro.value()), transactions };
    let standings = standings_of_phenomenon(&history, Phenomenon::LostUpdate, example);
    assert!(matches!(standings[0], Standing::Refuted(_)), "{standings:?}");
}

/// One of them wrote 1 itself, and read nothing.
#[test]
fn an_update_begins_with_a_read() {
    let history = drawn("a: [t wx1 wx2]\nb:             [t rx1 wx3]");
    let micro = history.micros_of(OpId::from_raw(0))[0];
    let transactions: Vec<OpId> = history.ids().collect();
    let example =
        TransactionEvidence::LostUpdate { key: micro.key, version: Some(micro.value()), transactions };
    let standings = standings_of_phenomenon(&history, Phenomenon::LostUpdate, example);
    assert!(matches!(standings[0], Standing::Refuted(_)), "{standings:?}");
}

/// A transaction wrote x and read its own write. That was taken for a read of the initial state, which an earlier write contradicts.
#[test]
fn a_read_of_ones_own_write_does_not_miss_an_earlier_one() {
    let history = drawn("a: [t wx1]\nb:           [t wx2 rx2]");
    let ids: Vec<OpId> = history.ids().collect();
    let later = history.micros_of(ids[0])[0];
    let missed = DependencyReason::Missed {
        key: later.key,
        read: None,
        later: later.value(),
        order: VersionEvidence::Initial,
    };
    let edges = vec![
        Dependency { from: ids[1], to: ids[0], why: missed },
        Dependency { from: ids[0], to: ids[1], why: DependencyReason::RealTime },
    ];
    let kind = CycleKind { family: CycleFamily::GSingle, extent: OrderExtent::RealTime };
    let cycle = DependencyCycle { edges, shape: None, shortest: true };
    let standings =
        standings_of_phenomenon(&history, Phenomenon::Cycle(kind), TransactionEvidence::Cycle(cycle));
    assert!(matches!(standings[0], Standing::Refuted(_)), "{standings:?}");
}

fn standing_of_order(history: &History, level: IsolationLevel, witness: TransactionWitness) -> Standing {
    let property = Property::Isolation(level);
    let question = question_about(model_of_transactions(history), &[property]);
    claim_standing(history, &question, property, Verdict::Holds(Witness::Transactions(witness)))
}

/// Each writer reads only its own append. Levels that are defined by what a transaction sees permit that. Levels that are defined by version
/// orders do not: the list was `[1]` and then `[1, 2]`, and never `[2]`. The commit order was confirmed as a proof of read-committed.
#[test]
fn an_order_by_what_is_seen_proves_no_order_of_versions() {
    let history = drawn("a: [t ax1 rx(1)]\nb: [t ax2 rx(2)]\nc:                [t rx(1,2)]");
    let order: Arc<Vec<OpId>> = Arc::new(history.ids().collect());
    let witness = || TransactionWitness::CommitOrder(Axiom::MonotonicAtomicView, order.clone());
    let seen = standing_of_order(&history, IsolationLevel::MonotonicAtomicView, witness());
    assert_eq!(seen, Standing::Confirmed);
    let found = standing_of_order(&history, IsolationLevel::ReadCommitted, witness());
    assert!(matches!(found, Standing::Refuted(_)), "{found:?}");
}

/// Both lists end with 3, so by their last elements they are one version. The order was confirmed as a proof, although 1 is before 2 in one list
/// and after it in the other.
#[test]
fn an_order_by_last_elements_proves_nothing_of_lists_that_contradict_each_other() {
    for lists in [("(1,2,3)", "(2,1,3)"), ("(1,2,3)", "(1,2,3)")] {
        let drawing = format!(
            "a: [t ax1]\nb:        [t ax2]\nc:               [t ax3]\nd:                      [t rx{}]\ne:                                    [t rx{}]",
            lists.0, lists.1
        );
        let history = drawn(&drawing);
        let order: Arc<Vec<OpId>> = Arc::new(history.ids().collect());
        for axiom in [Axiom::MonotonicAtomicView, Axiom::ReadAtomic, Axiom::Causal] {
            let level = match axiom {
                Axiom::MonotonicAtomicView => IsolationLevel::MonotonicAtomicView,
                Axiom::ReadAtomic => IsolationLevel::ReadAtomic,
                Axiom::Causal => IsolationLevel::Causal,
            };
            let witness = TransactionWitness::CommitOrder(axiom, order.clone());
            let found = standing_of_order(&history, level, witness);
            assert_eq!(found == Standing::Confirmed, lists.0 == lists.1, "{drawing}\n{found:?}");
        }
    }
}

/// The element was appended once and is in the list twice, which no order of transactions explains. An order was confirmed all the same.
#[test]
fn an_order_of_a_list_with_an_element_too_often_is_refuted() {
    let history = drawn("a: [t ax1]\nb:         [t ax2]\nc:                [t rx(1,1)]");
    let order =
        TransactionExecution { order: history.ids().collect(), reads: Vec::new(), elements: Vec::new() };
    let witness = TransactionWitness::Execution(IsolationLevel::ReadUncommitted, Arc::new(order));
    let found = standing_of_order(&history, IsolationLevel::ReadUncommitted, witness);
    assert!(matches!(found, Standing::Refuted(_)), "{found:?}");
}

fn standings_of_phenomenon(
    history: &History,
    phenomenon: Phenomenon,
    example: TransactionEvidence,
) -> Vec<Standing> {
    let question = question_about(model_of_transactions(history), &[]);
    let anomaly = TransactionAnomaly { phenomenon, count: 1, examples: vec![example] };
    let report = Report { model: question.model, phenomena: vec![anomaly], ..Report::default() };
    verify(history, &question, &report, &claims::Limits::unbounded()).phenomena
}

/// A patch of one field was taken for a newer version of another, so that a session with two fields could be called stale.
#[test]
fn a_patch_of_another_field_replaces_nothing() {
    let part = |field: &str, version: u32| {
        format!("{{\"field\":\"{field}\",\"session\":\"u\",\"version\":{version}}}")
    };
    let whole = r#"{"session":"u","version":1}"#;
    let (cart, lang) = (part("cart", 2), part("lang", 3));
    let read = format!("{{\"fields\":{{\"all\":{whole},\"cart\":{cart},\"lang\":{lang}}}}}");
    let request = |process: u32, function: &str, argument: &str, answer: &str| {
        let event = |kind: &str, value: &str| {
            format!(
                "{{\"process\":{process},\"session\":\"u\",\"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"s\",\"value\":{value}}}\n"
            )
        };
        event("invoke", argument) + &event("ok", answer)
    };
    let text = request(0, "create", whole, whole)
        + &request(1, "patch", &cart, &cart)
        + &request(2, "patch", &lang, &lang)
        + &request(3, "read", "null", &read);
    let history = from_text(Format::Native, &text).expect("a history");
    let [_, older, newer, read]: [OpId; 4] =
        history.ids().collect::<Vec<_>>().try_into().expect("four operations");
    let kind = FindingKind::StaleSession;
    let finding = Finding {
        kind,
        key: history.key(read),
        session: history.session(read),
        operations: vec![read, newer, older],
        events: Vec::new(),
        faults: Vec::new(),
        proof: FindingProof::Replaced { read, field: Some("cart".to_owned()), older, newer, shown: newer },
    };
    let violation = Violation {
        kind: AnomalyName::new(kind.name()),
        key: finding.key,
        operations: finding.operations.clone(),
        evidence: Evidence::Finding(Box::new(finding)),
    };
    let question = question_about(Model::Session, &[Property::Finding(kind)]);
    let verdict = Verdict::Violated(vec![violation]);
    let why = assert_refuted(&history, &question, Property::Finding(kind), verdict);
    assert!(why.contains("versions"), "{why}");
}

/// Each order is replayed from the beginning of the history. Two orders of one object, each legal by itself, were confirmed, and so was
/// that a stale read is linearizable.
#[test]
fn two_orders_of_one_object_prove_nothing() {
    let stale = drawn("a: [w1]\nb:      [r_]");
    let parts = |history: &History| -> Vec<Linearization> {
        let one = |id: OpId| Linearization { key: history.key(id), operations: vec![id] };
        history.ids().map(one).collect()
    };
    for level in [Level::Linearizable, Level::TwoAtomic, Level::BoundedStaleness] {
        let property = Property::Level(level);
        let mut question = question_about(Model::Register, &[property]);
        question.staleness = Some(claims::StalenessBound::Versions(1));
        let stale =
            if level == Level::TwoAtomic { &drawn("a: [w1] [w2]\nb:           [r_]") } else { &stale };
        let verdict = Verdict::Holds(Witness::Orders(parts(stale)));
        let why = assert_refuted(stale, &question, property, verdict);
        assert!(why.contains("two orders"), "{level:?}: {why}");
    }
}

/// What a user asserts is about registers. A list shows its order itself, with the reader's own append at its end. It was confirmed that
/// the two contradict each other.
#[test]
fn an_assertion_about_registers_orders_no_appends() {
    let history = drawn("a: [t ax4]\nb:         [t ax5 rx(5)]");
    let [one, other]: [OpId; 2] = history.ids().collect::<Vec<_>>().try_into().expect("two transactions");
    let why = CaseReason::Overwrote(history.micros_of(one)[0].key);
    let cycle = vec![CaseEdge { from: one, to: other, why }, CaseEdge { from: other, to: one, why }];
    let phenomenon = Phenomenon::Impossible(IsolationLevel::Mixed);
    let cases = TransactionEvidence::Cases(vec![CaseStep::new(Vec::new(), cycle)]);
    let anomaly = TransactionAnomaly { phenomenon, count: 1, examples: vec![cases] };
    let mut question = question_about(Model::ListAppend, &[Property::Isolation(IsolationLevel::Mixed)]);
    question.assume.linearizable_keys = true;
    let claim = Report { model: question.model, phenomena: vec![anomaly], ..Report::default() };
    let found = verify(&history, &question, &claim, &claims::Limits::unbounded());
    assert!(matches!(found.phenomena[0], Standing::Refuted(_)), "{found:?}");
}
