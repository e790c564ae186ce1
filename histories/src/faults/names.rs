//! What the names of an injector's operations mean: a strike, or the end of which strikes.

use super::telling::Telling;
use rustc_hash::{FxHashMap, FxHashSet};

/// Faults of this project's recorder that last until they are healed.
const LASTING: &[&str] = &[
    "kill",
    "pause",
    "partition",
    "isolate",
    "one-way",
    "bridge",
    "majorities-ring",
    "delay",
    "loss",
    "reorder",
    "hold",
    "reset",
    "refuse",
    "throttle",
    "slice",
    "skew",
    "slow-disk",
    "full-disk",
];

/// Faults that are over as soon as they have happened: the recorder's, then Jepsen's changes of membership and
/// damage to files.
const IMMEDIATE: &[&str] = &[
    "restart",
    "replace",
    "deploy",
    "half-close",
    "join",
    "leave",
    "join-node",
    "leave-node",
    "grow",
    "shrink",
    "bitflip",
    "truncate",
    "check-offsets",
    "check-clock-offsets",
];

/// Names that end faults of another name, while one is open. If none is open the operation is a strike of its own:
/// Jepsen's `start` ends a `kill`, and without one it starts the fault that `stop` ends.
const OTHER_ENDS: &[(&str, &[&str])] = &[
    ("start", &["kill"]),
    ("resume", &["pause"]),
    ("reset-clock", &["bump-clock", "strobe-clock"]),
    ("reset", &["bump", "strobe"]),
];

const CLOCKS: &[&str] =
    &["skew", "clock", "clock-skew", "bump-clock", "strobe-clock", "reset-clock", "bump", "strobe"];

const HEAL: &str = "heal-";
const START: &str = "start-";
const STOP: &str = "stop-";

/// What an operation of an injector is.
pub(super) enum Role<'a> {
    /// A fault begins.
    Strike,
    /// Faults of these kinds end.
    End(Vec<&'a str>),
}

/// The kind of fault that a strike's name means: `delay` of `delay=50ms`, `partition` of `start-partition`.
pub(super) fn kind_of(name: &str) -> &str {
    let name = name.split_once('=').map_or(name, |(kind, _)| kind);
    name.strip_prefix(START).unwrap_or(name)
}

/// Whether faults of this kind are over as soon as they have happened: `restart`.
pub fn is_immediate(kind: &str) -> bool {
    IMMEDIATE.contains(&kind)
}

/// Whether a strike of this name is known to last until it is ended.
pub(super) fn lasts(name: &str) -> bool {
    name == "start" || name.starts_with(START) || LASTING.contains(&kind_of(name))
}

/// Whether faults of this kind change clocks.
pub(super) fn sets_clocks(kind: &str) -> bool {
    CLOCKS.contains(&kind)
}

/// Whether an operation ends the faults that its name names, as `heal-X` does.
pub(super) fn is_heal(name: &str) -> bool {
    name.starts_with(HEAL)
}

/// Whether only Jepsen's nemeses use such a name, which write two events for each of their operations.
pub(super) fn is_jepsens(name: &str) -> bool {
    ["start", "stop", "resume", "heal"].contains(&name) || name.starts_with(START) || name.starts_with(STOP)
}

/// The kind that a name says the end of: `partition` for `heal-partition` and `stop-partition`.
fn named_end(name: &str) -> Option<&str> {
    match name {
        "stop" => Some("start"),
        _ => name.strip_prefix(HEAL).or_else(|| name.strip_prefix(STOP)).map(kind_of),
    }
}

/// What each injector of a history strikes, and which of it has ends of its own name.
pub(super) struct NamedEnds<'a> {
    /// By actor: the kinds that have an end of their own somewhere in the history.
    ended: FxHashSet<(&'a str, &'a str)>,
    /// By actor: the kinds that only a bare `heal` can end, in order of their names.
    others: FxHashMap<&'a str, Vec<&'a str>>,
}

impl<'a> NamedEnds<'a> {
    /// Looks at all operations of a history's injectors.
    pub(super) fn of(tellings: &[Telling<'a>]) -> Self {
        let mut ended = FxHashSet::default();
        for telling in tellings {
            ended.extend(named_end(telling.name).map(|kind| (telling.actor, kind)));
            let others = OTHER_ENDS.iter().filter(|(name, _)| *name == telling.name);
            ended.extend(others.flat_map(|(_, kinds)| kinds.iter().map(|&kind| (telling.actor, kind))));
        }
        let mut others: FxHashMap<&str, Vec<&str>> = FxHashMap::default();
        for telling in tellings {
            let is_other = !ended.contains(&(telling.actor, telling.kind)) && !is_immediate(telling.kind);
            if is_other && telling.name != "heal" && named_end(telling.name).is_none() {
                others.entry(telling.actor).or_default().push(telling.kind);
            }
        }
        for kinds in others.values_mut() {
            kinds.sort_unstable();
            kinds.dedup();
        }
        Self { ended, others }
    }

    /// Whether an actor ends faults of this kind by name anywhere in the history.
    pub(super) fn names(&self, actor: &str, kind: &str) -> bool {
        self.ended.contains(&(actor, kind))
    }

    /// What an operation is. `is_open` says whether a fault of a kind is open.
    pub(super) fn role(&self, telling: &Telling<'a>, mut is_open: impl FnMut(&str) -> bool) -> Role<'a> {
        if let Some(kind) = named_end(telling.name) {
            return Role::End(vec![kind]);
        }
        if telling.name == "heal" {
            return Role::End(self.others.get(telling.actor).cloned().unwrap_or_default());
        }
        let other = OTHER_ENDS.iter().find(|(name, _)| *name == telling.name);
        let kinds: Vec<&str> =
            other.map_or(&[][..], |(_, kinds)| *kinds).iter().copied().filter(|kind| is_open(kind)).collect();
        match kinds.is_empty() {
            true => Role::Strike,
            false => Role::End(kinds),
        }
    }
}
