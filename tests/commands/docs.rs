//! Every command of the documents works, and every page is in the book.
//!
//! Options were renamed, and the documents kept the old names for months. Here each line of a `sh` block that begins with
//! `steadfast` is run, in a folder with the files that the documents speak of. A run against a real store is only planned
//! (`--dry-run`), which reads all of its options; the stores themselves have tests of their own.

use assert_cmd::Command;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn steadfast(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.current_dir(folder);
    command
}

/// The pages of the documentation.
fn pages() -> Vec<PathBuf> {
    let docs = std::fs::read_dir(root().join("docs")).expect("the documents");
    let mut pages: Vec<PathBuf> = docs
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .chain([root().join("README.md")])
        .collect();
    pages.sort();
    pages
}

/// The commands of a page: lines of `sh` blocks, without comments, with continued lines joined.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let joined: Vec<String> = blocks.map(|block| block.replace("\\\n", " ")).collect();
    let lines = joined.iter().flat_map(|block| block.lines());
    let commands = lines.map(|line| line.split(" #").next().unwrap_or(line).trim());
    commands.filter(|line| line.starts_with("steadfast ")).map(str::to_owned).collect()
}

/// A folder with the files that the documents speak of.
fn folder_of_examples() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str, case: &str| {
        let from = root().join("histories/corpus").join(case).join("history.jsonl");
        std::fs::copy(from, folder.path().join(name)).expect("a copy");
    };
    for name in ["run.jsonl", "other.jsonl", "history.edn.jsonl", "steadfast-embedded-1.jsonl"] {
        place(name, "stale-read");
    }
    place("txns.jsonl", "txn-write-skew");
    place("app.jsonl", "real-lost-session");
    for number in 1..=5 {
        place(&format!("before-{number}.jsonl"), "cas-chain");
        place(&format!("after-{number}.jsonl"), "cas-chain");
    }
    for name in ["runs", "real"] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
    }
    for case in std::fs::read_dir(root().join("histories/corpus")).expect("the corpus") {
        let case = case.expect("a case").file_name().into_string().expect("a name");
        if let Some(name) = case.strip_prefix("real-") {
            place(&format!("real/{name}.jsonl"), &case);
        }
    }
    place("runs/1.jsonl", "cas-chain");
    let slo = "\"recovery.p99\" = \"3s\"\nlost-writes = 0\navailability = \"99.5%\"\n";
    std::fs::write(folder.path().join("slo.toml"), slo).expect("a file");
    let page = std::fs::read_to_string(root().join("docs/traces.md")).expect("the page about traces");
    let map = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a map");
    std::fs::write(folder.path().join("traces.toml"), map).expect("a file");
    let attributes = [("session.id", "a"), ("http.request.method", "POST"), ("http.route", "/login")];
    let attributes =
        attributes.map(|(name, text)| format!(r#"{{"key":"{name}","value":{{"stringValue":"{text}"}}}}"#));
    let span = format!(
        r#"{{"name":"login","startTimeUnixNano":"1","endTimeUnixNano":"2","attributes":[{}]}}"#,
        attributes.join(",")
    );
    let spans = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#);
    std::fs::write(folder.path().join("spans.json"), spans).expect("a file");
    for (from, to) in [("history.edn.jsonl", "history.edn"), ("txns.jsonl", "txns.edn")] {
        steadfast(folder.path()).args(["convert", from, to]).assert().code(0);
    }
    steadfast(folder.path())
        .args(["check", "--quiet", "--certificate", "proof.json", "run.jsonl"])
        .assert()
        .code(1);
    folder
}

#[test]
fn every_command_of_the_documents_works() {
    let folder = folder_of_examples();
    let (mut run, mut skipped) = (0, Vec::new());
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page");
        for command in commands(&text) {
            // What cannot be run here: applications of the reader, and lines with places to fill in.
            if command.contains('…')
                || command.contains("...")
                || command.contains(" http ")
                || command.contains("FILE")
            {
                skipped.push(command);
                continue;
            }
            let is_run = command.starts_with("steadfast run") || command.starts_with("steadfast record");
            let is_planned = command.contains("--plan") || command.contains("--dry-run");
            let plan = if is_run && !is_planned { " --dry-run" } else { "" };
            let script =
                format!("{}{plan}", command.replacen("steadfast", env!("CARGO_BIN_EXE_steadfast"), 1));
            // Files that an earlier command wrote are replaced.
            let force =
                ["--output", "--report", "--certificate"].iter().any(|option| script.contains(option));
            let force = if force && !script.contains("--force") { " --force" } else { "" };
            // A file that is followed could always grow, so such a command ends on Ctrl-C. All others end by themselves.
            let seconds = if command.contains("--follow") { 6 } else { 300 };
            // In the foreground, `timeout` signals once. Otherwise it also signals the group, and a second signal ends a command at once.
            let ending = format!("timeout --foreground --preserve-status --signal=INT {seconds}");
            let output = std::process::Command::new("bash")
                .args(["-c", &format!("{ending} {script}{force}")])
                .current_dir(folder.path())
                .output()
                .expect("a shell");
            let code = output.status.code();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(code, Some(0 | 1 | 3)), "{}: {command}: {code:?}: {said}", page.display());
            run += 1;
        }
    }
    assert!(run >= 30, "only {run} commands were run");
    assert!(skipped.len() <= 12, "{} commands were skipped: {skipped:#?}", skipped.len());
}

/// What a page shows of a real system is what the program prints, and nothing that somebody made prettier.
#[test]
fn the_gallery_shows_what_the_program_prints() {
    let folder = folder_of_examples();
    let text = std::fs::read_to_string(root().join("docs/anomalies.md")).expect("the page");
    let mut shown = 0;
    for section in text.split("\n## ").skip(1) {
        let title = section.lines().next().expect("a title");
        let command = commands(section).into_iter().find(|line| line.starts_with("steadfast check "));
        let command = command.unwrap_or_else(|| panic!("{title}: no command"));
        let printed = section.split("```text\n").nth(1).and_then(|rest| rest.split("\n```").next());
        let printed = printed.unwrap_or_else(|| panic!("{title}: no text"));
        let arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
        let output = steadfast(folder.path()).args(arguments).assert().code(1).get_output().clone();
        let output = String::from_utf8(output.stdout).expect("text");
        assert!(output.contains(printed), "{title}: the program prints\n{output}\nand not\n{printed}");
        shown += 1;
    }
    let real = std::fs::read_dir(folder.path().join("real")).expect("a folder").count();
    assert_eq!(shown, real, "each history has a section");
}

#[test]
fn the_book_has_every_page() {
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).expect("the summary");
    let listed: BTreeSet<&str> =
        summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    // A list of unfinished work is for the authors.
    let others = ["SUMMARY.md", "progress.md", "README.md"];
    for page in pages() {
        let name = page.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        assert!(
            others.contains(&name.as_str()) || listed.contains(name.as_str()),
            "{name} is not in the summary"
        );
    }
    for page in listed {
        assert!(root().join("docs").join(page).exists(), "{page} does not exist");
    }
}

/// The recorders that readers copy write histories that can be checked, and whose bug is found.
#[test]
fn the_recorders_of_the_documents_work() {
    let text = std::fs::read_to_string(root().join("docs/record.md")).expect("the page");
    let folder = tempfile::tempdir().expect("a folder");
    for (language, program, before, name) in [
        ("python", "python3", None, "recorder.py"),
        ("javascript", "node", None, "recorder.js"),
        ("java", "java", None, "Recorder.java"),
        ("go", "go", Some("run"), "recorder.go"),
    ] {
        let source = text.split(&format!("```{language}\n")).nth(1).and_then(|rest| rest.split("```").next());
        std::fs::write(folder.path().join(name), source.expect("a recorder")).expect("a file");
        let history = format!("{name}.jsonl");
        let mut recorder = std::process::Command::new(program);
        let Ok(output) = recorder.args(before).args([name, &history]).current_dir(folder.path()).output()
        else {
            println!("skipped: {program} is not installed");
            continue;
        };
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        let checked = steadfast(folder.path()).args(["check", "--format", "json", &history]).assert().code(1);
        let said = String::from_utf8_lossy(&checked.get_output().stdout).into_owned();
        assert!(said.contains("stale-read") && said.contains("\"sessions\":2"), "{said}");
    }
}
