//! Evidence of one level held up for another: none may be confirmed for a level whose verdict is the contrary.
//!
//! A proof by cases is right only for the level whose formula forbids its cycles, and an order only for the level whose formula it
//! meets. A verifier that forgot to look at the formula would confirm all of these, and would pass every test of right evidence.

use checker::{
    AnomalyName, Answer, CaseChoice, CaseEdge, CaseReason, CaseStep, Evidence, IsolationLevel, ListPlace,
    Phenomenon, Property, Report, TransactionAnomaly, TransactionEvidence, TransactionWitness, Verdict,
    Violation, Witness,
};

use histories::{History, KeyId, MicroKind, OpId};
use std::collections::BTreeMap;
use testkit::transactions::{
    KeyType, history_of_mixed_levels, history_of_repeated_elements, history_of_repeated_values,
    random_history,
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

/// A place at which a transaction may stand in a list, or not: its element need not be there.
fn forge_place(history: &History, random: &mut TestRandom) -> Option<ListPlace> {
    let ids: Vec<OpId> = history.ids().collect();
    let writer = random.one_of(&ids);
    let append = history.micros_of(writer).iter().find(|micro| micro.kind == MicroKind::Append)?;
    let start = (!random.chance(25)).then(|| random.below(4));
    Some(ListPlace { key: append.key, writer, start })
}

/// A cycle of two transactions, for reasons that may be those of the history.
fn forge_cycle(history: &History, one: OpId, random: &mut TestRandom) -> Vec<CaseEdge> {
    let ids: Vec<OpId> = history.ids().collect();
    let other = random.one_of(&ids);
    let edge = |from: OpId, to: OpId, random: &mut TestRandom| {
        let place = |id: OpId, random: &mut TestRandom| random.below(history.micros_of(id).len().max(1));
        let why = match random.below(5) {
            0 => CaseReason::Read(place(to, random)),
            1 | 2 => {
                let writer = random.chance(50).then(|| random.one_of(&ids));
                CaseReason::Missed { place: place(from, random), writer }
            }
            3 => CaseReason::Session,
            _ => history.micros_of(to).first().map_or(CaseReason::Session, |m| CaseReason::Overwrote(m.key)),
        };
        CaseEdge { from, to, why }
    };
    vec![edge(one, other, random), edge(other, one, random)]
}

/// A proof that a transaction can stand neither at a place nor elsewhere, with cycles or without.
fn forge_proof_about_places(history: &History, random: &mut TestRandom) -> Option<Vec<CaseStep>> {
    let mut steps = Vec::new();
    for _ in 0..1 + random.below(3) {
        let place = forge_place(history, random)?;
        let other = ListPlace { start: random.chance(50).then(|| random.below(4)), ..place };
        type AsChoice = fn(ListPlace) -> CaseChoice;
        let (is, is_not): (AsChoice, AsChoice) = match random.chance(50) {
            true => (CaseChoice::Placed, CaseChoice::NotPlaced),
            false => (CaseChoice::Shown, CaseChoice::NotShown),
        };
        for assumed in [
            vec![is(place)],
            vec![is_not(place)],
            vec![is_not(place), is_not(other)],
            vec![is(place), is(forge_place(history, random)?)],
        ] {
            if random.chance(50) {
                let cycle =
                    if random.chance(70) { forge_cycle(history, place.writer, random) } else { Vec::new() };
                steps.push(CaseStep::new(assumed, cycle));
            }
        }
    }
    steps.push(CaseStep::new(Vec::new(), Vec::new()));
    Some(steps)
}

/// Proofs about places in lists that are made up, for levels that hold.
#[test]
fn proofs_about_places_that_are_made_up_are_refuted() {
    let mut tried: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..400 {
        let mut random = TestRandom::new(seed);
        let history = match seed % 4 {
            0 => history_of_mixed_levels(&mut random, KeyType::List, 1 + seed as u32 % 3),
            _ => history_of_repeated_elements(&mut random),
        };
        let question =
            question_about(model_of_transactions(&history), &isolation_properties(IsolationLevel::ALL));
        let report = check_confirmed(&history, &question, &test_limits(100_000, 1 << 30));
        for found in report.answers.iter().filter(|answer| answer.verdict.name() == "holds") {
            let Property::Isolation(level) = found.property else { continue };
            for _ in 0..20 {
                let Some(steps) = forge_proof_about_places(&history, &mut random) else { continue };
                let examples = [TransactionEvidence::Cases(steps)];
                let standing = claimed_impossible(&history, &report, level, &examples);
                assert!(matches!(standing, Standing::Refuted(_)), "seed {seed}: {level:?} by {examples:?}");
                *tried.entry(level.name()).or_default() += 1;
            }
        }
    }
    assert!(
        tried.len() == IsolationLevel::ALL.len() && tried.values().all(|&count| count > 300),
        "{tried:?}"
    );
}
