//! Sends violations to a collector as spans of OpenTelemetry.
//!
//! A violation is a span with the name `violation`, from the beginning of the judgement to the moment at which the violation was
//! found. It has one event, `steadfast.violation`, which says what was found, and links to the spans of the operations that show
//! it, where the history has their trace ids. A thread sends; it never delays the judgement. At the end, when
//! the verdicts are printed, the program waits for it, but not for longer than [`LAST_PATIENCE`].

use super::status::ViolationStatus;
use crate::args::CollectorAddress;
use crate::report::describe::note_field;
use crate::report::layout::count_noun;
use crate::spans::post_spans;
use checker::OnlineViolation;
use histories::History;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

/// The most links of a span.
const LINKS_MAX: usize = 128;
/// How often a request is sent, and the pause between two attempts.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// How long the program waits at its end for the collectors, all spans together.
const LAST_PATIENCE: Duration = Duration::from_secs(10);
/// Whoever waits longer than this is told so.
const UNTOLD_PATIENCE: Duration = Duration::from_millis(200);

/// What takes messages for the user.
type Say = Arc<dyn Fn(String) + Send + Sync>;

/// Sends spans.
pub(super) struct ViolationSpans {
    requests: Sender<Value>,
    pending: PendingSpans,
    history: String,
    began_ns: u64,
}

/// The spans that were not sent yet when the judgement ended.
pub(crate) struct PendingSpans {
    /// The violations that were neither sent nor given up.
    count: Arc<AtomicUsize>,
    /// Disconnected once the thread has ended.
    ended: Receiver<()>,
    collector: String,
    say: Say,
}

/// Waits until the spans are sent or given up, but not for long. Everything else must have been printed.
pub(crate) fn wait_for_spans(pending: Vec<PendingSpans>) {
    let deadline = Instant::now() + LAST_PATIENCE;
    for spans in pending {
        spans.wait_until(deadline);
    }
}

impl PendingSpans {
    fn wait_until(self, deadline: Instant) {
        let has_ended = |patience| self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected);
        if has_ended(UNTOLD_PATIENCE) {
            return;
        }
        let (left, collector) =
            (|| count_noun(self.count.load(Ordering::SeqCst), "violation"), &self.collector);
        let patience = deadline.saturating_duration_since(Instant::now());
        (self.say)(format!(
            "--otlp-violations: waiting up to {} s until {collector} has accepted {}",
            patience.as_secs_f64().ceil(),
            left()
        ));
        if !has_ended(patience) {
            (self.say)(format!("--otlp-violations: {collector} did not accept {} in time", left()));
        }
    }
}

impl ViolationSpans {
    /// Starts the thread. `say` takes what is said of failures.
    pub(super) fn start(collector: CollectorAddress, history: &str, say: Say) -> Self {
        let (requests, waiting) = mpsc::channel();
        let (ending, ended) = mpsc::channel();
        let count = Arc::new(AtomicUsize::new(0));
        let pending = PendingSpans {
            count: Arc::clone(&count),
            ended,
            collector: format!("{}{}", collector.address, collector.path),
            say: Arc::clone(&say),
        };
        std::thread::spawn(move || {
            send_requests(&waiting, &collector, &count, &*say);
            drop(ending);
        });
        Self { requests, pending, history: history.to_owned(), began_ns: unix_ns() }
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
        self.pending.count.fetch_add(1, Ordering::SeqCst);
        // The receiver lives until this ends.
        let _ = self.requests.send(request);
    }

    /// No further violation comes.
    pub(super) fn finish(self) -> PendingSpans {
        self.pending
    }
}

fn send_requests(
    waiting: &Receiver<Value>,
    collector: &CollectorAddress,
    count: &AtomicUsize,
    say: &dyn Fn(String),
) {
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
        count.fetch_sub(1, Ordering::SeqCst);
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
