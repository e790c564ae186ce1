//! Witnesses of transactions that are made up, for levels that are violated: orders of commits near that of the events, snapshots taken
//! somewhat earlier, executions with any sources of reads.

use crate::near::draw_transactions;
use checker::{
    Axiom, CycleFamily, IsolationLevel, Limits, ListPlace, MixedExecution, OrderExtent, Property, ReadChoice,
    Report, TransactionAction, TransactionExecution, TransactionPoint, TransactionWitness, Verdict, Witness,
};
use histories::{History, KeyId, MicroKind, OpId, Outcome, ValueId};
use std::collections::BTreeMap;
use std::sync::Arc;
use testkit::{TestRandom, draw_history, test_limits};
use verifier::Standing;

/// The committed transactions and some that may have been, in an order near that of their completions or invocations.
fn forge_order(history: &History, random: &mut TestRandom) -> Vec<OpId> {
    let mut order: Vec<OpId> = history.ids().collect();
    order.retain(|&id| match history.outcome(id) {
        Outcome::Ok => !random.chance(2),
        Outcome::Info => random.chance(60),
        Outcome::Fail => random.chance(3),
    });
    let by_completion = random.chance(50);
    order.sort_by_key(|&id| {
        let operation = history.operation(id);
        let ends = operation.outcome == Outcome::Ok && by_completion;
        if ends { operation.completed } else { operation.invoked }
    });
    for _ in 0..random.below(4) {
        if order.len() > 1 {
            let at = random.below(order.len() - 1);
            order.swap(at, at + 1);
        }
    }
    if random.chance(3) && !order.is_empty() {
        order.push(order[0]);
    }
    order
}

/// Begin points and commits. Each transaction begins up to three points before its commit.
fn forge_points(order: &[OpId], random: &mut TestRandom) -> Vec<TransactionPoint> {
    let mut points: Vec<TransactionPoint> = order.iter().map(|&id| TransactionPoint::Commit(id)).collect();
    for &id in order {
        let commit = points.iter().position(|point| *point == TransactionPoint::Commit(id)).unwrap_or(0);
        let begin = commit.saturating_sub([0, 0, 1, 2, 4][random.below(5)]);
        points.insert(begin, TransactionPoint::Begin(id));
    }
    points
}

fn forge_actions(history: &History, order: &[OpId], random: &mut TestRandom) -> Vec<TransactionAction> {
    let mut actions = Vec::new();
    for &id in order {
        let own = (0..history.micros_of(id).len()).map(|place| TransactionAction::Act(id, place));
        actions.extend(own.chain([TransactionAction::Commit(id)]));
    }
    for _ in 0..random.below(5) {
        if actions.len() > 1 {
            let at = random.below(actions.len() - 1);
            actions.swap(at, at + 1);
        }
    }
    actions
}

/// Whose element stands at each position of the longest list of each key: any transaction that appended it.
fn forge_places(history: &History, random: &mut TestRandom) -> Vec<ListPlace> {
    let mut longest: BTreeMap<KeyId, &[ValueId]> = BTreeMap::new();
    for id in history.ids().filter(|&id| history.outcome(id) == Outcome::Ok) {
        for read in history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::ReadList) {
            let (known, list) = (longest.entry(read.key).or_default(), history.list(read.list()));
            if list.len() > known.len() {
                *known = list;
            }
        }
    }
    let mut places = Vec::new();
    for (key, list) in longest {
        for (at, value) in list.iter().enumerate() {
            let appended = |id: &OpId| {
                let mut micros = history.micros_of(*id).iter();
                micros.any(|m| m.kind == MicroKind::Append && m.key == key && m.value() == *value)
            };
            let writers: Vec<OpId> = history.ids().filter(appended).collect();
            if !writers.is_empty() && !random.chance(3) {
                places.push(ListPlace { key, writer: random.one_of(&writers), start: Some(at) });
            }
        }
    }
    places
}

/// An execution in which each read that could have several sources has one of them, or any.
fn forge_execution(history: &History, order: Vec<OpId>, random: &mut TestRandom) -> TransactionExecution {
    let mut reads = Vec::new();
    for &reader in &order {
        for (place, read) in history.micros_of(reader).iter().enumerate() {
            if read.kind != MicroKind::Read || !random.chance(60) {
                continue;
            }
            let wrote = |id: &OpId| {
                let mut micros = history.micros_of(*id).iter();
                micros.any(|m| m.kind == MicroKind::Write && m.key == read.key && m.value() == read.value())
            };
            let writers: Vec<OpId> = order.iter().copied().filter(wrote).collect();
            let writer = (!writers.is_empty()).then(|| random.one_of(&writers));
            reads.push(ReadChoice { reader, place, writer });
        }
    }
    let elements = forge_places(history, random);
    TransactionExecution { order, reads, elements }
}

fn forge_witness(history: &History, level: IsolationLevel, random: &mut TestRandom) -> TransactionWitness {
    let order = forge_order(history, random);
    let extent = random.one_of(&OrderExtent::ALL);
    let axiom = random.one_of(&[Axiom::MonotonicAtomicView, Axiom::ReadAtomic, Axiom::Causal]);
    // Two levels have witnesses of their own.
    let form = match level {
        IsolationLevel::MonotonicSnapshotRead if random.chance(40) => 6,
        IsolationLevel::Mixed if random.chance(40) => 5,
        _ => random.below(9),
    };
    match form {
        0 => TransactionWitness::Serial(extent, Arc::new(order)),
        1 | 2 => TransactionWitness::Snapshots(extent, Arc::new(forge_points(&order, random))),
        3 => {
            let others = [CycleFamily::GSingle, CycleFamily::GNonadjacent, CycleFamily::G2];
            let family = match random.below(10) {
                0 => random.one_of(&others),
                1..6 => CycleFamily::G0,
                _ => CycleFamily::G1c,
            };
            TransactionWitness::Versions(extent, family, Arc::new(order))
        }
        4 => TransactionWitness::CommitOrder(axiom, Arc::new(order)),
        5 if level == IsolationLevel::Mixed => {
            let elements = forge_places(history, random);
            TransactionWitness::Mixed(Arc::new(MixedExecution {
                points: forge_points(&order, random),
                elements,
            }))
        }
        5 => TransactionWitness::Prefixes(Arc::new(forge_points(&order, random))),
        6 if level == IsolationLevel::MonotonicSnapshotRead => {
            TransactionWitness::Actions(Arc::new(forge_actions(history, &order, random)))
        }
        _ => TransactionWitness::Execution(level, Arc::new(forge_execution(history, order, random))),
    }
}

#[test]
fn witnesses_that_are_made_up_are_refuted() {
    let (mut tried, mut right) = (BTreeMap::<&'static str, u64>::new(), 0_u64);
    let mut confirmed: BTreeMap<&'static str, String> = BTreeMap::new();
    for seed in 0..500 * crate::times() {
        let (history, question, mut random) = draw_transactions(seed);
        let report = checker::check(&history, &question, &test_limits(300_000, 1 << 28)).expect("it fits");
        for round in 0..16 {
            let mut claim = Report { model: question.model, ..Report::default() };
            for answer in &report.answers {
                let Property::Isolation(level) = answer.property else { continue };
                let is_violated = answer.verdict.name() == "violated";
                if is_violated || round == 0 && answer.verdict.name() == "holds" {
                    let witness = forge_witness(&history, level, &mut random);
                    let mut forged = answer.clone();
                    forged.verdict = Verdict::Holds(Witness::Transactions(witness));
                    claim.answers.push(forged);
                }
            }
            let standings = verifier::verify(&history, &question, &claim, &Limits::unbounded()).answers;
            for (forged, standing) in claim.answers.iter().zip(standings) {
                let known = report.answers.iter().find(|answer| answer.property == forged.property);
                let is_violated = known.is_some_and(|known| known.verdict.name() == "violated");
                let name = forged.property.name();
                match standing == Standing::Confirmed {
                    true if is_violated => {
                        let told = || format!("seed {seed}: {forged:?}\n{}", draw_history(&history));
                        confirmed.entry(name).or_insert_with(told);
                    }
                    true => right += 1,
                    false => *tried.entry(name).or_default() += u64::from(is_violated),
                }
            }
        }
    }
    let confirmed: Vec<String> = confirmed.into_values().collect();
    assert!(confirmed.is_empty(), "confirmed, but false:\n{}", confirmed.join("\n"));
    println!("{tried:#?}, {right} were right");
    assert!(
        tried.len() >= 29 && tried.values().sum::<u64>() > 20_000 && right > 300,
        "{tried:#?}, {right} were right"
    );
}
