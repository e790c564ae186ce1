//! An application behind TLS: HAProxy with a certificate of its own CA, which also wants a certificate of its clients. OpenSSL
//! makes the certificates, so that no code of ours agrees with itself.
//!
//! What went wrong before: an address with https was refused, so that most staging systems could only be driven from behind
//! their proxy. What may go wrong: a certificate that does not fit is accepted, or its refusal is taken for an application that
//! is not there.

use super::shop::{Bugs, Shop};
use super::{LOGIN, describe_two_entries, steadfast};
use crate::haproxy::{MUTUAL_TLS, RunningHaproxy};
use std::net::TcpListener;
use std::process::Command;

/// A shop behind a proxy with TLS.
struct SecureShop {
    proxy: RunningHaproxy,
    shop: Shop,
}

impl SecureShop {
    fn open() -> Option<Self> {
        let shop = Shop::open(Bugs::default());
        let proxy = RunningHaproxy::start(&shop.addresses[0], MUTUAL_TLS)?;
        Some(Self { proxy, shop })
    }

    /// Writes the description with this table `[tls]`.
    fn describe(&self, host: &str, tls: &str) {
        let url = format!("https://{host}:{}", self.proxy.port);
        let entries = format!("entries = {{ blue = \"{url}\" }}");
        let text = describe_two_entries()
            .replace("entries = { blue = \"http://BLUE\", green = \"http://GREEN\" }", &entries);
        std::fs::write(self.proxy.path().join("app.toml"), format!("{text}\n[tls]\n{tls}\n"))
            .expect("a file");
        let users = "name,password\nann,secret-password\n";
        std::fs::write(self.proxy.path().join("users.csv"), users).expect("a file");
    }

    fn test(&self) -> (i32, String, String) {
        steadfast(self.proxy.path(), &["stack", "test", "app.toml"])
    }
}

const FITTING: &str = "ca = 'ca.pem'\ncertificate = 'client.pem'\nkey = 'client.key'";

#[test]
fn an_application_behind_tls_is_tried_driven_and_struck() {
    let Some(secure) = SecureShop::open() else { return };
    secure.describe("127.0.0.1", FITTING);
    let (code, printed, errors) = secure.test();
    assert_eq!(code, 0, "{printed}{errors}");
    assert!(printed.contains(&format!("POST https://127.0.0.1:{}/cart", secure.proxy.port)), "{printed}");
    let words = "record http --stack app.toml --duration 2s --load 50/s --settle 0s --quiet --output h.jsonl \
                 --faults delay=20ms:client-blue@500ms+500ms";
    let words: Vec<&str> = words.split_whitespace().collect();
    let (code, printed, errors) = steadfast(secure.proxy.path(), &words);
    assert_eq!(code, 0, "{printed}{errors}");
    let history = std::fs::read_to_string(secure.proxy.path().join("h.jsonl")).expect("a history");
    let answered = history.lines().filter(|line| line.contains("\"type\":\"ok\"")).count();
    assert!(answered > 50, "{answered} answers: {errors}");
    let url = format!("https://127.0.0.1:{}", secure.proxy.port);
    let files = ["--ca", "ca.pem", "--client-certificate", "client.pem", "--client-key", "client.key"];
    let words = [&["stack", "init", &url, "--write", "POST /cart"][..], &LOGIN, &files].concat();
    let (code, printed, errors) = steadfast(secure.proxy.path(), &words);
    assert_eq!(code, 0, "{printed}{errors}");
}

#[test]
fn a_certificate_that_does_not_fit_is_refused_and_said() {
    let Some(secure) = SecureShop::open() else { return };
    let client = "certificate = 'client.pem'\nkey = 'client.key'";
    for (host, tls, says) in [
        // Signed by another CA; by none of the system's; made for another name; for that name, which is then given.
        ("127.0.0.1", format!("ca = 'other-ca.pem'\n{client}"), "invalid peer certificate"),
        ("127.0.0.1", client.to_owned(), "[tls]"),
        ("localhost", FITTING.to_owned(), "invalid peer certificate"),
        // The server wants a certificate of the client.
        (
            "127.0.0.1",
            "ca = 'ca.pem'".to_owned(),
            "If it wants a certificate of its clients, name certificate and key",
        ),
    ] {
        secure.describe(host, &tls);
        let (code, printed, errors) = secure.test();
        assert!(code == 2 && errors.contains(says), "{tls}: {code} {printed}{errors}");
    }
    assert_eq!(secure.shop.requests(), 0, "nothing was sent to a server that was not who it should be");
    secure.describe("localhost", &format!("{FITTING}\nname = '127.0.0.1'"));
    let (code, printed, errors) = secure.test();
    assert_eq!(code, 0, "{printed}{errors}");
}

#[test]
fn files_that_do_not_fit_are_named_before_anything_is_sent() {
    let Some(secure) = SecureShop::open() else { return };
    for (tls, says) in [
        ("ca = 'none.pem'", "failed to read certificates from none.pem"),
        ("ca = 'openssl.cnf'", "openssl.cnf has no certificate in PEM"),
        ("ca = 'ca.pem'\ncertificate = 'client.pem'", "needs certificate = FILE and key = FILE"),
        (
            "ca = 'ca.pem'\ncertificate = 'client.pem'\nkey = 'server.key'",
            "does not belong to the certificate",
        ),
        ("ca = 'ca.pem'\ncertificate = 'client.pem'\nkey = 'client.pem'", "has no private key in PEM"),
        ("verify = false", "unknown field `verify`"),
        ("name = 'a b'", "is not a name that a certificate can have"),
    ] {
        secure.describe("127.0.0.1", tls);
        let (code, printed, errors) = secure.test();
        assert!(
            code == 2 && errors.contains("app.toml") && errors.contains(says),
            "{tls}: {code} {printed}{errors}"
        );
    }
    let text = describe_two_entries().replace("BLUE", "127.0.0.1:1").replace("GREEN", "127.0.0.1:2");
    std::fs::write(secure.proxy.path().join("app.toml"), format!("{text}\n[tls]\nca = 'ca.pem'\n"))
        .expect("a file");
    let (code, _, errors) = secure.test();
    assert!(code == 2 && errors.contains("[tls] has no effect"), "{errors}");
    assert_eq!(secure.shop.requests(), 0);
}

/// A node that answers only with TLS is ready once its answer came. OpenSSL serves it. Before, such a node could only be described
/// without `ready`, so that a fault was called over while the node was still starting.
#[test]
fn a_node_with_tls_is_asked_whether_it_is_ready() {
    let Some(secure) = SecureShop::open() else { return };
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let at = secure.proxy.path();
    let script = format!(
        "#!/bin/sh\nopenssl s_server -quiet -www -accept 127.0.0.1:{port} -cert server.pem -key server.key >/dev/null 2>&1 &\n\
         echo $! >node.pid\n"
    );
    std::fs::write(at.join("start.sh"), script).expect("a file");
    let start = || {
        let started = Command::new("sh").arg("start.sh").current_dir(at).status().expect("a shell");
        assert!(started.success());
    };
    let stop = || {
        let id = std::fs::read_to_string(at.join("node.pid")).expect("an id");
        let _ = Command::new("kill").arg(id.trim()).status();
    };
    for (host, ready) in [("127.0.0.1", true), ("localhost", false)] {
        start();
        secure.describe("127.0.0.1", FITTING);
        let text = std::fs::read_to_string(at.join("app.toml")).expect("a file");
        let node = format!(
            "[nodes.web]\nunit = 'pidfile:node.pid'\nstart = 'sh start.sh'\nurl = 'https://{host}:{port}'\n\
             ready = 'GET / 200'\nready_within = '2s'\n"
        );
        std::fs::write(at.join("app.toml"), text + &node).expect("a file");
        let words = "record http --stack app.toml --duration 2s --load 20/s --settle 0s --quiet --force --output h.jsonl \
                     --faults kill:web@500ms+500ms";
        let (_, printed, errors) = steadfast(at, &words.split_whitespace().collect::<Vec<_>>());
        stop();
        let history = std::fs::read_to_string(at.join("h.jsonl")).expect("a history");
        let heals = history.lines().filter(|line| line.contains("\"heal-kill\""));
        let healed =
            heals.filter(|line| line.contains("\"in_force\":true") && !line.contains("\"error\"")).count()
                == 1;
        assert_eq!(healed, ready, "{host}: {printed}{errors}{history}");
        let said = [history, errors].concat();
        assert_eq!(
            said.contains("did not return status 200 within 2s (TLS: invalid peer certificate"),
            !ready,
            "{host}: {said}"
        );
    }
}
