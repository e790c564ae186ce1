//! Tomcat's cluster: two nodes behind HAProxy, with sessions that are replicated before each answer, or not at all.
//!
//! Each verdict has its argument outside of the checker. With `channelSendOptions` 6, a node answers after the other one has acknowledged the
//! changes, so the kill of a node loses nothing. Without a cluster, each node has its sessions in memory, and they go with it. A client
//! with a stopwatch polls beside the run.
//!
//! Where Tomcat 10 with a Java runtime, or haproxy, are missing, the tests say so.

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recorder/stacks/tomcat");
const TOMCAT: &str = "/usr/share/tomcat10/bin/catalina.sh";

/// A started example. Its processes end when this is dropped.
struct TomcatExample {
    folder: tempfile::TempDir,
    ports: [u16; 5],
    cluster: &'static str,
    sticky: &'static str,
    /// One example at a time: a small machine would be overloaded.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl TomcatExample {
    fn start(cluster: &'static str, sticky: &'static str) -> Option<Self> {
        let has = |program: &str, version: &str| Command::new(program).arg(version).output().is_ok();
        if !(Path::new(TOMCAT).exists() && has("java", "-version") && has("haproxy", "-v")) {
            eprintln!("skipped: tomcat10, a Java runtime or haproxy is missing");
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let listeners = [(); 5].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = listeners.map(|listener| listener.local_addr().expect("an address").port());
        let folder = tempfile::tempdir().expect("a folder");
        let example = Self { folder, ports, cluster, sticky, _turn: turn };
        let output = example.command(&format!("{EXAMPLE}/start.sh")).arg("all").output().expect("a shell");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // The nodes first: HAProxy is up before them, and says 503.
        for port in [ports[1], ports[2], ports[0]] {
            let began = Instant::now();
            while !serves(port) {
                assert!(
                    began.elapsed() < Duration::from_secs(90),
                    "{port} does not serve: {}",
                    example.logs()
                );
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        // The description beside the example, with the ports of this test.
        let mut text = std::fs::read_to_string(Path::new(EXAMPLE).join("stack.toml")).expect("a description");
        for (usual, port) in ["8080", "8081", "8082"].into_iter().zip(ports) {
            text = text.replace(&format!("127.0.0.1:{usual}"), &format!("127.0.0.1:{port}"));
        }
        let text = text.replace("./start.sh", &format!("{EXAMPLE}/start.sh"));
        std::fs::write(example.path("stack.toml"), text).expect("a file");
        Some(example)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command with the settings of the example, which the commands of the stack file inherit.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let [proxy, one, two, cluster_one, cluster_two] = self.ports.map(|port| port.to_string());
        command
            .current_dir(&self.folder)
            .env("FOLDER", self.folder.path())
            .envs([("CLUSTER", self.cluster), ("STICKY", self.sticky)])
            .envs([("PORT", proxy), ("PORT1", one), ("PORT2", two)])
            .envs([("CLUSTER_PORT1", cluster_one), ("CLUSTER_PORT2", cluster_two)]);
        command
    }

    fn logs(&self) -> String {
        let log = |name: &str| std::fs::read_to_string(self.path(name)).unwrap_or_default();
        ["web1.log", "web2.log", "proxy.log"].map(log).concat()
    }

    fn steadfast(&self, words: &str) -> Output {
        let words = words.split_whitespace();
        self.command(env!("CARGO_BIN_EXE_steadfast")).args(words).output().expect("it runs")
    }

    fn test_description(&self) -> String {
        let tried = self.steadfast("stack test stack.toml --quiet");
        let printed = String::from_utf8_lossy(&tried.stdout).into_owned();
        assert!(tried.status.success(), "{printed}{}", String::from_utf8_lossy(&tried.stderr));
        printed
    }

    /// A run: the exit code, the answer, and the events.
    fn run(&self, more: &str) -> (i32, Value, Vec<Value>) {
        let output = self.steadfast(&format!(
            "run http --stack stack.toml --format json --measure --quiet --output h.jsonl --settle 500ms {more}"
        ));
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let first = printed.lines().next().unwrap_or_default();
        let answer =
            serde_json::from_str(first).unwrap_or_else(|why| panic!("{why}: {printed}{said}{}", self.logs()));
        let text = std::fs::read_to_string(self.path("h.jsonl")).expect("a history");
        let events = text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (output.status.code().expect("a code"), answer, events)
    }
}

impl Drop for TomcatExample {
    fn drop(&mut self) {
        let _ = self.command(&format!("{EXAMPLE}/start.sh")).arg("stop").output();
    }
}

/// Whether a request on a connection of its own is answered with 200 within a second.
fn serves(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    };
    ask().is_some()
}

/// The names of the violated levels.
fn violated(answer: &Value) -> BTreeSet<&str> {
    let levels = answer["levels"].as_array().expect("levels").iter();
    levels
        .filter(|level| level["verdict"] == "violated")
        .filter_map(|level| level["level"].as_str())
        .collect()
}

/// Acknowledged operations of a kind.
fn done<'a>(events: &'a [Value], f: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["type"] == "ok" && event["f"] == f)
}

/// A node answers when the other one has the changes: nothing is lost although a node is killed. The recovery time after a kill of the proxy is
/// that of a client that only polls.
#[test]
fn replicated_sessions_survive_a_node() {
    let Some(example) = TomcatExample::start("sync", "no") else { return };
    let printed = example.test_description();
    assert!(printed.contains("The description fits: 9 promises kept, 0 possible bugs"), "{printed}");
    let (port, stopped) = (example.ports[0], Arc::new(AtomicBool::new(false)));
    let polled = std::thread::spawn({
        let stopped = stopped.clone();
        move || {
            let mut polls = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                polls.push((began, serves(port), Instant::now()));
                std::thread::sleep(Duration::from_millis(20));
            }
            polls
        }
    });
    let (code, answer, events) = example.run(
        "--sessions 10 --load 40/s --duration 11s --operation-timeout 5s --faults kill:haproxy@2s+2s,kill:web1@6s+1s",
    );
    stopped.store(true, Ordering::Relaxed);
    let polls = polled.join().expect("polls");
    assert!(matches!(code, 0 | 3) && violated(&answer).is_empty(), "{code}: {answer}");
    // The run could have found something: both nodes answered, and the kills were seen.
    let healed =
        events.iter().filter(|event| event["f"] == "heal-kill" && event["evidence"]["in_force"] == true);
    assert_eq!(healed.count(), 2, "both kills were seen");
    let nodes: BTreeSet<&str> = done(&events, "read").filter_map(|event| event["node"].as_str()).collect();
    assert_eq!(nodes.into_iter().collect::<Vec<_>>(), ["web1", "web2"]);

    // The first outage is that of the proxy. It began between the last answered poll and the first failed one.
    let first = polls.iter().position(|poll| !poll.1).expect("the outage is noticed");
    let back = first + polls[first..].iter().position(|poll| poll.1).expect("the outage ends");
    assert!(first > 0, "the outage begins while the client polls");
    let least = polls[back - 1].0.saturating_duration_since(polls[first].2);
    let most = polls[back].2 - polls[first - 1].0;
    let fault = &answer["measurements"]["faults"][0];
    let told = fault["recovery_first_seconds"].as_f64().unwrap_or_else(|| panic!("no recovery in {fault}"));
    // Users ask less often than the client polls.
    let slack = 0.3;
    assert!(
        told > least.as_secs_f64() - slack && told < most.as_secs_f64() + slack,
        "recovery {told} s, polled {least:?} to {most:?}"
    );
}

/// Each node has its sessions in memory, and a user stays with one node: the users of a killed node lose theirs, and no others.
#[test]
fn sessions_of_a_node_are_lost_with_it() {
    let Some(example) = TomcatExample::start("none", "yes") else { return };
    let (code, answer, events) = example
        .run("--sessions 20 --load 25/s --duration 8s --operation-timeout 5s --faults kill:web1@3s+1s");
    assert_eq!(code, 1, "{answer}");
    let struck = events.iter().find(|event| event["f"] == "kill").expect("a kill")["time"].as_u64();
    let of_node = |node: &str| -> BTreeSet<&str> {
        let created = done(&events, "create").filter(|event| event["time"].as_u64() < struck);
        created.filter(|event| event["node"] == node).filter_map(|event| event["key"].as_str()).collect()
    };
    let (one, two) = (of_node("web1"), of_node("web2"));
    let levels = answer["levels"].as_array().expect("levels").iter();
    let anomalies = levels.flat_map(|level| level["anomalies"].as_array().expect("anomalies"));
    let lost: BTreeSet<&str> = anomalies
        .filter(|anomaly| anomaly["type"] == "lost-session")
        .filter_map(|anomaly| anomaly["key"].as_str())
        .collect();
    assert!(one.len() >= 3 && two.len() >= 3, "{one:?} {two:?}");
    assert!(!lost.is_disjoint(&one) && lost.is_disjoint(&two), "{lost:?} {one:?} {two:?}");
}
