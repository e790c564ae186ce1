//! The monitor against the check of each prefix.
//!
//! What went wrong elsewhere: online checkers that forget what still matters, and then say *holds*; that take a *violated*
//! back; or that call a legal read stale because they have forgotten its write.

mod causal;
mod objectives;
mod session_store;
mod snapshots;
mod transactions;

use checker::{
    Level, Model, Monitor, MonitorError, MonitorLimits, MonitorVerdict, Property, Question, StreamEvent,
};
use histories::format::{Format, from_text};
use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, Outcome, Payload, ValueId,
};
use testkit::monitoring::{Prefixes, STEPS, keeps_all};
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{TestRandom, draw_history, test_limits};

const LEVELS: [Level; 6] = [
    Level::Linearizable,
    Level::ReadYourWrites,
    Level::MonotonicReads,
    Level::MonotonicWrites,
    Level::WritesFollowReads,
    Level::Session,
];

fn question() -> Question {
    let asked = LEVELS.map(Property::Level).to_vec();
    Question { asked: Some(asked), ..Question::about(Model::Register) }
}

/// Forgets whatever it may, after each event.
fn keeps_nothing() -> MonitorLimits {
    MonitorLimits { horizon: 0, ..keeps_all() }
}

/// The verdicts of the monitor, and whether each came from a limit or from something that it had forgotten.
fn answers(monitor: &Monitor) -> Vec<(&'static str, String)> {
    let reason = |verdict: MonitorVerdict<'_>| match verdict {
        MonitorVerdict::Unknown(unknown) => unknown.reason.clone(),
        _ => String::new(),
    };
    monitor.answers().map(|answer| (answer.verdict.name(), reason(answer.verdict))).collect()
}

/// Every violation that the monitor reports is one of its own small history, as the check of that says.
fn assert_evidence(monitor: &mut Monitor) {
    for violation in monitor.take_violations() {
        let again = checker::check(&violation.history, &violation.question, &test_limits(STEPS, 1 << 30));
        assert_eq!(again.expect("it was checked before"), violation.report);
        assert_eq!(violation.report.verdict(), "violated");
    }
}

/// Feeds a history, judges at these numbers of events, and compares with the check of the prefix. A level that was once
/// violated stays violated.
fn assert_online_is_offline(history: &History, question: &Question, cuts: &[usize], what: &str) {
    let prefixes = Prefixes::new(history);
    let mut monitor = Monitor::new(question.clone(), keeps_all()).expect("a question about registers");
    let levels = question.asked_properties();
    let mut ever_violated = vec![false; levels.len()];
    for (event, number) in StreamEvent::all(history).zip(1..) {
        monitor.push(event).expect("a history");
        if !cuts.contains(&number) {
            continue;
        }
        monitor.judge().expect("no internal error");
        assert_evidence(&mut monitor);
        let offline = prefixes.verdicts(number, question);
        for (at, (online, why)) in answers(&monitor).into_iter().enumerate() {
            ever_violated[at] |= offline[at] == "violated";
            let expected = if ever_violated[at] { "violated" } else { offline[at] };
            let level = levels[at].name();
            assert_eq!(
                online,
                expected,
                "{what}, {number} events, {level} ({why}):\n{}",
                draw_history(&prefixes.prefix(number))
            );
        }
    }
}

fn is_monitored(history: &History) -> bool {
    history.has_real_time()
        && Question::recognised(history).is_ok_and(|question| question.model == Model::Register)
}

#[test]
fn online_is_offline_on_the_corpus_at_every_cut() {
    compare_on_the_corpus(&question());
}

/// Compares the monitor with the check on all histories of registers of the corpus: at every event, or at forty of a long one.
fn compare_on_the_corpus(question: &Question) {
    let mut random = TestRandom::new(7);
    let mut tried = 0;
    for case in testkit::corpus::corpus_cases() {
        let history = &case.history;
        if !is_monitored(history) {
            continue;
        }
        tried += 1;
        let events = history.event_count() as usize;
        let cuts: Vec<usize> = match events {
            0..=150 => (1..=events).collect(),
            _ => (0..40).map(|_| 1 + random.below(events)).chain([events]).collect(),
        };
        assert_online_is_offline(history, question, &cuts, &case.name);
    }
    assert!(tried >= 30, "only {tried} histories of the corpus are of registers");
}

fn small_history(seed: u64) -> History {
    let mut random = TestRandom::new(seed);
    let shape = RegisterShape { cas: 0, ..RegisterShape::new(&mut random) };
    RegisterRun::new(random, shape, "null").into_history()
}

#[test]
fn online_is_offline_on_random_histories_at_every_cut() {
    for seed in 0..5_000 {
        let history = small_history(seed);
        let cuts: Vec<usize> = (1..=history.event_count() as usize).collect();
        assert_online_is_offline(&history, &question(), &cuts, &format!("seed {seed}"));
    }
}

/// The open operation of a client: its process, its object, what it writes, and what it found once it took effect.
type OpenAtClient = (i64, usize, Option<ValueId>, Option<ValueId>);

/// A register that mostly is one: each value is written once, reads are stale now and then, some operations are
/// indeterminate.
fn long_history(seed: u64, stale_percent: usize) -> History {
    let mut random = TestRandom::new(seed);
    let mut builder = HistoryBuilder::new();
    let keys: Vec<KeyId> =
        (0..1 + random.below(2)).map(|key| builder.history().keys.intern(&format!("\"k{key}\""))).collect();
    let mut versions: Vec<Vec<ValueId>> = vec![vec![ValueId::NULL]; keys.len()];
    let clients = 2 + random.below(4);
    let mut open: Vec<Option<OpenAtClient>> = vec![None; clients];
    let (mut next_process, mut next_value, mut left) = (0, 1, 60);
    while left > 0 || open.iter().any(Option::is_some) {
        let client = random.below(clients);
        match open[client].take() {
            None if left == 0 => {}
            None => {
                left -= 1;
                let key = random.below(keys.len());
                let writes = random.chance(40);
                let value = writes.then(|| builder.history().values.intern(&next_value.to_string()));
                next_value += i32::from(writes);
                let session = Some(builder.history().sessions.intern(&format!("\"s{client}\"")));
                let function = if writes { Function::WRITE } else { Function::READ };
                let payload = Payload::Value(value.unwrap_or(ValueId::NULL));
                let process = next_process;
                next_process += 1;
                let invocation = Invocation { process, session, function, key: keys[key], payload };
                builder.invoke(invocation).expect("a process does one thing");
                open[client] = Some((process, key, value, None));
            }
            Some((process, key, written, None)) => {
                let known = &mut versions[key];
                let seen = match written {
                    Some(value) => {
                        known.push(value);
                        value
                    }
                    None if random.chance(stale_percent) => known[random.below(known.len())],
                    None => *known.last().expect("the initial value"),
                };
                open[client] = Some((process, key, written, Some(seen)));
            }
            Some((process, key, _, Some(seen))) => {
                let outcome = if random.chance(4) { Outcome::Info } else { Outcome::Ok };
                let payload = Payload::Value(seen);
                let key = Some(keys[key]);
                let completion = Completion { process, outcome, function: None, key, payload };
                builder.complete(completion).expect("it was invoked");
            }
        }
    }
    builder.finish()
}

/// How often a monitor that forgets was asked, and what it said.
#[derive(Default, Debug)]
struct Tally {
    violated: usize,
    holds: usize,
    unknown: usize,
    forgotten: usize,
}

/// A monitor that forgets after each event: it never says *violated* or *holds* where the check of the prefix does not,
/// and never *unknown* of a linearizable prefix.
fn compare_while_forgetting(history: &History, what: &str, tally: &mut Tally) {
    let prefixes = Prefixes::new(history);
    let mut monitor = Monitor::new(question(), keeps_nothing()).expect("a question about registers");
    let mut ever_violated = [false; LEVELS.len()];
    for (event, number) in StreamEvent::all(history).zip(1..) {
        monitor.push(event).expect("a history");
        monitor.judge().expect("no internal error");
        assert_evidence(&mut monitor);
        let offline = prefixes.verdicts(number, &question());
        for (at, (online, why)) in answers(&monitor).into_iter().enumerate() {
            ever_violated[at] |= offline[at] == "violated";
            let level = LEVELS[at];
            let told = || {
                let drawn = draw_history(&prefixes.prefix(number));
                format!("{what}, {number} events, {}: {online} ({why})\n{drawn}", level.name())
            };
            match online {
                "violated" => assert!(ever_violated[at], "{}", told()),
                "unknown" if offline[at] == "unknown" => {}
                "unknown" => {
                    let needless = level == Level::Linearizable && !ever_violated[at];
                    assert!(!needless, "{}", told());
                }
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
fn a_monitor_that_forgets_is_not_wrong() {
    let mut tally = Tally::default();
    for seed in 0..3_000 {
        compare_while_forgetting(&small_history(seed), &format!("small, seed {seed}"), &mut tally);
    }
    for seed in 0..300 {
        let stale = [0, 1, 3, 20][seed as usize % 4];
        compare_while_forgetting(&long_history(seed, stale), &format!("long, seed {seed}"), &mut tally);
    }
    assert!(tally.violated > 1_000 && tally.holds > 1_000 && tally.forgotten > 10_000, "{tally:?}");
    // Reads of old values, which this monitor has forgotten at once.
    assert!(tally.unknown < (tally.violated + tally.holds) / 3, "{tally:?}");
}

/// Of a store without stale reads nothing is ever unknown, whatever was forgotten.
#[test]
fn a_store_that_is_linearizable_holds_to_the_end_and_little_is_kept() {
    for seed in 0..300 {
        let history = long_history(seed, 0);
        let mut monitor = Monitor::new(question(), keeps_nothing()).expect("a question about registers");
        for event in StreamEvent::all(&history) {
            monitor.push(event).expect("a history");
            monitor.judge().expect("no internal error");
        }
        let names: Vec<_> = answers(&monitor);
        assert!(
            names.iter().all(|(name, _)| *name == "holds"),
            "seed {seed}: {names:?}\n{}",
            draw_history(&history)
        );
        let indeterminate = history.ids().filter(|&id| history.outcome(id) == Outcome::Info).count();
        // Two objects at most: their last few values, and the reads of five sessions.
        assert!(
            monitor.kept_operations() <= indeterminate + 45,
            "seed {seed}: {}",
            monitor.kept_operations()
        );
    }
}

#[test]
fn what_is_not_monitored_is_refused_at_once() {
    let ask = |model, property| Question { asked: Some(vec![property]), ..Question::about(model) };
    let refused = [
        ask(Model::Register, Property::Level(Level::CausalMemory)),
        ask(Model::CasRegister, Property::Level(Level::Linearizable)),
        ask(Model::Queue, Property::Level(Level::Linearizable)),
    ];
    for question in refused {
        let error = Monitor::new(question, keeps_all()).err();
        assert!(matches!(error, Some(MonitorError::OfflineOnly(_))), "{error:?}");
    }
}

/// A stream whose model changes must not keep its *holds*: nobody judges the compare-and-set.
#[test]
fn a_foreign_operation_makes_everything_after_it_unknown() {
    let text = r#"{"process":0,"type":"invoke","f":"write","value":1}
{"process":0,"type":"ok","f":"write","value":1}
{"process":0,"type":"invoke","f":"read"}
{"process":0,"type":"ok","f":"read","value":1}
{"process":1,"type":"invoke","f":"cas","value":[1,2]}
"#;
    let history = from_text(Format::Native, text).expect("a history");
    let mut monitor = Monitor::new(question(), keeps_all()).expect("a question about registers");
    let results: Vec<_> = StreamEvent::all(&history).map(|event| monitor.push(event)).collect();
    assert!(results[..4].iter().all(Result::is_ok), "{results:?}");
    assert!(
        matches!(&results[4], Err(MonitorError::OfflineOnly(why)) if why.contains("event 4")),
        "{results:?}"
    );
    monitor.judge().expect("no internal error");
    for answer in monitor.answers() {
        assert!(matches!(answer.verdict, MonitorVerdict::Unknown(from) if from.event == 4), "{answer:?}");
    }
}

/// The watermark waits for an open operation, and not for an indeterminate one.
#[test]
fn the_watermark_waits_for_open_operations_only() {
    let text = r#"{"process":0,"type":"invoke","f":"write","value":1}
{"process":1,"type":"invoke","f":"write","value":2}
{"process":0,"type":"info","f":"write","value":1}
{"process":2,"type":"invoke","f":"read"}
{"process":2,"type":"ok","f":"read","value":1}
{"process":1,"type":"ok","f":"write","value":2}
"#;
    let history = from_text(Format::Native, text).expect("a history");
    let mut monitor = Monitor::new(question(), keeps_all()).expect("a question about registers");
    let mut watermarks = Vec::new();
    for event in StreamEvent::all(&history) {
        monitor.push(event).expect("a history");
        monitor.judge().expect("no internal error");
        watermarks.push(monitor.watermark());
    }
    assert_eq!(watermarks, [0, 0, 1, 1, 1, 6]);
}

/// More keys than fit: the levels are unknown from some event on, and a violation on a key that is kept is still found.
#[test]
fn a_stream_that_does_not_fit_is_unknown_from_some_event_on() {
    let mut builder = HistoryBuilder::new();
    let mut add = |process: i64, key: &str, function, value: &str| {
        let names = builder.history();
        let (key, value) = (names.keys.intern(key), names.values.intern(value));
        let session = None;
        let argument = if function == Function::WRITE { value } else { ValueId::NULL };
        let payload = Payload::Value(argument);
        builder.invoke(Invocation { process, session, function, key, payload }).expect("free");
        let (outcome, payload) = (Outcome::Ok, Payload::Value(value));
        builder.complete(Completion { process, outcome, function: None, key: None, payload }).expect("open");
    };
    for key in 0..1_000 {
        add(0, &format!("\"k{key}\""), Function::WRITE, &key.to_string());
    }
    // The 64 entries that fit are 32 keys with a write each; of these the latest 8 are kept.
    add(1, "\"k31\"", Function::READ, "31");
    add(0, "\"k31\"", Function::WRITE, "1031");
    add(1, "\"k31\"", Function::READ, "31");
    let history = builder.finish();
    let limits = MonitorLimits { steps: STEPS, ..MonitorLimits::within(MonitorLimits::BYTES_MIN) };
    let mut monitor = Monitor::new(question(), limits).expect("a question about registers");
    let mut most = 0;
    for event in StreamEvent::all(&history) {
        monitor.push(event).expect("a history");
        most = most.max(monitor.kept_operations());
    }
    let bound = MonitorLimits::BYTES_MIN / checker::BYTES_PER_OPERATION;
    assert!(most <= bound + 1, "{most} operations were kept, of {bound}");
    monitor.judge().expect("no internal error");
    let names: Vec<_> = answers(&monitor);
    assert_eq!(names[0].0, "violated", "the stale read of a key that is kept: {names:?}");
    assert_eq!(names[1].0, "unknown", "{names:?}");
    assert!(names[1].1.contains("keys do not fit"), "{names:?}");
}
