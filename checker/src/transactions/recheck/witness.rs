//! Witnesses: replay them.

use super::{Mismatch, commit_order, ensure};
use crate::transactions::analysis::{Point, Witness};
use crate::transactions::anomaly::Axiom;
use crate::transactions::lattice::{Isolation, Levels, Proviso};
use crate::transactions::phenomenon::{Extent, Family};
use histories::{Function, History, Id, KeyId, MicroKind, OpId, Outcome, ValueId};
use std::collections::{HashMap, HashSet};

/// Whether a witness of this form proves a level at all.
pub(super) fn proves(witness: &Witness, level: Isolation) -> Result<(), Mismatch> {
    use Isolation::*;
    let strongest = match witness {
        Witness::Serial(extent, _) => {
            at(*extent, [Serializable, StrongSessionSerializable, StrictSerializable])
        }
        Witness::Snapshots(extent, _) => {
            at(*extent, [SnapshotIsolation, StrongSessionSnapshotIsolation, StrongSnapshotIsolation])
        }
        Witness::Versions(extent, Family::G0, _) => {
            at(*extent, [ReadUncommitted, StrongSessionReadUncommitted, StrongReadUncommitted])
        }
        Witness::Versions(extent, ..) => {
            at(*extent, [ReadCommitted, StrongSessionReadCommitted, StrongReadCommitted])
        }
        Witness::CommitOrder(Axiom::MonotonicAtomicView, _) => MonotonicAtomicView,
        Witness::CommitOrder(Axiom::ReadAtomic, _) => ReadAtomic,
        Witness::CommitOrder(Axiom::Causal, _) => Causal,
    };
    let covered = Levels::default().with(strongest).and_weaker(Proviso::None);
    ensure(covered.contains(level), || format!("no witness for {}", level.name()))
}

fn at(extent: Extent, levels: [Isolation; 3]) -> Isolation {
    levels[extent as usize]
}

pub(super) fn check(history: &History, witness: &Witness) -> Result<(), Mismatch> {
    match witness {
        Witness::Serial(extent, order) => {
            let points = order.iter().flat_map(|&id| [Point::Begin(id), Point::Commit(id)]);
            Replay::new(history).run(points)?;
            everyone(history, order)?;
            extends(history, *extent, order.iter().flat_map(|&id| [Point::Begin(id), Point::Commit(id)]))
        }
        Witness::Snapshots(extent, points) => {
            Replay::new(history).run(points.iter().copied())?;
            let commits = points.iter().filter_map(|point| match point {
                Point::Commit(id) => Some(*id),
                Point::Begin(_) => None,
            });
            everyone(history, &commits.collect::<Vec<_>>())?;
            extends(history, *extent, points.iter().copied())
        }
        Witness::Versions(extent, family, order) => {
            versions(history, order, *family == Family::G1c)?;
            everyone(history, order)?;
            extends(history, *extent, order.iter().flat_map(|&id| [Point::Begin(id), Point::Commit(id)]))
        }
        Witness::CommitOrder(axiom, order) => {
            versions(history, order, true)?;
            everyone(history, order)?;
            extends(
                history,
                Extent::Session,
                order.iter().flat_map(|&id| [Point::Begin(id), Point::Commit(id)]),
            )?;
            commit_order::check(history, *axiom, order)
        }
    }
}

/// Whether all that completed are in the order, once, and nobody that failed.
fn everyone(history: &History, order: &[OpId]) -> Result<(), Mismatch> {
    let mut seen = vec![false; history.len()];
    for &id in order {
        ensure(!std::mem::replace(&mut seen[id.index()], true), || format!("{id:?} twice in a witness"))?;
        ensure(history.outcome(id) != Outcome::Fail, || format!("{id:?} failed, but is in a witness"))?;
    }
    let missing = history.ids().find(|&id| {
        history.function(id) == Function::TXN && history.outcome(id) == Outcome::Ok && !seen[id.index()]
    });
    ensure(missing.is_none(), || format!("{missing:?} is not in a witness"))
}

/// Whether who completed before another began commits before that begins.
fn extends(
    history: &History,
    extent: Extent,
    points: impl DoubleEndedIterator<Item = Point>,
) -> Result<(), Mismatch> {
    // Backwards: no commit may come before a beginning of something invoked after it completed, so the
    // earliest completion among commits seen from the end must not be before an invocation further forward.
    let mut earliest: HashMap<u32, u32> = HashMap::new();
    for point in points.rev() {
        let (Point::Begin(id) | Point::Commit(id)) = point;
        let session = match extent {
            Extent::Data => return Ok(()),
            Extent::Session => history.session(id).raw(),
            Extent::RealTime => 0,
        };
        let operation = history.operation(id);
        match point {
            Point::Commit(_) if operation.outcome == Outcome::Ok => {
                let earliest = earliest.entry(session).or_insert(u32::MAX);
                *earliest = (*earliest).min(operation.completed);
            }
            Point::Commit(_) => {}
            Point::Begin(_) => {
                let bound = earliest.get(&session).copied().unwrap_or(u32::MAX);
                ensure(operation.invoked < bound, || {
                    format!("a witness has {id:?} begin before one that had completed before it was invoked")
                })?;
            }
        }
    }
    Ok(())
}

/// The state of the store while transactions are done one point at a time.
struct Replay<'h> {
    history: &'h History,
    lists: Vec<Vec<ValueId>>,
    registers: Vec<ValueId>,
    /// When each key was last written, in points.
    written: Vec<usize>,
    began: HashMap<OpId, usize>,
}

impl<'h> Replay<'h> {
    fn new(history: &'h History) -> Self {
        let keys = history.keys.len();
        Self {
            history,
            lists: vec![Vec::new(); keys],
            registers: vec![ValueId::NULL; keys],
            written: vec![0; keys],
            began: HashMap::new(),
        }
    }

    fn run(&mut self, points: impl Iterator<Item = Point>) -> Result<(), Mismatch> {
        for (now, point) in points.enumerate() {
            match point {
                Point::Begin(id) => {
                    self.began.insert(id, now);
                    self.reads(id)?;
                }
                Point::Commit(id) => self.commit(id, now)?,
            }
        }
        Ok(())
    }

    /// Whether each read returns the state, with what the transaction itself wrote before.
    fn reads(&self, id: OpId) -> Result<(), Mismatch> {
        if self.history.outcome(id) != Outcome::Ok {
            return Ok(());
        }
        let micros = self.history.micros_of(id);
        for (place, micro) in micros.iter().enumerate() {
            let own = || micros[..place].iter().filter(|other| other.key == micro.key);
            let appended = || own().filter(|other| other.kind == MicroKind::Append);
            let list = &self.lists[micro.key.index()];
            let right = match micro.kind {
                MicroKind::Append | MicroKind::Write => true,
                MicroKind::ReadList => {
                    let seen = self.history.list(micro.list());
                    let tail = seen.get(list.len()..);
                    seen.starts_with(list)
                        && tail.is_some_and(|tail| tail.iter().copied().eq(appended().map(|m| m.value())))
                }
                MicroKind::Read => {
                    let last = own().rfind(|other| other.kind == MicroKind::Write);
                    let state = last.map_or(self.registers[micro.key.index()], |write| write.value());
                    micro.value() == state && list.is_empty() && appended().next().is_none()
                }
            };
            ensure(right, || format!("{id:?} does not read {micro:?} where the witness has it"))?;
        }
        Ok(())
    }

    fn commit(&mut self, id: OpId, now: usize) -> Result<(), Mismatch> {
        let Some(&began) = self.began.get(&id) else {
            return Err(Mismatch(format!("{id:?} commits before it begins")));
        };
        let micros = self.history.micros_of(id);
        for micro in micros.iter().filter(|m| matches!(m.kind, MicroKind::Append | MicroKind::Write)) {
            let key = micro.key.index();
            let undisturbed = self.written[key] <= began || self.written[key] == now;
            ensure(undisturbed, || format!("another wrote what {id:?} writes while it ran"))?;
            self.written[key] = now;
            match micro.kind {
                MicroKind::Append => self.lists[key].push(micro.value()),
                _ => self.registers[key] = micro.value(),
            }
        }
        Ok(())
    }
}

/// Whether the versions of each list are written in this order, and, if asked, nobody reads from later ones
/// or from those that failed or overwrote it.
fn versions(history: &History, order: &[OpId], reads: bool) -> Result<(), Mismatch> {
    let mut place = vec![usize::MAX; history.len()];
    for (at, id) in order.iter().enumerate() {
        place[id.index()] = at;
    }
    let mut writer: HashMap<(KeyId, ValueId), (OpId, bool)> = HashMap::new();
    for id in history.ids() {
        let mut last: HashSet<KeyId> = HashSet::new();
        for micro in history.micros_of(id).iter().rev() {
            if matches!(micro.kind, MicroKind::Append | MicroKind::Write) {
                writer.insert((micro.key, micro.value()), (id, last.insert(micro.key)));
            }
        }
    }
    let mut shown: HashMap<KeyId, &[ValueId]> = HashMap::new();
    for &id in order.iter().filter(|&&id| history.outcome(id) == Outcome::Ok) {
        for micro in history.micros_of(id) {
            let value = match micro.kind {
                MicroKind::ReadList => {
                    let list = history.list(micro.list());
                    let longest = shown.entry(micro.key).or_insert(list);
                    if list.len() > longest.len() {
                        *longest = list;
                    }
                    list.last().copied()
                }
                MicroKind::Read if micro.value() != ValueId::NULL => Some(micro.value()),
                _ => None,
            };
            let Some(value) = value.filter(|_| reads) else { continue };
            let Some(&(from, last)) = writer.get(&(micro.key, value)) else {
                return Err(Mismatch(format!("{id:?} reads what nobody wrote")));
            };
            let right = from == id || (last && place[from.index()] < place[id.index()]);
            ensure(right, || format!("{id:?} reads from {from:?} before that in a witness"))?;
        }
    }
    in_order(history, &shown, &writer, &place)
}

fn in_order(
    history: &History,
    shown: &HashMap<KeyId, &[ValueId]>,
    writer: &HashMap<(KeyId, ValueId), (OpId, bool)>,
    place: &[usize],
) -> Result<(), Mismatch> {
    for (&key, list) in shown {
        let mut last = None;
        for value in *list {
            let Some(&(id, _)) = writer.get(&(key, *value)) else { continue };
            if history.outcome(id) == Outcome::Fail {
                continue;
            }
            ensure(last <= Some(place[id.index()]), || format!("{id:?} wrote too late in a witness"))?;
            last = Some(place[id.index()]);
        }
        let listed: HashSet<ValueId> = list.iter().copied().collect();
        for (&(other, value), &(id, _)) in writer {
            let unlisted = other == key && !listed.contains(&value) && place[id.index()] != usize::MAX;
            ensure(!unlisted || last <= Some(place[id.index()]), || {
                format!("{id:?} wrote unread before one that was read")
            })?;
        }
    }
    Ok(())
}
