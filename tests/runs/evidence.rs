//! Whether the faults of a run were real: what was seen of each stands in the history, and one that was not in force is
//! not green.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_steadfast");

fn events(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("history.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn nemesis<'a>(events: &'a [Value], function: &str) -> &'a Value {
    let found = events.iter().find(|event| event["process"] == "nemesis" && event["f"] == function);
    found.unwrap_or_else(|| panic!("no {function}"))
}

#[test]
fn what_was_seen_of_each_fault_stands_in_the_history() {
    if recorder::system::find_program("redis-sentinel", "redis-sentinel").is_err() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let faults = "pause:n2@300ms+700ms,partition:n3@1500ms+1500ms,kill:n2@3500ms+500ms,restart:n3@4500ms";
    let words = ["record", "redis-sentinel", "--faults", faults, "--duration", "5s", "--after-heal", "1s"];
    let mut command = Command::new(PROGRAM);
    command.args(words).args(["--settle", "0s", "--output", "history.jsonl"]).current_dir(&folder);
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let events = events(folder.path());
    for (function, strikes, sign) in [
        ("heal-pause", "pause", "n2: its process is in state T"),
        ("heal-kill", "kill", "n2: no process"),
        ("restart", "restart", "n3: its process is in state"),
    ] {
        let evidence = &nemesis(&events, function)["evidence"];
        assert_eq!(evidence["in_force"], true, "{function}: {evidence}");
        assert!(evidence["how"].as_str().expect("how").contains(sign), "{function}: {evidence}");
        let (from, to) =
            (evidence["from_ns"].as_u64().expect("from"), evidence["to_ns"].as_u64().expect("to"));
        let struck = nemesis(&events, strikes)["time"].as_u64().expect("a time");
        assert!(from <= to && from <= struck + 100_000_000, "{function}: {evidence}");
    }
    // A restart is over when the server serves again: it began before that.
    let restart = nemesis(&events, "restart");
    assert!(restart["began"].as_u64() < restart["time"].as_u64(), "{restart}");
    // By proxies nobody counts packets.
    let evidence = &nemesis(&events, "heal-partition")["evidence"];
    if recorder::system::Capabilities::probe().drops.is_ok() {
        assert_eq!(evidence["in_force"], true, "{evidence}");
        assert!(evidence["how"].as_str().expect("how").ends_with("packets matched its firewall rules"));
    }
}

/// A server that answers as much of Redis as a run of registers needs.
fn false_redis() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(1..) = stream.read(&mut bytes) {
                    if stream.write_all(b"+OK\r\n").is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// Somebody lets a paused process go on in the middle of the fault.
#[test]
fn a_fault_that_was_not_in_force_is_said() {
    let (address, folder) = (false_redis(), tempfile::tempdir().expect("a folder"));
    let mut sleeper = Command::new("sleep").arg("60").spawn().expect("sleep");
    let pid = format!("n1={}", sleeper.id());
    let words = ["record", "redis", "--address", &address, "--pid", &pid, "--faults", "pause@200ms+2s"];
    let mut command = Command::new(PROGRAM);
    command.args(words).args(["--duration", "4s", "--settle", "0s", "--output", "history.jsonl"]);
    command.current_dir(&folder).stderr(std::process::Stdio::piped());
    let child = command.spawn().expect("it starts");
    let began = Instant::now();
    while !events(folder.path()).iter().any(|event| event["f"] == "pause") {
        assert!(began.elapsed() < Duration::from_secs(30), "it is paused");
        std::thread::sleep(Duration::from_millis(10));
    }
    let resumed = Command::new("kill").args(["-CONT", &sleeper.id().to_string()]).status();
    assert!(resumed.expect("kill").success());
    let output = child.wait_with_output().expect("it ends");
    sleeper.kill().expect("ours");
    sleeper.wait().expect("ours");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("the fault pause of n1 was not observed in force: n1: its process is in state S"),
        "{said}"
    );
    assert_eq!(nemesis(&events(folder.path()), "heal-pause")["evidence"]["in_force"], false);
}
