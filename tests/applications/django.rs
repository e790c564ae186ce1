//! Django with its own login, two nodes behind HAProxy: an application that nobody here wrote, from `stack init` to findings.
//!
//! What went wrong before: the description of a stock login stood in the documents and was never run against the application
//! that it is for. Each side here has its argument outside of the checker: Django's documentation says which engine keeps
//! sessions where, the answers say which node they are from, and a client with a stopwatch polls beside the run.
//!
//! Django comes from the package index once, into an environment in the target folder. Where it cannot be had, the tests say so.

use crate::compare;
use crate::process;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recorder/stacks/django");
/// The versions that the findings below are argued for.
const PACKAGES: [&str; 2] = ["django>=5.2,<5.3", "waitress>=3,<4"];

/// A started example. Its processes end when this is dropped.
struct Django {
    folder: tempfile::TempDir,
    ports: [u16; 3],
    python: PathBuf,
    engine: &'static str,
    sticky: bool,
    /// One example at a time: several at once would overload a small machine, whose users then see timeouts.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

/// A Python with Django; otherwise, says what is missing.
fn find_python() -> Option<PathBuf> {
    let say = |why: &str| {
        eprintln!("skipped: {why}");
        None
    };
    if Command::new("haproxy").arg("-v").output().is_err() {
        return say("the program haproxy is not there");
    }
    // The tests of this file share it. Only the first one installs.
    static FOUND: Mutex<Option<Option<PathBuf>>> = Mutex::new(None);
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let python = found.get_or_insert_with(install_django).clone();
    python.map_or_else(|| say("Django cannot be installed (python3 with venv, and the package index)"), Some)
}

fn install_django() -> Option<PathBuf> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("django");
    let python = environment.join("bin/python");
    let has_django = || {
        let import = ["-c", "import waitress, django; assert django.VERSION[:2] == (5, 2)"];
        Command::new(&python).args(import).output().is_ok_and(|output| output.status.success())
    };
    let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !has_django() {
        let _ = std::fs::remove_dir_all(&environment);
        let made = succeeds(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let _ = made && succeeds(Command::new(&python).args(quiet).args(PACKAGES));
    }
    has_django().then_some(python)
}

impl Django {
    fn start(engine: &'static str, sticky: bool) -> Option<Self> {
        let python = find_python()?;
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a folder");
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = listeners.map(|listener| listener.local_addr().expect("an address").port());
        let django = Self { folder, ports, python, engine, sticky, _turn: turn };
        let output = django.script("all");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for port in ports {
            django.eventually_serves(port);
        }
        // The description beside the example, with the ports of this test.
        let mut text = std::fs::read_to_string(Path::new(EXAMPLE).join("stack.toml")).expect("a description");
        for (usual, port) in ["8080", "8081", "8082"].into_iter().zip(ports) {
            text = text.replace(&format!("127.0.0.1:{usual}"), &format!("127.0.0.1:{port}"));
        }
        let text = text.replace("./start.sh", &format!("{EXAMPLE}/start.sh"));
        std::fs::write(django.path("stack.toml"), text).expect("a file");
        Some(django)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command with the settings of the example, which the commands of the stack file inherit.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let [proxy, one, two] = self.ports.map(|port| port.to_string());
        command
            .current_dir(&self.folder)
            .env("FOLDER", self.folder.path())
            .env("PYTHON", &self.python)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SESSION_ENGINE", self.engine)
            .env("STICKY", if self.sticky { "yes" } else { "no" })
            .envs([("PORT", proxy), ("PORT1", one), ("PORT2", two)]);
        command
    }

    fn script(&self, verb: &str) -> Output {
        self.command(&format!("{EXAMPLE}/start.sh")).arg(verb).output().expect("a shell")
    }

    fn eventually_serves(&self, port: u16) {
        let began = Instant::now();
        while get(port, "/health", "").is_none_or(|(status, _)| status != 200) {
            let log = |name: &str| std::fs::read_to_string(self.path(name)).unwrap_or_default();
            let logs = [log("web1.log"), log("web2.log"), log("proxy.log")].concat();
            assert!(began.elapsed() < Duration::from_secs(60), "{port} does not serve: {logs}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn steadfast(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.command(env!("CARGO_BIN_EXE_steadfast")).args(words).output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().expect("a code"), text(&output.stdout), text(&output.stderr))
    }

    /// A run of so many requests a second: its exit code, its answer as JSON, and the events of its history. Nothing if the machine
    /// is too busy for it: then users see timeouts, and the run says nothing of the sessions.
    fn run(&self, load: usize, seconds: usize, more: &[&str]) -> Option<(i32, Value, Vec<Value>)> {
        let words = "run http --stack stack.toml --format json --measure --quiet --force --output h.jsonl --sessions 20 \
                     --settle 500ms --operation-timeout 5s";
        let amount =
            ["--load".to_owned(), format!("{load}/s"), "--duration".to_owned(), format!("{seconds}s")];
        let amount = amount.iter().map(String::as_str);
        let words: Vec<&str> = words.split_whitespace().chain(amount).chain(more.iter().copied()).collect();
        let (code, printed, errors) = self.steadfast(&words);
        let first = printed.lines().next().unwrap_or_default();
        let answer = serde_json::from_str(first).unwrap_or_else(|why| panic!("{why}: {printed}{errors}"));
        let text = std::fs::read_to_string(self.path("h.jsonl")).expect("a history");
        let events: Vec<Value> =
            text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let answered = events.iter().filter(|event| event["type"] == "ok").count();
        let late = events.iter().filter(|event| event["error"] == "timeout").count();
        if late * 50 > answered || answered * 2 < load * seconds {
            eprintln!(
                "skipped: a run on Django, on a machine that is too busy: {answered} answers, {late} timeouts"
            );
            return None;
        }
        Some((code, answer, events))
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        let _ = self.script("stop");
    }
}

/// A request on a connection of its own: the status, and the whole answer. Nothing if there is none within a second.
fn get(port: u16, path: &str, cookies: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookies}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer))
}

/// The findings of a run, by name: the sessions that each is about.
fn findings<'a>(answer: &'a Value, name: &str) -> Vec<&'a str> {
    let levels = answer["levels"].as_array().expect("levels").iter();
    let anomalies = levels.flat_map(|level| level["anomalies"].as_array().expect("anomalies"));
    let named = anomalies.filter(|anomaly| anomaly["type"] == name);
    named.map(|anomaly| anomaly["key"].as_str().expect("a session")).collect()
}

/// Acknowledged operations of a kind.
fn done<'a>(events: &'a [Value], f: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["type"] == "ok" && event["f"] == f)
}

/// The first failed poll of the longest row of failures, and the answered one after it.
fn find_longest_outage(polls: &[(Instant, bool)]) -> Option<(usize, usize)> {
    let begins = (1..polls.len()).filter(|&at| polls[at - 1].1 && !polls[at].1);
    let ended = begins.filter_map(|at| Some((at, at + polls[at..].iter().position(|poll| poll.1)?)));
    ended.max_by_key(|&(at, back)| polls[back].0 - polls[at].0)
}

/// From an address to a description that fits: the token of the form is found, and so are the session's cookie, the read and the
/// logout. What nobody can know is given.
#[test]
fn a_description_of_django_is_written_by_trying() {
    let Some(django) = Django::start("db", false) else { return };
    let url = format!("http://127.0.0.1:{}", django.ports[0]);
    let words = [
        "stack",
        "init",
        &url,
        "--users",
        "users.csv",
        "--login-field",
        "username={user.name}",
        "--login-field",
        "password={user.password}",
        "--write",
        "POST /cart",
        "--output",
        "own.toml",
    ];
    let (code, printed, errors) = django.steadfast(&words);
    assert_eq!(code, 0, "{printed}{errors}");
    assert!(printed.contains("The description fits: 6 promises kept, 0 possible bugs"), "{printed}");
    let text = std::fs::read_to_string(django.path("own.toml")).expect("the file");
    for says in [
        "cookie = \"sessionid\"\n",
        "absent = [401]\n",
        "path = \"/accounts/login/\"\ntake = { csrf = { between = ['name=\"csrfmiddlewaretoken\" value=\"', '\"'] } }\n",
        "headers = { x-csrftoken = \"{cookie.csrftoken}\" }\n",
        "[read]\npath = \"/cart\"\nvalue = \"/cart\"\n",
        "[destroy]\nmethod = \"POST\"\npath = \"/accounts/logout/\"\n",
    ] {
        assert!(text.contains(says), "{says:?} in {text}");
    }
    // The description beside the example was written by hand, and says what may be struck.
    let (code, printed, errors) = django.steadfast(&["stack", "test", "stack.toml", "--quiet"]);
    assert_eq!(code, 0, "{printed}{errors}");
    assert!(printed.contains("The description fits: 6 promises kept, 0 possible bugs"), "{printed}");
    std::fs::copy(django.path("own.toml"), django.path("stack.toml")).expect("a copy");
    let Some((code, answer, events)) = django.run(25, 5, &[]) else { return };
    assert_eq!((code, answer["verdict"].as_str()), (0, Some("holds")), "{answer}");
    assert!(done(&events, "write").count() > 0 && done(&events, "read").count() > 5);
}

/// Sessions in the database: both nodes have them, and no node takes any with it. Nothing is found although each node is killed.
#[test]
fn sessions_in_the_database_survive_the_nodes() {
    let Some(django) = Django::start("db", false) else { return };
    let faults = ["--faults", "kill:web1@2s+2s,kill:web2@6s+2s", "--churn", "8"];
    let Some((code, answer, events)) = django.run(25, 9, &faults) else { return };
    assert_eq!((code, answer["verdict"].as_str()), (0, Some("holds")), "{answer}");
    // The run could have found something: both nodes answered, were down, and answered again; sessions ended and were looked at.
    let healed =
        events.iter().filter(|event| event["f"] == "heal-kill" && event["evidence"]["in_force"] == true);
    assert_eq!(healed.count(), 2, "both kills were seen");
    let nodes: BTreeSet<&str> = done(&events, "read").filter_map(|event| event["node"].as_str()).collect();
    assert_eq!(nodes.into_iter().collect::<Vec<_>>(), ["web1", "web2"]);
    assert!(done(&events, "destroy").next().is_some(), "no session ended");
}

/// Sessions in the memory of each node (the cache backend with Django's default cache, `LocMemCache`, which is per process): the
/// users of a killed node lose theirs, and those of the other node do not.
#[test]
fn sessions_in_the_cache_of_a_node_are_lost_with_it() {
    let Some(django) = Django::start("cache", true) else { return };
    let Some((code, answer, events)) = django.run(25, 8, &["--faults", "kill:web1@3s+2s"]) else { return };
    assert_eq!(code, 1, "{answer}");
    let lost: BTreeSet<&str> = findings(&answer, "lost-session").into_iter().collect();
    let of_node = |node: &str| -> BTreeSet<&str> {
        let struck = events.iter().find(|event| event["f"] == "kill").expect("a kill")["time"].as_u64();
        let created = done(&events, "create").filter(|event| event["time"].as_u64() < struck);
        created.filter(|event| event["node"] == node).filter_map(|event| event["key"].as_str()).collect()
    };
    let (one, two) = (of_node("web1"), of_node("web2"));
    assert!(one.len() >= 3 && two.len() >= 3, "{one:?} {two:?}");
    assert!(!lost.is_empty() && lost.is_disjoint(&two), "{lost:?} {two:?}");
    // A finding is each session of web1 that had not ended and that a read did not find.
    let ended: BTreeSet<&str> = (events.iter())
        .filter(|event| event["type"] == "invoke" && event["f"] == "destroy")
        .filter_map(|event| event["key"].as_str())
        .collect();
    let told = done(&events, "read").filter(|event| event["value"].is_null());
    let told: BTreeSet<&str> = told.filter_map(|event| event["key"].as_str()).collect();
    let missed: Vec<&&str> = one.iter().filter(|key| told.contains(*key) && !ended.contains(*key)).collect();
    assert!(missed.len() >= 3, "{one:?} {told:?} {ended:?}");
    assert!(
        missed.iter().all(|key| lost.contains(**key)),
        "every loss that was seen is found: {missed:?} {lost:?}"
    );
}

/// Sessions in signed cookies: Django's documentation warns that a logout does not invalidate them, because the server keeps nothing.
/// A browser that kept the cookie is still logged in.
#[test]
fn a_logout_of_signed_cookies_ends_nothing() {
    let Some(django) = Django::start("signed_cookies", false) else { return };
    let (code, printed, errors) = django.steadfast(&["stack", "test", "stack.toml", "--quiet"]);
    assert_eq!(code, 0, "a bug is no misfit: {printed}{errors}");
    assert!(
        printed.contains("bug?    read at proxy: promised: the read shows nothing after the logout"),
        "{printed}"
    );
    let Some((code, answer, events)) = django.run(25, 5, &["--churn", "6"]) else { return };
    assert_eq!(code, 1, "{answer}");
    let ended: BTreeSet<&str> = done(&events, "destroy").filter_map(|event| event["key"].as_str()).collect();
    let revived: BTreeSet<&str> = findings(&answer, "resurrected-session").into_iter().collect();
    assert!(!revived.is_empty() && revived.is_subset(&ended), "{revived:?} {ended:?}");
}

/// A tap before the proxy records what the driver records. A login has a form, a token and a redirect, and only its last request is an
/// operation.
#[test]
fn a_tap_records_on_django_what_the_driver_records() {
    let Some(django) = Django::start("db", false) else { return };
    let to = format!("127.0.0.1:{}", django.ports[0]);
    let tap = process::RunningTap::start(django.folder.path(), &to, "tapped.jsonl", &[]);
    let text = std::fs::read_to_string(django.path("stack.toml")).expect("a description");
    std::fs::write(django.path("driver.toml"), text.replace(&to, &tap.address)).expect("a file");
    let words = "run http --stack driver.toml --skip-probe --quiet --output driven.jsonl --settle 500ms --duration 6s \
                 --after-heal 0s --operation-timeout 20s --load 30/s --sessions 10 --churn 8";
    let (code, printed, errors) = django.steadfast(&words.split_whitespace().collect::<Vec<_>>());
    assert!(code == 0 || code == 1, "{code}: {printed}{errors}");
    let (code, said) = tap.stop("-TERM");
    assert_eq!(code, 0, "{said}");
    let history = |name: &str| std::fs::read_to_string(django.path(name)).expect("a history");
    let counts = compare::compare_recordings(&history("driven.jsonl"), &history("tapped.jsonl"));
    for f in ["create", "read", "write", "destroy"] {
        assert!(counts.get(f).is_some_and(|count| *count >= 3), "{counts:?}");
    }
    assert!(said.contains("further requests of logins"), "{said}");
}

/// The recovery time against a client that only polls. The proxy is killed, so that the outage strikes everybody alike.
#[test]
fn the_recovery_time_is_that_of_a_client_that_polls() {
    let Some(django) = Django::start("db", false) else { return };
    // The first requests of a fresh process are slow, and nobody would be there yet when the fault strikes.
    let (code, printed, errors) = django.steadfast(&["stack", "test", "stack.toml", "--quiet"]);
    assert_eq!(code, 0, "{printed}{errors}");
    let (port, stopped) = (django.ports[0], Arc::new(AtomicBool::new(false)));
    let polled = std::thread::spawn({
        let stopped = stopped.clone();
        move || {
            let mut polls = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let answered = get(port, "/health", "").is_some_and(|(status, _)| status == 200);
                polls.push((Instant::now(), answered));
                std::thread::sleep(Duration::from_millis(20));
            }
            polls
        }
    });
    let run = django.run(40, 10, &["--faults", "kill:haproxy@4s+2s"]);
    stopped.store(true, Ordering::Relaxed);
    let polls = polled.join().expect("polls");
    let Some((code, answer, _)) = run else { return };
    assert!(matches!(code, 0 | 3), "an outage of the proxy loses nothing: {answer}");
    let (failed, back) = find_longest_outage(&polls).expect("the outage is noticed, and ends");
    // The outage began between the last answer and the first failure, and ended between the last failure and the next answer.
    let least = polls[back - 1].0 - polls[failed].0;
    let most = polls[back].0 - polls[failed - 1].0;
    let fault = &answer["measurements"]["faults"][0];
    let told = fault["recovery_first_seconds"].as_f64().unwrap_or_else(|| panic!("no recovery in {fault}"));
    // Users ask less often than the client polls: at most the time between two requests of the load later.
    let slack = 0.25;
    assert!(
        told > least.as_secs_f64() - slack && told < most.as_secs_f64() + slack,
        "recovery {told} s, polled {least:?} to {most:?}"
    );
}
