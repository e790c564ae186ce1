//! What the verifier says of claims that small mistakes in it would change.
//!
//! A claim may be true and its evidence wrong. Then no verdict says what the verifier must answer, and the tests that show false claims
//! are silent. Most conditions of the verifier only matter for such evidence. The cases in `cases.jsonl` were therefore found by the
//! mistakes themselves: `just collect` shows the verifier the claims of other tests, with and without each mistake, and keeps a claim if
//! the two answers differ. Each case has a history, a question, a claim and its standing.
//!
//! A case that fails has one of two reasons. Either the verifier has a new mistake, or it was changed on purpose and the standing must be
//! argued again. Where `check` knows that the claim is false, the standing needs no argument: it must not be *confirmed*.

use checker::{Limits, Model, Property, Question, Report, Verdict};
use histories::format::{Format, from_text};
use histories::{History, with_names};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use testkit::{draw_history, isolation_properties, test_limits};
use verifier::{Standing, Verification};

/// The standings of a report, one letter each: `C`onfirmed, `P`artly, `U`nchecked, `R`efuted.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct StandingLetters {
    answers: String,
    beside: String,
    phenomena: String,
}

impl StandingLetters {
    fn letters(&self) -> impl Iterator<Item = char> + '_ {
        [&self.answers, &self.beside, &self.phenomena].into_iter().flat_map(|letters| letters.chars())
    }
}

#[derive(Deserialize)]
struct CaseLine {
    history: Vec<Value>,
    /// What differs from the usual question about the model.
    question: Value,
    report: Value,
    standings: StandingLetters,
}

struct StandingCase {
    line: usize,
    history: History,
    question: Question,
    claim: Report,
    standings: StandingLetters,
}

impl StandingCase {
    fn parse(line: usize, text: &str) -> StandingCase {
        let case: CaseLine = serde_json::from_str(text).unwrap_or_else(|why| panic!("line {line}: {why}"));
        let events: Vec<String> = case.history.iter().map(Value::to_string).collect();
        let history = from_text(Format::Native, &events.join("\n")).expect("a history");
        let claim = with_names(&history, || serde_json::from_value(case.report))
            .unwrap_or_else(|why| panic!("line {line}: {why}"));
        let question = question_of(case.question);
        StandingCase { line, history, question, claim, standings: case.standings }
    }

    fn describe(&self) -> String {
        let Report { answers, beside, phenomena, .. } = &self.claim;
        let question = &self.question;
        let drawn = draw_history(&self.history);
        format!("line {}: {answers:?} {beside:?} {phenomena:?}\n{question:?}\n{drawn}", self.line)
    }
}

fn question_of(told: Value) -> Question {
    let model: Model = serde_json::from_value(told["model"].clone()).expect("a model");
    let mut question = serde_json::to_value(Question::about(model)).expect("it is JSON");
    for (name, value) in told.as_object().into_iter().flatten() {
        question[name] = value.clone();
    }
    serde_json::from_value(question).expect("a question")
}

fn read_cases() -> Vec<StandingCase> {
    let lines = include_str!("cases.jsonl").lines().zip(1..);
    lines.map(|(text, line)| StandingCase::parse(line, text)).collect()
}

fn letters_of(found: &Verification) -> StandingLetters {
    let letter = |standing: &Standing| match standing {
        Standing::Confirmed => 'C',
        Standing::ConfirmedExcept(_) => 'E',
        Standing::Partly(_) => 'P',
        Standing::Unchecked => 'U',
        Standing::Refuted(_) => 'R',
    };
    let [answers, beside, phenomena] =
        [&found.answers, &found.beside, &found.phenomena].map(|all| all.iter().map(letter).collect());
    StandingLetters { answers, beside, phenomena }
}

#[test]
fn every_claim_stands_as_it_did() {
    let mut changed = Vec::new();
    for case in read_cases() {
        let found = verifier::verify(&case.history, &case.question, &case.claim, &Limits::unbounded());
        let standings = letters_of(&found);
        if standings != case.standings {
            changed.push(format!("{:?} was {:?}: {}", found, case.standings, case.describe()));
        }
    }
    let count = changed.len();
    assert!(changed.is_empty(), "{count} standings changed:\n{}", changed[..count.min(3)].join("\n"));
}

/// Once the caller asks to stop, the grace period suffices for a claim or two. What is not checked by then may not be confirmed or refuted
/// otherwise.
#[test]
fn a_stop_flag_leaves_claims_unchecked_at_worst() {
    let stop = AtomicBool::new(true);
    let (mut checked, mut unchecked) = (0, 0);
    for case in read_cases() {
        let limits = Limits { stop: &stop, ..Limits::unbounded() };
        let found = letters_of(&verifier::verify(&case.history, &case.question, &case.claim, &limits));
        for (then, now) in case.standings.letters().zip(found.letters()) {
            assert!(now == then || now == 'U', "{then} became {now}: {}", case.describe());
            checked += usize::from(now == then);
            unchecked += usize::from(now != then);
        }
    }
    assert!(checked > 4 * unchecked && unchecked > 0, "{checked} were checked, {unchecked} were not");
}

/// What `check` says of a claim.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Truth {
    True,
    False,
    Unknown,
}

/// Whether each claim of a case is true, in the order of its letters.
fn truths_of_claims(case: &StandingCase) -> Vec<(Truth, char)> {
    let mut question = case.question.clone();
    let answers = || case.claim.answers.iter().chain(&case.claim.beside);
    let mut asked: Vec<Property> = answers().map(|answer| answer.property).collect();
    if !case.claim.phenomena.is_empty() {
        asked.extend(isolation_properties(checker::IsolationLevel::ALL));
    }
    if question.model == Model::Session {
        asked = question.model.properties();
    }
    asked.sort_unstable();
    asked.dedup();
    question.asked = Some(asked);
    if question.check(&case.history).is_err() {
        return Vec::new();
    }
    let report = checker::check(&case.history, &question, &test_limits(300_000, 1 << 28))
        .unwrap_or_else(|why| panic!("{why}: {}", case.describe()));
    let all = report.answers.iter().chain(&report.beside);
    let known: BTreeMap<Property, &str> = all.map(|one| (one.property, one.verdict.name())).collect();
    let of_answers = answers().zip(case.standings.letters()).map(|(answer, letter)| {
        let known_verdict = known.get(&answer.property).copied().unwrap_or("unknown");
        (truth_of_verdict(answer.property, &answer.verdict, known_verdict, &known), letter)
    });
    let of_anomalies = case.claim.phenomena.iter().zip(case.standings.phenomena.chars());
    let of_anomalies = of_anomalies.map(|(anomaly, letter)| {
        let ruled_out = anomaly.ruled_out_set();
        // What is seen may not be what dependencies say: docs/definitions.md, "Reading one's own append".
        let mut levels = ruled_out.iter().filter(|level| !level.is_defined_by_visibility());
        let held = levels.any(|level| known.get(&Property::Isolation(level)) == Some(&"holds"));
        (if held { Truth::False } else { Truth::Unknown }, letter)
    });
    of_answers.chain(of_anomalies).collect()
}

fn truth_of_verdict(
    property: Property,
    claimed: &Verdict,
    known_verdict: &str,
    known: &BTreeMap<Property, &str>,
) -> Truth {
    let is_decided = |verdict: &str| ["holds", "violated"].contains(&verdict);
    match (property, claimed) {
        // Several findings may fit what went wrong. It is certain only that there is one, or that there is none.
        (Property::Finding(_), Verdict::Violated(_)) if known_verdict != "violated" => {
            let is_clean = known.values().all(|verdict| ["holds", "untested"].contains(verdict));
            if is_clean { Truth::False } else { Truth::Unknown }
        }
        (Property::Finding(_), _) => Truth::Unknown,
        _ if !is_decided(claimed.name()) || !is_decided(known_verdict) => Truth::Unknown,
        _ if claimed.name() == known_verdict => Truth::True,
        _ => Truth::False,
    }
}

#[test]
fn no_false_claim_is_confirmed() {
    let mut counts: BTreeMap<(Truth, char), usize> = BTreeMap::new();
    for case in read_cases() {
        for (truth, letter) in truths_of_claims(&case) {
            assert!((truth, letter) != (Truth::False, 'C'), "confirmed, but false: {}", case.describe());
            *counts.entry((truth, letter)).or_default() += 1;
        }
    }
    for wanted in [(Truth::False, 'R'), (Truth::True, 'C'), (Truth::True, 'R')] {
        assert!(counts.get(&wanted).copied().unwrap_or(0) >= 20, "too few {wanted:?}: {counts:?}");
    }
}
