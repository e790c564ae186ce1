//! Version numbers of the store, and what `--assume` says of registers.
//!
//! Both order the writes of a register at every level. A search that looks only for an order that explains the reads says *holds* where
//! the told order leaves none, and so did this checker as soon as some value was written twice.

use super::brute::level_of;
use super::reference::{Orders, allows};
use checker::{Assume, IsolationLevel, Model, Question, Verdict};
use histories::History;
use histories::format::{Format, from_text, write_native};
use serde_json::Value;
use testkit::transactions::{KeyType, history_of_repeated_values, random_history};
use testkit::{
    TestRandom, check_confirmed, draw_history, isolation_properties, model_of_transactions, question_about,
    test_limits,
};

/// The same history, where the store returns version numbers with most transactions. They mostly grow, and some are equal.
fn with_versions(history: &History, random: &mut TestRandom) -> History {
    let mut text = Vec::new();
    write_native(history, &mut text).expect("memory");
    let mut lines = String::new();
    for (at, line) in String::from_utf8(text).expect("text").lines().enumerate() {
        let mut event: Value = serde_json::from_str(line).expect("JSON");
        if event["type"] == "ok" && random.chance(70) {
            event["version"] = (at + random.below(6)).into();
        }
        lines.push_str(&format!("{event}\n"));
    }
    from_text(Format::Native, &lines).expect("a history")
}

#[test]
fn told_orders_of_registers_agree_with_the_reference() {
    let (mut counts, mut unknown) = ([0; 2], 0);
    for seed in 0..1_500 {
        let mut random = TestRandom::new(seed);
        let history = match random.one_in(3) {
            true => random_history(&mut random, KeyType::Register),
            false => history_of_repeated_values(&mut random),
        };
        let history = if random.one_in(2) { with_versions(&history, &mut random) } else { history };
        let assume = Assume { sequential_keys: random.one_in(2), linearizable_keys: random.one_in(3) };
        let question =
            question_about(model_of_transactions(&history), &isolation_properties(IsolationLevel::ALL));
        let question = Question { assume, ..question };
        let report = check_confirmed(&history, &question, &test_limits(100_000, 1 << 30));
        let orders = Orders::assuming(&history, assume);
        for answer in &report.answers {
            let level = level_of(answer.property);
            let allowed = allows(&orders, level);
            let told = match &answer.verdict {
                Verdict::Holds(_) => true,
                Verdict::Violated(_) => false,
                Verdict::Untested(_) | Verdict::Unknown(_) => {
                    unknown += 1;
                    continue;
                }
            };
            counts[usize::from(told)] += 1;
            assert_eq!(
                told,
                allowed,
                "seed {seed}, {assume:?}: {}\n{answer:?}\n{}\n{:#?}",
                level.name(),
                draw_history(&history),
                report.phenomena
            );
        }
    }
    println!("violated {}, holds {}, unknown {unknown}", counts[0], counts[1]);
    assert!(counts.iter().all(|&count| count > 5_000), "{counts:?}");
    assert!(unknown * 100 < counts[0] + counts[1], "{unknown} of {counts:?}");
}

/// By hand: version 1 is the write of 1 and version 2 that of the transaction which read nothing. So it read before the first write and
/// wrote after it, and no serial order has both. A blind write of the same value elsewhere explains nothing.
#[test]
fn a_value_that_was_written_twice_does_not_undo_what_the_store_says() {
    let text = |blind: u32| {
        format!(
            r#"{{"process":1,"type":"invoke","f":"txn","value":[["w","x",1]]}}
{{"process":1,"type":"ok","f":"txn","value":[["w","x",1]],"version":1}}
{{"process":2,"type":"invoke","f":"txn","value":[["r","x",null],["w","x",2]]}}
{{"process":2,"type":"ok","f":"txn","value":[["r","x",null],["w","x",2]],"version":2}}
{{"process":3,"type":"invoke","f":"txn","value":[["w","x",{blind}]]}}
{{"process":3,"type":"ok","f":"txn","value":[["w","x",{blind}]],"version":3}}
"#
        )
    };
    for blind in [2, 3] {
        let history = from_text(Format::Native, &text(blind)).expect("a history");
        let report = super::brute::run_levels(&history, &[IsolationLevel::Serializable]);
        assert_eq!(report.verdict(), "violated", "{blind}");
    }
}

/// A transaction that wrote null, and then read nothing, read its own write. The second check took that for a missed one.
#[test]
fn a_transaction_may_read_back_the_null_that_it_wrote() {
    let history = from_text(
        Format::Native,
        "{\"process\":1,\"type\":\"invoke\",\"f\":\"txn\",\"value\":[[\"w\",\"x\",null],[\"r\",\"x\",null]]}\n\
         {\"process\":1,\"type\":\"ok\",\"f\":\"txn\",\"value\":[[\"w\",\"x\",null],[\"r\",\"x\",null]]}\n",
    )
    .expect("a history");
    let report = super::brute::run_levels(&history, IsolationLevel::ALL);
    assert!(
        report
            .answers
            .iter()
            .all(|answer| matches!(answer.verdict, Verdict::Holds(_) | Verdict::Untested(_)))
    );
}

/// Without real time, the order of sessions alone can rule a level out: the session wrote 1, and then read nothing.
#[test]
fn a_level_with_real_time_is_ruled_out_by_sessions_alone() {
    let write = "[[\"w\",\"x\",1]]";
    let event = |process: u32, value: &str| {
        format!(
            "{{\"process\":{process},\"session\":\"s{process}\",\"type\":\"ok\",\"f\":\"txn\",\"value\":{value}}}\n"
        )
    };
    let text = event(1, write) + &event(1, "[[\"r\",\"x\",null]]") + &event(2, write);
    let history = from_text(Format::Native, &text).expect("a history");
    assert!(!history.has_real_time());
    let levels = [IsolationLevel::StrictSerializable, IsolationLevel::StrongSnapshotIsolation];
    let report = super::brute::run_levels(&history, &levels);
    let verdicts: Vec<&str> = report.answers.iter().map(|answer| answer.verdict.name()).collect();
    assert_eq!(verdicts, ["violated", "violated"]);
}

/// Evidence about registers with initial values names the values of the history, and the second check confirms it. It named `null` for the
/// initial value and the other way round, and values that the history does not have.
#[test]
fn evidence_names_the_values_of_the_history_whatever_they_were_at_first() {
    let event = |process: u32, kind: &str, value: &str| {
        format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"txn\",\"value\":{value}}}\n")
    };
    let update = |process: u32, new: u32| {
        event(process, "invoke", &format!("[[\"r\",\"x\",null],[\"w\",\"x\",{new}]]"))
            + &event(process, "ok", &format!("[[\"r\",\"x\",2],[\"w\",\"x\",{new}]]"))
    };
    let explain = |text: &str, initial: &str| {
        let history = from_text(Format::Native, text).expect("a history");
        let mut question =
            question_about(Model::RwRegister, &isolation_properties(&[IsolationLevel::Serializable]));
        question.initial.set_default(initial).expect("JSON");
        let report = check_confirmed(&history, &question, &test_limits(100_000, 1 << 30));
        assert_eq!(report.verdict(), "violated");
        let texts = report.phenomena.iter().flat_map(|anomaly| &anomaly.examples);
        texts
            .map(|example| checker::transactions::explain::describe_evidence(&history, example))
            .collect::<Vec<_>>()
            .join("\n")
    };
    // Both updated the initial 2: a lost update.
    let told = explain(&(update(1, 3) + &update(2, 4)), "2");
    assert!(told.contains("read 2 from") && !told.contains("nothing"), "{told}");
    // Null was never there. No operation mentions the initial value.
    let read = event(1, "invoke", "[[\"r\",\"x\",null]]") + &event(1, "ok", "[[\"r\",\"x\",null]]");
    let told = explain(&read, "7");
    assert!(told.contains("null") && !told.contains('7'), "{told}");
}
