//! The tap from its first connection to the end of its recording.

use super::body::PassedAnswer;
use super::forward::{ClientConnection, answer_request};
use super::upstream::UpstreamSlot;
use super::{TapOutcome, TapSettings, TapState};
use crate::journal::{JournalLost, Sink};
use crate::stores::http::Description;
use crate::{Clock, Journal, RunCounts, Stop};
use hyper::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use workloads::Value;

/// How long a client may take for the headers of a request, and between two requests.
const HEAD_PATIENCE: Duration = Duration::from_secs(75);
/// The most bytes of the headers of a request. Their number is limited by hyper: 100.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// The size of the buffer of a connection.
const BUFFER_BYTES_MAX: usize = 2 * HEAD_BYTES_MAX;
/// How long requests under way may take once the tap is to end.
const GRACE_STOPPED: Duration = Duration::from_millis(500);
/// Open files beside the connections.
const FILES_BESIDE: u64 = 64;
/// How long the tap waits after it failed to accept a connection (too many open files).
const PAUSE: Duration = Duration::from_millis(10);

/// Why a tap did not record as asked. What was recorded until then is in the journal and is valid.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The address for clients cannot be used.
    #[error("failed to listen on {0}: {1}")]
    Listen(String, io::Error),
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
        let clock = Clock::start_real();
        let address = settings.listen.clone();
        let listener = TcpListener::bind(&address).await.map_err(|error| TapError::Listen(address, error))?;
        let journal = Arc::new(Journal::new(sink, clock.clone(), header)?);
        let tap = Arc::new(TapState::new(description, settings, journal, counts, stop));
        if let Ok(address) = listener.local_addr() {
            listening(address);
        }
        serve_clients(&tap, listener).await;
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

/// Serves clients until the tap is to end, and then waits until each operation has its completion.
async fn serve_clients(tap: &Arc<TapState>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    let free = Arc::new(Semaphore::new(tap.settings.connections_max));
    loop {
        while connections.try_join_next().is_some() {}
        let next = tap.stop.finish_unless_requested(accept_client(&listener, &free)).await;
        match next {
            None => break,
            Some(Ok((stream, permit))) => {
                connections.spawn(serve_connection(tap.clone(), stream, permit));
            }
            Some(Err(_)) => tokio::time::sleep(PAUSE).await,
        }
    }
    drop(listener);
    let _ =
        tokio::time::timeout(GRACE_STOPPED, async { while connections.join_next().await.is_some() {} }).await;
    // An operation that is dropped records its completion: indeterminate.
    connections.shutdown().await;
}

async fn accept_client(
    listener: &TcpListener,
    free: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = free.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

/// Serves one client until it goes, or until the tap is to end and its request is answered.
async fn serve_connection(tap: Arc<TapState>, stream: TcpStream, permit: OwnedSemaphorePermit) {
    let upstream = Mutex::new(UpstreamSlot::default());
    let client = Arc::new(ClientConnection { tap: tap.clone(), upstream, permit: Arc::new(permit) });
    let service = service_fn(|request| {
        let client = client.clone();
        async move { Ok::<Response<PassedAnswer>, Infallible>(answer_request(&client, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .preserve_header_case(true)
        .auto_date_header(false);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        _ = connection.as_mut() => true,
        () = tap.stop.wait_until_requested() => false,
    };
    if !ended {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
