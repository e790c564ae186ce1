//! The definitions, executed: every order of the transactions is tried. For histories of a handful.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

mod executions;

pub use executions::has_execution;

use checker::{Assume, IsolationLevel};
use histories::{Function, History, Id, KeyId, Micro, MicroKind, OpId, Operation, Outcome, ValueId};

/// What a key holds: the elements of a list; of a register, its value or nothing.
type State = Vec<Vec<ValueId>>;

/// The transactions that may have taken effect.
pub struct Orders<'h> {
    history: &'h History,
    ids: Vec<OpId>,
    /// What the user says about the order of the writes of registers.
    assume: Assume,
}

impl<'h> Orders<'h> {
    pub fn new(history: &'h History) -> Self {
        let possible =
            |id: &OpId| history.function(*id) == Function::TXN && history.outcome(*id) != Outcome::Fail;
        Self { history, ids: history.ids().filter(possible).collect(), assume: Assume::default() }
    }

    /// The same, where the writes of a register are in the order that the user tells.
    pub fn assuming(history: &'h History, assume: Assume) -> Self {
        Self { assume, ..Self::new(history) }
    }

    /// Whether a transaction may commit after these: none of them wrote a register that it writes, and must have written it later.
    fn may_follow(&self, at: usize, mut before: impl Iterator<Item = usize>) -> bool {
        !before.any(|other| self.is_told_before(at, other))
    }

    fn is_told_before(&self, a: usize, b: usize) -> bool {
        let registers = |at: usize| -> Vec<KeyId> {
            let writes = self.micros(at).iter().filter(|micro| micro.kind == MicroKind::Write);
            writes.map(|micro| micro.key).collect()
        };
        let told = match [a, b].map(|at| self.history.version(self.ids[at])) {
            [Some(one), Some(other)] => one < other,
            _ => false,
        };
        let assumed = self.assume.linearizable_keys && self.op(a).precedes(&self.op(b))
            || self.assume.sequential_keys && self.session_before(a, b);
        (told || assumed) && registers(a).iter().any(|key| registers(b).contains(key))
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
        // What clients observe does not tell these from one another.
        IsolationLevel::ViewSerializable | IsolationLevel::OneCopySerializable => serial(orders, &none),
        IsolationLevel::SessionSerializable => serial(orders, &session),
        other => has_execution(orders, other),
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
            let placed = all.clone().filter(|other| taken >> other & 1 == 1);
            !waits
                && orders.may_follow(at, placed)
                && orders.runs(at, state).is_some_and(|state| go(orders, before, taken | 1 << at, &state))
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
            if earlier.any(|other| !order.contains(&other)) || !orders.may_follow(at, order.iter().copied()) {
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
