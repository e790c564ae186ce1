//! What the user sees, as snapshots; and that the README shows the same.
//!
//! A snapshot says what was printed, not that it is right: the verdicts are tested in `corpus.rs`, against reasons from
//! outside. These are here so that a change of words or layout is seen, and looked at, before it lands.

use assert_cmd::Command;

fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("CLICOLOR_FORCE")
        .env_remove("COLUMNS")
        .output()
        .expect("it runs");
    let text =
        String::from_utf8(output.stdout).expect("text") + &String::from_utf8(output.stderr).expect("text");
    without_durations(&text)
}

fn checked(case: &str, options: &[&str]) -> String {
    let file = format!("histories/corpus/{case}/history.jsonl");
    printed(&[&["check"], options, &[&file]].concat())
}

#[test]
fn the_readme_shows_what_the_program_prints() {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("a README");
    let command = readme.split("`cargo run --release -- ").nth(1).and_then(|rest| rest.split('`').next());
    let args: Vec<&str> = command.expect("the command of the verdict that is shown").split(' ').collect();
    let shown =
        readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a text block");
    assert_eq!(without_durations(shown), printed(&args));
}

#[test]
fn text_tells_a_violation() {
    insta::assert_snapshot!(checked("stale-read", &[]));
    insta::assert_snapshot!(checked("lost-update", &["--consistency=linearizable"]));
    insta::assert_snapshot!(checked("aborted-read", &[]));
    insta::assert_snapshot!(checked("info-write-comes-and-goes", &["--consistency=linearizable"]));
    insta::assert_snapshot!(checked("queue-out-of-order", &[]));
    insta::assert_snapshot!(checked("one-key-of-several", &["--consistency=linearizable"]));
}

#[test]
fn text_tells_that_all_holds() {
    insta::assert_snapshot!(checked("cas-chain", &[]));
    insta::assert_snapshot!(checked("cas-chain", &["--quiet"]));
    insta::assert_snapshot!(checked("empty", &[]));
}

#[test]
fn text_tells_of_transactions() {
    let levels = "--consistency=strict-serializable,snapshot-isolation,read-committed";
    insta::assert_snapshot!("txn_missed_append", checked("txn-missed-append", &[levels]));
    insta::assert_snapshot!("txn_value_written_twice", checked("txn-value-written-twice", &[]));
    insta::assert_snapshot!("txn_json", checked("txn-write-skew", &["--format=json"]));
}

#[test]
fn other_formats_tell_the_same() {
    for format in ["json", "junit", "sarif", "github"] {
        let options = [&format!("--format={format}"), "--consistency=linearizable,monotonic-reads"];
        insta::assert_snapshot!(format, checked("stale-read", &options));
    }
}

#[test]
fn the_help_teaches() {
    insta::assert_snapshot!("help", printed(&["--help"]));
    insta::assert_snapshot!("help_check", printed(&["check", "--help"]));
    insta::assert_snapshot!("levels", printed(&["levels"]));
    insta::assert_snapshot!("models", printed(&["models"]));
}

/// How long something took differs from run to run, so numbers that say so are replaced: `0.3 ms` (with the spaces
/// that make a column of them), `"seconds":0.0003`, `time="0.000"`.
fn without_durations(text: &str) -> String {
    let mut text: String = text.split_inclusive('\n').map(without_milliseconds).collect();
    for mark in
        ["\"seconds\":", "\"read\":", "\"check\":", "\"verify\":", "\"measure\":", "\"report\":", "time=\""]
    {
        let mut parts = text.split(mark);
        let mut kept = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let rest = part.trim_start_matches(|sign: char| sign.is_ascii_digit() || ".e-".contains(sign));
            kept += mark;
            kept += if rest.len() < part.len() { "<time>" } else { "" };
            kept += rest;
        }
        text = kept;
    }
    text
}

fn without_milliseconds(line: &str) -> String {
    let mut parts: Vec<&str> = line.split(" ms").collect();
    let last = parts.pop().unwrap_or_default();
    let is_digit = |sign: char| sign.is_ascii_digit() || sign == '.';
    let before = parts.iter().map(|part| part.trim_end_matches(is_digit).trim_end());
    before.map(|part| format!("{part} <time>")).collect::<String>() + last
}
