//! One connection in HTTP/1.1 or HTTP/2 that carries one request at a time.
//!
//! A client library with a connection pool would not do. It retries what it considers harmless, follows redirects,
//! and hides which connection a request used, so that *refused* and *unknown* can no longer be told apart. Here hyper
//! only parses the protocol. This module decides when to connect, sends each request once, and distinguishes two
//! moments of an answer: the end of its headers and the end of its body.
//!
//! Requests come as HTTP/1.1 has them, with the header `Host`. In HTTP/2 it becomes part of the address.

use super::tls::TlsClient;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::HOST;
use hyper::http::uri::{PathAndQuery, Scheme};
use hyper::{Request, Response, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The largest body that is read.
const LONGEST: usize = 64 << 20;

/// How long a body is read that no operation waits for.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// The names of the protocols in the handshake of TLS (ALPN).
const ALPN_HTTP1: &[u8] = b"http/1.1";
const ALPN_HTTP2: &[u8] = b"h2";

/// The versions of HTTP that a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum HttpVersions {
    Http1,
    /// With TLS as the server chooses, and otherwise HTTP/1.1.
    #[default]
    Negotiated,
    Http2,
}

impl HttpVersions {
    /// The protocols to offer in a handshake of TLS, the preferred one first.
    fn protocols(self) -> Vec<Vec<u8>> {
        let offered: &[&[u8]] = match self {
            HttpVersions::Http1 => &[ALPN_HTTP1],
            HttpVersions::Negotiated => &[ALPN_HTTP2, ALPN_HTTP1],
            HttpVersions::Http2 => &[ALPN_HTTP2],
        };
        offered.iter().map(|name| name.to_vec()).collect()
    }
}

/// The bytes of a connection, plain or in TLS.
pub(crate) trait ByteTransport: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteTransport for T {}

/// Connects for a protocol that begins as HTTP/1.1. With TLS, the certificate of the host is checked.
pub(crate) async fn open_transport(
    address: &str,
    secure: Option<(&TlsClient, &str)>,
) -> std::io::Result<Box<dyn ByteTransport>> {
    match secure {
        None => Ok(Box::new(connect_tcp(address).await?)),
        Some((tls, host)) => Ok(Box::new(connect_tls(address, tls, host, HttpVersions::Http1).await?)),
    }
}

async fn connect_tcp(address: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connect_tls(
    address: &str,
    tls: &TlsClient,
    host: &str,
    versions: HttpVersions,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = tls.name_for_host(host).map_err(std::io::Error::other)?;
    let connector = tls.connector.with_alpn(versions.protocols());
    connector.connect(name, connect_tcp(address).await?).await
}

/// A connection to one server.
#[derive(Debug)]
pub(crate) enum HttpConnection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>, Scheme),
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ExchangeError {
    /// No byte of the request was sent.
    Unsent(String),
    /// The request was sent, at least in part.
    Sent(String),
}

impl ExchangeError {
    /// What happened.
    pub(crate) fn reason(self) -> String {
        match self {
            ExchangeError::Unsent(why) | ExchangeError::Sent(why) => why,
        }
    }
}

impl HttpConnection {
    /// Connects. No request is sent.
    pub(crate) async fn open(address: &str) -> std::io::Result<Self> {
        Self::begin_http1(connect_tcp(address).await?).await
    }

    /// Connects for these versions. No request is sent.
    pub(crate) async fn open_plain(address: &str, versions: HttpVersions) -> std::io::Result<Self> {
        let stream = connect_tcp(address).await?;
        match versions {
            HttpVersions::Http1 | HttpVersions::Negotiated => Self::begin_http1(stream).await,
            HttpVersions::Http2 => Self::begin_http2(stream, Scheme::HTTP).await,
        }
    }

    /// Connects and checks the certificate of a host. No request is sent.
    pub(crate) async fn open_secure(
        address: &str,
        tls: &TlsClient,
        host: &str,
        versions: HttpVersions,
    ) -> std::io::Result<Self> {
        let stream = connect_tls(address, tls, host, versions).await?;
        let chosen = stream.get_ref().1.alpn_protocol();
        match (chosen == Some(ALPN_HTTP2), versions) {
            (true, _) => Self::begin_http2(stream, Scheme::HTTPS).await,
            (false, HttpVersions::Http2) => Err(std::io::Error::other("the server does not speak HTTP/2")),
            (false, _) => Self::begin_http1(stream).await,
        }
    }

    async fn begin_http1(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> std::io::Result<Self> {
        let begun = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = begun.map_err(std::io::Error::other)?;
        // The task ends by itself when the sender is gone and the last body was read or dropped.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self::Http1(sender))
    }

    async fn begin_http2(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        scheme: Scheme,
    ) -> std::io::Result<Self> {
        let begun = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = begun.map_err(std::io::Error::other)?;
        // As above.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self::Http2(sender, scheme))
    }

    /// Whether the server has closed it since the last answer.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender, _) => sender.is_closed(),
        }
    }

    /// Sends a request and returns when the headers of the answer are complete.
    pub(crate) async fn send_request(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ExchangeError> {
        let unsent = |why: hyper::Error| ExchangeError::Unsent(describe_error_chain(&why));
        let sent = match self {
            Self::Http1(sender) => {
                sender.ready().await.map_err(unsent)?;
                sender.try_send_request(request).await
            }
            Self::Http2(sender, scheme) => {
                sender.ready().await.map_err(unsent)?;
                sender.try_send_request(shape_for_http2(request, scheme)?).await
            }
        };
        sent.map_err(|mut error| match error.take_message() {
            Some(_) => ExchangeError::Unsent(describe_error_chain(error.error())),
            None => ExchangeError::Sent(describe_error_chain(error.error())),
        })
    }
}

/// Moves the host of a request into its address, where HTTP/2 has it.
fn shape_for_http2(
    mut request: Request<Full<Bytes>>,
    scheme: &Scheme,
) -> Result<Request<Full<Bytes>>, ExchangeError> {
    let unsent = |why: &dyn std::fmt::Display| ExchangeError::Unsent(format!("the address: {why}"));
    let host = request.headers_mut().remove(HOST).ok_or_else(|| unsent(&"the request has no host"))?;
    let path = request.uri().path_and_query().cloned();
    let uri = Uri::builder()
        .scheme(scheme.clone())
        .authority(host.as_bytes())
        .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    *request.uri_mut() = uri.build().map_err(|why| unsent(&why))?;
    *request.version_mut() = Version::HTTP_2;
    Ok(request)
}

/// Reads the body of an answer to its end.
pub(crate) async fn read_body(body: Incoming) -> Result<Bytes, ExchangeError> {
    let collected = Limited::new(body, LONGEST).collect().await;
    collected.map(|body| body.to_bytes()).map_err(|why| ExchangeError::Sent(why.to_string()))
}

/// Reads a body that no operation waits for, so that the server can send it to its end.
pub(crate) fn drain_body(body: Incoming) {
    tokio::spawn(async move {
        let _ = tokio::time::timeout(DRAIN_PATIENCE, read_body(body)).await;
    });
}

/// Describes an error together with its causes.
pub(crate) fn describe_error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
