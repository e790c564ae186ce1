//! PHP's own sessions on two nodes of PHP-FPM behind HAProxy: the same application, and four places for its sessions.
//!
//! The most reported bug of web sessions is that of two requests at once: each reads the whole session, and the one that ends last
//! writes all of it back. PHP locks the file of a session against this. Its extension for Redis does not, unless it is told to. So the
//! right verdict of each side is known from the documentation of PHP. Beside it, the test counts by its own rule, from the lines of the
//! history alone, how often a part of a session went back to an older version.
//!
//! Where php8.2-fpm with php8.2-redis, haproxy or redis-server are missing, the tests say so.

use crate::undone::count_undone;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recorder/stacks/php");
/// How long the application works on each request, so that requests of a session overlap on a fast machine too.
const WORK_MICROSECONDS: &str = "20000";

/// A started example. Its processes end when this is dropped.
struct PhpExample {
    folder: tempfile::TempDir,
    ports: [u16; 4],
    sessions: &'static str,
    /// One example at a time: a small machine would be overloaded.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl PhpExample {
    fn start(sessions: &'static str) -> Option<Self> {
        let modules = Command::new("php-fpm8.2").arg("-m").output();
        let has_redis = modules
            .is_ok_and(|output| output.stdout.split(|&byte| byte == b'\n').any(|line| line == b"redis"));
        let missing = [("haproxy", "-v"), ("redis-server", "--version")]
            .into_iter()
            .find(|(program, version)| Command::new(program).arg(version).output().is_err());
        if let Some(what) =
            missing.map(|(program, _)| program).or((!has_redis).then_some("php8.2-fpm with php8.2-redis"))
        {
            eprintln!("skipped: {what} is missing");
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = listeners.map(|listener| listener.local_addr().expect("an address").port());
        let example = Self { folder: tempfile::tempdir().expect("a folder"), ports, sessions, _turn: turn };
        let output = example.command(&format!("{EXAMPLE}/start.sh")).arg("all").output().expect("a shell");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let began = Instant::now();
        while !example.serves() {
            assert!(began.elapsed() < Duration::from_secs(30), "it does not serve: {}", example.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
        let text = std::fs::read_to_string(Path::new(EXAMPLE).join("stack.toml")).expect("a description");
        let text = text.replace("127.0.0.1:8080", &format!("127.0.0.1:{}", ports[0]));
        let text = text.replace("./start.sh", &format!("{EXAMPLE}/start.sh"));
        std::fs::write(example.folder.path().join("stack.toml"), text).expect("a file");
        Some(example)
    }

    /// A command with the settings of the example.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let [proxy, one, two, redis] = self.ports.map(|port| port.to_string());
        command
            .current_dir(&self.folder)
            .env("FOLDER", self.folder.path())
            .env("SESSIONS", self.sessions)
            .env("WORK_MICROSECONDS", WORK_MICROSECONDS)
            .envs([("PORT", proxy), ("PORT1", one), ("PORT2", two), ("REDIS_PORT", redis)]);
        command
    }

    fn serves(&self) -> bool {
        let ask = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.ports[0])).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
            stream.write_all(b"GET /health HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            answer.starts_with("HTTP/1.1 200").then_some(())
        };
        ask().is_some()
    }

    fn logs(&self) -> String {
        let log = |name: &str| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        ["web1.log", "web1.errors.log", "web2.errors.log", "proxy.log", "redis.log"].map(log).concat()
    }

    fn steadfast(&self, words: &str) -> Output {
        let words = words.split_whitespace();
        self.command(env!("CARGO_BIN_EXE_steadfast")).args(words).output().expect("it runs")
    }

    /// A run in which users have several requests at once: the exit code, the answer, and the events.
    fn run(&self) -> (i32, Value, Vec<Value>) {
        let output = self.steadfast(
            "run http --stack stack.toml --format json --quiet --output h.jsonl --session-concurrency 3 --fields 2 \
             --write-mode per-field --sessions 4 --load 80/s --duration 6s --settle 500ms --operation-timeout 10s",
        );
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let first = printed.lines().next().unwrap_or_default();
        let answer =
            serde_json::from_str(first).unwrap_or_else(|why| panic!("{why}: {printed}{said}{}", self.logs()));
        let text = std::fs::read_to_string(self.folder.path().join("h.jsonl")).expect("a history");
        let events = text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (output.status.code().expect("a code"), answer, events)
    }
}

impl Drop for PhpExample {
    fn drop(&mut self) {
        let _ = self.command(&format!("{EXAMPLE}/start.sh")).arg("stop").output();
    }
}

/// The files of PHP are locked until the request ends, and so is Redis if it is told to.
#[test]
fn sessions_that_are_locked_lose_nothing() {
    for sessions in ["files", "locked"] {
        let Some(example) = PhpExample::start(sessions) else { return };
        let tried = example.steadfast("stack test stack.toml --quiet");
        assert!(tried.status.success(), "{}{}", String::from_utf8_lossy(&tried.stdout), example.logs());
        let (code, answer, events) = example.run();
        let overlapping =
            events.windows(2).filter(|pair| pair.iter().all(|event| event["type"] == "invoke")).count();
        assert!(overlapping > 20, "{sessions}: requests hardly overlapped");
        assert_eq!(count_undone(&events), 0, "{sessions}");
        assert_eq!((code, answer["verdict"].as_str()), (0, Some("holds")), "{sessions}: {answer}");
    }
}

/// The extension for Redis reads a session at the begin of a request and writes it at the end, without a lock.
#[test]
fn sessions_in_redis_without_locks_undo_each_other() {
    let Some(example) = PhpExample::start("redis") else { return };
    let (code, answer, events) = example.run();
    let undone = count_undone(&events);
    assert!(undone > 0, "no request undid another one; the run could not show it");
    assert_eq!(code, 1, "{answer}");
    let levels = answer["levels"].as_array().expect("levels").iter();
    let violated: Vec<&str> = levels
        .filter(|level| level["verdict"] == "violated")
        .filter_map(|level| level["level"].as_str())
        .collect();
    assert!(violated.contains(&"stale-session"), "{violated:?}, {undone} undone");
    // A request that was at work during a renewal or a logout writes the old id back as well. But PHP mixes nothing up.
    assert!(
        !violated.iter().any(|name| ["session-leak", "torn-session", "expired-late"].contains(name)),
        "{violated:?}"
    );
}

/// Two nodes with files of their own behind one address: half of the requests find no session. This was taken for a wrong
/// description, because the first read after the login found nothing.
#[test]
fn sessions_that_nodes_do_not_share_are_a_bug_and_no_misfit() {
    let Some(example) = PhpExample::start("apart") else { return };
    let tried = example.steadfast("stack test stack.toml --quiet");
    let printed = String::from_utf8_lossy(&tried.stdout).into_owned();
    assert!(tried.status.success(), "{printed}{}", String::from_utf8_lossy(&tried.stderr));
    assert!(printed.contains("The nodes behind this entry do not share their sessions"), "{printed}");
    let (code, answer, _) = example.run();
    assert_eq!(code, 1, "{answer}");
    let levels = answer["levels"].as_array().expect("levels").iter();
    let lost = levels.filter(|level| level["level"] == "lost-session" && level["verdict"] == "violated");
    assert_eq!(lost.count(), 1, "{answer}");
}
