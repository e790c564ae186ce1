//! Every history of the external corpus is read, and says what its text says.
//!
//! The corpus is not part of this repository: STEADFAST_CORPUS names it, and without it these tests say so and
//! pass.

use histories::format::{self, Format, Input, ReadOptions};
use histories::{Function, History, MicroKind, Outcome};
use std::path::{Path, PathBuf};

fn corpus(test: &str) -> Option<PathBuf> {
    let corpus = std::env::var_os("STEADFAST_CORPUS").map(PathBuf::from);
    if corpus.is_none() {
        eprintln!("skipped {test}: STEADFAST_CORPUS is not set");
    }
    corpus
}

fn read(path: &Path) -> History {
    match format::read(Input::Path(path.to_owned()), &ReadOptions::default(), &|_, _| {}) {
        Ok(loaded) => loaded.history,
        Err(problems) => panic!("{problems}"),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn is_history(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    !name.ends_with(".md") && !name.ends_with(".tsv") && name != "elle-tests.jsonl"
}

/// Counts events by their types' words in the text, which owes nothing to the readers.
#[test]
fn every_file_has_the_events_that_its_text_has() {
    let Some(corpus) = corpus("every_file_has_the_events_that_its_text_has") else { return };
    let mut read_files = 0;
    for path in files(&corpus).iter().filter(|path| is_history(path)) {
        let history = read(path);
        let text = std::fs::read_to_string(path).unwrap();
        let text: String =
            text.lines().map(|line| line.split(';').next().unwrap().to_owned() + "\n").collect();
        let count = |kind: &str| {
            let forms = [format!(":{kind}"), format!("\"{kind}\"")];
            forms.iter().map(|form| text.matches(form.as_str()).count()).sum::<usize>()
        };
        let actors = |kind: &str| history.actor_events().iter().filter(|event| event.kind == kind).count();
        let outcomes = |outcome| history.operations().filter(|op| op.outcome == outcome).count();
        let at = path.display();
        assert_eq!(history.len() + actors("invoke"), count("invoke"), "invoke in {at}");
        assert_eq!(outcomes(Outcome::Ok) + actors("ok"), count("ok"), "ok in {at}");
        assert_eq!(outcomes(Outcome::Fail) + actors("fail"), count("fail"), "fail in {at}");
        let events: usize = ["invoke", "ok", "fail", "info"].into_iter().map(count).sum();
        assert_eq!(history.event_count() as usize, events, "events in {at}");
        read_files += 1;
    }
    assert!(read_files >= 95, "only {read_files} files");
}

/// What is written from a history of the corpus reads as the same history.
#[test]
fn every_file_survives_being_written() {
    let Some(corpus) = corpus("every_file_survives_being_written") else { return };
    for path in files(&corpus).iter().filter(|path| is_history(path)) {
        let history = read(path);
        let mut native = Vec::new();
        format::write_native(&history, &mut native).unwrap();
        let again = format::from_text(Format::Native, std::str::from_utf8(&native).unwrap()).unwrap();
        assert!(history.same_events(&again), "native of {}", path.display());
        let mut edn = Vec::new();
        format::write_edn(&history, &mut edn).unwrap();
        let again = format::from_text(Format::Edn, std::str::from_utf8(&edn).unwrap()).unwrap();
        assert!(history.same_events(&again), "EDN of {}", path.display());
    }
}

#[test]
fn elle_cli_examples_in_edn_and_json_are_one_history() {
    let Some(corpus) = corpus("elle_cli_examples_in_edn_and_json_are_one_history") else { return };
    let edn = read(&corpus.join("elle-cli/paper-example.edn"));
    let json = read(&corpus.join("elle-cli/paper-example.json"));
    assert!(edn.same_events(&json));
    assert!(edn.operations().all(|op| op.function == Function::TXN));
}

#[test]
fn events_without_processes_are_one_process() {
    let Some(corpus) = corpus("events_without_processes_are_one_process") else { return };
    let input = Input::Path(corpus.join("elle-cli/long-fork.edn"));
    let loaded = format::read(input, &ReadOptions::default(), &|_, _| {}).unwrap();
    assert_eq!((loaded.history.len(), loaded.history.process_count()), (2, 1));
    assert!(loaded.remarks[0].contains("one process"), "{:?}", loaded.remarks);
}

#[test]
fn knossos_multi_register_has_micro_operations_by_their_long_names() {
    let Some(corpus) = corpus("knossos_multi_register_has_micro_operations_by_their_long_names") else {
        return;
    };
    let history = read(&corpus.join("knossos/multi-register/good/multi-register.edn"));
    let kinds: Vec<MicroKind> = history.micros().iter().map(|micro| micro.kind).collect();
    assert!(kinds.contains(&MicroKind::Read) && kinds.contains(&MicroKind::Write));
    assert_eq!(history.keys.text(history.micros()[0].key), "\":x\"");
    assert!(history.actor_events().iter().any(|event| event.actor == "nemesis" && event.function == "stop"));
}

#[test]
fn timed_out_operations_of_porcupines_logs_are_indeterminate() {
    let Some(corpus) = corpus("timed_out_operations_of_porcupines_logs_are_indeterminate") else { return };
    let path = corpus.join("porcupine/etcd_000.log");
    let history = read(&path);
    let timed_out = std::fs::read_to_string(&path).unwrap().matches(":info").count();
    let info = history.operations().filter(|op| op.outcome == Outcome::Info).count();
    // None of its operations lacks a completion.
    assert_eq!((info, timed_out > 0), (timed_out, true));
    let noted = (0..history.event_count()).filter_map(|at| history.note(at));
    assert_eq!(noted.filter(|note| note.fields == r#"{"value":":timed-out"}"#).count(), timed_out);
}

/// The test cases of Elle: each line is an object with a `history`. Those whose histories have completions
/// alone need to be told so.
#[test]
fn every_test_case_of_elle_is_read() {
    let Some(corpus) = corpus("every_test_case_of_elle_is_read") else { return };
    let text = std::fs::read_to_string(corpus.join("elle-tests.jsonl")).unwrap();
    let (mut read, mut refused) = (0, 0);
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(events) = case["history"].as_array() else { continue };
        let options =
            ReadOptions { from: Some(Format::JepsenJson), lone_completions: true, ..Default::default() };
        let input = Input::Bytes("elle".to_owned(), case["history"].to_string().into_bytes());
        match format::read(input, &options, &|_, _| {}) {
            Ok(loaded) => {
                let ok = loaded.history.operations().filter(|op| op.outcome == Outcome::Ok).count();
                assert_eq!(ok, events.iter().filter(|event| event["type"] == "ok").count(), "{line}");
                read += 1;
            }
            Err(problems) => {
                // One process with several operations at once: which completion is whose, nobody can say.
                assert!(problems.list[0].found.contains("still open"), "{problems}");
                refused += 1;
            }
        }
    }
    assert_eq!((read, refused), (79, 2));
}
