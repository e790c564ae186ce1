//! The tap from its first connection to the end of its recording.

use super::body::PassedAnswer;
use super::forward::{ClientConnection, answer_request};
use super::upstream::{UpstreamSlot, UpstreamTarget};
use super::{TapOutcome, TapSettings, TapState};
use crate::journal::{JournalLost, Sink};
use crate::serving::{ServingLimits, serve_connections, serve_http};
use crate::stores::http::Description;
use crate::{Clock, Journal, RunCounts, Stop};
use hyper::Response;
use hyper::service::service_fn;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use workloads::Value;

const LIMITS: ServingLimits = ServingLimits {
    head_bytes_max: 64 << 10,
    head_patience: Duration::from_secs(75),
    streams_max: 64,
    passes_on: true,
};
/// How long requests under way may take once the tap is to end.
const GRACE_STOPPED: Duration = Duration::from_millis(500);
/// Open files beside the connections.
const FILES_BESIDE: u64 = 64;
/// Why a tap did not record as asked. What was recorded until then is in the journal and is valid.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The address for clients cannot be used.
    #[error("failed to listen on {0}: {1}")]
    Listen(String, io::Error),
    /// The application cannot be reached with TLS.
    #[error("{0}")]
    Upstream(String),
    /// The history could not be written.
    #[error(transparent)]
    Lost(#[from] JournalLost),
}

/// Passes requests on and records them until `stop` is requested. `listening` is told the address once clients can connect.
///
/// # Errors
/// [`TapError`] says what went wrong.
///
/// # Panics
/// If the system provides no threads.
pub fn record_tap(
    description: Description,
    settings: TapSettings,
    (sink, header): (impl Sink, &str),
    counts: Arc<RunCounts>,
    stop: Stop,
    listening: impl FnOnce(SocketAddr),
) -> Result<TapOutcome, TapError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    runtime.block_on(async {
        raise_file_limit(settings.connections_max);
        let upstream = UpstreamTarget::new(&description, &settings).map_err(TapError::Upstream)?;
        upstream.try_handshake().await.map_err(TapError::Upstream)?;
        let clock = Clock::start_real();
        let address = settings.listen.clone();
        let listener = TcpListener::bind(&address).await.map_err(|error| TapError::Listen(address, error))?;
        let journal = Arc::new(Journal::new(sink, clock.clone(), header)?);
        let tap = Arc::new(TapState::new(description, (settings, upstream), journal, counts, stop));
        if let Ok(address) = listener.local_addr() {
            listening(address);
        }
        let serve = |stream, permit| serve_client(tap.clone(), stream, permit);
        let ending = (&tap.stop, GRACE_STOPPED);
        // An operation that is dropped at the end records its completion: indeterminate.
        serve_connections(listener, tap.settings.connections_max, ending, serve).await;
        if let Some(lost) = tap.lost.get() {
            return Err(lost.clone().into());
        }
        let events = Value::Int(tap.journal.event_count() as i64);
        tap.journal.record_actor_event("recorder", "end", &events, None)?;
        Ok(tap.describe_outcome(Duration::from_nanos(clock.now_ns())))
    })
}

/// Lets this process open two files for each client. Where the system permits fewer, clients beyond wait to be accepted.
fn raise_file_limit(connections_max: usize) {
    let wanted = connections_max as u64 * 2 + FILES_BESIDE;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < wanted
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
    }
}

/// Serves one client until it goes, or until the tap is to end and its request is answered.
async fn serve_client(tap: Arc<TapState>, stream: TcpStream, permit: OwnedSemaphorePermit) {
    let upstream = Mutex::new(UpstreamSlot::default());
    let client = Arc::new(ClientConnection { tap: tap.clone(), upstream, permit: Arc::new(permit) });
    let service = service_fn(move |request| {
        let client = client.clone();
        async move { Ok::<Response<PassedAnswer>, Infallible>(answer_request(&client, request).await) }
    });
    let Some(tls) = &tap.settings.listen_tls else {
        return serve_http(stream, service, false, LIMITS, &tap.stop).await;
    };
    if let Some(Some((stream, http2))) = tap.stop.finish_unless_requested(tls.accept(stream)).await {
        serve_http(stream, service, http2, LIMITS, &tap.stop).await;
    }
}
