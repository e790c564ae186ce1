//! Histories by hand in which equal elements were appended to a list, and what the evidence about them says.

use checker::transactions::explain::describe_evidence;
use checker::{IsolationLevel, Property, Question, Report, TransactionEvidence, Verdict};
use histories::format::{Format, from_text};
use histories::{History, notation};
use testkit::{
    check_confirmed, isolation_properties, model_of_transactions, question_about, test_limits, verdict_of,
};

fn run(drawing: &str, level: IsolationLevel) -> (History, Report) {
    let history = notation::parse(drawing).expect("a drawing");
    let question = question_of(&history, level);
    let report = check_confirmed(&history, &question, &test_limits(100_000, 1 << 28));
    (history, report)
}

fn question_of(history: &History, level: IsolationLevel) -> Question {
    let question = question_about(model_of_transactions(history), &isolation_properties(&[level]));
    Question { accept_untested: false, ..question }
}

fn verdict(report: &Report, level: IsolationLevel) -> &'static str {
    verdict_of(report, Property::Isolation(level)).name()
}

/// An indeterminate append of an equal element need not have happened. The second check asked every witness of `mixed` for it, so that
/// `check` ended with an internal error.
#[test]
fn an_indeterminate_append_of_an_equal_element_need_not_have_happened() {
    let level = IsolationLevel::Mixed;
    for read in ["t", "t:read-uncommitted", "t:read-committed"] {
        let (_, report) = run(
            &format!(
                "a: [t ax1 ]             [{read} rx(1)]
                 b:         [t ax1 ay1 ?
                 c:                                      [t ry_]"
            ),
            level,
        );
        assert_eq!(verdict(&report, level), "holds", "{read}");
    }
}

/// The list has 1 twice, so both transactions appended to it, and the one with `y 1` comes before the one with `y 2` or after it. The
/// lists of y say that it comes first, those of z that it comes last.
#[test]
fn a_list_that_is_read_uncommitted_orders_the_transactions_of_other_levels() {
    let level = IsolationLevel::Mixed;
    let drawing = |z: &str| {
        format!(
            "a: [t ax1 ay1 az1]
             b: [t ax1 ay2 az2]
             c:                  [t:read-uncommitted rx(1,1) ry(1,2)] [t:read-uncommitted rz({z})]"
        )
    };
    assert_eq!(verdict(&run(&drawing("1,2"), level).1, level), "holds");
    let (_, report) = run(&drawing("2,1"), level);
    assert_eq!(verdict(&report, level), "violated");
    // Both equal elements alone, and whose they are decides.
    for (list, expected) in [("1,3,1", "violated"), ("1,1,3", "holds")] {
        let (history, report) = run(
            &format!(
                "a: [t ax1 ay1]
                 b: [t ax1 ay2]
                 c: [t ax3 ay3]
                 d:              [t:read-uncommitted rx({list})] [t:read-uncommitted ry(1,2,3)]"
            ),
            level,
        );
        assert_eq!(verdict(&report, level), expected, "{list}");
        if expected == "violated" {
            let texts: Vec<String> = report
                .phenomena
                .iter()
                .flat_map(|anomaly| &anomaly.examples)
                .map(|example| describe_evidence(&history, example))
                .collect();
            assert!(texts.iter().any(|text| text.contains("of x is an append of T")), "{texts:?}");
        }
    }
}

/// The list ends within the appends of a transaction, and starts with an element that two transactions appended. No cycle shows that, and
/// the evidence named no operation.
#[test]
fn evidence_without_a_cycle_names_the_read_that_nothing_explains() {
    let level = IsolationLevel::Serializable;
    let (history, report) = run(
        "a: [t ax1 ax2]
         b: [t ax1 ax2]
         c:             [t rx(1)]",
        level,
    );
    assert_eq!(verdict(&report, level), "violated");
    let mut examples = report.phenomena.iter().flat_map(|anomaly| &anomaly.examples);
    let named = examples.find_map(|example| match example {
        TransactionEvidence::Cases(steps) => {
            let read = steps.iter().flat_map(|step| &step.unexplained).next()?;
            Some((read.transaction, describe_evidence(&history, example)))
        }
        _ => None,
    });
    let (reader, text) = named.expect("a proof by that read");
    assert_eq!(history.operation_index(reader), 4);
    assert!(text.contains("read a list of x that is not the appends of whole transactions"), "{text}");
    assert!(text.contains("appended by T2, T3"), "{text}");
}

/// Nothing is asked of reads, and registers show no order of versions. A check of this level alone said *holds*, and tested nothing.
#[test]
fn read_uncommitted_over_registers_is_untested_unless_something_orders_versions() {
    let levels = [
        IsolationLevel::ReadUncommitted,
        IsolationLevel::StrongSessionReadUncommitted,
        IsolationLevel::StrongReadUncommitted,
    ];
    for level in levels {
        let (_, report) = run("a: [t wx1 ry_] [t rx2]\nb: [t wx2]", level);
        let Verdict::Untested(why) = verdict_of(&report, Property::Isolation(level)) else {
            panic!("{}", level.name())
        };
        assert!(why.reason.contains("Ask for read-committed"), "{}", why.reason);
        // Version numbers, and lists with elements, can contradict it. Empty lists cannot.
        let numbered = r#"{"process":1,"type":"invoke","f":"txn","value":[["w","x",1],["r","y",null]]}
{"process":1,"type":"ok","f":"txn","value":[["w","x",1],["r","y",null]],"version":1}
"#;
        let history = from_text(Format::Native, numbered).expect("a history");
        let question = question_of(&history, level);
        let report = check_confirmed(&history, &question, &test_limits(100_000, 1 << 28));
        assert_eq!(verdict(&report, level), "holds");
        assert_eq!(verdict(&run("a: [t ax1] [t rx(1)]", level).1, level), "holds");
        assert_eq!(verdict(&run("a: [t ax1] [t rx()]", level).1, level), "untested");
    }
}
