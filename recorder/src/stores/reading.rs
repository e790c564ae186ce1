//! Reading from a server that may say anything: every length is bounded, nothing is allocated before it arrives.
//!
//! A recorder sends one request and reads its answer. Bytes that a server sent without having been asked make it
//! uncertain which answer belongs to which request: such a connection is not used any further.

use nix::sys::socket::{MsgFlags, recv};
use std::io;
use std::os::fd::AsRawFd;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;

/// The longest line of a text protocol.
pub(super) const LINE_BYTES_MAX: u64 = 64 << 10;

/// A line, without its end. Lines end with CR LF.
pub(super) async fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stream.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
    if line.strip_suffix(b"\r\n").is_some() {
        line.truncate(line.len() - 2);
        return Ok(line);
    }
    if line.len() as u64 == LINE_BYTES_MAX {
        return Err(protocol_error("a line longer than 64 KiB"));
    }
    if line.ends_with(b"\n") {
        return Err(protocol_error("a line that does not end with CR LF"));
    }
    Err(io::Error::from(io::ErrorKind::UnexpectedEof))
}

/// So many bytes, and the CR LF that must follow them. Memory is taken as they arrive.
pub(super) async fn read_bytes(stream: &mut BufReader<TcpStream>, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(length + 2).read_to_end(&mut bytes).await?;
    if (bytes.len() as u64) < length + 2 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    if !bytes.ends_with(b"\r\n") {
        return Err(protocol_error("a text that does not end where its length says"));
    }
    bytes.truncate(length as usize);
    Ok(bytes)
}

/// Whether the server has said nothing that nobody asked for: an error if it has. A connection that the server has
/// closed is no error here: the next read says so.
pub(super) fn expect_silence(stream: &BufReader<TcpStream>) -> io::Result<()> {
    let mut byte = [0];
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    let waits = recv(stream.get_ref().as_raw_fd(), &mut byte, flags);
    if !stream.buffer().is_empty() || matches!(waits, Ok(1)) {
        return Err(protocol_error("bytes that nobody had asked for"));
    }
    Ok(())
}

pub(super) fn protocol_error(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}
