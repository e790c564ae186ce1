//! Verifies claims that nothing in a history could have contradicted a property.

use super::Standing;
use claims::{FailedCas, FindingKind, Property, Question};
use histories::{Function, History, MicroKind, Operation, Outcome, ValueId};
use std::collections::HashMap;

/// Confirms the claim if no operation ended with an answer that could have been wrong. For findings about sessions, it
/// also confirms the claim if the history did not record what would show the finding.
pub(crate) fn verify_untested(history: &History, question: &Question, property: Property) -> Standing {
    let observed = |op: &Operation| {
        question.failed_cas == FailedCas::Observes
            && op.outcome == Outcome::Fail
            && op.function == Function::CAS
    };
    let answered = |op: &Operation| {
        op.outcome == Outcome::Ok && (history.version(op.id).is_some() || answer_tells_state(history, op))
    };
    let by_actors = matches!(
        property,
        Property::Finding(
            FindingKind::AuditMissing
                | FindingKind::AuditDuplicated
                | FindingKind::AuditForged
                | FindingKind::DivergentReplicas
        )
    );
    if by_actors {
        return match is_unrecorded(history, question, property) {
            true => Standing::Confirmed,
            false => Standing::Refuted("what was recorded could have contradicted it".to_owned()),
        };
    }
    let mut answers = history.operations().filter(|op| answered(op) || observed(op));
    match answers.next() {
        None => Standing::Confirmed,
        Some(_) if is_unrecorded(history, question, property) => Standing::Confirmed,
        Some(told) => Standing::Refuted(format!(
            "operation {} could have contradicted it",
            history.operation_index(told.id)
        )),
    }
}

/// Whether the answer of an operation says something about the state.
fn answer_tells_state(history: &History, op: &Operation) -> bool {
    match op.function {
        Function::TXN => {
            let reads = |kind| matches!(kind, MicroKind::Read | MicroKind::ReadList);
            history.micros_of(op.id).iter().any(|micro| reads(micro.kind))
        }
        Function::WRITE | Function::PUT | Function::APPEND | Function::DELETE => false,
        Function::ENQUEUE | Function::PUSH | Function::INSERT => false,
        Function::INC | Function::CREATE | Function::TRANSFER => false,
        Function::ADD | Function::REMOVE => ["true", "false"].contains(&history.value_text(op.result)),
        Function::DEQUEUE | Function::POP | Function::DRAIN => true,
        // The answer of a lock says whether it was free or held.
        Function::ACQUIRE | Function::RELEASE => true,
        _ => op.result != ValueId::NULL || op.function != Function::ACT,
    }
}

/// Whether the history does not record what would show the finding.
fn is_unrecorded(history: &History, question: &Question, property: Property) -> bool {
    let Property::Finding(kind) = property else { return false };
    let does = |function| history.ids().any(|id| history.function(id) == function);
    let actor = |name: &str| history.actor_events().iter().any(|event| event.actor == name);
    let settled = || {
        let mut events = history.actor_events().iter();
        events.any(|event| event.actor == "recorder" && event.function == "settled")
    };
    let timed = || history.ids().any(|id| history.invoked_at(id).is_some());
    let expires = question.sessions.time_to_live_ns.is_some();
    match kind {
        FindingKind::ExpiredEarly | FindingKind::ExpiredLate => !expires || !timed(),
        FindingKind::LostWrite => !settled(),
        FindingKind::LostUpdate => {
            let writes = || history.operations().filter(|op| op.function == Function::WRITE);
            let told = |op: Operation| {
                history.note(op.invoked).is_some_and(|note| note.fields.contains("\"based_on\""))
            };
            match history.header() {
                Some(_) => !writes().any(told),
                // Every write of a whole session must follow a read by the same process.
                None => writes().count() == 0 || !every_write_follows_a_read(history),
            }
        }
        FindingKind::OldIdAlive => !does(Function::RENEW),
        FindingKind::ResurrectedSession => !does(Function::DESTROY) && !expires,
        FindingKind::LostAction | FindingKind::DuplicatedAction => {
            !does(Function::ACTIONS) || !does(Function::ACT)
        }
        FindingKind::AuditMissing | FindingKind::AuditDuplicated | FindingKind::AuditForged => {
            let mut events = history.actor_events().iter();
            !events.any(|event| event.actor == "recorder" && event.function == "audit")
        }
        FindingKind::DivergentReplicas => !actor("replica"),
        FindingKind::ClockWentBack => {
            let mut told = history.operations().filter(|op| op.outcome == Outcome::Ok);
            !told.any(|op| history.note(op.completed).is_some_and(|note| note.fields.contains("\"clock\"")))
        }
        _ => false,
    }
}

/// Whether each write of a whole session directly follows, in its process and on its object, a read that returned
/// something. O(n).
fn every_write_follows_a_read(history: &History) -> bool {
    let mut read_last: HashMap<(u32, u32), bool> = HashMap::new();
    for op in history.operations() {
        let returned = op.outcome == Outcome::Ok && op.result != ValueId::NULL;
        let now = op.function == Function::READ && returned;
        let before = read_last.insert((op.process.raw(), op.key.raw()), now);
        if op.function == Function::WRITE && before != Some(true) {
            return false;
        }
    }
    true
}
