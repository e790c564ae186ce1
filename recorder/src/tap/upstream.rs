//! Connections to the application. They belong to one connection of a client, so that the application sees the connections that its
//! clients make: one in HTTP/1, or several if the client has several requests at a time in HTTP/2 and the application does not
//! speak it. With TLS, the application chooses between HTTP/2 and HTTP/1.
//!
//! A request is sent once. Only if a kept connection turns out to be closed, and nothing of the request was sent, does the request go
//! out on a new connection. What was sent and not answered is never repeated: the application may have done it.

use super::TapSettings;
use super::body::SentBody;
use crate::client::lock_unpoisoned;
use crate::serving::{ALPN_HTTP1, ALPN_HTTP2};
use crate::stores::http::wire::{ExchangeError, describe_error_chain};
use crate::stores::http::{Description, TlsClient};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::client::conn::http2;
use hyper::header::{self, HeaderValue};
use hyper::http::uri::{PathAndQuery, Scheme};
use hyper::{Request, Response, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, CertificateError};

/// How long to wait for a connection to the application, and for its handshake of TLS.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

/// The most bytes of the headers of an answer. In HTTP/1, hyper limits their number to 100.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// The size of the buffer of a connection.
const BUFFER_BYTES_MAX: usize = 2 * HEAD_BYTES_MAX;

/// The most connections in HTTP/1 that are kept for one client.
const KEPT_MAX: usize = 8;

/// Where the application is, and how it is reached.
#[derive(Debug)]
pub(super) struct UpstreamTarget {
    /// `host:port`.
    pub(super) address: String,
    secure: Option<(TlsClient, ServerName<'static>)>,
}

/// The connections to the application that belong to one client.
#[derive(Debug, Default)]
pub(super) struct UpstreamSlot {
    http1: Vec<SendRequest<SentBody>>,
    http2: Option<http2::SendRequest<SentBody>>,
}

/// What a request needs of its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionNeeds {
    /// It asks to leave HTTP, which only HTTP/1 can.
    pub(super) upgrades: bool,
    /// The client may have other requests at a time. Otherwise, a kept connection is free as soon as its last answer has passed.
    pub(super) shared: bool,
}

enum FreshSender {
    Http1(SendRequest<SentBody>),
    Http2(http2::SendRequest<SentBody>),
}

impl UpstreamTarget {
    /// Reads the certificates. The error says what is wrong with them.
    pub(super) fn new(description: &Description, settings: &TapSettings) -> Result<Self, String> {
        let address = settings.to.clone();
        if !settings.to_tls {
            return Ok(Self { address, secure: None });
        }
        let client = description.tls_client().map_err(|why| format!("[tls]: {why}"))?;
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let name = client.name_for_host(host)?;
        Ok(Self { address, secure: Some((client, name)) })
    }

    /// Tries a handshake, before anything is served. An application that cannot be reached yet is no error: it may start later.
    pub(super) async fn try_handshake(&self) -> Result<(), String> {
        let Some(secure) = &self.secure else { return Ok(()) };
        let tried = async {
            let stream = TcpStream::connect(&self.address).await.ok()?;
            shake_hands(secure, stream, false).await.err()
        };
        let Ok(Some(error)) = tokio::time::timeout(CONNECT_PATIENCE, tried).await else { return Ok(()) };
        explain_handshake(&self.address, &error).map_or(Ok(()), Err)
    }

    async fn open_connection(&self, may_be_http2: bool) -> Result<FreshSender, String> {
        let opening = async {
            let stream = TcpStream::connect(&self.address).await.map_err(|error| error.to_string())?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            let Some(secure) = &self.secure else { return begin_http1(stream).await };
            let stream = shake_hands(secure, stream, may_be_http2).await.map_err(|error| {
                explain_handshake(&self.address, &error).unwrap_or_else(|| error.to_string())
            })?;
            if stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2) {
                begin_http2(stream).await
            } else {
                begin_http1(stream).await
            }
        };
        let opened = tokio::time::timeout(CONNECT_PATIENCE, opening).await;
        opened.unwrap_or_else(|_| Err("no connection in time".to_owned()))
    }
}

/// Sends a request and returns when the headers of the answer are complete.
pub(super) async fn send_upstream(
    slot: &Mutex<UpstreamSlot>,
    target: &UpstreamTarget,
    needs: ConnectionNeeds,
    request: Request<SentBody>,
) -> Result<Response<Incoming>, ExchangeError> {
    let mut request = request;
    let known = if needs.upgrades { None } else { take_http2(slot) };
    if let Some(mut sender) = known {
        match sender.try_send_request(shape_for_http2(request, target)).await {
            Ok(response) => return Ok(response),
            Err(mut error) => {
                lock_unpoisoned(slot).http2 = None;
                match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(ExchangeError::Sent(describe_error_chain(error.error()))),
                }
            }
        }
    }
    if let Some(mut kept) = take_http1(slot, needs.shared).await {
        match kept.try_send_request(shape_for_http1(request)).await {
            Ok(response) => {
                keep_http1(slot, kept);
                return Ok(response);
            }
            Err(mut error) => match error.take_message() {
                Some(unsent) => request = unsent,
                None => return Err(ExchangeError::Sent(describe_error_chain(error.error()))),
            },
        }
    }
    let fresh = target.open_connection(!needs.upgrades).await.map_err(ExchangeError::Unsent)?;
    let sent = match fresh {
        FreshSender::Http1(mut sender) => {
            let sent = sender.try_send_request(shape_for_http1(request)).await;
            if sent.is_ok() {
                keep_http1(slot, sender);
            }
            sent
        }
        FreshSender::Http2(mut sender) => {
            lock_unpoisoned(slot).http2 = Some(sender.clone());
            sender.try_send_request(shape_for_http2(request, target)).await
        }
    };
    sent.map_err(|mut error| match error.take_message() {
        Some(_) => ExchangeError::Unsent(describe_error_chain(error.error())),
        None => ExchangeError::Sent(describe_error_chain(error.error())),
    })
}

fn take_http2(slot: &Mutex<UpstreamSlot>) -> Option<http2::SendRequest<SentBody>> {
    lock_unpoisoned(slot).http2.clone().filter(|sender| !sender.is_closed())
}

/// A connection in HTTP/1 that is free.
async fn take_http1(slot: &Mutex<UpstreamSlot>, shared: bool) -> Option<SendRequest<SentBody>> {
    if shared {
        let mut slot = lock_unpoisoned(slot);
        slot.http1.retain(|sender| !sender.is_closed());
        let free = slot.http1.iter().position(SendRequest::is_ready)?;
        return Some(slot.http1.swap_remove(free));
    }
    let mut kept = lock_unpoisoned(slot).http1.pop()?;
    kept.ready().await.is_ok().then_some(kept)
}

fn keep_http1(slot: &Mutex<UpstreamSlot>, sender: SendRequest<SentBody>) {
    let mut slot = lock_unpoisoned(slot);
    if slot.http1.len() < KEPT_MAX {
        slot.http1.push(sender);
    }
}

/// The request with its address in the way of HTTP/1: a path, and the header `host`.
fn shape_for_http1(mut request: Request<SentBody>) -> Request<SentBody> {
    *request.version_mut() = Version::HTTP_11;
    if let Some(authority) = request.uri().authority().cloned() {
        if !request.headers().contains_key(header::HOST)
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            request.headers_mut().insert(header::HOST, host);
        }
        *request.uri_mut() =
            request.uri().path_and_query().cloned().map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    request
}

/// The request with its address in the way of HTTP/2: all parts in the URI, and no header `host`.
fn shape_for_http2(mut request: Request<SentBody>, target: &UpstreamTarget) -> Request<SentBody> {
    *request.version_mut() = Version::HTTP_2;
    let host = request.headers_mut().remove(header::HOST);
    let host = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or(&target.address);
    let path = request.uri().path_and_query().cloned();
    let uri = Uri::builder()
        .scheme(Scheme::HTTPS)
        .authority(host)
        .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    if let Ok(uri) = uri.build() {
        *request.uri_mut() = uri;
    }
    // HTTP/2 permits no other value (RFC 9113, section 8.2.2).
    if request.headers().get(header::TE).is_some_and(|te| te != "trailers") {
        request.headers_mut().remove(header::TE);
    }
    request
}

async fn shake_hands(
    (client, name): &(TlsClient, ServerName<'static>),
    stream: TcpStream,
    may_be_http2: bool,
) -> io::Result<TlsStream<TcpStream>> {
    let mut protocols = vec![ALPN_HTTP1.to_vec()];
    if may_be_http2 {
        protocols.insert(0, ALPN_HTTP2.to_vec());
    }
    client.connector.with_alpn(protocols).connect(name.clone(), stream).await
}

async fn begin_http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<FreshSender, String> {
    let mut builder = http1::Builder::new();
    builder.max_header_size(HEAD_BYTES_MAX).max_buf_size(BUFFER_BYTES_MAX).preserve_header_case(true);
    let begun = builder.handshake(TokioIo::new(stream)).await;
    let (sender, connection) = begun.map_err(|error| describe_error_chain(&error))?;
    // The task ends by itself when the sender is gone and the last body was read or dropped.
    tokio::spawn(async move {
        let _ = connection.with_upgrades().await;
    });
    Ok(FreshSender::Http1(sender))
}

async fn begin_http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<FreshSender, String> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.max_header_list_size(HEAD_BYTES_MAX as u32);
    let begun = builder.handshake(TokioIo::new(stream)).await;
    let (sender, connection) = begun.map_err(|error| describe_error_chain(&error))?;
    // The task ends by itself when all senders are gone and the last bodies were read or dropped.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(FreshSender::Http2(sender))
}

/// What is wrong with a handshake, and what to do; nothing if that does not show in the error.
fn explain_handshake(address: &str, error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        // A signature fails if another CA has the same name.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => format!(
            "the certificate of https://{address} is not trusted ({error}). Name the file of its CA in the stack file: \
             [tls] ca = FILE"
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!(
            "the certificate of https://{address} has another name ({error}). Pass --to with the name that it has, or put that name \
             in the stack file: [tls] name = NAME"
        ),
        rustls::Error::InvalidCertificate(_) => {
            format!("the certificate of https://{address} is not accepted: {error}")
        }
        rustls::Error::InvalidMessage(_) => {
            format!("https://{address} does not speak TLS ({error}). Pass --to {address} for plain HTTP")
        }
        rustls::Error::AlertReceived(_) => format!(
            "https://{address} refused the handshake of TLS: {error}. If it wants a certificate of its clients, name certificate and key \
             in the stack file: [tls]"
        ),
        _ => return None,
    })
}
