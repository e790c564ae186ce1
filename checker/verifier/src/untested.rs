//! Verifies claims that nothing in a history could have contradicted a property.

use super::Standing;
use super::findings::live::LiveRecord;
use super::regularity::overlapped_reads;
use super::sessions::value_read_by;
use super::watch::Watch;
use claims::{FailedCas, FindingKind, Invariant, Level, Property, Question};
use histories::{ActorEvent, Function, History, MicroKind, Operation, Outcome, ValueId};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Confirms the claim if no operation ended with an answer that could have been wrong. For findings about sessions, it
/// also confirms the claim if the history did not record what would show the finding.
pub(crate) fn verify_untested(
    history: &History,
    question: &Question,
    property: Property,
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
        return match is_unrecorded(history, question, property) {
            true => Standing::Confirmed,
            false => Standing::Refuted("what was recorded could have contradicted it".to_owned()),
        };
    }
    if matches!(property, Property::Invariant(invariant) if !has_answers_to_compare(history, invariant)) {
        return Standing::Confirmed;
    }
    if property == Property::Level(Level::MonotonicWrites)
        && question.asks_monotonic_writes_alone()
        && !is_version_order_restricted(history, question)
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
    let is_created_again = || matches!(property, Property::Finding(_)) && has_two_creations(history);
    match answers.next() {
        None if is_created_again() && !is_unrecorded(history, question, property) => {
            Standing::Refuted("the second creation of an id could have contradicted it".to_owned())
        }
        None => Standing::Confirmed,
        Some(_) if is_unrecorded(history, question, property) => Standing::Confirmed,
        Some(told) => Standing::Refuted(format!(
            "operation {} could have contradicted it",
            history.operation_index(told.id)
        )),
    }
}

/// Whether two operations ended `ok` whose answers the invariant compares with each other.
fn has_answers_to_compare(history: &History, invariant: Invariant) -> bool {
    let is_compared = |op: &Operation| match invariant {
        Invariant::UniqueIds => op.function == Function::GENERATE,
        Invariant::LongFork => matches!(op.function, Function::READ | Function::TXN),
        Invariant::Monotonic => op.function == Function::READ,
        _ => true,
    };
    if !matches!(invariant, Invariant::UniqueIds | Invariant::LongFork | Invariant::Monotonic) {
        return true;
    }
    let mut counts: HashMap<(u32, u32), u32> = HashMap::new();
    for op in history.operations().filter(|op| op.outcome == Outcome::Ok && is_compared(op)) {
        let session = if invariant == Invariant::Monotonic { op.session.raw() } else { 0 };
        *counts.entry((op.key.raw(), session)).or_default() += 1;
    }
    counts.into_values().any(|count| count > 1)
}

/// Whether anything but session order orders two versions of an object.
fn is_version_order_restricted(history: &History, question: &Question) -> bool {
    let orders_versions = |op: &Operation| {
        op.outcome != Outcome::Fail && op.function == Function::CAS || history.version(op.id).is_some()
    };
    question.assume.assumption_names().next().is_some() || history.operations().any(|op| orders_versions(&op))
}

/// Whether an acknowledged creation of an id follows another one that did not fail.
fn has_two_creations(history: &History) -> bool {
    let creations =
        || history.operations().filter(|op| op.function == Function::CREATE && op.outcome != Outcome::Fail);
    let mut first: HashMap<u32, u32> = HashMap::new();
    for op in creations() {
        let earliest = first.entry(op.key.raw()).or_insert(op.invoked);
        *earliest = op.invoked.min(*earliest);
    }
    creations().any(|op| op.outcome == Outcome::Ok && first[&op.key.raw()] < op.invoked)
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
fn is_unrecorded(history: &History, question: &Question, property: Property) -> bool {
    let Property::Finding(kind) = property else { return false };
    let does = |function| history.ids().any(|id| history.function(id) == function);
    let settled = || {
        let mut events = history.actor_events().iter();
        events.any(|event| event.actor == "recorder" && event.function == "settled")
    };
    let timed = || history.ids().any(|id| history.invoked_at(id).is_some());
    let expires = question.sessions.time_to_live_ns.is_some();
    match kind {
        FindingKind::ExpiredEarly | FindingKind::ExpiredLate => !expires || !timed(),
        FindingKind::LostWrite => !settled() || !is_read_after_settling(history),
        FindingKind::LostUpdate => {
            let writes = || history.operations().filter(|op| op.function == Function::WRITE);
            match history.header() {
                Some(_) => !writes().any(|op| names_known_base(history, &op)),
                // Every write of a whole session must follow a read by the same process.
                None => writes().count() == 0 || !every_write_follows_a_read(history),
            }
        }
        FindingKind::OldIdAlive => !does(Function::RENEW),
        FindingKind::ResurrectedSession => !does(Function::DESTROY) && !expires,
        FindingKind::LostAction => !has_list_of_actor(history),
        FindingKind::DuplicatedAction => {
            let mut lists = history.operations().filter(|op| op.function == Function::ACTIONS);
            !lists.any(|op| op.outcome == Outcome::Ok)
        }
        FindingKind::AuditMissing | FindingKind::AuditDuplicated | FindingKind::AuditForged => {
            let mut events = history.actor_events().iter();
            !events.any(|event| event.actor == "recorder" && event.function == "audit")
        }
        FindingKind::DivergentReplicas => !has_two_replicas_of_one_key(history),
        FindingKind::ConnectionNotResumed => !LiveRecord::from_history(history).tells_of_losses(),
        FindingKind::LostMessage | FindingKind::DuplicatedMessage => {
            !LiveRecord::from_history(history).tells_of_messages()
        }
        FindingKind::ClockWentBack => {
            let mut told = history.operations().filter(|op| op.outcome == Outcome::Ok);
            !told.any(|op| history.note_number(op.completed, "clock").is_some())
        }
        _ => false,
    }
}

/// Whether a save says from which version it was made, and that version is one of the history.
fn names_known_base(history: &History, save: &Operation) -> bool {
    let note = history.note(save.invoked);
    let fields: Option<Value> = note.and_then(|note| serde_json::from_str(&note.fields).ok());
    let base = fields.and_then(|fields| fields.get("based_on").map(Value::to_string));
    base.is_some_and(|base| history.values.get(&base).is_some())
}

/// Whether two replicas answered about one key.
pub(crate) fn has_two_replicas_of_one_key(history: &History) -> bool {
    let answers = history.actor_events().iter().filter(|event| event.actor == "replica");
    let mut nodes: HashMap<String, HashSet<String>> = HashMap::new();
    for [node, key, _] in answers.filter_map(|event| replica_answer(history, event)) {
        nodes.entry(key.to_string()).or_default().insert(node.to_string());
    }
    nodes.values().any(|nodes| nodes.len() > 1)
}

/// The node, the key and the value of an answer of a replica.
fn replica_answer(history: &History, event: &ActorEvent) -> Option<[Value; 3]> {
    let note = history.note(event.position);
    let fields: Option<Value> = note.and_then(|note| serde_json::from_str(&note.fields).ok());
    let is_error = fields.is_some_and(|fields| fields.get("error").is_some());
    if is_error { None } else { serde_json::from_str(&event.value).ok() }
}

/// Whether a session was read with success by an operation that began after the store had settled.
pub(crate) fn is_read_after_settling(history: &History) -> bool {
    let mut events = history.actor_events().iter();
    let settled = events.find(|event| event.actor == "recorder" && event.function == "settled");
    settled.is_some_and(|settled| {
        history.operations().any(|op| {
            op.function == Function::READ && op.outcome == Outcome::Ok && op.invoked > settled.position
        })
    })
}

/// Whether a list of actions was returned for a user after that user had begun to request an action.
pub(crate) fn has_list_of_actor(history: &History) -> bool {
    let mut acting: HashSet<&str> = HashSet::new();
    let mut events: Vec<(u32, Operation)> = Vec::new();
    for op in history.operations() {
        match (op.function, op.outcome) {
            (Function::ACT, _) => events.push((op.invoked, op)),
            (Function::ACTIONS, Outcome::Ok) => events.push((op.completed, op)),
            _ => {}
        }
    }
    events.sort_unstable_by_key(|event| event.0);
    events.iter().any(|(_, op)| {
        if op.function == Function::ACT {
            acting.insert(history.sessions.text(op.session));
            return false;
        }
        acting.contains(history.keys.text(op.key))
    })
}

/// Whether each write of a whole session directly follows, in its process and on its object, a read that returned
/// something. O(n).
pub(crate) fn every_write_follows_a_read(history: &History) -> bool {
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
