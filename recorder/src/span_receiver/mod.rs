//! Receives spans of OpenTelemetry, as a collector does, and appends them to a file, or passes them on.
//!
//! An application that is traced can send its spans anywhere by one variable (`OTEL_EXPORTER_OTLP_ENDPOINT`). The naive way to get a
//! file of them is to run a Collector with a file exporter. This receiver is the part of it that a check needs: OTLP over gRPC and over
//! HTTP, in protobuf and in JSON, on one port.
//!
//! **What is certain.** A request is answered with success only after its spans are in the file, in one line, or were passed on. If a line cannot be
//! written, the file is cut back to the last whole line, and the receiver ends. What spans mean is not known here: a function of the
//! caller turns the body of a request into a line.
//!
//! **Limits.** Connections, headers, bodies, memory for all bodies, waiting times, and the size of the file: each has a constant or a
//! setting beside its use.

mod answer;
mod file;
mod request;
mod serve;

pub use file::SpanFile;
pub use serve::{SpanReceiverError, receive_spans};

use crate::client::lock_unpoisoned;
use crate::{ListenTls, Stop};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::Semaphore;

/// Memory for the bodies of all requests, in KiB. Requests beyond are told to come again.
const BODIES_KIB_MAX: usize = 256 << 10;
/// The most bodies that are decoded at a time.
const DECODERS: usize = 4;
/// The most characters of a reason that are kept.
const REASON_CHARS_MAX: usize = 300;

/// Where to listen, and how much to take.
#[derive(Clone, Debug)]
pub struct SpanReceiverSettings {
    /// The address for exporters, `host:port`.
    pub listen: String,
    /// The certificate to listen with. Without one, connections are in plain text.
    pub tls: Option<ListenTls>,
    /// How many exporters may be connected at a time. Further ones wait to be accepted.
    pub connections_max: usize,
    /// The largest body of a request, in bytes, before and after decompression.
    pub body_bytes_max: usize,
}

/// Where the spans of requests go.
pub trait SpanSink: Send {
    /// Takes the spans of one request as a line without its end. Until it returns, the exporter waits for its answer.
    ///
    /// # Errors
    /// Says why no more spans can be taken. The receiver then ends.
    fn append_line(&mut self, line: &str) -> Result<(), String>;
}

/// How the spans of a request are encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpanEncoding {
    /// OTLP/JSON.
    Json,
    /// Protobuf.
    Protobuf,
}

/// The spans of one request.
#[derive(Clone, Debug)]
pub struct SpanBatch {
    /// The spans in one line, without its end. Empty if there are none.
    pub line: String,
    /// Number of spans in the line.
    pub spans: u64,
    /// Number of spans that were left out.
    pub rejected: u64,
    /// Why the first of them was left out.
    pub why_rejected: Option<String>,
}

/// Turns the body of a request into a line of the file. An error says why the body has no spans.
pub type SpanDecoder = dyn Fn(&[u8], SpanEncoding) -> Result<SpanBatch, String> + Send + Sync;

/// What a receiver took.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct ReceivedSpans {
    /// Requests whose spans were taken.
    pub requests: u64,
    /// Spans that were taken.
    pub spans: u64,
    /// Spans that were left out of requests.
    pub rejected: u64,
    /// Why the first of them was left out.
    pub why_rejected: Option<String>,
    /// Requests that were refused.
    pub refused: u64,
    /// Why the first of them was refused.
    pub why_refused: Option<String>,
}

/// What all connections share.
struct ReceiverState {
    settings: SpanReceiverSettings,
    decoder: Box<SpanDecoder>,
    sink: Mutex<Box<dyn SpanSink>>,
    received: Mutex<ReceivedSpans>,
    /// KiB that further bodies may have.
    bodies: Arc<Semaphore>,
    decoders: Arc<Semaphore>,
    lost: OnceLock<String>,
    stop: Stop,
}

impl ReceiverState {
    fn new(
        settings: SpanReceiverSettings,
        sink: Box<dyn SpanSink>,
        decoder: Box<SpanDecoder>,
        stop: Stop,
    ) -> Self {
        Self {
            sink: Mutex::new(sink),
            settings,
            decoder,
            received: Mutex::default(),
            bodies: Arc::new(Semaphore::new(BODIES_KIB_MAX)),
            decoders: Arc::new(Semaphore::new(DECODERS)),
            lost: OnceLock::new(),
            stop,
        }
    }

    /// Passes the spans of a request on. If that has failed, no more spans are taken.
    fn append_batch(&self, batch: &SpanBatch) -> Result<(), String> {
        if let Some(lost) = self.lost.get() {
            return Err(lost.clone());
        }
        if batch.spans > 0
            && let Err(why) = lock_unpoisoned(&self.sink).append_line(&batch.line)
        {
            self.lost.get_or_init(|| why.clone());
            self.stop.request_stop();
            return Err(why);
        }
        let mut received = lock_unpoisoned(&self.received);
        received.requests += 1;
        received.spans += batch.spans;
        received.rejected += batch.rejected;
        if received.why_rejected.is_none() {
            received.why_rejected = batch.why_rejected.as_deref().map(shorten_reason);
        }
        Ok(())
    }

    fn note_refusal(&self, why: &str) {
        let mut received = lock_unpoisoned(&self.received);
        received.refused += 1;
        received.why_refused.get_or_insert_with(|| shorten_reason(why));
    }
}

/// A reason that fits a message. It may quote what somebody sent.
fn shorten_reason(why: &str) -> String {
    let plain = why.chars().map(|one| if one.is_control() { ' ' } else { one });
    plain.take(REASON_CHARS_MAX).collect()
}
