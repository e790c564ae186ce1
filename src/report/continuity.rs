//! Descriptions of findings about session stores, shared by all formats: what happened, to which session, when, on which
//! node, and during which fault.
//!
//! A sentence says only what its proof shows. Counts are reported separately.

use super::Circumstances;
use super::describe::{event_field, format_value, note_field, operation_words, shorten_text};
use super::faults::{ShownFault, shown_faults};
use super::layout::format_elapsed;
use checker::{Finding, FindingKind, FindingProof as Proof};
use histories::{ActorEvent, History, OpId};

/// The most characters of an error that a sentence quotes.
const ERROR_CHARS_MAX: usize = 80;

/// Describes the findings of one history. It reads the faults of the history once.
pub(super) struct FindingDescriber<'a> {
    history: &'a History,
    episodes: Vec<ShownFault>,
}

impl<'a> FindingDescriber<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        Self { history, episodes: shown_faults(history) }
    }

    /// The circumstances of a finding: session, node, trace and active faults.
    pub(super) fn circumstances(&self, finding: &Finding) -> Circumstances {
        let history = self.history;
        let telling = finding.operations.first();
        Circumstances {
            session: history.session_text(finding.session).to_owned(),
            node: telling.and_then(|&id| note_field(history, id, "node")),
            trace: telling.and_then(|&id| note_field(history, id, "trace_id")),
            faults: finding.faults.iter().filter_map(|&position| self.describe_fault(position)).collect(),
        }
    }

    /// Describes a fault with its interval: `partition n1, from 3.000000 s to 7.000000 s`.
    fn describe_fault(&self, position: u32) -> Option<String> {
        let episode = self.episodes.iter().find(|episode| episode.from == position)?;
        let at = |time: Option<i64>| time.map(super::describe::format_seconds);
        let when = match (at(episode.from_ns), at(episode.to_ns), episode.to) {
            (Some(from), Some(to), _) => format!(", from {from} to {to}"),
            (Some(from), None, Some(_)) => format!(", since {from}"),
            (Some(from), None, None) => format!(", at {from}"),
            (None, ..) => String::new(),
        };
        Some(format!("{}{when}", episode.label()))
    }

    /// Describes a finding in a sentence.
    pub(super) fn describe_finding(&self, finding: &Finding) -> String {
        match &finding.proof {
            Proof::Gone { gone, alive, idle_ns, .. } => self.describe_lost_session(*gone, *alive, *idle_ns),
            Proof::Back { back, ended, shown } => self.describe_revived_session(*back, *ended, *shown),
            Proof::EndedTwice { one, other } => format!(
                "{} and {} both ended the session, although it was created only once",
                self.operation_phrase(*one),
                self.operation_phrase(*other)
            ),
            Proof::Unborn { seen } => {
                format!(
                    "{} found a session before any operation began to create it",
                    self.operation_phrase(*seen)
                )
            }
            Proof::Overdue { seen, renewed, late_ns } => {
                let renewed =
                    renewed.map(|id| format!(". The last renewal was {}", self.operation_phrase(id)));
                format!(
                    "{} found the session {} after it should have expired, beyond the tolerance{}",
                    self.operation_phrase(*seen),
                    format_ns(*late_ns),
                    renewed.unwrap_or_default()
                )
            }
            Proof::Replaced { .. } | Proof::BackToBirth { .. } | Proof::Uncleared { .. } => {
                self.describe_stale_answer(finding)
            }
            Proof::Unwritten { read, writer } => self.describe_unwritten_value(*read, *writer),
            Proof::Foreign { read, writer, owner } => {
                let writer = writer.map(|id| format!(", written by {}", self.operation_phrase(id)));
                format!(
                    "{} returned data that belongs to {}{}",
                    self.operation_phrase(*read),
                    shorten_text(owner),
                    writer.unwrap_or_default()
                )
            }
            Proof::NoList { read } => {
                format!("{} returned a value that is not a list of actions", self.operation_phrase(*read))
            }
            Proof::Repeated { .. } | Proof::Undone { .. } | Proof::Unasked { .. } => {
                self.describe_action(finding)
            }
            Proof::Overwritten { save, other, .. } => format!(
                "{} and {} each saved the whole session from a version without the change of the other. One of the two changes \
                 is lost",
                self.operation_phrase(*other),
                self.operation_phrase(*save)
            ),
            Proof::ToldEarlier { earlier, later, back_ns } => format!(
                "{} got a time {} before the time that {} had already got",
                self.operation_phrase(*later),
                format_ns(*back_ns),
                self.operation_phrase(*earlier)
            ),
            Proof::Entries { found, acknowledged, possible } => {
                self.describe_audit_entries(finding, [*found, *acknowledged, *possible])
            }
            Proof::OutOfOrder { first, second } => format!(
                "the audit trail has event {} before event {}, although {} was acknowledged before {} began",
                self.history.event_index(*first),
                self.history.event_index(*second),
                self.operation_phrase(finding.operations[0]),
                self.operation_phrase(finding.operations[1])
            ),
            Proof::NotResumed { .. } | Proof::Skipped { .. } | Proof::BroughtAgain { .. } => {
                self.describe_live_connection(finding)
            }
            Proof::Differ { one, other } => {
                let node =
                    |at: usize| finding.events.get(at).and_then(|&position| self.replica_name(position));
                let held =
                    |text: &str| if text == "null" { "nothing".to_owned() } else { format_value(text) };
                format!(
                    "{} holds {} and {} holds {}",
                    node(1).unwrap_or_else(|| "one replica".to_owned()),
                    held(one),
                    node(0).unwrap_or_else(|| "another".to_owned()),
                    held(other)
                )
            }
        }
    }

    fn describe_lost_session(&self, gone: OpId, alive: OpId, idle_ns: Option<i64>) -> String {
        let idle = match idle_ns {
            Some(ns) => format!("and it had been idle for at most {}", format_ns(ns)),
            None => "and it has no time to live".to_owned(),
        };
        format!(
            "{} found no session, although {} had shown that it existed. No operation had ended it, {idle}",
            self.operation_phrase(gone),
            self.operation_phrase(alive)
        )
    }

    fn describe_revived_session(&self, back: OpId, ended: OpId, shown: Option<OpId>) -> String {
        use histories::Function;
        let ended = match (self.history.function(ended), shown) {
            (Function::READ | Function::CREATE, _) => {
                format!("{} had found that it no longer existed", self.operation_phrase(ended))
            }
            (Function::RENEW, Some(shown)) => format!(
                "{} had given it another id, under which {} had found it",
                self.operation_phrase(ended),
                self.operation_phrase(shown)
            ),
            (Function::RENEW, None) => format!("{} had given it another id", self.operation_phrase(ended)),
            _ => format!("{} had ended it", self.operation_phrase(ended)),
        };
        format!("{} found the session, although {ended} earlier", self.operation_phrase(back))
    }

    fn describe_stale_answer(&self, finding: &Finding) -> String {
        let of = |field: &Option<String>| match field {
            Some(field) => format!("an old version of the field {}", shorten_text(field)),
            None => "an old version of the session".to_owned(),
        };
        let lost = finding.kind == FindingKind::LostWrite;
        match &finding.proof {
            Proof::Replaced { read, field, shown, newer, .. } if lost => {
                let write = finding.operations[0];
                let seen = [*shown, *newer].into_iter().find(|&id| id != write && id != *read);
                let seen = seen.map(|id| format!(" ({} had shown it)", self.operation_phrase(id)));
                format!(
                    "{} was acknowledged{}. After the store had settled, {} returned {} from before that write",
                    self.operation_phrase(write),
                    seen.unwrap_or_default(),
                    self.operation_phrase(*read),
                    of(field)
                )
            }
            Proof::BackToBirth { read, .. } if lost => format!(
                "{} was acknowledged. After the store had settled, {} returned the session as it was created",
                self.operation_phrase(finding.operations[0]),
                self.operation_phrase(*read)
            ),
            Proof::Replaced { read, field, older, newer, shown } => {
                let shown = (shown != newer)
                    .then(|| format!(", and {} had already shown it", self.operation_phrase(*shown)));
                format!(
                    "{} returned {} from {}, but {} came later{}",
                    self.operation_phrase(*read),
                    of(field),
                    self.operation_phrase(*older),
                    self.operation_phrase(*newer),
                    shown.unwrap_or_default()
                )
            }
            Proof::BackToBirth { read, birth, shown, .. } => format!(
                "{} returned the session as {} had created it, although {} had already shown a later version",
                self.operation_phrase(*read),
                self.operation_phrase(*birth),
                self.operation_phrase(*shown)
            ),
            Proof::Uncleared { read, field, patch, write } => format!(
                "{} returned the field {} from {}, although {} had later replaced the whole session",
                self.operation_phrase(*read),
                shorten_text(field),
                self.operation_phrase(*patch),
                self.operation_phrase(*write)
            ),
            _ => String::new(),
        }
    }

    fn describe_unwritten_value(&self, read: OpId, writer: Option<OpId>) -> String {
        let who = self.operation_phrase(read);
        match writer {
            None => format!("{who} returned a value that no single write wrote"),
            Some(id) if self.history.outcome(id) == histories::Outcome::Fail => {
                format!("{who} returned the value of {}, which failed", self.operation_phrase(id))
            }
            Some(id) => {
                format!("{who} returned the value of {} before that write began", self.operation_phrase(id))
            }
        }
    }

    fn describe_action(&self, finding: &Finding) -> String {
        match &finding.proof {
            Proof::Repeated { read, act, action, times } => {
                let asked = act.map(|id| format!("; {} asked for it once", self.operation_phrase(id)));
                format!(
                    "action {} was executed {times} times, as {} shows{}",
                    shorten_text(action.trim_matches('"')),
                    self.operation_phrase(*read),
                    asked.unwrap_or_default()
                )
            }
            Proof::Undone { read, act, seen, later } => {
                let later = later.map(|id| format!("; {} shows it", self.operation_phrase(id)));
                let done = match seen {
                    None => "was acknowledged".to_owned(),
                    Some(seen) => format!("was in the list that {} returned", self.operation_phrase(*seen)),
                };
                format!(
                    "{} {done}, but the list that {} returned does not contain it{}",
                    self.operation_phrase(*act),
                    self.operation_phrase(*read),
                    later.unwrap_or_default()
                )
            }
            Proof::Unasked { read, action, act } => {
                let asked = match act {
                    None => "no operation had asked for it".to_owned(),
                    Some(id) if self.history.outcome(*id) == histories::Outcome::Fail => {
                        format!("{} had failed", self.operation_phrase(*id))
                    }
                    Some(id) => format!("{} asked for it only later", self.operation_phrase(*id)),
                };
                let action = shorten_text(action.trim_matches('"'));
                format!(
                    "action {action} is in the list that {} returned, and {asked}",
                    self.operation_phrase(*read)
                )
            }
            _ => String::new(),
        }
    }

    fn describe_audit_entries(
        &self,
        finding: &Finding,
        [found, acknowledged, possible]: [usize; 3],
    ) -> String {
        let what = match (finding.operations.first(), finding.events.first()) {
            (Some(&id), _) => self.operation_phrase(id),
            (None, Some(&position)) => match self.event_at(position) {
                Some(event) => format!("{} {}", event.function, shorten_text(&event.value)),
                None => "an event".to_owned(),
            },
            (None, None) => "an event".to_owned(),
        };
        let times = |count: usize| match count {
            0 => "0 times".to_owned(),
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        format!(
            "the audit trail has {what} {}: {acknowledged} acknowledged, {possible} possible",
            times(found)
        )
    }

    fn describe_live_connection(&self, finding: &Finding) -> String {
        let event = finding.events.first().and_then(|&position| self.event_at(position));
        let told = event.and_then(|event| serde_json::from_str::<serde_json::Value>(&event.value).ok());
        let name = told.as_ref().map(|told| told.get(0).unwrap_or(told));
        let session = shorten_text(name.and_then(|name| name.as_str()).unwrap_or("a session"));
        let messages = |first: i64, last: i64| match first == last {
            true => format!("message {first}"),
            false => format!("messages {first} to {last}"),
        };
        match &finding.proof {
            Proof::NotResumed { alive } => {
                let why = |at: usize| {
                    let position = finding.events.get(at).copied();
                    let error = position.and_then(|at| event_field(self.history, at, "error"));
                    let error: Option<String> =
                        error.map(|text| text.chars().take(ERROR_CHARS_MAX).collect());
                    error.map(|text| format!(" ({text})")).unwrap_or_default()
                };
                format!(
                    "the live connection of {session} was lost{} and could not be opened again{}, although {} found the \
                     session later",
                    why(1),
                    why(0),
                    self.operation_phrase(*alive)
                )
            }
            Proof::Skipped { first, last } => format!(
                "the live connection of {session} never brought {}, although it brought lower numbers before and higher \
                 ones after",
                messages(*first, *last)
            ),
            Proof::BroughtAgain { first, last } => {
                format!("the live connection of {session} brought {} again", messages(*first, *last))
            }
            _ => String::new(),
        }
    }

    fn event_at(&self, position: u32) -> Option<&ActorEvent> {
        let events = self.history.actor_events();
        let at = events.binary_search_by_key(&position, |event| event.position).ok()?;
        events.get(at)
    }

    /// The replica that an event is about.
    fn replica_name(&self, position: u32) -> Option<String> {
        let told: serde_json::Value = serde_json::from_str(&self.event_at(position)?.value).ok()?;
        Some(told.get(0)?.as_str()?.to_owned())
    }

    /// Names an operation as the subject of a sentence: `read v3 (operation 8 of s-2 at n1)`.
    fn operation_phrase(&self, id: OpId) -> String {
        let history = self.history;
        let session = shorten_text(history.session_text(history.session(id)));
        let node = note_field(history, id, "node").map(|node| format!(" at {}", shorten_text(&node)));
        format!(
            "{} (operation {} of {session}{})",
            operation_words(history, id),
            history.operation_index(id),
            node.unwrap_or_default()
        )
    }
}

fn format_ns(ns: i64) -> String {
    format_elapsed(ns as f64 / 1e9)
}

/// The runbook entry of a finding.
pub(crate) fn runbook_link(kind: &str) -> String {
    format!("docs/runbook.md#{kind}")
}
