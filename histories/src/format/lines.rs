//! Reads formats with one event per line: native JSON Lines, Jepsen's logs and its `history.txt`.

use super::blocks::Block;
use super::chunk::{Chunk, Local};
use super::datum::{Datum, Flaw, Kind, Strictness, canonical, clip};
use super::edn::{Parser, not_utf8};
use super::event::{self, Rules};
use super::{json, scan};

/// Calls `read` for each line that is not blank, with its place, its text without the newline, and whether it is the
/// last line of the file and has no newline.
pub(super) fn each_line(
    block: &Block,
    chunk: &mut Chunk,
    mut read: impl FnMut(&mut Chunk, usize, &[u8], bool),
) {
    let bytes = &block.bytes;
    let mut start = 0;
    while start < bytes.len() {
        let rest = &bytes[start..];
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let unfinished = block.last && len == rest.len();
        let line = &rest[..len];
        if !line.trim_ascii().is_empty() {
            read(chunk, start, line, unfinished);
        }
        start += len + 1;
    }
}

/// Reads native lines.
pub(super) fn read_native(chunk: &mut Chunk, block: &Block, rules: Rules) {
    let mut may_be_header = block.first;
    each_line(block, chunk, |chunk, at, line, unfinished| {
        let header = std::mem::take(&mut may_be_header);
        if header || !scan::event(chunk, line, at, rules) {
            json_event(chunk, line, at, rules, header, unfinished);
        }
    });
}

/// Reads one event in JSON, by the careful path.
pub(super) fn json_event(
    chunk: &mut Chunk,
    bytes: &[u8],
    at: usize,
    rules: Rules,
    may_be_header: bool,
    unfinished: bool,
) {
    let indent = bytes.len() - bytes.trim_ascii_start().len();
    let at = at + indent;
    let parsed = match std::str::from_utf8(bytes.trim_ascii()) {
        Ok(text) => json::parse(text, at),
        Err(error) => {
            let mut flaw = not_utf8(at, error);
            flaw.truncated = error.error_len().is_none();
            Err(flaw)
        }
    };
    match parsed {
        Ok(datum) if may_be_header && is_header(&datum) => {
            if let Err(flaw) = header(chunk, &datum) {
                chunk.flaw(flaw);
            }
        }
        Ok(datum) => event::add(chunk, &datum, rules),
        Err(mut flaw) => {
            flaw.truncated &= unfinished;
            chunk.broken(at, Local::ABSENT, [flaw]);
        }
    }
}

fn is_header(datum: &Datum<'_>) -> bool {
    let Kind::Map(entries) = &datum.kind else { return false };
    let has = |field| entries.iter().any(|(name, _)| is_named(name, field));
    let is_event = entries.iter().any(|(name, _)| name.name() == Some("type"));
    has("steadfast") && !is_event
}

/// Whether a field of a header has this name. A leading colon is not ignored, as it is for fields of events: a header
/// is plain JSON.
fn is_named(name: &Datum<'_>, field: &str) -> bool {
    matches!(&name.kind, Kind::Text(text) if text == field)
}

fn header(chunk: &mut Chunk, datum: &Datum<'_>) -> Result<(), Flaw> {
    let Kind::Map(entries) = &datum.kind else { unreachable!("a header is a map") };
    let version = entries.iter().find(|(name, _)| is_named(name, "steadfast"));
    let (_, version) = version.expect("a header names its version");
    if version.kind != Kind::Int(1) {
        return Err(Flaw::new(
            version.at,
            format!("version {}", version.describe()),
            "version 1 of the format",
        ));
    }
    let real_time = entries.iter().find(|(name, _)| is_named(name, "real_time"));
    if let Some((_, real_time)) = real_time
        && !matches!(real_time.kind, Kind::Bool(_))
    {
        let found = format!("the real_time {}", real_time.describe());
        return Err(Flaw::new(
            real_time.at,
            found,
            "true or false: whether the order of events says what came first",
        ));
    }
    let mut text = String::new();
    canonical(datum, Strictness::Lax, &mut text)?;
    chunk.header = Some(text);
    Ok(())
}

/// Reads a log of Jepsen, old or new, or an excerpt of one as in Porcupine's tests. Lines with `jepsen.util - PROCESS
/// :TYPE :F VALUE` (or `jepsen.util: …`) are events. Other lines are skipped and counted.
pub(super) fn read_log(chunk: &mut Chunk, block: &Block, rules: Rules) {
    each_line(block, chunk, |chunk, at, line, unfinished| match log_mark(line) {
        Some(from) => log_line(chunk, line, (at, from), unfinished, rules),
        None if resembles_event(line) => {
            let text = String::from_utf8_lossy(line);
            chunk.broken(at, Local::ABSENT, [Flaw::new(at, clip(text.trim_end()), LOG_LINE)]);
        }
        None => chunk.left_out += 1,
    });
}

/// Reads the `history.txt` of a Jepsen run. Each line is `PROCESS :TYPE :F VALUE`, possibly followed by an error.
pub(super) fn read_history_text(chunk: &mut Chunk, block: &Block, rules: Rules) {
    each_line(block, chunk, |chunk, at, line, unfinished| {
        log_line(chunk, line, (at, 0), unfinished, rules);
    });
}

const LOG_LINE: &str = "a line such as \"INFO  jepsen.util - 3\t:invoke\t:write\t4\"";

/// The place where the event begins in a line of a log, if the line has one.
pub(super) fn log_mark(line: &[u8]) -> Option<usize> {
    [&b"jepsen.util - "[..], b"jepsen.util: "]
        .into_iter()
        .find_map(|mark| memchr::memmem::find(line, mark).map(|at| at + mark.len()))
}

/// Whether a line contains the words of an event, a type followed by a name, so that it should have been read as one.
fn resembles_event(line: &[u8]) -> bool {
    let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let is_type = |word: &&[u8]| matches!(*word, b":invoke" | b":ok" | b":fail" | b":info");
    !line.contains(&b'{')
        && words.any(|word| is_type(&word))
        && words.next().is_some_and(|word| word[0] == b':')
}

/// Whether a line of text is an event of a `history.txt`.
pub(super) fn is_history_text(line: &[u8]) -> bool {
    let first = line.trim_ascii_start().first();
    first.is_some_and(|&byte| byte.is_ascii_digit() || byte == b':') && resembles_event(line)
}

fn log_line(chunk: &mut Chunk, line: &[u8], (at, from): (usize, usize), unfinished: bool, rules: Rules) {
    match log_event(line, at, from) {
        Ok(datum) => event::add(chunk, &datum, rules),
        Err(mut flaw) => {
            flaw.truncated = unfinished;
            chunk.broken(at, Local::ABSENT, [flaw]);
        }
    }
}

fn log_event(line: &[u8], at: usize, from: usize) -> Result<Datum<'_>, Flaw> {
    std::str::from_utf8(line).map_err(|error| not_utf8(at, error))?;
    let mut parser = Parser::new(line, from);
    let mut entries = Vec::with_capacity(5);
    for name in ["process", "type", "f", "value", "error"] {
        // Only `fail` and `info` events have an error after the value.
        let succeeds = |(name, form): &(Datum<'_>, Datum<'_>)| {
            name.name() == Some("type") && matches!(form.name(), Some("invoke" | "ok"))
        };
        if name == "error" && entries.iter().any(succeeds) {
            break;
        }
        let form = parser.form(false).map_err(|flaw| Flaw { at: at + flaw.at, ..flaw })?;
        let Some(mut form) = form else {
            if name == "error" {
                break;
            }
            return Err(Flaw::new(at + parser.at, format!("a line without a {name}"), LOG_LINE));
        };
        move_by(&mut form, at);
        entries.push((Datum::new(form.at, Kind::Text(name.into())), form));
    }
    parser.space();
    if let Some(flaw) = parser.flaws.first() {
        return Err(Flaw { at: at + flaw.at, ..flaw.clone() });
    }
    if parser.at < line.len() {
        let more = String::from_utf8_lossy(&line[parser.at..]);
        return Err(Flaw::new(at + parser.at, clip(&more), "the end of the line"));
    }
    Ok(Datum::new(at, Kind::Map(entries)))
}

/// Converts places in the line to places in the block. The recursion is bounded, because the parser limits the depth.
fn move_by(datum: &mut Datum<'_>, by: usize) {
    datum.at += by;
    match &mut datum.kind {
        Kind::List(items) | Kind::Set(items) => items.iter_mut().for_each(|item| move_by(item, by)),
        Kind::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
            move_by(key, by);
            move_by(value, by);
        }),
        _ => {}
    }
}
