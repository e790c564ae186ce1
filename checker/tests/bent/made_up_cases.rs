//! Proofs by cases that are made up, for levels of transactions that hold.

use crate::near::draw_transactions;
use checker::{
    CaseChoice, CaseEdge, CaseReason, CaseStep, IsolationLevel, Limits, Phenomenon, Property, Report,
    TransactionAnomaly, TransactionEvidence,
};
use histories::{History, KeyId, Micro, MicroKind, OpId};
use std::collections::BTreeMap;
use testkit::{TestRandom, draw_history, test_limits};
use verifier::Standing;

struct CaseForger<'h> {
    history: &'h History,
    all: Vec<OpId>,
}

fn writes(micro: &Micro) -> bool {
    matches!(micro.kind, MicroKind::Write | MicroKind::Append)
}

impl CaseForger<'_> {
    /// The places of the micro-operations of a transaction that write, or that read.
    fn places(&self, of: OpId, that_write: bool) -> Vec<(usize, Micro)> {
        let all = self.history.micros_of(of).iter().copied().enumerate();
        all.filter(|(_, micro)| writes(micro) == that_write).collect()
    }

    /// A reason why one transaction must come before the other, which is right as far as their keys go.
    fn edge(&self, from: OpId, to: OpId, random: &mut TestRandom) -> CaseEdge {
        let pairs = |ones: Vec<(usize, Micro)>, others: Vec<(usize, Micro)>| -> Vec<(usize, Micro, usize)> {
            let all = ones.iter().flat_map(|one| others.iter().map(move |other| (one.0, one.1, *other)));
            let all = all.filter(|(_, micro, other)| micro.key == other.1.key);
            all.map(|(place, micro, other)| (place, micro, other.0)).collect()
        };
        let seen = pairs(self.places(from, true), self.places(to, false));
        let missed = pairs(self.places(from, false), self.places(to, true));
        let replaced = pairs(self.places(from, true), self.places(to, true));
        let why = match random.below(7) {
            0 | 1 if !seen.is_empty() => CaseReason::Read(random.one_of(&seen).2),
            2 | 3 if !missed.is_empty() => {
                let place = random.one_of(&missed).0;
                let writer = random.chance(70).then(|| random.one_of(&self.all));
                CaseReason::Missed { place, writer }
            }
            4 if !replaced.is_empty() => CaseReason::Overwrote(random.one_of(&replaced).1.key),
            5 => CaseReason::Session,
            _ => CaseReason::RealTime,
        };
        CaseEdge { from, to, why }
    }

    fn cycle(&self, random: &mut TestRandom) -> Vec<CaseEdge> {
        let length = 2 + usize::from(random.chance(30));
        let through: Vec<OpId> = (0..length).map(|_| random.one_of(&self.all)).collect();
        (0..length).map(|at| self.edge(through[at], through[(at + 1) % length], random)).collect()
    }

    /// Two transactions that wrote one key.
    fn writers(&self, random: &mut TestRandom) -> Option<(KeyId, OpId, OpId)> {
        let (one, other) = (random.one_of(&self.all), random.one_of(&self.all));
        let (ones, others) = (self.places(one, true), self.places(other, true));
        let key = ones.iter().map(|(_, micro)| micro.key);
        let key =
            key.clone().find(|key| others.iter().any(|(_, micro)| micro.key == *key) || random.chance(5));
        key.map(|key| (key, one, other))
    }

    /// A cycle without an assumption, or a cycle for each order of two writers.
    fn proof(&self, random: &mut TestRandom) -> Vec<CaseStep> {
        let both = self.writers(random).filter(|_| random.chance(60));
        let Some((key, one, other)) = both else {
            return vec![CaseStep::new(Vec::new(), self.cycle(random))];
        };
        let step = |earlier: OpId, later: OpId, random: &mut TestRandom| {
            let first = CaseEdge { from: earlier, to: later, why: CaseReason::Overwrote(key) };
            let back = self.edge(later, earlier, random);
            CaseStep::new(vec![CaseChoice::Before { key, earlier, later }], vec![first, back])
        };
        let mut steps = vec![step(one, other, random), step(other, one, random)];
        if random.chance(10) {
            steps.remove(random.below(2));
        }
        steps.push(CaseStep::new(Vec::new(), Vec::new()));
        steps
    }
}

#[test]
fn proofs_by_cases_that_are_made_up_are_refuted() {
    let (mut tried, mut right) = (BTreeMap::<&'static str, u64>::new(), 0_u64);
    let mut confirmed: BTreeMap<&'static str, String> = BTreeMap::new();
    for seed in 0..500 * crate::times() {
        let (history, question, mut random) = draw_transactions(seed);
        let limits = test_limits(300_000, 1 << 28);
        let report = checker::check(&history, &question, &limits).expect("the question fits");
        let forger = CaseForger { history: &history, all: history.ids().collect() };
        let mut claim = Report { model: question.model, ..Report::default() };
        for _ in 0..10 {
            for &level in IsolationLevel::ALL {
                let examples = vec![TransactionEvidence::Cases(forger.proof(&mut random))];
                let phenomenon = Phenomenon::Impossible(level);
                claim.phenomena.push(TransactionAnomaly { phenomenon, count: 1, examples });
            }
        }
        let standings = verifier::verify(&history, &question, &claim, &Limits::unbounded()).phenomena;
        for (anomaly, standing) in claim.phenomena.iter().zip(standings) {
            let Phenomenon::Impossible(level) = anomaly.phenomenon else { continue };
            let mut answers = report.answers.iter();
            let known = answers.find(|answer| answer.property == Property::Isolation(level));
            let holds = known.is_some_and(|known| known.verdict.name() == "holds");
            match (holds, standing == Standing::Confirmed) {
                (true, true) => {
                    let told = || format!("seed {seed}: {anomaly:?}\n{}", draw_history(&history));
                    confirmed.entry(level.name()).or_insert_with(told);
                }
                (true, false) => *tried.entry(level.name()).or_default() += 1,
                (false, is_right) => right += u64::from(is_right),
            }
        }
    }
    let confirmed: Vec<String> = confirmed.into_values().collect();
    assert!(confirmed.is_empty(), "confirmed, but false:\n{}", confirmed.join("\n"));
    println!("{tried:#?}, {right} were right");
    let least = tried.values().min().copied().unwrap_or(0);
    assert!(
        tried.len() == IsolationLevel::ALL.len() && least > 1_000 && right > 5,
        "{tried:#?}, {right} were right"
    );
}
