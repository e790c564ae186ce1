//! Operations that declare to be linearizable or sequential, at `ordered-sequential`.

use super::{limits, reference, shape};
use checker::{Level, Model, Question, Verdict};
use histories::format::{self, Format, write_native};
use histories::{History, notation};
use testkit::registers::RegisterRun;
use testkit::{TestRandom, check_confirmed, draw_history};

fn question() -> Question {
    let levels = [Level::OrderedSequential, Level::Linearizable, Level::Sequential];
    testkit::question_about(Model::CasRegister, &testkit::level_properties(&levels))
}

/// A copy of a history in which half of the invocations declare a consistency.
fn with_declarations(history: &History, random: &mut TestRandom) -> History {
    let mut text = Vec::new();
    write_native(history, &mut text).expect("a vector takes everything");
    let text = String::from_utf8(text).expect("text");
    let line = |line: &str| {
        let name = if random.chance(60) { "linearizable" } else { "sequential" };
        match line.contains("\"invoke\"") && random.chance(50) {
            true => format!("{},\"consistency\":\"{name}\"}}\n", line.trim_end_matches('}')),
            false => format!("{line}\n"),
        }
    };
    let text: String = text.lines().map(line).collect();
    format::from_text(Format::Native, &text).expect("it is read back")
}

#[test]
fn operations_are_judged_as_they_declare() {
    let mut counts = [[0; 2]; 2];
    for seed in 0..6_000 {
        let mut random = TestRandom::new(seed);
        let shape = shape(&mut random);
        let plain = RegisterRun::new(TestRandom::new(seed), shape, "null").into_history();
        let history = with_declarations(&plain, &mut random);
        let declares = history.declared_consistency().iter().any(Option::is_some);
        let question = question();
        let expected = reference::holds(&history, &question.about_objects(&history))[5];
        let report = check_confirmed(&history, &question, &limits());
        let told = || format!("seed {seed}\n{}{:?}", draw_history(&history), report.answers[0]);
        match report.answers[0].verdict {
            Verdict::Holds(_) => assert!(expected, "holds, but no order fits\n{}", told()),
            Verdict::Violated(_) => assert!(!expected, "violated, but an order fits\n{}", told()),
            _ => panic!("not decided\n{}", told()),
        }
        let holds = |at: usize| matches!(report.answers[at].verdict, Verdict::Holds(_));
        assert!(!holds(1) || expected, "linearizable, whatever is declared\n{}", told());
        assert!(!expected || holds(2), "not sequential\n{}", told());
        counts[usize::from(declares)][usize::from(expected)] += 1;
    }
    assert!(counts[1].iter().all(|&count| count > 1_000), "{counts:?}");
}

fn verdict(drawing: &str) -> &'static str {
    let history = notation::parse(drawing).expect("a drawing");
    check_confirmed(&history, &question(), &limits()).answers[0].verdict.name()
}

#[test]
fn an_old_read_is_judged_by_what_it_asked_for() {
    assert_eq!(verdict("a: [w1]\nb:      [r_]"), "holds");
    assert_eq!(verdict("a: [w1]\nb:      [r_~sequential]"), "holds");
    assert_eq!(verdict("a: [w1]\nb:      [r_~linearizable]"), "violated");
    // A write that only keeps session order may come late.
    assert_eq!(verdict("a: [w1]\nb:      [w2]\nc:           [r2] [r1]"), "violated");
    assert_eq!(verdict("a: [w1]\nb:      [w2~sequential]\nc:           [r2] [r1]"), "holds");
    // What no level knows leaves it open, unless it is violated in any case.
    assert_eq!(verdict("a: [w1]\nb:      [r_~quorum]"), "unknown");
    assert_eq!(verdict("a: [w1]\nb:      [r_~quorum]\nc:      [r1] [r_]"), "violated");
}
