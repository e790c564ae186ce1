//! `steadfast collect` takes spans as exporters send them, and writes a file that a check reads.
//!
//! What could go wrong: an exporter gets its success and the spans are not in the file; a body that is not read leaves half a line; a
//! full disk tears the last line, so that nothing can be read. The requests here are written byte by byte, from an encoder of its own,
//! and the calls of gRPC are curl's. The exporters of OpenTelemetry's Python SDK are tried where pip can install them.

use crate::wire::{LOST, MAP, Span, json_request, proto_request};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

pub(crate) const PROTOBUF: &str = "application/x-protobuf";
pub(crate) const JSON: &str = "application/json";
const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// The exporters of OTLP/HTTP and OTLP/gRPC.
const PACKAGES: [&str; 2] = ["opentelemetry-sdk>=1.30,<2", "opentelemetry-exporter-otlp>=1.30,<2"];

/// A running receiver with its folder. It is killed when dropped.
pub(crate) struct Collecting {
    child: Child,
    stderr: BufReader<ChildStderr>,
    pub(crate) address: String,
    folder: tempfile::TempDir,
}

impl Collecting {
    pub(crate) fn start(more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
        command.args(["collect", "--listen", "127.0.0.1:0", "--output", "spans.jsonl"]).args(more);
        Self::spawn(command)
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("map.toml"), MAP).expect("a file");
        let mut child = command.current_dir(folder.path()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("its messages"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        let rest = line.split_once("listening on ").unwrap_or_else(|| panic!("{line}")).1;
        let address = rest.split(' ').next().expect("an address").to_owned();
        Self { child, stderr, address, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A request over HTTP/1: the status, and the body of the answer.
    pub(crate) fn post(&self, path: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {headers}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("it reads");
        // A body that is too large may be refused before its end.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        let at = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        (status.unwrap_or_else(|| panic!("{text}")), answer[at..].to_vec())
    }

    /// A call of gRPC by curl: the headers and trailers of the answer. Nothing if there is no curl with HTTP/2.
    fn call(&self, path: &str, more: &[&str], body: &[u8]) -> Option<String> {
        let version = Command::new("curl").arg("--version").output().ok();
        if !version.is_some_and(|version| String::from_utf8_lossy(&version.stdout).contains("HTTP2")) {
            eprintln!("skipped: calls of gRPC, because there is no curl with HTTP/2");
            return None;
        }
        std::fs::write(self.path("call"), body).expect("a file");
        let output = Command::new("curl")
            .args(["--silent", "--http2-prior-knowledge", "--max-time", "20", "--verbose"])
            .args(["--output", "answer", "--data-binary", "@call", "-H", "content-type: application/grpc"])
            .args(["-H", "te: trailers"])
            .args(more)
            .arg(format!("http://{}{path}", self.address))
            .current_dir(self.folder.path())
            .output()
            .expect("curl");
        // The headers and trailers are in the messages of curl.
        Some(String::from_utf8_lossy(&output.stderr).to_ascii_lowercase())
    }

    /// Ends the receiver as a user does. Returns its exit code, what it said, and its folder.
    pub(crate) fn stop(mut self, signal: &str) -> (i32, String, Folder) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill").success());
        self.wait()
    }

    fn wait(&mut self) -> (i32, String, Folder) {
        let status = self.child.wait().expect("it ends");
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).expect("text");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"));
        (status.code().unwrap_or(-1), said, Folder(folder))
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a receiver left.
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

impl Folder {
    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.path().join("spans.jsonl")).expect("a file of spans");
        assert!(text.is_empty() || text.ends_with('\n'), "the last line is torn: {text:?}");
        text.lines().map(str::to_owned).collect()
    }

    /// A check of the file: the exit code, and everything that was printed.
    fn check(&self) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
            .args(["check", "spans.jsonl", "--map", "map.toml"])
            .current_dir(self.0.path())
            .output()
            .expect("it runs");
        let all = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&all).split_whitespace().collect::<Vec<_>>().join(" ");
        (output.status.code().expect("a code"), text)
    }
}

/// A message of gRPC: whether it is compressed, its length, and itself.
fn grpc_message(flag: u8, message: &[u8]) -> Vec<u8> {
    [vec![flag], (message.len() as u32).to_be_bytes().to_vec(), message.to_vec()].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip, which every system has");
    child.stdin.take().expect("a pipe").write_all(bytes).expect("a small input");
    child.wait_with_output().expect("an output").stdout
}

/// Each request has one or two spans of the trace in another encoding. Only all of them together show what was lost.
#[test]
fn spans_of_every_encoding_are_received_and_checked() {
    let collecting = Collecting::start(&[]);
    let (status, answer) = collecting.post("/v1/traces", PROTOBUF, &proto_request(&LOST[..2]));
    assert_eq!((status, answer), (200, Vec::new()));
    let headers = format!("{JSON}; charset=utf-8\r\ncontent-encoding: gzip");
    let (status, answer) =
        collecting.post("/v1/traces", &headers, &gzip(json_request(&LOST[2..3]).as_bytes()));
    assert_eq!((status, answer.as_slice()), (200, b"{}".as_slice()));
    let (rich, zipped) = (Span { rich: true, ..LOST[3] }, gzip(&proto_request(&LOST[4..5])));
    let called = [
        collecting.call(GRPC_PATH, &[], &grpc_message(0, &proto_request(&[rich]))),
        collecting.call(GRPC_PATH, &["-H", "grpc-encoding: gzip"], &grpc_message(1, &zipped)),
        collecting.call(
            GRPC_PATH,
            &["-H", "grpc-encoding: gzip"],
            &grpc_message(0, &proto_request(&LOST[5..])),
        ),
    ];
    let grpc = called.iter().flatten().count();
    for answer in called.into_iter().flatten() {
        assert!(answer.contains("grpc-status: 0"), "{answer}");
        // An empty message: five bytes.
        assert_eq!(std::fs::read(collecting.path("answer")).expect("an answer"), [0; 5]);
    }
    if grpc == 0 {
        collecting.post("/v1/traces", PROTOBUF, &proto_request(&LOST[3..]));
    }
    let (code, said, folder) = collecting.stop("-INT");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("6 spans in "), "{said}");
    assert_eq!(folder.lines().len(), if grpc == 0 { 3 } else { 5 });
    let (code, printed) = folder.check();
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("lost-session"), "{printed}");
    assert!(printed.contains("read as operations: 6 spans"), "{printed}");
    if grpc > 0 {
        let rich = folder.lines().into_iter().find(|line| line.contains("a.double")).expect("the span");
        for kept in ["exception", "\"an.array\"", "\"-1\"", "\"inner\"", "web1"] {
            assert!(rich.contains(kept), "{kept}: {rich}");
        }
    }
}

#[test]
fn what_cannot_be_taken_is_refused_and_leaves_no_line() {
    let collecting = Collecting::start(&["--body-size", "2KiB"]);
    let proto = proto_request(&LOST[..1]);
    let long: Vec<Span<'_>> = LOST.into_iter().cycle().take(30).collect();
    let bomb = gzip(&vec![0; 1 << 20]);
    for (path, headers, body, status, says) in [
        ("/v1/metrics", PROTOBUF, proto.as_slice(), 404, "only traces"),
        ("/v1/traces", "text/plain", &proto, 415, "text/plain"),
        ("/v1/traces", "application/json\r\ncontent-encoding: br", b"{}", 415, "gzip, or none"),
        ("/v1/traces", PROTOBUF, &proto[..40], 400, "no traces"),
        ("/v1/traces", JSON, b"{\"resourceMetrics\": []}", 400, "resourceSpans"),
        ("/v1/traces", "application/x-protobuf\r\ncontent-encoding: gzip", &proto, 400, "not gzip"),
        ("/v1/traces", "application/x-protobuf\r\ncontent-encoding: gzip", &bomb, 413, "2048 bytes"),
        ("/v1/traces", PROTOBUF, &proto_request(&long), 413, "2048 bytes"),
    ] {
        let (found, answer) = collecting.post(path, headers, body);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(found, status, "{path} {headers}: {answer}");
        assert!(answer.contains(says), "{path} {headers}: {answer}");
    }
    for (path, body, status) in [
        ("/other.Service/Export", grpc_message(0, &proto), "grpc-status: 12"),
        (GRPC_PATH, grpc_message(1, &proto), "grpc-status: 3"),
        (GRPC_PATH, grpc_message(0, &proto)[..30].to_vec(), "grpc-status: 3"),
        (GRPC_PATH, grpc_message(0, &proto_request(&long)), "grpc-status: 8"),
    ] {
        if let Some(answer) = collecting.call(path, &[], &body) {
            assert!(answer.contains(status), "{path} {status}: {answer}");
        }
    }
    let (code, said, folder) = collecting.stop("-TERM");
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("refused: ") && said.contains("/v1/metrics"), "{said}");
    assert!(said.contains("no spans came"), "{said}");
    assert!(!folder.0.path().join("spans.jsonl").exists());
}

/// A file with a span that has no time could not be read at all. Such a span is left out, and its exporter is told.
#[test]
fn a_span_without_times_is_left_out_of_its_request() {
    let collecting = Collecting::start(&[]);
    let backwards = Span { from: 10, to: 5, ..LOST[0] };
    let (status, answer) = collecting.post("/v1/traces", PROTOBUF, &proto_request(&[backwards, LOST[1]]));
    assert_eq!((status, &answer[..1]), (200, [0x0a].as_slice()));
    assert!(String::from_utf8_lossy(&answer).contains("ends before it begins"));
    let (status, answer) = collecting.post("/v1/traces", JSON, json_request(&[backwards]).as_bytes());
    let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!((status, &answer["partialSuccess"]["rejectedSpans"]), (200, &serde_json::json!("1")));
    let (code, said, folder) = collecting.stop("-INT");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("left out, because of their times: 2 spans"), "{said}");
    assert_eq!(folder.lines().len(), 1);
    assert!(folder.check().1.contains("read as operations: 1 span"));
}

#[test]
fn an_existing_file_is_never_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("spans.jsonl"), "mine").expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(["collect", "--listen", "127.0.0.1:0", "--output", "spans.jsonl"])
        .current_dir(folder.path())
        .output()
        .expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(folder.path().join("spans.jsonl")).expect("a file"), "mine");
    // An address that cannot be used leaves no empty file.
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(["collect", "--listen", "192.0.2.1:1", "--output", "new.jsonl"])
        .current_dir(folder.path())
        .output()
        .expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("192.0.2.1:1"));
    assert!(!folder.path().join("new.jsonl").exists());
}

/// An exporter that got its success does not send again. So what is acknowledged is in the file, whatever happens next.
#[test]
fn what_is_acknowledged_survives_sigkill() {
    let collecting = Collecting::start(&[]);
    for span in LOST {
        assert_eq!(collecting.post("/v1/traces", PROTOBUF, &proto_request(&[span])).0, 200);
    }
    let (_, _, folder) = collecting.stop("-KILL");
    assert_eq!(folder.lines().len(), 6);
    assert_eq!(folder.check().0, 1);
}

/// The system takes a part of a line when a file reaches its largest size. That part is removed, and the exporter may try elsewhere.
#[test]
fn a_full_disk_tears_no_line() {
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_steadfast");
    // The limit is in blocks of 512 bytes or of 1024.
    let line = format!("ulimit -f 4; exec {program} collect --listen 127.0.0.1:0 --output spans.jsonl");
    command.args(["-c", &line]);
    let mut collecting = Collecting::spawn(command);
    let mut taken = 0;
    let refused = loop {
        match collecting.post("/v1/traces", PROTOBUF, &proto_request(&LOST[..2])).0 {
            200 => taken += 1,
            status => break status,
        }
        assert!(taken < 100, "the limit on the size of files does not work");
    };
    assert_eq!(refused, 503);
    let (code, said, folder) = collecting.wait();
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("failed to write the file of spans"), "{said}");
    assert_eq!(folder.lines().len(), taken);
    assert!(taken == 0 || folder.check().1.contains("read as operations: "));
}

/// The exporters that applications have, as they are: over gRPC, and over HTTP, with and without gzip.
#[test]
fn the_exporters_of_opentelemetry_are_understood() {
    let Some(python) = find_exporters() else {
        eprintln!(
            "skipped: the exporters of OpenTelemetry cannot be installed (python3 with venv, and the package index)"
        );
        return;
    };
    let collecting = Collecting::start(&[]);
    let script = r#"
import sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http
import grpc
from opentelemetry.exporter.otlp.proto.http import Compression
address = sys.argv[1]
exporters = [
    Grpc(endpoint=address, insecure=True),
    Grpc(endpoint=address, insecure=True, compression=grpc.Compression.Gzip),
    Http(endpoint="http://" + address + "/v1/traces"),
    Http(endpoint="http://" + address + "/v1/traces", compression=Compression.Gzip),
]
tracers = []
for exporter in exporters:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracers.append(provider.get_tracer("shop"))
requests = [
    ("POST", "/login", 200, None), ("POST", "/cart", 200, "1"), ("GET", "/cart", 200, "1"), ("GET", "/cart", 401, None),
]
for (method, route, status, version), tracer in zip(requests, tracers):
    with tracer.start_as_current_span(method + " " + route) as span:
        span.set_attribute("http.request.method", method)
        span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)
        span.set_attribute("session.id", "aaa")
        if version:
            span.set_attribute("cart.version", version)
        span.add_event("handled", {"weight": 1.5})
"#;
    let output: Output =
        Command::new(python).args(["-c", script, &collecting.address]).output().expect("python");
    // An exporter logs what failed, and exits with success.
    let logged = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !logged.to_lowercase().contains("fail"), "{logged}");
    let (code, said, folder) = collecting.stop("-INT");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("4 spans in 4 requests"), "{said}");
    let (code, printed) = folder.check();
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("lost-session"), "{printed}");
}

/// A Python with the exporters, in an environment in the target folder.
fn find_exporters() -> Option<PathBuf> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("otlp");
    let python = environment.join("bin/python");
    let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let import = "import opentelemetry.exporter.otlp.proto.grpc, opentelemetry.exporter.otlp.proto.http, opentelemetry.sdk";
    let has_exporters = || succeeds(Command::new(&python).args(["-c", import]));
    if !has_exporters() {
        let _ = std::fs::remove_dir_all(&environment);
        let made = succeeds(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let _ = made && succeeds(Command::new(&python).args(quiet).args(PACKAGES));
    }
    has_exporters().then_some(python)
}
