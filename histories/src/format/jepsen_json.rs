//! Reads JSON with events in one array, or one after another with any space between: the format of Jepsen's exports and
//! of elle-cli. Each event is read like a native line; this module only finds its beginning and its end.

use super::chunk::{Chunk, LocalId};
use super::datum::Flaw;
use super::edn::next_event_line;
use super::event::EventRules;
use super::lines::read_json_event;
use super::scan::{self, LineScanner};

/// Reads every event of a block.
pub(super) fn read_block(chunk: &mut Chunk, bytes: &[u8], rules: EventRules) {
    let mut scanner = std::str::from_utf8(bytes).ok().map(|text| LineScanner::new(text, 0, rules));
    let mut at = 0;
    while at < bytes.len() && !chunk.has_too_many_flaws() {
        match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => at += 1,
            byte @ (b'[' | b']') => {
                chunk.brackets.push((at as u32, byte == b'['));
                at += 1;
            }
            _ => at = read_event(chunk, bytes, at, rules, &mut scanner),
        }
    }
}

/// Reads the event at `at`. Returns the place where the next may begin.
fn read_event(
    chunk: &mut Chunk,
    bytes: &[u8],
    at: usize,
    rules: EventRules,
    scanner: &mut Option<LineScanner<'_>>,
) -> usize {
    if let Some(end) = find_object_end(bytes, at) {
        let scanned = match scanner {
            Some(scanner) => scanner.scan_line(chunk, at, end),
            None => scan::scan_event(chunk, &bytes[at..end], at, rules),
        };
        if !scanned {
            read_json_event(chunk, &bytes[at..end], at, rules, false, false);
        }
        return end;
    }
    let next = next_event_line(bytes, at);
    let mut flaw = if bytes[at] == b'{' {
        Flaw::new(at, "a bracket that is never closed", "'}' before the end of the file")
    } else {
        let word = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 20)]).into_owned();
        Flaw::new(at, word.lines().next().unwrap_or("").to_owned(), "an event such as {\"process\": 0, …}")
    };
    flaw.truncated = next.is_none() && bytes[at] == b'{';
    chunk.add_broken_event(at, LocalId::ABSENT, [flaw]);
    next.unwrap_or(bytes.len())
}

/// The end of the object that begins at `at`, found by counting brackets.
pub(super) fn find_object_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes[at] != b'{' {
        return None;
    }
    let (mut depth, mut at) = (0_usize, at);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            b'"' => loop {
                at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)? + 1;
                if bytes[at - 1] == b'"' {
                    break;
                }
                at += 1;
            },
            _ => {}
        }
    }
    None
}
