//! `steadfast stack`: descriptions of web applications are tried before anybody trusts a run with them.
//!
//! What went wrong before: a description that did not fit was found out by the probe of a run, which named one step and showed
//! none of the requests and answers, so that people corrected it by trial. What may go wrong with a command that shows them:
//! it prints ids and passwords, it takes a bug of the application for a wrong description or the other way round, or it waits
//! for ever.

pub(crate) mod authority;
mod secure;
pub(crate) mod shop;

use shop::{Bugs, Shop};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn steadfast(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(words)
        .current_dir(folder)
        .output()
        .expect("the program can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("a code"), text(&output.stdout), text(&output.stderr))
}

/// The description of a shop at the entries BLUE and GREEN.
fn describe_two_entries() -> String {
    shop::describe_shop(r#"{ blue = "http://BLUE", green = "http://GREEN" }"#)
}

/// A folder with the description of a shop, changed by some replacements.
fn describe(shop: &Shop, changes: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = describe_two_entries();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let text = text.replace("BLUE", &shop.addresses[0]).replace("GREEN", &shop.addresses[1]);
    std::fs::write(folder.path().join("app.toml"), text).expect("a file");
    let users = "name,password\nann,secret-password\nbob,secret-password\n";
    std::fs::write(folder.path().join("users.csv"), users).expect("a file");
    folder
}

/// The lines of steps, without their exchanges.
fn step_lines(printed: &str) -> Vec<&str> {
    printed.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')).collect()
}

#[test]
fn one_life_is_walked_and_each_request_shown_without_its_secrets() {
    let shop = Shop::open(Bugs::default());
    let folder = describe(&shop, &[]);
    let (code, printed, errors) =
        steadfast(folder.path(), &["stack", "test", "app.toml", "--session", "s-2"]);
    assert_eq!(code, 0, "{printed}{errors}");
    assert_eq!(shop.users(), ["bob"], "s-2 has the second line of the table");
    let steps = step_lines(&printed);
    for (number, (begins, has)) in [
        ("ok      create at blue: promised: the login returns a session's id; found: it does: cookie sid = digest-", ""),
        ("ok      read at blue: ", "value 1 of s-2 after the login with it; found: it does"),
        ("ok      write at blue: ", ""),
        ("ok      read at blue: ", "value 2 of s-2 after it was written; found: it does"),
        ("ok      read at green: ", "value 2 of s-2; found: it does"),
        ("-       patch: not tried: ", "the file has no [patch]"),
        ("-       live: not tried: ", "the file has no [live]"),
        ("-       touch: not tried: ", ""),
        ("ok      renew at blue: ", "another id; found: it does: cookie sid = digest-"),
        ("ok      read at blue: ", "value 2 of s-2 after the renewal; found: it does"),
        ("ok      read at blue: ", "nothing with the id before the renewal; found: it does"),
        ("-       act: not tried: ", ""),
        ("ok      destroy at blue: ", "the session ends; found: it does"),
        ("ok      read at blue: ", "nothing after the logout; found: it does"),
        ("ok      read at green: ", "nothing after the logout; found: it does"),
        ("The description fits: 11 promises kept, 0 possible bugs, 4 steps not tried.", ""),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(steps[number].starts_with(begins) && steps[number].contains(has), "{}: {printed}", steps[number]);
    }
    assert_eq!(steps.len(), 16, "{printed}");
    // The requests before the login's own, with what was taken from their answers.
    let url = format!("http://{}/login", shop.addresses[0]);
    for says in [
        format!("GET {url}\n          answer: 200 from blue after "),
        "set-cookie: csrftoken=digest-".to_owned(),
        "taken: csrf = digest-".to_owned(),
        format!("POST {url}\n          sent: cookies csrftoken=digest-"),
        "answer: 302 from blue after ".to_owned(),
        "redirects to /cart".to_owned(),
        "JSON: /cart (text of 64 characters), /user (text of 3 characters)".to_owned(),
        "answer: 200 from green".to_owned(),
    ] {
        assert!(printed.contains(&says), "{says:?} in {printed}");
    }
    assert!(!(printed + &errors).contains("secret-"), "no secret is shown");
    let (_, printed, _) = steadfast(folder.path(), &["stack", "test", "app.toml", "--keep-secrets"]);
    assert!(
        printed.contains("sid=secret-sid-") && printed.contains("taken: csrf = secret-csrf-"),
        "{printed}"
    );
    let (_, printed, _) = steadfast(folder.path(), &["stack", "test", "app.toml", "--quiet"]);
    assert_eq!(
        step_lines(&printed).len(),
        printed.lines().filter(|line| !line.is_empty()).count(),
        "{printed}"
    );
}

/// A bug of the application is what a run is for, so it is no reason to say that the description does not fit.
#[test]
fn a_broken_promise_is_a_possible_bug_and_not_a_misfit() {
    let none = Bugs::default();
    for (bugs, line, finding) in [
        (
            Bugs { logout_ends_nothing: true, ..none },
            "bug?    read at green: promised: the read shows nothing after the logout; found: it shows value 2",
            "resurrected-session",
        ),
        (
            Bugs { old_id_stays: true, ..none },
            "bug?    read at blue: promised: the read shows nothing with the id before the renewal; found: it shows value 2",
            "old-id-alive",
        ),
        (
            Bugs { sessions_apart: true, ..none },
            "bug?    read at green: promised: the read here shows value 2",
            "lost-session",
        ),
    ] {
        let shop = Shop::open(bugs);
        let folder = describe(&shop, &[]);
        let (code, printed, errors) = steadfast(folder.path(), &["stack", "test", "app.toml"]);
        assert_eq!(code, 0, "{bugs:?}: {printed}{errors}");
        assert!(printed.contains(line) && printed.contains(finding), "{bugs:?}: {printed}");
        let found = step_lines(&printed).iter().filter(|line| line.starts_with("bug?")).count();
        let expected = if bugs.logout_ends_nothing { 2 } else { 1 };
        assert_eq!(found, expected, "{bugs:?}: {printed}");
    }
}

#[test]
fn what_does_not_fit_is_named_with_what_to_do() {
    let shop = Shop::open(Bugs::default());
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let nobody = format!("http://{free}");
    for (from, to, says) in [
        // The place of the value: the places that there are.
        (
            "value = \"/cart\"",
            "value = \"/basket\"",
            "There is nothing at /basket. The answer: JSON: /cart (text of 64",
        ),
        // A redirect that is not expected.
        ("ok = [302]", "ok = [200]", "It redirects to /cart"),
        // The name of the cookie: those that were set.
        ("cookie = \"sid\"", "cookie = \"session\"", "Correct [session] cookie = \"session\""),
        // A token that is not on the page.
        ("name=\"csrf\" value", "name=\"xsrf\" value", "is: HTML page \"Log in\""),
        // A request without the token of the page.
        ("&csrf={take.csrf}", "", "Status 403"),
        // A path that is not there.
        ("[renew]\nmethod = \"POST\"\npath = \"/renew\"", "[renew]\npath = \"/renewal\"", "status 404 means"),
        // An answer to the read after the logout that means nothing to the description.
        ("absent = [401]", "absent = [410]", "Status 401"),
        // An entry at which nobody listens.
        ("http://GREEN", &nobody, "Start the application, or correct green in [entries]"),
        ("http://BLUE", &nobody, "Start the application, or correct blue in [entries]"),
    ] {
        let folder = describe(&shop, &[(from, to)]);
        let (code, printed, errors) = steadfast(folder.path(), &["stack", "test", "app.toml"]);
        assert_eq!(code, 2, "{from}: {printed}{errors}");
        assert!(errors.starts_with("error: app.toml: [") && errors.contains(says), "{from}: {errors}");
        assert!(printed.contains("\nmisfit  ") || printed.starts_with("misfit  "), "{from}: {printed}");
        assert!(
            !printed.contains("The description fits") && !(printed + &errors).contains("secret-"),
            "{from}"
        );
    }
    let folder = describe(&shop, &[("[renew]", "[renewal]")]);
    let (code, _, errors) = steadfast(folder.path(), &["stack", "test", "app.toml"]);
    assert!(code == 2 && errors.contains("unknown field `renewal`"), "{errors}");
    let (code, _, errors) = steadfast(folder.path(), &["stack", "test", "none.toml"]);
    assert!(code == 2 && errors.contains("failed to read none.toml"), "{errors}");
}

#[test]
fn an_application_that_never_answers_is_left_in_time() {
    let shop = Shop::open(Bugs { hangs: true, ..Bugs::default() });
    let folder = describe(&shop, &[]);
    for (limits, says) in [
        (["--operation-timeout", "1s"], "no answer within 1 s"),
        (["--timeout", "500ms"], "no answer within 0.5 s"),
    ] {
        let began = Instant::now();
        let words = [&["stack", "test", "app.toml"][..], &limits].concat();
        let (code, printed, errors) = steadfast(folder.path(), &words);
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert!(code == 2 && errors.contains(says) && errors.contains("did not answer"), "{errors}");
        assert!(printed.contains("answer: none in time"), "{printed}");
    }
}

/// The options with which a shop needs no questions.
const LOGIN: [&str; 4] = ["--login-field", "user=ann", "--login-field", "password=secret-password"];

#[test]
fn a_description_is_written_by_trying_and_a_run_can_use_it() {
    let shop = Shop::open(Bugs::default());
    let folder = tempfile::tempdir().expect("a folder");
    let (blue, green) =
        (format!("http://{}", shop.addresses[0]), format!("green=http://{}", shop.addresses[1]));
    let requests = ["--write", "POST /cart", "--renew", "POST /renew", "--logout", "POST /logout"];
    let words = [&["stack", "init", &blue, "--entry", &green][..], &LOGIN, &requests].concat();
    let (code, printed, errors) = steadfast(folder.path(), &words);
    assert_eq!(code, 0, "{printed}{errors}");
    assert!(printed.contains("The description fits: 11 promises kept, 0 possible bugs"), "{printed}");
    assert!(!(printed + &errors).contains("secret-"), "no secret is shown");
    let file = folder.path().join("stack.toml");
    let text = std::fs::read_to_string(&file).expect("the file");
    for says in [
        "# guess: the cookies after the login are lang, sid\ncookie = \"sid\"\n",
        "# guess: a read without a session is answered with 401\nabsent = [401]\n",
        "# guess: the cookie csrftoken is sent back in this header\n",
        "headers = { x-csrftoken = \"{cookie.csrftoken}\" }\n",
        // The link of the first page leads to it, and the form of the search and that of the comment do not mislead.
        "# guess: this page has a form with a password\n[[create.before]]\npath = \"/login?next=/\"\n",
        "take = { csrf = { between = ",
        "# guess: the hidden field next always has this value\n",
        "body = \"csrf={take.csrf}&next=%2Fcart&user=ann&password=secret-password\"\nok = [302]\n",
        "# guess: the answer has the value that was written\n",
        "# guess: the value that was written stands at this place\n[read]\npath = \"/cart\"\nvalue = \"/cart\"\n",
        "[renew]\nmethod = \"POST\"\npath = \"/renew\"\n",
        "[destroy]\nmethod = \"POST\"\npath = \"/logout\"\n",
        "# ready = \"GET /health 200\"\n",
    ] {
        assert!(text.contains(says), "{says:?} in {text}");
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it has a password");
    let words = "run http --stack stack.toml --duration 1s --load 50/s --settle 0s --quiet --format json --output h.jsonl";
    let (code, printed, errors) = steadfast(folder.path(), &words.split(' ').collect::<Vec<_>>());
    assert_eq!(code, 0, "{printed}{errors}");
    assert!(printed.contains("\"verdict\":\"holds\""), "{printed}");
}

/// The token of a login by JSON comes before the first write of the session.
#[test]
fn a_login_by_json_is_described_with_its_token() {
    let shop = Shop::open(Bugs::default());
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("http://{}", shop.addresses[0]);
    let requests =
        ["--login", "/api/login", "--write", "POST /cart", "--read", "/cart", "--logout", "POST /logout"];
    let words = [&["stack", "init", &url, "--output", "api.toml"][..], &LOGIN, &requests].concat();
    let (code, printed, errors) = steadfast(folder.path(), &words);
    assert_eq!(code, 0, "{printed}{errors}");
    let text = std::fs::read_to_string(folder.path().join("api.toml")).expect("the file");
    for says in [
        "token = \"/auth/access_token\"\nsend = \"authorization: Bearer {id}\"\n",
        "# guess: /api/login has no form with a password, so it takes JSON; --fields-as form sends a form\n[[create.before]]\nmethod = \"POST\"\n",
        "# [renew] is not known: --renew \"METHOD PATH\" adds it.\n",
    ] {
        assert!(text.contains(says), "{says:?} in {text}");
    }
    assert!(!(printed + &errors).contains("secret-"), "no secret is shown");
}

#[test]
fn what_cannot_be_found_is_named_with_its_option_and_nothing_is_written() {
    let shop = Shop::open(Bugs::default());
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("http://{}", shop.addresses[0]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let nobody = format!("http://{free}");
    let wrong = ["--login-field", "user=ann", "--login-field", "password=wrong"];
    let cases: [(&str, Vec<&str>, &str); 9] = [
        (&url, vec![], "needs values. Pass --login-field user=… --login-field password=…"),
        (&url, LOGIN.to_vec(), "Pass --write \"METHOD PATH\", or let the login write it"),
        (&url, [&wrong[..], &["--write", "POST /cart"]].concat(), "was answered with status 403"),
        (
            &url,
            [&LOGIN[..], &["--login-field", "mail=x"]].concat(),
            "has no field mail; it has csrf, next, user",
        ),
        (
            &url,
            [&LOGIN[..], &["--write", "POST /basket"]].concat(),
            "--write POST /basket: the application answers with status 404",
        ),
        (
            &url,
            [&LOGIN[..], &["--write", "POST /cart", "--read", "/health"]].concat(),
            "is not in the answer: JSON: /ok",
        ),
        (
            &url,
            [&LOGIN[..], &["--write", "POST /cart", "--cookie", "id"]].concat(),
            "the login sets no cookie id; it sets lang, sid",
        ),
        (&url, [&LOGIN[..], &["--write", "cart"]].concat(), "is not a request such as"),
        (&nobody, LOGIN.to_vec(), "Connection refused"),
    ];
    for (url, more, says) in cases {
        let words = [&["stack", "init", url][..], &more].concat();
        let (code, printed, errors) = steadfast(folder.path(), &words);
        assert!(code == 2 && errors.contains(says), "{more:?}: {code} {printed}{errors}");
        assert!(!folder.path().join("stack.toml").exists(), "{more:?}");
        assert!(!(printed + &errors).contains("secret-"), "{more:?}");
    }
    // A file that is there is not replaced, and the application is not asked.
    std::fs::write(folder.path().join("stack.toml"), "precious").expect("a file");
    let before = shop.requests();
    let words = [&["stack", "init", &url][..], &LOGIN, &["--write", "POST /cart"]].concat();
    let (code, _, errors) = steadfast(folder.path(), &words);
    assert!(code == 2 && errors.contains("stack.toml exists"), "{errors}");
    assert_eq!(shop.requests(), before);
    let text = std::fs::read_to_string(folder.path().join("stack.toml")).expect("a file");
    assert_eq!(text, "precious");
    let (code, printed, errors) = steadfast(folder.path(), &[&words[..], &["--force"]].concat());
    assert_eq!(code, 0, "{printed}{errors}");
}

/// On a terminal the command asks for what it cannot find, and an empty answer takes what it suggests.
#[test]
fn a_person_is_asked_on_a_terminal() {
    let shop = Shop::open(Bugs::default());
    let folder = tempfile::tempdir().expect("a folder");
    let line = format!("{} stack init http://{}", env!("CARGO_BIN_EXE_steadfast"), shop.addresses[0]);
    let script = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(&folder)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let Ok(mut script) = script else {
        eprintln!("skipped: the program script is not there");
        return;
    };
    // The login as suggested, user and password, the write, the read as suggested, no renewal, the logout.
    let answers = "\nann\nsecret-password\nPOST /cart\n\n\nPOST /logout\n";
    std::io::Write::write_all(script.stdin.as_mut().expect("an input"), answers.as_bytes()).expect("answers");
    let output = script.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    for says in [
        "the path of the login (--login PATH) [/login?next=/]: ",
        "the value of the field password of the login (--login-field): ",
        "the path that shows the value of the session (--read PATH) [/cart]: ",
        "The description fits",
    ] {
        assert!(said.contains(says), "{says:?} in {said}");
    }
    let text = std::fs::read_to_string(folder.path().join("stack.toml")).expect("the file");
    assert!(text.contains("path = \"/logout\"") && text.contains("# [renew] is not known"), "{text}");
}
