//! The operations of fault injectors: one or two events of an injector, joined.

use super::names::{fault_kind, is_heal, is_jepsen_name};
use super::{FaultEvent, FaultMoment, OBSERVERS};
use crate::{ActorEvent, History};
use rustc_hash::FxHashMap;
use serde_json::Value;

/// One operation of an injector, which is a strike or an end, with its one or two events.
pub(super) struct InjectorOperation<'a> {
    pub(super) actor: &'a str,
    pub(super) name: &'a str,
    pub(super) kind: &'a str,
    pub(super) first: FaultEvent,
    pub(super) last: FaultEvent,
    pub(super) targets: Vec<String>,
    /// The value of the operation as JSON.
    pub(super) value: &'a str,
    /// Its error as JSON, if it failed.
    pub(super) error: Option<String>,
}

/// How many events an actor writes for each of its operations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LoggingHabit {
    /// One event each.
    Once,
    /// Two events each, one after the other.
    Twice,
    /// Two events for operations with Jepsen's names, one for others.
    ByName,
}

/// An operation that a later event may complete.
struct PendingOperation {
    telling: usize,
    /// Whether its event is an `invoke`. Then any completion of the same name belongs to it.
    invoked: bool,
}

impl InjectorOperation<'_> {
    pub(super) fn moment(&self) -> FaultMoment {
        FaultMoment { first: self.first, last: self.last }
    }
}

/// The operations of a history's injectors, in the order in which they began.
pub(super) fn read_injector_operations(history: &History) -> Vec<InjectorOperation<'_>> {
    let habits = detect_habits(history);
    let mut tellings: Vec<InjectorOperation<'_>> = Vec::new();
    let mut pending: FxHashMap<&str, PendingOperation> = FxHashMap::default();
    for (at, event) in injector_events(history) {
        let (actor, name) = (event.actor.as_str(), event.function.as_str());
        let before = pending.remove(actor).filter(|before| {
            let same = tellings[before.telling].name == name && event.kind != "invoke";
            let twice = match habits[actor] {
                LoggingHabit::Once => false,
                LoggingHabit::Twice => true,
                LoggingHabit::ByName => is_jepsen_name(name),
            };
            same && (before.invoked || twice)
        });
        let Some(before) = before else {
            pending
                .insert(actor, PendingOperation { telling: tellings.len(), invoked: event.kind == "invoke" });
            tellings.push(begin_operation(history, at, event));
            continue;
        };
        let telling = &mut tellings[before.telling];
        telling.last = FaultEvent::from_actor_event(at, event);
        telling.error = telling.error.take().or_else(|| event_error(history, event));
        if event.value != "null" {
            telling.value = &event.value;
        }
        // The completion may return a report in prose, and the invocation may say only "a majority".
        let found = parse_targets(&event.value);
        if !found.is_empty() {
            telling.targets = found;
        }
    }
    tellings
}

fn begin_operation<'a>(history: &History, at: usize, event: &'a ActorEvent) -> InjectorOperation<'a> {
    let moment = FaultEvent::from_actor_event(at, event);
    InjectorOperation {
        actor: &event.actor,
        name: &event.function,
        kind: fault_kind(&event.function),
        first: moment,
        last: moment,
        targets: parse_targets(&event.value),
        value: &event.value,
        error: event_error(history, event),
    }
}

/// The events of fault injectors, with their indexes among the events of actors.
fn injector_events(history: &History) -> impl Iterator<Item = (usize, &ActorEvent)> {
    let events = history.actor_events().iter().enumerate();
    events.filter(|(_, event)| !OBSERVERS.contains(&event.actor.as_str()))
}

/// Determines how many events each actor writes for one operation.
///
/// A recording of this project has one event for each operation; its header says `gapless`. For other histories the
/// events decide. If an actor's events come in pairs of one name from first to last, and no pair names two different
/// sets of nodes, then each operation has two events. `kill n1, kill n2, heal-kill n1, heal-kill n2` is four
/// operations, because its pairs name different nodes.
fn detect_habits(history: &History) -> FxHashMap<&str, LoggingHabit> {
    let is_recording = history.header().is_some_and(|header| {
        let fields: Value = serde_json::from_str(header).unwrap_or_default();
        fields["gapless"] == true
    });
    let mut of_actor: FxHashMap<&str, Vec<&ActorEvent>> = FxHashMap::default();
    for (_, event) in injector_events(history).filter(|(_, event)| event.kind != "invoke") {
        of_actor.entry(&event.actor).or_default().push(event);
    }
    // The default, for actors that have only invocations.
    let mut habits: FxHashMap<&str, LoggingHabit> =
        injector_events(history).map(|(_, event)| (event.actor.as_str(), LoggingHabit::Once)).collect();
    for (actor, events) in of_actor.into_iter().filter(|_| !is_recording) {
        let is_pair = |pair: &[&ActorEvent]| match pair {
            [first, second] => first.function == second.function && !name_different_nodes(first, second),
            _ => true,
        };
        let habit = if events.len() > 1 && events.chunks(2).all(is_pair) {
            LoggingHabit::Twice
        } else if events.iter().any(|event| is_heal(&event.function)) {
            LoggingHabit::Once
        } else {
            LoggingHabit::ByName
        };
        habits.insert(actor, habit);
    }
    habits
}

/// Whether both events name nodes, and different ones. Operations with Jepsen's own names are exempt, because their
/// completions are reports such as `"killed"`.
fn name_different_nodes(first: &ActorEvent, second: &ActorEvent) -> bool {
    let (one, other) = (parse_listed_names(&first.value), parse_listed_names(&second.value));
    !is_jepsen_name(&first.function) && !one.is_empty() && !other.is_empty() && one != other
}

/// The nodes that a value names: a string without spaces, a list of such strings, or the keys of an object, alone or
/// as the last item of a list (`["isolated", {"n1": […]}]`).
fn parse_targets(value: &str) -> Vec<String> {
    let listed = parse_listed_names(value);
    if !listed.is_empty() {
        return listed;
    }
    let keys = |map: serde_json::Map<String, Value>| map.into_iter().map(|(key, _)| key).collect();
    match serde_json::from_str(value) {
        Ok(Value::Object(map)) => keys(map),
        Ok(Value::Array(mut items)) => match items.pop() {
            Some(Value::Object(map)) if items.iter().all(Value::is_string) => keys(map),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The names in a value that is one name or a list of names.
fn parse_listed_names(value: &str) -> Vec<String> {
    let is_name = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
    match serde_json::from_str(value) {
        Ok(Value::String(name)) if is_name(&name) => vec![name],
        Ok(Value::Array(items)) if items.iter().all(|item| item.as_str().is_some_and(is_name)) => {
            items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

/// The error of an injector's event: its field `error`, or Jepsen's `exception`, or the value of a `fail`.
fn event_error(history: &History, event: &ActorEvent) -> Option<String> {
    let fields: Option<Value> =
        history.note(event.position).and_then(|note| serde_json::from_str(&note.fields).ok());
    let noted = fields.as_ref().and_then(|fields| fields.get("error").or_else(|| fields.get("exception")));
    let noted = noted.filter(|error| !error.is_null()).map(Value::to_string);
    noted.or_else(|| (event.kind == "fail").then(|| event.value.clone()))
}
