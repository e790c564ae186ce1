//! Cores, cycles of versions and cycles of causality that are made up, for levels of objects that hold, and orders for those that do not.

use crate::near::{changed, seldom_strange};
use crate::{containers, objects, sets};
use checker::{
    AnomalyName, Answer, CausalLink, CausalOrders, CausalProofStep, CausalRefutation, ConstraintReason,
    Contradiction, Core, Evidence, FailedCas, InferenceRule, InferredOrder, Level, Limits, Linearization,
    LinkReason, Model, Property, Question, Report, ReturnedWrite, SessionSerialization, StalenessBound,
    Verdict, VersionConstraint, VersionOrder, VersionProofStep, VersionRefutation, Violation, Witness,
};
use histories::{Argument, Function, History, KeyId, NEVER, OpId, Operation, Outcome, ValueId};
use std::collections::BTreeMap;
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{OTHER_MODELS, TestRandom, draw_history, level_properties, question_about, test_limits};
use verifier::Standing;

struct ObjectForger<'h> {
    history: &'h History,
    all: Vec<Operation>,
}

fn written(op: &Operation) -> Option<ValueId> {
    match op.argument {
        Argument::Value(value) if op.function == Function::WRITE => Some(value),
        Argument::Pair(_, new) => Some(new),
        _ => None,
    }
}

fn seen(op: &Operation) -> Option<ValueId> {
    match op.argument {
        Argument::Pair(old, _) => Some(old),
        _ if op.function == Function::READ && op.outcome == Outcome::Ok => Some(op.result),
        _ => None,
    }
}

impl ObjectForger<'_> {
    /// Some operations on an object, as if no order explained them.
    fn forge_core(&self, random: &mut TestRandom) -> Violation {
        let key = self.all[random.below(self.all.len())].key;
        let share = [40, 70, 100][random.below(3)];
        let left_out = |op: &&Operation| op.key == key && op.outcome != Outcome::Fail;
        let mut operations: Vec<OpId> = self.all.iter().filter(left_out).map(|op| op.id).collect();
        operations.retain(|_| random.chance(share));
        if random.chance(5) && !operations.is_empty() {
            operations.push(operations[0]);
        }
        let mut core = Core::minimal_core(key, operations);
        let position = |random: &mut TestRandom| random.below(2 * self.all.len()) as u32;
        core.until = if random.chance(70) { NEVER } else { position(random) };
        core.from = random.chance(20).then(|| position(random));
        if random.chance(15) {
            let exchanges = |id: &&OpId| self.history.function(**id) == Function::CAS;
            core.writes_only = core.operations.iter().filter(exchanges).copied().collect();
        }
        let (key, operations) = (core.key, core.operations.clone());
        Violation { kind: AnomalyName::new("stale-read"), key, operations, evidence: Evidence::Core(core) }
    }

    /// The write of the version that an operation wrote or returned: the first with that value.
    fn version_of(&self, op: &Operation) -> Option<OpId> {
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

    fn link(&self, random: &mut TestRandom) -> CausalLink {
        let (one, other) = (&self.all[random.below(self.all.len())], &self.all[random.below(self.all.len())]);
        let why = match random.below(5) {
            0 => {
                let from = self.version_of(other);
                return CausalLink { from, to: Some(other.id), why: LinkReason::ReadsFrom };
            }
            1 if random.chance(30) => LinkReason::RealTime,
            2 if random.chance(20) => {
                return CausalLink { from: None, to: Some(other.id), why: LinkReason::Initial };
            }
            _ => LinkReason::SessionOrder,
        };
        CausalLink { from: Some(one.id), to: Some(other.id), why }
    }

    /// Links from one operation to another, up to three.
    fn path(&self, pool: &[CausalLink], from: Option<OpId>, to: Option<OpId>) -> Option<Vec<CausalLink>> {
        let mut paths: Vec<Vec<CausalLink>> = vec![Vec::new()];
        for _ in 0..3 {
            let mut longer = Vec::new();
            for path in &paths {
                let at = path.last().map_or(from, |link| link.to);
                for link in pool.iter().filter(|link| link.from == at) {
                    let next = [&path[..], &[*link]].concat();
                    if link.to == to {
                        return Some(next);
                    }
                    longer.push(next);
                }
            }
            longer.truncate(200);
            paths = longer;
        }
        None
    }

    /// A cycle of session order, reads and at most one conclusion from a read.
    fn forge_causal_cycle(&self, level: Level, random: &mut TestRandom) -> Option<Violation> {
        let mut pool: Vec<CausalLink> = (0..30).map(|_| self.link(random)).collect();
        if random.chance(80) {
            let fits = |link: &CausalLink| match (link.from, link.to, link.why) {
                (Some(from), Some(to), LinkReason::SessionOrder) => {
                    let (a, b) = (self.history.operation(from), self.history.operation(to));
                    a.session == b.session && a.precedes(&b)
                }
                _ => true,
            };
            pool.retain(fits);
        }
        let reads: Vec<&Operation> = self.all.iter().filter(|op| seen(op).is_some()).collect();
        let read = *reads.get(random.below(reads.len().max(1)))?;
        let source = self.version_of(read).filter(|&source| source != read.id);
        let others = self.all.iter().filter(|op| op.key == read.key && written(op).is_some());
        let others: Vec<OpId> = others.map(|op| op.id).filter(|&id| Some(id) != source).collect();
        let other = *others.get(random.below(others.len().max(1)))?;
        let rule = random.one_of(&[InferenceRule::NotBetween, InferenceRule::NotYet]);
        let (path, link) = match rule {
            InferenceRule::NotBetween => {
                (self.path(&pool, Some(other), Some(read.id))?, (Some(other), source))
            }
            InferenceRule::NotYet => (self.path(&pool, source, Some(other))?, (Some(read.id), Some(other))),
        };
        let inferred = InferredOrder { read: read.id, source, other, rule, path };
        let cycle = match random.chance(75) {
            true => {
                let first = CausalLink { from: link.0, to: link.1, why: LinkReason::Inferred(0) };
                let mut cycle = vec![first];
                cycle.extend(self.path(&pool, link.1, link.0)?);
                cycle
            }
            false => {
                let at = Some(self.all[random.below(self.all.len())].id);
                self.path(&pool, at, at)?
            }
        };
        let session = random.chance(60).then_some(read.session);
        let contradiction = Contradiction { session, inferred: vec![inferred], cycle };
        let refutation = CausalRefutation { proof: vec![CausalProofStep::Contradiction(contradiction)] };
        let operations = refutation.involved_operations();
        let kind = AnomalyName::new(refutation.anomaly_name(level));
        let key = operations.first().map_or(KeyId::NONE, |&id| self.history.key(id));
        let evidence = Evidence::Causal(refutation);
        Some(Violation { kind, key, operations, evidence })
    }

    /// A proof that two writes have no order: each order of them is on a cycle.
    fn forge_order_proof(&self, level: Level, random: &mut TestRandom) -> Option<Violation> {
        let writes: Vec<&Operation> = self.all.iter().filter(|op| written(op).is_some()).collect();
        let one = *writes.get(random.below(writes.len().max(1)))?;
        let same: Vec<&&Operation> =
            writes.iter().filter(|op| op.key == one.key || random.chance(5)).collect();
        let other = **same.get(random.below(same.len().max(1)))?;
        let (a, b) = (one.id, other.id);
        let session = random.chance(50).then_some(one.session);
        let mut proof = vec![CausalProofStep::Order { a, b }];
        for (from, to) in [(a, b), (b, a)] {
            let pool: Vec<CausalLink> = (0..60).map(|_| self.link(random)).collect();
            let mut cycle = vec![CausalLink { from: Some(from), to: Some(to), why: LinkReason::Assumed }];
            cycle.extend(self.path(&pool, Some(to), Some(from))?);
            let contradiction = Contradiction { session, inferred: Vec::new(), cycle };
            proof.push(CausalProofStep::Contradiction(contradiction));
        }
        if random.chance(5) {
            proof.pop();
        }
        let refutation = CausalRefutation { proof };
        let operations = refutation.involved_operations();
        let kind = AnomalyName::new(refutation.anomaly_name(level));
        let key = operations.first().map_or(KeyId::NONE, |&id| self.history.key(id));
        Some(Violation { kind, key, operations, evidence: Evidence::Causal(refutation) })
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
            _ if by_core => self.forge_core(random),
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
        return (history, Question { failed_cas, staleness, ..question });
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
                if standing == Standing::Confirmed {
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
