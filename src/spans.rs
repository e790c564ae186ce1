//! Exports a recorded history as OpenTelemetry spans, to a file or to a collector.
//!
//! The export reads the journal after the run: recording costs nothing extra, and the spans are exactly what is in the
//! history. A collector gets requests of a few hundred spans over one plain HTTP/1.1 connection. Any status but 200 is an
//! error, and so are spans that the collector reports as rejected.

use crate::args::SpanTarget;
use crate::output_file::write_by_name;
use histories::History;
use histories::format::{self, Input, OtlpLines, Output, ReadOptions, began_unix_ns, write_otlp};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// Timeout of a connection, and of each request with its response.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest response that is read.
const ANSWER_BYTES_MAX: u64 = 1 << 16;

/// Exports a recorded history. Returns a status line, or an error worded for the user.
pub(crate) fn export_history(recorded: &Path, target: &SpanTarget, force: bool) -> Result<String, String> {
    let read = format::read(Input::Path(recorded.to_owned()), &ReadOptions::default(), &|_, _| {});
    let history = read.map_err(|problems| problems.to_string())?.history;
    let zero = began_unix_ns(&history).unwrap_or_else(|| start_of_simulated_run(&history));
    match target {
        SpanTarget::File(path) => {
            let failed = |why: io::Error| format!("failed to write {}: {why}", path.display());
            write_by_name(path, force, &[recorded], |beside| {
                let mut out = Output::create(beside).map_err(failed)?;
                write_otlp(&history, zero, BufWriter::new(&mut out)).map_err(failed)?;
                out.finish().map_err(failed)
            })?;
            Ok(format!("spans:   {}", path.display()))
        }
        SpanTarget::Collector { address, path } => {
            let failed = |why: io::Error| format!("failed to export spans to {address}{path}: {why}");
            let requests = OtlpLines::new(&history, zero).and_then(|lines| post_spans(address, path, lines));
            let requests = requests.map_err(failed)?;
            Ok(format!("spans:   {address}{path} accepted {requests} requests"))
        }
    }
}

/// The start of a simulated run, such that it ends now. Simulated time has no date, and collectors look for recent spans.
fn start_of_simulated_run(history: &History) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    let of_operations = history.ids().filter_map(|id| history.completed_at(id).max(history.invoked_at(id)));
    let last = of_operations.chain(history.actor_events().iter().filter_map(|event| event.time)).max();
    now.saturating_sub(last.unwrap_or(0).max(0) as u64)
}

/// Sends requests of spans over one connection. Returns their number, once the collector has accepted all spans.
pub(crate) fn post_spans(
    address: &str,
    path: &str,
    bodies: impl Iterator<Item = io::Result<String>>,
) -> io::Result<u64> {
    let mut resolved = address.to_socket_addrs()?;
    let first = resolved.next().ok_or_else(|| io::Error::other("the host name has no address"))?;
    let stream = TcpStream::connect_timeout(&first, PATIENCE)?;
    let mut connection = BufReader::new(StreamUntil { stream, deadline: Instant::now() });
    let mut requests = 0;
    for body in bodies {
        let body = body?;
        connection.get_mut().deadline = Instant::now() + PATIENCE;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        connection.get_mut().write_all(head.as_bytes())?;
        connection.get_mut().write_all(body.as_bytes())?;
        expect_acceptance(&mut connection)?;
        requests += 1;
    }
    Ok(requests)
}

/// A connection whose operations together end at a deadline, however slowly the collector sends or takes bytes.
struct StreamUntil {
    stream: TcpStream,
    deadline: Instant,
}

impl StreamUntil {
    fn time_left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(late()) } else { Ok(left) }
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the collector did not answer in time")
}

/// The operating system reports a timeout as an operation that would block.
fn name_timeout(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { late() } else { error }
}

impl Read for StreamUntil {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.time_left()?))?;
        self.stream.read(into).map_err(name_timeout)
    }
}

impl Write for StreamUntil {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.time_left()?))?;
        self.stream.write(bytes).map_err(name_timeout)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Reads a response and returns an error unless the collector accepted all spans.
fn expect_acceptance(connection: &mut BufReader<StreamUntil>) -> io::Result<()> {
    let mut limited = connection.take(ANSWER_BYTES_MAX);
    let status = read_header_line(&mut limited)?;
    let (mut length, mut chunked) = (0, false);
    loop {
        let header = read_header_line(&mut limited)?;
        let Some((name, value)) = header.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().map_err(|_| invalid_answer(&header))?,
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    let body = if chunked { read_chunks(&mut limited)? } else { read_exactly(&mut limited, length)? };
    let body = String::from_utf8_lossy(&body);
    if status.split(' ').nth(1) != Some("200") {
        return Err(io::Error::other(format!("the collector answered {status} {}", body.trim())));
    }
    let answer: serde_json::Value = match body.trim() {
        "" => serde_json::Value::Null,
        body => serde_json::from_str(body).map_err(|_| invalid_answer(body))?,
    };
    let refused = &answer["partialSuccess"]["rejectedSpans"];
    match refused.as_u64().or_else(|| refused.as_str()?.parse().ok()) {
        None | Some(0) => Ok(()),
        Some(count) => {
            let why = answer["partialSuccess"]["errorMessage"].as_str().unwrap_or("it gave no reason");
            Err(io::Error::other(format!("the collector rejected {count} spans: {why}")))
        }
    }
}

fn read_header_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn read_exactly(from: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn read_chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let size = read_header_line(from)?;
        let size = size.split(';').next().unwrap_or("").trim();
        let length = u64::from_str_radix(size, 16).map_err(|_| invalid_answer(size))?;
        bytes.extend(read_exactly(from, length)?);
        read_header_line(from)?;
        if length == 0 {
            return Ok(bytes);
        }
    }
}

fn invalid_answer(found: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the collector sent an invalid answer: {found:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Each byte comes well before the timeout of one network operation.
    #[test]
    fn a_collector_that_answers_one_byte_at_a_time_ends_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let collector = std::thread::spawn(move || {
            let (mut taken, _) = listener.accept().expect("a connection");
            let mut sent = 0;
            while taken.write_all(b"x").is_ok() {
                sent += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            sent
        });
        let stream = TcpStream::connect(address).expect("a connection");
        let deadline = Instant::now() + Duration::from_millis(300);
        let mut connection = BufReader::new(StreamUntil { stream, deadline });
        let error = expect_acceptance(&mut connection).expect_err("the answer never ends");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(Instant::now() >= deadline);
        drop(connection);
        assert!(collector.join().expect("the collector ends") > 1);
    }
}
