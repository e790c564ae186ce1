//! `steadfast verify` must refuse what does not prove its verdict: a checker of evidence that accepts everything would
//! pass every other test.

use crate::program::steadfast;
use serde_json::Value;
use std::path::{Path, PathBuf};

struct Certified {
    folder: tempfile::TempDir,
    history: PathBuf,
    certificate: Value,
}

impl Certified {
    fn of(case: &str, levels: &str) -> Certified {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let history = corpus().join(case).join("history.jsonl");
        let file = folder.path().join("certificate.json");
        let output = steadfast()
            .args(["check", "--quiet", "--consistency", levels, "--certificate"])
            .args([&file, &history])
            .output()
            .expect("it runs");
        assert!(output.status.code() < Some(2), "{case}: {}", String::from_utf8_lossy(&output.stderr));
        let text = std::fs::read_to_string(file).expect("a certificate");
        let certificate = serde_json::from_str(&text).expect("JSON");
        Certified { folder, history, certificate }
    }

    /// The exit code of `verify` for another certificate.
    fn verify(&self, certificate: &Value) -> i32 {
        let file = self.folder.path().join("other.json");
        std::fs::write(&file, certificate.to_string()).expect("it can be written");
        let output = steadfast().arg("verify").args([&file, &self.history]).output().expect("it runs");
        output.status.code().expect("it ends by itself")
    }

    fn changed(&self, change: impl FnOnce(&mut Value)) -> i32 {
        let mut certificate = self.certificate.clone();
        change(&mut certificate);
        assert_ne!(certificate, self.certificate, "something was changed");
        self.verify(&certificate)
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("histories/corpus")
}

fn list<'a>(certificate: &'a mut Value, pointer: &str) -> &'a mut Vec<Value> {
    certificate.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")).as_array_mut().expect("a list")
}

#[test]
fn what_check_wrote_is_confirmed() {
    for case in ["cas-chain", "stale-read", "aborted-read", "queue-in-order", "mutex-two-holders"] {
        let certified = Certified::of(case, "linearizable");
        assert_eq!(certified.verify(&certified.certificate), 0, "{case}");
    }
}

#[test]
fn another_order_is_refuted() {
    let certified = Certified::of("cas-chain", "linearizable");
    let operations = "/report/answers/0/because/orders/0/operations";
    assert_eq!(certified.changed(|certificate| list(certificate, operations).reverse()), 1);
    assert_eq!(certified.changed(|certificate| list(certificate, operations).swap(1, 2)), 1);
}

#[test]
fn an_order_that_leaves_out_what_happened_is_refuted() {
    let certified = Certified::of("cas-chain", "linearizable");
    let operations = "/report/answers/0/because/orders/0/operations";
    assert_eq!(certified.changed(|certificate| drop(list(certificate, operations).pop())), 1);
    assert_eq!(
        certified.changed(|certificate| list(certificate, "/report/answers/0/because/orders").clear()),
        1
    );
    let twice = |certificate: &mut Value| {
        let first = list(certificate, operations)[0].clone();
        list(certificate, operations).push(first);
    };
    assert_eq!(certified.changed(twice), 1);
}

/// A minimal core with one operation less can be explained, or leaves out what it may not.
#[test]
fn a_core_with_an_operation_less_proves_nothing() {
    let cases = [
        "stale-read",
        "lost-update",
        "new-old-inversion",
        "info-cas-impossible",
        "mutex-two-holders",
        "queue-out-of-order",
    ];
    for case in cases {
        let certified = Certified::of(case, "linearizable");
        let told = "/report/answers/0/because/0/operations";
        let operations = "/report/answers/0/because/0/evidence/core/operations";
        let count = list(&mut certified.certificate.clone(), operations).len();
        assert!(count >= 2, "{case}");
        for at in 0..count {
            let code = certified.changed(|certificate| {
                list(certificate, told).remove(at);
                list(certificate, operations).remove(at);
            });
            assert_eq!(code, 1, "{case} without operation {at} of its core");
        }
    }
}

#[test]
fn violated_without_evidence_is_refuted() {
    let certified = Certified::of("cas-chain", "linearizable,monotonic-reads");
    for answer in ["/report/answers/0", "/report/answers/1"] {
        let code = certified.changed(|certificate| {
            let answer = certificate.pointer_mut(answer).and_then(Value::as_object_mut).expect("an answer");
            answer.insert("verdict".to_owned(), "violated".into());
            answer.insert("because".to_owned(), Value::Array(Vec::new()));
        });
        assert_eq!(code, 1);
    }
}

#[test]
fn a_version_order_that_breaks_a_guarantee_is_refuted() {
    let certified = Certified::of("lost-write", "monotonic-writes,linearizable");
    assert_eq!(
        certified.changed(|certificate| list(certificate, "/report/answers/0/because/versions/0/writes").reverse()),
        1
    );
}

/// What the verdict was told is part of what it rests on: nobody wrote the null that these reads returned.
#[test]
fn another_initial_value_refutes() {
    let certified = Certified::of("only-reads", "linearizable,monotonic-reads");
    assert_eq!(
        certified.changed(|certificate| certificate["question"]["initial"]["default"] = "5".into()),
        1
    );
}

#[test]
fn a_certificate_of_another_history_or_of_nothing_is_bad_input() {
    let certified = Certified::of("cas-chain", "linearizable");
    let operations = "/report/answers/0/because/orders/0/operations";
    assert_eq!(certified.changed(|certificate| list(certificate, operations)[0] = 999.into()), 2);
    assert_eq!(certified.changed(|certificate| certificate["digest"] = "0000".into()), 2);
    assert_eq!(certified.changed(|certificate| certificate["certificate"] = 1.into()), 2);
    assert_eq!(certified.changed(|certificate| certificate["question"]["model"] = "abacus".into()), 2);
    assert_eq!(certified.verify(&Value::Null), 2);
    let other = corpus().join("stale-read/history.jsonl");
    let file = certified.folder.path().join("certificate.json");
    steadfast().arg("verify").args([&file, &other]).assert().code(2);
}

/// An earlier version wrote `steadfast_certificate`, and what to do about it is said.
#[test]
fn a_certificate_of_an_earlier_version_is_refused_with_what_to_do() {
    let certified = Certified::of("cas-chain", "linearizable");
    let file = certified.folder.path().join("old.json");
    let old =
        r#"{"steadfast_certificate":1,"history":"h.jsonl","operations":3,"model":"register","levels":[]}"#;
    std::fs::write(&file, old).expect("it can be written");
    let output = steadfast().arg("verify").args([&file, &certified.history]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("version 1") && said.contains("--certificate"), "{said}");
}

/// The same history compressed, or under another name, is the same history; what the claims rest on is said.
#[test]
fn the_history_is_known_by_what_it_says_and_the_question_is_printed() {
    let certified = Certified::of("stale-read", "linearizable");
    let copy = certified.folder.path().join("copy.jsonl");
    std::fs::copy(&certified.history, &copy).expect("a copy");
    let file = certified.folder.path().join("certificate.json");
    let output = steadfast().arg("verify").args([&file, &copy]).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("given      model register; initial value null"), "{text}");
    assert!(text.contains("confirmed  linearizable violated"), "{text}");
}

/// The two files are easily given in the wrong order.
#[test]
fn a_certificate_in_place_of_the_history_is_told() {
    let certified = Certified::of("stale-read", "linearizable");
    let file = certified.folder.path().join("certificate.json");
    let output = steadfast().arg("verify").args([&certified.history, &file]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("is a certificate, and a certificate comes before its history"), "{said}");
}

/// Without the violated answer, the rest is right. The question still asks for it.
#[test]
fn an_answer_that_was_left_out_is_missed() {
    let certified = Certified::of("stale-read", "linearizable,monotonic-reads");
    let left = certified.changed(|certificate| {
        let answers = list(certificate, "/report/answers");
        answers.retain(|answer| answer["verdict"] != "violated");
        assert_eq!(answers.len(), 1, "{answers:?}");
    });
    assert_eq!(left, 3);
}
