//! Levels that need real time, of histories without it: what session order shows is violated, and the rest is unknown.
//!
//! `linearizable` was *unknown* of each such history, even of those that are not sequential.

use super::{limits, reference, shape, single_reads};
use checker::{Level, Model, NO_REAL_TIME, Question, Verdict};
use histories::format::{self, Format, write_native};
use histories::{History, Outcome};
use testkit::registers::RegisterRun;
use testkit::{TestRandom, check_confirmed, draw_history};

const LEVELS: [Level; 6] = [
    Level::Linearizable,
    Level::OrderedSequential,
    Level::RegularWriteOrder,
    Level::Regular,
    Level::Safe,
    Level::ConsistentPrefix,
];

/// The same events, with a header that says that their order is no real time.
fn without_real_time(history: &History) -> History {
    let mut text = b"{\"steadfast\":1,\"real_time\":false}\n".to_vec();
    write_native(history, &mut text).expect("a vector takes everything");
    let text = String::from_utf8(text).expect("text");
    format::from_text(Format::Native, &text).expect("it is read back")
}

fn question(initial: &str) -> Question {
    let mut question = testkit::question_about(Model::CasRegister, &testkit::level_properties(&LEVELS));
    question.initial.set_default(initial).expect("it is JSON");
    question
}

#[test]
fn what_session_order_shows_is_violated() {
    let mut counts = [[0; 2]; 6];
    for seed in 0..6_000 {
        let mut random = TestRandom::new(seed);
        let shape = shape(&mut random);
        let initial = if random.chance(80) { "null" } else { "0" };
        let history = without_real_time(&RegisterRun::new(random, shape, initial).into_history());
        assert!(!history.has_real_time());
        let question = question(initial);
        let objects = question.about_objects(&history);
        let sequential = reference::holds(&history, &objects)[0];
        let in_session = |a: &histories::Operation, b: &histories::Operation| {
            a.outcome == Outcome::Ok && a.session == b.session && a.completed < b.invoked
        };
        let [ordered, regular, safe, prefix] = single_reads::holds(&history, &objects, &in_session);
        let report = check_confirmed(&history, &question, &limits());
        let expected = [sequential, sequential, ordered, regular, safe, prefix];
        for (at, answer) in report.answers.iter().enumerate() {
            let told = || format!("seed {seed}\n{}{answer:?}", draw_history(&history));
            match &answer.verdict {
                Verdict::Violated(_) => assert!(!expected[at], "violated without a reason\n{}", told()),
                Verdict::Unknown(why) if why.reason == NO_REAL_TIME => {
                    assert!(expected[at], "missed\n{}", told())
                }
                Verdict::Untested(_) => {}
                _ => panic!("more than the history says\n{}", told()),
            }
            counts[at][usize::from(expected[at])] += 1;
        }
    }
    assert!(counts.iter().flatten().all(|&count| count > 300), "{counts:?}");
}
