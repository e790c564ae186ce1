//! A stack that nobody here started, struck as its file says: by docker, as a shell script plays it, because there is no
//! container engine to be had in a test.
//!
//! What went wrong before: an application that a file describes could be driven and not be broken, so that a team's own
//! stack had no recovery time. What may go wrong with commands of somebody else: they hang, fail, say that they did what
//! they did not, or we are killed while a node is down.

use serde_json::Value;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const APPLICATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/runs/your_stack/app.py");
const DOCKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/runs/your_stack/docker");

/// Two nodes under the stand-in, and a file that describes them. They are killed when this is dropped.
struct Stack {
    folder: tempfile::TempDir,
    ports: [u16; 2],
}

impl Stack {
    /// Starts both nodes; nothing without Python.
    fn start(more: &str) -> Option<Self> {
        if Command::new("python3").arg("--version").output().is_err() {
            eprintln!("skipped: the program python3 is not there");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["tmp", "bin", "sessions"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        std::os::unix::fs::symlink(DOCKER, folder.path().join("bin/docker")).expect("a link");
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = listeners.map(|listener| listener.local_addr().expect("an address").port());
        let stack = Self { folder, ports };
        for (name, port) in ["web1", "web2"].into_iter().zip(ports) {
            std::fs::write(stack.path(&format!("{name}.port")), port.to_string()).expect("a file");
            assert!(stack.docker("start", name).status.success());
        }
        stack.describe(more);
        for port in ports {
            eventually("the application listens", || {
                std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
        }
        Some(stack)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn describe(&self, more: &str) {
        let [one, two] = self.ports;
        let text = format!(
            "entries = {{ web1 = 'http://127.0.0.1:{one}', web2 = 'http://127.0.0.1:{two}' }}\n\
             session = {{ token = '/token', send = 'x-session: {{id}}' }}\n\
             answer = {{ absent = [401], node = 'x-node' }}\n\
             create = {{ method = 'POST', path = '/', body = '{{value}}' }}\n\
             read = {{ path = '/', value = '/data' }}\n\
             write = {{ method = 'PUT', path = '/', body = '{{value}}' }}\n\
             destroy = {{ method = 'DELETE', path = '/' }}\n\
             [nodes.app-1]\nunit = 'docker:web1'\nrole = 'app'\nurl = 'http://127.0.0.1:{one}'\n\
             ready = 'GET /health 200'\ncommand_timeout = '10s'\n\
             [nodes.app-2]\nunit = 'docker:web2'\nrole = 'app'\nurl = 'http://127.0.0.1:{two}'\n\
             ready = 'GET /health 200'\ncommand_timeout = '10s'\n{more}\n"
        );
        std::fs::write(self.path("app.toml"), text).expect("a file");
    }

    fn command(&self, program: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("STAND_IN", self.folder.path())
            .env("APPLICATION", APPLICATION)
            .env("TMPDIR", self.path("tmp"))
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        command
    }

    fn docker(&self, verb: &str, name: &str) -> Output {
        self.command(DOCKER).args([verb, name]).output().expect("the stand-in runs")
    }

    fn state(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.docker("inspect", name).stdout).trim().to_owned()
    }

    fn steadfast(&self, words: &[&str]) -> (i32, String) {
        let output = self.command(env!("CARGO_BIN_EXE_steadfast")).args(words).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code().expect("a code"), text.into_owned())
    }

    /// A short run with these faults, and the events of the nemesis.
    fn run(&self, faults: &str, more: &[&str]) -> (i32, String, Vec<Value>) {
        let options = [
            "record", "http", "--stack", "app.toml", "--load", "100/s", "--settle", "0s", "--force",
            "--output", "h.jsonl",
        ];
        let words = [&options[..], &["--faults", faults], more].concat();
        let (code, said) = self.steadfast(&words);
        let text = std::fs::read_to_string(self.path("h.jsonl")).unwrap_or_default();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        (code, said, events.filter(|event| event["process"] == "nemesis").collect())
    }

    fn runs(&self) {
        for name in ["web1", "web2"] {
            assert_eq!(self.state(name), "running", "{name}");
        }
    }

    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("tmp")).expect("a folder").filter_map(Result::ok);
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for name in ["web1", "web2"] {
            let process = std::fs::read_to_string(self.path(&format!("{name}.pid"))).unwrap_or_default();
            let _ = Command::new("kill").args(["-KILL", process.trim()]).stderr(Stdio::null()).status();
        }
    }
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn named<'a>(events: &'a [Value], f: &str) -> &'a Value {
    events.iter().find(|event| event["f"] == f).unwrap_or_else(|| panic!("no {f} in {events:#?}"))
}

#[test]
fn each_fault_is_struck_seen_undone_and_told() {
    let Some(stack) = Stack::start("") else { return };
    let faults = "kill:app-1@500ms+1s,pause:app-2@2s+500ms,drain:app@3s+500ms,restart:app-2@4s";
    let (code, said, events) = stack.run(faults, &["--duration", "5s", "--after-heal", "1s"]);
    assert_eq!(code, 0, "{said}");
    stack.runs();
    assert_eq!(stack.left(), Vec::<String>::new());
    for f in ["heal-kill", "heal-pause", "heal-drain", "restart"] {
        let event = named(&events, f);
        assert_eq!(event["evidence"]["in_force"], true, "{event}");
        assert!(event["error"].is_null(), "{event}");
    }
    // What was run, what it returned, what it printed.
    assert_eq!(named(&events, "kill")["did"], serde_json::json!([["docker kill web1", 0, "web1"]]));
    assert_eq!(named(&events, "heal-pause")["did"], serde_json::json!([["docker unpause web2", 0, "web2"]]));
    assert_eq!(named(&events, "heal-kill")["evidence"]["how"], "app-1: the node is gone");
    // Nobody served at the first node while it was away, and somebody did afterwards.
    let text = std::fs::read_to_string(stack.path("h.jsonl")).expect("a history");
    let port = stack.ports[0].to_string();
    // It was away until it was last looked at: the event of its return stands where it is ready, and it answers before.
    let healed = named(&events, "heal-kill");
    let (from, to) = (named(&events, "kill")["time"].as_u64(), healed["evidence"]["to_ns"].as_u64());
    let (from, to) = (from.expect("a time"), to.expect("a time"));
    let times =
        text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter_map(|event| {
            (event["node"] == port.as_str() && event["type"] == "ok")
                .then(|| event["time"].as_u64())
                .flatten()
        });
    let times: Vec<u64> = times.collect();
    let slack = 100_000_000;
    assert!(!times.iter().any(|time| (from + slack..to - slack).contains(time)), "{from} {to} {times:?}");
    assert!(times.iter().any(|time| *time > to) && times.iter().any(|time| *time < from));
}

/// A `docker kill` that says it did and did not: the state is read back, and the run is not green.
#[test]
fn a_command_that_lies_is_found_out() {
    let Some(stack) = Stack::start("") else { return };
    std::fs::write(stack.path("web1.lies"), "").expect("a file");
    let (code, said, events) = stack.run("kill:app-1@200ms+500ms", &["--duration", "1s"]);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("was not observed in force") && said.contains("app-1: the node is running"),
        "{said}"
    );
    assert_eq!(named(&events, "heal-kill")["evidence"]["in_force"], false);
    stack.runs();
}

#[test]
fn a_command_that_fails_or_hangs_ends_the_run_and_leaves_nothing_down() {
    let Some(stack) = Stack::start("") else { return };
    for (how, says) in
        [("fails", "no such container: web2"), ("hangs", "did not end within 10s and was killed")]
    {
        let file = stack.path(&format!("web2.{how}"));
        std::fs::write(&file, "").expect("a file");
        // The first of the two is down when the second cannot be taken down.
        let began = Instant::now();
        let (code, said, events) = stack.run("kill:all@200ms+500ms", &["--duration", "1s"]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(says) && began.elapsed() < Duration::from_secs(40), "{said}");
        assert!(named(&events, "kill")["error"].as_str().is_some_and(|why| why.contains("docker kill web2")));
        std::fs::remove_file(&file).expect("it is there");
        stack.runs();
    }
}

/// What we had struck when we were killed is undone by the commands of the file, and by no others.
#[test]
fn after_sigkill_the_file_undoes_what_was_struck() {
    let Some(stack) = Stack::start("") else { return };
    let words = ["record", "http", "--stack", "app.toml", "--duration", "60s", "--output", "h.jsonl"];
    let mut run = stack
        .command(env!("CARGO_BIN_EXE_steadfast"))
        .args(words)
        .args(["--faults", "kill:app-1@0s+50s,pause:app-2@0s+50s"])
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    eventually("both are struck", || stack.state("web1") == "exited" && stack.state("web2") == "paused");
    run.kill().expect("it is killed");
    run.wait().expect("it ends");
    let (code, said) = stack.steadfast(&["clean"]);
    assert!(
        code == 2 && said.contains("is not undone (steadfast clean --stack FILE undoes it)"),
        "{code} {said}"
    );
    assert_eq!(stack.left().len(), 1, "the notes are kept");
    let (code, said) = stack.steadfast(&["clean", "--stack", "app.toml"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("undone  kill of app-1") && said.contains("undone  pause of app-2"), "{said}");
    stack.runs();
    assert_eq!(stack.left(), Vec::<String>::new());
}

#[test]
fn what_would_be_done_is_shown_and_not_done() {
    let Some(stack) = Stack::start("[links.app-db]\nlisten = '127.0.0.1:1'\nto = '127.0.0.1:2'") else {
        return;
    };
    let before = std::fs::read_to_string(stack.path("calls")).expect("calls");
    let faults = "kill:app-1@1s+1s,pause:app@2s+1s,hang:app-db@3s+1s";
    let (code, said) =
        stack.steadfast(&["run", "http", "--stack", "app.toml", "--faults", faults, "--dry-run"]);
    assert_eq!(code, 0, "{said}");
    for says in [
        "at 1s: kill of app-1\n  app-1: docker kill web1\n  app-1: undone by docker start web1\n",
        "one of these nodes, found when the fault strikes:\n  app-1: docker pause web1",
        "at 3s: hang of app-db\n  by a proxy of the run",
    ] {
        assert!(said.contains(says), "{says:?} in {said}");
    }
    let (code, said) = stack.steadfast(&["faults", "--stack", "app.toml"]);
    assert_eq!(code, 0, "{said}");
    for says in [
        "app-1 (app)",
        "kill     docker kill web1; undone by docker start web1",
        "add replace = ",
        "app-db: ",
    ] {
        assert!(said.contains(says), "{says:?} in {said}");
    }
    assert_eq!(std::fs::read_to_string(stack.path("calls")).expect("calls"), before, "docker was not asked");
}

#[test]
fn what_cannot_be_undone_is_refused_before_anything_is_struck() {
    let Some(stack) = Stack::start("") else { return };
    let before = std::fs::read_to_string(stack.path("calls")).expect("calls");
    for (faults, says) in [
        ("replace:app-1@1s", "add replace"),
        ("kill:web9@1s", "no node of the stack file has the name or the role web9"),
        ("hang:app-1-db@1s+1s", "is not a link with a proxy"),
        ("skew=1s:app-1@1s", "is a fault of links or machines"),
    ] {
        let (code, said, _) = stack.run(faults, &["--duration", "3s"]);
        assert!(code == 2 && said.contains(says), "{faults}: {code} {said}");
    }
    stack.describe("[nodes.db]\nkills = 'true'");
    let (code, said, _) = stack.run("none", &["--duration", "1s"]);
    assert!(
        code == 2 && said.contains("app.toml") && said.contains("unknown field `kills`"),
        "{code} {said}"
    );
    assert_eq!(std::fs::read_to_string(stack.path("calls")).expect("calls"), before, "docker was not asked");
}
