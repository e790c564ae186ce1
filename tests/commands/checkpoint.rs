//! `check --follow --checkpoint`: a monitor that is killed at any moment goes on without losing or repeating a verdict.
//!
//! What must not happen: a verdict that was found and not printed when the process was killed, one that is printed by both
//! processes, and events that neither of them judged.

use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LEVELS: &str =
    "strict-serializable,serializable,read-committed,monotonic-atomic-view,read-atomic,causal";

/// The event with which a recording ends. Its time is later than all others.
const END: &str =
    "{\"process\":\"recorder\",\"time\":9000000000000,\"type\":\"info\",\"f\":\"end\",\"value\":null}\n";

/// Writes transactions: each appends one element, or reads.
#[derive(Default)]
struct Stream {
    text: String,
    lists: Vec<Vec<u64>>,
    next: u64,
}

impl Stream {
    fn event(&mut self, process: u64, kind: &str, value: &str) {
        self.text.push_str(&format!(
            "{{\"process\":{process},\"session\":\"s{process}\",\"type\":\"{kind}\",\"f\":\"txn\",\"value\":{value}}}\n"
        ));
    }

    fn transaction(&mut self, process: u64, invoked: &str, completed: &str) {
        self.event(process, "invoke", invoked);
        self.event(process, "ok", completed);
    }

    fn append(&mut self, key: usize) {
        self.next += 1;
        let value = format!("[[\"append\",\"k{key}\",{}]]", self.next);
        self.transaction(0, &value, &value);
        self.lists.resize((key + 1).max(self.lists.len()), Vec::new());
        self.lists[key].push(self.next);
    }

    fn read(&mut self, key: usize, without: usize) {
        let list = &self.lists[key];
        let list = format!("{:?}", &list[..list.len() - without]);
        self.transaction(1, &format!("[[\"r\",\"k{key}\",null]]"), &format!("[[\"r\",\"k{key}\",{list}]]"));
    }

    fn sound(&mut self, transactions: usize) {
        for at in 0..transactions {
            // New keys again and again, so that lists stay short.
            let key = self.next as usize / 20;
            self.append(key);
            if at % 3 == 0 {
                self.read(key, 0);
            }
        }
    }

    /// Violates strict serializability, later serializability, and at last read committed and everything above it.
    fn broken() -> String {
        let mut stream = Stream::default();
        stream.sound(300);
        let key = stream.next as usize / 20;
        stream.append(key);
        stream.append(key);
        stream.read(key, 1);
        stream.sound(300);
        // Each of two transactions misses the write of the other.
        let skewed = |own: &str, other: &str, read: &str| {
            format!("[[\"r\",\"{other}\",{read}],[\"append\",\"{own}\",1]]")
        };
        stream.event(2, "invoke", &skewed("a", "b", "null"));
        stream.event(3, "invoke", &skewed("b", "a", "null"));
        stream.event(2, "ok", &skewed("a", "b", "[]"));
        stream.event(3, "ok", &skewed("b", "a", "[]"));
        stream.transaction(
            1,
            "[[\"r\",\"a\",null],[\"r\",\"b\",null]]",
            "[[\"r\",\"a\",[1]],[\"r\",\"b\",[1]]]",
        );
        stream.sound(300);
        stream.event(4, "invoke", "[[\"append\",\"c\",1]]");
        stream.event(4, "fail", "[[\"append\",\"c\",1]]");
        stream.transaction(1, "[[\"r\",\"c\",null]]", "[[\"r\",\"c\",[1]]]");
        stream.sound(300);
        stream.text
    }
}

fn follow(folder: &Path, args: &[&str]) -> Child {
    follow_question(folder, &[&["--model", "list-append", "--consistency", LEVELS], args].concat())
}

fn follow_question(folder: &Path, args: &[&str]) -> Child {
    let append =
        |name: &str| OpenOptions::new().create(true).append(true).open(folder.join(name)).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.args(["check", "--follow", "--format", "json"]);
    command.args(args).arg("run.jsonl").current_dir(folder);
    command.stdin(Stdio::null()).stdout(append("out.jsonl")).stderr(append("err.txt"));
    command.spawn().expect("the program starts")
}

/// What was printed: the levels that are violated, each as often as it was, and how often the verdicts at the end.
fn printed(folder: &Path) -> (Vec<String>, usize) {
    let text = std::fs::read_to_string(folder.join("out.jsonl")).expect("output");
    let (mut levels, mut ends) = (Vec::new(), 0);
    for value in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
        let value = value.unwrap_or_else(|why| panic!("{why}:\n{text}"));
        match value["followed"] == true {
            true => ends += 1,
            false => levels.push(value["levels"][0]["level"].as_str().expect("a level").to_owned()),
        }
    }
    levels.sort();
    (levels, ends)
}

fn kills() -> u64 {
    std::env::var("STEADFAST_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(12)
}

/// Numbers that look random, always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Writes a history to `run.jsonl` while monitors follow it and are killed. Then the recording ends.
fn write_and_kill(folder: &Path, text: &str, start: &dyn Fn() -> Child) {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut file = File::create(folder.join("run.jsonl")).expect("a file");
    let (mut numbers, kills) = (Numbers(7), kills());
    for round in 0..kills {
        let mut child = start();
        let until = Instant::now() + Duration::from_millis(20 + numbers.below(900));
        let part = lines.len() * round as usize / kills as usize
            ..lines.len() * (round as usize + 1) / kills as usize;
        for lines in lines[part].chunks(8) {
            file.write_all(lines.concat().as_bytes()).expect("it is written");
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }
    file.write_all(END.as_bytes()).expect("it is written");
}

#[test]
fn a_monitor_that_is_killed_at_any_moment_loses_and_repeats_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = || follow(folder.path(), &["--checkpoint", "state.json"]);
    write_and_kill(folder.path(), &Stream::broken(), &start);
    let code = follow(folder.path(), &["--checkpoint", "state.json"]).wait().expect("it ends").code();
    let err = std::fs::read_to_string(folder.path().join("err.txt")).expect("messages");
    assert_eq!(code, Some(1), "{err}");
    let (levels, ends) = printed(folder.path());
    let mut expected: Vec<&str> = LEVELS.split(',').collect();
    expected.sort_unstable();
    assert_eq!((levels, ends), (expected.into_iter().map(str::to_owned).collect(), 1), "{err}");
    assert!(err.contains("going on after event"), "{err}");
}

/// A history of 40 registers by 4 clients, in the order of their times. Two reads are stale. The last client has three keys for itself.
fn registers(numbers: &mut Numbers) -> Vec<(u64, String)> {
    let mut events = Vec::new();
    let mut values = vec![(0_u64, 0_u64); 40];
    for at in 0..1_600_u64 {
        let (time, process) = (at * 10, at % 4);
        let key = if process == 3 { numbers.below(3) } else { 3 + numbers.below(37) } as usize;
        let stale = matches!(at, 500..520 | 1_200..1_220) && process == 0 && values[key].1 > 0;
        let writes = !stale && numbers.below(2) == 0;
        if writes {
            values[key] = (at + 1, values[key].0);
        }
        let value = if stale { values[key].1 } else { values[key].0 };
        let shown = if value == 0 { "null".to_owned() } else { value.to_string() };
        let (function, asked) = if writes { ("write", shown.clone()) } else { ("read", "null".to_owned()) };
        for (kind, time, value) in [("invoke", time, asked), ("ok", time + 8, shown)] {
            let time = time * 1_000_000;
            events.push((
                time,
                format!(
                    "{{\"process\":{process},\"session\":\"s{process}\",\"time\":{time},\"type\":\"{kind}\",\
                     \"f\":\"{function}\",\"key\":\"k{key}\",\"value\":{value}}}\n"
                ),
            ));
        }
    }
    events
}

/// The same in another order: each event comes up to 90 ms late, and a few of the last client far too late.
fn shuffled(numbers: &mut Numbers) -> String {
    let events = registers(numbers);
    let arrival = |(time, line): (u64, String)| {
        let far = line.contains("\"s3\"") && numbers.below(8) == 0;
        (time + 1_000_000 * if far { 500 } else { numbers.below(90) }, line)
    };
    let mut arrived: Vec<(u64, String)> = events.into_iter().map(arrival).collect();
    arrived.sort_by_key(|event| event.0);
    arrived.into_iter().map(|(_, line)| line).collect()
}

/// The violations and the verdicts at the end that were printed, without the moments of the judgements.
fn told(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("out.jsonl")).expect("output");
    let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let mut told: Vec<Value> = values.map(|value| value.expect("JSON")).collect();
    for levels in told.iter_mut().filter_map(|value| value["levels"].as_array_mut()) {
        // A violation is certain since the judgement that found it.
        for level in levels.iter_mut().filter(|level| level["verdict"] == "violated") {
            level["event"] = Value::Null;
        }
    }
    told
}

/// Events that wait for others, late ones, and the keys that they made unknown are in the state. So a monitor that is killed tells what
/// one tells that is not killed.
#[test]
fn a_monitor_of_a_stream_out_of_order_is_killed_without_a_trace() {
    let text = shuffled(&mut Numbers(3));
    let start = |folder: &Path, more: &[&str]| {
        let levels = ["--consistency", "linearizable,causal", "--lateness", "100ms"];
        follow_question(folder, &[&levels[..], more].concat())
    };
    let whole = tempfile::tempdir().expect("a folder");
    std::fs::write(whole.path().join("run.jsonl"), format!("{text}{END}")).expect("a file");
    let code = start(whole.path(), &[]).wait().expect("it ends").code();
    let message = std::fs::read_to_string(whole.path().join("err.txt")).expect("messages");
    assert_eq!(code, Some(1), "{message}");
    let killed = tempfile::tempdir().expect("a folder");
    let resume = || start(killed.path(), &["--checkpoint", "state.json"]);
    write_and_kill(killed.path(), &text, &resume);
    assert_eq!(resume().wait().expect("it ends").code(), Some(1));
    let (expected, found) = (told(whole.path()), told(killed.path()));
    let end = expected.last().expect("the verdicts");
    assert!(end["late_events"].as_u64() > Some(3) && expected.len() == 2, "{expected:#?}");
    assert!(end["levels"][1]["reason"].as_str().is_some_and(|why| why.contains("(--lateness)")), "{end:#}");
    assert_eq!(found.last(), Some(end));
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    let message = std::fs::read_to_string(killed.path().join("err.txt")).expect("messages");
    assert!(message.contains("going on after event"), "{message}");
    // The state belongs to this bound.
    let other = ["--consistency", "linearizable,causal", "--checkpoint", "state.json"];
    assert_eq!(follow_question(killed.path(), &other).wait().expect("it ends").code(), Some(2));
    let message = std::fs::read_to_string(killed.path().join("err.txt")).expect("messages");
    assert!(message.contains("other options") && message.contains("lateness"), "{message}");
}

/// A checkpoint of another file, or of another question, is refused.
#[test]
fn a_checkpoint_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stream = Stream::default();
    stream.sound(20);
    std::fs::write(folder.path().join("run.jsonl"), format!("{}{END}", stream.text)).expect("a file");
    let run = |args: &[&str]| {
        let code = follow(folder.path(), args).wait().expect("it ends").code();
        (code, std::fs::read_to_string(folder.path().join("err.txt")).expect("messages"))
    };
    assert_eq!(run(&["--checkpoint", "state.json"]).0, Some(0));
    let (code, err) = run(&["--checkpoint", "state.json", "--memory", "1GiB"]);
    assert!(code == Some(2) && err.contains("other options"), "{code:?} {err}");
    std::fs::write(folder.path().join("run.jsonl"), format!("{}{END}", stream.text.replace("s0", "s9")))
        .expect("a file");
    let (code, err) = run(&["--checkpoint", "state.json"]);
    assert!(code == Some(2) && err.contains("not the file"), "{code:?} {err}");
    std::fs::write(folder.path().join("state.json"), "{}").expect("a file");
    let (code, err) = run(&["--checkpoint", "state.json"]);
    assert!(code == Some(2) && err.contains("not a checkpoint"), "{code:?} {err}");
}
