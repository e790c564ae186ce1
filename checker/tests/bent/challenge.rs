//! Shows the verifier evidence that is wrong, where it is known to be wrong.
//!
//! Whether bent evidence for a true claim is still right is hard to say. That a false claim has no right evidence is certain. So each
//! claim of a history is shown for a history that differs a little and for which the opposite verdict was reached and confirmed, as it is
//! and bent. The truth is what `check` says, which other tests hold against brute force.

use crate::evidence::bend_document;
use crate::near::EventList;
use checker::{Limits, Property, Question, Report, Verdict};
use histories::{History, with_names};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use testkit::{TestRandom, draw_history, test_limits};
use verifier::Standing;

/// How many histories each history is changed into, and how often the evidence is bent for each.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) near: usize,
    pub(crate) bends: usize,
}

/// What was tried, and how often it mattered.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    /// Confirmed answers of `check`, by verdict.
    pub(crate) verdicts: BTreeMap<&'static str, u64>,
    /// False claims with evidence that could be read, by the kind of evidence.
    pub(crate) false_claims: BTreeMap<String, u64>,
    /// False claims that were confirmed.
    wrong: Vec<String>,
}

/// So many confirmed false claims end a test.
const WRONG_MAX: usize = 4;

impl Tally {
    fn note_wrong(&mut self, told: String) {
        self.wrong.push(told);
        if self.wrong.len() == WRONG_MAX {
            self.assert_nothing_false();
        }
    }

    /// Panics if a false claim was confirmed.
    fn assert_nothing_false(&self) {
        assert!(self.wrong.is_empty(), "confirmed, but false:\n{}", self.wrong.join("\n"));
    }

    /// Panics unless there were so many decided answers of each verdict, and so many false claims with each of these kinds of evidence.
    pub(crate) fn assert_not_tame(&self, verdicts: u64, false_claims: u64, kinds: &[&str]) {
        self.assert_nothing_false();
        for verdict in ["holds", "violated"] {
            let found = self.verdicts.get(verdict).copied().unwrap_or(0);
            assert!(found >= verdicts, "only {found} {verdict}: {self:#?}");
        }
        let unknown = self.verdicts.get("unknown").copied().unwrap_or(0);
        assert!(unknown * 20 <= self.verdicts.values().sum(), "too few were decided: {self:#?}");
        for kind in kinds {
            let found = self.false_claims.get(*kind).copied().unwrap_or(0);
            assert!(found >= false_claims, "only {found} false claims by {kind}: {self:#?}");
        }
    }
}

/// A history, the question about it, and the answers, which were confirmed.
struct Answered {
    history: History,
    question: Question,
    report: Report,
    told: Value,
    truth: HashMap<Property, &'static str>,
}

impl Answered {
    fn new(history: History, question: Question) -> Option<Answered> {
        question.check(&history).ok()?;
        let report = checker::check(&history, &question, &limits())
            .unwrap_or_else(|why| panic!("{why}\n{question:?}\n{}", draw_history(&history)));
        assert_claims_stand(&history, &question, &report);
        let told = with_names(&history, || serde_json::to_value(&report)).expect("a report can be written");
        let answers = report.answers.iter().chain(&report.beside);
        let truth = answers.map(|answer| (answer.property, answer.verdict.name())).collect();
        Some(Answered { history, question, report, told, truth })
    }

    /// Whether a verdict is the opposite of what is known.
    fn is_false(&self, property: Property, verdict: &Verdict) -> bool {
        let known = self.truth.get(&property).copied().unwrap_or("unknown");
        match (property, verdict) {
            // Several findings may fit. It is certain only that there is one, or that there is none.
            (Property::Finding(_), Verdict::Violated(_)) => {
                !self.truth.values().any(|known| ["violated", "unknown"].contains(known))
            }
            (Property::Finding(_), _) => false,
            (_, Verdict::Violated(_)) => known == "holds",
            (_, Verdict::Holds(_)) => known == "violated",
            (_, Verdict::Untested(_) | Verdict::Unknown(_)) => false,
        }
    }

    /// Has the verifier look at claims, and panics if it confirms a false one.
    fn show(&self, claims: &Value, tally: &mut Tally) {
        let read = with_names(&self.history, || serde_json::from_value::<Report>(claims.clone()));
        let Ok(claim) = read else { return };
        let found = verifier::verify(&self.history, &self.question, &claim, &Limits::unbounded());
        let answers = claim.answers.iter().chain(&claim.beside);
        for (answer, standing) in answers.zip(found.answers.iter().chain(&found.beside)) {
            if !self.is_false(answer.property, &answer.verdict) {
                continue;
            }
            evidence_kinds(&answer.verdict)
                .into_iter()
                .for_each(|kind| *tally.false_claims.entry(kind).or_default() += 1);
            if matches!(standing, Standing::Confirmed | Standing::ConfirmedExcept(_)) {
                let told = serde_json::to_value(answer).expect("JSON");
                let phenomena = serde_json::to_value(&claim.phenomena).expect("JSON");
                tally.note_wrong(format!("{told}\n{phenomena}\n{}", self.draw()));
            }
        }
        for (anomaly, standing) in claim.phenomena.iter().zip(&found.phenomena) {
            let ruled_out = anomaly.ruled_out_set();
            // What is seen may not be what dependencies say: docs/definitions.md, "Reading one's own append".
            let held = ruled_out.iter().filter(|level| !level.is_defined_by_visibility());
            let held = held.map(Property::Isolation).find(|level| self.truth.get(level) == Some(&"holds"));
            let Some(held) = held else { continue };
            *tally.false_claims.entry(format!("phenomenon {}", anomaly.phenomenon.name())).or_default() += 1;
            if *standing == Standing::Confirmed {
                tally.note_wrong(format!("{anomaly:?}, but {} holds\n{}", held.name(), self.draw()));
            }
        }
    }

    fn draw(&self) -> String {
        let Question { initial, failed_cas, assume, sessions, .. } = &self.question;
        format!("{initial:?} {failed_cas:?} {assume:?} {sessions:?}\n{}", draw_history(&self.history))
    }
}

/// The kind of each piece of evidence for a verdict, as certificates name it.
fn evidence_kinds(verdict: &Verdict) -> Vec<String> {
    let told = serde_json::to_value(verdict).expect("it can be written");
    let tag = |value: &Value| match value {
        Value::Object(fields) => fields.keys().next().cloned().unwrap_or_default(),
        Value::String(text) => text.clone(),
        _ => String::new(),
    };
    let because = &told["because"];
    match because {
        Value::Array(violations) => violations
            .iter()
            .map(|violation| match tag(&violation["evidence"]).as_str() {
                "finding" => format!("finding {}", tag(&violation["evidence"]["finding"]["proof"])),
                "breach" => format!("breach {}", tag(&violation["evidence"]["breach"])),
                other => other.to_owned(),
            })
            .collect(),
        witness => match tag(witness).as_str() {
            "transactions" => vec![format!("transactions {}", tag(&witness["transactions"]))],
            other => vec![other.to_owned()],
        },
    }
}

/// Panics unless the verifier confirms every claim of a report. It may say that it did not look at everything where it claims that
/// nothing was found: ids of sessions may have been given out twice.
fn assert_claims_stand(history: &History, question: &Question, report: &Report) {
    let found = verifier::verify(history, question, report, &Limits::unbounded());
    let answers = report.answers.iter().chain(&report.beside);
    for (answer, standing) in answers.zip(found.answers.iter().chain(&found.beside)) {
        let is_absence = matches!(answer.property, Property::Finding(_)) && answer.verdict.name() == "holds";
        let stands = matches!(standing, Standing::Confirmed | Standing::ConfirmedExcept(_))
            || is_absence && matches!(standing, Standing::Partly(_));
        assert!(stands, "{standing:?}: {answer:#?}\n{question:?}\n{}", draw_history(history));
    }
    for (anomaly, standing) in report.phenomena.iter().zip(&found.phenomena) {
        assert_eq!(*standing, Standing::Confirmed, "{anomaly:#?}\n{}", draw_history(history));
    }
}

fn limits() -> Limits<'static> {
    test_limits(300_000, 1 << 28)
}

/// Shows every claim about the history for histories near it, and bends it for both.
pub(crate) fn challenge(
    history: History,
    question: Question,
    effort: Effort,
    random: &mut TestRandom,
    tally: &mut Tally,
) {
    let events = EventList::from_history(&history);
    let Some(one) = Answered::new(history, question) else { return };
    count_verdicts(&one.report, tally);
    one.show(&exchange_evidence(&one, random), tally);
    for _ in 0..effort.bends {
        one.show(&bend_document(&one.told, &one.told, random), tally);
    }
    let named = numbers_in_violations(&one.told);
    for _ in 0..effort.near {
        let Some(history) = events.changed(&named, random).read() else { continue };
        let Some(other) = Answered::new(history, one.question.clone()) else { continue };
        count_verdicts(&other.report, tally);
        other.show(&one.told, tally);
        one.show(&other.told, tally);
        if other.truth == one.truth {
            continue;
        }
        for _ in 0..effort.bends {
            other.show(&bend_document(&one.told, &other.told, random), tally);
            one.show(&bend_document(&other.told, &one.told, random), tally);
        }
    }
}

/// All numbers in the evidence for violations: the operations that it names, and some others.
fn numbers_in_violations(told: &Value) -> HashSet<i64> {
    let answers = told["answers"].as_array().into_iter().flatten();
    let violated = answers.filter(|answer| answer["verdict"] == "violated").map(|answer| &answer["because"]);
    let mut todo: Vec<&Value> = violated.chain(told.get("phenomena")).collect();
    let mut found = HashSet::new();
    while let Some(value) = todo.pop() {
        match value {
            Value::Array(list) => todo.extend(list),
            Value::Object(fields) => todo.extend(fields.values()),
            leaf => found.extend(leaf.as_i64()),
        }
    }
    found
}

fn count_verdicts(report: &Report, tally: &mut Tally) {
    for answer in &report.answers {
        *tally.verdicts.entry(answer.verdict.name()).or_default() += 1;
    }
}

/// The claims of a history with the verdict and the evidence of each answer replaced by those of another.
fn exchange_evidence(one: &Answered, random: &mut TestRandom) -> Value {
    let mut told = one.told.clone();
    let answers = told["answers"].as_array().expect("a report has answers").clone();
    if let Some(list) = told["answers"].as_array_mut() {
        for answer in list {
            let other = &answers[random.below(answers.len())];
            let (verdict, because) = (other["verdict"].clone(), other["because"].clone());
            (answer["verdict"], answer["because"]) = (verdict, because);
        }
    }
    told
}
