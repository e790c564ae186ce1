//! The definitions, executed: every order of the transactions is tried. For histories of a handful.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use checker::IsolationLevel;
use histories::{Function, History, Id, KeyId, Micro, MicroKind, OpId, Operation, Outcome, ValueId};

/// What a key holds: the elements of a list; of a register, its value or nothing.
type State = Vec<Vec<ValueId>>;

/// The transactions that may have taken effect.
pub struct Orders<'h> {
    history: &'h History,
    ids: Vec<OpId>,
}

impl<'h> Orders<'h> {
    pub fn new(history: &'h History) -> Self {
        let possible =
            |id: &OpId| history.function(*id) == Function::TXN && history.outcome(*id) != Outcome::Fail;
        Self { history, ids: history.ids().filter(possible).collect() }
    }

    fn op(&self, at: usize) -> Operation {
        self.history.operation(self.ids[at])
    }

    fn must(&self, at: usize) -> bool {
        self.history.outcome(self.ids[at]) == Outcome::Ok
    }

    fn micros(&self, at: usize) -> &[Micro] {
        self.history.micros_of(self.ids[at])
    }

    fn session_before(&self, a: usize, b: usize) -> bool {
        self.op(a).session == self.op(b).session && self.op(a).precedes(&self.op(b))
    }

    fn empty(&self) -> State {
        vec![Vec::new(); self.history.keys.len()]
    }

    /// The state after a transaction that reads from `snapshot`, or nothing if it would have read otherwise.
    fn runs(&self, at: usize, snapshot: &State) -> Option<State> {
        let mut state = snapshot.clone();
        for &micro in self.micros(at) {
            let held = &mut state[micro.key.index()];
            match micro.kind {
                MicroKind::Append => held.push(micro.value()),
                MicroKind::Write => *held = vec![micro.value()],
                _ if !self.must(at) => {}
                _ if returned(self.history, micro) == *held => {}
                _ => return None,
            }
        }
        Some(state)
    }

    fn writes(&self, at: usize) -> Vec<KeyId> {
        let writes = self.micros(at).iter().filter(|micro| !is_read(**micro));
        writes.map(|micro| micro.key).collect()
    }

    /// What a transaction does to a state that others may have changed since its snapshot, but not what it writes.
    fn commits(&self, at: usize, state: &State) -> State {
        let mut state = state.clone();
        for micro in self.micros(at) {
            match micro.kind {
                MicroKind::Append => state[micro.key.index()].push(micro.value()),
                MicroKind::Write => state[micro.key.index()] = vec![micro.value()],
                _ => {}
            }
        }
        state
    }
}

fn is_read(micro: Micro) -> bool {
    matches!(micro.kind, MicroKind::Read | MicroKind::ReadList)
}

fn returned(history: &History, micro: Micro) -> Vec<ValueId> {
    match micro.kind {
        MicroKind::ReadList => history.list(micro.list()).to_vec(),
        _ if micro.value() == ValueId::NULL => Vec::new(),
        _ => vec![micro.value()],
    }
}

/// Whether some execution that the level permits yields the history.
pub fn allows(orders: &Orders<'_>, level: IsolationLevel) -> bool {
    let none = |_: usize, _: usize| false;
    let session = |a: usize, b: usize| orders.session_before(a, b);
    let time = |a: usize, b: usize| orders.op(a).precedes(&orders.op(b));
    match level {
        IsolationLevel::StrictSerializable => serial(orders, &time),
        IsolationLevel::StrongSessionSerializable => serial(orders, &session),
        // Nothing but whole objects is read, so there is nothing between the two.
        IsolationLevel::Serializable | IsolationLevel::RepeatableRead => serial(orders, &none),
        IsolationLevel::StrongSnapshotIsolation => snapshots(orders, &time),
        IsolationLevel::StrongSessionSnapshotIsolation => snapshots(orders, &session),
        IsolationLevel::SnapshotIsolation => snapshots(orders, &none),
        IsolationLevel::ReadCommitted
        | IsolationLevel::MonotonicAtomicView
        | IsolationLevel::ReadAtomic
        | IsolationLevel::Causal => commit_order(orders, level),
        other => panic!("no reference for {}", other.name()),
    }
}

type Before<'a> = &'a dyn Fn(usize, usize) -> bool;

fn serial(orders: &Orders<'_>, before: Before<'_>) -> bool {
    fn go(orders: &Orders<'_>, before: Before<'_>, taken: u32, state: &State) -> bool {
        let all = 0..orders.ids.len();
        if all.clone().all(|at| taken >> at & 1 == 1 || !orders.must(at)) {
            return true;
        }
        let mut free = all.clone().filter(|&at| taken >> at & 1 == 0);
        free.any(|at| {
            let waits =
                all.clone().any(|other| taken >> other & 1 == 0 && orders.must(other) && before(other, at));
            !waits && orders.runs(at, state).is_some_and(|state| go(orders, before, taken | 1 << at, &state))
        })
    }
    go(orders, before, 0, &orders.empty())
}

/// Each transaction reads a snapshot of some earlier moment of one order of commits, no older than the commits of
/// those it comes after, and nobody committed a write to what it writes since.
fn snapshots(orders: &Orders<'_>, before: Before<'_>) -> bool {
    fn go(orders: &Orders<'_>, before: Before<'_>, order: &mut Vec<usize>, states: &mut Vec<State>) -> bool {
        let all = 0..orders.ids.len();
        if all.clone().all(|at| order.contains(&at) || !orders.must(at)) {
            return true;
        }
        for at in all.clone().filter(|at| !order.contains(at)).collect::<Vec<_>>() {
            // Whoever comes before it committed before its snapshot, so has committed by now.
            let mut earlier = all.clone().filter(|&other| orders.must(other) && before(other, at));
            if earlier.any(|other| !order.contains(&other)) {
                continue;
            }
            let writes = orders.writes(at);
            let oldest = (0..order.len())
                .rfind(|&place| {
                    before(order[place], at) && orders.must(order[place])
                        || orders.writes(order[place]).iter().any(|key| writes.contains(key))
                })
                .map_or(0, |place| place + 1);
            if !(oldest..=order.len()).any(|snapshot| orders.runs(at, &states[snapshot]).is_some()) {
                continue;
            }
            let next = orders.commits(at, states.last().unwrap());
            order.push(at);
            states.push(next);
            if go(orders, before, order, states) {
                return true;
            }
            order.pop();
            states.pop();
        }
        false
    }
    go(orders, before, &mut Vec::new(), &mut vec![orders.empty()])
}

/// One order of commits that extends reads-from and, for all but read committed, sessions; in which versions of
/// lists follow one another; in which no read returns what, by the level's axiom, was overwritten.
fn commit_order(orders: &Orders<'_>, level: IsolationLevel) -> bool {
    let n = orders.ids.len();
    let optional: Vec<usize> = (0..n).filter(|&at| !orders.must(at)).collect();
    (0..1u32 << optional.len()).any(|chosen| {
        let left_out =
            |at: usize| optional.iter().position(|&o| o == at).is_some_and(|i| chosen >> i & 1 == 0);
        let members: Vec<usize> = (0..n).filter(|&at| !left_out(at)).collect();
        let Some(facts) = Facts::new(orders, &members, level) else { return false };
        permutations(&members, &mut Vec::new(), &mut |order| facts.met_by(order))
    })
}

fn permutations(rest: &[usize], order: &mut Vec<usize>, test: &mut dyn FnMut(&[usize]) -> bool) -> bool {
    if rest.is_empty() {
        return test(order);
    }
    rest.iter().any(|&at| {
        order.push(at);
        let others: Vec<usize> = rest.iter().copied().filter(|&other| other != at).collect();
        let found = permutations(&others, order, test);
        order.pop();
        found
    })
}

/// A read of one transaction from another, or from the initial state.
#[derive(Clone, Copy)]
struct Read {
    reader: usize,
    place: usize,
    key: KeyId,
    from: Option<usize>,
}

struct Facts<'a, 'h> {
    orders: &'a Orders<'h>,
    level: IsolationLevel,
    reads: Vec<Read>,
    /// Pairs that the order must keep.
    must: Vec<(usize, usize)>,
    /// By pair: causally before.
    past: Vec<Vec<bool>>,
}

impl<'a, 'h> Facts<'a, 'h> {
    /// None if a read cannot be by itself: of nobody, of an intermediate state, against the transaction's own.
    fn new(orders: &'a Orders<'h>, members: &[usize], level: IsolationLevel) -> Option<Self> {
        let mut facts = Self { orders, level, reads: Vec::new(), must: Vec::new(), past: Vec::new() };
        for &reader in members.iter().filter(|&&at| orders.must(at)) {
            for (place, &micro) in orders.micros(reader).iter().enumerate().filter(|(_, m)| is_read(**m)) {
                facts.add_read(members, reader, place, micro)?;
            }
        }
        if level != IsolationLevel::ReadCommitted {
            for &a in members {
                let after = members.iter().filter(|&&b| orders.session_before(a, b));
                facts.must.extend(after.map(|&b| (a, b)));
            }
        }
        facts.must.extend(facts.reads.iter().filter_map(|read| Some((read.from?, read.reader))));
        facts.close(members);
        Some(facts)
    }

    fn add_read(&mut self, members: &[usize], reader: usize, place: usize, micro: Micro) -> Option<()> {
        let orders = self.orders;
        let seen = returned(orders.history, micro);
        let own: Vec<ValueId> = orders.micros(reader)[..place]
            .iter()
            .filter(|m| m.key == micro.key && !is_read(**m))
            .map(|m| m.value())
            .collect();
        let registers =
            orders.micros(reader)[..place].iter().any(|m| m.kind == MicroKind::Write && m.key == micro.key);
        let outside = if registers {
            // Own last write.
            return (seen.last() == own.last()).then_some(());
        } else {
            seen.strip_suffix(own.as_slice())?
        };
        let mut last = None;
        for &value in outside {
            let writer = members.iter().copied().find(|&at| {
                orders.micros(at).iter().any(|m| !is_read(*m) && m.key == micro.key && m.value() == value)
            })?;
            last = Some((writer, value));
        }
        if let Some((writer, value)) = last {
            let mut writes = orders.micros(writer).iter().filter(|m| !is_read(**m) && m.key == micro.key);
            if writer == reader || writes.next_back().unwrap().value() != value {
                return None;
            }
        }
        let from = last.map(|(writer, _)| writer);
        self.reads.push(Read { reader, place, key: micro.key, from });
        Some(())
    }

    fn close(&mut self, members: &[usize]) {
        let n = self.orders.ids.len();
        self.past = vec![vec![false; n]; n];
        for &(a, b) in &self.must {
            self.past[a][b] = true;
        }
        for &via in members {
            for &a in members {
                for &b in members {
                    self.past[a][b] |= self.past[a][via] && self.past[via][b];
                }
            }
        }
    }

    fn seen(&self, t2: usize, read: Read) -> bool {
        let read_from = |before: usize| {
            self.reads.iter().any(|r| r.reader == read.reader && r.from == Some(t2) && r.place < before)
        };
        match self.level {
            IsolationLevel::ReadCommitted => false,
            IsolationLevel::MonotonicAtomicView => read_from(read.place),
            IsolationLevel::ReadAtomic => {
                read_from(usize::MAX) || self.orders.session_before(t2, read.reader)
            }
            _ => self.past[t2][read.reader],
        }
    }

    fn met_by(&self, order: &[usize]) -> bool {
        let place = |at: usize| order.iter().position(|&other| other == at).unwrap();
        let extends = self.must.iter().all(|&(a, b)| place(a) < place(b));
        extends
            && self.lists_grow(order)
            && self.reads.iter().all(|&read| {
                order.iter().all(|&t2| {
                    let wrote = t2 != read.reader && self.orders.writes(t2).contains(&read.key);
                    let newer = read.from.is_none_or(|t1| place(t1) < place(t2));
                    !(wrote && newer && Some(t2) != read.from && self.seen(t2, read))
                })
            })
    }

    /// Whether every list that was read is a prefix of what transactions appended in this order: the reader's own
    /// appends are where they are in the list, also when it reads them itself.
    fn lists_grow(&self, order: &[usize]) -> bool {
        self.reads.iter().all(|read| {
            let micro = self.orders.micros(read.reader)[read.place];
            if micro.kind != MicroKind::ReadList {
                return true;
            }
            let appends = order.iter().flat_map(|&at| self.orders.micros(at));
            let all: Vec<ValueId> = appends
                .filter(|m| m.kind == MicroKind::Append && m.key == micro.key)
                .map(|m| m.value())
                .collect();
            all.starts_with(&returned(self.orders.history, micro))
        })
    }
}
