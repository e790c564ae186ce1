//! The command line as scripts know it: exit codes, what goes where, options from a file.

use crate::program::{case, folder, steadfast};
use assert_cmd::Command;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("it can be written");
    path
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn json_lines(command: &mut Command) -> Vec<Value> {
    let output = command.output().expect("it runs");
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn exit_codes_tell_the_verdict() {
    steadfast().args(["check", &case("cas-chain")]).assert().code(0);
    steadfast().args(["check", &case("stale-read")]).assert().code(1);
    steadfast().args(["check", "no-such-file.jsonl"]).assert().code(2);
    steadfast().args(["check", "--consistency", "eventual-happiness", &case("cas-chain")]).assert().code(2);
    steadfast().args(["check"]).assert().code(2);
    steadfast().args(["levels"]).assert().code(0);
    steadfast().args(["--help"]).assert().code(0);
}

/// One bad file must not take the others' verdicts with it, nor hide a violation.
#[test]
fn a_bad_file_does_not_stop_the_others() {
    let folder = folder();
    let bad = file(&folder, "bad.jsonl", "{\"type\":\"invok\"}\n");
    let bad = bad.to_str().expect("text");
    let mut command = steadfast();
    command.args(["check", "--format", "json", "--consistency", "linearizable"]);
    command.args([&case("stale-read"), bad, &case("cas-chain")]);
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(1), "the violation is not hidden");
    assert_eq!(text(&output.stdout).lines().count(), 2, "both others were checked");
    assert!(text(&output.stderr).contains("bad.jsonl:1"), "{}", text(&output.stderr));

    let output = steadfast().args(["check", &case("cas-chain"), bad]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stdout).contains("HOLDS"));
}

#[test]
fn results_go_to_standard_output_and_everything_else_to_standard_error() {
    let output = steadfast().args(["check", &case("cas-chain")]).output().expect("it runs");
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    assert!(!text(&output.stdout).contains('\x1b'), "no colours where there is no terminal");
    let output = steadfast().args(["check", "no-such-file.jsonl"]).output().expect("it runs");
    assert!(output.stdout.is_empty() && text(&output.stderr).contains("no-such-file.jsonl"));
}

#[test]
fn colours_can_be_forced_and_forbidden() {
    let forced = steadfast().args(["check", &case("cas-chain")]).env("CLICOLOR_FORCE", "1").output();
    assert!(text(&forced.expect("it runs").stdout).contains('\x1b'));
    let args = ["check", "--no-color", &case("cas-chain")];
    let forbidden = steadfast().args(args).env("CLICOLOR_FORCE", "1").output();
    assert!(!text(&forbidden.expect("it runs").stdout).contains('\x1b'));
}

#[test]
fn standard_input_is_a_dash() {
    let history =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(case("stale-read"))).expect("the case");
    let assert = steadfast().args(["check", "--quiet", "-"]).write_stdin(history).assert().code(1);
    assert_eq!(text(&assert.get_output().stdout), "VIOLATED -\n");
}

#[test]
fn json_has_the_documented_fields() {
    let found = json_lines(steadfast().args(["check", "--format=json", &case("stale-read")]));
    let [object] = found.as_slice() else { panic!("one line") };
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(object), ["basis", "counts", "history", "levels", "model", "seconds", "verdict"]);
    assert_eq!(
        keys(&object["counts"]),
        ["events", "fail", "info", "keys", "ok", "operations", "processes", "sessions"]
    );
    // Seven lines after the header: three operations of two events, and one fault.
    assert_eq!(object["counts"]["events"], 7);
    assert_eq!(object["counts"]["operations"], 3);
    assert_eq!(object["verdict"], "violated");
    let level = &object["levels"][0];
    assert_eq!(keys(level), ["anomalies", "level", "method", "seconds", "verdict"]);
    let anomaly = &level["anomalies"][0];
    assert_eq!(keys(anomaly), ["key", "operations", "text", "type"]);
    assert_eq!((&anomaly["type"], &anomaly["key"]), (&"stale-read".into(), &"cart".into()));
    let operations = anomaly["operations"].as_array().expect("a list");
    assert!(operations.contains(&5.into()), "the stale read is event 5: {operations:?}");
    let levels: Vec<&str> = object["levels"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|l| l["level"].as_str().expect("a name"))
        .collect();
    assert_eq!(
        levels,
        [
            "linearizable",
            "read-your-writes",
            "monotonic-reads",
            "monotonic-writes",
            "writes-follow-reads",
            "session"
        ]
    );
}

#[test]
fn levels_are_checked_once_and_in_the_order_asked() {
    let args = ["check", "--format=json", "--consistency=monotonic-reads,linearizable,monotonic-reads"];
    let found = json_lines(steadfast().args(args).arg(case("cas-chain")));
    let levels: Vec<&Value> =
        found[0]["levels"].as_array().expect("a list").iter().map(|l| &l["level"]).collect();
    assert_eq!(levels, ["monotonic-reads", "linearizable"]);
}

#[test]
fn options_can_stand_in_a_file_and_what_is_typed_wins() {
    let folder = folder();
    let config = file(
        &folder,
        "steadfast.toml",
        "consistency = [\"linearizable\"]\nfailed-cas = \"observes\"\nformat = \"json\"\nlenient = true\n",
    );
    let history = case("failed-cas-observes");
    let config = config.to_str().expect("text");
    let found = json_lines(steadfast().args(["check", "--config", config, "--model=cas-register", &history]));
    assert_eq!(found[0]["verdict"], "violated");
    assert_eq!(found[0]["levels"].as_array().expect("a list").len(), 1);
    let typed = ["check", "--failed-cas=says-nothing", "--config", config, &history];
    assert_eq!(json_lines(steadfast().args(typed))[0]["verdict"], "holds");
}

#[test]
fn a_bad_config_is_said_with_its_name() {
    let folder = folder();
    for (toml, expected) in [
        ("consistancy = \"linearizable\"", "no option \"consistancy\"; did you mean \"consistency\"?"),
        ("consistency = \"linear\"", "invalid value 'linear'"),
        ("lenient = 3", "lenient is 3. Set it to true or false."),
        ("= 1", "is not TOML"),
    ] {
        let config = file(&folder, "wrong.toml", toml);
        let args = ["check", "--config", config.to_str().expect("text"), &case("cas-chain")];
        let output = steadfast().args(args).output().expect("it runs");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("wrong.toml") && said.contains(expected), "{said}");
    }
    steadfast().args(["check", "--config", "no-such.toml", &case("cas-chain")]).assert().code(2);
}

/// The engines ignore operations that their model does not have. The second check then found them missing, and the command
/// ended with an internal error instead of saying what was wrong.
#[test]
fn a_model_that_lacks_an_operation_of_the_history_is_refused() {
    for (name, model, foreign) in [
        ("counter-sum", "register", "add"),
        ("kv-append", "register", "put"),
        ("mutex-two-holders", "register", "acquire"),
        ("ids-twice", "queue", "generate"),
        ("stale-read", "stack", "write"),
    ] {
        let output = steadfast().args(["check", "--model", model, &case(name)]).assert().code(2);
        let said = text(&output.get_output().stderr);
        assert!(said.contains(&format!("is \"{foreign}\": {model} has the operations")), "{name}: {said}");
    }
}

#[test]
fn what_is_no_model_is_a_clear_error() {
    let folder = folder();
    let lines = "{\"process\":0,\"type\":\"invoke\",\"f\":\"frobnicate\",\"value\":1}\n\
                 {\"process\":0,\"type\":\"ok\",\"f\":\"frobnicate\",\"value\":1}\n";
    let history = file(&folder, "strange.jsonl", lines);
    let output = steadfast().arg("check").arg(history).output().expect("it runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no model has an operation \"frobnicate\""), "{said}");
    let output = steadfast().args(["check", "--model", "frobnicate", "x.jsonl"]).output().expect("it runs");
    assert!(text(&output.stderr).contains("cas-register"), "it says which there are");
}

#[test]
fn help_completions_and_the_manual_tell_of_every_command() {
    let help = text(&steadfast().arg("--help").output().expect("it runs").stdout);
    let man = text(&steadfast().arg("man").output().expect("it runs").stdout);
    let bash = text(&steadfast().args(["completions", "bash"]).output().expect("it runs").stdout);
    for command in ["check", "verify", "convert", "levels", "models", "completions", "man"] {
        assert!(help.contains(&format!("  {command} ")), "{command} in --help");
        assert!(man.contains(command) && bash.contains(command), "{command}");
    }
    assert!(help.contains("Exit codes:") && help.contains("Examples:"));
    assert!(bash.contains("read-your-writes"), "shells complete the names of levels");
}

/// A second level after a comma was not completed, so whoever asks for two typed the longer one out.
#[test]
fn bash_completes_each_item_of_a_list() {
    let folder = folder();
    let script = steadfast().args(["completions", "bash"]).output().expect("it runs").stdout;
    let script = file(&folder, "steadfast.bash", &text(&script));
    let completed = |words: &[&str]| {
        let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let test = format!(
            ". {}; COMP_WORDS=({line}); COMP_CWORD={}; _steadfast steadfast '{}' '{}'; echo \"${{COMPREPLY[@]}}\"",
            script.display(),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        );
        text(&std::process::Command::new("bash").args(["-c", &test]).output().expect("bash").stdout)
    };
    assert_eq!(completed(&["steadfast", "run", "--faults", "kill,pau"]).trim(), "kill,pause");
    assert_eq!(
        completed(&["steadfast", "check", "--consistency", "linearizable,read-y"]).trim(),
        "linearizable,read-your-writes"
    );
    assert_eq!(completed(&["steadfast", "run", "--scenario", "two-t"]).trim(), "two-tabs");
}

/// Names are typed in any case, old names of options still work, and the rest is said with what was probably meant.
#[test]
fn names_are_forgiving_and_mistakes_have_suggestions() {
    let history = case("stale-read");
    steadfast()
        .args(["check", "--consistency", "Linearizable,READ_YOUR_WRITES", "-q", &history])
        .assert()
        .code(1);
    steadfast().args(["check", "--model", "REGISTER", "--format", "JSON", &history]).assert().code(1);
    steadfast().args(["run", "EMBEDDED", "--faults", "KILL@1s+1s", "--plan"]).assert().code(0);
    let old = [
        "run",
        "--dry-run",
        "--workload",
        "session",
        "--look-every",
        "50ms",
        "--left-alone",
        "0.1",
        "--look-after",
        "9",
    ];
    steadfast()
        .args(old)
        .args(["--lasting", "0", "--tabs", "2", "--churn", "5", "--no-color"])
        .assert()
        .code(0);
    for (args, says) in [
        (&["check", "--consistency", "linearisable", "x"][..], "did you mean \"linearizable\"?"),
        (&["check", "--consistency", "lost-sesion", "x"], "did you mean \"lost-session\"?"),
        (&["check", "--model", "registr", "x"], "did you mean \"register\"?"),
        (&["run", "redis-sentinl"], "did you mean \"redis-sentinel\"?"),
        (&["run", "--faults", "partiton"], "did you mean \"partition\"?"),
        (&["run", "--workload", "sesion"], "did you mean \"session\"?"),
        (&["run", "--scenario", "two-tab"], "did you mean \"two-tabs\"?"),
        (&["run", "--bug", "split-brian"], "did you mean \"split-brain\"?"),
        (&["check", "--objective", "recovry.p99=1s", "x"], "did you mean \"recovery.p99\"?"),
        (&["man", "chekc"], "did you mean \"check\"?"),
        (&["chekc"], "'check'"),
    ] {
        let output = steadfast().args(args).output().expect("it runs");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
}

/// The short help fits a screen, and each command has its page.
#[test]
fn short_help_fits_a_screen_and_each_command_has_its_manual_page() {
    let folder = folder();
    for command in ["run", "record", "check", "diff", "explain", "compare", "verify", "convert"] {
        let short = text(&steadfast().args([command, "-h"]).output().expect("it runs").stdout);
        assert!(short.lines().count() <= 40, "{command}: {} lines", short.lines().count());
        let long = text(&steadfast().args(["help", command]).output().expect("it runs").stdout);
        assert!(long.lines().count() >= short.lines().count(), "{command}");
        let page = text(&steadfast().args(["man", command]).output().expect("it runs").stdout);
        assert!(
            page.contains(&format!("steadfast\\-{command}")) && !page.contains("steadfast\\-levels"),
            "{command}"
        );
    }
    steadfast().args(["man", "--directory"]).arg(folder.path()).assert().code(0);
    assert!(folder.path().join("steadfast-check.1").exists() && folder.path().join("steadfast.1").exists());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(["check", &case("cas-chain")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
}

/// A history that was rewritten twice gets the same verdict for the same operations.
#[test]
fn a_converted_history_says_the_same() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let (edn, native) = (path("history.edn.gz"), path("history.jsonl.zst"));
    steadfast().args(["convert", &case("stale-read"), &edn]).assert().code(0);
    steadfast().args(["convert", &edn, &native]).assert().code(0);
    let args = ["check", "--format=json", &case("stale-read"), &edn, &native];
    let found = json_lines(steadfast().args(args));
    assert_eq!(found.len(), 3);
    let said = |object: &Value| {
        (object["verdict"].clone(), object["levels"][0]["anomalies"].clone(), object["counts"].clone())
    };
    assert_eq!(said(&found[0]), said(&found[1]));
    assert_eq!(said(&found[0]), said(&found[2]));
    steadfast().args(["convert", &case("stale-read"), &path("history.docx")]).assert().code(2);
    // Neither what was read nor what is there already is written over.
    let before = std::fs::read(&native).expect("a file");
    steadfast().args(["convert", &case("cas-chain"), &native]).assert().code(2);
    steadfast().args(["convert", "--force", &native, &native]).assert().code(2);
    assert_eq!(std::fs::read(&native).expect("a file"), before);
    steadfast().args(["convert", "--force", &case("cas-chain"), &native]).assert().code(0);
    steadfast().args(["convert", &case("stale-read"), &path("no/such/folder.edn")]).assert().code(2);
}

#[test]
fn a_certificate_that_cannot_be_written_is_said_before_anything_is_checked() {
    let args = ["check", "--certificate", "no/such/folder.json", &case("cas-chain")];
    let output = steadfast().args(args).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty() && text(&output.stderr).contains("no/such/folder.json"));
}

#[test]
fn a_dropped_last_line_is_said_with_the_verdict() {
    let folder = folder();
    let lines = "{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":1}\n{\"process\":0,\"type\":\"ok\",\"f\":\"wri";
    let history = file(&folder, "cut.jsonl", lines);
    let history = history.to_str().expect("text");
    steadfast().args(["check", history]).assert().code(2);
    let found = json_lines(steadfast().args(["check", "--lenient", "--format=json", history]));
    // What is left is a write of which nobody knows the outcome.
    assert_eq!(found[0]["verdict"], "untested");
    assert!(found[0]["remarks"][0].as_str().expect("a remark").contains("cut.jsonl:2"), "{found:?}");
}

/// The history is not linearizable. A search that may hold nothing cannot know, and must not say that it holds.
#[test]
fn a_limit_makes_unknown_and_never_a_guess() {
    let history = case("duplicate-values-stale");
    let args = ["check", "--consistency=linearizable", "--format=json", &history];
    steadfast().args(args).assert().code(1);
    let output = steadfast().args(args).arg("--memory=1B").output().expect("it runs");
    let object: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(3), "{object}");
    assert_eq!(object["verdict"], "unknown");
    assert!(object["reason"].as_str().expect("a reason").starts_with("linearizable: "), "{object}");
    assert!(!object["levels"][0]["reason"].as_str().expect("a reason").is_empty());
}

/// A history of ten million events was read to its end, whatever the time limit said.
#[test]
fn reading_ends_with_the_time_limit() {
    let folder = tempfile::tempdir().expect("a folder");
    let history = folder.path().join("long.jsonl");
    let event = |at: usize| {
        let kind = if at.is_multiple_of(2) { "invoke" } else { "ok" };
        format!("{{\"process\":0,\"type\":\"{kind}\",\"f\":\"write\",\"value\":{}}}\n", at / 2)
    };
    std::fs::write(&history, (0..400_000).map(event).collect::<String>())
        .expect("a file that can be written");
    let history = history.to_str().expect("text");
    let output = steadfast().args(["check", "--timeout=1ms", history]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(3));
    let told = text(&output.stderr);
    assert!(told.contains("the time limit ended while the history was being read"), "{told}");
    assert!(told.contains("--timeout"), "{told}");
}

/// The default of `--init` was read by the reader, which started the pool of threads before `--threads` could size it:
/// every use of the option was refused.
#[test]
fn threads_can_be_said_with_every_initial_value() {
    for init in [None, Some("--init=0"), Some("--init={\"a\":[1]}")] {
        let mut command = steadfast();
        let args = ["check", "--threads=2", "--quiet", "--consistency=linearizable"];
        let output = command.args(args).args(init).arg(case("only-reads")).output().expect("it runs");
        let said = text(&output.stderr);
        assert!(output.status.code() < Some(2) && said.is_empty(), "{init:?}: {said}");
    }
    steadfast().args(["compare", "--threads=2", &case("stale-read")]).assert().code(0);
}
