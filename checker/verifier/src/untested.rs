//! Verifies claims that nothing in a history could have contradicted a property.

use super::Standing;
use super::answers_to_compare::{has_answers_to_compare, has_two_clocks_in_turn};
use super::findings::live::LiveRecord;
use super::recorded_facts::{RecordedFacts, could_show_lost_action};
use super::regularity::overlapped_reads;
use super::sessions::value_read_by;
use super::watch::Watch;
use claims::{FailedCas, FindingKind, IsolationLevel, Level, Property, Question};
use histories::{DeclaredIsolation, Function, History, Id, MicroKind, Operation, Outcome, ValueId};
use std::collections::HashSet;

/// Confirms the claim if no operation ended with an answer that could have been wrong. For findings about sessions, it
/// also confirms the claim if the history did not record what would show the finding.
pub(crate) fn verify_untested(
    history: &History,
    question: &Question,
    property: Property,
    facts: &RecordedFacts<'_>,
    watch: &Watch<'_>,
) -> Standing {
    let observed = |op: &Operation| {
        question.failed_cas == FailedCas::Observes
            && op.outcome == Outcome::Fail
            && op.function == Function::CAS
    };
    let answered = |op: &Operation| {
        op.outcome == Outcome::Ok && (history.version(op.id).is_some() || answer_tells_state(history, op))
    };
    if matches!(property, Property::Finding(kind) if kind.is_shown_by_actors()) {
        return match is_unrecorded(history, question, property, facts) {
            true => Standing::Confirmed,
            false => Standing::Refuted("what was recorded could have contradicted it".to_owned()),
        };
    }
    if matches!(property, Property::Invariant(invariant) if !has_answers_to_compare(history, invariant, watch))
    {
        return Standing::Confirmed;
    }
    if property == Property::Isolation(IsolationLevel::Mixed)
        && is_every_read_uncommitted(history)
        && !is_version_order_restricted(history, question)
        && !is_some_element_read(history)
    {
        return Standing::Confirmed;
    }
    if property == Property::Level(Level::MonotonicWrites)
        && question.asks_monotonic_writes_alone()
        && !is_version_order_restricted(history, question)
    {
        return Standing::Confirmed;
    }
    if question.asks_for_version_orders_alone()
        && !is_version_order_restricted(history, question)
        && !is_some_element_read(history)
    {
        return Standing::Confirmed;
    }
    // A safe register demands nothing of a read that overlaps a write.
    let free = match property {
        Property::Level(Level::Safe) if history.has_real_time() => {
            overlapped_reads(history, |_| false, watch)
        }
        _ => HashSet::new(),
    };
    // It judges single reads, so the version that a store gave to a write says nothing.
    let is_judged = |op: &Operation| property != Property::Level(Level::Safe) || value_read_by(op).is_some();
    let mut answers = history
        .operations()
        .filter(|op| (answered(op) || observed(op)) && is_judged(op) && !free.contains(&op.id));
    let is_created_again = || matches!(property, Property::Finding(_)) && facts.has_two_creations();
    match answers.next() {
        None if is_created_again() && !is_unrecorded(history, question, property, facts) => {
            Standing::Refuted("the second creation of an id could have contradicted it".to_owned())
        }
        None => Standing::Confirmed,
        Some(_) if is_unrecorded(history, question, property, facts) => Standing::Confirmed,
        Some(told) => Standing::Refuted(format!(
            "operation {} could have contradicted it",
            history.operation_index(told.id)
        )),
    }
}

/// Whether each transaction that read something declares that its reads may return anything.
fn is_every_read_uncommitted(history: &History) -> bool {
    let levels = history.declared_isolation_levels();
    let mut readers = history.ids().filter(|&id| {
        let reads = |kind| matches!(kind, MicroKind::Read | MicroKind::ReadList);
        history.outcome(id) == Outcome::Ok && history.micros_of(id).iter().any(|micro| reads(micro.kind))
    });
    readers.all(|id| levels[id.index()] == Some(DeclaredIsolation::ReadUncommitted))
}

/// Whether anything but session order orders two versions of an object.
fn is_version_order_restricted(history: &History, question: &Question) -> bool {
    let orders_versions = |op: &Operation| {
        op.outcome != Outcome::Fail && op.function == Function::CAS || history.version(op.id).is_some()
    };
    question.assume.assumption_names().next().is_some() || history.operations().any(|op| orders_versions(&op))
}

/// Whether some read returned a list with an element.
fn is_some_element_read(history: &History) -> bool {
    let completed = history.ids().filter(|&id| history.outcome(id) == Outcome::Ok);
    let mut lists = completed.flat_map(|id| history.micros_of(id)).filter(|m| m.kind == MicroKind::ReadList);
    lists.any(|read| !history.list(read.list()).is_empty())
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
        Function::ADD | Function::REMOVE | Function::CONTAINS => {
            ["true", "false"].contains(&history.value_text(op.result))
        }
        Function::DEQUEUE | Function::POP | Function::DRAIN => true,
        // The answer of a lock says whether it was free or held.
        Function::ACQUIRE | Function::RELEASE => true,
        _ => op.result != ValueId::NULL || op.function != Function::ACT,
    }
}

/// Whether the history does not record what would show the finding.
fn is_unrecorded(
    history: &History,
    question: &Question,
    property: Property,
    facts: &RecordedFacts<'_>,
) -> bool {
    let Property::Finding(kind) = property else { return false };
    let does = |function| history.ids().any(|id| history.function(id) == function);
    let timed = || history.ids().any(|id| history.invoked_at(id).is_some());
    let expires = question.sessions.time_to_live_ns.is_some();
    match kind {
        FindingKind::ExpiredEarly | FindingKind::ExpiredLate => !expires || !timed(),
        FindingKind::LostWrite => !facts.could_show_lost_write(),
        FindingKind::LostSession => !facts.is_known_session_read() && !facts.has_two_creations(),
        FindingKind::StaleSession => {
            !facts.is_known_session_read() && !facts.has_two_creations() && !facts.has_list_of_actor()
        }
        FindingKind::LostUpdate => !facts.states_bases_of_saves(),
        FindingKind::OldIdAlive => !does(Function::RENEW),
        FindingKind::ResurrectedSession => !does(Function::DESTROY) && !expires,
        FindingKind::LostAction => !facts.has_list_of_actor() || !could_show_lost_action(history),
        FindingKind::DuplicatedAction => !facts.has_list_of_actor(),
        FindingKind::TornSession => {
            let mut reads = history.operations().filter(|op| op.function == Function::READ);
            !reads.any(|op| op.outcome == Outcome::Ok)
        }
        FindingKind::AuditMissing | FindingKind::AuditDuplicated | FindingKind::AuditForged => {
            let mut events = history.actor_events().iter();
            let is_audited = |op: &Operation| {
                [Function::CREATE, Function::DESTROY, Function::RENEW, Function::ACT].contains(&op.function)
            };
            let mut requests = history.operations().filter(is_audited);
            let has_trail = events.any(|event| event.actor == "recorder" && event.function == "audit");
            let could_differ = match kind {
                FindingKind::AuditMissing => requests.any(|op| op.outcome == Outcome::Ok),
                FindingKind::AuditDuplicated => requests.next().is_some(),
                _ => true,
            };
            !has_trail || !could_differ
        }
        FindingKind::DivergentReplicas => !facts.has_two_replicas_of_one_key(),
        FindingKind::ConnectionNotResumed => !LiveRecord::from_history(history).tells_of_losses(),
        FindingKind::LostMessage | FindingKind::DuplicatedMessage => {
            !LiveRecord::from_history(history).tells_of_messages()
        }
        FindingKind::ClockWentBack => !has_two_clocks_in_turn(history),
        _ => false,
    }
}
