//! Findings about saves, expiry and live connections that rest on one condition that does not hold, each beside one that does.
//!
//! Mutants of these conditions survived: no test had shown the verifier evidence that meets all conditions except for one.

use crate::session_stores::{StoreLines, assert_refuted, op, question, standing_of, version};
use claims::{FindingKind, FindingProof, Property, Question, Verdict, Witness};
use histories::History;
use testkit::claim_standing;
use verifier::Standing;

const SECOND_NS: i64 = 1_000_000_000;

fn text_of_event(process: u32, [kind, function, key]: [&str; 3], value: &str, more: &str) -> String {
    format!(
        "{{\"process\":{process},\"session\":\"u{process}\",\"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"{key}\",\"value\":{value}{more}}}\n"
    )
}

/// Events of clients. A save may state its base.
#[derive(Default)]
struct Requests(StoreLines);

impl Requests {
    fn begin(&mut self, process: u32, function: &str, value: &str, base: Option<&str>) {
        let more = match base {
            Some(base) => format!(",\"based_on\":{base}"),
            None => String::new(),
        };
        self.0.text += &text_of_event(process, ["invoke", function, "s"], value, &more);
    }

    fn end(&mut self, process: u32, [kind, function]: [&str; 2], value: &str) {
        self.0.text += &text_of_event(process, [kind, function, "s"], value, "");
    }

    fn write(&mut self, process: u32, value: &str, base: Option<&str>) {
        self.begin(process, "write", value, base);
        self.end(process, ["ok", "write"], value);
    }

    fn read(&mut self, process: u32, value: &str) {
        self.begin(process, "read", "null", None);
        self.end(process, ["ok", "read"], value);
    }

    fn create(&mut self, value: &str) {
        self.begin(0, "create", value, None);
        self.end(0, ["ok", "create"], value);
    }
}

fn standing_of_saves(requests: &Requests, saves: [u32; 2], reads: [Option<u32>; 2]) -> Standing {
    let [read, other_read] = reads.map(|read| read.map(op));
    let [save, other] = saves.map(op);
    let proof = FindingProof::Overwritten { save, read, other, other_read };
    standing_of(&requests.0.read(), FindingKind::LostUpdate, proof, Vec::new())
}

/// In a lost update, one acknowledged save undoes another. A request that changes one field undoes nothing else, and an indeterminate one may
/// not have taken effect.
#[test]
fn an_update_is_lost_only_if_two_saves_were_acknowledged() {
    let (base, one, other) = (version(0), version(1), version(2));
    for (function, outcome) in [("write", "ok"), ("write", "info"), ("patch", "ok")] {
        let mut requests = Requests::default();
        requests.create(&base);
        requests.begin(1, function, &one, Some(&base));
        requests.begin(2, function, &other, Some(&base));
        requests.end(1, ["ok", function], &one);
        requests.end(2, [outcome, function], &other);
        let found = standing_of_saves(&requests, [2, 1], [None, None]);
        match (function, outcome) {
            ("write", "ok") => assert_eq!(found, Standing::Confirmed),
            _ => assert_refuted(found, "acknowledged"),
        }
    }
}

/// The first save was over before the second request began. So the second one was based on an old version: it was not made at once.
#[test]
fn saves_one_after_the_other_lose_no_update() {
    let mut requests = Requests::default();
    requests.create(&version(0));
    requests.write(1, &version(1), Some(&version(0)));
    requests.write(2, &version(2), Some(&version(0)));
    assert_refuted(standing_of_saves(&requests, [2, 1], [None, None]), "was over before");
}

/// A list lacked an action that it has again in a later list of the same user. Neither an earlier list nor the list of another user says so.
#[test]
fn an_action_is_back_in_a_later_list_of_its_user() {
    let mut lines = StoreLines::default();
    lines.request("u", "act", "s", ["\"a1\"", "ok", "\"a1\""]);
    for (user, list) in [("u", "[\"a1\"]"), ("u", "[]"), ("u", "[\"a1\"]"), ("v", "[\"a1\"]")] {
        lines.request(user, "actions", user, ["null", "ok", list]);
    }
    let history = lines.read();
    for (later, is_right) in [(3, true), (1, false), (4, false)] {
        let proof =
            FindingProof::Undone { read: op(2), act: op(0), seen: Some(op(1)), later: Some(op(later)) };
        let found = standing_of(&history, FindingKind::StaleSession, proof, Vec::new());
        match is_right {
            true => assert_eq!(found, Standing::Confirmed),
            false => assert_refuted(found, "later list"),
        }
    }
}

/// The version was written again. So each save may be based on another write of it, and the later one may contain the earlier one.
#[test]
fn saves_at_once_lose_nothing_if_their_base_was_written_twice() {
    let (base, one, other) = (version(0), version(1), version(2));
    for (stated, twice) in [(true, true), (true, false), (false, true), (false, false)] {
        let told = stated.then_some(&*base);
        let mut requests = Requests::default();
        requests.create(&base);
        requests.read(3, &base);
        requests.write(3, &if twice { base.clone() } else { version(7) }, None);
        requests.read(1, &base);
        requests.read(2, &base);
        requests.begin(1, "write", &one, told);
        requests.begin(2, "write", &other, told);
        requests.end(1, ["ok", "write"], &one);
        requests.end(2, ["ok", "write"], &other);
        // A base that is stated was shown by the last read of anybody.
        let reads = if stated { [Some(4), Some(4)] } else { [Some(4), Some(3)] };
        let found = standing_of_saves(&requests, [6, 5], reads);
        match twice {
            true => assert_refuted(found, "more than once"),
            false => assert_eq!(found, Standing::Confirmed, "{stated}"),
        }
    }
}

/// Another save was made between the read and the save of a request, so that the read cannot have shown it, however often its version
/// was written. A base that the history states need not be what that read returned: the version may have been written again since.
#[test]
fn what_was_saved_after_the_read_of_a_request_is_undone_by_it() {
    let (base, one, other) = (version(0), version(1), version(2));
    for stated in [true, false] {
        let mut requests = Requests::default();
        requests.create(&base);
        requests.read(3, &base);
        requests.write(3, &base, None);
        requests.read(2, &base);
        requests.read(1, &base);
        requests.write(2, &other, None);
        requests.write(1, &one, stated.then_some(&base));
        let found = standing_of_saves(&requests, [6, 5], [Some(4), Some(3)]);
        match stated {
            true => assert_refuted(found, "more than once"),
            false => assert_eq!(found, Standing::Confirmed),
        }
    }
}

fn standing_of_nothing(history: &History, kind: FindingKind) -> Standing {
    let nothing = Verdict::Holds(Witness::NothingFound);
    claim_standing(history, &question(kind), Property::Finding(kind), nothing)
}

/// Two saves state a version that the history does not have. Nobody knows whether it was one version, so no update is known to be lost.
#[test]
fn saves_of_a_base_that_nobody_wrote_lose_nothing() {
    for (base, is_lost) in [(version(9), false), (version(1), true)] {
        let mut requests = Requests::default();
        requests.create(&version(0));
        requests.write(0, &version(1), Some(&version(0)));
        requests.begin(1, "write", &version(2), Some(&base));
        requests.begin(2, "write", &version(3), Some(&base));
        requests.end(1, ["ok", "write"], &version(2));
        requests.end(2, ["ok", "write"], &version(3));
        let found = standing_of_nothing(&requests.0.read(), FindingKind::LostUpdate);
        assert_eq!(found == Standing::Confirmed, !is_lost, "{base}: {found:?}");
    }
}

/// The newer version is that of another session, or of a session that was created under an id that had belonged to this one.
#[test]
fn a_version_of_another_session_replaces_nothing() {
    for is_renewed in [false, true] {
        let mut lines = StoreLines::default();
        let (old, new) = (version(0), version(1));
        lines.request("u", "create", "s", [&old, "ok", &old]);
        if is_renewed {
            lines.request("u", "renew", "s", ["\"t\"", "ok", "\"t\""]);
        }
        lines.request("u", "create", "t", [&new, "ok", &new]);
        lines.request("u", "read", "s", ["null", "ok", &old]);
        let newer = 1 + u32::from(is_renewed);
        let proof = FindingProof::Replaced {
            read: op(newer + 1),
            field: None,
            older: op(0),
            newer: op(newer),
            shown: op(newer),
        };
        let found = standing_of(&lines.read(), FindingKind::StaleSession, proof, Vec::new());
        assert_refuted(found, "not one session");
    }
}

/// A live connection that was lost for good, of a session that was there afterwards.
fn lose_connection(lines: &mut StoreLines, id: &str) {
    for event in ["open", "lost", "out"] {
        lines.actor("live", event, &format!("\"{id}\""));
    }
    lines.request("u", "read", id, ["null", "ok", &version(0)]);
}

fn standing_of_lost_connection(history: &History, alive: u32) -> Standing {
    let events = history.actor_events().iter().map(|event| event.position);
    // The end of the loss comes first.
    let lost = events.skip(1).rev().collect();
    let proof = FindingProof::NotResumed { alive: op(alive) };
    standing_of(history, FindingKind::ConnectionNotResumed, proof, lost)
}

/// A session that ends before its connection is lost needs none. One that ends later does.
#[test]
fn what_ends_a_session_after_its_connection_was_lost_excuses_nothing() {
    for is_earlier in [true, false] {
        let mut lines = StoreLines::default();
        lines.request("u", "create", "s", [&version(0), "ok", &version(0)]);
        if is_earlier {
            lines.request("u", "destroy", "s", ["null", "ok", "null"]);
        }
        lose_connection(&mut lines, "s");
        if !is_earlier {
            lines.request("u", "destroy", "s", ["null", "ok", "null"]);
        }
        let found = standing_of_lost_connection(&lines.read(), 1 + u32::from(is_earlier));
        match is_earlier {
            true => assert_refuted(found, "ended"),
            false => assert_eq!(found, Standing::Confirmed),
        }
    }
}

/// The session got its id by a renewal. Its connection was lost all the same.
#[test]
fn a_connection_of_a_renewed_session_is_looked_for() {
    let mut lines = StoreLines::default();
    lines.request("u", "create", "s", [&version(0), "ok", &version(0)]);
    lines.request("u", "renew", "s", ["\"t\"", "ok", "\"t\""]);
    lose_connection(&mut lines, "t");
    let history = lines.read();
    assert_eq!(standing_of_lost_connection(&history, 2), Standing::Confirmed);
    let found = standing_of_nothing(&history, FindingKind::ConnectionNotResumed);
    assert!(matches!(found, Standing::Refuted(_)), "{found:?}");
}

/// The store refused to create the session at first. So it was created once.
#[test]
fn a_creation_that_failed_gave_out_no_id() {
    let mut lines = StoreLines::default();
    lines.request("u", "create", "s", [&version(0), "fail", "null"]);
    lines.request("u", "create", "s", [&version(0), "ok", &version(0)]);
    lines.request("u", "read", "s", ["null", "ok", &version(0)]);
    for kind in [FindingKind::LostSession, FindingKind::StaleSession] {
        assert_eq!(standing_of_nothing(&lines.read(), kind), Standing::Confirmed, "{}", kind.name());
    }
}

/// A session was gone before anybody began to end it. It was lost, whatever was done to it later.
#[test]
fn what_ends_a_session_later_does_not_explain_that_it_was_gone() {
    for is_earlier in [true, false] {
        let mut lines = StoreLines::default();
        lines.request("u", "create", "s", [&version(0), "ok", &version(0)]);
        let ends = |lines: &mut StoreLines| lines.request("u", "destroy", "s", ["null", "info", "null"]);
        if is_earlier {
            ends(&mut lines);
        }
        lines.request("u", "read", "s", ["null", "ok", "null"]);
        if !is_earlier {
            ends(&mut lines);
        }
        let found = standing_of_nothing(&lines.read(), FindingKind::LostSession);
        assert_eq!(found == Standing::Confirmed, is_earlier, "{found:?}");
    }
}

/// Requests with times, in seconds, of sessions that live ten seconds after each of them.
#[derive(Default)]
struct TimedLines {
    lines: StoreLines,
    processes: u32,
}

impl TimedLines {
    fn request(&mut self, [function, key, value]: [&str; 3], [from, until]: [i64; 2]) {
        let process = self.processes;
        self.processes += 1;
        let time = |seconds: i64| format!(",\"time\":{}", seconds * SECOND_NS);
        let given = if matches!(function, "create" | "renew") { value } else { "null" };
        self.lines.text += &text_of_event(process, ["invoke", function, key], given, &time(from));
        self.lines.text += &text_of_event(process, ["ok", function, key], value, &time(until));
    }

    fn standing(&self, kind: FindingKind, proof: FindingProof) -> Standing {
        let history = self.lines.read();
        let mut question: Question = question(kind);
        question.sessions.time_to_live_ns = Some(10 * SECOND_NS);
        question.sessions.tolerance_ns = 0;
        let violation = crate::session_stores::violation(&history, kind, proof);
        claim_standing(&history, &question, Property::Finding(kind), Verdict::Violated(vec![violation]))
    }
}

/// A request for another session leaves the time of this one running.
#[test]
fn only_the_session_itself_is_renewed() {
    for id in ["s", "t"] {
        let mut lines = TimedLines::default();
        lines.request(["create", "s", &version(0)], [0, 1]);
        lines.request(["create", "t", &version(1)], [2, 3]);
        lines.request(["touch", id, "null"], [8, 9]);
        lines.request(["read", "s", "null"], [15, 16]);
        let proof = FindingProof::Gone {
            gone: op(3),
            alive: op(0),
            renewed: Some(op(2)),
            idle_ns: Some(8 * SECOND_NS),
        };
        let found = lines.standing(FindingKind::LostSession, proof);
        match id {
            "s" => assert_eq!(found, Standing::Confirmed),
            _ => assert_refuted(found, "renewed"),
        }
    }
}

/// The session may have lived for eleven seconds. A request that began then may have been in time; one that began later was not.
#[test]
fn a_request_at_the_last_moment_renews() {
    for (from, is_late) in [(11, false), (12, true)] {
        let mut lines = TimedLines::default();
        lines.request(["create", "s", &version(0)], [0, 1]);
        lines.request(["touch", "s", "null"], [from, from + 1]);
        lines.request(["read", "s", &version(0)], [20, 21]);
        let proof = FindingProof::Overdue { seen: op(2), renewed: Some(op(1)), late_ns: 9 * SECOND_NS };
        let found = lines.standing(FindingKind::ExpiredLate, proof);
        match is_late {
            true => assert_eq!(found, Standing::Confirmed),
            false => assert_refuted(found, "time"),
        }
    }
}

/// The renewal gave out an id whose session had expired. It shows that this session was gone, and did not keep it alive.
#[test]
fn what_shows_that_a_session_was_gone_did_not_renew_it() {
    let mut lines = TimedLines::default();
    lines.request(["create", "t", &version(0)], [0, 1]);
    lines.request(["create", "s", &version(1)], [18, 19]);
    lines.request(["renew", "s", "\"t\""], [20, 21]);
    let proof =
        FindingProof::Gone { gone: op(2), alive: op(0), renewed: Some(op(2)), idle_ns: Some(SECOND_NS) };
    assert_refuted(lines.standing(FindingKind::LostSession, proof), "renewed");
}
