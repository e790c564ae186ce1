//! The part of memcached's text protocol that a client with one request at a time needs.

use crate::Failure;
use crate::stores::reading::{expect_silence, read_bytes, read_line};
use std::io;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The largest value that is read.
const VALUE_BYTES_MAX: u64 = 128 << 20;

/// How many lines of `stats` are looked at: there are about sixty.
const STATS_LINES_MAX: usize = 1000;

/// What is said of a `cas` that came too late.
pub(super) const CHANGED: &str = "written by another";

/// A connection to a memcached node.
#[derive(Debug)]
pub(super) struct MemcachedConnection {
    stream: BufReader<TcpStream>,
}

/// The value under a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CachedValue {
    pub(super) bytes: Vec<u8>,
    /// A number that changes with each write.
    pub(super) unique: u64,
}

impl MemcachedConnection {
    /// Connects. No command is sent.
    pub(super) async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(super) async fn get_value(&mut self, key: &str) -> Result<Option<CachedValue>, Failure> {
        self.send_bytes(format!("gets {key}\r\n").as_bytes()).await?;
        let line = self.read_reply_line().await?;
        if line == "END" {
            return self.confirm_end(None);
        }
        // VALUE <key> <flags> <bytes> <cas unique>
        let words: Vec<&str> = line.split(' ').collect();
        let (["VALUE", found, _, _, _], Some(length), Some(unique)) =
            (words.as_slice(), parse_number(&words, 3), parse_number(&words, 4))
        else {
            return Err(classify_refusal(&line));
        };
        if *found != key {
            return Err(Failure::indefinite(format!("asked for {key}, answered with {found}")));
        }
        if length > VALUE_BYTES_MAX {
            return Err(Failure::indefinite(format!("a value of {length} bytes")));
        }
        let bytes = read_bytes(&mut self.stream, length).await.map_err(connection_failure)?;
        match self.read_reply_line().await?.as_str() {
            "END" => self.confirm_end(Some(CachedValue { bytes, unique })),
            other => Err(classify_refusal(other)),
        }
    }

    /// Sends `set`, `add`, `replace`, `append` or `cas`.
    pub(super) async fn store_value(
        &mut self,
        command: &str,
        key: &str,
        value: &[u8],
        lives: u64,
        unique: Option<u64>,
    ) -> Result<(), Failure> {
        let unique = unique.map(|unique| format!(" {unique}")).unwrap_or_default();
        let head = format!("{command} {key} 0 {lives} {}{unique}\r\n", value.len());
        self.send_bytes(&[head.as_bytes(), value, b"\r\n"].concat()).await?;
        let line = self.read_reply_line().await?;
        self.confirm_end(())?;
        match (command, line.as_str()) {
            (_, "STORED") => Ok(()),
            ("add", "NOT_STORED") => Err(Failure::definite("it exists")),
            ("replace" | "append", "NOT_STORED") | ("cas", "NOT_FOUND") => Err(Failure::no_such_session()),
            ("cas", "EXISTS") => Err(Failure::definite(CHANGED)),
            (_, other) => Err(classify_refusal(other)),
        }
    }

    /// Sends a command of one line and expects this reply.
    pub(super) async fn run_line_command(&mut self, command: &str, done: &str) -> Result<(), Failure> {
        self.send_bytes(format!("{command}\r\n").as_bytes()).await?;
        let line = self.read_reply_line().await?;
        self.confirm_end(())?;
        match line.as_str() {
            reply if reply == done => Ok(()),
            "NOT_FOUND" => Err(Failure::no_such_session()),
            other => Err(classify_refusal(other)),
        }
    }

    async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        expect_silence(&self.stream).map_err(connection_failure)?;
        self.stream.get_mut().write_all(bytes).await.map_err(connection_failure)
    }

    async fn read_reply_line(&mut self) -> Result<String, Failure> {
        let line = read_line(&mut self.stream).await.map_err(connection_failure)?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Returns the content of an answer, if no further bytes follow it.
    fn confirm_end<T>(&self, said: T) -> Result<T, Failure> {
        expect_silence(&self.stream).map_err(connection_failure)?;
        Ok(said)
    }
}

fn parse_number(words: &[&str], at: usize) -> Option<u64> {
    words.get(at)?.parse().ok()
}

fn connection_failure(error: io::Error) -> Failure {
    Failure::indefinite(error.to_string())
}

/// Classifies a reply according to the table of [`super`]. The reply to a command that was not understood may be
/// followed by more, so the connection is not used again.
fn classify_refusal(line: &str) -> Failure {
    let word = line.split(' ').next().unwrap_or_default();
    if word == "ERROR" || word == "CLIENT_ERROR" {
        Failure::unreachable(line)
    } else {
        Failure::indefinite(line)
    }
}

/// The process id of the node at an address, from its answer to `stats`.
pub(super) async fn fetch_process_id(address: &str) -> Option<i64> {
    let mut stream = BufReader::new(TcpStream::connect(address).await.ok()?);
    stream.get_mut().write_all(b"stats\r\n").await.ok()?;
    for _ in 0..STATS_LINES_MAX {
        let line = read_line(&mut stream).await.ok()?;
        let line = String::from_utf8_lossy(&line);
        if let Some(process) = line.trim().strip_prefix("STAT pid ") {
            return process.parse().ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    async fn connected(reply: &'static [u8]) -> MemcachedConnection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut server, _) = listener.accept().await.unwrap();
            let mut request = [0; 100];
            let _ = server.read(&mut request).await;
            server.write_all(reply).await.unwrap();
        });
        MemcachedConnection::open(&address).await.unwrap()
    }

    #[tokio::test]
    async fn values_are_read_with_their_line_ends() {
        let reply = b"VALUE k 0 4 17\r\na\r\nb\r\nEND\r\n";
        let held = connected(reply).await.get_value("k").await.unwrap().unwrap();
        assert_eq!(held, CachedValue { bytes: b"a\r\nb".to_vec(), unique: 17 });
        assert_eq!(connected(b"END\r\n").await.get_value("k").await, Ok(None));
    }

    #[tokio::test]
    async fn replies_are_classified() {
        for (reply, definite) in [
            (&b"NOT_STORED\r\n"[..], true),
            // This is an answer to `cas`; as an answer to another command it would mean something else.
            (b"EXISTS\r\n", false),
            (b"ERROR\r\n", true),
            (b"SERVER_ERROR out of memory storing object\r\n", false),
            (b"STOR", false),
        ] {
            let stored = connected(reply).await.store_value("add", "k", b"v", 0, None).await;
            assert_eq!(stored.unwrap_err().definite, definite, "{}", String::from_utf8_lossy(reply));
        }
    }
}
