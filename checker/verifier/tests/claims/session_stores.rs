//! Findings about session stores that rest on one condition that does not hold. In each history the store made no mistake, or another one.

use claims::{
    AnomalyName, Evidence, Finding, FindingKind, FindingProof, Model, Property, Question, SessionRules,
    Verdict, Violation, Witness,
};
use histories::format::{Format, from_text};
use histories::{History, OpId};
use testkit::{claim_standing, question_about};
use verifier::Standing;

/// Requests of processes, each with the user and the id of a session.
#[derive(Default)]
pub(crate) struct StoreLines {
    pub(crate) text: String,
    processes: u32,
}

impl StoreLines {
    fn event(&mut self, process: u32, [user, kind, function, key]: [&str; 4], value: &str) {
        self.text += &format!(
            "{{\"process\":{process},\"session\":\"{user}\",\"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"{key}\",\"value\":{value}}}\n"
        );
    }

    /// Begins a request. Returns its process.
    fn begin(&mut self, user: &str, function: &str, key: &str, value: &str) -> u32 {
        let process = self.processes;
        self.processes += 1;
        self.event(process, [user, "invoke", function, key], value);
        process
    }

    pub(crate) fn request(
        &mut self,
        user: &str,
        function: &str,
        key: &str,
        [value, kind, answer]: [&str; 3],
    ) {
        let process = self.begin(user, function, key, value);
        self.event(process, [user, kind, function, key], answer);
    }

    pub(crate) fn actor(&mut self, actor: &str, function: &str, value: &str) {
        self.text += &format!(
            "{{\"process\":\"{actor}\",\"type\":\"info\",\"f\":\"{function}\",\"value\":{value}}}\n"
        );
    }

    pub(crate) fn read(&self) -> History {
        from_text(Format::Native, &self.text).unwrap_or_else(|why| panic!("{why}\n{}", self.text))
    }
}

pub(crate) fn op(number: u32) -> OpId {
    OpId::from_raw(number)
}

pub(crate) fn question(kind: FindingKind) -> Question {
    question_about(Model::Session, &[Property::Finding(kind)])
}

pub(crate) fn standing_of(
    history: &History,
    kind: FindingKind,
    proof: FindingProof,
    events: Vec<u32>,
) -> Standing {
    let operations = proof.involved_operations();
    standing_of_operations(history, kind, proof, operations, events)
}

fn standing_of_operations(
    history: &History,
    kind: FindingKind,
    proof: FindingProof,
    operations: Vec<OpId>,
    events: Vec<u32>,
) -> Standing {
    let found = Verdict::Violated(vec![violation_of(history, kind, proof, (operations, events))]);
    claim_standing(history, &question(kind), Property::Finding(kind), found)
}

/// A violation that names the operations of its proof.
pub(crate) fn violation(history: &History, kind: FindingKind, proof: FindingProof) -> Violation {
    let operations = proof.involved_operations();
    violation_of(history, kind, proof, (operations, Vec::new()))
}

fn violation_of(
    history: &History,
    kind: FindingKind,
    proof: FindingProof,
    (operations, events): (Vec<OpId>, Vec<u32>),
) -> Violation {
    let first = operations[0];
    let (key, session) = (history.key(first), history.session(first));
    Violation {
        kind: AnomalyName::new(kind.name()),
        key,
        operations: operations.clone(),
        evidence: Evidence::Finding(Box::new(Finding {
            kind,
            key,
            session,
            operations,
            events,
            faults: Vec::new(),
            proof,
        })),
    }
}

#[track_caller]
pub(crate) fn assert_refuted(standing: Standing, part_of_reason: &str) {
    let Standing::Refuted(why) = standing else { panic!("{standing:?}") };
    assert!(why.contains(part_of_reason), "{why}");
}

pub(crate) fn version(number: u32) -> String {
    format!("{{\"session\":\"u\",\"version\":{number}}}")
}

/// A request that ended well, and wrote this version.
fn wrote(lines: &mut StoreLines, function: &str, number: u32) {
    let text = version(number);
    lines.request("u", function, "s", [&text, "ok", &text]);
}

fn replaced(read: u32, older: u32, newer: u32) -> FindingProof {
    FindingProof::Replaced {
        read: op(read),
        field: None,
        older: op(older),
        newer: op(newer),
        shown: op(newer),
    }
}

/// A read without an answer shows nothing, so that no session is lost, none is old, and the session may be read later.
#[test]
fn a_read_without_an_answer_shows_nothing() {
    let mut lines = StoreLines::default();
    lines.request("u", "create", "s", ["null", "ok", "null"]);
    wrote(&mut lines, "write", 1);
    lines.request("u", "read", "s", ["null", "info", "null"]);
    let history = lines.read();
    let gone = FindingProof::Gone { gone: op(2), alive: op(0), renewed: None, idle_ns: None };
    assert_refuted(standing_of(&history, FindingKind::LostSession, gone, Vec::new()), "gone");
    // The creation wrote null, which is what the read would have returned.
    let old = standing_of(&history, FindingKind::StaleSession, replaced(2, 0, 1), Vec::new());
    assert_refuted(old, "read nothing");
    for kind in [FindingKind::LostSession, FindingKind::StaleSession] {
        let nothing = Verdict::Holds(Witness::NothingFound);
        let found = claim_standing(&history, &question(kind), Property::Finding(kind), nothing);
        assert_eq!(found, Standing::Confirmed, "{}", kind.name());
    }
}

/// Two writes were under way at once, so that either may have come last. With one after the other, the session is old.
#[test]
fn of_two_writes_at_once_either_may_be_read() {
    for at_once in [true, false] {
        let mut lines = StoreLines::default();
        wrote(&mut lines, "create", 0);
        let (one, other) = (version(1), version(2));
        let process = lines.begin("u", "write", "s", &one);
        if !at_once {
            lines.event(process, ["u", "ok", "write", "s"], &one);
        }
        lines.request("u", "write", "s", [&other, "ok", &other]);
        if at_once {
            lines.event(process, ["u", "ok", "write", "s"], &one);
        }
        lines.request("u", "read", "s", ["null", "ok", &one]);
        let history = lines.read();
        let found = standing_of(&history, FindingKind::StaleSession, replaced(3, 1, 2), Vec::new());
        match at_once {
            true => assert_refuted(found, "order"),
            false => assert_eq!(found, Standing::Confirmed),
        }
    }
}

/// A write is lost if the store had settled. That the recorder or somebody else noted something else does not say so.
#[test]
fn only_the_recorder_says_that_the_store_had_settled() {
    for (actor, noted) in [("recorder", "audit"), ("nemesis", "settled"), ("recorder", "settled")] {
        let is_settled = (actor, noted) == ("recorder", "settled");
        let mut lines = StoreLines::default();
        wrote(&mut lines, "create", 0);
        wrote(&mut lines, "write", 1);
        lines.actor(actor, noted, "null");
        lines.request("u", "read", "s", ["null", "ok", &version(0)]);
        let history = lines.read();
        let kind = FindingKind::LostWrite;
        let found = standing_of(&history, kind, replaced(2, 0, 1), Vec::new());
        match is_settled {
            true => assert_eq!(found, Standing::Confirmed),
            false => assert_refuted(found, "settled"),
        }
        let untested = Verdict::untested("nothing could have shown it");
        let found = claim_standing(&history, &question(kind), Property::Finding(kind), untested);
        assert_eq!(found == Standing::Confirmed, !is_settled, "{actor} {noted}: {found:?}");
    }
}

/// What the read shows names another user, and was written to this session.
#[test]
fn what_was_written_to_a_session_is_no_leak_whoever_it_names() {
    let named = "{\"session\":\"v\",\"version\":7}";
    for is_written in [true, false] {
        let mut lines = StoreLines::default();
        wrote(&mut lines, "create", 0);
        let text = if is_written { named.to_owned() } else { version(1) };
        lines.request("u", "write", "s", [&text, "ok", &text]);
        lines.request("u", "read", "s", ["null", "ok", named]);
        let proof = FindingProof::Foreign { read: op(2), writer: None, owner: "v".to_owned() };
        let found = standing_of(&lines.read(), FindingKind::SessionLeak, proof, Vec::new());
        match is_written {
            true => assert_refuted(found, "owner"),
            false => assert_eq!(found, Standing::Confirmed),
        }
    }
}

/// Nobody acknowledged the write that is gone. Somebody had read it, so that the session is old all the same.
#[test]
fn only_an_acknowledged_write_is_lost() {
    for outcome in ["ok", "info"] {
        let mut lines = StoreLines::default();
        wrote(&mut lines, "create", 0);
        let text = version(1);
        lines.request("u", "write", "s", [&text, outcome, &text]);
        lines.request("u", "read", "s", ["null", "ok", &text]);
        lines.actor("recorder", "settled", "null");
        lines.request("u", "read", "s", ["null", "ok", &version(0)]);
        let history = lines.read();
        let proof =
            FindingProof::Replaced { read: op(3), field: None, older: op(0), newer: op(1), shown: op(2) };
        let standing = |kind| standing_of(&history, kind, proof.clone(), Vec::new());
        match outcome {
            "ok" => assert_eq!(standing(FindingKind::LostWrite), Standing::Confirmed),
            _ => assert_refuted(standing(FindingKind::LostWrite), "acknowledged"),
        }
        assert_eq!(standing(FindingKind::StaleSession), Standing::Confirmed);
    }
}

fn entries(found: usize, acknowledged: usize, possible: usize) -> FindingProof {
    FindingProof::Entries { found, acknowledged, possible }
}

/// The only request failed, so that its entry is forged. It is in the trail once, and not too often.
#[test]
fn an_entry_that_nothing_caused_is_forged_and_not_repeated() {
    let mut lines = StoreLines::default();
    lines.request("u", "create", "s", ["null", "fail", "null"]);
    lines.actor("recorder", "audit", "1");
    lines.actor("audit", "create", "[\"s\",null]");
    let history = lines.read();
    let position = history.actor_events().last().expect("an entry").position;
    let standing =
        |kind| standing_of_operations(&history, kind, entries(1, 0, 0), vec![op(0)], vec![position]);
    assert_refuted(standing(FindingKind::AuditDuplicated), "numbers");
    assert_eq!(standing(FindingKind::AuditForged), Standing::Confirmed);
}

/// The entries are in the wrong order. If the trail was cut off, an entry that is gone may have been the first one.
#[test]
fn a_trail_that_was_cut_off_has_no_order() {
    for whole in [true, false] {
        let mut lines = StoreLines::default();
        for (function, action) in [("create", "null"), ("act", "\"a1\"")] {
            lines.request("u", function, "s", [action, "ok", action]);
        }
        lines.actor("recorder", "audit", if whole { "2" } else { "3" });
        lines.actor("audit", "act", "[\"s\",\"a1\"]");
        lines.actor("audit", "create", "[\"s\",null]");
        let history = lines.read();
        let positions: Vec<u32> = history.actor_events().iter().map(|event| event.position).collect();
        let proof = FindingProof::OutOfOrder { first: positions[1], second: positions[2] };
        let events = vec![positions[2], positions[1]];
        let kind = FindingKind::AuditForged;
        let found = standing_of_operations(&history, kind, proof, vec![op(0), op(1)], events);
        match whole {
            true => assert_eq!(found, Standing::Confirmed),
            false => assert_refuted(found, "whole"),
        }
    }
}

/// Both users asked for an action of the same name. That the list of one has it says nothing of the action of the other, which nobody
/// acknowledged.
#[test]
fn an_action_is_seen_in_the_list_of_its_own_user() {
    let mut lines = StoreLines::default();
    lines.request("u", "act", "s", ["\"a1\"", "info", "\"a1\""]);
    lines.request("v", "act", "t", ["\"a1\"", "ok", "\"a1\""]);
    lines.request("v", "actions", "v", ["null", "ok", "[\"a1\"]"]);
    lines.request("u", "actions", "u", ["null", "ok", "[]"]);
    let history = lines.read();
    let proof = FindingProof::Undone { read: op(3), act: op(0), seen: Some(op(2)), later: None };
    assert_refuted(standing_of(&history, FindingKind::LostAction, proof, Vec::new()), "seen");
}

/// Its request failed, so that nothing of it can be lost. That a list had it all the same is another finding.
#[test]
fn an_action_that_failed_is_not_lost() {
    for outcome in ["fail", "info"] {
        let mut lines = StoreLines::default();
        lines.request("u", "act", "s", ["\"a1\"", outcome, "\"a1\""]);
        lines.request("u", "actions", "u", ["null", "ok", "[\"a1\"]"]);
        lines.request("u", "actions", "u", ["null", "ok", "[]"]);
        let history = lines.read();
        let proof = FindingProof::Undone { read: op(2), act: op(0), seen: Some(op(1)), later: None };
        let found = standing_of(&history, FindingKind::LostAction, proof, Vec::new());
        match outcome {
            "fail" => assert_refuted(found, "seen"),
            _ => assert_eq!(found, Standing::Confirmed),
        }
    }
}

/// One request, and one entry of it.
#[test]
fn an_entry_for_each_request_is_none_too_often() {
    let mut lines = StoreLines::default();
    lines.request("u", "create", "s", ["null", "ok", "null"]);
    lines.actor("recorder", "audit", "1");
    lines.actor("audit", "create", "[\"s\",null]");
    let history = lines.read();
    let position = history.actor_events().last().expect("an entry").position;
    for kind in [FindingKind::AuditDuplicated, FindingKind::AuditMissing, FindingKind::AuditForged] {
        let found = standing_of_operations(&history, kind, entries(1, 1, 1), vec![op(0)], vec![position]);
        assert_refuted(found, "numbers");
    }
}

/// A live connection was lost and never resumed. That is no mistake if the session was gone by then, which only an answer can tell.
#[test]
fn a_read_without_an_answer_does_not_tell_that_a_session_was_gone() {
    for answered in [true, false] {
        let mut lines = StoreLines::default();
        wrote(&mut lines, "create", 0);
        for event in ["open", "lost", "out"] {
            lines.actor("live", event, "\"s\"");
        }
        lines.request("u", "read", "s", ["null", if answered { "ok" } else { "info" }, "null"]);
        let history = lines.read();
        let kind = FindingKind::ConnectionNotResumed;
        let nothing = Verdict::Holds(Witness::NothingFound);
        let found = claim_standing(&history, &question(kind), Property::Finding(kind), nothing);
        assert_eq!(found == Standing::Confirmed, answered, "{found:?}");
    }
}

/// Without rules in the header, no time runs out.
#[test]
fn a_header_without_rules_has_sessions_that_live_for_ever() {
    let history = {
        let mut lines = StoreLines::default();
        wrote(&mut lines, "create", 0);
        lines.request("u", "read", "s", ["null", "ok", "null"]);
        lines.read()
    };
    assert_eq!(SessionRules::from_header(&history).expect("no header").time_to_live_ns, None);
    let proof = |idle_ns| FindingProof::Gone { gone: op(1), alive: op(0), renewed: None, idle_ns };
    let standing = |kind, idle_ns| standing_of(&history, kind, proof(idle_ns), Vec::new());
    assert_eq!(standing(FindingKind::LostSession, None), Standing::Confirmed);
    assert_refuted(standing(FindingKind::LostSession, Some(1)), "for ever");
    assert_refuted(standing(FindingKind::ExpiredEarly, None), "for ever");
    assert_refuted(standing(FindingKind::StaleSession, None), "again");
}
