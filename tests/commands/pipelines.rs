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
