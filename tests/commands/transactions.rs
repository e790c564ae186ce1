//! Transactions on the command line. The verdicts are tested in `corpus.rs`; here is what scripts rely on around them.

use crate::program::{case, steadfast};
use serde_json::Value;

fn checked(options: &[&str], name: &str) -> (i32, Value) {
    let mut command = steadfast();
    command.args(["check", "--format=json"]).args(options).arg(case(name));
    let output = command.output().expect("it runs");
    let object = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    (output.status.code().expect("it ends by itself"), object)
}

/// Exit code 2, nothing on standard output, and this on standard error.
fn refused(args: &[&str], reason: &str) {
    let output = steadfast().arg("check").args(args).output().expect("it runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    assert!(output.stdout.is_empty() && said.contains(reason), "{args:?}: {said}");
}

#[test]
fn what_a_history_does_tells_its_model_and_strict_serializability_is_what_is_asked() {
    for (name, model, code) in
        [("txn-missed-append", "list-append", 1), ("txn-registers-at-once", "rw-register", 0)]
    {
        let (found, object) = checked(&[], name);
        assert_eq!((found, object["model"].as_str()), (code, Some(model)));
        let levels = object["levels"].as_array().expect("a list");
        assert_eq!((levels.len(), &levels[0]["level"]), (1, &"strict-serializable".into()));
    }
    let (code, object) = checked(&[], "txn-value-written-twice");
    assert_eq!((code, object["verdict"].as_str()), (0, Some("holds")));
}

/// Elle's answer to this, the example of its paper: G-single-item; not consistent-view, repeatable-read.
#[test]
fn json_tells_what_is_ruled_out_beside_the_levels() {
    let (_, object) = checked(&["--consistency=PL-3,serializable,read-committed"], "txn-missed-append");
    let levels = object["levels"].as_array().expect("a list");
    let names: Vec<&Value> = levels.iter().map(|level| &level["level"]).collect();
    assert_eq!(names, ["serializable", "read-committed"], "an alias is its level, and each is told once");
    assert_eq!(object["anomaly_types"], serde_json::json!(["G-single-item"]));
    assert_eq!(object["not"], serde_json::json!(["consistent-view", "repeatable-read"]));
    let also = object["also_not"].as_array().expect("a list");
    for level in ["serializable", "snapshot-isolation", "strict-serializable"] {
        assert!(also.contains(&level.into()), "{level} is stronger: {also:?}");
    }
    let anomaly = &levels[0]["anomalies"][0];
    assert_eq!((&anomaly["type"], &anomaly["count"]), (&"G-single-item".into(), &1.into()));
    let mut operations: Vec<u64> =
        anomaly["operations"].as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    operations.sort_unstable();
    assert_eq!(operations, [0, 1, 2], "all three transactions are in the cycle");
    assert!(anomaly["text"].as_str().expect("a text").contains("a contradiction"));
}

/// Two blind writes to one register say nothing of their order; a reader that sees the later one and then the earlier
/// contradicts it only for those who know that real time, or their session, orders the writes.
#[test]
fn what_is_assumed_of_registers_decides() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("history.jsonl");
    let mut lines = String::new();
    let events = [
        (0, "invoke", r#"[["w","x",1]]"#),
        (0, "ok", r#"[["w","x",1]]"#),
        (0, "invoke", r#"[["w","x",2],["w","y",1]]"#),
        (0, "ok", r#"[["w","x",2],["w","y",1]]"#),
        (2, "invoke", r#"[["r","y",null],["r","x",null]]"#),
        (2, "ok", r#"[["r","y",1],["r","x",1]]"#),
    ];
    for (process, kind, value) in events {
        lines += &format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"txn\",\"value\":{value}}}\n");
    }
    std::fs::write(&path, lines).expect("it can be written");
    let code = |options: &[&str]| {
        let mut command = steadfast();
        command.args(["check", "--quiet", "--consistency=serializable"]).args(options).arg(&path);
        command.output().expect("it runs").status.code()
    };
    // The second, the first, the reader: it is serializable, and may be unknown, but must not be accused.
    assert_ne!(code(&[]), Some(1));
    assert_eq!(code(&["--assume=linearizable-keys"]), Some(1));
    assert_eq!(code(&["--assume=sequential-keys"]), Some(1));
}

#[test]
fn what_would_be_passed_over_is_refused() {
    let lists = case("txn-missed-append");
    refused(&["--model=list-append", &case("cas-chain")], "txn operations only");
    refused(&["--model=rw-register", &lists], "has lists");
    refused(&["--consistency=linearizable", &lists], "is not a property of the model list-append");
    refused(&["--consistency=serializable", &case("cas-chain")], "is not a property of the model");
    refused(&["--init=0", &case("queue-out-of-order")], "initial value");
}

/// All levels that can be asked for.
const LEVELS: &str = "strict-serializable,strong-session-serializable,serializable,strong-snapshot-isolation,\
    snapshot-isolation,consistent-view,read-committed,read-uncommitted,causal,read-atomic,monotonic-atomic-view";

/// A certificate of a history, and what to do with it.
struct Certified {
    folder: tempfile::TempDir,
    history: String,
    certificate: Value,
}

impl Certified {
    fn of(history: String, levels: &str) -> Certified {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("certificate.json");
        let mut command = steadfast();
        command.args(["check", "--quiet", "--consistency", levels, "--certificate"]).arg(&file).arg(&history);
        let output = command.output().expect("it runs");
        assert_ne!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
        let text = std::fs::read_to_string(&file).expect("a certificate");
        Certified { folder, history, certificate: serde_json::from_str(&text).expect("JSON") }
    }

    /// The lines and the exit code of `verify` for another certificate.
    fn verify(&self, certificate: &Value) -> (String, i32) {
        let file = self.folder.path().join("other.json");
        std::fs::write(&file, certificate.to_string()).expect("it can be written");
        let mut command = steadfast();
        let output = command.arg("verify").arg(&file).arg(&self.history).output().expect("it runs");
        (String::from_utf8(output.stdout).expect("text"), output.status.code().expect("it ends by itself"))
    }

    fn changed(&self, change: impl FnOnce(&mut Value)) -> i32 {
        let mut certificate = self.certificate.clone();
        change(&mut certificate);
        assert_ne!(certificate, self.certificate, "something was changed");
        self.verify(&certificate).1
    }
}

#[test]
fn what_check_certified_of_transactions_is_confirmed() {
    let corpus = format!("{}/histories/corpus", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).expect("the corpus") {
        let path = entry.expect("an entry").path().join("history.jsonl");
        if !std::fs::read_to_string(&path).is_ok_and(|text| text.contains("\"txn\"")) {
            continue;
        }
        let certified = Certified::of(path.to_str().expect("text").to_owned(), LEVELS);
        let (lines, code) = certified.verify(&certified.certificate);
        assert!(code != 1 && code != 2 && !lines.contains("refuted"), "{}: {lines}", path.display());
        for answer in certified.certificate["report"]["answers"].as_array().expect("a list") {
            let decided = answer["verdict"] == "holds" || answer["verdict"] == "violated";
            let line = format!("confirmed  {} ", answer["property"]["isolation"].as_str().expect("a name"));
            assert_eq!(lines.contains(&line), decided, "{}: {lines}", path.display());
            count += u32::from(decided);
        }
    }
    assert!(count > 30, "only {count}");
}

#[test]
fn an_order_of_transactions_that_does_not_replay_is_refuted() {
    let certified = Certified::of(case("txn-registers-at-once"), "serializable,causal");
    // A witness is a name, how far it looks, and the order.
    let order = |certificate: &mut Value, at: usize| -> Vec<Value> {
        let witness = &mut certificate["report"]["answers"][at]["because"]["transactions"];
        let parts = witness.as_object_mut().expect("a witness").values_mut().next().expect("its parts");
        let order = parts.as_array_mut().expect("a list").last_mut().expect("an order");
        std::mem::take(order.as_array_mut().expect("a list"))
    };
    let set = |certificate: &mut Value, at: usize, order: Vec<Value>| {
        let witness = &mut certificate["report"]["answers"][at]["because"]["transactions"];
        let parts = witness.as_object_mut().expect("a witness").values_mut().next().expect("its parts");
        *parts.as_array_mut().expect("a list").last_mut().expect("an order") = Value::Array(order);
    };
    assert_eq!(certified.verify(&certified.certificate).1, 0);
    for at in 0..2 {
        // Empty: who completed is missing. Shorter, doubled: likewise.
        assert_eq!(certified.changed(|certificate| drop(order(certificate, at))), 1);
        let code = certified.changed(|certificate| {
            let mut order = order(certificate, at);
            order.extend(order.first().cloned());
            set(certificate, at, order);
        });
        assert_eq!(code, 1);
        let code = certified.changed(|certificate| {
            let mut order = order(certificate, at);
            order.reverse();
            set(certificate, at, order);
        });
        assert_eq!(code, 1);
    }
    // A weaker witness does not prove a stronger level.
    let code = certified.changed(|certificate| {
        certificate["report"]["answers"][0]["property"] =
            serde_json::json!({"isolation": "strict-serializable"});
    });
    let witness = &certified.certificate["report"]["answers"][0]["because"]["transactions"];
    assert_eq!(code == 0, witness.to_string().contains("RealTime"), "{witness}");
}

#[test]
fn a_cycle_that_is_not_there_is_refuted() {
    for name in ["txn-missed-append", "txn-write-skew"] {
        let certified = Certified::of(case(name), "serializable");
        let edges = "/report/phenomena/0/examples/0/Cycle/edges";
        let count = certified.certificate.pointer(edges).expect("a cycle").as_array().expect("a list").len();
        for at in 0..count {
            let code = certified.changed(|certificate| {
                let edges = certificate.pointer_mut(edges).expect("a cycle").as_array_mut().expect("a list");
                edges.remove(at);
            });
            assert_eq!(code, 1, "{name} without edge {at}");
            let code = certified.changed(|certificate| {
                let edge = &mut certificate.pointer_mut(edges).expect("a cycle")[at];
                edge["why"] = "RealTime".into();
            });
            assert_eq!(code, 1, "{name} with another reason at {at}");
        }
        // A level that the anomaly does not rule out, no anomaly at all, and one of another name.
        let weaker = certified.changed(|certificate| {
            certificate["report"]["answers"][0]["property"] =
                serde_json::json!({"isolation": "read-committed"})
        });
        assert_eq!(weaker, 1);
        let nothing = |certificate: &mut Value| certificate["report"]["phenomena"] = Value::Array(Vec::new());
        assert_eq!(certified.changed(nothing), 1);
        let named = |kind: Value| {
            certified.changed(|certificate| certificate["report"]["phenomena"][0]["phenomenon"] = kind)
        };
        assert_eq!(named(serde_json::json!({"Cycle": {"family": "G0", "extent": "Data"}})), 1);
        assert_eq!(named(serde_json::json!({"Cycle": {"family": "G7", "extent": "Data"}})), 2);
    }
}

/// Of a proof by cases every step counts, and all that it leans on.
#[test]
fn a_proof_by_cases_with_a_gap_is_refuted() {
    let certified = Certified::of(case("txn-registers-either-order"), "serializable");
    let proof = "/report/phenomena/0/examples/0/Lemmas";
    let all =
        certified.certificate.pointer(proof).expect("a proof by cases").as_array().expect("a list").clone();
    assert!(all.len() > 1, "{all:?}");
    assert_eq!(certified.verify(&certified.certificate).1, 0);
    let changed = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut all = all.clone();
        change(&mut all);
        certified.changed(|certificate| {
            *certificate.pointer_mut(proof).expect("a proof by cases") = Value::Array(all);
        })
    };
    let list = |value: &Value| value.as_array().expect("a list").len();
    let remove = |value: &mut Value, at: usize| drop(value.as_array_mut().expect("a list").remove(at));
    for at in 0..all.len() {
        let code = changed(&|all| drop(all.remove(at)));
        // Without the first step a later one may lean on what is not there yet; without the last there is no end.
        assert_eq!(code, 1, "without step {at}");
        for edge in 0..list(&all[at]["cycle"]) {
            assert_eq!(
                changed(&|all| remove(&mut all[at]["cycle"], edge)),
                1,
                "step {at} without edge {edge}"
            );
            if all[at]["cycle"][edge]["why"].get("Concluded").is_some() {
                let code = changed(&|all| all[at]["cycle"][edge]["why"]["Concluded"]["lemma"] = at.into());
                assert_eq!(code, 1, "step {at} leans on itself");
            }
        }
        for assumed in 0..list(&all[at]["assumed"]) {
            let code = changed(&|all| remove(&mut all[at]["assumed"], assumed));
            assert_eq!(code, 1, "step {at} without what it assumes");
            let other = if all[at]["assumed"][assumed]["earlier"] == "1" { "2" } else { "1" };
            let code = changed(&|all| all[at]["assumed"][assumed]["earlier"] = other.into());
            assert_eq!(code, 1, "step {at} with another assumption");
        }
    }
    // It rules out serializability, and nothing weaker.
    let weaker = certified.changed(|certificate| {
        certificate["report"]["answers"][0]["property"] =
            serde_json::json!({"isolation": "snapshot-isolation"})
    });
    assert_eq!(weaker, 1);
}

#[test]
fn every_format_tells_the_same() {
    for (format, expected) in
        [("junit", "<failure"), ("sarif", "\"ruleId\": \"G2-item\""), ("github", "::error")]
    {
        let mut command = steadfast();
        command.args(["check", "--format", format, &case("txn-write-skew")]);
        let output = command.output().expect("it runs");
        let said = String::from_utf8(output.stdout).expect("text");
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains(expected) && said.contains("G2-item"), "{said}");
    }
}
