//! Requests to the small web applications that tests bring themselves.

use std::collections::HashMap;
use std::io::BufRead;

/// A request of HTTP/1.1.
#[derive(Debug)]
pub struct WebRequest {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// The headers by name, in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl WebRequest {
    /// Reads the next request of a connection; none if it ends.
    pub fn read_from(connection: &mut impl BufRead) -> Option<Self> {
        let mut first = String::new();
        if connection.read_line(&mut first).ok()? == 0 {
            return None;
        }
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            connection.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a number"));
        let mut body = vec![0; length];
        connection.read_exact(&mut body).ok()?;
        let mut words = first.split(' ').map(str::to_owned);
        Some(Self { method: words.next()?, target: words.next()?, headers, body })
    }
}
