//! Counters whose answers or amounts are at the edge of what a counter can say.

use claims::{Level, Model, Property};
use histories::History;
use histories::format::{Format, from_text};
use testkit::{check_all, question_about, test_limits};

/// One operation after the other, each with its argument and its answer.
fn one_after_another(operations: &[(&str, &str, &str)]) -> History {
    let line = |kind: &str, function: &str, value: &str| {
        format!("{{\"process\":0,\"type\":\"{kind}\",\"f\":\"{function}\",\"value\":{value}}}\n")
    };
    let lines = operations.iter().flat_map(|(function, argument, answer)| {
        [line("invoke", function, argument), line("ok", function, answer)]
    });
    from_text(Format::Native, &lines.collect::<String>()).expect("a history")
}

fn verdict(operations: &[(&str, &str, &str)]) -> &'static str {
    let property = Property::Level(Level::Linearizable);
    check_all(&one_after_another(operations), Model::Counter, &[property]).answers[0].verdict.name()
}

/// Stores answer null before the first addition, and never afterwards unless the sum is zero again.
#[test]
fn null_is_zero() {
    assert_eq!(verdict(&[("read", "null", "null"), ("inc", "1", "1"), ("read", "null", "1")]), "holds");
    assert_eq!(verdict(&[("inc", "1", "1"), ("read", "null", "null")]), "violated");
    assert_eq!(verdict(&[("add", "2", "2"), ("add", "-2", "-2"), ("read", "null", "null")]), "holds");
}

/// The sum is 2⁶⁴ - 1.
#[test]
fn a_sum_may_leave_64_bits() {
    let half = "9223372036854775807";
    let up = [("add", half, half), ("add", half, half), ("add", "1", "1")];
    assert_eq!(verdict(&[&up[..], &[("read", "null", "18446744073709551615")]].concat()), "holds");
    assert_eq!(verdict(&[&up[..], &[("read", "null", "-1")]].concat()), "violated");
}

#[test]
fn amounts_that_are_no_integers_and_lists_in_registers_are_refused() {
    let refused = |model, history: &History| {
        let question = question_about(model, &[Property::Level(Level::Linearizable)]);
        let checked = checker::check(history, &question, &test_limits(1_000, 1 << 20));
        checked.expect_err("it is refused").to_string()
    };
    let history = one_after_another(&[("add", "1.5", "1.5"), ("read", "null", "1.5")]);
    assert!(refused(Model::Counter, &history).contains("operation 0 adds 1.5"));
    let lists = r#"[["w","x",[1]],["r","x",[1]]]"#;
    let history = one_after_another(&[("txn", lists, lists)]);
    assert!(refused(Model::MultiRegister, &history).contains("this history has lists"));
}

/// An answer that is neither true nor false says nothing, so nothing was tested.
#[test]
fn a_membership_that_is_no_boolean_tests_nothing() {
    let property = Property::Level(Level::Linearizable);
    for (answer, verdict) in
        [("0", "untested"), ("null", "untested"), ("true", "holds"), ("false", "violated")]
    {
        let history = one_after_another(&[("add", "7", "7"), ("contains", "7", answer)]);
        let question =
            claims::Question { asked: Some(vec![property]), ..claims::Question::about(Model::Set) };
        let report = testkit::check_confirmed(&history, &question, &test_limits(1_000, 1 << 20));
        assert_eq!(report.answers[0].verdict.name(), verdict, "{answer}");
    }
}
