//! Evidence of one level held up for another: none may be confirmed for a level whose verdict is the contrary.
//!
//! A proof by cases is right only for the level whose formula forbids its cycles, and an order only for the level whose formula it
//! meets. A verifier that forgot to look at the formula would confirm all of these, and would pass every test of right evidence.

use checker::{
    AnomalyName, Answer, Evidence, IsolationLevel, Phenomenon, Property, Report, TransactionAnomaly,
    TransactionEvidence, TransactionWitness, Verdict, Violation, Witness,
};

use histories::{History, KeyId};
use testkit::transactions::{
    KeyType, history_of_repeated_elements, history_of_repeated_values, random_history,
};
use testkit::{
    TestRandom, check_confirmed, isolation_properties, model_of_transactions, question_about, test_limits,
};
use verifier::Standing;

fn answer(level: IsolationLevel, verdict: Verdict) -> Answer {
    Answer { property: Property::Isolation(level), method: "forged".to_owned(), verdict, counts: Vec::new() }
}

/// Where the claim stands that no execution of a level explains the history, by a proof about another.
fn claimed_impossible(
    history: &History,
    report: &Report,
    level: IsolationLevel,
    examples: &[TransactionEvidence],
) -> Standing {
    let phenomenon = Phenomenon::Impossible(level);
    let violation = Violation {
        kind: AnomalyName::new(phenomenon.name()),
        key: KeyId::NONE,
        operations: Vec::new(),
        evidence: Evidence::Phenomenon(phenomenon),
    };
    let claim = Report {
        model: report.model,
        answers: vec![answer(level, Verdict::Violated(vec![violation]))],
        phenomena: vec![TransactionAnomaly { phenomenon, count: 1, examples: examples.to_vec() }],
        ..Report::default()
    };
    let question = question_about(report.model, &isolation_properties(&[level]));
    verifier::verify(history, &question, &claim, &test_limits(1, 1)).answers.remove(0)
}

fn claimed_holding(
    history: &History,
    report: &Report,
    level: IsolationLevel,
    witness: TransactionWitness,
) -> Standing {
    let answers = vec![answer(level, Verdict::Holds(Witness::Transactions(witness)))];
    let claim = Report { model: report.model, answers, ..Report::default() };
    let question = question_about(report.model, &isolation_properties(&[level]));
    verifier::verify(history, &question, &claim, &test_limits(1, 1)).answers.remove(0)
}

#[test]
fn evidence_of_one_level_is_none_of_another_with_the_contrary_verdict() {
    let (mut proofs, mut orders) = (0, 0);
    for seed in 0..1_500 {
        let mut random = TestRandom::new(seed);
        let history = match seed % 4 {
            0 => random_history(&mut random, KeyType::List),
            1 => random_history(&mut random, KeyType::Register),
            2 => history_of_repeated_elements(&mut random),
            _ => history_of_repeated_values(&mut random),
        };
        let question =
            question_about(model_of_transactions(&history), &isolation_properties(IsolationLevel::ALL));
        let report = check_confirmed(&history, &question, &test_limits(100_000, 1 << 30));
        let levels = |name: &str| -> Vec<IsolationLevel> {
            let same = report.answers.iter().filter(|answer| answer.verdict.name() == name);
            let level = |answer: &Answer| match answer.property {
                Property::Isolation(level) => level,
                other => panic!("nobody asked for {}", other.name()),
            };
            same.map(level).collect()
        };
        for anomaly in &report.phenomena {
            if !matches!(anomaly.phenomenon, Phenomenon::Impossible(_)) {
                continue;
            }
            for level in levels("holds") {
                let standing = claimed_impossible(&history, &report, level, &anomaly.examples);
                assert!(matches!(standing, Standing::Refuted(_)), "seed {seed}: {level:?} by {anomaly:?}");
                proofs += 1;
            }
        }
        for found in &report.answers {
            let Verdict::Holds(Witness::Transactions(TransactionWitness::Execution(_, order))) =
                &found.verdict
            else {
                continue;
            };
            for level in levels("violated") {
                let witness = TransactionWitness::Execution(level, order.clone());
                let standing = claimed_holding(&history, &report, level, witness);
                assert!(matches!(standing, Standing::Refuted(_)), "seed {seed}: {level:?} by {found:?}");
                orders += 1;
            }
        }
    }
    assert!(proofs > 500 && orders > 500, "{proofs} proofs and {orders} orders were held up");
}

/// A proof without one of its steps, or a cycle without one of its edges, shows nothing.
#[test]
fn a_proof_that_lacks_something_is_refuted() {
    let mut tried = 0;
    for seed in 0..2_000 {
        let history = history_of_repeated_values(&mut TestRandom::new(seed));
        let question =
            question_about(model_of_transactions(&history), &isolation_properties(IsolationLevel::ALL));
        let report = check_confirmed(&history, &question, &test_limits(100_000, 1 << 30));
        for anomaly in &report.phenomena {
            let (Phenomenon::Impossible(level), [TransactionEvidence::Cases(steps)]) =
                (anomaly.phenomenon, anomaly.examples.as_slice())
            else {
                continue;
            };
            let mut broken = Vec::new();
            if steps.len() == 1 {
                // It must be a cycle by itself.
                for edge in 0..steps[0].cycle.len() {
                    let mut steps = steps.clone();
                    steps[0].cycle.remove(edge);
                    broken.push(steps);
                }
            }
            // The last step closes the proof.
            broken.push(steps[..steps.len() - 1].to_vec());
            // A cycle that is said to need no choice.
            for (at, step) in steps.iter().enumerate().filter(|(_, step)| !step.assumed.is_empty()) {
                if !step.cycle.is_empty() {
                    let mut steps = steps[..=at].to_vec();
                    steps[at].assumed.clear();
                    broken.push(steps);
                }
            }
            for steps in broken {
                let examples = [TransactionEvidence::Cases(steps)];
                let standing = claimed_impossible(&history, &report, level, &examples);
                assert!(matches!(standing, Standing::Refuted(_)), "seed {seed}: {level:?} by {examples:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "{tried} were broken");
}
