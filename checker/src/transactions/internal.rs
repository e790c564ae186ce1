//! Transactions that contradict themselves (axiom INT of Cerone, Bernardi & Gotsman 2015).
//!
//! A transaction's own writes and earlier reads determine what its next read of the key must return: the same state,
//! with its own appends at the end. If a read returns an element that the transaction itself appends only later, the
//! transaction saw its own future, which is worse. Transactions that touch a key which is both a list and a register
//! are left out.

use super::findings::AnomalyCollector;
use super::index::{Ambiguity, TransactionIndex};
use claims::{IsolationLevel, Limits, Phenomenon, ReadAt, TransactionEvidence};
use histories::{Function, History, Id, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};

/// What a transaction knows about a key, from its own micro-operations so far.
struct KeyKnowledge<'h> {
    key: KeyId,
    /// The state that it last read or wrote; `None` if it only appended.
    base: Option<KnownState<'h>>,
    /// What it appended after that.
    tail: Vec<ValueId>,
    /// The micro-operations that this knowledge comes from.
    because: Vec<usize>,
    /// Its own writes that a read must show: the last write of a register, all appends to a list.
    own: Vec<ValueId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KnownState<'h> {
    Value(ValueId),
    List(&'h [ValueId]),
}

/// Finds `internal` and `future-read` anomalies. Returns whether some transaction did not read back a write of its
/// own. Cost: O(micro-operations × keys of a transaction), plus the lengths of lists that a transaction reads more
/// than once.
pub(crate) fn find_internal_anomalies(
    index: &TransactionIndex<'_>,
    findings: &mut AnomalyCollector,
    limits: &Limits<'_>,
) -> bool {
    let history = index.history;
    let mut own_missed = false;
    let mut known = Vec::new();
    for id in history.ids().take_while(|id| id.raw() & 0xfff != 0 || !limits.stop_requested()) {
        if history.function(id) == Function::TXN && history.outcome(id) == Outcome::Ok {
            let micros = history.micros_of(id);
            if touches_a_key_twice(micros) {
                known.clear();
                if index.mixed.is_empty() || micros.iter().all(|m| index.mixed.binary_search(&m.key).is_err())
                {
                    own_missed |= check_transaction(history, id, micros, &mut known, findings, own_missed);
                    find_future_reads(index, id, micros, findings);
                }
            }
        }
    }
    own_missed
}

/// The first read that misses a write of its own transaction, and that write, among the transactions that declare a level above
/// `read-uncommitted`.
pub(super) fn find_missed_own_write(history: &History) -> Option<(ReadAt, Vec<usize>)> {
    let declared = claims::declared_levels(history);
    let asks = |id: &OpId| {
        history.function(*id) == Function::TXN
            && history.outcome(*id) == Outcome::Ok
            && declared[id.index()] != IsolationLevel::ReadUncommitted
    };
    history.ids().filter(asks).find_map(|id| {
        let micros = history.micros_of(id);
        (1..micros.len()).find_map(|place| {
            let read = matches!(micros[place].kind, MicroKind::Read | MicroKind::ReadList);
            let own: Vec<usize> = (0..place)
                .filter(|&at| micros[at].key == micros[place].key)
                .filter(|&at| matches!(micros[at].kind, MicroKind::Write | MicroKind::Append))
                .collect();
            let last_write = own.iter().rposition(|&at| micros[at].kind == MicroKind::Write).unwrap_or(0);
            let values: Vec<ValueId> = own[last_write..].iter().map(|&at| micros[at].value()).collect();
            let misses = read && !ends_with_own_writes(read_state(history, micros[place]), &values);
            let at = ReadAt { transaction: id, place, key: micros[place].key };
            misses.then(|| (at, own[last_write..].to_vec()))
        })
    })
}

fn touches_a_key_twice(micros: &[Micro]) -> bool {
    if micros.len() <= 16 {
        return (1..micros.len()).any(|i| micros[..i].iter().any(|micro| micro.key == micros[i].key));
    }
    let mut keys: Vec<KeyId> = micros.iter().map(|micro| micro.key).collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

fn check_transaction<'h>(
    history: &'h History,
    id: OpId,
    micros: &'h [Micro],
    known: &mut Vec<KeyKnowledge<'h>>,
    findings: &mut AnomalyCollector,
    mut already: bool,
) -> bool {
    let mut own_missed = false;
    for (place, micro) in micros.iter().enumerate() {
        let at = known.iter().position(|known| known.key == micro.key).unwrap_or_else(|| {
            let (tail, because, own) = (Vec::new(), Vec::new(), Vec::new());
            known.push(KeyKnowledge { key: micro.key, base: None, tail, because, own });
            known.len() - 1
        });
        let known = &mut known[at];
        match micro.kind {
            MicroKind::Append => {
                known.tail.push(micro.value());
                known.own.push(micro.value());
                known.because.push(place);
            }
            MicroKind::Write => {
                known.own = vec![micro.value()];
                known.learn_state(KnownState::Value(micro.value()), place);
            }
            MicroKind::Read | MicroKind::ReadList => {
                let read = read_state(history, *micro);
                let missed = !ends_with_own_writes(read, &known.own);
                if !known.agrees_with_read(read) {
                    let because = known.because.clone();
                    let read = ReadAt { transaction: id, place, key: micro.key };
                    let evidence = || TransactionEvidence::Internal { read, because };
                    // A transaction that missed its own write refutes a level that the other findings do not refute.
                    match missed && !already {
                        true => findings.record_finding_first(Phenomenon::Internal, evidence()),
                        false => findings.record_finding(Phenomenon::Internal, evidence),
                    }
                    already |= missed;
                }
                own_missed |= missed;
                known.learn_state(read, place);
            }
        }
    }
    own_missed
}

fn read_state(history: &History, micro: Micro) -> KnownState<'_> {
    match micro.kind {
        MicroKind::ReadList => KnownState::List(history.list(micro.list())),
        _ => KnownState::Value(micro.value()),
    }
}

fn ends_with_own_writes(read: KnownState<'_>, own: &[ValueId]) -> bool {
    match read {
        KnownState::List(list) => list.ends_with(own),
        KnownState::Value(value) => own.is_empty() || own == [value],
    }
}

impl<'h> KeyKnowledge<'h> {
    fn learn_state(&mut self, state: KnownState<'h>, place: usize) {
        self.base = Some(state);
        self.tail.clear();
        self.because.clear();
        self.because.push(place);
    }

    fn agrees_with_read(&self, read: KnownState<'_>) -> bool {
        match (self.base, read) {
            (None, _) if self.tail.is_empty() => true,
            (None, KnownState::List(list)) => list.ends_with(&self.tail),
            (Some(KnownState::List(base)), KnownState::List(list)) => {
                list.len() == base.len() + self.tail.len()
                    && list.starts_with(base)
                    && list.ends_with(&self.tail)
            }
            // A read of null from a list means the empty list.
            (Some(KnownState::Value(ValueId::NULL)), KnownState::List(list)) => list == self.tail,
            (Some(KnownState::List(base)), KnownState::Value(ValueId::NULL)) => {
                base.is_empty() && self.tail.is_empty()
            }
            (Some(base), read) => base == read && self.tail.is_empty(),
            (None, KnownState::Value(_)) => false,
        }
    }
}

fn find_future_reads(
    index: &TransactionIndex<'_>,
    id: OpId,
    micros: &[Micro],
    findings: &mut AnomalyCollector,
) {
    let history = index.history;
    for (write, micro) in micros.iter().enumerate() {
        let value = match micro.kind {
            MicroKind::Append | MicroKind::Write => micro.value(),
            MicroKind::Read | MicroKind::ReadList => continue,
        };
        let earlier = micros[..write].iter().enumerate().filter(|(_, read)| read.key == micro.key);
        for (place, read) in earlier {
            let sees = match read.kind {
                MicroKind::ReadList => history.list(read.list()).contains(&value),
                MicroKind::Read => read.value() == value && value != ValueId::NULL,
                MicroKind::Append | MicroKind::Write => false,
            };
            // If other transactions wrote the value too, the read may have returned theirs.
            let ambiguous = |at: &Ambiguity| at.key == micro.key && at.value == value;
            if sees && !index.ambiguities.iter().any(ambiguous) {
                let read = ReadAt { transaction: id, place, key: micro.key };
                findings.record_finding(Phenomenon::FutureRead, || TransactionEvidence::FutureRead {
                    read,
                    value,
                    write,
                });
                break;
            }
        }
    }
}
