//! Anomalies of transactions that are made up: reads, writers and cycles of dependencies that look right, each with a name.
//!
//! An anomaly is false if it rules out a level that holds, which `check` says with a witness.

use checker::{
    Axiom, CycleFamily, CycleKind, Dependency, DependencyCycle, DependencyReason, IsolationLevel, Limits,
    OrderExtent, Phenomenon, Property, ReadAt, Report, SeenThrough, TransactionAnomaly, TransactionEvidence,
    VersionEvidence, VersionStep,
};
use histories::{History, Micro, MicroKind, OpId, ValueId};
use std::collections::BTreeMap;
use testkit::transactions::{KeyType, history_of_repeated_values, random_history};
use testkit::{
    TestRandom, draw_history, isolation_properties, model_of_transactions, question_about, test_limits,
};
use verifier::Standing;

/// A micro-operation of a transaction.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) of: OpId,
    place: usize,
    pub(crate) micro: Micro,
}

pub(crate) struct AnomalyForger<'h> {
    pub(crate) history: &'h History,
    pub(crate) reads: Vec<Step>,
    pub(crate) writes: Vec<Step>,
}

impl<'h> AnomalyForger<'h> {
    pub(crate) fn new(history: &'h History) -> Self {
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for of in history.ids() {
            for (place, &micro) in history.micros_of(of).iter().enumerate() {
                let is_read = matches!(micro.kind, MicroKind::Read | MicroKind::ReadList);
                if is_read { &mut reads } else { &mut writes }.push(Step { of, place, micro });
            }
        }
        Self { history, reads, writes }
    }

    pub(crate) fn values(&self, read: Step) -> Vec<ValueId> {
        match read.micro.kind {
            MicroKind::ReadList => self.history.list(read.micro.list()).to_vec(),
            _ if read.micro.value() == ValueId::NULL => Vec::new(),
            _ => vec![read.micro.value()],
        }
    }

    fn at(&self, read: Step) -> ReadAt {
        ReadAt { transaction: read.of, place: read.place, key: read.micro.key }
    }

    /// A read, a value that it returned, and a write of the same key, mostly of that value.
    fn read_and_write(&self, random: &mut TestRandom) -> (Step, Option<ValueId>, Step) {
        let read = random.one_of(&self.reads);
        let seen = self.values(read);
        let value = match random.below(3) {
            _ if seen.is_empty() => None,
            0 => Some(random.one_of(&seen)),
            _ => seen.last().copied(),
        };
        let on_key = |step: &&Step| step.micro.key == read.micro.key;
        let same: Vec<Step> = self.writes.iter().filter(on_key).copied().collect();
        let fits: Vec<Step> = same.iter().filter(|step| Some(step.micro.value()) == value).copied().collect();
        let write = match (&fits[..], &same[..]) {
            ([_, ..], _) if random.chance(75) => random.one_of(&fits),
            (_, [_, ..]) => random.one_of(&same),
            _ => random.one_of(&self.writes),
        };
        (read, value, write)
    }

    /// Evidence of single reads and updates.
    fn forge_single(&self, random: &mut TestRandom) -> (Phenomenon, TransactionEvidence) {
        use TransactionEvidence as E;
        let (one, value, write) = self.read_and_write(random);
        let (other, _, second) = self.read_and_write(random);
        let (read, value) = (self.at(one), value.unwrap_or(write.micro.value()));
        let (writer, key) = (write.of, read.key);
        match random.below(10) {
            0 => (Phenomenon::G1a, E::AbortedRead { read, value, writer }),
            1 => (Phenomenon::G1b, E::IntermediateRead { read, value, writer }),
            2 => (Phenomenon::GarbageRead, E::GarbageRead { read, value }),
            3 => {
                let micros = self.history.micros_of(one.of);
                let mut because: Vec<usize> = (0..one.place).filter(|&at| micros[at].key == key).collect();
                if random.chance(30) && !because.is_empty() {
                    because.remove(random.below(because.len()));
                }
                (Phenomenon::Internal, E::Internal { read, because })
            }
            4 => (Phenomenon::FutureRead, E::FutureRead { read, value, write: write.place }),
            5 => {
                let same = self.values(one).last().copied();
                let version = if random.chance(80) { same } else { None };
                let transactions = vec![one.of, other.of];
                (Phenomenon::LostUpdate, E::LostUpdate { key, version, transactions })
            }
            6 => {
                let (aborted, committed) = ((writer, value), (second.of, second.micro.value()));
                (Phenomenon::DirtyUpdate, E::DirtyUpdate { read, aborted, committed })
            }
            7 => (Phenomenon::DuplicateElements, E::DuplicateElement { read, value }),
            8 => {
                let other = self.at(other);
                (Phenomenon::IncompatibleOrder, E::IncompatibleOrder { one: read, other })
            }
            _ => {
                let later = second.micro.value();
                let evidence = match random.chance(60) {
                    true => E::AppendsOutOfOrder { read, writer, earlier: value, later },
                    false => {
                        let order = random.one_of(ORDERS);
                        let step = |earlier, later| VersionStep {
                            earlier: Some(earlier),
                            later: Some(later),
                            order,
                        };
                        let steps = vec![step(value, later), step(later, value)];
                        return (Phenomenon::CyclicVersions, E::CyclicVersions { key, steps });
                    }
                };
                (Phenomenon::IncompatibleOrder, evidence)
            }
        }
    }

    /// A reason why one transaction must come before the other, which is right as far as the two go.
    fn reason(&self, from: OpId, to: OpId, random: &mut TestRandom) -> DependencyReason {
        let of = |steps: &[Step], id: OpId| -> Vec<Step> {
            steps.iter().filter(|step| step.of == id).copied().collect()
        };
        let (reads, writes, read_by, written) =
            (of(&self.reads, from), of(&self.writes, from), of(&self.reads, to), of(&self.writes, to));
        let pairs = |ones: &[Step], others: &[Step]| -> Vec<(Step, Step)> {
            let all = ones.iter().flat_map(|one| others.iter().map(move |other| (*one, *other)));
            all.filter(|(one, other)| one.micro.key == other.micro.key).collect()
        };
        let order = random.one_of(ORDERS);
        let (missed, seen, replaced) =
            (pairs(&reads, &written), pairs(&writes, &read_by), pairs(&writes, &written));
        match random.below(8) {
            0..3 if !missed.is_empty() => {
                let (read, write) = random.one_of(&missed);
                let read = if random.chance(10) { None } else { self.values(read).last().copied() };
                DependencyReason::Missed { key: write.micro.key, read, later: write.micro.value(), order }
            }
            3 | 4 if !seen.is_empty() => {
                let (write, _) = random.one_of(&seen);
                DependencyReason::ReadBy { key: write.micro.key, value: write.micro.value() }
            }
            5 if !replaced.is_empty() => {
                let (one, other) = random.one_of(&replaced);
                let (earlier, later) = (one.micro.value(), other.micro.value());
                DependencyReason::Overwritten { key: one.micro.key, earlier, later, order }
            }
            6 => DependencyReason::Session,
            7 if !replaced.is_empty() && !self.reads.is_empty() => {
                let (one, other) = random.one_of(&replaced);
                let axiom = random.one_of(AXIOMS);
                let reader = random.one_of(&self.reads).of;
                let seen = match random.below(3) {
                    0 => SeenThrough::Session,
                    1 => SeenThrough::Read(random.one_of(&self.reads).micro.key),
                    _ => SeenThrough::Causally(Vec::new()),
                };
                let (key, value) = (one.micro.key, other.micro.value());
                DependencyReason::Arbitrated { axiom, key, reader, value, seen }
            }
            _ => DependencyReason::RealTime,
        }
    }

    fn forge_cycle(&self, random: &mut TestRandom) -> (Phenomenon, TransactionEvidence) {
        let ids: Vec<OpId> = self.history.ids().collect();
        // A transaction is no cycle by itself.
        let length = [1, 2, 2, 2, 2, 2, 2, 3, 3, 3][random.below(10)];
        let through: Vec<OpId> = (0..length).map(|_| random.one_of(&ids)).collect();
        let edge = |at: usize, random: &mut TestRandom| {
            let (from, to) = (through[at], through[(at + 1) % length]);
            Dependency { from, to, why: self.reason(from, to, random) }
        };
        let edges: Vec<Dependency> = (0..length).map(|at| edge(at, random)).collect();
        let arbitrated = edges.iter().any(|edge| matches!(edge.why, DependencyReason::Arbitrated { .. }));
        let phenomenon = match arbitrated || random.chance(15) {
            true => Phenomenon::CommitOrder(random.one_of(AXIOMS)),
            false => Phenomenon::Cycle(kind_of(&edges, random)),
        };
        (phenomenon, TransactionEvidence::Cycle(DependencyCycle { edges, shape: None, shortest: true }))
    }
}

const AXIOMS: &[Axiom] = &[Axiom::MonotonicAtomicView, Axiom::ReadAtomic, Axiom::Causal];

const ORDERS: &[VersionEvidence] = &[
    VersionEvidence::Listed,
    VersionEvidence::Unlisted,
    VersionEvidence::Initial,
    VersionEvidence::ReadModifyWrite,
    VersionEvidence::Session,
    VersionEvidence::RealTime,
    VersionEvidence::Token,
];

/// The kind of a cycle by its edges, or now and then another one.
fn kind_of(edges: &[Dependency], random: &mut TestRandom) -> CycleKind {
    let families =
        [CycleFamily::G0, CycleFamily::G1c, CycleFamily::GSingle, CycleFamily::GNonadjacent, CycleFamily::G2];
    if random.chance(10) {
        return CycleKind { family: random.one_of(&families), extent: random.one_of(&OrderExtent::ALL) };
    }
    let is_missed = |edge: &Dependency| matches!(edge.why, DependencyReason::Missed { .. });
    let adjacent = |at: usize| is_missed(&edges[at]) && is_missed(&edges[(at + 1) % edges.len()]);
    let reads = edges.iter().any(|edge| matches!(edge.why, DependencyReason::ReadBy { .. }));
    let family = match edges.iter().filter(|edge| is_missed(edge)).count() {
        0 if reads => CycleFamily::G1c,
        0 => CycleFamily::G0,
        1 => CycleFamily::GSingle,
        _ if (0..edges.len()).any(adjacent) => CycleFamily::G2,
        _ => CycleFamily::GNonadjacent,
    };
    CycleKind { family, extent: extent_of_edges(edges) }
}

/// The orders that edges use beside the data.
pub(crate) fn extent_of_edges(edges: &[Dependency]) -> OrderExtent {
    let extent_of = |edge: &Dependency| match &edge.why {
        DependencyReason::Session => OrderExtent::Session,
        DependencyReason::RealTime => OrderExtent::RealTime,
        DependencyReason::Missed { order, .. } | DependencyReason::Overwritten { order, .. } => match order {
            VersionEvidence::Session => OrderExtent::Session,
            VersionEvidence::RealTime => OrderExtent::RealTime,
            _ => OrderExtent::Data,
        },
        _ => OrderExtent::Data,
    };
    edges.iter().map(extent_of).max().unwrap_or(OrderExtent::Data)
}

#[test]
fn anomalies_that_are_made_up_are_refuted() {
    let (mut tried, mut right) = (BTreeMap::<&'static str, u64>::new(), 0_u64);
    let mut confirmed: BTreeMap<&'static str, String> = BTreeMap::new();
    for seed in 0..450 * crate::times() {
        let mut random = TestRandom::new(seed);
        let history = match seed % 3 {
            0 => random_history(&mut random, KeyType::List),
            1 => random_history(&mut random, KeyType::Register),
            _ => history_of_repeated_values(&mut random),
        };
        let forger = AnomalyForger::new(&history);
        if forger.reads.is_empty() || forger.writes.is_empty() {
            continue;
        }
        let question =
            question_about(model_of_transactions(&history), &isolation_properties(IsolationLevel::ALL));
        let report = checker::check(&history, &question, &test_limits(300_000, 1 << 28)).expect("it fits");
        let holding = report.answers.iter().filter(|answer| answer.verdict.name() == "holds");
        let holding: Vec<Property> = holding.map(|answer| answer.property).collect();
        let mut claim = Report { model: question.model, ..Report::default() };
        for number in 0..400 {
            let (phenomenon, evidence) = match number % 5 {
                0 | 1 => forger.forge_single(&mut random),
                _ => forger.forge_cycle(&mut random),
            };
            claim.phenomena.push(TransactionAnomaly { phenomenon, count: 1, examples: vec![evidence] });
        }
        let standings = verifier::verify(&history, &question, &claim, &Limits::unbounded()).phenomena;
        for (anomaly, standing) in claim.phenomena.iter().zip(standings) {
            let ruled_out = anomaly.ruled_out_set();
            // What is seen may not be what dependencies say: docs/definitions.md, "Reading one's own append".
            let mut levels = ruled_out.iter().filter(|level| !level.is_defined_by_visibility());
            let held = levels.find(|level| holding.contains(&Property::Isolation(*level)));
            match held {
                None => right += u64::from(standing == Standing::Confirmed),
                Some(_) if standing != Standing::Confirmed => {
                    *tried.entry(anomaly.phenomenon.name()).or_default() += 1;
                }
                Some(level) => {
                    let told = || {
                        format!(
                            "seed {seed}: {anomaly:?}, but {} holds\n{}",
                            level.name(),
                            draw_history(&history)
                        )
                    };
                    confirmed.entry(anomaly.phenomenon.name()).or_insert_with(told);
                }
            }
        }
    }
    let confirmed: Vec<String> = confirmed.into_values().collect();
    assert!(confirmed.is_empty(), "confirmed, but false:\n{}", confirmed.join("\n"));
    println!("{tried:#?}, {right} were right");
    let least = tried.values().min().copied().unwrap_or(0);
    assert!(tried.len() >= 20 && least >= 10 && right > 100, "{tried:#?}, {right} were right");
}
