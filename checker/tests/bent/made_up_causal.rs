//! Cycles of causality and proofs by cases that are made up, for levels of objects that hold.

use crate::made_up_cores::{ObjectForger, seen, written};
use checker::{
    AnomalyName, CausalLink, CausalProofStep, CausalRefutation, Contradiction, Evidence, InferenceRule,
    InferredOrder, Level, LinkReason, Violation,
};
use histories::{KeyId, OpId, Operation, SessionId};
use testkit::TestRandom;

impl ObjectForger<'_> {
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
    pub(crate) fn forge_causal_cycle(&self, level: Level, random: &mut TestRandom) -> Option<Violation> {
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

    /// The links that are right whatever is assumed: from one operation of a session to a later one, and from a write to the reads of its
    /// value.
    fn right_links(&self) -> Vec<CausalLink> {
        let pairs = self.all.iter().flat_map(|one| self.all.iter().map(move |other| (one, other)));
        let in_session = pairs.filter(|(one, other)| one.session == other.session && one.precedes(other));
        let link = |from: OpId, to: OpId, why| CausalLink { from: Some(from), to: Some(to), why };
        let in_session = in_session.map(|(one, other)| link(one.id, other.id, LinkReason::SessionOrder));
        let reads = self.all.iter().filter(|op| seen(op).is_some());
        let from =
            reads.filter_map(|read| Some((self.version_of(read).filter(|&id| id != read.id)?, read.id)));
        in_session.chain(from.map(|(from, to)| link(from, to, LinkReason::ReadsFrom))).collect()
    }

    /// A contradiction of the assumption that one write precedes another: a path back, or a read between the two.
    fn forge_contradiction(
        &self,
        session: Option<SessionId>,
        (a, b): (OpId, OpId),
        random: &mut TestRandom,
    ) -> Option<Contradiction> {
        let mut pool = self.right_links();
        pool.extend((0..10).map(|_| self.link(random)));
        let assumed = CausalLink { from: Some(a), to: Some(b), why: LinkReason::Assumed };
        let returns_first = |op: &&Operation| seen(op).is_some() && self.version_of(op) == Some(a);
        let readers: Vec<OpId> = self.all.iter().filter(returns_first).map(|op| op.id).collect();
        let (mut inferred, mut cycle) = (Vec::new(), vec![assumed]);
        if !readers.is_empty() && random.chance(60) {
            // The reader returned the first write, so it precedes the second one.
            let read = random.one_of(&readers);
            let rule = InferenceRule::NotYet;
            inferred.push(InferredOrder { read, source: Some(a), other: b, rule, path: vec![assumed] });
            cycle = vec![CausalLink { from: Some(read), to: Some(b), why: LinkReason::Inferred(0) }];
            cycle.extend(self.path(&pool, Some(b), Some(read))?);
        } else {
            cycle.extend(self.path(&pool, Some(b), Some(a))?);
        }
        Some(Contradiction { session, inferred, cycle })
    }

    /// A proof that two writes have no order: each order of them is on a cycle. One of the orders may be left out, or be contradicted twice.
    pub(crate) fn forge_order_proof(&self, level: Level, random: &mut TestRandom) -> Option<Violation> {
        let writes: Vec<&Operation> = self.all.iter().filter(|op| written(op).is_some()).collect();
        let one = *writes.get(random.below(writes.len().max(1)))?;
        let same: Vec<&&Operation> =
            writes.iter().filter(|op| op.key == one.key || random.chance(5)).collect();
        let other = **same.get(random.below(same.len().max(1)))?;
        let (a, b) = (one.id, other.id);
        let session = random.chance(50).then_some(one.session);
        let mut proof = vec![CausalProofStep::Order { a, b }];
        let first = self.forge_contradiction(session, (a, b), random)?;
        proof.push(CausalProofStep::Contradiction(first.clone()));
        match random.below(10) {
            0..3 => proof.push(CausalProofStep::Contradiction(first)),
            3 | 4 => {}
            _ => {
                let second = self.forge_contradiction(session, (b, a), random)?;
                proof.push(CausalProofStep::Contradiction(second));
            }
        }
        let refutation = CausalRefutation { proof };
        let operations = refutation.involved_operations();
        let kind = AnomalyName::new(refutation.anomaly_name(level));
        let key = operations.first().map_or(KeyId::NONE, |&id| self.history.key(id));
        Some(Violation { kind, key, operations, evidence: Evidence::Causal(refutation) })
    }
}
