//! What users of a store experience just now: how long successes take, which faults are in force, and who waits.

use super::objective::EndedOperation;
use crate::measurements::latency::Quantiles;
use histories::faults::{FaultEnd, OBSERVERS, fault_episodes};
use histories::{ActorEvent, HistoryBuilder};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// The time over which latency is measured.
const SPAN_NS: i64 = 10_000_000_000;
/// The most successes whose latency is kept.
const LATENCIES_MAX: usize = 4_096;
/// The most events of fault injectors that are kept.
const INJECTOR_EVENTS_MAX: usize = 256;
/// The most sessions that are told apart. Beyond that, counts are lower bounds.
const SESSIONS_MAX: usize = 100_000;

/// What users of a store experience just now.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StreamPulse {
    /// The latency of the latest successes: of ten seconds, and of at most 4,096 operations.
    pub latency: Option<Quantiles>,
    /// The faults that are in force, as far as their injector told: `kill n1`.
    pub faults: Vec<String>,
    /// The sessions with an operation that ended in an error since the latest fault struck; without a fault, since the beginning.
    pub affected_sessions: usize,
    /// Those of them that have had no answer since.
    pub waiting_sessions: usize,
    /// Whether there are more such sessions than are told apart.
    pub is_lower_bound: bool,
}

/// Keeps what the pulse needs.
#[derive(Default)]
pub(super) struct PulseKeeper {
    /// The ends and latencies of the latest successes.
    latencies: VecDeque<(i64, i64)>,
    injector_events: VecDeque<ActorEvent>,
    faults: Vec<String>,
    strikes: usize,
    /// The affected sessions, and whether they wait.
    sessions: FxHashMap<Box<str>, bool>,
    is_lower_bound: bool,
}

impl PulseKeeper {
    pub(super) fn pulse(&self, now: Option<i64>) -> StreamPulse {
        let since = now.unwrap_or(0).saturating_sub(SPAN_NS);
        let recent = self.latencies.iter().filter(|(ended, _)| *ended > since).map(|&(_, took)| took);
        StreamPulse {
            latency: Quantiles::from_values(recent.collect()),
            faults: self.faults.clone(),
            affected_sessions: self.sessions.len(),
            waiting_sessions: self.sessions.values().filter(|&&waits| waits).count(),
            is_lower_bound: self.is_lower_bound,
        }
    }

    pub(super) fn count_operation(&mut self, at: i64, session: &str, ended: &EndedOperation) {
        if ended.is_success {
            if self.latencies.len() == LATENCIES_MAX {
                self.latencies.pop_front();
            }
            self.latencies.push_back((at, ended.latency_ns));
        }
        if let Some(waits) = self.sessions.get_mut(session) {
            *waits = ended.is_error;
        } else if ended.is_error && self.sessions.len() == SESSIONS_MAX {
            self.is_lower_bound = true;
        } else if ended.is_error {
            self.sessions.insert(session.into(), true);
        }
    }

    /// Takes an event of an actor that is not the recorder.
    pub(super) fn take_actor_event(&mut self, actor: &ActorEvent) {
        if OBSERVERS.contains(&actor.actor.as_str()) {
            return;
        }
        if self.injector_events.len() == INJECTOR_EVENTS_MAX {
            self.injector_events.pop_front();
        }
        self.injector_events.push_back(actor.clone());
        let mut events = HistoryBuilder::new();
        self.injector_events.iter().cloned().for_each(|event| events.add_actor_event(event));
        let episodes = fault_episodes(&events.finish());
        let caused = episodes.iter().filter(|episode| episode.failed.is_none());
        let strikes = caused.clone().count();
        if strikes > self.strikes {
            self.sessions.retain(|_, waits| *waits);
        }
        self.strikes = strikes;
        let active = caused.filter(|episode| episode.end == FaultEnd::NotSeen);
        self.faults = active
            .map(|fault| format!("{} {}", fault.name, fault.target_text()).trim_end().to_owned())
            .collect();
    }
}
