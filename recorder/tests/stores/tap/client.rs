//! Clients of a tap that know nothing of steadfast.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer as a client got it.
#[derive(Debug)]
pub(crate) struct WebAnswer {
    pub(crate) status: u16,
    /// By name in lower case; the last of several.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// A browser without a page: one connection, and the session cookie.
pub(crate) struct SmallBrowser {
    stream: BufReader<TcpStream>,
    pub(crate) cookie: Option<String>,
}

impl SmallBrowser {
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        Self { stream: BufReader::new(stream), cookie: None }
    }

    /// Sends a request and reads the answer.
    pub(crate) fn ask(&mut self, method: &str, target: &str, body: &str) -> WebAnswer {
        self.ask_with(method, target, "", body)
    }

    /// Sends a request with further header lines, and reads the answer.
    pub(crate) fn ask_with(&mut self, method: &str, target: &str, headers: &str, body: &str) -> WebAnswer {
        let cookie =
            self.cookie.as_ref().map_or(String::new(), |id| format!("Cookie: lang=en; sid={id}\r\n"));
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: shop\r\n{cookie}{headers}content-length: {length}\r\n\r\n"
        );
        self.stream.get_mut().write_all((head + body).as_bytes()).expect("it is sent");
        let answer = read_answer(&mut self.stream).expect("an answer");
        match answer.headers.get("set-cookie").and_then(|line| line.strip_prefix("sid=")) {
            Some(line) if line.contains("Max-Age=0") => self.cookie = None,
            Some(line) => self.cookie = line.split(';').next().map(str::to_owned),
            None => {}
        }
        answer
    }
}

/// Reads an answer; none if the connection ends before its end.
pub(crate) fn read_answer(stream: &mut impl BufRead) -> Option<WebAnswer> {
    let mut first = String::new();
    stream.read_line(&mut first).ok()?;
    let status = first.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else {
        body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().expect("a number"))];
        stream.read_exact(&mut body).ok()?;
    }
    Some(WebAnswer { status, headers, body })
}
