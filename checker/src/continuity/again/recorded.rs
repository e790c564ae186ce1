//! What a history has to have for it to say anything that nothing of some kind was found.

use super::Look;
use crate::continuity::Kind;
use histories::{ActorEvent, Function, History};
use serde_json::Value;

/// The kinds for which it counts who wrote a value.
const OF_VALUES: &[Kind] =
    &[Kind::LostWrite, Kind::StaleSession, Kind::SessionLeak, Kind::TornSession, Kind::Unexplained];

impl Look<'_> {
    /// Says of which kinds nothing can be said. O(n).
    pub(super) fn recorded(&self) {
        let history = self.history;
        let does = |function| history.ids().any(|id| history.function(id) == function);
        let expires = self.question.time_to_live_ns.is_some();
        let lacks = |lacking: bool, kinds: &[Kind], why: &str| {
            if lacking {
                self.cannot_tell(kinds, why);
            }
        };
        let expiry = [Kind::ExpiredEarly, Kind::ExpiredLate];
        lacks(!expires, &expiry, "no time to live was told");
        let timed = history.ids().any(|id| history.invoked_at(id).is_some());
        lacks(expires && !timed, &expiry, "the events have no times");
        let settled = told_by_recorder(history, "settled").is_some();
        lacks(!settled, &[Kind::LostWrite], "nothing says that the store had settled");
        lacks(!does(Function::RENEW), &[Kind::OldIdAlive], "no id was renewed");
        let ended = does(Function::DESTROY) || expires;
        lacks(!ended, &[Kind::ResurrectedSession], "no session was ended");
        let actions = [Kind::DuplicatedAction, Kind::LostAction];
        lacks(self.done(Function::ACTIONS).is_empty(), &actions, "no list of actions was read");
        let clocks = history.operations().any(|op| self.clock(&op).is_some());
        lacks(!clocks, &[Kind::ClockWentBack], "no answer carries a clock");
        // Which save was made from which version is not looked at a second time.
        self.cannot_tell(&[Kind::LostUpdate], "saves and what they were made from are looked at once only");
        let trail = events_of(history, "audit").count();
        let whole = told_by_recorder(history, "audit").is_some_and(|told| told.value.parse() == Ok(trail));
        let audit = [Kind::AuditMissing, Kind::AuditDuplicated, Kind::AuditForged];
        lacks(!whole, &audit, "no audit trail was recorded, or not all of it");
        let replicas = events_of(history, "replica").count();
        lacks(replicas == 0, &[Kind::DivergentReplicas], "no replica was read by itself");
        let twice = self.writers.values().any(|writers| writers.len() > 1);
        lacks(twice, OF_VALUES, "a value was written more than once, so reads do not tell who wrote it");
    }

    /// The clock of whoever gave an answer.
    pub(super) fn clock(&self, op: &histories::Operation) -> Option<i64> {
        let completed = (op.outcome == histories::Outcome::Ok).then_some(op.completed)?;
        let fields: Value = serde_json::from_str(self.history.note(completed)?.fields).ok()?;
        fields.get("clock")?.as_i64()
    }
}

fn events_of<'a>(history: &'a History, actor: &'static str) -> impl Iterator<Item = &'a ActorEvent> {
    history.actor_events().iter().filter(move |event| event.actor == actor)
}

fn told_by_recorder<'a>(history: &'a History, function: &str) -> Option<&'a ActorEvent> {
    events_of(history, "recorder").find(|event| event.function == function)
}
