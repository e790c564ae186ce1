//! Reports that contradict themselves, or tell their evidence wrongly, or claim what no history shows.
//!
//! A certificate comes from somebody else. Each claim in it may be right by itself and the report still be a lie: the same
//! property twice, a violation whose operations are not those of its evidence, a finding denied beside its proof.

use claims::{
    AnomalyName, Answer, Evidence, FindingKind, Invariant, Level, Linearization, Model, Phenomenon, Property,
    Question, ReadAt, Report, TransactionAnomaly, TransactionEvidence, Verdict, VersionOrder, Violation,
    Witness,
};
use histories::format::{Format, from_text};
use histories::{History, KeyId, OpId, notation};
use testkit::{
    assert_confirmed, assert_refuted, check_all, check_confirmed, claim_standing, question_about, test_limits,
};
use verifier::{Standing, verify};

fn drawn(drawing: &str) -> History {
    notation::parse(drawing).expect("a drawing")
}

fn standings(history: &History, question: &Question, report: &Report) -> Vec<Standing> {
    let found = verify(history, question, report, &claims::Limits::unbounded());
    found.answers.into_iter().chain(found.beside).collect()
}

fn is_refuted(standing: &Standing) -> bool {
    matches!(standing, Standing::Refuted(_))
}

/// One history of each sort that violates something: what is asked, and of which model.
fn violated() -> Vec<(History, Model, Property)> {
    let level = Property::Level;
    let invariant = Property::Invariant;
    let read_all = |lines: &[&str]| from_text(Format::Native, &lines.join("\n")).expect("a history");
    vec![
        (drawn("a: [w1] [w2]\nb:           [r1]"), Model::Register, level(Level::Linearizable)),
        (drawn("a: [enqueue:1] [enqueue:2] [dequeue:2]"), Model::Queue, level(Level::Linearizable)),
        (drawn("a: [w1] [w2]\nb:           [r1] [r2] [r_]"), Model::Register, level(Level::MonotonicReads)),
        (drawn("a: [w1] [r7]"), Model::Register, level(Level::ReadYourWrites)),
        (drawn("a: [w1 ! [r1]"), Model::Register, level(Level::Causal)),
        (drawn("a: [w1]\nb: [w2] [r1] [r2]"), Model::Register, level(Level::CausalMemory)),
        (drawn("a: [w1] [r_]"), Model::Register, level(Level::Sequential)),
        (drawn("a: [generate:1] [generate:1]"), Model::UniqueIds, invariant(Invariant::UniqueIds)),
        (drawn("a: [add:1] [read:5]"), Model::Counter, invariant(Invariant::Counter)),
        (lost_session(), Model::Session, Property::Finding(FindingKind::LostSession)),
        (
            read_all(&[
                r#"{"process":0,"type":"invoke","f":"enqueue","value":1}"#,
                r#"{"process":0,"type":"ok","f":"enqueue","value":1}"#,
                r#"{"process":0,"type":"invoke","f":"drain","value":null}"#,
                r#"{"process":0,"type":"ok","f":"drain","value":[]}"#,
            ]),
            Model::TotalQueue,
            invariant(Invariant::TotalQueue),
        ),
    ]
}

/// Created, found, and then gone, though nobody ended it and it lives for ever.
fn lost_session() -> History {
    let payload = r#"{"bytes":64,"session":"u","version":1}"#;
    let steps = [("create", payload, payload), ("read", "null", payload), ("read", "null", "null")];
    let lines = steps.map(|(f, asked, told)| {
        let event = |kind: &str, value: &str| {
            format!(r#"{{"process":0,"session":"u","type":"{kind}","f":"{f}","key":"s","value":{value}}}"#)
        };
        event("invoke", asked) + "\n" + &event("ok", told)
    });
    from_text(Format::Native, &lines.join("\n")).expect("a history")
}

/// The report about one property that is violated.
fn violated_report(history: &History, question: &Question) -> (Report, Vec<Violation>) {
    let report = check_confirmed(history, question, &test_limits(1_000_000, 1 << 26));
    let Verdict::Violated(found) = report.answers[0].verdict.clone() else { panic!("{report:#?}") };
    (report, found)
}

#[test]
fn one_property_claimed_twice_is_refuted_both_times() {
    let history = drawn("a: [w1] [r1]");
    let report = check_all(&history, Model::Register, &Model::Register.properties());
    let question = question_about(Model::Register, &Model::Register.properties());
    assert_confirmed(&history, &question, &report);
    for at in 0..report.answers.len() {
        for verdict in [report.answers[at].verdict.clone(), Verdict::unknown("nobody looked")] {
            let mut twice = report.clone();
            let again = Answer { verdict, ..report.answers[at].clone() };
            // Among the answers, and beside them.
            twice.beside.push(again.clone());
            let found = standings(&history, &question, &twice);
            assert!(is_refuted(&found[at]) && is_refuted(&found[found.len() - 1]), "{found:?}");
            assert_eq!(found.iter().filter(|found| is_refuted(found)).count(), 2, "{found:?}");
            twice.answers.push(twice.beside.remove(0));
            assert_eq!(standings(&history, &question, &twice), found);
        }
    }
}

#[test]
fn a_property_that_the_model_does_not_have_is_refuted() {
    let history = drawn("a: [w1] [r1]");
    for &model in Model::ALL {
        let question = Question::about(model);
        for property in Property::all().filter(|property| !model.properties().contains(property)) {
            for verdict in
                [Verdict::unknown(""), Verdict::untested(""), Verdict::Holds(Witness::NothingFound)]
            {
                let why = assert_refuted(&history, &question, property, verdict);
                assert!(why.contains("is not a property of"), "{why}");
            }
        }
    }
}

#[test]
fn a_violation_told_of_other_operations_or_another_key_is_refuted() {
    for (history, model, property) in violated() {
        let question = question_about(model, &[property]);
        let (_, found) = violated_report(&history, &question);
        let other = history.ids().find(|id| !found[0].operations.contains(id));
        for change in 0..4 {
            let mut found = found.clone();
            match change {
                0 => _ = found[0].operations.pop(),
                1 => found[0].operations.clear(),
                2 => found[0].operations.extend(other.or(Some(OpId::from_raw(0)))),
                // Of register histories without keys the only key is that of no key.
                _ => found[0].key = KeyId::from_raw(found[0].key.raw() + 1),
            }
            assert_refuted(&history, &question, property, Verdict::Violated(found));
        }
        // No violation, no evidence.
        assert_refuted(&history, &question, property, Verdict::Violated(Vec::new()));
    }
}

/// Not those of linearizability: there a name is a diagnosis, of several that fit a core.
#[test]
fn a_violation_told_by_another_name_is_refuted() {
    for (history, model, property) in violated() {
        if property == Property::Level(Level::Linearizable) {
            continue;
        }
        let question = question_about(model, &[property]);
        let (_, mut found) = violated_report(&history, &question);
        let other = if found[0].kind == "cyclic-versions" { "cyclic-causality" } else { "cyclic-versions" };
        found[0].kind = AnomalyName::new(other);
        assert_refuted(&history, &question, property, Verdict::Violated(found));
    }
}

/// Every property by the witnesses and the evidence of all others.
#[test]
fn evidence_of_another_kind_of_property_is_refuted() {
    let cases = violated();
    for (history, model, property) in &cases {
        let question = question_about(*model, &[*property]);
        let (_, found) = violated_report(history, &question);
        for (other_history, other_model, other) in &cases {
            if std::mem::discriminant(other) == std::mem::discriminant(property) {
                continue;
            }
            let (_, foreign) = violated_report(other_history, &question_about(*other_model, &[*other]));
            let mut found = found.clone();
            found[0].evidence = foreign[0].evidence.clone();
            let fits =
                matches!(&found[0].evidence, Evidence::Core(_)) && matches!(property, Property::Level(_));
            assert!(!fits, "chosen so that none fits");
            assert_refuted(history, &question, *property, Verdict::Violated(found));
        }
        let foreign = [
            Witness::Orders(vec![Linearization { key: KeyId::NONE, operations: Vec::new() }]),
            Witness::Versions(vec![VersionOrder { key: KeyId::NONE, writes: vec![], returned: vec![] }]),
            Witness::NothingFound,
            Witness::Looked(history.len() as u64),
        ];
        // Of findings this is the witness: see below what it is worth.
        let own =
            |witness: &Witness| matches!((property, witness), (Property::Finding(_), Witness::NothingFound));
        for witness in foreign.into_iter().filter(|witness| !own(witness)) {
            assert_refuted(history, &question, *property, Verdict::Holds(witness));
        }
    }
}

const SKEW: &str = "a: [t rx() ay1    ]\nb: [t ry() ax1    ]\nc:                 [t rx(1) ry(1)]";

#[test]
fn a_phenomenon_that_is_named_must_be_in_the_report() {
    let history = drawn(SKEW);
    let property = Property::Isolation(claims::IsolationLevel::Serializable);
    let question = question_about(Model::ListAppend, &[property]);
    let (report, found) = violated_report(&history, &question);
    let refuted = |report: &Report| is_refuted(&standings(&history, &question, report)[0]);
    assert!(!refuted(&report));
    // The example is missing.
    assert!(refuted(&Report { phenomena: Vec::new(), ..report.clone() }));
    // The example is there and has no example.
    let mut empty = report.clone();
    empty.phenomena[0].examples.clear();
    assert!(refuted(&empty));
    // One that is not there is named beside the one that is.
    let mut named = report.clone();
    let phenomenon = Phenomenon::G1a;
    let kind = AnomalyName::new(phenomenon.name());
    let g1a = Violation { kind, evidence: Evidence::Phenomenon(phenomenon), ..found[0].clone() };
    let Verdict::Violated(violations) = &mut named.answers[0].verdict else { unreachable!() };
    violations.push(g1a);
    assert!(refuted(&named));
    // Told of operations of its own, which nothing compares with the examples.
    let mut told = report.clone();
    let Verdict::Violated(violations) = &mut told.answers[0].verdict else { unreachable!() };
    violations[0].operations = history.ids().collect();
    assert!(refuted(&told));
    // A phenomenon that rules the level not out.
    let property = Property::Isolation(claims::IsolationLevel::SnapshotIsolation);
    let mut weaker = report.clone();
    weaker.answers[0].property = property;
    assert!(refuted(&weaker));
    // Phenomena are checked where no answer rests on them.
    let mut alone = Report { answers: Vec::new(), ..report };
    alone.phenomena[0].phenomenon = Phenomenon::LostUpdate;
    let found = verify(&history, &question, &alone, &claims::Limits::unbounded());
    assert!(is_refuted(&found.phenomena[0]), "{found:?}");
}

/// Evidence against transactions that are right, made up from operations that are in the history.
#[test]
fn phenomena_that_are_made_up_are_refuted() {
    let of = |drawing: &str, phenomenon: Phenomenon, example: TransactionEvidence| {
        let history = drawn(drawing);
        let model = testkit::model_of_transactions(&history);
        let phenomena = vec![TransactionAnomaly { phenomenon, count: 1, examples: vec![example] }];
        let report = Report { model, phenomena, ..Report::default() };
        verify(&history, &question_about(model, &[]), &report, &claims::Limits::unbounded())
            .phenomena
            .remove(0)
    };
    let first = OpId::from_raw(0);
    let x = drawn("a: [t wx1]").micros_of(first)[0].key;
    let at = |place| ReadAt { transaction: first, place, key: x };
    // The read of x says what the write of x before it says; the write of y, and an older one of x, are no contradiction.
    let internal = |place, because: &[usize]| TransactionEvidence::Internal {
        read: at(place),
        because: because.to_vec(),
    };
    assert!(is_refuted(&of("a: [t wx1 wy2 rx1]", Phenomenon::Internal, internal(2, &[1]))));
    assert!(is_refuted(&of("a: [t wx1 wx2 rx2]", Phenomenon::Internal, internal(2, &[0]))));
    assert!(is_refuted(&of("a: [t ax1 ax2 rx(1,2)]", Phenomenon::Internal, internal(2, &[0]))));
    assert!(is_refuted(&of("a: [t wx1 rx1]", Phenomenon::Internal, internal(1, &[]))));
    assert_eq!(of("a: [t wx1 wx2 rx1]", Phenomenon::Internal, internal(2, &[1])), Standing::Confirmed);
    // Whoever is named twice updated it once.
    let lost = |transactions: &[u32]| TransactionEvidence::LostUpdate {
        key: x,
        version: None,
        transactions: transactions.iter().copied().map(OpId::from_raw).collect(),
    };
    assert!(is_refuted(&of("a: [t rx_ wx1]", Phenomenon::LostUpdate, lost(&[0, 0]))));
    let two = "a: [t rx_ wx1 ]\nb: [t rx_ wx2 ]";
    assert!(is_refuted(&of(two, Phenomenon::LostUpdate, lost(&[0, 1, 0]))));
    assert_eq!(of(two, Phenomenon::LostUpdate, lost(&[0, 1])), Standing::Confirmed);
}

/// What a finding shows is no evidence for another: so the others can be denied beside it. All of them cannot.
#[test]
fn a_finding_is_denied_beside_its_proof_only_in_vain() {
    let history = lost_session();
    let all: Vec<Property> = FindingKind::ALL.iter().copied().map(Property::Finding).collect();
    let question = question_about(Model::Session, &all);
    let report = check_confirmed(&history, &question, &test_limits(1_000_000, 1 << 26));
    let lost = Property::Finding(FindingKind::LostSession);
    let at = report.answers.iter().position(|answer| answer.property == lost).expect("it was asked");
    assert_eq!(report.answers[at].verdict.name(), "violated", "{report:#?}");
    // Nothing of any kind.
    let mut denied = report.clone();
    denied.answers[at].verdict = Verdict::Holds(Witness::NothingFound);
    let found = standings(&history, &question, &denied);
    assert!(is_refuted(&found[at]), "{found:?}");
    // In one answer it is found, in another one beside it is denied.
    let mut both = report.clone();
    let verdict = Verdict::Holds(Witness::NothingFound);
    both.beside.push(Answer { verdict, ..report.answers[at].clone() });
    let found = standings(&history, &question, &both);
    assert!(is_refuted(&found[at]) && is_refuted(found.last().expect("beside")), "{found:?}");
    // Denied, and nothing said of the others that it might be: it cannot be told which of them it is.
    let only = claim_standing(&history, &question, lost, Verdict::Holds(Witness::NothingFound));
    assert!(matches!(only, Standing::Partly(_)), "{only:?}");
}

#[test]
fn untested_is_refuted_where_an_answer_could_have_been_wrong() {
    use claims::IsolationLevel as L;
    let untested = || Verdict::untested("no operation succeeded whose answer could have been wrong");
    let cases = [
        (Model::Register, "a: [w1] [r1]", "a: [w1] [w2] [r1 ?"),
        (Model::CasRegister, "a: [w1] [c1>2]", "a: [w1] [c1>2 !"),
        (Model::ListAppend, "a: [t ax1] [t rx(1)]", "a: [t ax1] [t rx(1) ?"),
        (Model::RwRegister, "a: [t wx1 rx1]", "a: [t wx1]"),
        (Model::Queue, "a: [enqueue:1] [dequeue:1]", "a: [enqueue:1] [dequeue:1 !"),
        (Model::Mutex, "a: [acquire]", "a: [acquire ?"),
        (Model::UniqueIds, "a: [generate:1] [generate:2]", "a: [generate:1]"),
        (Model::Register, "a: [r_]", ""),
    ];
    for (model, told, silent) in cases {
        for property in model.properties() {
            let question = question_about(model, &[property]);
            // No read contradicts monotonic-writes by itself; a compare-and-set can. No read of a register contradicts read-uncommitted.
            let beside = match property {
                Property::Level(Level::MonotonicWrites) if model == Model::Register => {
                    Some(Property::Level(Level::Session))
                }
                Property::Isolation(
                    L::ReadUncommitted | L::StrongSessionReadUncommitted | L::StrongReadUncommitted,
                ) if model == Model::RwRegister => Some(Property::Isolation(L::ReadCommitted)),
                _ => None,
            };
            if let Some(other) = beside {
                let found = claim_standing(&drawn(told), &question, property, untested());
                assert_eq!(found, Standing::Confirmed);
                let beside = question_about(model, &[property, other]);
                assert_refuted(&drawn(told), &beside, property, untested());
            } else {
                assert_refuted(&drawn(told), &question, property, untested());
            }
            let found = claim_standing(&drawn(silent), &question, property, untested());
            assert_eq!(found, Standing::Confirmed, "{silent} {}", property.name());
        }
    }
}

/// A finding that the history has no record of is untested whatever was answered.
#[test]
fn findings_without_a_record_are_untested() {
    let history = lost_session();
    let unrecorded: &[FindingKind] = &[
        FindingKind::LostWrite,
        FindingKind::ResurrectedSession,
        FindingKind::ExpiredEarly,
        FindingKind::ExpiredLate,
        FindingKind::OldIdAlive,
        FindingKind::DuplicatedAction,
        FindingKind::LostAction,
        FindingKind::ClockWentBack,
        FindingKind::AuditMissing,
        FindingKind::AuditDuplicated,
        FindingKind::AuditForged,
        FindingKind::DivergentReplicas,
        FindingKind::LostUpdate,
        FindingKind::ConnectionNotResumed,
        FindingKind::LostMessage,
        FindingKind::DuplicatedMessage,
    ];
    let question = Question::about(Model::Session);
    for &kind in FindingKind::ALL {
        let found = claim_standing(&history, &question, Property::Finding(kind), Verdict::untested(""));
        assert_eq!(found == Standing::Confirmed, unrecorded.contains(&kind), "{}: {found:?}", kind.name());
    }
}

/// Nothing is claimed by *unknown*, so that nothing can be wrong with it.
#[test]
fn unknown_claims_nothing() {
    for (history, model, _) in violated() {
        for property in model.properties() {
            let found =
                claim_standing(&history, &Question::about(model), property, Verdict::unknown("a limit"));
            assert_eq!(found, Standing::Confirmed);
        }
    }
}

/// A level that leans on real time cannot be claimed either way of a history without it.
#[test]
fn real_time_cannot_be_claimed_of_a_history_without_it() {
    let text = "{\"steadfast\":1,\"real_time\":false}\n\
        {\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":1}\n{\"process\":0,\"type\":\"ok\",\"f\":\"write\",\"value\":1}\n\
        {\"process\":1,\"type\":\"invoke\",\"f\":\"read\"}\n{\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"value\":1}\n";
    let without = from_text(Format::Native, text).expect("a history");
    let with = from_text(Format::Native, text.split_once('\n').expect("lines").1).expect("a history");
    let property = Property::Level(Level::Linearizable);
    let report = check_all(&with, Model::Register, &[property]);
    let verdict = report.answers[0].verdict.clone();
    assert_eq!(verdict.name(), "holds");
    let why = assert_refuted(&without, &question_about(Model::Register, &[property]), property, verdict);
    assert!(why.contains("real time"), "{why}");
}

/// Levels that are witnessed by the same orders are checked together. Orders that break one of them must not take the others
/// along, and must not be confirmed for it because they are right for the others.
#[test]
fn orders_shared_by_levels_are_judged_for_each_level() {
    // The session reads 2, and then 1 again. If 1 came first, monotonic reads is broken and read your writes is not.
    let history = drawn("a: [w1]\nb:      [w2]\nc:           [r2] [r1]");
    let levels = [Level::ReadYourWrites, Level::MonotonicReads, Level::MonotonicWrites];
    let question = question_about(Model::Register, &levels.map(Property::Level));
    let order = |writes: [u32; 2]| {
        let writes = writes.map(OpId::from_raw).to_vec();
        Verdict::Holds(Witness::Versions(vec![VersionOrder {
            key: KeyId::NONE,
            writes,
            returned: Vec::new(),
        }]))
    };
    let report = |verdicts: [Verdict; 3]| {
        let answers = levels.into_iter().zip(verdicts).map(|(level, verdict)| Answer {
            property: Property::Level(level),
            method: "version-graph".to_owned(),
            verdict,
            counts: Vec::new(),
        });
        Report { model: Model::Register, answers: answers.collect(), ..Report::default() }
    };
    let refuted = |verdicts| {
        let found = standings(&history, &question, &report(verdicts));
        found.iter().map(is_refuted).collect::<Vec<bool>>()
    };
    let (first_is_1, first_is_2) = (|| order([0, 1]), || order([1, 0]));
    assert_eq!(refuted([first_is_1(), first_is_1(), first_is_1()]), [false, true, false]);
    // The other order fits all three, and each may have an order of its own.
    assert_eq!(refuted([first_is_2(), first_is_2(), first_is_2()]), [false, false, false]);
    assert_eq!(refuted([first_is_1(), first_is_2(), first_is_1()]), [false, false, false]);
}
