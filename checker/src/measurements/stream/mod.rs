//! Figures of a stream while it grows: objectives with the burn rates of their error budgets, and what users experience just now.
//!
//! Only figures that counters of a bounded size can tell are here. All others need the whole history. Each operation counts
//! when it ends, at that time. The meaning of the words (operations of users, errors, refusals, requests that were never sent) is
//! that of [`measure_history`](super::measure_history), and so is the verdict on an objective at the end of the stream: a test compares them.

mod burn_rate;
mod objective;
mod pulse;

use super::recorder_events::{SETTLED, WARMED_UP};
use super::samples::{UserOutcome, judge_end};
use super::turned_away::read_due_times;
use crate::monitor::{ProcessName, StreamEvent, pairs};
pub use burn_rate::{BurnRateRule, OperationCounts, USUAL_RULES};
use histories::events::Event;
use histories::{ActorEvent, History, OpId};
pub use objective::StreamObjective;
use objective::{EndedOperation, WatchedObjective};
use pulse::PulseKeeper;
pub use pulse::StreamPulse;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// Counts the operations of a stream for objectives.
///
/// ```
/// use checker::StreamEvent;
/// use checker::measurements::{StreamFigures, StreamObjective, find_metric};
/// let history = histories::notation::parse("a: [w1] [r1]").unwrap();
/// let metric = find_metric("availability").unwrap();
/// let mut figures = StreamFigures::new(vec![StreamObjective::new(metric, 0.999).unwrap()], &[]);
/// StreamEvent::all(&history).for_each(|event| figures.push(event));
/// assert_eq!(figures.standings(true).next().unwrap().met, None, "the history has no times");
/// ```
///
/// O(1) amortized an event, without objectives or with a few. It keeps one entry for each open operation, and a bounded number of counters for each objective.
#[derive(Serialize, Deserialize, Default)]
pub struct StreamFigures {
    objectives: Vec<WatchedObjective>,
    /// The open operations of users.
    #[serde(with = "pairs")]
    open: FxHashMap<ProcessName, OpenOperation>,
    is_settled: bool,
    has_warmed_up: bool,
    latest_time: Option<i64>,
    #[serde(skip)]
    pulse: PulseKeeper,
    /// The alerts that nobody took.
    alerts: Vec<BurnRateAlert>,
}

/// When an operation began.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct OpenOperation {
    wanted: i64,
    invoked: i64,
}

/// An alert that began or ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BurnRateAlert {
    /// The index of the event that told that the time had come.
    pub event: u64,
    /// The objective that burns its budget.
    pub objective: StreamObjective,
    /// The rule that alerts.
    pub rule: BurnRateRule,
    /// Whether the alert begins; otherwise it ends.
    pub begins: bool,
    /// The counts of the long window.
    pub long: OperationCounts,
    /// The counts of the short window.
    pub short: OperationCounts,
}

/// How an objective stands.
#[derive(Clone, PartialEq, Debug)]
pub struct ObjectiveStanding {
    /// The objective.
    pub objective: StreamObjective,
    /// All operations so far.
    pub total: OperationCounts,
    /// Whether it is met so far. `None` if no operation with times was counted.
    pub met: Option<bool>,
    /// The rules with the burn rates of their long and short windows, and whether they alert.
    pub windows: Vec<(BurnRateRule, [f64; 2], bool)>,
}

impl StreamFigures {
    /// Counts for these objectives, and alerts by these rules.
    pub fn new(objectives: Vec<StreamObjective>, rules: &[BurnRateRule]) -> Self {
        let watched = objectives.into_iter().map(|objective| WatchedObjective::new(objective, rules));
        Self { objectives: watched.collect(), ..Self::default() }
    }

    /// The objectives, and the rules of their alerts.
    pub fn objectives(&self) -> impl Iterator<Item = (StreamObjective, Vec<BurnRateRule>)> + '_ {
        self.objectives
            .iter()
            .map(|watched| (watched.objective, watched.pairs.iter().map(|pair| pair.rule).collect()))
    }

    /// Takes one event.
    pub fn push(&mut self, event: StreamEvent<'_>) {
        let part = event.part;
        match event.event {
            Event::Invoke(id) => {
                let Some(invoked) = part.invoked_at(id) else { return };
                self.advance(invoked, event.index);
                if !self.is_settled {
                    let intended = part.note_number(event.position, "intended");
                    // An intended start after the invocation comes from another clock.
                    let wanted = intended.map_or(invoked, |wanted| wanted.min(invoked));
                    self.open.insert(event.process_name(id), OpenOperation { wanted, invoked });
                }
            }
            Event::Complete(id) => {
                let Some(open) = self.open.remove(&event.process_name(id)) else { return };
                let ended = part.completed_at(id);
                if let Some(ended) = ended {
                    self.advance(ended, event.index);
                }
                self.count_operation(part, id, event.position, open, ended);
            }
            Event::Actor(actor) => self.take_actor_event(actor, event.index),
        }
    }

    /// The alerts that began or ended since this was called last.
    pub fn take_alerts(&mut self) -> Vec<BurnRateAlert> {
        std::mem::take(&mut self.alerts)
    }

    /// How each objective stands. If the stream `has_ended`, operations that are open never ended, and count as errors.
    pub fn standings(&self, has_ended: bool) -> impl Iterator<Item = ObjectiveStanding> + '_ {
        let endless = if has_ended { self.open.len() as u64 } else { 0 };
        self.objectives.iter().map(move |watched| {
            let mut total = watched.total;
            if watched.objective.counts_requests_never_sent() {
                total.all += endless;
                total.bad += endless;
            }
            let rates = |pair: &burn_rate::WindowPair| {
                let budget = watched.objective.budget();
                (pair.rule, [pair.long.burn_rate(budget), pair.short.burn_rate(budget)], pair.alerts)
            };
            ObjectiveStanding {
                objective: watched.objective,
                total,
                met: watched.objective.is_met(total),
                windows: watched.pairs.iter().map(rates).collect(),
            }
        })
    }

    /// What users experience just now.
    pub fn pulse(&self) -> StreamPulse {
        self.pulse.pulse(self.latest_time)
    }

    fn count_operation(
        &mut self,
        part: &History,
        id: OpId,
        position: u32,
        open: OpenOperation,
        ended: Option<i64>,
    ) {
        let error = error_text(part, position);
        let Some(end) = judge_end(part.function(id), part.outcome(id), error.as_deref()) else { return };
        // A completion without a time is one that never came.
        let ended = ended.map(|ended| ended.max(open.invoked));
        let at = ended.or(self.latest_time).unwrap_or(open.invoked);
        let took = EndedOperation {
            is_error: end == UserOutcome::Error,
            is_success: end == UserOutcome::Success && ended.is_some(),
            latency_ns: at.saturating_sub(open.wanted),
            service_ns: at.saturating_sub(open.invoked),
        };
        for watched in &mut self.objectives {
            if let Some(is_bad) = watched.objective.judge(&took) {
                watched.count_operation(at, is_bad);
            }
        }
        self.pulse.count_operation(at, part.sessions.text(part.session(id)), &took);
    }

    fn take_actor_event(&mut self, actor: &ActorEvent, index: u64) {
        if let Some(time) = actor.time {
            self.advance(time, index);
        }
        if actor.actor != "recorder" {
            self.pulse.take_actor_event(actor);
            return;
        }
        match actor.function.as_str() {
            SETTLED => self.is_settled = true,
            // A warm start: what came before are no operations of users.
            WARMED_UP if !self.has_warmed_up => {
                self.has_warmed_up = true;
                self.open.clear();
                self.objectives.iter_mut().for_each(WatchedObjective::begin_again);
                self.pulse = PulseKeeper::default();
            }
            _ if !self.is_settled => {
                for due in read_due_times(actor) {
                    let counting = self
                        .objectives
                        .iter_mut()
                        .filter(|watched| watched.objective.counts_requests_never_sent());
                    counting.for_each(|watched| watched.count_operation(due, true));
                }
            }
            _ => {}
        }
    }

    /// Lets time go on, up to that of an event.
    fn advance(&mut self, time: i64, event: u64) {
        self.latest_time = self.latest_time.max(Some(time));
        for watched in &mut self.objectives {
            let (objective, budget) = (watched.objective, watched.objective.budget());
            for pair in &mut watched.pairs {
                for begins in pair.advance(time, budget) {
                    let (rule, long, short) = (pair.rule, pair.long, pair.short);
                    self.alerts.push(BurnRateAlert { event, objective, rule, begins, long, short });
                }
            }
        }
    }
}

/// The error of a completion, as measurements read it.
fn error_text(part: &History, position: u32) -> Option<String> {
    let note = part.note(position).filter(|note| note.fields.contains("\"error\""))?;
    super::notes::parse_error(&note.fields)
}
