//! Keeps the monitor of transactions within its memory: forgets what cannot matter, and gives up what does not fit.

use super::closure::ForgetRules;
use super::forget::ForgetPlan;
use super::keys::{KeptKey, KeyState, fingerprint};
use super::{BYTES_PER_UNIT, IsolationLevel, TransactionMonitor, UnknownFrom};
use std::sync::Arc;

/// The memory of one fingerprint of a forgotten key.
const BYTES_PER_FINGERPRINT: usize = 32;

/// How hard the monitor tries to forget. Each step includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Effort {
    /// Recent transactions stay, so that a stale read of them can be shown.
    Gentle,
    /// Recent transactions go.
    Recent,
    /// Old indeterminate transactions go, and unused keys with uncertain last writes.
    Idle,
    /// Versions go that an open transaction may still read.
    Open,
    /// Keys whose reads contradict each other are lost.
    Contradictory,
}

impl TransactionMonitor {
    /// Forgets what cannot matter, if enough is kept that an attempt pays.
    pub(super) fn forget_if_it_pays(&mut self) {
        let half = self.units_max() / 2;
        let horizon = usize::try_from(self.limits.horizon * 2).unwrap_or(usize::MAX);
        if self.limits.horizon > 0 && self.used_units() < self.forget_from.max(horizon.min(half)) {
            return;
        }
        if self.is_over() {
            self.drop_everything();
            return;
        }
        let is_decided = self.levels.iter().all(|told| told.undecided.is_none());
        if is_decided || self.used_units() > half {
            self.give_up_undecided();
            self.forget_gently_first(half);
        }
        self.forget_from = self.used_units() * 2;
    }

    fn forget_gently_first(&mut self, half: usize) {
        if !self.is_about_lists() && self.limits.staleness_bound_ns.is_none() && self.used_units() > half {
            self.give_up_weak_levels();
        }
        let efforts = [Effort::Gentle, Effort::Recent, Effort::Idle, Effort::Open, Effort::Contradictory];
        for effort in efforts {
            if effort == Effort::Contradictory && self.used_units() > half {
                self.lose_contradictory_keys();
            }
            self.forget_with(effort);
            if effort >= Effort::Recent {
                self.evict_keys(half);
            }
            if self.used_units() <= half {
                return;
            }
        }
        if self.used_units() > half && !self.is_about_lists() && self.judges_without_real_time() {
            self.give_up_weak_levels();
            self.forget_with(Effort::Contradictory);
            self.evict_keys(half);
        }
        if self.used_units() > half {
            let reason = self.describe_pins();
            self.end_judgement(self.latest_index, &reason);
            self.drop_everything();
        }
    }

    fn forget_with(&mut self, effort: Effort) {
        let weak = self.judges_without_real_time();
        let lists = self.is_about_lists();
        // Without real time, any old version of a register may be read again, and the order of writes is not known.
        if !lists && (self.has_tokens || (weak && self.limits.staleness_bound_ns.is_none())) {
            return;
        }
        let now = self.position;
        let recent_from =
            if effort == Effort::Gentle { now.saturating_sub(self.limits.horizon) } else { now };
        let oldest_open = self.open.values().copied().min().unwrap_or(now);
        let open_from = if lists && effort >= Effort::Open { now } else { oldest_open };
        let settled_before = match lists && effort >= Effort::Recent {
            true => open_from,
            false => self.times.settled_before(open_from),
        };
        let middle = self.transactions.get(self.transactions.len() / 2).map_or(0, |kept| kept.invoked);
        let idle_before = if effort >= Effort::Idle { middle } else { 0 };
        let rules = ForgetRules { lists, recent_from, settled_before, idle_before };
        let plan = ForgetPlan::choose(&self.transactions, &self.keys, rules, &self.times, weak);
        if plan.forgotten_count() > 0 {
            self.apply(&plan);
        }
    }

    fn apply(&mut self, plan: &ForgetPlan) {
        plan.apply_to_keys(&mut self.keys);
        let (mut stays, mut gone) = (Vec::new(), Vec::new());
        for (kept, is_kept) in std::mem::take(&mut self.transactions).into_iter().zip(&plan.stays) {
            if *is_kept { stays.push(kept) } else { gone.push(kept) }
        }
        self.transactions = stays;
        for kept in gone {
            self.units -= kept.units();
            self.drop_micros(&kept.micros);
        }
    }

    /// Removes keys that no kept transaction uses, those first that were not used for the longest time.
    fn evict_keys(&mut self, half: usize) {
        let excess = self.used_units().saturating_sub(half);
        if excess == 0 {
            return;
        }
        let mut idle: Vec<u32> = self.key_of.values().copied().collect();
        idle.retain(|&at| self.keys[at as usize].users == 0);
        idle.sort_unstable_by_key(|&at| self.keys[at as usize].last_event);
        // Half of what is idle goes at once, so that this does not happen with every judgement.
        let count = excess.max(idle.len() / 2);
        for at in idle.into_iter().take(count) {
            let key = &self.keys[at as usize];
            if key.has_forgotten || key.state != KeyState::Known {
                self.forgotten_keys.insert(fingerprint(&key.name));
            }
            let name = Arc::clone(&key.name);
            self.key_of.remove(&name);
            self.keys[at as usize] = KeptKey::new(Arc::from(""));
            self.free_keys.push(at);
        }
        if self.forgotten_keys.len() > self.limits.bytes / 8 / BYTES_PER_FINGERPRINT {
            self.forgotten_keys.clear();
            self.forgotten_keys.shrink_to_fit();
            self.forgot_fingerprints = true;
        }
    }

    /// The memory in use, in units.
    fn used_units(&self) -> usize {
        self.units + self.key_of.len()
    }

    fn drop_everything(&mut self) {
        self.transactions = Vec::new();
        self.keys = Vec::new();
        self.free_keys = Vec::new();
        self.key_of.clear();
        self.units = 0;
    }

    fn lose_contradictory_keys(&mut self) {
        for at in 0..self.keys.len() as u32 {
            let key = &self.keys[at as usize];
            if key.state == KeyState::Contradictory {
                let reason = format!(
                    "memory: nothing of key {} can be forgotten, because a value was written twice or reads of it contradict \
                     each other",
                    key.name
                );
                self.lose_key(at, self.latest_index, &reason);
            }
        }
    }

    /// A level that reached a limit stays unknown once something is forgotten.
    fn give_up_undecided(&mut self) {
        for told in &mut self.levels {
            if let Some(undecided) = told.undecided.take() {
                told.unknown.get_or_insert(undecided);
            }
        }
    }

    fn judges_without_real_time(&self) -> bool {
        let judged = |told: &&super::MonitoredIsolation| told.violation.is_none() && !told.is_given_up;
        self.levels.iter().filter(judged).any(|told| told.level != IsolationLevel::StrictSerializable)
    }

    /// Gives up the levels that may show any old version of a register.
    fn give_up_weak_levels(&mut self) {
        let reason = match self.limits.staleness_bound_ns {
            None => {
                "memory: without real time any old version of a register may be read. Pass --staleness-bound"
            }
            Some(_) => "memory: the transactions within the staleness bound do not fit",
        };
        let event = self.latest_index;
        for told in &mut self.levels {
            if told.level != IsolationLevel::StrictSerializable {
                told.is_given_up = true;
                let reason = reason.to_owned();
                told.unknown.get_or_insert(UnknownFrom { event, reason, objects: 0 });
            }
        }
    }

    /// What keeps transactions from being forgotten.
    fn describe_pins(&self) -> String {
        let open = self.transactions.iter().filter(|kept| kept.is_open()).count();
        let indeterminate = self.transactions.iter().filter(|kept| kept.is_indeterminate()).count();
        let since = self.transactions.first().map_or(0, |kept| kept.invocation.index);
        format!(
            "memory: {} transactions since event {since} do not fit in {} units of {BYTES_PER_UNIT} bytes ({open} open, \
             {indeterminate} indeterminate, {} keys{})",
            self.transactions.len(),
            self.units_max(),
            self.key_of.len(),
            if self.has_tokens { ", version tokens" } else { "" }
        )
    }
}
