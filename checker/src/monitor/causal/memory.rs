//! Keeps the monitor within its memory: forgets what cannot matter, and gives up what does not fit.

use super::forget::ForgetScope;
use super::{CausalMonitor, MonitoredLevel};
use claims::Level;
use histories::Outcome;
use rustc_hash::{FxHashSet, FxHasher};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The memory of a fingerprint.
const FINGERPRINT_BYTES: usize = 32;

/// A number by which a session is remembered that was forgotten.
pub(super) fn fingerprint(name: &str) -> u64 {
    let mut hasher = FxHasher::default();
    name.hash(&mut hasher);
    hasher.finish()
}

impl CausalMonitor {
    /// Forgets what cannot matter, if enough is kept that an attempt pays.
    pub(super) fn forget_if_it_pays(&mut self) {
        if self.levels.iter().all(|told| told.violation.is_some()) || self.ended.is_some() {
            self.window.clear();
            self.recount_values();
            return;
        }
        let horizon = usize::try_from(self.limits.horizon / 2).unwrap_or(usize::MAX);
        let pays_from = self.forget_from.max(horizon.min(self.operations_max() / 2));
        if self.limits.horizon > 0 && self.kept_operations() < pays_from {
            return;
        }
        let enough = self.operations_max() / 2;
        self.forget_idle_sessions();
        self.forget_operations(ForgetScope::Passed, self.position.saturating_sub(self.limits.horizon));
        if self.kept_operations() > enough {
            self.forget_operations(ForgetScope::Passed, self.position);
        }
        if self.kept_operations() > enough {
            let middle = self.middle_position();
            self.forget_sessions(|session| session < middle);
            self.forget_operations(ForgetScope::Before(middle), self.position);
        }
        if self.kept_operations() > enough {
            self.give_up_what_does_not_fit();
        }
        self.forget_from = self.kept_operations() * 2;
        self.bound_fingerprints();
    }

    /// The position of the last event of the operation in the middle of the window.
    fn middle_position(&self) -> u64 {
        let mut ends: Vec<u64> = self.window.iter().map(|entry| entry.operation.last_event).collect();
        let middle = ends.len() / 2;
        if ends.is_empty() { self.position } else { *ends.select_nth_unstable(middle).1 }
    }

    /// Forgets the sessions that are not used again, if that is assumed.
    fn forget_idle_sessions(&mut self) {
        let (Some(idle), Some(now)) = (self.limits.session_idle_ns, self.now_ns) else { return };
        let sessions = self.sessions.iter();
        let is_idle = |last: Option<i64>| last.is_some_and(|last| last.saturating_add(idle) < now);
        let gone: Vec<Arc<str>> = sessions
            .filter(|(_, session)| session.open == 0 && is_idle(session.last_ns))
            .map(|(name, _)| Arc::clone(name))
            .collect();
        self.drop_sessions(&gone);
    }

    /// Forgets sessions without an open operation, by the position of their last event.
    fn forget_sessions(&mut self, goes: impl Fn(u64) -> bool) {
        let sessions = self.sessions.iter();
        let gone: Vec<Arc<str>> = sessions
            .filter(|(_, session)| session.open == 0 && goes(session.last_event))
            .map(|(name, _)| Arc::clone(name))
            .collect();
        self.drop_sessions(&gone);
    }

    fn drop_sessions(&mut self, gone: &[Arc<str>]) {
        for name in gone {
            self.sessions.remove(name);
            self.gone_sessions.insert(fingerprint(name));
        }
    }

    /// Drops fingerprints if they take more than an eighth of the memory. A session that seems new may then be one of
    /// them, unless it is assumed that such sessions are not used again.
    fn bound_fingerprints(&mut self) {
        if self.gone_sessions.len() > self.limits.bytes / 8 / FINGERPRINT_BYTES {
            self.gone_sessions = FxHashSet::default();
            self.lost_fingerprints |= self.limits.session_idle_ns.is_none();
        }
    }

    /// Makes the levels *unknown*, and begins again with the latest operations, so that a violation can still be found.
    fn give_up_what_does_not_fit(&mut self) {
        let reason = self.describe_pins();
        self.give_up_levels(self.latest_index, &reason, |_| true);
        let latest = self.operations_max() / 8;
        let mut ends: Vec<u64> = self.window.iter().map(|entry| entry.operation.last_event).collect();
        ends.sort_unstable();
        let from = ends.len().checked_sub(latest).map_or(0, |at| ends[at]);
        self.window.retain(|entry| entry.operation.last_event >= from || entry.operation.outcome.is_none());
        let open: FxHashSet<u64> = self.open.values().map(|open| open.1).collect();
        let is_open = |invoked: u64| open.contains(&invoked);
        debug_assert!(
            self.window
                .iter()
                .all(|entry| entry.operation.outcome.is_some() || is_open(entry.operation.invoked))
        );
        let sessions: FxHashSet<Arc<str>> =
            self.window.iter().map(|entry| Arc::clone(&entry.operation.session)).collect();
        let gone: Vec<Arc<str>> =
            self.sessions.keys().filter(|name| !sessions.contains(*name)).cloned().collect();
        self.drop_sessions(&gone);
        self.forget_unused_keys();
        self.recount_values();
        self.drop_reads_without_write();
    }

    /// Forgets the keys without a kept operation, and numbers the others anew.
    fn forget_unused_keys(&mut self) {
        let mut is_used = vec![false; self.keys.len()];
        self.window.iter().for_each(|entry| is_used[entry.key as usize] = true);
        let mut new_places = vec![0; self.keys.len()];
        let mut keys = Vec::new();
        for (at, mut key) in std::mem::take(&mut self.keys).into_iter().enumerate() {
            if is_used[at] {
                (key.forgot_values, key.forgot_versions) = (true, true);
                new_places[at] = keys.len() as u32;
                keys.push(key);
            }
        }
        self.keys = keys;
        self.key_of = (0u32..).zip(&self.keys).map(|(at, key)| (Arc::clone(&key.name), at)).collect();
        self.window.iter_mut().for_each(|entry| entry.key = new_places[entry.key as usize]);
        self.forgot_keys = true;
    }

    /// Drops the reads of values that are not kept, which would otherwise seem to be values that nobody wrote.
    fn drop_reads_without_write(&mut self) {
        let window = std::mem::take(&mut self.window);
        let (keys, kept) = (&self.keys, window.into_iter());
        let kept = kept.filter(|entry| {
            let value = entry.operation.value.as_deref();
            let is_read = !entry.operation.writes && entry.operation.is_ok();
            let is_known = |value: &str| {
                keys[entry.key as usize].written.contains_key(value)
                    || value == self.initial_value_of(entry.key)
            };
            !is_read || value.is_some_and(is_known)
        });
        self.window = kept.collect();
    }

    /// What keeps the operations from being forgotten.
    fn describe_pins(&self) -> String {
        let count = |what: &dyn Fn(&super::WindowEntry) -> bool| {
            self.window.iter().filter(|entry| what(entry)).count()
        };
        let indeterminate = count(&|entry| entry.operation.is_indeterminate_write());
        let open = count(&|entry| entry.operation.outcome.is_none());
        let writes = |entry: &super::WindowEntry| {
            entry.operation.writes && entry.operation.outcome != Some(Outcome::Fail)
        };
        let mut values = FxHashSet::default();
        let repeated = count(&writes)
            - self
                .window
                .iter()
                .filter(|entry| writes(entry) && values.insert((entry.key, entry.operation.value.as_deref())))
                .count();
        format!(
            "memory: {} operations on {} keys in {} sessions do not fit ({indeterminate} indeterminate writes, {open} open operations, \
             {repeated} values written again)",
            self.window.len(),
            self.keys.len(),
            self.sessions.len()
        )
    }

    /// Makes the levels *unknown* that the window does not show to be violated, after a read that refers to something that was
    /// forgotten.
    pub(super) fn give_up_after_late_reads(&mut self) {
        if let Some((event, reason)) = self.late_read.take() {
            self.give_up_levels(event, &reason, |_| true);
        }
        if let Some((event, reason)) = self.find_unplaced_read() {
            self.give_up_levels(event, &reason, |level| level == Level::CausalConvergence);
        }
    }

    pub(super) fn give_up_levels(&mut self, event: u64, reason: &str, concerns: impl Fn(Level) -> bool) {
        let concerned = |told: &&mut MonitoredLevel| concerns(told.level);
        self.levels.iter_mut().filter(concerned).for_each(|told| told.give_up(event, reason, 0));
    }
}
