//! The reason for each edge of a cycle. Reasons are looked up again for the few edges that are reported, and not
//! stored for the millions that are not.

use super::cycles::Found;
use super::graph::{Kinds, Step};
use super::index::{self, Index, Touch};
use super::serial::{self, Bond, Literal, Order, Tie};
use super::versions::VersionEdge;
use claims::{
    CycleShape, Dependency, DependencyCycle, DependencyReason, OrderAssumption, OrderExtent, OrderLemma,
    VersionEvidence,
};
use histories::{Id, KeyId, ValueId};

pub(crate) struct Explainer<'a, 'h> {
    pub index: &'a Index<'h>,
    pub orders: &'a [Vec<VersionEdge>],
}

impl Explainer<'_, '_> {
    pub(crate) fn cycle(&self, found: &Found) -> DependencyCycle {
        let edges: Vec<Dependency> = found.steps.iter().map(|&step| self.dependency(step)).collect();
        DependencyCycle { shape: shape(&edges), edges, shortest: found.shortest }
    }

    /// The proof that no serial order exists, as evidence.
    pub(crate) fn lemmas(&self, proof: &[serial::LearnedLemma]) -> Vec<OrderLemma> {
        let lemma = |lemma: &serial::LearnedLemma| OrderLemma {
            assumed: lemma.assumed.iter().map(|&literal| self.assumption(literal)).collect(),
            cycle: lemma.cycle.iter().map(|&tie| self.tie(tie, proof)).collect(),
        };
        proof.iter().map(lemma).collect()
    }

    fn assumption(&self, Literal { key, earlier, later }: Literal) -> OrderAssumption {
        OrderAssumption { key, earlier: self.left(earlier, key), later: self.left(later, key) }
    }

    /// The last value that a transaction wrote to a register.
    fn left(&self, op: u32, key: KeyId) -> ValueId {
        let last = self.touches(op, key).iter().rfind(|touch| !index::is_read(self.index.micro(touch.micro)));
        self.index.micro(last.expect("it writes the key").micro).value()
    }

    fn tie(&self, Tie { from, to, bond }: Tie, proof: &[serial::LearnedLemma]) -> Dependency {
        let why = match bond {
            Bond::Arc { kind, key } => return self.dependency(Step { from, to, kind, key }),
            Bond::Unread { key, version, order } => DependencyReason::Missed {
                key,
                read: self.index.value(key, version),
                later: self.left(to, key),
                order: match order {
                    Order::Initial => VersionEvidence::Initial,
                    Order::Read => VersionEvidence::ReadModifyWrite,
                    Order::Before(OrderExtent::RealTime) => VersionEvidence::RealTime,
                    Order::Before(_) => VersionEvidence::Session,
                    Order::Assumed => VersionEvidence::Assumed,
                },
            },
            Bond::Lemma(number) => {
                let concerns = |literal: &&Literal| (literal.earlier, literal.later) == (to, from);
                let assumed = proof[number as usize].assumed.iter().find(concerns);
                let key = assumed.expect("the lemma is about the two").key;
                let (earlier, later) = (self.left(from, key), self.left(to, key));
                DependencyReason::Concluded { key, earlier, later, lemma: number as usize }
            }
        };
        Dependency { from: self.index.op(from), to: self.index.op(to), why }
    }

    pub(crate) fn dependency(&self, step: Step) -> Dependency {
        let why = match step.kind {
            Kinds::SESSION => DependencyReason::Session,
            Kinds::TIME => DependencyReason::RealTime,
            Kinds::WR => self.read_by(step),
            Kinds::WW => self.overwritten(step),
            Kinds::RW => self.missed(step),
            kind if kind.has(Kinds::RW) => self.missed_by_order(step),
            other => unreachable!("no dependency is of kind {other:?}"),
        };
        Dependency { from: self.index.op(step.from), to: self.index.op(step.to), why }
    }

    /// The micro-operations of a transaction on a key.
    fn touches(&self, op: u32, key: KeyId) -> &[Touch] {
        let touches = self.index.touches(key);
        let start = touches.partition_point(|touch| touch.op < op);
        let len = touches[start..].partition_point(|touch| touch.op == op);
        &touches[start..start + len]
    }

    fn written(&self, op: u32, key: KeyId) -> impl Iterator<Item = u32> + '_ {
        let writes = self.touches(op, key).iter().filter(|touch| !self.index.is_known_read(**touch));
        let version = |touch: &Touch| self.index.version_of[touch.micro as usize];
        writes.map(version).filter(move |&version| self.index.writer(key, version) == Some(op))
    }

    fn read(&self, op: u32, key: KeyId) -> impl Iterator<Item = u32> + '_ {
        self.touches(op, key).iter().filter_map(move |&touch| self.index.outside_version(key, touch))
    }

    fn read_by(&self, Step { from, to, key, .. }: Step) -> DependencyReason {
        let version = self.read(to, key).find(|&version| self.index.writer(key, version) == Some(from));
        let version = version.expect("the edge was made for a read");
        DependencyReason::ReadBy { key, value: self.index.value(key, version).expect("somebody wrote it") }
    }

    fn overwritten(&self, Step { from, to, key, .. }: Step) -> DependencyReason {
        let pairs = self.written(from, key).flat_map(|a| self.written(to, key).map(move |b| (a, b)));
        let (a, b, order) = pairs
            .filter_map(|(a, b)| Some((a, b, self.order(key, a, b)?)))
            .min_by_key(|&(a, b, _)| b.abs_diff(a))
            .expect("the edge was made for two versions");
        let value = |version| self.index.value(key, version).expect("somebody wrote it");
        DependencyReason::Overwritten { key, earlier: value(a), later: value(b), order }
    }

    fn missed(&self, Step { from, to, key, .. }: Step) -> DependencyReason {
        let pairs = self.read(from, key).flat_map(|a| self.written(to, key).map(move |b| (a, b)));
        let (a, b, order) = pairs
            .filter_map(|(a, b)| Some((a, b, self.order(key, a, b)?)))
            .min_by_key(|&(a, b, _)| b.abs_diff(a))
            .expect("the edge was made for a read and a version");
        let later = self.index.value(key, b).expect("somebody wrote it");
        DependencyReason::Missed { key, read: self.index.value(key, a), later, order }
    }

    /// The same, if only session order or real-time order shows which version is the later.
    fn missed_by_order(&self, Step { from, to, key, kind }: Step) -> DependencyReason {
        let order = match kind.has(Kinds::TIME) {
            true => VersionEvidence::RealTime,
            false => VersionEvidence::Session,
        };
        let pairs = self.read(from, key).flat_map(|a| self.written(to, key).map(move |b| (a, b)));
        let (a, b) = pairs
            .into_iter()
            // A version has no place in the order if its writer is unknown or overwrote it.
            .filter(|&(a, _)| {
                self.index.writer(key, a).is_some() && !self.index.versions(key)[a as usize - 1].intermediate
            })
            .find(|&(a, b)| touched_in_order(self.index, key, (a, b), order))
            .expect("the edge was made for a read and a version");
        let later = self.index.value(key, b).expect("somebody wrote it");
        DependencyReason::Missed { key, read: self.index.value(key, a), later, order }
    }

    /// The evidence that version `a` comes directly before version `b`, if there is any.
    fn order(&self, key: KeyId, a: u32, b: u32) -> Option<VersionEvidence> {
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
                        || self.index.writer(key, x).is_some_and(|op| self.index.writer(key, y) == Some(op))
                };
                let mut edges = self.orders[key.index()].iter();
                edges.find(|edge| edge.earlier == a && same(edge.later, b)).map(|edge| edge.evidence)
            }
        }
    }
}

/// Whether an operation that touched the first version precedes an operation that touched the second, in session
/// order or in real-time order.
fn touched_in_order(index: &Index<'_>, key: KeyId, (a, b): (u32, u32), order: VersionEvidence) -> bool {
    let touching = |version: u32| {
        let touches = index.touches(key).iter().filter(move |touch| {
            index.committed(touch.op)
                && match index.is_known_read(**touch) {
                    true => index.outside_version(key, **touch) == Some(version),
                    false => index.version_of[touch.micro as usize] == version,
                }
        });
        touches.map(|touch| index.history.operation(index.op(touch.op)))
    };
    let same = |one: &histories::Operation, other: &histories::Operation| {
        order == VersionEvidence::RealTime || one.session == other.session
    };
    let later: Vec<histories::Operation> = touching(b).collect();
    a != b && touching(a).any(|one| later.iter().any(|other| same(&one, other) && one.precedes(other)))
}

/// The extent of a cycle: the widest order that any of its edges needs.
pub(crate) fn extent(edges: &[Dependency]) -> OrderExtent {
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
pub fn shape(edges: &[Dependency]) -> Option<CycleShape> {
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
