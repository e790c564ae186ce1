//! The serialized form of a report is the certificate. What is read back must be what was written, for every kind of claim:
//! a field that does not survive would make a certificate of a right verdict fail, or worse, stand for another claim.

use claims::{
    AnomalyName, Answer, BreachEvidence, CausalProofStep, CausalRefutation, Evidence, Finding, FindingKind,
    FindingProof, Invariant, LinkReason, Model, Phenomenon, Property, Question, ReadAt, Report,
    TransactionAnomaly, TransactionEvidence, Verdict, VersionEvidence, VersionProofStep, VersionStep,
    Violation, Witness,
};
use histories::{History, OpId, notation, with_names};
use std::collections::BTreeSet;
use testkit::corpus::corpus_cases;
use testkit::transactions::{KeyType, random_history};
use testkit::{
    TestRandom, assert_confirmed, check_confirmed, isolation_properties, model_of_transactions, test_limits,
};

/// The report as it is after it was written and read, by the names of its history.
fn written_and_read(history: &History, report: &Report) -> Report {
    with_names(history, || {
        let text = serde_json::to_string(report).expect("it can be written");
        serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"))
    })
}

/// What a report has, by kinds of claims.
fn kinds(report: &Report) -> Vec<String> {
    let answers = report.answers.iter().chain(&report.beside);
    let mut kinds: Vec<String> = answers.flat_map(kinds_of_answer).collect();
    let examples = report.phenomena.iter().flat_map(|anomaly| &anomaly.examples);
    kinds.extend(examples.map(|example| format!("example {}", name(example))));
    kinds
}

fn kinds_of_answer(answer: &Answer) -> Vec<String> {
    match &answer.verdict {
        Verdict::Holds(Witness::Transactions(witness)) => vec![format!("witness {}", name(witness))],
        Verdict::Holds(witness) => vec![format!("witness {}", name(witness))],
        Verdict::Violated(found) => {
            found.iter().flat_map(|found| kinds_of_evidence(&found.evidence)).collect()
        }
        Verdict::Untested(_) | Verdict::Unknown(_) => vec![answer.verdict.name().to_owned()],
    }
}

fn kinds_of_evidence(evidence: &Evidence) -> Vec<String> {
    match evidence {
        Evidence::Finding(found) => vec![format!("finding {}", name(&found.proof))],
        Evidence::Breach(breach) => vec![format!("breach {}", name(breach))],
        Evidence::Cycle(found) => found.proof.iter().map(|step| format!("version {}", name(step))).collect(),
        Evidence::Causal(found) => found.proof.iter().map(|step| format!("causal {}", name(step))).collect(),
        Evidence::Core(_) | Evidence::Phenomenon(_) => vec![format!("evidence {}", name(evidence))],
    }
}

/// The name of a variant.
fn name(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.chars().take_while(|sign| sign.is_alphanumeric()).collect()
}

/// All kinds of claims that the corpus and some random transactions have. One that is not listed here and comes up, or is
/// listed and does not, fails the test: nothing is skipped in silence. The others are in
/// [`what_the_corpus_does_not_have_is_read_back`].
const KINDS: &[&str] = &[
    "breach Backwards",
    "breach Bounds",
    "breach Fork",
    "breach Missing",
    "breach Repeated",
    "breach Reversed",
    "breach SameId",
    "breach Total",
    "breach Undelivered",
    "causal Contradiction",
    "causal Split",
    "evidence Core",
    "evidence Phenomenon",
    "example AbortedRead",
    "example AppendsOutOfOrder",
    "example Cases",
    "example Cycle",
    "example DirtyUpdate",
    "example FutureRead",
    "example GarbageRead",
    "example IncompatibleOrder",
    "example IncompatibleOwnAppends",
    "example IntermediateRead",
    "example Internal",
    "example Lemmas",
    "example LostUpdate",
    "finding Back",
    "finding BroughtAgain",
    "finding Differ",
    "finding Entries",
    "finding Foreign",
    "finding Gone",
    "finding NotResumed",
    "finding OutOfOrder",
    "finding Overdue",
    "finding Overwritten",
    "finding Repeated",
    "finding Replaced",
    "finding Skipped",
    "finding ToldEarlier",
    "finding Unasked",
    "finding Unborn",
    "finding Uncleared",
    "finding Undone",
    "finding Unwritten",
    "unknown",
    "untested",
    "version Cycle",
    "version Split",
    "witness Actions",
    "witness Causal",
    "witness CommitOrder",
    "witness Execution",
    "witness Looked",
    "witness Mixed",
    "witness NothingFound",
    "witness Orders",
    "witness Prefixes",
    "witness Serial",
    "witness Snapshots",
    "witness Sources",
    "witness Versions",
];

#[test]
fn reports_are_read_back_as_they_were_written() {
    let mut seen = BTreeSet::new();
    for case in corpus_cases() {
        let report = checker::check(&case.history, &case.question, &test_limits(10_000_000, 1 << 30));
        let report = report.unwrap_or_else(|why| panic!("{}: {why}", case.name));
        assert_eq!(written_and_read(&case.history, &report), report, "{}", case.name);
        seen.extend(kinds(&report));
    }
    for (kind, seed) in
        [KeyType::List, KeyType::Register].into_iter().flat_map(|kind| (0..400).map(move |n| (kind, n)))
    {
        let history = random_history(&mut TestRandom::new(seed), kind);
        let question = testkit::question_about(
            model_of_transactions(&history),
            &isolation_properties(claims::IsolationLevel::ALL),
        );
        let report = check_confirmed(&history, &question, &test_limits(100_000, 1 << 30));
        let read = written_and_read(&history, &report);
        assert_eq!(read, report, "{kind:?} {seed}");
        assert_confirmed(&history, &question, &read);
        seen.extend(kinds(&report));
    }
    // Elsewhere, what nothing could contradict counts as holding.
    let history = histories::notation::parse("a: [w1]").expect("a drawing");
    let asked = [claims::Property::Level(claims::Level::Linearizable)];
    let question = testkit::question_about(claims::Model::Register, &asked);
    let question = claims::Question { accept_untested: false, ..question };
    let report = check_confirmed(&history, &question, &test_limits(1_000, 1 << 20));
    assert_eq!(written_and_read(&history, &report), report);
    seen.extend(kinds(&report));
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, KINDS);
}

/// Splits into cases, and orders that are assumed, need histories whose values repeat.
#[test]
fn proofs_by_cases_are_read_back() {
    let drawing = "a: [w1] [w2] [w1]\nb:                [r1] [r2] [r1] [r2]";
    let history = notation::parse(drawing).expect("a drawing");
    let report = testkit::check_all(&history, Model::Register, &Model::Register.properties());
    assert_eq!(written_and_read(&history, &report), report);
    let evidence = || {
        report.answers.iter().flat_map(|answer| match &answer.verdict {
            Verdict::Violated(found) => found.as_slice(),
            _ => &[],
        })
    };
    let splits = |evidence: &Evidence| match evidence {
        Evidence::Cycle(found) => {
            found.proof.iter().any(|step| matches!(step, VersionProofStep::Split { .. }))
        }
        _ => false,
    };
    assert!(evidence().any(|found| splits(&found.evidence)), "{report:#?}");
    let inferred = |evidence: &Evidence| match evidence {
        Evidence::Causal(found) => found.proof.iter().any(|step| match step {
            CausalProofStep::Contradiction(found) => {
                found.cycle.iter().any(|link| matches!(link.why, LinkReason::Inferred(_)))
            }
            _ => false,
        }),
        _ => false,
    };
    assert!(evidence().any(|found| inferred(&found.evidence)), "{report:#?}");
}

/// Kinds of claims that no history of the corpus leads to. Whether they are true is not asked here.
#[test]
fn what_the_corpus_does_not_have_is_read_back() {
    let history = notation::parse("a: [x.w1] [x.r1] [x.w2]").expect("a drawing");
    let [one, other, third] = [0, 1, 2].map(OpId::from_raw);
    let (key, session) = (history.key(one), history.session(one));
    let value = history.operation(one).value();
    let breaches = [
        BreachEvidence::Balance { read: other, account: "\"a\"".to_owned(), balance: None },
        BreachEvidence::Balance { read: other, account: "0".to_owned(), balance: Some(i64::MIN) },
        BreachEvidence::Doubled { element: "[1,null]".to_owned(), read: other, times: 2 },
        BreachEvidence::Unwritten { element: "1".to_owned(), read: other, writer: Some(one) },
        BreachEvidence::Unwritten { element: "1".to_owned(), read: other, writer: None },
    ];
    let proofs = [
        FindingProof::EndedTwice { one, other },
        FindingProof::BackToBirth { read: other, field: Some("cart".to_owned()), birth: one, shown: third },
        FindingProof::BackToBirth { read: other, field: None, birth: one, shown: third },
        FindingProof::NoList { read: other },
    ];
    let finding = |proof: FindingProof| Finding {
        kind: FindingKind::StaleSession,
        key,
        session,
        operations: proof.involved_operations(),
        events: vec![0, 7],
        faults: vec![3],
        proof,
    };
    let order = CausalRefutation { proof: vec![CausalProofStep::Order { a: one, b: third }] };
    let evidence = breaches.map(Evidence::Breach).into_iter();
    let evidence = evidence.chain(proofs.map(|proof| Evidence::Finding(Box::new(finding(proof)))));
    let violation = |evidence| {
        let (kind, operations) = (AnomalyName::new("lost"), vec![other, one]);
        Violation { kind, key, operations, evidence }
    };
    let violations = evidence.chain([Evidence::Causal(order)]).map(violation).collect();
    let read = ReadAt { transaction: one, place: 3, key };
    let step = |earlier, later| VersionStep { earlier, later, order: VersionEvidence::LinearizableKeys };
    let steps = vec![step(None, Some(value)), step(Some(value), None)];
    let examples = vec![
        TransactionEvidence::DuplicateElement { read, value },
        TransactionEvidence::CyclicVersions { key, steps },
    ];
    let phenomena =
        vec![TransactionAnomaly { phenomenon: Phenomenon::CyclicVersions, count: u64::MAX, examples }];
    let property = Property::Invariant(Invariant::Set);
    let mut report = Report {
        phenomena,
        remarks: vec!["a remark".to_owned()],
        ..testkit::forge_report(&Question::about(Model::Set), property, Verdict::Violated(violations))
    };
    report.answers[0].counts.push((AnomalyName::new("lost"), 3));
    report.beside.push(Answer { verdict: Verdict::untested("why"), ..report.answers[0].clone() });
    assert_eq!(written_and_read(&history, &report), report);
}

/// Sums of a bank and of a counter are wider than 64 bits, because what is added up is not.
#[test]
fn sums_beyond_64_bits_are_read_back() {
    let history = notation::parse("a: [add:1] [read:2]").expect("a drawing");
    let wide = i128::from(i64::MAX) * 4;
    let read = OpId::from_raw(1);
    let evidence = BreachEvidence::Bounds { read, value: wide, least: -wide, most: wide + 1 };
    let violation = Violation {
        kind: AnomalyName::new("out-of-bounds"),
        key: history.key(read),
        operations: evidence.involved_operations(),
        evidence: Evidence::Breach(evidence),
    };
    let question = Question::about(Model::Counter);
    let verdict = Verdict::Violated(vec![violation]);
    let report = testkit::forge_report(&question, Property::Invariant(Invariant::Counter), verdict);
    assert_eq!(written_and_read(&history, &report), report);
}

/// An operation, key or value that the history does not have is no reason to look elsewhere.
#[test]
fn a_certificate_of_another_history_is_not_read() {
    let history = notation::parse("a: [x.w1] [x.r1]").expect("a drawing");
    let report = testkit::check_all(&history, Model::Register, &Model::Register.properties());
    let text = with_names(&history, || serde_json::to_string(&report)).expect("it can be written");
    for other in ["a: [x.w1]", "a: [y.w1] [y.r1]"] {
        let other = notation::parse(other).expect("a drawing");
        let read = with_names(&other, || serde_json::from_str::<Report>(&text));
        assert!(read.is_err(), "{}", testkit::draw_history(&other));
    }
}

/// A question is part of a certificate: the same evidence proves another thing of other initial values.
#[test]
fn questions_are_read_back() {
    for &model in Model::ALL {
        let mut question = Question { asked: Some(model.properties()), ..Question::about(model) };
        question.initial.set_default("{\"b\":1,\"a\":[null]}").expect("it is JSON");
        question.initial.set_for_key("\"x\"", "-7").expect("it is JSON");
        question.sessions.time_to_live_ns = Some(5);
        question.bank.total = Some(-1);
        let text = serde_json::to_string(&question).expect("it can be written");
        assert_eq!(serde_json::from_str::<Question>(&text).expect("it can be read"), question);
    }
}
