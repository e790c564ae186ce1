//! The part of Redis' protocol (RESP 2) that a client with one request at a time needs.
//!
//! It is implemented here instead of using a client library, because a recorder must know exactly what was sent and
//! what was answered. Libraries retry, reconnect and translate errors, so that the difference between *refused* and
//! *unknown* is lost. For the same reason no server is trusted: bytes that do not follow the protocol, or that were
//! not requested, break the connection, and the operation is indeterminate.

use crate::stores::reading::{expect_silence, nonsense, read_bytes, read_line};
use std::io;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The highest number of bytes in one reply: twice the largest payload.
const REPLY_BYTES_MAX: u64 = 128 << 20;
/// The number of bytes that an element of a list counts as at least, so that lists of empty elements are bounded too.
const ELEMENT_BYTES: u64 = 16;
/// How deep replies may be nested.
const DEEPEST: usize = 4;

/// A reply of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// `+OK`.
    Simple(String),
    /// `-ERR …`.
    Error(String),
    /// `:5`.
    Integer(i64),
    /// A text; `None` if it is absent.
    Bulk(Option<Vec<u8>>),
    /// A list; `None` if it is absent.
    Array(Option<Vec<Reply>>),
}

/// A connection to a Redis server or a Sentinel.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects. No command is sent.
    pub async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends commands in one write and returns as many replies.
    ///
    /// # Errors
    /// The connection breaks, or the server sends more than these replies.
    pub async fn ask(&mut self, commands: &[Vec<Vec<u8>>]) -> io::Result<Vec<Reply>> {
        expect_silence(&self.stream)?;
        let mut bytes = Vec::new();
        for command in commands {
            encode(command, &mut bytes);
        }
        self.stream.get_mut().write_all(&bytes).await?;
        let mut replies = Vec::with_capacity(commands.len());
        for _ in commands {
            replies.push(self.reply().await?);
        }
        expect_silence(&self.stream)?;
        Ok(replies)
    }

    /// Sends one command, given as texts.
    pub async fn ask_one(&mut self, words: &[&str]) -> io::Result<Reply> {
        let command = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        Ok(self.ask(&[command]).await?.remove(0))
    }

    async fn reply(&mut self) -> io::Result<Reply> {
        // The lists that are not complete yet, outermost first, each with the number of elements that it still lacks.
        let mut open: Vec<(Vec<Reply>, usize)> = Vec::new();
        let mut room = REPLY_BYTES_MAX;
        loop {
            let mut reply = match self.piece(&mut room).await? {
                Piece::Whole(reply) => reply,
                Piece::List(length) => {
                    if open.len() == DEEPEST {
                        return Err(nonsense("a reply nested too deeply"));
                    }
                    open.push((Vec::new(), length));
                    if length > 0 {
                        continue;
                    }
                    Reply::Array(open.pop().map(|(elements, _)| elements))
                }
            };
            loop {
                let Some((mut elements, lacks)) = open.pop() else { return Ok(reply) };
                elements.push(reply);
                if lacks > 1 {
                    open.push((elements, lacks - 1));
                    break;
                }
                reply = Reply::Array(Some(elements));
            }
        }
    }

    /// Reads the next piece of a reply. `room` is the number of bytes that the reply may still have.
    async fn piece(&mut self, room: &mut u64) -> io::Result<Piece> {
        let line = read_line(&mut self.stream).await?;
        let text = String::from_utf8_lossy(&line);
        take(room, line.len() as u64 + ELEMENT_BYTES)?;
        let (kind, rest) = text.split_at_checked(1).ok_or_else(|| nonsense("an empty reply"))?;
        Ok(match kind {
            "+" => Piece::Whole(Reply::Simple(rest.to_owned())),
            "-" => Piece::Whole(Reply::Error(rest.to_owned())),
            ":" => Piece::Whole(Reply::Integer(integer(rest)?)),
            "$" => match length(rest)? {
                Some(length) => {
                    take(room, length)?;
                    Piece::Whole(Reply::Bulk(Some(read_bytes(&mut self.stream, length).await?)))
                }
                None => Piece::Whole(Reply::Bulk(None)),
            },
            "*" => match length(rest)? {
                // That many elements cannot fit, whatever they are.
                Some(length) if length > *room / ELEMENT_BYTES => {
                    return Err(nonsense("a list that is too long"));
                }
                Some(length) => Piece::List(length as usize),
                None => Piece::Whole(Reply::Array(None)),
            },
            _ => return Err(nonsense("a reply of no known kind")),
        })
    }
}

/// Subtracts bytes from what a reply may still have.
fn take(room: &mut u64, bytes: u64) -> io::Result<()> {
    *room = room.checked_sub(bytes).ok_or_else(|| nonsense("a reply of more than 128 MiB"))?;
    Ok(())
}

/// Parses a length. Redis writes -1 for an absent value; any other negative number is an error.
fn length(text: &str) -> io::Result<Option<u64>> {
    match integer(text)? {
        -1 => Ok(None),
        length => u64::try_from(length).map(Some).map_err(|_| nonsense("a negative length")),
    }
}

/// Parses an integer as Redis writes it: digits, with or without a sign.
fn integer(text: &str) -> io::Result<i64> {
    text.parse().map_err(|_| nonsense("a number was expected"))
}

enum Piece {
    Whole(Reply),
    List(usize),
}

fn encode(command: &[Vec<u8>], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(format!("*{}\r\n", command.len()).as_bytes());
    for word in command {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    /// Reads a reply from these bytes.
    async fn read(bytes: &'static [u8]) -> io::Result<Reply> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(async move {
            let (mut server, _) = listener.accept().await.unwrap();
            let mut request = [0; 100];
            let _ = server.read(&mut request).await;
            server.write_all(bytes).await.unwrap();
        });
        Connection::open(&address).await?.ask_one(&["PING"]).await
    }

    #[tokio::test]
    async fn replies_of_every_kind() {
        let bulk = |text: &str| Reply::Bulk(Some(text.as_bytes().to_vec()));
        assert_eq!(read(b"+OK\r\n").await.unwrap(), Reply::Simple("OK".into()));
        assert_eq!(read(b"-ERR no\r\n").await.unwrap(), Reply::Error("ERR no".into()));
        assert_eq!(read(b"$-1\r\n").await.unwrap(), Reply::Bulk(None));
        assert_eq!(read(b"$4\r\na\r\nb\r\n").await.unwrap(), bulk("a\r\nb"));
        assert_eq!(read(b"*0\r\n").await.unwrap(), Reply::Array(Some(vec![])));
        let nested = Reply::Array(Some(vec![bulk("x"), Reply::Array(Some(vec![Reply::Integer(-2)]))]));
        assert_eq!(read(b"*2\r\n$1\r\nx\r\n*1\r\n:-2\r\n").await.unwrap(), nested);
    }

    #[tokio::test]
    async fn nonsense_and_a_broken_connection_are_errors() {
        for bytes in [
            &b"+OK"[..],
            b"?\r\n",
            b":x\r\n",
            b"$5\r\nab",
            b"$99999999999\r\n",
            b"\r\n",
            b"$-5\r\n",
            b"*-2\r\n",
            b"*99999999999\r\n",
            b"$2\r\nabcd",
            b"+OK\n",
            b"+OK\r\n+OK\r\n",
        ] {
            assert!(read(bytes).await.is_err(), "{bytes:?}");
        }
        assert!(read(b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n").await.is_err());
    }
}
