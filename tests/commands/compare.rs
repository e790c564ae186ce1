//! `steadfast compare`: every level that applies, through the program as a user runs it.

use crate::program::{case, steadfast};
use assert_cmd::Command;
use serde_json::Value;

fn printed(command: &mut Command, code: i32) -> String {
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn histories_stand_beside_one_another() {
    let mut command = steadfast();
    command.args(["compare", &case("stale-read"), &case("cas-chain"), &case("session-own-write-missing")]);
    insta::assert_snapshot!("compare_registers", printed(&mut command, 0));
}

/// Two transactions that each missed the other's write: by Adya's table not repeatable-read, and so not serializable
/// nor anything above it; snapshot isolation permits it.
#[test]
fn levels_of_transactions_are_compared_with_what_they_imply() {
    let text = printed(steadfast().args(["compare", "--format", "json", &case("txn-write-skew")]), 0);
    let found: Value = serde_json::from_str(&text).expect("JSON");
    let history = &found["histories"][0];
    let verdict = |name: &str| {
        let levels = history["levels"].as_array().expect("levels");
        levels.iter().find(|level| level["level"] == name).expect("the level")["verdict"].clone()
    };
    for name in ["strict-serializable", "serializable", "repeatable-read"] {
        assert_eq!(verdict(name), "violated", "{name}");
    }
    for name in ["snapshot-isolation", "read-committed"] {
        assert_eq!(verdict(name), "holds", "{name}");
    }
    let levels = found["levels"].as_array().expect("levels");
    let place = |name: &str| levels.iter().position(|level| level["level"] == name).expect("the level");
    assert!(place("strict-serializable") < place("serializable"), "the stronger come first");
    assert!(place("serializable") < place("snapshot-isolation"));
    let implied = levels[place("serializable")]["implies"].as_array().expect("names");
    assert!(implied.contains(&"snapshot-isolation".into()), "{implied:?}");
    assert!(!implied.contains(&"read-committed".into()), "what follows is left out: {implied:?}");
}

#[test]
fn a_history_that_cannot_be_read_is_left_out_and_the_others_are_compared() {
    let mut command = steadfast();
    command.args(["compare", "no-such-file.jsonl", &case("queue-in-order")]);
    let text = printed(&mut command, 2);
    assert!(text.contains("queue-in-order") && text.contains("linearizable  holds"), "{text}");
}

#[test]
fn what_was_asked_for_is_compared_and_nothing_else() {
    let mut command = steadfast();
    command.args(["compare", "--consistency", "linearizable,session", &case("stale-read")]);
    let text = printed(&mut command, 0);
    assert!(
        text.contains("linearizable") && text.contains("session") && !text.contains("monotonic-reads"),
        "{text}"
    );
    let refused =
        steadfast().args(["compare", "--consistency", "serializable", &case("stale-read")]).assert().code(2);
    assert!(
        String::from_utf8_lossy(&refused.get_output().stderr)
            .contains("is not a property of the model register")
    );
}

#[test]
fn the_page_has_a_box_for_every_level() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = folder.path().join("compare.html");
    let mut command = steadfast();
    command.args(["compare", &case("txn-write-skew"), "--report"]).arg(&page);
    printed(&mut command, 0);
    let text = std::fs::read_to_string(page).expect("a page");
    assert_eq!(text.matches("class=\"level-node ").count(), 30, "one box each");
    assert!(
        text.contains("class=\"level-node violated\"><title>repeatable-read violated: G2-item"),
        "{text}"
    );
}
