//! PostgreSQL's protocol (version 3), as much as a client of simple queries needs.
//!
//! Written here for the reason that RESP is: a recorder must know what was sent and what came back. A simple
//! query may be several statements; the server answers all of them and then says that it is ready.

use crate::Failure;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The longest message that is read.
const LONGEST: usize = 256 << 20;

/// A row: texts, none where a column is null.
pub(super) type TextRow = Vec<Option<String>>;

/// What one statement did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct StatementResult {
    /// The command with how many rows it touched: `UPDATE 1`.
    pub(super) tag: String,
    pub(super) rows: Vec<TextRow>,
}

impl StatementResult {
    /// How many rows it touched.
    pub(super) fn affected_rows(&self) -> u64 {
        self.tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
    }
}

/// A session with a server.
#[derive(Debug)]
pub(super) struct PostgresConnection {
    stream: BufReader<TcpStream>,
}

impl PostgresConnection {
    /// Connects as the user `postgres` to the database of that name. Nothing is asked yet.
    pub(super) async fn open(address: &str) -> Result<Self, Failure> {
        let unreachable = |why: io::Error| Failure::unreachable(format!("{address}: {why}"));
        let stream = TcpStream::connect(address).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let mut connection = Self { stream: BufReader::new(stream) };
        let words = b"user\0postgres\0database\0postgres\0application_name\0steadfast\0\0";
        let mut startup = Vec::new();
        startup.extend(((words.len() + 8) as u32).to_be_bytes());
        startup.extend(196_608_u32.to_be_bytes());
        startup.extend(words);
        connection.stream.get_mut().write_all(&startup).await.map_err(unreachable)?;
        // Nothing was asked: whatever is wrong now, nothing was done.
        match connection.read_results().await {
            Ok(_) => Ok(connection),
            Err(failure) => Err(Failure::unreachable(format!("{address}: {}", failure.error))),
        }
    }

    /// Sends statements in one query, and returns what each of them did.
    pub(super) async fn run_query(&mut self, statements: &str) -> Result<Vec<StatementResult>, Failure> {
        let mut message = vec![b'Q'];
        message.extend(((statements.len() + 5) as u32).to_be_bytes());
        message.extend(statements.as_bytes());
        message.push(0);
        self.stream.get_mut().write_all(&message).await.map_err(connection_failure)?;
        self.read_results().await
    }

    /// Everything until the server is ready again.
    async fn read_results(&mut self) -> Result<Vec<StatementResult>, Failure> {
        let (mut all, mut rows, mut failure) = (Vec::new(), Vec::new(), None);
        loop {
            let (kind, body) = self.read_message().await?;
            match kind {
                b'D' => rows.push(parse_row(&body).ok_or_else(|| Failure::indefinite("a row cut short"))?),
                b'C' => {
                    let tag = text_until_zero(&body);
                    all.push(StatementResult { tag, rows: std::mem::take(&mut rows) });
                }
                b'E' => {
                    let refused = classify_error(&error_field(&body, b'C'), &error_field(&body, b'M'));
                    // A server that ends the session says so and nothing more.
                    if error_field(&body, b'S') == "FATAL" {
                        return Err(refused);
                    }
                    failure.get_or_insert(refused);
                }
                // A commit that was not replicated as it should have been is a warning only.
                b'N' if error_field(&body, b'M').contains("synchronous replication")
                    || error_field(&body, b'D').contains("might not have been replicated") =>
                {
                    failure.get_or_insert(Failure::indefinite(error_field(&body, b'M')));
                }
                b'R' if body.get(..4) != Some(&[0; 4]) => {
                    return Err(Failure::unreachable("the server asks for a password"));
                }
                b'Z' => return failure.map_or(Ok(all), Err),
                _ => {}
            }
        }
    }

    async fn read_message(&mut self) -> Result<(u8, Vec<u8>), Failure> {
        let kind = self.stream.read_u8().await.map_err(connection_failure)?;
        let length = self.stream.read_u32().await.map_err(connection_failure)? as usize;
        if !(4..=LONGEST).contains(&length) {
            return Err(Failure::indefinite(format!("a message of {length} bytes")));
        }
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body).await.map_err(connection_failure)?;
        Ok((kind, body))
    }
}

/// A text as SQL has it.
pub(super) fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn connection_failure(error: io::Error) -> Failure {
    Failure::indefinite(error.to_string())
}

fn parse_row(body: &[u8]) -> Option<TextRow> {
    let count = u16::from_be_bytes(body.get(..2)?.try_into().ok()?);
    let (mut at, mut row) = (2, TextRow::new());
    for _ in 0..count {
        let length = i32::from_be_bytes(body.get(at..at + 4)?.try_into().ok()?);
        at += 4;
        let Ok(length) = usize::try_from(length) else {
            row.push(None);
            continue;
        };
        row.push(Some(String::from_utf8_lossy(body.get(at..at + length)?).into_owned()));
        at += length;
    }
    Some(row)
}

/// A field of an error or a warning.
fn error_field(body: &[u8], kind: u8) -> String {
    let found = body.split(|&byte| byte == 0).find(|field| field.first() == Some(&kind));
    found.map(|field| String::from_utf8_lossy(&field[1..]).into_owned()).unwrap_or_default()
}

fn text_until_zero(body: &[u8]) -> String {
    let end = body.iter().position(|&byte| byte == 0).unwrap_or(body.len());
    String::from_utf8_lossy(&body[..end]).into_owned()
}

/// See the table of [`super`]. After an error inside a transaction the connection would have to roll back first;
/// another one is opened instead.
fn classify_error(code: &str, message: &str) -> Failure {
    let text = format!("{code} {message}");
    let class = code.get(..2).unwrap_or_default();
    let definite = match code {
        "40003" => false,
        "25006" | "57P03" => true,
        _ => ["22", "23", "25", "28", "40", "42", "53"].contains(&class),
    };
    if definite { Failure::unreachable(text) } else { Failure::indefinite(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_classified_by_their_state() {
        for (code, definite) in [
            ("40001", true),
            ("40003", false),
            ("23505", true),
            ("25006", true),
            ("57P03", true),
            ("57P01", false),
            ("57014", false),
            ("XX000", false),
            ("", false),
        ] {
            assert_eq!(classify_error(code, "").definite, definite, "{code}");
        }
    }

    #[test]
    fn rows_and_fields_are_found() {
        let body = [&[0, 3][..], &[0, 0, 0, 1], b"7", &[0xff; 4], &[0, 0, 0, 0]].concat();
        assert_eq!(parse_row(&body), Some(vec![Some("7".into()), None, Some(String::new())]));
        assert_eq!(parse_row(&body[..5]), None);
        assert_eq!(error_field(b"SERROR\0C23505\0Mno\0\0", b'C'), "23505");
        assert_eq!(StatementResult { tag: "INSERT 0 1".into(), rows: vec![] }.affected_rows(), 1);
        assert_eq!(quote_literal("it's"), "'it''s'");
    }
}
