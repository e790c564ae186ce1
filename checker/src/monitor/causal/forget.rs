//! What may be forgotten of the window, and why.
//!
//! With unique values, what is causally before a completed operation is known when it completes. So `causal` asks of each read only
//! once whether its past has a write that overwrote what it returned.
//!
//! Of each key, a write `m` is chosen that every session has seen, among those that have read anything, and that had completed before
//! each first read that is open. A set F of writes of the key is forgotten if
//!
//! 1. each write in F has ended, and certainly comes before `m`: in causal order or, while `causal-convergence` is judged, in
//!    that order together with the order of writes that reads demand;
//! 2. no write of the key that is kept certainly comes before one in F.
//!
//! A write that is kept, and that is not only a relay, is *important*. `causality/retained.rs` chooses the other operations to keep,
//! so that order between important writes, and from them to the last operation of each session, remains what it was.
//!
//! By 2, a later read of an important write can be refuted only by important or new writes. A later read of a write in F shows: its value is
//! not kept, or it is that of a relay. For convergence there is one more case, in `unplaced.rs`. `docs/live.md` has the
//! proofs.
//!
//! If the memory is short, `m` may be any write in the older half of the window, even one that some sessions have not seen.
//!
//! Cost: O(lanes · n) and O(sessions · keys).

use super::CausalMonitor;
use super::past::PastWindow;
use crate::causality::{WindowOrder, with_window_order};
use crate::monitor::objects::evidence::unstopped;
use crate::monitor::stream::NOT_YET;
use histories::Outcome;
use rustc_hash::FxHashSet;

/// How many older writes of a key may stay while later ones are forgotten.
const KEPT_BEFORE_MAX: usize = 256;

/// What may be forgotten.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ForgetScope {
    /// Writes that every reading session has seen replaced.
    Passed,
    /// Also writes without an event from this position on, if a later write of the key is older than that as well.
    Before(u64),
}

/// What is to be done with the window, by its operations.
pub(super) struct ForgetPlan {
    keep: Vec<bool>,
    is_relay: Vec<bool>,
    is_placed: Vec<bool>,
    /// The keys that lose writes.
    keys: FxHashSet<u32>,
    /// For each session, whether it has seen a placed write of every key that lost writes.
    caught_up: Vec<bool>,
}

/// Chooses what to forget.
struct ForgetPlanner<'a> {
    monitor: &'a CausalMonitor,
    past: &'a PastWindow,
    order: &'a WindowOrder<'a>,
    scope: ForgetScope,
    recent_from: u64,
    is_convergence_judged: bool,
    /// The place of each operation in an order that extends all others.
    places: Vec<u32>,
    /// For each operation of the history, the position of the last event of the operation and of the reads of its value.
    last_events: Vec<u64>,
    /// For each write whether a read returned its value.
    was_read: Vec<bool>,
    /// The tips of the sessions that have read.
    reading_tips: Vec<usize>,
    /// The position of the invocation of the oldest open read by a session that has not read.
    first_open_read: u64,
}

impl CausalMonitor {
    /// Forgets operations whose last event lies before `recent_from`. All must have been judged.
    pub(super) fn forget_operations(&mut self, scope: ForgetScope, recent_from: u64) {
        self.drop_void_operations(recent_from);
        if self.has_repeated_value() {
            return;
        }
        let past = self.build_past();
        let is_convergence_judged = self.judges_convergence();
        let limits = unstopped(self.limits);
        let question = &self.question.about_objects(&past.history);
        let plan = with_window_order(&past.history, question, is_convergence_judged, &limits, |order| {
            ForgetPlanner::new(self, &past, order, scope, recent_from).into_plan()
        });
        if let Some(plan) = plan {
            self.apply_plan(plan, &past);
        }
    }

    /// Drops what constrains nothing: reads that did not succeed and, unless they are recent, writes that failed.
    fn drop_void_operations(&mut self, recent_from: u64) {
        let keys = &mut self.keys;
        self.window.retain(|entry| {
            let operation = &entry.operation;
            let has_failed = operation.writes && operation.outcome == Some(Outcome::Fail);
            let goes = operation.is_void() || has_failed && operation.last_event < recent_from;
            keys[entry.key as usize].forgot_values |= goes && has_failed;
            !goes
        });
    }

    /// Whether two writes may have written one value, or one wrote an initial value. Nothing can then be forgotten.
    fn has_repeated_value(&self) -> bool {
        let mut seen = FxHashSet::default();
        let writes = self
            .window
            .iter()
            .filter(|entry| entry.operation.writes && entry.operation.outcome != Some(Outcome::Fail));
        writes.into_iter().any(|entry| {
            let value = entry.operation.value.as_deref();
            !seen.insert((entry.key, value)) || value == Some(self.initial_value_of(entry.key))
        })
    }

    fn apply_plan(&mut self, plan: ForgetPlan, past: &PastWindow) {
        let ForgetPlan { mut keep, is_relay, is_placed, keys, caught_up } = plan;
        for (row, &at) in past.entries.iter().enumerate() {
            self.window[at].is_relay = is_relay[row];
            self.window[at].is_placed = is_placed[row];
        }
        // Failed writes that are recent are not part of the history.
        let mut rows = past.entries.iter().zip(keep.drain(..)).peekable();
        let mut at = 0;
        self.window.retain(|_| {
            let stays = match rows.peek() {
                Some(&(&entry, stays)) if entry == at => {
                    rows.next();
                    stays
                }
                _ => true,
            };
            at += 1;
            stays
        });
        for key in keys {
            self.keys[key as usize].forgot_values = true;
            self.keys[key as usize].forgot_versions = true;
        }
        for (name, caught_up) in past.sessions.iter().zip(caught_up) {
            self.sessions.get_mut(name).expect("a session with a tip").is_caught_up = caught_up;
        }
        self.recount_values();
        self.forgot_at = self.position;
    }

    /// Collects the values of the kept writes again, after operations were removed.
    pub(super) fn recount_values(&mut self) {
        self.keys.iter_mut().for_each(|key| key.written.clear());
        for entry in self.window.iter().filter(|entry| entry.operation.writes) {
            if let Some(value) = &entry.operation.value {
                let written = &mut self.keys[entry.key as usize].written;
                *written.entry(std::sync::Arc::clone(value)).or_insert(false) |= entry.is_relay;
            }
        }
    }
}

impl<'a> ForgetPlanner<'a> {
    fn new(
        monitor: &'a CausalMonitor,
        past: &'a PastWindow,
        order: &'a WindowOrder<'a>,
        scope: ForgetScope,
        recent_from: u64,
    ) -> Self {
        let count = past.entries.len();
        let mut last_events: Vec<u64> =
            past.entries.iter().map(|&at| monitor.window[at].operation.last_event).collect();
        let mut was_read = vec![false; count];
        for row in 0..count {
            if let Some(write) = order.source_of(row) {
                last_events[write] = last_events[write].max(last_events[row]);
                was_read[write] = true;
            }
        }
        let has_read = |session: &usize| monitor.sessions[&past.sessions[*session]].has_read;
        let reading_tips = (0..past.sessions.len()).filter(has_read).map(|session| past.tip(session));
        let beginners = monitor.sessions.values().filter(|session| !session.has_read && session.open > 0);
        let first_open_read = beginners.filter_map(|session| session.first_read).min();
        Self {
            monitor,
            past,
            order,
            scope,
            recent_from,
            first_open_read: first_open_read.unwrap_or(NOT_YET),
            is_convergence_judged: monitor.judges_convergence(),
            places: order.places(),
            last_events,
            was_read,
            reading_tips: reading_tips.collect(),
        }
    }

    fn entry(&self, row: usize) -> &'a super::WindowEntry {
        &self.monitor.window[self.past.entries[row]]
    }

    fn into_plan(self) -> ForgetPlan {
        let count = self.past.entries.len();
        let mut plan = ForgetPlan {
            keep: Vec::new(),
            is_relay: (0..count).map(|row| self.entry(row).is_relay).collect(),
            is_placed: (0..count).map(|row| self.entry(row).is_placed).collect(),
            keys: FxHashSet::default(),
            caught_up: vec![true; self.past.sessions.len()],
        };
        let versions = self.versions_by_key();
        for versions in &versions {
            self.plan_key(versions, &mut plan);
        }
        // Tips are exact too.
        let mut important = vec![false; self.past.len()];
        let mut exact = vec![true; self.past.len()];
        for row in 0..count {
            let entry = self.entry(row);
            important[row] = entry.operation.writes && !plan.is_relay[row];
            let reads_open_write =
                self.order.source_of(row).is_some_and(|write| self.entry(write).operation.outcome.is_none());
            let is_recent = entry.operation.last_event >= self.recent_from;
            // An open read is no write; an indeterminate write that is forgotten need not stay.
            let is_pending = self.is_pending(row) && !plan.is_relay[row];
            exact[row] = important[row] || is_recent || reads_open_write || is_pending;
        }
        plan.keep = self.order.operations_to_keep(&important, &exact);
        plan.keep.truncate(count);
        plan
    }

    /// Whether the operation may still take effect.
    fn is_pending(&self, row: usize) -> bool {
        match self.entry(row).operation.outcome {
            None => true,
            Some(Outcome::Info) => !self.was_read[row],
            Some(_) => false,
        }
    }

    /// The writes of each key that are no relays, in an order that extends all others.
    fn versions_by_key(&self) -> Vec<Vec<usize>> {
        let mut versions = vec![Vec::new(); self.monitor.keys.len()];
        for row in 0..self.past.entries.len() {
            let entry = self.entry(row);
            if entry.operation.writes && !entry.is_relay {
                versions[entry.key as usize].push(row);
            }
        }
        versions.iter_mut().for_each(|rows| rows.sort_unstable_by_key(|&row| self.places[row]));
        versions
    }

    /// Chooses what to forget of one key. Forgotten versions become relays, which are then kept only if order leads through them.
    fn plan_key(&self, versions: &[usize], plan: &mut ForgetPlan) {
        let Some(&any) = versions.first() else { return };
        let key = self.entry(any).key;
        let forgot_before = self.monitor.keys[key as usize].forgot_versions;
        let placed: Vec<usize> = versions.iter().copied().filter(|&row| plan.is_placed[row]).collect();
        if forgot_before {
            for &row in versions.iter().filter(|row| !self.entry(**row).is_placed) {
                plan.is_placed[row] = placed.iter().any(|&before| self.order.precedes(before, row));
            }
        }
        if let Some(latest) = self.choose_latest(versions)
            && (!forgot_before || plan.is_placed[latest] || !self.is_convergence_judged)
        {
            self.forget_before(latest, versions, plan);
        }
        if plan.keys.contains(&key) || forgot_before {
            let is_seen = |tip: usize| {
                versions.iter().any(|&row| {
                    plan.is_placed[row] && !plan.is_relay[row] && self.order.precedes_causally(row, tip)
                })
            };
            for (session, caught_up) in plan.caught_up.iter_mut().enumerate() {
                *caught_up = *caught_up && is_seen(self.past.tip(session));
            }
        }
    }

    /// The write before which others may be forgotten: the last one that every reading session has seen.
    fn choose_latest(&self, versions: &[usize]) -> Option<usize> {
        let is_last = |row: usize| match self.scope {
            ForgetScope::Passed => {
                let operation = &self.entry(row).operation;
                operation.outcome.is_some()
                    && (self.first_open_read == NOT_YET || operation.completed < self.first_open_read)
                    && self.reading_tips.iter().all(|&tip| self.order.precedes_causally(row, tip))
            }
            ForgetScope::Before(position) => {
                !self.is_pending(row) && self.entry(row).operation.invoked < position
            }
        };
        versions.iter().rev().copied().find(|&row| is_last(row))
    }

    fn forget_before(&self, latest: usize, versions: &[usize], plan: &mut ForgetPlan) {
        let key = self.entry(latest).key;
        let mut kept_before: Vec<usize> = Vec::new();
        let mut forgot = false;
        for &row in versions {
            let goes = row != latest
                && self.may_forget(row, latest)
                && kept_before.len() <= KEPT_BEFORE_MAX
                && !kept_before.iter().any(|&kept| self.order.precedes(kept, row));
            if goes {
                plan.is_relay[row] = true;
                forgot = true;
            } else {
                kept_before.push(row);
            }
        }
        if forgot {
            plan.keys.insert(key);
            for &row in &kept_before {
                plan.is_placed[row] = self.order.precedes(latest, row);
            }
        }
    }

    /// Condition 1, and that the write is not recent.
    fn may_forget(&self, row: usize, latest: usize) -> bool {
        if self.entry(row).operation.outcome.is_none() || self.last_events[row] >= self.recent_from {
            return false;
        }
        let is_before = self.order.precedes(row, latest);
        match self.scope {
            ForgetScope::Passed => is_before && !self.is_pending(row),
            ForgetScope::Before(position) => {
                let is_older = self.places[row] < self.places[latest] && self.last_events[row] < position;
                is_before
                    || is_older && !self.is_convergence_judged
                    || self.is_pending(row) && self.last_events[row] < position
            }
        }
    }
}
