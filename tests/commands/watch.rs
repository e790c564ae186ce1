//! Who is told what the judgement of a stream finds: `--on-violation`, `--metrics`, `--live-page`, `--otlp-violations`, `--view`.
//!
//! What must not happen: a violation that nobody is told, a slow command that delays the judgement, and figures that others on
//! the network can read although nobody asked for that.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// A stale read, as an application that is traced records it.
const STALE: &str = r#"{"process":0,"session":"alice","type":"invoke","f":"write","key":"cart","value":1}
{"process":0,"session":"alice","type":"ok","f":"write","key":"cart","value":1,"trace_id":"00000000000000070000000000000001"}
{"process":0,"session":"alice","type":"invoke","f":"write","key":"cart","value":2}
{"process":0,"session":"alice","type":"ok","f":"write","key":"cart","value":2,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7"}
{"process":1,"session":"bob","type":"invoke","f":"read","key":"cart"}
{"process":1,"session":"bob","type":"ok","f":"read","key":"cart","value":1}
"#;

struct Followed {
    child: Child,
    pipe: Option<ChildStdin>,
    /// Lines of standard error.
    told: BufReader<std::process::ChildStderr>,
}

impl Followed {
    fn start(args: &[&str], folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
        command.args(["check", "--follow", "-"]).args(args).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let pipe = child.stdin.take();
        let told = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, pipe, told }
    }

    fn write(&mut self, text: &str) {
        let pipe = self.pipe.as_mut().expect("it is open");
        pipe.write_all(text.as_bytes()).and_then(|()| pipe.flush()).expect("it reads");
    }

    /// The address in the line that begins with `what`.
    fn address(&mut self, what: &str) -> String {
        let mut line = String::new();
        self.told.read_line(&mut line).expect("text");
        let url = line.strip_prefix(&format!("{what}: http://")).unwrap_or_else(|| panic!("{what}: {line}"));
        url.trim().split('/').next().expect("an address").to_owned()
    }

    /// Ends the stream. Returns standard output, the rest of standard error, and the exit code.
    fn finish(mut self) -> (String, String, Option<i32>) {
        self.pipe = None;
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stdout.take().expect("a pipe").read_to_string(&mut out).expect("text");
        self.told.read_to_string(&mut err).expect("text");
        (out, err, self.child.wait().expect("it ends").code())
    }
}

fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
        .expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// Tries until something holds, at most 20 seconds.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_command_gets_each_violation_while_the_stream_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let command = "cat > found-$$.json; echo it rang; exit 4";
    let mut followed = Followed::start(&["--on-violation", command], folder.path());
    followed.write(STALE);
    let files = || -> Vec<Value> {
        let entries = std::fs::read_dir(folder.path()).expect("a folder").flatten();
        let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
        texts.filter_map(|text| serde_json::from_str(&text).ok()).collect()
    };
    let found = wait_for("the command", || Some(files()).filter(|files| !files.is_empty()));
    // Only linearizability is violated: no session went back.
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["verdict"], "violated");
    assert_eq!(found[0]["levels"][0]["anomalies"][0]["type"], "stale-read");
    let (out, err, code) = followed.finish();
    assert!(
        err.contains("linearizable at event 5: the command ended with exit code 4")
            && err.contains("it rang"),
        "{err}"
    );
    assert_eq!(code, Some(1), "the command does not decide the exit code: {out}{err}");
}

/// Events of one client that makes a request each second. Those of some seconds fail.
fn requests(seconds: std::ops::Range<u64>, fails: impl Fn(u64) -> bool) -> String {
    let event = |time: u64, kind: &str, at: u64, more: &str| {
        format!(
            "{{\"time\":{time},\"process\":0,\"session\":\"alice\",\"type\":\"{kind}\",\"f\":\"write\",\"key\":\"cart\",\"value\":{at}{more}}}\n"
        )
    };
    let request = |at: u64| {
        let (kind, more) = if fails(at) { ("fail", ",\"error\":\"refused\"") } else { ("ok", "") };
        event(at * 1_000_000_000, "invoke", at, "") + &event(at * 1_000_000_000 + 1_000_000, kind, at, more)
    };
    seconds.map(request).collect()
}

/// By hand: of a request each second, those from 60 s on fail. A third of 10 s has failed at 64 s, and a third of 30 s at 70 s: then the
/// alert begins. They succeed again from 80 s on: fewer than a third of the last 10 s have failed at 87 s.
#[test]
fn an_objective_alerts_when_both_windows_burn_its_budget() {
    let folder = tempfile::tempdir().expect("a folder");
    let options =
        ["--objective", "errors=10%", "--burn-rate", "30s/10s=3.33", "--on-alert", "cat >> alerts.json"];
    let mut followed =
        Followed::start(&[&options[..], &["--metrics", "0", "--format", "json"]].concat(), folder.path());
    let metrics = followed.address("metrics");
    followed.write(&requests(0..75, |at| at >= 60));
    wait_for("the alert in the figures", || {
        let figures = get(&metrics, "/metrics").1;
        figures
            .contains("steadfast_objective_alert{objective=\"errors\",window_seconds=\"30\"} 1")
            .then_some(())
    });
    followed.write(&requests(75..120, |at| at < 80));
    let (out, err, code) = followed.finish();
    let told = std::fs::read_to_string(folder.path().join("alerts.json")).expect("two alerts");
    let alerts: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let found: Vec<_> =
        alerts.iter().map(|alert| (alert["alert"].as_str(), alert["event"].as_u64())).collect();
    // Each request has two events, so event 2 × n is the invocation at n seconds.
    assert_eq!(found, [(Some("begins"), Some(2 * 70)), (Some("ends"), Some(2 * 87))], "{err}");
    assert!(
        err.contains(
            "alert: objective errors (at most 10%), event 140: in the last 10s, 10 of 10 operations ended in an error, 10 times"
        ),
        "{err}"
    );
    // 20 of 120 failed, which is more than 10 %: the whole is missed, as `check --objective` says.
    let end: Value = serde_json::from_str(out.lines().last().expect("the verdicts")).expect("JSON");
    assert_eq!((end["verdict"].as_str(), code), (Some("missed"), Some(1)), "{out}");
    assert_eq!(
        (&end["objectives"][0]["bad"], &end["objectives"][0]["operations"]),
        (&20.into(), &120.into())
    );
}

#[test]
fn an_objective_that_needs_the_whole_history_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (options, told) in [
        (&["--objective", "recovery.p99=3s"][..], "the objective recovery.p99 needs the whole history"),
        (&["--on-alert", "true"], "--on-alert is about objectives"),
        (&["--objective", "errors=1%", "--burn-rate", "1h=3"], "pass LONG/SHORT=RATE"),
        (&["--burn-rate", "1h/5m=3"], "--burn-rate is about objectives"),
    ] {
        let (_, err, code) = Followed::start(options, folder.path()).finish();
        assert!(err.contains(told) && code == Some(2), "{options:?}: {err}");
    }
}

/// The violation is printed at once although the command hangs, and the program does not end before the command.
#[test]
fn a_slow_command_delays_nothing_and_is_not_lost_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut followed = Followed::start(&["--on-violation", "sleep 2; cat > late.json"], folder.path());
    let began = Instant::now();
    followed.write(STALE);
    let mut out = BufReader::new(followed.child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("stale-read") && out.read_line(&mut line).expect("text") > 0 {}
    assert!(line.contains("stale-read") && began.elapsed() < Duration::from_millis(1_900), "{line}");
    followed.pipe = None;
    followed.child.wait().expect("it ends");
    assert!(began.elapsed() > Duration::from_secs(2));
    assert!(folder.path().join("late.json").exists(), "the program ended before the command");
}

#[test]
fn a_command_that_hangs_is_killed_and_that_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["--on-violation", "sleep 1000", "--command-timeout", "300ms"];
    let mut followed = Followed::start(&args, folder.path());
    followed.write(STALE);
    let (_, err, code) = followed.finish();
    assert!(err.contains("killed after 0.3 s (--command-timeout)"), "{err}");
    assert_eq!(code, Some(1));
}

/// The figures by name and labels. Each line must be one of the text format of Prometheus.
fn parse_metrics(text: &str) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    let mut typed = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            typed.push(name.to_owned());
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let bare = name.split('{').next().expect("a name");
        assert!(typed.last().is_some_and(|last| last == bare), "{line} has no type");
        assert!(bare.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
        assert!(values.insert(name.to_owned(), value.parse().expect(line)).is_none(), "{line} twice");
    }
    values
}

#[test]
fn the_figures_are_those_of_the_stream() {
    let mut followed = Followed::start(&["--metrics", "0"], Path::new("."));
    let address = followed.address("metrics");
    assert!(address.starts_with("127.0.0.1:"), "only this machine can read them: {address}");
    let fail = "{\"process\":7,\"type\":\"invoke\",\"f\":\"write\",\"key\":\"cart\",\"value\":9}\n\
                {\"process\":7,\"type\":\"fail\",\"f\":\"write\",\"key\":\"cart\",\"value\":9}\n\
                {\"process\":8,\"type\":\"invoke\",\"f\":\"write\",\"key\":\"cart\",\"value\":10}\n";
    followed.write(&format!("{STALE}{fail}"));
    let values = wait_for("the violation", || {
        let (head, body) = get(&address, "/metrics");
        assert!(head.contains("text/plain; version=0.0.4"), "{head}");
        Some(parse_metrics(&body)).filter(|values| values["steadfast_violations_total"] > 0.0)
    });
    for (name, value) in [
        ("steadfast_events_total", 9.0),
        ("steadfast_operations_total{outcome=\"ok\"}", 3.0),
        ("steadfast_operations_total{outcome=\"fail\"}", 1.0),
        ("steadfast_operations_total{outcome=\"info\"}", 0.0),
        ("steadfast_open_operations", 1.0),
        ("steadfast_watermark_events", 8.0),
        ("steadfast_lag_events", 1.0),
        ("steadfast_verdict{level=\"linearizable\",verdict=\"violated\"}", 1.0),
        ("steadfast_verdict{level=\"linearizable\",verdict=\"holds\"}", 0.0),
        ("steadfast_verdict{level=\"monotonic-reads\",verdict=\"holds\"}", 1.0),
        ("steadfast_violations_total", 1.0),
        ("steadfast_ended", 0.0),
    ] {
        assert_eq!(values.get(name), Some(&value), "{name}: {values:?}");
    }
    assert!(values["steadfast_memory_bytes"] > 1e6 && values["steadfast_quiet_seconds"] < 20.0, "{values:?}");
    assert!(!values.contains_key("steadfast_unread_bytes"), "a pipe tells nothing of that");
    assert!(get(&address, "/").0.contains(" 404 ") && get(&address, "/state.json").0.contains(" 404 "));
    assert_eq!(followed.finish().2, Some(1));
    assert!(TcpStream::connect(&address).is_err(), "the server ends with the command");
}

#[test]
fn the_page_has_the_state_and_the_report_on_the_violation() {
    let mut followed = Followed::start(&["--live-page", "127.0.0.1:0"], Path::new("."));
    let address = followed.address("live page");
    let (head, page) = get(&address, "/");
    assert!(head.contains("default-src 'none'") && head.contains("connect-src 'self'"), "{head}");
    for outside in ["http://", "https://", "//cdn", "@import"] {
        assert!(!page.contains(outside), "the page loads something: {outside}");
    }
    assert!(page.split("url(").skip(1).all(|rest| rest.starts_with('#')), "a style loads something");
    followed.write(STALE);
    let state: Value = wait_for("the violation", || {
        let state: Value = serde_json::from_str(&get(&address, "/state.json").1).expect("JSON");
        Some(state).filter(|state| !state["violations"].as_array().expect("a list").is_empty())
    });
    assert_eq!(state["events"], 6);
    assert_eq!(state["operations"]["ok"], 3);
    assert_eq!(state["levels"][0]["verdict"], "violated");
    assert_eq!(state["violations"][0]["anomaly"], "stale-read");
    assert_eq!(state["violations"][0]["key"], "\"cart\"");
    assert_eq!(state["violations"][0]["event"], 5);
    let (head, report) = get(&address, "/violations/1");
    assert!(head.contains(" 200 ") && !head.contains("connect-src"), "{head}");
    assert!(
        report.contains("<svg") && report.contains("stale-read") && report.contains("cart"),
        "the picture"
    );
    for path in ["/violations/2", "/violations/0", "/violations/x", "/metrics", "/violations/"] {
        assert!(get(&address, path).0.contains(" 404 "), "{path}");
    }
    assert_eq!(followed.finish().2, Some(1));
}

#[test]
fn one_address_can_serve_both() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
    let port = free.to_string();
    let mut followed = Followed::start(&["--live-page", &port, "--metrics", &port], Path::new("."));
    let address = followed.address("metrics");
    assert_eq!(followed.address("live page"), address);
    assert!(get(&address, "/metrics").0.contains(" 200 ") && get(&address, "/").0.contains(" 200 "));
    drop(followed.finish());
}

/// Takes one request, and answers it.
fn take_request(listener: &TcpListener) -> (String, Value) {
    let (mut stream, _) = listener.accept().expect("a request");
    let mut reader = BufReader::new(stream.try_clone().expect("a handle"));
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("text");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        if line.trim().is_empty() {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").expect("it reads");
    (head, serde_json::from_slice(&body).expect("JSON"))
}

#[test]
fn a_violation_is_a_span_with_links_to_the_traces_of_its_operations() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let mut followed = Followed::start(&["--otlp-violations", &url], Path::new("."));
    followed.write(STALE);
    let (head, request) = take_request(&listener);
    assert!(head.starts_with("POST /v1/traces ") && head.contains("application/json"), "{head}");
    let span = &request["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["name"], "violation");
    assert_eq!(span["status"]["code"], 2);
    let is_hex = |value: &Value, length: usize| {
        let text = value.as_str().expect("text");
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    assert!(is_hex(&span["traceId"], 32) && is_hex(&span["spanId"], 16), "{span}");
    let event = &span["events"][0];
    assert_eq!(event["name"], "steadfast.violation");
    let attribute = |name: &str| {
        let all = event["attributes"].as_array().expect("a list");
        all.iter().find(|one| one["key"] == name).map(|one| one["value"].clone()).unwrap_or_default()
    };
    assert_eq!(attribute("steadfast.level")["stringValue"], "linearizable");
    assert_eq!(attribute("steadfast.anomaly")["stringValue"], "stale-read");
    assert_eq!(attribute("steadfast.event")["intValue"], "5");
    assert_eq!(attribute("steadfast.key")["stringValue"], "\"cart\"");
    let told = attribute("steadfast.text")["stringValue"].as_str().unwrap_or_default().to_owned();
    assert!(told.contains("had replaced it before the read began"), "{event}");
    // A recording of steadfast has no span ids, and its spans have the second half of their trace ids.
    let links: Vec<(&str, &str)> = (span["links"].as_array().expect("a list").iter())
        .map(|link| (link["traceId"].as_str().expect("text"), link["spanId"].as_str().expect("text")))
        .collect();
    assert!(links.contains(&("00000000000000070000000000000001", "0000000000000001")), "{links:?}");
    assert!(links.contains(&("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")), "{links:?}");
    let time = |name: &str| span[name].as_str().expect("text").parse::<u64>().expect("ns");
    assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
    assert_eq!(followed.finish().2, Some(1));
}

#[test]
fn a_collector_that_does_not_answer_is_said_and_changes_no_verdict() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let url = format!("http://127.0.0.1:{port}/spans");
    let mut followed = Followed::start(&["--otlp-violations", &url], Path::new("."));
    followed.write(STALE);
    let (out, err, code) = followed.finish();
    assert!(err.contains("a violation was not sent to 127.0.0.1") && err.contains("/spans"), "{err}");
    assert!(out.contains("violated  linearizable") && code == Some(1), "{out}");
}

/// Each violated level was tried three times for ten seconds, one after another and without a word.
#[test]
fn a_collector_that_is_silent_is_waited_for_once() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let mut followed = Followed::start(&["--otlp-violations", &url], Path::new("."));
    // A value that nobody wrote violates every level.
    followed.write(&STALE.replace(
        "\"f\":\"read\",\"key\":\"cart\",\"value\":1",
        "\"f\":\"read\",\"key\":\"cart\",\"value\":9",
    ));
    let began = Instant::now();
    let (out, err, code) = followed.finish();
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}: {err}", began.elapsed());
    assert!(out.matches("violated  ").count() > 2 && code == Some(1), "{out}");
    assert!(err.contains("waiting up to 10 s until") && err.contains("did not accept"), "{err}");
}

/// A monitor that went on had forgotten what it had found: an alert on the figure went out.
#[test]
fn a_monitor_that_goes_on_counts_and_shows_what_was_found_before() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("run.jsonl"), STALE).expect("a file");
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
        command.args(["check", "--follow", "run.jsonl", "--checkpoint", "state"]).current_dir(folder.path());
        command.args(["--metrics", "127.0.0.1:0", "--live-page", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let told = BufReader::new(child.stderr.take().expect("a pipe"));
        Followed { child, pipe: None, told }
    };
    for round in ["first", "second"] {
        let mut followed = start();
        if round == "second" {
            let mut line = String::new();
            followed.told.read_line(&mut line).expect("text");
            assert!(line.contains("going on after event 6"), "{line}");
        }
        let (metrics, page) = (followed.address("metrics"), followed.address("live page"));
        wait_for(&format!("a violation in the {round} process"), || {
            let text = get(&metrics, "/metrics").1;
            let count = text.lines().find_map(|line| line.strip_prefix("steadfast_violations_total "))?;
            count.parse::<u32>().ok().filter(|&count| count > 0)
        });
        assert!(get(&page, "/violations/1").0.starts_with("HTTP/1.1 200"), "{round}");
        assert!(get(&page, "/state.json").1.contains("\"number\":1"), "{round}");
        // The state is written every five seconds.
        wait_for("a state", || std::fs::metadata(folder.path().join("state")).ok());
        std::thread::sleep(Duration::from_millis(if round == "first" { 6_500 } else { 0 }));
        followed.child.kill().expect("it can be killed");
        followed.child.wait().expect("it ends");
    }
}

/// A pipe is no terminal: the view then is the line of progress, and nothing else changes.
#[test]
fn without_a_terminal_the_view_changes_nothing() {
    let mut plain = Followed::start(&[], Path::new("."));
    let mut viewed = Followed::start(&["--view"], Path::new("."));
    plain.write(STALE);
    viewed.write(STALE);
    let (plain, viewed) = (plain.finish(), viewed.finish());
    assert_eq!(plain, viewed);
    assert!(!viewed.1.contains('\u{1b}'), "{}", viewed.1);
}

/// On a terminal, the violation is shown in the view, and printed once the view has ended.
#[test]
fn on_a_terminal_the_view_ends_before_the_verdicts_are_printed() {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: script is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let end = "{\"process\":\"recorder\",\"type\":\"info\",\"f\":\"end\",\"value\":null}\n";
    std::fs::write(folder.path().join("run.jsonl"), format!("{STALE}{end}")).expect("a file");
    let program = env!("CARGO_BIN_EXE_steadfast");
    let command = format!("{program} check --follow --view --on-violation 'echo rang' run.jsonl");
    let output = Command::new("script")
        .args(["-qec", &format!("stty cols 100 rows 40; {command}"), "/dev/null"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (begins, ends) = (text.find("\u{1b}[?1049h"), text.find("\u{1b}[?1049l"));
    let (Some(begins), Some(ends)) = (begins, ends) else { panic!("{text}") };
    let (view, after) = (&text[begins..ends], &text[ends..]);
    // Between two words, the cursor moves.
    assert!(
        view.contains("Judged") && view.contains("linearizable") && !view.contains("VIOLATED"),
        "{text:?}"
    );
    assert!(after.contains("VIOLATED") && after.contains("certain since event 5"), "{after}");
    assert!(after.contains("the command ended with exit code 0") && after.contains("rang"), "{after}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_tells_needs_a_stream_and_a_free_address() {
    let refused = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_steadfast")).args(args).output().expect("it runs");
        (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
    };
    for option in [
        &["--on-violation", "true"][..],
        &["--metrics", "0"],
        &["--live-page", "0"],
        &["--otlp-violations", "http://127.0.0.1:1"],
        &["--view"],
    ] {
        let (err, code) = refused(&[&["check", "run.jsonl"], option].concat());
        assert!(err.contains(option[0]) && err.contains("Pass --follow"), "{err}");
        assert_eq!(code, Some(2));
        if option[0] != "--view" {
            let (err, code) = refused(&[&["run", "--workload", "register"], option].concat());
            assert!(err.contains(option[0]) && err.contains("Pass --live"), "{err}");
            assert_eq!(code, Some(2));
        }
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (err, code) = refused(&["check", "--follow", "-", "--metrics", &address]);
    assert!(err.contains("failed to listen on") && err.contains(&address), "{err}");
    assert_eq!(code, Some(2));
}

/// Events on two keys, out of order by at most 30 ms. By time: `late` is written and read; 1 and 2 are written to `cart`, and 1 is read.
fn out_of_order() -> String {
    let event = |time: u64, process: u64, kind: &str, function: &str, key: &str, value: &str| {
        format!(
            "{{\"index\":7,\"time\":{},\"process\":{process},\"session\":\"s{process}\",\"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"{key}\",\"value\":{value}}}\n",
            time * 1_000_000
        )
    };
    [
        event(20, 1, "ok", "write", "cart", "1"),
        event(10, 1, "invoke", "write", "cart", "1"),
        event(40, 2, "ok", "write", "cart", "2"),
        event(12, 3, "invoke", "write", "late", "5"),
        event(60, 1, "ok", "read", "cart", "1"),
        event(30, 2, "invoke", "write", "cart", "2"),
        event(50, 1, "invoke", "read", "cart", "null"),
        event(200, 4, "invoke", "read", "late", "null"),
    ]
    .concat()
}

#[test]
fn events_that_come_late_are_judged_in_the_order_of_their_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let levels = ["--consistency", "linearizable", "--format", "json"];
    let mut followed = Followed::start(&[&levels[..], &["--lateness", "30ms"]].concat(), folder.path());
    followed.write(&out_of_order());
    let (out, err, code) = followed.finish();
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["levels"][0]["anomalies"][0]["type"], "stale-read", "{out}{err}");
    assert_eq!((code, lines.last().and_then(|end| end["late_events"].as_u64())), (Some(1), None), "{out}");
    // In the order in which they came, they are no history.
    let mut followed = Followed::start(&levels, folder.path());
    followed.write(&out_of_order());
    assert_eq!(followed.finish().2, Some(2));
}

/// The key of a late event is unknown, not wrong, and the others stand.
#[test]
fn an_event_that_is_too_late_makes_its_key_unknown() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |key: &str| {
        let levels = ["--consistency", "linearizable", "--lateness", "30ms"];
        let mut followed = Followed::start(&levels, folder.path());
        let late = out_of_order();
        followed.write(&late);
        // The write ended at 14 ms, and events up to 170 ms have been judged.
        followed.write(&format!(
            "{{\"time\":14000000,\"process\":3,\"session\":\"s3\",\"type\":\"ok\",\"f\":\"write\",\"key\":\"{key}\",\"value\":5}}\n"
        ));
        followed.finish()
    };
    let (out, err, code) = run("late");
    assert!(
        out.contains("stale-read") && out.contains("1 event came later than --lateness allows"),
        "{out}{err}"
    );
    assert_eq!(code, Some(1));
    // Without a violation elsewhere, the level is unknown.
    let quiet: String =
        out_of_order().lines().filter(|line| line.contains("late")).map(|line| format!("{line}\n")).collect();
    let mut followed =
        Followed::start(&["--consistency", "linearizable", "--lateness", "30ms"], folder.path());
    followed.write(
        "{\"time\":100000000,\"process\":9,\"session\":\"s9\",\"type\":\"invoke\",\"f\":\"write\",\"key\":\"other\",\"value\":1}\n",
    );
    followed.write(&quiet);
    followed.write(
        "{\"time\":14000000,\"process\":3,\"session\":\"s3\",\"type\":\"ok\",\"f\":\"write\",\"key\":\"late\",\"value\":5}\n\
         {\"time\":300000000,\"process\":4,\"session\":\"s4\",\"type\":\"ok\",\"f\":\"read\",\"key\":\"late\",\"value\":5}\n",
    );
    let (out, err, code) = followed.finish();
    assert!(out.contains("unknown") && out.contains("too late on key \"late\""), "{out}{err}");
    assert_eq!(code, Some(3));
}
