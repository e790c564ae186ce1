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

use super::by_session::{BySession, Step};
use super::datum::{Flaw, clip};
use super::plume::integer;

const EXPECTED: &str = "a step such as w KEY VALUE or r 0 1, or a line of - or =";

/// Reads a whole text.
pub(super) fn read(bytes: &[u8]) -> Result<BySession, Vec<Flaw>> {
    let (mut told, mut flaws) = (BySession::default(), Vec::new());
    let mut steps: Vec<Step> = Vec::new();
    let (mut in_session, mut number, mut start) = (false, 0, 0);
    while start <= bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |newline| start + newline);
        let text = bytes[start..end].trim_ascii();
        let at = end - bytes[start..end].trim_ascii_start().len();
        let all = |sign| !text.is_empty() && text.iter().all(|&byte| byte == sign);
        let ends_session = all(b'=') || end == bytes.len();
        if !text.is_empty() && !all(b'=') && !all(b'-') {
            match step(at, text) {
                Ok(step) => steps.push(step),
                Err(flaw) => flaws.push(flaw),
            }
        }
        if (ends_session || all(b'-')) && !steps.is_empty() {
            if !in_session {
                told.sessions.push((told.sessions.len() as i64, Vec::new()));
                in_session = true;
            }
            told.push(steps.drain(..), true, number);
            number += 1;
        }
        in_session &= !ends_session;
        start = end + 1;
    }
    if flaws.is_empty() { Ok(told) } else { Err(flaws) }
}

fn step(at: usize, text: &[u8]) -> Result<Step, Flaw> {
    let strange = || Flaw::new(at, clip(&String::from_utf8_lossy(text)), EXPECTED);
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
            let found = format!("{:?}", clip(&String::from_utf8_lossy(word)));
            Flaw::new(place, found, format!("{what}: an integer from 0 to 2^63 - 1"))
        };
        integer(word).filter(|&number| number >= 0).ok_or_else(flaw)
    };
    Ok(Step { writes, key: number(key, "a key")?, value: Some(number(value, "a value")?) })
}
