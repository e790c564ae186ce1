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
    let append =
        |name: &str| OpenOptions::new().create(true).append(true).open(folder.join(name)).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.args([
        "check",
        "--follow",
        "--model",
        "list-append",
        "--consistency",
        LEVELS,
        "--format",
        "json",
    ]);
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

#[test]
fn a_monitor_that_is_killed_at_any_moment_loses_and_repeats_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = Stream::broken();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut file = File::create(folder.path().join("run.jsonl")).expect("a file");
    let (mut seed, kills) = (7u64, kills());
    for round in 0..kills {
        let mut child = follow(folder.path(), &["--checkpoint", "state.json"]);
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let until = Instant::now() + Duration::from_millis(20 + (seed >> 33) % 900);
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
    file.write_all(b"{\"process\":\"recorder\",\"type\":\"info\",\"f\":\"end\",\"value\":null}\n")
        .expect("it is written");
    let code = follow(folder.path(), &["--checkpoint", "state.json"]).wait().expect("it ends").code();
    let err = std::fs::read_to_string(folder.path().join("err.txt")).expect("messages");
    assert_eq!(code, Some(1), "{err}");
    let (levels, ends) = printed(folder.path());
    let mut expected: Vec<&str> = LEVELS.split(',').collect();
    expected.sort_unstable();
    assert_eq!((levels, ends), (expected.into_iter().map(str::to_owned).collect(), 1), "{err}");
    assert!(err.contains("going on after event"), "{err}");
}

/// A checkpoint of another file, or of another question, is refused.
#[test]
fn a_checkpoint_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let end = "{\"process\":\"recorder\",\"type\":\"info\",\"f\":\"end\",\"value\":null}\n";
    let mut stream = Stream::default();
    stream.sound(20);
    std::fs::write(folder.path().join("run.jsonl"), format!("{}{end}", stream.text)).expect("a file");
    let run = |args: &[&str]| {
        let code = follow(folder.path(), args).wait().expect("it ends").code();
        (code, std::fs::read_to_string(folder.path().join("err.txt")).expect("messages"))
    };
    assert_eq!(run(&["--checkpoint", "state.json"]).0, Some(0));
    let (code, err) = run(&["--checkpoint", "state.json", "--memory", "1GiB"]);
    assert!(code == Some(2) && err.contains("other options"), "{code:?} {err}");
    std::fs::write(folder.path().join("run.jsonl"), format!("{}{end}", stream.text.replace("s0", "s9")))
        .expect("a file");
    let (code, err) = run(&["--checkpoint", "state.json"]);
    assert!(code == Some(2) && err.contains("not the file"), "{code:?} {err}");
    std::fs::write(folder.path().join("state.json"), "{}").expect("a file");
    let (code, err) = run(&["--checkpoint", "state.json"]);
    assert!(code == Some(2) && err.contains("not a checkpoint"), "{code:?} {err}");
}
