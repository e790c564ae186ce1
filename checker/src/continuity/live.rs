//! Checks what the live connections of sessions went through: whether each that was lost was open again, and whether its
//! numbered messages came once each.
//!
//! The actor `live` records what happened to the connection of each session: `open`, `lost`, `resumed`, and at the end
//! `refused` or `out` if a lost connection could not be opened again, or `ended` or `unfinished` if nobody tried to.
//! Each numbered message is an event of its own. Numbers count the messages of one session, without gaps.
//!
//! | finding | the naive way | why it is not enough |
//! | --- | --- | --- |
//! | `connection-not-resumed` | a `lost` without a `resumed` | the session may have ended, or have been lost as well: then the application is right to refuse it. So an operation that began later must find the session, which was created once |
//! | `lost-message` | a number that is not the next one | the message may come late. Only a number that never comes is lost |
//! | `duplicated-message` | a number that is not greater | a late message is no repetition. Only a number that came before is |
//!
//! **Cost.** O(m log m) for m events of live connections, and for each connection that was not resumed the operations on
//! its session.

use super::Judge;
use super::index::{ShownPresence, acknowledged_position, shown_presence};
use claims::{Finding, FindingKind, FindingProof};
use histories::{ActorEvent, Function, History, Id, KeyId, OpId, Outcome, SessionId};
use rustc_hash::FxHashMap;

/// A numbered message: the position of its event, and its number.
type NumberedMessage = (u32, i64);

/// What was recorded of one session's live connection.
#[derive(Default)]
struct LiveTrail {
    /// The losses, each with the next event of the connection that is no message, and the name of that event.
    losses: Vec<(u32, u32, LossEnd)>,
    /// In the order in which they came.
    messages: Vec<NumberedMessage>,
}

/// What became of a lost connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LossEnd {
    /// It was open again.
    Resumed,
    /// It could not be opened again.
    NotResumed,
    /// The session ended, or the recording did.
    Untold,
}

/// Judges all live connections. Returns the kinds about which the history says nothing, or not enough, and why.
pub(super) fn judge_live_connections(judge: &mut Judge<'_>) -> Vec<(FindingKind, String)> {
    let (mut tested, mut undecided, mut numbered) = (false, false, false);
    for (session, trail) in live_trails(judge.facts.history) {
        numbered |= trail.messages.len() > 1;
        judge_messages(judge, &session, &trail.messages);
        for &(lost, end, what) in &trail.losses {
            tested |= what != LossEnd::Untold;
            if what == LossEnd::NotResumed {
                undecided |= !judge_lost_connection(judge, &session, lost, end);
            }
        }
    }
    let mut unrecorded = Vec::new();
    if !tested {
        let why = "no live connection was lost while its session lived on";
        unrecorded.push((FindingKind::ConnectionNotResumed, why.to_owned()));
    } else if undecided {
        let why = "a live connection was not resumed, and no later request shows whether its session existed";
        unrecorded.push((FindingKind::ConnectionNotResumed, why.to_owned()));
    }
    if !numbered {
        let why = "no live connection brought two messages with numbers";
        unrecorded.push((FindingKind::LostMessage, why.to_owned()));
    }
    unrecorded
}

/// Whether some live connection was lost, and it was told whether it was open again.
pub(super) fn has_recorded_losses(history: &History) -> bool {
    let trails = live_trails(history);
    trails.iter().any(|(_, trail)| trail.losses.iter().any(|loss| loss.2 != LossEnd::Untold))
}

/// What was recorded of each session's live connection, in the order of the first events. The session is JSON text, as
/// keys are. Events that name no session, and messages without an integer, say nothing.
fn live_trails(history: &History) -> Vec<(String, LiveTrail)> {
    let mut trails: Vec<(String, LiveTrail)> = Vec::new();
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    // For each session, the position of the loss that was its last event.
    let mut lost: FxHashMap<usize, u32> = FxHashMap::default();
    for event in history.actor_events().iter().filter(|event| event.actor == "live") {
        let Some((session, number)) = parse_live_event(event) else { continue };
        let place = *places.entry(session).or_insert_with_key(|session| {
            trails.push((session.clone(), LiveTrail::default()));
            trails.len() - 1
        });
        let trail = &mut trails[place].1;
        if let Some(number) = number {
            trail.messages.push((event.position, number));
            continue;
        }
        if let Some(position) = lost.remove(&place) {
            let end = match event.function.as_str() {
                "resumed" => LossEnd::Resumed,
                "refused" | "out" => LossEnd::NotResumed,
                _ => LossEnd::Untold,
            };
            trail.losses.push((position, event.position, end));
        }
        if event.function == "lost" {
            lost.insert(place, event.position);
        }
    }
    trails
}

/// The session of an event, as JSON text, and the number if it is a message.
fn parse_live_event(event: &ActorEvent) -> Option<(String, Option<i64>)> {
    let (session, number) = match event.function.as_str() {
        "message" => {
            let (session, number) = serde_json::from_str::<(String, i64)>(&event.value).ok()?;
            (session, Some(number))
        }
        _ => (serde_json::from_str::<String>(&event.value).ok()?, None),
    };
    Some((serde_json::Value::from(session).to_string(), number))
}

/// Judges a lost connection that was not open again at `end`. Returns whether it could be decided: an operation that
/// began later shows whether the session existed, or an operation may have ended it.
fn judge_lost_connection(judge: &mut Judge<'_>, session: &str, lost: u32, end: u32) -> bool {
    let history = judge.facts.history;
    let Some(key) = history.keys.get(session) else { return false };
    let members = judge.facts.index.members(judge.facts.index.component_of(key));
    let counts = |id: &OpId| history.outcome(*id) != Outcome::Fail;
    let ends = |id: &OpId| {
        history.key(*id) == key && matches!(history.function(*id), Function::DESTROY | Function::RENEW)
    };
    let began_before = |id: OpId, position: u32| history.invocation_position(id) < position;
    if members.iter().filter(|id| counts(id) && ends(id)).any(|&id| began_before(id, end)) {
        return true;
    }
    let [birth] = judge.facts.index.births[key.index()][..] else { return false };
    if acknowledged_position(history, birth) > lost {
        return false;
    }
    let later = members.iter().copied().filter(|&id| history.key(id) == key && !began_before(id, end));
    let later: Vec<OpId> = later.collect();
    let shows = |id: &OpId, presence| shown_presence(history, *id) == presence;
    let found = |id: &OpId| shows(id, ShownPresence::There) && !judge.is_excluded(*id);
    let Some(alive) = later.iter().copied().find(found) else {
        // Even if that should not have been so: a lost session is a finding of its own, and its connection went with it.
        return later.iter().any(|id| shows(id, ShownPresence::Gone));
    };
    let proof = FindingProof::NotResumed { alive };
    let events = vec![end, lost];
    record_live_finding(judge, FindingKind::ConnectionNotResumed, session, vec![alive], events, proof);
    true
}

/// Finds the numbers that never came, and those that came again. O(m log m).
fn judge_messages(judge: &mut Judge<'_>, session: &str, messages: &[NumberedMessage]) {
    let Some(&(_, base)) = messages.first() else { return };
    // The place in the list at which each number came first.
    let mut first_place: FxHashMap<i64, usize> = FxHashMap::default();
    // The repetition that goes on: the first number, its place and the last number.
    let mut again: Option<(i64, usize, i64)> = None;
    let mut repetitions = Vec::new();
    for (place, &(_, number)) in messages.iter().enumerate() {
        let is_repeated = first_place.contains_key(&number);
        first_place.entry(number).or_insert(place);
        again = match again {
            Some((first, at, last)) if is_repeated && last.checked_add(1) == Some(number) => {
                Some((first, at, number))
            }
            other => {
                repetitions.extend(other);
                is_repeated.then_some((number, place, number))
            }
        };
    }
    repetitions.extend(again);
    for (first, place, last) in repetitions {
        let proof = FindingProof::BroughtAgain { first, last };
        let events = vec![messages[place].0, messages[first_place[&first]].0];
        record_live_finding(judge, FindingKind::DuplicatedMessage, session, Vec::new(), events, proof);
    }
    let mut numbers: Vec<i64> = first_place.keys().copied().filter(|&number| number >= base).collect();
    numbers.sort_unstable();
    // For each number from the last one down, the place of the first message that has it or a higher one.
    let mut earliest = vec![usize::MAX; numbers.len()];
    let mut least = usize::MAX;
    for (at, number) in numbers.iter().enumerate().rev() {
        least = least.min(first_place[number]);
        earliest[at] = least;
    }
    for (at, pair) in numbers.windows(2).enumerate().filter(|(_, pair)| pair[0] + 1 < pair[1]) {
        // All messages before that one have lower numbers than those that are missing, and there is one: the first.
        let after = earliest[at + 1];
        let proof = FindingProof::Skipped { first: pair[0] + 1, last: pair[1] - 1 };
        let events = vec![messages[after].0, messages[after - 1].0];
        record_live_finding(judge, FindingKind::LostMessage, session, Vec::new(), events, proof);
    }
}

fn record_live_finding(
    judge: &mut Judge<'_>,
    kind: FindingKind,
    session: &str,
    operations: Vec<OpId>,
    events: Vec<u32>,
    proof: FindingProof,
) {
    let history = judge.facts.history;
    let key = history.keys.get(session);
    let owner = key.and_then(|key| judge.facts.session_owner(judge.facts.index.component_of(key)));
    let faults = judge.facts.faults.active_between(events[1], events[0]);
    let key = key.unwrap_or(KeyId::NONE);
    let session = owner.unwrap_or(SessionId::from_raw(0));
    judge.findings.push(Finding { kind, key, session, operations, events, faults, proof });
}
