//! Findings about live connections against the definitions, tried out on all events of random small histories.
//!
//! What could go wrong: a connection that went with its session counts as not resumed; a message that comes late counts as lost, or as a
//! repetition; the sessions are mixed up.

use checker::{FindingKind, Model, Property, Question, Verdict};
use histories::format::{Format, from_text};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use testkit::{TestRandom, question_about, test_limits};
use verifier::{Standing, verify};

const KINDS: [FindingKind; 3] =
    [FindingKind::ConnectionNotResumed, FindingKind::LostMessage, FindingKind::DuplicatedMessage];

/// Up to 24 events: requests about two sessions, and whatever a recorder can say of their connections.
fn random_events(random: &mut TestRandom) -> Vec<Value> {
    let mut events = Vec::new();
    let mut open: Vec<(usize, Value)> = Vec::new();
    let live_only = random.chance(20);
    // A session that lived on is created before its connection is lost.
    for (at, key) in ["s1", "s2"].into_iter().enumerate().filter(|_| !live_only && random.chance(70)) {
        let value = json!({"session": "u", "version": 100 + at, "bytes": 8});
        for what in ["invoke", "ok"] {
            events.push(json!({"process": 90 + at, "session": "u", "type": what, "f": "create", "key": key, "value": value}));
        }
    }
    for at in 0..6 + random.below(18) {
        let key = random.one_of(&["s1", "s1", "s2"]);
        match random.below(100) {
            0..40 => {
                let what = random.one_of(&["open", "lost", "lost", "resumed", "out", "refused", "ended"]);
                events.push(json!({"process": "live", "type": "info", "f": what, "value": key}));
            }
            40..65 => {
                let number = random.below(6);
                events
                    .push(json!({"process": "live", "type": "info", "f": "message", "value": [key, number]}));
            }
            _ if live_only => {}
            65..85 if open.len() < 2 => {
                let created = events.iter().any(|event| event["f"] == "create" && event["key"] == key);
                let f = match random.below(100) {
                    _ if !created => "create",
                    0..75 => "read",
                    75..90 => "touch",
                    _ => "destroy",
                };
                let value = if f == "create" {
                    json!({"session": "u", "version": at, "bytes": 8})
                } else {
                    Value::Null
                };
                let request = json!({"process": at, "session": "u", "type": "invoke", "f": f, "key": key, "value": value});
                events.push(request.clone());
                open.push((at, request));
            }
            _ if open.is_empty() => {}
            _ => {
                let (_, mut request) = open.remove(random.below(open.len()));
                request["type"] = json!(random.one_of(&["ok", "ok", "ok", "ok", "fail", "info"]));
                if request["f"] == "read" && request["type"] == "ok" && random.chance(80) {
                    let mut creations = events.iter().filter(|event| event["f"] == "create");
                    let created = creations.find(|event| event["key"] == request["key"]);
                    request["value"] = created.map_or(Value::Null, |event| event["value"].clone());
                }
                events.push(request);
            }
        }
    }
    events
}

/// The sessions that have each finding, by the definitions: every event is tried in every role.
fn by_definition(events: &[Value]) -> BTreeMap<FindingKind, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for session in ["s1", "s2"] {
        let mut holds = |kind, is_found: bool| {
            if is_found {
                found.entry(kind).or_insert_with(BTreeSet::new).insert(session.to_owned());
            }
        };
        let is_live = |at: usize| events[at]["process"] == "live";
        let messages: Vec<i64> = (0..events.len())
            .filter(|&at| is_live(at) && events[at]["value"][0] == session)
            .map(|at| events[at]["value"][1].as_i64().expect("a number"))
            .collect();
        let all = || 0..messages.len();
        let twice = all().any(|one| all().any(|other| one != other && messages[one] == messages[other]));
        holds(FindingKind::DuplicatedMessage, twice);
        let is_lost = |number: i64| {
            messages[0] < number
                && !messages.contains(&number)
                && all().any(|one| {
                    (one..messages.len()).any(|other| messages[one] < number && number < messages[other])
                })
        };
        holds(FindingKind::LostMessage, !messages.is_empty() && (0..9).any(is_lost));
        let step = |at: usize| is_live(at) && events[at]["value"] == session;
        let not_resumed = (0..events.len()).any(|lost| {
            (lost..events.len()).any(|end| {
                step(lost)
                    && step(end)
                    && events[lost]["f"] == "lost"
                    && (events[end]["f"] == "out" || events[end]["f"] == "refused")
                    && !(lost + 1..end).any(step)
                    && lived_on(events, session, lost, end)
            })
        });
        holds(FindingKind::ConnectionNotResumed, not_resumed);
    }
    found
}

/// Whether the session was certainly created before the loss, and a request that began after the end found it, and nothing can have
/// ended it meanwhile.
fn lived_on(events: &[Value], session: &str, lost: usize, end: usize) -> bool {
    let about = |at: &usize| events[*at]["key"] == session;
    let completion =
        |at: usize| (at + 1..events.len()).find(|&later| events[later]["process"] == events[at]["process"]);
    let outcome =
        |at: usize| completion(at).map_or("info", |at| events[at]["type"].as_str().expect("a type"));
    let requests: Vec<usize> = (0..events.len())
        .filter(about)
        .filter(|&at| events[at]["type"] == "invoke" && outcome(at) != "fail")
        .collect();
    let creations: Vec<usize> = requests.iter().copied().filter(|&at| events[at]["f"] == "create").collect();
    let [created] = creations[..] else { return false };
    let ended = requests.iter().any(|&at| events[at]["f"] == "destroy" && at < end);
    let finds = |at: usize| match events[at]["f"].as_str() {
        Some("read") => completion(at).is_some_and(|at| !events[at]["value"].is_null()),
        Some("touch" | "destroy") => true,
        _ => false,
    };
    outcome(created) == "ok"
        && completion(created).is_some_and(|at| at < lost)
        && !ended
        && requests.iter().any(|&at| at > end && outcome(at) == "ok" && finds(at))
}

#[test]
fn live_connections_are_judged_by_their_definition() {
    let mut seen: BTreeMap<(FindingKind, &str), u64> = BTreeMap::new();
    for seed in 0..super::count(6_000) {
        let events = random_events(&mut TestRandom::new(seed));
        let lines: Vec<String> = events.iter().map(Value::to_string).collect();
        let text = format!("{{\"steadfast\":1}}\n{}\n", lines.join("\n"));
        let history = from_text(Format::Native, &text).unwrap_or_else(|why| panic!("{why}\n{text}"));
        let kinds: Vec<Property> = FindingKind::ALL.iter().copied().map(Property::Finding).collect();
        let question = Question { accept_untested: false, ..question_about(Model::Session, &kinds) };
        let limits = test_limits(1_000_000, 1 << 26);
        let report = checker::check(&history, &question, &limits)
            .unwrap_or_else(|why| panic!("seed {seed}: {why}\n{text}"));
        let standings = verify(&history, &question, &report, &limits).answers;
        let is_live = |property: Property| KINDS.iter().any(|&kind| property == Property::Finding(kind));
        // An answer that another finding shows to be wrong is no evidence that a session lived on.
        let others_found = report
            .answers
            .iter()
            .any(|answer| !is_live(answer.property) && matches!(answer.verdict, Verdict::Violated(_)));
        let expected = by_definition(&events);
        for (answer, standing) in
            report.answers.iter().zip(standings).filter(|(answer, _)| is_live(answer.property))
        {
            let Property::Finding(kind) = answer.property else { continue };
            assert!(!matches!(standing, Standing::Refuted(_)), "seed {seed}: {standing:?}\n{text}");
            let sessions: BTreeSet<String> = match &answer.verdict {
                Verdict::Violated(violations) => {
                    assert_eq!(standing, Standing::Confirmed, "seed {seed}\n{text}");
                    violations
                        .iter()
                        .map(|found| session_of(&events, found.as_finding().expect("a finding")))
                        .collect()
                }
                _ => BTreeSet::new(),
            };
            let must = expected.get(&kind).cloned().unwrap_or_default();
            match kind == FindingKind::ConnectionNotResumed && others_found {
                true => assert!(sessions.is_subset(&must), "seed {seed}: {sessions:?}, {must:?}\n{text}"),
                false => assert_eq!(sessions, must, "seed {seed}: {}\n{text}", kind.name()),
            }
            *seen.entry((kind, answer.verdict.name())).or_default() += 1;
        }
    }
    eprintln!("{seen:?}");
    for kind in KINDS {
        for verdict in ["violated", "holds", "untested"] {
            assert!(
                seen.get(&(kind, verdict)).is_some_and(|&count| count > 50),
                "{} {verdict}: {seen:?}",
                kind.name()
            );
        }
    }
    assert!(seen[&(FindingKind::ConnectionNotResumed, "unknown")] > 50, "{seen:?}");
}

/// The session that the events of a finding name.
fn session_of(events: &[Value], finding: &checker::Finding) -> String {
    let value = &events[finding.events[0] as usize]["value"];
    value.get(0).unwrap_or(value).as_str().expect("a session").to_owned()
}

/// Evidence of a finding with one place changed: it stays true, or it is refuted. What is true is known from the definitions.
#[test]
fn changed_evidence_of_a_message_is_refuted() {
    let message = |number: i64| {
        json!({"process": "live", "type": "info", "f": "message", "value": ["s1", number]}).to_string()
    };
    let history = |numbers: &[i64]| {
        let lines: Vec<String> = numbers.iter().map(|&number| message(number)).collect();
        from_text(Format::Native, &format!("{{\"steadfast\":1}}\n{}\n", lines.join("\n"))).expect("a history")
    };
    let question = question_about(Model::Session, &KINDS.map(Property::Finding));
    let limits = test_limits(1_000_000, 1 << 26);
    let report = checker::check(&history(&[1, 2, 5, 2]), &question, &limits).expect("a report");
    let names = |numbers: &[i64]| {
        let standings = verify(&history(numbers), &question, &report, &limits).answers;
        standings.iter().map(|standing| matches!(standing, Standing::Refuted(_))).collect::<Vec<_>>()
    };
    assert_eq!(names(&[1, 2, 5, 2]), [false, false, false]);
    // Message 3 came after all; the lower number came first only here; nothing came twice.
    assert_eq!(names(&[1, 3, 5, 3]), [false, true, true]);
    assert_eq!(names(&[4, 2, 5, 2]), [false, true, false]);
    assert_eq!(names(&[1, 2, 5, 4]), [false, true, true]);
    assert_eq!(names(&[1, 5, 2, 5]), [false, true, true]);
}
