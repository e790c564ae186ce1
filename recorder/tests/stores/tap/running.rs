//! A tap in this process.

use recorder::journal::MemorySink;
use recorder::stores::http::Description;
use recorder::tap::{HarmlessRequest, TapOutcome, TapSettings, record_tap};
use recorder::{RunCounts, Stop};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

/// A running tap.
pub(crate) struct RunningTap {
    thread: JoinHandle<TapOutcome>,
    stop: Stop,
    sink: MemorySink,
    pub(crate) address: String,
}

/// The settings of a tap before an application.
pub(crate) fn settings(to: &str) -> TapSettings {
    TapSettings {
        listen: "127.0.0.1:0".to_owned(),
        listen_tls: None,
        to: to.to_owned(),
        to_tls: false,
        keep_secrets: false,
        answer_patience: Duration::from_secs(20),
        look_bytes_max: 64 << 10,
        connections_max: 64,
        harmless: Vec::new(),
    }
}

/// Settings in which some requests are known to change nothing.
#[allow(dead_code, reason = "some tests have no such requests")]
pub(crate) fn with_harmless(settings: TapSettings, harmless: &[&str]) -> TapSettings {
    let harmless = harmless.iter().map(|typed| HarmlessRequest::parse(typed).expect("a request"));
    TapSettings { harmless: harmless.collect(), ..settings }
}

impl RunningTap {
    /// Starts a tap, and waits until it listens.
    pub(crate) fn start(description: &str, settings: TapSettings) -> Self {
        let description = Description::from_toml(description).expect("a description");
        let (stop, sink, (sender, receiver)) = (Stop::default(), MemorySink::default(), channel());
        let thread = std::thread::spawn({
            let (stop, sink) = (stop.clone(), sink.clone());
            move || {
                let header = "{\"steadfast\":1,\"workload\":\"session\"}";
                let counts = Arc::new(RunCounts::default());
                let listening = |address: std::net::SocketAddr| sender.send(address).expect("the test waits");
                record_tap(description, settings, (sink, header), counts, stop, listening)
                    .expect("a recording")
            }
        });
        let address = receiver.recv().expect("an address").to_string();
        Self { thread, stop, sink, address }
    }

    /// What is recorded so far.
    #[allow(dead_code, reason = "some tests look only at the end")]
    pub(crate) fn history(&self) -> String {
        String::from_utf8(self.sink.bytes()).expect("text")
    }

    /// Ends the tap. Returns what it recorded, and the history.
    pub(crate) fn stop(self) -> (TapOutcome, String) {
        self.stop.request_stop();
        let outcome = self.thread.join().expect("no panic");
        (outcome, String::from_utf8(self.sink.bytes()).expect("text"))
    }
}
