//! Checks proofs by cases that a level permits no execution.
//!
//! Each cycle of a proof must be in the history, and the level must forbid it. Each other step must follow from the steps before
//! it by unit propagation.

use super::element_places::ElementPlaces;
use super::list_proof::{can_be_placed, is_evident, narrowest_span};
use super::list_ranks::ListRanks;
use super::mixed::{find_unasked_lists, is_cycle_forbidden};
use super::sources::{ReadSources, may_have_happened};
use super::{asks_of_reads, ensure};
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use claims::{
    Assume, CaseChoice, CaseEdge, CaseReason, CaseStep, IsolationLevel, ListPlace, OrderExtent, ReadAt,
    ReadChoice,
};
use histories::{History, Id, KeyId, MicroKind, OpId};
use std::collections::HashMap;

pub(super) fn check(
    history: &History,
    watch: &Watch<'_>,
    assume: Assume,
    level: IsolationLevel,
    steps: &[CaseStep],
) -> Result<(), Mismatch> {
    let levels = (level == IsolationLevel::Mixed).then(|| claims::declared_levels(history));
    let unasked = match &levels {
        Some(levels) => Some(find_unasked_lists(history, levels)),
        None => (!asks_of_reads(level)).then(|| history.micros().iter().map(|micro| micro.key).collect()),
    };
    let mut elements = unasked.map(|keys| ElementPlaces::from_history(history, &keys, watch));
    let mut sources = ReadSources::new(history);
    if let Some(levels) = &levels {
        sources.ignore_reads_of(|id| levels[id.index()] == IsolationLevel::ReadUncommitted);
    }
    sources.collect(!level.is_defined_by_visibility());
    if let Some(elements) = elements.as_mut().filter(|_| levels.is_some()) {
        elements.note_committed(sources.find_read_transactions());
    }
    let declared = levels.map(|levels| (levels, ListRanks::from_history(history, watch)));
    let rules = Rules { level, sources, assume, history, declared, elements };
    let mut known = Known::default();
    let own_places = rules.sources.own_places().filter(|_| rules.asks_of_reads());
    for (key, writer, start) in own_places {
        let place = |start| CaseChoice::Placed(ListPlace { key, writer, start: Some(start) });
        known.add(start.map(place).into_iter());
    }
    let reads = rules.sources.all_reads().filter(|_| rules.asks_of_reads());
    for (reader, place, sources) in watch.take_while_in_time(StepCost::Follow, reads) {
        if sources.len() != 1 {
            let of = |writer| CaseChoice::ReadFrom(ReadChoice { reader, place, writer });
            let clause = sources.into_iter().map(of).collect::<Vec<_>>();
            known.add(clause.into_iter());
        }
    }
    for step in watch.take_while_in_time(StepCost::Follow, steps.iter()) {
        for choice in &step.assumed {
            ensure(rules.is_open(choice), || format!("{choice:?} is no choice"))?;
        }
        for read in &step.unexplained {
            ensure(rules.is_unexplained(*read), || format!("{read:?} can be explained"))?;
        }
        match step.cycle.is_empty() {
            _ if !step.unexplained.is_empty() => {}
            true => {
                let shown = rules.is_evident(&step.assumed) || known.contradicts(&step.assumed, watch);
                ensure(shown, || format!("nothing shows {step:?}"))?;
            }
            false => rules.cycle(step)?,
        }
        known.add(step.assumed.iter().copied().map(contrary));
    }
    ensure(steps.last().is_some_and(|last| last.assumed.is_empty()), || {
        "a proof by cases that ends with an assumption".into()
    })
}

fn contrary(choice: CaseChoice) -> CaseChoice {
    match choice {
        CaseChoice::Before { key, earlier, later } => {
            CaseChoice::Before { key, earlier: later, later: earlier }
        }
        CaseChoice::ReadFrom(read) => CaseChoice::NotReadFrom(read),
        CaseChoice::NotReadFrom(read) => CaseChoice::ReadFrom(read),
        CaseChoice::Placed(place) => CaseChoice::NotPlaced(place),
        CaseChoice::NotPlaced(place) => CaseChoice::Placed(place),
        CaseChoice::Shown(place) => CaseChoice::NotShown(place),
        CaseChoice::NotShown(place) => CaseChoice::Shown(place),
    }
}

/// What holds in every execution of the level.
struct Rules<'h> {
    history: &'h History,
    level: IsolationLevel,
    sources: ReadSources<'h>,
    assume: Assume,
    /// If each transaction declares a level: these levels, and the order that lists show.
    declared: Option<(Vec<IsolationLevel>, ListRanks<'h>)>,
    /// If some reads are at read-uncommitted: which transactions appended the elements of their lists.
    elements: Option<ElementPlaces<'h>>,
}

impl Rules<'_> {
    /// Whether the level asks anything of any reads.
    fn asks_of_reads(&self) -> bool {
        self.elements.is_none() || self.declared.is_some()
    }

    /// Whether choices contradict each other by themselves.
    fn is_evident(&self, assumed: &[CaseChoice]) -> bool {
        self.elements.as_ref().is_some_and(|elements| elements.is_evident(assumed))
            || (self.asks_of_reads() && is_evident(&self.sources, assumed))
    }

    /// Whether no transactions can have left what a read returned, or where a transaction found its own appends.
    fn is_unexplained(&self, ReadAt { transaction, place, key }: ReadAt) -> bool {
        let micro = self.history.micros_of(transaction).get(place);
        if !self.asks_of_reads() || micro.is_none_or(|micro| micro.key != key) {
            return false;
        }
        let is_without_source =
            || self.sources.sources_of_read(transaction, place).is_some_and(|all| all.is_empty());
        is_without_source() || self.sources.is_own_place_contradicted(transaction, key)
    }

    fn is_open(&self, choice: &CaseChoice) -> bool {
        if let CaseChoice::Shown(place) | CaseChoice::NotShown(place) = choice {
            return self.elements.as_ref().is_some_and(|elements| elements.can_be_placed(place));
        }
        self.asks_of_reads() && self.is_open_of_reads(choice)
    }

    fn is_open_of_reads(&self, choice: &CaseChoice) -> bool {
        match *choice {
            CaseChoice::Before { key, earlier, later } => {
                earlier != later && self.sources.wrote_key(earlier, key) && self.sources.wrote_key(later, key)
            }
            CaseChoice::ReadFrom(ReadChoice { reader, place, writer })
            | CaseChoice::NotReadFrom(ReadChoice { reader, place, writer }) => {
                self.sources.sources_of_read(reader, place).is_some_and(|sources| sources.contains(&writer))
            }
            CaseChoice::Placed(place) | CaseChoice::NotPlaced(place) => can_be_placed(&self.sources, place),
            CaseChoice::Shown(_) | CaseChoice::NotShown(_) => false,
        }
    }

    fn cycle(&self, step: &CaseStep) -> Result<(), Mismatch> {
        let cycle = &step.cycle;
        for (at, edge) in cycle.iter().enumerate() {
            let next = &cycle[(at + 1) % cycle.len()];
            ensure(edge.to == next.from, || format!("a cycle with a gap after {edge:?}"))?;
            let happened =
                may_have_happened(self.history, edge.from) && may_have_happened(self.history, edge.to);
            ensure(happened && edge.from != edge.to, || format!("{edge:?} joins what did not happen"))?;
            ensure(self.is_there(step, edge), || format!("no such dependency: {edge:?}"))?;
        }
        ensure(self.is_forbidden(cycle), || format!("{} permits this cycle: {cycle:?}", self.level.name()))
    }

    fn is_there(&self, step: &CaseStep, edge: &CaseEdge) -> bool {
        let (a, b) = (self.history.operation(edge.from), self.history.operation(edge.to));
        match edge.why {
            CaseReason::Session => a.session == b.session && a.precedes(&b),
            CaseReason::RealTime => self.history.has_real_time() && a.precedes(&b),
            // Some levels ask nothing of reads. Their versions are the elements of lists.
            CaseReason::Read(_) | CaseReason::Missed { .. } if !self.asks_of_reads() => false,
            CaseReason::Overwrote(key) if self.is_shown_in_order(step, key, edge) => true,
            CaseReason::Read(place) => self.read_from(step, edge.to, place, Some(edge.from)),
            CaseReason::Overwrote(key) => self.before(step, key, edge.from, edge.to),
            CaseReason::Missed { place, writer } => {
                let Some(micro) = self.history.micros_of(edge.from).get(place) else { return false };
                let later = match writer {
                    None => self.sources.wrote_key(edge.to, micro.key),
                    Some(writer) => writer != edge.to && self.before(step, micro.key, writer, edge.to),
                };
                later && self.read_from(step, edge.from, place, writer)
            }
        }
    }

    fn read_from(&self, step: &CaseStep, reader: OpId, place: usize, writer: Option<OpId>) -> bool {
        let Some(sources) = self.sources.sources_of_read(reader, place) else { return false };
        sources == [writer]
            || (sources.contains(&writer)
                && step.assumed.contains(&CaseChoice::ReadFrom(ReadChoice { reader, place, writer })))
    }

    /// Whether one of two writers came first: it is assumed, or a list, the store or the user says so.
    fn before(&self, step: &CaseStep, key: KeyId, earlier: OpId, later: OpId) -> bool {
        if !self.is_open(&CaseChoice::Before { key, earlier, later }) {
            return false;
        }
        let (a, b) = (self.history.operation(earlier), self.history.operation(later));
        let token = matches!(
            (self.history.version(earlier), self.history.version(later)),
            (Some(one), Some(other)) if one < other
        );
        // A list shows its order itself. Nothing is assumed of it.
        let mut micros = self.history.micros_of(earlier).iter();
        let is_list = micros.any(|micro| micro.kind == MicroKind::Append && micro.key == key);
        let asserted = !is_list
            && (self.assume.linearizable_keys || (self.assume.sequential_keys && a.session == b.session));
        step.assumed.contains(&CaseChoice::Before { key, earlier, later })
            || self.is_listed_before(step, key, earlier, later)
            || self.is_shown_before(key, earlier, later)
            || token
            || (asserted && a.precedes(&b))
    }

    /// Whether the list shows the appends of one transaction before those of another, where the step assumes them to stand.
    fn is_listed_before(&self, step: &CaseStep, key: KeyId, earlier: OpId, later: OpId) -> bool {
        let [one, other] =
            [earlier, later].map(|writer| narrowest_span(&self.sources, &step.assumed, key, writer));
        one.1 < other.0
    }

    /// Whether a list that is read at read-uncommitted has an element of the first transaction before one of the second.
    fn is_shown_in_order(&self, step: &CaseStep, key: KeyId, edge: &CaseEdge) -> bool {
        let Some(elements) = &self.elements else { return false };
        elements.is_before(&step.assumed, key, edge.from, edge.to)
    }

    /// Whether the longest list that was read of a key, at any level, shows the first writer before the second.
    fn is_shown_before(&self, key: KeyId, earlier: OpId, later: OpId) -> bool {
        let (Some((_, ranks)), Some(elements)) = (&self.declared, &self.elements) else { return false };
        if ![earlier, later].iter().all(|&writer| elements.has_committed(writer)) {
            return false;
        }
        let spans = [earlier, later].map(|id| ranks.spans_of(id).get(&key).copied());
        matches!(spans, [Some((first, _)), Some((_, last))] if first < last)
    }

    fn is_forbidden(&self, cycle: &[CaseEdge]) -> bool {
        use IsolationLevel as L;
        let is_missed = |edge: &CaseEdge| matches!(edge.why, CaseReason::Missed { .. });
        let missed = cycle.iter().filter(|edge| is_missed(edge)).count();
        let others = |allowed: fn(&CaseReason) -> bool| {
            cycle.iter().filter(|edge| !is_missed(edge)).all(|edge| allowed(&edge.why))
        };
        let read = |why: &CaseReason| matches!(why, CaseReason::Read(_));
        let read_or_session = |why: &CaseReason| matches!(why, CaseReason::Read(_) | CaseReason::Session);
        let read_or_wrote = |why: &CaseReason| matches!(why, CaseReason::Read(_) | CaseReason::Overwrote(_));
        let pairs = || cycle.iter().enumerate().map(|(at, edge)| (edge, &cycle[(at + 1) % cycle.len()]));
        // What the level does not know of orders no cycle of it may lean on.
        let known = match extent_of(self.level) {
            OrderExtent::Data => others(read_or_wrote),
            OrderExtent::Session => others(|why| *why != CaseReason::RealTime),
            OrderExtent::RealTime => true,
        };
        if let Some((levels, _)) = &self.declared {
            return is_cycle_forbidden(self.history, levels, cycle);
        }
        known
            && match self.level {
                L::Mixed => false,
                L::ReadUncommitted | L::StrongSessionReadUncommitted | L::StrongReadUncommitted => {
                    missed == 0
                }
                L::ReadCommitted | L::StrongSessionReadCommitted | L::StrongReadCommitted => missed == 0,
                L::CursorStability => {
                    missed == 0 || (cycle.len() == 2 && missed == 1 && self.on_one_key(cycle))
                }
                L::MonotonicView => missed <= 1 && pairs().all(|(one, next)| self.is_seen(one, next)),
                L::MonotonicSnapshotRead => pairs().all(|(one, next)| self.is_seen(one, next)),
                L::MonotonicAtomicView => {
                    missed == 0
                        || (cycle.len() == 2
                            && missed == 1
                            && others(read)
                            && pairs().all(|(one, next)| self.is_seen_before(one, next)))
                }
                L::ReadAtomic => missed == 0 || (cycle.len() == 2 && missed == 1 && others(read_or_session)),
                L::Causal => missed == 0 || (missed == 1 && others(read_or_session)),
                L::CausalCerone => missed == 0 || (missed == 1 && others(read)),
                L::UpdateAtomic => missed == 0 || (cycle.len() == 2 && missed == 1),
                L::ConsistentView | L::ForwardConsistentView | L::ParallelSnapshotIsolation => missed <= 1,
                L::Prefix => pairs().all(|(one, next)| {
                    !is_missed(next) || !(is_missed(one) || matches!(one.why, CaseReason::Overwrote(_)))
                }),
                L::SnapshotIsolation | L::StrongSessionSnapshotIsolation | L::StrongSnapshotIsolation => {
                    pairs().all(|(one, next)| !(is_missed(one) && is_missed(next)))
                }
                L::UpdateSerializable => {
                    let mut read_only: Vec<OpId> =
                        cycle.iter().map(|edge| edge.from).filter(|&id| !self.updates(id)).collect();
                    read_only.sort_unstable();
                    read_only.dedup();
                    read_only.len() <= 1
                }
                L::RepeatableRead
                | L::ViewSerializable
                | L::OneCopySerializable
                | L::Serializable
                | L::SessionSerializable
                | L::StrongSessionSerializable
                | L::StrictSerializable => true,
            }
    }

    fn updates(&self, id: OpId) -> bool {
        let writes = |kind| matches!(kind, MicroKind::Write | MicroKind::Append);
        self.history.micros_of(id).iter().any(|micro| writes(micro.kind))
    }

    /// Whether both edges are about one key. One of them missed a write, so that it has a key.
    fn on_one_key(&self, cycle: &[CaseEdge]) -> bool {
        let key = |edge: &CaseEdge| match edge.why {
            CaseReason::Missed { place, .. } => Some(self.history.micros_of(edge.from)[place].key),
            CaseReason::Overwrote(key) => Some(key),
            _ => None,
        };
        key(&cycle[0]) == key(&cycle[1])
    }

    /// The micro-operation of a transaction that an edge to it leads to.
    fn arrives_at(&self, edge: &CaseEdge) -> Option<usize> {
        match edge.why {
            CaseReason::Read(place) => Some(place),
            CaseReason::Overwrote(key) => {
                let writes = |kind| matches!(kind, MicroKind::Write | MicroKind::Append);
                let micros = self.history.micros_of(edge.to);
                micros.iter().position(|micro| micro.key == key && writes(micro.kind))
            }
            CaseReason::Missed { .. } | CaseReason::Session | CaseReason::RealTime => None,
        }
    }

    /// Whether, if a read of the transaction between two edges missed something, the first leads to that read or an earlier
    /// operation.
    fn is_seen(&self, one: &CaseEdge, next: &CaseEdge) -> bool {
        match next.why {
            CaseReason::Missed { place, .. } => self.arrives_at(one).is_some_and(|at| at <= place),
            _ => true,
        }
    }

    fn is_seen_before(&self, one: &CaseEdge, next: &CaseEdge) -> bool {
        match next.why {
            CaseReason::Missed { place, .. } => self.arrives_at(one).is_some_and(|at| at < place),
            _ => true,
        }
    }
}

/// How far a level looks beyond the data.
pub(super) fn extent_of(level: IsolationLevel) -> OrderExtent {
    use IsolationLevel as L;
    match level {
        L::StrictSerializable
        | L::StrongSnapshotIsolation
        | L::StrongReadCommitted
        | L::StrongReadUncommitted => OrderExtent::RealTime,
        L::MonotonicAtomicView
        | L::ReadAtomic
        | L::Causal
        | L::SessionSerializable
        | L::StrongSessionSerializable
        | L::StrongSessionSnapshotIsolation
        | L::StrongSessionReadCommitted
        | L::StrongSessionReadUncommitted => OrderExtent::Session,
        _ => OrderExtent::Data,
    }
}

/// What is known of choices: clauses, of each of which one choice holds.
#[derive(Default)]
struct Known {
    numbers: HashMap<CaseChoice, u32>,
    clauses: Vec<Vec<u32>>,
    /// By choice: the clauses that have it.
    having: Vec<Vec<u32>>,
    /// Clauses of one choice.
    units: Vec<u32>,
    refuted: bool,
}

impl Known {
    /// A number for a choice; its contrary's differs from it in the last bit.
    fn number(&mut self, choice: CaseChoice) -> u32 {
        if let Some(&number) = self.numbers.get(&choice) {
            return number;
        }
        let number = self.having.len() as u32;
        self.having.extend([Vec::new(), Vec::new()]);
        self.numbers.insert(choice, number);
        self.numbers.insert(contrary(choice), number ^ 1);
        number
    }

    fn add(&mut self, clause: impl Iterator<Item = CaseChoice>) {
        let clause: Vec<u32> = clause.map(|choice| self.number(choice)).collect();
        match clause.as_slice() {
            [] => self.refuted = true,
            [unit] => self.units.push(*unit),
            _ => {}
        }
        for &number in &clause {
            self.having[number as usize].push(self.clauses.len() as u32);
        }
        self.clauses.push(clause);
    }

    /// Whether assuming these leads to a contradiction by concluding what is the only choice left.
    fn contradicts(&mut self, assumed: &[CaseChoice], watch: &Watch<'_>) -> bool {
        let mut todo: Vec<u32> = assumed.iter().map(|&choice| self.number(choice)).collect();
        todo.extend(&self.units);
        let mut holds = vec![false; self.having.len()];
        let mut steps = 0;
        while let Some(number) = todo.pop() {
            if holds[number as usize ^ 1] {
                return true;
            }
            if std::mem::replace(&mut holds[number as usize], true) {
                continue;
            }
            for &clause in &self.having[number as usize ^ 1] {
                let mut left =
                    self.clauses[clause as usize].iter().filter(|&&other| !holds[other as usize ^ 1]);
                steps += self.clauses[clause as usize].len() as u64;
                match (left.next(), left.next()) {
                    (None, _) => return true,
                    (Some(&only), None) => todo.push(only),
                    _ => {}
                }
            }
            if !watch.has_time_after(std::mem::take(&mut steps)) {
                return false;
            }
        }
        self.refuted
    }
}
