//! The GitHub Action does what docs/pipelines.md says: its script is run here as the action runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Step {
    folder: tempfile::TempDir,
}

impl Step {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories/corpus");
        for (case, name) in [("stale-read", "bad run"), ("one-key-of-several", "good"), ("empty", "empty")] {
            let to = folder.path().join("runs").join(name);
            std::fs::create_dir_all(&to).expect("a folder");
            std::fs::copy(corpus.join(case).join("history.jsonl"), to.join("history.jsonl")).expect("a case");
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, inputs: &[(&str, &str)]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/github/check.sh");
        Command::new("bash")
            .arg(script)
            .current_dir(self.folder.path())
            .env("STEADFAST", env!("CARGO_BIN_EXE_steadfast"))
            .env("GITHUB_OUTPUT", self.path("output"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary"))
            .env("REPORT", "report.html")
            .envs(inputs.iter().copied())
            .output()
            .expect("bash")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file that the step wrote")
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

#[test]
fn a_violation_is_annotated_summed_up_and_fails_the_step() {
    let step = Step::new();
    let output = step.run(&[("HISTORIES", "runs/**/*.jsonl"), ("CONSISTENCY", "linearizable")]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(code(&output), 1, "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("::error") && said.contains("stale-read"), "{said}");
    let summary = step.read("summary");
    assert!(summary.starts_with("### steadfast: violated\n\n3 histories."), "{summary}");
    assert!(summary.contains("linearizable"), "{summary}");
    // Everything that comes from the histories is code: a value cannot add Markdown to the summary.
    let from_histories = summary.lines().skip(4).filter(|line| !line.trim().is_empty());
    assert!(from_histories.clone().count() > 3, "{summary}");
    assert!(from_histories.clone().all(|line| line.starts_with("    ")), "{summary}");
    assert_eq!(step.read("output"), "exit-code=1\nreport=report.html\n");
    assert!(step.read("report.html").contains("stale-read"));
}

#[test]
fn untested_fails_the_step_unless_only_violations_shall() {
    let step = Step::new();
    let output = step.run(&[("HISTORIES", "runs/empty/*.jsonl")]);
    assert_eq!(code(&output), 3);
    let output = step.run(&[("HISTORIES", "runs/empty/*.jsonl"), ("FAIL_ON", "violated")]);
    assert_eq!(code(&output), 0);
    assert!(step.read("output").ends_with("exit-code=3\nreport=report.html\n"));
    let output = step.run(&[("HISTORIES", "runs/empty/*.jsonl"), ("OPTIONS", "--accept-untested --quiet")]);
    assert_eq!(code(&output), 0);
}

/// A green step that has checked nothing would be worst of all.
#[test]
fn a_pattern_that_fits_no_file_fails_the_step() {
    let step = Step::new();
    let output = step.run(&[("HISTORIES", "runs/*.nothing")]);
    assert_eq!(code(&output), 2);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("::error"));
}

/// Anybody who opens a pull request chooses the inputs, so the script must not execute them.
#[test]
fn no_text_of_an_input_is_run() {
    let step = Step::new();
    let hostile = "runs/good/*.jsonl $(touch owned) `touch owned` ; touch owned";
    step.run(&[
        ("HISTORIES", hostile),
        ("OPTIONS", "$(touch owned);touch owned"),
        ("MODEL", "$(touch owned)"),
    ]);
    assert!(!step.path("owned").exists());
}

#[test]
fn the_action_hands_over_every_input_that_the_script_reads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let action = std::fs::read_to_string(root.join("action.yml")).expect("the action");
    let script = std::fs::read_to_string(root.join("packaging/github/check.sh")).expect("its script");
    for name in ["STEADFAST", "HISTORIES", "CONSISTENCY", "MODEL", "TIMEOUT", "OPTIONS", "REPORT", "FAIL_ON"]
    {
        assert!(action.contains(&format!("        {name}: ${{{{ ")), "{name}");
        assert!(script.contains(name), "{name}");
    }
    let documented = std::fs::read_to_string(root.join("docs/pipelines.md")).expect("the documentation");
    let inputs =
        action.split("inputs:\n").nth(1).and_then(|rest| rest.split("\noutputs:").next()).expect("inputs");
    let names = inputs.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    for name in names.filter(|name| !name.starts_with(' ')) {
        assert!(documented.contains(&format!("`{name}`")), "{name} is not documented");
    }
}

fn check_as(format: &str, paths: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(["check", "--consistency", "linearizable", "--format", format])
        .args(paths)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("it runs");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Whoever opens an alert wants to see the event in its file, and wants the same alert tomorrow.
#[test]
fn sarif_and_annotations_name_the_line_of_the_operation() {
    const STALE: &str = "histories/corpus/stale-read/history.jsonl";
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(STALE)).expect("a case");
    let sarif = |paths: &[&str]| -> serde_json::Value {
        serde_json::from_str(&check_as("sarif", paths)).expect("JSON")
    };
    let found = sarif(&[STALE]);
    let result = &found["runs"][0]["results"][0];
    let line_of = |location: &serde_json::Value| {
        location["physicalLocation"]["region"]["startLine"].as_u64().expect("a line") as usize
    };
    let line = line_of(&result["locations"][0]);
    let event: serde_json::Value =
        serde_json::from_str(text.lines().nth(line - 1).expect("a line")).expect("JSON");
    assert_eq!((event["type"].as_str(), event["f"].as_str()), (Some("invoke"), Some("read")), "line {line}");
    let related = result["relatedLocations"].as_array().expect("the others");
    assert!(!related.is_empty() && related.iter().all(|other| line_of(other) < line), "{related:?}");
    let rule = &found["runs"][0]["tool"]["driver"]["rules"][0];
    assert!(rule["help"]["text"].as_str().is_some_and(|help| help.contains("docs/")), "{rule}");
    let print = |found: &serde_json::Value| found["runs"][0]["results"][0]["partialFingerprints"].clone();
    assert_eq!(print(&found), print(&sarif(&[STALE])));
    assert_ne!(print(&found), print(&sarif(&["histories/corpus/aborted-read/history.jsonl"])));
    assert!(check_as("github", &[STALE]).contains(&format!("::error file={STALE},line={line},title=")));
}

/// Jenkins knows no `skipped` of all suites, and takes a test for a new one if its class has another name.
#[test]
fn junit_is_as_strict_servers_want_it() {
    let text = check_as("junit", &["histories/corpus/stale-read/history.jsonl"]);
    let root = text.lines().find(|line| line.starts_with("<testsuites")).expect("a root");
    assert!(!root.contains("skipped") && root.contains("tests=\"1\" failures=\"1\" errors=\"0\""), "{root}");
    let class = "classname=\"steadfast.histories/corpus/stale-read/history_jsonl\"";
    assert!(text.contains(&format!("<testcase name=\"linearizable\" {class}")), "{text}");
}

#[test]
fn a_last_line_counts_the_verdicts_of_several_histories() {
    let [stale, good] =
        ["stale-read", "one-key-of-several"].map(|case| format!("histories/corpus/{case}/history.jsonl"));
    let text = check_as("text", &[&stale, &good, "missing.jsonl"]);
    assert_eq!(text.lines().last(), Some("3 histories: 2 violated, 1 not checked"));
    assert!(!check_as("text", &[&stale]).contains("histories:"));
}
