//! Every run ends, in a stated time, whatever the store does and whenever a signal comes.
//!
//! `run redis` once never ended where a server stopped answering without closing its connections: each object was read
//! thirty times, with a time-out each, and the keys of the run were removed without any limit. A signal was not heard
//! while a stack was being started or a store was to settle.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A server that speaks as much Redis as a run of registers needs, until it is told to fall silent: then it accepts
/// connections, reads requests, and answers nothing.
struct FalseRedis {
    address: String,
    silent: Arc<AtomicBool>,
}

impl FalseRedis {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let silent = Arc::new(AtomicBool::new(false));
        let told = silent.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let silent = told.clone();
                std::thread::spawn(move || serve(stream, &silent));
            }
        });
        Self { address, silent }
    }

    fn fall_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }
}

fn serve(mut stream: TcpStream, silent: &AtomicBool) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        for command in text.split('*').skip(1) {
            let name = command.lines().nth(2).unwrap_or_default();
            let answer = match name {
                "GET" => "$-1\r\n",
                "INFO" => "$0\r\n\r\n",
                "SCAN" => "*2\r\n$1\r\n0\r\n*0\r\n",
                _ => "+OK\r\n",
            };
            if silent.load(Ordering::SeqCst) || stream.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
    }
}

/// A run in a folder of its own, with its temporary files in it.
struct Run {
    folder: tempfile::TempDir,
    child: Child,
}

impl Run {
    fn start(words: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("tmp")).expect("a folder");
        let file = |name: &str| std::fs::File::create(folder.path().join(name)).expect("a file");
        // Whoever runs these tests may ignore SIGHUP (`nohup`), which its children would inherit.
        let child = Command::new("env")
            .args(["--default-signal=HUP,INT,TERM", env!("CARGO_BIN_EXE_steadfast")])
            .args(words)
            .args(["--output", "history.jsonl"])
            .current_dir(&folder)
            .env("TMPDIR", folder.path().join("tmp"))
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        Self { folder, child }
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    fn wait_until(&self, what: &str, is_so: impl Fn(&Run) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "not in time: {what}\n{}",
                self.text("stderr")
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, name: &str) -> Instant {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill").success());
        Instant::now()
    }

    /// Waits for the end; how it ended, and how long after `since`.
    fn ends(&mut self, since: Instant) -> (Option<i32>, Duration) {
        let began = Instant::now();
        while self.child.try_wait().expect("a child").is_none() {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not end\n{}", self.text("stderr"));
            std::thread::sleep(Duration::from_millis(10));
        }
        (self.child.wait().expect("a child").code(), since.elapsed())
    }

    /// Files and folders among the temporary ones.
    fn left(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("tmp")).expect("a folder").count()
    }

    /// What `check` says of the history.
    fn check(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
        let output = command.args(["check", "history.jsonl"]).current_dir(&self.folder).output();
        let output = output.expect("it runs");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Whatever an assertion has left running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A busy machine is slower than two seconds by its own.
const IN_TIME: Duration = Duration::from_millis(3500);

/// How a run on a false Redis begins.
fn on(server: &FalseRedis, more: &[&'static str]) -> Run {
    let words = ["record", "redis", "--address", &server.address];
    let run = Run::start(&[&words[..], more].concat());
    run.wait_until("it records", |run| run.text("history.jsonl").matches("\"ok\"").count() > 20);
    run
}

#[test]
fn a_store_that_falls_silent_does_not_keep_a_run_from_ending() {
    let server = FalseRedis::start();
    let mut run =
        on(&server, &["--duration", "2s", "--operation-timeout", "200ms", "--settle", "0s", "--keys", "40"]);
    let began = Instant::now();
    server.fall_silent();
    // Two seconds of load, five of silence while reading back, two for the answer to the removal of keys; and the
    // time that a busy machine takes.
    let (code, took) = run.ends(began);
    let said = run.text("stderr");
    // Few operations succeeded before the silence.
    assert!(code == Some(3) && took < Duration::from_secs(15), "{code:?} after {took:?}: {said}");
    assert!(said.contains("the store was hardly tested: only"), "{said}");
    assert!(
        said.contains("the final read of 40 objects failed (the store answered nothing for 5s): k1"),
        "{said}"
    );
    assert!(
        said.contains("the keys of this run could not be removed: no answer to SCAN within 2s"),
        "{said}"
    );
    let history = run.text("history.jsonl");
    let unread = history.lines().filter(|line| line.contains("\"f\":\"unread\"")).count();
    assert!(unread == 5 && history.contains("\"f\":\"end\""), "{unread}");
}

#[test]
fn a_store_that_is_silent_from_the_start_is_said_to_be() {
    let server = FalseRedis::start();
    server.fall_silent();
    let began = Instant::now();
    let mut run = Run::start(&["record", "redis", "--address", &server.address]);
    let (code, took) = run.ends(began);
    assert!(code == Some(2) && took < Duration::from_secs(6), "{code:?} after {took:?}");
    assert!(run.text("stderr").contains("n1: no answer to PING within 2s"), "{}", run.text("stderr"));
}

/// While operations wait for a store that hangs, which may take them a minute, and while the store is to settle.
#[test]
fn each_signal_ends_a_run_in_time_in_each_phase() {
    for (signal, phase) in [("-INT", "load"), ("-TERM", "load"), ("-HUP", "load"), ("-HUP", "settle")] {
        let server = FalseRedis::start();
        let mut run = match phase {
            "load" => on(&server, &["--duration", "100s", "--operation-timeout", "60s", "--settle", "0s"]),
            _ => on(&server, &["--duration", "300ms", "--settle", "100s"]),
        };
        if phase == "load" {
            server.fall_silent();
            std::thread::sleep(Duration::from_millis(300));
        } else {
            run.wait_until("the load is over", |run| run.text("history.jsonl").contains("\"ok\""));
            std::thread::sleep(Duration::from_millis(800));
        }
        let (code, took) = {
            let began = run.signal(signal);
            run.ends(began)
        };
        let said = run.text("stderr");
        assert!(took < IN_TIME, "{signal} in {phase}: {took:?}: {said}");
        assert_eq!(code, Some(0), "{signal} in {phase}: {said}");
        assert!(said.contains("stopped early") && run.left() == 0, "{signal} in {phase}: {said}");
        // Nobody waited for the store to settle, and nothing says that it had.
        assert_eq!(run.text("history.jsonl").contains("\"settled\""), phase == "load", "{signal} in {phase}");
        assert!(!run.check().contains("error"), "{signal} in {phase}: {}", run.check());
    }
}

/// Sentinels take seconds to agree: a signal comes in the middle of that.
#[test]
fn a_signal_ends_a_stack_that_is_being_started() {
    if recorder::system::find_program("redis-sentinel", "redis-sentinel").is_err() {
        return;
    }
    let mut run = Run::start(&["record", "redis-sentinel"]);
    run.wait_until("servers run", |run| run.left() > 0);
    std::thread::sleep(Duration::from_millis(300));
    let began = run.signal("-TERM");
    let (code, took) = run.ends(began);
    let said = run.text("stderr");
    assert!(code == Some(2) && took < IN_TIME, "{code:?} after {took:?}: {said}");
    assert!(said.contains("asked to stop before it began") && run.left() == 0, "{said}");
    assert!(!run.folder.path().join("history.jsonl").exists(), "nothing was recorded");
}

/// Whoever starts a run with `nohup` wants it to outlive the terminal.
#[test]
fn a_hang_up_that_was_ignored_stays_ignored() {
    let server = FalseRedis::start();
    let program = env!("CARGO_BIN_EXE_steadfast");
    let script = format!(
        "trap '' HUP; exec {program} record redis --address {} --duration 1s --settle 0s --output history.jsonl",
        server.address
    );
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Command::new("sh");
    let mut child =
        shell.args(["-c", &script]).current_dir(&folder).stderr(Stdio::null()).spawn().expect("sh");
    let history = folder.path().join("history.jsonl");
    let began = Instant::now();
    while !std::fs::read_to_string(&history).unwrap_or_default().contains("\"ok\"") {
        assert!(began.elapsed() < Duration::from_secs(30), "it records");
        std::thread::sleep(Duration::from_millis(10));
    }
    let killed = Command::new("kill").args(["-HUP", &child.id().to_string()]).status();
    assert!(killed.expect("kill").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let text = std::fs::read_to_string(&history).expect("a history");
    assert!(text.contains("\"settled\"") && text.contains("\"end\""), "it was not cut short");
}

#[test]
fn a_second_signal_leaves_at_once() {
    let server = FalseRedis::start();
    let mut run = on(&server, &["--duration", "100s", "--operation-timeout", "60s"]);
    server.fall_silent();
    std::thread::sleep(Duration::from_millis(300));
    let began = run.signal("-HUP");
    run.signal("-TERM");
    let (code, took) = run.ends(began);
    assert!(code == Some(130) && took < Duration::from_millis(1200), "{code:?} after {took:?}");
    assert!(run.left() == 0 && !run.check().contains("error"));
}

/// A signal came before the fault of the plan. The run had tested nothing of what it was asked for, and ended with 0.
#[test]
fn a_run_that_is_ended_before_its_fault_proves_nothing() {
    let server = FalseRedis::start();
    let mut run = on(&server, &["--duration", "100s", "--settle", "0s", "--faults", "delay=10ms@60s+1s"]);
    run.wait_until("the load runs", |run| run.text("history.jsonl").contains("\"ok\""));
    let began = run.signal("-INT");
    let (code, took) = run.ends(began);
    let said = run.text("stderr");
    assert!(code == Some(3) && took < IN_TIME, "{code:?} after {took:?}: {said}");
    assert!(said.contains("before 1 planned fault struck"), "{said}");
}
