//! JUnit XML for CI servers: one test suite per history, one test case per level.
//!
//! *Violated* is a failure. *Unknown*, *untested* and a history that could not be read are errors: the server must not
//! show them as passed, and they are not findings either.
//!
//! Servers recognise a test by `classname` and `name`, so both stay the same however a verdict was found: `classname` has the history.
//! The schemas of Jenkins know no `skipped` of all suites.

use super::{CheckFindings, ReportWriter};
use crate::objectives::JudgedObjective;
use checker::Answer;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use std::io::{self, Write};
use std::time::Duration;

#[derive(Default)]
pub(crate) struct JunitReport {
    suites: Vec<TestSuite>,
}

impl ReportWriter for JunitReport {
    fn write_checked(&mut self, findings: &CheckFindings<'_>, _out: &mut dyn Write) -> io::Result<()> {
        let mut suite = TestSuite::new(findings.name);
        suite.add_test_cases(findings.answers().iter().map(|answer| level_test_case(findings, answer)));
        let objectives = findings.judged_objectives().iter();
        suite.add_test_cases(objectives.map(|judged| objective_test_case(findings.name, judged)));
        if let Some(warning) = super::thin_history_warning(findings) {
            suite.set_system_out(warning);
        }
        self.suites.push(suite);
        Ok(())
    }

    fn write_refused(&mut self, name: &str, problems: &str, _out: &mut dyn Write) -> io::Result<()> {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("bad-input").set_message("the history could not be read").set_description(problems);
        let mut suite = TestSuite::new(name);
        let mut case = TestCase::new("read", status);
        case.set_classname(class_name(name));
        suite.add_test_case(case);
        self.suites.push(suite);
        Ok(())
    }

    fn write_end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut report = quick_junit::Report::new("steadfast");
        report.add_test_suites(std::mem::take(&mut self.suites));
        let text = report.to_string().map_err(io::Error::other)?;
        out.write_all(without_skipped_suites(&text).as_bytes())
    }
}

fn level_test_case(findings: &CheckFindings<'_>, answer: &Answer) -> TestCase {
    let told = findings.describe_anomalies(answer);
    let status = match (told.as_slice(), super::open_reason(answer)) {
        ([], None) => TestCaseStatus::success(),
        (_, Some(reason)) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type(answer.verdict.name()).set_message(reason);
            status
        }
        (anomalies, None) => {
            let sentences: Vec<String> =
                anomalies.iter().map(|anomaly| format!("{}: {}", anomaly.kind, anomaly.text)).collect();
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_type(anomalies[0].kind)
                .set_message(&sentences[0])
                .set_description(sentences.join("\n"));
            status
        }
    };
    let mut case = TestCase::new(answer.property.name(), status);
    let seconds = findings.times.seconds_for(answer.property);
    case.set_classname(class_name(findings.name)).set_time(Duration::from_secs_f64(seconds));
    case
}

/// A class name for the tests of a history. Servers take what is before a dot for a package.
fn class_name(history: &str) -> String {
    format!("steadfast.{}", history.replace('.', "_"))
}

/// The document without the attribute `skipped` of its root, which strict schemas do not know.
fn without_skipped_suites(text: &str) -> String {
    let root = text.find("<testsuites ").unwrap_or(0);
    let end = text[root..].find('>').map_or(text.len(), |at| root + at);
    let attribute = text[root..end].find(" skipped=\"").map(|at| root + at);
    let Some(from) = attribute else { return text.to_owned() };
    let value = from + " skipped=\"".len();
    let to = text[value..].find('"').map_or(from, |at| value + at + 1);
    [&text[..from], &text[to..]].concat()
}

/// An objective as a test case: *missed* is a failure, *unknown* an error.
fn objective_test_case(history: &str, judged: &JudgedObjective) -> TestCase {
    let kind = match judged.verdict() {
        "met" => None,
        "missed" => Some(NonSuccessKind::Failure),
        _ => Some(NonSuccessKind::Error),
    };
    let status = kind.map_or_else(TestCaseStatus::success, |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_type(judged.verdict()).set_message(judged.describe_result());
        status
    });
    let mut case = TestCase::new(judged.objective.metric.objective, status);
    case.set_classname(class_name(history));
    case
}
