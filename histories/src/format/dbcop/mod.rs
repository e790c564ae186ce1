//! dbcop's histories, in the two encodings that it has had: bincode (`history.bincode`, 2019) and JSON (2026).
//!
//! Both hold sessions of transactions of reads and writes, with who ran what around them, which goes into the header.
//! They are told apart by their first bytes: bincode begins with a number of eight bytes that is small enough for
//! some of them to be zero, and no JSON holds a zero byte.
//!
//! dbcop calls a transaction that did not commit *uncommitted*, and reads of it a violation at every level: it
//! failed. 0 is what every variable holds at first (in JSON also `null`), which is `null` here.

mod bincode;
mod json;

pub(super) use bincode::write_bincode;
pub(super) use json::write_json;

use super::by_session::TransactionsBySession;
use super::datum::Flaw;

/// How a history is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DbcopEncoding {
    Bincode,
    Json,
}

impl DbcopEncoding {
    /// The encoding of a history that begins like this.
    pub(super) fn detect_encoding(head: &[u8]) -> DbcopEncoding {
        let head = &head[..head.len().min(8)];
        if head.contains(&0) { DbcopEncoding::Bincode } else { DbcopEncoding::Json }
    }
}

/// Reads a whole file.
pub(super) fn read_dbcop(bytes: &[u8]) -> Result<TransactionsBySession, Vec<Flaw>> {
    match DbcopEncoding::detect_encoding(bytes) {
        DbcopEncoding::Bincode => bincode::read_bincode(bytes).map_err(|flaw| vec![flaw]),
        DbcopEncoding::Json => json::read_json(bytes),
    }
}

/// Whether JSON that begins like this is dbcop's: sessions in a list, or beside `params`.
pub(super) fn is_dbcop_json(head: &[u8]) -> bool {
    let mut words = head.iter().filter(|byte| !byte.is_ascii_whitespace());
    match words.next() {
        // A vector of Knossos' begins with a process: `[[0 :invoke`.
        Some(b'[') => words.next() == Some(&b'[') && matches!(words.next(), Some(b'{' | b'[' | b']') | None),
        Some(b'{') => {
            let word: Vec<u8> = words.take(9).copied().collect();
            word.starts_with(b"\"params\":") || word.starts_with(b"\"data\":[")
        }
        _ => false,
    }
}
