//! Which strikes an operation of an injector ends.

use super::names::{ended_kind, is_immediate};
use super::telling::InjectorOperation;
use rustc_hash::{FxHashMap, FxHashSet};

/// Names that end faults of another name, while one is open. If none is open the operation is a strike of its own:
/// Jepsen's `start` ends a `kill`, and without one it starts the fault that `stop` ends.
const OTHER_ENDS: &[(&str, &[&str])] = &[
    ("start", &["kill"]),
    ("resume", &["pause"]),
    ("reset-clock", &["bump-clock", "strobe-clock"]),
    ("reset", &["bump", "strobe"]),
];

/// What an operation of an injector is.
pub(super) enum InjectorRole<'a> {
    /// A fault begins.
    Strike,
    /// Faults of these kinds end.
    End(Vec<&'a str>),
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
    pub(super) fn from_operations(tellings: &[InjectorOperation<'a>]) -> Self {
        let mut ended = FxHashSet::default();
        for telling in tellings {
            ended.extend(ended_kind(telling.name).map(|kind| (telling.actor, kind)));
            let others = OTHER_ENDS.iter().filter(|(name, _)| *name == telling.name);
            ended.extend(others.flat_map(|(_, kinds)| kinds.iter().map(|&kind| (telling.actor, kind))));
        }
        let mut others: FxHashMap<&str, Vec<&str>> = FxHashMap::default();
        for telling in tellings {
            let is_other = !ended.contains(&(telling.actor, telling.kind)) && !is_immediate(telling.kind);
            if is_other && telling.name != "heal" && ended_kind(telling.name).is_none() {
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
    pub(super) fn has_named_end(&self, actor: &str, kind: &str) -> bool {
        self.ended.contains(&(actor, kind))
    }

    /// What an operation is. `is_open` says whether a fault of a kind is open.
    pub(super) fn classify_operation(
        &self,
        telling: &InjectorOperation<'a>,
        mut is_open: impl FnMut(&str) -> bool,
    ) -> InjectorRole<'a> {
        if let Some(kind) = ended_kind(telling.name) {
            return InjectorRole::End(vec![kind]);
        }
        if telling.name == "heal" {
            return InjectorRole::End(self.others.get(telling.actor).cloned().unwrap_or_default());
        }
        let other = OTHER_ENDS.iter().find(|(name, _)| *name == telling.name);
        let kinds: Vec<&str> =
            other.map_or(&[][..], |(_, kinds)| *kinds).iter().copied().filter(|kind| is_open(kind)).collect();
        match kinds.is_empty() {
            true => InjectorRole::Strike,
            false => InjectorRole::End(kinds),
        }
    }
}
