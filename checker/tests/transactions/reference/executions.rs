//! Levels by what executions they permit: every order of commits, and for each transaction everything that it may have seen or
//! read from, one transaction after another.
//!
//! Two kinds of definition. *By view* (Cerone, Bernardi & Gotsman 2015): a transaction sees a set of earlier ones, and reads of
//! each key the version of the last of these that wrote it. *By version*: each read has a source, and what a read must not miss is
//! told by the dependencies between whole transactions, or their operations (Adya 1999; for monotonic atomic view Biswas & Enea
//! 2019). Values are compared, so it does not matter whether they are written once.

#[path = "elements.rs"]
mod elements;
#[path = "mixed.rs"]
mod mixed;

use super::{Orders, State, is_read, returned};
use checker::IsolationLevel;
use histories::{Id, KeyId, MicroKind, ValueId};
use std::collections::HashSet;

/// What a transaction sees must be closed under these.
#[derive(Clone, Copy, PartialEq)]
enum View {
    /// Anything goes.
    Any,
    /// Whatever those see that are seen.
    Transitive,
    /// Whatever comes before any that is seen.
    Prefix,
}

/// A level by view: closed how, whether all who wrote the same key before are seen, whether sessions count.
fn by_view(level: IsolationLevel) -> Option<(View, bool, bool)> {
    Some(match level {
        IsolationLevel::ReadAtomic => (View::Any, false, true),
        IsolationLevel::Causal => (View::Transitive, false, true),
        IsolationLevel::CausalCerone => (View::Transitive, false, false),
        IsolationLevel::UpdateAtomic => (View::Any, true, false),
        IsolationLevel::ParallelSnapshotIsolation => (View::Transitive, true, false),
        IsolationLevel::Prefix => (View::Prefix, false, false),
        _ => return None,
    })
}

fn asks_nothing_of_reads(level: IsolationLevel) -> bool {
    matches!(
        level,
        IsolationLevel::ReadUncommitted
            | IsolationLevel::StrongSessionReadUncommitted
            | IsolationLevel::StrongReadUncommitted
    )
}

/// Whether an execution that the level permits yields the history.
pub fn has_execution(orders: &Orders<'_>, level: IsolationLevel) -> bool {
    match level {
        IsolationLevel::MonotonicSnapshotRead => actions(orders),
        // Lists have their elements in the order of commits, as at read-uncommitted.
        IsolationLevel::Mixed => mixed::extend(&mut execution_of(orders, IsolationLevel::ReadUncommitted)),
        level => execution_of(orders, level).extend(),
    }
}

fn execution_of<'o, 'h>(orders: &'o Orders<'h>, level: IsolationLevel) -> Execution<'o, 'h> {
    Execution { orders, level, placed: Vec::new(), versions: vec![Vec::new(); orders.ids.len()] }
}

/// What each placed transaction saw, or depends on.
struct Placed {
    at: usize,
    /// By view: whom it sees. By version: whom it depends on, along any edges that count.
    sees: HashSet<usize>,
}

struct Execution<'o, 'h> {
    orders: &'o Orders<'h>,
    level: IsolationLevel,
    placed: Vec<Placed>,
    /// Of each transaction that was placed: the state of each key that it left.
    versions: Vec<State>,
}

impl Execution<'_, '_> {
    fn extend(&mut self) -> bool {
        let orders = self.orders;
        let all = 0..orders.ids.len();
        let is_placed = |placed: &[Placed], at: usize| placed.iter().any(|each| each.at == at);
        if all.clone().all(|at| is_placed(&self.placed, at) || !orders.must(at))
            && (!asks_nothing_of_reads(self.level) || self.explains_lists())
        {
            return true;
        }
        let sessions = match by_view(self.level) {
            Some((_, _, sessions)) => sessions,
            None => self.level == IsolationLevel::MonotonicAtomicView,
        };
        for at in all.clone() {
            let early = |other: usize| {
                let before = match self.level {
                    IsolationLevel::StrongSessionReadCommitted
                    | IsolationLevel::StrongSessionReadUncommitted => orders.session_before(other, at),
                    IsolationLevel::StrongReadCommitted | IsolationLevel::StrongReadUncommitted => {
                        orders.op(other).precedes(&orders.op(at))
                    }
                    _ => sessions && orders.session_before(other, at),
                };
                before && orders.must(other) && !is_placed(&self.placed, other)
            };
            let may_follow = orders.may_follow(at, self.placed.iter().map(|placed| placed.at));
            if is_placed(&self.placed, at) || all.clone().any(early) || !may_follow {
                continue;
            }
            for sees in self.ways(at) {
                let newest = self.newest();
                self.versions[at] = orders.commits(at, &newest);
                self.placed.push(Placed { at, sees });
                if self.extend() {
                    return true;
                }
                self.placed.pop();
            }
        }
        false
    }

    fn newest(&self) -> State {
        self.placed.last().map_or_else(|| self.orders.empty(), |last| self.versions[last.at].clone())
    }

    /// What a transaction may have seen, placed now.
    fn ways(&self, at: usize) -> Vec<HashSet<usize>> {
        match by_view(self.level) {
            Some((view, conflicts, sessions)) => self.views(at, view, conflicts, sessions),
            None => self.sources(at),
        }
    }

    fn views(&self, at: usize, view: View, conflicts: bool, sessions: bool) -> Vec<HashSet<usize>> {
        let count = self.placed.len();
        let subsets: Box<dyn Iterator<Item = u32>> = match view {
            View::Prefix => Box::new((0..=count).map(|length| (1u32 << length) - 1)),
            _ => Box::new(0..1u32 << count),
        };
        let fits = |subset: &u32| {
            let seen = |place: usize| subset >> place & 1 == 1;
            let must_see = |place: usize| {
                let other = self.placed[place].at;
                let writes = self.orders.writes(at);
                (conflicts && self.orders.writes(other).iter().any(|key| writes.contains(key)))
                    || (sessions && self.orders.must(other) && self.orders.session_before(other, at))
            };
            let closed = |place: usize| {
                let also = |other: usize| {
                    let among = self.placed.iter().position(|each| each.at == other).expect("it is placed");
                    seen(among)
                };
                view != View::Transitive || self.placed[place].sees.iter().all(|&other| also(other))
            };
            (0..count).all(|place| !must_see(place) || seen(place))
                && (0..count).all(|place| !seen(place) || closed(place))
                && self.orders.runs(at, &self.state(seen)).is_some()
        };
        let sets = subsets.filter(fits).map(|subset| {
            let seen = (0..count).filter(|place| subset >> place & 1 == 1);
            seen.map(|place| self.placed[place].at).collect()
        });
        sets.collect()
    }

    /// Of each key the version of the last writer among some.
    fn state(&self, among: impl Fn(usize) -> bool) -> State {
        let mut state = self.orders.empty();
        for (place, each) in self.placed.iter().enumerate().filter(|(place, _)| among(*place)) {
            debug_assert!(place < self.placed.len());
            for key in self.orders.writes(each.at) {
                state[key.index()].clone_from(&self.versions[each.at][key.index()]);
            }
        }
        state
    }

    /// By version: what it depends on, for each way to give its reads sources that the level permits.
    fn sources(&self, at: usize) -> Vec<HashSet<usize>> {
        if asks_nothing_of_reads(self.level) {
            return if self.lists_in_order(at) { vec![HashSet::new()] } else { Vec::new() };
        }
        let mut all = vec![Vec::new()];
        for place in 0..self.orders.micros(at).len() {
            let Some(possible) = self.possible(at, place) else { return Vec::new() };
            if let Some(possible) = possible {
                let longer = |reads: &Vec<Read>| {
                    let with = |&from: &Option<usize>| {
                        let mut reads = reads.clone();
                        reads.push(Read { place, key: self.orders.micros(at)[place].key, from });
                        reads
                    };
                    possible.iter().map(with).collect::<Vec<_>>()
                };
                all = all.iter().flat_map(longer).collect();
            }
        }
        let mut ways: Vec<HashSet<usize>> = Vec::new();
        for reads in all.iter().filter(|reads| self.permits(at, reads)) {
            let way = self.past(at, reads, usize::MAX);
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        ways
    }

    /// The sources that a micro-operation may have; `Some(None)` if it has none because it is no read of others; nothing if it
    /// cannot be.
    #[allow(clippy::option_option, reason = "told above")]
    fn possible(&self, at: usize, place: usize) -> Option<Option<Vec<Option<usize>>>> {
        let micros = self.orders.micros(at);
        let micro = micros[place];
        if !is_read(micro) || !self.orders.must(at) {
            return Some(None);
        }
        let seen = returned(self.orders.history, micro);
        let own: Vec<ValueId> = micros[..place]
            .iter()
            .filter(|m| m.key == micro.key && !is_read(**m))
            .map(|m| m.value())
            .collect();
        if micros[..place].iter().any(|m| m.kind == MicroKind::Write && m.key == micro.key) {
            return (seen.last() == own.last()).then_some(None);
        }
        let outside = seen.strip_suffix(own.as_slice())?;
        let mut possible = Vec::new();
        if outside.is_empty() {
            possible.push(None);
        }
        let writers = self.placed.iter().map(|each| each.at);
        let writers = writers.filter(|&writer| self.orders.writes(writer).contains(&micro.key));
        let last = writers.clone().next_back();
        possible
            .extend(writers.filter(|&writer| self.versions[writer][micro.key.index()] == outside).map(Some));
        // Its own append is of the version that it saw: nobody else's is in between.
        let shows_own = !own.is_empty() && self.level != IsolationLevel::MonotonicAtomicView;
        possible.retain(|source| !shows_own || *source == last);
        Some(Some(possible))
    }

    /// The places of those who wrote a key, by order.
    fn writers(&self, key: KeyId) -> impl Iterator<Item = (usize, usize)> + '_ {
        let placed = self.placed.iter().enumerate();
        placed
            .filter(move |(_, each)| self.orders.writes(each.at).contains(&key))
            .map(|(place, each)| (place, each.at))
    }

    /// Those who overwrote what a read returned.
    fn overwrote(&self, read: &Read) -> Vec<usize> {
        let place = |at: usize| self.placed.iter().position(|each| each.at == at);
        let from = read.from.map(|from| place(from).expect("it is placed"));
        self.writers(read.key).filter(|(place, _)| Some(*place) > from).map(|(_, at)| at).collect()
    }

    /// All that a transaction depends on, by reads and writes; of it, what leads to its operations up to a place.
    fn past(&self, at: usize, reads: &[Read], until: usize) -> HashSet<usize> {
        let mut direct: HashSet<usize> =
            reads.iter().filter(|read| read.place <= until).filter_map(|read| read.from).collect();
        for (place, micro) in self.orders.micros(at).iter().enumerate() {
            if !is_read(*micro) && place <= until {
                direct.extend(self.writers(micro.key).map(|(_, writer)| writer));
            }
        }
        if self.level == IsolationLevel::UpdateSerializable && !self.orders.writes(at).is_empty() {
            // Those who write come after all who write and missed what they wrote.
            direct.extend(self.placed.iter().map(|each| each.at).filter(|&other| {
                let writes = self.orders.writes(at);
                let reads = self.orders.micros(other).iter();
                !self.orders.writes(other).is_empty()
                    && reads.filter(|micro| is_read(**micro)).any(|micro| writes.contains(&micro.key))
            }));
        }
        let mut past = direct.clone();
        for each in self.placed.iter().filter(|each| direct.contains(&each.at)) {
            past.extend(&each.sees);
        }
        past
    }

    fn permits(&self, at: usize, reads: &[Read]) -> bool {
        let writes = self.orders.writes(at);
        reads.iter().all(|read| {
            let missed = self.overwrote(read);
            match self.level {
                IsolationLevel::ReadCommitted
                | IsolationLevel::StrongSessionReadCommitted
                | IsolationLevel::StrongReadCommitted => true,
                IsolationLevel::CursorStability => !writes.contains(&read.key) || missed.is_empty(),
                IsolationLevel::MonotonicAtomicView => {
                    let before = reads.iter().filter(|other| other.place < read.place);
                    !before.filter_map(|other| other.from).any(|seen| missed.contains(&seen))
                }
                IsolationLevel::MonotonicView => {
                    let past = self.past(at, reads, read.place);
                    !missed.iter().any(|other| past.contains(other))
                }
                IsolationLevel::ConsistentView | IsolationLevel::ForwardConsistentView => {
                    let past = self.past(at, reads, usize::MAX);
                    !missed.iter().any(|other| past.contains(other))
                }
                IsolationLevel::UpdateSerializable if !writes.is_empty() => missed.is_empty(),
                IsolationLevel::UpdateSerializable => {
                    let past = self.past(at, reads, usize::MAX);
                    !missed.iter().any(|other| past.contains(other))
                }
                other => panic!("no reference for {}", other.name()),
            }
        })
    }

    /// Whether the elements of all lists are in the order of the placed transactions and one more.
    fn lists_in_order(&self, at: usize) -> bool {
        let order: Vec<usize> = self.placed.iter().map(|each| each.at).chain([at]).collect();
        elements::explains_lists(self.orders, &order, false)
    }

    /// Whether the placed transactions explain all lists.
    fn explains_lists(&self) -> bool {
        let order: Vec<usize> = self.placed.iter().map(|each| each.at).collect();
        elements::explains_lists(self.orders, &order, true)
    }
}

#[derive(Clone)]
struct Read {
    place: usize,
    key: KeyId,
    from: Option<usize>,
}

/// Transactions whose micro-operations are done one by one, each on what is committed then; nobody writes a key that another has
/// written and not committed.
fn actions(orders: &Orders<'_>) -> bool {
    fn go(
        orders: &Orders<'_>,
        done: &mut Vec<usize>,
        state: &State,
        seen: &mut HashSet<(Vec<usize>, State)>,
    ) -> bool {
        let length = |at: usize| orders.micros(at).len();
        if (0..done.len()).all(|at| done[at] > length(at) || (done[at] == 0 && !orders.must(at))) {
            return true;
        }
        if !seen.insert((done.clone(), state.clone())) {
            return false;
        }
        for at in 0..done.len() {
            if done[at] > length(at) {
                continue;
            }
            let committed = (0..done.len()).filter(|&other| done[other] > length(other));
            let next = match done[at] == length(at) {
                true if !orders.may_follow(at, committed) => continue,
                true => orders.commits(at, state),
                false if can_act(orders, done, at, state) => state.clone(),
                false => continue,
            };
            done[at] += 1;
            if go(orders, done, &next, seen) {
                return true;
            }
            done[at] -= 1;
        }
        false
    }
    fn can_act(orders: &Orders<'_>, done: &[usize], at: usize, state: &State) -> bool {
        let micro = orders.micros(at)[done[at]];
        if is_read(micro) {
            let mut held = state[micro.key.index()].clone();
            for own in orders.micros(at)[..done[at]].iter().filter(|own| own.key == micro.key) {
                match own.kind {
                    MicroKind::Append => held.push(own.value()),
                    MicroKind::Write => held = vec![own.value()],
                    MicroKind::Read | MicroKind::ReadList => {}
                }
            }
            return !orders.must(at) || returned(orders.history, micro) == held;
        }
        let writing = |other: usize| {
            other != at
                && done[other] <= orders.micros(other).len()
                && orders.micros(other)[..done[other]].iter().any(|m| !is_read(*m) && m.key == micro.key)
        };
        !(0..done.len()).any(writing)
    }
    go(orders, &mut vec![0; orders.ids.len()], &orders.empty(), &mut HashSet::new())
}
