//! Serves what a function of the caller makes: figures for a monitoring system, or a page for a browser.
//!
//! Nothing can be changed through this server: it answers GET and HEAD, and reads no bodies. On a loopback address it answers only
//! requests whose `Host` is an address or `localhost`. Otherwise a page from elsewhere could name a host that resolves to this machine, and
//! read what only its user may see (DNS rebinding).

use crate::Stop;
use crate::serving::{ServingLimits, serve_connections, serve_http};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;

const LIMITS: ServingLimits = ServingLimits {
    head_bytes_max: 16 << 10,
    head_patience: Duration::from_secs(30),
    streams_max: 16,
    passes_on: false,
};
/// The most connections at a time. Further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// How long requests under way may take once the server is to end.
const GRACE: Duration = Duration::from_millis(500);

/// What is answered to a request.
#[derive(Clone, Debug)]
pub struct ServedPage {
    /// The type of the body.
    pub content_type: &'static str,
    /// What a browser may load for the page (`Content-Security-Policy`).
    pub policy: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// Makes the page at a path. `None` if there is none.
pub type PageMaker = dyn Fn(&str) -> Option<ServedPage> + Send + Sync;

/// A server on a thread of its own. Ends when dropped.
#[derive(Debug)]
pub struct PageServer {
    address: SocketAddr,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl PageServer {
    /// Listens on an address, `host:port`. Port 0 is any free port.
    ///
    /// # Errors
    /// The address cannot be used; the error is worded for the user.
    pub fn start(listen: &str, pages: Arc<PageMaker>) -> Result<Self, String> {
        let failed = |why: std::io::Error| format!("failed to listen on {listen}: {why}");
        let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let stop = Stop::default();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                serve_connections(listener, CONNECTIONS_MAX, (&stopped, GRACE), |stream, permit| {
                    let (pages, stop) = (Arc::clone(&pages), stopped.clone());
                    async move {
                        let _permit = permit;
                        let only_local = address.ip().is_loopback();
                        let service = service_fn(move |request| {
                            let answer = answer_request(&request, &*pages, only_local);
                            async move { Ok::<_, Infallible>(answer) }
                        });
                        serve_http(stream, service, false, LIMITS, &stop).await;
                    }
                })
                .await;
            });
        });
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// The address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        self.stop.request_stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer_request(request: &Request<Incoming>, pages: &PageMaker, only_local: bool) -> Response<Full<Bytes>> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if only_local && !host.is_some_and(is_local_host) {
        return refuse_request(StatusCode::FORBIDDEN, "pass an address or localhost as the host");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = refuse_request(StatusCode::METHOD_NOT_ALLOWED, "this server answers GET and HEAD");
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let Some(page) = pages(request.uri().path()) else {
        return refuse_request(StatusCode::NOT_FOUND, "there is no such page");
    };
    let mut response = Response::new(Full::new(Bytes::from(page.body)));
    let fields = [
        (header::CONTENT_TYPE, page.content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, page.policy),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refuse_request(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{why}\n"))));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// Whether a `Host` is an address or `localhost`, with or without a port.
fn is_local_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer
    }

    fn get(address: SocketAddr, method: &str, path: &str, host: &str) -> String {
        ask(address, &format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    }

    /// A page from elsewhere must not read the figures of this machine under a name of its own.
    #[test]
    fn a_local_server_answers_only_local_names() {
        let pages: Arc<PageMaker> = Arc::new(|path: &str| {
            (path == "/a").then(|| ServedPage {
                content_type: "text/plain",
                policy: "default-src 'none'",
                body: b"here".to_vec(),
            })
        });
        let server = PageServer::start("127.0.0.1:0", pages).expect("a free port");
        let address = server.address();
        for host in ["127.0.0.1", &address.to_string(), "localhost", "LOCALHOST:80", "[::1]:9"] {
            let answer = get(address, "GET", "/a?b=c", host);
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{host}: {answer}");
        }
        for host in ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test:80", ""] {
            assert!(get(address, "GET", "/a", host).starts_with("HTTP/1.1 403"), "{host}");
        }
        assert!(get(address, "GET", "/b", "localhost").starts_with("HTTP/1.1 404"));
        assert!(get(address, "POST", "/a", "localhost").starts_with("HTTP/1.1 405"));
        let head = get(address, "HEAD", "/a", "localhost");
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(ask(address, "GET /a HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 403"), "no host at all");
        drop(server);
        assert!(TcpStream::connect(address).is_err(), "it listens no more");
    }

    #[test]
    fn an_address_in_use_is_an_error_that_names_it() {
        let none: Arc<PageMaker> = Arc::new(|_: &str| None);
        let first = PageServer::start("127.0.0.1:0", Arc::clone(&none)).expect("a free port");
        let why = PageServer::start(&first.address().to_string(), none).expect_err("it is in use");
        assert!(why.contains(&first.address().to_string()), "{why}");
    }
}
