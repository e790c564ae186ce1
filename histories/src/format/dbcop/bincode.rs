//! dbcop's `history.bincode` of 2019, as bincode 1 lays it out: little-endian, every length and number a `u64`.
//!
//! ```text
//! id  nodes  variables  transactions  events        5 × u64
//! info  start  end                                   3 × (length, UTF-8); times as in RFC 3339
//! sessions: length, then for each
//!   transactions: length, then for each
//!     events: length, then for each   writes u8, variable u64, value u64, succeeded u8
//!     committed u8
//! ```
//!
//! An event that did not succeed in a transaction that was committed had no effect of its own: a read of that kind
//! returned nothing and is left out; a write becomes a transaction that failed, so that a read of it is found out.
//!
//! Problems have no line: they are told with their byte.

use crate::format::by_session::{TransactionStep, TransactionsBySession};
use crate::format::datum::{Flaw, clip_text, write_quoted};
use std::io::{self, Write};

/// Bytes of an event.
const EVENT_BYTES: usize = 18;

pub(super) fn read_bincode(bytes: &[u8]) -> Result<TransactionsBySession, Flaw> {
    let mut from = BincodeCursor { bytes, at: 0 };
    let mut told =
        TransactionsBySession { about: read_header(&mut from)?, ..TransactionsBySession::default() };
    let sessions = from.take_length(8, "sessions")?;
    let mut number = 0;
    for session in 0..sessions {
        told.sessions.push((session as i64, Vec::new()));
        for _ in 0..from.take_length(9, "transactions")? {
            read_transaction(&mut from, &mut told, &mut number)?;
        }
    }
    match bytes.len() - from.at {
        0 => Ok(told),
        more => Err(from.flaw_at(from.at, format!("{more} more bytes"), "the end of the file")),
    }
}

/// What was run, as further fields of a header.
fn read_header(from: &mut BincodeCursor<'_>) -> Result<String, Flaw> {
    let mut about = String::from(",\"params\":{");
    for (at, name) in ["id", "n_node", "n_variable", "n_transaction", "n_event"].iter().enumerate() {
        let number = from.take_number(name)?;
        about.push_str(&format!("{}\"{name}\":{number}", if at > 0 { "," } else { "" }));
    }
    about.push('}');
    for name in ["info", "start", "end"] {
        about.push_str(&format!(",\"{name}\":"));
        write_quoted(from.take_text(name)?, &mut about);
    }
    Ok(about)
}

fn read_transaction(
    from: &mut BincodeCursor<'_>,
    told: &mut TransactionsBySession,
    number: &mut u32,
) -> Result<(), Flaw> {
    let mut steps = Vec::new();
    for _ in 0..from.take_length(EVENT_BYTES, "events")? {
        let writes = from.take_bool("whether an event writes")?;
        let key = from.take_integer("a variable")?;
        let value = from.take_integer("a value")?;
        let succeeded = from.take_bool("whether an event succeeded")?;
        steps.push((TransactionStep { writes, key, value: (value != 0).then_some(value) }, succeeded));
    }
    let committed = from.take_bool("whether a transaction was committed")?;
    let effective = steps.iter().filter(|(_, succeeded)| *succeeded || !committed);
    told.push_transaction(effective.map(|&(step, _)| step), committed, *number);
    *number += 1;
    let failed = |&&(step, succeeded): &&(TransactionStep, bool)| committed && step.writes && !succeeded;
    if steps.iter().any(|step| failed(&step)) {
        told.push_transaction(steps.iter().filter(failed).map(|&(step, _)| step), false, *number);
        *number += 1;
    }
    Ok(())
}

struct BincodeCursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BincodeCursor<'a> {
    fn flaw_at(&self, at: usize, found: impl std::fmt::Display, expected: &str) -> Flaw {
        Flaw::new(at, format!("{found} at byte {at}"), expected)
    }

    fn take_bytes(&mut self, len: usize, what: &str) -> Result<&'a [u8], Flaw> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.get(..len) else {
            let found = format!("{} bytes and then the end of the file", rest.len());
            return Err(self.flaw_at(self.at, found, &format!("{what}, {len} bytes")));
        };
        self.at += len;
        Ok(taken)
    }

    fn take_number(&mut self, what: &str) -> Result<u64, Flaw> {
        let bytes = self.take_bytes(8, what)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("8 bytes were taken")))
    }

    /// A number that fits what histories hold.
    fn take_integer(&mut self, what: &str) -> Result<i64, Flaw> {
        let at = self.at;
        let number = self.take_number(what)?;
        let expected = format!("{what}: an integer up to 2^63 - 1");
        i64::try_from(number).map_err(|_| self.flaw_at(at, number, &expected))
    }

    /// How many of something follow, each of at least `bytes` bytes: what cannot be there is not waited for.
    fn take_length(&mut self, bytes: usize, what: &str) -> Result<usize, Flaw> {
        let at = self.at;
        let number = self.take_number(what)?;
        let most = ((self.bytes.len() - self.at) / bytes) as u64;
        if number > most {
            let expected = format!("at most {most}, for which there are bytes left");
            return Err(self.flaw_at(at, format!("{number} {what}"), &expected));
        }
        Ok(number as usize)
    }

    fn take_text(&mut self, what: &str) -> Result<&'a str, Flaw> {
        let len = self.take_length(1, &format!("bytes of {what}"))?;
        let at = self.at;
        let bytes = self.take_bytes(len, what)?;
        std::str::from_utf8(bytes)
            .map_err(|_| self.flaw_at(at, clip_text(&String::from_utf8_lossy(bytes)), "text in UTF-8"))
    }

    fn take_bool(&mut self, what: &str) -> Result<bool, Flaw> {
        let at = self.at;
        match self.take_bytes(1, what)?[0] {
            0 => Ok(false),
            1 => Ok(true),
            byte => Err(self.flaw_at(at, format!("the byte {byte}"), &format!("0 or 1: {what}"))),
        }
    }
}

/// Writes sessions. `about` are the five numbers of the header; times are not known and left empty.
pub(in crate::format) fn write_bincode(told: &TransactionsBySession, to: &mut impl Write) -> io::Result<()> {
    let mut out = Vec::new();
    let number = |out: &mut Vec<u8>, number: u64| out.extend_from_slice(&number.to_le_bytes());
    let counts = DbcopCounts::from_sessions(told);
    for count in [0, counts.sessions, counts.variables, counts.transactions, counts.events] {
        number(&mut out, count);
    }
    for text in ["written by steadfast", UNKNOWN_TIME, UNKNOWN_TIME] {
        number(&mut out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    }
    number(&mut out, counts.sessions);
    for (_, transactions) in &told.sessions {
        number(&mut out, transactions.len() as u64);
        for transaction in transactions {
            number(&mut out, u64::from(transaction.len));
            for step in told.steps_of(*transaction) {
                out.push(u8::from(step.writes));
                number(&mut out, step.key as u64);
                number(&mut out, step.value.unwrap_or(0) as u64);
                // Some readers look at events only: what an aborted transaction did must not pass for done.
                out.push(u8::from(transaction.committed));
            }
            out.push(u8::from(transaction.committed));
            to.write_all(&out)?;
            out.clear();
        }
    }
    to.write_all(&out)
}

/// dbcop insists on a time. That of a history that has none.
pub(in crate::format) const UNKNOWN_TIME: &str = "1970-01-01T00:00:00+00:00";

/// The numbers that dbcop keeps of a history; of transactions and events, the most in one session or transaction.
pub(in crate::format) struct DbcopCounts {
    pub(in crate::format) sessions: u64,
    pub(in crate::format) variables: u64,
    pub(in crate::format) transactions: u64,
    pub(in crate::format) events: u64,
}

impl DbcopCounts {
    pub(in crate::format) fn from_sessions(told: &TransactionsBySession) -> DbcopCounts {
        let mut keys: Vec<i64> = told.steps.iter().map(|step| step.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let most = |counts: &mut dyn Iterator<Item = usize>| counts.max().unwrap_or(0) as u64;
        let all = || told.sessions.iter().map(|(_, transactions)| transactions);
        DbcopCounts {
            sessions: told.sessions.len() as u64,
            variables: keys.len() as u64,
            transactions: most(&mut all().map(Vec::len)),
            events: most(&mut all().flatten().map(|transaction| transaction.len as usize)),
        }
    }
}
