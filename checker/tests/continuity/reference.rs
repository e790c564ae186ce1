//! The object by brute force: every order of the operations, every moment at which each may have taken effect.
//!
//! Written from `docs/definitions.md`, "Session stores", and from nothing else.

use histories::Outcome;

/// What an operation does. Versions are numbers, ids 0 or 1; zero is no version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Does {
    Create(u32),
    Read,
    Write(u32),
    Patch(u32),
    Touch,
    Renew(usize),
    Destroy,
}

/// What is held: the whole, the one field that is patched, and when it was last renewed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    pub(crate) whole: u32,
    pub(crate) field: u32,
    pub(crate) renewed: i64,
}

/// An operation with its events.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) does: Does,
    pub(crate) id: usize,
    pub(crate) outcome: Outcome,
    /// What an `ok` read returned: whole and field.
    pub(crate) result: Option<(u32, u32)>,
    /// Positions and times of the two events.
    pub(crate) invoked: usize,
    pub(crate) completed: usize,
    pub(crate) from: i64,
    pub(crate) until: i64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) live: Option<i64>,
    pub(crate) tolerance: i64,
    pub reads_renew: bool,
}

pub(crate) type State = [Option<Held>; 2];

/// Whether some legal execution yields what was observed.
pub(crate) fn legal(ops: &[Op], rules: Rules) -> bool {
    let end = ops.iter().map(|op| op.from.max(op.until)).max().unwrap_or(0);
    let pending = ops.iter().enumerate().filter(|(_, op)| op.outcome != Outcome::Fail);
    let pending = pending.fold(0_u32, |set, (at, _)| set | 1 << at);
    step(ops, rules, pending, [None, None], i64::MIN, end)
}

fn step(ops: &[Op], rules: Rules, pending: u32, state: State, now: i64, end: i64) -> bool {
    let left = |at: usize| pending & (1 << at) != 0;
    let acknowledged = |at: &usize| left(*at) && ops[*at].outcome == Outcome::Ok;
    if !(0..ops.len()).any(|at| acknowledged(&at)) {
        return true;
    }
    // Whatever is next must begin before the first of those that are left is over.
    let first = (0..ops.len()).filter(acknowledged).map(|at| ops[at].completed).min().expect("one is left");
    for at in (0..ops.len()).filter(|&at| left(at) && ops[at].invoked < first) {
        let op = &ops[at];
        let last = if op.outcome == Outcome::Ok { op.until } else { end };
        for moment in op.from.max(now)..=last {
            for choice in expiries(state, rules, moment) {
                if let Some(next) = apply(op, choice, moment, rules)
                    && step(ops, rules, pending & !(1 << at), next, moment, end)
                {
                    return true;
                }
            }
        }
    }
    false
}

/// The states that there can be at a moment, as far as time decides.
fn expiries(state: State, rules: Rules, moment: i64) -> Vec<State> {
    let mut states = vec![state];
    let Some(live) = rules.live else { return states };
    for id in 0..2 {
        let Some(held) = state[id] else { continue };
        let must = moment > held.renewed + live + rules.tolerance;
        let may = moment >= held.renewed + live - rules.tolerance;
        let gone: Vec<State> = states
            .iter()
            .filter(|_| may)
            .map(|&state| {
                let mut state = state;
                state[id] = None;
                state
            })
            .collect();
        if must {
            states.clear();
        }
        states.extend(gone);
    }
    states
}

/// What an operation leaves behind, if it can take effect and return what it did. One that is not known to have
/// returned anything takes effect only where it can.
pub(crate) fn apply(op: &Op, state: State, moment: i64, rules: Rules) -> Option<State> {
    let mut next = state;
    let held = state[op.id];
    match op.does {
        Does::Read => {
            let seen = held.map(|held| (held.whole, held.field));
            if op.outcome == Outcome::Ok && seen != op.result {
                return None;
            }
            if let (Some(held), true) = (held, rules.reads_renew) {
                next[op.id] = Some(Held { renewed: moment, ..held });
            }
        }
        Does::Create(version) => {
            if held.is_some() {
                return None;
            }
            next[op.id] = Some(Held { whole: version, field: 0, renewed: moment });
        }
        Does::Write(version) => {
            held?;
            next[op.id] = Some(Held { whole: version, field: 0, renewed: moment });
        }
        Does::Patch(version) => next[op.id] = Some(Held { field: version, renewed: moment, ..held? }),
        Does::Touch => next[op.id] = Some(Held { renewed: moment, ..held? }),
        Does::Renew(new) => {
            if state[new].is_some() {
                return None;
            }
            next[op.id] = None;
            next[new] = Some(Held { renewed: moment, ..held? });
        }
        Does::Destroy => {
            held?;
            next[op.id] = None;
        }
    }
    Some(next)
}
