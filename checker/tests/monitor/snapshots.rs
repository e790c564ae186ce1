//! A monitor that is written down and read back at any moment says what one says that was never interrupted.

use super::causal::{ask_causal, replicated_history};
use super::{long_history, question, small_history};
use checker::{Model, Monitor, Question, StreamEvent};
use histories::History;
use testkit::TestRandom;
use testkit::monitoring::{ONLINE_LEVELS, answers, ask_online, forgets_at_once};
use testkit::transactions::{KeyType, random_history};

/// What a monitor says at the end, and each violation with its history: by level, event and report.
fn follow(
    history: &History,
    question: &Question,
    interrupted: Option<u64>,
) -> (Vec<(&'static str, String)>, Vec<String>) {
    let mut random = interrupted.map(TestRandom::new);
    let mut monitor =
        Monitor::new(question.clone(), forgets_at_once()).expect("a question that is judged online");
    let mut told = Vec::new();
    for event in StreamEvent::all(history) {
        monitor.push(event).expect("a history");
        if let Some(random) = &mut random
            && random.chance(25)
        {
            monitor = write_and_read(&monitor);
        }
        monitor.judge().expect("no internal error");
        if let Some(random) = &mut random
            && random.chance(25)
        {
            // Between the judgement and the printing of what was found.
            monitor = write_and_read(&monitor);
        }
        let violations = monitor.take_violations().into_iter();
        told.extend(
            violations.map(|found| format!("{:?} {} {:?}", found.property, found.event, found.report)),
        );
    }
    (answers(&monitor), told)
}

fn write_and_read(monitor: &Monitor) -> Monitor {
    let text = serde_json::to_string(monitor).expect("a monitor can be written");
    serde_json::from_str(&text).expect("and read")
}

#[test]
fn an_interrupted_monitor_says_the_same() {
    let mut violations = 0;
    for seed in 0..300 {
        let transactions = [
            (KeyType::List, Model::ListAppend, &ONLINE_LEVELS[..]),
            (KeyType::Register, Model::RwRegister, &ONLINE_LEVELS[..1]),
        ];
        let transactions = transactions.map(|(kind, model, levels)| {
            (random_history(&mut TestRandom::new(seed), kind), ask_online(model, levels))
        });
        let objects = [small_history(seed), long_history(seed, 10)].map(|history| (history, question()));
        let causal = [(replicated_history(seed), ask_causal())];
        for (history, question) in transactions.into_iter().chain(objects).chain(causal) {
            let whole = follow(&history, &question, None);
            violations += whole.1.len();
            assert_eq!(follow(&history, &question, Some(seed)), whole, "seed {seed}");
        }
    }
    assert!(violations > 300, "{violations}");
}

/// A violation that somebody wrote into a snapshot by hand is not believed.
#[test]
fn a_snapshot_cannot_make_up_a_violation() {
    let history = histories::notation::parse("a: [w1] [w2]\nb:           [r1]").expect("a drawing");
    let mut monitor = Monitor::new(question(), forgets_at_once()).expect("a question about registers");
    for event in StreamEvent::all(&history) {
        monitor.push(event).expect("a history");
    }
    monitor.judge().expect("no internal error");
    let text = serde_json::to_string(&monitor).expect("a monitor can be written");
    assert!(serde_json::from_str::<Monitor>(&text).is_ok());
    let forged = text.replace("\\\"value\\\":2", "\\\"value\\\":1");
    assert_ne!(forged, text);
    assert!(serde_json::from_str::<Monitor>(&forged).is_err());
}
