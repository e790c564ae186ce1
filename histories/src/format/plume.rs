//! Plume's text format, which PolySI, IsoVista and AWDIT also read: one step of a transaction per line.
//!
//! ```text
//! w(KEY,VALUE,SESSION,TRANSACTION)
//! r(7,12,0,3)
//! ```
//!
//! The lines of one transaction are in its order, and the transactions of one session are in the order of their first
//! lines. Lines of different sessions may be mixed in any way; that order means nothing. The value 0 is the initial
//! value of every key, which is `null` here. Transaction number -1 is an aborted transaction; consecutive lines of a
//! session with this number belong to one.
//!
//! # Choices
//! After a *write* of 0, a read of 0 may have observed that write or the initial value. The write becomes a write of
//! `null`, which leaves both possible for the checker. AWDIT decides for the initial value.

use super::blocks::TextBlock;
use super::by_session::TransactionStep;
use super::datum::{Flaw, clip_text};
use super::gathering::Gathering;
use super::integers::IntegerTable;
use rustc_hash::FxHashMap;

/// One line of a file.
#[derive(Clone, Copy)]
struct PlumeLine {
    step: PlumeStep,
    session: i64,
    transaction: i64,
}

/// A step, with the place of its line.
#[derive(Clone, Copy)]
struct PlumeStep {
    key: i64,
    /// 0 is the initial value.
    value: i64,
    at: u32,
    writes: bool,
}

/// Consecutive lines of one transaction.
struct TransactionRun {
    session: i64,
    transaction: i64,
    len: u32,
}

/// The content of one block.
#[derive(Default)]
pub(super) struct PlumeLines {
    steps: Vec<PlumeStep>,
    runs: Vec<TransactionRun>,
}

const EXPECTED: &str = "a line such as w(KEY,VALUE,SESSION,TRANSACTION) or r(7,12,0,3)";
const ABORTED: i64 = -1;

/// Parses a block of lines.
pub(super) fn parse_lines(block: &TextBlock, mut flaw: impl FnMut(Flaw)) -> PlumeLines {
    let bytes = block.bytes.as_slice();
    let mut lines = PlumeLines::default();
    lines.steps.reserve(bytes.len() / 16);
    let mut at = 0;
    while at < bytes.len() {
        if let Some((line, len)) = scan_line(&bytes[at..], at) {
            lines.push_line(line);
            at += len;
            continue;
        }
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |newline| at + newline);
        let text = bytes[at..end].trim_ascii_end();
        let indent = text.len() - text.trim_ascii_start().len();
        if !text.is_empty() {
            match parse_line(at + indent, &text[indent..]) {
                Ok(line) => lines.push_line(line),
                Err(wrong) => flaw(wrong),
            }
        }
        at = end + 1;
    }
    lines
}

impl PlumeLines {
    fn push_line(&mut self, line: PlumeLine) {
        match self.runs.last_mut() {
            Some(run) if run.transaction == line.transaction && run.session == line.session => run.len += 1,
            _ => self.runs.push(TransactionRun {
                session: line.session,
                transaction: line.transaction,
                len: 1,
            }),
        }
        self.steps.push(line.step);
    }
}

/// Parses the line at the start of `bytes` if it has the usual form: no spaces, and no number of more than 18 digits.
/// Returns the line and its length, including the newline. [`line`] must read an accepted line the same way; it also
/// reports the mistakes in other lines.
fn scan_line(bytes: &[u8], at: usize) -> Option<(PlumeLine, usize)> {
    let writes = match bytes.first()? {
        b'w' => true,
        b'r' => false,
        _ => return None,
    };
    if *bytes.get(1)? != b'(' {
        return None;
    }
    let (key, end) = scan_digits(bytes, 2, b',')?;
    let (value, end) = scan_digits(bytes, end, b',')?;
    let (session, end) = scan_digits(bytes, end, b',')?;
    let (transaction, end) = match bytes.get(end..end + 3) {
        Some(b"-1)") => (ABORTED, end + 3),
        _ => scan_digits(bytes, end, b')')?,
    };
    let len = match bytes[end..] {
        [] => end,
        [b'\n', ..] => end + 1,
        [b'\r', b'\n', ..] => end + 2,
        _ => return None,
    };
    Some((PlumeLine { step: PlumeStep { key, value, at: at as u32, writes }, session, transaction }, len))
}

/// Parses a number at `start` that must be followed by `sign`. Returns the number and the place after `sign`.
fn scan_digits(bytes: &[u8], start: usize, sign: u8) -> Option<(i64, usize)> {
    let (mut number, mut at) = (0_i64, start);
    loop {
        let byte = *bytes.get(at)?;
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let usual = byte == sign && (1..=18).contains(&(at - start));
            return usual.then_some((number, at + 1));
        }
        // Overflow is harmless, because numbers with too many digits are rejected above.
        number = number.wrapping_mul(10).wrapping_add(i64::from(digit));
        at += 1;
    }
}

fn parse_line(at: usize, text: &[u8]) -> Result<PlumeLine, Flaw> {
    let strange = || Flaw::new(at, clip_text(&String::from_utf8_lossy(text)), EXPECTED);
    let writes = match text.first() {
        Some(b'w') => true,
        Some(b'r') => false,
        _ => return Err(strange()),
    };
    let inner = text[1..].strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")")).ok_or_else(strange)?;
    let mut numbers = CommaNumbers { text: inner, at: 0, base: at + 2 };
    let key = numbers.next_number(0, "a key")?.ok_or_else(strange)?;
    let value = numbers.next_number(0, "a value")?.ok_or_else(strange)?;
    let session = numbers.next_number(0, "a session")?.ok_or_else(strange)?;
    let transaction = numbers.next_number(ABORTED, "a transaction")?.ok_or_else(strange)?;
    if numbers.at <= inner.len() {
        return Err(strange());
    }
    Ok(PlumeLine { step: PlumeStep { key, value, at: at as u32, writes }, session, transaction })
}

/// Integers separated by commas.
struct CommaNumbers<'a> {
    text: &'a [u8],
    /// The place of the next number; beyond the end if there is none.
    at: usize,
    base: usize,
}

impl CommaNumbers<'_> {
    /// The next number, which must be at least `least`.
    fn next_number(&mut self, least: i64, what: &str) -> Result<Option<i64>, Flaw> {
        let Some(rest) = self.text.get(self.at..) else { return Ok(None) };
        let len = memchr::memchr(b',', rest).unwrap_or(rest.len());
        let (word, place) = (&rest[..len], self.base + self.at);
        self.at += len + 1;
        let number = parse_integer(word.trim_ascii()).filter(|&number| number >= least);
        let expected = || match least {
            ABORTED => format!("{what}: an integer up to 2^63 - 1, or -1 for one that was aborted"),
            _ => format!("{what}: an integer from 0 to 2^63 - 1"),
        };
        let flaw =
            || Flaw::new(place, format!("{:?}", clip_text(&String::from_utf8_lossy(word))), expected());
        number.map(Some).ok_or_else(flaw)
    }
}

/// Parses a decimal integer. `str::parse` would check for UTF-8 first, which costs time.
pub(super) fn parse_integer(word: &[u8]) -> Option<i64> {
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

/// Collects the lines of each transaction.
#[derive(Default)]
pub(super) struct PlumeSorter {
    pub(super) gathering: Gathering,
    /// The numbers of transactions, in order of first appearance.
    numbers: IntegerTable,
    /// For each such number, the transaction.
    of_number: Vec<u32>,
    of_session: FxHashMap<i64, u32>,
    /// For each session, its current aborted transaction.
    aborting: Vec<Option<u32>>,
}

impl PlumeSorter {
    /// Adds the content of a block.
    pub(super) fn add_lines(&mut self, lines: &PlumeLines, mut flaw: impl FnMut(Flaw)) {
        let mut rest = lines.steps.as_slice();
        for run in &lines.runs {
            let (steps, others) = rest.split_at(run.len as usize);
            rest = others;
            let session = self.intern_session(run.session);
            let transaction = match run.transaction {
                ABORTED => self.aborted_transaction(session),
                number => self.committed_transaction(session, number),
            };
            let own = self.gathering.session_of(transaction);
            if own != session {
                let found = format!("transaction {} in session {}", run.transaction, run.session);
                let expected = format!("session {}, where it began", self.gathering.session_name(own));
                steps
                    .iter()
                    .for_each(|step| flaw(Flaw::new(step.at as usize, found.clone(), expected.clone())));
                continue;
            }
            let step = |step: &PlumeStep| TransactionStep {
                writes: step.writes,
                key: step.key,
                value: (step.value != 0).then_some(step.value),
            };
            self.gathering.add_steps(transaction, steps.iter().map(step));
        }
    }

    fn intern_session(&mut self, name: i64) -> u32 {
        *self.of_session.entry(name).or_insert_with(|| {
            self.aborting.push(None);
            self.gathering.add_session(name)
        })
    }

    fn aborted_transaction(&mut self, session: u32) -> u32 {
        let gathering = &mut self.gathering;
        *self.aborting[session as usize].get_or_insert_with(|| gathering.begin_transaction(session, false))
    }

    fn committed_transaction(&mut self, session: u32, number: i64) -> u32 {
        self.aborting[session as usize] = None;
        let number = self.numbers.intern_number(number) as usize;
        if number == self.of_number.len() {
            self.of_number.push(self.gathering.begin_transaction(session, true));
        }
        self.of_number[number]
    }
}
