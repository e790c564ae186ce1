//! One HTTP/1.1 connection that carries one request at a time.
//!
//! A client library with a connection pool would not do. It retries what it considers harmless, follows redirects,
//! and hides which connection a request used, so that *refused* and *unknown* can no longer be told apart. Here hyper
//! only parses the protocol. This module decides when to connect, sends each request once, and distinguishes two
//! moments of an answer: the end of its headers and the end of its body.

use super::tls::TlsClient;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The largest body that is read.
const LONGEST: usize = 64 << 20;

/// How long a body is read that no operation waits for.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// A connection to one server.
#[derive(Debug)]
pub(crate) struct HttpConnection {
    sender: SendRequest<Full<Bytes>>,
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
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::begin_http(stream).await
    }

    /// Connects and checks the certificate of a host. No request is sent.
    pub(crate) async fn open_secure(address: &str, tls: &TlsClient, host: &str) -> std::io::Result<Self> {
        let name = tls.name_for_host(host).map_err(std::io::Error::other)?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::begin_http(tls.connector.connect(name, stream).await?).await
    }

    async fn begin_http(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        // The task ends by itself when the sender is gone and the last body was read or dropped.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { sender })
    }

    /// Whether the server has closed it since the last answer.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and returns when the headers of the answer are complete.
    pub(crate) async fn send_request(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ExchangeError> {
        self.sender.ready().await.map_err(|why| ExchangeError::Unsent(describe_error_chain(&why)))?;
        self.sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
            Some(_) => ExchangeError::Unsent(describe_error_chain(error.error())),
            None => ExchangeError::Sent(describe_error_chain(error.error())),
        })
    }
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
