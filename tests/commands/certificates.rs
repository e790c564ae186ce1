//! Certificates of session stores and of invariants: what was found is confirmed from the history alone, and what was bent
//! is refuted. A verifier that accepts everything would pass every other test.

use crate::program::steadfast;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A certificate, and its history.
struct Certified {
    folder: tempfile::TempDir,
    history: PathBuf,
    certificate: Value,
}

impl Certified {
    fn of(case: &str, options: &[&str]) -> Certified {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let history =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("histories/corpus").join(case).join("history.jsonl");
        let file = folder.path().join("certificate.json");
        let mut command = steadfast();
        command.args(["check", "--quiet", "--certificate"]).arg(&file).args(options).arg(&history);
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{case}: {said}");
        let text = std::fs::read_to_string(&file).expect("a certificate");
        Certified { folder, history, certificate: serde_json::from_str(&text).expect("JSON") }
    }

    /// What `verify` says of another certificate, and its exit code.
    fn verify(&self, certificate: &Value) -> (String, i32) {
        let file = self.folder.path().join("other.json");
        std::fs::write(&file, certificate.to_string()).expect("it can be written");
        let output = steadfast().arg("verify").arg(&file).arg(&self.history).output().expect("it runs");
        (String::from_utf8(output.stdout).expect("text"), output.status.code().expect("it ends by itself"))
    }

    /// The certificate of one violated property alone, with its first finding or breach alone.
    fn first_of(&self, answer: &Value) -> Value {
        let mut one = self.certificate.clone();
        let mut answer = answer.clone();
        list(&mut answer).truncate(1);
        one["report"]["answers"] = Value::Array(vec![answer]);
        one["report"]["beside"] = Value::Array(Vec::new());
        one
    }
}

fn list(answer: &mut Value) -> &mut Vec<Value> {
    answer["because"].as_array_mut().expect("a list")
}

fn answers(certificate: &Value) -> impl Iterator<Item = &Value> {
    certificate["report"]["answers"].as_array().expect("answers").iter()
}

fn violated(certificate: &Value) -> impl Iterator<Item = &Value> {
    answers(certificate).filter(|answer| answer["verdict"] == "violated")
}

/// The name of what an answer is about.
fn name(answer: &Value) -> String {
    let property = answer["property"].as_object().expect("a property");
    property.values().next().and_then(Value::as_str).expect("a name").to_owned()
}

/// The one violation of a certificate of one.
fn violation(certificate: &mut Value) -> &mut Value {
    &mut list(&mut certificate["report"]["answers"][0])[0]
}

/// What it rests on: the fields of its proof, whatever the proof is called.
fn proof(violation: &mut Value) -> &mut serde_json::Map<String, Value> {
    let evidence = &mut violation["evidence"];
    let proof = if evidence.get("finding").is_some() {
        &mut evidence["finding"]["proof"]
    } else {
        &mut evidence["breach"]
    };
    proof
        .as_object_mut()
        .and_then(|named| named.values_mut().next())
        .and_then(Value::as_object_mut)
        .expect("a proof")
}

/// Fields of a finding that name operations.
const OPERATIONS: &[&str] = &[
    "gone", "alive", "renewed", "back", "ended", "shown", "one", "other", "seen", "read", "older", "newer",
    "birth", "patch", "write", "writer", "act", "later", "earlier", "known", "again", "first", "second",
    "empty",
];

/// Invariants, broken each in another way, and one that holds.
const CASES: &[(&str, &[&str])] = &[
    ("bank-money-made", &[]),
    ("set-full-gone", &["--model=set-full"]),
    ("set-lost-element", &["--consistency=set"]),
    ("counter-above-all-adds", &["--consistency=counter"]),
    ("queue-delivered-twice", &["--consistency=at-most-once"]),
    ("queue-not-drained-dry", &["--consistency=total-queue"]),
    ("ids-twice", &[]),
    ("fork-of-readers", &["--model=long-fork"]),
    ("register-goes-back", &["--model=monotonic"]),
    ("set-full-late", &["--consistency=set-full"]),
];

fn sessions() -> Vec<String> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories/corpus");
    let names =
        std::fs::read_dir(corpus).expect("the corpus").map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("text"));
    let mut names: Vec<String> = names.filter(|name| name.starts_with("store-")).collect();
    names.sort();
    names
}

/// What verifies what, of every kind of finding that the corpus shows, and what does not once it is bent.
#[test]
fn findings_are_confirmed_and_bent_ones_are_refuted() {
    let mut kinds = BTreeSet::new();
    for case in sessions() {
        let certified = Certified::of(&case, &[]);
        let (lines, code) = certified.verify(&certified.certificate);
        assert!(matches!(code, 0 | 3) && lines.starts_with("given "), "{case}: {lines}");
        for answer in violated(&certified.certificate) {
            let name = name(answer);
            assert!(lines.contains(&format!("confirmed  {name} violated")), "{case}: {lines}");
            let unseen = |line: &str| line.starts_with("unknown") && line.contains(" holds");
            assert!(case == "store-created-again" || !lines.lines().any(unseen), "{case}: {lines}");
            if kinds.insert(name) {
                bend(&certified, answer, &case);
            }
        }
    }
    assert_eq!(kinds.len(), 20, "every kind of finding: {kinds:?}");
}

#[test]
fn breaches_are_confirmed_and_bent_ones_are_refuted() {
    let mut shown = 0;
    for (case, options) in CASES {
        let certified = Certified::of(case, options);
        let (lines, code) = certified.verify(&certified.certificate);
        assert_eq!(code, 0, "{case}: {lines}");
        assert!(lines.lines().skip(1).all(|line| line.starts_with("confirmed  ")), "{case}: {lines}");
        for level in violated(&certified.certificate) {
            bend(&certified, level, case);
            shown += 1;
        }
    }
    assert!(shown >= 8, "{shown}");
}

/// Bends the first violation of a property in every way that must be noticed.
fn bend(certified: &Certified, answer: &Value, case: &str) {
    let one = certified.first_of(answer);
    let name = name(answer);
    assert!(certified.verify(&one).0.contains(&format!("confirmed  {name} violated")), "{case}: {one}");
    let refuted = |changed: &Value, what: &str| {
        assert_ne!(*changed, one, "{case} {name}: {what} changes something");
        let (lines, code) = certified.verify(changed);
        assert!(matches!(code, 1 | 2), "{case} {name} with {what}: {lines}{changed}");
    };
    let mut nothing = one.clone();
    list(&mut nothing["report"]["answers"][0]).clear();
    refuted(&nothing, "nothing found");
    let fields = proof(violation(&mut one.clone())).clone();
    let named =
        |field: &str| fields.get(field).and_then(Value::as_u64).filter(|_| OPERATIONS.contains(&field));
    // What is told beside the proof changes with it: else it would be refuted for that alone.
    let set = |field: &str, value: Value| {
        let mut changed = one.clone();
        let found = violation(&mut changed);
        let before = proof(found).insert(field.to_owned(), value.clone());
        for told in ["/operations", "/evidence/finding/operations"] {
            if let Some(Value::Array(operations)) = found.pointer_mut(told)
                && OPERATIONS.contains(&field)
                && let Some(at) = operations.iter().position(|operation| Some(operation) == before.as_ref())
            {
                operations[at] = value.clone();
            }
        }
        changed
    };
    for (field, value) in &fields {
        match value {
            // Another operation, the first that takes no part in it.
            Value::Number(number) if named(field).is_some() => {
                let parts: Vec<u64> = fields.keys().filter_map(|field| named(field)).collect();
                // Any answer from before may show that a session was alive; the one that it was gone does not.
                let gone = named("gone").filter(|_| field == "alive");
                let mut all = gone.into_iter().chain((0..).filter(|at| !parts.contains(at)));
                refuted(&set(field, all.next().expect("another").into()), &format!("another {field}"));
            }
            Value::Number(number) => {
                let more = number.as_i64().expect("a whole number") + 1_000_000_007;
                refuted(&set(field, more.into()), &format!("another number as {field}"));
            }
            Value::Array(told) if !told.is_empty() => {
                refuted(&set(field, Value::Array(told[1..].to_vec())), &format!("less of {field}"));
            }
            _ => {}
        }
    }
    // The same under a name that it does not bear.
    for other in ["torn-session", "audit-forged", "clock-went-back", "lost-write"] {
        let mut changed = one.clone();
        changed["report"]["answers"][0]["property"] = serde_json::json!({"finding": other});
        if other != name {
            refuted(&changed, &format!("the name {other}"));
        }
    }
}

/// What the verdict was told is part of what it rests on.
#[test]
fn another_time_to_live_or_total_is_another_question() {
    let certified = Certified::of("store-expired-late", &["--consistency=expired-late"]);
    let changed = |what: &str, value: Value| {
        let mut certificate = certified.certificate.clone();
        certificate["question"]["sessions"][what] = value;
        certified.verify(&certificate)
    };
    assert_eq!(certified.verify(&certified.certificate).1, 0);
    assert_eq!(changed("time_to_live_ns", Value::Null).1, 1);
    assert_eq!(changed("time_to_live_ns", 3_600_000_000_000_i64.into()).1, 1);
    assert_eq!(changed("time_to_live_ns", "soon".into()).1, 2);
    assert_eq!(changed("renewed_by", serde_json::json!({"wish": true})).1, 2);
    let (lines, _) = changed("tolerance_ns", 1.into());
    assert!(lines.contains("\ngiven      sessions expire "), "{lines}");
    let certified = Certified::of("bank-transfers-unknown", &[]);
    assert_eq!(certified.verify(&certified.certificate).1, 0, "it holds, and is found to hold again");
    let mut other = certified.certificate.clone();
    other["question"]["bank"]["total"] = 7.into();
    assert_eq!(certified.verify(&other).1, 1);
}

/// What a history does not record enough to tell is not confirmed to hold because a certificate says so.
#[test]
fn what_is_unknown_is_not_made_to_hold() {
    let kinds = "lost-write,expired-early,expired-late,old-id-alive,resurrected-session,duplicated-action,lost-action,\
        clock-went-back,audit-missing,audit-duplicated,audit-forged,divergent-replicas,\
        connection-not-resumed,lost-message,duplicated-message";
    let mut shown = BTreeSet::new();
    for case in sessions() {
        let certified = Certified::of(&case, &[&format!("--consistency={kinds}")]);
        let mut changed = certified.certificate.clone();
        let mut unknown = Vec::new();
        for answer in changed["report"]["answers"].as_array_mut().expect("answers") {
            if answer["verdict"] == "unknown" || answer["verdict"] == "untested" {
                unknown.push(name(answer));
                answer["verdict"] = "holds".into();
                answer["because"] = "nothing-found".into();
            }
        }
        let (lines, _) = certified.verify(&changed);
        for name in unknown {
            assert!(!lines.contains(&format!("confirmed  {name} ")), "{case}: {lines}");
            shown.insert(name);
        }
    }
    assert_eq!(shown.len(), kinds.split(',').count(), "{shown:?}");
}

/// A certificate that claims nothing is none.
#[test]
fn a_certificate_of_no_level_is_refused() {
    for (case, options) in
        [("store-renewed", &[][..]), ("bank-money-made", &[]), ("stale-read", &[]), ("txn-write-skew", &[])]
    {
        let certified = Certified::of(case, options);
        let mut nothing = certified.certificate.clone();
        nothing["report"]["answers"] = Value::Array(Vec::new());
        assert_eq!(certified.verify(&nothing).1, 2, "{case}");
    }
}

/// *Holds* is found a second time; claimed of a history in which there is something to be found, it is refuted.
#[test]
fn a_false_holds_is_refuted() {
    let mut shown = 0;
    for case in sessions() {
        let certified = Certified::of(&case, &[]);
        let found: Vec<String> = violated(&certified.certificate).map(name).collect();
        let mut changed = certified.certificate.clone();
        for answer in changed["report"]["answers"].as_array_mut().expect("answers") {
            if answer["verdict"] == "violated" {
                answer["verdict"] = "holds".into();
                answer["because"] = "nothing-found".into();
            }
        }
        let (lines, code) = certified.verify(&changed);
        let refuted = found.iter().all(|name| lines.contains(&format!("refuted    {name} holds")));
        assert!(found.is_empty() || (code == 1 && refuted), "{case} {found:?}: {lines}");
        shown += found.len();
    }
    assert!(shown > 20, "{shown}");
    for (case, options) in CASES {
        let certified = Certified::of(case, options);
        for answer in violated(&certified.certificate) {
            let mut changed = certified.certificate.clone();
            let mut denied = answer.clone();
            denied["verdict"] = "holds".into();
            denied["because"] = serde_json::json!({"looked": 3});
            changed["report"]["answers"] = Value::Array(vec![denied]);
            let (lines, code) = certified.verify(&changed);
            assert_eq!(code, 1, "{case}: {lines}");
        }
    }
}
