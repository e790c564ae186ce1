//! Runs in HTTP/2: over TLS as the application chooses, and in clear text where the description says so. HAProxy speaks it before an
//! application in HTTP/1.1, so that no code of ours agrees with itself, and tells in which version it was asked.
//!
//! What could go wrong: the client falls back to HTTP/1.1 in silence; cookies or the host are lost on the way; after a fault of the link all
//! requests wait on a connection that is dead.

use crate::haproxy::RunningHaproxy;
use crate::live_server::{DESCRIPTION, Server, serve, told};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// An application behind HAProxy.
struct Front(RunningHaproxy);

impl Front {
    /// `bind` are the words after the address at which the proxy listens. Nothing if a program is missing.
    fn open(bind: &str) -> Option<Self> {
        let app = serve(&Arc::new(Mutex::new(Server::default())));
        RunningHaproxy::start(&app, bind).map(Self)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes the description, with these lines before it. The node of an answer is the version in which it was asked.
    fn describe(&self, scheme: &str, first: &str, live: bool) {
        let text = DESCRIPTION.replace("http://ADDRESS", &format!("{scheme}://127.0.0.1:{}", self.0.port));
        let text = text.replace("answer = { absent", "answer = { node = \"x-spoken\", absent");
        let (text, live_table) = text.split_once("[live]").expect("a table");
        let live_table = if live { format!("[live]{live_table}") } else { String::new() };
        let tls = if scheme == "https" { "[tls]\nca = \"ca.pem\"\n" } else { "" };
        std::fs::write(self.path().join("stack.toml"), format!("{first}\n{text}{tls}{live_table}"))
            .expect("a file");
    }

    fn steadfast(&self, words: &str) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
            .args(words.split_whitespace())
            .current_dir(self.path())
            .output()
            .expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().expect("a code"), String::from_utf8_lossy(&said).into_owned())
    }

    /// A run: its exit code, what was said, and the events of its history.
    fn run(&self, more: &str) -> (i32, String, Vec<Value>) {
        let words = format!(
            "run http --stack stack.toml --force --output h.jsonl --sessions 6 --load 60/s --settle 500ms \
             --after-heal 0s {more}"
        );
        let (code, said) = self.steadfast(&words);
        let text = std::fs::read_to_string(self.path().join("h.jsonl"))
            .unwrap_or_else(|why| panic!("{why}: {said}"));
        let events = text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (code, said, events)
    }
}

/// The versions in which requests were answered, each with their number.
fn versions(events: &[Value]) -> (usize, usize) {
    let answered = |version: &str| {
        let with = |event: &&Value| event["node"].as_str().is_some_and(|node| node.starts_with(version));
        events.iter().filter(|event| event["type"] == "ok").filter(with).count()
    };
    (answered("1"), answered("2"))
}

/// Over TLS the application chooses; `http2` in the description insists on one version.
#[test]
fn the_version_is_that_of_the_handshake_or_of_the_description() {
    let both = "ssl crt FOLDER/both.pem alpn h2,http/1.1";
    let old = "ssl crt FOLDER/both.pem alpn http/1.1";
    for (bind, first, is_new) in
        [(both, "", true), (both, "http2 = false", false), (both, "http2 = true", true), (old, "", false)]
    {
        let Some(front) = Front::open(bind) else { return };
        front.describe("https", first, false);
        let (code, said, events) = front.run("--duration 3s --operation-timeout 2s");
        assert_eq!(code, 0, "{said}");
        let (one, two) = versions(&events);
        let (expected, other) = if is_new { (two, one) } else { (one, two) };
        assert!(expected > 60 && other == 0, "{bind}, {first:?}: {one} in HTTP/1, {two} in HTTP/2: {said}");
    }
    let Some(front) = Front::open(old) else { return };
    front.describe("https", "http2 = true", false);
    let (code, said) = front.steadfast("stack test stack.toml --quiet");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("does not speak HTTP/2"), "{said}");
}

/// In clear text there is no handshake, so the description says it. Server-sent events come over it as well.
#[test]
fn in_clear_text_the_description_says_it() {
    let Some(front) = Front::open("proto h2") else { return };
    front.describe("http", "http2 = true", true);
    let (code, said, events) = front.run("--duration 3s --operation-timeout 2s");
    assert_eq!(code, 0, "{said}");
    let (one, two) = versions(&events);
    assert!(one == 0 && two > 60, "{one} in HTTP/1, {two} in HTTP/2: {said}");
    assert!(told(&events, "open").len() >= 6, "{said}");
    // An application that speaks only HTTP/1.1 is told apart. (HAProxy speaks both wherever it listens.)
    let old = serve(&Arc::new(Mutex::new(Server::default())));
    for (first, code) in [("", 0), ("http2 = true", 2)] {
        let text = DESCRIPTION.replace("ADDRESS", &old);
        std::fs::write(front.path().join("old.toml"), format!("{first}\n{text}")).expect("a file");
        let (found, said) = front.steadfast("stack test old.toml --quiet");
        assert_eq!(found, code, "{said}");
    }
}

/// After the end of a fault of the link, requests go on: nobody waits on a connection that died with it.
#[test]
fn a_dead_connection_is_left() {
    let Some(front) = Front::open("proto h2") else { return };
    front.describe("http", "http2 = true", false);
    for fault in ["hang:main@1s+1s", "reset:main@1s+1s"] {
        let (code, said, events) =
            front.run(&format!("--faults {fault} --duration 6s --operation-timeout 500ms"));
        assert_eq!(code, 0, "{fault}: {said}");
        let healed =
            events.iter().position(|event| event["f"].as_str().is_some_and(|f| f.starts_with("heal-")));
        let after = &events[healed.expect("the end of the fault")..];
        let count = |what: &str| {
            after.iter().filter(|event| event["type"] == what && event["process"].is_u64()).count()
        };
        // The requests that were under way at that moment may still fail.
        assert!(count("ok") > 60 && count("info") + count("fail") <= 30, "{fault}: {said}");
        let before = events.iter().take(healed.expect("the end of the fault"));
        assert!(
            before.filter(|event| event["type"] == "info" || event["type"] == "fail").count() > 3,
            "{fault}: {said}"
        );
    }
}
