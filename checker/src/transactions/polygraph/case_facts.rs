//! The facts that a history determines about its transactions, and the choices that it leaves open: the possible sources of each
//! read, and the known order of the writers of each key.
//!
//! Values may repeat. Then a read has several possible sources. A read of a list counts only for the elements of *other*
//! transactions: its own appends are at the end of the list, and the read does not show their place among later appends of others.

use super::super::index::NONE;
use super::shown_lists::ShownLists;
use claims::{Assume, IsolationLevel, Limits, ReadAt};
use histories::{Function, History, Id, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// A read that returned the state which other transactions left.
#[derive(Clone, Debug)]
pub(super) struct OutsideRead {
    /// The number of the reading transaction.
    pub reader: u32,
    /// The index of the read among the reader's micro-operations.
    pub place: u32,
    /// The number of the key.
    pub key: u32,
    /// The numbers of the transactions whose version the read may have returned; [`INITIAL`] for the initial state.
    pub sources: Vec<u32>,
}

/// The initial state as a source.
pub(super) const INITIAL: u32 = NONE;

/// A key and its writers.
#[derive(Clone, Debug)]
pub(super) struct WrittenKey {
    pub key: KeyId,
    /// The transactions that write the key. Writers of list elements that reads show come first, in the order of the list.
    pub writers: Vec<u32>,
    /// The number of leading writers whose order is certain: each of them comes before all later entries of `writers`.
    pub ordered: u32,
}

/// The certain facts and the open choices of a history. Transactions, keys and reads have dense numbers.
pub(super) struct CaseFacts<'h> {
    pub history: &'h History,
    /// The transactions that took effect, and those that a read may have read from.
    pub transactions: Vec<OpId>,
    pub reads: Vec<OutsideRead>,
    pub keys: Vec<WrittenKey>,
    /// For each transaction: the keys that it writes, each with the index of its first write.
    pub writes: Vec<Vec<(u32, u32)>>,
    /// By the numbers of a key and a transaction: the place of the transaction among the writers of the key.
    pub places: FxHashMap<(u32, u32), u32>,
    /// What the user asserts about version orders; `None` if the level ignores such assertions.
    pub assume: Option<Assume>,
    /// For each transaction, the level that it declares; `None` if the same level is asked of all.
    pub declared: Option<Vec<IsolationLevel>>,
    /// The numbers of keys and of two of their writers: an additional list shows that the first writer came first.
    pub listed: Vec<(u32, u32, u32)>,
}

/// The result of the extraction.
pub(super) enum ExtractionOutcome<'h> {
    Ready(CaseFacts<'h>),
    /// Two reads returned lists, and neither list is a prefix of the other.
    Incompatible(ReadAt, ReadAt),
    Unclear(String),
}

/// The maximum number of list elements that are examined.
const ELEMENTS_MAX: usize = 1 << 26;

/// Extracts the facts from a history. If a transaction repeats a read and both may have returned the same version, only the
/// first read is kept, unless `every_read` is set. If `with_own` is set, a reader's own appends count as evidence for the
/// order of a list. If `declared` is given (by operation), the reads of transactions that declare `read-uncommitted` have no source;
/// the longest list that any transaction read still shows the order of its writers. If `only` is given (in ascending order), all other transactions are left out, and so are the reads from
/// them.
///
/// Cost: O(m · k + e) for m micro-operations, at most k of them in one transaction, and e list elements.
pub(super) fn extract_case_facts<'h>(
    history: &'h History,
    (every_read, with_own): (bool, bool),
    assume: Option<Assume>,
    only: Option<&[OpId]>,
    declared: Option<Vec<IsolationLevel>>,
    limits: &Limits<'_>,
) -> ExtractionOutcome<'h> {
    let mut collector = FactCollector {
        history,
        every_read,
        with_own,
        declared,
        shown: ShownLists::default(),
        written: FxHashMap::default(),
        reads: Vec::new(),
        longest: FxHashMap::default(),
        elements: 0,
    };
    if let Err(why) = collector.collect_transactions(limits) {
        return ExtractionOutcome::Unclear(why);
    }
    collector.into_case_facts(assume, only)
}

/// The transactions whose final write to a key was this value. For lists: the transactions that appended it.
type WritersByKeyAndValue = FxHashMap<(KeyId, ValueId), Vec<OpId>>;

struct FactCollector<'h> {
    history: &'h History,
    every_read: bool,
    with_own: bool,
    declared: Option<Vec<IsolationLevel>>,
    /// The lists that transactions of any level read; filled only if they declare levels.
    shown: ShownLists<'h>,
    written: WritersByKeyAndValue,
    /// The reader, the index of the read, and the number of list elements that other transactions appended (`None` for
    /// registers).
    reads: Vec<(OpId, u32, Option<usize>)>,
    /// For each list, the longest read, and the number of its elements that count.
    longest: FxHashMap<KeyId, (ReadAt, usize)>,
    elements: usize,
}

impl<'h> FactCollector<'h> {
    fn collect_transactions(&mut self, limits: &Limits<'_>) -> Result<(), String> {
        let stopped = || Limits::STOPPED.to_owned();
        for id in self.history.ids() {
            if id.raw() & 0xfff == 0 && limits.stop_requested() {
                return Err(stopped());
            }
            if self.history.function(id) == Function::TXN && self.history.outcome(id) != Outcome::Fail {
                self.collect_writes(id)?;
                if self.history.outcome(id) == Outcome::Ok {
                    if self.declared.is_some() {
                        self.elements += self.shown.add_lists(self.history, id);
                    }
                    if self.asks_of_reads(id) {
                        self.collect_reads(id);
                    }
                }
            }
        }
        if limits.stop_requested() || self.elements > ELEMENTS_MAX {
            return Err("the lists that were read have too many elements to decide case by case".to_owned());
        }
        Ok(())
    }

    /// Whether the level of a transaction has a condition on its reads.
    fn asks_of_reads(&self, id: OpId) -> bool {
        self.declared.as_ref().is_none_or(|declared| declared[id.index()] != IsolationLevel::ReadUncommitted)
    }

    fn collect_writes(&mut self, id: OpId) -> Result<(), String> {
        let micros = self.history.micros_of(id);
        for (at, micro) in micros.iter().enumerate() {
            let again = |other: &Micro| other.key == micro.key && other.kind == MicroKind::Write;
            match micro.kind {
                MicroKind::Write if !micros[at + 1..].iter().any(again) => {
                    self.written.entry((micro.key, micro.value())).or_default().push(id);
                }
                MicroKind::Append => {
                    let writers = self.written.entry((micro.key, micro.value())).or_default();
                    writers.push(id);
                    if writers.len() > 1 {
                        return Err(format!(
                            "{} was appended to {} more than once (again at {})",
                            self.history.value_text(micro.value()),
                            self.history.key_text(micro.key),
                            self.history.operation_index(id)
                        ));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn collect_reads(&mut self, id: OpId) {
        let micros = self.history.micros_of(id);
        for (place, micro) in micros.iter().enumerate() {
            let before = || micros[..place].iter().filter(|other| other.key == micro.key);
            let own = before().filter(|other| other.kind == MicroKind::Append).count();
            let others = match micro.kind {
                MicroKind::Read if before().any(|other| other.kind == MicroKind::Write) => continue,
                MicroKind::Read => None,
                // A transaction must see its own appends. An earlier check has made sure that it does.
                MicroKind::ReadList => Some(self.history.list(micro.list()).len().saturating_sub(own)),
                MicroKind::Write | MicroKind::Append => continue,
            };
            let same = |other: &Micro| match (other.kind, micro.kind) {
                (MicroKind::Read, MicroKind::Read) => other.value() == micro.value(),
                (MicroKind::ReadList, MicroKind::ReadList) => other.list() == micro.list() && own == 0,
                _ => false,
            };
            if !self.every_read && before().any(same) {
                continue; // Both reads may have returned the same version, so one is enough.
            }
            if let Some(count) = others {
                let count = if self.with_own { count + own } else { count };
                self.elements += count;
                let read = ReadAt { transaction: id, place, key: micro.key };
                let longest = self.longest.entry(micro.key).or_insert((read, count));
                if count > longest.1 {
                    *longest = (read, count);
                }
            }
            self.reads.push((id, place as u32, others));
        }
    }

    fn list_prefix(&self, read: ReadAt, count: usize) -> &'h [ValueId] {
        let list = self.history.list(self.history.micros_of(read.transaction)[read.place].list());
        &list[..count.min(list.len())]
    }

    fn into_case_facts(mut self, assume: Option<Assume>, only: Option<&[OpId]>) -> ExtractionOutcome<'h> {
        let mut blocks: FxHashMap<KeyId, ListBlocks> = FxHashMap::default();
        for (&key, &(read, count)) in &self.longest {
            blocks.insert(
                key,
                ListBlocks::from_list(self.history, &self.written, key, self.list_prefix(read, count)),
            );
        }
        let mut sources: Vec<Vec<Option<OpId>>> = Vec::with_capacity(self.reads.len());
        for &(id, place, others) in &self.reads {
            let micro = self.history.micros_of(id)[place as usize];
            sources.push(match others {
                None => self.sources_of_value(id, micro),
                Some(count) => {
                    let read = ReadAt { transaction: id, place: place as usize, key: micro.key };
                    let (longest, len) = self.longest[&micro.key];
                    let shared = self.list_prefix(longest, len).starts_with(self.list_prefix(read, count));
                    if !shared {
                        return ExtractionOutcome::Incompatible(read, longest);
                    }
                    // A transaction cannot read what it appends only later.
                    let source = blocks[&micro.key].writer_at_length(count);
                    source.filter(|source| *source != Some(id)).into_iter().collect()
                }
            });
        }
        if let Some(only) = only {
            self.keep(&mut sources, only);
        }
        let facts = self.number_facts(&sources, &blocks, assume, only);
        ExtractionOutcome::Ready(facts)
    }

    /// Leaves out reads of others than some transactions, or from others.
    fn keep(&mut self, sources: &mut Vec<Vec<Option<OpId>>>, only: &[OpId]) {
        let among = |id: OpId| only.binary_search(&id).is_ok();
        let reads = std::mem::take(&mut self.reads);
        let kept = reads.into_iter().zip(std::mem::take(sources)).filter(|((id, _, _), sources)| {
            among(*id) && sources.iter().all(|source| source.is_none_or(among))
        });
        (self.reads, *sources) = kept.unzip();
    }

    fn sources_of_value(&self, reader: OpId, micro: Micro) -> Vec<Option<OpId>> {
        let written = self.written.get(&(micro.key, micro.value()));
        let others = written.into_iter().flatten().copied().filter(|&writer| writer != reader);
        let initial = (micro.value() == ValueId::NULL).then_some(None);
        initial.into_iter().chain(others.map(Some)).collect()
    }

    fn number_facts(
        &self,
        sources: &[Vec<Option<OpId>>],
        blocks: &FxHashMap<KeyId, ListBlocks>,
        assume: Option<Assume>,
        only: Option<&[OpId]>,
    ) -> CaseFacts<'h> {
        let history = self.history;
        let shown = blocks.values().flat_map(|blocks| blocks.ends.iter().map(|&(_, id)| id));
        let shown = shown.chain(
            self.shown
                .elements
                .iter()
                .flat_map(|element| self.written.get(element).into_iter().flatten().copied()),
        );
        let read: FxHashSet<OpId> =
            sources.iter().flat_map(|sources| sources.iter().copied().flatten()).chain(shown).collect();
        let takes_part = |id: &OpId| {
            history.function(*id) == Function::TXN
                && (history.outcome(*id) == Outcome::Ok || read.contains(id))
                && only.is_none_or(|only| only.binary_search(id).is_ok())
        };
        let transactions: Vec<OpId> = history.ids().filter(takes_part).collect();
        let numbers: FxHashMap<OpId, u32> = transactions.iter().copied().zip(0u32..).collect();
        let mut keys: Vec<WrittenKey> = Vec::new();
        let mut key_numbers: FxHashMap<KeyId, u32> = FxHashMap::default();
        let mut number_of = |key: KeyId, keys: &mut Vec<WrittenKey>| {
            *key_numbers.entry(key).or_insert_with(|| {
                keys.push(WrittenKey { key, writers: Vec::new(), ordered: 0 });
                keys.len() as u32 - 1
            })
        };
        let mut writes: Vec<Vec<(u32, u32)>> = vec![Vec::new(); transactions.len()];
        for (number, &id) in (0u32..).zip(&transactions) {
            for (place, micro) in (0u32..).zip(history.micros_of(id)) {
                if matches!(micro.kind, MicroKind::Write | MicroKind::Append) {
                    let key = number_of(micro.key, &mut keys);
                    if !writes[number as usize].iter().any(|write| write.0 == key) {
                        writes[number as usize].push((key, place));
                        keys[key as usize].writers.push(number);
                    }
                }
            }
        }
        let mut reads = Vec::with_capacity(self.reads.len());
        for (&(id, place, _), sources) in self.reads.iter().zip(sources) {
            let key = number_of(history.micros_of(id)[place as usize].key, &mut keys);
            let sources =
                sources.iter().map(|source| source.map_or(INITIAL, |writer| numbers[&writer])).collect();
            reads.push(OutsideRead { reader: numbers[&id], place, key, sources });
        }
        for each in &mut keys {
            let ends = blocks.get(&each.key).map_or(&[][..], |blocks| &blocks.ends);
            let ends = ends.iter().map(|end| end.1).filter(|id| numbers.contains_key(id));
            let ranks: FxHashMap<OpId, usize> = ends.zip(0..).collect();
            let rank = |number: &u32| {
                let id = transactions[*number as usize];
                let operation = history.operation(id);
                let listed = ranks.get(&id).copied();
                (listed.unwrap_or(usize::MAX), operation.completed, operation.invoked)
            };
            each.writers.sort_by_cached_key(rank);
            each.ordered = ranks.len() as u32;
        }
        let places = (0u32..).zip(&keys).flat_map(|(key, each)| {
            each.writers.iter().zip(0u32..).map(move |(&writer, place)| ((key, writer), place))
        });
        let places = places.collect();
        let declared = self.declared.as_ref().map(|declared| {
            transactions.iter().map(|&id| declared[id.index()]).collect::<Vec<IsolationLevel>>()
        });
        let mut listed = Vec::new();
        for (number, each) in (0u32..).zip(&keys) {
            let pairs = self.shown.order_writers(history, each.key, &each.writers, &transactions);
            listed.extend(pairs.into_iter().map(|(one, other)| (number, one, other)));
        }
        CaseFacts { history, transactions, reads, keys, writes, places, assume, declared, listed }
    }
}

/// A list as a sequence of blocks. Each block has all appends of one transaction. It ends where the list stops having this
/// form.
struct ListBlocks {
    /// For each block, the length of the list at its end, and the transaction.
    ends: Vec<(usize, OpId)>,
}

impl ListBlocks {
    fn from_list(history: &History, written: &WritersByKeyAndValue, key: KeyId, list: &[ValueId]) -> Self {
        let mut ends: Vec<(usize, OpId)> = Vec::new();
        let mut at = 0;
        let mut seen = FxHashSet::default();
        while at < list.len() {
            let Some(&[writer]) = written.get(&(key, list[at])).map(Vec::as_slice) else { break };
            let appends = history.micros_of(writer).iter();
            let own: Vec<ValueId> = appends
                .filter(|m| m.kind == MicroKind::Append && m.key == key)
                .map(|micro| micro.value())
                .collect();
            // The last block of the list may be incomplete: its own transaction read it before its remaining appends.
            let fits = list[at..].starts_with(&own) || own.starts_with(&list[at..]);
            if !fits || !seen.insert(writer) {
                break;
            }
            at += own.len();
            ends.push((at, writer));
        }
        ListBlocks { ends }
    }

    /// The transaction that left a list of this length: `Some(None)` for the initial state, and `None` if no transaction left
    /// the list at this length.
    fn writer_at_length(&self, count: usize) -> Option<Option<OpId>> {
        if count == 0 {
            return Some(None);
        }
        let at = self.ends.binary_search_by_key(&count, |end| end.0).ok()?;
        Some(Some(self.ends[at].1))
    }
}

impl CaseFacts<'_> {
    /// Whether the begin point of a transaction is a moment of its own, if a level has begin points at all.
    pub(super) fn has_begin_point(&self, transaction: u32) -> bool {
        let declares = |declared: &Vec<IsolationLevel>| {
            declared[transaction as usize] == IsolationLevel::SnapshotIsolation
        };
        self.declared.as_ref().is_none_or(declares)
    }

    /// Whether the anti-dependencies of a read count, as far as its transaction declares a level. If a transaction reads a list
    /// after it has appended to it, its own version directly follows the one that it read, at every level.
    pub(super) fn counts_what_it_missed(&self, read: &OutsideRead) -> bool {
        let declares = |declared: &Vec<IsolationLevel>| {
            let micros = self.history.micros_of(self.transactions[read.reader as usize]);
            let (before, key) = (&micros[..read.place as usize], micros[read.place as usize].key);
            declared[read.reader as usize] != IsolationLevel::ReadCommitted
                || before.iter().any(|own| own.kind == MicroKind::Append && own.key == key)
        };
        self.declared.as_ref().is_none_or(declares)
    }

    /// Whether the history determines that one writer of a key precedes another; `None` if their order is open. The arguments are
    /// places among the writers of the key.
    pub(super) fn certain_order(&self, key: u32, one: u32, other: u32) -> Option<bool> {
        let written = &self.keys[key as usize];
        if one.min(other) < written.ordered {
            return Some(one < other);
        }
        let assume = self.assume?;
        let operation = |at: u32| {
            let id = self.transactions[written.writers[at as usize] as usize];
            self.history.operation(id)
        };
        let (a, b) = (operation(one), operation(other));
        // What is asserted is about registers. A list shows its order itself.
        let mut micros = self.history.micros_of(a.id).iter();
        let is_list = micros.any(|micro| micro.kind == MicroKind::Append && micro.key == written.key);
        let before = |a: &histories::Operation, b: &histories::Operation| {
            let told = match (self.history.version(a.id), self.history.version(b.id)) {
                (Some(a), Some(b)) => a < b,
                _ => false,
            };
            let asserted = assume.linearizable_keys || (assume.sequential_keys && a.session == b.session);
            told || (!is_list && asserted && a.precedes(b))
        };
        match (before(&a, &b), before(&b, &a)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }
}
