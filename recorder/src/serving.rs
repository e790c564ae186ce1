//! What the servers of this crate have in common: the tap, the receiver of spans, and the server of pages. Connections are accepted up
//! to a bound, with TLS or without, in HTTP/1 and HTTP/2, and are served until the server is to end.

use crate::Stop;
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ServerConfig, crypto};
use tokio_rustls::server::TlsStream;

/// The names of the protocols in a handshake of TLS.
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";
pub(crate) const ALPN_HTTP1: &[u8] = b"http/1.1";
/// The first bytes of a connection in HTTP/2.
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a handshake of TLS may take.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// How often a connection in HTTP/2 is asked whether it is alive, and how long the answer may take.
const ALIVE_INTERVAL: Duration = Duration::from_secs(30);
const ALIVE_PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two looks at the first bytes of a connection, and after a failure to accept one (too many open files).
const PAUSE: Duration = Duration::from_millis(10);

/// The certificate with which a server listens.
#[derive(Clone)]
pub struct ListenTls(TlsAcceptor);

impl ListenTls {
    /// Reads a certificate, with those between it and its CA, and its key. Both files are in PEM.
    ///
    /// # Errors
    /// Says which file is wrong, and why.
    pub fn load(certificate: &str, key: &str) -> Result<Self, String> {
        let chain = crate::stores::http::read_certificates(certificate)?;
        let secret = PrivateKeyDer::from_pem_file(key)
            .map_err(|why| format!("{key} has no private key in PEM: {why}"))?;
        let provider = Arc::new(crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| why.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(|why| {
                format!("the key {key} does not belong to the certificate {certificate}: {why}. Pass the key that it was made with")
            })?;
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Returns the connection, and whether it speaks HTTP/2; nothing if there is no handshake in time.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<(TlsStream<TcpStream>, bool)> {
        let handshake = tokio::time::timeout(HANDSHAKE_PATIENCE, self.0.accept(stream));
        let stream = handshake.await.ok()?.ok()?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2);
        Some((stream, http2))
    }
}

impl std::fmt::Debug for ListenTls {
    /// Shows nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenTls").finish_non_exhaustive()
    }
}

/// The bounds of a connection in HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServingLimits {
    /// The most bytes of the headers of a request. In HTTP/1, hyper limits their number to 100.
    pub(crate) head_bytes_max: usize,
    /// How long a client may take for the headers of a request in HTTP/1, and between two requests.
    pub(crate) head_patience: Duration,
    /// The most requests at a time on a connection in HTTP/2.
    pub(crate) streams_max: u32,
    /// Whether answers of others are passed on: then nothing is added to them, and names keep their case.
    pub(crate) passes_on: bool,
}

/// Accepts connections until the server is to end, and then lets each come to its end within `grace`. Connections beyond
/// `connections_max` wait to be accepted.
pub(crate) async fn serve_connections<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    connections_max: usize,
    (stop, grace): (&Stop, Duration),
    serve: impl Fn(TcpStream, OwnedSemaphorePermit) -> F,
) {
    let mut connections = JoinSet::new();
    let free = Arc::new(Semaphore::new(connections_max));
    loop {
        while connections.try_join_next().is_some() {}
        match stop.finish_unless_requested(accept_connection(&listener, &free)).await {
            None => break,
            Some(Ok((stream, permit))) => {
                connections.spawn(serve(stream, permit));
            }
            Some(Err(_)) => tokio::time::sleep(PAUSE).await,
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
}

async fn accept_connection(
    listener: &TcpListener,
    free: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = free.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

/// Serves one connection until the client goes, or until the server is to end and the requests under way are answered.
pub(crate) async fn serve_http<S, B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S,
    http2: bool,
    limits: ServingLimits,
    stop: &Stop,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TokioIo::new(stream);
    if http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(ALIVE_INTERVAL)
            .keep_alive_timeout(ALIVE_PATIENCE)
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(limits.head_bytes_max as u32)
            .auto_date_header(!limits.passes_on);
        let connection = builder.serve_connection(stream, service);
        tokio::pin!(connection);
        if !ends_before_stop(connection.as_mut(), stop).await {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_patience)
            .max_header_size(limits.head_bytes_max)
            .max_buf_size(2 * limits.head_bytes_max)
            .preserve_header_case(limits.passes_on)
            .auto_date_header(!limits.passes_on);
        let connection = builder.serve_connection(stream, service).with_upgrades();
        tokio::pin!(connection);
        if !ends_before_stop(connection.as_mut(), stop).await {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn ends_before_stop(connection: impl Future, stop: &Stop) -> bool {
    tokio::select! {
        _ = connection => true,
        () = stop.wait_until_requested() => false,
    }
}

/// Whether a connection without TLS begins as one in HTTP/2 does. The bytes stay unread.
pub(crate) async fn begins_with_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; HTTP2_PREFACE.len()];
    loop {
        let length = stream.peek(&mut first).await?;
        if length == 0 || first[..length] != HTTP2_PREFACE[..length] {
            return Ok(false);
        }
        if length == HTTP2_PREFACE.len() {
            return Ok(true);
        }
        // A look returns at once while the bytes stay the same.
        tokio::time::sleep(PAUSE).await;
    }
}
