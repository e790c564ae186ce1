//! Redis' protocol (RESP 2), as much as a client of one request at a time needs.
//!
//! Written here rather than taken from a client library, because a recorder must know exactly what was sent
//! and what came back: libraries retry, reconnect and translate errors, and the difference between *refused*
//! and *unknown* is lost on the way.

use std::io;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The longest text that a reply may have.
const LONGEST: usize = 512 << 20;
/// How deep replies may be nested.
const DEEPEST: usize = 4;

/// What a server answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// `+OK`.
    Simple(String),
    /// `-ERR …`.
    Error(String),
    /// `:5`.
    Integer(i64),
    /// A text; none is absent.
    Bulk(Option<Vec<u8>>),
    /// A list; none is absent.
    Array(Option<Vec<Reply>>),
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects. Nothing is sent.
    pub async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends commands in one write, and returns as many replies.
    pub async fn ask(&mut self, commands: &[Vec<Vec<u8>>]) -> io::Result<Vec<Reply>> {
        let mut bytes = Vec::new();
        for command in commands {
            encode(command, &mut bytes);
        }
        self.stream.get_mut().write_all(&bytes).await?;
        let mut replies = Vec::with_capacity(commands.len());
        for _ in commands {
            replies.push(self.reply().await?);
        }
        Ok(replies)
    }

    /// Sends one command of texts.
    pub async fn ask_one(&mut self, words: &[&str]) -> io::Result<Reply> {
        let command = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        Ok(self.ask(&[command]).await?.remove(0))
    }

    async fn reply(&mut self) -> io::Result<Reply> {
        // Lists that are not complete yet, outermost first, with how many elements they still lack.
        let mut open: Vec<(Vec<Reply>, usize)> = Vec::new();
        loop {
            let mut reply = match self.piece().await? {
                Piece::Whole(reply) => reply,
                Piece::List(length) => {
                    if open.len() == DEEPEST {
                        return Err(bad("a reply nested too deeply"));
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

    async fn piece(&mut self) -> io::Result<Piece> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await?;
        let text = line.strip_suffix(b"\r\n").ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let text = String::from_utf8_lossy(text);
        let (kind, rest) = text.split_at_checked(1).ok_or_else(|| bad("an empty reply"))?;
        let number = || rest.parse::<i64>().map_err(|_| bad("a number was expected"));
        Ok(match kind {
            "+" => Piece::Whole(Reply::Simple(rest.to_owned())),
            "-" => Piece::Whole(Reply::Error(rest.to_owned())),
            ":" => Piece::Whole(Reply::Integer(number()?)),
            "$" => Piece::Whole(Reply::Bulk(self.bulk(number()?).await?)),
            "*" => match usize::try_from(number()?) {
                Ok(length) => Piece::List(length),
                Err(_) => Piece::Whole(Reply::Array(None)),
            },
            _ => return Err(bad("a reply of no known kind")),
        })
    }

    async fn bulk(&mut self, length: i64) -> io::Result<Option<Vec<u8>>> {
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        if length > LONGEST {
            return Err(bad("a text beyond 512 MiB"));
        }
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).await?;
        bytes.truncate(length);
        Ok(Some(bytes))
    }
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

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// What a client makes of these bytes from a server.
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
        for bytes in [&b"+OK"[..], b"?\r\n", b":x\r\n", b"$5\r\nab", b"$99999999999\r\n", b"\r\n"] {
            assert!(read(bytes).await.is_err(), "{bytes:?}");
        }
        assert!(read(b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n").await.is_err());
    }
}
