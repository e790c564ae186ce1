//! A run that did not put its store to the test is not green: exit code 3, with the reason.
//!
//! A Redis that answered garbage to 501 of 501 requests was said to hold its promises, and so was a store whose fault
//! struck nobody, or was on until nobody asked any more.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_steadfast");

/// A server that answers PING as Redis does, and everything else with these words.
fn false_redis(words: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut bytes) {
                    let pinged = bytes[..length].windows(4).any(|word| word == b"PING");
                    let answer = if pinged { "+PONG\r\n" } else { words };
                    if stream.write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

fn run(words: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(PROGRAM).args(words).current_dir(&folder).output().expect("it runs");
    (output.status.code(), said(&output))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const SHORT: [&str; 6] = ["--duration", "1s", "--settle", "0s", "--load", "200/s"];

#[test]
fn a_store_that_answers_nothing_useful_is_not_tested() {
    for (answer, told) in [("+WHAT\r\n", "an unexpected reply"), ("-ERR no\r\n", "ERR no")] {
        let address = false_redis(answer);
        for command in ["run", "record"] {
            let (code, said) = run(&[&[command, "redis", "--address", &address][..], &SHORT].concat());
            assert_eq!(code, Some(3), "{command} {answer:?}: {said}");
            assert!(said.contains("the store was not tested: none of") && said.contains(told), "{said}");
        }
    }
}

/// A server that acknowledges writes is tested, if not by much.
#[test]
fn a_store_that_answers_something_is_tested() {
    let address = false_redis("+OK\r\n");
    let (code, said) = run(&[&["record", "redis", "--address", &address][..], &SHORT].concat());
    assert!(code == Some(0) && !said.contains("not tested"), "{code:?} {said}");
}

#[test]
fn a_fault_that_strikes_nobody_is_not_tested() {
    let address = false_redis("+OK\r\n");
    let mut sleeper = Command::new("sleep").arg("60").spawn().expect("sleep");
    let pid = format!("n1={}", sleeper.id());
    let faults = ["--pid", &pid, "--faults", "pause:replica@200ms+200ms"];
    let (code, said) = run(&[&["record", "redis", "--address", &address][..], &faults, &SHORT].concat());
    sleeper.kill().expect("ours");
    sleeper.wait().expect("ours");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("no fault was tested: none of the 1 planned faults struck a node"), "{said}");
}

#[test]
fn a_fault_that_outlasts_the_load_is_said_to() {
    let quorum = ["run", "--replication", "quorum", "--duration", "10s"];
    for (faults, after, code, says) in [
        ("partition@7s+3s", "0s", 3, "lasted until the load ended at 10s"),
        ("partition@7s+3s", "2s", 0, ""),
        ("partition@7s+9s", "2s", 3, "was planned until 16s but ended at 10s"),
        ("kill@2s+1s,partition@7s+9s", "2s", 3, "the fault partition was planned"),
        ("none", "0s", 0, ""),
    ] {
        let (found, said) = run(&[&quorum[..], &["--faults", faults, "--after-heal", after]].concat());
        assert_eq!(found, Some(code), "{faults} {after}: {said}");
        assert!(said.contains(says) && said.contains("warning") == (code == 3), "{faults} {after}: {said}");
    }
}

/// What this program lacks is not the store's fault.
#[test]
fn a_lack_of_open_files_is_said() {
    let address = false_redis("+OK\r\n");
    let folder = tempfile::tempdir().expect("a folder");
    let options = "--clients 40 --sessions 40 --keys 40 --duration 1s --settle 0s --load 400/s";
    let script = format!("ulimit -n 24; exec {PROGRAM} record redis --address {address} {options}");
    let output = Command::new("bash").args(["-c", &script]).current_dir(&folder).output().expect("bash");
    let text = said(&output);
    assert!(matches!(output.status.code(), Some(2 | 3)), "{text}");
    assert!(text.contains("Too many open files"), "{text}");
    let history = std::fs::read_to_string(folder.path().join("steadfast-redis-1.jsonl")).unwrap_or_default();
    assert!(history.contains("\"end\""), "the recording is kept: {text}");
}
