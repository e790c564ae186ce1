//! The tap before the Express application of `recorder/stacks/express`: a stock session library behind it, signed cookies, fields,
//! orders, an audit trail. The recording of the tap must be that of the driver whose load it passes on.
//!
//! Needs redis-server, redis-sentinel, node and the packages of the application. Where one is missing, the test says so.

use crate::compare;
use crate::tap::process::RunningTap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recorder/stacks/express");

/// A server of the stack. It ends when this is dropped.
struct Server(Child);

impl Server {
    fn start(command: &mut Command, log: &Path) -> Self {
        let log = std::fs::File::create(log).expect("a log");
        let errors = log.try_clone().expect("a log");
        let command = command.stdin(Stdio::null()).stdout(log).stderr(errors);
        Self(command.spawn().expect("it starts"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The folder with the packages; otherwise, says what is missing.
fn find_packages() -> Option<PathBuf> {
    for program in ["redis-server", "redis-sentinel", "node"] {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("skipped: the program {program} is not there");
            return None;
        }
    }
    let named = std::env::var_os("STEADFAST_NODE_MODULES").map(PathBuf::from);
    let packages = named.unwrap_or_else(|| Path::new(EXAMPLE).join("node_modules"));
    if !packages.join("express").is_dir() {
        eprintln!("skipped: {} has no express; run npm ci in {EXAMPLE}", packages.display());
        return None;
    }
    Some(packages)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

fn await_health(port: u16, folder: &Path) {
    let began = Instant::now();
    let healthy = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.contains(" 200 ").then_some(())
    };
    while healthy().is_none() {
        let logs = ["redis.log", "sentinel.log", "app.log"];
        let logs = logs.map(|name| std::fs::read_to_string(folder.join(name)).unwrap_or_default()).concat();
        assert!(began.elapsed() < Duration::from_secs(60), "the application does not serve: {logs}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn start_stack(folder: &Path, packages: &Path) -> (Vec<Server>, u16) {
    let [redis, sentinel, app] = [(); 3].map(|()| free_port());
    let mut servers = Vec::new();
    let mut command = Command::new("redis-server");
    command.args(["--port", &redis.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(folder);
    servers.push(Server::start(&mut command, &folder.join("redis.log")));
    let settings =
        format!("port {sentinel}\nbind 127.0.0.1\nsentinel monitor steadfast 127.0.0.1 {redis} 1\n");
    std::fs::write(folder.join("sentinel.conf"), settings).expect("a file");
    let mut command = Command::new("redis-sentinel");
    command.arg(folder.join("sentinel.conf"));
    servers.push(Server::start(&mut command, &folder.join("sentinel.log")));
    let began = Instant::now();
    while [redis, sentinel].iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()) {
        assert!(began.elapsed() < Duration::from_secs(30), "Redis does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut command = Command::new("node");
    command
        .arg(Path::new(EXAMPLE).join("app.js"))
        .env("NODE_PATH", packages)
        .envs([("NAME", "a1"), ("HOST", "127.0.0.1")])
        .env("PORT", app.to_string())
        .env("SENTINELS", format!("127.0.0.1:{sentinel}"))
        .env("AUDIT", folder.join("audit.jsonl"));
    servers.push(Server::start(&mut command, &folder.join("app.log")));
    await_health(app, folder);
    (servers, app)
}

#[test]
fn a_tap_records_on_express_what_the_driver_records() {
    let Some(packages) = find_packages() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (_servers, app) = start_stack(folder.path(), &packages);
    let to = format!("127.0.0.1:{app}");
    let text = std::fs::read_to_string(Path::new(EXAMPLE).join("stack.toml")).expect("a description");
    std::fs::write(folder.path().join("stack.toml"), text.replace("127.0.0.1:8080", &to)).expect("a file");
    let tap = RunningTap::start(folder.path(), &to, "tapped.jsonl", &[]);
    let driver = text.replace("127.0.0.1:8080", &tap.address);
    std::fs::write(folder.path().join("driver.toml"), driver).expect("a file");
    let words = "run http --stack driver.toml --skip-probe --quiet --output driven.jsonl --settle 500ms --duration 5s \
                 --after-heal 0s --operation-timeout 20s --load 100/s --sessions 8 --fields 2 --actions 0.2 --edits 0.2 \
                 --churn 12 --logins 0.5";
    let ran = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(words.split_whitespace())
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(matches!(ran.status.code(), Some(0 | 1)), "{errors}");
    let (code, said) = tap.stop("-TERM");
    assert_eq!(code, 0, "{said}");
    let history = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a history");
    let counts = compare::compare_recordings(&history("driven.jsonl"), &history("tapped.jsonl"));
    for f in ["create", "read", "write", "patch", "touch", "renew", "destroy", "act", "actions"] {
        assert!(counts.get(f).is_some_and(|count| *count >= 2), "{counts:?}");
    }
    assert!(said.contains("each request fits a step"), "{said}");
}
