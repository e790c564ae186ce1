//! Forged certificates: every field of every certificate of the corpus changed in turn, and none confirmed that contradicts
//! what `check` says.
//!
//! A verifier that accepts everything would pass every test of right certificates. It once confirmed that there was no second
//! finding where one of two had been struck out, and one level as both violated and holding.

#![allow(clippy::print_stdout, reason = "how many were forged is said")]

use checker::{Limits, Property, Question, Report};
use histories::format::{Input, ReadOptions, read};
use histories::{History, with_names};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use verifier::Standing;

/// Forgeries of one case. The corpus has hundreds of cases, so a few hundred each are far more than are asked for.
const EACH_MAX: usize = 400;
/// Histories that are larger take long to verify a few hundred times, and hold no kind of claim that others do not.
const OPERATIONS_MAX: usize = 400;

fn cases() -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../histories/corpus");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(corpus).expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    files.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains("/history.")).collect()
}

fn history(path: &Path) -> Option<History> {
    let input = Input::Path(path.to_owned());
    read(input, &ReadOptions::default(), &|_, _| {}).ok().map(|read| read.history)
}

/// The places of a document: pointers to every leaf and every list.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                places(field, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(elements) => {
            found.push(at.to_owned());
            elements.iter().enumerate().for_each(|(n, element)| places(element, &format!("{at}/{n}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}

/// What one place may be forged to.
fn forged(value: &Value, others: &[Value]) -> Vec<Value> {
    let mut all = match value {
        Value::Number(number) => {
            let number = number.as_i64().unwrap_or(0);
            vec![Value::from(number + 1), Value::from(number - 1), Value::from(number + 2), Value::Null]
        }
        Value::Bool(told) => vec![Value::from(!told)],
        Value::Null => vec![Value::from(0), Value::from(2), Value::from("null")],
        Value::String(text) => {
            let verdicts = ["holds", "violated", "unknown", "untested"];
            let mut all: Vec<Value> = Vec::new();
            if verdicts.contains(&text.as_str()) {
                all.extend(verdicts.map(Value::from));
            }
            all.push(Value::from(format!("{text}x")));
            all
        }
        Value::Array(list) => {
            let mut all = vec![Value::Array(list.iter().rev().cloned().collect()), Value::Array(Vec::new())];
            for at in 0..list.len().min(6) {
                let (mut without, mut twice) = (list.clone(), list.clone());
                without.remove(at);
                twice.push(list[at].clone());
                all.extend([Value::Array(without), Value::Array(twice)]);
                if at + 1 < list.len() {
                    let mut swapped = list.clone();
                    swapped.swap(at, at + 1);
                    all.push(Value::Array(swapped));
                }
            }
            all
        }
        Value::Object(_) => Vec::new(),
    };
    // What stands elsewhere in the document is likelier to make sense.
    all.extend(
        others
            .iter()
            .filter(|other| std::mem::discriminant(*other) == std::mem::discriminant(value))
            .take(3)
            .cloned(),
    );
    all.retain(|other| other != value);
    all
}

/// What `check` says of each property, of those asked and those beside.
fn truth(report: &Report) -> HashMap<Property, &'static str> {
    let all = report.answers.iter().chain(&report.beside);
    all.map(|answer| (answer.property, answer.verdict.name())).collect()
}

#[test]
fn no_forgery_is_confirmed_that_contradicts_check() {
    let (mut tried, mut read_at_all, mut kinds) = (0, 0, HashMap::<&'static str, usize>::new());
    for path in cases() {
        let Some(history) = history(&path) else { continue };
        if history.len() > OPERATIONS_MAX {
            continue;
        }
        let Ok(mut question) = Question::recognised(&history) else { continue };
        question.asked = Some(question.model.properties());
        let Ok(report) = checker::check(&history, &question, &Limits::unbounded()) else { continue };
        let told = with_names(&history, || serde_json::to_value(&report)).expect("a report can be written");
        let again: Report = with_names(&history, || serde_json::from_value(told.clone()))
            .expect("what was written can be read");
        assert_eq!(again, report, "{}", path.display());
        let truth = truth(&report);
        let mut all = Vec::new();
        places(&told, "", &mut all);
        let leaves: Vec<Value> = all.iter().filter_map(|at| told.pointer(at)).cloned().collect();
        let mut of_case = 0;
        // Spread over the whole document, where it is long.
        let step = (all.len() / EACH_MAX).max(1);
        for (number, at) in all.iter().enumerate().step_by(step) {
            let value = told.pointer(at).expect("it is there");
            let near = &leaves[number.saturating_sub(8)..leaves.len().min(number + 8)];
            for other in forged(value, near) {
                if of_case == EACH_MAX {
                    break;
                }
                of_case += 1;
                let mut document = told.clone();
                *document.pointer_mut(at).expect("it is there") = other;
                tried += 1;
                let Ok(claim) = with_names(&history, || serde_json::from_value::<Report>(document)) else {
                    continue;
                };
                read_at_all += 1;
                let standings = verifier::verify(&history, &question, &claim, &Limits::unbounded());
                for (answer, standing) in claim.answers.iter().zip(&standings.answers) {
                    let verdict = answer.verdict.name();
                    if *standing != Standing::Confirmed
                        || !matches!(verdict, "holds" | "violated" | "untested")
                    {
                        continue;
                    }
                    let known = truth.get(&answer.property).copied().unwrap_or("unknown");
                    *kinds.entry(verdict).or_default() += 1;
                    assert!(
                        known == verdict || known == "unknown",
                        "{}: {at}: {} is {known}, and {verdict} was confirmed",
                        path.display(),
                        answer.property.name()
                    );
                }
            }
        }
    }
    println!("{tried} forgeries, of which {read_at_all} could be read; confirmed claims: {kinds:?}");
    assert!(tried >= 20_000 && read_at_all >= 8_000, "{tried} forgeries, {read_at_all} of them readable");
}
