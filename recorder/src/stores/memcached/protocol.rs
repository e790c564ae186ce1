//! The part of memcached's text protocol that a client with one request at a time needs.

use crate::Failure;
use crate::stores::reading::{expect_silence, read_bytes, read_line};
use std::io;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The largest value that is read.
const VALUE_BYTES_MAX: u64 = 128 << 20;

/// The error of a `cas` that came too late.
pub(super) const CHANGED: &str = "written by another";

/// A connection to a memcached node.
#[derive(Debug)]
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
}

/// The value under a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Held {
    pub(super) bytes: Vec<u8>,
    /// A number that changes with each write.
    pub(super) unique: u64,
}

impl Connection {
    /// Connects. No command is sent.
    pub(super) async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(super) async fn get(&mut self, key: &str) -> Result<Option<Held>, Failure> {
        self.send(format!("gets {key}\r\n").as_bytes()).await?;
        let line = self.line().await?;
        if line == "END" {
            return self.heard(None);
        }
        // VALUE <key> <flags> <bytes> <cas unique>
        let words: Vec<&str> = line.split(' ').collect();
        let (["VALUE", found, _, _, _], Some(length), Some(unique)) =
            (words.as_slice(), number(&words, 3), number(&words, 4))
        else {
            return Err(refused(&line));
        };
        if *found != key {
            return Err(Failure::indefinite(format!("asked for {key}, answered with {found}")));
        }
        if length > VALUE_BYTES_MAX {
            return Err(Failure::indefinite(format!("a value of {length} bytes")));
        }
        let bytes = read_bytes(&mut self.stream, length).await.map_err(broken)?;
        match self.line().await?.as_str() {
            "END" => self.heard(Some(Held { bytes, unique })),
            other => Err(refused(other)),
        }
    }

    /// Sends `set`, `add`, `replace`, `append` or `cas`.
    pub(super) async fn store(
        &mut self,
        command: &str,
        key: &str,
        value: &[u8],
        lives: u64,
        unique: Option<u64>,
    ) -> Result<(), Failure> {
        let unique = unique.map(|unique| format!(" {unique}")).unwrap_or_default();
        let head = format!("{command} {key} 0 {lives} {}{unique}\r\n", value.len());
        self.send(&[head.as_bytes(), value, b"\r\n"].concat()).await?;
        let line = self.line().await?;
        self.heard(())?;
        match (command, line.as_str()) {
            (_, "STORED") => Ok(()),
            ("add", "NOT_STORED") => Err(Failure::definite("it exists")),
            ("replace" | "append", "NOT_STORED") | ("cas", "NOT_FOUND") => Err(Failure::no_such_session()),
            ("cas", "EXISTS") => Err(Failure::definite(CHANGED)),
            (_, other) => Err(refused(other)),
        }
    }

    /// Sends a command of one line and expects this reply.
    pub(super) async fn say(&mut self, command: &str, done: &str) -> Result<(), Failure> {
        self.send(format!("{command}\r\n").as_bytes()).await?;
        let line = self.line().await?;
        self.heard(())?;
        match line.as_str() {
            reply if reply == done => Ok(()),
            "NOT_FOUND" => Err(Failure::no_such_session()),
            other => Err(refused(other)),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        expect_silence(&self.stream).map_err(broken)?;
        self.stream.get_mut().write_all(bytes).await.map_err(broken)
    }

    async fn line(&mut self) -> Result<String, Failure> {
        let line = read_line(&mut self.stream).await.map_err(broken)?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Returns the content of an answer, if no further bytes follow it.
    fn heard<T>(&self, said: T) -> Result<T, Failure> {
        expect_silence(&self.stream).map_err(broken)?;
        Ok(said)
    }
}

fn number(words: &[&str], at: usize) -> Option<u64> {
    words.get(at)?.parse().ok()
}

fn broken(error: io::Error) -> Failure {
    Failure::indefinite(error.to_string())
}

/// Classifies a reply according to the table of [`super`]. The reply to a command that was not understood may be
/// followed by more, so the connection is not used again.
fn refused(line: &str) -> Failure {
    let word = line.split(' ').next().unwrap_or_default();
    if word == "ERROR" || word == "CLIENT_ERROR" {
        Failure::unreachable(line)
    } else {
        Failure::indefinite(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    async fn connected(reply: &'static [u8]) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut server, _) = listener.accept().await.unwrap();
            let mut request = [0; 100];
            let _ = server.read(&mut request).await;
            server.write_all(reply).await.unwrap();
        });
        Connection::open(&address).await.unwrap()
    }

    #[tokio::test]
    async fn values_are_read_with_their_line_ends() {
        let reply = b"VALUE k 0 4 17\r\na\r\nb\r\nEND\r\n";
        let held = connected(reply).await.get("k").await.unwrap().unwrap();
        assert_eq!(held, Held { bytes: b"a\r\nb".to_vec(), unique: 17 });
        assert_eq!(connected(b"END\r\n").await.get("k").await, Ok(None));
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
            let stored = connected(reply).await.store("add", "k", b"v", 0, None).await;
            assert_eq!(stored.unwrap_err().definite, definite, "{}", String::from_utf8_lossy(reply));
        }
    }
}
