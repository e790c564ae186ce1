//! `stack test` opens the live connection of the session that it takes through its life.
//!
//! A description of live connections that does not fit was found only by a run, whose note said that none was ever open.

use crate::live_server::{DESCRIPTION, Server, serve};
use std::process::Command;
use std::sync::{Arc, Mutex};

const EVENTS: &str = "path = \"/news\"\nnumber = \"/n\"\n";
const SOCKET: &str = "url = \"ws://ADDRESS/news\"\nnumber = \"/n\"\n";

/// Tries a description on an application. Returns the exit code and everything that was printed.
fn try_stack(description: &str, server: Server) -> (i32, String) {
    let address = serve(&Arc::new(Mutex::new(server)));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.toml");
    std::fs::write(&file, description.replace("ADDRESS", &address)).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(["stack", "test", "--quiet", "app.toml"])
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    let printed =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().expect("no signal"), printed)
}

fn described(live: &str) -> String {
    DESCRIPTION.replace("path = \"/news\"\n", live)
}

#[test]
fn a_connection_opens_and_is_refused_after_the_logout() {
    for live in [EVENTS, SOCKET] {
        let (code, printed) = try_stack(&described(live), Server::default());
        assert_eq!(code, 0, "{printed}");
        let opens =
            "ok      live at main: promised: the live connection opens and shows the session; found: it does";
        assert!(printed.contains(opens), "{printed}");
        let refused = "the live connection is refused after the logout; found: it is: status 401";
        assert!(printed.contains(refused), "{printed}");
        assert!(printed.contains("0 possible bugs"), "{printed}");
    }
}

#[test]
fn without_a_description_no_connection_is_tried() {
    let (plain, _) = DESCRIPTION.split_once("[live]").expect("a table");
    let (code, printed) = try_stack(plain, Server::default());
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("-       live: not tried: the file has no [live]"), "{printed}");
    assert!(!printed.contains("live at main"), "{printed}");
}

#[test]
fn a_connection_that_does_not_open_is_a_misfit() {
    let refuses = Server { refuses_streams: true, ..Server::default() };
    let (code, printed) = try_stack(&described(EVENTS), refuses);
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("[live] does not open as the description says: status 503"), "{printed}");

    let other = described(EVENTS).replace(r#""user":"{user}""#, r#""user":"somebody else""#);
    let (code, printed) = try_stack(&other, Server::default());
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("no event showed the session in time"), "{printed}");

    let without_session = described(EVENTS).replace("path = \"/news\"", "path = \"/news\"\nabsent = [503]");
    let refuses = Server { refuses_streams: true, ..Server::default() };
    let (code, printed) = try_stack(&without_session, refuses);
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("the application says that there is no such session: status 503"), "{printed}");
}

#[test]
fn what_the_logout_leaves_open_is_a_possible_bug() {
    let leaks = Server { leaks_streams: true, ..Server::default() };
    let (code, printed) = try_stack(&described(EVENTS), leaks);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("bug?    live at main"), "{printed}");
    assert!(printed.contains("1 possible bug,"), "{printed}");

    // A refusal that the description does not know would look like an outage to a run.
    let unknown = described(EVENTS).replace("path = \"/news\"", "path = \"/news\"\nabsent = [410]");
    let (code, printed) = try_stack(&unknown, Server::default());
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("add the status to `absent` in [live]"), "{printed}");
}
