//! A recorder that is killed with SIGKILL at any moment leaves a valid history behind.
//!
//! The test starts itself as a child that writes as fast as it can from two threads, kills it at a random
//! moment, and reads what is on disk: whole lines only, numbered without a gap, no process with two open
//! operations, no completion without its invocation. The child tells through a pipe which invocations the
//! journal had accepted: each of them must be there.

use recorder::journal::{Completed, FileSink, Invoked};
use recorder::{Clock, Journal};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;
use workloads::{ClientOperation, Value};

const CHILD: &str = "STEADFAST_TEST_JOURNAL";

/// Not a test of its own: what the child does.
#[test]
fn child_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let sink = FileSink::create(path.as_ref()).unwrap();
    let journal = Journal::new(sink, Clock::start_real(), "{\"steadfast\":1}").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let journal = &journal;
            scope.spawn(move || {
                for process in (thread..).step_by(2) {
                    write_one(journal, process);
                }
            });
        }
    });
}

fn write_one(journal: &Journal, process: u64) {
    // Texts of many lengths, so that lines end everywhere in a page.
    let value = Value::Text("x".repeat((process * 7 % 300) as usize).into());
    let operation = &ClientOperation::on_key(&"k".into(), histories::Function::WRITE, value);
    journal
        .record_invocation(&Invoked { process, session: "s", operation, intended_ns: None, trace: None })
        .unwrap();
    if process.is_multiple_of(16) {
        // "The request leaves": from here on the invocation must be found, whatever happens.
        writeln!(std::io::stderr().lock(), "sent {process}").unwrap();
    }
    let outcome = histories::Outcome::Ok;
    let completed = Completed {
        process,
        session: "s",
        operation,
        outcome,
        value: None,
        node: None,
        version: None,
        clock_ns: None,
        error: None,
        notes: &[],
    };
    journal.record_completion(&completed).unwrap();
}

#[test]
fn what_is_on_disk_after_sigkill_is_a_history() {
    let mut total = 0;
    for round in 0..12u64 {
        let path = std::env::temp_dir().join(format!("steadfast-journal-{}-{round}", std::process::id()));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal_survives_sigkill::child_writes_until_it_is_killed", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = BufReader::new(child.stderr.take().unwrap());
        let sent = std::thread::spawn(move || {
            pipe.lines()
                .map_while(Result::ok)
                .filter_map(|line| line.strip_prefix("sent ").and_then(|n| n.parse::<u64>().ok()))
                .max()
        });
        std::thread::sleep(Duration::from_micros(20_000 + round * 3_777));
        child.kill().unwrap();
        child.wait().unwrap();
        total += examine(&std::fs::read_to_string(&path).unwrap(), sent.join().unwrap());
        std::fs::remove_file(&path).unwrap();
    }
    assert!(total > 1_000, "the child hardly wrote anything: {total} events");
}

/// Checks a file that was left behind and returns how many events are in it.
fn examine(text: &str, sent: Option<u64>) -> u64 {
    assert!(text.is_empty() || text.ends_with('\n'), "a torn last line: {:?}", text.lines().last());
    let mut open = std::collections::HashSet::new();
    let mut seen = std::collections::HashSet::new();
    let mut count = 0;
    for line in text.lines().skip(1) {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["index"], count, "{line}");
        let process = event["process"].as_u64().unwrap();
        match event["type"].as_str().unwrap() {
            "invoke" => assert!(seen.insert(process) && open.insert(process), "{line}"),
            _ => assert!(open.remove(&process), "{line}"),
        }
        count += 1;
    }
    if let Some(sent) = sent {
        assert!(
            seen.contains(&sent),
            "the request of process {sent} left, but its invocation is not on disk"
        );
    }
    count
}
