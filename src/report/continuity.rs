//! Findings of session stores, as every format tells them: what happened, to whom, when, where, under which fault.
//!
//! A sentence says what its proof says and no more; how often it happened is for the counts.

use super::Circumstances;
use super::describe::{field, short, shown, words};
use super::faults::{Episode, episodes};
use super::layout::duration;
use checker::{Finding, FindingKind, FindingProof as Proof};
use histories::{ActorEvent, History, OpId};

/// Tells findings one after the other. The faults of a history are read once.
pub(super) struct Teller<'a> {
    history: &'a History,
    episodes: Vec<Episode>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        Self { history, episodes: episodes(history) }
    }

    /// Whom a finding happened to, where, and under which faults.
    pub(super) fn circumstances(&self, finding: &Finding) -> Circumstances {
        let history = self.history;
        let telling = finding.operations.first();
        Circumstances {
            session: history.session_text(finding.session).to_owned(),
            node: telling.and_then(|&id| field(history, id, "node")),
            trace: telling.and_then(|&id| field(history, id, "trace_id")),
            faults: finding.faults.iter().filter_map(|&position| self.fault(position)).collect(),
        }
    }

    /// A fault with when it was on: `partition n1, from 3.000000 s to 7.000000 s`.
    fn fault(&self, position: u32) -> Option<String> {
        let episode = self.episodes.iter().find(|episode| episode.from == position)?;
        let at = |time: Option<i64>| time.map(super::describe::seconds);
        let when = match (at(episode.from_ns), at(episode.to_ns), episode.to) {
            (Some(from), Some(to), _) => format!(", from {from} to {to}"),
            (Some(from), None, Some(_)) => format!(", since {from}"),
            (Some(from), None, None) => format!(", at {from}"),
            (None, ..) => String::new(),
        };
        Some(format!("{}{when}", episode.label()))
    }

    /// What a finding says, in a sentence.
    pub(super) fn sentence(&self, finding: &Finding) -> String {
        match &finding.proof {
            Proof::Gone { gone, alive, idle_ns, .. } => self.gone(*gone, *alive, *idle_ns),
            Proof::Back { back, ended, shown } => self.back(*back, *ended, *shown),
            Proof::EndedTwice { one, other } => format!(
                "{} and {} both ended the session, which was created only once",
                self.who(*one),
                self.who(*other)
            ),
            Proof::Unborn { seen } => {
                format!("{} found a session that nobody had begun to create", self.who(*seen))
            }
            Proof::Overdue { seen, renewed, late_ns } => {
                let renewed = renewed.map(|id| format!("; {} had renewed it last", self.who(id)));
                format!(
                    "{} found the session {} after its time had run out, beyond the tolerance{}",
                    self.who(*seen),
                    span(*late_ns),
                    renewed.unwrap_or_default()
                )
            }
            Proof::Replaced { .. } | Proof::BackToBirth { .. } | Proof::Uncleared { .. } => self.old(finding),
            Proof::Unwritten { read, writer } => self.unwritten(*read, *writer),
            Proof::Foreign { read, writer, owner } => {
                let writer = writer.map(|id| format!(", written by {}", self.who(id)));
                format!(
                    "{} was shown what belongs to {}{}",
                    self.who(*read),
                    short(owner),
                    writer.unwrap_or_default()
                )
            }
            Proof::NoList { read } => format!("{} returned no list of actions", self.who(*read)),
            Proof::Repeated { .. } | Proof::Undone { .. } | Proof::Unasked { .. } => self.action(finding),
            Proof::Overwritten { save, other, .. } => format!(
                "{} and {} each saved all of the session, made from a version without the change of the other; one of the \
                 two changes is gone",
                self.who(*other),
                self.who(*save)
            ),
            Proof::ToldEarlier { earlier, later, back_ns } => format!(
                "{} was told a time {} before that which {} had been told already",
                self.who(*later),
                span(*back_ns),
                self.who(*earlier)
            ),
            Proof::Entries { found, acknowledged, possible } => {
                self.entries(finding, [*found, *acknowledged, *possible])
            }
            Proof::OutOfOrder { first, second } => format!(
                "the audit trail has event {} before event {}, but {} was acknowledged before {} began",
                self.history.event_index(*first),
                self.history.event_index(*second),
                self.who(finding.operations[0]),
                self.who(finding.operations[1])
            ),
            Proof::Differ { one, other } => {
                let node = |at: usize| finding.events.get(at).and_then(|&position| self.replica(position));
                let held = |text: &str| if text == "null" { "nothing".to_owned() } else { shown(text) };
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

    fn gone(&self, gone: OpId, alive: OpId, idle_ns: Option<i64>) -> String {
        let idle = match idle_ns {
            Some(ns) => format!("and it had been left alone for {} at most", span(ns)),
            None => "and it lives for ever".to_owned(),
        };
        format!(
            "{} found no session, though {} had shown that it was there; nobody had ended it, {idle}",
            self.who(gone),
            self.who(alive)
        )
    }

    fn back(&self, back: OpId, ended: OpId, shown: Option<OpId>) -> String {
        use histories::Function;
        let ended = match (self.history.function(ended), shown) {
            (Function::READ | Function::CREATE, _) => {
                format!("{} had found that it was gone", self.who(ended))
            }
            (Function::RENEW, Some(shown)) => format!(
                "{} had given it another id, under which {} had found it",
                self.who(ended),
                self.who(shown)
            ),
            (Function::RENEW, None) => format!("{} had given it another id", self.who(ended)),
            _ => format!("{} had ended it", self.who(ended)),
        };
        format!("{} found the session although {ended} before", self.who(back))
    }

    fn old(&self, finding: &Finding) -> String {
        let of = |field: &Option<String>| match field {
            Some(field) => format!("the field {} as it was", short(field)),
            None => "the session as it was".to_owned(),
        };
        let lost = finding.kind == FindingKind::LostWrite;
        match &finding.proof {
            Proof::Replaced { read, field, shown, newer, .. } if lost => {
                let write = finding.operations[0];
                let seen = [*shown, *newer].into_iter().find(|&id| id != write && id != *read);
                let seen = seen.map(|id| format!(" ({} had shown it)", self.who(id)));
                format!(
                    "{} was acknowledged{}, and when the store had settled {} returned {} before it",
                    self.who(write),
                    seen.unwrap_or_default(),
                    self.who(*read),
                    of(field)
                )
            }
            Proof::BackToBirth { read, .. } if lost => format!(
                "{} was acknowledged, and when the store had settled {} returned the session as it was created",
                self.who(finding.operations[0]),
                self.who(*read)
            ),
            Proof::Replaced { read, field, older, newer, shown } => {
                let shown =
                    (shown != newer).then(|| format!(", which {} had shown already", self.who(*shown)));
                format!(
                    "{} returned {} for {}, though {} came after that{}",
                    self.who(*read),
                    of(field),
                    self.who(*older),
                    self.who(*newer),
                    shown.unwrap_or_default()
                )
            }
            Proof::BackToBirth { read, birth, shown, .. } => format!(
                "{} returned what {} had created, though {} had already gone beyond that",
                self.who(*read),
                self.who(*birth),
                self.who(*shown)
            ),
            Proof::Uncleared { read, field, patch, write } => format!(
                "{} returned the field {} as {} had left it, beside what {} had replaced the whole session with after that",
                self.who(*read),
                short(field),
                self.who(*patch),
                self.who(*write)
            ),
            _ => String::new(),
        }
    }

    fn unwritten(&self, read: OpId, writer: Option<OpId>) -> String {
        let who = self.who(read);
        match writer {
            None => format!("{who} returned what no single write wrote"),
            Some(id) if self.history.outcome(id) == histories::Outcome::Fail => {
                format!("{who} returned what {} would have written, which failed", self.who(id))
            }
            Some(id) => format!("{who} returned what {} had not begun to write", self.who(id)),
        }
    }

    fn action(&self, finding: &Finding) -> String {
        match &finding.proof {
            Proof::Repeated { read, act, action, times } => {
                let asked = act.map(|id| format!(", which {} asked for once", self.who(id)));
                format!(
                    "action {} was done {times} times, as {} shows{}",
                    short(action.trim_matches('"')),
                    self.who(*read),
                    asked.unwrap_or_default()
                )
            }
            Proof::Undone { read, act, later } => {
                let later = later.map(|id| format!("; {} has it", self.who(id)));
                format!(
                    "{} was acknowledged, and is not in the list that {} returned{}",
                    self.who(*act),
                    self.who(*read),
                    later.unwrap_or_default()
                )
            }
            Proof::Unasked { read, action, act } => {
                let asked = match act {
                    None => "nobody had asked for it".to_owned(),
                    Some(id) if self.history.outcome(*id) == histories::Outcome::Fail => {
                        format!("{} was told that it failed", self.who(*id))
                    }
                    Some(id) => format!("{} asked for it only later", self.who(*id)),
                };
                let action = short(action.trim_matches('"'));
                format!("action {action} is in the list that {} returned, and {asked}", self.who(*read))
            }
            _ => String::new(),
        }
    }

    fn entries(&self, finding: &Finding, [found, acknowledged, possible]: [usize; 3]) -> String {
        let what = match (finding.operations.first(), finding.events.first()) {
            (Some(&id), _) => self.who(id),
            (None, Some(&position)) => match self.event(position) {
                Some(event) => format!("{} {}", event.function, short(&event.value)),
                None => "an event".to_owned(),
            },
            (None, None) => "an event".to_owned(),
        };
        let times = |count: usize| match count {
            0 => "not there".to_owned(),
            1 => "there once".to_owned(),
            count => format!("there {count} times"),
        };
        format!(
            "in the audit trail {what} is {}, of {acknowledged} acknowledged and {possible} possible",
            times(found)
        )
    }

    fn event(&self, position: u32) -> Option<&ActorEvent> {
        let events = self.history.actor_events();
        let at = events.binary_search_by_key(&position, |event| event.position).ok()?;
        events.get(at)
    }

    /// Which replica an event is about.
    fn replica(&self, position: u32) -> Option<String> {
        let told: serde_json::Value = serde_json::from_str(&self.event(position)?.value).ok()?;
        Some(told.get(0)?.as_str()?.to_owned())
    }

    /// An operation as the subject of a sentence: `read v3 (operation 8 of s-2 at n1)`.
    fn who(&self, id: OpId) -> String {
        let history = self.history;
        let session = short(history.session_text(history.session(id)));
        let node = field(history, id, "node").map(|node| format!(" at {}", short(&node)));
        format!(
            "{} (operation {} of {session}{})",
            words(history, id),
            history.operation_index(id),
            node.unwrap_or_default()
        )
    }
}

fn span(ns: i64) -> String {
    duration(ns as f64 / 1e9)
}

/// Where the runbook tells what a finding means and what to do.
pub(crate) fn runbook(kind: &str) -> String {
    format!("docs/runbook.md#{kind}")
}
