//! A started example of `recorder/stacks`, and what its tests do with it.

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One example at a time, of all applications: several at once would overload a small machine, whose users then see timeouts.
static TURN: Mutex<()> = Mutex::new(());

pub(crate) fn wait_for_turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How an example is started.
pub(crate) struct ExampleSettings {
    /// The folder in `recorder/stacks`.
    pub(crate) name: &'static str,
    /// The variables of its start script that each take a free port. The first one is that of the proxy.
    pub(crate) ports: &'static [&'static str],
    /// The numbers of the ports that answer HTTP when the example has started, in the order in which they are asked.
    pub(crate) served: &'static [usize],
    /// The other variables of the start script.
    pub(crate) environment: Vec<(&'static str, String)>,
    pub(crate) logs: &'static [&'static str],
}

/// A started example. Its processes end when this is dropped.
pub(crate) struct RunningExample {
    settings: ExampleSettings,
    folder: tempfile::TempDir,
    ports: Vec<u16>,
    _turn: MutexGuard<'static, ()>,
}

/// How long a node may take to start.
const START_PATIENCE: Duration = Duration::from_secs(90);
/// How long a request of a test may take. A node asks its Redis first.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

impl RunningExample {
    pub(crate) fn start(settings: ExampleSettings, turn: MutexGuard<'static, ()>) -> Self {
        let listeners: Vec<TcpListener> =
            settings.ports.iter().map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let ports =
            listeners.iter().map(|listener| listener.local_addr().expect("an address").port()).collect();
        drop(listeners);
        let folder = tempfile::tempdir().expect("a folder");
        let example = Self { settings, folder, ports, _turn: turn };
        let output = example.script("all");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for &at in example.settings.served {
            let (port, began) = (example.ports[at], Instant::now());
            while !serves(port) {
                assert!(began.elapsed() < START_PATIENCE, "{port} does not serve: {}", example.logs());
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        // The description beside the example, with the ports of this test.
        let mut text =
            std::fs::read_to_string(Path::new(&example.home()).join("stack.toml")).expect("a file");
        for (usual, port) in ["8080", "8081", "8082"].into_iter().zip(&example.ports) {
            text = text.replace(&format!("127.0.0.1:{usual}"), &format!("127.0.0.1:{port}"));
        }
        let text = text.replace("./start.sh", &format!("{}/start.sh", example.home()));
        std::fs::write(example.path("stack.toml"), text).expect("a file");
        example
    }

    fn home(&self) -> String {
        format!("{}/recorder/stacks/{}", env!("CARGO_MANIFEST_DIR"), self.settings.name)
    }

    /// The port of the proxy.
    pub(crate) fn port(&self) -> u16 {
        self.ports[0]
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command with the settings of the example, which the commands of the stack file inherit.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let ports = self.settings.ports.iter().zip(self.ports.iter().map(u16::to_string));
        command.current_dir(&self.folder).env("FOLDER", self.folder.path()).envs(ports);
        command.envs(self.settings.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn script(&self, verb: &str) -> Output {
        self.command(&format!("{}/start.sh", self.home())).arg(verb).output().expect("a shell")
    }

    pub(crate) fn logs(&self) -> String {
        // A program that did not start has no log.
        let log = |name: &&str| std::fs::read_to_string(self.path(name)).unwrap_or_default();
        self.settings.logs.iter().map(log).collect()
    }

    /// Runs the program: its exit code, what it printed, and its messages.
    pub(crate) fn steadfast(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.command(env!("CARGO_BIN_EXE_steadfast")).args(words).output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().expect("a code"), text(&output.stdout), text(&output.stderr))
    }

    /// What the test of the description says. It has to fit.
    pub(crate) fn test_description(&self) -> String {
        let (code, printed, errors) = self.steadfast(&["stack", "test", "stack.toml", "--quiet"]);
        assert_eq!(code, 0, "{printed}{errors}{}", self.logs());
        printed
    }

    /// Writes `own.toml` by trying the application, with these words beside its address. Returns its text; the description fits, and a
    /// run with it finds nothing.
    pub(crate) fn init_description(&self, more: &[&str]) -> String {
        let url = format!("http://127.0.0.1:{}", self.port());
        let words = [&["stack", "init", &url, "--output", "own.toml"], more].concat();
        let (code, printed, errors) = self.steadfast(&words);
        assert_eq!(code, 0, "{printed}{errors}{}", self.logs());
        assert!(
            printed.contains("The description fits: ") && printed.contains(" 0 possible bugs"),
            "{printed}"
        );
        let text = std::fs::read_to_string(self.path("own.toml")).expect("the file");
        std::fs::copy(self.path("own.toml"), self.path("stack.toml")).expect("a copy");
        let (code, answer, events) =
            self.run("--sessions 4 --load 20/s --duration 3s --operation-timeout 10s --churn 8");
        assert_eq!((code, answer["verdict"].as_str()), (0, Some("holds")), "{answer}{}", self.logs());
        for f in ["create", "read", "write", "destroy"] {
            assert!(acknowledged(&events, f).next().is_some(), "no {f} in the run");
        }
        text
    }

    /// A run: its exit code, its answer, and the events of its history.
    pub(crate) fn run(&self, more: &str) -> (i32, Value, Vec<Value>) {
        let words = "run http --stack stack.toml --format json --measure --quiet --force --output h.jsonl --settle 500ms";
        let words: Vec<&str> = words.split_whitespace().chain(more.split_whitespace()).collect();
        let (code, printed, errors) = self.steadfast(&words);
        let first = printed.lines().next().unwrap_or_default();
        let answer = serde_json::from_str(first)
            .unwrap_or_else(|why| panic!("{why}: {printed}{errors}{}", self.logs()));
        let text = std::fs::read_to_string(self.path("h.jsonl")).expect("a history");
        let events = text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (code, answer, events)
    }
}

impl Drop for RunningExample {
    fn drop(&mut self) {
        let _ = self.script("stop");
    }
}

/// The words for `stack init` of an application with the requests of the examples. `write` is the request that writes.
pub(crate) fn words_of_requests(write: &str) -> Vec<&str> {
    let fields = ["--login-field", "user={user}", "--login-field", "value={value}"];
    let write = ["--write", write, "--write-field", "value={value}"];
    let ends = ["--renew", "POST /renew", "--logout", "POST /logout"];
    [&["--login", "/login"][..], &fields, &write, &ends].concat()
}

/// A Python with packages, in an environment of its own in the target folder. The caller has the turn, so that only the first test
/// installs them. `import` fails if a package has another version.
pub(crate) fn install_python(name: &str, packages: &[&str], import: &str) -> Option<PathBuf> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = environment.join("bin/python");
    let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let is_ready = || succeeds(Command::new(&python).args(["-c", import]));
    if !is_ready() {
        // What is left of an earlier attempt may not be there.
        let _ = std::fs::remove_dir_all(&environment);
        let made = succeeds(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        if !(made && succeeds(Command::new(&python).args(quiet).args(packages)) && is_ready()) {
            return None;
        }
    }
    Some(python)
}

/// The first of these programs that is not on the machine.
pub(crate) fn find_missing<'a>(programs: &[(&'a str, &str)]) -> Option<&'a str> {
    let is_missing =
        |(program, version): &&(&str, &str)| Command::new(program).arg(version).output().is_err();
    programs.iter().find(is_missing).map(|(program, _)| *program)
}

/// A request on a connection of its own: the status, and the whole answer. Nothing if there is no answer in time.
fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(ANSWER_PATIENCE)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer))
}

fn serves(port: u16) -> bool {
    get(port, "/health").is_some_and(|(status, _)| status == 200)
}

/// A poll: when it began, whether it was answered, and when it ended.
pub(crate) type Poll = (Instant, bool, Instant);

/// A client that only asks whether the application is healthy, beside the run.
pub(crate) struct PollingClient {
    stopped: Arc<AtomicBool>,
    polls: JoinHandle<Vec<Poll>>,
}

impl PollingClient {
    pub(crate) fn start(port: u16) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let polls = std::thread::spawn({
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
        Self { stopped, polls }
    }

    pub(crate) fn stop(self) -> Vec<Poll> {
        self.stopped.store(true, Ordering::Relaxed);
        self.polls.join().expect("polls")
    }
}

/// Panics unless the recovery time of the first fault is that of an outage whose first failed poll is `failed`, and whose first answered poll
/// afterwards is `back`. The outage began between the last answered poll and the first failed one, and ended between the last failed one
/// and the next. Users ask less often than the client polls: `slack` seconds later at most.
pub(crate) fn assert_recovery_agrees(answer: &Value, polls: &[Poll], failed: usize, back: usize, slack: f64) {
    assert!(failed > 0 && back < polls.len(), "the outage begins and ends while the client polls");
    let least = polls[back - 1].0.saturating_duration_since(polls[failed].2);
    let most = polls[back].2 - polls[failed - 1].0;
    let fault = &answer["measurements"]["faults"][0];
    let told = fault["recovery_first_seconds"].as_f64().unwrap_or_else(|| panic!("no recovery in {fault}"));
    assert!(
        told > least.as_secs_f64() - slack && told < most.as_secs_f64() + slack,
        "recovery {told} s, polled {least:?} to {most:?}"
    );
}

/// The names of the violated levels.
pub(crate) fn violated_levels(answer: &Value) -> BTreeSet<&str> {
    let levels = answer["levels"].as_array().expect("levels").iter();
    levels
        .filter(|level| level["verdict"] == "violated")
        .filter_map(|level| level["level"].as_str())
        .collect()
}

/// The sessions that the findings of one name are about.
pub(crate) fn sessions_with<'a>(answer: &'a Value, name: &str) -> BTreeSet<&'a str> {
    let levels = answer["levels"].as_array().expect("levels").iter();
    let anomalies = levels.flat_map(|level| level["anomalies"].as_array().expect("anomalies"));
    let named = anomalies.filter(|anomaly| anomaly["type"] == name);
    named.map(|anomaly| anomaly["key"].as_str().expect("a session")).collect()
}

/// Acknowledged operations of a kind.
pub(crate) fn acknowledged<'a>(events: &'a [Value], f: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["type"] == "ok" && event["f"] == f)
}

/// Panics unless both nodes answered reads, and so many kills were seen to be in force: otherwise the run could not have found anything.
pub(crate) fn assert_nodes_were_killed(events: &[Value], kills: usize) {
    let healed =
        events.iter().filter(|event| event["f"] == "heal-kill" && event["evidence"]["in_force"] == true);
    assert_eq!(healed.count(), kills, "all kills were seen");
    let nodes: BTreeSet<&str> =
        acknowledged(events, "read").filter_map(|event| event["node"].as_str()).collect();
    assert_eq!(nodes.into_iter().collect::<Vec<_>>(), ["web1", "web2"]);
}

/// The sessions that a node created before the first kill.
pub(crate) fn sessions_of_node<'a>(events: &'a [Value], node: &str) -> BTreeSet<&'a str> {
    let struck = events.iter().find(|event| event["f"] == "kill").expect("a kill")["time"].as_u64();
    let created = acknowledged(events, "create").filter(|event| event["time"].as_u64() < struck);
    created.filter(|event| event["node"] == node).filter_map(|event| event["key"].as_str()).collect()
}
