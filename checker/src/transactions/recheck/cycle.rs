//! Cycles: is every edge there, do they close, and are they of the kind that they are said to be?

use super::anomalies::{is_read, returned, writes_of};
use super::{Mismatch, ensure};
use crate::check::Assume;
use crate::transactions::anomaly::{Cycle, Dependency, VersionEvidence, Why};
use crate::transactions::phenomenon::{CycleKind, Extent, Family};
use histories::{Function, History, KeyId, MicroKind, OpId, Outcome, ValueId};

pub(super) fn check(
    history: &History,
    assume: Assume,
    kind: CycleKind,
    cycle: &Cycle,
) -> Result<(), Mismatch> {
    let edges = &cycle.edges;
    ensure(edges.len() > 1, || "a cycle of less than two".into())?;
    for (at, edge) in edges.iter().enumerate() {
        let next = &edges[(at + 1) % edges.len()];
        ensure(edge.to == next.from, || format!("a cycle with a gap after {edge:?}"))?;
        let twice = edges[..at].iter().any(|other| other.from == edge.from);
        ensure(!twice, || format!("{:?} is twice in a cycle", edge.from))?;
        ensure(history.function(edge.from) == Function::TXN, || "not a transaction".into())?;
        ensure(history.outcome(edge.from) != Outcome::Fail, || format!("{:?} failed", edge.from))?;
        ensure(is_there(history, assume, edge), || format!("no such dependency: {edge:?}"))?;
    }
    ensure(kind_of(edges) == kind, || {
        format!("a cycle said to be {} is {}", kind.name(), kind_of(edges).name())
    })
}

fn kind_of(edges: &[Dependency]) -> CycleKind {
    let anti: Vec<bool> = edges.iter().map(|edge| matches!(edge.why, Why::Missed { .. })).collect();
    let any = |test: fn(&Why) -> bool| edges.iter().any(|edge| test(&edge.why));
    let adjacent = (0..anti.len()).any(|at| anti[at] && anti[(at + 1) % anti.len()]);
    let family = match anti.iter().filter(|&&anti| anti).count() {
        0 if any(|why| matches!(why, Why::ReadBy { .. })) => Family::G1c,
        0 => Family::G0,
        1 => Family::GSingle,
        _ if adjacent => Family::G2,
        _ => Family::GNonadjacent,
    };
    let extent = match () {
        () if any(|why| *why == Why::RealTime) => Extent::RealTime,
        () if any(|why| *why == Why::Session) => Extent::Session,
        () => Extent::Data,
    };
    CycleKind { family, extent }
}

fn is_there(history: &History, assume: Assume, Dependency { from, to, why }: &Dependency) -> bool {
    let (a, b) = (history.operation(*from), history.operation(*to));
    match *why {
        Why::RealTime => a.precedes(&b),
        Why::Session => a.session == b.session && a.precedes(&b),
        Why::ReadBy { key, value } => {
            wrote(history, *from, key, value) && read_last(history, *to, key, Some(value))
        }
        Why::Overwritten { key, earlier, later, order } => {
            wrote(history, *from, key, earlier)
                && wrote(history, *to, key, later)
                && in_order(history, assume, key, Some(earlier), later, order)
        }
        Why::Missed { key, read, later, order } => {
            read_last(history, *from, key, read)
                && wrote(history, *to, key, later)
                && in_order(history, assume, key, read, later, order)
        }
        Why::Arbitrated { .. } => false,
    }
}

fn wrote(history: &History, id: OpId, key: KeyId, value: ValueId) -> bool {
    writes_of(history, id, key, value).next().is_some()
}

/// Whether a transaction read a key and found this value, or this element last, or nothing.
fn read_last(history: &History, id: OpId, key: KeyId, value: Option<ValueId>) -> bool {
    let reads = history.micros_of(id).iter().filter(|micro| is_read(**micro) && micro.key == key);
    history.outcome(id) == Outcome::Ok
        && reads.into_iter().any(|&micro| returned(history, micro).last().copied() == value)
}

/// Whether the history shows one version of a key before another.
fn in_order(
    history: &History,
    assume: Assume,
    key: KeyId,
    earlier: Option<ValueId>,
    later: ValueId,
    order: VersionEvidence,
) -> bool {
    match (order, earlier) {
        (VersionEvidence::Listed | VersionEvidence::Unlisted, _) => {
            listed(history, key, earlier, later, order == VersionEvidence::Unlisted)
        }
        (VersionEvidence::Initial, None) => true,
        (_, None) | (VersionEvidence::Initial, Some(_)) => false,
        (order, Some(earlier)) => register_order(history, assume, key, earlier, later, order),
    }
}

/// Whether a list shows both in this order, or the earlier one and none at all the later.
fn listed(history: &History, key: KeyId, earlier: Option<ValueId>, later: ValueId, unlisted: bool) -> bool {
    let place = |list: &[ValueId], value: ValueId| list.iter().position(|&each| each == value);
    let mut shown = earlier.is_none();
    for id in history.ids().filter(|&id| history.outcome(id) == Outcome::Ok) {
        for &micro in history.micros_of(id) {
            if micro.kind != MicroKind::ReadList || micro.key != key {
                continue;
            }
            let list = history.list(micro.list());
            match (place(list, later), earlier.map(|earlier| place(list, earlier))) {
                (Some(_), _) if unlisted => return false,
                (Some(_), None) => return true,
                (Some(later), Some(Some(earlier))) => return earlier < later,
                (None, Some(Some(_))) => shown = true,
                _ => {}
            }
        }
    }
    unlisted && shown
}

/// Whether the order of two versions of a register is known in the way that is claimed.
pub(super) fn register_order(
    history: &History,
    assume: Assume,
    key: KeyId,
    earlier: ValueId,
    later: ValueId,
    order: VersionEvidence,
) -> bool {
    let writer = |value: ValueId| {
        let mut writers = history
            .ids()
            .filter(|&id| history.outcome(id) != Outcome::Fail && wrote(history, id, key, value));
        (writers.next(), writers.next())
    };
    let ((a, None), (Some(b), None)) = (writer(earlier), writer(later)) else { return false };
    if order == VersionEvidence::ReadModifyWrite {
        // Here nobody needs to have written the earlier one.
        let mut touches = history.micros_of(b).iter().filter(|micro| micro.key == key);
        let first = touches.next();
        return first.is_some_and(|&first| is_read(first) && returned(history, first) == [earlier]);
    }
    let Some(a) = a else { return false };
    let precedes = history.operation(a).precedes(&history.operation(b));
    match order {
        VersionEvidence::SequentialKeys => {
            assume.sequential_keys && precedes && history.session(a) == history.session(b)
        }
        VersionEvidence::LinearizableKeys => assume.linearizable_keys && precedes,
        VersionEvidence::Token => {
            matches!((history.version(a), history.version(b)), (Some(a), Some(b)) if a < b)
        }
        VersionEvidence::ReadModifyWrite
        | VersionEvidence::Listed
        | VersionEvidence::Unlisted
        | VersionEvidence::Initial => false,
    }
}
