//! Transactions on the command line. The verdicts are tested in `corpus.rs`; here is what scripts rely on around them.

use assert_cmd::Command;
use serde_json::Value;

fn steadfast() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("CLICOLOR_FORCE");
    command
}

fn case(name: &str) -> String {
    format!("histories/corpus/{name}/history.jsonl")
}

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
    assert_eq!((code, object["verdict"].as_str()), (3, Some("unknown")));
    let reason = object["levels"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("more than once"), "{reason}");
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
    refused(&["--consistency=linearizable", &lists], "no level of the model list-append");
    refused(&["--consistency=serializable", &case("cas-chain")], "no level of the model");
    refused(&["--init=0", &case("txn-registers-at-once")], "--init");
}

#[test]
fn there_is_no_certificate_that_verify_could_not_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("certificate.json");
    let name = file.to_str().expect("text");
    let lists = case("txn-missed-append");
    refused(&["--certificate", name, "--model=list-append", &lists], "no certificates of transactions");
    refused(
        &["--certificate", name, "--consistency=serializable", &lists],
        "no certificates of transactions",
    );
    assert!(!file.exists(), "what was there before is left alone");
    refused(&["--certificate", name, &lists], "no certificates of transactions");
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
