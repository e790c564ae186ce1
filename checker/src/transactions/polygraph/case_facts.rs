//! The facts that a history determines about its transactions, and the choices that it leaves open: the possible sources of each
//! read, and the known order of the writers of each key.
//!
//! Values may repeat. Then a read has several possible sources. A read of a list counts only for the elements of *other*
//! transactions: its own appends are at the end of the list, and the read does not show their place among later appends of others.

use super::super::index::NONE;
use super::element_candidates::ShownElements;
use super::list_places::{ListPins, ListPlacements, ShownList};
use super::shown_appends::ShownAppends;
use super::shown_lists::ShownLists;
use super::written_key::{WrittenKey, WrittenKeyBuilder};
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
    /// For lists: the number of elements that other transactions appended.
    pub length: Option<u32>,
}

/// The initial state as a source.
pub(super) const INITIAL: u32 = NONE;

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
    /// A read in which a transaction found its own appends where they cannot stand, if there is one.
    pub misplaced: Option<ReadAt>,
    /// Whose elements stand in the lists that are read at read-uncommitted.
    pub elements: Vec<ShownElements>,
    /// Whether a transaction is among these that need not have committed, although lists that dirty reads show place its appends.
    pub has_doubtful: bool,
}

/// The result of the extraction.
pub(super) enum ExtractionOutcome<'h> {
    Ready(Box<CaseFacts<'h>>),
    /// Two reads returned lists, and neither list is a prefix of the other.
    Incompatible(ReadAt, ReadAt),
    Unclear(String),
}

/// How often the stop flag is looked at, in reads.
const READS_BETWEEN_LOOKS: usize = 1 << 12;
pub(super) const TOO_MANY_PLACES: &str =
    "equal elements were appended to a list so often that there are too many ways to tell them apart";

/// The part of a history that is looked at.
#[derive(Clone, Copy)]
pub(in super::super) enum CaseScope<'a> {
    /// All of it.
    All,
    /// These transactions, in ascending order. What they read from others is left out.
    Transactions(&'a [OpId]),
    /// These keys, and the transactions that touch them.
    Keys(&'a FxHashSet<KeyId>),
}

impl CaseScope<'_> {
    fn has_key(self, key: KeyId) -> bool {
        match self {
            CaseScope::Keys(keys) => keys.contains(&key),
            CaseScope::All | CaseScope::Transactions(_) => true,
        }
    }

    fn has_transaction(self, history: &History, id: OpId) -> bool {
        match self {
            CaseScope::All => true,
            CaseScope::Transactions(only) => only.binary_search(&id).is_ok(),
            CaseScope::Keys(keys) => history.micros_of(id).iter().any(|micro| keys.contains(&micro.key)),
        }
    }
}

/// Extracts the facts from a history. If a transaction repeats a read and both may have returned the same version, only the
/// first read is kept, unless `every_read` is set. If `with_own` is set, a reader's own appends count as evidence for the
/// order of a list. If `declared` is given (by operation), the reads of transactions that declare `read-uncommitted` have no source;
/// the longest list that any transaction read still shows the order of its writers.
///
/// Cost: O(m · k + e) for m micro-operations, at most k of them in one transaction, and e list elements.
pub(super) fn extract_case_facts<'h>(
    history: &'h History,
    (every_read, with_own): (bool, bool),
    assume: Option<Assume>,
    scope: CaseScope<'_>,
    declared: Option<Vec<IsolationLevel>>,
    limits: &Limits<'_>,
) -> ExtractionOutcome<'h> {
    let mut collector = FactCollector {
        history,
        scope,
        every_read,
        with_own,
        declared,
        shown: ShownLists::default(),
        appends: None,
        written: FxHashMap::default(),
        repeated: FxHashSet::default(),
        reads: Vec::new(),
        longest: FxHashMap::default(),
        pins: FxHashMap::default(),
    };
    if let Err(why) = collector.collect_transactions(limits) {
        return ExtractionOutcome::Unclear(why);
    }
    collector.into_case_facts(assume, limits)
}

/// The transactions whose final write to a key was this value. For lists: the transactions that appended it.
type WritersByKeyAndValue = FxHashMap<(KeyId, ValueId), Vec<OpId>>;

struct FactCollector<'h, 'a> {
    history: &'h History,
    scope: CaseScope<'a>,
    every_read: bool,
    with_own: bool,
    declared: Option<Vec<IsolationLevel>>,
    /// The lists that transactions of any level read; filled only if they declare levels.
    shown: ShownLists<'h>,
    /// If equal elements were appended to a list that a transaction at `read-uncommitted` read: these lists, and whose elements lists show.
    appends: Option<(FxHashSet<KeyId>, ShownAppends<'h>)>,
    written: WritersByKeyAndValue,
    /// The lists to which equal elements were appended, even by transactions that failed.
    repeated: FxHashSet<KeyId>,
    /// The reader, the index of the read, and the number of list elements that other transactions appended (`None` for
    /// registers).
    reads: Vec<(OpId, u32, Option<usize>)>,
    /// For each list, the longest read, and the number of its elements that count.
    longest: FxHashMap<KeyId, (ReadAt, usize)>,
    /// By list: the transactions that read their own appends.
    pins: FxHashMap<KeyId, ListPins>,
}

impl<'h> FactCollector<'h, '_> {
    fn collect_transactions(&mut self, limits: &Limits<'_>) -> Result<(), String> {
        let history = self.history;
        let stopped = |id: OpId| id.raw() & 0xfff == 0 && limits.stop_requested();
        let transactions = || history.ids().filter(|&id| history.function(id) == Function::TXN);
        let mut appended: FxHashSet<(KeyId, ValueId)> = FxHashSet::default();
        for id in transactions() {
            if stopped(id) {
                return Err(Limits::STOPPED.to_owned());
            }
            self.collect_writes(id, &mut appended);
        }
        drop(appended);
        let answered = |id: &OpId| history.outcome(*id) == Outcome::Ok;
        let unasked = transactions().filter(|id| answered(id) && !self.asks_of_reads(*id));
        let shown = unasked.flat_map(|id| history.micros_of(id)).filter(|m| m.kind == MicroKind::ReadList);
        let shown = shown.map(|micro| micro.key).filter(|key| self.repeated.contains(key));
        let shown: FxHashSet<KeyId> = shown.collect();
        if !shown.is_empty() {
            let appends = ShownAppends::collect(history, limits).ok_or(Limits::STOPPED)?;
            self.appends = Some((shown, appends));
        }
        for id in transactions().filter(answered) {
            if stopped(id) {
                return Err(Limits::STOPPED.to_owned());
            }
            if self.declared.is_some() {
                self.shown.add_lists(history, id, |key| !self.repeated.contains(&key));
            }
            if self.asks_of_reads(id) {
                self.collect_reads(id);
            }
        }
        Ok(())
    }

    /// Whether the level of a transaction has a condition on its reads.
    fn asks_of_reads(&self, id: OpId) -> bool {
        self.declared.as_ref().is_none_or(|declared| declared[id.index()] != IsolationLevel::ReadUncommitted)
    }

    fn collect_writes(&mut self, id: OpId, appended: &mut FxHashSet<(KeyId, ValueId)>) {
        let micros = self.history.micros_of(id);
        let happened = self.history.outcome(id) != Outcome::Fail;
        for (at, micro) in micros.iter().enumerate().filter(|(_, micro)| self.scope.has_key(micro.key)) {
            let again = |other: &Micro| other.key == micro.key && other.kind == MicroKind::Write;
            let left = match micro.kind {
                MicroKind::Write => !micros[at + 1..].iter().any(again),
                MicroKind::Append => true,
                MicroKind::Read | MicroKind::ReadList => false,
            };
            if micro.kind == MicroKind::Append && !appended.insert((micro.key, micro.value())) {
                self.repeated.insert(micro.key);
            }
            if left && happened {
                self.written.entry((micro.key, micro.value())).or_default().push(id);
            }
        }
    }

    fn collect_reads(&mut self, id: OpId) {
        let micros = self.history.micros_of(id);
        let counted = micros.iter().enumerate().filter(|(_, micro)| self.scope.has_key(micro.key));
        for (place, micro) in counted {
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
            if let (Some(count), true, true) = (others, self.with_own, own > 0) {
                let start = Some(count as u32);
                let pin = self.pins.entry(micro.key).or_default().entry(id).or_insert(start);
                *pin = pin.filter(|_| *pin == start);
            }
            if let Some(count) = others {
                let count = if self.with_own { count + own } else { count };
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

    fn into_case_facts(mut self, assume: Option<Assume>, limits: &Limits<'_>) -> ExtractionOutcome<'h> {
        let Some(places) = self.place_appends() else {
            return ExtractionOutcome::Unclear(TOO_MANY_PLACES.to_owned());
        };
        let mut sources: Vec<Vec<Option<OpId>>> = Vec::with_capacity(self.reads.len());
        for (at, &(id, place, others)) in self.reads.iter().enumerate() {
            if at.is_multiple_of(READS_BETWEEN_LOOKS) && limits.stop_requested() {
                return ExtractionOutcome::Unclear(Limits::STOPPED.to_owned());
            }
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
                    match count {
                        0 => vec![None],
                        // A transaction cannot read what it appends only later.
                        _ => {
                            let writers = places[&micro.key].writers_that_end_at(count).into_iter();
                            writers.filter(|&writer| writer != id).map(Some).collect()
                        }
                    }
                }
            });
        }
        if let Some((keys, appends)) = &self.appends {
            let mut pairs = 0;
            if !keys.iter().all(|&key| appends.may_take_pairs(key, &mut pairs, limits)) {
                return ExtractionOutcome::Unclear(TOO_MANY_PLACES.to_owned());
            }
        }
        if let CaseScope::Transactions(only) = self.scope {
            if !self.repeated.is_empty() {
                return ExtractionOutcome::Unclear(TOO_MANY_PLACES.to_owned());
            }
            self.keep(&mut sources, only);
        }
        ExtractionOutcome::Ready(Box::new(self.number_facts(&sources, &places, assume)))
    }

    /// Finds where the appends of each transaction may stand in the longest list of each key. `None` if there are too many places.
    fn place_appends(&self) -> Option<FxHashMap<KeyId, ListPlacements>> {
        let history = self.history;
        let mut read_ends: FxHashMap<KeyId, Vec<bool>> = FxHashMap::default();
        for (&key, &(_, count)) in &self.longest {
            read_ends.insert(key, vec![false; count + 1]);
        }
        for &(id, place, others) in &self.reads {
            let ends = read_ends.get_mut(&history.micros_of(id)[place as usize].key);
            if let (Some(end), Some(ends)) = (others, ends) {
                ends[end] = true;
            }
        }
        let (mut places, no_pins) = (FxHashMap::default(), ListPins::default());
        for (&key, &(read, count)) in &self.longest {
            let list = ShownList {
                elements: self.list_prefix(read, count),
                pins: self.pins.get(&key).unwrap_or(&no_pins),
                read_ends: &read_ends[&key],
            };
            let writers = |value| self.written.get(&(key, value)).map_or(&[][..], Vec::as_slice);
            let appends = |id| {
                let own = history.micros_of(id).iter();
                let own = own.filter(|micro| micro.kind == MicroKind::Append && micro.key == key);
                own.map(|micro| micro.value()).collect()
            };
            places.insert(key, ListPlacements::find(&list, writers, appends)?);
        }
        Some(places)
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

    /// A read in which a transaction found its own appends where they cannot stand.
    fn find_misplaced_read(
        &self,
        places: &FxHashMap<KeyId, ListPlacements>,
        numbers: &FxHashMap<OpId, u32>,
    ) -> Option<ReadAt> {
        let placed: FxHashSet<(KeyId, OpId)> = places
            .iter()
            .flat_map(|(&key, places)| places.all.iter().map(move |place| (key, place.writer)))
            .collect();
        let pins = self.pins.iter().flat_map(|(&key, pins)| pins.keys().map(move |&id| (key, id)));
        let lost = pins.filter(|pin| numbers.contains_key(&pin.1) && !placed.contains(pin));
        let (key, id) = lost.min_by_key(|&(key, id)| (id, key))?;
        let micros = self.history.micros_of(id);
        let own = micros.iter().position(|micro| micro.kind == MicroKind::Append && micro.key == key)?;
        let mut after = (own..micros.len()).filter(|&at| micros[at].key == key);
        let place = after.find(|&at| micros[at].kind == MicroKind::ReadList)?;
        Some(ReadAt { transaction: id, place, key })
    }

    /// The pairs of writers whose order is shown by lists that transactions of any level read.
    fn order_shown_writers(&self, keys: &[WrittenKey], transactions: &[OpId]) -> Vec<(u32, u32, u32)> {
        let mut listed = Vec::new();
        for (number, each) in (0u32..).zip(keys).filter(|(_, each)| !self.repeated.contains(&each.key)) {
            let pairs = self.shown.order_writers(self.history, each.key, &each.writers, transactions);
            listed.extend(pairs.into_iter().map(|(one, other)| (number, one, other)));
        }
        listed
    }

    fn number_facts(
        &self,
        sources: &[Vec<Option<OpId>>],
        places: &FxHashMap<KeyId, ListPlacements>,
        assume: Option<Assume>,
    ) -> CaseFacts<'h> {
        let history = self.history;
        let placed = places.values().flat_map(|places| places.all.iter().map(|place| place.writer));
        let read: FxHashSet<OpId> =
            sources.iter().flat_map(|sources| sources.iter().copied().flatten()).chain(placed).collect();
        // A transaction without a completion that only reads at read-uncommitted show may have failed.
        let takes_part = |id: &OpId| {
            history.function(*id) == Function::TXN
                && (history.outcome(*id) == Outcome::Ok || read.contains(id))
                && self.scope.has_transaction(history, *id)
        };
        let transactions: Vec<OpId> = history.ids().filter(takes_part).collect();
        let numbers: FxHashMap<OpId, u32> = transactions.iter().copied().zip(0u32..).collect();
        let mut keys: Vec<WrittenKeyBuilder> = Vec::new();
        let mut key_numbers: FxHashMap<KeyId, u32> = FxHashMap::default();
        let mut number_of = |key: KeyId, keys: &mut Vec<WrittenKeyBuilder>| {
            *key_numbers.entry(key).or_insert_with(|| {
                keys.push(WrittenKeyBuilder { key, writers: Vec::new() });
                keys.len() as u32 - 1
            })
        };
        let mut writes: Vec<Vec<(u32, u32)>> = vec![Vec::new(); transactions.len()];
        for (number, &id) in (0u32..).zip(&transactions) {
            let micros = (0u32..).zip(history.micros_of(id));
            for (place, micro) in micros.filter(|(_, micro)| self.scope.has_key(micro.key)) {
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
        for (&(id, place, length), sources) in self.reads.iter().zip(sources) {
            let key = number_of(history.micros_of(id)[place as usize].key, &mut keys);
            let sources =
                sources.iter().map(|source| source.map_or(INITIAL, |writer| numbers[&writer])).collect();
            let length = length.map(|length| length as u32);
            reads.push(OutsideRead { reader: numbers[&id], place, key, sources, length });
        }
        let misplaced = self.find_misplaced_read(places, &numbers);
        let when = |number: u32| {
            let operation = history.operation(transactions[number as usize]);
            (operation.completed, operation.invoked)
        };
        let keys = keys.into_iter().map(|key| {
            let places = places.get(&key.key);
            key.build(places, &numbers, when)
        });
        let keys: Vec<WrittenKey> = keys.collect();
        let places_of_writers = (0u32..).zip(&keys).flat_map(|(key, each)| {
            each.writers.iter().zip(0u32..).map(move |(&writer, place)| ((key, writer), place))
        });
        let places_of_writers = places_of_writers.collect();
        let declared = self.declared.as_ref().map(|declared| {
            transactions.iter().map(|&id| declared[id.index()]).collect::<Vec<IsolationLevel>>()
        });
        let listed = self.order_shown_writers(&keys, &transactions);
        let elements = self.find_shown_elements(&keys, &numbers);
        let has_doubtful = self.has_doubtful(&transactions, sources);
        CaseFacts {
            history,
            transactions,
            reads,
            keys,
            writes,
            places: places_of_writers,
            assume,
            declared,
            listed,
            misplaced,
            elements,
            has_doubtful,
        }
    }

    fn find_shown_elements(&self, keys: &[WrittenKey], numbers: &FxHashMap<OpId, u32>) -> Vec<ShownElements> {
        let Some((shown, appends)) = &self.appends else { return Vec::new() };
        let keys = (0u32..).zip(keys).filter(|(_, each)| shown.contains(&each.key));
        keys.map(|(number, each)| appends.find_elements(number, each.key, numbers)).collect()
    }

    /// Whether one of these transactions need not have committed, although lists place its appends: it has no completion, and each read
    /// that may show it may show another transaction instead.
    fn has_doubtful(&self, transactions: &[OpId], sources: &[Vec<Option<OpId>>]) -> bool {
        if self.declared.is_none() {
            return false;
        }
        let mut certain: FxHashSet<OpId> = FxHashSet::default();
        certain.extend(sources.iter().filter_map(|sources| match sources.as_slice() {
            [only] => *only,
            _ => None,
        }));
        for (&key, &(read, count)) in &self.longest {
            let writers = self.list_prefix(read, count).iter().map(|&value| self.written.get(&(key, value)));
            certain.extend(writers.filter_map(|writers| match writers?.as_slice() {
                [only] => Some(*only),
                _ => None,
            }));
        }
        let is_dirty = |id: &OpId| !self.asks_of_reads(*id) && self.history.outcome(*id) == Outcome::Ok;
        let micros = self.history.ids().filter(is_dirty).flat_map(|id| self.history.micros_of(id));
        let lists = micros.filter(|micro| micro.kind == MicroKind::ReadList).map(|micro| micro.key);
        let lists: FxHashSet<KeyId> = lists.collect();
        let appends_to_list = |id: &OpId| {
            let mut appends =
                self.history.micros_of(*id).iter().filter(|micro| micro.kind == MicroKind::Append);
            appends.any(|micro| lists.contains(&micro.key))
        };
        let mut doubtful = transactions.iter().filter(|id| self.history.outcome(**id) != Outcome::Ok);
        doubtful.any(|id| !certain.contains(id) && appends_to_list(id))
    }
}

impl CaseFacts<'_> {
    /// A read that no version explains, or that found its transaction's own appends where they cannot stand.
    pub(super) fn find_unexplained_read(&self) -> Option<ReadAt> {
        let without = self.reads.iter().filter(|read| read.sources.is_empty());
        let at = |read: &OutsideRead| ReadAt {
            transaction: self.transactions[read.reader as usize],
            place: read.place as usize,
            key: self.keys[read.key as usize].key,
        };
        // A shorter list says more clearly what is wrong.
        self.misplaced.or_else(|| without.min_by_key(|read| (read.length, read.reader, read.place)).map(at))
    }

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
        if let Some(order) = written.order_by_list(one, other) {
            return Some(order);
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
