//! The monitor of transactions against the check of each prefix.
//!
//! Other online checkers made three mistakes. They forgot a transaction, and a cycle through it closed later. They reported a legal read of
//! an old version. They said *holds* after they had forgotten the operations of a violation.

use checker::{IsolationLevel, Model, Monitor, MonitorError, Property, Question};
use histories::History;
use testkit::TestRandom;
use testkit::monitoring::{
    FollowTally, ONLINE_LEVELS, ask_online, assert_online_is_offline, compare_while_forgetting,
    forgets_at_once, keeps_all,
};
use testkit::transactions::{KeyType, random_history};

/// The model of random histories. Reads alone do not tell.
fn model_of(kind: KeyType) -> Model {
    match kind {
        KeyType::List => Model::ListAppend,
        KeyType::Register => Model::RwRegister,
    }
}

fn is_monitored(history: &History, model: Model) -> bool {
    history.has_real_time() && matches!(model, Model::ListAppend | Model::RwRegister)
}

#[test]
fn online_is_offline_on_the_corpus_at_every_cut() {
    let mut random = TestRandom::new(7);
    let mut tried = 0;
    for case in testkit::corpus::corpus_cases() {
        let history = &case.history;
        if !is_monitored(history, case.question.model) {
            continue;
        }
        tried += 1;
        let events = history.event_count() as usize;
        let cuts: Vec<usize> = match events {
            0..=150 => (1..=events).collect(),
            _ => (0..40).map(|_| 1 + random.below(events)).chain([events]).collect(),
        };
        assert_online_is_offline(history, case.question.model, &cuts, &case.name);
    }
    assert!(tried >= 15, "only {tried} histories of the corpus are of transactions");
}

#[test]
fn online_is_offline_on_random_histories_at_every_cut() {
    for seed in 0..2_500 {
        for kind in [KeyType::List, KeyType::Register] {
            let history = random_history(&mut TestRandom::new(seed), kind);
            let cuts: Vec<usize> = (1..=history.event_count() as usize).collect();
            assert_online_is_offline(&history, model_of(kind), &cuts, &format!("{kind:?}, seed {seed}"));
        }
    }
}

#[test]
fn what_is_not_monitored_is_refused_at_once() {
    let ask = |level| ask_online(Model::ListAppend, &[level]);
    let refused = [
        ask(IsolationLevel::SnapshotIsolation),
        ask(IsolationLevel::RepeatableRead),
        Question { asked: None, ..ask_online(Model::MultiRegister, &[]) },
        Question {
            assume: checker::Assume { linearizable_keys: true, ..checker::Assume::default() },
            ..ask(IsolationLevel::Serializable)
        },
    ];
    for question in refused {
        let error = Monitor::new(question, keeps_all()).err();
        assert!(matches!(error, Some(MonitorError::OfflineOnly(_))), "{error:?}");
    }
    for level in ONLINE_LEVELS {
        assert!(Monitor::judges(Property::Isolation(level)));
    }
}

/// Small histories with everything that can be forgotten forgotten after each event.
#[test]
fn a_monitor_that_forgets_is_not_wrong_of_random_histories() {
    for (kind, levels) in [(KeyType::List, &ONLINE_LEVELS[..]), (KeyType::Register, &ONLINE_LEVELS[..1])] {
        let mut tally = FollowTally::default();
        for seed in 0..2_500 {
            let history = random_history(&mut TestRandom::new(seed), kind);
            let what = format!("{kind:?}, seed {seed}");
            compare_while_forgetting(&history, model_of(kind), levels, forgets_at_once(), &what, &mut tally);
        }
        assert!(tally.violated > 300 && tally.holds > 300 && tally.forgotten > 2_000, "{tally:?}");
    }
}
