//! Spans from the command line: to a file, to a collector, and back.

use assert_cmd::Command;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

fn steadfast(folder: &Path, words: &[&str], code: i32) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    let output = command.current_dir(folder).args(words).assert().code(code).get_output().clone();
    String::from_utf8(output.stderr).expect("text")
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).expect("a file");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_run_is_exported_and_reads_back_as_the_same_history() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let words = ["record", "--otlp", "run.otlp.json", "--workload", "session", "-o", "run.jsonl"];
    let said = steadfast(folder, &words, 0);
    assert!(said.contains("spans:   run.otlp.json"), "{said}");
    // How it was exported is no part of what was run.
    assert!(!lines(&folder.join("run.jsonl"))[0]["command"].to_string().contains("otlp"));
    steadfast(folder, &["convert", "run.otlp.json", "back.jsonl"], 0);
    steadfast(folder, &["convert", "run.jsonl", "same.jsonl"], 0);
    let read = |name| std::fs::read(folder.join(name)).expect("a history");
    assert_eq!(read("same.jsonl"), read("back.jsonl"));
    // By way of convert it is the same again, in any of the formats that are written.
    steadfast(folder, &["convert", "run.jsonl", "again.otlp.jsonl.gz"], 0);
    steadfast(folder, &["convert", "again.otlp.jsonl.gz", "again.jsonl"], 0);
    assert_eq!(read("same.jsonl"), read("again.jsonl"));
}

/// Takes requests until the client goes, and answers each of them in turn. Returns their paths and bodies.
fn collector(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<(String, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let mut stream = BufReader::new(stream);
        let mut taken = Vec::new();
        while let Some(request) = request(&mut stream) {
            let answer = answers[taken.len() % answers.len()];
            taken.push(request);
            stream.get_mut().write_all(answer.as_bytes()).expect("it reads");
        }
        taken
    });
    (address, thread)
}

fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).unwrap_or(0) == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).expect("a body");
    Some((head.lines().next().expect("a line").to_owned(), String::from_utf8(body).expect("text")))
}

const TAKEN: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{\"partialSuccess\":{}}";
const TAKEN_IN_CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";

#[test]
fn a_collector_gets_every_span() {
    let folder = tempfile::tempdir().expect("a folder");
    let (address, collected) = collector(vec![TAKEN, TAKEN_IN_CHUNKS]);
    let url = format!("http://{address}/v1/traces");
    steadfast(folder.path(), &["record", "-o", "run.jsonl", "--otlp", &url], 0);
    let requests = collected.join().expect("a collector");
    assert!(requests.len() > 2 && requests.iter().all(|(line, _)| line == "POST /v1/traces HTTP/1.1"));
    let bodies: String = requests.into_iter().map(|(_, body)| body + "\n").collect();
    std::fs::write(folder.path().join("collected.json"), bodies).expect("a file");
    steadfast(folder.path(), &["convert", "collected.json", "back.jsonl"], 0);
    steadfast(folder.path(), &["convert", "run.jsonl", "same.jsonl"], 0);
    assert_eq!(lines(&folder.path().join("same.jsonl")), lines(&folder.path().join("back.jsonl")));
}

#[test]
fn a_collector_that_refuses_is_an_error_and_the_history_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let refusing = |answer| {
        let (address, thread) = collector(vec![answer]);
        drop(thread);
        address
    };
    let partial = "HTTP/1.1 200 OK\r\nContent-Length: 69\r\n\r\n\
        {\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"too old now\"}}";
    for (address, says) in [
        (closed.to_string(), "refused"),
        (
            refusing("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfull"),
            "503 Service Unavailable full",
        ),
        (refusing(partial), "the collector rejected 3 spans: too old now"),
        (refusing("SSH-2.0-nonsense\r\n\r\n"), "SSH-2.0-nonsense"),
    ] {
        let url = format!("http://{address}");
        let said = steadfast(folder.path(), &["record", "--force", "-o", "run.jsonl", "--otlp", &url], 2);
        assert!(said.contains("failed to export spans") && said.contains(says), "{says}: {said}");
        steadfast(folder.path(), &["check", "run.jsonl", "--consistency", "consistent-prefix"], 0);
    }
    let said = steadfast(folder.path(), &["record", "--otlp", "https://collector"], 2);
    assert!(said.contains("https is not supported"), "{said}");
    // A run is checked all the same, and a violation outranks the export.
    let words = ["run", "--force", "-o", "run.jsonl", "--otlp", &format!("http://{closed}")];
    assert!(steadfast(folder.path(), &words, 1).contains("failed to export spans"));
}
