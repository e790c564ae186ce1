//! Finds reads whose demands the window does not show, for `causal-convergence`.
//!
//! A read puts all other writes of its key that are in its past before the one that it returned. Forgotten writes of the key are
//! before each *placed* write. So nothing is missed if a placed write is in the past of the read, or before the write that the
//! read returned. If neither is the case, the past of the read must have nothing but new sessions: then no forgotten write is in it.
//! Otherwise the level is *unknown*.
//!
//! Sessions that had seen a placed write of each such key when something was forgotten are *caught up*, and need no look. So the
//! order of the window is computed only where a session that is not caught up reads a write of another such session.

use super::CausalMonitor;
use super::past::PastWindow;
use crate::causality::{WindowOrder, with_window_order};
use crate::monitor::objects::evidence::unstopped;
use histories::Outcome;
use rustc_hash::{FxHashMap, FxHashSet};

impl CausalMonitor {
    /// The first read, if any, that may demand something of a forgotten write: its event, and the reason for *unknown*.
    pub(super) fn find_unplaced_read(&self) -> Option<(u64, String)> {
        let is_known = |told: &super::MonitoredLevel| told.violation.is_some() || told.unknown.is_some();
        if !self.judges_convergence()
            || self.levels.iter().all(|told| told.level != claims::Level::CausalConvergence || is_known(told))
        {
            return None;
        }
        let doubtful = self.doubtful_reads();
        let first = *doubtful.iter().min()?;
        let past = self.build_past();
        let question = &self.question.about_objects(&past.history);
        let limits = unstopped(self.limits);
        let found = with_window_order(&past.history, question, true, &limits, |order| {
            self.find_missing_demand(&doubtful, &past, order)
        });
        let at = found.unwrap_or(Some(first))?;
        let entry = &self.window[at];
        let event = entry.operation.completion.index;
        let reason = format!(
            "event {event} reads {} from key {}, and may have seen values of the key that were forgotten: nothing shows the order of these \
             and of the value. Check the recorded history",
            entry.operation.value.as_deref().unwrap_or_default(),
            self.keys[entry.key as usize].name
        );
        Some((event, reason))
    }

    /// Reads since the last time that something was forgotten, by sessions that are not caught up, of writes that are not
    /// placed: indexes into the window.
    fn doubtful_reads(&self) -> FxHashSet<usize> {
        let forgot = |key: u32| self.keys[key as usize].forgot_versions;
        let is_caught_up = |entry: &super::WindowEntry| {
            let session = self.sessions.get(&entry.operation.session);
            entry.operation.invoked >= self.forgot_at && session.is_some_and(|session| session.is_caught_up)
        };
        let mut unplaced: FxHashSet<(u32, &str)> = FxHashSet::default();
        for entry in &self.window {
            let is_unplaced = entry.operation.writes && !entry.is_placed && forgot(entry.key);
            if is_unplaced && entry.operation.outcome != Some(Outcome::Fail) && !is_caught_up(entry) {
                unplaced.extend(entry.operation.value.as_deref().map(|value| (entry.key, value)));
            }
        }
        let is_doubtful = |(_, entry): &(usize, &super::WindowEntry)| {
            let operation = &entry.operation;
            let is_of_unplaced = |value: &str| unplaced.contains(&(entry.key, value));
            !operation.writes
                && operation.is_ok()
                && operation.completed >= self.forgot_at
                && operation.value.as_deref().is_some_and(is_of_unplaced)
                && !is_caught_up(entry)
        };
        self.window.iter().enumerate().filter(is_doubtful).map(|(at, _)| at).collect()
    }

    fn find_missing_demand(
        &self,
        doubtful: &FxHashSet<usize>,
        past: &PastWindow,
        order: &WindowOrder<'_>,
    ) -> Option<usize> {
        let mut placed: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
        for (row, &at) in past.entries.iter().enumerate() {
            if self.window[at].operation.writes && self.window[at].is_placed {
                placed.entry(self.window[at].key).or_default().push(row);
            }
        }
        let is_old = |row: usize| {
            let session = self.sessions.get(&self.window[past.entries[row]].operation.session);
            session.is_none_or(|session| session.first_event < self.forgot_at)
        };
        let is_missing = |(row, at): &(usize, &usize)| {
            let Some(write) = order.source_of(*row) else { return false };
            let placed = placed.get(&self.window[**at].key).map_or(&[][..], Vec::as_slice);
            let is_shown =
                placed.iter().any(|&it| order.precedes_causally(it, *row) || order.precedes(it, write));
            !is_shown && (0..past.entries.len()).any(|it| order.precedes_causally(it, *row) && is_old(it))
        };
        let rows = past.entries.iter().enumerate().filter(|(_, at)| doubtful.contains(*at));
        rows.into_iter().find(is_missing).map(|(_, &at)| at)
    }
}
