//! Flask with Flask-Session, two nodes behind HAProxy: sessions in one Redis, or in files of each node.
//!
//! Each verdict has its argument outside of the checker. Flask-Session reads a session before a request and writes all of it back
//! afterwards, so requests at once undo each other: the test counts by its own rule how often. A Redis that keeps nothing on disk takes
//! all sessions with it when it is killed. A client with a stopwatch polls beside that run.
//!
//! The packages come from the package index once, into an environment in the target folder. Where they, haproxy or redis-server cannot be
//! had, the tests say so.

use crate::undone::count_undone;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recorder/stacks/flask");
/// The versions that the findings below are argued for.
const PACKAGES: [&str; 4] = ["flask>=3,<4", "flask-session>=0.8,<0.9", "redis>=5", "waitress>=3,<4"];

/// A started example. Its processes end when this is dropped.
struct FlaskExample {
    folder: tempfile::TempDir,
    ports: [u16; 4],
    python: PathBuf,
    sessions: &'static str,
    /// One example at a time: a small machine would be overloaded.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

/// A Python with Flask-Session. The caller has the turn, so that only the first test installs.
fn find_python() -> Result<PathBuf, &'static str> {
    for (program, version) in [("haproxy", "-v"), ("redis-server", "--version")] {
        if Command::new(program).arg(version).output().is_err() {
            return Err(program);
        }
    }
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("flask");
    let python = environment.join("bin/python");
    let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let import =
        ["-c", "import flask, waitress, redis, flask_session; assert flask_session.__version__[:3] == '0.8'"];
    if !succeeds(Command::new(&python).args(import)) {
        let _ = std::fs::remove_dir_all(&environment);
        let made = succeeds(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let installed = made && succeeds(Command::new(&python).args(quiet).args(PACKAGES));
        if !(installed && succeeds(Command::new(&python).args(import))) {
            return Err("Flask-Session (python3 with venv, and the package index)");
        }
    }
    Ok(python)
}

impl FlaskExample {
    fn start(sessions: &'static str) -> Option<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let python = match find_python() {
            Ok(python) => python,
            Err(missing) => {
                eprintln!("skipped: {missing} is missing");
                return None;
            }
        };
        let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = listeners.map(|listener| listener.local_addr().expect("an address").port());
        let folder = tempfile::tempdir().expect("a folder");
        let example = Self { folder, ports, python, sessions, _turn: turn };
        let output = example.command(&format!("{EXAMPLE}/start.sh")).arg("all").output().expect("a shell");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for port in &ports[..3] {
            let began = Instant::now();
            while !serves(*port) {
                assert!(
                    began.elapsed() < Duration::from_secs(60),
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
        let [proxy, one, two, redis] = self.ports.map(|port| port.to_string());
        command
            .current_dir(&self.folder)
            .env("FOLDER", self.folder.path())
            .env("PYTHON", &self.python)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SESSIONS", self.sessions)
            // Requests of a session overlap on a fast machine too.
            .env("WORK_MS", "20")
            .envs([("PORT", proxy), ("PORT1", one), ("PORT2", two), ("REDIS_PORT", redis)]);
        command
    }

    fn logs(&self) -> String {
        let log = |name: &str| std::fs::read_to_string(self.path(name)).unwrap_or_default();
        ["web1.log", "web2.log", "proxy.log", "redis.log"].map(log).concat()
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

impl Drop for FlaskExample {
    fn drop(&mut self) {
        let _ = self.command(&format!("{EXAMPLE}/start.sh")).arg("stop").output();
    }
}

/// Whether a request on a connection of its own is answered with 200 within two seconds. A node asks its Redis first.
fn serves(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
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

/// Both nodes have the sessions, and users send one request at a time: nothing is found although each node is killed.
#[test]
fn sessions_in_redis_survive_the_nodes() {
    let Some(example) = FlaskExample::start("redis") else { return };
    let printed = example.test_description();
    assert!(printed.contains("The description fits: 11 promises kept, 0 possible bugs"), "{printed}");
    let (code, answer, events) = example.run(
        "--sessions 10 --load 30/s --duration 7s --operation-timeout 5s --churn 8 --faults kill:web1@1500ms+1s,kill:web2@4500ms+1s",
    );
    assert_eq!((code, answer["verdict"].as_str()), (0, Some("holds")), "{answer}");
    // The run could have found something: both nodes answered, were down, and sessions ended and were looked at.
    let healed =
        events.iter().filter(|event| event["f"] == "heal-kill" && event["evidence"]["in_force"] == true);
    assert_eq!(healed.count(), 2, "both kills were seen");
    let nodes: BTreeSet<&str> = done(&events, "read").filter_map(|event| event["node"].as_str()).collect();
    assert_eq!(nodes.into_iter().collect::<Vec<_>>(), ["web1", "web2"]);
    assert!(done(&events, "destroy").next().is_some(), "no session ended");
}

/// With several requests of a session at once, the one that ends last writes back what the others changed.
#[test]
fn requests_at_once_undo_each_other() {
    let Some(example) = FlaskExample::start("redis") else { return };
    let (code, answer, events) = example.run(
        "--session-concurrency 3 --fields 2 --write-mode per-field --sessions 4 --load 80/s --duration 4s \
         --operation-timeout 10s",
    );
    let undone = count_undone(&events);
    assert!(undone > 0, "no request undid another one; the run could not show it");
    assert_eq!(code, 1, "{answer}");
    let violated = violated(&answer);
    assert!(violated.contains("stale-session"), "{violated:?}, {undone} undone");
    // But Flask-Session mixes nothing up.
    assert!(
        ["session-leak", "torn-session", "expired-late"].iter().all(|name| !violated.contains(name)),
        "{violated:?}"
    );
}

/// Files of each node behind one address: half of the requests find no session.
#[test]
fn files_of_each_node_lose_sessions() {
    let Some(example) = FlaskExample::start("files") else { return };
    let printed = example.test_description();
    assert!(printed.contains("The nodes behind this entry do not share their sessions"), "{printed}");
    let (code, answer, _) = example.run("--sessions 6 --load 25/s --duration 3s --operation-timeout 5s");
    assert_eq!(code, 1, "{answer}");
    assert!(violated(&answer).contains("lost-session"), "{answer}");
}

/// The Redis keeps nothing on disk: each session that was there when it was killed is lost, and the others are not. The recovery time is
/// that of a client that only polls.
#[test]
fn a_killed_redis_takes_its_sessions_with_it() {
    let Some(example) = FlaskExample::start("redis") else { return };
    example.test_description();
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
    let (code, answer, events) = example
        .run("--sessions 10 --load 40/s --duration 7s --operation-timeout 5s --faults kill:redis@2s+2s");
    stopped.store(true, Ordering::Relaxed);
    let polls = polled.join().expect("polls");
    assert_eq!(code, 1, "{answer}");
    assert_eq!(violated(&answer), BTreeSet::from(["lost-session"]), "{answer}");
    // By the history alone: the sessions that a read missed after the kill, and that nobody had ended.
    let struck = events.iter().position(|event| event["f"] == "kill").expect("a kill");
    let keys = |events: &[Value], fits: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
        let fitting = events.iter().filter(|event| fits(event));
        fitting.filter_map(|event| event["key"].as_str().map(str::to_owned)).collect()
    };
    let ended = keys(&events, &|event| event["f"] == "destroy" || event["f"] == "renew");
    let missed = keys(&events[struck..], &|event| {
        event["type"] == "ok" && event["f"] == "read" && event["value"].is_null()
    });
    let levels = answer["levels"].as_array().expect("levels").iter();
    let anomalies = levels.flat_map(|level| level["anomalies"].as_array().expect("anomalies"));
    let found: BTreeSet<String> = anomalies
        .filter(|anomaly| anomaly["type"] == "lost-session")
        .filter_map(|anomaly| anomaly["key"].as_str().map(str::to_owned))
        .collect();
    let missed: BTreeSet<String> = missed.difference(&ended).cloned().collect();
    assert!(missed.len() >= 3 && missed.is_subset(&found), "{missed:?} {found:?}");

    // The outage began between the last answered poll and the first failed one, and ended between the last failed one and the next.
    let failed: Vec<usize> = (0..polls.len()).filter(|&at| !polls[at].1).collect();
    let (first, last) = (failed.first().expect("the outage is noticed"), failed.last().expect("the same"));
    assert!(*first > 0 && last + 1 < polls.len(), "the outage begins and ends while the client polls");
    let least = polls[*last].0.saturating_duration_since(polls[*first].2);
    let most = polls[last + 1].2 - polls[first - 1].0;
    let fault = &answer["measurements"]["faults"][0];
    let told = fault["recovery_first_seconds"].as_f64().unwrap_or_else(|| panic!("no recovery in {fault}"));
    // Users ask less often than the client polls, and the first answer may take as long as a node waits for its Redis.
    let slack = 0.5;
    assert!(
        told > least.as_secs_f64() - slack && told < most.as_secs_f64() + slack,
        "recovery {told} s, polled {least:?} to {most:?}"
    );
}
