//! The receiver from its first connection to its end.

use super::answer::ExporterAnswer;
use super::request::answer_exporter;
use super::{DECODERS, ReceivedSpans, ReceiverState, SpanDecoder, SpanReceiverSettings, SpanSink};
use crate::Stop;
use crate::client::lock_unpoisoned;
use crate::serving::{ServingLimits, begins_with_http2, serve_connections, serve_http};
use hyper::service::service_fn;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

const LIMITS: ServingLimits = ServingLimits {
    head_bytes_max: 32 << 10,
    head_patience: Duration::from_secs(75),
    streams_max: 64,
    passes_on: false,
};
/// How long requests under way may take once the receiver is to end.
const GRACE_STOPPED: Duration = Duration::from_millis(1000);

/// Why a receiver did not go on to its end. The lines that were written until then are valid.
#[derive(Debug, thiserror::Error)]
pub enum SpanReceiverError {
    /// The address for exporters cannot be used.
    #[error("failed to listen on {0}: {1}")]
    Listen(String, io::Error),
    /// The file cannot be written, or is full, or nobody takes spans any more.
    #[error("{0}")]
    Lost(String),
}

/// Receives spans and passes them to `sink` until `stop` is requested. `listening` is told the address once exporters can connect.
///
/// # Errors
/// [`SpanReceiverError`] says what went wrong.
///
/// # Panics
/// If the system provides no threads.
pub fn receive_spans(
    settings: SpanReceiverSettings,
    sink: Box<dyn SpanSink>,
    decoder: Box<SpanDecoder>,
    stop: Stop,
    listening: impl FnOnce(SocketAddr),
) -> Result<ReceivedSpans, SpanReceiverError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    runtime.block_on(async {
        let address = settings.listen.clone();
        let listener =
            TcpListener::bind(&address).await.map_err(|error| SpanReceiverError::Listen(address, error))?;
        let state = Arc::new(ReceiverState::new(settings, sink, decoder, stop));
        if let Ok(address) = listener.local_addr() {
            listening(address);
        }
        let serve = |stream, permit| serve_exporter(state.clone(), stream, permit);
        let ending = (&state.stop, GRACE_STOPPED);
        serve_connections(listener, state.settings.connections_max, ending, serve).await;
        // What is being decoded still goes to the file, and counts.
        let _ = state.decoders.acquire_many(DECODERS as u32).await;
        state.decoders.close();
        match state.lost.get() {
            Some(lost) => Err(SpanReceiverError::Lost(lost.clone())),
            None => Ok(lock_unpoisoned(&state.received).clone()),
        }
    })
}

/// Serves one connection, with TLS if there is a certificate. Without TLS, its first bytes decide between HTTP/1 and HTTP/2.
async fn serve_exporter(state: Arc<ReceiverState>, stream: TcpStream, _permit: OwnedSemaphorePermit) {
    let answering = state.clone();
    let service = service_fn(move |request| {
        let state = answering.clone();
        async move { Ok::<ExporterAnswer, Infallible>(answer_exporter(&state, request).await) }
    });
    if let Some(tls) = &state.settings.tls {
        if let Some(Some((stream, http2))) = state.stop.finish_unless_requested(tls.accept(stream)).await {
            serve_http(stream, service, http2, LIMITS, &state.stop).await;
        }
        return;
    }
    let first = tokio::time::timeout(LIMITS.head_patience, begins_with_http2(&stream));
    if let Some(Ok(Ok(http2))) = state.stop.finish_unless_requested(first).await {
        serve_http(stream, service, http2, LIMITS, &state.stop).await;
    }
}
