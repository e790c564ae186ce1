//! Keeps the monitor within its memory: forgets what cannot matter, and gives up what does not fit.

use super::ObjectMonitor;
use super::forget::{self, ForgetMoments, JudgedGuarantees};
use super::kept::{KeptObject, KeptOperation};
use super::levels::MonitoredLevel;
use claims::Level;
use std::cmp::Reverse;
use std::sync::Arc;

/// An object with more kept operations than this is given up before objects that were not used for long.
const LARGE_OBJECT: usize = 64;

impl ObjectMonitor {
    /// Forgets what cannot matter, if enough is kept that an attempt pays.
    pub(super) fn forget_if_it_pays(&mut self) {
        let horizon = usize::try_from(self.limits.horizon / 2).unwrap_or(usize::MAX);
        let pays_from = self.forget_from.max(horizon.min(self.operations_max() / 2));
        if self.limits.horizon > 0 && self.kept < pays_from {
            return;
        }
        let recent_from = self.position.saturating_sub(self.limits.horizon);
        self.forget_in_objects(recent_from, |_| true);
        if self.kept > self.operations_max() / 2 {
            self.forget_in_objects(self.position, |_| true);
        }
        if self.kept > self.operations_max() / 2 {
            self.give_up_objects();
        }
        self.forget_from = self.kept * 2;
    }

    fn forget_in_objects(&mut self, recent_from: u64, wanted: impl Fn(&KeptObject) -> bool) {
        let alive = |told: &&MonitoredLevel| told.violation.is_none();
        let guarantees = JudgedGuarantees::of_levels(
            self.levels
                .iter()
                .filter(alive)
                .map(|told| told.level)
                .filter(|level| level.is_session_guarantee()),
        );
        let moments = ForgetMoments { now: self.position, recent_from };
        let initial_values: Vec<(String, String)> = self
            .question
            .initial
            .values_by_key()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        for object in self.objects.iter_mut().filter(|object| !object.operations.is_empty() && wanted(object))
        {
            let own = initial_values.iter().find(|(key, _)| **key == *object.name);
            let initial = own.map_or(self.question.initial.default_json(), |(_, value)| value);
            self.kept -= forget::forget_operations(object, initial, guarantees, moments);
        }
    }

    /// Gives up what does not fit: first the session guarantees of large objects, then large objects, then the objects
    /// that were not used for the longest time.
    fn give_up_objects(&mut self) {
        let enough = self.operations_max() / 4;
        let mut by_size: Vec<u32> = (0..self.objects.len() as u32).collect();
        by_size.sort_by_key(|&at| Reverse(self.objects[at as usize].operations.len()));
        for at in by_size {
            if self.kept <= enough || self.objects[at as usize].operations.len() <= LARGE_OBJECT {
                break;
            }
            let reason = self.describe_pins(at);
            let event = self.latest_index;
            if self.objects[at as usize].judges_sessions && self.objects[at as usize].judges_linearizability {
                self.give_up_sessions(at, event, &reason);
                let moments_from = self.position;
                let name = Arc::clone(&self.objects[at as usize].name);
                self.forget_in_objects(moments_from, |object| object.name == name);
            }
            if self.objects[at as usize].operations.len() > LARGE_OBJECT {
                self.give_up_object(at, event, &reason);
            }
        }
        if self.kept > enough {
            self.give_up_idle_objects(enough);
        }
    }

    /// Forgets whole objects, those first that were not used for the longest time.
    fn give_up_idle_objects(&mut self, enough: usize) {
        let mut by_use: Vec<u32> = (0..self.objects.len() as u32).collect();
        by_use.sort_by_key(|&at| self.objects[at as usize].last_event);
        let mut gone = vec![false; self.objects.len()];
        let count = by_use.len();
        for at in by_use {
            if self.kept <= enough {
                break;
            }
            let object = &self.objects[at as usize];
            self.kept -= object.operations.len() + 1;
            gone[at as usize] = true;
        }
        self.forgot_objects = true;
        let reason = format!(
            "memory: {count} keys do not fit, and those not used for the longest time were forgotten"
        );
        self.give_up_levels(
            self.latest_index,
            &reason,
            gone.iter().filter(|gone| **gone).count() as u64,
            |_| true,
        );
        let mut new_places = vec![None; gone.len()];
        let mut objects = Vec::new();
        for (at, object) in std::mem::take(&mut self.objects).into_iter().enumerate() {
            if !gone[at] {
                new_places[at] = Some(objects.len() as u32);
                objects.push(object);
            }
        }
        self.objects = objects;
        let names = (0u32..).zip(&self.objects).map(|(at, object)| (Arc::clone(&object.name), at));
        self.object_of = names.collect();
        for open in self.open.values_mut() {
            open.0 = open.0.and_then(|at| new_places[at as usize]);
        }
    }

    /// What keeps the operations of an object from being forgotten.
    fn describe_pins(&self, at: u32) -> String {
        let object = &self.objects[at as usize];
        let count = |what: &dyn Fn(&KeptOperation) -> bool| {
            object.operations.iter().filter(|operation| what(operation)).count()
        };
        let indeterminate = count(&|operation| operation.is_indeterminate_write());
        let open = count(&|operation| operation.outcome.is_none());
        let repeated = object.written.values().filter(|&&count| count > 1).count();
        let mut sessions: Vec<&Arc<str>> =
            object.operations.iter().map(|operation| &operation.session).collect();
        sessions.sort_unstable();
        sessions.dedup();
        format!(
            "memory: key {} keeps {} operations ({indeterminate} indeterminate writes, {open} open operations, {} \
             sessions, {repeated} values written more than once)",
            object.name,
            object.operations.len(),
            sessions.len()
        )
    }

    /// A read of the initial value that came after other values were forgotten: the guarantees may be violated with a
    /// version that is not kept.
    pub(super) fn give_up_after_initial_reads(&mut self, dirty: &[u32]) {
        for &at in dirty {
            if let Some(event) = self.objects[at as usize].late_initial_read.take() {
                let reason = format!(
                    "event {event} reads the initial value of key {}, after the monitor has forgotten other values of that key",
                    self.objects[at as usize].name
                );
                self.give_up_sessions(at, event, &reason);
            }
        }
    }

    pub(super) fn give_up_sessions(&mut self, at: u32, event: u64, reason: &str) {
        self.objects[at as usize].judges_sessions = false;
        self.give_up_levels(event, reason, 1, Level::is_session_guarantee);
    }

    /// Judges nothing about an object any more.
    pub(super) fn give_up_object(&mut self, at: u32, event: u64, reason: &str) {
        let object = &mut self.objects[at as usize];
        let (linearizability, sessions) = (object.judges_linearizability, object.judges_sessions);
        (object.judges_linearizability, object.judges_sessions) = (false, false);
        self.kept -= object.operations.len();
        object.clear();
        let concerns =
            move |level: Level| if level == Level::Linearizable { linearizability } else { sessions };
        self.give_up_levels(event, reason, 1, concerns);
    }

    pub(super) fn give_up_levels(
        &mut self,
        event: u64,
        reason: &str,
        objects: u64,
        concerns: impl Fn(Level) -> bool,
    ) {
        for told in self.levels.iter_mut().filter(|told| concerns(told.level)) {
            told.give_up(event, reason, objects);
        }
    }
}
