//! Fault episodes: each fault from the strike of a fault injector to its end.
//!
//! A history holds the events of fault injectors as they were written, and every recorder writes them
//! differently. The recorder of this project writes one event for a strike (`delay=50ms`, with the nodes as its
//! value) and one for its end (`heal-delay`). Jepsen writes two events for each operation of its nemesis, both
//! `info`: one when the operation begins and one when it is done. Its names differ by package: `start` and
//! `stop`, `start-partition` and `stop-partition`, `kill` and `start`, `pause` and `resume`. Other tools write an
//! `invoke` and a completion. If each report reads these events by rules of its own, two reports of one history
//! disagree about when a fault was in force. So [`fault_episodes`] is the one place that reads them.
//!
//! It works in two steps. First, `telling.rs` joins the events that belong to one operation of an injector. Then the
//! name of each operation decides whether it is a strike or an end (`names.rs`, `ends.rs`), and each end closes the
//! matching strikes (`open.rs`).
//!
//! # Choices
//! *Which strikes does an end close?* An end that names nodes closes the oldest open strike of the same kind on exactly
//! these nodes. If there is none, it removes its nodes from the strikes that include them, and a strike ends with its
//! last node. An end that names no struck node closes all open strikes of its kind, because Jepsen's `stop` has no
//! value. The exception is a `heal-X` with nodes that are in no open strike: it closes only strikes that name no nodes.
//!
//! *What if no end was recorded?* Then the end is [`FaultEnd::Immediate`] for faults that have no duration,
//! [`FaultEnd::NotSeen`] for faults that are known to last, and [`FaultEnd::Unknown`] for all other names. A caller
//! that asks what *may* have been in force uses [`FaultEpisode::may_be_active`].
//!
//! # Cost
//! O(a log a) time and O(a) memory, where a is the number of actor events and their targets. No step depends on how
//! many episodes are open.

mod ends;
mod names;
mod open;
mod telling;

pub use names::is_immediate;

use crate::{ActorEvent, History};
use ends::{InjectorRole, NamedEnds};
use open::OpenFaults;
use telling::{InjectorOperation, read_injector_operations};

/// Actors whose events tell what a recorder did or saw; they are not faults.
/// `log` has the lines of a log that name no process; `stack` has what the stack itself did, such as a promotion; `live` has what
/// happened to the live connections of sessions.
pub const OBSERVERS: &[&str] = &["recorder", "replica", "audit", "log", "stack", "live"];

/// One fault, from its strike to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultEpisode {
    /// The actor that injected it: `nemesis`.
    pub actor: String,
    /// The name of the strike as it was written: `delay=50ms`, `start-partition`.
    pub name: String,
    /// The name without its parameter and without `start-`: `delay`, `partition`.
    pub kind: String,
    /// The parameter, if the name has one: `50ms`.
    pub parameter: Option<String>,
    /// The struck nodes or links, if the events name them: `n1`, `n1>n2`.
    pub targets: Vec<String>,
    /// The value of the strike as JSON. If the strike has two events, the value of the second, unless that is `null`.
    pub value: String,
    /// When it struck: the moment of its strike.
    pub strike: FaultMoment,
    /// The error of the strike as JSON, if it failed.
    pub failed: Option<String>,
    /// The error of the last end that was tried and failed, as JSON. The fault is then still in force.
    pub end_failed: Option<String>,
    /// When it ended, if that is known.
    pub end: FaultEnd,
}

/// When a strike or an end happened: between two events, or at one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultMoment {
    /// The event that announced it.
    pub first: FaultEvent,
    /// The event that reported it done. Equal to `first` if only one event was written.
    pub last: FaultEvent,
}

/// One event of a fault injector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultEvent {
    /// Its index in [`History::actor_events`].
    pub event: usize,
    /// Its position among all events.
    pub position: u32,
    /// Its time in nanoseconds, if it was recorded.
    pub time_ns: Option<i64>,
}

/// How a fault ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultEnd {
    /// The history has an event for its end.
    Seen(FaultMoment),
    /// It has no duration, such as a restart, or the strike failed.
    Immediate,
    /// It lasts until it is ended, and the history has no end for it: it was in force to the end of the history.
    NotSeen,
    /// The history has no end for it, and it is not known whether a fault of this name lasts.
    Unknown,
}

impl FaultEpisode {
    /// The position of the last event of its end, or of its strike if it has no duration: from there on it was
    /// certainly over. None if no end was seen.
    pub fn certain_end_position(&self) -> Option<u32> {
        match self.end {
            FaultEnd::Seen(end) => Some(end.last.position),
            FaultEnd::Immediate => Some(self.strike.last.position),
            FaultEnd::NotSeen | FaultEnd::Unknown => None,
        }
    }

    /// Whether it may have been in force at some position between `from` and `until`, both included. A failed strike
    /// counts, because it may have been carried out in part.
    pub fn may_be_active(&self, from: u32, until: u32) -> bool {
        self.strike.first.position <= until && self.certain_end_position().is_none_or(|over| over >= from)
    }

    /// The positions of all events of its strike and its end, in order.
    pub fn event_positions(&self) -> impl Iterator<Item = u32> {
        let end = match self.end {
            FaultEnd::Seen(end) => Some(end),
            FaultEnd::Immediate | FaultEnd::NotSeen | FaultEnd::Unknown => None,
        };
        [Some(self.strike), end]
            .into_iter()
            .flatten()
            .flat_map(|moment| [moment.first.position, moment.last.position])
    }

    /// Whether the fault changes clocks.
    pub fn changes_clocks(&self) -> bool {
        names::changes_clocks(&self.kind)
    }

    /// The targets for display: `n1, n2`. If the events name no target, the value of the strike; empty for `null`.
    pub fn target_text(&self) -> String {
        if !self.targets.is_empty() {
            return self.targets.join(", ");
        }
        match serde_json::from_str(&self.value) {
            Ok(serde_json::Value::Null) => String::new(),
            Ok(serde_json::Value::String(text)) => text,
            _ => self.value.clone(),
        }
    }
}

impl FaultEvent {
    fn from_actor_event(event: usize, actor_event: &ActorEvent) -> Self {
        Self { event, position: actor_event.position, time_ns: actor_event.time }
    }
}

/// Returns the faults of a history, in the order of their strikes. Strikes that failed are included and marked. Events
/// of [`OBSERVERS`] and ends without a strike are omitted.
pub fn fault_episodes(history: &History) -> Vec<FaultEpisode> {
    let mut episodes: Vec<FaultEpisode> = Vec::new();
    let mut open = OpenFaults::default();
    let tellings = read_injector_operations(history);
    let ended = NamedEnds::from_operations(&tellings);
    for telling in &tellings {
        match ended.classify_operation(telling, |kind| open.is_open(telling.actor, kind)) {
            InjectorRole::Strike => {
                let opens = telling.error.is_none() || telling.first != telling.last;
                if opens {
                    open.open_fault(telling.actor, telling.kind, &telling.targets, episodes.len());
                }
                episodes.push(begin_episode(telling, opens, &ended));
            }
            InjectorRole::End(kinds) => {
                for kind in kinds {
                    for at in open.end_faults(telling, kind) {
                        match &telling.error {
                            None => {
                                episodes[at].end = FaultEnd::Seen(telling.moment());
                                episodes[at].end_failed = None;
                            }
                            Some(error) => episodes[at].end_failed = Some(error.clone()),
                        }
                    }
                }
            }
        }
    }
    episodes
}

/// Creates the episode of a strike. Its `end` is what holds if the history has no end for it.
fn begin_episode(telling: &InjectorOperation<'_>, opens: bool, ended: &NamedEnds<'_>) -> FaultEpisode {
    let end = match opens && !is_immediate(telling.kind) {
        false => FaultEnd::Immediate,
        true if names::is_lasting(telling.name) || ended.has_named_end(telling.actor, telling.kind) => {
            FaultEnd::NotSeen
        }
        true => FaultEnd::Unknown,
    };
    FaultEpisode {
        actor: telling.actor.to_owned(),
        name: telling.name.to_owned(),
        kind: telling.kind.to_owned(),
        parameter: telling.name.split_once('=').map(|(_, parameter)| parameter.to_owned()),
        targets: telling.targets.clone(),
        value: telling.value.to_owned(),
        strike: telling.moment(),
        failed: telling.error.clone(),
        end_failed: None,
        end,
    }
}
