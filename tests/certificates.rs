//! Certificates of session stores and of invariants: what was found is confirmed from the history alone, and what was bent
//! is refuted. A verifier that accepts everything would pass every other test.

use assert_cmd::Command;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn steadfast() -> Command {
    Command::new(env!("CARGO_BIN_EXE_steadfast"))
}

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

    /// The certificate of one violated level alone, with its first finding or breach alone.
    fn first_of(&self, level: &Value) -> Value {
        let mut one = self.certificate.clone();
        let mut level = level.clone();
        list(&mut level).truncate(1);
        one["levels"] = Value::Array(vec![level]);
        one
    }
}

fn list(level: &mut Value) -> &mut Vec<Value> {
    let name = if level.get("findings").is_some() { "findings" } else { "breaches" };
    level[name].as_array_mut().expect("a list")
}

fn violated(certificate: &Value) -> impl Iterator<Item = &Value> {
    let levels = certificate["levels"].as_array().expect("levels").iter();
    levels.filter(|level| level["verdict"] == "violated")
}

/// The one finding of a certificate of one.
fn finding(certificate: &mut Value) -> &mut serde_json::Map<String, Value> {
    list(&mut certificate["levels"][0])[0].as_object_mut().expect("an object")
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
        for level in violated(&certified.certificate) {
            let name = level["level"].as_str().expect("a name").to_owned();
            assert!(lines.contains(&format!("confirmed  {name} violated")), "{case}: {lines}");
            let unseen = |line: &str| line.starts_with("unknown") && line.contains(" holds");
            assert!(case == "store-created-again" || !lines.lines().any(unseen), "{case}: {lines}");
            if kinds.insert(name) {
                bend(&certified, level, &case);
            }
        }
    }
    assert_eq!(kinds.len(), 17, "every kind of finding: {kinds:?}");
}

#[test]
fn breaches_are_confirmed_and_bent_ones_are_refuted() {
    let mut shown = 0;
    for (case, options) in CASES {
        let certified = Certified::of(case, options);
        let (lines, code) = certified.verify(&certified.certificate);
        assert_eq!(code, 0, "{case}: {lines}");
        assert!(lines.lines().all(|line| line.starts_with("confirmed  ")), "{case}: {lines}");
        for level in violated(&certified.certificate) {
            bend(&certified, level, case);
            shown += 1;
        }
    }
    assert!(shown >= 8, "{shown}");
}

/// Bends the first finding of a level in every way that must be noticed.
fn bend(certified: &Certified, level: &Value, case: &str) {
    let one = certified.first_of(level);
    let name = level["level"].as_str().expect("a name");
    assert!(certified.verify(&one).0.contains(&format!("confirmed  {name} violated")), "{case}: {one}");
    let refuted = |changed: &Value, what: &str| {
        assert_ne!(*changed, one, "{case} {name}: {what} changes something");
        let (lines, code) = certified.verify(changed);
        assert!(matches!(code, 1 | 2), "{case} {name} with {what}: {lines}{changed}");
    };
    let mut nothing = one.clone();
    list(&mut nothing["levels"][0]).clear();
    refuted(&nothing, "nothing found");
    let fields = finding(&mut one.clone()).clone();
    let named =
        |field: &str| fields.get(field).and_then(Value::as_u64).filter(|_| OPERATIONS.contains(&field));
    for (field, value) in &fields {
        let mut changed = one.clone();
        match value {
            // Another operation, the first that takes no part in it.
            Value::Number(number) if named(field).is_some() => {
                let parts: Vec<u64> = fields.keys().filter_map(|field| named(field)).collect();
                let mut all = (0..).filter(|at| !parts.contains(at) && Some(*at) != number.as_u64());
                finding(&mut changed)[field] = all.next().expect("another").into();
                refuted(&changed, &format!("another {field}"));
            }
            Value::Number(number) => {
                let more = number.as_i64().expect("a whole number") + 1_000_000_007;
                finding(&mut changed)[field] = more.into();
                refuted(&changed, &format!("another number as {field}"));
            }
            Value::Array(told) if !told.is_empty() => {
                finding(&mut changed)[field] = Value::Array(told[1..].to_vec());
                refuted(&changed, &format!("less of {field}"));
            }
            _ => {}
        }
        // Two parts exchanged, where they are not alike.
        for (other, with) in fields.iter().skip_while(|(other, _)| *other != field).skip(1) {
            let pair = (named(field), named(other));
            let alike = matches!(fields["because"].as_str(), Some("ended-twice" | "same-id"));
            if let (Some(a), Some(b)) = pair
                && a != b
                && !alike
            {
                let mut changed = one.clone();
                (finding(&mut changed)[field], finding(&mut changed)[other]) = (with.clone(), value.clone());
                refuted(&changed, &format!("{field} and {other} exchanged"));
            }
        }
    }
    // The same under a name that it does not bear.
    for other in ["torn-session", "audit-forged", "clock-went-back", "bank", "unique-ids", "lost-write"] {
        let mut changed = one.clone();
        changed["levels"][0]["level"] = other.into();
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
        certificate[what] = value;
        certified.verify(&certificate)
    };
    assert_eq!(certified.verify(&certified.certificate).1, 0);
    assert_eq!(changed("time_to_live_ns", Value::Null).1, 1);
    assert_eq!(changed("time_to_live_ns", 3_600_000_000_000_i64.into()).1, 1);
    assert_eq!(changed("time_to_live_ns", (-5).into()).1, 2);
    assert_eq!(changed("renewed_by", serde_json::json!(["wish"])).1, 2);
    let (lines, _) = changed("tolerance_ns", 1.into());
    assert!(lines.starts_with("given      sessions live for "), "{lines}");
    let certified = Certified::of("bank-transfers-unknown", &[]);
    assert_eq!(certified.verify(&certified.certificate).1, 0, "it holds, and is found to hold again");
    let mut other = certified.certificate.clone();
    other["total"] = 7.into();
    assert_eq!(certified.verify(&other).1, 1);
}

/// What a history does not record enough to tell is not confirmed to hold because a certificate says so.
#[test]
fn what_is_unknown_is_not_made_to_hold() {
    let kinds = "lost-write,expired-early,expired-late,old-id-alive,resurrected-session,duplicated-action,lost-action,\
        clock-went-back,audit-missing,audit-duplicated,audit-forged,divergent-replicas";
    let mut shown = BTreeSet::new();
    for case in sessions() {
        let certified = Certified::of(&case, &[&format!("--consistency={kinds}")]);
        let mut changed = certified.certificate.clone();
        let mut unknown = Vec::new();
        for level in changed["levels"].as_array_mut().expect("levels") {
            if level["verdict"] == "unknown" {
                let name = level["level"].as_str().expect("a name").to_owned();
                *level = serde_json::json!({"level": name, "verdict": "holds"});
                unknown.push(name);
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
        nothing["levels"] = Value::Array(Vec::new());
        assert_eq!(certified.verify(&nothing).1, 2, "{case}");
    }
}

/// *Holds* is found a second time; claimed of a history in which there is something to be found, it is refuted.
#[test]
fn a_false_holds_is_refuted() {
    let mut shown = 0;
    for case in sessions() {
        let certified = Certified::of(&case, &[]);
        let found: Vec<&Value> = violated(&certified.certificate).map(|level| &level["level"]).collect();
        let mut changed = certified.certificate.clone();
        for level in changed["levels"].as_array_mut().expect("levels") {
            if level["verdict"] == "violated" {
                *level = serde_json::json!({"level": level["level"], "verdict": "holds"});
            }
        }
        let (lines, code) = certified.verify(&changed);
        let refuted = found
            .iter()
            .all(|name| lines.contains(&format!("refuted    {} holds", name.as_str().expect("a name"))));
        assert!(found.is_empty() || (code == 1 && refuted), "{case} {found:?}: {lines}");
        shown += found.len();
    }
    assert!(shown > 20, "{shown}");
    for (case, options) in CASES {
        let certified = Certified::of(case, options);
        for level in violated(&certified.certificate) {
            let mut changed = certified.certificate.clone();
            changed["levels"] =
                serde_json::json!([{"level": level["level"], "verdict": "holds", "looked_at": 3}]);
            let (lines, code) = certified.verify(&changed);
            assert_eq!(code, 1, "{case}: {lines}");
        }
    }
}
