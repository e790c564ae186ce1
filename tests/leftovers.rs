//! What a run leaves behind, by each way to end: nothing. A run on Redis Sentinel under every fault that changes
//! something on the machine is ended while all of them are on; then processes, namespaces, mounts, firewall rules,
//! files and folders are counted.

use assert_cmd::Command;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Rules, mounts, paused servers, clocks. The primary is left in peace, so that the run can read back at once.
const FAULTS: &str = "pause:n2@0s+100s,skew=5s:n2@0s+100s,partition:n3@0s+100s,full-disk:n3@0s+100s";

/// A run whose temporary files have a folder of their own.
struct Run {
    folder: tempfile::TempDir,
    child: Child,
    namespaces: BTreeSet<String>,
}

/// A run under all faults, or nothing where they cannot be had.
fn started(command: &str, settle: &str) -> Option<Run> {
    let missing = recorder::system::find_program("redis-sentinel", "redis-sentinel").map(drop);
    let missing = missing.map_err(|why| why.to_string()).and(recorder::system::Disk::probe());
    if let Err(why) = missing {
        #[allow(clippy::print_stderr, reason = "says what was skipped")]
        {
            eprintln!("skipped: {why}");
        }
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("tmp")).expect("a folder");
    let options = [command, "redis-sentinel", "--duration", "100s", "--settle", settle, "--faults", FAULTS];
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(options)
        .args(["--output", "history.jsonl"])
        .env("TMPDIR", folder.path().join("tmp"))
        .current_dir(&folder)
        .stdout(std::fs::File::create(folder.path().join("stdout")).expect("a file"))
        .stderr(std::fs::File::create(folder.path().join("stderr")).expect("a file"))
        .stdin(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut run = Run { folder, child, namespaces: BTreeSet::new() };
    run.wait_until("all faults are on", Duration::from_secs(60), |run| {
        let text = run.text("history.jsonl");
        ["\"pause\"", "\"skew=5s\"", "\"partition\"", "\"full-disk\"", "\"ok\""]
            .iter()
            .all(|sign| text.contains(sign))
    });
    assert_eq!(run.processes().len(), 6, "{:?}", run.processes());
    run.namespaces =
        namespaces(run.child.id()).difference(&namespaces(std::process::id())).cloned().collect();
    // One network and one set of mounts.
    assert_eq!(run.namespaces.len(), 2, "{:?}", run.namespaces);
    Some(run)
}

impl Run {
    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    fn wait_until(&mut self, what: &str, patience: Duration, is_so: impl Fn(&Run) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < patience, "not in time: {what}\n{}", self.text("stderr"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }

    /// Servers that have their files among the run's.
    fn processes(&self) -> Vec<String> {
        let ours = self.folder.path().join("tmp").to_string_lossy().into_owned();
        let about = |path: PathBuf| {
            let folder = std::fs::read_link(path.join("cwd")).unwrap_or_default();
            let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
            format!("{} {}", folder.display(), String::from_utf8_lossy(&line))
        };
        all_processes().map(about).filter(|text| text.contains(&ours)).collect()
    }

    /// Everything but the history and what was printed.
    fn files(&self) -> Vec<String> {
        let inside = |folder: PathBuf| std::fs::read_dir(folder).expect("a folder").filter_map(Result::ok);
        let outer = inside(self.folder.path().to_owned()).map(|entry| entry.file_name());
        let expected = ["tmp", "history.jsonl", "stdout", "stderr"];
        let more = outer.filter(|name| !expected.iter().any(|known| name == known));
        let all = more.chain(inside(self.folder.path().join("tmp")).map(|entry| entry.file_name()));
        all.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    /// Waits until no process and no namespace is left: the kernel may take a moment to bury what it killed.
    fn nothing_runs(&mut self) {
        self.wait_until("servers and namespaces are gone", Duration::from_secs(20), |run| {
            let left = all_processes().flat_map(|path| namespaces_of(&path));
            run.processes().is_empty() && !left.into_iter().any(|found| run.namespaces.contains(&found))
        });
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let ours = self.folder.path().to_string_lossy().into_owned();
        assert!(
            !mounts.contains(&ours) && !self.namespaces.iter().any(|found| mounts.contains(found)),
            "{mounts}"
        );
        if let Ok(rules) = std::process::Command::new("iptables-legacy").args(["-w", "-S"]).output() {
            assert!(!String::from_utf8_lossy(&rules.stdout).contains("127.0.0.1"), "{rules:?}");
        }
    }

    fn steadfast(&self, words: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
        command.args(words).current_dir(&self.folder).env("TMPDIR", self.folder.path().join("tmp"));
        let output = command.output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code().expect("a code"), text.into_owned())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Whatever an assertion has left running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn all_processes() -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .map(|entry| entry.path())
}

/// The network and mount namespaces that the threads of a process are in.
fn namespaces_of(process: &Path) -> BTreeSet<String> {
    let Ok(threads) = std::fs::read_dir(process.join("task")) else { return BTreeSet::new() };
    let of_thread = |path: PathBuf| {
        ["ns/net", "ns/mnt"].into_iter().filter_map(move |name| std::fs::read_link(path.join(name)).ok())
    };
    let all = threads.filter_map(Result::ok).flat_map(|thread| of_thread(thread.path()));
    all.map(|link| link.to_string_lossy().into_owned()).collect()
}

fn namespaces(process: u32) -> BTreeSet<String> {
    namespaces_of(Path::new(&format!("/proc/{process}")))
}

#[test]
fn one_signal_heals_stops_and_checks_and_leaves_nothing() {
    let Some(mut run) = started("run", "0s") else { return };
    run.signal("-INT");
    assert_eq!(run.child.wait().expect("it ends").code(), Some(0), "{}", run.text("stderr"));
    run.nothing_runs();
    assert_eq!(run.files(), Vec::<String>::new());
    let history = run.text("history.jsonl");
    for sign in ["heal-pause", "heal-skew", "heal-partition", "heal-full-disk", "\"final\"", "\"end\""] {
        assert!(history.contains(sign), "{sign}");
    }
    assert!(run.text("stderr").contains("stopped early"), "{}", run.text("stderr"));
    assert!(run.text("stdout").starts_with("HOLDS: all 6 levels"), "{}", run.text("stdout"));
}

#[test]
fn a_second_signal_leaves_at_once_and_leaves_nothing() {
    let Some(mut run) = started("run", "100s") else { return };
    let began = Instant::now();
    // Two that are not the same: a signal that is already pending is not sent again.
    run.signal("-INT");
    run.signal("-TERM");
    assert_eq!(run.child.wait().expect("it ends").code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    run.nothing_runs();
    assert_eq!(run.files(), Vec::<String>::new());
    let (code, said) = run.steadfast(&["check", "history.jsonl"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the recording was cut short"), "{said}");
}

#[test]
fn sigkill_leaves_a_history_and_a_folder_that_clean_removes() {
    let Some(mut run) = started("record", "0s") else { return };
    run.signal("-KILL");
    run.child.wait().expect("it ends");
    run.nothing_runs();
    let (code, said) = run.steadfast(&["check", "history.jsonl"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the recording was cut short"), "{said}");
    assert_eq!(run.files().len(), 1, "{:?}", run.files());
    let (code, said) = run.steadfast(&["clean"]);
    assert!(code == 0 && said.contains("removed"), "{said}");
    assert_eq!(run.files(), Vec::<String>::new());
}

#[test]
fn a_normal_end_leaves_nothing() {
    if recorder::system::Disk::probe().is_err() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let faults = "full-disk:n3@0s+1s,skew=5s:n2@0s+1s,partition:n3@0s+1s";
    let options = ["record", "redis-sentinel", "--duration", "2s", "--after-heal", "0s", "--settle", "0s"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.args(options).args(["--faults", faults, "--output", "/dev/null"]).env("TMPDIR", folder.path());
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || said.contains("not on PATH"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    let ours = folder.path().to_string_lossy().into_owned();
    let lines = all_processes().map(|path| std::fs::read(path.join("cmdline")).unwrap_or_default());
    assert!(!lines.into_iter().any(|line| String::from_utf8_lossy(&line).contains(&ours)));
}
