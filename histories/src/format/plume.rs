//! Plume's text, which PolySI, IsoVista and AWDIT read as well: one step of a transaction a line.
//!
//! ```text
//! w(KEY,VALUE,SESSION,TRANSACTION)
//! r(7,12,0,3)
//! ```
//!
//! Lines of one transaction are in its order, transactions of one session in that of their first lines; those of
//! different sessions may be mixed and mean nothing by it. The value 0 is what every key holds at first, which is
//! `null` here. Transaction -1 was aborted, with whatever else a session did under that number in a row.
//!
//! # Choices
//! A *write* of 0 leaves open whether a read of 0 saw it or the beginning. It becomes a write of `null`, which
//! the checker takes for just that; AWDIT lets the beginning win.

use super::by_session::{BySession, Step};
use super::datum::{Flaw, clip};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

/// One line.
#[derive(Clone, Copy)]
struct Line {
    at: usize,
    step: Step,
    session: i64,
    transaction: i64,
}

const EXPECTED: &str = "a line such as w(KEY,VALUE,SESSION,TRANSACTION) or r(7,12,0,3)";
const ABORTED: i64 = -1;

/// Reads a whole text.
pub(super) fn read(bytes: &[u8]) -> Result<BySession, Vec<Flaw>> {
    let parts: Vec<(Vec<Line>, Vec<Flaw>)> =
        pieces(bytes).into_par_iter().map(|(start, piece)| lines(start, piece)).collect();
    let mut flaws: Vec<Flaw> = Vec::new();
    let mut sorter = Sorter::default();
    for (lines, wrong) in parts {
        flaws.extend(wrong);
        for line in lines {
            flaws.extend(sorter.add(line).err());
        }
    }
    if flaws.is_empty() { Ok(sorter.sorted()) } else { Err(flaws) }
}

/// How many bytes a thread reads at a time.
const PIECE_BYTES: usize = 1 << 20;

/// The text in pieces that end where a line ends, each with its place.
fn pieces(bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    while start < bytes.len() {
        let least = (start + PIECE_BYTES).min(bytes.len());
        let end = memchr::memchr(b'\n', &bytes[least..]).map_or(bytes.len(), |newline| least + newline + 1);
        pieces.push((start, &bytes[start..end]));
        start = end;
    }
    pieces
}

fn lines(start: usize, piece: &[u8]) -> (Vec<Line>, Vec<Flaw>) {
    let (mut lines, mut flaws) = (Vec::with_capacity(piece.len() / 12), Vec::new());
    let mut at = 0;
    while at < piece.len() {
        let end = memchr::memchr(b'\n', &piece[at..]).map_or(piece.len(), |newline| at + newline);
        let text = piece[at..end].trim_ascii_end();
        let indent = text.len() - text.trim_ascii_start().len();
        if !text.is_empty() {
            match line(start + at + indent, &text[indent..]) {
                Ok(line) => lines.push(line),
                Err(flaw) => flaws.push(flaw),
            }
        }
        at = end + 1;
    }
    (lines, flaws)
}

fn line(at: usize, text: &[u8]) -> Result<Line, Flaw> {
    let strange = || Flaw::new(at, clip(&String::from_utf8_lossy(text)), EXPECTED);
    let writes = match text.first() {
        Some(b'w') => true,
        Some(b'r') => false,
        _ => return Err(strange()),
    };
    let inner = text[1..].strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")")).ok_or_else(strange)?;
    let mut numbers = Numbers { text: inner, at: 0, base: at + 2 };
    let key = numbers.next(0, "a key")?.ok_or_else(strange)?;
    let value = numbers.next(0, "a value")?.ok_or_else(strange)?;
    let session = numbers.next(0, "a session")?.ok_or_else(strange)?;
    let transaction = numbers.next(ABORTED, "a transaction")?.ok_or_else(strange)?;
    if numbers.at <= inner.len() {
        return Err(strange());
    }
    let value = (value != 0).then_some(value);
    Ok(Line { at, step: Step { writes, key, value }, session, transaction })
}

/// Integers between commas.
struct Numbers<'a> {
    text: &'a [u8],
    /// Where the next begins; beyond the end once there is none.
    at: usize,
    base: usize,
}

impl Numbers<'_> {
    /// The next number, at least `least`.
    fn next(&mut self, least: i64, what: &str) -> Result<Option<i64>, Flaw> {
        let Some(rest) = self.text.get(self.at..) else { return Ok(None) };
        let len = memchr::memchr(b',', rest).unwrap_or(rest.len());
        let (word, place) = (&rest[..len], self.base + self.at);
        self.at += len + 1;
        let number = integer(word.trim_ascii()).filter(|&number| number >= least);
        let expected = || match least {
            ABORTED => format!("{what}: an integer up to 2^63 - 1, or -1 for one that was aborted"),
            _ => format!("{what}: an integer from 0 to 2^63 - 1"),
        };
        let flaw = || Flaw::new(place, format!("{:?}", clip(&String::from_utf8_lossy(word))), expected());
        number.map(Some).ok_or_else(flaw)
    }
}

/// A decimal integer. Not by `str::parse`, which would check for UTF-8 first.
pub(super) fn integer(word: &[u8]) -> Option<i64> {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let negative = digits.len() < word.len();
    digits.iter().try_fold(0_i64, |number, digit| {
        let digit = i64::from(digit - b'0');
        number.checked_mul(10)?.checked_add(if negative { -digit } else { digit })
    })
}

/// Puts lines together that are of one transaction.
#[derive(Default)]
struct Sorter {
    /// Each step with the transaction that it is part of.
    steps: Vec<(u32, Step)>,
    /// Session and number of steps of each transaction; whether it was committed.
    transactions: Vec<(u32, u32, bool)>,
    of_number: FxHashMap<i64, u32>,
    of_session: FxHashMap<i64, u32>,
    sessions: Vec<i64>,
    /// Of each session, the aborted transaction that it is in.
    aborting: Vec<Option<u32>>,
    /// The last line's transaction and its number: the next line is nearly always of the same.
    last: Option<(i64, u32)>,
}

impl Sorter {
    fn add(&mut self, line: Line) -> Result<(), Flaw> {
        let next = self.sessions.len() as u32;
        let session = *self.of_session.entry(line.session).or_insert(next);
        if session == next {
            self.sessions.push(line.session);
            self.aborting.push(None);
        }
        let transaction = if line.transaction == ABORTED {
            let known = self.aborting[session as usize];
            let transaction = known.unwrap_or_else(|| self.begin(session, false));
            self.aborting[session as usize] = Some(transaction);
            transaction
        } else {
            self.aborting[session as usize] = None;
            self.committed(session, line)?
        };
        self.transactions[transaction as usize].1 += 1;
        self.steps.push((transaction, line.step));
        Ok(())
    }

    fn committed(&mut self, session: u32, line: Line) -> Result<u32, Flaw> {
        let known = match self.last {
            Some((number, transaction)) if number == line.transaction => Some(transaction),
            _ => self.of_number.get(&line.transaction).copied(),
        };
        let transaction = known.unwrap_or_else(|| {
            let begun = self.begin(session, true);
            self.of_number.insert(line.transaction, begun);
            begun
        });
        self.last = Some((line.transaction, transaction));
        let own = self.transactions[transaction as usize].0;
        if own != session {
            let found = format!("transaction {} in session {}", line.transaction, line.session);
            let expected = format!("session {}, where it began", self.sessions[own as usize]);
            return Err(Flaw::new(line.at, found, expected));
        }
        Ok(transaction)
    }

    fn begin(&mut self, session: u32, committed: bool) -> u32 {
        self.transactions.push((session, 0, committed));
        self.transactions.len() as u32 - 1
    }

    /// By transaction: a counting sort, which keeps the order of lines within each.
    fn sorted(self) -> BySession {
        let mut told = BySession::default();
        told.sessions.extend(self.sessions.iter().map(|&name| (name, Vec::new())));
        let mut starts = Vec::with_capacity(self.transactions.len());
        let mut start = 0;
        for (number, &(session, len, committed)) in self.transactions.iter().enumerate() {
            starts.push(start);
            let transaction = super::by_session::Transaction { start, len, committed, number: number as u32 };
            told.sessions[session as usize].1.push(transaction);
            start += len;
        }
        told.steps = vec![Step { writes: false, key: 0, value: None }; self.steps.len()];
        for (transaction, step) in self.steps {
            let place = &mut starts[transaction as usize];
            told.steps[*place as usize] = step;
            *place += 1;
        }
        told
    }
}
