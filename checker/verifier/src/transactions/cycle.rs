//! Checks dependency cycles: every edge exists, the cycle is closed, and it is of the claimed kind.

use super::ensure;
use super::micros::{is_read, places_of_write, values_of_micro};
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use claims::{
    Assume, Axiom, CycleFamily, CycleKind, Dependency, DependencyCycle, DependencyReason, OrderExtent,
    SeenThrough, VersionEvidence,
};
use histories::{Function, History, KeyId, MicroKind, OpId, Outcome, ValueId};

pub(super) fn check_dependency_cycle(
    history: &History,
    watch: &Watch<'_>,
    assume: Assume,
    kind: CycleKind,
    cycle: &DependencyCycle,
) -> Result<(), Mismatch> {
    let edges = &cycle.edges;
    check_closed_cycle(history, watch, assume, edges, None)?;
    let is = kind_of_cycle(history, edges);
    ensure(is == kind, || format!("a cycle said to be {} is {}", kind.name(), is.name()))
}

/// Checks a cycle in commit order, as the levels by execution define it.
pub(super) fn check_commit_order_cycle(
    history: &History,
    watch: &Watch<'_>,
    assume: Assume,
    axiom: Axiom,
    cycle: &DependencyCycle,
) -> Result<(), Mismatch> {
    let edges = &cycle.edges;
    check_closed_cycle(history, watch, assume, edges, Some(axiom))?;
    let known = |edge: &Dependency| match &edge.why {
        DependencyReason::RealTime => false,
        DependencyReason::Missed { read, .. } => read.is_none(),
        _ => true,
    };
    let missed = edges.iter().filter(|edge| matches!(edge.why, DependencyReason::Missed { .. })).count();
    ensure(edges.iter().all(known) && missed <= 1, || format!("no cycle in commit order: {edges:?}"))?;
    // The transaction that missed a write must have seen its writer according to the axiom, along the rest of the
    // cycle.
    let seen = match axiom {
        Axiom::Causal => edges.iter().all(|edge| {
            matches!(
                edge.why,
                DependencyReason::Missed { .. } | DependencyReason::Session | DependencyReason::ReadBy { .. }
            )
        }),
        Axiom::ReadAtomic => {
            let is_read = |edge: &Dependency| matches!(edge.why, DependencyReason::ReadBy { .. });
            edges.iter().all(|edge| {
                matches!(edge.why, DependencyReason::Missed { .. } | DependencyReason::Session)
                    || (edges.len() == 2 && is_read(edge))
            })
        }
        Axiom::MonotonicAtomicView => edges.len() == 2 && misses_what_it_read_before(history, edges),
    };
    ensure(missed == 0 || seen, || format!("what was missed had not been seen: {edges:?}"))
}

/// Whether the transaction of two edges that missed a write read another write of the same transaction before.
fn misses_what_it_read_before(history: &History, edges: &[Dependency]) -> bool {
    let missed = edges.iter().find_map(|edge| match edge.why {
        DependencyReason::Missed { key, .. } => Some((edge.from, key)),
        _ => None,
    });
    let read = edges.iter().find_map(|edge| match edge.why {
        DependencyReason::ReadBy { key, value } => Some((key, value)),
        _ => None,
    });
    let (Some((reader, missed)), Some((key, value))) = (missed, read) else { return false };
    let micros = history.micros_of(reader);
    // A read of its own write says nothing of what others wrote.
    let saw_none = |place: &usize| {
        let micro = micros[*place];
        let is_own = micro.kind == MicroKind::Read && micro.value() != ValueId::NULL;
        is_read(micro)
            && micro.key == missed
            && !is_own
            && last_value_of_others(history, reader, *place).is_none()
    };
    let Some(last) = (0..micros.len()).rfind(saw_none) else { return false };
    (0..last)
        .any(|place| micros[place].key == key && last_value_of_others(history, reader, place) == Some(value))
}

/// Checks that the edges exist and that each begins where the previous one ends.
fn check_closed_cycle(
    history: &History,
    watch: &Watch<'_>,
    assume: Assume,
    edges: &[Dependency],
    axiom: Option<Axiom>,
) -> Result<(), Mismatch> {
    check_closed_cycle_by(history, watch, edges, |edge| match &edge.why {
        DependencyReason::Arbitrated { .. } => is_arbitrated(history, axiom, edge),
        _ => dependency_exists(history, watch, assume, edge),
    })
}

/// Checks that a cycle is closed. The caller decides whether an edge exists.
pub(super) fn check_closed_cycle_by(
    history: &History,
    watch: &Watch<'_>,
    edges: &[Dependency],
    is_there: impl Fn(&Dependency) -> bool,
) -> Result<(), Mismatch> {
    ensure(edges.len() > 1, || "a cycle of less than two".into())?;
    for (at, edge) in edges.iter().enumerate() {
        let next = &edges[(at + 1) % edges.len()];
        ensure(edge.to == next.from, || format!("a cycle with a gap after {edge:?}"))?;
        let twice = edges[..at].iter().any(|other| other.from == edge.from);
        ensure(!twice, || format!("{:?} is twice in a cycle", edge.from))?;
        ensure(history.function(edge.from) == Function::TXN, || "not a transaction".into())?;
        ensure(certainly_took_effect(history, watch, edge.from), || {
            format!("{:?} may not have happened", edge.from)
        })?;
        ensure(is_there(edge), || format!("no such dependency: {edge:?}"))?;
    }
    Ok(())
}

/// Whether the reader read the key from `to` and has seen `from`, which wrote the key too.
fn is_arbitrated(history: &History, asked: Option<Axiom>, Dependency { from, to, why }: &Dependency) -> bool {
    let DependencyReason::Arbitrated { axiom, key, reader, value, seen } = why else { return false };
    let micros = history.micros_of(*reader);
    let reads_value =
        |at: &usize| micros[*at].key == *key && last_value_of_others(history, *reader, *at) == Some(*value);
    let last_read = (0..micros.len()).rfind(reads_value);
    let writes_key = history.micros_of(*from).iter().any(|&micro| !is_read(micro) && micro.key == *key);
    let from_it = |reader: OpId, place: usize| {
        let key = history.micros_of(reader)[place].key;
        last_value_of_others(history, reader, place)
            .is_some_and(|value| is_only_writer(history, *from, key, value))
    };
    let has_seen = match seen {
        SeenThrough::Read(other) => (0..micros.len()).any(|place| {
            let before = *axiom != Axiom::MonotonicAtomicView || Some(place) < last_read;
            micros[place].key == *other && from_it(*reader, place) && before
        }),
        SeenThrough::Session => {
            *axiom != Axiom::MonotonicAtomicView && precedes_in_session(history, *from, *reader)
        }
        SeenThrough::Causally(between) => {
            let chain: Vec<OpId> =
                std::iter::once(*from).chain(between.iter().copied()).chain([*reader]).collect();
            *axiom == Axiom::Causal && chain.windows(2).all(|pair| is_causal_step(history, pair[0], pair[1]))
        }
    };
    asked == Some(*axiom)
        && history.outcome(*reader) == Outcome::Ok
        && last_read.is_some()
        && is_only_writer(history, *to, *key, *value)
        && writes_key
        && from != reader
        && has_seen
}

/// Whether a transaction certainly took effect: it completed, or a value that only it wrote was read.
fn certainly_took_effect(history: &History, watch: &Watch<'_>, id: OpId) -> bool {
    match history.outcome(id) {
        Outcome::Ok => true,
        Outcome::Fail => false,
        Outcome::Info => history.micros_of(id).iter().filter(|micro| !is_read(**micro)).any(|write| {
            let others =
                || watch.take_while_in_time(StepCost::Look, history.ids()).filter(|&other| other != id);
            let shown = |other: OpId| {
                history.outcome(other) == Outcome::Ok
                    && history.micros_of(other).iter().any(|&micro| {
                        is_read(micro)
                            && micro.key == write.key
                            && values_of_micro(history, micro).contains(&write.value())
                    })
            };
            let also = |other: OpId| wrote_value(history, other, write.key, write.value());
            others().any(shown) && !others().any(also)
        }),
    }
}

fn precedes_in_session(history: &History, a: OpId, b: OpId) -> bool {
    history.session(a) == history.session(b) && history.operation(a).precedes(&history.operation(b))
}

/// Whether `a` precedes `b` in its session, or `b` read from it.
fn is_causal_step(history: &History, a: OpId, b: OpId) -> bool {
    let read = history.outcome(b) == Outcome::Ok
        && history.micros_of(b).iter().enumerate().any(|(place, micro)| {
            last_value_of_others(history, b, place)
                .is_some_and(|value| is_only_writer(history, a, micro.key, value))
        });
    read || precedes_in_session(history, a, b)
}

fn kind_of_cycle(history: &History, edges: &[Dependency]) -> CycleKind {
    // A dirty read may have shown the appends of a transaction that failed. So a cycle through one that has no completion contradicts no
    // level that permits such reads.
    let doubtful = edges.iter().any(|edge| {
        matches!(
            edge.why,
            DependencyReason::Overwritten { order: VersionEvidence::Listed | VersionEvidence::Unlisted, .. }
        ) && history.outcome(edge.from) != Outcome::Ok
    });
    let anti: Vec<bool> =
        edges.iter().map(|edge| matches!(edge.why, DependencyReason::Missed { .. })).collect();
    let any = |test: fn(&DependencyReason) -> bool| edges.iter().any(|edge| test(&edge.why));
    let adjacent = (0..anti.len()).any(|at| anti[at] && anti[(at + 1) % anti.len()]);
    let family = match anti.iter().filter(|&&anti| anti).count() {
        0 if doubtful || any(|why| matches!(why, DependencyReason::ReadBy { .. })) => CycleFamily::G1c,
        0 => CycleFamily::G0,
        1 => CycleFamily::GSingle,
        _ if adjacent => CycleFamily::G2,
        _ => CycleFamily::GNonadjacent,
    };
    CycleKind { family, extent: extent_of_cycle(edges) }
}

/// The orders that the edges use in addition to the data.
pub(super) fn extent_of_cycle(edges: &[Dependency]) -> OrderExtent {
    let any = |test: fn(&DependencyReason) -> bool| edges.iter().any(|edge| test(&edge.why));
    let leans = |order: VersionEvidence| {
        let by = |edge: &Dependency| matches!(edge.why, DependencyReason::Missed { order: known, .. } if known == order);
        edges.iter().any(by)
    };
    match () {
        () if any(|why| *why == DependencyReason::RealTime) || leans(VersionEvidence::RealTime) => {
            OrderExtent::RealTime
        }
        () if any(|why| *why == DependencyReason::Session) || leans(VersionEvidence::Session) => {
            OrderExtent::Session
        }
        () => OrderExtent::Data,
    }
}

pub(super) fn dependency_exists(
    history: &History,
    watch: &Watch<'_>,
    assume: Assume,
    Dependency { from, to, why }: &Dependency,
) -> bool {
    let (a, b) = (history.operation(*from), history.operation(*to));
    match *why {
        DependencyReason::RealTime => history.has_real_time() && a.precedes(&b),
        DependencyReason::Session => a.session == b.session && a.precedes(&b),
        DependencyReason::ReadBy { key, value } => {
            wrote_value(history, *from, key, value)
                && read_value_last(history, *to, key, Some(value))
                && watch
                    .take_while_in_time(StepCost::Look, history.ids())
                    .all(|other| other == *from || !wrote_value(history, other, key, value))
        }
        DependencyReason::Overwritten { key, earlier, later, order } => {
            wrote_value(history, *from, key, earlier)
                && wrote_value(history, *to, key, later)
                && !matches!(order, VersionEvidence::Session | VersionEvidence::RealTime)
                && versions_are_ordered(history, watch, assume, key, Some(earlier), later, order)
        }
        DependencyReason::Missed { key, read, later, order } => {
            read_value_last(history, *from, key, read)
                && wrote_value(history, *to, key, later)
                && versions_are_ordered(history, watch, assume, key, read, later, order)
        }
        DependencyReason::Arbitrated { .. } | DependencyReason::Concluded { .. } => false,
    }
}

/// The last element or the value that a read shows of other transactions' writes; `None` if it shows none of them.
fn last_value_of_others(history: &History, id: OpId, place: usize) -> Option<ValueId> {
    let micro = history.micros_of(id)[place];
    let list = if is_read(micro) { values_of_micro(history, micro) } else { Vec::new() };
    list.into_iter().rfind(|&value| !wrote_value(history, id, micro.key, value))
}

fn wrote_value(history: &History, id: OpId, key: KeyId, value: ValueId) -> bool {
    places_of_write(history, id, key, value).next().is_some()
}

/// Whether a transaction wrote a value, and no other one that may have taken effect did. Otherwise nothing says whose write was read.
fn is_only_writer(history: &History, id: OpId, key: KeyId, value: ValueId) -> bool {
    let may_have = |other: &OpId| *other != id && history.outcome(*other) != Outcome::Fail;
    wrote_value(history, id, key, value)
        && !history.ids().filter(may_have).any(|other| wrote_value(history, other, key, value))
}

/// Whether a transaction read the key and this value was the last that it saw of other transactions' writes. With `None`: whether it
/// saw the initial state.
pub(super) fn read_value_last(history: &History, id: OpId, key: KeyId, value: Option<ValueId>) -> bool {
    let micros = history.micros_of(id);
    let mut reads = (0..micros.len()).filter(|&place| is_read(micros[place]) && micros[place].key == key);
    let saw = |place: usize| {
        // The transaction's own write hides what others wrote to a register. The end of a list that is its own does not.
        let hidden = value.is_none()
            && micros[place].kind == MicroKind::Read
            && micros[place].value() != ValueId::NULL;
        !hidden && last_value_of_others(history, id, place) == value
    };
    let wrote_null =
        || value.is_none() && history.ids().any(|id| wrote_value(history, id, key, ValueId::NULL));
    history.outcome(id) == Outcome::Ok && reads.any(saw) && !wrote_null()
}

/// Whether the history shows one version of a key before another.
fn versions_are_ordered(
    history: &History,
    watch: &Watch<'_>,
    assume: Assume,
    key: KeyId,
    earlier: Option<ValueId>,
    later: ValueId,
    order: VersionEvidence,
) -> bool {
    match (order, earlier) {
        (VersionEvidence::Listed | VersionEvidence::Unlisted, _) => {
            let unlisted = order == VersionEvidence::Unlisted;
            let is_told = |earlier| {
                is_written_once(history, watch, key, earlier)
                    && (unlisted || is_written_once(history, watch, key, later))
            };
            earlier.is_none_or(is_told) && is_order_listed(history, watch, key, earlier, later, unlisted)
        }
        (VersionEvidence::Initial, None) => true,
        (_, None) | (VersionEvidence::Initial, Some(_)) => false,
        (VersionEvidence::Session | VersionEvidence::RealTime, Some(earlier)) => {
            is_order_shown_by_use(history, watch, key, (earlier, later), order)
        }
        (order, Some(earlier)) => is_register_order_known(history, watch, assume, key, earlier, later, order),
    }
}

/// Whether a value was written once at most, failed writes included. Of equal elements, a list does not tell whose it shows.
fn is_written_once(history: &History, watch: &Watch<'_>, key: KeyId, value: ValueId) -> bool {
    let mut seen = false;
    for id in watch.take_while_in_time(StepCost::Look, history.ids()) {
        for micro in history.micros_of(id).iter().filter(|micro| micro.key == key) {
            if !is_read(*micro) && micro.value() == value && std::mem::replace(&mut seen, true) {
                return false;
            }
        }
    }
    true
}

/// Whether a list shows both versions in this order or, if `unlisted`, a list shows the earlier one and none the later
/// one. If lists contradict one another, which is a separate anomaly, one list is enough.
fn is_order_listed(
    history: &History,
    watch: &Watch<'_>,
    key: KeyId,
    earlier: Option<ValueId>,
    later: ValueId,
    unlisted: bool,
) -> bool {
    let place = |list: &[ValueId], value: ValueId| list.iter().position(|&each| each == value);
    let mut shown = earlier.is_none();
    for id in watch
        .take_while_in_time(StepCost::Look, history.ids())
        .filter(|&id| history.outcome(id) == Outcome::Ok)
    {
        for &micro in history.micros_of(id) {
            if micro.kind != MicroKind::ReadList || micro.key != key {
                continue;
            }
            let list = history.list(micro.list());
            match (place(list, later), earlier.map(|earlier| place(list, earlier))) {
                (Some(_), _) if unlisted => return false,
                (Some(_), None) => return true,
                (Some(later), Some(Some(earlier))) if earlier < later => return true,
                (None, Some(Some(_))) => shown = true,
                _ => {}
            }
        }
    }
    unlisted && shown
}

/// Whether a transaction that wrote or read the earlier version came before one that wrote or read the later version.
/// Each version must have one writer.
fn is_order_shown_by_use(
    history: &History,
    watch: &Watch<'_>,
    key: KeyId,
    (earlier, later): (ValueId, ValueId),
    order: VersionEvidence,
) -> bool {
    let touches = |id: OpId, value: ValueId| {
        let read = history.outcome(id) == Outcome::Ok && read_value_last(history, id, key, Some(value));
        history.outcome(id) != Outcome::Fail && (read || wrote_value(history, id, key, value))
    };
    let touching = |value: ValueId| -> Vec<OpId> {
        watch.take_while_in_time(StepCost::Look, history.ids()).filter(|&id| touches(id, value)).collect()
    };
    let one_writer = |value| {
        watch
            .take_while_in_time(StepCost::Look, history.ids())
            .filter(|&id| wrote_value(history, id, key, value))
            .count()
            == 1
    };
    let last = touching(later);
    let before = |a: OpId, b: OpId| match order {
        VersionEvidence::Session => precedes_in_session(history, a, b),
        _ => history.has_real_time() && history.operation(a).precedes(&history.operation(b)),
    };
    let found = touching(earlier).into_iter().any(|a| last.iter().any(|&b| before(a, b)));
    earlier != later && one_writer(earlier) && one_writer(later) && found
}

/// Whether the order of two versions of a register is known for the claimed reason.
pub(super) fn is_register_order_known(
    history: &History,
    watch: &Watch<'_>,
    assume: Assume,
    key: KeyId,
    earlier: ValueId,
    later: ValueId,
    order: VersionEvidence,
) -> bool {
    let writer = |value: ValueId| {
        let mut writers = watch
            .take_while_in_time(StepCost::Look, history.ids())
            .filter(|&id| history.outcome(id) != Outcome::Fail && wrote_value(history, id, key, value));
        (writers.next(), writers.next())
    };
    let ((a, None), (Some(b), None)) = (writer(earlier), writer(later)) else { return false };
    if order == VersionEvidence::ReadModifyWrite {
        // Here the earlier version needs no known writer.
        let mut touches = history.micros_of(b).iter().filter(|micro| micro.key == key);
        let first = touches.next();
        return first.is_some_and(|&first| is_read(first) && values_of_micro(history, first) == [earlier]);
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
        | VersionEvidence::Session
        | VersionEvidence::RealTime
        | VersionEvidence::Listed
        | VersionEvidence::Unlisted
        | VersionEvidence::Initial
        | VersionEvidence::Assumed => false,
    }
}
