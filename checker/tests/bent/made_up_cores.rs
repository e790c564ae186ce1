//! Cores and cycles of versions that are made up, for levels of objects that hold, and orders for those that do not.

use crate::near::{changed, seldom_strange, with_times};
use crate::{containers, objects, sets};
use checker::{
    AnomalyName, Answer, CausalOrders, ConstraintReason, Core, Evidence, FailedCas, Level, Limits,
    Linearization, Model, Property, Question, Report, ReturnedWrite, SessionSerialization, StalenessBound,
    Verdict, VersionConstraint, VersionOrder, VersionProofStep, VersionRefutation, Violation, Witness,
};
use histories::{Argument, Function, History, KeyId, NEVER, OpId, Operation, Outcome, ValueId};
use std::collections::BTreeMap;
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{OTHER_MODELS, TestRandom, draw_history, level_properties, question_about, test_limits};
use verifier::Standing;

pub(crate) struct ObjectForger<'h> {
    pub(crate) history: &'h History,
    pub(crate) all: Vec<Operation>,
}

pub(crate) fn written(op: &Operation) -> Option<ValueId> {
    match op.argument {
        Argument::Value(value) if op.function == Function::WRITE => Some(value),
        Argument::Pair(_, new) => Some(new),
        _ => None,
    }
}

pub(crate) fn seen(op: &Operation) -> Option<ValueId> {
    match op.argument {
        Argument::Pair(old, _) => Some(old),
        _ if op.function == Function::READ && op.outcome == Outcome::Ok => Some(op.result),
        _ => None,
    }
}

impl ObjectForger<'_> {
    /// Some operations on an object, as if no order explained them. Mostly the name is one that the level has.
    fn forge_core(&self, level: Level, random: &mut TestRandom) -> Violation {
        let key = self.all[random.below(self.all.len())].key;
        let share = [40, 70, 100][random.below(3)];
        let left_out = |op: &&Operation| op.key == key && op.outcome != Outcome::Fail;
        let mut operations: Vec<OpId> = self.all.iter().filter(left_out).map(|op| op.id).collect();
        operations.retain(|_| random.chance(share));
        if random.chance(5) && !operations.is_empty() {
            operations.push(operations[0]);
        }
        let mut core = Core { minimal: random.chance(10), ..Core::minimal_core(key, operations) };
        let position = |random: &mut TestRandom| random.below(2 * self.all.len()) as u32;
        core.until = if random.chance(70) { NEVER } else { position(random) };
        core.from = random.chance(20).then(|| position(random));
        if random.chance(15) {
            let exchanges = |id: &&OpId| self.history.function(**id) == Function::CAS;
            core.writes_only = core.operations.iter().filter(exchanges).copied().collect();
        }
        let of_register = [Function::READ, Function::GET, Function::WRITE, Function::PUT, Function::CAS];
        let name = match level {
            _ if random.chance(5) => random.one_of(&["phantom-read", "future-read", "lost-update"]),
            Level::TwoAtomic => "non-two-atomic",
            Level::BoundedStaleness => {
                random.one_of(&["too-stale", "too-stale", "non-two-atomic", "stale-read"])
            }
            Level::Linearizable if self.all.iter().any(|op| !of_register.contains(&op.function)) => {
                "non-linearizable"
            }
            _ => "stale-read",
        };
        let (key, operations) = (core.key, core.operations.clone());
        Violation { kind: AnomalyName::new(name), key, operations, evidence: Evidence::Core(core) }
    }

    /// The write of the version that an operation wrote or returned: the first with that value.
    pub(crate) fn version_of(&self, op: &Operation) -> Option<OpId> {
        if written(op).is_some() {
            return Some(op.id);
        }
        let value = seen(op)?;
        self.all
            .iter()
            .find(|other| other.key == op.key && written(other) == Some(value))
            .map(|other| other.id)
    }

    fn constraint(&self, random: &mut TestRandom) -> VersionConstraint {
        let (one, other) = (&self.all[random.below(self.all.len())], &self.all[random.below(self.all.len())]);
        let (a, b) = (one.id, other.id);
        let guarantee = match (written(one).is_some(), written(other).is_some()) {
            (true, false) => Level::ReadYourWrites,
            (false, false) => Level::MonotonicReads,
            (true, true) => Level::MonotonicWrites,
            (false, true) => Level::WritesFollowReads,
        };
        let (from, to) = (self.version_of(one), self.version_of(other));
        let reason = match random.below(10) {
            0 => ConstraintReason::SessionWrites { a, b },
            1 => ConstraintReason::RealTimeWrites { a, b },
            2 => ConstraintReason::Token { a, b },
            3 => ConstraintReason::Initial,
            4 => {
                let value = seen(one);
                let source = self.all.iter().find(|op| op.key == one.key && written(op) == value);
                let from = source.map(|source| source.id);
                return VersionConstraint {
                    from,
                    to: Some(a),
                    reason: ConstraintReason::CompareAndSet { op: a },
                };
            }
            _ => ConstraintReason::SessionOrder { guarantee, a, b },
        };
        VersionConstraint { from, to, reason }
    }

    /// A cycle of two constraints on the versions of one object.
    fn forge_version_cycle(&self, random: &mut TestRandom) -> Option<Violation> {
        let pool: Vec<VersionConstraint> = (0..40).map(|_| self.constraint(random)).collect();
        let closes =
            |one: &VersionConstraint, other: &VersionConstraint| one.to == other.from && other.to == one.from;
        let pairs = pool.iter().flat_map(|one| pool.iter().map(move |other| (*one, *other)));
        let pairs: Vec<_> = pairs.filter(|(one, other)| closes(one, other)).collect();
        let &(one, other) = pairs.get(random.below(pairs.len().max(1)))?;
        let key = one.from.or(one.to).map(|id| self.history.key(id))?;
        let mut proof = vec![VersionProofStep::Cycle(vec![one, other])];
        if random.chance(15) {
            let read = self.all[random.below(self.all.len())].id;
            let writes = vec![self.version_of(&self.history.operation(read))];
            proof.insert(0, VersionProofStep::Split { read, writes });
        }
        let refutation = VersionRefutation { key, proof, shortest: false };
        let (operations, kind) = (refutation.involved_operations(), refutation.anomaly_name());
        let evidence = Evidence::Cycle(refutation);
        Some(Violation { kind: AnomalyName::new(kind), key, operations, evidence })
    }

    /// An order of each object, near that of the events, or for each read the first write of its value.
    fn forge_witness(&self, level: Level, is_one_object: bool, random: &mut TestRandom) -> Witness {
        if level.judges_single_reads() {
            let reads = self.all.iter().filter(|op| seen(op).is_some() && op.outcome == Outcome::Ok);
            let one = |op: &Operation| ReturnedWrite {
                read: op.id,
                write: self.version_of(op).filter(|&write| write != op.id),
            };
            let mut sources: Vec<ReturnedWrite> = reads.map(one).collect();
            sources.retain(|_| !random.chance(3));
            return Witness::Sources(sources);
        }
        if level == Level::Session || level.is_session_guarantee() {
            return Witness::Versions(self.forge_versions(random));
        }
        let is_of_objects = matches!(level, Level::Linearizable | Level::TwoAtomic | Level::BoundedStaleness);
        if !is_of_objects {
            return Witness::Causal(self.forge_serializations(level, random));
        }
        let mut orders: BTreeMap<KeyId, Vec<OpId>> = BTreeMap::new();
        for op in &self.all {
            let stays = match op.outcome {
                Outcome::Ok => !random.chance(2),
                Outcome::Info => random.chance(50),
                Outcome::Fail => random.chance(2),
            };
            if stays {
                let key = if is_one_object { KeyId::NONE } else { op.key };
                orders.entry(key).or_default().push(op.id);
            }
        }
        let by_completion = random.chance(60);
        let order = |(key, mut operations): (KeyId, Vec<OpId>)| {
            let at = |id: &OpId| {
                let operation = self.history.operation(*id);
                let ends = by_completion && operation.outcome == Outcome::Ok;
                if ends { operation.completed } else { operation.invoked }
            };
            operations.sort_by_key(at);
            for _ in 0..random.below(4) {
                if operations.len() > 1 {
                    let at = random.below(operations.len() - 1);
                    operations.swap(at, at + 1);
                }
            }
            Linearization { key, operations }
        };
        Witness::Orders(orders.into_iter().map(order).collect())
    }

    /// The source of each read: the first write of its value, or another one.
    fn sources(&self, random: &mut TestRandom) -> Vec<ReturnedWrite> {
        let reads = self.all.iter().filter(|op| seen(op).is_some() && op.outcome != Outcome::Fail);
        let elsewhere = random.chance(8);
        let source = |op: &Operation| {
            let same = |other: &&Operation| {
                (other.key == op.key || elsewhere)
                    && other.id != op.id
                    && written(other).is_some()
                    && written(other) == seen(op)
            };
            self.all.iter().filter(same).map(|other| other.id).collect::<Vec<OpId>>()
        };
        let reads: Vec<(OpId, Vec<OpId>)> = reads.map(|op| (op.id, source(op))).collect();
        let one = |(read, writes): (OpId, Vec<OpId>), random: &mut TestRandom| {
            let write = if writes.is_empty() { None } else { Some(random.one_of(&writes)) };
            ReturnedWrite { read, write }
        };
        reads.into_iter().map(|pair| one(pair, random)).collect()
    }

    /// The operations that took effect, in an order near that of the events.
    fn order(&self, is_in: &dyn Fn(&Operation) -> bool, random: &mut TestRandom) -> Vec<OpId> {
        let happened = |op: &&Operation| op.outcome != Outcome::Fail && is_in(op);
        let mut operations: Vec<&Operation> = self.all.iter().filter(happened).collect();
        operations.retain(|op| op.outcome == Outcome::Ok || written(op).is_some());
        let by_completion = random.chance(60);
        let ends = |op: &&Operation| by_completion && op.outcome == Outcome::Ok;
        operations.sort_by_key(|op| if ends(op) { op.completed } else { op.invoked });
        for _ in 0..random.below(5) {
            if operations.len() > 1 {
                let at = random.below(operations.len() - 1);
                operations.swap(at, at + 1);
            }
        }
        operations.into_iter().map(|op| op.id).collect()
    }

    fn forge_versions(&self, random: &mut TestRandom) -> Vec<VersionOrder> {
        let mut keys: Vec<KeyId> = self.all.iter().map(|op| op.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let returned = self.sources(random);
        let one = |key: KeyId, random: &mut TestRandom| {
            let writes = self.order(&|op| op.key == key && written(op).is_some(), random);
            let here = |one: &ReturnedWrite| self.history.key(one.read) == key;
            VersionOrder { key, writes, returned: returned.iter().copied().filter(here).collect() }
        };
        keys.into_iter().map(|key| one(key, random)).collect()
    }

    fn forge_serializations(&self, level: Level, random: &mut TestRandom) -> CausalOrders {
        let mut sessions: Vec<_> = self.all.iter().map(|op| op.session).collect();
        sessions.sort_unstable();
        sessions.dedup();
        let mut keys: Vec<KeyId> = self.all.iter().map(|op| op.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let by_session = matches!(level, Level::Pram | Level::CausalMemory | Level::SlowMemory);
        let by_key = matches!(level, Level::PerObjectSequential | Level::SlowMemory);
        let sessions: Vec<_> = if by_session { sessions.into_iter().map(Some).collect() } else { vec![None] };
        let keys: Vec<_> = if by_key { keys.into_iter().map(Some).collect() } else { vec![None] };
        let mut orders = Vec::new();
        for (&session, &key) in sessions.iter().flat_map(|session| keys.iter().map(move |key| (session, key)))
        {
            let is_in = |op: &Operation| {
                key.is_none_or(|key| op.key == key)
                    && (written(op).is_some() || session.is_none_or(|session| op.session == session))
            };
            orders.push(SessionSerialization { session, key, operations: self.order(&is_in, random) });
        }
        CausalOrders { orders, returned: self.sources(random) }
    }

    fn forge(
        &self,
        level: Level,
        is_violated: bool,
        is_one_object: bool,
        random: &mut TestRandom,
    ) -> Option<Verdict> {
        if is_violated {
            return Some(Verdict::Holds(self.forge_witness(level, is_one_object, random)));
        }
        let by_core = level.judges_single_reads()
            || matches!(level, Level::Linearizable | Level::TwoAtomic | Level::BoundedStaleness);
        let violation = match level {
            _ if by_core => self.forge_core(level, random),
            level if level == Level::Session || level.is_session_guarantee() => {
                self.forge_version_cycle(random)?
            }
            level if random.chance(25) => self.forge_order_proof(level, random)?,
            level => self.forge_causal_cycle(level, random)?,
        };
        Some(Verdict::Violated(vec![violation]))
    }
}

fn draw(seed: u64) -> (History, Question) {
    let mut random = TestRandom::new(seed);
    let failed_cas = if random.chance(70) { FailedCas::SaysNothing } else { FailedCas::Observes };
    if seed.is_multiple_of(2) {
        let shape = RegisterShape { tokens: random.chance(15), ..RegisterShape::new(&mut random) };
        let initial = if random.chance(80) { "null" } else { "0" };
        let history = RegisterRun::new(random.fork(1), shape, initial).into_history();
        let mut question = question_about(Model::CasRegister, &level_properties(Level::ALL));
        question.initial.set_default(initial).expect("it is JSON");
        let bounds = [1, 2, 3, 4].map(StalenessBound::Versions).into_iter();
        let bounds: Vec<_> = bounds.chain([1, 5, 20].map(StalenessBound::Nanoseconds)).collect();
        let staleness = random.chance(60).then(|| random.one_of(&bounds));
        let is_timed = matches!(staleness, Some(StalenessBound::Nanoseconds(_)));
        let history = if is_timed { with_times(&history, &mut random) } else { Some(history) };
        return (history.expect("times may be added"), Question { failed_cas, staleness, ..question });
    }
    let model = random.one_of(&OTHER_MODELS);
    let plan = containers::ContainerPlan {
        operations: 3 + random.below(6),
        clients: 1 + random.below(4),
        indeterminate: random.one_of(&[0, 10, 30]),
        repeated: random.one_of(&[0, 10]),
        priorities: random.below(3),
    };
    let history = match model {
        Model::Queue | Model::Stack | Model::PriorityQueue => {
            containers::container_history(model, plan, seed)
        }
        Model::Set if random.chance(60) => {
            let plan = sets::SetPlan { operations: 4 + random.below(6), clients: 3, elements: 3, reads: 30 };
            sets::set_history(plan, seed)
        }
        _ => objects::history(model, seed),
    };
    (history, Question { failed_cas, ..question_about(model, &level_properties(&[Level::Linearizable])) })
}

#[test]
fn evidence_about_objects_that_is_made_up_is_refuted() {
    let mut tried: BTreeMap<(&'static str, bool), u64> = BTreeMap::new();
    let mut confirmed: BTreeMap<(&'static str, bool), String> = BTreeMap::new();
    for seed in 0..1_200 * crate::times() {
        let (history, question) = draw(seed);
        let mut random = TestRandom::new(seed ^ 0xc0de);
        let history = seldom_strange(changed(history, &mut random), &mut random);
        // A changed history may be one of another model.
        if question.check(&history).is_err() {
            continue;
        }
        let report = checker::check(&history, &question, &test_limits(300_000, 1 << 28))
            .expect("it has no internal error");
        let forger = ObjectForger { history: &history, all: history.operations().collect() };
        for _ in 0..12 {
            let mut claim = Report { model: question.model, ..Report::default() };
            for answer in &report.answers {
                let Property::Level(level) = answer.property else { continue };
                let is_violated = match answer.verdict {
                    Verdict::Holds(_) => false,
                    Verdict::Violated(_) => true,
                    Verdict::Untested(_) | Verdict::Unknown(_) => continue,
                };
                let is_one_object = question.model == Model::MultiRegister;
                let forged = forger.forge(level, is_violated, is_one_object, &mut random);
                claim.answers.extend(forged.map(|verdict| Answer { verdict, ..answer.clone() }));
            }
            let standings = verifier::verify(&history, &question, &claim, &Limits::unbounded()).answers;
            for (forged, standing) in claim.answers.iter().zip(standings) {
                let name = if question.model == Model::CasRegister {
                    forged.property.name()
                } else {
                    question.model.name()
                };
                let kind = (name, forged.verdict.name() == "holds");
                *tried.entry(kind).or_default() += 1;
                if matches!(standing, Standing::Confirmed | Standing::ConfirmedExcept(_)) {
                    let told = || format!("seed {seed}: {forged:?}\n{}", draw_history(&history));
                    confirmed.entry(kind).or_insert_with(told);
                }
            }
        }
    }
    let confirmed: Vec<String> = confirmed.into_values().collect();
    assert!(confirmed.is_empty(), "confirmed, but false:\n{}", confirmed.join("\n"));
    println!("{tried:#?}");
    assert!(tried.len() >= 40 && tried.values().sum::<u64>() > 50_000, "{tried:#?}");
}
