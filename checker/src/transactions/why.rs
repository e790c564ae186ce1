//! The reason for each edge of a cycle. Reasons are looked up again for the few edges that are reported, and not
//! stored for the millions that are not.

use super::cycles::FoundCycle;
use super::graph::{DependencyStep, EdgeKinds};
use super::index::{self, Touch, TransactionIndex};
use super::serial::{self, Bond, Literal, PrecedenceEvidence, Tie};
use super::versions::VersionEdge;
use claims::{
    CycleShape, Dependency, DependencyCycle, DependencyReason, OrderAssumption, OrderExtent, OrderLemma,
    VersionEvidence,
};
use histories::{Id, KeyId, ValueId};

pub(crate) struct EdgeExplainer<'a, 'h> {
    pub index: &'a TransactionIndex<'h>,
    pub orders: &'a [Vec<VersionEdge>],
}

impl EdgeExplainer<'_, '_> {
    pub(crate) fn explain_cycle(&self, found: &FoundCycle) -> DependencyCycle {
        let edges: Vec<Dependency> = found.steps.iter().map(|&step| self.explain_dependency(step)).collect();
        DependencyCycle { shape: cycle_shape(&edges), edges, shortest: found.shortest }
    }

    /// The proof that no serial order exists, as evidence.
    pub(crate) fn explain_lemmas(&self, proof: &[serial::LearnedLemma]) -> Vec<OrderLemma> {
        let lemma = |lemma: &serial::LearnedLemma| OrderLemma {
            assumed: lemma.assumed.iter().map(|&literal| self.explain_assumption(literal)).collect(),
            cycle: lemma.cycle.iter().map(|&tie| self.explain_tie(tie, proof)).collect(),
        };
        proof.iter().map(lemma).collect()
    }

    fn explain_assumption(&self, Literal { key, earlier, later }: Literal) -> OrderAssumption {
        OrderAssumption {
            key,
            earlier: self.last_value_written(earlier, key),
            later: self.last_value_written(later, key),
        }
    }

    /// The last value that a transaction wrote to a register.
    fn last_value_written(&self, op: u32, key: KeyId) -> ValueId {
        let last =
            self.touches_of(op, key).iter().rfind(|touch| !index::is_read(self.index.micro_at(touch.micro)));
        self.index.micro_at(last.expect("it writes the key").micro).value()
    }

    fn explain_tie(&self, Tie { from, to, bond }: Tie, proof: &[serial::LearnedLemma]) -> Dependency {
        let why = match bond {
            Bond::Arc { kind, key } => {
                return self.explain_dependency(DependencyStep { from, to, kind, key });
            }
            Bond::Unread { key, version, order } => DependencyReason::Missed {
                key,
                read: self.index.value_of_version(key, version),
                later: self.last_value_written(to, key),
                order: match order {
                    PrecedenceEvidence::Initial => VersionEvidence::Initial,
                    PrecedenceEvidence::Read => VersionEvidence::ReadModifyWrite,
                    PrecedenceEvidence::Before(OrderExtent::RealTime) => VersionEvidence::RealTime,
                    PrecedenceEvidence::Before(_) => VersionEvidence::Session,
                    PrecedenceEvidence::Assumed => VersionEvidence::Assumed,
                },
            },
            Bond::Taken { .. } => unreachable!("proofs about snapshots are told in another way"),
            Bond::Lemma(number) => {
                let concerns = |literal: &&Literal| (literal.earlier, literal.later) == (to, from);
                let assumed = proof[number as usize].assumed.iter().find(concerns);
                let key = assumed.expect("the lemma is about the two").key;
                let (earlier, later) = (self.last_value_written(from, key), self.last_value_written(to, key));
                DependencyReason::Concluded { key, earlier, later, lemma: number as usize }
            }
        };
        Dependency { from: self.index.op_id(from), to: self.index.op_id(to), why }
    }

    pub(crate) fn explain_dependency(&self, step: DependencyStep) -> Dependency {
        let why = match EdgeKinds(step.kind.0 & !EdgeKinds::INDETERMINATE.0) {
            EdgeKinds::SESSION => DependencyReason::Session,
            EdgeKinds::TIME => DependencyReason::RealTime,
            EdgeKinds::WR => self.explain_read_by(step),
            EdgeKinds::WW => self.explain_overwritten(step),
            EdgeKinds::RW => self.explain_missed(step),
            kind if kind.intersects(EdgeKinds::RW) => self.explain_missed_by_order(step),
            other => unreachable!("no dependency is of kind {other:?}"),
        };
        Dependency { from: self.index.op_id(step.from), to: self.index.op_id(step.to), why }
    }

    /// The micro-operations of a transaction on a key.
    fn touches_of(&self, op: u32, key: KeyId) -> &[Touch] {
        let touches = self.index.touches(key);
        let start = touches.partition_point(|touch| touch.op < op);
        let len = touches[start..].partition_point(|touch| touch.op == op);
        &touches[start..start + len]
    }

    fn versions_written(&self, op: u32, key: KeyId) -> impl Iterator<Item = u32> + '_ {
        let writes = self.touches_of(op, key).iter().filter(|touch| !self.index.is_known_read(**touch));
        let version = |touch: &Touch| self.index.version_of[touch.micro as usize];
        writes.map(version).filter(move |&version| self.index.committed_writer(key, version) == Some(op))
    }

    fn versions_read(&self, op: u32, key: KeyId) -> impl Iterator<Item = u32> + '_ {
        self.touches_of(op, key).iter().filter_map(move |&touch| self.index.outside_version(key, touch))
    }

    fn explain_read_by(&self, DependencyStep { from, to, key, .. }: DependencyStep) -> DependencyReason {
        let version = self
            .versions_read(to, key)
            .find(|&version| self.index.committed_writer(key, version) == Some(from));
        let version = version.expect("the edge was made for a read");
        DependencyReason::ReadBy {
            key,
            value: self.index.value_of_version(key, version).expect("somebody wrote it"),
        }
    }

    fn explain_overwritten(&self, DependencyStep { from, to, key, .. }: DependencyStep) -> DependencyReason {
        let pairs = self
            .versions_written(from, key)
            .flat_map(|a| self.versions_written(to, key).map(move |b| (a, b)));
        let (a, b, order) = pairs
            .filter_map(|(a, b)| Some((a, b, self.version_order_evidence(key, a, b)?)))
            .min_by_key(|&(a, b, _)| b.abs_diff(a))
            .expect("the edge was made for two versions");
        let value = |version| self.index.value_of_version(key, version).expect("somebody wrote it");
        DependencyReason::Overwritten { key, earlier: value(a), later: value(b), order }
    }

    fn explain_missed(&self, step: DependencyStep) -> DependencyReason {
        self.explain_missed_by_read(step, |_| true)
    }

    /// The transaction read the initial state and missed a write. It may have read the object more than once.
    pub(crate) fn explain_missed_by_initial(&self, step: DependencyStep) -> Dependency {
        let why = self.explain_missed_by_read(step, |version| version == 0);
        Dependency { from: self.index.op_id(step.from), to: self.index.op_id(step.to), why }
    }

    /// The same for the reads that returned certain versions.
    fn explain_missed_by_read(
        &self,
        DependencyStep { from, to, key, .. }: DependencyStep,
        counts: impl Fn(u32) -> bool,
    ) -> DependencyReason {
        let read = self.versions_read(from, key).filter(|&version| counts(version));
        let pairs = read.flat_map(|a| self.versions_written(to, key).map(move |b| (a, b)));
        let (a, b, order) = pairs
            .filter_map(|(a, b)| Some((a, b, self.version_order_evidence(key, a, b)?)))
            .min_by_key(|&(a, b, _)| b.abs_diff(a))
            .expect("the edge was made for a read and a version");
        let later = self.index.value_of_version(key, b).expect("somebody wrote it");
        DependencyReason::Missed { key, read: self.index.value_of_version(key, a), later, order }
    }

    /// The same, if only session order or real-time order shows which version is the later.
    fn explain_missed_by_order(
        &self,
        DependencyStep { from, to, key, kind }: DependencyStep,
    ) -> DependencyReason {
        let order = match kind.intersects(EdgeKinds::TIME) {
            true => VersionEvidence::RealTime,
            false => VersionEvidence::Session,
        };
        let pairs =
            self.versions_read(from, key).flat_map(|a| self.versions_written(to, key).map(move |b| (a, b)));
        let (a, b) = pairs
            .into_iter()
            // A version has no place in the order if its writer is unknown or overwrote it.
            .filter(|&(a, _)| {
                self.index.committed_writer(key, a).is_some()
                    && !self.index.versions(key)[a as usize - 1].intermediate
            })
            .find(|&(a, b)| is_touched_in_order(self.index, key, (a, b), order))
            .expect("the edge was made for a read and a version");
        let later = self.index.value_of_version(key, b).expect("somebody wrote it");
        DependencyReason::Missed { key, read: self.index.value_of_version(key, a), later, order }
    }

    /// The evidence that version `a` comes directly before version `b`, if there is any.
    fn version_order_evidence(&self, key: KeyId, a: u32, b: u32) -> Option<VersionEvidence> {
        let shape = self.index.key(key);
        match shape.shape {
            index::KeyShape::List if a <= shape.ordered && b <= shape.ordered => {
                (a < b).then_some(VersionEvidence::Listed)
            }
            index::KeyShape::List => {
                (a <= shape.ordered && b > shape.strays).then_some(VersionEvidence::Unlisted)
            }
            index::KeyShape::Register if a == 0 => Some(VersionEvidence::Initial),
            index::KeyShape::Register => {
                // Any version of the same writer will do, because the order is one of transactions.
                let same = |x: u32, y: u32| {
                    x == y
                        || self
                            .index
                            .committed_writer(key, x)
                            .is_some_and(|op| self.index.committed_writer(key, y) == Some(op))
                };
                let mut edges = self.orders[key.index()].iter();
                edges.find(|edge| edge.earlier == a && same(edge.later, b)).map(|edge| edge.evidence)
            }
        }
    }
}

/// Whether an operation that touched the first version precedes an operation that touched the second, in session
/// order or in real-time order.
fn is_touched_in_order(
    index: &TransactionIndex<'_>,
    key: KeyId,
    (a, b): (u32, u32),
    order: VersionEvidence,
) -> bool {
    let touching = |version: u32| {
        let touches = index.touches(key).iter().filter(move |touch| {
            index.is_committed(touch.op)
                && match index.is_known_read(**touch) {
                    true => index.outside_version(key, **touch) == Some(version),
                    false => index.version_of[touch.micro as usize] == version,
                }
        });
        touches.map(|touch| index.history.operation(index.op_id(touch.op)))
    };
    let same = |one: &histories::Operation, other: &histories::Operation| {
        order == VersionEvidence::RealTime || one.session == other.session
    };
    let later: Vec<histories::Operation> = touching(b).collect();
    a != b && touching(a).any(|one| later.iter().any(|other| same(&one, other) && one.precedes(other)))
}

/// The extent of a cycle: the widest order that any of its edges needs.
pub(crate) fn extent_of_edges(edges: &[Dependency]) -> OrderExtent {
    let of_order = |order: VersionEvidence| match order {
        VersionEvidence::RealTime => OrderExtent::RealTime,
        VersionEvidence::Session => OrderExtent::Session,
        _ => OrderExtent::Data,
    };
    let of = |edge: &Dependency| match edge.why {
        DependencyReason::RealTime => OrderExtent::RealTime,
        DependencyReason::Session => OrderExtent::Session,
        DependencyReason::Missed { order, .. } => of_order(order),
        _ => OrderExtent::Data,
    };
    edges.iter().map(of).max().unwrap_or(OrderExtent::Data)
}

/// The name of a cycle's shape, if it has one.
pub fn cycle_shape(edges: &[Dependency]) -> Option<CycleShape> {
    let missed = |edge: &Dependency| match edge.why {
        DependencyReason::Missed { key, .. } => Some(key),
        _ => None,
    };
    let read = |edge: &Dependency| matches!(edge.why, DependencyReason::ReadBy { .. });
    match edges {
        [a, b] => match (missed(a)?, missed(b)?) {
            (one, other) if one == other => Some(CycleShape::LostUpdate),
            _ => Some(CycleShape::WriteSkew),
        },
        [_, _, _, _] => {
            // reader → writer → reader → writer: each reader missed one writer and read from the other.
            let turn = (0..2).any(|at| {
                let edge = |i: usize| &edges[(at + i) % 4];
                let keys = (missed(edge(0)), missed(edge(2)));
                matches!(keys, (Some(a), Some(b)) if a != b) && read(edge(1)) && read(edge(3))
            });
            turn.then_some(CycleShape::LongFork)
        }
        _ => None,
    }
}
