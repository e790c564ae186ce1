//! Commit orders: does anyone read what it should have known to be outdated?
//!
//! Straight from the axiom: for each transaction, all that it has seen; for each of its reads, none of these
//! wrote the key later in the order than what was read. The past of each transaction (causal), and its session
//! (read atomic), are gone through in full, so beyond [`PAST_MAX`] pairs they are not: there the order's extending
//! sessions and reads, and what was read directly, is all that is checked.

use super::anomalies::{is_read, returned};
use super::{Mismatch, ensure};
use crate::transactions::anomaly::Axiom;
use histories::{History, Id, KeyId, OpId, Outcome, ValueId};
use std::collections::{HashMap, HashSet};

/// The most entries of all causal pasts together.
const PAST_MAX: usize = 20_000_000;

pub(super) fn check(history: &History, axiom: Axiom, order: &[OpId]) -> Result<(), Mismatch> {
    let mut place = vec![usize::MAX; history.len()];
    for (at, id) in order.iter().enumerate() {
        place[id.index()] = at;
    }
    let whole = order.len().saturating_mul(order.len()) <= PAST_MAX;
    let view = View { history, writer: writers(history, &place), place, whole };
    let pasts = match axiom {
        Axiom::Causal if !whole => return Ok(()),
        Axiom::Causal => Some(view.pasts(order)),
        _ => None,
    };
    for &id in order.iter().filter(|&&id| history.outcome(id) == Outcome::Ok) {
        view.transaction(axiom, id, pasts.as_ref().map(|pasts| &pasts[&id]))?;
    }
    Ok(())
}

struct View<'h> {
    history: &'h History,
    writer: HashMap<(KeyId, ValueId), OpId>,
    place: Vec<usize>,
    /// Whether sessions are gone through in full.
    whole: bool,
}

fn writers(history: &History, place: &[usize]) -> HashMap<(KeyId, ValueId), OpId> {
    let mut writer = HashMap::new();
    for id in history.ids().filter(|id| place[id.index()] != usize::MAX) {
        for micro in history.micros_of(id).iter().filter(|micro| !is_read(**micro)) {
            writer.insert((micro.key, micro.value()), id);
        }
    }
    writer
}

impl View<'_> {
    /// Whom each read of a transaction is from, itself aside: place, key, and the writer, none of the initial
    /// state.
    fn reads(&self, id: OpId) -> Vec<(usize, KeyId, Option<OpId>)> {
        let micros = self.history.micros_of(id).iter().enumerate();
        let reads = micros.filter(|(_, micro)| is_read(**micro)).map(|(at, &micro)| {
            let from = |value: ValueId| self.writer.get(&(micro.key, value)).copied();
            let mut writers = returned(self.history, micro).into_iter().map(from);
            (at, micro.key, writers.rfind(|writer| *writer != Some(id)).flatten())
        });
        // A register that the transaction wrote itself says nothing of others.
        let own = |at: usize, key| {
            let mut before = self.history.micros_of(id)[..at].iter();
            before.any(|m| m.kind == histories::MicroKind::Write && m.key == key)
        };
        reads.filter(|&(at, key, _)| !own(at, key)).collect()
    }

    fn precedes(&self, a: OpId, b: OpId) -> bool {
        self.history.session(a) == self.history.session(b)
            && self.history.operation(a).precedes(&self.history.operation(b))
    }

    /// For each transaction all that come causally before it.
    fn pasts(&self, order: &[OpId]) -> HashMap<OpId, HashSet<OpId>> {
        let mut pasts: HashMap<OpId, HashSet<OpId>> = HashMap::new();
        for (at, &id) in order.iter().enumerate() {
            let mut past = HashSet::new();
            let mut direct: Vec<OpId> =
                order[..at].iter().copied().filter(|&other| self.precedes(other, id)).collect();
            if self.history.outcome(id) == Outcome::Ok {
                direct.extend(self.reads(id).into_iter().filter_map(|read| read.2));
            }
            for other in direct {
                past.insert(other);
                past.extend(pasts.get(&other).into_iter().flatten().copied());
            }
            pasts.insert(id, past);
        }
        pasts
    }

    fn transaction(&self, axiom: Axiom, id: OpId, past: Option<&HashSet<OpId>>) -> Result<(), Mismatch> {
        let reads = self.reads(id);
        for &(at, key, from) in &reads {
            let bound = from.map(|from| self.place[from.index()]);
            let outdated = |seen: OpId| {
                let wrote = self.history.micros_of(seen).iter().any(|&m| !is_read(m) && m.key == key);
                wrote && seen != id && Some(seen) != from && Some(self.place[seen.index()]) > bound
            };
            let missed = match (axiom, past) {
                (Axiom::Causal, Some(past)) => past.iter().copied().find(|&seen| outdated(seen)),
                (Axiom::MonotonicAtomicView, _) => {
                    let earlier = reads.iter().filter(|read| read.0 < at).filter_map(|read| read.2);
                    earlier.into_iter().find(|&seen| outdated(seen))
                }
                _ => {
                    let direct = reads.iter().filter_map(|read| read.2);
                    let ids = self.history.ids().take(if self.whole { usize::MAX } else { 0 });
                    let mut session = ids
                        .filter(|&other| self.place[other.index()] != usize::MAX && self.precedes(other, id));
                    direct.into_iter().find(|&seen| outdated(seen)).or_else(|| session.find(|&s| outdated(s)))
                }
            };
            ensure(missed.is_none(), || {
                format!("in a commit order, {id:?} has seen {missed:?} and reads something older of it")
            })?;
        }
        Ok(())
    }
}
