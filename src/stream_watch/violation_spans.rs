//! Sends violations to a collector as spans of OpenTelemetry.
//!
//! A violation is a span with the name `violation`, from the beginning of the judgement to the moment at which the violation was
//! found. It has one event, `steadfast.violation`, which says what was found, and links to the spans of the operations that show
//! it, where the history has their trace ids. A thread sends; it never delays the judgement. At the end, the program waits for it.

use super::status::ViolationStatus;
use crate::args::CollectorAddress;
use crate::report::describe::note_field;
use crate::spans::post_spans;
use checker::OnlineViolation;
use histories::History;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// The most links of a span.
const LINKS_MAX: usize = 128;
/// How often a request is sent, and the pause between two attempts.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// Sends spans. When this is dropped, all of them were sent, or their failure was said.
pub(super) struct ViolationSpans {
    requests: Option<Sender<Value>>,
    thread: Option<JoinHandle<()>>,
    history: String,
    began_ns: u64,
}

impl ViolationSpans {
    /// Starts the thread. `say` takes what is said of failures.
    pub(super) fn start(
        collector: CollectorAddress,
        history: &str,
        say: Arc<dyn Fn(String) + Send + Sync>,
    ) -> Self {
        let (requests, waiting) = mpsc::channel();
        let thread = std::thread::spawn(move || send_requests(&waiting, &collector, &*say));
        Self {
            requests: Some(requests),
            thread: Some(thread),
            history: history.to_owned(),
            began_ns: unix_ns(),
        }
    }

    /// Has a violation sent.
    pub(super) fn add_violation(&self, told: &ViolationStatus, violation: &OnlineViolation) {
        let span = build_span(told, violation, (self.began_ns, unix_ns()), &self.history);
        let request = json!({"resourceSpans": [{
            "resource": {"attributes": [
                text_attribute("service.name", "steadfast"),
                text_attribute("service.version", env!("CARGO_PKG_VERSION")),
            ]},
            "scopeSpans": [{"scope": {"name": "steadfast"}, "spans": [span]}],
        }]});
        if let Some(requests) = &self.requests {
            // The receiver lives until this is dropped.
            let _ = requests.send(request);
        }
    }
}

impl Drop for ViolationSpans {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn send_requests(waiting: &Receiver<Value>, collector: &CollectorAddress, say: &dyn Fn(String)) {
    let CollectorAddress { address, path } = collector;
    for request in waiting {
        let body = request.to_string();
        let mut sent = Ok(0);
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            sent = post_spans(address, path, std::iter::once(Ok(body.clone())));
            if sent.is_ok() {
                break;
            }
        }
        if let Err(why) = sent {
            say(format!("--otlp-violations: a violation was not sent to {address}{path}: {why}"));
        }
    }
}

fn build_span(
    told: &ViolationStatus,
    violation: &OnlineViolation,
    (began_ns, found_ns): (u64, u64),
    history: &str,
) -> Value {
    let level = told.level;
    let mut attributes = vec![
        text_attribute("steadfast.history", history),
        text_attribute("steadfast.model", violation.question.model.name()),
        text_attribute("steadfast.level", level),
        text_attribute("steadfast.verdict", "violated"),
        json!({"key": "steadfast.event", "value": {"intValue": violation.event.to_string()}}),
        text_attribute("steadfast.anomaly", &told.anomaly),
    ];
    attributes.extend(told.key.iter().map(|key| text_attribute("steadfast.key", key)));
    let mut event = attributes.clone();
    event.push(text_attribute("steadfast.text", &told.text));
    // Ids must differ between violations and between monitors. They need not be random.
    let digest = Sha256::digest(format!("{history}\0{level}\0{}\0{began_ns}", violation.event));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "traceId": hex[..32],
        "spanId": hex[32..48],
        "name": "violation",
        "kind": 1,
        "startTimeUnixNano": began_ns.to_string(),
        "endTimeUnixNano": found_ns.to_string(),
        "attributes": attributes,
        "events": [{
            "timeUnixNano": found_ns.to_string(),
            "name": "steadfast.violation",
            "attributes": event,
        }],
        "links": find_links(&violation.history),
        "status": {"code": 2, "message": format!("{level} is violated")},
    })
}

/// The spans of the operations that show a violation. A recording of `steadfast` has no span ids: its spans have the second half of
/// their trace ids.
fn find_links(history: &History) -> Vec<Value> {
    let is_hex = |text: &str, length: usize| {
        text.len() == length
            && text.bytes().all(|byte| byte.is_ascii_hexdigit())
            && text.bytes().any(|byte| byte != b'0')
    };
    let links = history.ids().filter_map(|id| {
        let trace = note_field(history, id, "trace_id").filter(|trace| is_hex(trace, 32))?;
        let span = note_field(history, id, "span_id").unwrap_or_else(|| trace[16..].to_owned());
        is_hex(&span, 16).then(|| {
            let event = history.operation_index(id).to_string();
            let attributes = [json!({"key": "steadfast.event", "value": {"intValue": event}})];
            json!({"traceId": trace, "spanId": span, "attributes": attributes})
        })
    });
    links.take(LINKS_MAX).collect()
}

fn text_attribute(name: &str, value: &str) -> Value {
    json!({"key": name, "value": {"stringValue": value}})
}

/// The time since 1970. OpenTelemetry has no earlier time, so a clock that is set before 1970 counts as 1970.
fn unix_ns() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}
