//! Spans of an application, read as a history of its sessions by a map.
//!
//! Each small trace is written by hand, with the verdict argued beside it. A recorded run is exported as spans and read back by a
//! map that knows nothing of the program's own attributes but their names: it must show what the recording shows.

use assert_cmd::Command;
use serde_json::{Value, json};
use std::path::Path;

const MAP: &str = r#"
complete = true

[session]
id = "session.id"
previous = "session.previous_id"
node = "service.instance.id"

[[operation]]
function = "create"
where = { "http.request.method" = "POST", "http.route" = "/login" }

[[operation]]
function = "read"
where = { "http.request.method" = "GET", "http.route" = ["/cart", "/basket"] }
value = "cart.version"
absent = { "http.response.status_code" = [401, 404] }

[[operation]]
function = "write"
where = { "http.request.method" = "POST", "http.route" = "/cart" }
value = "cart.version"
absent = { "http.response.status_code" = 401 }

[[operation]]
function = "destroy"
where = { "http.route" = "/logout" }
"#;

/// A span: from and to in ms, method, route, session, status, and further attributes.
fn span(from: u64, to: u64, request: &str, session: &str, status: u64, more: &[(&str, &str)]) -> Value {
    let (method, route) = request.split_once(' ').expect("a method and a route");
    let text = |name: &str, value: &str| json!({"key": name, "value": {"stringValue": value}});
    let mut attributes = vec![
        text("http.request.method", method),
        text("http.route", route),
        json!({"key": "http.response.status_code", "value": {"intValue": status.to_string()}}),
    ];
    if !session.is_empty() {
        attributes.push(text("session.id", session));
    }
    attributes.extend(more.iter().map(|(name, value)| text(name, value)));
    let ns = |ms: u64| (1_700_000_000_000_000_000 + ms * 1_000_000).to_string();
    json!({
        "name": request, "traceId": format!("t{from}"), "spanId": format!("x{from}"),
        "startTimeUnixNano": ns(from), "endTimeUnixNano": ns(to), "attributes": attributes
    })
}

fn request(spans: &[Value]) -> String {
    let resource = json!({"attributes": [{"key": "service.instance.id", "value": {"stringValue": "web1"}}]});
    json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}).to_string()
}

/// The exit code and both outputs of a check of spans by a map.
fn check(spans: &[Value], map: &str, more: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("spans.json"), request(spans)).expect("a file");
    std::fs::write(folder.path().join("map.toml"), map).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.current_dir(folder.path()).args(["check", "spans.json", "--map", "map.toml"]).args(more);
    let output = command.output().expect("it runs");
    // Lines are wrapped for people.
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ");
    (output.status.code().expect("a code"), text(&output.stdout), text(&output.stderr))
}

/// Two users: one is fine. The other logs in, fills the cart, and is then told that there is no session.
fn lost_spans() -> Vec<Value> {
    vec![
        span(0, 5, "POST /login", "aaa", 200, &[]),
        span(10, 15, "POST /cart", "aaa", 200, &[("cart.version", "1")]),
        span(20, 25, "GET /cart", "aaa", 200, &[("cart.version", "1")]),
        span(1, 6, "POST /login", "bbb", 200, &[]),
        span(11, 16, "POST /cart", "bbb", 200, &[("cart.version", "7")]),
        span(21, 26, "GET /cart", "bbb", 401, &[]),
        span(30, 31, "GET /favicon.ico", "", 200, &[]),
    ]
}

#[test]
fn a_session_that_is_gone_is_lost_if_every_request_is_traced() {
    let (code, printed, errors) = check(&lost_spans(), MAP, &[]);
    assert_eq!(code, 1, "{printed}{errors}");
    assert!(printed.contains("1 lost-session"), "{printed}");
    assert!(printed.contains("no [[operation]] fits: 1 span, \"GET /favicon.ico\" the first"), "{printed}");
    // Ids are secrets; the operations are found again by their spans.
    assert!(!printed.contains("bbb") && printed.contains("s-2"), "{printed}");
}

/// The logout of the second user may be a request that was not sampled.
#[test]
fn nothing_follows_from_an_absent_session_in_a_sample() {
    let sampled = MAP.replace("complete = true", "");
    let (code, printed, errors) = check(&lost_spans(), &sampled, &[]);
    assert_eq!(code, 0, "{printed}{errors}");
    assert!(printed.contains("says nothing (1 such answer)"), "{printed}");
    let (code, _, errors) = check(&lost_spans(), &sampled, &["--consistency", "lost-session"]);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("lost-session cannot be judged in a sample of requests"), "{errors}");
}

/// A cart that shows an older version than one that was acknowledged before, a session that works after its logout, and an old id
/// that works after its renewal: no request that is missing explains any of them.
#[test]
fn what_a_sample_shows_is_found() {
    let sampled = MAP.replace("complete = true", "");
    let spans = [
        span(0, 5, "POST /cart", "a", 200, &[("cart.version", "1")]),
        span(10, 15, "POST /cart", "a", 200, &[("cart.version", "2")]),
        span(20, 25, "GET /basket", "a", 200, &[("cart.version", "1")]),
        span(30, 35, "POST /logout", "b", 200, &[]),
        span(40, 45, "GET /cart", "b", 200, &[]),
        span(50, 55, "POST /login", "d", 200, &[("session.previous_id", "c")]),
        span(60, 65, "GET /cart", "c", 200, &[]),
    ];
    let (code, printed, errors) = check(&spans, &sampled, &[]);
    assert_eq!(code, 1, "{printed}{errors}");
    assert!(printed.contains("given no new session an id that was ended or replaced"), "{printed}");
    for name in ["1 stale-session", "1 resurrected-session", "1 old-id-alive"] {
        assert!(printed.contains(name), "{name}: {printed}");
    }
    // An answer that overlaps the logout may have come first.
    let (code, printed, _) =
        check(&[spans[3].clone(), span(34, 45, "GET /cart", "b", 200, &[])], &sampled, &[]);
    assert_eq!(code, 0, "{printed}");
}

/// Every cart has a version 1, so a read of version 1 does not show the cart of another user whose write of version 1 was traced. A version
/// that no span wrote was written before the traces began, or by a request that was not sampled.
#[test]
fn versions_of_different_sessions_are_different_values() {
    for complete in ["complete = true", ""] {
        let map = MAP.replace("complete = true", complete);
        let spans = [
            span(0, 5, "POST /cart", "a", 200, &[("cart.version", "1")]),
            span(10, 15, "GET /cart", "b", 200, &[("cart.version", "1")]),
            span(20, 25, "GET /cart", "a", 200, &[("cart.version", "7")]),
        ];
        let (code, printed, errors) = check(&spans, &map, &[]);
        assert!(!printed.contains("VIOLATED"), "{code}: {printed}{errors}");
        assert!(printed.contains("no span wrote the value that was read: 2 reads"), "{printed}");
        // Contents that only one session can have are a leak.
        let unique = format!("unique_values = true\n{map}");
        let (code, printed, errors) = check(&spans, &unique, &["--consistency", "session-leak"]);
        assert_eq!(code, 1, "{printed}{errors}");
        assert!(printed.contains("1 session-leak"), "{printed}");
    }
}

/// A renewed session keeps its values.
#[test]
fn values_go_with_a_session_that_gets_another_id() {
    let spans = [
        span(0, 5, "POST /cart", "a", 200, &[("cart.version", "1")]),
        span(10, 15, "POST /cart", "a", 200, &[("cart.version", "2")]),
        span(20, 25, "POST /login", "b", 200, &[("session.previous_id", "a")]),
        span(30, 35, "GET /cart", "b", 200, &[("cart.version", "1")]),
    ];
    let (code, printed, errors) = check(&spans, MAP, &["--consistency", "stale-session"]);
    assert_eq!(code, 1, "{printed}{errors}");
}

/// SDKs put the attribute on every span of a session. Each of them was read as a renewal of the old id, which then seemed to be
/// alive; and a read with it was no read, so that the stale answer was not judged.
#[test]
fn only_the_first_span_with_a_previous_id_is_a_renewal() {
    let before = [("session.previous_id", "a")];
    let cart = |from: u64, request: &str, session: &str, version: &str| {
        let more = [&[("cart.version", version)][..], if session == "b" { &before } else { &[] }].concat();
        span(from, from + 5, request, session, 200, &more)
    };
    let spans = |last: &str| {
        vec![
            span(0, 5, "POST /login", "a", 200, &[]),
            cart(10, "POST /cart", "a", "1"),
            cart(20, "GET /cart", "b", "1"),
            cart(30, "GET /cart", "b", "1"),
            cart(40, "POST /cart", "b", "2"),
            cart(50, "GET /cart", "b", last),
        ]
    };
    let (code, out, err) = check(&spans("2"), MAP, &[]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = check(&spans("1"), MAP, &[]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("stale-session"), "{out}{err}");
}

/// An application sends whoever is not logged in to its login page. A read that is answered by a redirect does not show a session, and
/// the map has to say what a redirect after a login means.
#[test]
fn a_redirect_that_the_map_does_not_explain_shows_nothing() {
    let spans = [
        span(0, 5, "POST /login", "a", 302, &[]),
        span(10, 15, "POST /logout", "a", 200, &[]),
        span(20, 25, "GET /cart", "a", 302, &[]),
    ];
    let (code, printed, errors) = check(&spans, MAP, &["--consistency", "resurrected-session"]);
    assert!(code != 1, "{printed}{errors}");
    assert!(printed.contains("(ok, absent, refused): 2 answers"), "{printed}");
    let login = "where = { \"http.request.method\" = \"POST\", \"http.route\" = \"/login\" }\n";
    let map = MAP.replace(login, &format!("{login}ok = {{ \"http.response.status_code\" = [200, 302] }}\n"));
    let (_, printed, _) = check(&spans, &map, &["--consistency", "resurrected-session"]);
    assert!(printed.contains("(ok, absent, refused): 1 answer"), "{printed}");
}

/// A status of 500 does not tell whether the write took effect, so neither answer is wrong.
#[test]
fn an_error_of_the_server_leaves_the_write_open() {
    for version in ["1", "2"] {
        let spans = [
            span(0, 5, "POST /login", "a", 200, &[]),
            span(10, 15, "POST /cart", "a", 200, &[("cart.version", "1")]),
            span(20, 25, "POST /cart", "a", 503, &[("cart.version", "2")]),
            span(30, 35, "GET /cart", "a", 200, &[("cart.version", version)]),
        ];
        let (code, printed, errors) = check(&spans, MAP, &[]);
        assert_eq!(code, 0, "{version}: {printed}{errors}");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let spans = lost_spans();
    let cases: [(&str, &str); 5] = [
        ("[session]\nid = \"session.id\"\noperation = []\n", "unknown field `operation`"),
        ("[session]\nid = \"session.id\"\n", "missing field `operation`"),
        (
            "[session]\nid = \"x\"\n[[operation]]\nfunction = \"login\"\nwhere = { name = \"y\" }\n",
            "unknown variant `login`",
        ),
        ("[session]\nid = \"x\"\n[[operation]]\nfunction = \"read\"\nwhere = {}\n", "no conditions in where"),
        (
            "[session]\nid = \"x\"\n[[operation]]\nfunction = \"read\"\nwhere = { \"http.route\" = \"/cart\" }\n",
            "4 fit one and have no x",
        ),
    ];
    for (map, says) in cases {
        let (code, printed, errors) = check(&spans, map, &[]);
        assert_eq!(code, 2, "{map}: {printed}{errors}");
        assert!(errors.contains(says), "{map}: {errors}");
    }
    let mut backwards = lost_spans();
    backwards[1] = span(15, 10, "POST /cart", "aaa", 200, &[]);
    let (code, _, errors) = check(&backwards, MAP, &[]);
    assert_eq!(code, 2);
    assert!(errors.contains("ends before it begins"), "{errors}");
    let (code, _, errors) = check(&spans, MAP, &["--from", "edn"]);
    assert_eq!(code, 2);
    assert!(errors.contains("--map reads spans"), "{errors}");
}

/// A recorded run of the embedded store with a bug, as spans, by a map: the same findings in the same number of sessions.
#[test]
fn a_recording_as_spans_shows_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let steadfast = |words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
        let output = command.current_dir(folder.path()).args(words.split(' ')).output().expect("it runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_ne!(output.status.code(), Some(2), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        (output.status.code(), printed)
    };
    let names = "lost-session,stale-session,resurrected-session,old-id-alive,session-leak";
    for bug in ["stale-replica-reads", "old-id-alive"] {
        let run = format!(
            "run embedded --workload session --bug {bug} --replication quorum --login-share 0.5 --action-share 0 --duration 4s \
             --seed 3 --output {bug}.jsonl --quiet"
        );
        steadfast(&run);
        assert_eq!(steadfast(&format!("convert {bug}.jsonl {bug}.otlp.json")).0, Some(0));
        let spans = std::fs::read_to_string(folder.path().join(format!("{bug}.otlp.json"))).expect("spans");
        std::fs::write(folder.path().join("spans.json"), with_session_ids(&spans)).expect("a file");
        let rule = |function: &str, more: &str| {
            format!(
                "[[operation]]\nfunction = \"{function}\"\nwhere = {{ \"steadfast.f\" = \"{function}\"{more} }}\n"
            )
        };
        let done = ", \"steadfast.type\" = \"ok\"";
        // A read of nothing comes first: its value is the text null.
        let map = [
            "complete = true\nunique_values = true\n[session]\nid = \"session.id\"\nprevious = \"session.previous_id\"\nuser = \"user.id\"\n".to_owned(),
            rule("read", &format!("{done}, \"steadfast.value\" = \"null\"")),
            "absent = { \"steadfast.type\" = \"ok\" }\n".to_owned(),
            rule("read", done),
            "value = \"steadfast.value\"\n".to_owned(),
            ["create", "write"].map(|f| rule(f, done) + "value = \"steadfast.invoke.value\"\n").concat(),
            ["touch", "destroy", "renew"].map(|f| rule(f, done)).concat(),
        ];
        std::fs::write(folder.path().join("map.toml"), map.concat()).expect("a file");
        let findings = |answer: &str| -> Vec<(String, usize)> {
            let answer: Value = serde_json::from_str(answer.lines().next().expect("a line")).expect("JSON");
            let levels = answer["levels"].as_array().expect("levels").clone();
            let count = |level: &Value| {
                let keys: std::collections::BTreeSet<_> = level["anomalies"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|one| one["key"].to_string())
                    .collect();
                (level["level"].as_str().expect("a name").to_owned(), keys.len())
            };
            levels.iter().map(count).collect()
        };
        let own = steadfast(&format!("check {bug}.jsonl --format json --consistency {names}")).1;
        let mapped =
            steadfast(&format!("check spans.json --map map.toml --format json --consistency {names}")).1;
        assert_eq!(findings(&own), findings(&mapped), "{bug}");
        assert!(
            bug == "old-id-alive" || findings(&own).iter().any(|found| found.1 > 0),
            "{bug} shows nothing"
        );
    }
}

/// The spans with the attributes of OpenTelemetry for sessions in addition to those of this program. Simulated events share their
/// times, which would make operations overlap, so the times here are the places of the events.
fn with_session_ids(spans: &str) -> String {
    let requests = serde_json::Deserializer::from_str(spans).into_iter::<Value>();
    let mut text = String::new();
    for request in requests {
        let mut request = request.expect("a request");
        let spans = request["resourceSpans"].as_array_mut().into_iter().flatten();
        let spans = spans.flat_map(|one| one["scopeSpans"].as_array_mut().into_iter().flatten());
        for span in spans.flat_map(|one| one["spans"].as_array_mut().into_iter().flatten()) {
            for (time, index) in
                [("startTimeUnixNano", "steadfast.invoke.index"), ("endTimeUnixNano", "steadfast.index")]
            {
                let attributes = span["attributes"].as_array().expect("attributes");
                let place = attributes.iter().find(|one| one["key"] == index);
                if let Some(place) = place.and_then(|one| one["value"]["intValue"].as_str()) {
                    span[time] = json!(format!("{place}000"));
                }
            }
            let attributes = span["attributes"].as_array_mut().expect("attributes");
            let told = |name: &str| -> Option<String> {
                let found = attributes.iter().find(|one| one["key"] == name)?;
                found["value"]["stringValue"].as_str().map(str::to_owned)
            };
            let (Some(key), Some(user), Some(f)) =
                (told("steadfast.key"), told("steadfast.session"), told("steadfast.f"))
            else {
                continue;
            };
            let mut more = vec![("user.id", user)];
            match told("steadfast.invoke.value").filter(|_| f == "renew") {
                // The value is JSON: a text in quotes.
                Some(new) => more
                    .extend([("session.id", new.trim_matches('"').to_owned()), ("session.previous_id", key)]),
                None => more.push(("session.id", key)),
            }
            attributes.extend(
                more.into_iter().map(|(name, value)| json!({"key": name, "value": {"stringValue": value}})),
            );
        }
        text.push_str(&request.to_string());
        text.push('\n');
    }
    text
}

/// The map of the documents is one that is read.
#[test]
fn the_map_of_the_documents_works() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/traces.md");
    let text = std::fs::read_to_string(page).expect("the page");
    let map = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a map");
    let (code, printed, errors) = check(&lost_spans()[..3], map, &[]);
    assert_eq!(code, 0, "{printed}{errors}");
}
