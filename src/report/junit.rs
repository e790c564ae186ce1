//! JUnit XML for CI servers: one test suite per history, one test case per level.
//!
//! *Violated* is a failure. *Unknown*, *untested* and a history that could not be read are errors: the server must not
//! show them as passed, and they are not findings either.

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
        suite.add_test_cases(findings.judged_objectives().iter().map(objective_test_case));
        self.suites.push(suite);
        Ok(())
    }

    fn write_refused(&mut self, name: &str, problems: &str, _out: &mut dyn Write) -> io::Result<()> {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("bad-input").set_message("the history could not be read").set_description(problems);
        let mut suite = TestSuite::new(name);
        suite.add_test_case(TestCase::new("read", status));
        self.suites.push(suite);
        Ok(())
    }

    fn write_end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut report = quick_junit::Report::new("steadfast");
        report.add_test_suites(std::mem::take(&mut self.suites));
        report.serialize(&mut *out).map_err(io::Error::other)
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
    case.set_classname(&answer.method).set_time(Duration::from_secs_f64(seconds));
    case
}

/// An objective as a test case: *missed* is a failure, *unknown* an error.
fn objective_test_case(judged: &JudgedObjective) -> TestCase {
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
    case.set_classname("objective");
    case
}
