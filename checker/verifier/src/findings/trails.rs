//! Checks findings about audit trails and replicas.

use super::{FindingCheck, Mismatch, SessionRecord, belong_to_one_session, ensure, equals_json};
use ::claims::{Finding, FindingKind, FindingProof};
use histories::{ActorEvent, Function, OpId, Operation, Outcome};
use serde_json::Value;
use std::collections::HashMap;

pub(super) fn check_trail_finding(record: &SessionRecord<'_>, finding: &Finding) -> FindingCheck {
    match &finding.proof {
        FindingProof::Entries { found, acknowledged, possible } => {
            check_entry_counts(record, finding, [*found, *acknowledged, *possible])
        }
        FindingProof::OutOfOrder { first, second } => {
            check_entries_out_of_order(record, finding, [*first, *second])
        }
        FindingProof::Differ { one, other } => check_replicas_differ(record, finding, [one, other]),
        _ => Err(Mismatch("evidence of another kind".to_owned())),
    }
}

fn actor_event_at<'a>(record: &SessionRecord<'a>, position: u32) -> Result<&'a ActorEvent, Mismatch> {
    let events = record.history.actor_events();
    let at = events.binary_search_by_key(&position, |event| event.position);
    at.map(|at| &events[at]).map_err(|_| Mismatch(format!("there is no actor's event at {position}")))
}

/// Identifies an audited event: the name of the operation, the id of the session, and the value.
type AuditedEventName = (String, String, String);

/// The requests for audited events and the entries of the audit trail.
#[derive(Default)]
pub(super) struct AuditTrail {
    /// By event: its requests, and the positions of its entries.
    events: HashMap<AuditedEventName, (Vec<OpId>, Vec<u32>)>,
}

impl AuditTrail {
    fn from_record(record: &SessionRecord<'_>) -> Self {
        let mut trail = AuditTrail::default();
        for op in record.history.operations() {
            if let Some(name) = name_of_request(record, &op) {
                trail.events.entry(name).or_default().0.push(op.id);
            }
        }
        for event in record.history.actor_events() {
            if let Some(name) = name_of_entry(event) {
                trail.events.entry(name).or_default().1.push(event.position);
            }
        }
        trail
    }
}

fn name_of_request(record: &SessionRecord<'_>, op: &Operation) -> Option<AuditedEventName> {
    let value = match op.function {
        Function::CREATE | Function::DESTROY => "null",
        Function::RENEW | Function::ACT => record.history.value_text(op.value()),
        _ => return None,
    };
    let key = record.history.keys.text(op.key);
    Some((record.history.function_name(op.function).to_owned(), key.to_owned(), value.to_owned()))
}

fn name_of_entry(event: &ActorEvent) -> Option<AuditedEventName> {
    let [key, value]: [Value; 2] = serde_json::from_str(&event.value).ok()?;
    (event.actor == "audit").then(|| (event.function.clone(), key.to_string(), value.to_string()))
}

/// Finds the event of a request or of an entry, with all its requests and all its entries.
fn find_audited_event<'r>(
    record: &'r SessionRecord<'_>,
    request: Option<OpId>,
    entry: Option<u32>,
) -> Result<&'r (Vec<OpId>, Vec<u32>), Mismatch> {
    let trail = record.trail.get_or_init(|| AuditTrail::from_record(record));
    let name = match (request, entry) {
        (Some(id), _) => name_of_request(record, &record.operation(id)),
        (None, Some(position)) => name_of_entry(actor_event_at(record, position)?),
        (None, None) => None,
    };
    let known = name.and_then(|name| trail.events.get(&name));
    known.ok_or_else(|| Mismatch("it is about no event that belongs into the trail".to_owned()))
}

fn check_entry_counts(
    record: &SessionRecord<'_>,
    finding: &Finding,
    [found, acknowledged, possible]: [usize; 3],
) -> FindingCheck {
    let (requests, entries) =
        find_audited_event(record, finding.operations.first().copied(), finding.events.first().copied())?;
    ensure(*requests == finding.operations && *entries == finding.events, || {
        "these are not all requests for it and all entries of it".to_owned()
    })?;
    require_whole_trail(record)?;
    let outcomes: Vec<Outcome> = requests.iter().map(|&id| record.operation(id).outcome).collect();
    let count = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    let counted =
        [entries.len(), count(|outcome| *outcome == Outcome::Ok), count(|outcome| *outcome != Outcome::Fail)];
    ensure(counted == [found, acknowledged, possible], || "the numbers are others".to_owned())?;
    let holds = match finding.kind {
        FindingKind::AuditMissing => found < acknowledged,
        FindingKind::AuditDuplicated => found > possible && possible > 0,
        FindingKind::AuditForged => found > 0 && possible == 0,
        _ => false,
    };
    ensure(holds, || "the numbers do not say so".to_owned())
}

/// Checks that the trail was recorded completely. A truncated trail does not show that an entry is missing.
fn require_whole_trail(record: &SessionRecord<'_>) -> FindingCheck {
    let events = record.history.actor_events();
    let told = events.iter().find(|event| event.actor == "recorder" && event.function == "audit");
    let count = events.iter().filter(|event| event.actor == "audit").count();
    ensure(told.is_some_and(|told| told.value.parse() == Ok(count)), || {
        "the audit trail was not recorded whole".to_owned()
    })
}

fn check_entries_out_of_order(
    record: &SessionRecord<'_>,
    finding: &Finding,
    [first, second]: [u32; 2],
) -> FindingCheck {
    let [later, earlier] = finding.operations[..] else {
        return Err(Mismatch("not two requests".to_owned()));
    };
    require_whole_trail(record)?;
    for (position, id) in [(second, later), (first, earlier)] {
        let (requests, entries) = find_audited_event(record, Some(id), None)?;
        let mut causes = requests.iter().filter(|&&id| record.operation(id).outcome != Outcome::Fail);
        let only = causes.next() == Some(&id) && causes.next().is_none();
        ensure(only && entries.first() == Some(&position), || {
            "the entry is another request's, or a repetition".to_owned()
        })?;
    }
    let (later, earlier) = (record.operation(later), record.operation(earlier));
    let ordered = later.outcome == Outcome::Ok && later.completed < earlier.invoked;
    ensure(first < second && ordered, || "not in the other order".to_owned())?;
    ensure(belong_to_one_session(record, &[&later, &earlier]), || "not one session".to_owned())
}

/// Checks that two replicas held different data, and that expiry between the reads does not explain it.
fn check_replicas_differ(
    record: &SessionRecord<'_>,
    finding: &Finding,
    [one, other]: [&str; 2],
) -> FindingCheck {
    let [second, first] = finding.events[..] else {
        return Err(Mismatch("not two reads".to_owned()));
    };
    let (first, second) = (
        parse_replica_read(record, actor_event_at(record, first)?)?,
        parse_replica_read(record, actor_event_at(record, second)?)?,
    );
    ensure(first.0 == second.0 && first.1 != second.1, || "they agree".to_owned())?;
    let nodes: Vec<String> = finding.events.iter().filter_map(|&at| node_read_last(record, at)).collect();
    ensure(nodes.len() == 2 && nodes[0] != nodes[1], || "they are not the last of two replicas".to_owned())?;
    ensure(equals_json(&first.1, one) && equals_json(&second.1, other), || {
        "they held something else".to_owned()
    })?;
    let Some(live_ns) = record.question.time_to_live_ns else { return Ok(()) };
    if !first.1.is_null() && !second.1.is_null() {
        return Ok(());
    }
    let untimed = || Mismatch("its time may have run out meanwhile".to_owned());
    let key = record.history.keys.get(&first.0.to_string()).ok_or_else(untimed)?;
    let mut asked = Vec::new();
    for event in record.history.actor_events() {
        if parse_replica_read(record, event).is_ok_and(|read| read.0 == first.0) {
            asked.push(event.time.ok_or_else(untimed)?);
        }
    }
    let (begin, end) =
        asked.iter().min().zip(asked.iter().max()).map(|(a, b)| (*a, *b)).ok_or_else(untimed)?;
    let all: Vec<Operation> =
        record.ids_of_session(key).iter().flat_map(|&key| record.operations_on(key)).collect();
    let renews = |op: &&Operation| record.question.renewed_by.includes_function(op.function);
    let certain = |op: &&Operation| {
        op.outcome == Outcome::Ok && (op.function == Function::CREATE || super::found_session(op))
    };
    let renewals: Vec<&Operation> = all.iter().filter(renews).filter(certain).collect();
    let least = renewals.iter().filter_map(|op| record.history.invoked_at(op.id)).max();
    let most = renewals.iter().filter_map(|op| record.history.completed_at(op.id)).max();
    let unknown = all.iter().filter(renews).any(|op| op.outcome == Outcome::Info);
    let tolerance_ns = record.question.tolerance_ns;
    let alive = least.is_some_and(|ns| end < ns + live_ns - tolerance_ns);
    let dead = !unknown && most.is_some_and(|ns| begin > ns + live_ns + tolerance_ns);
    ensure(alive || dead, || untimed().0)
}

/// The replica of an answer, as JSON, unless it answered for the same key again later.
fn node_read_last(record: &SessionRecord<'_>, position: u32) -> Option<String> {
    let node_and_key = |event: &ActorEvent| {
        let [node, key, _]: [Value; 3] = serde_json::from_str(&event.value).ok()?;
        parse_replica_read(record, event).is_ok().then(|| (node.to_string(), key.to_string()))
    };
    let own = node_and_key(actor_event_at(record, position).ok()?)?;
    let mut later = record.history.actor_events().iter().filter(|event| event.position > position);
    let is_last = !later.any(|event| node_and_key(event).as_ref() == Some(&own));
    is_last.then_some(own.0)
}

/// The key that a replica was asked for and the data that it held, if it answered.
fn parse_replica_read(record: &SessionRecord<'_>, event: &ActorEvent) -> Result<(Value, Value), Mismatch> {
    ensure(event.actor == "replica", || "no replica's".to_owned())?;
    let note = record.history.note(event.position);
    let fields: Result<Value, _> = serde_json::from_str(note.as_ref().map_or("{}", |note| &note.fields));
    let fields = fields.map_err(|why| Mismatch(why.to_string()))?;
    ensure(fields.get("error").is_none(), || "it did not answer".to_owned())?;
    let told: [Value; 3] = serde_json::from_str(&event.value).map_err(|why| Mismatch(why.to_string()))?;
    let [_, key, held] = told;
    Ok((key, held))
}
