//! Redis' protocol (RESP 2), as much as a client of one request at a time needs.
//!
//! Written here rather than taken from a client library, because a recorder must know exactly what was sent
//! and what came back: libraries retry, reconnect and translate errors, and the difference between *refused*
//! and *unknown* is lost on the way. For the same reason it believes no server: what is not exactly the protocol, or
//! comes without having been asked for, breaks the connection, and the operation is indeterminate.

use crate::stores::reading::{expect_silence, protocol_error, read_bytes, read_line};
use std::io;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The most bytes that one reply may have: twice the largest payload.
const REPLY_BYTES_MAX: u64 = 128 << 20;
/// What an element of a list is counted as at least, so that lists of nothing are bounded as well.
const ELEMENT_BYTES: u64 = 16;
/// How deep replies may be nested.
const DEEPEST: usize = 4;

/// What a server answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RespReply {
    /// `+OK`.
    Simple(String),
    /// `-ERR …`.
    Error(String),
    /// `:5`.
    Integer(i64),
    /// A text; none is absent.
    Bulk(Option<Vec<u8>>),
    /// A list; none is absent.
    Array(Option<Vec<RespReply>>),
}

/// A connection.
#[derive(Debug)]
pub struct RespConnection {
    stream: BufReader<TcpStream>,
}

impl RespConnection {
    /// Connects. Nothing is sent.
    pub async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends commands in one write, and returns as many replies. An error if the server says more than that.
    pub async fn run_commands(&mut self, commands: &[Vec<Vec<u8>>]) -> io::Result<Vec<RespReply>> {
        expect_silence(&self.stream)?;
        let mut bytes = Vec::new();
        for command in commands {
            encode_command(command, &mut bytes);
        }
        self.stream.get_mut().write_all(&bytes).await?;
        let mut replies = Vec::with_capacity(commands.len());
        for _ in commands {
            replies.push(self.read_reply().await?);
        }
        expect_silence(&self.stream)?;
        Ok(replies)
    }

    /// Sends one command of texts.
    pub async fn run_command(&mut self, words: &[&str]) -> io::Result<RespReply> {
        let command = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        Ok(self.run_commands(&[command]).await?.remove(0))
    }

    async fn read_reply(&mut self) -> io::Result<RespReply> {
        // Lists that are not complete yet, outermost first, with how many elements they still lack.
        let mut open: Vec<(Vec<RespReply>, usize)> = Vec::new();
        let mut room = REPLY_BYTES_MAX;
        loop {
            let mut reply = match self.read_piece(&mut room).await? {
                ReplyPiece::Whole(reply) => reply,
                ReplyPiece::List(length) => {
                    if open.len() == DEEPEST {
                        return Err(protocol_error("a reply nested too deeply"));
                    }
                    open.push((Vec::new(), length));
                    if length > 0 {
                        continue;
                    }
                    RespReply::Array(open.pop().map(|(elements, _)| elements))
                }
            };
            loop {
                let Some((mut elements, lacks)) = open.pop() else { return Ok(reply) };
                elements.push(reply);
                if lacks > 1 {
                    open.push((elements, lacks - 1));
                    break;
                }
                reply = RespReply::Array(Some(elements));
            }
        }
    }

    /// The next piece of a reply of which so many bytes may still come.
    async fn read_piece(&mut self, room: &mut u64) -> io::Result<ReplyPiece> {
        let line = read_line(&mut self.stream).await?;
        let text = String::from_utf8_lossy(&line);
        spend_bytes(room, line.len() as u64 + ELEMENT_BYTES)?;
        let (kind, rest) = text.split_at_checked(1).ok_or_else(|| protocol_error("an empty reply"))?;
        Ok(match kind {
            "+" => ReplyPiece::Whole(RespReply::Simple(rest.to_owned())),
            "-" => ReplyPiece::Whole(RespReply::Error(rest.to_owned())),
            ":" => ReplyPiece::Whole(RespReply::Integer(parse_integer(rest)?)),
            "$" => match parse_length(rest)? {
                Some(length) => {
                    spend_bytes(room, length)?;
                    ReplyPiece::Whole(RespReply::Bulk(Some(read_bytes(&mut self.stream, length).await?)))
                }
                None => ReplyPiece::Whole(RespReply::Bulk(None)),
            },
            "*" => match parse_length(rest)? {
                // So many cannot come, whatever they are.
                Some(length) if length > *room / ELEMENT_BYTES => {
                    return Err(protocol_error("a list that is too long"));
                }
                Some(length) => ReplyPiece::List(length as usize),
                None => ReplyPiece::Whole(RespReply::Array(None)),
            },
            _ => return Err(protocol_error("a reply of no known kind")),
        })
    }
}

/// Counts bytes of a reply.
fn spend_bytes(room: &mut u64, bytes: u64) -> io::Result<()> {
    *room = room.checked_sub(bytes).ok_or_else(|| protocol_error("a reply of more than 128 MiB"))?;
    Ok(())
}

/// A length; none for -1, by which Redis says that there is nothing. No other negative number means anything.
fn parse_length(text: &str) -> io::Result<Option<u64>> {
    match parse_integer(text)? {
        -1 => Ok(None),
        length => u64::try_from(length).map(Some).map_err(|_| protocol_error("a negative length")),
    }
}

/// An integer as Redis writes it: digits, with a sign or without.
fn parse_integer(text: &str) -> io::Result<i64> {
    text.parse().map_err(|_| protocol_error("a number was expected"))
}

enum ReplyPiece {
    Whole(RespReply),
    List(usize),
}

fn encode_command(command: &[Vec<u8>], bytes: &mut Vec<u8>) {
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

    /// What a client makes of these bytes from a server.
    async fn read(bytes: &'static [u8]) -> io::Result<RespReply> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(async move {
            let (mut server, _) = listener.accept().await.unwrap();
            let mut request = [0; 100];
            let _ = server.read(&mut request).await;
            server.write_all(bytes).await.unwrap();
        });
        RespConnection::open(&address).await?.run_command(&["PING"]).await
    }

    #[tokio::test]
    async fn replies_of_every_kind() {
        let bulk = |text: &str| RespReply::Bulk(Some(text.as_bytes().to_vec()));
        assert_eq!(read(b"+OK\r\n").await.unwrap(), RespReply::Simple("OK".into()));
        assert_eq!(read(b"-ERR no\r\n").await.unwrap(), RespReply::Error("ERR no".into()));
        assert_eq!(read(b"$-1\r\n").await.unwrap(), RespReply::Bulk(None));
        assert_eq!(read(b"$4\r\na\r\nb\r\n").await.unwrap(), bulk("a\r\nb"));
        assert_eq!(read(b"*0\r\n").await.unwrap(), RespReply::Array(Some(vec![])));
        let nested =
            RespReply::Array(Some(vec![bulk("x"), RespReply::Array(Some(vec![RespReply::Integer(-2)]))]));
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
