//! Output files: none destroys another, and a signal leaves no part of one.

use crate::program::{case, folder, steadfast};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// `check --force --report F --certificate F` once exited 0, and the report was gone.
#[test]
fn two_outputs_of_one_command_are_two_files() {
    let folder = folder();
    let said = |words: &[&str]| {
        let output = steadfast().args(words).current_dir(&folder).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let history = format!("{}/{}", env!("CARGO_MANIFEST_DIR"), case("one-key-of-several"));
    for words in [
        &["check", "--report", "x", "--certificate", "./x", &history][..],
        &["check", "--report", "x", "--dot", "x", "--force", &history],
        &["explain", "--output", "x", "--dot", "x", &history],
        &["run", "--duration", "10ms", "--output", "x", "--report", "x"],
        &["run", "--duration", "10ms", "--output", "x", "--otlp", "./x"],
        &["record", "--duration", "10ms", "--output", "x", "--otlp", "x"],
    ] {
        let (code, why) = said(words);
        assert!(code == Some(2) && why.contains("would write the same file"), "{words:?}: {code:?} {why}");
    }
    for words in [&["check", "--report", "-", &history][..], &["explain", "--output", "-", &history]] {
        let (code, why) = said(words);
        assert!(code == Some(2) && why.contains("standard output"), "{words:?}: {code:?} {why}");
    }
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

/// Waits until the folder has a part, ends the program with a signal, and returns its exit code.
fn interrupt_at_part(mut child: Child, folder: &Path, signal: &str) -> Option<i32> {
    // Held open, because waiting for the program would close it, and the program would end by itself.
    let _input = child.stdin.take();
    let began = Instant::now();
    while !names(folder).iter().any(|name| name.contains("part")) {
        let ended = child.try_wait().expect("it can be asked");
        assert!(ended.is_none() && began.elapsed() < Duration::from_secs(60), "no part was seen: {ended:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    child.wait().expect("it ends").code()
}

#[test]
fn a_signal_leaves_no_part_of_an_output() {
    let folder = folder();
    let start = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_steadfast"))
            .args(words)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts")
    };
    // The report is open while the history is awaited.
    for signal in ["-INT", "-TERM", "-HUP"] {
        let child = start(&["check", "--report", "x.html", "--certificate", "x.json", "-"]);
        assert_eq!(interrupt_at_part(child, folder.path(), signal), Some(130), "{signal}");
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{signal}");
    }
    let mut lines = String::new();
    for number in 0..100_000 {
        for kind in ["invoke", "ok"] {
            writeln!(lines, r#"{{"process":0,"type":"{kind}","f":"write","value":{number}}}"#)
                .expect("memory");
        }
    }
    std::fs::write(folder.path().join("big.jsonl"), lines).expect("a file");
    let child = start(&["convert", "big.jsonl", "out.parquet"]);
    assert_eq!(interrupt_at_part(child, folder.path(), "-TERM"), Some(130));
    assert_eq!(names(folder.path()), ["big.jsonl"]);
}

/// Two thousand threads on three operations gave no answer in 15 s.
#[test]
fn no_more_threads_are_started_than_help() {
    let began = Instant::now();
    steadfast().args(["check", "--threads", "1024", &case("one-key-of-several")]).assert().code(1);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let output = steadfast().args(["check", "--threads", "1025", "x"]).output().expect("it runs");
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && why.contains("from 1 to 1024"), "{why}");
}

/// A key with a slip of the pen was ignored silently, and of two values the last one was taken.
#[test]
fn an_initial_value_is_that_of_an_object_of_the_history() {
    let folder = folder();
    let path = folder.path().join("cart.jsonl");
    let line = |kind: &str, key: &str, value: &str| {
        format!("{{\"process\":0,\"type\":\"{kind}\",\"f\":\"read\",\"key\":\"{key}\",\"value\":{value}}}\n")
    };
    let text = ["cart", "a=b"].map(|key| line("invoke", key, "null") + &line("ok", key, "5")).concat();
    std::fs::write(&path, text).expect("a file");
    let config = folder.path().join("options.toml");
    std::fs::write(&config, "init = [\"cart=5\", \"a=b=5\"]").expect("a file");
    let check = |words: &[&str]| {
        let output = steadfast().arg("check").args(words).arg(&path).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let spill = folder.path().to_str().expect("a name");
    assert_eq!(check(&["--init", "cart=5", "--init", "a=b=5"]).0, Some(0));
    assert_eq!(check(&["--config", config.to_str().expect("a name")]).0, Some(0));
    let linearizable = ["--model", "register", "--consistency", "linearizable"];
    let parts = [&["--init", "cart=5", "--init", "a=b=5", "--spill", spill][..], &linearizable].concat();
    assert_eq!(check(&parts).0, Some(0), "no part has both");
    for more in [&[][..], &[&["--spill", spill][..], &linearizable].concat()] {
        let (code, why) = check(&[&["--init", "5", "--init", "crat=5"][..], more].concat());
        assert!(code == Some(2) && why.contains("the key \"crat\""), "{code:?} {why}");
        assert!(!more.is_empty() || why.contains("Its keys are \"cart\", \"a=b\""), "{why}");
    }
    let (code, why) = check(&["--init", "cart=5", "--init", "cart=6"]);
    assert!(code == Some(2) && why.contains("two initial values, 5 and 6"), "{why}");
}

/// Options of another model were ignored silently: who gives a time to live believes that expiry was judged.
#[test]
fn options_that_a_model_has_no_use_for_are_named() {
    let register = case("one-key-of-several");
    let remark = |words: &[&str], path: &str| {
        let output = steadfast().arg("check").args(words).arg(path).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for (words, told) in [
        (
            &["--time-to-live", "5m"][..],
            "an option: --time-to-live is for the model session. It changed nothing",
        ),
        (&["--total", "100"], "--total is for the model bank"),
        (&["--assume", "linearizable-keys"], "--assume is for models of transactions"),
        (
            &["--tolerance", "1s", "--renewed-by", "read"],
            "options: --renewed-by is for the model session, --tolerance is",
        ),
        (&["--failed-cas", "observes"], "--failed-cas is for histories with compare-and-set"),
    ] {
        let text = remark(words, &register);
        assert!(text.contains(told) && text.contains("the model is register"), "{words:?}: {text}");
    }
    assert!(!remark(&[], &register).contains("no use for"));
    assert!(!remark(&["--time-to-live", "5m"], &case("real-lost-session")).contains("no use for"));
}

/// The part that `explain` wrote was refused with the options that it was made with.
#[test]
fn explain_says_which_initial_values_a_part_cannot_have() {
    let folder = folder();
    let path = folder.path().join("shop.jsonl");
    let line = |kind: &str, key: &str, value: &str| {
        format!("{{\"process\":0,\"type\":\"{kind}\",\"f\":\"read\",\"key\":\"{key}\",\"value\":{value}}}\n")
    };
    let text = [("cart", "5"), ("shop", "7")];
    let text = text.map(|(key, value)| line("invoke", key, "null") + &line("ok", key, value)).concat();
    std::fs::write(&path, text).expect("a file");
    let part = folder.path().join("part.jsonl");
    let words = ["--init=cart=5", "--init=shop=1", "--consistency=linearizable"];
    let mut command = steadfast();
    let output =
        command.arg("explain").args(words).arg("--output").args([&part, &path]).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("has no operation on the key \"cart\""), "{told}");
    steadfast().arg("check").args(&words[1..]).arg(&part).assert().code(1);
}

/// A client with a name wrote `Read` for `read`. Its events were taken for those of an actor, and the verdict was *holds* without a word.
#[test]
fn a_slip_of_the_pen_in_an_operation_is_told() {
    let folder = folder();
    let path = folder.path().join("slip.jsonl");
    let line = |process: &str, kind: &str, f: &str, value: &str| {
        format!("{{\"process\":\"{process}\",\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}}}\n")
    };
    let check = |f: &str| {
        let write = line("w", "invoke", "write", "1") + &line("w", "ok", "write", "1");
        let text = write + &line("b", "invoke", f, "null") + &line("b", "ok", f, "7");
        std::fs::write(&path, text).expect("a file");
        let output = steadfast().arg("check").arg(&path).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(check("read").0, Some(1));
    let (code, told) = check("Read");
    assert_ne!(code, Some(1));
    assert!(told.contains("b invoked Read, which no model knows, so its events were not checked"), "{told}");
    assert!(told.contains("\"clients\":[\"b\"]"), "{told}");
}

/// Most operations of this history have an unknown outcome. `--quiet` and JSON did not say so.
#[test]
fn a_history_that_hardly_tests_the_store_says_so_in_each_format() {
    let folder = folder();
    let path = folder.path().join("thin.jsonl");
    let event = |process: u32, kind: &str, f: &str, value: &str| {
        format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}}}\n")
    };
    let writes = (1..9).map(|at| event(at, "invoke", "write", "1") + &event(at, "info", "write", "1"));
    let text = event(0, "invoke", "read", "null") + &event(0, "ok", "read", "null");
    std::fs::write(&path, text + &writes.collect::<String>()).expect("a file");
    for (words, told) in [
        (&["--quiet"][..], "(hardly tested: few operations succeeded)"),
        (&["--format", "json"], "This history hardly tested the store"),
        (&["--format", "junit"], "<system-out>WARNING: only 1 of 9 operations succeeded"),
        (&["--format", "sarif"], "hardly tested the store"),
        (&["--format", "github"], "title=hardly tested::"),
    ] {
        let output = steadfast().arg("check").args(words).arg(&path).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(told), "{words:?}: {text}");
    }
}
