//! The checks that need no search, held against the definitions themselves.
//!
//! Twice. Histories of *atomic* objects, with operations that fail, that never answer and take effect late or never: no
//! check may raise an alarm, and one defect in the object must be found. And histories of pure noise, few values over few
//! operations: each verdict must be that of a reference that tries everything, both ways. All evidence is checked again.

mod simulated;

use checker::{
    AnomalyName, Answer, BankRules, Breach, BreachEvidence, Evidence, Invariant, Model, Property, Question,
    Report, Verdict, Violation, Witness, invariants,
};
use histories::format::{self, Format};
use histories::{History, KeyId, OpId, Operation, Outcome};
use serde_json::{Value, json};
use simulated::*;
use testkit::{TestRandom, assert_refuted, check_confirmed, test_limits};
use verifier::Standing;

/// The question about an invariant, of a model that has it.
fn question(invariant: Invariant, bank: BankRules) -> Question {
    let asked = Property::Invariant(invariant);
    let model = Model::ALL.iter().find(|model| model.properties().contains(&asked));
    Question { bank, ..testkit::question_about(*model.expect("a model has it"), &[asked]) }
}

fn report(history: &History, question: &Question) -> Report {
    check_confirmed(history, question, &test_limits(u64::MAX, usize::MAX))
}

fn answer(history: &History, invariant: Invariant) -> Answer {
    report(history, &question(invariant, BankRules::default())).answers.remove(0)
}

fn verdict(history: &History, invariant: Invariant) -> &'static str {
    let answer = answer(history, invariant);
    if let Verdict::Violated(violations) = &answer.verdict {
        // Whoever looks a second time sees it too: so it is no accident where that says that all holds.
        let question = question(invariant, BankRules::default());
        let holds = Verdict::Holds(Witness::Looked(history.len() as u64));
        assert_refuted(history, &question, Property::Invariant(invariant), holds);
        for violation in violations {
            let kind = violation.kind;
            assert!(invariants::explain::KINDS.contains(&kind.as_str()), "{kind}");
            assert!(!violation.operations.is_empty());
            let Evidence::Breach(evidence) = violation.evidence.clone() else { panic!("{violation:?}") };
            let breach = Breach { kind, key: violation.key, evidence };
            assert!(invariants::explain::describe_breach(history, &breach).contains("operation"));
        }
    }
    answer.verdict.name()
}

/// A violation that this evidence shows, told as the checker tells it.
fn by_breach(kind: AnomalyName, key: KeyId, evidence: BreachEvidence) -> Verdict {
    let (operations, evidence) = (evidence.involved_operations(), Evidence::Breach(evidence));
    Verdict::Violated(vec![Violation { kind, key, operations, evidence }])
}

type Case = (&'static [Invariant], fn(bool) -> Object, Next, Option<&'static str>);

const CASES: &[Case] = &[
    (&[Invariant::Bank], bank, transfers, Some("read")),
    (&[Invariant::SetFullLinearizable, Invariant::SetFull, Invariant::Set], set, adds, Some("read")),
    (&[Invariant::Counter], counter, increments, Some("read")),
    (&[Invariant::TotalQueue, Invariant::AtMostOnce], queue, enqueues, Some("drain")),
    (&[Invariant::UniqueIds], ids, generates, None),
    (&[Invariant::LongFork], keys, groups, None),
    (&[Invariant::Monotonic], register, grows, None),
    (&[Invariant::Monotonic], registers, grows, None),
    (&[Invariant::CausalReverse], rows, inserts, Some("read")),
];

#[test]
fn an_atomic_object_raises_no_alarm_and_a_defect_is_found() {
    for (checks, object, next, last) in CASES {
        for &check in *checks {
            let mut found = 0;
            for seed in 0..150 {
                let good = simulate(seed, 150, *next, *last, object(false));
                assert_eq!(verdict(&good, check), "holds", "{check:?} with seed {seed}");
                let bad = simulate(seed, 150, *next, *last, object(true));
                found += usize::from(verdict(&bad, check) == "violated");
            }
            // A defect need not have been seen in every run.
            assert!(found > 75, "{check:?}: the defect was found in {found} of 150 runs");
        }
    }
}

/// Noise: operations with overlapping intervals, all outcomes, and results that mean nothing.
fn noise(seed: u64, next: Next, result: fn(&str, &mut TestRandom) -> Option<Value>) -> History {
    let mut random = TestRandom::new(seed ^ 0xabcd);
    let object: Object =
        Box::new(move |f, argument, random| result(f, random).unwrap_or_else(|| argument.clone()));
    let steps = 12 + random.below(30) as u64;
    simulate(seed, steps, next, None, object)
}

fn ok<'a>(history: &'a History, names: &'a [&'a str]) -> impl Iterator<Item = Operation> + 'a {
    of(history, names).filter(|op| op.outcome == Outcome::Ok)
}

fn of<'a>(history: &'a History, names: &'a [&'a str]) -> impl Iterator<Item = Operation> + 'a {
    history.operations().filter(move |op| names.contains(&history.function_name(op.function)))
}

fn value(history: &History, op: &Operation) -> Value {
    serde_json::from_str(history.value_text(op.value())).expect("JSON")
}

fn result(history: &History, op: &Operation) -> Value {
    serde_json::from_str(history.value_text(op.result)).expect("JSON")
}

fn list(history: &History, op: &Operation) -> Vec<Value> {
    result(history, op).as_array().cloned().unwrap_or_default()
}

fn held_against(
    check: Invariant,
    next: Next,
    noise_of: fn(&str, &mut TestRandom) -> Option<Value>,
    reference: fn(&History) -> bool,
) {
    let mut violated = 0;
    for seed in 0..3000 {
        let history = noise(seed, next, noise_of);
        let expected = if reference(&history) { "violated" } else { "holds" };
        let found = verdict(&history, check);
        assert!(
            found == expected || found == "unknown",
            "{check:?}, seed {seed}: {found}, expected {expected}"
        );
        assert!(
            found != "unknown" || expected == "holds",
            "{check:?}, seed {seed}: unknown, expected {expected}"
        );
        violated += usize::from(found == "violated");
    }
    assert!((300..2900).contains(&violated), "{check:?}: noise of both kinds, {violated} of 3000 violated");
}

/// Least and most by trying every choice of the increments that may have been counted.
#[test]
fn counter_bounds_are_those_of_all_choices() {
    fn reference(history: &History) -> bool {
        let mut broken = false;
        for read in ok(history, &["read"]) {
            let (mut sure, mut may) = (0, Vec::new());
            for op in of(history, &["add"]).filter(|op| op.outcome != Outcome::Fail) {
                let by = value(history, &op).as_i64().expect("a number");
                if op.precedes(&read) {
                    sure += by;
                } else if op.invoked < read.completed {
                    may.push(by);
                }
            }
            let sums: Vec<i64> = (0..1_u32 << may.len())
                .map(|choice| {
                    sure + (0..may.len()).filter(|at| choice >> at & 1 == 1).map(|at| may[at]).sum::<i64>()
                })
                .collect();
            let found = result(history, &read).as_i64().expect("a number");
            broken |= found < *sums.iter().min().expect("one") || found > *sums.iter().max().expect("one");
        }
        broken
    }
    held_against(
        Invariant::Counter,
        increments,
        |f, random| (f == "read").then(|| json!(random.below(12) as i64 - 2)),
        reference,
    );
}

fn small_adds(random: &mut TestRandom, _: u64) -> (&'static str, Value) {
    if random.one_in(2) { ("read", Value::Null) } else { ("add", json!(random.below(4))) }
}

fn some_elements(f: &str, random: &mut TestRandom) -> Option<Value> {
    let mut elements: Vec<u64> =
        (0..5).filter(|&element| element < 4 && !random.one_in(4) || random.one_in(30)).collect();
    if random.one_in(30) {
        elements.push(0);
    }
    (f == "read").then(|| json!(elements))
}

/// Whether some element in some read cannot be there: nobody had begun to add it, or it is there twice.
fn impossible_elements(history: &History) -> bool {
    ok(history, &["read"]).any(|read| {
        let elements = list(history, &read);
        let unborn = |element: &Value| {
            !of(history, &["add"]).any(|op| {
                op.outcome != Outcome::Fail && op.invoked < read.completed && value(history, &op) == *element
            })
        };
        let twice = |element: &Value| elements.iter().filter(|other| *other == element).count() > 1;
        elements.iter().any(|element| unborn(element) || twice(element))
    })
}

/// Reads that lack an element that was known before, each with whether a later-ending read has it.
fn misses(history: &History) -> Vec<bool> {
    let mut misses = Vec::new();
    for read in ok(history, &["read"]) {
        for element in (0..5).map(|element| json!(element)) {
            let added = ok(history, &["add"]).any(|op| op.precedes(&read) && value(history, &op) == element);
            let shown =
                ok(history, &["read"]).any(|op| op.precedes(&read) && list(history, &op).contains(&element));
            if (added || shown) && !list(history, &read).contains(&element) {
                misses.push(
                    ok(history, &["read"])
                        .any(|op| op.completed > read.invoked && list(history, &op).contains(&element)),
                );
            }
        }
    }
    misses
}

#[test]
fn elements_are_lost_or_stale_as_every_pair_of_reads_says() {
    held_against(Invariant::SetFull, small_adds, some_elements, |history| {
        impossible_elements(history) || misses(history).contains(&false)
    });
    held_against(Invariant::SetFullLinearizable, small_adds, some_elements, |history| {
        impossible_elements(history) || !misses(history).is_empty()
    });
}

#[test]
fn writes_are_reversed_as_every_pair_of_them_says() {
    fn unique(random: &mut TestRandom, count: u64) -> (&'static str, Value) {
        if random.one_in(2) { ("read", Value::Null) } else { ("write", json!(count)) }
    }
    fn some(f: &str, random: &mut TestRandom) -> Option<Value> {
        (f == "read").then(|| (0..12).filter(|_| random.one_in(2)).map(|n| json!(n)).collect())
    }
    held_against(Invariant::CausalReverse, unique, some, |history| {
        let writes: Vec<Operation> =
            of(history, &["write"]).filter(|op| op.outcome != Outcome::Fail).collect();
        ok(history, &["read"]).any(|read| {
            let seen = |op: &Operation| list(history, &read).contains(&value(history, op));
            writes.iter().any(|one| writes.iter().any(|two| one.precedes(two) && seen(two) && !seen(one)))
        })
    });
}

#[test]
fn sessions_go_back_as_every_pair_of_their_reads_says() {
    fn some(f: &str, random: &mut TestRandom) -> Option<Value> {
        (f == "read").then(|| {
            if random.one_in(2) { json!(random.below(4)) } else { json!({"x": random.below(3), "y": 1}) }
        })
    }
    held_against(Invariant::Monotonic, grows, some, |history| {
        let values = |op: &Operation| match result(history, op) {
            Value::Object(map) => map.into_iter().collect::<Vec<_>>(),
            value => vec![(String::new(), value)],
        };
        let reads: Vec<Operation> = ok(history, &["read"]).collect();
        reads.iter().any(|one| {
            reads.iter().filter(|two| one.session == two.session && one.precedes(two)).any(|two| {
                values(one).iter().any(|(name, before)| {
                    values(two).iter().any(|(other, after)| name == other && after.as_i64() < before.as_i64())
                })
            })
        })
    });
}

#[test]
fn reads_fork_as_every_pair_of_them_says() {
    fn some(f: &str, random: &mut TestRandom) -> Option<Value> {
        let from = random.below(2);
        let seen = |random: &mut TestRandom| if random.one_in(3) { Value::Null } else { json!(1) };
        (f == "read").then(|| (from..from + 3).map(|key| json!(["r", key, seen(random)])).collect())
    }
    // Which keys it reads is not said before it has read them: what it returns is drawn without looking.
    fn next(random: &mut TestRandom, count: u64) -> (&'static str, Value) {
        let (f, value) = groups(random, count);
        (f, if f == "read" { Value::Null } else { value })
    }
    held_against(Invariant::LongFork, next, some, |history| {
        // Micro-operations are transactions, whatever `f` says.
        let reads: Vec<Vec<(Value, bool)>> = history
            .operations()
            .filter(|op| op.outcome == Outcome::Ok && history.written_function_name(op.id) == "read")
            .map(|op| {
                let micros = history.micros_of(op.id).iter();
                let key = |micro: &histories::Micro| {
                    serde_json::from_str(history.keys.text(micro.key)).expect("a key is JSON")
                };
                micros.map(|micro| (key(micro), micro.value() != histories::ValueId::NULL)).collect()
            })
            .collect();
        let saw = |read: &Vec<(Value, bool)>, key: &Value| {
            read.iter().find(|(known, _)| known == key).map(|(_, seen)| *seen)
        };
        let ahead = |one: &Vec<(Value, bool)>, two: &Vec<(Value, bool)>| {
            one.iter().any(|(key, seen)| *seen && saw(two, key) == Some(false))
        };
        reads.iter().any(|one| reads.iter().any(|two| ahead(one, two) && ahead(two, one)))
    });
}

#[test]
fn ids_are_twice_as_every_pair_of_them_says() {
    held_against(
        Invariant::UniqueIds,
        generates,
        |_, random| Some(json!(random.below(60))),
        |history| {
            let all: Vec<Operation> = ok(history, &["generate"]).collect();
            all.iter().any(|one| all.iter().any(|two| one.id != two.id && one.result == two.result))
        },
    );
}

/// Elements that must have come out, as all ways to hand them to dequeues that were never answered say.
#[test]
fn elements_of_a_queue_are_lost_if_no_unanswered_dequeue_can_have_them() {
    fn next(random: &mut TestRandom, count: u64) -> (&'static str, Value) {
        match random.below(10) {
            0..5 => ("enqueue", json!(count)),
            5..9 => ("dequeue", Value::Null),
            _ => ("drain", Value::Null),
        }
    }
    fn some(f: &str, random: &mut TestRandom) -> Option<Value> {
        match f {
            "enqueue" => None,
            "dequeue" => Some(if random.one_in(3) { Value::Null } else { json!(random.below(10)) }),
            _ => Some(json!([random.below(10)])),
        }
    }
    /// Whether each element can be given to a taker of its own.
    fn can_be_taken(elements: &[Vec<usize>], taken: &mut Vec<usize>) -> bool {
        let Some((first, rest)) = elements.split_first() else { return true };
        first.iter().any(|&taker| {
            !taken.contains(&taker) && {
                taken.push(taker);
                let done = can_be_taken(rest, taken);
                taken.pop();
                done
            }
        })
    }
    fn lost(history: &History) -> bool {
        let out: Vec<Value> = ok(history, &["dequeue", "drain"])
            .flat_map(|op| match result(history, &op) {
                Value::Array(list) => list,
                value => vec![value],
            })
            .collect();
        let empty: Vec<Operation> = ok(history, &["dequeue", "drain"])
            .filter(|op| matches!(result(history, op), Value::Null | Value::Array(_)))
            .collect();
        if of(history, &["drain"]).any(|op| op.outcome == Outcome::Info) {
            // One that may have taken everything: only moments before it count, which the check's own rule is.
            return false;
        }
        let takers: Vec<Operation> =
            of(history, &["dequeue"]).filter(|op| op.outcome == Outcome::Info).collect();
        let gone = ok(history, &["enqueue"]).filter(|op| !out.contains(&value(history, op)));
        let choices: Vec<Vec<usize>> = gone
            .filter_map(|op| {
                let deadline =
                    empty.iter().filter(|empty| op.precedes(empty)).map(|empty| empty.completed).min()?;
                Some((0..takers.len()).filter(|&at| takers[at].invoked < deadline).collect())
            })
            .collect();
        !can_be_taken(&choices, &mut Vec::new())
    }
    let (mut found, mut explained) = (0, 0);
    for seed in 0..3000 {
        let history = noise(seed, next, some);
        let unanswered = of(&history, &["drain"]).any(|op| op.outcome == Outcome::Info);
        verdict(&history, Invariant::TotalQueue);
        let report = report(&history, &question(Invariant::TotalQueue, BankRules::default()));
        let undelivered = |found: &Violation| {
            matches!(found.evidence, Evidence::Breach(BreachEvidence::Undelivered { .. }))
        };
        let says_lost =
            matches!(&report.answers[0].verdict, Verdict::Violated(found) if found.iter().any(undelivered));
        if !unanswered {
            assert_eq!(says_lost, lost(&history), "seed {seed}");
            found += usize::from(says_lost);
        }
        explained += usize::from(report.remarks.iter().any(|remark| remark.contains("never came")));
    }
    assert!(found > 100 && explained > 100, "{found} lost, {explained} explained");
}

#[test]
fn what_came_out_of_a_queue_too_often_is_told_only_to_those_who_mind() {
    let text = |result: &str| {
        format!(
            r#"{{"process":0,"type":"invoke","f":"enqueue","value":1}}
            {{"process":0,"type":"ok","f":"enqueue","value":1}}
            {{"process":0,"type":"invoke","f":"dequeue","value":null}}
            {{"process":0,"type":"ok","f":"dequeue","value":1}}
            {{"process":0,"type":"invoke","f":"dequeue","value":null}}
            {{"process":0,"type":"ok","f":"dequeue","value":{result}}}"#
        )
    };
    let history = |result: &str| format::from_text(Format::Native, &text(result)).expect("a history");
    assert_eq!(verdict(&history("1"), Invariant::TotalQueue), "holds");
    assert_eq!(verdict(&history("1"), Invariant::AtMostOnce), "violated");
    assert_eq!(verdict(&history("2"), Invariant::TotalQueue), "violated");
    assert_eq!(verdict(&history("null"), Invariant::AtMostOnce), "holds");
}

#[test]
fn a_bank_says_what_is_wrong() {
    let history = |reads: &[&str]| {
        let event = |(at, read): (usize, &&str)| {
            format!(
                "{{\"process\":{at},\"type\":\"invoke\",\"f\":\"read\"}}\n{{\"process\":{at},\"type\":\"ok\",\"f\":\"read\",\"value\":{read}}}\n"
            )
        };
        format::from_text(Format::Native, &reads.iter().enumerate().map(event).collect::<String>())
            .expect("a history")
    };
    let kinds = |history: &History, rules: &BankRules| {
        report(history, &question(Invariant::Bank, *rules)).answers.remove(0).counts
    };
    let plain = BankRules::default();
    let name = AnomalyName::new;
    let good = history(&[r#"{"0":60,"1":40}"#, "[100,0]", r#"{"1":100}"#]);
    assert!(kinds(&good, &plain).is_empty(), "an account that is left out is empty");
    assert_eq!(kinds(&good, &BankRules { total: Some(99), ..plain }), [(name("wrong-total"), 3)]);
    let overdrawn = history(&[r#"{"0":60,"1":40}"#, r#"{"0":-1,"1":101}"#]);
    assert_eq!(kinds(&overdrawn, &plain), [(name("negative-balance"), 1)]);
    assert!(kinds(&overdrawn, &BankRules { negative_balances: true, ..plain }).is_empty());
    let missing = history(&[r#"{"0":60,"1":null}"#, r#"{"0":60,"1":40}"#, r#"{"0":60,"1":41}"#]);
    assert_eq!(kinds(&missing, &plain), [(name("nil-balance"), 1), (name("wrong-total"), 1)]);
    assert_eq!(verdict(&history(&["7"]), Invariant::Bank), "unknown");
}

/// Put in twice and taken out twice; to name one of those who took it twice makes it no more.
#[test]
fn whoever_is_named_twice_took_it_once() {
    let (put, take) = (("enqueue", "1", "1"), ("dequeue", "null", "1"));
    let lines = [put, put, take, take].map(|(f, asked, told)| {
        let event =
            |kind: &str, value: &str| format!(r#"{{"process":0,"type":"{kind}","f":"{f}","value":{value}}}"#);
        event("invoke", asked) + "\n" + &event("ok", told)
    });
    let history = format::from_text(Format::Native, &lines.join("\n")).expect("a history");
    let question = question(Invariant::AtMostOnce, BankRules::default());
    assert_eq!(verdict(&history, Invariant::AtMostOnce), "holds");
    for returned in [[2, 3, 2], [2, 2, 3], [3, 3, 3]] {
        let returned = returned.map(OpId::from_raw).to_vec();
        let evidence = BreachEvidence::Repeated { element: "1".to_owned(), returned, put_in: 2 };
        let forged = by_breach(AnomalyName::new("duplicated"), history.key(OpId::from_raw(0)), evidence);
        assert_refuted(&history, &question, Property::Invariant(Invariant::AtMostOnce), forged);
    }
}

/// Evidence that was bent must not pass the second check.
#[test]
fn the_second_check_notices_what_is_not_so() {
    for (checks, object, next, last) in CASES {
        let check = checks[0];
        let history = (0..50)
            .map(|seed| simulate(seed, 150, *next, *last, object(true)))
            .find(|history| verdict(history, check) == "violated")
            .expect("a defect is found");
        let Verdict::Violated(found) = answer(&history, check).verdict else { unreachable!("it was found") };
        let Evidence::Breach(mut evidence) = found[0].evidence.clone() else { panic!("{found:?}") };
        let asked = question(check, BankRules::default());
        let first = Verdict::Violated(vec![found[0].clone()]);
        let standing = testkit::claim_standing(&history, &asked, Property::Invariant(check), first);
        assert_eq!(standing, Standing::Confirmed, "as it was found");
        let other = OpId::from_raw(0);
        match &mut evidence {
            BreachEvidence::Total { total, .. } => *total += 1,
            BreachEvidence::Missing { read, .. } => *read = other,
            BreachEvidence::Bounds { most, .. } => *most += 1,
            BreachEvidence::Undelivered { swallowed, .. } => *swallowed += 1,
            BreachEvidence::SameId { other: two, one, .. } => *two = *one,
            BreachEvidence::Fork { x, y, .. } => *x = y.clone(),
            BreachEvidence::Backwards { from, .. } => *from += 1,
            BreachEvidence::Reversed { first, second, .. } => *first = *second,
            BreachEvidence::Balance { balance, .. } => *balance = Some(-7),
            BreachEvidence::Doubled { times, .. } => *times += 1,
            BreachEvidence::Unwritten { element, .. } | BreachEvidence::Repeated { element, .. } => {
                element.push('0')
            }
        }
        let forged = by_breach(found[0].kind, found[0].key, evidence);
        assert_refuted(&history, &asked, Property::Invariant(check), forged);
    }
}

#[test]
fn what_leans_on_real_time_is_unknown_without_it() {
    let text = "{\"steadfast\":1,\"real_time\":false}\n\
        {\"process\":0,\"type\":\"invoke\",\"f\":\"add\",\"value\":1}\n{\"process\":0,\"type\":\"ok\",\"f\":\"add\",\"value\":1}\n\
        {\"process\":1,\"type\":\"invoke\",\"f\":\"read\"}\n{\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"value\":[]}\n";
    let without = format::from_text(Format::Native, text).expect("a history");
    let with = format::from_text(Format::Native, text.split_once('\n').expect("lines").1).expect("a history");
    for check in [Invariant::Set, Invariant::SetFull, Invariant::SetFullLinearizable] {
        assert_eq!((verdict(&without, check), verdict(&with, check)), ("unknown", "violated"), "{check:?}");
    }
}

/// The events of operations that follow one another: the process, the function, the argument, and the result.
fn in_turn(operations: &[(u32, &str, Value, Value)]) -> History {
    let mut text = String::new();
    for (process, f, argument, result) in operations {
        for (kind, value) in [("invoke", argument), ("ok", result)] {
            text += &json!({"process": process, "type": kind, "f": f, "value": value}).to_string();
            text.push('\n');
        }
    }
    format::from_text(Format::Native, &text).expect("a history")
}

/// Each history is one operation short of comparing anything, so that no answers could contradict the invariant. They held.
#[test]
fn an_invariant_without_answers_that_it_compares_is_untested() {
    let reads = |keys: &[&str]| {
        let micros = |value: &Value| keys.iter().map(|key| json!(["r", key, value])).collect::<Vec<_>>();
        (0, "read", json!(micros(&Value::Null)), json!(micros(&json!(1))))
    };
    let insert = |value: u32| (0, "insert", json!(value), json!(value));
    let read = |process, result: Value| (process, "read", Value::Null, result);
    let cases = [
        (Invariant::LongFork, vec![reads(&["a", "b"]), reads(&["b", "c"])], reads(&["c", "b"])),
        (Invariant::CausalReverse, vec![insert(1), read(1, json!([1])), insert(2)], read(1, json!([1, 2]))),
        (Invariant::Monotonic, vec![read(0, json!(5)), read(1, json!(6))], read(1, json!(7))),
    ];
    for (invariant, mut operations, last) in cases {
        let verdict = |operations: &[_]| {
            let asked = Question { accept_untested: false, ..question(invariant, BankRules::default()) };
            report(&in_turn(operations), &asked).verdict()
        };
        assert_eq!(verdict(&operations), "untested", "{invariant:?}");
        operations.push(last);
        assert_eq!(verdict(&operations), "holds", "{invariant:?}");
    }
}

/// A register that was there and is gone has not grown. Whether it became less, nobody can say.
#[test]
fn a_register_that_is_gone_is_not_monotonic() {
    let read = |result: Value| (0, "read", Value::Null, result);
    assert_eq!(verdict(&in_turn(&[read(json!(5)), read(Value::Null)]), Invariant::Monotonic), "unknown");
    assert_eq!(verdict(&in_turn(&[read(Value::Null), read(json!(5))]), Invariant::Monotonic), "holds");
}
