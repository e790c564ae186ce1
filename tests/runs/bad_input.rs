//! What a recording says when it cannot be: exit code 2, what is wrong and what there is, everything undone, and what
//! was recorded kept.

use assert_cmd::Command;
use recorder::system::{Disk, Server, find_program};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// A folder in which a run works, with another inside for its temporary files.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["tmp", "bin"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// What a command says on both outputs when it ends with this code.
    fn says(&self, program: &str, words: &[&str], code: i32) -> String {
        let path = std::env::var("PATH").expect("a path");
        let mut command = Command::new(program);
        command.args(words).current_dir(self.path()).env("TMPDIR", self.path().join("tmp"));
        command.env("PATH", format!("{}:{path}", self.path().join("bin").display()));
        let output = command.assert().code(code).get_output().clone();
        assert_eq!(std::fs::read_dir(self.path().join("tmp")).expect("a folder").count(), 0);
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    fn refuses(&self, words: &[&str], says: &str) {
        let said = self.says(env!("CARGO_BIN_EXE_steadfast"), words, 2);
        assert!(said.contains(says), "{words:?}: {says}: {said}");
    }

    /// A program that is found before any other of its name.
    fn program(&self, name: &str, text: &str) {
        let path = self.path().join("bin").join(name);
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    }

    /// The history that was cut short is one.
    fn kept(&self, name: &str) {
        let path = self.path().join(name);
        let lines = std::fs::read_to_string(&path).expect("a history").lines().count();
        assert!(lines > 20, "{lines} lines");
        let words = ["check", "--consistency", "consistent-prefix", name];
        let said = self.says(env!("CARGO_BIN_EXE_steadfast"), &words, 0);
        assert!(said.contains("the recording was cut short"), "{said}");
    }
}

/// Programs that a test needs and that may not be here.
fn here(programs: &[&str]) -> bool {
    programs.iter().all(|program| find_program(program, program).is_ok())
}

#[test]
fn what_is_not_there_is_named_with_what_there_is() {
    let place = Place::new();
    std::fs::write(place.path().join("schedule.toml"), "strikes = [\"kill:n9@1s\"]").expect("a file");
    for (words, says) in [
        (&["run", "oracle"][..], "Choose one of: embedded, redis"),
        (
            &["run", "--faults", "earthquake"],
            "there is no fault \"earthquake\". `steadfast faults` lists them",
        ),
        (&["run", "--no-such-option"], "unexpected argument '--no-such-option'"),
        (&["run", "--schedule", "schedule.toml"], "names node \"n9\", but there are n1, n2, n3"),
        (&["run", "--faults", "full-disk"], "its nodes keep everything in memory and have no disk"),
        (&["run", "--faults", "slow-disk=1MB"], "expected bytes per second"),
        (
            &["run", "--payload", "1KiB"],
            "--payload-size has no effect on workload register. Pass --workload session.",
        ),
        (
            &["run", "--workload", "set", "--steps", "3"],
            "--max-steps has no effect on workload set. Pass --workload list-append or rw-register.",
        ),
        (
            &["run", "--workload", "session", "--writes-per-key", "3"],
            "--writes-per-key has no effect on workload session",
        ),
        (&["run", "--payload", "2KiB..1KiB", "--workload", "session"], "the smaller size first"),
        (&["run", "redis", "--address", "127.0.0.1:1"], "the store is down from the start"),
    ] {
        place.refuses(words, says);
        // Nothing was recorded, and nothing looks as if it were.
        let histories = std::fs::read_dir(place.path()).expect("a folder").filter_map(Result::ok);
        assert!(
            !histories.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with("jsonl")),
            "{words:?}"
        );
    }
}

#[test]
fn a_server_that_does_not_start_shows_the_end_of_its_log() {
    if !here(&["redis-sentinel"]) {
        return;
    }
    let place = Place::new();
    place.program("redis-server", "#!/bin/sh\necho '*** FATAL CONFIG FILE ERROR ***'\nexit 1\n");
    place.refuses(&["record", "redis-sentinel", "--faults", "none"], "*** FATAL CONFIG FILE ERROR ***");
}

#[test]
fn a_program_that_is_missing_is_named_with_its_package() {
    let place = Place::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command
        .args(["record", "redis-sentinel"])
        .current_dir(place.path())
        .env("PATH", place.path().join("bin"));
    let output = command.env("TMPDIR", place.path().join("tmp")).assert().code(2).get_output().clone();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("apt-get install redis-server"), "{said}");
}

/// A server whose port somebody else has got between when it was chosen and when the server takes it.
#[test]
fn a_port_that_is_taken_is_said_as_the_server_says_it() {
    let Ok(real) = find_program("redis-server", "redis-server") else { return };
    if !here(&["python3", "redis-sentinel"]) {
        return;
    }
    let place = Place::new();
    let text = format!(
        "#!/usr/bin/env python3\n\
         import os, socket, sys\n\
         words = sys.argv\n\
         taken = socket.create_server((words[words.index('--bind') + 1], int(words[words.index('--port') + 1])))\n\
         taken.set_inheritable(True)\n\
         os.execv({:?}, words)\n",
        real.display().to_string()
    );
    place.program("redis-server", &text);
    place.refuses(&["record", "redis-sentinel", "--faults", "none"], "Address already in use");
}

#[test]
fn a_disk_that_fills_ends_the_recording_and_what_was_recorded_is_kept() {
    let place = Place::new();
    let steadfast = env!("CARGO_BIN_EXE_steadfast");
    // A limit on the size of files, in units of 512 bytes or 1 KiB.
    let script = format!("ulimit -f 64 && exec {steadfast} record --output small.jsonl");
    let said = place.says("sh", &["-c", &script], 2);
    assert!(
        said.contains("File too large") && said.contains("The recording so far is in small.jsonl"),
        "{said}"
    );
    place.kept("small.jsonl");
    if Disk::probe().is_err() {
        return;
    }
    let script = format!(
        "mkdir full && mount -t tmpfs -o size=64k none full && {steadfast} record --output full/history.jsonl; \
         code=$?; cp full/history.jsonl kept.jsonl; exit $code"
    );
    let said = place.says("unshare", &["-m", "sh", "-c", &script], 2);
    assert!(said.contains("No space left on device"), "{said}");
    place.kept("kept.jsonl");
}

/// With a real store, the run's keys are gone as after any other.
#[test]
fn a_disk_that_fills_leaves_a_real_store_as_it_was() {
    let Ok(program) = find_program("redis-server", "redis-server") else { return };
    let place = Place::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = port.expect("a free port").port().to_string();
    let words = ["--port", &port, "--save", ""].map(str::to_owned).to_vec();
    let _server = Server::start(&program, words, place.path().join("log")).expect("it starts");
    while std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let steadfast = env!("CARGO_BIN_EXE_steadfast");
    let script = format!(
        "ulimit -f 64 && exec {steadfast} record redis --address 127.0.0.1:{port} --output small.jsonl"
    );
    let said = place.says("sh", &["-c", &script], 2);
    assert!(said.contains("File too large"), "{said}");
    place.kept("small.jsonl");
    let keys =
        std::process::Command::new("redis-cli").args(["-p", &port, "DBSIZE"]).output().expect("redis-cli");
    assert_eq!(String::from_utf8_lossy(&keys.stdout).trim(), "0");
}
