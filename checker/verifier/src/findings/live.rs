//! Checks findings about live connections, and reads what a history has of them.

use super::{FindingCheck, Mismatch, SessionRecord, ensure, found_session};
use ::claims::{Finding, FindingProof};
use histories::{Function, History, OpId, Outcome};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// What a history has of the live connection of each session, by the name of the session as JSON text.
#[derive(Default)]
pub(crate) struct LiveRecord {
    pub(crate) connections: HashMap<String, LiveConnection>,
}

/// The events of one session's live connection, each with its position, in order.
#[derive(Default)]
pub(crate) struct LiveConnection {
    /// What happened to the connection.
    steps: Vec<(u32, String)>,
    /// The numbers of its messages.
    pub(crate) numbers: Vec<(u32, i64)>,
}

impl LiveRecord {
    pub(crate) fn from_history(history: &History) -> Self {
        let mut record = Self::default();
        for event in history.actor_events().iter().filter(|event| event.actor == "live") {
            let told: Value = serde_json::from_str(&event.value).unwrap_or_default();
            if event.function != "message" {
                if let Some(connection) = record.connection_of(&told) {
                    connection.steps.push((event.position, event.function.clone()));
                }
            } else if let Some([session, number]) = told.as_array().map(Vec::as_slice)
                && let Some(number) = number.as_i64()
                && let Some(connection) = record.connection_of(session)
            {
                connection.numbers.push((event.position, number));
            }
        }
        record
    }

    /// The connection of a session, if this names one.
    fn connection_of(&mut self, session: &Value) -> Option<&mut LiveConnection> {
        session.is_string().then(|| self.connections.entry(session.to_string()).or_default())
    }

    /// Whether the history tells of some lost connection if it was open again.
    pub(crate) fn tells_of_losses(&self) -> bool {
        let mut all = self.connections.values();
        all.any(|connection| {
            let mut steps = connection.steps.windows(2);
            steps.any(|pair| {
                pair[0].1 == "lost" && ["resumed", "refused", "out"].contains(&pair[1].1.as_str())
            })
        })
    }

    /// Whether some connection brought two numbered messages.
    pub(crate) fn tells_of_messages(&self) -> bool {
        self.connections.values().any(|connection| connection.numbers.len() >= 2)
    }
}

impl LiveConnection {
    /// The losses after which the connection was not open again, each with the position of that end.
    pub(crate) fn final_losses(&self) -> Vec<(u32, u32)> {
        let pairs = self.steps.windows(2);
        let not_resumed =
            |pair: &&[(u32, String)]| pair[0].1 == "lost" && (pair[1].1 == "refused" || pair[1].1 == "out");
        pairs.filter(not_resumed).map(|pair| (pair[0].0, pair[1].0)).collect()
    }

    /// How often each number came.
    pub(crate) fn count_numbers(&self) -> BTreeMap<i64, usize> {
        let mut counts = BTreeMap::new();
        for (_, number) in &self.numbers {
            *counts.entry(*number).or_default() += 1;
        }
        counts
    }
}

pub(super) fn check_live_finding(record: &SessionRecord<'_>, finding: &Finding) -> FindingCheck {
    let [later, earlier] = finding.events[..] else {
        return Err(Mismatch("not two events of a live connection".to_owned()));
    };
    let live = record.live.get_or_init(|| LiveRecord::from_history(record.history));
    if let FindingProof::NotResumed { alive } = finding.proof {
        return check_not_resumed(record, live, alive, [earlier, later]);
    }
    let has = |connection: &&LiveConnection, position| {
        connection.numbers.iter().find(|message| message.0 == position).map(|message| message.1)
    };
    let mut all = live.connections.values();
    let connection = all.find(|connection| has(connection, later).is_some());
    let connection = connection.ok_or_else(|| Mismatch("no such message".to_owned()))?;
    let (Some(before), Some(after)) = (has(&connection, earlier), has(&connection, later)) else {
        return Err(Mismatch("messages of two sessions".to_owned()));
    };
    ensure(earlier < later, || "not in this order".to_owned())?;
    let counts = connection.count_numbers();
    match finding.proof {
        FindingProof::Skipped { first, last } => {
            let base = connection.numbers[0].1;
            ensure(base < first && before < first && first <= last && last < after, || {
                "the missing numbers are not between the others".to_owned()
            })?;
            ensure(counts.range(first..=last).next().is_none(), || "one of them came".to_owned())
        }
        FindingProof::BroughtAgain { first, last } => {
            ensure(before == first && after == first && first <= last, || {
                "these are other messages".to_owned()
            })?;
            let again = counts.range(first..=last).filter(|(_, count)| **count >= 2).count() as i128;
            ensure(again == i128::from(last) - i128::from(first) + 1, || {
                "one of them did not come again".to_owned()
            })
        }
        _ => Err(Mismatch("evidence of another kind".to_owned())),
    }
}

fn check_not_resumed(
    record: &SessionRecord<'_>,
    live: &LiveRecord,
    alive: OpId,
    loss: [u32; 2],
) -> FindingCheck {
    let alive = record.operation(alive);
    let session = record.history.keys.text(alive.key);
    let connection = live.connections.get(session);
    let losses = connection.map(LiveConnection::final_losses).unwrap_or_default();
    ensure(losses.contains(&(loss[0], loss[1])), || "its connection was not so lost".to_owned())?;
    ensure(found_session(&alive) && alive.invoked > loss[1], || {
        "it did not find the session afterwards".to_owned()
    })?;
    let births = record.births_of_id(alive.key);
    let created = births.len() == 1 && births[0].outcome == Outcome::Ok && births[0].completed < loss[0];
    ensure(created, || "the session was not created once, before the loss".to_owned())?;
    let mut ends = record.operations_on(alive.key);
    let ended =
        ends.any(|op| matches!(op.function, Function::DESTROY | Function::RENEW) && op.invoked < loss[1]);
    ensure(!ended, || "the session may have ended by then".to_owned())
}
