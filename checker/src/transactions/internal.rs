//! Transactions that disagree with themselves (axiom INT of Cerone, Bernardi & Gotsman 2015).
//!
//! A transaction's own writes, and what it read before, say what its next read of the key must return: the
//! same, with its own appends at the end. A read of an element that the transaction itself appends only later
//! is worse: it saw its own future. Transactions that touch a key which is both a list and a register are left out.

use super::findings::AnomalyCollector;
use super::index::{Ambiguity, TransactionIndex};
use claims::{Limits, Phenomenon, ReadAt, TransactionEvidence};
use histories::{Function, History, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};

/// What a transaction knows of a key.
struct KeyKnowledge<'h> {
    key: KeyId,
    /// The state that it read or wrote; none if all it did was append.
    base: Option<KnownState<'h>>,
    /// What it appended since.
    tail: Vec<ValueId>,
    /// The micro-operations that say so.
    because: Vec<usize>,
    /// All that it wrote: of a register the last, of a list everything.
    own: Vec<ValueId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KnownState<'h> {
    Value(ValueId),
    List(&'h [ValueId]),
}

/// Finds `internal` and `future-read`, and tells whether a transaction missed a write of its own. O(micro-operations × keys of a transaction), and the lengths of lists
/// that a transaction reads more than once.
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
                    // One that missed a write of its own refutes a level that the others do not.
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
            // Nothing read, of a list, is the empty list.
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
            // A value that others wrote too may have come from them.
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
