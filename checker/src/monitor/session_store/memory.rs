//! Keeps the monitor within its memory: forgets sessions that are over, and gives up what does not fit.

use super::forget::{ForgetRules, has_replaced_version, is_ended_for_good, is_id_known, may_forget};
use super::kept::{KeptRequest, KeptSession, StoreAction};
use super::{MonitoredFinding, StoreMonitor, UnknownFrom, fingerprint};
use claims::FindingKind;
use histories::Outcome;
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// The memory of a fingerprint.
const FINGERPRINT_BYTES: usize = 32;

impl StoreMonitor {
    /// Forgets what cannot matter, if enough is kept that an attempt pays.
    pub(super) fn forget_if_it_pays(&mut self) {
        let max = self.limits.bytes;
        let forgets_at_once = self.limits.horizon == 0;
        if !forgets_at_once && self.bytes < self.forget_from.max(max / 8) {
            return;
        }
        let recent_from = self.position.saturating_sub(self.limits.horizon);
        self.forget_sessions(if forgets_at_once { 0 } else { max / 16 }, recent_from);
        if self.bytes > max / 2 {
            self.forget_sessions(max / 4, self.position);
        }
        if self.bytes > max / 2 {
            self.give_up_what_does_not_fit(max / 4);
        }
        self.forget_from = self.bytes * 2;
        self.bound_fingerprints();
    }

    /// Forgets sessions until no more than so many bytes are kept, those first that were not used for the longest time.
    ///
    /// A session that a user created is not forgotten while a session of somebody else is kept that this user read: the two together
    /// are a leak, and the answer of the read is then no evidence for another finding.
    fn forget_sessions(&mut self, enough: usize, recent_from: u64) {
        let with = ForgetRules {
            rules: &self.question.sessions,
            now_ns: self.now_ns,
            idle_ns: self.limits.session_idle_ns,
        };
        let mut over: Vec<(bool, u64, u32)> = Vec::new();
        let mut readers: FxHashSet<Arc<str>> = FxHashSet::default();
        for (at, session) in (0u32..).zip(&self.sessions) {
            let Some(session) = session else { continue };
            let is_old = session.last_event < recent_from || self.limits.horizon == 0;
            if is_old && may_forget(session, with) {
                // Shared ones first, and all of them, so that no reader of one that is kept is forgotten.
                over.push((!session.is_shared, session.last_event, at));
            } else {
                readers.extend(session.foreign_readers().cloned());
            }
        }
        over.sort_unstable();
        // Which of the shared ones stay, because of readers, adds readers.
        loop {
            let before = over.len();
            over.retain(|&(_, _, at)| {
                let session = self.sessions[at as usize].as_ref().expect("it was found above");
                let stays = session.creators().any(|user| readers.contains(user));
                if stays {
                    readers.extend(session.foreign_readers().cloned());
                }
                !stays
            });
            if over.len() == before {
                break;
            }
        }
        for (is_alone, _, at) in over {
            if is_alone && self.bytes <= enough {
                break;
            }
            self.forget_session(at);
        }
    }

    fn forget_session(&mut self, at: u32) {
        let Some(session) = self.remove_session(at) else { return };
        if self.findings.iter().any(|told| told.undecided.is_some()) {
            // It may have been because of this session that a finding is not decided: it stays so.
            self.keep_what_is_undecided();
        }
        self.remember_users(&session);
        let is_replaced = has_replaced_version(&session);
        // Of an id that nobody gave out or used, there is nothing to remember.
        for id in session.ids.iter().filter(|id| is_id_known(&session, id)) {
            if self.forgotten_ids.insert(fingerprint(id)) {
                self.forgotten_order.push_back(fingerprint(id));
            }
            if is_replaced && !is_ended_for_good(&session, id) {
                self.forgotten_unended.insert(fingerprint(id));
            }
        }
    }

    /// Remembers what a leak depends on: who created a session, and who read one of somebody else.
    fn remember_users(&mut self, session: &KeptSession) {
        self.has_forgotten = true;
        self.forgotten_users.extend(session.creators().map(|user| fingerprint(user)));
        self.suspected_readers.extend(session.foreign_readers().map(|user| fingerprint(user)));
    }

    /// A user creates a session. What they read before of somebody else is a leak from now on.
    pub(super) fn look_for_suspected_reader(&mut self, user: &str, event: u64, is_kept: bool) {
        let print = fingerprint(user);
        if self.suspected_readers.contains(&print) {
            let reason = format!(
                "event {event} creates a session for a user who had read one of somebody else, which was forgotten"
            );
            self.give_up_findings(event, &reason, 1, |kind| kind == FindingKind::SessionLeak);
        }
        if !is_kept {
            self.forgotten_users.insert(print);
            let reason =
                format!("event {event} creates a session of a reader under an id that was forgotten");
            for at in 0..self.sessions.len() as u32 {
                let is_read =
                    |session: &KeptSession| session.foreign_readers().any(|reader| **reader == *user);
                if self.sessions[at as usize].as_ref().is_some_and(is_read) {
                    self.lose_session(at, event, &reason);
                }
            }
        }
    }

    fn keep_what_is_undecided(&mut self) {
        for told in &mut self.findings {
            if let Some(undecided) = &told.undecided {
                told.unknown.get_or_insert_with(|| undecided.clone());
            }
        }
    }

    /// Removes a session from what is kept.
    fn remove_session(&mut self, at: u32) -> Option<KeptSession> {
        let session = self.sessions[at as usize].take()?;
        self.free.push(at);
        session.ids.iter().for_each(|id| _ = self.session_of.remove(id));
        self.bytes -= session.bytes();
        self.kept -= session.operations.len();
        Some(session)
    }

    /// Without a bound on idle sessions, a fingerprint that is dropped makes every id that seems new one that may have been forgotten.
    fn bound_fingerprints(&mut self) {
        let most = (self.limits.bytes / 8 / FINGERPRINT_BYTES).max(16);
        while self.forgotten_ids.len() > most {
            let Some(oldest) = self.forgotten_order.pop_front() else { break };
            self.forgotten_ids.remove(&oldest);
            self.forgotten_unended.remove(&oldest);
            self.forgot_fingerprints |= self.limits.session_idle_ns.is_none();
        }
        if self.forgotten_users.len() > most {
            self.forgotten_users.clear();
            self.forgot_users = true;
        }
        if self.suspected_readers.len() > most {
            self.suspected_readers.clear();
            let reason = "memory: too many users read sessions of others";
            self.give_up_findings(self.latest_index, reason, 0, |kind| kind == FindingKind::SessionLeak);
        }
        if self.lost_ids.len() > most {
            self.end_judgement(self.latest_index, "memory: too many sessions were given up");
        }
    }

    /// Gives up the lists of actions, and then the sessions that were not used for the longest time.
    fn give_up_what_does_not_fit(&mut self, enough: usize) {
        let event = self.latest_index;
        if self.actions.bytes() > enough / 2 {
            let reason = format!(
                "memory: {} operations on lists of actions do not fit",
                self.actions.operations.len()
            );
            self.bytes -= self.actions.bytes();
            self.kept -= self.actions.operations.len();
            self.actions = KeptSession::default();
            self.actions_lost = true;
            self.give_up_findings(event, &reason, 0, depends_on_actions);
        }
        let sessions = (0u32..).zip(&self.sessions).filter_map(|(at, session)| Some((at, session.as_ref()?)));
        let mut by_use: Vec<(u64, u32)> = sessions.map(|(at, session)| (session.last_event, at)).collect();
        by_use.sort_unstable();
        for (_, at) in by_use {
            if self.bytes <= enough {
                break;
            }
            let reason = self.describe_pins(at);
            self.lose_session(at, event, &reason);
        }
    }

    /// What keeps a session from being forgotten.
    fn describe_pins(&self, at: u32) -> String {
        let Some(session) = &self.sessions[at as usize] else { return "memory".to_owned() };
        let count = |what: &dyn Fn(&KeptRequest) -> bool| {
            session.operations.iter().filter(|operation| what(operation)).count()
        };
        let open = count(&|operation| operation.outcome.is_none());
        let births = |action| matches!(action, StoreAction::Create | StoreAction::Renew);
        let indeterminate =
            count(&|operation| operation.outcome == Some(Outcome::Info) && births(operation.action));
        format!(
            "memory: the session {} keeps {} operations, because it is not over ({open} open operations, {indeterminate} \
             indeterminate creations or renewals). --session-idle forgets sessions that are not used",
            session.ids[0],
            session.operations.len()
        )
    }

    /// Judges nothing about a session any more, nor about sessions of others that its creators read.
    pub(super) fn lose_session(&mut self, at: u32, event: u64, reason: &str) {
        let mut waiting = vec![at];
        while let Some(at) = waiting.pop() {
            let Some(session) = self.remove_session(at) else { continue };
            self.remember_users(&session);
            self.lost_ids.extend(session.ids.iter().map(|id| fingerprint(id)));
            self.give_up_findings(event, reason, 1, |_| true);
            let creators: FxHashSet<&Arc<str>> = session.creators().collect();
            let sessions =
                (0u32..).zip(&self.sessions).filter_map(|(at, session)| Some((at, session.as_ref()?)));
            let read =
                sessions.filter(|(_, kept)| kept.foreign_readers().any(|user| creators.contains(user)));
            waiting.extend(read.map(|(at, _)| at));
        }
    }

    /// An operation on a forgotten id that may have found the session, or may have created it again.
    pub(super) fn lose_forgotten_id(&mut self, key: &str, event: u64) {
        let why = match self.limits.session_idle_ns {
            None => "",
            Some(_) => ", or had not been used for longer than --session-idle",
        };
        let reason = format!(
            "event {event} uses the session {key}, which was over{why} and has been forgotten. Check the recorded history"
        );
        self.lost_ids.insert(fingerprint(key));
        self.give_up_findings(event, &reason, 1, |_| true);
    }

    /// An id is given to a session that is not kept: what is found under the id cannot be judged.
    pub(super) fn lose_renewed_id(&mut self, key: &str, new_id: &str, event: u64) {
        let reason = format!("event {event} renews {key}, which was forgotten, to {new_id}");
        match self.session_of.get(new_id).copied() {
            Some(at) => self.lose_session(at, event, &reason),
            None => {
                self.lost_ids.extend([fingerprint(key), fingerprint(new_id)]);
                self.give_up_findings(event, &reason, 1, |_| true);
            }
        }
    }

    /// A read returned a value that no kept operation wrote.
    pub(super) fn lose_session_with_forgotten_value(&mut self, key: &str) {
        let event = self.latest_index;
        let reason = format!(
            "a read of the session {key} returned a value that no operation wrote, or that the monitor has forgotten. Check \
             the recorded history"
        );
        match self.session_of.get(key).copied() {
            Some(at) => self.lose_session(at, event, &reason),
            None => self.give_up_findings(event, &reason, 1, |_| true),
        }
    }

    /// A read by a user other than the writer is a leak if the reader has a session. That may have been forgotten.
    pub(super) fn look_for_forgotten_user(&mut self, key: &str, reader: &str, event: u64) {
        if !self.has_forgotten || !(self.forgot_users || self.forgotten_users.contains(&fingerprint(reader)))
        {
            return;
        }
        let Some(&at) = self.session_of.get(key) else { return };
        let session = self.sessions[at as usize].as_ref().expect("a session under a known id");
        if session.has_write_by_others(reader) {
            let reason = format!(
                "event {event} reads the session {key} of another user, and the monitor has forgotten whether the reader \
                 has one of their own"
            );
            self.lose_session(at, event, &reason);
        }
    }

    /// Makes findings unknown from an event on.
    pub(super) fn give_up_findings(
        &mut self,
        event: u64,
        reason: &str,
        sessions: u64,
        concerns: impl Fn(FindingKind) -> bool,
    ) {
        for told in self.findings.iter_mut().filter(|told| concerns(told.kind)) {
            let MonitoredFinding { unknown, .. } = told;
            match unknown {
                Some(known) => known.objects += sessions,
                None => {
                    *unknown = Some(UnknownFrom { event, reason: reason.to_owned(), objects: sessions });
                }
            }
        }
    }
}

/// Whether lists of actions can show the finding.
fn depends_on_actions(kind: FindingKind) -> bool {
    matches!(
        kind,
        FindingKind::DuplicatedAction
            | FindingKind::LostAction
            | FindingKind::StaleSession
            | FindingKind::SessionLeak
            | FindingKind::Unexplained
    )
}
