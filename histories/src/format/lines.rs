//! Reads formats with one event per line: native JSON Lines, Jepsen's logs and its `history.txt`.

use super::blocks::TextBlock;
use super::chunk::{Chunk, LocalId};
use super::datum::{Datum, DatumKind, Flaw, Strictness, clip_text, write_canonical};
use super::edn::{EdnParser, utf8_flaw};
use super::event::{self, EventRules};
use super::json;
use super::scan::{self, LineScanner};

/// Calls `read` for each line that is not blank, with its place, its text without the newline, and whether it is the
/// last line of the file and has no newline.
pub(super) fn for_each_line(
    block: &TextBlock,
    chunk: &mut Chunk,
    mut read: impl FnMut(&mut Chunk, usize, &[u8], bool),
) {
    let bytes = &block.bytes;
    let (mut start, mut newlines) = (0, 0);
    while start < bytes.len() {
        let rest = &bytes[start..];
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let unfinished = block.last && len == rest.len();
        let line = &rest[..len];
        if !line.trim_ascii_start().is_empty() {
            read(chunk, start, line, unfinished);
        }
        newlines += u64::from(len < rest.len());
        start += len + 1;
    }
    chunk.newlines = Some(newlines);
}

/// Reads native lines.
pub(super) fn read_native_lines(chunk: &mut Chunk, block: &TextBlock, rules: EventRules) {
    let mut may_be_header = block.first;
    let mut scanner = std::str::from_utf8(&block.bytes).ok().map(|text| LineScanner::new(text, 0, rules));
    for_each_line(block, chunk, |chunk, at, line, unfinished| {
        let header = std::mem::take(&mut may_be_header);
        let scanned = !header
            && match &mut scanner {
                Some(scanner) => scanner.scan_line(chunk, at, at + line.len()),
                None => scan::scan_event(chunk, line, at, rules),
            };
        if !scanned {
            read_json_event(chunk, line, at, rules, header, unfinished);
        }
    });
}

/// Reads one event in JSON, by the careful path.
pub(super) fn read_json_event(
    chunk: &mut Chunk,
    bytes: &[u8],
    at: usize,
    rules: EventRules,
    may_be_header: bool,
    unfinished: bool,
) {
    let indent = bytes.len() - bytes.trim_ascii_start().len();
    let at = at + indent;
    let parsed = match std::str::from_utf8(bytes.trim_ascii()) {
        Ok(text) => json::parse_json(text, at),
        Err(error) => {
            let mut flaw = utf8_flaw(at, error);
            flaw.truncated = error.error_len().is_none();
            Err(flaw)
        }
    };
    match parsed {
        Ok(datum) if may_be_header && is_header(&datum) => {
            if let Err(flaw) = read_header(chunk, &datum) {
                chunk.add_flaw(flaw);
            }
        }
        Ok(datum) => event::add_event(chunk, &datum, rules),
        Err(mut flaw) => {
            flaw.truncated &= unfinished;
            chunk.add_broken_event(at, LocalId::ABSENT, [flaw]);
        }
    }
}

fn is_header(datum: &Datum<'_>) -> bool {
    let DatumKind::Map(entries) = &datum.kind else { return false };
    let has = |field| entries.iter().any(|(name, _)| is_named(name, field));
    let is_event = entries.iter().any(|(name, _)| name.as_name() == Some("type"));
    has("steadfast") && !is_event
}

/// Whether a field of a header has this name. A leading colon is not ignored, as it is for fields of events: a header
/// is plain JSON.
fn is_named(name: &Datum<'_>, field: &str) -> bool {
    matches!(&name.kind, DatumKind::Text(text) if text == field)
}

fn read_header(chunk: &mut Chunk, datum: &Datum<'_>) -> Result<(), Flaw> {
    chunk.header = Some(header_text(datum)?);
    Ok(())
}

/// The canonical text of a header that is no line.
#[cfg(feature = "arrow")]
pub(super) fn native_header(datum: &Datum<'_>) -> Result<String, Flaw> {
    match is_header(datum) {
        true => header_text(datum),
        false => Err(Flaw::new(datum.at, datum.describe(), "a header such as {\"steadfast\": 1}")),
    }
}

fn header_text(datum: &Datum<'_>) -> Result<String, Flaw> {
    let DatumKind::Map(entries) = &datum.kind else { unreachable!("a header is a map") };
    let version = entries.iter().find(|(name, _)| is_named(name, "steadfast"));
    let (_, version) = version.expect("a header names its version");
    if version.kind != DatumKind::Int(1) {
        return Err(Flaw::new(
            version.at,
            format!("version {}", version.describe()),
            "version 1 of the format",
        ));
    }
    let real_time = entries.iter().find(|(name, _)| is_named(name, "real_time"));
    if let Some((_, real_time)) = real_time
        && !matches!(real_time.kind, DatumKind::Bool(_))
    {
        let found = format!("the real_time {}", real_time.describe());
        return Err(Flaw::new(
            real_time.at,
            found,
            "true or false: whether the order of events says what came first",
        ));
    }
    let mut text = String::new();
    write_canonical(datum, Strictness::Lax, &mut text)?;
    Ok(text)
}

/// Reads a log of Jepsen, old or new, or an excerpt of one as in Porcupine's tests. Lines with `jepsen.util - PROCESS
/// :TYPE :F VALUE` (or `jepsen.util: …`) are events. Other lines are skipped and counted.
pub(super) fn read_jepsen_log(chunk: &mut Chunk, block: &TextBlock, rules: EventRules) {
    for_each_line(block, chunk, |chunk, at, line, unfinished| match find_log_mark(line) {
        Some(from) => read_log_line(chunk, line, (at, from), unfinished, rules),
        None if resembles_event(line) => {
            let text = String::from_utf8_lossy(line);
            chunk.add_broken_event(
                at,
                LocalId::ABSENT,
                [Flaw::new(at, clip_text(text.trim_end()), LOG_LINE)],
            );
        }
        None => chunk.left_out += 1,
    });
}

/// Reads the `history.txt` of a Jepsen run. Each line is `PROCESS :TYPE :F VALUE`, possibly followed by an error.
pub(super) fn read_history_text(chunk: &mut Chunk, block: &TextBlock, rules: EventRules) {
    for_each_line(block, chunk, |chunk, at, line, unfinished| {
        read_log_line(chunk, line, (at, 0), unfinished, rules);
    });
}

const LOG_LINE: &str = "a line such as \"INFO  jepsen.util - 3\t:invoke\t:write\t4\"";

/// The place where the event begins in a line of a log, if the line has one.
pub(super) fn find_log_mark(line: &[u8]) -> Option<usize> {
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

fn read_log_line(
    chunk: &mut Chunk,
    line: &[u8],
    (at, from): (usize, usize),
    unfinished: bool,
    rules: EventRules,
) {
    match parse_log_event(line, at, from) {
        Ok(datum) => event::add_event(chunk, &datum, rules),
        Err(mut flaw) => {
            flaw.truncated = unfinished;
            chunk.add_broken_event(at, LocalId::ABSENT, [flaw]);
        }
    }
}

fn parse_log_event(line: &[u8], at: usize, from: usize) -> Result<Datum<'_>, Flaw> {
    std::str::from_utf8(line).map_err(|error| utf8_flaw(at, error))?;
    let mut parser = EdnParser::new(line, from);
    let mut entries = Vec::with_capacity(5);
    for name in ["process", "type", "f", "value", "error"] {
        // Only `fail` and `info` events have an error after the value.
        let succeeds = |(name, form): &(Datum<'_>, Datum<'_>)| {
            name.as_name() == Some("type") && matches!(form.as_name(), Some("invoke" | "ok"))
        };
        if name == "error" && entries.iter().any(succeeds) {
            break;
        }
        let form = parser.parse_form(false).map_err(|flaw| Flaw { at: at + flaw.at, ..flaw })?;
        let Some(mut form) = form else {
            if name == "error" {
                break;
            }
            return Err(Flaw::new(at + parser.at, format!("a line without a {name}"), LOG_LINE));
        };
        shift_places(&mut form, at);
        entries.push((Datum::new(form.at, DatumKind::Text(name.into())), form));
    }
    parser.skip_space();
    if let Some(flaw) = parser.flaws.first() {
        return Err(Flaw { at: at + flaw.at, ..flaw.clone() });
    }
    if parser.at < line.len() {
        let more = String::from_utf8_lossy(&line[parser.at..]);
        return Err(Flaw::new(at + parser.at, clip_text(&more), "the end of the line"));
    }
    Ok(Datum::new(at, DatumKind::Map(entries)))
}

/// Converts places in the line to places in the block. The recursion is bounded, because the parser limits the depth.
fn shift_places(datum: &mut Datum<'_>, by: usize) {
    datum.at += by;
    match &mut datum.kind {
        DatumKind::List(items) | DatumKind::Set(items) => {
            items.iter_mut().for_each(|item| shift_places(item, by))
        }
        DatumKind::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
            shift_places(key, by);
            shift_places(value, by);
        }),
        _ => {}
    }
}
