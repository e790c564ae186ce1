//! One small history for each phenomenon, with what it is and why it must be that.

use checker::transactions::explain;
use checker::{Assume, CycleShape, IsolationLevel, Property, Question, Report, TransactionEvidence, Verdict};
use histories::format::{Format, from_text};
use histories::{History, notation};
use testkit::transactions::{KeyType, history_of_mixed_levels, history_of_repeated_elements, random_history};
use testkit::{
    TestRandom, check_confirmed, draw_history, isolation_properties, model_of_transactions, question_about,
    test_limits, verdict_of,
};

fn run_assuming(history: &History, assume: Assume) -> Report {
    let question = question_about(model_of_transactions(history), &isolation_properties(IsolationLevel::ALL));
    check_confirmed(history, &Question { assume, ..question }, &test_limits(100_000, 1 << 28))
}

fn run(drawing: &str) -> (History, Report) {
    let history = notation::parse(drawing).unwrap();
    let report = run_assuming(&history, Assume::default());
    (history, report)
}

fn names(report: &Report) -> Vec<&'static str> {
    report.phenomena.iter().map(|anomaly| anomaly.phenomenon.name()).collect()
}

/// The weakest levels that are ruled out.
fn not(report: &Report) -> Vec<IsolationLevel> {
    report.ruled_out_levels().0
}

fn verdict(report: &Report, level: IsolationLevel) -> &'static str {
    verdict_of(report, Property::Isolation(level)).name()
}

fn reason(report: &Report, level: IsolationLevel) -> &str {
    match verdict_of(report, Property::Isolation(level)) {
        Verdict::Unknown(unknown) => &unknown.reason,
        other => panic!("{}", other.name()),
    }
}

#[test]
fn writes_of_two_transactions_interleave() {
    // x has 1 before 2, y has 2 before 1.
    let (_, report) = run("
        a: [t ax1 ay1    ]
        b: [t ax2 ay2    ]
        c:                [t rx(1,2)] [t ry(2,1)]
    ");
    assert_eq!(names(&report), ["G0"]);
    assert_eq!(not(&report), [IsolationLevel::ReadUncommitted]);
}

#[test]
fn information_flows_in_a_circle() {
    let (_, report) = run("
        a: [t ax1 ry(1)]
        b: [t ay1 rx(1)]
    ");
    assert!(names(&report).contains(&"G1c"));
    // No transaction declares a level, so that mixed levels are all serializable.
    assert_eq!(not(&report), [IsolationLevel::ReadCommitted, IsolationLevel::Mixed]);
    assert_eq!(verdict(&report, IsolationLevel::ReadUncommitted), "holds");
}

/// The reader saw the write and then missed it. It also read two values that say nothing of this; the evidence named one of them.
#[test]
fn of_three_reads_the_evidence_names_the_one_that_missed_a_write() {
    let (history, report) = run("
        a: [t rx2 rx_ rx1]
        b: [t wx1        ]
        c: [t wx2        ]
    ");
    assert_eq!(verdict(&report, IsolationLevel::MonotonicAtomicView), "violated");
    let examples = report.phenomena.iter().flat_map(|anomaly| &anomaly.examples);
    let texts: Vec<String> = examples.map(|example| explain::describe_evidence(&history, example)).collect();
    assert!(
        texts.iter().any(|text| text.contains("T2 read nothing from x, and T1 wrote 2 to it")),
        "{texts:#?}"
    );
}

#[test]
fn a_consistent_view_is_broken_and_told_in_words() {
    // b read a's x, and not a's y.
    let (history, report) = run("
        a: [t ax1 ay1      ]
        b: [t rx(1) ry()   ]
    ");
    assert!(names(&report).contains(&"G-single-item"));
    let TransactionEvidence::Cycle(cycle) = &report.phenomena[0].examples[0] else { panic!() };
    assert!(cycle.shortest && cycle.edges.len() == 2);
    let text = explain::describe_evidence(&history, &report.phenomena[0].examples[0]);
    assert!(text.contains("T1 = at "), "{text}");
    assert!(text.contains("read nothing from y, and "), "{text}");
    assert!(text.contains("read 1 from x, which "), "{text}");
    assert!(text.ends_with("a contradiction."), "{text}");
}

#[test]
fn write_skew_is_allowed_by_snapshots() {
    let (_, report) = run("
        a: [t rx() ay1    ]
        b: [t ry() ax1    ]
        c:                 [t rx(1) ry(1)]
    ");
    // Both write, so it is no execution of those who write either, one after another.
    assert_eq!(names(&report), ["G2-item", "mixed-impossible", "update-serializable-impossible"]);
    assert_eq!(verdict(&report, IsolationLevel::SnapshotIsolation), "holds");
    assert_eq!(verdict(&report, IsolationLevel::Serializable), "violated");
    let TransactionEvidence::Cycle(cycle) = &report.phenomena[0].examples[0] else { panic!() };
    assert_eq!(cycle.shape, Some(CycleShape::WriteSkew));
}

#[test]
fn a_long_fork_is_forbidden_by_snapshots() {
    // c saw a's write and not b's, d the other way round.
    let (_, report) = run("
        a: [t ax1          ]
        b: [t ay1          ]
        c: [t rx(1) ry()   ]
        d: [t ry(1) rx()   ]
    ");
    // Nor is there one order of commits that both can have read prefixes of, at once or operation by operation.
    assert_eq!(
        names(&report),
        ["G-nonadjacent-item", "mixed-impossible", "monotonic-snapshot-read-impossible", "prefix-impossible"]
    );
    let TransactionEvidence::Cycle(cycle) = &report.phenomena[0].examples[0] else { panic!() };
    assert_eq!(cycle.shape, Some(CycleShape::LongFork));
    assert_eq!(verdict(&report, IsolationLevel::SnapshotIsolation), "violated");
    // Nothing is wrong with what each saw causally.
    assert_eq!(verdict(&report, IsolationLevel::Causal), "holds");
}

#[test]
fn a_session_forgets_its_own_write() {
    let (_, report) = run("a: [t wx1] [t rx_]");
    assert_eq!(names(&report)[0], "G-single-item-process");
    assert_eq!(verdict(&report, IsolationLevel::Serializable), "holds");
    assert_eq!(verdict(&report, IsolationLevel::ReadAtomic), "violated");
    assert_eq!(verdict(&report, IsolationLevel::MonotonicAtomicView), "holds");
    assert_eq!(verdict(&report, IsolationLevel::StrongSessionSerializable), "violated");
}

#[test]
fn a_stale_read_breaks_real_time_alone() {
    let (_, report) = run("
        a: [t ax1]
        b:         [t rx()]
        c:                  [t rx(1)]
    ");
    assert_eq!(names(&report), ["G-single-item-realtime"]);
    assert_eq!(not(&report), [IsolationLevel::StrongSnapshotIsolation]);
    assert_eq!(verdict(&report, IsolationLevel::StrongSessionSerializable), "holds");
}

#[test]
fn an_indeterminate_append_counts_once_it_was_read() {
    let seen = "
        a: [t ax1 ay1 ?
        b:              [t rx(1)] [t ry()]
    ";
    // What was read of it proves that it happened, and y was written with it.
    assert!(names(&run(seen).1).contains(&"G-single-item-process"));
    let unseen = "
        a: [t ax1 ay1 ?
        b:              [t rx()] [t ry()]
    ";
    assert!(names(&run(unseen).1).is_empty());
    assert_eq!(verdict(&run(unseen).1, IsolationLevel::StrictSerializable), "holds");
}

#[test]
fn single_reads_that_give_themselves_away() {
    let cases = [
        ("a: [t ax1 !\nb:         [t rx(1)]", "G1a"),
        ("a: [t wx1 !\nb:         [t rx1]", "G1a"),
        ("a: [t ax1 ax2]\nb:      [t rx(1)]", "G1b"),
        ("a: [t wx1 wx2]\nb:      [t rx1]", "G1b"),
        ("a: [t ax1]\nb:         [t rx(1,7)]", "garbage-read"),
        ("b: [t rx7]", "garbage-read"),
        ("a: [t ax1]\nb:         [t rx(1) rx()]", "internal"),
        ("a: [t wx1 rx_]", "internal"),
        ("a: [t rx(1) ax1]", "future-read"),
        ("a: [t ax1 !\nc: [t ax2 ]\nb:         [t rx(1,2)]", "dirty-update"),
        ("a: [t ax1]\nb:         [t rx(1,1)]", "duplicate-elements"),
        ("a: [t ax1 ]\nc: [t ax2 ]\nb:         [t rx(1,2)] [t rx(2,1)]", "incompatible-order"),
        ("a: [t ax1 ax2]\nb:             [t rx(2)]", "incompatible-order"),
        ("a: [t rx() ax1 ]\nb: [t rx() ax2 ]", "lost-update"),
        ("a: [t rx_ wx1 ]\nb: [t rx_ wx2 ]", "lost-update"),
    ];
    for (drawing, name) in cases {
        let (history, report) = run(drawing);
        let found = report.phenomena.iter().find(|anomaly| anomaly.phenomenon.name() == name);
        let found = found.unwrap_or_else(|| panic!("{drawing}: {name} is not in {:?}", names(&report)));
        assert!(!explain::describe_evidence(&history, &found.examples[0]).is_empty());
        assert_eq!(verdict(&report, IsolationLevel::Serializable), "violated", "{drawing}");
    }
}

#[test]
fn assumptions_that_contradict_what_was_read() {
    // b read 2 and then wrote 1, so 2 was before 1; but 1 was written before 2.
    let drawing = "
        a: [t wx1]
        b:         [t wx2] [t rx2]
        c: [t rx2 wx3              ]
        d:                          [t rx3 wx4]
    ";
    let history = notation::parse(drawing).unwrap();
    let assume = Assume { linearizable_keys: true, sequential_keys: false };
    assert!(!names(&run_assuming(&history, assume)).contains(&"cyclic-versions"));
    let contradiction =
        notation::parse("a: [t wx2]\nb:         [t rx1 wx3]\nc:                     [t wx1]").unwrap();
    // 1 before 3 because b read it, 3 before 1 because b had completed.
    let report = run_assuming(&contradiction, assume);
    assert!(names(&report).contains(&"cyclic-versions"), "{:?}", names(&report));
}

#[test]
fn what_cannot_be_told_is_unknown() {
    let (_, report) = run("a: [t wx1 ]\nb: [t wx1 ]\nc:           [t rx1]");
    assert!(names(&report).is_empty());
    // Whoever wrote what was read: one order explains every answer, and one is enough.
    assert_eq!(verdict(&report, IsolationLevel::Serializable), "holds");
    let (_, report) = run("a: [t wx1 ]\nb: [t ax2 ]\nc:           [t rx1]");
    assert!(reason(&report, IsolationLevel::Serializable).contains("a list and as a register"));
    // A transaction that reads back the value that another wrote too has not seen its own future.
    let (_, report) = run("a: [t wx1 ]\nb:           [t rx1 wx1]");
    assert!(names(&report).is_empty(), "{:?}", names(&report));
}

#[test]
fn nothing_at_all_is_fine() {
    let (_, report) = run("");
    assert!(report.phenomena.is_empty());
    assert_eq!(report.strongest_holding_levels(), [IsolationLevel::StrictSerializable]);
}

/// Two transactions appended 1, one after the other, and a list has it twice. That was called `duplicate-elements`: a false alarm. If only
/// one had appended it, it is right.
#[test]
fn an_element_that_two_transactions_appended_may_be_in_a_list_twice() {
    let (_, report) = run("a: [t ax1]\nb:         [t ax1]\nc:                [t rx(1,1)]");
    assert!(report.answers.iter().all(|answer| answer.verdict.name() != "violated"), "{report:#?}");
    let (_, report) = run("a: [t ax1]\nb:         [t ax2]\nc:                [t rx(1,1)]");
    assert_eq!(not(&report), [IsolationLevel::ReadUncommitted]);
}

/// Transactions appended equal elements, and the last element of a list is one of them. The check took the list for one that ends with the
/// first of them, drew edges that the verifier refuted, and ended with an internal error.
#[test]
fn a_list_that_ends_with_an_element_appended_twice_has_no_known_version() {
    for drawing in [
        "a: [t ax1] [t ax2       ] [t ax1 rx(1,2,1)]\nb:            [t rx(2,1)]",
        "a: [t ax1 rx() ax3]\nb:                    [t rx(1) rx() ax1]",
        "a: [t ax1 rx() ax2]\nb:                     [t rx(1,2) ax1 rx(1)]\nc:                                          [t rx()]",
    ] {
        let (_, report) = run(drawing);
        assert!(!report.answers.is_empty(), "its evidence was confirmed: {drawing}");
    }
}

/// 800 transactions of eight sessions on 400 registers. They take effect one after another, in turn, and write one of twenty values. The
/// history has them session by session, without real time. `more` are further transactions of the first session.
fn history_of_equal_values(more: &[&str]) -> History {
    const SESSIONS: usize = 8;
    let (mut random, mut held) = (TestRandom::new(1), [0; 400]);
    let event = |session: usize, micros: &str| -> String {
        let line = |kind| {
            format!("{{\"process\":{session},\"type\":\"{kind}\",\"f\":\"txn\",\"value\":[{micros}]}}\n")
        };
        ["invoke", "ok"].map(line).concat()
    };
    let mut sessions = vec![String::new(); SESSIONS];
    for turn in 0..100 * SESSIONS {
        let micro = |at: usize| {
            let (writes, key) = (at >= 3, random.below(400));
            if writes {
                held[key] = 1 + random.below(20);
            }
            let value = if held[key] == 0 { "null".to_owned() } else { held[key].to_string() };
            format!("[\"{}\",{key},{value}]", if writes { "w" } else { "r" })
        };
        let micros: Vec<String> = (0..6).map(micro).collect();
        sessions[turn % SESSIONS].push_str(&event(turn % SESSIONS, &micros.join(",")));
    }
    more.iter().for_each(|micros| sessions[0].push_str(&event(0, micros)));
    let text = format!("{{\"steadfast\":1,\"real_time\":false}}\n{}", sessions.concat());
    from_text(Format::Native, &text).expect("a history")
}

/// Most choices of equal values are refuted at once, and the search assumes only what the order contradicts. Without either, this history
/// takes more than a million steps.
#[test]
fn equal_values_are_decided_in_few_steps() {
    let history = history_of_equal_values(&[]);
    let level = IsolationLevel::Serializable;
    let question = question_about(model_of_transactions(&history), &isolation_properties(&[level]));
    let report = check_confirmed(&history, &question, &test_limits(1_000_000, 1 << 28));
    assert_eq!(verdict(&report, level), "holds");
}

/// The value that is read was written twice, and its own session overwrote both writes. Each case closes a cycle with session order.
#[test]
fn among_many_equal_values_the_cases_of_one_read_are_refuted() {
    let history = history_of_equal_values(&[
        "[\"w\",999,1]",
        "[\"w\",999,2]",
        "[\"w\",999,1]",
        "[\"w\",999,2]",
        "[\"r\",999,1]",
    ]);
    let level = IsolationLevel::StrongSessionSerializable;
    let question = question_about(model_of_transactions(&history), &isolation_properties(&[level]));
    let report = check_confirmed(&history, &question, &test_limits(10_000_000, 1 << 28));
    assert_eq!(verdict(&report, level), "violated");
    let examples = &report.phenomena.iter().find(|anomaly| !anomaly.examples.is_empty()).unwrap().examples;
    let TransactionEvidence::Cases(steps) = &examples[0] else { panic!("{examples:?}") };
    assert!(steps.len() <= 8, "{} steps: {steps:?}", steps.len());
}

/// A list shows its order itself, and what a user asserts is about registers. One engine ignored the assertion and another one heeded it,
/// so that `mixed` held or was violated depending on which of them decided.
#[test]
fn assertions_change_no_verdict_about_lists() {
    let mut violated = 0;
    for seed in 0..300 {
        let mut random = TestRandom::new(seed);
        let history = match seed % 3 {
            0 => random_history(&mut random, KeyType::List),
            1 => history_of_mixed_levels(&mut random, KeyType::List, u32::MAX),
            _ => history_of_repeated_elements(&mut random),
        };
        let usual = run_assuming(&history, Assume::default());
        let assumed = run_assuming(&history, Assume { sequential_keys: true, linearizable_keys: true });
        for (one, other) in usual.answers.iter().zip(&assumed.answers) {
            let told = || format!("seed {seed}: {one:?}\n{other:?}\n{}", draw_history(&history));
            assert_eq!(one.verdict.name(), other.verdict.name(), "{}", told());
            violated += u64::from(one.verdict.name() == "violated");
        }
    }
    assert!(violated > 1_000, "{violated}");
}

/// Transactions of eight sessions append to forty lists and read them, one after another. Of a hundred elements, one was appended before.
/// `more` are further transactions, one after another.
fn history_of_equal_elements(transactions: usize, more: &[&str]) -> History {
    let mut random = TestRandom::new(1);
    let mut held: Vec<Vec<usize>> = vec![Vec::new(); 40];
    let mut text = "{\"steadfast\":1}\n".to_owned();
    let mut add = |session: usize, invoked: &str, answered: &str| {
        for (kind, micros) in [("invoke", invoked), ("ok", answered)] {
            text += &format!(
                "{{\"process\":{session},\"type\":\"{kind}\",\"f\":\"txn\",\"value\":[{micros}]}}\n"
            );
        }
    };
    for turn in 0..transactions {
        let (one, other) = (random.below(40), random.below(40));
        let again = random.one_in(100) && !held[one].is_empty();
        let element = if again { random.one_of(&held[one]) } else { turn };
        let read = if other == one { 0 } else { other };
        let read = if read == one { 1 } else { read };
        let (append, list) = (format!("[\"append\",{one},{element}]"), format!("{:?}", held[read]));
        add(turn % 8, &format!("{append},[\"r\",{read},null]"), &format!("{append},[\"r\",{read},{list}]"));
        held[one].push(element);
    }
    more.iter().for_each(|micros| add(0, micros, micros));
    from_text(Format::Native, &text).expect("a history")
}

/// Every list shows some element twice, so that no read tells whose it is. Two thousand transactions take few steps at each level.
#[test]
fn lists_with_equal_elements_are_decided_in_few_steps() {
    let history = history_of_equal_elements(2_000, &[]);
    let question =
        question_about(model_of_transactions(&history), &isolation_properties(IsolationLevel::ALL));
    let report = check_confirmed(&history, &question, &test_limits(1_000_000, 1 << 30));
    for answer in &report.answers {
        assert_eq!(answer.verdict.name(), "holds", "{answer:?}");
    }
}

/// Among them, two transactions both append 1 to a new list, and a third one reads it with one of them. Whichever it is, the third one
/// missed what that transaction appended to another list.
#[test]
fn among_many_equal_elements_the_cases_of_one_are_refuted() {
    let history = history_of_equal_elements(
        500,
        &[
            "[\"append\",900,1],[\"append\",901,1]",
            "[\"append\",900,1],[\"append\",902,1]",
            "[\"r\",900,[1]],[\"r\",901,[]],[\"r\",902,[]]",
        ],
    );
    let level = IsolationLevel::Serializable;
    let question = question_about(model_of_transactions(&history), &isolation_properties(&[level]));
    let report = check_confirmed(&history, &question, &test_limits(1_000_000, 1 << 30));
    assert_eq!(verdict(&report, level), "violated");
}
