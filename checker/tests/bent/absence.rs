//! Claims that nothing was found, of histories in which something was, and of histories that could not show it.
//!
//! A claim that a finding is absent has no evidence, so that there is nothing to bend. It is false where the search found something. Then
//! the verifier must see it by itself, if the report denies every kind that it may be. Where the history lacks what would show a finding,
//! the verifier may not confirm that there is none. What a history must have is written here a second time, on its events.

use crate::near::{EventList, without_times};
use crate::stores;
use checker::{
    Finding, FindingKind, Limits, Model, Property, Question, Report, SessionRules, Verdict, Witness,
};
use histories::History;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use testkit::{TestRandom, draw_history, question_about, test_limits};
use verifier::Standing;

/// A store's history, the question about all findings, and the report.
pub(crate) fn judged(seed: u64) -> (History, Question, Report) {
    let mut history = stores::store_history(&mut TestRandom::new(seed));
    if seed % 11 == 7 {
        history = without_times(&history).expect("times may be missing");
    }
    let mut sessions = SessionRules::from_header(&history).expect("the header is right");
    sessions.tolerance_ns = [sessions.tolerance_ns, 0, 1, 20_000_000][seed as usize % 4];
    let kinds: Vec<Property> = FindingKind::ALL.iter().copied().map(Property::Finding).collect();
    let question = Question { sessions, ..question_about(Model::Session, &kinds) };
    let report = checker::check(&history, &question, &test_limits(300_000, 1 << 28))
        .unwrap_or_else(|why| panic!("{why}\n{}", draw_history(&history)));
    (history, question, report)
}

/// The standings of the claims that there are no findings of some kinds. The others stay as they are.
fn deny(
    history: &History,
    question: &Question,
    report: &Report,
    is_denied: impl Fn(&Verdict) -> bool,
) -> BTreeMap<FindingKind, Standing> {
    let mut denied = report.clone();
    let all = denied.answers.iter_mut().chain(&mut denied.beside);
    for answer in all.filter(|answer| is_denied(&answer.verdict)) {
        answer.verdict = Verdict::Holds(Witness::NothingFound);
    }
    let found = verifier::verify(history, question, &denied, &Limits::unbounded());
    let kind = |property: Property| match property {
        Property::Finding(kind) => kind,
        other => panic!("nobody asked for {}", other.name()),
    };
    let claims = denied.answers.iter().zip(found.answers).chain(denied.beside.iter().zip(found.beside));
    let holds = claims.filter(|(answer, _)| matches!(answer.verdict, Verdict::Holds(_)));
    holds.map(|(answer, standing)| (kind(answer.property), standing)).collect()
}

pub(crate) fn findings_of(report: &Report) -> Vec<&Finding> {
    let answers = report.answers.iter().chain(&report.beside);
    let violations = answers.filter_map(|answer| match &answer.verdict {
        Verdict::Violated(violations) => Some(violations),
        _ => None,
    });
    violations.flatten().filter_map(|violation| violation.as_finding()).collect()
}

/// How often findings of each kind were denied, and how often that was noticed.
#[derive(Default, Debug)]
struct Noticed {
    denied: u64,
    noticed: u64,
}

/// Of these kinds the second look counts everything again, so that it must notice each.
const COUNTED_AGAIN: &[FindingKind] = &[
    FindingKind::AuditDuplicated,
    FindingKind::AuditMissing,
    FindingKind::ClockWentBack,
    FindingKind::DivergentReplicas,
    FindingKind::DuplicatedAction,
    FindingKind::DuplicatedMessage,
    FindingKind::ConnectionNotResumed,
    FindingKind::LostMessage,
    FindingKind::LostUpdate,
];

#[test]
fn denied_findings_are_noticed() {
    let mut counts: BTreeMap<FindingKind, Noticed> = BTreeMap::new();
    for seed in 0..3_000 * crate::times() {
        let (history, question, report) = judged(seed);
        let kinds: BTreeSet<FindingKind> = findings_of(&report).iter().map(|finding| finding.kind).collect();
        if kinds.is_empty() {
            continue;
        }
        let standings = deny(&history, &question, &report, |_| true);
        for kind in kinds {
            let standing = &standings[&kind];
            let count = counts.entry(kind).or_default();
            count.denied += 1;
            count.noticed += u64::from(*standing != Standing::Confirmed);
            let told = || format!("seed {seed}: {}: {standing:?}\n{}", kind.name(), draw_history(&history));
            // Expiry may explain that replicas differ, or that a connection was refused; then it is left open.
            let is_sure = COUNTED_AGAIN.contains(&kind);
            assert!(!is_sure || *standing != Standing::Confirmed, "not noticed: {}", told());
        }
    }
    println!("{counts:#?}");
    for (kind, Noticed { denied, noticed }) in &counts {
        // How long indeterminate requests can have kept a session is told less exactly by the second look.
        let parts = if *kind == FindingKind::ExpiredLate { 4 } else { 9 };
        assert!(
            noticed * (parts + 1) >= denied * parts,
            "{}: {noticed} of {denied} were noticed",
            kind.name()
        );
    }
    for kind in COUNTED_AGAIN {
        let denied = counts.get(kind).map_or(0, |count| count.denied);
        assert!(denied >= 5, "{}: only {denied} were denied", kind.name());
    }
}

/// What is known of a history by its events alone.
struct Recorded<'h> {
    header: &'h Value,
    events: &'h [Value],
}

impl Recorded<'_> {
    fn operations(&self, function: &str) -> impl Iterator<Item = &Value> {
        let of = move |event: &&Value| event["f"] == function && !event["process"].is_string();
        self.events.iter().filter(of)
    }

    fn actor_events(&self, actor: &str, function: &str) -> impl Iterator<Item = &Value> {
        let of = move |event: &&Value| {
            event["process"] == actor && (function.is_empty() || event["f"] == function)
        };
        self.events.iter().filter(of)
    }

    fn expires(&self) -> bool {
        self.header.get("time_to_live_ms").is_some()
    }

    /// The invocations that did not fail, of operations that write.
    fn writes(&self) -> Vec<&Value> {
        let list = EventList { header: None, events: self.events.to_vec() };
        let is_write = |at: &usize| {
            let function = self.events[*at]["f"].as_str().unwrap_or_default();
            list.is_invocation(*at) && ["create", "write", "patch"].contains(&function)
        };
        let writes = (0..self.events.len()).filter(is_write);
        let failed =
            |at: usize| list.places_of_operation(at).1.is_some_and(|at| self.events[at]["type"] == "fail");
        writes.filter(|&at| !failed(at)).map(|at| &self.events[at]).collect()
    }

    /// The places of the invocations of operations with one name, and those of their completions.
    fn begun(&self, function: &str) -> Vec<(usize, Option<usize>)> {
        let list = EventList { header: None, events: self.events.to_vec() };
        let invoked =
            (0..self.events.len()).filter(|&at| list.is_invocation(at) && self.events[at]["f"] == function);
        invoked.map(|at| (at, list.places_of_operation(at).1)).collect()
    }

    fn is_read_after_settling(&self) -> bool {
        let settled = |event: &Value| event["process"] == "recorder" && event["f"] == "settled";
        let Some(settled) = self.events.iter().position(settled) else { return false };
        let is_ok = |end: &Option<usize>| end.is_some_and(|end| self.events[end]["type"] == "ok");
        self.begun("read").iter().any(|(at, end)| *at > settled && is_ok(end))
    }

    fn is_ok(&self, end: Option<usize>) -> bool {
        end.is_some_and(|end| self.events[end]["type"] == "ok")
    }

    /// Whether a read was answered under an id that somebody had begun to give out, or had used, by then.
    fn is_known_session_read(&self) -> bool {
        let gives = ["create", "renew"].map(|function| self.begun(function)).concat();
        let uses =
            ["write", "patch", "touch", "renew", "destroy"].map(|function| self.begun(function)).concat();
        let reads = self.begun("read");
        let known = |key: &Value, by: usize| {
            let given = gives.iter().any(|&(at, _)| {
                let event = &self.events[at];
                at < by
                    && (event["f"] == "create" && event["key"] == *key
                        || event["f"] == "renew" && event["value"] == *key)
            });
            let is_over =
                |end: Option<usize>| end.is_some_and(|end| end < by && self.events[end]["type"] != "fail");
            let used = uses.iter().any(|&(at, end)| self.events[at]["key"] == *key && is_over(end));
            let found = reads.iter().any(|&(at, end)| {
                let shows = end.is_some_and(|end| end <= by && !self.events[end]["value"].is_null());
                self.events[at]["key"] == *key && shows && self.is_ok(end)
            });
            given || used || found
        };
        let mut answered = reads.iter().filter(|&&(_, end)| self.is_ok(end));
        answered.any(|&(at, end)| known(&self.events[at]["key"], end.expect("it was answered")))
    }

    /// Whether two requests that did not fail create the same id.
    fn creates_twice(&self) -> bool {
        let begun = self.begun("create");
        let may_create =
            begun.iter().filter(|(_, end)| end.is_none_or(|end| self.events[end]["type"] != "fail"));
        let mut keys: Vec<String> = may_create.map(|&(at, _)| self.events[at]["key"].to_string()).collect();
        keys.sort();
        keys.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Whether some final read is of a session in which one version had replaced another, and which nobody had destroyed. Only for histories
    /// without renewals.
    fn is_replaced_session_read(&self) -> bool {
        let settled = |event: &Value| event["process"] == "recorder" && event["f"] == "settled";
        let Some(settled) = self.events.iter().position(settled) else { return false };
        let acknowledged = |function: &str| {
            let begun = self.begun(function).into_iter().filter(|&(_, end)| self.is_ok(end));
            begun.map(|(at, end)| (at, end.expect("it was answered"))).collect::<Vec<_>>()
        };
        let writes = [acknowledged("write"), acknowledged("patch")].concat();
        let versions = [acknowledged("create"), writes.clone()].concat();
        let (destroys, creates) = (acknowledged("destroy"), self.begun("create"));
        acknowledged("read").iter().filter(|(at, _)| *at > settled).any(|&(read, _)| {
            let own = |at: usize| self.events[at]["key"] == self.events[read]["key"];
            let replaced = writes
                .iter()
                .filter(|&&(at, end)| own(at) && end < read)
                .any(|&(at, _)| versions.iter().any(|&(version, end)| own(version) && end < at));
            let born = |by: usize| {
                let mut begun = creates.iter().filter(|&&(at, _)| own(at) && at < read);
                begun.all(|&(_, end)| end.is_some_and(|end| end < by && self.events[end]["type"] != "info"))
            };
            let ended = destroys.iter().any(|&(at, end)| own(at) && end < read && born(at));
            replaced && !ended
        })
    }

    fn is_acting_user_read(&self) -> bool {
        let acts = self.begun("act");
        self.begun("actions").iter().filter_map(|&(_, end)| end).any(|end| {
            let list = &self.events[end];
            list["type"] == "ok"
                && acts.iter().any(|&(at, _)| at < end && self.events[at]["session"] == list["key"])
        })
    }

    fn repeats_a_value(&self) -> bool {
        let mut values: Vec<String> = self.writes().iter().map(|event| event["value"].to_string()).collect();
        values.sort();
        values.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Whether the history lacks what would show a finding of a kind. `None` if single events do not tell.
    fn lacks(&self, kind: FindingKind) -> Option<bool> {
        let is_timed = self.operations("create").any(|event| event.get("time").is_some());
        let is_settled = self.actor_events("recorder", "settled").next().is_some();
        let audits: Vec<&Value> = self.actor_events("recorder", "audit").collect();
        let entries = self.actor_events("audit", "").count();
        let mut answered_lists = self.operations("actions").filter(|event| event["type"] == "ok");
        Some(match kind {
            FindingKind::ExpiredEarly | FindingKind::ExpiredLate => !self.expires() || !is_timed,
            FindingKind::LostWrite if !is_settled || !self.is_read_after_settling() => true,
            FindingKind::LostWrite if self.operations("renew").next().is_some() => return None,
            FindingKind::LostWrite => self.repeats_a_value() || !self.is_replaced_session_read(),
            FindingKind::OldIdAlive => self.operations("renew").next().is_none(),
            FindingKind::ResurrectedSession => self.operations("destroy").next().is_none() && !self.expires(),
            FindingKind::LostAction => !self.is_acting_user_read(),
            FindingKind::DuplicatedAction => answered_lists.next().is_none(),
            FindingKind::ClockWentBack => {
                !self.events.iter().any(|event| event["type"] == "ok" && event["clock"].is_i64())
            }
            FindingKind::AuditMissing | FindingKind::AuditDuplicated | FindingKind::AuditForged => {
                audits.first().is_none_or(|event| event["value"] != entries)
            }
            FindingKind::StaleSession => {
                let shown =
                    self.is_known_session_read() || self.creates_twice() || self.is_acting_user_read();
                self.repeats_a_value() || !shown
            }
            FindingKind::SessionLeak | FindingKind::TornSession | FindingKind::Unexplained => {
                self.repeats_a_value()
            }
            _ => return None,
        })
    }
}

/// Ids that were given out twice are left open as well. Such histories are left out: one creation of each id, and no renewal to an id
/// that another operation gave out.
fn gives_ids_once(recorded: &Recorded<'_>) -> bool {
    let list = EventList { header: None, events: recorded.events.to_vec() };
    let mut given: Vec<String> = Vec::new();
    for (at, event) in recorded.events.iter().enumerate().filter(|(at, _)| list.is_invocation(*at)) {
        let failed = list.places_of_operation(at).1.is_some_and(|at| recorded.events[at]["type"] == "fail");
        match event["f"].as_str() {
            Some("create") if !failed => given.push(event["key"].to_string()),
            Some("renew") if !failed => given.push(event["value"].to_string()),
            _ => {}
        }
    }
    given.sort();
    given.windows(2).all(|pair| pair[0] != pair[1])
}

#[test]
fn what_a_history_cannot_show_is_not_confirmed_to_be_absent() {
    let mut counts: BTreeMap<(FindingKind, bool), u64> = BTreeMap::new();
    for seed in 0..1_500 * crate::times() {
        let (history, question, report) = judged(seed);
        if !findings_of(&report).is_empty() {
            continue;
        }
        let list = EventList::from_history(&history);
        let header = list.header.clone().unwrap_or_default();
        let recorded = Recorded { header: &header, events: &list.events };
        let standings = deny(&history, &question, &report, |_| true);
        // What nothing could show counts as absent only if the question says so.
        let strict = Question { accept_untested: false, ..question };
        let strictly = deny(&history, &strict, &report, |_| true);
        // Two creations may be of one session that renewals join.
        let is_simple = gives_ids_once(&recorded) && recorded.operations("renew").next().is_none();
        for ((kind, standing), (_, strictly)) in standings.into_iter().zip(strictly) {
            let Some(lacks) = recorded.lacks(kind) else { continue };
            *counts.entry((kind, lacks)).or_default() += 1;
            let told = || format!("seed {seed}: {}: {standing:?}\n{}", kind.name(), draw_history(&history));
            assert!(!lacks || strictly != Standing::Confirmed, "confirmed: {}", told());
            assert!(lacks || !is_simple || standing == Standing::Confirmed, "not confirmed: {}", told());
        }
    }
    println!("{counts:?}");
    for (kind, lacks) in counts.keys() {
        let count = counts[&(*kind, *lacks)];
        assert!(count >= 5, "{} {lacks}: only {count}", kind.name());
    }
}
