//! Forged claims about transactions that declare levels: each breaks one condition of the definition, and must be refuted.

use claims::{
    CaseEdge, CaseReason, CaseStep, IsolationLevel, MixedExecution, Phenomenon, Property, Question,
    TransactionAnomaly, TransactionEvidence, TransactionPoint, TransactionWitness, Verdict, Violation,
    Witness,
};
use histories::notation::parse;
use histories::{History, MicroKind, OpId};
use std::sync::Arc;
use testkit::{assert_refuted, claim_standing, model_of_transactions, question_about};
use verifier::Standing;

const MIXED: Property = Property::Isolation(IsolationLevel::Mixed);

fn question_of(history: &History) -> Question {
    question_about(model_of_transactions(history), &[MIXED])
}

/// Points as text: `b0 c0` are the begin point and the commit of operation 0.
fn witness(points: &str) -> Verdict {
    let point = |text: &str| {
        let id = OpId::from_raw(text[1..].parse().expect("a number"));
        if text.starts_with('b') { TransactionPoint::Begin(id) } else { TransactionPoint::Commit(id) }
    };
    let points = points.split_whitespace().map(point).collect();
    Verdict::Holds(Witness::Transactions(TransactionWitness::Mixed(Arc::new(MixedExecution {
        points,
        elements: Vec::new(),
    }))))
}

#[test]
fn a_witness_must_explain_each_transaction_at_its_own_level() {
    // A drawing, an order that explains it, and one that does not.
    let cases = [
        // Serializable: the newest version at the commit.
        ("a: [t wx1] [t wx2] [t:serializable rx2]", "b0 c0 b1 c1 b2 c2", "b0 c0 b2 c2 b1 c1"),
        // Repeatable read: the same.
        ("a: [t wx1] [t wx2] [t:repeatable-read rx1]", "b0 c0 b2 c2 b1 c1", "b0 c0 b1 c1 b2 c2"),
        // Read committed: an older version, but none that is yet to come.
        ("a: [t wx1] [t wx2] [t:read-committed rx1]", "b0 c0 b1 c1 b2 c2", "b2 c2 b0 c0 b1 c1"),
        // A snapshot: the version at the begin point.
        ("a: [t wx1] [t wx2] [t:snapshot-isolation rx1]", "b0 c0 b2 b1 c1 c2", "b0 c0 b1 c1 b2 c2"),
        // Nobody commits a write to what a snapshot writes before it commits.
        ("a: [t:snapshot-isolation rx_ wx1] [t:read-committed wx2]", "b0 c0 b1 c1", "b0 b1 c1 c0"),
        // Nothing is asked of reads at read uncommitted, but the lists have the elements in the order of commits.
        ("a: [t ax1] [t ax2] [t:read-uncommitted rx(2,1)]", "b1 c1 b0 c0 b2 c2", "b0 c0 b1 c1 b2 c2"),
        // An own append directly follows the version that was read.
        ("a: [t:read-committed ax1 rx(1)] [t ax2]", "b0 c0 b1 c1", "b1 c1 b0 c0"),
        // An indeterminate transaction is there if more than a dirty read shows its append.
        ("a: [t ax1 ?\nb:          [t:read-committed rx(1)]", "b0 c0 b1 c1", "b1 c1"),
        // All transactions are there.
        ("a: [t:read-uncommitted rx9] [t wx1]", "b1 c1 b0 c0", "b1 c1"),
        ("a: [t:read-uncommitted rx9] [t wx1]", "b0 c0 b1 c1", "b0 c0 c1"),
    ];
    for (drawing, right, wrong) in cases {
        let history = parse(drawing).expect("a drawing");
        let question = question_of(&history);
        assert_eq!(
            claim_standing(&history, &question, MIXED, witness(right)),
            Standing::Confirmed,
            "{drawing}"
        );
        assert_refuted(&history, &question, MIXED, witness(wrong));
    }
}

/// No order explains these reads above read uncommitted.
#[test]
fn a_witness_of_reads_that_nothing_committed_is_refuted() {
    for level in ["read-committed", "repeatable-read", "snapshot-isolation", "serializable"] {
        for (micros, other) in [("rx9", "wx1"), ("wx2 rx1", "wx1"), ("rx(1)", "ax1 ax3"), ("ax2 rx()", "ax1")]
        {
            let history = parse(&format!("a: [t {other}] [t:{level} {micros}]")).expect("a drawing");
            for points in ["b0 c0 b1 c1", "b1 c1 b0 c0"] {
                assert_refuted(&history, &question_of(&history), MIXED, witness(points));
            }
        }
    }
}

fn cycle(edges: &[(u32, u32, CaseReason)]) -> TransactionAnomaly {
    let edge = |&(from, to, why): &(u32, u32, CaseReason)| CaseEdge {
        from: OpId::from_raw(from),
        to: OpId::from_raw(to),
        why,
    };
    let step = CaseStep::new(Vec::new(), edges.iter().map(edge).collect());
    TransactionAnomaly {
        phenomenon: Phenomenon::Impossible(IsolationLevel::Mixed),
        count: 1,
        examples: vec![TransactionEvidence::Cases(vec![step])],
    }
}

fn is_refuted(history: &History, anomaly: TransactionAnomaly) -> bool {
    let phenomenon = anomaly.phenomenon;
    let violation = Violation {
        kind: claims::AnomalyName::new(phenomenon.name()),
        key: histories::KeyId::NONE,
        operations: Vec::new(),
        evidence: claims::Evidence::Phenomenon(phenomenon),
    };
    let question = question_of(history);
    let mut report = testkit::forge_report(&question, MIXED, Verdict::Violated(vec![violation]));
    report.phenomena.push(anomaly);
    let verification = verifier::verify(history, &question, &report, &claims::Limits::unbounded());
    matches!(verification.answers[0], Standing::Refuted(_))
}

/// Write skew counts only if both transactions ask that no read misses anything.
#[test]
fn a_cycle_counts_only_the_edges_that_its_transactions_ask_for() {
    let missed = |place| CaseReason::Missed { place, writer: None };
    let edges = [(0, 1, missed(0)), (1, 0, missed(0))];
    let levels =
        ["read-uncommitted", "read-committed", "snapshot-isolation", "repeatable-read", "serializable"];
    for one in levels {
        for other in levels {
            let drawing = format!("a: [t:{one} rx_ wy1]\nb: [t:{other} ry_ wx1]");
            let history = parse(&drawing).expect("a drawing");
            let serial = |level: &str| matches!(level, "repeatable-read" | "serializable");
            let stands = serial(one) && serial(other);
            assert_eq!(is_refuted(&history, cycle(&edges)), !stands, "{drawing}");
        }
    }
    // Two transactions that read from one another.
    let read = |place| CaseReason::Read(place);
    for (level, stands) in [("read-uncommitted", false), ("read-committed", true), ("serializable", true)] {
        let history =
            parse(&format!("a: [t:{level} wx1 ry1]\nb: [t:read-committed wy1 rx1]")).expect("a drawing");
        let edges = [(0, 1, read(1)), (1, 0, read(1))];
        assert_eq!(is_refuted(&history, cycle(&edges)), !stands, "{level}");
    }
    // A list that a reader at read uncommitted saw shows an order, but not the contrary one.
    let history =
        parse("a: [t ax1 ay1]\nb: [t ax2 ay2]\nc: [t:read-uncommitted rx(1,2) ry(2,1)]").expect("a drawing");
    let [x, y] =
        [1, 2].map(|at| history.ids().next().map(|id| history.micros_of(id)[at - 1].key).expect("a key"));
    let overwrote = CaseReason::Overwrote;
    assert!(!is_refuted(&history, cycle(&[(0, 1, overwrote(x)), (1, 0, overwrote(y))])));
    assert!(is_refuted(&history, cycle(&[(0, 1, overwrote(x)), (1, 0, overwrote(x))])));
    assert!(is_refuted(&history, cycle(&[(0, 1, overwrote(y)), (1, 0, overwrote(y))])));
}

/// Read-committed permits that the reader missed one write of a transaction and then read the other one. A read that follows an own
/// append shows where the append stands; one that follows another read shows nothing.
#[test]
fn at_read_committed_a_read_after_a_read_misses_nothing() {
    for (drawing, is_right) in [
        ("a: [t ax1 ay1]\nb: [t:read-committed rx() rx() ry(1)]", false),
        ("a: [t ax1 ay1]\nb: [t:read-committed az2 rx() ry(1)]", false),
        (
            "a: [t ax1 ay1]\nb: [t:read-committed ax2 rx(2) ry(1)]\nc:                                     [t rx(2,1)]",
            true,
        ),
    ] {
        let history = parse(drawing).expect("a drawing");
        let (reader, writer) = (OpId::from_raw(1), OpId::from_raw(0));
        let missed = CaseReason::Missed { place: 1, writer: None };
        let cycle = vec![
            CaseEdge { from: reader, to: writer, why: missed },
            CaseEdge { from: writer, to: reader, why: CaseReason::Read(2) },
        ];
        assert_eq!(
            standing_of_steps(
                &history,
                vec![CaseStep { assumed: Vec::new(), cycle, unexplained: Vec::new() }]
            ),
            is_right,
            "{drawing}"
        );
    }
}

/// The list has one 1. The transaction that nobody answered may have appended another one later, or never. It had to be in the witness, so
/// that `check` ended with an internal error.
#[test]
fn an_equal_append_of_another_transaction_need_not_have_happened() {
    let history = parse(
        "a: [t:read-committed ax1]\nb: [t:read-uncommitted ax1 ?\nc:                                [t:read-committed rx(1)]",
    );
    let history = history.expect("a drawing");
    for right in ["b0 c0 b2 c2", "b0 c0 b2 c2 b1 c1", "b1 c1 b2 c2 b0 c0"] {
        let found = claim_standing(&history, &question_of(&history), MIXED, witness(right));
        assert_eq!(found, Standing::Confirmed, "{right}");
    }
    for wrong in ["b2 c2 b0 c0", "b1 c1 b2 c2"] {
        assert_refuted(&history, &question_of(&history), MIXED, witness(wrong));
    }
}

/// What is read at read-uncommitted may be anything.
#[test]
fn a_read_of_nothing_at_read_uncommitted_contradicts_nothing() {
    for (drawing, is_right) in
        [("a: [t:read-uncommitted rx9] [t wx1]", false), ("a: [t:read-committed rx9] [t wx1]", true)]
    {
        let history = parse(drawing).expect("a drawing");
        let steps = vec![CaseStep { assumed: Vec::new(), cycle: Vec::new(), unexplained: Vec::new() }];
        assert_eq!(standing_of_steps(&history, steps), is_right, "{drawing}");
    }
}

/// Whether a proof is confirmed that the history violates the levels that its transactions declare.
fn standing_of_steps(history: &History, steps: Vec<CaseStep>) -> bool {
    let phenomenon = Phenomenon::Impossible(IsolationLevel::Mixed);
    let anomaly =
        TransactionAnomaly { phenomenon, count: 1, examples: vec![TransactionEvidence::Cases(steps)] };
    let question = question_of(history);
    let report =
        claims::Report { model: question.model, phenomena: vec![anomaly], ..claims::Report::default() };
    let found = verifier::verify(history, &question, &report, &claims::Limits::unbounded());
    found.phenomena[0] == Standing::Confirmed
}

/// A dirty read shows the append of a transaction that nobody answered. It may have failed: then it has no place in the order. It had
/// to have one, so that `check` reported violations that were none.
#[test]
fn what_only_a_dirty_read_shows_need_not_have_committed() {
    let drawing = |other: &str| {
        format!(
            "a: [t:read-uncommitted rx(3)]
             b: [t ax3 ?
             c:                            [t rx() ax2]
             d: [{other}]"
        )
    };
    let history = parse(&drawing("t rz_")).expect("a drawing");
    let [open, last] = ["ax3", "ax2"].map(|append| transaction_with(&history, append));
    let x = history.micros_of(open)[0].key;
    let edges = [
        (open.raw(), last.raw(), CaseReason::Overwrote(x)),
        (last.raw(), open.raw(), CaseReason::Missed { place: 0, writer: None }),
    ];
    assert!(is_refuted(&history, cycle(&edges)));
    // A transaction that may only read what was committed saw it too.
    let history = parse(&drawing("t:read-committed rx(3)")).expect("a drawing");
    assert!(!is_refuted(&history, cycle(&edges)));
    // Without it, and with it at a place that suits everyone.
    let history = parse("a: [t ax1 ?\nb:          [t:read-uncommitted rx(1)]").expect("a drawing");
    for right in ["b1 c1", "b0 c0 b1 c1", "b1 c1 b0 c0"] {
        let found = claim_standing(&history, &question_of(&history), MIXED, witness(right));
        assert_eq!(found, Standing::Confirmed, "{right}");
    }
}

/// The transaction that appends an element, given as in a drawing of one digit.
fn transaction_with(history: &History, append: &str) -> OpId {
    let is_it = |id: &OpId| {
        let appends = history.micros_of(*id).iter().filter(|micro| micro.kind == MicroKind::Append);
        let mut texts = appends
            .map(|micro| format!("a{}{}", history.key_text(micro.key), history.value_text(micro.value())));
        texts.any(|text| text == append)
    };
    history.ids().find(is_it).expect("one appends it")
}
