//! Requests that show whether a node serves, with TLS or without.

use crate::stores::http::TlsClient;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a node may take to answer, and with TLS also to shake hands.
const ANSWER_PATIENCE: Duration = Duration::from_millis(500);
const SECURE_PATIENCE: Duration = Duration::from_millis(1500);

/// A request whose status shows whether a node serves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ReadyCheck {
    /// `host:port`.
    pub(super) address: String,
    /// The host of a URL that begins with `https`.
    pub(super) secure_host: Option<String>,
    pub(super) path: String,
    pub(super) status: u16,
}

impl ReadyCheck {
    /// Parses the request `GET /health 200` to a node.
    pub(super) fn parse(text: &str, url: &str) -> Result<Self, String> {
        let wrong =
            || format!("ready = {text:?}: expected a request and its status, as in \"GET /health 200\"");
        let [method, path, status] = text.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err(wrong());
        };
        let status = status.parse().map_err(|_| wrong())?;
        if method != "GET" || !path.starts_with('/') {
            return Err(wrong());
        }
        let wrong = || format!("{url:?}: expected http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]");
        let secure = url.strip_prefix("https://");
        let rest = secure.or_else(|| url.strip_prefix("http://")).ok_or_else(wrong)?;
        let (authority, base) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.is_empty() || authority.contains('@') {
            return Err(wrong());
        }
        let port = authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let host = port.map_or(authority, |(host, _)| host);
        let usual = if secure.is_some() { 443 } else { 80 };
        let address = if port.is_some() { authority.to_owned() } else { format!("{authority}:{usual}") };
        let path = format!("/{base}").trim_end_matches('/').to_owned() + path;
        Ok(Self { address, secure_host: secure.map(|_| host.to_owned()), path, status })
    }

    /// Asks once. The error says what was seen instead.
    pub(super) async fn ask(&self, tls: Option<&TlsClient>) -> Result<(), String> {
        let patience = if self.secure_host.is_some() { SECURE_PATIENCE } else { ANSWER_PATIENCE };
        let asked = async {
            let stream = TcpStream::connect(&self.address).await.map_err(|why| why.to_string())?;
            match (&self.secure_host, tls) {
                (Some(host), Some(tls)) => {
                    let name = tls.name_for_host(host)?;
                    let stream = tls.connector.connect(name, stream).await;
                    self.ask_over(stream.map_err(|why| format!("TLS: {why}; see [tls]"))?).await
                }
                _ => self.ask_over(stream).await,
            }
        };
        tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    async fn ask_over(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), String> {
        let request = format!("GET {} HTTP/1.0\r\nHost: {}\r\n\r\n", self.path, self.address);
        let mut begins = [0; 12];
        let exchanged = async {
            stream.write_all(request.as_bytes()).await?;
            stream.flush().await?;
            stream.read_exact(&mut begins).await
        };
        exchanged.await.map_err(|why| why.to_string())?;
        if begins.ends_with(format!(" {}", self.status).as_bytes()) {
            return Ok(());
        }
        Err(format!("the answer began with {:?}", String::from_utf8_lossy(&begins)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_be_secure() {
        let parse = |url: &str| ReadyCheck::parse("GET /health 204", url);
        let plain = parse("http://h/base/").unwrap();
        assert_eq!(
            (plain.address.as_str(), plain.secure_host, plain.path.as_str()),
            ("h:80", None, "/base/health")
        );
        let secure = parse("https://h").unwrap();
        assert_eq!((secure.address.as_str(), secure.secure_host.as_deref()), ("h:443", Some("h")));
        assert_eq!((secure.path.as_str(), secure.status), ("/health", 204));
        assert_eq!(parse("https://[::1]:8443").unwrap().secure_host.as_deref(), Some("[::1]"));
        for wrong in ["ftp://h", "https://", "https://user@h", "h:80"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
