//! HAProxy before an application, so that TLS and HTTP/2 are spoken by code that is not ours.

use crate::stack_commands::authority::make_certificates;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The words by which the proxy speaks TLS and wants a certificate of its clients.
pub(crate) const MUTUAL_TLS: &str = "ssl crt FOLDER/both.pem ca-file FOLDER/ca.pem verify required";

/// A proxy in a folder with certificates. It ends when this is dropped.
pub(crate) struct RunningHaproxy {
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    proxy: Child,
}

impl RunningHaproxy {
    /// Starts a proxy before the application at an address. `bind` are the words after the address at which it listens, with `FOLDER` for
    /// its folder. Each answer says in `x-spoken` in which version of HTTP it was asked. Nothing if a program is missing.
    pub(crate) fn start(app: &str, bind: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        if !make_certificates(at) || Command::new("haproxy").arg("-v").output().is_err() {
            eprintln!("skipped: the programs openssl (3.0 or later) and haproxy are not there");
            return None;
        }
        let read = |name: &str| std::fs::read_to_string(at.join(name)).expect("a file");
        std::fs::write(at.join("both.pem"), read("server.pem") + &read("server.key")).expect("a file");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
        let bind = bind.replace("FOLDER", &at.display().to_string());
        let config = format!(
            "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n timeout tunnel 30s\n\
             listen users\n bind 127.0.0.1:{port} {bind}\n http-request set-var(txn.spoken) req.ver\n \
             http-response set-header x-spoken %[var(txn.spoken)]\n server app {app}\n"
        );
        std::fs::write(at.join("haproxy.cfg"), config).expect("a file");
        let proxy = Command::new("haproxy")
            .args(["-db", "-q", "-f", "haproxy.cfg"])
            .current_dir(at)
            .stderr(Stdio::null())
            .spawn()
            .expect("haproxy starts");
        let running = Self { folder, port, proxy };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "haproxy does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(running)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for RunningHaproxy {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}
