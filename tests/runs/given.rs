//! Redis servers that somebody else started: driven, broken as far as their processes are given, and left running.

use assert_cmd::Command;
use recorder::system::{Server, find_program};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A server of somebody else's, with its own folder for temporary files of ours.
struct Somebody {
    folder: tempfile::TempDir,
    // The servers end before their folder.
    servers: Vec<(Server, u16)>,
}

impl Somebody {
    /// Nothing where Redis is not installed.
    fn new() -> Option<Self> {
        find_program("redis-sentinel", "redis-sentinel").ok()?;
        let folder = tempfile::tempdir().expect("a folder");
        Some(Self { folder, servers: Vec::new() })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a program with a port, and waits until somebody listens there.
    fn start(&mut self, program: &str, options: impl Fn(u16) -> Vec<String>) -> u16 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = listener.expect("a free port").port();
        let program = find_program(program, program).expect("it is there");
        let log = self.path().join(format!("{port}.log"));
        let server = Server::start(&program, options(port), log).expect("it starts");
        self.servers.push((server, port));
        eventually("a server listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        port
    }

    fn redis(&mut self, replica_of: Option<u16>) -> u16 {
        let folder = self.path().to_string_lossy().into_owned();
        self.start("redis-server", |port| {
            let mut words = vec!["--port".to_owned(), port.to_string(), "--save".to_owned(), String::new()];
            words.extend(["--dir".to_owned(), folder.clone()]);
            if let Some(primary) = replica_of {
                words.extend(["--replicaof".to_owned(), "127.0.0.1".to_owned(), primary.to_string()]);
            }
            words
        })
    }

    /// The process that listens on a port.
    fn process(&self, port: u16) -> String {
        ask(port, &["INFO", "server"])
            .lines()
            .find_map(|line| line.strip_prefix("process_id:"))
            .expect("a number")
            .to_owned()
    }

    fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_steadfast"));
        let temporary = self.path().join("tmp");
        std::fs::create_dir_all(&temporary).expect("a folder");
        command.args(words).current_dir(&self.folder).env("TMPDIR", temporary).stdin(Stdio::null());
        command
    }

    fn steadfast(&self, words: &[&str], code: i32) -> String {
        let output = Command::from_std(self.command(words)).assert().code(code).get_output().clone();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    fn history(&self) -> String {
        std::fs::read_to_string(self.path().join("history.jsonl")).unwrap_or_default()
    }

    fn left(&self) -> usize {
        std::fs::read_dir(self.path().join("tmp")).expect("a folder").count()
    }

    /// A recording that has just paused a server, and that server's process.
    fn paused(&mut self) -> (Child, String) {
        let port = self.redis(None);
        let process = self.process(port);
        let (address, pid) = (format!("127.0.0.1:{port}"), format!("n1={process}"));
        let words = ["record", "redis", "--address", &address, "--pid", &pid, "--faults", "pause@200ms+60s"];
        let mut command = self.command(&words);
        command.args(["--duration", "70s", "--settle", "0s", "--output", "history.jsonl"]);
        let child = command.stderr(Stdio::null()).spawn().expect("it starts");
        eventually("it is paused", || self.history().contains("\"pause\"") && state(&process) == 'T');
        (child, process)
    }
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ask(port: u16, words: &[&str]) -> String {
    let output = std::process::Command::new("redis-cli").args(["-p", &port.to_string()]).args(words).output();
    String::from_utf8_lossy(&output.expect("redis-cli").stdout).replace('\r', "")
}

fn state(process: &str) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).unwrap_or('?')
}

fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(status.expect("kill").success());
}

#[test]
fn a_given_process_goes_on_when_the_run_is_told_to_end() {
    let Some(mut somebody) = Somebody::new() else { return };
    let (mut child, process) = somebody.paused();
    signal(&child, "-TERM");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert!(state(&process) != 'T' && somebody.history().contains("heal-pause"));
    assert_eq!(somebody.left(), 0);
    assert_eq!(ask(somebody.servers[0].1, &["DBSIZE"]).trim(), "0");
}

#[test]
fn a_given_process_goes_on_when_the_run_leaves_at_once() {
    let Some(mut somebody) = Somebody::new() else { return };
    let (mut child, process) = somebody.paused();
    // The second may come before the first has healed anything, or after: either way it goes on.
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(1));
    signal(&child, "-TERM");
    let code = child.wait().expect("it ends").code();
    assert!(code == Some(130) || code == Some(0), "{code:?}");
    eventually("it goes on", || state(&process) != 'T');
    assert_eq!(somebody.left(), 0);
}

#[test]
fn clean_lets_a_process_go_on_that_a_killed_run_had_paused() {
    let Some(mut somebody) = Somebody::new() else { return };
    let (mut child, process) = somebody.paused();
    signal(&child, "-KILL");
    child.wait().expect("it ends");
    assert_eq!((state(&process), somebody.left()), ('T', 1));
    somebody.steadfast(&["clean"], 0);
    eventually("it goes on", || state(&process) != 'T');
    assert_eq!(somebody.left(), 0);
    somebody.steadfast(&["check", "history.jsonl"], 0);
}

#[test]
fn a_given_process_is_killed_and_started_again_by_a_command() {
    let Some(mut somebody) = Somebody::new() else { return };
    let port = somebody.redis(None);
    let process = somebody.process(port);
    let (address, pid) = (format!("127.0.0.1:{port}"), format!("n1={process}"));
    let command = format!(
        "test $STEADFAST_NODE = n1 && rm -f pid && redis-server --port {port} --daemonize yes --pidfile $PWD/pid --dir $PWD \
         --save '' >&2 && until test -s pid; do sleep 0.05; done; cat pid"
    );
    let words = ["record", "redis", "--address", &address, "--pid", &pid, "--restart-command", &command];
    let more = [
        "--faults",
        "kill@300ms+500ms,restart@1.5s",
        "--duration",
        "3s",
        "--settle",
        "0s",
        "-o",
        "history.jsonl",
    ];
    let said = somebody.steadfast(&[&words[..], &more].concat(), 0);
    let history = somebody.history();
    for sign in ["\"kill\"", "heal-kill", "\"restart\"", "\"node\":\"n1\"", "Connection refused"] {
        assert!(history.contains(sign), "{sign}: {said}");
    }
    let another = somebody.process(port);
    assert!(another != process && state(&process) != 'S');
    ask(port, &["SHUTDOWN", "NOSAVE"]);
    // A store without a disk forgets all it had acknowledged, and the check sees it.
    let said = somebody.steadfast(&["check", "history.jsonl"], 1);
    assert!(said.contains("Violates linearizable"), "{said}");
}

#[test]
fn faults_that_cannot_be_had_are_refused_before_anything_is_done() {
    let Some(mut somebody) = Somebody::new() else { return };
    let ports = [somebody.redis(None), somebody.redis(None)];
    let address = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
    let pid = format!("n1={}", somebody.process(ports[0]));
    let with = |more: &[&str], code: i32| {
        let words = [
            "record",
            "redis",
            "--duration",
            "1s",
            "--settle",
            "0s",
            "--address",
            &address,
            "-o",
            "history.jsonl",
        ];
        somebody.steadfast(&[&words, more].concat(), code)
    };
    for (more, says) in [
        (&["--pid", &pid, "--faults", "kill"][..], "pass --restart-command"),
        (&["--pid", &pid, "--faults", "one-way:n2"], "only links to clients lead through proxies of the run"),
        (&["--pid", &pid, "--faults", "skew=1s"], "the run did not start these servers"),
        (&["--pid", &pid, "--faults", "pause:replica"], "pass --pid n2=NUMBER"),
        (&["--pid", &pid, "--faults", "pause:all"], "pass --pid n2=NUMBER"),
        (&["--pid", "n7=123456", "--faults", "pause"], "there are n1, n2"),
        (&["--pid", "n1=4194305", "--faults", "pause"], "there is no process 4194305"),
        (&["--pid", "n1", "--faults", "pause"], "n1=1234"),
        (&["--restart-command", "true", "--faults", "kill"], "--pid"),
        (&["--faults", "pause"], "the run did not start these servers"),
    ] {
        let said = with(more, 2);
        assert!(said.contains(says), "{more:?}: {said}");
        assert!(!somebody.path().join("history.jsonl").exists(), "{more:?}");
        assert_eq!(somebody.left(), 0);
    }
    let said = with(&["--pid", &pid, "--faults", "restart@200ms", "--restart-command", "echo none"], 2);
    assert!(said.contains("printed \"none\" last") && said.contains("The recording so far is in"), "{said}");
    somebody.steadfast(&["check", "history.jsonl"], 0);
}

/// A primary, a replica and a Sentinel that are there already. The primary stands still, the Sentinel makes the
/// replica the new one, and clients follow: by the history, both have answered writes.
#[test]
fn given_sentinels_are_asked_who_is_the_primary() {
    let Some(mut somebody) = Somebody::new() else { return };
    let primary = somebody.redis(None);
    let replica = somebody.redis(Some(primary));
    let file = somebody.path().join("sentinel.conf");
    let group = recorder::stores::redis::GROUP;
    let sentinel = somebody.start("redis-sentinel", |port| {
        let text = format!(
            "port {port}\nsentinel monitor {group} 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds {group} 500\nsentinel failover-timeout {group} 3000\n"
        );
        std::fs::write(&file, text).expect("a file");
        vec![file.to_string_lossy().into_owned()]
    });
    eventually("the Sentinel knows the replica", || {
        ask(sentinel, &["SENTINEL", "replicas", group]).contains(&replica.to_string())
            && ask(primary, &["INFO", "replication"]).contains("state=online")
    });
    let address = format!("127.0.0.1:{primary},127.0.0.1:{replica}");
    let (sentinels, pid) =
        (format!("127.0.0.1:1,127.0.0.1:{sentinel}"), format!("n1={}", somebody.process(primary)));
    // Whom the fault strikes is only known when it does, so both processes would have to be given: it is named.
    let words = ["record", "redis", "--address", &address, "--sentinel", &sentinels, "--pid", &pid];
    let more = ["--faults", "pause:n1@1s+6s", "--duration", "8s", "--settle", "0s", "--after-heal", "0s"];
    let said = somebody.steadfast(&[&words[..], &more, &["-o", "history.jsonl"]].concat(), 0);
    let history = somebody.history();
    let wrote = |node: &str| {
        let ok = |line: &str| line.contains("\"type\":\"ok\",\"f\":\"write\"") && line.contains(node);
        history.lines().filter(|line| ok(line)).count()
    };
    assert!(wrote("\"node\":\"n1\"") > 20 && wrote("\"node\":\"n2\"") > 20, "{said}");
}

#[test]
fn reads_go_to_several_given_servers() {
    let Some(mut somebody) = Somebody::new() else { return };
    let primary = somebody.redis(None);
    let replica = somebody.redis(Some(primary));
    eventually("the replica follows", || ask(primary, &["INFO", "replication"]).contains("state=online"));
    let address = format!("127.0.0.1:{primary},127.0.0.1:{replica}");
    let words =
        ["record", "redis", "--address", &address, "--replica-reads", "--wait", "1", "--duration", "1s"];
    let said = somebody.steadfast(&[&words[..], &["--settle", "0s", "-o", "history.jsonl"]].concat(), 0);
    let history = somebody.history();
    let answered = |f: &str, node: &str| {
        let sign = format!("\"type\":\"ok\",\"f\":\"{f}\"");
        history.lines().filter(|line| line.contains(&sign) && line.contains(node)).count()
    };
    assert!(answered("read", "\"n1\"") > 10 && answered("read", "\"n2\"") > 10, "{said}");
    assert!(answered("write", "\"n1\"") > 10 && answered("write", "\"n2\"") == 0, "{said}");
    for port in [primary, replica] {
        eventually("no key is left", || ask(port, &["DBSIZE"]).trim() == "0");
    }
}
