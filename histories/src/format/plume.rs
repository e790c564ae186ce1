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

use super::blocks::TextBlock;
use super::by_session::TransactionStep;
use super::datum::{Flaw, clip_text};
use super::gathering::Gathering;
use super::integers::IntegerTable;
use rustc_hash::FxHashMap;

/// One line.
#[derive(Clone, Copy)]
struct PlumeLine {
    step: PlumeStep,
    session: i64,
    transaction: i64,
}

/// A step, and where its line is.
#[derive(Clone, Copy)]
struct PlumeStep {
    key: i64,
    /// 0: the initial value.
    value: i64,
    at: u32,
    writes: bool,
}

/// Lines of one transaction in a row.
struct TransactionRun {
    session: i64,
    transaction: i64,
    len: u32,
}

/// What one block says.
#[derive(Default)]
pub(super) struct PlumeLines {
    steps: Vec<PlumeStep>,
    runs: Vec<TransactionRun>,
}

const EXPECTED: &str = "a line such as w(KEY,VALUE,SESSION,TRANSACTION) or r(7,12,0,3)";
const ABORTED: i64 = -1;

/// Reads a block of lines.
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

/// The line that begins here, and its length with its newline, if it is written as nearly all are: no spaces, no number
/// of more than 18 digits. What this accepts means the same to [`line`], which says what is wrong with the others.
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

/// The number that begins here and the place behind the sign that must end it.
fn scan_digits(bytes: &[u8], start: usize, sign: u8) -> Option<(i64, usize)> {
    let (mut number, mut at) = (0_i64, start);
    loop {
        let byte = *bytes.get(at)?;
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let usual = byte == sign && (1..=18).contains(&(at - start));
            return usual.then_some((number, at + 1));
        }
        // Wrapping is harmless: too many digits are refused above.
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

/// Integers between commas.
struct CommaNumbers<'a> {
    text: &'a [u8],
    /// Where the next begins; beyond the end once there is none.
    at: usize,
    base: usize,
}

impl CommaNumbers<'_> {
    /// The next number, at least `least`.
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

/// A decimal integer. Not by `str::parse`, which would check for UTF-8 first.
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

/// Puts lines together that are of one transaction.
#[derive(Default)]
pub(super) struct PlumeSorter {
    pub(super) gathering: Gathering,
    /// Transactions by their numbers, as they were first met.
    numbers: IntegerTable,
    /// Of each such number, the transaction.
    of_number: Vec<u32>,
    of_session: FxHashMap<i64, u32>,
    /// Of each session, the aborted transaction that it is in.
    aborting: Vec<Option<u32>>,
}

impl PlumeSorter {
    /// Adds what a block says.
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
