//! Checks what a history must record before it can show that there are no findings of some kinds.

use super::Examination;
use crate::findings::live::LiveRecord;
use ::claims::FindingKind;
use histories::{ActorEvent, Function, History};

/// The kinds that depend on knowing which operation wrote a value.
const OF_VALUES: &[FindingKind] = &[
    FindingKind::LostWrite,
    FindingKind::StaleSession,
    FindingKind::SessionLeak,
    FindingKind::TornSession,
    FindingKind::Unexplained,
];

impl Examination<'_> {
    /// Reports the kinds about which this history says nothing. O(n).
    pub(super) fn report_unrecorded_kinds(&self) {
        let (history, facts) = (self.survey.history, self.survey.facts);
        let does = |function| history.ids().any(|id| history.function(id) == function);
        let expires = self.survey.question.time_to_live_ns.is_some();
        let lacks = |lacking: bool, kinds: &[FindingKind], why: &str| {
            if lacking {
                self.report_undecided(kinds, why);
            }
        };
        let expiry = [FindingKind::ExpiredEarly, FindingKind::ExpiredLate];
        lacks(!expires, &expiry, "no time to live was told");
        let timed = history.ids().any(|id| history.invoked_at(id).is_some());
        lacks(expires && !timed, &expiry, "the history has no times");
        let settled = find_recorder_event(history, "settled").is_some();
        lacks(!settled, &[FindingKind::LostWrite], "nothing says that the store had settled");
        let replaced = "no read after the store had settled was of a session with a replaced version";
        lacks(!facts.could_show_lost_write(), &[FindingKind::LostWrite], replaced);
        let known = facts.is_known_session_read() || facts.has_two_creations();
        lacks(!known, &[FindingKind::LostSession], "no session was read under an id that was given out");
        let listed = known || facts.has_list_of_actor();
        lacks(!listed, &[FindingKind::StaleSession], "no session was read under an id that was given out");
        lacks(!does(Function::RENEW), &[FindingKind::OldIdAlive], "the history has no renewal");
        let ended = does(Function::DESTROY) || expires;
        lacks(!ended, &[FindingKind::ResurrectedSession], "no operation ended a session");
        let of_actor = facts.has_list_of_actor();
        lacks(!of_actor, &[FindingKind::LostAction], "no list was read of a user who had acted");
        let actions = [FindingKind::DuplicatedAction, FindingKind::LostAction];
        lacks(
            self.acknowledged_operations(Function::ACTIONS).is_empty(),
            &actions,
            "no list of actions was read",
        );
        let clocks = history.operations().any(|op| self.reported_clock(&op).is_some());
        lacks(!clocks, &[FindingKind::ClockWentBack], "no answer carries a clock");
        let trail = events_of_actor(history, "audit").count();
        let whole = find_recorder_event(history, "audit").is_some_and(|told| told.value.parse() == Ok(trail));
        let audit = [FindingKind::AuditMissing, FindingKind::AuditDuplicated, FindingKind::AuditForged];
        lacks(!whole, &audit, "no audit trail was recorded, or not all of it");
        let replicas = facts.has_two_replicas_of_one_key();
        lacks(!replicas, &[FindingKind::DivergentReplicas], "no two replicas were asked for the same key");
        let live = LiveRecord::from_history(history);
        let losses = "no live connection was lost while its session lived on";
        lacks(!live.tells_of_losses(), &[FindingKind::ConnectionNotResumed], losses);
        let messages = [FindingKind::LostMessage, FindingKind::DuplicatedMessage];
        lacks(!live.tells_of_messages(), &messages, "no live connection brought two messages with numbers");
        let twice = (0..self.survey.writers.len()).any(|value| self.survey.writers.of(value).len() > 1);
        lacks(twice, OF_VALUES, "a value was written more than once, so reads do not tell who wrote it");
    }

    /// The time that an answer reports.
    pub(super) fn reported_clock(&self, op: &histories::Operation) -> Option<i64> {
        let completed = (op.outcome == histories::Outcome::Ok).then_some(op.completed)?;
        self.survey.history.note_number(completed, "clock")
    }
}

fn events_of_actor<'a>(history: &'a History, actor: &'static str) -> impl Iterator<Item = &'a ActorEvent> {
    history.actor_events().iter().filter(move |event| event.actor == actor)
}

fn find_recorder_event<'a>(history: &'a History, function: &str) -> Option<&'a ActorEvent> {
    events_of_actor(history, "recorder").find(|event| event.function == function)
}
