//! Proofs by lemmas and cycles in commit order that are made up, of histories that satisfy what they deny.
//!
//! Nearly all of their edges are right. An edge that is wrong would be the first thing that the verifier looks at, and nothing else would
//! be tried.

use crate::made_up_anomalies::{AnomalyForger, Step, extent_of_edges};
use checker::{
    Axiom, CycleFamily, CycleKind, Dependency, DependencyCycle, DependencyReason, Limits, OrderAssumption,
    OrderLemma, Phenomenon, Property, Report, SeenThrough, TransactionAnomaly, TransactionEvidence,
    VersionEvidence,
};
use histories::{OpId, Outcome};
use std::collections::BTreeMap;
use testkit::transactions::{
    KeyType, history_of_repeated_elements, history_of_repeated_values, random_history,
};
use testkit::{
    TestRandom, draw_history, isolation_properties, model_of_transactions, question_about, test_limits,
};
use verifier::Standing;

/// The edges between transactions that the history shows: session order, real time, and reads.
fn right_edges(forger: &AnomalyForger<'_>) -> Vec<Dependency> {
    let history = forger.history;
    let all: Vec<_> = history.operations().filter(|op| op.outcome == Outcome::Ok).collect();
    let mut edges = Vec::new();
    for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
        let edge = |why| Dependency { from: one.id, to: other.id, why };
        if one.precedes(other) {
            edges.push(edge(DependencyReason::RealTime));
            edges.extend((one.session == other.session).then(|| edge(DependencyReason::Session)));
        }
    }
    for (write, read) in sources(forger) {
        let why = DependencyReason::ReadBy { key: write.micro.key, value: write.micro.value() };
        edges.push(Dependency { from: write.of, to: read.of, why });
    }
    edges
}

/// The writes of other transactions that reads returned last.
fn sources(forger: &AnomalyForger<'_>) -> Vec<(Step, Step)> {
    let pairs = forger.writes.iter().flat_map(|&write| forger.reads.iter().map(move |&read| (write, read)));
    let is_source = |(write, read): &(Step, Step)| {
        write.of != read.of
            && write.micro.key == read.micro.key
            && forger.values(*read).last() == Some(&write.micro.value())
    };
    pairs.filter(is_source).collect()
}

/// One edge or two from one transaction to another.
fn path(pool: &[Dependency], from: OpId, to: OpId, random: &mut TestRandom) -> Option<Vec<Dependency>> {
    let mut paths: Vec<Vec<Dependency>> = Vec::new();
    for first in pool.iter().filter(|edge| edge.from == from && edge.to != from) {
        if first.to == to {
            paths.push(vec![first.clone()]);
        }
        let seconds = pool.iter().filter(|edge| edge.from == first.to && edge.to == to);
        paths.extend(seconds.map(|second| vec![first.clone(), second.clone()]));
    }
    (!paths.is_empty()).then(|| paths.swap_remove(random.below(paths.len())))
}

/// A lemma that refutes one order of two writes, and a last one that refutes the other order without an assumption.
fn forge_lemmas(
    forger: &AnomalyForger<'_>,
    random: &mut TestRandom,
) -> Option<(Phenomenon, Vec<OrderLemma>)> {
    let pool = right_edges(forger);
    let one = random.one_of(&forger.writes);
    let fits = |step: &&Step| step.micro.key == one.micro.key && step.of != one.of;
    let others: Vec<Step> = forger.writes.iter().filter(fits).copied().collect();
    let other = *others.get(random.below(others.len().max(1)))?;
    let assumption = |one: Step, other: Step| OrderAssumption {
        key: one.micro.key,
        earlier: one.micro.value(),
        later: other.micro.value(),
    };
    let assumed = assumption(one, other);
    let reads = sources(forger);
    let readers: Vec<OpId> =
        reads.iter().filter(|(write, _)| write.of == one.of).map(|(_, read)| read.of).collect();
    let reader = *readers.get(random.below(readers.len().max(1)))?;
    let why = DependencyReason::Missed {
        key: assumed.key,
        read: Some(assumed.earlier),
        later: if random.chance(92) { assumed.later } else { random.one_of(&forger.writes).micro.value() },
        order: VersionEvidence::Assumed,
    };
    let to = if random.chance(92) { other.of } else { random.one_of(&forger.writes).of };
    let mut cycle = vec![Dependency { from: reader, to, why }];
    cycle.extend(path(&pool, to, reader, random)?);
    let mut first = OrderLemma { assumed: vec![assumed], cycle };
    let concluded = DependencyReason::Concluded {
        key: assumed.key,
        earlier: assumed.later,
        later: assumed.earlier,
        lemma: usize::from(random.chance(5)),
    };
    let mut cycle = vec![Dependency { from: other.of, to: one.of, why: concluded }];
    cycle.extend(path(&pool, one.of, other.of, random)?);
    let mut last = OrderLemma { assumed: Vec::new(), cycle };
    let another = assumption(random.one_of(&forger.writes), random.one_of(&forger.writes));
    match random.below(12) {
        0 => first.assumed.push(another),
        1 => first.assumed = vec![another],
        2 => first.assumed = vec![assumed.reversed()],
        3 => last.assumed = vec![assumed.reversed()],
        4 => last.assumed = vec![another],
        5 => first.assumed.clear(),
        6 => last.cycle[0].why = first.cycle[0].why.clone(),
        _ => {}
    }
    let mut lemmas = vec![first, last];
    if random.chance(8) {
        lemmas.remove(random.below(2));
    }
    let extent = lemmas.iter().map(|lemma| extent_of_edges(&lemma.cycle)).max()?;
    let family = if random.chance(95) { CycleFamily::G2 } else { CycleFamily::GSingle };
    Some((Phenomenon::Cycle(CycleKind { family, extent }), lemmas))
}

/// Edges of the order of commits: a reader of one version had seen another transaction that wrote the object.
fn arbitrated_edges(forger: &AnomalyForger<'_>, axiom: Axiom, random: &mut TestRandom) -> Vec<Dependency> {
    let (right, reads) = (right_edges(forger), sources(forger));
    let is_causal = |edge: &&Dependency| !matches!(edge.why, DependencyReason::RealTime);
    let has = |from: OpId, to: OpId| right.iter().filter(is_causal).any(|e| e.from == from && e.to == to);
    let mut edges = Vec::new();
    for (write, read) in &reads {
        let fits =
            |other: &&Step| other.micro.key == read.micro.key && other.of != write.of && other.of != read.of;
        for other in forger.writes.iter().filter(fits) {
            let (from, reader) = (other.of, read.of);
            let mut seen: Vec<SeenThrough> = Vec::new();
            let own = reads.iter().filter(|(write, read)| write.of == from && read.of == reader);
            seen.extend(own.map(|(_, read)| SeenThrough::Read(read.micro.key)));
            let is_session = |edge: &&Dependency| matches!(edge.why, DependencyReason::Session);
            let mut in_session = right.iter().filter(is_session);
            seen.extend(
                in_session.any(|edge| edge.from == from && edge.to == reader).then_some(SeenThrough::Session),
            );
            let between = forger.history.ids().filter(|&id| has(from, id) && has(id, reader));
            seen.extend(between.map(|id| SeenThrough::Causally(vec![id])));
            if random.chance(4) {
                seen.push(SeenThrough::Session);
                seen.push(SeenThrough::Causally(Vec::new()));
            }
            let (key, value) = (read.micro.key, write.micro.value());
            edges.extend(seen.into_iter().map(|seen| {
                let why = DependencyReason::Arbitrated { axiom, key, reader, value, seen };
                Dependency { from, to: write.of, why }
            }));
        }
    }
    edges
}

/// A cycle of session order, reads, what was read before any write, and what readers had seen.
fn forge_commit_order(
    forger: &AnomalyForger<'_>,
    random: &mut TestRandom,
) -> Option<(Axiom, Vec<Dependency>)> {
    let axiom = random.one_of(&[Axiom::MonotonicAtomicView, Axiom::ReadAtomic, Axiom::Causal]);
    let mut pool = right_edges(forger);
    pool.retain(|edge| !matches!(edge.why, DependencyReason::RealTime) || random.chance(5));
    let told = if random.chance(90) { axiom } else { Axiom::Causal };
    pool.extend(arbitrated_edges(forger, told, random));
    for read in forger.reads.iter().filter(|read| forger.values(**read).is_empty()) {
        let (key, order) = (read.micro.key, VersionEvidence::Initial);
        let missed = forger.writes.iter().filter(|write| write.micro.key == key && write.of != read.of);
        pool.extend(missed.map(|write| {
            let why = DependencyReason::Missed { key, read: None, later: write.micro.value(), order };
            Dependency { from: read.of, to: write.of, why }
        }));
    }
    let is_special = |edge: &&Dependency| {
        matches!(edge.why, DependencyReason::Missed { .. } | DependencyReason::Arbitrated { .. })
    };
    let special: Vec<&Dependency> = pool.iter().filter(is_special).collect();
    let first = special.get(random.below(special.len().max(1))).map(|&edge| edge.clone())?;
    let rest = path(&pool, first.to, first.from, random)?;
    Some((axiom, [vec![first], rest].concat()))
}

#[test]
fn lemmas_and_commit_orders_that_are_made_up_are_refuted() {
    let (mut tried, mut right) = (BTreeMap::<&'static str, u64>::new(), BTreeMap::<&'static str, u64>::new());
    let mut confirmed: BTreeMap<&'static str, String> = BTreeMap::new();
    for seed in 0..300 * crate::times() {
        let mut random = TestRandom::new(seed ^ 0x1e44a);
        let history = match seed % 5 {
            0 | 1 => random_history(&mut random, KeyType::Register),
            2 => history_of_repeated_values(&mut random),
            3 => random_history(&mut random, KeyType::List),
            _ => history_of_repeated_elements(&mut random),
        };
        let forger = AnomalyForger::new(&history);
        if forger.reads.is_empty() || forger.writes.is_empty() {
            continue;
        }
        let model = model_of_transactions(&history);
        let question = question_about(model, &isolation_properties(checker::IsolationLevel::ALL));
        let report = checker::check(&history, &question, &test_limits(300_000, 1 << 28)).expect("it fits");
        let holds = |level| {
            let mut answers = report.answers.iter();
            answers.any(|answer| {
                answer.property == Property::Isolation(level) && answer.verdict.name() == "holds"
            })
        };
        let mut claim = Report { model: question.model, ..Report::default() };
        for _ in 0..120 {
            let lemmas = forge_lemmas(&forger, &mut random);
            let lemmas = lemmas.map(|(phenomenon, lemmas)| (phenomenon, TransactionEvidence::Lemmas(lemmas)));
            let cycle = forge_commit_order(&forger, &mut random).map(|(axiom, edges)| {
                let cycle = DependencyCycle { edges, shape: None, shortest: true };
                (Phenomenon::CommitOrder(axiom), TransactionEvidence::Cycle(cycle))
            });
            for (phenomenon, evidence) in lemmas.into_iter().chain(cycle) {
                claim.phenomena.push(TransactionAnomaly { phenomenon, count: 1, examples: vec![evidence] });
            }
        }
        let standings = verifier::verify(&history, &question, &claim, &Limits::unbounded()).phenomena;
        for (anomaly, standing) in claim.phenomena.iter().zip(standings) {
            let ruled_out = anomaly.ruled_out_set();
            // What a reader of lists sees of its own appends has no place among the versions.
            let is_of_lists = model == checker::Model::ListAppend;
            let mut levels =
                ruled_out.iter().filter(|level| !is_of_lists || !level.is_defined_by_visibility());
            let held = levels.find(|&level| holds(level));
            let name = anomaly.phenomenon.name();
            match (held, standing == Standing::Confirmed) {
                (None, is_right) => *right.entry(name).or_default() += u64::from(is_right),
                (Some(_), false) => *tried.entry(name).or_default() += 1,
                (Some(level), true) => {
                    let told = || {
                        let (level, drawn) = (level.name(), draw_history(&history));
                        format!("seed {seed}: {anomaly:?}, but {level} holds\n{drawn}")
                    };
                    confirmed.entry(name).or_insert_with(told);
                }
            }
        }
    }
    let confirmed: Vec<String> = confirmed.into_values().collect();
    assert!(confirmed.is_empty(), "confirmed, but false:\n{}", confirmed.join("\n"));
    println!("{tried:#?}, right: {right:#?}");
    for name in ["G2-item-realtime", "monotonic-atomic-view-cycle", "read-atomic-cycle", "causal-cycle"] {
        let count = |of: &BTreeMap<&'static str, u64>| of.get(name).copied().unwrap_or(0);
        assert!(count(&tried) > 50 && count(&right) > 0, "{name}: {tried:?}, right: {right:?}");
    }
}
