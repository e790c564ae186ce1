//! A tap as a process.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running tap. It is killed when dropped.
pub(crate) struct RunningTap {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    pub(crate) address: String,
}

impl RunningTap {
    /// Starts a tap in a folder with `stack.toml`, and waits until it listens.
    pub(crate) fn start(folder: &Path, to: &str, output: &str, more: &[&str]) -> Self {
        let words =
            ["tap", "--stack", "stack.toml", "--listen", "127.0.0.1:0", "--quiet", "--to", to, "--output"];
        let mut child = Command::new(env!("CARGO_BIN_EXE_steadfast"))
            .args(words)
            .arg(output)
            .args(more)
            .current_dir(folder)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("its messages"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        let rest = line.split_once("listening on ").unwrap_or_else(|| panic!("{line}")).1;
        let address = rest.split([',', ';']).next().expect("an address").to_owned();
        Self { child, stderr, address }
    }

    /// Ends the tap as a user does. Returns its exit code and what it said.
    pub(crate) fn stop(mut self, signal: &str) -> (i32, String) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().expect("kill");
        assert!(sent.success());
        let status = self.child.wait().expect("it ends");
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).expect("text");
        (status.code().expect("a code"), said)
    }
}

impl Drop for RunningTap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
