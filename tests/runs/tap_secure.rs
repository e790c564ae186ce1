//! `steadfast tap` with TLS and HTTP/2 on both sides: what is recorded is what it is without them.
//!
//! What could go wrong: cookies that HTTP/2 sends in several lines are read as one of them; an address without a header `host` reaches
//! the wrong site; an answer of one stream is taken for that of another; a certificate that fits nobody is found out by the first client.
//! The proxy before the application is HAProxy, the client in HTTP/2 is curl, and OpenSSL makes the certificates.

use crate::app::{self, Bugs};
use crate::compare;
use crate::haproxy::{MUTUAL_TLS, RunningHaproxy};
use crate::tap::process::RunningTap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

const FITTING: &str = "ca = 'ca.pem'\ncertificate = 'client.pem'\nkey = 'client.key'";
const LISTEN: [&str; 4] = ["--certificate", "server.pem", "--key", "server.key"];

/// An application behind HAProxy, which wants a certificate of its clients.
struct SecureApp {
    proxy: RunningHaproxy,
    /// Where the proxy listens.
    address: String,
}

impl SecureApp {
    /// `alpn` are the protocols that the proxy offers.
    fn open(app: &str, alpn: &str) -> Option<Self> {
        let proxy = RunningHaproxy::start(app, &format!("{MUTUAL_TLS} alpn {alpn}"))?;
        let secure = Self { address: format!("127.0.0.1:{}", proxy.port), proxy };
        secure.describe("stack.toml", &secure.address, FITTING);
        Some(secure)
    }

    fn path(&self) -> &Path {
        self.proxy.path()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).expect("a file")
    }

    /// Writes a description of the application at an address with TLS.
    fn describe(&self, name: &str, address: &str, tls: &str) {
        let text = app::DESCRIPTION.replace("http://ADDRESS", &format!("https://{address}"));
        std::fs::write(self.path().join(name), format!("{text}\n[tls]\n{tls}\n")).expect("a file");
    }

    fn tap(&self) -> RunningTap {
        let to = format!("https://{}", self.address);
        RunningTap::start(self.path(), &to, "tapped.jsonl", &LISTEN)
    }

    fn steadfast(&self, words: &str) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
            .args(words.split_whitespace())
            .current_dir(self.path())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        (output.status.code().expect("a code"), said.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Requests of curl in HTTP/2 with one jar of cookies: the status, the protocol to the tap, and that from the tap to the proxy.
    fn curl(&self, tap: &RunningTap, words: &[&str], path: &str) -> String {
        let output = Command::new("curl")
            .args(["--silent", "--http2", "--cacert", "ca.pem", "--cookie", "jar", "--cookie-jar", "jar"])
            .args([
                "--max-time",
                "20",
                "--output",
                "body",
                "-w",
                "%{http_code} %{http_version} %header{x-spoken}",
            ])
            .args(words)
            .arg(format!("https://{}{path}", tap.address))
            .current_dir(self.path())
            .output()
            .expect("curl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn curl_speaks_http2() -> bool {
    let version = Command::new("curl").arg("--version").output().ok();
    let speaks = version.is_some_and(|version| String::from_utf8_lossy(&version.stdout).contains("HTTP2"));
    if !speaks {
        eprintln!("skipped: there is no curl with HTTP/2");
    }
    speaks
}

/// The completions of a history: operation, session, outcome.
fn completions(history: &str) -> Vec<String> {
    let events =
        history.lines().skip(1).map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let ends = events.filter(|event| event["process"].is_u64() && event["type"] != "invoke");
    ends.map(|event| {
        ["f", "key", "type"].map(|name| event[name].as_str().unwrap_or("?").to_owned()).join(" ")
    })
    .collect()
}

/// The driver comes to the tap with TLS, and the tap goes on with TLS and its own certificate, in HTTP/2 and in HTTP/1.
#[test]
fn a_tap_with_tls_records_what_the_driver_records() {
    for alpn in ["h2,http/1.1", "http/1.1"] {
        let bugs = Bugs { old_id_stays: true, ..Bugs::default() };
        let Some(secure) = SecureApp::open(&app::serve(bugs), alpn) else { return };
        let tap = secure.tap();
        secure.describe("driver.toml", &tap.address, "ca = 'ca.pem'");
        let (code, said) = secure.steadfast(
            "run http --stack driver.toml --skip-probe --quiet --force --output driven.jsonl --settle 200ms --duration 3s \
             --after-heal 0s --operation-timeout 10s --fields 2 --actions 0.2 --edits 0.2 --churn 12 --logins 0.5 \
             --load 150/s --sessions 8",
        );
        assert_eq!(code, 1, "old ids stay valid: {said}");
        let (code, said) = tap.stop("-INT");
        assert_eq!(code, 0, "{said}");
        let counts = compare::compare_recordings(&secure.read("driven.jsonl"), &secure.read("tapped.jsonl"));
        for f in ["create", "read", "write", "patch", "touch", "renew", "destroy", "act", "actions"] {
            assert!(counts.get(f).is_some_and(|count| *count >= 3), "{alpn}: {counts:?}");
        }
        let (code, _) = secure.steadfast("check --quiet tapped.jsonl");
        assert_eq!(code, 1, "{alpn}: the tap's history shows the old ids");
    }
}

/// A browser speaks HTTP/2 with the tap. To the application, the tap speaks what the application offers.
#[test]
fn clients_in_http2_are_recorded() {
    if !curl_speaks_http2() {
        return;
    }
    for (alpn, spoken) in [("h2,http/1.1", "2.0"), ("http/1.1", "1.1")] {
        let Some(secure) = SecureApp::open(&app::serve(Bugs::default()), alpn) else { return };
        let tap = secure.tap();
        let json = ["-H", "content-type: application/json", "-d", r#"{"user":"ann","cart":"apples"}"#];
        // A cookie beside that of the session: curl sends both in HTTP/2, where each may have a line of its own.
        let jar = "127.0.0.1\tFALSE\t/\tFALSE\t0\tlang\ten\n";
        std::fs::write(secure.path().join("jar"), jar).expect("a file");
        assert_eq!(secure.curl(&tap, &["--cookie", "jar"], "/cart"), format!("401 2 {spoken}"));
        assert_eq!(secure.curl(&tap, &json, "/login"), format!("201 2 {spoken}"));
        assert_eq!(secure.curl(&tap, &[], "/cart"), format!("200 2 {spoken}"));
        assert!(secure.read("body").contains("apples"));
        let form = ["-X", "PUT", "-d", "cart=pears"];
        assert_eq!(secure.curl(&tap, &form, "/cart"), format!("200 2 {spoken}"));
        // Twelve reads at a time on one connection.
        let ids: Vec<String> = (0..12).map(|_| format!("https://{}/cart", tap.address)).collect();
        let output = Command::new("curl")
            .args(["--silent", "--http2", "--parallel", "--parallel-max", "12", "--cacert", "ca.pem"])
            .args(["--cookie", "jar", "-w", "%{http_code} "])
            .args(&ids)
            .current_dir(secure.path())
            .output()
            .expect("curl");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(printed.matches("200 ").count(), 12, "{printed}");
        assert_eq!(printed.matches("pears").count(), 12, "{printed}");
        assert_eq!(secure.curl(&tap, &["-X", "POST"], "/logout"), format!("204 2 {spoken}"));
        let (code, said) = tap.stop("-INT");
        assert_eq!(code, 0, "{said}");
        let ended = completions(&secure.read("tapped.jsonl"));
        assert_eq!(
            ended[..3],
            ["create s-1 ok", "read s-1 ok", "write s-1 ok"].map(str::to_owned),
            "{ended:?}"
        );
        assert_eq!(ended.iter().filter(|line| *line == "read s-1 ok").count(), 13, "{ended:?}");
        assert_eq!(ended.last().map(String::as_str), Some("destroy s-1 ok"), "{ended:?}");
        let (code, said) = secure.steadfast("check --quiet tapped.jsonl");
        assert_eq!(code, 0, "{said}");
    }
}

/// A WebSocket needs HTTP/1 on both sides, also where both would rather speak HTTP/2.
#[test]
fn an_upgrade_goes_through_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let app = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    head.push(byte[0]);
                }
                let answer =
                    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: shout\r\n\r\n";
                let _ = stream.write_all(answer.as_bytes());
                while stream.read_exact(&mut byte).is_ok() {
                    let _ = stream.write_all(&byte.map(|byte| byte.to_ascii_uppercase()));
                }
            });
        }
    });
    let Some(secure) = SecureApp::open(&app, "h2,http/1.1") else { return };
    let tap = secure.tap();
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-CAfile", "ca.pem", "-alpn", "http/1.1", "-connect", &tap.address])
        .current_dir(secure.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    let mut writes = client.stdin.take().expect("a pipe");
    let mut reads = client.stdout.take().expect("a pipe");
    let request = "GET /live HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: shout\r\n\r\n";
    writes.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && reads.read_exact(&mut byte).is_ok() {
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    writes.write_all(b"hello").expect("it is sent");
    let mut shouted = [0; 5];
    reads.read_exact(&mut shouted).expect("an answer");
    assert_eq!(&shouted, b"HELLO");
    let _ = client.kill();
    let _ = client.wait();
}

/// An application without TLS, which answers a handshake as most do.
fn serve_plain_answers() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 512]);
            let _ = stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    address
}

/// What is wrong with certificates is said before anything is served, and leaves no file.
#[test]
fn certificates_that_do_not_fit_are_refused_at_the_start() {
    let Some(secure) = SecureApp::open(&app::serve(Bugs::default()), "h2,http/1.1") else { return };
    let plain = serve_plain_answers();
    let client = "certificate = 'client.pem'\nkey = 'client.key'";
    let port = secure.address.rsplit(':').next().expect("a port").to_owned();
    let secure_to = format!("https://{}", secure.address);
    let usual = format!("--to {secure_to}");
    for (more, tls, says) in [
        (
            format!("{usual} --certificate server.pem --key client.key"),
            FITTING,
            "client.key does not belong to the certificate server.pem",
        ),
        (format!("{usual} --certificate none.pem --key server.key"), FITTING, "none.pem"),
        (
            format!("{usual} --certificate server.pem --key server.pem"),
            FITTING,
            "server.pem has no private key",
        ),
        (format!("{usual} --certificate server.pem"), FITTING, "--key"),
        (usual.clone(), &format!("ca = 'other-ca.pem'\n{client}"), "is not trusted"),
        (format!("--to https://localhost:{port}"), FITTING, "has another name"),
        (format!("--to https://{plain}"), FITTING, "does not speak TLS"),
        (format!("--to https://{plain}/shop"), FITTING, "HOST:PORT"),
    ] {
        secure.describe("stack.toml", &secure.address, tls);
        let words =
            format!("tap --stack stack.toml --listen 127.0.0.1:0 --output h.jsonl --duration 5s {more}");
        let (code, said) = secure.steadfast(&words);
        assert_eq!(code, 2, "{more}: {said}");
        assert!(said.contains(says) && !said.contains("listening"), "{more}: {said}");
        assert!(!secure.path().join("h.jsonl").exists(), "{more}");
    }
}

/// An application that is not there yet is no wrong certificate: the tap serves, and its clients are told.
#[test]
fn an_application_that_is_not_there_yet_is_waited_for() {
    if !curl_speaks_http2() {
        return;
    }
    let Some(secure) = SecureApp::open(&app::serve(Bugs::default()), "h2,http/1.1") else { return };
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let tap = RunningTap::start(secure.path(), &format!("https://{free}"), "tapped.jsonl", &LISTEN);
    assert_eq!(secure.curl(&tap, &[], "/cart").trim(), "502 2");
    let (code, said) = tap.stop("-INT");
    assert_eq!(code, 3, "{said}");
}
