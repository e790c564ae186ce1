//! The monitor of session stores beside the check of each prefix.
//!
//! What must not happen: a finding that a check does not make, one that is missed because a session was forgotten, and a session that
//! came back after it was forgotten and still *holds*.

use checker::{
    FindingKind, Model, Monitor, MonitorError, MonitorLimits, MonitorVerdict, Property, Question,
    SessionRules, StreamEvent,
};
use histories::History;
use histories::format::{Format, from_text};
use std::collections::BTreeMap;
use std::fmt::Write;
use testkit::monitoring::{Prefixes, STEPS, answers, forgets_at_once, keeps_all};
use testkit::{TestRandom, draw_history, test_limits};

const KINDS: [FindingKind; 12] = [
    FindingKind::LostSession,
    FindingKind::LostWrite,
    FindingKind::StaleSession,
    FindingKind::ResurrectedSession,
    FindingKind::ExpiredEarly,
    FindingKind::ExpiredLate,
    FindingKind::OldIdAlive,
    FindingKind::SessionLeak,
    FindingKind::TornSession,
    FindingKind::DuplicatedAction,
    FindingKind::LostAction,
    FindingKind::Unexplained,
];

/// All findings that are judged online, by the rules of the header.
fn ask(history: &History) -> Question {
    let sessions = SessionRules::from_header(history).expect("a header");
    let asked = KINDS.iter().filter(|kind| !sessions.is_sample || kind.is_certain_in_sample());
    let asked = asked.map(|&kind| Property::Finding(kind)).collect();
    Question { asked: Some(asked), sessions, ..Question::about(Model::Session) }
}

/// Every finding that the monitor reports is one of its own small history, and the verifier confirmed it.
fn assert_evidence(monitor: &mut Monitor) {
    for violation in monitor.take_violations() {
        let again = checker::check(&violation.history, &violation.question, &test_limits(STEPS, 1 << 30));
        assert_eq!(again.expect("it was checked before"), violation.report);
        assert_eq!(violation.report.verdict(), "violated");
    }
}

fn assert_online_is_offline(history: &History, cuts: &[usize], what: &str) -> usize {
    let question = ask(history);
    let prefixes = Prefixes::new(history);
    let mut monitor = Monitor::new(question.clone(), keeps_all()).expect("a question about a session store");
    let mut ever_violated = [false; KINDS.len()];
    for (event, number) in StreamEvent::all(history).zip(1..) {
        monitor.push(event).expect("a history");
        if !cuts.contains(&number) {
            continue;
        }
        monitor.judge().expect("no internal error");
        assert_evidence(&mut monitor);
        let offline = prefixes.verdicts(number, &question);
        for (at, (online, why)) in answers(&monitor).into_iter().enumerate() {
            ever_violated[at] |= offline[at] == "violated";
            let expected = if ever_violated[at] { "violated" } else { offline[at] };
            let drawn = || draw_history(&prefixes.prefix(number));
            assert_eq!(
                online,
                expected,
                "{what}, {number} events, {} ({why}):\n{}",
                KINDS[at].name(),
                drawn()
            );
        }
    }
    ever_violated.into_iter().filter(|violated| *violated).count()
}

#[test]
fn online_is_offline_on_the_session_stores_of_the_corpus_at_every_cut() {
    let mut random = TestRandom::new(11);
    let (mut tried, mut violated) = (0, 0);
    for case in testkit::corpus::corpus_cases() {
        let history = &case.history;
        let recognised = Question::recognised(history);
        if !history.has_real_time() || recognised.is_ok_and(|question| question.model != Model::Session) {
            continue;
        }
        if Question::recognised(history).is_err() {
            continue;
        }
        tried += 1;
        let events = history.event_count() as usize;
        let cuts: Vec<usize> = match events {
            0..=150 => (1..=events).collect(),
            _ => (0..25).map(|_| 1 + random.below(events)).chain([events]).collect(),
        };
        violated += assert_online_is_offline(history, &cuts, &case.name);
    }
    assert!(tried >= 20 && violated >= 15, "{tried} histories with {violated} findings");
}

/// A session of the simulated store.
#[derive(Clone)]
struct StoredSession {
    value: u64,
    owner: usize,
    renewed_ms: u64,
}

/// What an operation found, as it completes.
struct OpenRequest {
    process: u64,
    function: &'static str,
    key: u64,
    /// The value that is written, or the id that a renewal gives.
    asked: Option<u64>,
    /// The outcome and the value once it took effect.
    done: Option<(&'static str, Option<u64>)>,
}

/// What goes wrong in a store, in percent of reads.
#[derive(Clone, Copy, Debug, Default)]
struct Defects {
    lost: usize,
    stale: usize,
    leaked: usize,
    torn: usize,
    resurrected: usize,
    /// Sessions are never removed when their time is over.
    late: bool,
}

const LIVE_MS: u64 = 3_000;

/// A session store with defects, and clients that use it.
struct StoreRun {
    random: TestRandom,
    defects: Defects,
    expires: bool,
    text: String,
    now_ms: u64,
    sessions: BTreeMap<u64, StoredSession>,
    /// All values that were written under each id.
    values: BTreeMap<u64, Vec<u64>>,
    /// Whether users use the sessions of others; if not, the ids with their owners.
    shares: bool,
    owned: Vec<(u64, usize)>,
    next_id: u64,
    next_value: u64,
    next_process: u64,
}

impl StoreRun {
    fn new(seed: u64, defects: Defects) -> Self {
        let mut random = TestRandom::new(seed);
        let expires = random.chance(60);
        let text = match expires {
            true => format!("{{\"steadfast\":1,\"time_to_live_ms\":{LIVE_MS}}}\n"),
            false => String::new(),
        };
        let (sessions, values) = (BTreeMap::new(), BTreeMap::new());
        let (next_id, next_value, next_process) = (0, 0, 0);
        let (shares, owned) = (random.chance(40), Vec::new());
        Self {
            shares,
            owned,
            random,
            defects,
            expires,
            text,
            now_ms: 0,
            sessions,
            values,
            next_id,
            next_value,
            next_process,
        }
    }

    fn into_history(mut self, operations: usize) -> History {
        let clients = 1 + self.random.below(3);
        let mut open: Vec<Option<OpenRequest>> = (0..clients).map(|_| None).collect();
        let mut left = operations;
        while left > 0 || open.iter().any(Option::is_some) {
            self.now_ms += [50, 100, 100, 400][self.random.below(4)];
            let client = self.random.below(clients);
            match open[client].take() {
                None if left == 0 => {}
                None => {
                    left -= 1;
                    open[client] = Some(self.invoke(client));
                }
                Some(mut request) if request.done.is_none() => {
                    request.done = Some(self.apply(client, &request));
                    open[client] = Some(request);
                }
                Some(request) => self.complete(client, request),
            }
        }
        from_text(Format::Native, &self.text).expect("a history")
    }

    fn fresh_value(&mut self) -> Option<u64> {
        self.next_value += 1;
        Some(self.next_value)
    }

    fn invoke(&mut self, client: usize) -> OpenRequest {
        let recent = self.next_id.saturating_sub(self.random.below(4) as u64 + 1);
        // Now and then an id that was used long ago.
        let key =
            if self.random.chance(6) { self.random.below(self.next_id as usize + 1) as u64 } else { recent };
        let (function, key, asked) = match self.random.below(100) {
            0..=19 => {
                self.next_id += 1;
                let again = self.random.chance(5);
                ("create", if again { key } else { self.next_id - 1 }, self.fresh_value())
            }
            20..=39 => ("write", key, self.fresh_value()),
            40..=44 => ("touch", key, None),
            45..=56 => ("destroy", key, None),
            57..=63 => {
                self.next_id += 1;
                ("renew", key, Some(self.next_id - 1))
            }
            _ => ("read", key, None),
        };
        self.next_process += 1;
        let given = if function == "renew" { asked.expect("an id") } else { key };
        if !self.shares && matches!(function, "create" | "renew") {
            self.owned.push((given, client));
        }
        let request = OpenRequest { process: self.next_process, function, key, asked, done: None };
        self.write_event(client, &request, "invoke", request.asked);
        request
    }

    /// Lets an operation take effect. Returns its outcome, and what a read returns.
    fn apply(&mut self, client: usize, request: &OpenRequest) -> (&'static str, Option<u64>) {
        if self.expires && !self.defects.late {
            let now = self.now_ms;
            self.sessions.retain(|_, session| session.renewed_ms + LIVE_MS > now);
        }
        if self.random.chance(4) {
            let effect = self.random.chance(50);
            if effect {
                self.take_effect(client, request);
            }
            return ("info", None);
        }
        if request.function == "read" {
            return ("ok", self.answer_read(request.key));
        }
        if self.take_effect(client, request) { ("ok", None) } else { ("fail", None) }
    }

    fn take_effect(&mut self, client: usize, request: &OpenRequest) -> bool {
        let (key, now) = (request.key, self.now_ms);
        if request.function == "create" {
            if self.sessions.contains_key(&key) {
                return false;
            }
            let value = request.asked.expect("a value");
            self.sessions.insert(key, StoredSession { value, owner: client, renewed_ms: now });
            self.values.entry(key).or_default().push(value);
            return true;
        }
        let Some(session) = self.sessions.get_mut(&key) else { return false };
        match request.function {
            "write" => {
                session.value = request.asked.expect("a value");
                session.renewed_ms = now;
                self.values.entry(key).or_default().push(session.value);
            }
            "touch" => session.renewed_ms = now,
            "renew" => {
                let mut session = self.sessions.remove(&key).expect("it is there");
                session.renewed_ms = now;
                self.values.insert(request.asked.expect("an id"), vec![session.value]);
                self.sessions.insert(request.asked.expect("an id"), session);
            }
            "destroy" => _ = self.sessions.remove(&key),
            _ => {}
        }
        true
    }

    fn answer_read(&mut self, key: u64) -> Option<u64> {
        let Defects { lost, stale, leaked, torn, resurrected, .. } = self.defects;
        let values = self.values.get(&key).cloned().unwrap_or_default();
        let Some(session) = self.sessions.get(&key).cloned() else {
            let comes_back = !values.is_empty() && self.random.chance(resurrected);
            return comes_back.then(|| values[values.len() - 1]);
        };
        if self.random.chance(lost) {
            return None;
        }
        if self.random.chance(stale) {
            return Some(values[self.random.below(values.len())]);
        }
        if self.random.chance(leaked) && self.next_value > 0 {
            return Some(1 + self.random.below(self.next_value as usize) as u64);
        }
        if self.random.chance(torn) {
            return Some(1_000_000 + self.now_ms);
        }
        let _ = session.owner;
        Some(session.value)
    }

    fn complete(&mut self, client: usize, request: OpenRequest) {
        let (outcome, value) = request.done.expect("it took effect");
        let value = if request.function == "read" { value } else { request.asked };
        self.write_event(client, &request, outcome, value);
    }

    fn write_event(&mut self, client: usize, request: &OpenRequest, kind: &str, value: Option<u64>) {
        let value = match (value, request.function) {
            (Some(id), "renew") => format!("\"s{id}\""),
            (Some(value), _) => value.to_string(),
            (None, _) => "null".to_owned(),
        };
        let OpenRequest { process, function, key, .. } = request;
        let time = self.now_ms * 1_000_000;
        writeln!(
            self.text,
            "{{\"process\":{process},\"session\":\"u{client}\",\"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"s{key}\",\
             \"value\":{value},\"time\":{time}}}"
        )
        .expect("text grows");
    }
}

fn defects_of(seed: u64) -> Defects {
    let none = Defects::default();
    match seed % 8 {
        0 | 1 => none,
        2 => Defects { lost: 6, ..none },
        3 => Defects { stale: 20, ..none },
        4 => Defects { leaked: 6, ..none },
        5 => Defects { torn: 6, ..none },
        6 => Defects { resurrected: 15, ..none },
        _ => Defects { late: true, ..none },
    }
}

#[test]
fn online_is_offline_on_random_stores_at_every_cut() {
    let mut violated = 0;
    for seed in 0..600 {
        let history = StoreRun::new(seed, defects_of(seed)).into_history(25);
        let cuts: Vec<usize> = (1..=history.event_count() as usize).collect();
        violated += assert_online_is_offline(&history, &cuts, &format!("seed {seed}"));
    }
    assert!(violated > 150, "{violated}");
}

/// What a monitor that forgets said in the end.
#[derive(Default, Debug)]
struct Tally {
    violated: usize,
    holds: usize,
    unknown: usize,
    forgotten: usize,
}

/// A monitor that forgets: it never says *violated* or *holds* where the check of the prefix does not.
fn compare_while_forgetting(history: &History, limits: MonitorLimits, what: &str, tally: &mut Tally) {
    let question = ask(history);
    let prefixes = Prefixes::new(history);
    let mut monitor = Monitor::new(question.clone(), limits).expect("a question about a session store");
    let mut ever_violated = [false; KINDS.len()];
    for (event, number) in StreamEvent::all(history).zip(1..) {
        monitor.push(event).expect("a history");
        monitor.judge().expect("no internal error");
        assert_evidence(&mut monitor);
        let offline = prefixes.verdicts(number, &question);
        for (at, (online, why)) in answers(&monitor).into_iter().enumerate() {
            ever_violated[at] |= offline[at] == "violated";
            let told = || {
                let mut drawn = draw_history(&prefixes.prefix(number));
                if let Some(MonitorVerdict::Violated(found)) =
                    monitor.answers().nth(at).map(|answer| answer.verdict)
                {
                    drawn += &format!("shown by\n{}{:?}", draw_history(&found.history), found.report.answers);
                }
                format!("{what}, {number} events, {}: {online} ({why})\n{drawn}", KINDS[at].name())
            };
            match online {
                "violated" => assert!(ever_violated[at], "{}", told()),
                "unknown" => {}
                _ => assert_eq!((online, ever_violated[at]), (offline[at], false), "{}", told()),
            }
        }
    }
    tally.forgotten += history.len().saturating_sub(monitor.kept_operations());
    for (online, _) in answers(&monitor) {
        match online {
            "violated" => tally.violated += 1,
            "unknown" => tally.unknown += 1,
            _ => tally.holds += 1,
        }
    }
}

#[test]
fn a_monitor_of_sessions_that_forgets_is_not_wrong() {
    let mut tally = Tally::default();
    for seed in 0..500 {
        let history = StoreRun::new(seed, defects_of(seed)).into_history(60);
        compare_while_forgetting(&history, forgets_at_once(), &format!("seed {seed}"), &mut tally);
    }
    assert!(tally.violated > 100 && tally.holds > 1_000 && tally.forgotten > 5_000, "{tally:?}");
}

/// Sessions that come back after the bound break its assumption. That is noticed as well.
#[test]
fn a_monitor_that_forgets_idle_sessions_is_not_wrong() {
    let mut tally = Tally::default();
    for seed in 0..300 {
        let history = StoreRun::new(seed, defects_of(seed)).into_history(60);
        let limits = MonitorLimits { session_idle_ns: Some(1_500_000_000), ..forgets_at_once() };
        compare_while_forgetting(&history, limits, &format!("seed {seed}"), &mut tally);
    }
    assert!(tally.forgotten > 8_000, "{tally:?}");
}

/// Of a sound store whose users do not come back to sessions that are over, nothing is unknown, and little is kept.
#[test]
fn a_sound_store_holds_to_the_end_and_little_is_kept() {
    let mut text = format!("{{\"steadfast\":1,\"time_to_live_ms\":{LIVE_MS}}}\n");
    let mut time = 0_u64;
    for id in 0..400_u64 {
        let mut operation = |function: &str, asked: &str, answer: &str| {
            for (kind, value) in [("invoke", asked), ("ok", answer)] {
                time += 1_000_000;
                writeln!(
                    text,
                    "{{\"process\":{},\"session\":\"u{}\",\"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"s{id}\",\
                     \"value\":{value},\"time\":{time}}}",
                    id % 3,
                    id % 7
                )
                .expect("text grows");
            }
        };
        let (one, two) = ((2 * id).to_string(), (2 * id + 1).to_string());
        operation("create", &one, &one);
        operation("read", "null", &one);
        operation("write", &two, &two);
        operation("read", "null", &two);
        if id % 2 == 0 {
            operation("destroy", "null", "null");
            operation("read", "null", "null");
        } else {
            time += 2 * LIVE_MS * 1_000_000;
        }
    }
    let history = from_text(Format::Native, &text).expect("a history");
    let mut monitor =
        Monitor::new(ask(&history), forgets_at_once()).expect("a question about a session store");
    let mut most = 0;
    for event in StreamEvent::all(&history) {
        monitor.push(event).expect("a history");
        monitor.judge().expect("no internal error");
        most = most.max(monitor.kept_operations());
    }
    let told = answers(&monitor);
    assert!(told.iter().all(|(name, _)| matches!(*name, "holds" | "untested")), "{told:?}");
    assert!(told.iter().filter(|(name, _)| *name == "holds").count() >= 7, "{told:?}");
    assert!(most < 20, "{most} operations");
}

/// There are more open sessions than the memory can hold: the findings are unknown, and the memory stays bounded.
#[test]
fn sessions_that_do_not_fit_make_the_findings_unknown() {
    let mut text = String::new();
    for id in 0..500 {
        for kind in ["invoke", "ok"] {
            writeln!(
                text,
                "{{\"process\":0,\"session\":\"u\",\"type\":\"{kind}\",\"f\":\"create\",\"key\":\"s{id}\",\"value\":{id}}}"
            )
            .expect("text grows");
        }
    }
    // One that is kept shows a finding all the same.
    text += "{\"process\":0,\"session\":\"u\",\"type\":\"invoke\",\"f\":\"read\",\"key\":\"s499\",\"value\":null}\n";
    text +=
        "{\"process\":0,\"session\":\"u\",\"type\":\"ok\",\"f\":\"read\",\"key\":\"s499\",\"value\":null}\n";
    let history = from_text(Format::Native, &text).expect("a history");
    let limits = MonitorLimits { steps: STEPS, ..MonitorLimits::within(MonitorLimits::BYTES_MIN) };
    let mut monitor = Monitor::new(ask(&history), limits).expect("a question about a session store");
    let mut most = 0;
    for event in StreamEvent::all(&history) {
        monitor.push(event).expect("a history");
        most = most.max(monitor.kept_operations());
    }
    monitor.judge().expect("no internal error");
    let by_kind: Vec<_> = KINDS.iter().zip(answers(&monitor)).collect();
    for (kind, (verdict, why)) in &by_kind {
        match kind {
            FindingKind::LostSession => assert_eq!(*verdict, "violated", "{why}"),
            FindingKind::StaleSession => {
                assert!(*verdict == "unknown" && why.contains("--session-idle"), "{why}")
            }
            _ => assert!(matches!(*verdict, "unknown" | "untested"), "{kind:?}: {verdict}"),
        }
    }
    assert!(most < 120, "{most} operations");
}

#[test]
fn an_interrupted_monitor_of_sessions_says_the_same() {
    for seed in 0..60 {
        let history = StoreRun::new(seed, defects_of(seed)).into_history(40);
        let follow = |interrupted: bool| {
            let mut monitor = Monitor::new(ask(&history), forgets_at_once()).expect("a question");
            let mut told = Vec::new();
            for (event, number) in StreamEvent::all(&history).zip(0..) {
                monitor.push(event).expect("a history");
                if interrupted && number % 5 == 0 {
                    let text = serde_json::to_string(&monitor).expect("it can be written");
                    monitor = serde_json::from_str(&text).expect("and read");
                }
                monitor.judge().expect("no internal error");
                let found = monitor.take_violations().into_iter();
                told.extend(
                    found.map(|found| format!("{:?} {} {:?}", found.property, found.event, found.report)),
                );
            }
            (answers(&monitor), told)
        };
        assert_eq!(follow(true), follow(false), "seed {seed}");
    }
}

#[test]
fn what_only_a_whole_recording_shows_is_refused_or_left_out() {
    let by_name =
        |kind| Question { asked: Some(vec![Property::Finding(kind)]), ..Question::about(Model::Session) };
    for kind in [FindingKind::LostUpdate, FindingKind::AuditMissing, FindingKind::ClockWentBack] {
        let refused = Monitor::new(by_name(kind), keeps_all()).err();
        assert!(
            matches!(&refused, Some(MonitorError::OfflineOnly(why)) if why.contains(kind.name())),
            "{refused:?}"
        );
    }
    let text = "{\"process\":0,\"type\":\"invoke\",\"f\":\"create\",\"key\":\"a\",\"value\":1}\n\
                {\"process\":0,\"type\":\"ok\",\"f\":\"create\",\"key\":\"a\",\"value\":1}\n\
                {\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"key\":\"a\",\"value\":null}\n\
                {\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"key\":\"a\",\"value\":1}\n";
    let history = from_text(Format::Native, text).expect("a history");
    let mut monitor =
        Monitor::new(Question::about(Model::Session), keeps_all()).expect("the default question");
    for event in StreamEvent::all(&history) {
        monitor.push(event).expect("a history");
    }
    monitor.judge().expect("no internal error");
    let names: Vec<&str> = monitor.answers().map(|answer| answer.property.name()).collect();
    assert!(
        names.contains(&"lost-session") && !names.contains(&"expired-late"),
        "no time to live: {names:?}"
    );
    assert!(
        monitor.answers().all(|answer| matches!(answer.verdict, MonitorVerdict::HoldsSoFar)),
        "{names:?}"
    );
    let foreign =
        from_text(Format::Native, "{\"process\":9,\"type\":\"invoke\",\"f\":\"cas\",\"value\":[1,2]}\n");
    let foreign = foreign.expect("a history");
    let event = StreamEvent::all(&foreign).next().expect("an event");
    assert!(matches!(monitor.push(event), Err(MonitorError::OfflineOnly(_))));
    assert!(monitor.answers().all(|answer| matches!(answer.verdict, MonitorVerdict::Unknown(_))));
}
