//! dbcop's histories, in its two encodings: bincode (`history.bincode`, 2019) and JSON (2026).
//!
//! Both hold sessions of transactions of reads and writes, and metadata about the run, which goes into the header. The
//! first bytes tell them apart. Bincode begins with a number of eight bytes that is small, so some bytes are zero; JSON
//! contains no zero byte.
//!
//! dbcop calls a transaction that did not commit *uncommitted*, and a read of it a violation at every level. So such a
//! transaction is a failed one here. 0 (in JSON also `null`) is the initial value of every variable, which is `null`
//! here.

mod bincode;
mod json;

pub(super) use bincode::write_bincode;
pub(super) use json::write_json;

use super::by_session::TransactionsBySession;
use super::datum::Flaw;

/// The encoding of a history.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DbcopEncoding {
    Bincode,
    Json,
}

impl DbcopEncoding {
    /// The encoding of a history that begins with `head`.
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

/// Whether JSON that begins with `head` is dbcop's: a list of sessions, or an object that begins with `params` or
/// `data`.
pub(super) fn is_dbcop_json(head: &[u8]) -> bool {
    let mut words = head.iter().filter(|byte| !byte.is_ascii_whitespace());
    match words.next() {
        // An event vector of Knossos begins with a process: `[[0 :invoke`.
        Some(b'[') => words.next() == Some(&b'[') && matches!(words.next(), Some(b'{' | b'[' | b']') | None),
        Some(b'{') => {
            let word: Vec<u8> = words.take(9).copied().collect();
            word.starts_with(b"\"params\":") || word.starts_with(b"\"data\":[")
        }
        _ => false,
    }
}
