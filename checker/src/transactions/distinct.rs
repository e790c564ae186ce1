//! Guesses which of equal elements a list shows at which place, and decides levels as if they had differed.
//!
//! Where transactions appended equal elements to a list, a level holds if *some* way to tell them apart explains the history. To try all ways
//! case by case takes time and memory for each pair of a writer and a place ([`polygraph`](super::polygraph)). But a store does
//! transactions in some order near that of the events, so the first guess is mostly right: along each list, the next element belongs
//! to the transaction that events and reads permit there, and of several to the one that was invoked first. With the guess, all elements have
//! names of their own, and the engines for lists decide in near-linear time.
//!
//! An order that explains the renamed history explains the history itself: the transactions leave the same lists, and the verifier replays
//! it on the history as it is. What does not hold of the renamed history says nothing, so only witnesses are kept.
//!
//! Cost: O(n + r · c) for n micro-operations and elements of the longest lists, and r places of repeated elements with c candidates each.

use super::covered::levels_covered_by;
use super::index::{KeyShape, TransactionIndex};
use super::judgement::Judgement;
use super::refuted::reads_own_appends;
use super::summary::{Analyze, TransactionAnalysis, TransactionOptions};
use super::told_order::contradicts_told_order;
use claims::{
    Axiom, CycleFamily, IsolationLevel, Limits, ListPlace, MixedExecution, TransactionExecution,
    TransactionWitness, Verdict,
};
use histories::{History, KeyId, Micro, MicroKind, NEVER, NewElements, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// A history in which no two elements of a list are equal, and whose element each place has.
pub(super) struct DistinctHistory {
    pub history: History,
    places: Vec<ListPlace>,
}

/// The result of a first guess for all levels of a question.
pub(super) enum FirstGuess<'h> {
    /// All levels hold, and nothing strange was found.
    AllHold(Vec<Judgement>),
    /// These levels hold. The index is that of the history.
    SomeHold(TransactionIndex<'h>, GuessedLevels),
}

/// Levels that a guess shows to hold.
#[derive(Default)]
pub(super) struct GuessedLevels(Vec<(IsolationLevel, TransactionWitness)>);

impl GuessedLevels {
    /// Judges levels that hold, of those that are unknown.
    pub(super) fn judge_unknown_levels(&self, judgements: &mut [Judgement]) {
        for judgement in judgements.iter_mut().filter(|each| matches!(each.verdict, Verdict::Unknown(_))) {
            if let Some((_, witness)) = self.0.iter().find(|(level, _)| *level == judgement.level) {
                judgement.verdict = Verdict::Holds(witness.clone());
            }
        }
    }
}

/// Decides levels by a first guess, if equal elements were appended to a list.
pub(super) fn decide_by_first_guess<'h>(
    index: TransactionIndex<'h>,
    options: &TransactionOptions,
    analyze: Analyze,
    limits: &Limits<'_>,
) -> FirstGuess<'h> {
    let history = index.history;
    let Some(guess) = tell_elements_apart(&index, &KnownPlaces::default(), limits) else {
        return FirstGuess::SomeHold(index, GuessedLevels::default());
    };
    // There is memory for one index at a time.
    drop(index);
    let (mut held, analysis) = guess.levels_that_hold(options, reads_own_appends(history), analyze, limits);
    held.retain(|(_, witness)| !contradicts_told_order(history, options.assume, witness));
    if analysis.anomalies.is_empty() && held.len() == options.levels.len() {
        let judge = |(level, witness)| Judgement { level, verdict: Verdict::Holds(witness) };
        return FirstGuess::AllHold(held.into_iter().map(judge).collect());
    }
    drop(guess);
    FirstGuess::SomeHold(TransactionIndex::new(history, limits), GuessedLevels(held))
}

/// Renames equal elements of lists. `None` if there are none, or if no guess fits the lists.
pub(super) fn tell_elements_apart(
    index: &TransactionIndex<'_>,
    known: &KnownPlaces,
    limits: &Limits<'_>,
) -> Option<DistinctHistory> {
    let is_list = |key: KeyId| index.key(key).shape == KeyShape::List;
    let keys = index.ambiguities.iter().map(|ambiguity| ambiguity.key).filter(|&key| is_list(key));
    let mut keys: Vec<KeyId> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() || !index.mixed.is_empty() {
        return None;
    }
    let mut names = ElementNames::default();
    for &key in &keys {
        if limits.stop_requested() {
            return None;
        }
        let list = SharedList::new(index, key)?;
        list.name_elements(&list.assign_parts(known)?, &mut names);
    }
    let history = index.history.with_new_elements(&names.new);
    Some(DistinctHistory { history, places: names.places })
}

impl DistinctHistory {
    /// The levels of a question that hold, with witnesses for the history as it was, and the analysis of the guess.
    pub(super) fn levels_that_hold(
        &self,
        options: &TransactionOptions,
        own_appends_read: bool,
        analyze: Analyze,
        limits: &Limits<'_>,
    ) -> (Vec<(IsolationLevel, TransactionWitness)>, TransactionAnalysis) {
        let mut analysis = analyze(&self.history, options, limits);
        let mut found = Vec::new();
        for judgement in std::mem::take(&mut analysis.judgements) {
            let Verdict::Holds(witness) = judgement.verdict else { continue };
            let witness = self.translate_witness(witness);
            if levels_covered_by(&witness, own_appends_read).contains(judgement.level) {
                found.push((judgement.level, witness));
            }
        }
        (found, analysis)
    }

    /// The same witness in a form that does not take values for the names of writes.
    fn translate_witness(&self, witness: TransactionWitness) -> TransactionWitness {
        use IsolationLevel as L;
        let execution = |level, order: Arc<Vec<OpId>>| {
            let elements =
                if super::polygraph::asks_nothing_of_reads(level) { self.places.clone() } else { Vec::new() };
            let execution = TransactionExecution { order: order.to_vec(), reads: Vec::new(), elements };
            TransactionWitness::Execution(level, Arc::new(execution))
        };
        match witness {
            TransactionWitness::Versions(extent, CycleFamily::G0, order) => {
                let levels = [L::ReadUncommitted, L::StrongSessionReadUncommitted, L::StrongReadUncommitted];
                execution(levels[extent as usize], order)
            }
            TransactionWitness::Versions(extent, _, order) => {
                let levels = [L::ReadCommitted, L::StrongSessionReadCommitted, L::StrongReadCommitted];
                execution(levels[extent as usize], order)
            }
            TransactionWitness::CommitOrder(axiom, order) => {
                let level = match axiom {
                    Axiom::MonotonicAtomicView => L::MonotonicAtomicView,
                    Axiom::ReadAtomic => L::ReadAtomic,
                    Axiom::Causal => L::Causal,
                };
                execution(level, order)
            }
            TransactionWitness::Execution(level, found) if super::polygraph::asks_nothing_of_reads(level) => {
                execution(level, Arc::new(found.order.clone()))
            }
            TransactionWitness::Mixed(found) => TransactionWitness::Mixed(Arc::new(MixedExecution {
                points: found.points.clone(),
                elements: self.places.clone(),
            })),
            other => other,
        }
    }
}

/// Where the appends of a transaction to a list begin, as an earlier guess was mended; nothing if they come after the list.
pub(super) type KnownPlaces = FxHashMap<(KeyId, OpId), Option<usize>>;

/// The new names so far.
#[derive(Default)]
struct ElementNames {
    new: NewElements,
    places: Vec<ListPlace>,
}

/// The appends of one transaction to a list.
struct ListPart {
    writer: OpId,
    /// The appended elements, with their places among the micro-operations of the history.
    elements: Vec<(ValueId, u32)>,
    /// Where they begin, if the transaction read them itself.
    pin: Option<usize>,
    /// The length of the list as the transaction read it before it appended.
    seen: Option<usize>,
    invoked: u32,
    completed: u32,
    failed: bool,
}

/// A list to which equal elements were appended.
struct SharedList<'h> {
    key: KeyId,
    elements: &'h [ValueId],
    parts: Vec<ListPart>,
    /// By position: the earliest event by which its element was there, and the latest one at which it was not, as far as events tell.
    windows: Vec<(u32, u32)>,
}

/// By position at which a part begins: its place in [`SharedList::parts`].
type AssignedParts = Vec<(usize, usize)>;

impl<'h> SharedList<'h> {
    fn new(index: &TransactionIndex<'h>, key: KeyId) -> Option<Self> {
        let history = index.history;
        let elements = history.lists().trunk(key);
        let mut list = SharedList { key, elements, parts: Vec::new(), windows: Vec::new() };
        // The reads that show how long the list was when: lengths without the readers' own appends.
        let mut lengths: Vec<(usize, u32, u32)> = Vec::new();
        for of_one in index.touches(key).chunk_by(|one, other| one.op == other.op) {
            let operation = history.operation(index.op_id(of_one[0].op));
            let mut part = ListPart {
                writer: operation.id,
                elements: Vec::new(),
                pin: None,
                seen: None,
                invoked: operation.invoked,
                completed: operation.completed,
                failed: operation.outcome == Outcome::Fail,
            };
            for touch in of_one {
                let micro: Micro = index.micro_at(touch.micro);
                match micro.kind {
                    MicroKind::Append => part.elements.push((micro.value(), touch.micro)),
                    MicroKind::ReadList if operation.outcome == Outcome::Ok => {
                        if !history.lists().is_prefix(micro.list()) {
                            return None;
                        }
                        let length = history.list(micro.list()).len().checked_sub(part.elements.len())?;
                        lengths.push((length, operation.invoked, operation.completed));
                        if part.elements.is_empty() {
                            part.seen = Some(length)
                        } else {
                            part.pin = Some(length)
                        }
                    }
                    _ => {}
                }
            }
            if !part.elements.is_empty() {
                list.parts.push(part);
            }
        }
        list.find_windows(&lengths);
        Some(list)
    }

    fn find_windows(&mut self, lengths: &[(usize, u32, u32)]) {
        let count = self.elements.len();
        self.windows = vec![(NEVER, 0); count];
        for &(length, invoked, completed) in lengths {
            if let Some(last) = length.checked_sub(1).and_then(|last| self.windows.get_mut(last)) {
                last.0 = last.0.min(completed);
            }
            if let Some(next) = self.windows.get_mut(length) {
                next.1 = next.1.max(invoked);
            }
        }
        for at in 1..count {
            self.windows[at].1 = self.windows[at].1.max(self.windows[at - 1].1);
            let mirrored = count - 1 - at;
            self.windows[mirrored].0 = self.windows[mirrored].0.min(self.windows[mirrored + 1].0);
        }
    }

    /// Gives each position of the list to a transaction. `None` if the appends do not fit.
    fn assign_parts(&self, known: &KnownPlaces) -> Option<AssignedParts> {
        let mut by_first: FxHashMap<ValueId, Vec<usize>> = FxHashMap::default();
        for (number, part) in self.parts.iter().enumerate().filter(|(_, part)| !part.failed) {
            by_first.entry(part.elements[0].0).or_default().push(number);
        }
        let mut places: FxHashMap<ValueId, Vec<usize>> = FxHashMap::default();
        for (at, &element) in self.elements.iter().enumerate() {
            if by_first.get(&element).is_some_and(|parts| parts.len() > 1) {
                places.entry(element).or_default().push(at);
            }
        }
        let mut assigned = AssignedParts::new();
        let mut at = 0;
        while at < self.elements.len() {
            let parts = by_first.get_mut(&self.elements[at])?;
            let next = places
                .get(&self.elements[at])
                .and_then(|places| places.get(places.partition_point(|&place| place <= at)).copied());
            let is_known = |part: &ListPart| known.get(&(self.key, part.writer));
            let fitting = (0..parts.len()).filter(|&which| {
                let part = &self.parts[parts[which]];
                self.fits(part, at) && is_known(part).is_none_or(|start| *start == Some(at))
            });
            let best = fitting.min_by_key(|&which| self.rank(&self.parts[parts[which]], at, next))?;
            let number = parts.remove(best);
            assigned.push((at, number));
            at += self.parts[number].elements.len();
        }
        Some(assigned)
    }

    /// Whether the list has the appends of a transaction at a position. The list may end before them if the transaction read some itself.
    fn fits(&self, part: &ListPart, at: usize) -> bool {
        let shown = &self.elements[at..];
        part.pin.is_none_or(|pin| pin == at)
            && (part.elements.len() <= shown.len() || part.pin.is_some())
            && part.elements.iter().zip(shown).all(|(own, shown)| own.0 == *shown)
    }

    /// How well a transaction fits to a position, the best first. `next` is the next position of an equal element.
    fn rank(&self, part: &ListPart, at: usize, next: Option<usize>) -> (bool, bool, bool, bool, u32) {
        let (shown_by, missing_at) = self.windows[at];
        let may_be_here = part.invoked < shown_by && part.completed > missing_at;
        let may_be_later = next.is_some_and(|next| part.completed > self.windows[next].1);
        let follows_its_read = part.seen.is_none_or(|seen| seen == at);
        (part.pin != Some(at), !follows_its_read, !may_be_here, may_be_later, part.invoked)
    }

    /// Names the elements that were appended more than once.
    fn name_elements(&self, assigned: &AssignedParts, names: &mut ElementNames) {
        let (mut seen, mut repeated) = (FxHashSet::default(), FxHashSet::default());
        for &(element, _) in self.parts.iter().flat_map(|part| &part.elements) {
            if !seen.insert(element) {
                repeated.insert(element);
            }
        }
        let mut is_listed = vec![false; self.parts.len()];
        for &(start, number) in assigned {
            is_listed[number] = true;
            let part = &self.parts[number];
            for (at, &(element, micro)) in (start..).zip(&part.elements) {
                if repeated.contains(&element) {
                    if at < self.elements.len() {
                        names.new.places.push((self.key, at as u32, names.new.count));
                        names.places.push(ListPlace { key: self.key, writer: part.writer, start: Some(at) });
                    }
                    names.name_append(micro);
                }
            }
        }
        let unlisted = self.parts.iter().zip(is_listed).filter(|(_, is_listed)| !is_listed);
        for &(element, micro) in unlisted.flat_map(|(part, _)| &part.elements) {
            if repeated.contains(&element) {
                names.name_append(micro);
            }
        }
    }
}

impl ElementNames {
    fn name_append(&mut self, micro: u32) {
        self.new.appends.push((micro, self.new.count));
        self.new.count += 1;
    }
}
