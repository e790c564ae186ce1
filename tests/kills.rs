//! Runs that are killed with SIGKILL at any moment: what was recorded by then is there, and nothing else is.
//!
//! A recording that loses its last seconds loses what matters most, and a run that leaves a server behind spoils the next.
//! One kill at one moment shows little, so there are many, at moments drawn from a seed: while servers start, under faults,
//! while everything is read back. Two in a usual test; `STEADFAST_KILLS=100` (`just kills`) for a hundred.
//!
//! The observer shares no code with the recorder: it reads the file while it grows, as `tail -f` would, and reads the
//! lines by rules of its own.

#![allow(clippy::print_stderr, reason = "says what was measured and what was skipped")]

use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How many runs of each store are killed.
fn kills() -> u64 {
    std::env::var("STEADFAST_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(2)
}

/// What a run that was killed had recorded.
#[derive(Debug, Default)]
struct Left {
    events: usize,
    acknowledged: usize,
    /// Whether the last line was cut short.
    is_torn: bool,
}

/// Moments between zero and `most_ms`, from a fixed beginning: SplitMix64.
fn moment_ms(number: u64, most_ms: u64) -> u64 {
    let mut z = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % most_ms
}

/// Kills a run at a moment, holds what is in its file against what was seen in it before, and returns it.
fn killed(store: &[&str], number: u64, most_ms: u64) -> Left {
    let folder = tempfile::tempdir().expect("a folder");
    let (temporary, file) = (folder.path().join("tmp"), folder.path().join("history.jsonl"));
    std::fs::create_dir(&temporary).expect("a folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .arg("run")
        .args(store)
        .args(["--quiet", "--seed", &number.to_string(), "--output"])
        .arg(&file)
        .env("TMPDIR", &temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut seen = Vec::new();
    // Every other one is killed when it has begun to record, however long its servers took to start.
    let asked = Instant::now();
    while number % 2 == 1 && asked.elapsed() < Duration::from_secs(60) {
        if std::fs::metadata(&file).is_ok_and(|about| about.len() > 2000) {
            break;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    let (began, wait) = (Instant::now(), Duration::from_millis(moment_ms(number, most_ms)));
    while began.elapsed() < wait {
        if let Ok(bytes) = std::fs::read(&file) {
            assert!(bytes.starts_with(&seen), "run {number}: what was written does not change");
            seen = bytes;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    child.kill().expect("it is killed, or has ended");
    child.wait().expect("it ends");
    nothing_runs(&temporary, number);
    let bytes = std::fs::read(&file).unwrap_or_default();
    assert!(bytes.starts_with(&seen), "run {number}: {} bytes were there, {} are", seen.len(), bytes.len());
    only_the_history_is_left(folder.path(), number);
    read(&bytes, number)
}

/// What the lines say, by the rules of histories: indexes without a gap, times that do not go back, a process with one
/// open operation at a time.
fn read(bytes: &[u8], number: u64) -> Left {
    let text = String::from_utf8_lossy(bytes);
    let mut left = Left { is_torn: !text.is_empty() && !text.ends_with('\n'), ..Left::default() };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let (mut open, mut last_ns) = (HashMap::new(), 0);
    for (line, index) in whole.lines().skip(1).zip(0..) {
        let event: Value =
            serde_json::from_str(line).unwrap_or_else(|why| panic!("run {number}: {why}: {line}"));
        assert_eq!(event["index"], index, "run {number}: no event is missing: {line}");
        let time_ns = event["time"].as_u64().expect("a time");
        assert!(time_ns >= last_ns, "run {number}: {line}");
        last_ns = time_ns;
        left.events += 1;
        let Some(process) = event["process"].as_u64() else { continue };
        if event["type"] == "invoke" {
            assert_eq!(open.insert(process, index), None, "run {number}: two open operations: {line}");
        } else {
            assert!(open.remove(&process).is_some(), "run {number}: nobody asked: {line}");
            left.acknowledged += usize::from(event["type"] == "ok");
        }
    }
    left
}

/// Waits until no process has its files among the run's: the kernel may take a moment to bury what it killed.
fn nothing_runs(temporary: &Path, number: u64) {
    let ours = temporary.to_string_lossy().into_owned();
    let about = |path: PathBuf| {
        let folder = std::fs::read_link(path.join("cwd")).unwrap_or_default();
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        format!("{} {}", folder.display(), String::from_utf8_lossy(&line))
    };
    let began = Instant::now();
    loop {
        let entries = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
        let processes: Vec<String> =
            entries.map(|entry| about(entry.path())).filter(|text| text.contains(&ours)).collect();
        if processes.is_empty() {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "run {number} left {processes:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// After `steadfast clean` there is nothing but the history.
fn only_the_history_is_left(folder: &Path, number: u64) {
    let temporary = folder.join("tmp");
    let mut clean = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    let status = clean.arg("clean").env("TMPDIR", &temporary).stdout(Stdio::null()).status();
    assert!(status.expect("it runs").success(), "run {number}");
    let inside = |folder: &Path| {
        let entries = std::fs::read_dir(folder).expect("a folder").filter_map(Result::ok);
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(inside(&temporary), Vec::<String>::new(), "run {number}");
    let more: Vec<String> =
        inside(folder).into_iter().filter(|name| name != "tmp" && name != "history.jsonl").collect();
    assert_eq!(more, Vec::<String>::new(), "run {number}");
}

fn many_are_killed(name: &str, store: &[&str], most_ms: u64) {
    let all: Vec<Left> = (0..kills()).map(|number| killed(store, number, most_ms)).collect();
    let sum = |count: fn(&Left) -> usize| all.iter().map(count).sum::<usize>();
    eprintln!(
        "{name}: {} runs killed; {} had recorded something, {} events in all, {} of them acknowledgements; {} last \
         lines cut short; nothing lost, nothing left",
        all.len(),
        all.iter().filter(|left| left.events > 0).count(),
        sum(|left| left.events),
        sum(|left| left.acknowledged),
        all.iter().filter(|left| left.is_torn).count()
    );
    // Lines of this workload are shorter than what is never torn.
    assert!(all.iter().all(|left| !left.is_torn));
    assert!(sum(|left| left.events) > 0, "some run had recorded something");
}

#[test]
fn killed_runs_of_the_embedded_store_lose_nothing() {
    many_are_killed("embedded", &["embedded", "--duration", "60s"], 1500);
}

#[test]
fn killed_runs_of_redis_sentinel_lose_and_leave_nothing() {
    if let Err(why) = recorder::system::find_program("redis-sentinel", "redis-sentinel") {
        eprintln!("skipped: {why}");
        return;
    }
    let faults = "pause:n2@500ms+1s,partition:n3@500ms+1s,kill:primary@2s+1s";
    let options =
        ["redis-sentinel", "--duration", "3s", "--after-heal", "1s", "--settle", "500ms", "--faults", faults];
    many_are_killed("redis-sentinel", &options, 9000);
}
