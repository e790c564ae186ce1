//! AWDIT's text for tests: sessions between lines of `=`, transactions between lines of `-`, a step a line.
//!
//! ```text
//! w 0 1
//! -----
//! r 0 1
//! =====
//! w 0 2
//! ```
//!
//! Every transaction was committed. There is no initial value: what is read must have been written, and who wants
//! keys to begin as something begins with a transaction that writes it.

use super::blocks::TextBlock;
use super::by_session::TransactionStep;
use super::datum::{Flaw, clip_text};
use super::gathering::Gathering;
use super::plume::parse_integer;

const EXPECTED: &str = "a step such as w KEY VALUE or r 0 1, or a line of - or =";

/// What ends after some steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StepsEnd {
    /// Nothing: the block is over.
    None,
    Transaction,
    Session,
}

/// What one block says.
#[derive(Default)]
pub(super) struct AwditSteps {
    steps: Vec<TransactionStep>,
    /// How many steps there are before each end.
    runs: Vec<(u32, StepsEnd)>,
}

/// Reads a block of lines.
pub(super) fn parse_steps(block: &TextBlock, mut flaw: impl FnMut(Flaw)) -> AwditSteps {
    let bytes = block.bytes.as_slice();
    let mut said = AwditSteps::default();
    let (mut len, mut start) = (0, 0);
    while start < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |newline| start + newline);
        let text = bytes[start..end].trim_ascii();
        let ends = match text.first() {
            Some(b'-') => Some(StepsEnd::Transaction),
            Some(b'=') => Some(StepsEnd::Session),
            _ => None,
        };
        if let Some(what) = ends.filter(|_| text.iter().all(|byte| *byte == text[0])) {
            said.runs.push((std::mem::take(&mut len), what));
        } else if !text.is_empty() {
            let at = end - bytes[start..end].trim_ascii_start().len();
            match scan_step(text).map_or_else(|| parse_step(at, text), Ok) {
                Ok(step) => {
                    said.steps.push(step);
                    len += 1;
                }
                Err(wrong) => flaw(wrong),
            }
        }
        start = end + 1;
    }
    said.runs.push((len, StepsEnd::None));
    said
}

/// A step as nearly all are written: single spaces, no number of more than 18 digits. What this accepts means the same
/// to [`step`], which says what is wrong with the others.
fn scan_step(text: &[u8]) -> Option<TransactionStep> {
    let writes = match text.get(..2)? {
        b"w " => true,
        b"r " => false,
        _ => return None,
    };
    let space = text[2..].iter().position(|&byte| byte == b' ')?;
    let (key, value) = (&text[2..2 + space], &text[2 + space + 1..]);
    Some(TransactionStep { writes, key: scan_digits(key)?, value: Some(scan_digits(value)?) })
}

fn scan_digits(word: &[u8]) -> Option<i64> {
    if word.is_empty() || word.len() > 18 {
        return None;
    }
    word.iter().try_fold(0_i64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| number * 10 + i64::from(digit))
    })
}

/// Puts steps together as the lines between them say.
#[derive(Default)]
pub(super) struct AwditSorter {
    pub(super) gathering: Gathering,
    sessions: u32,
    /// The session that goes on, and the transaction.
    session: Option<u32>,
    transaction: Option<u32>,
}

impl AwditSorter {
    /// Adds what a block says.
    pub(super) fn add_steps(&mut self, said: &AwditSteps) {
        let mut rest = said.steps.as_slice();
        for &(len, end) in &said.runs {
            let (steps, others) = rest.split_at(len as usize);
            rest = others;
            if !steps.is_empty() {
                let gathering = &mut self.gathering;
                let sessions = &mut self.sessions;
                let session = *self.session.get_or_insert_with(|| {
                    *sessions += 1;
                    gathering.add_session(i64::from(*sessions - 1))
                });
                let transaction =
                    *self.transaction.get_or_insert_with(|| gathering.begin_transaction(session, true));
                gathering.add_steps(transaction, steps.iter().copied());
            }
            if end != StepsEnd::None {
                self.transaction = None;
            }
            if end == StepsEnd::Session {
                self.session = None;
            }
        }
    }
}

fn parse_step(at: usize, text: &[u8]) -> Result<TransactionStep, Flaw> {
    let strange = || Flaw::new(at, clip_text(&String::from_utf8_lossy(text)), EXPECTED);
    let words: Vec<&[u8]> =
        text.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()).collect();
    let [kind, key, value] = words[..] else { return Err(strange()) };
    let writes = match kind {
        b"w" => true,
        b"r" => false,
        _ => return Err(strange()),
    };
    let number = |word: &[u8], what: &str| {
        let place = at + (word.as_ptr() as usize - text.as_ptr() as usize);
        let flaw = || {
            let found = format!("{:?}", clip_text(&String::from_utf8_lossy(word)));
            Flaw::new(place, found, format!("{what}: an integer from 0 to 2^63 - 1"))
        };
        parse_integer(word).filter(|&number| number >= 0).ok_or_else(flaw)
    };
    Ok(TransactionStep { writes, key: number(key, "a key")?, value: Some(number(value, "a value")?) })
}
